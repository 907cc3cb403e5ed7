"""Does each section of the first screen say what is so, and does a bad case turn the verdict red?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from migrate_validators import waive
from migrate_validators.screen import TITLES

from tests.unit.moved import PLAN, Moved, moved
from tests.unit.test_report import workspace


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def sections(migration: Moved) -> dict[str, dict[str, Any]]:
    document = migration.report().document()
    return {each["id"]: each for each in document["screen"]} | {"whole": document}


def say(migration: Moved, words: str) -> None:
    (migration.root / "plan.yaml").write_text(f"{PLAN}\nvalidate:\n  {words}\n")


def test_every_section_is_there_in_its_order(migration: Moved) -> None:
    found = migration.report().document()["screen"]

    assert [each["id"] for each in found] == list(TITLES)
    assert all(each["summary"] for each in found)


def test_scope_adds_up(migration: Moved) -> None:
    figures = sections(migration)["scope"]["figures"]

    assert figures["unexplained"] == 0
    assert figures["extracted"] == (
        figures["moved"] + figures["merged into another"] + figures["dropped on purpose"] + figures["refused"]
    )
    assert figures["extracted"] > 0


def test_a_record_of_several_entries_counts_once_by_its_gravest_end(migration: Moved) -> None:
    from migrate_validators.scope import _each

    evidence = migration.evidence()
    try:
        evidence.engine.run(
            f"""INSERT INTO {evidence.ends} (key, entry, source_object, source_id, outcome, reason) VALUES
            ('sf.Account~more.A1', 'Account~more', 'Account', 'A1', 'skipped', 'where'),
            ('sf.Account~more.A2', 'Account~more', 'Account', 'A2', 'rejected', 'required'),
            ('sf.Account~more.A9', 'Account~more', 'Account', 'A9', 'skipped', 'where')"""
        )
        rows = evidence.rows(f"SELECT * FROM {_each(evidence)} WHERE source_object = 'Account'")
    finally:
        evidence.close()

    ends = {row["source_id"]: row["outcome"] for row in rows}
    assert len(rows) == len(ends)
    assert ends["A1"] in ("created", "adopted")
    assert (ends["A2"], ends["A9"]) == ("rejected", "skipped")


def test_a_record_without_an_end_makes_the_scope_red(migration: Moved) -> None:
    from tests.unit.moved import publish, texts

    publish(migration.store, "rejects/Opportunity/g0000", [],
            texts("_key", "_source_id", "field", "reason", "value", "detail"))  # fmt: skip

    found = sections(migration)

    assert found["scope"]["verdict"] == "fail"
    assert found["scope"]["figures"]["unexplained"] == 1
    assert found["whole"]["verdict"] == "fail"


@pytest.mark.long
def test_a_decision_whose_time_has_passed_is_red(migration: Moved) -> None:
    say(migration, 'decision: {asked_of: [Sales sponsor], by: "2026-03-14T11:59:00Z"}')
    late = sections(migration)
    say(migration, 'decision: {asked_of: [Sales sponsor], by: "2026-03-14T13:00:00Z"}')
    early = sections(migration)

    assert (late["verdict"]["verdict"], late["whole"]["verdict"]) == ("fail", "fail")
    assert early["verdict"]["verdict"] == "warn"  # as the checks are
    assert early["verdict"]["facts"]["asked_of"] == ["Sales sponsor"]


@pytest.mark.long
def test_a_plan_that_names_nobody_is_not_set_up(migration: Moved) -> None:
    assert sections(migration)["verdict"]["verdict"] is None
    assert sections(migration)["signatures"]["verdict"] is None


@pytest.mark.long
def test_a_notice_is_amber_until_somebody_accepts_it_and_red_beyond_what_was_accepted(
    migration: Moved,
) -> None:
    first = sections(migration)["notices"]
    ids = [each["id"] for each in first["facts"]["notices"]]
    merged = next(each for each in first["facts"]["notices"] if each["id"] == "merged.Contact")
    say(migration, "notices: [" + ", ".join(f"{{what: {id}, by: Ada}}" for id in ids) + "]")
    accepted = sections(migration)
    say(migration, f"notices: [{{what: merged, by: Ada, at_most: {merged['n'] - 1}}}]")
    beyond = sections(migration)

    assert first["verdict"] == "warn"
    assert accepted["notices"]["verdict"] == "pass"
    assert beyond["notices"]["verdict"] == "fail"
    assert beyond["whole"]["verdict"] == "fail"


@pytest.mark.long
def test_a_waiver_that_ran_out_is_red(migration: Moved) -> None:
    from datetime import UTC, datetime

    migration.target.records["deals"]["301"]["dealname"] = "Other"
    name = migration.report().result("rows.Opportunity")["sample"][0]["difference"]
    waive(workspace(migration), [name], by="Ada", reason="by hand", until="2026-03-31")
    used = sections(migration)["waivers"]
    migration.clock.at = datetime(2026, 4, 2, tzinfo=UTC)
    over = sections(migration)

    assert (used["verdict"], used["figures"]["in use"]) == ("warn", 1)
    assert (over["waivers"]["verdict"], over["waivers"]["figures"]["run out"]) == ("fail", 1)


def test_red_and_amber_lines_say_who_decides(migration: Moved) -> None:
    del migration.target.records["deals"]["302"]

    lines = sections(migration)["lines"]

    assert lines["verdict"] == "fail"
    assert lines["figures"]["red"] >= 1
    assert all(row[2] for row in lines["tables"][0]["rows"])


def test_a_section_that_breaks_is_an_error_and_hides_no_other(
    migration: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrate_validators import scope

    def broken(_seen: object) -> None:
        raise RuntimeError("no /home/somebody/secret.txt")

    monkeypatch.setattr(scope, "section", broken)
    found = sections(migration)

    assert found["scope"]["verdict"] == "error"
    assert "somebody" not in found["scope"]["summary"]
    assert found["notices"]["verdict"] == "warn"
    assert found["whole"]["verdict"] == "error"
