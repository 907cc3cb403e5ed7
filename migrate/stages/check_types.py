"""May a value of this DuckDB type go into that target field?

Nothing is converted in silence: a float never becomes money, a naive timestamp never an instant, a
date never an instant or back, a text never a number. What the author means is written as a cast.
"""

from __future__ import annotations

import re

from migrate.catalog import Field
from migrate.types import Kind

INSTANT = "TIMESTAMP WITH TIME ZONE"
NULL = '"NULL"'

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_DECIMAL = re.compile(r"^DECIMAL\((\d+),(\d+)\)$")
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_TEXT_KINDS = frozenset({Kind.STRING, Kind.TEXT, Kind.PICKLIST, Kind.REFERENCE, Kind.TIME})


def misfit(kind: str, target: Field, written: str, zone: str = "UTC") -> tuple[str, str] | None:
    """Why a value of this type can't go into the field, and how to say what is meant; None if it fits.

    Args:
        kind: DuckDB's type of the expression.
        written: the expression as the plan has it, for the remedy.
        zone: the plan's zone, for the remedy.
    """
    if kind == NULL:
        return None
    what = f"`{written}` gives {_name(kind)}, but `{target.name}` takes {_wanted(target)}."
    decimal = _DECIMAL.match(kind)
    if target.kind in _TEXT_KINDS:
        return None if kind == "VARCHAR" else (what, _to_text(kind, written))
    if target.kind in (Kind.DECIMAL, Kind.MONEY):
        if kind in _INTEGERS:
            return None
        digits = f"DECIMAL(18,{2 if target.scale is None else target.scale})"
        if decimal:
            behind = int(decimal[2])
            most = 10 if target.scale is None else target.scale
            if behind <= most:
                return None
            return (
                f"`{written}` has {behind} digits behind the point; `{target.name}` keeps {most}.",
                f"Say how to round: `CAST(round({written}, {most}) AS DECIMAL(18,{most}))`.",
            )
        return what, _to_number(kind, written, digits)
    if target.kind == Kind.INT:
        if kind in _INTEGERS or (decimal and int(decimal[2]) == 0 and int(decimal[1]) <= 18):
            return None
        if decimal or kind in _FLOATS:
            return what, f"Say how to round: `CAST(round({written}) AS BIGINT)`."
        return what, _to_number(kind, written, "BIGINT")
    simple = {
        Kind.BOOL: ("BOOLEAN", _to_bool(written)),
        Kind.DATE: ("DATE", _to_date(kind, written, zone)),
        Kind.TIMESTAMP: (INSTANT, _to_instant(kind, written, zone)),
        Kind.MULTIPICKLIST: (
            "VARCHAR[]",
            f"Make a list of it: `string_split({written}, ';')` or `[{written}]`.",
        ),
        Kind.BINARY: ("VARCHAR", "Only a field that holds a file can go into it."),
    }
    right, remedy = simple[target.kind]
    return None if kind == right else (what, remedy)


def _name(kind: str) -> str:
    return "TIMESTAMP without a zone" if kind == "TIMESTAMP" else kind


def _wanted(target: Field) -> str:
    return {
        Kind.STRING: "text",
        Kind.TEXT: "text",
        Kind.PICKLIST: "one of its picklist's values",
        Kind.REFERENCE: "a reference",
        Kind.TIME: "a time of day as text",
        Kind.DECIMAL: "an exact decimal",
        Kind.MONEY: "money, an exact decimal",
        Kind.INT: "a whole number",
        Kind.BOOL: "true or false",
        Kind.DATE: "a date",
        Kind.TIMESTAMP: "an instant (a timestamp with a zone)",
        Kind.MULTIPICKLIST: "a list of its picklist's values",
        Kind.BINARY: "a file",
    }[target.kind]


def _to_text(kind: str, written: str) -> str:
    if kind in ("DATE", "TIMESTAMP", INSTANT):
        return f"Say in which form: `strftime({written}, '%Y-%m-%d')`."
    if kind.endswith("[]"):
        return f"Join it: `array_to_string({written}, ';')`."
    return f"Cast it if text is what you want: `CAST({written} AS VARCHAR)`."


def _to_number(kind: str, written: str, wanted: str) -> str:
    if kind in _FLOATS and wanted.startswith("DECIMAL"):
        return f"Say how many digits to keep: `CAST({written} AS {wanted})`."
    if kind == "VARCHAR":
        return f"Cast it: `CAST({written} AS {wanted})`; a text that is no number makes its record a reject."
    return f"Cast it if a number is what you want: `CAST({written} AS {wanted})`."


def _to_bool(written: str) -> str:
    return f"Write a condition: `{written} = …`."


def _to_date(kind: str, written: str, zone: str) -> str:
    if kind == INSTANT:
        return f"Say whose day it is: `CAST({written} AT TIME ZONE '{zone}' AS DATE)`."
    if kind == "TIMESTAMP":
        return f"Drop the time: `CAST({written} AS DATE)`."
    if kind == "VARCHAR":
        return f"Say in which form it is: `CAST(strptime({written}, '%Y-%m-%d') AS DATE)`."
    return "Only a date can go into it."


def _to_instant(kind: str, written: str, zone: str) -> str:
    if kind == "TIMESTAMP":
        return f"Say whose time it is: `{written} AT TIME ZONE '{zone}'`."
    if kind == "DATE":
        return f"Say which instant of the day: `CAST({written} AS TIMESTAMP) AT TIME ZONE '{zone}'`."
    if kind == "VARCHAR":
        return f"Say in which form it is: `strptime({written}, '%Y-%m-%d %H:%M:%S') AT TIME ZONE '{zone}'`."
    return "Only an instant can go into it."
