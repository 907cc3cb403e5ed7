"""On which days does a recurring task or event take place?

The pattern's fields are those of classic series: daily by interval, weekdays, weekly
by a mask of days (Sunday is 1, Saturday 64), monthly and yearly by day or by the n-th
of some days (Salesforce, Object Reference "Task", "Event": recurrence fields, read
2026-11-26). A pattern makes its occurrences at once; it has no day of its own.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import instant

MOST, LONGEST = 365, timedelta(days=3660)  # occurrences and span: this simulator's own bounds
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_INSTANCES = ("First", "Second", "Third", "Fourth", "Last")
_NEEDS = {
    "RecursDaily": ("RecurrenceInterval",),
    "RecursEveryWeekday": ("RecurrenceDayOfWeekMask",),
    "RecursWeekly": ("RecurrenceInterval", "RecurrenceDayOfWeekMask"),
    "RecursMonthly": ("RecurrenceDayOfMonth", "RecurrenceInterval"),
    "RecursMonthlyNth": ("RecurrenceInterval", "RecurrenceInstance", "RecurrenceDayOfWeekMask"),
    "RecursYearly": ("RecurrenceDayOfMonth", "RecurrenceMonthOfYear"),
    "RecursYearlyNth": ("RecurrenceDayOfWeekMask", "RecurrenceInstance", "RecurrenceMonthOfYear"),
}
_GENERIC = frozenset({"Id", "ActivityDate", "ActivityDateTime", "StartDateTime", "EndDateTime", "EndDate"})


def check(item: SObject, record: Record) -> None:
    """Refuse a pattern that lacks something.

    Raises:
        Refusal: `REQUIRED_FIELD_MISSING`, or `FIELD_INTEGRITY_EXCEPTION`.
    """
    start = "RecurrenceStartDateOnly" if item.name == "Task" else "RecurrenceStartDateTime"
    needed = [
        "RecurrenceType",
        start,
        "RecurrenceEndDateOnly",
        *_NEEDS.get(record.get("RecurrenceType", ""), ()),
    ]
    if item.name == "Event":
        needed.append("DurationInMinutes")
    missing = [name for name in needed if record.get(name) is None]
    if missing:
        raise Refusal(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
        )
    if item.name == "Task" and record.get("ActivityDate"):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", "a recurring task has no due date of its own", ["ActivityDate"]
        )
    if record["RecurrenceEndDateOnly"] < record[start][:10]:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", "the series ends before it starts", ["RecurrenceEndDateOnly"]
        )
    if item.name == "Event":
        begin = datetime.fromisoformat(record[start])
        record["StartDateTime"] = record["ActivityDateTime"] = record[start]
        record["ActivityDate"] = record[start][:10]
        record["EndDateTime"] = instant(begin + timedelta(minutes=int(record["DurationInMinutes"])))
        record["EndDate"] = record["EndDateTime"][:10]


def occurrences(item: SObject, record: Record) -> Iterator[dict[str, Any]]:
    """The kept values of each occurrence, without the pattern's own."""
    shared = {
        name: value
        for name, value in record.items()
        if name not in _GENERIC and not name.startswith("Recurrence") and name != "IsRecurrence"
    }
    start = str(record.get("RecurrenceStartDateTime") or record["RecurrenceStartDateOnly"])
    for day in islice(days(record, date.fromisoformat(start[:10])), MOST):
        given = {**shared, "ActivityDate": day.isoformat()}
        if item.name == "Event":
            begin = datetime.fromisoformat(day.isoformat() + start[10:])
            end = instant(begin + timedelta(minutes=int(record["DurationInMinutes"])))
            given |= {"StartDateTime": instant(begin), "ActivityDateTime": instant(begin)}
            given |= {"EndDateTime": end, "EndDate": end[:10]}
        yield given


def days(record: Record, start: date) -> Iterator[date]:
    """Every day of the series."""
    end = min(date.fromisoformat(record["RecurrenceEndDateOnly"]), start + LONGEST)
    day = start
    while day <= end:
        if _meets(record, start, day):
            yield day
        day += timedelta(days=1)


def _meets(record: Record, start: date, day: date) -> bool:
    interval = max(1, int(record.get("RecurrenceInterval") or 1))
    mask = int(record.get("RecurrenceDayOfWeekMask") or 0)
    masked = bool(mask >> (day.isoweekday() % 7) & 1)
    months = (day.year - start.year) * 12 + day.month - start.month
    in_month = _MONTHS[day.month - 1] == record.get("RecurrenceMonthOfYear")
    match record["RecurrenceType"]:
        case "RecursDaily":
            return (day - start).days % interval == 0
        case "RecursEveryWeekday":
            return day.isoweekday() <= 5
        case "RecursWeekly":
            sunday = start - timedelta(days=start.isoweekday() % 7)
            return masked and (day - sunday).days // 7 % interval == 0
        case "RecursMonthly":
            return day.day == record["RecurrenceDayOfMonth"] and months % interval == 0
        case "RecursMonthlyNth":
            return masked and months % interval == 0 and _nth(record, mask, day)
        case "RecursYearly":
            return in_month and day.day == record["RecurrenceDayOfMonth"]
    return in_month and masked and _nth(record, mask, day)


def _nth(record: Record, mask: int, day: date) -> bool:
    """Is it the n-th, or the last, of the masked days of its month?"""
    month = [day.replace(day=1) + timedelta(days=n) for n in range(31)]
    fitting = [one for one in month if one.month == day.month and mask >> (one.isoweekday() % 7) & 1]
    place = _INSTANCES.index(record["RecurrenceInstance"])
    return day == fitting[-1] if place == 4 else len(fitting) > place and day == fitting[place]
