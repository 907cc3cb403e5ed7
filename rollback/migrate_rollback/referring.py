"""What becomes of a reference whose record a rollback of a part has deleted? It is read and written down.

A record of ours that stays may hold the id of one that goes. The target empties such a field by itself, or
lets it dangle. What it holds afterwards is journalled as left by us: else the next load, which brings the
other record back under a new id, would take it for somebody's edit.
"""

from __future__ import annotations

from migrate.journal import Entry
from migrate.load import Loading
from migrate_rollback.deeds import WITH_REFERENCE
from migrate_rollback.looking import Look
from migrate_rollback.model import image
from migrate_rollback.worklist import chunks

REASON = "its reference went"


def write_down(loading: Loading, look: Look) -> int:
    """Journal the references that went with their records; returns of how many records. Needs the tables of
    `deeds`, made after the last deletion."""
    engine = loading.workspace.engine
    rows = engine.rows(
        """SELECT r.object, r.id, r.key, list(DISTINCT r.field) AS fields, any_value(j."after") AS after,
          any_value(j.stamp) AS stamp
        FROM undo_refs AS r JOIN undo_deleted AS d ON d.id = r.value
        JOIN (SELECT key, arg_max("after", seq) AS "after", arg_max(stamp, seq) AS stamp FROM undo_journal
          WHERE kind = 'record' AND outcome = 'done' AND cardinality("after") > 0
          AND key IN (SELECT key FROM undo_refs) GROUP BY key) AS j ON j.key = r.key
        GROUP BY r.object, r.id, r.key ORDER BY ALL"""
    )
    by_object: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        schema = look.schema(row["object"])
        row["fields"] = [n for n in row["fields"] if n in schema and schema[n].references]
        if row["fields"]:
            by_object.setdefault(row["object"], []).append(row)
    told = 0
    for object, all_of in by_object.items():
        for lot in chunks(all_of, loading.target.limits.records_of(object)):
            told += _lot(loading, object, list(lot))
    return told


def _lot(loading: Loading, object: str, rows: list[dict[str, object]]) -> int:
    names = sorted({name for row in rows for name in row["fields"]})  # type: ignore[attr-defined]
    ids = [str(row["id"]) for row in rows]
    now = {each.asked: each for each in loading.target.read_back(object, names, ids=ids)}
    entries = []
    for row in rows:
        record, before = now.get(str(row["id"])), image(row["after"])
        if record is None or record.id != row["id"]:
            continue
        fields = list(row["fields"])  # type: ignore[call-overload]
        held = {name: record.values.get(name) for name in fields}
        if held == {name: before.get(name) for name in fields}:
            continue  # it dangles
        entries.append(
            Entry(
                loading.attempt, WITH_REFERENCE, loading.system, object, "record", str(row["key"]), "update",
                "done", record.id, before={name: before.get(name) for name in fields},
                after={**before, **held}, reason=REASON,
            )
        )  # fmt: skip
    loading.journal.append(entries)
    return len(entries)
