"""How are up to 200 records written in one call?

The answer is 200 with one result for each record, in the order sent, even when all
failed; `allOrNone` undoes the others. Records go in runs of one object, ten runs at
most (Salesforce, REST API "sObject Collections", read 2026-11-23).
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import orjson

from migrate.sandbox.salesforce import dml, lifecycle, multipart
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import AllOrNone, Refusal, undo_all
from migrate.sandbox.salesforce.evaluate import Execution
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.syntax import Item, Path, Select
from migrate.sandbox.vendor import Reply

MOST = 200
MOST_READ = 2000
RUNS = 10
Result = dict[str, Any]
ROLLED_BACK = Refusal(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def _records(call: Call) -> tuple[list[dict[str, Any]], bool]:
    body = multipart.collection(call) if multipart.is_multipart(call) else call.json()
    records = body.get("records")
    shaped = isinstance(records, list) and all(
        isinstance(record, dict) and isinstance(record.get("attributes", {}), dict) for record in records
    )
    if not isinstance(records, list) or not shaped:
        raise Refusal("JSON_PARSER_ERROR", "`records` must be a list of objects")
    if len(records) > MOST:
        code = str(call.settings.get("too_many_code", "LIMIT_EXCEEDED"))
        raise Refusal(code, f"The request contains more than the maximum of {MOST} records")
    types = [str(record.get("attributes", {}).get("type", "")).lower() for record in records]
    if sum(1 for _ in groupby(types)) > RUNS:
        raise Refusal(
            "INVALID_INPUT", f"The request contains more than the maximum of {RUNS} chunks of object types"
        )
    return records, bool(body.get("allOrNone", False))


def _each(call: Call, count: int, all_or_none: bool, act: Callable[[int], Result]) -> Reply:
    """Do `act` for every index; rows that a fault orders to fail do."""
    results: list[Result] = []
    failed: set[int] = set()
    try:
        with call.tx.savepoint():
            for n in range(count):
                try:
                    with call.tx.savepoint():
                        results.append(_locked() if n in call.request.partial else act(n))
                except Refusal as refusal:
                    failed.add(n)
                    results.append({"success": False, "errors": [refusal.row()]})
            undo_all(all_or_none and bool(failed))
    except AllOrNone:
        results = [
            result if n in failed else {"success": False, "errors": [ROLLED_BACK.row()]}
            for n, result in enumerate(results)
        ]
    return Reply(200, results)


def _locked() -> Result:
    raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")


def _item(call: Call, record: dict[str, Any]) -> SObject:
    name = record.get("attributes", {}).get("type")
    if not name:
        raise Refusal("INVALID_INPUT", "The `type` attribute is missing")
    return call.object(str(name))


def create(call: Call) -> Reply:
    """`POST /composite/sobjects`."""
    records, all_or_none = _records(call)

    def act(n: int) -> Result:
        return {"id": dml.create(call, _item(call, records[n]), records[n]), "success": True, "errors": []}

    return _each(call, len(records), all_or_none, act)


def update(call: Call) -> Reply:
    """`PATCH /composite/sobjects`."""
    records, all_or_none = _records(call)

    def act(n: int) -> Result:
        id = records[n].get("id") or records[n].get("Id")
        if not id:
            raise Refusal("MISSING_ARGUMENT", "Id not specified in an update call")
        return {
            "id": dml.update(call, _item(call, records[n]), str(id), records[n]),
            "success": True,
            "errors": [],
        }

    return _each(call, len(records), all_or_none, _as_reference(act))


def _as_reference(act: Callable[[int], Result]) -> Callable[[int], Result]:
    """In a collection an unknown id is a bad reference, not a missing resource."""

    def wrapped(n: int) -> Result:
        try:
            return act(n)
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id") from refusal
            raise

    return wrapped


def upsert(call: Call, item: SObject, name: str) -> Reply:
    """`PATCH /composite/sobjects/{object}/{field}`."""
    records, all_or_none = _records(call)
    if name.lower() == "id":
        raise Refusal("NOT_FOUND", "Provided external ID field does not exist or is not accessible: Id")
    key = dml.upsert_key(call, item, name)

    def act(n: int) -> Result:
        if _item(call, records[n]).name != item.name:
            raise Refusal("INVALID_INPUT", "all records of an upsert must have the type of its address")
        value = next(
            (cell for column, cell in records[n].items() if column.lower() == key.name.lower()), None
        )
        id, created = dml.upsert(call, item, key, value, records[n])
        return {"id": id, "success": True, "errors": [], "created": created}

    return _each(call, len(records), all_or_none, act)


def delete(call: Call) -> Reply:
    """`DELETE /composite/sobjects?ids=&allOrNone=`."""
    ids = [id for id in (call.request.arg("ids") or "").split(",") if id]
    if not ids or len(ids) > MOST:
        raise Refusal("INVALID_INPUT", f"ids must name 1 to {MOST} records")

    def act(n: int) -> Result:
        full = normal_id(ids[n])
        item = call.schema.of_id(full) if full else None
        if item is None:
            raise Refusal("MALFORMED_ID", f"malformed id {ids[n]}")
        return {"id": lifecycle.delete(call, call.object(item.name), ids[n]), "success": True, "errors": []}

    all_or_none = (call.request.arg("allOrNone") or "").lower() == "true"
    return _each(call, len(ids), all_or_none, _as_reference(act))


def read(call: Call, item: SObject) -> Reply:
    """`POST /composite/sobjects/{object}` with ids and fields; null where there is no such record."""
    if call.request.method == "GET":
        ids = (call.request.arg("ids") or "").split(",")
        fields = (call.request.arg("fields") or "").split(",")
    else:
        body = call.json()
        ids, fields = body.get("ids", []), body.get("fields", [])
        if not all(
            isinstance(part, list) and all(isinstance(each, str) for each in part) for part in (ids, fields)
        ):
            raise Refusal("JSON_PARSER_ERROR", "`ids` and `fields` must be lists of texts")
    if not fields or not all(fields) or len(ids) > MOST_READ:
        raise Refusal("INVALID_INPUT", f"fields are required, and at most {MOST_READ} ids")
    items = tuple(Item(Path(tuple(name.split(".")))) for name in fields)
    run = Execution(call, Select(items, item.name), by_id=True)
    rows: list[dict[str, Any] | None] = []
    for id in ids:
        full = normal_id(str(id))
        record = call.records.get(item.name, full) if full else None
        rows.append(None if record is None or record.get("IsDeleted") else run.project(record))
    return Reply(200, orjson.dumps(rows))
