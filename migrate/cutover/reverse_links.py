"""Which links of the new system came or went since, as links of the old one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.cutover.reverse_artifacts import PLANNED_LINKS, Findings, append, publish
from migrate.cutover.reverse_changes import Changes, rkey
from migrate.cutover.reverse_plan import BackEntry
from migrate.cutover.reverse_side import LINKS, NEW, Side
from migrate.cutover.reverse_told import Told
from migrate.engine import identifier, text
from migrate.journal import Entry
from migrate.load import Loading
from migrate.load.link_work import link_key
from migrate.stages.transform.links import LINK
from migrate.stages.transform.publish import PART_ROWS, arrow_schema
from migrate.store import generation_folder

if TYPE_CHECKING:
    import pyarrow as pa


def plan_links(
    changes: Changes, each: BackEntry, index: int, *, counts: bool, told: Findings, loading: Loading
) -> None:
    """Links of the new system that came or went since, as links of the old one."""
    side, link, name = changes.side, each.links[index], f"{each.name}.{index}"
    folder = generation_folder(PLANNED_LINKS, name, changes.number)
    side.store.discard(folder)
    schema = arrow_schema(LINK)
    with side.store.writer(folder, schema, part_rows=PART_ROWS) as writer:
        if counts:
            for batch in side.workspace.engine.stream(_link_query(changes, each, index)):
                table = _as_table(batch, schema)
                writer.write(table)
                append(loading, list(_known_links(side, loading, table, changes.number)))
                told.write(_told_links(each, link.to, table))
    publish(side, PLANNED_LINKS, name, changes.number, writer.parts, schema)


def _as_table(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch]).select(schema.names).cast(schema)


def _link_query(changes: Changes, each: BackEntry, index: int) -> str:
    side, link = changes.side, each.links[index]
    where = f"right_object = {text(link.far)}"
    if link.labels:
        known = ", ".join(map(text, link.labels))
        where += f" AND label IN ({known})"
        cases = " ".join(f"WHEN {text(new)} THEN {text(old)}" for new, old in link.labels.items())
        label = f"CASE d.label {cases} END"
    else:
        where += f" AND label = {text(link.label or 'default')}"
        label = text(link.label or "default")
    columns = '"left", "right", label'
    now = f"SELECT {columns} FROM {side.look(NEW, f'{each.object}-links')} WHERE {where}"
    before = f"SELECT {columns} FROM {side.base(each.object, changes.number - 1, LINKS)} WHERE {where}"
    far = next((one for one in side.entries if one.object == link.far and one.first), None)
    if far is None:
        return f"SELECT {', '.join(f'NULL::VARCHAR AS {identifier(n)}' for n in LINK)} WHERE false"
    left, right = rkey(side, each, 'd."left"'), rkey(side, far, 'd."right"')
    settled = changes.considered(each.object)
    there, far_there = side.look(NEW, each.object), side.look(NEW, far.object)
    return f"""SELECT
          coalesce((SELECT min(rkey) FROM ids WHERE object = {text(each.object)} AND id = d."left"
            AND entry = {text(each.name)}), {left}) AS "left",
          coalesce((SELECT min(rkey) FROM ids WHERE object = {text(link.far)} AND id = d."right"), {right})
            AS "right",
          {text(each.old)} AS left_object, {text(far.old)} AS right_object, {label} AS label,
          'link' AS missing,
          d."left" || '>' || d."right" AS source_id, d.gone AS _deleted
        FROM (SELECT *, false AS gone FROM ({now} EXCEPT {before})
          UNION ALL SELECT *, true AS gone FROM ({before} EXCEPT {now})) AS d
        WHERE d."left" IN ({settled}) AND NOT (d.gone AND (d."left" NOT IN (SELECT _id FROM {there})
          OR d."right" NOT IN (SELECT _id FROM {far_there})))
          AND (d."left" IN (SELECT id FROM ids WHERE entry = {text(each.name)})
            OR {"true" if each.first else "false"})
        ORDER BY ALL"""


def _known_links(side: Side, loading: Loading, table: pa.Table, number: int) -> Iterator[Entry]:
    """Links of the old system that are to go: they came from there, so they are ours to take away."""
    gone = [row for row in table.to_pylist() if row["_deleted"]]
    if not gone:
        return
    keys = ", ".join(text(key) for row in gone for key in (row["left"], row["right"]))
    found = side.workspace.engine.rows(f"SELECT rkey, old_id FROM ids WHERE rkey IN ({keys})")
    ids = {row["rkey"]: row["old_id"] for row in found}
    for row in gone:
        left, right = ids.get(row["left"]), ids.get(row["right"])
        if left and right:
            yield Entry(
                loading.attempt, f"seed-{number}", loading.system,
                f"{row['left_object']}>{row['right_object']}", "link",
                link_key(row["left"], row["right"], row["label"]), "link", "done", left=left, right=right,
                label=row["label"], was_there=False, reason="known since it came over",
            )  # fmt: skip


def _told_links(each: BackEntry, old: str, table: pa.Table) -> Iterator[Told]:
    for row in table.to_pylist():
        new_id = row["source_id"].partition(">")[0]
        words = f"{row['label']}: {row['right']}"
        yield Told(
            row["left"], each.name, each.object, new_id, each.old, None, None, None, f"link to {old}",
            words if row["_deleted"] else None, None if row["_deleted"] else words, "link",
            link_key(row["left"], row["right"], row["label"]),
        )  # fmt: skip
