"""What is to be undone, in which order? A published work list, cut into lots that survive a crash.

A pass's list is one artifact, published whole before the pass's first write; what is done of it is known
by (part, rows) from the ledger, as in a load. Order: links between records that stay, then records,
children before parents (the reverse of the order in which they came), the newest first, then the links that
a later load had taken away, last the marks that a link of ours had taken from another one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeVar

from migrate.clock import stamp
from migrate.engine import text
from migrate.journal import UNDO
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.load import Loading
from migrate.stages.checkpoint import Checkpoint
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback.model import PHASE, Row, row_of

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
PART_ROWS = 20_000
READ_ROWS = 1_000
LAST = 1_000


@dataclass(frozen=True)
class Lot:
    """Rows of one object and one action that are looked at together. `doubt`: their batch was found open."""

    object: str
    action: str
    rows: tuple[Row, ...]
    folder: str
    part: str
    doubt: BatchRow | None = None


def schema() -> pa.Schema:
    """Columns of a work list."""
    import pyarrow as pa

    values = pa.map_(pa.string(), pa.string())
    return pa.schema(
        [
            ("step", pa.int32()), ("kind", pa.string()), ("object", pa.string()), ("key", pa.string()),
            ("id", pa.string()), ("action", pa.string()), ("left", pa.string()), ("right", pa.string()),
            ("label", pa.string()), ("before", values), ("after", values), ("sent", pa.list_(values)),
            ("stamp", pa.string()), ("note", pa.string()), ("forced", pa.bool_()), ("op", pa.string()),
            ("by_field", pa.bool_()), ("covered", pa.list_(pa.string())),
        ]
    )  # fmt: skip


def order(workspace: Workspace) -> list[str]:
    """Objects with something to undo, the one that came last first."""
    rows = workspace.engine.rows(
        """SELECT object, min(first_seq) AS seq FROM (
        SELECT object, first_seq FROM undo_records UNION ALL SELECT object, first_seq + 1000000000000
          FROM undo_sides
        UNION ALL SELECT object, 2000000000000 FROM undo_strays) GROUP BY object ORDER BY seq DESC"""
    )
    known = [row["object"] for row in rows if row["seq"] < 1_000_000_000_000]
    rest = [row["object"] for row in rows if row["seq"] >= 1_000_000_000_000]
    # What has no record of its own to undo in this pass keeps the plan's order, children first.
    planned = [each.target for each in reversed(workspace.plan.model.objects)]
    return known + sorted(rest, key=lambda name: planned.index(name) if name in planned else LAST)


def strays_table(workspace: Workspace, point: Checkpoint, found: Iterable[tuple[str, str, str]]) -> int:
    """`undo_strays`: records with our key that the crosswalk doesn't know; returns how many.

    Args:
        found: (object, key, id) from the sweep.
    """
    engine, journal = workspace.engine, workspace.journal.source()
    engine.run("CREATE OR REPLACE TABLE undo_found (object VARCHAR, key VARCHAR, id VARCHAR)")
    engine.put("undo_found", list(found))
    ids = []
    for object, folder in point.baseline.items():
        manifest = workspace.store.manifest(folder)
        if manifest and manifest.parts:
            files = workspace.store.files(manifest)
            ids.append(
                f"SELECT {text(object)} AS object, _id AS id, _key AS held FROM read_parquet({files!r})"
            )
    nothing = "SELECT ''::VARCHAR AS object, ''::VARCHAR AS id, ''::VARCHAR AS held WHERE false"
    there = " UNION ALL ".join(ids) or nothing
    engine.run(
        f"""CREATE OR REPLACE TABLE undo_strays AS
        WITH there AS ({there}), intents AS (
          SELECT target_id AS id, arg_min("before", (-attempt, seq)) AS before,
            list("after" ORDER BY seq) AS sent FROM {journal}
          WHERE kind = 'record' AND outcome = 'intent' AND op IN ('adopt', 'update') AND target_id IS NOT NULL
          AND NOT starts_with(batch, '{UNDO}') GROUP BY target_id)
        SELECT f.object, f.key, f.id, CASE WHEN t.id IS NULL THEN 'delete' ELSE 'restore' END AS action,
          i.before, i.sent,
          CASE WHEN d.id IS NOT NULL THEN 'restored' WHEN t.id IS NOT NULL AND i.id IS NULL THEN 'unknown'
            ELSE '' END AS note
        FROM undo_found AS f LEFT JOIN there AS t USING (object, id) LEFT JOIN intents AS i ON i.id = f.id
        LEFT JOIN (SELECT DISTINCT id FROM undo_deleted) AS d ON d.id = f.id
        WHERE t.held IS DISTINCT FROM f.key AND undo_inside(f.object, f.key)"""
    )
    engine.run("INSERT INTO undo_ends SELECT object, id, 'stray' FROM undo_strays WHERE action = 'delete'")
    return int(engine.rows("SELECT count(*) AS n FROM undo_strays")[0]["n"])


def build(
    workspace: Workspace, point: Checkpoint, folder: str, decided: Sequence[int] | None = None
) -> Manifest | None:
    """Publish what is still to be undone; None where that is nothing.

    Needs the tables of `deeds` and `undo_strays`, and with `decided` those of `decisions`.

    Args:
        decided: events of decisions about held records; then only what stands in `undo_deciding` is listed.
    """
    store = workspace.store
    steps = {object: number for number, object in enumerate(order(workspace), 1)}
    step = "CASE object " + " ".join(f"WHEN {text(o)} THEN {n}" for o, n in steps.items()) + " ELSE 999 END"
    step = step if steps else "999"
    # Whether a held record is to go whatever stands there, or by field.
    go, by_field = "false", "false"
    held = "NOT EXISTS (SELECT 1 FROM undo_held AS h WHERE h.id = x.id AND h.object = x.object)"
    if decided is not None:
        held = "(x.object, x.id) IN (SELECT (object, id) FROM undo_deciding)"
        go = "(x.object, x.id) IN (SELECT (object, id) FROM undo_deciding WHERE what = 'force')"
        by_field = f"NOT {go}"
    nothing = "MAP {}::MAP(VARCHAR, VARCHAR)"
    no_sent = "[]::MAP(VARCHAR, VARCHAR)[]"
    none = "[]::VARCHAR[]"
    before, covered = "before", none
    if decided is not None:
        # By field, what our load had covered of theirs goes back, and not what stood there before both.
        theirs = "(SELECT c.before FROM undo_covered AS c WHERE c.key = x.key)"
        before = (
            f"CASE WHEN {by_field} THEN map_concat(before, coalesce({theirs}, {nothing})) ELSE before END"
        )
        covered = f"CASE WHEN {by_field} THEN coalesce(map_keys({theirs}), {none}) ELSE {none} END"
    selects = [
        f"""SELECT {step} AS step, 'record' AS kind, object, key, id, action, '' AS "left", '' AS "right",
          '' AS label, {before} AS before, after, sent, stamp, note, {go} AS forced, op,
          {by_field} AS by_field, {covered} AS covered, first_seq AS seq
            FROM undo_records AS x WHERE {held}""",
        f"""SELECT {step}, 'side', object, '', id, 'delete', '', '', '', {nothing}, {nothing}, {no_sent},
          '', '',
          {go}, 'delete', false, {none}, first_seq FROM undo_sides AS x WHERE {held}""",
        f"""SELECT {step}, 'stray', object, key, id, action, '', '', '', coalesce(before, {nothing}),
          {nothing},
          coalesce(sent, {no_sent}), '', note, {go}, action, false, {none}, 0
            FROM undo_strays AS x WHERE {held}""",
    ]
    if decided is None:
        selects += [
            f"""SELECT 0, 'link', object, key, '', 'unlink', "left", "right", label, {nothing}, {nothing},
              {no_sent},
            '', '', false, 'unlink', false, {none}, seq FROM undo_made""",
            f"""SELECT {LAST - 1}, 'rejoin', object, key, '', 'relink', "left", "right", label, {nothing},
              {nothing}, {no_sent}, '', '', false, 'link', false, {none}, seq FROM undo_cut""",
            *_relinks(workspace, point, nothing, no_sent),
        ]
    with store.writer(folder, schema(), part_rows=PART_ROWS) as writer:
        for batch in _in_order(workspace, " UNION ALL ".join(selects)):
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    if not rows:
        return None
    facts = {"checkpoint": point.name, "decided": list(decided or ())}
    return store.publish(
        Manifest(folder, "rollback", str(point.attempt), 0, rows, tuple(writer.parts), facts=facts)
    )


def _in_order(workspace: Workspace, listed: str) -> Iterator[pa.RecordBatch]:
    """A list's rows in the order in which they are undone, sorted some at a time: rows hold whole images."""
    engine = workspace.engine
    runs = engine.rows(
        f"""SELECT step, object, action, kind, count(*) AS n, min(seq) AS first, max(seq) AS last
        FROM ({listed}) GROUP BY ALL ORDER BY step, object, action, kind"""
    )
    for run in runs:
        same = " AND ".join(f"{name} = {text(run[name])}" for name in ("object", "action", "kind"))
        width = (run["last"] - run["first"]) // (run["n"] // PART_ROWS + 1) + 1
        for last in range(run["last"], run["first"] - 1, -width):
            yield from engine.stream(
                f"""SELECT * EXCLUDE (seq) FROM ({listed}) WHERE step = {run["step"]} AND {same}
                AND seq > {last - width} AND seq <= {last} ORDER BY seq DESC, key, id""",
                rows=READ_ROWS,
            )


def _relinks(workspace: Workspace, point: Checkpoint, nothing: str, no_sent: str) -> Iterator[str]:
    """Links of the baseline whose label we gave to another link of the same record: perhaps taken from it."""
    for object in point.baseline:
        manifest = workspace.store.manifest(point.links(object))
        if manifest is None or not manifest.parts:
            continue
        yield f"""SELECT DISTINCT {LAST}, 'relink', b.left_object || '>' || b.right_object, '', '',
          'relink', b."left",
          b."right", b.label, {nothing}, {nothing}, {no_sent}, '', '', false, 'link', false, []::VARCHAR[], 0
          FROM read_parquet({workspace.store.files(manifest)!r}) AS b
          JOIN undo_changed AS c ON c.object = b.left_object AND c.id = b."left"
          JOIN undo_due AS l ON l.lo = b.left_object AND l."left" = b."left" AND l.ro = b.right_object
            AND l.label = b.label AND l."right" <> b."right" AND l.kind = 'link'
          WHERE NOT EXISTS (SELECT 1 FROM undo_relinked AS r
            WHERE r.object = b.left_object || '>' || b.right_object
            AND r."left" = b."left" AND r."right" = b."right" AND r.label = b.label)"""


def in_doubt(loading: Loading, manifest: Manifest) -> list[Lot]:
    """Batches of this list that a former process left open."""
    lots = []
    for batch in book.in_doubt(loading.ledger, loading.attempt, (PHASE,)):
        if batch.stage != manifest.folder:
            continue
        wanted = set(batch.rows)
        rows = _part_rows(loading.workspace, manifest, batch.part)
        found = {row.number: row for row in rows if row.number in wanted}
        chosen = tuple(found[number] for number in batch.rows)
        lots.append(Lot(chosen[0].object, chosen[0].action, chosen, manifest.folder, batch.part, batch))
    return lots


def steps(loading: Loading, manifest: Manifest) -> Iterator[Iterator[Lot]]:
    """Lots that may run side by side, one stream a step; use each up before you ask for the next.

    Rows are read as they are needed, so that a long step (a hundred thousand records of one object) neither
    lies in memory nor pauses between parts.
    """
    for _, rows in groupby(_undone(loading, manifest), key=lambda each: each[1].step):
        yield _lots(rows, manifest.folder, loading.target.limits.link_reads)


def _undone(loading: Loading, manifest: Manifest) -> Iterator[tuple[str, Row]]:
    """Rows that no batch has settled, each with the name of its part."""
    for part in manifest.parts:
        done = book.rows_done(loading.ledger, loading.attempt, manifest.folder, part.name)
        if len(done) < part.rows:
            for row in _part_rows(loading.workspace, manifest, part.name):
                if row.number not in done:
                    yield part.name, row


def _lots(rows: Iterable[tuple[str, Row]], folder: str, size: int) -> Iterator[Lot]:
    same = groupby(rows, key=lambda each: (each[0], each[1].object, each[1].action))
    for (part, object, action), together in same:
        while lot := tuple(row for _, row in islice(together, size)):
            yield Lot(object, action, lot, folder, part)


def left(loading: Loading, manifest: Manifest) -> int:
    """Rows of a list that have no batch yet, or one in doubt."""
    open_rows = sum(
        len(batch.rows)
        for batch in book.in_doubt(loading.ledger, loading.attempt, (PHASE,))
        if batch.stage == manifest.folder
    )
    done = sum(
        len(book.rows_done(loading.ledger, loading.attempt, manifest.folder, part.name))
        for part in manifest.parts
    )
    return manifest.rows - done + open_rows


def read(workspace: Workspace, manifest: Manifest) -> Iterator[list[Row]]:
    """A list's rows, part by part."""
    for part in manifest.parts:
        yield list(_part_rows(workspace, manifest, part.name))


def count(workspace: Workspace, manifest: Manifest) -> Counter[str]:
    """How many rows of a list each object has."""
    import pyarrow.parquet as pq

    found: Counter[str] = Counter()
    for part in manifest.parts:
        with pq.ParquetFile(workspace.store.path(manifest, part.name)) as file:
            for batch in file.iter_batches(columns=["object"]):
                found.update(batch.column(0).to_pylist())
    return found


def _part_rows(workspace: Workspace, manifest: Manifest, part: str) -> Iterator[Row]:
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(workspace.store.path(manifest, part)) as file:
        for batch in file.iter_batches(batch_size=READ_ROWS):
            for cells in batch.to_pylist():
                yield row_of(number, cells)
                number += 1


def batch_for(loading: Loading, lot: Lot, rows: Sequence[Row]) -> BatchRow:
    """The batch of some rows of a lot; the same rows have the same name in every run."""
    if lot.doubt is not None:
        return lot.doubt
    numbers = tuple(row.number for row in rows)
    text_ = json.dumps([loading.attempt, lot.folder, lot.part, book.rows_to_text(numbers), lot.action])
    payload = json.dumps([[row.id, row.left, row.right, row.label, dict(row.before)] for row in rows])
    return BatchRow(
        UNDO + hashlib.sha256(text_.encode()).hexdigest()[:20], loading.attempt, loading.system, PHASE,
        lot.folder, lot.part, numbers, lot.object, lot.action, hashlib.sha256(payload.encode()).hexdigest(),
        stamp(loading.clock.now()),
    )  # fmt: skip


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Items in lots of at most `size`."""
    for first in range(0, len(items), size):
        yield items[first : first + size]
