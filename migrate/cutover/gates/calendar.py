"""Does the calendar allow a switch today? Days without one, and the ends of the old contract and its API.

Days are those of the plan's zone. Going back needs the old system: its contract and its API have to last as
long as the window that a switch opens now.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from migrate.cutover.gates.lines import GateLine, green, red
from migrate.plan.terms import parse_window

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover
    from migrate.plan.models import PlanModel

ID = "calendar"
REMEDY = "another day, or `cutover: calendar` of the plan"


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One line: today may be switched, and the old system outlasts the window."""
    plan, now = cutover.workspace.plan.model, cutover.workspace.clock.now()
    found = problems(plan, now)
    today = now.astimezone(ZoneInfo(plan.calendar.zone)).date()
    if found:
        yield red(ID, " ".join(found), REMEDY, f"{today} in {plan.calendar.zone}", about=[str(today), *found])
    else:
        yield green(
            ID, "Nothing in the calendar stands against a switch.", f"{today} in {plan.calendar.zone}"
        )


def problems(plan: PlanModel, now: datetime) -> list[str]:
    """What stands against a switch at an instant (aware), a sentence each."""
    zone = ZoneInfo(plan.calendar.zone)
    today, terms = now.astimezone(zone).date(), plan.cutover
    found = [
        f"From {each.from_} to {each.to} nobody switches: {each.why}."
        for each in terms.calendar.blackout
        if date.fromisoformat(each.from_) <= today <= date.fromisoformat(each.to)
    ]
    back = parse_window(terms.window).end(now, plan.calendar.zone).astimezone(zone).date()
    ends = (
        ("contract of the old system", terms.calendar.contract_ends),
        ("old system's API", terms.calendar.api_ends),
    )
    for what, end in ends:
        if end is not None and date.fromisoformat(end) < back:
            found.append(f"The {what} ends on {end}, and the way back stays open until {back}.")
    return found
