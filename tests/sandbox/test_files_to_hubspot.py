"""Files of Salesforce in HubSpot: every one once, whole, private, under its own name, and back out again."""

from __future__ import annotations

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

NAMES = [
    "plain.txt",
    "Angebot 1/2 \\ final.pdf",
    "שלום 😀.docx",
    "x" * 240 + ".tar.gz",
    "no ending",
    "same.txt",
    "same.txt",
    "empty.bin",
    "big.bin",
]
SIZES = [1, 20, 300, 4_000, 50_000, 7, 7, 0, 3_000_000]
SEEDS = [1, 2, 3, 4, 5, 6, 6, 8, 9]
ENTRY = """\
  - source: Attachment
    part: file
    target: files
    insert_only: [content]
    fields:
      name: Name
      content: Body
"""


def records() -> dict[str, Any]:
    return {
        "Account": [{"Id": ACCOUNT, "Name": "Firm"}],
        "Attachment": [
            {
                "Id": attachment(n),
                "ParentId": ACCOUNT,
                "Name": name,
                "Body": {"size": SIZES[n], "seed": SEEDS[n]},
            }
            for n, name in enumerate(NAMES)
        ],
    }


def attachment(number: int) -> str:
    return mint("00P", 1000 + number)


def key(number: int) -> str:
    return f"{FAMILY}.Attachment.{attachment(number)}~file"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("files")
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, records()))
        stack.enter_context(in_process(credentials(salesforce, hubspot)))
        made = Files(base / "work", salesforce, hubspot)
        made.plan(ENTRY)
        yield made


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    """The company, moved once: the first test that asks for it pays for the line."""
    return started.moved(capsys)


def test_every_file_is_there_once_and_is_what_it_was(moved: Files) -> None:
    there = moved.by_key()

    assert set(there) == {key(n) for n in range(len(NAMES))}
    for n, (size, seed) in enumerate(zip(SIZES, SEEDS, strict=True)):
        assert there[key(n)]["sha256"] == sha(bytes_of(size, seed)), NAMES[n]
        assert there[key(n)]["access"] == "PRIVATE"
    assert moved.said["load"][1]["objects"]["Attachment~file"]["create"] == len(NAMES)


def test_names_are_kept_but_for_what_no_name_may_have(moved: Files) -> None:
    there = moved.by_key()
    names = [there[key(n)]["name"] for n in range(len(NAMES))]

    assert names[0] == "plain.txt"
    assert names[1] == "Angebot 1_2 _ final.pdf"
    assert names[2] == NAMES[2]
    assert names[3] == NAMES[3]
    assert names[4] == "no ending"
    assert names[5] == names[6] == "same.txt"


def test_another_load_sends_nothing(moved: Files) -> None:
    before = len(moved.hubspot.control.ndjson("/log?after=0"))
    moved.must("transform", "load")
    assert len(moved.hubspot.control.ndjson("/log?after=0")) == before


def test_validation_compares_every_file_with_what_the_target_tells_of_it(moved: Files) -> None:
    code, found = moved.run("validate")
    assert code in (0, 1), found
    verdicts = {each["id"]: each["verdict"] for each in found["results"]}
    assert verdicts["rows.Attachment~file"] == "pass", found
    assert verdicts["counts.Attachment~file"] == "pass", found
    files = next(each for each in found["results"] if each["id"] == "files.Attachment~file")
    assert (files["verdict"], files["compared"]) == ("pass", len(NAMES)), files
    assert files["figures"]["bytes"] == sum(SIZES)
    assert files["figures"]["contents"] == len(set(SEEDS))
    assert files["figures"]["names made to fit"] == 1


def test_a_rollback_takes_our_files_away_and_nobody_elses(moved: Files) -> None:
    theirs = moved.hubspot.control.post(
        "/act", {"do": "create", "object": "files", "fields": {"name": "theirs.txt", "text": "x"}}
    )
    assert len(moved.there()) == len(NAMES) + 1

    moved.must("rollback plan", "rollback run --yes")
    code, found = moved.run("rollback verify")

    assert code in (0, 1), found
    assert [row["id"] for row in moved.there()] == [theirs["id"]]
    folders = [row["path"] for row in moved.hubspot.control.ndjson("/truth/folders") if not row["archivedAt"]]
    assert folders == ["/migrated", "/migrated/Attachment"]


def test_after_a_rollback_everything_can_be_loaded_again(moved: Files) -> None:
    moved.must("load")
    theirs = {key for key in moved.by_key() if not key.startswith(FAMILY)}
    assert moved.by_key().keys() - theirs == {key(n) for n in range(len(NAMES))}


def test_other_bytes_and_a_file_that_is_gone_turn_the_check_of_files_red(moved: Files) -> None:
    there = moved.by_key()
    changed, gone = there[key(2)]["id"], there[key(3)]["id"]
    moved.hubspot.control.post(
        "/act", {"do": "update", "object": "files", "id": changed, "fields": {"text": "other"}}
    )
    moved.hubspot.control.post("/act", {"do": "delete", "object": "files", "id": gone})

    code, found = moved.run("validate")

    result = next(each for each in found["results"] if each["id"] == "files.Attachment~file")
    assert code == 1
    assert result["verdict"] == "fail", result
    assert {row["key"]: row["what"] for row in result["sample"]} == {
        key(2): "other bytes", key(3): "not given by the target",
    }  # fmt: skip


def test_a_rollback_holds_the_file_that_somebody_changed(moved: Files) -> None:
    moved.must("rollback plan", "rollback run --yes")

    assert set(moved.by_key()) & {key(n) for n in range(len(NAMES))} == {key(2)}
    code, found = moved.run("rollback verify")
    assert code in (0, 1), found
    assert found["held"] == 1, found
