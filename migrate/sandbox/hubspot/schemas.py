"""Which custom object types has the portal defined?

Lists hold custom types only; a standard type can be asked for by name. A type with live records can't be
deleted; a deleted one keeps its name until it is purged with `?archived=true`.

Facts: HubSpot, "Custom objects", read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from migrate.sandbox.hubspot import properties, stock, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import HUBSPOT, Catalog, LinkType, load
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.vendor import Reply

CHANGEABLE = (
    "labels",
    "description",
    "primaryDisplayProperty",
    "secondaryDisplayProperties",
    "requiredProperties",
    "searchableProperties",
)


def _ids(catalog: Catalog, source: str, target: str, types: Mapping[Any, LinkType]) -> list[dict[str, Any]]:
    kinds = catalog.kinds
    return [
        {
            "id": str(type.number),
            "fromObjectTypeId": kinds[source].id,
            "toObjectTypeId": kinds[target].id,
            "name": type.name or f"{kinds[source].singular}_to_{kinds[target].singular}",
        }
        for type in types.values()
    ]


def shown(catalog: Catalog, name: str) -> dict[str, Any]:
    """A schema as replies carry it."""
    kind, held = catalog.kinds.get(name), catalog.schemas.get(name)
    rows = [
        {**catalog.shown(row, name), "dataSensitivity": "non_sensitive"}
        for row in catalog.properties.get(name, {}).values()
    ]
    ends = [
        row
        for (source, target), types in catalog.links.items()
        if name in (source, target) and source in catalog.kinds and target in catalog.kinds
        for row in _ids(catalog, source, target, types)
    ]
    if held is not None:
        return {**held, "properties": rows, "associations": ends}
    if kind is None:
        raise ApiError(404, f"No schema {name}", "OBJECT_NOT_FOUND")
    return {
        "id": kind.id,
        "objectTypeId": kind.id,
        "name": kind.singular.upper(),
        "fullyQualifiedName": kind.singular.upper(),
        "labels": {"singular": kind.singular.title(), "plural": kind.name.title()},
        "primaryDisplayProperty": kind.display,
        "secondaryDisplayProperties": [],
        "requiredProperties": [],
        "searchableProperties": [kind.display],
        "properties": rows,
        "associations": ends,
        "archived": False,
        "createdAt": stock.BORN,
        "updatedAt": stock.BORN,
    }


def listing(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET .../schemas`: custom types only."""
    archived = call.flag("archived")
    names = [name for name, row in call.catalog.schemas.items() if row["archived"] == archived]
    return Reply(200, {"results": [shown(call.catalog, name) for name in names]})


def _name(call: Call, text: str) -> str:
    for name, row in call.catalog.schemas.items():
        if text in (name, row["objectTypeId"], row["name"]):
            return name
    return call.catalog.kind(text).name


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../schemas/{type}`."""
    return Reply(200, shown(call.catalog, _name(call, path["type"])))


def define(call: Call, body: Mapping[str, Any]) -> str:
    """Store a custom type with its properties and default association types; returns its qualified name.

    Raises:
        ApiError: 400 for missing parts, 409 for a name that is taken.
    """
    name = str(body.get("name") or "")
    labels = body.get("labels") or {}
    if (
        not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
        or not labels.get("singular")
        or not labels.get("plural")
    ):
        raise ApiError(
            400, "A schema needs a name of letters, digits and _, and labels for singular and plural"
        )
    qualified = f"p{call.catalog.portal_id}_{name}"
    if qualified in call.catalog.schemas or name in call.catalog.kinds:
        raise ApiError(409, f"Object type {name} already exists", "OBJECT_ALREADY_EXISTS")
    number = tables.take_number(call.sql, "schema_id", 4_020_000 + call.catalog.portal_id % 1000, 7)
    row: dict[str, Any] = {
        "id": str(number),
        "objectTypeId": f"2-{number}",
        "name": name,
        "fullyQualifiedName": qualified,
        "labels": {"singular": labels["singular"], "plural": labels["plural"]},
        "primaryDisplayProperty": body.get("primaryDisplayProperty"),
        "secondaryDisplayProperties": body.get("secondaryDisplayProperties") or [],
        "requiredProperties": body.get("requiredProperties") or [],
        "searchableProperties": body.get("searchableProperties") or [],
        "archived": False,
        "createdAt": call.stamp,
        "updatedAt": call.stamp,
    }
    if body.get("description"):
        row["description"] = body["description"]
    group = f"{name}_information"
    entry = {
        "name": group,
        "label": f"{labels['singular']} information",
        "displayOrder": 0,
        "archived": False,
    }
    tables.put(call.sql, "group", qualified, group, entry)
    own: dict[str, dict[str, Any]] = {}
    for definition in stock.properties(qualified):
        own[definition["name"]] = {**definition, "groupName": group}
        tables.put(call.sql, "property", qualified, definition["name"], own[definition["name"]])
    call.catalog.properties[qualified] = own
    call.catalog.binned[qualified] = {}
    call.catalog.groups[qualified] = {group: entry}
    for definition in body.get("properties") or []:
        properties.define(call, qualified, {"groupName": group, **definition})
    absent = [n for n in [*row["requiredProperties"], row["primaryDisplayProperty"]] if n and n not in own]
    if absent:
        raise ApiError(400, f"Properties that the schema names don't exist: {', '.join(absent)}")
    tables.put(call.sql, "schema", "", qualified, row)
    targets = ["tasks", "notes", "meetings", "calls", "emails"]
    targets += [call.catalog.kind(text).name for text in body.get("associatedObjects") or []]
    for target in dict.fromkeys(targets):
        _associate(call, qualified, target, "")
    call.log("schema", qualified, qualified, None, row)
    return qualified


def _associate(call: Call, source: str, target: str, name: str) -> int:
    forward, backward = (
        tables.take_number(call.sql, "schema_link", 40 + call.catalog.portal_id % 13) for _ in "ab"
    )
    for one, other, number, back in (
        (source, target, forward, backward),
        (target, source, backward, forward),
    ):
        body = {"category": "USER_DEFINED", "number": number, "label": None, "inverse": back, "name": name}
        tables.put(call.sql, "link", f"{one}:{other}", f"{HUBSPOT}:{number}", body | {"category": HUBSPOT})
    return forward


def create(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST .../schemas`."""
    name = define(call, call.mapping())
    return Reply(201, shown(load(call.sql), name))


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PATCH .../schemas/{type}`."""
    name, body = _name(call, path["type"]), call.mapping()
    held = call.catalog.schemas.get(name)
    if held is None:
        raise ApiError(400, f"Object type {name} is HubSpot's own")
    row = {**held, **{key: body[key] for key in CHANGEABLE if key in body}, "updatedAt": call.stamp}
    tables.put(call.sql, "schema", "", name, row)
    call.log("schema", name, name, held, row)
    return Reply(200, {**row, "portalId": call.catalog.portal_id})


def delete(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE .../schemas/{type}`; with `?archived=true` a deleted type is purged and its name free again."""
    name = _name(call, path["type"])
    held = call.catalog.schemas.get(name)
    if held is None:
        raise ApiError(400, f"Object type {name} is HubSpot's own")
    if call.flag("archived") or path.get("purge"):
        if not held["archived"]:
            raise ApiError(400, f"Object type {name} must be deleted before it is purged")
        tables.drop(call.sql, "schema", "", name)
        for sort in ("property", "group"):
            call.sql.execute("DELETE FROM hs_thing WHERE sort = ? AND kind = ?", (sort, name))
        return Reply(204)
    query = "SELECT count(*) FROM hs_record WHERE kind = ? AND archived = 0"
    count = call.sql.execute(query, (name,)).fetchone()[0]
    if count:
        raise ApiError(400, f"Object type {name} still has {count} records")
    tables.put(call.sql, "schema", "", name, held | {"archived": True})
    call.log("schema", name, name, held, None)
    return Reply(204)


def associate(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../schemas/{type}/associations`."""
    source, body = _name(call, path["type"]), call.mapping()
    target = call.catalog.kind(str(body.get("toObjectTypeId") or "")).name
    name = str(body.get("name") or f"{source}_to_{target}")
    number = _associate(call, source, target, name)
    kinds = call.catalog.kinds
    row = {
        "id": str(number),
        "fromObjectTypeId": kinds[source].id,
        "toObjectTypeId": kinds[target].id,
        "name": name,
    }
    return Reply(201, row | {"createdAt": call.stamp, "updatedAt": call.stamp})


def dissociate(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE .../schemas/{type}/associations/{number}`."""
    source = _name(call, path["type"])
    for (one, other), types in call.catalog.links.items():
        for type in types.values():
            if one == source and str(type.number) == path["number"]:
                tables.drop(call.sql, "link", f"{one}:{other}", f"{HUBSPOT}:{type.number}")
                tables.drop(call.sql, "link", f"{other}:{one}", f"{HUBSPOT}:{type.inverse}")
    return Reply(204)
