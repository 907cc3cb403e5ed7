"""Do people's edits find their way, in either direction? Somebody edits a twin's records; where do they land?

A field is edited that the plan takes over as it is, as text, so that what must arrive is known without the
plan's own machinery. Edits are made through the twin's own pages (its `act`), by one of its people, never
through our connectors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from migrate.catalog import Field
from migrate.cutover import homes
from migrate.cutover.inverses import quick
from migrate.engine import parquet, text
from migrate.load.work import crosswalk
from migrate.plan.keys import belongs_sql, id_of
from migrate.plan.models import ObjectPlan
from migrate.twins import Standing
from migrate.types import Kind
from migrate.workspace import Role, Workspace

TEXTS = (Kind.STRING, Kind.TEXT)
SHORTEST = 40  # characters that an edited field takes
EDITS = 3  # records of each entry


@dataclass(frozen=True)
class Way:
    """A text that an entry takes over as it is: a field of the source, and of the target."""

    plan: ObjectPlan
    old: str
    new: str


@dataclass(frozen=True)
class Edit:
    """What somebody wrote. `id`: of the record in the system where it was written."""

    way: Way
    key: str
    id: str
    value: str


def ways(workspace: Workspace, among: Collection[str] | None = None) -> list[Way]:
    """One such field of each entry that has one.

    Args:
        among: `object.field` of the target; None: any.
    """
    source, target = workspace.catalog("source"), workspace.catalog("target")
    found = []
    for plan in workspace.plan.model.objects:
        olds, news = source.objects[plan.source].fields, target.objects[plan.target].fields
        for name, field in plan.fields.items():
            plain = not (field.picklist or field.owner or field.reference or field.wins or field.python)
            old, new = olds.get(field.origin), news.get(name)
            bound = name in plan.match or (plan.dedupe is not None and field.origin in str(plan.dedupe.on))
            if among is not None and f"{plan.target}.{name}" not in among:
                continue
            if plain and not bound and _editable(old) and _editable(new):
                found.append(Way(plan, field.origin, name))
                break
    return found


def _editable(field: Field | None) -> bool:
    if field is None or field.kind not in TEXTS or not field.updateable or field.html:
        return False
    return not (field.unique or field.external_id or field.calculated) and (
        field.length is None or field.length >= SHORTEST
    )


def edit(
    workspace: Workspace, standing: Standing, role: Role, cohort: str, word: str,
    spared: Collection[str] = (), each: int = EDITS,
) -> list[Edit]:  # fmt: skip
    """Somebody edits a few records of each entry in the twin of one side: records of the cohort that we have
    loaded, and that are at home there. In the target's twin only fields that have an exact way back.

    Args:
        word: stands in what is written, so that two rounds differ.
        spared: keys that aren't edited, for what was written there before is still looked for.
    """
    crosswalk(workspace)
    engine, store, family = workspace.engine, workspace.store, workspace.catalog("source").family
    there = homes.keys(workspace, cohort)
    if not there:
        return []
    exact = None
    if role == "target":
        exact = {one.name for one in quick(workspace).inverses if one.verdict == "exact"}
    not_those = ", ".join(text(key) for key in spared) or "''"
    made: list[Edit] = []
    for way in ways(workspace, exact):
        staged = [
            path for manifest in store.manifests("ready", way.plan.name) for path in store.files(manifest)
        ]
        rows = engine.rows(
            f"""SELECT c.key, c.target_id FROM crosswalk AS c
            JOIN {homes.home(workspace)} AS home ON home.key = c.key AND home.side = {text(role)}
            WHERE {belongs_sql(family, way.plan.name, "c.key")} AND c.object = {text(way.plan.target)}
            AND c.key IN (SELECT key FROM {parquet(there)}) AND c.key NOT IN ({not_those})
            AND c.key IN (SELECT _key FROM {parquet(staged)} WHERE NOT _deleted)
            ORDER BY md5(c.key) LIMIT {each}"""
        )
        object, field = (way.plan.source, way.old) if role == "source" else (way.plan.target, way.new)
        for number, row in enumerate(rows):
            id = id_of(row["key"]) if role == "source" else row["target_id"]
            one = Edit(way, row["key"], id, f"{word} {number}")
            standing.act("update", object, id, who=_somebody(workspace, role), **{field: one.value})
            made.append(one)
    return made


def _somebody(workspace: Workspace, role: Role) -> str:
    """One of the twin's people who isn't the integration's user; "" where it knows none."""
    people = [each.id for each in workspace.catalog(role).owners if each.active and not each.queue]
    return people[-1] if people else ""


def missing(workspace: Workspace, edits: Sequence[Edit], role: Role) -> list[str]:
    """Edits that haven't arrived in the other system, as its own API tells: `key field` each.

    Args:
        role: the system in which they should be by now.
    """
    crosswalk(workspace)
    listed = ", ".join(text(each.key) for each in edits)
    rows = (
        workspace.engine.rows(f"SELECT key, target_id FROM crosswalk WHERE key IN ({listed})")
        if edits
        else ()
    )
    ids = {row["key"]: row["target_id"] for row in rows}
    lost: list[str] = []
    with closing(workspace.connector(role)) as system:
        for way, there in _by_way(edits):
            object, field = (way.plan.target, way.new) if role == "target" else (way.plan.source, way.old)
            of = {each.key: ids.get(each.key, "") if role == "target" else id_of(each.key) for each in there}
            held = system.read_back(object, [field], ids=sorted({id for id in of.values() if id}))
            values = {each.id: each.values.get(field) for each in held}
            lost += [f"{each.key} {field}" for each in there if values.get(of[each.key]) != each.value]
    return lost


def _by_way(edits: Sequence[Edit]) -> Iterator[tuple[Way, list[Edit]]]:
    for way in {id(each.way): each.way for each in edits}.values():
        yield way, [each for each in edits if each.way is way]
