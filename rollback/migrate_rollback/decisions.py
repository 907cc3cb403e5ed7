"""What have people decided about held records? Events of the ledger's trail; the latest for a record counts.

Tables in the engine, beside those of `deeds`:

    undo_holds         every held record, with its owner when it was held and what can be decided about it
    undo_decided       what was decided about it: keep, force or merge, by whom, when, and in which event
    undo_deciding      of these, what is to be carried out now
    undo_kept_fields   fields of records that were undone by field, which keep what others wrote
    undo_covered       values of others that our load had covered, by record
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.catalog import Catalog
from migrate.engine import text
from migrate.errors import UsageError
from migrate.ledger.leases import this_process
from migrate.ledger.tables import events
from migrate.workspace import Workspace
from migrate_rollback.deeds import quoted
from migrate_rollback.looking import owner_field

KEEP, FORCE, MERGE = "keep", "force", "merge"
CHOICES = (KEEP, FORCE, MERGE)
NOBODY = "nobody"
# Codes of holds that nobody can decide away, and why.
WHY_KEPT = {
    "merged": "a merge can't be undone over the API",
    "lost": "nothing tells what these records held before",
}
BY_FIELD = ("edited", "lost_edit")  # codes of holds where our fields can go and theirs stay
_EVENT = "rollback hold "
_SHEET = "read"  # of a sheet, with a decision for each record


@dataclass(frozen=True)
class Choice:
    """What a sheet decides about one record."""

    object: str
    id: str
    what: str  # one of CHOICES
    remark: str = ""


def record(
    workspace: Workspace, attempt: int, what: str, *, group: str, owner: str | None, count: int
) -> int:
    """Write a decision about a group into the trail, with who and when; its event's number.

    Args:
        owner: only the records of this owner (an id, "" for nobody's); None for all.
    """
    return _write(workspace, what, {"attempt": attempt, "group": group, "owner": owner, "count": count})


def record_rows(
    workspace: Workspace, attempt: int, choices: Sequence[Choice], facts: Mapping[str, str]
) -> int:
    """Write a sheet's decisions into the trail as one event; its number.

    Args:
        facts: what is known of the sheet.
    """
    rows = [[each.object, each.id, each.what, each.remark] for each in choices]
    return _write(workspace, _SHEET, {"attempt": attempt, "count": len(rows), **facts, "records": rows})


def _write(workspace: Workspace, what: str, facts: Mapping[str, object]) -> int:
    with workspace.ledger.write() as tx:
        tx.event(this_process().holder, _EVENT + what, **facts)
        return int(tx.sql.execute(sa.select(sa.func.max(events.c.number))).scalar_one())


def tables(workspace: Workspace, catalog: Catalog, attempt: int) -> None:
    """(Re)make all but `undo_deciding`. Needs the tables of `deeds`.

    Args:
        attempt: the one that is rolled back.
    """
    engine = workspace.engine
    engine.run(
        f"""CREATE OR REPLACE TABLE undo_holds AS
        WITH last AS (SELECT kind, key, target_id AS id, max(seq) AS seq FROM undo_journal
          WHERE mine AND outcome IN ('held', 'refused') AND kind IN ('record', 'side') GROUP BY ALL)
        SELECT h.kind, h.object, h.key, h.id, h.op, h.code, h.reason, h.object || '.' || h.code AS name,
          coalesce({_owner(workspace, catalog)}, '') AS owner, j."at" AS "at",
          h.code IN ({quoted(list(BY_FIELD))}) AND r.id IS NOT NULL AS by_field
        FROM undo_held AS h JOIN last USING (kind, key, id) JOIN undo_journal AS j ON j.seq = last.seq
        LEFT JOIN (SELECT DISTINCT object, id FROM undo_records WHERE action = 'restore') AS r
          ON r.object = h.object AND r.id = h.id"""
    )
    engine.run(
        """CREATE OR REPLACE TABLE undo_kept_fields AS
        SELECT DISTINCT object, target_id AS id, unnest(map_keys("after")) AS field FROM undo_journal
        WHERE mine AND kind = 'record' AND op = 'keep' AND outcome = 'done'"""
    )
    engine.run(
        """CREATE OR REPLACE TABLE undo_covered AS
        SELECT key, list_reduce(list("before" ORDER BY seq), lambda a, b: map_concat(a, b)) AS "before"
        FROM undo_journal WHERE outcome = 'lost_edit' AND due AND key IN
          (SELECT key FROM undo_records WHERE note = 'lost_edit') GROUP BY key"""
    )
    _decided(workspace, attempt)


def deciding(workspace: Workspace, numbers: Sequence[int]) -> None:
    """`undo_deciding`: what these events have decided, no later one has changed, and isn't done yet."""
    listed = ", ".join(str(int(each)) for each in numbers) or "NULL"
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE undo_deciding AS SELECT object, id, what FROM undo_decided
        WHERE what <> '{KEEP}' AND event IN ({listed})"""
    )


def open_events(workspace: Workspace) -> tuple[int, ...]:
    """Events with a decision that isn't carried out yet. Needs the tables."""
    rows = workspace.engine.rows(
        f"SELECT DISTINCT event FROM undo_decided WHERE what <> '{KEEP}' ORDER BY event"
    )
    return tuple(int(row["event"]) for row in rows)


def _decided(workspace: Workspace, attempt: int) -> None:
    engine = workspace.engine
    engine.run(
        """CREATE OR REPLACE TABLE undo_said (object VARCHAR, id VARCHAR, what VARCHAR, who VARCHAR,
        "at" VARCHAR, event BIGINT)"""
    )
    asked = sa.select(events).where(events.c.what.startswith(_EVENT)).order_by(events.c.number)
    for row in workspace.ledger.read(asked):
        facts = json.loads(row.facts)
        if facts.get("attempt") != attempt:
            continue
        what = row.what.removeprefix(_EVENT)
        if what in CHOICES:
            owner = facts.get("owner")
            whose = "" if owner is None else f"AND owner = {text(owner)}"
            engine.run(
                f"""INSERT INTO undo_said SELECT object, id, {text(what)}, {text(row.who)}, {text(row.at)},
                  {int(row.number)} FROM undo_holds
                WHERE name = {text(facts["group"])} {whose}"""
            )
        elif what == _SHEET:
            engine.put(
                "undo_said", [(*each[:3], row.who, row.at, int(row.number)) for each in facts["records"]]
            )
    # Nobody has decided about what was held only later. Nor about what can't be done: to part what people
    # have merged, or to undo a record of ours by field.
    engine.run(
        f"""CREATE OR REPLACE TABLE undo_decided AS
        WITH latest AS (SELECT object, id, arg_max(what, event) AS what, arg_max(who, event) AS who,
          arg_max("at", event) AS "at", max(event) AS event FROM undo_said GROUP BY object, id)
        SELECT latest.* FROM latest JOIN undo_holds AS h USING (object, id) WHERE h."at" <= latest."at"
        AND (what = '{KEEP}' OR (what = '{FORCE}' AND h.code NOT IN ({quoted(list(WHY_KEPT))}))
          OR (what = '{MERGE}' AND h.by_field))"""
    )


def _owner(workspace: Workspace, catalog: Catalog) -> str:
    """SQL: the owner's id in the image that was read when a record was held."""
    cases = [
        f'WHEN {text(object)} THEN j."before"[{text(name)}]'
        for object in catalog.objects
        if (name := owner_field(workspace.plan.model, catalog, object)) is not None
    ]
    return f"CASE h.object {' '.join(cases)} END" if cases else "NULL"


def owner_words(catalog: Catalog) -> dict[str, str]:
    """Name and e-mail of each owner by id; "" is nobody."""
    found = {
        each.id: f"{each.name} ({each.email})" if each.email and each.email != each.name else each.name
        for each in catalog.owners
    }
    return {**found, "": NOBODY}


def owner_id(catalog: Catalog, asked: str, there: Sequence[str]) -> str:
    """The id of an owner that was named by id, e-mail or name; "" for `nobody`.

    Args:
        there: ids of the owners of which something is held.

    Raises:
        UsageError: none of these, or several.
    """
    wanted = asked.strip().casefold()
    people = {each.id: each for each in catalog.owners}
    words = owner_words(catalog)
    found = []
    for id in there:
        one = people.get(id)
        names = {id, *((one.email or "", one.name) if one else ()), *((NOBODY,) if not id else ())}
        if wanted and wanted in {name.casefold() for name in names if name}:
            found.append(id)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"`{words.get(id, id)}`" for id in there) or "nobody"
    if not found:
        raise UsageError(f"Nothing of `{asked}` is held there.", f"Owners: {listed}.")
    raise UsageError(f"`{asked}` names several owners.", f"Give an id or an e-mail address: {listed}.")
