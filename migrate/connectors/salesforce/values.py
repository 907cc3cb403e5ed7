"""How does Salesforce's text become typed columns, without a float on the way?

Both routes (CSV of a bulk job, JSON of a query) hand over columns of text, empty is null, and one
function casts them to the catalog's types. The casts are vectorised; a column that a cast refuses
is looked through value by value, so that the error names the value, and never rounds.

Formats: dates `2024-05-01`, instants `2024-05-01T10:11:12.000Z` in CSV and `+0000` in JSON, big numbers
also as `1.5E7`, several picklist values joined by `;`.
Salesforce, Bulk API 2.0 guide "Valid Date Format in Records" and REST guide, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from migrate.catalog import Field
from migrate.connectors.salesforce.ids import long_ids
from migrate.errors import SystemRefused
from migrate.types import Kind, arrow_type

ID = "_id"
_DIGITS = Context(prec=80)  # more than any field holds, so that nothing is rounded


class BadValue(ValueError):
    """A value that doesn't fit its field's described type."""

    def __init__(self, field: str, value: str, type: str) -> None:
        self.field, self.value, self.type = field, value, type
        super().__init__(field, value, type)

    def __str__(self) -> str:
        return f"`{self.field}` holds `{self.value}`, which is no {self.type}"

    def refusal(self, system: str, object: str) -> SystemRefused:
        """The error for people: the org holds more than its describe says."""
        return SystemRefused(
            system,
            f"`{object}`: {self}",
            f"Tell the field's digits behind the point in the plan: `scales: {{{object}.{self.field}: 6}}`.",
            code="BAD_VALUE",
        )


@dataclass(frozen=True)
class Column:
    """A field as it is read and as it is staged."""

    name: str
    kind: Kind
    type: pa.DataType
    id: bool = False  # holds ids

    @property
    def text(self) -> pa.DataType:
        """The type in which its text is held before the cast."""
        return pa.large_string() if self.kind is Kind.TEXT else pa.string()

    @property
    def read(self) -> pa.DataType:
        """The type into which a CSV reader may turn the text by itself."""
        return self.text if self.kind is Kind.MULTIPICKLIST else self.type


def column(field: Field) -> Column:
    """The column of a catalog field."""
    ids = field.kind is Kind.REFERENCE or field.vendor_type == "id"
    return Column(field.name, field.kind, arrow_type(field.kind, field.precision, field.scale), ids)


def schema(columns: Sequence[Column]) -> pa.Schema:
    """What a page holds: `_id`, then the columns in their order."""
    return pa.schema([(ID, pa.string()), *((each.name, each.type) for each in columns)])


def empty(columns: Sequence[Column]) -> pa.RecordBatch:
    """A page without rows. Made of nulls, since pyarrow imports pandas to look at a Python list."""
    whole = schema(columns)
    return pa.RecordBatch.from_arrays([pa.nulls(0, each.type) for each in whole], schema=whole)


def typed(texts: dict[str, pa.Array], columns: Sequence[Column]) -> pa.RecordBatch:
    """A page out of columns of text; `texts` has `Id` and every column's name.

    Raises:
        BadValue: a value isn't what its field's description says.
    """
    arrays = [long_ids(texts["Id"]), *(cast(texts[each.name], each) for each in columns)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema(columns))


def cast(values: pa.Array, column: Column) -> pa.Array:
    """A column of text in the catalog's type; one that is in it already is only looked at for short ids."""
    if column.kind is Kind.MULTIPICKLIST:
        return pc.split_pattern(values, ";").cast(column.type)
    if column.id:
        return long_ids(values)
    if values.type == column.type:
        return values
    try:
        return pc.cast(values, column.type)
    except pa.ArrowInvalid:
        return _one_by_one(values, column)


def _one_by_one(values: pa.Array, column: Column) -> pa.Array:
    """For columns where a value has an unusual spelling (`12.0` for a whole number) or doesn't fit."""
    found: list[object] = []
    for text in values.to_pylist():
        try:
            found.append(None if text is None else _exactly(text, column.type))
        except (ValueError, InvalidOperation, pa.ArrowInvalid):
            raise BadValue(column.name, text, str(column.type)) from None
    return pa.array(found, column.type)


def _exactly(text: str, type: pa.DataType) -> object:
    if pa.types.is_integer(type):
        number = Decimal(text)
        if number != number.to_integral_value():
            raise ValueError(text)
        return int(number)
    if pa.types.is_decimal(type):
        number = Decimal(text)
        exact = number.quantize(Decimal(1).scaleb(-type.scale), context=_DIGITS)
        if exact != number:
            raise ValueError(text)
        return pa.scalar(exact, type).as_py()
    return pc.cast(pa.array([text]), type)[0].as_py()
