"""What does a plan say of validation? What is summed, tolerated, asked for, and of whom the decision is.

Nothing here decides what is written, so none of it counts in the plan's digest: who grants a tolerance
needn't transform again. It stands in the evidence instead, whole.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from migrate.plan.figures import HighValuePlan, MoneyPlan, QuestionPlan, once
from migrate.plan.shape import Shape

PERCENT = "%"


class SumPlan(Shape):
    """A money sum that must agree, per group. Fields are the target's."""

    object: str
    field: str
    by: list[str] = []


def parse_bound(words: int | float | str) -> tuple[Decimal, bool]:
    """An amount, and whether it is relative (`0.5%` is 0.005 of the whole).

    Raises:
        ValueError: it is none.
    """
    said = str(words).strip()
    try:
        number = Decimal(said.removesuffix(PERCENT))
    except InvalidOperation:
        raise ValueError(f"`{said}` is neither a number nor a share such as `0.5%`") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"`{said}` is below zero or no number")
    return (number / 100, True) if said.endswith(PERCENT) else (number, False)


class TolerancePlan(Shape):
    """Differences that are small enough. They stay in the report, amber, with this reason.

    `object`: an entry of the plan; `field`: of the target. `at_most`: that many differences, or a share of
    what was compared. `within`: of numbers, how far apart a pair (or a sum) may be, absolute or a share of
    the expected one; `at_most` then bounds how many such pairs there may be. Opt-outs are never tolerated.
    """

    check: str
    object: str | None = None
    field: str | None = None
    at_most: int | float | str | None = None
    within: int | float | str | None = None
    reason: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]

    @field_validator("at_most", "within")
    @classmethod
    def _bound(cls, words: int | float | str | None) -> int | float | str | None:
        if words is not None:
            parse_bound(words)
        return words

    @model_validator(mode="after")
    def _whole(self) -> TolerancePlan:
        if self.at_most is None and self.within is None:
            raise ValueError("It tolerates nothing.", "Give it `at_most: <n or share>`, `within:`, or both.")
        if self.check == "consent":
            raise ValueError(
                "An opt-out that is missing is never tolerated.", "Remove it, and load what is missing."
            )
        return self


class DecisionPlan(Shape):
    """What is asked of whom. `by`: the instant by which it is needed, ISO-8601 with its zone."""

    asked_of: list[str] = []
    by: str | None = None

    @field_validator("by")
    @classmethod
    def _instant(cls, words: str | None) -> str | None:
        if words is not None and datetime.fromisoformat(words).tzinfo is None:
            raise ValueError(f"`{words}` has no zone.", "Write it as `2026-03-15T05:00:00Z`.")
        return words


class NoticePlan(Shape):
    """Something that users will notice and somebody has accepted. `what`: its id, as the report says."""

    what: str
    by: Annotated[str, Field(min_length=1)]
    reason: str = ""
    at_most: int | None = None  # of it; more turns it red


class DuplicatesPlan(Shape):
    """How likely duplicates are looked for among the records of an entry's target object.

    `on`: fields of the target that the entry fills; none: its names, e-mail addresses, phones and domains.
    `threshold`: the least score of a pair, of 100. `ignore_gmail_dots`: dots and `+tags` in Gmail addresses
    make no difference.
    """

    entry: str
    on: list[str] = []
    threshold: Annotated[float, Field(gt=0, le=100)] = 92
    ignore_gmail_dots: bool = False


class ValidatePlan(Shape):
    """What validation compares beyond its built-in checks, and what counts as small."""

    sums: list[SumPlan] = []
    checks: list[str] = []  # SQL files beside the plan; each returns the offending rows
    tolerances: list[TolerancePlan] = []
    duplicates: list[DuplicatesPlan] = []
    groups: dict[str, list[str]] = {}  # by entry: target fields by whose values its records are counted
    decision: DecisionPlan = DecisionPlan()
    notices: list[NoticePlan] = []
    money: MoneyPlan = MoneyPlan()
    high_value: HighValuePlan = HighValuePlan()
    questions: Annotated[list[QuestionPlan], AfterValidator(once)] = []
