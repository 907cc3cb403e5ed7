"""How is a cohort frozen, drained and thawed? A freeze counts when the source shows that it stands still.

In this order, each step an event of the trail: the freeze is asked for; the source has stood still for as
long as its longest call and its lag, and the plan's `still`; the cohort is frozen; and only then the final
watermark is read. The last delta goes up to that watermark, and beyond it: a round whose reading began later
covers it. `drained` is guarded by this order. Swapped, a write between watermark and freeze would be lost.

What people have to do is told in the vendor's own words; what a vendor lets us do and undo is done
(`freeze_acts`). No vendor lets an integration close a system to its users. Times are the source's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.connector.freezing import Instruction, Job, TellsTouches
from migrate.cutover import freeze_acts, stillness, trail
from migrate.cutover.machine import Cutover, Line, guard
from migrate.cutover.states import STANDSTILL, State
from migrate.cutover.stillness import Look, Looking, Offence
from migrate.errors import Parked, UsageError
from migrate.load.context import Progress, no_progress
from migrate.plan.terms import parse_span

if TYPE_CHECKING:
    from migrate.connector import Source
    from migrate.cutover.trail import Event

ASKED = "cutover freeze asked"
STILL = "cutover still"
WATERMARK = "cutover final watermark"
DRAINED = "cutover drained"
POLL = 30.0  # seconds between two looks, at most
ROUNDS = 5  # of a drain, while doors that stay open bring more

Show = Callable[["Freeze"], None]


@dataclass(frozen=True)
class Freeze:
    """How a freeze stands. `asked`, `still_from`, `at`, `watermark`: stamps of the source's time.

    `seconds`: for how long it has stood still, of `needed`. `offences`: some of the writes that broke it
    since it was asked for; `touched`: how many there are; `by`: how many by object and person. It stands
    still since the newest of them: older ones are in nobody's way, and the last delta brings them. `doors`,
    `allowed`: writes that the plan lets go on.
    """

    cohort: str
    frozen: bool
    passed: bool
    asked: str
    still_from: str
    at: str
    seconds: float
    needed: float
    offences: tuple[Offence, ...]
    touched: int
    by: Mapping[str, int]
    jobs: tuple[Job, ...]
    configuration: tuple[str, ...]
    doors: Mapping[str, int]
    allowed: Mapping[str, int]
    instructions: tuple[Instruction, ...]
    untold: tuple[str, ...]
    watermark: str = ""


@dataclass(frozen=True)
class Drained:
    """The last delta. `watermark`: the final one; `through`: up to when the source was read at least;
    `rounds`: how many deltas it took; `refused`: dead letters that are left."""

    cohort: str
    watermark: str
    through: str
    rounds: int
    refused: int


# -- the freeze ---------------------------------------------------------------------------------


def freeze(
    cutover: Cutover, *, who: str, wait: float = 0.0, anew: bool = False, show: Show | None = None
) -> Freeze:
    """Ask for a freeze, and look whether the source stands still; frozen when it has, for long enough.

    Run again, it goes on from when it was asked for. In `frozen` it reads the final watermark, if a process
    was stopped before it could.

    Args:
        wait: seconds (of the plan's clock) to go on looking for.
        anew: ask again: the configuration as it is now is the one that must not change.
        show: called with each look's outcome.

    Raises:
        UsageError: the cohort isn't holding.
        SystemRefused, Parked: the source.
    """
    workspace = cutover.workspace
    state = cutover.need("holding", "frozen")
    with closing(workspace.source()) as source:
        asked = _asked(cutover, source, who, anew=anew and state == "holding")
        looking = Looking(workspace, source, cutover.cohort)
        until = workspace.clock.now() + timedelta(seconds=wait)
        while True:
            found, digest = _outcome(cutover, source, looking, asked, sweep=state == "frozen")
            if found.passed and state == "holding":  # all else is still: links are read once more
                found, digest = _outcome(cutover, source, looking, asked, sweep=True)
            if state == "frozen":
                mark = final_watermark(cutover) or _read_watermark(cutover, source, who)
                return replace(found, frozen=True, watermark=str(mark.facts["at"]))
            if found.passed:
                seen: dict[str, Any] = {
                    "still_from": found.still_from,
                    "seconds": found.seconds,
                    "needed": found.needed,
                }
                trail.append(
                    workspace.ledger, who, STILL, cohort=cutover.cohort, evidence=digest, at=found.at, **seen
                )
                cutover.move("frozen", who=who, evidence=digest, at=found.at, **seen)
                mark = _read_watermark(cutover, source, who)
                return replace(found, frozen=True, watermark=str(mark.facts["at"]))
            if show is not None:
                show(found)
            left = (until - workspace.clock.now()).total_seconds()
            if left <= 0 or found.configuration:  # waiting mends no configuration
                return found
            workspace.clock.sleep(min(left, POLL, max(1.0, found.needed - found.seconds)))


def _read_watermark(cutover: Cutover, source: Source, who: str) -> Event:
    """Read the final watermark: after the move and not before, a step of its own with an event of its own."""
    at = stamp(source.now())
    return trail.append(cutover.workspace.ledger, who, WATERMARK, cohort=cutover.cohort, at=at)


def _asked(cutover: Cutover, source: Source, who: str, *, anew: bool) -> Event:
    """The event with which this freeze was asked for, made now where there is none."""
    event = _since_holding(cutover, ASKED)
    if event is not None and not anew:
        return event
    workspace = cutover.workspace
    freeze_acts.act(cutover, source, who=who)
    known = stillness.configuration(workspace, source)
    return trail.append(
        workspace.ledger, who, ASKED, cohort=cutover.cohort, at=stamp(source.now()),
        levels=dict(stillness.levels(workspace)), configuration=known,
    )  # fmt: skip


def _since_holding(cutover: Cutover, what: str) -> Event | None:
    """The newest event of a kind since the cohort came to holding last."""
    held = cutover.last("holding")
    found = trail.events(cutover.workspace.ledger, what, cutover.cohort)
    return found[-1] if found and held is not None and found[-1].number > held.number else None


def _outcome(
    cutover: Cutover, source: Source, looking: Looking, asked: Event, *, sweep: bool
) -> tuple[Freeze, str]:
    """One look as people are told it, and its digest. The configuration is read where all else is still."""
    look = looking.look(parse_stamp(str(asked.facts["at"])), sweep=sweep)
    lag, told = 0.0, list[Instruction]()
    if isinstance(source, TellsTouches):
        lag, told = source.freeze_lag, list(source.instructions(stillness.levels(cutover.workspace)))
    plan = cutover.workspace.plan.model.cutover.freeze
    needed = max(parse_span(plan.still).total_seconds(), source.limits.longest_call + lag)
    still_from = max(str(asked.facts["at"]), look.last)
    seconds = (parse_stamp(look.at) - parse_stamp(still_from)).total_seconds()
    still = not look.running and seconds >= needed
    changed = looking.changed(asked.facts["configuration"]) if still and sweep else []
    by = {
        f"{object} by {name or 'somebody whom the vendor does not name'}": count
        for (object, name), count in sorted(look.counts.items())
    }
    found = Freeze(
        cutover.cohort, False, still and not changed, str(asked.facts["at"]), still_from, look.at, seconds,
        needed, tuple(sorted(look.offences, key=lambda each: each.at, reverse=True)), look.touched, by,
        tuple(look.running), tuple(changed), dict(look.doors), dict(look.allowed), tuple(told),
        tuple(look.untold),
    )  # fmt: skip
    return found, look.digest()


def final_watermark(cutover: Cutover) -> Event | None:
    """The event of the final watermark; None where it wasn't read since the cohort was frozen last."""
    frozen = cutover.last("frozen")
    found = trail.events(cutover.workspace.ledger, WATERMARK, cutover.cohort)
    return found[-1] if found and frozen is not None and found[-1].number > frozen.number else None


def still_frozen(cutover: Cutover) -> Line:
    """Whether nothing has moved since the freeze was verified. Asks the source; writes only its sweeps.

    A write that became visible late, with a stamp of that time, counts. What came through a door that stays
    open after the last drain is red as `doors`: it isn't in the target yet.

    Raises:
        SystemRefused, Parked: the source.
    """
    name = f"--cohort {cutover.cohort}"
    thaw = f"`migrate cutover thaw {name}`, then `migrate cutover freeze {name} --wait`"
    if cutover.state not in STANDSTILL:
        words = f"The cohort is {cutover.state}, not frozen."
        return Line("frozen", False, words, f"`migrate cutover freeze {name} --wait`")
    asked, still = _since_holding(cutover, ASKED), _since_holding(cutover, STILL)
    if asked is None or still is None or final_watermark(cutover) is None:
        words = "The freeze was never verified, or has no final watermark."
        return Line("frozen", False, words, f"`migrate cutover freeze {name}`")
    with closing(cutover.workspace.source()) as source:
        looking = Looking(cutover.workspace, source, cutover.cohort)
        look = looking.look(parse_stamp(str(asked.facts["at"])))
        since = str(still.facts["still_from"])
        if look.last > since:
            return Line("frozen", False, _broken_by(look), thaw)
        if look.running:
            job = look.running[0]
            return Line("frozen", False, f"The {job.kind} {job.id} of `{job.object}` is {job.state}.", thaw)
        if changed := looking.changed(asked.facts["configuration"]):
            return Line("frozen", False, f"{changed[0]} during the freeze.", thaw)
    drained = _since_holding(cutover, DRAINED)
    if drained is not None and look.door_last > str(drained.facts["through"]):
        words = f"Records came through doors that stay open after the last delta, until {look.door_last}."
        return Line("doors", False, words, f"`migrate cutover delta {name}`")
    return Line("frozen", True, f"Nothing has moved since {since}.")


def _broken_by(look: Look) -> str:
    newest = max(look.offences, key=lambda each: each.at, default=None)
    if newest is None:  # a link that moved between two sweeps of which this one is a later
        return (
            f"Something that bears no stamp has moved, as seen at {look.last}, after the freeze was verified."
        )
    who = newest.by or "somebody whom the vendor doesn't name"
    fields = f" ({', '.join(newest.fields)})" if newest.fields else ""
    record = f"`{newest.object}` {newest.id}" + (f" “{newest.name}”" if newest.name else "")
    return f"{record} was {newest.deed}{fields} by {who} at {newest.at}, after the freeze was verified."


# -- the drain ----------------------------------------------------------------------------------


def drain(cutover: Cutover, *, who: str, progress: Progress = no_progress) -> Drained:
    """Bring the last delta: rounds whose reading began after the final watermark, until the doors that
    stay open bring nothing more.

    In `drained` and beyond it drains again, by way of `frozen`: what was verified or approved is so no more.

    Raises:
        UsageError: the cohort isn't frozen, or the freeze doesn't hold, or doors bring more all the time.
        Parked, SystemRefused, Damaged, LeaseHeld: as extract, transform and load.
    """
    workspace = cutover.workspace
    if cutover.need(*STANDSTILL) != "frozen":
        cutover.move("frozen", who=who, why="to drain again")
    mark = final_watermark(cutover)
    if mark is None:
        with closing(workspace.source()) as source:
            mark = _read_watermark(cutover, source, who)
    watermark = str(mark.facts["at"])
    for number in range(1, ROUNDS + 1):
        refused, through = _round(cutover, progress), covered(cutover)
        trail.append(
            workspace.ledger, who, DRAINED, cohort=cutover.cohort, watermark=watermark, through=through,
            round=number, refused=refused,
        )  # fmt: skip
        line = still_frozen(cutover)
        if line.ok:
            cutover.move("drained", who=who, evidence=mark.digest, watermark=watermark, through=through)
            return Drained(cutover.cohort, watermark, through, number, refused)
        if line.id != "doors":
            raise UsageError(f"The freeze doesn't hold: {line.words}", f"Run {line.remedy}.")
    raise UsageError(
        f"After {ROUNDS} deltas records still come through the doors that stay open.",
        "Close them, or make them `during: buffer` in the plan, and run `migrate cutover delta` again.",
    )


def _round(cutover: Cutover, progress: Progress) -> int:
    """One delta, there and loaded; how many dead letters are left.

    Raises:
        Parked: a system kept it from its end.
    """
    from migrate.cutover.rounds import run_round

    workspace = cutover.workspace
    found = run_round(workspace, progress=progress)
    if found.error:
        when = parse_stamp(found.resume_at) if found.resume_at else None
        raise Parked(workspace.system("source").system, f"the last delta was stopped: {found.error}", when)
    return found.letters


def covered(cutover: Cutover) -> str:
    """Up to when every object of the source was read: when the earliest of their newest readings began."""
    from migrate.stages.extract import objects_needed

    store = cutover.workspace.store
    marks = []
    for object in objects_needed(cutover.workspace):
        found = store.manifests("source", object)
        marks.append(str(found[-1].facts["watermark"]) if found else "")
    return min(marks)


# -- back to holding ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Thawed:
    """`came_from`: the state before. `undo`: what people have to take back, in the vendor's words."""

    cohort: str
    came_from: State
    undo: tuple[Instruction, ...]


def thaw(cutover: Cutover, *, who: str, why: str) -> Thawed:
    """Let people work on in the source; the cohort is holding again. Approvals that were given are void.

    Raises:
        UsageError: the cohort isn't frozen.
        SystemRefused, InDoubt: the source doesn't switch an automation on; the cohort is holding, and a thaw
            that is run again goes on.
    """
    if cutover.state == "holding" and freeze_acts.standing(cutover):
        freeze_acts.undo(cutover, who=who)
        return Thawed(cutover.cohort, "holding", ())
    came_from = cutover.need(*STANDSTILL)
    cutover.move("holding", who=who, why=why, thawed=True)
    freeze_acts.undo(cutover, who=who)
    told: Sequence[Instruction] = ()
    with closing(cutover.workspace.source()) as source:
        if isinstance(source, TellsTouches):
            told = source.instructions(stillness.levels(cutover.workspace))
    return Thawed(cutover.cohort, came_from, tuple(told))


# -- what stands against a move -------------------------------------------------------------------


@guard("frozen")
def _was_still(cutover: Cutover) -> list[Line]:
    """Nobody is frozen by being called so."""
    asked, still = _since_holding(cutover, ASKED), _since_holding(cutover, STILL)
    freeze_again = f"`migrate cutover freeze --cohort {cutover.cohort} --wait`"
    if asked is None or still is None or still.number < asked.number:
        return [Line("still", False, "Nobody has seen the source stand still.", freeze_again)]
    ok = float(still.facts["seconds"]) >= float(still.facts["needed"])
    words = f"The source stood still for {still.facts['seconds']:.0f} of {still.facts['needed']:.0f} seconds."
    return [Line("still", ok, words, "" if ok else freeze_again)]


@guard("drained")
def _in_order(cutover: Cutover) -> list[Line]:
    """First frozen, then the final watermark, then the last delta, which reads beyond it."""
    frozen, mark = cutover.last("frozen"), final_watermark(cutover)
    drained, still = _since_holding(cutover, DRAINED), _since_holding(cutover, STILL)
    again = f"`migrate cutover delta --cohort {cutover.cohort}`"
    if frozen is None or mark is None or still is None:
        words = "The final watermark wasn't read after the freeze was verified."
        return [Line("watermark", False, words, f"`migrate cutover freeze --cohort {cutover.cohort}`")]
    at = str(mark.facts["at"])
    if mark.number < still.number or at < str(still.facts["at"])[:19]:
        words = f"The final watermark ({at}) is older than the look that verified the freeze."
        return [Line("watermark", False, words, again)]
    lines = [Line("watermark", True, f"The final watermark is {at}, read after the freeze was verified.")]
    if drained is None or drained.number < mark.number:
        return [*lines, Line("delta", False, "No delta was brought since the final watermark.", again)]
    through = covered(cutover)
    ok = str(drained.facts["through"]) >= at and through >= at
    words = f"Every object was read up to {through}."
    return [*lines, Line("delta", ok, words, "" if ok else again)]
