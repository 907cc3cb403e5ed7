"""Which attempt is rolled back, and how does the ledger say where it stands?

A rollback begins with one transaction: watermarks go back to the checkpoint's, the attempt is
`rolling_back` (no load may start), the next attempt is opened. At its end another one closes the attempt
and makes its generations loadable again. What a kill interrupts, the same command goes on with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, events, generations, measures, watermarks
from migrate.load import Loading
from migrate.stages.checkpoint import Checkpoint, of_attempt
from migrate.workspace import Workspace
from migrate_rollback import window
from migrate_rollback.late import Late
from migrate_rollback.scope import Scope
from migrate_rollback.window import MEASURE

KEEP = "rollback hold keep"


@dataclass(frozen=True)
class Chosen:
    """The attempt to roll back. `state`: open (nothing undone yet), rolling_back or rolled_back.

    `scope`: what of it; its checkpoint is named, and is `point`.
    """

    number: int
    state: str
    point: Checkpoint
    scope: Scope


def choose(ledger: Ledger, scope: Scope | None = None) -> Chosen:
    """The attempt that a rollback is about: one under way, else the one loaded last.

    Args:
        scope: what of it is asked for.

    Raises:
        UsageError: nothing has been loaded, or the scope is none that can be undone.
    """
    states = {row.number: row.state for row in ledger.read(sa.select(attempts))}
    rolling = [number for number, state in states.items() if state == "rolling_back"]
    for number in rolling or range(ledger.attempt(), 0, -1):
        point = of_attempt(ledger, number)
        if point is not None:
            if scope is not None and (scope.partial or scope.to not in (None, point.name)):
                raise UsageError(
                    f"Only a whole attempt can be undone, not {scope.words}.", f"Leave out `{scope.options}`."
                )
            return Chosen(number, states.get(number, "open"), point, Scope(point.name))
    raise UsageError(
        "Nothing has been loaded, so there is nothing to roll back.",
        "`migrate status` shows where this migration stands.",
    )


def begin(loading: Loading, chosen: Chosen, *, late: Late | None = None) -> None:
    """One transaction: watermarks back, the attempt is being rolled back, the next one is open.

    Args:
        late: what somebody has confirmed to be lost, where the window is over.

    Raises:
        UsageError: the window is over, and it isn't `late`.
        LeaseLost: another operator has taken over.
    """
    if chosen.state != "open":
        return
    if late is None:
        window.must_be_open(window.of_point(loading.ledger, chosen.point, loading.clock.now()))
    with loading.ledger.write(loading.lease) as tx:
        tx.sql.execute(watermarks.delete())
        for object, (value, generation) in chosen.point.watermarks.items():
            tx.put(watermarks, object=object, value=value, generation=generation)
        tx.sql.execute(
            attempts.update().where(attempts.c.number == chosen.number).values(state="rolling_back")
        )
        tx.put(attempts, number=chosen.number + 1, state="open", opened=tx.at, closed=None, plan=None)
        told = {} if late is None else {"after_window": late.ended, "lost": late.count}
        facts = {"attempt": chosen.number, "checkpoint": chosen.point.name, **told}
        tx.event(this_process().holder, "rollback begin", **facts)


def finish(loading: Loading, chosen: Chosen, seconds: float | None) -> None:
    """Close the attempt; everything that was extracted may be loaded again.

    Args:
        seconds: how long a whole run took, None where this wasn't one.
    """
    with loading.ledger.write(loading.lease) as tx:
        loading.journal.register(tx)
        if seconds is not None:
            tx.put(measures, name=MEASURE, value=seconds, at=tx.at)
        state = tx.sql.execute(sa.select(attempts.c.state).where(attempts.c.number == chosen.number)).scalar()
        if state != "rolling_back":
            return
        tx.sql.execute(
            attempts.update()
            .where(attempts.c.number == chosen.number)
            .values(state="rolled_back", closed=tx.at)
        )
        marks = chosen.point.watermarks
        for row in tx.sql.execute(sa.select(generations).where(generations.c.settled.is_not(None))).all():
            if row.number > marks.get(row.object, ("", -1))[1]:
                tx.sql.execute(
                    generations.update()
                    .where(
                        generations.c.object == row.object, generations.c.number == row.number,
                        generations.c.attempt == row.attempt,
                    )
                    .values(state="transformed", settled=None)
                )  # fmt: skip
        tx.event(this_process().holder, "rollback end", attempt=chosen.number)


def later_load(ledger: Ledger, chosen: Chosen) -> bool:
    """Whether a later attempt has begun to load."""
    return any(of_attempt(ledger, number) for number in range(chosen.number + 1, ledger.attempt() + 1))


def took(workspace: Workspace) -> float | None:
    """Seconds that a rollback took when it was measured last."""
    return window.took(workspace.ledger)[0]


def last_safe_start(point: Checkpoint, seconds: float) -> str | None:
    """The window's end, less half as long again as a rollback takes, less an hour."""
    return window.last_safe_start(point.window_end, seconds)


def decisions(ledger: Ledger, attempt: int) -> dict[str, str]:
    """What people have decided on groups of holds: group to `keep`."""
    found: dict[str, str] = {}
    for row in ledger.read(sa.select(events).where(events.c.what == KEEP).order_by(events.c.number)):
        facts = json.loads(row.facts)
        if facts.get("attempt") == attempt:
            found[facts["group"]] = "keep"
    return found
