"""What does a step of the way back say of each change that it found? One line, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

CHANGES = "changes"  # artifact: everything that a round found, and what becomes of it
DELIVER, CONFLICT, LOST, STAYS, GONE, MERGED, BY_HAND, DELETE, CREATE, PART = (
    "deliver", "conflict", "lost", "stays", "gone", "merged", "by hand", "delete", "create", "part",
)  # fmt: skip
COLUMNS = (
    "rkey", "entry", "object", "new_id", "old_object", "old_id", "owner", "title", "field", "old_value",
    "new_value", "fate", "why", "wire",
)  # fmt: skip
LOT = 500
REF = "@"


@dataclass(frozen=True)
class Told:
    """One change, and what becomes of it. `field`: of the old system, "" for a whole record.

    `old_value`: what stands in the old system; `new_value`: in the new one. Wire values, or texts. `wire`:
    what the old field shall hold; of a reference the turned key of its record after `REF`.
    """

    rkey: str
    entry: str
    object: str
    new_id: str
    old_object: str
    old_id: str | None
    owner: str | None
    title: str | None
    field: str
    old_value: str | None
    new_value: str | None
    fate: str
    why: str = ""
    wire: str | None = None


def told_schema() -> pa.Schema:
    """The columns of the artifact `changes`."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in COLUMNS])
