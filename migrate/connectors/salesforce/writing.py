"""How is a batch of records written, and what did Salesforce say of each?

One call of sObject Collections a batch, up to 200 records, `allOrNone` false: the reply is 200 with one
result a record, in the order sent, even where every record failed (REST guide "sObject Collections",
read 2026-11-23). Creates are inserts and never upserts: audit columns are taken on insert only, and a
twin is prevented by the unique external-id field that holds the migration key. Assignment rules are
switched off, and duplicate rules that only warn are passed over; those that block, and validation
rules, refuse with the org's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from migrate.connector import Batch, BatchRefused, Operation, Outcome, Write
from migrate.connectors.http import Reply
from migrate.connectors.salesforce.blobs import NOT_KEPT
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.replies import error
from migrate.connectors.salesforce.written import cell
from migrate.errors import Defect

REFUSALS = (400, 404, 405, 409, 413, 414, 415)
CONFLICTS = frozenset({"DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
# They say nothing of the record; the engine looks, and sends it again.
PASSING = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "SERVER_UNAVAILABLE",
        "UNKNOWN_EXCEPTION",
        "QUERY_TIMEOUT",
        "REQUEST_LIMIT_EXCEEDED",
    }
)
GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})  # of a record that is to be deleted
_MARK = "on record with id: "  # how DUPLICATE_VALUE names the other record


def headers(org: Org) -> dict[str, str]:
    """Of every write (REST guide "Assignment Rule Header", "Duplicate Rule Header", read 2026-11-26)."""
    save = "false" if org.options.get("duplicate_rules") == "obey" else "true"
    return {
        "Content-Type": "application/json; charset=UTF-8",
        "Sforce-Auto-Assign": "FALSE",
        "Sforce-Duplicate-Rule-Header": (
            f"allowSave={save}; includeRecordDetails=false; runAsCurrentUser=true"
        ),
    }


def send(org: Org, batch: Batch) -> list[Outcome]:
    """Send records. Raises as `Target.send`."""
    if batch.links:
        raise Defect("Salesforce has no links: a reference is a field, a junction is a record")
    if len(batch.writes) > org.limits.write_records:
        raise Defect(f"{len(batch.writes)} records in one batch; Salesforce takes {org.limits.write_records}")
    path = f"{org.base}/composite/sobjects"
    if batch.operation is Operation.DELETE:
        ids = ",".join(_id(write) for write in batch.writes)
        reply = org.http.call(
            "DELETE", path, params={"ids": ids, "allOrNone": "false"}, headers=headers(org), write=True,
            ok=REFUSALS,
        )  # fmt: skip
    else:
        method = "POST" if batch.operation is Operation.CREATE else "PATCH"
        reply = org.http.call(
            method, path, content=_body(org, batch), headers=headers(org), write=True, ok=REFUSALS
        )
    if reply.status >= 300:
        return [refused_whole(org.system, len(batch.writes), reply)]
    return outcomes(batch, reply)


def _body(org: Org, batch: Batch) -> bytes:
    fields = org.schema(batch.object).fields
    records = []
    for write in batch.writes:
        record: dict[str, Any] = {"attributes": {"type": batch.object}}
        if batch.operation is Operation.UPDATE:
            record["id"] = _id(write)
        record |= {
            name: cell(fields.get(name), value)
            for name, value in write.values.items()
            if name not in fields or fields[name].vendor_type != NOT_KEPT
        }
        records.append(record)
    return orjson.dumps({"allOrNone": False, "records": records})


def _id(write: Write) -> str:
    if not write.id:
        raise Defect(f"a write to `{write.key}` without the record's id")
    return write.id


def refused_whole(system: str, count: int, reply: Reply) -> Outcome:
    """The outcome of a batch of one that was refused; of several, nobody knows whose fault it is.

    Raises:
        BatchRefused: for several rows.
    """
    code, words = error(reply)
    if count > 1:
        raise BatchRefused(system, code or str(reply.status), words)
    return Outcome(0, "refused", code=code or str(reply.status), reason=words)


def outcomes(batch: Batch, reply: Reply) -> list[Outcome]:
    """One outcome a row: results come in the order in which the records were sent."""
    results = reply.json()
    if not isinstance(results, list) or len(results) != len(batch.writes):
        raise reply.unreadable(f"not {len(batch.writes)} results")
    return [
        outcome(batch.operation, index, batch.writes[index], result) for index, result in enumerate(results)
    ]


def outcome(operation: Operation, index: int, write: Write, result: Mapping[str, Any]) -> Outcome:
    """One row's result."""
    if result.get("success"):
        return Outcome(index, "done", str(result["id"]) if result.get("id") else write.id)
    errors: Sequence[Mapping[str, Any]] = result.get("errors") or ()
    first: Mapping[str, Any] = errors[0] if errors else {}
    code = str(first.get("statusCode") or first.get("errorCode") or "")
    reason = "; ".join(_words(each) for each in errors) or "no reason given"
    fields = dict.fromkeys(str(name) for each in errors for name in each.get("fields") or ())
    return replace(said(operation, index, write, code, reason), fields=tuple(fields))


def said(operation: Operation, index: int, write: Write, code: str, reason: str) -> Outcome:
    """What an error of one row means, by its code."""
    if code in PASSING:
        return Outcome(index, "unsaid", code=code, reason=reason)
    if operation is Operation.DELETE and code in GONE:
        return Outcome(index, "done", write.id)
    if code in CONFLICTS or (operation is Operation.UPDATE and code == "ENTITY_IS_DELETED"):
        other = reason.partition(_MARK)[2].partition(" ")[0].rstrip(";.") or None
        return Outcome(index, "conflict", other, code=code, reason=reason)
    return Outcome(index, "refused", code=code, reason=reason)


def _words(each: Mapping[str, Any]) -> str:
    message = str(each.get("message") or each.get("statusCode") or "")
    fields = [str(name) for name in each.get("fields") or () if str(name) not in message]
    return f"{message} ({', '.join(fields)})" if fields else message
