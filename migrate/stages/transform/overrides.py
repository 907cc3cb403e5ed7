"""Which corrections came back from the business, and do they still fit?

An override names a record's migration key, a target field, the value it replaces and the new one.
It is applied to what the plan makes of the record, or in place of a mistake; where the value isn't
the one that was corrected any more, it is not applied and a warning says so.
"""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa

from migrate.engine import text
from migrate.plan.keys import entry_of
from migrate.stages.transform.homes import resolve
from migrate.stages.transform.work import Column, ObjectWork, Work, as_text

_TYPES = {"_key": pa.string(), "old": pa.string(), "new": pa.string()}


def override(work: Work, each: ObjectWork) -> None:
    """Apply the overrides of this object's records to `values` and `mistakes`."""
    wanted: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in work.plan.overrides:
        if entry_of(row.key) == each.name:
            wanted[row.field][row.key] = (row.old or "", row.new or "")
    known = {column.name: column for column in each.columns if column.sql.startswith(("f", "w"))}
    for index, (name, rows) in enumerate(sorted(wanted.items())):
        if name in known:
            _apply(work, each, known[name], each.table(f"override{index}"), rows)
        else:
            each.warnings += [f"override of {key}: the plan fills no field `{name}`" for key in sorted(rows)]


def _apply(
    work: Work, each: ObjectWork, column: Column, table: str, rows: dict[str, tuple[str, str]]
) -> None:
    def meant(value: str) -> str:
        return (resolve(column.field.options, value) if column.field.options else None) or value

    values, mistakes = each.table("values"), each.table("mistakes")
    work.table_of(table, _TYPES, [(key, old, new) for key, (old, new) in sorted(rows.items())])
    also = work.table_of(
        f"{table}_meant", _TYPES, [(k, meant(o), meant(n)) for k, (o, n) in sorted(rows.items())]
    )
    type, name = column.type, text(column.name)
    many = type.endswith("[]")
    held = as_text(f"v.{column.sql}", type)
    typed = "" if many else f" OR (m.old <> '' AND TRY_CAST(m.old AS {type}) = v.{column.sql})"
    new = (
        "CASE WHEN m.new <> '' THEN string_split(m.new, ';') END"
        if many
        else f"TRY_CAST(nullif(m.new, '') AS {type})"
    )
    work.run(
        f"""CREATE TABLE {table}_fits AS
        SELECT o._key, v._id, o.new AS given, {new} AS new,
            NOT {many} AND m.new <> '' AND ({new}) IS NULL AS wrong
        FROM {table} AS o JOIN {also} AS m USING (_key) JOIN {values} AS v USING (_key)
        WHERE (coalesce({held}, '') IN (o.old, m.old){typed}
            AND NOT EXISTS (SELECT 1 FROM {mistakes} AS x WHERE x._key = o._key AND x.field = {name}))
           OR EXISTS (SELECT 1 FROM {mistakes} AS x WHERE x._key = o._key AND x.field = {name}
                AND (coalesce(x.value, '') = o.old OR o.old = ''))"""
    )
    work.run(
        f"UPDATE {values} AS v SET {column.sql} = f.new FROM {table}_fits AS f "
        "WHERE v._key = f._key AND NOT f.wrong"
    )
    work.run(f"DELETE FROM {mistakes} WHERE field = {name} AND _key IN (SELECT _key FROM {table}_fits)")
    work.run(
        f"INSERT INTO {mistakes} SELECT _key, _id, {name}, 'override', given, "
        f"{text(f'the new value of an override is no {type}')} FROM {table}_fits WHERE wrong"
    )
    stale = work.engine.rows(
        f"SELECT o._key AS key, v._key IS NOT NULL AS there "
        f"FROM {table} AS o LEFT JOIN {values} AS v USING (_key) "
        f"ANTI JOIN {table}_fits AS f ON f._key = o._key ORDER BY key"
    )
    each.warnings += [
        f"override of {row['key']}, `{column.name}`: "
        + (
            "the old value is another one now; not applied"
            if row["there"]
            else "no such record is to be moved"
        )
        for row in stale
    ]
