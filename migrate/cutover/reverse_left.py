"""How did the way back leave the old system's records? Said by its own journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migrate.engine import text
from migrate.journal import CROSSWALK

if TYPE_CHECKING:
    from migrate.cutover.reverse_side import Side


def left(side: Side, among: str) -> dict[str, dict[str, Any]]:
    """How we left those fields that we wrote, by turned key. What we didn't write isn't ours, however it
    stood when we wrote something else.

    Args:
        among: a query of turned keys.
    """
    journal = f"(SELECT * FROM {side.workspace.journal.source()} WHERE key IN ({among}))"
    rows = side.workspace.engine.rows(
        f"""SELECT c.key, c."after", c.origin, s.names FROM ({CROSSWALK.format(journal=journal)}) AS c
        LEFT JOIN (SELECT key, flatten(list(map_keys("after"))) AS names FROM {journal}
          WHERE kind = 'record' AND op = 'update' AND outcome = 'intent' GROUP BY key) AS s USING (key)"""
    )
    found = {}
    for row in rows:
        after, names = dict(row["after"] or ()), set(row["names"] or ())
        found[row["key"]] = {n: v for n, v in after.items() if row["origin"] == "create" or n in names}
    return found


def keys_of(side: Side, object: str, ids: str) -> dict[str, str]:
    """Turned keys of records that the way back knows, with their old ids.

    Args:
        object: of the old system. ids: a list of old ids, in SQL.
    """
    rows = side.workspace.engine.rows(
        f"""SELECT key, arg_max(target_id, seq) AS id FROM {side.workspace.journal.source()}
        WHERE kind = 'record' AND outcome = 'done' AND object = {text(object)} AND target_id IN ({ids})
        GROUP BY key"""
    )
    return {row["key"]: row["id"] for row in rows}


def deleted(side: Side, object: str, ids: str) -> set[str]:
    """Those of these old ids whose records the way back deleted."""
    rows = side.workspace.engine.rows(
        f"""SELECT DISTINCT target_id FROM {side.workspace.journal.source()}
        WHERE kind = 'record' AND op = 'delete' AND outcome = 'done' AND object = {text(object)}
        AND target_id IN ({ids})"""
    )
    return {row["target_id"] for row in rows}
