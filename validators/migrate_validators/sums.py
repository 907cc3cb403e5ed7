"""Does the money agree, to the last digit, in every group? Old and new side by side.

Old: the values at the source, by what became of the record. New: the target's, read anew. Sums are exact
decimals, by owner, stage and what the plan asks for (a date or an instant in `by` groups by the fiscal month
of the plan's calendar); sales also by the fiscal month in which they close, and by currency. A difference
that is an automation's doing, or held by a repair, by the row check's evidence, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from migrate.catalog import Field
from migrate.engine import identifier, text
from migrate.plan.terms import fiscal_month_sql
from migrate.stages.crosswalk import LOADED, rows_of
from migrate.types import NUMERIC, Kind
from migrate_validators.accepting import is_near, near
from migrate_validators.again import AUTOMATION, HELD
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.expected import Sides, sides
from migrate_validators.keeping import Kept
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.rows import differing

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "sums"
TITLE = "Money, exact"
GROUPS = 200  # lines of a table on the page
WHOLE = ("at the source", "of that not moved", "expected", "in the target", "difference")
_WIDE = Context(prec=76)  # Python's default of 28 digits would round large sums


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an object that has money, or that the plan names under `sums`."""
    for each in evidence.moving:
        two = sides(evidence, each)
        wanted = _wanted(evidence, each, two)
        if wanted:
            yield _object(evidence, each, two, wanted)


def _wanted(evidence: Evidence, each: ObjectPlan, two: Sides) -> dict[str, list[tuple[str, ...]]]:
    """Groupings by field: the plan's, else owner and stage each; and always the whole."""
    fields = evidence.target_schema(each.target).fields
    asked = [one for one in evidence.plan.model.validate_.sums if one.object == each.target]
    found: dict[str, list[tuple[str, ...]]] = {
        name: [()] for name in two.columns if fields[name].kind is Kind.MONEY
    }
    for one in asked:
        if one.field in two.columns and fields[one.field].kind in NUMERIC:
            groups = found.setdefault(one.field, [()])
            groups += [(name,) for name in one.by if (name,) not in groups]
            if len(one.by) > 1 and tuple(one.by) not in groups:
                groups.append(tuple(one.by))
    defaults = [
        name
        for name in two.columns
        if fields[name].owner or any(option.parent for option in fields[name].options)
    ]
    for groups in found.values():
        if len(groups) == 1:
            groups += [(name,) for name in defaults]
    for groups in found.values():
        groups += [
            (name,) for name in _of_sales(evidence, each) if (name,) not in groups and name in two.columns
        ]
    return found


def _of_sales(evidence: Evidence, each: ObjectPlan) -> list[str]:
    """The mapped fields of the day on which sales close and of their currency, where these are sales."""
    money = evidence.money
    if money is None or money.entry.name != each.name:
        return []
    said = [money.target.sql.get(word) for word in ("closed", "currency")]
    return [name for name in money.target.reads if identifier(name) in said]


def _object(
    evidence: Evidence, each: ObjectPlan, two: Sides, wanted: dict[str, list[tuple[str, ...]]]
) -> Result:
    fields = evidence.target_schema(each.target).fields
    differences = differing(evidence, each)
    compared = int(evidence.one(f"SELECT count(*) AS n FROM {two.expected}"))
    tables: list[Table] = []
    figures: dict[str, Any] = {"rows summed": compared}
    wrong, explained, groups_compared = 0, 0, 0
    whole: list[tuple[str, ...]] = []
    for name, groupings in wanted.items():
        ways = _ways(evidence, each, name, figures)
        tables += ways
        for by in groupings:
            groups = _groups(evidence, two, name, by, fields)
            groups_compared += len(groups)
            off = [
                row for row in groups if row["old"] != row["new"] and not _small(evidence, each, name, row)
            ]
            if off and not _explains(evidence, differences, each, name):
                wrong += len(off)
            else:
                explained += len(off)
            if by:
                tables.append(_table(evidence, each, name, by, groups))
            elif groups:
                whole.append((fields[name].label, *_moved(ways), *_money(groups[0])))
                figures[f"{name}, expected"] = exact(groups[0]["old"])
                figures[f"{name}, in the target"] = exact(groups[0]["new"])
    currency = f" ({evidence.target.currency})" if evidence.target.currency else ""
    tables.insert(0, Table(f"{each.target} in all{currency}", ("field", *WHOLE), tuple(whole), WHOLE))
    if not compared:
        verdict, summary = Verdict.EMPTY, "Nothing was summed."
    elif wrong:
        verdict, summary = Verdict.FAIL, f"{wrong:,} of {groups_compared:,} sums differ."
    elif explained:
        verdict = Verdict.WARN
        off_by = "values that an automation wrote, or a repair holds"
        summary = f"{explained:,} of {groups_compared:,} sums differ by {off_by}."
    else:
        verdict, summary = Verdict.PASS, f"{many(groups_compared, 'sum')} compared, equal to the last digit."
    decisions: tuple[Decision, ...] = ()
    if wrong:
        decisions = (
            Decision(
                Verdict.FAIL, f"{wrong:,} sums of {each.target} differ: the rows behind them are listed",
                owner="Finance", command=f"migrate diff rows.{each.name}",
            ),
        )  # fmt: skip
    kept = Kept()
    if wrong or explained:
        chosen = ", ".join(text(name) for name in wanted)
        kept = evidence.keep(
            f"{ID}.{each.name}",
            f"SELECT * FROM {differences} WHERE field IN ({chosen}) OR field IS NULL ORDER BY key, field",
        )
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures=figures,
            tables=tuple(tables),
            decisions=decisions,
        )
    )


def _small(evidence: Evidence, each: ObjectPlan, name: str, row: dict[str, Any]) -> bool:
    """Whether the plan tolerates how far the sum of a group is off."""
    old, new = row["old"] or Decimal(0), row["new"] or Decimal(0)
    return old == new or is_near(near(evidence.plan, ID, each.name, name), old, new)


def _money(row: dict[str, Any]) -> tuple[str, str, str]:
    return exact(row["old"]), exact(row["new"]), exact(_difference(row))


def _moved(ways: Sequence[Table]) -> tuple[str, str]:
    """The source's own sum, and what of it is in records that were not loaded as records of their own."""
    if not ways:
        return "–", "–"
    *ends, (_, _, whole) = ways[0].rows
    left = Decimal(0)
    for end, _, total in ends:
        if end not in LOADED:
            left = _WIDE.add(left, Decimal(total))
    return whole, exact(left)


def _difference(row: dict[str, Any]) -> Decimal:
    return _WIDE.subtract(row["new"] or Decimal(0), row["old"] or Decimal(0))


def _groups(
    evidence: Evidence, two: Sides, name: str, by: Sequence[str], fields: dict[str, Field]
) -> list[dict[str, Any]]:
    """Sum and count of each group on both sides."""
    column = identifier(name)
    kind = sql_type(fields[name])
    wide = kind if kind.startswith("DECIMAL") else "DECIMAL(38,0)"
    keys = ", ".join(f"{_group(evidence, other, fields[other])} AS g{n}" for n, other in enumerate(by))
    names = [f"g{n}" for n in range(len(by))]
    comma = f"{keys}, " if by else ""
    group = f"GROUP BY {', '.join(names)}" if by else ""
    both = " AND ".join(f"o.{g} IS NOT DISTINCT FROM n.{g}" for g in names) or "true"
    listed = "".join(f"coalesce(o.{g}, n.{g}) AS {g}, " for g in names)
    side = (
        "SELECT {comma}sum(CAST({column} AS {wide})) AS total, count({column}) AS filled FROM {table} {group}"
    )
    old = side.format(comma=comma, column=column, wide=wide, table=two.expected, group=group)
    new = side.format(comma=comma, column=column, wide=wide, table=two.found, group=group)
    return evidence.rows(
        f"""SELECT {listed}o.total AS old, n.total AS new, coalesce(o.filled, 0) AS old_n,
        coalesce(n.filled, 0) AS new_n FROM ({old}) AS o FULL JOIN ({new}) AS n ON {both}
        ORDER BY {", ".join(names) + ", " if names else ""}old DESC"""
    )


def _group(evidence: Evidence, name: str, field: Field) -> str:
    """SQL of the group that a value is in, as people call it."""
    column = identifier(name)
    calendar = evidence.plan.model.calendar
    if field.kind is Kind.DATE:
        return fiscal_month_sql(column, calendar.fiscal_year_start)
    if field.kind is Kind.TIMESTAMP:
        day = f"CAST(timezone({text(calendar.zone)}, {column}) AS DATE)"
        return fiscal_month_sql(day, calendar.fiscal_year_start)
    if field.owner:
        names = {owner.id: owner.name for owner in evidence.target.owners}
    else:
        names = {option.value: option.label for option in field.options if option.label != option.value}
    cases = " ".join(f"WHEN {text(value)} THEN {text(label)}" for value, label in names.items())
    value = f"CAST({column} AS VARCHAR)"
    return f"CASE {value} {cases} ELSE {value} END" if cases else value


def _table(
    evidence: Evidence, each: ObjectPlan, name: str, by: Sequence[str], groups: Sequence[dict[str, Any]]
) -> Table:
    fields = evidence.target_schema(each.target).fields
    label = fields[name].label
    by_label = " and ".join(fields[other].label for other in by)
    rows = tuple(
        (
            *(row[f"g{n}"] if row[f"g{n}"] is not None else "(empty)" for n in range(len(by))),
            *_money(row),
        )
        for row in groups[:GROUPS]
    )
    currency = evidence.target.currency if fields[name].kind is Kind.MONEY else None
    more = f"The first {GROUPS} of {len(groups):,} groups." if len(groups) > GROUPS else ""
    title = f"{label}{f' ({currency})' if currency else ''}{f' by {by_label}' if by else ', in all'}"
    columns = (*(fields[other].label for other in by), "expected", "in the target", "difference")
    return Table(title, columns, rows, columns[-3:], more)


def _explains(evidence: Evidence, differences: str, each: ObjectPlan, name: str) -> bool:
    """Whether every difference that touches the sums of a field is an automation's, or held by a repair."""
    found = evidence.rows(
        f"""SELECT count(*) AS n, count(*) FILTER ("by" NOT IN ('{AUTOMATION}', '{HELD}')) AS other
        FROM {differences}
        WHERE field IS NULL OR field IN ({", ".join(text(one) for one in [name, *_names(evidence, each)])})"""
    )[0]
    return bool(found["n"]) and not found["other"]


def _names(evidence: Evidence, each: ObjectPlan) -> list[str]:
    fields = evidence.target_schema(each.target).fields
    asked = [
        one for sums in evidence.plan.model.validate_.sums if sums.object == each.target for one in sums.by
    ]
    return [*asked, *_of_sales(evidence, each)] + [
        name for name in each.fields if name in fields and (fields[name].owner or fields[name].options)
    ]


def _ways(evidence: Evidence, each: ObjectPlan, name: str, figures: dict[str, Any]) -> list[Table]:
    """Where the source's own money went, where the target field is one field of the source, unchanged."""
    plan = each.fields.get(name)
    schema = evidence.source.objects.get(each.source)
    origin = schema.fields.get(plan.origin.strip()) if schema and plan else None
    if origin is None or origin.kind not in NUMERIC:
        return []
    kind = sql_type(origin)
    wide = kind if kind.startswith("DECIMAL") else "DECIMAL(38,0)"
    manifests = evidence.store.manifests("source", each.source)
    staged = rows_of(evidence.store, manifests, {"_id": "VARCHAR", origin.name: kind}, generation=True)
    value = f"arg_max(struct_pack(v := {identifier(origin.name)}), _gen).v"
    found = evidence.rows(
        f"""SELECT e.outcome, count(*) AS n, sum(CAST(s.v AS {wide})) AS total FROM {evidence.ends} AS e
        JOIN (SELECT _id, {value} AS v FROM {staged} GROUP BY _id) AS s ON s._id = e.source_id
        WHERE e.entry = {text(each.name)} GROUP BY e.outcome
        ORDER BY total DESC NULLS LAST, e.outcome"""
    )
    whole = Decimal(0)
    for row in found:
        whole = _WIDE.add(whole, row["total"] or Decimal(0))
    figures[f"{origin.name} at the source"] = exact(whole)
    rows = tuple((str(row["outcome"]).replace("_", " "), int(row["n"]), exact(row["total"])) for row in found)
    columns = ("what became of it", "records", "at the source")
    title = f"{origin.label} at the source, by what became of the record"
    return [
        Table(title, columns, (*rows, ("in all", sum(row[1] for row in rows), exact(whole))), columns[1:])
    ]


def exact(value: Decimal | int | None) -> str:
    """A number as text, exact, with at least two digits behind the point."""
    whole, _, behind = format(Decimal(value or 0), "f").partition(".")
    return f"{whole}.{behind.rstrip('0').ljust(2, '0')}"
