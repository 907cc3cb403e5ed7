"""A record's way reads as a story: in lines that a terminal holds, and to its end, also where undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from migrate_validators.trace import trace

from migrate.connector import Who
from migrate.engine import Engine
from tests.unit.two_systems import Move

PLAN = """
    - source: Account
      target: companies
      fields: {name: Name, note: Note}
"""
BODY = "first\r\nsecond " + "x" * 5_000


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    with Engine(folders=[tmp_path]) as engine:
        made = Move(tmp_path / "w", engine, PLAN)
        made.source.put("Account", "A1", Id="A1", Name="Ark", Note=BODY)
        made.move()
        yield made


def test_a_long_value_is_one_line_with_its_length_and_whole_in_the_document(move: Move) -> None:
    found = trace(move.workspace, "A1")
    lines = [line for line in found.text().splitlines() if "second" in line]
    assert lines
    assert all("first second xxx" in line and f"({len(BODY):,} signs; --json" in line for line in lines)
    assert max(len(line) for line in found.text().splitlines()) < 400
    assert any(BODY in step["facts"].values() for step in found.document()["records"][0]["steps"])


def test_what_was_rolled_back_says_so_and_what_is_loaded_again_doesnt(move: Move) -> None:
    assert trace(move.workspace, "A1").ways[0].outcome == "created"
    move.roll_back()
    [way] = trace(move.workspace, "A1").ways
    assert way.outcome == "rolled_back"
    assert [step.what.split()[1:] for step in way.steps if step.stage == "rollback"][-1] == ["delete", "done"]
    assert way.steps[-1].what == "rolled back"
    move.load()
    assert trace(move.workspace, "A1").ways[0].outcome == "created"


def test_an_adoption_tells_what_was_written_and_not_what_was_only_looked_at(tmp_path: Path) -> None:
    plan = """
    - source: Account
      target: companies
      match: [name]
      fields: {name: Name, note: {from: Note, wins: source}}
"""
    with Engine(folders=[tmp_path]) as engine:
        made = Move(tmp_path / "w", engine, plan)
        made.target.make(Who.PERSON, "companies", name="Ark", note="theirs", domain="ark.example")
        made.source.put("Account", "A1", Id="A1", Name="Ark", Note="ours")
        made.move()
        [way] = trace(made.workspace, "A1").ways

    told = [step.facts for step in way.steps if step.stage == "load"]
    assert told[-1]["note"] == "theirs → ours"
    assert not [value for facts in told for value in facts.values() if "(empty)" in str(value)]
