"""What stands in a cohort's runbook? Gathered from the plan, the trail and the last rehearsal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from migrate_rollback import returning
from migrate_rollback.runbook.gathering import named
from migrate_rollback.runbook.terms import span
from migrate_rollback.runbook.triggers import evidence

from migrate import __version__
from migrate.clock import stamp
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal.kept import Last, last
from migrate.cutover.rehearsal.projecting import Interval
from migrate.cutover.runbook.messages import Message, messages
from migrate.cutover.runbook.saying import Audience, said
from migrate.cutover.runbook.steps import PHASES, STEPS, Step
from migrate.cutover.runbook.times import Deadlines, Planned, Zones, deadlines, timetable
from migrate.plan.cutover import CutoverPlan, TriggerPlan
from migrate.workspace import Workspace

NOBODY = "nobody: add `cutover: {people: […]}` to the plan"


@dataclass(frozen=True)
class Row:
    """A step as it is read. `times`: when it starts, one text a zone; `takes`: in words; `who`: names."""

    id: str
    phase: str
    title: str
    who: str
    command: str
    takes: str
    times: tuple[str, ...]
    latest: tuple[str, ...]
    see: str
    fails: str
    decision: bool


@dataclass(frozen=True)
class Person:
    """Who does what. `by`: how they sign, "" where they don't."""

    name: str
    role: str
    email: str
    zone: str
    by: str = ""


@dataclass(frozen=True)
class Runbook:
    """The page's content; moments are words by now, in UTC and the readers' zones.

    `at`, `until`: of the maintenance window, stamps, "" where none was given. `warnings`: what makes the
    timetable doubtful. `criteria`: the agreed reasons to stop or to go back, with their figures of now.
    """

    title: str
    cohort: str
    state: str
    made: str
    version: str
    folder: str
    source: str
    target: str
    at: str
    until: str
    zones: tuple[str, ...]
    begins: str
    ends: str
    last_start: str
    no_return: str
    way_back: str
    window: str
    rehearsed: str
    method: str
    evidence: str
    warnings: tuple[str, ...]
    people: tuple[Person, ...]
    rows: tuple[Row, ...]
    phases: dict[str, str]
    criteria: tuple[dict[str, str], ...]
    doors: tuple[str, ...]
    hooks: tuple[str, ...]
    not_proved: tuple[str, ...]
    messages: tuple[Message, ...]

    def document(self) -> dict[str, Any]:
        """For programs and for the templates."""
        return asdict(self)


def runbook(
    workspace: Workspace, where: Path | str, cohort: str, *, at: datetime | None = None,
    until: datetime | None = None,
) -> Runbook:  # fmt: skip
    """Gather it, as of now. Asks no system.

    Args:
        where: the workspace as it was typed.
        at: when the maintenance window begins (aware); without, steps are told in lengths alone.
        until: when people want to work again; without, no point of no return can be told.

    Raises:
        UsageError: the plan has no such cohort.
        PlanError: a message's template is wrong, or leaves a hole.
    """
    terms, cutover = workspace.plan.model.cutover, Cutover(workspace, cohort)
    found = last(workspace)
    projection = found.projection if found else None
    planned = timetable(STEPS, projection, at, cohort)
    bounds = deadlines(planned, until)
    zones = Zones(_zones(workspace))
    command, folder = named(where)
    people = _people(terms)
    window = returning.current(workspace.ledger, workspace.clock)
    source, target = workspace.system("source").system, workspace.system("target").system
    criteria = _criteria(workspace, terms.triggers)
    doors = tuple(_door(each.name, each.during) for each in terms.intake)
    hooks = tuple(each.name for each in terms.hooks)
    back = next((each.seconds for each in planned if each.step.id in ("back", "undo") and each.seconds), None)
    audience = Audience(
        source=source, target=target, begins=zones.moment(at), ends=zones.moment(until),
        no_return=zones.moment(bounds.no_return), switched=zones.moment(bounds.switched),
        at=at is not None, until=until is not None, planned=bounds.no_return is not None,
    )  # fmt: skip
    return Runbook(
        title=f"Move `{cohort}` from {source} to {target}", cohort=cohort, state=cutover.state,
        made=stamp(workspace.clock.now()), version=__version__, folder=folder, source=source, target=target,
        at=stamp(at) if at else "", until=stamp(until) if until else "", zones=zones.names,
        begins=zones.moment(at), ends=zones.moment(until), last_start=zones.moment(bounds.last_start),
        no_return=zones.moment(bounds.no_return), way_back=_takes(back),
        window=f"The way back stays open for {terms.window}." if window is None else window.words,
        rehearsed=found.words if found else "", method=projection.method if projection else "",
        evidence=found.evidence if found else "",
        warnings=tuple(_warnings(found, workspace, planned, bounds, at, until, people)), people=people,
        rows=tuple(_row(each, zones, people, command, cohort) for each in planned),
        phases={str(phase): words for phase, words in PHASES.items()},
        criteria=criteria, doors=doors, hooks=hooks, not_proved=found.not_proved if found else (),
        messages=tuple(
            messages(
                workspace.root / terms.messages if terms.messages else None,
                said(audience, terms, people=[(each.name, each.role, each.email) for each in people],
                     criteria=[each["says"] for each in criteria]),
            )
        ),
    )  # fmt: skip


def _zones(workspace: Workspace) -> tuple[str, ...]:
    plan = workspace.plan.model
    found = [plan.calendar.zone, *(each.zone for each in plan.cutover.people)]
    return tuple(dict.fromkeys(found))


def _people(terms: CutoverPlan) -> tuple[Person, ...]:
    signing = {each.name: each for each in terms.sign}
    found = [
        Person(
            each.name, each.role, each.email, each.zone, signing[each.name].by if each.name in signing else ""
        )
        for each in terms.people
    ]
    known = {each.name for each in found}
    found += [
        Person(each.name, each.role, each.email, "UTC", each.by)
        for each in terms.sign
        if each.name not in known
    ]
    return tuple(found)


def _row(planned: Planned, zones: Zones, people: Sequence[Person], command: str, cohort: str) -> Row:
    step = planned.step
    return Row(
        step.id, step.phase, step.title, _who(step, people), _command(step, people, command, cohort),
        _takes(planned.seconds), tuple(zones.columns(planned.starts)), tuple(zones.columns(planned.latest)),
        step.see, step.fails, step.decision,
    )  # fmt: skip


def _who(step: Step, people: Sequence[Person]) -> str:
    if step.id == "approve":
        names = [each.name for each in people if each.by]
    elif step.role == "approver":
        names = [each.name for each in people if each.by or each.role == "approver"]
    else:
        names = [each.name for each in people if each.role == step.role]
    return ", ".join(names) or NOBODY


def _command(step: Step, people: Sequence[Person], command: str, cohort: str) -> str:
    """As it is typed; signatures are one line a person, by how they sign."""
    if step.id == "approve":
        return "\n".join(line for each in people if each.by for line in _signs(each, command, cohort))
    if not step.command:
        return ""
    operator = next((each.name for each in people if each.role == "operator"), "the operator")
    words = step.command.format(
        cohort=cohort, operator=shlex.quote(operator), reason=shlex.quote("as decided in the window")
    )
    return f"{command} {words}"


def _signs(person: Person, command: str, cohort: str) -> list[str]:
    name, of = shlex.quote(person.name), f"--cohort {cohort}"
    if person.by == "link":
        return [f"{command} cutover invite {name} {of}", f'{command} approve {of} --as {name} --code "$CODE"']
    if person.by == "key":
        return [
            f"{command} approve {of} --as {name} --print --out approval.json",
            f"{command} approve {of} --statement approval.json --signature approval.json.sig",
        ]
    return [f"{command} console"]


def _takes(seconds: Interval | None) -> str:
    if seconds is None:
        return "not measured"
    low, high = span(seconds.low), span(seconds.high)
    return low if low == high else f"{low} to {high.removeprefix('about ')}"


def _criteria(workspace: Workspace, triggers: Sequence[TriggerPlan]) -> tuple[dict[str, str], ...]:
    """Agreed reasons, with the figure of the last report where they go by one."""
    document = evidence(workspace).document
    results = {each["id"]: each for each in document["results"]} if document else {}
    found = []
    for each in triggers:
        id, _, figure = each.what.partition(":")
        result = results.get(id.strip())
        value = "" if result is None else result["figures"].get(figure.strip(), "") if figure else (
            result["row_count"]
        )  # fmt: skip
        found.append({"says": each.says or each.what, "what": each.what, "threshold": each.threshold,
                      "owner": each.owner, "now": f"{value}" or "not known"})  # fmt: skip
    return tuple(found)


def _door(name: str, during: str) -> str:
    ways = {"drain": "stays open; the last delta brings what comes in", "buffer": "is kept, and replayed"}
    return f"{name}: {ways[during]}"


def _warnings(
    found: Last | None, workspace: Workspace, planned: Sequence[Planned], bounds: Deadlines,
    at: datetime | None, until: datetime | None, people: Sequence[Person],
) -> list[str]:  # fmt: skip
    told = []
    if found is None:
        told.append("Nothing was rehearsed: no time is known. Run `migrate cutover rehearse --on twin`.")
    elif found.plan != workspace.plan.digest:
        told.append("The plan was edited since the last rehearsal: its times are another plan's.")
    if found is not None and not found.clean:
        told.append("The last rehearsal wasn't clean: `migrate cutover rehearse` says in what.")
    missing = [each.step.title for each in planned if each.step.phase == "window" and each.seconds is None]
    if found is not None and missing:
        told.append(f"Not measured, and so without any time in the timetable: {', '.join(missing)}.")
    if at is None:
        told.append("No start was given (`--at`): the steps are told in lengths alone.")
    if until is None:
        told.append("No end was given (`--until`), so no point of no return can be told.")
    if bounds.fits is False:
        told.append("THE WINDOW IS TOO SHORT: at their longest, the steps end after the point of no return.")
    if not any(each.role == "operator" for each in people):
        told.append("The plan names no operator: add one to `cutover: {people: […]}`.")
    if not workspace.plan.model.cutover.triggers:
        told.append("No abort criteria are agreed: add `cutover: {triggers: […]}` to the plan.")
    return told
