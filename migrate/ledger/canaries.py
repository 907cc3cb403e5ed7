"""Which first records went alone into the target, and what was found that they set off there?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import canaries

SENT, PASSED, REFUSED, STOPPED, VOID = "sent", "passed", "refused", "stopped", "void"
FILLS, CHANGES, MAKES, LINKS, MAILS, STAMPS, REFUSES, REMOVES = (
    "fills", "changes", "makes", "links", "mails", "stamps", "refuses", "removes",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Effect:
    """One thing that happened beside our write.

    `what`: a field, an object or a code. `who`: as the target names it, "" where it doesn't. `id`: of a
    record that was made. `rule`: of the vendor's, by which it was to be expected. `accepted`: that rule, or
    the automation of the plan that may do this, "" where none may.
    """

    does: str
    what: str
    who: str = ""
    id: str = ""
    accepted: str = ""
    rule: str = ""

    def __str__(self) -> str:
        said = {
            FILLS: f"fills `{self.what}`, which was empty",
            CHANGES: f"changes `{self.what}`",
            MAKES: f"makes a record of `{self.what}`" + (f" ({self.id})" if self.id else ""),
            LINKS: f"links the record to `{self.what}`",
            MAILS: f"sends mail (`{self.what}` tells)",
            STAMPS: "moves the record's modification stamp and changes no value",
            REFUSES: f"refuses the record with {self.what}",
            REMOVES: "takes the record away",
        }[self.does]
        return said + (f", by {self.who}" if self.who else "")

    def document(self) -> dict[str, str]:
        """As JSON's facts."""
        return asdict(self)


@dataclass(frozen=True)
class Canary:
    """One canary as the ledger knows it; `effects`: all that it found, accepted ones too."""

    entry: str
    operation: str
    number: int
    state: str
    object: str
    key: str
    target_id: str | None
    at: str
    catalog: str
    batch: str
    facts: dict[str, Any]
    effects: tuple[Effect, ...]

    def document(self) -> dict[str, Any]:
        """As JSON's facts; what only a later look needs is left out."""
        return {
            "entry": self.entry, "operation": self.operation, "number": self.number, "state": self.state,
            "object": self.object, "key": self.key, "target_id": self.target_id, "at": self.at,
            "effects": [each.document() | {"words": str(each)} for each in self.effects],
        }  # fmt: skip

    def __str__(self) -> str:
        said = {
            SENT: "sent, and not yet looked at",
            PASSED: "nothing stirred",
            REFUSED: "refused, so it says nothing",
            STOPPED: "stopped the load",
        }[self.state]
        if self.effects and self.state == PASSED:
            known = all(each.rule for each in self.effects)
            said = "only what the vendor always does" if known else "only what the plan accepts"
        told = "".join(f"\n  {each} ({each.accepted or 'not accepted'})" for each in self.effects)
        return f"Canary of {self.entry}, {self.operation}: {said}.{told}"


def flown(ledger: Ledger, attempt: int) -> list[Canary]:
    """All canaries of an attempt, oldest first."""
    query = sa.select(canaries).where(canaries.c.attempt == attempt, canaries.c.state != VOID)
    return [
        Canary(
            row.entry, row.operation, row.number, row.state, row.object, row.key, row.target_id, row.at,
            row.catalog, row.batch, json.loads(row.facts),
            tuple(Effect(**each) for each in json.loads(row.found)),
        )
        for row in ledger.read(query.order_by(canaries.c.at, canaries.c.entry, canaries.c.number))
    ]  # fmt: skip


def last_flown(ledger: Ledger, attempt: int) -> list[Canary]:
    """The last canary of each entry and operation."""
    return list({(each.entry, each.operation): each for each in flown(ledger, attempt)}.values())
