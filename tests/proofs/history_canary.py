"""Does the canary find each automation that a sandbox can switch on, before the second record is written?

The sandbox itself is asked which automations it has. Each is switched on alone, for a load of its own; what
the load then wrote is counted in the sandbox's own log. The same oracle judges two more loads: one with all
of them off, which must go through, and one that the plan lets go without a canary, which must be red.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.harness.lanes import Lane, side_by_side
from tests.proofs.claims import Ground, Line, shows

SAVED = "before-canaries"
OURS = "app:"  # how the log names an app's writes; everything else is somebody else's


@dataclass(frozen=True)
class Flight:
    """A load with one automation on. `written`: records of ours by object and kind of write, by the log."""

    automation: str
    code: int
    error: str
    told: tuple[str, ...]
    written: dict[str, int]

    @property
    def found(self) -> bool:
        """The load stopped, said why, and no object had more than one record of a kind of write."""
        return self.code == 3 and self.error == "CanaryStopped" and bool(self.told) and not self.more

    @property
    def more(self) -> list[str]:
        """What was written more than once."""
        return [f"{what} x {count}" for what, count in self.written.items() if count > 1]

    def __str__(self) -> str:
        told = "; ".join(self.told) or self.error or f"exit {self.code}"
        return f"{self.automation}: {told} ({', '.join(self.written) or 'nothing'} written once)"


def offered(lane: Lane) -> list[str]:
    """Every automation of the target's sandbox."""
    return sorted(lane.target.control.get("/automations"))


def ready(lane: Lane) -> None:
    """Bring a lane to the point before its load."""
    _switch(lane, [])
    lane.must("discover", "check", "prepare", "extract", "transform")
    lane.settle()
    lane.save(SAVED)


def fly(lane: Lane, automation: str, *, waive: bool = False) -> Flight:
    """Load with one automation on, with a plan that accepts none."""
    lane.restore(SAVED)
    _accept_nothing(lane.root / "plan.yaml", waive=waive)
    _switch(lane, [automation] if automation else [])
    seen = [int(row["seq"]) for row in lane.target.control.ndjson("/log?after=0")]
    ended = lane.run("load")
    log = lane.target.control.ndjson(f"/log?after={max(seen, default=0)}")
    lane.settle()
    document = json.loads(ended.out) if ended.out else {}
    facts = document.get("facts") or document
    found: Any = facts.get("found") or ()
    return Flight(
        automation,
        ended.code,
        str(document.get("error") or ""),
        tuple(str(effect) for _, effects in found for effect in effects),
        written(log),
    )


def written(log: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Records that apps wrote, by object and kind of write; each record counts once."""
    ids = {
        (row["object"], row["op"], row["id"])
        for row in log
        if str(row["actor"]).startswith(OURS) and row["op"] in ("create", "update")
    }
    return dict(Counter(f"{object} {op}" for object, op, _ in sorted(ids)))


def _switch(lane: Lane, on: Sequence[str]) -> None:
    lane.target.control.post("/automations", {name: name in on for name in offered(lane)})


def _accept_nothing(path: Path, *, waive: bool) -> None:
    yaml = YAML()
    yaml.width = 4096  # a folded text may lose a blank
    plan = yaml.load(path.read_text())
    for entry in plan["objects"]:
        entry.pop("automations", None)
        if waive:
            entry["automations"] = {"waive": {"by": "the oracle's test", "reason": "must be shown red"}}
    with path.open("w") as file:
        yaml.dump(plan, file)


def campaign(lanes: Sequence[Lane]) -> list[Flight]:
    """One load for each automation, side by side."""
    for lane in lanes:
        ready(lane)
    return list(side_by_side(lanes, offered(lanes[0]), fly))


@shows("canary-found", "canary-quiet", "canary-oracle", proof="history")
def hubspot(ground: Ground) -> Iterator[Line]:
    """Three objects into an occupied portal."""
    with ground.several("canary") as lanes:
        flights = campaign(lanes)
        bad = [each for each in flights if not each.found]
        figure = f"{len(flights) - len(bad)} of {len(flights)} automations, at most 1 record each"
        speed = f"; clock {lanes[0].speed:g}x"
        yield Line("canary-found", figure + speed, len(flights), not bad, tuple(map(str, bad)))
        quiet = fly(lanes[0], "")
        count = sum(quiet.written.values())
        good = quiet.code in (0, 1) and not quiet.told
        yield Line("canary-quiet", f"{count} records loaded with all automations off", count, good)
        waived = fly(lanes[0], flights[0].automation, waive=True)
        red = not waived.found and bool(waived.more)
        yield Line("canary-oracle", f"red without a canary: {waived.more}", len(waived.more), red)
