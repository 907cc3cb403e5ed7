"""Commands about what comes in while a cohort is frozen: received, replayed, looked at, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli.cutover import actor_option
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.cutover.replaying import Replayed

SHOWN = 20


@click.group(short_help="Keep what forms send during the freeze, and load it afterwards.")
def intake() -> None:
    """Keep what the doors of the plan send (`cutover: intake`) while it isn't known where new records are at
    home, and bring it there afterwards.

    \b
    migrate cutover intake serve      receive, on this machine
    migrate cutover intake status     how many came, and what became of them
    migrate cutover intake replay     load them
    migrate cutover intake forget     empty a person's posts
    """


@intake.command(short_help="Receive posts until interrupted.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; loopback unless told.")
@click.option("--port", type=click.IntRange(1, 65535), default=8470, show_default=True, help="The port.")
@click.pass_obj
def serve(session: Session, host: str, port: int) -> Result:
    """Receive posts at the plan's doors with `during: buffer`, each at `/<name of the door>`.

    Whoever gets an answer of 200 or 303 has a post on this machine's disk. Put your own web server with TLS
    before it. Next: `migrate cutover intake replay`, after the switch or a thaw.

    \b
    migrate cutover intake serve --port 8470
    """
    from migrate.cutover.receiving import buffers
    from migrate.cutover.receiving import serve as run

    with session.workspace() as workspace:
        for place, door in buffers(workspace).items():
            session.say(f"{door.name}: http://{host}:{port}/{place}")
        run(workspace, host=host, port=port)
    return Result("cutover intake serve", {"ended": True}, "The intake has ended.")


@intake.command(short_help="Load the posts where new records are at home now.")
@click.option("--again", is_flag=True, help="What was refused or skipped, too.")
@actor_option
@click.pass_obj
def replay(session: Session, again: bool, who: str) -> Result:
    """Load the posts that wait, where new records are at home: in the target once the last cohort is
    switched, in the source after a thaw. Goes on with a replay that was killed; nobody is made twice.

    Ends with 1 while posts wait or were refused.

    \b
    migrate cutover intake replay
    """
    from migrate.cutover import trail
    from migrate.cutover.replaying import REPLAYED
    from migrate.cutover.replaying import replay as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, again=again, progress=bars)
        if found.runs:
            trail.append(workspace.ledger, who, REPLAYED, side=found.side, doors=found.counts)
    return Result(
        "cutover intake replay", {"replayed": found}, _text(found),
        int(bool(found.waiting or any(each["refused"] for each in found.counts.values()))),
    )  # fmt: skip


@intake.command(short_help="Say how many posts came, and what became of them.")
@click.pass_obj
def status(session: Session) -> Result:
    """Say how many posts came through each door, and what became of them: received is always the sum of the
    others.

    \b
    migrate cutover intake status
    """
    from migrate.cutover.posts import opened, there

    with session.workspace() as workspace:
        counts = {}
        if there(workspace):
            posts = opened(workspace)
            counts = posts.counts()
            posts.close()
    waiting = sum(each["waiting"] for each in counts.values())
    return Result("cutover intake status", {"doors": counts}, _counts(counts), int(bool(waiting)))


@intake.command(short_help="Empty the posts of a person.")
@click.argument("words")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def forget(session: Session, words: str, yes: bool) -> Result:
    """Empty the posts in which WORDS stand, such as an e-mail address. `migrate purge` doesn't reach them.

    \b
    migrate cutover intake forget ann@example.com --yes
    """
    from migrate.cli import asking
    from migrate.cutover.posts import opened, there

    with session.workspace() as workspace:
        count = 0
        if there(workspace):
            if not yes:
                asking.yes("Empty these posts for good?")
            posts = opened(workspace)
            count = posts.forget(words)
            posts.close()
    return Result("cutover intake forget", {"emptied": count}, f"{count:,} posts were emptied.")


def _text(found: Replayed) -> str:
    lines = [f"Posts went into the {found.side}." if found.runs else "No post waited.", _counts(found.counts)]
    lines += [
        f"  refused: {each.door} {each.at[:19]} {each.id[:12]}: {each.reason}"
        for each in found.refused[:SHOWN]
    ]
    return "\n".join(lines)


def _counts(counts: dict[str, dict[str, int]]) -> str:
    if not counts:
        return "Nothing has come in."
    names = list(next(iter(counts.values())))
    return table([(door, *each.values()) for door, each in counts.items()], ("door", *names))
