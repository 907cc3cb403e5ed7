"""Which call may be sent again, at what pace, and what does a lost answer mean?

One object per system carries every call of a connector: it paces, retries, renews credentials and
tells the caller which of three things is true of a write: answered, surely not executed, or in doubt.
A read is repeated until it is answered in full. A write is repeated only where it can't have been
executed; everything else that leaves doubt is raised as `InDoubt` at once.

Vendors differ in what a reply means, so each connector hands over a `Classify`: reply in, `Judgement`
out. Waits run on the injected clock, so that a sandbox which runs fast keeps its proportions.
Credentials stand in no message and no log line: errors name method, path and status only.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2

from migrate.clock import Clock, is_loopback
from migrate.connector.calls import CallCounts
from migrate.connectors.answers import (
    Classify,
    Judgement,
    Reply,
    Verdict,
    http_date,
    retry_after,
    standard,
)
from migrate.connectors.credentials import Auth, trusting
from migrate.connectors.pace import Pace
from migrate.connectors.uploading import Sending, Upload
from migrate.errors import InDoubt, Parked, Retriable, SystemRefused

__all__ = [
    "Classify",
    "Http",
    "Judgement",
    "Reply",
    "Stream",
    "Verdict",
    "http_date",
    "retry_after",
    "standard",
]

CONNECT_TIMEOUT = 10.0
SHORTEST_READ_TIMEOUT = 1.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0

_CONNECT_FAILED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


class Stream:
    """A body that arrives in pieces; `headers` are there at once, names in lower case."""

    def __init__(self, system: str, path: str, response: httpx2.Response) -> None:
        self._system, self._path, self._response = system, path, response
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def packed(self) -> Iterator[bytes]:
        """Pieces as they came, so still gzip where `content-encoding` says so; other encodings are undone."""
        if self.headers.get("content-encoding", "gzip").lower() != "gzip":
            yield from self.bytes()
            return
        try:
            yield from self._response.iter_raw()
        except httpx2.HTTPError as error:
            raise Retriable(self._system, f"GET {self._path}: broke off ({type(error).__name__})") from None

    def bytes(self, size: int | None = None) -> Iterator[bytes]:
        """Decoded pieces. Raises Retriable where the body breaks off; nothing has been changed."""
        try:
            yield from self._response.iter_bytes(size)
        except httpx2.HTTPError as error:
            raise Retriable(self._system, f"GET {self._path}: broke off ({type(error).__name__})") from None


class Http:
    """Every call to one system: paced, retried where that is safe, thread safe.

    Args:
        auth: the credential's headers; renewed once, by one thread, when a call says that it expired.
        classify: what a reply means at this vendor.
        calls_per_second: on the clock's seconds; None where the vendor states no such limit.
        longest_call: seconds of the vendor's clock after which it has surely given up on a call; the read
            time-out, scaled by the clock's speed (never below a second).
        verify: True, False, or the path of a CA bundle.
        tries: attempts at one call before the work is parked.
        counts: is told of every try, and of what replies say of the quota.

    `before_write` is called in the sending thread right before every try of a write; where it raises, nothing
    is sent.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        clock: Clock,
        *,
        auth: Auth,
        classify: Classify = standard,
        calls_per_second: float | None,
        concurrency: int,
        longest_call: float,
        verify: bool | str = True,
        tries: int = 8,
        counts: CallCounts | None = None,
    ) -> None:
        self.system, self.clock = system, clock
        self.before_write: Callable[[], None] = _nothing
        self.calls_left: int | None = None
        self.calls_max: int | None = None
        self.server_date: datetime | None = None
        self.pace = Pace(clock, calls_per_second, concurrency)
        self._counts = CallCounts() if counts is None else counts
        self._base_url = base_url.rstrip("/")
        self._auth, self._classify, self._tries = auth, classify, tries
        self._renewing = threading.Lock()
        self._generation = 0
        self._random = random.Random()  # noqa: S311 - jitter, not a secret
        read = max(SHORTEST_READ_TIMEOUT, longest_call / clock.speed)
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(read, connect=CONNECT_TIMEOUT, pool=None),
            limits=httpx2.Limits(max_connections=concurrency + 4, max_keepalive_connections=concurrency + 4),
            verify=trusting(system, verify) if isinstance(verify, str) else verify,
            trust_env=not is_loopback(base_url),
            follow_redirects=False,
        )

    @property
    def calls_made(self) -> int:
        """Calls so far, every try of one counted; log-ins aren't."""
        return self.pace.started

    @property
    def base_url(self) -> str:
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        """Vendors whose login names the host to speak to set it then."""
        self._base_url = url.rstrip("/")

    def close(self) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        upload: Upload | None = None,
        headers: Mapping[str, str] | None = None,
        write: bool,
        ok: tuple[int, ...] | None = None,
        raw: bool = False,
    ) -> Reply:
        """Make one call and read its whole reply.

        Args:
            path: below the base URL, or a whole URL (credentials go to the base URL's origin only).
            upload: a body that streams; its write counts from its last chunk on (see `uploading`).
            write: whether the call may change something at the vendor.
            ok: statuses beside 2xx that are the caller's to read; any other is a `SystemRefused`.
            raw: the body isn't JSON (files, CSV) and isn't looked at. Replies that call themselves CSV,
                plain text or bytes are never looked at.

        Raises:
            InDoubt: a write whose answer wasn't read in full.
            Parked: the vendor is away, throttles for too long, or a quota has run out; not executed.
            SystemRefused: credentials, rights, or a status nobody expected.
        """
        renewed = 0
        for attempt in range(1, self._tries + 1):
            generation = self._generation
            with self.pace.slot():
                if write:
                    self.before_write()  # after the wait for our turn, so that it sees the moment of sending
                sending = Sending(upload, self.before_write) if upload else None
                try:
                    response = self._client.request(
                        method,
                        self._url(path),
                        params=params,
                        json=json,
                        content=content if sending is None else iter(sending),
                        headers={**self._auth_headers(path), **_of(upload), **(headers or {})},
                    )
                except _CONNECT_FAILED as error:
                    response, failure = (
                        None,
                        Judgement(
                            Verdict.NOT_EXECUTED, f"{method} {path}: no connection ({type(error).__name__})"
                        ),
                    )
                except (httpx2.HTTPError, httpx2.StreamError) as error:
                    what = f"{method} {path}: no full answer ({type(error).__name__})"
                    if write and (sending is None or sending.whole):
                        self._counts.note(method, path, error=True)
                        raise InDoubt(self.system, what) from None
                    response, failure = None, Judgement(Verdict.BROKEN, what)
            if response is None:
                self._counts.note(method, path, error=True)
                self._wait_after(failure, attempt, None)
                continue
            reply = self._reply(method, path, response, write)
            judgement = self._judge(reply)
            if judgement.verdict is Verdict.REFUSED and reply.status in (ok or ()):
                return reply
            match judgement.verdict:
                case Verdict.ANSWERED:
                    self.pace.went_well()
                    if reply.status < 300 and not raw and reply.should_be_json:
                        try:
                            reply.json()
                        except Retriable as error:
                            self._wait_after(Judgement(Verdict.BROKEN, error.what), attempt, None)
                            continue
                    if reply.status < 300 or reply.status in (ok or ()):
                        return reply
                    raise SystemRefused(
                        self.system,
                        f"{method} {path}: status {reply.status} {judgement.what}".rstrip(),
                        judgement.remedy,
                        code=judgement.code or str(reply.status),
                    )
                case Verdict.EXPIRED:
                    renewed += 1
                    if renewed > 1 or not self._renew(generation):
                        raise SystemRefused(
                            self.system,
                            f"the credential was not accepted ({judgement.what})",
                            judgement.remedy
                            or "Check the credential's environment variables; it may be revoked or rotated.",
                            code=judgement.code or "401",
                        )
                case Verdict.REFUSED:
                    raise SystemRefused(self.system, judgement.what, judgement.remedy, code=judgement.code)
                case Verdict.EXHAUSTED:
                    raise Parked(self.system, judgement.what, judgement.resume_at)
                case Verdict.BROKEN if write:
                    raise InDoubt(self.system, judgement.what)
                case _:
                    self._wait_after(judgement, attempt, reply)
        raise Parked(self.system, f"{method} {path}: no answer after {self._tries} tries")

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Stream]:
        """A GET whose body isn't held in memory. Repeated until the reply's head has come.

        Raises:
            Retriable: from the body's iterator, where it breaks off.
            Parked, SystemRefused: as `call`.
        """
        renewed = 0
        for attempt in range(1, self._tries + 1):
            generation = self._generation
            with self.pace.slot():
                sent = {**self._auth_headers(path), **(headers or {})}
                request = self._client.build_request("GET", self._url(path), params=params, headers=sent)
                try:
                    response = self._client.send(request, stream=True)
                    if response.status_code >= 300:
                        response.read()
                except (httpx2.HTTPError, httpx2.StreamError) as error:
                    response = None
                    judgement = Judgement(Verdict.BROKEN, f"GET {path}: no answer ({type(error).__name__})")
                if response is not None and response.status_code < 300:
                    try:
                        self._note_date(response)
                        self._counts.note("GET", path)
                        self.pace.went_well()
                        yield Stream(self.system, path, response)
                        return
                    finally:
                        response.close()
            reply = None
            if response is not None:
                response.close()
                reply = self._reply("GET", path, response, False)
                judgement = self._judge(reply)
            else:
                self._counts.note("GET", path, error=True)
            if reply is not None:
                if judgement.verdict is Verdict.EXPIRED and renewed == 0 and self._renew(generation):
                    renewed += 1
                    continue
                if judgement.verdict is Verdict.EXHAUSTED:
                    raise Parked(self.system, judgement.what, judgement.resume_at)
                if judgement.verdict in (Verdict.ANSWERED, Verdict.REFUSED, Verdict.EXPIRED):
                    raise SystemRefused(
                        self.system,
                        f"GET {path}: status {reply.status} {judgement.what}",
                        judgement.remedy,
                        code=judgement.code or str(reply.status),
                    )
            self._wait_after(judgement, attempt, reply)
        raise Parked(self.system, f"GET {path}: no answer after {self._tries} tries")

    def _url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self._base_url}/{path.lstrip('/')}"

    def _auth_headers(self, path: str) -> Mapping[str, str]:
        if path.startswith(("http://", "https://")) and _origin(path) != _origin(self._base_url):
            return {}
        if self._generation == 0:
            with self._renewing:  # the first login is one thread's
                return self._auth.headers()
        return self._auth.headers()

    def _renew(self, generation: int) -> bool:
        with self._renewing:
            if generation != self._generation:
                return True  # another thread has done it since this call was built
            renewed = self._auth.renew()
            self._generation += renewed
            return renewed

    def _reply(self, method: str, path: str, response: httpx2.Response, write: bool) -> Reply:
        self._note_date(response)
        headers = {name.lower(): value for name, value in response.headers.items()}
        plain = path.partition("?")[0]
        return Reply(self.system, method, plain, response.status_code, headers, response.content, write)

    def _note_date(self, response: httpx2.Response) -> None:
        date = http_date(response.headers.get("date", ""))
        self.server_date = date or self.server_date

    def _judge(self, reply: Reply) -> Judgement:
        judgement = self._classify(reply)
        if judgement.calls_max is not None:
            self.calls_max = judgement.calls_max
        if judgement.calls_left is not None:
            self.calls_left = judgement.calls_left
        self._counts.quota(judgement.calls_left, judgement.calls_max)
        self._counts.note(
            reply.method, reply.path,
            error=judgement.verdict in (Verdict.BROKEN, Verdict.NOT_EXECUTED),
            throttled=judgement.verdict is Verdict.THROTTLED,
            refused=judgement.verdict in (Verdict.REFUSED, Verdict.EXHAUSTED),
        )  # fmt: skip
        return judgement

    def _wait_after(self, judgement: Judgement, attempt: int, reply: Reply | None) -> None:
        throttled = judgement.verdict is Verdict.THROTTLED
        after = judgement.after if judgement.after is not None else retry_after(reply, self.clock.now())
        if attempt >= self._tries:
            resume = self.clock.now() + timedelta(seconds=after) if after else None
            raise Parked(self.system, f"{judgement.what}; {attempt} tries", resume)
        wait = self._random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
        if throttled:
            self.pace.throttled(after if after is not None else wait)
        self.clock.sleep(wait if after is None else after + self._random.uniform(0, 0.1 * after))


def _of(upload: Upload | None) -> dict[str, str]:
    """An upload's headers: its length is known, so that nothing less is taken for the whole."""
    return {"Content-Type": upload.media, "Content-Length": str(upload.length)} if upload else {}


def _nothing() -> None:
    return


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
