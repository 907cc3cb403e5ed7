"""Which batches do a segment's entries belong to? Facts of the ledger's that are kept with the entries.

A lost ledger is made anew out of them: what is done is known by (part, rows), and no entry says of which part
its record came. They stand in the segment's metadata, packed, for a wave has thousands of them.
"""

from __future__ import annotations

import base64
import json
import threading
import zlib
from collections.abc import Iterable
from typing import Any

from migrate.ledger import BatchRow, rows_to_text

NAME = "batches"  # the key in a segment's metadata
FIELDS = (
    "id", "attempt", "system", "phase", "stage", "part", "rows", "object", "operation", "payload", "epoch",
    "job", "state", "done", "refused", "held",
)  # fmt: skip


class Carried:
    """The batches under way. Thread safe."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def begin(self, row: BatchRow, epoch: int) -> None:
        """From now on entries may belong to this batch."""
        with self._lock:
            self._facts[row.id] = {
                "id": row.id, "attempt": row.attempt, "system": row.system, "phase": row.phase,
                "stage": row.stage, "part": row.part, "rows": rows_to_text(row.rows), "object": row.object,
                "operation": row.operation, "payload": row.payload, "epoch": epoch, "job": row.job,
                "state": "intent", "done": 0, "refused": 0, "held": 0,
            }  # fmt: skip

    def job(self, id: str, job: str) -> None:
        """A vendor's job carries it."""
        with self._lock:
            if id in self._facts:
                self._facts[id]["job"] = job

    def settle(self, id: str, *, done: int, refused: int, held: int) -> None:
        """The entries that come next are its outcomes."""
        with self._lock:
            if id in self._facts:
                counts = {"done": done, "refused": refused, "held": held}
                self._facts[id] = {**self._facts[id], **counts, "state": "settled"}

    def end(self, id: str) -> None:
        """No more entries of it come."""
        with self._lock:
            self._facts.pop(id, None)

    def of(self, ids: Iterable[str]) -> dict[str, str]:
        """What a segment's metadata say of these batches; nothing where none of them is known."""
        with self._lock:
            found = [dict(self._facts[id]) for id in dict.fromkeys(ids) if id in self._facts]
        return pack(found)


def pack(facts: list[dict[str, Any]]) -> dict[str, str]:
    """As metadata."""
    if not facts:
        return {}
    text = json.dumps([[each[name] for name in FIELDS] for each in facts], separators=(",", ":"))
    return {NAME: base64.b64encode(zlib.compress(text.encode(), 6)).decode()}


def unpack(metadata: dict[str, str]) -> list[dict[str, Any]]:
    """What `pack` made; of an older segment, nothing."""
    if NAME not in metadata:
        return []
    rows = json.loads(zlib.decompress(base64.b64decode(metadata[NAME])))
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def merged(each: Iterable[dict[str, str]]) -> list[dict[str, Any]]:
    """The batches of several segments, in their order: one row each, settled where any segment says so."""
    found: dict[str, dict[str, Any]] = {}
    for metadata in each:
        for facts in unpack(metadata):
            former = found.get(facts["id"])
            if former is None or former["state"] == "intent" or facts["state"] == "settled":
                found[facts["id"]] = facts
    return list(found.values())
