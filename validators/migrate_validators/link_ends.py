"""What became of each staged link of an entry? Made, refused with a reason, or blocked with a cause.

The journal's word and the refusals of this attempt; whether the target shows a link is `links`' to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate.journal import LINKS
from migrate.plan.keys import itself_sql
from migrate.stages.crosswalk import rows_of

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence


def staged_links(evidence: Evidence, name: str) -> str:
    """A query of the links of one plan entry that are to be there: keys, objects, label."""
    columns = dict.fromkeys(("left", "right", "left_object", "right_object", "label"), "VARCHAR")
    rows = rows_of(
        evidence.store,
        evidence.store.manifests("links", name),
        columns | {"_deleted": "BOOLEAN"},
        generation=True,
    )
    return f"""(SELECT "left", "right", any_value(left_object) AS left_object,
        any_value(right_object) AS right_object, label FROM {rows} GROUP BY "left", "right", label
        HAVING NOT arg_max(coalesce(_deleted, false), _gen))"""


def link_ends(evidence: Evidence, name: str) -> str:
    """Table of the staged links of one plan entry with their end: made, refused (why), blocked (cause)."""
    return evidence.once(("link ends", name), lambda: _link_ends(evidence, name))


def _link_ends(evidence: Evidence, name: str) -> str:
    manifest = evidence.store.manifest(f"blocked/{name}/current")
    blocked = rows_of(
        evidence.store,
        [manifest] if manifest else [],
        dict.fromkeys(("left", "right", "label", "cause"), "VARCHAR"),
    )
    far = f"""coalesce(r.target_id, {itself_sql('s."right"')})"""
    return evidence.table(
        f"links {name}",
        f"""SELECT s.*, l.target_id AS left_id, {far} AS right_id, m.op IS NOT NULL AS made,
              f.reason AS refused, b.cause,
              b.cause IS NOT NULL OR l.key IS NULL OR {far} IS NULL AS blocked
            FROM {staged_links(evidence, name)} AS s
            LEFT JOIN {evidence.crosswalk} AS l ON l.key = s."left"
            LEFT JOIN {evidence.crosswalk} AS r ON r.key = s."right"
            LEFT JOIN ({LINKS.format(journal=evidence.journal)}) AS m ON m."left" = l.target_id
              AND m."right" = {far} AND m.label = s.label
              AND m.object = s.left_object || '>' || s.right_object
            LEFT JOIN {evidence.refused} AS f ON f.kind = 'link'
              AND f.key = s."left" || '>' || s."right" || '>' || s.label
            LEFT JOIN (SELECT "left", "right", label, min(cause) AS cause FROM {blocked} GROUP BY ALL) AS b
              ON b."left" = s."left" AND b."right" = s."right" AND b.label = s.label""",
    )
