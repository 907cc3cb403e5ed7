"""One org over HTTP: its log-in, its share of the daily calls, and what it says of its objects.

Everything in this package goes through here. A describe is kept until `discover` asks anew or `prepare`
changes the org. Salesforce, REST API Developer Guide "sObject Describe", "sObject Collections" and "API
Request Limits and Allocations", read 2026-11-23.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.catalog import ObjectSchema
from migrate.connector import Limits, Settings
from migrate.connectors.http import Http
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.auth import Login
from migrate.connectors.salesforce.blobs import AT_ONCE, ATTACHMENT, VERSION
from migrate.connectors.salesforce.bulk import PAGE_ROWS, Bulk
from migrate.connectors.salesforce.describe import object_schema
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.replies import classifier
from migrate.connectors.salesforce.rest import Rest
from migrate.errors import Parked, SystemRefused, UsageError

API = "66.0"  # Spring '26
LOGIN_URL = "https://login.salesforce.com"
LONGEST_CALL = 600.0  # seconds a call; "API Request Limits and Allocations", read 2026-11-23
CONCURRENCY = 5  # developer orgs refuse more than 5 calls of 20 s and longer; the same page
RECYCLE_DAYS = 15
SETTLE = 5.0  # seconds; asynchronous flows and triggers follow a commit, the vendor states no figure
SHARE = 0.8


def _nothing() -> None:
    """Until the engine sets its own."""


class Org:
    """HTTP to one org; thread safe. Logs in at first use, since only the log-in tells the host."""

    def __init__(self, settings: Settings) -> None:
        options, credentials = settings.options, settings.credentials
        self.system, self.clock, self.options = settings.system, settings.clock, options
        self.api = str(options.get("api", API)).lstrip("v")
        self.base = f"/services/data/v{self.api}"
        self._share = float(str(options.get("share", SHARE)))
        longest = float(str(options.get("longest_call", LONGEST_CALL)))
        self.limits = Limits(
            write_records=200,  # REST guide "sObject Collections", read 2026-11-23
            read_back_records=2000,  # the same page
            link_writes=200,
            link_reads=2000,
            calls_per_second=None,  # Salesforce states no such limit
            concurrency=CONCURRENCY,
            longest_call=longest,
            settle=float(str(options.get("settle", SETTLE))),
            recycle_days=RECYCLE_DAYS,
            records_in={VERSION: AT_ONCE, ATTACHMENT: AT_ONCE},
        )
        authority = options.get("ca") or credentials.get("ca")
        self._verify: bool | str = str(authority) if authority else True
        self.login = Login(
            self.system,
            credentials,
            self.clock,
            instance_url=str(credentials.get("instance_url") or options.get("instance_url") or ""),
            login_url=str(credentials.get("login_url") or options.get("login_url") or LOGIN_URL),
            verify=self._verify,
        )
        self.before_write: Callable[[], None] = _nothing
        self._opened: Http | None = None
        self._counts = settings.counts
        self._lock = threading.RLock()
        self._listed: dict[str, Mapping[str, Any]] | None = None
        self._raw: dict[str, Mapping[str, Any]] = {}
        self._schemas: dict[str, ObjectSchema] = {}
        self._user = ""

    def calls_left(self) -> tuple[int | None, int | None]:
        """Calls left and calls in all, as the newest reply said; None before any."""
        with self._lock:
            http = self._opened
        return (None, None) if http is None else (http.calls_left, http.calls_max)

    @property
    def http(self) -> Http:
        """The org's calls.

        Raises:
            Parked: the share of the daily calls that is ours has been used up.
        """
        with self._lock:
            http = self._opened or self._open()
        left, most = http.calls_left, http.calls_max
        if left is not None and most and left < (1 - self._share) * most:
            raise Parked(
                self.system,
                f"{left} of {most} daily API calls are left, and the plan keeps "
                f"{1 - self._share:.0%} of them for the live business",
                self.clock.now() + timedelta(hours=1),
            )
        return http

    @property
    def calls_made(self) -> int:
        """Calls so far; none before the first log-in."""
        return self._opened.calls_made if self._opened is not None else 0

    def _open(self) -> Http:
        instance = self.login.instance()
        if not instance:
            raise UsageError(
                f"system `{self.system}`: INSTANCE_URL is not set", "Set it to the org's My Domain."
            )
        self._opened = Http(
            self.system,
            instance,
            self.clock,
            auth=self.login,
            classify=classifier(self.clock, self.login.instance),
            calls_per_second=None,
            concurrency=CONCURRENCY,
            longest_call=self.limits.longest_call,
            verify=self._verify,
            counts=self._counts,
        )
        self._opened.before_write = lambda: self.before_write()
        return self._opened

    @property
    def rest(self) -> Rest:
        return Rest(self.http, self.base)

    @property
    def bulk(self) -> Bulk:
        page_rows = int(str(self.options.get("page_rows", PAGE_ROWS)))
        return Bulk(self.http, self.clock, self.base, page_rows=page_rows)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def now(self) -> datetime:
        """The `Date` of a reply to the list of API versions, to the second."""
        http = self.http
        http.call("GET", "/services/data/", write=False)
        if http.server_date is None:
            raise SystemRefused(self.system, "a reply has no `Date` header", "Look for a proxy.")
        return http.server_date.astimezone(UTC)

    def tenant(self) -> str:
        """The organisation's id."""
        return long_id(str(self.rest.rows("SELECT Id FROM Organization")[0]["Id"]))

    def user(self) -> str:
        """The id of the user as whom we act, 18 characters."""
        with self._lock:
            if not self._user:
                known = self.login.user
                if not known:
                    told = self.http.call("GET", "/services/oauth2/userinfo", write=False).json()
                    known = str(told["user_id"])
                self._user = long_id(known)
            return self._user

    # -- what there is ------------------------------------------------------------------------

    def forget(self) -> None:
        """Describe everything anew."""
        with self._lock:
            self._listed = None
            self._raw.clear()
            self._schemas.clear()

    def use(self, objects: Mapping[str, ObjectSchema]) -> None:
        """Take these objects as described."""
        with self._lock:
            self._schemas.update(objects)

    def listed(self) -> dict[str, Mapping[str, Any]]:
        """The global describe, by object."""
        with self._lock:
            if self._listed is None:
                answer = self.http.call("GET", f"{self.base}/sobjects/", write=False).json()
                self._listed = {str(entry["name"]): entry for entry in answer["sobjects"]}
            return self._listed

    def schema(self, name: str) -> ObjectSchema:
        """An object in the catalog's words."""
        with self._lock:
            if name not in self._schemas:
                self._schemas[name] = self._in_words(self.described(name))
            return self._schemas[name]

    def described(self, name: str) -> Mapping[str, Any]:
        """An object's whole describe.

        Raises:
            SystemRefused: there is no such object, or the user may not read it.
        """
        with self._lock:
            if name not in self._raw:
                self._raw[name] = self._describe(name)
            return self._raw[name]

    def described_anew(self, name: str) -> ObjectSchema:
        """An object as it is at this moment; what was described before stays in use.

        Raises:
            SystemRefused: as `described`.
        """
        return self._in_words(self._describe(name))

    def _in_words(self, described: Mapping[str, Any]) -> ObjectSchema:
        scales = self.options.get("scales") or {}
        if not isinstance(scales, Mapping):
            raise UsageError("`scales` maps `Object.Field` to a number of digits.")
        digits = {str(field): int(count) for field, count in scales.items()}
        return object_schema(described, self.http.base_url, digits)

    def _describe(self, name: str) -> Mapping[str, Any]:
        path = f"{self.base}/sobjects/{soql.name(name)}/describe/"
        reply = self.http.call("GET", path, write=False, ok=(404,))
        if reply.status == 404:
            raise SystemRefused(
                self.system,
                f"there is no object `{name}`, or the user may not read it",
                "Give the integration user read access to it, or take it out of the plan.",
            )
        told: Mapping[str, Any] = reply.json()
        return told
