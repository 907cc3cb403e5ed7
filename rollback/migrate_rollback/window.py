"""How long is there a way back, how much of that time is gone, and has everybody been told?

The window opens at the first load, and anew at a switch. Its end is promised then, by the plan; it comes
nearer where the vendor keeps something that we have changed for a shorter time, and never moves away
(`returning`). Whoever starts after the *last safe start* may not come to the end of a rollback within it.
Each warning is told once: it is an event of the ledger's trail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from migrate.clock import parse_stamp, shown, stamp
from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.ledger.cutovers import past_the_switch
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, events, measures
from migrate.stages.checkpoint import Checkpoint

MEASURE = "rollback"  # seconds that the last whole run took
DRILL = "rollback drill"  # seconds that the last drill's rollback took
VERIFY = "rollback verify"  # seconds that the last verification took; also its event
MEASURED = {MEASURE: "the last rollback", DRILL: "the last drill"}
ROOM = 1.5  # a rollback may take half as long again as when it was measured
MARGIN = timedelta(hours=1)
WARNINGS = (50, 80, 95)  # percent of the window
WARNED = "window warning"
SHORTENED = "window shortened"
DELIVERED = "window warning delivered"


@dataclass(frozen=True)
class Window:
    """The way back of one attempt, now. Instants are stamps (UTC); `share`: of its time that is gone, 0 to 1.

    `seconds`: how long a rollback takes, None where it was never measured; `measured`: by what. `state`:
    open; late (past the last safe start); closed; going (a rollback has begun, and may end whenever it does);
    back (rolled back already).
    """

    attempt: int
    state: Literal["open", "late", "closed", "going", "back"]
    opened: str
    ends: str | None
    last_safe_start: str | None
    share: float
    seconds: float | None
    measured: str

    @property
    def percent(self) -> int:
        """Of its time that is gone, rounded down."""
        return int(self.share * 100)

    @property
    def passed(self) -> tuple[int, ...]:
        """The warnings that are due by now; none where nothing is left to decide."""
        return tuple(each for each in WARNINGS if self.state in ("open", "late") and self.percent >= each)

    @property
    def words(self) -> str:
        """It in one sentence."""
        if self.state == "back":
            return f"Attempt {self.attempt} is rolled back."
        if self.state == "going":
            return f"A rollback of attempt {self.attempt} has begun; the window's end doesn't stop it."
        if self.ends is None:
            return "No end of the way back is known."
        end, safe = moment(self.ends), moment(self.last_safe_start)
        if self.state == "closed":
            return f"The way back closed at {end}: `rollback run` refuses, unless told `--after-window`."
        known = "" if self.seconds is not None else " How long a rollback takes was never measured."
        if self.state == "late":
            return (
                f"The way back is open until {end}, but the last safe start was "
                f"{safe}: a rollback may not come to its end in time.{known}"
            )
        return (
            f"The way back is open until {end}; last safe start {safe}. "
            f"{self.percent}% of its time is gone.{known}"
        )


@dataclass(frozen=True)
class Warned:
    """A warning as it was first told. `number`: of its event; `delivered`: the webhook took it."""

    number: int
    at_percent: int
    at: str
    delivered: bool


def moment(at: str | None) -> str:
    """A stamp as people read it."""
    return shown(at) if at else "not known"


def opened(ledger: Ledger, point: Checkpoint) -> datetime:
    """When the window opens: with the first load, whose checkpoint this is; once a cohort is switched, with
    its switch. The only place that knows."""
    switches = [
        each.switched
        for each in past_the_switch(ledger)
        if each.state != "switching" and each.switched and each.switched > point.at
    ]
    return parse_stamp(min(switches, default=point.at))


def of_point(
    ledger: Ledger, point: Checkpoint, now: datetime, *, attempt: int | None = None, stands: str = ""
) -> Window:
    """The window of a checkpoint.

    Args:
        attempt: the one that a rollback to it closes, if that isn't its own.
        stands: that attempt's state, if it isn't the ledger's: a part of it may be left to undo.
    """
    seconds, measured = took(ledger)
    begin, safe = opened(ledger, point), last_safe_start(point.window_end, seconds or 0.0)
    end = parse_stamp(point.window_end) if point.window_end else None
    share = 0.0
    if end is not None:
        share = min(1.0, max(0.0, (now - begin) / (end - begin))) if end > begin else 1.0
    number = attempt or point.attempt
    stands = stands or str(ledger.value(sa.select(attempts.c.state).where(attempts.c.number == number)))
    state: Literal["open", "late", "closed", "going", "back"] = "open"
    if stands in ("rolling_back", "rolled_back"):
        state = "going" if stands == "rolling_back" else "back"
    elif end is not None and now >= end:
        state = "closed"
    elif safe is not None and now >= parse_stamp(safe):
        state = "late"
    return Window(number, state, stamp(begin), point.window_end, safe, share, seconds, measured)


def bound(ledger: Ledger, window: Window, plan: str) -> str:
    """What sets the window's end, in words.

    Args:
        plan: `cutover.window` of the plan.
    """
    for row in ledger.read(sa.select(events).where(events.c.what == SHORTENED)):
        facts = json.loads(row.facts)
        if (facts["attempt"], facts["ends"]) == (window.attempt, window.ends):
            return f"the vendor keeps what was changed for {facts['days']} days"
    return f"the plan's {plan}"


def took(ledger: Ledger, names: Mapping[str, str] = MEASURED) -> tuple[float | None, str]:
    """Seconds of the newest measurement (None before any), and what was measured.

    Args:
        names: in words, by the measure's name.
    """
    rows = ledger.read(
        sa.select(measures).where(measures.c.name.in_(names)).order_by(measures.c.at.desc()).limit(1)
    )
    return (float(rows[0].value), names[rows[0].name]) if rows else (None, "")


def last_safe_start(end: str | None, seconds: float) -> str | None:
    """The window's end, less half as long again as a rollback takes, less an hour; None without an end."""
    if end is None:
        return None
    return stamp(parse_stamp(end) - timedelta(seconds=seconds * ROOM) - MARGIN)


def must_be_open(window: Window) -> None:
    """Refuse where it is over.

    Raises:
        UsageError: it is; says how to go back all the same.
    """
    if window.state == "closed":
        raise UsageError(
            f"The rollback window of attempt {window.attempt} closed at {moment(window.ends)}.",
            "`migrate rollback run --after-window` lists what is lost by now, asks, and does the rest.",
        )


# -- warnings -------------------------------------------------------------------------------------


def warn(ledger: Ledger, window: Window) -> Warned | None:
    """Record every warning that is due and wasn't told yet; the highest of them, None where there is none.

    Two processes at once tell it once: asking and recording are one transaction.
    """
    due = window.passed
    if not due or due[-1] in {each.at_percent for each in told(ledger, window)}:
        return None
    with ledger.write() as tx:
        known = {each.at_percent for each in _told(tx.sql.execute(_events()).all(), window)}
        fresh = [each for each in due if each not in known]
        for each in fresh:
            facts = {"attempt": window.attempt, "at_percent": each, "ends": window.ends}
            tx.event(this_process().holder, WARNED, **facts)
    newest = [each for each in told(ledger, window) if fresh and each.at_percent == fresh[-1]]
    return newest[-1] if newest else None


def told(ledger: Ledger, window: Window) -> list[Warned]:
    """Warnings that were told of this window, oldest first."""
    return _told(ledger.read(_events()), window)


def delivered(ledger: Ledger, warned: Warned) -> None:
    """Note that the webhook took a warning."""
    with ledger.write() as tx:
        tx.event(this_process().holder, DELIVERED, warning=warned.number)


def _events() -> sa.Select[Any]:
    return sa.select(events).where(events.c.what.in_([WARNED, DELIVERED])).order_by(events.c.number)


def _told(rows: Any, window: Window) -> list[Warned]:
    found: list[tuple[int, int, str]] = []
    taken: set[int] = set()
    for row in rows:
        facts = json.loads(row.facts)
        if row.what == DELIVERED:
            taken.add(facts["warning"])
        elif (facts["attempt"], facts["ends"]) == (window.attempt, window.ends):
            found.append((row.number, facts["at_percent"], row.at))
    return [Warned(number, percent, at, number in taken) for number, percent, at in found]
