"""What goes wrong with files, and what holds: none lost, none twice, none changed, none in silence.

Numbers in names are those of the list of faults (F01 to F13, and those of writes that concern uploads).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from migrate.blobs import StoredBlobs
from migrate.sandbox.salesforce.ids import mint
from tests.sandbox.files_rig import (
    ACCOUNT,
    FAMILY,
    LINE,
    PLAN,
    Files,
    bytes_of,
    credentials,
    sha,
    two_sandboxes,
)

ENTRY = """\
  - source: Attachment
    part: file
    target: files
    insert_only: [content]
    fields: {name: Name, content: Body}
"""
COUNT, SIZE = 12, 4_000


def attachment(number: int) -> str:
    return mint("00P", 1000 + number)


def key(number: int) -> str:
    return f"{FAMILY}.Attachment.{attachment(number)}~file"


def seeded(sizes: list[int], seeds: list[int] | None = None) -> dict[str, Any]:
    seeds = seeds or list(range(len(sizes)))
    return {
        "Account": [{"Id": ACCOUNT, "Name": "Firm"}],
        "Attachment": [
            {"Id": attachment(n), "ParentId": ACCOUNT, "Name": f"{n}.bin",
             "Body": {"size": size, "seed": seeds[n]}}
            for n, size in enumerate(sizes)
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """Both sandboxes, a plan, and copies of their stores to begin each test from."""
    base, before = tmp_path_factory.mktemp("faults"), signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, seeded([SIZE] * COUNT)))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        for each in (salesforce, hubspot):
            each.control.post("/save", {"to": str(each.data / "fresh.db")})
        yield Files(base / "work", salesforce, hubspot)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def files(running: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Files]:
    """A fresh workspace between fresh systems."""
    fresh = Files(tmp_path / "work", running.salesforce, running.hubspot, capsys)
    fresh.plan(ENTRY)
    yield fresh
    _afresh(running)


@pytest.fixture
def staged(running: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Files]:
    """A workspace that is ready to be loaded: staged once, copied for each test."""
    running.capsys = capsys
    if not running.root.exists():
        running.plan(ENTRY)
        running.must(*LINE[:-1])
        running.hubspot.control.post("/save", {"to": str(running.hubspot.data / "prepared.db")})
    running.hubspot.control.post("/restore", {"from": str(running.hubspot.data / "prepared.db")})
    shutil.copytree(running.root, tmp_path / "work")
    yield Files(tmp_path / "work", running.salesforce, running.hubspot, capsys)
    _afresh(running)


def _afresh(running: Files) -> None:
    for each in (running.salesforce, running.hubspot):
        each.control.delete("/faults")
        for held in each.control.get("/held"):
            each.control.post(f"/release/{held['id']}", {})
        each.control.post("/restore", {"from": str(each.data / "fresh.db")})
    running.hubspot.control.post("/settings", {"file_size_limit": None})


def whole(files: Files, count: int = COUNT) -> None:
    """Every file is there, once, and as it was."""
    there = files.by_key()
    assert set(there) == {key(n) for n in range(count)}
    for n in range(count):
        assert there[key(n)]["sha256"] == sha(bytes_of(SIZE, n))


def rejects(files: Files) -> dict[str, str]:
    """Rejected records of the last transform, with their reasons."""
    import pyarrow.parquet as pq

    found = {}
    for path in sorted((files.root / ".migrate/stage/rejects/Attachment~file").glob("*/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            found[row["_key"]] = f"{row['reason']}: {row['detail']}"
    return found


# -- at the source ------------------------------------------------------------------------------


def test_f01_a_file_beyond_the_limit_is_rejected_before_anything_of_it_is_sent(files: Files) -> None:
    files.plan(ENTRY + "    files: {max_bytes: 3KB, oversize: reject}\n")
    before = files.salesforce.control.get("/health")["requests"]
    found = files.must("discover", "check", "prepare", "extract", "transform", "load")

    assert found["extract"]["objects"][1]["files"][0]["counts"] == {"oversize": COUNT}
    assert set(rejects(files)) == {key(n) for n in range(COUNT)}
    assert all(
        "4,000 bytes, more than the 3,000" in why or "4000 bytes" in why for why in rejects(files).values()
    )
    asked = files.salesforce.control.ndjson("/requests")[before:]
    assert not [each for each in asked if each["path"].endswith("/Body")]
    assert files.there() == []
    assert not list(StoredBlobs(files.root / ".migrate/blobs").names())


@pytest.mark.long
def test_f01_a_file_beyond_the_limit_is_skipped_and_counted_where_the_plan_says_so(files: Files) -> None:
    files.plan(ENTRY + "    files: {max_bytes: 3KB, oversize: skip}\n")
    found = files.must(*LINE, "validate")

    assert found["transform"]["objects"]["Attachment~file"]["skipped"] == COUNT
    assert rejects(files) == {}
    assert files.there() == []
    result = next(each for each in found["validate"]["results"] if each["id"] == "files.Attachment~file")
    assert result["figures"]["too large"] == COUNT


@pytest.mark.long
def test_f01_a_raised_limit_fetches_what_was_too_large_before(files: Files) -> None:
    files.plan(ENTRY + "    files: {max_bytes: 3KB, oversize: skip}\n")
    files.must(*LINE)
    files.plan(ENTRY + "    files: {max_bytes: 5KB, oversize: skip}\n")
    files.must("plan accept --as Test --reason limit", "extract", "transform", "load")
    whole(files)


@pytest.mark.long
def test_f01_the_targets_own_refusal_is_a_dead_letter_with_its_words(files: Files) -> None:
    files.hubspot.control.post("/settings", {"file_size_limit": SIZE - 1})
    files.must(*LINE)
    code, listed = files.run("dead-letters list")

    assert code in (0, 1)
    (group,) = listed["groups"]
    assert "TOO_LARGE" in str(group), group
    assert files.there() == []
    files.hubspot.control.post("/settings", {"file_size_limit": None})
    files.must("dead-letters replay")
    whole(files)


@pytest.mark.long
def test_f11_a_download_that_breaks_off_or_is_refused_for_a_moment_is_asked_for_again(files: Files) -> None:
    files.fault(files.salesforce, rf"{attachment(1)}/Body", {"kind": "drop", "at": "half_reply"})
    files.fault(files.salesforce, rf"{attachment(2)}/Body", {"kind": "status", "status": 503})
    files.fault(files.salesforce, rf"{attachment(3)}/Body", {"kind": "expire"})
    files.must(*LINE)
    whole(files)


@pytest.mark.long
def test_f12_a_file_that_the_source_refuses_is_a_row_with_its_reason_and_can_be_asked_for_again(
    files: Files,
) -> None:
    files.fault(files.salesforce, rf"{attachment(4)}/Body", {"kind": "status", "status": 404}, times=None)
    found = files.must(*LINE)

    counts = found["extract"]["objects"][1]["files"][0]["counts"]
    assert counts == {"refused": 1, "stored": COUNT - 1}
    assert set(rejects(files)) == {key(4)}
    assert set(files.by_key()) == {key(n) for n in range(COUNT) if n != 4}
    files.salesforce.control.delete("/faults")
    files.must("extract --refused", "transform", "load")
    whole(files)


@pytest.mark.long
def test_f12_a_file_that_comes_damaged_every_time_is_a_row_and_never_moved(files: Files) -> None:
    short = {"kind": "garbage", "body": "x" * 10, "media": "application/octet-stream"}
    files.fault(files.salesforce, rf"{attachment(5)}/Body", short, times=None)
    found = files.must(*LINE)

    assert found["extract"]["objects"][1]["files"][0]["counts"] == {"damaged": 1, "stored": COUNT - 1}
    assert "says 4,000 bytes, and gives 10" in rejects(files)[key(5)]
    assert key(5) not in files.by_key()


def test_f03_the_same_bytes_on_many_records_are_kept_once(files: Files) -> None:
    files.salesforce.control.post(
        "/seed",
        {"records": {"Attachment": [
            {"Id": mint("00P", 5000 + n), "ParentId": ACCOUNT, "Name": "same.txt",
             "Body": {"size": 900, "seed": 99}}
            for n in range(50)
        ]}},
    )  # fmt: skip
    files.must(*LINE)

    assert len(list(StoredBlobs(files.root / ".migrate/blobs").names())) == COUNT + 1
    same = [row for row in files.there() if row["sha256"] == sha(bytes_of(900, 99))]
    assert len(same) == 50
    assert {row["name"] for row in same} == {"same.txt"}


@pytest.mark.long
def test_f05_files_that_do_not_fit_on_the_disk_are_told_before_the_first_is_fetched(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.must("discover", "check", "prepare")
    before = files.salesforce.control.get("/health")["requests"]
    monkeypatch.setattr(StoredBlobs, "room", lambda _: 1_000)

    code, found = files.run("extract")

    assert code == 5
    assert "48,000 bytes of files are to be fetched, and 1,000 are free" in found["message"]
    asked = files.salesforce.control.ndjson("/requests")[before:]
    assert not [each for each in asked if each["path"].endswith("/Body")]
    monkeypatch.undo()
    files.must("extract", "transform", "load")
    whole(files)


def test_f13_a_killed_download_goes_on_where_it_was(files: Files) -> None:
    files.must("discover", "check", "prepare")
    files.fault(files.salesforce, r"/Body$", {"kind": "hold", "at": "after_commit"}, nth=8)
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate", "-w", str(files.root), "--json", "extract"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not files.salesforce.control.get("/held"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    files.salesforce.control.delete("/faults")
    files.must("extract", "transform", "load")
    whole(files)


# -- at the target ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "do",
    [
        {"kind": "drop", "at": "arrival"},
        pytest.param({"kind": "drop", "at": "before_commit"}, marks=pytest.mark.slow),
        {"kind": "drop", "at": "after_commit"},
        {"kind": "drop", "at": "half_reply"},
        pytest.param({"kind": "status", "status": 500}, marks=pytest.mark.slow),
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "expire"},
        pytest.param({"kind": "garbage", "body": "<html>", "media": "text/html"}, marks=pytest.mark.slow),
        {"kind": "late_commit", "seconds": 3, "close_after": 0.1},
    ],
    ids=lambda do: "-".join(str(value) for value in do.values())[:40],
)
def test_an_upload_whose_answer_is_lost_makes_the_file_once(staged: Files, do: dict[str, Any]) -> None:
    staged.fault(staged.hubspot, r"/files/[^/]+/files$", do, method="POST", nth=3, times=2)
    if do["kind"] == "expire":
        code, _ = staged.run("load")  # a token of a private app can't be renewed: a person must act
        assert code == 3
        staged.hubspot.control.delete("/faults")
    staged.must("load")
    whole(staged)
    made = [row for row in staged.hubspot.control.ndjson("/log?after=0")
            if row["object"] == "files" and row["op"] == "create"]  # fmt: skip
    assert len(made) == COUNT


def test_f06_a_file_that_the_target_changes_is_found_by_the_load_and_by_the_check(staged: Files) -> None:
    staged.must("load")
    first = min(staged.there(), key=lambda row: int(row["id"]))
    # Somebody replaces its content: the same to us as a vendor that recompresses a picture.
    act = {"do": "update", "object": "files", "id": first["id"], "fields": {"text": "other"}}
    staged.hubspot.control.post("/act", act)
    code, found = staged.run("validate")

    assert code == 1
    failed = {each["id"] for each in found["results"] if each["verdict"] == "fail"}
    assert failed == {"files.Attachment~file", "rows.Attachment~file"}


@pytest.mark.long
def test_a_blob_that_is_damaged_on_disk_is_never_sent_whole_and_is_fetched_again(staged: Files) -> None:
    blobs = staged.root / ".migrate/blobs"
    name = sha(bytes_of(SIZE, 6))
    (blobs / name[:2] / name[2:]).write_bytes(b"rot" * 2000)

    code, found = staged.run("load")

    assert code == 5, found
    assert key(6) not in staged.by_key()
    staged.must("extract", "load")
    whole(staged)


@pytest.mark.long
def test_h10_a_rollback_leaves_a_file_that_stood_there_before(staged: Files) -> None:
    theirs = staged.hubspot.control.post(
        "/act", {"do": "create", "object": "files",
                 "fields": {"name": "0.bin", "folderPath": "/migrated/Attachment", "text": "theirs"}}
    )  # fmt: skip
    staged.must("load", "rollback plan", "rollback run --yes")

    assert [row["id"] for row in staged.there()] == [theirs["id"]]
    code, found = staged.run("rollback verify")
    assert (code, found["verdict"]) in ((0, "pass"), (1, "pass")), found


@pytest.mark.long
def test_a_stray_of_an_upload_that_landed_after_its_sender_died_is_found_by_the_sweep(staged: Files) -> None:
    late = {"kind": "late_commit", "seconds": 400}
    staged.fault(staged.hubspot, r"/files/[^/]+/files$", late, method="POST")
    process = subprocess.Popen(
        [sys.executable, "-m", "migrate", "-w", str(staged.root), "--json", "load"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not staged.hubspot.control.get("/held"):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    staged.must("load")  # waits for the longest call, looks, and makes the file itself
    for held in staged.hubspot.control.get("/held"):
        staged.hubspot.control.post(f"/release/{held['id']}", {})
    time.sleep(0.5)

    code, found = staged.run("validate")

    strays = next(each for each in found["results"] if each["id"] == "strays.Attachment~file")
    paths = [row["path"] for row in staged.there()]
    if len(paths) == COUNT:  # HubSpot refused the late one: the same bytes lay in the key's folder already
        assert strays["verdict"] == "pass"
    else:
        assert strays["figures"]["twins"] == 2
        assert code == 1


def test_i09_no_name_leads_out_of_the_folder(files: Files) -> None:
    files.salesforce.control.post(
        "/seed", {"records": {"Attachment": [
            {"Id": mint("00P", 7000), "ParentId": ACCOUNT, "Name": "../../../etc/passwd",
             "Body": {"size": 5, "seed": 1}}
        ]}},
    )  # fmt: skip
    files.must(*LINE)

    made = files.by_key()[f"{FAMILY}.Attachment.{mint('00P', 7000)}~file"]
    assert made["path"].startswith("/migrated/Attachment/")
    assert made["name"] == ".._.._.._etc_passwd"
    outside = list(files.root.parent.rglob("*passwd*"))
    assert outside == []


@pytest.mark.long
def test_a_plan_that_puts_a_text_where_a_file_goes_is_told_so(files: Files) -> None:
    files.plan(ENTRY.replace("content: Body", "content: Name"), PLAN)
    files.must("discover")
    code, found = files.run("check")

    assert code == 2
    assert "`content` holds a file, and `Name` gives none" in str(found)
