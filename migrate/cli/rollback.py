"""Commands that put everything back: checkpoints, plan, run, verify, hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrate.cli import asking, undo_plan
from migrate.cli.drill import drill
from migrate.cli.output import Result, Session, table
from migrate.cli.scoping import checkpoint, checkpoints, scope_options
from migrate.cli.way_back import accepted, runbook, verify

if TYPE_CHECKING:
    from migrate_rollback import RolledBack, Scope

F = TypeVar("F", bound=Callable[..., Any])


def yes_option(command: F) -> F:
    """`--yes`, instead of the typed confirmation."""
    return click.option("--yes", is_flag=True, help="Don't ask for the system's name.")(command)


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
        _confirm(workspace.system("target").system, yes)
        found = run(workspace, bars, scope, remove_schema=schema, late=late)
    return _ran("rollback run", found)


def _ran(command: str, found: RolledBack) -> Result:
    objects = {name: dict(sorted(tally.items())) for name, tally in found.objects.items()}
    counts: dict[str, int] = {}
    for tally in objects.values():
        for name, number in tally.items():
            counts[name] = counts.get(name, 0) + number
    document = {
        "attempt": found.attempt, "next_attempt": found.next_attempt, "objects": objects, "counts": counts,
        "settled": found.settled, "late": found.late, "lost_edits": found.lost_edits, "holds": found.held,
        "held": sum(group.count for group in found.held), "seconds": round(found.seconds, 1),
        "schema": found.schema,
    }  # fmt: skip
    columns = ("delete", "restore", "unlink", "link", "held", "refused")
    rows = [
        (
            name,
            *(
                tally.get(column, 0) + (tally.get("update", 0) if column == "restore" else 0)
                for column in columns
            ),
        )
        for name, tally in objects.items()
    ]
    head = ("object", "deleted", "put back", "unlinked", "marks back", "held", "refused")
    lines = [table(rows, head) if rows else "Nothing was left to undo."]
    if found.settled:
        lines.append(f"{found.settled} batches of the load were in doubt; the target told what had landed.")
    if found.late:
        lines.append(f"{found.late} records of ours had landed without the journal knowing.")
    if found.lost_edits:
        lines.append(
            f"{found.lost_edits} edits came between our last look and our write; they are in the journal."
        )
    lines += [f"Held: {group.name}: {group.count:,} ({group.words})" for group in found.held]
    if found.schema is not None:
        lines += [f"Removed from the schema: {what}" for what in found.schema.removed]
        lines += [f"Stays in the schema: {what}: {why}" for what, why in found.schema.stays.items()]
    lines.append("Next: `migrate rollback verify`.")
    return Result(command, document, "\n".join(lines), 0 if found.clean else 1)


def _confirm(system: str, yes: bool) -> None:
    if yes:
        return
    typed = asking.typed(f"This deletes and changes records in `{system}`. Type its name to go on")
    if typed != system:
        raise click.UsageError(f"`{typed}` isn't `{system}`; nothing was done.")


@rollback.group(short_help="Decide about records that others have touched.")
def hold() -> None:
    """Decide about records that were left as they are, because others have touched them."""


@hold.command("list")
@click.pass_obj
def list_(session: Session) -> Result:
    """List the groups of held records; what isn't decided is kept.

    \b
    migrate rollback hold list
    """
    from migrate_rollback import holds

    with session.workspace() as workspace:
        found = holds(workspace)
    rows = [(each.name, each.count, each.words, each.decided or "kept, undecided") for each in found]
    text = table(rows, ("group", "records", "why", "decision")) if rows else "Nothing is held."
    return Result("rollback hold list", {"groups": found}, text, int(bool(found)))


@hold.command()
@click.argument("group")
@click.option("--limit", default=50, show_default=True, help="Most records to show.")
@click.pass_obj
def show(session: Session, group: str, limit: int) -> Result:
    """Show a group's records, and what speaks against undoing each.

    \b
    migrate rollback hold show companies.edited
    """
    from migrate_rollback import show_hold

    with session.workspace() as workspace:
        found = show_hold(workspace, group, limit)
    rows = [(each.object, each.id, each.key, each.action, each.reason) for each in found]
    return Result(
        "rollback hold show", {"holds": found}, table(rows, ("object", "id", "key", "would", "why"))
    )


@hold.command(short_help="Decide that a group stays as it is.")
@click.argument("group")
@click.pass_obj
def keep(session: Session, group: str) -> Result:
    """Decide that a group stays as it is; recorded with your name. `force` can still undo it later.

    \b
    migrate rollback hold keep companies.edited
    """
    from migrate_rollback import keep_hold

    with session.workspace() as workspace:
        found = keep_hold(workspace, group)
    words = "1 record stays" if found.count == 1 else f"{found.count:,} records stay"
    return Result("rollback hold keep", {"group": found}, f"`{found.name}`: {words}.")


@hold.command(short_help="Undo a group all the same.")
@click.argument("group")
@yes_option
@click.pass_obj
def force(session: Session, group: str, yes: bool) -> Result:
    """Undo a group all the same: what others wrote on these records goes with them.

    Asks for the system's name before it writes. `migrate rollback hold show GROUP` shows what would go.

    \b
    migrate rollback hold force companies.edited
    """
    from migrate_rollback import force_hold

    with session.workspace() as workspace, session.bars() as bars:
        _confirm(workspace.system("target").system, yes)
        found = force_hold(workspace, group, bars)
    return _ran("rollback hold force", found)


rollback.add_command(verify)
rollback.add_command(drill)
rollback.add_command(runbook)
