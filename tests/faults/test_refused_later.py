"""An org refuses one late reference of a record; the others arrive, whenever the load is killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.test_salesforce_target import finished, killed
from tests.sandbox.orgs import Orgs, old_id, orgs

pytestmark = pytest.mark.long

MAIN = {"name": "Main__c", "type": "reference", "referenceTo": ["Contact"], "childRelationshipName": "Mains"}
PLAN = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: salesforce, credentials: "env:NEW_", clock: sandbox, longest_call: 5, settle: 1}
objects:
  - source: Account
    target: Account
    key: {field: Migration_Key__c}
    create:
      Main__c: {kind: reference, label: Main, reference: Contact}
    fields:
      Name: Name
      ParentId: {from: ParentId, reference: Account}
      Main__c: {from: Main__c, reference: Contact}
  - source: Contact
    target: Contact
    key: {field: Migration_Key__c}
    fields:
      LastName: LastName
      AccountId: {from: AccountId, reference: Account}
"""
# A ring, as an old org may hold from the days before its vendor looked: A leads to B and B to A.
SEED = {
    "org": {"Id": "00D5g000007Old1"},
    "metadata": {"Account": {"fields": [MAIN]}},
    "records": {
        "Account": [
            {"Id": old_id("001", number), "Name": name, "ParentId": old_id("001", parent),
             "Main__c": old_id("003", number)}
            for number, (name, parent) in enumerate({"A": 1, "B": 0, "C": 0}.items())
        ],
        "Contact": [
            {"Id": old_id("003", number), "LastName": f"Person {number}", "AccountId": old_id("001", number)}
            for number in range(3)
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("orgs"), PLAN, seed=SEED) as each:
        for words in ("discover", "prepare --yes", "extract", "transform"):
            assert finished(each, words) in (0, 1)
        each.save("ready")
        yield each


def held(org: Orgs) -> dict[str, tuple[str | None, str | None]]:
    """Each account's parent and main contact, by name."""
    accounts, people = org.keyed("Account").values(), org.keyed("Contact").values()
    names = {row["Id"]: row["Name"] for row in accounts} | {row["Id"]: row["LastName"] for row in people}
    return {row["Name"]: (names.get(row["ParentId"]), names.get(row["Main__c"])) for row in accounts}


WANTED = {"A": (None, "Person 0"), "B": ("A", "Person 1"), "C": ("A", "Person 2")}


def test_a_ring_costs_a_record_that_field_and_no_other(
    started: Orgs, capsys: pytest.CaptureFixture[str]
) -> None:
    org = started
    org.capsys = capsys
    org.restore("ready")
    org.run("load", 1)

    assert held(org) == WANTED
    [group] = org.run("dead-letters list")["groups"]
    assert group["count"] == 1
    assert group["reason"].startswith("CIRCULAR_DEPENDENCY: attempt to form a loop")
    assert group["reason"].endswith("not written: ParentId, all else was")

    # Somebody opens the ring in the new org, and the letter is sent again.
    accounts = {row["Name"]: row["Id"] for row in org.rows("Account")}
    org.act("update", "Account", id=accounts["B"], fields={"ParentId": None})
    org.run("dead-letters replay", 0)
    assert held(org) == WANTED | {"A": ("B", "Person 0"), "B": (None, "Person 1")}


@pytest.mark.parametrize("nth", [2, 3], ids=["what isn't named", "what is named"])
@pytest.mark.parametrize(
    "how",
    [*(pytest.param(at, marks=pytest.mark.slow) for at in ("arrival", "before_commit")), "after_commit"],
)
def test_a_load_killed_between_the_parts_of_a_refused_update_ends_the_same(
    started: Orgs, how: str, nth: int
) -> None:
    org = started
    org.restore("ready")
    killed(org, "load", how, method="PATCH", path="composite/sobjects$", nth=nth)
    if nth == 3:
        assert held(org) == WANTED
    assert finished(org, "load") == 1
    assert held(org) == WANTED
    assert finished(org, "rollback run --yes") == 0
    assert org.rows("Account") == org.rows("Contact") == []


def test_a_rollback_after_a_kill_between_the_parts_takes_everything_back(started: Orgs) -> None:
    org = started
    org.restore("ready")
    killed(org, "load", "after_commit", method="PATCH", path="composite/sobjects$", nth=2)
    assert finished(org, "rollback run --yes") == 0
    assert finished(org, "rollback verify") == 0
    assert org.rows("Account") == org.rows("Contact") == []
