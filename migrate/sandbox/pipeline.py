"""How does a request become a reply, a fault, or a silence?

arrival → before commit → [transaction: the vendor handles it] → after commit →
reply. Between the arrows a fault may hold, drop or change things; within the
brackets nothing may, because everything there runs without an `await`. The
control endpoint stands beside this (`endpoint.py`) and is never faulted or counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.contents import Opened
from migrate.sandbox.faults import Fault, Faults, Holds
from migrate.sandbox.parts import Reader
from migrate.sandbox.store import Store, Tx, moment
from migrate.sandbox.vendor import Reply, Request, Vendor
from migrate.sandbox.wire import Line, Receive, Scope, Send, headers_of, request_of, send_body, whole_body

TICK = 0.2  # wall seconds between two looks for tasks that are due
TRANSPORT = "migrate.sandbox.transport"  # the scope's extension that holds the connection's transport

logger = logging.getLogger("migrate.sandbox")


class Forgotten(Exception):
    """A fault ordered that nothing more happens to this request."""


@dataclasses.dataclass
class Seen:
    """One vendor request as `/requests` shows it.

    `status` is None while it is underway and 0 when nothing was executed;
    `bytes` counts the reply's body as far as it was sent.
    """

    number: int
    at: str
    method: str
    path: str
    received: int
    faults: list[str]
    status: int | None = None
    bytes: int = 0


class Sandbox:
    """One vendor with its clock, store, faults and history: an ASGI application.

    Args:
        vendor: the class of the vendor.
        data: folder of the store; what an earlier run left there is taken up.
    """

    def __init__(
        self,
        vendor: type[Vendor],
        data: Path,
        *,
        speed: float = 1.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = SandboxClock(speed=speed)
        self.store = Store(data, self.clock)
        self.vendor = vendor(self.clock, dict(settings or {}))
        self.faults = Faults()
        self.holds = Holds()
        self.requests: list[Seen] = []
        self.failures: list[dict[str, Any]] = []
        self._number = int(self.store.remembered("requests") or 0)
        self._take_up()

    def _take_up(self) -> None:
        last_at, last_request = self.store.connection.execute(
            "SELECT max(at), max(request) FROM _log"
        ).fetchone()
        for at in (last_at, self.store.remembered("now")):
            if at is not None:
                self.clock.not_before(moment(at))
        self._number = max(self._number, last_request or 0)
        with self.store.begin() as tx:
            self.vendor.setup(tx)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = headers_of(scope)
        media = headers.get("content-type", "")
        streams = media.startswith("multipart/form-data")
        if streams and self.vendor.streams(scope["method"], scope["path"]):
            reader: Reader | None = Reader(media, self.store.contents)
        else:
            reader = None
        try:
            body = await whole_body(receive, reader)
            if body is not None:
                await self._served(scope, headers, body, reader, receive, send)
        finally:
            if reader is not None:
                reader.discard()

    async def _served(
        self,
        scope: Scope,
        headers: dict[str, str],
        body: bytes,
        reader: Reader | None,
        receive: Receive,
        send: Send,
    ) -> None:
        self._number += 1
        request = request_of(scope, headers, body, self._number)
        received, seen_body = len(body), body
        if reader is not None:
            request = dataclasses.replace(request, parts=reader.parts(), trouble=reader.trouble)
            received, seen_body = reader.received, reader.sample()
        query = scope["query_string"].decode("latin-1")
        raw = f"{request.raw_path}?{query}" if query else request.raw_path
        target = f"{request.path}?{unquote_plus(query)}" if query else request.path
        faults = self.faults.take(request.method, request.path, target, seen_body)
        seen = Seen(
            number=request.number,
            at=self.clock.now().isoformat(),
            method=request.method,
            path=raw,
            received=received,
            faults=[fault.id for fault in faults],
        )
        self.requests.append(seen)
        line = Line(receive, scope["extensions"][TRANSPORT])
        try:
            reply = await self._answer(request, faults, line, seen) if faults else self._execute(request)
            seen.status = reply.status
            with contextlib.closing(reply):
                if not line.gone:
                    half = [fault for fault in faults if fault.at == "half_reply"]
                    await self._send(reply, request, half, line, send, seen)
        except Forgotten:
            seen.status = seen.status or 0

    async def _answer(self, request: Request, faults: list[Fault], line: Line, seen: Seen) -> Reply:
        await self._pass("arrival", faults, request, line)
        for fault in faults:
            if fault.kind == "slow":
                await self._pause(float(fault.do["seconds"]))
        for fault in faults:
            if fault.kind == "status":
                return self._refuse(fault)
        await self._pass("before_commit", faults, request, line)
        for fault in faults:
            if fault.kind == "late_commit":
                await self._late(fault, request, line)
            elif fault.kind == "expire":
                request = dataclasses.replace(request, expire=True)
            elif fault.kind == "shuffle":
                request = dataclasses.replace(request, shuffle=True)
            elif fault.kind == "partial":
                request = dataclasses.replace(request, partial=tuple(fault.do["rows"]))
        reply = self._execute(request)
        seen.status = reply.status
        try:
            await self._pass("after_commit", faults, request, line)
        except BaseException:
            reply.close()
            raise
        for fault in faults:
            if fault.kind == "garbage":
                reply.close()
                media = fault.do.get("media", reply.media)
                reply = Reply(int(fault.do.get("status", 200)), str(fault.do["body"]).encode(), {}, media)
        return reply

    async def _pass(self, point: str, faults: list[Fault], request: Request, line: Line) -> None:
        for fault in faults:
            if fault.at != point:
                continue
            if fault.kind == "act":
                self._attempt(f"act of {fault.id}", partial(self.act, dict(fault.do["action"])))
            elif fault.kind == "hold":
                await self._hold(fault, request, line, point)
            elif fault.kind == "drop":
                await line.cut(flush=point == "half_reply", reset=bool(fault.do.get("reset")))
                raise Forgotten

    async def _hold(self, fault: Fault, request: Request, line: Line, point: str) -> None:
        held = self.holds.add(request.number, request.method, request.path, point)
        try:
            await _first(held.released.wait(), line.hung_up())
        finally:
            self.holds.remove(held)
        if not held.released.is_set() and fault.do.get("then", "proceed") == "drop":
            raise Forgotten

    async def _late(self, fault: Fault, request: Request, line: Line) -> None:
        """Wait until the client has gone, then the ordered time more; a release ends both at once."""
        held = self.holds.add(request.number, request.method, request.path, "late_commit")
        close_after = fault.do.get("close_after")
        try:
            if close_after is None:
                await _first(held.released.wait(), line.hung_up())
            else:
                await _first(held.released.wait(), line.hung_up(), asyncio.sleep(float(close_after)))
                if not held.released.is_set():
                    await line.cut()
            if not held.released.is_set():
                held.gone = True
                await _first(held.released.wait(), self._pause(float(fault.do["seconds"])))
        finally:
            self.holds.remove(held)

    async def _pause(self, seconds: float) -> None:
        end = self.clock.now() + timedelta(seconds=seconds)
        while (left := (end - self.clock.now()).total_seconds()) > 0:
            # In short steps, because the clock may be set meanwhile.
            await asyncio.sleep(min(self.clock.wall(left), TICK))

    def _refuse(self, fault: Fault) -> Reply:
        status, after = int(fault.do["status"]), fault.do.get("retry_after")
        dated = after == "http-date"
        seconds = float(fault.do.get("seconds", 2.0)) if dated else None if after is None else float(after)
        reply = self.vendor.throttled(seconds) if status == 429 else self.vendor.broken(status)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        if dated and seconds is not None:
            # A date has whole seconds: round up, so that nobody comes back too early.
            when = self.clock.now() + timedelta(seconds=seconds + 1)
            headers["retry-after"] = format_datetime(when, usegmt=True)
        elif seconds is not None and status != 429:
            headers["retry-after"] = f"{seconds:g}"
        if fault.do.get("html"):
            page = f"<html><body><h1>{status}</h1>The server can't answer now.</body></html>"
            return Reply(status, page, headers, "text/html")
        return Reply(status, reply.body, headers, reply.media)

    def _execute(self, request: Request) -> Reply:
        self.run_due()
        tx = self.store.begin(request.number)
        try:
            reply = self.vendor.handle(request, tx)
            reply.fix()
            tx.commit()
        except Exception as error:
            # A hole in the simulator must look like a vendor that breaks, and be seen in `/health`.
            tx.rollback()
            logger.exception("%s %s", request.method, request.path)
            self._failed(f"{request.method} {request.path}", error)
            return self.vendor.broken(500)
        return reply

    async def _send(
        self, reply: Reply, request: Request, half: list[Fault], line: Line, send: Send, seen: Seen
    ) -> None:
        content = (
            b"" if reply.status == 204 else reply.body if isinstance(reply.body, Opened) else reply.content()
        )
        length = content.length if isinstance(content, Opened) else len(content)
        headers = {name.lower(): str(value) for name, value in reply.headers.items()}
        headers.setdefault("date", format_datetime(self.clock.now(), usegmt=True))
        if reply.status != 204:
            headers["content-length"] = str(length)
        if length:
            headers.setdefault("content-type", reply.media)
        start = {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
        middle = 0
        if half:
            # Half of a body is seen by the client; of an empty one nothing is, not even the status.
            middle = length // 2
            if length:
                await send(start)
                await send_body(content, 0, middle, send, seen, more=True)
            await self._pass("half_reply", half, request, line)
            if line.gone:
                return
        if not (half and length):
            await send(start)
        await send_body(content, middle, length, send, seen)

    def act(self, action: dict[str, Any]) -> dict[str, Any]:
        """Let a user act, in a transaction of its own."""
        self.run_due()
        with self.store.begin() as tx:
            return self.vendor.act(tx, action)

    def soon(self, seconds: float = 60.0) -> int:
        """How many tasks that were put off fall due within so many seconds; does those that are due now."""
        self.run_due()
        until = (self.clock.now().timestamp() + seconds,)
        return int(
            self.store.connection.execute("SELECT count(*) FROM _tasks WHERE due <= ?", until).fetchone()[0]
        )

    def run_due(self) -> None:
        """Do all that was put off until now, each task in a transaction of its own."""
        connection = self.store.connection
        while True:
            now = self.clock.now().timestamp()
            if connection.execute("SELECT 1 FROM _tasks WHERE due <= ? LIMIT 1", (now,)).fetchone() is None:
                return
            with self.store.begin() as tx:
                if task := self.store.next_due(tx):
                    # A task that fails is undone and not tried again, or it would fail for ever.
                    self._attempt(f"task `{task[0]}`", partial(self._do, tx, *task))

    def _do(self, tx: Tx, kind: str, payload: dict[str, Any]) -> None:
        with tx.savepoint():
            self.vendor.due(tx, kind, payload)

    def _attempt(self, what: str, work: Callable[[], object]) -> None:
        """Do `work`; a failure goes to the log and `/health` and stops nobody."""
        try:
            work()
        except Exception as error:
            logger.exception("%s", what)
            self._failed(what, error)

    def _failed(self, what: str, error: Exception) -> None:
        self.failures.append({"at": self.clock.now().isoformat(), "what": what, "error": repr(error)})

    def save(self, to: Path) -> None:
        """Copy the store, with the time and the count of requests."""
        self.run_due()
        self._remember()
        self.store.save(to)

    def restore(self, source: Path) -> None:
        """Put the store back and let the vendor forget what it holds in memory."""
        self.store.restore(source)
        self._take_up()
        self.vendor.reset()

    def _remember(self) -> None:
        self.store.remember("now", self.clock.now().isoformat())
        self.store.remember("requests", str(self._number))

    async def tick(self) -> None:
        """Run tasks as they fall due, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self._attempt("tick", self.run_due)

    def close(self) -> None:
        """Put everything away for the next start."""
        self._remember()
        self.store.close()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one of them is done; cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
