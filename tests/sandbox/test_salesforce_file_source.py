"""Files of an org through the connector: bytes, what is told of them, links by document, and refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from migrate.clock import SystemClock
from migrate.connector import BlobRefused, Query, ReadsBlobs, Settings
from migrate.connectors.salesforce import SalesforceConnector
from migrate.errors import Retriable
from migrate.sandbox.salesforce.blobs import generated
from migrate.sandbox.server import Running, launch
from migrate.types import Kind

ACCOUNT = "001000000000001AAA"
SIZE = 3_000_000


class Fast(SystemClock):
    """Waits of the connector a hundred times shorter."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 100)


def bytes_of(size: int, seed: int) -> bytes:
    return b"".join(generated(size, seed))


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce")) as running:
        records: dict[str, Any] = {
            "Account": [{"Id": ACCOUNT, "Name": "Firm"}],
            "Attachment": [
                {"ParentId": ACCOUNT, "Name": f"{number}.bin", "Body": {"size": size, "seed": number}}
                for number, size in enumerate((0, 1, SIZE))
            ],
            "ContentVersion": [
                {"PathOnClient": f"v{n}.bin", "VersionData": {"size": 1000 + n, "seed": n},
                 "FirstPublishLocationId": ACCOUNT}
                for n in range(700)
            ],
        }  # fmt: skip
        clients = [{"client_id": "a", "client_secret": "s", "user": "admin@sandbox.example"}]
        running.control.post("/seed", {"records": records, "clients": clients})
        yield running


@pytest.fixture
def connector(salesforce: Running) -> Iterator[SalesforceConnector]:
    credentials = {"instance_url": salesforce.url, "client_id": "a", "client_secret": "s"}
    made = SalesforceConnector(Settings("legacy", credentials, {}, Fast()))
    yield made
    made.close()
    salesforce.control.delete("/faults")


def read(connector: SalesforceConnector, object: str, *fields: str) -> list[dict[str, Any]]:
    pages = connector.read(Query(object, fields), after=None)
    return [row for page in pages for row in page.batch.to_pylist()]


def test_a_field_of_bytes_is_a_file_with_its_size_digest_and_name_beside_it(
    connector: SalesforceConnector,
) -> None:
    catalog = connector.discover()
    data = catalog.objects["ContentVersion"].fields["VersionData"]
    assert (data.kind, data.size_in, data.md5_in, data.name_in) == (
        Kind.BINARY, "ContentSize", "Checksum", "PathOnClient",
    )  # fmt: skip
    body = catalog.objects["Attachment"].fields["Body"]
    assert (body.kind, body.size_in, body.md5_in, body.held) == (
        Kind.BINARY, "BodyLength", None, ("file_size",),
    )  # fmt: skip
    assert catalog.objects["Attachment"].prefix == "00P"
    assert isinstance(connector, ReadsBlobs)


def test_the_bytes_of_every_size_come_whole_and_in_pieces(connector: SalesforceConnector) -> None:
    found = {row["Name"]: row for row in read(connector, "Attachment", "Name", "BodyLength", "Body")}
    for number, size in enumerate((0, 1, SIZE)):
        row = found[f"{number}.bin"]
        chunks = list(connector.read_blob("Attachment", row["_id"], "Body"))
        assert b"".join(chunks) == bytes_of(size, number)
        assert max(map(len, chunks), default=0) < 1 << 20
        assert (row["BodyLength"], row["Body"]) == (size, f"bytes:{size}")


def test_a_version_tells_the_digest_of_its_bytes(connector: SalesforceConnector) -> None:
    row = read(connector, "ContentVersion", "VersionData", "PathOnClient")[0]
    content = b"".join(connector.read_blob("ContentVersion", row["_id"], "VersionData"))
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert row["VersionData"] == f"md5:{md5}:{len(content)}"


def test_links_are_read_and_counted_for_all_documents_though_no_query_gives_all(
    salesforce: Running, connector: SalesforceConnector
) -> None:
    query = Query("ContentDocumentLink", ("ContentDocumentId", "LinkedEntityId", "Visibility"))
    pages = list(connector.read(query, after=None))
    found = {row["_id"]: row for page in pages for row in page.batch.to_pylist()}
    truth = {row["Id"]: row for row in salesforce.control.ndjson("/truth/ContentDocumentLink")}

    assert len(truth) == 1400
    assert set(found) == set(truth)
    assert connector.count(query) == 1400
    assert len(pages) > 2
    again = connector.read(query, after=pages[0].cursor)
    rest = [row["_id"] for page in again for row in page.batch.to_pylist()]
    assert len(rest) == 1400 - pages[0].batch.num_rows


def test_a_file_that_is_gone_is_refused_with_the_vendors_code(connector: SalesforceConnector) -> None:
    with pytest.raises(BlobRefused) as caught:
        list(connector.read_blob("Attachment", "00P5g00000ZZZZZEAA", "Body"))
    assert caught.value.code == "NOT_FOUND"


def test_a_file_that_breaks_off_is_never_taken_for_whole(
    salesforce: Running, connector: SalesforceConnector
) -> None:
    big = next(row for row in read(connector, "Attachment", "BodyLength") if row["BodyLength"] == SIZE)
    fault = {"on": {"path": f"/Attachment/{big['_id']}/Body"}, "do": {"kind": "drop", "at": "half_reply"}}
    salesforce.control.post("/faults", [fault])
    with pytest.raises(Retriable, match="broke off"):
        list(connector.read_blob("Attachment", big["_id"], "Body"))
