"""Where does a cutover stand, what does its next step need, and who must act? Read from the workspace
alone."""

from __future__ import annotations

from dataclasses import dataclass

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

NOBODY = ("sealed",)  # states in which nobody has to act


@dataclass(frozen=True)
class Standing:
    """A cohort at a glance. Instants are stamps (UTC).

    `next`: the state that leads on ("" where none does); `command`: what brings it there; `needs`: what
    stands in its way, or would; `acts`: whose turn it is, by role and name; `records`: of the cohort, None
    before it starts. `lag`: seconds by which the target is behind the source, None before the base is there;
    `bound`: seconds that the plan allows; `quota`: calls left, as the last rounds of deltas were told.
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
        cohort, state, cutover.since, ahead or "", _next(workspace, state), _acts(workspace, state),
        tuple(cutover.lines(ahead)) if ahead else (), published.rows if published else None,
        back.ends if back else window.ends if window else None,
        back.last_safe_start if back else window.last_safe_start if window else None,
        back.words if back else window.words if window else "",
        longest(lags(workspace)), bound_of(workspace).total_seconds(),
        tuple(quota_of(last_rounds(workspace.ledger))),
    )  # fmt: skip


def _next(workspace: Workspace, state: State) -> str:
    if state == "planned" and workspace.plan.model.cutover.profile == "small":
        return NEXT["rehearsed"]  # it asks for no rehearsal
    return NEXT[state]


def _acts(workspace: Workspace, state: State) -> str:
    """Whose turn it is: who has to sign, else the operators; by name, where the plan names them."""
    if state in NOBODY:
        return "nobody"
    plan = workspace.plan.model.cutover
    if state == "verified":
        role, people = "approver", [each.name for each in plan.sign]
    else:
        role, people = "operator", [each.name for each in plan.people if each.role == "operator"]
    return f"{role} ({', '.join(people)})" if people else role


def everywhere(workspace: Workspace) -> list[Standing]:
    """Every cohort, in the plan's order."""
    return [standing(workspace, each) for each in names(workspace)]
