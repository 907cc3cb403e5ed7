"""Which links does the portal hold, as records of a source object of their own?

Each pair of objects that can be linked is one object, `<left>_to_<right>`, whose records are its links,
a record for each label: `left` and `right` (the ids), `label` (as plans name it), `type_id` and
`category`. A link is seen from both its ends and counts once: it is read from the left, and counted from
the right, which makes the count a second route. Between records of one object it is read from the child
of a parent, and otherwise from the lower id.

No stamp moves with a link, and no deletion is told (HubSpot, associations v4, read 2026-11-26), so these
objects have no stamp: each generation is a full sweep. Lists page by record; batch read takes 1,000
ids, and goes on within one record whose links are many. Cursor: JSON with the list's own cursor and the
records whose links aren't at their end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from migrate.catalog import Field, LinkType, ObjectSchema, Option
from migrate.connector import Page, Query
from migrate.connectors.hubspot.metadata import ASSOCIATION, Metadata, association_name
from migrate.connectors.hubspot.paths import CUSTOM_PREFIX, STANDARD
from migrate.connectors.hubspot.portal import Portal, next_after
from migrate.connectors.hubspot.replies import results
from migrate.errors import CursorLost
from migrate.types import Kind, arrow_type

LISTED = 100
OWN = "HUBSPOT_DEFINED"
_CHILD, _PARENT = 13, 14  # what the right-hand company is to the left-hand one
FIELDS = {
    "left": Kind.REFERENCE,
    "right": Kind.REFERENCE,
    "label": Kind.PICKLIST,
    "type_id": Kind.INT,
    "category": Kind.STRING,
}


@dataclass(frozen=True)
class _Place:
    """Where a sweep is. `after`: the list's cursor. `open`: (id, its cursor) of links still to be read."""

    after: str | None = None
    open: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        return json.dumps({"after": self.after, "open": self.open})


class Associations:
    """Reading links as records."""

    def __init__(self, portal: Portal, metadata: Metadata) -> None:
        self._portal, self._metadata = portal, metadata

    def read(self, query: Query, after: str | None) -> Iterator[Page]:
        """Every link of the pair, whatever the window; none where deletions are asked for."""
        left, right = self._metadata.pair(query.object)
        if query.deleted:
            yield Page(self._batch(query, []), None)
            return
        place = self._place(query.object, after)
        first = after is None
        while first or place.open or place.after is not None:
            first = False
            if not place.open:
                place = self._listed(left, place.after)
            found, rest = self._linked(left, right, place.open)
            place = _Place(place.after, rest)
            rows = [row for row in found if _from_here(left, right, row)]
            ended = not place.open and place.after is None
            yield Page(self._batch(query, sorted(rows)), None if ended else str(place))

    def count(self, query: Query) -> int:
        """Seen from the right; between records of one object, half of what both ends tell."""
        left, right = self._metadata.pair(query.object)
        if query.deleted:
            return 0
        place, seen, first = _Place(), 0, True
        while first or place.open or place.after is not None:
            first = False
            if not place.open:
                place = self._listed(right, place.after)
            found, rest = self._linked(right, left, place.open)
            seen += len(found)
            place = _Place(place.after, rest)
        return seen // 2 if left == right else seen

    def _place(self, object: str, after: str | None) -> _Place:
        if after is None:
            return _Place()
        try:
            told = json.loads(after)
            return _Place(told["after"], tuple((str(id), to) for id, to in told["open"]))
        except (ValueError, KeyError, TypeError) as failure:
            raise CursorLost(self._portal.system, object, f"`{after[:40]}` is no cursor") from failure

    def _listed(self, object: str, after: str | None) -> _Place:
        """As many records as one call may ask the links of, and the cursor behind them."""
        ids: list[str] = []
        path = self._portal.paths.objects(object)
        while True:
            params = {"limit": LISTED, "archived": "false", "properties": "hs_object_id"}
            page = self._portal.page(path, **params, **({"after": after} if after else {}))
            ids += [str(record["id"]) for record in page["results"]]
            after = next_after(page)
            if after is None or len(ids) + LISTED > self._portal.limits.link_reads:
                return _Place(after, tuple((id, None) for id in ids))

    def _linked(
        self, left: str, right: str, asked: Sequence[tuple[str, str | None]]
    ) -> tuple[list[tuple[str, str, str, int, str]], tuple[tuple[str, str | None], ...]]:
        """(left, right, category, type id, label) of these records' links, and where some go on."""
        if not asked:
            return [], ()
        path = self._portal.paths.associations(left, right, "/batch/read")
        body = {"inputs": [{"id": id} | ({"after": to} if to else {}) for id, to in asked]}
        told = self._portal.again(lambda: results(self._portal.ask(path, body)))
        found: list[tuple[str, str, str, int, str]] = []
        rest: list[tuple[str, str | None]] = []
        for result in told["results"]:
            own = str(result["from"]["id"])
            for to in result.get("to") or ():
                for kind in to.get("associationTypes") or ():
                    category, number = str(kind["category"]), int(kind["typeId"])
                    label = self._metadata.label(left, right, category, number, kind.get("label"))
                    found.append((own, str(to["toObjectId"]), category, number, label))
            if to_go := next_after(result):
                rest.append((own, to_go))
        return list(dict.fromkeys(found)), tuple(sorted(rest))

    def _batch(self, query: Query, rows: Sequence[tuple[str, str, str, int, str]]) -> pa.RecordBatch:
        columns: Mapping[str, list[Any]] = {
            "left": [row[0] for row in rows],
            "right": [row[1] for row in rows],
            "label": [row[4] for row in rows],
            "type_id": [row[3] for row in rows],
            "category": [row[2] for row in rows],
        }
        ids = [f"{left}-{right}-{_type_name(category, number)}" for left, right, category, number, _ in rows]
        arrays = [pa.array(columns[name], arrow_type(FIELDS[name])) for name in query.fields]
        return pa.RecordBatch.from_arrays([pa.array(ids, pa.string()), *arrays], names=["_id", *query.fields])


def _type_name(category: str, number: int) -> str:
    """A kind of link in an id: HubSpot's own by number; others' numbers may be the same and are marked."""
    return str(number) if category == OWN else f"{category[:1].lower()}{number}"


def _from_here(left: str, right: str, row: tuple[str, str, str, int, str]) -> bool:
    """Whether this view of a link is the one that counts."""
    one, other, category, number, _ = row
    if left != right:
        return True
    if category == OWN and number in (_CHILD, _PARENT):
        return number == _PARENT
    return (len(one), one) < (len(other), other)


def schemas(links: Iterable[LinkType]) -> dict[str, ObjectSchema]:
    """The source objects of the links that the portal knows, by name."""
    pairs: dict[str, list[LinkType]] = {}
    for each in links:
        pairs.setdefault(association_name(each.left, each.right), []).append(each)
    found: dict[str, ObjectSchema] = {}
    for name, types in sorted(pairs.items()):
        from_left = [each for each in types if name.startswith(f"{each.left}_to_{each.right}")]
        if from_left:
            found[name] = schema(from_left[0].left, from_left[0].right, from_left)
    return found


def ends(name: str) -> tuple[str, str] | None:
    """The two objects whose links are the source object of this name, by the name alone."""
    words = name.split("_to_")
    pairs = [("_to_".join(words[:n]), "_to_".join(words[n:])) for n in range(1, len(words))]
    known = (
        pair for pair in pairs if all(each in STANDARD or each.startswith(CUSTOM_PREFIX) for each in pair)
    )
    return next((pair for pair in known if association_name(*pair) == name), None)


def schema(left: str, right: str, types: Sequence[LinkType]) -> ObjectSchema:
    """The source object of a pair's links."""
    labels = dict.fromkeys(each.label for each in types)
    ends = {"left": left, "right": right}
    fields = {
        name: Field(
            name=name,
            label=name.replace("_", " ").capitalize(),
            kind=kind,
            vendor_type=ASSOCIATION,
            references=(ends[name],) if name in ends else (),
            options=tuple(Option(value=label, label=label) for label in labels) if name == "label" else (),
            nullable=False,
            createable=False,
            updateable=False,
        )
        for name, kind in FIELDS.items()
    }
    return ObjectSchema(
        name=association_name(left, right),
        label=f"Links of {left} to {right}",
        fields=fields,
        key_by="none",
        custom=left not in STANDARD or right not in STANDARD,
        createable=False,
        updateable=False,
        deletable=False,
    )
