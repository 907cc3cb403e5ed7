"""Commands that care for the workspace's own state: fsck, rebuild, backup, restore, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.care.fsck import Looked

SHOWN = 30
DISK = 5  # the exit code of damage to what is ours


@click.command(short_help="Is our own state whole?")
@click.option("--deep", is_flag=True, help="Compare every part and every file with its digest, too.")
@click.pass_obj
def fsck(session: Session, deep: bool) -> Result:
    """Look over the ledger, the journal, the stages, the files and the catalogs; change nothing.

    Reads every segment of the journal, and of everything else names and sizes. Names each file that is
    missing, altered, cut short or swapped, the records that damage to the journal affects, and what to do.
    Exit code 5: something is damaged; 1: there is only something too much.

    \b
    migrate fsck
    migrate fsck --deep
    """
    from migrate.stages.care.fsck import fsck as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, deep=deep, progress=bars)
        stage = workspace.store.storage.address()
    document = {
        "deep": found.deep, "looked": dict(found.looked), "findings": found.findings,
        "damaged": len(found.damaged), "records": found.records, "words": found.words,
        "folder": found.folder and f"{stage}/{found.folder}",
    }  # fmt: skip
    code = DISK if found.damaged else int(bool(found.findings))
    return Result("fsck", document, _fsck_text(found, stage), code)


def _fsck_text(found: Looked, stage: str) -> str:
    looked = ", ".join(f"{n:,} {name}" for name, n in sorted(found.looked.items()))
    lines = [f"Looked at {looked}{'' if found.deep else '; `--deep` compares every digest'}."]
    if not found.findings:
        return "\n".join([*lines, "Everything is as it was."])
    for each in found.findings[:SHOWN]:
        lines.append(f"{each.place}: {each.what}")
        lines.append(f"  {each.remedy}")
    if len(found.findings) > SHOWN:
        lines.append(f"… and {len(found.findings) - SHOWN:,} more; `--json` lists them all.")
    if found.words:
        lines += [found.words, f"One row for each: {stage}/{found.folder}"]
    if found.damaged:
        rows = sorted(
            {(each.part, sum(x.part == each.part for x in found.damaged)) for each in found.damaged}
        )
        lines.append(table(rows, ("part", "damaged")))
    return "\n".join(lines)


@click.command(short_help="Make a lost ledger anew.")
@click.option("--replace", is_flag=True, help="Though there is one that can be read; a file is set aside.")
@click.option("--yes", is_flag=True, help="Don't ask before a ledger is replaced.")
@click.pass_obj
def rebuild(session: Session, replace: bool, yes: bool) -> Result:
    """Make the ledger anew out of the journal, of the copy that lies beside it, and of the stages.

    Says what can't be known. Writes to no system. Killed at any moment, it may be run again.
    Next: `migrate fsck`, then go on where you were.

    \b
    migrate rebuild
    """
    from migrate.stages.care.rebuild import rebuild as run

    if replace and not yes and not session.as_json:
        asking.yes("Make a new ledger in the place of the one that is there?")
    with session.workspace() as workspace:
        found = run(workspace, replace=replace)
    rows = sorted(found.tables.items())
    lines = [table(rows, ("table", "rows"))]
    if found.in_doubt:
        lines.append(f"{found.in_doubt:,} batches are in doubt; the next load or rollback settles them.")
    if found.aside:
        lines.append(f"What was there before: {found.aside}")
    lines += ["What can't be known:", *(f"  {each}" for each in found.unknown)]
    return Result("rebuild", {"rebuilt": found}, "\n".join(lines), int(not found.from_copy))
