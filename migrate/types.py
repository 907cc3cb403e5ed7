"""Which types travel between stages, whatever the vendors call them.

A field has one logical `Kind`; `arrow_type` is how it lies in Parquet. Money is decimal128,
never a float; instants are UTC with microseconds; a date is a date and has no zone. A file is a text
that names its bytes: `BlobRef`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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


@dataclass(frozen=True)
class BlobRef:
    """A file's bytes, as a field of `Kind.BINARY` is staged: `sha256:<64 hex digits>:<bytes>:<MD5, 32>`.

    The MD5 is there because it is what vendors tell of a file that they hold; nothing is known by it.
    """

    name: str  # the SHA-256
    bytes: int
    md5: str

    def __str__(self) -> str:
        return f"sha256:{self.name}:{self.bytes}:{self.md5}"

    @classmethod
    def parse(cls, text: str) -> BlobRef | None:
        """The reference that a staged value is; None where it is none."""
        found = _BLOB.fullmatch(text)
        return cls(found[1], int(found[2]), found[3]) if found else None


_BLOB = re.compile(r"sha256:([0-9a-f]{64}):(0|[1-9][0-9]{0,17}):([0-9a-f]{32})")


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
    }.get(kind, "VARCHAR")
