"""A report looks back: how each check went from validation to validation, and since when it is red."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from migrate_validators import trend as module
from migrate_validators.run import validate
from migrate_validators.trend import lines, told
from migrate_validators.watching import Round, watch

from migrate.cli.watching import Span
from migrate.engine import Engine
from migrate.errors import Busy, Parked, PlanError, SystemRefused
from tests.unit.bench import HandClock
from tests.unit.moved import Moved, moved
from tests.unit.two_systems import Move

COMPANIES = """
- source: Account
  target: companies
  key: {field: migration_key}
  fields:
    name: Name
"""


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path], threads=1) as made:
        yield made


def trend_of(migration: Moved, *only: str) -> dict[str, Any]:
    return dict(migration.report(*only).document()["trend"])


@pytest.mark.long
def test_a_check_is_red_since_the_first_round_that_found_it_red(migration: Moved) -> None:
    deal = migration.target.records["deals"]["301"]
    for name in ("One", "Other", "Another", "One", "Other", "Other"):
        deal["dealname"] = name
        migration.clock.at += timedelta(minutes=15)
        found = migration.report()

    document = found.document()
    line = document["trend"]["results"]["rows.Opportunity"]
    assert line["verdicts"] == ["pass", "fail", "fail", "pass", "fail", "fail"]
    assert [bool(each) for each in line["differences"]] == [False, True, True, False, True, True]
    assert line["red_since"] == document["trend"]["rounds"][4]["started"] == "2026-03-14T13:15:00.000000Z"
    assert not line["red_before"]
    assert "red since" in told(document["trend"], "rows.Opportunity")
    assert "red since" in found.text()
    assert document["trend"]["results"]["rows.Contact"]["red_since"] is None
    assert lines(document["trend"])[0]["since"] is not None
    assert [each["verdict"] for each in document["trend"]["rounds"]][1:3] == ["fail", "fail"]


def test_a_part_stands_in_no_trend(migration: Moved) -> None:
    migration.report()
    migration.target.records["deals"]["301"]["dealname"] = "Other"

    part = trend_of(migration, "rows")
    whole = trend_of(migration)

    assert len(part["rounds"]) == 1
    assert part["results"]["rows.Opportunity"]["verdicts"] == ["pass"]
    assert whole["results"]["rows.Opportunity"]["verdicts"] == ["pass", "fail"]
    assert told(whole, "rows.Opportunity") == ""  # just now


@pytest.mark.long
def test_a_trend_is_bounded_and_says_so(migration: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUNDS", 2)
    migration.target.records["deals"]["301"]["dealname"] = "Other"
    for _ in range(3):
        found = trend_of(migration)

    assert len(found["rounds"]) == 2
    assert found["results"]["rows.Opportunity"]["red_before"]


# -- the watch --------------------------------------------------------------------------------


def watched(move: Move, rounds: int, **more: Any) -> list[Round]:
    """Watch for some rounds; `fail` raises in the round of that number."""
    found: list[Round] = []
    fail: dict[int, Exception] = more.get("fail", {})

    class Enough(BaseException):
        """A signal came."""

    @contextmanager
    def opened() -> Iterator[Any]:
        yield move.workspace

    def once(workspace: Any) -> Any:
        if len(found) in fail:
            raise fail[len(found)]
        if len(found) == 1:
            move.target.edit(move.key("Account", "1"), "name", "Other")
        return validate(workspace, whole_every=timedelta(days=1))

    def told(one: Round) -> None:
        found.append(one)
        if len(found) == rounds:
            raise Enough

    with pytest.raises(Enough):
        watch(opened, once, every=timedelta(minutes=15), told=told)
    return found


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    made = Move(tmp_path, engine, COMPANIES)
    made.source.put("Account", "1", Name="Acme")
    made.move()
    return made


def test_each_round_has_a_report_of_its_own_on_the_hour_and_sees_what_people_did(move: Move) -> None:
    found = watched(move, 3)

    reports = [one.report for one in found]
    assert len({report.path for report in reports if report}) == 3
    verdicts = [report.result("rows.Account")["verdict"] for report in reports if report]
    assert verdicts == ["pass", "fail", "fail"]
    gaps = {(b.next_at - a.next_at) for a, b in itertools.pairwise(found)}
    assert gaps == {timedelta(minutes=15)}


@pytest.mark.parametrize("error", [Parked("new", "it doesn't answer"), Busy("somebody validates")])
def test_a_target_that_is_away_ends_a_round_and_not_the_watch(move: Move, error: Exception) -> None:
    found = watched(move, 3, fail={1: error})

    assert [one.error for one in found] == [None, error, None]
    assert found[2].report is not None


@pytest.mark.parametrize("error", [SystemRefused("new", "no rights"), PlanError([])])
def test_what_only_a_person_can_mend_ends_the_watch(move: Move, error: Exception) -> None:
    with pytest.raises(type(error)):
        watched(move, 3, fail={1: error})


def test_two_validations_of_a_workspace_do_not_run_at_once(move: Move) -> None:
    with move.workspace.ledger.alone("validate") as ours:
        assert ours
        with pytest.raises(Busy, match="busy with a validation"):
            validate(move.workspace)


@pytest.mark.parametrize(
    ("words", "span"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("1h", timedelta(hours=1)),
     ("2d", timedelta(days=2))],
)  # fmt: skip
def test_a_length_of_time_is_a_number_and_a_unit(words: str, span: timedelta) -> None:
    assert Span().convert(words, None, None) == span


@pytest.mark.parametrize("words", ["", "15", "m", "0m", "-1h", "1.5h", "1w", "15 m"])
def test_other_words_are_no_length_of_time(words: str) -> None:
    import click

    with pytest.raises(click.BadParameter, match="15m"):
        Span().convert(words, None, None)


def test_the_clock_of_a_watch_is_the_workspaces(move: Move) -> None:
    assert isinstance(move.clock, HandClock)
    before = move.clock.now()
    watched(move, 2)
    assert move.clock.now() - before >= timedelta(minutes=15)
