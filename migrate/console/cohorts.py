"""Where does each cohort stand, as the page shows it: its path, its lag, and what may be done next?"""

from __future__ import annotations

from dataclasses import dataclass

from migrate.console.acts import ACTS, OFFERED, Act
from migrate.cutover.deltas import FLOWS
from migrate.cutover.standing import Standing, everywhere
from migrate.cutover.states import PATH
from migrate.ledger.rounds import last_rounds
from migrate.workspace import Workspace

TONES = {"switched": "pass", "sealed": "pass", "approved": "pass", "verified": "pass", "reverted": "warn",
         "reversing": "warn", "switching": "warn", "cancelled": "warn"}  # fmt: skip


@dataclass(frozen=True)
class Cohort:
    """A cohort on the page. `at`: how many states of `path` lie behind it.

    `lag`: how far the target is behind, by the last round of deltas; "" where none flow.
    """

    stands: Standing
    path: tuple[str, ...]
    at: int
    offered: tuple[Act, ...]
    lag: str = ""

    @property
    def tone(self) -> str:
        """The colour of its state."""
        return TONES.get(self.stands.state, "known")


def cohorts(workspace: Workspace) -> list[Cohort]:
    """Every cohort, in the plan's order; asks no system."""
    lag = _lag(workspace)
    return [_cohort(each, lag) for each in everywhere(workspace)]


def _lag(workspace: Workspace) -> str:
    rounds = last_rounds(workspace.ledger, 1)
    if not rounds:
        return ""
    facts = rounds[0].facts
    longest, bound = facts.get("longest"), facts.get("bound")
    behind = (
        "The base isn't there yet" if longest is None else f"Lag {longest:,.0f} s of at most {bound:,.0f} s"
    )
    error = f" It stopped: {facts['error']}" if facts.get("error") else ""
    conflicts = f" {facts['conflicts']:,} conflicts." if facts.get("conflicts") else ""
    return f"{behind} as of round {rounds[0].number}.{conflicts}{error}"


def _cohort(stands: Standing, lag: str) -> Cohort:
    state = stands.state
    path: tuple[str, ...] = PATH if state in PATH else (*PATH[: PATH.index("switched") + 1], state)
    if state == "cancelled":
        path = ("planned", "cancelled")
    offered = tuple(ACTS[name] for name in OFFERED.get(state, ()))
    return Cohort(stands, path, path.index(state), offered, lag if state in FLOWS else "")
