"""What does a reply of HubSpot's mean, for the call and for each row in it?

Sources: HubSpot, error handling; usage guidelines and rate limits; batch endpoints with multi-status
(read 2026-11-23). Every field of an error is optional when parsing, HubSpot says, so nothing here
insists on one. The category decides; words are kept as evidence and looked at only where HubSpot puts
the code into them (`Property values were not valid: [...]`, `Existing ID: 151`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from migrate.connectors.http import Judgement, Reply, Verdict, http_date, retry_after, standard

CONFLICTS = frozenset({"CONFLICT", "OBJECT_ALREADY_EXISTS", "CONFLICTING_UNIQUE_VALUE", "CONTACT_EXISTS"})
PASSING = frozenset({"INTERNAL_ERROR", "RATE_LIMITS", "RATE_LIMIT", "LOCKED", "TIMEOUT"})
_EXISTING = re.compile(r"[Ee]xisting (?:[Oo]bject )?I[Dd]:? *(\d+)")
_EMBEDDED = re.compile(r"\[\{.*\}\]", re.DOTALL)
_UNIQUE = re.compile(r"already has that value|already exists|must be unique|unique value", re.IGNORECASE)

Learn = Callable[[float], None]


@dataclass(frozen=True)
class Problem:
    """An error that HubSpot names: whole reply or one row of it."""

    code: str
    reason: str
    conflict: bool
    passing: bool  # says nothing of the row; settled by reading back
    id: str | None
    context: Mapping[str, tuple[str, ...]]


def classifier(learn: Learn, midnight: Callable[[], datetime | None]) -> Callable[[Reply], Judgement]:
    """A `Classify` for HubSpot.

    Args:
        learn: told the calls per second that the rate-limit headers state, before any share.
        midnight: when the account's daily quota is renewed; None while its time zone isn't known.
    """

    def classify(reply: Reply) -> Judgement:
        left, most = _count(reply, "daily-remaining"), _count(reply, "daily")
        per_interval, interval = _count(reply, "max"), _count(reply, "interval-milliseconds")
        if per_interval and interval:
            learn(per_interval * 1000 / interval)
        judged = _judge(reply, midnight)
        return Judgement(
            judged.verdict,
            judged.what,
            judged.remedy,
            judged.code,
            judged.after,
            judged.resume_at,
            calls_left=left,
            calls_max=most,
        )

    return classify


def _judge(reply: Reply, midnight: Callable[[], datetime | None]) -> Judgement:
    if reply.status < 300:
        return standard(reply)
    body = error_body(reply)
    said = problem(body)
    what = f"{reply.method} {reply.path}: status {reply.status} {said.code} {said.reason}".strip()
    match reply.status:
        case 401:
            return Judgement(
                Verdict.EXPIRED,
                what,
                "Check the token: it may have been rotated, or belong to another portal.",
                said.code or "401",
            )
        case 403:
            scopes = ", ".join(sorted(missing_scopes(body)))
            remedy = f"these scopes: {scopes}." if scopes else "the rights to do this."
            return Judgement(Verdict.REFUSED, what, f"Give the app {remedy}", said.code or "403")
        case 423:  # the record is locked for a moment; HubSpot asks to wait two seconds
            return Judgement(Verdict.NOT_EXECUTED, what, after=2.0)
        case 429:
            policy = str(body.get("policyName", "")).upper()
            message = str(body.get("message", "")).lower()
            if policy == "DAILY" or "daily limit" in message:
                return Judgement(
                    Verdict.EXHAUSTED, "the portal's daily quota of calls is used up", resume_at=midnight()
                )
            return Judgement(Verdict.THROTTLED, what, after=_throttle(reply, policy, message))
        case 477:  # the portal is being moved to another hosting region; up to 24 hours
            at = http_date(reply.headers.get("date", ""))
            wait = retry_after(reply, at) if at else None
            resume = at + timedelta(seconds=wait or 3600) if at else None
            return Judgement(
                Verdict.EXHAUSTED, "the portal is being moved to another hosting region", resume_at=resume
            )
    judged = standard(reply)
    return Judgement(judged.verdict, what, judged.remedy, said.code)


def _throttle(reply: Reply, policy: str, message: str) -> float | None:
    if "retry-after" in reply.headers:
        return None  # the transport reads it
    return 1.0 if policy == "SECONDLY" or "your secondly limit" in message else 5.0


def _count(reply: Reply, name: str) -> int | None:
    value = reply.headers.get(f"x-hubspot-ratelimit-{name}", "")
    return int(value) if value.isdigit() else None


def error_body(reply: Reply) -> dict[str, Any]:
    """An error's JSON object; the first words of anything else as `message` (5xx are often HTML)."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    return {"message": re.sub(r"<[^>]*>|\s+", " ", reply.text[:300]).strip()}


def missing_scopes(body: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for error in body.get("errors") or ():
        context = error.get("context") or {}
        found.update(map(str, context.get("requiredGranularScopes") or context.get("requiredScopes") or ()))
    return found


def problem(error: Mapping[str, Any]) -> Problem:
    """One error object, of a whole reply or of a row."""
    message = str(error.get("message") or "")
    codes = [str(error[name]) for name in ("subCategory", "category", "errorType") if error.get(name)]
    embedded = list(_embedded(message))
    details = [*(error.get("errors") or ()), *embedded]
    for detail in details:
        codes += [str(detail[name]) for name in ("error", "code", "subCategory") if detail.get(name)]
    short = [code.rpartition(".")[2].upper() for code in codes]
    text = " ".join([message, *(str(detail.get("message") or "") for detail in details)])
    conflict = any(code in CONFLICTS for code in short) or (
        "VALIDATION_ERROR" in short and bool(_UNIQUE.search(text)) and "option" not in text.lower()
    )
    specific = [code for code in short if code not in ("VALIDATION_ERROR", "BAD_REQUEST")]
    existing = _EXISTING.search(text)
    reason = "; ".join(f"`{each.get('name', '')}`: {each.get('message', '')}" for each in embedded)
    if not embedded:
        more = [str(detail["message"]) for detail in details if detail.get("message")]
        reason = "; ".join(dict.fromkeys([message, *more]))
    context = {
        name: tuple(map(str, values if isinstance(values, list) else [values]))
        for name, values in (error.get("context") or {}).items()
    }
    return Problem(
        code=(specific or short or [""])[0],
        reason=reason,
        conflict=conflict,
        passing=any(code in PASSING for code in short),
        id=existing.group(1) if existing else None,
        context=context,
    )


def _embedded(message: str) -> Iterator[Mapping[str, Any]]:
    found = _EMBEDDED.search(message)
    if not found:
        return
    try:
        entries = json.loads(found.group(0))
    except ValueError:
        return
    yield from (entry for entry in entries if isinstance(entry, dict))


def results(reply: Reply) -> Mapping[str, Any]:
    """A body that has `results`: one without must not pass for an empty one.

    Raises:
        InDoubt, Retriable: it is of another shape; as `Reply.unreadable`.
    """
    body = reply.json()
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise reply.unreadable("no `results`")
    return body


def rows(reply: Reply) -> tuple[list[dict[str, Any]], list[Problem]]:
    """A batch's results and row errors; archiving answers with nothing. Raises as `results`."""
    if not reply.body:
        return [], []
    body = results(reply)
    errors = body.get("errors") or []
    return body["results"], [problem(error) for error in errors if isinstance(error, dict)]
