"""Who can own records, as records of a source object: active and deactivated ones.

Owners are listed in two passes, `archived=false` and `archived=true` (HubSpot, owners, read 2026-11-26).
The API has no second route to count them, so the count is a listing of its own. Nobody's deletion is
told: who leaves stays as an archived owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from migrate.catalog import Field, ObjectSchema, Option
from migrate.connector import Page, Query
from migrate.connectors.hubspot.paths import OWNERS
from migrate.connectors.hubspot.portal import Portal, next_after
from migrate.connectors.hubspot.values import instant
from migrate.errors import CursorLost
from migrate.types import Kind, arrow_type

PAGE = 100
FIELDS = {
    "email": Kind.STRING,
    "firstName": Kind.STRING,
    "lastName": Kind.STRING,
    "userId": Kind.STRING,
    "type": Kind.PICKLIST,
    "teams": Kind.MULTIPICKLIST,
    "archived": Kind.BOOL,
    "createdAt": Kind.TIMESTAMP,
    "updatedAt": Kind.TIMESTAMP,
}
_TYPES = ("PERSON", "QUEUE")
Row = Mapping[str, Any]


def read(portal: Portal, query: Query, after: str | None) -> Iterator[Page]:
    """Owners, the active ones first. Cursor: `<pass>:<the list's own>`."""
    if query.deleted:
        yield Page(_batch(query, []), None)
        return
    archived, _, place = (after or "false:").partition(":")
    if archived not in ("false", "true"):
        raise CursorLost(portal.system, OWNERS, f"`{after}` is no cursor")
    while True:
        told = portal.page(
            portal.paths.owners(), limit=PAGE, archived=archived, **({"after": place} if place else {})
        )
        place = next_after(told) or ""
        ended = not place and archived == "true"
        if not place and archived == "false":
            archived = "true"
            cursor: str | None = "true:"
        else:
            cursor = None if ended else f"{archived}:{place}"
        yield Page(_batch(query, [row for row in told["results"] if _within(query, row)]), cursor)
        if ended:
            return


def count(portal: Portal, query: Query) -> int:
    return sum(page.batch.num_rows for page in read(portal, query, None))


def schema() -> ObjectSchema:
    fields = {
        name: Field(
            name=name,
            label=name,
            kind=kind,
            vendor_type="owner",
            createable=False,
            updateable=False,
            options=tuple(Option(value=each, label=each) for each in _TYPES) if name == "type" else (),
        )
        for name, kind in FIELDS.items()
    }
    return ObjectSchema(
        name=OWNERS,
        label="Owners",
        fields=fields,
        key_by="none",
        stamp="updatedAt",
        created="createdAt",
        createable=False,
        updateable=False,
        deletable=False,
    )


def _value(name: str, row: Row) -> Any:
    if name == "userId":  # null for who has left
        user = row.get("userId") or row.get("userIdIncludingInactive")
        return None if user is None else str(user)
    if name == "teams":
        return sorted(str(team["name"]) for team in row.get("teams") or ()) or None
    if name in ("createdAt", "updatedAt"):
        return instant(str(row.get(name) or ""))
    if name == "archived":
        return bool(row.get("archived"))
    return row.get(name) or None


def _within(query: Query, row: Row) -> bool:
    at: datetime | None = instant(str(row.get("updatedAt") or ""))
    if at is None:
        return True
    return (query.since is None or at >= query.since) and (query.until is None or at < query.until)


def _batch(query: Query, rows: Sequence[Row]) -> pa.RecordBatch:
    ids = pa.array([str(row["id"]) for row in rows], pa.string())
    columns = [
        pa.array([_value(name, row) for row in rows], arrow_type(FIELDS[name])) for name in query.fields
    ]
    return pa.RecordBatch.from_arrays([ids, *columns], names=["_id", *query.fields])
