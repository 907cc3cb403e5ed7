"""A link lets in its person, once, in time, for one thing; and the ledger can't tell what the link is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from migrate.cutover import tokens
from migrate.errors import UsageError
from migrate.ledger import Ledger, tables
from tests.unit.bench import HandClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Iterator[Ledger]:
    sqlite = request.param == "sqlite"
    made = Ledger(tmp_path / "ledger.db" if sqlite else request.getfixturevalue("database"), clock)
    yield made
    made.close()


def test_a_link_lets_its_person_in_once(ledger: Ledger) -> None:
    token = tokens.make(ledger, "console", "Ada Example", HOUR, who="max@host")
    assert tokens.peek(ledger, token, "console") == "Ada Example"
    assert tokens.redeem(ledger, token, "console") == "Ada Example"
    assert tokens.redeem(ledger, token, "console") is None
    assert tokens.peek(ledger, token, "console") is None


def test_a_link_opens_nothing_but_what_it_was_made_for(ledger: Ledger) -> None:
    token = tokens.make(ledger, "approve:pilot", "Ada Example", HOUR)
    assert tokens.redeem(ledger, token, "console") is None
    assert tokens.redeem(ledger, token, "approve:all") is None
    assert tokens.redeem(ledger, token, "approve:pilot") == "Ada Example"


def test_a_link_ends_with_its_time(ledger: Ledger, clock: HandClock) -> None:
    token = tokens.make(ledger, "console", "Ada Example", HOUR)
    clock.sleep(3600)
    assert tokens.redeem(ledger, token, "console") is None


def test_of_many_clicks_at_once_one_is_let_in(ledger: Ledger) -> None:
    token = tokens.make(ledger, "console", "Ada Example", HOUR)
    let_in: list[str | None] = []
    start = threading.Barrier(8)

    def click() -> None:
        start.wait()
        let_in.append(tokens.redeem(ledger, token, "console"))

    threads = [threading.Thread(target=click) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(let_in, key=str) == ["Ada Example", *[None] * 7]


def test_what_a_token_is_stands_nowhere_and_no_copy_has_its_digest(ledger: Ledger) -> None:
    token = tokens.make(ledger, "console", "Ada Example", HOUR)
    ledger.keep_copy()
    rows = [
        str(tuple(row)) for table in tables.metadata.sorted_tables for row in ledger.read(sa.select(table))
    ]
    assert any(tokens.digest_of(token) in row for row in rows)
    assert not any(token in row for row in rows)
    assert tokens.digest_of(token).encode() not in ledger.copy()


def test_making_and_using_stand_in_the_trail(ledger: Ledger) -> None:
    tokens.redeem(ledger, tokens.make(ledger, "console", "Ada Example", HOUR, who="max@host"), "console")
    query = sa.select(tables.events.c.who, tables.events.c.what).order_by(tables.events.c.number)
    assert [tuple(row) for row in ledger.read(query)] == [
        ("max@host", "link made"), ("Ada Example", "link used"),
    ]  # fmt: skip


def test_a_withdrawn_link_lets_nobody_in(ledger: Ledger) -> None:
    token = tokens.make(ledger, "console", "Ada Example", HOUR)
    other = tokens.make(ledger, "console", "Bob Example", HOUR)
    assert tokens.withdraw(ledger, "Ada Example", who="max@host") == 1
    assert tokens.redeem(ledger, token, "console") is None
    assert tokens.redeem(ledger, other, "console") == "Bob Example"


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(days=-1), timedelta(days=31)])
def test_a_link_has_an_end_and_not_a_far_one(ledger: Ledger, ttl: timedelta) -> None:
    with pytest.raises(UsageError, match="30 days"):
        tokens.make(ledger, "console", "Ada Example", ttl)


@pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "a" * 100_000])
def test_what_is_no_token_lets_nobody_in(ledger: Ledger, token: str) -> None:
    assert tokens.redeem(ledger, token, "console") is None
