"""How does an org's catalog become a simulated org with the same objects, fields, values and people?

What our user can't see in the real org it can't see in the twin: fields and objects that only the
simulator has are hidden by rights, so that the platform's own machinery stays whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate.catalog import Catalog, Field, ObjectSchema, Owner
from migrate.twins.twin import Link, Record
from migrate.types import Kind

CLIENT, SECRET = "admin-app", "sandbox-secret"


class SalesforceMirror:
    """See `Mirror`."""

    sandbox = "salesforce"

    def document(self, catalog: Catalog) -> dict[str, Any]:
        audited = any(
            each.fields["CreatedDate"].createable
            for each in catalog.objects.values()
            if "CreatedDate" in each.fields
        )
        return {
            "org": {"Id": catalog.tenant, "Name": catalog.tenant_name, "IsSandbox": not catalog.production},
            "metadata": {name: _object(each) for name, each in catalog.objects.items()},
            "records": {
                "User": [_user(each) for each in catalog.owners if not each.queue],
                "Group": [
                    {"Id": each.id, "Name": each.name, "Type": "Queue", "Email": each.email}
                    for each in catalog.owners
                    if each.queue
                ],
            },
            "permissions": {
                "*": {
                    "PermissionsCreateAuditFields": audited,
                    "objects": {
                        name: {
                            **({} if each.createable else {"create": False}),
                            **({} if each.updateable else {"edit": False}),
                            **({} if each.deletable else {"delete": False}),
                        }
                        for name, each in catalog.objects.items()
                    },
                }
            },
        }

    def hidden(self, real: Catalog, twin: Catalog) -> dict[str, Any] | None:
        fields = {
            name: sorted(each.fields.keys() - real.objects[name].fields.keys())
            for name, each in twin.objects.items()
            if name in real.objects
        }
        fields = {name: names for name, names in fields.items() if names}
        objects = {name: {"read": False} for name in twin.objects.keys() - real.objects.keys()}
        if not fields and not objects:
            return None
        given = dict(self.document(real)["permissions"]["*"])
        return {"permissions": {"*": {**given, "hidden": fields, "objects": {**given["objects"], **objects}}}}

    def records(self, catalog: Catalog, schema: ObjectSchema, rows: Sequence[Record]) -> dict[str, Any]:  # noqa: ARG002 - nobody checks what is planted
        names = [name for name, field in schema.fields.items() if field.kind is not Kind.BINARY]
        return {
            "records": {
                schema.name: [
                    {"Id": row["_id"], **{n: row[n] for n in names if n != "Id" and row.get(n) is not None}}
                    for row in rows
                ]
            }
        }

    def links(self, catalog: Catalog, rows: Sequence[Link]) -> dict[str, Any] | None:  # noqa: ARG002 - references are fields
        return None

    def credentials(self, url: str) -> dict[str, str]:
        return {"instance_url": url, "client_id": CLIENT, "client_secret": SECRET}

    def kind_of_call(self, method: str, path: str) -> str:
        if "/jobs/" in path:
            return "bulk jobs"
        if method == "GET" or "/query" in path:
            return "reads"
        if "/composite/sobjects" in path or "/sobjects/" in path:
            return {"POST": "creates", "PATCH": "updates", "DELETE": "deletes"}.get(method, "other")
        return "other"


def _object(schema: ObjectSchema) -> dict[str, Any]:
    types = schema.fields.get("RecordTypeId")
    found: dict[str, Any] = {
        "label": schema.label,
        "fields": [
            *(_field(field, schema) for field in schema.fields.values() if field.name != schema.key_field),
            *_wholes(schema),
        ],
    }
    if schema.prefix:
        found["keyPrefix"] = schema.prefix
    if types is not None and types.kind is Kind.PICKLIST:
        found["recordTypes"] = [
            {"recordTypeId": each.value, "developerName": each.label, "name": each.label, "active": True,
             "available": each.active}
            for each in types.options
        ]  # fmt: skip
    return found


def _field(field: Field, schema: ObjectSchema) -> dict[str, Any]:
    """A field in the keys of a describe."""
    typed = field.vendor_type == "reference" and field.kind is Kind.PICKLIST  # the record type
    references = ["RecordType"] if typed else [each for each in field.references if each != "ContentNote"]
    found: dict[str, Any] = {
        "name": field.name,
        "label": field.label,
        "type": field.vendor_type,
        "length": field.length or 0,
        "nillable": field.nullable,
        "createable": field.createable,
        "updateable": field.updateable,
        "defaultedOnCreate": field.createable and not field.nullable and not field.required,
        "unique": field.unique,
        "externalId": field.external_id,
        "calculated": field.calculated,
        "custom": field.custom,
        "restrictedPicklist": field.restricted and not typed,
        "referenceTo": references,
    }
    if field.precision is not None:
        found |= {"precision": field.precision, "scale": field.scale or 0}
    if field.detail:
        found |= {"relationshipOrder": 0, "cascadeDelete": True}
    if field.html and field.name != "HtmlBody":
        found["htmlFormatted"] = True
    if field.options and not typed:
        found["picklistValues"] = list(_values(field, schema))
        if field.within is not None:
            found |= {"controllerName": field.within, "dependentPicklist": True}
    elif field.default is not None:
        found["defaultValue"] = field.default == "true" if field.kind is Kind.BOOL else field.default
    if field.name.endswith("__s"):
        found["compoundFieldName"] = _whole(field.name)
    return found


def _values(field: Field, schema: ObjectSchema) -> Iterator[dict[str, Any]]:
    outer = schema.fields.get(field.within or "")
    for option in field.options:
        valid: str | None = None
        if outer is not None and option.beside is not None:
            boxes = ["false", "true"] if outer.kind is Kind.BOOL else [each.value for each in outer.options]
            valid = _bits([value in option.beside for value in boxes])
        yield {
            "value": option.value, "label": option.label, "active": option.active,
            "defaultValue": option.value == field.default, "validFor": valid,
        }  # fmt: skip


def _bits(flags: Sequence[bool]) -> str:
    """A bit set as `validFor` has it: base64, the most significant bit first."""
    raw = bytearray((len(flags) + 7) // 8)
    for n, flag in enumerate(flags):
        raw[n >> 3] |= (0x80 >> (n & 7)) if flag else 0
    return base64.b64encode(bytes(raw)).decode()


def _whole(part: str) -> str:
    """The geolocation whose part this is."""
    return part.removesuffix("__s").rpartition("__")[0] + "__c"


def _wholes(schema: ObjectSchema) -> Iterator[dict[str, Any]]:
    wholes = {_whole(each.name): each for each in schema.fields.values() if each.name.endswith("__s")}
    for name, part in wholes.items():
        yield {"name": name, "type": "location", "custom": True, "scale": part.scale or 7}


def _user(owner: Owner) -> Mapping[str, Any]:
    first, _, last = owner.name.rpartition(" ")
    return {
        "Id": owner.id, "FirstName": first or None, "LastName": last or owner.id, "Email": owner.email,
        "Username": f"{owner.id.lower()}@twin.example", "Alias": owner.id[-8:].lower(),
        "IsActive": owner.active, "UserType": "Standard",
    }  # fmt: skip
