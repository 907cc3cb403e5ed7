"""What does a rollback ask and tell besides doing it? After the window, as proof, on the operator's page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate_rollback import Scope
    from migrate_rollback.late import Late

    from migrate.workspace import Workspace

SHOWN = 30


def accepted(
    session: Session, workspace: Workspace, progress: Callable[[str, int, int], None],
    scope: Scope | None = None, *, wanted: bool,
) -> Late | None:  # fmt: skip
    """What a person gives up by going back after the window; None while it is open, or nobody asked to.

    No option answers for them: `--yes` isn't enough. The number that is typed is that of the things listed.
    """
    from migrate_rollback import plan
    from migrate_rollback.late import late
    from migrate_rollback.returning import tighten

    window = tighten(workspace)
    if not wanted or window is None or window.state != "closed":
        return None
    found = late(workspace, plan(workspace, progress, scope))
    session.say(window.words)
    session.say("What it won't put back:" if found.losses else "Nothing is lost so far.")
    for each in found.losses:
        session.say(f"  {each.words}")
    session.say("It undoes everything else.")
    asking.given_up(found.answer)
    return found


@click.command(short_help="Compare the target with the baseline.")
@click.option(
    "--check", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Ask no system: is this attestation of a former verify still true?",
)  # fmt: skip
@click.pass_obj
def verify(session: Session, file: Path | None) -> Result:
    """Read the whole target again and compare it with the baseline; name what isn't back.

    Its word is `pass, n held, n residue` or `fail, …`: held is what others have touched, residue what
    nobody can put back. It writes an attestation with the digests of all that it compared, which `--check`
    reads again later. Next, where something is held: `migrate rollback hold list`.

    \b
    migrate rollback verify
    migrate rollback verify --check attestation-0001.json
    """
    if file is not None:
        return _checked(session, file)
    from migrate_rollback.attesting import verify as run

    with session.workspace() as workspace, session.bars() as bars:
        found, attested = run(workspace, bars)
        stage = workspace.store.storage.address()
        place = workspace.storage.address(attested.place)
    document = {
        "attempt": found.attempt, "verdict": found.verdict, "words": found.words, "held": found.held,
        "failures": found.failures, "foreign": found.foreign, "residue": found.residue,
        "folder": found.folder, "scope": found.scope, "attestation": attested.place,
        "digest": attested.digest,
    }  # fmt: skip
    lines = [found.words, f"  Attempt {found.attempt}, {found.scope.words}."]
    lines += [f"  not back: {f.object} {f.id} {f.key}: {f.what}" for f in found.failures[:SHOWN]]
    if len(found.failures) > SHOWN:
        lines.append(f"  and {len(found.failures) - SHOWN:,} more")
    lines += [f"  stays: {each.what}: {each.count:,}" for each in found.residue]
    lines += [f"  others' work: {what}: {count:,}" for what, count in found.foreign.items()]
    if found.failures:
        lines.append("Run `migrate rollback run` again: it takes up what landed late. Then verify again.")
    lines.append(f"Every difference: {stage}/{found.folder}")
    lines.append(f"Attested: {place}, digest {attested.digest[:16]}.")
    clean = found.verdict == "pass" and not found.held
    return Result("rollback verify", document, "\n".join(lines), 0 if clean else 1)


def _checked(session: Session, file: Path) -> Result:
    from migrate_rollback.attesting import check

    with session.workspace() as workspace:
        found = check(workspace, file.read_bytes())
    lines = [f"It attests: {found.words} (digest {found.digest[:16]})."]
    lines += [f"  broken: {each}" for each in found.broken]
    lines += [f"  since: {each}" for each in found.since]
    lines.append(
        "It proves nothing any more." if found.broken else "Everything that it rests on is as it was."
    )
    document = {**vars(found), "whole": found.whole}
    return Result("rollback verify", document, "\n".join(lines), 0 if found.whole else 5)


@click.command(short_help="Write the operator's page.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="this folder",
    help="Folder for runbook.html and runbook.md; it is made.",
)  # fmt: skip
@click.option("--look", is_flag=True, help="Look at every record first, as `rollback plan` does.")
@click.pass_obj
def runbook(session: Session, out: Path, look: bool) -> Result:
    """Write the operator's page: where we stand, which way to go, what to type, what to say.

    One screen, as HTML and as Markdown, with this plan's names, times and figures of now. It changes nothing
    in the target. Without `--look` its figures are those of the last `migrate rollback plan`. Ends with 1
    where a light is red or a trigger is reached.

    \b
    migrate rollback runbook --out night --look
    """
    from migrate_rollback.runbook import runbook as gather
    from migrate_rollback.runbook import write

    with session.workspace() as workspace, session.bars() as bars:
        found = gather(workspace, session.where, look=look, progress=bars)
    page, text = write(found, out)
    lines = [found.words]
    lines += [f"{each.name}: {each.words}" for each in found.lights if each.state == "fail"]
    lines += [
        f"Reached: {each.says}: {each.value} ({each.threshold}); {each.owner} decides."
        for each in found.triggers
        if each.state == "fail"
    ]
    lines.append(f"Open {page} (or read {text}).")
    document = {**found.document(), "html": page, "markdown": text}
    return Result("rollback runbook", document, "\n".join(lines), int(found.alarming))
