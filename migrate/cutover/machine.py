"""May a cohort's cutover go on, and where does it stand?

The state is a fold over the trail's moves and stands nowhere else. A move is one ledger transaction: along
`MOVES` only, from the state that its guards looked at, and only if none of their lines is red. Each part of
the cutover registers the guards of its moves in a module of its own; `GUARDS` names these modules, so that no
move is made with a guard left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from migrate.cutover import trail
from migrate.cutover.cohorts import known, names
from migrate.cutover.states import MOVES, State, forward
from migrate.cutover.trail import Event
from migrate.errors import UsageError
from migrate.ledger import cutovers
from migrate.ledger.database import Transaction
from migrate.workspace import Workspace

MOVED = cutovers.MOVED
GUARDS = (
    # One line a module, each part's own.
    "migrate.cutover.starting",
    "migrate.cutover.freezing",
    "migrate.cutover.replaying",
    "migrate.cutover.gate",
    "migrate.cutover.switching",
    "migrate.cutover.sealing",
)
TRIES = 5  # of a move, while others write to the trail

NEXT = {
    "planned": "`migrate cutover rehearse`, then `migrate cutover start`",
    "rehearsed": "`migrate cutover start`",
    "loading": "`migrate cutover start` (goes on)",
    "syncing": "`migrate cutover delta`",
    "holding": "`migrate cutover freeze`",
    "frozen": "`migrate cutover delta`",
    "drained": "`migrate cutover gate`",
    "verified": "`migrate approve`",
    "approved": "`migrate cutover switch`",
    "switching": "`migrate cutover switch` (goes on)",
    "switched": "`migrate cutover seal`, or `migrate cutover back`",
    "reversing": "`migrate cutover back` (goes on)",
    "reverted": "`migrate cutover start`",
    "cancelled": "`migrate cutover start`",
    "sealed": "nothing: there is no way back",
}  # by state: the command that leads on


@dataclass(frozen=True)
class Line:
    """One condition of a move. `remedy`: the command that mends it, where it is red."""

    id: str
    ok: bool
    words: str
    remedy: str = ""


Guard = Callable[["Cutover"], Sequence[Line]]
_guards: dict[tuple[State, State | None], list[Guard]] = {}


class MoveRefused(UsageError):
    """A move whose guards are red. `lines`: all of them, red and green."""

    exit_code = 1

    def __init__(self, cohort: str, to: State, lines: Sequence[Line]) -> None:
        self.cohort, self.to, self.lines = cohort, to, tuple(lines)
        red = [each for each in lines if not each.ok]
        words = "\n".join(f"  {each.id}: {each.words} {each.remedy}".rstrip() for each in red)
        super().__init__(f"The cohort `{cohort}` can't become {to}:\n{words}")


def guard(to: State, *, came_from: State | None = None) -> Callable[[Guard], Guard]:
    """Register a guard of a move.

    Args:
        to: where the move leads. Without `came_from` every move *forward* to it is guarded; a way back (an
            undo, a thaw, a cancel) is free, so that nobody is held where he can't go on.
        came_from: only the move from this state, whichever way it leads.

    A guard reads, and writes nothing: it may run several times for one move.
    """

    def register(function: Guard) -> Guard:
        found = _guards.setdefault((to, came_from), [])
        if function not in found:
            found.append(function)
        return function

    return register


def guards_of(came_from: State, to: State) -> list[Guard]:
    """The guards of a move, every part's."""
    for each in GUARDS:
        import_module(each)
    found = list(_guards.get((to, came_from), ()))
    return [*_guards.get((to, None), ()), *found] if forward(came_from, to) else found


class Cutover:
    """The cutover of one cohort.

    Raises:
        UsageError: the plan has no cohort of this name.
    """

    def __init__(self, workspace: Workspace, cohort: str = "all") -> None:
        self.workspace, self.cohort = workspace, cohort
        known(workspace, cohort)

    def moves(self) -> list[Event]:
        """Its moves, oldest first."""
        return trail.events(self.workspace.ledger, MOVED, self.cohort)

    @property
    def state(self) -> State:
        """Where it stands."""
        return _state(self.moves())

    @property
    def since(self) -> str:
        """When it came there, as a stamp; "" before the first move."""
        moves = self.moves()
        return moves[-1].at if moves else ""

    def last(self, to: State) -> Event | None:
        """Its newest move to a state, since it was last planned; None where there was none."""
        found = None
        for each in self.moves():
            if each.facts["to"] == "planned":
                found = None
            if each.facts["to"] == to:
                found = each
        return found

    def last_of_all(self, to: State) -> Event | None:
        """Its newest move to a state, whatever came after it; None where there was none."""
        return next((each for each in reversed(self.moves()) if each.facts["to"] == to), None)

    def need(self, *states: State) -> State:
        """The state, which has to be one of these.

        Raises:
            UsageError: it is another one; names it and what leads on.
        """
        state = self.state
        if state not in states:
            wanted = " or ".join(states)
            raise UsageError(
                f"The cohort `{self.cohort}` is {state}; this needs {wanted}.",
                f"From {state} leads on: {NEXT[state]}. `migrate cutover status` says more.",
            )
        return state

    def lines(self, to: State) -> list[Line]:
        """What the guards of a move say now."""
        return [line for each in guards_of(self.state, to) for line in each(self)]

    def move(
        self, to: State, *, who: str, evidence: str = "",
        within: Callable[[Transaction], None] | None = None, **facts: Any,
    ) -> Event:  # fmt: skip
        """Make a move, if nothing stands against it.

        Args:
            evidence: digest of what it rests on.
            within: what happens in the move's own transaction, beside it.
            facts: more for the trail, JSON's types.

        Raises:
            MoveRefused: a guard is red.
            UsageError: no move leads there from where it stands, or the trail was written to all the time.
        """
        ledger = self.workspace.ledger
        for _ in range(TRIES):
            seen, state = trail.head(ledger), self.state
            if to not in MOVES[state]:
                raise UsageError(
                    f"The cohort `{self.cohort}` is {state}, and no move leads from there to {to}.",
                    f"From {state} leads on: {NEXT[state]}.",
                )
            lines = self.lines(to)
            if any(not each.ok for each in lines):
                raise MoveRefused(self.cohort, to, lines)
            with ledger.write() as tx:
                # What the guards looked at is what stands now: else they look again.
                if trail.head_within(tx) != seen:
                    continue
                if within is not None:
                    within(tx)
                return self._record(tx, state, to, who, evidence, facts)
        raise UsageError(
            f"The cohort `{self.cohort}` can't become {to}: others were writing to the trail all the time.",
            "Run it again.",
        )

    def _record(
        self, tx: Transaction, state: State, to: State, who: str, evidence: str, facts: dict[str, Any]
    ) -> Event:
        json.dumps(facts)  # a fact that can't be written as it is would be told as its text
        moved = {"from": state, "to": to, **facts}
        return trail.put(tx, who, MOVED, cohort=self.cohort, evidence=evidence, **moved)


def _state(moves: Sequence[Event]) -> State:
    return moves[-1].facts["to"] if moves else "planned"


def states(workspace: Workspace) -> dict[str, State]:
    """Every cohort's state, in the plan's order."""
    moves: dict[str, list[Event]] = {}
    for each in trail.events(workspace.ledger, MOVED):
        moves.setdefault(each.cohort, []).append(each)
    return {name: _state(moves.get(name, [])) for name in names(workspace)}


def chosen(workspace: Workspace, name: str | None, *, alike: State | None = None) -> str:
    """The cohort that a command means: the named one, else the only one, else the one under way.

    Args:
        alike: a state in which the command is the same for every cohort, where none is under way.

    Raises:
        UsageError: there is none of this name, or several could be meant.
    """
    if name is not None:
        return known(workspace, name).name
    found = states(workspace)
    if len(found) == 1:
        return next(iter(found))
    idle = ("planned", "switched", "sealed", "reverted", "cancelled")
    under_way = [each for each, state in found.items() if state not in idle]
    same = [each for each, state in found.items() if state == alike]
    if not under_way and same:
        return same[0]
    if len(under_way) != 1:
        there = ", ".join(f"`{each}` ({state})" for each, state in found.items())
        raise UsageError("Which cohort is meant?", f"Give `--cohort` one of: {there}.")
    return under_way[0]
