"""Did every picklist value and owner go where the map says? The matrix of source and target values.

Worked out from the extract and the target, past the transform: the source's value by the plan's own
expression, its home by the map's file, and what the target holds now. A cell that the map doesn't foresee
is a failure, unless the row check explains that very value (an automation, a person), the business
overrode it, or the record was adopted and kept its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.catalog import Field
from migrate.connector import owners_by_email
from migrate.engine import identifier, text
from migrate.errors import Position
from migrate.plan import parse_expression
from migrate.stages.crosswalk import latest_extracted
from migrate_validators.classes import Class
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.expected import sides
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.rows import differing

if TYPE_CHECKING:
    from migrate.plan.fields import FieldPlan
    from migrate.plan.models import ObjectPlan

ID = "picklists"
TITLE = "Picklist values and owners"
CELLS = 400  # lines of a matrix on the page


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an object that maps picklists or owners."""
    for each in evidence.moving:
        columns = sides(evidence, each).columns
        mapped = {
            name: field
            for name, field in each.fields.items()
            if (field.picklist or field.owner) and name in columns and field.python is None
        }
        if mapped:
            yield _object(evidence, each, mapped)


@dataclass(frozen=True)
class _Matrix:
    table: Table
    cells: int
    rows: int
    judged: int
    wrong: str  # query of the rows in cells that the map doesn't foresee


def _object(evidence: Evidence, each: ObjectPlan, mapped: dict[str, FieldPlan]) -> Result:
    matrices = [_matrix(evidence, each, name, field) for name, field in mapped.items()]
    union = " UNION ALL ".join(f"({matrix.wrong})" for matrix in matrices)
    kept = evidence.keep(f"{ID}.{each.name}", f"{union} ORDER BY field, key")
    compared = sum(matrix.rows for matrix in matrices)
    cells = sum(matrix.cells for matrix in matrices)
    judged = sum(matrix.judged for matrix in matrices)
    decisions: tuple[Decision, ...] = ()
    if not compared:
        verdict, summary = Verdict.EMPTY, "No value was compared."
    elif not kept.row_count and not judged:
        # A value that stayed is no proof of the map.
        verdict = Verdict.WARN
        summary = (
            f"The maps decide none of {many(compared, 'value')}: adopted or corrected records keep theirs."
        )
    elif kept.row_count:
        verdict, summary = (
            Verdict.FAIL,
            f"{kept.row_count:,} of {compared:,} values aren't where the map puts them.",
        )
        decisions = (
            Decision(
                Verdict.FAIL, f"{kept.row_count:,} values of {each.target} aren't where the map puts them",
                owner="Data owner", command=f"migrate diff {ID}.{each.name}",
            ),
        )  # fmt: skip
    else:
        verdict = Verdict.PASS
        summary = f"{many(compared, 'value')} compared, all where the maps put them."
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={
                "fields": len(matrices),
                "values": compared,
                "decided by the maps": judged,
                "pairs of old and new": cells,
                "wrong": kept.row_count,
            },
            tables=tuple(matrix.table for matrix in matrices),
            decisions=decisions,
        )
    )


def _matrix(evidence: Evidence, each: ObjectPlan, name: str, field: FieldPlan) -> _Matrix:
    two = sides(evidence, each)
    target = evidence.target_schema(each.target).fields[name]
    schema = evidence.source.objects[each.source]
    expression = parse_expression(field.origin, schema.fields, Position("plan.yaml"), owner=each.source)
    types = {one: sql_type(schema.fields[one]) for one in expression.inputs if one in schema.fields}
    staged = latest_extracted(evidence.store, each.source, types)
    homes = _homes(evidence, field, target)
    table = evidence.table(
        f"cells {each.name} {name}",
        f"""SELECT e.key, e.target_id AS id, CAST(s.v AS VARCHAR) AS was, f.v AS now, x.origin,
            h.value IS NOT NULL AS known, h.home
        FROM {evidence.ends} AS e
        JOIN (SELECT _id, TRY({expression.sql}) AS v FROM {staged}) AS s ON s._id = e.source_id
        JOIN (SELECT _key, CAST({identifier(name)} AS VARCHAR) AS v FROM {two.found}) AS f ON f._key = e.key
        JOIN {evidence.crosswalk} AS x ON x.key = e.key
        LEFT JOIN {homes} AS h ON h.value = CAST(s.v AS VARCHAR)
        WHERE e.entry = {text(each.name)}""",
    )
    overridden = [one.key for one in evidence.plan.overrides if one.field == name]
    listed = ", ".join(text(key) for key in overridden) or "''"
    kind = Class.OWNER if field.owner else Class.OPTION
    # A blank value has no home in a map; what becomes of it is the row check's business.
    decided = f"c.known AND c.origin <> 'adopt' AND c.key NOT IN ({listed})"
    blank = "c.was IS NULL AND c.now IS NULL AND c.origin <> 'adopt'"
    judged = int(evidence.one(f"SELECT count(*) AS n FROM {table} AS c WHERE ({decided}) OR ({blank})"))
    wrong = f"""SELECT c.key, c.id, {text(name)} AS field, '{kind}' AS class, c.home AS expected,
            c.now AS found, c.was AS old
        FROM {table} AS c WHERE {decided} AND c.home IS DISTINCT FROM c.now
        AND NOT EXISTS (SELECT 1 FROM {differing(evidence, each)} AS d
            WHERE d.key = c.key AND d.field = {text(name)})"""
    cells = evidence.rows(
        f"SELECT was, now, count(*) AS n FROM {table} GROUP BY was, now ORDER BY was NULLS FIRST, n DESC, now"
    )
    return _Matrix(
        _shown(evidence, each, target, cells), len(cells), sum(int(row["n"]) for row in cells), judged, wrong
    )


def _homes(evidence: Evidence, field: FieldPlan, target: Field) -> str:
    """A table (value, home) of what the map's file says, resolved against the target's catalog."""
    rows: dict[str, str | None] = {}
    if field.picklist:
        for value, home in evidence.plan.picklist(field.picklist).home.items():
            rows[value] = None if home is None else option_of(target, home)
    else:
        active = {mail: one.id for mail, one in owners_by_email(evidence.target.owners).items() if one.active}
        taker = active.get((field.inactive or "").lower())
        for owner in evidence.plan.owners(str(field.owner)).rows:
            home = active.get(owner.target_email.lower())
            rows[owner.source_id] = home if home and (owner.active or taker is None) else taker
    listed = [{"value": value, "home": home} for value, home in rows.items()]
    return evidence.texts(f"homes {target.name} {field.picklist or field.owner}", listed, ("value", "home"))


def option_of(field: Field, written: str) -> str:
    """The option's value that a map means: by value, else by a label that only one option has."""
    if any(option.value == written for option in field.options):
        return written
    labelled = {option.value for option in field.options if option.label == written}
    return labelled.pop() if len(labelled) == 1 else written


def _shown(evidence: Evidence, each: ObjectPlan, target: Field, cells: list[dict[str, Any]]) -> Table:
    names = {option.value: option.label for option in target.options}
    names |= {owner.id: owner.name for owner in evidence.target.owners} if target.owner else {}
    people = {owner.id: owner.name for owner in evidence.source.owners} if target.owner else {}
    rows = tuple(
        (
            people.get(row["was"], row["was"]) if row["was"] is not None else "(empty)",
            names.get(row["now"], row["now"]) if row["now"] is not None else "(empty)",
            int(row["n"]),
        )
        for row in cells[:CELLS]
    )
    more = f"The first {CELLS} of {len(cells):,} pairs." if len(cells) > CELLS else ""
    title = f"{target.label} ({each.fields[target.name].origin} to {target.name})"
    return Table(title, ("at the source", "in the target", "records"), rows, ("records",), more)
