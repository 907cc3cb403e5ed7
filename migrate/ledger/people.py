"""Who tests which records, and what did they say? Sheets that were handed out, and answers in their order.

An answer is never changed: a later one of the same tester on the same thing takes its place. One that says
the same again is not kept twice, so that a sheet may be read as often as one likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from migrate.ledger.database import Ledger
from migrate.ledger.tables import answers, sheets

WHOLE = ""  # the field of an answer about the record as a whole


@dataclass(frozen=True)
class Handed:
    """A sheet that was handed out. `tester`: an e-mail address; `digest`: of what stands in it."""

    id: str
    tester: str
    attempt: int
    digest: str
    records: int
    at: str


@dataclass(frozen=True)
class Answer:
    """What a tester said of a field of a record, or of the whole (`WHOLE`).

    `expected`, `found`: the two values that stood in the sheet. `at`: when it was read, ledger time.
    """

    sheet: str
    tester: str
    attempt: int
    entry: str
    key: str
    field: str
    ok: bool
    remark: str
    expected: str | None
    found: str | None
    file: str
    at: str = ""

    @property
    def about(self) -> tuple[str, str, str]:
        """Whose word it is, on what."""
        return self.tester, self.key, self.field


def hand_out(ledger: Ledger, made: Sequence[Handed], *, who: str) -> None:
    """Note sheets, before they are given to anybody."""
    with ledger.write() as tx:
        for each in made:
            tx.sql.execute(sheets.insert().values(**asdict(each)))
        tx.event(who, "sheets made", sheets=len(made), testers=sorted({each.tester for each in made}))


def handed_out(ledger: Ledger, attempt: int | None = None) -> list[Handed]:
    """Every sheet (of an attempt), oldest first."""
    query = sa.select(sheets).order_by(sheets.c.at, sheets.c.id)
    if attempt is not None:
        query = query.where(sheets.c.attempt == attempt)
    return [Handed(*row) for row in ledger.read(query)]


def take_answers(ledger: Ledger, given: Sequence[Answer], *, who: str) -> int:
    """Keep answers that say something new; how many did.

    One that says what the same tester's newest one says isn't kept again, nor is one of a sheet that was made
    before the newest one's: an old file that is read once more takes nothing back.
    """
    attempts = {each.attempt for each in given}
    made = {each.id: (each.at, each.id) for each in handed_out(ledger)}
    with ledger.write() as tx:
        newest: dict[tuple[str, str, str], Answer] = {}
        for row in tx.sql.execute(
            sa.select(answers).where(answers.c.attempt.in_(attempts)).order_by(answers.c.number)
        ):
            one = _answer(row)
            newest[one.about] = one
        number = int(
            tx.sql.execute(sa.select(sa.func.coalesce(sa.func.max(answers.c.number), 0))).scalar_one()
        )
        fresh = 0
        for each in given:
            last = newest.get(each.about)
            if last is not None and (
                (last.sheet, last.ok, last.remark) == (each.sheet, each.ok, each.remark)
                or made[each.sheet] < made[last.sheet]
            ):
                continue
            fresh += 1
            values = asdict(each) | {"number": number + fresh, "ok": int(each.ok), "at": tx.at}
            tx.sql.execute(answers.insert().values(**values))
            newest[each.about] = each
        failed = sum(not each.ok for each in given)
        tx.event(who, "answers taken", answers=len(given), new=fresh, failed=failed)
    return fresh


def standing_answers(ledger: Ledger, attempt: int) -> list[Answer]:
    """The newest answer of each tester on each thing, in the order in which they were given."""
    query = sa.select(answers).where(answers.c.attempt == attempt).order_by(answers.c.number)
    newest: dict[tuple[str, str, str], Answer] = {}
    for row in ledger.read(query):
        one = _answer(row)
        newest.pop(one.about, None)
        newest[one.about] = one
    return list(newest.values())


def _answer(row: Any) -> Answer:
    return Answer(
        row.sheet, row.tester, row.attempt, row.entry, row.key, row.field, bool(row.ok), row.remark,
        row.expected, row.found, row.file, row.at,
    )  # fmt: skip
