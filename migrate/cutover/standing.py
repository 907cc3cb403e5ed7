"""Where does a cutover stand, what does its next step need, and who must act? Read from the workspace
alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrate.cutover import homes
from migrate.cutover.cohorts import names
from migrate.cutover.lag import lags, longest
from migrate.cutover.machine import NEXT, Cutover, Line
from migrate.cutover.rounds import bound_of
from migrate.cutover.states import MOVES, State, forward
from migrate.cutover.watching import Quota, quota_of
from migrate.cutover.window import back_window
from migrate.ledger.rounds import last_rounds
from migrate.workspace import Workspace

ACTS = {
    "verified": "approver",
    "switched": "operator, or nobody: the new system is in use",
    "sealed": "nobody",
}  # by state: who leads on; else the operator


@dataclass(frozen=True)
class Standing:
    """A cohort at a glance. Instants are stamps (UTC).

    `next`: the state that leads on ("" where none does); `command`: what brings it there; `needs`: what
    stands in its way, or would; `acts`: whose turn it is; `records`: of the cohort, None before it starts.
    `lag`: seconds by which the target is behind the source, None before the base is there; `bound`: seconds
    that the plan allows; `quota`: calls left, as the last rounds of deltas were told.
    """

    cohort: str
    state: State
    since: str
    next: str
    command: str
    acts: str
    needs: tuple[Line, ...] = ()
    records: int | None = None
    window_end: str | None = None
    last_safe_start: str | None = None
    window: str = ""
    lag: float | None = None
    bound: float = 0.0
    quota: tuple[Quota, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def red(self) -> tuple[Line, ...]:
        """What stands in the way of the next step."""
        return tuple(each for each in self.needs if not each.ok)


def standing(workspace: Workspace, cohort: str) -> Standing:
    """Gather it for one cohort.

    Raises:
        UsageError: the plan has no such cohort.
    """
    from migrate_rollback.returning import current

    cutover = Cutover(workspace, cohort)
    state = cutover.state
    ahead = next((to for to in MOVES[state] if forward(state, to)), None)
    published = homes.published(workspace, cohort)
    window, back = current(workspace.ledger, workspace.clock), back_window(cutover)
    return Standing(
        cohort, state, cutover.since, ahead or "", NEXT[state], ACTS.get(state, "operator"),
        tuple(cutover.lines(ahead)) if ahead else (), published.rows if published else None,
        back.ends if back else window.ends if window else None,
        None if back else window.last_safe_start if window else None,
        back.words if back else window.words if window else "",
        longest(lags(workspace)), bound_of(workspace).total_seconds(),
        tuple(quota_of(last_rounds(workspace.ledger))),
    )  # fmt: skip


def everywhere(workspace: Workspace) -> list[Standing]:
    """Every cohort, in the plan's order."""
    return [standing(workspace, each) for each in names(workspace)]
