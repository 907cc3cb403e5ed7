"""Deltas bring the target up to the source, round after round, and say how far behind it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import machine, reverse, trail
from migrate.cutover.deltas import Step, follow
from migrate.cutover.machine import Cutover
from migrate.engine import Engine
from migrate.errors import Parked, SystemRefused, UsageError
from migrate.ledger.rounds import KEPT, keep_round, last_rounds
from migrate.workspace import Workspace
from tests.unit.two_systems import Move

PLAN = """\
- source: Account
  target: companies
  key: {field: migration_key}
  fields: {name: Name}
"""


@pytest.fixture
def move(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Move:
    """A base of three accounts is in the target; the cutover is syncing."""
    monkeypatch.setattr(machine, "GUARDS", ())
    monkeypatch.setattr(machine, "_guards", {})
    made = Move(tmp_path / "move", engine, PLAN)
    for id in ("a", "b", "c"):
        made.source.put("Account", id, Name=id)
    made.move()
    to: Any
    for to in ("rehearsed", "loading", "syncing"):
        Cutover(made.workspace).move(to, who="Ada")
    return made


def opened(move: Move) -> Callable[[], AbstractContextManager[Workspace]]:
    @contextmanager
    def open_() -> Iterator[Workspace]:
        yield move.workspace

    return open_


def followed(move: Move, **more: Any) -> list[Step]:
    steps: list[Step] = []
    follow(opened(move), cohort="all", who="Ada", told=lambda _, step: steps.append(step), **more)
    return steps


def names(move: Move) -> set[str]:
    return {str(each.values["name"]) for each in move.target.records.values() if each.live}


def test_a_round_brings_what_was_edited_made_and_deleted_and_the_cutover_is_holding(move: Move) -> None:
    move.source.put("Account", "a", Name="edited")
    move.source.put("Account", "d", Name="new")
    move.source.delete("Account", "c")

    [step] = followed(move)

    assert names(move) == {"edited", "b", "new"}
    assert step.round.sent == {"create": 1, "delete": 1, "update": 1}
    assert (step.round.arrived, step.state, step.warning) == (3, "holding", "")
    assert step.round.caught_up
    [moved] = [
        each for each in trail.events(move.workspace.ledger, machine.MOVED) if each.facts["to"] == "holding"
    ]
    assert moved.facts["round"] == step.round.number == 1


def test_after_the_switch_a_round_holds_what_the_source_changed_and_carries_the_way_back(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed(move)
    to: Any
    for to in ("frozen", "drained", "verified", "approved", "switching", "switched"):
        Cutover(move.workspace).move(to, who="Ada")
    carried: list[str] = []
    monkeypatch.setattr(reverse, "round", lambda cutover, **_: carried.append(cutover.cohort))
    move.source.put("Account", "a", Name="on the wrong side")

    [step] = followed(move, rounds=1)

    assert carried == ["all"]
    assert names(move) == {"a", "b", "c"}
    assert (step.state, step.round.conflicts) == ("switched", 1)


@pytest.mark.long
def test_a_lag_that_grows_over_its_bound_takes_the_cutover_back_to_syncing_with_a_warning(move: Move) -> None:
    followed(move)
    move.source.read, reading = _slow(move, 600), move.source.read  # type: ignore[method-assign]

    [step] = followed(move, rounds=1)

    assert (step.state, step.round.caught_up) == ("syncing", False)
    assert "over the bound" in step.warning
    move.source.read = reading  # type: ignore[method-assign]
    assert followed(move)[-1].state == "holding"


@pytest.mark.long
def test_a_lag_that_never_gets_small_enough_ends_the_rounds_and_says_so(move: Move) -> None:
    move.source.read = _slow(move, 600)  # type: ignore[method-assign]

    steps = followed(move)

    assert 2 <= len(steps) <= 4
    assert steps[-1].round.forecast.never
    assert "Never at this rate" in steps[-1].text()
    assert steps[-1].state == "syncing"


@pytest.mark.long
def test_a_watch_goes_through_an_outage_waits_longer_each_time_and_loses_nothing(move: Move) -> None:
    reading, failures = move.source.read, [1, 2, 3]

    def away(*args: Any, **more: Any) -> Any:
        if failures:
            failures.pop()
            raise Parked("old", "no answer after 8 tries")
        return reading(*args, **more)

    move.source.read = away  # type: ignore[method-assign]
    move.source.put("Account", "a", Name="edited meanwhile")

    steps = followed(move, every=timedelta(minutes=1), rounds=5)

    assert [bool(step.round.error) for step in steps] == [True, True, True, False, False]
    waits = [
        (step.next_at - _at(step.round.ended)).total_seconds() for step in steps[:3] if step.next_at
    ]  # fmt: skip
    assert waits == [60, 120, 240]
    assert names(move) == {"edited meanwhile", "b", "c"}
    assert steps[3].round.sent == {"update": 1}
    assert steps[4].round.sent == {}


def test_a_watch_comes_again_when_the_system_said(move: Move) -> None:
    resume, reading, failures = move.clock.now() + timedelta(hours=3), move.source.read, [1]

    def away(*args: Any, **more: Any) -> Any:
        if failures:
            failures.pop()
            raise Parked("old", "its calls of the day are used up", resume)
        return reading(*args, **more)

    move.source.read = away  # type: ignore[method-assign]

    steps = followed(move, every=timedelta(minutes=1), rounds=2)

    assert steps[0].next_at == resume
    assert _at(steps[1].round.began) >= resume
    assert steps[1].state == "holding"


def test_what_only_a_person_can_mend_ends_the_watch_and_is_kept_with_the_rounds(move: Move) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise SystemRefused("old", "the credential was revoked")

    move.source.read = refused  # type: ignore[method-assign]

    with pytest.raises(SystemRefused):
        followed(move, every=timedelta(minutes=1))

    [row] = last_rounds(move.workspace.ledger)
    assert row.facts["kind"] == "SystemRefused"


def test_no_delta_flows_before_the_base_nor_after_the_gate(move: Move) -> None:
    cutover = Cutover(move.workspace)
    to: Any
    for to in ("holding", "frozen", "drained"):
        cutover.move(to, who="Ada")
    with pytest.raises(UsageError, match="is drained"):
        followed(move)


def test_a_round_is_one_document_of_json_and_the_ledger_keeps_so_many(move: Move) -> None:
    [step] = followed(move)
    document = json.loads(json.dumps(step.document()))
    assert document["round"]["lag"][0]["object"] == "Account"
    assert document["round"]["lag"][0]["seconds"] == step.round.longest
    ledger = move.workspace.ledger
    for _ in range(KEPT):
        keep_round(ledger, began="x", ended="x", facts={})
    kept = last_rounds(ledger, 10_000)
    assert (len(kept), kept[-1].number) == (KEPT, KEPT + 1)


@pytest.mark.long
def test_a_watch_of_many_quiet_rounds_makes_no_generations_and_its_watermark_moves(move: Move) -> None:
    move.source.put("Account", "a", Name="edited")
    move.source.delete("Account", "c")
    steps = followed(move, every=timedelta(minutes=1), rounds=6)

    store = move.workspace.store
    # Edit and deletion are told again for as long as windows overlap, and are no news then.
    assert store.generations("source", "Account") == [0, 1]
    assert [step.round.sent for step in steps] == [{"delete": 1, "update": 1}, {}, {}, {}, {}, {}]
    assert all(step.round.caught_up for step in steps)
    marks = [step.round.marks["Account"] for step in steps]
    assert marks == sorted(set(marks))
    assert move.workspace.ledger.watermark("Account") == (marks[-1], 1)


def test_an_edit_with_the_stamp_of_the_one_before_it_is_news(move: Move) -> None:
    """A vendor's stamps are of a second or so; values decide."""
    move.source.put("Account", "a", Name="first")
    followed(move)
    move.source.rows["Account"]["a"]["Name"] = "second"
    followed(move)
    assert names(move) == {"second", "b", "c"}
    move.source.rows["Account"]["a"]["Name"] = "first"
    followed(move)
    assert names(move) == {"first", "b", "c"}


def _slow(move: Move, seconds: float) -> Callable[..., Any]:
    reading = move.source.read

    def read(*args: Any, **more: Any) -> Any:
        move.clock.sleep(seconds)
        return reading(*args, **more)

    return read


def _at(text: str) -> Any:
    from migrate.clock import parse_stamp

    return parse_stamp(text)
