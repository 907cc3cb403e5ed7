"""The floor of a row diff: one full join in DuckDB as it comes, on the same columns.

No check of keys, no class, no line a field, and at the small size no memory limit: the rows that differ,
whole, with the values of both sides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from bench.measure import arguments, report, timed


def compare(given: dict[str, Any]) -> dict[str, int]:
    """Join, write `differences.parquet`; how many rows it has."""
    target = Path(given["into"]) / "differences.parquet"
    key, columns = given["key"], given["columns"]
    values = ", ".join(f'l."{name}" AS "{name}_l", r."{name}" AS "{name}_r"' for name in columns)
    differs = " OR ".join(f'l."{name}" IS DISTINCT FROM r."{name}"' for name in columns)
    config: dict[str, Any] = {"threads": 2, "temp_directory": str(Path(given["into"]) / "spill")}
    config |= {"preserve_insertion_order": given.get("ordered", True)}
    if limit := given.get("memory_limit"):
        config["memory_limit"] = limit
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute(
            f"""COPY (SELECT l."{key}" AS key_l, r."{key}" AS key_r, {values}
            FROM read_parquet('{given["left"]}') AS l
            FULL JOIN read_parquet('{given["right"]}') AS r ON l."{key}" = r."{key}"
            WHERE l."{key}" IS NULL OR r."{key}" IS NULL OR {differs})
            TO '{target}' (FORMAT parquet, COMPRESSION zstd)"""
        )
        row = connection.execute(
            f"""SELECT count(*) FILTER (key_l IS NOT NULL AND key_r IS NOT NULL),
            count(*) FILTER (key_r IS NULL), count(*) FILTER (key_l IS NULL)
            FROM read_parquet('{target}')"""
        ).fetchone()
    assert row is not None
    return dict(zip(("differing", "only_left", "only_right"), map(int, row), strict=True))


def main() -> None:
    """Measure one run."""
    given = arguments()
    with timed() as found:
        counts = compare(given)
    report(found, "duckdb", counts=counts)


if __name__ == "__main__":
    main()
