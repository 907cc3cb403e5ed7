"""Where does each cohort's cutover stand, as far as those below the cutover must know? Folded from the
trail."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import events

MOVED = "cutover moved"  # the event of a move: `cohort`, `from`, `to`
HERE = ("switched", "sealed", "reversing")  # the cohort's records are at home in the target
PAST = ("switching", *HERE)  # going back is the cutover's, not the rollback's


@dataclass(frozen=True)
class CohortState:
    """A cohort's state. `switched`: when it was switched last, as a stamp; None where it never was."""

    cohort: str
    state: str
    switched: str | None


def cohort_states(ledger: Ledger) -> dict[str, CohortState]:
    """Every cohort that has ever moved."""
    found: dict[str, CohortState] = {}
    query = sa.select(events.c.at, events.c.facts).where(events.c.what == MOVED).order_by(events.c.number)
    for row in ledger.read(query):
        facts = json.loads(row.facts)
        name, to = facts["cohort"], facts["to"]
        former = found.get(name)
        at = row.at if to == "switched" else former.switched if former else None
        found[name] = CohortState(name, to, at)
    return found


def past_the_switch(ledger: Ledger) -> list[CohortState]:
    """Cohorts that are switched, or about to be: their way back is `cutover back`."""
    return [each for each in cohort_states(ledger).values() if each.state in PAST]
