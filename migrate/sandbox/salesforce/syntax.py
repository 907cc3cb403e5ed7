"""What is a query made of, once it has been read?

Plain values, as the parser leaves them; names are not resolved yet.
"""

from dataclasses import dataclass
from decimal import Decimal

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
DATE_PARTS = frozenset(
    {"CALENDAR_YEAR", "CALENDAR_MONTH", "CALENDAR_QUARTER", "DAY_ONLY", "DAY_IN_MONTH", "HOUR_IN_DAY"}
)


@dataclass(frozen=True)
class Path:
    """`Account.Owner.Name`: names from the row upwards to a field."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Call:
    """A function over a path, or over nothing (`COUNT()`)."""

    name: str
    path: Path | None


@dataclass(frozen=True)
class Fields:
    """`FIELDS(ALL|STANDARD|CUSTOM)`."""

    which: str


@dataclass(frozen=True)
class TypeOf:
    """`TYPEOF What WHEN Account THEN Name ELSE Id END`."""

    relation: str
    branches: tuple[tuple[str, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...]


@dataclass(frozen=True)
class Literal:
    """A value and its kind: string, number, boolean, null, date, instant, word (a date literal)."""

    kind: str
    value: str | Decimal | bool | None


@dataclass(frozen=True)
class Compare:
    """`left op right`, with `right` one literal, many, or a semi-join."""

    left: Path | Call
    op: str
    right: "Literal | tuple[Literal, ...] | Select"


@dataclass(frozen=True)
class Junction:
    """`and` or `or` over several, `not` over one."""

    op: str
    parts: "tuple[Compare | Junction, ...]"


Condition = Compare | Junction


@dataclass(frozen=True)
class Item:
    """One entry of the field list, with its alias."""

    what: "Path | Call | Fields | TypeOf | Select"
    alias: str | None = None


@dataclass(frozen=True)
class Order:
    """One key of `ORDER BY`."""

    what: Path | Call
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Select:
    """One query."""

    items: tuple[Item, ...]
    object: str
    alias: str | None = None
    where: Condition | None = None
    group: tuple[Path | Call, ...] = ()
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
    all_rows: bool = False

    @property
    def aggregate(self) -> bool:
        return bool(self.group) or any(
            isinstance(item.what, Call) and item.what.name in AGGREGATES for item in self.items
        )

    @property
    def bare_count(self) -> bool:
        """`SELECT COUNT() FROM …`, which answers with a total and no rows."""
        return len(self.items) == 1 and self.items[0].what == Call("COUNT", None)


def without(path: Path, alias: str | None, object: str) -> Path:
    """The path without the query's own alias in front."""
    first = path.parts[0].lower()
    if len(path.parts) > 1 and first in ((alias or "").lower(), object.lower()):
        return Path(path.parts[1:])
    return path
