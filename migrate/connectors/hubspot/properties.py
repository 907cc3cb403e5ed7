"""What is one property of HubSpot's, or one link type, in a catalog's words?

Sources: HubSpot, properties and associations v4 (read 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.catalog import ANY, Consent, Field, LinkType, Option
from migrate.types import Kind

LONGEST_TEXT = 65_536
_PRIMARY = frozenset({1, 2, 5, 6, 25, 26})
_NAMED = {13: "child", 14: "parent"}  # the label says what the right-hand company is to the left-hand one


def stamp_of(object: str) -> str:
    """The property that moves with every change of a record, though not with changes of its links."""
    return "lastmodifieddate" if object == "contacts" else "hs_lastmodifieddate"


def kind_of(entry: Mapping[str, Any]) -> Kind:
    """The logical kind of a property, from its `type` and `fieldType`."""
    field_type = str(entry.get("fieldType") or "")
    match str(entry.get("type") or ""):
        case "number":
            return Kind.MONEY if entry.get("showCurrencySymbol") else Kind.DECIMAL
        case "bool":
            return Kind.BOOL
        case "date":
            return Kind.DATE
        case "datetime":
            return Kind.TIMESTAMP
        case "enumeration" if is_owner(entry):
            return Kind.REFERENCE
        case "enumeration":
            return Kind.MULTIPICKLIST if field_type == "checkbox" else Kind.PICKLIST
        case "string" if field_type in ("textarea", "html"):
            return Kind.TEXT
    return Kind.STRING


def is_owner(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("externalOptions")) and entry.get("referencedObjectType") == "OWNER"


def held_rules(entry: Mapping[str, Any], kind: Kind) -> tuple[str, ...]:
    """What HubSpot makes of a value: e-mail and domain in lower case, empty text is no value."""
    if kind not in (Kind.STRING, Kind.TEXT, Kind.PICKLIST, Kind.MULTIPICKLIST, Kind.REFERENCE):
        return ("empty_is_null",)
    if entry.get("hubspotDefined") and entry.get("name") in ("email", "domain"):
        return ("trim", "lower", "empty_is_null")
    return ("empty_is_null",)


def field_of(entry: Mapping[str, Any], required: bool, options: tuple[Option, ...] | None) -> Field:
    """A property as a catalog field. `options`: of a pipeline or a stage, in place of its own."""
    name, kind = str(entry["name"]), kind_of(entry)
    writable = not (entry.get("modificationMetadata") or {}).get("readOnlyValue", False)
    writable = writable and not entry.get("calculated")
    own = tuple(
        Option(
            value=str(each["value"]),
            label=str(each.get("label") or each["value"]),
            active=not each.get("hidden"),
        )
        for each in entry.get("options") or ()
        if kind in (Kind.PICKLIST, Kind.MULTIPICKLIST)
    )
    unique = bool(entry.get("hasUniqueValue"))
    return Field(
        name=name,
        label=str(entry.get("label") or name),
        kind=kind,
        vendor_type=f"{entry.get('type')}/{entry.get('fieldType')}",
        length=LONGEST_TEXT if kind in (Kind.STRING, Kind.TEXT) else None,
        required=required,
        createable=writable,
        updateable=writable,
        unique=unique
        or name == "hs_object_id"
        or (name == "email" and entry.get("groupName") == "contactinformation"),
        external_id=unique,
        calculated=bool(entry.get("calculated")),
        custom=not entry.get("hubspotDefined", False),
        restricted=kind in (Kind.PICKLIST, Kind.MULTIPICKLIST) and not entry.get("externalOptions"),
        owner=is_owner(entry),
        options=own if options is None else options,
        html=True if entry.get("fieldType") == "html" else None,
        held=held_rules(entry, kind),
        consent=consent_in(name) if entry.get("hubspotDefined") else None,
    )


def consent_in(name: str) -> Consent | None:
    """What a property of HubSpot's own says of consent; it only reflects what is kept by address.

    A hard bounce counts: nobody may mail there again. HubSpot, "default contact properties", read 2026-11-26.
    """
    if name == "hs_email_optout" or name.startswith("hs_email_optout_"):
        return Consent(channel="EMAIL", out=("true",), into=("false",))
    if name == "hs_email_hard_bounce_reason_enum":
        return Consent(channel="EMAIL", out=(ANY,))
    return None


def label_name(category: str, type_id: int, text: str | None) -> str:
    """A plan's word for a kind of link: HubSpot's own kinds have fixed ones, others their label."""
    if category == "HUBSPOT_DEFINED":
        if type_id in _PRIMARY:
            return "primary"
        if type_id in _NAMED:
            return _NAMED[type_id]
        if not text:
            return "default"
    return text or f"{category}:{type_id}"


def link_type(left: str, right: str, entry: Mapping[str, Any]) -> LinkType:
    category, type_id = str(entry["category"]), int(entry["typeId"])
    return LinkType(
        left=left,
        right=right,
        label=label_name(category, type_id, entry.get("label")),
        wire=f"{category}:{type_id}",
    )
