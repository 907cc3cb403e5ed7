"""When a delta will have caught up is foreseen from its rounds, and `never` is said where it is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.cutover.forecast import Past, forecast

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def rounds(fixed: float, each: float, arriving: float, first: float, count: int) -> list[Past]:
    """What rounds take at a steady rate, after a first one of so many seconds."""
    made = [Past(round(max(0.0, first - fixed) / each), first, None)]
    for _ in range(count):
        rows = arriving * made[-1].seconds
        made.append(Past(round(rows), fixed + each * rows, made[-1].seconds))
    return made


def test_without_a_round_nothing_is_foreseen() -> None:
    assert (forecast([], 300, NOW).at, forecast([], 300, NOW).never) == (None, False)


def test_after_a_first_long_round_one_more_is_needed() -> None:
    found = forecast([Past(10_000, 3600, None)], 300, NOW)
    assert (found.at, found.never) == (None, False)


def test_rounds_that_get_shorter_end_under_the_bound() -> None:
    past = rounds(fixed=60, each=0.1, arriving=2, first=36_000, count=2)
    found = forecast(past, 300, NOW)
    assert found.at is not None
    assert NOW < found.at < NOW + timedelta(hours=2)
    assert found.steady == pytest.approx(60 / 0.8, rel=0.1)


def test_more_changes_than_can_be_carried_is_never() -> None:
    found = forecast(rounds(fixed=60, each=0.5, arriving=4, first=600, count=3), 300, NOW)
    assert (found.at, found.never, found.steady) == (None, True, None)
    assert "Never at this rate" in found.words


def test_a_bound_below_what_an_empty_round_takes_is_never() -> None:
    found = forecast([Past(0, 400, None), Past(0, 400, 400), Past(0, 400, 400)], 300, NOW)
    assert found.never
    assert found.steady == pytest.approx(400)


def test_a_lag_under_the_bound_needs_no_forecast() -> None:
    assert forecast([Past(5, 20, None)], 300, NOW).at == NOW


@given(
    fixed=st.floats(1, 200), each=st.floats(0.01, 1), arriving=st.floats(0.01, 5),
    first=st.floats(400, 50_000),
)  # fmt: skip
def test_what_is_foreseen_as_caught_up_does_catch_up(
    fixed: float, each: float, arriving: float, first: float
) -> None:
    past = rounds(fixed, each, arriving, first, 3)
    found = forecast(past, 300, NOW)
    if found.never or found.at in (None, NOW):
        return
    assert found.at is not None
    length, seconds = past[-1].seconds, 0.0
    while length > 310 and seconds < 10_000_000:
        length = fixed + each * arriving * length
        seconds += length
    foreseen = (found.at - NOW).total_seconds()
    assert seconds <= 2 * foreseen + 2 * (fixed + first)
