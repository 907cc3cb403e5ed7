"""How are twins of both systems stood up and given their records, and what is played on them scaled?

The twins are made from the discovered catalogs; the source's holds the extract (or whole trees of it), the
target's what stood in the real one before us.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from migrate_rollback.drilling import plant_before, ready_for, stood_before

from migrate.catalog import Catalog
from migrate.cutover.rehearsal import acting
from migrate.cutover.rehearsal.acting import Edit
from migrate.cutover.rehearsal.found import NOT_PROVED, Options, Rehearsed
from migrate.cutover.rehearsal.identities import let_in
from migrate.cutover.rehearsal.measuring import Recorder
from migrate.cutover.rehearsal.playing import Play, Showing, shown
from migrate.cutover.rehearsal.populating import as_target, choose, opened, populate
from migrate.load.context import Progress
from migrate.stages import pipeline
from migrate.stages.extract import extract, objects_needed
from migrate.stages.sample import sampled
from migrate.twins import Planted, Standing, Twin, stand, twin_workspace
from migrate.workspace import Role, Workspace

TWIN = "twin"


def on_twins(workspace: Workspace, folder: Path, options: Options, progress: Progress) -> Rehearsed:
    """Play a workspace's cutover on twins.

    Args:
        workspace: holds the extract.
        folder: of the rehearsal; goes with it.
    """
    catalogs: dict[Role, Catalog] = {
        "source": opened(workspace.catalog("source"), objects_needed(workspace)),
        "target": workspace.catalog("target"),
    }
    with ExitStack() as stack:
        twins: dict[Role, Standing] = {}
        for role, catalog in catalogs.items():
            settings = options.settings if role == "target" else {}
            twin = Twin(catalog, settings, options.latency, options.speed)
            twins[role] = stack.enter_context(stand(twin, folder / role))
            progress(f"twin of {workspace.system(role).system}", 1, 1)
        return _played(workspace, folder, twins, options, progress)


def _played(
    real: Workspace, folder: Path, twins: Mapping[Role, Standing], options: Options, progress: Progress
) -> Rehearsed:
    """Give the twins their records, play, and scale what was measured."""
    played, of, planted = _source(real, folder, twins["source"], twins, options, progress)
    copied = twin_workspace(real, folder / "workspace", twins, extracted=False)
    left = let_in(copied.workspace.plan_path, hooks=options.hooks)
    copied.workspace.close()
    copy = Workspace(copied.workspace.root, copied.workspace.environment)
    try:
        stood = plant_before(real, copy, twins["target"], stood_before(real), progress)
        for each in twins.values():
            each.slow()
        recorder = Recorder(copy, twins, latency=options.latency, told=options.told)

        def edit(
            workspace: Workspace, role: Role, cohort: str, word: str, spared: Collection[str]
        ) -> list[Edit]:
            return acting.edit(workspace, twins[role], role, cohort, word, spared)

        showing = Showing(
            TWIN, played or of, of, left_out=planted.refused + stood.refused, why=planted.why or stood.why,
            unlike=_unlike(copied.unlike), not_proved=(*NOT_PROVED, *left),
        )  # fmt: skip
        return shown(real, Play(copy, recorder, progress, edit, TWIN), options, showing)
    finally:
        copy.close()


def _source(
    real: Workspace, folder: Path, twin: Standing, twins: Mapping[Role, Standing], options: Options,
    progress: Progress,
) -> tuple[int, int, Planted]:  # fmt: skip
    """Give the source's twin its records; how many are played, of how many."""
    staged = twin_workspace(real, folder / "staged", twins).workspace
    try:
        extract(staged, progress=progress)
        pipeline.transform(staged, progress)
        of, trees = ready_for(staged, options.rows)
        played = of if trees is None else sampled(staged, trees)
        if trees is not None:
            choose(staged)
        with closing(as_target(staged)) as source:
            planted = populate(
                staged, twin, source, folder / "planted", sampled=trees is not None, progress=progress
            )
    finally:
        staged.close()
    return played, of, planted


def _unlike(found: Mapping[Role, tuple[str, ...]]) -> dict[Role, tuple[str, ...]]:
    """Where a twin's catalog differs, but for rights: whoever acts in it may do everything."""
    rights = ("createable", "updateable", "deletable")
    return {
        role: tuple(each for each in told if not each.partition(": ")[2].startswith(rights))
        for role, told in found.items()
    }
