"""Something between a product and S3 that breaks what passes: a raw HTTP/1.1 proxy on loopback.

It forwards requests byte for byte (so signatures hold) and does what it was ordered to, by the method and
path of a request. It knows nothing of S3 but how an error of S3's looks.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

IDLE = 0.05


@dataclass
class Fault:
    """What happens to requests that match.

    `match`: a regular expression over `METHOD /path?query`. `do`: half (half of the body goes on, then both
    ends are cut); lost (the request goes on, its answer doesn't come back); refuse (an error, unasked); spoil
    (a byte of the answer's body is flipped). `times`: how often, -1 for ever. `skip`: how many pass before.
    """

    match: str
    do: str
    times: int = 1
    skip: int = 0
    status: int = 503
    code: str = "SlowDown"
    hits: int = 0


@dataclass
class Proxy:
    """Use as a context manager."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def order(self, *faults: Fault) -> None:
        """From now on these, and no others."""
        with self._lock:
            self.faults = list(faults)
            self.seen = []

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._threads.append(thread)
            thread.start()

    def _fault(self, line: str) -> Fault | None:
        with self._lock:
            self.seen.append(line)
            for each in self.faults:
                if not re.search(each.match, line) or each.hits == each.times:
                    continue
                if each.skip:
                    each.skip -= 1
                    continue
                each.hits += 1
                return each
        return None

    def _serve(self, peer: socket.socket) -> None:
        at = urlsplit(self.upstream)
        peer.settimeout(IDLE)
        reader = _Reader(peer, self._closing)
        with (
            contextlib.suppress(ConnectionError, TimeoutError),
            peer,
            socket.create_connection((str(at.hostname), int(at.port or 80))) as server,
        ):
            while self._one(reader, peer, server):
                pass

    def _one(self, reader: _Reader, peer: socket.socket, server: socket.socket) -> bool:
        """Pass one request on and its answer back; whether the connection goes on."""
        head = reader.head()
        if not head:
            return False
        method, target = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
        length = _length(head)
        if re.search(rb"(?im)^expect: *100-continue\r$", head):
            head = re.sub(rb"(?im)^expect: [^\r]*\r\n", b"", head)
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = reader.exactly(length)
        fault = self._fault(f"{method} {target}")
        if fault is not None and fault.do == "refuse":
            peer.sendall(_refusal(fault, method))
            return True
        if fault is not None and fault.do == "half":
            server.sendall(head + body[: len(body) // 2])
            time.sleep(IDLE)  # so that it arrives before the end does
            return False
        server.sendall(head + body)
        if fault is not None and fault.do == "lost":
            answer = _Reader(server, self._closing)
            answer.exactly(0 if method == "HEAD" else _length(answer.head()))
            return False
        self._back(method, peer, server, spoil=fault is not None)
        return True

    def _back(self, method: str, peer: socket.socket, server: socket.socket, *, spoil: bool) -> None:
        server.settimeout(IDLE)
        answer = _Reader(server, self._closing)
        head = answer.head()
        peer.sendall(head)
        if method == "HEAD" or b" 204 " in head[:20] or b" 304 " in head[:20]:
            return
        if re.search(rb"(?im)^transfer-encoding: *chunked\r$", head):
            while True:
                line = answer.line()
                size = int(line.split(b";")[0], 16)
                peer.sendall(line + answer.exactly(size + 2))
                if not size:
                    return
        body = answer.exactly(_length(head))
        if spoil and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        peer.sendall(body)


class _Reader:
    """Reads what HTTP frames, and gives up when the proxy closes."""

    def __init__(self, source: socket.socket, closing: threading.Event) -> None:
        self._source, self._closing, self._held = source, closing, b""

    def _more(self) -> bytes:
        while True:
            try:
                found = self._source.recv(1 << 16)
            except TimeoutError:
                if self._closing.is_set():
                    raise
                continue
            if not found:
                raise ConnectionError
            return found

    def _until(self, end: bytes) -> bytes:
        while end not in self._held:
            self._held += self._more()
        found, _, self._held = self._held.partition(end)
        return found + end

    def head(self) -> bytes:
        return self._until(b"\r\n\r\n")

    def line(self) -> bytes:
        return self._until(b"\r\n")

    def exactly(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._more()
        found, self._held = self._held[:count], self._held[count:]
        return found


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length: *(\d+)\r$", head)
    return int(found[1]) if found else 0


def _refusal(fault: Fault, method: str) -> bytes:
    text = f"<Error><Code>{fault.code}</Code><Message>ordered</Message></Error>".encode()
    head = (
        f"HTTP/1.1 {fault.status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else text)


@contextlib.contextmanager
def between(upstream: str) -> Iterator[Proxy]:
    """A proxy, for as long as it is needed."""
    with Proxy(upstream) as proxy:
        yield proxy
