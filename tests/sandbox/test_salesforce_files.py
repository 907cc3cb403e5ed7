"""Do files, notes and their links behave in the simulated org as the vendor says?"""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from migrate.sandbox.salesforce.blobs import generated
from migrate.sandbox.salesforce.seed import ADMIN_USER
from migrate.sandbox.server import launch
from tests.sandbox.salesforce_org import ADMIN_TOKEN, READER_TOKEN, Answer, Org

HELLO = b"hello, world\n"
AUDITED = {"*": {"PermissionsCreateAuditFields": True}}


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        yield org


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def version(org: Org, data: bytes = HELLO, **fields: Any) -> dict[str, Any]:
    """Insert one version, and read it back."""
    id = org.create("ContentVersion", **({"PathOnClient": "hello.txt", "VersionData": b64(data)} | fields))
    answer = org.get(f"/sobjects/ContentVersion/{id}")
    found: dict[str, Any] = answer.json
    return found


def multipart(
    *parts: tuple[str, str, bytes], boundary: str = "boundary_string"
) -> tuple[bytes, dict[str, str]]:
    """A body as the vendor's documentation writes it: name, media type, content."""
    lines: list[bytes] = []
    for name, media, content in parts:
        file = b'; filename="f.bin"' if "json" not in media else b""
        lines += [
            b"--" + boundary.encode(),
            b'Content-Disposition: form-data; name="' + name.encode() + b'"' + file,
            b"Content-Type: " + media.encode(),
            b"",
            content,
        ]
    body = b"\r\n".join([*lines, b"--" + boundary.encode() + b"--", b""])
    return body, {"content-type": f'multipart/form-data; boundary="{boundary}"'}


def entity(name: str, **fields: Any) -> tuple[str, str, bytes]:
    return name, "application/json", orjson.dumps(fields)


def send(org: Org, path: str, *parts: tuple[str, str, bytes], method: str = "POST") -> Answer:
    body, headers = multipart(*parts)
    return org.send(method, "/services/data/v66.0" + path, body=body, headers=headers)


def links(org: Org, document: str) -> list[tuple[str, str, str]]:
    soql = (
        "SELECT LinkedEntityId, ShareType, Visibility FROM ContentDocumentLink "
        f"WHERE ContentDocumentId = '{document}'"
    )
    return sorted((r["LinkedEntityId"], r["ShareType"], r["Visibility"]) for r in org.rows(soql))


def files(org: Org) -> dict[str, dict[str, Any]]:
    with org.store.begin() as tx:
        return {row["id"]: row for row in org.vendor.truth(tx, "files")}


# attachments


def test_an_attachment_keeps_its_bytes_and_gives_them_back(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    data = bytes(range(256))
    id = org.create("Attachment", ParentId=account, Name="all.bin", ContentType="image/png", Body=b64(data))

    record = org.get(f"/sobjects/Attachment/{id}").json
    answer = org.get(f"/sobjects/Attachment/{id}/Body")

    assert (record["BodyLength"], record["Body"]) == (
        256,
        f"/services/data/v66.0/sobjects/Attachment/{id}/Body",
    )
    assert org.rows("SELECT Body FROM Attachment") == [{"Body": record["Body"]}]
    assert (answer.status, answer.body) == (200, data)
    assert org.get(f"/sobjects/Attachment/{id[:15]}/body").body == data
    sha256 = hashlib.sha256(data).hexdigest()
    assert files(org)[id] == {
        "object": "Attachment", "id": id, "field": "Body", "size": 256, "sha256": sha256,
        "md5": md5(data), "deleted": False,
    }  # fmt: skip


def test_an_attachment_needs_a_parent_a_name_and_a_body(org: Org) -> None:
    answer = org.post("/sobjects/Attachment", {})

    assert answer.code == "REQUIRED_FIELD_MISSING"
    assert answer.json[0]["fields"] == ["ParentId", "Name", "Body"]


def test_text_that_is_no_base64_is_refused_and_leaves_nothing(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    answer = org.post("/sobjects/Attachment", {"ParentId": account, "Name": "x", "Body": "not base64!"})

    assert (answer.status, answer.code) == (400, "JSON_PARSER_ERROR")
    assert org.truth("Attachment") == {}
    assert files(org) == {}


def test_an_attachment_comes_and_changes_as_multipart(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    part = entity("entity_document", ParentId=account, Name="a.bin")
    made = send(org, "/sobjects/Attachment", part, ("Body", "application/octet-stream", b"\r\n--x\r\n\n"))
    id = made.json["id"]

    assert (made.status, org.get(f"/sobjects/Attachment/{id}/Body").body) == (201, b"\r\n--x\r\n\n")

    changed = send(
        org,
        f"/sobjects/Attachment/{id}",
        entity("entity_document", Name="b.bin"),
        ("Body", "application/octet-stream", b"new"),
        method="PATCH",
    )
    assert changed.status == 204
    assert org.get(f"/sobjects/Attachment/{id}/Body").body == b"new"
    assert org.rows("SELECT Name, BodyLength FROM Attachment") == [{"Name": "b.bin", "BodyLength": 3}]


def test_attachments_go_with_their_parent_and_come_back_with_it(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    id = org.create("Attachment", ParentId=account, Name="x", Body=b64(HELLO))

    org.delete(f"/sobjects/Account/{account}")
    assert org.get(f"/sobjects/Attachment/{id}/Body").code == "ENTITY_IS_DELETED"
    assert org.rows("SELECT Id, IsDeleted FROM Attachment", all=True) == [{"Id": id, "IsDeleted": True}]
    assert files(org)[id]["deleted"] is True

    org.act(do="undelete", object="Account", id=account)
    assert org.get(f"/sobjects/Attachment/{id}/Body").body == HELLO


# versions and documents


def test_a_first_version_makes_its_document_and_the_owners_link(org: Org) -> None:
    made = version(org, PathOnClient="C:\\tmp\\Offer 1.PDF")
    document = org.get(f"/sobjects/ContentDocument/{made['ContentDocumentId']}").json

    assert made["ContentDocumentId"].startswith("069")
    assert (made["Title"], made["FileType"], made["FileExtension"]) == ("Offer 1", "PDF", "PDF")
    assert (made["VersionNumber"], made["IsLatest"]) == ("1", True)
    assert (made["ContentSize"], made["Checksum"]) == (len(HELLO), md5(HELLO))
    assert made["VersionData"] == f"/services/data/v66.0/sobjects/ContentVersion/{made['Id']}/VersionData"
    assert document["LatestPublishedVersionId"] == made["Id"]
    for name in ("Title", "FileType", "FileExtension", "ContentSize", "OwnerId", "CreatedDate"):
        assert document[name] == made[name]
    assert links(org, document["Id"]) == [(ADMIN_USER, "I", "AllUsers")]
    assert org.get(f"/sobjects/ContentVersion/{made['Id']}/VersionData").body == HELLO


def test_a_version_published_to_a_record_is_linked_to_it_too(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    made = version(org, FirstPublishLocationId=account)

    assert links(org, made["ContentDocumentId"]) == [
        (account, "V", "AllUsers"),
        (ADMIN_USER, "I", "AllUsers"),
    ]


def test_a_further_version_is_the_latest_and_the_document_follows(org: Org) -> None:
    first = version(org)
    second = version(
        org, b"second", ContentDocumentId=first["ContentDocumentId"], Title="New", PathOnClient="n.csv"
    )

    rows = org.rows("SELECT Id, VersionNumber, IsLatest FROM ContentVersion ORDER BY VersionNumber")
    assert rows == [
        {"Id": first["Id"], "VersionNumber": "1", "IsLatest": False},
        {"Id": second["Id"], "VersionNumber": "2", "IsLatest": True},
    ]
    document = org.get(f"/sobjects/ContentDocument/{first['ContentDocumentId']}").json
    assert document["LatestPublishedVersionId"] == second["Id"]
    assert (document["Title"], document["FileType"], document["ContentSize"]) == ("New", "CSV", 6)
    assert len(links(org, document["Id"])) == 1
    assert org.get(f"/sobjects/ContentVersion/{first['Id']}/VersionData").body == HELLO
    answer = org.post(
        "/sobjects/ContentVersion",
        {"PathOnClient": "x", "VersionData": "", "ContentDocumentId": first["ContentDocumentId"]},
    )
    assert answer.code == "REQUIRED_FIELD_MISSING"


def test_a_version_is_renamed_but_its_bytes_never_change_and_it_is_never_deleted_alone(org: Org) -> None:
    made = version(org)
    path = f"/sobjects/ContentVersion/{made['Id']}"

    assert org.patch(path, {"Title": "Renamed", "ReasonForChange": "typo"}).status == 204
    assert org.rows("SELECT Title FROM ContentDocument") == [{"Title": "Renamed"}]
    assert org.patch(path, {"VersionData": b64(b"x")}).code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert org.patch(path, {"PathOnClient": "y.txt"}).code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert org.delete(path).code == "CANNOT_DELETE_ENTITY"
    assert org.patch(f"/sobjects/ContentDocument/{made['ContentDocumentId']}", {"Title": "Doc"}).status == 204
    assert org.rows("SELECT Title FROM ContentVersion") == [{"Title": "Doc"}]


def test_a_document_is_made_by_its_version_alone(org: Org) -> None:
    assert (
        org.post("/sobjects/ContentDocument", {"Title": "x"}).code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    )


def test_a_version_comes_as_multipart(org: Org) -> None:
    data = b"%PDF \r\n\x00\xff"
    made = send(
        org,
        "/sobjects/ContentVersion",
        entity("entity_content", PathOnClient="a.pdf", Title="A"),
        ("VersionData", "application/octet-stream", data),
    )

    assert made.status == 201
    assert org.get(f"/sobjects/ContentVersion/{made.json['id']}/VersionData").body == data
    row = org.rows("SELECT Checksum, ContentSize FROM ContentVersion")[0]
    assert row == {"Checksum": md5(data), "ContentSize": len(data)}


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("VersionData", "application/pdf", b"x")], "INVALID_MULTIPART_REQUEST"),
        ([entity("entity_content", PathOnClient="a")], "REQUIRED_FIELD_MISSING"),
        ([entity("entity_content", PathOnClient="a"), ("Body", "a/b", b"x")], "INVALID_FIELD"),
        ([("entity_content", "application/json", b"{"), ("VersionData", "a/b", b"x")], "JSON_PARSER_ERROR"),
    ],
)
def test_a_multipart_request_that_lacks_something_is_refused(
    org: Org, parts: list[tuple[str, str, bytes]], code: str
) -> None:
    answer = send(org, "/sobjects/ContentVersion", *parts)

    assert (answer.status, answer.code) == (400, code)
    assert org.truth("ContentVersion") == org.truth("ContentDocument") == {}


def test_each_way_has_its_limit(tmp_path: Path) -> None:
    limits = {"json_limit": 300, "base64_limit": 60, "version_limit": 500, "blob_limit": 200}
    with Org(tmp_path, **limits) as org:
        account = org.create("Account", Name="Acme")

        def post(size: int) -> int:
            body = {"PathOnClient": "x", "VersionData": b64(bytes(size))}
            return org.post("/sobjects/ContentVersion", body).status

        def upload(object: str, field: str, size: int) -> int:
            fields = {"PathOnClient": "x"} if field == "VersionData" else {"ParentId": account, "Name": "x"}
            part = entity("entity_x", **fields)
            return send(org, f"/sobjects/{object}", part, (field, "a/b", bytes(size))).status

        assert (post(60), post(90), post(300)) == (201, 413, 413)
        assert (
            upload("ContentVersion", "VersionData", 500),
            upload("ContentVersion", "VersionData", 501),
        ) == (
            201,
            413,
        )
        assert (upload("Attachment", "Body", 200), upload("Attachment", "Body", 201)) == (201, 413)


def test_a_day_has_room_for_so_many_new_versions(tmp_path: Path) -> None:
    with Org(tmp_path, daily_versions=2) as org:
        version(org)
        version(org)
        answer = org.post("/sobjects/ContentVersion", {"PathOnClient": "x", "VersionData": b64(HELLO)})
        assert answer.code == "LIMIT_EXCEEDED"
        org.pass_time(86_500)
        version(org)


def test_storage_of_files_has_an_end(tmp_path: Path) -> None:
    with Org(tmp_path, file_storage_mb=1) as org:
        document = version(org, bytes(1_000_000))["ContentDocumentId"]
        body = {"PathOnClient": "x", "VersionData": b64(bytes(100_000))}

        assert org.post("/sobjects/ContentVersion", body).code == "STORAGE_LIMIT_EXCEEDED"
        assert org.get("/limits").json["FileStorageMB"] == {"Max": 1, "Remaining": 1}
        org.delete(f"/sobjects/ContentDocument/{document}")
        assert org.post("/sobjects/ContentVersion", body).status == 201


def test_a_collection_brings_files_by_parts_of_their_names(org: Org) -> None:
    def row(n: int) -> dict[str, Any]:
        named = {"type": "ContentVersion", "binaryPartName": f"b{n}", "binaryPartNameAlias": "VersionData"}
        return {"attributes": named, "PathOnClient": f"{n}.txt"}

    body = {"allOrNone": False, "records": [row(0), row(1)]}
    part = ("collection", "application/json", orjson.dumps(body))
    answer = send(
        org, "/composite/sobjects", part, ("b0", "text/plain", b"zero"), ("b1", "text/plain", b"one")
    )

    ids = [result["id"] for result in answer.json]
    assert [org.get(f"/sobjects/ContentVersion/{id}/VersionData").body for id in ids] == [b"zero", b"one"]


def test_bytes_are_not_read_within_a_composite_request_nor_sent_in_bulk(org: Org) -> None:
    made = version(org)
    url = f"/services/data/v66.0/sobjects/ContentVersion/{made['Id']}/VersionData"
    part = {"method": "GET", "url": url, "referenceId": "r"}
    answer = org.post("/composite", {"compositeRequest": [part]}).json["compositeResponse"][0]
    assert answer["httpStatusCode"] == 400

    job = org.post("/jobs/ingest", {"object": "ContentVersion", "operation": "insert"}).json["id"]
    csv = b"PathOnClient,VersionData\nx,aGk=\n"
    org.send(
        "PUT",
        f"/services/data/v66.0/jobs/ingest/{job}/batches",
        body=csv,
        headers={"content-type": "text/csv"},
    )
    org.patch(f"/jobs/ingest/{job}", {"state": "UploadComplete"})
    org.pass_time(10)
    failed = org.get(f"/jobs/ingest/{job}").json
    assert (failed["state"], failed["errorMessage"]) == (
        "Failed",
        "FeatureNotEnabled : Binary field not supported",
    )


def test_audit_fields_are_taken_on_insert_alone(tmp_path: Path) -> None:
    with Org(tmp_path, permissions=AUDITED) as org:
        made = version(org, CreatedDate="2019-01-02T03:04:05Z", LastModifiedDate="2019-02-02T03:04:05Z")
        path = f"/sobjects/ContentVersion/{made['Id']}"

        assert made["CreatedDate"] == "2019-01-02T03:04:05.000+0000"
        assert made["LastModifiedDate"] == "2019-02-02T03:04:05.000+0000"
        assert org.get(f"/sobjects/ContentDocument/{made['ContentDocumentId']}").json["CreatedDate"] == (
            "2019-01-02T03:04:05.000+0000"
        )
        again = org.patch(path, {"CreatedDate": "2019-01-02T03:04:05Z"})
        assert again.code == "INVALID_FIELD_FOR_INSERT_UPDATE"
        link = {
            "ContentDocumentId": made["ContentDocumentId"],
            "LinkedEntityId": org.create("Account", Name="A"),
        }
        assert org.post(
            "/sobjects/ContentDocumentLink", link | {"SystemModstamp": "2019-01-02T03:04:05Z"}
        ).code == ("INVALID_FIELD_FOR_INSERT_UPDATE")
    with Org(tmp_path / "plain") as org:
        body = {"PathOnClient": "x", "VersionData": b64(HELLO), "CreatedDate": "2019-01-02T03:04:05Z"}
        assert org.post("/sobjects/ContentVersion", body).code == "INVALID_FIELD_FOR_INSERT_UPDATE"


# links


def test_a_document_is_linked_once_to_each_record(org: Org) -> None:
    document = version(org)["ContentDocumentId"]
    account = org.create("Account", Name="Acme")
    link = {
        "ContentDocumentId": document,
        "LinkedEntityId": account,
        "ShareType": "V",
        "Visibility": "InternalUsers",
    }
    made = org.post("/sobjects/ContentDocumentLink", link)

    assert made.status == 201
    assert (account, "V", "InternalUsers") in links(org, document)
    again = org.post("/sobjects/ContentDocumentLink", link)
    assert again.json == [
        {
            "message": f"Document with ID: {document[:15]} is already linked with the entity with ID: "
            f"{account[:15]}",
            "errorCode": "DUPLICATE_VALUE",
            "fields": ["LinkedEntityId"],
        }
    ]
    wrong = org.post("/sobjects/ContentDocumentLink", {**link, "ShareType": "Viewer"})
    assert wrong.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert org.patch(f"/sobjects/ContentDocumentLink/{made.json['id']}", {"ShareType": "C"}).status == 204
    assert org.delete(f"/sobjects/ContentDocumentLink/{made.json['id']}").status == 204
    assert org.post("/sobjects/ContentDocumentLink", link).status == 201


def test_links_have_no_dates_but_a_stamp_and_are_queried_by_one_of_two_ids(org: Org) -> None:
    document = version(org)["ContentDocumentId"]

    assert org.query("SELECT Id FROM ContentDocumentLink").code == "MALFORMED_QUERY"
    assert org.query("SELECT Id FROM ContentDocumentLink WHERE ShareType = 'V'").code == "MALFORMED_QUERY"
    soql = f"SELECT SystemModstamp FROM ContentDocumentLink WHERE ContentDocumentId IN ('{document}')"
    assert len(org.rows(soql)) == 1
    own = org.rows(soql.replace("SystemModstamp", "Id"))[0]["Id"]
    assert org.get(f"/sobjects/ContentDocumentLink/{own}").json["ContentDocumentId"] == document
    nested = org.rows("SELECT (SELECT LinkedEntityId FROM ContentDocumentLinks) FROM ContentDocument")
    assert nested[0]["ContentDocumentLinks"]["totalSize"] == 1
    soql = f"SELECT CreatedDate FROM ContentDocumentLink WHERE ContentDocumentId = '{document}'"
    assert org.query(soql).code == "INVALID_FIELD"


def test_the_owners_link_cannot_be_deleted(org: Org) -> None:
    document = version(org)["ContentDocumentId"]
    soql = f"SELECT Id FROM ContentDocumentLink WHERE ContentDocumentId = '{document}'"
    own = org.rows(soql)[0]["Id"]

    assert org.delete(f"/sobjects/ContentDocumentLink/{own}").code == "FIELD_INTEGRITY_EXCEPTION"


def test_a_documents_deletion_takes_versions_and_links_along_and_undeleting_brings_them_back(
    org: Org,
) -> None:
    account = org.create("Account", Name="Acme")
    made = version(org, FirstPublishLocationId=account)
    document = made["ContentDocumentId"]
    version(org, b"two", ContentDocumentId=document)

    assert org.delete(f"/sobjects/ContentDocument/{document}").status == 204
    assert links(org, document) == []
    assert org.rows("SELECT Id FROM ContentVersion") == []
    assert len(org.rows("SELECT Id FROM ContentVersion WHERE IsDeleted = TRUE", all=True)) == 2
    assert org.get(f"/sobjects/ContentVersion/{made['Id']}/VersionData").status == 404

    org.act(do="undelete", object="ContentDocument", id=document)
    assert len(links(org, document)) == 2
    assert org.get(f"/sobjects/ContentVersion/{made['Id']}/VersionData").body == HELLO


def test_a_records_deletion_takes_the_link_but_leaves_the_document(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    document = version(org, FirstPublishLocationId=account)["ContentDocumentId"]

    org.delete(f"/sobjects/Account/{account}")

    assert links(org, document) == [(ADMIN_USER, "I", "AllUsers")]
    assert org.get(f"/sobjects/ContentDocument/{document}").status == 200


def test_others_files_are_found_by_id_or_with_the_permission_to_query_all_files(org: Org) -> None:
    made = version(org)
    document = made["ContentDocumentId"]

    def found(soql: str) -> int:
        return int(org.query(soql, token=READER_TOKEN).json["totalSize"])

    assert found("SELECT Id FROM ContentVersion") == found("SELECT Id FROM ContentDocument") == 0
    assert found("SELECT COUNT() FROM ContentDocument") == 0
    assert found(f"SELECT Id FROM ContentVersion WHERE ContentDocumentId = '{document}'") == 1
    assert found(f"SELECT Id FROM ContentDocument WHERE Id = '{document}'") == 1
    path = f"/sobjects/ContentVersion/{made['Id']}/VersionData"
    assert org.get(path, token=READER_TOKEN).body == HELLO
    org.vendor.settings["permissions"] = {"*": {"PermissionsQueryAllFiles": True}}
    assert found("SELECT Id FROM ContentVersion") == found("SELECT Id FROM ContentDocument") == 1


# notes


def test_a_note_is_a_document_whose_content_is_html(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    id = org.create("ContentNote", Title="Call", Content=b64(b"<p>Fish &amp; chips</p>\n<b>now</b>"))
    note = org.get(f"/sobjects/ContentNote/{id}").json

    assert id.startswith("069")
    assert (note["FileType"], note["FileExtension"]) == ("SNOTE", "snote")
    assert note["TextPreview"] == "Fish &amp; chipsnow"
    stored = b"<p>Fish &amp; chips</p><b>now</b>"  # line breaks are not kept
    assert org.get(f"/sobjects/ContentNote/{id}/Content").body == stored
    document = org.get(f"/sobjects/ContentDocument/{id}").json
    assert (document["Title"], document["FileType"]) == ("Call", "SNOTE")
    version = org.get(f"/sobjects/ContentVersion/{note['LatestPublishedVersionId']}/VersionData")
    assert version.body == stored
    org.create("ContentDocumentLink", ContentDocumentId=id, LinkedEntityId=account, ShareType="V")
    assert len(links(org, id)) == 2
    assert [row["size"] for row in files(org).values()] == [len(stored), len(stored)]


def test_a_changed_note_has_a_new_version(org: Org) -> None:
    id = org.create("ContentNote", Title="Call", Content=b64(b"one"))

    assert org.patch(f"/sobjects/ContentNote/{id}", {"Content": b64(b"two"), "Title": "Second"}).status == 204

    assert org.get(f"/sobjects/ContentNote/{id}/Content").body == b"two"
    rows = org.rows("SELECT VersionNumber, Title, IsLatest FROM ContentVersion ORDER BY VersionNumber")
    assert rows == [
        {"VersionNumber": "1", "Title": "Call", "IsLatest": False},
        {"VersionNumber": "2", "Title": "Second", "IsLatest": True},
    ]
    assert org.rows("SELECT Title, ContentSize FROM ContentDocument") == [
        {"Title": "Second", "ContentSize": 3}
    ]


@pytest.mark.parametrize("content", [b"Fish & chips", b"1 < 2", b"<script>x</script>"])
def test_a_note_with_unescaped_characters_or_strange_tags_is_refused(org: Org, content: bytes) -> None:
    answer = org.post("/sobjects/ContentNote", {"Title": "x", "Content": b64(content)})

    assert (answer.code, answer.json[0]["fields"]) == ("FIELD_INTEGRITY_EXCEPTION", ["Content"])
    assert org.truth("ContentDocument") == {}


def test_a_note_and_its_document_go_together(org: Org) -> None:
    for object in ("ContentNote", "ContentDocument"):
        id = org.create("ContentNote", Title="Call", Content=b64(b"one"))
        assert org.delete(f"/sobjects/{object}/{id}").status == 204
        assert org.get(f"/sobjects/ContentNote/{id}").code == "ENTITY_IS_DELETED"
        assert org.get(f"/sobjects/ContentDocument/{id}").code == "ENTITY_IS_DELETED"
    assert org.rows("SELECT Id FROM ContentVersion") == []


def test_without_chatter_there_are_no_enhanced_notes(tmp_path: Path) -> None:
    with Org(tmp_path, chatter=False) as org:
        assert org.query("SELECT Id FROM ContentNote").code == "INVALID_TYPE"
        assert "ContentNote" not in {item["name"] for item in org.get("/sobjects").json["sobjects"]}
        assert org.get("/sobjects/ContentNote/describe").status == 404


def test_a_classic_note_hangs_on_its_parent(org: Org) -> None:
    account = org.create("Account", Name="Acme")
    id = org.create("Note", ParentId=account, Title="T", Body="B" * 32_000)

    assert org.post("/sobjects/Note", {"ParentId": account, "Title": "T" * 81}).code == "STRING_TOO_LONG"
    assert org.post("/sobjects/Note", {"ParentId": account, "Title": "T", "Body": "B" * 32_001}).code == (
        "STRING_TOO_LONG"
    )
    org.delete(f"/sobjects/Account/{account}")
    assert org.get(f"/sobjects/Note/{id}").code == "ENTITY_IS_DELETED"


# seeds


def test_a_seed_holds_files_as_base64_or_makes_their_bytes_up(org: Org) -> None:
    document = "0695g00000AAAAAAA4"
    org.seed(
        {
            "records": {
                "Account": [{"Id": "0015g00000AAAAAAA4", "Name": "Acme"}],
                "Attachment": [{"ParentId": "0015g00000AAAAAAA4", "Name": "a", "Body": b64(HELLO)}],
                "ContentVersion": [
                    {
                        "PathOnClient": "big.bin",
                        "VersionData": {"size": 3_000_000, "seed": 7},
                        "Title": "Big",
                    },
                    {"PathOnClient": "1.txt", "VersionData": b64(b"1"), "ContentDocumentId": document},
                    {"PathOnClient": "2.txt", "VersionData": b64(b"22"), "ContentDocumentId": document},
                ],
                "ContentNote": [
                    {"Title": "N", "Content": b64(b"note"), "CreatedDate": "2020-01-01T00:00:00Z"}
                ],
            }
        }
    )

    assert org.rows("SELECT BodyLength FROM Attachment") == [{"BodyLength": 13}]
    rows = {
        row["Title"]: row
        for row in org.rows("SELECT Id, Title, ContentSize, Checksum, IsLatest FROM ContentVersion")
    }
    expected = md5(b"".join(generated(3_000_000, 7)))
    assert (rows["Big"]["ContentSize"], rows["Big"]["Checksum"]) == (3_000_000, expected)
    assert (rows["1"]["IsLatest"], rows["2"]["IsLatest"]) == (False, True)
    latest = org.get(f"/sobjects/ContentDocument/{document}").json
    assert (latest["LatestPublishedVersionId"], latest["ContentSize"]) == (rows["2"]["Id"], 2)
    assert links(org, document) == [(ADMIN_USER, "I", "AllUsers")]
    note = org.rows("SELECT Id, CreatedDate FROM ContentNote")[0]
    assert note["CreatedDate"] == "2020-01-01T00:00:00.000+0000"
    assert org.get(f"/sobjects/ContentNote/{note['Id']}/Content").body == b"note"
    with pytest.raises(ValueError, match="made-up file"):
        org.seed({"records": {"Attachment": [{"Body": {"size": -1, "seed": 1}}]}})


# the line, faults, saving


def test_large_files_stream_over_the_line_survive_faults_and_come_back_with_a_saved_store(
    tmp_path: Path,
) -> None:
    data = b"".join(generated(12_000_000, 1))
    body, headers = multipart(
        entity("entity_content", PathOnClient="big.bin"), ("VersionData", "application/octet-stream", data)
    )
    headers["authorization"] = f"Bearer {ADMIN_TOKEN}"
    with (
        launch("salesforce", tmp_path / "data") as running,
        httpx2.Client(
            base_url=running.url + "/services/data/v66.0/sobjects",
            headers=headers,
            trust_env=False,
            timeout=60,
        ) as client,
    ):
        running.control.post(
            "/faults",
            [
                {"on": {"method": "POST", "body": "big.bin"}, "do": {"kind": "drop", "at": "after_commit"}},
                {"on": {"path": "/VersionData$"}, "do": {"kind": "drop", "at": "half_reply"}},
                {"on": {"path": "/VersionData$", "nth": 2}, "do": {"kind": "status", "status": 503}},
            ],
        )
        with pytest.raises(httpx2.HTTPError):
            client.post("/ContentVersion", content=body)
        [truth] = running.control.ndjson("/truth/files")
        assert (truth["size"], truth["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())

        path = f"/ContentVersion/{truth['id']}/VersionData"
        received = 0
        with pytest.raises(httpx2.HTTPError), client.stream("GET", path) as reply:
            for piece in reply.iter_bytes():
                received += len(piece)
        assert 0 < received <= len(data) // 2
        assert client.get(path).status_code == 503
        assert client.get(path).content == data

        running.control.post("/save", {"to": str(tmp_path / "saved" / "store.db")})
        client.delete(f"/ContentDocument/{running.control.ndjson('/truth/ContentDocument')[0]['Id']}")
    with (
        launch("salesforce", tmp_path / "other") as running,
        httpx2.Client(base_url=running.url, headers=headers, trust_env=False, timeout=60) as client,
    ):
        running.control.post("/restore", {"from": str(tmp_path / "saved" / "store.db")})
        assert client.get("/services/data/v66.0/sobjects" + path).content == data
        assert [row["deleted"] for row in running.control.ndjson("/truth/files")] == [False]


def test_what_a_transaction_undoes_is_no_file_of_the_org(org: Org) -> None:
    body = {
        "allOrNone": True,
        "records": [
            {"attributes": {"type": "ContentVersion"}, "PathOnClient": "x", "VersionData": b64(HELLO)},
            {"attributes": {"type": "ContentVersion"}, "PathOnClient": "x"},
        ],
    }
    assert [result["success"] for result in org.post("/composite/sobjects", body).json] == [False, False]

    assert files(org) == org.truth("ContentDocument") == org.truth("ContentDocumentLink") == {}


def test_bytes_that_no_record_names_are_swept_at_the_next_start(tmp_path: Path) -> None:
    def lying() -> int:
        return sum(path.is_file() for path in (tmp_path / "files").glob("??/*"))

    rows = [{"VersionData": b64(b"undone"), "PathOnClient": "x"}, {"PathOnClient": "x"}]
    with Org(tmp_path) as org:
        made = version(org)
        records = [{"attributes": {"type": "ContentVersion"}, **row} for row in rows]
        org.post("/composite/sobjects", {"allOrNone": True, "records": records})
        assert lying() == 2
    with Org(tmp_path) as org:
        assert lying() == 1
        assert org.get(f"/sobjects/ContentVersion/{made['Id']}/VersionData").body == HELLO


def test_the_truth_of_an_object_without_records_is_empty_and_its_bytes_are_told(org: Org) -> None:
    with org.store.begin() as tx:
        known = org.vendor.objects(tx)

    assert {"Attachment", "ContentVersion", "EmailMessage", "OpportunityHistory", "files"} <= set(known)
    assert org.truth("Attachment") == files(org) == {}
