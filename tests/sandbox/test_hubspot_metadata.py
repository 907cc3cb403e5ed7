"""Properties, pipelines, owners, custom types and seeds of HubSpot's sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

URL = "/crm/v3/properties/companies"
GOOD = {
    "name": "legacy_id",
    "label": "Legacy id",
    "type": "string",
    "fieldType": "text",
    "groupName": "companyinformation",
}


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


def test_a_property_lives_from_creation_to_archive(portal: Portal) -> None:
    made = portal.good("POST", URL, GOOD)
    assert made["hubspotDefined"] is False
    assert "_flags" not in made
    assert portal.ask("POST", URL, GOOD).status == 409
    id = portal.make("companies", legacy_id="7")
    assert portal.good("PATCH", f"{URL}/legacy_id", {"label": "Old id"})["label"] == "Old id"
    assert portal.ask("PATCH", f"{URL}/legacy_id", {"hasUniqueValue": True}).status == 400
    assert portal.ask("DELETE", f"{URL}/legacy_id").status == 204
    assert portal.ask("GET", f"{URL}/legacy_id").status == 404
    assert portal.good("GET", f"{URL}/legacy_id?archived=true")["archivedAt"]
    assert "legacy_id" not in portal.get("companies", id, "legacy_id")
    assert portal.ask("POST", "/crm/v3/objects/companies", {"properties": {"legacy_id": "8"}}).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Upper"},
        {"name": "hs_mine"},
        {"name": ""},
        {"type": "money"},
        {"fieldType": "date"},
        {"groupName": "nowhere"},
        {"type": "enumeration", "fieldType": "select"},
        {
            "type": "enumeration",
            "fieldType": "select",
            "options": [{"label": "A", "value": "a"}, {"label": "B", "value": "a"}],
        },
        {"type": "date", "fieldType": "date", "hasUniqueValue": True},
    ],
)
def test_a_bad_definition_is_refused(portal: Portal, change: dict[str, Any]) -> None:
    assert portal.ask("POST", URL, GOOD | change).status == 400


def test_ten_properties_may_be_unique(portal: Portal) -> None:
    statuses = [
        portal.ask("POST", URL, GOOD | {"name": f"u{n}", "hasUniqueValue": True}).status for n in range(11)
    ]
    assert statuses == [201] * 10 + [400]


def test_a_refused_batch_of_properties_leaves_nothing_in_memory(portal: Portal) -> None:
    body = {"inputs": [GOOD, GOOD | {"name": "Bad"}]}
    reply = portal.ask("POST", f"{URL}/batch/create", body)
    assert (reply.status, reply.body["numErrors"]) == (207, 1)
    assert portal.ask("POST", "/crm/properties/2026-09/companies/batch/create", body).status == 200
    assert portal.ask("POST", f"{URL}/batch/read", {"inputs": [{"name": "legacy_id"}]}).status == 200
    assert portal.ask("POST", f"{URL}/batch/archive", {"inputs": [{"name": "legacy_id"}]}).status == 204


def test_hubspots_own_properties_stay(portal: Portal) -> None:
    assert portal.ask("DELETE", f"{URL}/name").status == 400
    assert portal.ask("PATCH", f"{URL}/name", {"label": "N"}).status == 400
    listed = {row["name"]: row for row in portal.good("GET", URL)["results"]}
    assert listed["hs_object_id"]["modificationMetadata"]["readOnlyValue"] is True
    assert listed["hubspot_owner_id"]["referencedObjectType"] == "OWNER"
    option = {"label": "Agritech", "value": "AGRITECH"}
    options = [*listed["industry"]["options"], option]
    assert portal.ask("PATCH", f"{URL}/industry", {"options": options}).status == 200
    portal.make("companies", industry="AGRITECH")


def test_hidden_options_are_accepted(portal: Portal) -> None:
    options = [{"label": "A", "value": "a", "hidden": True, "displayOrder": 0}]
    portal.good("POST", URL, GOOD | {"type": "enumeration", "fieldType": "select", "options": options})
    portal.make("companies", legacy_id="a")


def test_groups_come_and_go(portal: Portal) -> None:
    portal.good("POST", f"{URL}/groups", {"name": "migration", "label": "Migration"})
    portal.good("POST", URL, GOOD | {"groupName": "migration"})
    assert portal.ask("DELETE", f"{URL}/groups/migration").status == 400
    portal.ask("DELETE", f"{URL}/legacy_id")
    assert portal.ask("DELETE", f"{URL}/groups/migration").status == 204


def test_a_deal_without_a_pipeline_goes_to_the_one_that_each_account_begins_with(portal: Portal) -> None:
    stages = [{"label": "Won", "displayOrder": 0, "metadata": {"probability": "1.0"}}]
    first = {"label": "First in order", "displayOrder": -1, "stages": stages}
    portal.good("POST", "/crm/v3/pipelines/deals", first)

    id = portal.make("deals", dealname="D", dealstage="closedwon")

    assert portal.get("deals", id, "pipeline")["pipeline"] == "default"


def test_a_pipeline_of_ones_own_takes_deals(portal: Portal) -> None:
    stages = [
        {"label": "Open", "displayOrder": 0, "metadata": {"probability": "0.3"}},
        {"label": "Won", "displayOrder": 1, "metadata": {"probability": "1.0"}},
    ]
    made = portal.good(
        "POST", "/crm/v3/pipelines/deals", {"label": "Mine", "displayOrder": 1, "stages": stages}
    )
    won = made["stages"][1]
    assert won["metadata"]["isClosed"] == "true"
    assert won["id"].isdigit()
    id = portal.make("deals", dealname="D", pipeline=made["id"], dealstage=won["id"])
    assert portal.get("deals", id, "closedate")["closedate"]
    crossed = {"properties": {"dealstage": "closedwon"}}
    assert portal.ask("PATCH", f"/crm/v3/objects/deals/{id}", crossed).status == 400
    url = f"/crm/v3/pipelines/deals/{made['id']}"
    assert portal.ask("DELETE", f"{url}?validateReferencesBeforeDelete=true").status == 400
    assert portal.ask("DELETE", f"{url}/stages/{won['id']}").status == 400
    assert portal.good("PATCH", f"{url}/stages/{won['id']}", {"label": "Sold"})["label"] == "Sold"
    added = portal.good("POST", f"{url}/stages", {"label": "Lost", "metadata": {"probability": "0.0"}})
    assert portal.ask("DELETE", f"{url}/stages/{added['id']}").status == 204
    assert [row["label"] for row in portal.good("GET", f"{url}/stages")["results"]] == ["Open", "Sold"]
    bare = {"label": "x", "stages": [{"label": "y"}]}
    assert portal.ask("POST", "/crm/v3/pipelines/deals", bare).status == 400
    stage = {row["name"]: row for row in portal.good("GET", "/crm/v3/properties/deals")["results"]}[
        "dealstage"
    ]
    assert {"closedwon", won["id"]} <= {option["value"] for option in stage["options"]}


def test_owners_are_active_or_archived(portal: Portal) -> None:
    owners = [{"email": f"u{n}@x.test", "archived": n == 2} for n in range(3)]
    portal.seed(owners=owners)
    active = portal.good("GET", "/crm/v3/owners/?limit=1")
    assert active["results"][0]["email"] == "u0@x.test"
    second = portal.good("GET", f"/crm/v3/owners?after={active['paging']['next']['after']}")["results"]
    assert [row["email"] for row in second] == ["u1@x.test"]
    (gone,) = portal.good("GET", "/crm/owners/2026-09?archived=true")["results"]
    assert (gone["userId"], gone["userIdIncludingInactive"]) == (None, 815)
    assert portal.good("GET", "/crm/v3/owners?email=U1@x.test")["results"] == second
    assert portal.good("GET", f"/crm/v3/owners/{second[0]['userId']}?idProperty=userId") == second[0]
    portal.make("companies", hubspot_owner_id=second[0]["id"])
    user = {"properties": {"hubspot_owner_id": str(second[0]["userId"])}}
    assert portal.ask("POST", "/crm/v3/objects/companies", user).status == 400


def test_a_custom_type_is_made_used_and_deleted(portal: Portal) -> None:
    body = {
        "name": "car",
        "labels": {"singular": "Car", "plural": "Cars"},
        "primaryDisplayProperty": "plate",
        "requiredProperties": ["plate"],
        "properties": [
            {"name": "plate", "label": "Plate", "type": "string", "fieldType": "text", "hasUniqueValue": True}
        ],
        "associatedObjects": ["CONTACT"],
    }
    for url in ("/crm-object-schemas/v3/schemas", "/crm/v3/schemas"):
        assert portal.good("GET", url)["results"] == []
    made = portal.good("POST", "/crm/v3/schemas", body)
    assert made["fullyQualifiedName"] == "p4471203_car"
    car = portal.make("p4471203_car", plate="B-1")
    assert portal.get(made["objectTypeId"], car, "plate")["plate"] == "B-1"
    assert portal.ask("POST", f"/crm/v3/objects/{made['objectTypeId']}", {"properties": {}}).status == 400
    contact = portal.make("contacts", email="a@b.test")
    portal.link("p4471203_car", car, "contacts", contact)
    assert list(portal.links("contacts", contact, "p4471203_car")) == [car]
    listed = portal.good("GET", "/crm-object-schemas/2026-09/schemas")["results"]
    assert [row["name"] for row in listed] == ["car"]
    assert "p4471203_car" in portal.vendor.objects(portal.store.begin())
    portal.store.connection.execute("ROLLBACK")
    assert portal.ask("DELETE", "/crm/v3/schemas/p4471203_car").status == 400
    portal.ask("DELETE", f"/crm/v3/objects/p4471203_car/{car}")
    assert portal.ask("DELETE", "/crm/v3/schemas/p4471203_car").status == 204
    assert portal.ask("POST", "/crm/v3/schemas", body).status == 409
    assert portal.ask("DELETE", "/crm/v3/schemas/p4471203_car?archived=true").status == 204
    assert portal.ask("POST", "/crm/v3/schemas", body).status == 201
    assert portal.good("GET", "/crm/v3/schemas/contacts")["objectTypeId"] == "0-1"


def test_a_seed_fills_a_portal_and_leaves_no_log(portal: Portal) -> None:
    counts = portal.seed(
        portal={"portalId": 99, "timeZone": "UTC"},
        properties={
            "companies": [
                {"name": "source_id", "type": "string", "fieldType": "text", "hasUniqueValue": True}
            ]
        },
        pipelines={"deals": [{"id": "default", "label": "Sales", "stages": [{"id": "new", "label": "New"}]}]},
        labels=[{"from": "contacts", "to": "deals", "name": "decides", "label": "Decides"}],
        records={
            "companies": [
                {
                    "ref": "acme",
                    "id": "500",
                    "properties": {"name": "Acme", "source_id": "1"},
                    "createdAt": "2020-01-01",
                },
                {"properties": {"name": "Binned"}, "archived": True},
            ],
            "contacts": [{"properties": {"email": "a@acme.test"}, "associations": [{"ref": "acme"}]}],
            "deals": [
                {"properties": {"dealname": "D"}, "associations": [{"object": "companies", "id": "500"}]}
            ],
        },
        settings={"tier": "enterprise"},
    )
    assert (counts["companies"], counts["contacts"], counts["links"]) == (2, 1, 2)
    acme = portal.truth("companies")[0]
    assert (acme["id"], acme["source"], acme["createdAt"]) == ("500", "CRM_UI", "2020-01-01T00:00:00.000Z")
    assert portal.truth("deals")[0]["properties"]["dealstage"] == "new"
    assert portal.store.connection.execute("SELECT count(*) FROM _log").fetchone() == (0,)
    assert portal.good("GET", "/account-info/v3/details")["portalId"] == 99
    assert portal.ask("GET", "/crm/v3/owners").headers["X-HubSpot-RateLimit-Daily"] == "1000000"
    with pytest.raises(ValueError, match="does not exist"):
        portal.seed(records={"companies": [{"properties": {"nope": "1"}}]})
