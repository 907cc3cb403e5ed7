"""What became of every extracted record? One line each, with reason, for us and for everyone else's systems.

Every record that was extracted has exactly one end: created, updated, adopted, merged, skipped, rejected,
dead letter, blocked. One without an end is `unaccounted`; one with two stands twice. Facts come from the
stages' artifacts and the journal; the target isn't asked.
"""

from __future__ import annotations

from migrate.catalog import Catalog
from migrate.engine import Engine, identifier, parquet, text
from migrate.journal import CROSSWALK, REFUSED
from migrate.plan import Plan
from migrate.plan.keys import id_sql, key_sql
from migrate.plan.models import ObjectPlan
from migrate.stages.departed import DELETED, MERGED, RETURNED, survivors
from migrate.store import Manifest, Store

LOADED = ("created", "updated", "adopted")
OTHERS = "it belongs to a cohort that hasn't started"  # why a record is blocked
REFUSALS = ("rejected", "dead_letter", "blocked")  # together: `rejected` in the sum that must add up
ENDS = {
    "key": "VARCHAR",
    "entry": "VARCHAR",
    "source_object": "VARCHAR",
    "source_id": "VARCHAR",
    "outcome": "VARCHAR",
    "reason": "VARCHAR",
    "survivor": "VARCHAR",
    "target_object": "VARCHAR",
    "target_id": "VARCHAR",
}


def rows_of(
    store: Store, manifests: list[Manifest], columns: dict[str, str], *, generation: bool = False
) -> str:
    """A query that gives exactly these columns of artifacts, absent ones as null.

    Args:
        columns: name to DuckDB type.
        generation: adds `_gen`, the artifact's generation.
    """
    import pyarrow.parquet as pq

    nothing = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
    selects = []
    for manifest in manifests:
        if files := store.files(manifest):
            # Generations differ in their columns where the plan, or the source's schema, was changed between.
            held = set(pq.read_schema(files[0]).names)
            items = ", ".join(
                f"CAST({identifier(name) if name in held else 'NULL'} AS {kind}) AS {identifier(name)}"
                for name, kind in columns.items()
            )
            mark = f", {manifest.generation} AS _gen" if generation else ""
            selects.append(f"SELECT {items}{mark} FROM {parquet(files)}")
    if not selects:
        selects = [f"SELECT {nothing}{', 0 AS _gen' if generation else ''} WHERE false"]
    return f"({' UNION ALL '.join(selects)})"


def latest(store: Store, stage: str, object: str) -> list[Manifest]:
    """The newest generation of an artifact that tells the whole state each time: rejects, merged, skipped."""
    return store.manifests(stage, object)[-1:]


def crosswalk_into(engine: Engine, journal: str, table: str) -> None:
    """Make a table of the crosswalk, with `updated`: whether we wrote to the record again later."""
    engine.run(
        f"""CREATE OR REPLACE TABLE {table} AS SELECT c.*, coalesce(u.n, 0) > 0 AS updated
        FROM ({CROSSWALK.format(journal=journal)}) AS c LEFT JOIN (
            SELECT key, count(*) AS n FROM {journal}
            WHERE kind = 'record' AND outcome = 'done' AND op = 'update' GROUP BY key) AS u USING (key)"""
    )


def current_ids(store: Store, object: str, stamp: str | None) -> str:
    """A query of the `_id`s that the source has now: seen in any generation and not deleted since.

    Args:
        stamp: the source's modification stamp, which tells a restored record from a deleted one.
    """
    seen = {"_id": "VARCHAR"} | ({stamp: "TIMESTAMPTZ"} if stamp else {})
    rows = rows_of(store, store.manifests("source", object), seen, generation=True)
    gone: list[Manifest] = []
    back: list[Manifest] = []
    for manifest in store.manifests("source", object):
        for told, suffix in ((gone, DELETED), (back, RETURNED)):
            found = store.manifest(manifest.folder + suffix)
            if found is not None and store.files(found):
                told.append(found)
    dead = rows_of(store, gone, {"_id": "VARCHAR", "_at": "TIMESTAMPTZ"}, generation=True)
    again = rows_of(store, back, {"_id": "VARCHAR"}, generation=True)
    dead = f"""(SELECT d.* FROM {dead} AS d ANTI JOIN {again} AS b ON b._id = d._id AND b._gen >= d._gen)"""
    last = f"max({identifier(stamp)})" if stamp else "NULL::TIMESTAMPTZ"
    return f"""(SELECT s._id FROM (SELECT _id, {last} AS last, max(_gen) AS gen FROM {rows} GROUP BY _id) AS s
        LEFT JOIN (SELECT _id, max(_at) AS at, max(_gen) AS gen FROM {dead} GROUP BY _id) AS d USING (_id)
        WHERE d._id IS NULL OR coalesce(d.at < s.last, d.gen < s.gen))"""


def merged_at_source(store: Store, object: str, stamp: str | None) -> str:
    """A query of records that were merged into another one at the source: `_id`, `survivor` (an id)."""
    files: list[str] = []
    for manifest in store.manifests("source", object):
        told = store.manifest(manifest.folder + MERGED)
        files += store.files(told) if told is not None else []
    return survivors(files, current_ids(store, object, stamp))


def latest_extracted(store: Store, source: str, columns: dict[str, str]) -> str:
    """A query of the latest extracted version of each record: `_id`, these columns and `_gen`.

    Args:
        columns: name to DuckDB type.
    """
    rows = rows_of(store, store.manifests("source", source), {"_id": "VARCHAR"} | columns, generation=True)
    newest = "QUALIFY row_number() OVER (PARTITION BY _id ORDER BY _gen DESC) = 1"
    return f"(SELECT * FROM {rows} {newest})"


def latest_ready(store: Store, entry: str, columns: dict[str, str]) -> str:
    """A query of the latest staged version of each key that isn't a tombstone: `_key` and these columns."""
    wanted = {"_key": "VARCHAR", "_deleted": "BOOLEAN"} | columns
    manifests = store.manifests("ready", entry)
    names = ", ".join(identifier(name) for name in wanted if name != "_deleted")
    rows = rows_of(store, manifests, wanted, generation=True)
    newest = (
        "" if len(manifests) < 2 else "QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _gen DESC) = 1"
    )
    return f"(SELECT {names} FROM (SELECT * FROM {rows} {newest}) WHERE NOT coalesce(_deleted, false))"


def ends_into(
    engine: Engine, store: Store, journal: str, plan: Plan, source: Catalog, table: str, attempt: int
) -> None:
    """Make a table of the end of every extracted record of the plan's entries, one row a record and entry.

    Columns as in `ENDS`. Needs the crosswalk as `<table>_crosswalk`, which it makes.

    Args:
        journal: the journal's table expression.
        attempt: whose refusals count.
    """
    crosswalk_into(engine, journal, f"{table}_crosswalk")
    columns = ", ".join(f"{name} {kind}" for name, kind in ENDS.items())
    engine.run(f"CREATE OR REPLACE TABLE {table} ({columns})")
    engine.run(
        f"""CREATE OR REPLACE TABLE {table}_refused AS
        SELECT * FROM ({REFUSED.format(journal=journal)}) WHERE attempt = {int(attempt)}"""
    )
    for each in plan.model.objects:
        _ends_of(engine, store, each, source, table)


def _ends_of(engine: Engine, store: Store, each: ObjectPlan, source: Catalog, table: str) -> None:
    schema = source.objects.get(each.source)
    keyed = {"_key": "VARCHAR", "reason": "VARCHAR"}
    rejects = rows_of(
        store, latest(store, "rejects", each.name), keyed | {"field": "VARCHAR", "value": "VARCHAR"}
    )
    merged = rows_of(store, latest(store, "merged", each.name), keyed | {"survivor": "VARCHAR"})
    skipped = rows_of(store, latest(store, "skipped", each.name), keyed)
    held_back = store.manifest(f"blocked/{each.name}/current")
    blocked = rows_of(store, [held_back] if held_back else [], {"_key": "VARCHAR", "cause": "VARCHAR"})
    key = key_sql(source.family, each.name, "s._id")
    what = "reason || coalesce(': ' || nullif(field, ''), '') || coalesce(' = ' || value, '')"
    engine.run(
        f"""INSERT INTO {table}
        WITH ends AS (
            SELECT r._key, CASE WHEN c.key IS NOT NULL THEN
                    CASE WHEN c.origin = 'adopt' THEN 'adopted'
                        WHEN c.updated THEN 'updated' ELSE 'created' END
                WHEN f.key IS NOT NULL THEN 'dead_letter' WHEN b._key IS NOT NULL THEN 'blocked'
                ELSE 'unaccounted' END AS outcome,
                CASE WHEN c.key IS NOT NULL THEN '' WHEN f.key IS NOT NULL THEN f.reason
                WHEN b._key IS NOT NULL THEN b.cause ELSE 'staged, but not loaded' END AS reason,
                NULL AS survivor, c.target_id
            FROM {latest_ready(store, each.name, {})} AS r
            LEFT JOIN {table}_crosswalk AS c ON c.key = r._key
            LEFT JOIN {table}_refused AS f ON f.key = r._key AND f.kind = 'record'
            LEFT JOIN (SELECT _key, min(cause) AS cause FROM {blocked} GROUP BY _key) AS b ON b._key = r._key
            UNION ALL SELECT m._key, 'merged', m.reason, m.survivor, c.target_id
            FROM {merged} AS m LEFT JOIN {table}_crosswalk AS c ON c.key = m.survivor
            UNION ALL SELECT _key, 'skipped', reason, NULL, NULL FROM {skipped}
            UNION ALL SELECT _key, 'rejected', string_agg({what}, '; ' ORDER BY field, reason), NULL, NULL
            FROM {rejects} GROUP BY _key
        )
        SELECT coalesce(ends._key, {key}), {text(each.name)}, {text(each.source)},
            coalesce(s._id, {id_sql(source.family, each.name, "ends._key")}),
            CASE WHEN s._id IS NULL THEN 'unknown' ELSE coalesce(ends.outcome, 'unaccounted') END,
            CASE WHEN s._id IS NULL THEN 'has an end, but was never extracted'
                ELSE coalesce(ends.reason, 'no stage names it') END,
            ends.survivor, {text(each.target)}, ends.target_id
        FROM {current_ids(store, each.source, schema.stamp if schema else None)} AS s
        FULL JOIN ends ON ends._key = {key}"""
    )
