"""Which rows is a repair about, and what became of them? Its work list, its settled rows, its figures.

The list (`repair/<number>/<entry>`) is published whole before the event that begins the repair. Afterwards
rows of the ready generation that it has dealt with are settled in the ledger: no load reads them again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from migrate.clock import stamp
from migrate.engine import identifier, parquet, text
from migrate.errors import Defect, Position, UsageError
from migrate.journal import REFUSED
from migrate.ledger import BatchRow
from migrate.ledger import batches as book
from migrate.ledger.tables import batches
from migrate.load import Loading
from migrate.load.mending import BLOCKED, CONSENT, EDITED, PHASE
from migrate.load.staged import FIELDS
from migrate.plan import parse_expression
from migrate.plan.models import ObjectPlan
from migrate.plan.needs import expected
from migrate.stages import checkpoint
from migrate.stages.crosswalk import latest_ready
from migrate.stages.plan_diff import PlanDiff, changed_keys
from migrate.stages.repairs import Begun
from migrate.stages.transform.work import attempt as attempted
from migrate.store import Manifest, Store
from migrate.workspace import Workspace

OWN_HOLDS = (EDITED, CONSENT, BLOCKED)  # a later repair may try such records again
LETTER = "_letter"  # column of a listing
_ROW = {"_key": "VARCHAR", "_source_id": "VARCHAR", "_version": "TIMESTAMPTZ", "_target_id": "VARCHAR",
        "_deleted": "BOOLEAN", "_hash": "VARCHAR"}  # fmt: skip


def mark(loading: Loading, number: int, objects: Sequence[str]) -> tuple[str, int]:
    """Take the checkpoint `before-repair-<number>`; its name and place. It shares the attempt's baseline;
    where the attempt has none yet (an earlier rollback left some records there), it is the attempt's first
    one, and these objects are read for it."""
    workspace, name = loading.workspace, f"before-repair-{number}"
    if base := checkpoint.of_attempt(loading.ledger, loading.attempt):
        point = checkpoint.write_down(loading, name, "wave", base=base, window_end=base.window_end)
        return name, point.segment
    keys = {object: key for object, key in checkpoint.key_fields(workspace).items() if object in objects}
    folder = f"baseline/{name}"
    baseline = checkpoint.take_baseline(loading.target, loading.catalog, workspace, folder, keys, loading)
    plan = workspace.plan.model
    end = checkpoint.window_end(plan.cutover.window, loading.clock.now(), plan.calendar.zone)
    point = checkpoint.write_down(loading, name, "load", baseline=baseline, window_end=stamp(end))
    return name, point.segment


# -- the list ----------------------------------------------------------------------------------


def folder(number: int, entry: str) -> str:
    """Where a repair's list of an entry lies."""
    return f"repair/{number:04d}/{entry}"


def dead_letters(workspace: Workspace) -> str:
    """A query of keys that have a dead letter of another command: what a repair did of them would hide it."""
    refused = REFUSED.format(journal=workspace.journal.source())
    own = " OR ".join(f"starts_with(reason, '{word}:')" for word in OWN_HOLDS)
    return f"""(SELECT key FROM ({refused}) WHERE kind = 'record' AND attempt = {workspace.ledger.attempt()}
        AND NOT (outcome = 'held' AND ({own})))"""


def listed(
    workspace: Workspace, store: Store, found: PlanDiff, plan: ObjectPlan, fields: Sequence[str], where: str
) -> str:
    """A query of the rows of an entry's repair: identity, `_fields`, and the fields' new values; and
    `_letter`: the record has a dead letter of its own, and isn't repaired.

    Needs the table `crosswalk`.

    Args:
        store: with rows that the new plan made.

    Raises:
        PlanError: `where` is no expression over the target's fields.
        UsageError: `where` raises for some records.
    """
    schema = _schema(store, plan, fields)
    inputs: list[str] = []
    condition = "true"
    if where:
        known = expected(workspace.plan, workspace.catalog("target")).objects[plan.target].fields
        parsed = parse_expression(where, known, Position("--where"), owner=plan.target)
        inputs = [name for name in parsed.inputs if name not in fields]
        condition = parsed.sql
    types = _types(workspace, store, plan, [*fields, *inputs])
    rows = latest_ready(
        store, plan.name, {name: kind for name, kind in _ROW.items() if name != "_deleted"} | types
    )
    chosen = f"""SELECT r.*, d.fields AS {FIELDS} FROM {rows} AS r
        JOIN {changed_keys(workspace, found, plan.name, fields)} AS d ON d.key = r._key
        JOIN crosswalk AS c ON c.key = r._key"""
    if where:
        tried = attempted(f"CAST(({condition}) AS BOOLEAN)")
        bad = f"SELECT count(*) AS n FROM ({chosen}) WHERE {tried} IS NULL"
        raising = workspace.engine.rows(bad)[0]["n"]
        if raising:
            raise UsageError(
                f"`--where {where}` raises for {raising:,} `{plan.name}`.",
                "Use `try_cast`, or narrow it down.",
            )
        condition = f"coalesce(({condition}), false)"
    items = ", ".join("false AS _deleted" if n == "_deleted" else identifier(n) for n in schema.names)
    return f"""SELECT {items}, _key IN (SELECT key FROM {dead_letters(workspace)}) AS {LETTER}
        FROM ({chosen}) WHERE {condition}"""


def sizes(workspace: Workspace, query: str) -> tuple[int, int]:
    """Of what `listed` lists: how many records are repaired, and how many have a dead letter of their own."""
    found = workspace.engine.rows(
        f"SELECT count(*) FILTER (NOT {LETTER}) AS n, count(*) FILTER ({LETTER}) AS letters FROM ({query})"
    )[0]
    return int(found["n"]), int(found["letters"])


def left_out(workspace: Workspace, begun: Begun) -> int:
    """Records that the lists of a repair don't have, since they have a dead letter of their own."""
    manifests = [workspace.store.manifest(folder(begun.number, name)) for name in begun.asked.fields]
    return sum(int(each.facts.get("left_out", 0)) for each in manifests if each)


def publish(
    workspace: Workspace, number: int, plan: ObjectPlan, query: str, fields: Sequence[str]
) -> Manifest:
    """Publish an entry's list, whole."""
    store, place = workspace.store, folder(number, plan.name)
    store.discard(place)
    wanted = f"SELECT * FROM ({query}) WHERE NOT {LETTER} ORDER BY _key"
    with store.writer(place, _schema(store, plan, fields), part_rows=5_000) as writer:
        for batch in workspace.engine.stream(wanted, rows=500):
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    schema, facts = dict.fromkeys(fields, ""), {"left_out": sizes(workspace, query)[1]}
    parts = tuple(writer.parts)
    return store.publish(Manifest(place, PHASE, plan.name, 0, rows, parts, schema=schema, facts=facts))


def _newest(store: Store, plan: ObjectPlan) -> list[str]:
    """Files of the newest ready generation that has rows."""
    for manifest in reversed(store.manifests("ready", plan.name)):
        if files := store.files(manifest):
            return files
    raise UsageError(f"`{plan.name}` has no ready rows.", "Run `migrate transform` first.")


def _schema(store: Store, plan: ObjectPlan, fields: Sequence[str]) -> pa.Schema:
    """The list's columns: those of the ready rows, less all fields that aren't asked for."""
    ready = pq.read_schema(_newest(store, plan)[0])
    return pa.schema(
        [*(ready.field(name) for name in _ROW), (FIELDS, pa.list_(pa.string())),
         *(ready.field(name) for name in fields)]
    )  # fmt: skip


def _types(workspace: Workspace, store: Store, plan: ObjectPlan, names: Sequence[str]) -> dict[str, str]:
    """DuckDB types of staged fields.

    Raises:
        UsageError: the plan doesn't fill one of them.
    """
    told = workspace.engine.rows(f"DESCRIBE SELECT * FROM {parquet(_newest(store, plan))}")
    types = {row["column_name"]: row["column_type"] for row in told}
    if unknown := [name for name in names if name not in types]:
        raise UsageError(
            f"The plan doesn't fill `{unknown[0]}` of `{plan.name}`.",
            f"It fills {', '.join(f'`{name}`' for name in types if not name.startswith('_'))}.",
        )
    return {name: types[name] for name in names}


# -- the rows that a load needn't send any more --------------------------------------------------


def settle_ready(loading: Loading, begun: Begun, plans: Sequence[ObjectPlan]) -> int:
    """Settle the rows of the newest ready generation that differ from what was staged before in repaired
    fields only: a load that came to them would find nothing to do, or what is held. Returns how many."""
    loading.workspace.engine.run(
        f"""CREATE OR REPLACE TABLE repair_ends AS SELECT key, arg_max(outcome, seq) AS outcome
        FROM {loading.journal.source()} WHERE seq > {begun.segment} AND kind = 'record'
        AND outcome IN ('done', 'held', 'kept') GROUP BY key"""
    )
    total = 0
    for plan in plans:
        for manifest, part, rows, held in _settled(loading.workspace, begun, plan):
            name = json.dumps([PHASE, begun.number, manifest.folder, part, book.rows_to_text(rows)])
            row = BatchRow(
                hashlib.sha256(name.encode()).hexdigest()[:20], loading.attempt, loading.system, PHASE,
                manifest.folder, part, tuple(rows), plan.target, "update", f"repair-{begun.number}",
                stamp(loading.clock.now()),
            )  # fmt: skip
            with loading.ledger.write(loading.lease) as tx:
                book.intend(tx, row, loading.lease.epoch)
                book.settle(tx, row.id, done=len(rows) - held, refused=0, held=held)
            total += len(rows)
    return total


def _settled(
    workspace: Workspace, begun: Begun, plan: ObjectPlan
) -> Iterator[tuple[Manifest, str, list[int], int]]:
    """(manifest, part, rows, how many of them are held) of the newest generation. Needs `repair_ends`."""
    store = workspace.store
    *earlier, newest = store.manifests("ready", plan.name)
    work = store.manifest(folder(begun.number, plan.name))
    if work is None:
        raise Defect(f"the work list of repair {begun.number} isn't there any more")
    before = [each for each in earlier if each.parts]
    if not before or not newest.parts or not work.parts:
        return
    asked = {*_ROW, *begun.asked.fields[plan.name]}
    there, held = (
        {name for each in manifests for name in pq.read_schema(store.files(each)[0]).names} - asked
        for manifests in ([newest], before)
    )

    def others(letter: str, names: set[str]) -> str:
        values = [f"{letter}.{identifier(n)}" if n in names else "NULL" for n in sorted(there | held)]
        return f"row({', '.join([f'{letter}._version', *values])})"

    former = " UNION ALL BY NAME ".join(
        f"SELECT *, {each.generation} AS _gen FROM {parquet(store.files(each))}" for each in before
    )
    parts = {str(store.path(newest, part)): part.name for part in newest.parts}
    query = f"""WITH fresh AS (
          SELECT * FROM read_parquet([{", ".join(map(text, parts))}], file_row_number=true, filename=true)
          WHERE NOT _deleted AND _key IN (SELECT _key FROM {parquet(store.files(work))})
        ), prior AS (
          SELECT * FROM ({former}) WHERE _key IN (SELECT _key FROM fresh)
          QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _gen DESC) = 1
        )
        SELECT n.filename AS part, n.file_row_number AS number, e.outcome = 'held' AS held FROM fresh AS n
        JOIN prior AS p ON p._key = n._key JOIN repair_ends AS e ON e.key = n._key
        WHERE NOT p._deleted AND {others("n", there)} IS NOT DISTINCT FROM {others("p", held)}
        ORDER BY part, number"""
    found = (row for batch in workspace.engine.stream(query, rows=5_000) for row in batch.to_pylist())
    for path, rows in groupby(found, key=itemgetter("part")):
        done = book.rows_done(workspace.ledger, begun.attempt, newest.folder, parts[path])
        if fresh := [row for row in rows if row["number"] not in done]:
            yield newest, parts[path], [row["number"] for row in fresh], sum(row["held"] for row in fresh)


# -- what came of it -----------------------------------------------------------------------------


def _entries(workspace: Workspace, begun: Begun) -> str:
    """The journal's entries of a repair's records. The lists' folders name its batches in the ledger."""
    found = workspace.ledger.read(
        sa.select(batches.c.id).where(
            batches.c.attempt == begun.attempt,
            batches.c.phase == PHASE,
            batches.c.stage.like(f"repair/{begun.number:04d}/%"),
        )
    )
    workspace.engine.run("CREATE OR REPLACE TABLE repair_batches (id VARCHAR)")
    workspace.engine.put("repair_batches", [(str(row.id),) for row in found])
    return f"""(SELECT * FROM {workspace.journal.source()} WHERE seq > {begun.segment} AND kind = 'record'
        AND batch IN (SELECT id FROM repair_batches))"""


def counted(workspace: Workspace, begun: Begun) -> Counter[str]:
    """Records of a repair by what became of them: done, kept, held, refused, conflict, lost_edit."""
    rows = workspace.engine.rows(
        f"""SELECT outcome, count(DISTINCT key) AS n FROM {_entries(workspace, begun)}
        WHERE outcome <> 'intent' GROUP BY outcome"""
    )
    return Counter({row["outcome"]: int(row["n"]) for row in rows})


def held(workspace: Workspace, begun: Begun, keys: int) -> list[dict[str, Any]]:
    """What a repair left as it is, in groups: object, code, reason, n, keys (the first of them)."""
    return workspace.engine.rows(
        f"""SELECT object, code, any_value(reason) AS reason, count(*) AS n, min(key, {int(keys)}) AS keys
        FROM (SELECT object, key, arg_max(outcome, seq) AS outcome, arg_max(reason, seq) AS reason,
            CASE WHEN arg_max(outcome, seq) = 'refused' THEN 'refused'
              ELSE split_part(arg_max(reason, seq), ':', 1) END AS code
          FROM {_entries(workspace, begun)}
          WHERE outcome IN ('done', 'kept', 'held', 'refused', 'conflict')
          GROUP BY object, key)
        WHERE outcome IN ('held', 'refused', 'conflict') GROUP BY object, code
        ORDER BY n DESC, object, code"""
    )
