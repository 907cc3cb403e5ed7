"""People test their own records: what they say comes back once, and nothing else does."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from migrate_validators import waive
from migrate_validators.run import validate
from migrate_validators.uat import Taken, read, sheets
from migrate_validators.uat.workbooks import ANSWER, DIGEST, HEAD, ID, NOT_OK, OK, RECORDS, REMARK
from openpyxl import load_workbook

from migrate.catalog import Owner
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.forms import RUN, TOP
from migrate.ledger.people import handed_out, standing_answers
from migrate.stages.discover import discover
from migrate.types import Kind
from tests.unit.fake_target import FakeTarget
from tests.unit.two_systems import SOURCE, TARGET, Move, Rows, field

ADA, BOB = "ada@new.test", "bob@new.test"
PLAN = """
- source: Account
  target: companies
  key: {field: migration_key}
  fields:
    name: Name
    note: Note
    owner: {from: OwnerId, owner: owners.csv, inactive: ada@new.test}
    parent: {from: ParentId, reference: Account, missing: later}
- source: Contact
  target: contacts
  key: {field: migration_key}
  dedupe: {on: [lower(Email)]}
  fields:
    name: LastName
    email: Email
    bio: Bio
    owner: {from: OwnerId, owner: owners.csv, inactive: ada@new.test}
    company: {from: AccountId, reference: Account}
"""
OWNERS = """source_id,source_email,source_name,active,target_email,note
U1,ada@old.test,Ada,true,ada@new.test,
U2,bob@old.test,Bob,true,bob@new.test,
"""
PEOPLE = (
    Owner(id="1", email="Ada@new.test", name="Ada Lovelace"), Owner(id="2", email=BOB, name="Bob"),
    Owner(id="3", email="eve@new.test", name="Eve"),
)  # fmt: skip


def owned(catalog: Any, name: str, owners: tuple[Owner, ...]) -> Any:
    """The catalog with an owner field on each object."""
    objects = {
        key: each.model_copy(
            update={"fields": {**each.fields, name: field(name, Kind.REFERENCE, owner=True)}}
        )
        for key, each in catalog.objects.items()
    }
    return catalog.model_copy(update={"objects": objects, "owners": owners})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path], threads=1) as made:
        yield made


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    users = (
        Owner(id="U1", email="ada@old.test", name="Ada"),
        Owner(id="U2", email="bob@old.test", name="Bob"),
    )
    made = Move(tmp_path / "move", engine, PLAN)
    made.source = Rows(made.clock, owned(SOURCE, "OwnerId", users))
    made.target = FakeTarget(made.clock, catalog=owned(TARGET, "owner", PEOPLE))
    (made.root / "owners.csv").write_text(OWNERS)
    discover(made.workspace)
    for number in range(6):
        parent = {"ParentId": "A0"} if number in (1, 2) else {}
        made.source.put("Account", f"A{number}", Name=f"Firm {number}", OwnerId="U1", **parent)
    made.source.put("Account", "A9", Name="=HYPERLINK(1)", Note="x" * 3000, OwnerId="U2")
    made.source.put("Account", "A8", Name="Orphan", OwnerId="U2", ParentId="A77")
    people = {"C1": "Ivanov", "C2": "Иванов", "C3": "Twin", "C4": "Twin too"}
    for id, name in people.items():
        mail = "twin@x.test" if name.startswith("Twin") else f"{id}@x.test"
        made.source.put("Contact", id, LastName=name, Email=mail, AccountId="A1", OwnerId="U2", Bio="a\nb")
    made.move()
    return made


def made(move: Move, **more: Any) -> dict[str, Path]:
    """Sheets of all testers, by address."""
    folder = move.root.parent / f"sheets{len(list(move.root.parent.iterdir()))}"
    return {each.tester: each.file for each in sheets(move.workspace, folder, **more).sheets}


def grid(file: Path) -> list[tuple[Any, ...]]:
    """The lines of a sheet."""
    book = load_workbook(file)
    return [row for row in book[RECORDS].iter_rows(min_row=TOP + 2, values_only=True) if row[ID]]


def fill(file: Path, answers: dict[tuple[str, str], tuple[str, str]], to: Path | None = None) -> Path:
    """Fill a sheet in as a person does: by record and field, `OK` or not and a remark."""
    book = load_workbook(file)
    done = set()
    for row in book[RECORDS].iter_rows(min_row=TOP + 2):
        said = answers.get((str(row[0].value), str(row[2].value)))
        if said:
            row[ANSWER].value, row[REMARK].value = said
            done.add((str(row[0].value), str(row[2].value)))
    assert done == answers.keys()
    book.save(to or file)
    return to or file


WHOLE = "The record as a whole"


# -- the sheet --------------------------------------------------------------------------------


def test_each_tester_gets_their_own_records_side_by_side_and_why(move: Move) -> None:
    move.target.edit(move.key("Account", "A1"), "name", "Other")

    found = made(move)

    assert set(found) == {ADA, BOB}
    assert found[ADA].name == "ada@new.test.xlsx"
    ada, bob = grid(found[ADA]), grid(found[BOB])
    assert {row[0] for row in ada} == {f"Firm {number}" for number in range(6)}
    assert ada[0][0] in ("Firm 0", "Firm 1")  # most hangs on them
    assert str(ada[0][1]).startswith("top account, records that lead to it: ")
    firm = {row[2]: row[3:5] for row in ada if row[0] == "Firm 1"}
    assert firm["name"] == ("Firm 1", "Other")
    assert firm["owner"] == ("Ada", "Ada Lovelace")
    assert firm["parent"] == ("Firm 0", "Firm 0")
    assert "migration_key" not in firm
    why = {row[0]: row[1] for row in bob if row[2] == WHOLE}
    assert why["Иванов"] == "letters that are not Latin"
    assert why["Twin"] == "records merged into it: 1"
    assert "Twin too" not in why
    assert why["Orphan"] == "records to which it should lead and that were not moved: 1"
    assert next(row[4] for row in bob if row[0] == "Twin" and row[2] == "bio") == "a\nb"
    assert "https://new.test/companies/" in {row[6][: len("https://new.test/companies/")] for row in ada}


def test_the_choice_is_the_same_each_time_and_bounded(move: Move) -> None:
    first, second = made(move, per_user=3), made(move, per_user=3)

    for tester in (ADA, BOB):
        assert [row[:7] for row in grid(first[tester])] == [row[:7] for row in grid(second[tester])]
        assert len({row[0] for row in grid(first[tester])}) == 3


def test_a_text_that_begins_as_a_formula_stays_a_text_and_a_long_one_is_cut(move: Move) -> None:
    file = made(move)[BOB]

    book = load_workbook(file)
    cells = [cell for row in book[RECORDS].iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    rows = {row[2]: row for row in grid(file) if str(row[0]).endswith("=HYPERLINK(1)")}
    assert rows["name"][3] == "'=HYPERLINK(1)"
    assert str(rows["note"][3]).endswith("(3,000 signs in all)")
    assert "a text of 3000 signs" in {row[1] for row in rows.values()}


def test_only_the_answer_and_the_remark_can_be_filled_in(move: Move) -> None:
    book = load_workbook(made(move)[ADA])
    sheet = book[RECORDS]

    assert sheet.protection.sheet
    assert book[RUN].sheet_state == "veryHidden"
    free = {
        int(cell.column or 0) - 1 for row in sheet.iter_rows() for cell in row if not cell.protection.locked
    }
    assert free == {ANSWER, REMARK}
    assert sheet.data_validations.dataValidation[0].formula1 == f'"{OK},{NOT_OK}"'
    assert [sheet.column_dimensions[letter].hidden for letter in "JK"] == [True, True]
    link = next(row[6] for row in sheet.iter_rows(min_row=TOP + 2) if row[6].value)
    assert link.hyperlink is not None
    assert link.hyperlink.target == link.value


def test_a_tester_can_be_named_and_one_who_is_nobody_is_told(move: Move) -> None:
    assert set(made(move, users=["ADA@new.test"])) == {ADA}
    with pytest.raises(UsageError, match=r"No owner of the target has the address `no@x`(?s:.*)ada@new.test"):
        made(move, users=["no@x"])
    with pytest.raises(UsageError, match="own no record that was loaded"):
        made(move, users=["eve@new.test"])


def test_a_file_with_answers_is_not_overwritten(move: Move) -> None:
    file = made(move)[ADA]
    with pytest.raises(UsageError, match="is there already"):
        sheets(move.workspace, file.parent)
    assert len(handed_out(move.workspace.ledger)) == 2


# -- what comes back --------------------------------------------------------------------------


def taken(move: Move, *files: Path) -> Taken:
    return read(move.workspace, files)


def people(move: Move) -> tuple[dict[str, Any], dict[str, Any]]:
    """The check's results by id, and the section."""
    report = validate(move.workspace)
    screen = {each["id"]: each for each in report.document()["screen"]}
    return {each["id"]: each for each in report.results if each["check"] == "people"}, screen["people"]


def test_without_a_sheet_nothing_is_set_up(move: Move) -> None:
    results, section = people(move)
    assert (results, section["verdict"]) == ({}, None)


def test_handed_out_and_not_back_is_amber(move: Move) -> None:
    made(move)
    results, section = people(move)
    assert results["people"]["verdict"] == section["verdict"] == "warn"
    assert section["figures"]["sheets back"] == 0


def test_a_failure_is_red_with_a_lasting_id_until_the_same_tester_says_ok(move: Move) -> None:
    files = made(move)
    fill(files[ADA], {("Firm 1", "name"): (NOT_OK, "the name is wrong"), ("Firm 2", WHOLE): (OK, "")})
    fill(files[BOB], {("Twin", WHOLE): ("ok", "")})
    found = taken(move, *files.values())
    assert (found.testers, found.records, found.answers, found.new, found.failed) == ((ADA, BOB), 3, 3, 3, 1)

    results, section = people(move)
    first = results["people.Account"]
    (row,) = first["sample"]
    assert first["verdict"] == section["verdict"] == "fail"
    assert (row["class"], row["field"], row["key"]) == (
        "reported by a person", "name", move.key("Account", "A1"),
    )  # fmt: skip
    assert (section["figures"]["testers"], section["figures"]["sheets back"]) == (2, 2)
    assert section["figures"]["open failures"] == 1
    assert results["people.Contact"]["verdict"] == "pass"

    again, _ = people(move)
    assert again["people.Account"]["sample"][0]["difference"] == row["difference"]

    fill(files[ADA], {("Firm 1", "name"): (OK, "mended")})
    taken(move, files[ADA])
    results, section = people(move)
    assert results["people.Account"]["verdict"] == section["verdict"] == "pass"


def test_a_failure_can_be_waived(move: Move) -> None:
    files = made(move)
    fill(files[ADA], {("Firm 1", "name"): (NOT_OK, "x")})
    fill(files[BOB], {("Twin", WHOLE): (OK, "")})
    taken(move, *files.values())
    results, _ = people(move)
    name = results["people.Account"]["sample"][0]["difference"]
    until = f"{move.clock.now().year + 1}-01-01"

    waive(move.workspace, [name], by="Ada", reason="known", until=until)

    results, section = people(move)
    assert results["people.Account"]["verdict"] == section["verdict"] == "warn"


def test_a_sheet_that_is_read_twice_counts_once(move: Move) -> None:
    file = fill(made(move)[ADA], {("Firm 1", "name"): (NOT_OK, "x")})

    assert [taken(move, file, file).new, taken(move, file).new] == [1, 0]
    assert len(standing_answers(move.workspace.ledger, 1)) == 1


def test_an_old_sheet_takes_back_nothing_that_a_newer_one_says(move: Move) -> None:
    old = fill(made(move)[ADA], {("Firm 1", "name"): (NOT_OK, "x")})
    taken(move, old)
    move.clock.sleep(60)
    taken(move, fill(made(move)[ADA], {("Firm 1", "name"): (OK, "")}))

    assert taken(move, old).new == 0
    assert [one.ok for one in standing_answers(move.workspace.ledger, 1)] == [True]


def test_a_remark_without_an_answer_is_told_and_does_not_count(move: Move) -> None:
    file = fill(made(move)[ADA], {("Firm 1", "name"): ("", "hm")})
    found = taken(move, file)
    assert found.answers == 0
    assert "a remark without an answer" in found.notes[0]
    assert f"line {TOP + 3}" in found.notes[0] or "line" in found.notes[0]


def tampered(file: Path, column: int, value: Any, row: int = TOP + 3) -> Path:
    book = load_workbook(file)
    book[RECORDS].cell(row, column + 1).value = value
    book.save(file)
    return file


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, "Another", "something was changed beside the answer"),
        (4, "what I wish it were", "something was changed beside the answer"),
        (ID, '["Account","sf.X.1","name"]', "something was changed beside the answer"),
        (ID, "[", "something was changed beside the answer"),
        (DIGEST, "0", "something was changed beside the answer"),
        (ANSWER, "maybe", "`maybe` is no answer. Choose OK or not OK"),
        (ANSWER, "=1+1", "`=1\\+1` is no answer"),
        (len(HEAD), "note", "stands beside our columns"),
    ],
)
def test_what_was_changed_beside_the_answers_is_named_with_its_line_and_nothing_is_taken(
    move: Move, column: int, value: Any, words: str
) -> None:
    files = made(move)
    fill(files[BOB], {("Twin", WHOLE): (OK, "")})

    with pytest.raises(UsageError, match=rf"{files[ADA].name}, sheet `Records`, line {TOP + 3}: .*{words}"):
        taken(move, files[BOB], tampered(files[ADA], column, value))
    assert standing_answers(move.workspace.ledger, 1) == []


def test_lines_that_are_missing_or_doubled_are_told(move: Move) -> None:
    files = made(move)
    book = load_workbook(files[ADA])
    book[RECORDS].delete_rows(TOP + 4)
    book.save(files[ADA])
    with pytest.raises(UsageError, match="lines are missing"):
        taken(move, files[ADA])

    book = load_workbook(files[BOB])
    sheet = book[RECORDS]
    sheet.append([cell.value for cell in sheet[TOP + 2]])
    book.save(files[BOB])
    with pytest.raises(UsageError, match="the same line as an earlier one"):
        taken(move, files[BOB])


def test_what_only_a_program_changes_on_saving_does_no_harm(move: Move) -> None:
    files = made(move)
    book = load_workbook(files[BOB])
    for row in book[RECORDS].iter_rows(min_row=TOP + 2):
        for cell in row[:5]:
            if isinstance(cell.value, str):
                cell.value = cell.value.replace("\n", "\r\n") + " "
    book.save(files[BOB])
    fill(files[BOB], {("Twin ", f"{WHOLE} "): (OK, "")})
    assert taken(move, files[BOB]).new == 1


def test_a_sheet_of_another_run_is_told(move: Move, tmp_path: Path) -> None:
    file = made(move)[ADA]
    book = load_workbook(file)
    for row in book[RUN].iter_rows():
        if row[0].value == "sheet":
            row[1].value = "S-OTHER"
    book.save(file)
    with pytest.raises(UsageError, match="a sheet of another run: this workspace handed out no `S-OTHER`"):
        taken(move, file)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/"), content)
    return path


def test_files_that_are_no_sheets_are_told_and_do_no_harm(move: Move, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "text.xlsx").write_text("hello")
    bomb = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (str(n - 1).encode() if n else b"") * 10) for n in range(9)
    ) + b"]><l>&a8;</l>"  # fmt: skip
    files = {
        folder / "absent.xlsx": "it isn't there",
        folder / "text.xlsx": "it isn't a workbook",
        zipped(folder / "zip.xlsx", a=b"b"): "it can't be read as a workbook",
        zipped(folder / "large.xlsx", a=b"\0" * 210_000_000): "unpacks to more than",
        zipped(folder / "bomb.xlsx", xl__workbook=bomb): "can't be read as a workbook",
    }
    book = load_workbook(made(move)[ADA])
    del book[RUN]
    book.save(folder / "other.xlsx")
    files[folder / "other.xlsx"] = "isn't a sheet of `migrate uat sheets`"

    with pytest.raises(UsageError) as caught:
        taken(move, *files)
    for file, words in files.items():
        assert any(file.name in line and words in line for line in str(caught.value).splitlines()), words


def test_nobody_owns_anything_is_told_with_what_to_do(tmp_path: Path, engine: Engine) -> None:
    plan = "\n".join(line for line in PLAN.splitlines() if "owner" not in line)
    bare = Move(tmp_path / "bare", engine, plan)
    bare.source.put("Account", "A1", Name="Firm")
    bare.move()
    with pytest.raises(UsageError, match="The plan fills no owner"):
        sheets(bare.workspace, tmp_path / "none")
    assert not (tmp_path / "none").exists()
