"""How is what a step of the way back makes put down? Artifacts, lists of what was found, entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from migrate.cutover.reverse_side import Side
from migrate.cutover.reverse_told import CHANGES, Told, told_schema
from migrate.journal import Entry
from migrate.load import Loading
from migrate.store import Manifest, generation_folder

OLD_BASE = "base-old"
PLANNED, PLANNED_LINKS = "planned", "planned-links"  # artifacts of a step, before it is marked
DOOMED = "doomed"  # rows that are to be deleted once everything else is there


def put(side: Side, stage: str, object: str, number: int, query: str) -> Manifest:
    """Publish a query's rows as a step's artifact."""
    folder = generation_folder(stage, object, number)
    side.store.discard(folder)
    reader = side.workspace.engine.stream(query)
    with side.store.writer(folder, reader.schema) as writer:
        for batch in reader:
            writer.write(batch)
    return publish(side, stage, object, number, writer.parts)


def publish(
    side: Side, stage: str, object: str, number: int, parts: Sequence[Any], schema: Any = None
) -> Manifest:
    rows = sum(part.rows for part in parts)
    facts = {"plan": side.workspace.plan.digest, "source_catalog": side.target.digest(),
             "target_discovered": side.workspace.catalog_digest("target")}  # fmt: skip
    logical = {name: str(schema.field(name).type) for name in schema.names} if schema is not None else {}
    return side.store.publish(
        Manifest(generation_folder(stage, object, number), stage, object, number, rows, tuple(parts), logical,
                 facts)
    )  # fmt: skip


def append(loading: Loading, entries: Sequence[Entry]) -> None:
    if entries:
        loading.journal.append(entries)
        with loading.ledger.write(loading.lease) as tx:
            loading.journal.register(tx)


class Findings:
    """Writes what a step found."""

    def __init__(self, side: Side, number: int) -> None:
        self.side, self.number, self.rows = side, number, 0
        folder = generation_folder(CHANGES, "all", number)
        side.store.discard(folder)
        self._writer = side.store.writer(folder, told_schema())
        self._writer.__enter__()

    def write(self, told: Iterable[Told]) -> None:
        """Append changes."""
        import pyarrow as pa

        rows = [astuple(each) for each in told]
        if rows:
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            self._writer.write(pa.Table.from_arrays(columns, schema=told_schema()))
            self.rows += len(rows)

    def publish(self) -> None:
        """The list is whole."""
        self._writer.__exit__(None, None, None)
        publish(self.side, CHANGES, "all", self.number, self._writer.parts)


def copied(side: Side, files: Sequence[str]) -> str:
    """A list of keys of the workspace that goes forward, in a table that the way back's engine reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    side.workspace.engine.run("CREATE OR REPLACE TABLE copied_keys (key VARCHAR)")
    for path in files:
        with pq.ParquetFile(path) as source:
            for batch in source.iter_batches(columns=["key"]):
                side.workspace.engine.insert("copied_keys", pa.Table.from_batches([batch]))
    return "copied_keys"
