"""Is what stands beside the objects sound? Systems, calendar, checks, overrides, what is only kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.metadata import entry_points
from zoneinfo import available_timezones

from migrate.catalog import Catalog
from migrate.connector import ENTRY_POINTS
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan import Plan
from migrate.plan.expressions import suggest
from migrate.plan.keys import entry_of
from migrate.plan.mistakes import UNKNOWN
from migrate.plan.terms import parse_window
from migrate.stages.checked import Collision, Findings
from migrate.types import NUMERIC

CHECKS = "crm_migrate.checks"  # entry points of the validators' checks


def check_around(
    plan: Plan,
    source: Catalog,
    target: Catalog,
    findings: Findings,
    connectors: Collection[str] | None,
    checks: Collection[str] | None,
) -> None:
    """Tell what is wrong beside the objects.

    Args:
        connectors, checks: names of those that are installed; None: ask the entry points.
    """
    _systems(plan, findings, connectors)
    _archive(plan, source, findings)
    _calendar(plan, findings)
    _validate(plan, target, findings, checks)
    _overrides(plan, source, findings)


def _systems(plan: Plan, findings: Findings, connectors: Collection[str] | None) -> None:
    known = (
        {each.name for each in entry_points(group=ENTRY_POINTS)} if connectors is None else set(connectors)
    )
    for side, system in (("source", plan.model.source), ("target", plan.model.target)):
        if system.type not in known and system.type != UNKNOWN and known:
            findings.mistakes.append(
                PlanMistake(
                    plan.at(side, "type"),
                    f"There is no connector for `{system.type}`.",
                    suggest(system.type, known, "Installed are"),
                )
            )
    if plan.model.source.system == plan.model.target.system != UNKNOWN:
        findings.mistakes.append(
            PlanMistake(
                plan.at("target", "system"),
                f"Both systems are called `{plan.model.target.system}`.",
                "Give each a label of its own.",
            )
        )


def _archive(plan: Plan, source: Catalog, findings: Findings) -> None:
    moved = {each.source for each in plan.model.objects}
    for number, name in enumerate(plan.model.archive):
        at = plan.at("archive", number)
        if name not in source.objects:
            known = suggest(name, source.objects, "Its objects are")
            findings.mistakes.append(PlanMistake(at, f"`{name}` isn't an object of the source.", known))
        elif name in moved:
            remedy = "Remove it from `archive`: what is moved is kept anyway."
            findings.mistakes.append(PlanMistake(at, f"`{name}` is moved by this plan.", remedy))


def _calendar(plan: Plan, findings: Findings) -> None:
    zones = available_timezones()
    zone = plan.model.calendar.zone
    if zone not in zones:
        findings.mistakes.append(
            PlanMistake(
                plan.at("calendar", "zone"),
                f"`{zone}` isn't a time zone.",
                suggest(zone, zones, "They have the form `Europe/Berlin`, such as"),
            )
        )
    try:
        parse_window(plan.model.cutover.window)
    except ValueError as error:
        findings.mistakes.append(
            PlanMistake(
                plan.at("cutover", "window"), f"{error}.", "Write `10 working days`, `14 days` or `48 hours`."
            )
        )


def _validate(plan: Plan, target: Catalog, findings: Findings, checks: Collection[str] | None) -> None:
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


def _overrides(plan: Plan, source: Catalog, findings: Findings) -> None:
    try:
        overrides = plan.overrides
    except PlanError as error:
        for mistake in error.mistakes:
            gone = not mistake.at.line and mistake.what.startswith("There is no such file")
            what = f"There is no file `{plan.model.overrides}` beside the plan."
            findings.mistakes.append(
                PlanMistake(plan.at("overrides"), what, mistake.remedy) if gone else mistake
            )
        return
    objects = {each.name: each for each in plan.model.objects}
    for each in overrides:
        family, name = each.key.split(".", 1)[0], entry_of(each.key)
        if family != source.family:
            findings.mistakes.append(
                PlanMistake(
                    each.at,
                    f"`{each.key}` isn't a key of this source.",
                    f"Keys start with `{source.family}.`.",
                )
            )
        elif name not in objects:
            right = suggest(name, objects, "Its objects are")
            findings.mistakes.append(
                PlanMistake(each.at, f"`{name}` isn't a source object of this plan.", right)
            )
        elif each.field not in objects[name].fields and (name, each.field) not in plan.broken:
            right = suggest(each.field, objects[name].fields, "Mapped are")
            findings.mistakes.append(
                PlanMistake(each.at, f"`{each.field}` isn't mapped for `{name}`.", right)
            )


def collide(plan: Plan, findings: Findings, collisions: Sequence[Collision]) -> None:
    places = {each.name: index for index, each in enumerate(plan.model.objects)}
    for each in collisions:
        if each.groups:
            at = plan.at_key("objects", places[each.object], "fields", each.field)
            values = "1 value" if each.groups == 1 else f"{each.groups:,} values"
            verb = "is" if each.groups == 1 else "are"
            what = f"{values} of unique `{each.field}` {verb} shared by {each.records:,} records."
            remedy = "Add a `dedupe` that puts them together; as it is, they become rejects."
            findings.warnings.append(PlanMistake(at, what, remedy))
