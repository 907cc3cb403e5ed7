"""A backup that was taken while a load ran comes back whole; an old one never makes a twin."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from migrate_rollback import verify

from migrate.cutover import tokens
from migrate.engine import Engine
from migrate.errors import Behind, Damaged, UsageError
from migrate.ledger import tables
from migrate.stages.care.backup import backup
from migrate.stages.care.from_target import from_target
from migrate.stages.care.fsck import fsck
from migrate.stages.care.restore import restore
from tests.unit.care_case import loaded, made
from tests.unit.two_systems import Move


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return loaded(tmp_path / "w", engine)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def state(move: Move) -> dict[str, bytes]:
    """Everything of ours that a backup is to bring back, by path."""
    root = move.root / ".migrate"
    skipped = ("ledger", "spill", "before", "extract.lock", "ready.lock")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.relative_to(root).parts[0].startswith(skipped)
    }


def rows(move: Move, table: sa.Table) -> list[dict[str, Any]]:
    found = move.workspace.ledger.read(sa.select(table).order_by(*table.primary_key.columns))
    return [dict(row._mapping) for row in found]


def objects(place: Path) -> list[Path]:
    return sorted(path for path in (place / "objects").rglob("*") if path.is_file())


def twins(move: Move) -> list[str]:
    keys = [
        key
        for each in move.target.records.values()
        if each.live and (key := each.values.get("migration_key"))
    ]
    return sorted({key for key in keys if keys.count(key) > 1})


def back(move: Move) -> None:
    move.roll_back()
    assert [each.values["name"] for each in move.target.records.values() if each.live] == ["Stood here"]
    assert verify(move.workspace).words.startswith("pass, 0 held")


def test_what_is_restored_is_what_was_there_and_everything_goes_back(move: Move, place: Path) -> None:
    (move.root / "credentials.env").write_text("SECRET=hunter2")
    before, batches = state(move), rows(move, tables.batches)
    taken = backup(move.workspace, str(place))
    assert not any(b"hunter2" in path.read_bytes() for path in objects(place))
    assert set(taken.plan) == {"plan.yaml"}
    with pytest.raises(UsageError, match="isn't empty"):
        restore(move.workspace, str(place))

    found = restore(move.workspace, str(place), replace=True)

    assert Path(found.aside).is_dir()
    live = {key: content for key, content in state(move).items() if key in before or "journal" not in key}
    assert live.keys() <= before.keys()
    assert all(before[key] == content for key, content in live.items())
    assert rows(move, tables.batches) == batches
    assert fsck(move.workspace, deep=True).findings == []
    assert sum(sum(tally.values()) for tally in move.load().objects.values()) == 0
    back(move)


def test_a_link_that_was_used_after_the_backup_is_not_good_again(move: Move, place: Path) -> None:
    token = tokens.make(move.workspace.ledger, "console", "Ada Example", timedelta(hours=1))
    backup(move.workspace, str(place))
    assert tokens.redeem(move.workspace.ledger, token, "console") == "Ada Example"
    restore(move.workspace, str(place), replace=True)
    assert tokens.redeem(move.workspace.ledger, token, "console") is None


@pytest.mark.long
def test_the_next_backup_copies_only_what_is_new(move: Move, place: Path) -> None:
    first = backup(move.workspace, str(place))
    second = backup(move.workspace, str(place))
    assert second.copied <= 1  # the ledger's own file may differ in a counter
    assert second.bytes == pytest.approx(first.bytes, rel=0.2)
    move.source.put("Account", "A9", Name="New")
    move.move(delta=True)
    third = backup(move.workspace, str(place))
    assert 1 < third.copied < len(third.files)


def test_a_backup_that_was_damaged_changes_nothing(move: Move, place: Path) -> None:
    taken = backup(move.workspace, str(place))
    before = state(move)
    part = next(key for key in taken.files if key.startswith("journal/"))
    digest = taken.files[part].sha256
    path = place / "objects" / digest[:2] / digest[2:]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(Damaged, match="isn't what its name says"):
        restore(move.workspace, str(place), replace=True)
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        restore(move.workspace, str(place), replace=True)
    assert state(move) == before
    assert not (move.root / ".migrate.restoring").exists()

    path.write_bytes(whole)
    manifest = next((place / "backups").iterdir())
    content = json.loads(manifest.read_text())
    del content["files"][part]
    manifest.write_text(json.dumps(content))
    with pytest.raises(Damaged, match="isn't what its name says"):
        restore(move.workspace, str(place), replace=True)


def test_a_ledger_that_is_newer_than_its_journal_is_refused(
    move: Move, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrate.stages.care import backup as module

    monkeypatch.setattr(module._Taking, "_journal", lambda *_: None)
    backup(move.workspace, str(place))
    with pytest.raises(Damaged, match="newer than its journal"):
        restore(move.workspace, str(place), replace=True)
    assert fsck(move.workspace).findings == []


def test_damage_is_not_backed_up(move: Move, place: Path) -> None:
    part = next((move.root / ".migrate" / "stage" / "ready").rglob("part-*.parquet"))
    part.write_bytes(part.read_bytes() + b"x")
    with pytest.raises(Damaged, match="migrate fsck"):
        backup(move.workspace, str(place))
    assert not (place / "backups").exists()


@pytest.mark.long
def test_after_an_old_backup_nothing_is_written_before_the_target_was_looked_at(
    move: Move, place: Path
) -> None:
    backup(move.workspace, str(place))
    move.source.put("Account", "A0", Name="Renamed")
    move.source.put("Account", "A8", Name="Late")
    move.source.put("Account", "A9", Name="Later")
    move.move(delta=True)
    restore(move.workspace, str(place), replace=True)
    move.stage(delta=True)
    calls = move.target.calls

    for command in (move.load, move.roll_back):
        with pytest.raises(Behind, match="lies before the target's state") as caught:
            command()
        assert caught.value.unknown == {"companies": 2}
        assert "src.Account.A8" in str(caught.value)
    assert move.target.calls == calls

    found = from_target(move.workspace)
    assert found.created == {"companies": 2}
    again = move.load()
    assert not any(tally["create"] for tally in again.objects.values())
    assert twins(move) == []
    assert move.there("Account", "A9").values["name"] == "Later"
    back(move)


@pytest.mark.long
def test_every_backup_that_is_taken_while_a_load_runs_can_be_restored(
    tmp_path: Path, engine: Engine, place: Path
) -> None:
    move = made(tmp_path / "w", engine, accounts=20, contacts=20)
    move.stage()
    names: list[str] = []
    failed: list[BaseException] = []

    def load() -> None:
        try:
            move.load()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    while thread.is_alive():
        names.append(backup(move.workspace, str(place)).name)
    thread.join()
    assert failed == []
    assert len(names) > 1
    target = {id: dict(record.values) for id, record in move.target.records.items()}
    for name in dict.fromkeys((names[0], names[len(names) // 2], names[-1])):
        restore(move.workspace, str(place), name, replace=True)
        assert [each for each in fsck(move.workspace, deep=True).findings if each.counts] == []
    assert target == {id: dict(record.values) for id, record in move.target.records.items()}
