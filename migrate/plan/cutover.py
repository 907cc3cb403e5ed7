"""What does a plan say of the cutover and of the way back? Cohorts, freeze, gate, people, hooks, window.

None of it decides what is loaded, so only `window` counts in the plan's digest: who agrees on a trigger after
the load needn't transform again. All of it counts in `Plan.agreed`, which is what people sign.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import core_schema

from migrate.plan.reverse import ReversePlan
from migrate.plan.shape import Shape
from migrate.plan.terms import parse_span

THRESHOLD = re.compile(r"^\s*(>=|<=|>|<)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)\s*$")
Variable = Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")]
Name = Annotated[str, Field(min_length=1, max_length=64)]


def _span(words: str) -> str:
    parse_span(words)
    return words


def _day(words: Any) -> str:
    try:
        return date.fromisoformat(str(words)).isoformat()
    except ValueError as error:
        raise ValueError(f"`{words}` is no day.", "Write it as `2026-12-24`.") from error


Span = Annotated[str, BeforeValidator(_span), Field(json_schema_extra={"pattern": r"^\s*\d+\s+[a-z]+\s*$"})]
Day = Annotated[str, BeforeValidator(_day), Field(json_schema_extra={"format": "date"})]


class ModeOnly:
    """Tells the JSON Schema that the mode alone is a short form."""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["journal", "live"]}, handler(schema)]}


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


class CohortPlan(Shape):
    """Records that switch together. `where` is what `rollback --cohort` takes: `Account: Region = 'EMEA'`;
    without it the cohort is everything that no cohort before it has."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    where: str | None = None


class FreezePlan(Shape):
    """What takes no changes while the cohort is frozen, and for how long that is watched."""

    levels: dict[str, Literal["data", "bulk", "configuration"]] = {}  # by source object; default: data
    still: Span = "10 minutes"
    allow: list[str] = []  # users and apps of the source whose writes break no freeze: id, name or e-mail
    switch_off: list[str] = []  # automations of the source, by name or id, that a freeze switches off


class IntakePlan(Shape):
    """A door through which records come in, and what happens at it during the freeze.

    `drain`: it goes on into the source, and the last delta brings it. `buffer`: it leads to our receiver
    (`migrate cutover intake serve`), whose posts are loaded once it is known where the records are at home.
    """

    name: Name
    object: str  # of the source, an entry of the plan
    door: Literal["form", "mail", "portal", "api"]
    during: Literal["drain", "buffer"] = "drain"
    by: list[str] = []  # who writes through it into the source, as in `allow`; none: whoever makes a record
    fields: dict[str, str] = {}  # field of the source object by the name that is posted, where they differ
    key: str | None = None  # a unique field of the source that takes the id of a post that is made there
    id: str | None = None  # the posted name that tells one post from the next; none: what is posted, and when
    most: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000  # posts that wait at once, before it says no
    thanks: Annotated[str, Field(pattern=r"^https?://")] | None = None  # where a browser is sent afterwards


class GatePlan(Shape):
    """Bounds of the gate: how old a rehearsal, a validation and the gate's own answer may be, and the part of
    the quota that stays."""

    rehearsal: Span = "14 days"
    validation: Span = "12 hours"
    fresh: Span = "30 minutes"  # of the gate's last answer, when the switch begins
    quota: Annotated[float, Field(ge=0, le=1)] = 0.2


class BlackoutPlan(Shape):
    """Days on which nobody switches, both included."""

    from_: Annotated[Day, Field(alias="from")]
    to: Day
    why: Annotated[str, Field(min_length=1)]


class CutoverCalendar(Shape):
    """Days that bound the switch, in the calendar's zone."""

    blackout: list[BlackoutPlan] = []
    contract_ends: Day | None = None  # of the old system
    api_ends: Day | None = None


class SignerPlan(Shape):
    """Who has to approve, and how: by a one-time link, an Ed25519 key, or a passkey."""

    name: Name
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    role: str = "sponsor"
    by: Literal["link", "key", "passkey"] = "link"
    key: str | None = None  # the public one

    @model_validator(mode="after")
    def _has_key(self) -> SignerPlan:
        if self.by == "key" and not self.key:
            raise ValueError(
                f"`{self.name}` signs with a key, and none stands there.",
                "Add `key: <the public Ed25519 key>`.",
            )
        return self


class ActPlan(Shape):
    """A command (its words, no shell) or a webhook (the variable that holds the address)."""

    command: Annotated[list[str], Field(min_length=1)] | None = None
    webhook: Variable | None = None

    @model_validator(mode="after")
    def _one(self) -> ActPlan:
        if (self.command is None) == (self.webhook is None):
            raise ValueError("An act is exactly one of `command` and `webhook`.", "Name one of them.")
        return self


class HookPlan(Shape):
    """A step of the switch. `check` says whether it is done, `undo` takes it back."""

    name: Name
    do: ActPlan
    undo: ActPlan
    check: ActPlan | None = None
    timeout: Span = "30 seconds"
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    secret: Variable | None = None  # signs what webhooks get


class InvariantPlan(Shape):
    """What has to happen so often: a record of `object` so that `where`, in each span `every`."""

    name: Name
    object: str
    where: str | None = None
    every: Span


class WatchPlan(Shape):
    """What alerts, and who is told."""

    invariants: list[InvariantPlan] = []
    webhook: Variable | None = None
    secret: Variable | None = None


class PersonPlan(Shape):
    """Who may use the console, as what, and in which zone times are shown."""

    name: Name
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    role: Literal["viewer", "approver", "operator"] = "viewer"
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"There is no time zone `{zone}`.", "Write `Europe/Berlin` or the like."
            ) from error
        return zone


def _mode(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else value


class CutoverPlan(Shape):
    """The cutover: who switches when, what is frozen, who decides, and how long the way back stays open."""

    window: str = "10 working days"
    triggers: list[TriggerPlan] = []
    notify: NotifyPlan | None = None
    sponsors: list[str] = []
    profile: Literal["full", "small"] = "full"
    cohorts: list[CohortPlan] = []  # none: one cohort `all`
    lag: Span = "5 minutes"
    freeze: FreezePlan = FreezePlan()
    intake: list[IntakePlan] = []
    gate: GatePlan = GatePlan()
    calendar: CutoverCalendar = CutoverCalendar()
    sign: list[SignerPlan] = []
    hooks: list[HookPlan] = []
    reverse: Annotated[ReversePlan, BeforeValidator(_mode), ModeOnly()] = ReversePlan()
    watch: WatchPlan = WatchPlan()
    people: list[PersonPlan] = []
    messages: str | None = None  # folder of edited templates, beside the plan

    @field_validator("cohorts")
    @classmethod
    def _told_apart(cls, cohorts: list[CohortPlan]) -> list[CohortPlan]:
        names = [each.name for each in cohorts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"The cohort `{twice[0]}` stands twice.", "Give each a name of its own.")
        if any(each.where is None for each in cohorts[:-1]):
            raise ValueError(
                "Only the last cohort may lack a `where`: it is everything left.", "Give the others one."
            )
        return cohorts

    @field_validator("hooks", "intake")
    @classmethod
    def _named_once(cls, found: list[Any]) -> list[Any]:
        names = [each.name for each in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"`{twice[0]}` stands twice.", "Give each a name of its own.")
        return found
