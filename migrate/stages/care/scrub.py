"""How is a person taken out of a Parquet file? Their rows lose their values, texts lose their address.

Rows stay where their number or their key means something, with key and ids and nothing else; a row of the
source goes altogether. In everybody else's rows an address within a text becomes a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from migrate.load.work import ERASED
from migrate.stages.care.subject import Subject

MARK = "erased"
# What says where a row belongs, and holds nothing of a person.
_KEPT = frozenset(
    {
        "seq", "attempt", "epoch", "batch", "at", "system", "object", "kind", "key", "target_id", "op",
        "left", "right", "label", "was_there", "outcome", "version", "stamp", "_key", "_id",
        "_source_id", "_target_id", "_hash", "_deleted", "_version", "_gen", "_at", "_stamp",
        "_source", "id", "survivor", "segment", "told_by", "code", "action", "step", "forced", "note",
        "left_object", "right_object", "class", "grade", "check", "difference",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Where:
    """Where a file lies: `stage` (`journal` and `report`, too), and the object that it is about, ""."""

    stage: str
    object: str


def where(key: str) -> Where:
    """A file's place below `.migrate`, by its path."""
    parts = key.split("/")
    if parts[0] != "stage":
        return Where("journal" if parts[0] == "journal" else "report", "")
    stage = parts[1]
    object = parts[3] if stage in ("baseline", "after") and len(parts) > 4 else parts[2]
    return Where(stage, object.removesuffix("-links"))


def scrubbed(path: Path, place: Where, subject: Subject) -> Iterator[tuple[pa.Table, int, int]]:
    """A file's row groups without the person; with each, rows of theirs, and rows that are gone."""
    with pq.ParquetFile(path) as source:
        for number in range(source.num_row_groups):
            table = source.read_row_group(number)
            mask = _theirs(table, place, subject)
            theirs = pc.sum(mask).as_py() or 0
            gone = 0
            if theirs and place.stage == "source":
                table, gone = table.filter(pc.invert(mask)), theirs
            elif theirs:
                table = _emptied(table, mask, place)
            yield _marked(table, subject), theirs, gone


def touches(path: Path, place: Where, subject: Subject) -> bool:
    """Whether anything of the person is in a file."""
    with pq.ParquetFile(path) as source:
        for number in range(source.num_row_groups):
            table = source.read_row_group(number)
            if pc.any(_theirs(table, place, subject)).as_py():
                return True
            if any(_mentions(chunk, subject) for column in table.columns for chunk in column.chunks):
                return True
    return False


def _theirs(table: pa.Table, place: Where, subject: Subject) -> pa.ChunkedArray:
    mask = pa.chunked_array([pa.array([False] * table.num_rows)])
    names = set(table.column_names)

    def either(other: Any) -> None:
        nonlocal mask
        mask = pc.or_(mask, pc.fill_null(other, False))

    for name in ("_key", "key"):
        if name in names and place.stage != "source" and pa.types.is_string(table.schema.field(name).type):
            either(pc.is_in(table[name], pa.array(sorted(subject.keys), pa.string())))
    sides = subject.source if place.stage in ("source", "files") else subject.target
    object = place.object.partition(".")[0] if place.stage == "files" else place.object
    if "_id" in names and (ids := sides.get(object)):
        either(pc.is_in(table["_id"], pa.array(sorted(ids), pa.string())))
    for name in ("id", "target_id"):
        if "object" in names and name in names:
            for other, ids in subject.target.items():
                inside = pc.is_in(table[name], pa.array(sorted(ids), pa.string()))
                either(pc.and_(pc.equal(table["object"], other), inside))
    return mask


def _emptied(table: pa.Table, mask: pa.ChunkedArray, place: Where) -> pa.Table:
    """Their rows without values. A row that was to be loaded can't be any more."""
    rows = table.num_rows
    take = pc.if_else(mask, pa.scalar(None, pa.int64()), pa.array(range(rows), pa.int64()))
    for index, name in enumerate(table.column_names):
        column, type = table[name].combine_chunks(), table.schema.field(index).type
        if name == "reason":  # the code alone: behind it stand the vendor's words
            code = pc.list_element(pc.split_pattern(pc.fill_null(column, ""), ":", max_splits=1), 0)
            new = pc.if_else(mask, code.cast(type), column)
        elif place.stage == "ready" and name == "_deleted":
            new = pc.if_else(mask, True, column)
        elif place.stage == "ready" and name == "_version":
            new = pc.if_else(mask, pa.scalar(datetime.fromisoformat(ERASED).astimezone(UTC), type), column)
        elif name in _KEPT:
            continue
        elif pa.types.is_map(type) or pa.types.is_list(type):
            more = pa.concat_arrays([column, pa.array([[]], type)])
            new = more.take(pc.fill_null(take, rows))
        else:
            new = column.take(take)
        table = table.set_column(index, table.schema.field(index), new)
    return table


# -- addresses within texts -----------------------------------------------------------------------


def _mentions(array: pa.Array, subject: Subject) -> bool:
    type = array.type
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        return any(
            pc.any(pc.match_substring(array, term, ignore_case=True)).as_py()
            for term in sorted(subject.terms)
        )
    return any(_mentions(each, subject) for each in _inside(array))


def _inside(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_map(array.type):
        return [array.keys, array.items]
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return [array.values]
    if pa.types.is_struct(array.type):
        return [array.field(n) for n in range(array.type.num_fields)]
    return []


def _marked(table: pa.Table, subject: Subject) -> pa.Table:
    for index in range(table.num_columns):
        column = table.column(index)
        if any(_mentions(chunk, subject) for chunk in column.chunks):
            chunks = [_without(chunk, subject) for chunk in column.chunks]
            table = table.set_column(index, table.schema.field(index), pa.chunked_array(chunks, column.type))
    return table


def _without(array: pa.Array, subject: Subject) -> pa.Array:
    type = array.type
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        for term in sorted(subject.terms):
            array = pc.replace_substring_regex(array, f"(?i){re.escape(term)}", MARK)
        return array.cast(type)
    if pa.types.is_struct(type):
        fields = [_without(array.field(n), subject) for n in range(type.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(type), mask=array.is_null())
    if _inside(array):
        # Offsets of a list within a slice are hard to carry over; a text within a list is rare.
        return pa.array([_value(each, subject) for each in array.to_pylist()], type)
    return array


def _value(value: Any, subject: Subject) -> Any:
    if isinstance(value, str):
        for term in subject.terms:
            value = re.sub(re.escape(term), MARK, value, flags=re.IGNORECASE)
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_value(each, subject) for each in value)
    if isinstance(value, dict):
        return {name: _value(each, subject) for name, each in value.items()}
    return value
