"""Commands about a plan: maps filled from the extract, two plans compared, copies on S3 and in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.copies import Copy
    from migrate.stages.plan_diff import PlanDiff


@click.group(short_help="Fill the plan's maps, compare two plans, copy a plan from S3 and back.")
def plan() -> None:
    """Fill the plan's maps from the extract, compare two plans, bring a plan on S3 into a folder and back."""


@plan.command(short_help="Write counts and examples into the picklist maps.")
@click.option("--dry-run", is_flag=True, help="List what would be written; write nothing.")
@click.pass_obj
def maps(session: Session, dry_run: bool) -> Result:
    """Write into the picklist maps how many extracted records hold each value, and three of their ids.

    Values that a map lacks are added with a guess, as `init` does. Homes and notes that stand there stay.
    Next: give the values a home, then `migrate check`.

    \b
    migrate plan maps
    """
    from migrate.stages.fill_maps import fill_maps

    with session.workspace() as workspace:
        found = fill_maps(workspace, dry_run=dry_run)
    rows = [(each.file, each.outcome, each.values, each.added, each.open) for each in found]
    text = table(rows, ("map", "outcome", "values", "added", "without a home"))
    return Result("plan maps", {"maps": found}, text if rows else "The plan names no picklist map.",
                  int(any(each.open for each in found)))  # fmt: skip


@plan.command(short_help="Show which values another plan would change.")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.pass_obj
def diff(session: Session, old: str | None, new: str | None) -> Result:
    """Show which rows and values change between two versions of the plan; send nothing.

    Both make what they make of the present extract. OLD and NEW are each a folder, a plan.yaml, or the first
    characters of the digest of a plan that was loaded. OLD is by default the plan that was loaded last, NEW
    the one in the workspace. Ends with 1 where anything differs. Next: `migrate repair`, or
    `migrate plan accept`, `migrate transform`.

    \b
    migrate plan diff
    """
    from migrate.stages import kept
    from migrate.stages.plan_diff import compare, document

    with session.workspace() as workspace, session.bars() as bars:
        before = kept.named(workspace, old) if old else kept.kept(workspace, kept.of_record(workspace.ledger))
        after = kept.named(workspace, new) if new else workspace.plan
        found = compare(workspace, before, after, bars)
        stage = workspace.store.storage.address()
    return Result("plan diff", document(found), diff_text(found, stage), int(not found.same))


@plan.command(short_help="Accept by name what another plan changes.")
@click.option("--as", "who", required=True, metavar="NAME", help="Who accepts it.")
@click.option("--reason", required=True, help="Why, for the trail.")
@click.option("--diff", "seen", default="", metavar="DIGEST", help="The difference that you have looked at.")
@click.option("--yes", is_flag=True, help="Accept it without asking.")
@click.pass_obj
def accept(session: Session, who: str, reason: str, seen: str, yes: bool) -> Result:
    """Accept by name what the workspace's plan changes of what was loaded, so that a load may go on under it.

    Compares both plans anew, shows what differs, and asks. Both plans' digests and that of the difference go
    onto the trail; a difference that has changed since must be accepted again. Next: `migrate transform`,
    `migrate load`.

    \b
    migrate plan accept --as "Ada Example" --reason "amounts came without tax"
    """
    from migrate.errors import UsageError
    from migrate.stages import accepted, kept
    from migrate.stages.plan_diff import compare

    with session.workspace() as workspace, session.bars() as bars:
        former = kept.of_record(workspace.ledger)
        if former == workspace.plan.digest:
            raise UsageError("The plan is the one that was loaded.", "There is nothing to accept.")
        found = compare(workspace, kept.kept(workspace, former), workspace.plan, bars)
        if not yes and not session.as_json:
            session.say(diff_text(found, workspace.store.storage.address()))
            asking.yes("Accept this?")
        told = accepted.accept(workspace, found, who=who, reason=reason, seen=seen)
    text = (
        f"{told.who} has accepted the difference `{told.evidence[:12]}` ({told.rows:,} values) between the "
        f"plans `{told.old[:12]}` and `{told.new[:12]}`. Next: `migrate transform`, then `migrate load`."
    )
    return Result("plan accept", {"acceptance": told}, text)


def diff_text(found: PlanDiff, stage: str) -> str:
    """What differs between two plans, for people: figures by field, and a few values of each."""
    if found.same:
        return "Both plans make the same of the extract."
    rows = [(each.entry, each.field or "(the record)", each.what, each.records) for each in found.changes]
    lines = [table(rows, ("entry", "field", "", "records"))]
    for each in found.changes:
        if each.field:
            lines.append(f"{each.entry} {each.field}, {each.what}:")
            lines += [f"  {s.key}: {_shown(s.old)} -> {_shown(s.new)}" for s in each.samples]
    lines.append(f"Every value: {stage}/{found.folder}; the difference's digest: {found.digest[:12]}")
    return "\n".join(lines)


def _shown(value: str | None) -> str:
    return "(empty)" if value is None else value


@plan.command(short_help="Copy the plan on S3 into a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dry-run", is_flag=True, help="List what would be written; write nothing.")
@click.option("--yes", is_flag=True, help="Replace files without asking.")
@click.pass_obj
def pull(session: Session, folder: Path, dry_run: bool, yes: bool) -> Result:
    """Copy the plan on S3, with its maps, into FOLDER, and let its `.migrate` name the workspace.

    Asks before it replaces a file. Next: edit there; `migrate -w FOLDER check`.

    \b
    migrate -w s3://bucket/acme plan pull acme
    """
    from migrate.stages.copies import pull as run

    with session.workspace() as workspace:
        would = run(workspace, folder, dry_run=True)
        _ask(session, [each.file for each in would if each.outcome == "replaced"], yes or dry_run)
        found = would if dry_run else run(workspace, folder)
    return _result("plan pull", found)


@plan.command(short_help="Copy the folder's plan to S3.")
@click.option("--dry-run", is_flag=True, help="List what would be written; write nothing.")
@click.option("--yes", is_flag=True, help="Replace files without asking.")
@click.pass_obj
def push(session: Session, dry_run: bool, yes: bool) -> Result:
    """Copy the folder's plan, and the files that it names, to S3; nothing else that lies in the folder.

    Asks before it replaces a file.

    \b
    migrate -w acme plan push
    """
    from migrate.stages.copies import push as run

    with session.workspace() as workspace:
        would = run(workspace, dry_run=True)
        _ask(session, [each.file for each in would if each.outcome == "replaced"], yes or dry_run)
        found = would if dry_run else run(workspace)
    return _result("plan push", found)


def _ask(session: Session, replaced: list[str], sure: bool) -> None:
    if replaced and not sure and not session.as_json:
        session.say("\n".join(f"  {name}" for name in replaced))
        files = "file" if len(replaced) == 1 else "files"
        asking.yes(f"Replace {len(replaced)} {files} that differ?")


def _result(command: str, found: Sequence[Copy]) -> Result:
    rows = [(each.file, each.outcome) for each in found]
    text = table(rows, ("file", "outcome")) if rows else "Both copies are the same."
    return Result(command, {"files": found}, text)
