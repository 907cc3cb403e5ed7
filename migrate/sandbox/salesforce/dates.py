"""Which days does a date literal mean, and which part of a date does a function take?

Everything in UTC, weeks from Sunday (Salesforce, SOQL and SOSL Reference "Date Formats
and Date Literals", "Date Functions", read 2026-11-23).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.sandbox.salesforce.errors import malformed
from migrate.sandbox.salesforce.records import Record

Getter = Callable[[Record], Any]
_DATED = re.compile(r"\d{4}-\d\d-\d\d")


def date_part(name: str, get: Getter) -> Getter:
    """`CALENDAR_YEAR(x)` and the like, in UTC."""

    def part(record: Record) -> Any:
        value = get(record)
        if value is None:
            return None
        if not _DATED.match(str(value)):
            raise malformed(f"function {name} needs a date or dateTime field")
        year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
        match name:
            case "CALENDAR_YEAR":
                return year
            case "CALENDAR_MONTH":
                return month
            case "CALENDAR_QUARTER":
                return (month + 2) // 3
            case "DAY_IN_MONTH":
                return day
            case "HOUR_IN_DAY":
                return int(value[11:13] or 0)
        return value[:10]

    return part


def date_word(word: str, now: datetime) -> tuple[datetime, datetime]:
    """The half-open span of a date literal such as `LAST_N_DAYS:7`.

    Raises:
        Refusal: there is no such literal here.
    """
    name, _, count = word.partition(":")
    if len(count) > 5:
        raise malformed(f"unexpected date literal: '{word}'")
    n = int(count or 0)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    month = today.replace(day=1)
    match name:
        case "TODAY":
            return today, today + day
        case "YESTERDAY":
            return today - day, today
        case "TOMORROW":
            return today + day, today + 2 * day
        case "LAST_N_DAYS":
            return today - n * day, today + day
        case "NEXT_N_DAYS":
            return today + day, today + (n + 1) * day
        case "N_DAYS_AGO":
            return today - n * day, today - (n - 1) * day
        case "LAST_WEEK" | "THIS_WEEK":
            sunday = today - ((today.weekday() + 1) % 7) * day
            return (sunday, sunday + 7 * day) if name == "THIS_WEEK" else (sunday - 7 * day, sunday)
        case "THIS_MONTH":
            return month, (month + 32 * day).replace(day=1)
        case "LAST_MONTH":
            return (month - day).replace(day=1), month
        case "THIS_YEAR":
            return month.replace(month=1), month.replace(month=1, year=month.year + 1)
        case "LAST_YEAR":
            return month.replace(month=1, year=month.year - 1), month.replace(month=1)
    raise malformed(f"unexpected date literal: '{word}'")
