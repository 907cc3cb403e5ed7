"""How are checks repeated while both systems live? A whole validation each round, with a report of its own.

Nothing is held between rounds: each opens the workspace anew and closes it, so that loads, deltas and
people's commands get at it. A target that is away, or a validation that somebody else runs, ends a round
and not the watch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from migrate.errors import Busy, InDoubt, MigrateError, Parked, Retriable

if TYPE_CHECKING:
    from migrate.workspace import Workspace
    from migrate_validators.report import Report

_NEXT_ROUND = (Parked, Retriable, InDoubt, Busy)


@dataclass(frozen=True)
class Round:
    """How one round ended: with a report, or with what kept it from one. `next_at`: when the next begins."""

    report: Report | None
    error: MigrateError | None
    next_at: datetime


def watch(
    opened: Callable[[], AbstractContextManager[Workspace]],
    validate: Callable[[Workspace], Report],
    *,
    every: timedelta,
    told: Callable[[Round], None],
) -> NoReturn:
    """Validate again and again, a round every so often from its start on; a long round skips none, it delays.

    Args:
        opened: gives the workspace for one round, and closes it.
        told: is handed each round while its workspace is still open.

    Raises:
        MigrateError: what only a person can mend (plan, credentials, disk).
        BaseException: whatever a signal raises; what was done is kept.
    """
    while True:
        with opened() as workspace:
            clock = workspace.clock
            begun = clock.now()
            report, error = None, None
            try:
                report = validate(workspace)
            except _NEXT_ROUND as failure:
                error = failure
            next_at = max(begun + every, clock.now())
            told(Round(report, error, next_at))
        clock.sleep((next_at - clock.now()).total_seconds())
