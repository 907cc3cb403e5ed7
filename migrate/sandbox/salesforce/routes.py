"""Which function answers which path?

Paths are matched as they were sent and decoded piece by piece, because an external id
may hold a slash.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from migrate.sandbox.salesforce import (
    bulk_ingest,
    bulk_query,
    collection,
    composite,
    deltas,
    limits,
    org_automations,
    query,
    rows,
)
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.describe import everything
from migrate.sandbox.salesforce.errors import Refusal, not_found
from migrate.sandbox.vendor import Reply

Answer = Callable[..., Reply]


def _objects(call: Call) -> Reply:
    return Reply(200, everything(call.schema, call.rights, call.version))


def _resources(call: Call) -> Reply:
    names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs", "search", "tooling", "ui-api")
    return Reply(
        200,
        {name: f"{call.base}/{name}" for name in names}
        | {
            "identity": f"{call.request.scheme}://{call.request.host}/id/{call.records.state('org')}/{call.actor}"
        },
    )


def _query(call: Call) -> Reply:
    return query.query(call, every=False)


def _query_all(call: Call) -> Reply:
    return query.query(call, every=True)


def _on_object(answer: Answer) -> Answer:
    """Turn the first piece of the path into the object it names."""

    def wrapped(call: Call, name: str, *rest: str) -> Reply:
        try:
            item = call.object(name)
        except Refusal as refusal:
            raise not_found() from refusal
        return answer(call, item, *rest)

    return wrapped


def _of_several(handler: Answer) -> Answer:
    """Hand over how a sub-request is answered: by these same routes."""

    def wrapped(call: Call) -> Reply:
        return handler(call, answer)

    return wrapped


_P = r"([^/]+)"
ROUTES: list[tuple[str, str, Answer]] = [
    ("GET", r"/", _resources),
    ("GET", r"/limits", limits.limits),
    ("GET", r"/query", _query),
    ("GET", r"/queryAll", _query_all),
    ("GET", r"/tooling/query", org_automations.tooling),
    ("GET", rf"/query/{_P}", query.more),
    ("GET", rf"/queryAll/{_P}", query.more),
    ("GET", r"/sobjects", _objects),
    ("GET", rf"/sobjects/{_P}", _on_object(rows.info)),
    ("POST", rf"/sobjects/{_P}", _on_object(rows.create)),
    ("POST", rf"/sobjects/{_P}/Id", _on_object(rows.create)),
    ("GET", rf"/sobjects/{_P}/describe", _on_object(rows.described)),
    ("GET", rf"/sobjects/{_P}/updated", _on_object(deltas.updated)),
    ("GET", rf"/sobjects/{_P}/deleted", _on_object(deltas.deleted)),
    ("GET", rf"/sobjects/{_P}/{_P}", _on_object(rows.retrieve)),
    ("PATCH", rf"/sobjects/{_P}/{_P}", _on_object(rows.update)),
    ("DELETE", rf"/sobjects/{_P}/{_P}", _on_object(rows.delete)),
    ("GET", rf"/sobjects/{_P}/{_P}/{_P}", _on_object(rows.by_external_id)),
    ("PATCH", rf"/sobjects/{_P}/{_P}/{_P}", _on_object(rows.by_external_id)),
    ("DELETE", rf"/sobjects/{_P}/{_P}/{_P}", _on_object(rows.by_external_id)),
    ("POST", r"/composite", _of_several(composite.composite)),
    ("POST", r"/composite/batch", _of_several(composite.batch)),
    ("POST", rf"/composite/tree/{_P}", _on_object(composite.tree)),
    ("POST", r"/composite/graph", _of_several(composite.graph)),
    ("POST", r"/composite/sobjects", collection.create),
    ("PATCH", r"/composite/sobjects", collection.update),
    ("DELETE", r"/composite/sobjects", collection.delete),
    ("POST", rf"/composite/sobjects/{_P}", _on_object(collection.read)),
    ("GET", rf"/composite/sobjects/{_P}", _on_object(collection.read)),
    ("PATCH", rf"/composite/sobjects/{_P}/{_P}", _on_object(collection.upsert)),
    ("POST", r"/jobs/query", bulk_query.create),
    ("GET", r"/jobs/query", bulk_query.every),
    ("GET", rf"/jobs/query/{_P}", bulk_query.one),
    ("PATCH", rf"/jobs/query/{_P}", bulk_query.change),
    ("DELETE", rf"/jobs/query/{_P}", bulk_query.remove),
    ("GET", rf"/jobs/query/{_P}/results", bulk_query.results),
    ("GET", rf"/jobs/query/{_P}/resultPages", bulk_query.result_pages),
    ("POST", r"/jobs/ingest", bulk_ingest.create),
    ("GET", r"/jobs/ingest", bulk_ingest.every),
    ("GET", rf"/jobs/ingest/{_P}", bulk_ingest.one),
    ("PATCH", rf"/jobs/ingest/{_P}", bulk_ingest.change),
    ("DELETE", rf"/jobs/ingest/{_P}", bulk_ingest.remove),
    ("PUT", rf"/jobs/ingest/{_P}/batches", bulk_ingest.upload),
    ("GET", rf"/jobs/ingest/{_P}/successfulResults", bulk_ingest.successful),
    ("GET", rf"/jobs/ingest/{_P}/failedResults", bulk_ingest.failed),
    ("GET", rf"/jobs/ingest/{_P}/(?i:unprocessedrecords)", bulk_ingest.unprocessed),
]
_COMPILED = [(method, re.compile(pattern), answer) for method, pattern, answer in ROUTES]


def answer(call: Call, rest: str) -> Reply:
    """Answer one request of a live session.

    Raises:
        Refusal: whatever the vendor would refuse.
    """
    other_method = False
    method = call.request.arg("_HttpMethod") or call.request.method
    for wanted, pattern, handler in _COMPILED:
        found = pattern.fullmatch(rest)
        if found is None:
            continue
        if wanted == method:
            return handler(call, *(unquote(piece) for piece in found.groups()))
        other_method = True
    if other_method:
        raise Refusal("METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are others")
    raise not_found()
