"""Can a message be made of a record as the plan says?"""

from __future__ import annotations

from migrate.catalog import Field, ObjectSchema
from migrate.eml import LISTS
from migrate.engine import identifier
from migrate.plan import Expression, FieldPlan
from migrate.plan.mistakes import Keys
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.check_types import INSTANT, NULL
from migrate.types import Kind


def check_eml(
    check: ExpressionCheck, keys: Keys, field: FieldPlan, place: Field, source: ObjectSchema
) -> Expression | None:
    """One expression that gives all parts as a struct; None where one of them is wrong, which is noted."""
    assert field.eml is not None  # noqa: S101 - the caller's condition
    if place.kind is not Kind.BINARY:
        what = f"`{place.name}` holds no file, so no message."
        check.tell(check.plan.at_key(*keys), what, "Name a field that does.")
        return None
    found: dict[str, Expression] = {}
    for name, text in field.eml.parts.items():
        expression = check.expression(text, (*keys, "eml", name), source.fields, source.name)
        kind = check.type_of(expression, source.fields) if expression else None
        if expression is None or kind is None:
            return None
        right = {INSTANT} if name == "date" else {"VARCHAR", "VARCHAR[]"} if name in LISTS else {"VARCHAR"}
        if kind not in {*right, NULL}:
            check.tell(
                expression.at,
                f"`{name}` gives {kind}; it must be {'an instant' if name == 'date' else 'text'}.",
                "Cast it.",
            )
            return None
        found[name] = expression
    if not found.keys() & {"text", "html", "headers"}:
        check.tell(
            check.plan.at(*keys, "eml"), "A message of nothing but its people holds nothing.",
            "Give it `text` or `html`.",
        )  # fmt: skip
        return None
    packed = ", ".join(f"{identifier(name)} := ({each.sql})" for name, each in found.items())
    inputs = dict.fromkeys(name for each in found.values() for name in each.inputs)
    return Expression("eml", f"struct_pack({packed})", tuple(inputs), check.plan.at(*keys, "eml"))
