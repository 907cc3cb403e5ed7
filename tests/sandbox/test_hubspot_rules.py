"""Which smaller rules of HubSpot does the sandbox keep, and which does a setting bend?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

FORM = {"content-type": "application/x-www-form-urlencoded"}
COMPANIES = "/crm/v3/objects/companies"


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


def test_a_body_that_is_too_large_is_refused_where_that_is_set(portal: Portal) -> None:
    body = {"properties": {"name": "x" * 500}}
    assert portal.ask("POST", COMPANIES, body).status == 201
    portal.vendor.settings["longest_body"] = 400
    reply = portal.ask("POST", COMPANIES, body)
    assert (reply.status, bool(reply.body["correlationId"])) == (413, True)


def test_a_code_is_exchanged_once_and_for_its_own_address(portal: Portal) -> None:
    app = {"client_id": "c", "client_secret": "s", "app_id": 9, "refresh_token": "r"}
    portal.seed(apps=[{**app, "code": "one", "redirect_uri": "https://x.test/"}])
    form = "grant_type=authorization_code&client_id=c&client_secret=s&code=one&redirect_uri="
    other = portal.ask("POST", "/oauth/v1/token", (form + "https://y.test/").encode(), headers=FORM)
    assert (other.status, other.body["status"]) == (400, "MISMATCH_REDIRECT_URI_AUTH_CODE")
    good = portal.good("POST", "/oauth/v1/token", (form + "https://x.test/").encode(), headers=FORM)
    assert (good["refresh_token"], good["expires_in"]) == ("r", 1800)
    assert portal.ask("GET", COMPANIES, token=good["access_token"]).status == 200
    again = portal.ask("POST", "/oauth/v1/token", (form + "https://x.test/").encode(), headers=FORM)
    assert (again.status, again.body["status"]) == (400, "BAD_AUTH_CODE")


def test_an_oauth_app_does_not_draw_on_the_portals_day(tmp_path: Path) -> None:
    portal = Portal(tmp_path, daily=3)
    form = b"grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret"
    form += b"&refresh_token=sandbox-refresh"
    token = portal.good("POST", "/oauth/v1/token", form, headers=FORM)["access_token"]
    replies = [portal.ask("GET", COMPANIES, token=token) for _ in range(5)]
    assert {reply.status for reply in replies} == {200}
    assert "X-HubSpot-RateLimit-Daily" not in replies[0].headers
    assert [portal.ask("GET", COMPANIES).status for _ in range(4)] == [200, 200, 200, 429]


def test_a_record_names_its_page_unless_that_is_switched_off(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    found = portal.good("GET", f"{COMPANIES}/{id}")
    assert found["url"] == f"https://app.hubspot.com/contacts/4471203/record/0-2/{id}"
    portal.vendor.settings["record_url"] = False
    assert "url" not in portal.good("GET", f"{COMPANIES}/{id}")


def test_the_bin_forgets_after_ninety_days(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    portal.good("DELETE", f"{COMPANIES}/{id}")
    read = f"{COMPANIES}/batch/read?archived=true"
    assert portal.good("GET", f"{COMPANIES}/{id}?archived=true")["archived"] is True
    assert portal.good("POST", read, {"inputs": [{"id": id}]})["results"][0]["id"] == id
    portal.pass_time(91 * 86_400)
    assert portal.ask("GET", f"{COMPANIES}/{id}?archived=true").status == 404
    assert portal.ask("POST", read, {"inputs": [{"id": id}]}).status == 207
    assert portal.good("GET", f"{COMPANIES}?archived=true")["results"] == []
    with pytest.raises(ValueError, match="Could not get some"):
        portal.act(do="undelete", object="companies", id=id)


def test_the_create_date_of_a_contact_is_read_only_unless_that_is_set(portal: Portal) -> None:
    body = {"properties": {"email": "a@b.test", "createdate": "2020-01-02T00:00:00Z"}}
    assert "READ_ONLY_VALUE" in portal.ask("POST", "/crm/v3/objects/contacts", body).body["message"]
    portal.vendor.settings["contact_createdate_writable"] = True
    made = portal.good("POST", "/crm/v3/objects/contacts", body)
    assert made["properties"]["createdate"] == "2020-01-02T00:00:00.000Z"
    change = {"properties": {"createdate": "2021-01-02T00:00:00Z"}}
    assert portal.ask("PATCH", f"/crm/v3/objects/contacts/{made['id']}", change).status == 400


def test_a_batch_upsert_by_email_is_whole_or_not_at_all_unless_that_is_set(portal: Portal) -> None:
    rows = [
        {"id": f"{n}@b.test", "idProperty": "email", "objectWriteTraceId": n, "properties": {"city": "B"}}
        for n in "xy"
    ]
    rows[1]["properties"] = {"nope": "1"}
    url = "/crm/v3/objects/contacts/batch/upsert"
    assert portal.ask("POST", url, {"inputs": rows}).status == 400
    assert portal.truth("contacts") == []
    portal.vendor.settings["partial_upsert_by_email"] = True
    assert portal.ask("POST", url, {"inputs": rows}).status == 207
    assert len(portal.truth("contacts")) == 1


def test_properties_are_listed_by_sensitivity(portal: Portal) -> None:
    listed = portal.good("GET", "/crm/v3/properties/companies")["results"]
    assert {row["dataSensitivity"] for row in listed} == {"non_sensitive"}
    assert portal.good("GET", "/crm/v3/properties/companies?dataSensitivity=sensitive")["results"] == []
    assert portal.ask("GET", "/crm/v3/properties/companies?dataSensitivity=x").status == 400


def test_properties_and_options_have_a_ceiling(portal: Portal) -> None:
    portal.vendor.settings.update(property_limit=2, option_limit=2)
    base = {"label": "L", "groupName": "companyinformation", "type": "string", "fieldType": "text"}
    url = "/crm/v3/properties/companies"
    listed = [{"label": str(n), "value": str(n), "displayOrder": n, "hidden": False} for n in range(3)]
    many = {**base, "type": "enumeration", "fieldType": "select", "name": "e", "options": listed}
    assert portal.ask("POST", url, many).status == 400
    statuses = [portal.ask("POST", url, {**base, "name": f"own_{n}"}).status for n in range(3)]
    assert statuses == [201, 201, 400]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [{"properties": ["x"]}]},
        {"inputs": [{"properties": {"name": "A"}, "objectWriteTraceId": ["x"]}]},
        {"inputs": [{"properties": {"name": "A"}, "associations": [{"to": {"id": "1"}, "types": {}}]}]},
        {"inputs": "x"},
        {"inputs": [None]},
    ],
)
def test_json_of_another_shape_is_refused_whole(portal: Portal, body: Any) -> None:
    reply = portal.ask("POST", f"{COMPANIES}/batch/create", body)
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")
    assert "Invalid input JSON" in reply.body["message"]


def test_numbers_become_text_where_text_is_wanted(portal: Portal) -> None:
    id = int(portal.make("companies", name="A"))
    row = {"id": id, "properties": {"name": 5, "annualrevenue": 12.5}, "objectWriteTraceId": 7}
    told = portal.good("POST", f"{COMPANIES}/batch/update", {"inputs": [row]})["results"][0]
    assert (told["id"], told["objectWriteTraceId"]) == (str(id), "7")
    assert portal.get("companies", str(id), "name", "annualrevenue")["annualrevenue"] == "12.5"


@pytest.mark.parametrize(
    "document",
    [
        {"record": {}},
        {"records": {"companies": [{"id": "x"}]}},
        {"tokens": [{"token": ["x"]}]},
        {"owners": [{"id": "kim"}]},
        {"settings": {"bursts": 5}},
        {"automations": {"enrichments": True}},
        {"links": {}},
    ],
)
def test_a_seed_with_a_part_that_nobody_knows_changes_nothing(portal: Portal, document: Any) -> None:
    with pytest.raises(ValueError, match="`"):
        portal.seed(**{"settings": {"burst": 3}, **document} if "settings" not in document else document)
    assert portal.vendor.settings["burst"] == 100_000
