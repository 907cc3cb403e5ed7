"""What does every step of a load share? The target, our right to write to it, and the books.

`Loading` also runs batches in parallel and is the only place that decides whether a write may
start: before each call it asks the lease, and puts the call's deadline into the ledger.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from migrate.blobs import read_blob
from migrate.catalog import Catalog
from migrate.clock import Clock, parse_stamp, stamp
from migrate.connector import KeepsHistory, TakesBlobs, Target
from migrate.engine import parquet, text
from migrate.errors import InDoubt, MigrateError, SystemRefused
from migrate.journal import Entry, Journal
from migrate.ledger import BatchRow, Lease, Ledger
from migrate.ledger import batches as book
from migrate.load.homes import Away
from migrate.rewriting import Addresses
from migrate.workspace import Workspace

SYSTEMIC = 100  # records refused alike, and none taken: it isn't the records

Tally = Counter[str]
Progress = Callable[[str, int, int], None]


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass
class Refusals:
    """Records of one object that the target refused since the load began, as long as it took none."""

    code: str = ""
    count: int = 0
    ended: bool = False  # it took one


@dataclass
class Loading:
    """One command's hold on a target system. Use as a context manager; it takes and frees the lease."""

    workspace: Workspace
    target: Target
    catalog: Catalog
    attempt: int
    phase: str = "load"
    progress: Progress = no_progress
    canary: bool = False  # one record goes ahead, alone
    keep_going: bool = False  # even where the target refuses all
    gives_back: bool = False  # to a system from which the records came: a deletion goes for adopted ones, too
    later: Mapping[str, Collection[str]] = field(default_factory=dict)  # by entry: fields of a second pass
    withheld: str = ""  # table of keys whose record may not be created yet; see `migrate.load.consent`
    scoped: bool = False  # what isn't in the engine's table `sample` is others', and isn't missed
    away: Away | None = None  # records at home in the target, of which nothing is written
    addresses: Addresses | None = None  # new addresses for old ones in texts, where the plan rewrites any
    baseline: dict[str, list[str]] = field(
        default_factory=dict
    )  # by object: Parquet files, `_id` of what stood
    _local: threading.local = field(default_factory=threading.local)
    _stop: threading.Event = field(default_factory=threading.Event)
    _left: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _landing: datetime | None = None
    _refusals: dict[tuple[str, str], Refusals] = field(default_factory=dict)

    lease: Lease = field(init=False)

    def __enter__(self) -> Loading:
        longest = self.target.limits.longest_call
        self.lease = Lease.take(self.ledger, self.system, 2 * longest + 60)
        try:
            self.journal.open(self.lease)
        except BaseException:
            self.lease.release()  # whoever mends the journal needs it
            raise
        self.target.before_write = self._before_write
        if isinstance(self.target, TakesBlobs):
            self.target.blobs = partial(read_blob, self.workspace.blobs)
        self._left.clear()
        threading.Thread(target=self._keep, name="lease", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._left.set()
        self.lease.release()
        if kind is None:
            self.ledger.keep_copy()  # with the digests of the segments that were written

    def _keep(self) -> None:
        """Keep the lease while nothing is written for long: a baseline, a sweep, a vendor's long wait."""
        while not self._left.wait(max(0.2, self.lease.seconds / 4 / self.clock.speed)):
            try:
                self.lease.keep()
            except MigrateError:
                return  # whoever writes next is told; nothing is written until then

    @property
    def system(self) -> str:
        """The label of the system that is written to."""
        return self.target.system

    @property
    def ledger(self) -> Ledger:
        """The workspace's ledger."""
        return self.workspace.ledger

    @property
    def journal(self) -> Journal:
        """The workspace's journal."""
        return self.workspace.journal

    @property
    def clock(self) -> Clock:
        """The injected clock."""
        return self.workspace.clock

    # -- one batch ----------------------------------------------------------------------------

    @contextmanager
    def batch(self, row: BatchRow) -> Iterator[None]:
        """Everything that this thread sends inside belongs to the batch, whose intent is made durable."""
        with self.ledger.write(self.lease) as tx:
            book.intend(tx, row, self.lease.epoch)
            self.journal.register(tx)
        self.journal.carried.begin(row, self.lease.epoch)
        self._local.batch = row.id
        try:
            yield
        finally:
            self._local.batch = None
            self.journal.carried.end(row.id)

    @contextmanager
    def unbatched(self) -> Iterator[None]:
        """What this thread sends inside belongs to no batch; its own intent is in the ledger already."""
        self._local.unbatched = True
        try:
            yield
        finally:
            self._local.unbatched = False

    def _before_write(self) -> None:
        """Called by the connector before each try of a write: may it start, and until when can it land?

        Raises:
            LeaseLost: it may not; nothing is sent.
        """
        deadline = self.lease.guard(self.target.limits.longest_call)
        batch = getattr(self._local, "batch", None)
        if batch is None and getattr(self._local, "unbatched", False):
            return
        if batch is None:
            raise RuntimeError("a write without an intent")
        with self.ledger.write(self.lease) as tx:
            book.extend(tx, batch, stamp(deadline))

    def note_job(self, job: str) -> None:
        """The batch of this thread is carried by a vendor's job; durable before the job is released."""
        with self.ledger.write(self.lease) as tx:
            book.note_job(tx, self._local.batch, job)
        self.journal.carried.job(self._local.batch, job)

    def settle(self, row: BatchRow, entries: list[Entry], tally: Tally) -> None:
        """Outcomes into the journal, then the batch's settlement into the ledger, in that order."""
        bad = [entry for entry in entries if entry.outcome in ("refused", "conflict", "held")]
        held = sum(entry.outcome == "held" for entry in bad)
        done, refused = len(row.rows) - len(bad), len(bad) - held
        self.journal.carried.settle(row.id, done=done, refused=refused, held=held)
        self.journal.append(entries)
        with self.ledger.write(self.lease) as tx:
            book.settle(tx, row.id, done=done, refused=refused, held=held)
            self.journal.register(tx)
        for entry in entries:
            name = {"done": entry.op}.get(entry.outcome, entry.outcome)
            tally[name] += 1
            tally["changed_at_landing"] += entry.outcome == "done" and entry.reason.startswith("landed:")
        if self.phase in ("load", "repair") and not self.keep_going:
            self._stop_the_line(row, entries)

    def _stop_the_line(self, row: BatchRow, entries: list[Entry]) -> None:
        """A target that refuses every record for the same reason has a fault that no record of ours mends.

        Raises:
            SystemRefused: so many were refused since the load began, with the same code, and none was taken.
        """
        codes = {entry.reason.partition(":")[0] for entry in entries if entry.outcome == "refused"}
        with self._lock:
            found = self._refusals.setdefault((row.object, row.operation), Refusals())
            found.ended |= any(entry.outcome != "refused" for entry in entries)
            if found.ended or not codes:
                return
            code = codes.pop() if len(codes) == 1 else ""
            found.count = len(entries) + (found.count if code and code == found.code else 0)
            found.code = code
            if not code or found.count < SYSTEMIC:
                return
        raise SystemRefused(
            self.system,
            f"all of the first {found.count} {row.object} to {row.operation}, each with {entries[-1].reason}",
            "They are dead letters; the rest wasn't sent. Mend the cause, then run the same repair again."
            if self.phase == "repair"
            else "They are dead letters; the rest wasn't sent. Mend the cause, then run `migrate load` and "
            "`migrate dead-letters replay`. `migrate load --keep-going` sends the rest all the same.",
            code=code,
        )

    def wait_landing(self, deadline: str) -> None:
        """Wait until a call that was under way can't land any more.

        Raises:
            InDoubt: another batch failed, or somebody stops us; what is in doubt stays in doubt.
        """
        left = (parse_stamp(deadline) - self.clock.now()).total_seconds()
        # No call lands later than its longest from now on, however the clock was set meanwhile.
        self.pause(min(left, self.target.limits.longest_call))

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the work goes on. What the wait is for must not be taken as waited for.

        Raises:
            InDoubt: the work was stopped meanwhile.
        """
        while seconds > 0:
            if self._stop.is_set():
                raise InDoubt(self.system, "stopped while waiting for a call to land")
            self.clock.sleep(min(seconds, 1.0))
            seconds -= 1.0

    def doubted(self, deadline: str | None = None) -> None:
        """A call went unanswered, now or (in a former process) so that it lands by `deadline`."""
        longest = timedelta(seconds=self.target.limits.longest_call)
        until = parse_stamp(deadline) if deadline else self.clock.now() + longest
        with self._lock:
            self._landing = max(self._landing or until, until)

    def wait_all_landed(self) -> None:
        """Wait until no unanswered call that this command knows of can land any more."""
        if self._landing is not None:
            self.wait_landing(stamp(self._landing))

    # -- many batches -------------------------------------------------------------------------

    def run(self, works: Iterable[Any], do: Callable[[Any], Tally]) -> Tally:
        """Carry out works in parallel, as the target's limits allow.

        The first error stops new work, lets what is in flight end, and is raised.
        """
        tally: Tally = Counter()
        most = max(1, self.target.limits.concurrency)
        pending: set[Future[Tally]] = set()
        source = iter(works)
        self._stop.clear()
        with ThreadPoolExecutor(most, thread_name_prefix="load") as pool:
            try:
                for work in source:
                    if len(pending) >= most:
                        pending = self._collect(pending, tally)
                    self.journal.workers = len(pending) + 1
                    pending.add(pool.submit(do, work))
                while pending:
                    self.journal.workers = len(pending)
                    pending = self._collect(pending, tally)
            except BaseException:
                self._stop.set()
                raise
            finally:
                self.journal.workers = 1
        return tally

    @staticmethod
    def _collect(pending: set[Future[Tally]], tally: Tally) -> set[Future[Tally]]:
        done, rest = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            tally.update(future.result())
        return rest

    # -- evidence -----------------------------------------------------------------------------

    def stood_before(self, object: str, ids: Collection[str]) -> set[str]:
        """Which of these records the target held before this attempt's first write."""
        files = self.baseline.get(object)
        if not ids or not files:
            return set()
        listed = ", ".join(text(id) for id in ids)
        rows = self.workspace.engine.rows(f"SELECT _id FROM {parquet(files)} WHERE _id IN ({listed})")
        return {row["_id"] for row in rows}

    def newest(self, object: str, ids: list[str], fields: list[str]) -> dict[str, dict[str, list[Any]]]:
        """Per record and field the versions that the target kept, newest first; empty where it keeps none."""
        if not ids or not isinstance(self.target, KeepsHistory):
            return {}
        found: dict[str, dict[str, list[Any]]] = {}
        for id, versions in self.target.history(object, ids, fields).items():
            fields_of = found.setdefault(id, {})
            for version in versions:
                fields_of.setdefault(version.field, []).append(version)
        return found
