"""How does an entry become durable? In groups: one segment for all the batches that wait.

A segment is closed when every working thread waits for it, or after 0.2 s; it is kept whole (in a folder
written aside, flushed and renamed; on S3 one put), and only then does `append` return. What a segment is,
and whether it still is what it was, is `chain.py`'s.

A stale process can't overwrite a segment of its successor: in a folder names carry the lease's epoch, on
S3 both would take the same number, and it goes to one of them. The successor that comes second takes the
late segment up and goes on after it.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.clock import stamp
from migrate.errors import JournalDamaged
from migrate.journal.carried import Carried, merged, pack
from migrate.journal.chain import Chain, Flaw, is_compacted, number_of
from migrate.journal.entry import DUCKDB, Entry, schema
from migrate.journal.flaws import Told, affected
from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.leases import Lease
from migrate.ledger.tables import segments
from migrate.storage import Storage, Taken, at_once, sha256_of, storage_of
from migrate.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_SECONDS = 0.2
PIECE_ROWS = 4_000  # of a segment that is joined with others
COMPACT_BYTES = 32_000_000
LATE = 100  # segments that a stale process may have put before ours, at most


class Journal:
    """All segments of a workspace. Reading needs no lease; `append` does."""

    def __init__(self, place: Path | Storage, ledger: Ledger, store: Store | None = None) -> None:
        """Args:
        store: the stages, which help to tell the records that a damaged segment is about.
        """
        self.storage, self.ledger, self._store = storage_of(place), ledger, store
        self._chain = Chain(self.storage, ledger)
        self._lease: Lease | None = None
        self._condition = threading.Condition()
        self._buffer: list[Entry] = []
        self._group = 0  # number of the group that is being gathered
        self._flushed = 0  # groups below this one are durable (or failed)
        self._failed: dict[int, Exception] = {}
        self._flushing = False
        self._waiting = 0
        self._unregistered: list[dict[str, Any]] = []
        self._next_seq, self._next_number, self._previous = 1, 1, ""
        self.carried = Carried()  # the batches under way, for the segments' metadata
        self._proved = False  # compared with the ledger's digests since this was made
        self.workers = 1  # threads that may wait at the same time

    # -- reading ------------------------------------------------------------------------------

    def files(self, seqs: Collection[int] | None = None) -> list[str]:
        """Local paths of all live segments, in order of their sequence.

        Args:
            seqs: only of those that hold entries with these sequence numbers.
        """
        names = self._chain.names()
        if seqs is not None:
            names = self._holding(names, sorted(seqs))
        return [str(path) for path in at_once(self.storage, self._chain.local, names)]

    def _holding(self, names: list[str], seqs: list[int]) -> list[str]:
        """Those of the segments that may hold one of these sequence numbers, which are in order."""
        rows = self.ledger.read(sa.select(segments.c.name, segments.c.first_seq, segments.c.last_seq))
        spans = {row.name: (row.first_seq, row.last_seq) for row in rows}
        with self._condition:
            spans |= {each["name"]: (each["first_seq"], each["last_seq"]) for each in self._unregistered}
        whole = (1, seqs[-1]) if seqs else (1, 0)  # of one that isn't in the ledger
        return [
            name
            for name in names
            for first, last in [spans.get(name, whole)]
            if bisect_left(seqs, first) < bisect_right(seqs, last)
        ]

    def source(self, seqs: Collection[int] | None = None) -> str:
        """The journal as a DuckDB table expression; empty, but of the right shape, where there is none.

        Args:
            seqs: only the segments that hold entries with these sequence numbers.

        Raises:
            JournalDamaged: a segment isn't what it was, found when this is asked first.
        """
        if not (self._proved or self.storage.remote):  # from afar each segment is compared as it comes
            self.verify()
        files = self.files(seqs)
        if files:
            listed = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
            return f"read_parquet([{listed}])"
        columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in DUCKDB.items())
        return f"(SELECT {columns} WHERE false)"

    def verify(self) -> None:
        """Check every segment against its digest in the ledger, and that each follows another.

        Raises:
            Damaged: a segment is missing or differs; says which records are affected, as far as that can be
                told. Nothing may be written on top of that.
        """
        flaws = self._chain.audit()
        if flaws:
            told = affected(self._chain, self._store, flaws) if self._store is not None else None
            raise JournalDamaged(flaws[0].place, flaws[0].what, flaws[0].remedy, told)
        self._proved = True

    def audit(self) -> tuple[list[Flaw], Told]:
        """All that is wrong with the segments, and the records that this affects; raises none of it."""
        flaws = self._chain.audit()
        if not flaws or self._store is None:
            return flaws, Told()
        return flaws, affected(self._chain, self._store, flaws)

    def witness(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """For a ledger that is made anew: each live segment's row, and the batches that the segments name.

        Reads every page. The newest segments may be gone without a trace: only a ledger would know of them.

        Raises:
            JournalDamaged: a segment can't be read, or doesn't follow the one before it.
        """
        self.verify()
        names = self._chain.names()
        for name in names:
            self._chain.read_whole(name)
        return [self._chain.facts(name) for name in names], merged(map(self._chain.metadata, names))

    def set_damaged_aside(self) -> dict[str, str]:
        """Take segments that aren't what they were out of the way; each lost one's name, and its digest.

        The ledger still names them: the caller lets go of them, in the event `journal lost`.
        """
        known = self._chain.digests()
        lost = {
            flaw.name: known.get(flaw.name, "") for flaw in self._chain.audit() if flaw.kind != "unchained"
        }
        for name in lost:
            if self.storage.has(name):
                self.storage.set_aside(name)
        return lost

    def batches(self, *, without: Collection[str]) -> set[str]:
        """Ids of the batches that the live segments name.

        Args:
            without: names of segments that aren't there.
        """
        names = [name for name in self._chain.names() if name not in without]
        return {str(each["id"]) for each in merged(map(self._chain.metadata, names))}

    def skip(self, seq: int) -> None:
        """Go on after this number, though no segment holds it any more."""
        self._next_seq = max(self._next_seq, seq + 1)

    def count(self) -> int:
        """How many segments lie there, replaced ones too."""
        return len(self._chain.there())

    # -- writing ------------------------------------------------------------------------------

    def open(self, lease: Lease) -> None:
        """Get ready to append under this lease: find the chain's end, take up what a crash left."""
        self._lease = lease
        self._chain.opened = None
        self.storage.aside("x")  # makes the folder
        self.storage.clean()
        self._drop_unnamed()
        self.verify()
        self._end_compaction(lease)
        self._drop_replaced()
        known = {row.name: row for row in self.ledger.read(sa.select(segments))}
        opened = {}
        for name in self._chain.names():
            facts = self._chain.facts(name) if name not in known else dict(known[name]._mapping)
            self._follow(facts)
            opened[name] = facts["sha256"]
            if name not in known:
                self._unregistered.append(facts)
        if self.storage.remote:
            self._chain.opened = opened

    def _follow(self, facts: dict[str, Any]) -> None:
        """Go on after this segment."""
        self._next_seq = max(self._next_seq, facts["last_seq"] + 1)
        self._next_number = max(self._next_number, number_of(facts["name"]) + 1)
        self._previous = facts["sha256"]

    def _drop_unnamed(self) -> None:
        """Of a compaction that the ledger never heard of, what it was to replace holds, while it is whole."""
        known, there = self._chain.digests(), set(self._chain.there())
        for name in there:
            if is_compacted(name) and name not in known and self._chain.replaced([name]) <= there:
                self.storage.remove([name])

    def _end_compaction(self, lease: Lease) -> None:
        """Let the ledger name a compacted segment that a crash left unnamed, instead of what it replaced."""
        names, known = self._chain.names(), self._chain.digests().keys()
        replaced = self._chain.replaced(names)
        fresh = [name for name in names if is_compacted(name) and name not in known]
        if not fresh and not known & replaced:
            return
        with self.ledger.write(lease) as tx:
            tx.sql.execute(segments.delete().where(segments.c.name.in_(sorted(known & replaced))))
            for name in fresh:
                tx.put(segments, **self._chain.facts(name))

    def _drop_replaced(self) -> None:
        live = set(self._chain.names())
        self.storage.remove(name for name in self._chain.there() if name not in live)

    def append(self, entries: Iterable[Entry]) -> None:
        """Make entries durable; returns when they are on disk.

        Raises:
            NoSpace: the disk refused; the entries are not there and nothing may be sent on them.
        """
        rows = list(entries)
        if not rows:
            return
        with self._condition:
            group = self._group
            self._buffer.extend(rows)
            self._waiting += 1
            until = time.monotonic() + GROUP_SECONDS
            try:
                while self._flushed <= group:
                    left = until - time.monotonic()
                    mine = not self._flushing and self._group == group
                    if mine and (self._waiting >= self.workers or left <= 0):
                        self._flush_group()
                    else:
                        self._condition.wait(max(left, 0.01))
            finally:
                self._waiting -= 1
                self._condition.notify_all()
            if error := self._failed.get(group):
                raise error

    def _flush_group(self) -> None:
        """Write the gathered entries as one segment; the condition is held, and let go while writing."""
        self._flushing = True
        group, self._group = self._group, self._group + 1
        rows, self._buffer = self._buffer, []
        self._condition.release()
        error: Exception | None = None
        facts: dict[str, Any] = {}
        try:
            facts = self._write(rows)
        except Exception as caught:  # noqa: BLE001 - every waiting thread raises it
            error = caught
        except BaseException:  # a signal: the others must not wait for ever for what was not written
            error = RuntimeError("stopped while the journal was written")
            raise
        finally:
            self._condition.acquire()
            self._ended(group, error, facts)

    def _ended(self, group: int, error: Exception | None, facts: dict[str, Any]) -> None:
        """What became of a group; wakes everyone who waits for it. The condition is held."""
        if error is None:
            self._unregistered.append(facts)
        else:
            self._failed[group] = error
        self._flushing = False
        self._flushed = group + 1
        self._condition.notify_all()

    def _write(self, rows: Sequence[Entry]) -> dict[str, Any]:
        import pyarrow as pa

        lease = self._lease
        if lease is None:
            raise RuntimeError("the journal was not opened for writing")
        for _ in range(LATE):
            lease.guard(0)  # a stale process writes nothing into its successor's books
            at, first = stamp(self.ledger.clock.now()), self._next_seq
            columns: dict[str, list[Any]] = {name: [] for name in schema().names}
            for number, row in enumerate(rows):
                columns["seq"].append(first + number)
                columns["epoch"].append(lease.epoch)
                columns["at"].append(at)
                for name in Entry.__slots__:
                    value = getattr(row, name)
                    columns[name].append(list(value.items()) if isinstance(value, dict) else value)
            # On S3 a number is had once, whatever the epoch: either a stale process or we are too late.
            prefix = "" if self.storage.remote else f"{lease.epoch:05d}-"
            name = f"{prefix}{self._next_number:06d}.parquet"
            try:
                tables = [pa.table(columns, schema=schema())]
                more = self.carried.of(row.batch for row in rows)
                facts = self._chain.put(tables, name, epoch=lease.epoch, previous=self._previous, more=more)
            except Taken:
                self._take_up(name)
                continue
            self._follow(facts)
            return facts
        raise RuntimeError("the journal's numbers are taken, again and again")

    def _take_up(self, name: str) -> None:
        """A process whose lease ended before ours began has put a segment late; it counts, ours follows."""
        facts = self._chain.facts(name)
        self._follow(facts)
        self._unregistered.append(facts)
        if self._chain.opened is not None:
            self._chain.opened[name] = facts["sha256"]

    def register(self, tx: Transaction) -> None:
        """Put the digests of all segments written since into the ledger, in the caller's transaction."""
        with self._condition:
            fresh, self._unregistered = self._unregistered, []
        for facts in fresh:
            tx.put(segments, **facts)

    @property
    def last_seq(self) -> int:
        """The sequence number of the newest entry."""
        return self._next_seq - 1

    def compact(self) -> None:
        """Join the small segments into one of at most 32 MB; the digest chain is sealed anew.

        Killed at any moment, the reader sees either the old segments or the new one: a compacted
        segment names those that it replaces. The old ones stay until the next `open`, for a reader
        that listed them before may still be at it.
        """
        small: list[str] = []
        size = 0
        for name in self._chain.names():
            bytes = self._chain.local(name).stat().st_size
            if not small and bytes > COMPACT_BYTES // 2:
                continue  # a full one; the small ones come after it
            if size + bytes > COMPACT_BYTES:
                break
            small.append(name)
            size += bytes
        if len(small) < 8:
            return
        paths = [self._chain.local(name) for name in small]
        first, last = self._chain.metadata(small[0]), self._chain.metadata(small[-1])
        # What comes after names the last one's digest, which so stays known.
        seals = [sha256_of(paths[-1]), *json.loads(last.get("seals", "[]"))]
        # What they replaced themselves may still lie there.
        older = sorted(self._chain.replaced(small) & set(self._chain.there()))
        epoch = self._lease.epoch if self._lease else 0
        carried = pack(merged(map(self._chain.metadata, small)))
        facts = self._chain.put(
            _pieces(paths), f"{epoch:05d}-c{number_of(small[-1]):06d}.parquet",
            epoch=epoch, previous=first["previous"],
            more={"replaces": json.dumps(small + older), "seals": json.dumps(seals), **carried},
        )  # fmt: skip
        with self.ledger.write(self._lease) as tx:
            tx.sql.execute(segments.delete().where(segments.c.name.in_(small)))
            tx.put(segments, **facts)
        with self._condition:
            self._unregistered = [row for row in self._unregistered if row["name"] not in small]
        if self._chain.names()[-1] == facts["name"]:
            self._previous = facts["sha256"]


def _pieces(paths: Iterable[Path]) -> Iterator[pa.Table]:
    """What segments hold, in order, in pieces that fit into memory: small ones together, a large one cut."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: list[pa.RecordBatch] = []
    rows = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PIECE_ROWS):
                if waiting and rows + batch.num_rows > PIECE_ROWS:
                    yield pa.Table.from_batches(waiting)
                    waiting, rows = [], 0
                waiting.append(batch)
                rows += batch.num_rows
    if waiting:
        yield pa.Table.from_batches(waiting)
