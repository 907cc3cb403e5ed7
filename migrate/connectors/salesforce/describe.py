"""What do Salesforce's describe calls say in the catalog's words?

Compound fields (address, location) are left out: bulk jobs refuse them. Binary ones are files, whose bytes
are fetched apart from records. Describe shows a user only what it may see, so a missing object or field is
a sign of missing rights. Salesforce, REST API Developer Guide "sObject Describe", and Object Reference
"Field Types" and "Primitive Data Types", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from migrate.catalog import ANY, Consent, Field, NewObjects, ObjectSchema, Option, Sales
from migrate.connectors.salesforce.blobs import KEY, LINK, VERSION, files, key_field
from migrate.connectors.salesforce.picklists import dependent, record_types
from migrate.types import Kind

CRM_OBJECTS = (
    "User", "Account", "Contact", "AccountContactRelation", "Lead", "Opportunity", "OpportunityContactRole",
    "OpportunityLineItem", "AccountTeamMember", "OpportunityTeamMember", "Case", "CaseComment",
    "CaseTeamMember", "Campaign", "CampaignMember", "Product2", "Pricebook2", "PricebookEntry", "Task",
    "Event", "TaskRelation", "EventRelation", "EmailMessage", "EmailMessageRelation", "Note", "Attachment",
    "ContentVersion", "ContentDocument", "ContentDocumentLink", "ContentNote",
    "Individual", "DataUsePurpose", "ContactPointEmail", "ContactPointConsent", "ContactPointTypeConsent",
    "PartyConsent",
)  # fmt: skip

STAMP, CREATED = "SystemModstamp", "CreatedDate"
_FIRST_DAY = (
    "Id", "IsDeleted", "OwnerId", CREATED, "CreatedById", "LastModifiedDate", "LastModifiedById", STAMP,
)  # fmt: skip
_BYTES = {
    "Attachment": "/servlet/servlet.FileDownload?file={id}",
    "ContentVersion": "/sfc/servlet.shepherd/version/download/{id}",
}
SHORT_ID = 15  # the last three of an id's 18 characters repeat the letter case of the others

_KINDS = {
    "id": Kind.STRING,
    "string": Kind.STRING,
    "combobox": Kind.STRING,
    "encryptedstring": Kind.STRING,
    "email": Kind.STRING,
    "phone": Kind.STRING,
    "url": Kind.STRING,
    "anyType": Kind.STRING,
    "datacategorygroupreference": Kind.STRING,
    "textarea": Kind.TEXT,
    "json": Kind.TEXT,
    "boolean": Kind.BOOL,
    "int": Kind.INT,
    "long": Kind.INT,
    "double": Kind.DECIMAL,
    "percent": Kind.DECIMAL,
    "currency": Kind.MONEY,
    "date": Kind.DATE,
    "datetime": Kind.TIMESTAMP,
    "time": Kind.TIME,
    "picklist": Kind.PICKLIST,
    "multipicklist": Kind.MULTIPICKLIST,
    "reference": Kind.REFERENCE,
    "base64": Kind.BINARY,
}  # without address, location, complexvalue: compound

_HTML = ("HtmlBody",)  # of e-mails; the describe says so of rich text only
_NUMBERS = (Kind.DECIMAL, Kind.MONEY)

# These carry no custom field, so no migration key: Object Reference, read 2026-11-26.
KEYLESS = frozenset(
    {
        "Attachment", "ContentDocument", "ContentDocumentLink", "ContentNote", "EmailMessageRelation",
        "EventRelation", "Note", "TaskRelation",
    }
)  # fmt: skip

_TEXTS = frozenset(
    {"string", "combobox", "encryptedstring", "email", "phone", "url", "anyType", "picklist", "time"}
)
_NO = {"out": ("true",), "into": ("false",)}
# Standard fields that say whether a person wants to be contacted. A hard bounce counts: nobody may mail there
# again. Salesforce, Object Reference, Contact, Lead, Individual, ContactPointConsent, read 2026-11-26.
_CONSENT = {
    "HasOptedOutOfEmail": Consent(channel="EMAIL", **_NO),
    "HasOptedOutOfFax": Consent(channel="FAX", **_NO),
    "DoNotCall": Consent(channel="PHONE", **_NO),
    "EmailBouncedReason": Consent(channel="EMAIL", out=(ANY,)),
    "PrivacyConsentStatus": Consent(channel="ANY", out=("OptOut",), into=("OptIn",)),
    "HasOptedOutTracking": Consent(channel="TRACKING", **_NO),
    "HasOptedOutGeoTracking": Consent(channel="TRACKING", **_NO),
    "HasOptedOutProfiling": Consent(channel="PROFILING", **_NO),
    "HasOptedOutProcessing": Consent(channel="PROCESSING", **_NO),
    "HasOptedOutSolicit": Consent(channel="ANY", **_NO),
    "ShouldForget": Consent(channel="ANY", **_NO),
}


def is_crm_object(entry: Mapping[str, Any], extra: Sequence[str] = ()) -> bool:
    """Whether an entry of the global describe is read: a known CRM object, a custom one, or asked for."""
    if not entry.get("queryable") or entry.get("deprecatedAndHidden"):
        return False
    name = str(entry["name"])
    custom = bool(entry.get("custom")) and not entry.get("customSetting") and name.endswith("__c")
    return name in CRM_OBJECTS or name in extra or custom


# Object Reference, "Opportunity", read 2026-11-26.
SALES = {
    "Opportunity": Sales(
        amount="Amount", name="Name", currency="CurrencyIsoCode", closes="CloseDate", closed="IsClosed",
        won="IsWon", probability="Probability", percent=True,
    )
}  # fmt: skip


def object_schema(described: Mapping[str, Any], instance: str, scales: Mapping[str, int]) -> ObjectSchema:
    """One object out of its describe.

    Args:
        instance: the org's base URL, for the pattern of a record's page.
        scales: `Object.Field` to digits behind the point, where values have more than the describe says.
    """
    name = str(described["name"])
    fields: dict[str, Field] = {}
    for raw in described["fields"]:
        field = _field(raw, scales.get(f"{name}.{raw['name']}"))
        if field is not None:
            fields[field.name] = field
    fields |= files(name, fields)
    by_values = name == LINK  # one for each pair of document and record; it takes no field of ours
    if by_values:
        fields[KEY] = key_field()
    fields |= dependent(described["fields"], fields)
    fields |= record_types(described.get("recordTypeInfos") or (), fields)
    return ObjectSchema(
        name=name,
        label=str(described.get("label") or name),
        fields=fields,
        key_by="unique field" if by_values else _key_by(name, createable=bool(described.get("createable"))),
        key_field=KEY if by_values else None,
        stamp=next((each for each in (STAMP, "LastModifiedDate", CREATED) if each in fields), None),
        created=CREATED if CREATED in fields else None,
        url=f"{instance}/lightning/r/{name}/{{id}}/view",
        urls=_pages(name, instance),
        bytes_url=f"{instance}{_BYTES[name]}" if name in _BYTES else None,
        short_id=SHORT_ID,
        custom=bool(described.get("custom")),
        createable=bool(described.get("createable")),
        updateable=bool(described.get("updateable")),
        deletable=bool(described.get("deletable")) or name == VERSION,  # with its document
        prefix=str(described["keyPrefix"]) if described.get("keyPrefix") else None,
        sales=SALES[name].there(fields) if name in SALES else None,
    )


def _pages(name: str, instance: str) -> tuple[str, ...]:
    """Other addresses of a record's page: without the object, in Classic, and at the Lightning host.

    Salesforce Help, "My Domain URL Formats", and Lightning Web Components Developer Guide, "PageReference
    Types", read 2026-11-26. The bytes of a file have an address of their own, which Salesforce doesn't
    document; orgs' texts are full of it (cropredysfdc.com, "servlet.shepherd", read 2026-11-26).
    """
    lightning = instance.replace(".my.salesforce.com", ".lightning.force.com")
    hosts = dict.fromkeys((instance, lightning))
    found = [f"{host}/lightning/r/{name}/{{id}}/view" for host in hosts if host != instance]
    found += [f"{host}/lightning/r/{{id}}/view" for host in hosts]
    if name in _BYTES:
        found += [f"{host}{_BYTES[name]}" for host in hosts]
    return (*found, f"{instance}/{{id}}")


def new_objects(account: ObjectSchema) -> NewObjects:
    """What a custom object of this org has from its first day: what an account has, but for its own fields.

    Salesforce, Object Reference "Custom Objects", read 2026-11-26.
    """
    name = Field(
        name="Name",
        label="Name",
        kind=Kind.STRING,
        vendor_type="string",
        length=80,
        held=("trim_blanks", "empty_is_null"),
    )
    fields = {each: account.fields[each] for each in _FIRST_DAY if each in account.fields}
    return NewObjects(
        pattern=r"[A-Za-z](?:_?[A-Za-z0-9]){0,39}__c",
        example="Project__c",
        object_name="{title}__c",
        field_name="{title}__c",
        name_field="Name",
        fields={**fields, "Name": name},
        stamp=STAMP,
        created=CREATED,
    )


def _key_by(name: str, *, createable: bool) -> Literal["unique field", "by parent and digest", "none"]:
    if not createable:
        return "none"
    return "by parent and digest" if name in KEYLESS else "unique field"


def held_rules(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """What Salesforce makes of a value that it takes: texts are trimmed (long ones at their end), empty is
    null, instants lose their milliseconds, a checkbox is never null (REST guide "Valid Date and DateTime
    Formats", Object Reference "Primitive Data Types", read 2026-11-26). Of rich text nothing is said.
    """
    kind = str(raw["type"])
    if kind in _TEXTS:
        return ("trim_blanks", "empty_is_null")
    match kind:
        case "textarea":
            return ("trim_end", "empty_is_null")
        case "multipicklist" | "reference" | "id":
            return ("empty_is_null",)
        case "datetime":
            return ("seconds",)
        case "boolean" if not raw.get("defaultValue"):
            return ("null_is_false",)
    return ()


def _field(raw: Mapping[str, Any], scale: int | None) -> Field | None:
    kind = _KINDS.get(str(raw["type"]))
    if kind is None or raw.get("deprecatedAndHidden"):
        return None
    numeric = kind in _NUMBERS
    precision = int(raw.get("precision") or 0) or None if numeric else None
    behind = int(raw.get("scale") or 0) if precision is not None else None
    if numeric and scale is not None:
        precision, behind = 38, scale
    references = tuple(str(each) for each in raw.get("referenceTo") or ())
    if "ContentDocument" in references:
        references += ("ContentNote",)  # a note's id is its document's (Object Reference, "ContentNote")
    createable = bool(raw.get("createable"))
    nullable = bool(raw.get("nillable"))
    return Field(
        name=str(raw["name"]),
        label=str(raw.get("label") or raw["name"]),
        kind=kind,
        vendor_type=str(raw["type"]),
        length=int(raw.get("length") or 0) or None,
        precision=precision,
        scale=behind,
        nullable=nullable,
        required=createable and not nullable and not raw.get("defaultedOnCreate"),
        createable=createable,
        updateable=bool(raw.get("updateable")),
        unique=bool(raw.get("unique")),
        external_id=bool(raw.get("externalId")),
        calculated=bool(raw.get("calculated")) or bool(raw.get("autoNumber")),
        custom=bool(raw.get("custom")),
        restricted=bool(raw.get("restrictedPicklist")),
        references=references,
        owner="User" in references,
        detail=True if references and raw.get("relationshipOrder") is not None else None,
        html=True if raw.get("htmlFormatted") or raw["name"] in _HTML else None,
        default=_default(raw),
        held=held_rules(raw),
        options=tuple(
            Option(
                value=str(each["value"]),
                label=str(each.get("label") or each["value"]),
                active=bool(each.get("active", True)),
            )
            for each in raw.get("picklistValues") or ()
        ),
        consent=None if raw.get("custom") else _CONSENT.get(str(raw["name"])),
    )


def _default(raw: Mapping[str, Any]) -> str | None:
    """The value of a new record that is given none, as far as describe tells it."""
    listed = next(
        (str(each["value"]) for each in raw.get("picklistValues") or () if each.get("defaultValue")), None
    )
    plain = raw.get("defaultValue")
    if listed is not None or plain is None:
        return listed
    return str(plain).lower() if isinstance(plain, bool) else str(plain)
