"""Does each check see the fault that it is there for, and nothing where there is none?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from migrate_validators.evidence import Evidence
from migrate_validators.model import Result, Verdict
from migrate_validators.run import BUILT_IN, run

from migrate.connector import Link, Version, Who
from migrate.stages.crosswalk import OTHERS
from tests.unit.moved import Moved, moved, publish, texts, told


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Moved]:
    made = moved(tmp_path)
    yield made
    made.engine.close()


def failing(results: dict[str, Result]) -> set[str]:
    return {id for id, each in results.items() if each.verdict not in (Verdict.PASS, Verdict.WARN)}


def test_everything_arrived_and_one_record_rejected_is_a_warning_and_nothing_else(migration: Moved) -> None:
    results = migration.results()

    odd = {id: told(each) for id, each in results.items() if each.verdict is not Verdict.PASS}
    assert set(odd) == {"counts.Opportunity"}, odd
    counts = results["counts.Opportunity"]
    assert counts.verdict is Verdict.WARN
    assert counts.figures["extracted"] == 3
    assert counts.figures["created"] == 2
    assert counts.figures["rejected"] == 1
    assert "Verbal OK" in counts.decisions[0].what
    assert "picklists/stage.csv" in counts.decisions[0].where
    assert results["counts.Contact"].figures["merged"] == 1
    assert results["counts.Account"].figures["adopted"] == 1
    assert results["rows.Account"].compared == 3


def test_every_built_in_check_is_there(migration: Moved) -> None:
    results = migration.results()

    assert {each.check for each in results.values()} == set(BUILT_IN) - {
        "invariants",
        "files",
        "timeline",
        "questions",
        "people",  # nobody was handed a sheet
    }


def test_a_record_that_vanished_from_the_target_is_found_by_counts_and_rows(migration: Moved) -> None:
    del migration.target.records["deals"]["302"]

    results = migration.results("counts", "rows", "sums")

    assert failing(results) == {"counts.Opportunity", "rows.Opportunity", "sums.Opportunity"}
    assert results["rows.Opportunity"].sample[0]["key"] == "sf.Opportunity.D2"
    assert results["rows.Opportunity"].sample[0]["class"] == "missing"


def test_a_record_without_an_end_is_named(migration: Moved) -> None:
    publish(migration.store, "rejects/Opportunity/g0000", [],
            texts("_key", "_source_id", "field", "reason", "value", "detail"))  # fmt: skip

    result = migration.results("counts")["counts.Opportunity"]

    assert result.verdict is Verdict.FAIL
    assert [(row["key"], row["outcome"]) for row in result.sample] == [("sf.Opportunity.D3", "unaccounted")]


def test_a_record_with_two_ends_is_named(migration: Moved) -> None:
    publish(migration.store, "skipped/Contact/g0000",
            [{"_key": "sf.Contact.C3", "_source_id": "C3", "reason": "where"}],
            texts("_key", "_source_id", "reason"))  # fmt: skip

    result = migration.results("counts")["counts.Contact"]

    assert result.verdict is Verdict.FAIL
    assert "two ends" in result.summary


def test_a_vendor_that_counts_more_than_was_read_fails_the_counts(migration: Moved) -> None:
    manifest = migration.store.manifest("source/Account/g0000")
    assert manifest is not None
    manifest.facts["counted"] = 4
    migration.store.publish(manifest)

    result = migration.results("counts")["counts.Account"]

    assert result.verdict is Verdict.FAIL
    assert "the vendor counts 4, 3 were read" in result.summary.lower()


def test_a_dead_letter_is_a_warning_with_the_command_that_mends_it(migration: Moved) -> None:
    migration.journal = [row for row in migration.journal if row["key"] != "sf.Opportunity.D2"]
    del migration.target.records["deals"]["302"]
    migration.letter("record", "sf.Opportunity.D2", "400: INVALID_OPTION")

    result = migration.results("counts")["counts.Opportunity"]

    assert result.verdict is Verdict.WARN
    assert result.figures["dead_letter"] == 1
    assert any("dead-letters replay" in one.command for one in result.decisions)


def test_an_ambiguous_match_does_not_say_on_which_side_the_twins_are(migration: Moved) -> None:
    reject = {"_key": "sf.Opportunity.D3", "_source_id": "D3", "field": "dealname", "value": "Three",
              "reason": "ambiguous_match", "detail": "several source records match record 9"}  # fmt: skip
    publish(migration.store, "rejects/Opportunity/g0000", [reject], texts(*reject))

    decision = migration.results("counts")["counts.Opportunity"].decisions[0]

    assert "several records of the target" not in decision.what
    assert "in the source or in the target" in decision.where


def test_a_command_that_mends_can_be_typed_as_it_stands_while_something_remains(migration: Moved) -> None:
    migration.journal = [row for row in migration.journal if row["key"] != "sf.Opportunity.D2"]
    del migration.target.records["deals"]["302"]
    migration.letter("record", "sf.Opportunity.D2", "400: INVALID_OPTION")

    decisions = migration.results("counts")["counts.Opportunity"].decisions

    commands = [command for one in decisions for command in one.command.split("; ")]
    assert {"migrate transform", "migrate load", "migrate dead-letters replay"} <= set(commands)
    # `transform` and `dead-letters list` end with 1 here, so nothing behind `&&` would run.
    assert not any("&&" in command or ", then" in command for command in commands)


def test_one_wrong_value_is_exactly_one_row_and_field(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["closedate"] = "2026-01-06"

    result = migration.results("rows")["rows.Opportunity"]

    assert result.verdict is Verdict.FAIL
    assert [(row["key"], row["field"], row["expected"], row["found"]) for row in result.sample] == [
        ("sf.Opportunity.D1", "closedate", "2026-01-05", "2026-01-06")
    ]


def mapped_later(migration: Moved) -> None:
    """The plan maps `phone` no more and `city` instead, and was loaded from again."""
    path = migration.root / "plan.yaml"
    path.write_text(
        path.read_text().replace("{from: Phone, wins: longest}", "Name").replace("phone:", "city:")
    )
    companies = migration.target.records["companies"]
    rows = []
    for id, name in (("101", "Acme"), ("102", "Bolt"), ("55", "Curie")):
        companies[id] |= {"city": name, "phone": "not ours any more"}
        values = {**companies[id], "name": name, "_key": companies[id]["migration_key"], "_deleted": False}
        rows.append({key: value for key, value in values.items() if key != "phone"})
    fields = ("migration_key", "old_id", "name", "domain", "industry", "city")
    names = ("_key", "_source_id", "_version", "_target_id", "_deleted", *fields)
    publish(migration.store, "ready/Account/g0001", rows, texts(*names))


def test_a_field_that_the_plan_has_dropped_since_is_not_compared(migration: Moved) -> None:
    mapped_later(migration)

    result = migration.results("rows")["rows.Account"]

    assert result.verdict is Verdict.PASS, told(result)


def test_a_field_that_was_mapped_after_the_first_load_is_compared(migration: Moved) -> None:
    mapped_later(migration)
    migration.target.records["companies"]["102"]["city"] = "Bonn"

    result = migration.results("rows")["rows.Account"]

    assert [(row["field"], row["expected"], row["found"]) for row in result.sample] == [
        ("city", "Bolt", "Bonn")
    ]


def test_a_cent_is_found_by_the_sums_in_its_stage(migration: Moved) -> None:
    migration.target.records["deals"]["301"]["amount"] = "100.11"

    result = migration.results("sums")["sums.Opportunity"]

    assert result.verdict is Verdict.FAIL
    by_stage = next(table for table in result.tables if "dealstage" in table.columns)
    assert ("Won", "100.10", "100.11", "0.01") in by_stage.rows


def test_money_that_did_not_move_is_told_by_what_became_of_it(migration: Moved) -> None:
    result = migration.results("sums")["sums.Opportunity"]

    ways = result.tables[1]
    assert result.tables[0].rows == (("amount", "161.60", "61.30", "100.30", "100.30", "0.00"),)
    assert ("rejected", 1, "61.30") in ways.rows
    assert ("in all", 3, "161.60") in ways.rows


@pytest.mark.parametrize(
    ("accepted", "asks"),
    [
        ("fills: [industry]", "Accept it in the plan, or switch the automation off"),
        ("changes: [phone]", "The plan accepts it of `Enrich`: look at the values"),
    ],
)
def test_nobody_is_asked_to_accept_what_the_plan_accepts(migration: Moved, accepted: str, asks: str) -> None:
    path, place = migration.root / "plan.yaml", "    match: [domain]"
    rule = f"    automations: {{accept: [{{name: Enrich, {accepted}}}]}}\n"
    path.write_text(path.read_text().replace(place, rule + place))
    migration.target.records["companies"]["102"]["phone"] = "0800 1"
    migration.target.writers["102", "phone"] = Version(
        "phone", "0800 1", "2026-03-14T12:00:09.000Z", Who.AUTOMATION, "Enrichment"
    )

    [decision] = migration.results("rows")["rows.Account"].decisions

    assert decision.where.startswith(asks)


def test_an_automations_value_is_a_warning_with_who_and_when(migration: Moved) -> None:
    migration.target.records["companies"]["102"]["phone"] = "0800 1"
    migration.target.writers["102", "phone"] = Version(
        "phone", "0800 1", "2026-03-14T12:00:09.000Z", Who.AUTOMATION, "Enrichment"
    )

    result = migration.results("rows")["rows.Account"]

    assert result.verdict is Verdict.WARN
    assert result.sample[0]["writer"] == "Enrichment"
    assert result.sample[0]["written"] == "2026-03-14T12:00:09.000Z"


def test_a_persons_edit_fails_and_is_listed_as_theirs(migration: Moved) -> None:
    migration.target.records["companies"]["102"]["phone"] = "0800 2"
    migration.target.writers["102", "phone"] = Version(
        "phone", "0800 2", "2026-03-14T12:01:00.000Z", Who.PERSON, "Bo"
    )

    result = migration.results("rows")["rows.Account"]

    assert result.verdict is Verdict.FAIL
    assert (result.sample[0]["by"], result.sample[0]["class"]) == ("person", "changed")
    assert "changed by a person" in result.decisions[0].what


def test_a_difference_that_settles_does_not_count(migration: Moved) -> None:
    migration.target.records["companies"]["102"]["phone"] = "still old"
    migration.target.late["102", "phone"] = "22"

    assert migration.results("rows")["rows.Account"].verdict is Verdict.PASS
    assert migration.clock.slept >= migration.target.limits.settle


@pytest.mark.parametrize(("bears", "kind"), [(None, "emptied"), ("hers", "changed")])
def test_a_record_whose_key_somebody_took_away_is_told_as_that(
    migration: Moved, bears: str | None, kind: str
) -> None:
    migration.target.records["deals"]["302"]["migration_key"] = bears

    result = migration.results("rows")["rows.Opportunity"]

    assert result.verdict is Verdict.FAIL
    [row] = result.sample
    assert (row["id"], row["field"], row["class"], row["found"]) == ("302", "migration_key", kind, bears)
    assert row["key"] == row["expected"] == "sf.Opportunity.D2"


def test_a_listing_that_leaves_out_what_the_target_has_is_an_error_and_no_pass(migration: Moved) -> None:
    migration.target.unlisted = {"302"}

    result = migration.results("rows")["rows.Opportunity"]

    assert result.verdict is Verdict.ERROR
    assert "1 record of ours weren't in what the target listed" in result.summary


def test_what_the_vendor_makes_of_a_value_is_no_difference(migration: Moved) -> None:
    ready = migration.store.manifest("ready/Opportunity/g0000")
    assert ready is not None
    import pyarrow.parquet as pq

    table = pq.read_table(migration.store.files(ready)[0]).to_pylist()
    table[0]["dealname"] = "  One "
    schema = pq.read_schema(migration.store.files(ready)[0])
    publish(migration.store, "ready/Opportunity/g0000", table, schema)

    assert migration.results("rows")["rows.Opportunity"].verdict is Verdict.PASS


def test_an_adopted_record_is_held_against_survivorship_decided_again(migration: Moved) -> None:
    migration.target.records["companies"]["55"]["name"] = (
        "Curie"  # the source's; the target's own was to stay
    )

    result = migration.results("rows")["rows.Account"]

    assert [(row["field"], row["expected"], row["found"]) for row in result.sample] == [
        ("name", "Curie & Co", "Curie")
    ]


def test_a_missing_link_is_found_with_its_label(migration: Moved) -> None:
    migration.target.joined.discard(Link("contacts", "203", "companies", "102", "primary"))
    migration.target.joined.add(Link("contacts", "203", "companies", "102", "default"))

    results = migration.results("links")

    assert failing(results) == {"links.Contact.0"}
    row = results["links.Contact.0"].sample[0]
    assert (row["left"], row["class"], row["found"]) == (
        "sf.Contact.C3", "label lost", "sf.Account.A2 default"
    )  # fmt: skip


def test_a_link_of_which_nothing_is_left_is_lost(migration: Moved) -> None:
    migration.target.joined.discard(Link("contacts", "203", "companies", "102", "primary"))

    row = migration.results("links")["links.Contact.0"].sample[0]

    assert (row["class"], row["expected"], row["found"]) == ("link lost", "sf.Account.A2 primary", None)


def test_a_link_that_leads_to_somebody_else_is_a_swapped_parent(migration: Moved) -> None:
    migration.target.joined.discard(Link("contacts", "203", "companies", "102", "primary"))
    migration.target.joined.add(Link("contacts", "203", "companies", "101", "primary"))

    row = migration.results("links")["links.Contact.0"].sample[0]

    assert (row["class"], row["found"]) == ("parent swapped", "sf.Account.A1 primary")


def test_what_is_linked_twice_on_purpose_is_no_swapped_parent(migration: Moved) -> None:
    publish(migration.store, "links/Contact.0/g0001", [
        {"left": "sf.Contact.C3", "right": "sf.Account.A1", "left_object": "contacts",
         "right_object": "companies", "label": "primary", "_deleted": False}
    ], texts("left", "right", "left_object", "right_object", "label", "_deleted"))  # fmt: skip
    migration.target.joined.discard(Link("contacts", "203", "companies", "102", "primary"))
    migration.target.joined.add(Link("contacts", "203", "companies", "101", "primary"))

    row = migration.results("links")["links.Contact.0"].sample[0]

    assert (row["expected"], row["class"]) == ("sf.Account.A2 primary", "link lost")


@pytest.mark.parametrize(
    ("who", "verdict"), [(Who.PERSON, Verdict.WARN), (Who.AUTOMATION, Verdict.WARN),
                         (Who.INTEGRATION, Verdict.FAIL), (Who.OURS, Verdict.FAIL), (None, Verdict.FAIL)]
)  # fmt: skip
def test_an_unmapped_field_of_an_adopted_record_must_be_as_it_was(
    migration: Moved, who: Who | None, verdict: Verdict
) -> None:
    migration.target.records["companies"]["55"]["city"] = "Bonn"
    if who:
        migration.target.writers["55", "city"] = Version(
            "city", "Bonn", "2026-03-14T12:01:00.000Z", who, "Bo"
        )

    result = migration.results("untouched")["untouched.Account"]

    assert result.verdict is verdict
    [row] = result.sample
    assert (row["key"], row["id"], row["field"], row["class"]) == ("sf.Account.A3", "55", "city", "changed")
    assert (row["expected"], row["found"]) == ("Ulm", "Bonn")
    assert result.compared == 1  # the plan maps all others of that record


def test_a_new_value_of_an_unmapped_field_that_settles_back_does_not_count(migration: Moved) -> None:
    migration.target.late["55", "city"] = "Ulm"
    migration.target.records["companies"]["55"]["city"] = "Bonn"

    assert migration.results("untouched")["untouched.Account"].verdict is Verdict.PASS


def test_adopted_records_without_a_baseline_are_not_said_to_be_untouched(migration: Moved) -> None:
    migration.baseline = {}

    assert migration.results("untouched")["untouched.Account"].verdict is Verdict.EMPTY


def test_a_missing_record_is_one_difference_for_all_checks(migration: Moved) -> None:
    del migration.target.records["deals"]["302"]

    results = migration.results("counts", "rows", "sums")

    ids = {
        row["difference"]
        for each in results.values()
        for row in each.sample
        if row["key"] == "sf.Opportunity.D2"
    }
    assert len(ids) == 1
    assert results["counts.Opportunity"].listed


def test_links_that_others_made_are_explained_or_listed(migration: Moved) -> None:
    silent = Link("contacts", "201", "companies", "102", "default")
    migration.target.joined |= {silent, Link("contacts", "203", "companies", "9", "default")}
    migration.target.automatic = {silent}

    result = migration.results("links")["links.Contact.additional"]

    assert result.verdict is Verdict.WARN
    assert result.figures["made by an automation"] == 1
    assert result.figures["unexplained"] == 1


def test_the_inverse_of_a_link_of_ours_is_explained(migration: Moved) -> None:
    result = migration.results("links")["links.Account.additional"]

    assert result.verdict is Verdict.PASS
    assert result.figures["the same pair, seen from its other end"] == 1


def test_a_value_that_the_map_does_not_foresee_is_found_past_the_transform(migration: Moved) -> None:
    import pyarrow.parquet as pq

    ready = migration.store.manifest("ready/Account/g0000")
    assert ready is not None
    table, schema = (
        pq.read_table(migration.store.files(ready)[0]).to_pylist(),
        pq.read_schema(migration.store.files(ready)[0]),
    )
    table[0]["industry"] = "AGRI"  # the transform was wrong, and the load did as it was told
    publish(migration.store, "ready/Account/g0000", table, schema)
    migration.target.records["companies"]["101"]["industry"] = "AGRI"

    results = migration.results("rows", "picklists")

    assert failing(results) == {"picklists.Account"}
    sample = results["picklists.Account"].sample[0]
    assert sample.pop("difference").startswith("D-")
    assert sample == {
        "key": "sf.Account.A1", "id": "101", "field": "industry", "class": "option swapped",
        "grade": "fail", "expected": "TECH", "found": "AGRI", "old": "Tech",
    }  # fmt: skip


def test_twins_and_strays_are_found(migration: Moved) -> None:
    migration.target.records["deals"]["999"] = dict(migration.target.records["deals"]["301"])
    migration.target.records["contacts"]["998"] = {
        "migration_key": "sf.Contact.C9",
        "email": "late@x.example",
    }

    results = migration.results("strays", "rows")

    assert results["strays.Opportunity"].figures["twins"] == 2
    assert results["strays.Contact"].figures["strays"] == 1
    assert results["rows.Opportunity"].sample[0]["class"] == "twin"
    assert failing(results) >= {"strays.Opportunity", "strays.Contact"}


def test_a_copy_of_our_record_without_its_key_is_a_twin(migration: Moved) -> None:
    copied = dict(migration.target.records["deals"]["301"])
    del copied["migration_key"]
    migration.target.records["deals"]["999"] = copied

    result = migration.results("strays")["strays.Opportunity"]

    [row] = result.sample
    assert (row["class"], row["key"], row["id"]) == ("twin", "sf.Opportunity.D1", "999")
    assert result.verdict is Verdict.FAIL


def test_records_that_automations_made_since_the_load_are_named(migration: Moved) -> None:
    publish(migration.store, "baseline/companies", [{"_id": "9"}, {"_id": "55"}], texts("_id"))
    migration.baseline = {"companies": "baseline/companies"}
    migration.target.records["companies"]["77"] = {"name": "x.example"}
    migration.target.sources["77"] = "automation"

    result = migration.results("strays")["strays.Account"]

    assert result.verdict is Verdict.WARN
    assert result.figures["side records, not journalled"] == 1


def test_where_a_map_decided_nothing_its_check_is_no_pass(migration: Moved) -> None:
    plan = migration.root / "plan.yaml"
    plan.write_text(plan.read_text().replace(", wins: source}", "}"))
    for row in migration.journal:
        if row["object"] == "companies":
            row |= {"op": "adopt", "before": row["after"]}

    result = migration.results("picklists")["picklists.Account"]

    assert result.figures["decided by the maps"] == 0
    assert result.verdict is Verdict.WARN


def test_a_field_emptier_than_expected_is_named(migration: Moved) -> None:
    migration.target.records["contacts"]["203"]["email"] = None

    result = migration.results("completeness")["completeness.Contact"]

    assert result.verdict is Verdict.WARN
    assert "email" in result.summary


def test_nothing_compared_is_never_a_pass(migration: Moved) -> None:
    migration.journal, migration.target.records["deals"] = [], {}

    results = migration.results("rows", "sums", "completeness")

    assert results["rows.Opportunity"].verdict is Verdict.EMPTY
    assert results["sums.Opportunity"].verdict is Verdict.EMPTY
    assert results["completeness.Opportunity"].verdict is Verdict.EMPTY


def test_what_waits_for_its_cohort_is_amber_until_the_cohort_starts(migration: Moved) -> None:
    migration.journal = []
    migration.target.records |= {"deals": {}, "contacts": {}}
    cause = f"D1 isn't there: {OTHERS}"
    rows = [{"_key": f"sf.Opportunity.D{n}", "cause": cause} for n in (1, 2)]
    publish(migration.store, "blocked/Opportunity/current", rows, texts("_key", "cause"))

    results = migration.results("rows", "sums", "completeness", "links")

    of = {id: each for id, each in results.items() if each.object == "Opportunity"}
    assert {each.verdict for each in of.values()} == {Verdict.WARN}, of
    assert {each.figures["records of cohorts that haven't started"] for each in of.values()} == {2}
    assert results["rows.Contact"].verdict is Verdict.EMPTY  # none of it waits: comparing nothing is red


def test_a_check_that_breaks_is_an_error_and_hides_no_other(migration: Moved) -> None:
    def broken(evidence: object) -> list[Result]:
        raise KeyError("planted")

    evidence = migration.evidence()
    try:
        from migrate_validators.completeness import check

        results = run(
            evidence, {"mine": broken, "gone": ImportError("no such module"), "completeness": check}
        )
    finally:
        evidence.close()

    assert [each.verdict for each in results[:2]] == [Verdict.ERROR, Verdict.ERROR]
    assert len(results) == 5


def test_a_rule_of_the_plan_returns_the_rows_that_break_it(migration: Moved) -> None:
    plan = migration.root / "plan.yaml"
    plan.write_text(plan.read_text() + "validate: {checks: [checks/big.sql, checks/bad.sql]}\n")
    (migration.root / "checks").mkdir()
    (migration.root / "checks" / "big.sql").write_text(
        "SELECT _id, amount FROM target.deals AS d WHERE d.amount > 100"
    )
    (migration.root / "checks" / "bad.sql").write_text("SELECT * FROM read_csv('/etc/passwd')")

    results = migration.results("invariants")

    assert results["invariants.big"].verdict is Verdict.FAIL
    assert results["invariants.big"].row_count == 1
    assert results["invariants.bad"].verdict is Verdict.ERROR


@pytest.mark.parametrize(("counted", "verdict"), [(2, Verdict.PASS), (3, Verdict.FAIL)])
def test_an_object_that_is_only_kept_must_have_been_read_whole(
    migration: Moved, counted: int, verdict: Verdict
) -> None:
    path = migration.root / "plan.yaml"
    path.write_text(path.read_text() + "archive: [Log]\n")
    rows = [{"_id": "L1"}, {"_id": "L2"}]
    publish(migration.store, "source/Log/g0000", rows, texts("_id"), counted=counted)
    found = migration.results("counts")["counts.Log"]
    assert (found.verdict, found.compared) == (verdict, 2)
    assert found.title == "Kept, not moved: Log"


def test_checks_run_side_by_side_over_one_reading_of_the_target(migration: Moved) -> None:
    import threading

    both = threading.Barrier(2, timeout=20)
    reads = migration.target.reads

    def waits(evidence: Evidence) -> Iterator[Result]:
        both.wait()
        assert evidence.snapshots["companies"].rows
        yield Result("x", "x", "", "x", Verdict.PASS, "x", 1)

    evidence = migration.evidence()
    try:
        found = run(evidence, {"one": waits, "two": waits})
    finally:
        evidence.close()

    assert [each.verdict for each in found] == [Verdict.PASS, Verdict.PASS]
    assert reads["companies"] == 1


def test_a_signal_ends_every_check_at_its_next_page(migration: Moved) -> None:
    import threading

    begun, ended = threading.Event(), threading.Event()

    def endless(evidence: Evidence) -> Iterator[Result]:
        begun.set()
        try:
            for page in range(10**9):
                evidence.progress("read companies", page, 0)
        finally:
            ended.set()
        yield Result("x", "x", "", "x", Verdict.PASS, "x", 1)

    def interrupted(name: str, _done: int, _total: int) -> None:
        if name == "checks":
            raise KeyboardInterrupt

    evidence = migration.evidence()
    evidence.progress = interrupted

    def quick(_evidence: Evidence) -> Iterator[Result]:
        assert begun.wait(20)
        yield Result("y", "y", "", "y", Verdict.PASS, "y", 1)

    try:
        with pytest.raises(KeyboardInterrupt):
            run(evidence, {"quick": quick, "endless": endless})
    finally:
        evidence.close()
    assert ended.is_set()


def test_a_check_that_finds_too_little_memory_beside_others_runs_again_alone(migration: Moved) -> None:
    from migrate.errors import NoSpace

    tries = []

    def large(_evidence: Evidence) -> Iterator[Result]:
        tries.append(1)
        if len(tries) == 1:
            raise NoSpace("spill", "out of memory")
        yield Result("x", "x", "", "x", Verdict.PASS, "x", 1)

    evidence = migration.evidence()
    try:
        found = run(evidence, {"large": large})
    finally:
        evidence.close()

    assert [each.verdict for each in found] == [Verdict.PASS]
    assert len(tries) == 2
