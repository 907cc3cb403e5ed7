"""What is a post as a row of the source? Names become fields, and texts become values of their types.

A value that can't be one of its field's type refuses its post, with the field's name and not the value. What
no field takes (`retURL`) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migrate.cutover.posts import Post
from migrate.engine import identifier, text
from migrate.plan.keys import POSTED as ID
from migrate.types import Kind, duckdb_type

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import ObjectSchema
    from migrate.plan.cutover import IntakePlan
    from migrate.workspace import Workspace

__all__ = ["ID", "End", "rows_of"]

End = tuple[str, str, str, str, str]  # a post's id, state, migration key, id in the system, reason


def rows_of(
    workspace: Workspace, schema: ObjectSchema, names: Sequence[str], door: IntakePlan, posts: Sequence[Post]
) -> tuple[pa.Table, list[End]]:
    """Posts as rows of the source's types; and the ends of those that can't be."""
    import pyarrow as pa

    rows, bad = _named(schema, names, door, posts)
    used = sorted({name for row in rows for name in row} - {"_id"})
    table = pa.table(
        {name: pa.array([row.get(name) for row in rows], pa.string()) for name in ["_id", *used]}
    )
    engine = workspace.engine
    engine.run("DROP TABLE IF EXISTS intake_posts")
    with engine.cursor() as cursor:
        cursor.register("handed_over", table)
        cursor.execute("CREATE TABLE intake_posts AS SELECT * FROM handed_over")
        cursor.unregister("handed_over")
    casts = {name: _cast(schema, name) for name in used}
    lost = {name: f"{identifier(name)} IS NOT NULL AND {cast} IS NULL" for name, cast in casts.items()}
    named = ", ".join(f"CASE WHEN {each} THEN {text(name)} END" for name, each in lost.items())
    wrong = f"concat_ws(', ', {named})" if named else "''"
    bad += [
        (
            row["_id"].removeprefix(ID),
            "refused",
            "",
            "",
            f"type: the value of {row['wrong']} isn't of its type",
        )
        for row in engine.rows(f"SELECT _id, {wrong} AS wrong FROM intake_posts WHERE {wrong} <> ''")
    ]
    items = ["_id"]
    for name in names:
        field = schema.fields[name]
        kind = duckdb_type(field.kind, field.precision, field.scale)
        value = casts.get(name, "NULL")
        if field.kind is Kind.BOOL:
            value = f"coalesce({value}, false)"
        items.append(f"CAST({value} AS {kind}) AS {identifier(name)}")
    query = f"SELECT {', '.join(items)} FROM intake_posts WHERE {wrong} = '' ORDER BY _id"
    return engine.stream(query).read_all(), bad


def _named(
    schema: ObjectSchema, names: Sequence[str], door: IntakePlan, posts: Sequence[Post]
) -> tuple[list[dict[str, str]], list[End]]:
    """Posted values by the names of the object's fields, as texts; values that no field has are left out."""
    known = {name.lower(): name for name in names}
    rows: list[dict[str, str]] = []
    bad: list[End] = []
    for post in posts:
        row = {"_id": f"{ID}{post.id}"}
        for posted, value in post.fields.items():
            name = door.fields.get(posted) or known.get(posted.lower())
            if name in schema.fields and value.strip():
                row[name] = value.strip()
        if len(row) == 1:
            words = "unknown: no posted name is a field of the object, or stands in the door's `fields`"
            bad.append((post.id, "refused", "", "", words))
            continue
        row |= {name: post.at for name in (schema.stamp, schema.created) if name in known.values() and name}
        rows.append(row)
    return rows, bad


def _cast(schema: ObjectSchema, name: str) -> str:
    """SQL of a posted text as a value of its field; null where it can't be one."""
    field, column = schema.fields[name], identifier(name)
    if field.kind is Kind.BOOL:
        return (
            f"CASE WHEN lower({column}) IN ('1', 'true', 'on', 'yes', 'y', 'checked') THEN true "
            f"WHEN lower({column}) IN ('0', 'false', 'off', 'no', 'n', '') THEN false END"
        )
    if field.kind is Kind.MULTIPICKLIST:
        return f"string_split({column}, ';')"
    return f"TRY_CAST({column} AS {duckdb_type(field.kind, field.precision, field.scale)})"
