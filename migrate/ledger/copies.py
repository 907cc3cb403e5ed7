"""What of the ledger is small, and can't be told by the journal? A copy of it that lies beside the data.

Attempts, checkpoints, watermarks, decisions and signatures stand nowhere else. Whenever a transaction changes
one of these tables, the copy is written before the transaction's commit: a ledger that is lost is made anew
out of the copy and the journal, and lacks nothing that a command was told is done. A commit that fails leaves
a copy that is one step ahead; nothing of ours is done upon such a step.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from migrate.ledger import tables

FORMAT = 1
# What grows with the data: segments and batches come out of the journal, an extract under way begins anew.
GROWING = frozenset({"batches", "segments", "extracts", "cursors"})
# Who may come in is never brought back: a link that was used before a restore would be good again after it.
DOORS = frozenset({"tokens", "sessions"})
# Figures of watches: a ledger without them begins new ones.
WATCHED = frozenset({"rounds", "alerts"})
LEFT_OUT = GROWING | DOORS | WATCHED
# A lease is renewed all the time, and ends with its process.
QUIET = LEFT_OUT | {"leases"}


def kept() -> list[sa.Table]:
    """The tables that are copied, in an order in which they can be filled."""
    return [table for table in tables.metadata.sorted_tables if table.name not in LEFT_OUT]


def copy_of(connection: sa.Connection, head: str, at: str) -> bytes:
    """The copy, as this transaction sees the ledger."""
    found: dict[str, Any] = {}
    for table in kept():
        order = list(table.primary_key.columns)
        rows = connection.execute(sa.select(table).order_by(*order)).all()
        if rows:
            found[table.name] = {"columns": list(table.columns.keys()), "rows": [list(row) for row in rows]}
    # What the segments were then: those that are missing or altered show without a ledger.
    query = sa.select(tables.segments).order_by(tables.segments.c.first_seq)
    segments = [dict(row) for row in connection.execute(query).mappings()]
    document = {"format": FORMAT, "head": head, "at": at, "segments": segments, "tables": found}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read(content: bytes) -> dict[str, Any]:
    """A copy's document.

    Raises:
        ValueError: it is no copy, or of a later format.
    """
    document = json.loads(content)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("it isn't a copy of a ledger that this version knows")
    return document


def fill(connection: sa.Connection, document: dict[str, Any]) -> dict[str, int]:
    """Put a copy's rows into empty tables; returns how many by table.

    Columns that this version doesn't know are left out, as are tables.
    """
    counts: dict[str, int] = {}
    for table in kept():
        part = document["tables"].get(table.name)
        if not part:
            continue
        names = part["columns"]
        rows = [
            {name: value for name, value in zip(names, row, strict=True) if name in table.columns}
            for row in part["rows"]
        ]
        connection.execute(table.insert(), rows)
        counts[table.name] = len(rows)
    if connection.dialect.name == "postgresql":
        count_on(connection)
    return counts


def count_on(connection: sa.Connection) -> None:
    """Let PostgreSQL's sequence of event numbers go on after those that were put in with their numbers."""
    connection.exec_driver_sql(
        "SELECT setval(pg_get_serial_sequence('events', 'number'), max(number)) FROM events "
        "HAVING max(number) IS NOT NULL"
    )
