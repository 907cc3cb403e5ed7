"""Which validations were there, and which differences did somebody waive?

A validation stands here from its first moment, so that one that was stopped is never taken for its
forerunner's good word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp
from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.tables import validations, waivers


@dataclass(frozen=True)
class Validation:
    """One validation. `facts`: by result id its `verdict` and its `differences`; `ended` None: stopped, or
    under way.
    """

    number: int
    started: str
    ended: str | None
    attempt: int
    folder: str
    digest: str | None
    verdict: str | None
    part: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class Waiver:
    """A difference that somebody lets stand, until when and why."""

    number: int
    difference: str
    who: str
    reason: str
    until: str
    at: str
    ended: str | None


def begin_validation(ledger: Ledger, *, attempt: int, folder: str, started: str, part: bool) -> int:
    """Note that a validation begins; its number."""
    with ledger.write() as tx:
        number = _next(tx, validations)
        tx.sql.execute(
            validations.insert().values(
                number=number, started=started, attempt=attempt, folder=folder, part=int(part), facts="{}"
            )
        )
    return number


def end_validation(
    ledger: Ledger, number: int, *, ended: str, digest: str, verdict: str, facts: Mapping[str, Any]
) -> None:
    """Note how it ended, in the trail too."""
    with ledger.write() as tx:
        tx.sql.execute(
            validations.update()
            .where(validations.c.number == number)
            .values(ended=ended, digest=digest, verdict=verdict, facts=json.dumps(facts, sort_keys=True))
        )
        tx.event("validate", "validated", number=number, digest=digest, verdict=verdict)


def last_validation(ledger: Ledger) -> Validation | None:
    """The one that began last, of whatever attempt; None before the first."""
    rows = ledger.read(sa.select(validations).order_by(validations.c.number.desc()).limit(1))
    return _validation(rows[0]) if rows else None


def whole_validations(ledger: Ledger, attempt: int, most: int) -> list[Validation]:
    """The last validations of an attempt that ended and left nothing out, oldest first; at most so many."""
    query = (
        sa.select(validations)
        .where(validations.c.attempt == attempt, validations.c.part == 0, validations.c.ended.is_not(None))
        .order_by(validations.c.number.desc())
        .limit(most)
    )
    return [_validation(row) for row in reversed(ledger.read(query))]


def _validation(row: Any) -> Validation:
    return Validation(
        row.number, row.started, row.ended, row.attempt, row.folder, row.digest, row.verdict, bool(row.part),
        json.loads(row.facts),
    )  # fmt: skip


def waive(ledger: Ledger, differences: Sequence[str], *, who: str, reason: str, until: str) -> int:
    """Let differences stand until an instant; an older waiver of one of them ends. How many."""
    with ledger.write() as tx:
        for difference in differences:
            _end(tx, difference)
            tx.sql.execute(
                waivers.insert().values(
                    number=_next(tx, waivers), difference=difference, who=who, reason=reason, until=until,
                    at=tx.at,
                )
            )  # fmt: skip
        tx.event(who, "waived", differences=list(differences), reason=reason, until=until)
    return len(differences)


def take_back(ledger: Ledger, differences: Sequence[str], *, who: str) -> int:
    """End waivers; how many there were."""
    with ledger.write() as tx:
        ended = sum(_end(tx, difference) for difference in differences)
        tx.event(who, "waivers taken back", differences=list(differences))
    return ended


def open_waivers(ledger: Ledger) -> list[Waiver]:
    """Every waiver that nobody took back, expired ones too, oldest first."""
    query = sa.select(waivers).where(waivers.c.ended.is_(None)).order_by(waivers.c.number)
    return [Waiver(*row) for row in ledger.read(query)]


def expired(waiver: Waiver, now: str) -> bool:
    """Whether it holds no more."""
    return parse_stamp(waiver.until) <= parse_stamp(now)


def _end(tx: Transaction, difference: str) -> int:
    found = tx.sql.execute(
        waivers.update()
        .where(waivers.c.difference == difference, waivers.c.ended.is_(None))
        .values(ended=tx.at)
    )
    return int(found.rowcount)


def _next(tx: Transaction, table: sa.Table) -> int:
    return int(tx.sql.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0))).scalar_one()) + 1
