"""How is a question put in SOQL? Names are checked, instants are written as SOQL wants them.

Windows are half open, `>= since AND < until`, over the object's modification stamp.
Salesforce, SOQL and SOSL Reference, "Date Formats and Date Literals", read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from migrate.errors import UsageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")


def name(text: str) -> str:
    """An object's or field's API name, or UsageError."""
    if not _NAME.fullmatch(text):
        raise UsageError(f"`{text}` is no API name of a Salesforce object or field.")
    return text


def instant(at: datetime) -> str:
    """UTC with milliseconds, unquoted, as SOQL writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def text(value: str) -> str:
    """A quoted string."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def window(stamp: str | None, since: datetime | None, until: datetime | None) -> list[str]:
    """The conditions of a half-open window over `stamp`; none where neither end is given."""
    conditions = []
    if (since or until) and stamp is None:
        raise UsageError("This object has no modification stamp; it can be read as a whole only.")
    if since is not None:
        conditions.append(f"{stamp} >= {instant(since)}")
    if until is not None:
        conditions.append(f"{stamp} < {instant(until)}")
    return conditions


def select(object: str, fields: Sequence[str], conditions: Sequence[str] = (), tail: str = "") -> str:
    """A whole query; `tail` holds ordering and limit."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    chosen = ", ".join("COUNT()" if field == "COUNT()" else name(field) for field in fields)
    return f"SELECT {chosen} FROM {name(object)}{where}{' ' + tail if tail else ''}"
