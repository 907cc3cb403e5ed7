"""Does a history go from HubSpot into Salesforce, and what Salesforce adds by itself away with it again?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from migrate.sandbox.server import launch
from tests.sandbox.files_rig import NOISE, Files, in_process

pytestmark = pytest.mark.long

SPEED = 20.0
PLAN = """\
version: 1
source: {system: legacy, type: hubspot, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: salesforce, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: companies
    target: Account
    key: {field: Migration_Key__c}
    fields: {Name: name}
  - source: emails
    target: EmailMessage
    key: {field: Migration_Key__c}
    activity: {at: hs_timestamp}
    related:
      company: {of: emails_to_companies, by: left, take: min(right)}
    insert_only: [CreatedDate]
    fields:
      Subject: hs_email_subject
      HtmlBody: hs_email_html
      TextBody: hs_email_text
      MessageDate: hs_timestamp
      CreatedDate: hs_timestamp
      Incoming: hs_email_direction = 'INCOMING_EMAIL'
      Status: CASE WHEN hs_email_direction = 'INCOMING_EMAIL' THEN '1' ELSE '3' END
      FromAddress: person_email(header_people(hs_email_headers, 'from')[1])
      FromName: person_name(header_people(hs_email_headers, 'from')[1])
      ToAddress: array_to_string(people_emails(header_people(hs_email_headers, 'to')), '; ')
      CcAddress: array_to_string(people_emails(header_people(hs_email_headers, 'cc')), '; ')
      RelatedToId: {from: company, reference: companies}
  - source: tasks
    target: Task
    key: {field: Migration_Key__c}
    activity: {at: hs_timestamp, synced: false}
    insert_only: [CreatedDate]
    fields:
      Subject: hs_task_subject
      Description: hs_task_body
      Status: CASE hs_task_status WHEN 'COMPLETED' THEN 'Completed' ELSE 'Not Started' END
      ActivityDate: CAST(hs_timestamp AT TIME ZONE 'UTC' AS DATE)
      CreatedDate: hs_timestamp
"""
BODY = "<p>Grüße \U0001f600 &amp; mehr</p>"


def headers(number: int) -> str:
    sender = {"email": f"a{number}@x.test", "firstName": "Ann", "lastName": "Lee"}
    receivers = {"to": [{"email": "b@y.test"}, {"email": "c@y.test"}], "cc": [{"email": "d@y.test"}]}
    return json.dumps({"from": sender, **receivers})


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("back")
    with ExitStack() as stack:
        hubspot = stack.enter_context(launch("hubspot", base / "hubspot", speed=SPEED, settings=NOISE))
        salesforce = stack.enter_context(launch("salesforce", base / "salesforce", speed=SPEED))
        clients = [{"client_id": "app", "client_secret": "secret", "user": "admin@sandbox.example"}]
        audited = {"*": {"PermissionsCreateAuditFields": True}}
        salesforce.control.post("/seed", {"clients": clients, "permissions": audited})
        hubspot.control.post("/seed", {"tokens": [{"token": "pat-na1-sandbox"}]})
        act = {"as": "ann@example.com", "do": "create"}
        made = {"object": "companies", "fields": {"name": "Firm"}}
        firm = hubspot.control.post("/act", {**act, **made})["id"]
        for number in range(4):
            hubspot.control.post("/act", {
                **act, "object": "emails", "on": {"object": "companies", "id": firm}, "fields": {
                    "hs_timestamp": f"2019-03-0{1 + number}T10:00:00.000Z", "hs_email_subject": f"m{number}",
                    "hs_email_html": BODY, "hs_email_text": "x", "hs_email_headers": headers(number),
                    "hs_email_direction": "EMAIL" if number % 2 else "INCOMING_EMAIL"},
            })  # fmt: skip
            hubspot.control.post("/act", {
                **act, "object": "tasks", "fields": {
                    "hs_timestamp": f"2018-03-0{1 + number}T10:00:00.000Z", "hs_task_subject": f"t{number}",
                    "hs_task_status": "COMPLETED"},
            })  # fmt: skip
        stack.enter_context(in_process({
            "NEW_INSTANCE_URL": salesforce.url, "NEW_CLIENT_ID": "app", "NEW_CLIENT_SECRET": "secret",
            "LEGACY_TOKEN": "pat-na1-sandbox", "LEGACY_BASE_URL": hubspot.url,
        }))  # fmt: skip
        files = Files(base / "work", salesforce, hubspot)
        files.plan("", PLAN)
        yield files


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    return started.moved(capsys)


def live(moved: Files, object: str) -> list[dict[str, Any]]:
    return [row for row in moved.salesforce.control.ndjson(f"/truth/{object}") if not row.get("IsDeleted")]


def test_messages_and_tasks_keep_time_people_body_and_parent(moved: Files) -> None:
    [firm] = live(moved, "Account")
    mails = {row["Subject"]: row for row in live(moved, "EmailMessage")}
    assert set(mails) == {f"m{n}" for n in range(4)}
    for number in range(4):
        mail = mails[f"m{number}"]
        assert mail["MessageDate"] == mail["CreatedDate"] == f"2019-03-0{1 + number}T10:00:00.000Z"
        assert (mail["HtmlBody"], mail["TextBody"], mail["Incoming"]) == (BODY, "x", number % 2 == 0)
        assert (mail["FromAddress"], mail["FromName"]) == (f"a{number}@x.test", "Ann Lee")
        assert (mail["ToAddress"], mail["CcAddress"]) == ("b@y.test; c@y.test", "d@y.test")
        assert mail["RelatedToId"] == firm["Id"]
    tasks = {row["Subject"]: row for row in live(moved, "Task") if row.get("Migration_Key__c")}
    assert {row["ActivityDate"] for row in tasks.values()} == {f"2018-03-0{n}" for n in range(1, 5)}


def test_the_task_that_salesforce_makes_of_a_message_is_expected_counted_and_no_stranger(
    moved: Files,
) -> None:
    companions = {row["ActivityId"] for row in live(moved, "EmailMessage")}
    assert len(companions) == 4
    loaded = moved.said["load"][1]
    assert loaded["companions"] == {"Task": 4}
    effects = {each["entry"]: each["effects"] for each in loaded["canaries"]}
    assert [(e["does"], e["what"], e["accepted"]) for e in effects["emails"]] == [
        ("makes", "Task", "Enhanced Email")
    ]
    assert effects["emails"][0]["id"] in companions
    assert [(e["does"], e["accepted"]) for e in effects["companies"]] == [("links", "Enhanced Email")]
    assert not [side for each in loaded["swept"] for side in each["sides"] if side in companions]
    # A second load looks at no message again, and journals none twice.
    before = moved.salesforce.control.ndjson("/log?after=0")
    assert moved.run("load")[1]["companions"] == {"Task": 4}
    assert moved.salesforce.control.ndjson("/log?after=0") == before


def test_a_validation_counts_the_companions_and_calls_none_foreign(moved: Files) -> None:
    report = moved.run("validate")[1]
    [strays] = [each for each in report["results"] if each["id"] == "strays.tasks"]
    assert strays["verdict"] == "pass", strays
    assert strays["figures"]["side records, journalled"] == 4
    assert strays["figures"]["side records, not journalled"] == 0


def test_a_rollback_takes_messages_tasks_and_their_companions_away(moved: Files) -> None:
    moved.must("rollback plan", "rollback run --yes")
    code, found = moved.run("rollback verify")
    assert code in (0, 1), found
    assert found["held"] == 0
    assert live(moved, "EmailMessage") == live(moved, "Task") == live(moved, "Account") == []


def test_companions_are_known_and_go_back_where_the_plan_has_no_tasks(moved: Files) -> None:
    moved.plan("", PLAN[: PLAN.index("  - source: tasks")])
    moved.must("transform")
    code, loaded = moved.run("load")
    assert (code, loaded["companions"]) == (0, {"Task": 4}), loaded
    assert {row["Id"] for row in live(moved, "Task")} == {
        row["ActivityId"] for row in live(moved, "EmailMessage")
    }
    moved.must("rollback run --yes")
    code, found = moved.run("rollback verify")
    assert (code, found["verdict"], found["held"]) == (0, "pass", 0), found
    assert live(moved, "EmailMessage") == live(moved, "Task") == live(moved, "Account") == []
