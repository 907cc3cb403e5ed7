"""The command that rehearses a load and its rollback on twins of both systems."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate_rollback.drilling import Drilled

F = TypeVar("F", bound=Callable[..., Any])


def twin_options(command: F) -> F:
    """How twins are started and left: `--latency`, `--speed`, `--limit` (as `limits`) and `--keep`."""
    for option in (
        click.option("--keep", is_flag=True, help="Leave the twins' stores and the workspace on the disk."),
        click.option(
            "--limit", "limits", multiple=True, metavar="NAME=VALUE",
            help="A limit of the target's tenant, such as `tier=enterprise` or `daily_limit=200000`.",
        ),
        click.option(
            "--speed", type=click.FloatRange(min=0.1), default=4.0, show_default=True,
            help="Seconds of the vendor's clock in one of this machine's.",
        ),
        click.option(
            "--latency", type=click.FloatRange(min=0), default=0.25, show_default=True,
            help="Seconds that the vendor takes for a call.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(short_help="Measure a load and its rollback on twins of both systems.")
@click.option(
    "--rows", type=click.IntRange(min=1), default=None, help="About so many records. [default: 2000]"
)
@click.option("--whole", is_flag=True, help="All records of the extract.")
@twin_options
@click.pass_obj
def drill(
    session: Session, rows: int | None, whole: bool, latency: float, speed: float, limits: tuple[str, ...],
    keep: bool,
) -> Result:  # fmt: skip
    """Load and roll back on local twins of both systems, and say whether the window is long enough.

    The twins are made from the discovered catalogs, the records from the extract, what stood in the target
    from its baseline. No real system is read or written. The times go into the ledger: `status`, the report
    and the last safe start use them. Next: `migrate rollback runbook`.

    \b
    migrate rollback drill --rows 500
    """
    if whole and rows is not None:
        raise click.UsageError("Name either `--rows` or `--whole`.")
    from migrate_rollback.drilling import ROWS, Options
    from migrate_rollback.drilling import drill as run

    options = Options(None if whole else rows or ROWS, speed, latency, settings(limits), keep)
    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, options, bars)
    return Result("rollback drill", _document(found), _text(found), 0 if found.clean else 1)


def settings(limits: tuple[str, ...]) -> dict[str, Any]:
    """Limits of a tenant as they were typed, NAME=VALUE each.

    Raises:
        UsageError: one is no such pair.
    """
    found: dict[str, Any] = {}
    for each in limits:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.UsageError(f"`{each}` isn't NAME=VALUE, such as `tier=enterprise`.")
        found[name] = int(value) if value.isdigit() else value
    return found


def _document(found: Drilled) -> dict[str, Any]:
    return {
        "verdict": found.verdict, "enough": found.enough, "records": found.records, "of": found.of,
        "factor": round(found.factor, 2), "speed": found.speed, "latency": found.latency,
        "phases": found.phases, "needed": round(found.needed, 1),
        "window": round(found.window, 1) if isfinite(found.window) else None,
        "failures": found.failures, "refused": found.refused, "baseline": found.baseline,
        "planted": found.planted, "left_out": found.left_out, "left_out_why": found.left_out_why,
        "unlike": found.unlike, "not_proved": found.not_proved, "folder": found.folder,
    }  # fmt: skip


def _text(found: Drilled) -> str:
    sample = found.records < found.of
    lines = [
        f"{found.records:,} of {found.of:,} records"
        + (f"; times are scaled by {found.factor:.1f}, fixed costs included" if sample else "")
        + f". What stood in the target: {found.baseline} ({found.planted:,} records)."
    ]
    rows = [
        (
            each.name, span(each.whole), sum(each.calls.values()), each.throttled,
            ", ".join(f"{name} {count:,}" for name, count in each.calls.items()),
        )
        for each in found.phases
    ]  # fmt: skip
    lines.append(table(rows, ("phase", "takes", "calls here", "throttled", "by kind")))
    slow = [each.name for each in found.phases if each.seconds > 1.5 * each.floor + 60]
    if slow:
        lines.append(
            f"This machine was the brake in {', '.join(slow)}: the vendor is quicker. "
            "A lower `--speed` comes nearer to its times."
        )
    lines.append(
        f"Load, rollback with half as much again, and an hour: {span(found.needed)}. The window: "
        f"{span(found.window)}. " + ("That is enough." if found.enough else "That is NOT enough.")
    )
    if found.verdict == "pass":
        lines.append("The twin is again as it was: verified.")
    else:
        lines += ["The twin is NOT as it was:", *(f"  {each}" for each in found.failures)]
    if found.refused:
        lines.append(f"The twin refused {found.refused:,} records of the load; they would be dead letters.")
    if found.left_out:
        lines.append(
            f"{found.left_out:,} records and links of the baseline were left out: {found.left_out_why}"
        )
    for role, differences in found.unlike.items():
        if differences:
            lines.append(f"The {role}'s twin differs in {len(differences)}: {'; '.join(differences[:5])}")
    lines.append("Not proved by it:")
    lines += [f"  {each}" for each in found.not_proved]
    if found.folder:
        lines.append(f"Kept: {found.folder}")
    return "\n".join(lines)


def span(seconds: float) -> str:
    """A length of time, in the unit that suits it."""
    if not isfinite(seconds):
        return "without end"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
