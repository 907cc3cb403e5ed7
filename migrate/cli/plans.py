"""Commands about the plan and the two systems: init, discover, check, prepare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrate.cli import asking
from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.undoable import Ahead, WayBack

SAME = 5  # changes of one kind in one object that are told one by one


@click.command(short_help="Write a first plan and its maps.")
@click.option(
    "--source",
    "source_type",
    default="salesforce",
    show_default=True,
    help="Kind of the old system: the name of its connector.",
)
@click.option(
    "--target",
    "target_type",
    default="hubspot",
    show_default=True,
    help="Kind of the new system: the name of its connector.",
)
@click.option(
    "--source-credentials",
    default="env:LEGACY_",
    show_default=True,
    help="Where they are: `env:PREFIX_`, variables that begin so, or `file:PATH`, lines NAME=value.",
)
@click.option(
    "--target-credentials", default="env:NEW_", show_default=True, help="The same of the new system."
)
@click.option("--clock", type=click.Choice(["system", "sandbox"]), default="system", hidden=True)
@click.pass_obj
def init(session: Session, source_type: str, target_type: str, source_credentials: str,
         target_credentials: str, clock: str) -> Result:  # fmt: skip
    """Write a first plan and its maps, guessed from what both systems hold.

    Discovers both systems (read only). Nothing that exists is overwritten. Next: read plan.yaml, then
    `migrate check`.

    \b
    migrate -w acme init --source salesforce --target hubspot
    """
    from migrate.stages.first import first_workspace

    with session.workspace() as workspace:
        written = first_workspace(
            workspace, (source_type, source_credentials), (target_type, target_credentials), clock
        )
    text = (
        "Wrote\n" + "\n".join(f"  {path}" for path in written) + "\nRead plan.yaml, then run `migrate check`."
    )
    return Result("init", {"written": written}, text)


@click.command(short_help="Read what both systems hold.")
@click.pass_obj
def discover(session: Session) -> Result:
    """Read both systems' objects, fields, picklists and owners; bind the workspace to their tenants.

    Run again at any time: it names what has changed since. Next: `migrate check`.

    \b
    migrate discover
    """
    from migrate.stages.discover import discover as run

    with session.workspace() as workspace:
        workspace.plan  # noqa: B018 - a plan error comes first
        found = run(workspace)
    rows = [(d.label, d.tenant, d.tenant_name, d.objects, d.fields, d.digest[:12]) for d in found]
    text = table(rows, ("system", "tenant", "name", "objects", "fields", "catalog"))
    drift = [f"{d.label}: {line}" for d in found for line in d.drift]
    if drift:
        text += "\nChanged since the last discover:\n" + "\n".join(f"  {line}" for line in _together(drift))
    return Result("discover", {"systems": found}, text, 1 if drift else 0)


def _together(drift: list[str]) -> list[str]:
    """Lines of drift for people: where many fields of an object changed in one way (rights do), one line."""
    by_change: dict[tuple[str, str], list[str]] = {}
    for line in drift:
        at, _, change = line.rpartition(": ")
        owner, dot, _ = at.rpartition(".")
        by_change.setdefault((owner, change) if dot else (at, change), []).append(line)
    found = []
    for (owner, change), lines in by_change.items():
        if len(lines) <= SAME:
            found += lines
            continue
        first = lines[0].rpartition(": ")[0].rpartition(".")[2]
        found.append(f"{owner}: {change}, for {len(lines)} fields (`{first}` and others); `--json` has all")
    return found


def _way_back(back: WayBack) -> dict[str, Any]:
    """What couldn't be put back, for programs."""
    return {
        "limit_days": back.limit,
        "never": [_ahead(each) for each in back.never],
        "by_hand": [_ahead(each) | {"days": each.row.days, "where": each.row.where} for each in back.by_hand],
    }


def _ahead(each: Ahead) -> dict[str, Any]:
    return {"change": each.change.value, "by": each.by, "most": each.most, "why": each.row.note}


@click.command(short_help="Is the plan sound? With --live also the rights.")
@click.option(
    "--live", is_flag=True, help="Also ask both systems: rights, limits, changed picklists. Writes nothing."
)
@click.pass_obj
def check(session: Session, live: bool) -> Result:
    """Say whether the plan is sound, and whether every picklist value has a home.

    Names every mistake at once, with file, line and remedy. After an extract it counts the records
    behind each value without a home. With --live it also tells which picklist values have changed since
    the last discover. What a rollback couldn't put back later is listed, and a window that is longer than
    the target's memory is a warning. Where the plan has cohorts, the records that they share come first.
    Where the plan has a cutover, the fields are listed whose later changes
    can't come back to the letter, and those that need a rule. Next: `migrate prepare`.

    \b
    migrate check --live
    """
    from migrate.cli.automations import told_text
    from migrate.cutover.inverses import has_cutover
    from migrate.cutover.inverses import way_back as reverse_of
    from migrate.cutover.overlap import overlap
    from migrate.stages.automations import listed
    from migrate.stages.drift import since_discover
    from migrate.stages.live import prove
    from migrate.stages.pipeline import checked
    from migrate.stages.undoable import way_back

    with session.workspace() as workspace:
        found = checked(workspace)
        proved = prove(workspace) if live else []
        told = listed(workspace) if live else None
        back = way_back(workspace, found, told)
        drift = since_discover(workspace) if live else []
        reverse = reverse_of(workspace, found) if has_cutover(workspace) else None
        both = overlap(workspace)
    lines = list(both.lines) if both is not None else []
    lines += [
        f"{len(found.objects)} objects, {sum(len(o.fields) for o in found.objects.values())} fields: sound."
    ]
    lines += [str(warning) for warning in found.warnings]
    if found.unmapped:
        lines.append("Values without a home:")
        rows = [
            (u.object, u.field, u.value, u.count if u.count is not None else "?", u.rule)
            for u in found.unmapped
        ]
        lines.append(table(rows, ("object", "field", "value", "records", "rule")))
    lines += [
        f"{each.object}.{each.field}: {each.records:,} records share "
        f"{each.groups:,} {'value' if each.groups == 1 else 'values'}."
        for each in found.collisions
    ]
    # What a default takes is listed, and needs nobody's decision: the plan has made it.
    odd = bool(found.warnings or back.warning) or any(each.rule != "default" for each in found.unmapped)
    if back.words:
        lines.append(back.words)
    if reverse is not None and reverse.words:
        lines.append(reverse.words)
        odd = odd or bool(reverse.asked or reverse.unknown)
    if told is not None:
        lines.append(told_text(told))
    for proof in proved:
        lines.append(proof.words)
        odd = odd or bool(proof.rights.missing or proof.rights.excess)
    if drift:
        lines += ["Picklists have changed since the last discover:", *(f"  {each}" for each in drift)]
        lines.append("  Run `migrate discover`, amend the maps (or undo the change there), then check again.")
    document = {
        "objects": list(found.objects),
        "warnings": [str(each) for each in (*found.warnings, back.warning) if each],
        "unmapped": found.unmapped,
        "collisions": found.collisions,
        "live": proved,
        "automations": told,
        "way_back": _way_back(back),
        "reverse": reverse,
        "cohorts": both.document() if both is not None else None,
        "drift": drift,
    }
    refused = any(proof.rights.missing for proof in proved)
    stale = any(each.matters for each in drift)
    code = 3 if refused else 2 if stale else int(odd or bool(drift))
    return Result("check", document, "\n".join(lines), code)


@click.command(short_help="Make the fields and options that the target lacks.")
@click.option("--dry-run", is_flag=True, help="List what would be made; write nothing.")
@click.option("--yes", is_flag=True, help="Make it without asking.")
@click.pass_obj
def prepare(session: Session, dry_run: bool, yes: bool) -> Result:
    """Make what the target lacks: the key field, other fields, picklist options, link labels.

    Asks before it writes, but for `--yes` or `--json`. May be repeated. What it makes stays after a
    rollback. Next: `migrate extract`.

    \b
    migrate prepare --dry-run
    """
    from migrate.stages.pipeline import checked
    from migrate.stages.prepare import changes
    from migrate.stages.prepare import prepare as run

    with session.workspace() as workspace:
        found = checked(workspace)
        wanted = changes(workspace.plan, workspace.catalog("target"), found.added)
        if wanted and not dry_run and not yes and not session.as_json:
            name = workspace.system("target").system
            things = "change" if len(wanted) == 1 else "changes"
            asking.yes(f"Make {len(wanted)} {things} in `{name}`?")
        made = run(workspace, found.added, dry_run=dry_run)
    rows = [(each.words, each.outcome) for each in made]
    text = table(rows, ("change", "outcome")) if rows else "Nothing is missing."
    document = {"changes": [{"change": each.words, "outcome": each.outcome} for each in made]}
    return Result("prepare", document, text)
