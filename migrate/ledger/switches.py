"""Which automations of a target did we switch off, and which of them aren't on again?"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import switches

GOING_OFF, OFF, ON, GONE = "going_off", "off", "on", "gone"


@dataclass(frozen=True)
class Switch:
    """One automation that we switched off. `was`: what brings it back; `ended`: when it was on, or gone."""

    number: int
    system: str
    automation: str
    name: str
    object: str
    kind: str
    attempt: int
    was: str
    state: str
    at: str
    ended: str | None

    def __str__(self) -> str:
        what = f"`{self.name}` ({self.kind} {self.automation} on {self.object} of `{self.system}`)"
        if self.state == ON:
            return f"{what} was off from {self.at} to {self.ended}."
        if self.state == GONE:
            return f"{what} was switched off at {self.at} and isn't there any more."
        return f"{what} has been off since {self.at}, by us; `migrate automations restore` switches it on."


def all_switches(ledger: Ledger) -> list[Switch]:
    """Every one, oldest first."""
    return [Switch(*row) for row in ledger.read(sa.select(switches).order_by(switches.c.number))]


def open_switches(ledger: Ledger, system: str | None = None) -> list[Switch]:
    """Those that are off, or may be, because of us."""
    return [
        each
        for each in all_switches(ledger)
        if each.state in (GOING_OFF, OFF) and system in (None, each.system)
    ]
