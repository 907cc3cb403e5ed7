"""How is a cutover rehearsed on twins of both systems, and what stays of it?

The twins are made from the discovered catalogs; the source's holds the extract (or whole trees of it), the
target's what stood in the real one before us. `playing` does the rest. What the twins refuse is told with
examples, before the vendor is asked. What was seen goes beside the data as one document, whose digest the
trail's event covers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from migrate_rollback.drilling import must_be_extracted, plant_before, ready_for, stood_before

from migrate.catalog import Catalog
from migrate.clock import stamp
from migrate.connector import TellsCallsLeft
from migrate.cutover import trail
from migrate.cutover.cohorts import names
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal import acting
from migrate.cutover.rehearsal.acting import Edit
from migrate.cutover.rehearsal.found import NOT_PROVED, Options, Rehearsed
from migrate.cutover.rehearsal.identities import let_in
from migrate.cutover.rehearsal.kept import FOLDER
from migrate.cutover.rehearsal.measuring import Recorder
from migrate.cutover.rehearsal.playing import Play, rows_loaded
from migrate.cutover.rehearsal.populating import as_target, choose, opened, populate
from migrate.cutover.rehearsal.projecting import project, slices
from migrate.cutover.starting import REHEARSED
from migrate.errors import MigrateError, UsageError
from migrate.load.context import Progress, no_progress
from migrate.stages import pipeline
from migrate.stages.extract import extract, objects_needed
from migrate.stages.sample import sampled
from migrate.twins import Planted, Standing, Twin, stand, twin_workspace
from migrate.workspace import Role, Workspace

STOPPED = "cutover rehearsal stopped"


def rehearse(
    workspace: Workspace, options: Options, *, who: str, progress: Progress = no_progress
) -> Rehearsed:
    """Play the whole cutover on twins; keep what was seen, and say so on the trail.

    Args:
        who: acts, as the real workspace's trail shall name them.

    Raises:
        UsageError: nothing is extracted, a system has no simulator, or the simulators aren't installed.
        SystemRefused: a step came to its end on a twin that the real system may stop, too; names the step.
        Damaged: a part of the extract differs from its digest.
    """
    must_be_extracted(workspace)
    if options.keep and workspace.place.remote:
        raise UsageError(
            "A workspace on S3 has no folder of its own in which a rehearsal could stay.",
            "Leave out `--keep`.",
        )
    with pipeline.alone(workspace, "rehearsal"):
        try:
            found = _alone(workspace, options, progress)
        except MigrateError as error:
            trail.append(
                workspace.ledger,
                who,
                STOPPED,
                plan=workspace.plan.digest,
                on="twin",
                error=type(error).__name__,
            )
            raise
        return _keep(workspace, found, who)


def _alone(workspace: Workspace, options: Options, progress: Progress) -> Rehearsed:
    catalogs: dict[Role, Catalog] = {
        "source": opened(workspace.catalog("source"), objects_needed(workspace)),
        "target": workspace.catalog("target"),
    }
    folder = workspace.place.scratch / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
    folder.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            twins: dict[Role, Standing] = {}
            for role, catalog in catalogs.items():
                settings = options.settings if role == "target" else {}
                twin = Twin(catalog, settings, options.latency, options.speed)
                twins[role] = stack.enter_context(stand(twin, folder / role))
                progress(f"twin of {workspace.system(role).system}", 1, 1)
            return _played(workspace, folder, twins, options, progress)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


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
        recorder = Recorder(copy, twins, latency=options.latency)

        def edit(workspace: Workspace, role: Role, word: str) -> list[Edit]:
            return acting.edit(workspace, twins[role], role, word)

        play = Play(copy, recorder, progress, edit, "twin")
        attempt = copy.ledger.attempt()
        refusals = play.there()
        cut = slices(copy.ledger, attempt)
        back = play.back()
        quota = _quota(copy)
    finally:
        copy.close()
    played = played or of
    bytes_sent = sum(size for _, size in real.storage.below("blobs").sizes())
    projection = project(
        recorder.steps, cut, factor=max(1.0, of / played) if played else 1.0,
        records=rows_loaded(recorder), bytes_sent=bytes_sent, quota=quota,
    )  # fmt: skip
    return Rehearsed(
        real.plan.digest, "twin", stamp(real.clock.now()), played, of, options.speed, options.latency,
        tuple(recorder.steps), projection, refusals, play.verdict, play.edits, tuple(play.lost), back,
        tuple(play.findings), _unlike(copied.unlike), planted.refused + stood.refused,
        planted.why or stood.why, not_proved=(*NOT_PROVED, *left), folder=str(folder) if options.keep else "",
    )  # fmt: skip


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


def _quota(copy: Workspace) -> int | None:
    with closing(copy.target()) as target:
        target.tenant()
        return target.calls_left()[1] if isinstance(target, TellsCallsLeft) else None


# -- what stays ---------------------------------------------------------------------------------


def _keep(workspace: Workspace, found: Rehearsed, who: str) -> Rehearsed:
    """Publish the document, then the event that covers its digest; every cohort that waits is rehearsed."""
    content = json.dumps(_document(found), sort_keys=True, indent=1, default=str).encode()
    evidence = hashlib.sha256(content).hexdigest()
    file = f"{found.at[:19].replace(':', '').replace('-', '')}-{evidence[:8]}.json"
    workspace.storage.write(f"{FOLDER}/{file}", content)
    event = trail.append(
        workspace.ledger, who, REHEARSED, evidence=evidence, plan=found.plan, on=found.on, file=file,
        records=found.records, of=found.of, clean=found.clean, verdict=found.verdict, back=found.back,
        refused=sum(each.count for each in found.refusals), lost=len(found.lost),
    )  # fmt: skip
    for name in names(workspace):
        cutover = Cutover(workspace, name)
        if cutover.state in ("planned", "rehearsed"):
            cutover.move("rehearsed", who=who, evidence=evidence, rehearsal=event.digest)
    return Rehearsed(**{**vars(found), "evidence": evidence})


def _document(found: Rehearsed) -> dict[str, Any]:
    said = asdict(found)
    said.pop("evidence")
    return said
