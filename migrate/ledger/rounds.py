"""What did the last rounds of deltas come to? The newest ones, so that a watch of weeks stays small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import rounds

KEPT = 500


@dataclass(frozen=True)
class RoundRow:
    """One round as it is kept: its number, its times, and its facts."""

    number: int
    began: str
    ended: str
    facts: dict[str, Any]


def keep_round(ledger: Ledger, *, began: str, ended: str, facts: Mapping[str, Any]) -> int:
    """Keep a round, and no more than `KEPT` of them; its number."""
    with ledger.write() as tx:
        last = tx.sql.execute(sa.select(sa.func.max(rounds.c.number))).scalar()
        number = int(last or 0) + 1
        text = json.dumps(facts, sort_keys=True, default=str)
        tx.put(rounds, number=number, began=began, ended=ended, facts=text)
        tx.sql.execute(rounds.delete().where(rounds.c.number <= number - KEPT))
    return number


def last_rounds(ledger: Ledger, most: int = KEPT) -> list[RoundRow]:
    """The newest rounds, oldest of them first."""
    rows = ledger.read(sa.select(rounds).order_by(rounds.c.number.desc()).limit(most))
    return [RoundRow(row.number, row.began, row.ended, json.loads(row.facts)) for row in reversed(rows)]
