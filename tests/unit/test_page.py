"""Do the report's files hold what they promise: small, escaped, the same facts, whatever the data does?"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema  # type: ignore[import-untyped]
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrate_validators.charts import bridge, stack, trend, whole
from migrate_validators.document import Document, report_schema
from migrate_validators.page import LIMIT, code_of, page
from migrate_validators.samples import BYTES, COLUMNS, beside, sample
from migrate_validators.screen import TITLES
from migrate_validators.workbook import workbook

from migrate.engine import Engine
from migrate.workbooks import neutral
from tests.unit.moved import Moved, moved

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = Path(__file__).parents[2] / "validators" / "migrate_validators" / "report.schema.json"
EVIL = "<script>alert(1)</script><!--</script>\u2028\u202eevil 😀"


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A real report with red, amber and green lines, as a program reads it."""
    made = moved(tmp_path_factory.mktemp("page"))
    made.target.records["deals"]["301"]["amount"] = "100.11"
    report = made.report()
    made.engine.close()
    return dict(json.loads(report.storage.read("report.json")[0]))


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and the scripts that would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self._running = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append(tag)
        self.attributes |= held.keys()
        self.ids += [held["id"]] if held.get("id") else []  # type: ignore[list-item]
        self.links += [held["href"]] if tag == "a" and held.get("href") else []  # type: ignore[list-item]
        self._running = tag == "script" and held.get("type") != "application/json"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's own name
        self._running = False

    def handle_data(self, data: str) -> None:
        if self._running:
            self.scripts.append(data)


def test_a_real_report_is_as_its_schema_says_and_the_docs_name_every_key(document: dict[str, Any]) -> None:
    assert SCHEMA.read_text() == report_schema(), "python -m migrate_validators.document > report.schema.json"
    jsonschema.Draft202012Validator(json.loads(report_schema())).validate(document)
    undocumented = document.keys() - Document.model_fields.keys()
    assert not undocumented, "add them to migrate_validators/document.py and to docs/report.md"
    told = set(re.findall(r"`(\w+)`", (DOCS / "report.md").read_text()))
    assert not Document.model_fields.keys() - told


def test_the_code_of_the_evidence_is_made_of_its_first_45_bits() -> None:
    assert code_of("0" * 64) == "000-000-000"
    assert code_of("f" * 64) == "ZZZ-ZZZ-ZZZ"
    assert code_of("0000000000080000" + "0" * 48) == "000-000-001"
    digest = hashlib.sha256(b"report").hexdigest()
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{3}(-[0-9A-HJKMNP-TV-Z]{3}){2}", code_of(digest))
    assert code_of(digest) == code_of(digest[:12] + "0" * 52)


def test_the_first_screen_has_its_eleven_parts_in_order(document: dict[str, Any]) -> None:
    made = page(document, "0" * 64)
    places = [made.index(f'id="s-{id}"') for id in TITLES if id != "verdict"]
    assert made.index('id="verdict"') < places[0]
    assert places == sorted(places)


def test_a_part_that_nobody_set_up_says_so_and_is_amber(document: dict[str, Any]) -> None:
    made = page(document | {"screen": []}, "0" * 64)
    assert made.count("> not set up</span>") >= len(TITLES)
    assert re.search(r'id="s-signatures">.*?class="pill unset"', made, re.DOTALL)


def test_only_the_page_s_own_script_may_run(document: dict[str, Any]) -> None:
    made = page(document, "0" * 64)
    ours = Reader(made).scripts
    digest = base64.b64encode(hashlib.sha256("".join(ours).encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', made)
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy[1].replace("&#39;", "'")
    assert policy[1].startswith("default-src")


def test_every_link_within_the_page_leads_somewhere(document: dict[str, Any]) -> None:
    found = Reader(page(document, "0" * 64))
    within = {link for link in found.links if link.startswith("#")}
    assert within
    assert within - {f"#{id}" for id in found.ids} == set()
    assert len(found.ids) == len(set(found.ids))


def spoiled(value: Any, evil: str) -> Any:
    """The same document with something hostile behind every text that comes from data."""
    if isinstance(value, str):
        return value + evil
    if isinstance(value, list):
        return [spoiled(each, evil) for each in value]
    return {k: spoiled(v, evil) for k, v in value.items()} if isinstance(value, dict) else value


def test_hostile_data_is_text_wherever_it_stands(document: dict[str, Any]) -> None:
    plain = Reader(page(document, "0" * 64))
    kept = ("verdict", "started", "ended", "scope", "plan", "format", "attempt", "masked")
    evil = {name: value if name in kept else spoiled(value, EVIL) for name, value in document.items()}
    for result, was in zip(evil["results"], document["results"], strict=True):
        result["verdict"] = was["verdict"]
        result["tables"] = was["tables"] if was["check"] == "picklists" else result["tables"]
    for name in ("screen", "decisions"):
        for one, was in zip(evil[name], document[name], strict=True):
            one |= {key: was[key] for key in ("id", "verdict") if key in was}
    for group, was in zip(evil["differences"]["groups"], document["differences"]["groups"], strict=True):
        group["grade"] = was["grade"]
    evil["differences"]["sample"] = {
        "columns": list(COLUMNS),
        "rows": [[EVIL, "new", "fail", EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL * 300, [EVIL]]],
    }
    for each in evil["automations"]["canaries"]:
        each["state"] = "passed"
    for each in evil["trend"]["rounds"]:
        each["verdict"] = "pass"
    evil["trend"]["results"] = {}

    found = Reader(page(evil, "0" * 64))

    assert found.scripts == plain.scripts
    assert set(found.tags) <= set(plain.tags) | {"details", "summary", "div"}
    assert not [name for name in found.attributes if name.startswith("on") or name == "src"]


def test_the_page_stays_small_however_much_differs(document: dict[str, Any]) -> None:
    result = next(each for each in document["results"] if each["sample"])
    row = dict(result["sample"][0]) | {"expected": "é" * 5_000, "found": "<" * 5_000}
    many = [result | {"id": f"rows.o{n}", "object": f"o{n}", "verdict": "fail", "sample": [row] * 50,
                      "row_count": 100_000} for n in range(60)]  # fmt: skip
    line = ["D-1", "new", "fail", "changed", "G-1", "o", "k", "s", "t", "f", "<" * 240, "&" * 240, ["rows"]]
    differences = document["differences"] | {
        "total": 6_000_000, "sample": {"columns": list(COLUMNS), "rows": [line] * 6_000},
    }  # fmt: skip

    made = page(document | {"results": many, "differences": differences}, "0" * 64)

    assert 100_000 < len(made.encode()) < LIMIT
    assert "all of them are in <code>rows/differences.parquet</code>" in made


def _account(name: str, value: str) -> dict[str, Any]:
    field = {"field": "city", "label": "City", "expected": value, "found": "Bonn", "differs": True}
    node = {
        "entry": "Account", "object": "companies", "key": "k", "id": "1/2", "source_id": "A1", "level": 0,
        "under": None, "name": name, "called_by": "name", "state": "differs", "reason": "", "fields": [field],
        "links": [{"link": "Contact Ada", "there": False}],
    }  # fmt: skip
    return {
        "key": "k", "name": name, "value": "61300.00", "chosen": "value", "state": "differs", "records": 9,
        "differ": 1, "not_moved": 2, "not_looked_at": 0, "not_shown": 8, "nodes": [node],
    }  # fmt: skip


def with_accounts(document: dict[str, Any], accounts: list[dict[str, Any]]) -> dict[str, Any]:
    screen = [
        each | {"facts": each["facts"] | {"accounts": accounts}} if each["id"] == "accounts" else each
        for each in document["screen"]
    ]
    return document | {"screen": screen}


def test_an_account_is_shown_whole_old_beside_new(document: dict[str, Any]) -> None:
    made = page(with_accounts(document, [_account("Bolt", "Berlin")]), "0" * 64)
    told = made[made.index('id="spots"') :]
    assert "61,300.00, chosen by value: 9 records, 1 differ, 2 not moved" in told
    assert "≠ Bonn" in told
    assert "✕ not linked to Contact Ada" in told
    assert 'href="https://app.example.com/companies/1%2F2"' in told
    assert "8 records more" in told


def test_accounts_beyond_the_page_s_room_say_where_their_values_are(document: dict[str, Any]) -> None:
    many = [_account(f"Firm {n}", "x" * 4_000) for n in range(1_500)]
    made = page(with_accounts(document, many), "0" * 64)
    assert len(made.encode()) < LIMIT
    assert "Firm 1499" in made
    assert "No room for its values on this page: <code>migrate trace A1</code>" in made


def test_some_of_every_group_is_kept_and_red_ones_come_first() -> None:
    engine = Engine()
    engine.run(
        """CREATE TABLE d AS SELECT 'D-' || n AS difference, 'new' AS state,
        CASE WHEN n % 1000 = 7 THEN 'fail' WHEN n % 2 = 0 THEN 'warn' ELSE 'known' END AS grade,
        CASE WHEN n % 1000 = 7 THEN 'G-' || n WHEN n % 2 = 0 THEN 'G-w' ELSE 'G-k' END AS "group",
        'changed' AS class, 'o' AS object, 'k' || n AS key, 'i' || n AS id, 'f' AS field,
        repeat('x', 400) AS expected, repeat('y', 400) AS found, ['rows'] AS checks
        FROM range(100000) AS r(n)"""
    )
    engine.run("CREATE TABLE ends AS SELECT 'o' AS entry, 'k7' AS key, 'S7' AS source_id, 'T7' AS target_id")
    evidence = SimpleNamespace(engine=engine, ends="ends")

    found = sample(cast("Any", evidence), cast("Any", SimpleNamespace(table="d")))
    engine.close()

    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    assert len({row["group"] for row in rows}) == 102
    assert rows[0]["grade"] == "fail"
    assert 1_000 < len(rows) < 100_000
    assert len(json.dumps(found["rows"])) < BYTES * 1.1
    assert {row["key"]: row for row in rows}["k7"]["source_id"] == "S7"


def test_long_values_are_shown_from_where_they_begin_to_differ() -> None:
    old, new = beside("a" * 1_000 + "old", "a" * 1_000 + "new")
    assert (old, new) == ("…" + "a" * 40 + "old (1,003 signs)", "…" + "a" * 40 + "new (1,003 signs)")
    assert beside(None, "x") == (None, "x")
    assert beside("b" * 300, None) == ("b" * 240 + "… (300 signs)", None)


@given(st.text() | st.sampled_from(["=1+1", "-2+3", "+49 30", "@SUM(A1)", "\t=1", "-12.50", "x\x00y"]))
def test_no_cell_is_a_formula_or_breaks_the_workbook(text: str) -> None:
    made = neutral(text)
    assert not made[:1] or made[0] not in "=@\t\r\n+-" or re.fullmatch(r"[+-]?[\d.,]+%?", made)
    assert "\x00" not in made


def test_the_workbook_holds_a_sheet_a_check_and_says_the_same(document: dict[str, Any]) -> None:
    document = json.loads(json.dumps(document))
    document["results"][0]["summary"] = "=HYPERLINK(1)"
    content = workbook(document, "ab" * 32, "KQ7-2MD-F4X")

    book = openpyxl.load_workbook(io.BytesIO(content))

    checks = list(dict.fromkeys(each["check"] for each in document["results"]))
    assert book.sheetnames == ["First screen", "Differences", *checks]
    first = [[cell for cell in row if cell] for row in book["First screen"].iter_rows(values_only=True)]
    assert first[0] == ["Verdict", document["verdict"], document["title"]]
    assert ["Evidence", "KQ7-2MD-F4X", f"SHA-256 of report.json: {'ab' * 32}"] in first
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    verdicts = {
        row[0]: row[1]
        for check in checks
        for row in book[check].iter_rows(values_only=True)
        if row[0] in {each["id"] for each in document["results"]}
    }
    assert verdicts == {each["id"]: each["verdict"] for each in document["results"]}
    sheet = book[document["results"][0]["check"]]
    assert "'=HYPERLINK(1)" in [cell.value for row in sheet.iter_rows() for cell in row]


def test_a_bridge_adds_up_to_what_was_extracted() -> None:
    flows: list[dict[str, Any]] = [
        {"extracted": 10, "loaded": 7, "merged": 1, "skipped": 1, "rejected": 0, "unexplained": 1,
         "reasons": [{"end": "skipped", "reason": "test", "records": 1}]},
        dict.fromkeys(("extracted", "loaded", "merged", "skipped", "rejected", "unexplained"), 0)
        | {"reasons": []},
    ]  # fmt: skip
    total = whole(flows)
    steps = bridge(total)

    assert steps[0]["count"] == sum(each["count"] for each in steps[1:]) == 10
    assert total["reasons"] == [{"end": "skipped", "reason": "test", "records": 1}]
    lost = next(each for each in steps if each["name"] == "unexplained")
    assert 'x="900.0" y="0" width="100.0"' in lost["bar"]
    assert stack(flows[0]).count("<rect") == 4
    assert "<rect" not in stack(flows[1])


def test_a_trend_needs_two_validations() -> None:
    rounds = [{"started": f"2026-03-1{n}T00:00:00Z", "verdict": "fail", "differences": n} for n in range(3)]
    assert trend(rounds[:1]) is None
    found = trend(rounds)
    assert found is not None
    assert "Differences of 3 validations, oldest first: 0, 1, 2" in found["svg"]
    assert [row["differences"] for row in found["rows"]] == [2, 1, 0]


def test_csv_of_the_page_and_of_the_sheet_spell_alike(document: dict[str, Any]) -> None:
    """The script's rule for formulas is the workbook's."""
    script = page(document, "0" * 64)
    assert "/^[=+\\-@\\t\\r\\n]/" in script
    assert next(csv.reader(['"\'=1"']))[0] == neutral("=1")
