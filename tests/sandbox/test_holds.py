"""What is held, whose it is, and what becomes of it: a HubSpot, real processes, a sheet there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.sandbox.test_rollback import OBJECTS, Line, line  # noqa: F401 - the fixture is used by name

pytestmark = pytest.mark.long

OURS = ("name", "domain", "phone", "annualrevenue", "numberofemployees", "city", "hubspot_owner_id")
HEAD, DECISION, REMARK, NOW = 5, 11, 12, 8  # the head's line; columns of a sheet


def adopted_and_made(line: Line) -> tuple[list[str], list[str]]:  # noqa: F811
    """Companies that were there before us, and those that we created; ids."""
    ours = line.ours("companies")
    adopted = [id for id in ours if line.truth("companies")[id]["properties"]["createdate"] < "2026"]
    return adopted, [id for id in ours if id not in adopted]


def values(line: Line, id: str) -> dict[str, Any]:  # noqa: F811
    row = line.truth("companies")[id]["properties"]
    return {name: row.get(name) for name in OURS}


def edit(line: Line, id: str, **fields: str) -> None:  # noqa: F811
    line.act(do="update", object="companies", id=id, fields=fields)


def groups(line: Line) -> dict[str, dict[str, Any]]:  # noqa: F811
    found = line.run("rollback", "hold", "list", codes=(0, 1))["groups"]
    return {each["name"]: each for each in found}


def decide(file: Path, decisions: dict[str, str], **cells: str) -> None:
    """Fill in a sheet; `cells`: other cells, by their column's letter, of the first row."""
    book = load_workbook(file)
    sheet = book["Held records"]
    for row in range(HEAD + 1, sheet.max_row + 1):
        id = str(sheet.cell(row, 2).value)
        if id in decisions:
            sheet.cell(row, DECISION).value = decisions[id]
            sheet.cell(row, REMARK).value = "=1+1"
    for letter, value in cells.items():
        sheet[f"{letter}{HEAD + 1}"].value = value
    book.save(file)


def test_values_decide_and_a_persons_link_between_two_of_ours_holds_both(line: Line) -> None:  # noqa: F811
    line.run("load", codes=(0, 1))
    adopted, made = adopted_and_made(line)
    contacts = line.ours("contacts")
    before = line.truth("companies")[made[0]]["properties"]
    edit(line, made[0], description="to be gone", city="Elsewhere")
    edit(line, made[0], description=before.get("description") or "", city=before.get("city") or "")
    edit(line, adopted[0], description="a note where we wrote nothing")
    line.act(do="link", object="companies", id=adopted[0], to_object="companies", to=adopted[1])
    place = {"object": "companies", "id": adopted[1]}
    line.act(do="create", object="notes", fields={"hs_note_body": "ring"}, on=place)
    free = unlinked(line, contacts, made[1:])
    line.act(do="link", object="contacts", id=free[0], to_object="companies", to=free[1])
    line.act(do="touch", object="companies")

    line.run("rollback", "run", "--yes", codes=(1,))

    shown = [one for name in groups(line) for one in line.run("rollback", "hold", "show", name)["holds"]]
    assert {one["id"]: (one["object"], one["code"]) for one in shown} == {
        free[0]: ("contacts", "linked"), free[1]: ("companies", "linked"),
    }, [(one["reason"], one["fields"]) for one in shown]  # fmt: skip
    line.back(held=2)
    assert {object: line.ours(object) for object in OBJECTS} == {
        "companies": [free[1]], "contacts": [free[0]], "deals": [],
    }  # fmt: skip
    for name in ("contacts.linked", "companies.linked"):
        line.run("rollback", "hold", "force", name, "--yes", codes=(0, 1))
    assert line.run("rollback", "verify")["words"].startswith("pass, 0 held")


def unlinked(line: Line, contacts: list[str], companies: list[str]) -> tuple[str, str]:  # noqa: F811
    """A contact and a company of ours that nothing links, whose domains don't make HubSpot link them."""
    there = line.hubspot.control.ndjson("/truth/links")
    pairs = {(row["from"], row["to"]) for row in there}
    people, firms = line.truth("contacts"), line.truth("companies")
    for contact in contacts:
        mail = str(people[contact]["properties"].get("email") or "").rpartition("@")[2]
        for company in companies:
            domain = firms[company]["properties"].get("domain")
            if (contact, company) not in pairs and domain and domain not in mail:
                return contact, company
    raise AssertionError("every contact is linked to every company")


def test_a_sheet_goes_out_comes_back_and_is_carried_out(line: Line, tmp_path: Path) -> None:  # noqa: F811
    there = {id: values(line, id) for id in line.truth("companies")}
    line.run("load", codes=(0, 1))
    adopted, made = adopted_and_made(line)
    for id in adopted[:3]:
        edit(line, id, phone="+49 30 1", description="hers")
    edit(line, made[0], description="=cmd|' /C calc'!A0")
    line.back(held=4)

    group = groups(line)["companies.edited"]
    assert (group["count"], group["by_field"], group["decided"]) == (4, 3, "")
    assert sum(each["count"] for each in group["owners"]) == 4
    [shown] = line.run("rollback", "hold", "show", "companies.edited", "--record", adopted[0])["holds"]
    sides = {each["field"]: each for each in shown["fields"]}
    assert sides["phone"]["before"] == there[adopted[0]]["phone"]
    assert (sides["phone"]["now"], sides["phone"]["merged"]) == ("+49 30 1", "+49 30 1")
    assert sides["phone"]["forced"] == sides["phone"]["before"]
    assert sides["phone"]["at"]
    assert (sides["migration_key"]["now"], sides["migration_key"]["merged"]) == (shown["key"], None)
    assert shown["choices"] == ["keep", "force", "merge"]
    refused = line.run("rollback", "hold", "show", "companies.edited", "--record", "1", codes=(2,))
    assert "holds no record `1`" in refused["message"]

    file = tmp_path / "holds.xlsx"
    assert line.run("rollback", "hold", "list", "--xlsx", str(file), codes=(1,))["rows"] == 4
    wanted = {adopted[0]: "merge", adopted[1]: "Force", made[0]: "merge"}
    decide(file, wanted)
    refused = line.run("rollback", "hold", "read", str(file), codes=(2,))
    assert f"`merge` isn't possible for companies {made[0]}" in refused["message"]
    decide(file, {**wanted, made[0]: "keep"}, H="something else")
    refused = line.run("rollback", "hold", "read", str(file), codes=(2,))
    assert f"line {HEAD + 1}: something was changed beside the decision" in refused["message"]
    assert (
        "is there already" in line.run("rollback", "hold", "list", "--xlsx", str(file), codes=(2,))["message"]
    )
    file = tmp_path / "again.xlsx"
    line.run("rollback", "hold", "list", "--xlsx", str(file), codes=(1,))
    decide(file, {**wanted, made[0]: "keep"})
    edit(line, adopted[1], phone="+49 30 2")
    refused = line.run("rollback", "hold", "read", str(file), codes=(2,))
    assert f"companies {adopted[1]} has changed since the sheet was written" in refused["message"]
    assert groups(line)["companies.edited"]["decisions"] == []

    file = tmp_path / "holds of today.xlsx"
    line.run("rollback", "hold", "list", "--xlsx", str(file), codes=(1,))
    decide(file, {**wanted, made[0]: "keep"})
    read = line.run("rollback", "hold", "read", str(file))["read"]
    assert read["counts"] == {"keep": 1, "force": 1, "merge": 1}
    told = {each["what"]: each for each in groups(line)["companies.edited"]["decisions"]}
    assert set(told) == {"keep", "force", "merge"}
    assert all(each["who"] and each["at"] for each in told.values())
    line.run("rollback", "hold", "apply", "--yes", codes=(1,))

    assert values(line, adopted[0]) == {**there[adopted[0]], "phone": "+49 30 1"}
    assert values(line, adopted[1]) == there[adopted[1]]
    verified = line.run("rollback", "verify", codes=(1,))
    assert (verified["verdict"], verified["held"]) == ("pass", 2), verified["failures"]
    assert verified["foreign"]["companies: kept by a decision"] == 1
    assert "No decision waits" in line.run("rollback", "hold", "apply", "--yes", codes=(2,))["message"]

    line.run("rollback", "hold", "merge", "companies.edited", "--yes", codes=(1,))
    assert values(line, adopted[2]) == {**there[adopted[2]], "phone": "+49 30 1"}
    refused = line.run("rollback", "hold", "merge", "companies.edited", "--yes", codes=(2,))
    assert "a record that we created goes as a whole" in refused["message"]
    line.run("rollback", "hold", "force", "companies.edited", "--yes")
    assert line.run("rollback", "verify")["words"].startswith("pass, 0 held")


@pytest.mark.parametrize("at", ["arrival", "after_commit"])
def test_a_merge_killed_in_its_call_goes_on_and_is_verified(line: Line, at: str) -> None:  # noqa: F811
    for id in line.truth("companies"):
        edit(line, id, phone="")  # so that a load fills it, whatever a test before has left
    there = {id: values(line, id) for id in line.truth("companies")}
    line.run("load", codes=(0, 1))
    adopted, _ = adopted_and_made(line)
    edit(line, adopted[0], phone="+49 30 1")
    line.back(held=1)
    line.fault("companies/batch/update", "hold", at=at)
    process = line.start("rollback", "hold", "merge", "companies.edited", "--yes")
    line.hubspot.control.wait_held(1, 60)
    process.kill()
    process.communicate()
    line.hubspot.control.delete("/faults")

    line.run("rollback", "run", "--yes")

    assert values(line, adopted[0]) == {**there[adopted[0]], "phone": "+49 30 1"}
    verified = line.run("rollback", "verify")
    assert verified["words"].startswith("pass, 0 held")
    assert verified["foreign"]["companies: kept by a decision"] == 1
