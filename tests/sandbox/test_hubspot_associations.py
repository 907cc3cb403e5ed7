"""Associations of HubSpot's sandbox: types, labels, the primary company, pages, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

DEFAULT = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
V4, LATEST = "/crm/v4/associations", "/crm/associations/2026-09"


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path)


def pair(from_id: str, to_id: str, types: Any = DEFAULT) -> dict[str, Any]:
    return {"from": {"id": from_id}, "to": {"id": to_id}, "types": types}


def test_the_first_company_becomes_primary_and_only_one_is(portal: Portal) -> None:
    contact = portal.make("contacts", email="a@b.test")
    first, second = portal.make("companies", name="1"), portal.make("companies", name="2")
    portal.link("contacts", contact, "companies", first)
    portal.link("companies", second, "contacts", contact)
    assert portal.links("contacts", contact, "companies") == {first: {1, 279}, second: {279}}
    assert portal.links("companies", first, "contacts") == {contact: {2, 280}}
    assert portal.get("contacts", contact, "associatedcompanyid")["associatedcompanyid"] == first
    portal.link("contacts", contact, "companies", second, 1)
    assert portal.links("contacts", contact, "companies") == {first: {279}, second: {1, 279}}
    assert portal.get("contacts", contact, "associatedcompanyid")["associatedcompanyid"] == second


def test_parents_and_children_have_directions(portal: Portal) -> None:
    parent, child = portal.make("companies", name="P"), portal.make("companies", name="C")
    portal.link("companies", parent, "companies", child, 13)
    assert portal.links("companies", child, "companies") == {parent: {14, 450}}
    assert portal.links("companies", parent, "companies") == {child: {13, 450}}
    assert portal.get("companies", child, "hs_parent_company_id")["hs_parent_company_id"] == parent


def test_writing_a_pair_twice_changes_nothing(portal: Portal) -> None:
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    for _ in range(2):
        portal.link("contacts", contact, "companies", company)
    assert len(portal.truth("links")) == 2
    ops = portal.store.connection.execute("SELECT count(*) FROM _log WHERE op = 'link'").fetchone()
    assert ops == (1,)


def test_labels_go_alone_and_a_pair_goes_whole(portal: Portal) -> None:
    body = {"name": "decides", "label": "Decides", "inverseLabel": "Is decided by"}
    made = portal.good("POST", f"{V4}/contacts/deals/labels", body)["results"]
    assert [row["label"] for row in made] == ["Decides", "Is decided by"]
    contact, deal = (
        portal.make("contacts", email="a@b.test"),
        portal.make("deals", dealname="D", dealstage="closedwon"),
    )
    types = [{"associationCategory": "USER_DEFINED", "associationTypeId": made[0]["typeId"]}]
    created = portal.ask(
        "POST", f"{V4}/contacts/deals/batch/create", {"inputs": [pair(contact, deal, types)]}
    )
    assert created.status == 201
    assert created.body["results"][0]["labels"] == ["Decides"]
    assert portal.links("deals", deal, "contacts") == {contact: {3, made[1]["typeId"]}}
    one = {"inputs": [pair(contact, deal, types)]}
    assert portal.ask("POST", f"{V4}/contacts/deals/batch/labels/archive", one).status == 204
    assert portal.links("contacts", contact, "deals") == {deal: {4}}
    gone = {"inputs": [{"from": {"id": contact}, "to": [{"id": deal}]}]}
    assert portal.ask("POST", f"{V4}/contacts/deals/batch/archive", gone).status == 204
    assert portal.truth("links") == []
    assert portal.ask("POST", f"{V4}/contacts/deals/labels", body).status == 400


def test_status_codes_differ_between_the_families(portal: Portal) -> None:
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    good, bad = {"inputs": [pair(contact, company)]}, {"inputs": [pair(contact, company), pair(contact, "5")]}
    gone = {"inputs": [{"from": {"id": contact}, "to": [{"id": company}]}]}
    path = "/contacts/companies/batch"
    assert [portal.ask("POST", f"{base}{path}/create", good).status for base in (V4, LATEST)] == [201, 200]
    assert [portal.ask("POST", f"{base}{path}/create", bad).status for base in (V4, LATEST)] == [207, 200]
    assert [portal.ask("POST", f"{base}{path}/archive", gone).status for base in (V4, LATEST)] == [204, 200]
    assert portal.ask("GET", f"/crm/objects/2026-03/contacts/{contact}/associations/companies").status == 200
    assert portal.ask("GET", f"/crm/objects/2026-09/contacts/{contact}/associations/companies").status == 404


def test_a_wrong_type_or_the_wrong_direction_is_refused(portal: Portal) -> None:
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    back = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 280}]
    reply = portal.ask(
        "POST", f"{V4}/contacts/companies/batch/create", {"inputs": [pair(contact, company, back)]}
    )
    assert reply.status == 400
    assert reply.body["subCategory"] == "crm.associations.INVALID_ASSOCIATION_TYPE"
    assert (
        portal.ask(
            "PUT", f"/crm/v4/objects/companies/{company}/associations/default/companies/{company}"
        ).status
        == 400
    )
    assert portal.ask("GET", f"{V4}/notes/line_items/labels").status == 400


def test_batch_read_pages_for_each_record_and_names_the_lonely(tmp_path: Path) -> None:
    portal = Portal(tmp_path, association_page=3)
    company, lonely = portal.make("companies", name="1"), portal.make("companies", name="2")
    contacts = [portal.make("contacts", email=f"{number}@b.test") for number in range(7)]
    inputs = {"inputs": [pair(contact, company) for contact in contacts]}
    portal.good("POST", f"{V4}/contacts/companies/batch/create", inputs)
    seen: list[str] = []
    after: str | None = None
    while True:
        row = {"id": company} | ({"after": after} if after else {})
        body = portal.good("POST", f"{V4}/companies/contacts/batch/read", {"inputs": [row]})
        seen += [entry["toObjectId"] for entry in body["results"][0]["to"]]
        after = body["results"][0].get("paging", {}).get("next", {}).get("after")
        if after is None:
            break
    assert seen == contacts
    reply = portal.ask(
        "POST", f"{V4}/companies/contacts/batch/read", {"inputs": [{"id": company}, {"id": lonely}]}
    )
    assert reply.status == 207
    assert reply.body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert reply.body["errors"][0]["context"]["fromObjectId"] == [lonely]


def test_reads_take_a_thousand_and_writes_two_thousand(portal: Portal) -> None:
    ids = {"inputs": [{"id": str(number)} for number in range(1001)]}
    assert portal.ask("POST", f"{V4}/companies/contacts/batch/read", ids).status == 400
    pairs = {"inputs": [pair("1", "2")] * 2001}
    assert portal.ask("POST", f"{V4}/contacts/companies/batch/create", pairs).status == 400


def test_an_admins_limit_binds_later_writes(portal: Portal) -> None:
    contact = portal.make("contacts", email="a@b.test")
    first, second = portal.make("companies", name="1"), portal.make("companies", name="2")
    path = f"{V4}/definitions/configurations/contacts/companies"
    rule = {"inputs": [{"category": "HUBSPOT_DEFINED", "typeId": 279, "maxToObjectIds": 1}]}
    assert portal.ask("POST", f"{path}/batch/create", rule).status == 201
    assert portal.good("GET", path)["results"][0]["userEnforcedMaxToObjectIds"] == 1
    portal.link("contacts", contact, "companies", first)
    both = {"inputs": [pair(contact, first), pair(contact, second)]}
    reply = portal.ask("POST", f"{V4}/contacts/companies/batch/create", both)
    assert reply.status == 207
    assert reply.body["errors"][0]["subCategory"] == "crm.associations.ASSOCIATION_LIMIT_EXCEEDED"
    assert portal.ask("POST", f"{path}/batch/purge", rule).status == 204
    portal.link("contacts", contact, "companies", second)


def test_an_archived_record_hides_its_links_until_it_returns(portal: Portal) -> None:
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    portal.link("contacts", contact, "companies", company)
    portal.ask("DELETE", f"/crm/v3/objects/companies/{company}")
    assert portal.links("contacts", contact, "companies") == {}
    assert {row["archived"] for row in portal.truth("links")} == {True}
    portal.act(do="undelete", object="companies", id=company)
    assert portal.links("contacts", contact, "companies") == {company: {1, 279}}


def test_a_create_brings_its_associations_or_fails_whole(portal: Portal) -> None:
    company = portal.make("companies", name="1")
    row = {"properties": {"email": "a@b.test"}, "associations": [{"to": {"id": company}, "types": DEFAULT}]}
    id = portal.good("POST", "/crm/v3/objects/contacts", row)["id"]
    assert portal.links("contacts", id, "companies") == {company: {1, 279}}
    row = {"properties": {"email": "b@b.test"}, "associations": [{"to": {"id": "4"}, "types": DEFAULT}]}
    assert portal.ask("POST", "/crm/v3/objects/contacts", row).status == 404
    assert len(portal.truth("contacts")) == 1


def test_users_link_and_unlink_by_label(portal: Portal) -> None:
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    portal.act(do="link", object="contacts", id=contact, to_object="companies", to=company, label="Primary")
    assert {row["actor"] for row in portal.truth("links")} == {"user:501"}
    portal.act(do="unlink", object="contacts", id=contact, to_object="companies", to=company)
    assert portal.truth("links") == []


def test_to_object_ids_are_text_unless_asked_otherwise(tmp_path: Path) -> None:
    portal = Portal(tmp_path, to_object_id_text=False)
    contact, company = portal.make("contacts", email="a@b.test"), portal.make("companies", name="1")
    portal.link("contacts", contact, "companies", company)
    body = portal.good("POST", f"{V4}/contacts/companies/batch/read", {"inputs": [{"id": contact}]})
    assert body["results"][0]["to"][0]["toObjectId"] == int(company)
