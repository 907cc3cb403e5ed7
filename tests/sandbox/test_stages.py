"""The whole line by its commands, on a small company: there, again, with what changed since, and mended."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from migrate.cli import main
from migrate.clock import stamp
from migrate.connector import NewOption
from migrate.demo.generated import generated
from migrate.demo.run import PLANS, WRITER, credentials, sandboxes
from migrate.demo.shape import Seed, Sizes, sf_id
from migrate.ledger.leases import this_process
from migrate.ledger.tables import leases
from migrate.plan.maps import read_picklist
from migrate.sandbox.server import Running
from migrate.workspace import Workspace

SIZES = Sizes(
    accounts=12, parents=4, opportunities=60, users=35, inactive=6, companies=20, known=3, contacts=20
)
ADMIN = "admin@sandbox.example"
SPEED = 20.0
LINE = ("discover", "check", "prepare", "extract", "transform", "load")


@dataclass
class Company:
    """Two sandboxes and a workspace between them; commands run in this process."""

    root: Path
    seed: Seed
    salesforce: Running
    hubspot: Running
    capsys: pytest.CaptureFixture[str] | None = None
    said: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    def workspace(self, name: str) -> Path:
        """A fresh workspace beside the first one. Its name would end a careless SQL literal."""
        path = self.root.parent / name
        shutil.copytree(PLANS / "salesforce-to-hubspot", path)
        text = (path / "plan.yaml").read_text().replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
        text = text.replace("share: 0.8}", "share: 0.8, clock: sandbox, longest_call: 5}")
        (path / "plan.yaml").write_text(f"{text}\noverrides: overrides.csv\n")
        (path / "overrides.csv").write_text("key,field,old,new,who,why\n")
        return path

    def run(self, words: str, root: Path | None = None) -> tuple[int, dict[str, Any]]:
        """One command; its code and the one document that it printed."""
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(root or self.root), "--json", *words.split(" ")])
        out = self.capsys.readouterr().out
        assert len(out.splitlines()) == 1, out
        found: dict[str, Any] = json.loads(out)
        assert found["exit_code"] == code, found
        return code, found

    def must(self, *commands: str, root: Path | None = None) -> dict[str, dict[str, Any]]:
        """Commands that have to succeed, remarks allowed; their documents."""
        found = {}
        for words in commands:
            code, found[words] = self.run(words, root)
            assert code in (0, 1), found[words]
        return found

    def act(self, do: str, object: str, **more: Any) -> str:
        """A user works in Salesforce; the id."""
        told = self.salesforce.control.post("/act", {"as": ADMIN, "do": do, "object": object, **more})
        return str(told["id"])

    def key(self, object: str, id: str) -> str:
        return f"sf00D5g000004SimuEAC.{object}.{id}"

    def there(self, object: str) -> dict[str, dict[str, str]]:
        """Live records of HubSpot's own store that bear a migration key, by key."""
        rows = self.hubspot.control.ndjson(f"/truth/{object}")
        live = [r["properties"] for r in rows if not (r["archived"] or r["purged"] or r["mergedInto"])]
        keyed = [values for values in live if values.get("migration_key")]
        found = {values["migration_key"]: values for values in keyed}
        assert len(found) == len(keyed)  # no twins
        return found

    def writes(self) -> int:
        """How many writes HubSpot has accepted."""
        return len(self.hubspot.control.ndjson("/log?after=0"))


def counted(loaded: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What a load did to each object, but for what it did to none."""
    return {name: {what: n for what, n in tally.items() if n} for name, tally in loaded["objects"].items()}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    base, seed = tmp_path_factory.mktemp("stages"), generated(SIZES)
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        made = Company(base / "o'neil's", seed, salesforce, hubspot)
        made.workspace("o'neil's")
        yield made
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def company(started: Company, capsys: pytest.CaptureFixture[str]) -> Company:
    """The company, moved once: the first test that asks for it pays for the line."""
    started.capsys = capsys
    for words in LINE:
        if words not in started.said:
            started.said[words] = started.run(words)
            assert started.said[words][0] in (0, 1), started.said[words]
    return started


# -- there ------------------------------------------------------------------------------------


def test_each_stage_says_what_it_did_and_ends_clean_or_with_a_remark(company: Company) -> None:
    codes = {words: code for words, (code, _) in company.said.items()}
    assert codes == {"discover": 0, "check": 1, "prepare": 0, "extract": 0, "transform": 1, "load": 0}
    sources = company.seed.expected.sources
    for each in company.said["extract"][1]["objects"]:
        assert each["rows"] == each["counted"] == sources[each["object"]]
    transformed = company.said["transform"][1]["objects"]
    for name, each in transformed.items():
        assert (
            each["extracted"]
            == sources[name]
            == sum(each[end] for end in ("ready", "merged", "skipped", "rejected"))
        )
    loaded = company.said["load"][1]
    accounts = counted(loaded)["Account"]
    assert (accounts["adopt"], accounts["create"]) == (3, 9)
    assert loaded["refused"] == 0
    assert all(not (each["twins"] or each["strays"]) for each in loaded["swept"])
    for name, object in (("Account", "companies"), ("Contact", "contacts"), ("Opportunity", "deals")):
        assert len(company.there(object)) == transformed[name]["ready"]


def foreseen(
    company: Company, words: str = "load --dry-run", root: Path | None = None
) -> dict[str, dict[str, int]]:
    """What a dry run says that a load would do; it must write nothing at all."""
    folder = (root or company.root) / ".migrate"
    before = contents(folder)
    _, found = company.run(words, root)
    assert contents(folder) == before
    return {
        name: {what.removeprefix("would "): n for what, n in tally.items() if n}
        for name, tally in counted(found).items()
    }


def contents(folder: Path) -> dict[str, list[object]]:
    """Every table of the ledger, and every other file by size and date."""
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, list[object]] = {
            name: ledger.execute(f"SELECT * FROM {name}").fetchall() for name in tables
        }
    for path in folder.rglob("*"):
        if path.is_file() and "ledger.db" not in path.name and "spill" not in path.parts:
            found[str(path)] = [path.stat().st_size, path.stat().st_mtime_ns]
    return found


@pytest.mark.long
def test_a_dry_run_says_what_the_load_then_does(company: Company) -> None:
    root = company.workspace("dry")
    path = root / "plan.yaml"
    path.write_text(path.read_text().replace("field: migration_key", "field: dry_key"))
    company.must("discover", "prepare", "extract", "transform", root=root)

    said = foreseen(company, root=root)
    _, part = company.run("load --object Account", root)
    rest = foreseen(company, root=root)
    _, loaded = company.run("load", root)

    assert counted(part)["Account"] == said["Account"]
    assert rest == {**said, "Account": {}}
    kinds = ("create", "adopt", "update", "delete")
    sent = {name: sum(n for what, n in tally.items() if what in (*kinds, "conflict", "refused"))
            for name, tally in counted(loaded).items()}  # fmt: skip
    assert sent == {name: sum(tally.values()) for name, tally in rest.items()}
    assert foreseen(company, root=root) == {"Account": {}, "Contact": {}, "Opportunity": {}}


def test_a_second_time_each_stage_does_nothing(company: Company) -> None:
    before = company.writes()
    assert company.run("prepare")[1]["changes"] == []
    assert all(not each["fresh"] for each in company.run("extract")[1]["objects"])
    _, again = company.run("load")
    assert counted(again) == {"Account": {}, "Contact": {}, "Opportunity": {}}
    assert company.writes() == before


def test_status_tells_where_everything_stands(company: Company) -> None:
    code, found = company.run("status")
    status = found["status"]
    assert (code, status["attempt"], status["in_doubt"], status["leases"]) == (0, 1, 0, [])
    assert all(each["left"] == 0 and each["done"] == each["ready"] for each in status["objects"])
    assert status["last_safe_start"] < status["window_end"]


def test_rights_are_proved_without_a_write(company: Company) -> None:
    before = company.writes()
    code, found = company.run("check --live")
    assert code == 1  # the stage without a home
    assert [(each["role"], each["rights"]["missing"]) for each in found["live"]] == [
        ("source", []),
        ("target", []),
    ]
    assert company.writes() == before


def test_the_crosswalk_names_every_source_record_once_with_its_end(company: Company, tmp_path: Path) -> None:
    file = tmp_path / "crosswalk.csv"
    code, found = company.run(f"crosswalk export {file}")
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    sources = company.seed.expected.sources
    assert (code, found["rows"]) == (0, len(rows))
    assert (
        len({row["key"] for row in rows})
        == len(rows)
        == sum(sources[n] for n in ("Account", "Contact", "Opportunity"))
    )
    ends = [row["outcome"] for row in rows]
    assert ends.count("adopted") == 3
    assert ends.count("merged") == company.seed.expected.merged
    assert ends.count("rejected") == 1
    assert set(ends) == {"created", "adopted", "merged", "rejected"}
    ids = {
        values["hs_object_id"]
        for object in ("companies", "contacts", "deals")
        for values in company.there(object).values()
    }
    assert {row["target_id"] for row in rows if row["outcome"] != "rejected"} == ids


# -- refusals ---------------------------------------------------------------------------------


def test_wrong_credentials_are_3_and_the_secret_is_not_told(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW_TOKEN", "pat-na1-wrong-secret")
    code, found = company.run("discover")
    assert (code, found["error"]) == (3, "SystemRefused")
    assert "wrong-secret" not in json.dumps(found)


def test_a_system_that_is_away_is_3_and_parked(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_BASE_URL", "http://127.0.0.1:9")
    code, found = company.run("discover")
    assert (code, found["error"]) == (3, "Parked")


def test_another_operators_lease_is_4_with_name_and_host(company: Company) -> None:
    workspace, me = Workspace(company.root), this_process()
    row = {
        "system": "new",
        "epoch": 99,
        "holder": "bob",
        "host": "elsewhere",
        "boot": "theirs",
        "pid": 1,
        "process": "1",
    }
    now = workspace.clock.now()
    with workspace.ledger.write() as tx:
        tx.put(leases, **row, since=stamp(now), until=stamp(now + timedelta(hours=1)))
    try:
        code, found = company.run("load")
        assert (code, found["error"]) == (4, "LeaseHeld")
        assert "bob (process 1) on elsewhere" in found["message"]
        assert company.run("status")[1]["status"]["leases"] == [{
            "system": "new", "who": "bob on elsewhere (process 1)", "since": stamp(now),
            "until": stamp(now + timedelta(hours=1)), "free": "",
        }]  # fmt: skip
    finally:
        with workspace.ledger.write() as tx:
            tx.put(leases, **{**row, "holder": None, "host": me.host}, since=stamp(now), until=stamp(now))
        workspace.close()


def test_another_tenant_under_the_same_name_is_refused(company: Company) -> None:
    workspace = Workspace(company.root)
    from migrate.ledger.tables import systems

    bound = workspace.ledger.system("new")
    facts = dict(bound._mapping)
    with workspace.ledger.write() as tx:
        tx.put(systems, **{**facts, "tenant": "production"})
    try:
        code, found = company.run("discover")
        assert code == 3
        assert "bound to production" in found["message"]
    finally:
        with workspace.ledger.write() as tx:
            tx.put(systems, **facts)
        workspace.close()


@pytest.mark.parametrize("words", ["load", "validate", "rollback plan", "rollback run --yes"])
def test_no_command_touches_another_tenant_than_the_first_discovers(company: Company, words: str) -> None:
    company.hubspot.control.post("/seed", {"portal": {"portalId": 999999}})
    try:
        code, found = company.run(words)
    finally:
        company.hubspot.control.post("/seed", {"portal": {"portalId": 4471203}})

    assert (code, "lead to tenant 999999" in found.get("message", "")) == (3, True), found
    workspace = Workspace(company.root)
    assert workspace.ledger.attempt() == 1  # no rollback has begun
    workspace.close()


def test_a_catalog_that_was_damaged_is_mended_by_a_discover(company: Company) -> None:
    for path in (company.root / ".migrate" / "catalog").glob("new-*.json"):
        path.write_bytes(path.read_bytes()[:-20])
    code, found = company.run("check")
    assert (code, found["error"]) == (5, "Damaged")
    assert "migrate discover" in found["message"]
    assert company.run("discover")[0] in (0, 1)
    assert company.run("check")[0] == 1


# -- what changed since -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_watch_prints_a_line_a_round_and_ends_with_the_signal(company: Company) -> None:
    call = [sys.executable, "-m", "migrate", "-w", str(company.root), "--json", "validate", "--watch", "1s"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        rounds = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read().splitlines()
        code = process.wait(60)

    assert (code, json.loads(rest[-1])["error"]) == (143, "interrupted")
    assert [each["command"] for each in rounds] == ["validate", "validate"]
    assert {each["id"]: each["verdict"] for each in rounds[0]["results"]} == {
        each["id"]: each["verdict"] for each in rounds[1]["results"]
    }
    assert all("since" not in each for each in rounds[0]["read"].values())
    assert all("since" in each for each in rounds[1]["read"].values()), rounds[1]["read"]
    assert len(rounds[1]["trend"]["rounds"]) == len(rounds[0]["trend"]["rounds"]) + 1


@pytest.mark.slow
def test_records_read_by_id_agree_with_a_whole_look(company: Company) -> None:
    whole = company.must("validate")["validate"]
    assert "results" in whole, whole
    _, sample = company.run("validate --sample 100000")
    code, since = company.run("validate --since last --only rows")

    found = {each["id"]: each for each in sample["results"]}
    rows = [each for each in whole["results"] if each["check"] in ("rows", "sums", "picklists")]
    assert rows
    for each in rows:
        mine = found[each["id"]]
        assert (mine["verdict"], mine["compared"], mine["grades"]) == (
            each["verdict"], each["compared"], each["grades"],
        )  # fmt: skip
        assert mine["population"] == mine["compared"]
    assert found["strays"]["verdict"] == "empty"
    assert code == 1
    assert {each["verdict"] for each in since["results"]} <= {"pass", "empty"}


@pytest.mark.slow
def test_owners_of_deals_test_their_own_records(company: Company, tmp_path: Path) -> None:
    made = company.must(f"uat sheets {tmp_path}/sheets --per-user 4")
    found = next(iter(made.values()))
    assert len(found["sheets"]) > 2
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for each in found["sheets"]:
        book = load_workbook(each["file"])
        rows[each["file"]] = [r for r in book["Records"].iter_rows(min_row=6, values_only=True) if r[9]]
        assert each["records"] <= 4
    deals = {file: [r for r in found if str(r[1]).startswith("open deal, ")] for file, found in rows.items()}
    file = max(deals, key=lambda name: len(deals[name]))
    amounts = [Decimal(str(each[1]).removeprefix("open deal, ")) for each in deals[file]]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts
    first = rows[file][0]
    assert "/Opportunity/" in str(first[5]) and str(first[6]).startswith("http")
    same = [r for r in rows[file] if r[2] not in ("The record as a whole",) and r[3] == r[4]]
    assert len(same) > len(rows[file]) / 3  # old and new stand side by side, and mostly agree

    book = load_workbook(file)
    book["Records"].cell(7, 8).value = "not OK"
    book["Records"].cell(7, 9).value = "=cmd|' /C calc'!A0"
    book.save(file)
    _, taken = company.run(f"uat read {file}")
    code, report = company.run("validate --only people")

    assert (taken["new"], taken["failed"], code) == (1, 1, 1)
    [failure] = [each for each in report["results"] if each["verdict"] == "fail"]
    assert failure["sample"][0]["difference"].startswith("D-")


def test_a_delta_brings_exactly_what_was_edited_made_and_deleted(company: Company) -> None:
    before = {object: company.there(object) for object in ("companies", "contacts", "deals")}
    account, gone, deal = sf_id("Account", 2), sf_id("Contact", 1), sf_id("Opportunity", 3)
    assert company.key("Contact", gone) in before["contacts"]
    company.act("update", "Account", id=account, fields={"Phone": "+1 555 0"})
    company.act("delete", "Contact", id=gone)
    made = company.act("create", "Contact", fields={
        "LastName": "Ünal \U0001f600", "Email": "unal@late.example", "AccountId": account,
        "LeadSource": "Web", "OwnerId": company.seed.salesforce["records"]["User"][0]["Id"],
    })  # fmt: skip
    company.act("update", "Opportunity", id=deal, fields={"Name": "Renamed"})
    ready = {each["object"]: each["ready"] for each in company.run("status")[1]["status"]["objects"]}

    found = company.must("extract --since-watermark", "transform")
    said = foreseen(company)
    before_load = {each["object"]: each for each in company.run("status")[1]["status"]["objects"]}
    found |= company.must("load")

    read = {
        each["object"]: (each["generation"], each["deleted"])
        for each in found["extract --since-watermark"]["objects"]
    }
    changed = ("Account", "Contact", "Opportunity")  # what brought nothing has no new generation
    assert read == {name: (int(name in changed), int(name == "Contact")) for name in read}
    assert counted(found["load"]) == {
        "Account": {"update": 1},
        "Contact": {"create": 1, "delete": 1},
        "Opportunity": {"update": 1},
    }
    assert said == counted(found["load"])
    # Records, not rows of both generations: one contact came, one went.
    assert {name: each["ready"] for name, each in before_load.items()} == ready
    assert {name: each["extracted"] for name, each in before_load.items()} == {
        name: each["extracted"] for name, each in found["transform"]["objects"].items()
    }
    assert {name: each["left"] for name, each in before_load.items()} == {
        "Account": 1, "Contact": 2, "Opportunity": 1
    }  # fmt: skip
    after = company.run("status")[1]["status"]["objects"]
    assert all(each["left"] == 0 and each["done"] == each["ready"] == ready[each["object"]] for each in after)
    assert foreseen(company) == {"Account": {}, "Contact": {}, "Opportunity": {}}
    now = {object: company.there(object) for object in before}
    assert set(before["contacts"]) ^ set(now["contacts"]) == {
        company.key("Contact", gone),
        company.key("Contact", made),
    }
    assert now["contacts"][company.key("Contact", made)]["lastname"] == "Ünal \U0001f600"
    assert now["companies"][company.key("Account", account)]["phone"] == "+1 555 0"
    assert now["deals"][company.key("Opportunity", deal)]["dealname"] == "Renamed"
    assert now["companies"].keys() == before["companies"].keys()
    writes = company.writes()
    company.must("load")
    assert company.writes() == writes


def test_an_edit_in_the_target_is_held_and_not_overwritten(company: Company) -> None:
    account = sf_id("Account", 5)
    key = company.key("Account", account)
    record = company.there("companies")[key]
    edit = {"do": "update", "object": "companies", "id": record["hs_object_id"], "fields": {"city": "Hers"}}
    company.hubspot.control.post("/act", {"as": "maren@x.example", **edit})
    company.act("update", "Account", id=account, fields={"BillingCity": "Ours"})
    loaded = company.must("extract --since-watermark", "transform", "load")["load"]
    assert counted(loaded)["Account"] == {"held": 1}
    assert company.there("companies")[key]["city"] == "Hers"
    code, found = company.run("dead-letters list")
    assert code == 1
    assert [(each["object"], each["outcome"], each["count"]) for each in found["groups"]] == [
        ("companies", "held", 1)
    ]


# -- dead letters -----------------------------------------------------------------------------


def test_what_the_target_refuses_goes_out_to_a_sheet_and_comes_back_mended(
    company: Company, tmp_path: Path
) -> None:
    id = company.act("create", "Contact", fields={"LastName": "'t Hart", "Email": "hart@nl.example"})
    key = company.key("Contact", id)
    company.must("extract --since-watermark", "transform")
    clash = {
        "as": "maren@x.example",
        "do": "create",
        "object": "contacts",
        "fields": {"email": "hart@nl.example"},
    }
    company.hubspot.control.post("/act", clash)
    code, loaded = company.run("load")
    assert code == 1
    assert counted(loaded)["Contact"] == {"conflict": 1}

    groups = company.run("dead-letters list")[1]["groups"]
    assert ("contacts", "conflict", 1) in [
        (each["object"], each["outcome"], each["count"]) for each in groups
    ]
    assert [each["keys"] for each in groups if each["object"] == "contacts"] == [[key]]
    letter = company.run(f"dead-letters show {key}")[1]["letter"]
    assert letter["values"]["email"] == "hart@nl.example"

    sheet = tmp_path / "letters.csv"
    assert company.run(f"dead-letters export {sheet}")[0] == 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert not {"migration_key", "former_owner"} & {row["field"] for row in rows}  # no override changes them
    for row in rows:
        if row["key"] == key and row["field"] == "email":
            row |= {"new": "t.hart@nl.example", "who": "ann", "why": "the other one is her sister's"}
        if row["key"] == key and row["field"] == "lastname":
            assert row["old"] == "''t Hart"  # so that a spreadsheet shows it as it is
            row |= {"new": "'t Hart-Bos", "who": "ann", "why": "married"}
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert company.run(f"dead-letters import {sheet}")[1]["overrides"] == 2
    code, replayed = company.run("dead-letters replay")

    assert code == 1  # the held company is still there
    found = company.there("contacts")[key]
    assert (found["email"], found["lastname"]) == ("t.hart@nl.example", "'t Hart-Bos")
    assert replayed["refused"] == 1
    assert "contacts" not in [each["object"] for each in company.run("dead-letters list")[1]["groups"]]


def test_a_sheet_with_a_gap_is_refused_with_its_line_and_nothing_of_it_is_taken(
    company: Company, tmp_path: Path
) -> None:
    before = (company.root / "overrides.csv").read_bytes()
    sheet = tmp_path / "letters.csv"
    key = "sf.Contact.1"
    sheet.write_text(f"key,field,old,new,who,why\n{key},email,a,b,ann,because\n{key},phone,a,b,,\n")
    code, found = company.run(f"dead-letters import {sheet}")
    assert code == 2
    assert "letters.csv:3:1" in found["message"]
    sheet.write_text(f"key,field,old,new,who,why\n{key},migration_key,a,b,ann,because\n")
    code, found = company.run(f"dead-letters import {sheet}")
    assert code == 2
    assert "letters.csv:2:1: `migration_key` isn't mapped for `Contact`" in found["message"]
    sheet.write_bytes("key,field,old,new,who,why\nk,name,a,Müller,ann,because\n".encode("cp1252"))
    code, found = company.run(f"dead-letters import {sheet}")
    assert code == 2, found
    sheet.write_text("kee,field,old,new,who,why\nk,name,a,b,ann,because\n")
    code, found = company.run(f"dead-letters import {sheet}")
    assert code == 2, found
    assert (company.root / "overrides.csv").read_bytes() == before


def test_a_letter_that_isn_t_there_is_said(company: Company) -> None:
    code, found = company.run("dead-letters show nobody")
    assert (code, found["error"]) == (2, "UsageError")


# -- damage -----------------------------------------------------------------------------------


def test_a_flipped_byte_in_a_staged_part_stops_the_load_until_it_is_made_anew(company: Company) -> None:
    folders = sorted((company.root / ".migrate" / "stage" / "ready" / "Account").glob("g*"))
    part = next(folders[-1].glob("*.parquet"), None) or next(folders[0].glob("*.parquet"))
    whole = part.read_bytes()
    manifest = part.parent / "manifest.json"
    said = manifest.read_bytes()
    part.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    for _ in range(2):  # also the second time, when the part has been set aside
        code, found = company.run("load")
        assert (code, found["error"]) == (5, "Damaged"), found
        assert "migrate transform" in found["message"]
    part.write_bytes(whole)
    manifest.write_bytes(said)
    assert company.run("load")[0] in (0, 1)


# -- a sample ---------------------------------------------------------------------------------


@pytest.mark.long
def test_a_sample_is_whole_trees_and_nothing_else(company: Company) -> None:
    root = company.workspace("sample")
    path = root / "plan.yaml"
    path.write_text(path.read_text().replace("field: migration_key", "field: sample_key"))
    company.must("discover", "prepare", root=root)
    started = time.monotonic()
    code, found = company.run("run --sample 3 --dry-run", root)
    assert code == 0
    assert time.monotonic() - started < 60
    code, found = company.run("run --sample 3", root)
    assert code in (0, 1), found
    loaded = found["load"]
    assert sum(loaded["objects"]["Account"].get(op, 0) for op in ("create", "adopt")) >= 3
    assert loaded["refused"] == 0 or loaded["objects"]["Contact"].get("conflict", 0) == loaded["refused"]
    staged = {name: each["ready"] for name, each in found["transform"].items()}
    done = {name: sum(tally.values()) for name, tally in loaded["objects"].items()}
    assert all(0 < done[name] < staged[name] for name in staged)


# -- picklists that have changed since --------------------------------------------------------


def described(running: Running, object: str, after: int) -> int:
    """How often somebody has asked for an object's properties since that request."""
    paths = [each["path"].partition("?")[0] for each in running.control.ndjson(f"/requests?after={after}")]
    return sum("/properties/" in path and path.endswith(f"/{object}") for path in paths)


def test_a_value_that_was_switched_off_in_hubspot_stops_every_load_until_it_is_on_again(
    company: Company,
) -> None:
    with closing(Workspace(company.root)) as workspace, closing(workspace.target()) as target:
        portal = target._portal.http  # type: ignore[attr-defined]
        path = "/crm/v3/properties/contacts/lead_source"
        before = portal.call("GET", path, write=False).json()["options"]
        off = [{**each, "hidden": each["hidden"] or each["value"] == "Web"} for each in before]
        last, writes = company.hubspot.control.ndjson("/requests?after=0")[-1]["number"], company.writes()

        portal.call("PATCH", path, json={"options": off}, write=True)
        try:
            for _ in range(2):
                code, found = company.run("load")
                assert (code, found["error"]) == (2, "Drifted"), found
                assert "contacts.lead_source: `Web` is inactive now" in found["message"]
                assert "picklists/lead_source.csv leads `Web` there" in found["message"]
                assert [each["value"] for each in found["facts"]["changes"] if each["matters"]] == ["Web"]
            assert company.writes() == writes + 1  # the administrator's
            assert described(company.hubspot, "contacts", last) == 2  # one call a load
            code, found = company.run("check --live")
            assert (code, [each["value"] for each in found["drift"]]) == (2, ["Web"])
        finally:
            portal.call("PATCH", path, json={"options": before}, write=True)
    code, found = company.run("load")
    assert (code in (0, 1), found.get("drift")) == (True, [])


@pytest.mark.long
def test_a_value_that_was_added_in_salesforce_stops_a_load_once_a_record_without_a_home_has_it(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Workspace(company.root)) as workspace, monkeypatch.context() as admin:
        admin.setenv("LEGACY_CLIENT_ID", WRITER)
        source = workspace.connector("source")
        with closing(source):
            added = NewOption("Account", "Sector__c", "agritech", "agritech")
            assert [outcome for _, outcome in source.prepare([added])] == ["made"]
    code, found = company.run("load")
    assert code == 1
    assert [(each["value"], each["matters"]) for each in found["drift"]] == [("agritech", False)]
    assert "no extracted records have it" in found["drift"][0]["what"]

    company.act("update", "Account", id=sf_id("Account", 2), fields={"Sector__c": "agritech"})
    company.must("extract --since-watermark", "transform")
    writes = company.writes()
    code, found = company.run("load")
    assert (code, found["error"]) == (2, "Drifted")
    assert "legacy: Account.Sector__c: `agritech` is new and has no home" in found["message"]
    assert "1 extracted record has it" in found["message"]
    assert company.writes() == writes

    sector = company.root / "picklists" / "sector.csv"
    sector.write_text(f"{sector.read_text()}agritech,1,FARMING,\n")
    company.must("discover", "check", "plan accept --as Ada --reason mapped --yes", "transform")
    code, found = company.run("load")
    assert (code in (0, 1), found.get("drift")) == (True, [])
    assert company.there("companies")[company.key("Account", sf_id("Account", 2))]["industry"] == "FARMING"


@pytest.mark.long
def test_maps_get_counts_and_examples_that_the_old_system_confirms(company: Company) -> None:
    sector = company.root / "picklists" / "sector.csv"
    homes = {row.source: row.target for row in read_picklist(sector).rows}
    code, found = company.run("plan maps")
    assert (code, {each["outcome"] for each in found["maps"]}) == (1, {"written"})  # a stage without a home
    there = {row["Id"]: row for row in company.salesforce.control.ndjson("/truth/Account")}
    rows = read_picklist(sector).rows
    assert {row.source: row.target for row in rows} == homes
    assert any(row.examples for row in rows)
    for row in rows:
        assert len(row.examples) == len(set(row.examples)) <= 3
        assert bool(row.examples) is bool(row.count)
        for id in row.examples:
            # The extract keeps a record's former versions; this one was edited since.
            assert there[id]["Sector__c"] == row.source or id == sf_id("Account", 2)
    assert {each["outcome"] for each in company.run("plan maps")[1]["maps"]} == {"unchanged"}
    company.must("transform", "load")


@pytest.mark.slow
def test_a_validation_of_what_changed_finds_what_a_validation_of_everything_finds(company: Company) -> None:
    """People edit, delete, make and link in HubSpot; after each round both ways of validating agree."""
    code, _ = company.run("validate --changes")
    assert code in (0, 1)
    there = {kind: sorted(company.there(kind).items()) for kind in ("companies", "contacts", "deals")}
    ids = {
        key: row["id"]
        for kind in there
        for row in company.hubspot.control.ndjson(f"/truth/{kind}")
        if not row["archived"] and (key := row["properties"].get("migration_key"))
    }

    def person(do: str, kind: str, which: int, **more: Any) -> None:
        key = there[kind][which][0]
        action = {"as": "maren@x.example", "do": do, "object": kind, "id": ids[key], **more}
        company.hubspot.control.post("/act", action)

    rounds: list[list[tuple[Any, ...]]] = [
        [("update", "deals", 0, {"amount": "1.23"}), ("update", "companies", 1, {"name": "Elsewhere"})],
        [("delete", "contacts", 2, None), ("delete", "deals", 3, None),
         ("update", "deals", 0, {"dealname": "x"})],
        [("delete", "companies", 4, None), ("update", "contacts", 5, {"lastname": "Other"})],
    ]  # fmt: skip
    red = 0
    for work in rounds:
        for do, kind, which, fields in work:
            person(do, kind, which, **({"fields": fields} if fields else {}))
        time.sleep(60 / SPEED)  # as long as the index may lag
        _, some = company.run("validate --changes")
        _, everything = company.run("validate")
        assert all("since" in each for each in some["read"].values()), some["read"]
        for id, mine, theirs in _both(some, everything):
            for name in ("verdict", "compared", "grades", "figures"):
                assert mine[name] == theirs[name], (id, name)
        red = sum(each["grades"].get("fail", 0) for each in some["results"])
    assert red > 5


def _both(some: dict[str, Any], everything: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Results of two validations by id."""
    mine, theirs = ({each["id"]: each for each in one["results"]} for one in (some, everything))
    assert mine.keys() == theirs.keys()
    for id in mine:
        yield id, mine[id], theirs[id]
