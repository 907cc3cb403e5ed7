"""Our side of the row diff: `migrate.diff` in an engine as the product makes it, differences to Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet  # noqa: F401 - so that it isn't imported on the clock

from bench.measure import arguments, report, timed
from migrate.diff import diff
from migrate.engine import MEMORY_LIMIT, Engine, parquet


def compare(given: dict[str, Any]) -> dict[str, int]:
    """Compare, write `differences.parquet`; rows that differ and those of one side only."""
    into = Path(given["into"])
    left, right = parquet([given["left"]]), parquet([given["right"]])
    with (
        Engine(
            given.get("memory_limit", MEMORY_LIMIT),
            folders=[Path(given["left"]).parent, into],
            temp_dir=into / "spill",
        ) as engine,
        diff(engine, left, right, given["key"], given["columns"]) as found,
    ):
        found.write(into / "differences.parquet")
        return {
            "differing": found.differing,
            "only_left": found.only_left,
            "only_right": found.only_right,
            "compared": found.compared,
        }


def main() -> None:
    """Measure one run."""
    given = arguments()
    with timed() as found:
        counts = compare(given)
    report(found, "crm-migrate", "duckdb", counts=counts)


if __name__ == "__main__":
    main()
