"""Commands that put everything back: checkpoints, plan, run, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli import undo_plan
from migrate.cli.drill import drill
from migrate.cli.holds import hold
from migrate.cli.output import Result, Session
from migrate.cli.scoping import checkpoint, checkpoints, scope_options
from migrate.cli.undone import confirm, ran, yes_option
from migrate.cli.way_back import accepted, runbook, verify
from migrate.memory import without_pandas

if TYPE_CHECKING:
    from migrate_rollback import Scope


@click.group(short_help="Put everything back, and prove it.")
def rollback() -> None:
    """Put everything back, as far as nobody else has touched it since, and prove it.

    \b
    migrate rollback plan       what would happen
    migrate rollback run        do it; goes on where it stopped
    migrate rollback verify     read everything again and compare with the baseline
    """


rollback.add_command(checkpoint)
rollback.add_command(checkpoints)


@rollback.command(short_help="Say what a rollback would do.")
@scope_options
@click.option(
    "--xlsx",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a workbook for the meeting that decides.",
)
@click.pass_obj
def plan(session: Session, xlsx: Path | None, scope: Scope | None) -> Result:
    """Say what a rollback would do, in groups, by a look at every record; change nothing.

    What can't be undone comes first, then what is left to people or held, side effects, calls and time.
    Next: `migrate rollback run`, with the same options.

    \b
    migrate rollback plan --xlsx rollback.xlsx
    migrate rollback plan --to before-load-1.2 --object deals
    """
    from migrate_rollback import plan as run
    from migrate_rollback.decision import write

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, bars, scope)
        if xlsx is not None:
            write(workspace, found, xlsx)
        stage = workspace.store.storage.address()
    told = undo_plan.text(found, stage) + (f"\nFor the meeting: {xlsx}" if xlsx else "")
    made = {"xlsx": xlsx} if xlsx else {}
    return Result("rollback plan", undo_plan.document(found) | made, told, 0 if found.clean else 1)


@rollback.command("run", short_help="Put everything back.")
@yes_option
@click.option("--dry-run", is_flag=True, help="The same as `plan`: look and count; change nothing.")
@click.option(
    "--schema", is_flag=True, help="Remove, last, what `prepare` made, as far as no record uses it."
)
@click.option(
    "--after-window", is_flag=True,
    help="Though the window is over: list what is lost by now, ask for it to be typed, do the rest.",
)  # fmt: skip
@scope_options
@click.pass_obj
def run_(
    session: Session, yes: bool, dry_run: bool, schema: bool, after_window: bool, scope: Scope | None
) -> Result:
    """Delete what we created and put back what we changed, except what others have touched since.

    Asks for the system's name before it writes. Goes on where it was stopped; a second run finds nothing
    to do. Next: `migrate rollback verify`.

    \b
    migrate rollback run --dry-run
    migrate rollback run --to before-load-1.2 --object deals
    """
    without_pandas()
    from migrate_rollback import plan as do_plan
    from migrate_rollback import run

    with session.workspace() as workspace, session.bars() as bars:
        if dry_run:
            seen = do_plan(workspace, bars, scope)
            return Result(
                "rollback run",
                {"dry_run": True, **undo_plan.document(seen)},
                undo_plan.text(seen, workspace.store.storage.address()),
                int(not seen.clean),
            )
        late = accepted(session, workspace, bars, scope, wanted=after_window)
        confirm(workspace.system("target").system, yes)
        found = run(workspace, bars, scope, remove_schema=schema, late=late)
    return ran("rollback run", found)


rollback.add_command(hold)
rollback.add_command(verify)
rollback.add_command(drill)
rollback.add_command(runbook)
