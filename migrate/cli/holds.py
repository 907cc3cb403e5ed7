"""Commands about held records: who they belong to, what stands in them, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrate.cli.output import Result, Session, table
from migrate.cli.undone import F, confirm, ran, yes_option

if TYPE_CHECKING:
    from migrate_rollback import HoldGroup, Shown

SIGNS = 40  # of a value in a table


def owner_option(command: F) -> F:
    """`--owner`, to take only one owner's records."""
    words = "Only records of this owner: an id, an e-mail address, a name, or `nobody`."
    return click.option("--owner", metavar="OWNER", help=words)(command)


@click.group(short_help="Decide about records that others have touched.")
def hold() -> None:
    """Decide about records that were left as they are, because others have touched them.

    \b
    migrate rollback hold list      what is held, why, and whose it is
    migrate rollback hold show      before us, after us, now: field by field
    migrate rollback hold keep      it stays as it is (what isn't decided stays, too)
    migrate rollback hold merge     our fields go, theirs stay
    migrate rollback hold force     everything goes, theirs as well
    """


@hold.command("list", short_help="List what is held, by object, reason and owner.")
@click.option("--by", type=click.Choice(["reason", "owner"]), default="reason", show_default=True,
              help="What comes first.")  # fmt: skip
@owner_option
@click.option("--xlsx", "file", type=click.Path(path_type=Path, dir_okay=False),
              help="Write a row for each held record into this workbook, to be filled in.")  # fmt: skip
@click.pass_obj
def list_(session: Session, by: str, owner: str | None, file: Path | None) -> Result:
    """List the groups of held records by object, reason and owner; what isn't decided is kept.

    With `--xlsx` each record is looked at, and gets a row with links, what we wrote, what is there now and
    a column for the decision. Next: `migrate rollback hold read FILE`.

    \b
    migrate rollback hold list
    migrate rollback hold list --by owner --xlsx holds.xlsx
    """
    from migrate_rollback import holds, write_holds

    with session.workspace() as workspace, session.bars() as bars:
        found = holds(workspace, owner=owner)
        rows = write_holds(workspace, file, owner=owner, progress=bars) if file is not None else 0
    document: dict[str, Any] = {"groups": [_group(each) for each in found]}
    text = _by_owner(found) if by == "owner" else _by_reason(found)
    if file is not None:
        document |= {"file": str(file), "rows": rows}
        text += f"\n{rows:,} records are in {file}. Next: `migrate rollback hold read {file}`."
    return Result("rollback hold list", document, text if found else "Nothing is held.", int(bool(found)))


def _group(each: HoldGroup) -> dict[str, Any]:
    return {
        "name": each.name, "object": each.object, "code": each.code, "words": each.words,
        "count": each.count, "by_field": each.by_field, "owner": each.owner, "owners": each.owners,
        "decided": each.decided, "decisions": each.decisions,
    }  # fmt: skip


def _told(each: HoldGroup) -> str:
    said = [f"{one.what} ({one.count:,}), {one.who}, {one.at}" for one in each.decisions]
    if sum(one.count for one in each.decisions) < each.count:
        said.append("kept, undecided")
    return "; ".join(said)


def _by_reason(found: tuple[HoldGroup, ...]) -> str:
    rows: list[tuple[Any, ...]] = []
    for each in found:
        rows.append((each.name, each.count, each.words, _told(each)))
        rows += [("", one.count, f"of {one.words}", "") for one in each.owners]
    return table(rows, ("group", "records", "why, and whose", "decision"))


def _by_owner(found: tuple[HoldGroup, ...]) -> str:
    whose: dict[str, list[tuple[Any, ...]]] = {}
    for each in found:
        for one in each.owners:
            whose.setdefault(one.words, []).append((each.name, one.count, each.words))
    rows: list[tuple[Any, ...]] = []
    for words, groups in sorted(whose.items(), key=lambda item: -sum(row[1] for row in item[1])):
        rows.append((words, sum(row[1] for row in groups), "", ""))
        rows += [("", count, name, why) for name, count, why in groups]
    return table(rows, ("owner", "records", "group", "why"))


@hold.command(short_help="Show a group's records three-way.")
@click.argument("group")
@owner_option
@click.option("--record", metavar="ID", help="Only the record with this id in the target.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most records to show.")
@click.pass_obj
def show(session: Session, group: str, owner: str | None, record: str | None, limit: int) -> Result:
    """Show a group's records: what stood there before us, what we left, what stands there now, by whom.

    Looks at the target. Says what each decision would do. Next: `migrate rollback hold keep`, `merge` or
    `force`.

    \b
    migrate rollback hold show companies.edited
    migrate rollback hold show companies.edited --record 512
    """
    from migrate_rollback import show_hold

    with session.workspace() as workspace:
        found = show_hold(workspace, group, limit, owner=owner, record=record)
    document = {"holds": [_shown(each) for each in found]}
    return Result("rollback hold show", document, "\n\n".join(map(_shown_text, found)))


def _shown(each: Shown) -> dict[str, Any]:
    one = each.hold
    return {
        "object": one.object, "id": one.id, "key": one.key, "kind": one.kind, "action": one.action,
        "reason": one.reason, "code": one.code, "owner": one.owner, "choices": one.choices,
        "decided": one.decided, "url": each.url, "now": each.now, "fields": each.fields, "links": each.links,
        "would": each.would,
    }  # fmt: skip


def _shown_text(each: Shown) -> str:
    one = each.hold
    lines = [
        f"{one.object} {one.id}" + (f" ({each.url})" if each.url else ""),
        f"  owner: {one.owner}; key: {one.key or '-'}; decided: {one.decided or 'nothing, so it is kept'}",
        f"  held: {one.reason}" + (f"; now {each.now}" if each.now else ""),
    ]
    if each.fields:
        rows = [
            (
                side.field, _cell(side.before), _cell(side.ours), _cell(side.now),
                " ".join(filter(None, (side.who, side.at))),
            )
            for side in each.fields
        ]  # fmt: skip
        shown = table(rows, ("field", "before us", "as we left it", "now", "by whom, when"))
        lines += [f"  {line}" for line in shown.split("\n")]
    lines += [f"  others' link: {link}" for link in each.links]
    lines += [f"  {choice}: {words}" for choice, words in each.would.items()]
    return "\n".join(lines)


def _cell(value: str | None) -> str:
    flat = " ".join((value or "").split())
    return "-" if value is None else flat if len(flat) <= SIGNS else f"{flat[: SIGNS - 1]}…"


@hold.command(short_help="Decide that a group stays as it is.")
@click.argument("group")
@owner_option
@click.pass_obj
def keep(session: Session, group: str, owner: str | None) -> Result:
    """Decide that a group stays as it is; recorded with your name. `force` can still undo it later.

    \b
    migrate rollback hold keep companies.edited
    """
    from migrate_rollback import keep_hold

    with session.workspace() as workspace:
        found = keep_hold(workspace, group, owner)
    words = "1 record stays" if found.count == 1 else f"{found.count:,} records stay"
    return Result("rollback hold keep", {"group": _group(found)}, f"`{found.name}`: {words}.")


@hold.command(short_help="Undo a group by field: ours goes, theirs stays.")
@click.argument("group")
@owner_option
@yes_option
@click.pass_obj
def merge(session: Session, group: str, owner: str | None, yes: bool) -> Result:
    """Undo a group by field: our fields go where they are as we left them; what others wrote stays.

    Only for records that were there before us. One that we created goes as a whole or stays as a whole; such
    records of the group stay held. Asks for the system's name before it writes.

    \b
    migrate rollback hold merge companies.edited
    """
    from migrate_rollback import merge_hold

    with session.workspace() as workspace, session.bars() as bars:
        confirm(workspace.system("target").system, yes)
        found = merge_hold(workspace, group, bars, owner)
    return ran("rollback hold merge", found)


@hold.command(short_help="Undo a group all the same.")
@click.argument("group")
@owner_option
@yes_option
@click.pass_obj
def force(session: Session, group: str, owner: str | None, yes: bool) -> Result:
    """Undo a group all the same: what others wrote on these records goes with them.

    Asks for the system's name before it writes. `migrate rollback hold show GROUP` shows what would go.

    \b
    migrate rollback hold force companies.edited
    """
    from migrate_rollback import force_hold

    with session.workspace() as workspace, session.bars() as bars:
        confirm(workspace.system("target").system, yes)
        found = force_hold(workspace, group, bars, owner)
    return ran("rollback hold force", found)


@hold.command(short_help="Take the decisions of a filled-in workbook.")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def read(session: Session, file: Path) -> Result:
    """Take the decisions of FILE, a workbook of `hold list --xlsx`; nothing is written to the target yet.

    Each record is looked at again. Where something was changed beside decision and remark, or a record isn't
    any more as the sheet shows it, nothing is taken, and each row is named.
    Next: `migrate rollback hold apply`.

    \b
    migrate rollback hold read holds.xlsx
    """
    from migrate_rollback import read_holds

    with session.workspace() as workspace, session.bars() as bars:
        found = read_holds(workspace, file, bars)
    counts = ", ".join(f"{count:,} {what}" for what, count in found.counts.items()) or "none"
    lines = [f"{found.decisions:,} decisions of {found.rows:,} rows: {counts}.", *found.notes]
    if found.decisions:
        lines.append("Next: `migrate rollback hold apply` carries out force and merge.")
    return Result("rollback hold read", {"read": found}, "\n".join(lines), int(bool(found.notes)))


@hold.command("apply", short_help="Carry out decisions to force or merge.")
@yes_option
@click.pass_obj
def apply_(session: Session, yes: bool) -> Result:
    """Carry out every decision to force or to merge that isn't carried out yet.

    Asks for the system's name before it writes. Goes on where it was stopped.

    \b
    migrate rollback hold apply
    """
    from migrate_rollback import apply_holds

    with session.workspace() as workspace, session.bars() as bars:
        confirm(workspace.system("target").system, yes)
        found = apply_holds(workspace, bars)
    return ran("rollback hold apply", found)
