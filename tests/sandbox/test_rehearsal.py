"""A rehearsal plays the whole cutover on twins, and touches no real system.

Commands are processes of their own; the real systems are switched off once they have been extracted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.sandbox.server import Running, launch
from tests.sandbox.test_rollback import Line

# Fields whose changes can't come back: the plan says so by name.
KEPT = (
    "companies.domain", "companies.industry", "companies.hubspot_owner_id", "contacts.email",
    "contacts.hubspot_owner_id", "deals.closedate", "deals.pipeline", "deals.dealstage",
    "deals.source_created", "deals.hubspot_owner_id", "deals.links.1",
)  # fmt: skip
RULES = ", ".join(f"{name}: {{keep: source}}" for name in KEPT)
TERMS = f"cutover: {{lag: 30 minutes, freeze: {{still: 20 seconds}}, reverse: {{rules: {{{RULES}}}}}}}"
TINY = Sizes(accounts=6, parents=2, opportunities=12, companies=6, known=2, contacts=4)


SMALLEST = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", longest_call: 5}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
objects:
  - source: Account
    target: companies
    key: {field: migration_key}
    fields: {name: Name, city: BillingCity}
cutover: {lag: 30 minutes, freeze: {still: 5 seconds, allow: [0055g00000IMPORT]}}
"""


@contextmanager
def switched_off(root: Path, plan: str = "") -> Iterator[Line]:
    """A workspace whose real systems were extracted, and are switched off.

    Args:
        plan: in place of the example's.
    """
    seed = generated(TINY)
    prepare_folder(root, "salesforce-to-hubspot")
    if plan:
        (root / "plan.yaml").write_text(plan)
    else:
        text = (root / "plan.yaml").read_text().replace("cutover: {window: 10 working days}", TERMS)
        assert TERMS in text
        (root / "plan.yaml").write_text(text.replace('"env:LEGACY_"}', '"env:LEGACY_", longest_call: 5}'))
    with ExitStack() as stack:
        running: list[Running] = [
            stack.enter_context(launch(name, root.parent / name, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        line = Line(root, running[1], environment(running[0], running[1]), patience=600)
        for words in ("discover", "extract"):
            line.run(words, codes=(0, 1))
    yield line


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with switched_off(tmp_path_factory.mktemp("rehearsal") / "workspace", SMALLEST) as line:
        yield line


@pytest.fixture
def line(extracted: Line, tmp_path: Path) -> Line:
    shutil.copytree(extracted.root, tmp_path / "workspace")
    return Line(tmp_path / "workspace", extracted.hubspot, extracted.variables, patience=600)


def events(line: Line, what: str) -> list[dict[str, Any]]:
    with sqlite3.connect(line.root / ".migrate" / "ledger.db") as ledger:
        rows = ledger.execute("SELECT facts FROM events WHERE what = ? ORDER BY number", (what,)).fetchall()
    return [json.loads(facts) for (facts,) in rows]


ORDER = [
    "prepare", "extract", "transform", "load", "delta", "freeze", "drain", "validate", "gate", "approve",
    "switch", "reverse", "back", "rollback", "verify",
]  # fmt: skip
QUICK = ("--speed", "20", "--latency", "0.02", "--as", "Ada")
PACE = ("--speed", "2", "--latency", "0.02", "--as", "Ada")


@pytest.mark.long
def test_a_rehearsal_plays_the_cutover_there_and_back_without_any_real_system(line: Line) -> None:
    seen = line.run("cutover", "rehearse", *PACE, codes=(0, 1))["rehearsal"]

    assert (seen["back"], seen["lost"], seen["unlike"]) == ("pass", [], {"source": [], "target": []}), seen
    assert (seen["findings"], seen["refusals"]) == ([], []), seen
    assert seen["edits"] == 6, "three in the old system before the switch, three in the new one after it"
    assert seen["records"] == seen["of"] == TINY.accounts
    steps = {each["id"]: each for each in seen["steps"]}
    assert list(steps) == ORDER
    assert steps["load"]["calls"]["target"]["creates"] > 0
    assert steps["freeze"]["seconds"] >= 5
    assert steps["back"]["rows"] >= 3
    assert "automations" in seen["not_proved"][0]
    assert not (line.root / ".migrate" / "rehearsal").exists(), "people's data don't stay behind"

    [event] = events(line, "cutover rehearsed")
    content = (line.root / ".migrate" / "cutover" / "rehearsals" / event["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == event["evidence"] == seen["evidence"]
    [moved] = events(line, "cutover moved")
    assert (moved["from"], moved["to"], moved["evidence"]) == ("planned", "rehearsed", event["evidence"])
    assert events(line, "approval signed") == [], "what the rehearsal's people sign counts nowhere else"

    at = ("--at", "2026-12-04T18:00+01:00", "--until", "2026-12-06T20:00+01:00")
    book = line.run("cutover", "runbook", *at, codes=(0, 1))["runbook"]
    rows = {each["id"]: each for each in book["rows"]}
    assert "not measured" not in {rows[id]["takes"] for id in ("freeze", "drain", "gate", "switch", "back")}
    assert book["no_return"].startswith("Sun 6 Dec 2026")
    assert book["evidence"] == event["evidence"]
    altered = line.root / ".migrate" / "cutover" / "rehearsals" / event["file"]
    altered.write_bytes(content.replace(b'"verdict"', b'"verdicT"'))
    assert "isn't the document" in line.run("cutover", "runbook", codes=(5,))["message"]


@pytest.mark.long
def test_an_anonymised_extract_is_rehearsed_for_the_plan_that_it_was_made_of_and_no_other(
    line: Line, tmp_path: Path
) -> None:
    plan, others, stage = line.root / "plan.yaml", tmp_path / "shareable", line.root / ".migrate" / "stage"
    before = plan.read_text()
    line.run("anonymize", str(others))
    stage.rename(tmp_path / "stage")  # nothing of the real extract may be needed

    seen = line.run("cutover", "rehearse", "--extract", str(others), *QUICK)["rehearsal"]

    assert (seen["back"], seen["lost"], seen["findings"], seen["refusals"]) == ("pass", [], [], []), seen
    assert seen["records"] == seen["of"] == TINY.accounts
    assert "the real values" in seen["not_proved"][-1]
    [moved] = events(line, "cutover moved")
    assert (moved["cohort"], moved["to"]) == ("all", "rehearsed"), "the real workspace's cohort may go on"
    assert not (others / ".migrate" / "rehearsal").exists()

    def refused(root: Path, *more: str) -> str:
        rehearse = ("cutover", "rehearse", "--extract", str(root), *more, *QUICK)
        return str(line.run(*rehearse, codes=(2,))["message"])

    assert "has no hooks" in refused(others, "--hooks")
    for old, new in (("name: Name", "name: {expression: upper(Name)}"), ("{lag", "{reverse: live, lag")):
        plan.write_text(before.replace(old, new))
        assert "was made of another plan" in refused(others)
    plan.write_text(before)
    theirs = others / "plan.yaml"
    theirs.write_text(theirs.read_text().replace("city: BillingCity", "state: BillingCity"))
    assert "was changed after" in refused(others)
    assert "isn't what `migrate anonymize` made" in refused(line.root)


@pytest.mark.long
def test_a_live_way_back_is_rehearsed_as_one_and_a_rehearsal_without_it_no_longer_counts(line: Line) -> None:
    plan = line.root / "plan.yaml"
    plan.write_text(plan.read_text().replace("cutover: {", "cutover: {reverse: live, "))

    seen = line.run("cutover", "rehearse", *QUICK)["rehearsal"]

    assert (seen["back"], seen["lost"], seen["findings"]) == ("pass", [], []), seen
    steps = {each["id"]: each for each in seen["steps"]}
    assert steps["reverse"]["calls"]["source"]["updates"] > 0, "the old system was written to at once"

    def gate() -> bool:
        lines = line.run("cutover", "gate", "--look", codes=(0, 1))["lines"]
        return bool({each["id"]: each["ok"] for each in lines}["rehearsal"])

    assert gate()
    plan.write_text(plan.read_text().replace("reverse: live, ", ""))
    assert not gate()


@pytest.mark.long
def test_hooks_run_in_a_rehearsal_only_when_told_and_are_undone_on_the_way_back(
    line: Line, tmp_path: Path
) -> None:
    log, plan = tmp_path / "hooks.log", line.root / "plan.yaml"
    hook = (
        f"hooks: [{{name: form, do: {{command: [sh, -c, 'echo done >> {log}']}}, "
        f"undo: {{command: [sh, -c, 'echo undone >> {log}']}}}}]"
    )
    plan.write_text(plan.read_text().replace("cutover: {", f"cutover: {{{hook}, "))

    seen = line.run("cutover", "rehearse", *QUICK)["rehearsal"]

    assert any("hooks of the switch" in each for each in seen["not_proved"])
    assert not log.exists()

    seen = line.run("cutover", "rehearse", "--hooks", *QUICK)["rehearsal"]

    assert not any("hooks of the switch" in each for each in seen["not_proved"]), seen["not_proved"]
    assert (seen["back"], seen["findings"]) == ("pass", [])
    assert log.read_text().split() == ["done", "undone"]


@pytest.mark.long
def test_a_sample_of_the_example_is_whole_trees_and_red_lines_of_the_gate_are_findings(
    tmp_path: Path,
) -> None:
    with switched_off(tmp_path / "workspace") as line:
        seen = line.run("cutover", "rehearse", "--sample", "15", *PACE, codes=(0, 1))["rehearsal"]

    assert 0 < seen["records"] < seen["of"]
    assert (seen["back"], seen["lost"], seen["unlike"]) == ("pass", [], {"source": [], "target": []}), seen
    assert seen["left_out"] == 0, "nothing in the twin refers to what isn't there"
    assert seen["edits"] > 0
    # So small an org can't answer every question of the plan; everything else is green.
    assert all("has an answer" in each for each in seen["findings"]), seen["findings"]
    assert [each["id"] for each in seen["steps"]] == ORDER
    for step, ahead in zip(seen["steps"], seen["projection"]["steps"], strict=True):
        factor = seen["of"] / seen["records"] if step["scales"] == "records" else 1
        assert ahead["seconds"]["likely"] == pytest.approx(step["seconds"] * factor)


# -- on the vendors' sandboxes --------------------------------------------------------------------

OTHER = {"salesforce": {"org": {"Id": "00D9z0000008SboEAE"}}, "hubspot": {"portal": {"portalId": 4711}}}
OVERLAY = """\
source: {credentials: "env:BOX_OLD_", clock: sandbox}
target: {credentials: "env:BOX_NEW_", clock: sandbox}
"""


@pytest.fixture
def boxes(line: Line, tmp_path: Path) -> Iterator[list[Running]]:
    """Sandboxes of both vendors, known to the line's environment, with records and the real tenants' ids."""
    seed = generated(TINY)
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, tmp_path / name, speed=2.0, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        line.variables = {
            **line.variables, "BOX_OLD_INSTANCE_URL": running[0].url, "BOX_OLD_CLIENT_ID": "admin-app",
            "BOX_OLD_CLIENT_SECRET": "sandbox-secret", "BOX_NEW_TOKEN": "pat-na1-sandbox",
            "BOX_NEW_BASE_URL": running[1].url,
        }  # fmt: skip
        (tmp_path / "boxes.yaml").write_text(OVERLAY)
        yield running


@pytest.mark.long
def test_a_sandbox_that_is_the_real_tenant_is_refused_before_anything_is_written(
    line: Line, boxes: list[Running], tmp_path: Path
) -> None:
    words = ("cutover", "rehearse", "--on", "sandbox", "--systems", str(tmp_path / "boxes.yaml"))
    assert "writes to the sandboxes" in line.run(*words, codes=(2,))["message"]
    before = [len(each.control.ndjson("/log?after=0")) for each in boxes]

    refused = line.run(*words, "--yes", codes=(2,))

    assert "is the real one" in refused["message"]
    assert [len(each.control.ndjson("/log?after=0")) for each in boxes] == before
    [event] = events(line, "cutover rehearsal stopped")
    assert (event["on"], event["error"]) == ("sandbox", "UsageError")
    assert events(line, "cutover rehearsed") == []


@pytest.mark.long
def test_a_rehearsal_on_the_vendors_sandboxes_maps_ids_and_leaves_them_as_they_were(
    line: Line, boxes: list[Running], tmp_path: Path
) -> None:
    for each, name in zip(boxes, OTHER, strict=True):
        each.control.post("/seed", OTHER[name])
    before = {row["id"] for row in boxes[1].control.ndjson("/truth/companies")}
    ids = tmp_path / "ids.csv"
    ids.write_text("kind,production,sandbox\nuser,0055g00000IMPORT,0059z00000BOXBOX\n")
    words = ("--on", "sandbox", "--systems", str(tmp_path / "boxes.yaml"), "--ids", str(ids))

    told = line.run("cutover", "rehearse", *words, "--yes", "--keep", "--as", "Ada", codes=(0, 1))

    seen = told["rehearsal"]
    assert (seen["on"], seen["back"]) == ("sandbox", "pass"), seen
    steps = {each["id"]: each for each in seen["steps"]}
    assert steps["load"]["rows"] > 0
    assert steps["load"]["calls"]["target"]["POST"] > 0
    assert "edits by people" in " ".join(seen["not_proved"])
    left = {row["id"] for row in boxes[1].control.ndjson("/truth/companies") if not row["archived"]}
    assert left == before
    plan = (line.root / ".migrate" / "rehearsal" / "workspace" / "plan.yaml").read_text()
    assert "0059z00000BOXBOX" in plan
    assert "0055g00000IMPORT" not in plan
