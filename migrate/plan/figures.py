"""What does a plan say of figures that people know? First of all the money.

Expressions are of one side each, over its own fields, for the old figure is to be what the old system says.
"""

from __future__ import annotations

from migrate.plan.shape import Shape


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
