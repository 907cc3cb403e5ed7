"""HubSpot's silent writers and acting users, as the sandbox plays them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.hubspot_portal import Portal


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


def test_nothing_writes_by_itself_unless_switched_on(portal: Portal) -> None:
    portal.make("contacts", email="a@acme.test")
    portal.make("companies", name="Acme", domain="acme.test")
    portal.pass_time(60)
    assert len(portal.truth("companies")) == 1
    assert portal.truth("links") == []


def test_a_contact_gets_the_company_of_its_domain(portal: Portal) -> None:
    portal.vendor.automations["associate_by_domain"] = True
    acme = portal.make("companies", name="Acme", domain="ACME.test")
    known = portal.make("contacts", email="a@acme.test")
    stranger = portal.make("contacts", email="b@beta.test")
    free = portal.make("contacts", email="c@gmail.com")
    assert portal.truth("links") == []
    portal.pass_time(6)
    assert portal.links("contacts", known, "companies") == {acme: {1, 279}}
    assert portal.links("contacts", free, "companies") == {}
    (made,) = portal.links("contacts", stranger, "companies")
    row = next(row for row in portal.truth("companies") if row["id"] == made)
    assert (row["source"], row["properties"]["domain"]) == ("AUTOMATION", "beta.test")
    assert {link["actor"] for link in portal.truth("links")} == {"automation:associate_by_domain"}


def test_enrichment_fills_only_what_is_empty(portal: Portal) -> None:
    portal.vendor.automations["enrichment"] = True
    portal.vendor.settings["enrichment_values"] = {"industry": "RETAIL", "city": "Oslo"}
    portal.vendor.settings["enrichment_fields"] = ["industry", "city"]
    id = portal.make("companies", name="Acme", domain="acme.test", city="Rome")
    portal.make("companies", name="No domain")
    portal.pass_time(6)
    url = f"/crm/v3/objects/companies/{id}?properties=city&propertiesWithHistory=industry,city,country"
    body = portal.good("GET", url)
    history = body["propertiesWithHistory"]
    assert [(version["value"], version["sourceType"]) for version in history["industry"]] == [
        ("RETAIL", "ENRICHMENT")
    ]
    assert body["properties"]["city"] == "Rome"
    assert history["country"] == []


def test_both_writers_meet_in_a_company_made_for_a_contact(portal: Portal) -> None:
    portal.vendor.automations.update(associate_by_domain=True, enrichment=True)
    portal.make("contacts", email="b@beta.test")
    portal.pass_time(6)
    portal.pass_time(6)
    (row,) = portal.truth("companies")
    assert row["properties"]["industry"]
    assert row["properties"]["hs_object_source"] == "AUTOMATION"


def test_a_user_writes_a_note_on_a_record_and_deletes_it(portal: Portal) -> None:
    id = portal.make("companies", name="Acme")
    on = {"object": "companies", "id": id}
    note = portal.act(do="create", object="notes", fields={"hs_note_body": "called"}, on=on)
    assert portal.links("companies", id, "notes") == {note["id"]: {189}}
    assert note["properties"]["hs_object_source"] == "CRM_UI"
    assert portal.act(do="delete", object="notes", id=note["id"]) == {"deleted": 1}
    assert portal.links("companies", id, "notes") == {}


def test_an_impossible_deed_says_why(portal: Portal) -> None:
    with pytest.raises(ValueError, match="deleted or not exist"):
        portal.act(do="update", object="companies", id="5", fields={"name": "x"})
    with pytest.raises(ValueError, match="infer object type"):
        portal.act(do="create", object="spaceships", fields={})
    with pytest.raises(ValueError, match="nothing that a user does"):
        portal.act(do="dance", object="companies", id="5")
