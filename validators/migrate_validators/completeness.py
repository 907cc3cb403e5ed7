"""Is each field as well filled in the target as it was meant to be? Fill rates, old against new.

Of the records that were loaded, three rates a field: at the source (the plan's own expression, before any
map), expected (after maps, defaults and merges), and in the target. Where a field differs, also by the owner
and the record type that the record had at the source. A value that the row check explains by an automation is
that check's to report, and isn't told twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from migrate.engine import identifier
from migrate_validators.accepting import is_near, near
from migrate_validators.again import AUTOMATION
from migrate_validators.evidence import Evidence
from migrate_validators.expected import Sides, sides
from migrate_validators.model import Result, Table, Verdict
from migrate_validators.origins import as_text, original, origins
from migrate_validators.rows import differing
from migrate_validators.wording import share

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan

ID = "completeness"
TITLE = "Fields as full as before"
GROUPS = 200  # of an owner or a record type that are looked at, the largest first
LINES = 60  # of a table on the page


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
    source = _source(evidence, each, two)
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
                share(source[name], int(old["_rows"])) if name in source else "–",
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
    columns = ("field", "at the source", "expected", "in the target", "rows more or less")
    tables = [Table("Share of rows with a value", columns, tuple(rows), columns[1:])]
    if any(row[-1] for row in rows):
        tables += _by_group(evidence, each, two)
    return Result(
        id=f"{ID}.{each.name}", check=ID, object=each.name, title=f"{TITLE}: {each.target}",
        verdict=verdict, summary=summary, compared=compared,
        figures={"rows": compared, "fields": len(two.columns)},
        tables=tuple(tables),
    )  # fmt: skip


def _rate(count: int, of: int) -> float:
    return count / of if of else 0.0


def _source(evidence: Evidence, each: ObjectPlan, two: Sides) -> dict[str, int]:
    """How many of the loaded records had a value at the source, by target field; of those that it tells."""
    told = {name: made.sql for name, made in origins(evidence, each).items() if name in two.columns}
    if not told:
        return {}
    filled = ", ".join(
        f"count(nullif({as_text(identifier(name))}, '[]')) AS {identifier(name)}" for name in told
    )
    rows = original(evidence, each, told, f"e.key IN (SELECT _key FROM {two.expected})")
    return {name: int(n) for name, n in evidence.rows(f"SELECT {filled} FROM {rows}")[0].items()}


def _by_group(evidence: Evidence, each: ObjectPlan, two: Sides) -> Iterator[Table]:
    """Fields of groups that are fuller or emptier than expected, by what the source groups records by."""
    fields = evidence.target_schema(each.target).fields
    source = evidence.source.objects[each.source].fields
    for title, by in _groupings(source):
        rows = original(evidence, each, {"_g": f"CAST({identifier(by)} AS VARCHAR)"})
        counts = ", ".join(
            f"count(e.{one}) AS {identifier(f'was {name}')}, count(f.{one}) AS {identifier(f'now {name}')}"
            for name in two.columns
            for one in [identifier(name)]
        )
        differs = " OR ".join(f"count(e.{one}) <> count(f.{one})" for one in map(identifier, two.columns))
        found = evidence.rows(
            f"""SELECT o._g, count(DISTINCT e._key) AS _n, {counts} FROM {rows} AS o
            JOIN {two.expected} AS e ON e._key = o._key LEFT JOIN {two.found} AS f ON f._key = o._key
            GROUP BY o._g HAVING {differs} ORDER BY _n DESC, o._g LIMIT {GROUPS}"""
        )
        names = {owner.id: owner.name for owner in evidence.source.owners}
        lines = [
            (
                names.get(row["_g"], row["_g"] or "(none)"),
                f"{fields[name].label} ({name})",
                share(int(row[f"was {name}"]), int(row["_n"])),
                share(int(row[f"now {name}"]), int(row["_n"])),
                int(row[f"now {name}"]) - int(row[f"was {name}"]),
            )
            for row in found
            for name in two.columns
            if row[f"was {name}"] != row[f"now {name}"]
        ]
        more = f"The first {LINES} of {len(lines):,} lines." if len(lines) > LINES else ""
        if lines:
            columns = (title, "field", "expected", "in the target", "rows more or less")
            yield Table(f"Where it differs, by {title}", columns, tuple(lines[:LINES]), columns[2:], more)


def _groupings(fields: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    """The source's owner, and what it calls a record's type or pipeline."""
    owner = next((name for name, field in fields.items() if field.owner), None)
    deciding = {field.within for field in fields.values() if field.within}
    kind = next(
        (name for name, field in fields.items() if "RecordType" in field.references or name in deciding), None
    )
    if owner is not None:
        yield "owner", owner
    if kind is not None:
        yield "record type", kind
