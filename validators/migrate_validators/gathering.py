"""What do a workspace and its target give to look at? The evidence, from artifacts that were proved whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from migrate.errors import Busy, UsageError
from migrate.ledger.people import handed_out, standing_answers
from migrate_validators.evidence import Evidence, Part, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from migrate.connector import Target
    from migrate.plan.models import ObjectPlan
    from migrate.storage import Storage
    from migrate.workspace import Workspace


@contextmanager
def looking(workspace: Workspace) -> Iterator[None]:
    """Keep looks at the target to one process: they share the place where it is staged.

    Raises:
        Busy: another process is at it.
    """
    with workspace.ledger.alone("validate") as ours:
        if not ours:
            raise Busy(
                "Another process is busy with a validation in this workspace.",
                "Wait for its end, and run this again.",
            )
        yield


def must_be_whole(workspace: Workspace, chosen: Sequence[ObjectPlan]) -> None:
    """Prove what was staged of these entries, and the journal.

    Raises:
        UsageError: one hasn't been transformed.
        Damaged: a part isn't what its manifest says.
    """
    store = workspace.store
    for each in chosen:
        for stage, name in (("source", each.source), ("ready", each.name)):
            for manifest in store.manifests(stage, name):
                store.verify(manifest)
        if not store.manifests("ready", each.name):
            raise UsageError(f"`{each.name}` hasn't been transformed.", "Run `migrate transform` first.")
    workspace.journal.verify()


def gathered(
    workspace: Workspace,
    target: Target,
    chosen: Sequence[ObjectPlan],
    folder: Storage,
    *,
    progress: Progress,
    baseline: Mapping[str, str] | None = None,
    whole_every: timedelta | None = None,
    part: Part | None = None,
) -> Evidence:
    """The evidence of these entries; the caller closes it.

    Args:
        folder: where rows are kept.
        whole_every: looks at the target go on from the former one, and are whole this often; None: now.
    """
    from migrate.plan.needs import expected
    from migrate.stages.at_home import at_home
    from migrate.stages.changes import Following

    ledger, plan = workspace.ledger, workspace.plan
    expecting, attempt = expected(plan, workspace.catalog("target")), ledger.attempt()
    return Evidence(
        plan=plan,
        source=workspace.catalog("source"),
        target=expecting,
        store=workspace.store,
        engine=workspace.engine,
        journal=workspace.journal.source(),
        connector=target,
        clock=workspace.clock,
        folder=folder,
        attempt=attempt,
        objects=chosen,
        baseline=dict(baseline or {}),
        progress=progress,
        following=Following(whole_every, expecting.digest()) if whole_every is not None else None,
        open_source=workspace.source,
        open_target=workspace.target,
        part=part,
        sheets=tuple(handed_out(ledger, attempt)),
        at_home=at_home(workspace),
        reported=tuple(standing_answers(ledger, attempt)),
    )
