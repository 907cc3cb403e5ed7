"""Commands about dead letters: what the target refused, out to a spreadsheet and back."""

from __future__ import annotations

from pathlib import Path

import click

from migrate.cli.output import Result, Session, table


@click.group("dead-letters")
def letters() -> None:
    """Show, mend and replay what the target refused."""


@letters.command("list", short_help="List them by reason, with keys.")
@click.option(
    "--limit", type=click.IntRange(1), default=10, show_default=True, help="Most keys to show of each reason."
)
@click.pass_obj
def list_(session: Session, limit: int) -> Result:
    """List dead letters by object and reason, with the first of their migration keys.

    A key ends in the old id. Next: `migrate dead-letters show KEY`.

    \b
    migrate dead-letters list --limit 50
    """
    from migrate.stages.letters import grouped

    with session.workspace() as workspace:
        found = grouped(workspace, limit)
    rows = [(g.object, g.outcome, g.reason, g.count) for g in found]
    lines = [table(rows, ("object", "outcome", "reason", "records")) if rows else "There are none."]
    for group in found:
        lines.append(f"{group.object} {group.outcome}, {group.reason.partition(':')[0][:80]}:")
        lines += [f"  {key}" for key in group.keys]
        if (more := group.count - len(group.keys)) > 0:
            all_ = ", `migrate dead-letters export FILE` has all" if group.kind == "record" else ""
            lines.append(f"  and {more:,} more: `--limit` shows more{all_}")
    return Result("dead-letters list", {"groups": found}, "\n".join(lines), 1 if rows else 0)


@letters.command(short_help="Show one, and what the target said.")
@click.argument("key")
@click.pass_obj
def show(session: Session, key: str) -> Result:
    """Show one dead letter: what was to be written and what the target said.

    \b
    migrate dead-letters show sf00D5g000001AbCdEAK.Opportunity.0065g000001AbCdEAK
    """
    from migrate.stages.letters import letter

    with session.workspace() as workspace:
        found = letter(workspace, key)
    lines = [f"{found.key} ({found.object}): {found.outcome}", f"  {found.reason}", "  was to be written:"]
    lines += [f"    {name} = {value}" for name, value in found.values.items() if value is not None]
    return Result("dead-letters show", {"letter": found}, "\n".join(lines))


@letters.command(short_help="Write them as a CSV to fill in.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def export(session: Session, file: Path) -> Result:
    """Write dead letters as a CSV of overrides: a row for each field, with key and reason.

    Fill in `new`, `who` and `why` where a value must change. Next: `migrate dead-letters import FILE`.

    \b
    migrate dead-letters export letters.csv
    """
    from migrate.stages.letters import export as run

    with session.workspace() as workspace:
        count = run(workspace, file)
    return Result("dead-letters export", {"file": file, "rows": count}, f"{count:,} rows in {file}.")


@letters.command("import", short_help="Take a filled-in CSV into the plan's overrides.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def import_(session: Session, file: Path) -> Result:
    """Take filled-in rows into the plan's overrides; the next `transform` applies them.

    The plan must name the file: `overrides: overrides.csv`. Next: `migrate dead-letters replay`.

    \b
    migrate dead-letters import letters.csv
    """
    from migrate.stages.letters import take_in

    with session.workspace() as workspace:
        count, into = take_in(workspace, file)
    text = f"{count:,} overrides are in {into}. Next: `migrate dead-letters replay`."
    return Result("dead-letters import", {"overrides": count, "file": into}, text)


@letters.command(short_help="Transform again and send them again.")
@click.pass_obj
def replay(session: Session) -> Result:
    """Transform again and send what was refused, in its newest version.

    Sends what is new as well, as `load` does. Next: `migrate validate`.

    \b
    migrate dead-letters replay
    """
    from migrate.cli.stages import loaded_document, loaded_text
    from migrate.stages.letters import replay as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, progress=bars)
    return Result("dead-letters replay", loaded_document(found), loaded_text(found), 0 if found.clean else 1)
