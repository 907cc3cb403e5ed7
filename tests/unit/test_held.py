"""The two forms of a rule, for the load and for the row check, say the same of every text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.engine import Engine
from migrate.held import RULES, held, held_sql

TEXTS = st.text(max_size=8) | st.text(alphabet=" \t\r\n\x0b\u00a0aÄİΣßǅ'\\%{}", max_size=12)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as opened:
        yield opened


@settings(deadline=None)
@given(
    rules=st.lists(st.sampled_from(sorted(RULES)), max_size=4), values=st.lists(st.none() | TEXTS, min_size=1)
)
def test_python_and_sql_hold_the_same(engine: Engine, rules: list[str], values: list[str | None]) -> None:
    with engine.cursor() as cursor:
        cursor.register("sent", pa.table({"n": range(len(values)), "v": pa.array(values, pa.string())}))
        found = cursor.sql(f"SELECT {held_sql(rules, 'v')} FROM sent ORDER BY n").fetchall()
    assert [row[0] for row in found] == [held(rules, value) for value in values]


@given(rules=st.lists(st.sampled_from(sorted(RULES)), max_size=4), value=st.none() | TEXTS)
def test_what_is_held_is_held_as_it_is_when_it_is_sent_again(rules: list[str], value: str | None) -> None:
    once = held(rules, value)
    assert held(rules, once) == once


def test_rules_apply_in_their_order() -> None:
    assert held(["trim", "empty_is_null"], "  ") is None
    assert held(["empty_is_null", "trim"], "  ") == ""
    assert held([], " A ") == " A "
