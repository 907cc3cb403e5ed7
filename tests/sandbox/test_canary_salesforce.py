"""In Salesforce, too, the canary finds each automation that the sandbox can switch on."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.sandbox.salesforce.org_automations import AUTOMATIC
from migrate.sandbox.server import Running, launch

SPEED = 50.0
PLAN = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: salesforce, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: companies
    target: Account
    key: {field: Migration_Key__c}
    match: [Name]
    fields: {Name: name, Phone: phone}
  - source: contacts
    target: Contact
    key: {field: Migration_Key__c}
    fields: {LastName: lastname, Email: email}
"""
# What the platform does by itself, to none of our records: no automations of an administrator.
PLATFORM = {"field_history", "archive_activities"}
TOLD = {
    "trigger_fills": "fills `Description`, which was empty",
    "trigger_changes": "changes `LastName`",
    "trigger_owner": "changes `OwnerId`",
    "trigger_task": "makes a record of `Task`",
    "flow_mail": "makes a record of `Task`",
    "flow_touch": "moves the record's modification stamp and changes no value, by 0055g",
    "flow_on_update": "fills `AccountNumber`, which was empty",
    "validation_rules": "refuses the record with FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "duplicate_rules": "refuses the record with DUPLICATES_DETECTED",
}
BYPASSED = {"assignment_rules"}  # a header of every write of ours leaves them out
RULES = {
    "validation_rules": [
        {"object": "Contact", "when": "LastName != null", "message": "no", "name": "Closed"}
    ],
    "duplicate_rules": [{"object": "Contact", "fields": ["LastName"], "name": "Same name"}],
}


@dataclass
class Both:
    """A portal, an org, and a workspace that is ready to load, saved."""

    root: Path
    new: Running

    def command(self, words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split()])
        return code, json.loads(capsys.readouterr().out)

    def fly(self, automation: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], Counter[str]]:
        """Load with one automation on: exit code, what was told, and records of ours by the org's log."""
        shutil.rmtree(self.root / ".migrate")
        shutil.copytree(self.root / "saved", self.root / ".migrate")
        control = self.new.control
        control.post("/restore", {"from": str(self.root.parent / "org")})
        control.post(
            "/settings", {name: rules if name == automation else [] for name, rules in RULES.items()}
        )
        known = control.get("/automations")
        control.post("/automations", {name: name == automation for name in known})
        seen = max((int(row["seq"]) for row in control.ndjson("/log?after=0")), default=0)
        code, document = self.command("load", capsys)
        rows = {(row["object"], row["op"], row["id"]) for row in control.ndjson(f"/log?after={seen}")
                if row["object"] in ("Account", "Contact") and row["op"] == "create"}  # fmt: skip
        found = (document.get("facts") or document).get("found") or ()
        told = [str(effect) for _, effects in found for effect in effects]
        return code, told, Counter(object for object, _, _ in rows)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    base = tmp_path_factory.mktemp("stirs")
    with ExitStack() as stack:
        old = stack.enter_context(
            launch("hubspot", base / "hubspot", speed=SPEED, settings={"burst": 100_000})
        )
        new = stack.enter_context(launch("salesforce", base / "salesforce", speed=SPEED))
        old.control.post("/seed", {"records": {
            "companies": [{"properties": {"name": f"Acme {n}", "phone": "1"}} for n in range(4)],
            "contacts": [{"properties": {"lastname": f"Ann {n}", "email": f"a{n}@x.test"}} for n in range(4)],
        }})  # fmt: skip
        new.control.post("/seed", {"records": {
            "User": [{"Id": "0055g0000000001AAA", "LastName": "Bob", "Username": "bob@x.test",
                      "Email": "bob@x.test", "Alias": "bob", "IsActive": True}],
            "Account": [{"Name": "Acme 3"}], "Contact": [{"LastName": "Ann 0"}],
        }})  # fmt: skip
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in {
            "OLD_BASE_URL": old.url, "OLD_TOKEN": "pat-na1-sandbox", "NEW_INSTANCE_URL": new.url,
            "NEW_CLIENT_ID": "admin-app", "NEW_CLIENT_SECRET": "sandbox-secret",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(PLAN)
        for words in ("discover", "prepare --yes", "extract", "transform"):
            assert main(["-w", str(root), "--json", *words.split()]) in (0, 1), words
        shutil.copytree(root / ".migrate", root / "saved")
        new.control.post("/save", {"to": str(base / "org")})
        yield Both(root, new)


def test_every_automation_that_the_org_has_is_tried_here(both: Both) -> None:
    assert set(both.new.control.get("/automations")) == set(TOLD) | PLATFORM | BYPASSED
    assert set(AUTOMATIC) < set(TOLD)


@pytest.mark.parametrize(
    "automation",
    [pytest.param(each, marks=[pytest.mark.long] if number > 2 else []) for number, each in enumerate(TOLD)],
)
def test_it_is_found_before_the_second_record(
    both: Both, automation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, written = both.fly(automation, capsys)
    assert code == 3
    assert any(each.startswith(TOLD[automation]) for each in told), told
    assert max(written.values(), default=0) <= 1, written


@pytest.mark.parametrize("automation", ["", *sorted(BYPASSED)])
def test_with_none_on_or_one_that_a_header_leaves_out_the_load_goes_through(
    both: Both, automation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, written = both.fly(automation, capsys)
    assert (code, told, dict(written)) == (0, [], {"Account": 3, "Contact": 4})


def test_they_are_listed_by_the_tooling_api(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    both.new.control.post("/settings", RULES)
    both.new.control.post("/automations", {"trigger_fills": True})
    code, found = both.command("automations list", capsys)
    assert code == 0
    told = {(each["kind"], each["name"]): each["active"] for each in found["told"]["automations"]}
    assert told["trigger", "AccountDefaults"] is True
    assert told["flow", "Welcome_Mail"] is False
    assert {kind for kind, _ in told} == {"trigger", "flow", "validation rule", "duplicate rule"}
