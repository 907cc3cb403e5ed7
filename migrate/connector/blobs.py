"""How do the bytes of files cross? Always as a stream of chunks, never whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from migrate.errors import MigrateError
from migrate.types import BlobRef


class BlobRefused(MigrateError):
    """A source won't give a file's bytes: it is gone, not ours to see, or damaged. The others go on."""

    exit_code = 1

    def __init__(self, system: str, object: str, id: str, code: str, reason: str) -> None:
        self.system, self.object, self.id, self.code, self.reason = system, object, id, code, reason
        super().__init__(system, object, id, code, reason)

    def __str__(self) -> str:
        return f"`{self.system}` doesn't give the file of {self.object} {self.id}: {self.code} {self.reason}"


@runtime_checkable
class ReadsBlobs(Protocol):
    """A source whose objects have fields of `Kind.BINARY`: files."""

    def read_blob(self, object: str, id: str, field: str) -> Iterator[bytes]:
        """The bytes of a record's file in chunks, from its start; never whole in memory.

        Raises:
            BlobRefused: the source won't give it (gone, no access, damaged), and won't later.
            Retriable: it broke off; what came before is void.
            Parked, SystemRefused: as of any other call.
        """
        ...


@runtime_checkable
class TakesBlobs(Protocol):
    """A target whose objects have fields of `Kind.BINARY`; their wire value is a `BlobRef`'s text.

    `blobs`: gives a staged file's bytes in chunks, anew at each call; its digest is checked before the last
    chunk comes, so a damaged file is never sent whole. Set before the first write.
    """

    blobs: ReadBlob


ReadBlob = Callable[[BlobRef], Iterator[bytes]]
