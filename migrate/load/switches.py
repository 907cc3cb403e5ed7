"""Which automations of the target are off because of us, and are they on again when we go?

What the plan names (`automations: switch_off`) is off while we write. Each is in the ledger, with what brings
it back, before it is switched; it is switched on again when the command ends, however it ends. After a kill
the next command that writes to the target does it, or `migrate automations restore`; until then `status` says
so. How an automation stands is always asked of the target, never concluded from what we sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from migrate.connector import Automation, ListsAutomations, SwitchesAutomations
from migrate.errors import InDoubt, MigrateError, SystemRefused, UsageError
from migrate.ledger.switches import GOING_OFF, GONE, OFF, ON, Switch, open_switches
from migrate.ledger.tables import switches
from migrate.load.context import Loading

TRIES = 4  # of one switching whose answer keeps getting lost


@contextmanager
def quiet(loading: Loading, *, strict: bool = True) -> Iterator[list[Switch]]:
    """The automations that the plan names are off inside; afterwards all that we switched off are on again.

    Args:
        strict: refuse a plan that names what isn't there, or can't be switched; else it is passed over.

    Raises:
        UsageError: the plan names one that isn't there, or that can't be switched.
        SystemRefused: the target doesn't let us; what was off before that is on again.
    """
    plan = loading.workspace.plan.model
    try:
        objects = [each.target for each in plan.objects]
        yield _switch_off(loading, plan.automations.switch_off, objects, strict=strict)
    except BaseException:
        with suppress(MigrateError):  # what stays off is in the ledger, and told by `status`
            restore(loading)
        raise
    restore(loading)


def restore(loading: Loading) -> list[Switch]:
    """Switch on again all that we switched off, as it was; returns each with its end: on or gone.

    Raises:
        SystemRefused: the target doesn't let us; the rest is switched on all the same.
    """
    found = open_switches(loading.ledger, loading.system)
    if not found:
        return []
    target = _switching(loading)
    refused: MigrateError | None = None
    for each in found:
        try:
            now = target.states([each.automation])
            if each.automation not in now:
                _mark(loading, each, GONE)
                continue
            # Never gone off, or somebody has switched it on meanwhile: then it stays as it is.
            if not now[each.automation] and each.was:
                _set(loading, target, each.automation, each.was)
            _mark(loading, each, ON)
        except (SystemRefused, InDoubt) as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return found


def _switch_off(
    loading: Loading, names: Sequence[str], objects: Sequence[str], *, strict: bool
) -> list[Switch]:
    left = open_switches(loading.ledger, loading.system)
    wanted: list[Automation] = []
    for name in names:
        try:
            wanted += [each for each in _named(loading, name, objects) if each not in wanted]
        except UsageError:
            if strict:
                raise
    if any(each.automation not in {one.id for one in wanted} for each in left):
        restore(loading)  # of a former command, whose plan was another
        left = []
    known = {each.automation for each in left}
    for one in wanted:
        if one.id not in known:
            _begin(loading, one)
    target = _switching(loading) if wanted or left else None
    for row in open_switches(loading.ledger, loading.system):
        each = row
        # One that was off may be on again: a restore was cut short, or somebody switched it on.
        if target is not None and (now := target.states([row.automation]).get(row.automation)):
            each = replace(row, was=now)
            _mark(loading, each, GOING_OFF)
            _set(loading, target, each.automation, "")
        _mark(loading, each, OFF)
    return open_switches(loading.ledger, loading.system)


def _named(loading: Loading, name: str, objects: Sequence[str]) -> list[Automation]:
    target = _switching(loading)
    told = target.automations(list(dict.fromkeys(objects))) if isinstance(target, ListsAutomations) else None
    meant = [each for each in told.automations if name in (each.id, each.name)] if told else []
    if not meant:
        known = ", ".join(f"`{each.name}`" for each in told.automations) if told else ""
        untold = f" {told.untold[0]}" if told and told.untold and not known else ""
        raise UsageError(
            f"`automations: switch_off` names `{name}`, which `{loading.system}` doesn't list.{untold}",
            f"It lists {known or 'none'} for the plan's objects; `migrate automations list` shows them.",
        )
    if fixed := [each for each in meant if not each.switchable]:
        raise UsageError(
            f"`{name}` ({fixed[0].kind}) can't be switched over the API of `{loading.system}`.",
            "Switch it off there by hand, or accept what it does under `automations: accept`.",
        )
    return meant


def _switching(loading: Loading) -> Any:
    target = loading.target
    if not isinstance(target, SwitchesAutomations):
        raise UsageError(
            f"The automations of `{loading.system}` can't be switched over its API.",
            "Switch them off by hand, and empty `automations: switch_off` in plan.yaml.",
        )
    return target


def _begin(loading: Loading, one: Automation) -> None:
    """What it is, and how it stands, before anything is done to it."""
    was = _switching(loading).states([one.id]).get(one.id, "")
    if not was:
        return  # off already, by somebody else, so it isn't ours to switch on
    with loading.ledger.write(loading.lease) as tx:
        number = tx.sql.execute(sa.select(sa.func.max(switches.c.number))).scalar()
        tx.put(
            switches, number=int(number or 0) + 1, system=loading.system, automation=one.id, name=one.name,
            object=one.object, kind=one.kind, attempt=loading.attempt, was=was, state=GOING_OFF, at=tx.at,
            ended=None,
        )  # fmt: skip


def _set(loading: Loading, target: SwitchesAutomations, id: str, state: str) -> None:
    """Bring one into a state, and see that it is in it.

    Raises:
        SystemRefused: it isn't, though the target didn't refuse.
        InDoubt: the answers keep getting lost.
    """
    doubt: InDoubt | None = None
    for number in range(TRIES):
        if number:
            loading.clock.sleep(2.0**number)
        try:
            with loading.unbatched():
                target.set_state(id, state)
            doubt = None
        except InDoubt as error:
            doubt = error
        if target.states([id]).get(id) == state:
            return
    raise doubt or SystemRefused(
        loading.system,
        f"automation {id} didn't go {'on' if state else 'off'}.",
        "Look at it there, then run the command again.",
    )


def _mark(loading: Loading, each: Switch, state: str) -> None:
    with loading.ledger.write(loading.lease) as tx:
        ended = tx.at if state in (ON, GONE) else None
        tx.sql.execute(
            switches.update()
            .where(switches.c.number == each.number)
            .values(state=state, ended=ended, was=each.was)
        )
