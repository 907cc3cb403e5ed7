"""How does a rehearsal begin, where is it played, and what stays of it?

`playing` does the work, on twins (`on_twins`) or on the vendors' sandboxes (`on_sandboxes`). What was seen
goes beside the data as one document, whose digest the trail's event covers; a rehearsal that came to no end
leaves an event, too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from migrate_rollback.drilling import must_be_extracted
from migrate_rollback.window import DRILL

from migrate.cutover import trail
from migrate.cutover.cohorts import names
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal.found import Options, Rehearsed
from migrate.cutover.rehearsal.kept import FOLDER
from migrate.cutover.rehearsal.on_sandboxes import on_sandboxes
from migrate.cutover.rehearsal.on_twins import on_twins
from migrate.cutover.starting import REHEARSED
from migrate.errors import MigrateError, UsageError
from migrate.ledger.tables import measures
from migrate.load.context import Progress, no_progress
from migrate.stages import pipeline
from migrate.stages.anonymize import ANONYMIZED
from migrate.workspace import Workspace

STOPPED = "cutover rehearsal stopped"


def rehearse(
    workspace: Workspace, options: Options, *, who: str, progress: Progress = no_progress
) -> Rehearsed:
    """Play the whole cutover; keep what was seen, and say so on the trail.

    Args:
        who: acts, as the real workspace's trail shall name them.

    Raises:
        UsageError: nothing is extracted, a system has no simulator, the simulators aren't installed, or a
            sandbox is the real system.
        SystemRefused: a step came to its end where the real system may stop it, too; names the step.
        Damaged: a part of the extract differs from its digest.
    """
    if options.hooks and options.extract is not None:
        raise UsageError(
            "An anonymised extract has no hooks: they lead to real systems, and stay with the original.",
            "Leave out `--hooks`, or rehearse with this workspace's own extract.",
        )
    if options.keep and workspace.place.remote:
        raise UsageError(
            "A workspace on S3 has no folder of its own in which a rehearsal could stay.",
            "Leave out `--keep`.",
        )
    with pipeline.alone(workspace, "rehearsal"):
        try:
            found = _played(workspace, options, progress)
        except MigrateError as error:
            told = {"plan": workspace.plan.digest, "on": options.on, "error": type(error).__name__}
            trail.append(workspace.ledger, who, STOPPED, **told)
            raise
        return _keep(workspace, found, who)


def _played(workspace: Workspace, options: Options, progress: Progress) -> Rehearsed:
    folder = workspace.place.scratch / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
    folder.mkdir(mode=0o700)
    try:
        if options.systems is not None:
            return on_sandboxes(workspace, folder, options, progress)
        if options.extract is None:
            must_be_extracted(workspace)
            return on_twins(workspace, folder, options, progress)
        with closing(Workspace(options.extract, workspace.environment)) as other:
            _must_be_made_of(workspace, other)
            must_be_extracted(other)
            found = on_twins(other, folder, options, progress)
        words = ["the real values: the extract is an anonymised one"]
        if workspace.plan.model.cutover.hooks:
            words.append("the hooks of the switch: an anonymised extract has none")
        return replace(found, plan=workspace.plan.digest, not_proved=(*found.not_proved, *words))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _must_be_made_of(workspace: Workspace, other: Workspace) -> None:
    """What is played is the plan that lies with an anonymised extract: it must be this one, with pseudonyms.

    Raises:
        UsageError: it was made of another plan, was changed since, or is no anonymised extract.
    """
    made = trail.events(other.ledger, ANONYMIZED)
    if not made:
        raise UsageError(
            f"{other.place} isn't what `migrate anonymize` made, or an older version made it.",
            "Make it anew: `migrate anonymize`; or leave out `--extract`.",
        )
    again = "Make it anew with the plan as it is: `migrate anonymize`."
    of, own = str(made[-1].facts["plan"]), made[-1].facts["own"]
    if of != workspace.plan.played:
        raise UsageError(
            f"The extract in {other.place} was made of another plan than this one is now.", again
        )
    if own != other.plan.played:
        raise UsageError(f"The plan in {other.place} was changed after the extract was made.", again)


def _keep(workspace: Workspace, found: Rehearsed, who: str) -> Rehearsed:
    """Publish the document, then the event that covers its digest; every cohort that waits is rehearsed, if
    nothing was found that a person must look at first."""
    content = json.dumps(_document(found), sort_keys=True, indent=1, default=str).encode()
    evidence = hashlib.sha256(content).hexdigest()
    file = f"{found.at[:19].replace(':', '').replace('-', '')}-{evidence[:8]}.json"
    workspace.storage.write(f"{FOLDER}/{file}", content)
    back = found.projection.of(["rollback"])
    with workspace.ledger.write() as tx:
        if back is not None and found.back == "pass":
            tx.put(measures, name=DRILL, value=back.likely, at=tx.at)  # for the window's last safe start
        event = trail.put(
            tx, who, REHEARSED, evidence=evidence, plan=found.plan, played=workspace.plan.played,
            on=found.on, file=file,
            records=found.records, of=found.of, clean=found.clean, verdict=found.verdict, back=found.back,
            refused=sum(each.count for each in found.refusals), lost=len(found.lost),
            findings=len(found.findings),
        )  # fmt: skip
    for name in names(workspace) if found.clean else ():
        cutover = Cutover(workspace, name)
        if cutover.state in ("planned", "rehearsed"):
            cutover.move("rehearsed", who=who, evidence=evidence, rehearsal=event.digest)
    return replace(found, evidence=evidence)


def _document(found: Rehearsed) -> dict[str, Any]:
    said = asdict(found)
    said.pop("evidence")
    return said
