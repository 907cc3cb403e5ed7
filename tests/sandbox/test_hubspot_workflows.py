"""A portal's workflows, as the sandbox plays them: each does one kind of harm, and each can be switched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.hubspot.workflows import WORKFLOWS
from tests.sandbox.hubspot_portal import Portal

FLOWS = "/automation/v4/flows"


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    made = Portal(tmp_path)
    made.seed(owners=[{"email": "ann@acme.test"}, {"email": "bob@acme.test"}])
    return made


def contact(portal: Portal) -> str:
    return portal.make("contacts", email="a@acme.test", jobtitle="Boss")


def deal(portal: Portal) -> str:
    return portal.make("deals", dealname="D", pipeline="default", dealstage="appointmentscheduled")


def company(portal: Portal) -> str:
    id = portal.make("companies", name="Acme")
    portal.good("PATCH", f"/crm/v3/objects/companies/{id}", {"properties": {"phone": "1"}})
    return id


MAKES: dict[str, Callable[[Portal], str]] = {"contacts": contact, "deals": deal, "companies": company}


def everything(portal: Portal) -> dict[str, Any]:
    return {
        name: portal.truth(name) for name in ("contacts", "companies", "deals", "tasks", "links", "mails")
    }


def test_no_workflow_acts_unless_it_is_switched_on(portal: Portal) -> None:
    for make in MAKES.values():
        make(portal)
    before = everything(portal)
    portal.pass_time(60)
    assert everything(portal) == before


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_acts_some_seconds_after_the_write(portal: Portal, name: str) -> None:
    portal.vendor.automations[name] = True
    MAKES[WORKFLOWS[name].object](portal)
    before = everything(portal)
    portal.pass_time(6)
    assert everything(portal) != before


def test_a_value_that_it_sets_carries_its_name(portal: Portal) -> None:
    portal.vendor.automations["workflow_changes"] = True
    id = contact(portal)
    portal.pass_time(6)
    url = f"/crm/v3/objects/contacts/{id}?propertiesWithHistory=jobtitle"
    newest, ours = portal.good("GET", url)["propertiesWithHistory"]["jobtitle"]
    assert (newest["value"], newest["sourceType"]) == ("To be checked", "AUTOMATION_PLATFORM")
    assert newest["sourceId"] == f"flow:{WORKFLOWS['workflow_changes'].id}"
    assert (ours["value"], ours["sourceType"]) == ("Boss", "INTEGRATION")


def test_a_task_hangs_on_the_record_and_a_mail_is_in_the_log(portal: Portal) -> None:
    portal.vendor.automations |= {"workflow_task": True, "workflow_mail": True}
    owner, on = contact(portal), deal(portal)
    portal.pass_time(6)
    [task] = portal.truth("tasks")
    assert set(portal.links("deals", on, "tasks")) == {task["id"]}
    [mail] = portal.truth("mails")
    assert (mail["recipient"], str(mail["record"])) == ("a@acme.test", owner)
    assert portal.get("contacts", owner, "hs_email_delivered")["hs_email_delivered"] == "1"


def test_a_touch_moves_the_stamp_and_nothing_else(portal: Portal) -> None:
    portal.vendor.automations["workflow_touch"] = True
    id = deal(portal)
    [before] = portal.truth("deals")
    portal.pass_time(6)
    [after] = portal.truth("deals")
    assert after["updatedAt"] > before["updatedAt"]
    stamp = "hs_lastmodifieddate"
    assert {**after["properties"], stamp: ""} == {**before["properties"], stamp: ""}
    assert id == after["id"]


def test_workflows_are_listed_and_switched_by_their_api(portal: Portal) -> None:
    portal.vendor.automations["workflow_fills"] = True
    page = portal.good("GET", f"{FLOWS}?limit=3")
    assert [flow["isEnabled"] for flow in page["results"]] == [True, False, False]
    rest = portal.good("GET", f"{FLOWS}?limit=100&after={page['paging']['next']['after']}")
    assert len(page["results"]) + len(rest["results"]) == len(WORKFLOWS)
    assert "paging" not in rest
    id = page["results"][0]["id"]
    flow = portal.good("GET", f"/automation/2026-09-beta/flows/{id}")
    body = {**flow, "isEnabled": False}
    assert portal.good("PUT", f"{FLOWS}/{id}", body)["isEnabled"] is False
    assert portal.vendor.automations["workflow_fills"] is False
    assert portal.ask("PUT", f"{FLOWS}/{id}", body).status == 409  # an older revision than the latest
    assert portal.ask("PUT", f"{FLOWS}/{id}", {"isEnabled": True}).status == 400
    assert portal.ask("GET", f"{FLOWS}/7").status == 404


def test_workflows_need_a_scope_of_their_own(portal: Portal) -> None:
    portal.seed(tokens=[{"token": "pat-small", "scopes": ["crm.objects.contacts.read"]}])
    reply = portal.ask("GET", FLOWS, token="pat-small")
    assert reply.status == 403
    assert "automation" in str(reply.body)
