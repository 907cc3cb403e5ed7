"""Very many records go as one job of Salesforce's; killed at any moment, it is neither run twice nor lost.

Judged by the org's own store, and by the jobs that it was asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.test_salesforce_target import finished, killed
from tests.sandbox.orgs import PLAN, Orgs, orgs

pytestmark = pytest.mark.long

MANY = 450
RUNS = 120.0  # sandbox seconds that a job takes: two of the wall's


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    plan = PLAN.replace("settle: 1}", "settle: 1, jobs_from: 100}")
    with orgs(tmp_path_factory.mktemp("orgs"), plan, MANY, bulk_batch=100) as each:
        each.old.control.post("/act", {
            "as": "admin@sandbox.example", "do": "create", "object": "Contact",
            "fields": {"LastName": "Odd", "Description": "#N/A"},
        })  # fmt: skip
        for words in ("discover", "check", "prepare --yes", "extract", "transform"):
            assert finished(each, words) in (0, 1)
        each.save("ready")
        yield each


@pytest.fixture
def org(started: Orgs) -> Orgs:
    started.restore("ready")
    started.new.control.post("/settings", {"bulk_work": 0.1, "validation_rules": [], "duplicate_rules": []})
    return started


def jobs(org: Orgs, since: int) -> list[str]:
    """Methods and last words of the calls to ingest jobs after that request."""
    seen = org.new.control.ndjson(f"/requests?after={since}")
    return [f"{each['method']} {each['path'].rstrip('/').rpartition('/')[2][:9]}" for each in seen
            if "/jobs/ingest" in each["path"]]  # fmt: skip


def last(org: Orgs) -> int:
    seen = org.new.control.ndjson("/requests?after=0")
    return int(seen[-1]["number"]) if seen else 0


def there(org: Orgs) -> None:
    found = {each["LastName"]: each for each in org.keyed("Contact").values()}
    assert len(found) == MANY + 1
    assert found["Odd"]["Description"] == "#N/A"
    assert found["Person 7"]["Description"] == "line 1\nline 7 \U0001f469"
    assert found["Person 7"]["HasOptedOutOfEmail"] is True
    assert found["Person 8"]["FirstName"] is None


def test_many_records_are_created_by_one_job(org: Orgs) -> None:
    before = last(org)
    assert finished(org, "load") == 0
    there(org)
    asked = jobs(org, before)
    assert asked.count("POST ingest") == asked.count("PUT batches") == 1
    assert asked.count("GET successfu") == asked.count("GET failedRes") == 1
    assert finished(org, "rollback run --yes") == 0
    assert finished(org, "rollback verify") == 0
    assert org.rows("Contact") == []


def test_what_a_job_couldnt_do_goes_by_plain_calls_or_becomes_a_dead_letter(org: Orgs) -> None:
    org.new.control.post("/automations", {"duplicate_rules": True})
    org.new.control.post("/settings", {
        "validation_rules": [{"object": "Contact", "when": "LastName = 'Person 3'", "message": "No threes"}],
        "duplicate_rules": [{"object": "Contact", "fields": ["FirstName"], "action": "alert"}],
        "row_locks": {},
    })  # fmt: skip
    assert finished(org, "load") == 1
    assert len(org.keyed("Contact")) == MANY  # those that a rule warns of went without the job
    process = org.start("dead-letters list")
    told = json.loads(process.communicate()[0])
    assert "No threes" in json.dumps(told)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "jobs/ingest$"), ("PUT", "batches$"), ("PATCH", "jobs/ingest/")]
)
@pytest.mark.parametrize(
    "how",
    ["after_commit", *(pytest.param(each, marks=pytest.mark.slow) for each in ("arrival", "before_commit"))],
)
def test_a_load_killed_in_a_jobs_call_loads_each_record_once(
    org: Orgs, method: str, path: str, how: str
) -> None:
    killed(org, "load", how, method=method, path=path)
    assert finished(org, "load") == 0
    there(org)


def test_a_load_killed_while_the_job_runs_polls_the_same_job_to_its_end(org: Orgs) -> None:
    org.new.control.post("/settings", {"bulk_work": RUNS})
    before = last(org)
    process = org.start("load")
    end = time.monotonic() + 60
    while not any(each.startswith("PATCH") for each in jobs(org, before)):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert len(org.keyed("Contact")) == 1  # the canary; the job runs still
    assert finished(org, "load") == 0
    there(org)
    assert jobs(org, before).count("POST ingest") == 1


@pytest.mark.parametrize(
    "do",
    [
        {"kind": "drop", "at": "after_commit"},
        {"kind": "late_commit", "seconds": 3},
        {"kind": "status", "status": 503, "html": True},
    ],
    ids=lambda do: str(do["kind"]),
)
@pytest.mark.parametrize(
    "method", ["PATCH", *(pytest.param(each, marks=pytest.mark.slow) for each in ("POST", "PUT"))]
)
def test_a_lost_answer_of_a_jobs_call_loses_and_doubles_nothing(
    org: Orgs, method: str, do: dict[str, Any]
) -> None:
    org.new.control.post("/faults", [{"on": {"path": "jobs/ingest", "method": method}, "do": do}])
    assert finished(org, "load") == 0
    there(org)
