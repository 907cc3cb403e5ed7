"""What does a scope mean in this workspace? Names that are there, keys that are known, tables that follow.

A rollback's cohort is settled once, before it begins, and read from then on; until then each question
settles it anew.
"""

from __future__ import annotations

from migrate.errors import Damaged, UsageError
from migrate.workspace import Workspace
from migrate_rollback import cohort, deeds
from migrate_rollback.attempts import Chosen
from migrate_rollback.scope import Scope


def must_make_sense(workspace: Workspace, scope: Scope | None) -> None:
    """Refuse objects that neither the plan nor a baseline knows.

    Raises:
        UsageError: an object is in neither.
    """
    from migrate.stages.checkpoint import all_of

    known = {each.target for each in workspace.plan.model.objects}
    known |= {name for point in all_of(workspace.ledger) for name in point.baseline}
    for name in (scope.objects if scope else None) or ():
        if name not in known:
            listed = ", ".join(f"`{each}`" for each in sorted(known))
            raise UsageError(f"`{name}` is no target object of the plan.", f"It has {listed}.")


def settle(workspace: Workspace, chosen: Chosen) -> None:
    """Publish the cohort of a rollback that is about to begin.

    Raises:
        UsageError: the expression can't be read, or chooses nothing.
    """
    if chosen.scope.cohort is not None and chosen.state == "open":
        cohort.select(workspace, chosen.scope.cohort, chosen.number)


def keys(workspace: Workspace, chosen: Chosen) -> list[str] | None:
    """Parquet files with the migration keys of the cohort; None where there is none.

    Raises:
        Damaged: what was settled when the rollback began isn't there, or isn't as it was.
    """
    if chosen.scope.cohort is None:
        return None
    manifest = workspace.store.manifest(cohort.folder(chosen.number))
    if manifest is None or manifest.facts.get("cohort") != chosen.scope.cohort:
        if chosen.state != "open":
            place = workspace.store.storage.address(cohort.folder(chosen.number))
            raise Damaged(place, "isn't there: the cohort of this rollback", "Restore it from a backup.")
        settle(workspace, chosen)
        manifest = workspace.store.manifest(cohort.folder(chosen.number))
    if manifest is None:
        return []
    workspace.store.verify(manifest)
    return workspace.store.files(manifest)


def tables(workspace: Workspace, chosen: Chosen) -> None:
    """(Re)make the tables of `deeds` for a rollback."""
    deeds.tables(
        workspace.engine, workspace.journal.source(), chosen.number, since=chosen.point.segment,
        objects=chosen.scope.objects, cohort=keys(workspace, chosen),
        whole=chosen.point.kind == "load" and not chosen.scope.partial,
    )  # fmt: skip
