"""Is a Salesforce org's history read whole: archived activities, relations, e-mails with their bodies?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from migrate.clock import SystemClock
from migrate.connector import Query, Settings
from migrate.connectors.salesforce import SalesforceConnector
from migrate.sandbox.server import Running, launch

BODY = "<p>Grüße \U0001f600 &amp; mehr</p>\r\n" * 2_000
TASKS = 30


class Fast(SystemClock):
    """Waits of the connector a hundred times shorter."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 100)


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("org")) as running:
        tasks = [
            {
                "Subject": f"t{number}", "Status": "Completed", "ActivityDate": f"20{10 + number % 15}-03-01",
                "IsArchived": number % 3 == 0, "IsDeleted": number == 1,
            }
            for number in range(TASKS)
        ]  # fmt: skip
        mails = [{"Subject": "m", "HtmlBody": BODY, "FromAddress": "a@b.test", "ToAddress": "c@d.test"}]
        running.control.post(
            "/seed",
            {
                "settings": {"shared_activities": True},
                "records": {"Task": tasks, "EmailMessage": mails, "Note": []},
                "clients": [
                    {"client_id": "reader", "client_secret": "x", "user": "reader@sandbox.example"},
                ],
            },
        )
        yield running


def rows(running: Running, threshold: int, object: str, *fields: str) -> tuple[list[dict[str, Any]], int]:
    credentials = {"instance_url": running.url, "client_id": "reader", "client_secret": "x"}
    options: dict[str, Any] = {"bulk_threshold": threshold}
    source = SalesforceConnector(Settings("old", credentials, options, Fast()))
    query = Query(object, fields)
    found = [each for page in source.read(query, after=None) for each in page.batch.to_pylist()]
    counted = source.count(query)
    source.close()
    return found, counted


@pytest.mark.parametrize("threshold", [0, 10_000])
def test_fault_f10_archived_activities_are_read_and_counted_deleted_ones_not(
    org: Running, threshold: int
) -> None:
    found, counted = rows(org, threshold, "Task", "Subject", "IsArchived", "ActivityDate")
    truth = [row for row in org.control.ndjson("/truth/Task") if not row.get("IsDeleted")]
    assert len(found) == counted == len(truth) == TASKS - 1
    assert Counter(row["IsArchived"] for row in found)[True] == TASKS // 3
    years = Counter(row["ActivityDate"].year for row in found)
    assert years == Counter(int(row["ActivityDate"][:4]) for row in truth)


@pytest.mark.parametrize("threshold", [0, 10_000])
def test_a_body_is_read_whole(org: Running, threshold: int) -> None:
    [mail], counted = rows(org, threshold, "EmailMessage", "HtmlBody")
    assert counted == 1
    assert mail["HtmlBody"] == BODY.strip()  # the vendor keeps no blanks at the ends


def test_activities_their_relations_and_notes_are_discovered(org: Running) -> None:
    credentials = {"instance_url": org.url, "client_id": "reader", "client_secret": "x"}
    source = SalesforceConnector(Settings("old", credentials, {}, Fast()))
    catalog = source.discover()
    assert {
        "Task", "Event", "TaskRelation", "EventRelation", "EmailMessage", "EmailMessageRelation", "Note",
    } <= catalog.objects.keys()  # fmt: skip
    assert catalog.objects["Task"].fields["WhoId"].references == ("Contact", "Lead")
    source.close()
