"""When is there no way back any more? When somebody says so: a step of its own, that can't be undone.

After it, `cutover back` refuses, what is kept for it may be removed, and nothing but a new migration leads
back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate.cutover import trail
from migrate.cutover.machine import Cutover, Line, guard
from migrate.cutover.trail import Event
from migrate.cutover.window import back_window
from migrate.workspace import Workspace

ENDS = (
    "`migrate cutover back` refuses from then on: what is entered in the new system stays there.",
    "Changes are no longer kept for, or sent to, the old system.",
    "The steps of the switch can't be undone by us any more.",
    "`migrate rollback run` stays refused: the records belong to the people who work with them.",
)  # what a seal ends, in words


@dataclass(frozen=True)
class Sealing:
    """What sealing means now. `ends`: in words; `window`: how long there still is a way back, in words."""

    cohort: str
    ends: tuple[str, ...]
    window: str
    lines: tuple[Line, ...]


def look(cutover: Cutover) -> Sealing:
    """What it would end; changes nothing.

    Raises:
        UsageError: the cohort isn't switched.
    """
    cutover.need("switched")
    window = back_window(cutover)
    return Sealing(cutover.cohort, ENDS, window.words if window else "", tuple(cutover.lines("sealed")))


def seal(cutover: Cutover, *, who: str) -> Event:
    """End the way back of a cohort, for ever.

    Raises:
        UsageError: it isn't switched.
        MoveRefused: the trail was tampered with.
    """
    cutover.need("switched")
    window = back_window(cutover)
    return cutover.move("sealed", who=who, window_end=(window.ends if window else None) or "")


@guard("sealed")
def _whole(cutover: Cutover) -> Sequence[Line]:
    return [trail_line(cutover.workspace)]


def trail_line(workspace: Workspace) -> Line:
    """Whether the trail is whole."""
    flaws = trail.verify(workspace)
    words = flaws[0] if flaws else "The trail is whole."
    return Line("trail", not flaws, words, "`migrate cutover log --verify` says more" if flaws else "")
