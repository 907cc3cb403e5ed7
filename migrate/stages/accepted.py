"""Has a person accepted what another plan changes? Only then does a load go on under it.

What stands in the target was made by the plan on record (`kept`). Where today's plan makes other values of
the same extract, somebody must have accepted that difference by name: an event of the trail binds both plans'
digests, the digest of every row that would change, and the extract that was compared. A newer extract is
compared again; where the difference has become another one, the acceptance counts for nothing.

Two edits need nobody: one that changes no value, and overrides, each of which names who decided and why.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.ledger.tables import attempts, batches, events
from migrate.load.context import Progress, no_progress
from migrate.load.work import crosswalk
from migrate.stages import kept, pipeline
from migrate.stages.plan_diff import PlanDiff, compare

if TYPE_CHECKING:
    from migrate.load import Loading
    from migrate.plan import Plan
    from migrate.workspace import Workspace

EVENT = "plan accepted"
NAMED = 4  # changes that a refusal names


@dataclass(frozen=True)
class Acceptance:
    """What somebody accepted. `evidence`: digest of the rows that differ; `extract`: of what was compared."""

    who: str
    reason: str
    at: str
    old: str
    new: str
    evidence: str
    extract: str
    rows: int


def accept(workspace: Workspace, found: PlanDiff, *, who: str, reason: str, seen: str = "") -> Acceptance:
    """Put on the trail that a person accepts a difference.

    Args:
        found: the difference between the plan on record and the workspace's, as `compare` finds it now.
        who: the person's name.
        seen: the beginning of the digest of the difference that this person has looked at; "": this one.

    Raises:
        UsageError: nobody is named, no reason is given, or it isn't the difference that was looked at.
    """
    if not who.strip() or not reason.strip():
        raise UsageError("Nobody has accepted anything yet.", "Say who accepts it, and why.")
    if not found.digest.startswith(seen):
        raise UsageError(
            f"What would change is another difference now, `{found.digest[:12]}`, than `{seen}`.",
            "Look at `migrate plan diff` again, and accept what it shows.",
        )
    extract = _extract(workspace, workspace.plan)
    with workspace.ledger.write() as tx:
        told = Acceptance(
            who.strip(), reason.strip(), tx.at, found.old, found.new, found.digest, extract, found.rows
        )
        facts = {name: value for name, value in asdict(told).items() if name not in ("who", "at")}
        tx.event(told.who, EVENT, **facts)
    return told


def acceptances(workspace: Workspace) -> list[Acceptance]:
    """All of them, newest first."""
    rows = workspace.ledger.read(
        sa.select(events).where(events.c.what == EVENT).order_by(events.c.number.desc())
    )
    return [Acceptance(who=row.who, at=row.at, **json.loads(row.facts)) for row in rows]


def admit(loading: Loading) -> None:
    """Let a load begin, or go on, under today's plan; where nothing of ours stands, it goes on record.

    Raises:
        UsageError: it isn't the plan that was loaded, and nobody has accepted what it changes.
        PlanError: one of both isn't sound.
    """
    workspace, digest = loading.workspace, loading.workspace.plan.digest
    former = kept.standing(loading.ledger)
    if former != digest and not _stands(workspace, loading.attempt):
        with loading.ledger.write(loading.lease) as tx:
            kept.put_on_record(tx, loading.attempt, digest)
        return
    if former is not None:
        must_be(workspace, former, loading.progress)
    known = sa.select(attempts.c.plan).where(attempts.c.number == loading.attempt)
    if former is not None and loading.ledger.value(known) is None:
        # After a partial rollback: what stands is the former plan's until this load has come to its end.
        with loading.ledger.write(loading.lease) as tx:
            kept.put_on_record(tx, loading.attempt, former)


def must_be(workspace: Workspace, former: str, progress: Progress = no_progress) -> None:
    """Somebody has accepted what today's plan changes of what `former` has made, or it changes nothing.

    Raises:
        UsageError: nobody has, or what they accepted has changed since.
        PlanError: a plan isn't sound.
    """
    plan = workspace.plan
    if plan.digest == former:
        return
    old = kept.kept(workspace, former)
    mine = [each for each in acceptances(workspace) if (each.old, each.new) == (former, plan.digest)]
    extract = _extract(workspace, plan)
    if any(each.extract == extract for each in mine) or _only_more_overrides(old, plan):
        return
    found = compare(workspace, old, plan, progress)
    if found.same or any(each.evidence == found.digest for each in mine):
        return
    last = mine[0] if mine else None
    raise UsageError(
        f"The plan isn't the one that was loaded (`{former[:12]}`, now `{plan.digest[:12]}`): "
        f"{_words(found)}, and nobody has accepted that."
        + (f" On {last.at[:10]} {last.who} accepted another difference than there is now." if last else ""),
        "Look at `migrate plan diff`, then run `migrate plan accept --as NAME --reason WHY`, "
        "`migrate transform` and `migrate load`, before anything is extracted anew; or put the former plan "
        "back and run `migrate transform`.",
    )


def _words(found: PlanDiff) -> str:
    told = [
        f"{each.records:,} {'values of' if each.field else 'records of'} "
        f"`{'.'.join(part for part in (each.entry, each.field) if part)}` ({each.what})"
        for each in sorted(found.changes, key=lambda each: -each.records)
    ]
    more = f" and {len(told) - NAMED} more kinds of change" if len(told) > NAMED else ""
    return f"{', '.join(told[:NAMED])}{more}"


def _stands(workspace: Workspace, attempt: int) -> bool:
    """Whether a record was sent in this attempt, or stands in the target from a former one."""
    sent = sa.select(batches.c.id).where(batches.c.attempt == attempt, batches.c.phase != "prepare").limit(1)
    if workspace.ledger.value(sent) is not None:
        return True
    crosswalk(workspace)
    return bool(workspace.engine.rows("SELECT 1 AS one FROM crosswalk LIMIT 1"))


def _only_more_overrides(old: Plan, new: Plan) -> bool:
    """Whether the plans differ in corrections only, and none was taken back."""
    if old.rules_digest != new.rules_digest:
        return False
    now = {(each.key, each.field) for each in new.overrides}
    return all((each.key, each.field) in now for each in old.overrides)


def _extract(workspace: Workspace, plan: Plan) -> str:
    """A digest over all parts of the present extract that a plan reads, and both catalogs."""
    store = workspace.store
    parts = {
        manifest.folder: manifest.digest()
        for name in pipeline.source_objects(plan)
        for manifest in store.manifests("source", name)
    }
    for each in plan.model.objects:
        if (stood := store.manifest(f"target/{each.target}/snapshot")) is not None:
            parts[stood.folder] = stood.digest()
    catalogs = [workspace.catalog_digest(role) for role in ("source", "target")]
    return hashlib.sha256(json.dumps([catalogs, parts], sort_keys=True).encode()).hexdigest()
