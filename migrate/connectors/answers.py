"""What does a reply mean? The words in which a connector tells the transport.

A reply is judged by the vendor's own `Classify`; what follows from the judgement (a wait, a renewal,
doubt) is the transport's business, and the same for every vendor.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from migrate.errors import InDoubt, MigrateError, Retriable

_NO_JSON = frozenset({"text/csv", "text/plain", "application/octet-stream", "application/xml", "text/xml"})


class Verdict(Enum):
    """What a reply means for the call that it answers."""

    ANSWERED = auto()  # 2xx, or an error about this very request: the caller's to read
    BROKEN = auto()  # 5xx and the like: a read is repeated, a write is in doubt
    NOT_EXECUTED = auto()  # refused before execution, by the vendor's own word: repeated
    THROTTLED = auto()  # too fast: repeated after a wait, at a lower pace
    EXPIRED = auto()  # credentials: renewed once, then repeated once
    EXHAUSTED = auto()  # a daily quota: parked
    REFUSED = auto()  # rights, tenant: a person must act


@dataclass(frozen=True)
class Judgement:
    """A verdict with its facts. `after`: seconds; None takes `Retry-After`, else a back-off."""

    verdict: Verdict
    what: str = ""
    remedy: str = ""
    code: str = ""
    after: float | None = None
    resume_at: datetime | None = None
    calls_left: int | None = None
    calls_max: int | None = None


@dataclass(frozen=True)
class Reply:
    """A reply that was read in full."""

    system: str
    method: str
    path: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    write: bool
    _parsed: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def should_be_json(self) -> bool:
        """Whether there is a body that doesn't call itself something else."""
        if not self.body or self.status == 204:
            return False
        media = self.headers.get("content-type", "").partition(";")[0].strip()
        return media not in _NO_JSON

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            InDoubt: the reply to a write isn't JSON.
            Retriable: the reply to a read isn't JSON.
        """
        if not self._parsed:
            try:
                self._parsed.append(jsonlib.loads(self.body))
            except ValueError:
                raise self.unreadable("not JSON") from None
        return self._parsed[0]

    def unreadable(self, why: str) -> MigrateError:
        """The error for a body that can't be understood: a write is then in doubt."""
        what = f"{self.method} {self.path}: status {self.status}, the body can't be read ({why})"
        return InDoubt(self.system, what) if self.write else Retriable(self.system, what)


Classify = Callable[[Reply], Judgement]


def standard(reply: Reply) -> Judgement:
    """What most vendors mean by a status; a connector's `Classify` falls back on it."""
    status = reply.status
    where = f"{reply.method} {reply.path}: status {status}"
    if status == 401:
        return Judgement(Verdict.EXPIRED, where)
    if status == 403:
        return Judgement(Verdict.REFUSED, where, "Give the credential the rights that this call needs.")
    if status == 429:
        return Judgement(Verdict.THROTTLED, where)
    if status >= 500:
        return Judgement(Verdict.BROKEN, where)
    return Judgement(Verdict.ANSWERED, where)


def retry_after(reply: Reply | None, now: datetime) -> float | None:
    """Seconds that a reply's `Retry-After` names; an HTTP date counts from the reply's own `Date`."""
    value = reply.headers.get("retry-after", "").strip() if reply is not None else ""
    if not value or reply is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        until = http_date(value)
    if until is None:
        return None
    return max(0.0, (until - (http_date(reply.headers.get("date", "")) or now)).total_seconds())


def http_date(text: str) -> datetime | None:
    """The instant of a `Date` or `Retry-After` header; None where it isn't one."""
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
