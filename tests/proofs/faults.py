"""What the network and the vendor do to a write: once for each of create, update, link and archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.harness import kill, oracle
from tests.harness.lanes import Lane, side_by_side
from tests.proofs.claims import Ground, Line, shows
from tests.proofs.kills import ready


@dataclass(frozen=True)
class Write:
    """A kind of write: where it happens, and how what a partial success left is done later."""

    kind: str
    saved: str
    words: str
    path: str
    rows: tuple[int, ...]
    mend: str
    batch: int | None = None  # which of its calls is answered in part: the first one is the canary's


BACK = "rollback run --yes"
WRITES = (
    Write(
        "create", "ready", "load", r"/objects/[^/]*/contacts/batch/create", (1, 3), "dead-letters replay", 2
    ),
    Write("update", "ready", "load", r"/objects/[^/]*/companies/batch/update", (0,), "dead-letters replay"),
    Write("link", "ready", "load", r"/associations/.*/batch/create", (0, 2), "dead-letters replay"),
    Write("archive", "loaded", BACK, r"/objects/.*/batch/archive", (0, 2), BACK),
)


@dataclass(frozen=True)
class Case:
    """One fault on one kind of write."""

    write: Write
    name: str
    orders: tuple[Mapping[str, Any], ...]
    times: int = 1
    first: int | None = None  # exit code of the run that meets the fault, where it can't complete by itself
    mend: str = ""


CASES: dict[str, list[tuple[str, tuple[Mapping[str, Any], ...], int]]] = {
    "dropped": [("dropped", ({"kind": "drop", "at": "after_commit"},), 1)],
    "late-commit": [("late", ({"kind": "late_commit", "seconds": 20, "close_after": 0.2},), 1)],
    "storms": [
        ("without Retry-After", ({"kind": "status", "status": 429},), 5),
        ("Retry-After in seconds", ({"kind": "status", "status": 429, "retry_after": 3},), 5),
        ("Retry-After as a date", ({"kind": "status", "status": 429, "retry_after": "http-date"},), 5),
    ],
    "expired": [("expired", ({"kind": "expire"},), 1)],
    "partial": [("partial", ({"kind": "shuffle"}, {"kind": "partial", "rows": []}), 1)],
}


def cases_of(id: str, writes: Sequence[Write]) -> list[Case]:
    """The cases of one fault, one or more for each kind of write."""
    cases = []
    for write in writes:
        for name, orders, times in CASES[id]:
            told = tuple({**o, "rows": list(write.rows)} if o["kind"] == "partial" else o for o in orders)
            # A private app's token is renewed by a person; records that were refused are replayed. Links are
            # sent again by the load itself, and HubSpot archives a batch whole (204), with no partial answer.
            first, mend = {"partial": (1, write.mend), "expired": (3, write.words)}.get(id, (None, ""))
            if id == "partial" and write.kind in ("link", "archive"):
                first = None
            cases.append(Case(write, f"{write.kind}: {name}", told, times, first, mend))
    return cases


def show(lane: Lane, case: Case, straight: Mapping[str, kill.Straight], judge: kill.Judge) -> list[str]:
    """Arm, run, mend where need be, judge; what was wrong, in words."""
    write = case.write
    lane.restore(write.saved)
    seq = oracle.last(lane.target)
    on: dict[str, Any] = {"method": "POST", "path": write.path, "times": case.times}
    if write.batch is not None and any(order["kind"] == "partial" for order in case.orders):
        on["nth"] = write.batch
    lane.target.control.post("/faults", [{"on": on, "do": dict(order)} for order in case.orders])
    ended = lane.run(write.words)
    told = []
    hits = lane.hits()
    if hits < case.times:
        told.append(f"{case.name}: the fault happened {hits} times")
    lane.settle()
    if case.first is not None:
        if ended.code != case.first:
            told.append(f"{case.name}: exit {ended.code}, not {case.first}: {kill.last_words(ended)}")
        ended = lane.run(case.mend)
    wanted = straight[write.saved]
    if ended.code != wanted.code:
        told.append(f"{case.name}: exit {ended.code}: {kill.last_words(ended)}")
    told += [f"{case.name}: {line}" for line in kill.difference(wanted.left, judge(lane))]
    twice = [key for key, n in oracle.creates(oracle.log(lane.target, seq)).items() if n > 1]
    return told + [f"{case.name}: created twice: {key}" for key in twice]


@shows("dropped", "late-commit", "storms", "expired", "partial")
def once_per_kind(ground: Ground) -> Iterator[Line]:
    """The vendor's own longest call, in sandbox time."""
    with ground.several("faults", longest_call=None) as lanes:
        judge = kill.loaded(ready(lanes))
        straight: dict[int, dict[str, kill.Straight]] = {}
        for lane in lanes:
            loaded = kill.straight(lane, "ready", "load", judge)
            lane.save("loaded")
            undone = kill.straight(lane, "loaded", "rollback run --yes", judge)
            straight[id(lane)] = {"ready": loaded, "loaded": undone}
        for id_ in CASES:
            cases = cases_of(id_, WRITES)

            def do(lane: Lane, case: Case) -> list[str]:
                return show(lane, case, straight[id(lane)], judge)

            found = side_by_side(lanes, cases, do)
            told = tuple(line for lines in found for line in lines)
            bad = sum(bool(lines) for lines in found)
            names = "; ".join(case.name for case in cases)
            figure = f"{len(cases) - bad} of {len(cases)} as the straight run ({names})"
            figure += f", longest call 100 s, clock {lanes[0].speed:g}x"
            yield Line(id_, figure, len(cases), not bad, told)
