"""How far is the target behind, object by object, and for how long does the source still remember?

The lag of an object is the time since its mark: everything that the source showed then, and that may flow, is
in the target or has its end elsewhere. It is the object's watermark, or, where only some cohorts are loaded
and no watermark moves, the mark of the last round that came to its end. Both are read from the ledger, so
that whoever asks needs no system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from migrate.clock import parse_stamp, stamp
from migrate.ledger.rounds import last_rounds

if TYPE_CHECKING:
    from migrate.workspace import Workspace

WARN = 0.5  # of the source's memory that is gone: then it is told


@dataclass(frozen=True)
class Lag:
    """One source object. `seconds`: None before its base is in the target.

    `forgets`: when the source begins to forget deletions that haven't been read; None where it states no such
    time. After it the next delta compares every id, which is sound, and takes longer.
    """

    object: str
    watermark: str | None
    seconds: float | None
    forgets: str | None = None
    warn: bool = False


def lags(
    workspace: Workspace,
    now: datetime | None = None,
    recycle_days: int | None = None,
    fresh: Mapping[str, str] | None = None,
) -> list[Lag]:
    """The lag of each source object of the plan.

    Args:
        recycle_days: for how long the source remembers deletions.
        fresh: marks of a round that has just come to its end, and isn't kept yet.
    """
    now = now or workspace.clock.now()
    told = {**_told(workspace), **(fresh or {})}
    found = []
    for name in dict.fromkeys(each.source for each in workspace.plan.model.objects):
        settled = workspace.ledger.watermark(name)
        mark = max(filter(None, [settled[0] if settled else None, told.get(name)]), default=None)
        if mark is None:
            found.append(Lag(name, None, None))
            continue
        at = parse_stamp(mark)
        seconds = max(0.0, (now - at).total_seconds())
        forgets, warn = None, False
        if recycle_days:
            forgets = stamp(at + timedelta(days=recycle_days))
            warn = seconds >= WARN * timedelta(days=recycle_days).total_seconds()
        found.append(Lag(name, mark, seconds, forgets, warn))
    return found


def marks(workspace: Workspace) -> dict[str, str]:
    """By source object, when its newest extract began: the mark of a round whose load has come to its end."""
    found = {}
    for name in dict.fromkeys(each.source for each in workspace.plan.model.objects):
        manifests = workspace.store.manifests("source", name)
        if manifests:
            found[name] = str(manifests[-1].facts["watermark"])
    return found


def _told(workspace: Workspace) -> dict[str, str]:
    """Marks of the last round of this attempt that came to its end. A rollback opens another attempt."""
    attempt = workspace.ledger.attempt()
    for row in reversed(last_rounds(workspace.ledger)):
        if row.facts["attempt"] == attempt and not row.facts["error"]:
            return dict(row.facts["marks"])
    return {}


def longest(found: list[Lag]) -> float | None:
    """The longest lag in seconds; None where an object's base isn't in the target yet."""
    seconds = [each.seconds for each in found]
    known = [each for each in seconds if each is not None]
    return None if len(known) < len(seconds) or not known else max(known)
