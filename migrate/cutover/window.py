"""How long is there a way back after the switch? From the switch on, as long as the plan promises, and no
longer than the old system is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from migrate.clock import parse_stamp, shown, stamp
from migrate.cutover.machine import Cutover
from migrate.plan.terms import instant_of, parse_window


@dataclass(frozen=True)
class BackWindow:
    """The time in which `cutover back` is promised. Instants are stamps (UTC); `bound`: what sets its end.

    `state`: open; closed (back still goes, but nothing is promised); sealed.
    """

    cohort: str
    state: Literal["open", "closed", "sealed"]
    opened: str
    ends: str
    bound: str
    share: float

    @property
    def words(self) -> str:
        """It in one sentence."""
        if self.state == "sealed":
            return f"`{self.cohort}` is sealed: there is no way back."
        end = shown(self.ends)
        if self.state == "closed":
            return f"The way back of `{self.cohort}` was promised until {end} ({self.bound})."
        return (
            f"`migrate cutover back` of `{self.cohort}` is promised until {end} ({self.bound}); "
            f"{int(self.share * 100)}% of its time is gone."
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
    return BackWindow(cutover.cohort, state, stamp(opened), stamp(end), bound, share)
