"""What does validation say when it can't say anything? Killed, fed half of the target, or given nothing.

And a check of somebody else's: installed from a wheel, it stands in the report like ours; broken, it is an
error there and hides no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrate.demo.shape import Seed
from tests.harness.lanes import Ended, Lane
from tests.harness.under import WRITES, Order
from tests.proofs.claims import REPOSITORY
from tests.proofs.validation_rig import LITTLE, LITTLE_AMOUNTS, STAGES, Rig, migrated, plan_text, seed_of

OPEN = ("pass", "warn")  # the verdicts that open a gate
SCHEMAS = ("drift", "permissions")  # checks that compare systems, not records
DEALS = r"^/crm/(v3/objects|objects/[^/]+)/deals$"  # the listing of deals, on either family of paths
CUT_PAGE = b'{"results": ['  # what is left of a page of JSON


# -- killed --------------------------------------------------------------------------------------


def killed(rig: Rig, most: int) -> tuple[int, list[str]]:
    """Kill `validate` at writes spread over its run; how many were midway, and where something opened a gate.

    The run before was a good one, whose word must not be taken for the killed one's.
    """
    lane = rig.lane
    points = lane.points("validate", Order(kinds=WRITES))
    step = max(1, len(points) // most)
    midway, told = 0, []
    for number, kind, what in points[::step]:
        before = _latest(lane)
        ended = lane.run("validate", Order(at=number))
        if not ended.killed:
            continue  # the number of writes varies by a few; it ended before this one
        lane.calm()
        if _latest(lane) != before:
            continue  # killed behind its end: its report is whole
        said = lane.run("report")
        if _says_error(said):
            midway += 1
        elif number > points[0][0]:
            told.append(f"killed at write {number} ({kind} {what[-60:]}): {said.code} {said.out[:200]}")
    return midway, told


def _latest(lane: Lane) -> str:
    return (lane.root / ".migrate" / "reports" / "latest.json").read_text()


def _says_error(said: Ended) -> bool:
    document = json.loads(said.out)
    facts = document.get("facts") or {}
    verdict = document.get("verdict") or facts.get("verdict")
    return said.code not in (0, None) and verdict == "error" and "`error`" in str(document.get("message"))


# -- half of the target ---------------------------------------------------------------------------


def cut_short(lane: Lane) -> Iterator[tuple[str, list[str]]]:
    """Feed `validate` a truncated target in three ways; each way, and what was wrong with what it said."""
    yield "a page cut off midway", _page_cut_off(lane)
    yield "a page that ends the listing early", _listing_ended(lane)
    yield "a staged part cut off", _part_cut_off(lane)
    ended = lane.run("validate")
    good = ended.code in (0, 1) and ended.document["verdict"] in OPEN
    yield "whole again", [] if good else [f"{ended.code} {ended.out[:300]}"]


def _page_cut_off(lane: Lane) -> list[str]:
    garbage = {"kind": "garbage", "body": CUT_PAGE.decode(), "status": 200, "media": "application/json"}
    lane.fault(garbage, method="GET", path=DEALS, times=None)
    ended = lane.run("validate")
    hits = lane.hits()
    lane.calm()
    told = [] if hits else ["the fault didn't happen"]
    if ended.code in (0, 1) and ended.document.get("verdict") != "error":
        told.append(f"validate ended with {ended.code}: {ended.out[:200]}")
    said = lane.run("report")
    return told if _says_error(said) or _verdict(ended) == "error" else [*told, f"report: {said.out[:200]}"]


def _listing_ended(lane: Lane) -> list[str]:
    """A whole page of JSON that says there is nothing more, though there is."""
    garbage = {"kind": "garbage", "body": '{"results": []}', "status": 200, "media": "application/json"}
    lane.fault(garbage, method="GET", path=DEALS)
    ended = lane.run("validate")
    hits = lane.hits()
    lane.calm()
    told = [] if hits else ["the fault didn't happen"]
    if _verdict(ended) != "error":
        told.append(f"the verdict is {_verdict(ended)}: {ended.out[:200]}")
    return told


def _part_cut_off(lane: Lane) -> list[str]:
    """Our own copy of the target loses its tail while the checks wait for it."""
    found = lane.points("validate", Order(kinds=("rename", "replace"), match="target/deals/validate/"))
    if not found:
        return ["nothing was staged of the deals"]
    order = Order(at=len(found), side="after", kinds=("rename", "replace"), do="stop",
                  match="target/deals/validate/")  # fmt: skip
    child = lane.start("validate", order)
    if not child.until_stopped():
        return [f"it didn't stop: {child.wait().out[:200]}"]
    parts = sorted((lane.root / ".migrate").rglob("target/deals/validate/*.parquet"))
    for part in parts:
        with part.open("r+b") as file:
            file.truncate(part.stat().st_size // 2)
    child.signal(signal.SIGCONT)
    ended = child.wait()
    told = [] if parts else ["there was no part"]
    verdict = _verdict(ended)
    if verdict != "error" and ended.code in (0, 1):
        told.append(f"the verdict is {verdict}: {ended.out[:200]}")
    if ended.code not in (0, 1) and not _says_error(lane.run("report")):
        told.append("the former report's word stands")
    return told


def _verdict(ended: Ended) -> str:
    return str(ended.document.get("verdict") or "") if ended.out else ""


# -- nothing ------------------------------------------------------------------------------------


@contextmanager
def vacant(root: Path) -> Iterator[Rig]:
    """A migration of an org in which nobody has entered anything yet, into a portal as empty."""
    seed = seed_of(LITTLE, LITTLE_AMOUNTS, 7)
    records = {name: rows for name, rows in seed.salesforce["records"].items() if name == "User"}
    seed.salesforce["records"] = records
    seed.hubspot["records"] = {}
    nothing = Seed(seed.salesforce, seed.hubspot, seed.expected)
    overlay = root / "overlay"
    overlay.mkdir(parents=True)
    (overlay / "plan.yaml").write_text(plan_text(), encoding="utf-8")
    with Lane(root / "lane", nothing, plan="sales-and-history", folder=overlay) as lane:
        rig = Rig(lane)
        for words in STAGES:
            rig.run(words)
        yield rig


def on_nothing(rig: Rig, names: list[str]) -> tuple[int, list[str]]:
    """Run every check alone, and all together; how many ran, and which of them opens a gate.

    What two systems are like (`SCHEMAS`) can be compared before anybody has entered anything.
    """
    told = []
    for name in [*names, ""]:
        document = rig.run(f"validate --only {name}" if name else "validate", codes=(0, 1))
        passing = [
            each["id"] for each in document["results"]
            if each["verdict"] == "pass" and not (each["check"] in SCHEMAS and each["compared"])
        ]  # fmt: skip
        if document["verdict"] in OPEN or passing:
            told.append(f"{name or 'all together'}: {document['verdict']}; pass: {passing}")
    return len(names), told


# -- somebody else's ------------------------------------------------------------------------------

NAME = "crm-checks-of-acme"


def example() -> str:
    """The check in `validators/README.md`, as it stands there."""
    text = (REPOSITORY / "validators" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def wheel(folder: Path, modules: dict[str, str]) -> Path:
    """A wheel of a package `acme_checks` with these modules, each a check of its name."""
    info = f"{NAME.replace('-', '_')}-1.0.dist-info"
    points = "".join(f"{name} = acme_checks.{name}:check\n" for name in modules)
    files = {f"acme_checks/{name}.py": text for name, text in modules.items()} | {
        "acme_checks/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[crm_migrate.checks]\n{points}",
    }
    lines = []
    path = folder / f"{NAME.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text.encode())}")
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]) + "\n")
    return path


def installed(folder: Path) -> Path:
    """Install the example and a broken one with pip, into a folder of their own."""
    folder.mkdir(parents=True)
    made = wheel(folder, {"websites": example(), "clumsy": "def check(evidence):\n    yield 1 / 0\n"})
    site = folder / "site"
    call = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*call, "--no-index", "--target", str(site), str(made)], check=True, capture_output=True)
    return site


def third_party(rig: Rig, site: Path) -> list[str]:
    """Validate with the package beside ours; what isn't as it must be."""
    lane = rig.lane
    here = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    lane.environment["PYTHONPATH"] = here
    try:
        document = rig.run("validate")
    finally:
        lane.environment.pop("PYTHONPATH")
    results: dict[str, dict[str, Any]] = {each["id"]: each for each in document["results"]}
    told = []
    theirs = results.get("websites.Account")
    if theirs is None or theirs["verdict"] not in OPEN or not theirs["compared"]:
        told.append(f"websites.Account: {theirs}")
    page = (rig.report() / "index.html").read_text(encoding="utf-8")
    if "Websites of companies" not in page:
        told.append("the page doesn't show it")
    broken = results.get("clumsy")
    if broken is None or broken["verdict"] != "error" or "ZeroDivisionError" not in broken["summary"]:
        told.append(f"clumsy: {broken}")
    lost = [id for id in ("rows.Account", "counts.Account", "links.Contact.0") if id not in results]
    told += [f"{id} is lost by it" for id in lost]
    return told if document["verdict"] == "error" else [*told, f"the whole is {document['verdict']}"]


@contextmanager
def little(root: Path) -> Iterator[Rig]:
    """A small migration, validated once, with a good end."""
    with migrated(root, LITTLE, LITTLE_AMOUNTS) as rig:
        rig.run("validate")
        yield rig
