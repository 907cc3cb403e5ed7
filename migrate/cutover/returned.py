"""What came back, what has to be entered by hand, and what did people write in the old system meanwhile?

Every change that the steps found is judged once, by its newest mention. Whatever was sent is read again in
the old system.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrate.cutover.reverse_artifacts import OLD_BASE
from migrate.cutover.reverse_plan import BackEntry
from migrate.cutover.reverse_side import ANCHOR, NEW, OLD, Side
from migrate.cutover.reverse_told import (
    BY_HAND,
    CHANGES,
    CONFLICT,
    CREATE,
    DELETE,
    DELIVER,
    GONE,
    LOST,
    MERGED,
    PART,
    REF,
    STAYS,
)
from migrate.engine import identifier, text
from migrate.held import held
from migrate.journal import CROSSWALK, REFUSED

if TYPE_CHECKING:
    from migrate.connector import Held, Target

LINK = "link"
BROUGHT, CREATED, DELETED, LINKED = "brought back", "created", "deleted", "linked"
DONE = (BROUGHT, CREATED, DELETED, LINKED)
EDITED = "edited in the old system"
REFUSED_THERE, WAITS, OTHERWISE = "refused", "waits", "stands otherwise"
LOT = 500


@dataclass(frozen=True)
class Line:
    """A change and its end. `what`: one of `DONE`, or why it is left. Values as texts."""

    what: str
    object: str
    new_id: str
    old_object: str
    old_id: str | None
    owner: str | None
    title: str | None
    field: str
    old_value: str | None
    new_value: str | None
    why: str

    @property
    def left(self) -> bool:
        """Whether somebody has to do it by hand."""
        return self.what not in (*DONE, EDITED)


def judged(side: Side, old: Target, cohort: str) -> list[Line]:
    """Every change since the cohort was switched, in the order of the plan's entries."""
    side.ids()
    engine = side.workspace.engine
    marks = side.marks()
    first = max((each.number for each in marks if each.kind == ANCHOR and each.cohort == cohort), default=0)
    tried = {each.number: each.tried for each in marks if each.tried}
    selects = [
        f"SELECT *, {each.generation} AS step FROM read_parquet({side.store.files(each)!r}) "
        f"WHERE field <> {text(tried.get(each.generation, '-'))}"
        for each in side.store.manifests(CHANGES, "all")
        if each.generation > first and each.parts
    ]
    query = " UNION ALL ".join(selects)
    engine.run(
        f"""CREATE OR REPLACE TABLE found AS SELECT * FROM ({query}) QUALIFY row_number() OVER (
            PARTITION BY rkey, field, CASE fate WHEN '{LINK}' THEN why END ORDER BY step DESC) = 1"""
        if selects
        else "CREATE OR REPLACE TABLE found (rkey VARCHAR, field VARCHAR, fate VARCHAR, old_object VARCHAR)"
    )
    journal = side.workspace.journal.source()
    engine.run(
        f"CREATE OR REPLACE TABLE came AS SELECT key, target_id FROM ({CROSSWALK.format(journal=journal)})"
    )
    engine.run(
        f"CREATE OR REPLACE TABLE refused AS SELECT key, reason FROM ({REFUSED.format(journal=journal)})"
    )
    lines: list[Line] = []
    if selects:
        for each in side.entries:
            lines += _records(side, old, each)
        lines += _links(side)
    for each in side.entries:
        lines += _edited(side, each)
    return lines


def _records(side: Side, old: Target, each: BackEntry) -> Iterator[Line]:
    """Fields and records of an entry, read again in the old system."""
    names = [field.name for field in each.fields]
    query = f"""SELECT f.*, c.target_id AS came_id, r.reason AS refusal, x.target_id AS refers,
          EXISTS (SELECT 1 FROM found AS g WHERE g.rkey = f.rkey AND g.fate = '{DELETE}') AS dead
        FROM found AS f LEFT JOIN came AS c ON c.key = f.rkey LEFT JOIN refused AS r ON r.key = f.rkey
        LEFT JOIN came AS x ON f.wire = '{REF}' || x.key
        WHERE f.entry = {text(each.name)} AND f.fate <> '{LINK}' ORDER BY f.rkey, f.field"""
    for batch in side.workspace.engine.stream(query, rows=LOT):
        rows = batch.to_pylist()
        ids = sorted({row["came_id"] or row["old_id"] for row in rows if row["came_id"] or row["old_id"]})
        there = {record.asked: record for record in old.read_back(each.old, names, ids=ids)} if ids else {}
        for row in rows:
            id = row["came_id"] or row["old_id"]
            line = _judge(side, each, row, there.get(id) if id else None)
            if line is not None:
                yield line


def _judge(side: Side, each: BackEntry, row: dict[str, Any], record: Held | None) -> Line | None:
    fate = row["fate"]
    if fate == DELETE:
        if record is None:
            return _line(row, DELETED)
        return _line(row, REFUSED_THERE, row["refusal"] or "it is still there in the old system")
    if row["dead"]:
        return None  # the whole record was to go
    if fate in (CREATE, PART):
        if record is not None:
            return _line(row, CREATED) if fate == CREATE else None
        return _line(row, REFUSED_THERE if row["refusal"] else WAITS, _why_not(row))
    if fate != DELIVER:
        return _line(row, fate, row["why"])
    if record is None:
        return _line(row, GONE, "it was deleted in the old system")
    wanted = row["wire"]
    if wanted is not None and wanted.startswith(REF):
        wanted = row["refers"]
    rules = side.source.objects[each.old].fields[row["field"]].held
    now = record.values.get(row["field"])
    if now == held(rules, wanted):
        return _line(row, BROUGHT)
    row = {**row, "old_value": now}
    if row["refusal"]:
        return _line(row, REFUSED_THERE, row["refusal"])
    if wanted is None and row["wire"] is not None:
        return _line(row, WAITS, _why_not(row))
    return _line(row, OTHERWISE, "the old system holds another value than was sent")


def _why_not(row: dict[str, Any]) -> str:
    return row["refusal"] or "a record that it refers to isn't in the old system"


def _line(row: dict[str, Any], what: str, why: str = "") -> Line:
    return Line(
        what, row["object"], row["new_id"], row["old_object"], row.get("came_id") or row["old_id"],
        row["owner"], row["title"], row["field"], row["old_value"], row["new_value"], why,
    )  # fmt: skip


def _links(side: Side) -> Iterator[Line]:
    query = f"""SELECT f.*, c.target_id AS came_id, r.reason AS refusal,
          EXISTS (SELECT 1 FROM {side.workspace.journal.source()} AS j WHERE j.key = f.why AND kind = 'link'
            AND outcome = 'done' AND op IN ('link', 'unlink') AND NOT starts_with(j.batch, 'seed-')) AS there
        FROM found AS f LEFT JOIN came AS c ON c.key = f.rkey LEFT JOIN refused AS r ON r.key = f.why
        WHERE f.fate = '{LINK}' ORDER BY f.rkey, f.why"""
    for batch in side.workspace.engine.stream(query):
        for row in batch.to_pylist():
            if row["there"] and not row["refusal"]:
                yield _line(row, LINKED)
            elif row["refusal"]:
                yield _line(row, REFUSED_THERE, row["refusal"])
            else:
                yield _line(row, WAITS, "one of its ends isn't in the old system")


def _edited(side: Side, each: BackEntry) -> Iterator[Line]:
    """What somebody wrote in the old system since the switch, in records that are at home in the new one."""
    now, base = side.look(OLD, each.old), side.base(each.old, 1 << 30, OLD_BASE)
    new = side.look(NEW, each.object)
    title = f"CAST(w.{identifier(each.title)} AS VARCHAR)" if each.title else "NULL::VARCHAR"
    owner = f"CAST(w.{identifier(each.owner)} AS VARCHAR)" if each.owner else "NULL::VARCHAR"
    for field in each.fields:
        column = identifier(field.name)
        value = f"CAST(w.{identifier(field.inputs[0])} AS VARCHAR)" if field.inputs else "NULL::VARCHAR"
        query = f"""SELECT i.rkey, {text(each.object)} AS object, i.id AS new_id,
              {text(each.old)} AS old_object,
              i.old_id, {owner} AS owner, {title} AS title, {text(field.name)} AS field,
              CAST(n.{column} AS VARCHAR) AS old_value, {value} AS new_value,
              CAST(b.{column} AS VARCHAR) AS former
            FROM {now} AS n JOIN {base} AS b ON b._id = n._id
            JOIN ids AS i ON i.old_id = n._id AND i.entry = {text(each.name)} AND i.side = 'target'
            LEFT JOIN {new} AS w ON w._id = i.id
            WHERE n.{column} IS DISTINCT FROM b.{column} AND NOT EXISTS (SELECT 1 FROM found AS f
              WHERE f.rkey = i.rkey AND f.field = {text(field.name)}
              AND f.fate IN ('{DELIVER}', '{CONFLICT}', '{LOST}')) ORDER BY i.rkey"""
        for batch in side.workspace.engine.stream(query):
            for row in batch.to_pylist():
                why = (
                    f"somebody changed it in the old system since the switch; it was `{row['former'] or ''}`"
                )
                yield _line(row, EDITED, why)


LEFT = {
    CONFLICT: "both sides changed it",
    LOST: "no way back",
    STAYS: "stays as the plan says",
    GONE: "not in the old system any more",
    MERGED: "merged in the new system",
    BY_HAND: "by hand",
    REFUSED_THERE: "the old system refused it",
    WAITS: "waits for another record",
    OTHERWISE: "stands otherwise",
    EDITED: "changed in the old system",
}  # what is left, for people


def words(lines: Sequence[Line]) -> str:
    """The first lines of a list, for people."""
    shown = [
        f"  {each.object} {each.new_id} ({each.title or '-'}) {each.field or 'record'}: "
        f"{LEFT.get(each.what, each.what)}: {each.why}"
        for each in lines[:20]
    ]
    more = len(lines) - 20
    return "\n".join(shown + ([f"  and {more:,} more, in the sheets"] if more > 0 else []))
