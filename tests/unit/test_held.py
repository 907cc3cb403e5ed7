"""The two forms of a rule, for the load and for the row check, say the same of every text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.engine import Engine
from migrate.held import RULES, held, held_sql

LONG = st.text(alphabet="ab.\\/ \x00\u3000", min_size=250, max_size=300)
REFS = st.builds("sha256:{}:{}:{}".format, st.just("a" * 64), st.integers(0, 99), st.just("b" * 32))
TEXTS = st.text(max_size=8) | LONG | REFS | st.text(alphabet=" \t\r\n\x0b\u00a0aÄİΣßǅ'\\%{}", max_size=12)


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
    # As every connector lists them: what makes a text empty comes last, a boolean's rule stands alone.
    rules = ["null_is_false"] if "null_is_false" in rules else sorted(rules, key="empty_is_null".__eq__)
    once = held(rules, value)
    assert held(rules, once) == once


@pytest.mark.parametrize(
    ("name", "held_as"),
    [
        ("Angebot 1/2 \\ final.pdf", "Angebot 1_2 _ final.pdf"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("x" * 300 + ".docx", "x" * 250 + ".docx"),
        ("\U0001f600" * 300, "\U0001f600" * 255),
        ("\u05e9\u05dc\u05d5\u05dd.txt", "\u05e9\u05dc\u05d5\u05dd.txt"),
        (" \u3000", "_"),
        ("..", "_"),
        ("a\r\nb", "a_b"),
    ],
)
def test_a_files_name_keeps_all_but_what_no_name_may_have(name: str, held_as: str) -> None:
    assert held(["file_name"], name) == held_as


def test_a_staged_file_is_held_by_what_the_vendor_tells_of_it() -> None:
    ref = f"sha256:{'a' * 64}:17:{'b' * 32}"
    assert held(["file_md5"], ref) == f"md5:{'b' * 32}:17"
    assert held(["file_size"], ref) == "bytes:17"


def test_rules_apply_in_their_order() -> None:
    assert held(["trim", "empty_is_null"], "  ") is None
    assert held(["empty_is_null", "trim"], "  ") == ""
    assert held([], " A ") == " A "
