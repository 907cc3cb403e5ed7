"""Who is calling, and may they?

Private-app tokens and OAuth access tokens are both bearer tokens; they differ in rate limits and in that
OAuth ones expire after 1,800 s. A refused call names the scopes that would have allowed it.

Facts: HubSpot, "Working with OAuth", "Scopes", read 2026-11-23.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.errors import SCOPES_PAGE, ApiError
from migrate.sandbox.vendor import Reply, Request


@dataclass(frozen=True)
class Token:
    """A bearer token that the portal knows."""

    token: str
    sort: str
    app_id: int
    scopes: frozenset[str]
    expires: float | None


def keep(
    sql: sqlite3.Connection,
    token: str,
    sort: str,
    app_id: int,
    scopes: Sequence[str],
    *,
    client_id: str | None = None,
    expires: float | None = None,
) -> None:
    """Store a token; `sort` is private, access or refresh (whose `client_id` is `id:secret`)."""
    sql.execute(
        "INSERT OR REPLACE INTO hs_token VALUES (?, ?, ?, ?, ?, ?)",
        (token, sort, app_id, client_id, orjson.dumps(list(scopes)).decode(), expires),
    )


def find(sql: sqlite3.Connection, token: str, *sorts: str) -> Token | None:
    """A stored token of one of the sorts."""
    query = "SELECT token, sort, app_id, scopes, expires FROM hs_token WHERE token = ?"
    row = sql.execute(query, (token,)).fetchone()
    if row is None or row[1] not in sorts:
        return None
    return Token(row[0], row[1], row[2], frozenset(orjson.loads(row[3])), row[4])


def caller(sql: sqlite3.Connection, request: Request, now: float) -> Token:
    """The token of a request.

    Raises:
        ApiError: 401, none, unknown or expired.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    token = find(sql, text.strip(), "private", "access") if scheme.lower() == "bearer" else None
    if token is None:
        raise ApiError(
            401,
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can "
            "find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            "INVALID_AUTHENTICATION",
        )
    if request.expire or (token.expires is not None and token.expires <= now):
        ago = max(1, int(now - (token.expires or now)))
        raise ApiError(
            401,
            f"The OAuth token used to make this call expired {ago} second(s) ago.",
            "EXPIRED_AUTHENTICATION",
            context={"expire time": [str(int((token.expires or now) * 1000))]},
        )
    return token


def allow(token: Token, needed: Sequence[Sequence[str]]) -> None:
    """Refuse unless the token has one scope of each alternative list.

    Raises:
        ApiError: 403 with the scopes that are missing.
    """
    missing = [choice[0] for choice in needed if not token.scopes & set(choice)]
    if missing:
        raise ApiError(
            403,
            "This app hasn't been granted all required scopes to make this call. Read more about required "
            f"scopes here: {SCOPES_PAGE}.",
            "MISSING_SCOPES",
            errors=[
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": missing},
                }
            ],
            links={"scopes": SCOPES_PAGE},
        )


def keep_code(sql: sqlite3.Connection, code: str, redirect_uri: str, refresh_token: str) -> None:
    """Store an authorization code: what a user's consent in the browser would have given, good for once."""
    tables.set_meta(sql, f"code:{code}", orjson.dumps([redirect_uri, refresh_token]).decode())


def _redeem(sql: sqlite3.Connection, form: Mapping[str, str]) -> str:
    key = f"code:{form.get('code', '')}"
    held = tables.get_meta(sql, key)
    if held is None:
        raise ApiError(
            400, "missing or unknown auth code", "BAD_AUTH_CODE", extra={"status": "BAD_AUTH_CODE"}
        )
    redirect_uri, refresh_token = orjson.loads(held)
    if form.get("redirect_uri") != redirect_uri:
        word = "MISMATCH_REDIRECT_URI_AUTH_CODE"
        raise ApiError(400, "redirect uri and auth code do not match", word, extra={"status": word})
    sql.execute("DELETE FROM hs_meta WHERE key = ?", (key,))
    return str(refresh_token)


def exchange(sql: sqlite3.Connection, request: Request, now: float, seconds: float) -> Reply:
    """`POST /oauth/.../token` with a refresh token, or with an authorization code of a seed's app.

    Raises:
        ApiError: 400 for bad credentials; its body has HubSpot's own `status` words.
    """
    form = request.form()
    if form.get("grant_type") == "authorization_code":
        form |= {"refresh_token": _redeem(sql, form)}
    elif form.get("grant_type") != "refresh_token":
        raise ApiError(
            400, "missing or unknown grant type", "BAD_GRANT_TYPE", extra={"status": "BAD_GRANT_TYPE"}
        )
    refresh = form.get("refresh_token", "")
    token = find(sql, refresh, "refresh")
    row = sql.execute("SELECT client_id FROM hs_token WHERE token = ?", (refresh,)).fetchone()
    if token is None:
        raise ApiError(
            400,
            "missing or invalid refresh token",
            "BAD_REFRESH_TOKEN",
            extra={"status": "BAD_REFRESH_TOKEN"},
        )
    if row[0] != f"{form.get('client_id', '')}:{form.get('client_secret', '')}":
        raise ApiError(
            400, "missing or invalid client id", "BAD_CLIENT_ID", extra={"status": "BAD_CLIENT_ID"}
        )
    made = secrets.token_urlsafe(48)
    keep(sql, made, "access", token.app_id, sorted(token.scopes), client_id=row[0], expires=now + seconds)
    body = {
        "token_type": "bearer",
        "access_token": made,
        "refresh_token": token.token,
        "expires_in": int(seconds),
    }
    return Reply(200, body)


def introspect(sql: sqlite3.Connection, form: Mapping[str, str], portal: dict[str, Any], now: float) -> Reply:
    """`POST /oauth/.../token/introspect`, for the app whose token it is (HubSpot, read 2026-11-26).

    Raises:
        ApiError: 400, another app's credentials.
    """
    token = form.get("token", "")
    row = sql.execute("SELECT client_id, expires FROM hs_token WHERE token = ? AND sort = 'access'", (token,))
    found = row.fetchone()
    if found is None or (found[1] is not None and found[1] <= now):
        return Reply(200, {"active": False})
    if found[0] != f"{form.get('client_id', '')}:{form.get('client_secret', '')}":
        raise ApiError(
            400, "missing or invalid client id", "BAD_CLIENT_ID", extra={"status": "BAD_CLIENT_ID"}
        )
    reply = describe(sql, token, "access", portal, now)
    more = {
        "active": True, "token_use": "access_token", "client_id": form["client_id"],
        "is_private_distribution": True,
    }  # fmt: skip
    return Reply(200, {**reply.body, **more})


def describe(sql: sqlite3.Connection, token: str, sort: str, portal: dict[str, Any], now: float) -> Reply:
    """`GET /oauth/v1/{access,refresh}-tokens/{token}`."""
    found = find(sql, token, sort)
    if found is None:
        raise ApiError(404, f"{sort} token not found", "OBJECT_NOT_FOUND")
    body: dict[str, Any] = {
        "token": found.token,
        "user": portal["user"],
        "hub_domain": portal["domain"],
        "scopes": sorted(found.scopes),
        "hub_id": portal["portalId"],
        "user_id": portal["userId"],
        "token_type": sort,
    }
    if sort == "access":
        body |= {"app_id": found.app_id, "expires_in": max(0, int((found.expires or now) - now))}
    else:
        row = sql.execute("SELECT client_id FROM hs_token WHERE token = ?", (token,)).fetchone()
        body["client_id"] = str(row[0]).partition(":")[0]
    return Reply(200, body)
