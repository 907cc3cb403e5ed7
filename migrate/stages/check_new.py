"""Can `prepare` make the objects and fields that this entry of the plan asks for?"""

from __future__ import annotations

import re
from collections.abc import Callable

from migrate.catalog import Catalog
from migrate.errors import Position
from migrate.plan import ObjectPlan, Plan
from migrate.plan.expressions import suggest

Tell = Callable[[Position, str, str], None]


def check_new(plan: Plan, index: int, each: ObjectPlan, target: Catalog, tell: Tell) -> None:
    """Tell what is wrong with `create_object` and `create`.

    Args:
        target: as it will be after `prepare`.
    """
    _object(plan, index, each, target, tell)
    for name, wanted in each.create.items():
        if wanted.reference is not None and wanted.reference not in target.objects:
            tell(
                plan.at("objects", index, "create", name, "reference"),
                f"`{wanted.reference}` isn't an object of the target.",
                suggest(wanted.reference, target.objects, "Its objects are"),
            )


def _object(plan: Plan, index: int, each: ObjectPlan, target: Catalog, tell: Tell) -> None:
    wanted, born = each.create_object, target.new_objects
    if wanted is None:
        return
    at = plan.at_key("objects", index, "create_object")
    schema = target.objects.get(each.target)
    if born is None and schema is None:
        tell(
            at,
            f"The target's objects can't be made, so `{each.target}` can't either.",
            "Make it by hand, then run `migrate discover`; or name an object that is there as `target`.",
        )
        return
    if born is not None and (schema is None or schema.custom) and not re.fullmatch(born.pattern, each.target):
        tell(
            plan.at("objects", index, "target"),
            f"`{each.target}` can't be the name of a new object.",
            f"Name it like `{born.example}`.",
        )
    if schema is not None and not schema.custom:
        tell(at, f"`{each.target}` is the target's own object.", "Remove `create_object`.")
        return
    for key, names in (
        ("name_field", [wanted.name_field]),
        ("searchable", wanted.searchable),
        ("secondary", wanted.secondary),
    ):
        for name in names:
            if schema is not None and name not in schema.fields:
                tell(
                    plan.at("objects", index, "create_object", key),
                    f"`{name}` isn't a field of `{each.target}`, nor does `create` make it.",
                    suggest(name, schema.fields, "Its fields are"),
                )
    first = next(other for other in plan.model.objects if other.target == each.target and other.create_object)
    if first.create_object != wanted:
        tell(
            at,
            f"`{each.target}` is made twice, differently: here and by `{first.name}`.",
            "Leave `create_object` to one of the two entries.",
        )
