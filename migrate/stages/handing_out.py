"""How is a table written for other people's systems? CSV, Parquet, a workbook, or an SQLite file; streamed.

A workbook's sheet holds 1,048,576 rows and a cell 32,767 characters (Microsoft, "Excel specifications and
limits", read 2026-11-26): more rows go on in a further sheet, longer texts are cut and end in an ellipsis.
Every cell is written as text, so that nothing is taken for a formula and no leading zero is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet", "xlsx", "sqlite"]
SHEET_ROWS, CELL = 1_048_576, 32_767


class Writer(Protocol):
    """Takes batches of one schema."""

    def write(self, batch: pa.RecordBatch) -> None: ...


@contextmanager
def writer(
    path: Path, format: Format, schema: pa.Schema, name: str, index: Sequence[str]
) -> Iterator[Writer]:
    """A writer of a file that isn't there yet.

    Args:
        name: of the table or sheet.
        index: columns by which others will look things up (SQLite only).
    """
    if format == "xlsx":
        with _workbook(path, schema, name) as made:
            yield made
    elif format == "sqlite":
        with _database(path, schema, name, index) as kept:
            yield kept
    else:
        with _arrow(path, format, schema) as streamed:
            yield streamed


class _Arrow:
    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def write(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        self._sink.write_table(pa.Table.from_batches([batch]))


@contextmanager
def _arrow(path: Path, format: str, schema: pa.Schema) -> Iterator[_Arrow]:
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    sink = pacsv.CSVWriter(path, schema) if format == "csv" else pq.ParquetWriter(path, schema)
    with sink:
        yield _Arrow(sink)


class _Sheets:
    """Sheets of one workbook; rows are written and forgotten."""

    def __init__(self, book: Any, schema: pa.Schema, name: str) -> None:
        self._book, self._names, self._name = book, schema.names, name
        self._bold = book.add_format({"bold": True})
        self._sheets = 0
        self._begin()

    def _begin(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(
            self._name if self._sheets == 1 else f"{self._name} {self._sheets}"
        )
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(self._names):
            self._sheet.write_string(0, column, title, self._bold)
            self._sheet.set_column(column, column, 24)
        self._row = 1

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            if self._row == SHEET_ROWS:
                self._begin()
            for column, value in enumerate(values):
                if value is not None:
                    text = str(value)
                    self._sheet.write_string(
                        self._row, column, text if len(text) <= CELL else text[: CELL - 1] + "…"
                    )
            self._row += 1


@contextmanager
def _workbook(path: Path, schema: pa.Schema, name: str) -> Iterator[_Sheets]:
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        yield _Sheets(book, schema, name)


class _Table:
    """A table of an SQLite database."""

    def __init__(self, connection: sqlite3.Connection, schema: pa.Schema, name: str) -> None:
        self._connection = connection
        columns = ", ".join(f'"{column}" TEXT' for column in schema.names)
        connection.execute(f'CREATE TABLE "{name}" ({columns})')
        marks = ", ".join("?" * len(schema.names))
        self._insert = f'INSERT INTO "{name}" VALUES ({marks})'

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [column.to_pylist() for column in batch.columns]
        self._connection.executemany(self._insert, zip(*columns, strict=True))


@contextmanager
def _database(path: Path, schema: pa.Schema, name: str, index: Sequence[str]) -> Iterator[_Table]:
    with closing(sqlite3.connect(path)) as connection:
        with connection:
            yield _Table(connection, schema, name)
        with connection:
            for column in index:
                connection.execute(f'CREATE INDEX "{name}_{column}" ON "{name}" ("{column}")')
