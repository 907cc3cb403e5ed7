"""Who may call HubSpot's sandbox, how often, and what it tells about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.hubspot_portal import Portal

LIST = "/crm/v3/objects/companies"
FORM = {"content-type": "application/x-www-form-urlencoded"}
REFRESH = (
    b"grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret"
    b"&refresh_token=sandbox-refresh"
)


@pytest.fixture
def portal(tmp_path: Path) -> Portal:
    return Portal(tmp_path, burst=None)


def test_an_unknown_token_is_refused(portal: Portal) -> None:
    reply = portal.ask("GET", LIST, token="pat-na1-other")
    assert (reply.status, reply.body["category"]) == (401, "INVALID_AUTHENTICATION")
    assert reply.body["correlationId"] == reply.headers["X-HubSpot-Correlation-Id"]


def test_missing_scopes_are_named(portal: Portal) -> None:
    portal.seed(tokens=[{"token": "narrow", "app_id": 12, "scopes": ["crm.objects.companies.read"]}])
    assert portal.ask("GET", LIST, token="narrow").status == 200
    assert portal.ask("GET", LIST).status == 401
    for method, url, scope in (
        ("POST", LIST, "crm.objects.companies.write"),
        ("GET", "/crm/v3/objects/tickets", "tickets"),
        ("GET", "/crm/v4/associations/companies/deals/labels", "crm.objects.deals.read"),
        ("POST", "/crm/v3/properties/companies", "crm.schemas.companies.write"),
        ("GET", "/crm/v3/owners", "crm.objects.owners.read"),
    ):
        reply = portal.ask(method, url, {} if method == "POST" else None, token="narrow")
        assert (reply.status, reply.body["category"]) == (403, "MISSING_SCOPES")
        assert reply.body["errors"][0]["context"]["requiredGranularScopes"] == [scope]


def test_the_bodies_of_mails_need_their_scope(portal: Portal) -> None:
    id = portal.make("emails", hs_timestamp="2020-01-01", hs_email_text="secret", hs_email_status="SENT")
    scopes = ["crm.objects.contacts.read"]
    portal.seed(tokens=[{"token": "narrow", "scopes": scopes}])
    url = f"/crm/v3/objects/emails/{id}?properties=hs_email_text,hs_email_status"
    properties = portal.good("GET", url, token="narrow")["properties"]
    assert (properties["hs_email_text"], properties["hs_email_status"]) == (None, "SENT")


def test_an_oauth_token_lives_for_half_an_hour(portal: Portal) -> None:
    for path in ("/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"):
        body = portal.good("POST", path, REFRESH, headers=FORM)
        assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    token = body["access_token"]
    told = portal.good("GET", f"/oauth/v1/access-tokens/{token}")
    assert (told["hub_id"], told["app_id"]) == (4471203, 7002)
    introspect = b"client_id=sandbox-client&client_secret=sandbox-secret&token=" + token.encode()
    seen = portal.good("POST", "/oauth/2026-03/token/introspect", introspect, headers=FORM)
    assert (seen["active"], seen["token_use"], seen["hub_id"]) == (True, "access_token", 4471203)
    other = introspect.replace(b"sandbox-secret", b"x")
    assert portal.ask("POST", "/oauth/v3/token/introspect", other, headers=FORM).status == 400
    assert portal.ask("GET", LIST, token=token).status == 200
    portal.pass_time(1801)
    assert portal.good("POST", "/oauth/v3/token/introspect", introspect, headers=FORM) == {"active": False}
    reply = portal.ask("GET", LIST, token=token)
    assert (reply.status, reply.body["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert "expired" in reply.body["message"]
    form = b"token=" + token.encode()
    assert portal.ask("POST", "/oauth/2026-09/token/revoke", form, headers=FORM).status == 204
    assert portal.ask("GET", LIST, token=token).body["category"] == "INVALID_AUTHENTICATION"
    bad = portal.ask("POST", "/oauth/v1/token", REFRESH.replace(b"sandbox-refresh", b"x"), headers=FORM)
    assert (bad.status, bad.body["status"]) == (400, "BAD_REFRESH_TOKEN")


def test_a_fault_can_expire_any_token(portal: Portal) -> None:
    reply = portal.ask("GET", LIST, expire=True)
    assert (reply.status, reply.body["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_a_private_app_can_ask_what_its_token_may(portal: Portal) -> None:
    path = "/oauth/v2/private-apps/get/access-token-info"
    body = portal.good("POST", path, {"tokenKey": "pat-na1-sandbox"})
    assert (body["hubId"], body["appId"]) == (4471203, 7001)
    assert "crm.objects.deals.write" in body["scopes"]


def test_the_burst_window_rolls_and_its_words_are_exact(portal: Portal) -> None:
    replies = [portal.ask("GET", LIST) for _ in range(190)]
    assert {reply.status for reply in replies} == {200}
    assert replies[0].headers["X-HubSpot-RateLimit-Max"] == "190"
    assert replies[0].headers["X-HubSpot-RateLimit-Daily"] == "650000"
    assert replies[-1].headers["X-HubSpot-RateLimit-Remaining"] == "0"
    refused = portal.ask("GET", LIST)
    assert refused.status == 429
    assert refused.body["message"] == "You have reached your ten_secondly_rolling limit."
    assert refused.body["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.body["errorType"] == "RATE_LIMIT"
    assert "Retry-After" not in refused.headers
    portal.pass_time(10)
    assert portal.ask("GET", LIST).status == 200


def test_five_searches_a_second_and_no_headers(portal: Portal) -> None:
    url = f"{LIST}/search"
    replies = [portal.ask("POST", url, {}) for _ in range(6)]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert replies[5].body["message"] == "You have reached your secondly limit."
    assert not any("RateLimit" in name for name in replies[0].headers)
    portal.pass_time(1)
    assert portal.ask("POST", url, {}).status == 200


def test_the_days_calls_end_at_midnight_of_the_portal(tmp_path: Path) -> None:
    portal = Portal(tmp_path, daily=3)
    assert [portal.ask("GET", LIST).status for _ in range(4)] == [200, 200, 200, 429]
    assert portal.ask("GET", LIST).body["policyName"] == "DAILY"
    portal.pass_time(86_400)
    assert portal.ask("GET", LIST).status == 200


def test_the_account_tells_its_time_zone_and_its_use(portal: Portal) -> None:
    for base in ("/account-info/v3", "/account-info/2026-09"):
        body = portal.good("GET", f"{base}/details")
        assert (body["portalId"], body["timeZone"]) == (4471203, "America/New_York")
    row = portal.good("GET", "/account-info/v3/api-usage/daily/private-apps")["results"][0]
    assert row["usageLimit"] == 650_000
    assert row["currentUsage"] >= 2
    for what in (
        "records",
        "custom-properties",
        "pipelines",
        "custom-object-types",
        "associations/records/from",
    ):
        assert portal.ask("GET", f"/crm/v3/limits/{what}").status == 200


def test_the_vendors_own_failures_look_like_its_own(portal: Portal) -> None:
    assert portal.vendor.throttled(3).headers["Retry-After"] == "3"
    assert portal.vendor.broken(500).body["category"] == "INTERNAL_ERROR"
    assert portal.vendor.broken(502).media == "text/html"
