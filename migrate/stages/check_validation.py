"""Is what a plan asks of validation sound? Sums, rules, tolerances, duplicates, groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.metadata import entry_points

from migrate.catalog import Catalog
from migrate.errors import PlanMistake, Position
from migrate.plan import Plan
from migrate.plan.expressions import suggest
from migrate.stages.checked import Findings
from migrate.types import NUMERIC

CHECKS = "crm_migrate.checks"  # entry points of the validators' checks


def check_validation(plan: Plan, target: Catalog, findings: Findings, checks: Collection[str] | None) -> None:
    """Tell what is wrong under `validate`.

    Args:
        checks: names of those that are installed; None: ask the entry points.
    """
    wanted = plan.model.validate_
    targets = {each.target for each in plan.model.objects}

    def tell(at: Position, what: str, remedy: str) -> None:
        findings.mistakes.append(PlanMistake(at, what, remedy))

    for index, each in enumerate(wanted.sums):
        keys = ("validate", "sums", index)
        schema = target.objects.get(each.object)
        if each.object not in targets or schema is None:
            there = suggest(each.object, targets, "The plan's targets are")
            tell(plan.at(*keys, "object"), f"`{each.object}` isn't a target of this plan.", there)
            continue
        named = {name for entry in plan.model.objects if entry.target == each.object for name in entry.fields}
        fields = set(schema.fields) | named
        if each.field not in fields:
            tell(plan.at(*keys, "field"), f"`{each.field}` isn't a field of `{each.object}`.",
                 suggest(each.field, fields, "Its fields are"))  # fmt: skip
        elif each.field in schema.fields and schema.fields[each.field].kind not in NUMERIC:
            numbers = [name for name, field in schema.fields.items() if field.kind in NUMERIC]
            tell(plan.at(*keys, "field"), f"`{each.field}` isn't a number and has no sum.",
                 suggest(each.field, numbers, "Numbers are"))  # fmt: skip
        for number, by in enumerate(each.by):
            if by not in fields:
                tell(plan.at(*keys, "by", number), f"`{by}` isn't a field of `{each.object}`.",
                     suggest(by, fields, "Its fields are"))  # fmt: skip
    for index, file in enumerate(wanted.checks):
        try:
            is_there = plan.beside(file).is_file()
        except ValueError as error:
            tell(plan.at("validate", "checks", index), f"{error}.", "Copy it beside the plan.")
            continue
        if not is_there:
            near = sorted(str(path.relative_to(plan.folder)) for path in plan.folder.glob("**/*.sql"))
            tell(plan.at("validate", "checks", index), f"There is no file `{file}` beside the plan.",
                 suggest(file, near, "SQL files there:"))  # fmt: skip
    known = {each.name for each in entry_points(group=CHECKS)} if checks is None else set(checks)
    entries = {each.name: each for each in plan.model.objects}
    for index, granted in enumerate(wanted.tolerances):
        keys = ("validate", "tolerances", index)
        if known and granted.check not in known:
            tell(plan.at(*keys, "check"), f"There is no check `{granted.check}`.",
                 suggest(granted.check, known, "Checks are"))  # fmt: skip
        entry = entries.get(granted.object or "")
        if granted.object is not None and entry is None:
            tell(plan.at(*keys, "object"), f"The plan has no entry `{granted.object}`.",
                 suggest(granted.object, entries, "Its entries are"))  # fmt: skip
        elif entry is not None and granted.field is not None and entry.target in target.objects:
            fields = set(target.objects[entry.target].fields) | set(entry.fields)
            if granted.field not in fields:
                tell(plan.at(*keys, "field"), f"`{granted.field}` isn't a field of `{entry.target}`.",
                     suggest(granted.field, fields, "Its fields are"))  # fmt: skip
    _duplicates(plan, tell)
    for name, grouped in wanted.groups.items():
        if (entry := entries.get(name)) is None:
            tell(plan.at_key("validate", "groups", name), f"The plan has no entry `{name}`.",
                 suggest(name, entries, "Its entries are"))  # fmt: skip
            continue
        for number, by in enumerate(grouped):
            if by not in entry.fields:
                tell(plan.at("validate", "groups", name, number), f"`{name}` fills no `{by}`.",
                     suggest(by, entry.fields, "It fills"))  # fmt: skip


def _duplicates(plan: Plan, tell: Callable[[Position, str, str], None]) -> None:
    entries = {each.name: each for each in plan.model.objects}
    before: dict[str, str] = {}
    for index, each in enumerate(plan.model.validate_.duplicates):
        keys = ("validate", "duplicates", index)
        entry = entries.get(each.entry)
        if entry is None:
            tell(plan.at(*keys, "entry"), f"The plan has no entry `{each.entry}`.",
                 suggest(each.entry, entries, "Its entries are"))  # fmt: skip
            continue
        if entry.target in before:
            other = before[entry.target]
            tell(plan.at(*keys, "entry"), f"`{entry.target}` is looked at twice, here and for `{other}`.",
                 "Keep one of the two: all records of the target object are compared together.")  # fmt: skip
        before.setdefault(entry.target, each.entry)
        filled = {name for one in plan.model.objects if one.target == entry.target for name in one.fields}
        for number, name in enumerate(each.on):
            if name not in filled:
                tell(plan.at(*keys, "on", number), f"`{name}` isn't filled in `{entry.target}`.",
                     suggest(name, filled, "The plan fills"))  # fmt: skip
