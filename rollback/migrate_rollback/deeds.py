"""What did we do since a checkpoint, and what of it is still to be undone? Tables out of the journal.

Everything follows from the journal: the entries after the checkpoint's position that are in the scope, less
those that a rollback has written itself (their batches begin with `undo-`). An earlier rollback may have
undone some of it, and a load after that may have done it again. Facts about the target's present state are
no part of it.

    undo_journal   the journal, each entry with what it is to this rollback (a view)
    undo_floors    after which entry each key goes on; undo_ended, undo_heads (goes again): steps to it
    undo_records   what we created or changed and haven't undone, one row a migration key
    undo_sides     records that automations made because of us, not yet gone
    undo_ends      (object, id, role): created, adopted, side, stray; whose links count as ours
    undo_links     every link that we or an automation made, done or perhaps landed
    undo_due       those of them that are to go: made since, and not there before
    undo_kept      links that we or an automation made and that are to stay
    undo_made      links of ours to take away: between records that both stay
    undo_late      links that were sent and never seen: they may still land
    undo_cut       links of ours that stood at the checkpoint and that a later load took away
    undo_changed   records of others, or of ours from before, that we changed: fields, and what stood there
    undo_refs      fields of records of ours that stay, which hold the id of one that goes
    undo_lost      records of ours from before that a later load deleted
    undo_held      what a rollback left as it is, with the reason
    undo_relinked  marks of others' links that a rollback has looked after
    undo_restored  what a rollback put back
    undo_created   every record that we created since, undone or not
    undo_deleted   what a rollback deleted
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from migrate.engine import Engine, parquet, text
from migrate.journal import EARLIEST, LATEST, UNDO, share_count, shares

WITH_RECORD = f"{UNDO}with-record"  # of a link: its record has gone
WITH_REFERENCE = f"{UNDO}with-reference"  # of a record that stays: what it referred to has gone
_NO_SENT = "[]::MAP(VARCHAR, VARCHAR)[]"
# Tables of aggregates, with what they group by: they are made part by part.
_PARTED = {
    "undo_deleted": "target_id", "undo_restored": "target_id", "undo_sides": "target_id",
    "undo_links": '"left"', "undo_due": '"left"',
    "undo_ended": "key", "undo_floors": "key", "undo_heads": "key", "undo_records": "key",
    "undo_kept": '"left"', "undo_made": '"left"', "undo_late": '"left"', "undo_cut": '"left"',
    "undo_changed": "target_id",
}  # fmt: skip
_BY_KEY = ("undo_floors", "undo_heads")  # tables with one row a key, parted with it
_WROTE = "('create', 'adopt', 'update')"


def tables(
    engine: Engine, journal: str, attempt: int, *, since: int | None = None,
    objects: Sequence[str] | None = None, cohort: Sequence[str] | None = None, whole: bool = True,
) -> None:  # fmt: skip
    """(Re)make all of them.

    Args:
        journal: the journal as a table expression.
        attempt: the one that the rollback closes; its entries bear this number.
        since: the checkpoint's position; None is where this attempt begins.
        objects: target objects to which the rollback is limited.
        cohort: Parquet files with the migration keys (`key`) to which it is limited.
        whole: all since a load's first write; else a side record goes only with what it hangs on.
    """
    engine.run("CREATE OR REPLACE TABLE undo_cohort (ours VARCHAR)")
    if cohort is not None and cohort:
        engine.run(f"INSERT INTO undo_cohort SELECT DISTINCT key FROM {parquet(list(cohort))}")
    # A link is a deed of the record from which the plan links: the left one.
    told = ["true"]
    if objects is not None:
        told.append(f"split_part(object, '>', 1) IN ({quoted(list(objects))})")
    if cohort is not None:
        told.append("split_part(key, '>', 1) IN (SELECT ours FROM undo_cohort)")
    inside = " AND ".join(told)
    engine.run(f"CREATE OR REPLACE MACRO undo_inside(object, key) AS ({inside})")
    ranged = f"attempt = {int(attempt)}" if since is None else f"seq > {since} AND attempt <= {int(attempt)}"
    engine.run(f"CREATE OR REPLACE TABLE undo_whole AS SELECT {whole} AS whole")
    engine.run(
        f"""CREATE OR REPLACE VIEW undo_journal AS SELECT *, undo AND attempt = {int(attempt)} AS mine,
          ranged AND inside AND NOT undo AND batch <> '{WITH_REFERENCE}' AS due,
          NOT (ranged AND inside) AND NOT (undo AND attempt = {int(attempt)}) AS stays
        FROM (SELECT *, starts_with(batch, '{UNDO}') AND batch <> '{WITH_REFERENCE}' AS undo,
          {ranged} AS ranged, kind = 'side' OR ({inside}) AS inside FROM {journal})"""
    )
    count = share_count(engine, journal)
    for name, query in _QUERIES.items():
        only = " LIMIT 0" if whole and name == "undo_refs" else ""  # nothing of ours stays
        begin = f"CREATE OR REPLACE TABLE {name} AS"
        by = _PARTED.get(name)
        some = count * 2 if name == "undo_records" else count  # whole images, before and after
        for share in shares(some, by) if by else ("true",):
            part = query
            for table in ("undo_journal", *(_BY_KEY if by == "key" else ())):
                part = re.sub(rf"\b{table}\b", f"(SELECT * FROM {table} WHERE {share})", part)
            engine.run(f"{begin} {part}{only}")
            begin = f"INSERT INTO {name}"
        if name == "undo_records":
            engine.run("DROP TABLE undo_heads")  # a row for each key, in memory that others need


def quoted(values: object) -> str:
    """Text literals for an IN list; never empty."""
    listed = [text(str(each)) for each in values] if isinstance(values, (list, tuple, set, dict)) else []
    return ", ".join(listed or ["NULL"])


_QUERIES = {
    "undo_held": """
SELECT kind, object, key, id, op, code, reason FROM (
  SELECT kind, any_value(object) AS object, key, target_id AS id, arg_max(op, seq) AS op,
    arg_max(outcome, seq) AS outcome, split_part(arg_max(reason, seq), ':', 1) AS code, arg_max(reason,
      seq) AS reason
  FROM undo_journal WHERE mine AND outcome IN ('done', 'held', 'refused')
  AND kind IN ('record', 'side') GROUP BY kind, key, target_id
) WHERE outcome <> 'done'""",
    "undo_deleted": """
SELECT DISTINCT kind, object, target_id AS id, key FROM undo_journal
WHERE mine AND outcome = 'done' AND op = 'delete' AND kind IN ('record', 'side')""",
    "undo_restored": """
SELECT DISTINCT object, target_id AS id FROM undo_journal WHERE mine AND outcome = 'done'
AND op IN ('restore', 'update') AND kind = 'record' AND coalesce(reason, '') NOT LIKE 'gone:%'""",
    "undo_created": """
SELECT object, target_id, key FROM undo_journal WHERE kind = 'record' AND op = 'create' AND outcome = 'done'
AND due AND target_id IS NOT NULL""",
    "undo_relinked": """
SELECT DISTINCT object, "left", "right", label FROM undo_journal
WHERE mine AND kind = 'link' AND op = 'link'""",
    # One row a key that a rollback or a tombstone has ended, or a rollback has put back (`back`). `former`:
    # without what this rollback has done itself.
    "undo_ended": """
SELECT key, max(seq) FILTER (op <> 'update') AS ended, max(seq) FILTER (op = 'update') AS back,
  max(seq) FILTER (op <> 'update' AND NOT mine) AS former_ended,
  max(seq) FILTER (op = 'update' AND NOT mine) AS former_back
FROM undo_journal WHERE kind = 'record' AND outcome = 'done'
AND (op IN ('delete', 'restore') OR (undo AND op = 'update')) GROUP BY key""",
    # After which entry each key goes on. A record of ours that stood at the checkpoint is undone since it was
    # last put back; one that came later is undone from its beginning, whatever was put back in between.
    "undo_floors": f"""
WITH ours AS (
  SELECT j.key, NOT arg_min(j.ranged, j.seq) AS stood
  FROM undo_journal AS j LEFT JOIN undo_ended AS e USING (key)
  WHERE kind = 'record' AND outcome IN ('done', 'intent') AND op IN {_WROTE}
  AND j.seq > coalesce(e.former_ended, 0) GROUP BY j.key HAVING bool_or(due)
)
SELECT key, stood,
  greatest(coalesce(ended, 0), CASE WHEN stood THEN coalesce(back, 0) ELSE 0 END) AS seq,
  greatest(coalesce(former_ended, 0), CASE WHEN stood THEN coalesce(former_back, 0) ELSE 0 END) AS former
FROM ours LEFT JOIN undo_ended USING (key)""",
    # One row a key, without images: these hold whole bodies, and are joined to what the aggregates found.
    "undo_heads": f"""
SELECT j.key, any_value(object) AS object, arg_max(target_id, j.seq) AS id,
  arg_min(op, j.seq) FILTER (due) AS origin, arg_max(stamp, j.seq) AS stamp,
  min(j.seq) FILTER (due) AS first_seq, any_value(f.stood) AS stood, max(j.seq) AS told_seq,
  count(*) = 1 AND bool_and(op = 'create') AS plain
FROM undo_journal AS j JOIN undo_floors AS f ON f.key = j.key AND j.seq > f.seq
WHERE kind = 'record' AND outcome = 'done' AND op IN {_WROTE} GROUP BY j.key HAVING bool_or(due)""",
    "undo_records": f"""
WITH rest AS (
  SELECT h.key, f.seq FROM undo_heads AS h JOIN undo_floors AS f USING (key) WHERE NOT h.plain
), images AS (
  SELECT j.key, {EARLIEST.format(seq="j.seq", when="due")} AS before,
    {LATEST.format(seq="j.seq", when="true")} AS after
  FROM undo_journal AS j JOIN rest ON rest.key = j.key AND j.seq > rest.seq
  WHERE kind = 'record' AND outcome = 'done' AND op IN {_WROTE} GROUP BY j.key
  UNION ALL SELECT key, "before", "after" FROM undo_journal
  WHERE seq IN (SELECT told_seq FROM undo_heads WHERE plain)
), intents AS (
  SELECT j.key, list("after" ORDER BY j.seq) AS sent FROM undo_journal AS j
  JOIN rest ON rest.key = j.key AND j.seq > rest.seq
  WHERE kind = 'record' AND outcome = 'intent' AND op IN ('adopt', 'update') AND due GROUP BY j.key
), lost AS (
  SELECT DISTINCT j.key FROM undo_journal AS j JOIN undo_floors AS f ON f.key = j.key AND j.seq > f.seq
  WHERE outcome = 'lost_edit' AND due
)
SELECT h.key, h.object, h.id, h.origin, images.before, images.after, h.stamp, h.first_seq,
  CASE WHEN origin = 'create' THEN 'delete' ELSE 'restore' END AS action,
  CASE WHEN stood THEN 'update' WHEN origin = 'create' THEN 'delete' ELSE 'restore' END AS op,
  coalesce(intents.sent, {_NO_SENT}) AS sent, CASE WHEN lost.key IS NOT NULL THEN 'lost_edit'
    ELSE '' END AS note
FROM undo_heads AS h JOIN images USING (key) LEFT JOIN intents USING (key) LEFT JOIN lost USING (key)""",
    "undo_sides": """
SELECT object, target_id AS id, min(seq) AS first_seq, any_value("left") AS owner FROM undo_journal
WHERE kind = 'side' AND op = 'create' AND outcome = 'done' AND due
AND target_id NOT IN (SELECT id FROM undo_deleted) GROUP BY object, target_id""",
    "undo_ends": f"""
SELECT object, target_id AS id, CASE WHEN bool_or(op = 'create') THEN 'created' ELSE 'adopted' END AS role
FROM undo_journal WHERE kind = 'record' AND outcome = 'done' AND op IN {_WROTE}
AND target_id IS NOT NULL AND due
GROUP BY object, target_id
UNION SELECT object, id, 'side' FROM undo_sides""",
    "undo_links": """
SELECT DISTINCT split_part(object, '>', 1) AS lo, "left", split_part(object, '>', 2) AS ro, "right", label,
  kind
FROM undo_journal WHERE kind IN ('link', 'side') AND op = 'link' AND outcome IN ('done', 'intent')
  AND NOT undo""",
    "undo_due": """
SELECT DISTINCT split_part(object, '>', 1) AS lo, "left", split_part(object, '>', 2) AS ro, "right", label,
  kind
FROM undo_journal WHERE kind IN ('link', 'side') AND op = 'link' AND outcome IN ('done', 'intent') AND due
AND NOT coalesce(was_there, false)""",
    "undo_kept": """
SELECT split_part(object, '>', 1) AS lo, "left", split_part(object, '>', 2) AS ro, "right", label,
  max(seq) AS seq
FROM undo_journal WHERE kind IN ('link', 'side') AND op IN ('link', 'unlink') AND outcome = 'done' AND stays
AND (split_part(object, '>', 1), "left") NOT IN (SELECT (object, id) FROM undo_ends WHERE role = 'created')
AND (split_part(object, '>', 2), "right") NOT IN (SELECT (object, id) FROM undo_ends WHERE role = 'created')
GROUP BY object, "left", "right", label HAVING arg_max(op, seq) = 'link'""",
    "undo_made": """
WITH made AS (
  SELECT object, "left", "right", label, arg_max(key, seq) AS key, max(seq) AS seq FROM undo_journal
  WHERE kind = 'link' AND op = 'link' AND outcome IN ('done', 'intent') AND NOT coalesce(was_there, false)
  AND due GROUP BY object, "left", "right", label
), undone AS (
  SELECT object, "left", "right", label, max(seq) AS seq FROM undo_journal
  WHERE kind = 'link' AND ((op = 'unlink' AND outcome = 'done') OR (mine AND outcome IN ('held', 'refused')))
  GROUP BY object, "left", "right", label
), going AS (SELECT object, id FROM undo_ends WHERE role IN ('created', 'side'))
SELECT made.* FROM made LEFT JOIN undone USING (object, "left", "right", label)
WHERE (undone.seq IS NULL OR undone.seq < made.seq)
AND (split_part(object, '>', 1), "left") NOT IN (SELECT (object, id) FROM going)
AND (split_part(object, '>', 2), "right") NOT IN (SELECT (object, id) FROM going)""",
    "undo_late": """
SELECT object, "left", "right", label, max(key) AS key, max(seq) AS seq FROM undo_journal
WHERE kind = 'link' AND op = 'link' AND due
AND (split_part(object, '>', 1), "left") NOT IN
  (SELECT (object, id) FROM undo_ends WHERE role IN ('created', 'side'))
AND (split_part(object, '>', 2), "right") NOT IN
  (SELECT (object, id) FROM undo_ends WHERE role IN ('created', 'side'))
GROUP BY object, "left", "right", label
HAVING NOT bool_or(outcome = 'done') AND NOT bool_or(coalesce(was_there, false))""",
    "undo_cut": """
SELECT object, "left", "right", label, arg_max(key, seq) AS key, max(seq) AS seq FROM undo_journal
WHERE kind = 'link' AND op IN ('link', 'unlink') AND outcome IN ('done', 'refused')
GROUP BY object, "left", "right", label
HAVING arg_max(op, seq) FILTER (NOT ranged AND outcome = 'done') = 'link'
AND arg_max(op = 'unlink' AND due AND outcome = 'done', seq)""",
    "undo_changed": f"""
SELECT target_id AS id, any_value(object) AS object, any_value(j.key) AS key,
  coalesce({EARLIEST.format(seq="j.seq", when="outcome = 'done'")},
    {EARLIEST.format(seq="j.seq", when="true")}) AS before,
  list_distinct(flatten(list(map_keys("after")) FILTER (outcome = 'intent'))) AS written,
  bool_or(outcome = 'done') AS done
FROM undo_journal AS j JOIN undo_floors AS f ON f.key = j.key AND j.seq > f.former
WHERE kind = 'record' AND due AND op IN ('adopt', 'update')
AND outcome IN ('intent', 'done') AND target_id IS NOT NULL
AND target_id NOT IN (SELECT target_id FROM undo_created)
GROUP BY target_id""",
    "undo_lost": """
SELECT j.object, j.target_id AS id, j.key FROM undo_journal AS j
WHERE kind = 'record' AND op = 'delete' AND outcome = 'done' AND due AND target_id IS NOT NULL
AND key IN (SELECT key FROM undo_journal WHERE kind = 'record' AND op = 'create' AND outcome = 'done'
  AND NOT ranged)""",
    "undo_refs": f"""
WITH last AS (
  SELECT key, max(seq) AS seq FROM undo_journal WHERE kind = 'record' AND outcome = 'done' AND op IN {_WROTE}
  AND stays AND cardinality("after") > 0 AND key NOT IN (SELECT key FROM undo_records) GROUP BY key
), held AS (
  SELECT j.key, j.object, j.target_id AS id, unnest(map_entries(j."after")) AS entry
  FROM undo_journal AS j JOIN last ON last.seq = j.seq LEFT JOIN undo_ended AS e ON e.key = j.key
  WHERE coalesce(e.ended, 0) < j.seq
)
SELECT key, object, id, entry.key AS field, entry.value AS value FROM held
WHERE entry.value IN (SELECT id FROM undo_ends WHERE role = 'created')""",
}
