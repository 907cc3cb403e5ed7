"""To which checkpoint does a rollback go, and which can't be returned to any more? By the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from migrate_rollback import attempts, cohort
from migrate_rollback.scope import Scope

import migrate.ledger.migrations as ours
from migrate.clock import stamp
from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.ledger.tables import attempts as attempt_rows
from migrate.ledger.tables import checkpoints, rollbacks
from migrate.stages.checkpoint import all_of
from tests.unit.bench import HandClock


class Books:
    """A ledger that a test writes by hand; each entry is a minute later."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.ledger = Ledger(folder / "ledger.db", self.clock)

    def _at(self) -> str:
        self.clock.at += timedelta(minutes=1)
        return stamp(self.clock.at)

    def point(self, name: str, attempt: int, segment: int, kind: str = "load", base: str = "") -> None:
        baseline = {} if base else {"deals": f"baseline/{name}"}
        with self.ledger.write() as tx:
            tx.put(
                checkpoints, name=name, attempt=attempt, at=self._at(), segment=segment, watermarks="{}",
                baseline=json.dumps(baseline), window_end=None, kind=kind, base=base or None,
            )  # fmt: skip

    def attempt(self, number: int, state: str = "open") -> None:
        with self.ledger.write() as tx:
            tx.put(attempt_rows, number=number, state=state, opened=self._at(), closed=None, plan=None)

    def back(self, attempt: int, scope: Scope, state: str = "rolled_back") -> None:
        with self.ledger.write() as tx:
            tx.put(
                rollbacks,
                attempt=attempt,
                checkpoint=scope.to,
                scope=scope.text(),
                began=self._at(),
                ended=None,
            )
        self.attempt(attempt, state)
        self.attempt(attempt + 1)

    def to(self, scope: Scope | None = None) -> tuple[int, str, str]:
        chosen = attempts.choose(self.ledger, scope)
        return chosen.number, chosen.state, chosen.point.name

    def returnable(self) -> list[str]:
        return [each.point.name for each in attempts.listed(self.ledger) if each.returnable]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path)
    made.attempt(1)
    made.point("before-load-1", 1, 10)
    made.point("before-load-1.deals", 1, 20, "wave", "before-load-1")
    yield made
    made.ledger.close()


def test_without_a_choice_everything_since_the_first_load_goes(books: Books) -> None:
    assert books.to() == (1, "open", "before-load-1")
    assert books.to(Scope("before-load-1.deals")) == (1, "open", "before-load-1.deals")
    assert all_of(books.ledger)[1].baseline == {"deals": "baseline/before-load-1"}


def test_after_a_part_and_a_load_both_are_undone(books: Books) -> None:
    books.back(1, Scope("before-load-1", ("deals",)))
    books.point("before-load-2", 2, 40)
    assert books.to() == (2, "open", "before-load-1")
    assert books.to(Scope("before-load-2")) == (2, "open", "before-load-2")


def test_after_all_of_it_the_next_load_begins_anew(books: Books) -> None:
    books.back(1, Scope("before-load-1"))
    assert books.to() == (1, "rolled_back", "before-load-1")
    books.point("before-load-2", 2, 40)
    assert books.to() == (2, "open", "before-load-2")


def test_after_a_part_nothing_more_is_undone_unless_it_is_named(books: Books) -> None:
    part = Scope("before-load-1", ("deals",))
    books.back(1, part)
    assert books.to() == books.to(part) == books.to(Scope(objects=("deals",))) == (
        1, "rolled_back", "before-load-1"
    )  # fmt: skip
    assert books.to(Scope("before-load-1")) == (2, "open", "before-load-1")


def test_an_unfinished_one_is_gone_on_with_and_no_other_begins(books: Books) -> None:
    books.back(1, Scope("before-load-1", ("deals",)), "rolling_back")
    assert books.to() == (1, "rolling_back", "before-load-1")
    with pytest.raises(UsageError, match="unfinished"):
        books.to(Scope("before-load-1"))


def test_points_that_were_passed_are_refused_and_those_of_then_stay(books: Books) -> None:
    books.back(1, Scope("before-load-1"))
    books.point("before-load-2", 2, 40)
    assert books.returnable() == ["before-load-1", "before-load-2"]
    with pytest.raises(UsageError, match="went back past it"):
        books.to(Scope("before-load-1.deals"))
    with pytest.raises(UsageError, match="There is no checkpoint `x`"):
        books.to(Scope("x"))


def test_a_ledger_of_before_knows_its_checkpoints_and_its_rollbacks(tmp_path: Path) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    file = tmp_path / "ledger.db"
    scripts = ScriptDirectory(str(Path(ours.__file__).parent))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"fn": lambda revision, _: scripts._upgrade_revs("0006", revision)}
        )
        with Operations.context(context):
            context.run_migrations()
        connection.execute(
            sa.text(
                """INSERT INTO checkpoints (name, attempt, at, segment, watermarks, baseline, window_end)
                VALUES ('before-load-1', 1, '2026-11-01T00:00:00.000000Z', 3, '{}', '{"deals": "b"}', NULL)"""
            )
        )
        for number, state in ((1, "rolling_back"), (2, "open")):
            connection.execute(
                sa.text("INSERT INTO attempts (number, state, opened) VALUES (:n, :s, 'x')"),
                {"n": number, "s": state},
            )
    engine.dispose()
    ledger = Ledger(file, HandClock())
    [point] = all_of(ledger)
    assert (point.kind, point.base, point.read_at, point.facts) == ("load", None, 3, {})
    chosen = attempts.choose(ledger)
    assert (chosen.number, chosen.state, chosen.scope) == (1, "rolling_back", Scope("before-load-1"))
    ledger.close()


def test_a_cohort_names_its_object_before_a_colon_that_is_no_cast() -> None:
    named = cohort._NAMED.fullmatch("Account: Region = 'EMEA'")
    assert named is not None
    assert (named[1], named[2]) == ("Account", "Region = 'EMEA'")
    assert cohort._NAMED.fullmatch("Amount::INT > 5") is None
