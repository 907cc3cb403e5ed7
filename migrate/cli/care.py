"""Commands that care for the workspace's own state: fsck, rebuild, backup, restore, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

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
