"""Files of a portal through the connector: hidden ones too, by signed URLs that may expire, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrate.clock import SystemClock
from migrate.connector import BlobRefused, Query, ReadsBlobs, Settings, TakesBlobs
from migrate.connectors.hubspot import HubSpotConnector
from migrate.sandbox.server import Running, launch

FIRST, HIDDEN = "171000001003", "171000001010"


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), settings={"burst": 100_000}) as running:
        files = [
            {"id": FIRST, "name": "a.txt", "folderPath": "/library", "access": "PRIVATE", "text": "first"},
            {"id": HIDDEN, "name": "b.txt", "access": "HIDDEN_PRIVATE", "text": "hidden"},
            *({"name": f"{n}.txt", "folderPath": "/many", "text": str(n)} for n in range(250)),
        ]
        note = {"hs_timestamp": "2024-01-01", "hs_attachment_ids": f"{HIDDEN};{FIRST}"}
        running.control.post(
            "/seed",
            {"tokens": [{"token": "t"}], "files": files, "records": {"notes": [{"properties": note}]}},
        )
        yield running


@pytest.fixture
def connector(hubspot: Running) -> Iterator[HubSpotConnector]:
    made = HubSpotConnector(Settings("old", {"token": "t", "base_url": hubspot.url}, {}, SystemClock()))
    yield made
    made.close()
    hubspot.control.delete("/faults")


def rows(connector: HubSpotConnector, after: str | None = None) -> list[dict[str, Any]]:
    pages = connector.read(Query("files", ("name", "content", "hidden", "access")), after=after)
    return [row for page in pages for row in page.batch.to_pylist()]


def test_every_file_is_read_once_in_pages_and_a_reading_goes_on_from_its_cursor(
    connector: HubSpotConnector,
) -> None:
    found = rows(connector)
    assert len({row["_id"] for row in found}) == len(found) == 252
    assert connector.count(Query("files", ())) == 252
    hidden = next(row for row in found if row["_id"] == HIDDEN)
    assert (hidden["hidden"], hidden["access"], hidden["name"]) == (True, "PRIVATE", "b.txt")
    first = next(iter(connector.read(Query("files", ("name",)), after=None)))
    assert first.batch.num_rows == 100
    assert len(rows(connector, first.cursor)) == 152


def test_f11_a_signed_url_that_is_refused_is_asked_for_anew(
    hubspot: Running, connector: HubSpotConnector
) -> None:
    hubspot.control.post(
        "/faults", [{"on": {"path": "^/signed-hubfs/"}, "do": {"kind": "status", "status": 403}}]
    )
    assert b"".join(connector.read_blob("files", FIRST, "content")) == b"first"
    asked = [each["path"] for each in hubspot.control.ndjson("/requests")]
    assert sum("/signed-url" in path for path in asked) == 2


def test_a_file_that_is_gone_or_never_given_is_refused_and_not_an_end(
    hubspot: Running, connector: HubSpotConnector
) -> None:
    with pytest.raises(BlobRefused):
        list(connector.read_blob("files", "171000009999", "content"))
    hubspot.control.post(
        "/faults",
        [{"on": {"path": "^/signed-hubfs/", "times": None}, "do": {"kind": "status", "status": 403}}],
    )
    with pytest.raises(BlobRefused, match="signed URL is refused"):
        list(connector.read_blob("files", HIDDEN, "content"))


def test_a_portal_gives_files_and_takes_them(connector: HubSpotConnector) -> None:
    assert isinstance(connector, ReadsBlobs)
    assert isinstance(connector, TakesBlobs)
    catalog = connector.discover()
    files = catalog.objects["files"]
    assert (files.key_field, files.fields["content"].held) == ("migration_key", ("file_md5",))
    assert "attachments" in catalog.objects
