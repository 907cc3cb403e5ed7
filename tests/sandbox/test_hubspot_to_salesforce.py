"""Labelled links become junction records in Salesforce, and go as links go; one label becomes a lookup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.clock import SandboxClock
from migrate.connector import Batch, Link, NewField, NewLabel, NewObject, Operation, Settings, Write
from migrate.connectors.hubspot import HubSpotConnector
from migrate.sandbox.server import Running, launch

SPEED = 100.0
PERSON = "ann@example.com"
PLAN = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: salesforce, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: contacts
    target: Contact
    key: {field: Migration_Key__c}
    fields: {LastName: lastname}
  - source: p_boat
    target: Boat__c
    key: {field: Migration_Key__c}
    related:
      home: {of: p_boat_to_companies, by: left, where: label = 'Home port', take: min(right)}
    create_object: {label: Boat, plural: Boats, name_field: Name}
    create:
      Harbour__c: {kind: reference, label: Harbour, reference: Account}
    fields:
      Name: boat_name
      Harbour__c: {from: home, reference: companies}
  - source: companies
    target: Account
    key: {field: Migration_Key__c}
    fields:
      Name: name
      OwnerId: {from: hubspot_owner_id, owner: owners.csv, nobody: reader@sandbox.example}
  - source: p_boat_to_contacts
    target: Crew__c
    key: {field: Migration_Key__c, old_id: Old_Link__c}
    where: label <> 'default'
    create_object: {label: Crew, plural: Crews, name_field: Name}
    create:
      Boat__c: {kind: reference, label: Boat, reference: Boat__c}
      Sailor__c: {kind: reference, label: Sailor, reference: Contact}
      Role__c: {kind: picklist, label: Role, options: [Captain, Cook]}
    fields:
      Name: label
      Boat__c: {from: left, reference: p_boat}
      Sailor__c: {from: right, reference: contacts}
      Role__c: {from: label, picklist: roles.csv}
"""
OWNERS = "source_id,source_email,source_name,active,target_email,note\n1,ann@example.com,Ann,true,,\n"
ROLES = "source,count,target,note\nSkipper,,Captain,\nCook,,Cook,\n"


@dataclass
class Both:
    """A portal, an org, a workspace between them, and who is who by name."""

    root: Path
    old: Running
    new: Running
    ids: dict[str, str]
    capsys: pytest.CaptureFixture[str] | None = None

    def run(self, words: str) -> dict[str, Any]:
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert code in (0, 1), found
        return found

    def held(self, object: str) -> list[dict[str, Any]]:
        return [row for row in self.new.control.ndjson(f"/truth/{object}") if not row["IsDeleted"]]

    def crew(self) -> set[tuple[str, str, str]]:
        """Boat, sailor and role of every junction record; that no pair stands twice."""
        boats = {row["Id"]: row["Name"] for row in self.held("Boat__c")}
        people = {row["Id"]: row["LastName"] for row in self.held("Contact")}
        rows = self.held("Crew__c")
        found = {(boats[row["Boat__c"]], people[row["Sailor__c"]], row["Role__c"]) for row in rows}
        assert len(found) == len(rows)
        return found


def fill(running: Running) -> dict[str, str]:
    """The portal's records and links; ids by name."""
    clock = SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)
    hubspot = HubSpotConnector(
        Settings("old", {"base_url": running.url, "token": "pat-na1-sandbox"}, {}, clock)
    )
    named = {"companies": "name", "contacts": "lastname", "p_boat": "boat_name"}
    hubspot.bind(named)
    fields = (NewField("p_boat", "boat_name", "Name", "string", unique=True),)
    boat = NewObject("p_boat", "Boat", "Boats", "boat_name", "", fields, links=("contacts", "companies"))
    labels = [NewLabel("p_boat", "contacts", "Skipper"), NewLabel("p_boat", "contacts", "Cook"),
              NewLabel("p_boat", "companies", "Home port")]  # fmt: skip
    assert {outcome for _, outcome in hubspot.prepare([boat, *fields, *labels])} == {"made"}
    ids: dict[str, str] = {}
    for object, names in {
        "companies": ["port", "shop"], "contacts": ["ada", "bob"], "p_boat": ["ark", "tub"],
    }.items():  # fmt: skip
        writes = tuple(Write(each, values={named[object]: each}) for each in names)
        for name, outcome in zip(names, hubspot.send(Batch(Operation.CREATE, object, writes)), strict=True):
            ids[name] = str(outcome.id)
    for right, label, pairs in (
        ("contacts", "Skipper", [("ark", "ada"), ("tub", "bob")]),
        ("contacts", "Cook", [("ark", "ada"), ("ark", "bob")]),
        ("contacts", "default", [("tub", "ada")]),
        ("companies", "Home port", [("ark", "port")]),
        ("companies", "default", [("tub", "shop")]),
    ):
        links = tuple(Link("p_boat", ids[one], right, ids[other], label) for one, other in pairs)
        sent = hubspot.send(Batch(Operation.LINK, f"p_boat>{right}", links=links))
        assert {each.status for each in sent} == {"done"}
    hubspot.close()
    return ids


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    base = tmp_path_factory.mktemp("both")
    with ExitStack() as stack:
        for name in ("old", "new"):
            (base / name).mkdir()
        old = stack.enter_context(
            launch("hubspot", base / "old", speed=SPEED, settings={"index_lag": [0, 1]})
        )
        old.control.post("/seed", {"owners": [{"email": PERSON}]})
        new = stack.enter_context(launch("salesforce", base / "new", speed=SPEED))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in {
            "OLD_TOKEN": "pat-na1-sandbox", "OLD_BASE_URL": old.url, "NEW_INSTANCE_URL": new.url,
            "NEW_CLIENT_ID": "admin-app", "NEW_CLIENT_SECRET": "sandbox-secret",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(PLAN)
        (root / "roles.csv").write_text(ROLES)
        (root / "owners.csv").write_text(OWNERS)
        yield Both(root, old, new, fill(old))


@pytest.fixture
def both(started: Both, capsys: pytest.CaptureFixture[str]) -> Both:
    started.capsys = capsys
    return started


def test_labelled_links_become_junction_records_and_one_label_a_lookup(both: Both) -> None:
    for words in ("discover", "check", "prepare --yes", "extract", "transform", "load"):
        both.run(words)
    assert both.crew() == {
        ("ark", "ada", "Captain"), ("tub", "bob", "Captain"), ("ark", "ada", "Cook"), ("ark", "bob", "Cook"),
    }  # fmt: skip
    accounts = {row["Id"]: row["Name"] for row in both.held("Account")}
    homes = {row["Name"]: accounts.get(row["Harbour__c"] or "") for row in both.held("Boat__c")}
    assert homes == {"ark": "port", "tub": None}
    # Nobody owned them, and Salesforce has no record without an owner.
    users = {row["Id"]: row["Username"] for row in both.new.control.ndjson("/truth/User")}
    assert {users[row["OwnerId"]] for row in both.held("Account")} == {"reader@sandbox.example"}


def test_a_link_that_goes_takes_its_junction_record_with_it_and_a_new_one_brings_one(both: Both) -> None:
    ark, tub, bob, ada = (both.ids[name] for name in ("ark", "tub", "bob", "ada"))
    act = {"as": PERSON, "object": "p4471203_boat", "to_object": "contacts"}
    both.old.control.post("/act", {**act, "do": "unlink", "id": ark, "to": bob})
    hubspot = HubSpotConnector(
        Settings(
            "old", {"base_url": both.old.url, "token": "pat-na1-sandbox"}, {},
            SandboxClock(datetime.fromisoformat(both.old.control.get("/clock")["now"]), SPEED),
        )
    )  # fmt: skip
    link = Link("p_boat", tub, "contacts", ada, "Cook")
    assert hubspot.send(Batch(Operation.LINK, "p_boat>contacts", links=(link,)))[0].status == "done"
    hubspot.close()
    for words in ("extract --since-watermark", "transform", "load"):
        both.run(words)
    assert both.crew() == {
        ("ark", "ada", "Captain"), ("tub", "bob", "Captain"), ("ark", "ada", "Cook"), ("tub", "ada", "Cook"),
    }  # fmt: skip
