"""Does the three-way display say what a decision does? It must agree with what the pass would write. Pure."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from migrate_rollback.judging import judge_delete, judge_restore
from migrate_rollback.model import Hold
from migrate_rollback.sheets import cells_of, state_of
from migrate_rollback.showing import Shown, choices, sides

from migrate.connector import Held, Who
from migrate.workbooks import line_digest, neutral
from tests.unit.test_rollback_judging import FIELDS, SCHEMA, VALUES, WIDE, changed, created, record, told

Image = dict[str, str | None]


@given(before=VALUES, sent=VALUES, edit=st.one_of(st.none(), VALUES), covered=st.booleans())
def test_what_is_shown_for_each_decision_is_what_it_writes(
    before: Image, sent: Image, edit: Image | None, covered: bool
) -> None:
    theirs: Image = {sorted(sent)[0]: "covered"} if covered else {}
    after = {**before, **sent}
    now = {**after, **(edit or {})}
    row, held = changed(before=before, after=after, sent=(sent,)), Held("7", "7", now, "t1")

    shown = {each.field: each for each in sides(row, held, None, SCHEMA, theirs)}

    by_field = replace(row, by_field=True, before={**row.before, **theirs}, covered=tuple(theirs))
    merged = {**now, **judge_restore(by_field, held, SCHEMA).values}
    forced = {**now, **judge_restore(replace(row, forced=True), held, SCHEMA).values}
    assert set(shown) == set(sent)
    for name, side in shown.items():
        assert (side.before, side.ours, side.now) == (before.get(name), after[name], now.get(name))
        assert side.forced == forced.get(name)
        assert side.merged == merged.get(name)


def test_of_a_record_of_ours_only_what_speaks_against_deleting_it_is_shown() -> None:
    history = told(Who.PERSON, "description", "hers") + told(Who.AUTOMATION, "name", "Acme", "Acme Ltd")
    [side] = sides(created(), record("t9", name="Acme"), history, WIDE, {})
    assert (side.field, side.now, side.who, side.at) == ("description", "hers", "ada@x.test", "t9")
    assert judge_delete(created(), record("t9", name="Acme"), FIELDS, history, [], WIDE).code == "edited"


def test_a_row_of_a_sheet_is_known_again_and_a_change_of_the_record_is_seen() -> None:
    can = choices("edited", by_field=True)
    hold = Hold("companies", "7", "k", "record", "restore", "edited: name", "edited", "Ada", can, "")

    def shown(name: str) -> Shown:
        found = sides(changed(), record(name=name, phone="1"), None, SCHEMA, {})
        return Shown(hold, "https://x.test/7", "", found)

    one, other = shown("=1+1"), shown("=1+2")
    cells = [neutral(each) for each in cells_of(one)]
    assert cells[6:8] == ["name: New", "name: =1+1"]
    assert line_digest("i", cells) == line_digest("i", [f" {cells[0]}\n", *cells[1:]])
    assert line_digest("i", cells) != line_digest("i", [neutral(each) for each in cells_of(other)])
    assert state_of(one) == state_of(shown("=1+1")) != state_of(other)
    long = "x" * 40_000
    assert state_of(shown(long)) != state_of(shown(f"{long[:-1]}y"))
    assert all(len(str(each)) < 3_000 for each in cells_of(shown(long)))
    assert not any(str(each).startswith(("=", "+", "-", "@")) for each in cells)
