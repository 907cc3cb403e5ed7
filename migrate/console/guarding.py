"""Which requests get as far as a page? The door that stands before everything else.

- The Host must be one of ours: a foreign name that leads to this machine (DNS rebinding) is refused.
- What changes something must come from our own pages: its Origin is ours. A form's own token comes on top.
- A body has an end.

And what every answer carries: a policy (CSP) under which only our own style and script files run, no frame of
anybody's, nothing kept in a cache. A page that brings another policy (the report) keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers send forms with the Origin `null`
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), publickey-credentials-get=(self)",
}
LARGEST = 64 * 1024  # bytes of a form
SAFE = frozenset({"GET", "HEAD"})


class Guard:
    """Refuses what isn't for us, before anything is looked at.

    Args:
        hosts: how browsers may call us, `name:port`.
        secure: we speak TLS.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], *, secure: bool) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.origins = frozenset(f"{'https' if secure else 'http'}://{host}" for host in self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = self._refusal(scope)
        app: Any = PlainTextResponse(refused[1], refused[0]) if refused else self.app
        await app(scope, _bounded(receive), self._with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.hosts:
            names = ", ".join(sorted(self.hosts))
            return 421, f"This console answers to {names} only."
        if scope["method"] in SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if not (origin in self.origins if origin is not None else site == "same-origin"):
            return 403, "That didn't come from a page of this console; nothing was done."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST:
            return 413, "That is too much for a form; nothing was done."
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return sent


class TooLarge(Exception):
    """A body that said nothing of its length, and has no end."""


def _bounded(receive: Receive) -> Receive:
    left = LARGEST

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge
        return message

    return received
