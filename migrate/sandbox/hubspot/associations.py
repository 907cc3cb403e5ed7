"""How are associations read and written over the API?

Single and batch calls of associations v4 and of the dated family, which differ only in status codes: v4
answers a batch create with 201 or 207 and an archive with 204, 2026-09 answers with 200.

Facts: HubSpot, "Associations v4"; limits from the change log "bug fix: batch read limit" (10 Feb 2025),
read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from migrate.sandbox.hubspot import links, writes
from migrate.sandbox.hubspot.batches import inputs_of, reply
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import LinkType, Spec
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.objects import next_page
from migrate.sandbox.vendor import Reply

READS: Final = 1000
WRITES: Final = 2000


def _ends(call: Call, path: Mapping[str, str]) -> tuple[str, str]:
    return call.catalog.kind(path["type"]).name, call.catalog.kind(path["to_type"]).name


def _id(raw: Any) -> int:
    id = writes.number_of(raw)
    if id is None:
        raise ApiError(400, f"Unable to parse value for id: {raw}")
    return id


def _unfound(call: Call, kind: str, id: int) -> ApiError:
    singular = call.catalog.kinds[kind].singular
    return ApiError(
        404,
        f"No {singular} exists with id {id}.",
        "OBJECT_NOT_FOUND",
        sub="crm.associations.OBJECT_NOT_FOUND",
        context={"objectId": [str(id)], "objectType": [singular]},
    )


def _to(call: Call, to_id: int, types: Sequence[LinkType]) -> dict[str, Any]:
    text = call.settings["to_object_id_text"]
    return {
        "toObjectId": str(to_id) if text else to_id,
        "associationTypes": [type.labelled() for type in types],
    }


def _pair(
    call: Call, source: str, target: str, from_id: int, to_id: int, chosen: Sequence[Spec]
) -> dict[str, Any]:
    known, kinds = call.catalog.between(source, target), call.catalog.kinds
    return {
        "fromObjectTypeId": kinds[source].id,
        "fromObjectId": str(from_id),
        "toObjectTypeId": kinds[target].id,
        "toObjectId": str(to_id),
        "labels": [known[spec].label for spec in chosen if known[spec].label is not None],
    }


def _defaults(call: Call, source: str, target: str, from_id: int, to_id: int) -> list[dict[str, Any]]:
    return [
        {
            "from": {"id": str(one)},
            "to": {"id": str(other)},
            "associationSpec": {"associationCategory": type.category, "associationTypeId": type.number},
        }
        for one, other, type in (
            (from_id, to_id, call.catalog.default(source, target)),
            (to_id, from_id, call.catalog.default(target, source)),
        )
    ]


def listing(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET /crm/v4/objects/{type}/{id}/associations/{to}`; the 2026-09 family has no such call."""
    if call.family == "2026-09" and not call.settings["single_association_list_2026_09"]:
        raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
    source, target = _ends(call, path)
    id, limit = _id(path["id"]), call.number("limit", 500, 500)
    if not links.live(call, source, [id]):
        raise _unfound(call, source, id)
    after = _id((call.request.arg("after") if call.request else None) or "0")
    found = [row for row in links.read(call, source, target, [id]).get(id, []) if row[0] > after]
    body: dict[str, Any] = {"results": [_to(call, *row) for row in found[:limit]]}
    if len(found) > limit:
        body["paging"] = {"next": next_page(call, str(found[limit - 1][0]))}
    return Reply(200, body)


def batch_read(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/read`: each record pages for itself; one without associations is an error row."""
    source, target = _ends(call, path)
    rows = inputs_of(call, READS)
    ids = [_id(row.get("id")) for row in rows]
    found = links.read(call, source, target, list(dict.fromkeys(ids)))
    page = int(call.settings["association_page"])
    results, errors = [], []
    kinds = call.catalog.kinds
    for row, id in zip(rows, ids, strict=True):
        after = _id(row.get("after") or "0")
        linked = [entry for entry in found.get(id, []) if entry[0] > after]
        if not linked and not after:
            one, other = kinds[source].singular, kinds[target].singular
            refusal = ApiError(
                404,
                f"No {other} is associated with {one} {id}.",
                "OBJECT_NOT_FOUND",
                sub="crm.associations.NO_ASSOCIATIONS_FOUND",
                context={"fromObjectId": [str(id)], "fromObjectType": [one], "toObjectType": [other]},
            )
            errors.append(refusal.row())
            continue
        told: dict[str, Any] = {"from": {"id": str(id)}, "to": [_to(call, *entry) for entry in linked[:page]]}
        if len(linked) > page:
            told["paging"] = {"next": {"after": str(linked[page - 1][0])}}
        results.append(told)
    return reply(call, results, errors, 200)


def _checked(
    call: Call, source: str, target: str, pairs: Sequence[links.Pair]
) -> tuple[list[links.Pair], list[ApiError]]:
    """Pairs that may be written, and a refusal for each that may not."""
    near = links.live(call, source, [pair[0] for pair in pairs])
    far = links.live(call, target, [pair[1] for pair in pairs])
    limited = any(key[:2] in ((source, target), (target, source)) for key in call.catalog.limits)
    good: list[links.Pair] = []
    refused: list[ApiError] = []
    for index, pair in enumerate(pairs):
        refusal = _refusal(call, index, pair, (source, near), (target, far))
        if refusal is None and limited:
            refusal = _add_within_limits(call, source, target, pair)
        if refusal is None:
            good.append(pair)
        else:
            refused.append(refusal)
    if not limited:
        links.add(call, source, target, good)
    return good, refused


def _refusal(
    call: Call, index: int, pair: links.Pair, near: tuple[str, set[int]], far: tuple[str, set[int]]
) -> ApiError | None:
    if index in call.partial:
        return ApiError(400, "There was a problem with the request.", str(call.settings["partial_category"]))
    for id, (kind, live) in ((pair[0], near), (pair[1], far)):
        if id not in live:
            return _unfound(call, kind, id)
    if pair[0] == pair[1]:
        return ApiError(400, f"Record {pair[0]} can't be associated with itself")
    return None


def _add_within_limits(call: Call, source: str, target: str, pair: links.Pair) -> ApiError | None:
    try:
        links.refuse_full(call, source, target, pair)
    except ApiError as refusal:
        return refusal
    links.add(call, source, target, [pair])
    return None


def batch_create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/create`: labels; bad pairs are error rows, bad types refuse all."""
    source, target = _ends(call, path)
    pairs = [
        (*_both(row), links.specs(call, source, target, row.get("types"))) for row in inputs_of(call, WRITES)
    ]
    good, refused = _checked(call, source, target, pairs)
    results = [_pair(call, source, target, *pair) for pair in good]
    latest = call.family == "2026-09"
    return reply(
        call, results, [r.row() for r in refused], 200 if latest else 201, mixed=200 if latest else 207
    )


def _both(row: Mapping[str, Any]) -> tuple[int, int]:
    if not isinstance(row.get("from"), dict) or not isinstance(row.get("to"), dict):
        raise ApiError(400, "Some required fields were not set: [from, to]")
    return _id(row["from"].get("id")), _id(row["to"].get("id"))


def batch_default(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/associate/default`: unlabelled associations."""
    source, target = _ends(call, path)
    call.catalog.between(source, target)
    pairs: list[links.Pair] = [(*_both(row), []) for row in inputs_of(call, WRITES)]
    good, refused = _checked(call, source, target, pairs)
    results = [row for pair in good for row in _defaults(call, source, target, pair[0], pair[1])]
    return reply(call, results, [r.row() for r in refused], 200)


def put_default(call: Call, path: Mapping[str, str]) -> Reply:
    """`PUT .../objects/{type}/{id}/associations/default/{to}/{to_id}`."""
    source, target = _ends(call, path)
    pair: links.Pair = (_id(path["id"]), _id(path["to_id"]), [])
    _, refused = _checked(call, source, target, [pair])
    if refused:
        raise refused[0]
    return reply(call, _defaults(call, source, target, pair[0], pair[1]), [], 200)


def put_labelled(call: Call, path: Mapping[str, str]) -> Reply:
    """`PUT .../objects/{type}/{id}/associations/{to}/{to_id}` with a list of types."""
    source, target = _ends(call, path)
    chosen = links.specs(call, source, target, call.body())
    pair = (_id(path["id"]), _id(path["to_id"]), chosen)
    _, refused = _checked(call, source, target, [pair])
    if refused:
        raise refused[0]
    return Reply(201, _pair(call, source, target, *pair))


def delete(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE .../objects/{type}/{id}/associations/{to}/{to_id}`: every type of the pair goes."""
    source, target = _ends(call, path)
    links.remove(call, source, target, [(_id(path["id"]), _id(path["to_id"]), [])])
    return Reply(204)


def _gone(call: Call) -> Reply:
    return reply(call, [], [], 200) if call.dated else Reply(204)


def batch_archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/archive`: every type of each pair goes, labels too."""
    source, target = _ends(call, path)
    pairs: list[links.Pair] = []
    for row in inputs_of(call, WRITES):
        if not isinstance(row.get("from"), dict) or not isinstance(row.get("to"), list):
            raise ApiError(400, "Some required fields were not set: [from, to]")
        pairs += [(_id(row["from"].get("id")), _id(other.get("id")), []) for other in row["to"]]
    links.remove(call, source, target, pairs)
    return _gone(call)


def labels_archive(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../batch/labels/archive`: only the named types go."""
    source, target = _ends(call, path)
    rows = inputs_of(call, WRITES)
    pairs = [(*_both(row), links.specs(call, source, target, row.get("types"))) for row in rows]
    if not all(pair[2] for pair in pairs):
        raise ApiError(400, "Some required fields were not set: [types]")
    links.remove(call, source, target, pairs)
    return _gone(call)


def high_usage(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../usage/high-usage-report/{userId}`: the report would come by e-mail."""
    return Reply(
        200, {"userId": _id(path["user"]), "userEmail": "admin@example.com", "enqueueTime": call.stamp}
    )
