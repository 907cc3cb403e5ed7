"""What does a target hold at this moment? Its records and links, staged as Parquet.

Taken as a baseline before a load, for matching, and again by every check that doesn't trust the
loader. A snapshot is published whole or not at all; one that was cut short is taken anew, for a
living system's pages don't add up to one moment if they are read on a day later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.connector import Query
from migrate.store import Manifest
from migrate.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import ObjectSchema
    from migrate.clock import Clock
    from migrate.connector import Target
    from migrate.store import Store

OURS = ("_id", "_key", "_stamp", "_source")  # columns before the object's own fields
LINK_COLUMNS = ("left_object", "left", "right_object", "right", "label")


def known_folder(object: str, field: str) -> str:
    """Where the values of a target object's field are staged, by which links find their far end."""
    return f"target/{object}/known-{field}"


def snapshot(
    connector: Target,
    schema: ObjectSchema,
    store: Store,
    folder: str,
    *,
    key_field: str,
    fields: Sequence[str] | None = None,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Stage every live record of an object, page by page.

    Args:
        folder: of the artifact, below the store's root; what was there is replaced.
        key_field: holds the migration key; where the target has no such field yet, keys are null.
        fields: those to read; None: every field of the catalog.
        progress: told the number of rows so far, after each page.

    Returns:
        Columns `_id`, `_key`, `_stamp` (the modification stamp in the vendor's own text, as the
        journal holds it; null where the object has none), `_source` (who made the record, as
        `Held.source`; null where the connector doesn't tell), then the fields in the catalog's types.
        Facts: `taken` (when it began) and `ended`.
    """
    import pyarrow as pa

    store.discard(folder)
    chosen = list(schema.fields) if fields is None else list(dict.fromkeys(fields))
    asked = list(chosen)
    for extra in (key_field, schema.stamp):
        if extra and extra in schema.fields and extra not in asked:
            asked.append(extra)
    tells = "_source" in getattr(connector, "extras", ())
    staged = pa.schema(
        [(name, pa.string()) for name in OURS]
        + [
            (name, arrow_type(field.kind, field.precision, field.scale))
            for name, field in ((name, schema.fields[name]) for name in chosen)
        ]
    )
    began, rows = stamp(clock.now()), 0
    query = Query(schema.name, (*asked, "_source") if tells else tuple(asked))
    with store.writer(folder, staged) as writer:
        for page in connector.read(query, after=None):
            if page.batch.num_rows:
                writer.write(_staged(connector, schema, page.batch, key_field, staged))
                rows += page.batch.num_rows
            if progress is not None:
                progress(rows)
    facts = {"taken": began, "ended": stamp(clock.now()), "key_field": key_field}
    described = {name: schema.fields[name].vendor_type for name in chosen}
    stage = folder.partition("/")[0]
    return store.publish(Manifest(folder, stage, schema.name, 0, rows, tuple(writer.parts), described, facts))


def _staged(
    connector: Target, schema: ObjectSchema, batch: pa.RecordBatch, key_field: str, staged: pa.Schema
) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    nothing = pa.nulls(table.num_rows, pa.string())
    names = table.schema.names
    stamps: pa.Array = nothing
    if schema.stamp and schema.stamp in names:
        wire = connector.encode(schema.name, batch.select([schema.stamp]))
        stamps = pa.array([row[schema.stamp] for row in wire], pa.string())
    columns = {
        "_id": table["_id"],
        "_key": table[key_field].cast(pa.string()) if key_field in names else nothing,
        "_stamp": stamps,
        "_source": table["_source"] if "_source" in names else nothing,
    }
    return pa.table(
        [
            columns[name] if name in columns else table[name].cast(staged.field(name).type)
            for name in staged.names
        ],
        schema=staged,
    )


def snapshot_links(
    connector: Target,
    left: str,
    ids: Iterable[str],
    rights: Sequence[str],
    store: Store,
    folder: str,
    *,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Stage every link from these records to records of some objects, one row a label.

    Args:
        left: the object whose records `ids` are. `ids` may be a stream of any length.
        rights: the objects at the other end.
        progress: told the number of records looked at so far.

    Returns:
        Columns `left_object`, `left`, `right_object`, `right`, `label`: target ids, and the label in the
        plan's words.
    """
    import pyarrow as pa

    store.discard(folder)
    schema = pa.schema([(name, pa.string()) for name in LINK_COLUMNS])
    began, looked = stamp(clock.now()), 0
    with store.writer(folder, schema) as writer:
        for lot in _lots(ids, connector.limits.link_reads):
            for right in rights:
                links = connector.read_links(left, lot, right)
                if links:
                    columns = [[getattr(link, name) for link in links] for name in LINK_COLUMNS]
                    writer.write(pa.table(columns, schema=schema))
            looked += len(lot)
            if progress is not None:
                progress(looked)
    facts = {"taken": began, "ended": stamp(clock.now()), "records": looked, "rights": list(rights)}
    rows = sum(part.rows for part in writer.parts)
    stage = folder.partition("/")[0]
    return store.publish(Manifest(folder, stage, left, 0, rows, tuple(writer.parts), facts=facts))


def _lots(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    source = iter(ids)
    while lot := list(islice(source, size)):
        yield lot
