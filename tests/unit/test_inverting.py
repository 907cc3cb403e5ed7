"""Which fields can bring a change back, and for which is a person asked?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrate.cutover.inverses import of_plan
from migrate.cutover.inverting import Inverse, analyse, asked, leading, unknown_rules
from migrate.engine import Engine
from migrate.plan import load_plan
from migrate.plan.reverse import ReversePlan, ReverseRule
from migrate.stages.check import check
from tests.unit.planning import HEAD, hubspot, salesforce, write

PLAN = (
    HEAD
    + """\
objects:
  - source: Account
    target: companies
    fields:
      name: Name
      domain: lower(trim(Website))
      phone: "'tel ' || Phone"
      description: concat(Name, ' of ', Phone)
      industry: {from: Industry, picklist: industry.csv}
      annualrevenue: AnnualRevenue
      rating: "CAST(Score__c AS DECIMAL(18, 2))"
      founded: "CAST(CreatedDate AS DATE)"
      is_public: "true"
      not_unique_key: Name
      hubspot_owner_id: {from: OwnerId, owner: owners.csv, inactive: ops@example.com}
    links:
      - {to: companies, via: ParentId, label: parent}
      - {to: contacts, through: AccountContactRole, left: AccountId, right: ContactId}
  - source: Contact
    target: contacts
    fields: {email: Email, lastname: LastName}
    links: [{to: companies, via: AccountId, label: primary}]
"""
)
INDUSTRY = """\
source,count,target,note
Technology,10,COMPUTER_SOFTWARE,
Agritech,5,FARMING,
N/A,1,FARMING,
"""
OWNERS = """\
source_id,source_email,source_name,active,target_email,note
005A,ann@example.com,Ann,true,ann@example.com,
005B,bob@example.com,Bob,false,,
"""


@pytest.fixture
def inverses(tmp_path: Path) -> dict[str, Inverse]:
    return {each.name: each for each in analysed(tmp_path)}


def analysed(folder: Path, rules: dict[str, ReverseRule] | None = None) -> tuple[Inverse, ...]:
    plan = load_plan(write(folder, PLAN, industry_csv=INDUSTRY, owners_csv=OWNERS))
    counts = {("Account", "Industry"): {"Technology": 10, "Agritech": 5, "N/A": 1}}
    found = check(plan, salesforce(), hubspot(), counts, connectors={"salesforce", "hubspot"})
    return analyse(found, rules or {}, counts)


def test_a_plain_field_and_a_reference_come_back_to_the_letter(inverses: dict[str, Inverse]) -> None:
    for name, old in {
        "companies.name": "Name",
        "contacts.email": "Email",
        "companies.annualrevenue": "AnnualRevenue",
        "companies.links.0": "ParentId",
        "contacts.links.0": "AccountId",
    }.items():
        each = inverses[name]
        assert (each.verdict, each.old, each.asks, each.flows) == ("exact", old, False, True), each.words


def test_what_loses_something_names_what_and_asks_for_a_rule(inverses: dict[str, Inverse]) -> None:
    for name, why in {
        "companies.domain": "capitals",
        "companies.description": "`Name` and `Phone` were made one",
        "companies.rating": "DECIMAL(18, 2)",
        "companies.founded": "made DATE",
        "companies.is_public": "no field of the old system",
        "companies.phone": "without `tel …`",
        "companies.links.1": "AccountContactRole",
    }.items():
        each = inverses[name]
        assert each.asks, each.words
        assert not each.flows
        assert why in each.why, each.words


def test_of_two_fields_that_are_made_of_one_only_the_first_leads(inverses: dict[str, Inverse]) -> None:
    assert inverses["companies.name"].flows
    second = inverses["companies.not_unique_key"]
    assert second.asks
    assert "takes its changes from `name`" in second.why


def test_where_one_stays_as_it_was_the_other_leads(tmp_path: Path) -> None:
    rules = {"companies.name": ReverseRule(keep="source")}
    found = {each.name: each for each in analysed(tmp_path, rules)}

    assert (found["companies.not_unique_key"].flows, found["companies.not_unique_key"].old) == (True, "Name")
    assert not found["companies.name"].flows


def test_an_expression_of_the_plan_leads_before_a_field_that_comes_back_to_the_letter(tmp_path: Path) -> None:
    rules = {"companies.not_unique_key": ReverseRule(sql="upper(not_unique_key)")}
    found = {each.name: each for each in analysed(tmp_path, rules)}

    assert found["companies.not_unique_key"].flows
    assert "takes its changes from `not_unique_key`" in found["companies.name"].why


def test_of_two_maps_of_one_field_the_one_that_tells_more_values_apart_leads() -> None:
    stage = Inverse(
        "Sale", "deals", "stage", "Stage", "lossy", "picklist", False, False, home={"a": "A", "b": "B"}
    )
    pipeline = replace(stage, field="pipeline", home={})

    led, leader = leading([pipeline, stage])

    assert (leader.flows, leader.asks, leader.old) == (False, True, "Stage")
    assert (led.verdict, "takes its changes from `stage`" in led.why) == ("none", True)


def test_where_nothing_comes_back_there_is_no_loss_to_accept(tmp_path: Path) -> None:
    rules = {name: ReverseRule(lossy="accepted") for name in ("companies.is_public", "companies.domain")}
    found = {each.name: each for each in analysed(tmp_path, rules)}

    assert found["companies.domain"].flows
    assert found["companies.is_public"].asks
    assert "`lossy: accepted` says nothing" in found["companies.is_public"].words


def test_a_many_to_one_picklist_lists_the_values_with_their_records(inverses: dict[str, Inverse]) -> None:
    found = inverses["companies.industry"]
    assert (found.verdict, found.injective, found.total) == ("lossy", False, False)
    lost = {each.value: (each.old, each.records) for each in found.losses}
    assert lost["FARMING"] == (("Agritech", "N/A"), 6)
    assert lost["X1"] == ((), None)
    assert found.home == {"COMPUTER_SOFTWARE": "Technology"}
    assert "`FARMING` ← Agritech, N/A" in found.words


def test_an_owner_comes_back_by_address_and_who_is_nobody_is_named(inverses: dict[str, Inverse]) -> None:
    found = inverses["companies.hubspot_owner_id"]
    assert found.people == {"1": "005A"}
    assert [each.value for each in found.losses] == ["ops@example.com"]
    assert found.asks


def test_a_constant_before_a_field_is_taken_away_again_and_nothing_else(tmp_path: Path) -> None:
    found = {each.name: each for each in analysed(tmp_path)}["companies.phone"]
    engine = Engine(threads=1)
    try:
        values = "(VALUES ('tel 12'), ('tel '), ('12'), (NULL), ('te')) AS t(value)"
        rows = engine.rows(f"SELECT {found.sql} AS old FROM {values}")
    finally:
        engine.close()
    assert [row["old"] for row in rows] == ["12", "", None, None, None]


def test_a_rule_answers_the_question_and_a_rule_about_nothing_is_named(tmp_path: Path) -> None:
    rules = {
        "companies.domain": ReverseRule(lossy="accepted"),
        "companies.description": ReverseRule(sql={"Name": "split_part(description, ' of ', 1)"}),
        "companies.is_public": ReverseRule(keep="source"),
        "companies.fax": ReverseRule(keep="source"),
    }
    inverses = analysed(tmp_path, rules)
    found = {each.name: each for each in inverses}
    assert not {"companies.domain", "companies.description", "companies.is_public"} & {
        each.name for each in asked(inverses)
    }
    assert found["companies.domain"].flows
    assert found["companies.description"].flows
    assert not found["companies.is_public"].flows
    assert unknown_rules(inverses, rules) == ["companies.fax"]


@pytest.mark.parametrize("words", [{}, {"keep": "source", "lossy": "accepted"}, {"keep": "target"}])
def test_a_rule_says_exactly_one_thing(words: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"keep|rule"):
        ReverseRule.model_validate(words)


def test_live_objects_without_the_mode_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="mode: live"):
        ReversePlan.model_validate({"live": ["companies"]})


def test_an_entry_of_which_nothing_goes_back_is_named_to_who_signs(tmp_path: Path) -> None:
    old = salesforce()
    locked = {
        name: each.model_copy(update={"updateable": False}) if name == "Contact" else each
        for name, each in old.objects.items()
    }
    plan = load_plan(write(tmp_path, PLAN, industry_csv=INDUSTRY, owners_csv=OWNERS))
    found = check(
        plan, old.model_copy(update={"objects": locked}), hubspot(), connectors={"salesforce", "hubspot"}
    )
    told = of_plan(found, None).told
    assert "Contact: what is added or changed of it in the new system stays there" in told
    assert not any(each.startswith("Account:") for each in told)


def test_an_object_that_the_old_system_can_not_make_anew_is_named_to_who_signs(tmp_path: Path) -> None:
    old = salesforce()
    contact = old.objects["Contact"]
    needed = contact.fields["LastName"].model_copy(update={"required": True})
    schema = contact.model_copy(update={"fields": {**contact.fields, "LastName": needed}})
    catalog = old.model_copy(update={"objects": {**old.objects, "Contact": schema}})

    def told(rules: str) -> list[str]:
        text = PLAN + f"cutover: {{reverse: {{rules: {{{rules}}}}}}}\n"
        plan = load_plan(write(tmp_path, text, industry_csv=INDUSTRY, owners_csv=OWNERS))
        found = check(plan, catalog, hubspot(), connectors={"salesforce", "hubspot"})
        return [each for each in of_plan(found, None).told if each.startswith("contacts: who is entered")]

    assert told("") == []
    (line,) = told("contacts.lastname: {keep: source}")
    assert "refuses a record without `LastName`" in line
