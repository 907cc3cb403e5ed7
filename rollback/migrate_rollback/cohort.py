"""Which records does a cohort mean? Those that an expression chooses at the source, and what hangs there.

`Account: Region = 'EMEA'` speaks for one source object (or one entry of the plan); without a name and colon
an expression speaks for every object that has all its fields. These records are chosen by the expression
alone. Every other record belongs with its nearest parents: of the references and links that the plan gives
it, those that lead to the chosen objects in the fewest steps; one of them in the cohort is enough. So a deal
goes with its account, not with a person of another account who has a role in it. What has no such parent
stays.

The keys are published before a rollback begins, so that a run that goes on, and its verification, mean the
same records, whatever is extracted meanwhile. Values are the newest extracted ones of each record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from migrate.catalog import Field
from migrate.engine import identifier, parquet, text
from migrate.errors import PlanError, Position, UsageError
from migrate.load.references import leads_of
from migrate.plan import Expression, parse_expression
from migrate.plan.keys import entry_sql, itself_sql, key_sql
from migrate.plan.models import ObjectPlan
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback import at_home

_NAMED = re.compile(r"\s*([A-Za-z_][\w~.]*)\s*:(?!:)\s*(.*)", re.DOTALL)


def folder(attempt: int) -> str:
    """Where the keys of a rollback's cohort are published."""
    return f"rollback/attempt-{attempt}/cohort"


def select(workspace: Workspace, expression: str, attempt: int) -> Manifest:
    """Publish the migration keys of a cohort, in one column `key`.

    Args:
        expression: or the name of one of the plan's cohorts.

    Raises:
        UsageError: the expression can't be read, or no record of the source is in the cohort.
    """
    import pyarrow as pa

    engine, store, place = workspace.engine, workspace.store, folder(attempt)
    if at_home.is_named(workspace, expression):
        at_home.members(workspace, expression, attempt)
    else:
        members(workspace, expression)
    store.discard(place)
    with store.writer(place, pa.schema([("key", pa.string())])) as writer:
        for batch in engine.stream("SELECT DISTINCT key FROM cohort_keys ORDER BY key"):
            writer.write(batch)
    rows_in_all = sum(part.rows for part in writer.parts)
    facts = {"cohort": expression}
    return store.publish(
        Manifest(place, "rollback", str(attempt), 0, rows_in_all, tuple(writer.parts), facts=facts)
    )


def members(workspace: Workspace, expression: str) -> None:
    """Make the engine's table `cohort_keys` (key): the records of a cohort.

    Raises:
        UsageError: as `select`.
    """
    engine = workspace.engine
    chosen = _chosen(workspace, expression)
    engine.run("CREATE OR REPLACE TABLE cohort_keys (key VARCHAR)")
    family = workspace.catalog("source").family
    for entry, found in chosen:
        rows = _newest(workspace, "source", entry.source, "_id")
        if rows is not None:
            engine.run(
                f"""INSERT INTO cohort_keys SELECT {key_sql(family, entry.name, "_id")} FROM {rows}
                WHERE {found.sql}"""
            )
    if not engine.rows("SELECT 1 FROM cohort_keys LIMIT 1"):
        raise UsageError(
            f"The cohort `{expression}` has no record: nothing that was extracted is so.",
            "Compare its values with those at the source; texts are compared to the letter.",
        )
    steps = distances(workspace.plan.model.objects, [each.name for each, _ in chosen])
    for entry in sorted(workspace.plan.model.objects, key=lambda each: steps.get(each.name, 0)):
        if steps.get(entry.name, 0):
            _hang(workspace, entry, steps)


def distances(plans: list[ObjectPlan], chosen: list[str]) -> dict[str, int]:
    """Fewest steps from each entry to a chosen one, along its references and links; without those from which
    none leads there."""
    parents = {each.name: set(_parents(each, plans)) for each in plans}
    found = dict.fromkeys(chosen, 0)
    while True:
        known = dict(found)
        for name, above in parents.items():
            near = [found[parent] + 1 for parent in above if parent in found]
            if name not in chosen and near:
                found[name] = min(near)
        if found == known:
            return found


def _parents(each: ObjectPlan, plans: list[ObjectPlan]) -> Iterator[str]:
    for field in each.fields.values():
        yield from field.entries
    for link in each.links:
        yield from (
            other.name for other in plans
            if other.target == link.to and (not link.entries or other.name in link.entries)
        )  # fmt: skip


def _chosen(workspace: Workspace, expression: str) -> list[tuple[ObjectPlan, Expression]]:
    """The entries for which an expression speaks, each with what it is there.

    Raises:
        UsageError: it speaks for none.
    """
    plans, catalog = workspace.plan.model.objects, workspace.catalog("source")
    named = _NAMED.fullmatch(expression)
    condition = named[2] if named else expression
    of = [each for each in plans if not named or named[1] in (each.source, each.name)]
    if not of:
        names = ", ".join(dict.fromkeys(f"`{each.source}`" for each in plans))
        raise UsageError(f"The plan has no object `{named[1] if named else ''}`.", f"Its objects: {names}.")
    found, wrong = [], ""
    for each in of:
        fields = catalog.objects[each.source].fields
        try:
            parsed = parse_expression(condition, fields, Position("--cohort"), owner=each.source)
            wrong = wrong or _not_a_condition(workspace, parsed, fields)
            found.append((each, parsed))
        except PlanError as error:
            wrong = wrong or "; ".join(f"{m.what} {m.remedy}".strip() for m in error.mistakes)
    if not found or (wrong and (named or len(of) == len(found))):
        raise UsageError(
            f"The cohort `{expression}` can't be read: {wrong}",
            f"Write `{of[0].source}: ` and a condition over its fields, as in a plan's `where`.",
        )
    return found


def _not_a_condition(workspace: Workspace, parsed: Expression, fields: Mapping[str, Field]) -> str:
    try:
        kind = workspace.engine.describe({"x": parsed.sql}, {name: fields[name] for name in parsed.inputs})[
            "x"
        ]
    except ValueError as error:
        return str(error).partition("\n")[0]
    return "" if kind == "BOOLEAN" else f"it gives {kind}, and must be true or false."


def _newest(workspace: Workspace, stage: str, name: str, by: str, where: str = "true") -> str | None:
    """A table expression of each record's newest row over all generations, deleted ones as they last were;
    None where there is no row."""
    selects = [
        f"SELECT *, {each.generation} AS _gen FROM {parquet(files)} WHERE {where}"
        for each in workspace.store.manifests(stage, name)
        if (files := workspace.store.files(each))
    ]
    if not selects:
        return None
    rows = " UNION ALL BY NAME ".join(selects)
    return f"(SELECT * FROM ({rows}) QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY _gen DESC) = 1)"


def _hang(workspace: Workspace, entry: ObjectPlan, steps: Mapping[str, int]) -> None:
    """Add the records of an entry whose nearest parents are in the cohort."""
    pairs = list(_pairs(workspace, entry))
    if not pairs:
        return
    near = ", ".join(
        f"({text(name)}, {steps_})" for name, steps_ in steps.items() if steps_ < steps[entry.name]
    )
    workspace.engine.run(
        f"""INSERT INTO cohort_keys SELECT DISTINCT key FROM (
          SELECT key, parent, steps, min(steps) OVER (PARTITION BY key) AS nearest
          FROM ({" UNION ALL ".join(pairs)}) JOIN (VALUES {near}) AS near(entry, steps)
            ON near.entry = {entry_sql("parent")}
          WHERE parent IS NOT NULL)
        WHERE steps = nearest AND parent IN (SELECT key FROM cohort_keys)"""
    )


def _pairs(workspace: Workspace, entry: ObjectPlan) -> Iterator[str]:
    """Queries of (key, parent): the references and the links of an entry's records, as staged last."""
    rows = _newest(workspace, "ready", entry.name, "_key", "NOT _deleted")
    names = set[str]()
    for each in workspace.store.manifests("ready", entry.name):
        names |= set(each.schema)
    for lead in leads_of(entry):
        if rows is not None and lead.name in names:
            column = identifier(lead.name)
            yield f"SELECT _key AS key, {f'unnest({column})' if lead.many else column} AS parent FROM {rows}"
    for index in range(len(entry.links)):
        staged = _newest(workspace, "links", f"{entry.name}.{index}", '"left", "right", label')
        if staged is not None:
            yield f"""SELECT "left" AS key, "right" AS parent FROM {staged}
              WHERE NOT _deleted AND {itself_sql('"right"')} IS NULL"""
