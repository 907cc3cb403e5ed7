"""How does a page of CSV results become Arrow batches, block by block, in bounded memory?

pyarrow's streaming reader parses a block at a time, straight into the catalog's types; no Python runs
per row. Where it finds a value that it can't read (`12.0` for a whole number), the page's rows from
there on are read as text and cast by `values`, which knows more spellings and names a value that is
wrong. Values hold line breaks and doubled quotes; an empty value is null. No rows at all is a header
alone, or nothing. Bodies are gzip, undone block by block; a proxy may have done so before, thus the
first bytes are looked at. Salesforce, Bulk API 2.0 guide "Get Results for a Query Job", read
2026-11-23.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv

from migrate.connectors.salesforce.values import Column, typed

BLOCK = 1 << 18  # bytes of CSV at a time; pyarrow reads up to 32 blocks ahead
BATCH = 1 << 23  # bytes of text in a batch, about; a page's first ones are smaller, so that work begins early
WIDEST_BLOCK = 128 << 20
_GZIP = b"\x1f\x8b"


def batches(body: IO[bytes], columns: Sequence[Column], *, block: int = BLOCK) -> Iterator[pa.RecordBatch]:
    """Typed batches of one page, in the page's order.

    Args:
        body: positioned at its start; read to its end, not closed.

    Raises:
        pyarrow.ArrowException: the CSV is damaged or lacks a column.
        BadValue: a value isn't of its field's type.
    """
    start = body.tell()
    rows, texts = 0, False
    while True:
        body.seek(start)
        try:
            for batch in _blocks(body, columns, block, texts=texts):
                past = max(0, rows - batch[0])  # after a retry with wider blocks: rows given already
                if past < batch[1].num_rows:
                    rows = batch[0] + batch[1].num_rows
                    yield batch[1].slice(past)
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < WIDEST_BLOCK:
                block *= 8  # one row is longer than a block
            elif not texts:
                texts = True
            else:
                raise
        else:
            return


class _Lent:
    """A file that pyarrow may read and not close."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read

    def close(self) -> None:
        """The file stays the lender's."""


def _blocks(
    body: IO[bytes], columns: Sequence[Column], block: int, *, texts: bool
) -> Iterator[tuple[int, pa.RecordBatch]]:
    start = body.tell()
    packed = body.read(2) == _GZIP
    body.seek(start)
    plain = cast("IO[bytes]", gzip.GzipFile(fileobj=body, mode="rb")) if packed else body
    header = plain.readline().decode("utf-8-sig", "replace").strip()
    if not plain.read(1):
        if header and "Id" not in header.replace('"', "").split(","):
            raise pa.ArrowInvalid("the body is no CSV of ours")
        return  # a header alone, or nothing
    body.seek(start)
    whole = pa.PythonFile(_Lent(body), mode="r")
    types = {"Id": pa.string(), **{each.name: each.text if texts else each.read for each in columns}}
    reader = pyarrow.csv.open_csv(
        pa.CompressedInputStream(whole, "gzip") if packed else whole,
        read_options=pyarrow.csv.ReadOptions(block_size=block),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )
    rows = 0
    for batch in _gathered(reader, max(1, BATCH // block)):
        yield rows, typed(dict(zip(types, batch.columns, strict=True)), columns)
        rows += batch.num_rows


def _gathered(reader: pyarrow.csv.CSVStreamingReader, blocks: int) -> Iterator[pa.RecordBatch]:
    """Up to so many blocks put together, so that a page isn't a handful of rows."""
    waiting: list[pa.RecordBatch] = []
    enough = max(1, blocks // 8)
    for block in reader:
        waiting.append(block)
        if len(waiting) == enough:
            yield pa.concat_batches(waiting)
            waiting.clear()
            enough = min(blocks, 2 * enough)
    if waiting:
        yield pa.concat_batches(waiting)
