# ruff: noqa: E501 - one property a line, as a table
"""Which properties does HubSpot give every portal?

A table of names, types and options, one property a line, and what a line means. Data only.

Facts: HubSpot, CRM object guides ("default properties" of each object), read 2026-11-23.
"""

from __future__ import annotations

from typing import Any, Final

BORN: Final = "2019-08-06T02:41:08.029Z"
_COMMON = """
hs_object_id|Record ID|number|number|r
hs_createdate|Object create date/time|datetime|date|r
hs_lastmodifieddate|Object last modified date/time|datetime|date|r
hs_object_source|Record source|string|text|r
hs_object_source_id|Record source ID|string|text|r
hs_object_source_label|Record source detail|string|text|r
hs_object_source_user_id|Record source user ID|number|number|r
hs_created_by_user_id|Created by user ID|number|number|r
hs_updated_by_user_id|Updated by user ID|number|number|r
hs_merged_object_ids|Merged record IDs|enumeration|checkbox|rx
hubspot_owner_id|Owner|enumeration|select|o
hubspot_owner_assigneddate|Owner assigned date|datetime|date|r
"""
_LIFECYCLE = (
    "subscriber=Subscriber,lead=Lead,marketingqualifiedlead=Marketing Qualified Lead,"
    "salesqualifiedlead=Sales Qualified Lead,opportunity=Opportunity,customer=Customer,"
    "evangelist=Evangelist,other=Other"
)
LIFECYCLE: Final = tuple(part.split("=")[0] for part in _LIFECYCLE.split(","))
_LEAD_STATUS = (
    "NEW=New,OPEN=Open,IN_PROGRESS=In Progress,OPEN_DEAL=Open Deal,UNQUALIFIED=Unqualified,"
    "ATTEMPTED_TO_CONTACT=Attempted to Contact,CONNECTED=Connected,BAD_TIMING=Bad Timing"
)
_INDUSTRIES = (
    "ACCOUNTING AIRLINES_AVIATION ALTERNATIVE_DISPUTE_RESOLUTION ALTERNATIVE_MEDICINE ANIMATION APPAREL_FASHION "
    "ARCHITECTURE_PLANNING ARTS_AND_CRAFTS AUTOMOTIVE AVIATION_AEROSPACE BANKING BIOTECHNOLOGY BROADCAST_MEDIA "
    "BUILDING_MATERIALS BUSINESS_SUPPLIES_AND_EQUIPMENT CAPITAL_MARKETS CHEMICALS CIVIC_SOCIAL_ORGANIZATION "
    "CIVIL_ENGINEERING COMMERCIAL_REAL_ESTATE COMPUTER_NETWORK_SECURITY COMPUTER_GAMES COMPUTER_HARDWARE "
    "COMPUTER_NETWORKING COMPUTER_SOFTWARE INTERNET CONSTRUCTION CONSUMER_ELECTRONICS CONSUMER_GOODS "
    "CONSUMER_SERVICES COSMETICS DAIRY DEFENSE_SPACE DESIGN EDUCATION_MANAGEMENT E_LEARNING "
    "ELECTRICAL_ELECTRONIC_MANUFACTURING ENTERTAINMENT ENVIRONMENTAL_SERVICES EVENTS_SERVICES EXECUTIVE_OFFICE "
    "FACILITIES_SERVICES FARMING FINANCIAL_SERVICES FINE_ART FISHERY FOOD_BEVERAGES FOOD_PRODUCTION FUND_RAISING "
    "FURNITURE GAMBLING_CASINOS GLASS_CERAMICS_CONCRETE GOVERNMENT_ADMINISTRATION GOVERNMENT_RELATIONS "
    "GRAPHIC_DESIGN HEALTH_WELLNESS_AND_FITNESS HIGHER_EDUCATION HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES "
    "IMPORT_AND_EXPORT INDIVIDUAL_FAMILY_SERVICES INDUSTRIAL_AUTOMATION INFORMATION_SERVICES "
    "INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE INTERNATIONAL_AFFAIRS INTERNATIONAL_TRADE_AND_DEVELOPMENT "
    "INVESTMENT_BANKING INVESTMENT_MANAGEMENT JUDICIARY LAW_ENFORCEMENT LAW_PRACTICE LEGAL_SERVICES "
    "LEGISLATIVE_OFFICE LEISURE_TRAVEL_TOURISM LIBRARIES LOGISTICS_AND_SUPPLY_CHAIN LUXURY_GOODS_JEWELRY MACHINERY "
    "MANAGEMENT_CONSULTING MARITIME MARKET_RESEARCH MARKETING_AND_ADVERTISING MECHANICAL_OR_INDUSTRIAL_ENGINEERING "
    "MEDIA_PRODUCTION MEDICAL_DEVICES MEDICAL_PRACTICE MENTAL_HEALTH_CARE MILITARY MINING_METALS "
    "MOTION_PICTURES_AND_FILM MUSEUMS_AND_INSTITUTIONS MUSIC NANOTECHNOLOGY NEWSPAPERS "
    "NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY ONLINE_MEDIA OUTSOURCING_OFFSHORING PACKAGE_FREIGHT_DELIVERY "
    "PACKAGING_AND_CONTAINERS PAPER_FOREST_PRODUCTS PERFORMING_ARTS PHARMACEUTICALS PHILANTHROPY PHOTOGRAPHY "
    "PLASTICS POLITICAL_ORGANIZATION PRIMARY_SECONDARY_EDUCATION PRINTING PROFESSIONAL_TRAINING_COACHING "
    "PROGRAM_DEVELOPMENT PUBLIC_POLICY PUBLIC_RELATIONS_AND_COMMUNICATIONS PUBLIC_SAFETY PUBLISHING "
    "RAILROAD_MANUFACTURE RANCHING REAL_ESTATE RECREATIONAL_FACILITIES_AND_SERVICES RELIGIOUS_INSTITUTIONS "
    "RENEWABLES_ENVIRONMENT RESEARCH RESTAURANTS RETAIL SECURITY_AND_INVESTIGATIONS SEMICONDUCTORS SHIPBUILDING "
    "SPORTING_GOODS SPORTS STAFFING_AND_RECRUITING SUPERMARKETS TELECOMMUNICATIONS TEXTILES THINK_TANKS TOBACCO "
    "TRANSLATION_AND_LOCALIZATION TRANSPORTATION_TRUCKING_RAILROAD UTILITIES VENTURE_CAPITAL_PRIVATE_EQUITY "
    "VETERINARY WAREHOUSING WHOLESALE WINE_AND_SPIRITS WIRELESS WRITING_AND_EDITING MOBILE_GAMES"
)
_TIMED = (
    "hs_timestamp|Activity date|datetime|date|\nhs_attachment_ids|Attached file IDs|enumeration|checkbox|x\n"
)
# name|label|type|fieldType|flags|options   flags: r read-only, c settable only on create, u unique,
# o owner, x values from elsewhere, p filled from the pipelines
_OWN: Final = {
    "contacts": f"""
email|Email|string|text|u
hs_additional_emails|Additional email addresses|string|text|
firstname|First Name|string|text|
lastname|Last Name|string|text|
salutation|Salutation|string|text|
phone|Phone Number|string|phonenumber|
mobilephone|Mobile Phone Number|string|phonenumber|
fax|Fax Number|string|text|
jobtitle|Job Title|string|text|
company|Company Name|string|text|
website|Website URL|string|text|
address|Street Address|string|text|
city|City|string|text|
state|State/Region|string|text|
zip|Postal Code|string|text|
country|Country/Region|string|text|
industry|Industry|string|text|
annualrevenue|Annual Revenue|string|text|
numemployees|Number of Employees|enumeration|radio||1-5,5-25,25-50,50-100,100-500,500-1000,1000+
date_of_birth|Date of birth|string|text|
message|Message|string|textarea|
hs_language|Preferred language|enumeration|select||en=English,de=German,fr=French,es=Spanish,nl=Dutch,ja=Japanese
lifecyclestage|Lifecycle Stage|enumeration|radio||{_LIFECYCLE}
hs_lead_status|Lead Status|enumeration|radio||{_LEAD_STATUS}
hs_marketable_status|Marketing contact status|enumeration|booleancheckbox|r|true=Marketing contact,false=Non-marketing contact
hs_email_optout|Unsubscribed from all email|bool|booleancheckbox|r
hs_email_hard_bounce_reason_enum|Email hard bounce reason|enumeration|select|r|CONTENT,OTHER,POLICY,SPAM,UNKNOWN_USER
hs_email_bad_address|Invalid email address|bool|booleancheckbox|r
hs_email_domain|Email Domain|string|text|r
hs_email_last_send_date|Last marketing email send date|datetime|date|r
hs_email_last_email_name|Last marketing email name|string|text|r
hs_email_delivered|Marketing emails delivered|number|number|r
hs_calculated_merged_vids|Merged vids with timestamps of a contact|enumeration|checkbox|rx
associatedcompanyid|Primary Associated Company ID|number|number|r
createdate|Create Date|datetime|date|r
lastmodifieddate|Last Modified Date|datetime|date|r
closedate|Close Date|datetime|date|
""",
    "companies": f"""
name|Company name|string|text|
domain|Company Domain Name|string|text|
website|Website URL|string|text|
phone|Phone Number|string|phonenumber|
address|Street Address|string|text|
address2|Street Address 2|string|text|
city|City|string|text|
state|State/Region|string|text|
zip|Postal Code|string|text|
country|Country/Region|string|text|
industry|Industry|enumeration|select||{",".join(_INDUSTRIES.split())}
type|Type|enumeration|select||PROSPECT=Prospect,PARTNER=Partner,RESELLER=Reseller,VENDOR=Vendor,OTHER=Other
annualrevenue|Annual Revenue|number|number|$
numberofemployees|Number of Employees|number|number|
description|Description|string|textarea|
about_us|About Us|string|textarea|
founded_year|Year Founded|string|text|
is_public|Is Public|bool|booleancheckbox|
timezone|Time Zone|string|text|
linkedin_company_page|LinkedIn Company Page|string|text|
lifecyclestage|Lifecycle Stage|enumeration|radio||{_LIFECYCLE}
hs_lead_status|Lead Status|enumeration|radio||{_LEAD_STATUS}
hs_parent_company_id|Parent Company ID|number|number|r
createdate|Create Date|datetime|date|c
closedate|Close Date|datetime|date|
""",
    "deals": """
dealname|Deal Name|string|text|
amount|Amount|number|number|$
closedate|Close Date|datetime|date|
dealstage|Deal Stage|enumeration|radio|p
pipeline|Pipeline|enumeration|select|p
dealtype|Deal Type|enumeration|radio||newbusiness=New Business,existingbusiness=Existing Business
description|Deal Description|string|textarea|
hs_priority|Priority|enumeration|select||low=Low,medium=Medium,high=High
hs_next_step|Next step|string|text|
deal_currency_code|Currency|enumeration|select||USD,EUR,GBP,JPY,CHF,CAD,AUD
closed_lost_reason|Closed Lost Reason|string|textarea|
closed_won_reason|Closed Won Reason|string|textarea|
hs_is_closed|Is Deal Closed?|bool|booleancheckbox|r
hs_is_closed_won|Is Closed Won|bool|booleancheckbox|r
hs_deal_stage_probability|Deal probability|number|number|r
createdate|Create Date|datetime|date|
""",
    "tickets": """
subject|Ticket name|string|text|
content|Ticket description|string|textarea|
hs_pipeline|Pipeline|enumeration|select|p
hs_pipeline_stage|Ticket status|enumeration|radio|p
hs_ticket_priority|Priority|enumeration|select||LOW=Low,MEDIUM=Medium,HIGH=High,URGENT=Urgent
hs_ticket_category|Category|enumeration|checkbox||PRODUCT_ISSUE=Product issue,BILLING_ISSUE=Billing issue,FEATURE_REQUEST=Feature request,GENERAL_INQUIRY=General inquiry
source_type|Source|enumeration|select||CHAT=Chat,EMAIL=Email,FORM=Form,PHONE=Phone
closed_date|Close date|datetime|date|
createdate|Create date|datetime|date|c
""",
    "products": """
name|Name|string|text|
description|Product description|string|textarea|
price|Unit price|number|number|$
hs_sku|SKU|string|text|
hs_cost_of_goods_sold|Unit cost|number|number|$
hs_recurring_billing_period|Term|string|text|
hs_product_type|Product Type|enumeration|select||inventory=Inventory,non_inventory=Non-Inventory,service=Service
createdate|Create Date|datetime|date|r
""",
    "line_items": """
name|Name|string|text|
description|Description|string|textarea|
hs_product_id|Product ID|number|number|
hs_sku|SKU|string|text|
quantity|Quantity|number|number|
price|Unit price|number|number|$
discount|Unit discount|number|number|$
amount|Net price|number|number|$r
recurringbillingfrequency|Billing frequency|enumeration|select||monthly=Monthly,quarterly=Quarterly,annually=Annually
createdate|Create Date|datetime|date|r
""",
    "notes": _TIMED + "hs_note_body|Note body|string|html|",
    "tasks": _TIMED
    + """hs_task_subject|Task title|string|text|
hs_task_body|Notes|string|html|
hs_task_status|Task status|enumeration|select||NOT_STARTED,IN_PROGRESS,WAITING,DEFERRED,COMPLETED
hs_task_priority|Priority|enumeration|select||NONE,LOW,MEDIUM,HIGH
hs_task_type|Task type|enumeration|select||EMAIL,CALL,TODO
hs_task_reminders|Reminders|string|text|""",
    "meetings": _TIMED
    + """hs_meeting_title|Meeting name|string|text|
hs_meeting_body|Meeting description|string|html|
hs_internal_meeting_notes|Internal meeting notes|string|html|
hs_meeting_external_url|External URL|string|text|
hs_meeting_location|Meeting location|string|text|
hs_meeting_start_time|Meeting start time|datetime|date|
hs_meeting_end_time|Meeting end time|datetime|date|
hs_meeting_outcome|Meeting outcome|enumeration|select||SCHEDULED,COMPLETED,RESCHEDULED,NO_SHOW,CANCELED""",
    "calls": _TIMED
    + """hs_call_title|Call title|string|text|
hs_call_body|Call notes|string|html|
hs_call_direction|Call direction|enumeration|select||INBOUND,OUTBOUND
hs_call_disposition|Call outcome|enumeration|select||9d9162e7-6cf3-4944-bf63-4dff82258764=Busy,f240bbac-87c9-4f6e-bf70-924b57d47db7=Connected,a4c4c377-d246-4b32-a13b-75a56a4cd0ff=Left live message,b2cf5968-551e-4856-9783-52b3da59a7d0=Left voicemail,73a0d17f-1163-4015-bdd5-ec830791da20=No answer,17b47fee-58de-441e-a44c-c6300d46f273=Wrong number
hs_call_duration|Call duration|number|number|
hs_call_from_number|From number|string|text|
hs_call_to_number|To number|string|text|
hs_call_recording_url|Recording URL|string|text|
hs_call_status|Call status|enumeration|select||BUSY,CALLING_CRM_USER,CANCELED,COMPLETED,CONNECTING,FAILED,IN_PROGRESS,NO_ANSWER,QUEUED,RINGING
hs_activity_type|Call and meeting type|string|text|""",
    "emails": _TIMED
    + """hs_email_direction|Email direction|enumeration|select||EMAIL,INCOMING_EMAIL,FORWARDED_EMAIL
hs_email_subject|Email subject|string|text|
hs_email_text|Email body|string|textarea|
hs_email_html|Email HTML|string|html|
hs_email_status|Email send status|enumeration|select||BOUNCED,FAILED,SCHEDULED,SENDING,SENT
hs_email_headers|Email headers|string|text|
hs_email_from_email|Email from address|string|text|r
hs_email_to_email|Email to address|string|text|r
hs_email_cc_email|Email CC address|string|text|r
hs_email_bcc_email|Email BCC address|string|text|r""",
}
GROUPS: Final = {
    "contacts": "contactinformation",
    "companies": "companyinformation",
    "deals": "dealinformation",
    "tickets": "ticketinformation",
    "products": "productinformation",
    "line_items": "lineiteminformation",
    "notes": "note",
    "tasks": "task",
    "meetings": "meeting",
    "calls": "call",
    "emails": "email",
}


def define(
    name: str,
    label: str,
    type: str,
    field_type: str,
    *,
    group: str,
    flags: str = "",
    options: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """HubSpot's property object for one of its own properties, with our `_flags` beside it."""
    read_only = "r" in flags
    return {
        "name": name,
        "label": label,
        "type": type,
        "fieldType": field_type,
        "description": "",
        "groupName": group,
        "options": options or [],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": any(flag in flags for flag in "oxp"),
        "hasUniqueValue": "u" in flags,
        "hidden": False,
        "hubspotDefined": True,
        "formField": not read_only,
        **({"referencedObjectType": "OWNER"} if "o" in flags else {}),
        "showCurrencySymbol": "$" in flags,
        "modificationMetadata": {
            "archivable": False,
            "readOnlyDefinition": True,
            "readOnlyValue": read_only,
            "readOnlyOptions": "p" in flags or not options,
        },
        "archived": False,
        "createdAt": BORN,
        "updatedAt": BORN,
        "_flags": flags,
    }


def _parse(lines: str, group: str) -> list[dict[str, Any]]:
    found = []
    for line in lines.strip().splitlines():
        name, label, type, field_type, flags, *rest = line.split("|")
        options = [
            {
                "label": text or value,
                "value": value,
                "displayOrder": order,
                "hidden": False,
                "description": "",
            }
            for order, (value, _, text) in enumerate(
                part.partition("=") for part in "".join(rest).split(",") if part
            )
        ]
        found.append(define(name, label, type, field_type, group=group, flags=flags, options=options))
    return found


def properties(kind: str) -> list[dict[str, Any]]:
    """HubSpot's own properties of a standard object type; for a custom type, those that all types have."""
    group = GROUPS.get(kind, f"{kind}_information")
    own = _parse(_OWN[kind], group) if kind in _OWN else []
    common = [
        p for p in _parse(_COMMON, group) if not (kind == "contacts" and p["name"] == "hs_lastmodifieddate")
    ]
    return own + common
