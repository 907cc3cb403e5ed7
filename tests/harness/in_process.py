"""How is a sandbox's application called without a socket? By a transport that speaks to it in its own loop.

The same application, routes and store as over HTTP; what a wire can do to a message isn't tested here.
`Stopping` breaks any transport off at a chosen write, as a process that dies there would.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2

from migrate.sandbox.endpoint import Controlled
from migrate.sandbox.pipeline import TRANSPORT, Sandbox
from migrate.sandbox.server import Running, find

WRITES = re.compile(r"^(PUT|PATCH|DELETE) |/batch/(?!read)")  # of HubSpot's records and associations
URL = "http://127.0.0.1:1"  # nobody listens there


class InProcess(httpx2.BaseTransport):
    """Requests to an application that runs in a loop of its own, one thread for all."""

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._application, self._loop = application, loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        body = request.read()
        told = asyncio.run_coroutine_threadsafe(self._answer(request, body), self._loop).result()
        return httpx2.Response(told["status"], headers=told["headers"], content=told["body"], request=request)

    async def _answer(self, request: httpx2.Request, body: bytes) -> dict[str, Any]:
        target, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http", "method": request.method, "path": request.url.path, "raw_path": target,
            "query_string": query, "scheme": request.url.scheme, "extensions": {TRANSPORT: None},
            "headers": [(key.lower(), value) for key, value in request.headers.raw],
            "http_version": "1.1", "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2), "root_path": "",
            "asgi": {"version": "3.0"},
        }  # fmt: skip
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        told: dict[str, Any] = {"status": 0, "headers": [], "body": b""}

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()  # the client stays until it has its answer
            raise AssertionError("nobody sets that event")

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told["status"], told["headers"] = message["status"], message["headers"]
            else:
                told["body"] += message.get("body", b"")

        await self._application(scope, receive, send)
        return told


class Stopped(BaseException):
    """The process ends here: nothing that it does afterwards reaches the target."""


class Stopping(httpx2.BaseTransport):
    """Passes on, until it stops everything at the n-th write.

    `arm(n, landed)`: the n-th write from now is the last that is seen; `landed` says whether it takes place.
    """

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner, self._lock = inner, threading.Lock()
        self._left, self._landed, self.dead = 0, False, False

    def arm(self, nth: int, *, landed: bool) -> None:
        """Stop at the n-th write from now; 0: never."""
        with self._lock:
            self._left, self._landed, self.dead = nth, landed, False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass one request on, or stop."""
        with self._lock:
            if self.dead:
                raise Stopped
            if self._left and WRITES.search(f"{request.method} {request.url.path}"):
                self._left -= 1
                self.dead = self._left == 0
            dies = self.dead
        if dies and not self._landed:
            raise Stopped
        reply = self._inner.handle_request(request)
        if dies:
            raise Stopped
        return reply

    def close(self) -> None:
        """Clients come and go; the way to the sandbox stays."""


@contextmanager
def sandbox(vendor: str, data: Path, speed: float, **settings: Any) -> Iterator[tuple[Running, InProcess]]:
    """A sandbox in this process, as a `Running` whose control endpoint needs no socket either."""
    data.mkdir(parents=True, exist_ok=True)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def made() -> Sandbox:  # SQLite's connection belongs to the thread that opened it
        return Sandbox(find(vendor), data, speed=speed, settings=settings)

    async def ended(one: Sandbox) -> None:
        one.close()

    one = asyncio.run_coroutine_threadsafe(made(), loop).result()
    transport = InProcess(Controlled(one), loop)
    running = Running(cast("Any", SimpleNamespace(pid=os.getpid())), URL, None, data)
    running.control._client.close()
    base = str(running.control._client.base_url)
    running.control._client = httpx2.Client(base_url=base, transport=transport)
    try:
        yield running, transport
    finally:
        running.control.close()
        asyncio.run_coroutine_threadsafe(ended(one), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
