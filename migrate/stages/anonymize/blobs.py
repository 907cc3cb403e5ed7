"""What stands in the place of a file? As many bytes, of a like kind by the first ones, and nothing else.

Bytes are drawn from the key and the file's digest, so equal files come out equal. They are above 127, or of a
few letters and blanks where the file was text, so that no word can come out by chance. Readers of the kind
(a PDF viewer) find a damaged file: what is kept is the size, the kind and who has which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.blobs import CHUNK, read_blob
from migrate.types import BlobRef

if TYPE_CHECKING:
    from migrate.blobs import Blobs
    from migrate.stages.anonymize.cipher import Cipher

MARKS = (
    b"%PDF-1.4", b"%PDF-1.5", b"%PDF-1.7", b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a",
    b"GIF87a", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"RIFF", b"ID3", b"\x1f\x8b", b"BM",
    b"{\\rtf1", b"<?xml",
)  # fmt: skip
_TEXT = bytes(b"qxzj qxzj-qxzj_\n"[n % 16] for n in range(256))  # of which no word is made
_HIGH = bytes(0x80 + n % 0x80 for n in range(256))


def replaced(cipher: Cipher, blobs: Blobs, ref: BlobRef, into: Blobs) -> BlobRef:
    """Write the other file; returns its reference.

    Raises:
        Damaged: the original isn't there, or isn't what its name says.
        NoSpace: the disk refused.
    """
    with into.writer() as out:
        for chunk in _chunks(cipher, read_blob(blobs, ref), ref):
            out.write(chunk)
        return out.finish()


def _chunks(cipher: Cipher, content: Iterator[bytes], ref: BlobRef) -> Iterator[bytes]:
    table = None
    for number, chunk in enumerate(content):
        kept = b""
        if table is None:
            kept = next((mark for mark in MARKS if chunk.startswith(mark)), b"")
            table = _TEXT if not kept and _is_text(chunk[:CHUNK]) else _HIGH
        drawn = cipher.stream(len(chunk) - len(kept), f"{ref.name}|{number}".encode())
        yield kept + drawn.translate(table)


def _is_text(chunk: bytes) -> bool:
    try:
        chunk[:4096].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(chunk[:4096]) - 4 > 0  # cut within a letter
    return b"\0" not in chunk
