"""What did a rollback leave as it is, and what do people decide about it? In groups, by object and reason.

The default keeps theirs: a held record stays until somebody forces its group. Decisions are events of the
ledger's trail, with who and when.
"""

from __future__ import annotations

from migrate.errors import UsageError
from migrate.ledger.leases import this_process
from migrate.workspace import Workspace
from migrate_rollback import attempts, deeds, scoping
from migrate_rollback.model import Hold, HoldGroup


def groups(workspace: Workspace) -> tuple[HoldGroup, ...]:
    """Every group of holds of the attempt that was rolled back last, most first."""
    chosen = attempts.choose(workspace.ledger)
    number = chosen.number
    scoping.tables(workspace, chosen)
    decided = attempts.decisions(workspace.ledger, number)
    rows = workspace.engine.rows(
        "SELECT object, code, count(*) AS n FROM undo_held GROUP BY ALL ORDER BY n DESC, object, code"
    )
    return tuple(
        HoldGroup(name, row["object"], row["code"], int(row["n"]), decided.get(name, ""))
        for row in rows
        for name in (f"{row['object']}.{row['code']}",)
    )


def show(workspace: Workspace, group: str, limit: int = 50) -> list[Hold]:
    """Records of a group, with what speaks against undoing them.

    Raises:
        UsageError: there is no such group.
    """
    find(workspace, group)
    rows = workspace.engine.rows(
        f"""SELECT object, id, key, kind, op, reason FROM undo_held
        WHERE object || '.' || code IN ({deeds.quoted([group])}) ORDER BY id LIMIT {int(limit)}"""
    )
    return [Hold(r["object"], r["id"], r["key"], r["kind"], r["op"], r["reason"]) for r in rows]


def keep(workspace: Workspace, group: str) -> HoldGroup:
    """Decide that a group stays as it is; recorded with who and when.

    Raises:
        UsageError: there is no such group.
    """
    found = find(workspace, group)
    attempt = attempts.choose(workspace.ledger).number
    with workspace.ledger.write() as tx:
        tx.event(this_process().holder, attempts.KEEP, attempt=attempt, group=group, count=found.count)
    return HoldGroup(found.name, found.object, found.code, found.count, "keep")


def find(workspace: Workspace, group: str) -> HoldGroup:
    """A group by its name.

    Raises:
        UsageError: there is no such group.
    """
    found = groups(workspace)
    for each in found:
        if each.name == group:
            return each
    listed = ", ".join(f"`{each.name}`" for each in found) or "none"
    raise UsageError(f"There is no group `{group}`.", f"Groups: {listed}.")
