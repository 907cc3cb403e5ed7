"""The window is over: what is lost by now, and who has confirmed it?

A rollback after its window does what can still be done. Before that it says, thing by thing, what can't: what
the vendor no longer keeps, and what a look at the target finds impossible, held, or left to people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from migrate.clock import stamp
from migrate.connector import Change, restoring_of, row_for
from migrate.engine import parquet, text
from migrate.journal import UNDO
from migrate.plugins import load
from migrate.stages.checkpoint import named
from migrate.stages.undoable import file_objects
from migrate.workspace import Workspace
from migrate_rollback.planned import OPEN, RollbackPlan

NAMED = 20  # ids that are named for each loss; all of them stand in the plan's Parquet or in the journal


@dataclass(frozen=True)
class Loss:
    """Things of one object that a rollback won't put back, and why. `ids`: the first of them."""

    object: str
    count: int
    why: str
    ids: tuple[str, ...]

    @property
    def words(self) -> str:
        """For people, ids included."""
        more = f" and {self.count - len(self.ids):,} more" if self.count > len(self.ids) else ""
        listed = f" ({', '.join(self.ids)}{more})" if self.ids else ""
        return f"{self.object}: {self.count:,}, {self.why}{listed}"


@dataclass(frozen=True)
class Late:
    """What is lost of an attempt whose window is over."""

    attempt: int
    ended: str
    losses: tuple[Loss, ...]

    @property
    def count(self) -> int:
        """Things that won't be put back."""
        return sum(each.count for each in self.losses)

    @property
    def answer(self) -> str:
        """What a person types who means it."""
        return f"lose {self.count}"


def late(workspace: Workspace, found: RollbackPlan) -> Late:
    """What a rollback would leave, after the window.

    Args:
        found: a plan, which looked at everything.
    """
    losses = (*_expired(workspace, found), *_left(workspace, found))
    return Late(found.attempt, found.window_end or "", losses)


def _expired(workspace: Workspace, found: RollbackPlan) -> Iterable[Loss]:
    """What we deleted, and the vendor has kept for its time only."""
    table = restoring_of(load(workspace.system("target").type))
    files, now = file_objects(workspace), workspace.clock.now()
    since_point = named(workspace.ledger, found.checkpoint).segment
    deleted = f"""(SELECT object, target_id AS id, max("at") AS "at" FROM {workspace.journal.source()}
        WHERE seq > {since_point} AND op = 'delete' AND outcome IN ('done', 'intent')
        AND NOT starts_with(coalesce(batch, ''), '{UNDO}') AND target_id IS NOT NULL
        AND system = {text(workspace.system("target").system)} GROUP BY ALL)"""
    for row in workspace.engine.rows(f"SELECT DISTINCT object FROM {deleted} ORDER BY object"):
        object = str(row["object"])
        change = Change.FILE_DELETED if object in files else Change.RECORD_DELETED
        kept = row_for(table, change, object)
        if kept.route != "none" and kept.days is None:
            continue
        since = stamp(now if kept.route == "none" else now - timedelta(days=kept.days or 0))
        gone = workspace.engine.rows(
            f"""SELECT count(*) AS n, list(id ORDER BY id)[1:{NAMED}] AS ids FROM {deleted}
            WHERE object = {text(object)} AND "at" <= {text(since)}"""
        )[0]
        if gone["n"]:
            why = f"deleted by our load, and kept by the vendor: {kept.lasts}"
            yield Loss(object, int(gone["n"]), why, tuple(gone["ids"]))


def _left(workspace: Workspace, found: RollbackPlan) -> Iterable[Loss]:
    """What the look at the target leaves as it is; ids of what has any."""
    manifest = workspace.store.manifest(found.folder)
    files = workspace.store.files(manifest) if manifest and manifest.parts else []
    ids_of: dict[tuple[str, str, str], list[str]] = {}
    if files:
        for row in workspace.engine.rows(
            f"""SELECT object, action, why, list(coalesce(nullif(id, ''), key) ORDER BY id)[1:{NAMED}] AS ids
            FROM {parquet(files)} GROUP BY object, action, why"""
        ):
            ids_of[row["object"], row["action"], row["why"]] = row["ids"]
    for group in found.groups:
        if group.action in OPEN:
            ids = ids_of.get((group.object, group.action, group.code), [])
            yield Loss(group.object, group.count, group.words, tuple(ids))
