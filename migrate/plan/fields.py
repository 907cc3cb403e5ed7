"""Where may a field's value come from? The plan's words for one field of the target."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from migrate.cutting import NOTE
from migrate.plan.shape import UNMAPPED_DEFAULT, Shape, text, when

_EML: dict[str, Any] = {"required": ["eml"], "properties": {"eml": {"type": "object"}}}
# Of fields that lead to other records; `null` is as if the key weren't there.
_REFERENCE: dict[str, Any] = {
    "required": ["reference"],
    "properties": {"reference": {"type": ["string", "array"]}},
}
_GATHERED: dict[str, Any] = {"required": ["gather"], "properties": {"gather": {"type": "object"}}}
_GATHER: dict[str, Any] = {"required": ["gather"], "properties": {"gather": {"type": ["string", "object"]}}}
_LATER: dict[str, Any] = {"required": ["missing"], "properties": {"missing": {"const": "later"}}}


class EmlPlan(Shape):
    """A message made of a record, as a file: expressions by what they become; people are lists or text."""

    from_: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None
    cc: str | None = None
    bcc: str | None = None
    reply_to: str | None = None
    subject: str | None = None
    date: str | None = None
    message_id: str | None = None
    in_reply_to: str | None = None
    references: str | None = None
    headers: str | None = None  # the original's own, as they stand
    text: str | None = None
    html: str | None = None

    model_config = ConfigDict(populate_by_name=True)

    @property
    def parts(self) -> dict[str, str]:
        """The expressions that are there, by name as written."""
        return {name: text for name, text in self.model_dump(by_alias=True).items() if text is not None}


class FieldPlan(Shape):
    """Where a target field's value comes from: an expression, a field (perhaps through a map), or `gather`.

    `reference`: the field holds another record's id in the target; the entry that makes that record, or
    several, where the source's reference may lead to different objects. `gather` turns it round: the list
    of all records of an entry whose own reference leads to this record.
    """

    expression: str | None = None
    from_: Annotated[str | None, Field(alias="from")] = None
    picklist: str | None = None  # CSV map beside the plan
    unmapped: Literal["reject", "default", "add"] = "reject"
    default: str | None = None  # target value for unmapped: default
    owner: str | None = None  # CSV map of owners beside the plan
    inactive: str | None = None  # e-mail of the owner who takes the records of inactive ones
    nobody: str | None = None  # e-mail of the owner who takes the records that have none
    former: str | None = None  # target field that keeps the former owner's name
    reference: str | Annotated[list[str], Field(min_length=1)] | None = None
    gather: str | Annotated[dict[str, str], Field(min_length=1)] | None = None  # their reference, by entry
    missing: Literal["reject", "later"] = "reject"  # the other record isn't there (yet)
    id: str | None = None  # this field of the other record in the target, instead of its id
    python: str | None = None  # module:function, Arrow array in and out
    eml: EmlPlan | None = None  # of a field that holds a file
    rewrite: Literal["links"] | None = None  # old addresses in a text become new ones
    inline: Annotated[dict[str, str], Field(min_length=1)] | None = None  # entries of images, their reference
    oversize: Literal["reject", "cut"] = "reject"  # a text that is longer than the target takes
    cut_note: str = NOTE  # stands where a text was cut
    wins: str | None = None  # survivorship rule or an expression over source.x and target.x

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "oneOf": [text("expression"), text("from"), _EML, _GATHER],
            "not": text("picklist", "owner"),
            "allOf": [
                when(UNMAPPED_DEFAULT, text("default")),
                when({"anyOf": [text("inactive"), text("nobody"), text("former")]}, text("owner")),
                when({"anyOf": [_LATER, text("id")]}, {"anyOf": [_REFERENCE, _GATHER]}),
                when(text("gather"), text("reference")),
                when(_GATHERED, {"not": _REFERENCE}),
                when(
                    text("rewrite"),
                    {"not": {"anyOf": [text("picklist"), text("owner"), _REFERENCE, _GATHER, _EML]}},
                ),
                when({"required": ["inline"], "properties": {"inline": {"type": "object"}}}, text("rewrite")),
                when(
                    {"anyOf": [_REFERENCE, _GATHER]},
                    {"not": {"anyOf": [text("picklist"), text("owner"), text("python")]}},
                ),
            ],
        },
    )

    @model_validator(mode="after")
    def _one_origin(self) -> FieldPlan:
        origins = (self.expression, self.from_, self.eml, self.gather)
        if sum(each is not None for each in origins) != 1:
            raise ValueError(
                "The field needs exactly one of `from`, `expression`, `eml` and `gather`.",
                "Name one of them.",
            )
        if isinstance(self.gather, str) and (self.reference is None or isinstance(self.reference, list)):
            raise ValueError(
                "`gather` needs the entry whose records it gathers.", "Add `reference: <entry>`."
            )
        if isinstance(self.gather, dict) and self.reference is not None:
            raise ValueError("`gather` names its entries itself.", "Remove `reference`.")
        if self.reference is None and self.gather is None:
            if self.missing != "reject" or self.id is not None:
                raise ValueError("`missing` and `id` go with `reference` and `gather`.", "Remove them.")
        elif self.picklist is not None or self.owner is not None or self.python is not None:
            raise ValueError(
                "A reference goes through no map and no function.", "Remove `picklist`, `owner`, `python`."
            )
        others = (self.picklist, self.owner, self.reference, self.gather, self.eml)
        if self.rewrite is not None and any(each is not None for each in others):
            raise ValueError("`rewrite` is for texts.", "Remove it.")
        if self.inline is not None and self.rewrite is None:
            raise ValueError("`inline` goes with `rewrite`.", "Add `rewrite: links`.")
        if self.picklist is not None and self.owner is not None:
            raise ValueError("`picklist` and `owner` exclude each other.", "Remove one of the two.")
        if self.unmapped == "default" and self.default is None:
            raise ValueError("`unmapped: default` needs a `default`.", "Add `default: <target value>`.")
        if self.owner is None and (self.inactive, self.nobody, self.former) != (None, None, None):
            raise ValueError("`inactive`, `nobody` and `former` go with `owner`.", "Add `owner: owners.csv`.")
        return self

    @property
    def origin(self) -> str:
        """The expression over the source's fields, however written; none of what is made or gathered."""
        if self.eml is not None or self.gather is not None:
            return "NULL"
        return self.expression if self.expression is not None else str(self.from_)

    @property
    def entries(self) -> dict[str, str | None]:
        """The entries to whose records the field leads; of what is gathered each with its reference."""
        if isinstance(self.gather, dict):
            return dict(self.gather)
        named = [self.reference] if isinstance(self.reference, str) else self.reference or ()
        return dict.fromkeys(named, self.gather)
