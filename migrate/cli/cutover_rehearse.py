"""The command that plays the whole cutover on twins of both systems, or on the vendors' sandboxes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrate.cli import asking
from migrate.cli.cutover import actor_option
from migrate.cli.drill import settings, span, twin_options
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.cutover.rehearsal.found import Rehearsed
    from migrate.cutover.rehearsal.projecting import Interval, Projection


@click.command(short_help="Play the whole cutover on twins of both systems.")
@click.option(
    "--on", type=click.Choice(["twin", "sandbox"]), default="twin", show_default=True,
    help="Where: on local twins, or on the vendors' sandboxes that `--systems` names.",
)  # fmt: skip
@click.option(
    "--systems", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None,
    help="YAML with `source` and `target` of the sandboxes: what is other than in the plan.",
)  # fmt: skip
@click.option(
    "--ids", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None,
    help="CSV with kind,production,sandbox: ids that differ there.",
)  # fmt: skip
@click.option(
    "--extract", "other", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None,
    help="Another workspace's extract, of the same plan: an anonymised one.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="With `--on sandbox`: write there without asking.")
@click.option(
    "--sample", type=click.IntRange(min=1), default=None, help="About so many records, in whole trees."
)
@twin_options
@click.option("--hooks", is_flag=True, help="Run the plan's hooks of the switch, which are real.")
@actor_option
@click.pass_obj
def rehearse(
    session: Session, on: str, systems: Path | None, ids: Path | None, other: Path | None, yes: bool,
    sample: int | None, latency: float, speed: float, limits: tuple[str, ...], hooks: bool, keep: bool,
    who: str,
) -> Result:  # fmt: skip
    """Play the whole cutover: load, edits by people, deltas, freeze, validation, gate, switch, the way back.

    Says what the vendor would refuse, how long each step takes and what it asks of the quota, with an
    interval, and what it did not prove. No real system is read or written: it is played on local twins, or
    on the vendors' sandboxes, which are refused where they are the real tenants. Ends with 1 where something
    was refused, lost or differs: that is recorded, and moves no cohort. Next: `migrate cutover start`,
    `migrate cutover runbook`.

    \b
    migrate cutover rehearse --on twin --sample 500
    migrate cutover rehearse --on sandbox --systems sandboxes.yaml --ids ids.csv
    """
    from migrate.cutover.rehearsal.found import Options
    from migrate.cutover.rehearsal.running import rehearse as run
    from migrate.cutover.starting import UNCLEAN

    if (on == "sandbox") != (systems is not None):
        raise click.UsageError("`--on sandbox` and `--systems FILE` come together.")
    if ids is not None and systems is None:
        raise click.UsageError("`--ids` is for `--on sandbox`.")
    if systems is not None and not yes:
        if session.as_json:
            raise click.UsageError("Add `--yes`: this writes to the sandboxes.")
        asking.yes(f"Load into the sandboxes of {systems}, switch, and take everything back?")
    options = Options(sample, speed, latency, settings(limits), keep, hooks, other, systems, ids)
    if not session.as_json:
        options.told = partial(click.echo, err=True)
    try:
        with session.workspace() as workspace, session.bars() as bars:
            found = run(workspace, options, who=who, progress=bars)
    except KeyboardInterrupt:
        click.echo("Nothing of the real systems was touched. A rehearsal begins anew.", err=True)
        raise
    document: dict[str, Any] = {"rehearsal": found, "on": on, "clean": found.clean}
    text = rehearsed_text(found)
    if not found.clean:
        text += f"\nIt is recorded, and moves no cohort. {UNCLEAN}"
    return Result("cutover rehearse", document, text, 0 if found.clean else 1)


def rehearsed_text(found: Rehearsed) -> str:
    """What a rehearsal showed, for people."""
    lines = [f"{found.records:,} of {found.of:,} records, on a {found.on}. Validation: {found.verdict}."]
    projection = found.projection
    rows = [
        (each.title, span(each.seconds), _seconds(ahead.seconds), each.asked("target"), _number(ahead.calls))
        for each, ahead in zip(found.steps, projection.steps, strict=True)
    ]
    lines.append(table(rows, ("step", "took here", "will take", "calls here", "calls then")))
    lines.append(f"Intervals: {projection.method}.")
    slow = [each.title for each in found.steps if each.floor and each.seconds > 1.5 * each.floor + 60]
    if slow:
        lines.append(
            f"This machine was the brake in {', '.join(slow)}: the vendor is quicker. "
            "A lower `--speed` comes nearer to its times."
        )
    if projection.quota:
        days = projection.days_of_quota or 0
        lines.append(
            f"Calls to the new system: {_number(projection.calls)}; its quota is {projection.quota:,} a day, "
            f"so they take {days:.1f} days of it."
        )
    for name, words in windows(projection).items():
        lines.append(f"A window for `{name}`: {words}")
    lines.append(f"Records to write: {_number(projection.records)}; files: {projection.bytes:,} bytes.")
    lines += [
        f"Refused: {each.count:,} {each.kind}s of `{each.object}`: {each.reason} "
        f"(such as {', '.join(each.keys)})"
        for each in found.refusals
    ]
    arrived = found.edits - len(found.lost)
    lines.append(f"People's edits: {arrived} of {found.edits} arrived. The way back: {found.back}.")
    lines += [f"Lost: {each}" for each in found.lost]
    lines += [f"Look at: {each}" for each in found.findings]
    if found.left_out:
        lines.append(f"The twins left out {found.left_out:,} records: {found.left_out_why}")
    for role, differences in found.unlike.items():
        if differences:
            lines.append(f"The {role}'s twin differs in {len(differences)}: {'; '.join(differences[:5])}")
    lines.append("Not proved by it:")
    lines += [f"  {each}" for each in found.not_proved]
    lines.append(f"Evidence: {found.evidence}" + (f"; kept: {found.folder}" if found.folder else ""))
    return "\n".join(lines)


def _seconds(found: Interval) -> str:
    return f"{span(found.low)} to {span(found.high)}, likely {span(found.likely)}"


def _number(found: Interval) -> str:
    if found.low == found.high:
        return f"{found.likely:,.0f}"
    return f"{found.low:,.0f} to {found.high:,.0f}"


def windows(projection: Projection) -> dict[str, str]:
    """What each cohort needs of a maintenance window, in words: from the freeze to the switch, and back."""
    from migrate.cutover.runbook.steps import STEPS
    from migrate.cutover.runbook.times import MARGIN, needs

    found = {}
    for name in dict.fromkeys(each.cohort for each in projection.steps if each.cohort):
        ahead, way = needs(STEPS, projection, name)
        words = f"{_seconds(ahead)} to the switch, people's decisions included; "
        if way is None:
            words += "the way back wasn't measured, so no point of no return can be told."
        else:
            last = span(way.high + MARGIN.total_seconds())
            words += f"the way back takes {_seconds(way)}: no return later than {last} before its end."
        found[name] = words
    return found
