"""Which segments are there, and is each still what it was? The journal as files.

A segment's metadata hold the format's version and the digest of the segment before it, so a missing or
altered one shows; the ledger holds each one's own digest. A compacted segment names those that it
replaces, which stay until the journal is opened again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.errors import Damaged
from migrate.journal.entry import schema
from migrate.ledger.database import Ledger
from migrate.ledger.tables import segments
from migrate.storage import NEW, Storage, at_once, drop, sha256_of, space

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "1"
_REMEDY = "Restore it from a backup; without it a rollback can't name what it holds."


class Chain:
    """The segments of one workspace. Reading needs no lease."""

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self.storage, self.ledger = storage, ledger
        # Of a remote journal, what this process has opened, taken up and written: its numbers are ours alone.
        self.opened: dict[str, str] | None = None  # name -> digest
        self._seen: dict[str, str] = {}  # else what the ledger said when a remote journal was listed last
        self._described: dict[str, dict[str, str]] = {}  # name -> metadata; a segment never changes

    def names(self) -> list[str]:
        """Names of the live segments, in order."""
        names = sorted(self.there(), key=lambda name: (number_of(name), name))
        replaced = self.replaced(names)
        return [name for name in names if name not in replaced]

    def there(self) -> list[str]:
        """Names of all segments, replaced ones too, in no order."""
        if self.opened is not None:
            return list(self.opened)
        if self.storage.remote:
            self._seen = self.digests()
        return [key for key, _ in self.storage.sizes() if key.endswith(".parquet") and "/" not in key]

    def digests(self) -> dict[str, str]:
        """Digests of the segments that the ledger knows."""
        rows = self.ledger.read(sa.select(segments.c.name, segments.c.sha256))
        return {row.name: row.sha256 for row in rows}

    def local(self, name: str) -> Path:
        """A local path of a segment.

        Raises:
            Damaged: it is missing or differs.
        """
        try:
            return self.storage.local(name, (self.opened or self._seen).get(name, ""))
        except FileNotFoundError as error:
            raise Damaged(self.storage.address(name), "is missing", _REMEDY) from error
        except Damaged as error:
            raise Damaged(error.path, error.what, _REMEDY) from error

    def replaced(self, names: Iterable[str]) -> set[str]:
        """Names of segments whose rows stand in a compacted one."""
        replaced: set[str] = set()
        for name in names:
            if is_compacted(name):
                replaced.update(json.loads(self.metadata(name)["replaces"]))
        return replaced

    def metadata(self, name: str) -> dict[str, str]:
        """What a segment says of itself.

        Raises:
            Damaged: it is missing, differs, or is no segment.
        """
        if not self.storage.remote:
            return self._read_metadata(name)
        if name not in self._described:
            self._described[name] = self._read_metadata(name)
        return self._described[name]

    def _read_metadata(self, name: str) -> dict[str, str]:
        import pyarrow.lib
        import pyarrow.parquet as pq

        try:
            found = pq.read_metadata(self.local(name)).metadata or {}
        except (OSError, pyarrow.lib.ArrowException) as error:
            place, words = self.storage.address(name), f"is not a journal segment ({error})"
            raise Damaged(place, words, "Restore it from a backup.") from error
        return {key.decode(): value.decode() for key, value in found.items() if not key.startswith(b"ARROW")}

    def facts(self, name: str) -> dict[str, Any]:
        """A segment's row in the ledger, out of the segment itself."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        metadata, path = self.metadata(name), self.local(name)
        seq = pq.read_table(path, columns=["seq"])["seq"]
        return {
            "name": name,
            "epoch": int(metadata["epoch"]),
            "first_seq": pc.min(seq).as_py(),
            "last_seq": pc.max(seq).as_py(),
            "rows": len(seq),
            "sha256": sha256_of(path),
            "previous": metadata["previous"],
        }

    def put(
        self, tables: Iterable[pa.Table], name: str, *, epoch: int, previous: str, more: dict[str, str]
    ) -> dict[str, Any]:
        """Keep a segment of these tables, which are had one by one; the facts of it.

        Args:
            previous: the digest of the segment that it follows.
            more: what its metadata hold besides.

        Raises:
            NoSpace: the disk refused; nothing is kept.
            Taken: there is a segment of this name.
        """
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        metadata = {"format": FORMAT, "previous": previous, "epoch": str(epoch), **more}
        aside, told = self.storage.aside(name), schema().with_metadata(metadata)
        firsts: list[int] = []
        lasts: list[int] = []
        rows = 0
        try:
            with space(aside):
                with pq.ParquetWriter(aside, told, compression="zstd") as writer:
                    for table in tables:
                        writer.write_table(table.cast(told))
                        firsts.append(pc.min(table["seq"]).as_py())
                        lasts.append(pc.max(table["seq"]).as_py())
                        rows += table.num_rows
                digest = sha256_of(aside)
            self.storage.keep(name, aside, digest, NEW)
        except Exception:
            drop(aside)
            raise
        if self.opened is not None:
            self.opened[name] = digest
        return {
            "name": name,
            "epoch": epoch,
            "first_seq": min(firsts),
            "last_seq": max(lasts),
            "rows": rows,
            "sha256": digest,
            "previous": previous,
        }

    def verify(self) -> None:
        """Check every segment that the ledger knows against its digest, and that each follows another.

        Raises:
            Damaged: a segment is missing or differs. Nothing may be written on top of that.
        """
        names = self.names()
        # Stopped in the midst of a compaction, the ledger still names what the compacted segment replaced.
        replaced = self.replaced(names)
        found = at_once(self.storage, self.storage.find, names)
        digests = {name: each.sha256 for name, each in zip(names, found, strict=True) if each is not None}
        for row in self.ledger.read(sa.select(segments).order_by(segments.c.first_seq)):
            if row.name in replaced:
                continue
            place = self.storage.address(row.name)
            if row.name not in digests:
                raise Damaged(place, "is missing, though the ledger names it", _REMEDY)
            if digests[row.name] != row.sha256:
                raise Damaged(place, "differs from the digest in the ledger", _REMEDY)
        facts = dict(zip(names, at_once(self.storage, self.metadata, names), strict=True))
        seals = (json.loads(each.get("seals", "[]")) for each in facts.values())
        sealed = {"", *digests.values()}.union(*seals)
        for name, each in facts.items():
            if each["previous"] not in sealed:
                place = self.storage.address(name)
                raise Damaged(place, "follows a segment that is missing or was changed", _REMEDY)


def is_compacted(name: str) -> bool:
    """Whether a segment takes the place of others."""
    return name.rpartition("-")[2].startswith("c")


def number_of(name: str) -> int:
    """A segment's number; a compacted one has that of the last segment in it."""
    return int(name.removesuffix(".parquet").rpartition("-")[2].lstrip("c"))
