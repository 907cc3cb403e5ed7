"""Where does each cohort stand, as the page shows it: its path, its lag, and what may be done next?"""

from __future__ import annotations

from dataclasses import dataclass

from migrate.console.acts import ACTS, OFFERED, Act
from migrate.cutover.deltas import FLOWS
from migrate.cutover.lag import Lag, lags
from migrate.cutover.machine import states
from migrate.cutover.rounds import bound_of
from migrate.cutover.scheduled import moments
from migrate.cutover.standing import Standing, everywhere
from migrate.cutover.states import PATH
from migrate.cutover.watching import EndpointRate, Quota, endpoints_of, quota_of
from migrate.ledger.alerts import OPEN, Alert, all_alerts
from migrate.ledger.rounds import last_rounds
from migrate.workspace import Workspace

TONES = {"switched": "pass", "sealed": "pass", "approved": "pass", "verified": "pass", "reverted": "warn",
         "reversing": "warn", "switching": "warn", "cancelled": "warn"}  # fmt: skip


DONE = ("switched", "sealed", "reversing", "reverted", "cancelled")  # nothing to count down to


@dataclass(frozen=True)
class Cohort:
    """A cohort on the page. `at`: how many states of `path` lie behind it.

    `lag`: what the last round of deltas came to; "" where none flow. `moments`: what is counted down to, in
    words, with the stamps.
    """

    stands: Standing
    path: tuple[str, ...]
    at: int
    offered: tuple[Act, ...]
    lag: str = ""
    moments: tuple[tuple[str, str], ...] = ()

    @property
    def tone(self) -> str:
        """The colour of its state."""
        return TONES.get(self.stands.state, "known")


def cohorts(workspace: Workspace) -> list[Cohort]:
    """Every cohort, in the plan's order; asks no system."""
    lag = _lag(workspace)
    return [_cohort(workspace, each, lag) for each in everywhere(workspace)]


def _lag(workspace: Workspace) -> str:
    rounds = last_rounds(workspace.ledger, 1)
    if not rounds:
        return ""
    facts = rounds[0].facts
    conflicts = f", {facts['conflicts']:,} conflicts" if facts["conflicts"] else ""
    error = f" It stopped: {facts['error']}" if facts["error"] else ""
    return f"Round {rounds[0].number} of deltas ended {rounds[0].ended}{conflicts}.{error}"


@dataclass(frozen=True)
class Keeping:
    """How well the target keeps up, without asking a system.

    `bound`: seconds that the lag may have; `quota`: of each system, what its newest reply said.
    """

    lag: tuple[Lag, ...]
    bound: float
    endpoints: tuple[EndpointRate, ...]
    quota: tuple[Quota, ...]
    alerts: tuple[Alert, ...]


def keeping(workspace: Workspace) -> Keeping | None:
    """Gather it; None where no deltas flow and nothing is wrong."""
    rounds = last_rounds(workspace.ledger)
    alerts = tuple(each for each in all_alerts(workspace.ledger) if each.state == OPEN)
    flow = any(state in FLOWS for state in states(workspace).values())
    if not alerts and not (rounds and flow):
        return None
    return Keeping(
        tuple(lags(workspace)) if flow else (), bound_of(workspace).total_seconds(),
        tuple(endpoints_of(rounds, workspace))[:8], tuple(quota_of(rounds)), alerts,
    )  # fmt: skip


def _cohort(workspace: Workspace, stands: Standing, lag: str) -> Cohort:
    state = stands.state
    path: tuple[str, ...] = PATH if state in PATH else (*PATH[: PATH.index("switched") + 1], state)
    if state == "cancelled":
        path = ("planned", "cancelled")
    offered = tuple(ACTS[name] for name in OFFERED.get(state, ()))
    return Cohort(
        stands, path, path.index(state), offered, lag if state in FLOWS else "",
        tuple(moments(workspace, stands.cohort)) if state not in DONE else (),
    )  # fmt: skip
