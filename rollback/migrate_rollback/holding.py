"""What did a rollback leave as it is, and what do people decide about it? In groups, by object and reason.

The default keeps theirs: a held record stays until somebody decides otherwise. In each group the records are
told apart by owner, so that those who know can be asked. Decisions are events of the ledger's trail
(`decisions`), with who and when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrate.errors import UsageError
from migrate.workspace import Workspace
from migrate_rollback import attempts, decisions, deeds, scoping
from migrate_rollback.model import Decision, HoldGroup, OwnerCount


def prepare(workspace: Workspace) -> int:
    """Make the engine's tables of holds and decisions; returns the attempt that they are about."""
    chosen = attempts.choose(workspace.ledger)
    scoping.tables(workspace, chosen)
    decisions.tables(workspace, workspace.guarded(), chosen.number)
    return chosen.number


def groups(workspace: Workspace, owner: str | None = None) -> tuple[HoldGroup, ...]:
    """Every group of holds of the attempt that was rolled back last, most first.

    Args:
        owner: only records of this owner: an id, e-mail address or name, or `nobody`.

    Raises:
        UsageError: nothing of that owner is held.
    """
    prepare(workspace)
    if owner is None:
        return standing(workspace)
    rows = workspace.engine.rows("SELECT DISTINCT owner FROM undo_holds ORDER BY owner")
    id = decisions.owner_id(workspace.guarded(), owner, [row["owner"] for row in rows])
    return tuple(_groups(workspace, id))


def standing(workspace: Workspace) -> tuple[HoldGroup, ...]:
    """The same of the tables that stand (`decisions.tables`)."""
    return tuple(_groups(workspace, None))


def find(workspace: Workspace, group: str, owner: str | None = None) -> HoldGroup:
    """A group by its name, with the records of one owner only where one is named.

    Args:
        owner: an id, e-mail address or name of an owner, or `nobody`.

    Raises:
        UsageError: there is no such group, or nothing of that owner in it.
    """
    found = groups(workspace)
    for each in found:
        if each.name == group:
            break
    else:
        listed = ", ".join(f"`{one.name}`" for one in found) or "none"
        raise UsageError(f"There is no group `{group}`.", f"Groups: {listed}.")
    if owner is None:
        return each
    id = decisions.owner_id(workspace.guarded(), owner, [one.id for one in each.owners])
    return next(one for one in _groups(workspace, id) if one.name == group)


def _groups(workspace: Workspace, owner: str | None) -> Iterator[HoldGroup]:
    """Groups out of the tables. `owner`: only records of this one; None for all."""
    words = decisions.owner_words(workspace.guarded())
    whose = "true" if owner is None else f"owner = {deeds.quoted([owner])}"
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in workspace.engine.rows(
        f"""SELECT h.name, any_value(h.object) AS object, any_value(h.code) AS code, h.owner, d.what, d.who,
          d."at", count(*) AS n, count(*) FILTER (h.by_field) AS by_field
        FROM undo_holds AS h LEFT JOIN undo_decided AS d USING (object, id) WHERE {whose}
        GROUP BY h.name, h.owner, d.what, d.who, d."at" ORDER BY n DESC, h.name, h.owner, d.what"""
    ):
        by_name.setdefault(row["name"], []).append(row)
    for name, rows in sorted(by_name.items(), key=lambda item: (-sum(row["n"] for row in item[1]), item[0])):
        owners: dict[str, int] = {}
        told: dict[tuple[str, str, str], int] = {}
        for row in rows:
            owners[row["owner"]] = owners.get(row["owner"], 0) + int(row["n"])
            if row["what"]:
                key = (row["what"], row["who"], row["at"])
                told[key] = told.get(key, 0) + int(row["n"])
        yield HoldGroup(
            name, rows[0]["object"], rows[0]["code"], sum(owners.values()),
            owner=None if owner is None else words.get(owner, owner),
            by_field=sum(int(row["by_field"]) for row in rows),
            owners=tuple(
                OwnerCount(id, words.get(id, id), n)
                for id, n in sorted(owners.items(), key=lambda item: (-item[1], item[0]))
            ),
            decisions=tuple(Decision(*key, n) for key, n in sorted(told.items())),
        )  # fmt: skip
