"""The group of cutover commands, each imported when it is asked for, and the options that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from migrate.cli.lazy import Lazy

F = TypeVar("F", bound=Callable[..., Any])

COMMANDS = {
    # One line a command, in the order in which one uses them; each part's in a module of its own.
    "rehearse": "migrate.cli.cutover_rehearse:rehearse",
    "start": "migrate.cli.cutover_start:start",
    "delta": "migrate.cli.cutover_delta:delta",
    "conflicts": "migrate.cli.cutover_delta:conflicts",
    "freeze": "migrate.cli.cutover_freeze:freeze",
    "thaw": "migrate.cli.cutover_freeze:thaw",
    "intake": "migrate.cli.cutover_intake:intake",
    "gate": "migrate.cli.cutover_gate:gate",
    "waive": "migrate.cli.cutover_gate:waive",
    "invite": "migrate.cli.cutover_gate:invite",
    "switch": "migrate.cli.cutover_switch:switch",
    "back": "migrate.cli.cutover_back:back",
    "seal": "migrate.cli.cutover_switch:seal",
    "cancel": "migrate.cli.cutover_start:cancel",
    "runbook": "migrate.cli.cutover_runbook:runbook",
    "messages": "migrate.cli.cutover_runbook:messages",
    "status": "migrate.cli.cutover_start:status",
    "log": "migrate.cli.cutover_start:log",
}


@click.group(
    cls=Lazy, commands=COMMANDS, short_help="Rehearse, freeze, switch, and a way back that loses nothing."
)
def cutover() -> None:
    """Bring a cohort over to the new system: step by step, each step guarded and recorded.

    \b
    migrate cutover start       load the cohort
    migrate cutover delta       bring what has changed since; `--watch` keeps on
    migrate cutover conflicts   what was changed on the wrong side
    migrate cutover back        go home to the old system, with everything entered since
    migrate cutover status      where it stands, what the next step needs, who must act
    migrate cutover log         who did what; `--verify` finds tampering
    """


def cohort_option(command: F) -> F:
    """`--cohort NAME`; None: the only one, or the one under way (`machine.chosen`)."""
    return click.option(
        "--cohort",
        metavar="NAME",
        help="A cohort of the plan.  [default: the only one, or the one under way]",
    )(command)


def actor_option(command: F) -> F:
    """`--as NAME`, handed over as `who`: the acting person as the trail names him, user@host without it."""

    def named(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str:
        from migrate.cutover.trail import actor

        return actor(value)

    return click.option(
        "--as", "who", metavar="NAME", callback=named,
        help="Who acts, as the trail shall name them.  [default: user@host]",
    )(command)  # fmt: skip
