"""The commands that write the cutover's runbook, and its messages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli.cutover import cohort_option
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.workspace import Workspace


@click.command(short_help="Write the cutover's runbook: timetable, roles, commands, messages.")
@cohort_option
@click.option(
    "--at", default="", help="When the maintenance window begins: an instant, or a day and an hour."
)
@click.option("--until", default="", help="When people want to work again.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=None,
    help="Where to write it.  [default: .migrate/runbook]",
)  # fmt: skip
@click.pass_obj
def runbook(session: Session, cohort: str | None, at: str, until: str, out: Path | None) -> Result:
    """Write the runbook as HTML and Markdown: times in the readers' zones and UTC, who does what, commands
    word for word, decision points, abort criteria, the point of no return, a message for each audience.

    Times come from the last rehearsal. Asks no system. Ends with 1 where something makes the timetable
    doubtful; the page says what. An hour without a zone is one of the plan's calendar; without `--at` and
    `--until` the window is the one that was set (`migrate console window`).

    \b
    migrate cutover runbook --at "2026-12-04 18:00" --until "2026-12-06 20:00"
    """
    from migrate.cutover.machine import chosen
    from migrate.cutover.runbook import runbook as gather
    from migrate.cutover.runbook import write

    with session.workspace() as workspace:
        name = chosen(workspace, cohort)
        begins, ends = _window(workspace, name, at, until)
        found = gather(workspace, session.where, name, at=begins, until=ends)
        page, text = write(found, out or workspace.place.scratch / "runbook")
    lines = [
        f"Wrote {page} and {text}.",
        f"The window begins {found.begins}; no return after {found.no_return}.",
    ]
    lines += [f"Take care: {each}" for each in found.warnings]
    document = {"runbook": found, "html": page, "markdown": text}
    return Result("cutover runbook", document, "\n".join(lines), int(bool(found.warnings)))


def _window(
    workspace: Workspace, cohort: str, at: str, until: str
) -> tuple[datetime | None, datetime | None]:
    """What was typed, else the window that was set for the cohort."""
    from migrate.cutover.scheduled import scheduled

    known = scheduled(workspace.ledger, cohort)
    begins, ends = instant(workspace, at, "--at"), instant(workspace, until, "--until")
    return begins or (known.at if known else None), ends or (known.until if known else None)


def instant(workspace: Workspace, words: str, option: str) -> datetime | None:
    """The moment that an option names, in the plan's zone where it has none; None where nothing was given."""
    from zoneinfo import ZoneInfo

    if not words:
        return None
    try:
        found = datetime.fromisoformat(words)
    except ValueError as error:
        raise click.UsageError(
            f"`{words}` of `{option}` is no moment: write `2026-12-04 18:00`, or `2026-12-04T18:00+01:00`."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(workspace.plan.model.calendar.zone))


@click.group(short_help="Copy the messages' templates to be edited, or see what would be sent.")
def messages() -> None:
    """Messages by audience: sales team, managers, support desk, integrators, customers."""


@messages.command(name="init", short_help="Copy the templates into the plan's folder.")
@click.pass_obj
def init(session: Session) -> Result:
    """Copy the templates of the messages into the plan's folder of messages, to be edited there.

    Files that are there stay. The plan names the folder: `cutover: {messages: messages/}`. Next: edit them,
    and look at `migrate cutover messages show`.

    \b
    migrate cutover messages init
    """
    from migrate.cutover.runbook.messages import FOLDER
    from migrate.cutover.runbook.messages import init as run

    with session.workspace() as workspace:
        named = workspace.plan.model.cutover.messages
        folder = workspace.root / (named or FOLDER)
        found = run(folder)
    text = table(found, ("template", "outcome")) + f"\nIn {folder}."
    if named is None:
        text += f" Add `cutover: {{messages: {FOLDER}/}}` to the plan, so that they are used."
    return Result("cutover messages init", {"folder": folder, "files": [list(each) for each in found]}, text)


@messages.command(short_help="Say what would be sent to whom.")
@cohort_option
@click.option("--at", default="", help="When the maintenance window begins.")
@click.option("--until", default="", help="When people want to work again.")
@click.pass_obj
def show(session: Session, cohort: str | None, at: str, until: str) -> Result:
    """Say what would be sent to whom, and when. A hole that nobody has filled in is an error with file and
    line.

    \b
    migrate cutover messages show --at "2026-12-04 18:00" --until "2026-12-06 20:00"
    """
    from migrate.cutover.machine import chosen
    from migrate.cutover.runbook import runbook as gather

    with session.workspace() as workspace:
        name = chosen(workspace, cohort)
        begins, ends = _window(workspace, name, at, until)
        found = gather(workspace, session.where, name, at=begins, until=ends).messages
    text = "\n\n".join(f"=== {each.title}, {each.when} ===\n{each.text}" for each in found)
    return Result("cutover messages show", {"messages": found}, text)
