"""What are the bytes of every file that the plan moves? Downloaded once, hashed, and compared with what the
source says of them.

A field of `Kind.BINARY` is fetched after its records were extracted, record by record, several at once. What
came whole lies in the blob store and is named in an artifact `files/<object>.<field>/<generation>`: one row a
record, stored or not, with the reason. A killed download goes on after its last part; a file that the source
refuses is a row, and stops nothing else.

Which are fetched is asked of `wanted_files.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.catalog import Catalog, ObjectSchema
from migrate.connector import BlobRefused, ReadsBlobs, Source
from migrate.engine import identifier, parquet, text
from migrate.errors import NoSpace, Parked, Retriable, SystemRefused, UsageError
from migrate.ledger.tables import extracts
from migrate.load.context import Progress
from migrate.stages.wanted_files import Wanted, wanted
from migrate.store import Manifest, Part, PartWriter, generation_folder
from migrate.types import BlobRef, Kind
from migrate.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

STAGE = "files"
STORED, REFUSED, DAMAGED, OVERSIZE = "stored", "refused", "damaged", "oversize"
PART_FILES, PART_BYTES = 200, 64 << 20  # what a kill may cost again, at most
AHEAD = 4  # files under way and waiting, for each that is downloaded at once
TRIES = 5
SYSTEMIC = 100  # refused alike, and none given: it isn't the files
MARGIN = 256 << 20  # bytes of disk that stay free


@dataclass(frozen=True)
class Fetched:
    """What became of a generation's files, by outcome; `bytes` of those that are stored."""

    name: str
    generation: int
    counts: dict[str, int]
    bytes: int


def artifact(object: str, field: str) -> str:
    """The name of a field's artifact at the stage `files`."""
    return f"{object}.{field}"


def fetch_files(
    workspace: Workspace, source: Source, catalog: Catalog, object: str, progress: Progress,
    *, again: bool = False,
) -> list[Fetched]:  # fmt: skip
    """Download the files of an object's extracted generations that haven't been yet.

    Args:
        again: also those that the source refused, or gave damaged, before.

    Raises:
        UsageError: the source has files, but its connector can't give them.
        SystemRefused: it refuses all of them alike.
        NoSpace: they don't fit on the disk; said before the first is fetched where their sizes are known.
        Parked: the source is away; what was fetched stays, run it again.
    """
    schema = catalog.objects[object]
    found: list[Fetched] = []
    listed = False
    for each in wanted(workspace.plan.model.objects, schema):
        name = artifact(object, each.field.name)
        for records in workspace.store.manifests("source", object):
            folder = generation_folder(STAGE, name, records.generation)
            there = workspace.store.manifest(folder)
            if not listed:
                _list_blobs(workspace)
                listed = True
            lost = there is not None and _lost(workspace, there)
            if there is not None and not again and not lost and there.facts["asked"] == each.asked:
                continue
            if not isinstance(source, ReadsBlobs):
                raise UsageError(
                    f"The connector of `{source.system}` gives no files, and the plan moves `{name}`.",
                    "Take the field out of the plan.",
                )
            fetch = _Fetch(workspace, source, source, schema, each, records, folder, progress, again)
            found.append(fetch.run(there))
    return found


_NAME = "split_part(blob, ':', 2)"


def _list_blobs(workspace: Workspace) -> None:
    """Make the engine's table `files_there` of the names of all blobs."""
    import pyarrow as pa

    names = workspace.blobs.names()
    workspace.engine.run("CREATE OR REPLACE TABLE files_there (name VARCHAR)")
    while lot := [name for name, _ in islice(names, 10_000)]:
        workspace.engine.insert("files_there", pa.table({"name": lot}))


def _lost(workspace: Workspace, there: Manifest) -> bool:
    """Whether a file that was fetched isn't in the blob store any more: set aside as damaged, or removed."""
    files = workspace.store.files(there)
    if not files:
        return False
    return bool(
        workspace.engine.rows(
            f"SELECT 1 FROM {parquet(files)} WHERE outcome = {text(STORED)} "
            f"AND {_NAME} NOT IN (SELECT name FROM files_there) LIMIT 1"
        )
    )


@dataclass(frozen=True)
class _Row:
    id: str
    size: int | None
    md5: str | None


class _Fetch:
    """One field's files of one generation."""

    def __init__(
        self, workspace: Workspace, source: Source, blobs: ReadsBlobs, schema: ObjectSchema, wanted: Wanted,
        records: Manifest, folder: str, progress: Progress, again: bool,
    ) -> None:  # fmt: skip
        self.workspace, self.source, self.reads = workspace, source, blobs
        self.schema, self.wanted, self.records, self.folder = schema, wanted, records, folder
        self.name = artifact(schema.name, wanted.field.name)
        self.progress, self.again = progress, again
        self.store, self.ledger = workspace.store, workspace.ledger

    def run(self, there: Manifest | None) -> Fetched:
        """Fetch what isn't there yet.

        Args:
            there: what was fetched when the plan asked for less.
        """
        parts = [*(there.parts if there else ()), *self._parts()]
        self._todo(self.store.paths(self.folder, parts))
        left = self.workspace.engine.rows(
            f"SELECT coalesce(sum(size), 0)::BIGINT AS bytes FROM files_todo WHERE {self._fits}"
        )[0]["bytes"]
        room = self.workspace.blobs.room()
        if left and room is not None and left > room - MARGIN:
            what = f"{left:,} bytes of files are to be fetched, and {room:,} are free"
            raise NoSpace(self.workspace.storage.address("blobs"), what)
        done = sum(part.rows for part in parts)
        total = done + int(self.workspace.engine.rows("SELECT count(*) AS n FROM files_todo")[0]["n"])
        with self.store.writer(self.folder, _schema(), part_rows=1 << 62, first=len(parts)) as writer:
            parts.extend(self._write(writer, done, total, len(parts)))
        rows = sum(part.rows for part in parts)
        manifest = Manifest(self.folder, STAGE, self.name, self.records.generation, rows, tuple(parts))
        counts, size = self._counts(self.store.files(manifest))
        self.store.publish(
            Manifest(
                self.folder, STAGE, self.name, self.records.generation, rows, tuple(parts),
                facts={"asked": self.wanted.asked, "bytes": size, "counts": counts},
            )
        )  # fmt: skip
        with self.ledger.write() as tx:
            tx.sql.execute(extracts.delete().where(extracts.c.folder == self.folder))
        return Fetched(self.name, self.records.generation, counts, size)

    @property
    def _fits(self) -> str:
        most = self.wanted.most
        return "true" if most is None else f"(size IS NULL OR size <= {most})"

    def _parts(self) -> list[Part]:
        """What a former process finished."""
        query = sa.select(extracts).where(extracts.c.folder == self.folder).order_by(extracts.c.part)
        return [Part(row.name, row.rows, row.bytes, row.sha256) for row in self.ledger.read(query)]

    def _todo(self, finished: list[str]) -> None:
        """Make the engine's table `files_todo` of the records whose files aren't there yet."""
        field, files = self.wanted.field, self.store.files(self.records)
        size = f"CAST({identifier(field.size_in)} AS BIGINT)" if field.size_in else "NULL::BIGINT"
        md5 = f"lower(CAST({identifier(field.md5_in)} AS VARCHAR))" if field.md5_in else "NULL::VARCHAR"
        none = "SELECT NULL::VARCHAR AS _id, NULL::BIGINT AS size, NULL::VARCHAR AS md5 WHERE false"
        query = none
        if files:
            # A file is no column of the extract; a `where` that asks for one asks whether there is one.
            binary = ", ".join(
                f"NULL::VARCHAR AS {identifier(each.name)}"
                for each in self.schema.fields.values()
                if each.kind is Kind.BINARY
            )
            query = (
                f"SELECT _id, {size} AS size, {md5} AS md5 FROM (SELECT *, {binary} FROM {parquet(files)})"
            )
            query += f" WHERE {self.wanted.condition}" if self.wanted.condition else ""
        done = ""
        if finished:
            # A file beyond the size that the plan took, or took then, is looked at again.
            ends = f"outcome = {text(STORED)}" if self.again else f"outcome <> {text(OVERSIZE)}"
            ends += f" AND (blob IS NULL OR {_NAME} IN (SELECT name FROM files_there))"
            done = f"WHERE _id NOT IN (SELECT _id FROM {parquet(finished)} WHERE {ends})"
        self.workspace.engine.run(
            f"CREATE OR REPLACE TABLE files_todo AS SELECT * FROM ({query}) {done} ORDER BY _id"
        )

    def _rows(self) -> Iterator[_Row]:
        for batch in self.workspace.engine.stream("SELECT _id, size, md5 FROM files_todo ORDER BY _id"):
            for row in batch.to_pylist():
                yield _Row(row["_id"], row["size"], row["md5"])

    def _write(self, writer: PartWriter, done: int, total: int, number: int) -> Iterator[Part]:
        """Write what became of each file, in the records' order, closing parts as they fill."""
        import pyarrow as pa

        rows: list[dict[str, object]] = []
        gathered = 0
        alike: dict[str, int] = {}
        for row in self._outcomes():
            rows.append(row)
            gathered += int(str(row["bytes"] or 0))
            done += 1
            self.progress(f"{self.name} files", done, total)
            self._stop_the_line(row, alike)
            if len(rows) >= PART_FILES or gathered >= PART_BYTES:
                writer.write(pa.Table.from_pylist(rows, schema=_schema()))
                yield self._keep(writer, number)
                number, rows, gathered = number + 1, [], 0
        if rows:
            writer.write(pa.Table.from_pylist(rows, schema=_schema()))
            yield self._keep(writer, number)

    def _keep(self, writer: PartWriter, number: int) -> Part:
        part = writer.close_part()
        assert part is not None  # noqa: S101 - rows were written
        with self.ledger.write() as tx:
            tx.put(
                extracts, folder=self.folder, part=number, name=part.name, rows=part.rows, bytes=part.bytes,
                sha256=part.sha256, cursor=None,
            )  # fmt: skip
        return part

    def _stop_the_line(self, row: dict[str, object], alike: dict[str, int]) -> None:
        """A source that refuses every file for the same reason has a fault that no file mends."""
        if row["outcome"] != REFUSED or "given" in alike:
            alike["given"] = 1
            return
        code = str(row["reason"]).partition(":")[0]
        alike[code] = alike.get(code, 0) + 1
        if alike.get(code, 0) >= SYSTEMIC and len(alike) == 1:
            raise SystemRefused(
                self.source.system,
                f"all of the first {SYSTEMIC} files of {self.name}, each with {row['reason']}",
                "Give the credential the right to read files, and run `migrate extract` again.",
                code=code,
            )

    def _outcomes(self) -> Iterator[dict[str, object]]:
        """Each record's row, in order; several files are under way at once, and few wait."""
        most = max(1, self.source.limits.concurrency)
        waiting: deque[Future[dict[str, object]]] = deque()
        with ThreadPoolExecutor(most, thread_name_prefix="files") as pool:
            try:
                for row in self._rows():
                    if len(waiting) >= AHEAD * most:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(self._one, row))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()

    def _one(self, row: _Row) -> dict[str, object]:
        most = self.wanted.most
        if most is not None and row.size is not None and row.size > most:
            return _told(row, OVERSIZE, f"its file has {row.size:,} bytes, more than the plan takes")
        last = ""
        for attempt in range(TRIES):
            if attempt:
                self.workspace.clock.sleep(2.0**attempt)
            try:
                ref = self._download(row)
            except BlobRefused as error:
                return _told(row, REFUSED, f"{error.code}: {error.reason}" if error.code else error.reason)
            except Retriable as error:
                last = error.what
                continue
            except Parked as error:
                if error.resume_at is not None:
                    raise
                self.source.now()  # raises where it isn't the file but the system that doesn't answer
                return _told(row, REFUSED, f"unanswered: {error.what}")
            last = _wrong(row, ref)
            if not last:
                return {"_id": row.id, "blob": str(ref), "bytes": ref.bytes, "outcome": STORED, "reason": ""}
        return _told(row, DAMAGED, last)

    def _download(self, row: _Row) -> BlobRef:
        with self.workspace.blobs.writer() as out:
            for chunk in self.reads.read_blob(self.schema.name, row.id, self.wanted.field.name):
                out.write(chunk)
            return out.finish()

    def _counts(self, files: list[str]) -> tuple[dict[str, int], int]:
        if not files:
            return {}, 0
        rows = self.workspace.engine.rows(
            f"""SELECT outcome, count(*) AS n, coalesce(sum(bytes), 0)::BIGINT AS bytes FROM (
              SELECT * FROM {parquet(files)}
              QUALIFY row_number() OVER (PARTITION BY _id ORDER BY outcome = {text(STORED)} DESC, reason) = 1)
            GROUP BY outcome ORDER BY outcome"""
        )
        size = sum(int(row["bytes"]) for row in rows if row["outcome"] == STORED)
        return {str(row["outcome"]): int(row["n"]) for row in rows}, size


def _told(row: _Row, outcome: str, reason: str) -> dict[str, object]:
    return {"_id": row.id, "blob": None, "bytes": row.size, "outcome": outcome, "reason": reason}


def _wrong(row: _Row, ref: BlobRef) -> str:
    """Where what the source says of a file and what came differ; "" where they agree."""
    if row.size is not None and row.size != ref.bytes:
        return f"the source says {row.size:,} bytes, and gives {ref.bytes:,}"
    if row.md5 and row.md5 != ref.md5:
        return f"the source says MD5 {row.md5}, and what it gives has {ref.md5}"
    return ""


def _schema() -> pa.Schema:
    import pyarrow as pa

    names = {"_id": pa.string(), "blob": pa.string(), "bytes": pa.int64()}
    return pa.schema(list({**names, "outcome": pa.string(), "reason": pa.string()}.items()))
