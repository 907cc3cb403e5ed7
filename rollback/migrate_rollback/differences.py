"""Whose is each difference between the baseline and now? SQL over both, and over what the journal knows.

One table, `undo_differences`: kind, object, id, key, field, then, now, what. Kinds that fail a verification:
created, unrestored, moved, stray, twin, side, link, deleted. Kinds that don't: held, computed, foreign,
consent, lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.diff import DIFFERS, ONLY_LEFT, ONLY_RIGHT
from migrate.engine import Engine, text
from migrate.stages.checkpoint import Checkpoint
from migrate.workspace import Workspace
from migrate_rollback import standing
from migrate_rollback.deeds import WITH_RECORD, quoted

COLUMNS = 'kind, object, id, key, field, "then", "now", what'


def begin(engine: Engine) -> None:
    """An empty table."""
    engine.run(
        """CREATE OR REPLACE TABLE undo_differences (kind VARCHAR, object VARCHAR, id VARCHAR, key VARCHAR,
        field VARCHAR, "then" VARCHAR, "now" VARCHAR, what VARCHAR)"""
    )


def records(
    engine: Engine, table: str, object: str, now: str, computed: Sequence[str], key: str, family: str
) -> None:
    """Sort one object's differences.

    Args:
        table: of `migrate.diff`, left the baseline and right what is there now.
        now: table expression of what is there now.
        computed: fields that the target computes or keeps for itself.
        key: the field that holds the migration key; `family`: how ours begin.
    """
    name = text(object)
    quoted_key = '"' + key.replace('"', '""') + '"'
    ours = f"""(SELECT target_id AS id, any_value(key) AS key FROM undo_created WHERE object = {name}
        GROUP BY target_id)"""
    held = f"(SELECT DISTINCT id FROM undo_held WHERE object = {name})"
    engine.run(
        f"""INSERT INTO undo_differences
        SELECT CASE WHEN h.id IS NOT NULL AND c.id IS NOT NULL AND list_contains(c.written, d.field)
          THEN 'held'
            WHEN k.id IS NOT NULL THEN 'foreign'
            WHEN c.id IS NOT NULL AND list_contains(c.written, d.field) THEN 'unrestored'
            WHEN d.field IN ({quoted(list(computed))}) THEN 'computed'
            WHEN s.id IS NOT NULL AND list_contains(map_keys(s."after"), d.field) THEN 'moved'
            ELSE 'foreign' END,
          {name}, d.key, c.key, d.field, d."left", d."right",
          CASE WHEN k.id IS NOT NULL THEN 'kept by a decision'
            WHEN c.id IS NOT NULL AND list_contains(c.written, d.field) THEN 'not as it was before'
            WHEN d.field IN ({quoted(list(computed))}) THEN 'computed by the target'
            WHEN s.id IS NOT NULL AND list_contains(map_keys(s."after"), d.field)
              THEN 'not as we left it, though it was to stay'
            ELSE 'edited' END
        FROM {table} AS d LEFT JOIN (SELECT * FROM undo_changed WHERE object = {name}) AS c ON c.id = d.key
        LEFT JOIN {held} AS h ON h.id = d.key
        LEFT JOIN (SELECT * FROM undo_standing WHERE object = {name}) AS s ON s.id = d.key
        LEFT JOIN undo_kept_fields AS k ON k.object = {name} AND k.id = d.key AND k.field = d.field
        WHERE d.class = '{DIFFERS}'"""
    )
    engine.run(
        f"""INSERT INTO undo_differences
        SELECT CASE WHEN x.id IS NOT NULL THEN 'deleted' WHEN l.id IS NOT NULL THEN 'lost' ELSE 'foreign' END,
          {name}, d.key, coalesce(x.key, l.key), NULL, NULL, NULL,
          CASE WHEN x.id IS NOT NULL THEN 'deleted by us, though it was there before'
            WHEN l.id IS NOT NULL THEN 'deleted by a load after the checkpoint' ELSE 'deleted' END
        FROM {table} AS d LEFT JOIN (SELECT DISTINCT id, key FROM undo_deleted
          WHERE object = {name}) AS x ON x.id = d.key
        LEFT JOIN (SELECT DISTINCT id, key FROM undo_lost WHERE object = {name}) AS l ON l.id = d.key
        WHERE d.class = '{ONLY_LEFT}'"""
    )
    engine.run(
        f"""INSERT INTO undo_differences
        WITH new AS (SELECT n._id AS id, n.{quoted_key} AS key, n._source AS source FROM {now} AS n
          WHERE n._id IN (SELECT key FROM {table} WHERE class = '{ONLY_RIGHT}'))
        SELECT CASE WHEN h.id IS NOT NULL THEN 'held' WHEN o.id IS NOT NULL THEN 'created'
            WHEN starts_with(new.key, {text(family + ".")}) THEN 'stray' WHEN s.id IS NOT NULL
              OR (new.source = 'automation')
            THEN 'side' ELSE 'foreign' END AS kind,
          {name}, new.id, coalesce(new.key, o.key), NULL, NULL, NULL,
          CASE kind WHEN 'held' THEN 'held' WHEN 'created' THEN 'created by us and still there'
            WHEN 'stray'
              THEN 'has a key of ours, though the journal does not know it (a call that landed late)'
            WHEN 'side' THEN 'made by an automation after our write' ELSE 'created' END
        FROM new LEFT JOIN {ours} AS o ON o.id = new.id LEFT JOIN {held} AS h ON h.id = new.id
        LEFT JOIN (SELECT DISTINCT id FROM undo_sides WHERE object = {name}) AS s ON s.id = new.id"""
    )
    # A late call may also have written our key on a record that was there before.
    engine.run(
        f"""INSERT INTO undo_differences
        SELECT 'stray', {name}, d.key, d."right", d.field, d."left", d."right",
          'carries a key of ours, though the journal does not know it (a call that landed late)'
        FROM {table} AS d WHERE d.class = '{DIFFERS}' AND d.field = {text(key)}
        AND starts_with(d."right", {text(family + ".")}) AND d.key NOT IN (SELECT id FROM {held})
        AND d.key NOT IN (SELECT id FROM undo_changed WHERE object = {name})"""
    )


def twins(engine: Engine, object: str, now: str, key: str) -> None:
    """Records that share a migration key."""
    column = '"' + key.replace('"', '""') + '"'
    engine.run(
        f"""INSERT INTO undo_differences SELECT 'twin', {text(object)}, _id, {column}, NULL, NULL, NULL,
        'another record has the same key' FROM {now} WHERE {column} IN
        (SELECT {column} FROM {now} WHERE {column} IS NOT NULL GROUP BY ALL HAVING count(*) > 1)"""
    )


def links(workspace: Workspace, point: Checkpoint, after: dict[str, str]) -> None:
    """Links then and now; needs the records' differences, to know whose ends are held or gone."""
    engine, store = workspace.engine, workspace.store
    columns = 'left_object, "left", right_object, "right", label'
    for name, folders in (
        ("then_links", [point.links(object) for object in point.baseline]),
        ("now_links", [f"{folder}-links" for folder in after.values()]),
    ):
        files = [
            path for folder in folders if (found := store.manifest(folder)) for path in store.files(found)
        ]
        source = f"read_parquet({files!r})" if files else "now_nothing"
        engine.run(
            """CREATE OR REPLACE TABLE now_nothing (left_object VARCHAR, "left" VARCHAR, right_object VARCHAR,
            "right" VARCHAR, label VARCHAR)"""
        )
        engine.run(f"CREATE OR REPLACE TABLE {name} AS SELECT DISTINCT {columns} FROM {source}")
    _sides_of_others(engine)
    odd = """SELECT object, id FROM undo_differences
        WHERE kind IN ('held', 'created', 'stray', 'side') AND field IS NULL"""
    # (lo, l, ro, r) of every pair that we linked, seen from both ends.
    pairs = """SELECT lo, "left" AS l, ro, "right" AS r, label FROM undo_due WHERE kind = 'link'"""
    standing.links(engine, point.read_at)
    # What a link of ours that stays brought with it (its other end, a mark by itself) is expected as well.
    ends = 'left_object, "left", right_object, "right"'
    stay = f"""SELECT ({ends}) FROM kept_links
        UNION SELECT (right_object, "right", left_object, "left") FROM kept_links"""
    engine.run(
        f"""INSERT INTO undo_differences
        WITH new AS (SELECT * FROM (FROM now_links EXCEPT FROM then_links)
          WHERE ({ends}) NOT IN ({stay})), odd AS ({odd}), pairs AS ({pairs}),
        told AS (SELECT new.*,
          (left_object, "left") IN (SELECT (object, id) FROM odd) OR (right_object,
            "right") IN (SELECT (object, id) FROM odd) AS at_odd,
          EXISTS (SELECT 1 FROM pairs WHERE lo = left_object AND l = "left" AND ro = right_object
            AND r = "right"
            AND pairs.label = new.label) AS ours
          FROM new)
        SELECT CASE WHEN at_odd THEN 'held' WHEN ours THEN 'link' ELSE 'foreign' END,
          left_object || '>' || right_object,
          "left" || '>' || "right", NULL, label, NULL, label,
          CASE WHEN at_odd THEN 'held with its record' WHEN ours THEN 'made by us and still there'
            ELSE 'linked' END
        FROM told"""
    )
    engine.run(
        f"""INSERT INTO undo_differences
        WITH gone AS (SELECT * FROM ((FROM then_links UNION FROM kept_links) EXCEPT FROM now_links)
          WHERE (left_object, "left", right_object, "right", label) NOT IN
            (SELECT (left_object, "left", right_object, "right", label) FROM cut_links)), pairs AS ({pairs}),
        told AS (SELECT gone.*, EXISTS (SELECT 1 FROM now_links AS n
          WHERE n.left_object = gone.left_object AND
            n."left" = gone."left" AND n.right_object = gone.right_object AND n."right" = gone."right")
          AND EXISTS (SELECT 1 FROM pairs WHERE lo = left_object AND l = "left" AND ro = right_object
            AND r <> "right" AND pairs.label = gone.label)
          AND NOT EXISTS (SELECT 1 FROM now_links AS n WHERE n.left_object = gone.left_object
            AND n."left" = gone."left"
            AND n.right_object = gone.right_object AND n.label = gone.label) AS taken,
          EXISTS (SELECT 1 FROM undo_journal AS j WHERE j.mine AND j.kind = 'link' AND j.op = 'unlink'
            AND j.outcome = 'done' AND j.batch <> '{WITH_RECORD}'
            AND j.object = gone.left_object || '>' || gone.right_object
            AND j."left" = gone."left" AND j."right" = gone."right" AND j.label = gone.label) AS by_us
          FROM gone)
        SELECT CASE WHEN taken OR by_us THEN 'link' ELSE 'foreign' END, left_object || '>' || right_object,
          "left" || '>' || "right", NULL, label, label, NULL,
          CASE WHEN taken THEN 'taken away by a link of ours'
            WHEN by_us THEN 'taken away by us, though it was to stay' ELSE 'unlinked' END
        FROM told"""
    )


def _sides_of_others(engine: Engine) -> None:
    """A record of an automation that is linked, and to nobody of ours, was set off by somebody else."""
    engine.run(
        """UPDATE undo_differences SET kind = 'foreign', what = 'created by an automation'
          WHERE kind = 'side' AND EXISTS (
          SELECT 1 FROM now_links AS n WHERE n.left_object = object AND n."left" = undo_differences.id)
        AND NOT EXISTS (SELECT 1 FROM now_links AS n JOIN undo_ends AS e ON e.object = n.right_object
          AND e.id = n."right"
          WHERE n.left_object = undo_differences.object AND n."left" = undo_differences.id)"""
    )


def is_as_left(engine: Engine, object: str, id: str, field: str) -> None:
    """A field that turned out to be as we left it, though a comparison of types couldn't tell."""
    engine.run(
        f"""DELETE FROM undo_differences WHERE object = {text(object)} AND id = {text(id)}
        AND field = {text(field)}
        AND (kind = 'moved' OR (kind = 'unrestored' AND "then" IS NULL AND "now" IS NULL))"""
    )


def is_foreign(engine: Engine, object: str, id: str, field: str) -> None:
    """A field that turned out to be as its before-image, or written by somebody else since."""
    engine.run(
        f"""UPDATE undo_differences SET kind = 'foreign', what = 'edited'
        WHERE kind IN ('unrestored', 'moved') AND object = {text(object)} AND id = {text(id)}
        AND field = {text(field)}"""
    )
