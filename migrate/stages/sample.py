"""Which records make a sample that can stand alone? Whole trees, closed under references.

Some records of the plan's first object, everything that leads to them, and every parent of those, so
that no sampled record waits for one that isn't in the sample. Always the same ones for the same data.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.engine import identifier, parquet
from migrate.load.references import leads_of
from migrate.plan.keys import belongs_sql
from migrate.plan.models import ObjectPlan
from migrate.workspace import Workspace


def sampled(workspace: Workspace, number: int) -> int:
    """Make the engine's table `sample` (key) of `number` trees; returns how many records it names."""
    store, engine = workspace.store, workspace.engine
    plans = workspace.plan.model.objects
    ready = [
        path
        for each in plans
        for manifest in store.manifests("ready", each.name)
        for path in store.files(manifest)
    ]
    first = belongs_sql(workspace.catalog("source").family, plans[0].name, "_key")
    engine.run("CREATE OR REPLACE TABLE sample (key VARCHAR PRIMARY KEY)")
    if not ready:
        return 0
    engine.run(
        f"""INSERT INTO sample SELECT DISTINCT _key FROM read_parquet({ready!r})
        WHERE {first} AND _key IN (
          SELECT _key FROM (SELECT DISTINCT _key FROM read_parquet({ready!r})
          WHERE {first}) ORDER BY md5(_key) LIMIT {number})"""
    )
    edges = _edges(workspace)
    if edges:
        engine.run(
            f"""INSERT INTO sample SELECT DISTINCT "left" FROM {edges}
            WHERE "right" IN (SELECT key FROM sample) AND "left" NOT IN (SELECT key FROM sample)"""
        )
    return closed(workspace)


def closed(workspace: Workspace) -> int:
    """Add to the engine's table `sample` everything to which its records lead; returns how many it names."""
    edges, before = _edges(workspace), -1
    while edges and (now := _size(workspace)) != before:
        before = now
        workspace.engine.run(
            f"""INSERT INTO sample SELECT DISTINCT "right" FROM {edges}
            WHERE "left" IN (SELECT key FROM sample) AND "right" NOT IN (SELECT key FROM sample)"""
        )
    return _size(workspace)


def _edges(workspace: Workspace) -> str:
    """A table expression ("left", "right"): every reference and link as staged; "" where there is none."""
    store, plans = workspace.store, workspace.plan.model.objects
    links = [
        path
        for each in plans
        for index in range(len(each.links))
        for manifest in store.manifests("links", f"{each.name}.{index}")
        for path in store.files(manifest)
    ]
    pairs = [f'SELECT "left", "right" FROM read_parquet({links!r}) WHERE NOT _deleted'] if links else []
    pairs += [pair for each in plans for pair in _references(workspace, each)]
    return f"(SELECT DISTINCT * FROM ({' UNION ALL '.join(pairs)}))" if pairs else ""


def _references(workspace: Workspace, plan: ObjectPlan) -> Iterator[str]:
    """Queries ("left", "right") of an entry's records and those to which their fields lead."""
    for lead in leads_of(plan):
        column = identifier(lead.name)
        other = f"unnest({column})" if lead.many else column
        for manifest in workspace.store.manifests("ready", plan.name):
            if lead.name in manifest.schema and manifest.parts:
                files = parquet(workspace.store.files(manifest))
                yield f'SELECT _key AS "left", {other} AS "right" FROM {files} WHERE {column} IS NOT NULL'


def _size(workspace: Workspace) -> int:
    return int(workspace.engine.rows("SELECT count(*) AS n FROM sample")[0]["n"])
