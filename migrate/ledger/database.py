"""How is the ledger opened, and what is a transaction of it?

SQLite runs in WAL with `synchronous=FULL` and `BEGIN IMMEDIATE`: a commit that returned is on
disk, and a writer never finds at its commit that somebody else was first. Every transaction that
is made under a lease checks the lease's epoch first, so a stale process can't write.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from migrate.clock import Clock, stamp
from migrate.errors import Damaged, LeaseLost, NoSpace, UsageError
from migrate.ledger import tables

if TYPE_CHECKING:
    from migrate.ledger.leases import Lease

HEAD = "0002"


class Transaction:
    """One ledger transaction; everything in it happens or nothing does."""

    def __init__(self, connection: sa.Connection, clock: Clock) -> None:
        self.sql = connection
        self.at = stamp(clock.now())

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
        digest = hashlib.sha256("\n".join([previous, self.at, who, what, text]).encode()).hexdigest()
        self.sql.execute(
            tables.events.insert().values(
                at=self.at, who=who, what=what, facts=text, previous=previous, digest=digest
            )
        )


class Ledger:
    """The workspace's ledger."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open (and, where needed, make or upgrade) the ledger.

        Raises:
            Damaged: the file is there and is no ledger, or of a later version.
            NoSpace: the disk refused.
        """
        self.path, self.clock = path, clock
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._engine = sa.create_engine(
            f"sqlite:///{path}", connect_args={"timeout": 60.0, "check_same_thread": False}
        )
        sa.event.listen(self._engine, "connect", _on_connect)
        sa.event.listen(self._engine, "begin", _on_begin)
        self._reader = self._engine.execution_options(reads=True)
        with self._translated():
            self._upgrade()

    def _upgrade(self) -> None:
        with self._engine.connect() as connection:
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
                str(self.path), f"was written by a later version ({version})", "Upgrade this program."
            )
        from migrate.ledger.migrations import upgrade

        upgrade(self._engine)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, sqlite3.OperationalError) as error:
            text = str(getattr(error, "orig", error))
            if any(word in text for word in ("full", "disk I/O", "readonly", "unable to open")):
                raise NoSpace(str(self.path), text) from error
            raise
        except sa.exc.DatabaseError as error:
            raise Damaged(str(self.path), f"is not a readable ledger ({error})") from error

    @contextmanager
    def write(self, lease: Lease | None = None) -> Iterator[Transaction]:
        """A writing transaction, under the lease if one is given.

        Raises:
            LeaseLost: another epoch holds the system; nothing is written.
            NoSpace: the disk refused; nothing is written.
        """
        with self._translated(), self._engine.begin() as connection:
            if lease is not None:
                self._check(connection, lease)
            yield Transaction(connection, self.clock)

    def _check(self, connection: sa.Connection, lease: Lease) -> None:
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

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()


def _on_connect(connection: Any, record: Any) -> None:  # noqa: ARG001
    if isinstance(connection, sqlite3.Connection):
        # The driver must not begin transactions by itself: `_on_begin` says how.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
