"""Files of HubSpot in Salesforce: every one a version with its document, once, whole, and back out again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.sandbox.files_rig import Files, bytes_of, in_process, sha, two_sandboxes

PLAN = """\
version: 1
source: {system: old, type: hubspot, credentials: "env:OLD_", clock: sandbox}
target: {system: org, type: salesforce, credentials: "env:ORG_", clock: sandbox, longest_call: 5, settle: 1}
objects:
  - source: files
    target: ContentVersion
    key: {field: Migration_Key__c}
    insert_only: [PathOnClient, VersionData]
    fields:
      Title: left(name, 255)
      PathOnClient: name
      VersionData: content
"""
NAMES = ["plain.txt", "שלום 😀.docx", "no ending", "big.bin", "x" * 200 + ".pdf", "hidden.txt"]
SIZES = [1, 300, 4_000, 3_000_000, 7, 70]
IDS = [171_000_001_003 + 7 * n for n in range(len(NAMES))]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("back")
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, {}))
        files = [
            {"id": str(IDS[n]), "name": name, "folderPath": "/library",
             "access": "HIDDEN_PRIVATE" if name == "hidden.txt" else "PRIVATE",
             "base64": base64.b64encode(bytes_of(SIZES[n], n)).decode()}
            for n, name in enumerate(NAMES)
        ]  # fmt: skip
        note = {
            "hs_timestamp": "2024-01-01T00:00:00Z",
            "hs_note_body": "see",
            "hs_attachment_ids": f"{IDS[5]};{IDS[0]}",
        }
        hubspot.control.post("/seed", {"files": files, "records": {"notes": [{"properties": note}]}})
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


def versions(files: Files) -> dict[str, dict[str, Any]]:
    """Live versions of the org's own store, by migration key, with their bytes' SHA-256."""
    contents = {
        row["id"]: row["sha256"]
        for row in files.salesforce.control.ndjson("/truth/files")
        if row["object"] == "ContentVersion" and not row["deleted"]
    }
    rows = [row for row in files.salesforce.control.ndjson("/truth/ContentVersion") if row["Id"] in contents]
    keyed = {row["Migration_Key__c"]: row | {"sha256": contents[row["Id"]]} for row in rows}
    assert len(keyed) == len(rows)  # no twins
    return keyed


def key(number: int) -> str:
    return f"hs4471203.files.{IDS[number]}"


def test_every_file_is_a_version_once_and_is_what_it_was_hidden_ones_too(moved: Files) -> None:
    there = versions(moved)

    assert set(there) == {key(n) for n in range(len(NAMES))}
    for n, name in enumerate(NAMES):
        row = there[key(n)]
        assert row["sha256"] == sha(bytes_of(SIZES[n], n)), name
        assert (row["PathOnClient"], row["Title"]) == (name, name)
        assert row["ContentSize"] == SIZES[n]


def test_another_load_sends_nothing_and_validation_downloads_them_all(moved: Files) -> None:
    before = len(moved.salesforce.control.ndjson("/log?after=0"))
    found = moved.must("transform", "load", "validate")

    assert len(moved.salesforce.control.ndjson("/log?after=0")) == before
    verdicts = {each["id"]: each["verdict"] for each in found["validate"]["results"]}
    assert verdicts["files.files"] == verdicts["rows.files"] == verdicts["counts.files"] == "pass", found[
        "validate"
    ]


def test_a_rollback_takes_document_and_version_away(moved: Files) -> None:
    moved.must("rollback plan", "rollback run --yes")
    code, verified = moved.run("rollback verify")

    assert code in (0, 1), verified
    assert versions(moved) == {}
    documents = moved.salesforce.control.ndjson("/truth/ContentDocument")
    assert all(row["IsDeleted"] for row in documents)


@pytest.mark.long
@pytest.mark.parametrize("at", ["arrival", "before_commit", "after_commit", "half_reply"])
def test_an_upload_whose_answer_is_lost_makes_the_version_once(moved: Files, at: str) -> None:
    moved.fault(
        moved.salesforce, r"/sobjects/ContentVersion$", {"kind": "drop", "at": at}, method="POST", nth=3
    )
    moved.must("load")
    moved.salesforce.control.delete("/faults")

    assert set(versions(moved)) == {key(n) for n in range(len(NAMES))}
    moved.must("rollback plan", "rollback run --yes")
    assert versions(moved) == {}


@pytest.mark.long
def test_f05_an_org_whose_storage_is_full_parks_the_load_and_makes_no_dead_letters(moved: Files) -> None:
    if versions(moved):
        moved.must("rollback plan", "rollback run --yes")
    moved.salesforce.control.post("/settings", {"file_storage_mb": 1})
    code, found = moved.run("load")
    assert (code, found["error"]) == (3, "Parked"), found
    assert "storage is full" in found["message"]
    moved.salesforce.control.post("/settings", {"file_storage_mb": None})

    code, found = moved.run("load")

    assert (code, found["refused"]) == (0, 0), found
    assert set(versions(moved)) == {key(n) for n in range(len(NAMES))}
    moved.must("rollback plan", "rollback run --yes")


@pytest.mark.long
def test_a_version_that_somebody_added_keeps_its_document(moved: Files) -> None:
    moved.must("load")
    ours = versions(moved)[key(1)]
    moved.salesforce.control.post(
        "/act",
        {"as": "admin@sandbox.example", "do": "create", "object": "ContentVersion",
         "fields": {"PathOnClient": "theirs.txt", "ContentDocumentId": ours["ContentDocumentId"],
                    "VersionData": base64.b64encode(b"theirs").decode()}},
    )  # fmt: skip
    moved.run("rollback plan")
    moved.run("rollback run --yes")

    left = [row for row in moved.salesforce.control.ndjson("/truth/files")
            if row["object"] == "ContentVersion" and not row["deleted"]]  # fmt: skip
    assert sorted(row["sha256"] for row in left) == sorted([sha(bytes_of(SIZES[1], 1)), sha(b"theirs")])
