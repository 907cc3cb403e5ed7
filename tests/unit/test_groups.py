"""Are records counted by group, before and after, and does a group that differs turn red by itself?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from migrate_validators import by_groups
from migrate_validators.model import Result, Verdict

from migrate.catalog import Field, Owner
from migrate.types import Kind
from tests.unit.moved import PLAN, SOURCE, Moved, moved, publish, typed_schema


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def say(migration: Moved, words: str) -> None:
    (migration.root / "plan.yaml").write_text(f"{PLAN}\nvalidate:\n  {words}\n")


def table(result: Result, name: str) -> dict[str, tuple[Any, ...]]:
    (found,) = [one for one in result.tables if f"({name})" in one.title]
    return {str(row[0]): row[1:] for row in found.rows}


def test_a_stage_holds_what_was_there_less_what_did_not_move(migration: Moved) -> None:
    result = migration.results("counts")["counts.Opportunity.groups"]

    assert result.verdict is Verdict.PASS
    # at the source, not a record of their own, expected, in the target, difference
    assert table(result, "dealstage") == {
        "Won": (1, 0, 1, 1, 0),
        "Lost": (1, 0, 1, 1, 0),
        "(empty)": (1, 1, 0, 0, 0),
    }


def test_the_plan_names_the_groups_and_a_date_counts_by_year(migration: Moved) -> None:
    say(migration, "groups: {Opportunity: [closedate], Account: [industry]}")

    results = migration.results("counts")

    years = table(results["counts.Opportunity.groups"], "closedate")
    assert years["2026"] == (2, 0, 2, 2, 0)
    assert years["(empty)"] == (1, 1, 0, 0, 0)
    assert table(results["counts.Account.groups"], "industry")["Technology"] == (2, 0, 2, 2, 0)


def test_what_was_merged_counts_where_it_came_from(migration: Moved) -> None:
    say(migration, "groups: {Contact: [email]}")

    result = migration.results("counts")["counts.Contact.groups"]

    assert table(result, "email")["ada@x.example"] == (2, 1, 1, 1, 0)


def test_a_group_that_differs_by_listed_rows_is_a_warning(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealstage"] = "2"

    result = migration.results("counts")["counts.Opportunity.groups"]

    assert result.verdict is Verdict.WARN
    assert table(result, "dealstage")["Won"] == (1, 0, 1, 0, -1)
    assert table(result, "dealstage")["Lost"] == (1, 0, 1, 2, 1)


def test_a_group_that_differs_without_any_listed_row_fails(
    migration: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration.target.records["deals"]["301"]["dealstage"] = "2"
    blind = "(SELECT NULL::VARCHAR AS key, NULL::VARCHAR AS field WHERE false)"
    monkeypatch.setattr(by_groups, "differing", lambda _evidence, _each: blind)

    result = migration.results("counts")["counts.Opportunity.groups"]

    assert result.verdict is Verdict.FAIL
    assert [(row["field"], row["class"], row["expected"], row["found"]) for row in result.sample] == [
        ("dealstage: 1", "count differs", "1", "0"),
        ("dealstage: 2", "count differs", "1", "2"),
    ]


def test_a_value_that_settles_on_a_second_look_is_in_its_group(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["dealstage"] = "2"
    migration.target.late["301", "dealstage"] = "1"

    result = migration.results("counts")["counts.Opportunity.groups"]

    assert result.verdict is Verdict.PASS
    assert table(result, "dealstage")["Won"] == (1, 0, 1, 1, 0)


# -- completeness -----------------------------------------------------------------------------


def owned(migration: Moved) -> None:
    """The source's accounts have an owner and a record type."""
    old = SOURCE.objects["Account"]
    more = {
        "OwnerId": Field(name="OwnerId", label="Owner", kind=Kind.REFERENCE, vendor_type="reference",
                         owner=True),
        "RecordTypeId": Field(name="RecordTypeId", label="Record type", kind=Kind.REFERENCE,
                              vendor_type="reference", references=("RecordType",)),
    }  # fmt: skip
    schema = old.model_copy(update={"fields": {**old.fields, **more}})
    owners = (Owner(id="5A", email="bo@x.example", name="Bo"),)
    migration.catalog = SOURCE.model_copy(
        update={"objects": {**SOURCE.objects, "Account": schema}, "owners": owners}
    )
    assert migration.source is not None
    rows = [{**row, "OwnerId": "5A", "RecordTypeId": f"R{n % 2}"}
            for n, row in enumerate(migration.source.rows["Account"])]  # fmt: skip
    names = ["Name", "Website", "Industry", "Phone", "ParentId", *more]
    wide = typed_schema(migration.catalog, "Account", names)
    publish(
        migration.store,
        "source/Account/g0000",
        rows,
        wide.insert(0, wide.field(0).with_name("_id")),
        counted=3,
    )


def test_a_field_is_told_as_full_as_it_was_at_the_source_before_any_map(migration: Moved) -> None:
    (rates,) = migration.results("completeness")["completeness.Account"].tables

    assert rates.columns == ("field", "at the source", "expected", "in the target", "rows more or less")
    told = {row[0]: row[1:] for row in rates.rows}
    assert told["phone (phone)"] == ("100 %", "100 %", "100 %", 0)
    assert told["migration_key (migration_key)"][0] == "–"  # the source knows none


def test_an_emptied_field_is_told_by_owner_and_record_type(migration: Moved) -> None:
    owned(migration)
    migration.target.records["companies"]["102"]["phone"] = None

    result = migration.results("completeness")["completeness.Account"]

    assert result.verdict is Verdict.WARN
    tables = {one.title: one.rows for one in result.tables}
    assert tables["Where it differs, by owner"] == (("Bo", "phone (phone)", "100 %", "66.6 %", -1),)
    assert tables["Where it differs, by record type"] == (("R1", "phone (phone)", "100 %", "0.0 %", -1),)
