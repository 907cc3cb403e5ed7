"""Which messages lie in a folder, in which order, and where is each?

The order is fixed: folders and files by the bytes of their names. A message is named by its file's path below
the folder and its number in it (1 but for an mbox), so that its id is the same at every reading, and a
reading goes on after any message. Links of the file system aren't followed. An mbox is cut at lines `From …`
after an empty line, and read line by line, never whole (RFC 4155 and "mboxrd", read 2026-11-26).
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote_from_bytes, unquote_to_bytes

from migrate.errors import UsageError

SUFFIXES = (".eml", ".txt", ".mbox")
MBOX = (".mbox", ".mbx")
CHUNK = 1 << 20
# The line that begins a message of an mbox: an address or name, then a moment with a year.
_FROM = re.compile(rb"From .{1,400}\d{4}[ \t]*\r?\n?$")
_QUOTED = re.compile(rb">+From ")


@dataclass(frozen=True)
class Place:
    """Where one message is. `path`: below the folder; `start`, `size`: its bytes within the file."""

    path: bytes
    number: int
    start: int
    size: int
    modified: datetime
    boxed: bool

    @property
    def id(self) -> str:
        """32 hexadecimal digits, out of path and number."""
        name = self.path if not self.boxed else b"%s#%d" % (self.path, self.number)
        return hashlib.sha256(name).hexdigest()[:32]

    @property
    def cursor(self) -> str:
        return f"{quote_from_bytes(self.path)}#{self.number}"

    @property
    def order(self) -> tuple[list[bytes], int]:
        return self.path.split(b"/"), self.number

    @property
    def name(self) -> str:
        """The path for people."""
        return self.path.decode("utf-8", "backslashreplace")


class Folder:
    """The messages of one folder."""

    def __init__(self, system: str, root: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
        self.root = os.fsencode(root)
        self._suffixes = tuple(os.fsencode(suffix.lower()) for suffix in suffixes)
        if not Path(root).is_dir():
            raise UsageError(
                f"The folder of `{system}`, {root}, isn't there.", "Set FOLDER to where the messages are."
            )

    def files(self) -> Iterator[bytes]:
        """Every file of messages below the folder, in the fixed order."""
        waiting: list[bytes] = [b""]
        while waiting:
            below = waiting.pop()
            if below and not below.endswith(b"/"):
                yield below
                continue
            with os.scandir(self._at(below)) as entries:
                found = [
                    below + entry.name + (b"/" if entry.is_dir(follow_symlinks=False) else b"")
                    for entry in entries
                    if not entry.is_symlink()
                    and (entry.is_dir() or entry.name.lower().endswith(self._suffixes))
                ]
            waiting += sorted(found, key=lambda path: path.rstrip(b"/").split(b"/"), reverse=True)

    def places(self, after: str | None = None) -> Iterator[Place]:
        """Every message after the one that a cursor names.

        Raises:
            UsageError: the text is no cursor.
        """
        done: tuple[list[bytes], int] | None = None
        if after is not None:
            path, mark, number = after.rpartition("#")
            if not mark or not number.isdigit():
                raise UsageError(f"`{after}` is no cursor of a folder of messages.")
            done = unquote_to_bytes(path).split(b"/"), int(number)
        for path_ in self.files():
            if done is not None and path_.split(b"/") < done[0]:
                continue
            for place in self._in(path_):
                if done is None or place.order > done:
                    yield place

    def count(self, since: datetime | None = None) -> int:
        """How many messages: files, and in an mbox the lines that begin one. Opens nothing but mboxes."""
        total = 0
        for path in self.files():
            if since is not None and self._modified(path) < since:
                continue
            if not path.lower().endswith(tuple(os.fsencode(each) for each in MBOX)):
                total += 1
                continue
            with open(self._at(path), "rb") as file:  # noqa: PTH123 - a path of bytes
                blank = True
                for line in file:
                    total += blank and bool(_FROM.match(line))
                    blank = line in (b"\n", b"\r\n")
        return total

    def read(self, place: Place, most: int) -> tuple[bytes, bool]:
        """A message's bytes, up to `most` of them, and whether some are missing."""
        raw = b"".join(self._cut(place, most))
        return raw[:most], place.size > most

    def chunks(self, place: Place) -> Iterator[bytes]:
        """A message's bytes in pieces, all of them."""
        yield from self._cut(place, place.size)

    def _cut(self, place: Place, most: int) -> Iterator[bytes]:
        with open(self._at(place.path), "rb") as file:  # noqa: PTH123
            file.seek(place.start)
            left = min(place.size, most)
            if place.boxed:
                yield from _unquoted(file, left)
                return
            while left > 0 and (piece := file.read(min(CHUNK, left))):
                left -= len(piece)
                yield piece

    def _at(self, path: bytes) -> bytes:
        return self.root + b"/" + path

    def _modified(self, path: bytes) -> datetime:
        return datetime.fromtimestamp(os.stat(self._at(path)).st_mtime, UTC)  # noqa: PTH116

    def _in(self, path: bytes) -> Iterator[Place]:
        found = os.stat(self._at(path))  # noqa: PTH116
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        if not path.lower().endswith(tuple(os.fsencode(each) for each in MBOX)):
            yield Place(path, 1, 0, found.st_size, modified, boxed=False)
            return
        with open(self._at(path), "rb") as file:  # noqa: PTH123
            number = start = at = last = 0
            for line in file:
                if (not at or last) and _FROM.match(line):
                    if number:
                        yield Place(path, number, start, at - start - last, modified, boxed=True)
                    number, start = number + 1, at + len(line)
                # The empty line before the next message is the box's, not the message's.
                last = len(line) if line in (b"\n", b"\r\n") else 0
                at += len(line)
            if number:
                yield Place(path, number, start, max(at - start - last, 0), modified, boxed=True)


def _unquoted(file: IO[bytes], left: int) -> Iterator[bytes]:
    """Lines of an mbox's message, `>From ` as `From ` again."""
    while left > 0 and (line := file.readline(min(CHUNK, left))):
        left -= len(line)
        yield line[1:] if _QUOTED.match(line) else line


class Index:
    """Where the message of an id is; in a file, so that memory doesn't grow with the folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._db: sqlite3.Connection | None = None

    def find(self, id: str) -> Place | None:
        """The message's place, or None where the folder has no such message."""
        if self._db is None:
            self._db = sqlite3.connect("", check_same_thread=False)  # "": a file that nobody else sees
            columns = "id TEXT PRIMARY KEY, path BLOB, number INT, start INT, size INT"
            self._db.execute(f"CREATE TABLE place ({columns})")
            self._db.executemany(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)",
                ((each.id, each.path, each.number, each.start, each.size) for each in self._folder.places()),
            )
            self._db.commit()
        with closing(self._db.execute("SELECT * FROM place WHERE id = ?", (id,))) as found:
            row = found.fetchone()
        if row is None:
            return None
        _, path, number, start, size = row
        boxed = path.lower().endswith(tuple(os.fsencode(each) for each in MBOX))
        return Place(path, number, start, size, datetime.fromtimestamp(0, UTC), boxed)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
