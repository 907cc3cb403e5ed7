"""Does anybody's hand on the record of a cutover show?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cutover import trail
from migrate.ledger.database import event_digest
from migrate.workspace import COPY, TRAIL, Workspace
from tests.unit.test_cli import PLAN


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    made = Workspace(tmp_path, {})
    for number in range(5):
        trail.append(made.ledger, "Ada", "cutover test", cohort="all", evidence="e" * 64, number=number)
    yield made
    made.close()


def edit(workspace: Workspace, sql: str) -> None:
    """Somebody who isn't us writes into the ledger's file."""
    file = sqlite3.connect(workspace.root / ".migrate" / "ledger.db")
    with file:
        file.execute(sql)
    file.close()


def test_an_event_says_who_what_on_which_evidence_and_follows_the_one_before(workspace: Workspace) -> None:
    *_, last, newest = trail.events(workspace.ledger, "cutover test")

    assert (newest.who, newest.cohort, newest.evidence) == ("Ada", "all", "e" * 64)
    assert newest.facts["number"] == 4
    assert newest.previous == last.digest
    assert trail.head(workspace.ledger) == newest.digest


def test_a_trail_that_nobody_touched_is_whole(workspace: Workspace) -> None:
    noted = trail.note(workspace, "reports/one")
    trail.append(workspace.ledger, "Bob", "cutover test")

    assert trail.verify(workspace, [noted, noted[:12]]) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET who = 'Eve' WHERE number = 3",
        "UPDATE events SET facts = replace(facts, '2', '7') WHERE number = 3",
        "UPDATE events SET at = '2020-01-01T00:00:00.000000Z' WHERE number = 1",
        "DELETE FROM events WHERE number = 1",
        "DELETE FROM events WHERE number = 3",
        "DELETE FROM events WHERE number = 5",
        "DELETE FROM events WHERE number > 2",
        "DELETE FROM events",
    ],
)
def test_an_altered_event_one_taken_out_and_a_cut_tail_show(workspace: Workspace, sql: str) -> None:
    edit(workspace, sql)

    assert trail.verify(workspace)


def test_a_tail_that_was_cut_shows_after_going_on(workspace: Workspace) -> None:
    edit(workspace, "DELETE FROM events WHERE number = 5")
    trail.append(workspace.ledger, "Eve", "cutover test")
    trail.append(workspace.ledger, "Eve", "cutover test")

    assert any("tail was cut" in flaw for flaw in trail.verify(workspace))


def test_an_event_that_was_altered_together_with_its_digest_shows(workspace: Workspace) -> None:
    last = trail.events(workspace.ledger)[-1]
    facts = json.dumps({**last.facts, "number": 9}, sort_keys=True)
    digest = event_digest(last.previous, last.at, last.who, last.what, facts)
    edit(workspace, f"UPDATE events SET facts = '{facts}', digest = '{digest}' WHERE number = {last.number}")

    assert trail.verify(workspace)


def test_a_head_that_a_person_noted_shows_a_cut_even_if_all_our_files_were_made_to_agree(
    workspace: Workspace,
) -> None:
    noted = trail.head(workspace.ledger)
    edit(workspace, "DELETE FROM events WHERE number > 3")
    (workspace.root / ".migrate" / TRAIL).unlink()
    workspace.ledger.keep_copy()

    assert trail.verify(workspace) == []
    assert trail.verify(workspace, [noted[:16]])


def test_a_head_kept_with_evidence_shows_a_cut(workspace: Workspace) -> None:
    trail.note(workspace, "reports/one")
    edit(workspace, "DELETE FROM events WHERE number > 4")
    (workspace.root / ".migrate" / TRAIL).unlink()
    workspace.ledger.keep_copy()

    assert any("reports/one" in flaw for flaw in trail.verify(workspace))


def test_a_process_killed_between_the_copy_and_the_commit_left_no_flaw(workspace: Workspace) -> None:
    place = workspace.root / ".migrate" / COPY
    head = workspace.root / ".migrate" / TRAIL
    before = head.read_bytes()
    trail.append(workspace.ledger, "Ada", "cutover test")
    ahead = place.read_bytes()
    edit(workspace, "DELETE FROM events WHERE number = 6")  # the commit that never came
    head.write_bytes(before)
    place.write_bytes(ahead)

    assert trail.verify(workspace) == []


def test_a_cut_tail_shows_in_the_copy_beside_the_data(workspace: Workspace) -> None:
    workspace.ledger.clock.sleep(0.001)
    workspace.ledger.keep_copy()
    (workspace.root / ".migrate" / TRAIL).unlink()
    edit(workspace, "DELETE FROM events WHERE number > 3")

    assert any(COPY in flaw for flaw in trail.verify(workspace))


@pytest.mark.parametrize("name", [TRAIL, COPY, f"reports/one/{TRAIL}"])
def test_a_head_that_was_made_unreadable_shows_and_stops_nobody_s_work(
    workspace: Workspace, name: str
) -> None:
    trail.note(workspace, "reports/one")
    place = workspace.root / ".migrate" / name
    place.write_text("[]")

    assert any(name in flaw for flaw in trail.verify(workspace))

    trail.append(workspace.ledger, "Ada", "cutover test")
    assert name == COPY or trail.verify(workspace)  # the copy is made anew with each event
