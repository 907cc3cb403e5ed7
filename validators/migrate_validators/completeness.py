"""Is each field as well filled in the target as it was meant to be? Fill rates, old against new.

A value that the row check explains by an automation is that check's to report, and isn't told twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from migrate.engine import identifier
from migrate_validators.accepting import is_near, near
from migrate_validators.again import AUTOMATION
from migrate_validators.evidence import Evidence
from migrate_validators.expected import sides
from migrate_validators.model import Result, Table, Verdict
from migrate_validators.rows import differing
from migrate_validators.wording import share

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "completeness"
TITLE = "Fields as full as before"


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an object."""
    for each in evidence.moving:
        yield _object(evidence, each)


def _object(evidence: Evidence, each: ObjectPlan) -> Result:
    two = sides(evidence, each)
    fields = evidence.target_schema(each.target).fields
    counts = ", ".join(f"count({identifier(name)}) AS {identifier(name)}" for name in two.columns)
    counts = f"count(*) AS _rows{', ' if counts else ''}{counts}"
    old = evidence.rows(f"SELECT {counts} FROM {two.expected}")[0]
    new = evidence.rows(f"SELECT {counts} FROM {two.found}")[0]
    rows, short, fuller = [], [], []
    automatic = {
        str(row["field"]): int(row["more"])
        for row in evidence.rows(
            f"""SELECT field, count(*) FILTER (expected IS NULL) - count(*) FILTER (found IS NULL) AS more
            FROM {differing(evidence, each)} WHERE "by" = '{AUTOMATION}' GROUP BY field ORDER BY field"""
        )
    }
    for name in two.columns:
        was = _rate(old[name], old["_rows"])
        mine = _rate(int(new[name]) - automatic.get(name, 0), new["_rows"])
        label = fields[name].label
        rows.append(
            (
                f"{label} ({name})",
                share(int(old[name]), int(old["_rows"])),
                share(int(new[name]), int(new["_rows"])),
                int(new[name]) - int(old[name]),
            )
        )
        if is_near(near(evidence.plan, ID, each.name, name), Decimal(was), Decimal(mine)):
            continue
        if mine < was:
            short.append(label)
        elif mine > was:
            fuller.append(label)
    compared = int(old["_rows"])
    if not compared:
        verdict, summary = Verdict.EMPTY, "No row was compared."
    elif short or fuller:
        verdict = Verdict.WARN
        parts = [f"emptier than expected: {', '.join(short)}"] if short else []
        parts += [f"fuller than expected: {', '.join(fuller)}"] if fuller else []
        summary = f"Fields {'; '.join(parts)}."
    else:
        verdict, summary = Verdict.PASS, f"All {len(two.columns)} fields are as full as they should be."
    columns = ("field", "expected", "in the target", "rows more or less")
    return Result(
        id=f"{ID}.{each.name}", check=ID, object=each.name, title=f"{TITLE}: {each.target}",
        verdict=verdict, summary=summary, compared=compared,
        figures={"rows": compared, "fields": len(two.columns)},
        tables=(Table("Share of rows with a value", columns, tuple(rows), columns[1:]),),
    )  # fmt: skip


def _rate(count: int, of: int) -> float:
    return count / of if of else 0.0
