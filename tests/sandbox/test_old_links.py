# ruff: noqa: E501 - plans and addresses are read across
"""A hundred and fifty old links, planted in the texts of a Salesforce org: in HubSpot all are new ones or listed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.demo.generated import generated
from migrate.demo.run import PLANS, credentials, sandboxes
from migrate.demo.shape import Sizes
from migrate.sandbox.server import Running
from migrate.workspace import Workspace
from tests.harness.old_links import judge, plant

SIZES = Sizes(
    accounts=10, parents=4, opportunities=12, users=35, inactive=6, companies=6, known=2, contacts=10
)
PLANTED = int(os.environ.get("OLD_LINKS", "150"))
PLAN = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: Account
    target: companies
    fields:
      name: Name
      old_parent: {from: ParentId, reference: Account}
      first_deal: {reference: Opportunity, gather: AccountId, missing: later}
      description: {from: Description, rewrite: links}
    create:
      old_parent: {kind: string}
      first_deal: {kind: string}
  - source: Opportunity
    target: deals
    where: "right(Id, 5) <> 'never'"
    fields:
      dealname: Name
      pipeline: {from: StageName, picklist: picklists/pipeline.csv, unmapped: default, default: Field Sales}
      dealstage: {from: StageName, picklist: picklists/stage.csv}
      closedate: CAST(CloseDate AS TIMESTAMP) AT TIME ZONE 'UTC'
      company_ref: {from: AccountId, reference: Account}
    create:
      company_ref: {kind: string}
"""


@dataclass
class Org:
    """Both sandboxes and the workspace between them."""

    root: Path
    salesforce: Running
    hubspot: Running

    def run(self, capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        return code, json.loads(capsys.readouterr().out)

    def truth(self, object: str) -> dict[str, dict[str, Any]]:
        """Live records of HubSpot's own store that bear a migration key, by key."""
        rows = self.hubspot.control.ndjson(f"/truth/{object}")
        return {
            row["properties"]["migration_key"]: row
            for row in rows
            if not row["archived"] and row["properties"].get("migration_key")
        }


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(tmp_path, generated(SIZES)))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": 20.0})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        root = tmp_path / "w"
        root.mkdir()
        (root / "plan.yaml").write_text(PLAN)
        shutil.copytree(PLANS / "salesforce-to-hubspot" / "picklists", root / "picklists")
        yield Org(root, salesforce, hubspot)
    signal.signal(signal.SIGTERM, before)


def test_planted_links_are_all_rewritten_or_listed(org: Org, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {name: org.salesforce.control.ndjson(f"/truth/{name}") for name in ("Account", "Opportunity")}
    records = [(name, str(row["Id"])) for name, found in rows.items() for row in found]
    org.run(capsys, "discover")
    catalog = Workspace(org.root).catalog("source")
    pages = {name: [catalog.objects[name].url, *catalog.objects[name].urls] for name in rows}
    nowhere = [
        f"{org.salesforce.url}/lightning/r/Report/00O5g000005XyZaEAK/view",
        f"{org.salesforce.url}/home/home.jsp",
    ]
    gone = ("Account", "0015g00000ZZZZZAAV")
    texts, planted = plant(PLANTED, SIZES.accounts, pages, [*records, gone], nowhere, short=15)  # type: ignore[arg-type]
    accounts = [id for name, id in records if name == "Account"]
    for id, text in zip(accounts, texts, strict=False):
        org.salesforce.control.post(
            "/act",
            {
                "as": "admin@sandbox.example",
                "do": "update",
                "object": "Account",
                "id": id,
                "fields": {"Description": text},
            },
        )

    for words in ("prepare", "extract", "transform", "load"):
        code, said = org.run(capsys, words)
        assert code in (0, 1), said

    companies, deals = org.truth("companies"), org.truth("deals")
    family = catalog.family
    portal = Workspace(org.root).catalog("target")

    def new(record: tuple[str, str]) -> str | None:
        name, id = record
        found = (companies if name == "Account" else deals).get(f"{family}.{name}.{id}")
        object = "companies" if name == "Account" else "deals"
        url = portal.objects[object].url
        return None if found is None or url is None else url.replace("{id}", str(found["id"]))

    store = Workspace(org.root).store
    manifest = store.manifest("old-links/Account/current")
    assert manifest is not None
    listed = [row for batch in store.read(manifest) for row in batch.to_pylist() if row["why"]]
    places = {f"{family}.Account.{id}": place for place, id in enumerate(accounts)}
    now = [companies[f"{family}.Account.{id}"]["properties"]["description"] for id in accounts[: len(texts)]]
    judged = judge(texts, now, planted, new, [(places[row["_key"]], row["old"]) for row in listed])
    assert (judged.lost, judged.harmed) == ((), ())
    assert judged.rewritten + judged.listed == PLANTED
    assert judged.listed == said["old_links"]["Account"]["left"] > 0
    assert judged.rewritten == said["old_links"]["Account"]["rewritten"] > 100

    # References, of the same load: to parents (a circle of its own kind), to deals that come later, and back.
    for row in rows["Account"]:
        held = companies[f"{family}.Account.{row['Id']}"]["properties"]
        parent = row.get("ParentId")
        assert held.get("old_parent") == (companies[f"{family}.Account.{parent}"]["id"] if parent else None)
        theirs = [
            deals[key]["id"]
            for deal in rows["Opportunity"]
            if deal["AccountId"] == row["Id"] and (key := f"{family}.Opportunity.{deal['Id']}") in deals
        ]
        assert sorted((held.get("first_deal") or "").split(";")) == sorted(theirs or [""])
    taken = [row for row in rows["Opportunity"] if f"{family}.Opportunity.{row['Id']}" in deals]
    assert len(taken) == len(deals) > 5  # a stage without a home rejects some of them
    for row in taken:
        held = deals[f"{family}.Opportunity.{row['Id']}"]["properties"]
        account = row.get("AccountId")
        assert held.get("company_ref") == (
            companies[f"{family}.Account.{account}"]["id"] if account else None
        )

    code, report = org.run(capsys, "validate")
    verdicts = {each["id"]: each["verdict"] for each in report["results"]}
    assert verdicts["links.Account.texts"] == "warn"
    assert [verdicts[name] for name in ("rows.Account", "rows.Opportunity", "links.Account.references")] == [
        "pass"
    ] * 3
    code, said = org.run(capsys, "rollback run --yes")
    assert code in (0, 1), said
    assert (org.truth("companies"), org.truth("deals")) == ({}, {})
