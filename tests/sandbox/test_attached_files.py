"""`files: {attachments: true}`: what hangs on records in Salesforce then hangs on them in HubSpot."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import mint
from tests.sandbox.files_rig import (
    ACCOUNT,
    FAMILY,
    Files,
    bytes_of,
    credentials,
    in_process,
    sha,
    two_sandboxes,
)

pytestmark = pytest.mark.long

OTHER, CONTACT, LEAD = mint("001", 900), mint("003", 900), mint("00Q", 900)
PLAN = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: Account
    target: companies
    fields: {name: Name}
    files: {attachments: true, max_bytes: 1MB, oversize: link, archive: "https://archive.test/{sha256}/{name}"}
  - source: Contact
    target: contacts
    fields: {email: Email, lastname: LastName}
    files: {attachments: true}
"""


def document(number: int) -> str:
    return mint("069", 100 + number)


def version(number: int) -> str:
    return mint("068", 100 + number)


def records() -> dict[str, Any]:
    def attachment(number: int, parent: str, size: int = 500) -> dict[str, Any]:
        return {"Id": mint("00P", number), "ParentId": parent, "Name": f"a <{number}>.txt",
                "Body": {"size": size, "seed": number}, "CreatedDate": "2020-03-01T10:00:00Z"}  # fmt: skip

    return {
        "Account": [{"Id": ACCOUNT, "Name": "Firm"}, {"Id": OTHER, "Name": "Other"}],
        "Contact": [{"Id": CONTACT, "LastName": "Doe", "Email": "doe@example.test", "AccountId": ACCOUNT}],
        "Lead": [{"Id": LEAD, "LastName": "Lead", "Company": "None"}],
        "Attachment": [
            attachment(1, ACCOUNT), attachment(2, CONTACT), attachment(3, LEAD),
            attachment(4, ACCOUNT, 2_000_000),
        ],
        "ContentVersion": [
            {"Id": version(1), "ContentDocumentId": document(1), "PathOnClient": "C:\\old\\one.pdf",
             "Title": "One & only", "VersionData": {"size": 10, "seed": 21},
             "FirstPublishLocationId": ACCOUNT},
            {"Id": version(2), "ContentDocumentId": document(1), "PathOnClient": "one.pdf",
             "Title": "One & only",
             "VersionData": {"size": 700, "seed": 22}},
            {"Id": version(3), "ContentDocumentId": document(2), "PathOnClient": "private.pdf",
             "Title": "Nobody's", "VersionData": {"size": 800, "seed": 23}},
        ],
        "ContentDocumentLink": [
            {"ContentDocumentId": document(1), "LinkedEntityId": OTHER, "ShareType": "V"},
            {"ContentDocumentId": document(1), "LinkedEntityId": CONTACT, "ShareType": "V"},
            {"ContentDocumentId": document(1), "LinkedEntityId": LEAD, "ShareType": "V"},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("attached")
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, records()))
        stack.enter_context(in_process(credentials(salesforce, hubspot)))
        made = Files(base / "work", salesforce, hubspot)
        made.plan("", PLAN)
        yield made


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    """Moved once: the first test that asks for it pays for the line."""
    return started.moved(capsys)


def notes(files: Files) -> dict[str, dict[str, Any]]:
    rows = files.hubspot.control.ndjson("/truth/notes")
    live = [row for row in rows if not (row["archived"] or row["purged"])]
    return {row["properties"]["migration_key"]: row for row in live}


def ids_of(files: Files, object: str) -> dict[str, str]:
    """Name or last name of HubSpot's records, by id."""
    rows = files.hubspot.control.ndjson(f"/truth/{object}")
    return {str(r["id"]): r["properties"].get("name") or r["properties"].get("lastname") for r in rows}


def linked(files: Files, note: str) -> set[str]:
    """Names of the records that a note is linked to."""
    named = ids_of(files, "companies") | ids_of(files, "contacts")
    return {
        named[str(row["to"])]
        for row in files.hubspot.control.ndjson("/truth/links")
        if str(row["from"]) == note and str(row["to"]) in named
    }


def attachment_key(number: int, part: str) -> str:
    return f"{FAMILY}.Attachment.{mint('00P', number)}~{part}"


def test_files_of_the_records_that_asked_are_there_and_no_others(moved: Files) -> None:
    there = moved.by_key()

    assert set(there) == {
        attachment_key(1, "file"),
        attachment_key(2, "file"),
        f"{FAMILY}.ContentVersion.{version(2)}~file",
    }
    latest = there[f"{FAMILY}.ContentVersion.{version(2)}~file"]
    assert (latest["sha256"], latest["name"]) == (sha(bytes_of(700, 22)), "one.pdf")
    assert {row["access"] for row in there.values()} == {"PRIVATE"}


def test_a_note_brings_each_file_to_every_record_that_had_it(moved: Files) -> None:
    there, made = moved.by_key(), notes(moved)

    assert set(made) == {
        attachment_key(1, "note"), attachment_key(2, "note"), attachment_key(4, "note"),
        f"{FAMILY}.ContentDocument.{document(1)}~note",
    }  # fmt: skip
    first = made[attachment_key(1, "note")]
    assert first["properties"]["hs_attachment_ids"] == there[attachment_key(1, "file")]["id"]
    assert first["properties"]["hs_note_body"] == "a &lt;1&gt;.txt"
    assert first["properties"]["hs_timestamp"].startswith("2020-03-01T10:00:00")
    assert linked(moved, str(first["id"])) == {"Firm"}
    assert linked(moved, str(made[attachment_key(2, "note")]["id"])) == {"Doe"}
    of_document = made[f"{FAMILY}.ContentDocument.{document(1)}~note"]
    assert of_document["properties"]["hs_note_body"] == "One &amp; only"
    assert linked(moved, str(of_document["id"])) == {"Firm", "Other", "Doe"}


def test_a_file_that_is_too_large_is_linked_to_the_archive_and_counted(moved: Files) -> None:
    body = notes(moved)[attachment_key(4, "note")]["properties"]["hs_note_body"]
    url = f"https://archive.test/{sha(bytes_of(2_000_000, 4))}/a%20&lt;4&gt;.txt"

    assert "2000000 bytes, not moved" in body
    assert url in body
    assert moved.said["transform"][1]["objects"]["Attachment~file"]["skipped"] == 2  # and that of the lead
    name = sha(bytes_of(2_000_000, 4))
    assert (moved.root / ".migrate/blobs" / name[:2] / name[2:]).stat().st_size == 2_000_000


def test_all_of_it_validates_and_goes_back(moved: Files) -> None:
    code, found = moved.run("validate")
    failed = [each["id"] for each in found["results"] if each["verdict"] in ("fail", "error")]
    assert (code in (0, 1), failed) == (True, []), found

    moved.must("rollback plan", "rollback run --yes")
    code, verified = moved.run("rollback verify")
    assert code in (0, 1), verified
    assert moved.there() == []
    assert notes(moved) == {}


def test_a_delta_brings_new_files_new_versions_and_where_they_hang_now(moved: Files) -> None:
    """A person attaches a file, files a new version of a document, and puts it on one record more."""
    moved.must("load")

    def act(object: str, **fields: Any) -> str:
        told = moved.salesforce.control.post(
            "/act", {"as": "admin@sandbox.example", "do": "create", "object": object, "fields": fields}
        )
        return str(told["id"])

    fresh = bytes_of(300, 77)
    attached = act("Attachment", ParentId=CONTACT, Name="late.txt", Body=base64.b64encode(fresh).decode())
    newest = act(
        "ContentVersion", ContentDocumentId=document(1), PathOnClient="one.pdf", Title="One & only",
        VersionData=base64.b64encode(bytes_of(900, 78)).decode(),
    )  # fmt: skip
    other = act(
        "ContentVersion", PathOnClient="two.pdf", Title="Two", FirstPublishLocationId=OTHER,
        VersionData=base64.b64encode(bytes_of(400, 79)).decode(),
    )  # fmt: skip

    moved.must("extract --since-watermark", "transform", "load")

    there, made = moved.by_key(), notes(moved)
    late = f"{FAMILY}.Attachment.{attached}"
    assert there[f"{late}~file"]["sha256"] == sha(fresh)
    assert made[f"{late}~note"]["properties"]["hs_attachment_ids"] == there[f"{late}~file"]["id"]
    assert linked(moved, str(made[f"{late}~note"]["id"])) == {"Doe"}
    file = there[f"{FAMILY}.ContentVersion.{newest}~file"]
    assert file["sha256"] == sha(bytes_of(900, 78))
    of_document = made[f"{FAMILY}.ContentDocument.{document(1)}~note"]
    assert of_document["properties"]["hs_attachment_ids"] == file["id"]
    assert there[f"{FAMILY}.ContentVersion.{other}~file"]["sha256"] == sha(bytes_of(400, 79))
    [two] = [each for each in made.values() if each["properties"]["hs_note_body"] == "Two"]
    assert linked(moved, str(two["id"])) == {"Other"}
    _, found = moved.run("validate")
    checks = {each["id"]: each for each in found["results"]}
    assert [id for id, each in checks.items() if each["verdict"] in ("fail", "error")] == []
    versions = checks["counts.ContentVersion~file"]
    assert versions["figures"]["replaced since they were loaded"] == 1
    assert "1 file got a newer version" in versions["summary"]
    again = moved.must("extract --since-watermark", "transform", "load")["load"]
    assert not any(tally for tally in again["objects"].values())


def test_an_edit_of_what_the_files_stand_for_is_told_before_a_load(moved: Files) -> None:
    moved.plan("", PLAN.replace("max_bytes: 1MB", "max_bytes: 2MB"))
    code, found = moved.run("load")

    assert code == 2
    assert "edited since the last transform" in found["message"]


def test_an_entry_on_whose_records_no_file_can_hang_is_told_where_it_asked(moved: Files) -> None:
    moved.must("discover")
    mail = "  - {source: EmailMessage, target: emails, fields: {hs_email_subject: Subject}, "
    mail += "files: {attachments: true}}"
    moved.plan("", PLAN + mail + "\n")
    code, found = moved.run("check")
    moved.plan("", PLAN)

    assert code == 2
    [mistake] = [each for each in found["facts"]["mistakes"] if "files" in each["what"].lower()]
    assert mistake["at"]["line"] == len(PLAN.splitlines()) + 1
    assert mistake["what"] == (
        "Files of `EmailMessage` can't hang on its records: the target links no `notes` to `emails`."
    )
    assert "hs_attachment_ids: {gather: " in mistake["remedy"]
    assert not any("links from `notes`" in each["what"] for each in found["facts"]["mistakes"])
