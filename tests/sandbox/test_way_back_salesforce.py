"""A drill, a rollback and the way back of the schema where Salesforce is the target, with objects of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from migrate.sandbox.server import launch
from tests.sandbox.test_hubspot_to_salesforce import OWNERS, PERSON, PLAN, ROLES, SPEED, Both, fill

pytestmark = pytest.mark.long
OURS = ("Boat__c", "Crew__c")


@pytest.fixture
def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Both]:
    with ExitStack() as stack:
        old = stack.enter_context(
            launch("hubspot", tmp_path / "old", speed=SPEED, settings={"index_lag": [0, 1]})
        )
        old.control.post("/seed", {"owners": [{"email": PERSON}]})
        new = stack.enter_context(launch("salesforce", tmp_path / "new", speed=SPEED))
        for name, value in {
            "OLD_TOKEN": "pat-na1-sandbox", "OLD_BASE_URL": old.url, "NEW_INSTANCE_URL": new.url,
            "NEW_CLIENT_ID": "admin-app", "NEW_CLIENT_SECRET": "sandbox-secret",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        root = tmp_path / "work"
        root.mkdir()
        for file, text in (("plan.yaml", PLAN), ("roles.csv", ROLES), ("owners.csv", OWNERS)):
            (root / file).write_text(text)
        yield Both(root, old, new, fill(old), capsys)


def objects(both: Both) -> set[str]:
    return set(both.new.control.get("/truth"))


def test_objects_and_fields_of_our_making_are_drilled_rolled_back_removed_and_made_again(both: Both) -> None:
    before = objects(both)
    for words in ("discover", "prepare --yes", "extract"):
        both.run(words)
    assert set(OURS) <= objects(both)

    drilled = both.run("rollback drill --whole --speed 20")
    assert drilled["verdict"] == "pass", drilled["failures"]
    assert drilled["unlike"] == {"source": [], "target": []}
    assert {each["name"]: each["calls"].get("creates", 0) > 0 for each in drilled["phases"]}["load"]
    assert all(both.held(object) == [] for object in ("Boat__c", "Account")), "nothing reached the real org"

    for words in ("transform", "load", "rollback run --yes --schema"):
        told = both.run(words)
    assert told["schema"]["stays"] == {}
    assert objects(both) == before
    verified = both.run("rollback verify")
    assert verified["verdict"] == "pass", verified["failures"]
    assert not [each for each in verified["residue"] if "prepare" in each["what"]]

    for words in ("prepare --yes", "load", "rollback run --yes", "rollback verify"):
        told = both.run(words)
    assert told["verdict"] == "pass", told["failures"]
    assert set(OURS) <= objects(both)


def test_an_object_in_which_somebody_has_put_a_record_stays(both: Both) -> None:
    for words in ("discover", "prepare --yes", "extract", "transform", "load"):
        both.run(words)
    both.new.control.post(
        "/act",
        {"as": "reader@sandbox.example", "do": "create", "object": "Boat__c", "fields": {"Name": "hers"}},
    )
    told = both.run("rollback run --yes --schema")
    stays = told["schema"]["stays"]
    assert any(what.startswith("Boat__c: object") for what in stays), stays
    assert set(OURS) - objects(both) == {"Crew__c"}
    assert [row["Name"] for row in both.held("Boat__c")] == ["hers"]
