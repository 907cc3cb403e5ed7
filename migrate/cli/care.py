"""Commands that care for the workspace's own state: fsck, rebuild, backup, restore, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.care.from_target import Found
    from migrate.stages.care.fsck import Looked
    from migrate.stages.care.rebuild import Rebuilt

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
@click.option(
    "--from-target", "again", is_flag=True,
    help="The journal is gone, too: write down again what the target itself tells.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Don't ask before a ledger is replaced, or segments are let go of.")
@click.pass_obj
def rebuild(session: Session, replace: bool, again: bool, yes: bool) -> Result:
    """Make the ledger anew out of the journal, of the copy that lies beside it, and of the stages.

    Says what can't be known. Writes to no system. Killed at any moment, it may be run again.
    With --from-target segments that are missing or damaged are let go of; what we created is found in the
    target by its migration keys, and what we changed there is listed as not reversible, by id.
    Next: `migrate fsck`, then go on where you were.

    \b
    migrate rebuild
    migrate rebuild --from-target
    """
    from migrate.stages.care.from_target import from_target
    from migrate.stages.care.rebuild import ledger_there
    from migrate.stages.care.rebuild import rebuild as run

    if again and not yes:
        asking.yes("Let go of every segment that is missing or damaged? What only they told is lost.")
    if replace and not yes:
        asking.yes("Make a new ledger in the place of the one that is there?")
    document: dict[str, Any] = {}
    lines, code = [], 0
    with session.workspace() as workspace, session.bars() as bars:
        if not again or replace or not ledger_there(workspace):
            made = run(workspace, replace=replace, let_go=again)
            document["rebuilt"] = made
            lines, code = _rebuilt_text(made), int(not made.from_copy)
        if again:
            found = from_target(workspace, bars)
            document["from_target"] = found
            lines += _found_text(found)
            code = max(code, int(bool(found.lost or found.checkpoints or found.blind)))
    return Result("rebuild", document, "\n".join(lines), code)


def _rebuilt_text(found: Rebuilt) -> list[str]:
    lines = [table(sorted(found.tables.items()), ("table", "rows"))]
    if found.in_doubt:
        lines.append(f"{found.in_doubt:,} batches are in doubt; the next load or rollback settles them.")
    if found.aside:
        lines.append(f"What was there before: {found.aside}")
    return [*lines, "What can't be known:", *(f"  {each}" for each in found.unknown)]


def _found_text(found: Found) -> list[str]:
    objects = sorted({*found.created, *found.lost})
    rows = [(name, found.created.get(name, 0), len(found.lost.get(name, []))) for name in objects]
    lines = (
        [table(rows, ("object", "created by us", "not reversible"))] if rows else ["Nothing new was found."]
    )
    lines.append(f"{found.links:,} links of ours.")
    for name, ids in found.lost.items():
        shown = ", ".join(ids[:SHOWN]) + (f" … and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else "")
        lines.append(f"Not reversible, of {name}: {shown}")
    if found.segments:
        lines.append(f"Segments that are gone: {', '.join(found.segments[:SHOWN])}")
    if found.checkpoints:
        lines.append(f"No way back any more to: {', '.join(found.checkpoints)}")
    if found.blind:
        lines.append(f"Bear no key, so nothing can be known of them: {', '.join(found.blind)}")
    return lines


@click.command(short_help="Take a copy of the whole workspace.")
@click.argument("to")
@click.pass_obj
def backup(session: Session, to: str) -> Result:
    """Copy ledger, journal, stages, files, catalogs, reports and the plan to TO: a folder, or s3://bucket/prefix.

    Other commands may run meanwhile. What an earlier backup has brought there isn't copied again. Credentials
    are no part of it. The copies hold the records as the workspace does: keep them as private.

    \b
    migrate backup /var/backups/acme
    migrate backup s3://backups/acme
    """
    from migrate.stages.care.backup import backup as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, to, bars)
    document = {
        "name": found.name, "at": found.at, "place": to, "files": len(found.files) + len(found.plan),
        "bytes": found.bytes, "copied": found.copied, "copied_bytes": found.copied_bytes,
        "last_seq": found.last_seq,
    }  # fmt: skip
    text = (
        f"{found.name}: {document['files']:,} files, {found.bytes:,} bytes; "
        f"{found.copied:,} files with {found.copied_bytes:,} bytes were new."
    )
    return Result("backup", document, text)


@click.command(short_help="Bring a backup back.")
@click.argument("from_", metavar="FROM")
@click.option("--at", "name", metavar="NAME", help="This backup instead of the newest.")
@click.option("--list", "listed", is_flag=True, help="Only list the backups that are there.")
@click.option("--replace", is_flag=True, help="Though the workspace isn't empty; its state is set aside.")
@click.option("--yes", is_flag=True, help="Don't ask before a state is replaced.")
@click.pass_obj
def restore(session: Session, from_: str, name: str | None, listed: bool, replace: bool, yes: bool) -> Result:
    """Bring the workspace back from FROM: a folder, or s3://bucket/prefix.

    Every file is compared with its digest, and the journal with the ledger, before anything takes its place.
    Files of the plan that are there stay as they are. The next load or rollback looks first whether the
    target has moved on since the backup. Next: `migrate fsck`.

    \b
    migrate restore --list /var/backups/acme
    migrate -w acme restore /var/backups/acme
    """
    from migrate.stages.care.backup import names, place_of
    from migrate.stages.care.restore import restore as run

    if replace and not yes and not listed:
        asking.yes("Set the state that is there aside, and restore in its place?")
    with session.workspace() as workspace, session.bars() as bars:
        if listed:
            with place_of(from_, workspace.environment) as there:
                known = names(there)
            return Result("restore", {"backups": known}, "\n".join(known) or "There is none.")
        found = run(workspace, from_, name, replace=replace, progress=bars)
    lines = [f"{found.backup} of {found.at}: {found.files:,} files, {found.bytes:,} bytes."]
    if found.aside:
        lines.append(f"What was there before: {found.aside}")
    if found.plan_written:
        lines.append(f"Written: {', '.join(found.plan_written)}")
    if found.plan_kept:
        lines.append(f"These differ from the backup's, and stay as they are: {', '.join(found.plan_kept)}")
    return Result("restore", {"restored": found}, "\n".join(lines), int(bool(found.plan_kept)))


@click.command(short_help="Erase a person from the workspace.")
@click.option(
    "--subject", required=True, metavar="EMAIL_OR_KEY", help="Their e-mail address, or a migration key."
)
@click.option("--dry-run", is_flag=True, help="Say what would be erased; change nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def purge(session: Session, subject: str, dry_run: bool, yes: bool) -> Result:
    """Take a person out of stages, journal, files, reports and ledger, and seal everything anew.

    Their rows lose their values, and an address within other records' texts becomes a mark. A rollback can't
    put back what their records held before; it names them. Neither system is changed, and no backup is.
    Killed at any moment, the same command goes on.

    \b
    migrate purge --subject ada@example.com --dry-run
    """
    from migrate.stages.care.purge import purge as run

    with session.workspace() as workspace, session.bars() as bars:
        if not dry_run and not yes:
            asking.yes("Erase them from this workspace? It can't be undone.")
        found = run(workspace, subject, dry_run=dry_run, progress=bars)
    would = "would be " if dry_run else ""
    rows = sorted(found.records.items())
    lines = [table(rows, ("object", "records of theirs"))] if rows else ["No record of theirs is known."]
    lines.append(
        f"{len(found.rewritten):,} files {would}written anew, {len(found.removed):,} {would}removed."
    )
    lines += [f"  {name}" for name in found.removed[:SHOWN]]
    for name, ids in found.lost.items():
        lines.append(f"A rollback can't put back any more, of {name}: {', '.join(ids[:SHOWN])}")
    lines += ["Not covered:", *(f"  {each}" for each in found.left)]
    return Result("purge", {"purged": found}, "\n".join(lines))
