"""The command that goes back to the old system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover
    from migrate.cutover.returning import Returned
    from migrate.cutover.window import Late


@click.command(short_help="Go back to the old system, with everything that was entered or changed.")
@cohort_option
@actor_option
@click.option(
    "--sheets", metavar="DIR", default="back", show_default=True,
    help="Folder beside the plan for the workbooks, one for each owner.",
)  # fmt: skip
@click.option(
    "--after-window", is_flag=True,
    help="Though the window is over: list what may be lost by now, ask for it to be typed, do the rest.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Don't ask for the old system's name.")
@click.pass_obj
def back(
    session: Session, cohort: str | None, who: str, sheets: str, after_window: bool, yes: bool
) -> Result:
    """Go back to the old system: undo the switch's hooks, then bring home what was entered or changed since.

    Writes to the old system by the load protocol, and goes on where it was stopped. What both sides changed,
    and what has no way back, is listed with both values, and stands in one workbook for each owner. Before
    the switch `migrate rollback run` is the way; a sealed cohort has none. Refuses to begin after the window.

    \b
    migrate cutover back --cohort pilot
    """
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.returning import back as run
    from migrate.cutover.returning import must_be_back
    from migrate.cutover.window import must_be_in_time

    with session.workspace() as workspace, session.bars() as progress:
        found = Cutover(workspace, chosen(workspace, cohort))
        must_be_back(found)
        late = _accepted(session, found) if after_window else None
        must_be_in_time(found, late)
        name = workspace.system("source").system
        if not yes and not session.as_json:
            asking.yes(f"Go back to `{name}` with the cohort `{found.cohort}`, and write to it?")
        elif not yes:
            raise click.UsageError("Add `--yes`: this writes to the old system.")
        done = run(found, who=who, sheets=sheets, late=late, told=session.say, progress=progress)
    return Result("cutover back", {"back": done}, text(done), int(not done.clean))


def _accepted(session: Session, cutover: Cutover) -> Late | None:
    """What a person gives up by going back after the window; None while it is open. No option answers."""
    from migrate.cutover.window import late

    found = late(cutover)
    if found is None:
        return None
    session.say("What may be lost, or has to be entered by hand:")
    for each in found.losses:
        session.say(f"  {each}")
    asking.given_up(found.answer)
    return found


def text(done: Returned) -> str:
    """For people."""
    from migrate.cutover.returned import words

    lines = [f"  {number:,} {what}" for what, number in done.counts.items()] or ["  Nothing had changed."]
    if done.left:
        lines += [f"To be entered by hand: {len(done.left):,}", words(done.left)]
    if done.edited:
        lines += [f"Changed in the old system meanwhile, and left: {len(done.edited):,}", words(done.edited)]
    lines += [f"  {each}" for each in done.sheets]
    if done.still:
        lines.append(f"`{done.cohort}` is back: {done.state}.")
    else:
        lines.append(
            "Somebody still writes to the new system. Let them stop, then run `migrate cutover back` again."
        )
    return "\n".join(lines)
