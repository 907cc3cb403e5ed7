"""Which texts are longer than the target takes, and what is left of those that the plan cuts?

A field with `oversize: cut` takes the beginning of such a text, cut as `migrate.cutting` says; the artifact
`cuts` names every one of them with its length, what was kept, and the SHA-256 of the whole, so that nothing
is shortened in silence and what holds the whole can be compared with it. Any other text that is too long is a
mistake of its record.

Lengths are characters; for a cut the most that a vendor can mean by that, UTF-16 units.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from migrate.cutting import cut_html, cut_text, units
from migrate.engine import text
from migrate.stages.transform.work import Column, ObjectWork, Work
from migrate.types import Kind

ROWS = 20  # long texts in memory at once
CUT = {
    "_key": "VARCHAR", "_source_id": "VARCHAR", "field": "VARCHAR", "length": "BIGINT", "kept": "BIGINT",
    "sha256": "VARCHAR",
}  # fmt: skip
_ARROW = pa.schema(
    [("_key", pa.string()), ("_source_id", pa.string()), ("field", pa.string()), ("length", pa.int64()),
     ("kept", pa.int64()), ("sha256", pa.string()), ("value", pa.large_string())]
)  # fmt: skip


def too_long(work: Work, each: ObjectWork) -> None:
    """Cut what the plan cuts, into `values` and `cuts`; reject the other texts that are too long."""
    cuts = each.table("cuts")
    work.run(f"CREATE TABLE {cuts} ({', '.join(f'{name} {kind}' for name, kind in CUT.items())})")
    for column in each.columns:
        if column.field.kind not in (Kind.STRING, Kind.TEXT) or not column.field.length:
            continue
        if column.type != "VARCHAR":
            continue
        plan = each.plan.fields.get(column.name)
        if plan is not None and plan.oversize == "cut":
            _cut(work, each, column, column.field.length, plan.cut_note)
            continue
        work.run(
            f"INSERT INTO {each.table('mistakes')} "
            f"SELECT _key, _id, {text(column.name)}, 'too_long', {column.sql}, "
            f"length({column.sql}) || {text(f' characters; the target takes {column.field.length}')} "
            f"FROM {each.table('values')} WHERE length({column.sql}) > {column.field.length}"
        )


def _cut(work: Work, each: ObjectWork, column: Column, most: int, note: str) -> None:
    values, made = each.table("values"), f"{each.table('cuts')}_{column.sql}"
    shorten = cut_html if column.field.html else cut_text
    work.table_of(made, dict(zip(_ARROW.names, _ARROW.types, strict=True)), [])
    # UTF-8 has at least as many bytes as UTF-16 has units, so this finds them all, and few others.
    long = f"SELECT _key, _id, {column.sql} AS v FROM {values} WHERE strlen({column.sql}) > {most}"
    with work.engine.cursor() as cursor:
        for batch in work.engine.stream(long, rows=ROWS):
            rows = [
                (key, id, column.name, units(value), units(left), _digest(value), left)
                for key, id, value in zip(*(item.to_pylist() for item in batch.columns), strict=True)
                if (left := shorten(value, most, note)) != value
            ]
            if not rows:
                continue
            arrays = [pa.array(list(item), type) for item, type in zip(zip(*rows), _ARROW.types, strict=True)]  # noqa: B905
            cursor.register("handed_over", pa.table(arrays, schema=_ARROW))
            cursor.execute(f"INSERT INTO {made} SELECT * FROM handed_over")
            cursor.unregister("handed_over")
    # Rows anew, for an update of a table in memory keeps the values of before for as long as the table lives.
    work.run(
        f"""CREATE TABLE {made}_rows AS SELECT v.* REPLACE (c.value AS {column.sql})
        FROM {values} AS v JOIN {made} AS c ON v._key = c._key"""
    )
    work.run(f"DELETE FROM {values} WHERE _key IN (SELECT _key FROM {made})")
    work.run(f"INSERT INTO {values} SELECT * FROM {made}_rows")
    work.run(f"DROP TABLE {made}_rows")
    work.run(f"INSERT INTO {each.table('cuts')} SELECT * EXCLUDE (value) FROM {made}")
    count = int(work.one(f"SELECT count(*) FROM {made}"))
    if count:
        each.warnings.append(
            f"`{column.name}` of {count:,} records is longer than the {most:,} characters that the target "
            "takes, and was cut"
        )
    work.run(f"DROP TABLE {made}")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
