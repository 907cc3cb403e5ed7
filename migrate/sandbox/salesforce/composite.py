"""How do several requests travel in one?

`composite` runs up to 25 in order, with references to earlier answers; `batch` runs
25 independent ones; `tree` plants parents with children, `graph` several composites,
each all or nothing (Salesforce, REST API "Composite", "Composite Batch", "sObject
Tree", "Composite Graph", read 2026-11-23). Sub-requests count as one API call. What answers
one of them, by its path below the version, is an argument (`answer`).
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import orjson

from migrate.sandbox.contents import Stored
from migrate.sandbox.salesforce import dml
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import AllOrNone, Refusal, refused, undo_all
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.versions import versioned, versions
from migrate.sandbox.vendor import Reply

MOST = 25
MOST_QUERIES = 5
TREE_RECORDS, TREE_TYPES, TREE_LEVELS = 200, 5, 5
GRAPHS, NODES, GRAPHS_FAILED = 75, 500, 14
DEEPEST = 100  # levels of JSON in a sub-request's body
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_HALTED = Refusal(
    "PROCESSING_HALTED",
    "The transaction was rolled back since another operation in the same transaction failed.",
)

Answer = Callable[[Call, str], Reply]


def _run(call: Call, answer: Answer, method: str, url: str, body: Any, headers: dict[str, str]) -> Reply:
    """Answer one sub-request within the same transaction."""
    path, _, arguments = url.partition("?")
    if not path.startswith("/"):
        path = "/services/data/" + path
    request = dataclasses.replace(
        call.request,
        method=method,
        path=unquote(path),
        raw_path=path,
        query=parse_qs(arguments, keep_blank_values=True),
        body=orjson.dumps(body) if body is not None else b"",
        headers={**call.request.headers, **{name.lower(): value for name, value in headers.items()}},
    )
    inner = dataclasses.replace(call, request=request)
    try:
        with call.tx.savepoint():
            version, rest = versioned(request)
            if version is None:
                return versions()
            reply = answer(inner, rest)
    except Refusal as refusal:
        return refused(refusal)
    if isinstance(reply.body, Stored):  # REST API "sObject Blob Get": not within composite requests
        return refused(Refusal("INVALID_INPUT", "binary data can't be read within a composite request"))
    return reply


def _body(reply: Reply) -> Any:
    content = reply.content()
    return orjson.loads(content) if content and "json" in reply.media else None


def _resolved(value: Any, answers: dict[str, Any], *, url: bool = False, depth: int = 0) -> Any:
    """Put earlier answers in the place of `@{ref.path}`."""
    if depth > DEEPEST:
        raise Refusal("JSON_PARSER_ERROR", "The body is nested too deeply")
    if isinstance(value, str):

        def found(match: re.Match[str]) -> str:
            return quote(str(_lookup(match[1], answers)), safe="") if url else str(_lookup(match[1], answers))

        whole = _REFERENCE.fullmatch(value)
        return _lookup(whole[1], answers) if whole and not url else _REFERENCE.sub(found, value)
    if isinstance(value, list):
        return [_resolved(entry, answers, depth=depth + 1) for entry in value]
    if isinstance(value, dict):
        return {key: _resolved(entry, answers, depth=depth + 1) for key, entry in value.items()}
    return value


def _lookup(path: str, answers: dict[str, Any]) -> Any:
    name, *steps = re.findall(r"[^.\[\]]+", path) or [""]
    if name not in answers:
        raise Refusal("PROCESSING_HALTED", f"Invalid reference specified. No value for {path} found")
    at = answers[name]
    for step in steps:
        try:
            at = at[int(step)] if isinstance(at, list) else at[step]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Refusal(
                "PROCESSING_HALTED", f"Invalid reference specified. No value for {path} found"
            ) from error
    return at


def composite(call: Call, answer: Answer) -> Reply:
    """`POST /composite`."""
    given = call.json()
    requests = _requests(given.get("compositeRequest"), MOST)
    heavy = [
        part
        for part in requests
        if re.search(r"/(query|queryAll|composite/sobjects)(/|\?|$)", str(part.get("url")))
    ]
    if len(heavy) > MOST_QUERIES:
        raise Refusal("INVALID_INPUT", f"at most {MOST_QUERIES} sub-requests may be queries or collections")
    return Reply(
        200, {"compositeResponse": _sequence(call, answer, requests, bool(given.get("allOrNone", False)))[0]}
    )


def _requests(found: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found) or not found:
        raise Refusal("JSON_PARSER_ERROR", "a list of sub-requests is required")
    for part in found:
        headers = part.get("httpHeaders") or {}
        texts = [
            part.get("url", ""),
            part.get("method", ""),
            *(headers.values() if isinstance(headers, dict) else [0]),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise Refusal("JSON_PARSER_ERROR", "url, method and headers of a sub-request must be strings")
    if len(found) > most:
        raise Refusal("LIMIT_EXCEEDED", f"The number of sub-requests exceeds the limit of {most}")
    return found


def _sequence(
    call: Call, answer: Answer, requests: list[dict[str, Any]], all_or_none: bool
) -> tuple[list[dict[str, Any]], bool]:
    """Results in order, and whether all succeeded."""
    results: list[dict[str, Any]] = []
    answers: dict[str, Any] = {}
    fine = True
    try:
        with call.tx.savepoint():
            for part in requests:
                reference = str(part.get("referenceId"))
                if all_or_none and not fine:
                    reply = refused(_HALTED)
                else:
                    try:
                        url, body = (
                            _resolved(part.get("url", ""), answers, url=True),
                            _resolved(part.get("body"), answers),
                        )
                        reply = _run(
                            call, answer, part.get("method", "GET"), url, body, part.get("httpHeaders") or {}
                        )
                    except Refusal as refusal:
                        reply = refused(refusal)
                content = _body(reply)
                if reply.status < 300:
                    answers[reference] = content
                else:
                    fine = False
                results.append(
                    {
                        "body": content,
                        "httpHeaders": dict(reply.headers),
                        "httpStatusCode": reply.status,
                        "referenceId": reference,
                    }
                )
            undo_all(all_or_none and not fine)
    except AllOrNone:
        for result in results:
            if result["httpStatusCode"] < 300:
                result |= {"body": _HALTED.body(), "httpStatusCode": 400, "httpHeaders": {}}
    return results, fine


def batch(call: Call, answer: Answer) -> Reply:
    """`POST /composite/batch`."""
    given = call.json()
    requests = _requests(given.get("batchRequests"), MOST)
    results: list[dict[str, Any]] = []
    wrong = False
    for part in requests:
        if wrong and given.get("haltOnError"):
            halted = Refusal("BATCH_PROCESSING_HALTED", "Batch processing halted per request")
            results.append({"statusCode": 412, "result": halted.body()})
            continue
        reply = _run(
            call, answer, part.get("method", "GET"), str(part.get("url", "")), part.get("richInput"), {}
        )
        wrong = wrong or reply.status >= 400
        results.append({"statusCode": reply.status, "result": _body(reply)})
    return Reply(200, {"hasErrors": wrong, "results": results})


def tree(call: Call, item: SObject) -> Reply:
    """`POST /composite/tree/{object}`."""
    records = call.json().get("records", [])
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    counted = _measured(records)
    if counted > TREE_RECORDS:
        raise Refusal("LIMIT_EXCEEDED", f"The number of records exceeds the limit of {TREE_RECORDS}")
    try:
        with call.tx.savepoint():
            _plant(call, item, records, None, 1, results, errors)
            undo_all(bool(errors))
    except AllOrNone:
        return Reply(400, {"hasErrors": True, "results": errors})
    return Reply(201, {"hasErrors": False, "results": results})


def _measured(records: Any, level: int = 1) -> int:
    if level > TREE_LEVELS:
        raise Refusal("LIMIT_EXCEEDED", f"The tree is deeper than {TREE_LEVELS} levels")
    shaped = isinstance(records, list) and all(
        isinstance(record, dict) and isinstance(record.get("attributes", {}), dict) for record in records
    )
    if not shaped:
        raise Refusal("JSON_PARSER_ERROR", "`records` must be a list of objects")
    inner = [value["records"] for record in records for value in record.values() if _is_list(value)]
    return len(records) + sum(_measured(children, level + 1) for children in inner)


def _is_list(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("records"), list)


def _plant(
    call: Call,
    item: SObject,
    records: list[dict[str, Any]],
    parent: tuple[SObject, str, str] | None,
    level: int,
    results: list[dict[str, Any]],
    errors: list[dict[str, Any]],
) -> None:
    for record in records:
        reference = record.get("attributes", {}).get("referenceId")
        own = {key: value for key, value in record.items() if not _is_list(value)}
        if parent is not None:
            above, relation, id = parent
            field = next(
                (
                    f
                    for kind, f in call.schema.children.get(above.name, ())
                    if kind is item and _named(f, relation)
                ),
                None,
            )
            if field is None:
                raise Refusal("INVALID_FIELD", f"No such column '{relation}' on sobject of type {above.name}")
            own[field.name] = id
        try:
            id = dml.create(call, item, own)
        except Refusal as refusal:
            errors.append({"referenceId": reference, "errors": [refusal.row()]})
            continue
        results.append({"referenceId": reference, "id": id})
        for key, value in record.items():
            if _is_list(value):
                child = (
                    call.object(str(value["records"][0].get("attributes", {}).get("type", "")))
                    if value["records"]
                    else item
                )
                _plant(call, child, value["records"], (item, key, id), level + 1, results, errors)


def _named(field: Any, relation: str) -> bool:
    return (field.child or "").lower() == relation.lower().removesuffix("__r")


def _halted(part: dict[str, Any]) -> dict[str, Any]:
    body = _HALTED.body()
    return {"body": body, "httpStatusCode": 400, "httpHeaders": {}, "referenceId": part.get("referenceId")}


def graph(call: Call, answer: Answer) -> Reply:
    """`POST /composite/graph`."""
    graphs = _requests(call.json().get("graphs"), GRAPHS)
    parts = [_requests(entry.get("compositeRequest"), NODES) for entry in graphs]
    if sum(map(len, parts)) > NODES:
        raise Refusal("LIMIT_EXCEEDED", f"The number of nodes exceeds the limit of {NODES}")
    answers: list[dict[str, Any]] = []
    failed = 0
    for entry, requests in zip(graphs, parts, strict=True):
        if failed >= GRAPHS_FAILED:
            fine = False
            results = [_halted(part) for part in requests]
        else:
            results, fine = _sequence(call, answer, requests, all_or_none=True)
        failed += not fine
        answers.append(
            {
                "graphId": entry.get("graphId"),
                "graphResponse": {"compositeResponse": results},
                "isSuccessful": fine,
            }
        )
    return Reply(200, {"graphs": answers})
