"""Does the status say whose turn it is, what stands in the way, and how long there is a way back?"""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cutover.standing import everywhere, standing
from migrate.engine import Engine
from tests.unit.gate_case import Case


@pytest.fixture
def case(tmp_path: Path, engine: Engine) -> Case:
    return Case(tmp_path / "w", engine)


def test_a_drained_cohort_waits_for_the_gate_and_says_so(case: Case) -> None:
    found = standing(case.workspace, "all")

    assert (found.state, found.next) == ("drained", "verified")
    assert found.command == "`migrate cutover gate`"
    assert found.acts == "operator (Max Operator)"
    assert [each.id for each in found.red] == ["gate"]
    assert found.last_safe_start is not None


def test_a_verified_cohort_waits_for_those_who_sign_by_name(case: Case) -> None:
    case.gate(request=True)

    found = standing(case.workspace, "all")

    assert (found.state, found.acts) == ("verified", "approver (Ada Example, Ben Example)")
    assert "signatures" in [each.id for each in found.red]


def test_an_approved_cohort_has_nothing_red_and_a_thawed_one_shows_its_lag_and_bound(case: Case) -> None:
    case.signed()
    assert everywhere(case.workspace)[0].red == ()

    case.cutover.move("holding", who="Max Operator")

    found = standing(case.workspace, "all")
    assert (found.state, found.next) == ("holding", "frozen")
    assert found.lag is not None
    assert found.bound == 300.0
