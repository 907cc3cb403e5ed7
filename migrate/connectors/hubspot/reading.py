"""What does the portal hold now? Records from the row store, never from the search index.

Lists and batch reads are read-after-write; search lags behind, stops at 10,000 rows and never shows
archived records, so it only counts here (the second route), and tells which records changed, which are then
read from the row store. Sources: HubSpot, CRM objects, batch read, search (read 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from migrate.catalog import Field
from migrate.connector import Held, Page, Query, Version
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.merged import FIELDS as _MERGED
from migrate.connectors.hubspot.merged import ids_in
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.portal import Portal, chunks, next_after
from migrate.connectors.hubspot.properties import stamp_of
from migrate.connectors.hubspot.replies import results
from migrate.connectors.hubspot.values import BadValue, canonical, decode, instant, instant_text
from migrate.connectors.hubspot.who import source_of, version

PAGE = 100
WITH_HISTORY = 50
SEARCHED = 200  # most results of one search (HubSpot, "Search the CRM", read 2026-11-26)
LONGEST_QUERY = 12_000  # characters of property names; a URL beyond 16 KB is refused with 414
_SOURCE = ("hs_object_source", "hs_object_source_id")

Record = Mapping[str, Any]


class Reading:
    """Every way of reading records."""

    def __init__(self, portal: Portal, metadata: Metadata) -> None:
        self._portal, self._metadata = portal, metadata

    def read_back(
        self,
        object: str,
        names: Sequence[str],
        ids: Sequence[str],
        keys: Sequence[str],
        key_field: str | None,
    ) -> list[Held]:
        fields = self._metadata.known(object, [*names, *([key_field] if keys and key_field else [])])
        wanted = [*fields, stamp_of(object), *_SOURCE, *(_MERGED if ids else ())]
        app = self._portal.identity().app
        found: list[Held] = []
        for id_property, asked in ((None, ids), (key_field, keys)):
            pieces = list(chunks(list(dict.fromkeys(asked)), PAGE))
            batches = self._portal.each(partial(self._batch, object, wanted, id_property=id_property), pieces)
            for piece, records in zip(pieces, batches, strict=True):
                for record, answers in _answers(piece, records, id_property):
                    found.append(self._held(object, fields, names, record, answers, app))
        return found

    def sweep(self, object: str, names: Sequence[str]) -> Iterator[Held]:
        fields = self._metadata.known(object, names)
        app = self._portal.identity().app
        wanted = [*names, stamp_of(object), *_SOURCE]
        for records, _ in self._list(object, wanted, archived=False, after=None):
            for record in records:
                yield self._held(object, fields, names, record, str(record["id"]), app)

    def after(self, object: str, id: str, names: Sequence[str]) -> Iterator[tuple[Held, str]]:
        """Live records with a higher id, and when each was made."""
        fields = self._metadata.known(object, names)
        app = self._portal.identity().app
        wanted = [*names, stamp_of(object), *_SOURCE]
        for records, _ in self._list(object, wanted, archived=False, after=None if id == "0" else id):
            for record in records:
                held = self._held(object, fields, names, record, str(record["id"]), app)
                yield held, str(record.get("createdAt") or "")

    def read(self, query: Query, after: str | None) -> Iterator[Page]:
        """Pages of a list; a window over the stamp is applied here, for lists know none.

        A field `_at` gives the time of the deletion, for tombstones; `_source` who made the record.
        """
        stamp = stamp_of(query.object)
        names = [name for name in query.fields if name not in ("_at", "_source")]
        fields = self._metadata.known(query.object, names)
        tells = "_source" in query.fields
        app = self._portal.identity().app if tells else ""
        wanted = list(dict.fromkeys([*names, stamp, *(_SOURCE if tells else ())]))
        for records, cursor in self._list(query.object, wanted, archived=query.deleted, after=after):
            kept = [record for record in records if _within(query, record, stamp)]
            try:
                batch = _batch_of(query, fields, names, kept, app)
            except BadValue as failure:
                id = str(kept[failure.row]["id"])
                raise failure.refusal(self._portal.system, query.object, id) from failure
            yield Page(batch, cursor)

    def count(self, query: Query) -> int:
        """By search, whose index may lag; deleted records by their list, for search hides them."""
        if query.deleted:
            return sum(page.batch.num_rows for page in self.read(query, None))
        body: dict[str, Any] = {"limit": 1, "properties": ["hs_object_id"]}
        if filters := _window(query):
            body["filterGroups"] = [{"filters": filters}]
        reply = self._portal.ask(self._portal.paths.objects(query.object, "/search"), body)
        return int(reply.json()["total"])

    def changed(self, query: Query) -> Iterator[Page] | None:
        """What search knows to have changed in the window, read from the row store; None without an index.

        In the order of ids and from the last id on, for search pages through 10,000 results and no further.
        """
        reply = self._search(query, "0", limit=1, ok=(400, 403, 404))
        return self._changed(query) if reply.status < 300 else None  # else not searchable with this token

    def _changed(self, query: Query) -> Iterator[Page]:
        names = [name for name in query.fields if name != "_source"]
        fields = self._metadata.known(query.object, names)
        tells = "_source" in query.fields
        app = self._portal.identity().app if tells else ""
        wanted = list(dict.fromkeys([*names, stamp_of(query.object), *(_SOURCE if tells else ())]))
        last = "0"
        while found := self._search(query, last, limit=SEARCHED).json()["results"]:
            ids = [str(each["id"]) for each in found]
            last = ids[-1]
            for piece in chunks(ids, PAGE):
                # One that was merged meanwhile gives its survivor, which has its own place in the list.
                own = [each for each in self._batch(query.object, wanted, piece) if str(each["id"]) in piece]
                try:
                    batch = _batch_of(query, fields, names, own, app)
                except BadValue as failure:
                    id = str(own[failure.row]["id"])
                    raise failure.refusal(self._portal.system, query.object, id) from failure
                yield Page(batch, last)

    def _search(self, query: Query, after: str, *, limit: int, ok: tuple[int, ...] | None = None) -> Reply:
        """Ids after this one whose stamp lies in the window, in order."""
        filters = [{"propertyName": "hs_object_id", "operator": "GT", "value": after}]
        filters += _window(query)
        body = {
            "limit": limit,
            "properties": ["hs_object_id"],
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        }
        return self._portal.ask(self._portal.paths.objects(query.object, "/search"), body, ok=ok)

    def history(self, object: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, list[Version]]:
        fields = self._metadata.known(object, names) if names else self._metadata.fields(object)
        app, people = self._portal.identity().app, self._metadata.people()
        pieces = list(chunks(list(dict.fromkeys(ids)), WITH_HISTORY))
        batches = self._portal.each(partial(self._batch, object, _MERGED, history=list(fields)), pieces)
        found: dict[str, list[Version]] = {}
        for piece, records in zip(pieces, batches, strict=True):
            for record, asked in _answers(piece, records, None):
                told = record.get("propertiesWithHistory") or {}
                versions = [
                    _canonical_version(fields.get(name), version(name, entry, app, people))
                    for name, entries in told.items()
                    for entry in entries
                ]
                found[asked] = sorted(versions, key=lambda each: each.at, reverse=True)
        return found

    def with_history(
        self, object: str, names: Sequence[str], ids: Sequence[str], history: Sequence[str]
    ) -> list[Record]:
        """Live records as HubSpot gives them, with all versions that it keeps of these properties."""
        return self._batch(object, names, ids, history=history)

    def _list(
        self, object: str, names: Sequence[str], *, archived: bool, after: str | None
    ) -> Iterator[tuple[list[Record], str | None]]:
        wanted = ",".join(dict.fromkeys(names))
        by_batch = len(wanted) > LONGEST_QUERY
        path = self._portal.paths.objects(object)
        while True:
            params = {"limit": PAGE, "archived": str(archived).lower()}
            params["properties"] = "hs_object_id" if by_batch else wanted
            page = self._portal.page(path, **params, **({"after": after} if after else {}))
            records = list(page["results"])
            if by_batch and records:
                ids = [str(record["id"]) for record in records]
                records = list(self._batch(object, names, ids, archived=archived))
            after = next_after(page)
            yield records, after
            if after is None:
                return

    def _batch(
        self,
        object: str,
        names: Sequence[str],
        asked: Sequence[str],
        *,
        id_property: str | None = None,
        archived: bool = False,
        history: Sequence[str] = (),
    ) -> list[Record]:
        body: dict[str, Any] = {
            "properties": list(dict.fromkeys([*names, *([id_property] if id_property else [])])),
            "propertiesWithHistory": list(history),
            "inputs": [{"id": each} for each in asked],
        }
        if id_property:
            body["idProperty"] = id_property
        path = self._portal.paths.objects(object, "/batch/read") + ("?archived=true" if archived else "")

        def ask() -> list[Record]:
            reply = self._portal.ask(path, body, ok=(404,))
            return [] if reply.status == 404 else list(results(reply)["results"])

        return self._portal.again(ask)

    def _held(
        self,
        object: str,
        fields: Mapping[str, Field],
        names: Sequence[str],
        record: Record,
        asked: str,
        app: str,
    ) -> Held:
        properties = record.get("properties") or {}
        return Held(
            id=str(record["id"]),
            asked=asked,
            values={name: canonical(fields[name].kind, properties.get(name)) for name in names},
            stamp=stamp_in(object, record),
            source=source_of(properties, app),
            archived=bool(record.get("archived")),
        )


def stamp_in(object: str, record: Record) -> str:
    """A record's modification stamp; `updatedAt` where the property wasn't asked for."""
    text = str((record.get("properties") or {}).get(stamp_of(object)) or record.get("updatedAt") or "")
    at = instant(text)
    return instant_text(at) if at else text


def _answers(
    asked: Sequence[str], records: Sequence[Record], id_property: str | None
) -> Iterator[tuple[Record, str]]:
    """Which question each record answers. Replies come in any order, and a merged id gives its survivor."""
    open_ = dict.fromkeys(asked)
    folded = {each.casefold(): each for each in asked} if id_property else {}
    late: list[Record] = []
    for record in records:
        properties = record.get("properties") or {}
        own = str(properties.get(id_property) or "") if id_property else str(record["id"])
        own = own if own in open_ else folded.get(own.casefold(), own)
        if own in open_:
            del open_[own]
            yield record, own
        late.append(record)
    if id_property is None and open_:
        for record in late:
            for loser in sorted(_merged_ids(record) & open_.keys()):
                del open_[loser]
                yield record, loser


def _merged_ids(record: Record) -> set[str]:
    properties = record.get("properties") or {}
    return {id for name in _MERGED for id in ids_in(properties.get(name))}


def _window(query: Query) -> list[dict[str, str]]:
    """A query's window as filters of a search."""
    return [
        {"propertyName": stamp_of(query.object), "operator": operator, "value": instant_text(at)}
        for operator, at in (("GTE", query.since), ("LT", query.until))
        if at is not None
    ]


def _within(query: Query, record: Record, stamp: str) -> bool:
    if query.since is None and query.until is None:
        return True
    at = (
        _deleted_at(record)
        if query.deleted
        else instant(str((record.get("properties") or {}).get(stamp) or ""))
    )
    if at is None:
        return True  # rather once too often than never
    return (query.since is None or at >= query.since) and (query.until is None or at < query.until)


def _deleted_at(record: Record) -> datetime | None:
    return instant(str(record.get("archivedAt") or ""))


def _batch_of(
    query: Query, fields: Mapping[str, Field], names: Sequence[str], records: Sequence[Record], app: str
) -> pa.RecordBatch:
    rows = [record.get("properties") or {} for record in records]
    columns = dict(zip(names, decode(fields, names, rows), strict=True))
    if "_at" in query.fields:
        stamps = [_deleted_at(record) for record in records]
        columns["_at"] = pa.array(stamps, type=pa.timestamp("us", tz="UTC"))
    if "_source" in query.fields:
        columns["_source"] = pa.array([source_of(row, app) for row in rows], type=pa.string())
    ids = pa.array([str(record["id"]) for record in records], type=pa.string())
    return pa.RecordBatch.from_arrays(
        [ids, *(columns[name] for name in query.fields)], names=["_id", *query.fields]
    )


def _canonical_version(field: Field | None, each: Version) -> Version:
    value = canonical(field.kind if field else None, each.value)
    return each if value == each.value else Version(each.field, value, each.at, each.who, each.name)
