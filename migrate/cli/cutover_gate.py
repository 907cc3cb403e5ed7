"""Commands about the gate: ask it, invite, approve, waive a line, override."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session, table
from migrate.cli.watching import Span

if TYPE_CHECKING:
    from migrate.cutover.gate import Gate
    from migrate.cutover.machine import Cutover
    from migrate.workspace import Workspace

_MARKS = {"green": "green", "red": "RED", "waived": "waived", "overridden": "overridden"}


def _cutover(workspace: Workspace, cohort: str | None) -> Cutover:
    from migrate.cutover.machine import Cutover, chosen

    return Cutover(workspace, chosen(workspace, cohort))


@click.command(short_help="Say whether the cohort may switch: every line, red or green.")
@cohort_option
@actor_option
@click.option(
    "--request", is_flag=True, help="Also ask for the approval. Who asks can't give it: needs --as."
)
@click.option("--look", is_flag=True, help="Only look: record nothing and move nothing.")
@click.pass_obj
def gate(session: Session, cohort: str | None, who: str, request: bool, look: bool) -> Result:
    """Ask both systems, the ledger and the trail whether the cohort may switch; each line red or green.

    What was found is recorded, and moves the cohort: to verified once nothing but signatures is missing, to
    approved once they are there, back where something has changed. Ends with 1 while a line is red. Next:
    `migrate cutover invite`, `migrate approve`.

    \b
    migrate cutover gate
    migrate cutover gate --request --as "Max Operator"
    """
    from migrate.cutover import gate as gates

    with session.workspace() as workspace:
        cutover = _cutover(workspace, cohort)
        found = gates.look(cutover) if look else gates.run(cutover, who=who, request=request)
    return Result("cutover gate", found.document(), text(found), 0 if found.passed else 1)


def text(found: Gate) -> str:
    """The gate for people: lines, what mends the red ones, who has signed."""
    rows = [(_MARKS[each.state], each.id, each.words, each.figure) for each in found.lines]
    head = "The gate is open." if found.passed else f"{len(found.red)} red."
    lines = [f"Cohort {found.cohort}, {found.state}. {head}", "", table(rows, ("", "line", "what", "figure"))]
    lines += [f"{each.id}: {each.state} by {each.excused}" for each in found.lines if each.excused]
    if found.red:
        lines += ["", "To mend:"]
        lines += [
            f"- {each.id}: {each.remedy}" + ("" if each.overridable else "  (can't be overridden)")
            for each in found.red
        ]
    if found.losses:
        lines += ["", "Lost on the way back, for those who sign to know:"]
        lines += [f"- {each}" for each in found.losses]
    for one in found.signatures:
        state = f"VOID: {one.void}" if one.void else "stands"
        lines.append(f"Signed by {one.name} ({one.kind}) at {one.at}: {state}")
    asked = f"; approval asked for by {found.requested}" if found.requested else ""
    lines += ["", f"Evidence: {found.code or 'no report'} ({found.evidence.digest[:16]}){asked}"]
    return "\n".join(lines)


@click.command(short_help="Make a one-time link for a person who signs.")
@click.argument("name")
@cohort_option
@actor_option
@click.option("--ttl", type=Span(), default="1d", show_default=True, help="For how long it opens something.")
@click.pass_obj
def invite(session: Session, name: str, cohort: str | None, who: str, ttl: timedelta) -> Result:
    """Make a one-time token for NAME, which the plan asks to sign by link. Give it to nobody else.

    It is shown this once; the ledger keeps only its digest. They sign in the console, or with
    `migrate approve`.

    \b
    migrate cutover invite "Ada Example" --ttl 8h
    """
    from migrate.cutover import signing

    with session.workspace() as workspace:
        cutover = _cutover(workspace, cohort)
        token = signing.invite(cutover, name, who=who, ttl=ttl)
        cohort = cutover.cohort
    words = f"For {name} alone, once, to sign for the cohort {cohort}:\n{token}"
    return Result("cutover invite", {"name": name, "cohort": cohort, "token": token}, words)


@click.command(short_help="Let a red line of the gate stand until a day.")
@click.argument("line")
@cohort_option
@actor_option
@click.option("--reason", default="", help="Why; kept for ever.")
@click.option("--until", default="", help="A day, or an instant with its zone.")
@click.option("--take-back", is_flag=True, help="End the waiver instead.")
@click.pass_obj
def waive(
    session: Session, line: str, cohort: str | None, who: str, reason: str, until: str, take_back: bool
) -> Result:
    """Let a red LINE of the gate stand: `dead-letters`, `quota` or `rehearsal`. Only what is red now.

    What comes later under the same line is red again. Differences are waived with `migrate waive`.

    \b
    migrate cutover waive dead-letters --as "Ada Example" --reason "12 test records" --until 2026-12-01
    """
    from migrate.cutover import excusing
    from migrate.cutover import gate as gates

    with session.workspace() as workspace:
        cutover = _cutover(workspace, cohort)
        if take_back:
            done = excusing.take_back(cutover, line, who=who)
            words = f"The waiver of {line} is ended."
        else:
            done = gates.waive(cutover, line, who=who, reason=reason, until=until)
            words = f"{line} may stand until {done.facts['until']}. Next: `migrate cutover gate`."
    return Result("cutover waive", {**done.facts, "line": line, "event": done.digest}, words)


@click.command(short_help="Open a red gate, by name, with a reason.")
@cohort_option
@actor_option
@click.option("--lines", required=True, metavar="A,B", help="The red lines that it covers, by their names.")
@click.option("--reason", default="", help="Why; kept for ever, and named in the report.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def override(session: Session, cohort: str | None, who: str, lines: str, reason: str, yes: bool) -> Result:
    """Open a red gate for named lines. Kept for ever with your name, and void once the evidence changes.

    The lease, the plan, the trail, who signs, and the way back can't be overridden.

    \b
    migrate override --lines check:counts.Lead --as "Ada Example" --reason "spam leads, deleted on purpose"
    """
    from migrate.cutover import gate as gates

    names = [each.strip() for each in lines.split(",") if each.strip()]
    with session.workspace() as workspace:
        cutover = _cutover(workspace, cohort)
        if not yes:
            click.confirm(
                f"Open the gate of `{cutover.cohort}` for {', '.join(names)}?", abort=True, err=True
            )
        done = gates.override(cutover, names, who=who, reason=reason)
    words = f"{done.who} overrides {', '.join(names)}. Next: `migrate cutover gate`."
    return Result("override", {**done.facts, "lines": names, "who": done.who, "event": done.digest}, words)


@click.command(short_help="Sign the approval of a cohort's switch.")
@cohort_option
@actor_option
@click.option("--code", default="", help="The evidence code on the first page of the report; with a link.")
@click.option(
    "--link",
    type=click.File("r"),
    help="File with the one-time token (`-`: stdin); default: it is asked for.",
)
@click.option("--print", "printing", is_flag=True, help="Write what is signed with a key, and sign nothing.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where --print writes it.")
@click.option("--statement", type=click.File("rb"), help="The file that --print wrote.")
@click.option("--signature", type=click.File("rb"), help="Its signature, made elsewhere.")
@click.pass_obj
def approve(
    session: Session,
    cohort: str | None,
    who: str,
    code: str,
    link: IO[str] | None,
    printing: bool,
    out: Path | None,
    statement: IO[bytes] | None,
    signature: IO[bytes] | None,
) -> Result:
    """Sign the approval of a cohort's switch, as the plan asks it of you: by link, or with a key.

    By link: your name, the code on the report's first page, and the token of your invitation. With a key:
    write the statement, sign it where your key is, hand the signature in. The private key never comes here.

    \b
    migrate approve --as "Ada Example" --code KQ7-2MD-F4X
    migrate approve --as "Ben Example" --print --out approval.json
    ssh-keygen -Y sign -n migrate-approval -f ~/.ssh/id_ed25519 approval.json
    migrate approve --statement approval.json --signature approval.json.sig
    """
    from migrate.cutover import gate as gates
    from migrate.cutover import signing
    from migrate.cutover.trail import actor
    from migrate.errors import UsageError

    with session.workspace() as workspace:
        cutover = _cutover(workspace, cohort)
        evidence = gates.current(cutover)
        if printing:
            said = signing.statement(cutover, evidence, who)
            if out is not None:
                out.write_bytes(said.content())
            words = f"Written to {out}." if out is not None else said.content().decode().rstrip("\n")
            return Result("approve", {"statement": said.content().decode(), "file": out}, words)
        if (statement is None) != (signature is None):
            raise UsageError(
                "A statement and its signature come together.", "Give `--statement` and `--signature`."
            )
        if statement is not None and signature is not None:
            done = signing.sign_by_key(
                cutover, evidence, content=statement.read(), proof=signature.read(), via=actor()
            )
        else:
            token = link.read().strip() if link else click.prompt("Token", hide_input=True, err=True)
            done = signing.sign_by_link(cutover, evidence, token=token, name=who, code=code, via=actor())
        missing = gates.approve_if_complete(cutover, who=done.who)
        state = cutover.state
    words = f"{done.who} has signed ({done.facts['kind']}). " + (missing or "The switch is approved.")
    document = {"name": done.who, "kind": done.facts["kind"], "event": done.digest, "state": state}
    return Result("approve", {**document, "missing": missing}, words)
