"""A team's ledger, on a real server: lost, made anew, copied, and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from migrate_rollback import verify

from migrate.engine import Engine
from migrate.errors import Damaged
from migrate.ledger import tables
from migrate.place import LEDGER, Place
from migrate.stages.care.backup import backup
from migrate.stages.care.fsck import fsck
from migrate.stages.care.purge import purge
from migrate.stages.care.rebuild import rebuild
from migrate.stages.care.restore import restore
from migrate.workspace import Workspace
from tests.unit.care_case import made
from tests.unit.two_systems import Move


@pytest.fixture
def move(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Move]:
    """A loaded workspace whose ledger is the team's."""
    plain, opened = Workspace.__init__, []

    def of_team(self: Workspace, where: Any, environment: Any = None) -> None:
        plain(self, where, {**(environment or {}), LEDGER: database})
        self.place = Place(where, self.environment)
        opened.append(self)

    monkeypatch.setattr(Workspace, "__init__", of_team)
    with Engine(folders=[tmp_path], temp_dir=tmp_path / "spill") as engine:
        move = made(tmp_path / "w", engine, accounts=3, contacts=3)
        move.move()
        yield move
    for each in opened:
        each.forget()


def empty(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def rows(move: Move) -> dict[str, list[dict[str, Any]]]:
    ledger = move.workspace.ledger
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables.metadata.sorted_tables:
        if table.name not in ("leases", "events", "owner"):
            listed = ledger.read(sa.select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row._mapping) for row in listed]
    return found


def back(move: Move) -> None:
    move.roll_back()
    assert [each.values["name"] for each in move.target.records.values() if each.live] == ["Stood here"]
    assert verify(move.workspace).words.startswith("pass, 0 held")


@pytest.mark.long
def test_an_empty_database_is_refused_and_filled_again(move: Move, database: str) -> None:
    empty(database)
    with pytest.raises(Damaged, match="migrate rebuild"):
        move.load()

    found = rebuild(move.workspace)

    assert found.from_copy
    assert [each for each in fsck(move.workspace).findings if each.counts] == []
    assert sum(sum(tally.values()) for tally in move.load().objects.values()) == 0
    back(move)


@pytest.mark.long
def test_a_backup_brings_the_database_back(move: Move, database: str, tmp_path: Path) -> None:
    before = rows(move)
    backup(move.workspace, str(tmp_path / "backups"))
    empty(database)

    restore(move.workspace, str(tmp_path / "backups"), replace=True)

    assert rows(move) == before
    assert [each for each in fsck(move.workspace, deep=True).findings if each.counts] == []
    back(move)


def test_who_is_erased_is_in_no_table_any_more(move: Move, database: str) -> None:
    with move.workspace.ledger.write() as tx:
        tx.event("ada", "said", words="ask p2@old.test")
    purge(move.workspace, "p2@old.test")
    with psycopg.connect(database) as connection:
        for table in tables.metadata.sorted_tables:
            text = str(connection.execute(f"SELECT * FROM {table.name}".encode()).fetchall())
            assert "p2@old.test" not in text, table.name
    assert [each for each in fsck(move.workspace, deep=True).findings if each.counts] == []
    back(move)
