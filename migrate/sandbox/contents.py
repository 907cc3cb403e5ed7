"""Where do the contents of files lie, which are too large for the store's tables?

Beside the store, one file for each content, named by its SHA-256 and never changed once it is there. So a
transaction that is undone leaves at most a content that nobody names, which the next sweep removes, and a
copy of the store needs no copy of the bytes: it links them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PIECE = 1 << 18


class Contents:
    """The contents beside one store: `<data>/files/<two digits>/<digest>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # what a killed process left half received

    def incoming(self) -> Path:
        """A new, empty file for what is being received; who asked for it removes it or has it kept."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._incoming)
        os.close(handle)
        return Path(name)

    def path(self, digest: str) -> Path:
        """Where the content of this SHA-256 lies."""
        return self.folder / digest[:2] / digest

    def keep(self, received: Path, digest: str) -> None:
        """Take over a received file as the content of this SHA-256."""
        place = self.path(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        received.replace(place)

    def put(self, content: bytes) -> str:
        """Keep these bytes; gives their SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        received = self.incoming()
        received.write_bytes(content)
        self.keep(received, digest)
        return digest

    def sweep(self, named: Collection[str]) -> int:
        """Remove every content that isn't among `named`; gives how many. Who reads one reads on."""
        gone = [path for path in self._all() if path.name not in named]
        for path in gone:
            path.unlink()
        return len(gone)

    def save(self, to: Path) -> None:
        """Link all contents into the folder `to`, replacing it; without contents there is no such folder."""
        shutil.rmtree(to, ignore_errors=True)
        for path in self._all():
            _link(path, to / path.name)

    def restore(self, source: Path) -> None:
        """Take in what `save` left in the folder `source`, if there is one."""
        for path in source.iterdir() if source.is_dir() else ():
            if not self.path(path.name).exists():
                _link(path, self.path(path.name))

    def _all(self) -> list[Path]:
        return [path for path in self.folder.glob("??/*") if path.is_file()]


def _link(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:  # another file system
        shutil.copyfile(path, to)


@dataclass(frozen=True)
class Stored:
    """A body that lies on disk: `length` bytes of the file `path`, from `start` on."""

    path: Path
    length: int
    start: int = 0

    def whole(self) -> bytes:
        """All of it in memory."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.length)


class Opened:
    """A stored body that can be read to its end even when its file is removed meanwhile."""

    def __init__(self, stored: Stored) -> None:
        self._file = stored.path.open("rb", buffering=0)
        self._start, self.length = stored.start, stored.length

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end`, a piece at a time."""
        self._file.seek(self._start + start)
        while start < end and (piece := self._file.read(min(PIECE, end - start))):
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Let the file go; may be called again."""
        with suppress(OSError):
            self._file.close()
