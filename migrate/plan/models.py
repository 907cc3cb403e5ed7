"""What may a plan say? The pydantic models of `plan.yaml`; the JSON Schema is made from them.

Everything here is shape: whether the fields exist and the expressions are sound is asked by
`check`, which has the catalogs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from migrate.plan.cutover import CutoverPlan
from migrate.plan.fields import FieldPlan
from migrate.plan.keys import TILDE
from migrate.plan.optouts import ConsentPlan
from migrate.plan.shape import UNMAPPED_DEFAULT, Shape, ShortForm, short_form, text, when
from migrate.plan.validation import ValidatePlan


class SystemPlan(BaseModel):
    """A system: its label, its kind, and where its credentials are. More keys go to the connector."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    type: str
    credentials: Annotated[str, Field(pattern=r"^(env|file):.+$")]
    share: Annotated[float, Field(gt=0, le=1)] = 0.8  # of the rate limit; the rest stays with the business
    longest_call: Annotated[float, Field(gt=0)] | None = None  # seconds
    clock: Literal["system", "sandbox"] = "system"


class KeyPlan(Shape):
    """Fields of the target that hold the migration key, and the old id and URL for people."""

    field: str = "migration_key"
    old_id: str | None = None
    old_url: str | None = None


Rule = Literal["source", "target", "newest", "longest", "first_non_null"]


def _label(value: Any) -> str:
    return "map" if isinstance(value, (dict, LabelMap)) else "text"


class DedupePlan(Shape):
    """Source records that are one: expressions whose values make a group, and who survives."""

    on: Annotated[list[str], Field(min_length=1)]
    keep: Literal["newest", "oldest", "fullest", "most_recent_activity"] = "fullest"
    losers: Literal["merge", "reject"] = "merge"


class LabelMap(Shape):
    """A link label taken from a source field through a picklist map."""

    from_: Annotated[str, Field(alias="from")]
    picklist: str
    unmapped: Literal["reject", "default", "add"] = "reject"
    default: str | None = None

    model_config = ConfigDict(
        populate_by_name=True, json_schema_extra={"allOf": [when(UNMAPPED_DEFAULT, text("default"))]}
    )

    @model_validator(mode="after")
    def _has_default(self) -> LabelMap:
        if self.unmapped == "default" and self.default is None:
            raise ValueError("`unmapped: default` needs a `default`.", "Add `default: <label>`.")
        return self


_ENTRY = {"required": ["entry"], "properties": {"entry": {"type": ["string", "array"]}}}


class LinkPlan(Shape):
    """A link from this object's records to another's, via a reference or through a junction object.

    `entry`: which entries of the plan the far end is of, where several go to the target object `to`.
    `missing`: what happens to the record whose parent isn't there: `reject` blocks the record
    itself, `link` loads it and blocks only the link. `on`: the far end is a record that the target holds
    already, whose field of this name has the value of `via` or `right` (an e-mail address).
    """

    to: str
    entry: str | list[str] | None = None
    via: str | None = None
    through: str | None = None
    left: str | None = None
    right: str | None = None
    on: str | None = None
    label: Annotated[Annotated[str, Tag("text")] | Annotated[LabelMap, Tag("map")], Discriminator(_label)] = (
        "default"
    )
    inverse: str | None = None  # how a label that `prepare` makes reads from the other end
    missing: Literal["reject", "link"] = "link"
    where: str | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [text("via"), text("through")],
            "allOf": [
                when(text("through"), text("left", "right")),
                when({"anyOf": [text("left"), text("right")]}, text("through")),
                when(text("on"), {"not": _ENTRY}),
                when(text("inverse"), text("label")),
            ],
        }
    )

    @property
    def entries(self) -> list[str]:
        """The entries that `entry` names; none where it says nothing."""
        return [self.entry] if isinstance(self.entry, str) else list(self.entry or ())

    @model_validator(mode="after")
    def _one_way(self) -> LinkPlan:
        if self.inverse is not None and (not isinstance(self.label, str) or self.label == "default"):
            raise ValueError("`inverse` goes with a `label` of its own.", "Add `label: <text>`.")
        if (self.via is None) == (self.through is None):
            raise ValueError("The link needs exactly one of `via` and `through`.", "Name one of them.")
        if self.through is not None and (self.left is None or self.right is None):
            raise ValueError(
                "`through` needs `left` and `right`.",
                "They are the junction's references to the two objects.",
            )
        if self.on is not None and self.entry is not None:
            raise ValueError("`on` and `entry` exclude each other.", "Remove one of the two.")
        if self.through is None and (self.left is not None or self.right is not None):
            raise ValueError(
                "`left` and `right` go with `through`.", "Remove them, or name the junction object."
            )
        return self


class FilesPlan(Shape):
    """What happens with files: of this entry's own field of a file, or of those attached to its records.

    `attachments`: files that hang on this entry's records are moved, by entries that the two systems'
    catalogs tell how to make. `oversize`: what becomes of a file beyond `max_bytes`: its record is rejected
    or skipped, or a link to the archive (`archive`, with `{sha256}`, `{bytes}`, `{name}`) stands for it.
    `fields`: what each attached file gets in the target, as expressions (its access, for example).
    """

    attachments: bool = False
    max_bytes: str | None = None
    oversize: Literal["reject", "link", "skip"] = "reject"
    archive: str | None = None
    fields: dict[str, str] = {}

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                when(
                    {"required": ["oversize"], "properties": {"oversize": {"const": "link"}}},
                    text("archive", "max_bytes"),
                )
            ]
        }
    )

    @model_validator(mode="after")
    def _has_archive(self) -> FilesPlan:
        if self.oversize == "link" and (self.archive is None or self.max_bytes is None):
            raise ValueError(
                "`oversize: link` needs `archive` and `max_bytes`.",
                "Add `archive: https://archive.example.com/{sha256}/{name}` and `max_bytes: 100MB`.",
            )
        return self


class ActivityPlan(Shape):
    """What tells an activity's time, so that nothing that the target brings by itself is loaded twice.

    `at`: when it happened or is due, an instant. `synced`: the target's own mailbox or calendar brings its
    like, so `mailbox_sync_from` bounds it. `open`: true while it is still to be done. `future`: what happens
    to what is open, or later than the extract.
    """

    at: str
    synced: bool = True
    open: str | None = None
    future: Literal["skip", "load"] = "skip"


class CreatePlan(Shape):
    """A field that the target lacks; `prepare` makes it. Key, old id, old URL and former need no entry."""

    kind: Literal[
        "string", "text", "bool", "int", "decimal", "money", "date", "timestamp", "time", "picklist",
        "multipicklist", "reference",
    ] = "string"  # fmt: skip
    label: str | None = None
    description: str | None = None
    picklist: str | None = None  # a map beside the plan, whose target values become the options
    options: list[str] = []  # or the values themselves
    length: Annotated[int, Field(gt=0)] | None = None  # characters
    precision: Annotated[int, Field(gt=0)] | None = None  # decimal digits in all
    scale: Annotated[int, Field(ge=0)] | None = None  # of them behind the point
    required: bool = False
    unique: bool = False
    reference: str | None = None  # target object that a reference refers to
    detail: bool = False  # its record belongs to that one and goes with it

    @model_validator(mode="after")
    def _whole(self) -> CreatePlan:
        if (self.kind == "reference") != (self.reference is not None):
            raise ValueError(
                "`kind: reference` and `reference` go together.", "Name the target object that it refers to."
            )
        if self.detail and self.reference is None:
            raise ValueError("`detail` goes with `kind: reference`.", "Remove it, or make it a reference.")
        if self.picklist is not None and self.options:
            raise ValueError("`picklist` and `options` exclude each other.", "Remove one of the two.")
        return self


class NewObjectPlan(Shape):
    """A target object that `prepare` makes where it is missing; its fields stand under `create`."""

    label: str  # of one record
    plural: str
    name_field: str  # the target field that names a record for people
    description: str | None = None
    searchable: list[str] = []  # target fields that the target's search looks into, where it lets one choose
    secondary: list[str] = []  # target fields shown beside the name, where it lets one choose


class SpansPlan(Shape):
    """Rows of a history as spans of time: `value` from `at` (`since`) to the next other value (`until`)."""

    value: str  # an expression over the history's fields
    at: str


class RelatedPlan(Shape):
    """A value that comes out of another object's records, as a further field of this one.

    `take` is one aggregate over the records of `of` whose `by` is this record's id (or its `equals`).
    """

    of: str
    by: str
    equals: str | None = None  # an expression over this object's fields, instead of the id
    spans: SpansPlan | None = None
    where: str | None = None
    take: str


class AcceptedPlan(Shape):
    """An automation of the target that may act, by name, and all that it may do; nothing else is.

    `fills`: fields that were empty. `changes`: fields whose value it replaces. `makes`: objects of which it
    makes records. `links`: objects to whose records it links. `mails`: it sends mail. `stamps`: it moves the
    modification stamp and nothing else. `refuses`: codes with which it refuses a record.
    """

    name: Annotated[str, Field(min_length=1)]
    fills: list[str] = []
    changes: list[str] = []
    makes: list[str] = []
    links: list[str] = []
    mails: bool = False
    stamps: bool = False
    refuses: list[str] = []

    @model_validator(mode="after")
    def _does_something(self) -> AcceptedPlan:
        lists = (self.fills, self.changes, self.makes, self.links, self.refuses)
        if not (any(lists) or self.mails or self.stamps):
            raise ValueError(
                "An accepted automation needs what it may do.",
                "Name it under `fills`, `changes`, `makes`, `links`, `mails`, `stamps` or `refuses`.",
            )
        return self


class WaivePlan(Shape):
    """Who decided that an entry is loaded without a canary, and why."""

    by: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]


class EntryAutomationsPlan(Shape):
    """What the target's automations may do to the records of one entry."""

    accept: list[AcceptedPlan] = []
    waive: WaivePlan | None = None  # load this entry without a canary


class AutomationsPlan(Shape):
    """Automations of the target that are off while we write, by name or by the target's own id."""

    switch_off: list[str] = []


class ObjectPlan(Shape):
    """One object's way. The same source may have several entries, told apart by their `part`."""

    source: str
    part: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    target: str
    related: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], RelatedPlan] = {}
    where: str | None = None
    activity: ActivityPlan | None = None
    key: KeyPlan = KeyPlan()
    dedupe: DedupePlan | None = None
    match: list[str] = []
    ambiguous: Literal["reject"] = "reject"
    conflict: Literal["hold", "source", "target"] = "hold"  # a delta meets a record changed in the target
    fields: dict[str, Annotated[FieldPlan, BeforeValidator(short_form), ShortForm()]]
    create_object: NewObjectPlan | None = None
    create: dict[str, CreatePlan] = {}
    links: list[LinkPlan] = []
    insert_only: list[str] = []  # target columns that the vendor takes on insert only
    files: FilesPlan = FilesPlan()
    automations: EntryAutomationsPlan = EntryAutomationsPlan()

    @property
    def name(self) -> str:
        """What the entry is called in stage folders, reports, other entries: `Source` or `Source~part`."""
        return self.source if self.part is None else f"{self.source}{TILDE}{self.part}"


class Calendar(Shape):
    """How the business counts time."""

    fiscal_year_start: Annotated[int, Field(ge=1, le=12)] = 1
    zone: str = "UTC"


class PlanModel(Shape):
    """The whole of plan.yaml."""

    version: Literal[1]
    source: SystemPlan
    target: SystemPlan
    calendar: Calendar = Calendar()
    objects: Annotated[list[ObjectPlan], Field(min_length=1)]
    consent: list[ConsentPlan] = []
    validate_: Annotated[ValidatePlan, Field(alias="validate")] = ValidatePlan()
    cutover: CutoverPlan = CutoverPlan()
    archive: list[str] = []  # source objects that are kept, whole, and go nowhere
    overrides: str | None = None  # CSV beside the plan
    automations: AutomationsPlan = AutomationsPlan()
    mailbox_sync_from: str | None = None  # a day (in the calendar's zone) or an instant

    model_config = ConfigDict(populate_by_name=True)

    @field_validator("objects")
    @classmethod
    def _once(cls, objects: list[ObjectPlan]) -> list[ObjectPlan]:
        names = [each.name for each in objects]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"`{twice[0]}` stands twice.",
                "Make one entry of the two, or give one a `part: <name>`: it makes records of its own.",
            )
        return objects
