"""What does a plan say of figures that people know? The money, the accounts looked at whole, and questions.

Expressions are of one side each, over its own fields, for the old figure is to be what the old system says.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from migrate.plan.shape import Shape

MONTH = re.compile(r"month\(\s*([A-Za-z][A-Za-z0-9_]*)\s*\)")
Count = Annotated[int, Field(ge=0, le=10_000)]


class MoneySide(Shape):
    """How one system says what a sale is worth and where it stands: expressions over its fields.

    `closed`: a date or an instant; `probability`: from 0 to 1; `open`, `won`, `lost`: conditions.
    """

    amount: str | None = None
    currency: str | None = None
    name: str | None = None
    closed: str | None = None
    probability: str | None = None
    open: str | None = None
    won: str | None = None
    lost: str | None = None


class MoneyPlan(Shape):
    """Which entry is the money, and how each system tells of it. The catalogs say what this doesn't."""

    entry: str | None = None
    source: MoneySide = MoneySide()
    target: MoneySide = MoneySide()


class HighValuePlan(Shape):
    """Which accounts are looked at whole: the `top` by value, those of a `list`, and a `sample` at random.

    `by`: `pipeline` (open amounts of their sales) or an expression over the entry's source fields. `list`:
    a CSV beside the plan with a column `id` of source ids. `where`: who may be among them. `strata`: source
    fields whose every value is to be in the sample; `seed`: the same seed draws the same accounts.
    """

    entry: str | None = None
    top: Count = 20
    by: str | None = None
    list_: Annotated[str | None, Field(alias="list")] = None
    where: str | None = None
    sample: Count = 20
    strata: list[str] = []
    seed: int = 1


class VendorWhere(Shape):
    """A condition of a vendor's own figure. No `values`: the field is empty; `filled` asks the contrary."""

    field: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "filled"] = "="
    values: Annotated[list[str], Field(max_length=100)] = []


class VendorFigure(Shape):
    """What a vendor is asked for: live records of an object by group, counted, and a field summed.

    `by`: fields, or `month(<field>)`.
    """

    object: str
    by: list[str] = []
    sum: str | None = None
    where: list[VendorWhere] = []

    @field_validator("by")
    @classmethod
    def _groups(cls, by: list[str]) -> list[str]:
        for each in by:
            if "(" in each and not MONTH.fullmatch(each):
                raise ValueError(f"`{each}` is no group. Write a field, or `month(<field>)`.")
        return by


class VendorPlan(Shape):
    """A question as each vendor answers it itself."""

    source: VendorFigure | None = None
    target: VendorFigure | None = None


class QuestionPlan(Shape):
    """One figure, asked of both systems. `source`, `target`: one SELECT each, or its file beside the plan.

    `key`: the columns that say which line it is; the others are figures and must agree. A column `records` is
    held against a vendor's own count, `total` against its own sum.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    source: Annotated[str, Field(min_length=1)]
    target: Annotated[str, Field(min_length=1)]
    key: list[str] = []
    vendor: VendorPlan = VendorPlan()


def once(questions: list[QuestionPlan]) -> list[QuestionPlan]:
    """The questions, each with a name of its own.

    Raises:
        ValueError: two have one.
    """
    names = [each.name for each in questions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"`{twice[0]}` stands twice.")
    return questions


def is_file(statement: str) -> bool:
    """Whether a question is the name of a file with it."""
    return statement.strip().endswith(".sql") and not any(sign.isspace() for sign in statement.strip())


def vendor_key(by: str) -> tuple[str, bool]:
    """The field of a vendor's group, and whether it is by month."""
    found = MONTH.fullmatch(by)
    return (found[1], True) if found else (by, False)
