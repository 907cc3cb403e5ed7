"""What does search find, and when?

Search looks at an index that follows the records with a lag, so what was just written may be missing or
old. At most 10,000 results of a query can be paged through; archived records never appear.

Facts: HubSpot, "Search the CRM"; airbyte#10700 (the 10,000 stop), read 2026-11-23. Filter counts and lag
are settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from migrate.sandbox.hubspot import links, objects, writes
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.records import Record
from migrate.sandbox.hubspot.values import BadValue, instant, number
from migrate.sandbox.vendor import Reply

CEILING: Final = 10_000
OPERATORS: Final = frozenset(
    [
        "EQ",
        "NEQ",
        "LT",
        "LTE",
        "GT",
        "GTE",
        "BETWEEN",
        "IN",
        "NOT_IN",
        "HAS_PROPERTY",
        "NOT_HAS_PROPERTY",
        "CONTAINS_TOKEN",
        "NOT_CONTAINS_TOKEN",
    ]
)
SEARCHED: Final = {
    "contacts": ("email", "firstname", "lastname", "phone", "company"),
    "companies": ("name", "domain", "website", "phone"),
    "deals": ("dealname", "pipeline", "dealstage", "description", "dealtype"),
    "tickets": ("subject", "content"),
}
Test = Callable[[Record], bool]


def refresh(call: Call) -> None:
    """Bring the index to where it is by now."""
    now = call.now.timestamp()
    call.sql.execute(
        "INSERT OR REPLACE INTO hs_index SELECT id, kind, properties, created, updated FROM hs_record "
        "WHERE id IN (SELECT record FROM hs_pending WHERE due <= ?)",
        (now,),
    )
    call.sql.execute("DELETE FROM hs_pending WHERE due <= ?", (now,))


def _comparable(type: str, text: str) -> Any:
    if type == "number":
        try:
            return Decimal(number(text))
        except BadValue as trouble:
            raise ApiError(400, f"{text} is not a number", sub="INVALID_NUMBER") from trouble
    if type in ("date", "datetime"):
        try:
            return instant(text)
        except (ValueError, OverflowError) as trouble:
            raise ApiError(400, f"{text} is not a date", sub="INVALID_DATE") from trouble
    return text.lower()


def _pattern(text: str) -> re.Pattern[str]:
    words = [re.escape(part).replace(r"\*", r"\w*") for part in text.lower().split()]
    return re.compile(r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)")


def _filter(call: Call, kind: str, row: Mapping[str, Any]) -> Test:
    name, operator = str(row.get("propertyName") or ""), str(row.get("operator") or "")
    if operator not in OPERATORS:
        raise ApiError(
            400, f"Invalid operator: {operator}", sub="INVALID_OPERATOR", context={"operator": [operator]}
        )
    if name.startswith("associations."):
        return _associated(call, kind, name.partition(".")[2], operator, row)
    definition = call.catalog.properties[kind].get(name)
    if definition is None:
        raise ApiError(
            400,
            f'Property "{name}" does not exist',
            sub="PROPERTY_DOESNT_EXIST",
            context={"propertyName": [name]},
        )
    type = definition["type"]
    if operator == "HAS_PROPERTY":
        return lambda record: name in record.properties
    if operator == "NOT_HAS_PROPERTY":
        return lambda record: name not in record.properties
    if operator in ("IN", "NOT_IN"):
        values = row.get("values")
        if not isinstance(values, list) or not values or len(values) > call.settings["search_in_values"]:
            raise ApiError(
                400,
                f"{operator} takes 1 to {call.settings['search_in_values']} `values`",
                sub="INVALID_FILTER",
            )
        if type == "string":  # compared with the lower-cased value as it was sent: capitals never match
            wanted = {str(value) for value in values}
            inside: Test = lambda record: record.properties.get(name, "").lower() in wanted  # noqa: E731
        else:
            exact = {_comparable(type, str(value)) for value in values}
            inside = lambda record: (  # noqa: E731
                name in record.properties and _comparable(type, record.properties[name]) in exact
            )
        return (
            inside if operator == "IN" else (lambda record: name in record.properties and not inside(record))
        )
    value = row.get("value")
    if value is None or value == "":
        raise ApiError(400, f"operator {operator} requires a value", sub="INVALID_FILTER")
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        pattern = _pattern(str(value))
        hit: Test = lambda record: pattern.search(record.properties.get(name, "").lower()) is not None  # noqa: E731
        return hit if operator == "CONTAINS_TOKEN" else (lambda record: not hit(record))
    low = _comparable(type, str(value))
    if operator == "BETWEEN":
        high = _comparable(type, str(row.get("highValue") or ""))
        return _ordered(name, type, lambda held: bool(low <= held <= high))
    tests: dict[str, Callable[[Any], bool]] = {
        "EQ": lambda held: bool(held == low),
        "NEQ": lambda held: bool(held != low),
        "LT": lambda held: bool(held < low),
        "LTE": lambda held: bool(held <= low),
        "GT": lambda held: bool(held > low),
        "GTE": lambda held: bool(held >= low),
    }
    return _ordered(name, type, tests[operator])


def _ordered(name: str, type: str, test: Callable[[Any], bool]) -> Test:
    return lambda record: name in record.properties and test(_comparable(type, record.properties[name]))


def _associated(call: Call, kind: str, other: str, operator: str, row: Mapping[str, Any]) -> Test:
    target = call.catalog.kind(other).name
    wanted = (
        [str(row.get("value"))] if operator == "EQ" else [str(value) for value in row.get("values") or []]
    )
    numbers = [id for value in wanted if (id := writes.number_of(value)) is not None]
    if operator not in ("EQ", "IN") or len(numbers) < len(wanted):
        raise ApiError(400, f"Invalid operator for associations: {operator}", sub="INVALID_OPERATOR")
    found = links.read(call, target, kind, numbers)
    ids = {to_id for rows in found.values() for to_id, _ in rows}
    return lambda record: record.id in ids


def _groups(call: Call, kind: str, body: Mapping[str, Any]) -> list[list[Test]]:
    groups = body.get("filterGroups") or ([{"filters": body["filters"]}] if body.get("filters") else [])
    limits = call.settings
    total = sum(len(group.get("filters") or []) for group in groups)
    if len(groups) > limits["search_groups"]:
        raise ApiError(
            400, f"Number of filterGroups ({len(groups)}) is over the limit of {limits['search_groups']}"
        )
    for group in groups:
        if len(group.get("filters") or []) > limits["search_filters_per_group"]:
            most = limits["search_filters_per_group"]
            raise ApiError(400, f"Number of filters in a group is over the limit of {most}")
    if total > limits["search_filters"]:
        raise ApiError(400, f"Number of filters ({total}) is over the limit of {limits['search_filters']}")
    return [[_filter(call, kind, row) for row in group.get("filters") or []] for group in groups]


def _sort(call: Call, kind: str, body: Mapping[str, Any]) -> tuple[str, bool]:
    sorts = body.get("sorts") or []
    if len(sorts) > 1:
        raise ApiError(400, "Only one sort is allowed")
    if not sorts:
        return "hs_object_id", False
    row = sorts[0] if isinstance(sorts[0], dict) else {"propertyName": str(sorts[0])}
    name = str(row.get("propertyName"))
    if name not in call.catalog.properties[kind]:
        raise ApiError(400, f'Property "{name}" does not exist', sub="PROPERTY_DOESNT_EXIST")
    direction = row.get("direction", "ASCENDING")
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ApiError(400, f"Invalid sort direction: {direction}", sub="INVALID_SORT")
    return name, direction == "DESCENDING"


def _page(body: Mapping[str, Any]) -> tuple[int, int]:
    limit, after = body.get("limit", 10), str(body.get("after") or "0")
    if not 0 <= limit <= 200:
        raise ApiError(400, f"limit {limit} must be from 0 to 200", sub="ILLEGAL_LIMIT")
    if writes.number_of(after) is None:
        raise ApiError(400, f"The after parameter `{after}` is not valid")
    if int(after) + limit > CEILING:
        raise ApiError(400, f"The after parameter plus the limit is over {CEILING}: search pages no further")
    return limit, int(after)


def search(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../search`: a page of matches with their total."""
    kind = call.catalog.kind(path["type"]).name
    body = call.mapping()
    query = str(body.get("query") or "")
    if len(query) > 3000:
        raise ApiError(400, "The query is longer than 3,000 characters")
    groups, (sort, down) = _groups(call, kind, body), _sort(call, kind, body)
    limit, after = _page(body)
    refresh(call)
    texts = [(n,) for n in SEARCHED.get(kind, ())] or [(call.catalog.kinds[kind].display,)]
    words = query.lower().split()
    rows = call.sql.execute(
        "SELECT i.id, i.properties, i.created, i.updated FROM hs_index i JOIN hs_record r ON r.id = i.id "
        "WHERE i.kind = ? AND r.archived = 0 AND i.id > ? ORDER BY i.id",
        (kind, _floor(body)),
    )
    found = []
    for id, text, created, updated in rows:
        record = Record(id, kind, orjson.loads(text), created, updated)
        if groups and not any(all(test(record) for test in group) for group in groups):
            continue
        if words:
            held = " ".join(record.properties.get(name, "") for (name,) in texts).lower()
            if not all(word in held for word in words):
                continue
        found.append(record)
    type = call.catalog.properties[kind][sort]["type"]
    if sort != "hs_object_id" or down:
        having = [record for record in found if sort in record.properties]
        having.sort(key=lambda record: _comparable(type, record.properties[sort]), reverse=down)
        found = having + [record for record in found if sort not in record.properties]
    page = found[after : after + limit]
    told: dict[str, Any] = {
        "total": len(found),
        "results": [objects.render(call, record, body.get("properties")) for record in page],
    }
    if after + limit < len(found) and limit:
        told["paging"] = {"next": {"after": str(after + limit)}}
    return Reply(200, told)


def _floor(body: Mapping[str, Any]) -> int:
    """Ids at or below this can't match: a lone group that pages by id needn't read the rest."""
    groups = body.get("filterGroups") or []
    if len(groups) != 1:
        return 0
    floors = [
        floor
        for row in groups[0].get("filters") or []
        if row.get("propertyName") == "hs_object_id"
        and row.get("operator") == "GT"
        and (floor := writes.number_of(row.get("value"))) is not None
    ]
    return max(floors, default=0)
