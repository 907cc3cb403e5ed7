"""A person who was erased is in no file of the workspace; everybody else's data still move, and go back."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from migrate_rollback import plan as plan_rollback
from migrate_rollback import verify

from migrate.connector import Who
from migrate.cutover import trail
from migrate.engine import Engine
from migrate.errors import Damaged, UsageError
from migrate.ledger.cutovers import MOVED
from migrate.stages.care import moves
from migrate.stages.care import purge as module
from migrate.stages.care.fsck import fsck
from migrate.stages.care.purge import Purged, purge
from migrate.workspace import Workspace
from tests.unit.care_case import made
from tests.unit.two_systems import Move

ADOPTED, CREATED = "p1@old.test", "p2@old.test"  # contact C1 stood in the target already, C2 didn't


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    """Loaded and validated; a note of a company names a person, too, in another spelling."""
    move = made(tmp_path / "w", engine, accounts=3, contacts=4)
    move.source.put("Account", "A7", Name=f"Owned by {CREATED.upper()} alone")
    move.move()
    move.validate()
    refused = json.dumps({"refusals": [{"reason": f"{CREATED} is taken by {ADOPTED}"}]})
    move.workspace.storage.write("cutover/rehearsals/r.json", refused.encode())
    with move.workspace.ledger.write() as tx:
        tx.event("ada", "said", words=f"ask {CREATED} and {ADOPTED}")
    return move


def mentions(root: Path, word: str) -> list[str]:
    """Files that hold a word, whatever they are packed in."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and any(word.lower() in each.lower() for each in texts(path)):
            found.append(str(path.relative_to(root)))
    return found


def texts(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    yield content.decode("utf-8", errors="replace")
    if path.suffix == ".parquet":
        for row in pq.read_table(path).to_pylist():
            yield str(row)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            for name in opened.namelist():
                yield opened.read(name).decode("utf-8", errors="replace")
    elif path.suffix == ".gz":
        yield gzip.decompress(content).decode("utf-8", errors="replace")
    elif content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as opened:
            for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in opened.execute(f"SELECT * FROM {name}").fetchall():
                    yield str(row)


def state(move: Move) -> Path:
    return move.root / ".migrate"


def whole(move: Move) -> None:
    assert [each for each in fsck(move.workspace, deep=True).findings if each.counts] == []


def live(move: Move) -> dict[str, dict[str, Any]]:
    return {record.id: record.values for record in move.target.records.values() if record.live}


@pytest.mark.parametrize("given", [CREATED, CREATED.upper(), "src.Contact.C2"])
def test_no_file_names_them_and_everything_still_goes_back(move: Move, given: str) -> None:
    assert len(mentions(state(move), CREATED)) > 5
    said = purge(move.workspace, given, dry_run=True)
    assert len(mentions(state(move), CREATED)) > 5

    done: Purged = purge(move.workspace, given)

    assert mentions(state(move), CREATED) == []
    assert mentions(state(move), "Person 2") == []
    assert mentions(state(move), "Person 3") != []
    assert said.records == done.records == {"Contact": 1, "contacts": 1}
    assert {each for each in said.rewritten if each.startswith("stage/")} <= set(done.rewritten)
    assert done.lost == {}
    whole(move)
    calls = move.target.calls
    assert not any(tally["create"] or tally["delete"] for tally in move.load().objects.values())
    assert move.target.calls == calls
    move.roll_back()
    assert [each["name"] for each in live(move).values()] == ["Stood here"]
    assert verify(move.workspace).words.startswith("pass, 0 held")


@pytest.mark.long
def test_a_kept_plan_whose_overrides_name_them_goes_as_a_whole(move: Move) -> None:
    plans = state(move) / "plans"
    (folder,) = plans.iterdir()
    (folder / "overrides.csv").write_text(f"key,field,old,new,who,why\nx,email,{CREATED},,ada,typo\n")

    done = purge(move.workspace, CREATED)

    assert mentions(state(move), CREATED) == []
    assert [path for path in plans.rglob("*") if path.is_file()] == []
    assert f"plans/{folder.name}/overrides.csv" in done.removed
    whole(move)


@pytest.mark.long
def test_what_was_kept_for_the_way_back_goes_once_every_cohort_is_sealed(move: Move) -> None:
    kept = state(move) / "reverse" / ".migrate" / "stage" / "part.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text(f"as it was: {CREATED}")
    ledger = move.workspace.ledger
    trail.append(ledger, "Max", MOVED, cohort="all", **{"from": "switching", "to": "switched"})

    done = purge(move.workspace, CREATED)
    assert kept.exists(), "there is a way back"
    assert any("still open" in each for each in done.left)

    trail.append(ledger, "Max", MOVED, cohort="all", **{"from": "switched", "to": "sealed"})
    assert any("reverse/" in each for each in purge(move.workspace, CREATED, dry_run=True).removed)
    assert kept.exists()
    done = purge(move.workspace, CREATED)
    assert not kept.exists()
    assert not any("still open" in each for each in done.left)


@pytest.mark.long
def test_a_record_that_we_had_changed_is_named_as_lost(move: Move) -> None:
    id = move.there("Contact", "C1").id
    done = purge(move.workspace, ADOPTED)

    assert done.lost == {"contacts": [id]}
    assert mentions(state(move), ADOPTED) == []
    whole(move)
    groups = {
        (each.object, each.action, each.code): each.count for each in plan_rollback(move.workspace).groups
    }
    assert groups["contacts", "can't", "lost"] == 1
    move.roll_back()
    assert set(live(move)) == {id}
    assert verify(move.workspace).words.startswith("pass, 1 held")


@pytest.mark.long
def test_who_was_erased_before_the_load_is_never_sent(tmp_path: Path, engine: Engine) -> None:
    move = made(tmp_path / "w", engine, accounts=3, contacts=4)
    move.stage()
    purge(move.workspace, CREATED)

    loaded = move.load()

    assert loaded.objects["Contact"]["create"] == 2
    assert CREATED not in [values.get("email") for values in live(move).values()]
    del move.source.rows["Contact"]["C2"]  # erased there, too: else the next extract would read it again
    move.source.put("Contact", "C9", LastName="New", Email="p9@old.test", AccountId="A1")
    move.move(delta=True)
    assert CREATED not in [values.get("email") for values in live(move).values()]
    assert len(live(move)) == 3 + 3 + 1


@pytest.mark.long
@pytest.mark.parametrize("at", ["list", "moves", "ledger"])
def test_a_purge_that_was_cut_short_is_told_and_made_to_its_end(
    move: Move, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Exception):
        pass

    real = moves._manifests

    def cut(*_: Any) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        if at == "list":
            patch.setattr(module, "write_aside", cut)
        elif at == "moves":
            patch.setattr(moves, "_manifests", cut)
        else:

            def after(workspace: Workspace, parts: dict[str, Any]) -> None:
                real(workspace, parts)
                cut()

            patch.setattr(moves, "_manifests", after)
        with pytest.raises(Cut):
            purge(move.workspace, CREATED)
    if at != "list":
        assert any("purge was cut short" in each.what for each in fsck(move.workspace).findings)
        with pytest.raises(Damaged):
            move.roll_back()

    purge(move.workspace, CREATED)

    assert mentions(state(move), CREATED) == []
    assert not (state(move) / "purging").exists()
    whole(move)
    move.roll_back()
    assert [each["name"] for each in live(move).values()] == ["Stood here"]


@pytest.mark.long
def test_the_trail_says_that_somebody_was_erased_and_not_who(move: Move) -> None:
    purge(move.workspace, CREATED)
    with closing(sqlite3.connect(state(move) / "ledger.db")) as opened:
        [facts] = [json.loads(f) for (f,) in opened.execute("SELECT facts FROM events WHERE what = 'purge'")]
    assert set(facts) == {"salt", "subject", "keys"}
    assert len(facts["subject"]) == 64


@pytest.mark.long
def test_what_is_nobody_is_refused(move: Move) -> None:
    with pytest.raises(UsageError, match="neither an e-mail address nor a migration key"):
        purge(move.workspace, "Ada Lovelace")
    move.target.write(move.there("Account", "A1"), {"note": "x"}, Who.PERSON)
    assert purge(move.workspace, "nobody@nowhere.test", dry_run=True).records == {}


def test_the_trail_is_whole_after_a_purge_and_shows_what_is_cut_after_it(move: Move) -> None:
    workspace = move.workspace
    trail.note(workspace, "reports/before")
    move.clock.sleep(1)

    purge(move.workspace, CREATED)

    assert trail.verify(move.workspace) == []
    trail.append(workspace.ledger, "ada", "said")
    trail.append(workspace.ledger, "ada", "said")
    with closing(sqlite3.connect(move.root / ".migrate" / "ledger.db")) as file, file:
        file.execute("DELETE FROM events WHERE number = (SELECT max(number) FROM events)")
    assert any("tail was cut" in flaw for flaw in trail.verify(move.workspace))
