"""A plan of a rollback says of every change what becomes of it, what it costs, and what happens besides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from migrate_rollback import Group, RollbackPlan, Scope, decision, planning, planrows

from migrate.cli import undo_plan
from migrate.connector import Change, Restorable, Who
from migrate.connectors.hubspot.restoring import RESTORING
from migrate.engine import Engine
from tests.unit.two_systems import Move

PLAN = """\
- source: Account
  target: companies
  match: [name]
  fields: {name: Name, note: {from: Note, wins: source}}
- source: Contact
  target: contacts
  fields: {name: LastName, email: Email}
  links: [{to: companies, via: AccountId}]
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as engine:
        yield engine


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    """Loaded: three companies of ours, one adopted, eight contacts, each linked to a company."""
    made = Move(tmp_path / "w", engine, PLAN)
    made.target.restoring = lambda: RESTORING  # type: ignore[attr-defined]
    made.target.make(Who.PERSON, "companies", name="Acme", note="theirs")
    for id in ("A1", "A2", "A3"):
        made.source.put("Account", id, Name=f"Firm {id}", Note="ours")
    made.source.put("Account", "A0", Name="Acme", Note="ours")
    for number in range(8):
        made.source.put("Contact", f"C{number}", LastName=f"N{number}", AccountId=f"A{number % 4}")
    made.move()
    return made


def plan(move: Move) -> RollbackPlan:
    return planning.plan(move.workspace)


def rows(move: Move, found: RollbackPlan) -> list[dict[str, str]]:
    return list(planrows.read(move.workspace, found.folder))


def test_every_change_has_a_row_and_what_happens_besides_is_counted(
    move: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plan(move)

    assert found.counts == {"delete": 11, "restore": 1, "with record": 8}
    assert found.clean
    told = rows(move, found)
    assert len(told) == 20
    assert {row["detail"] for row in told if row["action"] == "restore"} == {"migration_key, note"}
    one = move.there("Contact", "C1").id
    assert {row["url"] for row in told if row["id"] == one} == {f"https://new.test/contacts/{one}"}

    assert {(each.kind, each.object, each.count) for each in found.effects} == {("cascade", "contacts", 2)}
    assert found.untold == ("`new` tells nothing of its automations.",)
    assert [each.count for each in found.stays] == [12]

    monkeypatch.setattr(decision, "ROWS", 5)
    decision.write(move.workspace, found, tmp_path / "plan.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "plan.xlsx")["Rows"]
    assert sheet.max_row == 2 + 5
    assert str(sheet.cell(1, 1).value).startswith("5 of 20 rows; all of them as Parquet: ")

    fixed = Restorable(Change.RECORD_CREATED, "none", "nobody deletes a person", objects=("contacts",))
    move.target.restoring = lambda: (fixed, *RESTORING)  # type: ignore[attr-defined]
    again = plan(move)
    assert again.counts == {"can't": 8, "delete": 3, "restore": 1, "with record": 6, "stays": 2}
    assert again.groups[0].note == "nobody deletes a person"


def test_what_others_touched_comes_first_stays_with_its_links_and_a_run_does_the_rest(
    move: Move, tmp_path: Path
) -> None:
    move.target.write(move.there("Contact", "C0"), {"email": "=cmd()"}, Who.PERSON)
    move.there("Account", "A0").live = False

    found = plan(move)

    assert [(group.action, group.code, group.count) for group in found.groups] == [
        ("by hand", "gone", 1), ("hold", "edited", 1), ("delete", "", 3), ("delete", "", 7),
        ("with record", "", 7), ("stays", "", 1),
    ]  # fmt: skip
    assert not found.clean
    (gone,) = found.of("by hand")
    assert gone.note.endswith(
        "then its values are put back: the object's list, Actions, Restore records; 90 days"
    )
    text = undo_plan.text(found, "here")
    assert f"https://new.test/companies/{found.left[0].id}" in text
    assert text.index("Left to a person") < text.index("Held") < text.index("Would be undone")

    path = tmp_path / "plan.xlsx"
    decision.write(move.workspace, found, path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Decision", "Groups", "Left to people", "Side effects", "Rows"]
    first = {row[0].value: row[1].value for row in book["Decision"].iter_rows() if row[0].value}
    assert (first["Left to a person"], first["Held"], first["Would be undone"]) == (1, 1, 17)
    assert book["Rows"].max_row == 2 + len(rows(move, found))
    left: Any = book["Left to people"]
    assert left.cell(3, 11).hyperlink.target == f"https://new.test/companies/{left.cell(3, 6).value}"
    cells = [cell.value for sheet in book for line in sheet.iter_rows() for cell in line]
    assert not [value for value in cells if str(value).startswith("=")]

    done = move.roll_back()

    tallies = {name: sum(tally[name] for tally in done.objects.values()) for name in ("delete", "restore")}
    assert tallies["delete"] == found.counts["delete"]
    assert sum(group.count for group in done.held) == found.counts["hold"]
    again = plan(move)
    assert again.counts == {"hold": 1}
    assert "to delete" not in again.cost.calls


def test_addresses_that_opted_out_stay_in_the_workspace(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Move(tmp_path / "w", engine, PLAN)
    row = dict.fromkeys(planrows.NAMES, "") | {"object": "consent", "action": "can't", "why": "consent"}
    gone = row | {"object": "companies", "why": "gone", "id": "7"}
    both = [row | {"left": "ann@example.com"}, gone]
    monkeypatch.setattr(planrows, "read", lambda *_: iter(both))
    groups = tuple(Group(each["object"], "can't", each["why"], 1) for each in both)
    found = RollbackPlan(1, "before-load-1", "", None, None, True, 1.0, groups, "rollback/plan")

    decision.write(move.workspace, found, tmp_path / "plan.xlsx")

    book = openpyxl.load_workbook(tmp_path / "plan.xlsx")
    cells = [str(cell.value) for sheet in book for line in sheet.iter_rows() for cell in line]
    assert "ann@example.com" not in cells
    assert any(value.startswith("1 of 2 rows (1 opt-outs are left out here)") for value in cells)
    assert "7" in cells


def test_back_to_a_later_checkpoint_what_a_delta_deleted_is_left_to_a_person(move: Move) -> None:
    gone = move.there("Contact", "C1").id
    before = len(planning.checkpoints(move.workspace))
    move.source.delete("Contact", "C1")
    move.source.put("Contact", "C9", LastName="New", AccountId="A1")
    move.move(delta=True)
    later = planning.checkpoints(move.workspace)[before].point.name

    found = planning.plan(move.workspace, scope=Scope(later))

    assert found.counts == {"by hand": 1, "delete": 1, "with record": 1}
    (deleted,) = found.of("by hand")
    assert (deleted.code, deleted.object) == ("deleted", "contacts")
    assert deleted.note.startswith("bring it back if it is wanted: the object's list")
    (row,) = planrows.read(move.workspace, found.folder, ("by hand",))
    assert row["url"] == f"https://new.test/contacts/{gone}"
