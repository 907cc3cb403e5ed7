"""Do the demo's seeds have the shape that they claim, the same on every machine?"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from migrate.demo.generated import NO_HOME, TYPO, generated
from migrate.demo.maven import MissingData, maven
from migrate.demo.nasty import BIG_FILE, SHARED_BY, TEXTS, nasty
from migrate.demo.run import PLANS, Failed, prepare_folder
from migrate.demo.shape import FULL, OPERATIONS, SIDE_DOMAINS, TINY, Row, Seed, Sizes, slug
from migrate.plan import load_plan
from migrate.sandbox.salesforce.ids import normal_id
from migrate.sandbox.server import launch

MAVEN = Path(os.environ.get("SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "maven-crm"
needs_maven = pytest.mark.skipif(
    not (MAVEN / "accounts.csv").exists(),
    reason="needs the Maven Analytics files: set SHARED_DATA to the folder that holds maven-crm",
)


@pytest.fixture(scope="module")
def full() -> Seed:
    return generated()


@pytest.fixture(scope="module")
def real() -> Seed:
    return maven(MAVEN)


def records(seed: Seed, object: str) -> list[Row]:
    found: list[Row] = seed.salesforce["records"][object]
    return found


def emails(seed: Seed) -> Counter[str]:
    return Counter(row["Email"].strip().lower() for row in records(seed, "Contact") if "Email" in row)


def test_the_same_call_gives_the_same_documents() -> None:
    once, again, other = generated(TINY), generated(TINY), generated(TINY, seed=1)
    assert json.dumps([once.salesforce, once.hubspot]) == json.dumps([again.salesforce, again.hubspot])
    assert once.salesforce != other.salesforce


def test_the_generated_org_has_a_real_sellers_shape(full: Seed) -> None:
    accounts, deals, users = (records(full, name) for name in ("Account", "Opportunity", "User"))
    assert (len(accounts), len(deals), len(users)) == (85, 8800, 35)
    assert sum("ParentId" in row for row in accounts) == 15
    assert sum("AccountId" not in row for row in deals) == round(8800 / 6)
    assert sum(not row["IsActive"] for row in users) == FULL.inactive
    assert {type(row["Amount"]) for row in deals if "Amount" in row} == {str}
    assert any(Decimal(row["Amount"]) % 1 for row in deals if "Amount" in row)
    assert any(row["Sector__c"] == TYPO for row in accounts)
    assert any(row["Product__c"] == "GTXPro" for row in deals)
    assert not any(row["Product__c"] == "GTX Pro" for row in deals)


def test_some_users_own_nothing_and_some_who_left_own_a_lot(full: Seed) -> None:
    owned = Counter(row["OwnerId"] for row in records(full, "Opportunity"))
    users = {row["Id"]: row["IsActive"] for row in records(full, "User")}
    assert set(owned) < set(users)
    assert sum(owned[id] for id, active in users.items() if not active) > 100


@pytest.mark.parametrize("sizes", [FULL, TINY])
def test_exactly_one_value_has_no_home_and_nothing_hangs_on_its_record(sizes: Sizes) -> None:
    seed = generated(sizes)
    [planted] = [row for row in records(seed, "Opportunity") if row["StageName"] == NO_HOME]
    assert "AccountId" not in planted
    assert planted["Id"] not in {row["OpportunityId"] for row in records(seed, "OpportunityContactRole")}
    assert seed.expected.rejected == {"Opportunity": 1}


@pytest.mark.parametrize("sizes", [FULL, TINY])
def test_exactly_one_account_that_is_created_lacks_what_enrichment_fills(sizes: Sizes) -> None:
    seed = generated(sizes)
    accounts = records(seed, "Account")
    mapped = ("Sector__c", "AnnualRevenue", "NumberOfEmployees", "BillingCity", "BillingCountry")
    [(planted, field)] = [(row, name) for row in accounts for name in mapped if not row.get(name)]
    assert field == "NumberOfEmployees"
    assert domain(planted["Website"]) not in known_domains(seed)


def domain(website: str) -> str:
    return website.lower().removeprefix("https://").removeprefix("http://").removeprefix("www.").split("/")[0]


def known_domains(seed: Seed) -> set[str]:
    there = [row["properties"]["domain"] for row in seed.hubspot["records"]["companies"]]
    assert len(set(there)) == len(there)
    return set(there) & {domain(row["Website"]) for row in records(seed, "Account")}


def test_contacts_are_two_to_six_an_account_and_three_in_a_hundred_share_an_email(full: Seed) -> None:
    contacts = records(full, "Contact")
    each = Counter(row["AccountId"] for row in contacts)
    assert set(each) == {row["Id"] for row in records(full, "Account")}
    assert set(each.values()) == {2, 3, 4, 5, 6}
    shared = {email for email, count in emails(full).items() if count > 1}
    sharing = [row for row in contacts if row.get("Email", "").strip().lower() in shared]
    assert 0.025 <= len(sharing) / len(contacts) <= 0.035
    assert len({row["Email"] for row in sharing}) == len(sharing)  # no two are spelt alike
    assert any(row["Email"] != row["Email"].strip() for row in sharing)
    assert full.expected.merged == len(sharing) - len(shared)


def test_some_contacts_write_from_a_domain_that_no_account_and_no_company_has(full: Seed) -> None:
    used = {
        row["Email"].strip().lower().partition("@")[2] for row in records(full, "Contact") if "Email" in row
    }
    assert set(SIDE_DOMAINS) <= used
    firms = {domain(row["Website"]) for row in records(full, "Account")}
    firms |= {row["properties"]["domain"] for row in full.hubspot["records"]["companies"]}
    assert not firms & set(SIDE_DOMAINS)


def test_roles_name_people_of_the_opportunitys_own_account_each_pair_once(full: Seed) -> None:
    account = {row["Id"]: row.get("AccountId") for row in records(full, "Opportunity")}
    firm = {row["Id"]: row.get("AccountId") for row in records(full, "Contact")}
    roles = records(full, "OpportunityContactRole")
    assert all(account[row["OpportunityId"]] == firm[row["ContactId"]] for row in roles)
    assert 1500 < len({row["OpportunityId"] for row in roles}) < 2200
    assert len({(row["OpportunityId"], row["ContactId"]) for row in roles}) == len(roles)


@pytest.mark.parametrize("cycle", [False, True])
def test_parents_make_a_chain_and_a_ring_only_when_asked(cycle: bool) -> None:
    parent = {row["Id"]: row.get("ParentId") for row in records(generated(TINY, cycle=cycle), "Account")}
    longest, rings = 0, 0
    for start in parent:
        seen: list[str] = []
        here: str | None = start
        while here is not None and here not in seen:
            seen.append(here)
            here = parent[here]
        longest, rings = max(longest, len(seen)), rings + (here == start)
    assert longest >= 3
    assert rings == (3 if cycle else 0)


def test_ids_are_whole_and_used_once(full: Seed) -> None:
    ids = [row["Id"] for rows in full.salesforce["records"].values() for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(normal_id(id) == id for id in ids[:200])


@pytest.mark.parametrize("sizes", [FULL, TINY])
def test_the_new_crm_is_occupied_and_knows_some_of_the_firms_otherwise(sizes: Sizes) -> None:
    seed = generated(sizes)
    new = seed.hubspot["records"]
    assert (len(new["companies"]), len(new["contacts"])) == (sizes.companies, sizes.contacts)
    known = known_domains(seed)
    assert len(known) == sizes.known == seed.expected.adopted
    accounts = {domain(row["Website"]): row for row in records(seed, "Account")}
    there = {row["properties"]["domain"]: row["properties"] for row in new["companies"]}
    assert all(int(there[d]["numberofemployees"]) != accounts[d]["NumberOfEmployees"] for d in known)
    assert any(there[d]["name"] != accounts[d]["Name"] for d in known)
    taken = {row["properties"]["email"].lower() for row in new["contacts"]}
    assert len(taken) == sizes.contacts
    assert not taken & set(emails(seed))
    assert seed.hubspot["automations"] == {"associate_by_domain": True, "enrichment": True}


def test_every_user_who_is_there_owns_in_the_new_crm_too(full: Seed) -> None:
    active = {row["email"] for row in full.hubspot["owners"] if not row.get("archived")}
    assert active == {OPERATIONS} | {row["Email"] for row in records(full, "User") if row["IsActive"]}


def table(file: str) -> list[dict[str, str]]:
    with (MAVEN / file).open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


@needs_maven
def test_the_real_files_values_stand_unchanged(real: Seed) -> None:
    given = table("sales_pipeline.csv")
    named = {row["Id"]: row["Name"] for row in records(real, "Account")}
    agent = {row["Id"]: f"{row['FirstName']} {row['LastName']}" for row in records(real, "User")}
    stored = [
        {
            "opportunity_id": row["Opportunity_Id__c"],
            "sales_agent": agent[row["OwnerId"]],
            "product": row["Product__c"],
            "account": named.get(row.get("AccountId", ""), ""),
            "deal_stage": row["StageName"],
            "engage_date": row["Engage_Date__c"] or "",
            "close_date": row["Close_Date__c"] or "",
            "close_value": row["Amount"] or "",
        }
        for row in records(real, "Opportunity")
    ]
    assert stored == given


@needs_maven
def test_the_real_accounts_stand_unchanged_with_their_parents(real: Seed) -> None:
    named = {row["Id"]: row["Name"] for row in records(real, "Account")}
    stored = [
        {
            "account": row["Name"],
            "sector": row["Sector__c"],
            "year_established": row["Year_Established__c"],
            "revenue": row["Revenue_Millions__c"],
            "employees": row["NumberOfEmployees"],
            "office_location": row["BillingCountry"],
            "subsidiary_of": named.get(row.get("ParentId", ""), ""),
        }
        for row in records(real, "Account")
    ]
    assert stored == table("accounts.csv")
    assert sum("ParentId" in row for row in records(real, "Account")) == 15


@needs_maven
def test_what_the_real_files_lack_is_made_by_fixed_rules_and_counted(real: Seed) -> None:
    deals, accounts = records(real, "Opportunity"), records(real, "Account")
    assert (len(deals), len(accounts)) == (8800, 85)
    assert sum("AccountId" not in row for row in deals) == 1425
    assert sum(row["Close_Date__c"] is None and row["Amount"] is None for row in deals) == 2089
    assert real.made["close dates, 90 days after the engage date"] == 1589
    assert real.made["close dates, 2017-12-31"] == 500
    assert real.made["opportunity names"] == 8800
    assert all(row["Website"] == f"https://{slug(row['Name'])}.example.com" for row in accounts)
    assert all(row["Email"].endswith("@example.com") for row in records(real, "User"))
    assert len({row["Website"] for row in accounts}) == 85
    assert len(known_domains(real)) == real.expected.adopted == 12
    assert sum("Description" not in row for row in accounts) == 1


def test_files_that_are_missing_are_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"accounts\.csv can't be read .*\n.*\n.*SHARED_DATA"):
        maven(tmp_path)


def homes(plan: str, file: str) -> dict[str, str]:
    with (PLANS / plan / "picklists" / file).open(encoding="utf-8", newline="") as rows:
        return {row["source"]: row["target"] for row in csv.DictReader(rows)}


MAPS = (
    ("Account", "Sector__c", "sector.csv"),
    ("Contact", "LeadSource", "lead_source.csv"),
    ("Opportunity", "StageName", "stage.csv"),
    ("Opportunity", "Product__c", "product.csv"),
    ("OpportunityContactRole", "Role", "role.csv"),
)


def without_home(seed: Seed, plan: str) -> list[tuple[str, Any, int]]:
    found = []
    for object, field, file in MAPS:
        home = homes(plan, file)
        values = Counter(row[field] for row in records(seed, object) if row.get(field))
        found += [(object, value, count) for value, count in values.items() if not home.get(value)]
    return found


def test_the_plan_maps_every_generated_value_but_the_planted_one(full: Seed) -> None:
    assert without_home(full, "salesforce-to-hubspot") == [("Opportunity", NO_HOME, 1)]


@needs_maven
def test_the_plan_maps_every_real_value_and_not_the_planted_one(real: Seed) -> None:
    assert without_home(real, "maven-to-hubspot") == [("Contact", "Trade Show 2016", 1)]


@pytest.mark.parametrize("plan", ["salesforce-to-hubspot", "maven-to-hubspot"])
def test_the_example_plans_can_be_read(plan: str) -> None:
    found = load_plan(PLANS / plan / "plan.yaml")
    assert [each.source for each in found.model.objects] == ["Account", "Contact", "Opportunity"]
    for _, file in found.files():
        assert (PLANS / plan / file).is_file()


def test_the_owner_map_lists_every_user_and_who_has_left(full: Seed) -> None:
    owners = load_plan(PLANS / "salesforce-to-hubspot" / "plan.yaml").owners("owners.csv")
    users = records(full, "User")
    assert {row.source_id: row.active for row in owners.rows} == {row["Id"]: row["IsActive"] for row in users}


def test_the_demo_removes_only_folders_that_it_made(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    prepare_folder(root, "salesforce-to-hubspot")
    (root / "left-over").touch()
    prepare_folder(root, "maven-to-hubspot")
    assert not (root / "left-over").exists()
    assert (root / "plan.yaml").read_bytes() == (PLANS / "maven-to-hubspot" / "plan.yaml").read_bytes()

    (tmp_path / "mine").mkdir()
    with pytest.raises(Failed, match="isn't a folder of the demo"):
        prepare_folder(tmp_path / "mine", "maven-to-hubspot")


def test_the_nasty_seed_stands_in_an_org_with_every_trap_in_it(tmp_path: Path) -> None:
    document = nasty()
    with launch("salesforce", tmp_path) as org:
        counted = org.control.post("/seed", document)
        accounts = org.control.ndjson("/truth/Account")
        files = org.control.ndjson("/truth/files")
        links = Counter(row["ContentDocumentId"] for row in org.control.ndjson("/truth/ContentDocumentLink"))
        emails = org.control.ndjson("/truth/EmailMessage")
    assert {name: counted[name] for name in document["records"]} == {
        name: len(rows) for name, rows in document["records"].items()
    }
    held = {row["Description"] for row in accounts}
    assert held >= {text * 3 for text in TEXTS.values()}
    assert {str(row["Big_Number__c"]) for row in accounts} >= {"9007199254740993", "999999999999999999"}
    assert max(row["size"] for row in files) == BIG_FILE
    assert min(row["size"] for row in files) == 0
    assert max(links.values()) == SHARED_BY
    assert max(len(row["HtmlBody"]) for row in emails) > 120_000
    parents = {row["Id"]: row["ParentId"] for row in accounts}
    assert any(id == parent for id, parent in parents.items()), "one is its own parent"


def test_a_profile_or_a_file_is_seeded_but_not_both(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "migrate", "--json", "sandbox", "seed", "http://127.0.0.1:9"]
    done = subprocess.run(call, capture_output=True, check=False)
    assert done.returncode == 2
    assert "--profile" in json.loads(done.stdout)["message"]
