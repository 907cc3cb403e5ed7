"""On which records does each file hang? A row for a file, an activity that names it, and each of its records.

HubSpot has no such list: files stand in the activities' `hs_attachment_ids`, joined by `;`, and activities
are linked to records. Both are read together here, as a source object `attachments`, so that a plan can hang
files on records where the target does that without an activity. No stamp moves with a link, so each
generation is a full sweep, and what is in it no more is gone. HubSpot counts none of this; a count reads it.

HubSpot, "Notes" guide, associations v4, read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from migrate.catalog import Field, ObjectSchema
from migrate.connector import Page, Query
from migrate.connectors.hubspot.filing import ATTACHED
from migrate.connectors.hubspot.linking import Linking
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.paths import ATTACHMENTS, FILES
from migrate.connectors.hubspot.portal import Portal, next_after
from migrate.errors import CursorLost
from migrate.types import Kind

PAGE = 100
_FIELDS = ("file", "activity", "activity_object", "record", "record_object")


def schema(objects: tuple[str, ...]) -> ObjectSchema:
    """The object `attachments`. `objects`: those whose records files may hang on."""
    led = {"file": (FILES,), "activity": ATTACHED, "record": objects}
    fields = {
        name: Field(
            name=name,
            label=name.replace("_", " ").capitalize(),
            kind=Kind.REFERENCE if name in led else Kind.STRING,
            vendor_type="attachment",
            createable=False,
            updateable=False,
            references=led.get(name, ()),
        )
        for name in _FIELDS
    }
    return ObjectSchema(
        name=ATTACHMENTS, label="Files on records", fields=fields, key_by="none", createable=False,
        updateable=False, deletable=False,
    )  # fmt: skip


class Attached:
    """Reading them."""

    def __init__(self, portal: Portal, metadata: Metadata, linking: Linking) -> None:
        self._portal, self._metadata, self._linking = portal, metadata, linking

    def objects(self) -> tuple[str, ...]:
        """Objects whose records activities may be linked to."""
        found = self._metadata.objects()
        return tuple(name for name in found if name not in ATTACHED and self._metadata.labels("notes", name))

    def count(self, query: Query) -> int:
        return sum(page.batch.num_rows for page in self.read(query, None))

    def read(self, query: Query, after: str | None) -> Iterator[Page]:
        """Rows, activity by activity. Cursor: `<activities>:<the list's own>`."""
        if query.deleted:
            yield Page(_batch(query, []), None)
            return
        first, _, place = (after or f"{ATTACHED[0]}:").partition(":")
        if first not in ATTACHED:
            raise CursorLost(self._portal.system, ATTACHMENTS, f"`{after}` is no cursor")
        objects = self.objects()
        for each in ATTACHED[ATTACHED.index(first) :]:
            while True:
                told = self._page(each, place)
                place = next_after(told) or ""
                ended = not place and each == ATTACHED[-1]
                following = each if place or ended else ATTACHED[ATTACHED.index(each) + 1]
                rows = self._rows(each, told["results"], objects)
                yield Page(_batch(query, rows), None if ended else f"{following}:{place}")
                if not place:
                    break

    def _page(self, object: str, after: str) -> Mapping[str, Any]:
        more = {"after": after} if after else {}
        told = self._portal.get_or_none(
            self._portal.paths.objects(object), 403, 404, limit=PAGE, properties="hs_attachment_ids",
            archived="false", **more,
        )  # fmt: skip
        return told if told is not None else {"results": []}

    def _rows(self, object: str, records: list[Mapping[str, Any]], objects: tuple[str, ...]) -> list[Row]:
        files: dict[str, list[str]] = {}
        for record in records:
            listed = str((record.get("properties") or {}).get("hs_attachment_ids") or "")
            if ids := list(dict.fromkeys(id.strip() for id in listed.split(";") if id.strip())):
                files[str(record["id"])] = ids
        rows: dict[str, Row] = {}
        for other in objects if files else ():
            for link in self._linking.read(object, list(files), other):
                for file in files[link.left]:
                    row = (file, link.left, object, link.right, other)
                    rows[f"{file}-{link.left}-{link.right}"] = row
        return list(rows.values())


Row = tuple[str, str, str, str, str]


def _batch(query: Query, rows: list[Row]) -> pa.RecordBatch:
    columns = dict(zip(_FIELDS, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(_FIELDS, ())
    ids = pa.array([f"{row[0]}-{row[1]}-{row[3]}" for row in rows], pa.string())
    return pa.RecordBatch.from_arrays(
        [ids, *(pa.array(columns[name], pa.string()) for name in query.fields)], names=["_id", *query.fields]
    )
