"""Does a large rollback use what the vendor allows, and little memory? At HubSpot's real limits.

Contacts that we created with a link each, and companies that we adopted and changed: loaded by the product
out of rows made ready by hand, then rolled back in a process of its own while the portal counts calls as
HubSpot does. Whether all is back is read in the portal's store and in its log of accepted writes.

`python -m tests.proofs.rollback_volume --creates 10000 --updates 2000` runs it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from migrate.sandbox.hubspot.rates import TIERS
from tests.faults.attack_rig import Rig, hubspot
from tests.harness import memory
from tests.harness.hold_words import HUBSPOT, OURS, Store, last

CREATES, UPDATES = 100_000, 20_000
SHARE, TIER = 0.8, "professional"
LIMIT = TIERS[TIER][0] / 10  # calls a second
LEAST = 0.9  # of the limit's share
SPEED = 1.0  # of the sandbox's clock
MEMORY = "48MB"  # of the engine
FLIGHT = 4  # calls at a time
CHUNK = 2_000
OPEN = {"burst": 1_000_000, "daily": 100_000_000, "tier": TIER}
REAL = {"burst": None, "daily": None, "tier": TIER}


@dataclass
class Volume:
    """What was seen. `pace`: accepted calls that repeat no other, a second of sandbox time."""

    creates: int = 0
    updates: int = 0
    gone: int = 0
    back: int = 0
    accepted: int = 0
    refused: Counter[int] = field(default_factory=Counter)  # calls by status
    busy: float = 0.0  # seconds of the sandbox between the first call and the end of the last
    peak: int = 0  # bytes
    speed: float = 1.0
    code: int = -1
    seconds: dict[str, float] = field(default_factory=dict)
    paths: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def pace(self) -> float:
        return (self.accepted - self.refused.total()) / self.busy if self.busy else 0.0

    @property
    def used(self) -> float:
        """Of the limit's share."""
        return self.pace / (LIMIT * SHARE)


def prove(base: Path, creates: int = CREATES, updates: int = UPDATES, speed: float = SPEED) -> Volume:
    """Load so much, roll it back at the real limits, count.

    Args:
        speed: of the sandbox's clock while it is rolled back.
    """
    found = Volume(creates, updates, speed=speed)
    with hubspot(base / "hubspot", **OPEN) as portal:
        for first in range(0, updates, CHUNK):
            rows = [
                {"properties": {"name": f"Theirs {n}", "domain": f"c{n}.example"}}
                for n in range(first, min(first + CHUNK, updates))
            ]
            portal.control.post("/seed", {"records": {"companies": rows}})
        rig = Rig(base / "work", portal, flight=FLIGHT)
        _stage(rig, creates, updates)
        data = base / "hubspot"
        before, mark = HUBSPOT.store(data), last(data)
        _timed(found, "load", lambda: _run(rig, "load"))
        if found.code not in (0, 1):
            return found
        loaded = Counter(write.op for write in HUBSPOT.writes(data, mark) if write.who == OURS)
        found.wrong += [
            f"the load made {loaded[op]} {op}s, not {least}"
            for op, least in (("create", creates), ("update", updates))
            if loaded[op] < least
        ]
        portal.control.post("/clock", {"speed": speed})
        portal.control.post("/settings", REAL)
        mark, number = last(data), len(portal.control.ndjson("/requests?after=0"))
        _timed(found, "rollback", lambda: _run(rig, "rollback run --yes"))
        _calls(found, portal.control.ndjson(f"/requests?after={number}"))
        _compare(found, data, before, mark)
    return found


def _stage(rig: Rig, creates: int, updates: int) -> None:
    path = rig.root / "plan.yaml"
    path.write_text(path.read_text().replace("longest_call: 2,\n", f"longest_call: 100, share: {SHARE},\n"))
    rig.again()
    theirs = sorted((int(row["id"]) for row in rig.truth("companies")), key=int)
    rig.ready(
        "Account", 0,
        [{"n": n, "name": f"Ours {n}", "domain": f"c{n}.example", "adopt": str(id)}
         for n, id in enumerate(theirs)],
    )  # fmt: skip
    rig.ready("Contact", 0, [{"n": n, "email": f"p{n}@c.example", "lastname": f"P {n}"}
                             for n in range(creates)])  # fmt: skip
    rig.links(0, [(n, n % max(1, updates), "default", False) for n in range(creates)])
    rig.workspace.close()


def _run(rig: Rig, words: str) -> tuple[int, int]:
    """Run a command in a process of its own; its exit code and the most memory that it had, in bytes."""
    call = [sys.executable, "-m", "migrate", "-w", str(rig.root), "--json", *words.split()]
    environment = {**os.environ, **rig.environment, "MIGRATE_MEMORY": MEMORY}
    with (rig.root / "out.json").open("wb") as out, (rig.root / "err.txt").open("wb") as err:
        process = subprocess.Popen(call, stdout=out, stderr=err, env=environment)
        peak = memory.waited(process)
    return process.returncode, peak


def _timed(found: Volume, name: str, work: Any) -> None:
    began = time.monotonic()
    found.code, found.peak = work()
    found.seconds[name] = time.monotonic() - began


def _calls(found: Volume, requests: Sequence[Mapping[str, Any]]) -> None:
    for each in requests:
        status = int(each["status"] or 0)
        if 200 <= status < 300:
            found.accepted += 1
        else:
            found.refused[status] += 1
        found.paths[f"{each['method']} {str(each['path']).partition('?')[0]}"] += 1
    if requests:
        times = [datetime.fromisoformat(str(each["at"])) for each in requests]
        found.busy = (max(times) - min(times)).total_seconds()


def _compare(found: Volume, data: Path, before: Store, mark: int) -> None:
    now = HUBSPOT.store(data)
    deleted = {w.place for w in HUBSPOT.writes(data, mark) if w.who == OURS and w.op == "delete"}
    ours = [place for place, values in now.records.items() if values.get(HUBSPOT.key)]
    found.gone = len(deleted - now.records.keys())
    found.wrong += [f"still there: {place}" for place in ours[:5]]
    for place, values in before.records.items():
        if place not in now.records:
            found.wrong.append(f"lost: {place}")
        elif HUBSPOT.difference(values, now.records[place]):
            found.wrong.append(f"not put back: {place} {HUBSPOT.difference(values, now.records[place])}")
        else:
            found.back += 1


def main() -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=CREATES)
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proof-volume-") as made:
        base = given.folder or Path(made)
        found = prove(base, given.creates, given.updates, given.speed)
        if found.code not in (0, 1):
            print((base / "work/out.json").read_text()[-2000:], (base / "work/err.txt").read_text()[-3000:])
    print(f"gone {found.gone:,} of {found.creates:,}, back {found.back:,} of {found.updates:,}")
    print(f"{found.accepted:,} calls in {found.busy:.0f} s of the sandbox (clock {found.speed:g}x): "
          f"{found.pace:.2f} a second, {found.used:.1%} of {LIMIT * SHARE:g}, "
          f"refused {dict(found.refused)}")  # fmt: skip
    print(f"peak {found.peak / 1e6:.0f} MB; exit {found.code}; seconds {json.dumps(found.seconds)}")
    for path, count in found.paths.most_common(20):
        print(f"  {count:6,} {path}")
    print("\n".join(found.wrong[:10]))
    return int(bool(found.wrong) or found.code not in (0, 1))


if __name__ == "__main__":
    sys.exit(main())
