"""How long does the row diff take, beside a bare full join and beside datacompy?

Two tables of 1,000,000 rows and 21 columns (a key and 20 others) as Parquet, already in the form in which
they are compared; once with 0.1% and once with 10% of the rows differing, a twentieth of those on one side
only. Every side finds the same rows, which is looked at, and writes them with their values as Parquet.
datacompy takes part in three of the rounds only, which `n` says.

    python -m bench.diff
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import duckdb

from bench.measure import ROUNDS, Side, in_turn, peer, scratch

ROWS, EVERY = 1_000_000, (1000, 10)  # one row in so many differs: 0.1% and 10%
NEAR, FASTER = 2.0, 15.0  # bounds: most times the bare join, least times datacompy
REQUIREMENTS = ("datacompy==1.1.0", "pandas==3.0.6", "pyarrow==26.0.1")
KEY = "key"
# Values depend on the row's number `n` and on `c`, which is 1 where a row is to differ.
COLUMNS = {
    "name": "'Account ' || hash(n, c) % 900000 || ' ' || n",
    "domain": "'www.' || to_base(CAST(hash(n, 2) % 10000000000 AS BIGINT), 36) || '.example'",
    "phone": "'+44 20 ' || (hash(n, 3) % 10000000)",
    "street": "(hash(n, 4) % 400) || ' High Street'",
    "city": "list_extract(['London', 'Leeds', 'Málaga', 'Łódź', 'Zürich'], CAST(hash(n, 5) % 5 AS INT) + 1)",
    "zip": "lpad(CAST(hash(n, 6) % 100000 AS VARCHAR), 5, '0')",
    "country": "list_extract(['Germany', 'Spain', 'Poland'], CAST(hash(n, 7) % 3 AS INT) + 1)",
    "industry": "CASE WHEN n % 7 = 0 THEN NULL ELSE 'industry ' || (hash(n, 8) % 30) END",
    "type": "CASE WHEN n % 5 = 0 THEN NULL ELSE 'type ' || (hash(n, 9) % 6) END",
    "description": "repeat('note ' || (hash(n, 10) % 1000) || ' ', 5) || n",
    "owner": "'0055g00' || lpad(CAST(hash(n, 11) % 60 AS VARCHAR), 8, '0') || 'AAA'",
    "parent": "CASE WHEN n % 3 = 0 THEN '0015g00' || lpad(CAST(hash(n, 12) % 90000 AS VARCHAR), 8, '0') END",
    "employees": "CASE WHEN n % 6 = 0 THEN NULL ELSE CAST(hash(n, 13) % 50000 AS BIGINT) END",
    "score": "CAST(hash(n, 14) % 100 AS BIGINT)",
    "revenue": "CAST((hash(n, 15) % 1000000000 + c) / 100 AS DECIMAL(18, 2))",
    "balance": "CAST((hash(n, 16) % 1000000000) / 100 AS DECIMAL(18, 2))",
    "active": "hash(n, 17) % 3 = 0",
    "since": "DATE '2005-01-01' + CAST(hash(n, 18) % 7000 AS INTEGER)",
    "created": "TIMESTAMP '2016-01-01' + to_seconds(CAST(hash(n, 19) % 300000000 AS BIGINT))",
    "changed": "TIMESTAMP '2020-01-01' + to_seconds(CAST(hash(n, 20 + c * (n % 2)) % 90000000 AS BIGINT))",
}


def generate(folder: Path, rows: int, every: int) -> dict[str, Any]:
    """The two tables; what a side must know, and how many rows differ."""
    folder.mkdir(parents=True)
    odd = f"n % {every} = 3"
    lost = f"{odd} AND (n // {every}) % 40"
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        for side, changed, kept in (
            ("left", "0", f"{lost} = 0"),
            ("right", f"CAST({odd} AS INT)", f"{lost} = 1"),
        ):
            values = ", ".join(f'{value} AS "{name}"' for name, value in COLUMNS.items())
            connection.execute(
                f"""COPY (SELECT 'sf.Account.' || lpad(CAST(hash(n) AS VARCHAR), 20, '0') AS "{KEY}", {values}
                FROM (SELECT range AS n, {changed} AS c FROM range({rows})) WHERE NOT ({kept})
                ORDER BY hash(n, '{side}')) TO '{folder / side}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
            )
        found = connection.execute(
            f"""SELECT count(*) FILTER ({lost} NOT IN (0, 1)), count(*) FILTER ({lost} = 1),
            count(*) FILTER ({lost} = 0) FROM (SELECT range AS n FROM range({rows})) WHERE {odd}"""
        ).fetchone()
    assert found is not None
    return {
        "left": f"{folder / 'left'}.parquet",
        "right": f"{folder / 'right'}.parquet",
        "key": KEY,
        "columns": list(COLUMNS),
        "expected": dict(zip(("differing", "only_left", "only_right"), map(int, found), strict=True)),
    }


def equal(ours: Path, bare: Path, peers: Path | None, expected: dict[str, int]) -> None:
    """Look whether all sides wrote the same keys, as many as were planted.

    Raises:
        ValueError: they didn't.
    """
    planted = sum(expected.values())
    queries = [
        f"SELECT DISTINCT key FROM read_parquet('{ours}/differences.parquet')",
        f"SELECT coalesce(key_l, key_r) FROM read_parquet('{bare}/differences.parquet')",
    ]
    if peers is not None:
        names = ("differing", "only_left", "only_right")
        queries.append(
            " UNION ALL ".join(f"SELECT {KEY} FROM read_parquet('{peers}/{name}.parquet')" for name in names)
        )
    with duckdb.connect(":memory:") as connection:
        found = [{str(row[0]) for row in connection.execute(query).fetchall()} for query in queries]
    if not planted or any(keys != found[0] or len(keys) != planted for keys in found):
        raise ValueError(f"{planted} rows differ and the sides wrote {[len(keys) for keys in found]}")


def measure(*, rows: int, every: int, rounds: int, peer_rounds: int) -> dict[str, Any]:
    """The three sides in turn; the JSON document."""
    python = peer("diff", *REQUIREMENTS)
    folder = scratch(f"diff-{every}")
    print(f"  making two tables of {rows:,} rows, one in {every} differing", file=sys.stderr)
    known = generate(folder / "tables", rows, every)
    sides = [
        Side("ours", "diff_ours"),
        Side("bare", "diff_bare"),
        Side("peer", "diff_peer", python, rounds=peer_rounds),
    ]
    figures = in_turn(
        sides,
        {side.name: {**known, "into": str(folder / side.name)} for side in sides},
        rounds=rounds,
    )
    equal(folder / "ours", folder / "bare", folder / "peer", known["expected"])
    ours, bare, peers = (figures[side.name] for side in sides)
    near, faster = ours.seconds / bare.seconds, peers.seconds / ours.seconds
    return {
        "bench": "diff",
        "rows": rows,
        "columns": len(COLUMNS) + 1,
        "differing": sum(known["expected"].values()),
        "n": rounds,
        "ours": ours.document(),
        "bare": bare.document(),
        "peer": peers.document(),
        "times_the_bare_join": round(near, 2),
        "times_datacompy": round(faster, 2),
        "ok": near <= NEAR and faster >= FASTER,
    }


def main() -> int:
    """Print the JSON lines and the human ones; 1 where a bound isn't kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.diff", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--every", type=int, action="append", help="one row in so many differs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer-rounds", type=int, default=ROUNDS, help="of datacompy, which is slow")
    options = parser.parse_args()
    kept = True
    for every in options.every or EVERY:
        found = measure(
            rows=options.rows,
            every=every,
            rounds=options.rounds,
            peer_rounds=min(options.rounds, options.peer_rounds),
        )
        kept &= found["ok"]
        print(json.dumps(found))
        ours, bare, peers = found["ours"], found["bare"], found["peer"]
        print(
            f"diff: {found['differing']:,} of {options.rows:,} rows in {ours['seconds']:.2f} s, DuckDB "
            f"{bare['versions']['duckdb']} full join {bare['seconds']:.2f} s, datacompy "
            f"{peers['versions']['datacompy']} {peers['seconds']:.2f} s: "
            f"{found['times_the_bare_join']:.2f}x the join (n={ours['n']}, at most {NEAR:.0f}x), "
            f"{found['times_datacompy']:.1f}x as fast as datacompy (n={peers['n']}, at least {FASTER:.0f}x) "
            f"{'ok' if found['ok'] else 'FALLS SHORT'}",
            flush=True,
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
