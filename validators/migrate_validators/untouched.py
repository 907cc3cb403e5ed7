"""Are the records that were there before us as they were, but for what the plan maps?

A record that was adopted belongs to somebody. Every field of it that the plan doesn't fill and that could be
written is compared with the baseline, which was taken before our first write. A difference that stays after
the target has settled is listed with its class. Who may have done it is what the target's history says: a
person or an automation at work since then is told as a warning; another program, we ourselves, or nobody
whom the history names is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from migrate.diff import DIFFERS, diff
from migrate.engine import identifier, parquet, text
from migrate.plan.needs import written_fields
from migrate.stages.readback import from_wire
from migrate.types import Kind
from migrate_validators.again import AUTOMATION, MOST, PERSON, UNKNOWN, Author, authors, read_again
from migrate_validators.classes import FAIL, WARN
from migrate_validators.classing import class_sql
from migrate_validators.evidence import Evidence
from migrate_validators.expected import canonical
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.wording import label

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "untouched"
TITLE = "Records that were there before: fields that nobody mapped"
LOT = 1_000
_NOW = pa.schema([(name, pa.string()) for name in ("id", "field", "now", "who", "writer", "written")])


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry of whose records some were there before."""
    for each in evidence.moving:
        adopted = _adopted(evidence, each)
        if evidence.one(f"SELECT count(*) AS n FROM {adopted}"):
            yield _entry(evidence, each, adopted)


def _adopted(evidence: Evidence, each: ObjectPlan) -> str:
    return f"""(SELECT key, target_id AS id FROM {evidence.crosswalk}
        WHERE origin = 'adopt' AND {evidence.owns(each, "key")})"""


def others_of(evidence: Evidence, object: str, staged: Sequence[str]) -> list[str]:
    """The fields of a target object that no entry of the plan fills and that somebody could write."""
    fields = evidence.target_schema(object).fields
    mapped = {
        name for each in evidence.plan.model.objects if each.target == object for name in written_fields(each)
    }
    return [
        name
        for name in staged
        if name in fields
        and name not in mapped
        and fields[name].updateable
        and not fields[name].calculated
        and fields[name].kind is not Kind.BINARY
    ]


def _entry(evidence: Evidence, each: ObjectPlan, adopted: str) -> Result:
    folder = evidence.baseline.get(each.target)
    manifest = evidence.store.manifest(folder) if folder else None
    files = evidence.store.files(manifest) if manifest else []
    names = others_of(evidence, each.target, pq.read_schema(files[0]).names if files else [])
    compared, table = _differing(evidence, each, adopted, files, names) if names else (0, "")
    values = compared * len(names)
    result = Result(
        id=f"{ID}.{each.name}", check=ID, object=each.name, title=f"{TITLE}: {each.target}",
        verdict=Verdict.EMPTY, summary="Nothing was compared: there is no baseline with such fields.",
        compared=values,
        figures={"records that were there before": compared, "fields a record": len(names),
                 "values compared": values},
    )  # fmt: skip
    if not values:
        return result
    kept = evidence.keep(f"{ID}.{each.name}", f"SELECT * FROM {table} ORDER BY class, key, field")
    by = evidence.rows(
        f"""SELECT field, class, "by", count(*) AS n FROM {table}
        GROUP BY ALL ORDER BY n DESC, field, class, "by" LIMIT 100"""
    )
    fields = evidence.target_schema(each.target).fields
    lines = tuple((label(fields, row["field"]), row["class"], row["by"], int(row["n"])) for row in by)
    records = int(evidence.one(f"SELECT count(DISTINCT key) AS n FROM {table}"))
    shown: dict[str, Any] = {"values that differ": kept.row_count, "of them not explained": kept.failing}
    verdict = Verdict.FAIL if kept.failing else Verdict.WARN if kept.row_count else Verdict.PASS
    summary = (
        f"{many(kept.row_count, 'value')} of {records:,} of {many(compared, 'record')} changed since the "
        f"baseline; {kept.failing:,} by nobody whom the target's history knows as a person or an automation."
        if kept.row_count
        else f"All {compared:,} records are as they were, in {many(len(names), 'field')}."
    )
    decision = Decision(
        verdict, f"{each.target}: {summary}",
        owner="Migration engineer" if kept.failing else "Data owner",
        where="We write none of these fields: look at their history in the target",
        command=f"migrate diff {ID}.{each.name}",
    )  # fmt: skip
    return kept.on(
        Result(
            id=result.id, check=ID, object=each.name, title=result.title, verdict=verdict, summary=summary,
            compared=values, figures=result.figures | shown,
            decisions=(decision,) if lines else (),
            tables=(Table("By field", ("field", "what", "written by", "values"), lines, ("values",)),)
            if lines
            else (),
        )
    )  # fmt: skip


def _differing(
    evidence: Evidence, each: ObjectPlan, adopted: str, files: Sequence[str], names: Sequence[str]
) -> tuple[int, str]:
    """How many records were compared, and the table of the values that differ and stay so."""
    fields = evidence.target_schema(each.target).fields
    now = _read(evidence, each, adopted, names)
    ours = f"SELECT id FROM {adopted}"
    sides = []
    for rows, wire in ((f"SELECT * FROM {parquet(files)} WHERE _id IN ({ours})", False), (now, True)):
        columns = []
        for name in names:
            value = identifier(name)
            typed = from_wire(value, fields[name]) if wire else value
            columns.append(f"{canonical(typed, fields[name], rules=False)} AS {value}")
        source = now if wire else f"({rows})"
        side = "now" if wire else "before"
        sides.append(
            evidence.table(f"untouched {side} {each.name}", f"SELECT _id, {', '.join(columns)} FROM {source}")
        )
    before, after = sides
    compared = int(evidence.one(f"SELECT count(*) AS n FROM {before} SEMI JOIN {after} USING (_id)"))
    table = evidence.table(
        f"untouched again {each.name}",
        f"SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in _NOW.names)} WHERE false",
    )
    evidence.progress(f"compare {each.name} with the baseline", 0, 0)
    with diff(evidence.engine, before, after, "_id", list(names)) as found:
        reread = found.differing <= MOST
        if reread:
            query = f"""SELECT key AS id, list(field) AS fields FROM {found.table}
                WHERE class = '{DIFFERS}' GROUP BY key ORDER BY key"""
            for batch in evidence.engine.stream(query, rows=LOT):
                if batch.num_rows:
                    evidence.engine.insert(table, _look(evidence, each.target, batch.to_pylist()))
        return compared, evidence.table(
            f"untouched {each.name}", _stayed(evidence, each, adopted, names, found.table, table, reread)
        )


def _stayed(
    evidence: Evidence, each: ObjectPlan, adopted: str, names: Sequence[str], found: str, again: str,
    reread: bool,
) -> str:  # fmt: skip
    fields = {name: evidence.target_schema(each.target).fields[name] for name in names}
    shown = " ".join(
        f"WHEN {text(name)} THEN CAST({canonical(from_wire('n.now', field), field, rules=False)} AS VARCHAR)"
        for name, field in fields.items()
    )
    now = f"CASE d.field {shown} END"
    value = f'CASE WHEN n.id IS NULL THEN d."right" ELSE {now} END'
    side = f"""(SELECT target_id AS id, map_keys("after") AS fields FROM {evidence.journal}
        WHERE kind = 'side' AND op <> 'link' AND map_keys("after") IS NOT NULL)"""
    stays = f'AND (n.id IS NULL OR {now} IS DISTINCT FROM d."left")' if reread else ""
    rows = f"""SELECT a.key, d.key AS id, d.field, d."left" AS expected, {value} AS found,
        CASE WHEN nullif(n.who, '{UNKNOWN}') IS NOT NULL THEN n.who
            WHEN EXISTS (SELECT 1 FROM {side} AS s WHERE s.id = d.key AND list_contains(s.fields, d.field))
            THEN '{AUTOMATION}' ELSE '{UNKNOWN}' END AS "by",
        coalesce(n.writer, '') AS writer, coalesce(n.written, '') AS written
        FROM {found} AS d JOIN {adopted} AS a ON a.id = d.key
        LEFT JOIN {again} AS n ON n.id = d.key AND n.field = d.field
        WHERE d.class = '{DIFFERS}' {stays}"""
    of_value = class_sql(fields, (), "s.field", "s.expected", "s.found")
    return f"""SELECT s.key, s.id, s.field, {of_value} AS class,
        CASE WHEN s."by" IN ('{AUTOMATION}', '{PERSON}') THEN '{WARN}' ELSE '{FAIL}' END AS grade,
        s.expected, s.found, s."by", s.writer, s.written FROM ({rows}) AS s"""


def _read(evidence: Evidence, each: ObjectPlan, adopted: str, names: Sequence[str]) -> str:
    """Table (_id, fields as wire texts) of the adopted records as they are now, read by id in lots."""
    schema = pa.schema([(name, pa.string()) for name in ("_id", *names)])
    table = evidence.table(
        f"untouched read {each.name}",
        f"SELECT {', '.join(f'NULL::VARCHAR AS {identifier(name)}' for name in schema.names)} WHERE false",
    )
    for batch in evidence.engine.stream(f"SELECT DISTINCT id FROM {adopted} ORDER BY id", rows=LOT):
        if not batch.num_rows:
            continue
        ids = batch.column(0).to_pylist()
        held = evidence.connector.read_back(each.target, list(names), ids=ids)
        rows = [
            {"_id": one.asked, **{name: one.values.get(name) for name in names}}
            for one in held
            if one.id == one.asked and not one.archived
        ]
        evidence.engine.insert(table, pa.Table.from_pylist(rows, schema=schema))
    return table


def _look(evidence: Evidence, object: str, lot: Sequence[dict[str, Any]]) -> pa.Table:
    """What the differing fields of these records hold now, and who wrote them."""
    names = sorted({name for row in lot for name in row["fields"]})
    wanted = {str(row["id"]): list(row["fields"]) for row in lot}
    now = read_again(evidence, object, list(wanted), names)
    known = authors(evidence, object, {id: fields for id, fields in wanted.items() if id in now})
    rows = []
    for id, fields in wanted.items():
        for name in fields if id in now else ():
            author = known.get((id, name), Author(UNKNOWN))
            rows.append({"id": id, "field": name, "now": now[id].get(name), "who": author.who,
                         "writer": author.name, "written": author.at})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=_NOW)
