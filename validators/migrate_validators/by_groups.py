"""How many records has each owner, stage, pipeline and year, before and after? Counted by group, exact.

By the target's fields that the plan names (`validate: groups:`), else by owner, by pipeline and stage, and by
the year in which the source made the record. At the source: all extracted records, each in the group where it
is expected now; one that didn't become a record of its own where others with its value went. What is found is
counted in the target, read anew. A group that differs is red by itself only where the row check names none of
its records: then the two ways of counting contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from migrate.engine import identifier, text
from migrate.types import Kind
from migrate_validators.again import MOST, read_again
from migrate_validators.classes import FAIL, Class
from migrate_validators.evidence import Evidence
from migrate_validators.expected import Sides, shown_of, sides
from migrate_validators.keeping import Kept
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.origins import original, origins
from migrate_validators.rows import differing

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan

ID = "counts"
LINES = 60  # of a table on the page
NOBODY = "(empty)"
_LOOKED = pa.schema([("key", pa.string()), ("id", pa.string()), ("now", pa.string())])


@dataclass(frozen=True)
class _Group:
    """`old`: at the source, `left` of them became no record of their own. None: the source doesn't say."""

    name: str
    old: int | None
    left: int | None
    expected: int
    found: int
    strange: int


def grouped(evidence: Evidence, each: ObjectPlan) -> Result | None:
    """The counts of an entry's records by group; None where there is nothing to group by, or only a part."""
    if evidence.part is not None:
        return None
    two = sides(evidence, each)
    fields = [name for name in _chosen(evidence, each) if name in two.columns and name not in two.unsure]
    if not fields:
        return None
    schema = evidence.target_schema(each.target)
    groups = {name: _groups(evidence, each, two, schema.fields[name]) for name in fields}
    off = {name: [one for one in found if one.found != one.expected] for name, found in groups.items()}
    differ = sum(map(len, off.values()))
    kept = _keep(evidence, each, off)
    compared = int(evidence.one(f"SELECT count(*) AS n FROM {two.expected}"))
    number = sum(map(len, groups.values()))
    decisions: tuple[Decision, ...] = ()
    if not compared:
        verdict, summary = Verdict.EMPTY, "No record was counted."
    elif kept.failing:
        verdict = Verdict.FAIL
        summary = (
            f"{many(kept.failing, 'group')} of {number:,} differ, and no row that is listed explains it."
        )
        decisions = (
            Decision(
                Verdict.FAIL, f"{each.target}: {many(kept.failing, 'group')} with other counts",
                owner="Migration engineer", command=f"migrate diff {ID}.{each.name}.groups",
            ),
        )  # fmt: skip
    elif differ:
        verdict = Verdict.WARN
        summary = f"{many(differ, 'group')} of {number:,} differ, by rows that `rows` lists one by one."
    else:
        verdict, summary = (
            Verdict.PASS,
            f"{many(number, 'group')} of {many(compared, 'record')} are as they were.",
        )
    return kept.on(
        Result(
            id=f"{ID}.{each.name}.groups",
            check=ID,
            object=each.name,
            title=f"Records by group: {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={"records": compared, "groups": number, "groups that differ": differ,
                     "of them without a row that explains it": kept.failing},
            tables=tuple(_table(evidence, schema.fields[name], found) for name, found in groups.items()),
            decisions=decisions,
        )
    )  # fmt: skip


def _chosen(evidence: Evidence, each: ObjectPlan) -> Sequence[str]:
    """The target fields to group by: the plan's, else those that every business counts by."""
    asked = evidence.plan.model.validate_.groups.get(each.name)
    if asked is not None:
        return asked
    fields = evidence.target_schema(each.target).fields
    there = {name: fields[name] for name in each.fields if name in fields}
    deciding = {field.within for field in there.values() if field.within}
    created = evidence.source.objects[each.source].created
    told = origins(evidence, each)
    return [
        name
        for name, field in there.items()
        if field.owner
        or name in deciding
        or any(option.parent for option in field.options)
        or (field.kind in (Kind.DATE, Kind.TIMESTAMP) and name in told and created in told[name].inputs)
    ]


def _cell(value: str, field: Field) -> str:
    """SQL of a value's group."""
    if field.kind in (Kind.DATE, Kind.TIMESTAMP):
        return f"CAST(year({value}) AS VARCHAR)"
    if field.kind is Kind.MULTIPICKLIST:
        return f"array_to_string(list_sort({value}), ';')"
    return f"CAST({value} AS VARCHAR)"


def _groups(evidence: Evidence, each: ObjectPlan, two: Sides, field: Field) -> list[_Group]:
    cell = _cell(identifier(field.name), field)
    expected = f"(SELECT _key, _id, {cell} AS g FROM {two.expected})"
    found = f"(SELECT _key, _id, {cell} AS g FROM {two.found})"
    odd = _odd(evidence, each, field, expected, found)
    found = f"""(SELECT g FROM {found} AS f ANTI JOIN {odd} AS r ON r.key = f._key
        UNION ALL SELECT g FROM {odd} WHERE there)"""
    left = f"(SELECT * FROM {odd} WHERE NOT (wanted AND there AND g IS NOT DISTINCT FROM was))"
    strange = f"(SELECT was AS g FROM {left} WHERE wanted UNION ALL SELECT g FROM {left} WHERE there)"
    old = _old(evidence, each, field, expected)
    rows = evidence.rows(
        f"""SELECT g, sum(old)::BIGINT AS old, sum(gone)::BIGINT AS gone, sum(expected)::BIGINT AS expected,
            sum(found)::BIGINT AS found, sum(strange)::BIGINT AS strange FROM (
            SELECT g, count(*) AS old, count(*) FILTER (NOT loaded) AS gone, 0 AS expected, 0 AS found,
                0 AS strange FROM {old} GROUP BY g
            UNION ALL SELECT g, 0, 0, count(*), 0, 0 FROM {expected} GROUP BY g
            UNION ALL SELECT g, 0, 0, 0, count(*), 0 FROM {found} GROUP BY g
            UNION ALL SELECT g, 0, 0, 0, 0, count(*) FROM {strange} GROUP BY g)
        GROUP BY g ORDER BY g NULLS FIRST"""
    )
    known = field.name in origins(evidence, each)
    return [
        _Group(
            NOBODY if row["g"] is None else str(row["g"]),
            int(row["old"]) if known else None, int(row["gone"]) if known else None,
            int(row["expected"]), int(row["found"]), int(row["strange"]),
        )
        for row in rows
    ]  # fmt: skip


def _old(evidence: Evidence, each: ObjectPlan, field: Field, expected: str) -> str:
    """Table (g, loaded) of the extracted records that the plan doesn't skip."""
    name = f"groups old {each.name} {field.name}"
    told = origins(evidence, each).get(field.name)
    if told is None:
        return evidence.table(name, "SELECT NULL::VARCHAR AS g, false AS loaded WHERE false")
    plan = each.fields[field.name]
    mapped = bool(plan.picklist or plan.owner or plan.reference)
    rows = evidence.table(
        f"{name} values",
        f"""SELECT CAST(o.v AS VARCHAR) AS s, {"NULL" if mapped else _cell("o.v", field)} AS own,
            e._key IS NOT NULL AS loaded, e.g
        FROM {original(evidence, each, {"v": told.sql}, "e.outcome <> 'skipped'")} AS o
        LEFT JOIN {expected} AS e ON e._key = o._key""",
    )
    return evidence.table(
        name,
        f"""SELECT CASE WHEN r.loaded THEN r.g ELSE coalesce(h.g, r.own) END AS g, r.loaded FROM {rows} AS r
        LEFT JOIN (SELECT s, mode(g) AS g FROM {rows} WHERE loaded AND s IS NOT NULL GROUP BY s) AS h
            ON h.s = r.s""",
    )


def _odd(evidence: Evidence, each: ObjectPlan, field: Field, expected: str, found: str) -> str:
    """Table of the records that stand elsewhere and that `rows` doesn't name, as they are on a second look.

    `key`; `wanted` in the group `was`; `there` in the group `g`.
    """
    name = f"groups odd {each.name} {field.name}"
    rows = evidence.table(
        f"{name} rows",
        f"""SELECT coalesce(e._key, f._key) AS key, coalesce(f._id, e._id) AS id, e.g AS was, f.g AS now,
            e._key IS NOT NULL AS wanted, f._key IS NOT NULL AS there
        FROM {expected} AS e FULL JOIN {found} AS f ON f._key = e._key
        WHERE (e.g IS DISTINCT FROM f.g OR e._key IS NULL OR f._key IS NULL)
        AND NOT EXISTS (SELECT 1 FROM {differing(evidence, each)} AS d
            WHERE d.key = coalesce(e._key, f._key) AND (d.field = {text(field.name)} OR d.field IS NULL))""",
    )
    return evidence.table(
        name,
        f"""SELECT r.key, r.wanted, r.was, r.there OR n.key IS NOT NULL AS there,
            CASE WHEN n.key IS NULL THEN r.now ELSE n.g END AS g
        FROM {rows} AS r LEFT JOIN {_now(evidence, each, field, rows)} AS n ON n.key = r.key""",
    )


def _now(evidence: Evidence, each: ObjectPlan, field: Field, rows: str) -> str:
    """Table (key, g) of these records on a second look; of very many none is taken."""
    ids = evidence.rows(f"SELECT key, id FROM {rows} WHERE id IS NOT NULL ORDER BY key LIMIT {MOST + 1}")
    looked = evidence.table(
        f"groups again {each.name} {field.name}",
        "SELECT NULL::VARCHAR AS key, NULL::VARCHAR AS id, NULL::VARCHAR AS now WHERE false",
    )
    if ids and len(ids) <= MOST:
        values = read_again(evidence, each.target, [str(row["id"]) for row in ids], [field.name])
        arrow = pa.Table.from_pylist(
            [{**row, "now": values[row["id"]].get(field.name)} for row in ids if row["id"] in values],
            schema=_LOOKED,
        )
        evidence.engine.insert(looked, arrow)
    shown = shown_of(evidence, each, field.name, "n.now", wire=True)
    return f"(SELECT n.key, {_cell(shown, field)} AS g FROM {looked} AS n)"


def _keep(evidence: Evidence, each: ObjectPlan, off: dict[str, list[_Group]]) -> Kept:
    rows = [
        {"id": each.target, "field": f"{name}: {one.name}", "class": Class.COUNT.value, "grade": FAIL,
         "expected": str(one.expected), "found": str(one.found)}
        for name, groups in off.items()
        for one in groups
        if one.strange
    ]  # fmt: skip
    return evidence.keep_few(
        f"{ID}.{each.name}.groups", rows, ("id", "field", "class", "grade", "expected", "found")
    )


def _table(evidence: Evidence, field: Field, groups: Sequence[_Group]) -> Table:
    """Groups that differ first, then the largest."""
    names = {option.value: option.label for option in field.options}
    names |= {owner.id: owner.name for owner in evidence.target.owners} if field.owner else {}
    ordered = sorted(groups, key=lambda one: (one.found == one.expected, -one.expected, one.name))
    rows: list[tuple[Any, ...]] = [
        (names.get(one.name, one.name), _known(one.old), _known(one.left), one.expected, one.found,
         one.found - one.expected)
        for one in ordered[:LINES]
    ]  # fmt: skip
    columns = (
        "group",
        "at the source",
        "not a record of their own",
        "expected",
        "in the target",
        "difference",
    )
    note = f"The first {LINES} of {len(groups):,} groups." if len(groups) > LINES else ""
    kind = ", by year" if field.kind in (Kind.DATE, Kind.TIMESTAMP) else ""
    return Table(f"Records by {field.label} ({field.name}){kind}", columns, tuple(rows), columns[1:], note)


def _known(number: int | None) -> int | str:
    return "–" if number is None else number
