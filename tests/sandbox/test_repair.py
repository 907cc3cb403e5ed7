"""Fix forward on the whole line: only the named fields, only where they are as we left them, and back again.

Judged by the target's own store. Commands are processes of their own; the tests share a workspace and go on
from each other's loads, each with an attempt of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.demo.shape import Sizes
from tests.proofs.rollback_repair import GROSS, NET, Amounts, amounts, by_hand, edit, gross
from tests.sandbox.test_rollback import Line, prepared

pytestmark = pytest.mark.long

SIZES = Sizes(accounts=16, parents=5, opportunities=400, companies=20, known=4, contacts=15)
EDITED = 3


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with prepared(tmp_path_factory.mktemp("repair") / "workspace", SIZES) as made:
        yield made


@pytest.fixture(scope="module")
def net(line: Line) -> Amounts:
    """What the load brought, by the plan without tax."""
    line.run("load", codes=(0, 1))
    return amounts(line)


@pytest.fixture(scope="module")
def theirs(line: Line, net: Amounts) -> Amounts:
    """What users have given some sales since."""
    return by_hand(line, net, EDITED)


@pytest.fixture(autouse=True)
def _no_faults(line: Line) -> Iterator[None]:
    yield
    line.hubspot.control.delete("/faults")


def ids(line: Line) -> dict[str, str]:
    """Ids of our deals, by migration key."""
    rows = line.truth("deals").items()
    return {r["properties"]["migration_key"]: id for id, r in rows if r["properties"].get("migration_key")}


def named(line: Line) -> dict[str, str]:
    return {id: row["properties"]["dealname"] for id, row in line.truth("deals").items()}


def test_two_plans_are_compared_value_by_value_before_anything_is_loaded(line: Line, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(line.root, other, ignore=shutil.ignore_patterns(".migrate"))
    text = (other / "plan.yaml").read_text()
    for old, new in (
        ("      dealname: Name\n", ""),
        ("      jobtitle: Title\n", "      jobtitle: Title\n      city: MailingCity\n"),
        ("    target: deals\n", '    target: deals\n    where: "Amount > 0"\n'),
        ("{to: companies, via: ParentId, label: parent, missing: link}", "{to: companies, via: ParentId}"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (other / "plan.yaml").write_text(text)
    before = line.run("status", codes=(0, 1))["status"]["objects"]

    found = line.run("plan", "diff", str(line.root), str(other), codes=(1,))

    told = {(each["entry"], each["field"], each["what"]): each for each in found["changes"]}
    sold = told["Opportunity", "dealname", "changes"]
    assert told["Opportunity", "", "goes"]["records"] + sold["records"] == SIZES.opportunities - 1
    assert [(each["old"] is not None, each["new"]) for each in sold["samples"]] == [(True, None)] * 3
    assert told["Account", "link to companies", "goes"]["records"] == SIZES.parents
    assert told["Account", "link to companies", "comes"]["records"] == SIZES.parents
    assert found["rows"] == sum(each["records"] for each in found["changes"])
    assert {entry for entry, _, _ in told} <= {"Account", "Contact", "Opportunity"}
    # Nothing that a load reads was written, and the other way round the same rows go back.
    assert line.run("status", codes=(0, 1))["status"]["objects"] == before
    back = line.run("plan", "diff", str(other), str(line.root), codes=(1,))
    assert back["rows"] == found["rows"]
    assert line.run("plan", "diff", str(line.root), str(line.root))["changes"] == []
    assert "no plan" in line.run("plan", "diff", "0123456789", codes=(2,))["message"]


def test_a_wrong_mapping_is_mended_where_nobody_has_touched_it(
    line: Line, net: Amounts, theirs: Amounts
) -> None:
    edit(line, NET, GROSS)

    seen = line.run("repair", "--fields", "deals.amount", "--dry-run")
    assert amounts(line) == net | theirs
    assert seen["records"] == {"Opportunity": len(net)}
    assert [(each["field"], each["records"]) for each in seen["changes"]] == [("amount", len(net))]
    assert seen["others"] == []
    assert line.run("plan", "diff", codes=(1,))["rows"] == len(net)

    done = line.run("repair", "--fields", "deals.amount", "--yes", "--why", "net, not gross", codes=(1,))

    assert (done["mended"], done["held"]) == (len(net) - EDITED, EDITED)
    assert [(group["name"], group["count"]) for group in done["groups"]] == [("deals.edited", EDITED)]
    wanted = {key: gross(value) for key, value in net.items()} | theirs
    assert amounts(line) == wanted


def test_after_a_repair_the_new_plan_is_on_record(line: Line, net: Amounts, theirs: Amounts) -> None:
    wanted = amounts(line)
    again = line.run("repair", "--fields", "deals.amount", "--yes", codes=(1,))
    assert (again["already"], again["number"], again["held"]) == (True, 1, EDITED)
    refused = line.run("repair", "--fields", "deals.dealname", "--yes", codes=(2,))
    assert "is the one that was loaded" in refused["message"]
    left = {each["object"]: each["left"] for each in line.run("status", codes=(0, 1))["status"]["objects"]}
    assert left["Opportunity"] == 0

    line.run("load", codes=(0, 1))

    assert amounts(line) == wanted
    results = line.run("validate", "--only", "rows", codes=(0, 1))["results"]
    deals = next(each for each in results if each["id"] == "rows.Opportunity")
    assert (deals["verdict"], deals["figures"]["rows that differ"]) == ("warn", len(theirs))
    assert deals["compared"] == len(net)


def test_one_command_undoes_a_repair_and_the_former_plan_is_on_record_again(
    line: Line, net: Amounts, theirs: Amounts
) -> None:
    undone = line.run("rollback", "run", "--to", "before-repair-1", "--yes", codes=(0, 1))

    assert amounts(line) == net | theirs
    assert undone["counts"]["update"] == len(net) - EDITED
    assert line.run("rollback", "verify", codes=(0, 1))["verdict"] == "pass"
    seen = line.run("repair", "--fields", "deals.amount", "--dry-run")
    assert seen["records"] == {"Opportunity": len(net)}


def test_a_killed_repair_goes_on_and_leaves_what_else_the_plan_changes(
    line: Line, net: Amounts, theirs: Amounts
) -> None:
    elsewhere = max(net.keys() - theirs.keys())
    line.act(do="update", object="deals", id=ids(line)[elsewhere], fields={"description": "by hand"})
    names = named(line)
    edit(line, GROSS, GROSS.replace("+ 1", "+ 2"))
    edit(line, "      dealname: Name\n", "      dealname: upper(Name)\n")
    line.run("plan", "accept", "--as", "Ada", "--reason", "names in capitals are wanted")
    line.fault("deals/batch/update", "hold", at="after_commit")
    process = line.start("repair", "--fields", "deals.amount", "--yes")
    line.hubspot.control.wait_held(1, 120)
    process.kill()
    process.communicate()
    line.hubspot.control.delete("/faults")

    assert "`migrate repair --fields Opportunity.amount` goes on" in line.say("status")
    assert "repair was cut short" in line.run("load", codes=(2,))["message"]
    refused = line.run("repair", "--fields", "deals.dealname", "--yes", codes=(2,))
    assert "isn't at its end" in refused["message"]
    line.fault("deals/batch/update", "drop", at="after_commit")  # an answer that never comes
    done = line.run("repair", "--fields", "deals.amount", "--yes", codes=(1,))

    assert (done["number"], done["held"], done["mended"]) == (2, EDITED, len(net) - EDITED)
    assert amounts(line) == {key: gross(value, 2) for key, value in net.items()} | theirs
    assert named(line) == names


def test_a_rollback_of_all_after_a_repair_holds_what_others_wrote_beside_our_fields(
    line: Line, net: Amounts, theirs: Amounts
) -> None:
    line.back(held=EDITED + 1)

    assert set(ids(line)) == {*theirs, max(net.keys() - theirs.keys())}
