"""How is a decision about held records taken and carried out? Keep, force, or undo by field.

A decision is first an event of the trail and then a rollback pass of its own, so a kill between the two
leaves a decision that `apply` carries out. Force undoes a record whatever others wrote on it. By field our
fields go where they are as we left them, and what others wrote stays: on records that were there before,
for one that we created goes as a whole or stays as a whole. What people have merged can't be parted.
"""

from __future__ import annotations

from dataclasses import replace

from migrate.errors import UsageError
from migrate.load.context import Progress, no_progress
from migrate.stages.checkpoint import window_open
from migrate.workspace import Workspace
from migrate_rollback import attempts, decisions, holding
from migrate_rollback.decisions import FORCE, KEEP, MERGE, WHY_KEPT
from migrate_rollback.model import HoldGroup, RolledBack
from migrate_rollback.rolling import run


def keep(workspace: Workspace, group: str, owner: str | None = None) -> HoldGroup:
    """Decide that a group stays as it is; recorded with who and when.

    Args:
        owner: only its records of this owner (id, e-mail, name or `nobody`).

    Raises:
        UsageError: there is no such group, or no such owner in it.
    """
    found = holding.find(workspace, group, owner)
    _record(workspace, KEEP, found)
    return holding.find(workspace, group, owner)


def force(
    workspace: Workspace, group: str, progress: Progress = no_progress, owner: str | None = None
) -> RolledBack:
    """Undo a group's records all the same: what others wrote on them goes with them.

    Raises:
        UsageError: there is no such group, its records can't be undone over the API, or the rollback
            hasn't come to its end.
        LeaseHeld, Parked, SystemRefused, InDoubt: as `run`.
    """
    found = holding.find(workspace, group, owner)
    if found.code in WHY_KEPT:
        raise UsageError(
            f"`{group}` can't be forced: {WHY_KEPT[found.code]}.",
            "Look at the records with `migrate rollback hold show`, and mend them by hand.",
        )
    _may_write(workspace)
    return _carry(workspace, progress, (_record(workspace, FORCE, found),))


def merge(
    workspace: Workspace, group: str, progress: Progress = no_progress, owner: str | None = None
) -> RolledBack:
    """Undo a group by field: our fields go where they are as we left them, what others wrote stays.

    Records of the group that we created aren't touched; they stay held.

    Raises:
        UsageError: there is no such group, none of its records can be undone by field, or the rollback
            hasn't come to its end.
        LeaseHeld, Parked, SystemRefused, InDoubt: as `run`.
    """
    found = holding.find(workspace, group, owner)
    if not found.by_field:
        raise UsageError(f"`{group}` can't be undone by field: {why_whole(found.code)}.", _INSTEAD)
    _may_write(workspace)
    return _carry(workspace, progress, (_record(workspace, MERGE, replace(found, count=found.by_field)),))


def apply(workspace: Workspace, progress: Progress = no_progress) -> RolledBack:
    """Carry out every decision to force or to undo by field that isn't carried out yet.

    Raises:
        UsageError: there is none, or the rollback hasn't come to its end.
        LeaseHeld, Parked, SystemRefused, InDoubt: as `run`.
    """
    holding.prepare(workspace)
    found = decisions.open_events(workspace)
    if not found:
        raise UsageError(
            "No decision waits to be carried out.",
            "See `migrate rollback hold list`; `migrate rollback hold read FILE` takes a sheet.",
        )
    _may_write(workspace)
    return _carry(workspace, progress, found)


_INSTEAD = "Keep it (`migrate rollback hold keep`), or force it (`migrate rollback hold force`)."


def why_whole(code: str) -> str:
    """Why a record held for this reason isn't undone by field."""
    if code in WHY_KEPT:
        return WHY_KEPT[code]
    if code == "refused":
        return "the target refused to have it undone, and would refuse again"
    return "a record that we created goes as a whole, or stays as a whole"


def _record(workspace: Workspace, what: str, group: HoldGroup) -> int:
    attempt = attempts.choose(workspace.ledger).number
    owner = group.owners[0].id if group.owner is not None else None
    return decisions.record(workspace, attempt, what, group=group.name, owner=owner, count=group.count)


def _may_write(workspace: Workspace) -> None:
    chosen = attempts.choose(workspace.ledger)
    if chosen.state == "rolling_back":
        raise UsageError(
            f"Attempt {chosen.number} is still being rolled back.",
            "Run `migrate rollback run` to its end first.",
        )
    if not window_open(chosen.point, workspace.clock.now()):
        raise UsageError(f"The rollback window closed at {chosen.point.window_end}.", "What is held stays.")


def _carry(workspace: Workspace, progress: Progress, events: tuple[int, ...]) -> RolledBack:
    return run(workspace, progress, decided=events)
