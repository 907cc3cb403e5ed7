"""What must a source and a target offer, and what is a connector built from?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from migrate.connector.calls import CallCounts

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Catalog, Owner
    from migrate.clock import Clock
    from migrate.connector.exchanged import Batch, Held, Limits, Link, Outcome, Page, Query
    from migrate.connector.made import Rights, SchemaChange

ENTRY_POINTS = "crm_migrate.connectors"


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
    counts: CallCounts = field(default_factory=CallCounts)  # of the calls that are made


def owners_by_email(owners: Sequence[Owner]) -> dict[str, Owner]:
    """Owners by lower-case e-mail, active ones first where an e-mail stands twice."""
    found: dict[str, Owner] = {}
    for owner in sorted(owners, key=lambda each: not each.active):
        if owner.email and not owner.queue:
            found.setdefault(owner.email.lower(), owner)
    return found
