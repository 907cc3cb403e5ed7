r"""What happened to this value? Told from what should be there, what is there, and the field's kind.

The first of these that fits, so that a value is in one class:

- nothing is there, or nothing should be;
- a reference: its link is lost, or it hangs under another record;
- an owner, a currency, an option: another one; an option that the target's list doesn't have is *unmapped*;
- an instant: a day off, or off by whole hours (and a half or three quarters, as zones are), or the same cut
  to a coarser unit; a date: a day off;
- a number: money off by its smallest unit is another amount, never a rounding; else the same rounded, or gone
  through a float;
- a text: other blanks; other case; cut at its end; wrongly decoded; taken for a number (leading zeros).

Whatever fits none is *changed*. All in SQL over the texts of `migrate.diff`, so that no row passes Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from migrate.engine import text
from migrate.types import NUMERIC, TEXTUAL, Kind
from migrate_validators.classes import Class

if TYPE_CHECKING:
    from migrate.catalog import Field

FURTHEST = 28  # hours between two zones, there and back again
_ISO = re.compile(r"[A-Z]{3}")
# Blanks of every kind: also those of no width, and the one that doesn't break.
_BLANKS = (
    r"[\s\x{85}\x{A0}\x{1680}\x{180E}\x{2000}-\x{200D}\x{2028}\x{2029}\x{202F}\x{205F}\x{2060}"
    r"\x{3000}\x{FEFF}]+"
)
# UTF-8 read as Latin-1 or Windows-1252: a lead byte as a sign, then a byte that only ever follows one.
_MOJIBAKE = r"[\x{C2}-\x{F4}][\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_ENTITY = r"&(#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);"
_FOREIGN, _ASCII = r"[^\x00-\x7F]", r"[\x00-\x7F]"
_ASTRAL = r"[\x{10000}-\x{10FFFF}]"  # emoji among them: four bytes each, which some stores can't hold
_ESCAPE = r"\\u[0-9a-fA-F]{4}"
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def class_sql(fields: Mapping[str, Field], leading: Iterable[str], field: str, old: str, new: str) -> str:
    """SQL of the class of a value that differs.

    Args:
        fields: those of the target object. `leading`: names of those that lead to other records.
        field: SQL of the field's name. `old`, `new`: SQL of the texts that should be and that are there;
            null is empty.
    """
    leads = {*leading} & {*fields}
    groups: dict[Callable[[str, str], str], list[str]] = {}
    cases = []
    for name, one in fields.items():
        if name in leads:
            groups.setdefault(_reference, []).append(name)
        elif one.owner:
            groups.setdefault(_owner, []).append(name)
        elif is_currency(one):
            groups.setdefault(_currency, []).append(name)
        elif one.options and one.kind is not Kind.BOOL:
            cases.append((text(name), _option(one, old, new)))
        elif one.kind is Kind.TIMESTAMP:
            groups.setdefault(_instant, []).append(name)
        elif one.kind is Kind.DATE:
            groups.setdefault(_date, []).append(name)
        elif one.kind is Kind.MONEY:
            groups.setdefault(_money, []).append(name)
        elif one.kind in NUMERIC:
            groups.setdefault(_number, []).append(name)
        elif one.kind in TEXTUAL:
            groups.setdefault(_text, []).append(name)
    whens = [f"WHEN {field} = {name} THEN {of}" for name, of in cases]
    whens += [
        f"WHEN {field} IN ({', '.join(map(text, names))}) THEN {of(old, new)}" for of, names in groups.items()
    ]
    listed = ", ".join(map(text, sorted(leads))) or "''"
    return f"""CASE WHEN {new} IS NULL
            THEN CASE WHEN {field} IN ({listed}) THEN '{Class.LINK_LOST}' ELSE '{Class.EMPTIED}' END
        WHEN {old} IS NULL
            THEN CASE WHEN {field} IN ({listed}) THEN '{Class.LINK_EXTRA}' ELSE '{Class.FILLED}' END
        {" ".join(whens)} ELSE '{Class.CHANGED}' END"""


def is_currency(field: Field) -> bool:
    """Whether a field says in which currency its record's money is: its name does, its options are codes."""
    codes = all(_ISO.fullmatch(option.value) for option in field.options)
    return "currency" in field.name.lower() and codes


def _owner(_old: str, _new: str) -> str:
    return f"'{Class.OWNER}'"


def _currency(_old: str, _new: str) -> str:
    return f"'{Class.CURRENCY}'"


def _cases(*cases: tuple[str, Class]) -> str:
    whens = " ".join(f"WHEN {condition} THEN '{kind}'" for condition, kind in cases)
    return f"CASE {whens} ELSE '{Class.CHANGED}' END"


def _reference(old: str, new: str) -> str:
    """Of a field that lists several records, one may be gone while the others stay."""
    less = f"coalesce(list_has_all(TRY_CAST({old} AS VARCHAR[]), TRY_CAST({new} AS VARCHAR[])), false)"
    more = f"coalesce(list_has_all(TRY_CAST({new} AS VARCHAR[]), TRY_CAST({old} AS VARCHAR[])), false)"
    return (
        f"CASE WHEN {less} THEN '{Class.LINK_LOST}' WHEN {more} THEN '{Class.LINK_EXTRA}' "
        f"ELSE '{Class.PARENT}' END"
    )


def _option(field: Field, old: str, new: str) -> str:
    listed = ", ".join(text(option.value) for option in field.options)
    held = f"{new} IN ({listed})"
    if field.kind is Kind.MULTIPICKLIST:
        held = f"list_has_all([{listed}], coalesce(TRY_CAST({new} AS VARCHAR[]), [{new}]))"
    # Of a value that no list knows, one can still say what was done to it.
    other = f"nullif({_text(old, new)}, '{Class.CHANGED}')"
    return f"CASE WHEN {held} THEN '{Class.OPTION}' ELSE coalesce({other}, '{Class.UNMAPPED}') END"


def _instant(old: str, new: str) -> str:
    first, then = (f"TRY_CAST({one} AS TIMESTAMPTZ)" for one in (old, new))
    away = f"abs(epoch_ms({then}) - epoch_ms({first}))"
    minutes = f"{away} // 60000"
    # A meeting that somebody moved by half an hour is no zone; zones are hours apart.
    zones = (
        f"{away} % 60000 = 0 AND {minutes} BETWEEN 60 AND {FURTHEST * 60} AND {minutes} % 60 IN (0, 30, 45)"
    )
    units = " OR ".join(
        f"{then} = date_trunc('{unit}', {first})" for unit in ("second", "minute", "hour", "day")
    )
    return _cases(
        (f"{away} = 86400000", Class.DAY),
        (zones, Class.HOURS),
        (units, Class.PRECISION),
    )


def _date(old: str, new: str) -> str:
    away = f"abs(TRY_CAST(left({new}, 10) AS DATE) - TRY_CAST(left({old}, 10) AS DATE))"
    return _cases((f"{away} = 1", Class.DAY))


def _decimal(value: str) -> str:
    return f"TRY_CAST({value} AS DECIMAL(38, 10))"


def _rounded(old: str, new: str) -> str:
    """The found number is the expected one with fewer digits, or what a float makes of it."""
    first, then = _decimal(old), _decimal(new)
    digits = tuple(f"length(rtrim(split_part({one}, '.', 2), '0'))" for one in (old, new))
    away, unit = f"abs({then} - {first})", f"power(10, -{digits[1]})"
    near = f"{away} <= {unit} / 2 OR ({away} < {unit} AND abs({then}) < abs({first}))"
    fewer = f"{digits[1]} < {digits[0]} AND ({near})"
    floats = " OR ".join(f"{then} = TRY_CAST(TRY_CAST({first} AS {kind}) AS DECIMAL(38, 10))"
                         for kind in ("DOUBLE", "FLOAT"))  # fmt: skip
    return f"({fewer}) OR {floats}"


def _money(old: str, new: str) -> str:
    unit = f"abs({_decimal(new)} - {_decimal(old)}) = 0.01"
    return f"""CASE WHEN {unit} THEN '{Class.AMOUNT}' WHEN {_rounded(old, new)} THEN '{Class.PRECISION}'
        ELSE '{Class.AMOUNT}' END"""


def _number(old: str, new: str) -> str:
    return _cases((_rounded(old, new), Class.PRECISION))


def _without(value: str, pattern: str) -> str:
    return f"regexp_replace({value}, {text(pattern)}, '', 'g')"


def _text(old: str, new: str) -> str:
    bare = tuple(_without(one, _BLANKS) for one in (old, new))
    return _cases(
        (f"{bare[0]} = {bare[1]}", Class.SPACE),
        (f"lower({bare[0]}) = lower({bare[1]})", Class.CASE),
        (_cut(old, new), Class.TRUNCATED),
        (_damaged(old, new), Class.ENCODING),
        (_as_number(old, new), Class.NUMBER),
    )


def _cut(old: str, new: str) -> str:
    """What is there is the beginning of what should be; dots, or half a sign, may stand at the cut."""
    kept = f"regexp_replace({new}, '[\\s.…{_REPLACED}]+$', '')"
    return f"length({new}) < length({old}) AND {kept} <> '' AND starts_with({old}, {kept})"


def _damaged(old: str, new: str) -> str:
    """A wrong encoding leaves ASCII alone; what it makes of other signs is told by its traces."""
    plain = tuple(_without(one, rf"{_FOREIGN}|\?") for one in (old, new))
    signs = tuple(f"length({_without(one, _ASCII)})" for one in (old, new))
    asked = tuple(f"(length({one}) - length(replace({one}, '?', '')))" for one in (old, new))
    alike, same = f"starts_with({plain[0]}, {plain[1]})", f"{plain[0]} = {plain[1]}"
    bare = tuple(
        _without(_without(one, f"{_ENTITY}|{_ESCAPE}"), f"{_FOREIGN}|[&<>\"']") for one in (old, new)
    )
    marks = tuple(f"len(regexp_extract_all({one}, {text(f'{_ENTITY}|{_ESCAPE}')}))" for one in (old, new))
    misread = tuple(f"regexp_matches({one}, {text(_MOJIBAKE)})" for one in (old, new))
    traces = (
        f"contains({new}, '{_REPLACED}') AND NOT contains({old}, '{_REPLACED}') AND {alike}",
        f"{misread[1]} AND NOT {misread[0]} AND {alike}",
        f"{misread[1]} AND {signs[1]} >= 2 * {signs[0]} AND {same}",  # of what was misread before
        f"{same} AND {signs[1]} < {signs[0]} AND ({asked[1]} > {asked[0]} OR {signs[1]} = 0)",
        f"{_without(old, _ASTRAL)} = {new}",
        f"nfc_normalize({old}) = nfc_normalize({new})",
        f"{signs[1]} < {signs[0]} AND strip_accents({old}) = strip_accents({new})",
        f"{marks[1]} > {marks[0]} AND {bare[0]} = {bare[1]}",
        f"contains({new}, '%') AND TRY(url_decode({new})) = {old}",
    )
    return " OR ".join(f"({one})" for one in traces)


def _as_number(old: str, new: str) -> str:
    """As spreadsheets do: leading zeros are gone, a long one is in powers of ten, a point has come."""
    short = f"regexp_matches({old}, '^0[0-9]*$') AND {new} = coalesce(nullif(ltrim({old}, '0'), ''), '0')"
    first = f"TRY_CAST(ltrim(replace({old}, ' ', ''), '+') AS DOUBLE)"
    then = f"TRY_CAST(replace({new}, ',', '.') AS DOUBLE)"
    long = f"""regexp_matches({old}, '^[+]?[0-9][0-9 ]*$')
        AND regexp_matches({new}, '^[0-9.,]+([eE][+]?[0-9]+)?$')
        AND coalesce(abs({then} - {first}) <= 0.0001 * abs({then}), false)"""
    return f"({short}) OR ({long})"
