"""Commands that switch a cohort, and that end its way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session

if TYPE_CHECKING:
    from migrate.cutover.switching import Switched


@click.command(short_help="Switch a cohort to the new system.")
@cohort_option
@actor_option
@click.option(
    "--undo", is_flag=True, help="Give up a switch that was stopped: its steps undone, frozen again."
)
@click.option("--yes", is_flag=True, help="Don't ask for the cohort's name.")
@click.pass_obj
def switch(session: Session, cohort: str | None, who: str, undo: bool, yes: bool) -> Result:
    """Switch a cohort: the plan's hooks in order, then a canary that has to come back to the old system.

    Uses up the approval. Goes on where it was stopped. Where anything fails, what was done is undone, last
    first, and the cohort is frozen again. Next: `migrate cutover status`; `migrate cutover back` is the way
    back.

    \b
    migrate cutover switch --cohort pilot
    """
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.switching import give_up
    from migrate.cutover.switching import switch as run

    with session.workspace() as workspace:
        found = Cutover(workspace, chosen(workspace, cohort))
        found.need(*(("switching",) if undo else ("approved", "switching")))
        _mean(found.cohort, "This repoints what the plan's hooks name. Type the cohort's name to go on", yes)
        done = (give_up if undo else run)(found, who=who, told=session.say)
    return Result("cutover switch", {"switch": done}, _text(done), int(bool(done.failed) and not undo))


def _mean(cohort: str, question: str, yes: bool) -> None:
    if yes:
        return
    typed = asking.typed(question)
    if typed != cohort:
        raise click.UsageError(f"`{typed}` isn't `{cohort}`; nothing was done.")


def _text(done: Switched) -> str:
    lines = [f"  {each.name}: {each.stage}" for each in done.steps]
    if done.failed:
        lines.append(f"Nothing was switched: {done.failed}")
        lines.append(f"Every step is undone. `{done.cohort}` is {done.state}; the approval is used up.")
        lines.append("Next: mend it, then `migrate cutover gate`.")
    else:
        lines.append(f"`{done.cohort}` is {done.state}: its records are at home in the new system.")
        lines.append("A canary has come back. Next: `migrate cutover status`.")
    return "\n".join(lines)


@click.command(short_help="End the way back of a cohort, for ever.")
@cohort_option
@actor_option
@click.option("--yes", is_flag=True, help="Don't ask for the cohort's name.")
@click.pass_obj
def seal(session: Session, cohort: str | None, who: str, yes: bool) -> Result:
    """End the way back of a switched cohort, for ever. Lists what ends, and asks for the cohort's name.

    \b
    migrate cutover seal --cohort pilot
    """
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.sealing import look
    from migrate.cutover.sealing import seal as run

    with session.workspace() as workspace:
        found = Cutover(workspace, chosen(workspace, cohort))
        means = look(found)
        for words in (*means.ends, means.window):
            session.say(words)
        _mean(found.cohort, "There is no way back from this. Type the cohort's name to seal it", yes)
        event = run(found, who=who)
    text = f"`{means.cohort}` is sealed: there is no way back."
    return Result("cutover seal", {"seal": means, "event": event}, text)
