"""Do the benchmarks compare like with like? The same code as in `make bench`, tiny, and nothing is timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import diff, extract, start
from bench.measure import Figures, Side, environment, in_turn, peak
from bench.sides import diff_bare, diff_ours, extract_ours, extract_peer
from migrate.sandbox.server import launch


def test_help_loads_no_heavy_library() -> None:
    loaded = start.modules()

    assert "click" in loaded
    assert loaded.isdisjoint(start.HEAVY)


def test_both_sides_of_the_extract_write_the_same_rows(tmp_path: Path) -> None:
    pages, size = extract.render(tmp_path, rows=230, page_rows=100)
    with launch("salesforce", tmp_path / "sandbox", tls=True) as running:
        known = extract.plant(running, pages)
        assert extract_ours.extract({**known, "into": str(tmp_path / "ours")}) == 230
        raw = tmp_path / "peer" / "pages"
        raw.mkdir(parents=True)
        files = extract_peer.download(known, raw)
        assert extract_peer.convert(known, files, tmp_path / "peer" / "Account.parquet") == 230

    assert [page["rows"] for page in pages] == [100, 100, 30]
    assert 250 < size / 230 < 400
    extract.equal(tmp_path / "ours", tmp_path / "peer", 230)
    with pytest.raises(ValueError, match="different rows"):
        extract.equal(tmp_path / "ours", tmp_path / "peer", 231)


def test_a_changed_value_is_not_taken_for_the_same_output(tmp_path: Path) -> None:
    for name, value in (("ours", 1), ("peer", 2)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"n": pa.array([value])}), tmp_path / name / "x.parquet")

    with pytest.raises(ValueError, match="different rows"):
        extract.equal(tmp_path / "ours", tmp_path / "peer", 1)


@pytest.mark.parametrize("every", [10, 1000])
def test_the_diff_and_the_bare_join_find_what_was_planted(tmp_path: Path, every: int) -> None:
    known = diff.generate(tmp_path / "tables", rows=80_000, every=every)
    found: dict[str, dict[str, int]] = {}
    for name, side in (("ours", diff_ours.compare), ("bare", diff_bare.compare)):
        (tmp_path / name).mkdir()
        found[name] = side({**known, "into": str(tmp_path / name)})

    assert found["bare"] == known["expected"]
    assert found["ours"] == {**known["expected"], "compared": 80_000 - 2 * (80_000 // every // 40)}
    diff.equal(tmp_path / "ours", tmp_path / "bare", None, known["expected"])
    with pytest.raises(ValueError, match="rows differ"):
        diff.equal(tmp_path / "ours", tmp_path / "bare", None, {"differing": 1})


def test_sides_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    known = diff.generate(tmp_path / "tables", rows=400, every=10)
    sides = [Side("bare", "diff_bare"), Side("once", "diff_bare", rounds=1)]

    figures = in_turn(
        sides, {side.name: {**known, "into": str(tmp_path / side.name)} for side in sides}, rounds=2
    )

    assert {name: len(each.runs) for name, each in figures.items()} == {"bare": 2, "once": 1}
    assert all(each.peak > 10_000_000 and "duckdb" in each.versions for each in figures.values())
    with pytest.raises(RuntimeError, match="ended with status"):
        in_turn([Side("bare", "diff_bare")], {"bare": {"into": str(tmp_path / "none")}}, rounds=1)


def test_a_side_is_not_told_what_our_own_import_has_set() -> None:
    assert not [name for name in environment() if name.startswith("ARROW_")]
    assert peak() > 10_000_000


@pytest.mark.parametrize(
    ("ours", "kept"), [(1.0, True), (1.1, False)], ids=["three times as fast", "not quite"]
)
def test_a_bound_that_is_missed_is_said(ours: float, kept: bool) -> None:
    peers = Figures(seconds=3.0, peak=400, runs=(3.0,), versions={"python": "3"})
    mine = replace(peers, seconds=ours, peak=199)

    found: dict[str, Any] = extract.document(mine, peers, rows=10, size=10, rounds=1)

    assert found["ok"] is kept
    assert extract.document(replace(mine, peak=200), peers, rows=10, size=10, rounds=1)["ok"] is False
