"""A ledger that is gone comes back: what was loaded is undone after it, and nothing is sent twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from migrate_rollback import plan as plan_rollback
from migrate_rollback import verify

from migrate.engine import Engine
from migrate.errors import Damaged, JournalDamaged, UsageError
from migrate.ledger import tables
from migrate.stages.care.rebuild import Rebuilt, rebuild
from migrate.workspace import COPY
from tests.unit.care_case import flip, loaded, segments
from tests.unit.fake_target import Fault, Killed
from tests.unit.two_systems import Move

WHOLE = ("attempts", "checkpoints", "systems", "generations", "watermarks", "segments", "canaries", "events")


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return loaded(tmp_path / "w", engine)


def state(move: Move) -> Path:
    return move.root / ".migrate"


def lose(move: Move, *, copy: bool = False) -> None:
    for path in state(move).glob("ledger.db*"):
        path.unlink()
    if copy:
        (state(move) / COPY).unlink()


def rows(move: Move, table: sa.Table) -> list[dict[str, Any]]:
    found = move.workspace.ledger.read(sa.select(table).order_by(*table.primary_key.columns))
    return [dict(row._mapping) for row in found]


def batches(move: Move) -> list[tuple[Any, ...]]:
    names = (
        "id",
        "attempt",
        "phase",
        "stage",
        "part",
        "rows",
        "object",
        "operation",
        "payload",
        "state",
        "done",
    )
    return [tuple(row[name] for name in names) for row in rows(move, tables.batches)]


def back(move: Move) -> None:
    """Roll back, and see in the target and by `verify` that everything is as it was."""
    move.roll_back()
    left = [record.values for record in move.target.records.values() if record.live]
    assert [(each["name"], each["email"]) for each in left] == [("Stood here", "p1@old.test")]
    assert not any(each.get("migration_key") for each in left)
    assert verify(move.workspace).words.startswith("pass, 0 held")


def test_a_rebuilt_ledger_is_the_lost_one_and_everything_is_put_back(move: Move) -> None:
    before = {name: rows(move, tables.metadata.tables[name]) for name in WHOLE}
    known = batches(move)
    lose(move)

    found = rebuild(move.workspace)

    assert (found.from_copy, found.in_doubt) == (True, 0)
    after = {name: rows(move, tables.metadata.tables[name]) for name in WHOLE}
    [event] = after["events"][len(before["events"]) :]
    assert event["what"] == "rebuild"
    assert after["events"][:-1] == before["events"]
    assert {**after, "events": []} == {**before, "events": []}
    settled = [each for each in known if each[7] != "none"]
    assert batches(move) == settled
    back(move)


@pytest.mark.long
def test_after_it_a_load_sends_nothing_twice_and_a_delta_is_complete(move: Move) -> None:
    lose(move)
    rebuild(move.workspace)

    again = move.load()
    assert sum(sum(tally.values()) for tally in again.objects.values()) == 0
    move.source.put("Account", "A0", Name="Renamed")
    move.source.put("Account", "A9", Name="New")
    delta = move.move(delta=True)

    assert delta.clean
    assert {name: delta.objects["Account"][name] for name in ("create", "update")} == {
        "create": 1,
        "update": 1,
    }
    for id, name in (("A0", "Renamed"), ("A1", "Company 1"), ("A9", "New")):
        assert move.there("Account", id).values["name"] == name
    back(move)


@pytest.mark.long
@pytest.mark.parametrize("at", [1, 2])
def test_a_rollback_that_was_killed_goes_on_after_it(move: Move, at: int) -> None:
    faults: list[Fault] = ["fine"] * at
    move.target.faults = [*faults, "killed after"]
    with pytest.raises(Killed):
        move.roll_back()
    lose(move)

    rebuild(move.workspace)

    with pytest.raises(UsageError, match="is being rolled back"):
        move.load()
    back(move)


def test_no_command_begins_a_new_ledger_beside_a_history(move: Move) -> None:
    lose(move)
    calls = move.target.calls
    for command in (move.load, move.roll_back, lambda: plan_rollback(move.workspace), move.stage):
        with pytest.raises(Damaged, match="migrate rebuild"):
            command()
    assert move.target.calls == calls
    assert not (state(move) / "ledger.db").exists()


@pytest.mark.long
def test_a_ledger_that_is_there_is_replaced_only_when_told_and_then_set_aside(move: Move) -> None:
    with pytest.raises(UsageError, match="can be read"):
        rebuild(move.workspace)
    found = rebuild(move.workspace, replace=True)
    assert Path(found.aside).exists()
    back(move)


def test_what_can_not_be_read_is_set_aside_without_being_told(move: Move) -> None:
    lose(move)
    (state(move) / "ledger.db").write_bytes(b"\0" * 5000)
    assert Path(rebuild(move.workspace).aside).read_bytes() == b"\0" * 5000
    back(move)


@pytest.mark.long
def test_without_the_copy_the_manifests_tell_enough_to_put_everything_back(move: Move) -> None:
    lose(move, copy=True)

    found: Rebuilt = rebuild(move.workspace)

    assert not found.from_copy
    assert any("Waivers" in each for each in found.unknown)
    assert sum(move.load().objects["Account"].values()) == 0
    back(move)


@pytest.mark.long
def test_a_damaged_segment_or_a_missing_end_stops_it_and_leaves_nothing(move: Move) -> None:
    move.source.put("Account", "A9", Name="New")
    move.move(delta=True)
    last = segments(move)[-1]
    whole = last.read_bytes()
    lose(move)
    flip(last, lambda content: len(content) // 3)
    with pytest.raises(Damaged, match="differs from the digest"):
        rebuild(move.workspace)
    last.unlink()
    with pytest.raises(JournalDamaged, match="is missing"):
        rebuild(move.workspace)
    assert not (state(move) / "ledger.db").exists()

    last.write_bytes(whole)
    rebuild(move.workspace)
    back(move)
