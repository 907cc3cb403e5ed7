"""Where does a simulated vendor keep its records, and what did it accept?

One SQLite file for each sandbox, one connection, used only on the server's
event loop thread: a transaction begins, acts and ends without an `await`
between, so that no two requests ever see each other half done. Every accepted
write is also in `_log`, in the same transaction: an oracle can replay it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.contents import Contents

OPERATIONS = frozenset(
    {"create", "update", "delete", "undelete", "merge", "link", "unlink", "schema", "file"},
)

_TABLES = """
CREATE TABLE IF NOT EXISTS _log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, request INTEGER NOT NULL, actor TEXT NOT NULL,
    op TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL, before TEXT, after TEXT, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS _tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS _tasks_due ON _tasks (due, id);
CREATE TABLE IF NOT EXISTS _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Store:
    """The records of one sandbox: `<data>/store.db`, with the contents of files beside it.

    Rows come back as plain tuples. The file survives a killed process (WAL),
    but not a crash of the whole machine: nobody kills the simulator's host.
    """

    def __init__(self, data: Path, clock: SandboxClock) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.path = data / "store.db"
        self.clock = clock
        self.contents = Contents(data / "files")
        # Autocommit: transactions begin and end where `Tx` says so, nowhere else.
        self.connection = sqlite3.connect(self.path, isolation_level=None, cached_statements=512)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute("PRAGMA temp_store = MEMORY")
        self.connection.execute("PRAGMA cache_size = -65536")
        self.connection.executescript(_TABLES)

    def begin(self, request: int = 0) -> Tx:
        """Begin a transaction; `request` is the number that its log lines carry (0: none)."""
        return Tx(self, request)

    def save(self, to: Path) -> None:
        """Write a consistent copy to the file `to`, replacing it; contents of files go to `<to>.files`."""
        to.parent.mkdir(parents=True, exist_ok=True)
        to.unlink(missing_ok=True)
        copy = sqlite3.connect(to)
        try:
            self.connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, that can be copied about
        finally:
            copy.close()
        self.contents.save(_beside(to))

    def restore(self, source: Path) -> None:
        """Replace the whole contents by the copy in the file `source`.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if not source.is_file():
            raise FileNotFoundError(f"There is no file {source}.")
        copy = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        try:
            copy.backup(self.connection)
        finally:
            copy.close()
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.executescript(_TABLES)
        self.contents.restore(_beside(source))

    def next_due(self, tx: Tx) -> tuple[str, dict[str, Any]] | None:
        """Take the first task that is due off the list; None when none is."""
        row = tx.sql.execute(
            "SELECT id, kind, payload FROM _tasks WHERE due <= ? ORDER BY due, id LIMIT 1",
            (self.clock.now().timestamp(),),
        ).fetchone()
        if row is None:
            return None
        tx.sql.execute("DELETE FROM _tasks WHERE id = ?", (row[0],))
        return row[1], orjson.loads(row[2])

    def remember(self, key: str, value: str) -> None:
        """Keep the framework's own `value` under `key`."""
        self.connection.execute(
            "INSERT INTO _meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def remembered(self, key: str) -> str | None:
        """What `remember` kept under `key`."""
        row = self.connection.execute("SELECT value FROM _meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()


class Tx:
    """One transaction: `BEGIN IMMEDIATE` until `commit()` or `rollback()`.

    As a context it commits at the end, or rolls back when an error leaves it.
    """

    def __init__(self, store: Store, request: int = 0) -> None:
        self.sql = store.connection
        self.contents = store.contents
        self.clock = store.clock
        self.request = request
        self._open = True
        self._points = 0
        self.sql.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything visible. Does nothing when the transaction is over."""
        if self._open:
            self.sql.execute("COMMIT")
            self._open = False

    def rollback(self) -> None:
        """Undo everything. Does nothing when the transaction is over."""
        if self._open:
            self.sql.execute("ROLLBACK")
            self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """All or nothing within the transaction: an error that leaves the block undoes the block, log too."""
        self._points += 1
        name = f"point_{self._points}"
        self.sql.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.sql.execute(f"ROLLBACK TO {name}")
            self.sql.execute(f"RELEASE {name}")
            raise
        self.sql.execute(f"RELEASE {name}")

    def log(
        self,
        *,
        actor: str,
        op: str,
        object: str,
        id: str,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        note: str = "",
    ) -> None:
        """Append to the log of accepted writes.

        Args:
            actor: who wrote: a user's or app's id, or an automation's name.
            op: one of `OPERATIONS`.
            object: the vendor's name of the object written to.
            id: the record's id, as text.
            before: its state before, None when there was none.
            after: its state after, None when there is none.
            note: anything that an oracle should know.

        Raises:
            ValueError: the operation has no such name.
        """
        if op not in OPERATIONS:
            raise ValueError(f"`{op}` is no operation; there are {', '.join(sorted(OPERATIONS))}.")
        self.sql.execute(
            "INSERT INTO _log (at, request, actor, op, object, id, before, after, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.clock.now().isoformat(),
                self.request,
                actor,
                op,
                object,
                str(id),
                None if before is None else dumps(before).decode(),
                None if after is None else dumps(after).decode(),
                note,
            ),
        )

    def later(self, seconds: float, kind: str, payload: dict[str, Any]) -> None:
        """Let the server call `vendor.due(tx, kind, payload)` once `seconds` of sandbox time have passed."""
        self.sql.execute(
            "INSERT INTO _tasks (due, kind, payload) VALUES (?, ?, ?)",
            (self.clock.now().timestamp() + seconds, kind, dumps(payload).decode()),
        )


def _beside(copy: Path) -> Path:
    return copy.with_name(copy.name + ".files")


def dumps(value: object) -> bytes:
    """JSON of `value`; decimals become numbers, anything unknown becomes text."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if hasattr(value, "as_tuple"):  # a Decimal
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def moment(text: str) -> datetime:
    """Read an instant as `_log` and `_meta` hold it: aware, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
