"""Which association labels and limits does an administrator define?

A label has a number for each direction; a paired label has two texts, a single one the same on both
sides. Limits bind later writes only.

Facts: HubSpot, "Associations v4" and "Set limits for record associations", read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.batches import inputs_of, reply
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import USER, LinkType
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.writes import number_of
from migrate.sandbox.vendor import Reply

MOST_LABELS: Final = 50
MOST_RECORDS: Final = 10_000


def _ends(call: Call, path: Mapping[str, str]) -> tuple[str, str]:
    return call.catalog.kind(path["type"]).name, call.catalog.kind(path["to_type"]).name


def listing(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../associations/{from}/{to}/labels`: all types of this direction, the unlabelled one too."""
    return Reply(
        200, {"results": [type.labelled() for type in call.catalog.between(*_ends(call, path)).values()]}
    )


def define(
    call: Call, source: str, target: str, name: str, label: str, inverse: str | None
) -> list[LinkType]:
    """Store a label for both directions; returns them, forward first.

    Raises:
        ApiError: 400 for a taken name or label, or too many labels.
    """
    known = call.catalog.between(source, target)
    own = [type for type in known.values() if type.category == USER]
    if any(type.label == label or type.name == name for type in own):
        raise ApiError(400, f"An association label named `{name}` or labelled `{label}` already exists")
    if len(own) >= MOST_LABELS:
        raise ApiError(400, f"There can be at most {MOST_LABELS} labels for a pair of object types")
    start = 30 + call.catalog.portal_id % 17
    forward = tables.take_number(call.sql, "label", start)
    paired = inverse is not None or source != target
    backward = tables.take_number(call.sql, "label", start) if paired else forward
    made = []
    for one, other, number, back, text in (
        (source, target, forward, backward, label),
        (target, source, backward, forward, inverse or label),
    ):
        body = {"category": USER, "number": number, "label": text, "inverse": back, "name": name}
        tables.put(call.sql, "link", f"{one}:{other}", f"{USER}:{number}", body)
        made.append(LinkType(USER, number, text, back, name))
    call.log(
        "schema", "associations", f"{source}:{target}:{name}", None, {"label": label, "inverse": inverse}
    )
    return made


def create(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../labels` with name, label and perhaps inverseLabel: answers with both directions."""
    source, target = _ends(call, path)
    body = call.mapping()
    name, label = body.get("name"), body.get("label")
    if not name or not label:
        raise ApiError(400, "Some required fields were not set: [label, name]")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name), re.IGNORECASE):
        raise ApiError(400, f"The name `{name}` may hold only letters, digits and underscores")
    made = define(call, source, target, str(name), str(label), body.get("inverseLabel"))
    return Reply(200, {"results": [type.labelled() for type in dict.fromkeys(made)]})


def _label(call: Call, source: str, target: str, number: Any) -> LinkType:
    own = number_of(number)
    found = None if own is None else call.catalog.between(source, target).get((USER, own))
    if found is None:
        raise ApiError(404, f"No association label {number} exists", "OBJECT_NOT_FOUND")
    return found


def update(call: Call, path: Mapping[str, str]) -> Reply:
    """`PUT .../labels` with associationTypeId, label and perhaps inverseLabel."""
    source, target = _ends(call, path)
    body = call.mapping()
    type = _label(call, source, target, body.get("associationTypeId"))
    if not body.get("label"):
        raise ApiError(400, "Some required fields were not set: [label]")
    for one, other, number, back, text in (
        (source, target, type.number, type.inverse, body.get("label")),
        (target, source, type.inverse, type.number, body.get("inverseLabel") or body.get("label")),
    ):
        row = {"category": USER, "number": number, "label": text, "inverse": back, "name": type.name}
        tables.put(call.sql, "link", f"{one}:{other}", f"{USER}:{number}", row)
    return Reply(204)


def delete(call: Call, path: Mapping[str, str]) -> Reply:
    """`DELETE .../labels/{number}`: the label and its use go, in both directions."""
    source, target = _ends(call, path)
    type = _label(call, source, target, path["number"])
    for one, other, number in ((source, target, type.number), (target, source, type.inverse)):
        tables.drop(call.sql, "link", f"{one}:{other}", f"{USER}:{number}")
        query = "DELETE FROM hs_link WHERE from_kind = ? AND to_kind = ? AND type_id = ? AND category = ?"
        call.sql.execute(query, (one, other, number, USER))
    call.log("schema", "associations", f"{source}:{target}:{type.name}", {"label": type.label}, None)
    return Reply(204)


def _told(call: Call, key: tuple[str, str, str, int], most: int) -> dict[str, Any]:
    known = call.catalog.links.get(key[:2], {}).get(key[2:])
    return {
        "category": key[2],
        "typeId": key[3],
        "label": known.label if known else None,
        "userEnforcedMaxToObjectIds": most,
    }


def limits(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../definitions/configurations/{from}/{to}` or `/all`."""
    pair = None if "type" not in path else _ends(call, path)
    rows = [
        _told(call, key, most) for key, most in call.catalog.limits.items() if pair is None or key[:2] == pair
    ]
    return Reply(200, {"results": rows})


def write_limits(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../definitions/configurations/{from}/{to}/batch/{create|update}`."""
    source, target = _ends(call, path)
    known = call.catalog.between(source, target)
    if path["op"] not in ("create", "update"):
        raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
    results = []
    for row in inputs_of(call, 100):
        spec, most = (str(row.get("category")), int(row.get("typeId") or 0)), row.get("maxToObjectIds")
        if spec not in known or not isinstance(most, int) or not 1 <= most <= MOST_RECORDS:
            raise ApiError(400, f"Invalid association limit {most} for type {spec[1]} of category {spec[0]}")
        body = {"category": spec[0], "typeId": spec[1], "maximum": most}
        tables.put(call.sql, "limit", f"{source}:{target}", f"{spec[0]}:{spec[1]}", body)
        told = _told(call, (source, target, *spec), most)
        results.append(told if path["op"] == "create" else {n: v for n, v in told.items() if n != "label"})
    return reply(call, results, [], 201 if path["op"] == "create" else 200)


def purge_limits(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../definitions/configurations/{from}/{to}/batch/purge`."""
    source, target = _ends(call, path)
    for row in inputs_of(call, 100):
        tables.drop(call.sql, "limit", f"{source}:{target}", f"{row.get('category')}:{row.get('typeId')}")
    return Reply(204)
