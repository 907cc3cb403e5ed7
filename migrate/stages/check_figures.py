"""Is what the plan says of its figures sound?"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.catalog import Catalog, ObjectSchema
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Plan
from migrate.plan.expressions import parse_expression, suggest
from migrate.plan.sales import money_of
from migrate.stages.checked import Findings

PIPELINE = "pipeline"  # in `high_value: by:`

def check_figures(plan: Plan, source: Catalog, target: Catalog, findings: Findings) -> None:
    """Tell what is wrong under `money` and `high_value`."""
    findings.mistakes += [*_money(plan, source, target), *_high_value(plan, source)]


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
