"""What does this portal hold? Properties, pipelines, link labels and owners, as a catalog.

Stage, pipeline, owner and label ids differ in every portal; plans speak in labels, and this module
knows the ids behind them. Sources: HubSpot, properties, pipelines, associations v4, owners and object
schemas (read 2026-11-23).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from migrate.catalog import Catalog, Field, LinkType, NewObjects, ObjectSchema, Option, Owner, Sales
from migrate.connectors.hubspot.paths import (
    ATTACHMENTS,
    CUSTOM,
    CUSTOM_PREFIX,
    FILES,
    MAIN,
    OLD_PAGES,
    ORDER,
    OWNERS,
    PIPELINED,
    STANDARD,
)
from migrate.connectors.hubspot.portal import Portal
from migrate.connectors.hubspot.properties import field_of, label_name, link_type, stamp_of
from migrate.errors import UsageError
from migrate.types import Kind

ACTIVITIES = frozenset({"notes", "calls", "emails", "meetings", "tasks"})
ASSOCIATION = "association"  # the vendor's type of every field of a link
_REQUIRED = dict.fromkeys(ACTIVITIES, frozenset({"hs_timestamp"})) | {
    "deals": frozenset({"dealstage"}),  # refused without, though no schema says so (HubSpot, deals guide)
    "tickets": frozenset({"hs_pipeline_stage"}),
}
# Ids of the pipeline that each account begins with, and that a record without one goes to (HubSpot,
# pipelines, read 2026-11-26). Where it was removed, the page is silent; the first in order is likely.
_FIRST_PIPELINE = ("default", "0")


# HubSpot, "Default deal properties", read 2026-11-26; with one currency there is no `deal_currency_code`.
SALES = {
    "deals": Sales(
        amount="amount", name="dealname", currency="deal_currency_code", closes="closedate",
        closed="hs_is_closed", won="hs_is_closed_won", probability="hs_deal_stage_probability",
    )
}  # fmt: skip

# What HubSpot gives every custom object (custom objects guide, read 2026-11-26).
NEW_OBJECTS = NewObjects(
    pattern=r"p_[a-z][a-z0-9_]{0,97}",
    example="p_property",
    object_name="p_{small}",
    field_name="{small}",
    fields={
        field.name: field
        for field in (
            Field(name="hs_object_id", label="Record ID", kind=Kind.DECIMAL, vendor_type="number/number",
                  unique=True, createable=False, updateable=False),
            Field(name="hs_createdate", label="Object create date/time", kind=Kind.TIMESTAMP,
                  vendor_type="datetime/date", createable=False, updateable=False),
            Field(name="hs_lastmodifieddate", label="Object last modified date/time", kind=Kind.TIMESTAMP,
                  vendor_type="datetime/date", createable=False, updateable=False),
            Field(name="hubspot_owner_id", label="Owner", kind=Kind.REFERENCE,
                  vendor_type="enumeration/select", owner=True),
        )
    },
    stamp="hs_lastmodifieddate",
    created="hs_createdate",
)  # fmt: skip


class Metadata:
    """The portal's own description, read once and kept until `forget`; thread safe."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._reading = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """After a change of the schema."""
        with self._reading:
            self._fields: dict[str, dict[str, Field]] = {}
            self._labels: dict[tuple[str, str], tuple[LinkType, ...]] = {}
            self._custom: list[Mapping[str, Any]] | None = None
            self._readable: list[str] | None = None
            self._people: dict[str, str] | None = None

    def use(self, catalog: Catalog) -> None:
        """Take what a former `discover` read; what is unknown to it is still read from the portal."""
        with self._reading:
            self._fields = {
                name: dict(schema.fields)
                for name, schema in catalog.objects.items()
                if name not in (OWNERS, FILES, ATTACHMENTS) and not is_association(schema)
            }
            self._readable = list(self._fields)
            pairs: dict[tuple[str, str], list[LinkType]] = {
                (left, right): [] for left in self._readable for right in self._readable
            }
            for link in catalog.links:
                pairs.setdefault((link.left, link.right), []).append(link)
            self._labels = {pair: tuple(types) for pair, types in pairs.items()}
            self._people = _people(catalog.owners)

    def custom(self) -> list[Mapping[str, Any]]:
        """Schemas of custom objects (the list holds no standard ones)."""
        with self._reading:
            if self._custom is None:
                found = self._portal.get_or_none(self._portal.paths.schemas(), 403, 404, archived="false")
                self._custom = list((found or {}).get("results") or ())
            return self._custom

    def objects(self) -> list[str]:
        """Objects that this token may read: standard ones first."""
        with self._reading:
            if self._readable is None:
                names = [*STANDARD, *(custom_name(schema) for schema in self.custom())]
                found = self._portal.each(self._load, [name for name in names if name not in self._fields])
                self._fields |= {name: fields for name, fields in found if fields}
                self._readable = [name for name in names if self._fields.get(name)]
            return self._readable

    def fields(self, object: str) -> dict[str, Field]:
        """Fields by name.

        Raises:
            UsageError: the portal has no such object, or the token may not read it.
        """
        with self._reading:
            if object not in self._fields:
                _, self._fields[object] = self._load(object)
            if not self._fields[object]:
                del self._fields[object]
                raise UsageError(
                    f"`{self._portal.system}` has no object `{object}` that this token may read",
                    f"Objects: {', '.join(sorted(self._fields) or STANDARD)}.",
                )
            return self._fields[object]

    def known(self, object: str, names: Iterable[str]) -> dict[str, Field]:
        """The fields of these names; HubSpot would leave an unknown one out of a read without a word."""
        names = list(names)
        fields = self.fields(object)
        if any(name not in fields for name in names):
            with self._reading:
                self._fields.pop(object, None)
            fields = self.fields(object)
        missing = sorted(name for name in names if name not in fields)
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            raise UsageError(
                f"`{self._portal.system}`: `{object}` has no property {names}",
                "Run `migrate prepare` to make what the plan needs, or correct the name in the plan.",
            )
        return {name: fields[name] for name in names}

    def labels(self, left: str, right: str) -> tuple[LinkType, ...]:
        """Kinds of link from `left` to `right`; none where the pair can't be linked."""
        with self._reading:
            found = self._labels.get((left, right))
        if found is None:
            found = self.labels_anew(left, right)
            with self._reading:
                self._labels[left, right] = found
        return found

    def labels_anew(self, left: str, right: str) -> tuple[LinkType, ...]:
        """The same, as they are now."""
        path = self._portal.paths.associations(left, right, "/labels")
        told = self._portal.get_or_none(path, 400, 403, 404)
        return tuple(link_type(left, right, entry) for entry in (told or {}).get("results") or ())

    def label(self, left: str, right: str, category: str, type_id: int, text: str | None) -> str:
        """A plan's word for a kind of link that a read gave."""
        wire = f"{category}:{type_id}"
        known = next((each.label for each in self.labels(left, right) if each.wire == wire), None)
        return known or label_name(category, type_id, text)

    def wire(self, left: str, right: str, label: str) -> tuple[str, int]:
        """Category and type id of a label.

        Raises:
            UsageError: the portal has no such label between these objects.
        """
        types = self.labels(left, right)
        if not any(each.label == label for each in types):
            with self._reading:
                self._labels.pop((left, right), None)
            types = self.labels(left, right)
        for each in types:
            if each.label == label:
                category, _, number = each.wire.rpartition(":")
                return category, int(number)
        raise UsageError(
            f"`{self._portal.system}` has no link label `{label}` from {left} to {right}",
            f"Labels: {', '.join(sorted(each.label for each in types)) or 'none'}.",
        )

    def pair(self, name: str) -> tuple[str, str]:
        """The two objects whose links are the source object of this name.

        Raises:
            UsageError: there are none.
        """
        for left in self.objects():
            if name.startswith(f"{left}_to_") and name.removeprefix(f"{left}_to_") in self.objects():
                right = name.removeprefix(f"{left}_to_")
                if association_name(left, right) == name:
                    return left, right
        raise UsageError(
            f"`{self._portal.system}` has no links `{name}` that this token may read",
            "They are named `<object>_to_<object>`, such as `contacts_to_companies`; see `migrate discover`.",
        )

    def catalog(self) -> Catalog:
        account = self._portal.account()
        objects = self.objects()
        main = [name for name in objects if name in MAIN or name not in STANDARD]
        pairs = dict.fromkeys(
            pair for name in objects for other in main for pair in ((name, other), (other, name))
        )
        links = self._portal.each(lambda pair: self.labels(*pair), pairs)
        portal = self._portal.tenant()
        return Catalog(
            type="hubspot",
            tenant=portal,
            tenant_name=str(account.get("uiDomain") or ""),
            production=str(account.get("accountType") or "STANDARD") == "STANDARD",
            family=f"hs{portal}",
            api=self._portal.paths.api,
            objects={name: self._schema(name, account) for name in objects},
            links=tuple(each for types in links for each in types),
            owners=tuple(self.owners()),
            currency=account.get("companyCurrency") or None,
            new_objects=NEW_OBJECTS,
            discovered=self._portal.clock.now(),
        )

    def picklists(self, object: str, names: Iterable[str]) -> dict[str, tuple[Option, ...]]:
        """The values of these properties now: one call, and one more for pipelines or stages."""
        wanted = set(names)
        piped = self._pipelines(object) if wanted & set(PIPELINED.get(object, ())) else {}
        path = self._portal.paths.properties(object)
        told = self._portal.get_or_none(path, 403, 404, archived="false") or {}
        live = [each for each in told.get("results") or () if not each.get("archived")]
        return {
            str(each["name"]): field_of(each, False, piped.get(each["name"])).options
            for each in live
            if each["name"] in wanted
        }

    def owners(self) -> list[Owner]:
        """Active and deactivated owners; an owner's id is not their user's."""
        found: dict[str, Owner] = {}
        for archived in ("false", "true"):
            for row in self._portal.pages(self._portal.paths.owners(), limit=100, archived=archived):
                name = " ".join(part for part in (row.get("firstName"), row.get("lastName")) if part)
                owner = Owner(
                    id=str(row["id"]),
                    email=row.get("email") or None,
                    name=name or str(row.get("email") or row["id"]),
                    active=not row.get("archived", archived == "true"),
                    user=str(row.get("userId") or row.get("userIdIncludingInactive") or "") or None,
                )
                found.setdefault(owner.id, owner)
        return sorted(found.values(), key=lambda owner: owner.id)

    def people(self) -> Mapping[str, str]:
        """Name and e-mail by user id, as histories name people; of owners only."""
        with self._reading:
            if self._people is None:
                self._people = _people(self.owners())
            return self._people

    def _schema(self, object: str, account: Mapping[str, Any]) -> ObjectSchema:
        custom = next((each for each in self.custom() if custom_name(each) == object), None)
        labels = (custom or {}).get("labels") or {}
        type_id = str((custom or {}).get("objectTypeId") or STANDARD.get(object, ""))
        page = f"https://{account.get('uiDomain') or 'app.hubspot.com'}/contacts/{account.get('portalId')}"
        created = "createdate" if object in MAIN else "hs_createdate"
        fields = self._fields[object]
        return ObjectSchema(
            name=object,
            label=str(labels.get("plural") or object.replace("_", " ").capitalize()),
            fields=fields,
            key_by="by parent and digest" if object in ACTIVITIES else "unique field",
            stamp=stamp_of(object),
            created=created if created in fields else None,
            url=f"{page}/record/{type_id}/{{id}}",
            urls=(f"{page}/{OLD_PAGES[object]}/{{id}}",) if object in OLD_PAGES else (),
            custom=custom is not None,
            sales=SALES[object].there(fields) if object in SALES else None,
        )

    def _load(self, object: str) -> tuple[str, dict[str, Field]]:
        told = self._portal.get_or_none(self._portal.paths.properties(object), 403, 404, archived="false")
        if told is None:
            return object, {}
        pipelines = self._pipelines(object) if object in PIPELINED else {}
        required = self._required(object)
        properties = [each for each in told.get("results") or () if not each.get("archived")]
        fields = {
            str(each["name"]): field_of(each, each["name"] in required, pipelines.get(each["name"]))
            for each in properties
        }
        for name, field in fields.items():
            digits = self._portal.scales.get(f"{object}.{name}")
            if digits is not None and field.kind in (Kind.DECIMAL, Kind.MONEY):
                fields[name] = field.model_copy(update={"precision": 38, "scale": digits})
        return object, _piped(object, fields) if pipelines else fields

    def _required(self, object: str) -> frozenset[str]:
        always = _REQUIRED.get(object, frozenset())
        if object in STANDARD and object not in MAIN:
            return always
        schema = self._portal.get_or_none(self._portal.paths.schemas(object), 400, 403, 404) or {}
        return always | frozenset(map(str, schema.get("requiredProperties") or ()))

    def _pipelines(self, object: str) -> dict[str, tuple[Option, ...]]:
        """Options of the pipeline property, and of the stage property with the pipeline as parent."""
        told = self._portal.get_or_none(self._portal.paths.pipelines(object), 403, 404) or {}
        pipeline_field, stage_field = PIPELINED[object]
        live = [each for each in told.get("results") or () if not each.get("archived")]
        live.sort(key=lambda each: (int(each.get("displayOrder") or 0), str(each["label"])))
        return {
            pipeline_field: tuple(Option(value=str(each["id"]), label=str(each["label"])) for each in live),
            stage_field: tuple(
                Option(value=str(stage["id"]), label=str(stage["label"]), parent=str(each["id"]))
                for each in live
                for stage in each.get("stages") or ()
                if not stage.get("archived")
            ),
        }


def _people(owners: Iterable[Owner]) -> dict[str, str]:
    return {
        owner.user: f"{owner.name} ({owner.email})"
        if owner.email and owner.email != owner.name
        else owner.name
        for owner in owners
        if owner.user
    }


def _piped(object: str, fields: dict[str, Field]) -> dict[str, Field]:
    """A stage is valid within its pipeline; a record without a pipeline goes to the default one."""
    pipeline_field, stage_field = PIPELINED[object]
    pipeline, stage = fields.get(pipeline_field), fields.get(stage_field)
    if pipeline is None or stage is None or not pipeline.options:
        return fields
    ids = [option.value for option in pipeline.options]
    first = next((id for id in _FIRST_PIPELINE if id in ids), ids[0])
    return fields | {
        pipeline_field: pipeline.model_copy(update={"default": first}),
        stage_field: stage.model_copy(update={"within": pipeline_field}),
    }


def association_name(left: str, right: str) -> str:
    """The source object of the links between two objects: what hangs under the other is named first."""
    first, second = sorted((left, right), key=lambda name: (_place(name), name))
    return f"{first}_to_{second}"


def custom_name(schema: Mapping[str, Any]) -> str:
    """What plans and catalogs call a custom object: the same in every portal."""
    qualified = str(schema.get("fullyQualifiedName") or f"p_{schema.get('name')}")
    return CUSTOM_PREFIX + qualified.partition("_")[2]


def _place(object: str) -> float:
    return ORDER.index(object) if object in ORDER else CUSTOM - 0.5


def is_association(schema: ObjectSchema) -> bool:
    """Whether a catalog's object holds links."""
    return "type_id" in schema.fields and schema.fields["type_id"].vendor_type == ASSOCIATION
