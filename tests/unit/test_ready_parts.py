"""A part is small enough to be held whole, whatever the texts; the same rows always make the same parts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.stages.transform import lots, publish
from migrate.store import Manifest
from tests.unit.transform_case import World

PLAN = """
    - source: Account
      target: companies
      fields: {name: Id, note: Name}
"""


def parts(tmp_path: Path, sizes: list[int]) -> Manifest:
    world = World(tmp_path)
    plan = world.plan(PLAN)
    world.extract("Account", [{"Id": f"A{n:05d}", "Name": "x" * size} for n, size in enumerate(sizes)])
    world.transform(plan)
    manifest = world.store.manifest("ready/Account/g0000")
    assert manifest is not None
    return manifest


def test_long_texts_make_parts_of_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "PART_BYTES", 10_000)
    monkeypatch.setattr(publish, "BATCH_ROWS", 7)
    monkeypatch.setattr(publish, "PART_ROWS", 20)

    manifest = parts(tmp_path / "long", [4_000] * 5 + [30_000] + [1] * 45)

    # Two of 4,000 in a part, the one that is too large for any alone, then twenty rows each.
    assert [part.rows for part in manifest.parts] == [2, 2, 1, 1, 20, 20, 5]
    store = World(tmp_path / "long").store
    assert all(pq.ParquetFile(path).metadata.num_row_groups == 1 for path in store.files(manifest))
    keys = [row["_key"] for batch in store.read(manifest) for row in batch.to_pylist()]
    assert keys == [f"fam.Account.A{n:05d}" for n in range(51)]


def test_how_rows_come_makes_no_difference_to_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "PART_BYTES", 9_000)
    sizes = [n * 37 % 3_000 for n in range(60)]
    made = []
    for rows in (1, 7, 500):
        monkeypatch.setattr(publish, "BATCH_ROWS", rows)
        made.append(parts(tmp_path / str(rows), sizes).parts)
    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 5


def test_lots_make_no_difference_to_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "PART_BYTES", 9_000)
    made = []
    for number, row in enumerate((200, 20_000_000, 100_000_000)):  # one lot, some, one a record
        monkeypatch.setattr(lots, "ROW", row)
        made.append(parts(tmp_path / str(number), [n * 37 % 3_000 for n in range(60)]).parts)
    assert made[0] == made[1] == made[2]


def test_sizes_count_bytes_and_not_characters() -> None:
    table = pa.table(
        {"a": ["é", None, "abc"], "b": pa.array(["🙂", "", None], pa.large_string()), "n": [1, 2, 3]}
    )
    assert publish._sizes(table) == [6, 0, 3]
