"""Who is gone from the source: deleted since the last generation, or merged into another record.

Deletions come from the vendor's log. Where the log is shorter than the gap, or the vendor keeps none of
some deletions, the ids that earlier generations hold are compared with those that are there. An object
without a stamp is read whole each time, so its own new generation is that list of ids. An id that was
told before, and wasn't seen since, isn't told again.

A record that somebody brought back may bear its old stamp, so that no window shows it. Wherever ids are
compared, those that are there again are told, too, and their records read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate.catalog import ObjectSchema
from migrate.clock import stamp
from migrate.connector import HidesDeletions, Merges, Query, Source
from migrate.engine import parquet
from migrate.errors import GapTooLong
from migrate.store import Manifest, Part, Store, generation_folder
from migrate.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

DELETED, MERGED, RETURNED = "-deleted", "-merged", "-returned"  # of a generation's folder


def tombstones(
    workspace: Workspace,
    source: Source,
    query: Query,
    schema: ObjectSchema,
    generation: int,
    parts: Sequence[Part],
) -> int:
    """Publish the deletions since the generation before as `gNNNN-deleted`: `_id`, `_at`; how many.

    Where ids are compared, those that are there again go into `gNNNN-returned`: `_id`.

    Args:
        parts: of this generation, written and not yet published.
    """
    import pyarrow as pa

    store = workspace.store
    folder = generation_folder("source", query.object, generation) + DELETED
    store.discard(folder)
    columns = pa.schema([("_id", pa.string()), ("_at", pa.timestamp("us", tz="UTC"))])
    compare = schema.stamp is None
    if isinstance(source, HidesDeletions):
        compare = compare or source.hides_deletions(query.object)
    with store.writer(folder, columns) as writer:
        if schema.stamp is not None:
            try:
                for page in source.read(Query(query.object, (), since=query.since, deleted=True), after=None):
                    if page.batch.num_rows:
                        writer.write(_columns(page.batch, columns))
            except GapTooLong:
                compare = True
        writer.close_part()
        if compare:
            told = store.paths(folder, writer.parts)
            now = (
                store.paths(_folder(query, generation), parts)
                if schema.stamp is None
                else _there(workspace, source, query.object)
            )
            for batch in _vanished(workspace, query, generation, parts, told, now):
                writer.write(batch)
            if schema.stamp is not None:
                _returned(workspace, query, generation, told, now)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "source-deleted", query.object, generation, rows, tuple(writer.parts)))
    return rows


def _returned(
    workspace: Workspace, query: Query, generation: int, told: Sequence[str], now: Sequence[str]
) -> None:
    """Publish the ids that were told as deleted, weren't seen since, and are there again."""
    import pyarrow as pa

    store = workspace.store
    folder = generation_folder("source", query.object, generation) + RETURNED
    store.discard(folder)
    seen, dead = _seen_and_dead(store, query.object)
    dead.append((generation, list(told)))
    again = workspace.engine.stream(
        f"""SELECT d._id FROM (SELECT _id, max(_gen) AS _gen FROM ({_ids(dead)}) GROUP BY _id) AS d
        LEFT JOIN (SELECT _id, max(_gen) AS _gen FROM ({_ids(seen)}) GROUP BY _id) AS s USING (_id)
        WHERE (s._id IS NULL OR s._gen <= d._gen) AND _id IN ({_ids([(0, now)], "_id")}) ORDER BY d._id"""
    )
    with store.writer(folder, pa.schema([("_id", pa.string())])) as writer:
        for batch in again:
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "source-returned", query.object, generation, rows, tuple(writer.parts)))


def returned(
    workspace: Workspace, source: Source, query: Query, parts: Sequence[Part], generation: int
) -> Iterator[pa.RecordBatch]:
    """The records that were brought back and aren't among the generation's own, each as it is now.

    Their whole object is read for it: no source is asked for records by their ids, and few come back.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    store = workspace.store
    told = store.manifest(_folder(query, generation) + RETURNED)
    if told is None or not told.rows:
        return
    own = parquet(files) if (files := store.paths(_folder(query, generation), parts)) else ""
    missing = f"SELECT _id FROM {parquet(store.files(told))}"
    missing += f" WHERE _id NOT IN (SELECT _id FROM {own})" if own else ""
    ids = workspace.engine.stream(missing).read_all().column(0)
    if not len(ids):
        return
    wanted = pa.array(ids.to_pylist(), pa.string())
    for page in source.read(Query(query.object, query.fields), after=None):
        chosen = page.batch.filter(pc.is_in(page.batch.column("_id"), value_set=wanted))
        if chosen.num_rows:
            yield chosen


def merges(workspace: Workspace, source: Source, query: Query, generation: int, parts: Sequence[Part]) -> int:
    """Publish what became of merged records as `gNNNN-merged`: `_id`, `survivor`; how many.

    Nothing is published where the source has no merges to tell.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(source, Merges):
        return 0
    store = workspace.store
    folder = generation_folder("source", query.object, generation) + MERGED
    store.discard(folder)
    columns = pa.schema([("_id", pa.string()), ("survivor", pa.string())])

    def extracted(fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path in store.paths(_folder(query, generation), parts):
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(columns=["_id", *fields])

    with store.writer(folder, columns) as writer:
        for batch in source.merges(query.object, query.since, extracted):
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "source-merged", query.object, generation, rows, tuple(writer.parts)))
    return rows


def survivors(files: Sequence[str], live: str) -> str:
    """A query of merged records and who survived them in the end: `_id`, `survivor`.

    Args:
        files: parts of every generation's `-merged`, in order.
        live: a query of the `_id`s that the source has now; they were brought back, or never gone.
    """
    if not files:
        return "(SELECT ''::VARCHAR AS _id, ''::VARCHAR AS survivor WHERE false)"
    return f"""(WITH RECURSIVE told AS (
            SELECT _id, arg_max(survivor, filename || lpad(file_row_number::VARCHAR, 12, '0')) AS survivor
            FROM read_parquet({files!r}, filename = true, file_row_number = true)
            WHERE _id NOT IN {live} GROUP BY _id),
        chain AS (SELECT _id, survivor, 1 AS steps FROM told
            UNION ALL SELECT chain._id, told.survivor, steps + 1
            FROM chain JOIN told ON told._id = chain.survivor WHERE steps < 100)
        SELECT _id, arg_max(survivor, steps) AS survivor FROM chain GROUP BY _id)"""


def _folder(query: Query, generation: int) -> str:
    return generation_folder("source", query.object, generation)


def _columns(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    for field in schema:
        if field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


def _there(workspace: Workspace, source: Source, object: str) -> list[str]:
    """Files with the ids that the source has now."""
    import pyarrow as pa

    store = workspace.store
    folder = f"source/{object}/ids"
    store.discard(folder)
    with store.writer(folder, pa.schema([("_id", pa.string())])) as writer:
        for page in source.read(Query(object, ()), after=None):
            if page.batch.num_rows:
                writer.write(pa.Table.from_batches([page.batch]).select(["_id"]))
    rows = sum(part.rows for part in writer.parts)
    return store.files(store.publish(Manifest(folder, "source-ids", object, 0, rows, tuple(writer.parts))))


def _vanished(
    workspace: Workspace,
    query: Query,
    generation: int,
    parts: Sequence[Part],
    told: Sequence[str],
    now: Sequence[str],
) -> Any:
    """Ids that were seen and are neither there now nor told as deleted since they were seen last."""
    store = workspace.store
    seen, dead = _seen_and_dead(store, query.object)
    seen.append((generation, store.paths(_folder(query, generation), parts)))
    dead.append((generation, list(told)))
    at = stamp(workspace.clock.now())
    return workspace.engine.stream(
        f"""SELECT s._id, TIMESTAMPTZ '{at}' AS _at
        FROM (SELECT _id, max(_gen) AS _gen FROM ({_ids(seen)}) GROUP BY _id) AS s
        LEFT JOIN (SELECT _id, max(_gen) AS _gen FROM ({_ids(dead)}) GROUP BY _id) AS d USING (_id)
        WHERE (d._id IS NULL OR d._gen < s._gen) AND _id NOT IN ({_ids([(0, now)], "_id")})"""
    )


def _seen_and_dead(
    store: Store, object: str
) -> tuple[list[tuple[int, Sequence[str]]], list[tuple[int, Sequence[str]]]]:
    """By published generation, the files of its records and of its deletions."""
    seen: list[tuple[int, Sequence[str]]] = []
    dead: list[tuple[int, Sequence[str]]] = []
    for manifest in store.manifests("source", object):
        seen.append((manifest.generation, store.files(manifest)))
        gone = store.manifest(manifest.folder + DELETED)
        if gone is not None:
            dead.append((manifest.generation, store.files(gone)))
    return seen, dead


def _ids(files: Sequence[tuple[int, Sequence[str]]], names: str = "_id, _gen") -> str:
    found = [
        f"SELECT {names} FROM (SELECT _id, {number} AS _gen FROM {parquet(paths)})"
        for number, paths in files
        if paths
    ]
    return (
        " UNION ALL ".join(found) or f"SELECT {names} FROM (SELECT ''::VARCHAR AS _id, 0 AS _gen) WHERE false"
    )
