"""What does the plan need of the target that isn't there yet? Key fields, kept values, created fields.

`expected` is the target's catalog as it will be after `prepare`, so that a plan can be checked and
rows can be transformed before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.catalog import Catalog, Field, Option
from migrate.plan.loading import Plan
from migrate.plan.models import CreatePlan, ObjectPlan
from migrate.types import Kind

KEY_LENGTH = 255


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
    for each in plan.model.objects:
        schema = target.objects.get(each.target)
        if schema is None:
            continue
        for name, wanted in fields_of(each).items():
            if name in schema.fields or (each.target, name) in seen:
                continue
            seen.add((each.target, name))
            unique = name == each.key.field
            options: tuple[Option, ...] = ()
            if wanted.picklist:
                values = dict.fromkeys(v for v in plan.picklist(wanted.picklist).home.values() if v)
                options = tuple(Option(value=value, label=value) for value in values)
            yield (
                each.target,
                name,
                Field(
                    name=name,
                    label=wanted.label or name,
                    kind=Kind(wanted.kind),
                    vendor_type="made by prepare",
                    unique=unique,
                    external_id=unique,
                    custom=True,
                    restricted=bool(options),
                    options=options,
                    held=("trim", "empty_is_null") if Kind(wanted.kind) in (Kind.STRING, Kind.TEXT) else (),
                ),
            )


def expected(plan: Plan, target: Catalog) -> Catalog:
    """The target's catalog as it will be after `prepare`."""
    objects = dict(target.objects)
    for object, name, field in missing(plan, target):
        schema = objects[object]
        objects[object] = schema.model_copy(update={"fields": {**schema.fields, name: field}})
    return target.model_copy(update={"objects": objects})
