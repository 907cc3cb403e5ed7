"""What did an attempt do, and what of it is still to be undone? Tables in the engine, out of the journal.

Everything follows from the journal's entries of one attempt, less those that a rollback has written
itself (their batches begin with `undo-`). Facts about the target's present state are no part of it.

    undo_records   what we created or changed and haven't undone, one row a migration key
    undo_sides     records that automations made because of us, not yet gone
    undo_ends      (object, id, role): created, adopted, side, stray; whose links count as ours
    undo_links     every link that we or an automation made, done or perhaps landed
    undo_made      links of ours to take away: between records that both stay
    undo_late      links that were sent and never seen: they may still land
    undo_changed   records of others that we changed: the fields written, and what stood there before
    undo_held      what a rollback left as it is, with the reason
    undo_relinked  marks of others' links that a rollback has looked after
    undo_restored  what a rollback put back
    undo_created   every record that the attempt created, undone or not
    undo_deleted   what a rollback deleted
"""

from __future__ import annotations

from migrate.engine import Engine, text
from migrate.journal import EARLIEST, LATEST, UNDO

_NO_SENT = "[]::MAP(VARCHAR, VARCHAR)[]"


def tables(engine: Engine, journal: str, attempt: int) -> None:
    """(Re)make all of them.

    Args:
        journal: the journal as a table expression.
    """
    for name, query in _QUERIES.items():
        engine.run(
            f"CREATE OR REPLACE TABLE {name} AS {query}".replace("{journal}", journal)
            .replace("{n}", str(int(attempt)))
            .replace("{undo}", f"starts_with(batch, '{UNDO}')")
        )


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
  FROM {journal} WHERE attempt = {n} AND {undo} AND outcome IN ('done', 'held', 'refused')
  AND kind IN ('record', 'side') GROUP BY kind, key, target_id
) WHERE outcome <> 'done'""",
    "undo_deleted": """
SELECT DISTINCT kind, object, target_id AS id, key FROM {journal}
WHERE attempt = {n} AND {undo} AND outcome = 'done' AND op = 'delete' AND kind IN ('record', 'side')""",
    "undo_restored": """
SELECT DISTINCT object, target_id AS id FROM {journal} WHERE attempt = {n} AND {undo} AND outcome = 'done'
AND op IN ('restore', 'update') AND kind = 'record' AND coalesce(reason, '') NOT LIKE 'gone:%'""",
    "undo_created": """
SELECT object, target_id, key FROM {journal} WHERE kind = 'record' AND op = 'create' AND outcome = 'done'
AND attempt = {n} AND target_id IS NOT NULL""",
    "undo_relinked": """
SELECT DISTINCT object, "left", "right", label FROM {journal}
WHERE attempt = {n} AND {undo} AND kind = 'link' AND op = 'link'""",
    "undo_records": f"""
WITH j AS (
  SELECT * FROM {{journal}} WHERE kind = 'record' AND outcome = 'done'
  AND op IN ('create', 'adopt', 'update', 'delete', 'restore')
), ended AS (
  SELECT key, max(seq) AS seq FROM j WHERE op IN ('delete', 'restore') GROUP BY key
), live AS (
  SELECT j.* FROM j LEFT JOIN ended USING (key) WHERE ended.seq IS NULL OR j.seq > ended.seq
), intents AS (
  SELECT key, list("after" ORDER BY seq) AS sent FROM {{journal}}
  WHERE kind = 'record' AND outcome = 'intent' AND op IN ('adopt', 'update') AND attempt = {{n}}
    AND NOT {{undo}}
  GROUP BY key
), lost AS (
  SELECT DISTINCT key FROM {{journal}} WHERE outcome = 'lost_edit' AND attempt = {{n}} AND NOT {{undo}}
), ours AS (
  SELECT key, any_value(object) AS object, arg_max(target_id, seq) AS id,
    arg_min(op, seq) FILTER (attempt = {{n}}) AS origin,
    {EARLIEST.format(seq="seq", when="attempt = {n}")} AS before,
    {LATEST.format(seq="seq", when="true")} AS after, arg_max(stamp, seq) AS stamp,
      min(seq) FILTER (attempt = {{n}}) AS first_seq
    , CASE WHEN min(attempt) < {{n}} THEN 'update' END AS earlier
  FROM live GROUP BY key HAVING count(*) FILTER (attempt = {{n}}) > 0 AND NOT arg_max({{undo}}, seq)
)
SELECT ours.*, CASE WHEN origin = 'create' THEN 'delete' ELSE 'restore' END AS action,
  coalesce(earlier, CASE WHEN origin = 'create' THEN 'delete' ELSE 'restore' END) AS op,
  coalesce(intents.sent, {_NO_SENT}) AS sent, CASE WHEN lost.key IS NOT NULL THEN 'lost_edit'
    ELSE '' END AS note
FROM ours LEFT JOIN intents USING (key) LEFT JOIN lost USING (key)""",
    "undo_sides": """
SELECT object, target_id AS id, min(seq) AS first_seq FROM {journal}
WHERE kind = 'side' AND op = 'create' AND outcome = 'done' AND attempt = {n}
AND target_id NOT IN (SELECT id FROM undo_deleted) GROUP BY object, target_id""",
    "undo_ends": """
SELECT object, target_id AS id, CASE op WHEN 'create' THEN 'created' ELSE 'adopted' END AS role FROM {journal}
WHERE kind = 'record' AND outcome = 'done' AND op IN ('create', 'adopt', 'update') AND target_id IS NOT NULL
AND attempt <= {n} GROUP BY ALL
UNION SELECT object, id, 'side' FROM undo_sides""",
    "undo_links": """
SELECT DISTINCT split_part(object, '>', 1) AS lo, "left", split_part(object, '>', 2) AS ro, "right", label,
  kind
FROM {journal} WHERE kind IN ('link', 'side') AND op = 'link' AND outcome IN ('done', 'intent')
  AND NOT {undo}""",
    "undo_made": """
WITH made AS (
  SELECT object, "left", "right", label, arg_max(key, seq) AS key, max(seq) AS seq FROM {journal}
  WHERE kind = 'link' AND op = 'link' AND outcome IN ('done', 'intent') AND NOT coalesce(was_there, false)
  AND attempt = {n} AND NOT {undo} GROUP BY object, "left", "right", label
), undone AS (
  SELECT object, "left", "right", label, max(seq) AS seq FROM {journal}
  WHERE kind = 'link' AND ((op = 'unlink' AND outcome = 'done') OR ({undo} AND outcome IN ('held',
    'refused')))
  GROUP BY object, "left", "right", label
), going AS (SELECT object, id FROM undo_ends WHERE role IN ('created', 'side'))
SELECT made.* FROM made LEFT JOIN undone USING (object, "left", "right", label)
WHERE (undone.seq IS NULL OR undone.seq < made.seq)
AND (split_part(object, '>', 1), "left") NOT IN (SELECT (object, id) FROM going)
AND (split_part(object, '>', 2), "right") NOT IN (SELECT (object, id) FROM going)""",
    "undo_late": """
SELECT object, "left", "right", label, max(key) AS key, max(seq) AS seq FROM {journal}
WHERE kind = 'link' AND op = 'link' AND attempt = {n} AND NOT {undo}
AND (split_part(object, '>', 1), "left") NOT IN
  (SELECT (object, id) FROM undo_ends WHERE role IN ('created', 'side'))
AND (split_part(object, '>', 2), "right") NOT IN
  (SELECT (object, id) FROM undo_ends WHERE role IN ('created', 'side'))
GROUP BY object, "left", "right", label
HAVING NOT bool_or(outcome = 'done') AND NOT bool_or(coalesce(was_there, false))""",
    "undo_changed": f"""
SELECT target_id AS id, any_value(object) AS object, any_value(key) AS key,
  coalesce({EARLIEST.format(seq="seq", when="outcome = 'done'")},
    {EARLIEST.format(seq="seq", when="true")}) AS before,
  list_distinct(flatten(list(map_keys("after")) FILTER (outcome = 'intent'))) AS written,
  bool_or(outcome = 'done') AS done
FROM {{journal}} WHERE kind = 'record' AND attempt = {{n}} AND op IN ('adopt', 'update') AND NOT {{undo}}
AND outcome IN ('intent', 'done') AND target_id IS NOT NULL
AND target_id NOT IN (SELECT target_id FROM {{journal}} WHERE kind = 'record' AND op = 'create'
  AND outcome = 'done' AND attempt = {{n}} AND target_id IS NOT NULL)
GROUP BY target_id""",
}
