"""Which segments are there, and is each still what it was? The journal as files.

A segment's metadata hold the format's version and the digest of the segment before it, so a missing or
altered one shows; the ledger holds each one's own digest. A compacted segment names those that it
replaces, which stay until the journal is opened again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.errors import Damaged
from migrate.journal.entry import schema
from migrate.ledger.database import Ledger
from migrate.ledger.tables import events, segments
from migrate.storage import NEW, Storage, at_once, drop, sha256_of, space

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "1"
TRIES = 3  # of a look over segments that others join meanwhile
LOST = "journal lost"  # the event that names segments which nothing brings back, with their digests
_REMEDY = "Restore it from a backup (`migrate restore`); without it a rollback can't name what it holds."


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with a segment.

    `kind`: missing, altered, truncated, swapped, unreadable or unchained. `first_seq`, `last_seq`: what the
    ledger says that it holds, 0 where the ledger doesn't know it.
    """

    name: str
    place: str
    kind: str
    what: str
    remedy: str
    first_seq: int = 0
    last_seq: int = 0


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
            raise Damaged(place, words, _REMEDY) from error
        return {key.decode(): value.decode() for key, value in found.items() if not key.startswith(b"ARROW")}

    def read_whole(self, name: str) -> None:
        """Compare every page of a segment with its checksum, where it bears one.

        Raises:
            Damaged: a page differs, or the file can't be read.
        """
        import pyarrow.lib
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.local(name), page_checksum_verification=True) as source:
                for batch in source.iter_batches():
                    del batch
        except (OSError, ValueError, pyarrow.lib.ArrowException) as error:
            words = f"can't be read to its end ({str(error).partition(chr(10))[0]})"
            raise Damaged(self.storage.address(name), words, _REMEDY) from error

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
                # Each page bears a checksum, so that a damaged segment still tells which rows it held.
                with pq.ParquetWriter(aside, told, compression="zstd", write_page_checksum=True) as writer:
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

    def audit(self) -> list[Flaw]:
        """Everything that is wrong with the segments, by the ledger's digests and by what each one names.

        Reads every byte of every segment. The newest segment has no other witness than the ledger.
        """
        for _ in range(TRIES):
            known = self.digests()
            flaws = self._flaws()
            if not flaws or self.digests() == known:
                break  # else another process has joined segments while we read
        return flaws

    def _flaws(self) -> list[Flaw]:
        known = {
            row.name: row for row in self.ledger.read(sa.select(segments).order_by(segments.c.first_seq))
        }
        there = sorted(self.there())
        found = at_once(self.storage, self.storage.find, there)
        digests = {name: each.sha256 for name, each in zip(there, found, strict=True) if each is not None}
        altered = [name for name in known if name in digests and digests[name] != known[name].sha256]
        flaws: list[Flaw] = []
        told: dict[str, dict[str, str]] = {}
        for name in digests:
            if name not in altered:
                try:
                    told[name] = self.metadata(name)
                except Damaged as error:
                    flaws.append(Flaw(name, error.path, "unreadable", error.what, error.remedy))
        # Stopped in the midst of a compaction, the ledger still names what the compacted segment replaced.
        replaced = {
            each
            for name, facts in told.items()
            if is_compacted(name)
            for each in json.loads(facts["replaces"])
        }
        for name, row in known.items():
            if name in replaced:
                continue
            if name not in digests:
                words = "is missing, though the ledger names it"
                flaws.append(self._flaw(name, "missing", words, row))
            elif name in altered:
                flaws.append(self._altered(name, row, digests[name], known))
        live = {name: facts for name, facts in told.items() if name not in replaced}
        seals = (json.loads(facts.get("seals", "[]")) for facts in told.values())
        # What the ledger says that a damaged one was is what the next one follows: one flaw, named once.
        expected = {row.sha256 for row in known.values()} | self._let_go()
        sealed = {"", *digests.values(), *expected}.union(*seals)
        for name, facts in live.items():
            if facts["previous"] not in sealed:
                words = "follows a segment that is missing or was changed"
                flaws.append(self._flaw(name, "unchained", words, known.get(name)))
        return sorted(flaws, key=lambda flaw: number_of(flaw.name))

    def _let_go(self) -> set[str]:
        """Digests of segments that are known to be lost; what follows these isn't told of again."""
        rows = self.ledger.read(sa.select(events.c.facts).where(events.c.what == LOST))
        return {digest for row in rows for digest in json.loads(row.facts)["segments"].values()}

    def _flaw(self, name: str, kind: str, words: str, row: Any = None) -> Flaw:
        first, last = (row.first_seq, row.last_seq) if row is not None else (0, 0)
        return Flaw(name, self.storage.address(name), kind, words, _REMEDY, first, last)

    def _altered(self, name: str, row: Any, digest: str, known: Mapping[str, Any]) -> Flaw:
        words, kind = "differs from the digest in the ledger", "altered"
        others = [each.name for each in known.values() if each.sha256 == digest]
        if others:
            kind = "swapped"
            words += f": it holds the bytes of `{others[0]}`"
        elif not self._ended_well(name):
            kind = "truncated"
            words += ": its end is cut off"
        return self._flaw(name, kind, words, row)

    def _ended_well(self, name: str) -> bool:
        """Whether the file ends as Parquet does."""
        with self.storage.open(name) as source:
            tail = b""
            while chunk := source.read(1 << 20):
                tail = (tail + chunk)[-4:]
        return tail == b"PAR1"


def is_compacted(name: str) -> bool:
    """Whether a segment takes the place of others."""
    return name.rpartition("-")[2].startswith("c")


def number_of(name: str) -> int:
    """A segment's number; a compacted one has that of the last segment in it."""
    return int(name.removesuffix(".parquet").rpartition("-")[2].lstrip("c"))
