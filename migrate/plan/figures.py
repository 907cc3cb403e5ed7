"""What does a plan say of figures that people know? The money, and the accounts that are looked at whole.

Expressions are of one side each, over its own fields, for the old figure is to be what the old system says.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from migrate.plan.shape import Shape

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
