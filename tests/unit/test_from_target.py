"""Without a journal: what we created goes back all the same, what we changed is named, no twins come."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from migrate_rollback import force_hold, verify
from migrate_rollback import plan as plan_rollback

from migrate.connector import Who
from migrate.engine import Engine
from migrate.errors import JournalDamaged, UsageError
from migrate.stages.care.from_target import from_target
from migrate.stages.care.fsck import fsck
from migrate.stages.care.rebuild import rebuild
from migrate.workspace import COPY
from tests.unit.care_case import loaded, segments
from tests.unit.two_systems import Move


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return loaded(tmp_path / "w", engine)


def lose(move: Move, *names: str) -> None:
    state = move.root / ".migrate"
    shutil.rmtree(state / "journal")
    for name in names:
        for path in state.glob(f"{name}*"):
            path.unlink()


def adopted(move: Move) -> str:
    return move.there("Contact", "C1").id


@pytest.mark.parametrize("gone", [(), ("ledger.db",), ("ledger.db", COPY)], ids=["journal", "ledger", "copy"])
def test_what_we_created_is_undone_and_what_we_changed_is_named_as_lost(
    move: Move, gone: tuple[str, ...]
) -> None:
    id = adopted(move)
    lose(move, *gone)
    if gone:
        rebuild(move.workspace, let_go=True)
    else:
        with pytest.raises(JournalDamaged):
            move.load()

    found = from_target(move.workspace)

    assert (found.created, found.lost) == ({"companies": 3, "contacts": 3}, {"contacts": [id]})
    assert found.links == 4
    assert [each for each in fsck(move.workspace).damaged if "journal" in each.part] == []
    assert from_target(move.workspace).created == {}
    groups = {
        (each.object, each.action, each.code): each.count for each in plan_rollback(move.workspace).groups
    }
    assert groups["contacts", "can't", "lost"] == 1
    assert groups["companies", "delete", ""] == 3
    move.roll_back()
    live = {record.id: record.values for record in move.target.records.values() if record.live}
    assert set(live) == {id}
    assert live[id]["migration_key"] == move.key(
        "Contact", "C1"
    )  # as we left it: nothing tells what stood there
    assert verify(move.workspace).words.startswith("pass, 1 held")
    with pytest.raises(UsageError, match="can't be forced"):
        force_hold(move.workspace, "contacts.lost")


@pytest.mark.long
def test_after_it_nothing_is_created_twice_and_edits_since_are_kept(move: Move) -> None:
    move.target.write(move.there("Account", "A1"), {"note": "by hand"}, Who.PERSON)
    edited = move.there("Account", "A1").id
    lose(move)
    from_target(move.workspace)

    again = move.load()
    assert not any(tally["create"] or tally["adopt"] for tally in again.objects.values())
    move.source.put("Account", "A2", Name="Renamed")
    move.source.put("Contact", "C9", LastName="New", Email="p9@old.test", AccountId="A2")
    delta = move.move(delta=True)
    assert delta.objects["Contact"]["create"] == 1
    assert move.there("Account", "A2").values["name"] == "Renamed"

    move.roll_back()
    live = {record.id for record in move.target.records.values() if record.live}
    assert live == {edited, adopted(move)}


@pytest.mark.long
def test_segments_that_are_whole_are_kept_and_only_the_rest_is_asked_of_the_target(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrate.journal import segments as module

    monkeypatch.setattr(module, "COMPACT_BYTES", 0)
    move.source.put("Account", "A8", Name="Late")
    move.source.put("Account", "A9", Name="Later")
    move.move(delta=True)
    whole, *later = segments(move)
    for path in later:
        path.unlink()

    found = from_target(move.workspace)

    assert found.created == {"companies": 2}
    assert found.lost == {}
    assert whole in segments(move)
    move.roll_back()
    assert [record.values["name"] for record in move.target.records.values() if record.live] == ["Stood here"]
    assert verify(move.workspace).words.startswith("pass, 0 held")
