"""A load goes on under another plan only when a person has accepted what that plan changes.

Judged by the target's own store and by the trail.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.orgs import ADMIN, PLAN, Orgs, old_id, orgs

REVENUE = "      AnnualRevenue: AnnualRevenue\n"
ACCEPT = "plan accept --as Ada --reason net-not-gross"
PEOPLE = 5


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("accepted"), PLAN + "overrides: overrides.csv\n", PEOPLE) as made:
        (made.root / "overrides.csv").write_text("key,field,old,new,who,why\n")
        yield made


@pytest.fixture
def org(started: Orgs, capsys: pytest.CaptureFixture[str]) -> Orgs:
    """Both orgs with the first plan's load; each test begins there."""
    started.capsys = capsys
    if not (started.base / "loaded").exists():
        started.must("discover", "check", "prepare --yes", "extract", "transform", "load")
        started.save("loaded")
    started.restore("loaded")
    return started


def plan(org: Orgs, formula: str) -> None:
    """The plan in the folder gives revenues another formula."""
    assert REVENUE in PLAN
    text = PLAN.replace(REVENUE, f"      AnnualRevenue: {formula}\n") + "overrides: overrides.csv\n"
    (org.root / "plan.yaml").write_text(text)


def revenue(org: Orgs) -> dict[str, float]:
    return {key: float(row["AnnualRevenue"]) for key, row in org.keyed("Account").items()}


def writes(org: Orgs) -> int:
    return len(org.new.control.ndjson("/log?after=0"))


def accepted(org: Orgs) -> list[tuple[str, dict[str, Any]]]:
    with sqlite3.connect(org.root / ".migrate" / "ledger.db") as ledger:
        query = "SELECT who, facts FROM events WHERE what = 'plan accepted' ORDER BY number"
        return [(who, json.loads(facts)) for who, facts in ledger.execute(query).fetchall()]


def test_a_load_under_another_plan_sends_nothing_until_somebody_accepts_by_name_what_it_changes(
    org: Orgs,
) -> None:
    before, sent = revenue(org), writes(org)
    plan(org, "AnnualRevenue * 1000")
    org.must("transform")

    refused = org.run("load", 2)

    assert f"{len(before) - 1:,} values of `Account.AnnualRevenue` (changes)" in refused["message"]
    assert "migrate plan accept --as NAME" in refused["message"]
    assert org.run("load", 2)["message"] == refused["message"], "asking twice is no acceptance"
    assert (revenue(org), writes(org)) == (before, sent)

    told = org.run(ACCEPT, 0)["acceptance"]
    org.run("load", 0)

    assert revenue(org) == {key: value * 1000 for key, value in before.items()}
    [(who, facts)] = accepted(org)
    assert (who, facts["reason"]) == ("Ada", "net-not-gross")
    assert (facts["old"], facts["new"], facts["evidence"]) == (told["old"], told["new"], told["evidence"])
    assert "is the one that was loaded" in org.run(ACCEPT, 2)["message"]


@pytest.mark.long
def test_a_difference_that_has_changed_since_is_accepted_by_nobody(org: Orgs) -> None:
    plan(org, "AnnualRevenue * 1000")
    org.must(ACCEPT)
    act = {"as": ADMIN, "do": "update", "object": "Account", "id": old_id("001", 3)}
    org.old.control.post("/act", {**act, "fields": {"AnnualRevenue": "77"}})
    org.must("extract --since-watermark", "transform")
    sent = writes(org)

    refused = org.run("load", 2)

    assert "Ada accepted another difference than there is now" in refused["message"]
    assert writes(org) == sent
    org.must(ACCEPT, "load")
    assert revenue(org)[next(key for key in revenue(org) if old_id("001", 3) in key)] == 77_000


@pytest.mark.long
def test_a_newer_extract_that_changes_nothing_of_the_difference_leaves_it_accepted(org: Orgs) -> None:
    org.must("extract --since-watermark", "transform", "load")  # the old org isn't as it was at first
    plan(org, "AnnualRevenue * 1000")
    org.must(ACCEPT)
    act = {"as": ADMIN, "do": "update", "object": "Contact", "id": old_id("003", 3)}
    org.old.control.post("/act", {**act, "fields": {"Description": "new"}})
    org.must("extract --since-watermark", "transform", "load")
    assert "new" in [each["Description"] for each in org.rows("Contact")]


@pytest.mark.long
def test_who_has_looked_at_another_difference_accepts_nothing(org: Orgs) -> None:
    plan(org, "AnnualRevenue * 1000")
    seen = org.run("plan diff", 1)["digest"]
    plan(org, "AnnualRevenue * 1001")
    refused = org.run(f"{ACCEPT} --diff {seen[:12]}", 2)
    assert "is another difference now" in refused["message"]
    assert accepted(org) == []
    plan(org, "AnnualRevenue * 1000")
    assert org.run(f"{ACCEPT} --diff {seen[:12]}", 0)["acceptance"]["evidence"] == seen


@pytest.mark.long
def test_an_acceptance_of_one_plan_is_none_of_another(org: Orgs) -> None:
    plan(org, "AnnualRevenue * 1000")
    org.must(ACCEPT)
    plan(org, "AnnualRevenue * 1001")
    org.must("transform")
    assert "nobody has accepted that" in org.run("load", 2)["message"]


@pytest.mark.long
def test_an_edit_that_changes_no_value_and_a_correction_by_name_need_nobody(org: Orgs) -> None:
    plan(org, "AnnualRevenue * 1")
    org.must("transform", "load")
    key = next(key for key in revenue(org) if old_id("001", 4) in key)
    (org.root / "overrides.csv").write_text(
        f"key,field,old,new,who,why\n{key},AnnualRevenue,4,4444,ann,her books\n"
    )
    org.must("transform", "load")
    assert revenue(org)[key] == 4444

    (org.root / "overrides.csv").write_text("key,field,old,new,who,why\n")
    org.must("transform")
    assert "nobody has accepted that" in org.run("load", 2)["message"], "to take one back is an edit"


def test_where_nothing_of_ours_stands_another_plan_needs_nobody(org: Orgs) -> None:
    org.must("rollback run --yes")
    plan(org, "AnnualRevenue * 1000")
    org.must("transform", "load")
    assert max(revenue(org).values()) == 29_000


@pytest.mark.long
def test_a_repair_that_leaves_a_part_of_the_edit_to_the_next_load_needs_acceptance_too(org: Orgs) -> None:
    plan(org, "AnnualRevenue * 1000")
    some = "repair --fields Account.AnnualRevenue --where AnnualRevenue>20000 --yes"
    assert "nobody has accepted that" in org.run(some, 2)["message"]
    org.must(ACCEPT, some)
    assert {value > 1000 for value in revenue(org).values()} == {True, False}
