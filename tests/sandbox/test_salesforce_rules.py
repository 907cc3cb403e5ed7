"""Which smaller rules of Salesforce does the sandbox keep, and what does its seed refuse?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.salesforce_org import Org


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        yield org


def test_every_reply_of_the_data_api_tells_the_use(org: Org) -> None:
    org.get("/limits")
    answers = [
        org.get("/limits"),
        org.get("/nothing"),
        org.get("/limits", token="00D!dead"),
        org.send("GET", "/services/data/", token=None),
        org.send("GET", "/services/data/v30.0/limits"),
        org.get("/query", query={"q": "SELECT Nope FROM Account"}),
    ]
    assert [answer.status for answer in answers] == [200, 404, 401, 200, 410, 400]
    used = [answer.headers["Sforce-Limit-Info"] for answer in answers]
    assert used == [f"api-usage={n}/100000" for n in (2, 3, 3, 3, 3, 4)]
    for reply in (org.vendor.throttled(5), org.vendor.broken(500)):
        assert reply.headers == {"Sforce-Limit-Info": "api-usage=4/100000"}


def test_the_day_ends_in_sandbox_time(tmp_path: Path) -> None:
    with Org(tmp_path, daily_limit=2) as org:
        assert [org.get("/limits").status for _ in range(3)] == [200, 200, 403]
        org.pass_time(86_400 + 60)
        answer = org.get("/limits")
        assert (answer.status, answer.headers["Sforce-Limit-Info"]) == (200, "api-usage=1/2")


def test_a_deleted_job_still_counts_for_the_day(tmp_path: Path) -> None:
    with Org(tmp_path, daily_query_jobs=1, daily_batches=3, bulk_batch=2) as org:
        body = {"operation": "query", "query": "SELECT Id FROM Account"}
        job = org.post("/jobs/query", body).json["id"]
        org.pass_time(5)
        assert org.delete(f"/jobs/query/{job}").status == 204
        assert org.post("/jobs/query", body).code == "EXCEEDED_MAX_QUERY_JOBS"
        job = org.post("/jobs/ingest", {"object": "Account", "operation": "insert"}).json["id"]
        path = f"/services/data/v66.0/jobs/ingest/{job}"
        rows = b"Name\nA\nB\nC\nD\nE\n"
        org.send("PUT", f"{path}/batches", body=rows, headers={"content-type": "text/csv"})
        org.send("PATCH", path, body={"state": "UploadComplete"})
        org.pass_time(5)
        assert org.send("GET", path).json["numberRecordsProcessed"] == 5
        limits = org.get("/limits").json
        assert limits["DailyBulkApiBatches"] == {"Max": 3, "Remaining": 0}
        refused = org.post("/jobs/ingest", {"object": "Account", "operation": "insert"})
        assert refused.code == "EXCEEDED_MAX_BATCHES"
        org.pass_time(86_401)
        assert org.post("/jobs/query", body).status == 200


def test_the_ends_of_a_window_are_more_than_a_minute_apart(org: Org) -> None:
    base = "/sobjects/Account/updated"
    near = {"start": "2026-11-20T11:00:00Z", "end": "2026-11-20T11:01:59Z"}
    assert org.get(base, query=near).code == "INVALID_REPLICATION_DATE"
    assert org.get(base, query={**near, "end": "2026-11-20T11:02:00Z"}).status == 200


def test_more_than_two_hundred_records_are_too_many_for_one_call(org: Org) -> None:
    rows = [{"attributes": {"type": "Account"}, "Name": str(n)} for n in range(201)]
    answer = org.post("/composite/sobjects", {"records": rows})
    assert (answer.status, answer.code) == (400, "LIMIT_EXCEEDED")


def test_instants_beyond_the_platforms_years_are_no_instants(org: Org) -> None:
    org.seed({"metadata": {"Account": {"fields": [{"name": "Seen__c", "type": "datetime"}]}}})
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "4001-01-01T00:00:00Z"):
        answer = org.post("/sobjects/Account", {"Name": "A", "Seen__c": text})
        assert (answer.status, answer.code) == (400, "INVALID_TYPE_ON_FIELD_IN_RECORD")


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id, (SELECT COUNT() FROM Contacts) FROM Account",
        "SELECT Id, (SELECT Id, (SELECT Id FROM Cases) FROM Contacts) FROM Account",
        "SELECT Id" + ", (SELECT Id FROM Contacts)" * 21 + " FROM Account",
        "SELECT Id FROM Contact WHERE AccountId IN (SELECT Name FROM Account)",
        "SELECT Account.Parent.Parent.Parent.Parent.Parent.Name FROM Contact WHERE Id = null",
        "SELECT Name, COUNT(Id) FROM Account GROUP BY Name HAVING MAX(Name) > 5",
        "SELECT Id FROM Account WHERE " + "(" * 60 + "Id != null" + ")" * 60,
        "SELECT Id FROM Account LIMIT 99999999999999999999",
        "SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS:999999",
    ],
)
def test_what_soql_does_not_allow_is_malformed(org: Org, soql: str) -> None:
    org.create("Account", Name="A")
    answer = org.query(soql)
    assert (answer.status, answer.code) == (400, "MALFORMED_QUERY")


CLIENT = {"client_id": "c", "client_secret": "s", "user": "admin@sandbox.example"}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"record": {}}, "the seed has no `record`"),
        ({"records": []}, "`records` has the wrong shape"),
        ({"records": {"Account": {"Name": "x"}}}, "`records.Account` must be a list"),
        ({"clients": [{}]}, r"`clients\[0\]` lacks `client_id`"),
        ({"clients": {"c": "s"}}, "`clients` has the wrong shape"),
        ({"clients": [{**CLIENT, "refresh_tokens": ["x"]}]}, "`refresh_tokens` has the wrong shape"),
        ({"clients": [{**CLIENT, "passwords": {"x": 5}}]}, "`passwords` must map texts to texts"),
        ({"clients": [{**CLIENT, "public_key": "x"}]}, "is no RSA public key"),
        ({"clients": [{**CLIENT, "secret": "x"}]}, r"`clients\[0\]` has no `secret`"),
        ({"tokens": [{"token": "x"}]}, r"`tokens\[0\]` lacks `user`"),
        ({"settings": {"token_live": 5}}, "`settings` has no `token_live`"),
        ({"automations": {"rules": True}}, "`automations` has no `rules`"),
        ({"metadata": {"Account": {"fields": ["x"]}}}, "`metadata.Account.fields` must be a list"),
        ({"rendered_jobs": [{"id": "750"}]}, r"`rendered_jobs\[0\]` lacks `object`"),
    ],
)
def test_a_seed_says_what_is_wrong_with_it_and_changes_nothing(
    org: Org, document: dict[str, Any], told: str
) -> None:
    whole = {"automations": {"duplicate_rules": True}, **document}
    with pytest.raises(ValueError, match=told):
        org.seed(whole)
    assert org.vendor.automations["duplicate_rules"] is False
