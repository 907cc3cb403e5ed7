"""Processes come, die and are taken over in any order: no row is done twice, and none is lost."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from migrate.clock import stamp
from migrate.errors import LeaseHeld, LeaseLost
from migrate.ledger import BatchRow, Lease, Ledger
from migrate.ledger import batches as book
from migrate.ledger.tables import batches, leases
from tests.unit.bench import HandClock

PARTS = {"p0": 5, "p1": 3}
STAGE = "ready/Account/g0000"


class Process:
    """An operator's process, with what it alone knows."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.open: list[BatchRow] = []  # sent and answered, not yet settled


class Loads(RuleBasedStateMachine):
    """The book of a load: what the target did is known only to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = HandClock()
        self.ledger = Ledger(self.folder / "ledger.db", self.clock)
        self.holder: Process | None = None
        self.stale: list[Process] = []
        self.sent: dict[tuple[str, int], str] = {}  # row -> the batch that executed it
        self.settled: set[str] = set()

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)

    # -- who works ----------------------------------------------------------------------------

    @precondition(lambda self: self.holder is None)
    @rule()
    def begin(self) -> None:
        self.holder = Process(Lease.take(self.ledger, "new", 60))

    @precondition(lambda self: self.holder is not None)
    @rule()
    def die(self) -> None:
        assert self.holder is not None
        self.stale.append(self.holder)
        self.holder = None

    @precondition(lambda self: self.holder is not None)
    @rule(seconds=st.sampled_from([1, 61]))
    def be_taken_over(self, seconds: int) -> None:
        """Another host's process tries; it gets the lease only if ours has ended."""
        assert self.holder is not None
        here = self.ledger.value(sa.select(leases.c.host))
        with self.ledger.write() as tx:
            tx.sql.execute(leases.update().values(host="elsewhere"))
        self.clock.sleep(seconds)
        until = self.ledger.value(sa.select(leases.c.until))
        try:
            lease = Lease.take(self.ledger, "new", 60)
        except LeaseHeld:
            assert stamp(self.clock.now()) < until
            with self.ledger.write() as tx:
                tx.sql.execute(leases.update().values(host=here))
        else:
            assert stamp(self.clock.now()) >= until
            self.stale.append(self.holder)
            self.holder = Process(lease)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def a_stale_one_writes_nothing(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(self.stale))
        current = self.ledger.value(sa.select(leases.c.epoch))
        before = self.ledger.read(sa.select(batches).order_by(batches.c.id))
        if process.lease.epoch == current:
            return  # dead, but nobody has come since
        for row in process.open or [self._batch("p0", (0,))]:
            try:
                with self.ledger.write(process.lease) as tx:
                    book.settle(tx, row.id, done=1, refused=0, held=0)
            except LeaseLost:
                continue
            raise AssertionError("a stale process wrote to the ledger")
        assert self.ledger.read(sa.select(batches).order_by(batches.c.id)) == before

    # -- what is done -------------------------------------------------------------------------

    @precondition(lambda self: self.holder is not None)
    @rule(
        part=st.sampled_from(sorted(PARTS)),
        size=st.integers(1, 3),
        executed=st.booleans(),
        answered=st.booleans(),
    )
    def send(self, part: str, size: int, executed: bool, answered: bool) -> None:
        """The next free rows: intent, call. Without an answer the batch stays in doubt."""
        assert self.holder is not None
        done = book.rows_done(self.ledger, 1, STAGE, part)
        rows = tuple(n for n in range(PARTS[part]) if n not in done)[:size]
        if not rows:
            return
        row = self._batch(part, rows)
        with self.ledger.write(self.holder.lease) as tx:
            book.intend(tx, row, self.holder.lease.epoch)
        if executed or answered:
            self._execute(row)
        if answered:
            self.holder.open.append(row)

    @precondition(lambda self: self.holder is not None and self.holder.open)
    @rule()
    def settle(self) -> None:
        assert self.holder is not None
        self._settle(self.holder.open.pop(0))

    @precondition(lambda self: self.holder is not None)
    @rule()
    def resume(self) -> None:
        """A new process settles what is in doubt: it reads back, and sends only what isn't there."""
        assert self.holder is not None
        for row in book.in_doubt(self.ledger, 1):
            with self.ledger.write(self.holder.lease) as tx:
                book.intend(tx, row, self.holder.lease.epoch)
            if not all((row.part, n) in self.sent for n in row.rows):
                self._execute(row)
            self._settle(row)
        self.holder.open = []

    def _batch(self, part: str, rows: tuple[int, ...]) -> BatchRow:
        id = f"{part}:{rows}"
        until = stamp(self.clock.now() + timedelta(seconds=5))
        return BatchRow(id, 1, "new", "load", STAGE, part, rows, "companies", "create", "-", until)

    def _execute(self, row: BatchRow) -> None:
        for number in row.rows:
            assert (row.part, number) not in self.sent, "a row was done twice"
            self.sent[row.part, number] = row.id

    def _settle(self, row: BatchRow) -> None:
        assert self.holder is not None
        with self.ledger.write(self.holder.lease) as tx:
            book.settle(tx, row.id, done=len(row.rows), refused=0, held=0)
        self.settled.add(row.id)

    # -- what always holds --------------------------------------------------------------------

    @invariant()
    def every_row_belongs_to_one_batch_at_most(self) -> None:
        rows = self.ledger.read(sa.select(batches.c.part, batches.c.rows))
        named = [(part, n) for part, text in rows for n in book.rows_from_text(text)]
        assert len(named) == len(set(named))
        assert set(self.sent) <= set(named)  # nothing was sent without an intent

    @invariant()
    def what_is_not_settled_is_in_doubt(self) -> None:
        doubt = {row.id for row in book.in_doubt(self.ledger, 1)}
        assert set(self.sent.values()) - self.settled <= doubt
        assert not doubt & self.settled

    @invariant()
    def there_is_one_lease_and_its_epoch_never_falls(self) -> None:
        rows = self.ledger.read(sa.select(leases.c.epoch))
        assert len(rows) <= 1
        if self.holder is not None:
            assert rows[0].epoch == self.holder.lease.epoch
            assert all(process.lease.epoch < rows[0].epoch for process in self.stale)


Loads.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestLoads = Loads.TestCase
