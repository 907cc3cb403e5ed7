"""How does a program without a browser log in, and what did it do wrong when it can't?

Three ways, by what the credentials hold: client id and secret (client credentials, at the org's My
Domain only), client id, user name and a private key (JWT bearer), or a ready access token. Neither
flow names a lifetime nor hands out a refresh token: a 401 is the sign to log in again.
Salesforce, "OAuth 2.0 Client Credentials Flow" and "OAuth 2.0 JWT Bearer Flow", read 2026-11-23.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from migrate.clock import Clock, is_loopback
from migrate.connectors.credentials import NoAuth
from migrate.connectors.http import Http
from migrate.connectors.salesforce.replies import at_login, error
from migrate.errors import SystemRefused, UsageError

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
JWT_LIFE = 180  # seconds; Salesforce takes assertions that end within about three minutes
LOGIN_CALL = 60.0

_REMEDIES = {
    "user hasn't approved": "Let an administrator pre-authorise the app for the user's profile.",
    "audience is invalid": "Set LOGIN_URL to https://login.salesforce.com (sandbox orgs: https://test.salesforce.com).",
    "invalid assertion": "Check that the key belongs to the app's certificate, and this machine's clock.",
    "expired authorization code": "Check this machine's clock; the assertion was too old on arrival.",
    "not supported on this domain": "Set INSTANCE_URL to the org's My Domain, https://<name>.my.salesforce.com.",
    "no client credentials user enabled": "Name a `Run As` user in the app's client credentials settings.",
    "authentication failure": "Check that the user is active and not locked, and the app's IP ranges.",
    "client identifier invalid": "Check CLIENT_ID; a new app takes up to ten minutes to be known.",
    "invalid client credentials": "Check CLIENT_SECRET.",
    "not admin approved": "Give the user access to the app in the app's policies.",
    "grant type not supported": "Switch this OAuth flow on in the app's settings.",
}


class Login:
    """A credential that logs in when it must. Serves as the `Auth` of the connector's `Http`."""

    def __init__(
        self,
        system: str,
        credentials: Mapping[str, str],
        clock: Clock,
        *,
        instance_url: str,
        login_url: str,
        verify: bool | str,
    ) -> None:
        self._system, self._credentials, self._clock = system, credentials, clock
        self._login_url, self._verify = login_url, verify
        self._token = credentials.get("access_token", "")
        self._instance = instance_url.rstrip("/")
        self.user = ""  # the user's id, once a log-in has named it

    def __repr__(self) -> str:
        return f"Login({self._system!r})"

    def instance(self) -> str:
        """The org's base URL; logs in where only that can tell it."""
        if not self._token:
            self.renew()
        return self._instance

    def headers(self) -> Mapping[str, str]:
        if not self._token:
            self.renew()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Log in. False where the credential is a ready token, which can't be renewed.

        Raises:
            SystemRefused: the log-in was refused.
            UsageError: the credentials are incomplete; nobody was asked.
        """
        given = self._credentials
        if given.get("client_id") and (given.get("key_file") or given.get("private_key")):
            self._log_in(self._login_url, self._assertion())
        elif given.get("client_id") and given.get("client_secret"):
            form = {
                "grant_type": "client_credentials",
                "client_id": given["client_id"],
                "client_secret": given["client_secret"],
            }
            self._log_in(self._instance, form)
        elif self._token:
            return False
        else:
            raise self._lacks(
                "no credentials to log in with",
                "Set INSTANCE_URL with CLIENT_ID and CLIENT_SECRET; or CLIENT_ID, USERNAME and KEY_FILE; or "
                "INSTANCE_URL with ACCESS_TOKEN (each with the plan's prefix in front).",
            )
        return True

    def _log_in(self, url: str, form: Mapping[str, str]) -> None:
        if not url:
            raise self._lacks("INSTANCE_URL is not set", "Set it to the org's My Domain.")
        http = Http(
            self._system, url, self._clock, auth=NoAuth(), classify=at_login,
            calls_per_second=None, concurrency=1, longest_call=LOGIN_CALL, verify=self._verify,
        )  # fmt: skip
        try:
            reply = http.call(
                "POST",
                TOKEN_PATH,
                content=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                write=False,  # a second log-in does no harm
                ok=(400, 401, 403, 404),
            )
        finally:
            http.close()
        if reply.status != 200:
            code, words = error(reply)
            known = (text for part, text in _REMEDIES.items() if part in words)
            remedy = next(known, "Check the credentials.")
            said = f"{code} ({words})" if code else words
            raise SystemRefused(self._system, f"the log-in failed: {said}", remedy, code=code)
        answer = reply.json()
        self._token = str(answer["access_token"])
        self._instance = self._trusted(str(answer.get("instance_url") or self._instance).rstrip("/"))
        self.user = str(answer.get("id") or "").rpartition("/")[2]

    def _trusted(self, url: str) -> str:
        """The host that the log-in names, if a token may be sent there."""
        if urlsplit(url).scheme == "https" or is_loopback(url):
            return url
        raise SystemRefused(self._system, f"the log-in named a host without TLS: {url}", "Check LOGIN_URL.")

    def _lacks(self, what: str, remedy: str) -> UsageError:
        return UsageError(f"system `{self._system}`: {what}", remedy)

    def _assertion(self) -> dict[str, str]:
        given = self._credentials
        if not given.get("username"):
            raise self._lacks("USERNAME is not set", "The JWT flow acts for a named user.")
        audience = given.get("audience") or self._login_url
        claims = {
            "iss": given["client_id"],
            "sub": given["username"],
            "aud": audience,
            "exp": int(self._clock.now().timestamp()) + JWT_LIFE,
        }
        signed = f"{_part({'alg': 'RS256'})}.{_part(claims)}"
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": f"{signed}.{_b64(self._sign(signed.encode()))}",
        }

    def _sign(self, message: bytes) -> bytes:
        try:
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import padding, rsa
        except ImportError:
            raise self._lacks(
                "the JWT bearer flow needs the package `cryptography`",
                "Install it, or use CLIENT_ID with CLIENT_SECRET.",
            ) from None
        given = self._credentials
        try:
            file = given.get("key_file")
            pem = Path(file).read_bytes() if file else given["private_key"].encode()
            key = serialization.load_pem_private_key(pem, password=None)
        except (OSError, ValueError, TypeError) as failure:
            raise self._lacks(
                f"the private key can't be read ({type(failure).__name__})",
                "KEY_FILE must name a PEM file without a password.",
            ) from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise self._lacks("the private key is no RSA key", "Salesforce takes RS256 only.")
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def _part(claims: Mapping[str, object]) -> str:
    return _b64(json.dumps(claims, separators=(",", ":")).encode())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
