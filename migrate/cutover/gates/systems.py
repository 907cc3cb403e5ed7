"""Are both systems still as they were checked, and do they let us work? Asked now, of both.

Picklists are compared with those that the ready rows were made with, so that a value that went after the
rehearsal shows even where somebody has discovered again; fields with those of the last `discover`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from migrate_validators.classes import FAIL
from migrate_validators.drift import changed
from migrate_validators.reading import fields_filled, fields_read

from migrate.connector import Connector, Rights
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.gates.rehearsed import projected
from migrate.errors import Drifted, InDoubt, Parked, Retriable, SystemRefused
from migrate.stages.drift import before_load
from migrate.stages.pipeline import source_objects

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover

DRIFT, QUOTA = "drift", "quota"
AWAY = (SystemRefused, Parked, Retriable, InDoubt, OSError)
DISCOVER = "migrate discover; migrate check; migrate transform; migrate load"


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """Drift of both systems, then what is left of both quotas. One that is away makes its lines red."""
    workspace = cutover.workspace
    try:
        with closing(workspace.source()) as source, closing(workspace.target()) as target:
            yield _drift(cutover, source, target)
            yield _quota(cutover, source, target)
    except AWAY as error:
        told = str(error).splitlines()[0]
        yield red(DRIFT, f"A system couldn't be asked: {told}", "migrate check --live", about=DRIFT)
        yield red(QUOTA, "What is left of the quotas isn't known.", "migrate check --live", about=QUOTA)


def _drift(cutover: Cutover, source: Connector, target: Connector) -> GateLine:
    """Red where something changed that the plan reads or fills."""
    workspace = cutover.workspace
    try:
        before_load(workspace, target)
    except Drifted as error:
        told = [str(each) for each in error.changes if each.matters]
        return red(
            DRIFT, f"Picklists have changed: {_few(told)}", DISCOVER, f"{len(told)} values", about=told
        )
    told = _fields(cutover, source, target)
    if told:
        return red(DRIFT, f"Fields have changed: {_few(told)}", DISCOVER, f"{len(told)} fields", about=told)
    return green(DRIFT, "Fields and picklists of both systems are as they were checked.")


def _fields(cutover: Cutover, source: Connector, target: Connector) -> list[str]:
    workspace, plan = cutover.workspace, cutover.workspace.plan
    was_source, was_target = workspace.catalog("source"), workspace.catalog("target")
    read = fields_read(plan, was_source)
    sides = [
        (source, was_source, {each: tuple(read.get(each, ())) for each in source_objects(plan)}, False),
        (target, was_target,
         {each.target: tuple(fields_filled(plan, each.target)) for each in plan.model.objects}, True),
    ]  # fmt: skip
    found = []
    for system, catalog, used, filled in sides:
        now = system.discover()
        for object, fields in used.items():
            if object not in catalog.objects:
                continue  # `check` tells of an object that was never there
            changes = changed(catalog.objects[object], now.objects.get(object), fields, filled=filled)
            found += [
                f"{system.system}: {object}.{each.field}: {each.was} -> {each.now}"
                for each in changes
                if each.grade == FAIL
            ]
    return found


def _quota(cutover: Cutover, source: Connector, target: Connector) -> GateLine:
    """Red where less is left than the plan's share, or than a delta and a rollback take by the rehearsal."""
    plan = cutover.workspace.plan
    share = plan.model.cutover.gate.quota
    need = sum(projected(cutover, step, "calls") or 0.0 for step in ("delta", "rollback"))
    sides = (
        (source, source_objects(plan), False, 0.0),
        (target, [each.target for each in plan.model.objects], True, need),
    )
    told, short = [], []
    for system, objects, write, least in sides:
        rights: Rights = system.rights(objects, write=write)
        if rights.calls_left is None or not rights.calls_max:
            told.append(f"{system.system}: not told")
            continue
        figure = f"{system.system}: {rights.calls_left:,} of {rights.calls_max:,} calls left"
        told.append(figure)
        if rights.calls_left < share * rights.calls_max:
            short.append(f"{figure}, less than {share:.0%}")
        elif rights.calls_left < least:
            short.append(f"{figure}, and a delta and a rollback take up to {least:,.0f}")
    if short:
        words = f"Too little is left for deltas and a way back: {'; '.join(short)}."
        remedy = "migrate cutover gate (after the quota's renewal)"
        return red(QUOTA, words, remedy, "; ".join(told), about=QUOTA)
    return green(QUOTA, f"At least {share:.0%} of each quota that is told is left.", "; ".join(told))


def _few(parts: list[str], most: int = 3) -> str:
    return "; ".join(parts[:most]) + (f"; and {len(parts) - most:,} more" if len(parts) > most else "")
