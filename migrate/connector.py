"""What must code that speaks to a kind of CRM offer, and what crosses that boundary?

A connector knows HTTP and its vendor's words; it knows no plan, no ledger and no other vendor.
Every method may be called again after a crash except `send`, whose outcome the engine settles
by reading back. What a vendor can do is data (`Limits`, `Field.key_by`), asked of the connector.

Values that cross for writing and reading back are *wire values*: the vendor's own text for a
value, or None for null. Values that cross for staging are Arrow, in the catalog's types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from migrate.errors import MigrateError
from migrate.types import BlobRef

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Catalog, Option, Owner
    from migrate.clock import Clock

ENTRY_POINTS = "crm_migrate.connectors"


@dataclass(frozen=True)
class Limits:
    """A system's sizes and paces; each connector cites the vendor's page and the day it was read."""

    write_records: int  # records in one write call
    read_back_records: int  # ids or keys in one read-back call
    link_writes: int  # links in one call
    link_reads: int  # ids in one call that reads links
    calls_per_second: float | None  # after the share that stays with the live business
    concurrency: int  # most calls in flight
    longest_call: float  # seconds after which a write that was sent can't land any more
    settle: float = 0.0  # seconds within which the vendor's own automations follow a write
    recycle_days: int | None = None
    records_in: Mapping[str, int] = field(default_factory=dict)  # of an object that takes fewer in a call

    def records_of(self, object: str) -> int:
        """Records of this object in one write call, or in what is sent as one batch."""
        return self.records_in.get(object, self.write_records)


@dataclass(frozen=True)
class Query:
    """What to extract of one object. `since`/`until`: half-open window over the object's stamp."""

    object: str
    fields: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    deleted: bool = False  # only records that were deleted (tombstones)


@dataclass(frozen=True)
class Page:
    """Some records, and where to go on. `cursor` None: this was the last page.

    `batch` has a column `Id`-like (`_id`: string) first, then `Query.fields` in their order and
    the catalog's Arrow types; it may have no rows (a page that only makes a job's id durable).
    """

    batch: pa.RecordBatch
    cursor: str | None


@dataclass(frozen=True)
class Held:
    """A record as the target holds it now, in wire values.

    `asked`: the id or key that it answers. `stamp`: its modification stamp. `source`: who made
    it: person, automation, ours (this credential), integration (another one), or "" where unknown.
    """

    id: str
    asked: str
    values: Mapping[str, str | None]
    stamp: str
    source: str = ""
    archived: bool = False


@dataclass(frozen=True)
class Write:
    """One record to write. `id`: the target id (updates, deletes). Values: only what is to be set."""

    key: str
    id: str | None = None
    values: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """A link between two target records, by label.

    `cascades`: deleting the left record deletes the right one, too. It is no part of what a link is.
    """

    left_object: str
    left: str
    right_object: str
    right: str
    label: str
    cascades: bool = field(default=False, compare=False)


class Operation(StrEnum):
    """What a batch does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    LINK = "link"
    UNLINK = "unlink"


@dataclass(frozen=True)
class Batch:
    """One call's worth of work. `writes` for records of one object, `links` for one pair of objects."""

    operation: Operation
    object: str
    writes: tuple[Write, ...] = ()
    links: tuple[Link, ...] = ()


class BatchRefused(MigrateError):
    """A batch was refused as a whole, nothing of it executed, and no reply says which rows are to blame.

    `index`: the row that the reply does name, if any. The engine bisects until the bad row stands alone.
    """

    exit_code = 3

    def __init__(self, system: str, code: str, reason: str, index: int | None = None) -> None:
        self.system, self.code, self.reason, self.index = system, code, reason, index
        super().__init__(system, code, reason, index)

    def __str__(self) -> str:
        return f"`{self.system}` refused a whole batch: {self.code} {self.reason}"


@dataclass(frozen=True)
class Outcome:
    """What the target said of one record or link, by its position in the batch (never by reply order).

    `done`: executed. `refused`: the target won't take it as it is (a dead letter), with the
    vendor's `code` and words. `conflict`: a record with this key, or this unique value, is there
    already; the engine looks it up. `unsaid`: the reply doesn't mention it; settled by reading back.
    `stamp`: the record's modification stamp right after our write, where the reply tells it.
    `fields`: those that a refusal names, where the reply tells them.
    """

    index: int
    status: Literal["done", "refused", "conflict", "unsaid"]
    id: str | None = None
    stamp: str = ""
    code: str = ""
    reason: str = ""
    fields: tuple[str, ...] = ()


class Who(StrEnum):
    """Who wrote a value."""

    OURS = "ours"
    PERSON = "person"
    INTEGRATION = "integration"
    AUTOMATION = "automation"


THEIRS = (Who.PERSON, Who.INTEGRATION)  # whose work is never knowingly overwritten


@dataclass(frozen=True)
class Version:
    """One past or present value of a field, newest first in a list."""

    field: str
    value: str | None
    at: str
    who: Who
    name: str = ""


@dataclass(frozen=True)
class NewOption:
    """A picklist value that the target lacks and the plan adds."""

    object: str
    field: str
    value: str
    label: str


@dataclass(frozen=True)
class NewField:
    """A field that the target lacks and the plan needs. `unique`: two records never share a value of it.

    `kind`: a word of `migrate.types.Kind`. `length` in characters, `precision` and `scale` in decimal
    digits; None: the connector's choice. `required`: the target refuses a record without it. `reference`:
    the target object that it refers to; with `detail` a record belongs to the one that it refers to, and
    goes with it, where the vendor knows such references. `options`: the values of a picklist.
    """

    object: str
    name: str
    label: str
    kind: str
    unique: bool = False
    description: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    required: bool = False
    reference: str | None = None
    options: tuple[NewOption, ...] = ()
    detail: bool = False


@dataclass(frozen=True)
class NewObject:
    """An object that the target lacks and the plan makes.

    `name_field`: the field that names a record for people; one of `fields`, or one that every new object
    has from its first day. `fields`: all that the plan makes with it; each stands among the changes, too,
    and counts as made with the object where the connector makes both in one call. `links`: objects whose
    records its records are linked to.
    """

    object: str
    label: str
    plural: str
    name_field: str
    description: str = ""
    fields: tuple[NewField, ...] = ()
    searchable: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewLabel:
    """A link label that the target lacks and the plan uses. `inverse`: how it reads from the right end."""

    left: str
    right: str
    label: str
    inverse: str | None = None


SchemaChange = NewObject | NewField | NewOption | NewLabel


@dataclass(frozen=True)
class Rights:
    """What our credential may do. `missing` and `excess` are sentences for people."""

    user: str
    granted: tuple[str, ...]
    missing: tuple[str, ...]
    excess: tuple[str, ...]
    calls_left: int | None = None
    calls_max: int | None = None


class Connector(Protocol):
    """Common to sources and targets."""

    type: str
    system: str
    clock: Clock

    @property
    def limits(self) -> Limits:
        """May change while it runs: some vendors state their pace in their replies."""
        ...

    def discover(self) -> Catalog:
        """Read the system's objects, fields, picklists, links and owners."""
        ...

    def tenant(self) -> str:
        """The tenant to which the credentials lead, as `discover` names it; with as few calls as can be."""
        ...

    def rights(self, objects: Sequence[str], *, write: bool) -> Rights:
        """What the credential may do with these objects, without writing anything."""
        ...

    def now(self) -> datetime:
        """The vendor's own time, from a reply's `Date` header."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class Source(Connector, Protocol):
    """A system that can be extracted."""

    def count(self, query: Query) -> int:
        """Count by a second route (not by reading)."""
        ...

    def read(self, query: Query, *, after: str | None) -> Iterator[Page]:
        """Stream records from the cursor `after` (None: from the start)."""
        ...


class Target(Source, Protocol):
    """A system that can be loaded.

    `before_write` is called right before every single try of a write, retries included, in the
    thread that sends; where it raises, nothing is sent.
    """

    before_write: Callable[[], None]

    def use(self, catalog: Catalog) -> None:
        """Work from a catalog that `discover` took before; what it lacks is still looked up."""
        ...

    def bind(self, key_fields: Mapping[str, str]) -> None:
        """Tell the connector which field of each object holds the migration key."""
        ...

    def prepare(self, changes: Sequence[SchemaChange]) -> list[tuple[SchemaChange, str]]:
        """Make what is missing; for each its outcome: `made`, `there`, or `refused: why`. Repeatable."""
        ...

    def safe_create(self, object: str) -> Literal["unique", "settled"]:
        """Why a create that lands late can't make a twin."""
        ...

    def encode(self, object: str, batch: pa.RecordBatch) -> list[dict[str, str | None]]:
        """Arrow values of the catalog's types to wire values, one dict a row."""
        ...

    def read_back(
        self, object: str, fields: Sequence[str], *, ids: Sequence[str] = (), keys: Sequence[str] = ()
    ) -> list[Held]:
        """Read records by id or by migration key, from the row store and not the search index.

        Any number of ids or keys (cut to `limits.read_back_records` inside). Absent and archived
        records are left out, unless asked by id and merged: then `asked` differs from `id`.
        """
        ...

    def sweep(self, object: str, fields: Sequence[str]) -> Iterator[Held]:
        """Every live record of the object, from the row store, with these fields."""
        ...

    def read_links(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        """Links from these records to records of `right`, one entry a label."""
        ...

    def linked_objects(self, object: str) -> list[str]:
        """Every object whose records may be linked to, or hang under, records of `object`."""
        ...

    def send(self, batch: Batch) -> list[Outcome]:
        """Execute one batch, with one call.

        Raises:
            Retriable: surely not executed.
            InDoubt: perhaps executed.
            BatchRefused: not executed, and which rows are to blame isn't said (several rows).
            Parked: a quota has run out; not executed.
            SystemRefused: credentials or rights; not executed.
        """
        ...


@runtime_checkable
class Merges(Protocol):
    """A source whose users merge records, and which tells who survived."""

    def merges(
        self,
        object: str,
        since: datetime | None,
        extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],
    ) -> Iterator[pa.RecordBatch]:
        """Merged records and their survivors: `_id`, `survivor`, both strings. Chains may stand as they are.

        Args:
            since: merges from then on; more of them do no harm.
            extracted: `_id` and these fields of the records just extracted, for vendors who keep the
                ids of merged records with the survivor, so that nothing is asked twice.
        """
        ...


@runtime_checkable
class HidesDeletions(Protocol):
    """A source that doesn't tell every deletion; a delta then compares the ids that are there."""

    def hides_deletions(self, object: str) -> bool:
        """Whether some records of this object go without a tombstone (merged, purged)."""
        ...


@dataclass(frozen=True)
class JobLimits:
    """From how many records on a job is worth it; how many, and how many characters, one takes at most."""

    least: int
    records: int
    characters: int


@runtime_checkable
class TakesJobs(Protocol):
    """A target that also creates very many records at once, by a job that runs at the vendor."""

    def job_limits(self, object: str) -> JobLimits | None:
        """None where the object's records aren't created by jobs."""
        ...

    def create_job(self, batch: Batch) -> str:
        """Make a job and hand its records over; it doesn't run before it is released. Its id.

        Raises:
            BatchRefused: the target takes no such job.
            InDoubt: perhaps it was made; it never runs.
        """
        ...

    def release_job(self, job: str) -> None:
        """Let it run; repeatable. Raises InDoubt where the answer got lost."""
        ...

    def job_outcomes(self, job: str, batch: Batch) -> list[Outcome] | None:
        """An outcome a record once the job has ended, None before. One that isn't released is called off."""
        ...


@runtime_checkable
class FindsByValues(Protocol):
    """A target with objects whose records can bear no key, and that refuses a second with the same values.

    Their key's field stands in the catalog with the rule `not_kept`: nothing holds it but our journal.
    """

    def by_values(self, object: str) -> bool:
        """Whether records of this object are found by what they hold."""
        ...

    def find(self, object: str, fields: Sequence[str], writes: Sequence[Write]) -> list[Held]:
        """The records that hold what these creates would write; `asked` is the write's key."""
        ...


@runtime_checkable
class TellsPicklists(Protocol):
    """A system that tells an object's picklists with a call or two, without a whole `discover`."""

    def picklists(self, object: str, fields: Sequence[str]) -> dict[str, tuple[Option, ...]]:
        """The values of these fields as they are at this moment, whatever was read before.

        A field that isn't there any more, or that the credential can't see, is left out.

        Raises:
            SystemRefused: the object itself isn't there, or can't be seen.
        """
        ...


@runtime_checkable
class KeepsHistory(Protocol):
    """A target that tells who wrote a field, and when."""

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:
        """Versions of the fields of each record, newest first; empty `fields` means all of them.

        A record whose history isn't kept has no entry.
        """
        ...


@runtime_checkable
class ExplainsLinks(Protocol):
    """A target whose automations make links by themselves, in a way that can be told."""

    def made_by_automation(self, links: Sequence[Link]) -> set[Link]:
        """Those of these links that a known automation of the vendor makes."""
        ...


class BlobRefused(MigrateError):
    """A source won't give a file's bytes: it is gone, not ours to see, or damaged. The others go on."""

    exit_code = 1

    def __init__(self, system: str, object: str, id: str, code: str, reason: str) -> None:
        self.system, self.object, self.id, self.code, self.reason = system, object, id, code, reason
        super().__init__(system, object, id, code, reason)

    def __str__(self) -> str:
        return f"`{self.system}` doesn't give the file of {self.object} {self.id}: {self.code} {self.reason}"


@runtime_checkable
class ReadsBlobs(Protocol):
    """A source whose objects have fields of `Kind.BINARY`: files."""

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """The bytes of a record's file in chunks, from its start; never whole in memory.

        Raises:
            BlobRefused: the source won't give it (gone, no access, damaged), and won't later.
            Retriable: it broke off; what came before is void.
            Parked, SystemRefused: as of any other call.
        """
        ...


@runtime_checkable
class TakesBlobs(Protocol):
    """A target whose objects have fields of `Kind.BINARY`; their wire value is a `BlobRef`'s text.

    `blobs`: gives a staged file's bytes in chunks, anew at each call; its digest is checked before the last
    chunk comes, so a damaged file is never sent whole. Set before the first write.
    """

    blobs: ReadBlob


ReadBlob = Callable[[BlobRef], Iterator[bytes]]


@runtime_checkable
class ShowsNew(Protocol):
    """A target that can tell which records have come since a moment, without reading them all."""

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        """By object a mark: every record that is made from now on comes after it."""
        ...

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        """Live records made after the mark, and not before `since` on the vendor's own clock."""
        ...


@dataclass(frozen=True)
class Automation:
    """Something of the target's own that acts, or refuses, when a record is written.

    `id`: the vendor's own. `on`: when it acts, in the vendor's words, "" where they aren't told.
    `object` "": the vendor doesn't say which objects it watches. `switchable`: it can be switched over the
    vendor's API. `bypassed`: every write of ours asks the vendor to leave it out.
    """

    object: str
    kind: str
    name: str
    id: str
    active: bool
    on: str = ""
    switchable: bool = False
    bypassed: bool = False


@dataclass(frozen=True)
class Told:
    """What a target tells of its automations. `untold`: sentences about those of which it tells nothing."""

    automations: tuple[Automation, ...]
    untold: tuple[str, ...] = ()


@runtime_checkable
class ListsAutomations(Protocol):
    """A target that tells what stirs when a record is written, as far as the vendor does."""

    def automations(self, objects: Sequence[str]) -> Told:
        """Those of these objects, switched-off ones too."""
        ...

    def by_rule(self, code: str) -> bool:
        """Whether a refusal with this code is a rule's or an automation's, and not the value's."""
        ...

    def mail_signs(self, object: str) -> Sequence[str]:
        """Fields that tell that a mail was sent to a record of the object."""
        ...

    def given(self, object: str) -> Mapping[str, str]:
        """What a record that we make gets in fields that we don't send, as far as it is our credential's."""
        ...


@dataclass(frozen=True)
class Companion:
    """A rule of the vendor's: with a new record of `object` it may make one of `made`, which `field` names.

    `name`: as the vendor calls it.
    """

    object: str
    made: str
    field: str
    name: str


@runtime_checkable
class MakesCompanions(Protocol):
    """A target whose vendor makes records of its own with some of ours, by a documented rule."""

    def companions(self) -> Sequence[Companion]:
        """Its rules."""
        ...

    def made_with(self, rule: Companion, ids: Sequence[str]) -> dict[str, str]:
        """Of these records of `rule.made` those that one of `rule.object` names, with its id."""
        ...


@runtime_checkable
class SwitchesAutomations(Protocol):
    """A target whose automations can be switched off and on over its API. Both may be repeated."""

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        """How each stands: "" is off, else what brings it back so. Ids that aren't there are left out."""
        ...

    def set_state(self, id: str, state: str) -> None:
        """Bring one into a state that `states` gave, or switch it off with "".

        Raises:
            SystemRefused: it isn't there, or can't be switched.
            InDoubt: perhaps switched; `states` tells.
        """
        ...


ALL = "*"  # as a subscription: everything on a channel
CONSENT = "consent"  # as an object: what `rights` are asked for, and what the journal calls opt-outs


@dataclass(frozen=True)
class OptOut:
    """A person's no, by address. There is no word for a yes: nothing here can opt anybody in.

    `subscription`: a subscription type's id, or `*` for everything on the channel.
    """

    address: str
    channel: str
    subscription: str
    legal_basis: str | None = None
    explanation: str | None = None


@dataclass(frozen=True)
class Stated:
    """What a target keeps of an address and a subscription type (or `*`). `values`: in the vendor's words."""

    address: str
    channel: str
    subscription: str
    out: bool
    values: Mapping[str, str | None] = field(default_factory=dict)


@runtime_checkable
class KeepsConsent(Protocol):
    """A target that keeps opt-outs by address, outside its records, before a record has the address."""

    @property
    def opt_outs(self) -> int:
        """Most opt-outs in one call."""
        ...

    def read_consent(self, channel: str, addresses: Sequence[str]) -> list[Stated]:
        """What is kept of these addresses, opted in or out; any number of them.

        An address is compared in lower case, and answered so. One that the target doesn't know, or doesn't
        take for an address, has no entry.
        """
        ...

    def opt_out(self, opt_outs: Sequence[OptOut]) -> list[Outcome]:
        """Opt addresses out, with one call. Of one channel; all from everything, or each from one type.

        Opting out twice is opting out once, so a call in doubt is settled by reading back and made again.

        Raises:
            As `Target.send`.
        """
        ...


@dataclass(frozen=True)
class Settings:
    """What a connector is built from: the plan's system entry and its credentials.

    `credentials`: from environment variables `<PREFIX><NAME>`, names in lower case. `options`:
    the system's entry in the plan, but for `system`, `type` and `credentials` (api version,
    share of the quota, longest call, ...).
    """

    system: str
    credentials: Mapping[str, str]
    options: Mapping[str, object]
    clock: Clock


def owners_by_email(owners: Sequence[Owner]) -> dict[str, Owner]:
    """Owners by lower-case e-mail, active ones first where an e-mail stands twice."""
    found: dict[str, Owner] = {}
    for owner in sorted(owners, key=lambda each: not each.active):
        if owner.email and not owner.queue:
            found.setdefault(owner.email.lower(), owner)
    return found
