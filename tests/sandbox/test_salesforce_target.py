"""A Salesforce org is filled, changed and emptied again, and nobody's work in it is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.orgs import FIRMS, PEOPLE, Orgs, old_records, orgs


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("orgs")) as each:
        yield each


@pytest.fixture
def org(started: Orgs, capsys: pytest.CaptureFixture[str]) -> Orgs:
    started.capsys = capsys
    return started


def occupy(org: Orgs) -> None:
    """What the new org holds already: an account, and a person without one."""
    org.act("create", "Account", fields={"Name": "Firm 3 of old", "Site": "s3", "Phone": "1"})
    org.act("create", "Contact", fields={"LastName": "Five", "Email": "p5@old.example"})


def test_the_whole_line_fills_an_org_with_a_custom_object(org: Orgs) -> None:
    occupy(org)
    org.must("discover", "check --live", "prepare --yes", "extract", "transform", "load")
    accounts, contacts, pets = (org.keyed(name) for name in ("Account", "Contact", "Pet__c"))
    assert (len(accounts), len(contacts), len(pets)) == (FIRMS, PEOPLE, 2)
    given = old_records()
    by_name = {each["LastName"]: each for each in contacts.values()}
    assert by_name.pop("Five")["AccountId"]  # adopted, and led to an account of ours
    for person in given["Contact"]:
        if person["LastName"] == "Person 5":
            continue
        found = by_name[person["LastName"]]
        for name in ("FirstName", "Email", "HasOptedOutOfEmail", "Description"):
            assert found[name] == person[name], name
    rex = next(each for each in pets.values() if each["Name"] == "Rex")
    assert rex["Person__c"] == by_name["Person 4"]["Id"]
    by_site = {each["Site"]: each["Id"] for each in accounts.values()}
    firms = {each["LastName"]: each["AccountId"] for each in contacts.values()}
    assert (firms["Person 31"], firms["Person 55"]) == (by_site["s1"], None)
    parents = {each["Site"]: each["ParentId"] for each in accounts.values() if each["ParentId"]}
    assert parents == {"s1": by_site["s0"], "s2": by_site["s0"]}
    for name, value in given["Pet__c"][0].items():
        if name == "Person__c":
            continue
        assert (str(rex[name]) if name == "Weight__c" else rex[name]) == value, name
    made = [each for each in accounts.values() if each["Site"] != "s3"]
    assert {each["CreatedDate"][:4] for each in made} == {"2019"}  # the audit column, on insert
    adopted = next(each for each in accounts.values() if each["Site"] == "s3")
    assert (adopted["Name"], adopted["Phone"]) == ("Firm 3 of old", "1")
    assert adopted["Industry"] == "Banking"


def test_what_was_loaded_is_proved(org: Orgs) -> None:
    report = org.run("validate", 0, 1)
    assert report["verdict"] in ("pass", "warn"), report

    part = org.run("validate --sample 100000 --only rows --only links")  # read by id, in wire values
    whole = {each["id"]: each for each in report["results"]}
    assert {each["check"] for each in part["results"]} == {"rows", "links"}
    for each in part["results"]:
        mine = whole[each["id"]]
        assert [each[name] for name in ("verdict", "compared", "grades")] == [
            mine[name] for name in ("verdict", "compared", "grades")
        ], each["summary"]


@pytest.fixture
def loaded(org: Orgs) -> Orgs:
    """As after the first load, whatever another test did since."""
    if not (org.base / "loaded").exists():
        if not org.rows("Account"):
            occupy(org)
        org.must("discover", "check", "prepare --yes", "extract", "transform", "load")
        org.save("loaded")
    org.restore("loaded")
    return org


def test_a_second_load_sends_nothing(loaded: Orgs) -> None:
    before = loaded.new.control.ndjson("/log?after=0")
    loaded.run("load", 0)
    assert loaded.new.control.ndjson("/log?after=0") == before


def test_everything_goes_back_and_what_people_did_since_stays(loaded: Orgs) -> None:
    contacts = loaded.keyed("Contact")
    by_name = {each["LastName"]: each for each in contacts.values()}
    person, other = by_name["Person 57"], by_name["Person 7"]
    task = loaded.act("create", "Task", fields={"Subject": "Call", "WhoId": person["Id"]})
    loaded.act("update", "Contact", id=other["Id"], fields={"Phone": "0800"})
    planned = loaded.run("rollback plan", 0, 1)
    holds = {
        (each["object"], each["why"]): each["count"] for each in planned["groups"] if each["action"] == "hold"
    }
    # Deleting the firm of Person 7 would take that person along, and with them what Ann did.
    assert holds == {("Contact", "linked"): 1, ("Contact", "edited"): 1, ("Account", "linked"): 1}
    back = loaded.run("rollback run --yes", 1)
    verified = loaded.run("rollback verify", 1)
    assert (verified["verdict"], verified["held"]) == ("pass", 3), (back, verified)
    five = next(each for each in loaded.rows("Contact") if each["LastName"] == "Five")
    assert (five["AccountId"], five["Migration_Key__c"]) == (None, None)
    assert {each["Id"] for each in loaded.rows("Contact")} == {person["Id"], other["Id"], five["Id"]}
    assert [each["Id"] for each in loaded.rows("Task")] == [task]
    assert loaded.rows("Pet__c") == []
    account, firm = sorted(loaded.rows("Account"), key=lambda each: str(each["Migration_Key__c"] or ""))
    assert (firm["Site"], firm["Id"]) == ("s7", other["AccountId"])
    assert (account["Name"], account["Phone"], account["Industry"]) == ("Firm 3 of old", "1", None)
    assert account["Migration_Key__c"] is None


@pytest.mark.long
def test_a_rollback_that_is_run_twice_does_it_once(loaded: Orgs) -> None:
    loaded.run("rollback run --yes", 0)
    assert loaded.run("rollback verify", 0)["verdict"] == "pass"
    assert loaded.run("rollback run --yes", 0)["objects"] == {}
    assert [each["Site"] for each in loaded.rows("Account")] == ["s3"]
    assert [(each["LastName"], each["AccountId"]) for each in loaded.rows("Contact")] == [("Five", None)]
    assert loaded.rows("Pet__c") == []


@pytest.mark.long
def test_a_change_at_the_source_arrives_and_a_persons_change_is_held(loaded: Orgs) -> None:
    old = {each["LastName"]: each["Id"] for each in loaded.old.control.ndjson("/truth/Contact")}
    new = {each["LastName"]: each["Id"] for each in loaded.rows("Contact")}
    for name in ("Person 1", "Person 2"):
        edit = {"as": "admin@sandbox.example", "do": "update", "object": "Contact", "id": old[name],
                "fields": {"Email": "moved@old.example"}}  # fmt: skip
        loaded.old.control.post("/act", edit)
    loaded.act("update", "Contact", id=new["Person 2"], fields={"FirstName": "Ann's"})
    loaded.must("extract --since-watermark", "transform", "load")
    found = {each["LastName"]: each for each in loaded.rows("Contact")}
    assert found["Person 1"]["Email"] == "moved@old.example"
    assert (found["Person 2"]["Email"], found["Person 2"]["FirstName"]) == ("p2@old.example", "Ann's")
    assert len(loaded.keyed("Contact")) == PEOPLE


@pytest.mark.long
def test_an_audit_column_stays_as_it_was_inserted_when_the_record_changes(loaded: Orgs) -> None:
    [old] = [each for each in loaded.old.control.ndjson("/truth/Account") if each["Site"] == "s5"]
    edit = {"as": "admin@sandbox.example", "do": "update", "object": "Account", "id": old["Id"],
            "fields": {"Industry": "Energy"}}  # fmt: skip
    loaded.old.control.post("/act", edit)
    loaded.must("extract --since-watermark", "transform", "load")
    [new] = [each for each in loaded.rows("Account") if each["Site"] == "s5"]
    assert (new["Industry"], new["CreatedDate"]) == ("Energy", old["CreatedDate"])
    loaded.run("validate", 0, 1)
    assert loaded.run("rollback run --yes", 0)
    assert [each["Site"] for each in loaded.rows("Account")] == ["s3"]


def test_a_stamp_that_moves_with_every_save_holds_nobodys_record(loaded: Orgs) -> None:
    [old] = [each for each in loaded.old.control.ndjson("/truth/Pet__c") if each["Name"] == "Rex"]
    [new] = [each for each in loaded.rows("Pet__c") if each["Name"] == "Rex"]
    assert (new["CreatedDate"], new["LastModifiedDate"]) == (old["CreatedDate"], old["LastModifiedDate"])
    for story in ("once", "twice"):
        edit = {"as": "admin@sandbox.example", "do": "update", "object": "Pet__c", "id": old["Id"],
                "fields": {"Story__c": story}}  # fmt: skip
        loaded.old.control.post("/act", edit)
        loaded.must("extract --since-watermark", "transform")
        assert loaded.run("load", 0)["refused"] == 0
        [new] = [each for each in loaded.rows("Pet__c") if each["Name"] == "Rex"]
        assert new["Story__c"] == story
    loaded.run("rollback run --yes", 0)
    assert loaded.rows("Pet__c") == []


@pytest.mark.long
def test_a_record_that_stays_locked_becomes_a_dead_letter_with_the_orgs_words(loaded: Orgs) -> None:
    edit = {"as": "admin@sandbox.example", "do": "create", "object": "Contact",
            "fields": {"LastName": "Locked", "Email": "locked@old.example"}}  # fmt: skip
    loaded.old.control.post("/act", edit)
    loaded.must("extract --since-watermark", "transform")
    loaded.fault({"kind": "partial", "rows": [0]}, method="POST", path="composite/sobjects$", times=None)
    loaded.run("load", 1)
    loaded.new.control.delete("/faults")
    [letter] = loaded.run("dead-letters list", 0, 1)["groups"]
    assert "UNABLE_TO_LOCK_ROW" in json.dumps(letter)
    loaded.run("dead-letters replay", 0)
    assert "Locked" in {each["LastName"] for each in loaded.rows("Contact")}


@pytest.mark.long
def test_what_a_validation_rule_or_a_duplicate_rule_refuses_says_so_in_its_own_words(loaded: Orgs) -> None:
    for name in ("Ruled", "Doubled"):
        fields = {"LastName": name, "Email": "p1@old.example" if name == "Doubled" else "r@old.example"}
        edit = {"as": "admin@sandbox.example", "do": "create", "object": "Contact", "fields": fields}
        loaded.old.control.post("/act", edit)
    loaded.must("extract --since-watermark", "transform")
    rules: dict[str, Any] = {
        "validation_rules": [
            {"object": "Contact", "when": "LastName = 'Ruled'", "message": "No rulers here"}
        ],
        "duplicate_rules": [{"object": "Contact", "fields": ["Email"], "action": "block"}],
    }
    loaded.new.control.post("/settings", rules)
    loaded.new.control.post("/automations", {"duplicate_rules": True})
    loaded.run("load", 1)
    told = json.dumps(loaded.run("dead-letters list", 0, 1)["groups"])
    assert "No rulers here" in told
    assert "DUPLICATES_DETECTED" in told
    rules["duplicate_rules"][0]["action"] = "alert"  # one that only warns is passed over
    loaded.new.control.post("/settings", {**rules, "validation_rules": []})
    loaded.run("dead-letters replay", 0)
    loaded.new.control.post("/settings", {"duplicate_rules": []})
    assert {"Ruled", "Doubled"} <= {each["LastName"] for each in loaded.rows("Contact")}
