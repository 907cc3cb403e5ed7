"""Which steps of a runbook has somebody ticked off? Each tick, and each taken back, is an event of the trail.

A tick is a person's word that a step is done. It moves no state: what a command did, it says itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.ledger.tables import events

TICKED, UNTICKED = "step ticked", "step unticked"
LONGEST = 200  # signs of a step's name


@dataclass(frozen=True)
class Tick:
    """A step that is ticked off. `at`: a stamp, UTC."""

    who: str
    at: str


def tick(ledger: Ledger, runbook: str, step: str, *, who: str, undo: bool = False) -> None:
    """Tick a step off, or take that back; saying the same again changes nothing.

    Args:
        runbook: which one, such as `rollback 1`.
        step: its title.

    Raises:
        UsageError: the step has no name, or a too long one.
    """
    if not step.strip() or len(step) > LONGEST or len(runbook) > LONGEST:
        raise UsageError(f"A step has a title of at most {LONGEST} signs.", "Name it as the runbook does.")
    if (step in ticks(ledger, runbook)) is not undo:
        return
    with ledger.write() as tx:
        tx.event(who, UNTICKED if undo else TICKED, runbook=runbook, step=step)


def ticks(ledger: Ledger, runbook: str) -> Mapping[str, Tick]:
    """The steps of a runbook that are ticked off, by title."""
    query = sa.select(events).where(events.c.what.in_([TICKED, UNTICKED])).order_by(events.c.number)
    found: dict[str, Tick] = {}
    for row in ledger.read(query):
        facts = json.loads(row.facts)
        if facts.get("runbook") != runbook:
            continue
        if row.what == TICKED:
            found[facts["step"]] = Tick(row.who, row.at)
        else:
            found.pop(facts["step"], None)
    return found
