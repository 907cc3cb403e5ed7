"""How is the org read as a source? Small objects by REST, large ones by a bulk query job, both in pages.

Counts come from `SELECT COUNT()`, never from reading; deletions from the vendor's log or the recycle bin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from migrate.catalog import Catalog, ObjectSchema, Owner
from migrate.connector import Page, Query
from migrate.connectors.salesforce import blobs, deleted, documents, soql
from migrate.connectors.salesforce.bulk import NotByBulk, Place
from migrate.connectors.salesforce.describe import is_crm_object, new_objects
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.rest import PREFIX
from migrate.connectors.salesforce.values import column, empty
from migrate.errors import SystemRefused, UsageError

BULK_THRESHOLD = 2000
_ORGANIZATION = ("Id", "Name", "IsSandbox", "DefaultCurrencyIsoCode", "CurrencyIsoCode")


class Reading:
    """What `Source` asks of an org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._bulk_threshold = int(str(org.options.get("bulk_threshold", BULK_THRESHOLD)))

    def discover(self) -> Catalog:
        """Describe the CRM objects and the custom ones; read the organisation and its users."""
        org = self._org
        org.forget()
        listed = org.listed()
        extra = self._option_list("objects")
        absent = [name for name in extra if name not in listed]
        if absent:
            raise UsageError(
                f"The org has no object `{absent[0]}`, or the user may not read it.",
                "See `objects` of the system in the plan.",
            )
        objects = {
            name: org.schema(name) for name, entry in sorted(listed.items()) if is_crm_object(entry, extra)
        }
        organisation = self._organisation()
        tenant = long_id(str(organisation["Id"]))
        return Catalog(
            type="salesforce",
            tenant=tenant,
            tenant_name=str(organisation.get("Name") or ""),
            production=not organisation.get("IsSandbox", False),
            family=f"sf{tenant}",
            api=f"v{org.api}",
            objects=objects,
            owners=self._owners(),
            currency=self._currency(listed, organisation),
            new_objects=new_objects(objects["Account"]) if "Account" in objects else None,
            files_in=tuple(each for each in blobs.HANGING if each.object in objects),
            discovered=org.clock.now(),
        )

    def count(self, query: Query) -> int:
        """`SELECT COUNT()` over the query's window; for deletions, those still in the recycle bin."""
        schema = self._org.schema(query.object)
        conditions = soql.window(schema.stamp, query.since, query.until)
        if query.object == blobs.LINK and not query.deleted:
            return documents.count(self._org.rest, conditions)
        if query.deleted:
            return self._org.rest.count(query.object, ["IsDeleted = true", *conditions], all=True)
        live = live_only(schema)
        return self._org.rest.count(query.object, [*conditions, *live], all=bool(live))

    def read(self, query: Query, after: str | None) -> Iterator[Page]:
        """Records from the cursor on; with `query.deleted` tombstones (`_id`, `_at`) instead of fields."""
        schema = self._org.schema(query.object)
        if query.deleted:
            yield from self._deleted(query, schema, after)
            return
        asked = blobs.told_by(schema.fields, self._known(schema, query.fields))
        for page in self._pages(schema, asked, query, after):
            yield Page(blobs.with_files(schema.fields, query.fields, page.batch), page.cursor)

    def merges(self, object: str, since: datetime | None) -> Iterator[pa.RecordBatch]:
        """Losers of merges that are still in the recycle bin, with their masters."""
        schema = self._org.schema(object)
        if deleted.MASTER not in schema.fields:
            return iter(())
        return deleted.merged(self._org.rest, object, soql.window(schema.stamp, since, None))

    def _pages(
        self, schema: ObjectSchema, names: Sequence[str], query: Query, after: str | None
    ) -> Iterator[Page]:
        columns = [column(schema.fields[name]) for name in names]
        fields = list(dict.fromkeys(["Id", *names]))
        conditions = [*soql.window(schema.stamp, query.since, query.until), *live_only(schema)]
        archived, rest = bool(live_only(schema)), self._org.rest
        if query.object == blobs.LINK:
            yield from documents.pages(rest, self._org.system, fields, conditions, columns, after)
            return
        if after is not None and after.startswith(PREFIX):
            last = after[len(PREFIX) :]
            yield from rest.pages(query.object, fields, conditions, columns, last=last, all=archived)
            return
        place = Place.parse(after) if after is not None else None
        if after is not None and place is None:
            raise UsageError(f"`{after}` is no cursor of a Salesforce extract.")
        if place is None:
            place = self._start(query.object, fields, conditions, all=archived)
            if place is None:
                yield from rest.pages(query.object, fields, conditions, columns, all=archived)
                return
            yield Page(empty(columns), str(place))
        yield from self._org.bulk.pages(query.object, place, columns)

    def _start(
        self, object: str, fields: Sequence[str], conditions: Sequence[str], *, all: bool
    ) -> Place | None:
        """A new bulk job, or None where REST serves better."""
        text = soql.select(object, fields, conditions)
        rest = self._org.rest
        fits = rest.fits(text)
        if fits and rest.count(object, conditions, all=all) < self._bulk_threshold:
            return None
        try:
            return Place(self._org.bulk.create(text, all=all))
        except NotByBulk as failure:
            if fits:
                return None
            raise SystemRefused(
                self._org.system,
                f"`{object}` can't be read by a bulk job ({failure})",
                "Extract fewer of its fields.",
            ) from failure

    def _deleted(self, query: Query, schema: ObjectSchema, after: str | None) -> Iterator[Page]:
        if query.since is None:
            raise UsageError("Deletions are read from a moment on; the query names none.")
        org = self._org
        until = query.until or self._org.now()
        if org.described(query.object).get("replicateable"):
            yield from deleted.from_log(
                org.http, org.clock, org.base, query.object, query.since, until, after
            )
            return
        conditions = soql.window(schema.stamp, query.since, until)
        yield from deleted.from_bin(org.rest, query.object, conditions, str(schema.stamp), after)

    def _known(self, schema: ObjectSchema, fields: Sequence[str]) -> Sequence[str]:
        for name in fields:
            if name not in schema.fields:
                raise UsageError(
                    f"`{schema.name}` has no field `{name}` that this user may read.",
                    "Run `migrate discover` again.",
                )
        return fields

    def _organisation(self) -> Mapping[str, Any]:
        there = {str(field["name"]) for field in self._org.described("Organization")["fields"]}
        names = [name for name in _ORGANIZATION if name in there]
        return self._org.rest.rows(f"SELECT {', '.join(names)} FROM Organization")[0]

    def _currency(self, listed: Mapping[str, Any], organisation: Mapping[str, Any]) -> str | None:
        """The corporate currency; single-currency orgs don't tell theirs over REST, so an option may."""
        if "CurrencyType" in listed:
            rows = self._org.rest.rows("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true")
            if rows:
                return str(rows[0]["IsoCode"])
        known = organisation.get("DefaultCurrencyIsoCode") or organisation.get("CurrencyIsoCode")
        told = known or self._org.options.get("currency")
        return str(told) if told else None

    def _owners(self) -> tuple[Owner, ...]:
        return (*self._users(), *self._queues())

    def _queues(self) -> tuple[Owner, ...]:
        """Queues own leads, cases, tasks and custom records (Object Reference, "Group", read 2026-11-26)."""
        rows = self._org.rest.rows("SELECT Id, Name, Email FROM Group WHERE Type = 'Queue' ORDER BY Id")
        return tuple(
            Owner(
                id=long_id(str(row["Id"])),
                email=str(row["Email"]) if row.get("Email") else None,
                name=str(row.get("Name") or ""),
                queue=True,
            )
            for row in rows
        )

    def _users(self) -> tuple[Owner, ...]:
        rows = self._org.rest.rows("SELECT Id, Name, Email, IsActive FROM User ORDER BY Id")
        return tuple(
            Owner(
                id=long_id(str(row["Id"])),
                email=str(row["Email"]) if row.get("Email") else None,
                name=str(row.get("Name") or ""),
                active=bool(row["IsActive"]),
            )
            for row in rows
        )

    def _option_list(self, name: str) -> list[str]:
        value = self._org.options.get(name) or []
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"`{name}` of system `{self._org.system}` is a list of names.")
        return [str(each) for each in value]


def live_only(schema: ObjectSchema) -> list[str]:
    """For what the org archives (tasks and events after a year): ask the archive too, less the deleted.

    `query` leaves archived activities out and `queryAll` brings deleted records along (Salesforce, REST API
    Developer Guide "QueryAll", and help "Archived Activities", read 2026-11-26).
    """
    return ["IsDeleted = false"] if {"IsArchived", "IsDeleted"} <= schema.fields.keys() else []
