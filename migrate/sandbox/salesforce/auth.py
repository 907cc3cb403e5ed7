"""Who gets a token, and is this token still good?

OAuth flows for a headless tool: client credentials (body or Basic), JWT bearer with
the RS256 signature checked, refresh token, username and password; then introspect,
revoke, userinfo and the identity URL. Errors are objects, not arrays. Sessions slide:
use in the second half of their life renews them (Salesforce, Help "OAuth
Authorization Flows", "OAuth 2.0 JWT Bearer Flow", read 2026-11-23).
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from migrate.sandbox.salesforce.records import Record, Records
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply, Request

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = re.compile(r"(login|test)\.salesforce\.com(:\d+)?")


class Denied(Exception):
    """The token endpoint's own kind of refusal."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error, self.description, self.status = error, description, status
        super().__init__(error, description)

    def reply(self) -> Reply:
        return Reply(self.status, {"error": self.error, "error_description": self.description})


@dataclass(frozen=True)
class Session:
    """A live token: whose it is, and when it dies (`None`: never)."""

    token: str
    user: Record
    client: str | None
    issued: float
    expires: float | None


class Auth:
    """OAuth over one transaction."""

    def __init__(self, tx: Tx, request: Request, now: datetime, settings: Mapping[str, Any]) -> None:
        self.tx, self.request, self.now, self.settings = tx, request, now, settings
        self.records = Records(tx.sql)

    # endpoints

    def handle(self, path: str) -> Reply | None:
        """Answer an OAuth path; None when it is none."""
        routes: dict[str, Callable[[], Reply]] = {
            "/services/oauth2/token": self.token,
            "/services/oauth2/introspect": self.introspect,
            "/services/oauth2/revoke": self.revoke,
            "/services/oauth2/userinfo": self.userinfo,
        }
        found = re.fullmatch(r"/id/(\w+)/(\w+)/?", path)
        if found:
            return self.identity()
        route = routes.get(path.rstrip("/"))
        if route is None:
            return None
        try:
            return route()
        except Denied as denied:
            return denied.reply()

    def token(self) -> Reply:
        if self.request.method != "POST":
            raise Denied("invalid_request", "must use HTTP POST")
        form = self._form()
        flows: dict[str, Callable[[dict[str, str]], tuple[Record, dict[str, Any]]]] = {
            "client_credentials": self._client_credentials,
            JWT_BEARER: self._jwt,
            "refresh_token": self._refresh,
            "password": self._password,
        }
        grant = form.get("grant_type", "")
        flow = flows.get(grant)
        if flow is None or grant in self.settings.get("flows_off", ()):
            raise Denied("unsupported_grant_type", "grant type not supported")
        user, client = flow(form)
        if not user.get("IsActive", True):
            raise Denied("invalid_grant", "authentication failure")
        access = self.issue(user["Id"], client.get("client_id"), client.get("life"))
        issued = str(int(self.now.timestamp() * 1000))
        answer = {
            "access_token": access,
            "scope": client.get("scope", "api id"),
            "instance_url": self.instance_url,
            "id": f"{self.instance_url}/id/{self.org_id}/{user['Id']}",
            "token_type": "Bearer",
        }
        if grant != JWT_BEARER:
            answer |= {"issued_at": issued, "signature": base64.b64encode(secrets.token_bytes(32)).decode()}
        return Reply(200, answer)

    def introspect(self) -> Reply:
        form = self._form()
        self._client(form, secret=True)
        session = self.session(form.get("token", ""))
        if session is None:
            return Reply(200, {"active": False})
        return Reply(
            200,
            {
                "active": True,
                "scope": "api id",
                "client_id": session.client,
                "username": session.user.get("Username"),
                "sub": f"{self.instance_url}/id/{self.org_id}/{session.user['Id']}",
                "token_type": "access_token",
                "exp": None if session.expires is None else int(session.expires),
                "iat": int(session.issued),
                "nbf": int(session.issued),
            },
        )

    def revoke(self) -> Reply:
        token = self._form().get("token") or self.request.arg("token") or ""
        if self.tx.sql.execute("UPDATE sf_token SET revoked = 1 WHERE token = ?", (token,)).rowcount == 0:
            raise Denied("unsupported_token_type", "this token is unknown")
        return Reply(200, b"")

    def userinfo(self) -> Reply:
        session = self.bearer()
        if session is None:
            return Reply(403, b"Bad_OAuth_Token", media="text/plain")
        user = session.user
        return Reply(
            200,
            {
                "sub": f"{self.instance_url}/id/{self.org_id}/{user['Id']}",
                "user_id": user["Id"],
                "organization_id": self.org_id,
                "preferred_username": user.get("Username"),
                "name": user.get("Name"),
                "email": user.get("Email"),
                "active": user.get("IsActive", True),
                "user_type": "STANDARD",
                "urls": self._urls(),
            },
        )

    def identity(self) -> Reply:
        """`/id/{org}/{user}`: always the running user's own."""
        session = self.bearer()
        if session is None:
            return Reply(403, b"Bad_OAuth_Token", media="text/plain")
        user = session.user
        return Reply(
            200,
            {
                "id": f"{self.instance_url}/id/{self.org_id}/{user['Id']}",
                "asserted_user": True,
                "user_id": user["Id"],
                "organization_id": self.org_id,
                "username": user.get("Username"),
                "display_name": user.get("Name"),
                "email": user.get("Email"),
                "active": user.get("IsActive", True),
                "user_type": "STANDARD",
                "urls": self._urls(),
            },
        )

    # tokens

    def issue(
        self, user: str, client: str | None, life: float | None = None, token: str | None = None
    ) -> str:
        """Make a token for a user."""
        life = float(life or self.settings.get("token_life", 7200))
        token = token or f"{self.org_id[:15]}!{secrets.token_hex(40)}"
        now = self.now.timestamp()
        self.tx.sql.execute(
            "INSERT OR REPLACE INTO sf_token VALUES (?, ?, ?, ?, ?, ?, 0)",
            (token, user, client, now, life, now + life),
        )
        return token

    def bearer(self) -> Session | None:
        """The session of the request's `Authorization` header; it is renewed in its second half."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth") or not token:
            token = self.request.arg("oauth_token") or ""
        token = token.strip()
        if self.request.expire:
            self.tx.sql.execute("UPDATE sf_token SET revoked = 1 WHERE token = ?", (token,))
        return self.session(token, renew=True)

    def session(self, token: str, *, renew: bool = False) -> Session | None:
        """The live session of a token."""
        row = self.tx.sql.execute(
            "SELECT user, client, issued, life, expires FROM sf_token WHERE token = ? AND revoked = 0",
            (token,),
        ).fetchone()
        now = self.now.timestamp()
        if row is None or (row[4] is not None and row[4] <= now):
            return None
        user = self.records.get("User", row[0])
        if user is None or not user.get("IsActive", True):
            return None
        expires = row[4]
        if renew and expires is not None and expires - now < row[3] / 2:
            expires = now + row[3]
            self.tx.sql.execute("UPDATE sf_token SET expires = ? WHERE token = ?", (expires, token))
        return Session(token, user, row[1], row[2], expires)

    # flows

    def _client_credentials(self, form: dict[str, str]) -> tuple[Record, dict[str, Any]]:
        if _LOGIN_HOSTS.fullmatch(self.host) or self.host in self.settings.get("login_hosts", ()):
            raise Denied("invalid_grant", "request not supported on this domain")
        client = self._client(form, secret=True)
        user = self._user(str(client.get("user") or ""))
        if user is None:
            raise Denied("invalid_grant", "no client credentials user enabled")
        return user, client

    def _jwt(self, form: dict[str, str]) -> tuple[Record, dict[str, Any]]:
        parts = form.get("assertion", "").split(".")
        try:
            header, claims = (orjson.loads(_decoded(part)) for part in parts[:2])
            signature = _decoded(parts[2])
        except (ValueError, IndexError) as error:
            raise Denied("invalid_grant", "invalid assertion") from error
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise Denied("invalid_grant", "invalid assertion")
        client = self._stored(str(claims.get("iss")))
        if client is None:
            raise Denied("invalid_client_id", "client identifier invalid")
        if header.get("alg") != "RS256" or not _signed(client, ".".join(parts[:2]).encode(), signature):
            raise Denied("invalid_grant", "invalid assertion")
        audience = str(claims.get("aud", "")).rstrip("/")
        if not re.fullmatch(r"https://[\w.-]+\.salesforce\.com", audience) and audience != self.instance_url:
            raise Denied("invalid_grant", "audience is invalid")
        try:
            end = float(claims.get("exp", 0))
        except (ValueError, TypeError) as error:
            raise Denied("invalid_grant", "invalid assertion") from error
        # A client's clock is the wall's, the sandbox's may run ahead; some clients send milliseconds.
        if end <= min(self.now.timestamp(), datetime.now(UTC).timestamp()):
            raise Denied("invalid_grant", "expired authorization code")
        user = self._user(str(claims.get("sub")))
        if user is None:
            raise Denied("invalid_grant", "user hasn't approved this consumer")
        approved = client.get("approved_users")
        if approved is not None and user["Id"] not in approved and user.get("Username") not in approved:
            raise Denied("invalid_grant", "user hasn't approved this consumer")
        return user, client

    def _refresh(self, form: dict[str, str]) -> tuple[Record, dict[str, Any]]:
        client = self._client(form, secret=False)
        user = self._user(str(client.get("refresh_tokens", {}).get(form.get("refresh_token", ""), "")))
        if user is None:
            raise Denied("invalid_grant", "expired access/refresh token")
        return user, client

    def _password(self, form: dict[str, str]) -> tuple[Record, dict[str, Any]]:
        client = self._client(form, secret=True)
        user = self._user(form.get("username", ""))
        wanted = client.get("passwords", {}).get(form.get("username", ""))
        if user is None or wanted is None or not _same(wanted, form.get("password", "")):
            raise Denied("invalid_grant", "authentication failure")
        return user, client

    # what the flows share

    def _form(self) -> dict[str, str]:
        return {key: values[0] for key, values in self.request.query.items()} | self.request.form()

    def _client(self, form: Mapping[str, str], *, secret: bool) -> dict[str, Any]:
        name, given = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, value = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, given = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Denied("invalid_client", "invalid client credentials", 401) from error
        client = self._stored(name)
        if client is None:
            raise Denied("invalid_client_id", "client identifier invalid")
        if (secret or given) and not _same(str(client.get("client_secret", "")), given):
            raise Denied("invalid_client", "invalid client credentials")
        return client

    def _stored(self, client: str) -> dict[str, Any] | None:
        row = self.tx.sql.execute("SELECT document FROM sf_client WHERE client = ?", (client,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def _user(self, name: str) -> Record | None:
        return find_user(self.records, name)

    @property
    def host(self) -> str:
        return self.request.headers.get("host") or self.request.host

    @property
    def instance_url(self) -> str:
        given = self.settings.get("instance_url")
        return str(given) if given else f"{self.request.scheme}://{self.host}"

    @property
    def org_id(self) -> str:
        return str(self.records.state("org"))

    def _urls(self) -> dict[str, str]:
        base = f"{self.instance_url}/services/data/v{{version}}/"
        return {"rest": base, "sobjects": base + "sobjects/", "query": base + "query/"}


def find_user(records: Records, name: str) -> Record | None:
    """A user by id or username."""
    if not name:
        return None
    found = records.get("User", name)
    if found is not None:
        return found
    return next((user for user in records.scan("User", deleted=False) if user.get("Username") == name), None)


def readable(pem: str) -> bool:
    """Whether a text is an RSA public key in PEM."""
    try:
        return isinstance(serialization.load_pem_public_key(pem.encode()), rsa.RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed(client: Mapping[str, Any], message: bytes, signature: bytes) -> bool:
    """Does the signature fit the client's public key? Without a key no assertion does."""
    pem = client.get("public_key")
    if not pem:
        return False
    key = serialization.load_pem_public_key(str(pem).encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
