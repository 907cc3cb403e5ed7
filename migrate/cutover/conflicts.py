"""Which changes were made on the wrong side, what stands on either, and what became of each?

Three sources, one list: what a load met or held (the journal), what looks found in the target (`looking`),
and edits that slipped in under a write of ours. Nothing here decides: a person enters the value on the
record's home side, or lets it stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.cutover.looking import BY_AUTOMATION, STAGE, looked
from migrate.engine import identifier, parquet, text
from migrate.journal import REFUSED
from migrate.load.homes import away

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.stages.handing_out import Format
    from migrate.workspace import Workspace

# How the reasons of such entries begin; others of the journal are refusals, holds of a repair or a rollback.
REASONS = ("changed", "home", "lost_edit", "gone", "merged", "adopted")
COLUMNS = (
    "object", "key", "target_id", "field", "home", "there", "here", "was", "who", "at", "decided", "open",
    "found",
)  # fmt: skip
HELD = "held: nothing was written"


@dataclass(frozen=True)
class Conflict:
    """One field of one record; `field` "": the record as a whole (deleted, merged), or a link.

    `there`: what stands in the target; `here`: what the source has; `was`: what we had left, where a look
    found it. `who`, `at`: who changed it in the target and when, as far as the vendor tells. `decided`: what
    became of it. `open`: nothing later has settled it.
    """

    object: str
    key: str
    target_id: str | None
    field: str
    home: str
    there: str | None
    here: str | None
    was: str | None
    who: str
    at: str
    decided: str
    open: bool
    found: str


@dataclass(frozen=True)
class Conflicts:
    """How many there are, and the first of them, open ones first, then the newest first."""

    total: int
    open: int
    rows: tuple[Conflict, ...]


def conflicts(workspace: Workspace, *, limit: int = 100, only_open: bool = False) -> Conflicts:
    """Count and list them."""
    _table(workspace)
    engine = workspace.engine
    counted = engine.rows("SELECT count(*) AS n, count(*) FILTER (open) AS open FROM conflicts")[0]
    where, columns = "WHERE open" if only_open else "", ", ".join(map(identifier, COLUMNS))
    rows = engine.rows(
        f"SELECT {columns} FROM conflicts {where} ORDER BY open DESC, found DESC, key, field LIMIT {limit}"
    )
    return Conflicts(int(counted["n"]), int(counted["open"]), tuple(Conflict(**row) for row in rows))


def export(workspace: Workspace, path: Path, form: Format) -> int:
    """Write all of them into a file that isn't there yet; returns how many."""
    import pyarrow as pa

    from migrate.stages.handing_out import writer

    _table(workspace)
    count, schema = 0, pa.schema([(name, pa.string()) for name in COLUMNS])
    with writer(path, form, schema, "conflicts", ("key",)) as out:
        for batch in _streamed(workspace):
            out.write(batch)
            count += batch.num_rows
    return count


def _streamed(workspace: Workspace) -> Iterator[pa.RecordBatch]:
    named = map(identifier, COLUMNS)
    columns = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in named)
    yield from workspace.engine.stream(
        f"SELECT {columns} FROM conflicts ORDER BY conflicts.open DESC, conflicts.found DESC, "
        "conflicts.key, conflicts.field"
    )


def _table(workspace: Workspace) -> None:
    """Make the engine's table `conflicts`."""
    home = away(workspace)
    side = f"CASE WHEN {home.condition('key')} THEN 'target' ELSE 'source' END" if home else "'source'"
    workspace.engine.run(
        f"""CREATE OR REPLACE TABLE conflicts AS
        SELECT object, key, target_id, field, {side} AS home, there, here, was, who, "at", decided, open,
          found
        FROM ({_met(workspace)} UNION ALL {_seen(workspace)})"""
    )


def _met(workspace: Workspace) -> str:
    """A query of what loads met, from the journal."""
    journal = workspace.journal.source()
    ours = " OR ".join(f"starts_with(reason, {text(each + ':')})" for each in REASONS)
    refused = REFUSED.format(journal=journal)
    return f"""SELECT j.object, j.key, j.target_id, field, j."before"[field] AS there,
          j."after"[field] AS here, NULL::VARCHAR AS was, coalesce(j.label, '') AS who, j.stamp AS "at",
          CASE j.outcome WHEN 'held' THEN {text(HELD)}
            WHEN 'lost_edit' THEN 'written over: it came under our write'
            WHEN 'decided' THEN split_part(j.reason, '; ', 2) ELSE j.reason END AS decided,
          coalesce(r.seq = j.seq, false) AS open, j."at" AS found
        FROM (SELECT *, unnest(CASE WHEN len(names) = 0 THEN [''] ELSE names END) AS field FROM (
          SELECT seq, object, key, target_id, "before", "after", label, stamp, outcome, reason, "at",
            list_distinct(list_concat(coalesce(map_keys("before"), []), coalesce(map_keys("after"), [])))
              AS names
          FROM {journal} WHERE kind = 'record' AND outcome IN ('held', 'decided', 'lost_edit', 'conflict')
          AND ({ours}) AND NOT starts_with(batch, 'undo-'))) AS j
        LEFT JOIN (SELECT key, seq FROM ({refused}) WHERE kind = 'record') AS r ON r.key = j.key
        UNION ALL
        SELECT object, key, NULL, '', NULL, op, NULL, '', '', {text(HELD)}, true, "at" FROM ({refused})
        WHERE kind = 'link' AND starts_with(reason, 'home:')"""


def _seen(workspace: Workspace) -> str:
    """A query of what looks found in the target and no load met; open until our own write comes after it."""
    files = [
        path
        for name in dict.fromkeys(each.target for each in workspace.plan.model.objects)
        for manifest in looked(workspace, name)
        for path in workspace.store.files(manifest)
    ]
    if not files:
        names = ("object", "key", "target_id", "field", "there", "here", "was", "who", "at", "decided")
        empty = ", ".join(f"'' AS {identifier(name)}" for name in names)
        return f"SELECT {empty}, false AS open, '' AS found WHERE false"
    journal = workspace.journal.source()
    automation = f"ends_with(s.who, {text(BY_AUTOMATION)})"
    return f"""SELECT s.object, s.key, s.target_id, s.field, s.there, s.was AS here, s.was, s.who, s."at",
          CASE WHEN {automation} THEN 'an automation of the target wrote it: nothing to decide'
            ELSE 'the source has not changed it: nothing was written' END AS decided,
          NOT {automation} AND coalesce(w."at" < s.found, true) AS open, s.found
        FROM {parquet(files)} AS s LEFT JOIN (
          SELECT key, max("at") AS "at" FROM {journal}
          WHERE kind = 'record' AND outcome IN ('done', 'held', 'decided') GROUP BY key
        ) AS w ON w.key = s.key
        ANTI JOIN ({_met(workspace)}) AS m
          ON m.key = s.key AND m.field = s.field AND m.there IS NOT DISTINCT FROM s.there"""


def document(found: Conflicts) -> dict[str, Any]:
    """For programs."""
    return {"total": found.total, "open": found.open, "conflicts": list(found.rows)}


__all__ = ["STAGE", "Conflict", "Conflicts", "conflicts", "document", "export"]
