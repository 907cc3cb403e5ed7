"""What is one round of deltas? Extract what changed, transform, load; then its figures into the ledger.

A round can be killed anywhere: each of its stages goes on where it stopped, and the next round does what is
left together with what came since. A round that a system kept from its end (away, throttled, out of quota)
is kept too, with the time to come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.cutover import homes, trail
from migrate.cutover.forecast import Forecast, Past, forecast
from migrate.cutover.lag import Lag, lags, longest, marks
from migrate.cutover.machine import MOVED, states
from migrate.cutover.starting import load_scope
from migrate.errors import Busy, InDoubt, LeaseHeld, Parked, Retriable, UsageError
from migrate.ledger.rounds import RoundRow, keep_round, last_rounds
from migrate.load.context import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migrate.load.context import Progress
    from migrate.stages.extract import Extracted
    from migrate.stages.load import Loaded
    from migrate.stages.transform.ready import ObjectCounts
    from migrate.workspace import Workspace

AWAY = (Parked, Retriable, InDoubt, Busy, LeaseHeld)  # nothing for a person to mend: the next round goes on
GROWING = ("loading", "syncing", "holding", "frozen")  # states in which a cohort takes in new records
FOUND = "cutover conflicts found"
NOT_SENT = ("unchanged", "_rows", "changed_at_landing", "lost_edit", "side")


@dataclass(frozen=True)
class Round:
    """One round. Times are the clock's, seconds too.

    `read`, `deleted`: by source object, records of the extract (those of the overlap of two windows are read
    twice) and tombstones. `arrived`: rows and links that were new to us. `sent`: by operation, what became of
    them in the target. `blocked`: rows that wait for another. `letters`: dead letters in all. `marks`: by
    source object the watermark up to which everything that may flow is in the target. `looked`: by target
    object, when its look began. `error`: what kept the
    round from its end; `resume_at`: when to come again, where the system said so.
    """

    number: int
    began: str
    ended: str
    seconds: float
    stages: dict[str, float]
    read: dict[str, int]
    deleted: dict[str, int]
    files: dict[str, dict[str, int]]
    arrived: int
    sent: dict[str, int]
    blocked: int
    letters: int
    conflicts: int
    lag: list[Lag]
    bound: float
    forecast: Forecast
    attempt: int
    marks: dict[str, str] = field(default_factory=dict)
    looked: dict[str, str] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    kind: str = ""
    resume_at: str | None = None

    @property
    def longest(self) -> float | None:
        """The longest lag of any object, in seconds."""
        return longest(self.lag)

    @property
    def caught_up(self) -> bool:
        """Whether the round came to its end, and the lag is under the plan's bound."""
        lag = self.longest
        return not self.error and lag is not None and lag <= self.bound

    def document(self) -> dict[str, Any]:
        """For programs, and for the ledger."""
        told = asdict(self)
        told["forecast"]["at"] = stamp(self.forecast.at) if self.forecast.at else None
        return {**told, "longest": self.longest, "caught_up": self.caught_up}

    def text(self) -> str:
        """One line for people."""
        lag = self.longest
        behind = "the base isn't in the target yet" if lag is None else f"lag {lag:,.0f} s"
        if self.error:
            when = f" Again at {self.resume_at}." if self.resume_at else ""
            return f"Round {self.number}: {behind}; stopped: {self.error}{when}"
        sent = ", ".join(f"{number:,} {name}" for name, number in self.sent.items()) or "nothing to send"
        more = f", {self.conflicts:,} conflicts" if self.conflicts else ""
        more += f", {self.letters:,} dead letters" if self.letters else ""
        return (
            f"Round {self.number}: {self.seconds:,.0f} s, {sent}{more}; {behind} "
            f"(bound {self.bound:,.0f} s). {self.forecast.words}"
        )


@dataclass
class _Work:
    """What a round has come to so far."""

    stages: dict[str, float] = field(default_factory=dict)
    extracted: Sequence[Extracted] = ()
    transformed: Mapping[str, ObjectCounts] = field(default_factory=dict)
    loaded: Loaded | None = None
    conflicts: int = 0
    marks: dict[str, str] = field(default_factory=dict)
    looked: dict[str, str] = field(default_factory=dict)


def run_round(
    workspace: Workspace, *, who: str = "", progress: Progress = no_progress, looks: bool = True
) -> Round:
    """Carry one round, and keep its figures.

    Args:
        who: who runs it, as the trail shall name them where conflicts are found.
        looks: look at what people have changed in the target, too.

    Returns:
        The round; one that a system kept from its end has an `error`.

    Raises:
        MigrateError: what only a person can mend; the round is kept with its words before.
    """
    from migrate.errors import MigrateError

    clock, work = workspace.clock, _Work()
    began = clock.now()
    try:
        _carry(workspace, work, progress)
        if looks:
            _look(workspace, work, who)
        _back(workspace, who, progress)
    except AWAY as error:
        return _keep(workspace, work, began, error)
    except MigrateError as error:
        _keep(workspace, work, began, error)
        raise
    return _keep(workspace, work, began, None)


def _carry(workspace: Workspace, work: _Work, progress: Progress) -> None:
    from migrate.stages.extract import extract
    from migrate.stages.pipeline import transform

    with _timed(workspace, work, "extract"):
        work.extracted = extract(workspace, since_watermark=True, progress=progress)
    with _timed(workspace, work, "transform"):
        work.transformed = transform(workspace, progress)
        for cohort, state in states(workspace).items():
            if state in GROWING:
                homes.publish(workspace, cohort)  # with the records that have come since
    with _timed(workspace, work, "load"):
        work.loaded = load_scope(workspace, progress)
    work.marks = marks(workspace)


def _back(workspace: Workspace, who: str, progress: Progress) -> None:
    """Once a cohort is switched, its changes in the new system are kept, or go back at once."""
    from migrate.cutover import reverse
    from migrate.cutover.machine import Cutover, states

    switched = [name for name, state in states(workspace).items() if state == "switched"]
    if switched:  # one round is every switched cohort's
        with suppress(Busy):  # somebody is going back: all of it goes home with that
            reverse.round(Cutover(workspace, switched[0]), who=who, progress=progress)


@contextmanager
def _timed(workspace: Workspace, work: _Work, stage: str) -> Iterator[None]:
    start = workspace.clock.now()
    try:
        yield
    finally:
        work.stages[stage] = (workspace.clock.now() - start).total_seconds()


def _look(workspace: Workspace, work: _Work, who: str) -> None:
    """Look at the target; what is found goes into the trail by its counts and digests, without values."""
    from migrate.cutover.looking import look

    with _timed(workspace, work, "look"):
        former = _last(workspace)
        found = look(workspace, former.get("looked", {}), _began_to_sync(workspace))
        work.looked, work.conflicts = found.marks, found.total
        if found.total:
            trail.append(
                workspace.ledger, who or trail.actor(), FOUND, records=found.records, digests=found.digests
            )


def _last(workspace: Workspace) -> dict[str, Any]:
    """Facts of the last round that came to its end."""
    ended = (row.facts for row in reversed(last_rounds(workspace.ledger)) if not row.facts["error"])
    return next(ended, {})


def _began_to_sync(workspace: Workspace) -> str:
    """When the first cohort of the cutover under way had been loaded."""
    moves = trail.events(workspace.ledger, MOVED)
    return next((each.at for each in moves if each.facts["to"] == "syncing"), stamp(workspace.clock.now()))


def _keep(workspace: Workspace, work: _Work, began: datetime, error: Exception | None) -> Round:
    """Make the round of what was done, and keep it."""
    ledger, ended = workspace.ledger, workspace.clock.now()
    sent = _sent(work.loaded)
    arrived = sum(each.changed + each.tombstones for each in work.transformed.values())
    arrived += sum(each.link.written + each.link.unlinked for each in work.transformed.values())
    bound = bound_of(workspace).total_seconds()
    seconds = (ended - began).total_seconds()
    former = last_rounds(ledger)
    lag = lags(workspace, ended, memory_of(workspace), work.marks)
    past = [] if error is not None else [*_past(former), _row(former, arrived, seconds, began)]
    resume = error.resume_at if isinstance(error, Parked) else None
    loaded = work.loaded
    found = Round(
        0, stamp(began), stamp(ended), seconds, work.stages,
        {each.object: each.rows for each in work.extracted},
        {each.object: each.deleted for each in work.extracted if each.deleted},
        {name.name: name.counts for each in work.extracted for name in each.files if name.counts},
        arrived, sent,
        sum(loaded.blocked.values()) if loaded else 0,
        loaded.refused if loaded else 0,
        work.conflicts + sent.get("held", 0) + sent.get("decided", 0),
        lag, bound, forecast(past or _past(former), bound, ended), ledger.attempt(), work.marks,
        work.looked, _calls(workspace),
        "" if error is None else str(error).splitlines()[0],
        "" if error is None else type(error).__name__,
        stamp(resume) if resume else None,
    )  # fmt: skip
    number = keep_round(ledger, began=found.began, ended=found.ended, facts=found.document())
    return Round(**{**vars(found), "number": number})


def _sent(loaded: Loaded | None) -> dict[str, int]:
    if loaded is None:
        return {}
    tally: Counter[str] = Counter()
    for each in (*loaded.objects.values(), *loaded.links.values(), *loaded.later.values(), loaded.consent):
        tally.update(each)
    return {name: tally[name] for name in sorted(tally) if tally[name] and name not in NOT_SENT}


def _past(rows: Sequence[RoundRow]) -> list[Past]:
    """Former rounds that came to their end, as a forecast takes them."""
    found: list[Past] = []
    before: datetime | None = None
    for row in rows:
        began = parse_stamp(row.began)
        if not row.facts["error"]:
            since = (began - before).total_seconds() if before else None
            found.append(Past(int(row.facts["arrived"]), float(row.facts["seconds"]), since))
        before = began
    return found


def _row(former: Sequence[RoundRow], arrived: int, seconds: float, began: datetime) -> Past:
    since = (began - parse_stamp(former[-1].began)).total_seconds() if former else None
    return Past(arrived, seconds, since)


def _calls(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """By system, its calls by endpoint and what is left of its quota; the next round counts anew."""
    counted = dict(workspace.calls)
    workspace.calls.clear()
    return {
        system: {
            "left": counts.left, "most": counts.most,
            "endpoints": {name: asdict(each) for name, each in sorted(counts.endpoints.items())},
        }
        for system, counts in counted.items()
    }  # fmt: skip


def bound_of(workspace: Workspace) -> timedelta:
    """The lag that the plan allows."""
    from migrate.plan.terms import parse_span

    return parse_span(workspace.plan.model.cutover.lag)


def memory_of(workspace: Workspace) -> int | None:
    """For how many days the source remembers deletions, as its connector says.

    None where it doesn't say, or where whoever looks has no credentials of the source: then nothing is known
    of it, and nothing else of a look needs them.
    """
    try:
        with closing(workspace.connector("source")) as source:
            days: int | None = source.limits.recycle_days
    except UsageError:
        return None
    return days
