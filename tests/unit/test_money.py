"""Is the money compared as the business counts it, old system against new, and is what differs named?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from migrate_validators.model import Result, Verdict

from migrate.plan.terms import fiscal_year
from tests.unit.moved import Moved, moved, told

MONEY = """
calendar: {fiscal_year_start: 2, zone: America/New_York}
validate:
  money:
    source: {name: Name, closed: CloseDate, won: "StageName = 'Closed Won'", lost: "StageName = 'Gone'",
             open: "StageName NOT IN ('Closed Won', 'Gone')",
             probability: "CASE WHEN StageName = 'Gone' THEN 0 ELSE 0.5 END"}
    target: {name: dealname, closed: closedate, won: dealstage = '1', lost: dealstage = '2',
             open: "dealstage NOT IN ('1', '2')",
             probability: "CASE WHEN dealstage = '2' THEN 0 ELSE 0.5 END"}
"""


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(plan.read_text() + MONEY)
    yield made
    made.engine.close()


def money(migration: Moved) -> Result:
    return next(iter(migration.results("money").values()))


def table(result: Result, title: str) -> list[dict[str, Any]]:
    found = next(each for each in result.tables if each.title.startswith(title))
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def rows(migration: Moved, result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(migration.root / "report" / str(result.rows)).to_pylist()
    return found


def test_old_less_what_was_not_moved_is_new(migration: Moved) -> None:
    result = money(migration)

    assert result.verdict is Verdict.PASS, told(result)
    lines = {row["figure"]: row for row in table(result, "Money")}
    assert lines["Everything"] == {
        "figure": "Everything", "currency": "EUR", "old": "161.60", "not moved": "61.30",
        "expected": "100.30", "new": "100.30", "difference": "0.00",
    }  # fmt: skip
    assert lines["Open pipeline"]["not moved"] == lines["Open pipeline"]["old"] == "61.30"
    assert lines["Weighted pipeline"]["old"] == "30.65"
    # 5 January is in the year that began in February 2025, 5 February in the next one.
    assert lines["Lost in fiscal year 2026/27"]["new"] == "0.20"
    assert lines["Won in fiscal year 2026/27"]["old"] == "0.00"
    assert table(result, "Not moved")[0]["amount"] == "61.30"
    assert [row["class"] for row in rows(migration, result)] == ["not moved"]


def test_the_largest_differences_are_named_with_their_reason(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["amount"] = "100.11"

    result = money(migration)

    largest = table(result, "The five largest")
    assert [(row["name"], row["difference"]) for row in largest] == [("Three", "-61.30"), ("One", "0.01")]
    assert largest[0]["why"].startswith("rejected: a value has no home")
    assert largest[1]["why"] == "differs"


@pytest.mark.parametrize(
    ("field", "value", "kind", "figure"),
    [
        ("amount", "1001", "amount changed", "Everything"),
        ("amount", None, "amount changed", "Everything"),
        ("dealstage", "1", "option swapped", "Lost in fiscal year 2026/27"),
        ("closedate", "2026-01-31", "date shifted", "Lost in fiscal year 2026/27"),
    ],
)
def test_a_fault_in_the_money_is_red_and_says_which_figure(
    migration: Moved, field: str, value: str | None, kind: str, figure: str
) -> None:
    migration.target.records["deals"]["302"][field] = value

    result = money(migration)

    assert result.verdict is Verdict.FAIL, told(result)
    bad = [row for row in rows(migration, result) if row["grade"] == "fail"]
    assert [(row["key"], row["class"]) for row in bad] == [("sf.Opportunity.D2", kind)]
    assert figure in result.summary
    assert result.decisions[0].command == "migrate diff money.Opportunity"


def test_a_mapping_that_loses_money_is_seen_though_every_staged_value_arrived(migration: Moved) -> None:
    plan = migration.root / "plan.yaml"
    plan.write_text(
        plan.read_text().replace("source: {name: Name,", "source: {amount: Amount * 2, name: Name,")
    )

    results = migration.results("money", "sums", "rows")

    assert results["rows.Opportunity"].verdict is Verdict.PASS
    assert results["sums.Opportunity"].verdict is Verdict.PASS
    assert results["money.Opportunity"].verdict is Verdict.FAIL


def test_a_deal_that_is_gone_and_one_that_is_there_twice_are_both_told(migration: Moved) -> None:
    deals = migration.target.records["deals"]
    deals["399"] = dict(deals["301"])
    del deals["302"]

    result = money(migration)

    assert {(row["key"], row["class"]) for row in rows(migration, result) if row["grade"] == "fail"} == {
        ("sf.Opportunity.D1", "extra"), ("sf.Opportunity.D2", "missing"),
    }  # fmt: skip
    line = table(result, "Money")[0]
    assert (line["expected"], line["new"], line["difference"]) == ("100.30", "200.20", "99.90")


def test_what_settles_while_it_is_looked_at_is_no_difference(migration: Moved) -> None:
    migration.target.records["deals"]["302"]["amount"] = "5"
    migration.target.late["302", "amount"] = "0.20"

    assert money(migration).verdict is Verdict.PASS


def test_another_weight_of_a_stage_is_a_warning_not_a_loss(migration: Moved) -> None:
    for each in migration.target.records["deals"].values():
        each["dealstage"] = "3"
    plan = migration.root / "plan.yaml"
    said = plan.read_text().replace("open: \"StageName NOT IN ('Closed Won', 'Gone')\"", 'open: "true"')
    said = said.replace("won: \"StageName = 'Closed Won'\", lost: \"StageName = 'Gone'\",", "")
    plan.write_text(said.replace('THEN 0 ELSE 0.5 END"}\n    target', 'THEN 0 ELSE 0.25 END"}\n    target'))

    result = money(migration)

    assert result.verdict is Verdict.WARN, told(result)
    assert len({row["difference"] for row in rows(migration, result)}) == result.row_count
    weights = [row for row in rows(migration, result) if row["grade"] == "warn"]
    assert {(row["field"], row["expected"], row["found"], row["records"]) for row in weights} == {
        ("probability", "0.25", "0.5", 1), ("probability", "0", "0.5", 1),
    }  # fmt: skip


def test_figures_that_a_system_does_not_tell_are_named_as_not_compared(tmp_path: Path) -> None:
    made = moved(tmp_path)

    result = money(made)

    assert result.verdict is Verdict.PASS
    assert "Not compared: Open pipeline (open in the source, open in the target unknown)" in result.summary
    made.engine.close()


def test_the_first_screen_has_the_money_with_exact_texts(migration: Moved) -> None:
    screen = {each["id"]: each for each in migration.report().document()["screen"]}

    assert screen["money"]["verdict"] == "pass"
    everything = screen["money"]["facts"]["lines"][0]
    assert (everything["measure"], everything["old"], everything["left"]) == ("all", "161.60", "61.30")


def test_a_fiscal_year_is_called_by_both_its_years_unless_it_is_the_calendar_s() -> None:
    assert fiscal_year(date(2026, 1, 31), 2).name == "2025/26"
    assert fiscal_year(date(2026, 2, 1), 2).start == date(2026, 2, 1)
    assert (fiscal_year(date(1999, 12, 1), 2).name, fiscal_year(date(2026, 7, 1), 1).name) == (
        "1999/00",
        "2026",
    )


def test_sales_are_summed_by_the_fiscal_month_in_which_they_close(migration: Moved) -> None:
    sums = migration.results("sums")["sums.Opportunity"]

    months = table(sums, "amount (EUR) by closedate")
    assert [(row["closedate"], row["expected"]) for row in months] == [
        ("2025/26 month 12 (2026-01)", "100.10"), ("2026/27 month 01 (2026-02)", "0.20"),
    ]  # fmt: skip
    migration.target.records["deals"]["302"]["closedate"] = "2026-01-31"

    sums = migration.results("sums")["sums.Opportunity"]

    assert sums.verdict is Verdict.FAIL
