"""Are the accounts that matter looked at whole, and is whatever differs under them named?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from migrate_validators import trees
from migrate_validators.model import Result, Verdict

from migrate.catalog import Field
from migrate.connector import Link, Version, Who
from migrate.types import Kind
from tests.unit import moved as rig
from tests.unit.moved import STAMP, Moved, moved, publish, told, typed_schema

DEALS = [
    {"_id": "D1", "Name": "One", "Amount": Decimal("100.10"), "CloseDate": date(2026, 1, 5),
     "StageName": "Closed Won", "AccountId": "A1"},
    {"_id": "D2", "Name": "Two", "Amount": Decimal("0.20"), "CloseDate": date(2026, 2, 5),
     "StageName": "Gone", "AccountId": "A2"},
    {"_id": "D3", "Name": "Three", "Amount": Decimal("61.30"), "CloseDate": None, "StageName": "Verbal OK",
     "AccountId": "A2"},
]  # fmt: skip


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moved]:
    """The small migration, its deals hanging under accounts: One under Acme, Two and Three under Bolt."""
    schema = rig.SOURCE.objects["Opportunity"]
    above = Field(name="AccountId", label="Account", kind=Kind.REFERENCE, vendor_type="reference")
    more = schema.model_copy(update={"fields": schema.fields | {"AccountId": above}})
    objects = rig.SOURCE.objects | {"Opportunity": more}
    monkeypatch.setattr(rig, "SOURCE", rig.SOURCE.model_copy(update={"objects": objects}))
    made = moved(tmp_path)
    made.catalog = rig.SOURCE
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        f"{plan.read_text()}    links:\n      - {{to: companies, via: AccountId, label: primary}}\n"
    )
    names = [name for name in DEALS[0] if name != "_id"]
    fields = pa.schema([("_id", pa.string()), *typed_schema(rig.SOURCE, "Opportunity", names)])
    publish(made.store, "source/Opportunity/g0000", DEALS, fields, counted=3)
    pairs = [("D1", "A1", "301", "101"), ("D2", "A2", "302", "102")]
    staged = [(f"sf.Opportunity.{deal}", f"sf.Account.{firm}", "primary") for deal, firm, *_ in pairs]
    rig._links(made.store, "Opportunity.0", staged, "deals")
    for deal, firm, left, right in pairs:
        made.target.joined.add(Link("deals", left, "companies", right, "primary"))
        made.journal.append(
            {"batch": "l", "object": "deals>companies", "kind": "link", "label": "primary", "op": "link",
             "key": f"sf.Opportunity.{deal}>sf.Account.{firm}>primary", "left": left, "right": right,
             "outcome": "done", "was_there": False, "reason": ""}
        )  # fmt: skip
    yield made
    made.engine.close()


def rule(migration: Moved, words: str, **files: str) -> None:
    """The plan's `high_value`."""
    plan = migration.root / "plan.yaml"
    plan.write_text(f"{plan.read_text()}validate:\n  high_value: {words}\n")
    for name, content in files.items():
        (migration.root / name.replace("__", ".")).write_text(content)


def spot(migration: Moved) -> Result:
    return next(iter(migration.results("spot").values()))


def rows(migration: Moved, result: Result) -> list[dict[str, Any]]:
    if result.rows is None:
        return []
    found: list[dict[str, Any]] = pq.read_table(migration.root / "report" / result.rows).to_pylist()
    return found


def looked_at(result: Result) -> dict[str, tuple[Any, ...]]:
    return {str(row[0]): row[1:] for row in result.tables[0].rows}


def test_an_account_is_looked_at_with_its_people_and_sales_and_what_was_not_moved(migration: Moved) -> None:
    result = spot(migration)

    assert result.verdict is Verdict.PASS, told(result)
    # value, why, records, equal, different, not moved, not looked at
    assert looked_at(result) == {
        "Acme": ("100.10", "value", 4, 3, 0, 0, 0),  # C2 was merged into C1
        "Bolt": ("61.50", "value", 4, 3, 0, 1, 0),
        "Curie & Co": ("0.00", "at random", 1, 1, 0, 0, 0),
    }
    assert "3 accounts checked whole, 2 equal; 1 not whole" in result.summary
    assert "worth 61.50 EUR" in result.summary
    assert [(row["key"], row["class"], row["grade"]) for row in rows(migration, result)] == [
        ("sf.Opportunity.D3", "not moved", "known")
    ]
    assert result.population is None


@pytest.mark.parametrize(
    ("object", "id", "field", "value", "kind"),
    [
        ("contacts", "203", "email", "bo@y.example", "changed"),
        ("deals", "302", "amount", "0.21", "amount changed"),
        ("deals", "302", "dealname", None, "emptied"),
        ("companies", "102", "industry", "TECH", "option swapped"),
    ],
)
def test_a_fault_anywhere_in_the_tree_is_red_and_classed(
    migration: Moved, object: str, id: str, field: str, value: str | None, kind: str
) -> None:
    migration.target.records[object][id][field] = value

    result = spot(migration)

    assert result.verdict is Verdict.FAIL, told(result)
    bad = [row for row in rows(migration, result) if row["grade"] == "fail"]
    assert [(row["id"], row["field"], row["class"], row["account"]) for row in bad] == [
        (id, field, kind, "Bolt")
    ]
    assert "“Bolt”" in result.decisions[0].what
    assert result.decisions[0].command == "migrate diff spot.Account"


def at_home(migration: Moved, monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """These records' cohort is switched."""
    gathered = migration.evidence

    def evidence() -> Any:
        found = gathered()
        found.at_home = f"SELECT unnest({list(keys)!r}) AS key"
        return found

    monkeypatch.setattr(migration, "evidence", evidence)


def test_a_record_that_is_at_home_in_the_target_stands_there_uncompared(
    migration: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration.target.records["deals"]["302"]["dealname"] = "as its people call it"
    assert spot(migration).verdict is Verdict.FAIL
    at_home(migration, monkeypatch, "sf.Opportunity.D2")

    result = spot(migration)

    assert result.verdict is Verdict.PASS, told(result)
    assert result.figures["at home in the target, not compared"] == 1
    assert [row["key"] for row in rows(migration, result)] == ["sf.Opportunity.D3"]
    assert looked_at(result)["Bolt"] == ("61.50", "value", 4, 2, 0, 1, 0)
    migration.target.records["contacts"]["203"]["email"] = "bo@y.example"
    assert spot(migration).verdict is Verdict.FAIL, "what is at home in the source is compared as before"


def test_an_account_that_is_at_home_in_the_target_is_not_chosen(
    migration: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    for firm in migration.target.records["companies"].values():
        firm["industry"] = "TECH"
    at_home(migration, monkeypatch, "sf.Account.A1", "sf.Account.A2")
    assert list(looked_at(spot(migration))) == ["Curie & Co"]

    at_home(migration, monkeypatch, *(f"sf.Account.A{n}" for n in range(1, 10)))
    result = spot(migration)
    assert result.verdict is Verdict.WARN
    assert "at home in the target" in result.summary


def test_a_record_that_is_gone_and_a_link_that_is_lost_are_told(migration: Moved) -> None:
    del migration.target.records["contacts"]["203"]
    migration.target.joined.discard(Link("deals", "302", "companies", "102", "primary"))

    result = spot(migration)

    assert {(row["key"], row["class"]) for row in rows(migration, result) if row["grade"] == "fail"} == {
        ("sf.Contact.C3", "missing"), ("sf.Opportunity.D2", "link lost"),
    }  # fmt: skip


def test_what_an_automation_wrote_is_amber(migration: Moved) -> None:
    migration.target.records["companies"]["101"]["phone"] = "0800"
    migration.target.writers["101", "phone"] = Version("phone", "0800", STAMP, Who.AUTOMATION, "Enrichment")

    assert spot(migration).verdict is Verdict.WARN


def test_what_settles_while_it_is_looked_at_is_no_difference(migration: Moved) -> None:
    migration.target.records["deals"]["302"]["amount"] = "7"
    migration.target.late["302", "amount"] = "0.20"

    assert spot(migration).verdict is Verdict.PASS


def test_the_plan_chooses_by_value_list_and_seed(migration: Moved) -> None:
    rule(
        migration,
        "{entry: Account, top: 1, sample: 0, list: high.csv}",
        high__csv="id,why\nA3,board\nA9,typo\n",
    )

    result = spot(migration)

    assert {name: row[1] for name, row in looked_at(result).items()} == {
        "Acme": "value", "Curie & Co": "on the list",
    }  # fmt: skip
    assert result.verdict is Verdict.WARN
    assert "A9" in result.decisions[0].what
    assert (result.compared, result.population, result.because) == (2, 3, "1 by value, 1 of the plan's list")
    assert result.drawn is None


def test_an_expression_says_what_an_account_is_worth_and_who_may_be_chosen(migration: Moved) -> None:
    rule(migration, "{entry: Account, top: 1, sample: 0, by: length(Name), where: Name <> 'Curie'}")

    assert looked_at(spot(migration)) == {"Acme": ("4.00", "value", 4, 3, 0, 0, 0)}


def test_a_stratum_that_the_draw_missed_is_added_but_proves_nothing(migration: Moved) -> None:
    for seed in range(1, 30):
        rule(migration, f"{{entry: Account, top: 0, sample: 1, strata: [Industry], seed: {seed}}}")
        result = spot(migration)
        chosen = {row[1] for row in looked_at(result).values()}
        assert chosen == {"at random", "for its group"}
        assert result.drawn is not None
        assert (result.drawn.population, result.drawn.looked, result.compared) == (3, 1, 2)
        plan = migration.root / "plan.yaml"
        plan.write_text(plan.read_text().partition("validate:")[0])
        if seed >= 3:
            return


def test_the_same_seed_draws_the_same_accounts(migration: Moved) -> None:
    rule(migration, "{entry: Account, top: 0, sample: 2, seed: 7}")

    assert looked_at(spot(migration)) == looked_at(spot(migration))


def test_the_annex_bounds_what_the_draw_did_not_see_in_money(migration: Moved) -> None:
    rule(migration, "{entry: Account, top: 0, sample: 1, seed: 1}")

    document = migration.report("spot").document()

    (annex,) = document["annex"]
    assert (annex["population"], annex["looked"], annex["differing"], annex["most"]) == (3, 1, 0, 2)
    unseen = sum(
        Decimal(value)
        for name, value in {"Acme": "100.10", "Bolt": "61.50", "Curie & Co": "0"}.items()
        if name not in looked_at(spot(migration))
    )
    assert Decimal(annex["money"]["most"]) == unseen


def test_the_screen_has_both_sides_of_every_record_and_the_rest_lies_beside_it(migration: Moved) -> None:
    migration.target.records["deals"]["302"]["amount"] = "9.20"

    report = migration.report()

    screen = {each["id"]: each for each in report.document()["screen"]}["accounts"]
    bolt = next(one for one in screen["facts"]["accounts"] if one["name"] == "Bolt")
    assert (screen["verdict"], bolt["state"], bolt["differ"], bolt["not_moved"]) == ("fail", "differs", 1, 1)
    amount = next(
        field for node in bolt["nodes"] if node["key"].endswith("D2") for field in node["fields"]
        if field["field"] == "amount"
    )  # fmt: skip
    assert (amount["expected"], amount["found"], amount["differs"]) == ("0.20", "9.20", True)
    missing = next(node for node in bolt["nodes"] if node["key"].endswith("D3"))
    assert (missing["name"], missing["state"], missing["reason"]) == (
        "Three",
        "rejected",
        "a value has no home in the map: dealstage = Verbal OK",
    )
    beside = pq.read_table(report.storage.local(screen["facts"]["records"])).to_pylist()
    assert len(beside) == 9
    assert json.loads(next(row["found"] for row in beside if row["key"].endswith("D2")))["amount"] == "9.20"


def test_a_tree_of_very_many_records_is_cut_and_says_so(
    migration: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MOST", 2)

    result = spot(migration)

    assert looked_at(result)["Acme"][2:] == (2, 2, 0, 0, 2)
    assert "1 equal" in result.summary


def test_who_a_person_is_does_not_stand_in_a_masked_report(migration: Moved) -> None:
    migration.target.records["contacts"]["203"]["email"] = "bo@other.example"

    report = migration.report()

    content = Path(report.path).with_name("report.json").read_text()
    assert "bo@other.example" not in content
    assert "bo@x.example" not in content
    bolt = next(
        one
        for each in report.document()["screen"]
        if each["id"] == "accounts"
        for one in each["facts"]["accounts"]
        if one["name"] == "Bolt"
    )
    mail = next(field for node in bolt["nodes"] for field in node["fields"] if field["field"] == "email")
    assert mail["differs"]
    assert mail["expected"].startswith("b…@…")
