"""Which records were merged away, and into whom?

The survivor of a merge keeps the ids of the records that it took in: `hs_merged_object_ids`, of contacts
also `hs_calculated_merged_vids` with times behind colons, which names the survivor too (HubSpot, merge
records, read 2026-11-26). Lists show merged records no more, neither as live nor as archived ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from migrate.catalog import Field

FIELDS = ("hs_merged_object_ids", "hs_calculated_merged_vids")
SCHEMA = pa.schema([("_id", pa.string()), ("survivor", pa.string())])


def ids_in(value: Any) -> set[str]:
    """The ids in one of these properties, as text or as a list."""
    entries = value if isinstance(value, list) else str(value or "").split(";")
    return {str(entry).partition(":")[0].strip() for entry in entries if str(entry).strip()}


def merges(
    fields: Mapping[str, Field], extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
) -> Iterator[pa.RecordBatch]:
    """`_id` and `survivor` of what the records that were just extracted took in."""
    names = [name for name in FIELDS if name in fields]
    if not names:
        return
    for batch in extracted(names):
        filled = _filled(batch, names)
        rows = sorted(
            {
                (id, row["_id"])
                for row in filled.to_pylist()
                for name in names
                for id in ids_in(row[name])
                if id != row["_id"]
            }
        )
        if rows:
            losers, survivors = zip(*rows, strict=True)
            yield pa.RecordBatch.from_arrays(
                [pa.array(losers, pa.string()), pa.array(survivors, pa.string())], schema=SCHEMA
            )


def _filled(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Rows where one of the fields has a value: few, so that few are looked at one by one."""
    import pyarrow.compute as pc

    mask = pc.is_valid(batch.column(names[0]))
    for name in names[1:]:
        mask = pc.or_(mask, pc.is_valid(batch.column(name)))
    return batch.filter(mask)
