"""Can somebody act on the operator's page at two in the morning, and send its messages as they are?"""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import click
import pytest
from migrate_rollback.runbook import write
from migrate_rollback.runbook.gathering import named
from migrate_rollback.runbook.messages import messages
from migrate_rollback.runbook.options import Looked, options
from migrate_rollback.runbook.page import html, markdown
from migrate_rollback.runbook.terms import Times, span
from migrate_rollback.runbook.triggers import Evidence, triggers
from migrate_rollback.window import Window

from migrate.cli.root import cli
from migrate.plan.cutover import TriggerPlan
from tests.proofs.rollback_runbook import promises
from tests.unit.runbooks import LOOKED, State, runbook_of, said

WINDOW = Window(2, "open", "2026-03-06T17:00:00Z", "2026-03-20T17:00:00Z", None, 0.5, 1_260.0, "a drill")
STATES: tuple[State, ...] = get_args(State)


@pytest.mark.parametrize("state", STATES)
def test_every_command_of_the_page_is_one_and_stands_in_both_forms(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.Command, "invoke", lambda _self, _context: None)
    found = runbook_of(state)
    text = markdown(found)

    steps = promises(text)

    assert [each.command for each in steps] == [each.command for each in found.steps]
    assert len(steps) == (3 if state == "back" else 5)
    for command in [each.command for each in steps] + [each.command for each in found.options]:
        cli.main(shlex.split(command)[1:], prog_name="migrate", standalone_mode=False)
        assert f"{command}</code>" in html(found)
    for step in steps:
        assert step.see
        assert set(step.codes) <= {0, 1}
        assert step.seconds is not None


def test_after_the_window_the_step_says_what_it_asks() -> None:
    (back,) = [each for each in promises(markdown(runbook_of("closed"))) if each.typed]

    assert back.command == "migrate -w acme rollback run --after-window"
    assert "asks for `lose` and their number" in markdown(runbook_of("closed"))


@pytest.mark.parametrize(
    ("done", "held", "names"),
    list(itertools.product([False, True], ["", "1 record", "49 records"], [True, False])),
)
def test_messages_can_be_sent_as_they_are(done: bool, held: str, names: bool) -> None:
    facts = said(done=done, held=held, held_one=held == "1 record")
    if not names:
        facts |= {"deciders": "", "proof": ""}

    found = messages(facts)

    assert [each.to for each in found] == ["To the sales team", "To the managers", "To support"]
    for each in found:
        assert "new" in each.text
        holes = r"[{}\[\]<>]|\b(None|TODO|XXX|True|False|undefined)\b|…|\.\.|  | [.,;:]|\n{3}"
        assert not re.search(holes, each.text), each.text
        assert each.text[-1] == "."
        assert "1 record were" not in each.text
        if done and held:
            assert held in each.text


def test_a_fact_that_is_missing_leaves_no_hole_in_a_message() -> None:
    facts = said()
    del facts["ending"]

    with pytest.raises(Exception, match="ending"):
        messages(facts)


def test_what_nobody_has_looked_at_is_said_to_be_unknown() -> None:
    found = options(Looked(), Evidence(None), WINDOW, "migrate rollback run", "migrate")

    assert [(each.name, each.touched, each.held) for each in found] == [
        ("Repair forward", None, None), ("All of it", None, None)
    ]  # fmt: skip
    page = markdown(runbook_of(looked=Looked()))
    assert "Nobody has looked yet" in page
    assert "| not known | not known | not known |" in page


def test_the_options_add_up() -> None:
    found = {
        each.name: each for each in options(LOOKED, Evidence(None), WINDOW, "migrate rollback run", "migrate")
    }

    parts = [each for name, each in found.items() if name.startswith("Only ")]
    assert [each.name for each in parts] == ["Only contacts", "Only deals", "Only companies"]
    links = LOOKED.count("with record")
    assert sum(each.touched or 0 for each in parts) + links == found["All of it"].touched
    assert sum(each.held or 0 for each in parts) == found["All of it"].held == 49
    assert found["All of it"].lost == 7
    assert found["Repair forward"].lost == 0


# -- triggers -------------------------------------------------------------------------------------

REPORT = {
    "ended": "2026-03-14T00:00:00Z",
    "results": [
        {"id": "rows.Account", "row_count": 51, "figures": {"differ": 51, "share": "0.5", "who": "Ada"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("what", "threshold", "value", "state", "note"),
    [
        ("rows.Account", "> 50", "51", "fail", ""),
        ("rows.Account", "> 51", "51", "pass", ""),
        ("rows.Account:share", ">= 0.5", "0.5", "fail", ""),
        ("rows.Account:who", "> 1", None, "unset", "is `Ada`, and no number"),
        ("rows.Account:nope", "> 1", None, "unset", "no figure `nope`; it has `differ`, `share`, `who`"),
        ("rows.Deal", "> 1", None, "unset", "no check `rows.Deal`"),
    ],
)
def test_a_trigger_shows_its_figure_of_now_or_why_there_is_none(
    what: str, threshold: str, value: str | None, state: str, note: str
) -> None:
    plan = TriggerPlan(what=what, threshold=threshold, owner="Dana")
    cutover = SimpleNamespace(triggers=[plan])
    workspace: Any = SimpleNamespace(plan=SimpleNamespace(model=SimpleNamespace(cutover=cutover)))

    (found,) = triggers(workspace, Evidence(REPORT), WINDOW, intact=True)

    assert (found.value, found.state, found.owner) == (value, state, "Dana")
    assert note in found.note


def test_a_reached_trigger_stands_on_top_with_who_decides() -> None:
    words = "Deals with a wrong value: 61, agreed &gt; 50. Dana Reyes decides."
    assert words in html(runbook_of())
    assert words.replace("&gt;", ">") in markdown(runbook_of())


def test_no_triggers_and_nobody_to_tell_is_said() -> None:
    page = markdown(runbook_of(triggers=(), tell=()))

    assert "No triggers agreed." in page
    assert "Nobody is named in the plan" in page


# -- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "command", "folder"),
    [
        (Path("acme"), "migrate -w acme", ""),
        (Path("a b/acme"), "migrate -w 'a b/acme'", ""),
        (Path("/srv/anna/acme"), "migrate", "acme"),
        ("s3://bucket/acme", "migrate -w s3://bucket/acme", ""),
    ],
)
def test_no_page_tells_where_a_machine_keeps_things(where: Path | str, command: str, folder: str) -> None:
    assert named(where) == (command, folder)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not measured yet"), (3, "under a minute"), (60, "about 1 minutes"), (61, "about 2 minutes"),
        (5_400, "about 1.5 hours"), (200_000, "about 3 days"),
    ],
)  # fmt: skip
def test_a_span_is_never_told_too_short(seconds: float | None, words: str) -> None:
    assert span(seconds) == words.replace("1 minutes", "1 minute")


def test_times_stand_in_utc_and_in_the_plan_s_zone() -> None:
    assert Times("UTC").moment("2026-03-14T23:30:00Z") == "14 Mar 2026, 23:30 UTC"
    berlin = Times("Europe/Berlin").moment("2026-03-14T23:30:00Z")
    assert berlin == "14 Mar 2026, 23:30 UTC (15 Mar 00:30 in Europe/Berlin)"


def test_names_are_text_in_both_forms(tmp_path: Path) -> None:
    hostile = "<script>document.title='owned'</script> | `x`"

    page, text = write(runbook_of(system=hostile, tell=(hostile,)), tmp_path / "new" / "folder")

    assert "<script>document" not in page.read_text()
    assert "&lt;script&gt;document" in page.read_text()
    assert text.read_text().startswith("# Take back <script>")


def test_progress_and_the_end_of_a_rollback_stand_on_top() -> None:
    assert "9,120 of 17,246 done (52%)" in html(runbook_of("going"))
    assert "it ends 14 Mar 2026, 02:02 UTC" in markdown(runbook_of("going"))
    assert "pass, 49 held, 7 residue" in html(runbook_of("back"))
