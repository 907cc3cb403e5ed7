"""What is a new object or field in the Metadata API's words? Pure; names and bounds as the vendor
documents them.

Elements stand in the order of the vendor's WSDL. Salesforce, Metadata API Developer Guide
"CustomObject", "CustomField", "ValueSet", "StandardValueSet Names and Standard Picklist Fields", help
"Custom Field Attributes", read 2026-11-26.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import NewField, NewObject, NewOption
from migrate.types import Kind

ACTIVITIES = frozenset({"Task", "Event"})  # their custom fields are made once, on `Activity`
LONGEST_TEXT, SHORTEST_LONG, LONGEST_LONG = 255, 256, 131_072
MOST_DIGITS = 18
MONEY_SCALE = 2
LABEL = 40
DEGREES = 7  # digits behind the point of a latitude: a centimetre
_PART = re.compile("__(Latitude|Longitude)__s$")
_LABEL_PART = re.compile(r"\s*\((Latitude|Longitude)\)$")

STANDARD_SETS = {
    "Account.AccountSource": "LeadSource",
    "Account.Industry": "Industry",
    "Account.Ownership": "AccountOwnership",
    "Account.Rating": "AccountRating",
    "Account.Type": "AccountType",
    "Campaign.Status": "CampaignStatus",
    "Campaign.Type": "CampaignType",
    "CampaignMember.Status": "CampaignMemberStatus",
    "Case.Origin": "CaseOrigin",
    "Case.Priority": "CasePriority",
    "Case.Reason": "CaseReason",
    "Case.Status": "CaseStatus",
    "Case.Type": "CaseType",
    "Contact.LeadSource": "LeadSource",
    "Contact.Salutation": "Salutation",
    "Lead.Industry": "Industry",
    "Lead.LeadSource": "LeadSource",
    "Lead.Rating": "AccountRating",
    "Lead.Salutation": "Salutation",
    "Lead.Status": "LeadStatus",
    "Opportunity.LeadSource": "LeadSource",
    "Opportunity.StageName": "OpportunityStage",
    "Opportunity.Type": "OpportunityType",
    "OpportunityContactRole.Role": "ContactRole",
    "Product2.Family": "Product2Family",
    "Task.Priority": "TaskPriority",
    "Task.Status": "TaskStatus",
}


def field_name(object: str, name: str) -> str:
    """A field's full name: those of tasks and events are of `Activity`."""
    return f"{'Activity' if object in ACTIVITIES else object}.{made_as(name)}"


def made_as(name: str) -> str:
    """The field that is made, and granted, for this one: a latitude is a part of a geolocation."""
    return _PART.sub("__c", name)


def part_names(name: str) -> tuple[str, ...]:
    """The fields that go with this one: a latitude and a longitude are parts of one geolocation."""
    if not _PART.search(name):
        return (name,)
    return tuple(_PART.sub(f"__{part}__s", name) for part in ("Latitude", "Longitude"))


def object_definition(change: NewObject) -> dict[str, Any]:
    """A custom object, open to reports and activities, shared as its owner's role is."""
    return {
        "deploymentStatus": "Deployed",
        "description": change.description or None,
        "enableActivities": True,
        "enableReports": True,
        "label": change.label[:LABEL],
        "nameField": {"label": f"{change.label} Name"[:LABEL], "type": "Text"},
        "pluralLabel": change.plural[:LABEL],
        "sharingModel": "ReadWrite",
    }


def field_definition(change: NewField, values: Sequence[NewOption]) -> dict[str, Any]:
    """A custom field of any kind.

    Args:
        values: of a picklist.
    """
    kind = Kind(change.kind)
    if _PART.search(change.name):
        return {
            "displayLocationInDecimal": True, "label": _LABEL_PART.sub("", change.label)[:LABEL],
            "scale": DEGREES if change.scale is None else change.scale, "type": "Location",
        }  # fmt: skip
    parts: dict[str, Any] = {"description": change.description or None, "label": change.label[:LABEL]}
    if change.required and kind not in (Kind.BOOL, Kind.TEXT, Kind.MULTIPICKLIST) and not change.detail:
        parts["required"] = True
    if change.unique:
        # Whether fields of Activity may be unique isn't said: their keys are looked up instead.
        own = change.object not in ACTIVITIES
        parts |= {"externalId": True, **({"unique": True, "caseSensitive": True} if own else {})}
    match kind:
        case Kind.BOOL:
            parts |= {"type": "Checkbox", "defaultValue": False}
        case Kind.TEXT:
            length = min(max(change.length or LONGEST_LONG, SHORTEST_LONG), LONGEST_LONG)
            parts |= {"type": "LongTextArea", "length": length, "visibleLines": 3}
        case Kind.INT | Kind.DECIMAL | Kind.MONEY:
            parts |= _number(kind, change.precision, change.scale)
        case Kind.DATE:
            parts["type"] = "Date"
        case Kind.TIMESTAMP:
            parts["type"] = "DateTime"
        case Kind.TIME:
            parts["type"] = "Time"
        case Kind.PICKLIST | Kind.MULTIPICKLIST:
            many = kind is Kind.MULTIPICKLIST
            parts |= {"type": "MultiselectPicklist", "visibleLines": 4} if many else {"type": "Picklist"}
            parts["valueSet"] = {
                "restricted": True,
                "valueSetDefinition": {"sorted": False, "value": [value_definition(each) for each in values]},
            }
        case Kind.REFERENCE if change.reference:
            parts |= _reference(change)
        case _:
            parts |= {"type": "Text", "length": min(change.length or LONGEST_TEXT, LONGEST_TEXT)}
    return dict(sorted((name, value) for name, value in parts.items() if value is not None))


def _number(kind: Kind, precision: int | None, scale: int | None) -> dict[str, Any]:
    """Digits as asked for, within the 18 that a field may have: those before the point come first."""
    behind = (
        0 if kind is Kind.INT else scale if scale is not None else MONEY_SCALE if kind is Kind.MONEY else 6
    )
    digits = min(precision or MOST_DIGITS, MOST_DIGITS)
    before = max((precision or MOST_DIGITS) - behind, 1)
    behind = max(0, min(behind, digits - min(before, digits)))
    return {"type": "Currency" if kind is Kind.MONEY else "Number", "precision": digits, "scale": behind}


def _reference(change: NewField) -> dict[str, Any]:
    """A lookup that empties when its parent goes, or (`detail`) a master-detail reference."""
    own = re.sub(
        r"[^A-Za-z0-9]+", "_", f"{change.object.removesuffix('__c')}_{change.name.removesuffix('__c')}"
    )
    parts: dict[str, Any] = {
        "referenceTo": change.reference,
        "relationshipName": re.sub("_+", "_", own).strip("_")[:LABEL].rstrip("_"),
        "relationshipLabel": change.object.removesuffix("__c").replace("_", " ")[:LABEL],
    }
    if change.detail:
        return parts | {"type": "MasterDetail", "reparentableMasterDetail": True}
    return parts | {"type": "Lookup", "deleteConstraint": "Restrict" if change.required else "SetNull"}


def value_definition(option: NewOption) -> dict[str, Any]:
    """A picklist value."""
    return {"fullName": option.value, "default": False, "label": option.label}


def fits(kind: str, given: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Why what is there already can't serve; empty where it can."""
    if kind == "CustomObject":
        return ""
    found, wanted = str(there.get("type")), given["type"]
    same = {found, wanted} in ({"Text", "TextArea"}, {"LongTextArea", "Html"}) or found == wanted
    if not same:
        return f"refused: there already, as {found} and not {wanted}; name it otherwise"
    if wanted in ("Lookup", "MasterDetail") and there.get("referenceTo") != given["referenceTo"]:
        return f"refused: there already, with a reference to {there.get('referenceTo')}; name it otherwise"
    for flag in ("unique", "externalId"):
        if given.get(flag) and str(there.get(flag)) != "true":
            return (
                f"refused: there already, and not {flag}; make it so in the org's setup, or name it otherwise"
            )
    return ""
