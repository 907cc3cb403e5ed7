"""Commands about what is so: validate, report, diff, trace, crosswalk, status."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrate.cli.output import Result, Session, table
from migrate.cli.stages import objects_option
from migrate.cli.watching import Span, keep_looking, keep_watch, result

if TYPE_CHECKING:
    from migrate_validators import Report

    from migrate.stages.handing_out import Format
    from migrate.stages.redirects import Server
    from migrate.workspace import Workspace

_FORMATS: dict[str, Format] = {".xlsx": "xlsx", ".db": "sqlite", ".sqlite": "sqlite", ".parquet": "parquet"}


@click.command(short_help="Read the target again and compare every row.")
@objects_option
@click.option(
    "--only", multiple=True, metavar="CHECK", help="Only this check, such as `rows`; may be repeated."
)
@click.option(
    "--changes", is_flag=True,
    help="Of the target, read only what changed since the former validation; for a line of cron.",
)  # fmt: skip
@click.option(
    "--watch", "every", type=Span(), help="Do it again every so often, as 15m or 1h; with --changes."
)
@click.option(
    "--full-every", type=Span(), default="1d", show_default=True,
    help="With --changes or --watch: read the target whole at least this often.",
)  # fmt: skip
@click.option(
    "--unmask", is_flag=True, help="Show persons' names, e-mails, phones and long texts in the report."
)
@click.option(
    "--since", default="", metavar="WHEN",
    help="Only records that changed on either side since an instant, a day, or the `last` validation.",
)  # fmt: skip
@click.option(
    "--sample", type=click.IntRange(1), metavar="N",
    help="Only N records an entry, read by their ids; the same ones at each look.",
)  # fmt: skip
@click.pass_obj
def validate(
    session: Session,
    objects: tuple[str, ...],
    only: tuple[str, ...],
    changes: bool,
    every: timedelta | None,
    full_every: timedelta,
    unmask: bool,
    since: str,
    sample: int | None,
) -> Result:
    """Read the target again and compare every row with the source and the plan.

    Writes index.html, report.json, report.xlsx and junit.xml, in which persons are masked; rows/*.parquet
    hold the real values. With `--only`, `--object`, `--since` or `--sample` it looks at a part, and says so:
    a part is no evidence for a decision. Next: `migrate report`.

    While both systems live, `--watch` repeats it until it is interrupted, each time with a report of its own,
    and every report shows the trend. With `--json` each round prints one document in one line.

    \b
    migrate validate
    migrate validate --only rows --object Account
    migrate validate --watch 15m
    migrate validate --changes --full-every 6h
    migrate validate --since last
    migrate validate --sample 200
    """
    from migrate_validators import validate as run

    def once(workspace: Workspace) -> Report:
        with session.bars() as bars:
            return run(
                workspace, objects=objects, only=only, progress=bars, unmask=unmask,
                whole_every=full_every if changes or every is not None else None, since=since,
                sample=sample or 0,
            )  # fmt: skip

    if every is not None:
        keep_watch(session, every, once)
    with session.workspace() as workspace:
        return result(once(workspace))


@click.command(short_help="Say where the newest report is, and its verdict.")
@click.pass_obj
def report(session: Session) -> Result:
    """Say where the newest report is, and its verdict.

    \b
    migrate report
    """
    from migrate_validators import latest

    with session.workspace() as workspace:
        found = latest(workspace)
    return Result("report", found.document(), found.text())


@click.command(short_help="Show the rows behind a check, a difference or a record.")
@click.argument("what", required=False)
@click.argument("key", required=False)
@click.option("--limit", default=20, show_default=True, help="Most rows to show.")
@click.pass_obj
def diff(session: Session, what: str | None, key: str | None, limit: int) -> Result:
    """Show differences of the last report; without a name, the checks that have any.

    WHAT is a check (`rows.Account`), a difference (`D-…`), a group of them (`G-…`) or an entry of the plan;
    KEY one of its records, by its migration key or its id in either system.

    \b
    migrate diff rows.Account
    migrate diff D-4F1C0A9B22
    migrate diff Account 0015g00000XyZAAA
    """
    from migrate_validators import differences

    with session.workspace() as workspace:
        found = differences(workspace, what, key, limit)
    return Result("diff", found.document(), found.text())


@click.command(short_help="Let a difference stand, by name, for a while.")
@click.argument("differences", nargs=-1, required=True)
@click.option("--by", required=True, help="Who lets it stand.")
@click.option("--reason", default="", help="Why.")
@click.option("--until", default="", help="A day, or an instant with its zone.")
@click.option("--take-back", is_flag=True, help="End the waiver instead.")
@click.pass_obj
def waive(
    session: Session, differences: tuple[str, ...], by: str, reason: str, until: str, take_back: bool
) -> Result:
    """Let differences of the last report stand. DIFFERENCES are ids (`D-…`) or groups (`G-…`).

    They stay in the report, amber, with the name and the reason; after the day they are red again. The next
    `migrate validate` takes it into account. An opt-out can't be waived.

    \b
    migrate waive D-4F1C0A9B22 --by "Ada Lovelace" --reason "entered again by hand" --until 2026-03-31
    """
    import migrate_validators

    with session.workspace() as workspace:
        if take_back:
            ended = migrate_validators.take_back(workspace, differences, by=by)
            return Result("waive", {"ended": ended}, f"{ended:,} waivers ended.", 0 if ended else 1)
        found = migrate_validators.waive(workspace, differences, by=by, reason=reason, until=until)
    many = "difference" if len(found.differences) == 1 else "differences"
    return Result(
        "waive", {"differences": list(found.differences), "until": found.until},
        f"{len(found.differences):,} {many} waived until {found.until}. Next: `migrate validate`.",
    )  # fmt: skip


@click.command(short_help="Tell one record's whole way.")
@click.argument("needle")
@click.pass_obj
def trace(session: Session, needle: str) -> Result:
    """Tell one record's whole way. NEEDLE is any id or URL of it, old or new, an e-mail or a name.

    \b
    migrate trace ada@example.com
    """
    from migrate_validators import trace as run

    with session.workspace() as workspace:
        found = run(workspace, needle)
    return Result("trace", found.document(), found.text(), 0 if found.found else 1)


@click.group()
def crosswalk() -> None:
    """Old ids and URLs to new ones, for everyone else's systems."""


@crosswalk.command(short_help="Write every record's old id, new id and outcome.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format", "form", type=click.Choice(["csv", "xlsx", "sqlite", "parquet"]),
    help="How the file is written; default: by its name, else csv.",
)  # fmt: skip
@click.pass_obj
def export(session: Session, file: Path, form: Format | None) -> Result:
    """Write every source record's old ids and URL, its new ones, and its outcome; also if it wasn't moved.

    \b
    migrate crosswalk export crosswalk.csv
    migrate crosswalk export crosswalk.xlsx
    """
    from migrate.stages.exporting import export as run

    with session.workspace() as workspace:
        rows = run(workspace, file, form or _FORMATS.get(file.suffix.lower(), "csv"))
    return Result("crosswalk export", {"file": file, "rows": rows}, f"{rows:,} rows in {file}.")


@crosswalk.command(short_help="Write where old links lead now.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--server", type=click.Choice(["nginx", "apache", "json"]), default="nginx", show_default=True,
    help="Who is to serve it: a `map` block, the text of a RewriteMap, or one JSON object.",
)  # fmt: skip
@click.pass_obj
def redirects(session: Session, file: Path, server: Server) -> Result:
    """Write a static map of old paths to new addresses, a line for each form of a moved record's old link.

    \b
    migrate crosswalk redirects moved.map
    """
    from migrate.stages.redirects import redirects as run

    with session.workspace() as workspace:
        lines = run(workspace, file, server)
    return Result("crosswalk redirects", {"file": file, "lines": lines}, f"{lines:,} lines in {file}.")


@click.command(short_help="Say where everything stands.")
@click.option(
    "--watch", "every", type=Span(),
    help="Look at the cutover every so often, as 1m: lag, errors, quota, invariants; alerts are told once.",
)  # fmt: skip
@click.pass_obj
def status(session: Session, every: timedelta | None) -> Result:
    """Say where everything stands: stages, the attempt, who writes, batches in doubt, the way back.

    Asks no system. It warns, once each, when 50%, 80% and 95% of the rollback window are gone, in the log and
    by the plan's webhook; while a warning is open it ends with 1, so that a line of cron can watch.

    With `--watch` it looks at the cutover until it is interrupted: the lag of each object, errors by
    endpoint, dead letters, what is left of the quotas, and the plan's invariants. An alert is told once when
    it begins and once when it is over, in the log and by the webhook under `cutover: watch`.

    \b
    migrate status
    migrate status --watch 1m
    """
    from migrate_rollback.notifying import notice

    from migrate.stages.status import status as run

    if every is not None:
        keep_looking(session, every)

    with session.workspace() as workspace:
        found = run(workspace)
        way_back = notice(workspace)
    batches = "batch" if found.in_doubt == 1 else "batches"
    doubt = f"{found.in_doubt} {batches} in doubt."
    if found.state == "rolling_back":
        lines = [f"Attempt {found.attempt} is being rolled back. {doubt}"]
        lines.append(
            "Let it come to its end; until then no load starts."
            if any(not each.free for each in found.leases)
            else "Nobody is at it now: `migrate rollback run` goes on; until its end no load starts."
        )
    else:
        lines = [f"Attempt {found.attempt} ({found.state}). {doubt}"]
    rows = [(s.object, s.extracted, s.ready, s.done, s.left) for s in found.objects]
    lines.append(table(rows, ("object", "extracted", "ready", "done", "left")))
    lines += [
        f"{s.object}: {s.empty:,} references wait for their record; {s.old_links:,} old addresses in texts."
        for s in found.objects
        if s.empty or s.old_links
    ]
    lines += [
        f"{each.system}: nobody writes to it. {each.who} began at {each.since} and didn't end it, but "
        f"{each.free}: the lease is free."
        if each.free
        else f"{each.system}: written to by {each.who} since {each.since}"
        for each in found.leases
    ]
    if found.refused:
        letters = "dead letter" if found.refused == 1 else "dead letters"
        lines.append(f"{found.refused:,} {letters}; see `migrate dead-letters list`.")
    lines += [str(each["words"]) for each in found.canaries if each["effects"] or each["state"] != "passed"]
    lines += [found.repair] if found.repair else []
    lines += found.off
    lines += found.waived
    document: dict[str, Any] = {"status": {**vars(found), "window_end": None, "last_safe_start": None}}
    if way_back is not None:
        lines += way_back.lines
        document["status"]["window_end"] = way_back.window.ends
        document["status"]["last_safe_start"] = way_back.window.last_safe_start
        document["window"] = way_back.document()
    code = int(way_back is not None and way_back.open_warning)
    return Result("status", document, "\n".join(lines), code)
