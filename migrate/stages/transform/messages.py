"""Which file is the message that the plan makes of a record, and which text is in a record's file?

Each message is built whole, one at a time, and lies in the blob store before its name is a value; the same
record gives the same bytes, hence the same name, however often it is transformed. A file that goes into a
text field (a note's body, in some systems) is read as UTF-8.
"""

from __future__ import annotations

import pyarrow as pa

from migrate.blobs import Blobs, read_blob
from migrate.eml import eml
from migrate.errors import Defect, UsageError
from migrate.stages.checked import CheckedField
from migrate.stages.files import STORED
from migrate.stages.transform.work import ObjectWork, Work, attempt
from migrate.types import BlobRef, Kind

LONGEST_TEXT = 10_000_000  # bytes
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
    for batch in work.engine.stream(query, rows=ROWS):
        pairs = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        made = [_message(work, id, x) for id, x in pairs]
        work.engine.insert(name, pa.Table.from_pylist(made, schema=_SCHEMA))
    return name


def holds_text(each: ObjectWork, field: CheckedField) -> bool:
    """Whether a field of files is mapped into a text."""
    source = each.checked.source.fields.get(field.expression.column or "")
    return source is not None and source.kind is Kind.BINARY and field.target.kind is Kind.TEXT


def texts(work: Work, each: ObjectWork, index: int, field: CheckedField, rows: str) -> str:
    """A table (_id, value, error) of the texts in a file of an object's records.

    Raises:
        UsageError: the files haven't been fetched.
        Damaged: a blob isn't what its name says.
    """
    if work.blobs is None:
        raise Defect("A plan that reads files needs a blob store.")
    column = str(field.expression.column)
    told = work.files.get((each.source, column))
    if told is None:
        what = f"The files of `{each.source}.{column}` haven't been fetched."
        raise UsageError(what, "Run `migrate extract` first.")
    name = each.table(f"texts{index}")
    work.table_of(name, dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True)), [])
    query = (
        f"SELECT s._id, t.blob, t.outcome, t.reason FROM (SELECT _id FROM {rows}) AS s "
        f"LEFT JOIN {told} AS t ON t._id = s._id"
    )
    for batch in work.engine.stream(query, rows=ROWS):
        made = [_text(work.blobs, row) for row in batch.to_pylist()]
        work.engine.insert(name, pa.Table.from_pylist(made, schema=_SCHEMA))
    return name


def _text(blobs: Blobs, row: dict[str, str | None]) -> dict[str, str | None]:
    told: dict[str, str | None] = {"_id": row["_id"], "value": None, "error": None}
    if row["outcome"] is None:
        return told | {"error": "its file hasn't been fetched; run `migrate extract` again"}
    ref = BlobRef.parse(row["blob"] or "")
    if row["outcome"] != STORED or ref is None:
        return told | {"error": f"its file couldn't be had: {row['reason'] or row['outcome']}"}
    if ref.bytes > LONGEST_TEXT:
        return told | {"error": f"its file has {ref.bytes:,} bytes, too many for a text"}
    try:
        return told | {"value": b"".join(read_blob(blobs, ref)).decode()}
    except UnicodeDecodeError:
        return told | {"error": "its file is no text in UTF-8"}


def _message(work: Work, id: str, x: dict[str, dict[str, object]] | None) -> dict[str, str | None]:
    if x is None:
        return {"_id": id, "value": None, "error": "the expression raises for these values"}
    assert work.blobs is not None  # noqa: S101 - asked by the caller
    with work.blobs.writer() as out:
        out.write(eml(x["v"]))
        return {"_id": id, "value": str(out.finish()), "error": None}
