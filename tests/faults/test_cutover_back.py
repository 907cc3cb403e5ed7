"""Does the way back survive kills, lost answers and an outage at any step, and bring everything home once?

The oracle reads the old system's own store. A straight run says what is right; every other run has to end
with the same.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.back_rig import LABELS, LIKE, OTHER, OWNERS, Rig, portals
from tests.sandbox.test_cutover_back import SEED, fields

pytestmark = pytest.mark.long
KINDS = "fsync,replace,commit,send"


@dataclass
class Ready:
    """A switched cohort with hours of work in the new system, which every test begins with."""

    rig: Rig
    base: Path

    def save(self) -> None:
        shutil.copytree(self.rig.root, self.base / "kept")
        for name, running in (("old", self.rig.old), ("new", self.rig.new)):
            running.control.post("/save", {"to": str(self.base / f"{name}.db")})

    def restore(self) -> None:
        shutil.rmtree(self.rig.root)
        shutil.copytree(self.base / "kept", self.rig.root)
        for name, running in (("old", self.rig.old), ("new", self.rig.new)):
            running.control.delete("/faults")
            running.control.post("/restore", {"from": str(self.base / f"{name}.db")})

    def killed(self, at: int, side: str, record: str = "") -> int:
        """`cutover back` in a process of its own that is killed at its n-th write or call; its end."""
        words = ["-w", str(self.rig.root), "--json", "cutover", "back", "--yes"]
        call = [sys.executable, "-m", "tests.harness.under", "--at", str(at), "--side", side,
                "--kinds", KINDS, "--record", record, "--", *words]  # fmt: skip
        return subprocess.run(call, capture_output=True, check=False, timeout=300).returncode

    def back(self) -> dict[str, Any]:
        found: dict[str, Any] = self.rig.run("cutover back --yes")["back"]
        return found

    def stands(self) -> dict[str, Any]:
        """What the old system holds, by name: nobody twice."""
        found: dict[str, Any] = {"links": sorted(self.rig.links("old"))}
        for object, name in (("contacts", "lastname"), ("companies", "name")):
            rows = list(fields(self.rig.truth("old", object)).values())
            names = [row[name] for row in rows]
            assert len(set(names)) == len(names), f"somebody stands twice: {sorted(names)}"
            found[object] = {row[name]: {k: v for k, v in row.items() if not _own(k)} for row in rows}
        return found


def _own(name: str) -> bool:
    """Whether a property is the vendor's own, other for each run."""
    return name.startswith("hs_") or name in ("createdate", "notes_last_updated")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ready, dict[str, Any]]]:
    base = tmp_path_factory.mktemp("back")
    with portals(base, LIKE.replace("MODE", "journal"), {"labels.csv": LABELS, "owners.csv": OWNERS}) as rig:
        rig.old.control.post("/seed", SEED)
        for words in ("discover", "prepare", "extract", "transform", "load"):
            _quiet(rig, words)
        rig.approved()
        rig.switch()
        ada, bea, dan, eve = (rig.named("new", "contacts", n)["_id"] for n in ("ada", "bea", "dan", "eve"))
        bolt = rig.named("new", "companies", "bolt", "name")["_id"]
        rig.act("new", "update", "contacts", id=ada, fields={"phone": "+49 2"})
        rig.act("new", "update", "companies", id=bolt, fields={"city": "Köln"})
        for number in range(3):
            made = rig.act("new", "create", "contacts", fields={"lastname": f"new {number}"})["id"]
            rig.act("new", "link", "contacts", id=made, to_object="companies", to=bolt)
        rig.act("new", "link", "contacts", id=eve, to_object="companies", to=bolt)
        rig.act("new", "delete", "contacts", id=dan)
        old_bea = rig.named("old", "contacts", "bea")["_id"]
        rig.act("old", "update", "contacts", id=old_bea, fields={"phone": "+49 old"}, who=OTHER)
        rig.act("new", "update", "contacts", id=bea, fields={"phone": "+49 new", "firstname": "Bea"})
        ready = Ready(rig, base)
        ready.save()
        record = base / "points"
        assert ready.killed(0, "before", str(record)) in (0, 1)
        wanted: dict[str, Any] = {"stands": ready.stands(), "points": len(record.read_text().splitlines())}
        assert wanted["stands"]["contacts"]["ada"]["phone"] == "+49 2"
        assert {"new 0", "new 1", "new 2"} <= wanted["stands"]["contacts"].keys()
        assert "dan" not in wanted["stands"]["contacts"]
        assert wanted["stands"]["contacts"]["bea"]["phone"] == "+49 old"
        yield ready, wanted


def _quiet(rig: Rig, words: str) -> None:
    more = ["--yes"] if words == "prepare" else []
    call = [sys.executable, "-m", "migrate", "-w", str(rig.root), "--json", words, *more]
    done = subprocess.run(call, capture_output=True, check=False)
    assert done.returncode in (0, 1), json.loads(done.stdout)


@pytest.mark.parametrize("part", [0.08, 0.2, 0.33, 0.45, 0.58, 0.7, 0.83, 0.95])
def test_a_killed_way_back_goes_on_and_ends_as_the_straight_one(
    begun: tuple[Ready, dict[str, Any]], part: float, capsys: pytest.CaptureFixture[str]
) -> None:
    ready, wanted = begun
    ready.rig.capsys = capsys
    ready.restore()
    side = "after" if round(part * 100) % 2 else "before"
    assert ready.killed(int(wanted["points"] * part), side) == -9

    found = ready.back()

    assert ready.stands() == wanted["stands"]
    assert found["state"] == "reverted"
    assert [each["field"] for each in found["left"]] == ["phone"]


FAULTS: dict[str, dict[str, Any]] = {
    "an answer to an update is lost": {"on": {"path": "batch/update", "nth": 1},
                                       "do": {"kind": "drop", "at": "after_commit"}},
    "an answer to a create is lost": {"on": {"path": "batch/create", "nth": 1},
                                      "do": {"kind": "drop", "at": "after_commit"}},
    "half an answer to a deletion comes": {"on": {"path": "batch/archive", "nth": 1},
                                           "do": {"kind": "drop", "at": "half_reply"}},
    "the old system is away for a while": {"on": {"nth": 3, "times": 3},
                                           "do": {"kind": "status", "status": 503}},
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_lost_answers_and_an_outage_cost_nothing_but_time(
    begun: tuple[Ready, dict[str, Any]], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ready, wanted = begun
    ready.rig.capsys = capsys
    ready.restore()
    ready.rig.old.control.post("/faults", [FAULTS[what]])
    found = ready.rig.run("cutover back --yes", 0, 1, 3)
    ready.rig.old.control.delete("/faults")
    if found["exit_code"] == 3:
        found = ready.rig.run("cutover back --yes")

    assert ready.stands() == wanted["stands"]
    assert found["back"]["state"] == "reverted"
