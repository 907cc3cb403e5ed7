"""What does a target hold at this moment? Its records and links, staged as Parquet.

Taken as a baseline before a load, for matching, and again by every check that doesn't trust the
loader. A snapshot is published whole or not at all; one that was cut short is taken anew, for a
living system's pages don't add up to one moment if they are read on a day later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from migrate.clock import stamp
from migrate.connector import Query
from migrate.store import Manifest
from migrate.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import ObjectSchema
    from migrate.clock import Clock
    from migrate.connector import Page, Target
    from migrate.store import PartWriter, Store

OURS = ("_id", "_key", "_stamp", "_source")  # columns before the object's own fields
LINK_COLUMNS = ("left_object", "left", "right_object", "right", "label")


def known_folder(object: str, field: str) -> str:
    """Where the values of a target object's field are staged, by which links find their far end."""
    return f"target/{object}/known-{field}"


@dataclass(frozen=True)
class Asked:
    """What a look at an object asks for. `fields`: those that are kept; `asked`: those of the query."""

    schema: ObjectSchema
    key_field: str
    fields: tuple[str, ...]
    asked: tuple[str, ...]

    @property
    def staged(self) -> pa.Schema:
        """The columns of the artifact: `OURS`, then the fields in the catalog's types."""
        import pyarrow as pa

        kinds = [(name, self.schema.fields[name]) for name in self.fields]
        return pa.schema(
            [(name, pa.string()) for name in OURS]
            + [(name, arrow_type(each.kind, each.precision, each.scale)) for name, each in kinds]
        )

    @property
    def described(self) -> dict[str, str]:
        """The vendor's type of each field, as the manifest holds it."""
        return {name: self.schema.fields[name].vendor_type for name in self.fields}


def asked_of(
    connector: Target, schema: ObjectSchema, key_field: str, fields: Sequence[str] | None = None
) -> Asked:
    """What to ask for so that key, stamp and author of each record are known; `fields` None: all of them."""
    chosen = list(schema.fields) if fields is None else list(dict.fromkeys(fields))
    asked = list(chosen)
    for extra in (key_field, schema.stamp):
        if extra and extra in schema.fields and extra not in asked:
            asked.append(extra)
    if "_source" in getattr(connector, "extras", ()):
        asked.append("_source")
    return Asked(schema, key_field, tuple(chosen), tuple(asked))


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
    facts: Mapping[str, Any] | None = None,
) -> Manifest:
    """Stage every live record of an object, page by page.

    Args:
        folder: of the artifact, below the store's root; what was there is replaced.
        key_field: holds the migration key; where the target has no such field yet, keys are null.
        fields: those to read; None: every field of the catalog.
        progress: told the number of rows so far, after each page.
        facts: what else the manifest is to say.

    Returns:
        Columns `_id`, `_key`, `_stamp` (the modification stamp in the vendor's own text, as the
        journal holds it; null where the object has none), `_source` (who made the record, as
        `Held.source`; null where the connector doesn't tell), then the fields in the catalog's types.
        Facts: `taken` (when it began) and `ended`.
    """
    store.discard(folder)
    asked = asked_of(connector, schema, key_field, fields)
    began = stamp(clock.now())
    pages = connector.read(Query(schema.name, asked.asked), after=None)
    with store.writer(folder, asked.staged) as writer:
        rows = write_pages(connector, asked, pages, writer, progress)
    told = {"taken": began, "ended": stamp(clock.now()), "key_field": key_field, **(facts or {})}
    return store.publish(
        Manifest(folder, _stage(folder), schema.name, 0, rows, tuple(writer.parts), asked.described, told)
    )


def write_pages(
    connector: Target,
    asked: Asked,
    pages: Iterable[Page],
    writer: PartWriter,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write pages of live records as a snapshot's rows; how many."""
    staged, rows = asked.staged, 0
    for page in pages:
        if page.batch.num_rows:
            writer.write(_staged(connector, asked.schema, page.batch, asked.key_field, staged))
            rows += page.batch.num_rows
        if progress is not None:
            progress(rows)
    return rows


def _stage(folder: str) -> str:
    return folder.partition("/")[0]


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
    facts: Mapping[str, Any] | None = None,
) -> Manifest:
    """Stage every link from these records to records of some objects, one row a label.

    Args:
        left: the object whose records `ids` are. `ids` may be a stream of any length.
        rights: the objects at the other end.
        progress: told the number of records looked at so far.
        facts: what else the manifest is to say.

    Returns:
        Columns `left_object`, `left`, `right_object`, `right`, `label`: target ids, and the label in the
        plan's words.
    """
    store.discard(folder)
    began = stamp(clock.now())
    with store.writer(folder, link_schema()) as writer:
        looked = write_links(connector, left, ids, rights, writer, progress)
    told = {"taken": began, "ended": stamp(clock.now()), "records": looked, "rights": list(rights)}
    rows = sum(part.rows for part in writer.parts)
    told |= facts or {}
    return store.publish(Manifest(folder, _stage(folder), left, 0, rows, tuple(writer.parts), facts=told))


def link_schema() -> pa.Schema:
    """The columns of staged links."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in LINK_COLUMNS])


def write_links(
    connector: Target,
    left: str,
    ids: Iterable[str],
    rights: Sequence[str],
    writer: PartWriter,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the links of these records; how many records were looked at."""
    import pyarrow as pa

    looked = 0
    for lot in lots(ids, connector.limits.link_reads):
        for right in rights:
            links = connector.read_links(left, lot, right)
            if links:
                columns = [[getattr(link, name) for link in links] for name in LINK_COLUMNS]
                writer.write(pa.table(columns, schema=link_schema()))
        looked += len(lot)
        if progress is not None:
            progress(looked)
    return looked


def lots(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """A stream of ids in lists of at most so many."""
    source = iter(ids)
    while lot := list(islice(source, size)):
        yield lot
