"""Which picklists does a plan have to do with? Those that it fills, and those that its maps read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migrate.catalog import Catalog
from migrate.engine import Engine
from migrate.plan import LabelMap, LinkPlan, ObjectPlan, Plan, SubscriptionMap, parse_expression
from migrate.stages.count import Through, consent_name
from migrate.stages.related import CheckedRelated, Related, extended

Place = tuple[str, str]  # object and field


@dataclass(frozen=True)
class Read:
    """An expression whose values go through a picklist map.

    `rule`: what becomes of a value without a home. `fills`: the target field; None for a link's label and a
    subscription. `index`: the entry whose rows it reads, None for a junction's.
    """

    through: Through
    file: str
    rule: str
    fills: Place | None = None
    index: int | None = None


@dataclass
class Filled:
    """A target field with options.

    `entries`: those that fill it. `homes`: (file, source value, target as written). `reads`: the maps that
    reject what has no home.
    """

    entries: list[str] = field(default_factory=list)
    homes: list[tuple[str, str, str]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


def reads(plan: Plan) -> Iterator[Read]:
    """Everything in the plan that goes through a picklist map."""
    for index, each in enumerate(plan.model.objects):
        for name, one in each.fields.items():
            if one.picklist is not None:
                through = Through(each.name, each.source, each.where, one.origin)
                yield Read(through, one.picklist, one.unmapped, (each.target, name), index)
        yield from (_label(index, each, link, link.label) for link in each.links
                    if isinstance(link.label, LabelMap))  # fmt: skip
    for consent in plan.model.consent:
        kind = consent.subscription
        if isinstance(kind, SubscriptionMap):
            through = Through(consent_name(consent.source), consent.source, None, kind.from_)
            yield Read(through, kind.picklist, kind.unmapped)


def _label(index: int, each: ObjectPlan, link: LinkPlan, label: LabelMap) -> Read:
    if link.through is not None:
        return Read(Through(link.through, link.through, None, label.from_), label.picklist, label.unmapped)
    through = Through(each.name, each.source, each.where, label.from_)
    return Read(through, label.picklist, label.unmapped, None, index)


def filled(plan: Plan, target: Catalog) -> dict[Place, Filled]:
    """The target's picklists that the plan fills, through a map or not.

    Raises:
        PlanError: a map can't be read.
    """
    found: dict[Place, Filled] = {}
    for each in plan.model.objects:
        fields = target.objects[each.target].fields if each.target in target.objects else {}
        for name, one in each.fields.items():
            if name not in fields or not fields[name].options:
                continue
            place = found.setdefault((each.target, name), Filled())
            place.entries.append(each.name)
            if one.picklist is not None:
                rows = plan.picklist(one.picklist).home.items()
                place.homes += [(one.picklist, value, home) for value, home in rows if home is not None]
            if one.unmapped == "default" and one.default is not None:
                place.homes.append(("plan.yaml", "default", one.default))
    for read in reads(plan):
        if read.fills in found and read.rule == "reject":
            found[read.fills].reads.append(read)
    return found


def inputs(plan: Plan, engine: Engine, read: Read, source: Catalog) -> Sequence[tuple[Place, str]]:
    """The source's picklists out of which an expression is made, each with the name that it has there."""
    through, schema = read.through, source.objects.get(read.through.object)
    if schema is None:
        return []
    related: tuple[CheckedRelated, ...] = ()
    if read.index is not None and plan.model.objects[read.index].related:
        each = plan.model.objects[read.index]
        related = Related(plan, source, engine, lambda _mistake: None).of(read.index, each)
    fields = extended(schema, related).fields
    further = {one.name: one for one in related}
    found: list[tuple[Place, str]] = []
    for name in parse_expression(through.text, fields, plan.at("objects")).inputs:
        if name in fields and fields[name].options:
            place = _origin(further[name]) if name in further else (through.object, name)
            if place[0] in source.objects and place[1] in source.objects[place[0]].fields:
                found.append((place, name))
    return found


def _origin(one: CheckedRelated) -> Place:
    """Whence a further field has its options: the first field that its aggregate reads."""
    name = one.take.inputs[0]
    if one.spans is not None and name == "value":
        name = one.spans[0].column or name
    return one.of, name
