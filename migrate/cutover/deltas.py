"""How does the target keep up while people work in the source? Round after round, until it is close enough.

Without `every` rounds follow each other until the lag is under the plan's bound, or never will be. With it a
round begins every so often for as long as the command runs: that is the watch over nights and weekends of a
cutover that is holding. A system that is away or out of quota ends a round and not the watch; the next one
waits for the time that the system named, else longer each time.

Nothing is held between rounds: each opens the workspace anew and closes it, so that people's commands get at
it. The move from `syncing` to `holding` and back is a round's, by its lag.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.cutover.machine import Cutover
from migrate.cutover.rounds import Round, run_round
from migrate.cutover.states import State
from migrate.cutover.watching import Watched, look
from migrate.errors import Parked
from migrate.load.context import no_progress

if TYPE_CHECKING:
    from migrate.clock import Clock
    from migrate.load.context import Progress
    from migrate.workspace import Workspace

FLOWS: tuple[State, ...] = ("syncing", "holding", "frozen", "switched")  # states in which deltas flow
EVERY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=10)  # for a system that is away and doesn't say until when
PATIENCE = 3  # rounds after which a forecast of `never` is believed


@dataclass(frozen=True)
class Step:
    """A round, what it did to the cutover's state, and when the next one begins; None: there is none.

    `watched`: what the look after it saw, and which alerts began or ended.
    """

    round: Round
    state: str
    warning: str
    next_at: datetime | None
    watched: Watched

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "round": self.round.document(), "state": self.state, "warning": self.warning,
            "next_at": stamp(self.next_at) if self.next_at else None,
            "alerts": [asdict(each) for each in self.watched.alerts],
            "fresh": [asdict(each) for each in self.watched.fresh],
            "invariants": [asdict(each) for each in self.watched.invariants],
            "webhook": self.watched.webhook,
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        lines = [self.round.text(), f"State: {self.state}."]
        if self.warning:
            lines.append(f"Warning: {self.warning}")
        lines += [f"{each.state.upper()}: {each.name}: {each.words}" for each in self.watched.fresh]
        if self.next_at:
            lines.append(f"Next round at {self.next_at:%Y-%m-%d %H:%M:%S} UTC.")
        return "\n".join(lines)


def follow(
    opened: Callable[[], AbstractContextManager[Workspace]],
    *,
    cohort: str,
    who: str,
    told: Callable[[Workspace, Step], None],
    rounds: int | None = None,
    every: timedelta | None = None,
    progress: Progress = no_progress,
) -> Step:
    """Carry rounds of deltas.

    Args:
        opened: gives the workspace for one round, and closes it.
        told: is handed each round while its workspace is still open.
        rounds: at most so many.
        every: keep watch, a round every so often from its start on; a long round skips none, it delays.

    Returns:
        The last step.

    Raises:
        UsageError: the cohort's state lets no delta flow.
        MigrateError: what only a person can mend (plan, credentials, picklists, disk).
        BaseException: whatever a signal raises; what was done is kept.
    """
    clock: Clock | None = None
    count = failures = 0
    while True:
        with opened() as workspace:
            clock = _clock(workspace, clock)
            Cutover(workspace, cohort).need(*FLOWS)
            one = run_round(workspace, who=who, progress=progress)
            count += 1
            failures = failures + 1 if one.error else 0
            warning = _moved(workspace, cohort, who, one)
            over = _over(one, count, rounds, every)
            next_at = None if over else _next(one, clock, failures, every)
            step = Step(one, Cutover(workspace, cohort).state, warning, next_at, look(workspace))
            told(workspace, step)
        if next_at is None:
            return step
        clock.sleep((next_at - clock.now()).total_seconds())


def _clock(workspace: Workspace, former: Clock | None) -> Clock:
    """The workspace's clock; the former one goes on where it is a sandbox's, and that is away."""
    try:
        return workspace.clock
    except Parked:
        if former is None:
            raise
        vars(workspace)["clock"] = former
        return former


def _over(one: Round, count: int, rounds: int | None, every: timedelta | None) -> bool:
    if rounds is not None and count >= rounds:
        return True
    if every is not None:
        return False
    return bool(one.error) or one.caught_up or (count >= PATIENCE and one.forecast.never)


def _next(one: Round, clock: Clock, failures: int, every: timedelta | None) -> datetime:
    now, pause = clock.now(), every or timedelta(0)
    if not one.error:
        return max(parse_stamp(one.began) + pause, now)
    wait: timedelta = min(max(pause, EVERY) * 2 ** min(failures - 1, 10), max(LONGEST_WAIT, pause))
    return max(parse_stamp(one.resume_at), now + timedelta(seconds=1)) if one.resume_at else now + wait


def _moved(workspace: Workspace, cohort: str, who: str, one: Round) -> str:
    """Move the cutover by the lag of a round; a warning, where it had to go back."""
    cutover, lag = Cutover(workspace, cohort), one.longest
    if lag is None:
        return ""
    facts: dict[str, Any] = {"round": one.number, "lag": round(lag), "bound": round(one.bound)}
    if cutover.state == "syncing" and one.caught_up:
        cutover.move("holding", who=who, **facts)
    elif cutover.state == "holding" and lag > one.bound:
        cutover.move("syncing", who=who, **facts)
        return (
            f"The lag of {lag:,.0f} s is over the bound of {one.bound:,.0f} s; the cutover is syncing again. "
            f"{one.forecast.words}"
        )
    return ""
