"""Which contents do the org's files have?

The bytes lie on disk beside the store, named by their SHA-256 (`contents.py`); `sf_content`
says, inside the transaction, how long each is and what its MD5 is. What no record names
any more is swept when the sandbox starts or a store is restored.
"""

import hashlib
import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrate.sandbox.contents import PIECE, Stored
from migrate.sandbox.parts import Part
from migrate.sandbox.store import Tx


@dataclass(frozen=True)
class Blob:
    """One content that is kept."""

    sha256: str
    md5: str
    size: int


def put(tx: Tx, pieces: Iterable[bytes]) -> Blob:
    """Keep a content that comes in pieces."""
    received = tx.contents.incoming()
    strong, weak, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        with received.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                strong.update(piece)
                weak.update(piece)
                size += len(piece)
    except BaseException:
        received.unlink()
        raise
    blob = Blob(strong.hexdigest(), weak.hexdigest(), size)
    tx.contents.keep(received, blob.sha256)
    return _noted(tx.sql, blob)


def take(tx: Tx, part: Part) -> Blob:
    """Keep the content of a part of a multipart request; several records may take the same one."""
    if part.path is None:
        return put(tx, [part.value])
    if part.path.exists():
        tx.contents.keep(part.path, part.sha256)
    return _noted(tx.sql, Blob(part.sha256, part.md5, part.size))


def _noted(sql: sqlite3.Connection, blob: Blob) -> Blob:
    sql.execute("INSERT OR IGNORE INTO sf_content VALUES (?, ?, ?)", (blob.sha256, blob.md5, blob.size))
    return blob


def find(tx: Tx, sha256: str) -> Blob:
    """What is known of a content."""
    row = tx.sql.execute("SELECT sha256, md5, size FROM sf_content WHERE sha256 = ?", (sha256,)).fetchone()
    return Blob(*row)


def stored(tx: Tx, sha256: str) -> Stored:
    """A content as the body of a reply."""
    return Stored(tx.contents.path(sha256), find(tx, sha256).size)


def read(tx: Tx, sha256: str) -> bytes:
    """A content in memory."""
    return tx.contents.path(sha256).read_bytes()


def sweep(tx: Tx) -> None:
    """Remove the contents that no record names."""
    tx.sql.execute("DELETE FROM sf_content WHERE sha256 NOT IN (SELECT sha256 FROM sf_file)")
    tx.contents.sweep({row[0] for row in tx.sql.execute("SELECT sha256 FROM sf_content")})


def generated(size: int, seed: int | str) -> Iterator[bytes]:
    """`size` bytes that depend on `seed` alone, so that a seed document needn't hold them."""
    source = random.Random(seed)  # noqa: S311 - no secret
    while size > 0:
        yield source.randbytes(min(size, PIECE))
        size -= PIECE
