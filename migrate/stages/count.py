"""How often does each mapped value stand in the extract, and which records would share a unique value?

Answers for `check`, counted by the engine over the staged Parquet of the source: every expression
that goes through a picklist or owner map, every pair of fields that must fit together, and every
expression that fills a unique target field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow.parquet as pq

from migrate.catalog import ANY, Catalog, Field
from migrate.engine import Engine, identifier, parquet
from migrate.engine import text as quoted
from migrate.errors import Defect, PlanError
from migrate.plan import LabelMap, ObjectPlan, Plan, SubscriptionMap, parse_expression
from migrate.stages.checked import Collision
from migrate.stages.related import Related, extended, joined
from migrate.types import Kind

MOST_VALUES = 10_000  # distinct values of one expression; a picklist has fewer
MOST_EXAMPLES = 3  # records of each value that a map names


def count_values(
    plan: Plan, source: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
) -> dict[tuple[str, str], dict[str, int]]:
    """By distinct value, for every expression that goes through a map: `sample_values` without ids."""
    return {
        key: {value: each.count for value, each in values.items()}
        for key, values in sample_values(plan, source, files, engine).items()
    }


@dataclass(frozen=True)
class Sampled:
    """How many extracted records hold a value, and the ids of the first of them, at most `MOST_EXAMPLES`."""

    count: int
    ids: tuple[str, ...]


def sample_values(
    plan: Plan, source: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
) -> dict[tuple[str, str], dict[str, Sampled]]:
    """Records by distinct value, for every expression that goes through a map.

    Args:
        files: Parquet parts by source object (junctions included), readable by the engine; objects
            without parts are left out.

    Returns:
        By (entry or junction object, expression as the plan has it); nulls and rows that `where`
        hides aren't counted, the values of a multi-picklist each on its own. What can't be parsed is left
        out: `check` tells it.
    """
    found: dict[tuple[str, str], dict[str, Sampled]] = {}
    seen = _Seen(plan, source, files, engine)
    for name, object, condition, text in dict.fromkeys(_mapped(plan)):
        fields = seen.fields(name, object)
        sql = _sql(plan, fields, text)
        where = "true" if condition is None else _sql(plan, fields, condition)
        if sql is None or where is None or not files.get(object):
            continue
        kind = _kind(engine, sql, fields)
        if kind is None:
            continue
        value = f"unnest({sql})" if kind.endswith("[]") else sql
        rows = _rows(
            engine,
            f"SELECT CAST(v AS VARCHAR) AS v, count(*) AS n, "
            f"list_sort(list_distinct(min(_id, {MOST_EXAMPLES}))) AS ids FROM (SELECT _id, {value} AS v "
            f"FROM {seen.rows(name, object)} WHERE {where}) WHERE v IS NOT NULL GROUP BY ALL "
            f"ORDER BY n DESC, v LIMIT {MOST_VALUES}",
        )
        if rows is not None:
            found[name, text] = {str(row["v"]): Sampled(int(row["n"]), tuple(row["ids"])) for row in rows}
    return found


@dataclass(frozen=True)
class Through:
    """An expression that goes through a map. `name`: the entry or junction under which it is counted."""

    name: str
    object: str
    where: str | None
    text: str


def count_without_home(
    plan: Plan,
    source: Catalog,
    files: Mapping[str, Sequence[str]],
    engine: Engine,
    through: Through,
    field: str,
    value: str,
    homes: Collection[str],
) -> int:
    """Extracted records with this value in a field out of which the expression makes what has no home."""
    seen = _Seen(plan, source, files, engine)
    fields = seen.fields(through.name, through.object)
    where = "true" if through.where is None else _sql(plan, fields, through.where)
    if field not in fields or where is None or not files.get(through.object):
        return 0
    try:
        made = parse_expression(through.text, fields, plan.at("objects"))
    except PlanError:
        return 0  # `check` tells it
    kind = _kind(engine, made.sql, fields) or ""
    what = f"unnest({made.sql})" if kind.endswith("[]") else made.sql
    known = ", ".join(map(quoted, sorted(homes))) or "NULL"
    same = f"AND v = {quoted(value)}" if made.column == field else ""
    rows = _rows(
        engine,
        f"SELECT count(DISTINCT _id) AS n FROM (SELECT _id, CAST(v AS VARCHAR) AS v FROM (SELECT _id, {what} "
        f"AS v FROM {seen.rows(through.name, through.object)} WHERE ({where}) AND "
        f"{holds(fields[field], value)})) WHERE v IS NOT NULL AND (v IN ({known})) IS NOT TRUE {same}",
    )
    return int(rows[0]["n"]) if rows else 0


def holds(field: Field, value: str) -> str:
    """SQL: whether a field, as it is staged, holds a picklist's value."""
    column = identifier(field.name)
    if field.kind is Kind.MULTIPICKLIST:
        return f"list_contains({column}, {quoted(value)})"
    return f"CAST({column} AS VARCHAR) = {quoted(value)}"


def count_combinations(
    plan: Plan, source: Catalog, target: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
) -> dict[tuple[str, str], dict[tuple[str, str | None], int]]:
    """Records by combination of two values, where the target takes one only with some of the other.

    Returns:
        Counts by (entry, target field), as the values stand before any map; the second is None
        where it is null or nothing fills its field. Rows that `where` hides don't count.
    """
    found: dict[tuple[str, str], dict[tuple[str, str | None], int]] = {}
    seen = _Seen(plan, source, files, engine)
    for each in plan.model.objects:
        schema, parts = target.objects.get(each.target), files.get(each.source)
        if schema is None or not parts or each.source not in source.objects:
            continue
        fields = seen.fields(each.name, each.source)
        where = "true" if each.where is None else _sql(plan, fields, each.where)
        for name, field in each.fields.items():
            within = schema.fields[name].within if name in schema.fields else None
            if within is None or where is None:
                continue
            other = each.fields.get(within)
            inner = _sql(plan, fields, field.origin)
            outer = "NULL" if other is None else _sql(plan, fields, other.origin)
            if inner is None or outer is None:
                continue
            rows = _rows(
                engine,
                f"SELECT CAST({inner} AS VARCHAR) AS a, CAST({outer} AS VARCHAR) AS b, count(*) AS n "
                f"FROM {seen.rows(each.name, each.source)} WHERE {where} GROUP BY ALL HAVING a <> '' "
                f"ORDER BY n DESC, a, b LIMIT {MOST_VALUES}",
            )
            if rows is not None:
                found[each.name, name] = {(str(row["a"]), row["b"]): int(row["n"]) for row in rows}
    return found


def count_collisions(
    plan: Plan, source: Catalog, target: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
) -> list[Collision]:
    """Groups of source records that would share a value of a unique target field, after `dedupe`.

    Only fields that are filled by an expression alone: a map or a Python function is left out. Rows
    that `where` hides don't count. Texts are compared without regard to case, as vendors do.
    """
    found: list[Collision] = []
    seen = _Seen(plan, source, files, engine)
    for each in plan.model.objects:
        schema, parts = target.objects.get(each.target), files.get(each.source)
        if schema is None or not parts or each.source not in source.objects:
            continue
        for name, field in each.fields.items():
            unique = name in schema.fields and schema.fields[name].unique
            if not (unique or name in each.match) or field.picklist or field.owner or field.python:
                continue
            collision = _collision(plan, seen, each, name, field.origin)
            if collision is not None:
                found.append(collision)
    return found


def count_consent(
    source: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
) -> dict[tuple[str, str], int]:
    """Records that say no, by (source object, field), in every field that the catalog marks as consent.

    A record counts where any extracted version of it says so.
    """
    found: dict[tuple[str, str], int] = {}
    for name, parts in files.items():
        schema = source.objects.get(name)
        marked = [each for each in schema.fields.values() if each.consent] if schema else []
        there = set(pq.read_schema(parts[0]).names) if parts and marked else set()
        items = {each.name: says_no(each) for each in marked if each.name in there}
        if not items:
            continue
        counts = ", ".join(
            f"count(DISTINCT _id) FILTER ({sql}) AS {identifier(field)}" for field, sql in items.items()
        )
        row = engine.rows(f"SELECT {counts} FROM {parquet(parts)}")[0]
        found |= {(name, field): int(row[field]) for field in items}
    return found


def says_no(field: Field) -> str:
    """SQL: whether a field that the catalog marks as consent opts its record out."""
    value = f"CAST({identifier(field.name)} AS VARCHAR)"
    if field.consent is None:
        return "false"
    if ANY in field.consent.out:
        return f"coalesce({value}, '') <> ''"
    return f"coalesce({value}, '') IN ({', '.join(map(quoted, field.consent.out))})"


def _collision(plan: Plan, seen: _Seen, each: ObjectPlan, name: str, text: str) -> Collision | None:
    fields = seen.fields(each.name, each.source)
    value = _sql(plan, fields, text)
    where = _sql(plan, fields, each.where) if each.where is not None else "true"
    if value is None or where is None:
        return None
    groups = [_sql(plan, fields, on) for on in (each.dedupe.on if each.dedupe else [])]
    # Records that `dedupe` puts together count as one; those without a value to go by stand alone.
    same = ", ".join(f"CAST({sql} AS VARCHAR)" for sql in groups if sql)
    merged = (each.dedupe is not None and each.dedupe.losers == "merge") and bool(same)
    one = f"coalesce(nullif(concat_ws('|', {same}), ''), _id)" if merged else "_id"
    rows = _rows(
        seen.engine,
        f"SELECT count(*) AS groups, CAST(coalesce(sum(n), 0) AS BIGINT) AS records FROM ("
        f"SELECT v, count(DISTINCT one) AS n FROM (SELECT lower(CAST({value} AS VARCHAR)) AS v, {one} AS one "
        f"FROM {seen.rows(each.name, each.source)} WHERE {where}) WHERE v <> '' GROUP BY v HAVING n > 1)",
    )
    return (
        None
        if rows is None or not rows[0]["groups"]
        else Collision(each.name, name, int(rows[0]["groups"]), int(rows[0]["records"]))
    )


def consent_name(source: str) -> str:
    """Under what the values of an entry of `consent` are counted; no entry of `objects` has such a name."""
    return f"{source} (consent)"


def _mapped(plan: Plan) -> Iterator[tuple[str, str, str | None, str]]:
    """(key of the counts, source object, condition on its rows, expression) of everything that has a map."""
    for each in plan.model.objects:
        for field in each.fields.values():
            if field.picklist is not None or field.owner is not None:
                yield each.name, each.source, each.where, field.origin
        for link in each.links:
            if isinstance(link.label, LabelMap):
                if link.through is not None:
                    yield link.through, link.through, None, link.label.from_
                else:
                    yield each.name, each.source, each.where, link.label.from_
    for consent in plan.model.consent:
        if isinstance(consent.subscription, SubscriptionMap):
            yield consent_name(consent.source), consent.source, None, consent.subscription.from_


class _Seen:
    """What an entry's expressions see in the extract: its object's rows, and what comes out of others'."""

    def __init__(
        self, plan: Plan, source: Catalog, files: Mapping[str, Sequence[str]], engine: Engine
    ) -> None:
        self.engine, self._source, self._files = engine, source, files
        related = Related(plan, source, engine, lambda _mistake: None)  # `check` tells them
        self._related = {
            each.name: tuple(one for one in related.of(index, each) if files.get(one.of))
            for index, each in enumerate(plan.model.objects)
            if each.related
        }

    def fields(self, name: str, object: str) -> Mapping[str, Field]:
        schema = self._source.objects.get(object)
        return extended(schema, self._related.get(name, ())).fields if schema else {}

    def rows(self, name: str, object: str) -> str:
        return joined(
            parquet(self._files[object]),
            self._related.get(name, ()),
            lambda other: parquet(self._files[other]),
        )


def _sql(plan: Plan, fields: Mapping[str, Field], text: str) -> str | None:
    try:
        return parse_expression(text, fields, plan.at("objects")).sql
    except PlanError:
        return None  # `check` tells it, with its place


def _kind(engine: Engine, sql: str, fields: Mapping[str, Field]) -> str | None:
    try:
        return engine.describe({"x": sql}, fields)["x"]
    except ValueError:
        return None  # as above


def _rows(engine: Engine, sql: str) -> list[dict[str, Any]] | None:
    """The rows; None where the expression fails on some row, whose record the transform rejects."""
    try:
        return engine.rows(sql)
    except (duckdb.Error, Defect):
        return None
