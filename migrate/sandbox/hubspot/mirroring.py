"""How does a portal come to look like another one, to the last property?

A seed's part `mirror` lays descriptions as the API gives them over what a fresh portal has: properties
replace all those of the object type, pipelines those of it, kinds of link and subscription types are put
beside or in place of the stock. Nothing is checked, for it stands like that in a portal of the vendor's.
What the API doesn't tell of HubSpot's own properties (which are settable only on create, which come from
pipelines) is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrate.sandbox.hubspot import consent, stock, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import HUBSPOT, USER


def load(call: Call, mirror: Mapping[str, Any]) -> dict[str, int]:
    """Lay a mirror over the portal; counts by what was laid.

    Raises:
        ApiError: an object type that isn't there.
        KeyError: a description lacks its name.
    """
    counts: dict[str, int] = {}
    for row in mirror.get("subscriptions") or ():
        consent.define(call.sql, row)
    for name, rows in (mirror.get("properties") or {}).items():
        kind = call.catalog.kind(name).name
        _properties(call, kind, rows)
        counts["properties"] = counts.get("properties", 0) + len(rows)
    for name, required in (mirror.get("required") or {}).items():
        kind = call.catalog.kind(name).name
        schema = call.catalog.schemas.get(kind)
        if schema is not None:
            tables.put(call.sql, "schema", "", kind, {**schema, "requiredProperties": list(required)})
    for name, rows in (mirror.get("pipelines") or {}).items():
        kind = call.catalog.kind(name).name
        call.sql.execute("DELETE FROM hs_thing WHERE sort = 'pipeline' AND kind = ?", (kind,))
        for row in rows:
            tables.put(call.sql, "pipeline", kind, str(row["id"]), _pipeline(row))
        counts["pipelines"] = counts.get("pipelines", 0) + len(rows)
    for row in mirror.get("links") or ():
        source, target = call.catalog.kind(row["from"]).name, call.catalog.kind(row["to"]).name
        known = call.catalog.links.get((source, target), {})
        spec = (str(row["category"]), int(row["number"]))
        if spec not in known or spec[0] not in (HUBSPOT, USER):
            body = {
                "category": spec[0], "number": spec[1], "label": row.get("label"),
                "inverse": int(row["inverse"]), "name": str(row.get("name") or f"link_{spec[1]}"),
            }  # fmt: skip
            tables.put(call.sql, "link", f"{source}:{target}", f"{spec[0]}:{spec[1]}", body)
    return counts


def _properties(call: Call, kind: str, rows: list[Mapping[str, Any]]) -> None:
    own = {row["name"]: row for row in stock.properties(kind)}
    group = next(iter(call.catalog.groups[kind]))
    call.sql.execute("DELETE FROM hs_thing WHERE sort = 'property' AND kind = ?", (kind,))
    for row in rows:
        base = own.get(row["name"]) or stock.define(
            row["name"], row["name"], "string", "text", group=group, flags=_flags(row)
        )
        whole = {**base, **row, "groupName": base["groupName"]}
        tables.put(call.sql, "property", kind, row["name"], whole)


def _flags(row: Mapping[str, Any]) -> str:
    if row.get("referencedObjectType") == "OWNER":
        return "o"
    return "x" if row.get("externalOptions") else ""


def _pipeline(row: Mapping[str, Any]) -> dict[str, Any]:
    born = {"archived": False, "createdAt": stock.BORN, "updatedAt": stock.BORN}
    stages = [{"writePermissions": "CRM_PERMISSIONS_ENFORCEMENT", **born, **stage} for stage in row["stages"]]
    return {"displayOrder": 0, **born, **row, "stages": stages}
