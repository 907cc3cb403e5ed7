"""Which repairs were there, and is one unfinished? Their beginnings and ends in the ledger's trail.

A repair is numbered within the workspace. One without an end is gone on with by the same words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, events

if TYPE_CHECKING:
    from migrate.ledger import Ledger
    from migrate.load import Loading

BEGIN, END = "repair begin", "repair end"


@dataclass(frozen=True)
class Asked:
    """What a repair was asked to do. `fields`: by entry; `where`: over the target's fields, "" for all."""

    fields: dict[str, tuple[str, ...]]
    where: str
    old: str
    new: str

    @property
    def words(self) -> str:
        """The command."""
        names = ",".join(f"{entry}.{name}" for entry, each in self.fields.items() for name in each)
        return f"migrate repair --fields {names}" + (f' --where "{self.where}"' if self.where else "")


@dataclass(frozen=True)
class Begun:
    """A repair that has begun. `segment`: the journal's position before its first write."""

    number: int
    attempt: int
    asked: Asked
    checkpoint: str
    segment: int


def unfinished(ledger: Ledger, attempt: int) -> Begun | None:
    """The repair of this attempt that has no end, if there is one."""
    last = ledger.read(
        sa.select(events.c.what, events.c.facts)
        .where(events.c.what.in_((BEGIN, END)))
        .order_by(events.c.number.desc())
        .limit(1)
    )
    if not last or last[0].what == END:
        return None
    found = _begun(json.loads(last[0].facts))
    return found if found.attempt == attempt else None


def last(ledger: Ledger, attempt: int) -> Begun | None:
    """The repair of this attempt that ended last, if there is one and the plan on record is still its own."""
    rows = ledger.read(
        sa.select(events.c.what, events.c.facts)
        .where(events.c.what.in_((BEGIN, END)))
        .order_by(events.c.number.desc())
    )
    ends = [json.loads(row.facts) for row in rows if row.what == END]
    if not ends or ends[0]["attempt"] != attempt:
        return None
    record = ledger.value(sa.select(attempts.c.plan).where(attempts.c.number == attempt))
    begun = (_begun(json.loads(row.facts)) for row in rows if row.what == BEGIN)
    found = next((each for each in begun if each.number == ends[0]["number"]), None)
    return found if found is not None and found.asked.new == record else None


def next_number(ledger: Ledger) -> int:
    """The number of the repair that begins next, from 1."""
    rows = ledger.read(sa.select(events.c.facts).where(events.c.what == BEGIN))
    return max((int(json.loads(row.facts)["number"]) for row in rows), default=0) + 1


def _begun(facts: dict[str, Any]) -> Begun:
    fields = {name: tuple(each) for name, each in facts["fields"].items()}
    asked = Asked(fields, facts["where"], facts["old"], facts["new"])
    return Begun(facts["number"], facts["attempt"], asked, facts["checkpoint"], facts["segment"])


def begin(loading: Loading, begun: Begun, *, who: str, why: str) -> None:
    """Put its beginning into the trail; from now on it is gone on with."""
    asked = begun.asked
    with loading.ledger.write(loading.lease) as tx:
        tx.event(
            who or this_process().holder, BEGIN, number=begun.number, attempt=begun.attempt,
            fields={name: list(each) for name, each in asked.fields.items()}, where=asked.where,
            old=asked.old, new=asked.new, checkpoint=begun.checkpoint, segment=begun.segment, why=why,
        )  # fmt: skip
