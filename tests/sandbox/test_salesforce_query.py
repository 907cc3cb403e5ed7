"""Does REST query answer as the vendor's does?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import mint
from tests.sandbox.salesforce_org import READER_TOKEN, Org

ACME, BETA = mint("001", 1), mint("001", 2)


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        org.seed(
            {
                "metadata": {
                    "Account": {
                        "fields": [
                            {"name": n, "type": "textarea", "length": 32768} for n in ("L1__c", "L2__c")
                        ]
                    }
                },
                "records": {
                    "Account": [
                        {"Id": ACME, "Name": "Acme", "Industry": "Banking", "BillingCity": "Wien"},
                        {"Id": BETA, "Name": "beta", "ParentId": ACME},
                    ],
                    "Opportunity": [
                        deal("One", 100, "2026-01-10", ACME),
                        deal("Two", "250.75", "2026-02-10", ACME),
                        deal("Three", None, "2026-11-20", BETA),
                        deal("Four", 0, "2025-12-31", None),
                    ],
                    "Contact": [
                        {"LastName": "Berg", "FirstName": "Eva", "AccountId": ACME, "Email": "eva@x.test"}
                    ],
                    "Task": [
                        {"Subject": "Call", "WhatId": ACME, "Status": "Completed", "Priority": "Normal"}
                    ],
                },
            }
        )
        yield org


def deal(name: str, amount: Any, closing: str, account: str | None) -> dict[str, Any]:
    return {
        "Name": name,
        "Amount": amount,
        "CloseDate": closing,
        "StageName": "Closed Won",
        "AccountId": account,
    }


def names(org: Org, where: str) -> list[str]:
    return [row["Name"] for row in org.rows(f"SELECT Name FROM Opportunity WHERE {where}")]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Amount > 100", ["Two"]),
        ("Amount >= 100 AND Amount < 250.76", ["One", "Two"]),
        ("Amount = null", ["Three"]),
        ("Amount != null AND Amount != 0", ["One", "Two"]),
        ("Name = 'one'", ["One"]),
        ("Name LIKE 't%'", ["Two", "Three"]),
        ("NOT Name LIKE '%o%'", ["Three"]),
        ("Name IN ('One', 'Four')", ["One", "Four"]),
        ("Name NOT IN ('One', 'Four')", ["Two", "Three"]),
        ("CloseDate < 2026-01-01", ["Four"]),
        ("CloseDate = TODAY", ["Three"]),
        ("CloseDate = LAST_N_DAYS:300 AND IsWon = true", ["Two", "Three"]),
        ("CALENDAR_YEAR(CloseDate) = 2025", ["Four"]),
        ("Account.Name = 'ACME'", ["One", "Two"]),
        ("Account.Parent.Name = 'Acme'", ["Three"]),
        ("AccountId = null", ["Four"]),
        (f"AccountId IN ('{ACME[:15]}', '{BETA}') AND Amount = null", ["Three"]),
        ("AccountId IN (SELECT Id FROM Account WHERE Industry = 'Banking')", ["One", "Two"]),
        ("AccountId NOT IN (SELECT Id FROM Account WHERE Industry = 'Banking')", ["Three", "Four"]),
        ("(Name = 'One' OR Name = 'Two') AND Amount = 100", ["One"]),
        (
            "SystemModstamp >= 2026-11-20T12:00:00Z AND SystemModstamp < 2026-11-20T13:00:00+00:00",
            ["One", "Two", "Three", "Four"],
        ),
        ("SystemModstamp > 2026-11-20T12:00:40Z", []),
    ],
)
def test_conditions_select_as_the_vendor_does(org: Org, where: str, found: list[str]) -> None:
    assert names(org, where) == found


def test_rows_carry_attributes_parents_and_children(org: Org) -> None:
    row = org.query(
        "SELECT Id, Name, BillingAddress, Owner.Email, Parent.Name, "
        "(SELECT LastName FROM Contacts) FROM Account"
    ).json
    acme, beta = row["records"]

    assert acme["attributes"] == {"type": "Account", "url": f"/services/data/v66.0/sobjects/Account/{ACME}"}
    assert acme["Owner"]["attributes"]["type"] == "User"
    assert acme["Owner"]["Email"] == "admin@sandbox.example"
    assert (acme["Parent"], beta["Parent"]["Name"]) == (None, "Acme")
    assert acme["Contacts"]["records"][0]["LastName"] == "Berg"
    assert (beta["Contacts"], beta["BillingAddress"]) == (None, None)
    assert acme["BillingAddress"]["city"] == "Wien"


def test_polymorphic_parents_tell_their_type(org: Org) -> None:
    row = org.rows(
        "SELECT What.Type, What.Name, TYPEOF What WHEN Account THEN Industry ELSE Id END FROM Task"
    )[0]

    assert row["What"]["Industry"] == "Banking"
    assert [row["Subject"] for row in org.rows("SELECT Subject FROM Task WHERE What.Type = 'Account'")] == [
        "Call"
    ]


def test_counts_and_aggregates(org: Org) -> None:
    assert org.query("SELECT COUNT() FROM Opportunity").json == {"totalSize": 4, "done": True, "records": []}
    assert org.query("SELECT COUNT() FROM Opportunity WHERE Amount > 0").json["totalSize"] == 2
    grouped = org.rows(
        "SELECT Account.Name who, COUNT(Id), SUM(Amount) total FROM Opportunity WHERE AccountId != null "
        "GROUP BY Account.Name HAVING COUNT(Id) > 0 ORDER BY Account.Name DESC"
    )
    assert grouped == [
        {"who": "beta", "expr0": 1, "total": None},
        {"who": "Acme", "expr0": 2, "total": 350.75},
    ]
    whole = org.rows(
        "SELECT MIN(CloseDate) a, MAX(Amount) b, AVG(Amount) c, COUNT_DISTINCT(StageName) d FROM Opportunity"
    )
    assert whole == [{"a": "2025-12-31", "b": 250.75, "c": pytest.approx(116.9166666), "d": 1}]


def test_rows_are_ordered_cut_and_skipped(org: Org) -> None:
    def order(rest: str) -> list[str]:
        return [row["Name"] for row in org.rows(f"SELECT Name FROM Opportunity ORDER BY {rest}")]

    assert order("Amount DESC NULLS LAST") == ["Two", "One", "Four", "Three"]
    assert order("Amount") == ["Three", "Four", "One", "Two"]
    assert order("CloseDate LIMIT 2 OFFSET 1") == ["One", "Two"]
    assert order("Id DESC LIMIT 1") == ["Four"]


def test_long_results_come_in_pages_that_live_two_days(org: Org) -> None:
    org.seed(
        {"records": {"Lead": [{"LastName": f"L{n}", "Company": "C", "Status": "New"} for n in range(450)]}}
    )
    first = org.query("SELECT Id FROM Lead", headers={"sforce-query-options": "batchSize=10"}).json
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    second = org.send("GET", first["nextRecordsUrl"]).json
    third = org.send("GET", second["nextRecordsUrl"]).json
    ids = [row["Id"] for page in (first, second, third) for row in page["records"]]
    assert (third["done"], len(set(ids))) == (True, 450)
    assert "nextRecordsUrl" not in third

    assert org.send("GET", first["nextRecordsUrl"], token=READER_TOKEN).code == "INVALID_QUERY_LOCATOR"
    org.pass_time(2 * 86_400 + 1)
    assert org.send("GET", first["nextRecordsUrl"]).code == "INVALID_QUERY_LOCATOR"


def test_two_long_texts_make_pages_of_200(org: Org) -> None:
    org.seed({"records": {"Account": [{"Name": f"A{n}"} for n in range(300)]}})

    assert len(org.query("SELECT Id, L1__c FROM Account").json["records"]) == 302
    assert len(org.query("SELECT Id, L1__c, L2__c FROM Account").json["records"]) == 200


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Nope.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Amount = '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 201", "MALFORMED_QUERY"),
        ("SELECT Id FROM ContentDocumentLink", "MALFORMED_QUERY"),
        ("SELECT Name, COUNT(Id) FROM Account GROUP BY Industry", "MALFORMED_QUERY"),
        ("SELECT Description, COUNT(Id) FROM Account GROUP BY Description", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id) FROM Account LIMIT 10", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
    ],
)
def test_wrong_queries_are_refused_by_code(org: Org, soql: str, code: str) -> None:
    answer = org.query(soql)

    assert (answer.status, answer.code) == (400, code)


def test_fields_all_lists_everything_that_the_user_sees(org: Org) -> None:
    row = org.rows("SELECT FIELDS(ALL) FROM Account LIMIT 1")[0]

    assert {"Id", "Name", "L1__c", "SystemModstamp"} <= set(row)


def test_deleted_rows_are_seen_by_query_all_only(org: Org) -> None:
    org.delete(f"/sobjects/Account/{ACME}")

    assert [row["Name"] for row in org.rows("SELECT Name FROM Opportunity")] == ["Three", "Four"]
    assert len(org.rows("SELECT Id FROM Opportunity", all=True)) == 4
    gone = org.rows("SELECT Name, IsDeleted FROM Opportunity WHERE IsDeleted = true", all=True)
    assert gone == [{"Name": "One", "IsDeleted": True}, {"Name": "Two", "IsDeleted": True}]


def test_archived_activities_are_seen_by_query_all_only(org: Org) -> None:
    org.seed({"records": {"Event": [{"Subject": "Old", "IsArchived": True}, {"Subject": "New"}]}})

    assert [row["Subject"] for row in org.rows("SELECT Subject FROM Event")] == ["New"]
    assert org.query("SELECT COUNT() FROM Event").json["totalSize"] == 1
    assert len(org.rows("SELECT Subject FROM Event", all=True)) == 2


def test_the_reader_sees_its_own_rights(org: Org) -> None:
    soql = (
        "SELECT PermissionsApiEnabled, PermissionsModifyAllData, PermissionsViewAllData "
        "FROM UserPermissionAccess"
    )

    reader = org.query(soql, token=READER_TOKEN).json["records"][0]
    admin = org.query(soql).json["records"][0]
    assert [reader[f"Permissions{name}"] for name in ("ApiEnabled", "ViewAllData", "ModifyAllData")] == [
        True,
        True,
        False,
    ]
    assert admin["PermissionsModifyAllData"] is True
