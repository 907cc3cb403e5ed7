"""How does a portal's catalog become a simulated portal with the same properties, stages and labels?

A catalog doesn't tell which pairs of labels belong together, nor which stages are closed: labels of the
same text, else the nearest numbers, are taken as a pair; a stage is closed where its id or label says won
or lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrate.catalog import Catalog, Field, LinkType, ObjectSchema, Owner
from migrate.twins.twin import Link, Record
from migrate.types import Kind

TOKEN = "pat-na1-sandbox"  # noqa: S105 - opens a simulator on loopback
BESIDE = ("owners", "files", "attachments")  # objects of the catalog that are no CRM objects
PIPED = {"deals": ("pipeline", "dealstage"), "tickets": ("hs_pipeline", "hs_pipeline_stage")}
CUSTOM = "p_"
USER = "USER_DEFINED"
# The vendor keeps them by itself; a seed gives `createdAt` and the simulator makes the rest.
KEPT = frozenset(
    {
        "hs_object_id", "createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate",
        "hs_object_source", "hs_object_source_id", "hs_object_source_label", "hs_object_source_user_id",
        "hs_created_by_user_id", "hs_updated_by_user_id", "hs_merged_object_ids",
    }
)  # fmt: skip
_YES_NO = [{"label": "Yes", "value": "true"}, {"label": "No", "value": "false"}]


class HubSpotMirror:
    """See `Mirror`."""

    sandbox = "hubspot"

    def document(self, catalog: Catalog) -> dict[str, Any]:
        objects = dict(crm_objects(catalog))
        portal = int(catalog.tenant)
        qualified = {name: _qualified(portal, name) for name in objects}
        return {
            "portal": {
                "portalId": portal,
                "uiDomain": catalog.tenant_name or "app.hubspot.com",
                "accountType": "STANDARD" if catalog.production else "DEVELOPER_TEST",
                **({"companyCurrency": catalog.currency} if catalog.currency else {}),
            },
            "owners": [_owner(each) for each in catalog.owners if each.id.isdigit()],
            "schemas": [
                {"name": name.removeprefix(CUSTOM), "labels": {"singular": each.label, "plural": each.label}}
                for name, each in objects.items()
                if each.custom
            ],
            "mirror": {
                "subscriptions": [
                    {"id": each.id, "name": each.name, "isActive": each.active}
                    for each in (catalog.preferences.subscriptions if catalog.preferences else ())
                ],
                "properties": {
                    qualified[name]: [_property(field) for field in each.fields.values()]
                    for name, each in objects.items()
                },
                "required": {
                    qualified[name]: [f.name for f in each.fields.values() if f.required]
                    for name, each in objects.items()
                    if each.custom
                },
                "pipelines": {
                    name: list(_pipelines(name, objects[name]))
                    for name in PIPED
                    if name in objects and PIPED[name][0] in objects[name].fields
                },
                "links": [
                    _link(each, catalog, qualified)
                    for each in catalog.links
                    if each.left in objects and each.right in objects
                ],
            },
        }

    def hidden(self, real: Catalog, twin: Catalog) -> dict[str, Any] | None:
        """By the token's scopes; properties were replaced whole, so no other ones are left."""
        more = {name for name, _ in crm_objects(twin)} - {name for name, _ in crm_objects(real)}
        scopes = _scopes(more)
        if not more or scopes is None:
            return None
        return {"tokens": [{"token": TOKEN, "scopes": scopes}]}

    def records(self, catalog: Catalog, schema: ObjectSchema, rows: Sequence[Record]) -> dict[str, Any]:
        """Values that a picklist doesn't know any more, and owners who have gone, are left out: the API would
        refuse them, too."""
        people = {owner.id for owner in catalog.owners}
        known = {name: people for name, field in schema.fields.items() if field.owner}
        known |= {
            name: {option.value for option in field.options}
            for name, field in schema.fields.items()
            if field.restricted and field.options
        }
        found = []
        for row in rows:
            values = {
                name: value
                for name, value in row.items()
                if value is not None and name[0] != "_" and name not in KEPT and name in schema.fields
                if name not in known or set(value.split(";")) <= known[name]
            }
            created = row.get(schema.created or "")
            found.append(
                {"id": row["_id"], "properties": values, **({"createdAt": created} if created else {})}
            )
        return {"records": {schema.name: found}}

    def links(self, catalog: Catalog, rows: Sequence[Link]) -> dict[str, Any] | None:
        wires = {(each.left, each.right, each.label): each.wire for each in catalog.links}
        found = []
        for left, from_id, right, to_id, label in rows:
            category, _, number = wires.get((left, right, label), "").rpartition(":")
            if number:
                found.append(
                    {"from_object": left, "from": from_id, "to_object": right, "to": to_id,
                     "typeId": int(number), "category": category}
                )  # fmt: skip
        return {"links": found}

    def credentials(self, url: str) -> dict[str, str]:
        return {"token": TOKEN, "base_url": url}

    def kind_of_call(self, method: str, path: str) -> str:
        if "/associations/" in path and "/objects/" not in path:
            return "reads of links" if path.endswith("/read") or method == "GET" else "writes of links"
        if "/objects/" not in path:
            return "other"
        if method == "GET" or path.endswith(("/read", "/search")):
            return "reads"
        last = path.partition("?")[0].rpartition("/")[2]
        words = {"create": "creates", "update": "updates", "upsert": "updates", "archive": "deletes"}
        return words.get(last, {"DELETE": "deletes", "PATCH": "updates"}.get(method, "creates"))


def crm_objects(catalog: Catalog) -> Iterator[tuple[str, ObjectSchema]]:
    """Those that are object types of the portal: no owners, no files, no links."""
    for name, each in catalog.objects.items():
        pair = "type_id" in each.fields and each.fields["type_id"].vendor_type == "association"
        if name not in BESIDE and not pair:
            yield name, each


def _qualified(portal: int, name: str) -> str:
    return f"p{portal}_{name.removeprefix(CUSTOM)}" if name.startswith(CUSTOM) else name


def _scopes(without: set[str]) -> list[str] | None:
    """The simulator's scopes, less those of some objects; None where none can be told apart."""
    from migrate.sandbox.hubspot.standards import SCOPES

    gone = {f"crm.objects.{name}.{verb}" for name in without for verb in ("read", "write")}
    gone |= {name for name in without if name == "tickets"}
    return [scope for scope in SCOPES if scope not in gone] if gone & set(SCOPES) else None


def _property(field: Field) -> dict[str, Any]:
    """A property as HubSpot's API gives it."""
    type_, _, field_type = field.vendor_type.partition("/")
    listed = field.kind in (Kind.PICKLIST, Kind.MULTIPICKLIST)
    options = [
        {"label": each.label, "value": each.value, "displayOrder": order, "hidden": not each.active,
         "description": ""}
        for order, each in enumerate(field.options)
    ]  # fmt: skip
    if type_ == "bool":
        options = [{**each, "displayOrder": n, "hidden": False} for n, each in enumerate(_YES_NO)]
    return {
        "name": field.name,
        "label": field.label,
        "type": type_,
        "fieldType": field_type,
        "options": options,
        "calculated": field.calculated,
        "externalOptions": field.owner or (listed and not field.restricted),
        "hasUniqueValue": field.external_id,
        "hubspotDefined": not field.custom,
        "showCurrencySymbol": field.kind is Kind.MONEY,
        "modificationMetadata": {
            "archivable": field.custom,
            "readOnlyDefinition": not field.custom,
            "readOnlyValue": not field.updateable,
            "readOnlyOptions": not field.custom and not options,
        },
        **({"referencedObjectType": "OWNER"} if field.owner else {}),
    }


def _pipelines(object: str, schema: ObjectSchema) -> Iterator[dict[str, Any]]:
    pipeline, stage = (schema.fields[name] for name in PIPED[object])
    for order, each in enumerate(pipeline.options):
        stages = [one for one in stage.options if one.parent == each.value]
        yield {
            "id": each.value,
            "label": each.label,
            "displayOrder": order,
            "stages": [
                {"id": one.value, "label": one.label, "displayOrder": n, "metadata": _stage(object, one, n)}
                for n, one in enumerate(stages)
            ],
        }


def _stage(object: str, option: Any, order: int) -> dict[str, str]:
    """Whether a stage is won, lost, closed: a catalog doesn't say, so names do."""
    words = f"{option.value} {option.label}".lower()
    if object == "tickets":
        closed = "closed" in words
        return {"ticketState": "CLOSED" if closed else "OPEN", "isClosed": str(closed).lower()}
    probability = "1.0" if "won" in words else "0.0" if "lost" in words else f"0.{min(order + 1, 9)}"
    return {"probability": probability, "isClosed": str(probability in ("1.0", "0.0")).lower()}


def _link(link: LinkType, catalog: Catalog, qualified: Mapping[str, str]) -> dict[str, Any]:
    category, _, number = link.wire.rpartition(":")
    back = _backward(link, catalog)
    return {
        "from": qualified[link.left], "to": qualified[link.right], "category": category,
        "number": int(number), "inverse": back, "label": None if link.label == "default" else link.label,
        "name": f"link_{min(int(number), back)}",
    }  # fmt: skip


def _backward(link: LinkType, catalog: Catalog) -> int:
    category, _, number = link.wire.rpartition(":")
    there = [
        each
        for each in catalog.links
        if (each.left, each.right) == (link.right, link.left) and each.wire.startswith(f"{category}:")
    ]
    if not there:
        return int(number)
    nearest = min(
        there,
        key=lambda each: (each.label != link.label, abs(int(each.wire.rpartition(":")[2]) - int(number))),
    )
    return int(nearest.wire.rpartition(":")[2])


def _owner(owner: Owner) -> dict[str, Any]:
    first, _, last = owner.name.rpartition(" ")
    named = owner.name not in (owner.email, owner.id)
    return {
        "id": int(owner.id),
        **({"userId": int(owner.user)} if owner.user else {}),
        **({"email": owner.email} if owner.email else {}),
        "firstName": first if named else "",
        "lastName": last if named else "",
        "archived": not owner.active,
    }
