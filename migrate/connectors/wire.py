"""How do Arrow values become text for a vendor whose wire speaks text? The form that most of them share.

Numbers are decimal text without trailing zeros, `true`/`false`, dates `YYYY-MM-DD`, instants ISO-8601
in UTC with milliseconds, several options joined by `;`. One value has one text, so that equal values
are equal texts whichever way they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc


def encode(batch: pa.RecordBatch) -> list[dict[str, str | None]]:
    """Rows of wire values; columns whose names start with `_` are ours and left out."""
    names = [name for name in batch.schema.names if not name.startswith("_")]
    columns = [encode_column(batch.column(name)) for name in names]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def encode_column(column: pa.Array) -> list[str | None]:
    """One column's wire values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return encode_column(column.dictionary_decode())
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "true", "false")
    elif pa.types.is_decimal(kind):
        return _decimals(column)
    elif pa.types.is_floating(kind):
        return [None if value is None else decimal_text(Decimal(repr(value))) for value in column.to_pylist()]
    elif pa.types.is_timestamp(kind):
        column = pc.strftime(column.cast(pa.timestamp("ms"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [None if value is None else join_options(value) for value in column.to_pylist()]
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        column = column.cast(pa.string())
    values: list[str | None] = column.to_pylist()
    return values


def _decimals(column: pa.Array) -> list[str | None]:
    if column.type.scale <= 0:
        return [None if value is None else decimal_text(value) for value in column.to_pylist()]
    zero = pa.scalar(Decimal(0), type=column.type)
    text = pc.if_else(pc.equal(column, zero), pa.scalar("0.0"), column.cast(pa.string()))
    if pc.any(pc.match_substring(text, "E")).as_py():  # Arrow writes very small ones scientifically
        return [None if value is None else decimal_text(value) for value in column.to_pylist()]
    values: list[str | None] = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".").to_pylist()
    return values


def decimal_text(value: Decimal) -> str:
    """Decimal text without exponent, trailing zeros or a negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def instant_text(value: datetime) -> str:
    value = value.astimezone(UTC)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def join_options(values: Sequence[str | None]) -> str:
    return ";".join(sorted({value for value in values if value}))
