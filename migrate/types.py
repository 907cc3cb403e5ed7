"""Which types travel between stages, whatever the vendors call them.

A field has one logical `Kind`; `arrow_type` is how it lies in Parquet. Money is decimal128,
never a float; instants are UTC with microseconds; a date is a date and has no zone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Kind(StrEnum):
    """Logical type of a field."""

    STRING = "string"
    TEXT = "text"  # long text
    BOOL = "bool"
    INT = "int"
    DECIMAL = "decimal"
    MONEY = "money"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    REFERENCE = "reference"
    BINARY = "binary"


NUMERIC = frozenset({Kind.INT, Kind.DECIMAL, Kind.MONEY})
TEXTUAL = frozenset({Kind.STRING, Kind.TEXT, Kind.PICKLIST, Kind.REFERENCE, Kind.TIME})

DEFAULT_PRECISION, DEFAULT_SCALE = 38, 10


def arrow_type(kind: Kind, precision: int | None = None, scale: int | None = None) -> pa.DataType:
    """The Arrow type in which a field of this kind is staged.

    Args:
        precision: decimal digits in all; only for decimals and money (default 38).
        scale: decimal digits behind the point (default 10).
    """
    import pyarrow as pa

    if kind in (Kind.DECIMAL, Kind.MONEY):
        digits = DEFAULT_PRECISION if precision is None else min(max(precision, 1), 38)
        behind = DEFAULT_SCALE if scale is None else scale
        return pa.decimal128(max(digits, behind), behind)
    simple: dict[Kind, pa.DataType] = {
        Kind.TEXT: pa.large_string(),
        Kind.BOOL: pa.bool_(),
        Kind.INT: pa.int64(),
        Kind.DATE: pa.date32(),
        Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
        Kind.MULTIPICKLIST: pa.list_(pa.string()),
        Kind.BINARY: pa.large_binary(),
    }
    return simple.get(kind, pa.string())


def duckdb_type(kind: Kind, precision: int | None = None, scale: int | None = None) -> str:
    """The same type in DuckDB's words."""
    if kind in (Kind.DECIMAL, Kind.MONEY):
        digits = DEFAULT_PRECISION if precision is None else min(max(precision, 1), 38)
        behind = DEFAULT_SCALE if scale is None else scale
        return f"DECIMAL({max(digits, behind)},{behind})"
    return {
        Kind.BOOL: "BOOLEAN",
        Kind.INT: "BIGINT",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMPTZ",
        Kind.MULTIPICKLIST: "VARCHAR[]",
        Kind.BINARY: "BLOB",
    }.get(kind, "VARCHAR")
