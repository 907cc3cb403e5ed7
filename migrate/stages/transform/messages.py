"""Which file is the message that the plan makes of a record?

Each message is built whole, one at a time, and lies in the blob store before its name is a value; the same
record gives the same bytes, hence the same name, however often it is transformed.
"""

from __future__ import annotations

import pyarrow as pa

from migrate.eml import eml
from migrate.errors import Defect
from migrate.stages.checked import CheckedField
from migrate.stages.transform.work import ObjectWork, Work, attempt

ROWS = 20  # records whose bodies are in memory at once
_SCHEMA = pa.schema([("_id", pa.string()), ("value", pa.string()), ("error", pa.string())])


def messages(work: Work, each: ObjectWork, index: int, field: CheckedField, rows: str) -> str:
    """A table (_id, value, error) of the messages of an object's records.

    Raises:
        NoSpace: the blob store refused.
    """
    if work.blobs is None:
        raise Defect("A plan that makes messages needs a blob store.")
    name = each.table(f"messages{index}")
    work.table_of(name, dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True)), [])
    query = f"SELECT _id, {attempt(field.expression.sql)} AS x FROM {rows}"
    with work.engine.cursor() as cursor:
        for batch in work.engine.stream(query, rows=ROWS):
            pairs = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            made = [_message(work, id, x) for id, x in pairs]
            cursor.register("handed_over", pa.Table.from_pylist(made, schema=_SCHEMA))
            cursor.execute(f"INSERT INTO {name} SELECT * FROM handed_over")
            cursor.unregister("handed_over")
    return name


def _message(work: Work, id: str, x: dict[str, dict[str, object]] | None) -> dict[str, str | None]:
    if x is None:
        return {"_id": id, "value": None, "error": "the expression raises for these values"}
    assert work.blobs is not None  # noqa: S101 - asked by the caller
    with work.blobs.writer() as out:
        out.write(eml(x["v"]))
        return {"_id": id, "value": str(out.finish()), "error": None}
