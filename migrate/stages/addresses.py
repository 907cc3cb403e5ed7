"""Where do old addresses in texts lead now? A load asks the crosswalk, a validation the target itself."""

from __future__ import annotations

from migrate.catalog import Catalog
from migrate.engine import Engine
from migrate.plan import Plan
from migrate.plan.keys import key_sql
from migrate.plan.models import ObjectPlan
from migrate.rewriting import Addresses, Reads, rewritten_fields
from migrate.stages.crosswalk import current_ids, latest, rows_of
from migrate.stages.departed import MERGED, survivors
from migrate.store import Store

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
    return Addresses(engine, plans, source, target, moved, "SELECT key, survivor FROM merged_away", read)


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
