"""Which runbooks are there, with which steps, and what of them is ticked off? Each also as its whole page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.cutover.machine import Cutover, states
from migrate.cutover.scheduled import scheduled
from migrate.cutover.ticks import Tick, ticks
from migrate.errors import PlanError, UsageError
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate.cutover.runbook import Runbook


@dataclass(frozen=True)
class BookStep:
    """A step as the page shows it. `when`: how long it takes, and when it is due."""

    title: str
    command: str
    when: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Book:
    """A runbook. `name`: as ticks know it. `whole`: there is a page of it, too."""

    name: str
    title: str
    words: str
    steps: tuple[BookStep, ...]
    ticks: Mapping[str, Tick]
    whole: bool = False

    @property
    def done(self) -> int:
        """Steps that are ticked off."""
        return sum(step.title in self.ticks for step in self.steps)


def books(workspace: Workspace, where: Path | str) -> list[Book]:
    """Every runbook that there is something to say of."""
    found = [_cutover(workspace, where, cohort) for cohort in _cohorts(workspace)]
    return [*found, *_way_back(workspace, where)]


def whole(workspace: Workspace, where: Path | str, number: int) -> str | None:
    """A cohort's runbook as `migrate cutover runbook` draws it, HTML; None where there is none.

    Args:
        number: its place among `books`, from 0.

    Raises:
        PlanError: a message's template.
    """
    from migrate.cutover.runbook.page import html

    cohorts = _cohorts(workspace)
    return html(_gathered(workspace, where, cohorts[number])) if number < len(cohorts) else None


def _cohorts(workspace: Workspace) -> list[str]:
    """Those whose cutover there is something to say of."""
    return [
        cohort
        for cohort, state in states(workspace).items()
        if state != "planned" or scheduled(workspace.ledger, cohort)
    ]


def _gathered(workspace: Workspace, where: Path | str, cohort: str) -> Runbook:
    from migrate.cutover.runbook import runbook

    window = scheduled(workspace.ledger, cohort)
    return runbook(
        workspace, where, cohort, at=window.at if window else None, until=window.until if window else None
    )


def _cutover(workspace: Workspace, where: Path | str, cohort: str) -> Book:
    """A cohort's. Ticks are those since it was last planned: what was done in a former try isn't done."""
    tries = sum(each.facts["to"] == "planned" for each in Cutover(workspace, cohort).moves())
    name = f"cutover {cohort}" + (f" {tries + 1}" if tries else "")
    try:
        found = _gathered(workspace, where, cohort)
    except PlanError as error:  # a message's template; the way back has its runbook all the same
        return Book(name, f"The cutover of {cohort}", str(workspace.place.told(error)), (), {})
    steps = tuple(
        BookStep(
            row.title, row.command,
            "; ".join(filter(None, (_due(found.zones, row.times), row.takes))),
            tuple(filter(None, (
                f"{found.phases[row.phase]}. {row.who}." + (" A decision." if row.decision else ""),
                row.see and f"Done: {row.see}", row.fails and f"Else: {row.fails}",
            ))),
        )
        for row in found.rows
    )  # fmt: skip
    words = " ".join(f"{each}" for each in found.warnings)
    return Book(name, found.title, words, steps, ticks(workspace.ledger, name), whole=True)


def _due(zones: Sequence[str], times: Sequence[str]) -> str:
    """When a step begins, in each zone; "" where no window is set."""
    return ", ".join(f"{at} {zone}" for zone, at in zip(zones, times, strict=True) if at)


def _way_back(workspace: Workspace, where: Path | str) -> list[Book]:
    from migrate_rollback.runbook import runbook

    try:
        found = runbook(workspace, where)
    except UsageError:  # nothing has been loaded
        return []
    name = f"rollback {found.attempt}"
    steps = tuple(
        BookStep(
            step.title, step.command,
            step.takes if step.seconds is None else f"takes {step.takes}",
            (*((f"Type `{step.typed}`. {step.note}",) if step.typed else ()),
             "You see: " + " or ".join(f"“{each}”" for each in step.see), f"Fails? {step.fails}"),
        )
        for step in found.steps
    )  # fmt: skip
    return [Book(name, f"{found.title}: the way back", found.words, steps, ticks(workspace.ledger, name))]
