"""What does a freeze do by itself? It switches off automations that the plan names; a thaw brings them back.

That is the one act that a vendor lets an integration do and undo as it was. How each stood is an event of the
trail before it is switched, so that a process that was killed leaves none off that nobody knows of. One that
was off before stays so, and one that somebody switched on meanwhile, too.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.connector import ListsAutomations, SwitchesAutomations
from migrate.cutover import trail
from migrate.cutover.cohorts import names as cohort_names
from migrate.cutover.machine import Cutover
from migrate.errors import UsageError
from migrate.stages.extract import objects_needed

if TYPE_CHECKING:
    from migrate.connector import Automation, Source

ACT, UNDONE = "cutover freeze act", "cutover freeze act undone"


@dataclass(frozen=True)
class Act:
    """An automation that is off because of a freeze. `was`: what brings it back."""

    automation: str
    name: str
    was: str


def act(cutover: Cutover, source: Source, *, who: str) -> list[Act]:
    """Switch off what the plan names (`freeze: switch_off`); what is off because of this freeze.

    Raises:
        UsageError: one isn't there, or the source's can't be switched over its API.
        SystemRefused, InDoubt: the source; run it again.
    """
    names = cutover.workspace.plan.model.cutover.freeze.switch_off
    if names:
        ledger, known = cutover.workspace.ledger, {each.automation for each in standing(cutover)}
        for each in _named(cutover, source, names):
            if not isinstance(source, SwitchesAutomations):
                raise _not_by_us(each.name)
            was = source.states([each.id]).get(each.id, "")
            if not was:
                continue
            if each.id not in known:
                facts = {"automation": each.id, "name": each.name, "was": was}
                trail.append(ledger, who, ACT, cohort=cutover.cohort, **facts)
            source.set_state(each.id, "")
    return standing(cutover)


def standing(cutover: Cutover) -> list[Act]:
    """Acts of the cohort's freezes that weren't undone. Asks nothing."""
    found: dict[str, Act] = {}
    for each in trail.events(cutover.workspace.ledger, (ACT, UNDONE), cutover.cohort):
        id = str(each.facts["automation"])
        found.pop(id, None)
        if each.what == ACT:
            found[id] = Act(id, str(each.facts["name"]), str(each.facts["was"]))
    return list(found.values())


def undo(cutover: Cutover, *, who: str) -> list[Act]:
    """Switch on again what a freeze switched off, unless another cohort's freeze needs it off.

    Returns:
        What this cohort's freezes have off no more.

    Raises:
        SystemRefused, InDoubt: the source; run it again.
    """
    left = standing(cutover)
    if not left:
        return []
    workspace = cutover.workspace
    others = {
        each.automation
        for name in cohort_names(workspace)
        if name != cutover.cohort
        for each in standing(Cutover(workspace, name))
    }
    with closing(workspace.source()) as source:
        for each in left:
            if not isinstance(source, SwitchesAutomations):
                raise _not_by_us(each.name)
            now = source.states([each.automation])
            if now.get(each.automation) == "" and each.automation not in others:
                source.set_state(each.automation, each.was)
            facts = {"automation": each.automation, "name": each.name}
            trail.append(workspace.ledger, who, UNDONE, cohort=cutover.cohort, **facts)
    return left


def _named(cutover: Cutover, source: Source, names: list[str]) -> list[Automation]:
    if not isinstance(source, ListsAutomations):
        raise _not_by_us(names[0])
    objects = [
        name
        for name in objects_needed(cutover.workspace)
        if name in cutover.workspace.catalog("source").objects
    ]
    there = source.automations(objects).automations
    found = []
    for name in names:
        one = next((each for each in there if name in (each.name, each.id)), None)
        if one is None:
            raise UsageError(
                f"The source has no automation `{name}` on the plan's objects, or doesn't show it.",
                "Mend `cutover: {freeze: {switch_off: …}}` in the plan, or let the credential see it.",
            )
        if not one.switchable:
            raise _not_by_us(name)
        found.append(one)
    return found


def _not_by_us(name: str) -> UsageError:
    return UsageError(
        f"The source lets nobody switch `{name}` over its API.",
        "Switch it off by hand, and take it out of `cutover: {freeze: {switch_off: …}}`.",
    )
