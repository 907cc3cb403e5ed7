"""Two small migrations at moments at which every page of the console has something to show."""

from __future__ import annotations

from pathlib import Path

from migrate.connector import Who
from migrate.cutover.ticks import tick
from migrate.engine import Engine
from migrate.ledger.validations import waive
from tests.unit.care_case import PLAN
from tests.unit.gate_case import Case
from tests.unit.two_systems import Move

OPERATOR, APPROVER, VIEWER = "Max Operator", "Ada Example", "Vera Viewer"
PEOPLE = """\
  people:
    - {name: Max Operator, email: max@example.com, role: operator, zone: Europe/Berlin}
    - {name: Vera Viewer, email: vera@example.com, role: viewer, zone: America/New_York}
  calendar: {blackout: [{from: 2027-12-24, to: 2028-01-02, why: the end of the year}], api_ends: 2028-01-31}
"""
ALONE = "  sign: [{name: Ada Example, email: ada@example.com}]\n"


def signing(root: Path, engine: Engine) -> Case:
    """Verified, and Ada and Ben are asked to sign."""
    made = Case(root, engine, PEOPLE)
    made.gate(request=True)
    return made


def deciding(root: Path, engine: Engine) -> Move:
    """Red differences, one of them waived; held records, one of them decided; a map with open values."""
    nasty = "<b>Bold & Co</b>"
    move = Move(root, engine, PLAN)
    for number in range(3):
        move.source.put("Account", f"A{number}", Name=f"{nasty} {number}", Note=f"kind {number}")
        move.source.put(
            "Contact", f"C{number}", LastName=f"Person {number}", Email=f"p{number}@old.test",
            AccountId=f"A{number}",
        )  # fmt: skip
    move.move()
    for number in range(2):
        move.clock.sleep(60)
        move.target.write(move.there("Account", f"A{number}"), {"name": f"Renamed {number}"}, Who.PERSON)
    report = move.validate()
    found = [row["difference"] for result in report.values() for row in result["sample"]]
    waive(
        move.workspace.ledger,
        found[:1],
        who=APPROVER,
        reason="entered anew",
        until="2099-01-01T00:00:00.000000Z",
    )
    move.roll_back()
    (root / "picklists").mkdir()
    (root / "picklists" / "kind.csv").write_text(
        "source,count,target,note\n"
        "<script>alert(1)</script>,1204,,who knows?\nBanking,300,FINANCE,agreed with sales\n"
        "Other,7,(nothing),\n"
    )
    plan = root / "plan.yaml"
    text = plan.read_text().replace(
        "      name: Name\n", "      name: Name\n      note: {from: Note, picklist: picklists/kind.csv}\n", 1
    )
    plan.write_text(f"{text}\ncutover:\n{PEOPLE}{ALONE}")
    tick(move.workspace.ledger, "rollback 1", "Where do we stand?", who=OPERATOR)
    return move
