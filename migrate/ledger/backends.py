"""Where does a ledger lie? In a SQLite file, or for a team in PostgreSQL.

In both a commit that returned is on disk, and a writer never finds at its commit that somebody else was
first: SQLite runs in WAL with `synchronous=FULL` and `BEGIN IMMEDIATE`; in PostgreSQL each writing
transaction first takes one advisory lock (PostgreSQL 18, "Advisory Locks", read 2026-11-26), which ends with
the transaction.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from migrate.errors import Damaged, LedgerAway, MigrateError, NoSpace, UsageError
from migrate.ledger import tables

LOCK = 0x6D696772617465  # "migrate": the key of the advisory lock
IDLE_MS = 60_000  # a transaction whose host has vanished ends after this time, and its lock with it
TIMEOUT = 60.0  # seconds that a connection to a SQLite file waits for another writer
CHECK_SECONDS = 1.0  # how old the knowledge may be that a session's lock is still there
NO_SPACE, CORRUPT = "53100", ("XX001", "XX002")  # SQLSTATEs: PostgreSQL, "Error Codes"


class Backend(Protocol):
    """A kind of database. `name` says in messages where it is, without a secret.

    `one_host`: all who use it are on one host.
    """

    name: str
    one_host: bool

    def engine(self) -> sa.Engine:
        """A new engine, with nothing opened yet."""
        ...

    def begin(self, connection: sa.Connection, *, reads: bool) -> None:
        """Called at the start of each transaction."""
        ...

    def failed(self, error: Exception) -> MigrateError | None:
        """What a driver's error means to us; None: it is a defect."""
        ...

    def unsound(self, connection: sa.Connection, *, deep: bool) -> list[str]:
        """What it finds wrong with its own file. A server looks after its own."""
        ...

    def compact(self, engine: sa.Engine) -> None:
        """Let nothing stay in the file that no row holds any more."""
        ...

    def snapshot(self, engine: sa.Engine, path: Path) -> None:
        """Write everything as it is at one moment into a new SQLite file, while others write."""
        ...

    def hold(self, engine: sa.Engine, name: str, *, shared: bool) -> Hold | None:
        """Keep a name to this process (or share it with other readers), for as long as it lives at most.

        None: another process has it.
        """
        ...


class Hold(Protocol):
    """A name that this process keeps."""

    def check(self) -> None:
        """Make sure that it is still ours; a driver's error says that it isn't."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class SqliteFile:
    """A file of one host."""

    one_host = True

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    def engine(self) -> sa.Engine:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = sa.create_engine(
            f"sqlite:///{self.path}", connect_args={"timeout": TIMEOUT, "check_same_thread": False}
        )
        sa.event.listen(engine, "connect", _on_connect)
        return engine

    def begin(self, connection: sa.Connection, *, reads: bool) -> None:
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    def failed(self, error: Exception) -> MigrateError | None:
        if isinstance(error, OperationalError | sqlite3.OperationalError):
            text = str(getattr(error, "orig", error))
            full = any(word in text for word in ("full", "disk I/O", "readonly", "unable to open"))
            return NoSpace(self.name, text) if full else None
        remedy = (
            "Restore it from a backup, or run `migrate rebuild`: it makes the ledger anew out of the journal."
        )
        return Damaged(self.name, f"is not a readable ledger ({error})", remedy)

    def unsound(self, connection: sa.Connection, *, deep: bool) -> list[str]:
        pragma = "PRAGMA integrity_check" if deep else "PRAGMA quick_check"
        found = [str(row[0]) for row in connection.exec_driver_sql(pragma)]
        return [] if found == ["ok"] else found

    def compact(self, engine: sa.Engine) -> None:
        engine.dispose()  # a connection that still reads would keep pages in the log
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as opened:
            opened.execute("VACUUM")
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def snapshot(self, engine: sa.Engine, path: Path) -> None:  # noqa: ARG002
        with (
            contextlib.closing(sqlite3.connect(self.path)) as source,
            contextlib.closing(sqlite3.connect(path)) as out,
        ):
            source.backup(out)
            out.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it

    def hold(self, engine: sa.Engine, name: str, *, shared: bool) -> Hold | None:  # noqa: ARG002
        import fcntl

        lock = (self.path.parent / f"{name}.lock").open("a")
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return _FileHold(lock)


class _FileHold:
    """A lock on a file ends with the process, however that ends."""

    def __init__(self, lock: IO[str]) -> None:
        self._lock = lock

    def check(self) -> None:
        pass  # the operating system keeps it

    def release(self) -> None:
        self._lock.close()


class Postgres:
    """A database of its own on a server that a team shares.

    Args:
        url: `postgresql://user@host/database`; a password may also come from `PGPASSWORD` or `~/.pgpass`.

    Raises:
        UsageError: the URL is none, or the driver isn't installed.
    """

    one_host = False

    def __init__(self, url: str) -> None:
        try:
            self._url = sa.make_url(url).set(drivername="postgresql+psycopg")
        except sa.exc.ArgumentError:
            raise UsageError(
                "The ledger's URL can't be read.", "It looks like `postgresql://user@host/database`."
            ) from None
        shown = self._url._replace(drivername="postgresql", password=None)
        self.name = shown.render_as_string()

    def engine(self) -> sa.Engine:
        try:
            return sa.create_engine(
                self._url,
                # A connection that died while nobody used it is replaced unseen.
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": 10,
                    "keepalives_idle": 30,
                    "options": f"-c idle_in_transaction_session_timeout={IDLE_MS} -c synchronous_commit=on",
                },
            )
        except ModuleNotFoundError:
            raise UsageError(
                "A ledger in PostgreSQL needs the package `psycopg`.", "pip install 'crm-migrate[postgres]'"
            ) from None

    def begin(self, connection: sa.Connection, *, reads: bool) -> None:
        if not reads:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")

    def failed(self, error: Exception) -> MigrateError | None:
        orig = getattr(error, "orig", error)
        code, text = getattr(orig, "sqlstate", None) or "", str(orig).strip().partition("\n")[0]
        if code == NO_SPACE:
            return NoSpace(self.name, text)
        if code in CORRUPT:
            return Damaged(self.name, text, "Restore the database from a backup.")
        away = isinstance(error, OperationalError | InterfaceError) or getattr(
            error, "connection_invalidated", False
        )
        return LedgerAway(self.name, text) if away else None

    def unsound(self, connection: sa.Connection, *, deep: bool) -> list[str]:  # noqa: ARG002
        return []

    def compact(self, engine: sa.Engine) -> None:
        with engine.execution_options(isolation_level="AUTOCOMMIT", reads=True).connect() as connection:
            connection.exec_driver_sql("VACUUM FULL")

    def snapshot(self, engine: sa.Engine, path: Path) -> None:
        out = sa.create_engine(f"sqlite:///{path}")
        once = engine.execution_options(isolation_level="REPEATABLE READ", reads=True)
        version = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32)))
        try:
            with once.connect() as source, out.begin() as written:
                tables.metadata.create_all(written)
                version.create(written)
                for table in (*tables.metadata.sorted_tables, version):
                    for rows in source.execute(sa.select(table)).mappings().partitions(1000):
                        written.execute(table.insert(), [dict(row) for row in rows])
        finally:
            out.dispose()

    def hold(self, engine: sa.Engine, name: str, *, shared: bool) -> Hold | None:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT", reads=True)
        connection.detach()  # closed at its end, and not given to others with the lock still on it
        key = int.from_bytes(hashlib.sha256(f"migrate {name}".encode()).digest()[:8], "big", signed=True)
        word = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
        if not connection.exec_driver_sql(f"SELECT {word}({key})").scalar():
            connection.close()
            return None
        return _SessionHold(connection)


class _SessionHold:
    """An advisory lock of a session ends with its connection. That may end before the process does."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection, self._lock, self._checked = connection, Lock(), time.monotonic()

    def check(self) -> None:
        with self._lock:
            if time.monotonic() - self._checked > CHECK_SECONDS:
                self._connection.exec_driver_sql("SELECT 1")
                self._checked = time.monotonic()

    def release(self) -> None:
        with self._lock, contextlib.suppress(DatabaseError, InterfaceError):  # it went with the server
            # A server sees the end of a connection some time after it: whoever comes next needn't wait.
            if not self._connection.invalidated:
                self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            self._connection.close()


def backend_of(place: Path | str) -> Backend:
    """A path is a SQLite file, a text a PostgreSQL URL."""
    return SqliteFile(place) if isinstance(place, Path) else Postgres(place)


DRIVER_ERRORS = (DatabaseError, InterfaceError, sqlite3.OperationalError)


def _on_connect(connection: Any, record: Any) -> None:  # noqa: ARG001
    # The driver must not begin transactions by itself: `begin` says how.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Turn on the write-ahead log, which a new file hasn't.

    Of several who do that at once SQLite tells all but one that the file is locked, without the wait that the
    connection's timeout asks for (its busy handler isn't called here).
    """
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
