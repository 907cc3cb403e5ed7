"""How do a transform's rows become artifacts that are whole, in a fixed order, and replaced as one?

Parts have a fixed number of rows, or fewer where these hold long texts, and each is one row group, so that
the same rows give the same bytes and (part, row range) names the same records on every run. A part is what a
load holds in memory at once. New parts are written beside the
old ones and take their place as one (`Store.replace`). When the rows are the same as before, the old
parts stay untouched.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrate.stages.transform.work import Work
from migrate.store import Manifest, PartWriter, generation_folder

PART_ROWS = 5_000
PART_BYTES = 8 << 20  # of text, unless one row alone has more
BATCH_ROWS = 500  # in memory at once on their way

KEYED = {"_key": "VARCHAR", "_source_id": "VARCHAR"}
REJECT = KEYED | {"field": "VARCHAR", "reason": "VARCHAR", "value": "VARCHAR", "detail": "VARCHAR"}
MERGED = KEYED | {"survivor": "VARCHAR", "reason": "VARCHAR"}
SKIPPED = KEYED | {"reason": "VARCHAR"}
MATCH = {"_key": "VARCHAR", "target_id": "VARCHAR", "field": "VARCHAR", "value": "VARCHAR"}
FULL = {"_key": "VARCHAR", "_hash": "VARCHAR"}
_ARROW = {"VARCHAR": pa.string(), "BOOLEAN": pa.bool_(), "BIGINT": pa.int64()}


def arrow_schema(types: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of an artifact that has only texts, flags and whole numbers."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in types.items()])


class Artifact:
    """One artifact that is being written: rows go in, in order; `publish` makes it count."""

    def __init__(
        self, work: Work, stage: str, object: str, schema: pa.Schema, logical: Mapping[str, str]
    ) -> None:
        self._store, self._schema, self._logical = work.store, schema, dict(logical)
        self._stage, self._object, self._generation = stage, object, work.generation
        self._facts: dict[str, Any] = {
            "plan": work.plan.digest,
            "source_catalog": work.source.digest(),
            "target_catalog": work.target.digest(),
            "target_discovered": work.discovered,
        }
        self.folder = generation_folder(stage, object, work.generation)
        self._writer: PartWriter = self._store.rewriter(self.folder, schema, part_rows=PART_ROWS)
        self._waiting: list[pa.Table] = []
        self._held = self._bytes = 0
        self.rows = 0

    def __enter__(self) -> Artifact:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._writer.__exit__(kind, error, trace)

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows, cast to the artifact's schema."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        table = table.select(self._schema.names).cast(self._schema)
        self.rows += table.num_rows
        start = 0
        for place, size in enumerate(_sizes(table)):
            if self._held and (self._held == PART_ROWS or self._bytes + size > PART_BYTES):
                self._waiting.append(table.slice(start, place - start))
                self._flush()
                start = place
            self._held, self._bytes = self._held + 1, self._bytes + size
        self._waiting.append(table.slice(start))

    def _flush(self) -> None:
        """Write what waits as a part."""
        self._writer.write(pa.concat_tables(self._waiting).combine_chunks())
        self._writer.close_part()
        self._waiting, self._held, self._bytes = [], 0, 0

    def publish(self, facts: Mapping[str, Any]) -> Manifest:
        """Close the last part, put the parts in place and publish the manifest."""
        if self._held:
            self._flush()
        self._writer.__exit__(None, None, None)
        parts = tuple(self._writer.parts)
        manifest = Manifest(
            self.folder, self._stage, self._object, self._generation, self.rows, parts, self._logical,
            self._facts | dict(facts),
        )  # fmt: skip
        return self._store.replace(manifest)


def publish(
    work: Work, stage: str, object: str, sql: str, types: Mapping[str, str], facts: Mapping[str, Any]
) -> Manifest:
    """Publish the rows of an ordered query whose columns are texts and flags."""
    with Artifact(work, stage, object, arrow_schema(types), types) as artifact:
        for batch in batches(work, sql):
            artifact.write(batch)
        return artifact.publish(facts)


def batches(work: Work, sql: str) -> Iterator[pa.RecordBatch]:
    """An ordered query's rows, some at a time."""
    yield from work.engine.stream(sql, rows=BATCH_ROWS)


def _sizes(table: pa.Table) -> list[int]:
    """The bytes of each row's texts."""
    texts = [
        each for each in table.columns if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)
    ]
    if not texts:
        return [0] * table.num_rows
    lengths = [pc.fill_null(pc.binary_length(each), 0).cast(pa.int64()) for each in texts]
    found: list[int] = functools.reduce(pc.add, lengths).to_pylist()
    return found
