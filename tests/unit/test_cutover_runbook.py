"""Can a team act on the cutover's runbook, and send its messages as they are?"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import click
import pytest

from migrate.cli import main
from migrate.cli.root import cli
from migrate.console.books import books
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal.measuring import Measured
from migrate.cutover.rehearsal.projecting import Projection, Slice, project
from migrate.cutover.runbook import messages as texts
from migrate.cutover.runbook.gathering import Runbook, runbook
from migrate.cutover.runbook.messages import AUDIENCES, MOMENTS
from migrate.cutover.runbook.page import html, markdown
from migrate.cutover.runbook.steps import STEPS
from migrate.cutover.runbook.times import MARGIN, Zones, deadlines, timetable
from migrate.cutover.scheduled import schedule
from migrate.cutover.ticks import tick
from migrate.errors import PlanError
from migrate.workspace import Workspace
from tests.unit.test_cli import PLAN

AT = datetime(2026, 12, 4, 17, tzinfo=UTC)
UNTIL = datetime(2026, 12, 6, 19, tzinfo=UTC)
TERMS = """
cutover:
  people:
    - {name: Max Operator, email: max@example.com, role: operator, zone: Europe/Berlin}
    - {name: Ada Example, email: ada@example.com, role: approver, zone: America/New_York}
  sign:
    - {name: Ada Example, email: ada@example.com, by: link}
    - {name: Ben Example, email: ben@example.com, by: link}
  triggers: [{what: rows.Account, threshold: "> 50", owner: Ada Example, says: "Accounts that are <wrong>"}]
  intake: [{name: web form, object: Lead, door: form, during: buffer}]
  messages: messages/
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "plan.yaml").write_text(PLAN + TERMS, encoding="utf-8")
    made = Workspace(tmp_path, {})
    yield made
    made.close()


def gathered(workspace: Workspace) -> Runbook:
    return runbook(workspace, Path("acme"), "all", at=AT, until=UNTIL)


def measured(**seconds: float) -> Projection:
    steps = [Measured(id, id, "", each, 100, "fixed") for id, each in seconds.items()]
    return project(steps, [Slice(100, 2, 10.0)] * 5, factor=1.0, records=100)


def test_every_command_of_the_runbook_is_one_and_stands_in_both_forms(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.Command, "invoke", lambda _self, _context: None)
    found = gathered(workspace)
    page, text = html(found), markdown(found)

    commands = [line for row in found.rows for line in row.command.splitlines()]
    assert len(commands) >= len(STEPS) - 4  # some steps are people's alone
    for command in commands:
        assert command in text
        cli.main(shlex.split(command)[1:], prog_name="migrate", standalone_mode=False)
    for row in found.rows:
        assert f'id="step-{row.id}"' in page, "a console ticks them off by these"
    assert "Accounts that are &lt;wrong&gt;" in page
    assert "default-src 'none'" in page


def test_a_decision_names_who_decides_and_a_signature_each_who_signs(workspace: Workspace) -> None:
    rows = {row.id: row for row in gathered(workspace).rows}
    assert {id for id, row in rows.items() if row.decision} == {"ready", "no-return", "seal"}
    assert rows["no-return"].who == "Ada Example, Ben Example"
    assert rows["freeze"].who == "Max Operator"
    assert "cutover invite 'Ben Example'" in rows["approve"].command


def test_what_isn_t_known_is_said_and_never_left_blank(workspace: Workspace) -> None:
    found = runbook(workspace, Path("acme"), "all")
    assert found.no_return == "not planned yet"
    told = " ".join(found.warnings)
    for words in ("Nothing was rehearsed", "No start was given", "no point of no return"):
        assert words in told
    assert {row.takes for row in found.rows if row.id == "freeze"} == {"not measured"}


def test_the_point_of_no_return_leaves_room_for_the_longest_way_back() -> None:
    projection = measured(freeze=600.0, drain=60.0, validate=300.0, gate=60.0, switch=120.0, back=3_600.0)
    planned = timetable(STEPS, projection, AT)
    found = deadlines(planned, UNTIL)
    assert found.no_return == UNTIL - timedelta(seconds=3_600.0) - MARGIN
    assert found.last_start is not None
    assert found.last_start < found.no_return
    assert found.fits
    assert deadlines(planned, AT + timedelta(hours=2)).fits is False
    assert deadlines(planned, None).no_return is None, "without an end there is none"
    assert deadlines(timetable(STEPS, None, AT), UNTIL).no_return is None, "nor without a measure"


def test_steps_follow_each_other_and_nothing_is_planned_behind_what_nobody_measured() -> None:
    planned = [each for each in timetable(STEPS, measured(freeze=600.0), AT) if each.step.phase == "window"]
    assert planned[0].starts == AT
    for one, following in pairwise(planned):
        assert following.starts == one.likely
    assert next(each.seconds for each in planned if each.step.id == "drain") is None


def test_a_cohort_s_steps_aren_t_another_one_s() -> None:
    steps = [Measured("freeze", "Freeze", "", seconds, 0, "fixed", cohort=name)
             for name, seconds in (("pilot", 60.0), ("all", 600.0))]  # fmt: skip
    projection = project(steps, [Slice(100, 2, 10.0)] * 5, factor=1.0, records=1)
    (freeze,) = [e for e in timetable(STEPS, projection, AT, "pilot") if e.step.id == "freeze"]
    assert freeze.seconds is not None
    assert freeze.seconds.likely == 60.0


def test_times_stand_in_utc_and_in_the_readers_zones_with_the_day_where_it_is_another() -> None:
    zones = Zones(("UTC", "Europe/Berlin", "Asia/Tokyo"))
    assert zones.moment(AT) == ("Fri 4 Dec 2026, 17:00 UTC (18:00 Europe/Berlin, Sat 5 Dec 02:00 Asia/Tokyo)")
    assert zones.columns(AT) == ["4 Dec 17:00", "4 Dec 18:00", "5 Dec 02:00"]


def test_the_console_ticks_the_steps_off_once_a_cohort_was_rehearsed(workspace: Workspace) -> None:
    assert books(workspace, Path("acme")) == []
    Cutover(workspace).move("rehearsed", who="Max Operator")
    tick(workspace.ledger, "cutover all", "Freeze", who="Max Operator")

    (book,) = books(workspace, Path("acme"))

    assert [step.title for step in book.steps] == [each.title for each in STEPS]
    assert (book.done, book.ticks["Freeze"].who) == (1, "Max Operator")


def test_without_moments_the_runbook_takes_the_window_that_was_set(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule(workspace.ledger, "all", AT, UNTIL, who="Max Operator")

    assert main(["-w", str(workspace.root), "--json", "cutover", "runbook"]) == 1  # nothing was rehearsed

    told = json.loads(capsys.readouterr().out)["runbook"]
    assert told["begins"].startswith("Fri 4 Dec 2026, 17:00 UTC (18:00 Europe/Berlin")


# -- messages -------------------------------------------------------------------------------------


def test_every_audience_has_a_message_for_every_moment_and_none_has_a_hole(workspace: Workspace) -> None:
    for found in (gathered(workspace), runbook(workspace, Path("acme"), "all")):
        told = {(each.audience, each.moment): each.text for each in found.messages}
        assert set(told) == {(one, other) for one in AUDIENCES for other in MOMENTS}
        for text in told.values():
            assert text.startswith("Subject: ")
            assert text[-1] in ".?"
            assert not re.search(r"[{}\[\]]|\bNone\b|\.\.|  | [.,;]", text), text
    assert "web form meanwhile is kept" in told["reps", "announce"]


def test_templates_are_copied_to_be_edited_and_what_was_edited_stays(workspace: Workspace) -> None:
    folder = workspace.root / "messages"
    assert {outcome for _, outcome in texts.init(folder)} == {"written"}
    before = [each.text for each in gathered(workspace).messages]
    (folder / "reps.txt.j2").write_text("Subject: we move\n\n{{ source }} closes {{ begins }}.\n")
    assert {outcome for _, outcome in texts.init(folder)} == {"kept"}
    after = [each.text for each in gathered(workspace).messages]
    assert after[4:] == before[4:]
    assert "closes Fri 4 Dec 2026, 17:00 UTC" in after[0]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Call TODO.", "TODO"),
        ("Call [the hotline].", "[the hotline]"),
        ("Call <name>.", "<name>"),
        ("Call ___.", "___"),
        ("Call {{ hotline }}.", "hotline"),
        ("Call {% if %}.", "Expected an expression"),
        ("Call { { contact } }}.", "}}"),
    ],
)
def test_a_hole_that_nobody_has_filled_in_is_an_error_with_file_and_line(
    workspace: Workspace, line: str, what: str
) -> None:
    folder = workspace.root / "messages"
    folder.mkdir()
    (folder / "support.txt.j2").write_text(f"Subject: we move\n\n{line}\n")
    with pytest.raises(PlanError) as raised:
        gathered(workspace)
    assert what in str(raised.value)
    assert {(each.at.file.rpartition("/")[2], each.at.line) for each in raised.value.mistakes} == {
        ("support.txt.j2", 3)
    }


def test_a_template_reaches_nothing_but_the_words_that_it_is_given(workspace: Workspace) -> None:
    folder = workspace.root / "messages"
    folder.mkdir()
    (folder / "support.txt.j2").write_text("Subject: x\n\n{{ source.__class__.__mro__ }}\n")
    with pytest.raises(PlanError, match="unsafe"):
        gathered(workspace)
