"""People in several accounts, and people who are accounts, go to HubSpot as people with companies.

An org shows both through its API only where they are switched on, so the test adds their objects and fields
to the sandbox's, as such an org describes them (Salesforce, Object Reference, `AccountContactRelation` and
"Person Accounts", read 2026-11-26).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import mint
from tests.sandbox.files_rig import Files, credentials, in_process, two_sandboxes

FIRM, OTHER, PERSON = (mint("001", n) for n in (800, 801, 802))
ANN, BOB, PIA = (mint("003", n) for n in (800, 801, 802))
PLAN = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: Account
    target: companies
    where: NOT coalesce(IsPersonAccount, false)
    fields: {name: Name}
  - source: Contact
    target: contacts
    fields: {email: Email, lastname: LastName, birthday: "coalesce(Birthdate, born)"}
    create: {birthday: {kind: date}}
    related:
      born: {of: Account, by: PersonContactId, take: max(PersonBirthdate)}
    links:
      - {to: companies, via: AccountId, label: primary, where: "NOT coalesce(IsPersonAccount, false)"}
      - to: companies
        through: AccountContactRelation
        left: ContactId
        right: AccountId
        where: NOT IsDirect
        label: {from: Roles, picklist: roles.csv}
  - source: Opportunity
    target: deals
    related:
      customer: {of: Account, by: Id, equals: AccountId, where: IsPersonAccount, take: max(PersonContactId)}
    fields: {dealname: Name, dealstage: "'appointmentscheduled'", pipeline: "'default'"}
    links:
      - {to: companies, via: AccountId, where: customer IS NULL}
      - {to: contacts, via: customer, where: customer IS NOT NULL}
"""
ROLES = "source,count,target,note\nAdvisor,,Advisor,\n"


def relation(contact: str, account: str, direct: bool, role: str | None = None) -> dict[str, Any]:
    return {"ContactId": contact, "AccountId": account, "IsDirect": direct, "Roles": role}


def document() -> dict[str, Any]:
    yes = {"type": "boolean"}
    return {
        "metadata": {
            "Account": {"fields": [
                {"name": "IsPersonAccount", **yes}, {"name": "PersonBirthdate", "type": "date"},
                {"name": "PersonContactId", "type": "reference", "referenceTo": ["Contact"]},
            ]},
            "Contact": {"fields": [{"name": "IsPersonAccount", **yes}]},
            "AccountContactRelation": {"keyPrefix": "07k", "fields": [
                {"name": "AccountId", "type": "reference", "referenceTo": ["Account"]},
                {"name": "ContactId", "type": "reference", "referenceTo": ["Contact"]},
                {"name": "IsDirect", **yes},
                {"name": "Roles", "type": "picklist", "picklistValues": [{"value": "Advisor"}]},
            ]},
        },
        "records": {
            "Account": [
                {"Id": FIRM, "Name": "Firm", "IsPersonAccount": False},
                {"Id": OTHER, "Name": "Other", "IsPersonAccount": False},
                {"Id": PERSON, "Name": "Pia Person", "IsPersonAccount": True, "PersonContactId": PIA,
                 "PersonBirthdate": "1961-02-03"},
            ],
            "Contact": [
                {"Id": ANN, "LastName": "Ann", "Email": "ann@a.test", "AccountId": FIRM},
                {"Id": BOB, "LastName": "Bob", "Email": "bob@a.test", "AccountId": OTHER},
                {"Id": PIA, "LastName": "Person", "Email": "pia@a.test", "AccountId": PERSON,
                 "IsPersonAccount": True},
            ],
            "AccountContactRelation": [
                relation(ANN, FIRM, True), relation(BOB, OTHER, True), relation(PIA, PERSON, True),
                relation(ANN, OTHER, False, "Advisor"), relation(PIA, FIRM, False, "Advisor"),
            ],
            "Opportunity": [
                {"Name": name, "StageName": "Prospecting", "CloseDate": "2020-01-01", "AccountId": account}
                for name, account in (("for the firm", FIRM), ("for Pia", PERSON))
            ],
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    base = tmp_path_factory.mktemp("people")
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(two_sandboxes(base, {}))
        salesforce.control.post("/seed", document())
        stack.enter_context(in_process(credentials(salesforce, hubspot)))
        made = Files(base / "work", salesforce, hubspot)
        made.plan("", PLAN)
        (made.root / "roles.csv").write_text(ROLES)
        yield made


@pytest.fixture
def moved(started: Files, capsys: pytest.CaptureFixture[str]) -> Files:
    return started.moved(capsys)


def named(files: Files, object: str, by: str) -> dict[str, dict[str, Any]]:
    rows = files.hubspot.control.ndjson(f"/truth/{object}")
    return {row["properties"][by]: row for row in rows if not row["archived"]}


def linked(files: Files, left: tuple[str, str], right: tuple[str, str]) -> set[tuple[str, str, str]]:
    names = {row["id"]: name for pair in (left, right) for name, row in named(files, *pair).items()}
    return {
        (names[row["from"]], names[row["to"]], told["label"] or "")
        for row in files.hubspot.control.ndjson("/truth/links")
        if (row["from_object"], row["to_object"]) == (left[0], right[0]) and not row["archived"]
        for told in row["types"]
    }


def test_a_person_in_several_accounts_keeps_each_with_its_role(moved: Files) -> None:
    found = linked(moved, ("contacts", "lastname"), ("companies", "name"))
    labelled = {(person, firm, label) for person, firm, label in found if label}
    assert labelled == {
        ("Ann", "Firm", "Primary"), ("Bob", "Other", "Primary"),
        ("Ann", "Other", "Advisor"), ("Person", "Firm", "Advisor"),
        ("Person", "Firm", "Primary"),  # HubSpot makes somebody's first company the primary one
    }  # fmt: skip


def test_who_is_an_account_is_a_contact_once_and_no_company(moved: Files) -> None:
    assert set(named(moved, "companies", "name")) == {"Firm", "Other"}
    people = named(moved, "contacts", "lastname")
    assert set(people) == {"Ann", "Bob", "Person"}
    assert people["Person"]["properties"]["birthday"] == "1961-02-03"


def test_a_deal_of_a_person_hangs_on_the_person(moved: Files) -> None:
    deals, firms = ("deals", "dealname"), ("companies", "name")
    assert {pair[:2] for pair in linked(moved, deals, firms)} == {("for the firm", "Firm")}
    people = linked(moved, deals, ("contacts", "lastname"))
    assert {pair[:2] for pair in people} == {("for Pia", "Person")}


def test_validation_finds_nothing(moved: Files) -> None:
    code, found = moved.run("validate")
    assert (code, found["verdict"]) == (0, "pass")
