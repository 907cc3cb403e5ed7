"""What does a vendor make of a value that we send? Declared rules, in Python and in SQL alike.

A connector lists rule names on a catalog field (`Field.held`), in the order in which the vendor
applies them. The load uses the Python form to tell "as we sent it" from "changed at landing";
the row check uses the SQL form. Both are tested against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def _lower(character: str) -> str:
    """Letter by letter, as DuckDB does it; `str.lower` knows final sigmas and makes two of one `İ`."""
    return character.lower()[:1]


RULES: dict[str, tuple[Callable[[str], str | None], str]] = {
    # name: (Python on a wire value, DuckDB expression over {0})
    "trim": (lambda value: value.strip(" \t\r\n"), "trim({0}, ' ' || chr(9) || chr(10) || chr(13))"),
    "lower": (lambda value: "".join(map(_lower, value)), "lower({0})"),
    "empty_is_null": (lambda value: value or None, "nullif({0}, '')"),
}


def held(rules: Sequence[str], value: str | None) -> str | None:
    """The value as the vendor would hold it."""
    for rule in rules:
        if value is None:
            return None
        value = RULES[rule][0](value)
    return value


def held_sql(rules: Sequence[str], expression: str) -> str:
    """A DuckDB expression that does to a text expression what `held` does to a value."""
    for rule in rules:
        expression = RULES[rule][1].format(expression)
    return expression
