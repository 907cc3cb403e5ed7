"""The peer's side of the row diff: datacompy on polars, mismatches and rows of one side only to Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datacompy
import polars as pl

from bench.measure import arguments, report, timed


def compare(given: dict[str, Any]) -> dict[str, int]:
    """Compare, write what differs; how many rows that is."""
    into = Path(given["into"])
    left, right = (pl.read_parquet(given[side]) for side in ("left", "right"))
    found = datacompy.PolarsCompare(
        left, right, join_columns=[given["key"]], df1_name="l", df2_name="r", cast_column_names_lower=False
    )
    differing = found.all_mismatch()
    differing.write_parquet(into / "differing.parquet", compression="zstd")
    found.df1_unq_rows.write_parquet(into / "only_left.parquet", compression="zstd")
    found.df2_unq_rows.write_parquet(into / "only_right.parquet", compression="zstd")
    return {
        "differing": len(differing),
        "only_left": len(found.df1_unq_rows),
        "only_right": len(found.df2_unq_rows),
    }


def main() -> None:
    """Measure one run."""
    given = arguments()
    with timed() as found:
        counts = compare(given)
    report(found, "datacompy", "polars", counts=counts)


if __name__ == "__main__":
    main()
