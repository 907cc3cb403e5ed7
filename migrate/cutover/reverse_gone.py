"""Which records went from the new system, and which of them may be deleted in the old one?

Only what came from one old record alone, stands there as it stood when its cohort was switched (or as we left
it), and has nothing alive hanging under it. Merged records are merged by people: no system's API does it as
their pages do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from migrate.connector import Merges, Query
from migrate.cutover.reverse_artifacts import DOOMED, OLD_BASE, Findings, append, publish
from migrate.cutover.reverse_plan import BackEntry
from migrate.cutover.reverse_rows import Rows
from migrate.cutover.reverse_side import NEW, Side
from migrate.cutover.reverse_told import BY_HAND, CONFLICT, DELETE, LOT, MERGED, Told
from migrate.engine import identifier, text
from migrate.held import held
from migrate.journal import CROSSWALK, Entry
from migrate.load import Loading
from migrate.plan.needs import written_fields
from migrate.stages.transform.publish import PART_ROWS
from migrate.store import generation_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.connector import Target


def plan_deletions(
    side: Side, rows: Rows, each: BackEntry, told: Findings, loading: Loading, *, counts: bool
) -> None:
    """Records that went from the new system: to be deleted in the old one, or listed, and why."""
    schema = rows.schema(each)
    folder = generation_folder(DOOMED, each.name, rows.number)
    side.store.discard(folder)
    with side.store.writer(folder, schema, part_rows=PART_ROWS) as writer:
        for lot in _gone(side, rows, each) if counts else ():
            keep, listed = _to_delete(side, loading, each, lot)
            told.write(listed)
            append(loading, [seed for _, seed in keep])
            if keep:
                writer.write(_tombstones(schema, [row for row, _ in keep], rows.at))
    publish(side, DOOMED, each.name, rows.number, writer.parts, schema)


def _gone(side: Side, rows: Rows, each: BackEntry) -> Iterator[list[dict[str, Any]]]:
    """Records of the entry that were there at the last step and aren't now, with who survived them."""
    now, base = side.look(NEW, each.object), side.base(each.object, rows.number - 1)
    olds = side.old_objects[each.old]
    old = side.base(each.old, rows.number - 1, OLD_BASE)
    engine = side.workspace.engine
    title = f"CAST(b.{identifier(each.title)} AS VARCHAR)" if each.title else "NULL::VARCHAR"
    owner = f"CAST(b.{identifier(each.owner)} AS VARCHAR)" if each.owner else "NULL::VARCHAR"
    columns = ", ".join(f"o.{identifier(name)} AS {identifier(f'o_{name}')}" for name in olds)
    query = f"""SELECT i.rkey AS _key, i.old_id AS _old_id, b._id AS _new_id, {title} AS _title,
          {owner} AS _owner, o._stamp AS _old_stamp{f", {columns}" if columns else ""}
        FROM {base} AS b JOIN ids AS i ON i.object = {text(each.object)} AND i.id = b._id
          AND i.entry = {text(each.name)} AND {rows.changes.counts("i")}
        LEFT JOIN {old} AS o ON o._id = i.old_id
        WHERE b._id NOT IN (SELECT _id FROM {now}) ORDER BY _key"""
    if not engine.rows(f"SELECT 1 FROM ({query}) LIMIT 1"):
        return
    survivors = _survivors(side, each.object)
    for batch in engine.stream(query, rows=LOT):
        wires = _encoded(rows.loading.target, each, batch, olds)
        yield [
            {**{k: v for k, v in row.items() if not k.startswith("o_")}, "_wires": wire,
             "_survivor": survivors.get(row["_new_id"])}
            for row, wire in zip(batch.to_pylist(), wires, strict=True)
        ]  # fmt: skip


def _encoded(
    target: Target, each: BackEntry, batch: pa.RecordBatch, olds: Sequence[str]
) -> list[dict[str, Any]]:
    """The old system's values as it was looked at last, in its own texts."""
    import pyarrow as pa

    if not olds:
        return [{} for _ in range(batch.num_rows)]
    arrays = [batch.column(f"o_{name}") for name in olds]
    found: list[dict[str, Any]] = list(
        target.encode(each.old, pa.RecordBatch.from_arrays(arrays, list(olds)))
    )
    return found


def _survivors(side: Side, object: str) -> dict[str, str]:
    """Who survived the merged records of an object in the new system, by id; empty where it doesn't tell."""
    with closing(side.forward.target()) as connector:
        if not isinstance(connector, Merges):
            return {}
        fields_known = side.target.objects[object].fields

        def extracted(fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
            names = tuple(name for name in fields if name in fields_known)
            for page in connector.read(Query(object, names), after=None):
                yield page.batch.select(["_id", *names])

        found: dict[str, str] = {}
        for batch in connector.merges(object, None, extracted):
            found |= dict(
                zip(batch.column("_id").to_pylist(), batch.column("survivor").to_pylist(), strict=True)
            )
        return found


def _to_delete(
    side: Side, loading: Loading, each: BackEntry, lot: Sequence[dict[str, Any]]
) -> tuple[list[tuple[dict[str, Any], Entry]], list[Told]]:
    """Which of these may be deleted in the old system, with what the journal must know; others are listed."""
    target, told, keep = loading.target, [], []
    plan = next(one for one in side.workspace.plan.model.objects if one.name == each.name)
    names = written_fields(plan)
    there = {r.asked: r for r in target.read_back(each.old, names, ids=[row["_old_id"] for row in lot])}
    rules = side.source.objects[each.old].fields
    open_rows = []
    for row in lot:
        record, why, fate = there.get(row["_old_id"]), "", BY_HAND
        if row["_survivor"]:
            fate, why = (
                MERGED,
                f"it was merged into {row['_survivor']} in the new system: merge it in the old one",
            )
        elif record is None or record.id != row["_old_id"]:
            continue  # gone there, too
        elif not side.source.objects[each.old].deletable:
            why = "it was deleted in the new system; the old one lets nobody delete it"
        elif not each.alone:
            why = "it was deleted in the new system; other records came from the same old one"
        elif not (record.stamp and record.stamp == row["_old_stamp"]):
            edited = [
                name for name in plain_names(each)
                if record.values.get(name) not in (row["_wires"].get(name),
                                                   held(rules[name].held, row["_wires"].get(name)))
            ]  # fmt: skip
            if edited and not _ours(side, row["_key"], record.values, edited):
                fate = CONFLICT
                why = (
                    f"it was deleted in the new system, but {', '.join(edited)} changed in the old one since"
                )
        if why:
            told.append(_told_record(each, row, fate, why))
        else:
            assert record is not None  # noqa: S101 - else it was left above
            open_rows.append((row, record))
    hanging = _hanging(target, each, [row["_old_id"] for row, _ in open_rows])
    for row, record in open_rows:
        if what := hanging.get(row["_old_id"]):
            told.append(_told_record(each, row, BY_HAND, f"it was deleted in the new system; {what}"))
            continue
        image = {name: record.values.get(name) for name in names}
        keep.append(
            (row, Entry(
                loading.attempt, "seed-gone", loading.system, each.old, "record", row["_key"], "adopt",
                "done", record.id, before=image, after=image, stamp=record.stamp,
                reason="known since it came over",
            ))
        )  # fmt: skip
        told.append(_told_record(each, row, DELETE, ""))
    return keep, told


def plain_names(each: BackEntry) -> list[str]:
    """Old fields of an entry that hold values of their own."""
    return [field.name for field in each.fields if not field.entries]


def _ours(side: Side, key: str, values: Any, edited: Sequence[str]) -> bool:
    """Whether the fields stand as the way back left them."""
    journal = f"(SELECT * FROM {side.workspace.journal.source()} WHERE key = {text(key)})"
    rows = side.workspace.engine.rows(f'SELECT "after" FROM ({CROSSWALK.format(journal=journal)})')
    after = dict(rows[0]["after"] or ()) if rows else {}
    return all(name in after and after[name] == values.get(name) for name in edited)


def _hanging(target: Target, each: BackEntry, ids: Sequence[str]) -> dict[str, str]:
    """By id, what would go with a record although it is alive in the new system."""
    found: dict[str, str] = {}
    if not ids:
        return found
    for other in target.linked_objects(each.old):
        links = [link for link in target.read_links(each.old, list(ids), other) if link.cascades]
        for link in links:
            found.setdefault(link.left, f"{other} {link.right} hangs under it and would go with it")
    return found


def _told_record(each: BackEntry, row: dict[str, Any], fate: str, why: str) -> Told:
    return Told(
        row["_key"], each.name, each.object, row["_new_id"], each.old, row["_old_id"], row["_owner"],
        row["_title"], "", None, None, fate, why,
    )  # fmt: skip


def _tombstones(schema: pa.Schema, rows: Sequence[dict[str, Any]], at: str) -> pa.Table:
    import pyarrow as pa

    count = len(rows)
    given: dict[str, Any] = {
        "_key": pa.array([row["_key"] for row in rows]),
        "_source_id": pa.array([row["_new_id"] for row in rows]),
        "_version": pa.array([at] * count, pa.string()).cast(pa.timestamp("us", tz="UTC")),
        "_deleted": pa.array([True] * count),
    }
    columns = [given[field.name] if field.name in given else pa.nulls(count, field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
