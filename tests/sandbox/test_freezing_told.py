"""What both vendors tell of a freeze: who wrote what since, and which jobs and imports run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from migrate.clock import SandboxClock
from migrate.connector import Settings, Who
from migrate.connector.freezing import TellsJobs, TellsTouches, Touch
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.salesforce import SalesforceConnector
from migrate.errors import SystemRefused
from migrate.sandbox.server import Running, launch

SPEED = 60.0
ANN, PLATFORM = "admin@sandbox.example", "0055g000000AutoAAC"


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), speed=SPEED) as running:
        accounts = [{"Name": f"Firm {number}"} for number in range(5)]
        clients = [{"client_id": "writer", "client_secret": "secret", "user": ANN}]
        running.control.post("/seed", {"records": {"Account": accounts}, "clients": clients})
        yield running


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), speed=SPEED) as running:
        running.control.post(
            "/seed",
            {
                "portal": {"id": 4471203},
                "tokens": [{"token": "all"}, {"token": "few", "scopes": ["crm.objects.contacts.read"]}],
                "owners": [{"email": "ann@example.com", "userId": 77}],
                "records": {
                    "contacts": [{"properties": {"email": f"c{number}@example.com"}} for number in range(3)]
                },
            },
        )
        yield running


def clock(running: Running) -> SandboxClock:
    return SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)


def org(running: Running) -> SalesforceConnector:
    credentials = {"instance_url": running.url, "client_id": "writer", "client_secret": "secret"}
    return SalesforceConnector(Settings("legacy", credentials, {}, clock(running)))


def portal(running: Running, token: str) -> HubSpotConnector:
    credentials = {"base_url": running.url, "token": token}
    return HubSpotConnector(Settings("old", credentials, {}, clock(running)))


def touched(connector: TellsTouches, object: str, since: datetime) -> dict[str, Touch]:
    pages = connector.touches(object, since)
    assert pages is not None
    return {each.id: each for page in pages for each in page}


def act(running: Running, **action: Any) -> Any:
    return running.control.post("/act", action)


def test_an_org_names_who_changed_made_and_deleted_records(salesforce: Running) -> None:
    with closing(org(salesforce)) as connector:
        connector.discover()
        ids = [row["Id"] for row in salesforce.control.ndjson("/truth/Account")]
        since = connector.now()
        connector.clock.sleep(2)
        act(salesforce, **{"as": ANN}, do="update", object="Account", id=ids[0], fields={"Name": "Firm X"})
        act(salesforce, **{"as": ANN}, do="delete", object="Account", id=ids[1])
        act(salesforce, **{"as": ANN}, do="create", object="Account", fields={"Name": "Firm new"})

        found = touched(connector, "Account", since)

    assert (found[ids[0]].deed, found[ids[0]].name) == ("changed", "Firm X")
    assert found[ids[1]].deed == "deleted"
    assert [each.name for each in found.values() if each.deed == "created"] == ["Firm new"]
    assert len(found) == 3
    assert all("admin@sandbox.example" in each.by and each.by_id.startswith("005") for each in found.values())


def test_a_flow_of_the_platform_is_named_like_any_writer(salesforce: Running) -> None:
    with closing(org(salesforce)) as connector:
        connector.discover()
        connector.clock.sleep(3)
        since = connector.now()
        connector.clock.sleep(2)
        act(salesforce, do="touch", object="Account")

        found = touched(connector, "Account", since)

    assert found
    assert len(found) == 5
    assert {each.by_id for each in found.values()} == {PLATFORM}


def test_a_bulk_job_that_nobody_released_shows_as_running(salesforce: Running) -> None:
    with closing(org(salesforce)) as connector:
        connector.discover()
        assert isinstance(connector, TellsJobs)
        since = connector.now()
        body = {"object": "Account", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}
        made = connector._org.http.call("POST", f"{connector._org.base}/jobs/ingest", json=body, write=True)

        open_ = {each.id: each for each in connector.jobs(since)}[made.json()["id"]]
        assert (open_.ended, open_.state, open_.object) == (False, "Open", "Account")
        assert ANN in open_.by

        connector._org.http.call(
            "PATCH",
            f"{connector._org.base}/jobs/ingest/{open_.id}",
            json={"state": "Aborted"},
            write=True,
        )
        assert [each.ended for each in connector.jobs(since) if each.id == open_.id] == [True]


def test_a_portal_names_who_wrote_by_the_history_of_the_fields(hubspot: Running) -> None:
    with closing(portal(hubspot, "all")) as connector:
        connector.discover()
        ids = [row["id"] for row in hubspot.control.ndjson("/truth/contacts")]
        connector.clock.sleep(60)
        since = connector.now()
        connector.clock.sleep(2)
        act(hubspot, **{"as": "ann@example.com"}, do="update", object="contacts", id=ids[0],
            fields={"firstname": "Ann"})  # fmt: skip
        act(hubspot, **{"as": "ann@example.com"}, do="delete", object="contacts", id=ids[1])
        act(hubspot, do="touch", object="contacts", ids=[ids[2]])
        connector.clock.sleep(connector.freeze_lag)

        found = touched(connector, "contacts", since)

    assert (found[ids[0]].deed, found[ids[0]].by_id, found[ids[0]].fields) == (
        "changed",
        "77",
        ("firstname",),
    )
    assert found[ids[0]].name == "c0@example.com"
    assert found[ids[1]].deed == "deleted"
    assert found[ids[2]].stirred


def test_a_portal_tells_a_running_import_and_its_rows_bear_the_user(hubspot: Running) -> None:
    with closing(portal(hubspot, "all")) as connector:
        connector.discover()
        since = connector.now()
        act(hubspot, **{"as": "ann@example.com"}, do="import", object="contacts", seconds=40,
            rows=[{"email": "new@example.com"}])  # fmt: skip

        assert [(each.object, each.ended) for each in connector.jobs(since)] == [("contacts", False)]
        connector.clock.sleep(60)
        assert [each.state for each in connector.jobs(since)] == ["DONE"]

        connector.clock.sleep(connector.freeze_lag)
        found = [each for each in touched(connector, "contacts", since).values() if each.deed == "created"]
    assert [(each.name, each.who, each.by_id) for each in found] == [("new@example.com", Who.PERSON, "77")]


def test_a_token_that_may_not_see_imports_is_told_which_scope_it_lacks(hubspot: Running) -> None:
    with closing(portal(hubspot, "few")) as connector, pytest.raises(SystemRefused, match=r"crm\.import"):
        connector.jobs(connector.now())
