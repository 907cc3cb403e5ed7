"""What a plan of a rollback says is what a run then does: calls, counts, side effects, links to records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from migrate.demo.generated import generated
from migrate.demo.shape import Sizes
from tests.harness.lanes import Lane
from tests.sandbox.orgs import orgs

pytestmark = pytest.mark.long

SIZES = Sizes(accounts=320, parents=20, opportunities=700, companies=160, known=105, contacts=120)
WORKFLOW = "workflow_on_update"


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with Lane(tmp_path_factory.mktemp("plan") / "lane", generated(SIZES)) as made:
        made.must("discover", "prepare", "extract", "transform", "load")
        yield made


def planned(lane: Lane, words: str = "") -> dict[str, Any]:
    lane.settle()
    found: dict[str, Any] = lane.must(f"rollback plan {words}".strip())[0].document
    return found


def made_calls(lane: Lane, after: int) -> Counter[str]:
    """Calls that the portal got since, by what they are."""
    found: Counter[str] = Counter()
    for seen in lane.requests(after):
        found[f"{seen['method']} {seen['path'].partition('?')[0].rpartition('/')[2]}"] += 1
    return found


def test_calls_counts_and_rows_are_what_a_run_then_makes(lane: Lane, tmp_path: Path) -> None:
    lane.target.control.post("/automations", {WORKFLOW: True})
    found = planned(lane, f"--xlsx {tmp_path / 'plan.xlsx'}")

    rows = [row for part in sorted((lane.root / ".migrate" / "stage" / found["folder"]).glob("*.parquet"))
            for row in pq.read_table(part).to_pylist()]  # fmt: skip
    assert Counter(row["action"] for row in rows) == found["counts"]
    assert (tmp_path / "plan.xlsx").exists()
    deleted = [row for row in rows if row["action"] == "delete"]
    assert all(row["url"].endswith(f"/{row['id']}") for row in deleted)
    automations = [each for each in found["side_effects"] if each["kind"] == "automation"]
    assert [(each["object"], each["count"]) for each in automations] == [("companies", len(
        [row for row in rows if row["object"] == "companies" and row["action"] in ("delete", "restore")]
    ))]  # fmt: skip
    assert found["quota"]["enough"] is True

    before = lane.last_request()
    done = lane.must("rollback run --yes")[0].document
    calls = made_calls(lane, before)

    assert done["counts"]["delete"] == found["counts"]["delete"]
    assert done["counts"]["restore"] == found["counts"]["restore"] > 0
    assert calls.total() == pytest.approx(found["calls"]["total"], rel=0.2), (calls, found["calls"])


def test_what_putting_back_costs_is_told_as_well(lane: Lane) -> None:
    lane.must("load")
    before = {each["name"] for each in lane.must("rollback checkpoints")[0].document["checkpoints"]}
    opportunities = [row["Id"] for row in lane.salesforce.control.ndjson("/truth/Opportunity")]
    for id in opportunities[:250]:
        change = {"do": "update", "object": "Opportunity", "id": id, "fields": {"Name": "Renamed"}}
        lane.salesforce.control.post("/act", change)
    lane.must("extract --since-watermark", "transform", "load")
    points = lane.must("rollback checkpoints")[0].document["checkpoints"]
    later = next(each["name"] for each in points if each["name"] not in before)

    found = planned(lane, f"--to {later}")
    start = lane.last_request()
    done = lane.must(f"rollback run --yes --to {later}")[0].document
    calls = made_calls(lane, start)

    assert (
        done["counts"].get("restore", 0) + done["counts"].get("update", 0) == found["counts"]["restore"] > 200
    )
    assert calls.total() == pytest.approx(found["calls"]["total"], rel=0.2), (calls, found["calls"])


def test_an_org_says_what_goes_along_what_its_bin_holds_and_what_its_rules_may_refuse(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    with orgs(tmp_path_factory.mktemp("orgs")) as org:
        org.capsys = capsys
        org.act("create", "Account", fields={"Name": "Firm 3 of old", "Site": "s3", "Phone": "1"})
        org.must("discover", "prepare --yes", "extract", "transform", "load")

        found = org.run("rollback plan", 0, 1)
        before = len(org.new.control.ndjson("/requests?after=0"))
        done = org.run("rollback run --yes", 0, 1)
        calls = len(org.new.control.ndjson(f"/requests?after={before}"))

    assert done["counts"]["delete"] == found["counts"]["delete"]
    besides = {(each["kind"], each["object"]): each for each in found["side_effects"]}
    assert besides["cascade", "Account"]["words"].startswith("records of `Contact` would go along")
    bin = besides["recycle bin", ""]
    assert bin["count"] == found["counts"]["delete"]
    assert "5,000 a licence" in bin["words"]
    assert {group["object"] for group in found["groups"] if group["action"] == "revert schema"} >= {"Pet__c"}
    assert calls == pytest.approx(found["calls"]["total"], rel=0.2), (calls, found["calls"])
