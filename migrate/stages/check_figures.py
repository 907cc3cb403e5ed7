"""Is what the plan says of its figures sound?"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.catalog import Catalog, ObjectSchema
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Plan
from migrate.plan.expressions import parse_expression, suggest
from migrate.plan.figures import VendorFigure, is_file, vendor_key
from migrate.plan.sales import money_of
from migrate.stages.checked import Findings

PIPELINE = "pipeline"  # in `high_value: by:`


def check_figures(plan: Plan, source: Catalog, target: Catalog, findings: Findings) -> None:
    """Tell what is wrong under `money`, `high_value` and `questions`."""
    findings.mistakes += [
        *_money(plan, source, target),
        *_high_value(plan, source),
        *_questions(plan, source, target),
    ]


def _entry(plan: Plan, name: str | None, *keys: str | int) -> Iterator[PlanMistake]:
    names = [each.name for each in plan.model.objects]
    if name is not None and name not in names:
        yield PlanMistake(
            plan.at(*keys), f"The plan has no entry `{name}`.", suggest(name, names, "Its entries are")
        )


def _money(plan: Plan, source: Catalog, target: Catalog) -> Iterator[PlanMistake]:
    said = plan.model.validate_.money
    if wrong := list(_entry(plan, said.entry, "validate", "money", "entry")):
        yield from wrong
        return
    try:
        found = money_of(plan, source, target)
    except PlanError as error:
        yield from error.mistakes
        return
    if found is None and said.model_fields_set - {"entry"}:
        yield PlanMistake(
            plan.at_key("validate", "money"), "No entry of this plan has money that both systems tell.",
            "Name the `entry`, and the `amount` of `source` and `target`.",
        )  # fmt: skip


def _high_value(plan: Plan, source: Catalog) -> Iterator[PlanMistake]:
    said, keys = plan.model.validate_.high_value, ("validate", "high_value")
    yield from _entry(plan, said.entry, *keys, "entry")
    if said.list_ is not None:
        yield from _file(plan, said.list_, *keys, "list")
    each = next((one for one in plan.model.objects if one.name == said.entry), None)
    words = {"by": said.by if said.by != PIPELINE else None, "where": said.where}
    if each is None:
        if said.entry is None and (any(words.values()) or said.strata):
            yield PlanMistake(
                plan.at_key(*keys),
                "It isn't said whose fields these are.",
                "Add `entry: <entry of the plan>`.",
            )
        return
    schema = source.objects.get(each.source)
    if schema is None:
        return
    for word, text in words.items():
        if text is not None:
            try:
                parse_expression(text, schema.fields, plan.at(*keys, word), owner=schema.name)
            except PlanError as error:
                yield from error.mistakes
    for index, name in enumerate(said.strata):
        yield from _field(plan, schema, name, *keys, "strata", index)


def _questions(plan: Plan, source: Catalog, target: Catalog) -> Iterator[PlanMistake]:
    for index, each in enumerate(plan.model.validate_.questions):
        keys = ("validate", "questions", index)
        for side, statement in (("source", each.source), ("target", each.target)):
            if is_file(statement):
                yield from _file(plan, statement, *keys, side)
        for side, catalog, figure in (
            ("source", source, each.vendor.source), ("target", target, each.vendor.target),
        ):  # fmt: skip
            if figure is not None and len(figure.by) != len(each.key):
                yield PlanMistake(
                    plan.at_key(*keys, "vendor", side), "It is grouped otherwise than `key` says.",
                    f"Give it as many groups in `by` as there are columns in `key`: {len(each.key)}.",
                )  # fmt: skip
            if figure is not None:
                yield from _figure(plan, catalog, figure, *keys, "vendor", side)


def _figure(plan: Plan, catalog: Catalog, figure: VendorFigure, *keys: str | int) -> Iterator[PlanMistake]:
    schema = catalog.objects.get(figure.object)
    if schema is None:
        yield PlanMistake(
            plan.at(*keys, "object"), f"`{figure.object}` isn't an object of this system.",
            suggest(figure.object, catalog.objects, "Its objects are"),
        )  # fmt: skip
        return
    if figure.sum is not None:
        yield from _field(plan, schema, figure.sum, *keys, "sum")
    for number, by in enumerate(figure.by):
        yield from _field(plan, schema, vendor_key(by)[0], *keys, "by", number)
    for number, where in enumerate(figure.where):
        yield from _field(plan, schema, where.field, *keys, "where", number, "field")


def _field(plan: Plan, schema: ObjectSchema, name: str, *keys: str | int) -> Iterator[PlanMistake]:
    if name not in schema.fields:
        there = suggest(name, schema.fields, "Its fields are")
        yield PlanMistake(plan.at(*keys), f"`{name}` isn't a field of `{schema.name}`.", there)


def _file(plan: Plan, name: str, *keys: str | int) -> Iterator[PlanMistake]:
    try:
        if plan.beside(name).is_file():
            return
    except ValueError as error:
        yield PlanMistake(plan.at(*keys), f"{error}.", "Copy it beside the plan.")
        return
    suffix = name.rpartition(".")[2]
    near = sorted(str(path.relative_to(plan.folder)) for path in plan.folder.glob(f"**/*.{suffix}"))
    yield PlanMistake(
        plan.at(*keys),
        f"There is no file `{name}` beside the plan.",
        suggest(name, near, "Such files there:"),
    )
