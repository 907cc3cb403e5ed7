"""Search of HubSpot's sandbox: the lag, the ceiling, filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.hubspot_portal import Portal

URL = "/crm/v3/objects/companies/search"


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path, search_per_second=1000)


def where(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"filterGroups": [{"filters": list(filters)}], **more}


def is_(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **({} if value is None else {"value": value}), **more}


def names(portal: Portal, body: dict[str, Any]) -> list[str]:
    return [row["properties"]["name"] for row in portal.good("POST", URL, body)["results"]]


def test_search_sees_a_write_only_after_the_lag(portal: Portal) -> None:
    id = portal.make("companies", name="New")
    assert portal.good("POST", URL, {})["total"] == 0
    portal.pass_time(31)
    assert portal.good("POST", URL, {})["total"] == 1
    portal.good("PATCH", f"/crm/v3/objects/companies/{id}", {"properties": {"name": "Newer"}})
    assert names(portal, {}) == ["New"]
    assert portal.get("companies", id, "name")["name"] == "Newer"
    portal.pass_time(31)
    assert names(portal, {}) == ["Newer"]
    portal.ask("DELETE", f"/crm/v3/objects/companies/{id}")
    assert names(portal, {}) == []


@pytest.fixture
def firms(portal: Portal) -> Portal:
    rows = [
        {"name": "Acme North", "numberofemployees": "9", "city": "Boston", "createdate": "2020-01-01"},
        {"name": "Acme South", "numberofemployees": "10", "createdate": "2021-01-01"},
        {"name": "Beta", "numberofemployees": "100", "city": "Berlin", "createdate": "2022-01-01"},
    ]
    portal.seed(records={"companies": [{"properties": row} for row in rows]})
    return portal


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([is_("numberofemployees", "GT", "9")], ["Acme South", "Beta"]),
        ([is_("numberofemployees", "BETWEEN", "9", highValue="10")], ["Acme North", "Acme South"]),
        ([is_("name", "EQ", "beta")], ["Beta"]),
        ([is_("name", "NEQ", "Beta")], ["Acme North", "Acme South"]),
        ([is_("name", "IN", values=["beta"])], ["Beta"]),
        ([is_("name", "IN", values=["Beta"])], []),
        ([is_("name", "CONTAINS_TOKEN", "acme")], ["Acme North", "Acme South"]),
        ([is_("name", "CONTAINS_TOKEN", "ac*")], ["Acme North", "Acme South"]),
        ([is_("city", "HAS_PROPERTY")], ["Acme North", "Beta"]),
        ([is_("city", "NOT_HAS_PROPERTY")], ["Acme South"]),
        ([is_("createdate", "GTE", "1609459200000")], ["Acme South", "Beta"]),
        ([is_("createdate", "LT", "2021-01-01T00:00:00Z"), is_("city", "EQ", "Boston")], ["Acme North"]),
    ],
)
def test_filters_compare_by_type(firms: Portal, filters: list[dict[str, Any]], found: list[str]) -> None:
    assert names(firms, where(*filters)) == found


def test_groups_are_alternatives_and_sorting_is_by_value(firms: Portal) -> None:
    groups = [{"filters": [is_("name", "EQ", "Beta")]}, {"filters": [is_("city", "EQ", "Boston")]}]
    assert names(firms, {"filterGroups": groups}) == ["Acme North", "Beta"]
    sorts = [{"propertyName": "numberofemployees", "direction": "DESCENDING"}]
    assert names(firms, {"sorts": sorts}) == ["Beta", "Acme South", "Acme North"]
    assert names(firms, {"query": "beta"}) == ["Beta"]


def test_associations_can_be_searched(firms: Portal) -> None:
    contact = firms.make("contacts", email="a@b.test")
    beta = next(row["id"] for row in firms.truth("companies") if row["properties"]["name"] == "Beta")
    firms.link("contacts", contact, "companies", beta)
    assert names(firms, where(is_("associations.contact", "EQ", contact))) == ["Beta"]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 200, "after": "9801"},
        {"after": "x"},
        {"filterGroups": [{"filters": []}] * 6},
        where(*[is_("name", "EQ", "x")] * 7),
        {"filterGroups": [{"filters": [is_("name", "EQ", "x")] * 6}] * 4},
        {"query": "x" * 3001},
        where(is_("nope", "EQ", "x")),
        where(is_("name", "LIKE", "x")),
        where(is_("name", "IN", values=["x"] * 101)),
        where(is_("name", "EQ")),
        {"sorts": [{"propertyName": "name"}, {"propertyName": "city"}]},
    ],
)
def test_search_refuses_what_hubspot_refuses(portal: Portal, body: dict[str, Any]) -> None:
    assert portal.ask("POST", URL, body).status == 400


def test_a_query_pages_to_ten_thousand_and_no_further(portal: Portal) -> None:
    portal.seed(records={"companies": [{"properties": {"name": str(number)}} for number in range(10_150)]})
    body = portal.good("POST", URL, {"limit": 200, "after": "9800"})
    assert body["total"] == 10_150
    assert len(body["results"]) == 200
    after = body["paging"]["next"]["after"]
    assert after == "10000"
    assert portal.ask("POST", URL, {"limit": 200, "after": after}).status == 400
    last = body["results"][-1]["id"]
    rest = portal.good("POST", URL, where(is_("hs_object_id", "GT", last), limit=200))
    assert len(rest["results"]) == 150


def test_a_portal_wide_job_gives_many_records_one_stamp(firms: Portal) -> None:
    assert firms.act(do="touch", object="companies")["touched"] == 3
    assert len({row["properties"]["hs_lastmodifieddate"] for row in firms.truth("companies")}) == 1
