"""What follows from the journal? SQL over its table expression `{journal}`.

Portable but for `arg_max` and `FILTER`, which the engine's module may translate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate.engine import Engine

ENTRY = 2_400  # bytes of memory that a query takes for each entry of a journal
# Each field's value in the first, or the last, image that has the field: a plan may map a field only later.
EARLIEST = (
    """list_reduce(list("before" ORDER BY {seq} DESC) FILTER ({when}), lambda a, b: map_concat(a, b))"""
)
LATEST = """list_reduce(list("after" ORDER BY {seq}) FILTER ({when}), lambda a, b: map_concat(a, b))"""

# Migration key -> target id, for records that are in the target now because of us. One row a key.
#   origin: create or adopt; after: all our fields as the target gave them back last;
#   before: what each field of an adopted record held before we first wrote it (empty for what we created);
#   adopted: the target's stamp of an adopted record just before its adoption, "" for what we created;
#   told_seq: of the entry that holds `after`.
#
# Images hold whole bodies, so no aggregate gathers them: they are joined to what the aggregates found.
CROSSWALK = f"""
WITH ours AS (
  SELECT seq, key, object, op, target_id, version, stamp, attempt, "after" IS NOT NULL AS told
  FROM {{journal}}
  WHERE kind = 'record' AND outcome = 'done' AND op IN ('create', 'adopt', 'update', 'delete', 'restore')
), ended AS (
  SELECT key, max(seq) AS seq FROM ours WHERE op IN ('delete', 'restore') GROUP BY key
), looks AS (
  SELECT key, arg_max(stamp, seq) AS stamp FROM {{journal}}
  WHERE kind = 'record' AND outcome = 'intent' AND op = 'adopt' GROUP BY key
), live AS (
  SELECT key, any_value(object) AS object, arg_max(target_id, ours.seq) AS target_id,
    arg_min(op, ours.seq) AS origin, arg_max(version, ours.seq) AS version,
    arg_max(ours.stamp, ours.seq) AS stamp,
    CASE arg_min(op, ours.seq) WHEN 'create' THEN '' ELSE coalesce(any_value(looks.stamp), '') END AS adopted,
    arg_min(attempt, ours.seq) AS attempt, min(ours.seq) AS first_seq, max(ours.seq) AS seq,
    max(ours.seq) FILTER (told) AS told_seq
  FROM ours LEFT JOIN ended USING (key) LEFT JOIN looks USING (key)
  WHERE ended.seq IS NULL OR ours.seq > ended.seq
  GROUP BY key
), befores AS (
  SELECT key, {EARLIEST.format(seq="j.seq", when="op <> 'create'")} AS "before"
  FROM {{journal}} AS j JOIN (SELECT key, first_seq FROM live WHERE origin <> 'create') AS adopted USING (key)
  WHERE j.kind = 'record' AND j.outcome = 'done' AND op IN ('adopt', 'update') AND j.seq >= first_seq
  GROUP BY key
)
SELECT live.key, live.object, live.target_id, live.origin, images."after",
  CASE live.origin WHEN 'create' THEN MAP([]::VARCHAR[], []::VARCHAR[]) ELSE befores."before" END AS "before",
  live.version, live.stamp, live.adopted, live.attempt, live.first_seq, live.seq, live.told_seq
FROM live LEFT JOIN (
  SELECT seq, "after" FROM {{journal}} WHERE kind = 'record' AND outcome = 'done'
) AS images ON images.seq = live.told_seq
LEFT JOIN befores ON befores.key = live.key
"""

# Links that we made and haven't undone. One row a (left, right, label), target ids. `was_there` is what
# was found when it was first asked for: a second row that names the same link finds our own.
LINKS = """
WITH ours AS (
  SELECT * FROM {journal} WHERE kind = 'link' AND outcome = 'done' AND op IN ('link', 'unlink')
), ended AS (
  SELECT object, "left", "right", label, max(seq) AS seq FROM ours WHERE op = 'unlink' GROUP BY ALL
)
SELECT object, "left", "right", label, 'link' AS op, arg_min(was_there, ours.seq) AS was_there,
  arg_max(key, ours.seq) AS key, arg_max(attempt, ours.seq) AS attempt, max(ours.seq) AS seq
FROM ours LEFT JOIN ended USING (object, "left", "right", label)
WHERE op = 'link' AND (ended.seq IS NULL OR ours.seq > ended.seq)
GROUP BY object, "left", "right", label
"""

# Opt-outs that this tool saw in the target, by key and attempt: made by it, or there before (`was_there`).
OPTED_OUT = """
SELECT key, attempt, arg_min("left", seq) AS address, arg_min(label, seq) AS subscription,
  arg_min(object, seq) AS object, bool_and(was_there) AS was_there, min(seq) AS seq
FROM {journal} WHERE kind = 'consent' AND outcome = 'done' GROUP BY key, attempt
"""

# What the target refused and nothing later has mended. One row a key (records), link or opt-out. `kept`: the
# source has taken it back since, so there is nothing to be mended.
REFUSED = """
WITH ends AS (
  SELECT kind, key, any_value(object) AS object, arg_max(outcome, seq) AS outcome,
    arg_max(reason, seq) AS reason, arg_max(op, seq) AS op, arg_max(attempt, seq) AS attempt,
    arg_max("at", seq) AS "at", max(seq) AS seq
  FROM {journal} WHERE kind IN ('record', 'link', 'consent')
  AND outcome IN ('done', 'refused', 'conflict', 'held', 'kept')
  GROUP BY kind, key
)
SELECT * FROM ends WHERE outcome IN ('refused', 'conflict', 'held')
"""


def share_count(engine: Engine, journal: str) -> int:
    """In how many shares a journal is to be asked: the engine spills no aggregate of texts."""
    entries = int(engine.rows(f"SELECT count(*) AS n FROM {journal}")[0]["n"])
    return entries * ENTRY // engine.memory + 1


def shares(count: int, column: str = "key") -> Iterator[str]:
    """Conditions that part a journal in so many shares, all entries of a key in the same one.

    Args:
        column: in place of the key; a column's name in SQL.
    """
    for number in range(count):
        yield f"hash({column}) % {count} = {number}"
