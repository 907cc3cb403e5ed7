"""How does the portal keep files and folders?

`hs_file` holds one row a file and `hs_folder` one a folder; contents lie beside the store, named by their
SHA-256, and several files may have the same. Of two live files in one folder no two have the same name and
extension, and of live folders no two the same path. Every write is logged here, whoever makes it.

Facts: HubSpot, "Files" and "Folders" of the API reference; knowledge base, "Archive, delete, or restore
files" (30 days in the trash, then deleted for good); read 2026-11-26.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from migrate.sandbox.hubspot import media, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.values import EPOCH, iso
from migrate.sandbox.store import Tx

EXPIRE, EMPTY, DROP = "file:expire", "file:empty-trash", "file:drop"
TRASH_DAYS: Final = 30
_EXTENSION: Final = re.compile(r"[A-Za-z0-9]{1,10}")
FIRST_ID: Final = 171_000_000_003
PUBLIC: Final = frozenset(
    {"PUBLIC_INDEXABLE", "PUBLIC_NOT_INDEXABLE", "HIDDEN_INDEXABLE", "HIDDEN_NOT_INDEXABLE"}
)
DDL: Final = (
    """CREATE TABLE IF NOT EXISTS hs_file (
        id INTEGER PRIMARY KEY, folder INTEGER, name TEXT NOT NULL, extension TEXT NOT NULL,
        access TEXT NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL, sha256 TEXT NOT NULL,
        type TEXT NOT NULL, encoding TEXT, width INTEGER, height INTEGER, usable INTEGER NOT NULL,
        expires INTEGER, created TEXT NOT NULL, updated TEXT NOT NULL, archived_at TEXT,
        purged INTEGER NOT NULL, source TEXT NOT NULL, source_id TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS hs_file_name ON hs_file (folder, name, extension)",
    "CREATE INDEX IF NOT EXISTS hs_file_md5 ON hs_file (md5)",
    "CREATE INDEX IF NOT EXISTS hs_file_sha256 ON hs_file (sha256)",
    """CREATE TABLE IF NOT EXISTS hs_folder (
        id INTEGER PRIMARY KEY, parent INTEGER, name TEXT NOT NULL, path TEXT NOT NULL,
        created TEXT NOT NULL, updated TEXT NOT NULL, archived_at TEXT)""",
    "CREATE INDEX IF NOT EXISTS hs_folder_path ON hs_folder (path)",
    "CREATE INDEX IF NOT EXISTS hs_folder_parent ON hs_folder (parent)",
    "CREATE TABLE IF NOT EXISTS hs_task (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
)


@dataclass
class File:
    """A row of `hs_file`; `expires` is in epoch milliseconds, `archived_at` says that it is in the trash."""

    id: int
    folder: int | None
    name: str
    extension: str
    access: str
    size: int
    md5: str
    sha256: str
    type: str
    encoding: str | None
    width: int | None
    height: int | None
    usable: bool
    expires: int | None
    created: str
    updated: str
    archived_at: str | None = None
    purged: bool = False
    source: str = ""
    source_id: str = ""

    @property
    def whole_name(self) -> str:
        """Name with extension."""
        return f"{self.name}.{self.extension}" if self.extension else self.name

    @property
    def hidden(self) -> bool:
        """Whether the files tool doesn't show it."""
        return self.access.startswith("HIDDEN_")


@dataclass
class Folder:
    """A row of `hs_folder`; `path` begins with a slash."""

    id: int
    parent: int | None
    name: str
    path: str
    created: str
    updated: str
    archived_at: str | None = None


@dataclass(frozen=True)
class Body:
    """A content that the store has."""

    size: int
    md5: str
    sha256: str
    head: bytes

    @classmethod
    def at(cls, path: Path, size: int, md5: str, sha256: str) -> Body:
        """The content that lies at `path`."""
        with path.open("rb") as file:
            return cls(size, md5, sha256, file.read(media.HEAD))


def _columns(kind: type[File] | type[Folder]) -> str:
    return ", ".join(field.name for field in fields(kind))


def files(sql: sqlite3.Connection, where: str = "1", values: Sequence[Any] = ()) -> Iterator[File]:
    """Files of a condition, in the trash and purged too."""
    for row in sql.execute(f"SELECT {_columns(File)} FROM hs_file WHERE {where}", tuple(values)):
        file = File(*row)
        file.usable, file.purged = bool(file.usable), bool(file.purged)
        yield file


def folders(sql: sqlite3.Connection, where: str = "1", values: Sequence[Any] = ()) -> Iterator[Folder]:
    """Folders of a condition, in the trash too."""
    for row in sql.execute(f"SELECT {_columns(Folder)} FROM hs_folder WHERE {where}", tuple(values)):
        yield Folder(*row)


def live(sql: sqlite3.Connection, id: int | None) -> File | None:
    """The file of this id, unless it is in the trash or purged."""
    return next(files(sql, "id = ? AND archived_at IS NULL AND purged = 0", (id,)), None)


def folder(sql: sqlite3.Connection, id: int | None) -> Folder | None:
    """The live folder of this id."""
    return next(folders(sql, "id = ? AND archived_at IS NULL", (id,)), None)


def folder_at(sql: sqlite3.Connection, path: str) -> Folder | None:
    """The live folder of this path."""
    return next(folders(sql, "path = ? AND archived_at IS NULL", (normal(path),)), None)


def file_at(sql: sqlite3.Connection, path: str) -> File | None:
    """The live file of this path."""
    place, _, last = normal(path).rpartition("/")
    within = folder_at(sql, place) if place else None
    if place and within is None:
        return None
    return named(sql, within.id if within else None, *split(last))


def named(sql: sqlite3.Connection, folder: int | None, name: str, extension: str) -> File | None:
    """The live file of this name in a folder; None is the root."""
    where = "folder IS ? AND name = ? AND extension = ? AND archived_at IS NULL AND purged = 0"
    return next(files(sql, where, (folder, name, extension)), None)


def normal(path: str) -> str:
    """A path with one slash before each of its names; empty for the root."""
    return "".join(f"/{name}" for name in path.split("/") if name)


def split(whole: str) -> tuple[str, str]:
    """Name and extension; what follows the last dot is none unless it could be one: `v1.2 final` has none."""
    name, _, extension = whole.rpartition(".")
    return (name, extension) if name and _EXTENSION.fullmatch(extension) else (whole, "")


def path_of(sql: sqlite3.Connection, file: File) -> str:
    """A file's path, with its name and extension."""
    found = next(folders(sql, "id = ?", (file.folder,)), None)
    return f"{found.path if found else ''}/{file.whole_name}"


def put(sql: sqlite3.Connection, row: File | Folder) -> None:
    """Keep a row."""
    table, values = ("hs_file" if isinstance(row, File) else "hs_folder"), tuple(asdict(row).values())
    sql.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(values))})", values)


def new_id(sql: sqlite3.Connection) -> int:
    """An id of a file or a folder; they are no record ids."""
    return tables.take_number(sql, "last_file", FIRST_ID, 7)


def told(sql: sqlite3.Connection, file: File) -> dict[str, Any]:
    """A file as the truth and the log show it."""
    return {
        "id": str(file.id),
        "name": file.whole_name,
        "path": path_of(sql, file),
        "folder": None if file.folder is None else str(file.folder),
        "size": file.size,
        "sha256": file.sha256,
        "md5": file.md5,
        "access": file.access,
        "archived": file.archived_at is not None,
        "archivedAt": file.archived_at,
        "purged": file.purged,
        "expiresAt": file.expires,
        "isUsableInContent": file.usable,
        "createdAt": file.created,
        "updatedAt": file.updated,
        "source": file.source,
        "sourceId": file.source_id,
    }


def folder_told(folder: Folder) -> dict[str, Any]:
    """A folder as the truth and the log show it."""
    return {
        "id": str(folder.id),
        "name": folder.name,
        "path": folder.path,
        "parent": None if folder.parent is None else str(folder.parent),
        "archived": folder.archived_at is not None,
        "archivedAt": folder.archived_at,
        "createdAt": folder.created,
        "updatedAt": folder.updated,
    }


def free_name(sql: sqlite3.Connection, folder: int | None, name: str, extension: str) -> str:
    """The name itself, or with the first number that makes it free in the folder."""
    free, number = name, 0
    while named(sql, folder, free, extension) is not None:
        number += 1
        free = f"{name}-{number}"
    return free


def write(call: Call, file: File, before: dict[str, Any] | None, op: str, note: str = "") -> None:
    """Keep a file, log the write and see to its expiry."""
    file.updated = call.stamp
    put(call.sql, file)
    call.log(op, "files", str(file.id), before, told(call.sql, file), note)
    if file.expires is not None:
        left = file.expires / 1000 - call.now.timestamp()
        call.tx.later(max(left, 0.0), EXPIRE, {"id": file.id})


def trash(call: Call, file: File) -> None:
    """Put a file into the trash."""
    before = told(call.sql, file)
    file.archived_at = call.stamp
    write(call, file, before, "delete")
    call.tx.later(TRASH_DAYS * 86_400.0, EMPTY, {"id": file.id})


def restore(call: Call, file: File) -> None:
    """Take a file out of the trash; its folder comes back with it, its name may need a number.

    Raises:
        ApiError: it isn't there, or no longer.
    """
    if file.purged or file.archived_at is None:
        raise ApiError(404, f"File {file.id} can't be restored", "OBJECT_NOT_FOUND")
    before, file.folder = told(call.sql, file), _revived(call, file.folder)
    file.name = free_name(call.sql, file.folder, file.name, file.extension)
    file.archived_at = None
    write(call, file, before, "undelete")


def _revived(call: Call, id: int | None) -> int | None:
    """The live folder in whose place a folder was, out of the trash if need be."""
    found = next(folders(call.sql, "id = ?", (id,)), None)
    if found is None or found.archived_at is None:
        return None if found is None else found.id
    above = folder(call.sql, _revived(call, found.parent))
    path = f"{above.path if above else ''}/{found.name}"
    if (held := folder_at(call.sql, path)) is not None:
        return held.id
    found.parent, found.path, found.archived_at = above.id if above else None, path, None
    put(call.sql, found)
    return found.id


def purge(call: Call, file: File, note: str) -> None:
    """Delete a file for good, its content too unless another file has the same."""
    before = told(call.sql, file)
    file.archived_at, file.purged, file.expires = file.archived_at or call.stamp, True, None
    write(call, file, before, "delete", note)
    call.tx.later(0.0, DROP, {"sha256": file.sha256})


def expire(call: Call, id: int) -> None:
    """Delete a file whose time is over, for good."""
    file = next(files(call.sql, "id = ? AND purged = 0", (id,)), None)
    if file is not None and file.expires is not None and file.expires <= millis(call):
        purge(call, file, "expired")


def sweep(tx: Tx) -> None:
    """Remove contents that no file has any longer."""
    named = {sha for (sha,) in tx.sql.execute("SELECT DISTINCT sha256 FROM hs_file WHERE purged = 0")}
    tx.contents.sweep(named)


def empty(call: Call, id: int) -> None:
    """Delete a file for good that has been in the trash for as long as files may."""
    file = next(files(call.sql, "id = ? AND purged = 0", (id,)), None)
    oldest = iso(call.now - timedelta(days=TRASH_DAYS))
    if file is not None and file.archived_at is not None and file.archived_at <= oldest:
        purge(call, file, "trash")


def drop(tx: Tx, digest: str) -> None:
    """Remove a content, if no file has it any longer."""
    if tx.sql.execute("SELECT 1 FROM hs_file WHERE sha256 = ? AND purged = 0", (digest,)).fetchone() is None:
        tx.contents.path(digest).unlink(missing_ok=True)


def millis(call: Call) -> int:
    """Now, in epoch milliseconds."""
    return int((call.now - EPOCH) / timedelta(milliseconds=1))
