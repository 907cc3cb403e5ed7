"""What does the plan need of the target that isn't there yet? Key fields, kept values, created fields.

`expected` is the target's catalog as it will be after `prepare`, so that a plan can be checked and
rows can be transformed before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.catalog import Catalog, Consent, Field, LinkType, ObjectSchema, Option
from migrate.plan.loading import Plan
from migrate.plan.models import CreatePlan, ObjectPlan, PlanModel
from migrate.types import Kind

KEY_LENGTH = 255
UNLABELLED = "default"


def fields_of(plan: ObjectPlan) -> dict[str, CreatePlan]:
    """Fields that `prepare` makes where they are missing, by name: key, old id, old URL, former, `create`."""
    found: dict[str, CreatePlan] = {plan.key.field: CreatePlan(kind="string", label="Migration key")}
    if plan.key.old_id:
        found[plan.key.old_id] = CreatePlan(kind="string", label=f"Old {plan.source} id")
    if plan.key.old_url:
        found[plan.key.old_url] = CreatePlan(kind="string", label=f"Old {plan.source} URL")
    for field in plan.fields.values():
        if field.former:
            found[field.former] = CreatePlan(kind="string", label="Former owner")
    return {**found, **plan.create}


def written_fields(plan: ObjectPlan) -> list[str]:
    """Every target field that the plan writes, in a fixed order: key first."""
    kept = [plan.key.field, plan.key.old_id, plan.key.old_url]
    former = [field.former for field in plan.fields.values()]
    return list(dict.fromkeys(name for name in [*kept, *plan.fields, *former] if name))


def always_written(plan: ObjectPlan) -> list[str]:
    """Fields that an adoption writes whatever stands there: they say where the record came from."""
    return [name for name in (plan.key.field, plan.key.old_id, plan.key.old_url) if name]


def missing(plan: Plan, target: Catalog) -> Iterator[tuple[str, str, Field]]:
    """(object, name, field as it will be) of each field that `prepare` makes; once a target object."""
    seen: set[tuple[str, str]] = set()
    made = new_objects(plan, target)
    for each in plan.model.objects:
        schema = target.objects.get(each.target) or made.get(each.target)
        if schema is None or schema.key_field is not None:  # it takes no field of ours; `check` tells it
            continue
        for name, wanted in fields_of(each).items():
            if name in schema.fields or (each.target, name) in seen:
                continue
            seen.add((each.target, name))
            yield each.target, name, _field(plan, name, wanted, key=name == each.key.field)


def _field(plan: Plan, name: str, wanted: CreatePlan, *, key: bool) -> Field:
    kind = Kind(wanted.kind)
    values = list(wanted.options)
    if wanted.picklist:
        values = [value for value in plan.picklist(wanted.picklist).home.values() if value]
    options = tuple(Option(value=value, label=value) for value in dict.fromkeys(values))
    decimal = kind in (Kind.DECIMAL, Kind.MONEY)
    return Field(
        name=name,
        label=wanted.label or name,
        kind=kind,
        vendor_type="made by prepare",
        length=wanted.length if kind in (Kind.STRING, Kind.TEXT) else None,
        precision=wanted.precision if decimal else None,
        scale=wanted.scale if decimal else None,
        required=wanted.required,
        unique=key or wanted.unique,
        external_id=key,
        custom=True,
        restricted=bool(options),
        references=(wanted.reference,) if wanted.reference else (),
        detail=wanted.detail or None,
        options=options,
        held=("trim", "empty_is_null") if kind in (Kind.STRING, Kind.TEXT) else (),
    )


def new_objects(plan: Plan, target: Catalog) -> dict[str, ObjectSchema]:
    """Target objects that `prepare` makes, as they are on their first day, by name."""
    born = target.new_objects
    if born is None:
        return {}
    return {
        each.target: ObjectSchema(
            name=each.target,
            label=each.create_object.plural,
            fields=born.fields,
            key_by=born.key_by,
            stamp=born.stamp,
            created=born.created,
            custom=True,
        )
        for each in plan.model.objects
        if each.create_object is not None and each.target not in target.objects
    }


def new_links(plan: Plan, target: Catalog) -> Iterator[LinkType]:
    """Unlabelled links, both ways, of pairs that the plan links and `prepare` joins.

    Only pairs with a custom object are joined, and only in a target that knows links of its own.
    """
    if not target.links:
        return
    custom = {name for name, schema in target.objects.items() if schema.custom} | set(
        new_objects(plan, target)
    )
    there = {(link.left, link.right) for link in target.links}
    for each in plan.model.objects:
        for link in each.links:
            if (each.target, link.to) in there or not {each.target, link.to} & custom:
                continue
            for left, right in dict.fromkeys(((each.target, link.to), (link.to, each.target))):
                there.add((left, right))
                yield LinkType(left=left, right=right, label=UNLABELLED, wire="")


def expected(plan: Plan, target: Catalog) -> Catalog:
    """The target's catalog as it will be after `prepare`."""
    objects = {**target.objects, **new_objects(plan, target)}
    for object, name, field in missing(plan, target):
        schema = objects[object]
        objects[object] = schema.model_copy(update={"fields": {**schema.fields, name: field}})
    links = (*target.links, *new_links(plan, target))
    return marked(plan.model, target.model_copy(update={"objects": objects, "links": links}))


def consent_fields(model: PlanModel) -> dict[tuple[str, str], str]:
    """Target fields in which the plan keeps opt-outs: (target object, field) to channel."""
    return {
        (each.target, consent.field): consent.channel
        for consent in model.consent
        if consent.field is not None
        for each in model.objects
        if each.source == consent.source and consent.field in each.fields
    }


def marked(model: PlanModel, target: Catalog) -> Catalog:
    """The target's catalog with the fields marked in which the plan keeps opt-outs.

    A yes-or-no field says no with `true`; any other with any value. What the vendor's own catalog says stays.
    """
    objects = dict(target.objects)
    for (object, name), channel in consent_fields(model).items():
        schema = objects.get(object)
        field = schema.fields.get(name) if schema else None
        if schema is None or field is None or field.consent is not None:
            continue
        flag = field.kind is Kind.BOOL or {option.value for option in field.options} == {"true", "false"}
        consent = Consent(channel=channel, out=("true",) if flag else ("*",), into=("false",) if flag else ())
        fields = {**schema.fields, name: field.model_copy(update={"consent": consent})}
        objects[object] = schema.model_copy(update={"fields": fields})
    return target.model_copy(update={"objects": objects})
