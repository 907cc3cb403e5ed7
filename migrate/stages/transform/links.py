"""Which pairs of records are linked in the target, by which label?

A link comes from a reference of the object (`via`) or from a junction object (`through`). Both ends
are migration keys, moved to the survivor where a record was merged; an end that was skipped or
rejected stays, and the load blocks the link with the cause. Of a source object with several parts, what a
part skips is another part's to link, and is skipped, as is a reference to an object that the link isn't to.
A pair stands once per label, with the lowest source id.

A reference has one parent. Where records with different parents were merged, the first in the order
of the group keeps the label; the others' parents are linked with the label `default`, if the target
knows it for these objects, else rejected. A link whose ends were merged into one is rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate.catalog import Field
from migrate.engine import identifier, parquet, text
from migrate.plan.keys import ITSELF
from migrate.plan.models import LabelMap, LinkPlan
from migrate.stages.checked import CheckedLink
from migrate.stages.snapshot import known_folder
from migrate.stages.transform.current import current
from migrate.stages.transform.dedupe import normal
from migrate.stages.transform.evaluate import own_rows
from migrate.stages.transform.homes import home_table
from migrate.stages.transform.publish import REJECT, publish
from migrate.stages.transform.work import Column, ObjectWork, Work, attempt, filled, followed

LINK = {
    "left": "VARCHAR",
    "right": "VARCHAR",
    "left_object": "VARCHAR",
    "right_object": "VARCHAR",
    "label": "VARCHAR",
    "missing": "VARCHAR",
    "source_id": "VARCHAR",
    "_deleted": "BOOLEAN",
}
UNLABELLED = "default"
_SKIPS = "'where', 'unknown'"  # left out as the plan says, or because the target holds nobody of that value


@dataclass(frozen=True)
class LinkCounts:
    """Links of one object: found = staged + skipped + folded + rejected.

    `staged`: pairs that are to be there. `folded`: the same pair and label again. `written`, `unlinked`:
    rows of this generation's artifact that are new, or to be taken away.
    """

    found: int = 0
    staged: int = 0
    skipped: int = 0
    folded: int = 0
    rejected: int = 0
    written: int = 0
    unlinked: int = 0

    def __add__(self, other: LinkCounts) -> LinkCounts:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return LinkCounts(*(mine + theirs for mine, theirs in pairs))


def link(work: Work, each: ObjectWork, index: int) -> LinkCounts:
    """Stage one entry of the plan's `links`: `links/<entry>.<index>` and its rejects."""
    checked = each.checked.links[index]
    plan = checked.plan
    name = f"{each.name}.{index}"
    table = each.table(f"link{index}")
    _found(work, each, checked, table)
    _checked(work, each, checked, table)
    counted = work.engine.rows(
        f"SELECT count(*) AS found, count(*) FILTER (reason IN ({_SKIPS})) AS skipped, "
        f"count(*) FILTER (reason NOT IN ('', {_SKIPS})) AS rejected FROM {table}_all"
    )[0]
    staged = int(work.one(f"SELECT count(*) FROM {table}_pairs"))
    publish(
        work, "rejects", name,
        f"SELECT _key, sid AS _source_id, field, reason, value, detail FROM {table}_all "
        f"WHERE reason NOT IN ('', {_SKIPS}) ORDER BY _source_id, field",
        REJECT, {},
    )  # fmt: skip
    _changes(work, name, table, plan, each)
    written = int(work.one(f"SELECT count(*) FILTER (NOT _deleted) FROM {table}_rows"))
    unlinked = int(work.one(f"SELECT count(*) FILTER (_deleted) FROM {table}_rows"))
    kept = int(counted["found"]) - int(counted["skipped"]) - int(counted["rejected"])
    counts = LinkCounts(
        int(counted["found"]),
        staged,
        int(counted["skipped"]),
        kept - staged,
        int(counted["rejected"]),
        written,
        unlinked,
    )
    order = 'ORDER BY "left", "right", label, _deleted'
    publish(
        work,
        "links",
        name,
        f"SELECT {', '.join(map(identifier, LINK))} FROM {table}_rows {order}",
        LINK,
        vars(counts),
    )
    return counts


def _found(work: Work, each: ObjectWork, link: CheckedLink, table: str) -> None:
    """`<table>_keys`: sid, left and right keys as the source has them, label value, where."""
    rows = current(work, link.through.name) if link.through else own_rows(work, each)
    left = identifier(link.left.name) if link.left else "_id"
    right = identifier(link.right.name)
    label, where = "{'v': NULL::VARCHAR}", "{'v': true}"
    if link.label_from is not None:
        label = attempt(f"CAST(({link.label_from.sql}) AS VARCHAR)")
    if link.where is not None:
        where = attempt(f"CAST(({link.where.sql}) AS BOOLEAN)")
    given = "true" if link.through else filled(right)
    ours = [_leads_to(work, link.left, f"nullif(trim({left}), '')", [each.source])] if link.left else []
    if link.plan.on is None:
        sources = [work.objects[name].source for name in link.entries]
        ours.append(_leads_to(work, link.right, f"nullif(trim({right}), '')", sources))
    if others := [condition for condition in ours if condition]:
        where = f"CASE WHEN {' AND '.join(others)} THEN {where} ELSE {{'v': false}} END"
    work.run(
        f"CREATE TABLE {table}_raw AS SELECT _id AS sid, nullif(trim({left}), '') AS left_id, "
        f"nullif(trim({right}), '') AS right_id, {label} AS label, {where} AS pass FROM {rows} WHERE {given}"
    )
    if link.plan.on is not None:
        _found_by(work, each, link.plan, table)
        return
    work.run(
        f"CREATE TABLE {table}_keys AS SELECT raw.*, {each.key('left_id')} AS left_key, "
        f"{_right_key(work, link)} AS right_key, 1 AS holders FROM {table}_raw AS raw"
    )


def _leads_to(work: Work, field: Field, id: str, sources: Sequence[str]) -> str:
    """A condition, where a reference may lead to other objects than these: an id is of one of them.

    It is where it is in an extract, or begins as only their ids do; so a record that is gone stays a broken
    link, and one of another object is another link's. "" where the field leads nowhere else.
    """
    if set(field.references) <= set(sources):
        return ""
    found = [f"{id} IS NULL"]
    for source in dict.fromkeys(sources):
        view = current(work, source)
        found.append(f"{id} IN (SELECT _id FROM {view} UNION ALL SELECT _id FROM {view}_merged)")
        prefix = work.source_schema(source).prefix
        alike = [each for each in work.source.objects.values() if each.prefix == prefix]
        if prefix and len(alike) == 1:
            found.append(f"starts_with({id}, {text(prefix)})")
    return f"({' OR '.join(found)})"


def _found_by(work: Work, each: ObjectWork, plan: LinkPlan, table: str) -> None:
    """`<table>_keys` where the far end is found in the target by a value: `holders` says how many have it.

    Raises:
        UsageError: the target's records haven't been read.
    """
    field = work.target.objects[plan.to].fields[str(plan.on)]
    there = work.needed(known_folder(plan.to, str(plan.on)), f"extract --object {each.source}")
    files = work.store.files(there)
    held = normal(identifier(field.name), Column(field.name, field, ""))
    work.run(
        f"CREATE TABLE {table}_base AS SELECT {held} AS value, min(_id) AS id, count(*) AS n FROM "
        + (parquet(files) if files else f"(SELECT '' AS _id, '' AS {identifier(field.name)} WHERE false)")
        + f" WHERE {filled(held)} GROUP BY ALL"
    )
    wanted = normal("raw.right_id", Column("right_id", field, ""))
    work.run(
        f"""CREATE TABLE {table}_keys AS SELECT raw.*, {each.key("left_id")} AS left_key,
            CASE WHEN b.n = 1 THEN {text(ITSELF)} || b.id END AS right_key, coalesce(b.n, 0) AS holders
        FROM {table}_raw AS raw LEFT JOIN {table}_base AS b ON b.value = {wanted}"""
    )


def _right_key(work: Work, link: CheckedLink) -> str:
    """The migration key of the right end; where it may be of several objects, of the one that has the id."""
    first, *others = (work.objects[name] for name in link.entries)
    cases = "".join(
        f"WHEN raw.right_id IN (SELECT _id FROM {current(work, each.source)} "
        f"UNION ALL SELECT _id FROM {current(work, each.source)}_merged) "
        f"THEN {each.key('raw.right_id')} "
        for each in others
    )
    key = first.key("raw.right_id")
    return f"CASE {cases}ELSE {key} END" if cases else key


def _elsewhere(work: Work, each: ObjectWork) -> str:
    """A condition on a link's keys: its record is skipped, or one end is, perhaps, of another part.

    Of a source object with several parts every part sees every reference; the parts that a record isn't
    of pass over its links.
    """
    shared = [
        one for one in work.objects.values()
        if any(o.source == one.source and o is not one for o in work.objects.values())
    ]  # fmt: skip
    skipped = " UNION ALL ".join(f"SELECT _key FROM {one.table('skipped')}" for one in shared)
    own = f"k.left_key IN (SELECT _key FROM {each.table('skipped')})"
    return f"{own} OR k.left_key IN ({skipped}) OR k.right_key IN ({skipped})" if shared else own


def _checked(work: Work, each: ObjectWork, checked: CheckedLink, table: str) -> None:
    """`<table>_all`: every found link with its end; `<table>_pairs`: those that are to be there."""
    survivors = " UNION ALL ".join(followed(work, other) for other in work.objects.values())
    plan = checked.plan
    label, join, unmapped = text(checked.label or UNLABELLED), "", "false"
    if isinstance(plan.label, LabelMap):
        fallback = checked.default if plan.label.unmapped == "default" else None
        home_table(work, f"{table}_homes", checked.labels or {})
        join = f"LEFT JOIN {table}_homes AS h ON h.value = k.label.v"
        other = (
            "k.label.v"
            if plan.label.unmapped == "add"
            else text(fallback)
            if fallback is not None
            else "NULL"
        )
        blank = text(checked.default or UNLABELLED)
        label = (
            f"CASE WHEN NOT {filled('k.label.v')} THEN {blank} WHEN h.value IS NOT NULL "
            f"THEN coalesce(h.home, {text(UNLABELLED)}) ELSE {other} END"
        )
        unmapped = f"{filled('k.label.v')} AND h.value IS NULL AND {other} IS NULL"
    elsewhere = _elsewhere(work, each)
    work.run(
        f"""CREATE TABLE {table}_ends AS
        SELECT k.sid, coalesce(l.survivor, k.left_key) AS "left",
            coalesce(r.survivor, k.right_key) AS "right",
            {label} AS label, coalesce(l.rank, 1) AS rank, k.label.v AS given,
            CASE WHEN k.holders > 1 THEN k.right_id END AS wanted,
            CASE WHEN k.pass IS NOT NULL AND NOT coalesce(k.pass.v, false) THEN 'where'
                WHEN {elsewhere} THEN 'where'
                WHEN k.left_id IS NULL OR k.right_id IS NULL THEN 'required'
                WHEN k.pass IS NULL OR k.label IS NULL THEN 'expression'
                WHEN k.holders = 0 THEN 'unknown'
                WHEN k.holders > 1 THEN 'ambiguous_match'
                WHEN {unmapped} THEN 'unmapped_picklist'
                WHEN coalesce(l.survivor, k.left_key) = coalesce(r.survivor, k.right_key)
                    THEN 'merged_into_one' ELSE '' END AS reason
        FROM {table}_keys AS k LEFT JOIN ({survivors}) AS l ON l._key = k.left_key
        LEFT JOIN ({survivors}) AS r ON r._key = k.right_key {join}"""
    )
    second = "false"
    if plan.via:
        # One parent per label: later members of a merged group don't bring a second one.
        work.run(
            f"CREATE TABLE {table}_first AS "
            f'SELECT "left", label, arg_min("right", struct_pack(rank, sid)) AS "right" '
            f"FROM {table}_ends WHERE reason = '' AND label <> {text(UNLABELLED)} GROUP BY \"left\", label"
        )
        second = 'f."right" IS NOT NULL AND f."right" <> e."right"'
    knows = any(
        (one.left, one.right, one.label) == (each.plan.target, plan.to, UNLABELLED)
        for one in work.target.links
    )
    first = f'LEFT JOIN {table}_first AS f ON f."left" = e."left" AND f.label = e.label' if plan.via else ""
    work.run(
        f"""CREATE TABLE {table}_all AS
        SELECT e.sid, e."left", e."right", e.rank, coalesce(e.given, e.wanted) AS value,
            CASE WHEN {second} THEN {text(UNLABELLED)} ELSE e.label END AS label,
            coalesce(e."left", '') AS _key,
            CASE WHEN e.reason = '' AND {second} AND NOT {knows} THEN 'second_parent' ELSE e.reason END
                AS reason,
            CASE e.reason WHEN 'expression' THEN 'label or where'
                WHEN 'required' THEN 'left or right' ELSE 'label' END AS field,
            CASE e.reason WHEN 'expression' THEN 'the expression raises for this row'
                WHEN 'required' THEN 'one end of the link is empty'
                WHEN 'ambiguous_match' THEN 'several records of the target have this value'
                WHEN 'unmapped_picklist' THEN 'has no home in the map of labels'
                WHEN 'merged_into_one' THEN 'both ends are one record in the target'
                ELSE 'a merged record brings a second one under this label' END AS detail
        FROM {table}_ends AS e {first}"""
    )
    work.run(
        f"""CREATE TABLE {table}_pairs AS
        SELECT "left", "right", label, min(sid) AS source_id FROM {table}_all WHERE reason = ''
        GROUP BY "left", "right", label"""
    )


def _changes(work: Work, name: str, table: str, plan: LinkPlan, each: ObjectWork) -> None:
    """`<table>_rows`: links that are new since the generations before, and links that are gone."""
    earlier = " UNION ALL ".join(
        f"SELECT *, {number} AS _gen FROM {work.scan(manifest, LINK)}"
        for number, manifest in work.earlier("links", name)
    )
    work.run(
        f'CREATE TABLE {table}_prior AS SELECT "left", "right", label, last.source_id AS source_id FROM ('
        f'SELECT "left", "right", label, arg_max(struct_pack(source_id, _deleted), _gen) AS last FROM ('
        + (
            earlier
            or f"SELECT {', '.join(f'NULL::{kind} AS {identifier(n)}' for n, kind in LINK.items())}, "
            "0 AS _gen WHERE false"
        )
        + ') GROUP BY "left", "right", label) WHERE NOT last._deleted'
    )
    same = 'USING ("left", "right", label)'
    objects = f"{text(each.plan.target)} AS left_object, {text(plan.to)} AS right_object"
    work.run(
        f"""CREATE TABLE {table}_rows AS
        SELECT "left", "right", {objects}, label, {text(plan.missing)} AS missing, source_id,
            false AS _deleted
        FROM {table}_pairs ANTI JOIN {table}_prior {same}
        UNION ALL
        SELECT "left", "right", {objects}, label, {text(plan.missing)}, source_id, true
        FROM {table}_prior AS p ANTI JOIN {table}_pairs {same}
        WHERE source_id NOT IN (SELECT sid FROM {table}_all WHERE reason NOT IN ('', {_SKIPS}))"""
    )
