"""May this record be undone, as it stands now? Pure rules over what was just read.

Values decide; stamps only choose whose history is read. What we created may go only if nothing is on it
that a person or a foreign program has written, linked or hung there since; a value that somebody changed
and changed back is as we left it. What we changed is put back only where it is as we left it. Where the
target doesn't tell, we hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from migrate.catalog import Field, takes_back_no
from migrate.connector import RECORD, THEIRS, Held, Link, Version, Who
from migrate.held import held
from migrate_rollback.model import CODES, Row, Verdict


def differing(row: Row, record: Held, fields: Sequence[str]) -> list[str]:
    """Fields of ours whose value isn't the one that we left."""
    return [name for name in fields if name in row.after and record.values.get(name) != row.after[name]]


def asks_history(row: Row, record: Held | None, fields: Sequence[str]) -> bool:
    """Whether the history of a record to be deleted must be read before it may go."""
    if record is None or record.id != row.id or row.forced or row.note:
        return False
    if row.kind != "record":
        return True
    return not row.stamp or record.stamp != row.stamp or bool(differing(row, record, fields))


def judge_delete(
    row: Row, record: Held | None, fields: Sequence[str], versions: Sequence[Version] | None,
    foreign: Sequence[Link], schema: Mapping[str, Field] | None = None,
    given: Mapping[str, str] | None = None,
) -> Verdict:  # fmt: skip
    """A record that we (or an automation that we set off) made.

    Args:
        fields: of ours, that a plan writes.
        schema: all fields of the object, where they are known.
        versions: all fields' history where `asks_history` said so and the target keeps one, else None.
        foreign: links that nobody of ours made.
        given: what a record that we make gets in fields that we don't send.
    """
    if record is None:
        return Verdict("gone", reason="not there any more")
    if record.id != row.id:
        return Verdict("hold", "merged", f"it is now part of {record.id}")
    if row.forced:
        along = [link for link in foreign if link.cascades]
        # Nobody has decided about these, or somebody that they stay.
        told = f"it would take along what is held: {_ends(along)}"
        return Verdict("hold", "linked", told) if along else Verdict("delete")
    if row.note:
        return Verdict("hold", row.note, CODES.get(row.note, row.note))
    if versions is not None:
        theirs = their_work(row, record, versions, schema or {})
        if theirs:
            return Verdict("hold", "edited", _writers(theirs))
        if row.kind == "record" and hides(versions):
            names = hidden(row, record, fields, versions, schema or {}, given or {})
            if names:
                return Verdict("hold", "edited", f"{', '.join(names)} changed since, under a later save")
    elif asks_history(row, record, fields):
        names = differing(row, record, fields) if row.kind == "record" else []
        if names:
            return Verdict("hold", "edited", f"{', '.join(names)} changed since")
        if row.kind == "record" and schema and _all_ours(row, schema):
            return Verdict("hold", "linked", _ends(foreign)) if foreign else Verdict("delete")
        return Verdict("hold", "unknown", f"modified at {record.stamp}, and no history tells by whom")
    if foreign:
        return Verdict("hold", "linked", _ends(foreign))
    return Verdict("delete")


def hides(versions: Sequence[Version] | None) -> bool:
    """Whether all that is told of a record is that no person saved it last, so that one may have before."""
    return any(each.field == RECORD and each.who not in THEIRS for each in versions or ())


def hidden(
    row: Row, record: Held, fields: Sequence[str], versions: Sequence[Version],
    schema: Mapping[str, Field], given: Mapping[str, str],
) -> list[str]:  # fmt: skip
    """Fields that hold what neither we nor the vendor put there, as far as values can tell.

    What our own deletions emptied (a reference to a record that went) is nobody's edit.
    """
    told = {each.field for each in versions if each.who not in THEIRS}
    names = [
        name
        for name in differing(row, record, fields)
        if name not in told
        and not (record.values.get(name) is None and name in schema and schema[name].references)
    ]
    for name, field in schema.items():
        if not field.updateable or name in row.after or name in told:
            continue
        value = record.values.get(name) or ""
        if value not in ("", "false", field.default, given.get(name)):
            names.append(name)
    return names


def their_work(
    row: Row, record: Held, versions: Sequence[Version], schema: Mapping[str, Field]
) -> list[Version]:
    """What others have written on a record of ours and what stands there still, newest first.

    A field that is again as we left it isn't listed, nor what the target itself has noted of the saves that
    wrote it (who saved last). Where a version has no value, or is the whole record's, nothing can be
    compared, and it counts. On a record that an automation made every word of others counts.
    """
    found = [each for each in versions if each.who in THEIRS]
    if row.kind == "side":
        return found
    by_field: dict[str, list[Version]] = {}
    for each in versions:
        by_field.setdefault(each.field, []).append(each)
    # Merging shows in fields that nobody may write, so that values alone don't tell of it.
    noted = {name for name, field in schema.items() if not field.updateable}
    whole = bool(schema) and _all_ours(row, schema) and _as_it_was(row, record, schema)
    back = {
        each.field
        for each in found
        if (whole and each.field not in noted) or _changed_back(row, record, each.field, by_field[each.field])
    }
    saves = {each.at for each in found if each.field not in noted and each.field != RECORD}
    return [
        each for each in found if each.field not in back and not (each.field in noted and each.at in saves)
    ]


def _changed_back(row: Row, record: Held, name: str, versions: Sequence[Version]) -> bool:
    """Whether a field that somebody wrote holds again what we left there. `versions`: newest first."""
    if name in row.after and name in record.values:
        return record.values[name] == row.after[name]
    first = max(number for number, each in enumerate(versions) if each.who in THEIRS)
    left = versions[first + 1].value if first + 1 < len(versions) else None
    theirs = [each.value for each in versions if each.who in THEIRS]
    # A history that keeps no values shows no difference at all; then nothing was compared.
    return versions[0].value == left and any(value != left for value in theirs)


def _as_it_was(row: Row, record: Held, schema: Mapping[str, Field]) -> bool:
    names = [name for name, field in schema.items() if field.updateable]
    return all(name in record.values and record.values[name] == row.after[name] for name in names)


def _all_ours(row: Row, schema: Mapping[str, Field]) -> bool:
    """Whether every field that anybody may write is ours: then values say all, whatever the stamp does."""
    return all(name in row.after for name, field in schema.items() if field.updateable)


Standing = Literal["before", "stays", "ours", "theirs"]


def standing(
    row: Row, record: Held, fields: Mapping[str, Field], versions: Sequence[Version] | None = None
) -> dict[str, Standing]:
    """Where each field that we wrote on somebody's record stands now.

    `before`: as its before-image has it. `stays`: a no that we brought, which is never taken back. `ours`:
    as we left it, or as a write of ours that landed late would have left it. `theirs`: anything else.
    """
    late = set(late_fields(row, record, fields))
    newest = {each.field: each.who for each in reversed(versions or ())}
    late = {name for name in late if versions is None or newest.get(name) is Who.OURS}
    found: dict[str, Standing] = {}
    for name in row.written:
        if record.values.get(name) == row.before.get(name):
            found[name] = "before"
        elif takes_back_no(fields.get(name), row.before.get(name)):
            found[name] = "stays"
        else:
            found[name] = "ours" if _as_left(row, record, name) or name in late else "theirs"
    return found


def judge_restore(
    row: Row, record: Held | None, fields: Mapping[str, Field], versions: Sequence[Version] | None = None
) -> Verdict:
    """A record of somebody else's that we changed. By field: ours goes, theirs stays.

    Args:
        versions: history of our fields, newest first, where `late_fields` found any and the target
            keeps one.
    """
    if record is None:
        return Verdict("gone", "gone", "deleted by somebody since; nothing to put back")
    if record.id != row.id:
        return Verdict("hold", "merged", f"it is now part of {record.id}")
    if row.note and not (row.forced or row.by_field):
        return Verdict("hold", row.note, CODES.get(row.note, row.note))
    where = standing(row, record, fields, versions)
    theirs = [name for name, each in where.items() if each == "theirs"]
    if theirs and not (row.forced or row.by_field):
        return Verdict("hold", "edited", f"{', '.join(theirs)} changed since our last write")
    going = ("ours", "theirs") if row.forced else ("ours",)
    values = {name: row.before.get(name) for name, each in where.items() if each in going}
    kept = tuple(sorted({*theirs, *row.covered})) if row.by_field else ()
    reason = f"by field; theirs stays: {', '.join(kept)}" if kept else ""
    if values:
        return Verdict("restore", reason=reason, values=values, kept=kept)
    return Verdict("gone", reason=reason or "as it was before", kept=kept)


def _as_left(row: Row, record: Held, name: str) -> bool:
    return bool(row.after) and record.values.get(name) == row.after.get(name)


def late_fields(row: Row, record: Held | None, fields: Mapping[str, Field]) -> list[str]:
    """Fields that hold what a write of ours would have put there that nobody saw land."""
    if record is None or record.id != row.id:
        return []
    found = []
    for name in row.written:
        now = record.values.get(name)
        if now == row.before.get(name) or _as_left(row, record, name):
            continue
        rules = fields[name].held if name in fields else ()
        if any(name in values and held(rules, values[name]) == now for values in row.sent):
            found.append(name)
    return found


def _writers(versions: Sequence[Version]) -> str:
    found: dict[str, list[str]] = {}
    for each in versions:
        names = found.setdefault(each.name or each.who.value, [])
        if each.field not in names:
            names.append(each.field)
    return "; ".join(f"{', '.join(names[:5])} by {who}" for who, names in found.items())


def _ends(links: Sequence[Link]) -> str:
    ends = list(dict.fromkeys(f"{link.right_object} {link.right}" for link in links))
    more = f" and {len(ends) - 5} more" if len(ends) > 5 else ""
    return f"linked to {', '.join(ends[:5])}{more}"


def sides_of_ours(
    ids: Sequence[str], links: Sequence[Link], ours: set[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Which records of automations go with ours, and which are others' business?

    An automation's record whose links all lead to records that aren't ours was set off by somebody
    else's write. One without links, or with a link to ours, was set off by ours.
    """
    by_id: dict[str, list[Link]] = {}
    for link in links:
        by_id.setdefault(link.left, []).append(link)
    mine: list[str] = []
    theirs: list[str] = []
    for id in ids:
        found = by_id.get(id, [])
        foreign = found and not any((link.right_object, link.right) in ours for link in found)
        (theirs if foreign else mine).append(id)
    return mine, theirs
