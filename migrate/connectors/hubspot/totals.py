"""What does the portal itself count? The `total` of a search, asked once for every group.

Search sums nothing and groups by nothing. Its index follows the records within seconds, never shows
archived ones, takes about five calls a second, six filters in a group and `IN` of a hundred values.
HubSpot, "Search the CRM", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from migrate.catalog import Field
from migrate.connector import OTHER, Answer, By, NotAnswered, Question, Total, Where
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.portal import Portal
from migrate.connectors.hubspot.values import instant
from migrate.types import Kind

ROUTE = "CRM search, totals"
FILTERS = 6  # of a group
CALLS = 600  # of one question: two minutes at five a second
AMONG = 100  # values of an IN
_OPERATORS = {"=": "EQ", "!=": "NEQ", "<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE", "in": "IN"}
_DAY = timedelta(days=1)

Filter = dict[str, Any]


class Totals:
    """Counts of one portal."""

    def __init__(self, portal: Portal, metadata: Metadata) -> None:
        self._portal, self._metadata = portal, metadata

    def answer(self, question: Question) -> Answer:
        """The portal's own counts.

        Raises:
            NotAnswered: a sum; a group by what has no list of values; more calls than it is worth.
            UsageError: there is no such object or property.
        """
        if question.sum is not None:
            raise NotAnswered(self._portal.system, "its search counts and doesn't sum")
        names = [one.field for one in question.where] + [one.field for one in question.by]
        fields = self._metadata.known(question.object, names)
        filters = [self._filter(fields[one.field], one) for one in question.where]
        asking = _Asking(self._portal, question.object)
        found = asking.count(filters)
        return Answer(tuple(self._groups(asking, question.by, fields, filters, found, ())), ROUTE)

    def _groups(
        self,
        asking: _Asking,
        left: Sequence[By],
        fields: dict[str, Field],
        filters: list[Filter],
        count: int,
        values: tuple[str | None, ...],
    ) -> Iterator[Total]:
        if not count:
            return
        if not left:
            yield Total(values, count)
            return
        by, rest = left[0], count
        for value, more in self._values(asking, by, fields[by.field], filters):
            if not rest:
                return
            part = asking.count([*filters, *more])
            rest -= part
            yield from self._groups(asking, left[1:], fields, [*filters, *more], part, (*values, value))
        if rest > 0:
            # Of what the portal no longer lists it can't be said how it falls into further groups.
            yield Total((*values, OTHER, *(OTHER for _ in left[1:])), rest)

    def _values(
        self, asking: _Asking, by: By, field: Field, filters: list[Filter]
    ) -> Iterator[tuple[str | None, list[Filter]]]:
        """The groups of a property, each with the filters that select it; at last the empty ones."""
        if by.month:
            yield from self._months(asking, field, filters)
        elif field.kind is Kind.BOOL:
            yield from ((value, [_is(by.field, value)]) for value in ("true", "false"))
        elif field.owner:
            yield from ((owner.id, [_is(by.field, owner.id)]) for owner in self._metadata.owners())
        elif field.options and field.kind is Kind.PICKLIST:
            yield from ((one.value, [_is(by.field, one.value)]) for one in field.options)
        else:
            why = f"it doesn't group by `{by.field}`, of which it lists no values"
            raise NotAnswered(self._portal.system, why)
        yield None, [{"propertyName": by.field, "operator": "NOT_HAS_PROPERTY"}]

    def _months(
        self, asking: _Asking, field: Field, filters: list[Filter]
    ) -> Iterator[tuple[str | None, list[Filter]]]:
        if field.kind not in (Kind.DATE, Kind.TIMESTAMP):
            raise NotAnswered(self._portal.system, f"`{field.name}` has no months: it is no date")
        ends = [asking.outermost(field.name, filters, last=last) for last in (False, True)]
        if ends[0] is None or ends[1] is None:
            return
        month = ends[0].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month <= ends[1]:
            after = (month + 32 * _DAY).replace(day=1)
            yield (
                f"{month:%Y-%m}",
                [
                    {"propertyName": field.name, "operator": "GTE", "value": _millis(month)},
                    {"propertyName": field.name, "operator": "LT", "value": _millis(after)},
                ],
            )
            month = after

    def _filter(self, field: Field, where: Where) -> Filter:
        name = field.name
        if where.operator in ("empty", "filled"):
            return {
                "propertyName": name,
                "operator": "HAS_PROPERTY" if where.operator == "filled" else "NOT_HAS_PROPERTY",
            }
        values = [_wire(field, value) for value in where.values]
        if where.operator == "in":
            if len(values) > AMONG:
                raise NotAnswered(self._portal.system, f"it takes at most {AMONG} values at a time")
            return {"propertyName": name, "operator": "IN", "values": values}
        return {"propertyName": name, "operator": _OPERATORS[where.operator], "value": values[0]}


class _Asking:
    """Searches of one question, counted."""

    def __init__(self, portal: Portal, object: str) -> None:
        self._portal, self._object, self._calls = portal, object, 0

    def count(self, filters: list[Filter]) -> int:
        return int(self._search(filters)["total"])

    def outermost(self, name: str, filters: list[Filter], *, last: bool) -> datetime | None:
        """The earliest or latest value of a date, in UTC."""
        sort = {"propertyName": name, "direction": "DESCENDING" if last else "ASCENDING"}
        there = {"propertyName": name, "operator": "HAS_PROPERTY"}
        rows = self._search([*filters, there], properties=[name], sorts=[sort])["results"]
        return instant(str(rows[0]["properties"][name])) if rows else None

    def _search(self, filters: list[Filter], **more: Any) -> Any:
        self._calls += 1
        if self._calls > CALLS:
            raise NotAnswered(self._portal.system, f"it would take more than {CALLS} searches")
        if len(filters) > FILTERS:
            raise NotAnswered(self._portal.system, f"it takes at most {FILTERS} conditions at a time")
        body: dict[str, Any] = {"limit": 1, "properties": ["hs_object_id"], **more}
        if filters:
            body["filterGroups"] = [{"filters": filters}]
        return self._portal.ask(self._portal.paths.objects(self._object, "/search"), body).json()


def _is(name: str, value: str) -> Filter:
    return {"propertyName": name, "operator": "EQ", "value": value}


def _wire(field: Field, value: str) -> str:
    """Dates and instants are compared as milliseconds; the rest as it is written."""
    if field.kind is Kind.DATE:
        return _millis(datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC))
    if field.kind is Kind.TIMESTAMP and (at := instant(value)) is not None:
        return _millis(at)
    return value


def _millis(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))
