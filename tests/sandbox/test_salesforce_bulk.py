"""Do bulk jobs run, page and fail as the vendor's do?"""

import csv
import gzip
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import mint
from tests.sandbox.salesforce_org import READER_TOKEN, Answer, Org


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path / "org", bulk_wait=1, bulk_work=1, bulk_batch=3) as org:
        org.seed(
            {
                "metadata": {
                    "Account": {
                        "fields": [{"name": "Ext__c", "type": "string", "length": 20, "externalId": True}]
                    }
                },
                "records": {
                    "Account": [
                        {"Name": f"A{n}", "Ext__c": f"E{n}", "AnnualRevenue": 10**12 + n} for n in range(25)
                    ]
                },
            }
        )
        yield org


def table(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def ask(org: Org, soql: str, **rest: Any) -> str:
    answer = org.post("/jobs/query", {"operation": "query", "query": soql, **rest})
    assert answer.status == 200, answer.text
    return str(answer.json["id"])


def test_a_query_job_waits_runs_and_hands_out_pages(org: Org) -> None:
    job = ask(org, "SELECT Id, Name, Owner.Name, AnnualRevenue, IsDeleted, Phone, CreatedDate FROM Account")
    assert org.get(f"/jobs/query/{job}").json["state"] == "UploadComplete"
    assert org.get(f"/jobs/query/{job}/results").status == 400
    org.pass_time(10)

    info = org.get(f"/jobs/query/{job}").json
    assert (info["state"], info["jobType"], info["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 25)
    rows, locator, counts = [], None, []
    while locator != "null":
        query = {"maxRecords": "10"} | ({"locator": locator} if locator else {})
        page = org.get(f"/jobs/query/{job}/results", query=query)
        assert (page.headers["Content-Encoding"], page.status) == ("gzip", 200)
        locator = page.headers["Sforce-Locator"]
        counts.append(int(page.headers["Sforce-NumberOfRecords"]))
        rows += table(page)
    assert counts == [10, 10, 5]
    assert rows[0] == {
        "Id": mint("001", 1), "Name": "A0", "Owner.Name": "Sandbox Admin", "AnnualRevenue": "1000000000000.0",
        "IsDeleted": "false", "Phone": "", "CreatedDate": "2026-11-20T12:00:30.000Z",
    }  # fmt: skip
    assert org.get(f"/jobs/query/{job}/results", query={"locator": "guess"}).status == 400


def test_the_same_locator_gives_the_same_page(org: Org) -> None:
    job = ask(org, "SELECT Id FROM Account")
    org.pass_time(10)
    first = org.get(f"/jobs/query/{job}/results", query={"maxRecords": "10"})
    again = {"maxRecords": "10", "locator": first.headers["Sforce-Locator"]}

    assert (
        org.get(f"/jobs/query/{job}/results", query=again).text
        == org.get(f"/jobs/query/{job}/results", query=again).text
    )


def test_a_job_keeps_what_it_read_whatever_changes_later(org: Org) -> None:
    job = ask(org, "SELECT Name FROM Account WHERE Name = 'A1'")
    org.pass_time(10)
    org.patch(f"/sobjects/Account/{mint('001', 2)}", {"Name": "changed"})

    assert table(org.get(f"/jobs/query/{job}/results")) == [{"Name": "A1"}]


def test_result_pages_are_named_five_at_a_time(org: Org) -> None:
    org.vendor.settings["bulk_page"] = 4
    job = ask(org, "SELECT Id FROM Account")
    org.pass_time(10)
    first = org.get(f"/jobs/query/{job}/resultPages").json
    second = org.send("GET", first["nextRecordsUrl"]).json

    urls = [page["resultUrl"] for page in first["resultPages"] + second["resultPages"]]
    assert (first["done"], second["done"], len(urls)) == (False, True, 7)
    ids = [row["Id"] for url in urls for row in table(org.send("GET", url))]
    assert len(set(ids)) == len(ids) == 25


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Industry, COUNT(Id) FROM Account GROUP BY Industry",
        "SELECT COUNT() FROM Account",
        "SELECT Id FROM Account LIMIT 5 OFFSET 5",
        "SELECT TYPEOF What WHEN Account THEN Name END FROM Task",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT BillingAddress FROM Account",
        "SELECT FIELDS(ALL) FROM Account LIMIT 5",
        "SELECT Nope FROM Account",
    ],
)
def test_what_bulk_queries_do_not_take_is_refused_at_once(org: Org, soql: str) -> None:
    assert org.post("/jobs/query", {"operation": "query", "query": soql}).status == 400


def test_query_jobs_are_listed_aborted_and_deleted(org: Org) -> None:
    job = ask(org, "SELECT Id FROM Account")
    assert org.delete(f"/jobs/query/{job}").status == 400
    assert org.patch(f"/jobs/query/{job}", {"state": "Aborted"}).json["state"] == "Aborted"
    org.pass_time(10)

    assert [entry["state"] for entry in org.get("/jobs/query").json["records"]] == ["Aborted"]
    assert org.patch(f"/jobs/query/{job}", {"state": "Aborted"}).status == 400
    assert org.delete(f"/jobs/query/{job}").status == 204
    assert org.get(f"/jobs/query/{job}").status == 404


def test_an_empty_result_is_a_header_alone(org: Org) -> None:
    job = ask(org, "SELECT Id, Name FROM Account WHERE Name = 'nobody'")
    org.pass_time(10)
    page = org.get(f"/jobs/query/{job}/results")

    assert (page.text, page.headers["Sforce-NumberOfRecords"], page.headers["Sforce-Locator"]) == (
        '"Id","Name"\n',
        "0",
        "null",
    )


def test_a_query_fails_when_a_field_is_hidden_before_it_runs(org: Org) -> None:
    job = ask(org, "SELECT Phone FROM Account")
    org.vendor.settings["permissions"] = {"*": {"hidden": {"Account": ["Phone"]}}}
    org.pass_time(10)

    info = org.get(f"/jobs/query/{job}").json
    assert (info["state"], info["errorMessage"][:13]) == ("Failed", "INVALID_FIELD")


def test_large_numbers_may_come_with_an_exponent(org: Org) -> None:
    org.vendor.settings["scientific_numbers"] = True
    org.seed(
        {
            "records": {
                "Opportunity": [
                    {"Name": "x", "Amount": amount} for amount in (-15_000_000, "9999999.5", 10**9)
                ]
            }
        }
    )
    job = ask(org, "SELECT Amount FROM Opportunity")
    org.pass_time(10)

    assert [row["Amount"] for row in table(org.get(f"/jobs/query/{job}/results"))] == [
        "-1.5E7",
        "9999999.5",
        "1.0E9",
    ]


def test_rendered_jobs_are_served_from_their_files(org: Org, tmp_path: Path) -> None:
    pages = []
    for number in range(3):
        path = tmp_path / f"{number}.csv.gz"
        path.write_bytes(gzip.compress(f'"Id"\n"{number}"\n'.encode()))
        pages.append(str(path))
    job = mint("750", 500)
    org.seed(
        {
            "rendered_jobs": [
                {
                    "id": job,
                    "object": "Account",
                    "query": "SELECT Id FROM Account",
                    "pages": pages,
                    "rows": [1, 1, 1],
                }
            ]
        }
    )

    seen, locator = [], ""
    while locator != "null":
        page = org.get(f"/jobs/query/{job}/results", query={"locator": locator} if locator else {})
        locator = page.headers["Sforce-Locator"]
        seen += [row["Id"] for row in table(page)]
    assert seen == ["0", "1", "2"]
    assert len(org.get(f"/jobs/query/{job}/resultPages").json["resultPages"]) == 3
    assert org.get(f"/jobs/query/{job}").json["numberRecordsProcessed"] == 3


def ingest(org: Org, data: str, operation: str = "insert", **rest: Any) -> str:
    job = org.post("/jobs/ingest", {"object": "Account", "operation": operation, **rest}).json
    assert job["state"] == "Open"
    put = org.send("PUT", "/" + job["contentUrl"], body=data.encode(), headers={"content-type": "text/csv"})
    assert put.status == 201
    assert (
        org.patch(f"/jobs/ingest/{job['id']}", {"state": "UploadComplete"}).json["state"] == "UploadComplete"
    )
    return str(job["id"])


def test_an_ingest_job_takes_each_row_alone(org: Org) -> None:
    job = ingest(org, "Name,Phone,Ext__c\n" + "".join(f"N{n},{n},X{n}\n" for n in range(5)) + ",9,Y\n")
    org.pass_time(20)

    info = org.get(f"/jobs/ingest/{job}").json
    assert (info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (
        "JobComplete",
        6,
        1,
    )
    good, bad = (
        table(org.get(f"/jobs/ingest/{job}/successfulResults")),
        table(org.get(f"/jobs/ingest/{job}/failedResults")),
    )
    assert list(good[0]) == ["sf__Id", "sf__Created", "Name", "Phone", "Ext__c"]
    assert {row["Name"] for row in good} == {f"N{n}" for n in range(5)}
    assert bad[0]["sf__Error"] == "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    assert table(org.get(f"/jobs/ingest/{job}/unprocessedrecords")) == []


def test_updates_leave_empty_cells_and_blank_marked_ones(org: Org) -> None:
    id = org.create("Account", Name="x", Phone="1", Fax="2", Site="3")
    job = ingest(org, f"Id,Phone,Fax,Site\n{id},,#N/A,4\n{mint('001', 900)},1,1,1\n", "update")
    org.pass_time(20)

    row = org.truth("Account")[id]
    assert (row["Phone"], row["Fax"], row["Site"]) == ("1", None, "4")
    bad = table(org.get(f"/jobs/ingest/{job}/failedResults"))
    assert bad[0]["sf__Error"].startswith("INVALID_CROSS_REFERENCE_KEY")


def test_upserts_by_external_id_and_relations_by_external_id(org: Org) -> None:
    job = ingest(
        org,
        "Ext__c,Name,Parent.Ext__c\ne1,changed,E2\nNEW,made,E3\nz,lost,nope\n",
        "upsert",
        externalIdFieldName="Ext__c",
    )
    org.pass_time(20)

    good = {
        row["Name"]: row["sf__Created"] for row in table(org.get(f"/jobs/ingest/{job}/successfulResults"))
    }
    assert good == {"changed": "false", "made": "true"}
    names = {row["Name"]: row["ParentId"] for row in org.truth("Account").values()}
    assert (names["changed"], names["made"]) == (mint("001", 3), mint("001", 4))
    assert "Foreign key external ID: nope not found" in org.get(f"/jobs/ingest/{job}/failedResults").text


def test_deletions_take_ids_alone(org: Org) -> None:
    job = ingest(org, f"Id\n{mint('001', 1)}\n{mint('001', 1)}\n", "delete")
    org.pass_time(20)
    assert len(table(org.get(f"/jobs/ingest/{job}/successfulResults"))) == 1
    assert "ENTITY_IS_DELETED" in org.get(f"/jobs/ingest/{job}/failedResults").text

    assert org.post("/jobs/ingest", {"object": "Account", "operation": "hardDelete"}).status == 400
    org.vendor.settings["permissions"] = {"*": {"PermissionsBulkApiHardDelete": True}}
    ingest(org, f"Id\n{mint('001', 2)}\n", "hardDelete")
    org.pass_time(20)
    assert mint("001", 2) not in org.truth("Account")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            "Name\r\nx\r\n",
            {},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            "Name\nx\n",
            {"lineEnding": "CRLF"},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF",
        ),
        ("Name,Nope\nx,y\n", {}, "InvalidBatch : Field name not found : Nope"),
        ("\ufeffName\nx\n", {}, "InvalidBatch : Field name not found : \ufeffName"),
    ],
)
def test_some_mistakes_fail_the_whole_job(org: Org, data: str, options: dict[str, str], message: str) -> None:
    job = ingest(org, data, **options)
    org.pass_time(20)

    info = org.get(f"/jobs/ingest/{job}").json
    assert (info["state"], info["errorMessage"]) == ("Failed", message)
    assert "x" not in {row["Name"] for row in org.truth("Account").values()}


def test_other_delimiters_and_line_ends_come_back_as_sent(org: Org) -> None:
    job = ingest(org, 'Name|Description\r\nx|"a\r\n""b"""\r\n', lineEnding="CRLF", columnDelimiter="PIPE")
    org.pass_time(20)

    text = org.get(f"/jobs/ingest/{job}/successfulResults").text
    assert text.startswith('"sf__Id"|"sf__Created"|"Name"|"Description"\r\n')
    assert 'a\r\n""b""' in text


def test_an_abort_midway_leaves_the_rest_unprocessed(org: Org) -> None:
    job = ingest(org, "Name\n" + "".join(f"N{n}\n" for n in range(9)))
    for _ in range(40):
        if org.get(f"/jobs/ingest/{job}").json["numberRecordsProcessed"]:
            break
        org.pass_time(0.25)
    assert org.patch(f"/jobs/ingest/{job}", {"state": "Aborted"}).status == 200
    org.pass_time(20)

    done = org.get(f"/jobs/ingest/{job}").json["numberRecordsProcessed"]
    assert done in (3, 6)
    assert len(table(org.get(f"/jobs/ingest/{job}/unprocessedrecords"))) == 9 - done


def test_data_is_put_once_and_only_while_open(org: Org) -> None:
    job = org.post("/jobs/ingest", {"object": "Account", "operation": "insert"}).json
    url, kind = "/" + job["contentUrl"], {"content-type": "text/csv"}

    assert org.patch(f"/jobs/ingest/{job['id']}", {"state": "UploadComplete"}).status == 400
    assert org.send("PUT", url, body=b"Name\nx\n").status == 415
    assert org.send("PUT", url, body=b"Name\nx\n", headers=kind).status == 201
    assert org.send("PUT", url, body=b"Name\nx\n", headers=kind).status == 409
    assert org.get(f"/jobs/ingest/{job['id']}/successfulResults").status == 400


def test_small_data_may_ride_in_the_create_request(org: Org) -> None:
    body = (
        '--B\r\nContent-Disposition: form-data; name="job"\r\nContent-Type: application/json\r\n\r\n'
        '{"object":"Account","operation":"insert"}\r\n'
        '--B\r\nContent-Disposition: form-data; name="content"; filename="c"\r\n'
        "Content-Type: text/csv\r\n\r\n"
        "Name\nmultipart\n\r\n--B--\r\n"
    )
    made = org.send(
        "POST",
        "/services/data/v66.0/jobs/ingest",
        body=body.encode(),
        headers={"content-type": 'multipart/form-data; boundary="B"'},
    )
    org.pass_time(20)

    assert made.json["state"] == "UploadComplete"
    assert "multipart" in {row["Name"] for row in org.truth("Account").values()}


def test_the_reader_may_not_open_an_ingest_job(org: Org) -> None:
    refused = org.post("/jobs/ingest", {"object": "Account", "operation": "insert"}, token=READER_TOKEN)

    assert "No create/update access" in refused.json[0]["message"]


def test_8800_opportunities_are_queried_in_bulk_in_two_seconds(org: Org) -> None:
    deals = [
        {
            "Name": f"D{n}",
            "StageName": "Closed Won",
            "CloseDate": "2026-01-01",
            "Amount": n,
            "AccountId": mint("001", n % 25 + 1),
        }
        for n in range(8800)
    ]
    org.seed({"records": {"Opportunity": deals}})

    began = time.perf_counter()
    job = ask(
        org, "SELECT Id, Name, Account.Name, Amount, CloseDate, StageName, SystemModstamp FROM Opportunity"
    )
    org.pass_time(10)
    assert len(table(org.get(f"/jobs/query/{job}/results"))) == 8800
    assert time.perf_counter() - began < 2
