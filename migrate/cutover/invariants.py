"""Does what has to happen still happen? `No record from the web form for six hours` is such a thing.

Of a source's object it is asked of the extract, up to its newest watermark: no system is troubled, and where
the extract is too old to tell, that is said. Of a target's object the target is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from migrate.clock import parse_stamp, stamp
from migrate.engine import identifier, parquet, text
from migrate.errors import Position, UsageError
from migrate.plan import parse_expression
from migrate.plan.terms import parse_span
from migrate.stages.changes import Look
from migrate.stages.snapshot import asked_of

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.plan.cutover import InvariantPlan
    from migrate.workspace import Workspace

AT = Position("plan.yaml")


@dataclass(frozen=True)
class Held:
    """One invariant of the plan. `last`: when the newest record came that it is about, "" where none is
    known."""

    name: str
    state: Literal["holds", "breached", "unknown"]
    words: str
    last: str = ""


def invariants(workspace: Workspace) -> list[Held]:
    """Look at every invariant under `cutover: watch`.

    Raises:
        UsageError: an object that neither system has, or one that bears no time.
        PlanError: a `where` can't be read.
        Parked, SystemRefused: the target, where one is about it.
    """
    return [_held(workspace, each) for each in workspace.plan.model.cutover.watch.invariants]


def _held(workspace: Workspace, one: InvariantPlan) -> Held:
    source, target = workspace.catalog("source").objects, workspace.catalog("target").objects
    extracted = workspace.store.manifests("source", one.object)
    if one.object in source and (extracted or one.object not in target):
        return _of_source(workspace, one, source[one.object])
    if one.object in target:
        return _of_target(workspace, one, target[one.object])
    raise UsageError(
        f"The invariant `{one.name}` is about `{one.object}`, which neither system has.",
        "Name an object of the source or of the target under `cutover: watch: invariants`.",
    )


def _of_source(workspace: Workspace, one: InvariantPlan, schema: ObjectSchema) -> Held:
    every, manifests = parse_span(one.every), workspace.store.manifests("source", one.object)
    if not manifests:
        return Held(one.name, "unknown", f"`{one.object}` hasn't been extracted.")
    marks = [parse_stamp(str(each.facts["watermark"])) for each in manifests]
    known, now = max(marks), workspace.clock.now()
    if now - known > every:
        return Held(one.name, "unknown", f"The newest extract of `{one.object}` is of {_at(known)}.")
    # A record that came within the span is in every extract that began after it.
    files = [
        path
        for each, mark in zip(manifests, marks, strict=True)
        if mark >= known - every
        for path in workspace.store.files(each)
    ]
    return _judged(one, _newest(workspace, one, schema, files), known, every)


def _of_target(workspace: Workspace, one: InvariantPlan, schema: ObjectSchema) -> Held:
    every = parse_span(one.every)
    columns = [_time(one, schema), *_inputs(one, schema)]
    folder = f"invariants/{one.object}/look"
    with closing(workspace.target()) as target:
        now = target.now()
        asked = asked_of(target, schema, "", columns)
        look = Look(target, workspace.store, workspace.engine, workspace.clock)
        changed = look.changed(folder, asked, now - every)
    try:
        newest = _newest(workspace, one, schema, workspace.store.files(changed))
    finally:
        workspace.store.discard(f"{folder}-changed")
    return _judged(one, newest, now, every)


def _judged(one: InvariantPlan, newest: datetime | None, now: datetime, every: timedelta) -> Held:
    last = stamp(newest) if newest else ""
    if newest is not None and newest > now - every:
        return Held(one.name, "holds", f"The last one came at {_at(newest)}.", last)
    return Held(
        one.name, "breached",
        f"No such record of `{one.object}` for {one.every}, as of {_at(now)}"
        + (f"; the last one came at {_at(newest)}." if newest else "."), last,
    )  # fmt: skip


def _newest(
    workspace: Workspace, one: InvariantPlan, schema: ObjectSchema, files: Sequence[str]
) -> datetime | None:
    """When the newest record came that the invariant is about; None where these files have none."""
    if not files:
        return None
    where = parse_expression(one.where, schema.fields, AT).sql if one.where else "true"
    at = identifier(_time(one, schema))
    found = workspace.engine.rows(
        f"SELECT max({at}) AS at FROM {parquet(files)} WHERE coalesce(TRY(CAST(({where}) AS BOOLEAN)), false)"
    )[0]["at"]
    return None if found is None else parse_stamp(found.isoformat())


def _inputs(one: InvariantPlan, schema: ObjectSchema) -> list[str]:
    return sorted(parse_expression(one.where, schema.fields, AT).inputs) if one.where else []


def _time(one: InvariantPlan, schema: ObjectSchema) -> str:
    """The field that tells when a record came."""
    name = schema.created or schema.stamp
    if name is None:
        raise UsageError(
            f"The invariant `{one.name}` is about `{one.object}`, whose records bear no time.",
            f"Name another object than {text(one.object)}.",
        )
    return name


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
