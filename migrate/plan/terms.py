"""What do the plan's words for time mean?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_WINDOW = re.compile(r"^\s*(\d{1,4})\s+(hour|day|week|working day)s?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Window:
    """A span of time, in hours, days, weeks or working days (Monday to Friday in the calendar's zone)."""

    amount: int
    unit: str

    def end(self, start: datetime, zone: str = "UTC") -> datetime:
        """The instant at which a window that opens at `start` (aware) is over, as an aware instant."""
        if self.unit != "working day":
            return start + self.amount * timedelta(**{self.unit + "s": 1})
        there = start.astimezone(ZoneInfo(zone))
        left = self.amount
        while left:
            there += timedelta(days=1)  # wall-clock days: the hour stays, whatever the offset does
            left -= there.weekday() < 5
        return there.astimezone(start.tzinfo)


def parse_window(text: str) -> Window:
    """Read `10 working days`, `48 hours`, `2 weeks`.

    Raises:
        ValueError: it is none of these.
    """
    found = _WINDOW.match(text)
    if not found or int(found[1]) == 0:
        raise ValueError(f"`{text}` isn't a span of time")
    return Window(int(found[1]), " ".join(found[2].lower().split()))
