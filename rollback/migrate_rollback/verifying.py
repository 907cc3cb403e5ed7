"""Is the target again as the checkpoint found it? A second, whole look, compared with the baseline.

Passes when every record and link of ours since the checkpoint is gone, every record that we changed has its
before-image in our fields or is held, no stray, twin or side record is left, what was to stay is as we left
it, and every other difference is somebody else's: not in our journal. What no vendor puts back is listed by
name as residue. It trusts no answer of the rollback: it reads every record, and reads a difference in our
fields again before it counts.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from migrate.catalog import Catalog
from migrate.connector import KeepsHistory, Target, Who
from migrate.diff import diff
from migrate.engine import parquet
from migrate.errors import Damaged
from migrate.load.context import Progress, no_progress
from migrate.stages.checkpoint import Checkpoint, key_fields, take_baseline
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import attempts, consent, decisions, differences, schema, scoping, standing
from migrate_rollback.model import Finding, Residue, Verified, image

MOST = 1_000  # findings that are named one by one; all of them are in the Parquet


def verify(workspace: Workspace, progress: Progress = no_progress) -> Verified:
    """Extract again and compare; writes what differs to `rollback/attempt-n/verify`.

    Raises:
        UsageError: nothing has been loaded.
        JournalDamaged: a segment isn't what it was; names the records that it is about.
        Parked, SystemRefused: the target.
    """
    chosen = attempts.choose(workspace.ledger)
    attempt, point, engine = chosen.number, chosen.point, workspace.engine
    catalog = workspace.guarded()
    workspace.journal.verify()
    scoping.tables(workspace, chosen)
    standing.tables(engine, point.read_at)
    decisions.tables(workspace, catalog, attempt)
    differences.begin(engine)
    with closing(workspace.target()) as target:
        keys = {
            object: key
            for object, key in key_fields(workspace, point).items()
            if object in point.baseline and not schema.removed(workspace, catalog, object)
        }
        after = take_baseline(target, catalog, workspace, f"after/attempt-{attempt}", keys)
        for number, object in enumerate(keys, 1):  # less those that a rollback has removed, empty
            _records(workspace, catalog, point, object, after[object], keys[object])
            progress("compared", number, len(keys))
        consent.kept(engine, catalog, list(point.baseline))
        differences.links(workspace, point, after)
        _look_again(workspace, target, catalog)
    held = int(engine.rows("SELECT count(*) AS n FROM undo_held")[0]["n"])
    folder = f"rollback/attempt-{attempt}/verify"
    _publish(workspace, folder, attempt)
    foreign = {
        f"{row['object']}: {row['what']}": int(row["n"])
        for row in engine.rows(
            """SELECT object, what, count(DISTINCT id) AS n FROM undo_differences WHERE kind = 'foreign'
            GROUP BY ALL ORDER BY ALL"""
        )
    }
    residue = _residue(workspace, target, catalog)
    return Verified(attempt, held, _failures(workspace), foreign, residue, folder, chosen.scope)


def _records(
    workspace: Workspace, catalog: Catalog, point: Checkpoint, object: str, folder: str, key: str
) -> None:
    """One object's records, then and now, into `undo_differences`."""
    store, engine = workspace.store, workspace.engine
    then, now = store.manifest(point.baseline[object]), store.manifest(folder)
    if then is None or now is None:
        raise Damaged(
            point.baseline[object], "the baseline isn't there any more", "Restore it from a backup."
        )
    known = catalog.objects[object].fields
    fields = [name for name in then.schema if name in now.schema and name in known]
    left, right = (_source(store.files(each), fields) for each in (then, now))
    left = standing.rows(engine, object, left, right, fields)
    family = workspace.catalog("source").family
    with diff(engine, left, right, "_id", fields) as found:
        computed = [
            name for name, each in known.items()
            if each.calculated or not each.updateable or name == catalog.objects[object].stamp
        ]  # fmt: skip
        held_in = key if key in fields else "_key"  # a rollback may have removed the key's field
        differences.records(engine, found.table, object, right, computed, held_in, family)
    if key in fields:
        differences.twins(engine, object, right, key)


def _source(files: list[str], fields: list[str]) -> str:
    columns = ", ".join(
        ['"_id"', '"_source"', '"_key"', *('"' + name.replace('"', '""') + '"' for name in fields)]
    )
    if not files:
        empty = ", ".join(f"NULL::VARCHAR AS {name}" for name in columns.split(", "))
        return f"(SELECT {empty} WHERE false)"
    return f"(SELECT {columns} FROM {parquet(files)})"


def _look_again(workspace: Workspace, target: Target, catalog: Catalog) -> None:
    """Read records whose fields differ once more; ask who wrote what isn't as the before-image has it."""
    engine = workspace.engine
    rows = engine.rows(
        """SELECT d.object, d.id, list(d.field) AS fields, any_value(c.before) AS before, false AS ours
        FROM undo_differences AS d JOIN undo_changed AS c ON c.id = d.id AND c.object = d.object
        WHERE d.kind = 'unrestored' GROUP BY d.object, d.id
        UNION ALL SELECT d.object, d.id, list(d.field), any_value(s."after"), true
        FROM undo_differences AS d JOIN undo_standing AS s ON s.id = d.id AND s.object = d.object
        WHERE d.kind = 'moved' GROUP BY d.object, d.id"""
    )
    by_object: dict[tuple[str, bool], list[tuple[str, list[str], dict[str, str | None]]]] = {}
    for row in rows:
        told_of = by_object.setdefault((row["object"], row["ours"]), [])
        told_of.append((row["id"], row["fields"], image(row["before"])))
    for (object, ours), records in by_object.items():
        names = sorted(
            {name for _, fields, _ in records for name in fields} & set(catalog.objects[object].fields)
        )
        ids = [id for id, _, _ in records]
        now = {each.asked: each for each in target.read_back(object, names, ids=ids)}
        odd = {
            id: [name for name in fields if id in now and now[id].values.get(name) != before.get(name)]
            for id, fields, before in records
        }
        wrong = [id for id, fields in odd.items() if fields]
        told = target.history(object, wrong, names) if wrong and isinstance(target, KeepsHistory) else {}
        for id, fields, _ in records:
            for name in fields:
                newest = next((each for each in told.get(id, ()) if each.field == name), None)
                # What we left and wasn't touched by us since is others' work, where nobody tells whose.
                theirs = newest.who is not Who.OURS if newest is not None else ours
                if name not in odd[id]:
                    differences.is_as_left(engine, object, id, name)
                if name not in odd[id] or theirs:
                    differences.is_foreign(engine, object, id, name)


def _failures(workspace: Workspace) -> tuple[Finding, ...]:
    rows = workspace.engine.rows(
        f"""SELECT kind, object, id, any_value(key) AS key,
          any_value(what) || coalesce(': ' || string_agg(field, ', ' ORDER BY field), '') AS what
        FROM undo_differences WHERE kind NOT IN ('foreign', 'held', 'computed', 'consent', 'lost')
        GROUP BY kind, object, id ORDER BY kind, object, id LIMIT {MOST}"""
    )
    return tuple(Finding(r["kind"], r["object"], r["id"], r["key"] or "", r["what"]) for r in rows)


def _residue(workspace: Workspace, target: Target, catalog: Catalog) -> tuple[Residue, ...]:
    engine, found = workspace.engine, Counter[str]()

    def count(query: str) -> int:
        return int(engine.rows(f"SELECT count(*) AS n FROM ({query})")[0]["n"])

    lost = "records of ours that a load after the checkpoint deleted, as they are gone at the source"
    found[lost] = count("SELECT DISTINCT object, id FROM undo_lost")
    days = target.limits.recycle_days
    bin_ = f"records in the target's recycle bin{f', for {days} days' if days else ''}"
    found[bin_] = count("SELECT * FROM undo_deleted")
    found["records put back: newer modification stamps"] = count(
        "SELECT DISTINCT object, id FROM undo_restored"
    )
    if isinstance(target, KeepsHistory):
        found["records put back: entries in the history of their fields"] = found[
            "records put back: newer modification stamps"
        ]
    for row in engine.rows(
        """SELECT object, field, count(DISTINCT id) AS n FROM undo_differences WHERE kind = 'computed'
        GROUP BY ALL ORDER BY ALL"""
    ):
        if row["field"] == catalog.objects[row["object"]].stamp:
            continue  # told already, of the records that are ours; the others' stamps are others' work
        found[f"{row['object']}.{row['field']}: computed by the target"] = int(row["n"])
    found.update(schema.residue(workspace))
    stays = consent.by_address(engine) | consent.stayed(engine)
    found.update({f"{what}: opt-outs that the load brought; they stay": n for what, n in stays.items()})
    return tuple(Residue(what, number) for what, number in found.items() if number)


def _publish(workspace: Workspace, folder: str, attempt: int) -> None:
    store = workspace.store
    store.discard(folder)
    reader = workspace.engine.stream("SELECT * FROM undo_differences ORDER BY kind, object, id, field")
    with store.writer(folder, reader.schema) as writer:
        for batch in reader:
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "rollback", str(attempt), 0, rows, tuple(writer.parts)))
