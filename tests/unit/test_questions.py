"""Do both systems give the same answers, and the vendors themselves, and is silence never taken for a yes?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from migrate_validators.model import Result, Verdict
from migrate_validators.run import checks, run

from tests.unit.moved import Legacy, Moved, moved, told

BY_STAGE = """
validate:
  questions:
    - name: Sales by stage
      key: [stage]
      source: SELECT CASE StageName WHEN 'Closed Won' THEN 'Won' ELSE 'Lost' END AS stage,
        count(*) AS records, sum(Amount) AS total FROM source.Opportunity WHERE _id IN (SELECT source_id
        FROM ends WHERE outcome = 'created') GROUP BY ALL
      target: questions/new.sql
      vendor:
        target: {object: deals, by: [dealstage], sum: amount}
"""
NEW = """SELECT o.label AS stage, count(*) AS records, sum(d.amount) AS total FROM target.deals AS d
JOIN options AS o ON o.side = 'target' AND o.object = 'deals' AND o.field = 'dealstage'
AND o.value = d.dealstage GROUP BY o.label"""
OLD_VENDOR = """
        source:
          object: Opportunity
          by: [StageName]
          where: [{field: StageName, op: in, values: [Closed Won, Gone]}]
"""


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(plan.read_text() + BY_STAGE)
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "new.sql").write_text(NEW)
    yield made
    made.engine.close()


def change(migration: Moved, *pairs: tuple[str, str]) -> None:
    plan = migration.root / "plan.yaml"
    text = plan.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    plan.write_text(text)


def asked_at_home(migration: Moved, *keys: str) -> Result:
    """With these records at home in the target."""
    evidence = migration.evidence()
    try:
        evidence.at_home = " UNION ALL ".join(f"SELECT '{key}' AS key" for key in keys)
        (result,) = run(evidence, {"questions": checks()["questions"]})
    finally:
        evidence.close()
    return result


def asked(migration: Moved) -> Result:
    return next(iter(migration.results("questions").values()))


def rows(migration: Moved, result: Result) -> list[dict[str, Any]]:
    if result.rows is None:
        return []
    found: list[dict[str, Any]] = pq.read_table(migration.root / "report" / result.rows).to_pylist()
    return found


def lines(result: Result) -> list[dict[str, Any]]:
    return [dict(zip(result.tables[0].columns, row, strict=True)) for row in result.tables[0].rows]


def test_equal_answers_pass_and_stand_beside_each_other(migration: Moved) -> None:
    result = asked(migration)

    assert result.verdict is Verdict.PASS, told(result)
    assert (result.id, result.title, result.compared) == ("questions.sales_by_stage", "Sales by stage", 4)
    assert lines(result)[1] == {
        "stage": "Won", "records, old": "1", "records, new": "1", "records, new itself": "1",
        "total, old": "100.10", "total, new": "100.10", "total, new itself": "100.10",
    }  # fmt: skip


def test_a_cent_between_old_and_new_is_red(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["amount"] = "100.11"

    result = asked(migration)

    assert result.verdict is Verdict.FAIL
    assert [(row["key"], row["class"], row["expected"], row["found"]) for row in rows(migration, result)] == [
        ("Won", "sum differs", "100.10", "100.11")
    ]


def test_a_record_that_our_reading_lost_is_seen_by_the_vendor_s_own_count(migration: Moved) -> None:
    extra = {"dealname": "Four", "amount": "5", "dealstage": "1", "closedate": None}
    migration.target.records["deals"]["399"] = extra
    migration.target.unlisted.add("399")

    result = asked(migration)

    assert result.verdict is Verdict.FAIL, told(result)
    bad = {(row["key"], row["field"], row["expected"], row["found"]) for row in rows(migration, result)}
    assert bad == {
        ("Won", "records: new itself and its records", "2", "1"),
        ("Won", "total: new itself and its records", "105.10", "100.10"),
    }


def test_what_a_vendor_does_not_give_is_not_available_and_no_pass(migration: Moved) -> None:
    migration.target.refuses = "its search counts and doesn't sum"

    result = asked(migration)

    assert result.verdict is Verdict.WARN
    assert "not available (its search counts and doesn't sum)" in result.summary
    assert {line["total, new itself"] for line in lines(result)} == {"not available"}
    assert result.decisions[0].verdict is Verdict.WARN


def test_a_source_that_is_gone_is_not_available(migration: Moved) -> None:
    migration.source = None
    change(migration, ("        target: {object", OLD_VENDOR.strip("\n") + "\n        target: {object"))

    result = asked(migration)

    assert result.verdict is Verdict.WARN
    assert "legacy's own figure: not available" in result.summary


def old_system(migration: Moved, *stages: str) -> None:
    rows = [{"_id": f"D{n}", "StageName": stage} for n, stage in enumerate(stages, 1)]
    migration.source = Legacy({"Opportunity": rows})
    change(
        migration, ("        target: {object", OLD_VENDOR.strip("\n") + "\n        target: {object"),
        ("CASE StageName WHEN 'Closed Won' THEN 'Won' ELSE 'Lost' END AS stage", "StageName AS stage"),
    )  # fmt: skip
    (migration.root / "questions" / "new.sql").write_text(
        "SELECT CASE dealstage WHEN '1' THEN 'Closed Won' ELSE 'Gone' END AS stage, count(*) AS records, "
        "sum(amount) AS total FROM target.deals GROUP BY ALL"
    )
    change(migration, ("        target: {object: deals, by: [dealstage], sum: amount}\n", ""))


def test_the_old_system_is_asked_itself(migration: Moved) -> None:
    old_system(migration, "Closed Won", "Gone", "Verbal OK")

    result = asked(migration)

    assert result.verdict is Verdict.PASS, told(result)
    assert {line["records, legacy itself"] for line in lines(result)} == {"1"}


def test_an_extract_that_lacks_a_record_of_the_old_system_is_red(migration: Moved) -> None:
    old_system(migration, "Closed Won", "Gone", "Gone")

    result = asked(migration)

    assert result.verdict is Verdict.FAIL
    assert rows(migration, result)[0]["between"] == "legacy itself and its records"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM read_text('/etc/passwd')", "may not be read"),
        ("SELECT 'x' AS stage, 1 AS records", "the target records"),
        ("SELECT 1 AS records, 2 AS total", "gives no column `stage`"),
        ("SELECT 'x' AS stage, 1 AS records, 2 AS total FROM target.deals", "gives `x` twice"),
        ("DELETE FROM target.deals", "must be one SELECT"),
    ],
)
def test_a_question_that_can_not_be_asked_is_an_error_with_why(
    migration: Moved, statement: str, said: str
) -> None:
    (migration.root / "questions" / "new.sql").write_text(statement)

    result = asked(migration)

    assert result.verdict is Verdict.ERROR
    assert said in result.summary


def test_a_question_without_any_answer_is_empty(migration: Moved) -> None:
    (migration.root / "questions" / "new.sql").write_text(f"{NEW} HAVING false")
    change(migration, ("outcome = 'created'", "outcome = 'nothing'"), (
        "        target: {object: deals, by: [dealstage], sum: amount}\n", "        {}\n"))  # fmt: skip

    assert asked(migration).verdict is Verdict.EMPTY


def test_what_people_do_with_records_at_home_in_the_target_is_no_difference_and_anything_else_is(
    migration: Moved,
) -> None:
    migration.target.records["deals"]["301"]["amount"] = "900.00"  # won in the new system

    result = asked_at_home(migration, "sf.Opportunity.D1")

    assert (result.verdict, result.compared) == (Verdict.PASS, 2), told(result)
    assert lines(result) == [
        {
            "stage": "Lost",
            "records, old": "1",
            "records, new": "1",
            "total, old": "0.20",
            "total, new": "0.20",
        }
    ]
    assert "Without records that are at home" in result.tables[0].note

    migration.target.records["deals"]["302"]["amount"] = "0.21"
    red = asked_at_home(migration, "sf.Opportunity.D1")
    assert red.verdict is Verdict.FAIL
    assert [(row["key"], row["expected"], row["found"]) for row in rows(migration, red)] == [
        ("Lost", "0.20", "0.21")
    ]
    assert asked_at_home(migration, "sf.Opportunity.D1", "sf.Opportunity.D2").verdict is Verdict.WARN
