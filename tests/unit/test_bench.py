"""Do the benchmarks compare like with like? The same code as in `make bench`, tiny, and nothing is timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import diff, diff_tables, extract, start
from bench.measure import Figures, Side, environment, in_turn, peak
from bench.sides import diff_bare, diff_ours, extract_ours, extract_peer
from migrate.errors import NoSpace
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
    known = diff_tables.generate(tmp_path / "tables", rows=80_000, every=every)
    found: dict[str, dict[str, int]] = {}
    for name, side in (("ours", diff_ours.compare), ("bare", diff_bare.compare)):
        (tmp_path / name).mkdir()
        found[name] = side({**known, "into": str(tmp_path / name)})

    assert found["bare"] == known["expected"]
    assert found["ours"] == {**known["expected"], "compared": 80_000 - 2 * (80_000 // every // 40)}
    folders = {name: tmp_path / name for name in ("ours", "bare")}
    diff.equal(folders, known["expected"])
    with pytest.raises(ValueError, match="rows differ"):
        diff.equal(folders, {"differing": 1})


def test_sides_take_turns_in_processes_of_their_own(tmp_path: Path) -> None:
    known = diff_tables.generate(tmp_path / "tables", rows=400, every=10)
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


@pytest.mark.parametrize(
    ("name", "seconds", "words"),
    [
        ("bare", 0.66, "the join 1.52x"),
        ("pandas", 19.9, "pandas 19.9x"),
        ("polars", 4.9, "polars 4.9x"),
        ("reladiff", 2.9, "reladiff 2.9x"),
    ],
)
def test_each_bound_of_the_diff_is_looked_at(name: str, seconds: float, words: str) -> None:
    kept = {"ours": 1.0, "bare": 0.7, "pandas": 20.0, "polars": 5.0, "reladiff": 3.0}
    versions = {"duckdb": "2", "datacompy": "1", "reladiff": "0"}

    def told(seconds: dict[str, float], peak: int = 400_000_000) -> dict[str, Any]:
        figures = {
            each: Figures(took, peak, (took,) * 7, {**versions} if each != "reladiff" else {"reladiff": "0"})
            for each, took in seconds.items()
        }
        return diff.document(figures, rows=1, every=1000, expected={"differing": 1})

    assert diff.line(told(kept)).endswith(" ok")
    assert diff.line(told({**kept, name: seconds})).endswith(f"FALLS SHORT: {words}")
    assert told(kept, peak=2_000_000_000)["falls_short"] == ["2,000 MB"]


def test_the_large_comparison_holds_both_to_one_memory_limit(tmp_path: Path) -> None:
    known = diff_tables.generate(tmp_path / "tables", rows=20_000, every=1000, count=39)
    assert len(known["columns"]) == len(set(known["columns"])) == 39
    folders = {}
    for name, side in (("ours", diff_ours.compare), ("bare", diff_bare.compare)):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        side({**known, "into": str(tmp_path / name), "memory_limit": "300MB", "ordered": False})
    diff.equal(folders, known["expected"])
    with pytest.raises(duckdb.OutOfMemoryException):
        diff_bare.compare({**known, "into": str(tmp_path / "bare"), "memory_limit": "2MB"})
    with pytest.raises(NoSpace):
        diff_ours.compare({**known, "into": str(tmp_path / "ours"), "memory_limit": "2MB"})


@pytest.mark.slow
def test_all_tools_find_what_was_planted() -> None:
    """Makes the peers' environments, which needs a package index."""
    found = diff.measure(rows=3_000, every=10, rounds=1, peer_rounds=1)

    assert found["differing"] == 300
    assert {"peer", "polars", "reladiff"} < found.keys()
    assert found["reladiff"]["versions"]["PostgreSQL"]
