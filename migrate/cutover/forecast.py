"""When will the target have caught up? From how fast changes arrive and how fast rounds carry them.

A round costs a fixed part (asking every object what changed, looking around) and a part for each row. While
it runs, changes arrive; the next round carries them. So the lag after a round is that round's length, and
rounds get shorter as long as a row takes less time to carry than passes until the next one arrives. Where
that isn't so, or where the fixed part alone is longer than the bound, they never get short enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

LOOKED_AT = 8  # rounds
MOST = 200  # rounds that are foreseen; what takes longer is called never


@dataclass(frozen=True)
class Past:
    """One round: rows that it carried, its seconds, and those from the former one's beginning to its own."""

    rows: int
    seconds: float
    since_former: float | None


@dataclass(frozen=True)
class Forecast:
    """`at`: when the lag will be under the bound; None: never at this rate (`never`), or not known yet.

    `arriving`, `carrying`: rows a second; None where no round tells. `fixed`: seconds that a round without a
    row takes. `steady`: the lag in seconds at which rounds stay; None where they only get longer.
    """

    at: datetime | None
    never: bool
    words: str
    arriving: float | None = None
    carrying: float | None = None
    fixed: float | None = None
    steady: float | None = None


def forecast(past: Sequence[Past], bound: float, now: datetime) -> Forecast:
    """Foresee from the last rounds, oldest first.

    Args:
        bound: seconds of lag that the plan allows.
    """
    if not past:
        return Forecast(None, False, "No round has ended yet, so nothing can be foreseen.")
    recent = past[-LOOKED_AT:]
    fixed, each = _cost(recent)
    arriving = _arriving(recent)
    carrying = 1 / each if each else None
    last = recent[-1].seconds
    known = {"arriving": arriving, "carrying": carrying, "fixed": fixed}
    share = (arriving or 0.0) * each
    steady = fixed / (1 - share) if share < 1 else None
    if last <= bound:
        return Forecast(now, False, "The lag is under the bound now.", steady=steady, **known)
    if arriving is None:
        return Forecast(None, False, "One more round tells how fast changes arrive.", **known)
    if steady is None:
        return Forecast(
            None, True,
            f"Never at this rate: {arriving:.2f} changes a second arrive, {1 / each:.2f} are carried.",
            **known,
        )  # fmt: skip
    if steady >= bound:
        return Forecast(
            None, True,
            f"Never at this rate: even with nothing left to catch up, a round takes {steady:.0f} s, and the "
            f"bound is {bound:.0f} s.", steady=steady, **known,
        )  # fmt: skip
    seconds, length = 0.0, last
    for _ in range(MOST):
        length = fixed + each * arriving * length
        seconds += length
        if length <= bound:
            at = now + timedelta(seconds=seconds)
            return Forecast(at, False, f"Caught up about {at:%Y-%m-%d %H:%M} UTC.", steady=steady, **known)
    return Forecast(
        None, True, f"Never at this rate: not within {MOST} rounds.", steady=steady, **known
    )  # fmt: skip


def _cost(past: Sequence[Past]) -> tuple[float, float]:
    """Seconds of a round without rows, and seconds for each row: the line through what rounds took."""
    if len({each.rows for each in past}) < 2:
        # Rounds that are all alike tell no line: of empty ones all is fixed, of full ones all is the rows'.
        seconds, rows = median(each.seconds for each in past), past[-1].rows
        return (seconds, 0.0) if not rows else (0.0, seconds / rows)
    rows_mean = sum(each.rows for each in past) / len(past)
    seconds_mean = sum(each.seconds for each in past) / len(past)
    spread = sum((each.rows - rows_mean) ** 2 for each in past)
    slope = sum((each.rows - rows_mean) * (each.seconds - seconds_mean) for each in past) / spread
    if slope <= 0:
        return seconds_mean, 0.0
    fixed = seconds_mean - slope * rows_mean
    # A line that would begin below nothing is too steep: then the rows bear all of it.
    return (fixed, slope) if fixed >= 0 else (0.0, seconds_mean / rows_mean)


def _arriving(past: Sequence[Past]) -> float | None:
    told = [each for each in past if each.since_former]
    seconds = sum(each.since_former or 0.0 for each in told)
    return sum(each.rows for each in told) / seconds if seconds else None
