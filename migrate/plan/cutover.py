"""What does a plan say of the way back? How long it stays open, when to take it, and who is told.

None of it decides what is written to a system, so only `window` counts in the plan's digest: who agrees on a
trigger after the load needn't transform again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, field_validator

from migrate.plan.shape import Shape

THRESHOLD = re.compile(r"^\s*(>=|<=|>|<)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)\s*$")
Variable = Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")]


class TriggerPlan(Shape):
    """An agreed reason to go back, or to mend forward: a figure, when it has gone too far, and who decides.

    `what`: the id of a check (the number of its differences), `<check id>:<figure>`, or `status:<figure>`.
    """

    what: Annotated[str, Field(min_length=1)]
    threshold: Annotated[str, Field(json_schema_extra={"pattern": THRESHOLD.pattern})]
    owner: Annotated[str, Field(min_length=1)]
    says: str = ""  # the figure in the business's own words

    @field_validator("threshold")
    @classmethod
    def _bound(cls, words: str) -> str:
        if not THRESHOLD.match(words):
            raise ValueError(f"`{words}` is no threshold.", "Write when it is reached: `> 50`, `<= 0.5`.")
        return words

    def reached(self, value: Decimal) -> bool:
        """Whether the figure has come to where somebody must decide."""
        found = THRESHOLD.match(self.threshold)
        if found is None:  # the validator lets none in
            raise ValueError(self.threshold)
        sign, bound = found[1], Decimal(found[2])
        return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[sign]


class NotifyPlan(Shape):
    """Whom a warning about the window is sent to. Both are names of environment variables: an address of this
    kind lets anybody who knows it speak."""

    webhook: Variable
    secret: Variable | None = None  # signs what is sent


class CutoverPlan(Shape):
    """Room for the cutover; `window` bounds rollback already."""

    window: str = "10 working days"
    triggers: list[TriggerPlan] = []
    notify: NotifyPlan | None = None
    sponsors: list[str] = []
    freeze: dict[str, Any] = {}
    gate: dict[str, Any] = {}
