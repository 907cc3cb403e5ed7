"""The peer's side of the row diff: datacompy on pandas, mismatches and rows of one side only to Parquet.

pandas reads Parquet as it does by itself: decimals become Python objects. Asked for pyarrow's types
(`dtype_backend="pyarrow"`) datacompy 1.1.0 took more than twice as long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datacompy
import pandas as pd

from bench.measure import arguments, report, timed


def compare(given: dict[str, Any]) -> dict[str, int]:
    """Compare, write what differs; how many rows that is."""
    into = Path(given["into"])
    left, right = (pd.read_parquet(given[side]) for side in ("left", "right"))
    found = datacompy.PandasCompare(
        left, right, join_columns=[given["key"]], df1_name="l", df2_name="r", cast_column_names_lower=False
    )
    differing = found.all_mismatch()
    differing.to_parquet(into / "differing.parquet", compression="zstd", index=False)
    found.df1_unq_rows.to_parquet(into / "only_left.parquet", compression="zstd", index=False)
    found.df2_unq_rows.to_parquet(into / "only_right.parquet", compression="zstd", index=False)
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
    report(found, "datacompy", "pandas", "pyarrow", counts=counts)


if __name__ == "__main__":
    main()
