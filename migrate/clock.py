"""What time is it, and how long is a wait? One object answers both, and everyone is handed it.

`SystemClock` is the machine's. `SandboxClock` follows a local sandbox's clock, which may run
faster, so that limits, leases and waits keep their proportions; it is refused for any host
that isn't loopback, since a foreign server must not steer our waits.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit


class Clock(Protocol):
    """Time as the engine sees it."""

    speed: float

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many of this clock's seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class SandboxClock:
    """A clock that was read once from a sandbox and runs on at its speed.

    Args:
        now: the sandbox's time at the moment of construction, aware UTC.
        speed: its seconds per second of ours.
    """

    def __init__(self, now: datetime, speed: float) -> None:
        self.speed = speed
        self._start, self._wall = now, time.monotonic()

    @classmethod
    def read(cls, url: str, ca: str | None = None) -> SandboxClock:
        """The clock of the sandbox at a loopback URL.

        Raises:
            OSError: it doesn't answer.
            ValueError: it isn't a sandbox, or the URL isn't on this machine.
        """
        import json
        import ssl
        import urllib.request

        if not is_loopback(url):
            raise ValueError(f"{url} isn't on this machine")
        context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        with urllib.request.urlopen(f"{url}/__control__/clock", timeout=10, context=context) as reply:  # noqa: S310
            facts = json.load(reply)
        return cls(parse_stamp(facts["now"]), float(facts["speed"]))

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._wall) * self.speed)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds / self.speed)


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine's loopback."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def is_web_address(url: str) -> bool:
    """Whether it has what a call needs: http or https, a host, and a port that can be one."""
    try:
        parts = urlsplit(url)
        port = parts.port  # raises where it is no number, or too large a one
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and not set(url) & set(" \t")
    )


def stamp(at: datetime) -> str:
    """An instant as the ledger and the journal hold it: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_stamp(text: str) -> datetime:
    """The instant that `stamp` wrote (or any ISO-8601 instant with an offset)."""
    return datetime.fromisoformat(text).astimezone(UTC)


def shown(at: str, *, seconds: bool = False) -> str:
    """A stamp as people read it: `27 Nov 2026, 04:07 UTC`."""
    return f"{parse_stamp(at):%-d %b %Y, %H:%M{':%S' if seconds else ''}} UTC"
