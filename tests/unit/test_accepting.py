"""May a difference stand? Within a tolerance or under a waiver, and never out of sight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from migrate_validators import differences, take_back, waive
from migrate_validators.report import Unfinished, latest

from migrate.errors import UsageError
from migrate.ledger.validations import begin_validation, open_waivers
from tests.unit.moved import PLAN, Moved, moved
from tests.unit.test_report import workspace


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def tolerate(migration: Moved, words: str) -> None:
    (migration.root / "plan.yaml").write_text(f"{PLAN}\nvalidate:\n  tolerances:\n    - {words}\n")


def deals(migration: Moved) -> dict[str, dict[str, Any]]:
    return migration.target.records["deals"]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("{check: rows, object: Opportunity, at_most: 1, reason: known, owner: Sales}", "warn"),
        ("{check: rows, at_most: 40%, reason: known, owner: Sales}", "fail"),
        ("{check: rows, at_most: 50%, reason: known, owner: Sales}", "warn"),
        (
            "{check: rows, object: Opportunity, field: amount, at_most: 9, reason: known, owner: Sales}",
            "fail",
        ),
        ("{check: rows, object: Account, at_most: 9, reason: known, owner: Sales}", "fail"),
        ("{check: sums, at_most: 9, reason: known, owner: Sales}", "fail"),
    ],
)
def test_a_tolerance_covers_what_it_names_and_nothing_else(
    migration: Moved, words: str, verdict: str
) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    tolerate(migration, words)

    result = migration.report("rows").result("rows.Opportunity")

    assert result["verdict"] == verdict
    assert result["row_count"] == 1  # it stays in the report
    assert bool(result["allowed"]) == (verdict == "warn")
    assert "known" in "".join(result["allowed"]) or verdict == "fail"


@pytest.mark.parametrize(("off", "verdict"), [("0.01", "warn"), ("0.05", "warn"), ("0.06", "fail")])
def test_a_number_may_be_as_far_off_as_the_plan_says(migration: Moved, off: str, verdict: str) -> None:
    from decimal import Decimal

    record = deals(migration)["301"]
    record["amount"] = str(Decimal(record["amount"]) + Decimal(off))
    tolerate(migration, "{check: rows, field: amount, within: 0.05, reason: rounding, owner: Finance}")

    assert migration.report("rows").result("rows.Opportunity")["verdict"] == verdict


def test_a_record_that_is_gone_is_no_small_number(migration: Moved) -> None:
    del deals(migration)["301"]
    tolerate(migration, "{check: rows, within: 100%, reason: rounding, owner: Finance}")

    assert migration.report("rows").result("rows.Opportunity")["verdict"] == "fail"


@pytest.mark.long
def test_a_waived_difference_is_amber_until_its_day_and_stays_listed(migration: Moved) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    first = migration.report().result("rows.Opportunity")
    name = first["sample"][0]["difference"]

    found = waive(workspace(migration), [name], by="Ada", reason="by hand", until="2026-03-31")
    report = migration.report()

    assert found.until == "2026-04-01T00:00:00.000000Z"
    assert report.result("rows.Opportunity")["verdict"] == "warn"
    (told,) = report.document()["waivers"]
    assert (told["who"], told["reason"], told["used"], told["expired"]) == ("Ada", "by hand", True, False)
    assert "Ada: by hand" in report.result("rows.Opportunity")["allowed"][0]

    migration.clock.at = datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC)
    report = migration.report()
    assert report.result("rows.Opportunity")["verdict"] == "fail"
    assert any("ran out" in one["what"] for one in report.document()["decisions"])


@pytest.mark.long
def test_a_waiver_that_is_taken_back_holds_no_more(migration: Moved) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    group = migration.report().document()["differences"]["groups"][0]["id"]
    waive(workspace(migration), [group], by="Ada", reason="by hand", until="2026-03-31")

    assert take_back(workspace(migration), [group], by="Bob") == 1
    assert not open_waivers(migration.ledger)
    assert migration.report().result("rows.Opportunity")["verdict"] == "fail"


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ({"by": " "}, "Give `--by`"),
        ({"reason": ""}, "`--reason`"),
        ({"until": "2026-03-13"}, "day to come"),
        ({"until": "soon"}, "2026-03-31"),
        ({"until": "2026-03-31T10:00"}, "zone"),
    ],
)
def test_a_waiver_needs_a_name_a_reason_and_a_day_to_come(
    migration: Moved, more: dict[str, str], remedy: str
) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    name = migration.report().result("rows.Opportunity")["sample"][0]["difference"]

    with pytest.raises(UsageError, match=remedy):
        waive(workspace(migration), [name], **{"by": "Ada", "reason": "r", "until": "2026-03-31", **more})
    assert not open_waivers(migration.ledger)


def test_what_the_last_report_does_not_know_cannot_be_waived(migration: Moved) -> None:
    migration.report()

    with pytest.raises(UsageError, match=r"no (red )?difference"):
        waive(workspace(migration), ["D-0000000000"], by="Ada", reason="r", until="2026-03-31")


def test_a_difference_keeps_its_id_and_is_new_once_known_after_and_gone_in_the_end(migration: Moved) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    seen = []
    for name in ("Other", "Yet another"):
        deals(migration)["301"]["dealname"] = name
        found = migration.report().document()["differences"]
        seen.append(found)
    deals(migration)["301"]["dealname"] = "One"
    last = migration.report().document()["differences"]

    assert seen[0]["groups"][0]["example"] == seen[1]["groups"][0]["example"]
    assert [(each["new"], each["known"], each["gone"]) for each in seen] == [
        (seen[0]["total"], 0, 0), (0, seen[0]["total"], 0),
    ]  # fmt: skip
    assert last["gone"] == 1


def test_a_difference_that_several_checks_see_is_one(migration: Moved) -> None:
    deals(migration)["301"]["amount"] = "1.00"

    report = migration.report("rows", "sums")

    assert [report.result(f"{name}.Opportunity")["row_count"] for name in ("rows", "sums")] == [1, 1]
    groups = report.document()["differences"]["groups"]
    assert [each["checks"] for each in groups if each["field"] == "amount"] == [["rows", "sums"]]


def test_a_group_names_its_cause_and_the_line_of_the_map(migration: Moved) -> None:
    deals(migration)["301"]["dealstage"] = "lost"

    groups = migration.report("rows", "picklists").document()["differences"]["groups"]

    assert groups[0]["rows"] == 1
    assert groups[0]["command"]
    assert groups[0]["cause"]


def test_one_difference_is_shown_side_by_side(migration: Moved) -> None:
    deals(migration)["301"]["dealname"] = "Other"
    name = migration.report().result("rows.Opportunity")["sample"][0]["difference"]

    for what, key in ((name, None), ("Opportunity", "D1"), ("Opportunity", "301")):
        told = differences(workspace(migration), what, key).text()
        assert "expected" in told
        assert "One" in told and "Other" in told
    assert differences(workspace(migration), "Opportunity", "D2").total == 0


def test_a_part_is_never_green_and_says_what_it_is(migration: Moved) -> None:
    report = migration.report("rows")

    assert report.result("rows.Opportunity")["verdict"] == "pass"
    assert report.verdict == "warn"
    assert report.document()["title"].startswith("A part only")
    assert report.document()["scope"] == {
        "only": ["rows"], "objects": [], "since": "", "sample": 0, "part": True,
    }  # fmt: skip


def test_a_validation_that_did_not_end_leaves_no_verdict_but_error(migration: Moved) -> None:
    migration.report()
    begin_validation(migration.ledger, attempt=1, folder="x", started="2026-03-14T13:00:00Z", part=False)

    with pytest.raises(Unfinished, match="The verdict is `error`") as caught:
        latest(workspace(migration))
    assert caught.value.exit_code == 1

    migration.report()
    assert latest(workspace(migration)).verdict == "warn"
