"""What was committed is there; what a stale process writes isn't; and one holder at a time has a lease."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.clock import parse_stamp, stamp
from migrate.errors import Damaged, LeaseHeld, LeaseLost, NoSpace, UsageError
from migrate.ledger import BatchRow, Lease, Ledger, leases, rows_from_text, rows_to_text, tables
from migrate.ledger import batches as book
from migrate.ledger.leases import this_process
from tests.unit.bench import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger can lie: a file, a database of a real server."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    return str(request.getfixturevalue("database"))


@pytest.fixture
def ledger(place: Path | str, clock: HandClock) -> Iterator[Ledger]:
    made = Ledger(place, clock)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path, clock: HandClock) -> Ledger:
    return Ledger(tmp_path / "ledger.db", clock)


def batch(id: str, rows: tuple[int, ...], **more: Any) -> BatchRow:
    facts = {
        "attempt": 1, "system": "new", "phase": "load", "stage": "ready/A/g0000", "part": "p",
        "object": "companies", "operation": "create", "payload": "-",
        "deadline": stamp(HandClock().now()), **more,
    }  # fmt: skip
    return BatchRow(id=id, rows=rows, **facts)


def shape(engine: sa.Engine) -> dict[str, Any]:
    """Columns of each table with their nullability, and its primary key."""
    look = sa.inspect(engine)
    found = {
        name: (
            sorted((column["name"], column["nullable"]) for column in look.get_columns(name)),
            look.get_pk_constraint(name)["constrained_columns"],
        )
        for name in look.get_table_names()
        if name != "alembic_version"
    }
    engine.dispose()
    return found


# -- the file ---------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(ledger: Ledger, tmp_path: Path) -> None:
    other = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    tables.metadata.create_all(other)
    assert shape(ledger.backend.engine()) == shape(other)


def test_a_ledger_that_is_there_is_opened_as_it_was(
    ledger: Ledger, place: Path | str, clock: HandClock
) -> None:
    with ledger.write() as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=3)
    ledger.close()
    again = Ledger(place, clock)
    assert again.watermark("Account") == ("w", 3)
    again.close()


def test_several_processes_may_open_a_new_workspace_at_once(place: Path | str, clock: HandClock) -> None:
    errors: list[Exception] = []

    def begin() -> None:
        try:
            Ledger(place, clock).close()
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_commits_are_flushed_before_they_return(file: Ledger) -> None:
    with file.write() as tx:
        assert tx.sql.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert tx.sql.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_file_that_is_no_ledger_is_damaged(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database, but long enough to be taken for one " * 100)
    with pytest.raises(Damaged, match="not a readable ledger"):
        Ledger(path, clock)


def test_a_ledger_of_a_later_version_is_not_touched(
    ledger: Ledger, place: Path | str, clock: HandClock
) -> None:
    with ledger.write() as tx:
        tx.sql.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Damaged, match=r"later version \(9999\)"):
        Ledger(place, clock)


def test_a_disk_that_refuses_is_no_space(tmp_path: Path, clock: HandClock) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(NoSpace):
        Ledger(tmp_path / "ledger.db", clock)


# -- transactions -----------------------------------------------------------------------------


def test_all_of_a_transaction_happens_or_nothing(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.write() as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=1)
        raise ZeroDivisionError
    assert ledger.watermark("Account") is None


def test_a_writer_holds_the_file_from_its_begin_so_that_none_is_second_at_commit(file: Ledger) -> None:
    other = sqlite3.connect(file.backend.name, timeout=0, isolation_level=None)
    with file.write():
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM batches").fetchone() == (0,)  # a reader isn't held up
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_readers_see_what_was_committed_last(ledger: Ledger) -> None:
    with ledger.write() as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=1)
        assert ledger.watermark("Account") is None
    assert ledger.watermark("Account") == ("w", 1)


def test_put_replaces_the_row_with_the_same_key(ledger: Ledger) -> None:
    for value in ("a", "b"):
        with ledger.write() as tx:
            tx.put(tables.watermarks, object="Account", value=value, generation=1)
    assert ledger.read(sa.select(tables.watermarks.c.value)) == [("b",)]


def test_a_system_that_was_not_discovered_says_so(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="migrate discover"):
        ledger.system("new")


def test_events_are_a_chain_in_which_a_change_shows(ledger: Ledger, clock: HandClock) -> None:
    for number in range(4):
        clock.sleep(1)
        with ledger.write() as tx:
            tx.event("ann", "approved", number=number)
    rows = ledger.read(sa.select(tables.events).order_by(tables.events.c.number))
    assert [row.previous for row in rows] == ["", *(row.digest for row in rows[:-1])]
    assert len({row.digest for row in rows}) == 4
    with ledger.write() as tx:
        tx.event("ann", "approved", number=3)  # the same again, at the same moment, is another event
    assert len(ledger.read(sa.select(tables.events))) == 5


# -- batches ----------------------------------------------------------------------------------


@given(rows=st.sets(st.integers(0, 60)))
def test_row_numbers_come_back_from_their_ranges(rows: set[int]) -> None:
    text = rows_to_text(list(rows))
    assert rows_from_text(text) == sorted(rows)
    spans = sum(row - 1 not in rows for row in rows)
    assert len(text.split(",")) == max(spans, 1)


def test_rows_are_ranges() -> None:
    assert rows_to_text([5, 0, 1, 2]) == "0-2,5"


def test_an_intent_is_in_doubt_until_it_is_settled(ledger: Ledger) -> None:
    with ledger.write() as tx:
        book.intend(tx, batch("b1", (0, 1)), 1)
        book.intend(tx, batch("b2", (4,)), 1)
    assert [found.id for found in book.in_doubt(ledger)] == ["b1", "b2"]
    with ledger.write() as tx:
        book.settle(tx, "b1", done=2, refused=0, held=0)
    assert [(found.id, found.rows) for found in book.in_doubt(ledger)] == [("b2", (4,))]
    assert book.rows_done(ledger, 1, "ready/A/g0000", "p") == {0, 1, 4}


def test_work_of_another_attempt_part_or_replay_is_not_this_ones(ledger: Ledger) -> None:
    with ledger.write() as tx:
        others: dict[str, dict[str, Any]] = {
            "a": {"attempt": 2},
            "b": {"part": "q"},
            "c": {"phase": "replay"},
        }
        for id, more in others.items():
            book.intend(tx, batch(id, (0,), **more), 1)
    assert book.rows_done(ledger, 1, "ready/A/g0000", "p") == set()
    assert [found.id for found in book.in_doubt(ledger, 1, ("replay",))] == ["c"]


def test_the_last_landing_is_that_of_the_latest_call_in_doubt(ledger: Ledger, clock: HandClock) -> None:
    late = stamp(clock.now() + timedelta(minutes=5))
    with ledger.write() as tx:
        book.intend(tx, batch("b1", (0,)), 1)
        book.intend(tx, batch("b2", (1,)), 1)
        book.extend(tx, "b2", late)
    assert book.last_deadline(ledger, "new") == late
    with ledger.write() as tx:
        book.settle(tx, "b2", done=1, refused=0, held=0)
    assert book.last_deadline(ledger, "new") == stamp(clock.now())
    assert book.last_deadline(ledger, "old") is None


# -- leases -----------------------------------------------------------------------------------


def held_by(ledger: Ledger, **facts: Any) -> None:
    """Somebody else's lease, as another process would have written it."""
    me = this_process()
    row = {
        "system": "new", "epoch": 7, "holder": "bob", "host": me.host, "boot": me.boot, "pid": 1,
        "process": leases.start_of(1), "since": "s",
        "until": stamp(ledger.clock.now() + timedelta(minutes=5)),
    }  # fmt: skip
    with ledger.write() as tx:
        tx.put(tables.leases, **{**row, **facts})


def test_a_lease_is_refused_while_its_holder_lives_and_says_who_and_where(ledger: Ledger) -> None:
    held_by(ledger)
    with pytest.raises(LeaseHeld) as caught:
        Lease.take(ledger, "new", 60)
    assert caught.value.holder == "bob (process 1)"
    assert caught.value.host == this_process().host
    assert Lease.take(ledger, "old", 60).epoch == 1  # another system is another lease


@pytest.mark.parametrize(
    "facts",
    [
        {"pid": 2**22 - 7, "process": "1"},  # no such process
        {"process": "12345678901"},  # the number is another process's now
        {"holder": None},
        {"until": stamp(HandClock().now())},
        {"until": stamp(HandClock().now()), "host": "another"},
    ],
    ids=["gone", "pid used again", "given back", "ended", "ended elsewhere"],
)
def test_a_lease_is_free_when_it_ended_or_its_holder_is_proved_dead(
    ledger: Ledger, facts: dict[str, Any]
) -> None:
    held_by(ledger, **facts)
    assert Lease.take(ledger, "new", 60).epoch == 8


@pytest.mark.parametrize(
    "facts",
    [
        {"host": "another", "boot": "theirs", "pid": 2**22 - 7},
        {"boot": "", "pid": 2**22 - 7},
        {"host": "another", "boot": "", "pid": this_process().pid, "process": this_process().start},
    ],
    ids=["on another host", "no proof", "same number elsewhere"],
)
def test_nobody_is_taken_for_dead_without_proof(ledger: Ledger, facts: dict[str, Any]) -> None:
    held_by(ledger, **facts)
    with pytest.raises(LeaseHeld):
        Lease.take(ledger, "new", 60)


def test_another_boot_is_proof_only_where_all_are_on_one_host(ledger: Ledger) -> None:
    held_by(ledger, boot="another boot, or another machine of the same name")
    if ledger.backend.one_host:
        assert Lease.take(ledger, "new", 60).epoch == 8
    else:
        with pytest.raises(LeaseHeld):
            Lease.take(ledger, "new", 60)


def test_a_stale_process_writes_nothing(ledger: Ledger, clock: HandClock) -> None:
    stale = Lease.take(ledger, "new", 60)
    clock.sleep(61)
    fresh = Lease.take(ledger, "new", 60)
    assert fresh.epoch == stale.epoch + 1
    with pytest.raises(LeaseLost), ledger.write(stale) as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=1)
    assert ledger.watermark("Account") is None
    with pytest.raises(LeaseLost):
        stale.guard(1)
    stale.release()
    with ledger.write(fresh):
        pass


def test_a_lease_taken_over_before_its_end_is_lost_at_the_next_call(ledger: Ledger) -> None:
    lease = Lease.take(ledger, "new", 600)
    lease.guard(1)
    held_by(ledger)
    with pytest.raises(LeaseLost, match="taken over"):
        lease.guard(1)


def test_a_lease_is_renewed_while_it_is_used_and_ends_where_it_isn_t(
    ledger: Ledger, clock: HandClock
) -> None:
    lease = Lease.take(ledger, "new", 100)
    for _ in range(10):
        clock.sleep(40)
        assert lease.guard(30) == clock.now() + timedelta(seconds=30)
    clock.sleep(101)
    assert lease.guard(30) == clock.now() + timedelta(seconds=30)  # nobody wanted it meanwhile
    clock.sleep(101)
    held_by(ledger)
    with pytest.raises(LeaseLost, match="taken over"):
        lease.guard(30)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.floats(0, 90), st.floats(0.5, 100)), max_size=15))
def test_no_call_that_the_guard_lets_go_outlasts_the_lease(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, float]]
) -> None:
    clock = HandClock()
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.db", clock)
    lease = Lease.take(ledger, "new", 100)
    for wait, call in steps:
        clock.sleep(wait)
        try:
            deadline = lease.guard(call)
        except LeaseLost:
            break
        until = ledger.value(sa.select(tables.leases.c.until))
        assert clock.now() < deadline <= parse_stamp(until)
    ledger.close()


def test_a_lease_given_back_is_free_and_writes_no_more(ledger: Ledger) -> None:
    lease = Lease.take(ledger, "new", 60)
    lease.release()
    with pytest.raises(LeaseLost), ledger.write(lease):
        pass
    assert Lease.take(ledger, "new", 60).epoch == 2
