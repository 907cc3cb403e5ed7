"""Commands of the web console: serve it, let people in, and the ticks of a runbook."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session
from migrate.cli.watching import Span


@click.group(invoke_without_command=True, short_help="Serve the web console.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="Where it listens; 0: any."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Another address needs `--cert` and `--key`."
)
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="How browsers call this machine; may be repeated."
)
@click.option(
    "--cert", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="TLS certificate, PEM."
)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Its key, PEM.")
@click.pass_context
def console(
    ctx: click.Context, port: int, host: str, names: tuple[str, ...], cert: Path | None, key: Path | None
) -> Result | None:
    """Serve the web console: where the cutover stands, the report, decisions, sign-off, the runbook.

    Runs until Ctrl-C. Commands that are begun in it are processes of their own and go on. People are those
    of the plan's `cutover.people` and `cutover.sign`; each needs a link, made by `migrate console invite`.

    \b
    migrate console
    migrate console invite "Ada Example"
    """
    if ctx.invoked_subcommand is not None:
        return None
    from migrate.console.serving import Listening, serve

    session: Session = ctx.obj
    with session.workspace() as workspace:
        _ = workspace.ledger  # what can't be served is told now
    listening = Listening(host, port, names, cert, key)
    if not listening.loopback:
        session.say(f"At {host} others can reach this console; whoever has a link is let in.")

    def ready(url: str) -> None:
        session.say(
            f"The console is at {url}. `migrate console invite NAME` lets somebody in; Ctrl-C ends it."
        )

    serve(session.where, listening, ready)
    return Result("console", {}, "The console has ended. Commands that were begun go on.")


@console.command(short_help="Make a one-time link for a person.")
@click.argument("name")
@click.option("--for", "ttl", type=Span(), default="1d", show_default=True, help="How long it can be used.")
@click.option("--withdraw", is_flag=True, help="End the unused links of this person instead.")
@actor_option
@click.pass_obj
def invite(session: Session, name: str, ttl: timedelta, withdraw: bool, who: str) -> Result:
    """Make a link that lets the person NAME of the plan into the console, once.

    Give it to nobody else: whoever opens it is taken for that person.

    \b
    migrate console invite "Ada Example"
    """
    from migrate.console.people import person
    from migrate.console.serving import address, link
    from migrate.console.sessions import PURPOSE
    from migrate.cutover import tokens

    with session.workspace() as workspace:
        found = person(workspace.plan, name)
        if withdraw:
            ended = tokens.withdraw(workspace.ledger, found.name, who=who)
            return Result("console invite", {"person": found.name, "ended": ended}, f"{ended} links ended.")
        token = tokens.make(workspace.ledger, PURPOSE, found.name, ttl, who=who)
    url = link(address(session.where), token)
    document = {"person": found.name, "roles": sorted(found.roles), "url": url}
    return Result("console invite", document, f"For {found.name} ({found.words}), once:\n{url}")


@console.command(short_help="Tick a step of a runbook off.")
@click.argument("runbook")
@click.argument("step")
@click.option("--undo", is_flag=True, help="Take the tick back.")
@actor_option
@click.pass_obj
def tick(session: Session, runbook: str, step: str, undo: bool, who: str) -> Result:
    """Tick STEP of RUNBOOK off, by its title; it stands in the trail with your name.

    \b
    migrate console tick "rollback 1" "Prove it"
    """
    from migrate.cutover.ticks import tick as run

    with session.workspace() as workspace:
        run(workspace.ledger, runbook, step, who=who, undo=undo)
    words = "isn't ticked off any more" if undo else "is ticked off"
    return Result("console tick", {"runbook": runbook, "step": step, "done": not undo}, f"`{step}` {words}.")


@console.command(short_help="Say when the maintenance window is.")
@cohort_option
@actor_option
@click.option("--at", required=True, help="When it begins: an instant, or a day and an hour.")
@click.option("--until", required=True, help="When people want to work again.")
@click.pass_obj
def window(session: Session, cohort: str | None, who: str, at: str, until: str) -> Result:
    """Keep in the trail when a cohort's maintenance window is; the console counts down to it.

    Its runbook gets these times. An hour without a zone is one of the plan's calendar. Nothing else goes by
    it: a freeze is what `migrate cutover freeze` has verified.

    \b
    migrate console window --at "2026-12-04 18:00" --until "2026-12-06 20:00"
    """
    from migrate.cli.cutover_runbook import instant
    from migrate.cutover.machine import chosen
    from migrate.cutover.scheduled import schedule

    with session.workspace() as workspace:
        begins, ends = instant(workspace, at, "--at"), instant(workspace, until, "--until")
        if begins is None or ends is None:
            raise click.UsageError("`--at` and `--until` are moments.")
        found = schedule(workspace.ledger, chosen(workspace, cohort), begins, ends, who=who)
    words = f"The window of `{found.cohort}` is from {found.at} to {found.until}."
    return Result("console window", {"window": found}, words)
