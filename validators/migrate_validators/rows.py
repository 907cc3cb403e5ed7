"""Does every mapped field of every loaded row hold what it should? All rows, no sampling.

Expected values are worked out again from what was staged (`expected.py`), the target's are read anew. A
difference counts only when it is still there after the target has settled. What happened to the value is its
class (`classing.py`); who wrote it last, where the target keeps history, stands beside it: an automation's
value is a warning with who and when, and so is what a repair has held because somebody had changed it; any
other person's edit is listed as theirs, anything else is a failure. Where the target has records that its
listing left out, what was read is not the whole, and the check is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from migrate.diff import DUPLICATE, ONLY_LEFT, ONLY_RIGHT, Differences, diff
from migrate.engine import identifier, text
from migrate_validators.again import (
    AUTOMATION,
    HELD,
    MOST,
    OURS,
    PERSON,
    PROGRAM,
    UNKNOWN,
    Author,
    Values,
    authors,
    read_again,
)
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.classing import class_sql
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.expected import Sides, shown_of, sides
from migrate_validators.leading import leading
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.wording import label, moment

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "rows"
TITLE = "Every mapped field of every row"
LOT = 1_000
THERE = "there"  # what a look by id says of a record that the listing didn't hold

_NOW = "now {}"
_FOUND = pa.schema(
    [(name, pa.string()) for name in ("key", "id", "field", "now", "who", "name", "at")]
)  # fmt: skip


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an object."""
    for each in evidence.moving:
        yield _object(evidence, each)


def _object(evidence: Evidence, each: ObjectPlan) -> Result:
    two = sides(evidence, each)
    table = differing(evidence, each)
    compared = int(
        evidence.one(f"SELECT count(*) AS n FROM {two.expected} SEMI JOIN {two.found} USING (_key)")
    )
    values = compared * len(two.columns)
    classes: Counter[str] = Counter()
    harmless = 0
    held = int(evidence.one(f"""SELECT count(*) AS n FROM {table} WHERE "by" = '{HELD}'"""))
    for row in evidence.rows(
        f"SELECT class, grade, count(*) AS n FROM {table} GROUP BY class, grade ORDER BY class, grade"
    ):
        classes[str(row["class"])] += int(row["n"])
        harmless += int(row["n"]) if row["grade"] == WARN else 0
    unsure = ", ".join(two.unsure)
    kept = evidence.keep(
        f"{ID}.{each.name}",
        f"SELECT * FROM {table} ORDER BY class, key, field",
    )
    records = int(evidence.one(f"SELECT count(DISTINCT key) AS n FROM {table}"))
    figures: dict[str, Any] = {
        "rows compared": compared,
        "fields a row": len(two.columns),
        "values compared": values,
        "rows that differ": records,
        **dict(sorted(classes.items())),
    }
    if unsure:
        figures["not compared for adopted records"] = unsure
    home = int(
        evidence.one(
            f"""SELECT count(*) AS n FROM {evidence.crosswalk}
            WHERE {evidence.owns(each, "key")} AND NOT {evidence.ours("key")}"""
        )
    )
    if home:
        figures["at home in the target, not compared"] = home
    decisions = list(_decisions(evidence, each, table))
    if left_out := int(
        evidence.one(
            f"""SELECT count(*) AS n FROM {_now(evidence, each)} AS n
            ANTI JOIN {evidence.found(each.target)} AS f ON f._id = n.id WHERE n.who = '{THERE}'"""
        )
    ):
        verdict = Verdict.ERROR
        summary = f"{many(left_out, 'record')} of ours weren't in what the target listed, and are there by id"
        figures["left out of the listing"] = left_out
        decisions.append(
            Decision(
                Verdict.ERROR, f"{each.target}: {summary}", owner="Migration engineer",
                where="Their values weren't compared: read the target again", command="migrate validate",
            )
        )  # fmt: skip
    elif not compared and not kept.row_count and home:
        verdict, summary = Verdict.WARN, f"All {many(home, 'record')} are at home in the target."
    elif not compared and not kept.row_count:
        verdict, summary = Verdict.EMPTY, "No row was compared."
    elif sum(classes.values()) > harmless:
        verdict = Verdict.FAIL
        kinds = ", ".join(f"{name}: {number:,}" for name, number in classes.most_common())
        summary = f"{records:,} of {many(compared, 'row')} differ ({kinds})"
    elif harmless:
        verdict = Verdict.WARN
        whose = "a value was written by an automation of the target" if harmless > held else ""
        kept_back = "a value is held by a repair, for somebody had changed it" if held else ""
        summary = f"{records:,} of {many(compared, 'row')}: {', or '.join(filter(None, (whose, kept_back)))}."
    elif two.unsure:
        verdict, summary = (
            Verdict.WARN,
            f"All {compared:,} rows agree; {unsure} of adopted ones isn't compared.",
        )
    else:
        verdict, summary = Verdict.PASS, f"All {compared:,} rows agree in all {len(two.columns)} fields."
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.target}",
            verdict=verdict,
            summary=summary.rstrip(".") + ".",
            compared=compared,
            figures=figures,
            tables=_tables(evidence, each, table) if kept.row_count else (),
            decisions=tuple(decisions),
        )
    )


def differing(evidence: Evidence, each: ObjectPlan) -> str:
    """Table of the differences that stayed, with their explanation; made once a validation.

    Columns: key, id, field (null: the whole record), class, grade, expected, found; by (one of `again`'s
    words for authors, empty where it isn't about a value), writer (its name), written (when).
    """
    return evidence.once(("differing", each.name), lambda: _differing(evidence, each))


def _differing(evidence: Evidence, each: ObjectPlan) -> str:
    two = sides(evidence, each)
    evidence.progress(f"compare {each.name}", 0, 0)
    with diff(evidence.engine, two.expected, two.found, "_key", two.columns) as differences:
        query = _explained(evidence, each, two, differences)
        return evidence.table(f"differing {each.name}", query)


_BY = {
    AUTOMATION: "an automation",
    PERSON: "a person",
    PROGRAM: "another program",
    OURS: "us",
    UNKNOWN: "nobody that the target names",
    HELD: "somebody; a repair holds it",
}


def _explained(evidence: Evidence, each: ObjectPlan, two: Sides, differences: Differences) -> str:
    """A query of the differences that stayed, columns as of `differing`.

    Each record that differs is read again in lots, so that memory stays bounded.
    """
    fields = evidence.target_schema(each.target).fields
    found = evidence.table(
        _NOW.format(each.name),
        "SELECT "
        + ", ".join(f"NULL::VARCHAR AS {identifier(name)}" for name in _FOUND.names)
        + " WHERE false",
    )
    reread = differences.only_left + differences.differing <= MOST
    if reread:
        for lot in _lots(evidence, two, differences):
            table = _look(evidence, each, lot)
            evidence.engine.insert(found, table)
    typed = {name: shown_of(evidence, each, name, "n.now", wire=True) for name in two.columns}
    cases = " ".join(f"WHEN {text(name)} THEN CAST({sql} AS VARCHAR)" for name, sql in typed.items())
    now = f"CASE d.field {cases} END" if two.columns else "NULL"
    stayed = f'(n.key IS NULL OR {now} IS DISTINCT FROM d."left")' if reread else "true"
    sides_of = f"""(SELECT key, map_keys("after") AS fields FROM {evidence.journal}
        WHERE kind = 'side' AND op <> 'link' AND map_keys("after") IS NOT NULL AND key <> '')"""
    found_now = f'CASE WHEN n.key IS NULL THEN d."right" ELSE {now} END'
    decimals = [name for name in two.columns if sql_type(fields[name]).startswith("DECIMAL")]
    # A record that is listed under our id and not under its key has lost the key.
    unkeyed = f"""(SELECT d.key, f._key AS bears FROM {differences.table} AS d
        JOIN {two.expected} AS e ON e._key = d.key
        JOIN {evidence.found(each.target)} AS f ON f._id = e._id WHERE d.class = '{ONLY_LEFT}')"""
    remaining = f"""SELECT d.key, e._id AS id, d.class AS kind,
        CASE WHEN u.key IS NULL THEN d.field ELSE {text(each.key.field)} END AS field,
        CASE WHEN u.key IS NULL THEN {_short('d."left"', decimals)} ELSE u.key END AS expected,
        CASE WHEN u.key IS NULL THEN {_short(found_now, decimals)} ELSE u.bears END AS found,
        CASE WHEN d.class <> 'differs' THEN '' WHEN EXISTS (SELECT 1 FROM {_holds(evidence)} AS h
                WHERE h.key = d.key AND list_contains(h.fields, d.field)) THEN '{HELD}'
            WHEN nullif(n.who, '{UNKNOWN}') IS NOT NULL THEN n.who
            WHEN EXISTS (SELECT 1 FROM {sides_of} AS s
                WHERE s.key = d.key AND list_contains(s.fields, d.field)) THEN '{AUTOMATION}'
            ELSE '{UNKNOWN}' END AS "by",
        coalesce(n.name, '') AS writer, coalesce(n.at, '') AS written
    FROM {differences.table} AS d LEFT JOIN {two.expected} AS e ON e._key = d.key
    LEFT JOIN {found} AS n ON n.key = d.key AND n.field IS NOT DISTINCT FROM d.field
    LEFT JOIN {unkeyed} AS u ON u.key = d.key AND d.class = '{ONLY_LEFT}'
    WHERE CASE WHEN d.class = 'differs' THEN {stayed}
        WHEN d.class = '{ONLY_LEFT}' THEN u.key IS NOT NULL OR NOT coalesce(n.who = '{THERE}', false)
        ELSE true END"""
    compared = {name: fields[name] for name in two.columns}
    of_value = class_sql(compared, leading(each), "s.field", "s.expected", "s.found")
    return f"""SELECT s.key, s.id, s.field,
        CASE s.kind WHEN '{DUPLICATE}' THEN '{Class.TWIN}' WHEN '{ONLY_RIGHT}' THEN '{Class.EXTRA}'
            WHEN '{ONLY_LEFT}' THEN CASE WHEN s.field IS NULL THEN '{Class.MISSING}'
                WHEN s.found IS NULL THEN '{Class.EMPTIED}' ELSE '{Class.CHANGED}' END
            ELSE {of_value} END AS class,
        CASE WHEN s."by" IN ('{AUTOMATION}', '{HELD}') THEN '{WARN}' ELSE '{FAIL}' END AS grade,
        s.expected, s.found, s."by", s.writer, s.written FROM ({remaining}) AS s"""


def _holds(evidence: Evidence) -> str:
    """A query (key, fields) of what repairs of this attempt hold and nothing later has written."""
    return f"""(SELECT key, map_keys(arg_max("after", seq)) AS fields FROM {evidence.journal}
        WHERE kind = 'record' AND attempt = {evidence.attempt}
        AND outcome IN ('done', 'refused', 'conflict', 'held', 'kept') GROUP BY key
        HAVING arg_max(outcome, seq) = 'held' AND starts_with(arg_max(reason, seq), 'edited:'))"""


def _now(evidence: Evidence, each: ObjectPlan) -> str:
    """The table of what a look by id said of the records that differ; `differing` has made it."""
    return f"{evidence.schema}.{identifier(_NOW.format(each.name))}"


def _short(sql: str, decimals: Sequence[str]) -> str:
    """A decimal's text without the zeros that only its type brings."""
    if not decimals:
        return sql
    listed = ", ".join(text(name) for name in decimals)
    return (
        f"CASE WHEN d.field IN ({listed}) AND contains({sql}, '.') "
        f"THEN rtrim(rtrim({sql}, '0'), '.') ELSE {sql} END"
    )


def _lots(evidence: Evidence, two: Sides, differences: Differences) -> Iterator[list[dict[str, Any]]]:
    query = f"""SELECT d.key, e._id AS id, list(d.field) FILTER (d.field IS NOT NULL) AS fields,
        bool_or(d.class = '{ONLY_LEFT}') AS gone
        FROM {differences.table} AS d JOIN {two.expected} AS e ON e._key = d.key
        WHERE d.class IN ('differs', '{ONLY_LEFT}') GROUP BY ALL ORDER BY ALL"""
    for batch in evidence.engine.stream(query, rows=LOT):
        if batch.num_rows:
            yield batch.to_pylist()


def _look(evidence: Evidence, each: ObjectPlan, lot: Sequence[Mapping[str, Any]]) -> pa.Table:
    """What the differing fields of these records hold now, and who wrote them."""
    fields = sorted({name for row in lot for name in row["fields"] or ()})
    ids = {str(row["id"]): row for row in lot}
    now: dict[str, Values] = read_again(evidence, each.target, list(ids), fields)
    asked = {id: list(ids[id]["fields"] or ()) for id in now if ids[id]["fields"]}
    known = authors(evidence, each.target, asked)
    rows: list[dict[str, str | None]] = []
    for id, row in ids.items():
        if row["gone"] and id in now:
            rows.append({"key": row["key"], "id": id, "field": None, "now": None, "who": THERE})
        for name in row["fields"] or () if id in now else ():
            author = known.get((id, name), Author(UNKNOWN))
            rows.append(
                {"key": row["key"], "id": id, "field": name, "now": now[id].get(name), "who": author.who,
                 "name": author.name, "at": author.at}
            )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=_FOUND)


def _tables(evidence: Evidence, each: ObjectPlan, table: str) -> tuple[Table, ...]:
    found = evidence.rows(
        f"""SELECT coalesce(field, '(the record)') AS field, class, "by", count(*) AS n FROM {table}
        GROUP BY ALL ORDER BY n DESC, field, class, "by" LIMIT 100"""
    )
    fields = evidence.target_schema(each.target).fields
    rows = tuple(
        (label(fields, row["field"]), row["class"], _BY.get(row["by"], ""), int(row["n"])) for row in found
    )
    return (Table("Differences by field", ("field", "what", "written by", "values"), rows, ("values",)),)


def _decisions(evidence: Evidence, each: ObjectPlan, table: str) -> Iterator[Decision]:
    show = f"migrate diff {ID}.{each.name}"
    labels = evidence.target_schema(each.target).fields
    for row in evidence.rows(
        f"""SELECT "by",
        CASE WHEN "by" IN ('{AUTOMATION}', '{PERSON}', '{PROGRAM}', '{HELD}') THEN '' ELSE class END AS what,
        count(DISTINCT key) AS records,
        list_sort(list(DISTINCT field) FILTER (field IS NOT NULL)) AS fields,
        string_agg(DISTINCT nullif(writer, ''), ', ') AS writer, max(written) AS written FROM {table}
        GROUP BY "by", what ORDER BY "by", what"""
    ):
        by, names = row["by"], ", ".join(label(labels, name) for name in row["fields"] or ())
        what = f"{each.target}, {many(int(row['records']), 'record')}"
        who = f" ({row['writer']}, last on {moment(row['written'])})" if row["writer"] else ""
        if by == AUTOMATION:
            accepted = _accepted(each, row["fields"] or ())
            named = ", ".join(f"`{name}`" for name in accepted)
            yield Decision(
                Verdict.WARN,
                f"{what}: {names} written by an automation after our write{who}",
                owner="Owner of the target's automations",
                where=f"The plan accepts it of {named}: look at the values, there is nothing else to do"
                if accepted
                else "Accept it in the plan, or switch the automation off and run again",
                command=show,
            )
        elif by == HELD:
            yield Decision(
                Verdict.WARN, f"{what}: {names} held by a repair, for somebody had changed it",
                owner="Data owner", where="Theirs stays unless you say otherwise",
                command=show,
            )  # fmt: skip
        elif by == PERSON:
            yield Decision(
                Verdict.FAIL, f"{what}: {names} changed by a person{who}",
                owner="Data owner", where="Theirs stays unless you say otherwise; a rollback holds it",
                command=show,
            )  # fmt: skip
        elif by == PROGRAM:
            yield Decision(
                Verdict.FAIL, f"{what}: {names} changed by another program{who}",
                owner="Owner of that integration", where="Pause it until the migration is signed off",
                command=show,
            )  # fmt: skip
        else:
            yield Decision(
                Verdict.FAIL, f"{what}: {f'{names}: ' if names else ''}{row['what']}",
                owner="Migration engineer", command=show,
            )  # fmt: skip


def _accepted(each: ObjectPlan, names: Sequence[str]) -> list[str]:
    """The automations of which the plan accepts that they write these fields; none where one is left over."""
    writing = {one.name: {*one.fills, *one.changes} & {*names} for one in each.automations.accept}
    if {*names} - {name for written in writing.values() for name in written}:
        return []
    return [name for name, written in writing.items() if written]
