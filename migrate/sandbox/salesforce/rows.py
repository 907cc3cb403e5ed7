"""How is one record read and written over REST?

Create 201, update and delete 204, upsert by external id 201 or 200 with `created`
(204 without a body before v46), 300 with the list when several match (Salesforce,
REST API "sObject Rows", "sObject Rows by External ID", read 2026-11-23). Files come
as base64 or as multipart, and go out as they are.
"""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson

from migrate.sandbox.salesforce import blobs, dml, lifecycle, multipart
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.describe import describe, head
from migrate.sandbox.salesforce.errors import Refusal, not_found
from migrate.sandbox.salesforce.evaluate import Execution
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import Field, SObject
from migrate.sandbox.salesforce.syntax import Item, Path, Select
from migrate.sandbox.salesforce.values import accept
from migrate.sandbox.vendor import Reply


def info(call: Call, item: SObject) -> Reply:
    """`GET /sobjects/{object}/`."""
    return Reply(200, {"objectDescribe": head(item, call.rights, call.version), "recentItems": []})


def described(call: Call, item: SObject) -> Reply:
    """`GET /sobjects/{object}/describe/`, which honours `If-Modified-Since`."""
    changed = datetime.fromisoformat(call.records.state("schema-at") or "2026-01-01T00:00:00.000Z")
    since = call.header("if-modified-since")
    if since and _http_date(since) >= changed:
        return Reply(304, b"")
    headers = {"Last-Modified": format_datetime(changed, usegmt=True)}
    return Reply(200, describe(call.schema, item, call.rights, call.version), headers)


def _http_date(text: str) -> datetime:
    try:
        found = parsedate_to_datetime(text)
    except ValueError as error:
        raise Refusal("INVALID_HEADER", f"`{text}` is no HTTP date") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def create(call: Call, item: SObject) -> Reply:
    """`POST /sobjects/{object}/`."""
    id = dml.create(call, item, _given(call, item))
    headers = {"Location": f"{call.base}/sobjects/{item.name}/{id}"}
    return Reply(201, {"id": id, "success": True, "errors": []}, headers)


def _given(call: Call, item: SObject) -> dict[str, Any]:
    if multipart.is_multipart(call):
        return multipart.record(call, item)
    given: dict[str, Any] = call.json()
    return given


def blob(call: Call, item: SObject, field: Field, id: str) -> Reply:
    """`GET /sobjects/{object}/{id}/{field}` of a base64 field: the bytes (REST API "sObject Blob Get")."""
    record = _found(call, item, id)
    kept = record.get(field.name)
    if kept is None or not call.rights.sees(item.name, field.name):
        raise not_found()
    media = record.get("ContentType") or "application/octet-stream"
    headers = {"Content-Disposition": "attachment"}
    return Reply(200, blobs.stored(call.tx, kept), headers, media)


def retrieve(call: Call, item: SObject, id: str) -> Reply:
    """`GET /sobjects/{object}/{id}?fields=`."""
    return Reply(200, orjson.dumps(_shown(call, item, _found(call, item, id))))


def _found(call: Call, item: SObject, id: str) -> Record:
    try:
        return dml.existing(call, item, id)
    except Refusal as refusal:
        if refusal.code != "NOT_FOUND":
            raise
        raise not_found("The requested resource does not exist") from refusal


def _shown(call: Call, item: SObject, record: Record) -> dict[str, Any]:
    asked = call.request.arg("fields")
    names = [name.strip() for name in asked.split(",")] if asked else [
        field.name for field in item.fields.values() if call.rights.sees(item.name, field.name)
    ]  # fmt: skip
    items = tuple(Item(Path(tuple(name.split(".")))) for name in names)
    return Execution(call, Select(items, item.name), by_id=True).project(record)


def update(call: Call, item: SObject, id: str) -> Reply:
    """`PATCH /sobjects/{object}/{id}`."""
    record = _found(call, item, id)
    since = call.header("if-unmodified-since")
    if since:
        changed = datetime.fromisoformat(record["LastModifiedDate"])
        if changed > _http_date(since):
            raise Refusal("ENTITY_CHANGED", "the record was modified since the given time", status=412)
    dml.update(call, item, record["Id"], _given(call, item))
    return Reply(204)


def delete(call: Call, item: SObject, id: str) -> Reply:
    """`DELETE /sobjects/{object}/{id}`."""
    record = _found(call, item, id)
    lifecycle.delete(call, item, record["Id"])
    return Reply(204)


def by_external_id(call: Call, item: SObject, name: str, value: str) -> Reply:
    """`GET|PATCH|DELETE /sobjects/{object}/{field}/{value}`."""
    method = call.request.method
    wanted_field = item.field(value)
    if method == "GET" and wanted_field is not None and wanted_field.kind == "base64" and normal_id(name):
        return blob(call, item, wanted_field, name)
    if name.lower() == "id" and method in ("PATCH", "POST"):
        raise not_found("Provided external ID field does not exist or is not accessible: Id")
    key = dml.upsert_key(call, item, name)
    wanted = accept(key, value, csv=True)
    found = [] if wanted is None else call.records.by_key(item, key, wanted)
    if len(found) > 1:
        urls = [f"{call.base}/sobjects/{item.name}/{id}" for id in found]
        return Reply(300, urls)
    if method == "GET" or method == "DELETE":
        if not found:
            raise not_found()
        return retrieve(call, item, found[0]) if method == "GET" else delete(call, item, found[0])
    given = _given(call, item)
    repeated = [column for column in given if column.lower() == key.name.lower()]
    if repeated:
        raise Refusal(
            "INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.", [key.name]
        )
    only = (call.request.arg("updateOnly") or "").lower() == "true"
    id, created = dml.upsert(call, item, key, value, given, csv=False, only=only)
    answer: dict[str, Any] = {"id": id, "success": True, "errors": []}
    if created:
        return Reply(201, {**answer, "created": True})
    return Reply(200, {**answer, "created": False}) if float(call.version) >= 46 else Reply(204)
