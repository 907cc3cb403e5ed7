"""How many calls does a rollback take, how long is that, and does the day's quota suffice?

A plan looks at every record as a run will, in the same lots and batches, so its own calls are those that a
run makes before it writes: they are counted, not guessed. What a run makes besides follows from the batches:
a call to write each, one to read back what was put back, and two sweeps over the touched objects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrate.connector import CountsCalls, KeepsHistory, Target
from migrate.journal import CROSSWALK
from migrate.ledger import batches as book
from migrate.stages.checkpoint import Checkpoint
from migrate.workspace import Workspace
from migrate_rollback.looking import Look
from migrate_rollback.model import Row
from migrate_rollback.planned import Reckoning

OPENING, LINKS, RECORDS = "to log in and learn", "to look at links", "to look at records"
DELETES, RESTORES, READ_BACK, UNLINKS, SWEEPS = (
    "to delete", "to put back", "to read back", "to unlink", "to sweep",
)  # fmt: skip
ALL = (OPENING, SWEEPS, LINKS, RECORDS, DELETES, RESTORES, READ_BACK, UNLINKS)
SWEPT = 2  # times: for what landed late, before the first list and after the last


@dataclass
class Meter:
    """Counts calls while a plan looks, and reckons those of the writes to come."""

    workspace: Workspace
    target: Target
    counts: Counter[str] = field(default_factory=Counter)
    _history: dict[str, float] = field(default_factory=dict)  # calls a record to read back its history

    def __post_init__(self) -> None:
        self._began = self.workspace.clock.now()
        self.counts[OPENING] = self._made()

    def _made(self) -> int:
        return self.target.calls_made() if isinstance(self.target, CountsCalls) else 0

    @contextmanager
    def of(self, what: str, otherwise: int) -> Iterator[None]:
        """Count what is called inside.

        Args:
            otherwise: the number for a target that doesn't count its calls.
        """
        before = self._made()
        yield
        self.counts[what] += self._made() - before if isinstance(self.target, CountsCalls) else otherwise

    # -- writes to come -----------------------------------------------------------------------

    def deletes(self, object: str, records: int) -> None:
        """A batch of records to be deleted."""
        self.counts[DELETES] += self._writes(object, records)

    def restores(self, look: Look, object: str, rows: Sequence[Row], fields: Sequence[str]) -> None:
        """A batch of records to be put back; the first of an object tells what reading it back costs."""
        if not rows:
            return
        self.counts[RESTORES] += self._writes(object, len(rows))
        self.counts[READ_BACK] += math.ceil(len(rows) / self.target.limits.read_back_records)
        if object not in self._history:
            before = self._made()
            if isinstance(self.target, KeepsHistory):
                look.versions(object, [row.id for row in rows], fields)
            self._history[object] = (self._made() - before) / len(rows)
        self.counts[READ_BACK] += math.ceil(self._history[object] * len(rows))

    def unlinks(self, rows: Sequence[Row]) -> None:
        """A lot of links to be taken away: looked at, sent, looked at again."""
        limits = self.target.limits
        for first in range(0, len(rows), limits.link_writes):
            lefts = len({row.left for row in rows[first : first + limits.link_writes]})
            self.counts[LINKS] += 2 * math.ceil(lefts / limits.link_reads)
            self.counts[UNLINKS] += 1

    def _writes(self, object: str, records: int) -> int:
        """Where an object takes fewer records than others, each is a call of its own (files)."""
        limits = self.target.limits
        if object in limits.records_in:
            return records
        return math.ceil(records / limits.records_of(object))

    # -- the sum ------------------------------------------------------------------------------

    def reckoning(self, point: Checkpoint, going: Counter[str], something: bool) -> Reckoning:
        """All calls and their time.

        Args:
            going: records that will be deleted, by object: the last sweep doesn't meet them any more.
            something: whether anything is left to undo; else one sweep is all.
        """
        looked = (self.workspace.clock.now() - self._began).total_seconds()
        own = max(1, self._made())
        for object, there in self._standing(point).items():
            self.counts[SWEEPS] += self._pages(there)
            if something:
                self.counts[SWEEPS] += (SWEPT - 1) * self._pages(there - going[object])
        total = sum(self.counts.values())
        pace = self.target.limits.calls_per_second
        # A run has several calls in flight: what each took here, one by one, errs on the safe side.
        each = looked / own if isinstance(self.target, CountsCalls) else 0.0
        seconds = max(total / pace if pace else 0.0, total * each)
        if not pace and not each:
            seconds = total / 10.0
        if book.in_doubt(self.workspace.ledger):
            seconds += self.target.limits.longest_call
        objects = list(point.baseline)
        rights = self.target.rights(objects, write=True)
        share = self.workspace.system("target").share
        kept = math.ceil((1 - share) * rights.calls_max) if rights.calls_max else 0
        calls = {what: self.counts[what] for what in ALL if self.counts[what]}
        return Reckoning(calls, seconds, pace, rights.calls_left, rights.calls_max, kept)

    def _standing(self, point: Checkpoint) -> dict[str, int]:
        """Records by object: what the baseline holds, and what we have made since it was taken."""
        journal = self.workspace.journal.source()
        made = {
            row["object"]: int(row["n"])
            for row in self.workspace.engine.rows(
                f"""SELECT object, count(DISTINCT target_id) AS n FROM ({CROSSWALK.format(journal=journal)})
                WHERE origin = 'create' AND attempt >= {int(point.attempt)} GROUP BY object"""
            )
        }
        found = {}
        for object, folder in point.baseline.items():
            manifest = self.workspace.store.manifest(folder)
            found[object] = (manifest.rows if manifest else 0) + made.get(object, 0)
        return found

    def _pages(self, records: int) -> int:
        return max(1, math.ceil(records / self.target.limits.read_back_records))
