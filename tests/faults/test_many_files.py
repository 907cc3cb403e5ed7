"""The proof of many files, small: killed on the way there, and shown red on what it must see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.history_files import FAMILY, Figures, count, prove, records, rig, sizes

FILES, TOTAL = 60, 3_000_000
MOST_MEMORY = 400_000_000


@pytest.mark.slow
def test_files_get_there_whole_and_once_through_kills_and_late_commits(tmp_path: Path) -> None:
    found = prove(tmp_path, files=FILES, total=TOTAL, kills=3, largest=1_000_000)

    assert found.whole, found
    assert found.files == FILES
    assert found.kills == 3
    assert found.peak < MOST_MEMORY


@pytest.mark.slow
def test_the_proof_sees_a_loss_a_twin_a_stray_and_other_bytes(tmp_path: Path) -> None:
    with rig(tmp_path, records(8, 4_000, 2_000)) as here:
        here.must("discover", "prepare", "extract", "transform", "load")
        rows = [row for row in here.hubspot.control.ndjson("/truth/files") if not row["archivedAt"]]
        keys = [row["path"].split("/")[-2] for row in rows]
        act = here.hubspot.control.post
        act("/act", {"do": "delete", "object": "files", "id": rows[0]["id"]})
        act("/act", {"do": "update", "object": "files", "id": rows[1]["id"], "fields": {"text": "other"}})
        for folder in (
            rows[2]["path"].rpartition("/")[0],
            f"/migrated/Attachment/{FAMILY}.Attachment.x~file",
        ):
            fields = {"name": "planted.txt", "folderPath": folder, "text": "planted"}
            act("/act", {"do": "create", "object": "files", "fields": fields})

        count(here, here.figures, 8)

    assert here.figures.lost == [keys[0]]
    assert here.figures.changed == sorted([keys[1], keys[2]])
    assert here.figures.twice == [keys[2]]
    assert here.figures.strays == [f"{FAMILY}.Attachment.x~file"]
    assert not here.figures.whole


@pytest.mark.parametrize(("files", "total"), [(100, 50_000), (2_000, 40_000_000)])
def test_sizes_are_spread_and_sum_up(files: int, total: int) -> None:
    found = sizes(files, total, largest=total // 4)

    assert len(found) == files
    assert max(found) == total // 4
    assert 0 in found
    assert 0.8 * total <= sum(found) <= 1.4 * total


def test_nothing_compared_is_no_proof() -> None:
    assert not Figures().whole
