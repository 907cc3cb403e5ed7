"""Can a cohort's cutover leave the path that the design draws?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from migrate.cutover import machine, trail
from migrate.cutover.machine import Cutover, Line, MoveRefused, chosen, guard
from migrate.cutover.states import MOVES, STATES, State
from migrate.errors import UsageError
from migrate.ledger.cutovers import MOVED
from migrate.workspace import Workspace
from tests.unit.test_cli import PLAN

TWO = PLAN + "cutover: {cohorts: [{name: pilot, where: \"Account: Name = 'x'\"}, {name: rest}]}\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No guards but those that a test registers."""
    monkeypatch.setattr(machine, "GUARDS", ())
    monkeypatch.setattr(machine, "_guards", {})


@pytest.fixture
def workspace(tmp_path: Path, bare: None) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(TWO, encoding="utf-8")
    made = Workspace(tmp_path, {})
    yield made
    made.close()


def brought_to(workspace: Workspace, *path: State) -> Cutover:
    cutover = Cutover(workspace, "pilot")
    for to in path:
        cutover.move(to, who="Ada")
    return cutover


def test_every_state_is_reached_and_only_seal_ends_it() -> None:
    assert set(MOVES) == set(STATES)
    assert {to for ways in MOVES.values() for to in ways} == set(STATES)
    assert [state for state, ways in MOVES.items() if not ways] == ["sealed"]


def test_before_the_switch_every_state_can_be_given_up_and_after_it_none() -> None:
    path = STATES[: STATES.index("switching")]

    assert all("cancelled" in MOVES[state] for state in path)
    assert not any("cancelled" in MOVES[state] for state in STATES if state not in path)


def test_switched_is_reached_from_approved_alone() -> None:
    assert [state for state, ways in MOVES.items() if "switched" in ways] == ["switching"]
    assert [state for state, ways in MOVES.items() if "switching" in ways] == ["approved"]
    assert [state for state, ways in MOVES.items() if "approved" in ways] == ["verified"]


def test_the_state_is_what_the_trail_says(workspace: Workspace) -> None:
    cutover = brought_to(workspace, "rehearsed", "loading")

    assert cutover.state == "loading"
    assert [each.facts["to"] for each in cutover.moves()] == ["rehearsed", "loading"]
    assert cutover.since == trail.events(workspace.ledger)[-1].at
    assert Cutover(workspace, "rest").state == "planned"


def test_a_move_that_the_graph_lacks_is_refused_and_says_what_leads_on(workspace: Workspace) -> None:
    cutover = brought_to(workspace, "rehearsed")

    with pytest.raises(UsageError, match="no move leads from there to switched") as refused:
        cutover.move("switched", who="Eve")

    assert "cutover start" in refused.value.remedy
    assert cutover.state == "rehearsed"


def test_a_move_that_somebody_wrote_into_the_trail_by_hand_shows(workspace: Workspace) -> None:
    brought_to(workspace, "rehearsed", "loading")
    assert trail.verify(workspace) == []

    forged = {"from": "loading", "to": "approved"}
    trail.append(workspace.ledger, "Eve", MOVED, cohort="pilot", **forged)

    assert any("from loading to approved" in flaw for flaw in trail.verify(workspace))


def test_a_red_line_stops_a_move_and_names_its_remedy(workspace: Workspace) -> None:
    @guard("loading")
    def _red(cutover: Cutover) -> Sequence[Line]:
        return [Line("lag", ok=False, words=f"{cutover.cohort} lags.", remedy="`migrate cutover delta`")]

    cutover = brought_to(workspace, "rehearsed")
    with pytest.raises(MoveRefused, match=r"lag: pilot lags\. `migrate cutover delta`"):
        cutover.move("loading", who="Ada")

    assert cutover.state == "rehearsed"


def test_a_guard_of_a_move_forward_holds_nobody_on_the_way_back(workspace: Workspace) -> None:
    @guard("holding")
    def _red(cutover: Cutover) -> Sequence[Line]:
        back = cutover.state == "frozen"
        return [Line("lag", ok=not back, words="")]

    cutover = brought_to(workspace, "rehearsed", "loading", "syncing", "holding", "frozen")
    cutover.move("holding", who="Ada")

    assert cutover.state == "holding"


def test_what_a_guard_has_looked_at_is_what_stands_when_the_move_is_made(workspace: Workspace) -> None:
    looks: list[bool] = []

    @guard("loading")
    def _voided_meanwhile(cutover: Cutover) -> Sequence[Line]:
        if not looks:  # somebody else, just after our look
            trail.append(cutover.workspace.ledger, "Eve", "cutover voided", cohort=cutover.cohort)
        looks.append(bool(trail.events(cutover.workspace.ledger, "cutover voided")))
        return [Line("approval", ok=len(looks) == 1, words="It was voided.")]

    cutover = brought_to(workspace, "rehearsed")
    with pytest.raises(MoveRefused, match="It was voided"):
        cutover.move("loading", who="Ada")

    assert len(looks) == 2


def test_the_cohort_under_way_is_meant_where_none_is_named(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="Which cohort"):
        chosen(workspace, None)

    brought_to(workspace, "rehearsed")

    assert chosen(workspace, None) == "pilot"
    assert chosen(workspace, "rest") == "rest"
    with pytest.raises(UsageError, match="no cohort `other`"):
        chosen(workspace, "other")
