"""Which records make a sample that can stand alone? Whole trees, closed under references.

Some records of the plan's first object, everything that links to them, and every parent of those, so
that no sampled record waits for one that isn't in the sample. Always the same ones for the same data.
"""

from __future__ import annotations

from migrate.plan.keys import belongs_sql
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
    links = [
        path
        for each in plans
        for index in range(len(each.links))
        for manifest in store.manifests("links", f"{each.name}.{index}")
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
    if links:
        edges = f"""(SELECT DISTINCT "left", "right" FROM read_parquet({links!r}) WHERE NOT _deleted)"""
        engine.run(
            f"""INSERT INTO sample SELECT DISTINCT "left" FROM {edges}
            WHERE "right" IN (SELECT key FROM sample) AND "left" NOT IN (SELECT key FROM sample)"""
        )
        before = -1
        while (now := _size(workspace)) != before:
            before = now
            engine.run(
                f"""INSERT INTO sample SELECT DISTINCT "right" FROM {edges}
                WHERE "left" IN (SELECT key FROM sample) AND "right" NOT IN (SELECT key FROM sample)"""
            )
    return _size(workspace)


def _size(workspace: Workspace) -> int:
    return int(workspace.engine.rows("SELECT count(*) AS n FROM sample")[0]["n"])
