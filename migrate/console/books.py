"""Which runbooks are there, with which steps, and what of them is ticked off?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from migrate.cutover.ticks import Tick, ticks
from migrate.errors import UsageError
from migrate.workspace import Workspace


@dataclass(frozen=True)
class BookStep:
    """A step as the page shows it. `when`: how long it takes, or when it is due."""

    title: str
    command: str
    when: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Book:
    """A runbook. `name`: as ticks know it."""

    name: str
    title: str
    words: str
    steps: tuple[BookStep, ...]
    ticks: Mapping[str, Tick]

    @property
    def done(self) -> int:
        """Steps that are ticked off."""
        return sum(step.title in self.ticks for step in self.steps)


def books(workspace: Workspace, where: Path | str) -> list[Book]:
    """Every runbook that there is something to say of."""
    return [*_cutovers(workspace, where), *_way_back(workspace, where)]


def _cutovers(workspace: Workspace, where: Path | str) -> list[Book]:
    """One for each cohort that is under way, or rehearsed at least."""
    from migrate.cutover.machine import states
    from migrate.cutover.runbook import runbook

    found = []
    for cohort, state in states(workspace).items():
        if state == "planned":
            continue
        told = runbook(workspace, where, cohort)
        name = f"cutover {cohort}"
        steps = tuple(
            BookStep(
                row.title, row.command, f"takes {row.takes}",
                (f"{told.phases[row.phase]}; {row.who}", f"Done: {row.see}", f"If not: {row.fails}"),
            )
            for row in told.rows
        )  # fmt: skip
        words = f"It is {state}; the way back takes {told.way_back}. Timetable: `migrate cutover runbook`."
        found.append(Book(name, told.title.replace("`", ""), words, steps, ticks(workspace.ledger, name)))
    return found


def _way_back(workspace: Workspace, where: Path | str) -> list[Book]:
    from migrate_rollback.runbook import runbook

    try:
        found = runbook(workspace, where)
    except UsageError:  # nothing has been loaded
        return []
    name = f"rollback {found.attempt}"
    steps = tuple(
        BookStep(
            step.title, step.command, step.takes if step.seconds is None else f"takes {step.takes}",
            (*((f"Type `{step.typed}`. {step.note}",) if step.typed else ()),
             "You see: " + " or ".join(f"“{each}”" for each in step.see), f"Fails? {step.fails}"),
        )
        for step in found.steps
    )  # fmt: skip
    return [Book(name, f"{found.title}: the way back", found.words, steps, ticks(workspace.ledger, name))]
