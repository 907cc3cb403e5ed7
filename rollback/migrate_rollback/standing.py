"""What should stand in the target after a rollback? The baseline, and over it what we did and isn't undone.

A checkpoint that isn't the first of its attempt shares that one's baseline. What the target held then is that
baseline overlaid with our deeds up to the checkpoint; a rollback of a part leaves further deeds in place, and
these count too. Of a record that we created after the baseline was read, only the fields that we wrote are
known; of its other fields nothing is expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrate.engine import Engine, identifier, text

ROWS = "undo_then"
UNTOLD = "not as it was before"  # as far as a comparison of types can tell; with neither value


def tables(engine: Engine, read_at: int) -> None:
    """Make `undo_standing`: (object, id, stands, after) of every record that we touched after the baseline
    was read, but for what is to be undone. Needs the tables of `deeds`.

    Args:
        read_at: where the journal stood when the baseline was read.
    """
    deeds = f"""FROM undo_journal WHERE kind IN ('record', 'side') AND outcome = 'done'
      AND target_id IS NOT NULL AND op IN ('create', 'adopt', 'update', 'delete', 'restore')
      AND stays AND seq > {int(read_at)}"""
    engine.run(
        f"""CREATE OR REPLACE TABLE undo_standing AS
        WITH ends AS (SELECT object, target_id AS id, arg_max(op, seq) <> 'delete' AS stands,
          max(seq) FILTER (cardinality("after") > 0) AS told {deeds} GROUP BY object, target_id)
        SELECT ends.object, ends.id, ends.stands, j."after" FROM ends
        LEFT JOIN (SELECT seq, "after" {deeds}) AS j ON j.seq = ends.told"""
    )


def rows(engine: Engine, object: str, then: str, now: str, fields: Sequence[str]) -> str:
    """What is expected of an object's records, as a table expression like `then`.

    The journal has wire values, a baseline the catalog's types. What can't be compared so (a list, say) is
    expected to be as it is now, and noted in `undo_differences` where a rollback has put it back, to be read
    again by the wire.

    Args:
        then: table expression of the baseline: `_id`, `_source` and the fields.
        now: the same of what is there now.
    """
    mine = f"(SELECT * FROM undo_standing WHERE object = {text(object)})"
    found = engine.rows(
        f"""SELECT DISTINCT unnest(map_keys("after")) AS name FROM {mine}
        UNION SELECT '' FROM {mine}"""
    )
    if not found:
        return then
    written = {row["name"] for row in found}
    types = _types(engine, then) | _types(engine, now)
    known = [name for name in fields if name in written]

    def over(below: str) -> str:
        """The fields: what we left, else what is below."""
        items = []
        for name in fields:
            item = _typed(types, name, below)
            if name in written:
                left, type_ = f's."after"[{text(name)}]', types.get(name, "VARCHAR")
                item = f"""CASE WHEN NOT list_contains(map_keys(s."after"), {text(name)}) THEN {item}
                  WHEN {left} IS NULL THEN NULL
                  ELSE coalesce(TRY_CAST({left} AS {type_}), {_typed(types, name, "n")}) END"""
            items.append(f", {item} AS {identifier(name)}")
        return "".join(items)

    plain = "".join(f", {_typed(types, name, 'b')} AS {identifier(name)}" for name in fields)
    joined = f"LEFT JOIN {now} AS n ON n._id = s.id WHERE s.stands"
    engine.run(
        f"""CREATE OR REPLACE TABLE {ROWS} AS
        SELECT b._id, b._source{plain} FROM {then} AS b ANTI JOIN {mine} AS s ON s.id = b._id
        UNION ALL SELECT b._id, b._source{over("b")}
          FROM {then} AS b JOIN {mine} AS s ON s.id = b._id {joined}
        UNION ALL SELECT s.id, n._source{over("n")} FROM {mine} AS s {joined}
          AND s.id NOT IN (SELECT _id FROM {then})"""
    )
    for name in known:
        engine.run(
            f"""INSERT INTO undo_differences SELECT 'unrestored', {text(object)}, s.id, c.key, {text(name)},
              NULL, NULL, '{UNTOLD}' FROM {mine} AS s JOIN undo_changed AS c ON c.id = s.id
            WHERE c.object = {text(object)} AND list_contains(c.written, {text(name)})
            AND s."after"[{text(name)}] IS NOT NULL
            AND TRY_CAST(s."after"[{text(name)}] AS {types.get(name, "VARCHAR")}) IS NULL"""
        )
    return ROWS


def _types(engine: Engine, table: str) -> dict[str, str]:
    """DuckDB's types of a table's columns, as far as its rows tell: an empty one has texts throughout."""
    rows = engine.rows(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {table})")
    return {row["column_name"]: row["column_type"] for row in rows if row["column_type"] != "VARCHAR"}


def _typed(types: Mapping[str, str], name: str, table: str) -> str:
    return f"CAST({table}.{identifier(name)} AS {types.get(name, 'VARCHAR')})"


def links(engine: Engine, read_at: int) -> None:
    """Make `kept_links`, links of ours that stand and are to stay, and `cut_links`, which we took away and
    which are to stay away; both as the baseline has links, and made after it was read. What automations
    linked stays with the records that do."""
    for name, op in (("kept_links", "link"), ("cut_links", "unlink")):
        engine.run(
            f"""CREATE OR REPLACE TABLE {name} AS
            SELECT split_part(object, '>', 1) AS left_object, "left",
              split_part(object, '>', 2) AS right_object, "right", label
            FROM undo_journal WHERE kind IN ('link', 'side') AND op IN ('link', 'unlink') AND outcome = 'done'
            AND (stays OR kind = 'side' AND NOT (SELECT whole FROM undo_whole)) AND seq > {int(read_at)}
            AND (split_part(object, '>', 1), "left") NOT IN (SELECT (object, id) FROM undo_ends
              WHERE role = 'created')
            AND (split_part(object, '>', 2), "right") NOT IN (SELECT (object, id) FROM undo_ends
              WHERE role = 'created')
            GROUP BY object, "left", "right", label HAVING arg_max(op, seq) = {text(op)}"""
        )
