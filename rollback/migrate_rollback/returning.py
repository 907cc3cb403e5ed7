"""Of which load is there a way back now, and until when? What `status`, the page and a rollback go by.

A rollback under way, else what is left of everything since the first load, else the rollback that ended last.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from migrate.clock import Clock, parse_stamp, stamp
from migrate.connector import limits_for, restoring_of
from migrate.ledger import Ledger
from migrate.ledger.cutovers import past_the_switch
from migrate.ledger.leases import this_process
from migrate.ledger.tables import checkpoints
from migrate.plugins import load
from migrate.stages.checkpoint import Checkpoint, all_of
from migrate.stages.undoable import kinds_made
from migrate.workspace import Workspace
from migrate_rollback import attempts
from migrate_rollback.window import SHORTENED, Window, of_point


def current(ledger: Ledger, clock: Clock) -> Window | None:
    """The window of what a rollback would be about now; None before the first load."""
    found = _point(ledger)
    if found is None:
        return None
    point, attempt, stands = found
    return of_point(ledger, point, clock.now(), attempt=attempt, stands=stands)


def _point(ledger: Ledger) -> tuple[Checkpoint, int, str] | None:
    """The checkpoint that one would return to, the attempt that this closes, and that one's state."""
    if all(each.kind != "load" for each in all_of(ledger)):
        return None
    chosen = attempts.choose(ledger)
    first = attempts.first(ledger)
    if chosen.state == "rolled_back" and (chosen.scope.partial or chosen.point.at > first.at):
        return first, chosen.number, "open"  # a part was undone; the rest still can be
    return chosen.point, chosen.number, chosen.state


def tighten(workspace: Workspace) -> Window | None:
    """Bring the end nearer where the vendor keeps less than the plan promises, by the kinds of change made.

    Returns:
        The window as it is then; None before the first load.
    """
    ledger = workspace.ledger
    found, window = _point(ledger), current(ledger, workspace.clock)
    if found is None or window is None or window.state not in ("open", "late"):
        return window
    if past_the_switch(ledger):  # what a vendor's bin keeps is of no use to a `cutover back`
        return window
    point = found[0]
    table = restoring_of(load(workspace.system("target").type))
    days = limits_for(table, kinds_made(workspace, since=point.segment))
    if days is None:
        return window
    end = stamp(parse_stamp(window.opened) + timedelta(days=days))
    if window.ends is None or end < window.ends:
        with ledger.write() as tx:
            later = sa.or_(checkpoints.c.window_end.is_(None), checkpoints.c.window_end > end)
            tx.sql.execute(
                checkpoints.update()
                .where(checkpoints.c.attempt == point.attempt, later)
                .values(window_end=end)
            )
            tx.event(this_process().holder, SHORTENED, attempt=window.attempt, days=days, ends=end)
    return current(ledger, workspace.clock)
