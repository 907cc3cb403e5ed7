"""How long does the row diff take, beside a bare full join, datacompy (pandas and polars) and reladiff?

Two tables of 1,000,000 rows and 21 columns (a key and 20 others) as Parquet, already in the form in which
they are compared; reladiff has them in PostgreSQL. Once 0.1% of the rows differ, which is what a validation
usually finds, and once 10%. Every side finds the same rows, which is looked at, and writes them with their
values. With `--large`: 10,000,000 rows and 40 columns beside the join, both under one memory limit.

    python -m bench.diff
    python -m bench.diff --large
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from bench.diff_tables import COLUMNS, generate, served
from bench.measure import ROUNDS, Figures, Side, in_turn, peer, scratch

# Bounds by how rare a differing row is (one in so many): most times the bare join's time, least times as fast
# as a peer. Few differing rows are what is promised; datacompy on pandas comes nearer where many differ.
JOIN = {1000: 1.5, 10: 1.5}
FASTER = {
    1000: {"pandas": 20.0, "polars": 5.0, "reladiff": 3.0},
    10: {"pandas": 10.0, "polars": 5.0, "reladiff": 3.0},
}
LARGE = 3.0  # least times as fast as the join under the same memory limit
PEAK = 2_000_000_000  # bytes: most memory of our process, at both sizes

ROWS, EVERY = 1_000_000, (1000, 10)
LARGE_ROWS, LARGE_COLUMNS = 10_000_000, 39
LIMIT = "1500MB"  # of both at the large size; with 1 GB the join gives up
UNORDERED = 3  # rounds of the join that needn't keep the rows' order, which has no bound
DATACOMPY = ("datacompy==1.1.0", "pandas==3.0.6", "pyarrow==26.0.1")
PEERS = {
    "pandas": ("diff_peer", DATACOMPY),
    "polars": ("diff_polars", (*DATACOMPY, "polars==1.44.2")),
    "reladiff": (
        "diff_reladiff",
        ("reladiff[postgresql]==0.6.0", "sqeleton==0.1.7", "psycopg2-binary==2.9.13"),
    ),
}
NAMES = {"pandas": "datacompy on pandas", "polars": "datacompy on polars", "reladiff": "reladiff"}


def equal(folders: Mapping[str, Path], expected: Mapping[str, int]) -> None:
    """Look whether all sides wrote the same keys, as many as were planted.

    Args:
        folders: where each side wrote, by its name.

    Raises:
        ValueError: they didn't.
    """
    planted = sum(expected.values())
    found = {name: written(name, folder) for name, folder in folders.items()}
    first = next(iter(found.values()))
    if not planted or any(keys != first or len(keys) != planted for keys in found.values()):
        told = {name: len(keys) for name, keys in found.items()}
        raise ValueError(f"{planted} rows differ and the sides wrote {told}")


def written(name: str, folder: Path) -> set[str]:
    """The keys of the rows that a side has written."""
    if name == "reladiff":
        with (folder / "differences.jsonl").open() as lines:
            return {str(json.loads(line)[1][0]) for line in lines}
    if name in PEERS:
        files = [folder / f"{part}.parquet" for part in ("differing", "only_left", "only_right")]
        query = " UNION ALL ".join(f"SELECT key FROM read_parquet('{file}')" for file in files)
    else:
        key = "key" if name == "ours" else "coalesce(key_l, key_r)"
        query = f"SELECT DISTINCT {key} FROM read_parquet('{folder}/differences.parquet')"
    with duckdb.connect(":memory:") as connection:
        return {str(row[0]) for row in connection.execute(query).fetchall()}


def measure(
    *, rows: int, every: int, rounds: int, peer_rounds: int, peers: tuple[str, ...] = tuple(PEERS)
) -> dict[str, Any]:
    """All sides in turn; the JSON document."""
    pythons = {name: peer(f"diff-{name}", *PEERS[name][1]) for name in peers}
    folder = scratch(f"diff-{every}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        print(f"  making two tables of {rows:,} rows, one in {every} differing", file=sys.stderr)
        known = generate(folder / "tables", rows, every)
        reach = stack.enter_context(served(known, folder)) if "reladiff" in peers else {}
        sides = [Side("ours", "diff_ours"), Side("bare", "diff_bare")]
        sides += [Side(name, PEERS[name][0], pythons[name], rounds=peer_rounds) for name in peers]
        told = {side.name: {**known, **reach, "into": str(folder / side.name)} for side in sides}
        figures = in_turn(sides, told, rounds=rounds)
        equal({side.name: folder / side.name for side in sides}, known["expected"])
    if reach:
        figures["reladiff"] = _on(figures["reladiff"], reach["version"])
    return document(figures, rows=rows, every=every, expected=known["expected"])


def _on(figures: Figures, version: str) -> Figures:
    versions = {**figures.versions, "PostgreSQL": version}
    return Figures(figures.seconds, figures.peak, figures.runs, versions)


def document(
    figures: Mapping[str, Figures], *, rows: int, every: int, expected: Mapping[str, int]
) -> dict[str, Any]:
    """What is printed of the small size. `peer` and `times_datacompy` are those of pandas."""
    ours, bare = figures["ours"], figures["bare"]
    near = ours.seconds / bare.seconds
    faster = {name: figures[name].seconds / ours.seconds for name in PEERS if name in figures}
    bounds = FASTER.get(every, {})
    falls = [f"{name} {times:.1f}x" for name, times in faster.items() if times < bounds.get(name, 0)]
    if near > JOIN.get(every, near):
        falls.append(f"the join {near:.2f}x")
    if ours.peak >= PEAK:
        falls.append(f"{ours.peak / 1e6:,.0f} MB")
    named = {"pandas": ("peer", "datacompy"), "polars": ("polars",) * 2, "reladiff": ("reladiff",) * 2}
    return {
        "bench": "diff",
        "rows": rows,
        "columns": len(COLUMNS) + 1,
        "differing": sum(expected.values()),
        "every": every,
        "n": len(ours.runs),
        "ours": ours.document(),
        "bare": bare.document(),
        **{named[name][0]: figures[name].document() for name in faster},
        "times_the_bare_join": round(near, 2),
        **{f"times_{named[name][1]}": round(times, 2) for name, times in faster.items()},
        "falls_short": falls,
        "ok": not falls,
    }


def large(
    *, rows: int = LARGE_ROWS, columns: int = LARGE_COLUMNS, rounds: int, limit: str = LIMIT
) -> dict[str, Any]:
    """Ours and the join under one memory limit; the JSON document."""
    folder = scratch("diff-large")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)  # several GB
        print(f"  making two tables of {rows:,} rows and {columns + 1} columns", file=sys.stderr)
        known = generate(folder / "tables", rows, EVERY[0], columns)
        sides = [
            Side("ours", "diff_ours"),
            Side("bare", "diff_bare"),
            Side("unordered", "diff_bare", rounds=UNORDERED),
        ]
        given = {
            side.name: {**known, "into": str(folder / side.name), "memory_limit": limit} for side in sides
        }
        given["unordered"]["ordered"] = False
        figures = in_turn(sides, given, rounds=rounds)
        equal({side.name: folder / side.name for side in sides}, known["expected"])
    ours, bare, unordered = (figures[side.name] for side in sides)
    faster = bare.seconds / ours.seconds
    return {
        "bench": "diff-large",
        "rows": rows,
        "columns": columns + 1,
        "differing": sum(known["expected"].values()),
        "memory_limit": limit,
        "n": len(ours.runs),
        **{name: each.document() for name, each in figures.items()},
        "times_as_fast_as_the_join": round(faster, 2),
        "times_as_fast_as_the_unordered_join": round(unordered.seconds / ours.seconds, 2),
        "ok": faster >= LARGE and ours.peak < PEAK,
    }


def line(found: Mapping[str, Any]) -> str:
    """The small size for people."""
    ours, bare, every = found["ours"], found["bare"], found["every"]
    words = [
        f"diff: {found['differing']:,} of {found['rows']:,} rows in {ours['seconds']:.2f} s, "
        f"{ours['peak_mb']:,.0f} MB (n={ours['n']}); DuckDB {bare['versions']['duckdb']} full join "
        f"{bare['seconds']:.2f} s: {found['times_the_bare_join']:.2f}x "
        f"(at most {JOIN.get(every, float('inf'))}x)"
    ]
    for name, where, times in (
        ("pandas", "peer", "times_datacompy"),
        ("polars", "polars", "times_polars"),
        ("reladiff", "reladiff", "times_reladiff"),
    ):
        if where in found:
            versions = found[where]["versions"]
            tool = versions.get("datacompy") or versions["reladiff"]
            words.append(
                f"{NAMES[name]} {tool} {found[where]['seconds']:.2f} s: {found[times]:.1f}x as fast "
                f"(n={found[where]['n']}, at least {FASTER.get(every, {}).get(name, 0):.0f}x)"
            )
    return "; ".join(words) + (" ok" if found["ok"] else f" FALLS SHORT: {', '.join(found['falls_short'])}")


def large_line(found: Mapping[str, Any]) -> str:
    """The large size for people."""
    ours, bare, unordered = found["ours"], found["bare"], found["unordered"]
    return (
        f"diff: {found['differing']:,} of {found['rows']:,} rows of {found['columns']} columns under "
        f"{found['memory_limit']} in {ours['seconds']:.1f} s, {ours['peak_mb']:,.0f} MB "
        f"(n={ours['n']}, under {PEAK / 1e6:,.0f} MB); DuckDB {bare['versions']['duckdb']} full join "
        f"{bare['seconds']:.1f} s, {bare['peak_mb']:,.0f} MB: "
        f"{found['times_as_fast_as_the_join']:.1f}x as fast "
        f"(n={bare['n']}, at least {LARGE:.0f}x); without keeping the order {unordered['seconds']:.1f} s "
        f"(n={unordered['n']}): {found['times_as_fast_as_the_unordered_join']:.1f}x "
        f"{'ok' if found['ok'] else 'FALLS SHORT'}"
    )


def main() -> int:
    """Print the JSON lines and the human ones; 1 where a bound isn't kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.diff", description=__doc__)
    parser.add_argument("--rows", type=int, help="of each table")
    parser.add_argument("--every", type=int, action="append", help="one row in so many differs")
    parser.add_argument("--peer", choices=list(PEERS), action="append", help="only beside these")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer-rounds", type=int, default=ROUNDS, help="of the peers, which are slow")
    parser.add_argument("--large", action="store_true", help="10,000,000 rows of 40 columns instead")
    parser.add_argument("--memory-limit", default=LIMIT, help="of both sides with --large")
    options = parser.parse_args()
    if options.large:
        found = large(rows=options.rows or LARGE_ROWS, rounds=options.rounds, limit=options.memory_limit)
        print(json.dumps(found))
        print(large_line(found), flush=True)
        return 0 if found["ok"] else 1
    kept = True
    for every in options.every or EVERY:
        found = measure(
            rows=options.rows or ROWS,
            every=every,
            rounds=options.rounds,
            peer_rounds=min(options.rounds, options.peer_rounds),
            peers=tuple(options.peer or PEERS),
        )
        kept &= found["ok"]
        print(json.dumps(found))
        print(line(found), flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
