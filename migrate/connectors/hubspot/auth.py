"""Whose token is it, and where does the next one come from?

A private app's token and a service key don't expire. An OAuth access token lives for half an hour; its
refresh token, which doesn't expire, gives the next one. HubSpot, "OAuth tokens" (2026-03), read 2026-11-26:
all parameters stand in the body, so that no log of paths holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from migrate.clock import Clock
from migrate.connector import Settings
from migrate.connectors.credentials import Auth, Bearer, NoAuth
from migrate.connectors.http import Http, Reply
from migrate.connectors.hubspot.replies import error_body
from migrate.errors import SystemRefused, UsageError

LOGIN_CALL = 60.0  # seconds
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OAUTH = ("client_id", "client_secret", "refresh_token")

_REMEDIES = {
    "BAD_REFRESH_TOKEN": "Check REFRESH_TOKEN; it ends when the app is uninstalled from the portal.",
    "BAD_CLIENT_ID": "Check CLIENT_ID and CLIENT_SECRET: both belong to the app of the refresh token.",
    "BAD_CLIENT_SECRET": "Check CLIENT_SECRET.",
}


class Renewed:
    """An OAuth app's access token, fetched when it is needed and again when it has expired.

    Args:
        path: of the token endpoint.
    """

    def __init__(
        self,
        system: str,
        given: Mapping[str, str],
        clock: Clock,
        *,
        base_url: str,
        path: str,
        verify: bool | str,
    ) -> None:
        self._system, self._given, self._clock = system, {name: given[name] for name in OAUTH}, clock
        self._base_url, self._path, self._verify = base_url, path, verify
        self._token = ""

    def __repr__(self) -> str:
        return f"Renewed({self._system!r})"

    def headers(self) -> Mapping[str, str]:
        if not self._token:
            self.renew()
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Fetch an access token.

        Raises:
            SystemRefused: HubSpot didn't give one.
        """
        reply = self._post(self._path, {"grant_type": "refresh_token", **self._given})
        if reply.status != 200:
            body = error_body(reply)
            code = str(body.get("status") or body.get("category") or reply.status)
            raise SystemRefused(
                self._system,
                f"no access token for the refresh token: {code} {body.get('message') or ''}".rstrip(),
                _REMEDIES.get(code, "Check CLIENT_ID, CLIENT_SECRET and REFRESH_TOKEN."),
                code=code,
            )
        self._token = str(reply.json()["access_token"])
        return True

    def about(self) -> Mapping[str, object]:
        """What HubSpot says of the token: `hub_id`, `app_id`, `user_id`, `scopes`; nothing where it won't."""
        self.headers()
        asked = {name: self._given[name] for name in ("client_id", "client_secret")}
        form = {**asked, "token": self._token, "token_type_hint": "access_token"}
        reply = self._post(f"{self._path}/introspect", form)
        return dict(reply.json()) if reply.status == 200 else {}

    def _post(self, path: str, form: Mapping[str, str]) -> Reply:
        http = Http(
            self._system, self._base_url, self._clock, auth=NoAuth(),
            calls_per_second=None, concurrency=1, longest_call=LOGIN_CALL, verify=self._verify,
        )  # fmt: skip
        try:
            # A second token does no harm, so the call may be made again.
            return http.call(
                "POST",
                path,
                content=urlencode(form).encode(),
                headers=FORM,
                write=False,
                ok=(400, 401, 403, 404),
            )
        finally:
            http.close()


def auth_of(settings: Settings, *, base_url: str, path: str, verify: bool | str) -> Auth:
    """The credential that the settings hold.

    Raises:
        UsageError: they hold none.
    """
    given = settings.credentials
    if token := given.get("token"):
        return Bearer(token)
    if all(given.get(name) for name in OAUTH):
        return Renewed(settings.system, given, settings.clock, base_url=base_url, path=path, verify=verify)
    raise UsageError(
        f"system `{settings.system}`: no token among its credentials",
        "Set the variable <PREFIX>TOKEN to a private app's access token or a service key; or "
        "<PREFIX>CLIENT_ID, <PREFIX>CLIENT_SECRET and <PREFIX>REFRESH_TOKEN of an OAuth app.",
    )
