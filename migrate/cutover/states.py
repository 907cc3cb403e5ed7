"""In which states can a cohort's cutover be, and which move leads where? The design's graph, and nothing
else.

`MOVES` is the whole of it: a move that isn't there can't be recorded. The forward path is `PATH`; every other
move leads back to an earlier state of it, aside (`cancelled`), or home (`reversing`, `reverted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal[
    "planned", "rehearsed", "loading", "syncing", "holding", "frozen", "drained", "verified", "approved",
    "switching", "switched", "sealed", "reversing", "reverted", "cancelled",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)
PATH: tuple[State, ...] = STATES[:12]
STANDSTILL: tuple[State, ...] = ("frozen", "drained", "verified", "approved")  # `thaw` leads out of these
HERE: tuple[State, ...] = (
    "switched",
    "sealed",
    "reversing",
)  # the cohort's records are at home in the target

MOVES: Mapping[State, tuple[State, ...]] = {
    "planned": ("rehearsed", "cancelled"),
    "rehearsed": ("loading", "rehearsed", "cancelled"),
    "loading": ("syncing", "cancelled"),
    "syncing": ("holding", "cancelled"),
    "holding": ("frozen", "syncing", "cancelled"),  # back to syncing: the lag has grown over its bound
    "frozen": ("drained", "holding", "cancelled"),
    "drained": ("verified", "frozen", "holding", "cancelled"),  # back to frozen: somebody wrote; drain again
    "verified": ("approved", "drained", "frozen", "holding", "cancelled"),  # back: the evidence has changed
    "approved": ("switching", "verified", "drained", "frozen", "holding", "cancelled"),
    "switching": ("switched", "frozen"),
    "switched": ("sealed", "reversing"),
    "reversing": ("reverted",),
    "reverted": ("planned",),
    "cancelled": ("planned",),
    "sealed": (),
}


def forward(came_from: State, to: State) -> bool:
    """Whether a move goes on: along the path, or from the new system home."""
    if to in ("reversing", "reverted"):
        return True
    return came_from in PATH and to in PATH and PATH.index(to) > PATH.index(came_from)
