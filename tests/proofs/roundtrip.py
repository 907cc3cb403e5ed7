"""Does a whole org arrive in a second one by way of HubSpot? Salesforce, HubSpot, an empty Salesforce."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.catalog import Catalog
from migrate.demo.nasty import ITSELF, RING
from migrate.demo.run import credentials
from migrate.plan.maps import OWNER_COLUMNS, write_csv
from migrate.sandbox.server import Running, launch
from migrate.types import Kind
from tests.harness.roundtrip import Compared, Comparison, Forced, Org, last_part
from tests.proofs.whole_org import BACK_KEY, KEY, STAND_IN, Plans, Row

SPEED = 30.0
STAGES = ("check", "prepare", "check", "extract", "transform", "load", "validate")
HUNG = ("Attachment", "ContentVersion", "ContentDocumentLink")
AUDITED = {"permissions": {"*": {"PermissionsCreateAuditFields": True,
                                 "PermissionsUpdateWithInactiveOwner": True}}}  # fmt: skip
STAND_IN_USER = {
    "Username": STAND_IN, "Email": STAND_IN, "LastName": "Ops", "Alias": "ops", "IsActive": True,
}  # fmt: skip
FIRST_PLAN = """\
version: 1
source: {{system: legacy, type: {source}, credentials: "env:LEGACY_", clock: sandbox}}
target: {{system: new, type: {target}, credentials: "env:NEW_", clock: sandbox, longest_call: 2}}
objects: [{{source: {object}, target: {other}, fields: {{}}}}]
"""
# What HubSpot makes otherwise, whatever one does; each has a test that writes it to the sandbox and sees it.
_ACTIVITIES = "tests/sandbox/test_salesforce_activities.py"
_RULES = "tests/sandbox/test_forced.py"
_KEPT = f"{_ACTIVITIES}::test_a_task_about_somebody_keeps_its_given_creation_but_not_its_given_change"
_UPDATED = f"{_RULES}::test_a_record_that_is_updated_has_the_updates_date"
_CIRCLE = f"{_RULES}::test_accounts_cant_stand_in_a_circle"
_SELF = f"{_RULES}::test_a_company_cant_be_its_own_parent"
FORCED: tuple[Forced, ...] = (
    Forced("Task", "LastModifiedDate", "Salesforce", "4.5", _KEPT),
    # A reference in a circle is filled by an update, after which the record was changed today.
    *(Forced(name, "LastModifiedDate", "Salesforce", "4.5", _UPDATED)
      for name in ("Account", "Region__c", "Visit__c")),
    *(Forced("Account", field, "Salesforce", "7", _CIRCLE, RING) for field in ("ParentId", "Region__c")),
    Forced("Account", "ParentId", "HubSpot", "2.3", _SELF, ITSELF),
)  # fmt: skip


class Ended(Exception):
    """A command of the product ended otherwise than it must."""


@dataclass
class Journey:
    """Three systems, two workspaces."""

    root: Path
    first: Running
    middle: Running
    third: Running
    plans: Plans | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, side: str, words: str, codes: Sequence[int] = (0, 1)) -> dict[str, Any]:
        """Run one command in one of the two workspaces.

        Raises:
            Ended: with none of `codes`.
        """
        ours = credentials(self.third, self.middle, back=True) if side == "back" else (
            credentials(self.first, self.middle) | {"LEGACY_CLIENT_ID": "admin-app"}
        )  # fmt: skip
        call = [sys.executable, "-m", "migrate", "-w", str(self.root / side), "--json", *words.split()]
        began = time.monotonic()
        done = subprocess.run(call, env={**os.environ, **ours}, capture_output=True, check=False)
        self.seconds[f"{side} {words}"] = time.monotonic() - began
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        if done.returncode not in codes:
            words = f"{side}: `{words}` ended with {done.returncode}: {document.get('message', '')[:3000]}"
            raise Ended(words + done.stderr.decode()[-1500:])
        return document

    def catalogs(self, side: str) -> dict[str, Catalog]:
        """Both systems' catalogs, by kind of system."""
        found = {}
        for path in sorted((self.root / side / ".migrate/catalog").rglob("*.json")):
            catalog = Catalog.model_validate_json(path.read_text())
            found[catalog.type] = catalog
        return found

    def _discover(self, side: str, source: str, target: str, object: str, other: str) -> dict[str, Catalog]:
        folder = self.root / side
        folder.mkdir(parents=True)
        text = FIRST_PLAN.format(source=source, target=target, object=object, other=other)
        (folder / "plan.yaml").write_text(text)
        self.run(side, "discover")
        return self.catalogs(side)

    def _owners(self, side: str, catalog: Catalog) -> None:
        rows: list[tuple[object, ...]] = [
            (o.id, o.email or "", o.name, str(o.active).lower(), o.email if o.active else "", "")
            for o in catalog.owners
        ]
        (self.root / side / "owners.csv").write_text(write_csv(OWNER_COLUMNS, rows))

    def there(self) -> None:
        """From the first into the middle."""
        catalog = self._discover("there", "salesforce", "hubspot", "Account", "companies")["salesforce"]
        self.plans = Plans(catalog, held(self.first, catalog))
        self.plans.there(self.root / "there")
        self._owners("there", catalog)
        for words in STAGES:
            self.run("there", words)

    def plan_back(self) -> None:
        """Write the plan from the middle into the third."""
        assert self.plans is not None
        catalog = self._discover("back", "hubspot", "salesforce", "companies", "Account")["hubspot"]
        self.plans.associations = frozenset(name for name in catalog.objects if "_to_" in name)
        self.plans.back(self.root / "back")
        self._owners("back", catalog)

    def back(self) -> None:
        """From the middle into the third."""
        self.plan_back()
        for words in STAGES:
            self.run("back", words)

    def compare(self, forced: Sequence[Forced] = FORCED, gone: Mapping[str, str] | None = None) -> Compared:
        """The third with the first, by the stores alone.

        Args:
            gone: ids of the first that rightly have no record in the third, with why.
        """
        assert self.plans is not None
        ways = self.plans.ways
        objects = list(dict.fromkeys(way.source for way in ways))
        read = [*objects, *HUNG]
        one, other = Org.read(self.first, read), Org.read(self.third, read)
        comparison = Comparison(one, other, self._origins(other), gone or {}, forced)
        for name in objects:
            moved = [each for way in ways if way.source == name for each in self.plans.movable(way)]
            fields = {each.name for each in moved}
            sets = {each.name for each in moved if each.kind is Kind.MULTIPICKLIST}
            owner = {"OwnerId"} & {column for row in one.records[name].values() for column in row}
            comparison.object(name, sorted(fields | owner), sets=sorted(sets))
        comparison.files()
        return comparison.done

    def keys(self) -> dict[tuple[str, str], str]:
        """Object and id in the middle -> id in the first."""
        keys: dict[tuple[str, str], str] = {}
        for name in self.middle.control.get("/truth"):
            for row in self.middle.control.ndjson(f"/truth/{name}"):
                if key := (row.get("properties") or {}).get(KEY):
                    keys[_plain(name), row["id"]] = last_part(key)[1]
        return keys

    def _origins(self, third: Org) -> dict[str, str]:
        """Id in the third -> id in the first, by the two migration keys."""
        keys, found = self.keys(), {}
        for rows in third.records.values():
            for id, row in rows.items():
                if row.get(BACK_KEY):
                    object, middle, _ = last_part(row[BACK_KEY])
                    found[id] = keys.get((object, middle), "")
        return found


def _plain(name: str) -> str:
    """HubSpot's own name of a custom object, without the portal's number."""
    head, _, tail = name.partition("_")
    return f"p_{tail}" if tail and head[:1] == "p" and head[1:].isdigit() else name


def held(org: Running, catalog: Catalog) -> dict[str, list[Row]]:
    """Live records by object."""
    found = {}
    for name in org.control.get("/truth"):
        if name in catalog.objects:
            rows = [row for row in org.control.ndjson(f"/truth/{name}") if not row.get("IsDeleted")]
            if rows:
                found[name] = rows
    return found


def owners_of(users: Sequence[Mapping[str, Any]]) -> list[Row]:
    """HubSpot's owners: one a user who is still there, and one who takes the rest."""
    owners = [
        {"id": str(9_000 + n), "email": row["Email"], "firstName": row["FirstName"] or "",
         "lastName": row["LastName"]}
        for n, row in enumerate(users)
        if row["IsActive"]
    ]  # fmt: skip
    return [*owners, {"id": "8999", "email": STAND_IN, "firstName": "Ops", "lastName": "Ops"}]


def stages(document: Mapping[str, Any]) -> dict[str, Any]:
    """The stages of opportunities, old ones too: an admin sets them with their probabilities, no plan can."""
    records = document["records"]
    known = [row["MasterLabel"] for row in records.get("OpportunityStage", [])]
    if not known:
        return {}
    names = dict.fromkeys([*known, *(row["StageName"] for row in records["Opportunity"])])
    values = [{"value": name, "label": name, "active": True} for name in names]
    fields = [{"name": "StageName", "label": "Stage", "type": "picklist", "picklistValues": values}]
    return {"metadata": {"Opportunity": {"fields": fields}}}


@contextmanager
def journey(root: Path, document: Mapping[str, Any]) -> Iterator[Journey]:
    """Three sandboxes: the first seeded, the middle and the third with the users only."""
    with ExitStack() as stack:
        first = stack.enter_context(launch("salesforce", root / "first", speed=SPEED))
        settings = {"tier": "enterprise"}
        middle = stack.enter_context(launch("hubspot", root / "middle", speed=SPEED, settings=settings))
        third = stack.enter_context(launch("salesforce", root / "third", speed=SPEED, settings=AUDITED))
        first.control.post("/seed", dict(document))
        users = list(document["records"]["User"])
        third.control.post("/seed", {
            "org": {"Id": "00D5g0000009Thi", "Name": "Third"},
            **stages(document), "records": {
                "User": [*users, dict(STAND_IN_USER)],
                "OpportunityStage": document["records"].get("OpportunityStage", []),
            },
        })  # fmt: skip
        middle.control.post("/seed", {"owners": owners_of(first.control.ndjson("/truth/User"))})
        yield Journey(root, first, middle, third)
