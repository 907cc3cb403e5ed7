"""How is a batch of records written, and what did HubSpot say of each?

One call a batch, up to 100 records. Every input of a create or an update carries its index as
`objectWriteTraceId`: only then does HubSpot answer row by row (207) instead of refusing all for one, and
since results come in any order the trace id is how a result is known (HubSpot, batch endpoints with
multi-status errors, read 2026-11-23). HubSpot has no conditional write and no idempotency key: a twin is
prevented by the unique property that holds the migration key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from migrate.connector import Batch, BatchRefused, Operation, Outcome, Write
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.linking import REFUSALS
from migrate.connectors.hubspot.portal import Portal
from migrate.connectors.hubspot.reading import stamp_in
from migrate.connectors.hubspot.replies import Problem, error_body, problem, rows
from migrate.errors import Defect

TRACE = "objectWriteTraceId"
_TAILS = {
    Operation.CREATE: "/batch/create",
    Operation.UPDATE: "/batch/update",
    Operation.DELETE: "/batch/archive",
}


def send(portal: Portal, batch: Batch, key_field: str | None) -> list[Outcome]:
    """Send records. Raises as `Target.send`."""
    if len(batch.writes) > portal.limits.write_records:
        raise Defect(f"{len(batch.writes)} records in one batch; HubSpot takes {portal.limits.write_records}")
    inputs = [_input(batch.operation, index, write) for index, write in enumerate(batch.writes)]
    reply = portal.http.call(
        "POST",
        portal.paths.objects(batch.object, _TAILS[batch.operation]),
        json={"inputs": inputs},
        write=True,
        ok=REFUSALS,
    )
    if reply.status >= 300:
        return [refused_whole(portal.system, len(batch.writes), reply)]
    if batch.operation is Operation.DELETE and not reply.body:
        return [Outcome(index, "done", write.id) for index, write in enumerate(batch.writes)]
    return outcomes(batch, reply, key_field)


def _input(operation: Operation, index: int, write: Write) -> dict[str, Any]:
    if operation is Operation.DELETE:
        return {"id": _id(write)}
    if operation is Operation.CREATE:
        properties = {name: value for name, value in write.values.items() if value is not None}
        return {"properties": properties, "associations": [], TRACE: str(index)}
    properties = {name: "" if value is None else value for name, value in write.values.items()}
    return {"id": _id(write), "properties": properties, TRACE: str(index)}


def _id(write: Write) -> str:
    if not write.id:
        raise Defect(f"a write to `{write.key}` without the record's id")
    return write.id


def refused_whole(system: str, count: int, reply: Reply) -> Outcome:
    """The outcome of a batch of one that was refused; of several, nobody knows whose fault it is.

    Raises:
        BatchRefused: for several rows.
    """
    whole = problem(error_body(reply))
    if count > 1:
        trace = whole.context.get(TRACE, ())
        index = int(trace[0]) if len(trace) == 1 and trace[0].isdigit() else None
        raise BatchRefused(system, whole.code or str(reply.status), whole.reason, index)
    return _refused(0, whole)


def outcomes(batch: Batch, reply: Reply, key_field: str | None) -> list[Outcome]:
    """One outcome a row, by trace id, else by record id or key; a row that nothing names is unsaid."""
    results, problems = rows(reply)
    by_id: dict[str, int] = {write.id: index for index, write in enumerate(batch.writes) if write.id}
    by_key: dict[str, int] = {write.key: index for index, write in enumerate(batch.writes)}
    said: dict[int, Outcome] = {}
    for result in results:
        index = _index(result, by_id, by_key, key_field, len(batch.writes))
        if index is not None:
            own = str(result["id"]) if result.get("id") else None
            said[index] = Outcome(index, "done", own, stamp=stamp_in(batch.object, result))
    for each in problems:
        for index in _blamed(each, by_id, len(batch.writes)):
            said[index] = _refused(index, each)
    if batch.operation is Operation.DELETE and not problems:
        return [Outcome(index, "done", write.id) for index, write in enumerate(batch.writes)]
    return [said.get(index) or Outcome(index, "unsaid") for index in range(len(batch.writes))]


def _refused(index: int, each: Problem) -> Outcome:
    status: Literal["conflict", "unsaid", "refused"] = (
        "conflict" if each.conflict else "unsaid" if each.passing else "refused"
    )
    return Outcome(index, status, each.id, code=each.code or "batch", reason=each.reason)


def _index(
    result: Mapping[str, Any],
    by_id: Mapping[str, int],
    by_key: Mapping[str, int],
    key_field: str | None,
    count: int,
) -> int | None:
    trace = str(result.get(TRACE) or "")
    if trace.isdigit() and int(trace) < count:
        return int(trace)
    own = by_id.get(str(result.get("id") or ""))
    if own is not None or key_field is None:
        return own
    return by_key.get(str((result.get("properties") or {}).get(key_field) or ""))


def _blamed(each: Problem, by_id: Mapping[str, int], count: int) -> list[int]:
    traces = [int(trace) for trace in each.context.get(TRACE, ()) if trace.isdigit()]
    if traces:
        return [trace for trace in traces if trace < count]
    ids = [*each.context.get("ids", ()), *each.context.get("id", ())]
    found = [by_id[each_id] for each_id in ids if each_id in by_id]
    return found or ([0] if count == 1 else [])
