"""What stood there before us, what did we leave, what is there now, and what would each decision make of it?

Three-way, field by field, of held records, by a look at the target as it is at this moment. Who wrote a
value, and when, is told as far as the target keeps history. `sides` is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from migrate.catalog import Catalog, Field
from migrate.connector import Held, Target, Version, Who
from migrate.errors import UsageError
from migrate.workspace import Workspace
from migrate_rollback import decisions, holding, judging
from migrate_rollback.decisions import FORCE, KEEP, MERGE
from migrate_rollback.deeds import quoted
from migrate_rollback.judging import Standing
from migrate_rollback.looking import Look
from migrate_rollback.model import Hold, Row, image

LOT = 100
STAYS = "it stays as it is"
WORDS = {Who.OURS: "this migration", Who.AUTOMATION: "an automation", Who.INTEGRATION: "a program",
         Who.PERSON: "somebody"}  # fmt: skip


@dataclass(frozen=True)
class Sides:
    """One field of a held record, in the target's own text; None is empty.

    `before`: us; `ours`: as we left it; `now`, with `who` wrote it and `at` (UTC), "" where the target
    doesn't tell. `merged`, `forced`: what it would hold after being undone by field, or by force.
    """

    field: str
    before: str | None
    ours: str | None
    now: str | None
    who: str
    at: str
    standing: Standing
    merged: str | None
    forced: str | None


@dataclass(frozen=True)
class Shown:
    """A held record as it stands now.

    `url`: its page, "" where none is known. `links`: what others linked to it or hung under it. `now`: "" as
    we know it, else what has become of the record. `would`: what each possible decision does.
    """

    hold: Hold
    url: str
    now: str
    fields: tuple[Sides, ...] = ()
    links: tuple[str, ...] = ()
    would: Mapping[str, str] = field(default_factory=dict)

    @property
    def object(self) -> str:
        """Of the record."""
        return self.hold.object

    @property
    def id(self) -> str:
        """Of the record, in the target."""
        return self.hold.id

    @property
    def reason(self) -> str:
        """What speaks against undoing it: a code, then words."""
        return self.hold.reason


def show(
    workspace: Workspace, group: str, limit: int = 50, *, owner: str | None = None, record: str | None = None
) -> list[Shown]:
    """Records of a group, three-way.

    Args:
        owner: only its records of this owner (id, e-mail, name or `nobody`).
        record: only the one with this id in the target.

    Raises:
        UsageError: there is no such group, owner or record.
        Parked, SystemRefused: the target.
    """
    found = holding.find(workspace, group, owner)
    id = found.owners[0].id if found.owner is not None else None
    records = None if record is None else [(found.object, record)]
    with closing(workspace.target()) as target:
        shown = [
            each
            for lot in look(workspace, target, names=[group], owner=id, records=records, limit=limit)
            for each in lot
        ]
    if record is not None and not shown:
        raise UsageError(
            f"`{group}` holds no record `{record}`.",
            f"`migrate rollback hold show {group}` lists its records.",
        )
    return shown


def held(workspace: Workspace, group: str, limit: int) -> list[Hold]:
    """Records of a group as the journal knows them, by id; asks no system.

    Raises:
        UsageError: there is no such group.
    """
    holding.find(workspace, group)
    catalog = workspace.guarded()
    rows = workspace.engine.rows(
        f"""SELECT h.*, d.what AS decided FROM undo_holds AS h LEFT JOIN undo_decided AS d USING (object, id)
        WHERE h.name = {quoted([group])} ORDER BY h.id LIMIT {int(limit)}"""
    )
    return [_hold(row, catalog) for row in rows]


def look(
    workspace: Workspace, target: Target, *, names: Sequence[str] | None = None, owner: str | None = None,
    records: Sequence[tuple[str, str]] | None = None, limit: int | None = None,
) -> Iterator[list[Shown]]:  # fmt: skip
    """Held records three-way, in lots, by object, reason, what can be decided, owner and id.

    Needs the tables of `holding.prepare`.

    Args:
        names: of groups; None for all.
        owner: an owner's id, "" for nobody's; None for all.
        records: objects and ids; None for all.
    """
    catalog = workspace.guarded()
    eye = Look(workspace, target, catalog)
    for rows in _lots(workspace, names, owner, records, limit):
        object = rows[0]["object"]
        if object not in catalog.objects:
            yield [Shown(_hold(each, catalog), "", "the target has no such object any more") for each in rows]
            continue
        yield list(_shown(eye, catalog, object, rows))


def _lots(
    workspace: Workspace, names: Sequence[str] | None, owner: str | None,
    records: Sequence[tuple[str, str]] | None, limit: int | None,
) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
    where = ["true"]
    if names is not None:
        where.append(f"h.name IN ({quoted(list(names))})")
    if owner is not None:
        where.append(f"h.owner = {quoted([owner])}")
    if records is not None:
        workspace.engine.run("CREATE OR REPLACE TABLE undo_asked (object VARCHAR, id VARCHAR)")
        workspace.engine.put("undo_asked", records)
        where.append("(h.object, h.id) IN (SELECT (object, id) FROM undo_asked)")
    some = "" if limit is None else f"LIMIT {int(limit)}"
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE undo_shown AS
        SELECT row_number() OVER (ORDER BY h.object, h.code, h.by_field, h.owner, h.id) AS n, h.object, h.id
        FROM undo_holds AS h WHERE {" AND ".join(where)} ORDER BY n {some}"""
    )
    total = int(workspace.engine.rows("SELECT count(*) AS n FROM undo_shown")[0]["n"])
    for first in range(0, total, LOT):
        rows = workspace.engine.rows(
            f"""SELECT h.*, d.what AS decided, r.action, r.before, r.after, r.sent, r.stamp, r.note, c.before
              AS covered
            FROM undo_shown AS s JOIN undo_holds AS h USING (object, id)
            LEFT JOIN undo_decided AS d USING (object, id)
            LEFT JOIN undo_records AS r ON r.object = h.object AND r.id = h.id AND h.kind = 'record'
            LEFT JOIN undo_covered AS c ON c.key = r.key
            WHERE s.n > {first} AND s.n <= {first + LOT} ORDER BY s.n"""
        )
        by_object: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_object.setdefault(row["object"], []).append(row)
        yield from by_object.values()


def _hold(row: Mapping[str, Any], catalog: Catalog, owner: str | None = None) -> Hold:
    words = decisions.owner_words(catalog)
    id = row["owner"] if owner is None else owner
    return Hold(
        row["object"], row["id"], row["key"] or "", row["kind"], row["op"], row["reason"], row["code"],
        words.get(id, id), choices(row["code"], by_field=row["by_field"]), row["decided"] or "",
    )  # fmt: skip


def choices(code: str, *, by_field: bool) -> tuple[str, ...]:
    """What can be decided about a record that is held for this reason."""
    if code in decisions.WHY_KEPT:
        return (KEEP,)
    return (KEEP, FORCE, MERGE) if by_field else (KEEP, FORCE)


def _row(each: Mapping[str, Any], number: int) -> Row:
    """A held record as a row of a work list; what no table knows of (a stray) has no images."""
    action = each["action"] or ("restore" if each["op"] in ("restore", "update") else "delete")
    return Row(
        number, 0, each["kind"], each["object"], each["key"] or "", each["id"], action,
        before=image(each["before"]), after=image(each["after"]),
        sent=tuple(image(sent) for sent in each["sent"] or ()), stamp=each["stamp"] or "",
    )  # fmt: skip


def _shown(eye: Look, catalog: Catalog, object: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Shown]:
    schema = catalog.objects[object]
    listed = [_row(each, number) for number, each in enumerate(rows)]
    records = eye.records(object, listed, owner=True)
    there = [row for row in listed if row.id in records and records[row.id].id == row.id]
    made = [row for row in there if row.action == "delete"]
    changed = [row for row in there if row.action == "restore"]
    histories: dict[str, list[Version]] = {}
    names = sorted({name for row in changed for name in row.written})
    for part, fields in ((made, []), (changed, names)):
        if part and (fields or part is made):
            histories.update(eye.versions(object, [row.id for row in part], fields) or {})
    foreign = eye.foreign(object, made) if made else {}
    records |= eye.whole(object, made, histories)
    given = eye.given(object)
    whose = eye.owner_field(object)
    for row, each in zip(listed, rows, strict=True):
        record = records.get(row.id)
        owner = record.values.get(whose) or "" if record is not None and whose is not None else None
        hold = _hold(each, catalog, owner)
        url = schema.url.replace("{id}", row.id) if schema.url else ""
        if record is None:
            yield Shown(hold, "", "it isn't there any more")
            continue
        if record.id != row.id:
            yield Shown(hold, url, f"it is now part of {record.id}", would={KEEP: STAYS})
            continue
        found = sides(row, record, histories.get(row.id), schema.fields, image(each["covered"]), given)
        links = tuple(
            sorted(f"{link.right_object} {link.right} ({link.label})" for link in foreign.get(row.id, ()))
        )
        yield Shown(hold, url, "", found, links, _would(hold, row, found))


def sides(
    row: Row, record: Held, versions: Sequence[Version] | None, fields: Mapping[str, Field],
    covered: Mapping[str, str | None], given: Mapping[str, str] | None = None,
) -> tuple[Sides, ...]:  # fmt: skip
    """The fields that speak for or against undoing a record, three-way.

    Of a record that was there before us all that we wrote; of one that we created those that aren't as we
    left them, and those in which others' words stand.

    Args:
        covered: values of others that our load had covered, by field.
        given: what a record that we make gets in fields that we don't send.
    """
    told: dict[str, list[Version]] = {}
    for each in versions or ():
        told.setdefault(each.field, []).append(each)

    def side(name: str, standing: Standing, merged: str | None, forced: str | None) -> Sides:
        by = told.get(name, [])
        now = record.values[name] if name in record.values else by[0].value if by else None
        who = (by[0].name if by[0].who is not Who.OURS else "") or WORDS[by[0].who] if by else ""
        return Sides(
            name, row.before.get(name), row.after.get(name), now, who, by[0].at if by else "", standing,
            merged, forced,
        )  # fmt: skip

    if row.action == "restore":
        found = []
        back = replace(row, before={**row.before, **covered})  # what undoing by field puts back
        by_field = judging.standing(back, record, fields, versions)
        for name, standing in judging.standing(row, record, fields, versions).items():
            now, before = record.values.get(name), row.before.get(name)
            merged = back.before.get(name) if by_field[name] == "ours" else now
            found.append(side(name, standing, merged, now if standing == "stays" else before))
        return tuple(found)
    ours = [name for name in row.after if name in record.values]
    names = dict.fromkeys(judging.differing(row, record, ours))
    names.update(
        dict.fromkeys(each.field for each in judging.their_work(row, record, versions or (), fields))
    )
    if row.kind == "record" and judging.hides(versions):
        hidden = judging.hidden(row, record, ours, versions or (), fields, given or {})
        names.update(dict.fromkeys(hidden))
    return tuple(side(name, "theirs", None, None) for name in sorted(names))


def _would(hold: Hold, row: Row, found: Sequence[Sides]) -> dict[str, str]:
    """Each possible decision, in words."""
    words = {KEEP: STAYS}
    for choice in hold.choices[1:]:
        if row.action == "delete":
            words[choice] = "it is deleted, with what others wrote, linked and hung there"
            continue
        after = [(each, each.merged if choice == MERGE else each.forced) for each in found]
        goes = [each.field for each, value in after if value != each.now]
        stays = [each.field for each, value in after if value == each.now and each.standing == "theirs"]
        told = [f"{', '.join(goes)} put back" if goes else "nothing of ours is left to put back"]
        told += [f"{', '.join(stays)} kept"] if stays else []
        words[choice] = "; ".join(told)
    return words
