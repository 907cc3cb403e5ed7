"""What lies behind the differences of all checks? One table of them, grouped by likely cause.

A difference keeps its id from run to run, so that it is new, known, or gone. A group holds what was probably
done wrong once: the same field of the same entry changed in the same way. It names the command or the line
of a map that mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, parquet, text
from migrate.storage import sha256_of
from migrate_validators.causes import Group, explain
from migrate_validators.classes import COLUMNS, FAIL, KNOWN, WARN, Class

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence
    from migrate_validators.model import Result

DIFFERENCES = "rows/differences.parquet"
NEW, OLD = "new", "known"
GROUPS = 200  # that the report lists; the rest is in the Parquet file
_BY_ENTRY = (Class.LINK_LOST, Class.LINK_EXTRA, Class.LABEL, Class.OPT_OUT, Class.DUPLICATE)
_BY_VALUE = (Class.OPTION, Class.UNMAPPED, Class.OWNER, Class.CURRENCY)


@dataclass(frozen=True)
class Triage:
    """All differences. `table`: of this validation's; `gone`: how many of the former run aren't there now."""

    table: str
    total: int
    fresh: int
    known: int
    gone: int
    groups: tuple[Group, ...]

    def document(self) -> dict[str, Any]:
        """As report.json holds it; the rows are in `rows/differences.parquet`."""
        return {
            "rows": DIFFERENCES if self.total else None, "total": self.total, "new": self.fresh,
            "known": self.known, "gone": self.gone, "groups": [each.document() for each in self.groups],
        }  # fmt: skip


def triage(evidence: Evidence, results: Sequence[Result], former: str | None) -> Triage:
    """Bring the rows of all checks together, each difference once, and group them.

    Args:
        former: the differences of the last whole validation, as a table expression.
    """
    grades = {grade: index for index, grade in enumerate((KNOWN, WARN, FAIL))}
    weight = "CASE grade " + " ".join(f"WHEN '{g}' THEN {n}" for g, n in grades.items()) + " ELSE 2 END"
    selects = [
        f"""SELECT {text(result.check)} AS "check", {text(result.object)} AS object, difference,
        {", ".join(map(identifier, COLUMNS))} FROM {evidence.kept_rows(result)}"""
        for result in results
        if result.rows
    ]
    empty = ", ".join(
        f"NULL::VARCHAR AS {identifier(name)}" for name in ("check", "object", "difference", *COLUMNS)
    )
    every = " UNION ALL ".join(selects) or f"SELECT {empty} WHERE false"
    firsts = ", ".join(f"arg_max({identifier(name)}, {weight}) AS {identifier(name)}" for name in COLUMNS)
    before = (
        f"(SELECT DISTINCT difference FROM {former})" if former else "(SELECT '' AS difference WHERE false)"
    )
    table = evidence.table(
        "all differences",
        f"""SELECT d.*, CASE WHEN b.difference IS NULL THEN '{NEW}' ELSE '{OLD}' END AS state,
        {_group("d")} AS "group" FROM (
            SELECT difference, any_value(object) AS object, {firsts},
                list_sort(list(DISTINCT "check")) AS checks
            FROM ({every}) GROUP BY difference) AS d
        LEFT JOIN {before} AS b ON b.difference = d.difference""",
    )
    counts = evidence.rows(
        f"""SELECT count(*) AS n, count(*) FILTER (state = '{NEW}') AS fresh FROM {table}"""
    )[0]
    gone = int(
        evidence.one(f"SELECT count(*) AS n FROM {before} AS b ANTI JOIN {table} AS d USING (difference)")
    )
    total, fresh = int(counts["n"]), int(counts["fresh"])
    if total:
        aside = evidence.folder.aside(DIFFERENCES)
        evidence.engine.run(
            f"COPY (SELECT * FROM {table} ORDER BY object, field, class, key) TO {text(str(aside))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        evidence.folder.keep(DIFFERENCES, aside, sha256_of(aside))
    return Triage(table, total, fresh, total - fresh, gone, tuple(_groups(evidence, table)))


def former_rows(files: Sequence[str]) -> str | None:
    """The table expression of a former report's differences; None where it had none."""
    return parquet(files) if files else None


def _group(table: str) -> str:
    """SQL of a difference's group: its kind, its field, and for what a map decides the pair of values."""
    listed = ", ".join(f"'{kind}'" for kind in _BY_VALUE)
    pair = (
        f"CASE WHEN {table}.class IN ({listed}) THEN concat({table}.expected, '>', {table}.found) ELSE '' END"
    )
    # A link's field names its far end, a duplicate's the other record: the group is that of the entry.
    links = ", ".join(f"'{kind}'" for kind in _BY_ENTRY)
    field = f"CASE WHEN {table}.class IN ({links}) THEN '' ELSE coalesce({table}.field, '') END"
    parts = f"{table}.object, {table}.class, {field}, {pair}"
    return f"'G-' || upper(left(md5(concat_ws(chr(31), {parts})), 8))"


def _groups(evidence: Evidence, table: str) -> list[Group]:
    rows = evidence.rows(
        f"""SELECT "group" AS id, any_value(grade) AS grade, any_value(object) AS object,
        CASE WHEN count(DISTINCT field) = 1 THEN any_value(field) END AS field, any_value(class) AS kind,
        count(*) AS n, count(*) FILTER (state = '{NEW}') AS fresh, count(DISTINCT expected) AS olds,
        count(DISTINCT found) AS news, any_value(expected) AS expected, any_value(found) AS found,
        list_sort(list_distinct(flatten(list(checks)))) AS checks, min(difference) AS example
        FROM {table} WHERE grade <> '{KNOWN}' GROUP BY ALL
        ORDER BY grade, n DESC, id LIMIT {GROUPS}""".replace("GROUP BY ALL", 'GROUP BY "group"')
    )
    found = []
    for row in rows:
        one = Group(
            id=str(row["id"]), grade=str(row["grade"]), object=str(row["object"] or ""), field=row["field"],
            kind=str(row["kind"]), rows=int(row["n"]), fresh=int(row["fresh"]),
            expected=row["expected"] if row["olds"] == 1 else None,
            found=row["found"] if row["news"] == 1 else None,
            checks=tuple(row["checks"] or ()), example=str(row["example"]), cause="", fix="", command="",
        )  # fmt: skip
        found.append(explain(evidence, one))
    return found
