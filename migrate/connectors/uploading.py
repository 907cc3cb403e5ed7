"""How is a file sent that is too large for memory? As one multipart body that streams, of known length.

A request whose body isn't whole is executed by nobody. So a write begins to count when its last chunk is
sent, not its first: right before that one `before_write` is asked again, and until then a connection that
breaks leaves no doubt, however long the upload took.

Format: RFC 7578. Names stand in parts of their own, in UTF-8, never in a header.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from migrate.connector import ReadBlob
from migrate.types import BlobRef


@dataclass(frozen=True)
class Upload:
    """A body that can be sent again: `chunks` begins anew at each call."""

    media: str  # content type
    length: int  # bytes
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class TextPart:
    """A part that isn't a file."""

    name: str
    value: str
    media: str = "text/plain; charset=UTF-8"


def multipart(parts: Sequence[TextPart], file: str, ref: BlobRef, blobs: ReadBlob) -> Upload:
    """A multipart body of some texts and, last, one file.

    Args:
        file: the name of the file's part. The file's own name isn't told here.
        blobs: gives the file's bytes; it raises before its last chunk where they are damaged.
    """
    boundary = f"migrate-{secrets.token_hex(16)}"
    head = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"\r\n'
        f"Content-Type: {part.media}\r\n\r\n{part.value}\r\n".encode()
        for part in parts
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file}"; filename="file"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def chunks() -> Iterator[bytes]:
        yield head
        yield from blobs(ref)
        yield tail

    return Upload(f"multipart/form-data; boundary={boundary}", len(head) + ref.bytes + len(tail), chunks)


class Sending:
    """One try of an upload. `whole`: its last chunk has been handed over, so it may be executed."""

    def __init__(self, upload: Upload, before_last: Callable[[], None]) -> None:
        self._chunks, self._before_last = upload.chunks(), before_last
        self.whole = False

    def __iter__(self) -> Iterator[bytes]:
        held: bytes | None = None
        for chunk in self._chunks:
            if held is not None:
                yield held
            held = chunk
        self._before_last()
        self.whole = True
        if held is not None:
            yield held
