"""How do many records travel in one request?

Batch create, read, update, upsert and archive: at most 100 inputs, answers in no order, 207 when some rows
were refused.

Facts: HubSpot, CRM batch endpoints; hubspot-api-nodejs#190 (order of results), read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from migrate.sandbox.hubspot import objects, records, writes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError, not_found
from migrate.sandbox.vendor import Reply


def inputs_of(call: Call, most: int) -> list[dict[str, Any]]:
    """The `inputs` of a batch.

    Raises:
        ApiError: 400, none or more than `most`.
    """
    found = call.mapping().get("inputs")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ApiError(400, "Invalid input JSON on line 1, column 1: `inputs` must be a list of objects")
    if len(found) > most:
        raise ApiError(
            400,
            f"The number of inputs ({len(found)}) is over the limit of {most} for a batch",
            context={"limit": [str(most)]},
        )
    return found


def reply(
    call: Call, results: list[Any], errors: Sequence[dict[str, Any]], good: int, *, mixed: int = 207
) -> Reply:
    """A batch's body; results come in an order that says nothing."""
    if call.settings["shuffle_results"]:
        call.rng.shuffle(results)
    if call.request is not None and call.request.shuffle:
        results.reverse()
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "requestedAt": call.stamp,
        "startedAt": call.stamp,
        "completedAt": call.stamp,
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": list(errors)}
    return Reply(mixed if errors else good, body)


def _write(
    work: Callable[[Call, str, Sequence[dict[str, Any]]], writes.Written],
    good: int,
    *,
    upserting: bool = False,
) -> Callable[[Call, Mapping[str, str]], Reply]:
    def serve(call: Call, path: Mapping[str, str]) -> Reply:
        kind = call.catalog.kind(path["type"]).name
        rows = inputs_of(call, writes.MOST)
        written = work(call, kind, rows)
        results = []
        for index, record in written.stored.items():
            whole = index in written.new
            told = objects.render(call, record, list(rows[index].get("properties") or {}), whole=whole)
            if rows[index].get("objectWriteTraceId"):
                told["objectWriteTraceId"] = rows[index]["objectWriteTraceId"]
            if upserting:
                told["new"] = whole
            results.append(told)
        errors = [
            refusal.row(rows[index].get("objectWriteTraceId"))
            for index, refusal in sorted(written.refused.items())
        ]
        return reply(call, results, errors, good)

    return serve


create = _write(writes.create, 201)
update = _write(partial(writes.update, told_apart=True), 200)
upsert = _write(writes.upsert, 200, upserting=True)


def archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/archive`: 204; unknown ids are passed over."""
    kind = call.catalog.kind(path["type"]).name
    ids = [writes.number_of(row.get("id")) for row in inputs_of(call, writes.MOST)]
    records.archive(call, kind, [id for id in ids if id is not None])
    return Reply(204)


def read(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/read`: what isn't found is one error that lists the ids, beside what is."""
    kind = call.catalog.kind(path["type"]).name
    body = call.mapping()
    history = body.get("propertiesWithHistory") or []
    rows = inputs_of(call, 50 if history else writes.MOST)
    name = body.get("idProperty")
    if call.flag("archived"):
        ids = {index: writes.number_of(row.get("id")) for index, row in enumerate(rows)}
        binned = records.resolve(call.sql, kind, [id for id in ids.values() if id is not None])
        there = {id for id, record in binned.items() if record.archived and not records.gone(call, record)}
        found = {i: binned[id] for i, id in ids.items() if id in there}
    else:
        found = writes.find(call, kind, [{"id": row.get("id"), "idProperty": name} for row in rows])
    seen = {record.id: record for record in found.values()}
    told = [objects.render(call, record, body.get("properties")) for record in seen.values()]
    objects.with_history(call, told, kind, history)
    missing = [str(row.get("id")) for index, row in enumerate(rows) if index not in found]
    errors = [not_found(call.catalog.kinds[kind].singular, missing).row()] if missing else []
    return reply(call, told, errors, 200)
