"""Does the operator's page keep its word? Its commands are typed as they stand, and each promise is compared.

A small migration is loaded, people work in the target, the page is made with a look. Then each shell block of
runbook.md is run word for word, in a shell, with what the step says is typed; exit code, words, counts and
minutes are held against the page. Whether everything is back is asked of the sandbox's own store.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.demo.generated import generated
from tests.harness.lanes import Lane
from tests.proofs.claims import SMALL, Ground, Line, shows

TRIGGERS = """\
cutover:
  window: 10 working days
  sponsors: [Dana Reyes, Kim Osei]
  triggers:
    - {what: rows.Opportunity, threshold: "> 5000", owner: Dana Reyes, says: Deals with a wrong value}
    - {what: "status:refused", threshold: ">= 100", owner: Kim Osei, says: Records that were not taken}
    - {what: "status:window_percent", threshold: "> 80", owner: Kim Osei, says: Percent of the window}
"""
STEP = re.compile(r"^### (\d)\. (.+?)\n\n```sh\n(.+?)\n```\n\n(.*?)(?=^### |^\| a command|\Z)", re.M | re.S)
SPANS = {"under a minute": 60.0}
OBJECTS = ("companies", "contacts", "deals")


@dataclass(frozen=True)
class Promise:
    """A step as the page has it. `seconds`: the most that it may take, None where it says nothing."""

    title: str
    command: str
    typed: str
    see: tuple[str, ...]
    codes: tuple[int, ...]
    seconds: float | None


def promises(page: str) -> list[Promise]:
    """The steps of runbook.md."""
    found = []
    for _, title, command, rest in STEP.findall(page):
        typed = re.search(r"^- Type: `([^`]+)`", rest, re.M)
        see = re.search(r"^- You see: (.+)$", rest, re.M)
        codes = re.search(r"^- Done with exit code: (.+)$", rest, re.M)
        takes = re.search(r"^- Takes: (.+)$", rest, re.M)
        assert see is not None
        assert codes is not None
        assert takes is not None
        found.append(
            Promise(
                title, command, typed[1] if typed else "", tuple(re.findall("“(.+?)”", see[1])),
                tuple(int(each) for each in codes[1].split(" or ")), seconds(takes[1]),
            )
        )  # fmt: skip
    return found


def seconds(words: str) -> float | None:
    """The most seconds that a span of the page stands for."""
    if words in SPANS:
        return SPANS[words]
    told = re.fullmatch(r"about ([\d.]+) (minute|hour|day)s?", words)
    return float(told[1]) * {"minute": 60, "hour": 3_600, "day": 86_400}[told[2]] if told else None


def option(page: str, name: str) -> dict[str, int]:
    """Counts of one option of the page."""
    (row,) = re.findall(rf"^\| {name}: .*$", page, re.M)
    cells = [each.strip() for each in row.strip("|").split("|")]
    named = zip(("touched", "held", "lost"), cells[3:], strict=True)
    return {key: int(each.replace(",", "")) for key, each in named if each != "not known"}


def typed(lane: Lane, promise: Promise, path: str) -> tuple[int, str, float]:
    """Run a command as a person would: in the workspace's folder, through a shell."""
    environment = {**lane.environment, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", promise.command], cwd=lane.root, env=environment, capture_output=True, text=True,
        input=f"{promise.typed}\n" if promise.typed else "", check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout, time.monotonic() - began


def loaded(lane: Lane) -> dict[str, dict[str, dict[str, Any]]]:
    """Load, let people work in the target, validate; the target before the load."""
    path = lane.root / "plan.yaml"
    text = path.read_text()
    start = text.index("cutover:")
    path.write_text(text[:start] + TRIGGERS)
    lane.must("discover", "prepare", "extract", "transform")
    before = truth(lane)
    lane.must("load")
    made = [
        id for id, row in truth(lane)["companies"].items()
        if row["properties"].get("migration_key") and id not in before["companies"]
    ]  # fmt: skip
    edit = {"do": "update", "object": "companies", "fields": {"description": "by hand"}}
    for id in made[:2]:
        lane.hubspot.control.post("/act", {**edit, "id": id})
    lane.must("validate")
    return before


def truth(lane: Lane) -> dict[str, dict[str, dict[str, Any]]]:
    """Live records by object and id, by the sandbox's own store."""
    return {
        object: {
            str(row["id"]): row
            for row in lane.hubspot.control.ndjson(f"/truth/{object}")
            if not row.get("archived")
        }
        for object in OBJECTS
    }


def page(lane: Lane, out: Path) -> tuple[Mapping[str, Any], str]:
    """Make the page with a look; its document and its Markdown."""
    made = subprocess.run(
        [sys.executable, "-m", "migrate", "--json", "rollback", "runbook", "--look", "--out", str(out)],
        cwd=lane.root, env=lane.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode not in (0, 1):
        raise AssertionError(f"the page wasn't made: {made.stdout[-1500:]}{made.stderr[-1500:]}")
    return json.loads(made.stdout), (out / "runbook.md").read_text(encoding="utf-8")


@shows("runbook", proof="rollback")
def runbook(ground: Ground) -> Iterator[Line]:
    """Every step's promise, on a small migration between both sandboxes."""
    told: list[str] = []
    path = str(Path(sys.executable).parent)  # where `migrate` is installed
    # At the real pace, so that minutes are minutes.
    with Lane(ground.folder("runbook"), generated(SMALL), speed=1, longest_call=2) as lane:
        before = loaded(lane)
        document, text = page(lane, lane.base / "page")
        steps = promises(text)
        if len(steps) != len(document["steps"]) or len(steps) != 5:
            told.append(f"the page has {len(steps)} steps, and {len(document['steps'])} in JSON")
        full = option(text, "All of it")
        compared = 0
        for step in steps:
            code, out, took = typed(lane, step, path)
            compared += 3
            if code not in step.codes:
                told.append(f"{step.command}: ended with {code}, promised {step.codes}: {out[-300:]}")
            if not any(each in out for each in step.see):
                told.append(f"{step.command}: says none of {step.see}: {out[-300:]}")
            if step.seconds is not None and took > step.seconds * 1.5 + 60:
                told.append(f"{step.command}: took {took:.0f} s, promised {step.seconds:.0f} s")
        now = truth(lane)
        compared += 2
        if full.get("held") != 2 or full.get("lost") is None:
            told.append(f"the page said of all of it {full}, and two records were edited")
        left = sorted(set(now["companies"]) - set(before["companies"]))
        others = [object for object in ("contacts", "deals") if set(now[object]) != set(before[object])]
        if len(left) != full.get("held") or others:
            told.append(f"left in the target: {left}, other than before: {others}")
        _, after = page(lane, lane.base / "after")
        compared += 1
        if "The target was put back." not in after or "Verified" not in after:
            told.append("the page made afterwards doesn't say that it is done")
    figure = f"{compared - len(told)} of {compared} promises kept"
    yield Line("runbook", figure, compared, not told, tuple(told))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="runbook-") as folder:
        for each in runbook(Ground(Path(folder))):
            print(each.text("word for word"), *each.told, sep="\n  ")
            sys.exit(not each.ok)
