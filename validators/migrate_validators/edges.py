"""Which record hangs under which, at the source? Told from the source's own fields, by the plan's links.

So also what was rejected or skipped is found under its parent, which no staged link would tell. A parent that
was merged into another one is that other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.plan.keys import key_sql
from migrate.stages.crosswalk import latest_extracted

if TYPE_CHECKING:
    from migrate.plan.models import LinkPlan, ObjectPlan
    from migrate_validators.evidence import Evidence


def parents(evidence: Evidence, each: ObjectPlan) -> set[str]:
    """The entries to whose records those of an entry lead, by a link or a reference."""
    found = {one for name in each.fields.values() if name.gather is None for one in name.entries}
    for link in each.links:
        found |= set(_ends(evidence, link))
    for other in evidence.plan.model.objects:
        if any(name.gather is not None and each.name in name.entries for name in other.fields.values()):
            found.add(other.name)
    return found


def edges_of(evidence: Evidence, child: ObjectPlan, parent: ObjectPlan) -> list[str]:
    """Queries (child, parent) of migration keys: which records of one entry hang under which of another."""
    return [*_links(evidence, child, parent), *_references(evidence, child, parent),
            *_gathered(evidence, child, parent)]  # fmt: skip


def _ends(evidence: Evidence, link: LinkPlan) -> list[str]:
    """The entries of a link's far end."""
    if link.on is not None:
        return []
    return link.entries or [each.name for each in evidence.plan.model.objects if each.target == link.to]


def _links(evidence: Evidence, child: ObjectPlan, parent: ObjectPlan) -> Iterator[str]:
    for link in child.links:
        if parent.name not in _ends(evidence, link):
            continue
        if link.via is not None:
            yield from _pairs(evidence, child.source, None, link.via, child, parent)
        elif link.through is not None and link.left is not None and link.right is not None:
            yield from _pairs(evidence, link.through, link.left, link.right, child, parent)


def _references(evidence: Evidence, child: ObjectPlan, parent: ObjectPlan) -> Iterator[str]:
    for field in child.fields.values():
        if field.gather is None and parent.name in field.entries:
            yield from _pairs(evidence, child.source, None, field.origin.strip(), child, parent)


def _gathered(evidence: Evidence, child: ObjectPlan, parent: ObjectPlan) -> Iterator[str]:
    """Records that their parent lists, because each names its parent."""
    for field in parent.fields.values():
        named = field.entries.get(child.name) if field.gather is not None else None
        if named is not None:
            yield from _pairs(evidence, child.source, None, named, child, parent)


def _pairs(
    evidence: Evidence, source: str, left: str | None, right: str, child: ObjectPlan, parent: ObjectPlan
) -> Iterator[str]:
    """Pairs out of the fields of a source object; none where these aren't its fields.

    Args:
        left: the field with the child's id; None: the record is the child itself.
    """
    schema = evidence.source.objects.get(source)
    if schema is None:
        return
    folded = {name.casefold(): name for name in schema.fields} | {"_id": "_id"}
    names = [folded.get(name.casefold()) for name in (left or "_id", right)]
    if None in names:
        return
    one, other = (str(name) for name in names)
    newest = latest_extracted(evidence.store, source, dict.fromkeys((one, other), "VARCHAR"))
    family = evidence.source.family
    up = key_sql(family, parent.name, f"trim(s.{identifier(other)})")
    down = key_sql(family, child.name, f"trim(s.{identifier(one)})")
    ends = f"(SELECT * FROM {evidence.ends} WHERE outcome <> 'unknown')"
    yield f"""SELECT c.key AS child, coalesce(p.survivor, p.key) AS parent FROM {newest} AS s
        JOIN {ends} AS c ON c.entry = {text(child.name)} AND c.key = {down}
        JOIN {ends} AS p ON p.entry = {text(parent.name)} AND p.key = {up}"""
