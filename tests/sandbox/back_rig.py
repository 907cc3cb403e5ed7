"""Two systems, a workspace between them, and a cohort that is switched: what the tests of the way back need.

The gate and the signatures are other tests' matter: moves up to `approved` are put into the trail as they
would stand there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.cutover import homes, trail
from migrate.cutover.machine import MOVED, Cutover
from migrate.cutover.states import PATH, State
from migrate.sandbox.server import Running, launch
from migrate.workspace import Workspace

SPEED = 200.0
OLD, NEW = 4471203, 5550001
PERSON, OTHER = "ann@example.com", "bob@example.com"
HEAD = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
"""
LIKE = (
    HEAD
    + """\
cutover: {reverse: MODE}
objects:
  - source: companies
    target: companies
    fields: {name: name, domain: domain, description: description, city: city, annualrevenue: annualrevenue}
  - source: contacts
    target: contacts
    fields: {email: email, firstname: firstname, lastname: lastname, phone: phone, jobtitle: jobtitle,
             hubspot_owner_id: {from: hubspot_owner_id, owner: owners.csv}}
    links:
      - {to: companies, through: contacts_to_companies, left: left, right: right,
         label: {from: label, picklist: labels.csv}}
"""
)
LABELS = "source,count,target,note\nprimary,,primary,\ndefault,,default,\n"
OWNERS = (
    "source_id,source_email,source_name,active,target_email,note\n"
    f"1,{PERSON},Ann,true,{PERSON},\n2,{OTHER},Bob,true,{OTHER},\n"
)


@dataclass
class Rig:
    """Both systems and the workspace."""

    root: Path
    old: Running
    new: Running
    capsys: pytest.CaptureFixture[str] | None = None
    names: dict[str, str] = field(default_factory=dict)

    def run(self, words: str, *codes: int) -> dict[str, Any]:
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert code in (codes or (0, 1)), found
        return found

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        found = Workspace(self.root)
        try:
            yield found
        finally:
            found.close()

    def act(self, side: str, do: str, object: str, *, who: str = PERSON, **more: Any) -> dict[str, Any]:
        running = self.old if side == "old" else self.new
        found: dict[str, Any] = running.control.post("/act", {"as": who, "do": do, "object": object, **more})
        return found

    def truth(self, side: str, object: str) -> dict[str, dict[str, Any]]:
        """Live records by id, out of the store."""
        running = self.old if side == "old" else self.new
        rows = running.control.ndjson(f"/truth/{object}")
        return {
            row["id"]: row["properties"]
            for row in rows
            if not (row["archived"] or row["purged"] or row["mergedInto"])
        }

    def org(self, object: str) -> dict[str, dict[str, Any]]:
        """Live records of the old system by id, where that is a Salesforce org."""
        return {row["Id"]: row for row in self.old.control.ndjson(f"/truth/{object}") if not row["IsDeleted"]}

    def named(self, side: str, object: str, name: str, by: str = "lastname") -> dict[str, Any]:
        """The live record of this name; exactly one."""
        found = [{**row, "_id": id} for id, row in self.truth(side, object).items() if row.get(by) == name]
        assert len(found) == 1, (side, object, name, found)
        return found[0]

    def links(self, side: str) -> set[tuple[str, str]]:
        """Contacts and companies that are linked, by name."""
        running = self.old if side == "old" else self.new
        people, firms = self.truth(side, "contacts"), self.truth(side, "companies")
        return {
            (people[row["from"]]["lastname"], firms[row["to"]]["name"])
            for row in running.control.ndjson("/truth/links")
            if (row["from_object"], row["to_object"]) == ("contacts", "companies") and not row["archived"]
            and row["from"] in people and row["to"] in firms
        }  # fmt: skip

    def to_approved(self, cohort: str = "all") -> None:
        """Load the cohort, and let the trail say that it was approved."""
        for words in ("discover", "prepare --yes", "extract", "transform", "load"):
            self.run(words)
        self.approved(cohort)

    def approved(self, cohort: str = "all") -> None:
        """Let the trail say that a loaded cohort was approved."""
        with self.workspace() as workspace:
            homes.publish(workspace, cohort)
            self.moves(workspace, cohort, PATH[1 : PATH.index("approved") + 1])

    def moves(self, workspace: Workspace, cohort: str, states: tuple[State, ...]) -> None:
        """Put moves into the trail."""
        for to in states:
            state = Cutover(workspace, cohort).state
            facts: dict[str, Any] = {"from": state, "to": to, "hooks": []}
            trail.append(workspace.ledger, "Ada", MOVED, cohort=cohort, **facts)

    def switch(self, cohort: str = "all") -> None:
        """Open the way back, fly the canary, and be switched."""
        from migrate.cutover import reverse

        with self.workspace() as workspace:
            cutover = Cutover(workspace, cohort)
            self.moves(workspace, cohort, ("switching",))
            reverse.open(cutover, who="Ada")
            reverse.canary(workspace, cohort)
            self.moves(workspace, cohort, ("switched",))


@contextmanager
def portals(base: Path, plan: str, files: Mapping[str, str]) -> Iterator[Rig]:
    """Two HubSpot portals and a workspace with a plan."""
    with ExitStack() as stack:
        running = []
        for name, portal in (("old", OLD), ("new", NEW)):
            (base / name).mkdir()
            each = stack.enter_context(
                launch(
                    "hubspot", base / name, speed=SPEED,
                    settings={"tier": "professional", "index_lag": [0, 1]},
                )
            )  # fmt: skip
            owners = [{"id": 1, "email": PERSON}, {"id": 2, "email": OTHER}]
            each.control.post("/seed", {"portal": {"portalId": portal}, "owners": owners})
            running.append(each)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for prefix, each in zip(("OLD_", "NEW_"), running, strict=True):
            patch.setenv(f"{prefix}TOKEN", "pat-na1-sandbox")
            patch.setenv(f"{prefix}BASE_URL", each.url)
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(plan)
        for name, content in files.items():
            (root / name).write_text(content)
        yield Rig(root, running[0], running[1])


FROM_SALESFORCE = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_", clock: sandbox, longest_call: 5}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
cutover:
  reverse:
    mode: MODE
    rules:
      contacts.email: {lossy: accepted}
      companies.industry: {lossy: accepted}
      deals.closedate: {sql: "CAST(closedate AS DATE)"}
      deals.pipeline: {keep: source}
      deals.dealstage: {lossy: accepted}
objects:
  - source: Account
    target: companies
    fields:
      name: Name
      description: Description
      annualrevenue: AnnualRevenue
      industry: {from: Industry, picklist: industry.csv}
  - source: Contact
    target: contacts
    fields: {email: lower(Email), firstname: FirstName, lastname: LastName, jobtitle: Title}
    links: [{to: companies, via: AccountId, label: primary}]
  - source: Opportunity
    target: deals
    fields:
      dealname: Name
      amount: Amount
      closedate: CAST(CloseDate AS TIMESTAMP) AT TIME ZONE 'UTC'
      pipeline: "'default'"
      dealstage: {from: StageName, picklist: stage.csv, unmapped: reject}
    links: [{to: companies, via: AccountId, label: primary}]
"""
FROM_SALESFORCE += "consent: [{source: Contact, opted_out: HasOptedOutOfEmail, address: Email}]\n"
INDUSTRY = "source,count,target,note\nBanking,,BANKING,\nFinance,,BANKING,\nEnergy,,UTILITIES,\n"
STAGE = (
    "source,count,target,note\nProspecting,,appointmentscheduled,\nQualification,,qualifiedtobuy,\n"
    "Closed Won,,closedwon,\nClosed Lost,,closedlost,\n"
)


@contextmanager
def org_to_portal(base: Path, plan: str) -> Iterator[Rig]:
    """A Salesforce org, a HubSpot portal, and a workspace with a plan from the one to the other."""
    with ExitStack() as stack:
        for name in ("old", "new"):
            (base / name).mkdir()
        old = stack.enter_context(launch("salesforce", base / "old", speed=SPEED))
        settings = {"tier": "professional", "index_lag": [0, 1]}
        new = stack.enter_context(launch("hubspot", base / "new", speed=SPEED, settings=settings))
        new.control.post("/seed", {"portal": {"portalId": NEW}, "owners": [{"id": 1, "email": PERSON}]})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in (
            ("OLD_INSTANCE_URL", old.url), ("OLD_CLIENT_ID", "admin-app"),
            ("OLD_CLIENT_SECRET", "sandbox-secret"),
            ("NEW_TOKEN", "pat-na1-sandbox"), ("NEW_BASE_URL", new.url),
        ):  # fmt: skip
            patch.setenv(name, value)
        root = base / "work"
        root.mkdir()
        (root / "plan.yaml").write_text(plan)
        (root / "industry.csv").write_text(INDUSTRY)
        (root / "stage.csv").write_text(STAGE)
        yield Rig(root, old, new)
