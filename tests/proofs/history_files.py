"""Do many files get through, in bounded memory, whatever kills the process? Once each, and as they were.

Sizes are log-normal, cut at a largest one, and scaled to a total. Extract and load are killed again and
again, each time after some more requests, and uploads are held that land only after their sender died. What
is lost, twice or changed is counted in the sandboxes' own stores: in the path of each file that HubSpot has,
in its log of accepted writes, and in the SHA-256 of both sides' bytes.

`python -m tests.proofs.history_files --files 20000 --bytes 4000000000 --kills 10` runs it alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.sandbox.salesforce.ids import mint
from migrate.sandbox.server import Running, launch
from tests.harness import memory

LARGEST = 100_000_000
FAMILY = "sf00D5g000004SimuEAC"
LONGEST_CALL, SPEED = 10.0, 5.0  # seconds of the vendor's clock, which runs so many times faster
LATE = 4.0  # seconds after the client has gone; less than the longest call
PLAN = f"""\
version: 1
source: {{system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}}
target:
  system: new
  type: hubspot
  credentials: "env:NEW_"
  clock: sandbox
  longest_call: {LONGEST_CALL}
objects:
  - source: Account
    target: companies
    fields: {{name: Name}}
  - source: Attachment
    part: file
    target: files
    fields: {{name: Name, content: Body}}
    insert_only: [content]
  - source: ContentVersion
    part: file
    target: files
    where: IsLatest
    fields: {{name: PathOnClient, content: VersionData}}
    insert_only: [content]
"""


@dataclass
class Figures:
    """What one proof found. `lost`, `twice`, `changed`: keys; `peak`: bytes, of the hungriest process."""

    files: int = 0
    bytes: int = 0
    kills: int = 0
    late: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    peak: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Every file there, once, as it was."""
        return not (self.lost or self.twice or self.strays or self.changed or self.told) and self.files > 0


def sizes(count: int, total: int, largest: int = LARGEST, seed: int = 7) -> list[int]:
    """So many sizes, log-normal, none beyond the largest, of about this total; an empty file among them."""
    rng = random.Random(seed)  # noqa: S311 - sizes, no secrets
    drawn = [rng.lognormvariate(0.0, 2.0) for _ in range(count)]
    low, high = 1.0, 1e12
    for _ in range(200):  # the scale at which the cut sizes sum up to the total
        scale = math.sqrt(low * high)
        low, high = (scale, high) if sum(min(largest, x * scale) for x in drawn) < total else (low, scale)
    found = [int(min(largest, x * low)) for x in drawn]
    found[0] = 0
    found[rng.randrange(1, count)] = min(largest, max(total // 4, 1))
    return found


def records(count: int, total: int, largest: int = LARGEST) -> dict[str, list[dict[str, Any]]]:
    """A seed for Salesforce: half attachments, half versions of documents, on one account in fifty files."""
    accounts = [{"Id": mint("001", 1 + n), "Name": f"Firm {n}"} for n in range(max(1, count // 50))]
    attachments, versions = [], []
    for n, size in enumerate(sizes(count, total, largest)):
        parent, body = accounts[n % len(accounts)]["Id"], {"size": size, "seed": n}
        if n % 2:
            versions.append(
                {"Id": mint("068", 1 + n), "PathOnClient": f"v{n}.bin", "Title": f"v{n}", "VersionData": body,
                 "FirstPublishLocationId": parent}
            )  # fmt: skip
        else:
            attachments.append(
                {"Id": mint("00P", 1 + n), "ParentId": parent, "Name": f"a{n}.bin", "Body": body}
            )
    return {"Account": accounts, "Attachment": attachments, "ContentVersion": versions}


@dataclass
class Rig:
    """Both sandboxes, and a workspace whose commands run as processes of their own."""

    root: Path
    salesforce: Running
    hubspot: Running
    figures: Figures

    @property
    def environment(self) -> dict[str, str]:
        """Only ours."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LEGACY_", "NEW_"))},
            "LEGACY_INSTANCE_URL": self.salesforce.url,
            "LEGACY_CLIENT_ID": "app",
            "LEGACY_CLIENT_SECRET": "secret",
            "NEW_TOKEN": "pat-na1-sandbox",
            "NEW_BASE_URL": self.hubspot.url,
        }

    def start(self, words: str) -> subprocess.Popen[bytes]:
        """A command in a process of its own."""
        command = [sys.executable, "-m", "migrate", "-w", str(self.root), "--json", *words.split()]
        out, err = (self.root / "out.json").open("wb"), (self.root / "err.txt").open("wb")
        with out, err:
            return subprocess.Popen(command, env=self.environment, stdout=out, stderr=err)

    def wait(self, words: str, process: subprocess.Popen[bytes], until: int | None = None) -> bool:
        """Wait for its end, or kill it when so many requests have come; whether it was killed."""
        began = time.monotonic()
        killed = False
        while process.poll() is None:
            self._look(words, process.pid)
            if until is not None and self.requests(words) >= until:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed = True
            time.sleep(0.05)
        self.figures.seconds[words] = self.figures.seconds.get(words, 0.0) + time.monotonic() - began
        return killed

    def must(self, *commands: str) -> None:
        """Commands that have to end well, remarks allowed."""
        for words in commands:
            process = self.start(words)
            self.wait(words, process)
            if process.returncode not in (0, 1):
                said = (self.root / "out.json").read_text() + (self.root / "err.txt").read_text()
                raise AssertionError(f"`{words}` ended with {process.returncode}: {said[-2000:]}")

    def requests(self, words: str) -> int:
        """How many requests the side that a command speaks to has got."""
        side = self.salesforce if words.startswith("extract") else self.hubspot
        return int(side.control.get("/health")["requests"])

    def _look(self, words: str, pid: int) -> None:
        peak = memory.most(pid)
        self.figures.peaks[words] = max(self.figures.peaks.get(words, 0), peak)
        self.figures.peak = max(self.figures.peak, peak)


@contextmanager
def rig(base: Path, seeded: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Rig]:
    """Both sandboxes, Salesforce with these records, and a plan."""
    root = base / "work"
    root.mkdir(parents=True)
    (root / "plan.yaml").write_text(PLAN)
    settings = {"burst": 1_000_000, "tier": "professional", "daily": 100_000_000}
    with (
        launch("salesforce", base / "salesforce", speed=SPEED,
               settings={"daily_limit": 100_000_000, "file_storage_mb": 1_000_000}) as salesforce,
        launch("hubspot", base / "hubspot", speed=SPEED, settings=settings) as hubspot,
    ):  # fmt: skip
        clients = [{"client_id": "app", "client_secret": "secret", "user": "admin@sandbox.example"}]
        salesforce.control.post("/seed", {"clients": clients, "records": {"Account": seeded["Account"]}})
        for object in ("Attachment", "ContentVersion"):
            rows = seeded[object]
            for first in range(0, len(rows), 200):
                salesforce.control.post("/seed", {"records": {object: rows[first : first + 200]}})
        hubspot.control.post("/seed", {"tokens": [{"token": "pat-na1-sandbox"}]})
        yield Rig(root, salesforce, hubspot, Figures())


def prove(
    base: Path, *, files: int, total: int, kills: int, largest: int = LARGEST, seed: int = 7
) -> Figures:
    """Move so many files, killed so many times on the way, and count.

    Args:
        base: a folder for the sandboxes and the workspace.
        total: bytes of all files, about.
        kills: a third of them while the files are fetched, the rest while they are sent.
    """
    rng = random.Random(seed)  # noqa: S311 - instants, no secrets
    with rig(base, records(files, total, largest)) as here:
        found = here.figures
        here.must("discover", "check", "prepare")
        early = kills // 3
        _killed(here, "extract", early, files, rng, late=False)
        here.must("extract", "transform")
        _killed(here, "load", kills - early, files, rng, late=True)
        here.must("load")
        count(here, found, files)
        return found


def _killed(here: Rig, words: str, kills: int, files: int, rng: random.Random, *, late: bool) -> None:
    """Kill a command so many times, at instants spread over what is left; start it again each time."""
    for n in range(kills):
        left = max(files * (kills - n) // (kills + 1), 8)
        until = here.requests(words) + rng.randrange(1, max(2, 2 * left // (kills - n + 1)))
        if late:
            # Uploads that are under way near that moment land only after their sender has gone.
            order = {
                "on": {
                    "method": "POST",
                    "path": r"/files/[^/]+/files$",
                    "nth": rng.randrange(1, 4),
                    "times": 3,
                },
                "do": {"kind": "late_commit", "seconds": LATE},
            }
            here.hubspot.control.delete("/faults")
            process = here.start(words)
            while process.poll() is None and here.requests(words) < until - 3:
                here._look(words, process.pid)
                time.sleep(0.02)
            here.hubspot.control.post("/faults", [order])
            held = time.monotonic() + 3.0
            while process.poll() is None and time.monotonic() < held:
                if here.hubspot.control.get("/held"):
                    here.figures.late += 1
                    break
                time.sleep(0.02)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                here.figures.kills += 1
            here.hubspot.control.delete("/faults")
        else:
            process = here.start(words)
            here.figures.kills += here.wait(words, process, until)


def count(here: Rig, found: Figures, files: int) -> None:
    """Compare the two stores, and read the log of accepted writes."""
    wanted: dict[str, str] = {}
    for row in here.salesforce.control.ndjson("/truth/files"):
        if row["object"] in ("Attachment", "ContentVersion"):
            wanted[f"{FAMILY}.{row['object']}.{row['id']}~file"] = row["sha256"]
            found.bytes += int(row["size"])
    there: dict[str, list[str]] = {}
    for row in here.hubspot.control.ndjson("/truth/files"):
        if not row["archivedAt"] and not row["purged"]:
            there.setdefault(row["path"].split("/")[-2], []).append(row["sha256"])
    log = here.hubspot.control.ndjson("/log?after=0")
    made = Counter(
        row["after"]["path"].split("/")[-2]
        for row in log
        if row["object"] == "files" and row["op"] == "create"
    )
    found.files = len(wanted)
    found.lost = sorted(wanted.keys() - there.keys())
    found.strays = sorted(there.keys() - wanted.keys())
    found.twice = sorted(
        {key for key, shas in there.items() if len(shas) > 1} | {k for k, n in made.items() if n > 1}
    )
    found.changed = sorted(key for key, sha in wanted.items() if key in there and there[key] != [sha])
    if len(wanted) != files:
        found.told.append(f"{len(wanted):,} files were seeded, {files:,} were asked for")
    said = json.loads((here.root / "out.json").read_text())
    if said["exit_code"] != 0:
        found.told.append(f"the last load ended with {said['exit_code']}: {str(said)[:1500]}")


def main() -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=4_000_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proof-files-", dir=given.folder) as base:
        began = time.monotonic()
        found = prove(Path(base), files=given.files, total=given.bytes, kills=given.kills)
    print(
        f"{found.files:,} files, {found.bytes:,} bytes, {found.kills} kills, {found.late} with late commits"
    )
    print(f"lost {len(found.lost)}, twice {len(found.twice)}, strays {len(found.strays)}, "
          f"changed {len(found.changed)}")  # fmt: skip
    print(f"peaks in MB: { {words: peak // 1_000_000 for words, peak in found.peaks.items()} }")
    print(f"seconds: { {words: round(took) for words, took in found.seconds.items()} }")
    print(f"in all: {time.monotonic() - began:.0f} s")
    for told in found.told:
        print(told)
    return 0 if found.whole else 1


if __name__ == "__main__":
    sys.exit(main())
