"""What do words for time mean, those of the plan and those of commands?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
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


_SPAN = re.compile(r"^\s*(\d{1,6})\s+(second|minute|hour|day|week)s?\s*$", re.IGNORECASE)


def parse_span(text: str) -> timedelta:
    """Read `30 seconds`, `5 minutes`, `12 hours`, `14 days`.

    Raises:
        ValueError: it is none of these; carries the remedy as its second argument.
    """
    found = _SPAN.match(text) if isinstance(text, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError(
            f"`{text}` isn't a length of time.", "Write `30 seconds`, `5 minutes`, `12 hours` or `14 days`."
        )
    return timedelta(**{found[2].lower() + "s": int(found[1])})


@dataclass(frozen=True)
class FiscalYear:
    """A business year: its first day, the first day after it, and what it is called."""

    start: date
    end: date
    name: str


def fiscal_year(day: date, first_month: int) -> FiscalYear:
    """The business year that a day is in. One that doesn't begin in January is called `2026/27`."""
    year = day.year if day.month >= first_month else day.year - 1
    name = str(year) if first_month == 1 else f"{year}/{(year + 1) % 100:02d}"
    return FiscalYear(date(year, first_month, 1), date(year + 1, first_month, 1), name)


def fiscal_month_sql(day: str, first_month: int) -> str:
    """SQL of the business month of a day (SQL of a DATE): `2026-02`, or `2026/27 month 01 (2026-02)`."""
    month = f"strftime({day}, '%Y-%m')"
    if first_month == 1:
        return month
    year = f"(year({day}) - CASE WHEN month({day}) < {first_month} THEN 1 ELSE 0 END)"
    number = f"((month({day}) - {first_month} + 12) % 12 + 1)"
    return f"printf('%d/%02d month %02d (%s)', {year}, ({year} + 1) % 100, {number}, {month})"


def instant_of(words: str, zone: str, *, end: bool = False) -> datetime:
    """Read an instant, or a day: its beginning (or its `end`) in a zone. An instant without a zone has none.

    Raises:
        ValueError: it is neither.
    """
    if len(words) != len("2026-03-15"):
        return datetime.fromisoformat(words)
    day = date.fromisoformat(words) + timedelta(days=end)
    return datetime.combine(day, time(), ZoneInfo(zone))
