"""How does a cohort's cutover begin, and how is it given up before the switch?

`start` extracts and transforms what isn't there yet, publishes the cohort's keys, and loads the cohort: its
records, and whatever they refer to. It goes on where it was stopped; what a `migrate load` has loaded before
is taken note of, not loaded again. It doesn't run `prepare`: what is made in the target's schema is a
person's act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from migrate_rollback.scope import Scope

from migrate.cutover import freeze_acts, homes, trail
from migrate.cutover.cohorts import cohorts, names
from migrate.cutover.machine import Cutover, Line, guard
from migrate.cutover.states import State
from migrate.cutover.trail import Event
from migrate.engine import parquet
from migrate.errors import UsageError
from migrate.ledger.tables import rollbacks
from migrate.load.context import Progress, no_progress
from migrate.stages.extract import objects_needed
from migrate.stages.load import Loaded, load
from migrate.stages.sample import closed
from migrate.workspace import Workspace

REHEARSED = "cutover rehearsed"
UNCLEAN = (
    "Mend what it names and run `migrate cutover rehearse` again; or load all the same, with the reason in "
    "the trail: `migrate cutover start --despite REASON`. The gate then asks for a clean one, or an override."
)


@dataclass(frozen=True)
class Started:
    """What a start did. `records`: of the cohort; `shared`: with each other cohort, where any."""

    cohort: str
    state: State
    records: int
    shared: dict[str, int]
    loaded: Loaded


def start(
    cutover: Cutover, *, who: str, despite: str | None = None, progress: Progress = no_progress
) -> Started:
    """Load a cohort, from wherever it was stopped; afterwards it is syncing.

    Args:
        despite: why it may load although the last rehearsal found trouble; kept in the trail. The gate's own
            line about the rehearsal stays red.

    Raises:
        UsageError: it is beyond that, hasn't been rehearsed, or the rehearsal found trouble.
        PlanError, Parked, SystemRefused, Damaged, LeaseHeld: as extract, transform and load.
    """
    workspace = cutover.workspace
    state = cutover.need("planned", "rehearsed", "loading", "reverted", "cancelled")
    if state in ("reverted", "cancelled"):
        cutover.move("planned", who=who)
    if cutover.state == "planned":
        _rehearsed(cutover, who, despite)
    if cutover.state == "rehearsed":
        ready(workspace, progress)
        published = homes.publish(workspace, cutover.cohort)
        cutover.move("loading", who=who, plan=workspace.plan.digest, records=published.rows)
    loaded = load_scope(workspace, progress)
    cutover.move("syncing", who=who, refused=loaded.refused, blocked=sum(loaded.blocked.values()))
    found = homes.published(workspace, cutover.cohort)
    both = {
        (a if b == cutover.cohort else b): number
        for (a, b), number in homes.shared(workspace).items()
        if cutover.cohort in (a, b)
    }
    return Started(cutover.cohort, cutover.state, found.rows if found else 0, both, loaded)


def _rehearsed(cutover: Cutover, who: str, despite: str | None) -> None:
    """Take note of the last rehearsal of this plan; a small profile asks for none before the load.

    Raises:
        UsageError: there was none, or it found trouble and nobody says why to go on.
    """
    workspace = cutover.workspace
    digest = workspace.plan.digest
    found = [each for each in trail.events(workspace.ledger, REHEARSED) if each.facts.get("plan") == digest]
    last = found[-1] if found else None
    clean = last is not None and is_clean(last)
    if not clean and workspace.plan.model.cutover.profile == "small":
        cutover.move("rehearsed", who=who, profile="small")
    elif last is None:
        more = " `--despite` lets stand what a rehearsal found; there is none." if despite else ""
        raise UsageError(
            f"The cutover of `{cutover.cohort}` hasn't been rehearsed with this plan.{more}",
            "Run `migrate cutover rehearse --on twin`, or say `profile: small` under `cutover` in the plan.",
        )
    elif not clean and despite is None:
        raise UsageError(f"{trouble(last)} So `{cutover.cohort}` isn't loaded.", UNCLEAN)
    else:
        facts: dict[str, Any] = {} if clean else {"despite": despite}
        cutover.move("rehearsed", who=who, evidence=last.evidence, rehearsal=last.digest, **facts)


def is_clean(event: Event) -> bool:
    """Whether a rehearsal found nothing; or is the one within which this cutover is played."""
    return bool(event.facts.get("clean") or event.facts.get("within"))


def trouble(event: Event) -> str:
    """What a rehearsal found, in a sentence."""
    facts = event.facts
    told = (
        f"The last rehearsal found trouble: {facts.get('refused', 0):,} refused, {facts.get('lost', 0):,} "
        f"lost, validation `{facts.get('verdict', '?')}`, way back `{facts.get('back', '?')}`"
    )
    return told + (f", {facts['findings']:,} to look at." if facts.get("findings") else ".")


def ready(workspace: Workspace, progress: Progress = no_progress) -> None:
    """Extract and transform what isn't there yet.

    Raises:
        PlanError, Parked, SystemRefused, Damaged: as the stages.
    """
    from migrate.stages.extract import extract
    from migrate.stages.pipeline import transform

    store = workspace.store
    if any(not store.manifests("source", each) for each in objects_needed(workspace)):
        extract(workspace, progress=progress)
    newest = [store.manifests("ready", each.name)[-1:] for each in workspace.plan.model.objects]
    if any(not each or each[0].facts.get("plan") != workspace.plan.digest for each in newest):
        transform(workspace, progress)


def load_scope(workspace: Workspace, progress: Progress = no_progress) -> Loaded:
    """Load what the started cohorts may write now.

    Raises:
        As `load`.
    """
    from migrate_rollback.returning import tighten

    from migrate.cutover.echoes import settle

    settle(workspace)
    found = load(workspace, progress=progress, scoped=scoped(workspace))
    tighten(workspace)
    return found


def scoped(workspace: Workspace) -> bool:
    """Make the engine's table `sample` (key): what may be written to the target now. The records of every
    cohort that has started, and all to which they refer, without those whose home is the target; nor of a
    cohort that a rollback has taken back since.

    Returns:
        Whether the load is bounded by it; False where everything may be written: one cohort, not yet
        switched.
    """
    if len(cohorts(workspace)) == 1 and homes.elsewhere(workspace) == "source":
        return False
    home = homes.home(workspace)
    workspace.engine.run("CREATE OR REPLACE TABLE sample (key VARCHAR)")
    for name in set(names(workspace)) - _taken_back(workspace):
        if files := homes.keys(workspace, name):
            workspace.engine.run(f"INSERT INTO sample SELECT key FROM {parquet(files)}")
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE sample AS SELECT DISTINCT key FROM sample
        WHERE key IN (SELECT key FROM {home} WHERE side = 'source')"""
    )
    closed(workspace)
    workspace.engine.run(f"DELETE FROM sample WHERE key IN (SELECT key FROM {home} WHERE side = 'target')")
    return True


def _taken_back(workspace: Workspace) -> set[str]:
    """Cohorts that a rollback has taken back, by their names, since they were loaded last."""
    ended = {}
    for row in workspace.ledger.read(sa.select(rollbacks).order_by(rollbacks.c.began)):
        ended[Scope.of(row.scope).cohort] = str(row.began)
    loading = {name: Cutover(workspace, name).last_of_all("loading") for name in names(workspace)}
    return {name for name, at in loading.items() if at is not None and ended.get(name, "") > at.at}


def cancel(cutover: Cutover, *, who: str, reason: str) -> Event:
    """Give a cutover up before its switch; what was loaded stays until `migrate rollback run`.

    Raises:
        UsageError: it is switching or beyond, or hasn't begun.
        SystemRefused, InDoubt: the source doesn't switch on what a freeze switched off.
    """
    event = cutover.move("cancelled", who=who, reason=reason)
    freeze_acts.undo(cutover, who=who)
    return event


@guard("loading")
def _keys(cutover: Cutover) -> Sequence[Line]:
    found = homes.published(cutover.workspace, cutover.cohort)
    if found is None:
        return [Line("keys", False, "The cohort's keys aren't published.", "`migrate cutover start`")]
    words = f"The cohort has {found.rows:,} records."
    return [Line("keys", found.rows > 0, words, "" if found.rows else "Mend its `where` in the plan.")]
