"""Which changes in the old system are no person's, but what the way back brought there?

A live way back writes to the old system while deltas still read it. Values decide, as everywhere: a field
that stands there as the way back left it is an echo, and nobody's conflict. A record that was born in the new
system, and that the way back made in the old one, is written down in the way in's journal before the next
load, for that would bring it as a second copy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from migrate.cutover import homes, reverse_steps
from migrate.cutover.machine import states
from migrate.cutover.remembering import remember_born
from migrate.cutover.reverse_left import deleted, keys_of, left
from migrate.cutover.reverse_side import FOLDER, Side, alone, opened
from migrate.engine import text
from migrate.errors import Busy
from migrate.load.homes import DELETED
from migrate.place import STATE
from migrate.plan.keys import entry_of, id_of, key_sql

if TYPE_CHECKING:
    from migrate.cutover.reverse_plan import BackEntry
    from migrate.workspace import Workspace

_ONE = threading.Lock()  # a load asks from several threads


def settle(workspace: Workspace) -> None:
    """Before a load: carry out what a killed process of the way back planned, and know what it made.

    Raises:
        Parked, SystemRefused, InDoubt, LeaseHeld: a system; what was done is kept.
    """
    live, now = workspace.plan.model.cutover.reverse.mode == "live", states(workspace).values()
    if not (live and "switched" in now) and "reversing" not in now:
        return
    with suppress(Busy), opened(workspace) as side, alone(side):  # who is at it now does the same
        side.ready()
        reverse_steps.deliver(side)
        know(side)


def know(side: Side) -> None:
    """Let the way in know which records of the old system were born in the new one."""
    side.ids()
    family, selects = side.source.family, []
    for each in side.entries:
        key = key_sql(family, each.forward, "old_id")
        selects.append(f"SELECT {key} AS key FROM ids WHERE key IS NULL AND entry = {text(each.name)}")
    # Their home first: a record whose home isn't known would flow from the wrong side.
    if homes.publish_born(side.forward, side.workspace.engine.stream(" UNION ".join(selects))):
        remember_born(side)


def echoes(workspace: Workspace, entry: str, changed: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Which of these changes in the source the way back made.

    Args:
        entry: of the plan. changed: by migration key the target's fields that the source changed, or
            `DELETED`.

    Returns:
        Pairs of key and field.

    Raises:
        Parked, SystemRefused: the old system.
    """
    if not changed or not (workspace.root / STATE / FOLDER / STATE).exists():
        return set()
    with _ONE, opened(workspace) as side:
        if not side.marks():
            return set()
        return {pair for each in side.entries if each.forward == entry for pair in _of(side, each, changed)}


def _of(side: Side, each: BackEntry, changed: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    ids = {key: id_of(key) for key in changed}
    listed = ", ".join(text(id) for id in sorted(set(ids.values())))
    gone = deleted(side, each.old, listed)
    keys = {k: id for k, id in keys_of(side, each.old, listed).items() if entry_of(k) == each.name}
    images = left(side, ", ".join(map(text, keys))) if keys else {}
    ours = {keys[rkey]: image for rkey, image in images.items()}
    names = [field.name for field in each.fields]
    with closing(side.workspace.target()) as old:
        there = {r.asked: r for r in old.read_back(each.old, names, ids=sorted(ours))} if ours else {}
    for key, fields in changed.items():
        id = ids[key]
        for name in fields:
            if name == DELETED:
                if id in gone:
                    yield key, name
                continue
            feeds = [field.name for field in each.fields if name in field.inputs]
            record, image = there.get(id), ours.get(id, {})
            if record is None or not feeds:
                continue
            if all(one in image and image[one] == record.values.get(one) for one in feeds):
                yield key, name
