"""A part of a load goes back in Salesforce: what refers to it stays and is filled again, or holds it.

Judged by the org's own store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.orgs import Orgs, orgs

pytestmark = pytest.mark.long

OBJECTS = ("Account", "Contact", "Pet__c")
REFERENCES = ("ParentId", "AccountId", "Person__c")
LOADED = "loaded"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("orgs"), people=12) as each:
        with pytest.MonkeyPatch.context():
            for words in ("discover", "prepare --yes", "extract", "transform", "load"):
                process = each.start(words)
                out, err = process.communicate(timeout=120)
                assert process.returncode in (0, 1), (words, out.decode()[-2000:], err.decode()[-2000:])
        each.save(LOADED)
        yield each


@pytest.fixture
def org(made: Orgs, capsys: pytest.CaptureFixture[str]) -> Orgs:
    made.capsys = capsys
    made.restore(LOADED)
    return made


def references(org: Orgs) -> dict[str, dict[str, str]]:
    """By key, the keys to which each of our records refers."""
    rows = {key: row for object in OBJECTS for key, row in org.keyed(object).items()}
    keys = {row["Id"]: key for key, row in rows.items()}
    return {
        key: {name: keys[row[name]] for name in REFERENCES if row.get(name) in keys}
        for key, row in rows.items()
    }


def back(org: Orgs, options: str, code: int = 0) -> dict[str, Any]:
    found = org.run(f"rollback run --yes {options}", code)
    verified = org.run("rollback verify", code)
    assert verified["verdict"] == "pass", verified["failures"]
    return found


def test_a_record_that_refers_to_one_that_went_stays_and_is_filled_again(org: Orgs) -> None:
    before, pets = references(org), org.keyed("Pet__c")
    assert any("Person__c" in found for found in before.values())

    back(org, "--object Contact")

    assert (org.keyed("Contact"), set(org.keyed("Pet__c"))) == ({}, set(pets))
    assert all(row["Person__c"] is None for row in org.keyed("Pet__c").values())
    org.run("load", 0)
    assert references(org) == before
    assert {row["Id"] for row in org.keyed("Pet__c").values()} == {row["Id"] for row in pets.values()}


def test_what_deleting_would_take_along_though_it_is_to_stay_holds_its_parent(org: Orgs) -> None:
    before = references(org)
    parents = {each["AccountId"] for each in before.values() if "AccountId" in each}
    people = set(org.keyed("Contact"))

    back(org, "--object Account", 1)

    assert set(org.keyed("Contact")) == people
    assert parents <= set(org.keyed("Account"))
    [group] = org.run("rollback hold list", 1)["groups"]
    assert group["name"] == "Account.linked"
    org.run("load", 0)
    assert references(org) == before


def test_a_cohort_takes_the_people_of_its_accounts_and_their_animals(org: Orgs) -> None:
    before = references(org)
    firm = next(each["AccountId"] for each in before.values() if "AccountId" in each)
    number = org.keyed("Account")[firm]["Name"].removeprefix("Firm ")
    people = {key for key, each in before.items() if each.get("AccountId") == firm}
    pets = {key for key, each in before.items() if each.get("Person__c") in people}

    back(org, f"--cohort Account:Site='s{number}'")

    assert set(references(org)) == set(before) - {firm} - people - pets
    org.run("load", 0)
    assert references(org) == before
