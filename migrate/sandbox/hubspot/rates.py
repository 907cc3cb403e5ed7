"""How many calls may an app make, and what does HubSpot say when it made too many?

A burst window of ten seconds that rolls, for each app; calls a day for the portal, until midnight of its
time zone; five searches a second for the portal. Refused calls don't count.

Facts: HubSpot, "API usage guidelines" and the change log "Increasing our API limits"; the literals that
clients look for as in @hubspot/api-client 13.5.0, read 2026-11-23.
"""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from migrate.sandbox.hubspot import tables
from migrate.sandbox.hubspot.auth import Token
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply

TIERS: Final = {
    "free": (100, 250_000),
    "starter": (100, 250_000),
    "professional": (190, 650_000),
    "enterprise": (190, 1_000_000),
    "capacity": (250, 2_000_000),
}
OAUTH_BURST: Final = 110
WORDS: Final = {
    "TEN_SECONDLY_ROLLING": "You have reached your ten_secondly_rolling limit.",
    "SECONDLY": "You have reached your secondly limit.",
    "DAILY": "You have reached your daily limit.",
}


def refusal(policy: str, app_id: int, retry_after: float | None = None) -> Reply:
    """HubSpot's 429 with the literals that its clients compare."""
    correlation = str(uuid.uuid4())
    body = {
        "status": "error",
        "message": WORDS[policy],
        "errorType": "RATE_LIMIT",
        "correlationId": correlation,
        "policyName": policy,
        "groupName": f"publicapi:private-apps-api-calls-global-prod:{app_id}",
        "requestId": uuid.uuid4().hex,
    }
    headers = {"X-HubSpot-Correlation-Id": correlation}
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}"
    return Reply(429, body, headers)


class Meter:
    """Counts calls; the windows live in memory, the day's count in the store."""

    def __init__(self) -> None:
        self._bursts: dict[int, deque[float]] = defaultdict(deque)
        self._searches: deque[float] = deque()

    def clear(self) -> None:
        """Forget the windows."""
        self._bursts.clear()
        self._searches.clear()

    @staticmethod
    def limits(settings: Mapping[str, Any], token: Token) -> tuple[int, int | None]:
        """Calls in ten seconds, and in a day where that is counted."""
        burst, daily = TIERS[settings["tier"]]
        if token.sort == "access":
            return OAUTH_BURST, None
        return int(settings["burst"] or burst), int(settings["daily"] or daily)

    def take(
        self, tx: Tx, settings: Mapping[str, Any], token: Token, zone: str, now: datetime, *, searching: bool
    ) -> tuple[Reply | None, dict[str, str]]:
        """Count a call: the refusal if it is one too many, and the headers of its reply otherwise."""
        at = now.timestamp()
        burst, daily = self.limits(settings, token)
        if searching:
            window = _rolled(self._searches, at, 1.0)
            if len(window) >= settings["search_per_second"]:
                return refusal("SECONDLY", token.app_id, 1), {}
        calls = _rolled(self._bursts[token.app_id], at, 10.0)
        if len(calls) >= burst:
            return refusal("TEN_SECONDLY_ROLLING", token.app_id), {}
        key = f"calls:{now.astimezone(ZoneInfo(zone)).date().isoformat()}"
        today = int(tables.get_meta(tx.sql, key, "0") or 0)
        if daily is not None and today >= daily:
            return refusal("DAILY", token.app_id), {}
        if daily is not None:  # OAuth apps don't draw on the portal's day
            tables.set_meta(tx.sql, key, str(today + 1))
        calls.append(at)
        if searching:
            self._searches.append(at)
            return None, {}
        headers = {
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(burst),
            "X-HubSpot-RateLimit-Remaining": str(burst - len(calls)),
            "X-HubSpot-RateLimit-Secondly": str(burst // 10),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(burst // 10),
        }
        if daily is not None:
            headers["X-HubSpot-RateLimit-Daily"] = str(daily)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(daily - today - 1)
        return None, headers


def _rolled(window: deque[float], at: float, seconds: float) -> deque[float]:
    while window and (window[0] <= at - seconds or window[0] > at):  # a clock set back forgets too
        window.popleft()
    return window
