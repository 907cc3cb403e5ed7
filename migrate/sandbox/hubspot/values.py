"""Which text does HubSpot hold for a value that it is sent?

`canonical` is the one place where a written value becomes the stored one: stored values are text or
absent, and `canonical(canonical(x)) == canonical(x)`. Numbers lose grouping-free noise (`15.50` is held
as `15.5`), dates are days, instants are ISO-8601 with milliseconds and `Z`, e-mail addresses and company
domains are trimmed and lower-cased, empty text clears.

Rules: HubSpot, "Properties API guide" and the FAQ "How should timestamps be formatted", read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

TEXT_LIMIT: Final = 65_536
DAY_MS: Final = 86_400_000
FAR_MS: Final = 253_402_300_799_999  # the last millisecond of year 9999
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]+@[^@\s,;<>()\[\]\"]+\.[^@\s,;<>()\[\]\".]{2,}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"-?\d{1,15}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class BadValue(Exception):
    """A value that the property doesn't take; `code` is HubSpot's word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def iso(moment: datetime) -> str:
    """UTC text with milliseconds, as HubSpot writes instants."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant(text: str) -> datetime:
    """Instant of ISO-8601 text or epoch milliseconds.

    Raises:
        ValueError: it is neither. Text without an offset is taken as UTC.
    """
    if _INTEGER.fullmatch(text):
        if not -FAR_MS <= int(text) <= FAR_MS:
            raise ValueError(text)
        return EPOCH + timedelta(milliseconds=int(text))
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def number(text: str) -> str:
    """Plain decimal text without superfluous zeros.

    Raises:
        BadValue: not a number; thousands separators aren't taken.
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise BadValue("INVALID_DOUBLE", f"{text} was not a valid number. Enter a number.")
    try:
        value = Decimal(stripped)
    except InvalidOperation as trouble:
        raise BadValue("INVALID_DOUBLE", f"{text} was not a valid number. Enter a number.") from trouble
    if value == 0:
        return "0"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def text_of(raw: Any) -> str | None:
    """JSON scalars as the text that HubSpot makes of them; `None` for null.

    Raises:
        BadValue: a list or an object.
    """
    if raw is None:
        return None
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int):
        return str(raw)
    if isinstance(raw, float):
        return number(repr(raw))
    raise BadValue("INVALID_JSON", "Cannot deserialize value of type `java.lang.String` from a structure")


def _day(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        moment = instant(text)
    except (ValueError, OverflowError) as trouble:
        raise BadValue("INVALID_DATE", f"{text} was not a valid date.") from trouble
    if moment.timetuple()[3:6] != (0, 0, 0) or moment.microsecond:
        raise BadValue("INVALID_DATE", f"{text} is at {moment:%H:%M:%S.%f} UTC, not midnight!")
    return moment.date().isoformat()


def _moment(text: str) -> str:
    try:
        return iso(instant(text))
    except (ValueError, OverflowError) as trouble:
        raise BadValue("INVALID_DATE", f"{text} was not a valid date-time.") from trouble


def _options(definition: Mapping[str, Any], text: str, held: str | None, allowed: set[str]) -> str:
    def check(value: str) -> None:
        if value not in allowed:
            label = definition["label"]
            listed = ", ".join(sorted(allowed)[:30])
            raise BadValue(
                "INVALID_OPTION", f"{value} was not one of the allowed options for {label}: [{listed}]"
            )

    if definition["fieldType"] != "checkbox":
        check(text)
        return text
    chosen = text.split(";")
    if text.startswith(";") and held:  # a leading separator appends to what is there
        chosen = held.split(";") + chosen
    values = list(dict.fromkeys(value for value in chosen if value))
    for value in values:
        check(value)
    return ";".join(values)


def canonical(
    definition: Mapping[str, Any],
    raw: Any,
    *,
    held: str | None = None,
    allowed: set[str] | None = None,
    owner: Callable[[str], bool] = lambda _: True,
) -> str | None:
    """Stored form of a written value; `None` clears the property.

    Args:
        definition: HubSpot's property object (`name`, `type`, `fieldType`, ...).
        held: the value now stored, for appending to multi-checkbox properties.
        allowed: option values of an enumeration; `None` where options live elsewhere.
        owner: whether an owner id exists.

    Raises:
        BadValue: with HubSpot's error code.
    """
    text = text_of(raw)
    if text is None or text == "":
        return None
    kind, name = definition["type"], definition["name"]
    if kind == "number":
        return number(text)
    if kind == "bool":
        lowered = text.strip().lower()
        if lowered not in ("true", "false"):
            raise BadValue("INVALID_OPTION", f"{text} was not one of the allowed options: [true, false]")
        return lowered
    if kind == "date":
        return _day(text)
    if kind == "datetime":
        return _moment(text)
    if kind == "enumeration":
        if definition.get("referencedObjectType") == "OWNER":
            if not owner(text):
                raise BadValue("INVALID_OWNER_ID", f"The owner with id {text} does not exist.")
            return text
        return text if allowed is None else _options(definition, text, held, allowed)
    if name == "email" or name == "hs_additional_emails":
        parts = (
            [part.strip().lower() for part in text.split(";")] if name != "email" else [text.strip().lower()]
        )
        for part in parts:
            if not _EMAIL.fullmatch(part):
                raise BadValue("INVALID_EMAIL", f"Email address {part} is invalid")
        return ";".join(parts)
    if name == "domain":
        return text.strip().lower() or None
    if len(text) > TEXT_LIMIT:
        raise BadValue("VALUE_TOO_LONG", f"The value has {len(text)} characters, more than {TEXT_LIMIT}.")
    return text
