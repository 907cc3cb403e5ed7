"""What is a row of the journal? One thing done, begun or found, to one record or link."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

UNDO = "undo-"  # batches of a rollback begin so; their entries are no part of what is to be undone


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that we are about to do, did, or found, to one record or link.

    `kind`: record, link, file, side, schema or consent. `op`: create, update, adopt, delete, restore,
    keep (`after` has what others wrote and a rollback left), link, unlink, opt_out. A consent's `left` is
    the address, its `label` the subscription type.
    `before` and `after`: wire values; an absent field is null. `version`: the source's stamp
    of what was written. `stamp`: the target's stamp right after our write, "" where somebody may
    have written in between. `outcome`: intent, done, refused, conflict, held, decided, lost_edit, side. Of a
    record that somebody had changed (held, decided) `before` is what stands there, `after` what the source
    would have, `label` who changed it.
    """

    attempt: int
    batch: str
    system: str
    object: str
    kind: str
    key: str
    op: str
    outcome: str
    target_id: str | None = None
    left: str | None = None
    right: str | None = None
    label: str | None = None
    was_there: bool | None = None
    before: dict[str, str | None] = field(default_factory=dict)
    after: dict[str, str | None] = field(default_factory=dict)
    reason: str = ""
    version: str = ""
    stamp: str = ""


def schema() -> pa.Schema:
    """The Arrow schema of a segment."""
    import pyarrow as pa

    image = pa.map_(pa.string(), pa.string())
    return pa.schema(
        [
            ("seq", pa.int64()), ("attempt", pa.int32()), ("epoch", pa.int64()), ("batch", pa.string()),
            ("at", pa.string()), ("system", pa.string()), ("object", pa.string()), ("kind", pa.string()),
            ("key", pa.string()), ("target_id", pa.string()), ("op", pa.string()), ("left", pa.string()),
            ("right", pa.string()), ("label", pa.string()), ("was_there", pa.bool_()), ("before", image),
            ("after", image), ("outcome", pa.string()), ("reason", pa.string()), ("version", pa.string()),
            ("stamp", pa.string()),
        ]
    )  # fmt: skip


# The same in DuckDB's words, for a journal without segments.
DUCKDB = {
    "seq": "BIGINT", "attempt": "INTEGER", "epoch": "BIGINT", "batch": "VARCHAR", "at": "VARCHAR",
    "system": "VARCHAR", "object": "VARCHAR", "kind": "VARCHAR", "key": "VARCHAR", "target_id": "VARCHAR",
    "op": "VARCHAR", "left": "VARCHAR", "right": "VARCHAR", "label": "VARCHAR", "was_there": "BOOLEAN",
    "before": "MAP(VARCHAR, VARCHAR)", "after": "MAP(VARCHAR, VARCHAR)", "outcome": "VARCHAR",
    "reason": "VARCHAR", "version": "VARCHAR", "stamp": "VARCHAR",
}  # fmt: skip
