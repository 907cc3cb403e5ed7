"""How long is there a way back after the switch? From the switch on, as long as the plan promises, and no
longer than the old system is there. After that `cutover back` does what can still be done, once somebody has
confirmed what it may lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from migrate_rollback.window import last_safe_start

from migrate.clock import parse_stamp, shown, stamp
from migrate.cutover import inverses
from migrate.cutover.gates.rehearsed import projected
from migrate.cutover.machine import Cutover
from migrate.errors import PlanError, UsageError
from migrate.plan.terms import instant_of, parse_window

NEVER = (
    "files that were added in the new system: none of them comes back",
    "opt-outs of single subscriptions: look for them by hand",
)  # whatever the plan says


@dataclass(frozen=True)
class BackWindow:
    """The time in which `cutover back` is promised. Instants are stamps (UTC); `bound`: what sets its end.

    `state`: open; closed (nothing is promised any more); sealed. `last_safe_start`: a way back that begins
    later may not end in time; None where no rehearsal measured how long it takes.
    """

    cohort: str
    state: Literal["open", "closed", "sealed"]
    opened: str
    ends: str
    bound: str
    share: float
    last_safe_start: str | None = None

    @property
    def words(self) -> str:
        """It in one sentence."""
        if self.state == "sealed":
            return f"`{self.cohort}` is sealed: there is no way back."
        end = shown(self.ends)
        if self.state == "closed":
            return f"The way back of `{self.cohort}` was promised until {end} ({self.bound})."
        safe = "not known, for no rehearsal measured how long it takes"
        if self.last_safe_start is not None:
            safe = shown(self.last_safe_start)
        return (
            f"`migrate cutover back` of `{self.cohort}` is promised until {end} ({self.bound}); "
            f"{int(self.share * 100)}% of its time is gone. Last safe start: {safe}."
        )


def back_window(cutover: Cutover) -> BackWindow | None:
    """The window of a cohort that is switched; None for another one."""
    if cutover.state not in ("switched", "sealed", "reversing"):
        return None
    event = cutover.last("switched")
    if event is None:  # no move leads to these states but through it
        return None
    plan, now = cutover.workspace.plan.model, cutover.workspace.clock.now()
    opened, zone = parse_stamp(event.at), plan.calendar.zone
    ends: list[tuple[datetime, str]] = [
        (parse_window(plan.cutover.window).end(opened, zone), f"the plan's {plan.cutover.window}")
    ]
    for day, why in (
        (plan.cutover.calendar.contract_ends, "the old contract ends"),
        (plan.cutover.calendar.api_ends, "the old system's API ends"),
    ):
        if day is not None:
            ends.append((instant_of(day, zone, end=True), why))
    end, bound = min(ends)
    share = min(1.0, max(0.0, (now - opened) / (end - opened))) if end > opened else 1.0
    state: Literal["open", "closed", "sealed"] = "open" if now < end else "closed"
    if cutover.state == "sealed":
        state = "sealed"
    takes = projected(cutover, "back", "seconds") if state == "open" else None
    safe = None if takes is None else last_safe_start(stamp(end), takes)
    return BackWindow(cutover.cohort, state, stamp(opened), stamp(end), bound, share, safe)


@dataclass(frozen=True)
class Late:
    """What somebody gives up who goes back after the window. `losses`: what may stay behind, in words."""

    cohort: str
    ended: str
    losses: tuple[str, ...]

    @property
    def answer(self) -> str:
        """What a person types who means it."""
        return f"lose {len(self.losses)}"


def late(cutover: Cutover) -> Late | None:
    """What going back may lose now that the window is over; None while it is open, or back is under way."""
    window = back_window(cutover)
    if window is None or window.state != "closed" or cutover.state != "switched":
        return None
    try:
        told = inverses.quick(cutover.workspace).told
    except (PlanError, UsageError) as error:
        told = (f"what has no way back can't be told: {str(error).splitlines()[0]}",)
    promised = f"nothing is promised since {shown(window.ends)} ({window.bound}): the old system may refuse"
    return Late(cutover.cohort, window.ends, (promised, *told, *NEVER))


def must_be_in_time(cutover: Cutover, confirmed: Late | None) -> None:
    """Refuse to begin a way back after its window, unless somebody has confirmed what that loses.

    Raises:
        UsageError: it is over; says how to go back all the same.
    """
    found = late(cutover)
    if found is not None and confirmed != found:
        raise UsageError(
            f"The way back of `{cutover.cohort}` was promised until {shown(found.ended)}.",
            "`migrate cutover back --after-window` lists what may be lost by now, asks, and does the rest.",
        )
