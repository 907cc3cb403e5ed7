"""What is in the target that should not be there? A look over every record, from its row store.

Twins: two records with one key. Strays: a record with a key of our family that the journal doesn't
know (a call of a stopped process that landed late). Sides: records that an automation made because
of what we wrote; they are journalled, so that a rollback can name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.connector import ExplainsLinks, Held, Link, Who
from migrate.journal import Entry
from migrate.load.context import Loading
from migrate.store import Manifest, Store

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.connector import Target

AUTOMATION = Who.AUTOMATION.value


@dataclass(frozen=True)
class Swept:
    """What a sweep of one object found, by target id (twins and strays with their keys)."""

    object: str
    records: int
    twins: tuple[tuple[str, str], ...]
    strays: tuple[tuple[str, str], ...]
    sides: tuple[str, ...]


def take(target: Target, object: str, key_field: str, store: Store) -> Manifest:
    """Stage (id, key, stamp, source) of every live record of the object; returns the manifest."""
    import pyarrow as pa

    folder = f"sweep/{object}"
    store.discard(folder)
    schema = pa.schema(
        [("_id", pa.string()), ("_key", pa.string()), ("_stamp", pa.string()), ("_source", pa.string())]
    )
    with store.writer(folder, schema) as writer:
        for table in _tables(target.sweep(object, [key_field]), key_field, schema):
            writer.write(table)
    rows = sum(part.rows for part in writer.parts)
    return store.publish(Manifest(folder, "sweep", object, 0, rows, tuple(writer.parts)))


def _tables(records: Iterable[Held], key_field: str, schema: pa.Schema) -> Iterator[pa.Table]:
    import pyarrow as pa

    rows: list[dict[str, str | None]] = []
    for record in records:
        key = record.values.get(key_field)
        rows.append({"_id": record.id, "_key": key, "_stamp": record.stamp, "_source": record.source})
        if len(rows) >= 10_000:
            yield pa.Table.from_pylist(rows, schema=schema)
            rows = []
    if rows:
        yield pa.Table.from_pylist(rows, schema=schema)


def sweep(loading: Loading, object: str, key_field: str, baseline: Sequence[str]) -> Swept:
    """Look over one object; journal the sides.

    Args:
        baseline: Parquet files with `_id` of what was there before the load.
    """
    store, engine = loading.workspace.store, loading.workspace.engine
    manifest = take(loading.target, object, key_field, store)
    swept = _listed(store.files(manifest), "_id, _key, _stamp, _source")
    before = _listed(list(baseline), "_id")
    family = loading.workspace.catalog("source").family
    engine.run(f"CREATE OR REPLACE TABLE swept AS SELECT * FROM {swept}")
    twins = engine.rows(
        """SELECT _key, _id FROM swept WHERE _key IN
        (SELECT _key FROM swept WHERE _key IS NOT NULL GROUP BY _key HAVING count(*) > 1) ORDER BY ALL"""
    )
    strays = engine.rows(
        f"""SELECT _key, _id FROM swept WHERE starts_with(_key, '{family}.') AND NOT EXISTS
        (SELECT 1 FROM crosswalk WHERE crosswalk.key = _key AND crosswalk.target_id = _id) ORDER BY ALL"""
    )
    known = f"""SELECT target_id FROM {loading.journal.source()}
        WHERE kind = 'side' AND op = 'create' AND outcome = 'done' AND object = '{object}'"""
    sides = engine.rows(
        f"""SELECT _id FROM swept WHERE _key IS NULL AND _source = '{AUTOMATION}'
        AND _id NOT IN (SELECT _id FROM {before}) AND _id NOT IN ({known}) ORDER BY ALL"""
    )
    loading.journal.append(
        Entry(
            loading.attempt, "", loading.system, object, "side", "", "create", "done", row["_id"],
            reason="made by an automation of the target after our write",
        )
        for row in sides
    )  # fmt: skip
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)
    return Swept(
        object,
        manifest.rows,
        tuple((row["_key"], row["_id"]) for row in twins),
        tuple((row["_key"], row["_id"]) for row in strays),
        tuple(row["_id"] for row in sides),
    )


def side_links(loading: Loading, object: str) -> int:
    """Journal the links that a known automation made on records we created; returns how many are new."""
    target = loading.target
    if not isinstance(target, ExplainsLinks):
        return 0
    engine = loading.workspace.engine
    engine.run(
        f"""CREATE OR REPLACE TABLE known_links AS SELECT DISTINCT "left", "right", label
        FROM {loading.journal.source()}
        WHERE kind IN ('link', 'side') AND outcome = 'done' AND starts_with(object, '{object}>')"""
    )
    found = 0
    for ids in _ids(loading, object):
        listed = ", ".join(f"'{id}'" for id in ids)
        known = {
            (row["left"], row["right"], row["label"])
            for row in engine.rows(f'SELECT * FROM known_links WHERE "left" IN ({listed})')
        }
        for other in target.linked_objects(object):
            unknown = [
                link
                for link in target.read_links(object, ids, other)
                if (link.left, link.right, link.label) not in known
            ]
            explained = target.made_by_automation(unknown) if unknown else set()
            loading.journal.append(_side(loading, link) for link in sorted(explained, key=repr))
            found += len(explained)
    if found:
        with loading.ledger.write(loading.lease) as tx:
            loading.journal.register(tx)
    return found


def _side(loading: Loading, link: Link) -> Entry:
    return Entry(
        loading.attempt, "", loading.system, f"{link.left_object}>{link.right_object}", "side", "", "link",
        "done", left=link.left, right=link.right, label=link.label,
        reason="made by an automation of the target after our write",
    )  # fmt: skip


def _ids(loading: Loading, object: str) -> Iterator[list[str]]:
    """Target ids of what we created of an object, in lots that one call can read."""
    reader = loading.workspace.engine.stream(
        f"SELECT target_id FROM crosswalk WHERE object = '{object}' AND origin = 'create' ORDER BY key",
        rows=loading.target.limits.link_reads,
    )
    for batch in reader:
        if batch.num_rows:
            yield batch.column(0).to_pylist()


def _listed(files: list[str], columns: str) -> str:
    if not files:
        empty = ", ".join(f"NULL::VARCHAR AS {name}" for name in columns.split(", "))
        return f"(SELECT {empty} WHERE false)"
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
    return f"(SELECT {columns} FROM read_parquet([{quoted}]))"
