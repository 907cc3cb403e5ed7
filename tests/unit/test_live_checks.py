"""Are systems that changed, or hide something from our user, told from those that didn't? By asking them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from migrate_validators.drift import changed
from migrate_validators.model import Result, Verdict

from migrate.catalog import Catalog, Field, Option
from migrate.connector import Answer, Total
from migrate.types import Kind
from tests.unit.moved import SOURCE, TARGET, Legacy, Moved, moved, publish, typed_schema


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def altered(catalog: Catalog, object: str, name: str, **values: Any) -> Catalog:
    """A catalog in which a field was changed, or (without values) is gone."""
    schema = catalog.objects[object]
    fields = dict(schema.fields)
    if values:
        fields[name] = fields[name].model_copy(update=values)
    else:
        del fields[name]
    objects = {**catalog.objects, object: schema.model_copy(update={"fields": fields})}
    return catalog.model_copy(update={"objects": objects})


def seen(result: Result) -> list[tuple[str, str, str, str]]:
    return [(row["field"], row["grade"], row["expected"], row["found"]) for row in result.sample]


# -- drift ------------------------------------------------------------------------------------


def test_systems_that_are_as_they_were_discovered_pass(migration: Moved) -> None:
    results = migration.results("drift")

    assert {each.verdict for each in results.values()} == {Verdict.PASS}
    assert results["drift.Account"].compared == len(SOURCE.objects["Account"].fields) + len(
        TARGET.objects["companies"].fields
    )
    assert migration.source is not None
    assert migration.source.closed


def test_a_mapped_field_that_somebody_shortened_in_the_target_fails(migration: Moved) -> None:
    migration.target.catalog = altered(TARGET, "companies", "phone", length=20, required=True)

    result = migration.results("drift")["drift.Account"]

    assert result.verdict is Verdict.FAIL
    assert seen(result) == [("phone", "fail", "length unbounded, not required", "length 20, required")]
    assert result.sample[0]["id"] == "new: companies"
    assert "migrate discover" in result.decisions[0].command


def test_a_field_that_the_plan_has_no_use_for_is_told_and_red_for_nobody(migration: Moved) -> None:
    migration.target.catalog = altered(TARGET, "companies", "city")

    result = migration.results("drift")["drift.Account"]

    assert result.verdict is Verdict.PASS
    assert seen(result) == [("city", "known", "a string", "gone, or not visible to our user")]


def test_a_field_that_is_gone_at_the_source_fails_where_the_plan_reads_it(migration: Moved) -> None:
    assert migration.source is not None
    migration.source.catalog = altered(SOURCE, "Account", "ParentId")

    result = migration.results("drift")["drift.Account"]

    assert result.verdict is Verdict.FAIL
    assert result.sample[0]["id"] == "legacy: Account"


def test_a_value_that_went_fails_one_that_came_to_the_target_is_only_told(migration: Moved) -> None:
    options: tuple[Option, ...] = (
        Option(value="TECH", label="Technology", active=False),
        Option(value="AGRI", label="Agriculture"),
    )
    migration.target.catalog = altered(TARGET, "companies", "industry", options=options)
    assert seen(migration.results("drift")["drift.Account"]) == [
        ("industry", "fail", "`TECH`", "`TECH` switched off")
    ]

    options = (*TARGET.objects["companies"].fields["industry"].options, Option(value="NEW", label="New"))
    migration.target.catalog = altered(TARGET, "companies", "industry", options=options)
    result = migration.results("drift")["drift.Account"]
    assert (result.verdict, seen(result)) == (Verdict.PASS, [("industry", "known", "", "`NEW` new")])


def test_a_new_field_without_which_a_create_is_refused_fails() -> None:
    was = TARGET.objects["deals"]
    new = Field(name="region", label="Region", kind=Kind.STRING, vendor_type="string", required=True)
    now = was.model_copy(update={"fields": {**was.fields, "region": new}})

    (change,) = changed(was, now, ["amount"], filled=True)
    assert (change.field, change.grade, change.now) == ("region", "fail", "a string, required")
    (change,) = changed(was, now, ["amount"], filled=False)
    assert change.grade == "known"


def test_a_longer_text_is_no_failure_and_another_type_is() -> None:
    was = SOURCE.objects["Account"]
    longer = altered(altered(SOURCE, "Account", "Name", length=500), "Account", "Name", kind=Kind.TEXT)

    before = altered(SOURCE, "Account", "Name", length=80).objects["Account"]
    (change,) = changed(before, altered(SOURCE, "Account", "Name", length=90).objects["Account"], ["Name"],
                        filled=True)  # fmt: skip
    assert change.grade == "known"
    (change,) = changed(was, longer.objects["Account"], ["Name"], filled=False)
    assert change.grade == "fail"


def test_a_source_that_is_switched_off_is_not_available_and_no_pass(migration: Moved) -> None:
    migration.source = None

    results = migration.results("drift", "permissions")

    assert {each.verdict for each in results.values()} == {Verdict.WARN}
    assert all(each.summary.startswith("Not available of the source") for each in results.values())


def test_a_target_that_changed_is_found_while_the_source_is_switched_off(migration: Moved) -> None:
    migration.source = None
    migration.target.catalog = altered(TARGET, "companies", "phone", length=20)

    assert migration.results("drift")["drift.Account"].verdict is Verdict.FAIL


# -- permissions ------------------------------------------------------------------------------


def test_fields_that_our_user_may_read_pass(migration: Moved) -> None:
    results = migration.results("permissions")

    assert {each.verdict for each in results.values()} == {Verdict.PASS}, results
    assert results["permissions.Account"].figures["fields of legacy Account"] == 5
    assert results["permissions.Account"].figures["not readable"] == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_mapped_field_that_the_system_no_longer_shows_us_fails(migration: Moved, side: str) -> None:
    assert migration.source is not None
    if side == "source":
        migration.source.catalog = altered(SOURCE, "Opportunity", "Amount")
    else:
        migration.target.catalog = altered(TARGET, "deals", "amount")

    result = migration.results("permissions")["permissions.Opportunity"]

    assert result.verdict is Verdict.FAIL
    (row,) = result.sample
    assert (row["class"], row["field"].lower(), row["system"]) == ("field not readable", "amount", side)


def emptied(migration: Moved) -> None:
    """The extract holds no phone at all, as where the vendor gives null for what a user may not see."""
    schema = typed_schema(SOURCE, "Account", ["Name", "Website", "Industry", "Phone", "ParentId"])
    assert migration.source is not None
    rows = [{**row, "Phone": None} for row in migration.source.rows["Account"]]
    wide = schema.insert(0, typed_schema(SOURCE, "Account", ["Name"]).field(0).with_name("_id"))
    publish(migration.store, "source/Account/g0000", rows, wide, counted=3)
    manifest = migration.store.manifest("source/Account/g0000")
    assert manifest is not None


def test_a_field_that_was_null_in_every_row_and_isnt_by_the_vendors_count_compared_nulls(
    migration: Moved,
) -> None:
    emptied(migration)

    result = migration.results("permissions")["permissions.Account"]

    assert result.verdict is Verdict.FAIL
    assert seen(result) == [("Phone", "fail", "3 records with a value (its own count)", "empty in every row")]


def test_a_field_that_is_empty_by_the_vendors_count_too_hides_nothing(migration: Moved) -> None:
    emptied(migration)
    assert migration.source is not None
    migration.source.rows["Account"] = [{**row, "Phone": None} for row in migration.source.rows["Account"]]

    result = migration.results("permissions")["permissions.Account"]

    assert result.verdict is Verdict.PASS
    assert result.figures["empty in every row, and by the vendor's own count"] == 1


def test_where_the_vendor_counts_nothing_an_empty_field_is_named_and_not_cleared(migration: Moved) -> None:
    emptied(migration)
    assert migration.source is not None
    migration.source.refuses = "it has no such figure"

    result = migration.results("permissions")["permissions.Account"]

    assert "1 field empty in every row; the system doesn't say" in result.summary
    assert result.grades == {"known": 1}


def test_a_field_that_the_target_gives_as_null_for_all_fails(migration: Moved) -> None:
    shown = {id: dict(row) for id, row in migration.target.records["deals"].items()}
    for row in migration.target.records["deals"].values():
        row["closedate"] = None
    answer = migration.target.totals
    hidden = type(migration.target)({**migration.target.records, "deals": shown}, set())
    migration.target.totals = lambda question: (  # type: ignore[method-assign]
        hidden.totals(question) if question.object == "deals" else answer(question)
    )

    result = migration.results("permissions")["permissions.Opportunity"]

    assert [row["field"] for row in result.sample] == ["closedate"]
    assert result.verdict is Verdict.FAIL


def test_rights_that_the_credential_lacks_are_a_warning_with_the_vendors_words(migration: Moved) -> None:
    assert migration.source is not None
    migration.source.lacking = ("The user lacks `View All Data`: records not shared with it are missed.",)

    result = migration.results("permissions")["permissions.Account"]

    assert result.verdict is Verdict.WARN
    assert "View All Data" in result.decisions[0].what


# -- the systems' own counts ------------------------------------------------------------------


def legacy(migration: Moved) -> Legacy:
    assert migration.source is not None
    return migration.source


def test_counts_and_sums_that_both_systems_confirm_pass(migration: Moved) -> None:
    result = migration.results("second_route")["second_route.Opportunity"]

    assert result.verdict is Verdict.PASS, result
    assert result.compared == 5  # three at the source, two in the target
    lines = {line[0]: line[1:3] for line in result.tables[0].rows}
    assert lines["legacy Opportunity: sum of Amount"] == ("161.60", "161.60")
    assert lines["new deals: sum of amount"] == ("100.30", "100.30")


def test_a_row_that_the_vendor_counts_and_we_never_read_fails(migration: Moved) -> None:
    stamped(migration)
    legacy(migration).rows["Account"].append({"_id": "A9", "Name": "Hidden", "Stamp": "2026-01-01T00:00:00Z"})

    result = migration.results("second_route")["second_route.Account"]

    assert result.verdict is Verdict.FAIL
    assert seen(result) == [("records unchanged since the extract", "fail", "4", "3")]
    assert "the system says 4, we read 3" in result.summary


def test_rows_that_changed_or_came_since_the_extract_are_no_difference(migration: Moved) -> None:
    stamped(migration)
    rows = legacy(migration).rows["Account"]
    rows.append(
        {"_id": "A9", "Name": "New", "Stamp": "2026-03-15T00:00:00.000Z", "Made": "2026-03-15T00:00:00.000Z"}
    )
    rows[0]["Stamp"] = "2026-03-15T00:00:00.000Z"

    result = migration.results("second_route")["second_route.Account"]

    assert result.verdict is Verdict.PASS, result
    assert result.figures["changed at the source since the extract"] == 2


def test_one_that_is_hidden_is_found_among_others_that_changed_since(migration: Moved) -> None:
    stamped(migration)
    rows = legacy(migration).rows["Account"]
    rows.append(
        {
            "_id": "A9",
            "Name": "Hidden",
            "Stamp": "2026-01-01T00:00:00.000Z",
            "Made": "2026-01-01T00:00:00.000Z",
        }
    )
    rows[0]["Stamp"] = "2026-03-15T00:00:00.000Z"

    result = migration.results("second_route")["second_route.Account"]

    # Three that we read, of which one changed: two would be unchanged. It may also bear an earlier date.
    assert seen(result) == [("records unchanged since the extract", "warn", "3", "2")]
    assert result.verdict is Verdict.WARN


def test_a_sum_that_the_vendor_has_otherwise_fails_in_its_group(migration: Moved) -> None:
    rows = [dict(row) for row in legacy(migration).rows["Opportunity"]]
    rows[0]["Amount"] += 1
    legacy(migration).rows["Opportunity"] = rows

    result = migration.results("second_route")["second_route.Opportunity"]

    assert result.verdict is Verdict.FAIL
    assert seen(result) == [("sum of Amount", "fail", "162.60", "161.60")]


def test_a_record_of_the_target_that_our_reading_lost_fails(migration: Moved) -> None:
    answer = migration.target.totals
    migration.target.totals = lambda question: (  # type: ignore[method-assign]
        Answer((Total((), 99),), "its own count") if question.object == "contacts" else answer(question)
    )

    result = migration.results("second_route")["second_route.Contact"]

    assert result.verdict is Verdict.FAIL
    assert seen(result) == [("records", "fail", "99", "2")]
    assert migration.clock.slept >= migration.target.limits.settle


def test_a_vendor_without_such_figures_is_not_available_and_no_pass(migration: Moved) -> None:
    migration.target.refuses = legacy(migration).refuses = "it has no such figure"

    result = migration.results("second_route")["second_route.Opportunity"]

    assert result.verdict is Verdict.WARN
    assert result.summary == "Not available: it has no such figure"
    assert result.compared == 0


def test_one_vendor_without_a_count_leaves_the_other_compared_and_no_pass(migration: Moved) -> None:
    legacy(migration).refuses = "it has no such figure"

    result = migration.results("second_route")["second_route.Opportunity"]

    assert result.verdict is Verdict.WARN
    assert result.compared == 2


def stamped(migration: Moved) -> None:
    """The source stamps its records, and its extract says when it began."""
    old = SOURCE.objects["Account"]
    stamps = {
        name: Field(name=name, label=name, kind=Kind.TIMESTAMP, vendor_type="datetime")
        for name in ("Stamp", "Made")
    }
    schema = old.model_copy(update={"fields": {**old.fields, **stamps}, "stamp": "Stamp", "created": "Made"})
    migration.catalog = SOURCE.model_copy(update={"objects": {**SOURCE.objects, "Account": schema}})
    names = ["Name", "Website", "Industry", "Phone", "ParentId", "Stamp", "Made"]
    at = datetime(2026, 2, 1, tzinfo=UTC)
    rows = [{**row, "Stamp": at, "Made": at} for row in legacy(migration).rows["Account"]]
    wide = typed_schema(migration.catalog, "Account", names)
    wide = wide.insert(0, wide.field(0).with_name("_id"))
    watermark = "2026-03-10T00:00:00.000000Z"
    publish(migration.store, "source/Account/g0000", rows, wide, counted=3, watermark=watermark)
    told = "2026-02-01T00:00:00.000Z"
    legacy(migration).rows["Account"] = [
        {**row, "Stamp": told, "Made": told} for row in legacy(migration).rows["Account"]
    ]


# -- the first screen -------------------------------------------------------------------------


def told_of(migration: Moved, *only: str) -> dict[str, Any]:
    document = migration.report(*only).document()
    section: dict[str, Any] = next(one for one in document["screen"] if one["id"] == "consent")
    return section


def test_the_first_screen_tells_of_fields_and_records_that_were_hidden(migration: Moved) -> None:
    checks = ("permissions", "second_route")
    clear = told_of(migration, *checks)
    migration.target.catalog = altered(TARGET, "companies", "phone")
    stamped(migration)
    legacy(migration).rows["Account"].append(
        {"_id": "A9", "Name": "Hidden", "Stamp": "2026-01-01T00:00:00.000Z"}
    )

    red = told_of(migration, *checks)

    assert (clear["verdict"], clear["figures"]["fields not readable"]) == ("pass", 0)
    assert red["verdict"] == "fail"
    assert (red["figures"]["fields not readable"], red["figures"]["records hidden"]) == (1, 1)
    assert "1 field hidden from our user; 1 record counted and not read" in red["summary"]


def test_what_nobody_looked_at_is_not_clear_on_the_first_screen(migration: Moved) -> None:
    section = told_of(migration, "permissions")

    assert section["verdict"] == "warn"
    assert section["facts"]["not looked at"] == ["second_route"]
    assert told_of(migration, "counts")["verdict"] is None
