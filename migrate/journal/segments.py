"""How does an entry become durable? In groups: one segment for all the batches that wait.

A segment is closed when every working thread waits for it, or after 0.2 s; it is written aside,
flushed and renamed, and only then does `append` return. Its metadata hold the format's version
and the digest of the segment before it, so a missing or altered one shows. Names carry the
lease's epoch: a stale process can't overwrite a segment of its successor.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.clock import stamp
from migrate.errors import Damaged, NoSpace
from migrate.journal.entry import DUCKDB, Entry, schema
from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.leases import Lease
from migrate.ledger.tables import segments
from migrate.storage import drop, flush_folder, sha256_of, space

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "1"
GROUP_SECONDS = 0.2
COMPACT_BYTES = 32_000_000


class Journal:
    """All segments of a workspace. Reading needs no lease; `append` does."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder, self.ledger = folder, ledger
        self._lease: Lease | None = None
        self._condition = threading.Condition()
        self._buffer: list[Entry] = []
        self._group = 0  # number of the group that is being gathered
        self._flushed = 0  # groups below this one are durable (or failed)
        self._failed: dict[int, Exception] = {}
        self._flushing = False
        self._waiting = 0
        self._unregistered: list[dict[str, Any]] = []
        self._next_seq, self._next_number, self._previous = 1, 1, ""
        self.workers = 1  # threads that may wait at the same time

    # -- reading ------------------------------------------------------------------------------

    def files(self) -> list[str]:
        """Paths of all live segments, in order of their sequence."""
        return [str(path) for path in self._paths()]

    def _paths(self) -> list[Path]:
        paths = sorted(self.folder.glob("*.parquet"), key=lambda path: (_number(path), path.name))
        replaced = self._replaced(paths)
        return [path for path in paths if path.name not in replaced]

    def _replaced(self, paths: Iterable[Path]) -> set[str]:
        """Names of segments whose rows stand in a compacted one."""
        replaced: set[str] = set()
        for path in paths:
            if "-c" in path.name:
                replaced.update(json.loads(self._metadata(path)["replaces"]))
        return replaced

    @staticmethod
    def _metadata(path: Path) -> dict[str, str]:
        import pyarrow.lib
        import pyarrow.parquet as pq

        try:
            found = pq.read_metadata(path).metadata or {}
        except (OSError, pyarrow.lib.ArrowException) as error:
            raise Damaged(
                str(path), f"is not a journal segment ({error})", "Restore it from a backup."
            ) from error
        return {key.decode(): value.decode() for key, value in found.items() if not key.startswith(b"ARROW")}

    def verify(self) -> None:
        """Check every segment that the ledger knows against its digest, and that each follows another.

        Raises:
            Damaged: a segment is missing or differs. Nothing may be written on top of that.
        """
        paths = self._paths()
        live = {path.name for path in paths}
        # Stopped in the midst of a compaction, the ledger still names what the compacted segment replaced.
        replaced = self._replaced(paths)
        remedy = "Restore it from a backup; without it a rollback can't name what it holds."
        digests = {path.name: sha256_of(path) for path in paths}
        for row in self.ledger.read(sa.select(segments).order_by(segments.c.first_seq)):
            if row.name in replaced:
                continue
            path = self.folder / row.name
            if row.name not in live:
                raise Damaged(str(path), "is missing, though the ledger names it", remedy)
            if digests[row.name] != row.sha256:
                raise Damaged(str(path), "differs from the digest in the ledger", remedy)
        facts = {path: self._metadata(path) for path in paths}
        seals = (json.loads(each.get("seals", "[]")) for each in facts.values())
        sealed = {"", *digests.values()}.union(*seals)
        for path, each in facts.items():
            if each["previous"] not in sealed:
                raise Damaged(str(path), "follows a segment that is missing or was changed", remedy)

    def source(self) -> str:
        """The journal as a DuckDB table expression; empty, but of the right shape, where there is none."""
        files = self.files()
        if files:
            listed = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
            return f"read_parquet([{listed}])"
        columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in DUCKDB.items())
        return f"(SELECT {columns} WHERE false)"

    # -- writing ------------------------------------------------------------------------------

    def open(self, lease: Lease) -> None:
        """Get ready to append under this lease: find the chain's end, take up what a crash left."""
        self._lease = lease
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self.folder.glob(".*.aside"):
            path.unlink()
        self._drop_unnamed()
        self.verify()
        self._end_compaction(lease)
        self._drop_replaced()
        known = {row.name: row for row in self.ledger.read(sa.select(segments))}
        for path in self._paths():
            facts = self._facts(path) if path.name not in known else dict(known[path.name]._mapping)
            self._next_seq = max(self._next_seq, facts["last_seq"] + 1)
            self._next_number = max(self._next_number, _number(path) + 1)
            self._previous = facts["sha256"]
            if path.name not in known:
                self._unregistered.append(facts)

    def _facts(self, path: Path) -> dict[str, Any]:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        metadata = self._metadata(path)
        seq = pq.read_table(path, columns=["seq"])["seq"]
        return {
            "name": path.name,
            "epoch": int(metadata["epoch"]),
            "first_seq": pc.min(seq).as_py(),
            "last_seq": pc.max(seq).as_py(),
            "rows": len(seq),
            "sha256": sha256_of(path),
            "previous": metadata["previous"],
        }

    def _drop_unnamed(self) -> None:
        """Of a compaction that the ledger never heard of, what it was to replace holds, while it is whole."""
        known = {row.name for row in self.ledger.read(sa.select(segments.c.name))}
        for path in list(self.folder.glob("*-c*.parquet")):
            replaced = self._replaced([path])
            if path.name not in known and all((self.folder / name).exists() for name in replaced):
                path.unlink()

    def _end_compaction(self, lease: Lease) -> None:
        """Let the ledger name a compacted segment that a crash left unnamed, instead of what it replaced."""
        paths = self._paths()
        replaced = self._replaced(paths)
        known = {row.name for row in self.ledger.read(sa.select(segments.c.name))}
        fresh = [path for path in paths if "-c" in path.name and path.name not in known]
        if not fresh and not known & replaced:
            return
        with self.ledger.write(lease) as tx:
            tx.sql.execute(segments.delete().where(segments.c.name.in_(sorted(known & replaced))))
            for path in fresh:
                tx.put(segments, **self._facts(path))

    def _drop_replaced(self) -> None:
        live = set(self._paths())
        for path in self.folder.glob("*.parquet"):
            if path not in live:
                path.unlink()

    def append(self, entries: Iterable[Entry]) -> None:
        """Make entries durable; returns when they are on disk.

        Raises:
            NoSpace: the disk refused; the entries are not there and nothing may be sent on them.
        """
        rows = list(entries)
        if not rows:
            return
        with self._condition:
            group = self._group
            self._buffer.extend(rows)
            self._waiting += 1
            until = time.monotonic() + GROUP_SECONDS
            try:
                while self._flushed <= group:
                    left = until - time.monotonic()
                    mine = not self._flushing and self._group == group
                    if mine and (self._waiting >= self.workers or left <= 0):
                        self._flush_group()
                    else:
                        self._condition.wait(max(left, 0.01))
            finally:
                self._waiting -= 1
                self._condition.notify_all()
            if error := self._failed.get(group):
                raise error

    def _flush_group(self) -> None:
        """Write the gathered entries as one segment; the condition is held, and let go while writing."""
        self._flushing = True
        group, self._group = self._group, self._group + 1
        rows, self._buffer = self._buffer, []
        self._condition.release()
        error: Exception | None = None
        facts: dict[str, Any] = {}
        try:
            facts = self._write(rows)
        except Exception as caught:  # noqa: BLE001 - every waiting thread raises it
            error = caught
        except BaseException:  # a signal: the others must not wait for ever for what was not written
            error = RuntimeError("stopped while the journal was written")
            raise
        finally:
            self._condition.acquire()
            self._ended(group, error, facts)

    def _ended(self, group: int, error: Exception | None, facts: dict[str, Any]) -> None:
        """What became of a group; wakes everyone who waits for it. The condition is held."""
        if error is None:
            self._unregistered.append(facts)
        else:
            self._failed[group] = error
        self._flushing = False
        self._flushed = group + 1
        self._condition.notify_all()

    def _write(self, rows: Sequence[Entry]) -> dict[str, Any]:
        import pyarrow as pa

        lease = self._lease
        if lease is None:
            raise RuntimeError("the journal was not opened for writing")
        lease.guard(0)  # a stale process writes nothing into its successor's books
        at, first = stamp(self.ledger.clock.now()), self._next_seq
        columns: dict[str, list[Any]] = {name: [] for name in schema().names}
        for number, row in enumerate(rows):
            columns["seq"].append(first + number)
            columns["epoch"].append(lease.epoch)
            columns["at"].append(at)
            for name in Entry.__slots__:
                value = getattr(row, name)
                columns[name].append(list(value.items()) if isinstance(value, dict) else value)
        facts = self._put(pa.table(columns, schema=schema()), f"{self._next_number:06d}", self._previous, {})
        self._next_seq += len(rows)
        self._next_number += 1
        self._previous = facts["sha256"]
        return facts

    def _put(self, table: pa.Table, number: str, previous: str, more: dict[str, str]) -> dict[str, Any]:
        import os

        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        epoch = self._lease.epoch if self._lease else 0
        path = self.folder / f"{epoch:05d}-{number}.parquet"
        aside = path.with_name(f".{path.name}.aside")
        metadata = {"format": FORMAT, "previous": previous, "epoch": str(epoch), **more}
        try:
            with space(path):
                pq.write_table(table.replace_schema_metadata(metadata), aside, compression="zstd")
                with aside.open("rb+") as out:
                    os.fsync(out.fileno())
                digest = sha256_of(aside)
                aside.replace(path)
                flush_folder(self.folder)
        except NoSpace:
            drop(aside)
            raise
        return {
            "name": path.name,
            "epoch": epoch,
            "first_seq": pc.min(table["seq"]).as_py(),
            "last_seq": pc.max(table["seq"]).as_py(),
            "rows": table.num_rows,
            "sha256": digest,
            "previous": previous,
        }

    def register(self, tx: Transaction) -> None:
        """Put the digests of all segments written since into the ledger, in the caller's transaction."""
        with self._condition:
            fresh, self._unregistered = self._unregistered, []
        for facts in fresh:
            tx.put(segments, **facts)

    @property
    def last_seq(self) -> int:
        """The sequence number of the newest entry."""
        return self._next_seq - 1

    def compact(self) -> None:
        """Join the small segments into one of at most 32 MB; the digest chain is sealed anew.

        Killed at any moment, the reader sees either the old segments or the new one: a compacted
        segment names those that it replaces. The old ones stay until the next `open`, for a reader
        that listed them before may still be at it.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        small: list[Path] = []
        size = 0
        for path in self._paths():
            bytes = path.stat().st_size
            if not small and bytes > COMPACT_BYTES // 2:
                continue  # a full one; the small ones come after it
            if size + bytes > COMPACT_BYTES:
                break
            small.append(path)
            size += bytes
        if len(small) < 8:
            return
        table = pa.concat_tables([pq.read_table(path).cast(schema()) for path in small])
        names = [path.name for path in small]
        first, last = self._metadata(small[0]), self._metadata(small[-1])
        # What comes after names the last one's digest, which so stays known.
        seals = [sha256_of(small[-1]), *json.loads(last.get("seals", "[]"))]
        # What they replaced themselves may still lie there.
        older = sorted(name for name in self._replaced(small) if (self.folder / name).exists())
        facts = self._put(
            table, f"c{_number(small[-1]):06d}", first["previous"],
            {"replaces": json.dumps(names + older), "seals": json.dumps(seals)},
        )  # fmt: skip
        with self.ledger.write(self._lease) as tx:
            tx.sql.execute(segments.delete().where(segments.c.name.in_(names)))
            tx.put(segments, **facts)
        with self._condition:
            self._unregistered = [row for row in self._unregistered if row["name"] not in names]
        if self._paths()[-1].name == facts["name"]:
            self._previous = facts["sha256"]


def _number(path: Path) -> int:
    """A segment's number; a compacted one has that of the last segment in it."""
    return int(path.stem.partition("-")[2].lstrip("c"))
