"""What has `check` proved of a plan, for the stages that carry it out?

Plain results: nothing here is written as the plan spells it, all is resolved against the catalogs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from migrate.catalog import Catalog, Field, ObjectSchema, Owner
from migrate.connector import NewLabel, NewOption
from migrate.errors import PlanMistake
from migrate.plan import ConsentPlan, Expression, FieldPlan, LinkPlan, ObjectPlan, Plan
from migrate.plan.maps import OwnerMap
from migrate.plan.models import ActivityPlan
from migrate.stages.related import CheckedRelated

# How often each distinct value of (entry or junction, expression as written) was extracted, nulls and rows
# that `where` hides left out.
PicklistCounts = Mapping[tuple[str, str], Mapping[str, int]]

# Records by (value, value of the field that it must fit, or None), both before any map, for each
# (entry, target field) whose options depend on another field.
Combinations = Mapping[tuple[str, str], Mapping[tuple[str, str | None], int]]


@dataclass(frozen=True)
class Unmapped:
    """A source value without a home, and what becomes of its records: reject, default or add.

    `field`: the target field, or `links.<index>` for a link's label. `count`: records; None where
    nothing was counted yet.
    """

    object: str
    field: str
    value: str
    count: int | None
    rule: str


@dataclass(frozen=True)
class Collision:
    """A target field whose values must be unique, and the source records that would share one.

    `groups`: values that several records have; `records`: how many records these are.
    """

    object: str
    field: str
    groups: int
    records: int


@dataclass(frozen=True)
class CheckedOwners:
    """An owner map, resolved. `home`: active target owner by source id.

    `inactive`: who takes the records of owners without a home; `nobody`: those that have no owner.
    """

    home: Mapping[str, Owner]
    inactive: Owner | None
    nobody: Owner | None
    written: OwnerMap


@dataclass(frozen=True)
class CheckedField:
    """One target field. `type`: DuckDB's result type of the expression, before any map.

    `home`: target option's value (None: empty on purpose) by source value, where a picklist map is
    named; `default` is resolved too. `function`: of `python:`. `wins`: a rule's name or an expression.
    """

    plan: FieldPlan
    expression: Expression
    target: Field
    type: str
    home: Mapping[str, str | None] | None = None
    default: str | None = None
    owners: CheckedOwners | None = None
    function: Callable[[Any], Any] | None = None
    wins: str | Expression | None = None


@dataclass(frozen=True)
class CheckedLink:
    """One entry under `links`. `through`: the junction's schema, None for a plain reference.

    `left`, `right`: the fields that hold the two ends (`left` None: the record itself). `label`: the
    fixed label, or None where `labels` maps `label_from`. `entries`: of the plan, that the far end may be of.
    """

    plan: LinkPlan
    index: int
    through: ObjectSchema | None
    left: Field | None
    right: Field
    entries: tuple[str, ...]
    label: str | None = None
    label_from: Expression | None = None
    labels: Mapping[str, str | None] | None = None
    default: str | None = None
    where: Expression | None = None


@dataclass(frozen=True)
class CheckedActivity:
    """When an activity happened. `until`: from when on the target itself brings its like."""

    plan: ActivityPlan
    at: Expression
    open: Expression | None
    until: datetime | None


@dataclass(frozen=True)
class CheckedObject:
    """One object's way, with everything resolved. `source` has the further fields out of `related`, too."""

    plan: ObjectPlan
    source: ObjectSchema
    target: ObjectSchema
    fields: Mapping[str, CheckedField]
    links: tuple[CheckedLink, ...] = ()
    where: Expression | None = None
    dedupe: tuple[Expression, ...] = ()
    related: tuple[CheckedRelated, ...] = ()
    activity: CheckedActivity | None = None


# Records that say no in a field of the source that the catalog marks, by (source object, field).
ConsentCounts = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class CheckedConsent:
    """One entry under `consent`, resolved.

    `subscription`: a type's id or `*`, or None where `subscriptions` maps `subscription_from` (ids by source
    value, as written where the target tells no types). Expressions are over the fields of `schema`.
    """

    plan: ConsentPlan
    index: int
    schema: ObjectSchema
    opted_out: Expression
    address: Expression | None = None
    many: bool = False  # the address is a list of them
    subscription: str | None = None
    subscription_from: Expression | None = None
    subscriptions: Mapping[str, str] | None = None
    explanation: Expression | None = None
    at: Expression | None = None


@dataclass(frozen=True)
class Checked:
    """A plan that is sound against two catalogs.

    `target`: as it will be after `prepare`. `added`: picklist values, and `labels`: link labels, that
    the plan uses and the target lacks. `warnings`: not wrong, but the author should know.
    """

    plan: Plan
    source: Catalog
    target: Catalog
    objects: Mapping[str, CheckedObject]
    warnings: tuple[PlanMistake, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    collisions: tuple[Collision, ...] = ()
    added: tuple[NewOption, ...] = ()
    labels: tuple[NewLabel, ...] = ()
    consent: tuple[CheckedConsent, ...] = ()


@dataclass
class Findings:
    """Everything found so far; filled while the plan is walked."""

    mistakes: list[PlanMistake] = field(default_factory=list)
    warnings: list[PlanMistake] = field(default_factory=list)
    unmapped: list[Unmapped] = field(default_factory=list)
    added: dict[NewOption, None] = field(default_factory=dict)
    labels: dict[NewLabel, None] = field(default_factory=dict)
