"""What do Salesforce's describe calls say in the catalog's words?

Compound fields (address, location) are left out: bulk jobs refuse them. Binary ones are files, whose bytes
are fetched apart from records. Describe shows a user only what it may see, so a missing object or field is
a sign of missing rights. Salesforce, REST API Developer Guide "sObject Describe", and Object Reference
"Field Types" and "Primitive Data Types", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrate.catalog import Field, ObjectSchema, Option
from migrate.connectors.salesforce.blobs import files
from migrate.types import Kind

CRM_OBJECTS = (
    "User", "Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole", "Case",
    "Campaign", "CampaignMember", "Product2", "Task", "Event",
    "TaskRelation", "EventRelation", "EmailMessage", "EmailMessageRelation", "Note", "Attachment",
    "ContentVersion", "ContentDocument", "ContentDocumentLink", "ContentNote",
)  # fmt: skip

STAMP, CREATED = "SystemModstamp", "CreatedDate"
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


def is_crm_object(entry: Mapping[str, Any], extra: Sequence[str] = ()) -> bool:
    """Whether an entry of the global describe is read: a known CRM object, a custom one, or asked for."""
    if not entry.get("queryable") or entry.get("deprecatedAndHidden"):
        return False
    name = str(entry["name"])
    custom = bool(entry.get("custom")) and not entry.get("customSetting") and name.endswith("__c")
    return name in CRM_OBJECTS or name in extra or custom


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
    return ObjectSchema(
        name=name,
        label=str(described.get("label") or name),
        fields=fields,
        key_by="unique field" if described.get("createable") else "none",
        stamp=next((each for each in (STAMP, "LastModifiedDate", CREATED) if each in fields), None),
        created=CREATED if CREATED in fields else None,
        url=f"{instance}/lightning/r/{name}/{{id}}/view",
        urls=_pages(name, instance),
        short_id=SHORT_ID,
        custom=bool(described.get("custom")),
        createable=bool(described.get("createable")),
        updateable=bool(described.get("updateable")),
        deletable=bool(described.get("deletable")),
        prefix=str(described["keyPrefix"]) if described.get("keyPrefix") else None,
    )


def _pages(name: str, instance: str) -> tuple[str, ...]:
    """Other addresses of a record's page: without the object, in Classic, and at the Lightning host.

    Salesforce Help, "My Domain URL Formats", and Lightning Web Components Developer Guide, "PageReference
    Types", read 2026-11-26.
    """
    lightning = instance.replace(".my.salesforce.com", ".lightning.force.com")
    hosts = dict.fromkeys((instance, lightning))
    found = [f"{host}/lightning/r/{name}/{{id}}/view" for host in hosts if host != instance]
    found += [f"{host}/lightning/r/{{id}}/view" for host in hosts]
    return (*found, f"{instance}/{{id}}")


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
        html=True if raw.get("htmlFormatted") or raw["name"] in _HTML else None,
        options=tuple(
            Option(
                value=str(each["value"]),
                label=str(each.get("label") or each["value"]),
                active=bool(each.get("active", True)),
            )
            for each in raw.get("picklistValues") or ()
        ),
    )
