"""Commands that freeze a cohort, and let it go again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session, table
from migrate.cli.watching import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrate.connector.freezing import Instruction
    from migrate.cutover.freezing import Freeze

SHOWN = 20  # offences that people are shown; `--json` has more


@click.command(short_help="Freeze a cohort: tell people what to do, then see that nothing moves.")
@cohort_option
@actor_option
@click.option("--wait", is_flag=True, help="Go on looking until it stands still, for 12 hours at most.")
@click.option(
    "--for", "span", type=Span(), default="12h", show_default=True, help="How long `--wait` goes on at most."
)
@click.option(
    "--anew", is_flag=True,
    help="Begin again: the configuration as it is now is the one that must not change.",
)  # fmt: skip
@click.option("--brief", is_flag=True, help="Leave out what people have to do.")
@click.pass_obj
def freeze(
    session: Session, cohort: str | None, who: str, wait: bool, span: timedelta, anew: bool, brief: bool
) -> Result:
    """Say what people have to do so that nothing changes any more, then look whether it is so.

    The cohort is frozen once the source has stood still for as long as the plan's `freeze: still`, and its
    longest call and lag: nobody has written to the cohort's records, no job or import runs, no link and no
    configuration has changed. Who wrote is listed by person and record. Ends with 1 while it isn't frozen:
    run it again, or give `--wait`. Next: `migrate cutover delta`, which brings the last changes.

    \b
    migrate cutover freeze --cohort pilot --wait
    """
    from migrate.cutover.freezing import freeze as run
    from migrate.cutover.machine import Cutover, chosen

    with session.workspace() as workspace:
        found = run(
            Cutover(workspace, chosen(workspace, cohort)), who=who, anew=anew,
            wait=span.total_seconds() if wait else 0.0,
            show=lambda each: session.say(_short(each)),
        )  # fmt: skip
    return Result("cutover freeze", {"freeze": found}, _text(found, brief=brief), 0 if found.frozen else 1)


@click.command(short_help="Let people work on in the source.")
@cohort_option
@actor_option
@click.option("--reason", required=True, help="Why; kept in the trail.")
@click.pass_obj
def thaw(session: Session, cohort: str | None, who: str, reason: str) -> Result:
    """Let people work on in the source: the cohort is holding again, and approvals that were given are void.

    Says what people have to take back. Posts that our receiver has kept go back by `migrate cutover intake
    replay`. Next: `migrate cutover delta --watch`, and another freeze.

    \b
    migrate cutover thaw --cohort pilot --reason "The picklist of industries has to be mended first"
    """
    from migrate.cutover.freezing import thaw as run
    from migrate.cutover.machine import Cutover, chosen

    with session.workspace() as workspace:
        found = run(Cutover(workspace, chosen(workspace, cohort)), who=who, why=reason)
    lines = [f"The cohort `{found.cohort}` is holding again (it was {found.came_from})."]
    lines += [f"  {each.undo}" for each in found.undo]
    return Result("cutover thaw", {"thawed": found}, "\n".join(lines))


def _short(found: Freeze) -> str:
    """One line while somebody waits."""
    from migrate.clock import shown

    left = max(0.0, found.needed - found.seconds)
    busy = f", {len(found.jobs)} jobs run" if found.jobs else ""
    newest = found.offences[0] if found.offences else None
    who = f"; last: {newest.by or 'somebody'} on {newest.object} {newest.id}" if newest else ""
    at, asked = shown(found.at, seconds=True), shown(found.asked, seconds=True)
    return f"{at}: {found.touched:,} writes since {asked}{busy}{who}; {left:.0f} s to go."


def _text(found: Freeze, *, brief: bool) -> str:
    from migrate.clock import shown

    lines = [] if brief or found.frozen else _told(found.instructions)
    still = shown(found.still_from, seconds=True)
    if found.frozen:
        lines.append(
            f"The cohort `{found.cohort}` is frozen: nothing has moved since {still}, for "
            f"{found.seconds:.0f} s. Final watermark: {shown(found.watermark, seconds=True)}. "
            "Next: `migrate cutover delta`."
        )
    else:
        lines.append(
            f"Not frozen. Still since {still}, for {max(0.0, found.seconds):.0f} of "
            f"{found.needed:.0f} s. Run it again, or with `--wait`."
        )
    for each in found.jobs:
        who = f", begun by {each.by}" if each.by else ""
        lines.append(f"  running: {each.kind} {each.id} of {each.object or '?'} ({each.state}{who}).")
    lines += [f"  {each}. Put it back, or discover, check, and freeze with `--anew`."
              for each in found.configuration]  # fmt: skip
    lines += [f"  {name}: {count:,} records came through, as the plan lets them."
              for name, count in {**found.doors, **found.allowed}.items()]  # fmt: skip
    lines += [f"  {each}" for each in found.untold]
    if found.offences:
        lines.append(f"Written since the freeze was asked for at {shown(found.asked, seconds=True)}:")
        lines += [f"  {count:,}  {name}" for name, count in found.by.items()]
        rows = [
            (each.at[:19].replace("T", " "), each.by or "?", each.deed, each.object, each.id, each.name,
             ", ".join(each.fields))
            for each in found.offences[:SHOWN]
        ]  # fmt: skip
        lines.append(table(rows, ("at (UTC)", "by", "did", "object", "record", "name", "fields")))
        if found.touched > SHOWN:
            lines.append(f"  … {found.touched - SHOWN:,} more; `--json` lists them.")
    return "\n".join(lines)


def _told(instructions: Sequence[Instruction]) -> list[str]:
    lines = ["What people have to do:"]
    for each in instructions:
        lines.append(f"  [{each.level}] {each.do}")
        lines.append(f"      Afterwards: {each.undo}")
    return lines if instructions else []
