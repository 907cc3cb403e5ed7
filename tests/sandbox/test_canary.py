"""The canary finds each automation that the sandbox can switch on, before the second record is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.sandbox.hubspot.automations import ASSOCIATE, ENRICH
from migrate.sandbox.hubspot.workflows import WORKFLOWS
from tests.harness.lanes import Lane
from tests.proofs.claims import Ground
from tests.proofs.history_canary import fly, offered, ready


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder: Path = tmp_path_factory.mktemp("canary")
    with Ground(folder).lane("one") as made:
        ready(made)
        yield made


TOLD = {
    ASSOCIATE: "links the record to `companies`",
    ENRICH: "fills `description`, which was empty, by enrichment",
    "workflow_fills": "fills `hs_lead_status`, which was empty, by flow:585050001",
    "workflow_changes": "changes `jobtitle`, by flow:585050002",
    "workflow_owner": "changes `hubspot_owner_id`, by flow:585050003",
    "workflow_mail": "sends mail (`hs_email_last_send_date` tells)",
    "workflow_task": "makes a record of `tasks`",
    "workflow_touch": "moves the record's modification stamp and changes no value",
    "workflow_on_update": "fills `about_us`, which was empty, by flow:585050007",
}


def test_every_automation_that_the_sandbox_has_is_tried_here(lane: Lane) -> None:
    assert offered(lane) == sorted(TOLD)
    assert set(WORKFLOWS) < set(TOLD)


@pytest.mark.parametrize(
    "automation",
    [pytest.param(each, marks=[pytest.mark.long] if number > 2 else []) for number, each in enumerate(TOLD)],
)
def test_it_is_found_by_name_before_the_second_record(lane: Lane, automation: str) -> None:
    flight = fly(lane, automation)
    assert flight.found, str(flight)
    assert any(each.startswith(TOLD[automation]) for each in flight.told), flight.told
    assert set(flight.written.values()) == {1}


@pytest.mark.long
def test_with_all_of_them_off_the_load_goes_through(lane: Lane) -> None:
    flight = fly(lane, "")
    assert (flight.code in (0, 1), flight.told) == (True, ())
    assert flight.written["deals create"] > 1


@pytest.mark.long
def test_the_oracle_is_red_where_an_entry_goes_without_a_canary(lane: Lane) -> None:
    flight = fly(lane, "workflow_changes", waive=True)
    assert not flight.found
    assert flight.more
