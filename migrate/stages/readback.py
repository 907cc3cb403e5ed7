"""What do these records of a target hold now? Read by id, staged as a snapshot of just them.

For looks at a part: a call gives a hundred or two hundred of them, however many the target holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from migrate.clock import stamp
from migrate.engine import identifier, parquet
from migrate.stages.snapshot import lots
from migrate.store import Manifest
from migrate.types import Kind, duckdb_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Field
    from migrate.stages.changes import Look
    from migrate.stages.snapshot import Asked

LOT = 1_000  # records in memory at a time


def from_wire(expression: str, field: Field) -> str:
    """SQL that reads a wire value (text) as the field's type; null where it isn't of that type."""
    kind = duckdb_type(field.kind, field.precision, field.scale)
    if field.kind is Kind.MULTIPICKLIST:
        return f"CASE WHEN {expression} IS NOT NULL THEN string_split({expression}, ';') END"
    return expression if kind == "VARCHAR" else f"TRY_CAST({expression} AS {kind})"


def read_part(
    look: Look,
    asked: Asked,
    folder: str,
    ids: str,
    *,
    beside: Manifest | None = None,
    facts: dict[str, Any],
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Stage records of an object by their ids, as `snapshot` stages all of them.

    Args:
        ids: a query of `_id`; those that aren't live any more are left out.
        beside: rows of the same columns that were read already; their ids aren't asked for.
    """
    known = parquet(look.store.files(beside)) if beside is not None and beside.parts else ""
    wanted = f"SELECT DISTINCT _id FROM ({ids})" + (
        f" WHERE _id NOT IN (SELECT _id FROM {known})" if known else ""
    )
    raw = _raw(look, asked, f"{folder}-raw", f"{wanted} ORDER BY ALL", progress)
    began = stamp(look.clock.now())
    look.store.discard(folder)
    typed = ", ".join(
        f"{from_wire(identifier(name), asked.schema.fields[name])} AS {identifier(name)}"
        for name in asked.fields
    )
    selects = [f"SELECT * FROM {known}"] if known else []
    if raw.parts:
        rows = parquet(look.store.files(raw))
        selects.append(f"SELECT _id, _key, _stamp, _source{', ' if typed else ''}{typed} FROM {rows}")
    with look.store.writer(folder, asked.staged) as writer:
        for batch in look.engine.stream(" UNION ALL BY NAME ".join(selects)) if selects else ():
            writer.write(batch)
    told = {"taken": began, "ended": stamp(look.clock.now()), "key_field": asked.key_field, **facts}
    kept = sum(part.rows for part in writer.parts)
    return look.store.publish(
        Manifest(folder, folder.partition("/")[0], asked.schema.name, 0, kept, tuple(writer.parts),
                 asked.described, told)
    )  # fmt: skip


def _raw(look: Look, asked: Asked, folder: str, ids: str, progress: Callable[[int], None] | None) -> Manifest:
    """Stage the wire values of records: `_id`, `_key`, `_stamp`, `_source`, then the fields, all texts."""
    import pyarrow as pa

    look.store.discard(folder)
    names = [name for name in asked.asked if name != "_source"]
    columns = pa.schema([(name, pa.string()) for name in ("_id", "_key", "_stamp", "_source", *asked.fields)])
    rows = 0
    with look.store.writer(folder, columns) as writer:
        for lot in lots(_ids(look, ids), LOT):
            held = look.connector.read_back(asked.schema.name, names, ids=lot)
            # A merged record answers with its survivor, which is another record.
            found = [
                {"_id": one.id, "_key": one.values.get(asked.key_field), "_stamp": one.stamp or None,
                 "_source": one.source or None, **{name: one.values.get(name) for name in asked.fields}}
                for one in held
                if one.id == one.asked and not one.archived
            ]  # fmt: skip
            if found:
                writer.write(_table(found, columns))
            rows += len(lot)
            if progress is not None:
                progress(rows)
    parts = tuple(writer.parts)
    held_rows = sum(part.rows for part in parts)
    return look.store.publish(
        Manifest(folder, folder.partition("/")[0], asked.schema.name, 0, held_rows, parts)
    )


def _ids(look: Look, query: str) -> Iterator[str]:
    for batch in look.engine.stream(query):
        yield from batch.column(0).to_pylist()


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=schema)
