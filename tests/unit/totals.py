"""What a fake system counts and sums of its own rows, as a vendor's aggregate query would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from migrate.connector import Answer, NotAnswered, Question, Total, Where

ROUTE = "its own count"
Row = Mapping[str, Any]


def answered(rows: Iterable[Row], question: Question, refuses: str = "") -> Answer:
    """The groups of the rows for which all of `where` holds.

    Args:
        refuses: why it answers nothing; "": it answers.
    """
    if refuses:
        raise NotAnswered("it", refuses)
    groups: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        if all(_meets(_wire(row.get(one.field)), one) for one in question.where):
            values = [_wire(row.get(one.field)) for one in question.by]
            key = tuple(
                value[:7] if value is not None and one.month else value
                for one, value in zip(question.by, values, strict=True)
            )
            groups.setdefault(key, []).append(row)
    return Answer(
        tuple(Total(key, len(held), _sum(held, question.sum)) for key, held in groups.items()), ROUTE
    )


def _wire(value: Any) -> str | None:
    """Instants in one form of text, so that they compare as they stand."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return None if value is None else str(value)


def _meets(value: str | None, where: Where) -> bool:
    if where.operator in ("filled", "empty"):
        return (value is not None) == (where.operator == "filled")
    if value is None:
        return False
    if where.operator == "in":
        return value in where.values
    (other,) = where.values
    return {"=": value == other, "<": value < other, ">=": value >= other}[where.operator]


def _sum(rows: Iterable[Row], name: str | None) -> Decimal | None:
    values = [Decimal(str(row[name])) for row in rows if name and row.get(name) is not None]
    return sum(values, Decimal(0)) if values else None
