"""The peer's side of the row diff: reladiff in PostgreSQL, differing rows to a file of JSON lines.

Both tables lie in one database, so reladiff takes its join (`algorithm` isn't set); two threads, as all have
here. Its command line would print the same rows, wrapped for a screen. Peak memory is that of this process,
without the server's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import reladiff

from bench.measure import arguments, report, timed


def compare(given: dict[str, Any]) -> dict[str, int]:
    """Compare, write what differs; how many rows that is."""
    database = reladiff.connect({"driver": "postgresql", **given["server"]}, 2)
    left, right = (
        reladiff.TableSegment(database, (table,), (given["key"],), extra_columns=tuple(given["columns"]))
        for table in ("left", "right")
    )
    sides: dict[str, set[str]] = {"-": set(), "+": set()}
    with (Path(given["into"]) / "differences.jsonl").open("w") as file:
        for sign, row in reladiff.diff_tables(left, right, max_threadpool_size=4):
            sides[sign].add(row[0])
            file.write(json.dumps([sign, row]) + "\n")
    return {
        "differing": len(sides["-"] & sides["+"]),
        "only_left": len(sides["-"] - sides["+"]),
        "only_right": len(sides["+"] - sides["-"]),
    }


def main() -> None:
    """Measure one run."""
    given = arguments()
    with timed() as found:
        counts = compare(given)
    report(found, "reladiff", "sqeleton", "psycopg2-binary", counts=counts)


if __name__ == "__main__":
    main()
