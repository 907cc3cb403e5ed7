"""What the plan has switched off in HubSpot is off while we write, and on again after it, or after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.sandbox.hubspot.workflows import WORKFLOWS
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground

pytestmark = pytest.mark.long

MAIL = "workflow_mail"
SAVED = "ready"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder: Path = tmp_path_factory.mktemp("automations")
    with Ground(folder).lane("one") as lane:
        plan = lane.root / "plan.yaml"
        plan.write_text(plan.read_text() + "automations: {switch_off: [Welcome mail]}\n")
        lane.must("discover", "check", "prepare", "extract", "transform")
        lane.save(SAVED)
        yield lane


@pytest.fixture
def lane(made: Lane) -> Lane:
    made.restore(SAVED)
    made.target.control.post("/automations", {**dict.fromkeys(WORKFLOWS, False), MAIL: True})
    return made


def on(lane: Lane) -> bool:
    return bool(lane.target.control.get("/automations")[MAIL])


def mails(lane: Lane) -> int:
    return len(lane.target.control.ndjson("/truth/mails"))


def test_no_mail_is_sent_by_a_load_nor_by_its_rollback_and_it_is_on_again(lane: Lane) -> None:
    lane.must("load")
    assert (mails(lane), on(lane)) == (0, True)
    lane.must("rollback run --yes", "rollback verify")
    lane.settle()
    assert (mails(lane), on(lane)) == (0, True)
    switched = [row for row in lane.target.control.ndjson("/log?after=0") if row["object"] == "flows"]
    assert [row["after"]["isEnabled"] for row in switched] == [False, True] * 2


@pytest.mark.parametrize("at", ["arrival", "after_commit"])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_at_either_switching_it_is_named_and_a_restore_brings_it_back(
    lane: Lane, nth: int, at: str
) -> None:
    lane.target.control.post(
        "/faults",
        [
            {
                "on": {"method": "PUT", "path": "/automation/v4/flows/*", "nth": nth},
                "do": {"kind": "hold", "at": at},
            }
        ],
    )
    child = lane.start("load")
    assert lane.wait_held(child)
    child.kill()
    lane.calm()
    [off] = lane.must("status")[0].document["status"]["off"]
    assert "`Welcome mail`" in off
    [ended] = lane.must("automations restore")
    assert [each["state"] for each in ended.document["restored"]] == ["on"]
    assert on(lane)
    assert lane.must("status")[0].document["status"]["off"] == []
    lane.must("load")
    assert (mails(lane), on(lane)) == (0, True)


def test_killed_in_the_midst_of_its_work_the_next_load_brings_it_back(lane: Lane) -> None:
    path = "/crm/objects/2026-03/deals/batch/create"
    fault = {"on": {"method": "POST", "path": path}, "do": {"kind": "hold", "at": "after_commit"}}
    lane.target.control.post("/faults", [fault])
    child = lane.start("load")
    assert lane.wait_held(child)
    child.kill()
    lane.calm()
    assert not on(lane)
    lane.must("load")
    assert (mails(lane), on(lane)) == (0, True)


def test_check_lists_them_and_says_what_hubspot_does_not_tell(lane: Lane) -> None:
    [ended] = lane.must("check --live")
    told = ended.document["automations"]
    found = {each["name"]: (each["object"], each["active"]) for each in told["automations"]}
    assert found["Welcome mail"] == ("contacts", True)
    assert len(found) == len(WORKFLOWS)
    assert "enrichment" in told["untold"][0]
