"""Commands and options about checkpoints: which there are, a new one, and what of it a rollback undoes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate_rollback import Scope

F = TypeVar("F", bound=Callable[..., Any])


def scope_options(command: F) -> F:
    """`--to`, `--object` and `--cohort`, handed over as one `scope`; None where none is given."""

    @wraps(command)
    def scoped(*given: Any, to: str | None, objects: tuple[str, ...], cohort: str | None, **more: Any) -> Any:
        return command(*given, scope=_scope(to, objects, cohort), **more)

    for option in (
        click.option(
            "--cohort", metavar="EXPRESSION",
            help="Only these records and what hangs under them: \"Account: Region = 'EMEA'\"; or a cohort of "
            "the plan, by its name.",
        ),
        click.option(
            "--object", "objects", multiple=True, metavar="OBJECT",
            help="Only this object of the target. May be given several times.",
        ),
        click.option("--to", metavar="CHECKPOINT", help="The checkpoint to return to; default: the first."),
    ):  # fmt: skip
        scoped = option(scoped)
    return scoped  # type: ignore[return-value]


def _scope(to: str | None, objects: tuple[str, ...], cohort: str | None) -> Scope | None:
    from migrate_rollback import Scope

    found = Scope(to, tuple(sorted(set(objects))) or None, cohort)
    return None if found.empty else found


@click.command(short_help="List the points to which one can return.")
@click.pass_obj
def checkpoints(session: Session) -> Result:
    """List the points to which one can return, and until when.

    \b
    migrate rollback checkpoints
    """
    from migrate_rollback import checkpoints as run

    with session.workspace() as workspace:
        found = run(workspace)
    rows = [
        (
            each.point.name, each.point.attempt, each.point.at, each.point.window_end or "",
            "" if each.returnable else "no: a rollback went back past it", each.point.facts.get("note", ""),
        )
        for each in found
    ]  # fmt: skip
    head = ("checkpoint", "attempt", "taken", "until", "can be returned to", "note")
    text = table(rows, head) if rows else "None yet; the first load takes one."
    return Result("rollback checkpoints", {"checkpoints": [each.document() for each in found]}, text)


@click.command(short_help="Mark a point to which one can return.")
@click.argument("name")
@click.option("--note", default="", help="Why it was taken; shown in the list.")
@click.option(
    "--read",
    is_flag=True,
    help="Read the target anew, rather than take the attempt's baseline and what we did.",
)
@click.pass_obj
def checkpoint(session: Session, name: str, note: str, read: bool) -> Result:
    """Mark a point to which one can return, beside those that loads mark by themselves.

    Next: `migrate rollback run --to NAME`.

    \b
    migrate rollback checkpoint before-cleaning --note "before Ann merges accounts"
    """
    from migrate.stages.points import by_hand

    with session.workspace() as workspace, session.bars() as bars:
        found = by_hand(workspace, name, note=note, read=read, progress=bars)
    text = f"`{found.name}`: taken at {found.at}. `migrate rollback run --to {found.name}` returns to it."
    return Result("rollback checkpoint", {"checkpoint": found}, text)
