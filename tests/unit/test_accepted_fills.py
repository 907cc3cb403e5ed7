"""Does a delta take for somebody's edit what an automation has filled that the plan accepts? It must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.connector import Who
from migrate.engine import Engine
from tests.unit.two_systems import Move

PLAN = """\
- source: Account
  target: companies
  fields: {name: Name, note: Note}
  automations: {accept: [{name: Data enrichment, fills: [note]}]}
"""


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    """A firm that came without a note, and was changed at the source since."""
    found = Move(tmp_path / "w", engine, PLAN)
    found.source.put("Account", "a", Name="Acme", Note=None)
    found.move()
    return found


def filled(move: Move, who: Who, **values: str) -> None:
    move.target.write(move.there("Account", "a"), dict(values), who)


def changed(move: Move, **values: str) -> dict[str, str | None]:
    move.source.put("Account", "a", **values)
    move.move(delta=True)
    found = move.there("Account", "a").values
    return {name: found.get(name) for name in ("name", "note")}


def test_what_it_filled_stays_while_the_source_has_nothing_and_the_rest_is_carried(move: Move) -> None:
    filled(move, Who.AUTOMATION, note="makes anvils")

    assert changed(move, Name="Acme Inc") == {"name": "Acme Inc", "note": "makes anvils"}
    assert changed(move, Name="Acme SE") == {"name": "Acme SE", "note": "makes anvils"}


def test_a_value_of_the_source_replaces_what_it_filled(move: Move) -> None:
    filled(move, Who.AUTOMATION, note="makes anvils")

    assert changed(move, Note="makes springs") == {"name": "Acme", "note": "makes springs"}


def test_what_a_person_wrote_into_that_field_is_held_all_the_same(move: Move) -> None:
    filled(move, Who.AUTOMATION, note="makes anvils")
    filled(move, Who.PERSON, note="makes springs")

    assert changed(move, Name="Acme Inc") == {"name": "Acme", "note": "makes springs"}


def test_what_it_does_to_a_field_that_the_plan_doesn_t_name_is_held(move: Move) -> None:
    filled(move, Who.AUTOMATION, name="ACME")

    assert changed(move, Name="Acme Inc") == {"name": "ACME", "note": None}
