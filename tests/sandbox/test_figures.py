"""The money, the accounts that matter and the plan's questions, seen through both vendors' own interfaces."""

from __future__ import annotations

import json
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

SIZES = Sizes(
    accounts=12, parents=4, opportunities=60, users=35, inactive=6, companies=20, known=3, contacts=20
)
SPEED = 20.0
LINE = ("discover", "check", "prepare", "extract", "transform", "load")
CHECKS = ("money", "spot", "questions")


@dataclass
class Loaded:
    """A company that was moved, both systems still running."""

    root: Path
    salesforce: Running
    hubspot: Running

    def results(self) -> dict[str, dict[str, Any]]:
        """Validate anew; results of these checks by id."""
        main(["-w", str(self.root), "--json", "validate", *(f"--only={name}" for name in CHECKS)])
        reports = self.root / ".migrate" / "reports"
        folder = json.loads((reports / "latest.json").read_text())["folder"]
        document = json.loads((reports / folder / "report.json").read_text())
        return {each["id"]: each for each in document["results"]}

    def deals(self) -> list[dict[str, Any]]:
        """Deals that we brought, out of HubSpot's own store."""
        rows = [row for row in self.hubspot.control.ndjson("/truth/deals") if not row["archived"]]
        return [row for row in rows if row["properties"].get("migration_key")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    base = tmp_path_factory.mktemp("figures")
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, generated(SIZES)))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        root = base / "workspace"
        shutil.copytree(PLANS / "salesforce-to-hubspot", root)
        text = (root / "plan.yaml").read_text().replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
        text = text.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 5}")
        (root / "plan.yaml").write_text(text)
        for words in LINE:
            assert main(["-w", str(root), "--json", words]) in (0, 1), words
        yield Loaded(root, salesforce, hubspot)
    signal.signal(signal.SIGTERM, before)


def test_what_arrived_agrees_and_both_vendors_say_the_same_of_themselves(loaded: Loaded) -> None:
    found = loaded.results()

    assert not [each for each in found.values() if each["verdict"] in ("fail", "error", "empty")], found
    won = found["questions.won_by_month"]
    assert won["verdict"] == "pass", won["summary"]
    assert won["figures"]["own figures of legacy"] == "SOQL aggregate query"
    stages = found["questions.open_pipeline_by_stage"]
    assert stages["figures"]["own figures of new"] == "CRM search, totals"
    lines = {row[0]: row for row in found["money.Opportunity"]["tables"][0]["rows"]}
    truth = sum(round(float(deal["properties"].get("amount") or 0) * 100) for deal in loaded.deals())
    assert round(float(lines["Everything"][5]) * 100) == truth
    # HubSpot weighs its stages by itself: a forecast that moves is amber, and says so.
    assert found["money.Opportunity"]["verdict"] == "warn"
    assert "Weighted pipeline" in found["money.Opportunity"]["summary"]


def test_a_won_deal_that_loses_money_is_red_in_money_question_and_account(loaded: Loaded) -> None:
    deal = next(each for each in loaded.deals() if each["properties"].get("hs_is_closed_won") == "true")
    was = deal["properties"]["amount"]
    edit = {"do": "update", "object": "deals", "id": deal["id"], "fields": {"amount": "0.01"}}
    loaded.hubspot.control.post("/act", edit)

    found = loaded.results()

    money = found["money.Opportunity"]
    assert money["verdict"] == "fail"
    worst = [row for row in money["sample"] if row["grade"] == "fail"]
    assert [(row["key"], row["class"], row["found"]) for row in worst] == [
        (deal["properties"]["migration_key"], "amount changed", "0.01")
    ]
    assert found["questions.won_by_month"]["verdict"] == "fail"
    assert found["spot.Account"]["verdict"] == "fail"
    loaded.hubspot.control.post("/act", edit | {"fields": {"amount": was}})


def test_a_record_that_the_old_system_has_made_since_is_told_and_amber(loaded: Loaded) -> None:
    fields = {"Name": "Late", "StageName": "Closed Won", "CloseDate": "2021-03-03", "Amount": 5}
    loaded.salesforce.control.post("/act", {"as": "admin@sandbox.example", "do": "create",
                                            "object": "Opportunity", "fields": fields})  # fmt: skip

    won = loaded.results()["questions.won_by_month"]

    assert won["verdict"] == "warn", won["summary"]
    assert "legacy has gone on: 1 record changed since the extract." in won["summary"]
