"""How are single records read and written over the API, and how does a record look in a reply?

Serves list, get, create, update, archive, merge and gdpr-delete of every object type, in both path
families. Names in `properties=` that don't exist are passed over without a word.

Facts: HubSpot, "Object APIs" and "Search the CRM" (default columns), read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from migrate.sandbox.hubspot import links, merging, records, writes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import LinkType
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.hubspot.records import Record
from migrate.sandbox.hubspot.values import iso
from migrate.sandbox.vendor import Reply

SECRET_MAIL: Final = frozenset({"hs_email_text", "hs_email_html", "hs_email_subject"})


def render(call: Call, record: Record, names: Sequence[str] | None, *, whole: bool = False) -> dict[str, Any]:
    """A record as replies carry it.

    Args:
        names: wanted properties; `None` or empty for the type's default columns. What has no value is null.
        whole: all values there are, as after a create.
    """
    kind = call.catalog.kinds[record.kind]
    known = call.catalog.properties[record.kind]
    held = record.properties
    if record.kind == "emails" and call.scopes is not None and "sales-email-read" not in call.scopes:
        held = {name: value for name, value in held.items() if name not in SECRET_MAIL}
    if whole:
        properties: dict[str, str | None] = {name: value for name, value in held.items() if name in known}
    else:
        always = (kind.created, kind.modified, "hs_object_id")
        wanted = kind.shown if not names else dict.fromkeys((*names, *always))
        properties = {name: held.get(name) for name in wanted if name in known}
    told: dict[str, Any] = {
        "id": str(record.id),
        "properties": dict(sorted(properties.items())),
        "createdAt": held.get(kind.created, record.created),
        "updatedAt": record.updated,
        "archived": record.archived,
    }
    if record.archived:
        told["archivedAt"] = record.archived_at
    if call.settings["record_url"]:
        told["url"] = (
            f"https://app.hubspot.com/contacts/{call.catalog.portal_id}/record/{kind.id}/{record.id}"
        )
    return told


def with_history(call: Call, told: Sequence[dict[str, Any]], kind: str, names: Sequence[str]) -> None:
    """Add `propertiesWithHistory` to rendered records."""
    known = [name for name in names if name in call.catalog.properties[kind]]
    if not known or not told:
        return
    most = 45 if kind == "contacts" else 20
    found = records.versions(call, [int(row["id"]) for row in told], known, most)
    for row in told:
        row["propertiesWithHistory"] = found[int(row["id"])]


def _with_associations(call: Call, told: Sequence[dict[str, Any]], kind: str) -> None:
    for name in call.names("associations"):
        try:
            target = call.catalog.kind(name).name
        except ApiError:  # unknown names on reads are passed over
            continue
        if (kind, target) not in call.catalog.links:
            continue
        found = links.read(call, kind, target, [int(row["id"]) for row in told])
        for row in told:
            rows = [
                {"id": str(to_id), "type": _type_text(call, kind, target, type)}
                for to_id, types in found.get(int(row["id"]), [])
                for type in types
            ]
            if rows:
                row.setdefault("associations", {})[target] = {"results": rows[:100]}


def _type_text(call: Call, source: str, target: str, type: LinkType) -> str:
    kinds = call.catalog.kinds
    base = f"{kinds[source].singular}_to_{kinds[target].singular}"
    if type.label is None:
        primed = call.catalog.primary(source, target) or call.catalog.primary(target, source)
        return f"{base}_unlabeled" if primed else base
    return base if type.label == "Primary" else type.label.lower().replace(" ", "_")


def listing(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/objects/{type}`: pages by id, archived records only when asked for."""
    kind = call.catalog.kind(path["type"]).name
    history, names = call.names("propertiesWithHistory"), call.names("properties")
    limit = call.number("limit", 10, 50 if history else 100)
    after = (call.request.arg("after") if call.request else None) or "0"
    if writes.number_of(after) is None:
        raise ApiError(400, f"The after parameter `{after}` is not valid")
    oldest = iso(call.now - timedelta(days=records.BIN_DAYS))
    archived = call.flag("archived")
    found = list(
        records.rows(
            call.sql,
            "kind = ? AND archived = ? AND id > ? AND merged_into IS NULL AND purged = 0 "
            "AND coalesce(archived_at, ?) >= ? ORDER BY id LIMIT ?",
            (kind, int(archived), int(after), oldest, oldest, limit + 1),
        )
    )
    told = [render(call, record, names) for record in found[:limit]]
    with_history(call, told, kind, history)
    _with_associations(call, told, kind)
    body: dict[str, Any] = {"results": told}
    if len(found) > limit:
        body["paging"] = {"next": next_page(call, str(found[limit - 1].id))}
    return Reply(200, body)


def next_page(call: Call, after: str) -> dict[str, str]:
    """Cursor and link of the next page of a GET."""
    if call.request is None:
        return {"after": after}
    query = {name: values for name, values in call.request.query.items() if name != "after"} | {
        "after": [after]
    }
    base = f"{call.request.scheme}://{call.request.host}{call.request.path}"
    return {"after": after, "link": f"{base}?{urlencode(query, doseq=True)}"}


def look_up(call: Call, kind: str, text: str, *, archived: bool = False) -> Record:
    """The record of a path, by id or by the value of `idProperty`.

    Raises:
        ApiError: 404.
    """
    name = call.request.arg("idProperty") if call.request else None
    if archived and not name:
        id = writes.number_of(text)
        record = records.resolve(call.sql, kind, [id]).get(id) if id is not None else None
        if record is None or not record.archived or records.gone(call, record):
            raise not_found(call.catalog.kinds[kind].singular, [text])
        return record
    found = writes.find(call, kind, [{"id": text, "idProperty": name}])
    if 0 not in found:
        raise not_found(call.catalog.kinds[kind].singular, [text])
    return found[0]


def get(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v3/objects/{type}/{id}`; a merged id leads to the survivor."""
    kind = call.catalog.kind(path["type"]).name
    record = look_up(call, kind, path["id"], archived=call.flag("archived"))
    told = [render(call, record, call.names("properties"))]
    with_history(call, told, kind, call.names("propertiesWithHistory"))
    _with_associations(call, told, kind)
    return Reply(200, told[0])


def create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST /crm/v3/objects/{type}`."""
    kind = call.catalog.kind(path["type"]).name
    written = writes.create(call, kind, [call.mapping()])
    if written.refused:  # a lone row with a trace id: still a whole refused request
        raise written.refused[0]
    return Reply(201, render(call, written.stored[0], None, whole=True))


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PATCH /crm/v3/objects/{type}/{id}`."""
    kind = call.catalog.kind(path["type"]).name
    record = look_up(call, kind, path["id"])
    raw = call.mapping().get("properties")
    written = writes.update(call, kind, [{"id": str(record.id), "properties": raw}])
    return Reply(200, render(call, written.stored[0], list(raw or {})))


def archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE /crm/v3/objects/{type}/{id}`: 204, whether there was such a record or not."""
    kind = call.catalog.kind(path["type"]).name
    id = writes.number_of(path["id"])
    if id is not None:
        records.archive(call, kind, [id])
    return Reply(204)


def merge(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST /crm/v3/objects/{type}/merge`."""
    kind = call.catalog.kind(path["type"]).name
    body = call.mapping()
    primary, other = (writes.number_of(body.get(name)) for name in ("primaryObjectId", "objectIdToMerge"))
    if primary is None or other is None:
        raise ApiError(400, "Some required fields were not set: [primaryObjectId, objectIdToMerge]")
    return Reply(200, render(call, merging.merge(call, kind, primary, other), None, whole=True))


def gdpr_delete(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST /crm/v3/objects/{type}/gdpr-delete`: at once, past the bin."""
    kind = call.catalog.kind(path["type"]).name
    body = call.mapping()
    row = {"id": body.get("objectId"), "idProperty": body.get("idProperty")}
    found = writes.find(call, kind, [row])
    if 0 in found:
        records.purge(call, found[0])
    return Reply(204)
