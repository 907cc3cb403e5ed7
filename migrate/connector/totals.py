"""What does the vendor itself say it holds? Counts and sums by group, worked out at the vendor.

A second route to a figure: no record is read, so that a mistake of our own reading can't hide in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable

from migrate.errors import MigrateError

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "empty", "filled"]
OTHER = "(other)"  # a group of values that the system no longer lists


@dataclass(frozen=True)
class Where:
    """A condition on a field. `values`: wire values; one to compare with, some for `in`, else none."""

    field: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class By:
    """What records are grouped by: a field's value, or the month (`2026-03`, UTC) of a date or an instant."""

    field: str
    month: bool = False


@dataclass(frozen=True)
class Question:
    """Live records of an object for which all of `where` holds, counted, and a field summed, by group."""

    object: str
    by: tuple[By, ...] = ()
    sum: str | None = None
    where: tuple[Where, ...] = ()


@dataclass(frozen=True)
class Total:
    """A group. `values`: wire values, or months, in the order of `by`; None where the field is empty.

    `sum`: of the question's field, as exact as the vendor tells it; None where nothing was asked or filled.
    """

    values: tuple[str | None, ...]
    count: int
    sum: Decimal | None = None


class NotAnswered(MigrateError):
    """The vendor has no such figure, or none that could be compared; `why` says what is in the way."""

    exit_code = 3

    def __init__(self, system: str, why: str) -> None:
        self.system, self.why = system, why
        super().__init__(system, why)

    def __str__(self) -> str:
        return f"`{self.system}` doesn't answer this itself: {self.why}"


@dataclass(frozen=True)
class Answer:
    """Groups that aren't empty, in no certain order. `route`: how the vendor was asked."""

    totals: tuple[Total, ...]
    route: str


@runtime_checkable
class AnswersTotals(Protocol):
    """A system that counts, and perhaps sums, without giving the records."""

    def totals(self, question: Question) -> Answer:
        """The vendor's own answer.

        Raises:
            NotAnswered: it has none, which is neither right nor wrong.
            UsageError: there is no such object or field.
        """
        ...
