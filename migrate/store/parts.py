"""What is a part, and how is one written? A Parquet file that is durable, with its digest, once it is closed.

A part is kept whole under its name; nobody reads it before a manifest names it. Where the workspace is
remote, its name carries its digest, so that nobody ever overwrites a part that a manifest names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from migrate.storage import Storage, drop, sha256_of, space

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 50_000
# Bytes of a column's distinct values up to which they are written once: beyond that, as in names and
# stamps, a dictionary only costs time and room (a fifth of both, with pyarrow's own 1 MB).
DICTIONARY = 1 << 14


@dataclass(frozen=True)
class Part:
    """One Parquet file. `sha256` is over its bytes."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A stage's output for one object and generation.

    `schema`: logical schema, field name to the vendor's type and what goes with it. `facts`: what
    else the stage vouches for (counts by a second route, digests of plan and catalogs, watermark).
    """

    folder: str
    stage: str
    object: str
    generation: int
    rows: int
    parts: tuple[Part, ...]
    schema: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over the content of the parts: equal rows, equal digest, wherever they lie."""
        text = json.dumps([[part.name, part.rows, part.sha256] for part in self.parts])
        return hashlib.sha256(text.encode()).hexdigest()


class PartWriter:
    """Writes record batches into parts of at most `part_rows` rows; `parts` lists the closed ones."""

    def __init__(
        self, storage: Storage, folder: str, schema: pa.Schema, part_rows: int, first: int = 0
    ) -> None:
        self._storage, self._folder, self._schema, self._part_rows = storage, folder, schema, part_rows
        self._number = first
        self._writer: Any = None
        self._aside: Path | None = None
        self._rows = 0
        self.parts: list[Part] = []

    def __enter__(self) -> PartWriter:
        self._storage.aside(self._name())  # makes the folder, and says at once where that can't be
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close_part()
        finally:
            if self._writer is not None:
                # The part is not named by anyone; what matters is the error that is under way.
                with contextlib.suppress(OSError):
                    self._writer.close()
            if self._aside is not None:
                drop(self._aside)

    def _name(self, digest: str = "") -> str:
        return f"{self._folder}/part-{self._number:05d}{digest and '-'}{digest[:16]}.parquet"

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows (cast to the writer's schema); closes parts as they fill.

        Raises:
            NoSpace: the disk refused.
        """
        import pyarrow as pa

        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        if table.schema != self._schema:
            table = table.select(self._schema.names).cast(self._schema)
        offset = 0
        while offset < table.num_rows:
            take = min(table.num_rows - offset, self._part_rows - self._rows)
            self._append(table.slice(offset, take))
            offset += take
            if self._rows >= self._part_rows:
                self.close_part()

    def _append(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        if self._aside is None:
            self._aside = self._storage.aside(self._name())
        with space(self._aside):
            if self._writer is None:
                self._writer = pq.ParquetWriter(
                    self._aside, self._schema, compression="zstd", dictionary_pagesize_limit=DICTIONARY
                )
            self._writer.write_table(table)
        self._rows += table.num_rows

    def close_part(self) -> Part | None:
        """Finish the part under way, if it has rows: it is durable when this returns."""
        if self._writer is None or self._aside is None:
            return None
        with space(self._aside):
            self._writer.close()
            digest, size = sha256_of(self._aside), self._aside.stat().st_size
        key = self._name(digest if self._storage.remote else "")
        self._storage.keep(key, self._aside, digest)
        part = Part(key.rpartition("/")[2], self._rows, size, digest)
        self.parts.append(part)
        self._writer, self._aside, self._rows = None, None, 0
        self._number += 1
        return part
