"""Which files or folders does a search give, and in which order?

Every filter is a query argument, and all must hold; numbers and instants also come as ranges. Pages are
offsets, up to ten thousand. Hidden and deleted ones are never given.

Facts: HubSpot, "Search files" and "Search folders", read 2026-11-26: default 10, at most 100 a page, offset
at most 10,000; `name` finds parts of names. Which way `sort` runs isn't documented: here upwards, with `-`
before it down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.values import EPOCH, instant
from migrate.sandbox.vendor import Reply

FARTHEST: Final = 10_000
Row = TypeVar("Row")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_NUMBERS: Final = ("size", "height", "width")
_INSTANTS: Final = ("createdAt", "updatedAt", "expiresAt")
_WORDS: Final = ("encoding", "type", "extension", "fileMd5")
_ALWAYS: Final = frozenset({"id", "createdAt", "updatedAt", "archived", "access"})


def number(text: Any) -> int | None:
    """An id as a number; None for what can't be one."""
    return int(str(text)) if _NUMBER.fullmatch(str(text)) else None


def chosen(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """A reply's members, only those that `properties` names and those that are always there."""
    names = call.names("properties")
    return {name: value for name, value in body.items() if not names or name in names or name in _ALWAYS}


BY_ROW: Final = frozenset({"ids", "idGte", "idLte", "parentFolderIds"})  # what `narrowed` asks the store for
_HOW: Final = frozenset({"limit", "after", "properties"})  # what says nothing of which rows


def narrowed(call: Call, parent: str) -> tuple[str, list[int]]:
    """The filters by ids as a condition and its values, so that a large portal isn't read whole.

    Args:
        parent: the column of the folder that a row is in.
    """
    where, values = "archived_at IS NULL", []
    for name, column in (("ids", "id"), ("parentFolderIds", parent)):
        if wanted := call.names(name):
            numbers = [value for each in wanted if (value := number(each)) is not None]
            where += f" AND {column} IN ({', '.join('?' * len(numbers))})"
            values += numbers
    for name, sign in (("idGte", ">="), ("idLte", "<=")):
        if (text := _arg(call, name)) is not None:
            if (value := number(text)) is None:
                raise ApiError(400, f"The {name} parameter `{text}` is not valid")
            where, values = f"{where} AND id {sign} ?", [*values, value]
    return where, values


def by_rows(call: Call) -> tuple[int, int] | None:
    """Offset and limit, where a search asks for nothing but what `narrowed` knows, in the order of ids."""
    asked = {name for name, values in (call.request.query if call.request else {}).items() if any(values)}
    if asked - BY_ROW - _HOW - {"sort"} or call.names("sort") not in ([], ["id"]):
        return None
    return _offset(call, "after") or 0, call.number("limit", 10, 100)


def cut(call: Call, bodies: Sequence[dict[str, Any]], start: int, limit: int) -> Reply:
    """A page of rows that the store has put in order; one more of them than `limit` says that more follow."""
    body: dict[str, Any] = {"results": [chosen(call, each) for each in bodies[:limit]]}
    paging: dict[str, Any] = {}
    if len(bodies) > limit:
        paging["next"] = {"after": str(start + limit), "link": _link(call, "after", start + limit)}
    if start:
        paging["prev"] = {"before": str(start), "link": _link(call, "before", start)}
    return Reply(200, body | ({"paging": paging} if paging else {}))


def page(
    call: Call,
    rows: Sequence[tuple[int, Row, dict[str, Any]]],
    parents: Mapping[str, Callable[[Row], int | None]],
    more: Callable[[Row, dict[str, Any]], bool] = lambda _row, _body: True,
) -> Reply:
    """One page of a search.

    Args:
        rows: id, row and rendered body of all that could be found.
        parents: how to tell the folder that a row is in, by the argument that asks for it.
        more: filters that only one sort of rows has.
    """
    found = [row for row in rows if _holds(call, row, parents) and more(row[1], row[2])]
    found.sort(key=lambda row: row[0])
    for name in reversed(call.names("sort")):
        found = _sorted(found, name.lstrip("-"), down=name.startswith("-"))
    limit = call.number("limit", 10, 100)
    after, before = _offset(call, "after"), _offset(call, "before")
    start = after or 0
    if after is None and before is not None:
        start = max(before - limit, 0)
    body: dict[str, Any] = {"results": [chosen(call, row[2]) for row in found[start : start + limit]]}
    paging: dict[str, Any] = {}
    if start + limit < len(found):
        paging["next"] = {"after": str(start + limit), "link": _link(call, "after", start + limit)}
    if start:
        paging["prev"] = {"before": str(start), "link": _link(call, "before", start)}
    if paging:
        body["paging"] = paging
    return Reply(200, body)


def _sorted(
    rows: list[tuple[int, Row, dict[str, Any]]], name: str, *, down: bool
) -> list[tuple[int, Row, dict[str, Any]]]:
    have = [row for row in rows if row[2].get(name) is not None]
    have.sort(key=lambda row: row[2][name], reverse=down)
    return have + [row for row in rows if row[2].get(name) is None]


def _link(call: Call, name: str, value: int) -> str:
    request = call.request
    if request is None:
        return ""
    query = {key: values for key, values in request.query.items() if key not in ("after", "before")}
    base = f"{request.scheme}://{request.host}{request.path}"
    return f"{base}?{urlencode(query | {name: [str(value)]}, doseq=True)}"


def _offset(call: Call, name: str) -> int | None:
    text = _arg(call, name)
    if text is None:
        return None
    if (value := number(text)) is None:
        raise ApiError(400, f"The {name} parameter `{text}` is not valid")
    if value > FARTHEST:
        raise ApiError(400, f"The {name} parameter can't be more than {FARTHEST}")
    return value


def _arg(call: Call, name: str) -> str | None:
    text = call.request.arg(name) if call.request else None
    return text or None


def _holds(
    call: Call, row: tuple[int, Row, dict[str, Any]], parents: Mapping[str, Callable[[Row], int | None]]
) -> bool:
    id, one, body = row
    ids = call.names("ids")
    if ids and id not in {number(each) for each in ids}:
        return False
    for name, parent in parents.items():
        wanted = call.names(name)
        if wanted and parent(one) not in {number(each) for each in wanted}:
            return False
    text = _arg(call, "name")
    if text is not None and text.lower() not in str(body.get("name", "")).lower():
        return False
    text = _arg(call, "path")
    if text is not None and f"/{text.strip('/')}" != body.get("path"):
        return False
    text = _arg(call, "url")
    if text is not None and urlsplit(text).path != urlsplit(str(body.get("url", ""))).path:
        return False
    if any((text := _arg(call, word)) is not None and text.lower() != str(body.get(word, "")).lower()
           for word in _WORDS):  # fmt: skip
        return False
    return _ranges(call, id, body)


def _ranges(call: Call, id: int, body: dict[str, Any]) -> bool:
    held: dict[str, Any] = {name: body.get(name) for name in _NUMBERS} | {"id": id}
    for name in _INSTANTS:
        value = body.get(name)
        held[name] = value if value is None or isinstance(value, int) else _millis(name, value)
    for name, value in held.items():
        for suffix in ("", "Gte", "Lte"):
            if (name, suffix) == ("id", "") or (text := _arg(call, f"{name}{suffix}")) is None:
                continue
            wanted = _millis(name, text) if name in _INSTANTS else number(text)
            if wanted is None:
                raise ApiError(400, f"The {name}{suffix} parameter `{text}` is not valid")
            if value is None or (suffix == "" and value != wanted):
                return False
            if (suffix == "Gte" and value < wanted) or (suffix == "Lte" and value > wanted):
                return False
    return True


def _millis(name: str, text: str) -> int:
    try:
        moment = instant(text.replace(" ", "+"))
    except (ValueError, OverflowError) as trouble:
        raise ApiError(400, f"The {name} parameter `{text}` is not valid") from trouble
    return round((moment - EPOCH).total_seconds() * 1000)
