"""Does a bad case of each line of the first screen turn the verdict red? And the page and its bench.

One migration; for each section something is done wrong that it is there for, `migrate validate` runs, the
section and the whole must be red, and what was done is undone. Way back and signatures have no bad case here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from migrate.clock import parse_stamp, stamp
from tests.proofs.claims import REPOSITORY, Ground, Line
from tests.proofs.others import _bench, suite
from tests.proofs.seeded_portal import Portal
from tests.proofs.validation import proof
from tests.proofs.validation_rig import LITTLE, LITTLE_AMOUNTS, OTHER_TOKEN, Rig, migrated

SOON = 86_400  # seconds of the sandbox's clock that a waiver holds
ORDER = ("verdict", "scope", "money", "accounts", "notices", "consent", "people", "way_back", "lines",
         "waivers", "signatures")  # fmt: skip


@dataclass
class Screen:
    """A migration whose first screen is looked at. `shown`: sections by id, as last written."""

    rig: Rig
    portal: Portal
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    verdict: str = ""
    ended: str = ""

    def look(self) -> None:
        """Validate, and read the report's facts."""
        self.rig.lane.settle()
        self.rig.run("validate")
        document = json.loads((self.rig.report() / "report.json").read_text(encoding="utf-8"))
        self.shown = {each["id"]: each for each in document["screen"]}
        self.verdict, self.ended = document["verdict"], document["ended"]

    @property
    def plan(self) -> Path:
        """The plan of the migration."""
        return self.rig.lane.root / "plan.yaml"

    def deal(self) -> dict[str, Any]:
        """The largest open deal of ours."""
        rows = self.portal.all("deals", ["migration_key", "amount", "hs_is_closed", "dealname"])
        ours = [
            row for row in rows if row["migration_key"] and row["amount"] and row["hs_is_closed"] != "true"
        ]
        return max(ours, key=lambda row: (float(row["amount"]), str(row["id"])))


@contextmanager
def said(screen: Screen, words: str) -> Iterator[None]:
    """The plan says this under `validate:`."""
    before = screen.plan.read_text(encoding="utf-8")
    lines = before.splitlines()
    at = next((n for n, line in enumerate(lines) if line == "validate:"), None)
    if at is None:
        lines += ["validate:", f"  {words}"]
    else:
        key = words.partition(":")[0]
        there = next((n for n in range(at, len(lines)) if lines[n].startswith(f"  {key}: {{")), None)
        if there is not None:
            lines[there] = f"  {words}"  # the plan says it already, in one line
        else:
            lines.insert(at + 1, f"  {words}")
    screen.plan.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        screen.plan.write_text(before, encoding="utf-8")


@contextmanager
def written(screen: Screen, object: str, row: dict[str, Any], name: str, value: str) -> Iterator[None]:
    """Another program changes a value."""
    screen.portal.write(object, row["id"], {name: value})
    try:
        yield
    finally:
        screen.portal.write(object, row["id"], {name: str(row[name])})


@contextmanager
def money(screen: Screen) -> Iterator[None]:
    """A cent is gone."""
    deal = screen.deal()
    with written(screen, "deals", deal, "amount", f"{float(deal['amount']) - 0.01:.2f}"):
        yield


@contextmanager
def accounts(screen: Screen) -> Iterator[None]:
    """The name of the largest open deal's company is another one."""
    deal = screen.deal()
    linked = screen.portal.ask("GET", f"/crm/v4/objects/deals/{deal['id']}/associations/companies")["results"]
    id = str(linked[0]["toObjectId"])
    rows = screen.portal.all("companies", ["name", "migration_key"])
    with written(screen, "companies", next(row for row in rows if row["id"] == id), "name", "Somebody else"):
        yield


@contextmanager
def scope(screen: Screen) -> Iterator[None]:
    """Nothing tells any more of the records that were rejected."""
    stage = screen.rig.lane.root / ".migrate" / "stage" / "rejects"
    aside = stage.with_name("aside")
    shutil.move(stage, aside)
    try:
        yield
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.move(aside, stage)


@contextmanager
def notices(screen: Screen) -> Iterator[None]:
    """More of it than was accepted."""
    with said(screen, "notices: [{what: stamps, by: Ada, at_most: 1}]"):
        yield


@contextmanager
def decision(screen: Screen) -> Iterator[None]:
    """The decision's time has passed."""
    with said(screen, 'decision: {asked_of: [Sales sponsor], by: "2020-01-01T00:00:00Z"}'):
        yield


@contextmanager
def consent(screen: Screen) -> Iterator[None]:
    """Somebody who said no can be written to."""
    topic = screen.portal.ask("GET", "/communication-preferences/v4/definitions")["results"][0]["id"]
    for row in screen.portal.all("contacts", ["email", "migration_key"]):
        address = str(row["email"] or "")
        path = f"/communication-preferences/v4/statuses/{quote(address)}"
        if address and screen.portal.ask("GET", f"{path}/unsubscribe-all?channel=EMAIL")["results"]:
            break
    else:
        raise LookupError("nobody said no")
    basis = {"channel": "EMAIL", "legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "Signed up"}
    body = {"subscriptionId": topic, "statusState": "SUBSCRIBED", **basis}
    screen.portal.ask("POST", path, body)
    try:
        yield
    finally:
        screen.portal.ask("POST", f"{path}/unsubscribe-all?channel=EMAIL")


@contextmanager
def people(screen: Screen) -> Iterator[None]:
    """A tester says that a record isn't right."""
    from migrate_validators.uat.workbooks import ANSWER, NOT_OK, OK, RECORDS
    from openpyxl import load_workbook

    from migrate.forms import TOP

    folder = screen.rig.lane.base / "sheets"
    screen.rig.run(f"uat sheets {folder}")
    file = sorted(folder.glob("*.xlsx"))[0]
    for word in (NOT_OK, OK):
        book = load_workbook(file)
        book[RECORDS].cell(TOP + 2, ANSWER + 1).value = word
        book.save(file)
        screen.rig.run(f"uat read {file}")
        if word == NOT_OK:
            yield


@contextmanager
def waivers(screen: Screen) -> Iterator[None]:
    """Somebody's word has run out."""
    with money(screen):
        screen.look()
        rows = json.loads((screen.rig.report() / "report.json").read_text(encoding="utf-8"))
        group = next(each for each in rows["differences"]["groups"] if each["grade"] == "fail")
        until = stamp(parse_stamp(screen.ended) + timedelta(seconds=SOON))
        screen.rig.run(f"waive {group['id']} --by Ada --reason known --until {until}")
        screen.rig.lane.hubspot.control.post("/clock", {"offset": 2 * SOON})
        try:
            yield
        finally:
            screen.rig.run(f"waive {group['id']} --by Ada --take-back")


CASES: dict[str, Callable[[Screen], Any]] = {
    "verdict": decision, "scope": scope, "money": money, "accounts": accounts, "notices": notices,
    "consent": consent, "people": people, "waivers": waivers,
}  # fmt: skip
RED = ("fail", "error")


@proof("first-screen")
def first_screen(ground: Ground) -> Iterator[Line]:
    """Each section's bad case turns it and the whole red, and nothing else had turned it so before."""
    told: list[str] = []
    with migrated(ground.folder("screen"), LITTLE, LITTLE_AMOUNTS) as rig:
        screen = Screen(rig, Portal(rig.lane.hubspot.url, OTHER_TOKEN))
        screen.look()
        if list(screen.shown) != list(ORDER):
            told.append(f"the sections are {', '.join(screen.shown)}")
        told += [f"{id} is red before anything is wrong: {each['summary']}"
                 for id, each in screen.shown.items() if each["verdict"] in RED]  # fmt: skip
        if screen.verdict in RED:
            told.append(f"the whole is {screen.verdict} before anything is wrong")
        unset = [id for id, each in screen.shown.items() if each["verdict"] is None]
        for id, case in CASES.items():
            with case(screen):
                screen.look()
                if screen.shown[id]["verdict"] not in RED or screen.verdict not in RED:
                    told.append(f"{id}: {screen.shown[id]['verdict']}, the whole {screen.verdict}: "
                                f"{screen.shown[id]['summary']}")  # fmt: skip
        screen.look()
        told += [f"{id} stays red once it is undone: {each['summary']}"
                 for id, each in screen.shown.items() if each["verdict"] in RED]  # fmt: skip
    figure = (
        f"{len(CASES)} sections with a bad case each, {len(told)} not as they must be; "
        f"not set up without their work: {', '.join(unset) or 'none'}"
    )
    yield Line("first-screen", figure, len(CASES), not told, tuple(told))


@proof("report-page")
def report_page(ground: Ground) -> Iterator[Line]:
    """The browser's tests."""
    yield suite("report-page", "tests/browser", ground.folder("browser.xml"), " in Chromium")


@proof("screenshots")
def screenshots(ground: Ground) -> Iterator[Line]:
    """The script takes every picture that the README and the docs show, from a report of this run."""
    with migrated(ground.folder("pictures"), LITTLE, LITTLE_AMOUNTS) as rig:
        rig.run("validate")
        into = ground.folder("pictures") / "images"
        done = subprocess.run(
            [sys.executable, "-m", "tests.browser.pictures", str(rig.report()), str(into)],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
        )  # fmt: skip
        taken = {path.name: path.stat().st_size for path in into.glob("*.png")}
    shown = {path.name for path in (REPOSITORY / "docs" / "images").glob("report*.png")}
    pages = "".join(
        path.read_text(encoding="utf-8") for path in [REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md")]
    )
    told = [f"{name} was not taken" for name in sorted(shown - set(taken))]
    told += [f"{name} is an empty picture" for name, size in taken.items() if size < 10_000]
    told += [f"{name} is shown nowhere" for name in sorted(shown) if name not in pages]
    told += done.stderr.splitlines()[-6:] if done.returncode else []
    figure = f"{len(taken)} pictures by the script, {len(shown)} in README and docs"
    yield Line(
        "screenshots", figure, len(taken), bool(shown) and not told and not done.returncode, tuple(told)
    )


@proof("bench-rows")
def bench_rows(_: Ground) -> Iterator[Line]:
    """The row diff beside datacompy (pandas, polars), reladiff and a bare join, at both sizes."""
    from bench.diff import large_line, line

    small, large = _bench("diff", "--every", "1000")[0], _bench("diff", "--large")[0]
    figure = f"{line(small)} | {large_line(large)}"
    yield Line("bench-rows", figure, int(small["rows"]) + int(large["rows"]), small["ok"] and large["ok"])
