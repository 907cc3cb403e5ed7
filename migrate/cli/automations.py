"""Commands about what the target does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.connector import Told


@click.group(short_help="See what the target does by itself; switch on what we switched off.")
def automations() -> None:
    """See the target's triggers, flows, workflows and rules, and switch on again what a load switched off."""


@automations.command(name="list")
@click.pass_obj
def list_(session: Session) -> Result:
    """List what stirs in the target when a record of the plan's objects is written, as far as it tells.

    Writes nothing. Next: name in the plan what may stir, or what is to be off while we load.

    \b
    migrate automations list
    """
    from migrate.ledger.switches import open_switches
    from migrate.stages.automations import listed

    with session.workspace() as workspace:
        told = listed(workspace)
        off = open_switches(workspace.ledger)
    lines = [told_text(told), *map(str, off)]
    return Result("automations list", {"told": told, "off": off}, "\n".join(lines), int(bool(off)))


@automations.command()
@click.pass_obj
def restore(session: Session) -> Result:
    """Switch on again what we switched off, as it was; a load does it at its end, unless it was killed.

    May be repeated. What somebody else has switched on meanwhile stays as it is. Next: `migrate status`.

    \b
    migrate automations restore
    """
    from migrate.stages.automations import switch_on_again

    with session.workspace() as workspace:
        found = switch_on_again(workspace)
    text = "\n".join(map(str, found)) if found else "Nothing is off because of us."
    return Result("automations restore", {"restored": found}, text)


def told_text(told: Told) -> str:
    """What a target tells, for people."""
    rows = [
        (
            each.object,
            each.kind,
            each.name,
            "active" if each.active else "off",
            each.on,
            "left out of our writes" if each.bypassed else "can be switched" if each.switchable else "",
        )
        for each in told.automations
    ]
    lines = [table(rows, ("object", "kind", "name", "", "on", ""))] if rows else ["No automation is listed."]
    return "\n".join([*lines, *told.untold])
