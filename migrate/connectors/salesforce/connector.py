"""The connector that the engine speaks to; each of its abilities lives in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import pyarrow as pa

from migrate.catalog import Catalog, Option
from migrate.connector import (
    Answer,
    Batch,
    Companion,
    Held,
    JobLimits,
    Limits,
    Link,
    Outcome,
    Page,
    Query,
    Question,
    ReadBlob,
    Restorable,
    Rights,
    SchemaChange,
    Settings,
    Told,
    Use,
    Version,
    Write,
)
from migrate.connector.freezing import Instruction, Job, Level, Touch
from migrate.connectors import wire
from migrate.connectors.salesforce import blobs, companions, freezing, ids, removing, totals, writing
from migrate.connectors.salesforce import rights as permissions
from migrate.connectors.salesforce.authors import Authors
from migrate.connectors.salesforce.hanging import Hanging
from migrate.connectors.salesforce.ingest import Ingest
from migrate.connectors.salesforce.looking import Looking
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.preparing import Preparing
from migrate.connectors.salesforce.reading import Reading
from migrate.connectors.salesforce.restoring import RESTORING
from migrate.connectors.salesforce.stirring import RULES, Stirring
from migrate.connectors.salesforce.uploads import Uploads
from migrate.errors import Defect


class SalesforceConnector:
    """A Salesforce org as a source and as a target; tells authors as far as the org keeps them.

    Credentials: `instance_url` (the My Domain) with `client_id` and `client_secret`; or `client_id`,
    `username`, `key_file` (or `private_key`) and perhaps `login_url`; or `instance_url` with `access_token`.

    Options: `api` (version, default 66.0), `share` of the daily calls (0.8), `longest_call` seconds (600),
    `ca` (file of a CA to trust), `bulk_threshold` rows from which on a bulk job reads (2,000), `page_rows`
    of a bulk page (50,000), `objects` (names read beside the usual ones), `scales` (`Object.Field`: digits
    behind the point), `currency` (for orgs with a single one, which REST doesn't tell), `settle` seconds in
    which the org's own automations follow a write (5), `duplicate_rules` (`save`: those that only warn are
    passed over; `obey`), `jobs_from` records to create from which on bulk jobs take them (5,000; 0: never).
    """

    type = "salesforce"
    schema_kept_days = removing.KEPT_DAYS
    freeze_lag = freezing.LAG
    id_pattern = ids.PATTERN
    other_id = staticmethod(ids.other_id)

    def __init__(self, settings: Settings) -> None:
        self.system, self.clock = settings.system, settings.clock
        self._org = Org(settings)
        self._reading = Reading(self._org)
        self._looking = Looking(self._org)
        self._hanging = Hanging(self._org, self._looking)
        self._authors = Authors(self._org, self._looking)
        self._freezing = freezing.Freezing(self._org, self._authors)
        self._preparing = Preparing(self._org)
        self._removing = removing.Removing(self._org, self._looking)
        self._uploads = Uploads(self._org)
        self._stirring = Stirring(self._org)
        self._ingest = Ingest(self._org)
        self._keys: dict[str, str] = {}

    @property
    def limits(self) -> Limits:
        return self._org.limits

    @property
    def before_write(self) -> Callable[[], None]:
        """Called right before every try of a write, in the thread that sends."""
        return self._org.before_write

    @before_write.setter
    def before_write(self, call: Callable[[], None]) -> None:
        self._org.before_write = call

    @property
    def blobs(self) -> ReadBlob:
        """Gives the bytes of staged files."""
        return self._uploads.blobs

    @blobs.setter
    def blobs(self, read: ReadBlob) -> None:
        self._uploads.blobs = read

    def discover(self) -> Catalog:
        return self._reading.discover()

    def picklists(self, object: str, fields: Sequence[str]) -> dict[str, tuple[Option, ...]]:
        """By one describe of the object."""
        there = self._org.described_anew(object).fields
        return {name: there[name].options for name in fields if name in there}

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        return permissions.rights(self._org, objects, write=write)

    def tenant(self) -> str:
        return self._org.tenant()

    def now(self) -> datetime:
        return self._org.now()

    def close(self) -> None:
        self._org.close()

    def count(self, query: Query) -> int:
        return self._reading.count(query)

    def totals(self, question: Question) -> Answer:
        """By one aggregate query."""
        return totals.totals(self._org, question)

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        """Records from the cursor on; with `query.deleted` tombstones (`_id`, `_at`) instead of fields.

        Raises:
            CursorLost: the cursor's job or page is gone; read this object from the start.
            GapTooLong: deletions since `query.since` are forgotten.
            UsageError: the object or a field isn't there.
        """
        return self._reading.read(query, after)

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """The bytes of a file, streamed."""
        return blobs.read(self._org.http, self._org.base, object, id, field)

    def merges(
        self,
        object: str,
        since: datetime | None,
        extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],  # noqa: ARG002 - losers name theirs
    ) -> Iterator[pa.RecordBatch]:
        """Losers of merges that are still in the recycle bin, with their masters.

        Of merges that are older than the bin remembers nothing can be told.
        """
        return self._reading.merges(object, since)

    def use(self, catalog: Catalog) -> None:
        """Work from a catalog that `discover` took before, instead of reading it all again."""
        self._org.use(catalog.objects)

    def bind(self, key_fields: Mapping[str, str]) -> None:
        self._keys |= key_fields

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        return self._preparing.prepare(changes)

    def made_beside(self) -> Sequence[SchemaChange]:
        return self._preparing.seeing.beside

    def schema_use(self, changes: Sequence[SchemaChange]) -> list[Use]:
        return self._removing.use(changes)

    def remove_schema(self, change: SchemaChange) -> str:
        return self._removing.remove(change)

    def safe_create(self, object: str) -> Literal["unique", "settled"]:
        """`unique` where the org says that the key's field is; some fields of activities can't be."""
        key = self._org.schema(object).fields.get(self._keys.get(object, ""))
        return "unique" if key is not None and key.unique else "settled"

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:  # noqa: ARG002
        return wire.encode(batch)  # the Arrow type alone decides, whatever the object

    def read_back(
        self, object: str, fields: Sequence[str], *, ids: Sequence[str] = (), keys: Sequence[str] = ()
    ) -> list[Held]:
        if keys and object not in self._keys:
            raise Defect(f"`{object}` is read by key and no key field is bound")
        return self._looking.read_back(object, fields, ids, keys, self._keys.get(object))

    def by_values(self, object: str) -> bool:
        """Links of files can bear no key; there is one for each document and record."""
        return object == blobs.LINK

    def find(self, object: str, fields: Sequence[str], writes: Sequence[Write]) -> list[Held]:
        if object != blobs.LINK:
            raise Defect(f"`{object}` is found by key")
        return self._looking.links(fields, writes)

    def sweep(self, object: str, fields: Sequence[str]) -> Iterator[Held]:
        return self._looking.sweep(object, fields, self._keys.get(object))

    def read_links(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        return self._hanging.read(left, ids, right)

    def linked_objects(self, object: str) -> list[str]:
        return self._hanging.linked_objects(object)

    def calls_left(self) -> tuple[int | None, int | None]:
        """Of the org's calls in 24 hours, by the newest reply's headers."""
        return self._org.calls_left()

    @staticmethod
    def restoring() -> tuple[Restorable, ...]:
        """What can be put back, by which route, and for how long."""
        return RESTORING

    def calls_made(self) -> int:
        return self._org.calls_made

    def send(self, batch: Batch) -> list[Outcome]:
        if self._uploads.takes(batch.object) and not batch.links:
            return self._uploads.send(batch, self._keys.get(batch.object))
        return writing.send(self._org, batch) if batch.writes or batch.links else []

    def job_limits(self, object: str) -> JobLimits | None:
        return self._ingest.limits(object, self._keys.get(object))

    def create_job(self, batch: Batch) -> str:
        return self._ingest.create(batch, self._keys[batch.object])

    def release_job(self, job: str) -> None:
        self._ingest.release(job)

    def job_outcomes(self, job: str, batch: Batch) -> list[Outcome] | None:
        return self._ingest.outcomes(job, batch, self._keys[batch.object])

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:
        return self._authors.history(object, ids, fields)

    def instructions(self, levels: Mapping[str, Level]) -> Sequence[Instruction]:
        return freezing.instructions(levels)

    def touches(self, object: str, since: datetime) -> Iterator[Sequence[Touch]] | None:
        return self._freezing.touches(object, since)

    def jobs(self, since: datetime) -> Sequence[Job]:
        return self._freezing.jobs(since)

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        return self._stirring.newest(objects)

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:  # noqa: ARG002 - the mark is that time
        return self._stirring.made_since(object, since, fields)

    def automations(self, objects: Sequence[str]) -> Told:
        return self._stirring.listed(objects)

    def by_rule(self, code: str) -> bool:
        return code in RULES

    def companions(self) -> Sequence[Companion]:
        return companions.COMPANIONS

    def made_with(self, rule: Companion, ids: Sequence[str]) -> dict[str, str]:
        return companions.made_with(self._org, rule, ids)

    def mail_signs(self, object: str) -> Sequence[str]:  # noqa: ARG002 - a mail that is logged makes a task
        return ()

    def given(self, object: str) -> Mapping[str, str]:  # noqa: ARG002 - whatever the object, who saves owns it
        return {"OwnerId": self._org.user()}
