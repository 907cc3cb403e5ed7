"""Which types, properties, stages, owners and association types does this portal have now?

A `Catalog` is read from the store in one go and kept in memory until the metadata's name changes
(`tables.touch_schema`). It is never written to: every change goes to the store first.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any, Final

from migrate.sandbox.hubspot import standards, tables
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.standards import Kind

Spec = tuple[str, int]  # category and number of an association type
HUBSPOT: Final = "HUBSPOT_DEFINED"
USER: Final = "USER_DEFINED"
DEFAULT_UNIQUE: Final = {"contacts": ("email",)}


@dataclass(frozen=True)
class LinkType:
    """One direction of an association type."""

    category: str
    number: int
    label: str | None
    inverse: int
    name: str = ""

    @property
    def spec(self) -> Spec:
        """Category and number."""
        return (self.category, self.number)

    def labelled(self) -> dict[str, Any]:
        """As association reads and label lists show it."""
        return {"category": self.category, "typeId": self.number, "label": self.label}


@dataclass
class Catalog:
    """The portal's metadata."""

    version: str
    portal: dict[str, Any]
    kinds: dict[str, Kind] = field(default_factory=dict)
    properties: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    binned: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    groups: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    owners: dict[str, dict[str, Any]] = field(default_factory=dict)
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[tuple[str, str], dict[Spec, LinkType]] = field(default_factory=dict)
    limits: dict[tuple[str, str, str, int], int] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _allowed: dict[tuple[str, str], set[str] | None] = field(default_factory=dict)

    @property
    def portal_id(self) -> int:
        """HubSpot's hub id."""
        return int(self.portal["portalId"])

    def kind(self, text: str) -> Kind:
        """Object type by plural or singular name, type id or fully qualified name.

        Raises:
            ApiError: 400, HubSpot can't tell which type is meant.
        """
        name = self._names.get(text) or self._names.get(text.lower())
        if name is None:
            raise ApiError(400, f"Unable to infer object type from: {text}")
        return self.kinds[name]

    def allowed(self, kind: str, name: str) -> set[str] | None:
        """Option values of an enumeration; `None` when they live elsewhere."""
        key = (kind, name)
        if key not in self._allowed:
            definition = self.properties[kind][name]
            flags = definition.get("_flags", "")
            if "p" in flags:
                values: set[str] | None = {option["value"] for option in self.piped_options(kind, name)}
            elif "x" in flags:
                values = None
            else:
                values = {option["value"] for option in definition["options"]}
            self._allowed[key] = values
        return self._allowed[key]

    def piped_options(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Options of a pipeline or stage property, made from the pipelines."""
        pipelines = [p for p in self.pipelines.get(kind, {}).values() if not p["archived"]]
        rows = pipelines
        if standards.PIPED.get(kind, ("", ""))[1] == name:
            rows = [stage for p in pipelines for stage in p["stages"] if not stage["archived"]]
        seen: dict[str, dict[str, Any]] = {}
        for order, row in enumerate(rows):
            seen.setdefault(
                row["id"],
                {"label": row["label"], "value": row["id"], "displayOrder": order, "hidden": False},
            )
        return list(seen.values())

    def unique(self, kind: str) -> tuple[str, ...]:
        """Properties that two live records of the type never share a value of."""
        return tuple(name for name, row in self.properties[kind].items() if row["hasUniqueValue"])

    def stage(self, kind: str, pipeline: str, stage: str) -> dict[str, Any] | None:
        """A live stage of a live pipeline."""
        row = self.pipelines.get(kind, {}).get(pipeline)
        if row is None or row["archived"]:
            return None
        return next((s for s in row["stages"] if s["id"] == stage and not s["archived"]), None)

    def between(self, source: str, target: str) -> dict[Spec, LinkType]:
        """Association types from one object type to another.

        Raises:
            ApiError: 400, the types can't be associated.
        """
        found = self.links.get((source, target))
        if not found:
            raise ApiError(
                400,
                f"No association types exist between {self.kinds[source].id} and {self.kinds[target].id}",
                sub="crm.associations.INVALID_ASSOCIATION_TYPE",
            )
        return found

    def default(self, source: str, target: str) -> LinkType:
        """The unlabelled association type."""
        return next(
            t for t in self.between(source, target).values() if t.label is None and t.category != USER
        )

    def primary(self, source: str, target: str) -> LinkType | None:
        """The type that marks the one primary company of a contact, deal or ticket."""
        if target != "companies":
            return None
        types = self.links.get((source, target), {})
        return next((t for s, t in types.items() if s[0] == HUBSPOT and s[1] in standards.PRIMARY), None)

    def shown(self, definition: dict[str, Any], kind: str) -> dict[str, Any]:
        """A property as replies carry it, with options of pipelines filled in."""
        told = {name: value for name, value in definition.items() if not name.startswith("_")}
        told.setdefault("dataSensitivity", "non_sensitive")
        if "p" in definition.get("_flags", ""):
            told["options"] = self.piped_options(kind, definition["name"])
        return told


def _standard_links(catalog: Catalog) -> None:
    for source, target, number, inverse, label, back in standards.ASSOCIATIONS:
        forward = LinkType(HUBSPOT, number, label, inverse)
        backward = LinkType(HUBSPOT, inverse, back, number)
        catalog.links.setdefault((source, target), {})[forward.spec] = forward
        catalog.links.setdefault((target, source), {})[backward.spec] = backward


def load(sql: sqlite3.Connection) -> Catalog:
    """Read the whole catalog from the store."""
    portals = {name: body for _, name, body in tables.things(sql, "portal")}
    catalog = Catalog(tables.get_meta(sql, "schema", "") or "", portals["portal"])
    catalog.kinds = dict(standards.KINDS)
    for _, name, schema in tables.things(sql, "schema"):
        catalog.schemas[name] = schema
        if not schema["archived"]:
            display = schema.get("primaryDisplayProperty") or "hs_object_id"
            catalog.kinds[name] = Kind(
                name=name,
                singular=schema["name"],
                id=schema["objectTypeId"],
                created="hs_createdate",
                modified="hs_lastmodifieddate",
                shown=("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
                display=display,
                read="crm.objects.custom.read",
                write="crm.objects.custom.write",
            )
    for kind in catalog.kinds.values():
        catalog.properties[kind.name] = {}
        catalog.binned[kind.name] = {}
        catalog.groups[kind.name] = {}
        for name in (kind.name, kind.singular, kind.id, kind.singular.upper()):
            catalog._names.setdefault(name, kind.name)
    for kind_name, name, body in tables.things(sql, "property"):
        if kind_name in catalog.kinds:
            (catalog.binned if body["archived"] else catalog.properties)[kind_name][name] = body
    for kind_name, name, body in tables.things(sql, "group"):
        catalog.groups.setdefault(kind_name, {})[name] = body
    for kind_name, name, body in tables.things(sql, "pipeline"):
        catalog.pipelines.setdefault(kind_name, {})[name] = body
    catalog.owners = {name: body for _, name, body in tables.things(sql, "owner")}
    _standard_links(catalog)
    for pair, _, body in tables.things(sql, "link"):
        source, target = pair.split(":")
        row = LinkType(body["category"], body["number"], body["label"], body["inverse"], body["name"])
        catalog.links.setdefault((source, target), {})[row.spec] = row
    for pair, _, body in tables.things(sql, "limit"):
        source, target = pair.split(":")
        catalog.limits[source, target, body["category"], body["typeId"]] = body["maximum"]
    return catalog
