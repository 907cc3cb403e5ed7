"""An interval is as wide as the slices of the load differ, and says so where it knows nothing of that."""

from __future__ import annotations

from math import sqrt
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.cutover.rehearsal.measuring import Measured
from migrate.cutover.rehearsal.projecting import Slice, project, relative_width

LOAD = Measured("load", "Load", "migrate cutover start", 100.0, 1000, "records", {"target": {"creates": 50}})
FREEZE = Measured("freeze", "Freeze", "migrate cutover freeze", 30.0, 0, "fixed", {"target": {"reads": 3}})


def test_equal_slices_leave_no_doubt_and_a_sample_is_scaled_by_its_records() -> None:
    found = project([LOAD, FREEZE], [Slice(100, 5, 10.0)] * 10, factor=4.0, records=1000)
    load, freeze = found.steps
    assert (load.seconds.low, load.seconds.likely, load.seconds.high) == (400.0, 400.0, 400.0)
    assert (load.calls.likely, found.records.likely) == (200.0, 4000.0)
    assert freeze.seconds.likely == 30.0, "what doesn't grow with the records isn't scaled"
    assert "scaled by 4.0" in found.method


def test_the_width_is_student_s_prediction_interval_of_the_sum() -> None:
    rates = [0.1, 0.12, 0.08, 0.11, 0.09]
    ahead = 5 * 3.0
    half = 2.776 * stdev(rates) * sqrt(ahead * (1 + ahead / 5))  # t of 4 degrees of freedom, 95 %
    assert relative_width(rates, 3.0) == pytest.approx(half / (0.1 * ahead))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_with_fewer_than_three_slices_the_spread_is_assumed_and_said_to_be(count: int) -> None:
    found = project([LOAD], [Slice(100, 5, 10.0)] * count, factor=1.0, records=1000)
    seconds = found.steps[0].seconds
    assert (seconds.low, seconds.likely, seconds.high) == (50.0, 100.0, 200.0)
    assert found.method.startswith("assumed")


@given(
    st.lists(st.floats(0.001, 10), min_size=3, max_size=10), st.floats(1, 1000), st.floats(0, 1e6),
)  # fmt: skip
def test_no_interval_is_upside_down_or_negative(rates: list[float], factor: float, seconds: float) -> None:
    step = Measured("load", "Load", "", seconds, 10, "records", {"target": {"creates": 7}})
    found = project([step], [Slice(100, 2, each * 100) for each in rates], factor=factor, records=10)
    whole = found.of(["load"])
    assert whole is not None
    for each in (found.steps[0].seconds, found.steps[0].calls, whole, found.calls):
        assert 0 <= each.low <= each.likely <= each.high


def test_a_quota_is_told_in_days_of_it() -> None:
    found = project([LOAD], [Slice(100, 5, 10.0)] * 3, factor=10.0, records=1000, quota=250)
    assert found.days_of_quota == pytest.approx(2.0)
    assert project([LOAD], [], factor=1.0, records=1).days_of_quota is None
