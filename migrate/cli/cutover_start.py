"""Commands that begin a cutover, give it up, and say where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.cutover.standing import Standing


@click.command(short_help="Load a cohort.")
@cohort_option
@actor_option
@click.option(
    "--despite", metavar="REASON",
    help="Load although the last rehearsal found trouble; why is kept in the trail.",
)  # fmt: skip
@click.pass_obj
def start(session: Session, cohort: str | None, who: str, despite: str | None) -> Result:
    """Load a cohort: extract and transform what isn't there yet, publish its keys, send its records and all
    that they refer to.

    Goes on where it was stopped. A load that was made before counts. Run `migrate prepare` before it.
    Next: `migrate cutover delta`.

    \b
    migrate cutover start --cohort pilot
    """
    from migrate.cli.stages import loaded_document, loaded_text
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.starting import start as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(Cutover(workspace, chosen(workspace, cohort)), who=who, despite=despite, progress=bars)
    lines = [f"The cohort `{found.cohort}` has {found.records:,} records, and is {found.state}."]
    lines += [f"  {number:,} of them are in `{other}`, too." for other, number in found.shared.items()]
    lines.append(loaded_text(found.loaded))
    document = {
        "cohort": found.cohort, "state": found.state, "records": found.records, "shared": found.shared,
        "load": loaded_document(found.loaded),
    }  # fmt: skip
    return Result("cutover start", document, "\n".join(lines), 0 if found.loaded.clean else 1)


@click.command(short_help="Give a cutover up before its switch.")
@cohort_option
@actor_option
@click.option("--reason", required=True, help="Why; kept in the trail.")
@click.pass_obj
def cancel(session: Session, cohort: str | None, who: str, reason: str) -> Result:
    """Give a cutover up before its switch. What was loaded stays until `migrate rollback run`.

    \b
    migrate cutover cancel --cohort pilot --reason "Sales wants another month"
    """
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.starting import cancel as run

    with session.workspace() as workspace:
        name = chosen(workspace, cohort)
        event = run(Cutover(workspace, name), who=who, reason=reason)
    text = f"The cutover of `{name}` is cancelled. `migrate rollback run` takes back what was loaded."
    return Result("cutover cancel", {"cohort": name, "event": event}, text)


@click.command(short_help="Say where the cutover stands.")
@cohort_option
@click.pass_obj
def status(session: Session, cohort: str | None) -> Result:
    """Say where each cohort stands, what its next step needs, who must act, and how long there is a way back.

    Asks no system. Ends with 1 while something stands in the way of a next step.

    \b
    migrate cutover status
    """
    from migrate.cutover import standing as shown

    with session.workspace() as workspace:
        found = [shown.standing(workspace, cohort)] if cohort else shown.everywhere(workspace)
    document = {"cohorts": found}
    return Result("cutover status", document, "\n".join(_lines(found)), int(any(each.red for each in found)))


def _lines(found: list[Standing]) -> list[str]:
    from migrate.clock import shown
    from migrate.cutover.deltas import FLOWS

    lines = []
    for each in found:
        since = f" since {shown(each.since)}" if each.since else ""
        lines.append(f"{each.cohort}: {each.state}{since}. Next: {each.command}; acts: {each.acts}.")
        if each.state in FLOWS and each.lag is not None:
            lines.append(f"  lag   {each.lag:,.0f} s; the plan allows {each.bound:,.0f} s")
        lines += [f"  quota {one.system}: {one.left:,} calls left" for one in each.quota[:2]]
        lines += [f"  red   {line.id}: {line.words} {line.remedy}".rstrip() for line in each.red]
        lines += [f"  green {line.id}: {line.words}" for line in each.needs if line.ok]
    return [*lines, *dict.fromkeys(each.window for each in found if each.window)]


@click.command(short_help="Say who did what, and whether the trail is whole.")
@click.option(
    "--verify", "verified", is_flag=True, help="Look for tampering; exit code 5 where there is any."
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="DIGEST",
    help="With `--verify`: a head that you noted, 12 characters of it or more. May be given several times.",
)
@click.option("--all", "everything", is_flag=True, help="Events of other commands, too.")
@cohort_option
@click.pass_obj
def log(
    session: Session, cohort: str | None, verified: bool, heads: tuple[str, ...], everything: bool
) -> Result:
    """Say who did what in the cutover, from the trail; with `--verify`, whether anybody has touched it.

    Every event carries the digest of the one before it, and the trail's head is kept in several places, so
    that an altered event, one taken out, and a tail that was cut show.

    \b
    migrate cutover log --verify
    """
    from migrate.cutover import trail

    with session.workspace() as workspace:
        found = trail.events(workspace.ledger, cohort=cohort)
        head = trail.head(workspace.ledger)
        flaws = trail.verify(workspace, heads) if verified else []
    told = ("cutover", "approval", "gate", "plan")
    shown = [each for each in found if everything or each.what.startswith(told)]
    rows = [(str(each.number), each.at, each.who, each.cohort, each.what, _said(each)) for each in shown]
    lines = [table(rows, ("event", "at", "who", "cohort", "what", ""))] if rows else ["Nothing yet."]
    lines.append(f"Head: {head or 'none'}")
    if verified:
        lines += flaws or [f"The trail is whole: {len(found):,} events."]
    document = {"events": shown, "head": head, "verified": verified, "flaws": flaws}
    return Result("cutover log", document, "\n".join(lines), 5 if flaws else 0)


def _said(event: object) -> str:
    facts = dict(getattr(event, "facts", {}))
    facts.pop("cohort", None)
    if "from" in facts:
        return f"{facts['from']} -> {facts['to']}"
    return ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, (str, int)))[:80]
