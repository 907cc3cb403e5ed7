"""Where do the bytes of files lie, once each? By SHA-256, in the workspace's storage.

A blob is written aside while it is hashed, and then kept whole under its digest: what has a name is whole,
and the same bytes have one name however many records hold them. Nothing here holds a file in memory: bytes
come and go in chunks. A blob is read with its digest checked on the way, so that what lies there damaged is
never passed on as the file that it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from migrate.errors import Damaged
from migrate.storage import Storage, drop, space, storage_of
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


class StoredBlobs:
    """Blobs of a workspace: `ab/cdef…` by the digest's hex digits, in a folder or on S3."""

    def __init__(self, place: Path | Storage) -> None:
        self.storage = storage_of(place)

    def has(self, name: str) -> bool:
        return self.storage.has(_key(name))

    def open(self, name: str) -> IO[bytes]:
        try:
            return self.storage.open(_key(name))
        except FileNotFoundError as error:
            raise Damaged(f"blob {name}", "isn't there", REMEDY) from error

    def writer(self) -> BlobWriter:
        return _Writer(self.storage)

    def names(self) -> Iterator[tuple[str, int]]:
        for key, size in self.storage.sizes():
            if len(key) == 65 and key[2] == "/":
                yield key[:2] + key[3:], size

    def set_aside(self, name: str) -> None:
        self.storage.set_aside(_key(name))

    def clean(self, stale: float = STALE) -> None:
        self.storage.clean(_WRITING, stale)

    def room(self) -> int | None:
        return self.storage.room()


_WRITING = "writing"


def _key(name: str) -> str:
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise Damaged(f"blob {name[:80]}", "isn't the name of a blob", REMEDY)
    return f"{name[:2]}/{name[2:]}"


class _Writer:
    """Writes one blob aside, on the disk from which the storage takes it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._digest, self._size = hashlib.sha256(), 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._aside: Path | None = None
        self._out: IO[bytes] | None = None

    def __enter__(self) -> _Writer:
        self._aside = self._storage.aside(f"{_WRITING}/{uuid.uuid4().hex}")
        with space(self._aside):
            self._out = self._aside.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out is not None:
            with contextlib.suppress(OSError):  # what is thrown away needs no flush
                self._out.close()
        if self._aside is not None:
            drop(self._aside)

    def write(self, chunk: bytes) -> None:
        out, aside = self._open()
        self._digest.update(chunk)
        self._md5.update(chunk)
        self._size += len(chunk)
        with space(aside):
            out.write(chunk)

    def finish(self) -> BlobRef:
        (out, aside), ref = self._open(), BlobRef(self._digest.hexdigest(), self._size, self._md5.hexdigest())
        with space(aside):
            out.close()
        key = _key(ref.name)
        # A journey is saved for a file that is there; in a folder the rename costs nothing.
        if not (self._storage.remote and self._storage.has(key)):
            self._storage.keep(key, aside, ref.name, again=False)
        self._out = None
        return ref

    def _open(self) -> tuple[IO[bytes], Path]:
        if self._out is None or self._aside is None:
            raise ValueError("this blob isn't being written")
        return self._out, self._aside
