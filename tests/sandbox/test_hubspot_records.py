"""Records of HubSpot's sandbox: single calls, batches, keys, merges, the bin."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

OBJECTS = {"v3": "/crm/v3/objects", "2026-03": "/crm/objects/2026-03", "2026-09": "/crm/objects/2026-09"}


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


@pytest.mark.parametrize("base", OBJECTS.values(), ids=OBJECTS.keys())
def test_both_path_families_serve_one_store(portal: Portal, base: str) -> None:
    id = portal.good("POST", f"{base}/contacts", {"properties": {"email": "Ada@Acme.Test"}})["id"]
    assert portal.get("contacts", id, "email")["email"] == "ada@acme.test"
    assert portal.good("GET", f"{base}/0-1/{id}")["id"] == id
    assert (
        portal.good("PATCH", f"{base}/contacts/{id}", {"properties": {"email": ""}})["properties"]["email"]
        is None
    )
    assert portal.ask("DELETE", f"{base}/contacts/{id}").status == 204
    assert portal.ask("DELETE", f"{base}/contacts/{id}").status == 204
    assert portal.ask("GET", f"{base}/contacts/{id}").status == 404


def test_a_list_pages_by_id_and_keeps_archived_records_apart(portal: Portal) -> None:
    ids = [portal.make("companies", name=f"Company {number}") for number in range(23)]
    portal.ask("DELETE", f"/crm/v3/objects/companies/{ids[3]}")
    seen: list[str] = []
    url = "/crm/v3/objects/companies?limit=7"
    while url:
        body = portal.good("GET", url)
        seen += [row["id"] for row in body["results"]]
        url = body.get("paging", {}).get("next", {}).get("link", "")
        assert "total" not in body
    assert seen == [id for id in ids if id != ids[3]]
    archived = portal.good("GET", "/crm/v3/objects/companies?archived=true")["results"]
    assert [row["id"] for row in archived] == [ids[3]]
    assert archived[0]["archivedAt"]
    assert portal.ask("GET", "/crm/v3/objects/companies?limit=101").status == 400
    assert portal.ask("GET", "/crm/v3/objects/companies?limit=51&propertiesWithHistory=name").status == 400


def test_ids_grow_but_are_not_dense_and_outgrow_their_digits(portal: Portal) -> None:
    inputs = {"inputs": [{"properties": {"name": "x"}} for _ in range(100)]}
    ids = [
        int(row["id"])
        for _ in range(5)
        for row in portal.good("POST", "/crm/v3/objects/companies/batch/create", inputs)["results"]
    ]
    assert len(set(ids)) == 500
    assert max(ids) - min(ids) > 1000
    assert {len(str(id)) for id in ids} == {5, 6}


def test_history_names_who_wrote(portal: Portal) -> None:
    portal.seed(owners=[{"id": "9", "userId": 77, "email": "kim@x.test"}])
    id = portal.make("companies", name="One")
    portal.act(**{"as": "kim@x.test"}, do="update", object="companies", id=id, fields={"name": "Two"})
    row = portal.good(
        "GET", f"/crm/v3/objects/companies/{id}?propertiesWithHistory=name&properties=hs_updated_by_user_id"
    )
    versions = row["propertiesWithHistory"]["name"]
    assert [version["value"] for version in versions] == ["Two", "One"]
    assert versions[0]["sourceType"] == "CRM_UI"
    assert versions[0]["updatedByUserId"] == 77
    assert versions[1]["sourceType"] == "INTEGRATION"
    assert versions[1]["sourceId"] == "7001"
    assert row["properties"]["hs_updated_by_user_id"] == "77"


def test_system_marks_tell_the_creator_and_cannot_be_written(portal: Portal) -> None:
    id = portal.make("companies", name="Mine")
    marks = portal.get("companies", id, "hs_object_source", "hs_object_source_id", "hs_object_id")
    assert (marks["hs_object_source"], marks["hs_object_source_id"]) == ("INTEGRATION", "7001")
    assert marks["hs_object_id"] == id
    reply = portal.ask("PATCH", f"/crm/v3/objects/companies/{id}", {"properties": {"hs_object_source": "X"}})
    assert reply.status == 400
    assert "READ_ONLY_VALUE" in reply.body["message"]


def test_all_faults_of_a_record_are_told_at_once(portal: Portal) -> None:
    reply = portal.ask(
        "POST",
        "/crm/v3/objects/companies",
        {
            "properties": {
                "nope": "1",
                "annualrevenue": "1,0",
                "industry": "Agritech",
                "hubspot_owner_id": "4",
            }
        },
    )
    assert reply.status == 400
    assert {error["code"] for error in reply.body["errors"]} == {
        "PROPERTY_DOESNT_EXIST",
        "INVALID_DOUBLE",
        "INVALID_OPTION",
        "INVALID_OWNER_ID",
    }
    assert reply.body["correlationId"] == reply.headers["X-HubSpot-Correlation-Id"]


def test_unknown_names_are_passed_over_on_reads(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    assert "nope" not in portal.get("companies", id, "name", "nope")
    assert portal.get("companies", id, "city")["city"] is None
    body = portal.good("GET", f"/crm/v3/objects/companies/{id}?associations=nope")
    assert "associations" not in body


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("contacts", "createdate email firstname hs_object_id lastmodifieddate lastname"),
        ("companies", "createdate domain hs_lastmodifieddate hs_object_id name"),
        ("notes", "hs_createdate hs_lastmodifieddate hs_object_id"),
    ],
)
def test_default_columns_come_when_none_are_named(portal: Portal, kind: str, columns: str) -> None:
    id = portal.make(kind, **({"hs_timestamp": "2020-01-01"} if kind == "notes" else {}))
    assert sorted(portal.good("GET", f"/crm/v3/objects/{kind}/{id}")["properties"]) == columns.split()


def test_one_contact_holds_an_address_in_any_spelling(portal: Portal) -> None:
    id = portal.make("contacts", email="ada@acme.test", hs_additional_emails="a.l@acme.test")
    for address in ("ADA@acme.test", "a.l@acme.test"):
        reply = portal.ask("POST", "/crm/v3/objects/contacts", {"properties": {"email": address}})
        assert (reply.status, reply.body["category"]) == (409, "CONFLICT")
        assert reply.body["message"] == f"Contact already exists. Existing ID: {id}"
    portal.ask("DELETE", f"/crm/v3/objects/contacts/{id}")
    portal.make("contacts", email="ada@acme.test")
    with pytest.raises(ValueError, match="already exists"):
        portal.act(do="undelete", object="contacts", id=id)


def test_an_archived_record_frees_its_unique_value(portal: Portal) -> None:
    name = portal.unique_property()
    first = portal.make("companies", **{name: "A-1"})
    reply = portal.ask("POST", "/crm/v3/objects/companies", {"properties": {name: "A-1"}})
    assert reply.status == 400
    assert "CONFLICTING_UNIQUE_VALUE" in reply.body["message"]
    portal.ask("DELETE", f"/crm/v3/objects/companies/{first}")
    second = portal.make("companies", **{name: "A-1"})
    found = portal.good("GET", f"/crm/v3/objects/companies/A-1?idProperty={name}")
    assert found["id"] == second


def test_a_batch_without_trace_ids_is_all_or_nothing(portal: Portal) -> None:
    rows: list[dict[str, Any]] = [{"properties": {"name": "good"}}, {"properties": {"nope": "bad"}}]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/create", {"inputs": rows})
    assert reply.status == 400
    assert portal.truth("companies") == []
    for number, row in enumerate(rows):
        row["objectWriteTraceId"] = f"row-{number}"
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/create", {"inputs": rows})
    assert reply.status == 207
    assert [row["objectWriteTraceId"] for row in reply.body["results"]] == ["row-0"]
    assert reply.body["numErrors"] == 1
    assert reply.body["errors"][0]["context"]["objectWriteTraceId"] == ["row-1"]
    rows[1]["objectWriteTraceId"] = "row-0"
    assert portal.ask("POST", "/crm/v3/objects/companies/batch/create", {"inputs": rows}).status == 400


def test_results_of_a_batch_come_in_another_order(portal: Portal) -> None:
    rows = [{"properties": {"name": str(number)}, "objectWriteTraceId": str(number)} for number in range(50)]
    body = portal.good("POST", "/crm/v3/objects/companies/batch/create", {"inputs": rows})
    traces = [row["objectWriteTraceId"] for row in body["results"]]
    assert traces != sorted(traces, key=int)
    assert sorted(traces, key=int) == [str(number) for number in range(50)]
    assert all(row["properties"]["name"] == row["objectWriteTraceId"] for row in body["results"])


@pytest.mark.parametrize("call", ["create", "read", "update", "upsert", "archive"])
def test_a_batch_holds_a_hundred(portal: Portal, call: str) -> None:
    inputs = {"inputs": [{"id": str(number), "properties": {}} for number in range(101)]}
    assert portal.ask("POST", f"/crm/v3/objects/companies/batch/{call}", inputs).status == 400


def test_upsert_creates_and_updates_by_one_key(portal: Portal) -> None:
    name = portal.unique_property()
    id = portal.make("companies", **{name: "A"})

    def rows(*keys: str) -> dict[str, Any]:
        return {"inputs": [{"id": key, "idProperty": name, "properties": {"city": key}} for key in keys]}

    body = portal.good("POST", "/crm/v3/objects/companies/batch/upsert", rows("A", "B"))
    told = {row["new"]: row["id"] for row in body["results"]}
    assert told[False] == id
    assert portal.get("companies", told[True], name, "city")[name] == "B"
    assert portal.ask("POST", "/crm/v3/objects/companies/batch/upsert", rows("C", "C")).status == 400
    mixed = rows("C", "D")
    mixed["inputs"][1]["idProperty"] = "domain"
    assert portal.ask("POST", "/crm/v3/objects/companies/batch/upsert", mixed).status == 400
    assert len(portal.truth("companies")) == 2


def test_batch_read_names_what_it_did_not_find(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    reply = portal.ask(
        "POST", "/crm/v3/objects/companies/batch/read", {"inputs": [{"id": id}, {"id": "5"}, {"id": "6"}]}
    )
    assert reply.status == 207
    assert reply.body["numErrors"] == 1
    assert reply.body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert reply.body["errors"][0]["context"]["ids"] == ["5", "6"]


def test_a_merged_record_leads_to_the_survivor(portal: Portal) -> None:
    winner = portal.make("contacts", email="a@acme.test", firstname="Ada")
    loser = portal.make("contacts", email="b@acme.test", firstname="B", phone="12")
    company = portal.make("companies", name="Acme")
    portal.link("contacts", loser, "companies", company)
    portal.good(
        "POST", "/crm/v3/objects/contacts/merge", {"primaryObjectId": winner, "objectIdToMerge": loser}
    )
    body = portal.good(
        "GET", f"/crm/v3/objects/contacts/{loser}?properties=phone,firstname,hs_additional_emails"
    )
    assert body["id"] == winner
    assert body["properties"]["phone"] == "12"
    assert body["properties"]["firstname"] == "Ada"
    assert body["properties"]["hs_additional_emails"] == "b@acme.test"
    assert portal.links("contacts", winner, "companies") == {company: {1, 279}}
    assert [row["id"] for row in portal.good("GET", "/crm/v3/objects/contacts")["results"]] == [winner]
    assert (
        portal.ask("POST", "/crm/v3/objects/contacts", {"properties": {"email": "b@acme.test"}}).status == 409
    )
    with pytest.raises(ValueError, match="deleted or not exist"):
        portal.act(do="undelete", object="contacts", id=loser)


def test_gdpr_delete_passes_the_bin(portal: Portal) -> None:
    id = portal.make("contacts", email="a@acme.test")
    body = {"objectId": "A@acme.test", "idProperty": "email"}
    assert portal.ask("POST", "/crm/v3/objects/contacts/gdpr-delete", body).status == 204
    assert portal.good("GET", "/crm/v3/objects/contacts?archived=true")["results"] == []
    (row,) = portal.truth("contacts")
    assert (row["id"], row["purged"], row["properties"]) == (id, True, {})


def test_the_bin_forgets_after_ninety_days(portal: Portal) -> None:
    id = portal.make("companies", name="Old")
    portal.ask("DELETE", f"/crm/v3/objects/companies/{id}")
    portal.pass_time(91 * 86_400)
    assert portal.good("GET", "/crm/v3/objects/companies?archived=true")["results"] == []


def test_deals_need_a_stage_of_their_pipeline_and_closing_fills_the_date(portal: Portal) -> None:
    assert portal.ask("POST", "/crm/v3/objects/deals", {"properties": {"dealname": "D"}}).status == 400
    wrong = {"properties": {"dealname": "D", "dealstage": "closedwon", "pipeline": "other"}}
    assert portal.ask("POST", "/crm/v3/objects/deals", wrong).status == 400
    open_deal = portal.make("deals", dealname="D", dealstage="contractsent", createdate="2016-10-20")
    held = portal.get("deals", open_deal, "closedate", "pipeline", "createdate")
    assert (held["closedate"], held["pipeline"]) == (None, "default")
    assert held["createdate"] == "2016-10-20T00:00:00.000Z"
    portal.good("PATCH", f"/crm/v3/objects/deals/{open_deal}", {"properties": {"dealstage": "closedwon"}})
    held = portal.get("deals", open_deal, "closedate", "hs_is_closed_won")
    assert held["closedate"] is not None
    assert held["hs_is_closed_won"] == "true"


def test_a_contacts_create_date_is_hubspots(portal: Portal) -> None:
    body = {"properties": {"email": "a@b.test", "createdate": "2016-10-20"}}
    assert portal.ask("POST", "/crm/v3/objects/contacts", body).status == 400


def test_a_lifecycle_stage_moves_back_only_through_nothing(portal: Portal) -> None:
    id = portal.make("contacts", email="a@b.test", lifecyclestage="customer")
    for stage, held in (("lead", "customer"), ("", None), ("lead", "lead")):
        portal.good("PATCH", f"/crm/v3/objects/contacts/{id}", {"properties": {"lifecyclestage": stage}})
        assert portal.get("contacts", id, "lifecyclestage")["lifecyclestage"] == held


def test_activities_need_a_date(portal: Portal) -> None:
    reply = portal.ask("POST", "/crm/v3/objects/notes", {"properties": {"hs_note_body": "x"}})
    assert (reply.status, reply.body["context"]["properties"]) == (400, ["hs_timestamp"])
    id = portal.make("meetings", hs_meeting_start_time="2020-01-01")
    assert portal.get("meetings", id, "hs_timestamp")["hs_timestamp"] == "2020-01-01T00:00:00.000Z"
    bad = {"properties": {"hs_timestamp": "2020-01-01", "hs_email_headers": "from me"}}
    assert portal.ask("POST", "/crm/v3/objects/emails", bad).status == 400


def test_the_modified_date_moves_for_values_only(portal: Portal) -> None:
    id, other = portal.make("contacts", email="a@b.test"), portal.make("companies", name="C")
    before = portal.get("contacts", id, "lastmodifieddate")
    portal.pass_time(5)
    portal.link("contacts", id, "companies", other)
    assert portal.get("contacts", id, "lastmodifieddate") == before
    portal.good("PATCH", f"/crm/v3/objects/contacts/{id}", {"properties": {"firstname": "A"}})
    assert portal.get("contacts", id, "lastmodifieddate") != before


def test_two_rows_of_a_batch_cannot_hold_one_key(portal: Portal) -> None:
    rows = [{"properties": {"email": "a@b.test"}, "objectWriteTraceId": str(number)} for number in range(2)]
    reply = portal.ask("POST", "/crm/v3/objects/contacts/batch/create", {"inputs": rows})
    assert (reply.status, len(reply.body["results"]), reply.body["numErrors"]) == (207, 1, 1)
    update = {"inputs": [{"id": reply.body["results"][0]["id"], "properties": {}}] * 2}
    assert portal.ask("POST", "/crm/v3/objects/contacts/batch/update", update).status == 400


def test_a_profile_has_at_most_250_addresses(portal: Portal) -> None:
    many = ";".join(f"a{number}@b.test" for number in range(249))
    winner = portal.make("contacts", email="a@b.test", hs_additional_emails=many)
    loser = portal.make("contacts", email="z@b.test")
    body = {"primaryObjectId": winner, "objectIdToMerge": loser}
    assert portal.ask("POST", "/crm/v3/objects/contacts/merge", body).status == 414
    assert portal.get("contacts", loser, "email")["email"] == "z@b.test"


def test_unknown_ids_in_a_batch_of_updates_are_told_apart(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    rows = [{"id": each, "properties": {"name": "B"}} for each in ("5", id, "7")]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/update", {"inputs": rows})
    assert (reply.status, reply.body["numErrors"]) == (207, 1)
    error = reply.body["errors"][0]
    assert (error["category"], error["context"]["ids"]) == ("OBJECT_NOT_FOUND", ["5", "7"])
    assert [row["id"] for row in reply.body["results"]] == [id]
    assert portal.get("companies", id, "name")["name"] == "B"
    bad = [*rows[:1], {"id": id, "properties": {"annualrevenue": "much"}}]
    assert portal.ask("POST", "/crm/v3/objects/companies/batch/update", {"inputs": bad}).status == 400
    own = [{"id": id, "idProperty": "hs_object_id", "properties": {"name": "C"}}]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/update", {"inputs": own})
    assert (reply.status, "non-unique 0-2 property" in reply.body["message"]) == (400, True)
    assert portal.ask("PATCH", "/crm/v3/objects/companies/7", {"properties": {"name": "C"}}).status == 404


def test_a_whole_batch_of_updates_is_refused_for_one_unknown_id_where_that_is_set(portal: Portal) -> None:
    portal.vendor.settings["update_unknown_apart"] = False
    id = portal.make("companies", name="A")
    rows = [{"id": each, "properties": {"name": "B"}} for each in (id, "7")]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/update", {"inputs": rows})
    assert (reply.status, reply.body["context"]["ids"]) == (404, ["7"])
    assert portal.get("companies", id, "name")["name"] == "A"
    traced = [{**row, "objectWriteTraceId": str(row["id"])} for row in rows]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/update", {"inputs": traced})
    assert (reply.status, reply.body["errors"][0]["context"]["ids"]) == (207, ["7"])
    assert portal.get("companies", id, "name")["name"] == "B"


def test_a_fault_makes_the_ordered_rows_fail(portal: Portal) -> None:
    rows = [{"properties": {"name": str(number)}, "objectWriteTraceId": str(number)} for number in range(4)]
    reply = portal.ask("POST", "/crm/v3/objects/companies/batch/create", {"inputs": rows}, partial=(1, 3))
    assert reply.status == 207
    assert {row["context"]["objectWriteTraceId"][0] for row in reply.body["errors"]} == {"1", "3"}


def test_the_admins_rules_bind_writes_of_the_newest_family(tmp_path: Path) -> None:
    portal = Portal(tmp_path, required_2026_09={"companies": ["city"]})
    body = {"properties": {"name": "A"}}
    assert portal.ask("POST", "/crm/objects/2026-03/companies", body).status == 201
    assert portal.ask("POST", "/crm/objects/2026-09/companies", body).status == 400


def test_bad_requests_get_hubspots_words(portal: Portal) -> None:
    assert (
        "Invalid input JSON on line 1"
        in portal.ask("POST", "/crm/v3/objects/companies", b"{").body["message"]
    )
    media = {"content-type": "text/plain"}
    assert portal.ask("POST", "/crm/v3/objects/companies", b"{}", headers=media).status == 415
    assert portal.ask("GET", "/crm/v3/objects/spaceships").status == 400
    assert portal.ask("GET", "/crm/v3/nothing").status == 404
    assert portal.ask("PUT", "/crm/v3/objects/companies").status == 405
    assert portal.ask("GET", "/crm/v3/objects/companies?properties=" + "a" * 17_000).status == 414


def test_truth_and_log_agree_on_every_write(portal: Portal) -> None:
    id = portal.make("companies", name="A")
    portal.good("PATCH", f"/crm/v3/objects/companies/{id}", {"properties": {"name": "B"}})
    portal.ask("DELETE", f"/crm/v3/objects/companies/{id}")
    portal.act(do="undelete", object="companies", id=id)
    rows = portal.store.connection.execute("SELECT op, actor, id FROM _log ORDER BY seq").fetchall()
    assert [row[0] for row in rows] == ["create", "update", "delete", "undelete"]
    assert rows[0][1:] == ("app:7001", id)
    assert rows[3][1] == "user:501"
    (row,) = portal.truth("companies")
    assert (row["archived"], row["properties"]["name"]) == (False, "B")


def test_a_restart_finds_the_same_portal(tmp_path: Path, portal: Portal) -> None:
    name = portal.unique_property()
    id = portal.make("companies", **{name: "A"})
    portal.store.close()
    again = Portal(tmp_path)
    assert again.get("companies", id, name)[name] == "A"
    assert int(again.make("companies", name="B")) > int(id)


def test_values_survive_every_way_of_writing(portal: Portal) -> None:
    name = portal.unique_property("deals")
    base = {"dealname": "D", "dealstage": "closedlost", "amount": "10.00", "closedate": "2017-03-01"}
    portal.make("deals", **base, **{name: "single"})
    batch = [{"properties": {**base, name: "batch"}}]
    portal.good("POST", "/crm/v3/objects/deals/batch/create", {"inputs": batch})
    upsert = [{"id": "upsert", "idProperty": name, "properties": base}]
    portal.good("POST", "/crm/objects/2026-03/deals/batch/upsert", {"inputs": upsert})
    rows = [row["properties"] for row in portal.truth("deals")]
    for one, other in itertools.pairwise(rows):
        assert {key: one[key] for key in base} == {key: other[key] for key in base}
    assert {row[name] for row in rows} == {"single", "batch", "upsert"}
