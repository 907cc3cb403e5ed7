"""When does each step begin and end, and until when may one still go back? From the rehearsal's intervals.

A step begins when the one before it is likely to be done. `latest` adds up the upper ends of all intervals so
far, which is more cautious than any of them. The point of no return is the latest moment at which a way back
that takes its upper end still fits into the maintenance window, with a margin. Nothing is planned behind what
wasn't measured: such a step is said to be unknown, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from migrate.cutover.rehearsal.projecting import NOTHING, Interval, Projection
from migrate.cutover.runbook.steps import Step

MARGIN = timedelta(minutes=15)  # between the end of a way back and the window's
UPTO = ("ready", "freeze", "drain", "validate", "gate", "approve", "no-return", "switch")
WAYS = ("back", "undo")  # the way back after the switch; where it wasn't measured, that of a rollback


@dataclass(frozen=True)
class Planned:
    """When a step takes place. `seconds`: None where it wasn't measured and isn't people's."""

    step: Step
    seconds: Interval | None
    starts: datetime | None
    likely: datetime | None
    latest: datetime | None


@dataclass(frozen=True)
class Deadlines:
    """The moments that bound a window; None where no end of the window is given, or a measure is missing.

    `last_start`: begun later, the switch with its way back may not fit. `no_return`: begun later, a way back
    may not fit. `switched`: when the switch is done, at the latest.
    """

    last_start: datetime | None
    no_return: datetime | None
    switched: datetime | None

    @property
    def fits(self) -> bool | None:
        """Whether the switch is done before the point of no return, even where all takes its longest."""
        if self.no_return is None or self.switched is None:
            return None
        return self.switched <= self.no_return


def takes(step: Step, projection: Projection | None, cohort: str = "") -> Interval | None:
    """How long a step takes: measured, or what people are taken to need; None where nobody knows."""
    people = Interval(step.people / 2, step.people, step.people * 2) if step.people else NOTHING
    measured = projection.of(step.measured, cohort) if projection is not None else None
    if measured is None:
        return people if step.people else None
    return measured + people


def timetable(
    steps: Sequence[Step], projection: Projection | None, at: datetime | None, cohort: str = ""
) -> tuple[Planned, ...]:
    """The window's steps one after the other from `at` on; the others are told how long they take."""
    found = []
    likely = latest = at
    for step in steps:
        seconds = takes(step, projection, cohort)
        if step.phase != "window" or likely is None or latest is None:
            found.append(Planned(step, seconds, None, None, None))
            continue
        starts, length = likely, seconds or NOTHING
        likely = likely + timedelta(seconds=length.likely)
        latest = latest + timedelta(seconds=length.high)
        found.append(Planned(step, seconds, starts, likely, latest))
    return tuple(found)


def deadlines(planned: Sequence[Planned], until: datetime | None) -> Deadlines:
    """What the end of the window means for its steps."""
    switched = next((each.latest for each in planned if each.step.id == "switch"), None)
    way = next((each.seconds for id in WAYS for each in planned if each.step.id == id and each.seconds), None)
    if until is None or way is None:
        return Deadlines(None, None, switched)
    no_return = until - timedelta(seconds=way.high) - MARGIN
    ahead = sum(each.seconds.high for each in planned if each.step.id in UPTO and each.seconds)
    return Deadlines(no_return - timedelta(seconds=ahead), no_return, switched)


def needs(steps: Sequence[Step], projection: Projection, cohort: str) -> tuple[Interval, Interval | None]:
    """What a cohort needs of a window: up to the switch, and for the way back (None: not measured)."""
    lengths = {each.id: takes(each, projection, cohort) for each in steps}
    ahead = sum((each for id in UPTO if (each := lengths[id]) is not None), NOTHING)
    return ahead, next((each for id in WAYS if (each := lengths[id]) is not None), None)


@dataclass(frozen=True)
class Zones:
    """Moments as the readers read them: UTC, then each of their zones."""

    zones: tuple[str, ...]

    def moment(self, at: datetime | None) -> str:
        """`Fri 4 Dec 2026, 17:00 UTC (18:00 Europe/Berlin, 12:00 America/New_York)`."""
        if at is None:
            return "not planned yet"
        exact = at.astimezone(ZoneInfo("UTC"))
        there = [self._there(exact, zone) for zone in self.zones if zone != "UTC"]
        return f"{exact:%a %-d %b %Y, %H:%M} UTC" + (f" ({', '.join(there)})" if there else "")

    def hour(self, at: datetime | None) -> str:
        """The same without the day, where it is the table's."""
        return "" if at is None else f"{at.astimezone(ZoneInfo('UTC')):%H:%M}"

    def columns(self, at: datetime | None) -> list[str]:
        """One text a zone, UTC first: `4 Dec 17:00`."""
        if at is None:
            return ["" for _ in self.names]
        return [f"{at.astimezone(ZoneInfo(zone)):%-d %b %H:%M}" for zone in self.names]

    @property
    def names(self) -> tuple[str, ...]:
        """UTC, and the others."""
        return ("UTC", *(zone for zone in self.zones if zone != "UTC"))

    @staticmethod
    def _there(exact: datetime, zone: str) -> str:
        local = exact.astimezone(ZoneInfo(zone))
        day = "" if local.date() == exact.date() else f"{local:%a %-d %b} "
        return f"{day}{local:%H:%M} {zone}"
