"""The Salesforce connector over HTTP, against the sandbox: what it reads is what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from migrate.catalog import Catalog
from migrate.clock import SystemClock
from migrate.connector import Page, Query, Settings, owners_by_email
from migrate.connectors.salesforce import SalesforceConnector
from migrate.errors import CursorLost, GapTooLong, Parked, SystemRefused, UsageError
from migrate.sandbox.server import Running, launch

ROWS = 1234
READER, ADMIN = "reader@sandbox.example", "admin@sandbox.example"
FIELDS = (
    "Id", "Name", "Description", "AnnualRevenue", "NumberOfEmployees", "Industry", "SystemModstamp",
    "OwnerId",
)  # fmt: skip


class Fast(SystemClock):
    """Waits of the connector a hundred times shorter; the sandbox's own clock stays."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 100)


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce")) as running:
        accounts = [
            {
                "Name": f"Firm {number}",
                "Description": f'line 1\nline 2 of "{number}", ü',
                "AnnualRevenue": 1000 + number,
                "NumberOfEmployees": number,
                "Industry": "technolgy",
            }
            for number in range(ROWS)
        ]
        clients = [
            {"client_id": "reader", "client_secret": "secret-of-reader", "user": READER},
            {"client_id": "writer", "client_secret": "secret-of-writer", "user": ADMIN},
        ]
        running.control.post("/seed", {"records": {"Account": accounts}, "clients": clients})
        yield running


@pytest.fixture(autouse=True)
def no_faults(salesforce: Running) -> Iterator[None]:
    yield
    salesforce.control.delete("/faults")
    while _OPEN:
        _OPEN.pop().close()


_OPEN: list[SalesforceConnector] = []


def connect(
    salesforce: Running, client: str = "reader", secret: str = "", **options: object
) -> SalesforceConnector:
    """A connector that is closed when the test ends."""
    credentials = {
        "instance_url": salesforce.url,
        "client_id": client,
        "client_secret": secret or f"secret-of-{client}",
    }
    _OPEN.append(SalesforceConnector(Settings("legacy", credentials, options, Fast())))
    return _OPEN[-1]


def fault(salesforce: Running, path: str, do: dict[str, Any], **on: Any) -> None:
    salesforce.control.post("/faults", [{"on": {"path": path, **on}, "do": do}])


def rows(pages: list[Page]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page.batch.to_pylist()]


def truth(salesforce: Running, object: str) -> dict[str, dict[str, Any]]:
    return {row["Id"]: row for row in salesforce.control.ndjson(f"/truth/{object}")}


def read(connector: SalesforceConnector, after: str | None = None, **facts: Any) -> list[Page]:
    return list(connector.read(Query("Account", FIELDS, **facts), after=after))


def test_the_org_is_discovered(salesforce: Running) -> None:
    connector = connect(salesforce)
    catalog: Catalog = connector.discover()
    assert catalog.tenant == "00D5g000004SimuEAC"
    assert catalog.family == f"sf{catalog.tenant}"
    assert not catalog.production
    assert {"Account", "Contact", "Opportunity", "OpportunityContactRole", "User"} <= set(catalog.objects)
    account = catalog.objects["Account"]
    assert (account.stamp, account.created) == ("SystemModstamp", "CreatedDate")
    assert account.url == f"{salesforce.url}/lightning/r/Account/{{id}}/view"
    assert account.fields["OwnerId"].owner
    assert account.fields["ParentId"].references == ("Account",)
    assert "BillingAddress" not in account.fields
    assert "BillingCity" in account.fields
    assert {owner.email for owner in catalog.owners} == {READER, ADMIN}
    assert catalog.digest() == connect(salesforce).discover().digest()


@pytest.mark.parametrize("threshold", [0, 1_000_000], ids=["bulk", "rest"])
def test_every_record_is_read_once_and_as_it_is(salesforce: Running, threshold: int) -> None:
    connector = connect(salesforce, bulk_threshold=threshold, page_rows=500)
    found = rows(read(connector))
    there = truth(salesforce, "Account")
    assert len(found) == len({row["_id"] for row in found}) == ROWS == connector.count(Query("Account", ()))
    for row in found:
        record = there[row["_id"]]
        for field in ("Id", "Name", "Description", "NumberOfEmployees", "Industry", "OwnerId"):
            assert row[field] == record[field]
        assert row["AnnualRevenue"] == record["AnnualRevenue"]


def test_both_routes_give_the_same_columns(salesforce: Running) -> None:
    fields = tuple(connect(salesforce).discover().objects["Account"].fields)
    tables = []
    for threshold in (0, 1_000_000):
        connector = connect(salesforce, bulk_threshold=threshold)
        pages = list(connector.read(Query("Account", fields), after=None))
        tables.append(pa.Table.from_batches([page.batch for page in pages]).sort_by("_id"))
    assert tables[0].equals(tables[1])


def test_a_new_jobs_id_comes_before_its_rows(salesforce: Running) -> None:
    first = read(connect(salesforce, bulk_threshold=0))[0]
    assert first.batch.num_rows == 0
    assert first.cursor is not None
    assert first.cursor.startswith("bulk:750")
    assert first.cursor.endswith(":")


@pytest.mark.parametrize("threshold", [0, 1_000_000], ids=["bulk", "rest"])
def test_reading_goes_on_from_every_cursor(salesforce: Running, threshold: int) -> None:
    connector = connect(salesforce, bulk_threshold=threshold, page_rows=300)
    pages = read(connector)
    whole = [row["_id"] for row in rows(pages)]
    for number, page in enumerate(pages[:-1]):
        rest = read(connector, after=page.cursor)
        before = [row["_id"] for row in rows(pages[: number + 1])]
        assert before + [row["_id"] for row in rows(rest)] == whole


@pytest.mark.parametrize(
    "do",
    [
        {"kind": "drop", "at": "half_reply"},
        {"kind": "drop", "at": "arrival"},
        {"kind": "status", "status": 503, "html": True},
        {"kind": "expire"},
        {"kind": "garbage", "body": "<html>proxy</html>"},
    ],
    ids=lambda do: do.get("at") or do["kind"],
)
def test_a_page_that_breaks_off_is_fetched_again_and_no_row_is_lost_or_doubled(
    salesforce: Running, do: dict[str, Any]
) -> None:
    fault(salesforce, "/results", do, nth=2)
    found = rows(read(connect(salesforce, bulk_threshold=0, page_rows=500)))
    assert len(found) == len({row["_id"] for row in found}) == ROWS


def test_a_job_whose_creation_is_in_doubt_is_made_again(salesforce: Running) -> None:
    fault(salesforce, "/jobs/query$", {"kind": "drop", "at": "after_commit"}, method="POST")
    assert len(rows(read(connect(salesforce, bulk_threshold=0)))) == ROWS


def test_a_lost_job_or_locator_is_said_so_that_the_object_is_read_anew(salesforce: Running) -> None:
    connector = connect(salesforce, bulk_threshold=0, page_rows=500)
    with pytest.raises(CursorLost):
        read(connector, after="bulk:7505g00000ZZZZZAAA:")
    cursor = read(connector)[1].cursor
    assert cursor is not None
    job, _, _ = cursor.partition("#")
    with pytest.raises(CursorLost):
        read(connector, after=f"{job}x#500.0")


def test_an_expired_token_is_renewed(salesforce: Running) -> None:
    connector = connect(salesforce)
    fault(salesforce, "/query", {"kind": "expire"})
    assert connector.count(Query("Account", ())) == ROWS


def test_changes_are_read_by_a_half_open_window(salesforce: Running) -> None:
    connector = connect(salesforce)
    now = connector.now()
    stamps = sorted(row["SystemModstamp"] for row in rows(read(connector)))
    first = stamps[0]
    assert connector.count(Query("Account", (), since=first)) == ROWS
    assert rows(read(connector, until=first)) == []
    assert rows(read(connector, since=now + timedelta(hours=1))) == []
    inside = rows(read(connector, since=first, until=stamps[-1] + timedelta(seconds=1)))
    assert len(inside) == ROWS


def test_deletions_are_tombstones_and_counted_by_a_second_route(salesforce: Running) -> None:
    made = salesforce.control.post("/seed", {"records": {"Lead": [{"LastName": "a", "Company": "b"}] * 3}})
    assert made["Lead"] == 3
    connector = connect(salesforce)
    start = connector.now() - timedelta(minutes=1)
    ids = sorted(truth(salesforce, "Lead"))[:2]
    for id in ids:
        salesforce.control.post("/act", {"as": ADMIN, "do": "delete", "object": "Lead", "id": id})
    window = Query("Lead", (), since=start, until=connector.now() + timedelta(seconds=2), deleted=True)
    pages = list(connector.read(window, after=None))
    assert sorted(row["_id"] for row in rows(pages)) == ids
    assert pages[-1].cursor is None
    assert connector.count(window) == 2
    assert connector.count(Query("Lead", ())) == 1


def test_merged_records_lead_to_their_master(salesforce: Running) -> None:
    salesforce.control.post("/seed", {"records": {"Lead": [{"LastName": "m", "Company": "b"}] * 4}})
    connector = connect(salesforce)
    ids = [id for id, row in sorted(truth(salesforce, "Lead").items()) if row["LastName"] == "m"]
    salesforce.control.post(
        "/act", {"as": ADMIN, "do": "merge", "object": "Lead", "master": ids[0], "losers": ids[1:3]}
    )
    salesforce.control.post("/act", {"as": ADMIN, "do": "delete", "object": "Lead", "id": ids[3]})
    told = [row for batch in connector.merges("Lead", None, lambda _: iter(())) for row in batch.to_pylist()]
    assert {row["_id"]: row["survivor"] for row in told} == dict.fromkeys(ids[1:3], ids[0])
    later = connector.now() + timedelta(hours=1)
    assert list(connector.merges("Lead", later, lambda _: iter(()))) == []
    assert list(connector.merges("Opportunity", None, lambda _: iter(()))) == []  # nobody can merge those


def test_a_gap_longer_than_the_delete_log_is_said(salesforce: Running) -> None:
    connector = connect(salesforce)
    now = connector.now()
    window = Query("Account", (), since=now - timedelta(days=20), until=now, deleted=True)
    with pytest.raises(GapTooLong):
        list(connector.read(window, after=None))


def test_a_reader_is_fit_and_a_writer_is_named(salesforce: Running) -> None:
    reader = connect(salesforce).rights(["Account"], write=False)
    assert (reader.user, reader.missing, reader.excess) == (READER, (), ())
    assert reader.calls_max == 100_000
    writer = connect(salesforce, "writer").rights(["Account", "Absent"], write=False)
    assert len(writer.excess) == 2
    assert "it should only read" in writer.excess[0]
    assert len(writer.missing) == 1


def test_a_wrong_secret_is_explained_and_not_repeated_in_the_message(salesforce: Running) -> None:
    with pytest.raises(SystemRefused) as caught:
        connect(salesforce, secret="hunter2").discover()
    assert "CLIENT_SECRET" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_used_up_quota_parks(salesforce: Running) -> None:
    connector = connect(salesforce)
    connector.now()
    settings = salesforce.control.get("/settings")
    salesforce.control.post("/settings", {"daily_limit": 1})
    try:
        with pytest.raises(Parked) as caught:
            connector.count(Query("Account", ()))
    finally:
        salesforce.control.post("/settings", {"daily_limit": settings["daily_limit"]})
    assert caught.value.resume_at is not None


def test_the_businesss_share_of_the_quota_is_left_alone(salesforce: Running) -> None:
    connector = connect(salesforce, share=0.0)
    connector.now()
    with pytest.raises(Parked, match="live business"):
        [connector.count(Query("Account", ())) for _ in range(3)]


def test_an_unknown_field_or_object_is_named(salesforce: Running) -> None:
    connector = connect(salesforce)
    with pytest.raises(UsageError, match="Shoesize"):
        list(connector.read(Query("Account", ("Shoesize",)), after=None))
    with pytest.raises(SystemRefused, match="Nothing"):
        connector.count(Query("Nothing", ()))


def test_nothing_is_written_to_the_source(salesforce: Running, tmp_path: Path) -> None:
    before = list(salesforce.control.ndjson("/log?after=0"))
    connector = connect(salesforce, bulk_threshold=0)
    connector.discover()
    connector.rights(["Account"], write=False)
    read(connector)
    after = list(salesforce.control.ndjson("/log?after=0"))
    assert json.dumps(before) == json.dumps(after)


def test_queues_are_owners_whom_no_address_means(salesforce: Running) -> None:
    queue = {"Id": "00G5g000000AAAA", "Name": "First level", "Type": "Queue", "Email": READER}
    team = {"Id": "00G5g000000BBBB", "Name": "A public group", "Type": "Regular"}
    salesforce.control.post("/seed", {"records": {"Group": [queue, team]}})
    owners = connect(salesforce).discover().owners
    [found] = [owner for owner in owners if owner.queue]
    assert (found.id[:15], found.name, found.email) == ("00G5g000000AAAA", "First level", READER)
    assert not [owner for owner in owners if owner.name == "A public group"]
    assert owners_by_email(owners)[READER].id != found.id
