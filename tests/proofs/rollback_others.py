"""Checkpoints, operators, people in any order, repair, our own files and the runbook: the other claims.

What others made as functions of any size is called here at full size.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis.stateful import run_state_machine_as_test

from migrate.demo.generated import generated
from migrate.demo.shape import Sizes
from tests.harness import kill, oracle
from tests.harness.in_process import sandbox
from tests.harness.lanes import Child, Lane
from tests.harness.machine import goes, machine, world
from tests.harness.under import Order
from tests.proofs import rollback_state as ours
from tests.proofs.claims import Ground, Line
from tests.proofs.rollback import proof
from tests.proofs.rollback_repair import repaired

POINTS = Sizes(accounts=12, parents=4, opportunities=24, companies=12, known=3, contacts=8)
ROUNDS = 5
BACK = "rollback run --yes"
STEPS, SPEED = 20_000, 200.0
STOP_AT = 8  # commits: past the one that begins the rollback, before its end


# -- five checkpoints --------------------------------------------------------------------------------


@dataclass
class Points:
    """A lane loaded in five rounds; by checkpoint the portal's store before the round."""

    lane: Lane
    before: dict[str, oracle.Truth]
    end: oracle.Truth


def rounds(lane: Lane) -> Points:
    """A base and four deltas, each with changes and the next round's checkpoint; saved as `rounds`."""
    lane.must("discover", "check", "prepare")
    before: dict[str, oracle.Truth] = {}
    for number in range(1, ROUNDS + 1):
        if number > 1:
            _changes(lane, number)
        lane.must("extract" if number == 1 else "extract --since-watermark", "transform")
        known = {each["name"] for each in _points(lane)}
        there = oracle.truth(lane.hubspot)
        lane.must("load")
        names = [each["name"] for each in _points(lane) if each["name"] not in known]
        before[min(names, key=len)] = there  # those of waves have longer names
    lane.settle()
    lane.save("rounds")
    return Points(lane, before, oracle.truth(lane.hubspot))


def _points(lane: Lane) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lane.must("rollback checkpoints")[0].document["checkpoints"]
    return found


def _changes(lane: Lane, number: int) -> None:
    control = lane.salesforce.control
    rows = {name: [row for row in control.ndjson(f"/truth/{name}") if not row["IsDeleted"]]
            for name in ("Opportunity", "Account", "Contact")}  # fmt: skip
    for row in rows["Opportunity"][number : number + 4]:
        fields = {"Amount": 1000 * number, "Name": f"Round {number}"}
        control.post("/act", {"do": "update", "object": "Opportunity", "id": row["Id"], "fields": fields})
    account = rows["Account"][number]["Id"]
    fields = {"Phone": f"+1 {number}"}
    control.post("/act", {"do": "update", "object": "Account", "id": account, "fields": fields})
    person = {"LastName": f"New {number}", "Email": f"new{number}@round.example", "AccountId": account}
    control.post("/act", {"do": "create", "object": "Contact", "fields": person})


@proof("checkpoints", "checkpoints-load")
def checkpoints(ground: Ground) -> Iterator[Line]:
    """Back to each of five from the same saved copy; then everything is loaded again."""
    told: list[str] = []
    after: list[str] = []
    compared = 0
    with ground.lane("points", generated(POINTS)) as lane:
        points = rounds(lane)
        origin = next(iter(points.before.values()))
        wanted = oracle.state(points.end, origin)
        for name, before in points.before.items():
            lane.restore("rounds")
            lane.must(f"{BACK} --to {name}")
            verified = lane.must("rollback verify")[0].document
            if verified["verdict"] != "pass" or verified["held"]:
                told.append(f"{name}: {verified['words']}: {verified['failures'][:3]}")
            lane.settle()
            there = oracle.truth(lane.hubspot)
            told += [f"{name}: {line}" for line in oracle.put_back(before, there)]
            compared += len(points.end.records)
            lane.must("load")
            lane.settle()
            found = oracle.state(oracle.truth(lane.hubspot), origin)
            after += [f"{name}: {line}" for line in oracle.unequal(wanted, found)]
        told += [f"red: {line}" for line in _blind(points)]
    names = ", ".join(points.before)
    full = len(points.before) == ROUNDS
    yield Line("checkpoints", f"{len(points.before)} ({names}), {compared} records compared", compared,
               full and not told, tuple(told))  # fmt: skip
    figure = f"{len(wanted.records)} records and {len(wanted.links)} links as before, after each"
    yield Line("checkpoints-load", figure, len(wanted.records), full and not after, tuple(after))


def _blind(points: Points) -> list[str]:
    """The judge is shown red: with the store of another round, and with a record lost."""
    first, *_, final = points.before.values()
    told = [] if oracle.put_back(first, final) else ["records of later rounds aren't seen"]
    lost = oracle.Truth(dict(list(final.records.items())[1:]), set(final.links))
    return told if oracle.put_back(final, lost) else [*told, "a lost record isn't seen"]


# -- two operators -----------------------------------------------------------------------------------


@proof("operators")
def operators(ground: Ground) -> Iterator[Line]:
    """Two real processes: the second is refused; it takes over when the first is dead, or its lease ends."""
    told: list[str] = []
    with ground.lane("operators") as lane:
        before = oracle.truth(lane.hubspot)
        lane.must("discover", "check", "prepare", "extract", "transform", "load")
        lane.settle()
        lane.save("loaded")
        for name in ("killed", "stopped"):
            lane.restore("loaded")
            first = _begun(lane, name)
            told += [f"{name}: {line}" for line in _refused(lane, first.pid)]
            if name == "killed":
                first.kill()
                lane.target.control.delete("/faults")
            else:
                time.sleep((2 * (lane.longest_call or 100) + 65) / lane.speed)  # its lease, and some
            over = lane.run(BACK)
            if over.code not in (0, 1):
                told.append(f"{name}: the takeover ended with {over.code}: {kill.last_words(over)}")
            if name == "stopped":
                lane.calm(15)
                kill.go_on(first)
                code = first.wait().code
                if code != 4:
                    told.append(f"stopped: the first ends with {code}, not 4, after it was taken over")
                lane.must(BACK)
            verified = lane.must("rollback verify")[0].document
            if verified["verdict"] != "pass":
                told.append(f"{name}: {verified['words']}")
            lane.settle()
            told += [f"{name}: {line}" for line in oracle.put_back(before, oracle.truth(lane.hubspot))]
    figure = (
        "refused with name, host and since when; over at once after a kill, at the lease's end after a stop"
    )
    yield Line("operators", figure, 2, not told, tuple(told))


def _begun(lane: Lane, name: str) -> Child:
    """A first operator in the midst of a rollback: held in a deletion, or stopped between two writes."""
    if name == "stopped":
        first = lane.start(BACK, Order(STOP_AT, "after", ("commit",), "stop"))
        if not first.until_stopped():
            raise AssertionError(f"the rollback ended unstopped: {first.wait().out[-500:]}")
        return first
    lane.fault({"kind": "hold", "at": "arrival", "then": "drop"}, path="batch/archive")
    first = lane.start(BACK)
    if not lane.wait_held(first):
        raise AssertionError("the first had nothing to delete")
    return first


def _refused(lane: Lane, pid: int) -> list[str]:
    ended = lane.run(BACK)
    document = ended.document
    facts = document.get("facts", {})
    told = [] if ended.code == 4 else [f"the second ends with {ended.code}, not 4"]
    told += [f"no {name} is told" for name in ("holder", "host", "since") if not facts.get(name)]
    if str(pid) not in str(facts.get("holder")):
        told.append(f"the holder isn't the first process: {facts.get('holder')}")
    told += [
        f"the message lacks {name}"
        for name in ("host", "since")
        if str(facts.get(name)) not in str(document.get("message"))
    ]
    return told


# -- people in any order -------------------------------------------------------------------------------


@proof("machine")
def in_process(ground: Ground) -> Iterator[Line]:
    """Twenty thousand steps against the application itself, without sockets."""
    steps = STEPS if ground.step == 1 else max(500, STEPS // ground.step)
    base = ground.folder("machine")
    options = {"tier": "enterprise", "burst": 1_000_000}
    told: tuple[str, ...] = ()
    with (
        sandbox("hubspot", base / "hubspot", SPEED, **options) as (running, transport),
        world(base, running, transport, SPEED) as made,
    ):
        try:
            # Hypothesis's first example is its smallest, so one more than the division says.
            run_state_machine_as_test(machine(made, between=20), settings=goes(500, 2 + steps // 500))
        except AssertionError as error:
            told = tuple(str(error).splitlines())
        counts = made.counts
    words = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    yield Line("machine", f"{words}; clock {SPEED:g}x", counts["steps"],
               not told and counts["steps"] >= steps and _did(counts), told)  # fmt: skip


def _did(counts: dict[str, int]) -> bool:
    return min(counts[name] for name in ("stopped", "held", "verified")) > 0


# -- what others made ------------------------------------------------------------------------------------


@proof("repair")
def repair(ground: Ground) -> Iterator[Line]:
    """One field on 40,000 rows."""
    size, edited = (40_000, 300) if ground.step == 1 else (400, 30)
    found = repaired(ground.folder("repair"), size, edited)
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found.seconds.items())
    good = (found.mended, found.held, found.lost, found.wrong) == (size - edited, edited, 0, 0)
    figure = (
        f"{found.mended:,} mended, {found.held} held, {found.lost} edits lost, {found.wrong} wrong; one "
        f"command undid it: {found.back:,} as before, {found.not_back} not; {took}"
    )
    yield Line("repair", figure, found.mended, good and found.back == size and not found.not_back)


@proof("ledger-lost")
def ledger(ground: Ground) -> Iterator[Line]:
    """Rebuilt out of the journal."""
    yield from ours.ledger_lost(ground)


@proof("flipped-byte")
def flipped(ground: Ground) -> Iterator[Line]:
    """Named by fsck, refused by a rollback."""
    yield from ours.flipped_byte(ground)
