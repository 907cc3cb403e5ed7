"""Do the page, the JSON and the JUnit file say the same, and can one find a record's way through them?"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from migrate_validators import Report, differences, latest, trace
from migrate_validators.model import Verdict

from migrate.connector import Target, Version, Who
from migrate.errors import Damaged, UsageError
from migrate.plan import load_plan
from migrate.stages import handing_out
from migrate.stages.exporting import export
from migrate.stages.redirects import redirects
from migrate.stages.snapshot import snapshot, snapshot_links
from migrate.storage import FolderStorage
from tests.unit.moved import SOURCE, TARGET, Moved, moved

if TYPE_CHECKING:
    from migrate.stages.handing_out import Format

AT = "2026-03-14T12:00:00.000000Z"


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def reported(migration: Moved) -> Report:
    """Validate and write the report as `validate` does."""
    return migration.report()


def folder_of(report: Report) -> Path:
    return Path(report.storage.address())


def workspace(migration: Moved) -> Any:
    """What `trace`, `differences` and the crosswalk need of a workspace."""
    return SimpleNamespace(
        storage=FolderStorage(migration.root), store=migration.store, engine=migration.engine,
        plan=load_plan(migration.root / "plan.yaml"),
        journal=SimpleNamespace(source=lambda: f"read_parquet('{migration.root / 'journal.parquet'}')"),
        ledger=migration.ledger, clock=migration.clock,
        catalog=lambda role: SOURCE if role == "source" else TARGET,
    )  # fmt: skip


def test_the_report_says_the_same_three_times(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["amount"] = "100.11"

    report = reported(migration)

    document = json.loads((folder_of(report) / "report.json").read_bytes())
    page = Path(report.path).read_text()
    suites = ElementTree.parse(folder_of(report) / "junit.xml").getroot()  # noqa: S314 - our own file
    assert report.verdict is Verdict.FAIL
    assert document["verdict"] == "fail"
    assert report.digest == hashlib.sha256((folder_of(report) / "report.json").read_bytes()).hexdigest()
    assert report.digest in page
    assert document["title"] in page
    failed = {case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None}
    assert failed == {each["id"] for each in document["results"] if each["verdict"] == "fail"}
    assert failed == {"rows.Opportunity", "sums.Opportunity", "money.Opportunity"}
    assert sum(int(suite.get("tests", "0")) for suite in suites) == len(document["results"])
    assert "rows.Opportunity" in report.text()


def test_the_page_loads_nothing_from_anywhere_and_escapes_what_it_shows(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealname"] = "<script>alert(1)</script>"

    page = Path(reported(migration).path).read_text()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    data = page[page.index('<script type="application/json"') :].partition("</script>")[0]
    assert '"https://app.example.com/companies/{id}"' in data  # where a record's page is, to be followed
    told = re.sub(r'<a href="https://[^"]+" target="_blank" rel="noopener noreferrer">', "", page)
    told = told.replace(data, "")
    assert not [word for word in ("http://", "https://", "src=", "@import", "url(") if word in told]
    assert "default-src 'none'" in page


def test_the_page_names_no_folder_of_this_machine(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealname"] = "Other"

    report = reported(migration)

    page = Path(report.path).read_text()
    assert report.result("rows.Opportunity")["rows"] in page
    assert str(migration.root) not in page
    assert str(migration.root) not in (folder_of(report) / "report.json").read_text()
    assert str(migration.root) not in (folder_of(report) / "junit.xml").read_text()


def test_the_page_says_of_both_systems_whether_they_are_production(migration: Moved) -> None:
    page = Path(reported(migration).path).read_text()

    assert page.count(">Production</span>") + page.count(">Not production</span>") == 2


def test_people_fields_and_moments_are_shown_as_people_know_them(migration: Moved) -> None:
    migration.target.records["companies"]["102"]["phone"] = "0800 1"
    migration.target.writers["102", "phone"] = Version(
        "phone", "0800 1", "2026-03-14T12:00:09.123Z", Who.PERSON, "Ann Hall (ann@x.test)"
    )
    fields = TARGET.objects["deals"].fields
    migration.target.records["deals"]["301"]["dealstage"] = "2"

    report = migration.report(unmask=True)

    page, text = Path(report.path).read_text(), report.text()
    assert "changed by a person (Ann Hall (ann@x.test), last on 14 Mar 2026, 12:00 UTC)" in text
    assert '<time datetime="2026-03-14T12:00:09Z">14 Mar 2026, 12:00 UTC</time>' in page
    assert "2026-03-14T12:00:09.123" not in page
    assert ">Lost</td>" in page  # the stage, not its id
    assert report.document()["names"]["rows.Opportunity"]["dealstage"] == {
        "label": fields["dealstage"].label,
        "values": {"1": "Won", "2": "Lost"},
    }
    assert "unmapped_picklist" not in page
    assert "dead_letter" not in page


def test_every_difference_is_in_a_parquet_file(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealname"] = "Other"

    report = reported(migration)

    result = report.result("rows.Opportunity")
    rows = pq.read_table(folder_of(report) / result["rows"]).to_pylist()
    assert [(row["key"], row["expected"], row["found"]) for row in rows] == [
        ("sf.Opportunity.D1", "One", "Other")
    ]
    shown = differences(workspace(migration), "rows.Opportunity", limit=10)
    assert shown.total == 1
    assert "Other" in shown.text()
    assert "rows.Opportunity" in differences(workspace(migration)).text()
    with pytest.raises(UsageError, match=r"or entry `rows\.Nobody`"):
        differences(workspace(migration), "rows.Nobody")


def test_a_report_that_was_altered_is_not_evidence(migration: Moved) -> None:
    report = reported(migration)
    path = folder_of(report) / "report.json"
    path.write_text(path.read_text().replace("warn", "pass"))

    with pytest.raises(Damaged, match="differs from its digest"):
        latest(workspace(migration)).document()


def test_no_report_yet_says_which_command_makes_one(migration: Moved) -> None:
    with pytest.raises(UsageError, match="migrate validate"):
        latest(workspace(migration))


@pytest.mark.parametrize(
    ("needle", "keys"),
    [
        ("C1", ["sf.Contact.C1"]),
        ("sf.Contact.C2", ["sf.Contact.C2"]),
        ("201", ["sf.Contact.C1", "sf.Contact.C2"]),
        ("https://app.example.com/companies/101?view=1", ["sf.Account.A1"]),
        ("ada@x.example", ["sf.Contact.C1", "sf.Contact.C2"]),
        ("curi", ["sf.Account.A3"]),
        ("nobody at all", []),
    ],
)
def test_a_record_is_found_by_what_one_has_in_hand(migration: Moved, needle: str, keys: list[str]) -> None:
    reported(migration)

    found = trace(workspace(migration), needle)

    assert [way.key for way in found.ways] == keys
    assert found.found == bool(keys)


def test_a_trace_tells_the_whole_way(migration: Moved) -> None:
    reported(migration)

    way = trace(workspace(migration), "sf.Account.A2").ways[0]

    assert way.outcome == "created"
    assert [step.stage for step in way.steps] == [
        "source",
        "transform",
        "load",
        "link",
        "link",
        "end",
        "target",
    ]
    assert "Bolt" in trace(workspace(migration), "sf.Account.A2").text()


def test_the_crosswalk_names_every_record_with_its_end(migration: Moved, tmp_path: Path) -> None:
    migration.evidence().close()

    rows = export(workspace(migration), tmp_path / "crosswalk.csv", "csv")

    with (tmp_path / "crosswalk.csv").open(newline="") as source:
        found = {row["key"]: row for row in csv.DictReader(source)}
    assert rows == len(found) == 9
    assert found["sf.Contact.C2"]["outcome"] == "merged"
    assert found["sf.Contact.C2"]["target_id"] == "201"
    assert found["sf.Account.A1"]["new_url"] == "https://app.example.com/companies/101"
    assert found["sf.Opportunity.D3"]["reason"].startswith("unmapped_picklist")
    assert export(workspace(migration), tmp_path / "crosswalk.parquet", "parquet") == 9


def test_every_format_of_the_crosswalk_holds_the_same_texts(migration: Moved, tmp_path: Path) -> None:
    migration.evidence().close()
    there = workspace(migration)
    formats: tuple[Format, ...] = ("csv", "xlsx", "sqlite", "parquet")
    for name in formats:
        assert export(there, tmp_path / f"c.{name}", name) == 9

    with (tmp_path / "c.csv").open(newline="") as source:
        header, *plain = list(csv.reader(source))
    with closing(sqlite3.connect(tmp_path / "c.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = database.execute("SELECT * FROM crosswalk").fetchall()
    sheet = pandas.read_excel(tmp_path / "c.xlsx", engine="calamine", dtype=str, keep_default_na=False)
    columns = pq.read_table(tmp_path / "c.parquet").to_pylist()
    assert header == list(sheet.columns) == list(columns[0])
    assert [list(row) for row in sheet.itertuples(index=False)] == plain
    assert [[value or "" for value in row] for row in kept] == plain
    assert [[value or "" for value in row.values()] for row in columns] == plain
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".aside")]


def test_a_workbook_takes_no_text_for_a_formula_and_goes_on_in_a_further_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_out, "SHEET_ROWS", 3)
    texts = ["=1+1", "0007", "x" * 40_000, "http://example.com", None]
    batch = pa.record_batch({"a": pa.array(texts, pa.string())})
    path = tmp_path / "book.xlsx"
    with handing_out.writer(path, "xlsx", batch.schema, "rows", ()) as sink:
        sink.write(batch)
    sheets = pandas.read_excel(path, engine="calamine", sheet_name=None, dtype=str, keep_default_na=False)
    found = [value for sheet in sheets.values() for value in sheet["a"]]
    assert list(sheets) == ["rows", "rows 2", "rows 3"]
    assert found[:2] == texts[:2]
    assert len(found[2]) == handing_out.CELL
    assert found[3] == texts[3]


def test_redirects_lead_every_old_address_of_a_moved_record_to_the_new_one(
    migration: Moved, tmp_path: Path
) -> None:
    migration.evidence().close()
    there = workspace(migration)
    lines = redirects(there, tmp_path / "moved.json", "json")
    found = json.loads((tmp_path / "moved.json").read_text())
    assert len(found) == lines
    moved = "https://app.example.com/companies/101"
    leading = sorted(path for path, new in found.items() if new == moved)
    assert leading == ["/A1", "/Account/A1", "/old/Account/A1"]
    assert "/Account/A" not in found  # a short form that two records have
    merged, survivor = found["/Contact/C2"], found["/Contact/C1"]
    assert merged == survivor
    assert not [path for path in found if path.endswith("/D3")]  # rejected: leads nowhere

    assert redirects(there, tmp_path / "moved.map", "nginx") == lines
    text = (tmp_path / "moved.map").read_text()
    assert text.startswith("map $uri $moved_to {\n")
    assert text.count(";\n") == lines
    assert f'  "/Account/A1" "{moved}";\n' in text
    assert redirects(there, tmp_path / "moved.txt", "apache") == lines


def test_a_snapshot_has_every_record_and_link_typed(migration: Moved) -> None:
    target, store, clock = cast("Target", migration.target), migration.store, migration.clock
    deals = TARGET.objects["deals"]

    manifest = snapshot(target, deals, store, "target/deals/x", key_field="migration_key", clock=clock)
    ids = iter(["101", "102", "55"])
    links = snapshot_links(target, "companies", ids, ["companies"], store, "target/companies/x", clock=clock)

    table = pq.read_table(store.files(manifest)[0])
    assert table.schema.names[:4] == ["_id", "_key", "_stamp", "_source"]
    assert str(table.schema.field("amount").type) == "decimal128(18, 2)"
    assert manifest.rows == 2
    assert pq.read_table(store.files(links)[0]).num_rows == 2
    assert links.facts["records"] == 3
