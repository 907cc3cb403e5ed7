"""When is a cohort's maintenance window? Agreed by people, kept in the trail, and counted down to.

Nothing goes by it but pages: a freeze is whatever was verified, and not what was planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from migrate.clock import parse_stamp, stamp
from migrate.cutover import trail
from migrate.cutover.rehearsal.kept import last
from migrate.cutover.runbook.steps import STEPS
from migrate.cutover.runbook.times import deadlines, timetable
from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.workspace import Workspace

SET = "cutover window set"


@dataclass(frozen=True)
class Scheduled:
    """A window. `at`: when it begins; `until`: when people want to work again; both aware. `who` set it."""

    cohort: str
    at: datetime
    until: datetime
    who: str


def schedule(ledger: Ledger, cohort: str, at: datetime, until: datetime, *, who: str) -> Scheduled:
    """Keep it; a later one takes its place.

    Raises:
        UsageError: it ends before it begins.
    """
    if until <= at:
        raise UsageError("The window ends before it begins.", "Give `--until` a later moment than `--at`.")
    trail.append(ledger, who, SET, cohort=cohort, at=stamp(at), until=stamp(until))
    return Scheduled(cohort, at, until, who)


def scheduled(ledger: Ledger, cohort: str) -> Scheduled | None:
    """The window that was set last; None before any."""
    found = trail.events(ledger, SET, cohort)
    if not found:
        return None
    facts = found[-1].facts
    return Scheduled(cohort, parse_stamp(facts["at"]), parse_stamp(facts["until"]), found[-1].who)


def moments(workspace: Workspace, cohort: str) -> list[tuple[str, str]]:
    """What there is to count down to: words and stamps, in the order in which they come."""
    found = scheduled(workspace.ledger, cohort)
    if found is None:
        return []
    rehearsed = last(workspace)
    projection = rehearsed.projection if rehearsed else None
    bounds = deadlines(timetable(STEPS, projection, found.at, cohort), found.until)
    told = [
        ("Last start of the window", bounds.last_start), ("The freeze", found.at),
        ("No return after", bounds.no_return), ("People work again", found.until),
    ]  # fmt: skip
    return sorted(((words, stamp(at)) for words, at in told if at is not None), key=lambda each: each[1])
