"""How do changes get from the new system back into the old one? The plan's words for the way back.

Nothing here decides what is loaded, so it doesn't count in the plan's digest: a rule that is agreed on after
the load needn't transform again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from migrate.plan.shape import Shape


class ReverseRule(Shape):
    """What becomes of a field's later changes where its way in has no plain way back.

    `sql`: an expression over the new object's fields gives the old field's value; where several old fields
    were made into one, an expression for each. `keep: source`: the old value stays, and changes are listed.
    `lossy: accepted`: what can be told apart is brought back, the rest is listed.
    """

    sql: str | Annotated[dict[str, str], Field(min_length=1)] | None = None
    keep: Literal["source"] | None = None
    lossy: Literal["accepted"] | None = None

    @model_validator(mode="after")
    def _one(self) -> ReverseRule:
        if sum(each is not None for each in (self.sql, self.keep, self.lossy)) != 1:
            raise ValueError(
                "The rule needs exactly one of `sql`, `keep` and `lossy`.",
                "Write `{sql: …}`, `{keep: source}` or `{lossy: accepted}`.",
            )
        return self

    @property
    def words(self) -> str:
        """As the plan has it."""
        if self.sql is not None:
            return f"sql: {self.sql}"
        return "keep: source" if self.keep else "lossy: accepted"


class ReversePlan(Shape):
    """`journal`: changes are kept for `cutover back`; `live`: those of the objects in `live` go at once.

    `rules`: by `object.field` of the new system; `object.links.<n>` for the entry's n-th link.
    """

    mode: Literal["journal", "live"] = "journal"
    live: list[str] = Field(default_factory=list)  # objects of the new system; none: all of them
    rules: dict[str, ReverseRule] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _live(self) -> ReversePlan:
        if self.live and self.mode != "live":
            raise ValueError("`live` goes with `mode: live`.", "Write `mode: live`, or remove `live`.")
        return self
