"""What does a reply of Salesforce mean for the call that it answers?

Errors are a JSON array of `{message, errorCode, fields}`; the token endpoint answers with one object.
A used-up daily quota is a 403 without `Retry-After`, and so is the limit on concurrent long calls: only
the message tells them apart. Every REST reply carries `Sforce-Limit-Info: api-usage=18/15000`.
Salesforce, REST API Developer Guide "Status Codes and Error Responses" and "API Request Limits and
Allocations", read 2026-11-23.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

from migrate.clock import Clock
from migrate.connectors.http import Judgement, Reply, Verdict

_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
QUOTA_WAIT = timedelta(hours=1)  # the quota is a rolling 24 hours; no reply says when it frees up
CONCURRENT_WAIT = 20.0  # a call counts as long from 20 seconds on

RIGHTS = frozenset(
    {
        "401", "403", "INVALID_SESSION_ID", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED",
        "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "FUNCTIONALITY_NOT_ENABLED",
    }
)  # fmt: skip


def usage(headers: str | None) -> tuple[int | None, int | None]:
    """Calls left and calls in all, out of the `Sforce-Limit-Info` header."""
    found = _USAGE.search(headers or "")
    if not found:
        return None, None
    used, most = int(found[1]), int(found[2])
    return max(0, most - used), most


def error(reply: Reply) -> tuple[str, str]:
    """Code and words of an error reply; both empty where the body is no error of the vendor's (HTML)."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return "", ""
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return "", ""
    code = first.get("errorCode") or first.get("statusCode") or first.get("error") or ""
    words = first.get("message") or first.get("error_description") or ""
    return str(code), str(words)


def _is_fault(reply: Reply) -> bool:
    """A SOAP fault that says what was wrong with the call (not that the server failed)."""
    if "xml" not in reply.headers.get("content-type", "") or b"Fault>" not in reply.body:
        return False
    return not any(word in reply.body for word in (b"UNKNOWN_EXCEPTION", b"SERVER_UNAVAILABLE"))


def classifier(clock: Clock, instance: Callable[[], str]) -> Callable[[Reply], Judgement]:
    """The `Classify` of one connector. `instance` names the org's host, for the remedies."""

    def classify(reply: Reply) -> Judgement:
        left, most = usage(reply.headers.get("sforce-limit-info"))

        def judged(verdict: Verdict, **facts: object) -> Judgement:
            return Judgement(verdict, calls_left=left, calls_max=most, **facts)  # type: ignore[arg-type]

        status = reply.status
        if status < 400:
            return judged(Verdict.ANSWERED)
        if status == 500 and _is_fault(reply):
            return judged(Verdict.ANSWERED, code="fault")
        code, words = error(reply)
        what = f"{reply.method} {reply.path}: status {status} {code} {words}".rstrip()
        if status == 401:
            return judged(
                Verdict.EXPIRED,
                what=f"status 401 {code}".rstrip(),
                code=code,
                remedy=f"Check the app's credentials and that its user is active in {instance()}.",
            )
        if code == "REQUEST_LIMIT_EXCEEDED":
            if "Concurrent" in words:
                return judged(Verdict.THROTTLED, what=what, code=code, after=CONCURRENT_WAIT)
            return judged(
                Verdict.EXHAUSTED,
                what="the daily API calls of the org are used up",
                code=code,
                resume_at=clock.now() + QUOTA_WAIT,
            )
        if code in ("API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"):
            return judged(
                Verdict.REFUSED,
                what=what,
                code=code,
                remedy="Give the integration user the permission `API Enabled`.",
            )
        if status == 410 or code == "UNSUPPORTED_API_VERSION":
            return judged(
                Verdict.REFUSED,
                what=what,
                code=code,
                remedy="This API version is retired or unknown here; set `api:` of the system in the plan.",
            )
        if status == 429:
            return judged(Verdict.THROTTLED, what=what, code=code)
        if status == 403:
            return judged(
                Verdict.REFUSED,
                what=what,
                code=code,
                remedy="Give the integration user the rights that this call needs.",
            )
        if status >= 500:
            return judged(Verdict.BROKEN, what=what, code=code)
        remedy = ""
        if code == "QUERY_TIMEOUT":
            remedy = "A query may take 120 s; lower `bulk_threshold` so that a bulk job reads this object."
        return judged(Verdict.ANSWERED, what=f"{code} {words}".strip(), code=code, remedy=remedy)

    return classify


def at_login(reply: Reply) -> Judgement:
    """What the token endpoint's reply means: all errors but a server's own are for the caller to read."""
    if reply.status >= 500:
        return Judgement(Verdict.BROKEN, f"{reply.method} {reply.path}: status {reply.status}")
    if reply.status == 429:
        return Judgement(Verdict.THROTTLED, f"{reply.method} {reply.path}: status 429")
    return Judgement(Verdict.ANSWERED, f"status {reply.status}")
