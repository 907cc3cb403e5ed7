"""Is what stands beside the objects sound? Systems, calendar, checks, overrides, what is only kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.metadata import entry_points
from zoneinfo import available_timezones

from migrate.catalog import Catalog
from migrate.connector import ENTRY_POINTS
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Plan
from migrate.plan.expressions import suggest
from migrate.plan.keys import entry_of
from migrate.plan.mistakes import UNKNOWN
from migrate.plan.terms import parse_window
from migrate.stages.check_figures import check_figures
from migrate.stages.check_validation import check_validation
from migrate.stages.checked import Collision, Findings


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
    check_validation(plan, target, findings, checks)
    check_figures(plan, source, target, findings)
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
