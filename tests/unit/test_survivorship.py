"""Which side wins: each rule, with empty sides, ties and stamps as different vendors write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.survivorship import RULES, survive

VALUES = st.none() | st.text(max_size=3)
EARLY, LATE = "2026-11-20T12:00:00.000000Z", "2026-11-20T12:00:01.000000Z"


@given(rule=st.sampled_from(RULES), source=VALUES, target=VALUES)
def test_what_stays_is_one_of_the_two_and_nothing_else(
    rule: str, source: str | None, target: str | None
) -> None:
    assert survive(rule, source, target, source_stamp=EARLY, target_stamp=LATE) in (source, target)


@given(rule=st.sampled_from([rule for rule in RULES if rule != "source"]), value=st.text())
def test_no_rule_but_source_lets_an_empty_side_win(rule: str, value: str) -> None:
    assert survive(rule, value, None, source_stamp=EARLY, target_stamp=LATE) == value
    assert survive(rule, None, value, source_stamp=LATE, target_stamp=EARLY) == value


@pytest.mark.parametrize(
    ("rule", "stays"),
    [("source", "s"), ("target", "target"), ("first_non_null", "s"), ("longest", "target"), ("newest", "s")],
)
def test_each_rule(rule: str, stays: str) -> None:
    assert survive(rule, "s", "target", source_stamp=LATE, target_stamp=EARLY) == stays


def test_source_may_empty_a_field() -> None:
    assert survive("source", None, "target") is None


@pytest.mark.parametrize("rule", ["longest", "newest"])
def test_a_tie_is_the_targets(rule: str) -> None:
    assert survive(rule, "mine", "hers", source_stamp=EARLY, target_stamp=EARLY) == "hers"


@pytest.mark.parametrize(
    ("source", "target", "stays"),
    [
        ("2026-11-20T12:00:00.000500Z", "2026-11-20T12:00:00Z", "source"),  # no fraction where it is zero
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00.5Z", "target"),
        ("2026-11-20T12:00:00.123456Z", "2026-11-20T12:00:00.123Z", "source"),
        ("2026-11-20T12:00:00.123000Z", "2026-11-20T12:00:00.123Z", "target"),  # a tie
        ("2026-11-20T13:30:00+02:00", "2026-11-20T12:00:00Z", "target"),
        ("", "2026-11-20T12:00:00Z", "target"),
        ("2026-11-20T12:00:00Z", "", "source"),
        ("", "", "target"),
    ],
)
def test_stamps_are_instants_however_they_are_written(source: str, target: str, stays: str) -> None:
    assert survive("newest", "source", "target", source_stamp=source, target_stamp=target) == stays


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="`tallest`"):
        survive("tallest", "a", "b")
