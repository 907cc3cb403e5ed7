"""What does every place for a workspace's files offer? One small protocol.

A *key* is a path below the storage's root, with `/`, and no part of it begins with a dot. A *tag* names one
version of a small object, so that a writer can say which one it means to replace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol, TypeVar

ANY = "*"  # as a tag: whatever is there is replaced
NEW = ""  # as a tag: nothing may be there
SIDE_BY_SIDE = 8  # calls at once to a storage that is far away

T = TypeVar("T")
R = TypeVar("R")


class Taken(Exception):
    """Somebody else has written this object meanwhile; nothing of ours is there."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


@dataclass(frozen=True)
class Found:
    """What lies under a key. `sha256` is over its bytes, in hex."""

    bytes: int
    sha256: str


class Storage(Protocol):
    """A root and what lies below it.

    `remote`: it isn't this machine's. Its objects can't be renamed, a key that must be new goes to one
    writer only, and what is read from it is a local copy.

    Every method raises NoSpace where the disk refuses; a remote one also Parked (it is out of reach), and
    SystemRefused (credentials, rights, no such bucket).
    """

    remote: bool

    def address(self, key: str = "") -> str:
        """How people call it: a path, or `s3://bucket/prefix/key`."""
        ...

    def below(self, key: str) -> Storage:
        """The same storage, seen from further down."""
        ...

    def read(self, key: str) -> tuple[bytes, str]:
        """A small object, and its tag.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def tag(self, key: str) -> str:
        """The tag of what lies there now; NEW where there is nothing."""
        ...

    def write(self, key: str, content: bytes, over: str = ANY) -> str:
        """Write a small object, whole; returns its tag. A reader sees the old one or the new one.

        Args:
            over: the tag of what it may replace. A folder doesn't look: there a lock keeps writers apart.

        Raises:
            Taken: something else is there.
        """
        ...

    def aside(self, key: str) -> Path:
        """A local path where a file is to be written before it is kept under `key`."""
        ...

    def keep(self, key: str, aside: Path, sha256: str, over: str = ANY, *, again: bool = True) -> None:
        """Take a file that was written aside; when this returns, it is durable under its key.

        Args:
            again: it will be read again, so that a local copy is of use.

        Raises:
            Taken: something else is there.
        """
        ...

    def local(self, key: str, sha256: str = "") -> Path:
        """A local path from which it can be read as often as one likes, while this process runs.

        Args:
            sha256: what it must be; of a remote object it is compared.

        Raises:
            FileNotFoundError: it isn't there.
            Damaged: it differs.
        """
        ...

    def open(self, key: str) -> IO[bytes]:
        """Its bytes, as a stream that nothing has compared with a digest.

        Raises:
            FileNotFoundError: it isn't there.
        """
        ...

    def has(self, key: str) -> bool:
        """Whether something lies there."""
        ...

    def find(self, key: str) -> Found | None:
        """What lies there, by its bytes."""
        ...

    def keys(self, under: str = "") -> list[str]:
        """Every key below a folder, sorted."""
        ...

    def folders(self, under: str = "") -> list[str]:
        """Names of the folders just below a folder, sorted."""
        ...

    def sizes(self, under: str = "") -> Iterator[tuple[str, int]]:
        """Every key below a folder, with its size in bytes."""
        ...

    def older(self, under: str, than: timedelta) -> list[str]:
        """Keys below a folder that were written longer ago than that."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove them, if they are there."""
        ...

    def set_aside(self, key: str) -> str:
        """Take a damaged one out of the way; returns its new name. Nothing is lost."""
        ...

    def room(self) -> int | None:
        """Bytes that are free; None where that has no bound."""
        ...

    def prove(self) -> None:
        """Make sure that it keeps two writers apart where it must.

        Raises:
            SystemRefused: it doesn't.
        """
        ...

    def clean(self, under: str = "", idle: float = 0.0) -> None:
        """Remove what writers that died left unfinished there: what nobody wrote to for so many seconds."""
        ...


def at_once(storage: Storage, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do the same with many keys; several at once where each costs a journey."""
    if not storage.remote or len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(items)), thread_name_prefix="storage") as pool:
        return list(pool.map(do, items))
