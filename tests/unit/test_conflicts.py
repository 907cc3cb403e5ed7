"""A change on the side where a record isn't at home never flows, and is listed with both values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import homes, machine, rounds
from migrate.cutover.conflicts import Conflict, Conflicts, conflicts, export
from migrate.cutover.machine import Cutover
from migrate.cutover.rounds import Round, run_round
from migrate.cutover.states import PATH, State
from migrate.engine import Engine
from tests.unit.two_systems import Move

PLAN = """\
- source: Account
  target: companies
  key: {field: migration_key}
  fields: {name: Name, note: Note}
"""
COHORTS = """\
cutover: {cohorts: [{name: pilot, where: "Account: Name = 'a'"}, {name: rest}]}
"""


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "GUARDS", ())
    monkeypatch.setattr(machine, "_guards", {})
    # Nothing is brought home here: these systems have no address at which the way back could ask them.
    monkeypatch.setattr(rounds, "_back", lambda *_: None)


def moved(tmp_path: Path, engine: Engine, plan: str = PLAN, more: str = "") -> Move:
    """Three accounts are in the target."""
    made = Move(tmp_path / "move", engine, plan)
    if more:
        path = made.root / "plan.yaml"
        path.write_text(path.read_text() + more)
    for id in ("a", "b", "c"):
        made.source.put("Account", id, Name=id, Note=f"of {id}")
    made.move()
    return made


def brought(move: Move, cohort: str, to: State) -> None:
    """A cohort is brought along the path, its keys published on its way."""
    cutover = Cutover(move.workspace, cohort)
    for each in PATH[1 : PATH.index(to) + 1]:
        if each == "loading":
            homes.publish(move.workspace, cohort)
        cutover.move(each, who="Ada")


def in_the_target(move: Move, id: str, **values: str) -> None:
    for name, value in values.items():
        move.target.edit(move.key("Account", id), name, value)


def carried(move: Move) -> Round:
    return run_round(move.workspace, who="Ada")


def fields(found: Conflicts) -> dict[tuple[str, str], Conflict]:
    return {(each.key, each.field): each for each in found.rows}


def values(move: Move, id: str) -> dict[str, Any]:
    return dict(move.there("Account", id).values)


def test_a_record_that_both_sides_changed_is_held_with_both_values(
    tmp_path: Path, engine: Engine, bare: None
) -> None:
    move = moved(tmp_path, engine)
    brought(move, "all", "syncing")
    in_the_target(move, "a", name="theirs")
    move.source.put("Account", "a", Name="ours", Note="of a")

    one = carried(move)

    assert values(move, "a")["name"] == "theirs"
    assert (one.conflicts, one.sent) == (1, {"held": 1})
    found = conflicts(move.workspace)
    assert (found.total, found.open) == (1, 1)
    told = fields(found)[move.key("Account", "a"), "name"]
    assert (told.there, told.here, told.home) == ("theirs", "ours", "source")
    assert "person" in told.who
    assert told.decided.startswith("held")
    assert carried(move).sent == {}  # and no round meets it again


@pytest.mark.long
@pytest.mark.parametrize(("rule", "stays"), [("source", "ours"), ("target", "theirs")])
def test_what_a_rule_of_the_plan_decides_is_recorded_with_both_values(
    rule: str, stays: str, tmp_path: Path, engine: Engine, bare: None
) -> None:
    move = moved(tmp_path, engine, PLAN + f"  conflict: {rule}\n")
    brought(move, "all", "syncing")
    in_the_target(move, "a", name="theirs")
    move.source.put("Account", "a", Name="ours", Note="new")

    one = carried(move)

    assert (values(move, "a")["name"], values(move, "a")["note"]) == (stays, "new")
    assert one.conflicts == 1
    [told] = conflicts(move.workspace).rows
    assert (told.field, told.there, told.here, told.open) == ("name", "theirs", "ours", False)
    assert rule in told.decided


def test_after_a_cohorts_switch_its_records_take_nothing_from_the_source_and_the_others_do(
    tmp_path: Path, engine: Engine, bare: None
) -> None:
    move = moved(tmp_path, engine, more=COHORTS)
    brought(move, "pilot", "switched")
    brought(move, "rest", "syncing")
    in_the_target(move, "a", note="sold since")
    move.source.put("Account", "a", Name="a", Note="in the old system")
    move.source.put("Account", "b", Name="b", Note="goes on")
    move.source.put("Account", "d", Name="d", Note="new")

    one = carried(move)

    assert values(move, "a")["note"] == "sold since"
    assert values(move, "b")["note"] == "goes on"
    assert values(move, "d")["note"] == "new"
    assert one.sent == {"create": 1, "held": 1, "update": 1}
    [told] = conflicts(move.workspace).rows
    assert (told.key, told.field, told.home) == (move.key("Account", "a"), "note", "target")
    assert (told.there, told.here) == ("sold since", "in the old system")


@pytest.mark.long
@pytest.mark.parametrize("command", ["load", "round"])
def test_what_the_source_deletes_of_a_switched_cohort_stays(
    command: str, tmp_path: Path, engine: Engine, bare: None
) -> None:
    """No command lets it flow, not the plain ones either."""
    move = moved(tmp_path, engine, more=COHORTS)
    brought(move, "pilot", "switched")
    brought(move, "rest", "syncing")
    move.source.delete("Account", "a")

    if command == "load":
        move.move(delta=True)
    else:
        carried(move)

    assert move.there("Account", "a").live
    [told] = conflicts(move.workspace).rows
    assert (told.field, told.home, told.open) == ("", "target", True)
    assert "held" in told.decided


@pytest.mark.long
def test_once_every_cohort_is_switched_nothing_flows_not_even_what_is_new(
    tmp_path: Path, engine: Engine, bare: None
) -> None:
    move = moved(tmp_path, engine)
    brought(move, "all", "switched")
    move.source.put("Account", "d", Name="late", Note="")

    move.move(delta=True)

    assert "late" not in {each.values["name"] for each in move.target.records.values()}
    assert (move.key("Account", "d"), "name") in fields(conflicts(move.workspace))


@pytest.mark.long
def test_conflicts_go_out_as_a_sheet(tmp_path: Path, engine: Engine, bare: None) -> None:
    from openpyxl import load_workbook

    move = moved(tmp_path, engine)
    brought(move, "all", "syncing")
    in_the_target(move, "a", name="=theirs()", note="their note")
    move.source.put("Account", "a", Name="ours", Note="our note")
    carried(move)

    assert export(move.workspace, tmp_path / "conflicts.xlsx", "xlsx") == 2

    rows = list(load_workbook(tmp_path / "conflicts.xlsx")["conflicts"].iter_rows(values_only=True))
    told = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert {(row["field"], row["there"], row["here"]) for row in told} == {
        ("name", "=theirs()", "ours"), ("note", "their note", "our note"),
    }  # fmt: skip
