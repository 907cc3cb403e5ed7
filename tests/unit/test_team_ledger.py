"""A team's ledger lies in PostgreSQL: it is one workspace's, is missed when away, and tells no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from migrate.clock import SystemClock
from migrate.errors import LedgerAway, UsageError
from migrate.ledger import Ledger, backends, tables
from migrate.workspace import Workspace

PLAN = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_"}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
objects:
  - {source: Account, target: companies, fields: {name: Name}}
"""


def workspace(root: Path, url: str = "") -> Workspace:
    root.mkdir(exist_ok=True)
    (root / "plan.yaml").write_text(PLAN)
    return Workspace(root, {"MIGRATE_LEDGER": url} if url else {})


def test_two_hosts_of_a_team_see_one_ledger(tmp_path: Path, database: str) -> None:
    one, other = workspace(tmp_path, database), workspace(tmp_path, database)
    with one.ledger.write() as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=3)
    assert other.ledger.watermark("Account") == ("w", 3)
    assert not (tmp_path / ".migrate" / "ledger.db").exists()
    one.close()
    other.close()


def test_a_workspace_whose_ledger_is_a_teams_is_not_opened_without_it(tmp_path: Path, database: str) -> None:
    with_it = workspace(tmp_path, database)
    assert with_it.ledger.attempt() == 1
    with_it.close()
    with pytest.raises(UsageError, match="ledger is postgresql://postgres@/postgres"):
        _ = workspace(tmp_path).ledger
    assert not (tmp_path / ".migrate" / "ledger.db").exists()


def test_a_workspace_with_a_file_takes_no_other_ledger(tmp_path: Path, database: str) -> None:
    alone = workspace(tmp_path)
    assert alone.ledger.attempt() == 1
    alone.close()
    with pytest.raises(UsageError, match="MIGRATE_LEDGER names another one"):
        _ = workspace(tmp_path, database).ledger


def test_a_database_is_one_workspaces(tmp_path: Path, database: str) -> None:
    first = workspace(tmp_path / "a", database)
    assert first.ledger.attempt() == 1
    second = workspace(tmp_path / "b", database)
    with pytest.raises(UsageError, match="the ledger of another workspace"):
        _ = second.ledger
    again = workspace(tmp_path / "a", database)
    assert again.ledger.attempt() == 1
    first.close()
    again.close()


def test_a_start_that_was_cut_short_before_the_database_was_bound_goes_on(
    tmp_path: Path, database: str
) -> None:
    made = workspace(tmp_path, database)
    made.place.make()
    (tmp_path / ".migrate" / "ledger.json").write_text(json.dumps({"id": "abc", "place": ""}))
    assert made.ledger.value(sa.select(tables.owner.c.workspace)) == "abc"
    made.close()


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(LedgerAway) as away:
        Ledger("postgresql://ann:s3cret@127.0.0.1:1/migrate", SystemClock())
    assert "postgresql://ann@127.0.0.1:1/migrate is out of reach" in str(away.value)
    assert "s3cret" not in str(away.value) + repr(away.value)


def test_a_url_that_is_none_is_a_mistake_of_usage() -> None:
    with pytest.raises(UsageError, match="URL can't be read"):
        Ledger("not a url", SystemClock())


def test_a_server_that_ends_a_transaction_is_away_and_nothing_of_it_stays(database: str) -> None:
    ledger = Ledger(database, SystemClock())
    with pytest.raises(LedgerAway), ledger.write() as tx:
        tx.put(tables.watermarks, object="Account", value="w", generation=1)
        tx.sql.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert ledger.watermark("Account") is None  # on a new connection
    ledger.close()


def test_a_step_that_is_alone_keeps_out_other_machines_and_ends_with_its_process(database: str) -> None:
    one, other = Ledger(database, SystemClock()), Ledger(database, SystemClock())
    with one.alone("ready") as ours:
        assert ours
        with other.alone("ready") as theirs, other.alone("ready", shared=True) as reading:
            assert (theirs, reading) == (False, False)
        with other.alone("extract") as another:
            assert another
    with one.alone("ready", shared=True) as ours, other.alone("ready", shared=True) as theirs:
        assert (ours, theirs) == (True, True)
    with other.alone("ready") as again:
        assert again
    one.close()
    other.close()


def test_a_step_whose_lock_was_lost_with_its_connection_writes_nothing_more(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "CHECK_SECONDS", 0.0)
    ledger, other = Ledger(database, SystemClock()), Ledger(database, SystemClock())
    with ledger.alone("ready"):
        end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        with other.write() as tx:
            tx.sql.execute(sa.text(f"{end} AND pid <> pg_backend_pid()"))
        with pytest.raises(LedgerAway), ledger.write() as tx:
            tx.put(tables.watermarks, object="Account", value="w", generation=1)
        with other.alone("ready") as theirs:
            assert theirs
    assert other.watermark("Account") is None
    ledger.close()
    other.close()
