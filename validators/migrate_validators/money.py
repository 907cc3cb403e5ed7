"""Does the money that the business steers by come out the same: open, won, weighted, by currency?

Each system is asked in its own words (`books.py`): the old one what it held, the new one what it holds.
Old less what was not moved must be new, to the last digit. What wasn't moved is a line of its own, with why.
A weight that the new system gives a stage by itself is a warning: the deal is right, the forecast moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, text
from migrate_validators.books import Books, Measure, books
from migrate_validators.classes import FAIL, KNOWN, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.model import Decision, Result, Section, Table, Verdict, many
from migrate_validators.rows import differing
from migrate_validators.sums import exact
from migrate_validators.wording import why

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.screen import Seen

ID = "money"
TITLE = "Money, old and new"
LARGEST = 5
_FINE = "DECIMAL(38, 16)"
_NOBODY: dict[str, Any] = {"old_n": 0, "new_n": 0, "left_n": 0}


def check(evidence: Evidence) -> Iterator[Result]:
    """One result, of the plan's entry of sales; none where it has none."""
    if evidence.money is None or evidence.money.entry not in evidence.present:
        return
    found = books(evidence)
    if found is not None:
        yield _result(evidence, evidence.money.entry, found)


def _result(evidence: Evidence, each: ObjectPlan, found: Books) -> Result:
    lines = totals(evidence, found)
    kept = evidence.keep(f"{ID}.{each.name}", _differences(evidence, each, found))
    moved = int(evidence.one(f"SELECT count(*) FROM {found.table} WHERE moved"))
    left = int(evidence.one(f"SELECT count(*) FROM {found.table} WHERE NOT moved"))
    off = [line for line in lines if line["expected"] != line["new"]]
    red, amber = kept.grades.get(FAIL, 0), kept.grades.get(WARN, 0)
    if not moved and not left:
        verdict, summary = Verdict.EMPTY, "There was no money to compare."
    elif red:
        verdict = Verdict.FAIL
        summary = f"{_lines(off)}; {many(red, 'difference')} in single records."
    elif amber:
        verdict, summary = Verdict.WARN, f"{_lines(off)}, by what the target works out by itself."
    else:
        verdict = Verdict.PASS
        summary = f"{many(len(lines), 'figure')} agree to the last digit, old less what was not moved."
    if left:
        summary += f" {many(left, 'record')} not moved."
    if found.missing:
        summary += (
            f" Not compared: {'; '.join(f'{title} ({lacks} unknown)' for title, lacks in found.missing)}."
        )
    return kept.on(
        Result(
            id=f"{ID}.{each.name}", check=ID, object=each.name, title=f"{TITLE}: {each.target}",
            verdict=verdict, summary=summary, compared=moved + left,
            figures=_figures(lines) | {"looked at twice": "yes" if found.again else "no, too many differ"},
            tables=tuple(_tables(evidence, each, found, lines)),
            decisions=tuple(_decisions(each, lines, red, amber)),
        )
    )  # fmt: skip


def _lines(off: Sequence[dict[str, Any]]) -> str:
    named = ", ".join(dict.fromkeys(f"{one['title']} ({one['currency'] or 'no currency'})" for one in off))
    return f"Not equal: {named}" if off else "Every sum is equal"


def totals(evidence: Evidence, found: Books) -> list[dict[str, Any]]:
    """Every figure by currency: exact `old`, `left` (not moved), `expected` and `new`; their counts."""
    lines = []
    for one in found.measures:
        old, new = one.sql.format(side="old"), one.sql.format(side="new")
        rows = evidence.rows(
            f"""WITH pairs AS (
                SELECT old_currency AS currency, {old} AS o, NULL AS n, moved FROM {found.table}
                UNION ALL SELECT new_currency, NULL, {new}, moved FROM {found.table})
            SELECT currency, sum(CAST(o AS {_FINE})) AS old, sum(CAST(n AS {_FINE})) AS new,
            sum(CAST(o AS {_FINE})) FILTER (NOT moved) AS "left", count(o) AS old_n, count(n) AS new_n,
            count(o) FILTER (NOT moved) AS left_n FROM pairs GROUP BY currency
            HAVING count(o) + count(n) > 0 ORDER BY old DESC NULLS LAST, currency"""
        )
        home = evidence.target.currency
        for row in rows or [dict.fromkeys(("old", "new", "left"), None) | _NOBODY | {"currency": home}]:
            old_sum, left = row["old"] or Decimal(0), row["left"] or Decimal(0)
            lines.append(
                {"measure": one.id, "title": one.title, "currency": row["currency"], "old": old_sum,
                 "left": left, "expected": old_sum - left, "new": row["new"] or Decimal(0),
                 "old_n": int(row["old_n"]), "left_n": int(row["left_n"]), "new_n": int(row["new_n"])}
            )  # fmt: skip
    return lines


def _figures(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"{one['title']}, {one['currency'] or 'no currency'}, {what}": exact(one[key])
        for one in lines
        for what, key in (("old", "old"), ("not moved", "left"), ("new", "new"))
    }


def _differences(evidence: Evidence, each: ObjectPlan, found: Books) -> str:
    """A query of what differs in single records; of weights, a row for each pair of them."""
    explained = differing(evidence, each)
    told = {one.id for one in found.measures}
    parts = [_value(evidence, found, explained, "amount", Class.AMOUNT),
             _value(evidence, found, explained, "currency", Class.CURRENCY)]  # fmt: skip
    if {"open", "won", "lost"} & told:
        parts.append(_value(evidence, found, explained, "state", Class.OPTION))
    for one in found.measures:
        if one.id in ("won", "lost"):  # a day counts where it moves a sale into another year
            inside = [f"{one.sql.format(side=side)} IS NULL" for side in ("old", "new")]
            states = f"old_state = '{one.id}' AND new_state = '{one.id}'"
            filled = "old_amount IS NOT NULL AND new_amount IS NOT NULL"
            condition = f"{states} AND {filled} AND ({inside[0]}) <> ({inside[1]})"
            parts.append(_value(evidence, found, explained, "closed", Class.DAY, condition))
    listed = " UNION ALL BY NAME ".join(parts)
    whole = f"""SELECT key, id, NULL AS field, CASE WHEN "end" = 'unknown' THEN '{Class.EXTRA}'
        ELSE '{Class.MISSING}' END AS class, '{FAIL}' AS grade, {_plain("old_amount")} AS expected,
        {_plain("new_amount")} AS found, coalesce(old_name, new_name) AS name, 1 AS records
        FROM {found.table} WHERE moved AND NOT (old_there AND new_there)"""
    pair = f"{_plain('old_probability')} || ' to ' || {_plain('new_probability')}"
    weights = f"""SELECT 'weight ' || coalesce({pair}, 'unknown') AS key, NULL AS id,
        'probability' AS field, '{Class.WEIGHT}' AS class, '{WARN}' AS grade,
        {_plain("old_probability")} AS expected, {_plain("new_probability")} AS found,
        NULL AS name, count(*) AS records FROM {found.table}
        WHERE moved AND old_state = 'open' AND new_state = 'open'
        AND old_probability IS DISTINCT FROM new_probability
        AND coalesce(new_amount, old_amount, 0) <> 0 GROUP BY ALL"""
    not_moved = f"""SELECT key, id, NULL AS field, '{Class.NOT_MOVED}' AS class, '{KNOWN}' AS grade,
        {_plain("old_amount")} AS expected, NULL AS found, old_name AS name, 1 AS records
        FROM {found.table} WHERE NOT moved"""
    all_parts = [listed, whole, not_moved, *([weights] if "weighted" in told else [])]
    return f"SELECT * FROM ({' UNION ALL BY NAME '.join(all_parts)}) ORDER BY grade, class, key, field"


def _value(
    evidence: Evidence, found: Books, explained: str, name: str, kind: Class, condition: str | None = None
) -> str:
    """A query of records of both systems that differ in a value; one that the row check explains is amber."""
    shows = _plain if name == "amount" else _text
    money = evidence.money
    sql = money.target.sql.get(name, "") if money else ""
    field = next((one for one in money.target.reads if identifier(one) == sql), name) if money else name
    differs = condition or f"t.old_{name} IS DISTINCT FROM t.new_{name}"
    return f"""SELECT t.key, t.id, {text(field)} AS field, '{kind}' AS class,
        coalesce(d.grade, '{FAIL}') AS grade, {shows(f"t.old_{name}")} AS expected,
        {shows(f"t.new_{name}")} AS found, coalesce(t.old_name, t.new_name) AS name, 1 AS records
        FROM {found.table} AS t LEFT JOIN {explained} AS d ON d.key = t.key AND d.field = {text(field)}
        WHERE t.moved AND t.old_there AND t.new_there AND {differs}"""


def _text(sql: str) -> str:
    return f"CAST({sql} AS VARCHAR)"


def _plain(sql: str) -> str:
    """A decimal's text without the zeros that only its type brings."""
    return f"rtrim(rtrim(CAST({sql} AS VARCHAR), '0'), '.')"


def _tables(
    evidence: Evidence, each: ObjectPlan, found: Books, lines: Sequence[dict[str, Any]]
) -> Iterator[Table]:
    columns = ("figure", "currency", "old", "not moved", "expected", "new", "difference")
    yield Table(
        "Money, old less what was not moved", columns,
        tuple(
            (one["title"], one["currency"] or "–",
             *(exact(one[key]) for key in ("old", "left", "expected", "new")),
             exact(one["new"] - one["expected"]))
            for one in lines
        ),
        columns[2:],
        "The old system names no currency: taken to be the new one's." if found.assumed else "",
    )  # fmt: skip
    left = evidence.rows(
        f"""SELECT "end", reason, old_currency AS currency, count(*) AS n, sum(old_amount) AS total,
        {"sum(old_amount) FILTER (old_state = 'open')" if _tells(found, "open") else "NULL"} AS still_open
        FROM {found.table} WHERE NOT moved GROUP BY ALL ORDER BY total DESC NULLS LAST, n DESC LIMIT 20"""
    )
    if left:
        yield Table(
            "Not moved", ("end", "why", "currency", "records", "amount", "of that open"),
            tuple(
                (str(row["end"]).replace("_", " "), why(evidence, each, row["reason"]),
                 row["currency"] or "–", int(row["n"]), exact(row["total"]),
                 exact(row["still_open"]) if row["still_open"] else "–")
                for row in left
            ),
            ("records", "amount", "of that open"),
        )  # fmt: skip
    yield _largest(evidence, each, found)


def _tells(found: Books, id: str) -> bool:
    return any(one.id == id for one in found.measures)


def _largest(evidence: Evidence, each: ObjectPlan, found: Books) -> Table:
    """The records by which old and new differ most, in any figure but the weighted one."""
    cases = [one for one in found.measures if one.id != "weighted"]
    sides = " UNION ALL ".join(_one_by_one(found, one) for one in cases)
    rows = evidence.rows(
        f"""SELECT * FROM ({sides}) WHERE o IS DISTINCT FROM n
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY abs(n - o) DESC, rank) = 1
        ORDER BY abs(n - o) DESC, key LIMIT {LARGEST}"""
    )
    return Table(
        "The five largest differences, by name",
        ("name", "figure", "currency", "old", "new", "difference", "why"),
        tuple(
            (row["name"] or row["key"], row["title"], row["currency"] or "–", exact(row["o"]),
             exact(row["n"]), exact(row["n"] - row["o"]), _reason(evidence, each, row))
            for row in rows
        ),
        ("old", "new", "difference"),
        "" if rows else "There is none.",
    )  # fmt: skip


def _reason(evidence: Evidence, each: ObjectPlan, row: dict[str, Any]) -> str:
    if row["moved"]:
        return "differs"
    return f"{str(row['end']).replace('_', ' ')}: {why(evidence, each, row['reason'])}"


def _one_by_one(found: Books, one: Measure) -> str:
    rank = [each.id for each in found.measures].index(one.id)
    return f"""SELECT key, coalesce(old_name, new_name) AS name, {text(one.title)} AS title, {rank} AS rank,
        coalesce(old_currency, new_currency) AS currency, "end", reason, moved,
        CAST(coalesce({one.sql.format(side="old")}, 0) AS {_FINE}) AS o,
        CAST(coalesce({one.sql.format(side="new")}, 0) AS {_FINE}) AS n FROM {found.table}"""


def _decisions(each: ObjectPlan, lines: Sequence[dict[str, Any]], red: int, amber: int) -> Iterator[Decision]:
    show = f"migrate diff {ID}.{each.name}"
    if red:
        off = [(one["new"] - one["expected"], one) for one in lines if one["new"] != one["expected"]]
        by, most = max(off, key=lambda pair: abs(pair[0]), default=(Decimal(0), None))
        said = f", most in {most['title']}: {exact(by)} {most['currency'] or ''}".rstrip() if most else ""
        yield Decision(
            Verdict.FAIL, f"The money differs in {many(red, 'record')}{said}", owner="Finance", command=show
        )
    if amber:
        yield Decision(
            Verdict.WARN, "The target works out figures by itself: other weights of stages, or automations",
            owner="Finance", where="Set the stages' probabilities in the target, or accept", command=show,
        )  # fmt: skip


def section(seen: Seen) -> Section | None:
    """Of the report's first screen; None where the plan has no sales or the check didn't run."""
    result = next((one for one in seen.results if one.check == ID), None)
    found = books(seen.evidence) if result is not None and result.verdict is not Verdict.ERROR else None
    if result is None or found is None:
        return None
    lines = [
        {key: exact(value) if isinstance(value, Decimal) else value for key, value in one.items()}
        for one in totals(seen.evidence, found)
    ]
    return Section(
        ID, TITLE, result.verdict, result.summary, dict(result.figures), result.tables,
        {"lines": lines, "result": result.id, "fiscal_year": found.year.name,
         "not_compared": [list(one) for one in found.missing]},
    )  # fmt: skip
