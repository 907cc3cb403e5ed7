"""How are a few fields of a loaded record written anew? By compare-and-set: only where we left them so.

A repair's rows hold of each record the fields that another plan fills otherwise. Before it is written, the
record is read: where each of these fields still is as we left it, they get their new values by the load
protocol; where one isn't, the record is held, whatever the plan's rule for conflicts says; where all hold the
new value already, there is nothing to do, and they stay whose they are. Other fields don't matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow.parquet as pq

from migrate.connector import Held
from migrate.ledger import batches as book
from migrate.load.changing import Changer
from migrate.load.context import Loading, Tally
from migrate.load.cutting import cut
from migrate.load.staged import FIELDS, Staged, part_of
from migrate.load.wanted import Spared, Wanted
from migrate.load.wins import Wins
from migrate.load.work import Item, RecordWork
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest, Part

PHASE = "repair"
# What a held record's reason begins with; the words that a rollback's holds use, where it has them.
EDITED, CONSENT, BLOCKED, SAME, THEIRS = "edited", "consent", "blocked", "same", "theirs"


class Mended(Wanted):
    """Which fields of a record are written anew?"""

    def fields_of(
        self,
        work: RecordWork,  # noqa: ARG002 - the loader's signature
        item: Item,
        record: Held,
        taken: Sequence[str],
        filled: Sequence[str] = (),  # noqa: ARG002 - a repair names its fields
    ) -> dict[str, str | None]:
        """The fields to write, with their values; never none.

        Args:
            taken: fields that we never wrote and somebody else filled.

        Raises:
            Spared: nothing may be written to it (held), or nothing need be (kept).
        """
        left = item.known.after if item.known else {}
        open_ = {n: v for n, v in item.values.items() if self.sender.held(n, v) != record.values.get(n)}
        if item.known and item.known.origin == "adopt":
            ours = {n: v for n, v in open_.items() if self._ours(n, v, item, item.known, record)}
            if open_ and not ours:
                raise Spared(f"{THEIRS}: the plan lets the target's values win", "kept", record.id)
            open_ = ours
        names = [n for n in open_ if n in taken or (n in left and left[n] != record.values.get(n))]
        if names:
            before = {name: left.get(name) for name in names}
            raise Spared(
                f"{EDITED}: {', '.join(names)} changed in the target since our last write",
                "held", record.id, before, {name: open_[name] for name in names},
            )  # fmt: skip
        if not open_:
            raise Spared(f"{SAME}: the target holds the new values already", "kept", record.id)
        return open_


class Mender(Changer):
    """Carries batches of records of which some fields are to be written anew."""

    def __init__(
        self,
        loading: Loading,
        object: str,
        fields: Sequence[str],
        *,
        wins: dict[str, str],
        always: Sequence[str] = (),
    ) -> None:
        """Args:
        fields: all that the repair may write.
        wins: survivorship by field, for adopted records.
        always: fields in which it doesn't matter.
        """
        super().__init__(loading, object, fields, conflict="hold", wins=wins, always=always, only=fields)
        self.wanted = Mended(self, "hold", Wins(loading, object, wins), set(always), self.only)

    def run(self, work: RecordWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        with self.loading.batch(work.batch):
            whole = [item for item in work.items if not item.waits]
            entries = self.entries(replace(work, items=tuple(whole))) if whole else []
            entries += [
                self._entry(work, item, "held", target_id=item.id, reason=_why(item))
                for item in work.items
                if item.waits
            ]
            self.loading.settle(work.batch, entries, tally)
        tally["_rows"] = len(work.items)
        return tally


def _why(item: Item) -> str:
    if CONSENT in item.waits:
        return f"{CONSENT}: who opted out stays opted out"
    return f"{BLOCKED}: the record that {', '.join(item.waits)} leads to isn't in the target"


class MendCutter:
    """Cuts a repair's work list into batches. Needs the engine's table `crosswalk`."""

    def __init__(self, loading: Loading, plan: ObjectPlan, manifest: Manifest) -> None:
        self.loading, self.plan, self.manifest = loading, plan, manifest
        self.staged = Staged(loading, plan)

    def in_doubt(self) -> Iterator[RecordWork]:
        """Batches of this list that a former process left open."""
        for row in book.in_doubt(self.loading.ledger, self.loading.attempt, (PHASE,)):
            if row.stage == self.manifest.folder:
                items = {item.row: item for item in self._items(part_of(self.manifest, row.part))}
                yield RecordWork(row, self.plan, "update", tuple(items[n] for n in row.rows), doubt=True)

    def pending(self) -> Iterator[RecordWork]:
        """Batches over the rows that have none yet, in the order of the rows."""
        size = self.loading.target.limits.records_of(self.plan.target)
        for part in self.manifest.parts:
            done = book.rows_done(self.loading.ledger, self.loading.attempt, self.manifest.folder, part.name)
            if len(done) >= part.rows:
                continue
            group: list[Item] = []
            for item in self._items(part):
                if item.row in done:
                    continue
                group.append(item)
                if len(group) >= size:
                    yield self._work(part, group)
                    group = []
            if group:
                yield self._work(part, group)

    def _work(self, part: Part, items: list[Item]) -> RecordWork:
        return cut(self.loading, self.plan, self.manifest.folder, part.name, "update", items)

    def _items(self, part: Part) -> Iterator[Item]:
        """A part's rows, each with the fields that it is about; `waits` says which of them can't be known."""
        path = self.staged.path(self.manifest, part)
        fields = pq.read_table(path, columns=[FIELDS])[FIELDS].to_pylist()
        for item in self.staged.items(self.manifest, part):
            wanted = fields[item.row]
            values = {name: item.values[name] for name in wanted if name in item.values}
            absent = [name for name in wanted if name not in item.values or name in item.waits]
            if any(name in self.staged.consent for name in absent):
                absent.append(CONSENT)
            yield replace(item, values=values, waits=tuple(absent))
