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
    Held,
    Limits,
    Link,
    NotAnswered,
    Operation,
    OptOut,
    Outcome,
    Page,
    Query,
    Question,
    ReadBlob,
    Restorable,
    Rights,
    SchemaChange,
    Settings,
    Stated,
    Told,
    Use,
    Version,
)
from migrate.connector.freezing import Instruction, Job, Level, Touch
from migrate.connectors.hubspot import (
    associations,
    attached,
    consent,
    filing,
    freezing,
    merged,
    owners,
    removing,
    values,
    writing,
)
from migrate.connectors.hubspot import rights as scopes
from migrate.connectors.hubspot.associations import Associations
from migrate.connectors.hubspot.attached import Attached
from migrate.connectors.hubspot.automations import MAIL_SIGNS, Automations
from migrate.connectors.hubspot.filing import Filing
from migrate.connectors.hubspot.linking import Linking
from migrate.connectors.hubspot.metadata import ACTIVITIES, Metadata
from migrate.connectors.hubspot.paths import ATTACHMENTS, FILES, OWNERS
from migrate.connectors.hubspot.portal import Portal
from migrate.connectors.hubspot.preparing import Preparing
from migrate.connectors.hubspot.reading import Reading
from migrate.connectors.hubspot.restoring import RESTORING
from migrate.connectors.hubspot.totals import Totals
from migrate.connectors.hubspot.uploads import Uploads
from migrate.errors import Defect


class HubSpotConnector:
    """A HubSpot portal as a source and as a target; keeps history, explains links.

    Credentials: `token` (a private app's or a service key), or `client_id`, `client_secret` and
    `refresh_token` (an OAuth app's); `base_url` (default https://api.hubapi.com), `ca` (a CA bundle).
    Options: `api` (a date such as `2026-03`, or `v3`), `share` of the rate limit, `longest_call` in
    seconds, `concurrency` (most calls in flight, default 6), `files_folder` (of the files that we make,
    default `migrated`), `scales` (`object.property`: digits behind the
    point of numbers that have more than ten), `settle` (seconds within which the portal's own automations
    follow a write, default 10), `consent_batch` (whether opt-outs travel in batches; default: where the token
    has the scopes).
    """

    type = "hubspot"
    schema_kept_days = removing.KEPT_DAYS
    freeze_lag = freezing.LAG
    extras = ("_source",)  # columns that a read gives beyond the catalog's fields, where asked

    def __init__(self, settings: Settings) -> None:
        self.system, self.clock = settings.system, settings.clock
        self._portal = Portal(settings)
        self._metadata = Metadata(self._portal)
        self._reading = Reading(self._portal, self._metadata)
        self._linking = Linking(self._portal, self._metadata, self._reading)
        self._associations = Associations(self._portal, self._metadata)
        self._preparing = Preparing(self._portal, self._metadata)
        self._removing = removing.Removing(
            self._portal, self._metadata, self._reading, self._linking, self._preparing
        )
        self._filing = Filing(self._portal, str(settings.options.get("files_folder") or filing.ROOT))
        self._uploads = Uploads(self._filing)
        self._attached = Attached(self._portal, self._metadata, self._linking)
        self._automations = Automations(self._portal, self._metadata, self._reading)
        self._freezing = freezing.Freezing(self._portal, self._metadata, self._reading)
        batch = settings.options.get("consent_batch")
        self._consent = consent.Preference(self._portal, None if batch is None else bool(batch))
        self._keys: dict[str, str] = {}

    @property
    def limits(self) -> Limits:
        """The portal's tier as its last reply stated it."""
        return self._portal.limits

    @property
    def before_write(self) -> Callable[[], None]:
        """Called right before every try of a write, in the thread that sends."""
        return self._portal.http.before_write

    @before_write.setter
    def before_write(self, call: Callable[[], None]) -> None:
        self._portal.http.before_write = call

    @property
    def blobs(self) -> ReadBlob:
        """Gives the bytes of staged files."""
        return self._uploads.blobs

    @blobs.setter
    def blobs(self, read: ReadBlob) -> None:
        self._uploads.blobs = read

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """The bytes of a file, streamed."""
        if object != FILES or field != filing.CONTENT:
            raise Defect(f"`{object}.{field}` holds no file")
        return self._filing.read_blob(id)

    def discover(self) -> Catalog:
        self._metadata.forget()
        catalog = self._metadata.catalog()
        beside = {OWNERS: owners.schema()} | associations.schemas(catalog.links)
        if self._filing.readable():
            domain = str(self._portal.account().get("uiDomain") or "")
            beside[FILES] = filing.schema(catalog.tenant, domain)
            beside[ATTACHMENTS] = attached.schema(self._attached.objects())
        out = filing.HANGING if FILES in beside and filing.HANGING.carrier in catalog.objects else None
        objects, keeps = catalog.objects | beside, self._consent.describe()
        return catalog.model_copy(update={"objects": objects, "preferences": keeps, "files_out": out})

    def picklists(self, object: str, fields: Sequence[str]) -> dict[str, tuple[Option, ...]]:
        """One call; one more for pipelines, none where the values are HubSpot's own and fixed."""
        pair = associations.ends(object)
        if object in (OWNERS, FILES, ATTACHMENTS):
            fixed = {OWNERS: owners.schema(), FILES: filing.schema("", ""), ATTACHMENTS: attached.schema(())}
            there = fixed[object].fields
        elif pair and (labels := self._metadata.labels_anew(*pair)):
            there = associations.schema(*pair, labels).fields
        else:
            return self._metadata.picklists(object, fields)
        return {name: there[name].options for name in fields if name in there}

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        return scopes.rights(self._portal, objects, write=write)

    def tenant(self) -> str:
        return self._portal.tenant()

    def now(self) -> datetime:
        return self._portal.vendor_now()

    def close(self) -> None:
        self._portal.close()

    def count(self, query: Query) -> int:
        if query.object == OWNERS:
            return owners.count(self._portal, query)
        if query.object == FILES:
            return self._filing.count(query)
        if query.object == ATTACHMENTS:
            return self._attached.count(query)
        if self._is_links(query.object):
            return self._associations.count(query)
        return self._reading.count(query)

    def totals(self, question: Question) -> Answer:
        """Counts alone, by search."""
        if question.object in (OWNERS, FILES, ATTACHMENTS) or self._is_links(question.object):
            raise NotAnswered(self.system, f"it counts no `{question.object}` by a condition")
        return Totals(self._portal, self._metadata).answer(question)

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        if query.object == OWNERS:
            return owners.read(self._portal, query, after)
        if query.object == FILES:
            return self._filing.read(query, after)
        if query.object == ATTACHMENTS:
            return self._attached.read(query, after)
        if self._is_links(query.object):
            return self._associations.read(query, after)
        return self._reading.read(query, after)

    def changed(self, query: Query) -> Iterator[Page] | None:
        if query.object in (OWNERS, FILES, ATTACHMENTS) or self._is_links(query.object):
            return None
        return self._reading.changed(query)

    def merges(
        self,
        object: str,
        since: datetime | None,  # noqa: ARG002 - what was extracted has the merges of its window
        extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],
    ) -> Iterator[pa.RecordBatch]:
        if object in (OWNERS, FILES, ATTACHMENTS) or self._is_links(object):
            return iter(())
        return merged.merges(self._metadata.fields(object), extracted)

    def hides_deletions(self, object: str) -> bool:
        """Merged and purged records are in no list of archived ones."""
        return object != OWNERS

    def _is_links(self, object: str) -> bool:
        return object not in self._metadata.objects() and "_to_" in object

    def use(self, catalog: Catalog) -> None:
        """Work from a catalog that `discover` took before, instead of reading it all again."""
        self._metadata.use(catalog)

    def bind(self, key_fields: Mapping[str, str]) -> None:
        self._keys |= key_fields

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        return self._preparing.prepare(changes)

    def made_beside(self) -> Sequence[SchemaChange]:
        return self._preparing.beside

    def schema_use(self, changes: Sequence[SchemaChange]) -> list[Use]:
        return self._removing.use(changes)

    def remove_schema(self, change: SchemaChange) -> str:
        return self._removing.remove(change)

    def safe_create(self, object: str) -> Literal["unique", "settled"]:
        return "settled" if object in ACTIVITIES or object == FILES else "unique"

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:  # noqa: ARG002
        return values.encode(batch)  # the Arrow type alone decides, whatever the object

    def read_back(
        self, object: str, fields: Sequence[str], *, ids: Sequence[str] = (), keys: Sequence[str] = ()
    ) -> list[Held]:
        if object == FILES:
            return self._uploads.read_back(fields, ids, keys)
        if keys and object not in self._keys:
            raise Defect(f"`{object}` is read by key and no key field is bound")
        return self._reading.read_back(object, fields, ids, keys, self._keys.get(object))

    def sweep(self, object: str, fields: Sequence[str]) -> Iterator[Held]:
        return self._filing.sweep(fields) if object == FILES else self._reading.sweep(object, fields)

    def read_links(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        return [] if FILES in (left, right) else self._linking.read(left, ids, right)

    def linked_objects(self, object: str) -> list[str]:
        return [] if object == FILES else self._linking.linked_objects(object)

    def calls_left(self) -> tuple[int | None, int | None]:
        """Of the portal's daily calls, by the newest reply's headers."""
        return self._portal.http.calls_left, self._portal.http.calls_max

    @staticmethod
    def restoring() -> tuple[Restorable, ...]:
        """What can be put back, by which route, and for how long."""
        return RESTORING

    def calls_made(self) -> int:
        return self._portal.http.calls_made

    def send(self, batch: Batch) -> list[Outcome]:
        if batch.operation in (Operation.LINK, Operation.UNLINK):
            return self._linking.send(batch) if batch.links else []
        if batch.object == FILES:
            return self._uploads.send(batch)
        return writing.send(self._portal, batch, self._keys.get(batch.object)) if batch.writes else []

    @property
    def opt_outs(self) -> int:
        return self._consent.most

    def read_consent(self, channel: str, addresses: Sequence[str]) -> list[Stated]:
        return self._consent.read(channel, addresses)

    def opt_out(self, opt_outs: Sequence[OptOut]) -> list[Outcome]:
        return self._consent.opt_out(opt_outs) if opt_outs else []

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:
        return {} if object == FILES else self._reading.history(object, ids, fields)

    def made_by_automation(self, links: Sequence[Link]) -> set[Link]:
        return self._linking.made_by_automation(links)

    def instructions(self, levels: Mapping[str, Level]) -> Sequence[Instruction]:
        return freezing.instructions(levels)

    def touches(self, object: str, since: datetime) -> Iterator[Sequence[Touch]] | None:
        """None of owners, files and links, which have no author."""
        if object in (OWNERS, FILES, ATTACHMENTS) or self._is_links(object):
            return None
        return self._freezing.touches(object, since)

    def jobs(self, since: datetime) -> Sequence[Job]:
        return self._freezing.jobs(since)

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        return self._automations.newest(objects)

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        return self._automations.made_since(object, mark, since, fields)

    def automations(self, objects: Sequence[str]) -> Told:
        return self._automations.listed(objects)

    def by_rule(self, code: str) -> bool:  # noqa: ARG002 - HubSpot's rules refuse in the words of any bad value
        return False

    def mail_signs(self, object: str) -> Sequence[str]:
        return MAIL_SIGNS.get(object, ())

    def given(self, object: str) -> Mapping[str, str]:  # noqa: ARG002 - a record has no owner of itself
        return {}

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        return self._automations.states(ids)

    def set_state(self, id: str, state: str) -> None:
        self._automations.set_state(id, state)
