"""The command that mends a wrong mapping after the load: repair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.plan_diff import Changed
    from migrate.stages.repair_asked import Foreseen, Repaired


@click.command(short_help="Write a few fields anew under a mended plan, where nobody has touched them.")
@click.option(
    "--fields", required=True, metavar="OBJECT.FIELD,…",
    help="The target fields to write anew, such as `deals.amount`; several with commas between.",
)  # fmt: skip
@click.option(
    "--where", default="", metavar="EXPRESSION",
    help="Only records for which this holds, over the target's fields with the new plan's values.",
)  # fmt: skip
@click.option(
    "--from", "since", default="", metavar="PLAN",
    help="Compare with this plan instead of the one loaded last: a folder, a file, or a digest's beginning.",
)  # fmt: skip
@click.option("--why", default="", metavar="TEXT", help="The reason, for the trail.")
@click.option("--dry-run", is_flag=True, help="Show which values would change; send nothing.")
@click.option("--yes", is_flag=True, help="Don't ask for the system's name.")
@click.pass_obj
def repair(
    session: Session, fields: str, where: str, since: str, why: str, dry_run: bool, yes: bool
) -> Result:
    """Mend a wrong mapping after the load: write only these fields, only where they are as we left them.

    Edit the plan (or a map) first. What somebody has changed since is held, counted and listed; all other
    fields stay, though the plan may change them too. Goes on where it was stopped, with the same words. Asks
    for the system's name before it writes. Undone by `migrate rollback run --to before-repair-N`. Next:
    `migrate validate`.

    \b
    migrate repair --fields deals.amount --dry-run
    """
    from migrate.stages.repair import foresee
    from migrate.stages.repair import repair as run

    names = [each.strip() for each in fields.split(",") if each.strip()]
    with session.workspace() as workspace, session.bars() as bars:
        if dry_run:
            seen = foresee(workspace, names, where, since=since, progress=bars)
            stage = workspace.store.storage.address()
            return Result("repair", _foreseen_document(seen, where), _foreseen_text(seen, where, stage))
        _confirm(workspace.system("target").system, names, yes)
        done = run(workspace, names, where, since=since, why=why, progress=bars)
    return Result("repair", _document(done), _text(done), 0 if done.clean else 1)


def _confirm(system: str, names: Sequence[str], yes: bool) -> None:
    if yes:
        return
    typed = asking.typed(f"This changes {', '.join(names)} in `{system}`. Type its name to go on")
    if typed != system:
        raise click.UsageError(f"`{typed}` isn't `{system}`; nothing was done.")


def _foreseen_document(seen: Foreseen, where: str) -> dict[str, Any]:
    return {
        "dry_run": True, "old": seen.old, "new": seen.new, "where": where, "records": seen.records,
        "left_out": seen.left_out, "changes": seen.changes, "others": seen.others, "folder": seen.folder,
    }  # fmt: skip


def _foreseen_text(seen: Foreseen, where: str, stage: str) -> str:
    lines = [_changes(seen.changes) if seen.changes else "Both plans make the same of these fields."]
    lines += [
        f"{entry}: {number:,} loaded records to look at" + (f", those of `{where}`." if where else ".")
        for entry, number in seen.records.items()
    ]
    lines += _left_out(seen.left_out)
    lines += _others(seen.others)
    lines.append(f"Every value: {stage}/{seen.folder}")
    lines.append("Next: the same without `--dry-run`.")
    return "\n".join(lines)


def _changes(changes: Sequence[Changed]) -> str:
    rows = [
        (each.entry, each.field, each.records, _shown(each.samples[0].old), _shown(each.samples[0].new))
        for each in changes
    ]
    return table(rows, ("entry", "field", "records", "for example", "becomes"))


def _shown(value: str | None) -> str:
    return "(empty)" if value is None else value


def _left_out(count: int) -> list[str]:
    if not count:
        return []
    return [f"{count:,} have a dead letter of their own and are left out; see `migrate dead-letters list`."]


def _others(others: Sequence[Changed]) -> list[str]:
    if not others:
        return []
    told = ", ".join(f"{each.entry} {each.field or 'records'} ({each.records:,})" for each in others)
    return [f"The plan changes more, which a repair leaves: {told}. The next `migrate load` brings it."]


def _document(done: Repaired) -> dict[str, Any]:
    return {
        "number": done.number, "checkpoint": done.checkpoint, "attempt": done.attempt,
        "already": done.already, "old": done.old, "new": done.new,
        "objects": {name: dict(sorted(each.items())) for name, each in done.objects.items()},
        "mended": done.mended, "kept": done.kept, "held": sum(each.count for each in done.held),
        "groups": done.held, "left_out": done.left_out, "others": done.others, "settled": done.settled,
        "lost_edits": done.lost_edits,
    }  # fmt: skip


def _text(done: Repaired) -> str:
    lines = [
        f"Repair {done.number}: {done.mended:,} records mended (plan {done.old[:12]} to {done.new[:12]})."
    ]
    if done.already:
        lines.append("It was at its end already; nothing was sent.")
    if done.kept:
        lines.append(f"{done.kept:,} needed nothing.")
    for each in done.held:
        lines.append(f"Held: {each.name}: {each.count:,} ({each.reason})")
        lines += [f"  {key}" for key in each.keys]
        if (more := each.count - len(each.keys)) > 0:
            lines.append(f"  and {more:,} more; see `migrate dead-letters list`")
    if done.lost_edits:
        lines.append(
            f"{done.lost_edits:,} edits came between our look and our write; they are in the journal."
        )
    lines += _left_out(done.left_out)
    lines += _others(done.others)
    lines.append(f"Undo: `migrate rollback run --to {done.checkpoint}`. Next: `migrate validate`.")
    return "\n".join(lines)
