"""Does either sandbox answer whatever it is sent, in the vendor's own words and without falling over?

A request that is nonsense must be refused by the vendor, never break its simulator: a 500 that HubSpot or
Salesforce wouldn't have given makes a proof lie. Bodies are good ones with members replaced by odd values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrate.sandbox.hubspot import routes
from migrate.sandbox.salesforce.seed import ADMIN_TOKEN
from tests.sandbox.hubspot_portal import Portal
from tests.sandbox.salesforce_org import Org

FEW = settings(
    max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ODD: st.SearchStrategy[Any] = st.sampled_from([
    None, True, -1, 0, 1.5, 10**19, "", "²", "9" * 30, "-1", "NaN", "1e99999", "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-14:00", "2024-02-30", "\x00", ";", "@{.}", "@{a.b}", "#N/A", [], {}, [None], ["x"],
    {"x": 1}, [{"id": "1"}], {"id": {}}, [[]], {"records": [1]}, {"attributes": None},
])  # fmt: skip

VALUES = {
    "email": "a@b.test", "name": "A", "source_id": "k", "annualrevenue": "5", "hs_timestamp": "2024-01-01",
    "dealstage": "closedwon", "hs_email_headers": '{"from":"x","to":[1,{"email":3}]}', "quantity": "3",
}  # fmt: skip
TYPES = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
RECORD = {
    "id": "1", "idProperty": "source_id", "objectWriteTraceId": "t", "properties": VALUES,
    "associations": [{"to": {"id": "1"}, "types": TYPES}],
}  # fmt: skip
PAIR = {"id": "1", "after": "0", "from": {"id": "1"}, "to": {"id": "2"}, "types": TYPES}
FILTER = {
    "propertyName": "createdate",
    "operator": "BETWEEN",
    "value": "1",
    "highValue": "2",
    "values": ["a"],
}
SEARCH = {
    "filterGroups": [{"filters": [FILTER]}], "sorts": [{"propertyName": "name", "direction": "ASCENDING"}],
    "limit": 5, "after": "0", "query": "a", "properties": ["name"],
}  # fmt: skip
OPTION = {"label": "a", "value": "a", "displayOrder": 1, "hidden": False}
PROPERTY = {
    "name": "own", "label": "L", "type": "string", "fieldType": "text", "groupName": "contactinformation",
    "options": [OPTION], "displayOrder": 1, "hasUniqueValue": False,
}  # fmt: skip
STAGE = {"stageId": "q", "label": "s", "displayOrder": 1, "metadata": {"probability": "0.3"}}
SCHEMA = {
    "name": "car", "labels": {"singular": "c", "plural": "cs"}, "properties": [PROPERTY],
    "requiredProperties": ["own"], "primaryDisplayProperty": "own", "associatedObjects": ["contacts"],
}  # fmt: skip
STATUS = {
    "channel": "EMAIL",
    "statusState": "UNSUBSCRIBED",
    "subscriptionId": 29873401,
    "legalBasis": "NON_GDPR",
}
ANY_OF_HUBSPOT: list[Any] = [
    {"inputs": [RECORD, RECORD | {"objectWriteTraceId": "u"}], "properties": ["name"]},
    {"inputs": [PAIR]},
    {"inputs": [PAIR | {"to": [{"id": "2"}]}]},
    {"inputs": [PROPERTY], "archived": False},
    {"inputs": [{"category": "HUBSPOT_DEFINED", "typeId": 279, "maxToObjectIds": 5}]},
    {"primaryObjectId": "1", "objectIdToMerge": "2", "objectId": "1"},
    {"name": "n", "label": "l", "inverseLabel": "i", "associationTypeId": 30, "toObjectTypeId": "0-1"},
    {"id": "1", "name": "n", "parentFolderId": "1", "parentPath": "/n", "parentFolderPath": "/n"},
    {"access": "PRIVATE", "expiresAt": "2027-01-01", "clearExpires": True, "isUsableInContent": True},
    {"url": "http://127.0.0.1:9/a", "access": "PRIVATE", "folderPath": "/n", "ttl": "P1D", "overwrite": True},
    {"inputs": ["ada@x.test", "bob@x.test"]},
    {"inputs": [STATUS | {"subscriberIdString": "ada@x.test"}]},
    STATUS, {"emailAddress": "ada@x.test", "subscriptionId": "29873401", "legalBasis": "NON_GDPR"},
    {"label": "p", "displayOrder": 1, "stages": [STAGE], "pipelineId": "w"},
    RECORD, SEARCH, PROPERTY, STAGE, SCHEMA, TYPES,
]  # fmt: skip
PARTS = {
    "type": ["contacts", "companies", "deals", "emails", "line_items", "2-9"],
    "to_type": ["contacts", "companies"], "to_id": ["2", "²"], "number": ["30", "²"],
    "id": ["1", "²", "9" * 30, "a@b.test"], "name": ["name", "own"],
    "op": ["create", "x"], "user": ["1", "²"], "pipeline": ["default", "w"], "stage": ["q", "1"],
    "address": ["ada@x.test", "²", "batch"], "purge": ["purge"], "what": ["records", "x", "²", "a/b.txt"],
}  # fmt: skip
QUERIES = [
    "", "channel=EMAIL", "limit=²", "limit=" + "9" * 5000, "after=" + "9" * 30, "archived=true",
    "idProperty=email",
    "sort=-size&size=²&name=%00&createdAt=9", "expirationSeconds=0&size=x", "ids=²&sort=name&limit=5&after=7",
    "idProperty=name", "properties=name,%00&associations=companies,nope", "propertiesWithHistory=name",
]  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    portal = Portal(tmp_path_factory.mktemp("portal"), search_per_second=10**9, daily=10**9, burst=10**9)
    portal.unique_property("contacts")
    portal.unique_property("companies")
    portal.seed(records={"companies": [{"id": 1, "properties": {"name": "A"}}]})
    yield portal
    portal.store.close()


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    with Org(tmp_path_factory.mktemp("org"), daily_limit=10**9) as org:
        own = {"name": "Ext__c", "type": "string", "externalId": True}
        account = {"Id": ACCOUNT, "Name": "A", "BillingCity": "B", "Ext__c": "1"}
        org.seed({"metadata": {"Account": {"fields": [own]}}, "records": {"Account": [account]}})
        yield org


@pytest.fixture(scope="module")
def active(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org that shares activities, with an account, a contact and a document."""
    settings = {"daily_limit": 10**9, "shared_activities": True, "tracked_fields": {"Account": ["Name"]}}
    with Org(tmp_path_factory.mktemp("active"), **settings) as org:
        version = {"ContentDocumentId": DOCUMENT, "PathOnClient": "a", "VersionData": {"size": 9, "seed": 1}}
        org.seed(
            {
                "records": {
                    "Account": [{"Id": ACCOUNT, "Name": "A"}],
                    "Contact": [{"Id": CONTACT, "LastName": "A"}],
                    "ContentVersion": [version],
                }
            }
        )
        yield org


def spoiled(data: st.DataObject, body: Any) -> Any:
    """The body with up to three of its members replaced."""
    whole = orjson.loads(orjson.dumps({"": body}))
    for _ in range(data.draw(st.integers(0, 3))):
        at: Any = whole
        while True:
            key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
            if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.integers(0, 3)) == 0:
                at[key] = orjson.loads(orjson.dumps(data.draw(ODD)))
                break
            at = at[key]
    return whole[""]


@FEW
@given(data=st.data())
def test_hubspot_refuses_nonsense_in_its_own_words(portal: Portal, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(routes.TABLE))
    text = re.sub(
        r"\(\?P<(\w+)>[^)]*\)",
        lambda found: data.draw(st.sampled_from(PARTS[found[1]])),
        route.pattern.pattern,
    )
    area, _, rest = text.replace("\\", "")[1:].partition("/")
    path = f"/crm/{area}/{data.draw(st.sampled_from(['2026-03', '2026-09']))}/{rest}".rstrip("/")
    if area == "files":
        path = f"/files/{data.draw(st.sampled_from(['v3', '2026-03', '2026-09']))}/{rest}"
    if area == "communication-preferences":
        path = f"/{area}/{data.draw(st.sampled_from(['v3', 'v4', '2026-03']))}/{rest}"
    if area == "account-info":
        path = f"/account-info/v3/{rest}"
    if area == "schemas":
        path = f"/crm-object-schemas/v3/schemas/{rest}".rstrip("/")
    method = data.draw(st.sampled_from(sorted(route.methods)))
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        body = orjson.dumps(spoiled(data, data.draw(st.sampled_from(ANY_OF_HUBSPOT))))
    reply = portal.ask(method, f"{path}?{data.draw(st.sampled_from(QUERIES))}", body)
    assert reply.headers["X-HubSpot-Correlation-Id"]
    if reply.status >= 400 and reply.status != 405:
        assert reply.body["correlationId"] == reply.headers["X-HubSpot-Correlation-Id"]


ACCOUNT = "0015g00000AAAAAAA3"
ROW = {
    "attributes": {"type": "Account", "referenceId": "r"}, "Name": "x", "AnnualRevenue": "5", "Id": ACCOUNT,
    "Parent": {"attributes": {"type": "Account"}, "Ext__c": "1"}, "Ext__c": "1", "NumberOfEmployees": 5,
    "CreatedDate": "2024-01-01T00:00:00Z", "Contacts": {"records": [{"LastName": "z"}]},
}  # fmt: skip
PART = {
    "method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": "a",
    "body": {"Name": "x"}, "httpHeaders": {"x": "y"},
}  # fmt: skip
UP = PART | {"method": "PATCH", "referenceId": "b", "url": PART["url"] + "/@{a.id}"}  # type: ignore[operator]
ROWS = {"allOrNone": False, "records": [ROW, ROW | {"attributes": {"type": "Contact"}}]}
ANY_OF_SALESFORCE = [
    ("POST", "/sobjects/Account", {"Name": "x", "Parent": ROW["Parent"]}),
    ("PATCH", f"/sobjects/Account/{ACCOUNT}", {"Name": "x", "AnnualRevenue": 3}),
    ("PATCH", "/sobjects/Account/Ext__c/²", {"Name": "x"}),
    ("POST", "/composite", {"allOrNone": True, "compositeRequest": [PART, UP]}),
    (
        "POST",
        "/composite/batch",
        {"batchRequests": [{"method": "GET", "url": "v66.0/limits", "richInput": {}}]},
    ),
    ("POST", "/composite/tree/Account", {"records": [ROW]}),
    ("POST", "/composite/graph", {"graphs": [{"graphId": "1", "compositeRequest": [PART]}]}),
    ("POST", "/composite/sobjects", ROWS),
    ("PATCH", "/composite/sobjects", ROWS),
    ("PATCH", "/composite/sobjects/Account/Ext__c", ROWS),
    ("POST", "/composite/sobjects/Account", {"ids": [ACCOUNT], "fields": ["Name"]}),
    ("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM Account", "lineEnding": "LF"}),
    (
        "POST",
        "/jobs/ingest",
        {
            "object": "Account",
            "operation": "upsert",
            "externalIdFieldName": "Ext__c",
            "columnDelimiter": "TAB",
        },
    ),
]


@FEW
@given(data=st.data())
def test_salesforce_refuses_nonsense_in_its_own_words(org: Org, data: st.DataObject) -> None:
    method, path, body = data.draw(st.sampled_from(ANY_OF_SALESFORCE))
    answer = org.send(method, "/services/data/v66.0" + path, body=spoiled(data, body))
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")
    if answer.status >= 400 and "tree" not in path:
        assert answer.json[0]["errorCode"]


CONTACT, DOCUMENT = "0035g00000AAAAAAA4", "0695g00000AAAAAAA4"
SERIES = {
    "IsRecurrence": True, "RecurrenceType": "RecursMonthlyNth", "RecurrenceStartDateOnly": "2026-12-01",
    "RecurrenceEndDateOnly": "2027-12-01", "RecurrenceInterval": 1, "RecurrenceDayOfWeekMask": 4,
    "RecurrenceInstance": "Last", "RecurrenceDayOfMonth": 3, "RecurrenceMonthOfYear": "May",
}  # fmt: skip
EVENT = {
    "StartDateTime": "2026-11-20T10:00:00Z", "EndDateTime": "2026-11-20T11:00:00Z", "DurationInMinutes": 60,
    "IsAllDayEvent": False, "ActivityDate": "2026-11-20", "EventWhoIds": [CONTACT], "WhatId": ACCOUNT,
}  # fmt: skip
VERSION = {
    "PathOnClient": "a.txt", "VersionData": "aGk=", "Title": "t", "FirstPublishLocationId": ACCOUNT,
    "ContentUrl": "http://a.test", "SharingPrivacy": "N",
}  # fmt: skip
ACTIVE: list[tuple[str, dict[str, Any]]] = [
    ("Task", {"WhoId": CONTACT, "WhatId": ACCOUNT, "TaskWhoIds": [CONTACT], "CallDurationInSeconds": 3}),
    ("Task", SERIES),
    ("Event", EVENT),
    ("Event", SERIES | EVENT | {"RecurrenceStartDateTime": "2026-12-01T08:00:00Z"}),
    ("Attachment", {"ParentId": ACCOUNT, "Name": "a", "Body": "aGk=", "ContentType": "a/b"}),
    ("ContentVersion", VERSION),
    ("ContentNote", {"Title": "t", "Content": "aGk=", "SharingPrivacy": "N"}),
    ("ContentDocumentLink", {"ContentDocumentId": DOCUMENT, "LinkedEntityId": ACCOUNT, "ShareType": "V"}),
    (
        "EmailMessage",
        {
            "RelatedToId": ACCOUNT, "ToIds": [CONTACT], "CcIds": [CONTACT], "FromAddress": "a@b.test",
            "ToAddress": "a@b.test", "Status": "5", "MessageDate": "2024-01-01", "TextBody": "t",
            "Incoming": True,
        },
    ),
]  # fmt: skip


@FEW
@given(data=st.data())
def test_salesforce_refuses_nonsense_about_files_and_activities_in_its_own_words(
    active: Org, data: st.DataObject
) -> None:
    object, body = data.draw(st.sampled_from(ACTIVE))
    first, second = spoiled(data, body), spoiled(data, body)
    answer = active.post(f"/sobjects/{object}", first)
    if answer.status == 201:
        id = answer.json["id"]
        answer = active.patch(f"/sobjects/{object}/{id}", second)
        assert active.get(f"/sobjects/{object}/{id}").status == 200
    assert answer.status in (201, 204) or answer.json[0]["errorCode"]


@pytest.mark.parametrize(
    "body", [b"", b"--b", b"--b\r\n\r\n", b"--b\n--b--", b"--b\r\nx: y\r\n\r\nz\r\n--b--"]
)
@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=b", 'multipart/x; boundary="']
)
@pytest.mark.parametrize("path", ["/sobjects/ContentVersion", "/composite/sobjects", "/jobs/ingest"])
def test_salesforce_refuses_odd_multipart_requests(active: Org, body: bytes, kind: str, path: str) -> None:
    answer = active.send("POST", "/services/data/v66.0" + path, body=body, headers={"content-type": kind})

    assert 400 <= answer.status < 500
    assert answer.code


FIELDS = [
    "Id",
    "Name",
    "BillingAddress",
    "CreatedDate",
    "AnnualRevenue",
    "Owner.Name",
    "IsDeleted",
    "a.b.c.d.e.f.g",
]
LITERALS = [
    "'a'", "5", "null", "true", "2024-99-99", "2024-13-01T00:00:00Z", "0001-01-01T00:00:00+05:00",
    "LAST_N_DAYS:999999999", "('a', 'b')", "9" * 5000, "(" * 400, "NOT " * 400, "(SELECT Name FROM Contact)",
    "(SELECT BillingAddress FROM Account)",
]  # fmt: skip
SHAPES = [
    "SELECT Id FROM Account WHERE {f} {o} {v}",
    "SELECT Id FROM Account WHERE {v}",
    "SELECT Id FROM Account ORDER BY {f} LIMIT {v}",
    "SELECT {f}, COUNT(Id) FROM Account GROUP BY {f} HAVING MAX({f}) {o} {v}",
    "SELECT MIN({f}), COUNT_DISTINCT({f}) FROM Account",
    "SELECT Id, (SELECT COUNT({f}) FROM Contacts) FROM Account",
    "SELECT CALENDAR_YEAR({f}) FROM Account WHERE HOUR_IN_DAY({f}) {o} {v}",
]


@FEW
@given(data=st.data())
def test_salesforce_answers_any_query(org: Org, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SHAPES)).replace("{f}", data.draw(st.sampled_from(FIELDS)))
    text = text.replace("{o}", data.draw(st.sampled_from(["=", "<", "LIKE", "IN", "NOT IN", "INCLUDES"])))
    answer = org.query(text.replace("{v}", data.draw(st.sampled_from(LITERALS))))
    assert answer.status == 200 or answer.json[0]["errorCode"]


@pytest.mark.parametrize(
    "path",
    [
        "/query/01g5g0000000001AAA-²",
        "/query/01g5g0000000001AAA-" + "9" * 5000,
        "/sobjects/Account/updated?start=0001-01-01T00:00:00Z&end=2026-11-20T00:00:00Z",
        "/sobjects/Account/Ext__c/ ",
        f"/composite/sobjects/Account?ids={ACCOUNT}&fields=",
        "/jobs/query/750/results?maxRecords=²",
    ],
)
def test_salesforce_refuses_odd_addresses(org: Org, path: str) -> None:
    assert 400 <= org.get(path).status < 500


def test_salesforce_refuses_odd_headers(org: Org) -> None:
    path = f"/sobjects/Account/{ACCOUNT}"
    assert org.patch(path, {"Phone": "1"}, headers={"if-unmodified-since": "soon"}).status == 400
    assert org.get("/sobjects/Account/describe", headers={"if-modified-since": "soon"}).status == 400
    naive = "Mon, 01 Jan 2024 00:00:00 -0000"
    assert org.get("/sobjects/Account/describe", headers={"if-modified-since": naive}).status == 200
    long = org.get("/limits", headers={"x-long": "x" * 16_384})
    assert (long.status, long.code) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")
    typed = org.post("/sobjects/Account", {"Name": "x"}, headers={"content-type": "text/plain"})
    assert (typed.status, typed.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "text",
    [b'"Name\n', b"\xff\xfe", b"", b"\n", b'Name\n"' + b"x" * 500_000 + b'"\n', b"Name\na\rb\x00\n"],
)
def test_salesforce_takes_any_upload_to_an_end(org: Org, text: bytes) -> None:
    job = org.post("/jobs/ingest", {"object": "Account", "operation": "insert"}).json["id"]
    path = f"/services/data/v66.0/jobs/ingest/{job}"
    assert org.send("PUT", f"{path}/batches", body=text, headers={"content-type": "text/csv"}).status == 201
    assert org.send("PATCH", path, body={"state": "UploadComplete"}).status == 200
    org.pass_time(5)
    assert org.send("GET", path).json["state"] in ("JobComplete", "Failed")
    for part in ("successfulResults", "failedResults", "unprocessedrecords"):
        assert org.send("GET", f"{path}/{part}").status == 200


@pytest.mark.parametrize("claims", [b"[]", b'{"iss":"admin-app","exp":[]}', b"1", b"x"])
def test_salesforce_refuses_odd_logins(org: Org, claims: bytes) -> None:
    import base64

    part = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    head = base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    form = f"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={head}.{part}.eA".encode()
    assert org.send("POST", "/services/oauth2/token", body=form, token=None).status == 400
    form = b"grant_type=client_credentials&client_id=admin-app&client_secret=%C3%A9"
    answer = org.send("POST", "/services/oauth2/token", body=form, token=ADMIN_TOKEN)
    assert (answer.status, answer.json["error"]) == (400, "invalid_client")


def test_a_portal_names_nothing_of_an_odd_path(tmp_path: Path) -> None:
    portal = Portal(tmp_path)
    for path in ("/crm/v3/limits/x", "/crm/v4/objects/contacts", "/crm/v3/objects/contacts/1/2/3", "/"):
        reply = portal.ask("GET", path)
        assert (reply.status, bool(reply.body["correlationId"])) == (404, True)
