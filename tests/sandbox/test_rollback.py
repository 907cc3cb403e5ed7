"""Everything back, whatever happens: the whole line, both sandboxes, real processes, one workspace.

The tests share a workspace: each loads again (the next attempt) and rolls back, a promise of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.sandbox.server import Running, launch

pytestmark = pytest.mark.long

SPEED = 10.0
LONGEST = 20  # of the sandbox's seconds
SIZES = Sizes(accounts=16, parents=5, opportunities=120, companies=20, known=4, contacts=15)
OBJECTS = ("companies", "contacts", "deals")


class Line:
    """The workspace, its HubSpot, and how commands are run."""

    def __init__(
        self, root: Path, hubspot: Running, variables: dict[str, str], patience: float = 120
    ) -> None:
        self.root, self.hubspot, self.variables, self.patience = root, hubspot, variables, patience

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        call = [sys.executable, "-m", "migrate", "-w", str(self.root), "--json", *words]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.variables)

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        process = self.start(*words)
        out, err = process.communicate(timeout=self.patience)
        assert process.returncode in codes, (words, out.decode()[-2000:], err.decode()[-2000:])
        found: dict[str, Any] = json.loads(out)
        return found

    def say(self, *words: str) -> str:
        """What a command tells people."""
        call = [sys.executable, "-m", "migrate", "-w", str(self.root), *words]
        return subprocess.run(call, capture_output=True, env=self.variables, check=True, text=True).stdout

    def back(self, *, held: int = 0) -> dict[str, Any]:
        """Roll back, verify, and see that a further run does nothing."""
        codes = (1,) if held else (0,)
        self.run("rollback", "run", "--yes", codes=codes)
        verified = self.run("rollback", "verify", codes=codes)
        assert (verified["verdict"], verified["held"]) == ("pass", held), verified["failures"]
        assert self.run("rollback", "run", "--yes", codes=codes)["objects"] == {}
        return verified

    def fault(self, path: str, kind: str, **do: Any) -> None:
        order = {"on": {"method": "POST", "path": path}, "do": {"kind": kind, **do}}
        self.hubspot.control.post("/faults", order)

    def act(self, **action: Any) -> None:
        self.hubspot.control.post("/act", action)

    def truth(self, object: str) -> dict[str, dict[str, Any]]:
        rows = self.hubspot.control.ndjson(f"/truth/{object}")
        return {str(row["id"]): row for row in rows if not row.get("archived")}

    def ours(self, object: str) -> list[str]:
        """Ids of live records that carry a migration key, by the sandbox's own store."""
        return [id for id, row in self.truth(object).items() if row["properties"].get("migration_key")]


@contextmanager
def prepared(root: Path, sizes: Sizes) -> Iterator[Line]:
    """A generated org and an occupied portal, all but loaded."""
    seed = generated(sizes)
    prepare_folder(root, "salesforce-to-hubspot")
    plan = (root / "plan.yaml").read_text()
    plan = plan.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
    plan = plan.replace("share: 0.8}", f"share: 0.8, clock: sandbox, longest_call: {LONGEST}}}")
    (root / "plan.yaml").write_text(plan)
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, root.parent / name, speed=SPEED, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        made = Line(root, running[1], environment(running[0], running[1]))
        for words in ("discover", "prepare", "extract", "transform"):
            made.run(words, codes=(0, 1))
        yield made


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with prepared(tmp_path_factory.mktemp("rollback") / "workspace", SIZES) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_faults(line: Line) -> Iterator[None]:
    yield
    line.hubspot.control.delete("/faults")


def test_a_load_is_undone_and_a_second_load_loads_everything_again(line: Line) -> None:
    before = {object: line.truth(object) for object in OBJECTS}
    first = line.run("load", codes=(0, 1))

    planned = line.run("rollback", "plan")
    verified = line.back()

    assert planned["counts"]["restore"] == SIZES.known
    assert all(not line.ours(object) for object in OBJECTS)
    assert {object: set(line.truth(object)) for object in OBJECTS} == {o: set(before[o]) for o in OBJECTS}
    for id, row in before["companies"].items():
        ours = ("name", "domain", "phone", "annualrevenue", "numberofemployees", "city", "hubspot_owner_id")
        now = line.truth("companies")[id]["properties"]
        assert [now.get(name) for name in ours] == [row["properties"].get(name) for name in ours]
    assert any("recycle bin" in each["what"] for each in verified["residue"])
    second = line.run("load", codes=(0, 1))
    assert second["attempt"] == first["attempt"] + 1
    assert second["objects"] == first["objects"]
    line.back()


def test_what_others_touched_since_is_held_and_nothing_else(line: Line) -> None:
    line.run("load", codes=(0, 1))
    companies, contacts, deals = (line.ours(object) for object in OBJECTS)
    adopted = [id for id in companies if line.truth("companies")[id]["properties"]["createdate"] < "2026"]
    made = [id for id in companies if id not in adopted]
    line.act(do="update", object="companies", id=made[0], fields={"description": "by hand"})
    line.act(do="update", object="companies", id=adopted[0], fields={"phone": "+49 30 1"})
    line.act(
        do="create",
        object="notes",
        fields={"hs_note_body": "ring"},
        on={"object": "contacts", "id": contacts[0]},
    )
    line.act(do="touch", object="deals")

    line.back(held=3)

    left = {object: set(line.ours(object)) for object in OBJECTS}
    assert left == {"companies": {made[0], adopted[0]}, "contacts": {contacts[0]}, "deals": set()}
    assert line.truth("companies")[adopted[0]]["properties"]["phone"] == "+49 30 1"
    groups = {
        group["name"]: group["count"] for group in line.run("rollback", "hold", "list", codes=(1,))["groups"]
    }
    assert groups == {"companies.edited": 2, "contacts.linked": 1}
    assert deals
    line.run("rollback", "hold", "keep", "contacts.linked")
    line.run("rollback", "hold", "force", "companies.edited", "--yes", codes=(1,))
    assert line.ours("companies") == []
    line.run("rollback", "hold", "force", "contacts.linked", "--yes")
    assert line.run("rollback", "verify")["words"].startswith("pass, 0 held")


@pytest.mark.parametrize("at", [pytest.param("arrival", marks=pytest.mark.slow), "after_commit"])
def test_a_rollback_killed_in_a_deletion_goes_on_and_no_load_starts_meanwhile(line: Line, at: str) -> None:
    line.run("load", codes=(0, 1))
    line.fault("deals/batch/archive", "hold", at=at)
    process = line.start("rollback", "run", "--yes")
    line.hubspot.control.wait_held(1, 60)
    process.kill()
    process.communicate()
    line.hubspot.control.delete("/faults")

    assert line.run("load", codes=(2,))["error"] == "UsageError"
    attempt = line.run("rollback", "plan", codes=(0, 1))["attempt"]
    status = line.run("status")["status"]
    assert (status["attempt"], status["state"], status["in_doubt"]) == (attempt, "rolling_back", 1)
    assert [each["free"] for each in status["leases"]] == ["its holder is dead"]
    assert status["window_end"]
    words = line.say("status")
    assert f"Attempt {attempt} is being rolled back." in words
    assert "`migrate rollback run`" in words
    assert "its holder is dead: the lease is free" in words

    line.back()

    assert all(not line.ours(object) for object in OBJECTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "object"), [("deals/batch/create", "deals"), ("companies/batch/update", "companies")]
)
def test_a_call_that_lands_after_the_rollback_is_named_and_undone(line: Line, path: str, object: str) -> None:
    line.fault(path, "late_commit", seconds=150)
    process = line.start("load")
    while not line.hubspot.control.get("/faults")[0]["hits"]:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.1)
    gone = time.monotonic()
    process.kill()
    process.communicate()
    line.back()
    assert time.monotonic() - gone < 150 / SPEED, "the machine was too slow for this test"

    time.sleep(max(0.0, 170 / SPEED - (time.monotonic() - gone)))
    failed = line.run("rollback", "verify", codes=(1,))
    assert {each["object"] for each in failed["failures"]} == {object}
    assert {each["id"] for each in failed["failures"]} == set(line.ours(object))
    line.back()


def without_deals(plan: str) -> str:
    """The plan without its last object."""
    return plan[: plan.index("  - source: Opportunity")] + "cutover: {window: 10 working days}\n"


@pytest.mark.slow
def test_an_object_that_has_gone_out_of_the_plan_is_put_back_all_the_same(line: Line) -> None:
    line.run("load", codes=(0, 1))
    whole = (line.root / "plan.yaml").read_text()
    (line.root / "plan.yaml").write_text(without_deals(whole))
    try:
        line.run("plan", "accept", "--as", "Ada", "--reason", "deals stay behind")
        line.run("transform", codes=(0, 1))
        line.run("load", codes=(0, 1))
        line.back()
    finally:
        (line.root / "plan.yaml").write_text(whole)
    line.run("transform", codes=(0, 1))

    assert all(not line.ours(object) for object in OBJECTS)


@pytest.mark.slow
def test_an_object_that_comes_into_the_plan_later_is_verified_too(line: Line) -> None:
    there = line.truth("deals")
    whole = (line.root / "plan.yaml").read_text()
    (line.root / "plan.yaml").write_text(without_deals(whole))
    try:
        line.run("transform", codes=(0, 1))
        line.run("load", codes=(0, 1))
    finally:
        (line.root / "plan.yaml").write_text(whole)
    line.run("plan", "accept", "--as", "Ada", "--reason", "deals come, too")
    line.run("transform", codes=(0, 1))
    line.run("load", codes=(0, 1))
    held = line.truth("deals")[line.ours("deals")[0]]["properties"]
    fields = {name: held[name] for name in ("dealname", "pipeline", "dealstage", "migration_key")}
    line.back()

    assert set(line.truth("deals")) == set(there)
    line.act(do="create", object="deals", fields=fields)
    failed = line.run("rollback", "verify", codes=(1,))
    assert [(each["object"], each["id"]) for each in failed["failures"]] == [("deals", line.ours("deals")[0])]
    line.act(do="delete", object="deals", id=line.ours("deals")[0])
    assert line.run("rollback", "verify")["verdict"] == "pass"


def test_nothing_is_undone_without_the_systems_name(line: Line) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "migrate", "-w", str(line.root), "rollback", "run"],
        input=b"legacy\n", capture_output=True, env=line.variables, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert b"nothing was done" in process.stderr
