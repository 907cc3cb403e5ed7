"""Where do the opt-outs of a source object go? The plan's words for consent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from migrate.plan.shape import Shape, text, when


class SubscriptionMap(Shape):
    """A subscription type taken from a source field through a map. `all`: what has no home is everything."""

    from_: Annotated[str, Field(alias="from")]
    picklist: str
    unmapped: Literal["reject", "all"] = "reject"

    model_config = ConfigDict(populate_by_name=True)


def _subscription(value: Any) -> str:
    return "map" if isinstance(value, (dict, SubscriptionMap)) else "text"


_HOMES = ("address", "field", "leave")
_BY_ADDRESS = ("legal_basis", "explanation", "at")  # and `subscription`


class ConsentPlan(Shape):
    """People of a source object who said no, and where that goes.

    `opted_out`, `address`, `explanation` and `at` are expressions over the source's fields. Exactly one home:
    `address` (kept by address in the target, from `subscription`), `field` (a field of the record itself), or
    `leave` (not moved; says why).
    """

    source: str
    opted_out: str
    channel: Annotated[str, Field(pattern=r"^[A-Z_]{1,32}$")] = "EMAIL"
    address: str | None = None
    subscription: Annotated[
        Annotated[str, Tag("text")] | Annotated[SubscriptionMap, Tag("map")], Discriminator(_subscription)
    ] = "all"
    legal_basis: str | None = None
    explanation: str | None = None
    at: str | None = None
    field: str | None = None
    leave: Annotated[str | None, Field(min_length=1)] = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [text(name) for name in _HOMES],
            "allOf": [
                when(
                    {"anyOf": [{"required": ["subscription"]}, *(text(name) for name in _BY_ADDRESS)]},
                    text("address"),
                )
            ],
        }
    )

    @model_validator(mode="after")
    def _one_home(self) -> ConsentPlan:
        homes = [name for name in _HOMES if getattr(self, name) is not None]
        if len(homes) != 1:
            raise ValueError(
                "These opt-outs need exactly one home: `address`, `field` or `leave`.",
                "Name one of them; an `address` is opted out of everything, or of its `subscription`.",
            )
        if self.address is None:
            odd = [name for name in _BY_ADDRESS if getattr(self, name) is not None]
            odd += ["subscription"] if "subscription" in self.model_fields_set else []
            if odd:
                raise ValueError(
                    f"`{odd[0]}` goes with `address`.", f"Remove `{odd[0]}`, or give the address."
                )
        return self
