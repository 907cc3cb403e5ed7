"""What crosses the boundary to a connector? Queries and pages, records as they are held, writes, outcomes.

Values that cross for writing and reading back are *wire values*: the vendor's own text for a value, or None
for null. Values that cross for staging are Arrow, in the catalog's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from migrate.errors import MigrateError

if TYPE_CHECKING:
    import pyarrow as pa


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


RECORD = "record"


@dataclass(frozen=True)
class Version:
    """One past or present value of a field, newest first in a list.

    With `RECORD` as its field it only tells who saved the record last, for a target (or a field) without a
    history: whatever somebody wrote before that is not told.
    """

    field: str
    value: str | None
    at: str
    who: Who
    name: str = ""
