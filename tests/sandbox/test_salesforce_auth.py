"""Do tokens come, live and die as the vendor's do?"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.salesforce_org import ADMIN_TOKEN, Answer, Org


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path, token_life=1000) as org:
        yield org


def token(org: Org, form: str, **headers: str) -> Answer:
    return org.send("POST", "/services/oauth2/token", body=form.encode(), headers=headers, token=None)


CREDENTIALS = "grant_type=client_credentials&client_id=admin-app&client_secret=sandbox-secret"


def test_client_credentials_give_a_token_without_an_expiry(org: Org) -> None:
    answer = token(org, CREDENTIALS).json

    assert set(answer) == {
        "access_token",
        "scope",
        "instance_url",
        "id",
        "token_type",
        "issued_at",
        "signature",
    }
    assert answer["access_token"][15] == "!"
    assert answer["instance_url"] == "https://acme.my.salesforce.com"
    assert org.get("/limits", token=answer["access_token"]).status == 200


def test_client_credentials_may_come_as_basic(org: Org) -> None:
    pair = base64.b64encode(b"admin-app:sandbox-secret").decode()

    assert token(org, "grant_type=client_credentials", authorization=f"Basic {pair}").status == 200


@pytest.mark.parametrize("host", ["login.salesforce.com", "test.salesforce.com"])
def test_client_credentials_are_refused_on_a_login_host(org: Org, host: str) -> None:
    answer = token(org, CREDENTIALS, host=host)

    assert answer.status == 400
    assert answer.json == {
        "error": "invalid_grant",
        "error_description": "request not supported on this domain",
    }


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("grant_type=client_credentials&client_id=nobody&client_secret=x", "invalid_client_id"),
        ("grant_type=client_credentials&client_id=admin-app&client_secret=x", "invalid_client"),
        ("grant_type=device", "unsupported_grant_type"),
        ("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c", "invalid_grant"),
    ],
)
def test_token_errors_are_objects(org: Org, form: str, error: str) -> None:
    answer = token(org, form)

    assert (answer.status, answer.json["error"]) == (400, error)


def test_refresh_tokens_and_passwords_work_when_seeded(org: Org) -> None:
    org.seed(
        {
            "clients": [
                {
                    "client_id": "web",
                    "client_secret": "s",
                    "refresh_tokens": {"again": "reader@sandbox.example"},
                    "passwords": {"reader@sandbox.example": "pw+token"},
                }
            ]
        }
    )

    refreshed = token(org, "grant_type=refresh_token&refresh_token=again&client_id=web")
    typed = token(
        org,
        "grant_type=password&client_id=web&client_secret=s&username=reader@sandbox.example&password=pw%2Btoken",
    )
    assert (refreshed.status, typed.status) == (200, 200)
    assert token(org, "grant_type=refresh_token&refresh_token=old&client_id=web").status == 400


def test_a_session_slides_with_use_and_dies_without(org: Org) -> None:
    access = token(org, CREDENTIALS).json["access_token"]

    org.pass_time(600)
    assert org.get("/limits", token=access).status == 200
    org.pass_time(600)
    assert org.get("/limits", token=access).status == 200
    org.pass_time(1001)
    dead = org.get("/limits", token=access)
    assert dead.status == 401
    assert dead.json == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_an_ordered_expiry_kills_the_token(org: Org) -> None:
    assert org.get("/limits", expire=True).status == 401
    assert org.get("/limits").status == 401
    assert token(org, CREDENTIALS).status == 200


def test_a_token_can_be_looked_at_and_revoked(org: Org) -> None:
    access = token(org, CREDENTIALS).json["access_token"]
    form = f"token={access}&client_id=admin-app&client_secret=sandbox-secret".encode()

    seen = org.send("POST", "/services/oauth2/introspect", body=form, token=None).json
    assert (seen["active"], seen["username"]) == (True, "admin@sandbox.example")
    info = org.send("GET", "/services/oauth2/userinfo", token=access).json
    assert (
        org.send("GET", f"/id/{info['organization_id']}/{info['user_id']}", token=access).json["active"]
        is True
    )
    assert (
        org.send("POST", "/services/oauth2/revoke", body=f"token={access}".encode(), token=None).status == 200
    )
    assert org.get("/limits", token=access).status == 401


def test_versions_need_no_token_and_old_ones_are_gone(org: Org) -> None:
    versions = org.send("GET", "/services/data/", token=None).json

    assert {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"} in versions
    assert org.send("GET", "/services/data/v30.0/limits").status == 410
    assert org.send("GET", "/services/data/v99.0/limits").code == "NOT_FOUND"
    assert org.get("/nothing").code == "NOT_FOUND"
    assert org.get("/limits", token=None).status == 401
    assert org.get("/query", query={"q": "SELECT " + "x" * 17_000}).status == 414


def test_requests_are_counted_and_refused_beyond_the_day(org: Org) -> None:
    org.vendor.settings["daily_limit"] = 2

    assert org.get("/limits").headers["Sforce-Limit-Info"] == "api-usage=1/2"
    assert org.get("/limits").status == 200
    refused = org.get("/limits")
    assert (refused.status, refused.code) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "Retry-After" not in refused.headers
    org.pass_time(90_000)
    assert org.get("/limits", token=ADMIN_TOKEN).status == 200


def test_a_user_without_the_api_is_told_so(org: Org) -> None:
    org.vendor.settings["permissions"] = {"*": {"PermissionsApiEnabled": False}}

    assert org.get("/limits").code == "API_DISABLED_FOR_ORG"


def test_outages_speak_json_or_html(org: Org) -> None:
    assert org.vendor.broken(500).body[0]["errorCode"] == "UNKNOWN_EXCEPTION"
    assert org.vendor.broken(503).media.startswith("text/html")
    assert org.vendor.throttled(5).status == 403
