"""The history that doubles projects: does it go there and back, whole, whatever happens on the way?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from migrate.demo.nasty import nasty
from tests.harness.roundtrip import Compared
from tests.harness.s3 import seaweed
from tests.harness.servers import postgres
from tests.proofs import any_value, history_activities, history_files, history_kills, inputs, others
from tests.proofs.claims import REPOSITORY, Ground, Line, Shower, shared_data, shows
from tests.proofs.roundtrip import journey

MEGABYTE = 1_000_000
BOUND = 400 * MEGABYTE  # peak of a process


def proof(*ids: str) -> Callable[[Shower], Shower]:
    """Register a shower of this proof."""
    return shows(*ids, proof="history")


# -- there and back ---------------------------------------------------------------------------


@proof("roundtrip-fields", "roundtrip-records", "roundtrip-links", "roundtrip-files", "roundtrip-red")
def roundtrip(ground: Ground) -> Iterator[Line]:
    """A whole org through HubSpot into an empty one."""
    # The whole at full size; a part of the proof makes do with the traps.
    document = inputs.whole(shared_data()) if ground.step == 1 else nasty()
    with journey(ground.folder("roundtrip"), document) as trip:
        trip.there()
        trip.back()
        found = trip.compare()
        yield from lines(found)
        yield red(trip, found)


def lines(found: Compared) -> Iterator[Line]:
    """Four claims of one comparison; what differs stands under the first."""
    told = tuple(found.told)
    forced = ", ".join(f"{name}.{field} {n:,}" for (name, field), n in sorted(found.forced.items())) or "none"
    left = ", ".join(f"{name} {n:,}" for name, n in found.uncovered.most_common(6)) or "none"
    cells = sum(found.cells.values())
    yield Line(
        "roundtrip-fields",
        f"{cells:,} values, {found.filled:,} of them filled, {len(told)} differ; forced: {forced}; "
        f"filled fields that no plan maps: {left}",
        found.filled, not told, told,
    )  # fmt: skip
    by_object = ", ".join(f"{name} {n:,}" for name, n in sorted(found.records.items()))
    lost = [line for line in told if "times" in line or "nowhere" in line]
    yield Line("roundtrip-records", by_object, sum(found.records.values()), not lost, tuple(lost))
    links = [line for line in told if "lost:" in line or "added:" in line]
    yield Line("roundtrip-links", f"{found.references:,} references and links, {len(links)} differ",
               found.references, not links, tuple(links))  # fmt: skip
    files = [line for line in told if "digest" in line]
    yield Line(
        "roundtrip-files", f"{found.files:,} files, {len(files)} differ", found.files, not files, tuple(files)
    )


def red(trip: Any, before: Compared) -> Line:
    """Plant a loss, a twin and an overwrite in the third; the comparison must see each."""
    control, who = trip.third.control, {"as": "admin@sandbox.example"}
    rows = [row for row in control.ndjson("/truth/Contact") if not row["IsDeleted"]]
    gone, changed, twin = rows[0], rows[1], rows[2]
    control.post("/act", {**who, "do": "delete", "object": "Contact", "id": gone["Id"]})
    fields = {"LastName": "Planted"}
    control.post("/act", {**who, "do": "update", "object": "Contact", "id": changed["Id"], "fields": fields})
    copied = {name: twin[name] for name in ("LastName", "Migration_Key__c")}
    control.post("/seed", {"records": {"Contact": [copied]}})
    told = set(trip.compare().told) - set(before.told)
    seen = {
        "loss": any("Contact" in line and "0 times" in line for line in told),
        "twin": any("Contact" in line and "2 times" in line for line in told),
        "overwrite": any("Contact.LastName" in line and "'Planted'" in line for line in told),
    }
    missing = tuple(f"not seen: {name}" for name, good in seen.items() if not good)
    return Line("roundtrip-red", f"red on {', '.join(seen)}", len(seen), not missing, missing)


@proof("any-value")
def values(ground: Ground) -> Iterator[Line]:
    """Three batches of drawn values."""
    found: list[tuple[Compared, Any]] = []

    def run(rows: list[dict[str, Any]]) -> None:
        found.append(any_value.travelled(ground.folder(f"any-{len(found)}"), rows))

    any_value.draw(200 if ground.step == 1 else 20, 3 if ground.step == 1 else 1, run)
    told = tuple(line for compared, _ in found for line in compared.told)
    cells = sum(compared.filled for compared, _ in found)
    refused = sum(sum(reasons.values()) for _, reasons in found)
    records = sum(sum(compared.records.values()) for compared, _ in found)
    figure = f"{cells:,} filled values of {records:,} records equal but {len(told)}"
    figure += f"; {refused} rejected, each with a reason"
    yield Line("any-value", figure, cells, not told, told)


# -- many and large ---------------------------------------------------------------------------


@proof("files-whole", "files-memory")
def files(ground: Ground) -> Iterator[Line]:
    """Half attachments, half documents."""
    whole = ground.step == 1
    count, total = (20_000, 4_000_000_000) if whole else (400, 40_000_000)
    found = history_files.prove(ground.folder("files"), files=count, total=total, kills=10)
    told = tuple(found.told + found.lost[:5] + found.twice[:5] + found.changed[:5] + found.strays[:5])
    seconds = ", ".join(f"{words} {took:.0f} s" for words, took in found.seconds.items())
    yield Line(
        "files-whole",
        f"{found.files:,} files, {found.bytes:,} bytes; {found.kills} kills, {found.late} with uploads that "
        f"landed late; lost {len(found.lost)}, twice {len(found.twice)}, changed {len(found.changed)}, "
        f"strays {len(found.strays)}; {seconds}",
        found.files, found.whole and found.kills >= 10, told,
    )  # fmt: skip
    peaks = ", ".join(f"{words} {peak // MEGABYTE} MB" for words, peak in found.peaks.items())
    yield Line("files-memory", peaks, len(found.peaks), found.peak < BOUND)


@proof("activities")
def activities(ground: Ground) -> Iterator[Line]:
    """E-mails, tasks, calls and meetings, with what they are about."""
    found = history_activities.prove(ground.folder("activities"), 100_000 if ground.step == 1 else 2_000)
    told = tuple(found.lost[:5] + found.twice[:5] + found.changed[:5] + found.unlinked[:5])
    peaks = ", ".join(f"{words} {peak // MEGABYTE} MB" for words, peak in found.peaks.items())
    yield Line(
        "activities",
        f"{found.activities:,} activities, {found.characters:,} characters; lost {len(found.lost)}, twice "
        f"{len(found.twice)}, changed {len(found.changed)}, unlinked {len(found.unlinked)}; "
        f"{found.cut:,} bodies cut, {found.whole:,} of them whole in a file; {peaks}",
        found.activities, found.complete and found.peak < BOUND, told,
    )  # fmt: skip


# -- whatever happens on the way -----------------------------------------------------------------


@proof("kill-there", "kill-back", "kill-remote", "faults-there", "faults-back")
def struck(ground: Ground) -> Iterator[Line]:
    """A small org with a bit of everything, killed and disturbed; then the same elsewhere."""
    folder = ground.folder("struck")
    store = folder / "stores" / "hubspot"
    with history_kills.travelled(folder / "journey") as trip:
        history_kills.plans(trip, folder / "plans")
        store.parent.mkdir(parents=True)
        trip.middle.control.post("/save", {"to": str(store)})
    plans = folder / "plans"
    with history_kills.there(ground, plans, "there") as lanes:
        judge = history_kills.ready(lanes)
        yield history_kills.killed(ground, "kill-there", lanes, judge)
        yield history_kills.faults(lanes, history_kills.INTO_HUBSPOT, "faults-there", judge)
    with history_kills.back(ground, plans, store, "back") as lanes:
        judge = history_kills.ready(lanes)
        yield history_kills.killed(ground, "kill-back", lanes, judge)
        yield history_kills.faults(lanes, history_kills.INTO_SALESFORCE, "faults-back", judge)
    with (
        seaweed(ground.folder("s3")) as s3,
        postgres() as url,
        history_kills.there(ground, plans, "remote", s3=s3, postgres=url) as lanes,
    ):
        judge = history_kills.ready(lanes)
        yield history_kills.killed(ground, "kill-remote", lanes, judge, every=6)


@proof("old-links")
def old_links(ground: Ground) -> Iterator[Line]:
    """A thousand old links in the texts of accounts."""
    planted = "1000" if ground.step == 1 else "150"
    yield suite("old-links", ["tests/sandbox/test_old_links.py"], f"{planted} planted", OLD_LINKS=planted)


@proof("faults-remote")
def remote(ground: Ground) -> Iterator[Line]:
    """Puts that fail midway, storms, parts that differ: against a real server."""
    yield suite("faults-remote", ["tests/servers", "tests/faults/test_s3_workspace.py"], "against SeaweedFS")


def suite(claim: str, files: list[str], what: str, **environment: str) -> Line:
    """A claim that tests show at full size."""
    there = [name for name in files if (REPOSITORY / name).exists()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *there], cwd=REPOSITORY, capture_output=True, text=True,
        check=False, env={**os.environ, **environment, "SHARED_DATA": str(shared_data())},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "it said nothing"
    passed = int(last.split(" passed")[0].split()[-1]) if " passed" in last else 0
    told = tuple(done.stdout.splitlines()[-20:-1])
    return Line(claim, f"{what}: {last}", passed, done.returncode == 0, told)


# -- by other suites --------------------------------------------------------------------------


@proof("clients")
def clients(ground: Ground) -> Iterator[Line]:
    """The vendors' own, or independent, clients against the sandboxes, unchanged."""
    files = ["tests/sandbox/test_hubspot_clients.py", "tests/sandbox/test_salesforce_clients.py"]
    yield suite("clients", files, "hubspot-api-client and simple-salesforce")


@proof("demo")
def demo(ground: Ground) -> Iterator[Line]:
    """From a clean clone; the set-up is before the clock."""
    clone = ground.folder("clone")
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    environment = others.clean()
    subprocess.run(["make", "-s", "setup"], cwd=clone, env=environment, capture_output=True, check=True)
    began = time.monotonic()
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    good = sum(line.startswith("  ok") for line in done.stdout.splitlines())
    wrong = tuple(line for line in done.stdout.splitlines() if "WRONG" in line)
    figure = f"{good} figures as expected, {len(wrong)} not; {seconds:.0f} s"
    yield Line("demo", figure, good, done.returncode == 0 and seconds < 240, wrong)
