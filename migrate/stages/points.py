"""Where does a load mark a point to which a rollback can return? Before each of its waves, and where asked.

An attempt's first load takes `before-load-1` (with the attempt's number), whose baseline all points of the
attempt share. A later load of the same attempt takes `before-load-1.2`, the next `before-load-1.3`. A wave is
one entry of the plan, the second pass (`later`) or the links (`links`): `before-load-1.Account`,
`before-load-1.2.links`. A point is taken when its wave has something to send, and not before; a load that
was killed keeps the points that it had taken when it goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TypeVar

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.ledger import batches as book
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, checkpoints, events
from migrate.load import Loading
from migrate.load.context import Progress, no_progress
from migrate.stages import checkpoint
from migrate.stages.checkpoint import Checkpoint
from migrate.workspace import Workspace

W = TypeVar("W")
ENDED = "load end"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,99}")
_OURS = ("before-load-", "before-repair-")


class Points:
    """The points of one load. Asked from the thread that hands out the work, before it is handed out."""

    def __init__(self, loading: Loading, base: Checkpoint | None) -> None:
        """Args:
        base: the attempt's first checkpoint; None where there is nothing to load.
        """
        self.loading, self.base = loading, base
        self.number = _loads(loading) + 1
        self._taken: set[str] = set()

    @property
    def name(self) -> str:
        """The point before this load."""
        first = checkpoint.first_name(self.loading.attempt)
        return first if self.number == 1 else f"{first}.{self.number}"

    def begin(self) -> None:
        """Something will be sent: mark the load, if it isn't marked yet."""
        self._take(self.name)

    def before(self, wave: str, works: Iterable[W]) -> Iterator[W]:
        """The works of a wave; the first one comes when the wave is marked."""
        for work in works:
            self.begin()
            self._take(f"{self.name}.{wave}")
            yield work

    def _take(self, name: str) -> None:
        if name in self._taken or self.base is None:
            return
        self._taken.add(name)
        there = self.loading.ledger.value(sa.select(checkpoints.c.name).where(checkpoints.c.name == name))
        if there is None:
            checkpoint.write_down(self.loading, name, "wave", base=self.base, window_end=self.base.window_end)

    def end(self) -> None:
        """The load came to its end: the next one has points of its own, if this one had any."""
        if self._taken:
            with self.loading.ledger.write(self.loading.lease) as tx:
                tx.event(this_process().holder, ENDED, attempt=self.loading.attempt, load=self.number)


def _loads(loading: Loading) -> int:
    """Loads of the attempt that came to their end."""
    found = loading.ledger.read(sa.select(events.c.facts).where(events.c.what == ENDED))
    return sum(json.loads(facts).get("attempt") == loading.attempt for (facts,) in found)


def by_hand(
    workspace: Workspace, name: str, *, note: str = "", read: bool = False, progress: Progress = no_progress
) -> Checkpoint:
    """Take a checkpoint now, under a name.

    Args:
        note: why, for the list.
        read: read the target anew for its baseline. Else it is the attempt's, and over it what we have done;
            what others have done since that was read then shows as others' work.

    Raises:
        UsageError: the name can't be had, a rollback is under way, or a load was cut short.
        LeaseHeld: somebody writes to the target.
        Parked, SystemRefused: the target.
    """
    if not _NAME.fullmatch(name) or name.startswith(_OURS):
        raise UsageError(
            f"A checkpoint can't be called `{name}`.",
            "Use up to 100 letters, digits, `.`, `_`, `~` and `-`, and another beginning than "
            f"`{'` and `'.join(_OURS)}`.",
        )
    ledger = workspace.ledger
    attempt = ledger.attempt()
    with (
        closing(workspace.target()) as target,
        Loading(workspace, target, workspace.guarded(), attempt, progress=progress) as loading,
    ):
        _must_be_at_rest(workspace, attempt)
        if ledger.value(sa.select(checkpoints.c.name).where(checkpoints.c.name == name)) is not None:
            raise UsageError(f"There is a checkpoint `{name}` already.", "Take another name.")
        base = checkpoint.of_attempt(ledger, attempt)
        by = this_process().holder
        if base is not None and not read:
            return checkpoint.write_down(
                loading, name, "hand", base=base, window_end=base.window_end, note=note, by=by
            )
        keys = checkpoint.key_fields(workspace, base)
        folders = checkpoint.take_baseline(
            target, loading.catalog, workspace, f"baseline/{name}", keys, loading
        )
        end = base.window_end if base else None
        return checkpoint.write_down(
            loading, name, "hand", baseline=folders, window_end=end, note=note, by=by
        )


def _must_be_at_rest(workspace: Workspace, attempt: int) -> None:
    ledger = workspace.ledger
    rolling = ledger.value(sa.select(attempts.c.number).where(attempts.c.state == "rolling_back"))
    if rolling is not None:
        raise UsageError(
            f"Attempt {rolling} is being rolled back.", "Run `migrate rollback run` to its end first."
        )
    if book.in_doubt(ledger, attempt):
        raise UsageError(
            "A load was cut short, and it isn't known yet what of its last calls has landed.",
            "Run `migrate load` again first: it finds out.",
        )
