"""One portal over HTTP: its paths, its pace, its credential's own identity.

HubSpot's limits (usage guidelines and rate limits, read 2026-11-23): 100, 190 or 250 calls in ten
seconds by tier, stated in the headers of every reply but those of search, and taken from there; until
the first reply the smallest tier is assumed. HubSpot documents no longest call: the edge in front of it
gives up after 100 s (status 524), so a write counts as able to land until then (`longest_call`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from migrate.connector import Limits, Settings
from migrate.connectors.http import Http, Reply
from migrate.connectors.hubspot.auth import Renewed, auth_of
from migrate.connectors.hubspot.paths import DEFAULT_API, FILES, Paths
from migrate.connectors.hubspot.replies import classifier, results
from migrate.errors import Parked, Retriable, UsageError

BASE_URL = "https://api.hubapi.com"
SMALLEST_TIER = 10.0  # calls a second: 100 in ten seconds
CONCURRENCY = 6  # HubSpot names no cap; its own Node client keeps six in flight
LONGEST_CALL = 100.0
FILES_AT_ONCE = 16  # a call each; together they share an intent and a settlement
SETTLE = 10.0  # seconds; companies made from e-mail domains and enrichment follow within seconds

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Identity:
    """Whose token this is. `scopes` None: HubSpot wouldn't say."""

    portal: str
    app: str
    user: str
    scopes: frozenset[str] | None


class Portal:
    """HTTP to one portal, shared by everything in this package; thread safe."""

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        base_url = settings.credentials.get("base_url") or str(options.get("base_url") or BASE_URL)
        ca = settings.credentials.get("ca") or options.get("ca")
        self.system, self.clock = settings.system, settings.clock
        self.paths = Paths(str(options.get("api") or DEFAULT_API), self.tenant)
        scales = options.get("scales") or {}
        if not isinstance(scales, Mapping):
            raise UsageError("`scales` maps `object.property` to a number of digits.")
        self.scales = {str(field): int(count) for field, count in scales.items()}
        self._share = _number(options.get("share"), 0.8)
        self._rate = 0.0
        self._caching = threading.RLock()
        self._account: Mapping[str, Any] | None = None
        self._identity: Identity | None = None
        longest = _number(options.get("longest_call"), LONGEST_CALL)
        flight = max(1, int(_number(options.get("concurrency"), CONCURRENCY)))
        self.limits = Limits(
            write_records=100,  # HubSpot, CRM batch endpoints, read 2026-11-23
            read_back_records=100,
            link_writes=2_000,  # associations v4, batch create
            link_reads=1_000,  # associations v4, batch read, since 2025-02-10
            calls_per_second=SMALLEST_TIER * self._share,
            concurrency=flight,
            longest_call=longest,
            settle=_number(options.get("settle"), SETTLE),
            recycle_days=90,
            records_in={FILES: FILES_AT_ONCE},
        )
        verify = str(ca) if ca else True
        self._auth = auth_of(settings, base_url=base_url, path=self.paths.token(), verify=verify)
        self.http = Http(
            self.system,
            base_url,
            self.clock,
            auth=self._auth,
            classify=classifier(self._learn, self._midnight),
            calls_per_second=self.limits.calls_per_second,
            concurrency=flight,
            longest_call=longest,
            verify=verify,
            counts=settings.counts,
        )
        self._pool = ThreadPoolExecutor(flight, thread_name_prefix=f"hubspot-{self.system}")

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self.http.call("GET", path, params=params or None, write=False).json()

    def get_or_none(self, path: str, *statuses: int, **params: Any) -> Any | None:
        """None where the reply's status is one of these (not there, not for this token)."""
        reply = self.http.call("GET", path, params=params or None, write=False, ok=statuses)
        return reply.json() if reply.status < 300 else None

    def ask(self, path: str, body: Any, *, ok: tuple[int, ...] | None = None) -> Reply:
        """A POST that reads."""
        return self.http.call("POST", path, json=body, write=False, ok=ok)

    def pages(self, path: str, **params: Any) -> Iterator[Mapping[str, Any]]:
        """Every result of a paged list."""
        after: str | None = None
        while True:
            page = self.page(path, **params, **({"after": after} if after else {}))
            yield from page["results"]
            after = next_after(page)
            if not after:
                return

    def page(self, path: str, **params: Any) -> Mapping[str, Any]:
        """One page of a list, with `results`."""
        return self.again(lambda: results(self.http.call("GET", path, params=params, write=False)))

    def each(self, function: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """Call it for each item, several calls in flight; results in the items' order."""
        items = list(items)
        if len(items) < 2:
            return [function(item) for item in items]
        return list(self._pool.map(function, items))

    def again(self, function: Callable[[], B]) -> B:
        """Repeat a whole read whose reply couldn't be understood."""
        for attempt in range(1, 5):
            try:
                return function()
            except Retriable as trouble:
                last = trouble
                self.clock.sleep(float(attempt))
        raise Parked(self.system, last.what)

    def account(self) -> Mapping[str, Any]:
        with self._caching:
            if self._account is None:
                self._account = self.get(self.paths.account())
            return self._account

    def identity(self) -> Identity:
        """The token's portal, app, user and scopes."""
        with self._caching:
            if self._identity is None:
                told = self._told()
                scopes = told.get("scopes")
                self._identity = Identity(
                    portal=str(told.get("hubId") or self.account().get("portalId") or ""),
                    app=str(told.get("appId") or ""),
                    user=str(told.get("userId") or ""),
                    scopes=None if scopes is None else frozenset(map(str, scopes)),
                )
                self.account()  # its time zone says when a daily quota is renewed; later it can't be asked
            return self._identity

    def tenant(self) -> str:
        """The portal's id, as HubSpot tells it of the account, else of the token."""
        return str(self.account().get("portalId") or self.identity().portal)

    def _told(self) -> Mapping[str, Any]:
        """What HubSpot says of the token, in the words that it has for private apps and service keys."""
        if isinstance(self._auth, Renewed):
            about = self._auth.about()
            words = {"hubId": "hub_id", "appId": "app_id", "userId": "user_id", "scopes": "scopes"}
            return {name: about[word] for name, word in words.items() if word in about}
        key = self._auth.headers()["Authorization"].removeprefix("Bearer ")
        reply = self.ask(self.paths.token_info(), {"tokenKey": key}, ok=(400, 401, 403, 404))
        return dict(reply.json()) if reply.status < 300 else {}

    def vendor_now(self) -> datetime:
        self.http.call("GET", self.paths.account(), write=False)
        return self.http.server_date or self.clock.now()

    def _learn(self, calls_per_second: float) -> None:
        if calls_per_second != self._rate:
            self._rate = calls_per_second
            self.limits = replace(self.limits, calls_per_second=calls_per_second * self._share)
            self.http.pace.calls_per_second = self.limits.calls_per_second

    def _midnight(self) -> datetime | None:
        """The daily quota is renewed at midnight in the account's time zone."""
        if self._account is None:
            return None  # asking now would cost a call that the portal refuses
        try:
            zone = ZoneInfo(str(self._account.get("timeZone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            zone = ZoneInfo("UTC")
        local = (self.http.server_date or self.clock.now()).astimezone(zone)
        start = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return (start + timedelta(days=1)).astimezone(ZoneInfo("UTC"))


def next_after(page: Mapping[str, Any]) -> str | None:
    """The cursor of the next page, in any of HubSpot's paged replies."""
    after = ((page.get("paging") or {}).get("next") or {}).get("after")
    return None if after is None else str(after)


def chunks(items: Sequence[A], size: int) -> Iterator[list[A]]:
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
