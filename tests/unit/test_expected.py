"""Is what the row check expects the same as what the load decides? SQL against Python, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from migrate_validators.expected import canonical, survivor

from migrate.catalog import Field
from migrate.engine import Engine, text
from migrate.held import RULES as HELD
from migrate.held import held
from migrate.survivorship import RULES, survive
from migrate.types import Kind


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(threads=1) as made:
        yield made


def literal(value: str | None) -> str:
    return "NULL::VARCHAR" if value is None else text(value)


@pytest.mark.parametrize("rule", RULES)
def test_survivorship_in_sql_is_survivorship_in_python(engine: Engine, rule: str) -> None:
    stamps = (None, "2026-03-14T12:00:00.000000Z", "2026-03-14T12:00:01.000000Z")
    cases = list(product((None, "a", "bb"), (None, "c", "dd", "eee"), stamps, stamps))
    for mine, theirs, version, stamp in cases:
        sql = survivor(rule, literal(mine), literal(theirs))
        row = engine.rows(
            f"SELECT {sql} AS v FROM (SELECT CAST({literal(version)} AS TIMESTAMPTZ) AS _version) AS r, "
            f"(SELECT {literal(stamp)} AS stamp) AS a"
        )[0]

        expected = survive(rule, mine, theirs, source_stamp=version, target_stamp=stamp)
        assert row["v"] == expected, (rule, mine, theirs, version, stamp)


@pytest.mark.parametrize("rules", [(name,) for name in HELD] + [tuple(HELD)])
def test_what_a_vendor_makes_of_a_text_is_the_same_in_sql(engine: Engine, rules: tuple[str, ...]) -> None:
    field = Field(name="f", label="f", kind=Kind.STRING, vendor_type="string", held=rules)
    for value in (None, "", " ", "  Ada ", "\tÄda\n", "ADA@X.example"):
        found = engine.rows(f"SELECT {canonical(literal(value), field, rules=True)} AS v")[0]["v"]

        assert found == (held(rules, value) or None), (rules, value)
