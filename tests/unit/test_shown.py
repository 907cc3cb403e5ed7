"""Is HTML sanitised where a report shows it, and only there?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrate_validators import Report
from migrate_validators.page import body

from migrate.types import Kind
from tests.unit.moved import Moved, moved
from tests.unit.test_page import Reader
from tests.unit.test_report import reported
from tests.unit.transform_case import SOURCE, TARGET, World, fields

EVIL = (
    "<p onclick='steal()'>Hello <b>you</b></p><script>steal()</script><img src=x onerror=steal()>"
    "<a href='javascript:steal()'>here</a><style>p { background: url(http://spy.test) }</style>"
    "<iframe src='http://spy.test'></iframe><img src='http://spy.test/pixel.png'>"
)


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def test_a_body_is_shown_without_anything_that_runs_or_calls_home() -> None:
    shown = str(body(EVIL)).partition("<details>")[0]
    assert "<p>Hello <b>you</b></p>" in shown
    assert not re.search(r"script|onclick|onerror|javascript|href|src|url\(|<img|<iframe|<style", shown)


def test_its_source_stands_beside_as_text() -> None:
    source = str(body(EVIL)).partition("<details>")[2]
    assert "&lt;script&gt;steal()&lt;/script&gt;" in source
    assert "<script" not in source


_PIECES = ("<p>", "<script>", "</script>", "<b onx=1>", "<a href='", "x", ">", "&lt;", "<img ")


@given(st.lists(st.sampled_from(_PIECES), max_size=20).map("".join))
def test_whatever_is_shown_is_harmless(text: str) -> None:
    shown = body(f"<p>{text}")
    tags = re.findall(r"<[^>]*>", str(shown))
    allowed = r"</?(p|b|code|details|summary)>|<div class=\"body\">|</div>"
    assert all(re.fullmatch(allowed, tag) for tag in tags), tags


def test_a_text_without_tags_is_shown_as_it_is() -> None:
    assert body("1 < 2 & 3") == "1 < 2 & 3"  # and escaped by the page, like everything else
    assert body(7) == 7


def test_the_page_is_sanitised_and_the_report_s_own_rows_are_whole(migration: Moved) -> None:
    record = next(iter(migration.target.records["companies"].values()))
    record["name"] = EVIL
    report: Report = reported(migration)
    page = (Path(report.path).parent / "index.html").read_text()
    assert "<b>you</b>" in page
    assert not [name for name in Reader(page).attributes if name.startswith("on")]
    assert "<img" not in page
    rows = [row for path in (Path(report.path).parent / "rows").glob("rows.Account.parquet") for row in
            pq.read_table(path).to_pylist()]  # fmt: skip
    assert EVIL in [row["found"] for row in rows]


def test_what_is_moved_is_never_sanitised(tmp_path: Path) -> None:
    deal = SOURCE.objects["Deal"]
    deal = deal.model_copy(update={"fields": deal.fields | fields(Body=Kind.TEXT)})
    deals = TARGET.objects["deals"]
    deals = deals.model_copy(update={"fields": deals.fields | fields(body=Kind.TEXT)})
    made = World(
        tmp_path,
        source=SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Deal": deal}}),
        target=TARGET.model_copy(update={"objects": {**TARGET.objects, "deals": deals}}),
    )
    made.extract("Deal", [{"Id": "D1", "Name": "n", "Body": EVIL}])
    made.transform(made.plan("- {source: Deal, target: deals, fields: {dealname: Name, body: Body}}"))
    assert [row["body"] for row in made.rows("ready", "Deal")] == [EVIL]


def test_nothing_that_moves_data_knows_a_sanitiser() -> None:
    root = Path(__file__).parents[2]
    users = [path for folder in ("migrate", "rollback") for path in (root / folder).rglob("*.py")
             if "nh3" in path.read_text(encoding="utf-8")]  # fmt: skip
    assert users == []
