"""Did the history arrive as it was: each activity's body, time, author and parents?

Of every entry with an `activity`: the body, to the letter (what was cut, as it was cut, and the whole message
beside it), the times to the millisecond, the author as the owner map says, and everything that it is linked
to or names. Differences of values are those of `rows` that stayed; parents are looked for among the target's
links as read anew. Beside them stands how many activities each year has on either side, for a load that
stamps its own night on a whole history shows there at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, text
from migrate.plan.keys import id_sql
from migrate.stages.crosswalk import latest, rows_of
from migrate.types import Kind
from migrate_validators.again import AUTOMATION
from migrate_validators.evidence import Evidence
from migrate_validators.expected import sides
from migrate_validators.links import missing_of
from migrate_validators.model import Decision, Result, Table, Verdict
from migrate_validators.rows import differing

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "timeline"
TITLE = "Bodies, times, authors and parents"
BODIES, TIMES, AUTHORS, PARENTS = "bodies", "times", "authors", "parents"


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry with an `activity`."""
    for each in evidence.moving:
        if each.activity is not None:
            yield _entry(evidence, each)


def _aspects(evidence: Evidence, each: ObjectPlan, columns: Sequence[str]) -> dict[str, list[str]]:
    """The target's fields that hold each aspect."""
    fields = evidence.target_schema(each.target).fields
    kept = [each.key.field, each.key.old_id, each.key.old_url]
    names = [name for name in columns if name not in kept]
    leading = {name for name in names if name in each.fields and each.fields[name].entries}
    return {
        BODIES: [name for name in names if fields[name].kind is Kind.TEXT],
        TIMES: [name for name in names if fields[name].kind in (Kind.TIMESTAMP, Kind.DATE)],
        AUTHORS: [name for name in names if fields[name].owner],
        PARENTS: sorted(leading),
    }


def _entry(evidence: Evidence, each: ObjectPlan) -> Result:
    two = sides(evidence, each)
    compared = int(
        evidence.one(f"SELECT count(*) AS n FROM {two.expected} SEMI JOIN {two.found} USING (_key)")
    )
    aspects = _aspects(evidence, each, two.columns)
    of_field = {name: aspect for aspect, names in aspects.items() for name in names}
    cases = " ".join(f"WHEN {text(name)} THEN {text(aspect)}" for name, aspect in of_field.items())
    which = f"CASE field {cases} END" if cases else "NULL"
    unlinked = _unlinked(evidence, each)
    odd = evidence.table(
        f"timeline {each.name}",
        f"""SELECT key, id, coalesce({which}, 'the record') AS aspect, field, class, expected, found
        FROM {differing(evidence, each)}
        WHERE "by" <> {text(AUTOMATION)} AND (field IS NULL OR {which} IS NOT NULL)
        UNION ALL SELECT key, id, {text(PARENTS)}, field, class, expected, found FROM ({unlinked})""",
    )
    wrong = {
        str(row["aspect"]): int(row["n"])
        for row in evidence.rows(f"SELECT aspect, count(DISTINCT key) AS n FROM {odd} GROUP BY aspect")
    }
    cut, whole = _cut(evidence, each)
    years, table = _years(two.expected, two.found, each, aspects[TIMES], evidence)
    kept = evidence.keep(f"{ID}.{each.name}", f"SELECT * FROM {odd} ORDER BY ALL")
    figures: dict[str, Any] = {"activities compared": compared}
    figures |= {f"{aspect} that differ": wrong.get(aspect, 0) for aspect in (BODIES, TIMES, AUTHORS, PARENTS)}
    figures |= {"bodies cut": cut, "of them with the whole message beside": whole, "years that differ": years}
    bad = sum(wrong.values()) or years
    if not compared and not kept.row_count:
        verdict, summary = Verdict.EMPTY, "No activity was compared."
    elif bad:
        said = ", ".join(f"{aspect}: {count:,}" for aspect, count in sorted(wrong.items()))
        verdict = Verdict.FAIL
        summary = f"Of {compared:,} activities differ: {said or 'numbers by year'}."
    elif cut > whole:
        verdict = Verdict.WARN
        summary = f"{cut - whole:,} bodies were cut, and no file holds the whole."
    else:
        verdict = Verdict.PASS
        summary = f"All {compared:,} activities have their body, time, author and parents."
    decisions: tuple[Decision, ...] = ()
    if bad:
        decisions = (
            Decision(
                Verdict.FAIL, f"{each.target}: {summary}", owner="Migration engineer",
                command=f"migrate diff {ID}.{each.name}",
            ),
        )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            listed=not years,
            object=each.name,
            title=f"{TITLE}: {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures=figures,
            tables=table,
            decisions=decisions,
        )
    )


def _unlinked(evidence: Evidence, each: ObjectPlan) -> str:
    """A query of expected links of the entry's records that the target doesn't show: key, id, field."""
    missing = [
        f"""SELECT "left" AS key, left_id AS id, "right" || ' ' || label AS field, class, field AS expected,
            found
        FROM {missing_of(evidence, each, f"{each.name}.{index}")}"""
        for index, link in enumerate(each.links)
    ]
    names = ", ".join(f"'' AS {name}" for name in ("key", "id", "field", "class", "expected", "found"))
    none = f"SELECT {names} WHERE false"
    return " UNION ALL ".join(missing) or none


def _cut(evidence: Evidence, each: ObjectPlan) -> tuple[int, int]:
    """How many loaded activities had a body cut, and for how many of them a file holds the whole record."""
    columns = {"_key": "VARCHAR", "_source_id": "VARCHAR"}
    cuts = rows_of(evidence.store, latest(evidence.store, "cuts", each.name), columns)
    beside = []
    for other in evidence.plan.model.objects:
        schema = evidence.target_schema(other.target).fields if other.source == each.source else {}
        if any(name in schema and schema[name].kind is Kind.BINARY for name in other.fields):
            id = id_sql(evidence.source.family, other.name, "c.key")
            owns = evidence.owns(other, "c.key")
            beside.append(f"SELECT {id} AS id FROM {evidence.crosswalk} AS c WHERE {owns}")
    files = " UNION ALL ".join(beside) or "SELECT NULL::VARCHAR AS id WHERE false"
    row = evidence.rows(
        f"""SELECT count(*) AS cut, count(*) FILTER (_source_id IN (SELECT id FROM ({files}))) AS whole
        FROM (SELECT DISTINCT _key, _source_id FROM {cuts})
        SEMI JOIN {evidence.crosswalk} AS c ON c.key = _key"""
    )[0]
    return int(row["cut"]), int(row["whole"])


def _years(
    expected: str, found: str, each: ObjectPlan, times: Sequence[str], evidence: Evidence
) -> tuple[int, tuple[Table, ...]]:
    """How many years have another number of activities than they should, and the table of all years."""
    at = each.activity.at.strip() if each.activity else ""
    own = [name for name in times if name in each.fields and each.fields[name].origin.strip() == at]
    if not times:
        return 0, ()
    column = identifier((own or list(times))[0])
    rows = evidence.rows(
        f"""SELECT CAST(coalesce(e.year, f.year) AS VARCHAR) AS year, coalesce(e.n, 0) AS expected,
          coalesce(f.n, 0) AS found
        FROM (SELECT year({column}) AS year, count(*) AS n FROM {expected} GROUP BY ALL) AS e
        FULL JOIN (SELECT year({column}) AS year, count(*) AS n FROM {found} SEMI JOIN {expected} USING (_key)
          GROUP BY ALL) AS f ON f.year IS NOT DISTINCT FROM e.year ORDER BY year NULLS FIRST"""
    )
    lines = tuple((row["year"] or "none", int(row["expected"]), int(row["found"])) for row in rows)
    names = ("year", "expected", "in the target")
    table = Table("Activities by year", names, lines, names[1:])
    return sum(line[1] != line[2] for line in lines), (table,)
