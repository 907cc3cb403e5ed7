"""Where does the HubSpot sandbox keep its portal?

`hs_record` holds one row a record with its values as JSON (no key means no value); `hs_history` one row a
write; `hs_link` one row for each direction and type of an association; `hs_unique` the keys that live
records hold. `hs_index` is what search sees, `hs_pending` what it will see later.

Invariant: a row of `hs_unique` belongs to a live record; a row of `hs_link` has its inverse beside it.
"""

from __future__ import annotations

import random
import sqlite3
import uuid
from typing import Any, Final

import orjson

DDL: Final = (
    """CREATE TABLE IF NOT EXISTS hs_record (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, properties TEXT NOT NULL, created TEXT NOT NULL,
        updated TEXT NOT NULL, archived INTEGER NOT NULL DEFAULT 0, archived_at TEXT,
        merged_into INTEGER, purged INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS hs_record_kind ON hs_record (kind, archived, id)",
    """CREATE TABLE IF NOT EXISTS hs_history (
        seq INTEGER PRIMARY KEY, record INTEGER NOT NULL, at TEXT NOT NULL, source TEXT NOT NULL,
        source_id TEXT, user INTEGER, changes TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS hs_history_record ON hs_history (record, seq)",
    """CREATE TABLE IF NOT EXISTS hs_unique (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, record INTEGER NOT NULL,
        PRIMARY KEY (kind, name, value)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS hs_unique_record ON hs_unique (record)",
    """CREATE TABLE IF NOT EXISTS hs_link (
        from_id INTEGER NOT NULL, to_kind TEXT NOT NULL, to_id INTEGER NOT NULL, type_id INTEGER NOT NULL,
        from_kind TEXT NOT NULL, category TEXT NOT NULL, actor TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (from_id, to_kind, to_id, type_id, category)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hs_index (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, properties TEXT NOT NULL, created TEXT NOT NULL,
        updated TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS hs_index_kind ON hs_index (kind, id)",
    "CREATE TABLE IF NOT EXISTS hs_pending (due REAL NOT NULL, record INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS hs_pending_due ON hs_pending (due)",
    """CREATE TABLE IF NOT EXISTS hs_thing (
        sort TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (sort, kind, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hs_token (
        token TEXT PRIMARY KEY, sort TEXT NOT NULL, app_id INTEGER NOT NULL, client_id TEXT,
        scopes TEXT NOT NULL, expires REAL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS hs_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


def get_meta(sql: sqlite3.Connection, key: str, default: str | None = None) -> str | None:
    """A value of the portal by name."""
    row = sql.execute("SELECT value FROM hs_meta WHERE key = ?", (key,)).fetchone()
    return default if row is None else str(row[0])


def set_meta(sql: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a value of the portal."""
    sql.execute("INSERT OR REPLACE INTO hs_meta VALUES (?, ?)", (key, value))


def touch_schema(sql: sqlite3.Connection) -> None:
    """Name the metadata anew, so that the catalog in memory is read again."""
    set_meta(sql, "schema", uuid.uuid4().hex)


def take_ids(sql: sqlite3.Connection, count: int) -> list[int]:
    """New record ids: increasing, never dense, the same in every run of the same requests."""
    last = int(get_meta(sql, "last_id", "0") or 0)
    steps = random.Random(last)  # noqa: S311 - ids, not secrets
    ids = []
    for _ in range(count):
        last += steps.randint(1, 9)
        ids.append(last)
    set_meta(sql, "last_id", str(last))
    return ids


def take_number(sql: sqlite3.Connection, key: str, start: int, step: int = 1) -> int:
    """Next number of a named counter (label types, schema ids, stage ids)."""
    value = int(get_meta(sql, key, str(start)) or start)
    set_meta(sql, key, str(value + step))
    return value


def put(sql: sqlite3.Connection, sort: str, kind: str, name: str, body: dict[str, Any]) -> None:
    """Keep a piece of metadata: a property, group, pipeline, owner, schema, label or limit."""
    sql.execute(
        "INSERT OR REPLACE INTO hs_thing VALUES (?, ?, ?, ?)", (sort, kind, name, orjson.dumps(body).decode())
    )
    touch_schema(sql)


def drop(sql: sqlite3.Connection, sort: str, kind: str, name: str) -> None:
    """Forget a piece of metadata."""
    sql.execute("DELETE FROM hs_thing WHERE sort = ? AND kind = ? AND name = ?", (sort, kind, name))
    touch_schema(sql)


def things(sql: sqlite3.Connection, sort: str) -> list[tuple[str, str, dict[str, Any]]]:
    """All metadata of a sort as (kind, name, body)."""
    rows = sql.execute("SELECT kind, name, body FROM hs_thing WHERE sort = ? ORDER BY kind, name", (sort,))
    return [(kind, name, orjson.loads(body)) for kind, name, body in rows]
