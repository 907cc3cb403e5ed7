"""Where are the records, and who points at whom?

One table of JSON documents, one of unique and external-id values, one of references for cascades, one
of files' contents; all in the sandbox's SQLite file, so that saving, restoring and rolling back take
everything along. A record holds its kept values (see `values.py`), nulls left out; `IsDeleted` is in it
and beside it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from migrate.sandbox.salesforce.ids import mint, minted_number
from migrate.sandbox.salesforce.schema import Field, SObject

Record = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS sf_record (
    object TEXT NOT NULL, id TEXT NOT NULL, deleted_at TEXT, deleted_with TEXT, stamp TEXT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (object, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sf_record_stamp ON sf_record (object, stamp);
CREATE INDEX IF NOT EXISTS sf_record_deleted ON sf_record (object, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS sf_key (
    object TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (object, field, value, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_reference (
    target TEXT NOT NULL, object TEXT NOT NULL, field TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (target, object, field, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_content (
    sha256 TEXT PRIMARY KEY, md5 TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_file (
    object TEXT NOT NULL, id TEXT NOT NULL, field TEXT NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (object, id, field)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_usage (minute INTEGER PRIMARY KEY, calls INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sf_token (
    token TEXT PRIMARY KEY, user TEXT NOT NULL, client TEXT, issued REAL NOT NULL, life REAL NOT NULL,
    expires REAL, revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_client (client TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_cursor (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, created REAL NOT NULL, query TEXT NOT NULL,
    every INTEGER NOT NULL, batch INTEGER NOT NULL, ids BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_job (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, created REAL NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_job_rows (
    job TEXT NOT NULL, part TEXT NOT NULL, start INTEGER NOT NULL, rows BLOB NOT NULL,
    PRIMARY KEY (job, part, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sf_started (kind TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sf_started_at ON sf_started (kind, at);
CREATE TABLE IF NOT EXISTS sf_locator (
    locator TEXT PRIMARY KEY, job TEXT NOT NULL, start INTEGER NOT NULL) WITHOUT ROWID;
"""

_UNTRACKED = ("005", "012", "00G", "00e", "00E")  # owners and the like: nobody's deletion cascades from them


class Records:
    """The records of one transaction."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql

    def get(self, object: str, id: str) -> Record | None:
        """One record, deleted ones too."""
        row = self.sql.execute(
            "SELECT data FROM sf_record WHERE object = ? AND id = ?", (object, id)
        ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def scan(
        self, object: str, *, deleted: bool, where: str = "", values: Sequence[Any] = (), order: str = "id"
    ) -> Iterator[Record]:
        """Records in id order; `where` narrows by columns of `sf_record`, `deleted` adds the recycle bin."""
        live = "" if deleted else " AND deleted_at IS NULL"
        cursor = self.sql.execute(
            f"SELECT data FROM sf_record WHERE object = ?{live}{where} ORDER BY {order}", (object, *values)
        )
        for (data,) in cursor:
            yield orjson.loads(data)

    def count(self, object: str, *, deleted: bool) -> int:
        live = "" if deleted else " AND deleted_at IS NULL"
        return int(
            self.sql.execute(f"SELECT count(*) FROM sf_record WHERE object = ?{live}", (object,)).fetchone()[
                0
            ]
        )

    def put(self, item: SObject, record: Record, before: Mapping[str, Any] | None = None) -> None:
        """Write a record and its index rows; `before` is what it replaces."""
        id = record["Id"]
        self.sql.execute(
            "INSERT INTO sf_record (object, id, stamp, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (object, id) DO UPDATE SET stamp = excluded.stamp, data = excluded.data",
            (item.name, id, record.get("SystemModstamp", ""), orjson.dumps(record)),
        )
        for field in item.uniques:
            old, new = (before or {}).get(field.name), record.get(field.name)
            if old != new:
                if old is not None:
                    self.sql.execute(
                        "DELETE FROM sf_key WHERE object = ? AND field = ? AND value = ? AND id = ?",
                        (item.name, field.name, folded(field, old), id),
                    )
                if new is not None:
                    self.sql.execute(
                        "INSERT OR IGNORE INTO sf_key VALUES (?, ?, ?, ?)",
                        (item.name, field.name, folded(field, new), id),
                    )
        for field in item.references:
            old, new = (before or {}).get(field.name), record.get(field.name)
            if old != new:
                if old is not None:
                    self.sql.execute(
                        "DELETE FROM sf_reference WHERE target = ? AND object = ? AND field = ? AND id = ?",
                        (old, item.name, field.name, id),
                    )
                if new is not None and not new.startswith(_UNTRACKED):
                    self.sql.execute(
                        "INSERT OR IGNORE INTO sf_reference VALUES (?, ?, ?, ?)",
                        (new, item.name, field.name, id),
                    )

        for field in item.blobs:
            new = record.get(field.name)
            if (before or {}).get(field.name) != new:
                self.sql.execute(
                    "DELETE FROM sf_file WHERE object = ? AND id = ? AND field = ?",
                    (item.name, id, field.name),
                )
                if new is not None:
                    self.sql.execute(
                        "INSERT INTO sf_file VALUES (?, ?, ?, ?)", (item.name, id, field.name, new)
                    )

    def forget_field(self, object: str, field: str) -> None:
        """Let no record of the object hold a value of the field, deleted ones neither."""
        rows = self.sql.execute("SELECT id, data FROM sf_record WHERE object = ?", (object,)).fetchall()
        for id, data in rows:
            record = orjson.loads(data)
            if record.pop(field, None) is not None:
                self.sql.execute(
                    "UPDATE sf_record SET data = ? WHERE object = ? AND id = ?",
                    (orjson.dumps(record), object, id),
                )
        for table in ("sf_key", "sf_reference", "sf_file"):
            self.sql.execute(f"DELETE FROM {table} WHERE object = ? AND field = ?", (object, field))

    def forget_object(self, object: str) -> None:
        """Let go of all records of the object."""
        for table in ("sf_record", "sf_key", "sf_reference", "sf_file"):
            self.sql.execute(f"DELETE FROM {table} WHERE object = ?", (object,))

    def bin(self, item: SObject, record: Record, at: str | None, root: str | None) -> None:
        """Mark a record as deleted at `at` together with `root`, or with None as alive again."""
        record["IsDeleted"] = at is not None
        self.put(item, record, record)
        self.sql.execute(
            "UPDATE sf_record SET deleted_at = ?, deleted_with = ? WHERE object = ? AND id = ?",
            (at, root, item.name, record["Id"]),
        )

    def purge(self, item: SObject, record: Record) -> None:
        """Take a record away for good, with its index rows."""
        emptied = {"Id": record["Id"]}
        self.put(item, emptied, record)
        self.sql.execute("DELETE FROM sf_record WHERE object = ? AND id = ?", (item.name, record["Id"]))

    def deleted_with(self, root: str) -> list[tuple[str, str]]:
        """Object and id of everything that went into the bin together with `root`."""
        rows = self.sql.execute("SELECT object, id FROM sf_record WHERE deleted_with = ?", (root,)).fetchall()
        return [(str(row[0]), str(row[1])) for row in rows]

    def deleted_at(self, object: str, id: str) -> str | None:
        row = self.sql.execute(
            "SELECT deleted_at FROM sf_record WHERE object = ? AND id = ?", (object, id)
        ).fetchone()
        return None if row is None else row[0]

    def children(self, id: str) -> list[tuple[str, str, str]]:
        """Object, field and id of every record, deleted ones too, that refers to `id`."""
        rows = self.sql.execute(
            "SELECT object, field, id FROM sf_reference WHERE target = ?", (id,)
        ).fetchall()
        return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]

    def by_key(self, item: SObject, field: Field, value: Any) -> list[str]:
        """Ids of live records with this value of a unique or external-id field."""
        rows = self.sql.execute(
            "SELECT k.id FROM sf_key k JOIN sf_record r ON r.object = k.object AND r.id = k.id"
            " WHERE k.object = ? AND k.field = ? AND k.value = ? AND r.deleted_at IS NULL ORDER BY k.id",
            (item.name, field.name, folded(field, value)),
        ).fetchall()
        return [str(row[0]) for row in rows]

    def reindex(self, item: SObject, fields: Iterable[Field]) -> None:
        """Fill the key table for fields that have become unique or external ids."""
        wanted = list(fields)
        if not wanted:
            return
        for record in list(self.scan(item.name, deleted=True)):
            for field in wanted:
                if record.get(field.name) is not None:
                    self.sql.execute(
                        "INSERT OR IGNORE INTO sf_key VALUES (?, ?, ?, ?)",
                        (item.name, field.name, folded(field, record[field.name]), record["Id"]),
                    )

    def next(self, name: str, by: int = 1) -> int:
        """The next number of a counter, from 1."""
        row = self.sql.execute(
            "INSERT INTO sf_counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?"
            " RETURNING value",
            (name, by, by),
        ).fetchone()
        return int(row[0])

    def new_id(self, prefix: str) -> str:
        """An id that no record has."""
        return mint(prefix, self.next("id:" + prefix))

    def reserve(self, id: str) -> None:
        """An id was given from outside: mint none like it."""
        number = minted_number(id)
        if number:
            self.sql.execute(
                "INSERT INTO sf_counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, ?)",
                ("id:" + id[:3], number, number),
            )

    def state(self, key: str) -> Any:
        row = self.sql.execute("SELECT value FROM sf_state WHERE key = ?", (key,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def set_state(self, key: str, value: Any) -> None:
        self.sql.execute(
            "INSERT INTO sf_state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, orjson.dumps(value).decode()),
        )


def folded(field: Field, value: Any) -> str:
    """The value under which uniqueness is judged: case counts only where the field says so."""
    text = str(value)
    return text if field.describe["caseSensitive"] else text.lower()
