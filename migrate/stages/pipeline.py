"""How do the stages hang together in a workspace? Which generation is next, and what each one is given.

`transform` and `check` are pure functions of artifacts; here they are handed a workspace's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.journal import CROSSWALK
from migrate.ledger.tables import batches, generations
from migrate.load.context import Progress, no_progress
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate.plan import Plan
    from migrate.stages.checked import Checked
    from migrate.stages.transform.ready import ObjectCounts
    from migrate.store import Store


@dataclass(frozen=True)
class Extract:
    """What has been extracted, every part of it compared with its digest.

    `files`: parts that the engine can read, by source object. `whole`: the folders that these lie in.
    """

    files: dict[str, list[str]]
    whole: frozenset[str]


def checked(workspace: Workspace) -> Checked:
    """The plan, checked against both catalogs and, where there is an extract, against its values.

    Raises:
        PlanError: with every mistake.
        Damaged: a part of the extract isn't what its manifest says.
    """
    return _checked(workspace)[0]


def _checked(workspace: Workspace, other: Plan | None = None) -> tuple[Checked, Extract]:
    """Args:
    other: a plan that isn't the one in the workspace's folder.
    """
    from migrate.plan import read_plan
    from migrate.stages.check import check
    from migrate.stages.count import count_collisions, count_combinations, count_consent, count_values

    if other is None and not workspace.plan_path.exists():
        workspace.plan  # noqa: B018 - raises, and says what to do
    plan = other or workspace.with_files(read_plan(workspace.plan_path))
    source, target = workspace.catalog("source"), workspace.catalog("target")
    extract = extracted(workspace, source_objects(plan))
    files = extract.files
    if not any(files.values()):
        return check(plan, source, target), extract
    engine = workspace.engine
    counts = count_values(plan, source, files, engine)
    collisions = count_collisions(plan, source, target, files, engine)
    combinations = count_combinations(plan, source, target, files, engine)
    found = check(
        plan,
        source,
        target,
        counts,
        collisions=collisions,
        combinations=combinations,
        consent=count_consent(source, files, engine),
        engine=engine,
    )
    return found, extract


def extracted(workspace: Workspace, objects: Iterable[str]) -> Extract:
    """What has been extracted of these source objects, in any generation.

    Raises:
        Damaged: a part isn't what its manifest says; it is set aside, and the stage to run again is named.
    """
    store = workspace.store
    files: dict[str, list[str]] = {name: [] for name in objects}
    whole = set()
    for name in files:
        for manifest in store.manifests("source", name):
            store.verify(manifest)
            whole.add(manifest.folder)
            files[name] += store.files(manifest)
    return Extract(files, frozenset(whole))


def source_objects(plan: Plan) -> list[str]:
    """Source objects that the plan names; junctions, related ones and those with opt-outs included."""
    from migrate.stages.related import objects

    entries = plan.model.objects
    junctions = [link.through for each in entries for link in each.links if link.through]
    consent = [each.source for each in plan.model.consent]
    return list(dict.fromkeys([*(each.source for each in entries), *junctions, *objects(entries), *consent]))


@contextmanager
def alone(workspace: Workspace, what: str, *, with_others: bool = False) -> Iterator[None]:
    """Keep one step of a workspace to one process; ends with the process, however that ends.

    A transform that changed the ready parts while a load reads them would make (part, rows) mean other
    records: `transform` is alone with `ready`, a load shares it with other readers.

    Raises:
        UsageError: another process is at it.
    """
    with workspace.ledger.alone(what, shared=with_others) as ours:
        if not ours:
            others = {"ready": "a transform or a load", "plan-diff": "a plan diff", "drill": "a drill",
                      "rehearsal": "a rehearsal"}  # fmt: skip
            other = others.get(what, f"an {what}")
            raise UsageError(
                f"Another process is busy with {other} in this workspace.",
                "Wait for its end, and run this again.",
            )
        yield


def next_ready(workspace: Workspace) -> int:
    """The generation that `transform` writes: the last one, or the next where that has been loaded from.

    Work done is known by (part, rows), so the parts of a generation must never change once a batch was
    cut from them; a rollback that was killed at its start still asks for the rows of those in doubt.
    """
    newest = -1
    for each in workspace.plan.model.objects:
        for manifest in workspace.store.manifests("ready", each.name):
            newest = max(newest, manifest.generation)
    if newest < 0:
        return 0
    attempt = workspace.ledger.attempt()
    folders = f"%/g{newest:04d}"
    used = workspace.ledger.value(
        sa.select(batches.c.id)
        .where((batches.c.attempt == attempt) | (batches.c.state == "intent"), batches.c.stage.like(folders))
        .limit(1)
    )
    return newest + 1 if used else newest


def transform(workspace: Workspace, progress: Progress = no_progress) -> dict[str, ObjectCounts]:
    """Transform what has been extracted, for the attempt under way.

    Raises:
        PlanError: the plan isn't sound.
        UsageError: nothing has been extracted.
    """
    with alone(workspace, "ready"):
        return _transform(workspace, progress)


def transform_by(
    workspace: Workspace, plan: Plan, store: Store, progress: Progress = no_progress
) -> dict[str, ObjectCounts]:
    """Transform what has been extracted by any plan into any store, whole; the workspace's stages stay.

    Args:
        store: reads the workspace's extracts, and takes what is written, as generation 0.

    Raises:
        PlanError: the plan isn't sound.
        UsageError: nothing has been extracted.
    """
    return _run(workspace, *_checked(workspace, plan), store, 0, progress)


def _transform(workspace: Workspace, progress: Progress) -> dict[str, ObjectCounts]:
    fresh = sa.select(generations.c.object, generations.c.number).where(generations.c.state == "extracted")
    taken = workspace.ledger.read(fresh)
    found, extract = _checked(workspace)
    counts = _run(workspace, found, extract, workspace.store, next_ready(workspace), progress)
    with workspace.ledger.write() as tx:
        for row in taken:
            tx.sql.execute(
                generations.update()
                .where(generations.c.object == row.object, generations.c.number == row.number)
                .values(state="transformed")
            )
    return counts


def _run(
    workspace: Workspace, found: Checked, extract: Extract, store: Store, generation: int, progress: Progress
) -> dict[str, ObjectCounts]:
    from migrate.stages.transform import transform as run

    sources = [each.source for each in found.plan.model.objects]
    sources += [each.source for each in found.plan.model.consent]
    for name in dict.fromkeys(sources):
        workspace.store.must_be_whole("source", name)
        if not workspace.store.manifests("source", name):
            raise UsageError(f"`{name}` hasn't been extracted.", "Run `migrate extract` first.")
    return run(
        checked=found,
        plan=found.plan,
        source=found.source,
        target=found.target,
        store=store,
        generation=generation,
        engine=workspace.engine,
        progress=progress,
        crosswalk=CROSSWALK.format(journal=workspace.journal.source()),
        blobs=workspace.blobs,
        discovered=workspace.catalog_digest("target"),
        whole=extract.whole,
    )
