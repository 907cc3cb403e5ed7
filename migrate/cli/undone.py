"""What did a rollback do, in words, and does somebody mean it? Shared by the commands that undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrate.cli import asking
from migrate.cli.output import Result, table
from migrate.cli.undo_plan import left_alone

if TYPE_CHECKING:
    from migrate_rollback import RolledBack

F = TypeVar("F", bound=Callable[..., Any])


def yes_option(command: F) -> F:
    """`--yes`, instead of the typed confirmation."""
    return click.option("--yes", is_flag=True, help="Don't ask for the system's name.")(command)


def ran(command: str, found: RolledBack) -> Result:
    """What a run did; exit code 1 where something is left to a person."""
    objects = {name: dict(sorted(tally.items())) for name, tally in found.objects.items()}
    counts: dict[str, int] = {}
    for tally in objects.values():
        for name, number in tally.items():
            counts[name] = counts.get(name, 0) + number
    document = {
        "attempt": found.attempt, "next_attempt": found.next_attempt, "objects": objects, "counts": counts,
        "settled": found.settled, "late": found.late, "lost_edits": found.lost_edits, "holds": found.held,
        "held": sum(group.count for group in found.held), "seconds": round(found.seconds, 1),
        "schema": found.schema, "scope": found.scope, "left_alone": found.left_alone,
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
    lines = [f"Attempt {found.attempt}, {found.scope.words}."]
    lines.append(table(rows, head) if rows else "Nothing was left to undo.")
    if found.settled:
        lines.append(f"{found.settled} batches of the load were in doubt; the target told what had landed.")
    if found.late:
        lines.append(f"{found.late} records of ours had landed without the journal knowing.")
    if found.lost_edits:
        lines.append(
            f"{found.lost_edits} edits came between our last look and our write; they are in the journal."
        )
    lines += [f"Held: {group.name}: {group.count:,} ({group.words})" for group in found.held]
    lines += left_alone(found.left_alone, found.attempt)
    if found.schema is not None:
        lines += [f"Removed from the schema: {what}" for what in found.schema.removed]
        lines += [f"Stays in the schema: {what}: {why}" for what, why in found.schema.stays.items()]
    lines.append("Next: `migrate rollback verify`.")
    return Result(command, document, "\n".join(lines), 0 if found.clean else 1)


def confirm(system: str, yes: bool) -> None:
    """Go on only if the system's name is typed.

    Raises:
        click.UsageError: something else was typed; nothing was done.
    """
    if yes:
        return
    typed = asking.typed(f"This deletes and changes records in `{system}`. Type its name to go on")
    if typed != system:
        raise click.UsageError(f"`{typed}` isn't `{system}`; nothing was done.")
