"""What is held in a Salesforce org, by its own store: values and what hangs there decide, field by field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.orgs import ANN, Orgs, orgs

pytestmark = pytest.mark.long

KEYS = ("Account.edited", "Account.linked", "Contact.edited")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("orgs"), people=12) as each:
        yield each


@pytest.fixture
def org(started: Orgs, capsys: pytest.CaptureFixture[str]) -> Orgs:
    started.capsys = capsys
    return started


def test_values_decide_by_field_and_what_a_person_hangs_under_ours_holds_it(org: Orgs) -> None:
    for number, site in enumerate(("s3", "s4", "s5")):
        org.act("create", "Account", fields={"Name": f"Old {number}", "Site": site, "Phone": "1"})
    before = {row["Site"]: row for row in org.rows("Account")}
    org.must("discover", "check", "prepare --yes", "extract", "transform", "load")
    firms = {row["Site"]: row["Id"] for row in org.keyed("Account").values()}
    people = {row["Email"]: row for row in org.keyed("Contact").values()}
    mover = people["p1@old.example"]["Id"]

    org.act("update", "Account", id=firms["s3"], fields={"TickerSymbol": "HERS"})
    org.act("create", "Contact", fields={"LastName": "New", "AccountId": firms["s3"]})
    org.act("update", "Account", id=firms["s4"], fields={"AnnualRevenue": 99})
    org.act("update", "Account", id=firms["s20"], fields={"TickerSymbol": "HERS"})
    org.act("create", "Contact", fields={"LastName": "Newer", "AccountId": firms["s21"]})
    org.act("update", "Contact", id=mover, fields={"AccountId": firms["s22"]})
    org.must("rollback run --yes")

    held = {row["Id"] for name in ("Account", "Contact", "Pet__c") for row in org.keyed(name).values()}
    assert held == {firms["s4"], firms["s20"], firms["s21"], firms["s22"], mover}
    verified = org.run("rollback verify", 1)
    assert (verified["verdict"], verified["held"]) == ("pass", 5), verified["failures"]
    groups = {each["name"]: each for each in org.run("rollback hold list", 1)["groups"]}
    assert {name: groups[name]["count"] for name in KEYS} == dict(zip(KEYS, (2, 2, 1), strict=True))
    assert groups["Account.edited"]["by_field"] == 1
    assert all(one["words"] != "nobody" for each in groups.values() for one in each["owners"])

    [shown] = org.run(f"rollback hold show Account.edited --record {firms['s4']}")["holds"]
    sides = {each["field"]: each for each in shown["fields"]}
    revenue = sides["AnnualRevenue"]
    assert revenue["before"] is revenue["forced"] is None
    assert float(revenue["ours"]) == 4
    assert float(revenue["now"]) == float(revenue["merged"]) == 99
    assert ANN in revenue["who"]
    assert (sides["Industry"]["now"], sides["Industry"]["merged"]) == ("Banking", None)
    assert firms["s4"] in shown["url"]

    org.must("rollback hold merge Account.edited --yes")
    now = {row["Site"]: row for row in org.rows("Account")}
    for site in ("s3", "s4", "s5"):
        names = ("Name", "Industry", "AnnualRevenue", "Migration_Key__c", "ParentId", "Phone")
        kept = {"AnnualRevenue": 99} if site == "s4" else {}
        assert {name: now[site].get(name) for name in names} == {
            name: before[site].get(name) for name in names
        } | kept
    verified = org.run("rollback verify", 1)
    assert (verified["verdict"], verified["held"]) == ("pass", 4), verified["failures"]
    assert verified["foreign"]["Account: kept by a decision"] == 1
    # The account under which somebody has moved a contact doesn't go before that one is decided.
    counts = org.run("rollback hold force Account.linked --yes", 1)["counts"]
    assert (counts["delete"], counts["held"]) == (1, 1)
    assert mover in {row["Id"] for row in org.rows("Contact")}
    for name in ("Contact.edited", "Account.edited", "Account.linked"):
        org.must(f"rollback hold force {name} --yes")
    assert org.run("rollback verify", 0)["words"].startswith("pass, 0 held")
