"""On which side is a record at home, and which records does a cohort have?

A record's home is the source until the first cohort that contains it is switched, and the target from then
on; a cohort that went back takes it home again, unless another one that is switched contains it. A cohort's
migration keys are published whole, as Parquet, when it starts, and again as it grows: a record that is in
stays in. Everything here is SQL over these files, so memory doesn't grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from migrate.cutover.cohorts import cohorts, known
from migrate.cutover.machine import states
from migrate.cutover.states import HERE
from migrate.engine import parquet, text
from migrate.errors import Damaged
from migrate.plan.cutover import CohortPlan
from migrate.stages.at_home import BORN, GONE, STAGE, born
from migrate.store import Manifest
from migrate.store.artifacts import generation_folder
from migrate.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


def keys(workspace: Workspace, cohort: str) -> list[str]:
    """Parquet files of a cohort's migration keys (column `key`, sorted, each once); none before it starts.

    Raises:
        Damaged: a part isn't what it was published as.
    """
    manifest = published(workspace, cohort)
    if manifest is None:
        return []
    workspace.store.verify(manifest)
    return workspace.store.files(manifest)


def published(workspace: Workspace, cohort: str) -> Manifest | None:
    """The newest list of a cohort's keys; None before it starts."""
    found = workspace.store.manifests(STAGE, cohort)
    return found[-1] if found else None


def publish(workspace: Workspace, cohort: str) -> Manifest:
    """Publish a cohort's keys as the newest extract has them, if there are more than before.

    Raises:
        UsageError: its expression can't be read, or nothing is ready to be loaded.
    """
    import pyarrow as pa

    former = published(workspace, cohort)
    members(workspace, known(workspace, cohort))
    engine, store = workspace.engine, workspace.store
    if files := keys(workspace, cohort):
        engine.run(f"INSERT INTO cohort_keys SELECT key FROM {parquet(files)}")
    count = int(engine.rows("SELECT count(DISTINCT key) AS n FROM cohort_keys")[0]["n"])
    if former is not None and former.rows == count:
        return former
    number = former.generation + 1 if former is not None else 0
    folder = generation_folder(STAGE, cohort, number)
    store.discard(folder)
    with store.writer(folder, pa.schema([("key", pa.string())])) as writer:
        for batch in engine.stream("SELECT DISTINCT key FROM cohort_keys ORDER BY key"):
            writer.write(batch)
    made = store.publish(
        Manifest(folder, STAGE, cohort, number, count, tuple(writer.parts), facts={"cohort": cohort})
    )
    for old in store.manifests(STAGE, cohort):
        if old.generation < number:
            store.discard(old.folder)
    return made


def members(workspace: Workspace, cohort: CohortPlan) -> None:
    """Make the engine's table `cohort_keys` (key): the records of a cohort; not yet each once."""
    from migrate_rollback.cohort import members as hanging

    engine = workspace.engine
    if cohort.where is not None:
        hanging(workspace, cohort.where)
        return
    others = [each for each in cohorts(workspace) if each.name != cohort.name]
    engine.run("CREATE OR REPLACE TABLE cohort_others (key VARCHAR)")
    for each in others:
        members(workspace, each)
        engine.run("INSERT INTO cohort_others SELECT key FROM cohort_keys")
        if files := keys(workspace, each.name):
            engine.run(f"INSERT INTO cohort_others SELECT key FROM {parquet(files)}")
    engine.run("CREATE OR REPLACE TABLE cohort_keys (key VARCHAR)")
    for entry in workspace.plan.model.objects:
        for manifest in workspace.store.manifests("ready", entry.name):
            if files := workspace.store.files(manifest):
                engine.run(
                    f"""INSERT INTO cohort_keys SELECT _key FROM {parquet(files)}
                    WHERE NOT _deleted AND _key NOT IN (SELECT key FROM cohort_others)"""
                )


def publish_born(workspace: Workspace, keys: Iterable[pa.RecordBatch]) -> int:
    """Add to the keys of records that were born in the target and that a live way back has made in the
    source: they are at home in the target. How many were handed over.

    Args:
        keys: batches of one column `key`.
    """
    import pyarrow as pa

    engine, store = workspace.engine, workspace.store
    engine.run("CREATE OR REPLACE TABLE born_keys (key VARCHAR)")
    for batch in keys:
        engine.insert("born_keys", pa.Table.from_batches([batch]))
    count = int(engine.rows("SELECT count(*) AS n FROM born_keys")[0]["n"])
    former = store.manifests(BORN, "all")
    if files := born(workspace):
        engine.run(f"INSERT INTO born_keys SELECT key FROM {parquet(files)}")
    whole = int(engine.rows("SELECT count(DISTINCT key) AS n FROM born_keys")[0]["n"])
    if (former and former[-1].rows == whole) or not whole:
        return count
    number = former[-1].generation + 1 if former else 0
    folder = generation_folder(BORN, "all", number)
    store.discard(folder)
    with store.writer(folder, pa.schema([("key", pa.string())])) as writer:
        for made in engine.stream("SELECT DISTINCT key FROM born_keys ORDER BY key"):
            writer.write(made)
    store.publish(Manifest(folder, BORN, "all", number, whole, tuple(writer.parts)))
    for old in former:
        store.discard(old.folder)
    return count


def forget_born(workspace: Workspace) -> None:
    """They have gone home with a cohort that went back: from now on they are as any other record."""
    for each in workspace.store.manifests(BORN, "all"):
        workspace.store.discard(each.folder)


def home(workspace: Workspace) -> str:
    """A table expression `(key VARCHAR, side VARCHAR)`: each record of a started cohort once, with its home
    side, `source` or `target`; those born in the target, too. A record that isn't in it is at `elsewhere`.

    Raises:
        Damaged: a cohort's keys aren't what they were published as.
    """
    selects = []
    for cohort, state in states(workspace).items():
        if files := keys(workspace, cohort):
            here = "true" if state in HERE else "false"
            selects.append(f"SELECT key, {here} AS here FROM {parquet(files)}")
        elif state not in ("planned", "rehearsed"):
            place = workspace.store.storage.address(f"{STAGE}/{cohort}")
            raise Damaged(place, "has no list of the cohort's records, though it has started", GONE)
    if files := born(workspace):
        selects.append(f"SELECT key, true AS here FROM {parquet(files)}")
    if not selects:
        return "(SELECT NULL::VARCHAR AS key, 'source' AS side WHERE false)"
    rows = " UNION ALL ".join(selects)
    side = "CASE WHEN bool_or(here) THEN 'target' ELSE 'source' END"
    return f"(SELECT key, {side} AS side FROM ({rows}) GROUP BY key)"


def elsewhere(workspace: Workspace) -> str:
    """The home side of a record that no published cohort has: `target` once every cohort is switched."""
    return "target" if all(state in HERE for state in states(workspace).values()) else "source"


def side_sql(workspace: Workspace, key: str) -> str:
    """SQL of a record's home side, by SQL of its migration key."""
    return (
        f"coalesce((SELECT side FROM {home(workspace)} AS home WHERE home.key = {key}), "
        f"{text(elsewhere(workspace))})"
    )


def shared(workspace: Workspace) -> dict[tuple[str, str], int]:
    """How many records each two cohorts share, by their names in the plan's order; only pairs that share any.

    Raises:
        UsageError: an expression can't be read.
    """
    engine = workspace.engine
    engine.run("CREATE OR REPLACE TABLE cohort_all (cohort VARCHAR, key VARCHAR)")
    named = [each for each in cohorts(workspace) if each.where is not None]
    for each in named:
        members(workspace, each)
        engine.run(f"INSERT INTO cohort_all SELECT DISTINCT {text(each.name)}, key FROM cohort_keys")
    order = {each.name: index for index, each in enumerate(named)}
    rows = engine.rows(
        """SELECT a.cohort AS a, b.cohort AS b, count(*) AS n FROM cohort_all AS a JOIN cohort_all AS b
        ON a.key = b.key AND a.cohort <> b.cohort GROUP BY ALL"""
    )
    found = {(row["a"], row["b"]): int(row["n"]) for row in rows if order[row["a"]] < order[row["b"]]}
    return dict(sorted(found.items(), key=lambda each: (order[each[0][0]], order[each[0][1]])))


def sizes(workspace: Workspace) -> Iterator[tuple[str, int]]:
    """Records of each started cohort."""
    for each in cohorts(workspace):
        manifest = published(workspace, each.name)
        if manifest is not None:
            yield each.name, manifest.rows
