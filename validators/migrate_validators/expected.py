"""What should the target hold for each record that we loaded? Worked out again, without the loader.

The latest staged version of each key, the vendor's declared rules of holding values applied, and, for a
record that was there before and adopted, survivorship decided once more between the staged value and the
journal's before-image. Both sides are brought into one form: references as migration keys, no empty texts,
instants to the millisecond (no connected vendor keeps more), sorted multiple choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from migrate.engine import identifier, text
from migrate.held import held_sql
from migrate.plan.keys import posted_sql
from migrate.plan.needs import always_written, written_fields
from migrate.stages.crosswalk import latest_ready
from migrate.stages.readback import from_wire
from migrate.survivorship import RULES
from migrate.types import Kind
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.leading import expected as expected_of
from migrate_validators.leading import found as found_of
from migrate_validators.leading import leading
from migrate_validators.texts import rewritten

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan


@dataclass(frozen=True)
class Sides:
    """Two tables of an object's loaded records, in one form: `_key`, `_id` and `columns` of equal types.

    `unsure`: fields whose adopted records aren't compared, since an expression decided who wins.
    """

    expected: str
    found: str
    columns: tuple[str, ...]
    unsure: tuple[str, ...] = ()


def canonical(expression: str, field: Field, *, rules: bool) -> str:
    """SQL that brings a typed value into the form in which both sides are compared."""
    kind = sql_type(field)
    if kind == "VARCHAR":
        value = held_sql(field.held, expression) if rules else expression
        return f"nullif({value}, '')"
    if kind == "TIMESTAMPTZ":
        finest = "second" if rules and "seconds" in field.held else "millisecond"
        return f"date_trunc('{finest}', {expression})"
    if kind == "BOOLEAN" and rules and "null_is_false" in field.held:
        return f"coalesce({expression}, false)"
    if field.kind is Kind.MULTIPICKLIST:
        listed = f"list_sort(list_distinct(list_filter({expression}, lambda x: x <> '')))"
        return f"CASE WHEN len({listed}) > 0 THEN {listed} END"
    return expression


def shown_of(evidence: Evidence, each: ObjectPlan, name: str, value: str, *, wire: bool = False) -> str:
    """SQL of a value of the target in the form in which it is compared; a reference shows a migration key.

    Args:
        wire: it is a wire value (text), whatever the field's kind is.
    """
    field = evidence.target_schema(each.target).fields[name]
    if name in leading(each):
        return found_of(evidence, each, name, value, wire=wire)
    return canonical(from_wire(value, field) if wire else value, field, rules=False)


def _staged_type(each: ObjectPlan, name: str, field: Field) -> str:
    gathers = name in each.fields and each.fields[name].gather is not None
    return "VARCHAR[]" if gathers else sql_type(field)


def columns_of(evidence: Evidence, each: ObjectPlan) -> list[str]:
    """Target fields that the plan fills and that were staged for an object, in their order."""
    fields, wanted = evidence.target_schema(each.target).fields, set(written_fields(each))
    staged: dict[str, None] = {}
    # The newest first: a field that was mapped after the first load stands in later generations only.
    for manifest in reversed(evidence.store.manifests("ready", each.name)):
        if files := evidence.store.files(manifest):
            staged.update(dict.fromkeys(pq.read_schema(files[0]).names))
    names = [name for name in staged if name in wanted and name in fields]
    # What a field shows of another record isn't known where that one wasn't read.
    return names if evidence.part is None else [name for name in names if not _shows(each, name)]


def _shows(each: ObjectPlan, name: str) -> bool:
    return name in each.fields and each.fields[name].id is not None


def compared_of(evidence: Evidence, each: ObjectPlan) -> list[str]:
    """Those of `columns_of` whose values must be equal; what keeps a no is `consent`'s to compare."""
    fields = evidence.target_schema(each.target).fields
    return [name for name in columns_of(evidence, each) if fields[name].consent is None]


def sides(evidence: Evidence, each: ObjectPlan) -> Sides:
    """Make the two tables of an object; made once a validation."""
    return evidence.once(("sides", each.name), lambda: _sides(evidence, each))


def _sides(evidence: Evidence, each: ObjectPlan) -> Sides:
    fields = evidence.target_schema(each.target).fields
    columns = compared_of(evidence, each)
    staged = latest_ready(
        evidence.store,
        each.name,
        {"_version": "TIMESTAMPTZ"} | {name: _staged_type(each, name, fields[name]) for name in columns},
    )
    leads = set(leading(each))
    joins, mine = [], {}
    for index, name in enumerate(columns):
        value = f"r.{identifier(name)}"
        if name in leads:
            mine[name] = expected_of(evidence, each, name, value)
            continue
        if texts := rewritten(evidence, each, name):
            joins.append(f"LEFT JOIN {texts} AS t{index} ON t{index}._key = r._key")
            value = f"coalesce(t{index}.value, {value})"
        mine[name] = canonical(value, fields[name], rules=True)
    always = {*always_written(each), *(field.former for field in each.fields.values() if field.former)}
    unsure, items = [], []
    for name in columns:
        wins = each.fields[name].wins if name in each.fields else None
        if name in always or wins == "source":
            items.append(f"{mine[name]} AS {identifier(name)}")
            continue
        if wins is not None and wins not in RULES:
            unsure.append(name)
        theirs = shown_of(evidence, each, name, f"c.before[{text(name)}]", wire=True)
        stays = survivor(wins or "target", mine[name], theirs)
        items.append(f"CASE WHEN c.origin = 'adopt' THEN {stays} ELSE {mine[name]} END AS {identifier(name)}")
    adopted = f"""(SELECT key, arg_min(stamp, seq) AS stamp FROM {evidence.journal}
        WHERE kind = 'record' AND op = 'adopt' AND outcome = 'intent' GROUP BY key)"""
    expected = evidence.table(
        f"expected {each.name}",
        f"""SELECT r._key, c.target_id AS _id, c.origin AS _origin{"".join(f", {item}" for item in items)}
        FROM {staged} AS r JOIN {evidence.crosswalk} AS c ON c.key = r._key
        LEFT JOIN {adopted} AS a ON a.key = r._key {" ".join(joins)}
        WHERE {evidence.looks_at("r._key")} AND {evidence.ours("r._key")}""",
    )
    listed = "".join(
        f", {shown_of(evidence, each, name, f't.{identifier(name)}')} AS {identifier(name)}"
        for name in columns
    )
    found = evidence.table(
        f"found {each.name}",
        f"""SELECT _key, _id{listed} FROM {evidence.found(each.target)} AS t
        WHERE {evidence.owns(each, "_key")} AND NOT {posted_sql("_key")}
        AND {evidence.ours("_key")}""",
    )
    return Sides(expected, found, tuple(columns), tuple(unsure))


def survivor(rule: str, mine: str, theirs: str) -> str:
    """`migrate.survivorship.survive` in SQL. Needs `r._version` and `a.stamp` for `newest`."""
    if rule == "source":
        return mine
    if rule == "first_non_null":
        return f"coalesce({mine}, {theirs})"
    longest = f"len(CAST({mine} AS VARCHAR)) > len(CAST({theirs} AS VARCHAR))"
    newest = "coalesce(r._version > TRY_CAST(a.stamp AS TIMESTAMPTZ), r._version IS NOT NULL)"
    if rule in ("longest", "newest"):
        wins = longest if rule == "longest" else newest
        return (
            f"CASE WHEN {mine} IS NULL OR {theirs} IS NULL THEN coalesce({theirs}, {mine}) "
            f"WHEN {wins} THEN {mine} ELSE {theirs} END"
        )
    return f"coalesce({theirs}, {mine})"
