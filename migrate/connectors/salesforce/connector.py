"""Salesforce as the core's `Source`: what is there, how many, each record, each change.

Reads never change anything at Salesforce but to start query jobs. Small objects are read by REST, large
ones by a bulk query job; both give the same pages. Counts come from `SELECT COUNT()`, never from reading.
A share of the org's daily API calls is left to the people who still work there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from migrate.catalog import Catalog, ObjectSchema, Owner
from migrate.connector import Limits, Page, Query, Rights, Settings
from migrate.connectors.http import Http
from migrate.connectors.salesforce import blobs, deleted, documents, soql
from migrate.connectors.salesforce.auth import Login
from migrate.connectors.salesforce.bulk import PAGE_ROWS, Bulk, NotByBulk, Place
from migrate.connectors.salesforce.describe import is_crm_object, object_schema
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.replies import classifier
from migrate.connectors.salesforce.rest import PREFIX, Rest
from migrate.connectors.salesforce.rights import rights
from migrate.connectors.salesforce.values import column, empty
from migrate.errors import Parked, SystemRefused, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

API = "66.0"  # Spring '26
LOGIN_URL = "https://login.salesforce.com"
LONGEST_CALL = 600.0  # seconds a call; "API Request Limits and Allocations", read 2026-11-23
CONCURRENCY = 5  # developer orgs refuse more than 5 calls of 20 s and longer; the same page
RECYCLE_DAYS = 15
BULK_THRESHOLD = 2000
SHARE = 0.8
_ORGANIZATION = ("Id", "Name", "IsSandbox", "DefaultCurrencyIsoCode", "CurrencyIsoCode")


class SalesforceConnector:
    """One org.

    Credentials: `instance_url` (the My Domain) with `client_id` and `client_secret`; or `client_id`,
    `username`, `key_file` (or `private_key`) and perhaps `login_url`; or `instance_url` with `access_token`.

    Options: `api` (version, default 66.0), `share` of the daily calls (0.8), `longest_call` seconds (600),
    `ca` (file of a CA to trust), `bulk_threshold` rows from which on a bulk job reads (2,000), `page_rows`
    of a bulk page (50,000), `objects` (names read beside the usual ones), `scales` (`Object.Field`: digits
    behind the point), `currency` (for orgs with a single one, which REST doesn't tell).
    """

    type = "salesforce"

    def __init__(self, settings: Settings) -> None:
        options, credentials = settings.options, settings.credentials
        self.system, self.clock = settings.system, settings.clock
        self._options = options
        self._api = str(options.get("api", API)).lstrip("v")
        self._base = f"/services/data/v{self._api}"
        self._share = float(str(options.get("share", SHARE)))
        self._bulk_threshold = int(str(options.get("bulk_threshold", BULK_THRESHOLD)))
        self._described: dict[str, tuple[ObjectSchema, bool]] = {}
        longest = float(str(options.get("longest_call", LONGEST_CALL)))
        self.limits = Limits(
            write_records=200,  # REST guide "sObject Collections", read 2026-11-23
            read_back_records=2000,
            link_writes=200,
            link_reads=2000,
            calls_per_second=None,  # Salesforce states no such limit
            concurrency=CONCURRENCY,
            longest_call=longest,
            recycle_days=RECYCLE_DAYS,
        )
        authority = options.get("ca") or credentials.get("ca")
        verify: bool | str = str(authority) if authority else True
        self._login = Login(
            self.system,
            credentials,
            self.clock,
            instance_url=str(credentials.get("instance_url") or options.get("instance_url") or ""),
            login_url=str(credentials.get("login_url") or options.get("login_url") or LOGIN_URL),
            verify=verify,
        )
        self._verify = verify
        self._opened: Http | None = None

    @property
    def _http(self) -> Http:
        """The org's calls. Logs in at first use, since only the log-in tells the host; checks the share."""
        if self._opened is None:
            instance = self._login.instance()
            if not instance:
                raise UsageError(
                    f"system `{self.system}`: INSTANCE_URL is not set", "Set it to the org's My Domain."
                )
            self._opened = Http(
                self.system,
                instance,
                self.clock,
                auth=self._login,
                classify=classifier(self.clock, self._login.instance),
                calls_per_second=None,
                concurrency=CONCURRENCY,
                longest_call=self.limits.longest_call,
                verify=self._verify,
            )
        http = self._opened
        left, most = http.calls_left, http.calls_max
        if left is not None and most and left < (1 - self._share) * most:
            raise Parked(
                self.system,
                f"{left} of {most} daily API calls are left, and the plan keeps "
                f"{1 - self._share:.0%} of them for the live business",
                self.clock.now() + timedelta(hours=1),
            )
        return http

    @property
    def _rest(self) -> Rest:
        return Rest(self._http, self._base)

    @property
    def _bulk(self) -> Bulk:
        page_rows = int(str(self._options.get("page_rows", PAGE_ROWS)))
        return Bulk(self._http, self.clock, self._base, page_rows=page_rows)

    def close(self) -> None:
        """Give back the connections."""
        if self._opened is not None:
            self._opened.close()

    def now(self) -> datetime:
        """The `Date` of a reply to the list of API versions, to the second."""
        http = self._http
        http.call("GET", "/services/data/", write=False)
        if http.server_date is None:
            raise SystemRefused(self.system, "a reply has no `Date` header", "Look for a proxy.")
        return http.server_date.astimezone(UTC)

    def tenant(self) -> str:
        """The organisation's id."""
        return long_id(str(self._rest.rows("SELECT Id FROM Organization")[0]["Id"]))

    def discover(self) -> Catalog:
        """Describe the CRM objects and the custom ones; read the organisation and its users."""
        listed = self._listed()
        extra = self._option_list("objects")
        absent = [name for name in extra if name not in listed]
        if absent:
            raise UsageError(
                f"The org has no object `{absent[0]}`, or the user may not read it.",
                "See `objects` of the system in the plan.",
            )
        self._described.clear()
        objects = {
            name: self._object(name)[0]
            for name, entry in sorted(listed.items())
            if is_crm_object(entry, extra)
        }
        organisation = self._organisation()
        tenant = long_id(str(organisation["Id"]))
        return Catalog(
            type=self.type,
            tenant=tenant,
            tenant_name=str(organisation.get("Name") or ""),
            production=not organisation.get("IsSandbox", False),
            family=f"sf{tenant}",
            api=f"v{self._api}",
            objects=objects,
            owners=self._owners(),
            currency=self._currency(listed, organisation),
            discovered=self.clock.now(),
        )

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        """What the user may read and, for a source, what it may write although it shouldn't."""
        return rights(
            self._http, self._rest, self._base, objects, self._listed(), write=write, user=self._login.user
        )

    def count(self, query: Query) -> int:
        """`SELECT COUNT()` over the query's window; for deletions, those still in the recycle bin."""
        schema, _ = self._object(query.object)
        conditions = soql.window(schema.stamp, query.since, query.until)
        if query.object == documents.LINK and not query.deleted:
            return documents.count(self._rest, conditions)
        if query.deleted:
            return self._rest.count(query.object, ["IsDeleted = true", *conditions], all=True)
        return self._rest.count(query.object, [*conditions, *_live(schema)], all=bool(_live(schema)))

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        """Records from the cursor on; with `query.deleted` tombstones (`_id`, `_at`) instead of fields.

        Raises:
            CursorLost: the cursor's job or page is gone; read this object from the start.
            GapTooLong: deletions since `query.since` are forgotten.
            UsageError: the object or a field isn't there.
        """
        schema, replicateable = self._object(query.object)
        if query.deleted:
            yield from self._deleted(query, schema, replicateable, after)
            return
        asked = blobs.told_by(schema.fields, self._known(schema, query.fields))
        for page in self._pages(schema, asked, query, after):
            yield Page(blobs.with_files(schema.fields, query.fields, page.batch), page.cursor)

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """The bytes of a file, streamed."""
        return blobs.read(self._http, self._base, object, id, field)

    def _pages(
        self, schema: ObjectSchema, names: Sequence[str], query: Query, after: str | None
    ) -> Iterator[Page]:
        columns = [column(schema.fields[name]) for name in names]
        fields = list(dict.fromkeys(["Id", *names]))
        conditions = [*soql.window(schema.stamp, query.since, query.until), *_live(schema)]
        archived = bool(_live(schema))
        if query.object == documents.LINK:
            yield from documents.pages(self._rest, self.system, fields, conditions, columns, after)
            return
        if after is not None and after.startswith(PREFIX):
            last = after[len(PREFIX) :]
            yield from self._rest.pages(query.object, fields, conditions, columns, last=last, all=archived)
            return
        place = Place.parse(after) if after is not None else None
        if after is not None and place is None:
            raise UsageError(f"`{after}` is no cursor of a Salesforce extract.")
        if place is None:
            place = self._start(query.object, fields, conditions, all=archived)
            if place is None:
                yield from self._rest.pages(query.object, fields, conditions, columns, all=archived)
                return
            yield Page(empty(columns), str(place))
        yield from self._bulk.pages(query.object, place, columns)

    def merges(
        self,
        object: str,
        since: datetime | None,
        extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],  # noqa: ARG002 - losers name theirs
    ) -> Iterator[pa.RecordBatch]:
        """Losers of merges that are still in the recycle bin, with their masters.

        Of merges that are older than the bin remembers nothing can be told.
        """
        schema, _ = self._object(object)
        if deleted.MASTER not in schema.fields:
            return iter(())
        return deleted.merged(self._rest, object, soql.window(schema.stamp, since, None))

    def _start(
        self, object: str, fields: Sequence[str], conditions: Sequence[str], *, all: bool
    ) -> Place | None:
        """A new bulk job, or None where REST serves better."""
        text = soql.select(object, fields, conditions)
        fits = self._rest.fits(text)
        if fits and self._rest.count(object, conditions, all=all) < self._bulk_threshold:
            return None
        try:
            return Place(self._bulk.create(text, all=all))
        except NotByBulk as failure:
            if fits:
                return None
            raise SystemRefused(
                self.system,
                f"`{object}` can't be read by a bulk job ({failure})",
                "Extract fewer of its fields.",
            ) from failure

    def _deleted(
        self, query: Query, schema: ObjectSchema, replicateable: bool, after: str | None
    ) -> Iterator[Page]:
        if query.since is None:
            raise UsageError("Deletions are read from a moment on; the query names none.")
        until = query.until or self.now()
        if replicateable:
            yield from deleted.from_log(
                self._http, self.clock, self._base, query.object, query.since, until, after
            )
            return
        conditions = soql.window(schema.stamp, query.since, until)
        yield from deleted.from_bin(self._rest, query.object, conditions, str(schema.stamp), after)

    def _known(self, schema: ObjectSchema, fields: Sequence[str]) -> Sequence[str]:
        for name in fields:
            if name not in schema.fields:
                raise UsageError(
                    f"`{schema.name}` has no field `{name}` that this user may read.",
                    "Run `migrate discover` again.",
                )
        return fields

    def _listed(self) -> dict[str, Mapping[str, Any]]:
        answer = self._http.call("GET", f"{self._base}/sobjects/", write=False).json()
        return {str(entry["name"]): entry for entry in answer["sobjects"]}

    def _object(self, name: str) -> tuple[ObjectSchema, bool]:
        """An object's schema, and whether the vendor keeps a log of its deletions."""
        if name not in self._described:
            described = self._describe(name)
            scales = self._options.get("scales") or {}
            if not isinstance(scales, Mapping):
                raise UsageError("`scales` maps `Object.Field` to a number of digits.")
            digits = {str(field): int(count) for field, count in scales.items()}
            schema = object_schema(described, self._http.base_url, digits)
            self._described[name] = (schema, bool(described.get("replicateable")))
        return self._described[name]

    def _describe(self, name: str) -> Mapping[str, Any]:
        path = f"{self._base}/sobjects/{soql.name(name)}/describe/"
        reply = self._http.call("GET", path, write=False, ok=(404,))
        if reply.status == 404:
            raise SystemRefused(
                self.system,
                f"there is no object `{name}`, or the user may not read it",
                "Give the integration user read access to it, or take it out of the plan.",
            )
        described: Mapping[str, Any] = reply.json()
        return described

    def _organisation(self) -> Mapping[str, Any]:
        there = {str(field["name"]) for field in self._describe("Organization")["fields"]}
        names = [name for name in _ORGANIZATION if name in there]
        return self._rest.rows(f"SELECT {', '.join(names)} FROM Organization")[0]

    def _currency(self, listed: Mapping[str, Any], organisation: Mapping[str, Any]) -> str | None:
        """The corporate currency; single-currency orgs don't tell theirs over REST, so an option may."""
        if "CurrencyType" in listed:
            rows = self._rest.rows("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true")
            if rows:
                return str(rows[0]["IsoCode"])
        known = organisation.get("DefaultCurrencyIsoCode") or organisation.get("CurrencyIsoCode")
        told = known or self._options.get("currency")
        return str(told) if told else None

    def _owners(self) -> tuple[Owner, ...]:
        rows = self._rest.rows("SELECT Id, Name, Email, IsActive FROM User ORDER BY Id")
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
        value = self._options.get(name) or []
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"`{name}` of system `{self.system}` is a list of names.")
        return [str(each) for each in value]


def _live(schema: ObjectSchema) -> list[str]:
    """For what the org archives (tasks and events after a year): ask the archive too, less the deleted.

    `query` leaves archived activities out and `queryAll` brings deleted records along (Salesforce, REST API
    Developer Guide "QueryAll", and help "Archived Activities", read 2026-11-26).
    """
    return ["IsDeleted = false"] if {"IsArchived", "IsDeleted"} <= schema.fields.keys() else []
