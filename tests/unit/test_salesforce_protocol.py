"""Cursors, SOQL, describes and replies of Salesforce mean what its guides say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from migrate.clock import SystemClock
from migrate.connectors.http import Judgement, Reply, Verdict
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.auth import Login
from migrate.connectors.salesforce.bulk import Place
from migrate.connectors.salesforce.describe import is_crm_object, object_schema
from migrate.connectors.salesforce.replies import classifier
from migrate.errors import UsageError
from migrate.types import Kind


@pytest.mark.parametrize(
    "place",
    [
        Place("7505g00000AbCdE"),
        Place("7505g00000AbCdE", "", 100, 100),
        Place("7505g00000AbCdE", "MTAwMDAw", 50_000),
        Place("7505g00000AbCdE", "a:b#c==", 50_000, 27_000),
    ],
)
def test_a_cursor_names_its_place_again(place: Place) -> None:
    assert Place.parse(str(place)) == place


def test_a_fresh_jobs_cursor_is_its_id() -> None:
    assert str(Place("750x")) == "bulk:750x:"
    assert Place.parse("keyset:001") is None


def test_a_window_is_half_open_and_in_milliseconds() -> None:
    since, until = datetime(2026, 3, 1, 10, tzinfo=UTC), datetime(2026, 3, 1, 11, 0, 0, 999_999, tzinfo=UTC)
    assert soql.select("Account", ["Id"], soql.window("SystemModstamp", since, until)) == (
        "SELECT Id FROM Account WHERE SystemModstamp >= 2026-03-01T10:00:00.000Z"
        " AND SystemModstamp < 2026-03-01T11:00:00.999Z"
    )


def test_nothing_but_names_gets_into_a_query() -> None:
    with pytest.raises(UsageError):
        soql.select("Account", ["Id FROM Contact"])
    assert soql.text("O'Neil\\") == "'O\\'Neil\\\\'"


def test_a_describe_becomes_the_catalogs_words() -> None:
    schema = object_schema(
        {
            "name": "Opportunity",
            "label": "Opportunity",
            "createable": True,
            "updateable": False,
            "deletable": False,
            "fields": [
                field("Id", "id"),
                field("Name", "string", length=120, createable=True, nillable=False),
                field("Amount", "currency", precision=18, scale=2),
                field("Rating__c", "double", precision=3, scale=1, custom=True),
                field("BillingAddress", "address"),
                field("Body", "base64"),
                field("OwnerId", "reference", referenceTo=["User", "Group"]),
                field("StageName", "picklist", picklistValues=[
                    {"value": "Won", "label": "Gewonnen", "active": True},
                    {"value": "Old", "label": None, "active": False},
                ]),
                field("SystemModstamp", "datetime"),
                field("CreatedDate", "datetime"),
            ],
        },
        "https://acme.my.salesforce.com",
        {"Opportunity.Rating__c": 6},
    )  # fmt: skip
    assert list(schema.fields) == [
        "Id", "Name", "Amount", "Rating__c", "Body", "OwnerId", "StageName", "SystemModstamp", "CreatedDate"
    ]  # fmt: skip
    assert schema.fields["Name"].required
    assert schema.fields["Amount"].kind is Kind.MONEY
    assert (schema.fields["Amount"].precision, schema.fields["Amount"].scale) == (18, 2)
    assert (schema.fields["Rating__c"].precision, schema.fields["Rating__c"].scale) == (38, 6)
    assert schema.fields["OwnerId"].owner
    assert [(each.value, each.label, each.active) for each in schema.fields["StageName"].options] == [
        ("Won", "Gewonnen", True),
        ("Old", "Old", False),
    ]
    assert (schema.stamp, schema.created, schema.key_by) == ("SystemModstamp", "CreatedDate", "unique field")
    assert schema.url == "https://acme.my.salesforce.com/lightning/r/Opportunity/{id}/view"


def test_setup_objects_stay_out_and_custom_ones_come_in() -> None:
    def entry(name: str, **facts: Any) -> dict[str, Any]:
        return {"name": name, "queryable": True, "custom": name.endswith("__c"), **facts}

    assert is_crm_object(entry("Account"))
    assert is_crm_object(entry("Machine__c"))
    assert not is_crm_object(entry("Machine__c", customSetting=True))
    assert not is_crm_object(entry("Machine__c", queryable=False))
    assert not is_crm_object(entry("Profile"))
    assert is_crm_object(entry("Profile"), ["Profile"])


def field(name: str, type: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "label": name, "type": type, "nillable": True, **facts}


def judged(status: int, body: str, **headers: str) -> Judgement:
    reply = Reply("legacy", "GET", "/x", status, headers, body.encode(), False)
    return classifier(SystemClock(), lambda: "https://acme.my.salesforce.com")(reply)


@pytest.mark.parametrize(
    ("status", "code", "message", "verdict"),
    [
        (401, "INVALID_SESSION_ID", "Session expired or invalid", Verdict.EXPIRED),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Verdict.EXHAUSTED),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
         Verdict.THROTTLED),
        (403, "API_DISABLED_FOR_ORG", "The REST API is not enabled", Verdict.REFUSED),
        (400, "MALFORMED_QUERY", "unexpected token", Verdict.ANSWERED),
        (410, "UNSUPPORTED_API_VERSION", "gone", Verdict.REFUSED),
        (500, "UNKNOWN_EXCEPTION", "ErrorId", Verdict.BROKEN),
    ],
)  # fmt: skip
def test_a_reply_means_what_its_code_says(status: int, code: str, message: str, verdict: Verdict) -> None:
    assert judged(status, f'[{{"errorCode": "{code}", "message": "{message}"}}]').verdict is verdict


def test_a_page_of_html_is_a_broken_reply() -> None:
    assert judged(503, "<html>Maintenance</html>").verdict is Verdict.BROKEN


def test_the_calls_left_are_read_from_every_reply() -> None:
    judgement = judged(200, "{}", **{"sforce-limit-info": "api-usage=18/15000; per-app-api-usage=17/250"})
    assert (judgement.calls_left, judgement.calls_max) == (14_982, 15_000)


def login(credentials: dict[str, str]) -> Login:
    url = "https://login.salesforce.com"
    return Login("legacy", credentials, SystemClock(), instance_url="", login_url=url, verify=True)


def test_the_assertion_of_the_jwt_flow_verifies_with_the_apps_certificate(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "key.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    form = login({"client_id": "app", "username": "reader@acme.test", "key_file": str(file)})._assertion()
    claims = jwt.decode(
        form["assertion"], key.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com"
    )
    assert (claims["iss"], claims["sub"]) == ("app", "reader@acme.test")


@pytest.mark.parametrize(
    ("credentials", "remedy"),
    [
        ({}, "CLIENT_ID"),
        ({"client_id": "a", "client_secret": "b"}, "My Domain"),
        ({"client_id": "a", "username": "b", "key_file": "absent.pem"}, "PEM"),
        ({"client_id": "a", "private_key": "no key"}, "named user"),
    ],
)
def test_incomplete_credentials_are_the_users_to_mend_and_the_message_says_what_to_set(
    credentials: dict[str, str], remedy: str
) -> None:
    with pytest.raises(UsageError, match=remedy):
        login(credentials).headers()
