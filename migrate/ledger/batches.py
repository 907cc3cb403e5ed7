"""Which rows of which part are done, and which are in doubt? Batches, by (part, rows).

Work done is known by the rows of settled batches, never by batch numbers, for sizes change
between runs. A batch that has an intent and isn't settled is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.tables import batches


def rows_to_text(rows: Sequence[int]) -> str:
    """Row numbers as ranges: `[0,1,2,5]` is `0-2,5`."""
    spans: list[list[int]] = []
    for row in sorted(rows):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def rows_from_text(text: str) -> list[int]:
    """The row numbers that `rows_to_text` wrote, ascending."""
    rows: list[int] = []
    for span in filter(None, text.split(",")):
        first, _, last = span.partition("-")
        rows.extend(range(int(first), int(last or first) + 1))
    return rows


@dataclass(frozen=True)
class BatchRow:
    """One batch as the ledger knows it."""

    id: str
    attempt: int
    system: str
    phase: str
    stage: str
    part: str
    rows: tuple[int, ...]
    object: str
    operation: str
    payload: str
    deadline: str
    job: str | None = None  # the vendor's, made for this batch


def intend(tx: Transaction, batch: BatchRow, epoch: int) -> None:
    """Record what is about to be sent. Repeating it for a batch in doubt renews epoch and deadline."""
    tx.put(
        batches,
        id=batch.id,
        attempt=batch.attempt,
        system=batch.system,
        phase=batch.phase,
        stage=batch.stage,
        part=batch.part,
        rows=rows_to_text(batch.rows),
        object=batch.object,
        operation=batch.operation,
        payload=batch.payload,
        epoch=epoch,
        state="intent",
        job=batch.job,
        intended=tx.at,
        deadline=batch.deadline,
        done=0,
        refused=0,
        held=0,
    )


def keep(tx: Transaction, batch: BatchRow, epoch: int) -> None:
    """Enter rows that a former attempt has done and that still stand: they are done in this one, too."""
    intend(tx, batch, epoch)
    settle(tx, batch.id, done=len(batch.rows), refused=0, held=0)


def extend(tx: Transaction, id: str, deadline: str) -> None:
    """A call of this batch may land until `deadline`."""
    tx.sql.execute(batches.update().where(batches.c.id == id).values(deadline=deadline))


def note_job(tx: Transaction, id: str, job: str) -> None:
    """A vendor's job carries this batch; it isn't released before this is durable."""
    tx.sql.execute(batches.update().where(batches.c.id == id).values(job=job))


def settle(
    tx: Transaction,
    id: str,
    *,
    done: int,
    refused: int,
    held: int,
    state: Literal["settled", "seen"] = "settled",
) -> None:
    """The batch's outcomes are in the journal; its rows are done.

    Args:
        state: `seen`, where a rollback only looked at what had landed: no other attempt may take its rows as
            done.
    """
    tx.sql.execute(
        batches.update()
        .where(batches.c.id == id)
        .values(state=state, settled=tx.at, done=done, refused=refused, held=held)
    )


def _of(row: Any) -> BatchRow:
    return BatchRow(
        row.id, row.attempt, row.system, row.phase, row.stage, row.part, tuple(rows_from_text(row.rows)),
        row.object, row.operation, row.payload, row.deadline, row.job,
    )  # fmt: skip


def in_doubt(ledger: Ledger, attempt: int | None = None, phases: Iterable[str] = ()) -> list[BatchRow]:
    """Batches with an intent and no settlement, oldest first."""
    query = sa.select(batches).where(batches.c.state == "intent").order_by(batches.c.intended, batches.c.id)
    if attempt is not None:
        query = query.where(batches.c.attempt == attempt)
    if wanted := list(phases):
        query = query.where(batches.c.phase.in_(wanted))
    return [_of(row) for row in ledger.read(query)]


def rows_done(ledger: Ledger, attempt: int, stage: str, part: str, *, settled: bool = False) -> set[int]:
    """Rows of a part that have a batch already, settled or in doubt.

    Args:
        settled: without those in doubt.
    """
    query = sa.select(batches.c.rows).where(
        batches.c.attempt == attempt,
        batches.c.stage == stage,
        batches.c.part == part,
        batches.c.phase != "replay",
    )
    if settled:
        query = query.where(batches.c.state == "settled")
    done: set[int] = set()
    for (text,) in ledger.read(query):
        done.update(rows_from_text(text))
    return done


def last_deadline(ledger: Ledger, system: str) -> str | None:
    """The latest moment at which a call that is in doubt can land on a system."""
    query = sa.select(sa.func.max(batches.c.deadline)).where(
        batches.c.system == system, batches.c.state == "intent"
    )
    value = ledger.value(query)
    return None if value is None else str(value)
