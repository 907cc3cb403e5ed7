"""What HubSpot's replies say of a call and of each row in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from migrate.connector import Batch, BatchRefused, Operation, Version, Who, Write
from migrate.connectors.http import Judgement, Reply, Verdict
from migrate.connectors.hubspot.reading import _answers
from migrate.connectors.hubspot.replies import classifier, problem
from migrate.connectors.hubspot.rights import needed
from migrate.connectors.hubspot.who import version, who
from migrate.connectors.hubspot.writing import outcomes, refused_whole

MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)


def reply(status: int, body: Any, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply("new", "POST", "/crm/objects/2026-03/contacts/batch/create", status, named, raw, True)


def judge(status: int, body: Any, **headers: str) -> Judgement:
    return classifier(lambda _: None, lambda: MIDNIGHT)(reply(status, body, **headers))


def test_the_pace_is_learned_from_the_headers_and_quotas_are_told() -> None:
    learned: list[float] = []
    headers = {
        "x-hubspot-ratelimit-max": "190",
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
        "x-hubspot-ratelimit-daily": "650000",
        "x-hubspot-ratelimit-daily-remaining": "649990",
    }
    judged = classifier(learned.append, lambda: None)(Reply("new", "GET", "/x", 200, headers, b"{}", False))
    assert learned == [19.0]
    assert (judged.calls_left, judged.calls_max) == (649990, 650000)


@pytest.mark.parametrize(
    ("policy", "message", "after"),
    [
        ("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.", 5.0),
        ("SECONDLY", "You have reached your secondly limit.", 1.0),
    ],
)
def test_a_burst_limit_is_waited_for(policy: str, message: str, after: float) -> None:
    judged = judge(429, {"errorType": "RATE_LIMIT", "policyName": policy, "message": message})
    assert (judged.verdict, judged.after) == (Verdict.THROTTLED, after)


def test_the_daily_limit_parks_until_the_portals_midnight() -> None:
    judged = judge(429, {"policyName": "DAILY", "message": "You have reached your daily limit."})
    assert (judged.verdict, judged.resume_at) == (Verdict.EXHAUSTED, MIDNIGHT)


def test_missing_scopes_are_named() -> None:
    body = {
        "category": "MISSING_SCOPES",
        "message": "This app hasn't been granted all required scopes",
        "errors": [{"context": {"requiredGranularScopes": ["crm.objects.contacts.read"]}}],
    }
    judged = judge(403, body)
    assert judged.verdict is Verdict.REFUSED
    assert "crm.objects.contacts.read" in judged.remedy


def test_a_locked_record_is_waited_for_and_a_page_of_html_leaves_doubt() -> None:
    assert judge(423, {"category": "LOCKED"}).verdict is Verdict.NOT_EXECUTED
    assert judge(502, b"<html>Bad gateway</html>").verdict is Verdict.BROKEN


def test_the_code_is_found_where_hubspot_hides_it_in_the_message() -> None:
    entry = {"isValid": False, "message": "X was not one of the allowed options", "error": "INVALID_OPTION"}
    said = problem(
        {
            "category": "VALIDATION_ERROR",
            "message": f"Property values were not valid: {json.dumps([{**entry, 'name': 'industry'}])}",
        }
    )
    assert said.code == "INVALID_OPTION"
    assert not said.conflict
    assert said.reason == "`industry`: X was not one of the allowed options"


@pytest.mark.parametrize(
    "error",
    [
        {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 151"},
        {"category": "OBJECT_ALREADY_EXISTS", "message": "…"},
        {
            "category": "VALIDATION_ERROR",
            "message": 'Property values were not valid: [{"error": "CONFLICTING_UNIQUE_VALUE", "name": "k"}]',
        },
    ],
)
def test_a_value_that_is_taken_is_a_conflict(error: dict[str, Any]) -> None:
    said = problem(error)
    assert said.conflict
    assert said.id == ("151" if "151" in error["message"] else None)


def create(count: int) -> Batch:
    writes = tuple(Write(f"k{index}", values={"migration_key": f"k{index}"}) for index in range(count))
    return Batch(Operation.CREATE, "contacts", writes)


def test_rows_are_known_by_their_trace_id_in_whatever_order_they_come() -> None:
    body = {
        "results": [
            {"id": "902", "objectWriteTraceId": "2", "properties": {}},
            {"id": "900", "properties": {"migration_key": "k0"}},
        ],
        "errors": [
            {
                "category": "VALIDATION_ERROR",
                "message": "Property values were not valid: [{}]",
                "context": {"objectWriteTraceId": ["1"]},
            },
            {"category": "CONFLICT", "message": "Existing ID: 7", "context": {"objectWriteTraceId": ["3"]}},
            {"category": "INTERNAL_ERROR", "context": {"objectWriteTraceId": ["4"]}},
        ],
    }
    found = outcomes(create(6), reply(207, body), "migration_key")
    assert [(each.index, each.status, each.id) for each in found] == [
        (0, "done", "900"),
        (1, "refused", None),
        (2, "done", "902"),
        (3, "conflict", "7"),
        (4, "unsaid", None),
        (5, "unsaid", None),
    ]


def test_unknown_ids_of_an_update_are_refused_by_id() -> None:
    batch = Batch(Operation.UPDATE, "contacts", (Write("a", "1"), Write("b", "2")))
    error = {"category": "OBJECT_NOT_FOUND", "message": "Could not get some", "context": {"ids": ["2"]}}
    body = {"results": [{"id": "1"}], "errors": [error]}
    assert [each.status for each in outcomes(batch, reply(207, body), None)] == ["done", "refused"]


def test_a_refusal_of_a_whole_batch_blames_nobody_unless_it_is_alone() -> None:
    body = {"category": "VALIDATION_ERROR", "message": "Property values were not valid: [{}]"}
    with pytest.raises(BatchRefused):
        refused_whole("new", 3, reply(400, body))
    assert refused_whole("new", 1, reply(400, body)).status == "refused"
    taken = {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 151"}
    assert refused_whole("new", 1, reply(409, taken)).status == "conflict"


def test_a_merged_records_id_is_answered_by_its_survivor() -> None:
    survivor = {"id": "9", "properties": {"hs_merged_object_ids": "4;5"}}
    other = {"id": "1", "properties": {}}
    assert list(_answers(["1", "4"], [survivor, other], None)) == [(other, "1"), (survivor, "4")]


def test_a_writer_is_ours_by_the_apps_id_and_a_person_unless_known_as_an_automation() -> None:
    assert who("INTEGRATION", "4711", "4711") is Who.OURS
    assert who("INTEGRATION", "12", "4711") is Who.INTEGRATION
    assert who("API", None, "4711") is Who.INTEGRATION
    assert who("CRM_UI", "userId:5", "4711") is Who.PERSON
    assert who("AUTOMATION_PLATFORM", "x", "4711") is Who.AUTOMATION
    assert who("COMPANY_INSIGHTS", None, "4711") is Who.AUTOMATION
    assert who("FORM", None, "4711") is Who.INTEGRATION
    assert who(None, None, "4711") is None


def test_a_version_tells_who_and_when() -> None:
    entry = {
        "value": "",
        "timestamp": "2026-05-01T10:00:00Z",
        "sourceType": "CRM_UI",
        "sourceId": "userId:5",
        "updatedByUserId": 5,
    }
    expected = Version("phone", None, "2026-05-01T10:00:00.000Z", Who.PERSON, "user 5")
    assert version("phone", entry, "4711", {}) == expected


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"sourceType": "CRM_UI", "sourceId": "userId:5", "updatedByUserId": 5}, "Ann Hall (ann@x.test)"),
        ({"sourceType": "CRM_UI", "sourceId": "userId:5"}, "Ann Hall (ann@x.test)"),
        (
            {"sourceType": "CRM_UI", "sourceId": "userId:5", "sourceLabel": "userId:5"},
            "Ann Hall (ann@x.test)",
        ),
        ({"sourceType": "CRM_UI", "sourceId": "userId:6"}, "user 6"),
        ({"sourceType": "AUTOMATION_PLATFORM", "sourceId": "enrichment"}, "enrichment"),
    ],
)
def test_a_person_is_called_by_name_where_the_portal_knows_it(entry: dict[str, Any], name: str) -> None:
    assert version("phone", {"value": "1"} | entry, "4711", {"5": "Ann Hall (ann@x.test)"}).name == name


def test_scopes_follow_the_objects() -> None:
    assert "crm.objects.contacts.write" in needed(["notes"], write=True)
    assert needed(["tickets"], write=False) == {"tickets", "crm.objects.owners.read"}
    assert "crm.objects.custom.read" in needed(["p1_car"], write=False)
