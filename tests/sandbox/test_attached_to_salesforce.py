"""Files that hang on HubSpot's records through notes hang on Salesforce's by links of their documents."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.sandbox.files_rig import Files, bytes_of, in_process, sha, two_sandboxes

PLAN = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: org, type: salesforce, credentials: "env:ORG_", clock: sandbox, longest_call: 5, settle: 1}
objects:
  - source: companies
    target: Account
    key: {field: Migration_Key__c}
    fields: {Name: name}
  - source: contacts
    target: Contact
    key: {field: Migration_Key__c}
    fields: {LastName: lastname}
  - source: files
    target: ContentVersion
    key: {field: Migration_Key__c}
    insert_only: [PathOnClient, VersionData]
    fields: {Title: "left(name, 255)", PathOnClient: name, VersionData: content}
  - source: attachments
    target: ContentDocumentLink
    where: record_object IN ('companies', 'contacts')
    dedupe: {on: ["file || '-' || record"], keep: oldest, losers: merge}
    insert_only: [ContentDocumentId, LinkedEntityId]
    fields:
      ContentDocumentId: {from: file, reference: files, id: ContentDocumentId}
      LinkedEntityId: {from: record, reference: [companies, contacts]}
      ShareType: "'V'"
      Visibility: "'AllUsers'"
"""
FILES = [171_000_001_003 + 7 * n for n in range(3)]
COMPANY, OTHER, PERSON = "9001", "9002", "9003"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("attached-back")
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, {}))
        hubspot.control.post(
            "/seed",
            {
                "files": [
                    {"id": str(id), "name": f"{n}.txt", "folderPath": "/x", "access": "HIDDEN_PRIVATE",
                     "base64": base64.b64encode(bytes_of(100 + n, n)).decode()}
                    for n, id in enumerate(FILES)
                ],
                "records": {
                    "companies": [
                        {"id": COMPANY, "properties": {"name": "Firm"}},
                        {"id": OTHER, "properties": {"name": "Other"}},
                    ],
                    "contacts": [{"id": PERSON, "properties": {"lastname": "Doe", "email": "doe@a.test"}}],
                    "notes": [
                        {"id": "9101", "properties": {"hs_timestamp": "2024-01-01", "hs_note_body": "two",
                         "hs_attachment_ids": f"{FILES[0]};{FILES[1]}"}},
                        {"id": "9102", "properties": {"hs_timestamp": "2024-01-02", "hs_note_body": "again",
                         "hs_attachment_ids": str(FILES[0])}},
                        {"id": "9103", "properties": {"hs_timestamp": "2024-01-03", "hs_note_body": "none",
                         "hs_attachment_ids": str(FILES[2])}},
                    ],
                },
            },
        )  # fmt: skip
        for note, object, record in (
            ("9101", "companies", COMPANY), ("9101", "contacts", PERSON),
            ("9102", "companies", COMPANY), ("9102", "companies", OTHER),
        ):  # fmt: skip
            hubspot.control.post(
                "/act", {"do": "link", "object": "notes", "id": note, "to_object": object, "to": record}
            )
        stack.enter_context(
            in_process(
                {
                    "OLD_TOKEN": "pat-na1-sandbox",
                    "OLD_BASE_URL": hubspot.url,
                    "ORG_INSTANCE_URL": salesforce.url,
                    "ORG_CLIENT_ID": "app",
                    "ORG_CLIENT_SECRET": "secret",
                }
            )
        )
        made = Files(base / "work", salesforce, hubspot)
        made.plan("", PLAN)
        yield made


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    """Moved once: the first test that asks for it pays for the line."""
    return started.moved(capsys)


def hanging(files: Files) -> list[tuple[str, str]]:
    """(record's name, file's SHA-256) of every live link but the owners' own, by the org's own store."""
    control = files.salesforce.control
    names = {row["Id"]: row["Name"] for row in control.ndjson("/truth/Account")}
    names |= {row["Id"]: row["LastName"] for row in control.ndjson("/truth/Contact")}
    contents = {row["id"]: row["sha256"] for row in control.ndjson("/truth/files")}
    documents = {
        row["ContentDocumentId"]: contents[row["Id"]]
        for row in control.ndjson("/truth/ContentVersion")
        if not row["IsDeleted"]
    }
    return sorted(
        (names[row["LinkedEntityId"]], documents[row["ContentDocumentId"]])
        for row in control.ndjson("/truth/ContentDocumentLink")
        if not row["IsDeleted"] and row["LinkedEntityId"] in names
    )


WANTED = sorted(
    [
        ("Firm", sha(bytes_of(100, 0))),
        ("Firm", sha(bytes_of(101, 1))),
        ("Doe", sha(bytes_of(100, 0))),
        ("Doe", sha(bytes_of(101, 1))),
        ("Other", sha(bytes_of(100, 0))),
    ]
)


def test_each_file_hangs_once_on_every_record_that_a_note_brought_it_to(moved: Files) -> None:
    assert hanging(moved) == WANTED
    assert moved.said["load"][1]["objects"]["attachments"]["create"] == 5


@pytest.mark.long
def test_another_load_makes_no_second_link_and_validation_is_content(moved: Files) -> None:
    found = moved.must("transform", "load", "validate")

    assert hanging(moved) == WANTED
    failed = [each for each in found["validate"]["results"] if each["verdict"] in ("fail", "error")]
    assert failed == []


@pytest.mark.long
def test_a_rollback_takes_links_and_documents_away(moved: Files) -> None:
    moved.must("rollback plan", "rollback run --yes")
    code, verified = moved.run("rollback verify")

    assert code in (0, 1), verified
    assert hanging(moved) == []


@pytest.mark.long
@pytest.mark.parametrize("at", ["before_commit", "after_commit"])
def test_links_whose_answer_is_lost_are_made_once(moved: Files, at: str) -> None:
    links = {"method": "POST", "path": r"/composite/sobjects", "body": "ContentDocumentLink", "nth": 2}
    moved.salesforce.control.post("/faults", [{"on": links, "do": {"kind": "drop", "at": at}}])
    moved.must("load")
    moved.salesforce.control.delete("/faults")

    assert hanging(moved) == WANTED
    moved.must("rollback plan", "rollback run --yes")
    assert hanging(moved) == []


@pytest.mark.long
def test_a_delta_hangs_a_file_where_a_new_note_has_brought_it(moved: Files) -> None:
    moved.must("load")
    moved.hubspot.control.post(
        "/act",
        {"do": "create", "object": "notes", "on": {"object": "companies", "id": OTHER},
         "fields": {"hs_note_body": "late", "hs_attachment_ids": str(FILES[2])}},
    )  # fmt: skip
    found = moved.must("extract --since-watermark", "transform", "load")

    late = ("Other", sha(bytes_of(102, 2)))
    assert hanging(moved) == sorted([*WANTED, late])
    assert found["load"]["objects"]["attachments"]["create"] == 1
    moved.must("extract --since-watermark", "transform", "load")
    assert hanging(moved) == sorted([*WANTED, late])
