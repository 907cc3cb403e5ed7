"""Commands of people's own test: sheets for the testers, and their answers."""

from __future__ import annotations

from pathlib import Path

import click

from migrate.cli.output import Result, Session


@click.group()
def uat() -> None:
    """Let people test their own records: sheets for each of them, and what they answer."""


@uat.command(short_help="Write each tester a workbook of their records.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--per-user", type=click.IntRange(1, 200), default=10, show_default=True, help="Most records of a tester."
)
@click.option("--user", "users", multiple=True, metavar="EMAIL", help="Only this tester; may be repeated.")
@click.pass_obj
def sheets(session: Session, folder: Path, per_user: int, users: tuple[str, ...]) -> Result:
    """Write a workbook for each owner of records into FOLDER: open deals first, top accounts, the odd ones.

    Reads the chosen records from the target by id. Each line has the old value, the new one, links to both
    systems, and room for OK or not OK. Next: give them out, then `migrate uat read`.

    \b
    migrate uat sheets sheets
    migrate uat sheets sheets --per-user 5 --user ada@example.com
    """
    from migrate_validators.uat import sheets as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, folder, per_user=per_user, users=users, progress=bars)
    return Result("uat sheets", found.document(), found.text(), 1 if found.nobody else 0)


@uat.command(short_help="Take the answers of workbooks.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def read(session: Session, files: tuple[Path, ...]) -> Result:
    """Take the answers of FILES into the ledger. A file may be read as often as one likes.

    Where something in a file was changed beside the answers, nothing is taken, and each place is named.
    What isn't OK is red in the next report, as `people`. Next: `migrate validate`.

    \b
    migrate uat read sheets/ada@example.com.xlsx
    """
    from migrate_validators.uat import read as run

    with session.workspace() as workspace:
        found = run(workspace, files)
    return Result("uat read", found.document(), found.text(), 1 if found.failed or found.notes else 0)
