"""Does every stage survive being killed at any point? Strike, resume, compare with the straight run.

A work starts from a saved copy, is struck once at a numbered point, resumed with the same command, and
judged: equal to the straight run of the same lane, no key created twice. A strike that didn't happen (the
product ended first) counts as not hit.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.harness import oracle
from tests.harness.lanes import Child, Ended, Lane
from tests.harness.under import WRITES, Order

HOLDS = ("arrival", "before_commit", "after_commit", "half_reply")
TRIES = 3  # of a strike that came too late: the number of writes of a run varies by one or two

Judge = Callable[[Lane], Any]  # what a run left, as something that can be compared


@dataclass(frozen=True)
class Strike:
    """One kill. `kind`: request (held at point `how`), write (before or after), instant (`at`: seconds)."""

    kind: str
    at: float
    how: str

    def __str__(self) -> str:
        return f"{self.kind} {self.at:g} {self.how}"


@dataclass
class Result:
    """What became of one strike. `told`: what was wrong after the resumption."""

    strike: Strike
    hit: bool
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Straight:
    """The straight run of one lane."""

    code: int
    left: Any
    seconds: float


def strike(lane: Lane, words: str, one: Strike) -> bool:
    """Start `words` and kill it as ordered; whether it was hit."""
    if one.kind == "write":
        return lane.run(words, Order(int(one.at), one.how)).killed
    if one.kind == "instant":
        child = lane.start(words)
        time.sleep(one.at)
        return child.kill().killed
    # On arrival the request is forgotten; at the other points it goes on although nobody listens.
    then = "drop" if one.how == "arrival" else "proceed"
    lane.target.control.delete("/faults")
    do = {"kind": "hold", "at": one.how, "then": then}
    lane.target.control.post("/faults", [{"on": {"nth": int(one.at)}, "do": do}])
    child = lane.start(words)
    if not lane.wait_held(child):
        child.wait()
        return False
    return child.kill().killed


def loaded(before: dict[int, oracle.Truth]) -> Judge:
    """A judge of what a load or a rollback left in HubSpot. `before`: each lane's truth by `id(lane)`."""

    def judge(lane: Lane) -> oracle.State:
        lane.settle()
        return oracle.state(oracle.truth(lane.hubspot), before[id(lane)])

    return judge


def difference(wanted: Any, found: Any) -> list[str]:
    """What differs, in words."""
    if isinstance(wanted, oracle.State):
        return oracle.unequal(wanted, found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            f"{name}: {str(wanted.get(name))[:200]}, found {str(found.get(name))[:200]}"
            for name in sorted(wanted.keys() | found.keys(), key=str)
            if wanted.get(name) != found.get(name)
        ]
    return [] if wanted == found else [f"{str(wanted)[:300]}, found {str(found)[:300]}"]


def straight(lane: Lane, saved: str, words: str, judge: Judge) -> Straight:
    """Run the command from the saved copy without a strike."""
    lane.restore(saved)
    started = time.monotonic()
    ended = lane.must(words)[0]
    return Straight(ended.code, judge(lane), time.monotonic() - started)


def survive(
    lane: Lane, saved: str, words: str, one: Strike, wanted: Straight, judge: Judge, *, keyed: bool = True
) -> Result:
    """Strike, resume, judge."""
    started = time.monotonic()
    lane.restore(saved)
    seq = oracle.last(lane.target) if keyed else 0
    result = Result(one, strike(lane, words, one))
    lane.calm()
    ended = lane.run(words)
    if ended.code != wanted.code:
        result.told.append(f"resumed: exit {ended.code}, not {wanted.code}: {last_words(ended)}")
    result.told += difference(wanted.left, judge(lane))
    if keyed:
        twice = [key for key, n in oracle.creates(oracle.log(lane.target, seq)).items() if n > 1]
        result.told += [f"created twice: {key}" for key in twice]
    result.seconds = time.monotonic() - started
    return result


def last_words(ended: Ended) -> str:
    """The end of what a product said."""
    return (ended.out[-600:] + " " + ended.err[-1500:]).replace("\n", " | ")


def requests_of(lane: Lane, saved: str, words: str) -> int:
    """How many requests the target gets in a straight run."""
    lane.restore(saved)
    first = lane.last_request()
    lane.must(words)
    return lane.last_request() - first


def writes_of(lane: Lane, saved: str, words: str) -> list[tuple[int, str, str]]:
    """Write points of a straight run."""
    lane.restore(saved)
    return lane.points(words, Order(kinds=WRITES))


def every_request(count: int, holds: Sequence[str] = HOLDS) -> list[Strike]:
    """Each of so many requests, at each point."""
    return [Strike("request", n, how) for n in range(1, count + 1) for how in holds]


def every_write(count: int) -> list[Strike]:
    """Before and after each of so many writes."""
    return [Strike("write", n, how) for n in range(1, count + 1) for how in ("before", "after")]


def instants(count: int, seconds: float, seed: int = 7) -> list[Strike]:
    """Random instants within so many seconds."""
    rng = random.Random(seed)  # noqa: S311 - instants, no secrets
    return [Strike("instant", round(rng.uniform(0.02, seconds), 4), "") for _ in range(count)]


def pause(child: Child) -> None:
    """SIGSTOP."""
    child.signal(signal.SIGSTOP)
    child.until_stopped()


def go_on(child: Child) -> None:
    """SIGCONT."""
    child.signal(signal.SIGCONT)
