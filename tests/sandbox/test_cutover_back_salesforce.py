"""Does what was entered in HubSpot come back to the Salesforce org, references and maps turned round?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import reverse
from migrate.cutover.machine import Cutover
from migrate.cutover.returning import back
from tests.proofs.history_consent import out
from tests.sandbox.back_rig import FROM_SALESFORCE, Rig, org_to_portal
from tests.sandbox.orgs import old_id

SEED: dict[str, Any] = {
    "records": {
        "Account": [
            {"Id": old_id("001", n), "Name": name, "Description": f"about {name}", "Industry": "Banking",
             "AnnualRevenue": "1000"}
            for n, name in enumerate(("acme", "bolt", "cord"))
        ],
        "Contact": [
            {"Id": old_id("003", n), "LastName": name, "Email": f"{name}@Example.com", "Title": "buyer",
             "AccountId": old_id("001", n % 2)}
            for n, name in enumerate(("ada", "bea", "cyd"))
        ],
        "Opportunity": [
            {"Id": old_id("006", 1), "Name": "first", "StageName": "Prospecting", "CloseDate": "2027-01-31",
             "Amount": "500.25", "AccountId": old_id("001", 0)}
        ],
    }
}  # fmt: skip


@pytest.fixture
def rig(tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[Rig]:
    mode = getattr(request, "param", "journal")
    with org_to_portal(tmp_path, FROM_SALESFORCE.replace("MODE", mode)) as found:
        found.capsys = capsys
        found.old.control.post("/seed", SEED)
        yield found


def work_in_the_new_system(rig: Rig) -> None:
    """Hours of new sales."""
    acme, bolt = (rig.named("new", "companies", n, "name")["_id"] for n in ("acme", "bolt"))
    ada, bea, cyd = (rig.named("new", "contacts", n)["_id"] for n in ("ada", "bea", "cyd"))
    first = rig.named("new", "deals", "first", "dealname")["_id"]
    rig.act("new", "update", "contacts", id=ada, fields={"jobtitle": "chief"})
    rig.act("new", "update", "companies", id=acme, fields={"industry": "UTILITIES", "annualrevenue": "7"})
    rig.act(
        "new",
        "update",
        "companies",
        id=bolt,
        fields={"industry": "AIRLINES_AVIATION", "annualrevenue": "8.5"},
    )
    rig.act(
        "new",
        "update",
        "deals",
        id=first,
        fields={"dealstage": "closedwon", "closedate": "2026-12-01T10:00:00Z"},
    )
    echo = rig.act("new", "create", "companies", fields={"name": "echo", "industry": "BANKING"})["id"]
    fay = rig.act("new", "create", "contacts", fields={"lastname": "fay", "email": "fay@example.com"})["id"]
    rig.act("new", "link", "contacts", id=fay, to_object="companies", to=echo)
    deal = rig.act("new", "create", "deals", fields={
        "dealname": "second", "dealstage": "qualifiedtobuy", "pipeline": "default", "amount": "12.5",
        "closedate": "2027-02-01T00:00:00Z",
    })["id"]  # fmt: skip
    rig.act("new", "link", "deals", id=deal, to_object="companies", to=acme)
    rig.act("new", "delete", "contacts", id=cyd)
    rig.act("new", "unsubscribe", "consent", id="bea@example.com")
    rig.act("new", "unlink", "contacts", id=bea, to_object="companies", to=bolt)


def came_home(rig: Rig) -> None:
    """The org's own store holds it."""
    firms = {row["Name"]: row for row in rig.org("Account").values()}
    people = {row["LastName"]: row for row in rig.org("Contact").values()}
    deals = {row["Name"]: row for row in rig.org("Opportunity").values()}
    assert (firms["acme"]["Industry"], float(firms["acme"]["AnnualRevenue"])) == ("Energy", 7)
    assert float(firms["bolt"]["AnnualRevenue"]) == 1000  # the field has no digits behind the point
    assert firms["bolt"]["Industry"] == "Banking"  # no old value leads to the new one
    assert firms["echo"]["Industry"] is None  # two old values lead to it
    assert people["ada"]["Title"] == "chief"
    assert people["ada"]["Email"] == "ada@Example.com"
    assert people["fay"]["AccountId"] == firms["echo"]["Id"]
    assert people["bea"]["AccountId"] is None
    assert people["gil"]["AccountId"] is None  # their firm was never in the org
    assert "cyd" not in people
    assert (deals["first"]["StageName"], deals["first"]["CloseDate"]) == ("Closed Won", "2026-12-01")
    assert (deals["second"]["StageName"], deals["second"]["AccountId"]) == (
        "Qualification",
        firms["acme"]["Id"],
    )
    assert (len(firms), len(people), len(deals)) == (4, 4, 2)


@pytest.mark.long
@pytest.mark.parametrize("rig", ["journal", pytest.param("live", marks=pytest.mark.long)], indirect=True)
def test_what_was_sold_in_the_new_system_comes_back_to_the_org(rig: Rig) -> None:
    theirs = str(rig.act("new", "create", "companies", fields={"name": "theirs"})["id"])
    rig.to_approved()
    rig.switch()
    work_in_the_new_system(rig)
    gil = rig.act("new", "create", "contacts", fields={"lastname": "gil", "email": "gil@example.com"})["id"]
    rig.act("new", "link", "contacts", id=gil, to_object="companies", to=theirs)
    with rig.workspace() as workspace:
        cutover = Cutover(workspace)
        rounded = reverse.round(cutover, who="Ada")
        if rounded.mode == "live":
            came_home(rig)
        else:
            assert {row["LastName"] for row in rig.org("Contact").values()} == {"ada", "bea", "cyd"}
        found = back(cutover, who="Ada")
        assert cutover.state == "reverted"
    came_home(rig)
    people = {row["LastName"]: row for row in rig.org("Contact").values()}
    said_no = {name for name, row in people.items() if row["HasOptedOutOfEmail"]}
    assert said_no == {"bea"}  # in the new system, which keeps it by address
    left = {(each.field, each.new_value): each.what for each in found.left}
    assert left[("Industry", "AIRLINES_AVIATION")] == "lost"
    assert left[("Industry", "BANKING")] == "lost"
    assert left[("AnnualRevenue", "8.5")] == "lost"
    assert left[("AccountId", theirs)] == "lost"
    lost = {"AccountId", "Industry", "pipeline", "AnnualRevenue"}
    assert {each.field for each in found.left} <= lost, found.left


@pytest.mark.long
def test_a_no_that_reaches_the_old_system_after_the_switch_goes_on_to_the_new_one(rig: Rig) -> None:
    rig.to_approved()
    rig.switch()
    ada, bea = (rig.named("new", "contacts", name)["_id"] for name in ("ada", "bea"))
    rig.act("new", "update", "contacts", id=bea, fields={"jobtitle": "chief"})
    old = {row["LastName"]: row["Id"] for row in rig.org("Contact").values()}
    seller = next(row["Email"] for row in rig.old.control.ndjson("/truth/User") if row["Email"])
    no = {"HasOptedOutOfEmail": True}
    rig.act("old", "update", "Contact", who=seller, id=old["ada"], fields=no)  # by the link of an old mail

    rig.run("cutover delta --rounds 1 --cohort all")

    assert out(rig.new) == {("ada@example.com", "*")}
    assert {rig.truth("new", "contacts")[each]["jobtitle"] for each in (ada, bea)} == {"buyer", "chief"}
    with rig.workspace() as workspace:
        back(Cutover(workspace), who="Ada")
    assert {row["LastName"] for row in rig.org("Contact").values() if row["HasOptedOutOfEmail"]} == {"ada"}
