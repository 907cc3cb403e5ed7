"""Which differences does the page hold, where there are too many for it? Some of every group, red ones first.

Bounded in rows and in bytes; every row is in `rows/differences.parquet`. A long value is shown from shortly
before the first sign in which the two sides differ.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migrate.engine import text
from migrate_validators.classes import FAIL, KNOWN, WARN

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence
    from migrate_validators.masking import Masking
    from migrate_validators.triage import Triage

ROWS, BYTES, SHOWN, BEFORE = 6_000, 1_600_000, 240, 40
EXPLAINED = 50  # rows of a group that asks for nothing
COLUMNS = (
    "difference", "state", "grade", "class", "group", "object", "key", "source_id", "target_id", "field",
    "expected", "found", "checks",
)  # fmt: skip


def sample(evidence: Evidence, found: Triage, masking: Masking | None = None) -> dict[str, Any]:
    """`columns`, and `rows` in the order in which they are to be shown, as JSON takes them.

    Args:
        masking: masks the values before they are cut.
    """
    rows: list[list[Any]] = []
    left = BYTES
    query = f"""SELECT d.difference, d.state, d.grade, d.class, d."group", d.object, d.key, e.source_id,
        coalesce(d.id, e.target_id) AS target_id, d.field, d.expected, d.found, d.checks
        FROM (SELECT *, row_number() OVER (PARTITION BY "group" ORDER BY difference) AS nth
            FROM {found.table}) AS d
        LEFT JOIN (SELECT entry, key, any_value(source_id) AS source_id, any_value(target_id) AS target_id
            FROM {evidence.ends} GROUP BY entry, key) AS e ON e.key = d.key AND e.entry = d.object
        WHERE d.grade <> {text(KNOWN)} OR d.nth <= {EXPLAINED}
        ORDER BY CASE d.grade WHEN {text(KNOWN)} THEN d.nth + 20 ELSE d.nth END,
            CASE d.grade WHEN {text(FAIL)} THEN 0 WHEN {text(WARN)} THEN 1 ELSE 2 END, d.difference
        LIMIT {ROWS}"""
    for batch in evidence.engine.stream(query, rows=500):
        for row in batch.to_pylist():
            made = masking.row(str(row["object"]), row) if masking else row
            made["expected"], made["found"] = beside(made["expected"], made["found"])
            line = [made[name] for name in COLUMNS]
            left -= len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
            if left < 0:
                break
            rows.append(line)
        if left < 0:
            break
    return {"columns": list(COLUMNS), "rows": rows}


def beside(expected: str | None, found: str | None) -> tuple[str | None, str | None]:
    """Both sides short enough to be read, from shortly before where they begin to differ."""
    start = 0
    if expected and found and max(len(expected), len(found)) > SHOWN:
        pairs = enumerate(zip(expected, found, strict=False))
        same = next((at for at, (old, new) in pairs if old != new), min(len(expected), len(found)))
        start = max(same - BEFORE, 0)
    return _cut(expected, start), _cut(found, start)


def _cut(value: str | None, start: int) -> str | None:
    if value is None or (len(value) <= SHOWN and not start):
        return value
    piece = value[start : start + SHOWN]
    rest = "…" if start + SHOWN < len(value) else ""
    return f"{'…' if start else ''}{piece}{rest} ({len(value):,} signs)"


def addresses(evidence: Evidence) -> dict[str, dict[str, str]]:
    """The pattern of a record's page in the old and in the new system, by entry; `{id}` is its id."""
    found = {}
    for each in evidence.plan.model.objects:
        old, new = evidence.source.objects.get(each.source), evidence.target.objects.get(each.target)
        sides = {"old": old.url if old else None, "new": new.url if new else None}
        found[each.name] = {side: url for side, url in sides.items() if url}
    return found
