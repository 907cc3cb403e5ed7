"""Commands that keep the target close to a source in which people work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli.cutover import actor_option, cohort_option
from migrate.cli.output import Result, Session, show, table
from migrate.cli.watching import Span

if TYPE_CHECKING:
    from migrate.cutover.deltas import Step
    from migrate.stages.handing_out import Format
    from migrate.workspace import Workspace

FORMATS: dict[str, Format] = {".xlsx": "xlsx", ".db": "sqlite", ".sqlite": "sqlite", ".parquet": "parquet"}


@click.command(short_help="Bring what has changed since, until the target has caught up.")
@cohort_option
@actor_option
@click.option(
    "--watch", is_flag=True, help="Go on until interrupted, through the source's outages; a round at a time."
)
@click.option(
    "--every", type=Span(), default="1m", show_default=True, help="With --watch: from one round to the next."
)
@click.option("--rounds", type=click.IntRange(1), metavar="N", help="At most N rounds.")
@click.pass_obj
def delta(
    session: Session, cohort: str | None, who: str, watch: bool, every: timedelta, rounds: int | None
) -> Result:
    """Bring what has changed in the source since: inserts, updates, deletes, undeletes, merges, links, files.

    Rounds follow each other until the lag is under the plan's bound (`cutover: lag`); a cutover that is
    syncing is holding then. With `--watch` rounds go on, a system that is away or out of quota is waited for,
    and a lag that grows over the bound takes the cutover back to syncing, with a warning. Each round is a
    line; with `--json`, a document in one line. Next: `migrate cutover freeze`.

    Where the cohort is frozen it brings the last delta, up to the final watermark and beyond; the cohort is
    drained then. Next: `migrate validate`, `migrate cutover gate`.

    Ends with 1 while the lag is over the bound, or something was held or refused; with 3 where a system kept
    the last round from its end.

    \b
    migrate cutover delta
    migrate cutover delta --watch --every 5m
    """
    from migrate.cutover.deltas import follow
    from migrate.cutover.machine import Cutover, chosen
    from migrate.cutover.states import STANDSTILL

    with session.workspace() as workspace:
        name = chosen(workspace, cohort, alike="switched")  # a round is every switched cohort's
        if Cutover(workspace, name).state in STANDSTILL and not watch:
            return _last(session, workspace, name, who)

    def told(_workspace: Workspace, step: Step) -> None:
        if step.next_at is not None:  # the last one is the command's result
            show(_result(step), session.as_json)

    with session.bars() as bars:
        last = follow(
            session.workspace, cohort=name, who=who, told=told, rounds=rounds,
            every=every if watch else None, progress=bars,
        )  # fmt: skip
    return _result(last)


def _last(session: Session, workspace: Workspace, cohort: str, who: str) -> Result:
    """The last delta of a frozen cohort."""
    from migrate.cutover.freezing import drain
    from migrate.cutover.machine import Cutover

    with session.bars() as bars:
        found = drain(Cutover(workspace, cohort), who=who, progress=bars)
    text = (
        f"The cohort `{cohort}` is drained: every object was read up to {found.through}, beyond the final "
        f"watermark {found.watermark}. Dead letters left: {found.refused:,}. Next: `migrate cutover gate`."
    )
    document = {"drained": found, "state": "drained"}
    return Result("cutover delta", document, text, int(bool(found.refused)))


def _result(step: Step) -> Result:
    one = step.round
    clean = one.caught_up and not (one.letters or one.conflicts or one.blocked)
    code = 3 if one.error else int(not clean)
    return Result("cutover delta", step.document(), step.text(), code)


@click.command(short_help="List what was changed on the wrong side, with both values.")
@click.option("--open", "only_open", is_flag=True, help="Only those that nothing has settled since.")
@click.option("--limit", default=50, show_default=True, help="Most rows to show.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Write all of them into a file: .xlsx, .csv, .parquet or .db.",
)  # fmt: skip
@click.pass_obj
def conflicts(session: Session, only_open: bool, limit: int, out: Path | None) -> Result:
    """List what was changed on the side where a record isn't at home: the value there, the value here, who
    changed it and when, and what became of it.

    A change on the wrong side never flows. Whoever wants it enters it on the record's home side. Ends with 1
    while any is open.

    \b
    migrate cutover conflicts
    migrate cutover conflicts --out conflicts.xlsx
    """
    from migrate.cutover import conflicts as module

    with session.workspace() as workspace:
        found = module.conflicts(workspace, limit=limit, only_open=only_open)
        written = module.export(workspace, out, FORMATS.get(out.suffix.lower(), "csv")) if out else None
    rows = [
        (each.object, each.key, each.field, each.home, each.there, each.here, each.who, each.at, each.decided)
        for each in found.rows
    ]  # fmt: skip
    head = ("object", "key", "field", "home", "there", "here", "who", "at", "decided")
    lines = [table(rows, head)] if rows else []
    lines.append(f"{found.total:,} conflicts, {found.open:,} of them open.")
    if out is not None:
        lines.append(f"{written:,} rows in {out}.")
    document = {**module.document(found), "file": out, "rows": written}
    return Result("cutover conflicts", document, "\n".join(lines), int(bool(found.open)))
