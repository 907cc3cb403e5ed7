"""What `prepare` made goes when a person asks for it, and only where nobody uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from migrate.clock import SandboxClock
from migrate.connector import (
    Batch,
    NewField,
    NewHelper,
    NewLabel,
    NewObject,
    NewOption,
    Operation,
    SchemaChange,
    Settings,
    Write,
)
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.salesforce import SalesforceConnector
from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.sandbox.server import Running, launch
from tests.sandbox.test_rollback import Line

SPEED = 20.0
STOCK = Sizes(accounts=6, parents=2, opportunities=20, companies=8, known=2, contacts=6)
KEY = NewField("companies", "migration_key", "Migration key", "string", unique=True)
SIZE = NewField("companies", "size_class", "Size", "picklist", options=(
    NewOption("companies", "size_class", "s", "Small"), NewOption("companies", "size_class", "l", "Large"),
))  # fmt: skip
BEES = NewOption("companies", "industry", "BEES", "Bees")
BOSS = NewLabel("contacts", "companies", "Boss")
PORTAL: list[SchemaChange] = [KEY, SIZE, *SIZE.options, BEES, BOSS]
GROUP = NewHelper("companies", "property group", "migration")

LEVEL = NewField("Account", "Level__c", "Level", "picklist", options=(
    NewOption("Account", "Level__c", "a", "A"), NewOption("Account", "Level__c", "b", "B"),
))  # fmt: skip
ACCOUNT_KEY = NewField("Account", "Key__c", "Key", "string", unique=True)
STORY = NewField("Account", "Story__c", "Story", "text", length=2000)
SOLD = NewField("Account", "Sold__c", "Sold", "bool")
OWNER = NewField("House__c", "Firm__c", "Firm", "reference", reference="Account")
HOUSE = NewObject("House__c", "House", "Houses", "Name", fields=(OWNER,))
SHARED = NewOption("Account", "Industry", "Beekeeping", "Beekeeping")
ORG: list[SchemaChange] = [HOUSE, OWNER, ACCOUNT_KEY, LEVEL, STORY, SOLD, SHARED]


def clock(running: Running) -> SandboxClock:
    return SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), speed=SPEED) as each:
        yield each


@pytest.fixture
def portal(hubspot: Running) -> Iterator[HubSpotConnector]:
    credentials = {"token": "pat-na1-sandbox", "base_url": hubspot.url}
    connector = HubSpotConnector(Settings("new", credentials, {"longest_call": 2}, clock(hubspot)))
    yield connector
    connector.close()


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), speed=SPEED) as each:
        yield each


@pytest.fixture
def org(salesforce: Running) -> Iterator[SalesforceConnector]:
    credentials = {
        "instance_url": salesforce.url,
        "client_id": "admin-app",
        "client_secret": "sandbox-secret",
    }
    connector = SalesforceConnector(Settings("new", credentials, {}, clock(salesforce)))
    connector.bind({"Account": "Key__c"})
    yield connector
    connector.close()


def test_a_portal_says_who_uses_what_we_made_and_lets_go_of_it_once_nobody_does(
    portal: HubSpotConnector, hubspot: Running
) -> None:
    assert {outcome for _, outcome in portal.prepare(PORTAL)} == {"made"}
    assert list(portal.made_beside()) == [GROUP]
    portal.bind({"companies": "migration_key"})
    values = {"migration_key": "k", "size_class": "s", "industry": "BEES", "name": "Hive"}
    [made] = portal.send(Batch(Operation.CREATE, "companies", (Write("k", values=values),)))
    use = dict(zip(PORTAL, portal.schema_use(PORTAL), strict=True))
    assert [use[each].records for each in PORTAL] == [1, 1, 1, 0, 1, 0]
    assert all(each.there for each in use.values())
    assert "migration_key" in portal.schema_use([GROUP])[0].why
    hubspot.control.post("/act", {"do": "delete", "object": "companies", "id": made.id})
    assert all(each.free for each in portal.schema_use(PORTAL))
    for change in (BOSS, BEES, SIZE, KEY, GROUP):
        assert portal.remove_schema(change) == "removed"
        assert portal.remove_schema(change) == "removed"  # asked again after a lost answer
    assert not any(each.there for each in portal.schema_use([*PORTAL, GROUP]))
    assert "BEES" not in {
        each.value for each in portal.discover().objects["companies"].fields["industry"].options
    }


def test_two_objects_that_were_joined_for_a_labels_sake_are_parted_again(portal: HubSpotConnector) -> None:
    boat = NewObject("p_boat", "Boat", "Boats", "boat_name", fields=(
        NewField("p_boat", "boat_name", "Name", "string"),))  # fmt: skip
    portal.prepare([boat, *boat.fields])
    label, pair = NewLabel("companies", "p_boat", "Seat"), NewLabel("companies", "p_boat", "default")
    assert portal.prepare([label]) == [(label, "made")]
    assert pair in portal.made_beside()
    assert all(each.free for each in portal.schema_use([label, pair, boat]))
    assert "boat_name" in portal.schema_use([replace(boat, fields=())])[0].why, "somebody else's field"
    assert [portal.remove_schema(each) for each in (label, pair, boat)] == ["removed"] * 3
    assert not any(each.there for each in portal.schema_use([label, pair, boat]))
    [(_, outcome)] = portal.prepare([boat])
    assert outcome.startswith("refused: an object of this name was deleted"), outcome


def test_a_name_in_the_archive_is_told_with_what_to_do(portal: HubSpotConnector) -> None:
    [(_, outcome)] = portal.prepare([KEY])
    assert outcome.startswith("refused: it lies in HubSpot's archive")
    assert "Archived properties" in outcome
    assert portal.prepare([BEES])[0][1] == "made"  # options and labels come back


def test_an_org_says_who_uses_what_we_made_and_lets_go_of_it_once_nobody_does(
    org: SalesforceConnector, salesforce: Running
) -> None:
    assert {outcome for _, outcome in org.prepare(ORG)} == {"made"}
    [rights] = org.made_beside()
    assert isinstance(rights, NewHelper)
    values = {"Name": "Hive", "Key__c": "k", "Level__c": "a", "Story__c": "long", "Sold__c": "false"}
    [made] = org.send(Batch(Operation.CREATE, "Account", (Write("k", values=values),)))
    [lead] = org.send(Batch(Operation.CREATE, "Lead", (
        Write("l", values={"LastName": "A", "Company": "B", "Industry": "Beekeeping"}),)))  # fmt: skip
    use = dict(zip(ORG, org.schema_use(ORG), strict=True))
    expected = [0, 0, 1, 1, 1, 0, 1]  # the lead shares the value set; a box unticked holds nothing
    assert [use[each].records for each in ORG] == expected
    assert "grants" in org.schema_use([rights])[0].why
    for object, id in (("Account", made.id), ("Lead", lead.id)):
        salesforce.control.post("/act", {"do": "delete", "object": object, "id": id})
    assert all(each.free for each in org.schema_use(ORG))
    assert "Firm__c" in org.schema_use([replace(HOUSE, fields=())])[0].why, "somebody else's field"
    for change in (OWNER, HOUSE, STORY, SOLD, ACCOUNT_KEY):
        assert org.remove_schema(change) == "removed"
    assert org.remove_schema(SHARED).startswith("removed: inactive")
    assert org.remove_schema(LEVEL) == "removed"
    assert org.schema_use([rights])[0].free, "its grants went with the fields"
    assert org.remove_schema(rights) == "removed"
    assert not any(each.there for each in org.schema_use([*ORG, rights]))
    assert {outcome for _, outcome in org.prepare(ORG)} == {"made"}, "a later load finds nothing in its way"
    assert org.schema_use([ACCOUNT_KEY])[0].free


# -- the whole line --------------------------------------------------------------------------------


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    root, seed = tmp_path / "workspace", generated(STOCK)
    prepare_folder(root, "salesforce-to-hubspot")
    plan = (root / "plan.yaml").read_text()
    plan = plan.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
    plan = plan.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 20}")
    (root / "plan.yaml").write_text(plan)
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, tmp_path / name, speed=SPEED, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        made = Line(root, running[1], environment(running[0], running[1]))
        for words in ("discover", "prepare", "extract", "transform", "load"):
            made.run(words, codes=(0, 1))
        yield made


@pytest.mark.long
def test_a_rollback_told_to_takes_the_schema_with_it_and_the_target_is_as_it_was(line: Line) -> None:
    before = catalog_of(line)
    assert line.run("rollback", "run", "--yes")["schema"] is None
    kept = line.run("rollback", "verify")
    assert any("made by prepare" in each["what"] for each in kept["residue"])
    assert catalog_of(line) == before, "without being asked for, it stays"

    ran = line.run("rollback", "run", "--yes", "--schema")
    verified = line.run("rollback", "verify")

    assert ran["schema"]["stays"] == {}
    assert len(ran["schema"]["removed"]) > 5
    assert verified["verdict"] == "pass", verified["failures"]
    assert not [each for each in verified["residue"] if "made by prepare" in each["what"]]
    after = catalog_of(line)
    assert not [name for name in after["companies"] if name in ("migration_key", "old_salesforce_id")]
    assert line.run("rollback", "run", "--yes", "--schema")["schema"] == {"removed": [], "stays": {}}


@pytest.mark.long
def test_what_a_held_record_bears_stays_and_a_lost_answer_is_settled_by_looking(line: Line) -> None:
    company = max(line.ours("companies"), key=int)  # one that we made
    line.act(do="update", object="companies", id=company, fields={"description": "by hand"})
    line.hubspot.control.post("/faults", [{
        "on": {"method": "DELETE", "path": "/properties/"},
        "do": {"kind": "drop", "at": "after_commit"},
    }])  # fmt: skip
    ran = line.run("rollback", "run", "--yes", "--schema", codes=(1,))
    stays = ran["schema"]["stays"]
    assert [why for what, why in stays.items() if "companies.migration_key" in what] == ["1 record uses it"]
    assert any("deals.migration_key" in what for what in ran["schema"]["removed"])
    verified = line.run("rollback", "verify", codes=(1,))
    assert (verified["verdict"], verified["held"]) == ("pass", 1), verified["failures"]
    assert any("migration_key" in each["what"] for each in verified["residue"])


@pytest.mark.long
def test_a_rollback_killed_while_it_removes_a_field_goes_on_where_it_stopped(line: Line) -> None:
    line.hubspot.control.post("/faults", [{
        "on": {"method": "DELETE", "path": "/properties/", "nth": 2},
        "do": {"kind": "hold", "at": "after_commit", "then": "drop"},
    }])  # fmt: skip
    process = line.start("rollback", "run", "--yes", "--schema")
    line.hubspot.control.wait_held(timeout=300)
    process.kill()
    process.communicate()
    line.hubspot.control.delete("/faults")

    ran = line.run("rollback", "run", "--yes", "--schema")

    assert ran["schema"]["stays"] == {}
    verified = line.run("rollback", "verify")
    assert verified["verdict"] == "pass", verified["failures"]
    assert not [each for each in verified["residue"] if "made by prepare" in each["what"]]
    assert not [name for names in catalog_of(line).values() for name in names if name == "migration_key"]


def catalog_of(line: Line) -> dict[str, Any]:
    """Live properties by object, as the portal itself lists them."""
    import httpx2

    found = {}
    for object in ("companies", "contacts", "deals"):
        reply = httpx2.get(
            f"{line.hubspot.url}/crm/v3/properties/{object}",
            headers={"Authorization": "Bearer pat-na1-sandbox"},
        )
        found[object] = sorted(each["name"] for each in reply.json()["results"])
    return found
