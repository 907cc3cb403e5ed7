"""Where do the bytes of files lie, once each? By SHA-256, in a folder; a store elsewhere offers the same.

A blob is written aside while it is hashed, flushed to disk, and renamed to its digest: what has a name is
whole, and the same bytes have one name however many records hold them. Nothing here holds a file in memory:
bytes come and go in chunks. A blob is read with its digest checked on the way, so that what lies there
damaged is never passed on as the file that it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from migrate.errors import Damaged
from migrate.storage import drop, flush_folder, space
from migrate.types import BlobRef

CHUNK = 1 << 18  # bytes
STALE = 3600.0  # seconds; a blob that is being written gets a chunk more often than that


class BlobWriter(Protocol):
    """Takes the bytes of one blob. Left without `finish`, nothing of it stays."""

    def __enter__(self) -> BlobWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            NoSpace: the store refused.
        """
        ...

    def finish(self) -> BlobRef:
        """Make the blob durable under its digest; writing one that is there already changes nothing.

        Raises:
            NoSpace: the store refused.
        """
        ...


class Blobs(Protocol):
    """A store of blobs, by the SHA-256 of their bytes (64 hex digits)."""

    def has(self, name: str) -> bool:
        """Whether the blob is there, whole."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """The blob's bytes, from the start; the caller closes it. Read it through `read_blob`.

        Raises:
            Damaged: it isn't there.
        """
        ...

    def writer(self) -> BlobWriter:
        """A new blob."""
        ...

    def names(self) -> Iterator[tuple[str, int]]:
        """Name and size in bytes of every blob."""
        ...

    def set_aside(self, name: str) -> None:
        """Take a damaged blob out of the way; from then on it isn't there."""
        ...

    def clean(self) -> None:
        """Remove what processes that died left unfinished: what nobody has written to for `STALE` seconds."""
        ...

    def room(self) -> int | None:
        """Bytes that are free where blobs lie; None where that has no bound."""
        ...


def read_blob(blobs: Blobs, ref: BlobRef) -> Iterator[bytes]:
    """The blob's bytes in chunks. The last one comes only after the digest of all of them was found right, so
    that whoever sends the chunks on never completes a damaged file.

    Raises:
        Damaged: the blob isn't there, or isn't what its name says; it is then set aside.
    """
    digest, size, held = hashlib.sha256(), 0, b""
    with blobs.open(ref.name) as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if held:
                yield held
            held = chunk
    if digest.hexdigest() != ref.name or size != ref.bytes:
        blobs.set_aside(ref.name)
        raise Damaged(f"blob {ref.name}", "isn't what its name says and was set aside", REMEDY)
    if held:
        yield held


REMEDY = "Run `migrate extract` again; it downloads the file anew."


class FolderBlobs:
    """Blobs in a folder: `ab/cdef…` by the digest's hex digits."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise Damaged(f"blob {name[:80]}", "isn't the name of a blob", REMEDY)
        return self.root / name[:2] / name[2:]

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._path(name).open("rb")
        except FileNotFoundError as error:
            raise Damaged(f"blob {name}", "isn't there", REMEDY) from error

    def writer(self) -> BlobWriter:
        return _FolderWriter(self.root, self._path)

    def names(self) -> Iterator[tuple[str, int]]:
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            if len(path.name) == 62:
                yield path.parent.name + path.name, path.stat().st_size

    def set_aside(self, name: str) -> None:
        path = self._path(name)
        with contextlib.suppress(FileNotFoundError):  # somebody else has found it out too
            path.replace(path.with_name(f"{path.name}.damaged"))

    def clean(self, stale: float = STALE) -> None:
        for path in (self.root / ".aside").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - path.stat().st_mtime >= stale:
                    drop(path)

    def room(self) -> int | None:
        with space(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.root).free


class _FolderWriter:
    """Writes one blob beside the others' folders; one disk, so that a rename is all it takes."""

    def __init__(self, root: Path, path: _Place) -> None:
        self._root, self._place = root, path
        self._aside = root / ".aside" / uuid.uuid4().hex
        self._digest, self._size = hashlib.sha256(), 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._out: IO[bytes] | None = None

    def __enter__(self) -> _FolderWriter:
        with space(self._aside):
            self._aside.parent.mkdir(parents=True, exist_ok=True)
            self._out = self._aside.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out is not None:
            with contextlib.suppress(OSError):  # what is thrown away needs no flush
                self._out.close()
            drop(self._aside)
            self._out = None

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._md5.update(chunk)
        self._size += len(chunk)
        with space(self._aside):
            self._open().write(chunk)

    def finish(self) -> BlobRef:
        out, ref = self._open(), BlobRef(self._digest.hexdigest(), self._size, self._md5.hexdigest())
        path = self._place(ref.name)
        with space(path):
            out.flush()
            os.fsync(out.fileno())
            out.close()
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                flush_folder(self._root)
            self._aside.replace(path)
            flush_folder(path.parent)
        self._out = None
        return ref

    def _open(self) -> IO[bytes]:
        if self._out is None:
            raise ValueError("this blob isn't being written")
        return self._out


class _Place(Protocol):
    def __call__(self, name: str) -> Path: ...
