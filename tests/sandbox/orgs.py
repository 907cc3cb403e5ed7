"""Two Salesforce orgs and a workspace between them, for tests of Salesforce as a target.

What is asserted is read from the sandboxes' own stores.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.connectors.salesforce.ids import long_id
from migrate.sandbox.server import Running, launch

SPEED = 60.0
ANN = "ann@new.example"
ADMIN = "admin@sandbox.example"
FIRMS, PEOPLE = 30, 60

PLAN = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: salesforce, credentials: "env:NEW_", clock: sandbox, longest_call: 5, settle: 1}
objects:
  - source: Account
    target: Account
    key: {field: Migration_Key__c, old_id: Old_Id__c}
    match: [Site]
    insert_only: [CreatedDate]
    fields:
      Name: Name
      Site: Site
      Industry: Industry
      AnnualRevenue: AnnualRevenue
      CreatedDate: CreatedDate
      ParentId: {from: ParentId, reference: Account, missing: later}
  - source: Contact
    target: Contact
    key: {field: Migration_Key__c}
    match: [Email]
    fields:
      AccountId: {from: AccountId, reference: Account}
      LastName: LastName
      FirstName: FirstName
      Email: Email
      HasOptedOutOfEmail: HasOptedOutOfEmail
      Description: Description
  - source: Pet__c
    target: Pet__c
    key: {field: Migration_Key__c}
    create_object: {label: Pet, plural: Pets, name_field: Name}
    insert_only: [LastModifiedDate, CreatedDate]
    create:
      Weight__c: {kind: decimal, precision: 18, scale: 6}
      Kind__c: {kind: picklist, options: [Dog, Cat]}
      Born__c: {kind: date}
      Fed__c: {kind: timestamp}
      Tame__c: {kind: bool}
      Story__c: {kind: text}
      Person__c: {kind: reference, reference: Contact}
    fields:
      Person__c: {from: Person__c, reference: Contact}
      CreatedDate: CreatedDate
      LastModifiedDate: LastModifiedDate
      Name: Name
      Weight__c: Weight__c
      Kind__c: Kind__c
      Born__c: Born__c
      Fed__c: Fed__c
      Tame__c: Tame__c
      Story__c: Story__c
"""

PET_FIELDS: list[dict[str, Any]] = [
    {"name": "Weight__c", "type": "double", "precision": 18, "scale": 6},
    {"name": "Kind__c", "type": "picklist", "picklistValues": ["Dog", "Cat"], "restrictedPicklist": True},
    {"name": "Born__c", "type": "date"},
    {"name": "Fed__c", "type": "datetime"},
    {"name": "Tame__c", "type": "boolean"},
    {"name": "Story__c", "type": "textarea", "length": 32000},
    {"name": "Person__c", "type": "reference", "referenceTo": ["Contact"], "childRelationshipName": "Pets"},
]


def old_id(prefix: str, number: int) -> str:
    """The id of a record of the old org."""
    return long_id(f"{prefix}7g0000{number:06d}")


def old_records(people: int = PEOPLE) -> dict[str, list[dict[str, Any]]]:
    """What the old org holds."""
    return {
        "Account": [
            {"Id": old_id("001", number), "Name": f"Firm {number}",
             "ParentId": old_id("001", 0) if number in (1, 2) else None, "Site": f"s{number}",
             "Industry": "Banking", "AnnualRevenue": str(number),
             "CreatedDate": f"2019-03-{number % 28 + 1:02d}T10:00:00.000Z"}
            for number in range(FIRMS)
        ],
        "Contact": [
            {"Id": old_id("003", number), "LastName": f"Person {number}",
             "AccountId": old_id("001", number % FIRMS) if number < 50 else None,
             "FirstName": "Zoë" if number % 2 else None,
             "Email": f"p{number}@old.example", "HasOptedOutOfEmail": number % 7 == 0,
             "Description": f"line 1\nline {number} \U0001f469"}
            for number in range(people)
        ],
        "Pet__c": [
            {"Name": "Rex", "Person__c": old_id("003", 4), "CreatedDate": "2020-01-01T00:00:00.000Z",
             "LastModifiedDate": "2020-01-02T00:00:00.000Z",
             "Weight__c": "123456789012.123456", "Kind__c": "Dog", "Born__c": "2020-02-29",
             "Fed__c": "1969-12-31T23:59:59.000Z", "Tame__c": True, "Story__c": "x" * 30_000},
            {"Name": "Tom", "Weight__c": "-0.000001", "Kind__c": "Cat"},
        ],
    }  # fmt: skip


@dataclass
class Orgs:
    """The two orgs, and how commands are run in this process."""

    base: Path
    root: Path
    old: Running
    new: Running
    capsys: pytest.CaptureFixture[str] | None = None
    said: list[dict[str, Any]] = field(default_factory=list)

    def run(self, words: str, *codes: int) -> dict[str, Any]:
        """One command; the document that it printed. `codes` that it may end with: 0 and 1 if none given."""
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert code in (codes or (0, 1)), (words, code, found)
        return found

    def start(self, words: str) -> subprocess.Popen[bytes]:
        """One command as a process of its own, to be killed."""
        call = [sys.executable, "-m", "migrate", "-w", str(self.root), "--json", *words.split(" ")]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must(self, *commands: str) -> None:
        for words in commands:
            self.run(words)

    def rows(self, object: str) -> list[dict[str, Any]]:
        """Live records of the new org."""
        return [each for each in self.new.control.ndjson(f"/truth/{object}") if not each["IsDeleted"]]

    def keyed(self, object: str) -> dict[str, dict[str, Any]]:
        """Those with a migration key, by key; a twin is a failure."""
        found = [each for each in self.rows(object) if each.get("Migration_Key__c")]
        by_key = {each["Migration_Key__c"]: each for each in found}
        assert len(by_key) == len(found), "a key stands twice"
        return by_key

    def act(self, do: str, object: str, *, who: str = ANN, **more: Any) -> str:
        told = self.new.control.post("/act", {"as": who, "do": do, "object": object, **more})
        return str(told["id"])

    def fault(self, do: Mapping[str, Any], **on: Any) -> None:
        self.new.control.post("/faults", [{"on": {"path": "composite/sobjects", **on}, "do": dict(do)}])

    def save(self, name: str) -> None:
        """Keep the workspace and the new org's store."""
        kept = self.base / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.root, kept)
        self.new.control.post("/save", {"to": str(kept / "store.db")})

    def restore(self, name: str) -> None:
        self.new.control.delete("/faults")
        shutil.rmtree(self.root)
        shutil.copytree(self.base / name, self.root)
        self.new.control.post("/restore", {"from": str(self.base / name / "store.db")})


@contextmanager
def orgs(
    base: Path, plan: str = PLAN, people: int = PEOPLE, seed: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Orgs]:
    """An old org with records and an empty new one whose administrator may set audit fields.

    Args:
        seed: what the old org holds, if not the usual.
    """
    with ExitStack() as stack:
        running = []
        for name in ("old", "new"):
            (base / name).mkdir(parents=True)
            more = {"permissions": {ADMIN: {"PermissionsCreateAuditFields": True}}, **settings}
            running.append(stack.enter_context(
                launch("salesforce", base / name, speed=SPEED, settings=more if name == "new" else {})
            ))  # fmt: skip
        old, new = running
        old.control.post("/seed", dict(seed) if seed is not None else {
            "org": {"Id": "00D5g000007Old1"},
            "metadata": {"Pet__c": {"label": "Pet", "fields": PET_FIELDS}}, "records": old_records(people),
        })  # fmt: skip
        new.control.post("/seed", {"records": {"User": [
            {"Username": ANN, "LastName": "Ann", "Email": ANN, "IsActive": True}
        ]}})  # fmt: skip
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for prefix, each, app in (("OLD_", old, "reader-app"), ("NEW_", new, "admin-app")):
            patch.setenv(f"{prefix}INSTANCE_URL", each.url)
            patch.setenv(f"{prefix}CLIENT_ID", app)
            patch.setenv(f"{prefix}CLIENT_SECRET", "sandbox-secret")
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(plan)
        yield Orgs(base, root, old, new)
