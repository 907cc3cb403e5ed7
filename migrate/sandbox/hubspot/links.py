"""Which records are associated, how, and which company is the primary one?

A pair has one row for each type and direction; each row's inverse stands beside it. Rows of archived
records stay and are only hidden, so that they return with the record. A contact, deal or ticket has at
most one primary company, and its first company becomes it.

Facts: HubSpot, "Associations v4", read 2026-11-23.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from migrate.sandbox.hubspot import records, standards
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.catalog import HUBSPOT, LinkType, Spec
from migrate.sandbox.hubspot.errors import ApiError

Pair = tuple[int, int, Sequence[Spec]]  # from id, to id, types (none: unlabelled)


def specs(call: Call, source: str, target: str, raw: Any) -> list[Spec]:
    """Association types as sent, checked against those that exist for the pair of object types.

    Raises:
        ApiError: 400 for a type that doesn't exist from `source` to `target`.
    """
    known = call.catalog.between(source, target)
    if not isinstance(raw, list):
        raise ApiError(400, "Invalid input JSON on line 1, column 1: `types` must be a list")
    found: list[Spec] = []
    for row in raw:
        try:
            spec = (str(row["associationCategory"]), int(row["associationTypeId"]))
        except (KeyError, TypeError, ValueError) as trouble:
            message = "associationCategory and associationTypeId are required"
            raise ApiError(400, f"Invalid input JSON on line 1, column 1: {message}") from trouble
        if spec not in known:
            kinds = call.catalog.kinds
            raise ApiError(
                400,
                f"Invalid association type {spec[1]} of category {spec[0]} from object type "
                f"{kinds[source].id} to {kinds[target].id}",
                sub="crm.associations.INVALID_ASSOCIATION_TYPE",
                context={"type": [str(spec[1])], "category": [spec[0]]},
            )
        found.append(spec)
    return found


def live(call: Call, kind: str, ids: Iterable[int]) -> set[int]:
    """Those of the ids that are live records of the type."""
    wanted = list(set(ids))
    found: set[int] = set()
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        query = f"SELECT id FROM hs_record WHERE kind = ? AND archived = 0 AND id IN ({marks})"
        found.update(row[0] for row in call.sql.execute(query, (kind, *part)))
    return found


def refuse_full(call: Call, source: str, target: str, pair: Pair) -> None:
    """Raise when an administrator's limit leaves no room for the pair."""
    from_id, to_id, wanted = pair
    types = wanted or [call.catalog.default(source, target).spec]
    for one, other, near, far, chosen in (
        (source, target, from_id, to_id, list(types)),
        (target, source, to_id, from_id, [_inverse(call, source, target, spec) for spec in types]),
    ):
        for category, number in chosen:
            most = call.catalog.limits.get((one, other, category, number))
            if most is None:
                continue
            query = (
                "SELECT count(*), coalesce(sum(to_id = ?), 0) FROM hs_link JOIN hs_record r ON r.id = to_id "
                "WHERE from_id = ? AND to_kind = ? AND type_id = ? AND category = ? AND r.archived = 0"
            )
            count, there = call.sql.execute(query, (far, near, other, number, category)).fetchone()
            if not there and count >= most:
                raise ApiError(
                    400,
                    f"Record {near} already has {count} associations of type {number}, the limit is {most}.",
                    sub="crm.associations.ASSOCIATION_LIMIT_EXCEEDED",
                    context={"fromObjectId": [str(near)], "limit": [str(most)]},
                )


def _inverse(call: Call, source: str, target: str, spec: Spec) -> Spec:
    return (spec[0], call.catalog.between(source, target)[spec].inverse)


def add(call: Call, source: str, target: str, pairs: Sequence[Pair]) -> None:
    """Associate live records; what is there already stays as it is."""
    if not pairs:
        return
    default = call.catalog.default(source, target).spec
    forward, backward = call.catalog.primary(source, target), call.catalog.primary(target, source)
    primary = forward or backward
    holder_kind = source if forward else target
    holding = {}
    if primary is not None:
        holding = _primaries(call, {f if forward else t for f, t, _ in pairs}, primary)
    for from_id, to_id, chosen in pairs:
        wanted = dict.fromkeys(chosen or [default])
        if call.settings["label_adds_default"]:
            wanted[default] = None
        if primary is not None:
            holder, company = (from_id, to_id) if forward else (to_id, from_id)
            mark = primary.spec if forward else (HUBSPOT, primary.inverse)
            if mark in wanted or holder not in holding:
                wanted[mark] = None
                _make_primary(call, holder_kind, holder, company, primary)
                holding[holder] = company
        _put(call, source, target, from_id, to_id, list(wanted))


def _primaries(call: Call, ids: set[int], primary: LinkType) -> dict[int, int]:
    wanted = list(ids)
    found: dict[int, int] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        query = (
            "SELECT from_id, to_id FROM hs_link JOIN hs_record r ON r.id = to_id AND r.archived = 0 "
            f"WHERE from_id IN ({marks}) AND to_kind = 'companies' AND type_id = ? AND category = ?"
        )
        found.update(call.sql.execute(query, (*part, primary.number, HUBSPOT)).fetchall())
    return found


def _make_primary(call: Call, kind: str, holder: int, company: int, primary: LinkType) -> None:
    """Take the mark from any other company and reflect the new one in the record."""
    query = (
        "SELECT to_id FROM hs_link WHERE from_id = ? AND to_kind = 'companies' AND type_id = ? "
        "AND category = ? AND to_id <> ?"
    )
    for (other,) in call.sql.execute(query, (holder, primary.number, HUBSPOT, company)).fetchall():
        _take(call, kind, "companies", holder, other, [primary.spec])
    if kind == "contacts":
        records.mirror(call, holder, "associatedcompanyid", company)


def _put(call: Call, source: str, target: str, from_id: int, to_id: int, wanted: list[Spec]) -> None:
    query = "SELECT category, type_id FROM hs_link WHERE from_id = ? AND to_kind = ? AND to_id = ?"
    there = set(call.sql.execute(query, (from_id, target, to_id)))
    fresh = [spec for spec in wanted if spec not in there]
    if not fresh:
        return
    entries = []
    for spec in fresh:
        back = _inverse(call, source, target, spec)
        for row in ((from_id, target, to_id, spec, source), (to_id, source, from_id, back, target)):
            near, far_kind, far, (category, number), near_kind = row
            entries.append((near, far_kind, far, number, near_kind, category, call.actor.name, call.stamp))
            if category == HUBSPOT and number == standards.CHILD_TO_PARENT:
                records.mirror(call, near, "hs_parent_company_id", far)
    call.sql.executemany("INSERT OR IGNORE INTO hs_link VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
    call.log("link", "links", f"{source}/{from_id}/{target}/{to_id}", None, {"types": fresh})


def _take(call: Call, source: str, target: str, from_id: int, to_id: int, gone: list[Spec]) -> None:
    query = (
        "DELETE FROM hs_link WHERE from_id = ? AND to_kind = ? AND to_id = ? AND type_id = ? AND category = ?"
    )
    for spec in gone:
        back = _inverse(call, source, target, spec)
        for near, kind, far, (category, number) in (
            (from_id, target, to_id, spec),
            (to_id, source, from_id, back),
        ):
            call.sql.execute(query, (near, kind, far, number, category))
            if category == HUBSPOT and number == 1:
                records.mirror(call, near, "associatedcompanyid", None)
            if category == HUBSPOT and number == standards.CHILD_TO_PARENT:
                records.mirror(call, near, "hs_parent_company_id", None)
    call.log("unlink", "links", f"{source}/{from_id}/{target}/{to_id}", {"types": gone}, None)


def remove(call: Call, source: str, target: str, pairs: Sequence[Pair]) -> int:
    """Remove the named types of each pair, or all when none is named. What isn't there is passed over."""
    count = 0
    for from_id, to_id, chosen in pairs:
        query = "SELECT category, type_id FROM hs_link WHERE from_id = ? AND to_kind = ? AND to_id = ?"
        there = call.sql.execute(query, (from_id, target, to_id)).fetchall()
        gone = [spec for spec in there if not chosen or spec in chosen]
        if gone:
            _take(call, source, target, from_id, to_id, gone)
            count += 1
    return count


def move(call: Call, kind: str, loser: int, winner: int) -> None:
    """Give a merged record's associations to the survivor; the survivor's primary company stays."""
    query = "SELECT to_kind, to_id, category, type_id FROM hs_link WHERE from_id = ? ORDER BY to_id, type_id"
    pairs: dict[tuple[str, int], list[Spec]] = defaultdict(list)
    for target, to_id, category, number in call.sql.execute(query, (loser,)).fetchall():
        pairs[target, to_id].append((category, number))
    for (target, to_id), chosen in pairs.items():
        _take(call, kind, target, loser, to_id, chosen)
        if to_id != winner:
            primary = call.catalog.primary(kind, target)
            kept = [spec for spec in chosen if primary is None or spec != primary.spec]
            add(call, kind, target, [(winner, to_id, kept)])


def read(
    call: Call, source: str, target: str, ids: Sequence[int]
) -> dict[int, list[tuple[int, list[LinkType]]]]:
    """Associations with live records: from id to (to id, types), by to id. Archived records have none."""
    known = call.catalog.between(source, target)
    found: dict[int, dict[int, list[LinkType]]] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        marks = ",".join("?" * len(part))
        query = (
            "SELECT l.from_id, l.to_id, l.category, l.type_id FROM hs_link l "
            "JOIN hs_record r ON r.id = l.to_id AND r.archived = 0 "
            "JOIN hs_record f ON f.id = l.from_id AND f.archived = 0 AND f.kind = ? "
            f"WHERE l.from_id IN ({marks}) AND l.to_kind = ? "
            "ORDER BY l.from_id, l.to_id, l.category, l.type_id"
        )
        for from_id, to_id, category, number in call.sql.execute(query, (source, *part, target)):
            if (category, number) in known:
                types = found.setdefault(from_id, {}).setdefault(to_id, [])
                types.append(known[category, number])
    return {id: list(to.items()) for id, to in found.items()}


def everything(call: Call) -> Iterator[dict[str, Any]]:
    """Every association in both directions, with who made it; `archived` when one end is in the bin."""
    query = (
        "SELECT l.from_kind, l.from_id, l.to_kind, l.to_id, l.category, l.type_id, l.actor, l.at, "
        "r.archived OR f.archived FROM hs_link l JOIN hs_record r ON r.id = l.to_id "
        "JOIN hs_record f ON f.id = l.from_id ORDER BY l.from_id, l.to_kind, l.to_id, l.at, l.type_id"
    )
    current: dict[str, Any] | None = None
    for source, from_id, target, to_id, category, number, actor, at, archived in call.sql.execute(query):
        known = call.catalog.links.get((source, target), {}).get((category, number))
        told = {"category": category, "typeId": number, "label": known.label if known else None}
        here = (from_id, target, to_id)
        if current is None or (int(current["from"]), current["to_object"], int(current["to"])) != here:
            if current is not None:
                yield current
            current = {
                "from_object": source,
                "from": str(from_id),
                "to_object": target,
                "to": str(to_id),
                "types": [],
                "actor": actor,
                "at": at,
                "archived": bool(archived),
            }
        current["types"].append(told)
    if current is not None:
        yield current
