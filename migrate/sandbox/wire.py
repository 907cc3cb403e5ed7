"""How does a request come off the connection, and how does a body go onto it?

The only module that knows the server's messages (ASGI). Bodies that lie on disk pass through in pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qs

from migrate.sandbox.contents import Opened
from migrate.sandbox.parts import Reader
from migrate.sandbox.vendor import Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Counted(Protocol):
    """What notes how many bytes of a body were sent."""

    bytes: int


class Line:
    """The connection that a request came over."""

    def __init__(self, receive: Receive, transport: asyncio.Transport) -> None:
        self._receive = receive
        self._transport = transport
        self.gone = False

    async def hung_up(self) -> None:
        """Wait until the client is gone. Only after the whole body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True

    async def cut(self, *, flush: bool = False, reset: bool = False) -> None:
        """Close the connection without another word.

        Args:
            flush: first send what is written already.
            reset: the client sees a reset instead of an end.
        """
        if reset and (peer := self._transport.get_extra_info("socket")) is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if flush:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                # Over TLS a close waits for the client's goodbye, which may never come.
                await asyncio.wait_for(self.hung_up(), 1.0)
        self._transport.abort()
        await self.hung_up()


async def whole_body(receive: Receive, reader: Reader | None) -> bytes | None:
    """The request's whole body, empty when a reader takes it; None when the client left before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if reader is None:
            parts.append(message["body"])
        else:
            reader.write(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def send_body(
    content: bytes | Opened, start: int, end: int, send: Send, seen: Counted, *, more: bool = False
) -> None:
    """Send the bytes from `start` to `end`, a piece at a time; `more` will follow."""
    if isinstance(content, bytes):
        await send({"type": "http.response.body", "body": content[start:end], "more_body": more})
    else:
        for piece in content.pieces(start, end):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            seen.bytes += len(piece)
        if not more:
            await send({"type": "http.response.body", "body": b""})
    seen.bytes = end


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers with lower-case names; those that come twice are joined."""
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def request_of(scope: Scope, headers: dict[str, str], body: bytes, number: int) -> Request:
    """The request as the vendor gets it."""
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        body=body,
        number=number,
        scheme=scope["scheme"],
        host=headers.get("host", "127.0.0.1"),
        raw_path=scope["raw_path"].decode("latin-1"),
    )
