"""What do a rehearsal's measures say of the real thing? Time, calls and storage, each with an interval.

The load is cut into up to ten slices of about as many records, in the order in which its batches were
settled. How much the slices differ tells how far the whole may be off: the interval is a 95 % prediction
interval for the sum of the slices to come (Student's t, with as many degrees of freedom as slices less one).
Steps that grow with the records are scaled by them and take the load's relative width; fixed costs are scaled
along, so that a sample says too much rather than too little. With fewer than three slices nothing is known of
the spread: then half and twice the likely figure are told, and that this is assumed. An interval always goes
down to what its calls take at the vendor's pace, since this machine may have been the brake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp
from migrate.cutover.rehearsal.measuring import Measured
from migrate.ledger import Ledger
from migrate.ledger.tables import batches

SLICES, FEWEST = 10, 3
# Student's t, two-sided 95 %, by degrees of freedom (any statistics handbook).
STUDENT = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
LEAST = 0.25  # of the likely figure: no interval claims that the real thing is quicker than that
ASSUMED = (0.5, 2.0)


@dataclass(frozen=True)
class Interval:
    """A figure with what it may come to."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.likely + other.likely, self.high + other.high)


NOTHING = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Slice:
    """A stretch of the load: records that it settled, batches, seconds of the vendor's clock."""

    records: int
    batches: int
    seconds: float


@dataclass(frozen=True)
class Projected:
    """One step of the real cutover. `seconds`, `calls`: of the vendor's clock, to the target."""

    id: str
    title: str
    command: str
    seconds: Interval
    calls: Interval
    cohort: str = ""


@dataclass(frozen=True)
class Projection:
    """What the real cutover is likely to take.

    `factor`: all records by those of the rehearsal. `records`: that the target gets; `quota`: calls that the
    target takes a day, None where it doesn't say. `bytes`: of files that are sent. `method`: in words.
    """

    factor: float
    steps: tuple[Projected, ...]
    records: Interval
    bytes: int
    quota: int | None
    slices: int
    method: str

    def of(self, ids: Sequence[str], cohort: str = "") -> Interval | None:
        """The sum of some steps, of one cohort ("": of all); None where none of them was rehearsed."""
        found = [
            each.seconds
            for each in self.steps
            if each.id in ids and (not cohort or each.cohort in ("", cohort))
        ]
        return sum(found, NOTHING) if found else None

    @property
    def calls(self) -> Interval:
        """All calls to the target."""
        return sum((each.calls for each in self.steps), NOTHING)

    @property
    def days_of_quota(self) -> float | None:
        """Days whose whole quota the likely number of calls takes; None where no quota is known."""
        return self.calls.likely / self.quota if self.quota else None


def slices(ledger: Ledger, attempt: int) -> list[Slice]:
    """The load of an attempt, cut by its settled batches; empty where it sent nothing."""
    query = (
        sa.select(batches.c.intended, batches.c.settled, batches.c.done)
        .where(batches.c.attempt == attempt, batches.c.phase == "load", batches.c.settled.is_not(None))
        .order_by(batches.c.settled)
    )
    rows: list[Any] = [row for row in ledger.read(query) if row.done]
    if not rows:
        return []
    each = sum(row.done for row in rows) / min(SLICES, len(rows))
    found: list[Slice] = []
    start, records, count = min(parse_stamp(row.intended) for row in rows), 0, 0
    for row, following in pairwise([*rows, None]):
        records, count = records + row.done, count + 1
        if records >= each or following is None:
            end = parse_stamp(row.settled)
            found.append(Slice(records, count, (end - start).total_seconds()))
            start, records, count = end, 0, 0
    return found


def project(
    steps: Sequence[Measured], found: Sequence[Slice], *, factor: float, records: int, bytes_sent: int = 0,
    quota: int | None = None,
) -> Projection:  # fmt: skip
    """Scale the steps of a rehearsal to the real thing.

    Args:
        factor: all records by those that were rehearsed, at least 1.
        records: created or updated in the target by the rehearsal.
    """
    width = relative_width([each.seconds / each.records for each in found if each.records], factor)
    asked = relative_width([each.batches / each.records for each in found if each.records], factor)
    projected = tuple(
        Projected(
            each.id, each.title, each.command,
            _lowered(
                _interval(each.seconds, factor if each.scales == "records" else 1.0, width),
                each.floor * (factor if each.scales == "records" else 1.0),
            ),
            _interval(each.asked("target"), factor if each.scales == "records" else 1.0, asked),
            each.cohort,
        )
        for each in steps
    )  # fmt: skip
    method = (
        f"95 % prediction interval from the variance between {len(found)} slices of the load"
        if width is not None
        else f"assumed, half to twice: the load fell into {len(found)} slices, too few to know a spread"
    )
    if factor > 1:
        method += f"; scaled by {factor:.1f} with the records, fixed costs included"
    whole = records * factor
    return Projection(factor, projected, Interval(whole, whole, whole), bytes_sent, quota, len(found), method)


def relative_width(rates: Sequence[float], factor: float) -> float | None:
    """Half the 95 % prediction interval of the sum of `factor` times as many slices, as a share of that sum.

    Args:
        rates: seconds (or batches) a record, one a slice.

    Returns:
        None where fewer than three slices were seen, or they took no time.
    """
    if len(rates) < FEWEST or fmean(rates) <= 0:
        return None
    number, ahead = len(rates), len(rates) * factor
    # Var(sum ahead - its estimate) = s² · ahead · (1 + ahead / number): their own spread, and the mean's.
    half = STUDENT[min(number - 1, 9)] * stdev(rates) * sqrt(ahead * (1 + ahead / number))
    return half / (fmean(rates) * ahead)


def _lowered(found: Interval, floor: float) -> Interval:
    """The vendor is quicker where this machine was the brake: down to what its calls take."""
    return Interval(min(found.low, floor), found.likely, found.high) if floor else found


def _interval(measured: float, factor: float, width: float | None) -> Interval:
    likely = measured * factor
    if width is None:
        return Interval(likely * ASSUMED[0], likely, likely * ASSUMED[1])
    return Interval(likely * max(LEAST, 1 - width), likely, likely * (1 + width))
