"""How is the ledger opened, and what is a transaction of it?

Every transaction that is made under a lease checks the lease's epoch first, so a stale process
can't write. Where the ledger lies, and how it keeps writers apart, is its backend's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from migrate.clock import Clock, stamp
from migrate.errors import Damaged, LeaseLost, UsageError
from migrate.ledger import copies, tables
from migrate.ledger.backends import DRIVER_ERRORS, Hold, backend_of

HEAD = "0009"


def event_digest(previous: str, at: str, who: str, what: str, facts: str) -> str:
    """The digest of an event of the trail; it covers the one before it."""
    return hashlib.sha256("\n".join([previous, at, who, what, facts]).encode()).hexdigest()


@dataclass(frozen=True)
class Appended:
    """An event that a transaction appended to the trail: its kind, and the digests before it and its own."""

    what: str
    previous: str
    digest: str


class Epoch(Protocol):
    """What a transaction asks of the lease that it is made under (`leases.Lease` is one)."""

    system: str
    epoch: int


class Transaction:
    """One ledger transaction; everything in it happens or nothing does."""

    def __init__(self, connection: sa.Connection, clock: Clock) -> None:
        self.sql = connection
        self.at = stamp(clock.now())
        self.appended: list[Appended] = []

    def put(self, table: sa.Table, **values: Any) -> None:
        """Insert a row, or replace the one with the same primary key. Portable: delete, then insert."""
        match = [column == values[column.name] for column in table.primary_key.columns]
        self.sql.execute(table.delete().where(*match))
        self.sql.execute(table.insert().values(**values))

    def event(self, who: str, what: str, **facts: Any) -> None:
        """Append to the trail; each event carries the digest of the one before it."""
        last = self.sql.execute(
            sa.select(tables.events.c.digest).order_by(tables.events.c.number.desc()).limit(1)
        ).scalar()
        text = json.dumps(facts, sort_keys=True, default=str)
        previous = last or ""
        digest = event_digest(previous, self.at, who, what, text)
        self.sql.execute(
            tables.events.insert().values(
                at=self.at, who=who, what=what, facts=text, previous=previous, digest=digest
            )
        )
        self.appended.append(Appended(what, previous, digest))


_CHANGED = "migrate: a table that is copied has changed"


def _note_change(connection: sa.Connection, clause: Any, *_: Any) -> None:
    if isinstance(clause, sa.sql.dml.UpdateBase):
        table = clause.entity_description["table"]
        if getattr(table, "name", "") not in copies.QUIET:
            connection.info[_CHANGED] = True


class Ledger:
    """The workspace's ledger."""

    def __init__(self, place: Path | str, clock: Clock) -> None:
        """Open (and, where needed, make or upgrade) the ledger.

        Args:
            place: a file, or a PostgreSQL URL.

        Raises:
            Damaged: the file is there and is no ledger, or of a later version.
            NoSpace: the disk refused.
            LedgerAway: the server doesn't answer or doesn't let us in.
            UsageError: the URL can't be used.
        """
        self.backend, self.clock = backend_of(place), clock
        self.keeper: Callable[[bytes], object] | None = None  # takes the copy; see `copies`
        # Is told what was appended to the trail, after the commit: keeps its head outside the ledger.
        self.witness: Callable[[list[Appended]], object] | None = None
        self._holds: list[Hold] = []
        self._engine = self.backend.engine()
        sa.event.listen(self._engine, "begin", self._on_begin)
        sa.event.listen(self._engine, "before_execute", _note_change)
        self._reader = self._engine.execution_options(reads=True)
        try:
            with self._translated():
                self._upgrade()
        except BaseException:
            self.close()
            raise

    def _on_begin(self, connection: sa.Connection) -> None:
        self.backend.begin(connection, reads=connection.get_execution_options().get("reads", False))

    def _upgrade(self) -> None:
        with self._reader.connect() as connection:
            known = sa.inspect(connection).has_table("alembic_version")
            version = (
                connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
                if known
                else None
            )
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise Damaged(
                self.backend.name, f"was written by a later version ({version})", "Upgrade this program."
            )
        from migrate.ledger.migrations import upgrade

        upgrade(self._engine)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DRIVER_ERRORS as error:
            if meant := self.backend.failed(error):
                raise meant from error
            raise

    @contextmanager
    def write(self, lease: Epoch | None = None) -> Iterator[Transaction]:
        """A writing transaction, under the lease if one is given.

        Raises:
            LeaseLost: another epoch holds the system; nothing is written.
            NoSpace: the disk refused; nothing is written.
            LedgerAway: the server is out of reach; what was under way may be written or not.
        """
        with self._translated(), self._engine.begin() as connection:
            for hold in list(self._holds):
                hold.check()
            if lease is not None:
                self._check(connection, lease)
            connection.info.pop(_CHANGED, None)
            tx = Transaction(connection, self.clock)
            yield tx
            if self.keeper is not None and connection.info.pop(_CHANGED, False):
                # Before the commit, in which no other writer can be: copies come in the ledger's order.
                self.keeper(copies.copy_of(connection, HEAD, tx.at))
        if self.witness is not None and tx.appended:
            self.witness(tx.appended)

    def keep_copy(self) -> None:
        """Write the copy now, whatever has changed.

        Raises:
            NoSpace: the disk refused.
        """
        with self.write() as tx:
            tx.sql.info[_CHANGED] = True

    def copy(self) -> bytes:
        """What the copy would be now."""
        with self._translated(), self._reader.connect() as connection:
            return copies.copy_of(connection, HEAD, stamp(self.clock.now()))

    def _check(self, connection: sa.Connection, lease: Epoch) -> None:
        row = connection.execute(
            sa.select(tables.leases.c.epoch, tables.leases.c.holder).where(
                tables.leases.c.system == lease.system
            )
        ).first()
        if row is None or row.epoch != lease.epoch or row.holder is None:
            raise LeaseLost(lease.system, "another operator has taken over")

    def read(self, query: sa.Select[Any]) -> list[Any]:
        """Rows of one query."""
        with self._translated(), self._reader.connect() as connection:
            return list(connection.execute(query))

    def value(self, query: sa.Select[Any]) -> Any:
        """The first column of the first row, or None."""
        rows = self.read(query)
        return rows[0][0] if rows else None

    def bind(self, workspace: str) -> None:
        """Make it this workspace's, once and for all.

        Raises:
            UsageError: it is another one's.
        """
        query = sa.select(tables.owner.c.workspace)
        owner = self.value(query)
        if owner is None:
            with self.write() as tx:
                owner = tx.sql.execute(query).scalar()
                if owner is None:
                    tx.put(tables.owner, workspace=workspace, at=tx.at)
                    return
        if owner != workspace:
            raise UsageError(
                f"{self.backend.name} is the ledger of another workspace.",
                "Give each workspace a database of its own.",
            )

    def owner(self) -> str | None:
        """The workspace whose ledger it is; None where it is nobody's yet."""
        found = self.value(sa.select(tables.owner.c.workspace))
        return None if found is None else str(found)

    @contextmanager
    def alone(self, name: str, *, shared: bool = False) -> Iterator[bool]:
        """Keep one step of the workspace to one process; ends with the process, however that ends.

        Where the ledger is on a server, a transaction of a process whose lock was lost with its connection is
        refused: somebody else may have begun.

        Args:
            shared: together with others that share it.

        Yields:
            Whether we have it; False: another process does.
        """
        with self._translated():
            hold = self.backend.hold(self._engine, name, shared=shared)
        if hold is None:
            yield False
            return
        self._holds.append(hold)
        try:
            yield True
        finally:
            self._holds.remove(hold)
            hold.release()

    def attempt(self) -> int:
        """The number of the attempt under way (1 for a new workspace)."""
        latest = self.value(sa.select(sa.func.max(tables.attempts.c.number)))
        return int(latest or 1)

    def attempt_state(self) -> str:
        """State of the attempt under way: open, rolling_back or rolled_back."""
        state = self.value(
            sa.select(tables.attempts.c.state).where(tables.attempts.c.number == self.attempt())
        )
        return str(state or "open")

    def watermark(self, object: str) -> tuple[str, int] | None:
        """(value, generation) of an object's watermark, or None before the base is settled."""
        table = tables.watermarks
        rows = self.read(sa.select(table.c.value, table.c.generation).where(table.c.object == object))
        return (rows[0][0], rows[0][1]) if rows else None

    def system(self, label: str) -> Any:
        """A system's binding.

        Raises:
            UsageError: it hasn't been discovered.
        """
        rows = self.read(sa.select(tables.systems).where(tables.systems.c.label == label))
        if not rows:
            raise UsageError(f"`{label}` hasn't been discovered.", "Run `migrate discover` first.")
        return rows[0]

    def snapshot(self, path: Path) -> None:
        """Write the whole ledger, as it is at one moment, into a SQLite file that isn't there yet.

        Raises:
            NoSpace: the disk refused.
        """
        with self._translated():
            self.backend.snapshot(self._engine, path)

    def compact(self) -> None:
        """Let nothing stay in the ledger's files that no row holds any more."""
        with self._translated():
            self.backend.compact(self._engine)

    def unsound(self, *, deep: bool) -> list[str]:
        """What the database itself finds wrong with its file; nothing where it is whole.

        Args:
            deep: read every index, too.
        """
        with self._translated(), self._reader.connect() as connection:
            return self.backend.unsound(connection, deep=deep)

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()
