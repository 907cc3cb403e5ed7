"""What does a value look like on HubSpot's wire, and what in Arrow?

HubSpot carries every property value as text or null: numbers as decimal text, `true`/`false`, dates
`YYYY-MM-DD`, instants ISO-8601 in UTC with milliseconds, several options joined by `;` (HubSpot,
properties guide, read 2026-11-23). `encode` writes the canonical form and `canonical` brings what comes
back into it, so that equal values are equal texts: no trailing zeros, milliseconds always there,
options of a multi-checkbox sorted (HubSpot documents no order for them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from migrate.catalog import Field
from migrate.connectors.wire import (
    decimal_text,
    encode,
    encode_column,
    instant_text,
    join_options,
)
from migrate.errors import SystemRefused
from migrate.types import NUMERIC, Kind, arrow_type

__all__ = [
    "canonical", "day", "decimal_text", "decode", "decode_column", "encode", "encode_column", "instant",
    "instant_text", "join_options", "number",
]  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = Context(prec=76)


def instant(text: str) -> datetime | None:
    """An instant that HubSpot wrote, as ISO-8601 or as milliseconds since 1970; None if it is neither."""
    try:
        if text.lstrip("-").isdigit():
            return _EPOCH + timedelta(milliseconds=int(text))
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        at = instant(text)
        return at.date() if at else None


def number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def canonical(kind: Kind | None, value: str | None) -> str | None:
    """A value as HubSpot gave it, in the form that `encode` would have sent."""
    if value is None or value == "":
        return None
    if kind in NUMERIC:
        found = number(value)
        return value if found is None else decimal_text(found)
    if kind is Kind.TIMESTAMP:
        at = instant(value)
        return value if at is None else instant_text(at)
    if kind is Kind.DATE:
        on = day(value)
        return value if on is None else on.isoformat()
    if kind is Kind.BOOL:
        return value.lower()
    if kind is Kind.MULTIPICKLIST:
        return join_options(value.split(";"))
    return value


def decode(
    fields: Mapping[str, Field], names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[pa.Array]:
    """Columns in the catalog's Arrow types, from rows of wire values."""
    return [decode_column(fields[name], [row.get(name) for row in rows]) for name in names]


class BadValue(ValueError):
    """A value that its property's type can't hold exactly. `row`: its place in the column."""

    def __init__(self, field: str, value: str, type: str, row: int) -> None:
        self.field, self.value, self.type, self.row = field, value, type, row
        super().__init__(field, value, type, row)

    def refusal(self, system: str, object: str, id: str) -> SystemRefused:
        """The error for people."""
        return SystemRefused(
            system,
            f"{object} {id}: `{self.field}` holds `{self.value}`, which is no {self.type}",
            "Correct the record, or tell the property's digits behind the point in the plan's entry of the "
            f"system: `scales: {{{object}.{self.field}: 15}}`.",
            code="BAD_VALUE",
        )


def decode_column(field: Field, values: Sequence[str | None]) -> pa.Array:
    """One column.

    What HubSpot calculates (floats with many digits, mostly) is rounded to the catalog's digits, and is
    null where it isn't of its type.

    Raises:
        BadValue: a value that people can write isn't of its property's type, or has more digits.
    """
    target = arrow_type(field.kind, field.precision, field.scale)
    texts = [value or None for value in values]
    read = _reader(field.kind, target)
    found = [None if text is None else read(text) for text in texts]
    if field.createable:
        for row, (text, value) in enumerate(zip(texts, found, strict=True)):
            if text is not None and (value is None or not _exact(field.kind, text, value)):
                raise BadValue(field.name, text, str(target), row)
    return pa.array(found, type=target)


def _reader(kind: Kind, target: pa.DataType) -> Callable[[str], Any]:
    match kind:
        case Kind.BOOL:
            return lambda text: {"true": True, "false": False}.get(text.lower())
        case Kind.DECIMAL | Kind.MONEY:
            step, most = Decimal(1).scaleb(-target.scale), Decimal(1).scaleb(target.precision - target.scale)
            return lambda text: _quantized(text, step, most)
        case Kind.INT:
            return lambda text: None if (value := number(text)) is None else int(value)
        case Kind.DATE:
            return day
        case Kind.TIMESTAMP:
            return instant
        case Kind.MULTIPICKLIST:
            return lambda text: sorted({part for part in text.split(";") if part})
    return lambda text: text


def _exact(kind: Kind, text: str, value: Any) -> bool:
    return kind not in NUMERIC or number(text) == value


def _quantized(text: str, step: Decimal, most: Decimal) -> Decimal | None:
    value = number(text)
    if value is None or abs(value) >= most:
        return None
    return value.quantize(step, rounding=ROUND_HALF_EVEN, context=_WIDE)
