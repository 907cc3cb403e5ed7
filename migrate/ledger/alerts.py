"""Which alerts are open, and which of them has the webhook taken?

An alert is told once when it begins and once when it is over; both are kept, so that neither a restart nor a
webhook that was away tells one twice or loses one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import alerts

OPEN, OVER = "open", "over"
_ALL = sa.select(
    alerts.c.name, alerts.c.state, alerts.c.at, alerts.c.words, alerts.c.told
).order_by(alerts.c.name)  # fmt: skip


@dataclass(frozen=True)
class Alert:
    """One alert. `at`: since when it is open, or over; `told`: the state that the webhook has taken."""

    name: str
    state: str
    at: str
    words: str
    told: str


def all_alerts(ledger: Ledger) -> list[Alert]:
    """Every alert that there ever was, open or over, by name."""
    return [Alert(*row) for row in ledger.read(_ALL)]


def note(ledger: Ledger, breaches: Mapping[str, str], looked_at: frozenset[str]) -> list[Alert]:
    """Note what is breached now; returns the alerts that began or ended by it.

    Args:
        breaches: by alert's name, its words.
        looked_at: names, or beginnings of names up to a colon, that this look could judge. An alert that it
            couldn't judge stays as it is.
    """
    moved: list[Alert] = []
    with ledger.write() as tx:
        known = {row.name: Alert(*row) for row in tx.sql.execute(_ALL)}
        for name, words in sorted(breaches.items()):
            former = known.get(name)
            if former is not None and former.state == OPEN:
                continue
            # A recovery that the webhook never took is past: what it knows is open still.
            told = OPEN if former is not None and former.told == OPEN else ""
            moved.append(Alert(name, OPEN, tx.at, words, told))
        for name, former in known.items():
            judged = name in looked_at or name.partition(":")[0] in looked_at
            if former.state == OPEN and judged and name not in breaches:
                moved.append(Alert(name, OVER, tx.at, former.words, former.told))
        for each in moved:
            tx.put(alerts, **vars(each))
    return moved


def untold(ledger: Ledger) -> list[Alert]:
    """Alerts whose state the webhook hasn't taken. One that came and went while it was away isn't told."""
    return [
        each
        for each in all_alerts(ledger)
        if each.told != each.state and not (each.state == OVER and each.told == "")
    ]


def taken(ledger: Ledger, alert: Alert) -> None:
    """The webhook has taken it."""
    with ledger.write() as tx:
        tx.sql.execute(
            alerts.update()
            .where(alerts.c.name == alert.name, alerts.c.at == alert.at)
            .values(told=alert.state)
        )
