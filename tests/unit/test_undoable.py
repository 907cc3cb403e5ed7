"""Before a load it is said what couldn't be put back; after it, which kinds of change were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.connector import Automation, Change, Told, Who
from migrate.engine import Engine
from migrate.stages.pipeline import checked
from migrate.stages.undoable import WayBack, kinds_made, way_back
from tests.unit.test_undo_plan import PLAN
from tests.unit.two_systems import Move


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as engine:
        yield engine


def ahead(move: Move, window: str = "") -> WayBack:
    if window:
        path = move.root / "plan.yaml"
        path.write_text(path.read_text() + f"cutover: {{window: {window}}}\n")
    workspace = move.workspace
    return way_back(workspace, checked(workspace))


def test_a_window_longer_than_the_vendors_memory_is_a_warning_with_both_figures(
    tmp_path: Path, engine: Engine
) -> None:
    move = Move(tmp_path / "w", engine, PLAN)

    told = ahead(move, "100 days")

    assert told.limit == 90
    assert told.warning is not None
    assert "100 days" in told.warning.what
    assert "90 days" in told.warning.what
    assert told.warning.at.line == len((tmp_path / "w" / "plan.yaml").read_text().splitlines())


@pytest.mark.parametrize("window", ["90 days", "10 working days"])
def test_a_window_within_it_is_none(tmp_path: Path, engine: Engine, window: str) -> None:
    told = ahead(Move(tmp_path / "w", engine, PLAN), window)

    assert told.warning is None
    assert [each.change for each in told.by_hand] == [Change.RECORD_DELETED]
    assert "by a delta" in told.words


def test_what_nobody_could_put_back_is_listed_with_counts_as_soon_as_there_is_an_extract(
    tmp_path: Path, engine: Engine
) -> None:
    plan = PLAN.replace(
        "note: {from: Note, wins: source}", "note: {from: Note, wins: source}, parent: ParentId"
    )
    move = Move(tmp_path / "w", engine, plan)
    move.source.put("Account", "A", Name="Acme")
    move.source.put("Contact", "C", LastName="Ann", AccountId="A")

    before, asked = ahead(move), Told((Automation("companies", "workflow", "Welcome", "1", active=True),))
    move.stage()
    workspace = move.workspace
    after = way_back(workspace, checked(workspace), asked)

    assert [each.change for each in before.never] == [Change.HISTORY]
    assert [each.change for each in after.never] == [Change.HISTORY, Change.MAIL_SENT]
    created = {each.change: each.most for each in after.ahead}
    assert created[Change.RECORD_CREATED] == 2
    assert created[Change.FIELD_OVERWRITTEN] == 1
    assert {each.most for each in before.ahead if each.change is Change.RECORD_CREATED} == {None}


def test_the_kinds_made_follow_from_the_journal_and_a_rollback_makes_none(
    tmp_path: Path, engine: Engine
) -> None:
    move = Move(tmp_path / "w", engine, PLAN)
    move.target.make(Who.PERSON, "companies", name="Acme", note="theirs")
    move.source.put("Account", "A", Name="Acme", Note="ours")
    move.source.put("Contact", "C", LastName="Ann", AccountId="A")
    assert kinds_made(move.workspace) == set()

    move.move()
    first = kinds_made(move.workspace)
    seqs = f"SELECT max(seq) AS seq FROM {move.workspace.journal.source()}"
    half = int(engine.rows(seqs)[0]["seq"])
    move.source.delete("Contact", "C")
    move.move(delta=True)

    records = {Change.RECORD_CREATED, Change.FIELD_OVERWRITTEN, Change.LINK_MADE, Change.HISTORY}
    assert first == records
    assert kinds_made(move.workspace) == records | {Change.RECORD_DELETED}
    assert kinds_made(move.workspace, since=half) == {Change.RECORD_DELETED, Change.HISTORY}
    move.roll_back()
    assert kinds_made(move.workspace) == records | {Change.RECORD_DELETED}
