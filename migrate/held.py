"""What does a vendor make of a value that we send? Declared rules, in Python and in SQL alike.

A connector lists rule names on a catalog field (`Field.held`), in the order in which the vendor
applies them. The load uses the Python form to tell "as we sent it" from "changed at landing";
the row check uses the SQL form. Both are tested against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from migrate.types import BlobRef


def _lower(character: str) -> str:
    """Letter by letter, as DuckDB does it; `str.lower` knows final sigmas and makes two of one `İ`."""
    return character.lower()[:1]


def _by_md5(value: str) -> str:
    """A staged file as a vendor tells of it that knows size and MD5."""
    ref = BlobRef.parse(value)
    return f"md5:{ref.md5}:{ref.bytes}" if ref else value


def _by_size(value: str) -> str:
    """A staged file as a vendor tells of it that knows its size alone."""
    ref = BlobRef.parse(value)
    return f"bytes:{ref.bytes}" if ref else value


_SPACES = (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
_TRIMMED = "".join(map(chr, _SPACES))
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]+")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}$")
LONGEST_NAME = 255  # characters


def _file_name(value: str) -> str:
    """A file's name without separators and control characters, that keeps its ending when it is cut."""
    name = _UNSAFE.sub("_", value).strip(_TRIMMED)
    ending = found[0] if (found := _ENDING.search(name)) else ""
    name = name[: len(name) - len(ending)][: LONGEST_NAME - len(ending)].strip(_TRIMMED) + ending
    return "_" if name in ("", ".", "..") else name


def _file_name_sql() -> str:
    """The same; a list of one and a lambda give each step's value a name."""
    spaces = " || ".join(f"chr({code})" for code in _SPACES)

    def step(given: str, made: str) -> str:
        return f"list_transform([{given}], lambda n: {made})[1]"

    name = step("{0}", rf"trim(regexp_replace(n, '[/\\\x00-\x1f\x7f]+', '_', 'g'), {spaces})")
    ending = r"regexp_extract(n, '\.[A-Za-z0-9]{{1,10}}$')"
    stem = f"left(left(n, length(n) - length({ending})), {LONGEST_NAME} - length({ending}))"
    cut = step(name, f"trim({stem}, {spaces}) || {ending}")
    return step(cut, "CASE WHEN n IN ('', '.', '..') THEN '_' ELSE n END")


_STAGED = "regexp_full_match({0}, 'sha256:[0-9a-f]{{64}}:(0|[1-9][0-9]{{0,17}}):[0-9a-f]{{32}}')"

_BLANKS = "".join(map(chr, range(1, 33)))  # what Java's `String.trim` takes for blank, but for NUL
_FRACTION = re.compile(r"\.[0-9][0-9][0-9]Z\Z")

ON_NULL = frozenset({"null_is_false"})  # rules that say something of no value at all

RULES: dict[str, tuple[Callable[[Any], str | None], str]] = {
    # name: (Python on a wire value, DuckDB expression over {0})
    "trim": (lambda value: value.strip(" \t\r\n"), "trim({0}, ' ' || chr(9) || chr(10) || chr(13))"),
    "trim_blanks": (
        lambda value: value.strip(_BLANKS),
        r"regexp_replace({0}, '^[\x01-\x20]+|[\x01-\x20]+$', '', 'g')",
    ),
    "trim_end": (
        lambda value: value.rstrip(_BLANKS),
        r"regexp_replace({0}, '[\x01-\x20]+$', '')",
    ),
    "seconds": (  # an instant of the wire loses its milliseconds
        lambda value: _FRACTION.sub(".000Z", value),
        r"regexp_replace({0}, '\.[0-9][0-9][0-9]Z$', '.000Z')",
    ),
    "null_is_false": (lambda value: "false" if value is None else value, "coalesce({0}, 'false')"),
    "lower": (lambda value: "".join(map(_lower, value)), "lower({0})"),
    "empty_is_null": (lambda value: value or None, "nullif({0}, '')"),
    "file_md5": (
        _by_md5,
        f"CASE WHEN {_STAGED} THEN 'md5:' || split_part({{0}}, ':', 4) || ':' || split_part({{0}}, ':', 3) "
        "ELSE {0} END",
    ),
    "not_kept": (lambda _: None, "CAST(NULL AS VARCHAR)"),  # nothing of the vendor's holds it
    "file_name": (_file_name, _file_name_sql()),
    "file_size": (
        _by_size,
        f"CASE WHEN {_STAGED} THEN 'bytes:' || split_part({{0}}, ':', 3) ELSE {{0}} END",
    ),
}


def held(rules: Sequence[str], value: str | None) -> str | None:
    """The value as the vendor would hold it."""
    for rule in rules:
        if value is None and rule not in ON_NULL:
            continue
        value = RULES[rule][0](value)
    return value


def held_sql(rules: Sequence[str], expression: str) -> str:
    """A DuckDB expression that does to a text expression what `held` does to a value."""
    for rule in rules:
        expression = RULES[rule][1].format(expression)
    return expression
