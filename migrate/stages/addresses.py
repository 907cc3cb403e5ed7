"""Where do old addresses in texts lead now? A load asks the crosswalk, a validation the target itself."""

from __future__ import annotations

from migrate.catalog import Catalog
from migrate.engine import Engine, identifier, text
from migrate.plan import Plan
from migrate.plan.keys import key_sql
from migrate.plan.models import ObjectPlan
from migrate.rewriting import Addresses, Reads, inline_name, rewritten_fields
from migrate.stages.crosswalk import current_ids, latest, rows_of
from migrate.stages.departed import MERGED, survivors
from migrate.store import Store
from migrate.types import Kind

NO_IMAGES = """SELECT '' AS field, '' AS parent, '' AS cid, '' AS name, '' AS key WHERE false"""
LOT = 200  # texts in memory at once


def addresses_of(
    engine: Engine, store: Store, plan: Plan, source: Catalog, target: Catalog, moved: str, read: Reads
) -> Addresses | None:
    """New addresses of old records; None where the plan rewrites none.

    Args:
        moved: a query (key, object, id) of the records that are in the target.
        read: reads a field of records of the target.
    """
    plans = plan.model.objects
    if not any(rewritten_fields(each) for each in plans):
        return None
    merged = " UNION ALL ".join(_merged(store, each, source) for each in plans)
    engine.run(f"CREATE OR REPLACE TABLE merged_away AS {merged}")
    images = " UNION ALL ".join(
        _images(store, plan, each, name, source)
        for each in plans
        for name in rewritten_fields(each)
        if each.fields[name].inline
    )
    engine.run(f"CREATE OR REPLACE TABLE inline_images AS {images or NO_IMAGES}")
    return Addresses(
        engine, plans, source, target, moved, "SELECT key, survivor FROM merged_away", read,
        "SELECT * FROM inline_images",
    )  # fmt: skip


def _images(store: Store, plan: Plan, each: ObjectPlan, name: str, source: Catalog) -> str:
    """(field, parent, cid, name, key) of the files that may stand within the texts of a field."""
    selects = []
    named = {other.name: other for other in plan.model.objects}
    for entry, theirs in (each.fields[name].inline or {}).items():
        schema = source.objects[named[entry].source]
        held = next((field for field in schema.fields.values() if field.kind is Kind.BINARY), None)
        columns = {"cid": held.cid_in if held else None, "name": held.name_in if held else None}
        wanted = dict.fromkeys(["_id", theirs, *(column for column in columns.values() if column)], "VARCHAR")
        rows = rows_of(store, store.manifests("source", schema.name), wanted, generation=True)
        items = "".join(
            f", {f'arg_max({identifier(column)}, _gen)' if column else 'NULL::VARCHAR'} AS {word}"
            for word, column in columns.items()
        )
        parent = key_sql(source.family, each.name, "r.parent")
        selects.append(
            f"""SELECT {text(inline_name(each, name))} AS field, {parent} AS parent,
              nullif(trim(r.cid, ' <>'), '') AS cid, r.name, {key_sql(source.family, entry, "r._id")} AS key
            FROM (SELECT _id, arg_max({identifier(theirs)}, _gen) AS parent{items}
              FROM {rows} GROUP BY _id) AS r
            WHERE r.parent IS NOT NULL"""
        )
    return " UNION ALL ".join(selects)


def _merged(store: Store, each: ObjectPlan, source: Catalog) -> str:
    """(key, survivor) of an entry's records that became another one, by the plan or at the source."""
    ours = rows_of(store, latest(store, "merged", each.name), {"_key": "VARCHAR", "survivor": "VARCHAR"})
    told = [store.manifest(f"{m.folder}{MERGED}") for m in store.manifests("source", each.source)]
    files = [path for manifest in told if manifest is not None for path in store.files(manifest)]
    schema = source.objects.get(each.source)
    live = current_ids(store, each.source, schema.stamp if schema else None)
    old, new = (key_sql(source.family, each.name, name) for name in ("s._id", "s.survivor"))
    return f"""SELECT _key AS key, survivor FROM {ours}
        UNION ALL SELECT {old}, coalesce(m.survivor, {new})
        FROM {survivors(files, live)} AS s LEFT JOIN {ours} AS m ON m._key = {new}"""
