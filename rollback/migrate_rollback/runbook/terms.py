"""How does the page say times, spans and numbers?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from migrate.clock import parse_stamp


@dataclass(frozen=True)
class Times:
    """Moments as people in the plan's zone read them."""

    zone: str

    def moment(self, at: str | datetime | None) -> str:
        """`14 Mar 2026, 21:00 UTC (22:00 in Europe/Berlin)`; the zone stands where it differs."""
        told, there = self.both(at)
        return f"{told} ({there})" if there else told

    def both(self, at: str | datetime | None) -> tuple[str, str]:
        """In UTC, and in the plan's zone: "" where that is the same."""
        if not at:
            return "not known", ""
        exact = parse_stamp(at) if isinstance(at, str) else at
        told, there = f"{exact:%-d %b %Y, %H:%M} UTC", exact.astimezone(ZoneInfo(self.zone))
        if there.utcoffset() == exact.utcoffset():
            return told, ""
        day = "" if there.date() == exact.date() else f"{there:%-d %b} "
        return told, f"{day}{there:%H:%M} in {self.zone}"


def span(seconds: float | None) -> str:
    """A length of time, rounded up: `under a minute`, `about 3 minutes`, `about 9 days`."""
    if seconds is None:
        return "not measured yet"
    if seconds < 60:
        return "under a minute"
    if seconds < 5_400:
        minutes = math.ceil(seconds / 60)
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    if seconds < 2 * 86_400:
        return f"about {math.ceil(seconds / 360) / 10:g} hours"
    return f"about {math.ceil(seconds / 86_400)} days"


def many(count: int | None, noun: str) -> str:
    """`1 record`, `2,000 records`."""
    return "not known" if count is None else f"{count:,} {noun}{'' if count == 1 else 's'}"
