"""Commands about the copies of a plan: one on S3, one in a folder where people edit it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.copies import Copy


@click.group(short_help="Bring the plan of a workspace on S3 into a folder, and back.")
def plan() -> None:
    """Bring the plan of a workspace on S3 into a folder where it can be edited, and back."""


@plan.command(short_help="Copy the plan on S3 into a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dry-run", is_flag=True, help="List what would be written; write nothing.")
@click.option("--yes", is_flag=True, help="Replace files without asking.")
@click.pass_obj
def pull(session: Session, folder: Path, dry_run: bool, yes: bool) -> Result:
    """Copy the plan on S3, with its maps, into FOLDER, and let its `.migrate` name the workspace.

    Asks before it replaces a file. Next: edit there; `migrate -w FOLDER check`.

    \b
    migrate -w s3://bucket/acme plan pull acme
    """
    from migrate.stages.copies import pull as run

    with session.workspace() as workspace:
        would = run(workspace, folder, dry_run=True)
        _ask(session, [each.file for each in would if each.outcome == "replaced"], yes or dry_run)
        found = would if dry_run else run(workspace, folder)
    return _result("plan pull", found)


@plan.command(short_help="Copy the folder's plan to S3.")
@click.option("--dry-run", is_flag=True, help="List what would be written; write nothing.")
@click.option("--yes", is_flag=True, help="Replace files without asking.")
@click.pass_obj
def push(session: Session, dry_run: bool, yes: bool) -> Result:
    """Copy the folder's plan, and the files that it names, to S3; nothing else that lies in the folder.

    Asks before it replaces a file.

    \b
    migrate -w acme plan push
    """
    from migrate.stages.copies import push as run

    with session.workspace() as workspace:
        would = run(workspace, dry_run=True)
        _ask(session, [each.file for each in would if each.outcome == "replaced"], yes or dry_run)
        found = would if dry_run else run(workspace)
    return _result("plan push", found)


def _ask(session: Session, replaced: list[str], sure: bool) -> None:
    if replaced and not sure and not session.as_json:
        session.say("\n".join(f"  {name}" for name in replaced))
        files = "file" if len(replaced) == 1 else "files"
        asking.yes(f"Replace {len(replaced)} {files} that differ?")


def _result(command: str, found: Sequence[Copy]) -> Result:
    rows = [(each.file, each.outcome) for each in found]
    text = table(rows, ("file", "outcome")) if rows else "Both copies are the same."
    return Result(command, {"files": found}, text)
