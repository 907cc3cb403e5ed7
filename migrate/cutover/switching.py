"""How does a cohort switch, once, and end in exactly two ways: switched, or frozen with everything as before?

The move to `switching` uses up the approval: it names it, and no second move can be made on it. Then the
reverse path is opened (before the first step, so that no change in the new system is missed), the plan's
hooks are done in order, and a canary has to come back through the reverse path. Only then the cohort is
switched, and its records are at home in the new system. Where anything fails, what was done is undone, last
first, and the cohort is frozen again. A process that is killed leaves it `switching`, and the same command
goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from migrate.clock import parse_stamp, stamp
from migrate.cutover import homes
from migrate.cutover.gate import approval, must_pass
from migrate.cutover.machine import Cutover, Line, guard
from migrate.cutover.states import State
from migrate.cutover.steps import Step, Steps, Told, recorded
from migrate.cutover.trail import Event
from migrate.errors import Busy, MigrateError, UsageError
from migrate.ledger.database import Transaction
from migrate.ledger.tables import checkpoints
from migrate.plan.terms import parse_window
from migrate.workspace import Workspace

AGAIN = "`migrate cutover switch` goes on; `migrate cutover switch --undo` gives it up."


class ReversePath(Protocol):
    """What the switch asks of the way back (`migrate.cutover.reverse`). Both may be called again after a
    kill."""

    def open(self, cutover: Cutover, *, who: str) -> None:
        """Make it able to take every change that the new system sees from now on; write nothing there."""
        ...

    def canary(self, workspace: Workspace, cohort: str) -> Any:
        """Bring one change from the new system back to the old one, prove it there, and take it back on both.

        Raises:
            MigrateError: it didn't come back.
        """
        ...


@dataclass(frozen=True)
class Switched:
    """What a switch came to. `canary`: what came back; `failed`: why everything was undone, "" if it
    wasn't."""

    cohort: str
    state: State
    steps: tuple[Step, ...]
    canary: Any = None
    failed: str = ""


def switch(cutover: Cutover, *, who: str, told: Told = lambda _: None) -> Switched:
    """Switch a cohort, or go on with a switch that was stopped.

    Raises:
        UsageError: it isn't approved; or the plan was edited since the switch began.
        MoveRefused: a guard is red: an approval that was voided, a gate that is no longer fresh.
        StepFailed: a step couldn't be undone; it stays switching.
        Busy: another process is at it.
    """
    workspace = cutover.workspace
    with _alone(workspace):
        cutover.need("approved", "switching")
        if cutover.state == "approved":
            _begin(cutover, who)
        steps = Steps(workspace, _begun(cutover), who)
        _same_plan(cutover, steps.switch)
        try:
            told("Opening the reverse path")
            path = _reverse()
            path.open(cutover, who=who)
            steps.do(told)
            told("Waiting for the canary to come back")
            canary = path.canary(workspace, cutover.cohort)
        except MigrateError as error:
            return _undone(cutover, steps, str(error), told)
        cutover.move(
            "switched", who=who, evidence=steps.switch.evidence, switch=steps.switch.digest,
            within=_window_opens(cutover),
        )  # fmt: skip
        return Switched(cutover.cohort, cutover.state, tuple(steps.all()), canary)


def give_up(cutover: Cutover, *, who: str, told: Told = lambda _: None) -> Switched:
    """Give up a switch that was stopped: its steps undone, last first; frozen again.

    Raises:
        UsageError: no switch is under way.
        StepFailed: a step couldn't be undone; run it again.
    """
    with _alone(cutover.workspace):
        cutover.need("switching")
        return _undone(cutover, Steps(cutover.workspace, _begun(cutover), who), "It was given up.", told)


def take_back(cutover: Cutover, *, who: str, told: Told = lambda _: None) -> list[Step]:
    """Undo the steps of the switch of a cohort that goes back, last first; may be called again.

    Raises:
        UsageError: it isn't on its way back.
        StepFailed: a step couldn't be undone; those after it are.
    """
    cutover.need("reversing")
    steps = Steps(cutover.workspace, _begun(cutover), who)
    steps.undo(told)
    return steps.all()


def _begin(cutover: Cutover, who: str) -> None:
    workspace = cutover.workspace
    must_pass(cutover, who=who)  # asked once more: its last answer may be as old as the plan's bound
    homes.publish(workspace, cutover.cohort)  # its last: what came in since is in it
    used = approval(cutover)
    _unused(cutover, used.signatures)
    approved = cutover.last("approved")
    cutover.move(
        "switching", who=who, evidence=used.evidence, approved=approved.digest if approved else "",
        gate=used.gate, signatures=list(used.signatures), overrides=list(used.overrides),
        hooks=recorded(workspace.plan.model.cutover.hooks), agreed=workspace.plan.agreed,
    )  # fmt: skip


def _unused(cutover: Cutover, signatures: Sequence[str]) -> None:
    """A signature is good for one switch, however often the cohort is approved."""
    for each in cutover.moves():
        if set(each.facts.get("signatures", ())) & set(signatures):
            raise UsageError(
                f"A signature was used up by the switch of {each.at}.",
                "`migrate cutover gate --request` asks for new ones.",
            )


def _begun(cutover: Cutover) -> Event:
    event = cutover.last("switching")
    if event is None:
        raise UsageError(f"`{cutover.cohort}` has never begun to switch.", "`migrate cutover status`")
    return event


def _same_plan(cutover: Cutover, switch: Event) -> None:
    if switch.facts["agreed"] != cutover.workspace.plan.agreed:
        raise UsageError(
            "The plan was edited since this switch began; what was approved is the plan of then.",
            "Undo the edit, or give the switch up: `migrate cutover switch --undo`.",
        )


def _undone(cutover: Cutover, steps: Steps, why: str, told: Told) -> Switched:
    steps.undo(told)
    cutover.move("frozen", who=steps.who, switch=steps.switch.digest, reason=why.partition("\n")[0])
    return Switched(cutover.cohort, cutover.state, tuple(steps.all()), failed=why)


def _reverse() -> ReversePath:
    from migrate.cutover import reverse

    return reverse


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    with workspace.ledger.alone("switch") as ours:
        if not ours:
            raise Busy("Another process is switching in this workspace.", "Wait for its end.")
        yield


def _window_opens(cutover: Cutover) -> Any:
    """In the transaction of the move: the window of the way back opens now, and ends as the plan promises."""
    plan = cutover.workspace.plan.model

    def opened(tx: Transaction) -> None:
        end = parse_window(plan.cutover.window).end(parse_stamp(tx.at), plan.calendar.zone)
        newest = sa.select(sa.func.max(checkpoints.c.attempt)).scalar_subquery()
        tx.sql.execute(
            checkpoints.update().where(checkpoints.c.attempt == newest).values(window_end=stamp(end))
        )

    return opened


@guard("switching")
def _no_rollback(cutover: Cutover) -> Sequence[Line]:
    rolling = cutover.workspace.ledger.attempt_state() == "rolling_back"
    words = "A rollback is under way." if rolling else "No rollback is under way."
    return [
        Line("rollback", not rolling, words, "`migrate rollback run --yes` to its end" if rolling else "")
    ]
