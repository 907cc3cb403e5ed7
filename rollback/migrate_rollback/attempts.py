"""Which attempt is rolled back, and how does the ledger say where it stands?

A rollback begins with one transaction: watermarks go back to the checkpoint's, the attempt is
`rolling_back` (no load may start), the next attempt is opened. At its end another one closes the attempt
and makes its generations loadable again. What a kill interrupts, the same command goes on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from migrate.errors import Defect, UsageError
from migrate.ledger import BatchRow, Ledger
from migrate.ledger import batches as book
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, generations, measures, rollbacks, watermarks
from migrate.load import Loading
from migrate.stages.checkpoint import (
    Checkpoint,
    all_of,
    first_name,
    must_be_whole,
    named,
    of_attempt,
    window_open,
)
from migrate_rollback import window
from migrate_rollback.late import Late
from migrate_rollback.scope import Scope
from migrate_rollback.window import MEASURE


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
    """What a rollback is about: the one under way; else the one that ended last, while nothing was loaded
    since; else everything since the first load, or what is asked for.

    Args:
        scope: what is asked for; None or an empty one chooses nothing.

    Raises:
        UsageError: nothing has been loaded; there is no such checkpoint; it can't be returned to; or another
            rollback is unfinished.
    """
    states = {row.number: row.state for row in ledger.read(sa.select(attempts))}
    known = {row.attempt: row for row in ledger.read(sa.select(rollbacks))}
    points = all_of(ledger)
    loaded = [point.attempt for point in points if point.kind != "hand"]
    if not loaded:
        raise UsageError(
            "Nothing has been loaded, so there is nothing to roll back.",
            "`migrate status` shows where this migration stands.",
        )
    asked = None if scope is None or scope.empty else _with_point(ledger, scope, points)
    rolling = [number for number, state in states.items() if state == "rolling_back"]
    ended = [n for n, state in sorted(states.items()) if state == "rolled_back" and n >= max(loaded)]
    for number in rolling or ended[-1:]:
        begun = _begun(ledger, number, states[number], known.get(number))
        if asked is None or asked == begun.scope:
            return begun
        if rolling:
            raise UsageError(
                f"A rollback {begun.scope.words} is unfinished; it can't be made one {asked.words}.",
                "Run `migrate rollback run` without `--to`, `--object` and `--cohort` to its end first.",
            )
    asked = asked or _with_point(ledger, Scope(), points)
    return Chosen(ledger.attempt(), "open", _covering(points, named(ledger, str(asked.to))), asked)


def _begun(ledger: Ledger, number: int, state: str, known: Any) -> Chosen:
    """A rollback that has begun: as the ledger knows it, or (before it knew scopes) of the whole attempt."""
    if known is not None:
        point = _covering(all_of(ledger), named(ledger, known.checkpoint))
        return Chosen(number, state, point, Scope.of(known.scope))
    point = of_attempt(ledger, number) or named(ledger, first_name(number))
    return Chosen(number, state, point, Scope(point.name))


def _covering(points: Sequence[Checkpoint], point: Checkpoint) -> Checkpoint:
    """The checkpoint, with the baselines of objects that the plan named only in a later attempt: we hadn't
    touched them before these were read."""
    later = [each.baseline for each in points if each.kind == "load" and each.attempt > point.attempt]
    more = {object: folder for each in reversed(later) for object, folder in each.items()}
    return replace(point, baseline={**more, **point.baseline})


def _with_point(ledger: Ledger, scope: Scope, points: Sequence[Checkpoint]) -> Scope:
    """The scope with its checkpoint named.

    Raises:
        UsageError: there is no such checkpoint, or it can't be returned to.
    """
    if scope.to is None:
        return replace(scope, to=first(ledger).name)
    point = named(ledger, scope.to)
    if point in passed(ledger):
        there = ", ".join(f"`{each.name}`" for each in points if each not in passed(ledger))
        raise UsageError(
            f"`{scope.to}` can't be returned to: a later rollback went back past it.",
            f"Checkpoints that can: {there}.",
        )
    return scope


def first(ledger: Ledger) -> Checkpoint:
    """The checkpoint before the first load of which anything may still stand: the first one after the last
    rollback of all that had been done.

    Raises:
        Defect: nothing has been loaded.
    """
    known = {row.attempt: row for row in ledger.read(sa.select(rollbacks))}
    states = {row.number: row.state for row in ledger.read(sa.select(attempts))}
    found: Checkpoint | None = None
    latest: Checkpoint | None = None
    for point in (each for each in all_of(ledger) if each.kind == "load"):
        found = found or point
        latest = found
        for number in range(point.attempt, max(states, default=point.attempt) + 1):
            of_next = number > point.attempt and of_attempt(ledger, number) is not None
            if of_next:
                break
            if states.get(number) == "rolled_back" and _was_whole(known.get(number), found):
                found = None
                break
    point_found = found or latest
    if point_found is None:
        raise Defect("a rollback was chosen, though nothing has been loaded")
    return point_found


def _was_whole(known: Any, start: Checkpoint) -> bool:
    """Whether a rollback undid all that was done since `start`."""
    return known is None or (known.checkpoint == start.name and not Scope.of(known.scope).partial)


@dataclass(frozen=True)
class Listed:
    """A checkpoint, and whether one can still return to it."""

    point: Checkpoint
    returnable: bool

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self.point), "returnable": self.returnable}


def listed(ledger: Ledger) -> list[Listed]:
    """Every checkpoint, oldest first."""
    gone = passed(ledger)
    return [Listed(point, point not in gone) for point in all_of(ledger)]


def passed(ledger: Ledger) -> list[Checkpoint]:
    """Checkpoints that can't be returned to: a rollback to an earlier one has undone what stood then."""
    points = all_of(ledger)
    at = {point.name: point.segment for point in points}
    gone = ledger.read(sa.select(rollbacks))
    return [
        point for point in points
        if any(at.get(row.checkpoint, 0) < point.segment and point.at < row.began for row in gone)
    ]  # fmt: skip


def begin(loading: Loading, chosen: Chosen, *, late: Late | None = None) -> None:
    """One transaction: watermarks back, the attempt is being rolled back, the next one is open.

    Args:
        late: what somebody has confirmed to be lost, where the window is over.

    Raises:
        UsageError: the window is over, and it isn't `late`.
        Damaged: the checkpoint's baseline isn't whole.
        LeaseLost: another operator has taken over.
    """
    if chosen.state != "open":
        return
    ledger = loading.ledger
    if late is None:
        seen = window.of_point(ledger, chosen.point, loading.clock.now())
        if seen.state == "back" and not window_open(chosen.point, loading.clock.now()):
            seen = replace(seen, state="closed")  # a part of its attempt was rolled back, and that isn't all
        window.must_be_open(seen)
    gone = passed(ledger)
    must_be_whole(loading.workspace, chosen.point, [each for each in all_of(ledger) if each not in gone])
    with ledger.write(loading.lease) as tx:
        tx.sql.execute(watermarks.delete())
        for object, (value, generation) in chosen.point.watermarks.items():
            tx.put(watermarks, object=object, value=value, generation=generation)
        tx.sql.execute(
            attempts.update().where(attempts.c.number == chosen.number).values(state="rolling_back")
        )
        tx.put(attempts, number=chosen.number + 1, state="open", opened=tx.at, closed=None, plan=None)
        tx.put(
            rollbacks, attempt=chosen.number, checkpoint=chosen.point.name, scope=chosen.scope.text(),
            began=tx.at, ended=None,
        )  # fmt: skip
        told = {} if late is None else {"after_window": late.ended, "lost": late.count}
        tx.event(
            this_process().holder, "rollback begin", attempt=chosen.number, checkpoint=chosen.point.name,
            objects=chosen.scope.objects, cohort=chosen.scope.cohort, **told,
        )  # fmt: skip


def finish(loading: Loading, chosen: Chosen, seconds: float | None, kept: Sequence[BatchRow] = ()) -> None:
    """Close the attempt; everything that was extracted may be loaded again, but for what still stands.

    Args:
        seconds: how long a whole run took, None where this wasn't one.
        kept: rows that are done in the next attempt too.
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
        tx.sql.execute(rollbacks.update().where(rollbacks.c.attempt == chosen.number).values(ended=tx.at))
        for batch in kept:
            book.keep(tx, batch, loading.lease.epoch)
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
