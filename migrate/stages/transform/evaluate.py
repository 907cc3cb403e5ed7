"""What does each current record become in the target's fields, and which of its values can't be had?

One pass per object: `where`, then every expression, its Python function, its picklist or owner
home, cast to the target's type. The result is a table `values` and a table `mistakes`.

An expression that raises for a row must reject that row and no other. Each is therefore evaluated
as `TRY(struct_pack(v := expression))`: an error makes the struct NULL, while an expression that
gives null makes a struct that holds a null, so the two are never confused. DuckDB goes back to row
by row only for those vectors in which something raised. The words of an error are had by running
the expression again over some of the rejected rows, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa

from migrate.catalog import Field
from migrate.engine import identifier, reason, text
from migrate.errors import UsageError
from migrate.stages.checked import CheckedField
from migrate.stages.related import joined
from migrate.stages.transform.current import current
from migrate.stages.transform.functions import Function
from migrate.stages.transform.gate import gate, stopped
from migrate.stages.transform.homes import home_table, owner_table, picklist_home
from migrate.stages.transform.messages import holds_text, messages, texts
from migrate.stages.transform.work import Column, ObjectWork, Work, attempt, filled
from migrate.types import Kind

EXPLAINED = 200  # rows of an object whose errors are told in DuckDB's words
ACTIVITY = "LastActivityDate"  # what a source calls the day of the last activity, where it keeps one
MISTAKE = "STRUCT(field VARCHAR, reason VARCHAR, value VARCHAR, detail VARCHAR)"


def columns(work: Work, number: int, entry: str) -> list[Column]:
    """The target fields of an object's ready rows, in order: identity, the plan's fields, former owners."""
    checked = work.checked.objects[entry]
    plan = checked.plan

    def own(name: str, label: str) -> Field:
        known = checked.target.fields.get(name)
        return known or Field(name=name, label=label, kind=Kind.STRING, vendor_type="string", custom=True)

    found = [Column(plan.key.field, own(plan.key.field, "Migration key"), "_key")]
    if plan.key.old_id:
        found.append(Column(plan.key.old_id, own(plan.key.old_id, "Old id"), "_id"))
    if plan.key.old_url:
        found.append(Column(plan.key.old_url, own(plan.key.old_url, "Old URL"), "_url"))
    for index, (name, each) in enumerate(checked.fields.items()):
        leads, many = tuple(each.plan.entries.items()), each.plan.gather is not None
        nobody = each.owners.nobody.id if each.owners and each.owners.nobody else None
        found.append(Column(name, each.target, f"f{index}", leads=leads, many=many, nobody=nobody))
    for index, (name, each) in enumerate(checked.fields.items()):
        if each.plan.former and each.plan.former not in checked.fields:
            former = own(each.plan.former, f"Former owner ({name})")
            found.append(Column(each.plan.former, former, f"w{index}", former_of=f"f{index}"))
    names = [column.name for column in found]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"`{twice}` of `{plan.target}` is filled twice by the plan's object {number} (`{entry}`)",
            "Give the key, the old id, the old URL and the former owner fields of their own.",
        )
    return found


def evaluate(work: Work, each: ObjectWork) -> None:
    """Fill the object's tables `skipped`, `values` and `mistakes`.

    `values`: `_key`, `_id`, `_stamp`, `_created`, `_activity`, `_url`, `d0..` (dedupe expressions as
    text) and one column a target field. `mistakes`: `_key`, `_id`, field, reason, value, detail.
    """
    rows = own_rows(work, each)
    passed = gate(work, each, rows)
    fields = list(each.checked.fields.values())
    helpers = {
        index: helper(work, each, index, field, passed)
        for index, field in enumerate(fields)
        if (helper := _helper(each, field))
    }
    inner = [*_identity(each)]
    joins: list[str] = []
    outer: list[str] = []
    bad: list[str] = []
    for index, field in enumerate(fields):
        column = next(column for column in each.columns if column.sql == f"f{index}")
        if index in helpers:
            inner.append(f"NULL AS _x{index}")
        else:
            mapped = bool(field.plan.picklist or field.plan.owner)
            inner.append(f"{_raw(field, column, mapped)} AS _x{index}")
        inner.append(f"{_inputs(field)} AS _i{index}")
        value, former, mistakes, joined = _field(work, each, index, field, column, helpers.get(index))
        outer.append(f"{value} AS f{index}")
        outer += [f"{former} AS w{index}"] if former else []
        bad += mistakes
        joins += joined
    for index, key in enumerate(each.checked.dedupe):
        inner.append(f"{attempt(f'CAST(({key.sql}) AS VARCHAR)')} AS _d{index}")
        outer.append(f"_d{index}.v AS d{index}")
        bad.append(
            f"CASE WHEN _d{index} IS NULL THEN {_mistake('dedupe', 'expression', 'NULL', key.text)} END"
        )
    found = f"list_filter([{', '.join(bad)}], lambda m: m IS NOT NULL)" if bad else "[]"
    work.run(
        f"""CREATE TABLE {each.table("values")} AS
        SELECT {", ".join(["raw._key", "raw._id", "_stamp", "_created", "_activity", "_url", *outer])},
            CAST({found} AS {MISTAKE}[]) AS _mistakes
        FROM (SELECT {", ".join(inner)} FROM {passed}) AS raw {" ".join(joins)}"""
    )
    work.run(
        f"CREATE TABLE {each.table('mistakes')} AS SELECT _key, _id, unnest(_mistakes, recursive := true) "
        f"FROM {each.table('values')} WHERE len(_mistakes) > 0"
    )
    work.run(f"ALTER TABLE {each.table('values')} DROP COLUMN _mistakes")
    stopped(work, each)
    _explain(work, each, rows)


def own_rows(work: Work, each: ObjectWork) -> str:
    """SQL: what the entry's expressions see, the further fields out of other objects included."""
    return joined(current(work, each.source), each.checked.related, lambda object: current(work, object))


def _identity(each: ObjectWork) -> Iterator[str]:
    schema = each.checked.source
    yield f"{each.key('_id')} AS _key"
    yield "_id"
    for name, field in (("_stamp", schema.stamp), ("_created", schema.created), ("_activity", ACTIVITY)):
        value = identifier(field) if field is not None and field in schema.fields else "NULL"
        yield f"CAST({value} AS TIMESTAMPTZ) AS {name}"
    before, _, after = (schema.url or "{id}").partition("{id}")
    yield f"{text(before)} || _id || {text(after)} AS _url"


def _raw(field: CheckedField, column: Column, mapped: bool) -> str:
    """The expression's value: as it is for a map, else cast to the target's type."""
    sql = field.expression.sql
    if mapped:
        return attempt(sql)
    if _narrows(field.type, column):
        cast = f"CAST(({sql}) AS {column.type})"
        return attempt(cast, f", exact := (CAST({cast} AS {field.type}) = ({sql}))")
    return attempt(f"CAST(({sql}) AS {column.type})")


def _narrows(type: str, column: Column) -> bool:
    """Whether the cast to the target's type could round a value without a word."""
    if column.field.kind is Kind.INT:
        return type.startswith("DECIMAL") or type in ("DOUBLE", "FLOAT")
    if type.startswith("DECIMAL(") and column.type.startswith("DECIMAL("):
        return int(type[:-1].split(",")[1]) > int(column.type[:-1].split(",")[1])
    return False


def _inputs(field: CheckedField) -> str:
    """The source values that an expression was given, as text for people."""
    if field.plan.eml is not None:
        return "NULL::VARCHAR"  # whole bodies, which nobody reads there
    names = sorted(field.expression.inputs)
    if len(names) == 1:
        return f"CAST({identifier(names[0])} AS VARCHAR)"
    shown = [f"{text(name + '=')} || CAST({identifier(name)} AS VARCHAR)" for name in names]
    return f"concat_ws('; ', {', '.join(shown)})" if shown else "NULL::VARCHAR"


def _mistake(field: str, why: str, value: str, detail: str) -> str:
    return f"{{'field': {text(field)}, 'reason': {text(why)}, 'value': {value}, 'detail': {text(detail)}}}"


def _field(
    work: Work, each: ObjectWork, index: int, field: CheckedField, column: Column, helper: str | None
) -> tuple[str, str | None, list[str], list[str]]:
    """(value, former owner, mistakes, joins) of one target field, over its raw struct."""
    raw, inputs, name = f"_x{index}", f"_i{index}", column.name
    joins: list[str] = []
    mistakes: list[str] = []
    type = field.type
    if helper is None:
        mistakes.append(f"CASE WHEN {raw} IS NULL THEN {_mistake(name, 'expression', inputs, '')} END")
        value = f"{raw}.v"
    else:
        joins.append(f"LEFT JOIN {helper} AS h{index} ON h{index}._id = raw._id")
        mistakes.append(
            f"CASE WHEN h{index}.error IS NOT NULL THEN {{'field': {text(name)}, 'reason': 'expression', "
            f"'value': {inputs}, 'detail': h{index}.error}} END"
        )
        value = f"h{index}.value"
        type = column.type if not (field.plan.picklist or field.plan.owner) else "VARCHAR"
    if field.plan.picklist:
        return _picklist(work, each, index, field, column, (value, type), (mistakes, joins))
    if field.owners is not None:
        owners, taker = owner_table(work, each.table(f"owners{index}"), field.owners)
        joins.append(f"LEFT JOIN {owners} AS w{index} ON w{index}.value = CAST({value} AS VARCHAR)")
        given = filled(f"CAST({value} AS VARCHAR)")
        home = (
            f"CASE WHEN w{index}.value IS NULL THEN {text(taker) if taker else 'NULL'} ELSE w{index}.home END"
        )
        seen = f"CAST({value} AS VARCHAR)"
        nobody = _mistake(name, "no_owner", seen, "no active owner, and no `inactive` owner")
        mistakes.append(f"CASE WHEN {given} AND ({home}) IS NULL THEN {nobody} END")
        former = (
            f"CASE WHEN NOT {given} THEN NULL WHEN w{index}.value IS NULL THEN {seen} "
            f"ELSE w{index}.former END"
        )
        return f"CASE WHEN {given} THEN {home} END", former, mistakes, joins
    if helper is None and _narrows(field.type, column):
        detail = f"has more decimal places than `{name}` keeps; round it in the plan"
        mistakes.append(f"CASE WHEN NOT {raw}.exact THEN {_mistake(name, 'expression', inputs, detail)} END")
    return value, None, mistakes, joins


def _picklist(
    work: Work,
    each: ObjectWork,
    index: int,
    field: CheckedField,
    column: Column,
    given: tuple[str, str],
    so_far: tuple[list[str], list[str]],
) -> tuple[str, str | None, list[str], list[str]]:
    value, type = given
    mistakes, joins = so_far
    plan = field.plan
    homes = picklist_home(field.home or {}, column.field.options, plan.unmapped)
    fallback = field.default if plan.unmapped == "default" else None
    if type.endswith("[]"):
        sources = [text(value) for value, home in homes.items() if home is not None]
        targets = [text(home) for home in homes.values() if home is not None]
        empty = ", ".join(["''", *(text(value) for value, home in homes.items() if home is None)])
        blank = f"lambda e: coalesce(trim(e) <> '' AND e NOT IN ({empty}), false)"
        cleaned = f"list_filter({value}, {blank})"
        place = f"list_position(CAST([{', '.join(sources)}] AS VARCHAR[]), e)"
        listed = f"CAST([{', '.join(targets)}] AS VARCHAR[])[{place}]"
        other = "e" if plan.unmapped == "add" else text(fallback) if fallback is not None else "NULL"
        home = f"list_transform({cleaned}, lambda e: coalesce({listed}, {other}))"
        stray = f"list_filter({cleaned}, lambda e: coalesce({listed}, {other}) IS NULL)"
        shown = f"array_to_string({stray}, ';')"
        homeless = _mistake(column.name, "unmapped_picklist", shown, _where_to(plan.picklist))
        mistakes.append(f"CASE WHEN len({stray}) > 0 THEN {homeless} END")
        many = f"CASE WHEN len({cleaned}) > 0 THEN list_sort(list_distinct({home})) END"
        return (
            (many if column.type.endswith("[]") else f"array_to_string({many}, ';')"),
            None,
            mistakes,
            joins,
        )
    table = home_table(work, each.table(f"homes{index}"), homes)
    seen = f"CAST({value} AS VARCHAR)"
    joins.append(f"LEFT JOIN {table} AS p{index} ON p{index}.value = {seen}")
    other = seen if plan.unmapped == "add" else text(fallback) if fallback is not None else "NULL"
    home = f"CASE WHEN p{index}.value IS NOT NULL THEN p{index}.home ELSE {other} END"
    mistakes.append(
        f"CASE WHEN {filled(seen)} AND p{index}.value IS NULL AND {other} IS NULL THEN "
        f"{_mistake(column.name, 'unmapped_picklist', seen, _where_to(plan.picklist))} END"
    )
    cast = (
        f"CASE WHEN ({home}) IS NOT NULL THEN [{home}] END"
        if column.type.endswith("[]")
        else f"TRY_CAST(({home}) AS {column.type})"
    )
    if column.type not in ("VARCHAR", "VARCHAR[]"):
        mistakes.append(
            f"CASE WHEN {filled(seen)} AND ({home}) IS NOT NULL AND {cast} IS NULL THEN "
            f"{_mistake(column.name, 'expression', home, f'is no {column.type}')} END"
        )
    return f"CASE WHEN {filled(seen)} THEN {cast} END", None, mistakes, joins


def _where_to(file: str | None) -> str:
    return f"has no home in {file}"


def _helper(
    each: ObjectWork, field: CheckedField
) -> Callable[[Work, ObjectWork, int, CheckedField, str], str] | None:
    """What works out the field's values beside the engine, into a table of its own."""
    if field.plan.eml is not None:
        return messages
    if holds_text(each, field):
        return texts
    return _python if field.function else None


def _python(work: Work, each: ObjectWork, index: int, field: CheckedField, rows: str) -> str:
    """A table (_id, value, error) of what the plan's Python function makes of an expression's values."""
    column = next(column for column in each.columns if column.sql == f"f{index}")
    mapped = bool(field.plan.picklist or field.plan.owner)
    assert field.function is not None  # noqa: S101 - the caller's condition
    function = Function(str(field.plan.python), field.function, pa.string() if mapped else column.arrow)
    name = each.table(f"python{index}")
    schema = pa.schema([("_id", pa.string()), ("value", function.type), ("error", pa.string())])
    work.table_of(name, dict(zip(schema.names, schema.types, strict=True)), [])
    for batch in work.engine.stream(f"SELECT _id, {attempt(field.expression.sql)} AS x FROM {rows}"):
        given = batch.column("x")
        values, errors = function(given.field("v"), given.is_null())
        work.engine.insert(name, pa.table([batch.column("_id"), values, errors], schema=schema))
    return name


def _explain(work: Work, each: ObjectWork, rows: str) -> None:
    """Put DuckDB's words beside expressions that raised, for the first `EXPLAINED` of them."""
    mistakes = each.table("mistakes")
    unsaid = work.engine.rows(
        f"SELECT _id, field FROM {mistakes} WHERE reason = 'expression' AND detail = '' "
        f"ORDER BY _id, field LIMIT {EXPLAINED}"
    )
    if not unsaid:
        return
    ids = ", ".join(text(each_id) for each_id in sorted({row["_id"] for row in unsaid}))
    sample = each.table("unsaid")
    work.run(f"CREATE TABLE {sample} AS SELECT * FROM {rows} WHERE _id IN ({ids})")
    said: list[tuple[str, str, str]] = []
    casts = {column.name: column for column in each.columns}
    with work.engine.cursor() as cursor:
        for row in unsaid:
            field = each.checked.fields[row["field"]]
            sql = field.expression.sql
            if not (field.plan.picklist or field.plan.owner or field.plan.python):
                sql = f"CAST(({sql}) AS {casts[row['field']].type})"
            try:
                cursor.execute(f"SELECT count({sql}) FROM {sample} WHERE _id = {text(row['_id'])}").fetchall()
            except duckdb.Error as error:
                said.append((row["_id"], row["field"], reason(error)))
    words = work.table_of(
        each.table("words"), {"_id": pa.string(), "field": pa.string(), "detail": pa.string()}, said
    )
    work.run(
        f"UPDATE {mistakes} AS m SET detail = w.detail FROM {words} AS w "
        "WHERE m._id = w._id AND m.field = w.field"
    )
    work.run(f"UPDATE {mistakes} SET detail = 'the expression raises for these values' WHERE detail = ''")
