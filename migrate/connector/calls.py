"""How often was each endpoint called, and how did it answer? Counted by whoever makes a connector's calls.

An endpoint is a method and a path without the ids in it, so that there are as many as the vendor has kinds of
calls, not as many as there are records.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

MOST = 200  # endpoints that are told apart; the rest are one
OTHER = "others"
# Numbers, ids of 15 or 18 characters with a digit in them, long hex: each names a record, a job or a file.
_ID = re.compile(r"\d+|(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?|[0-9a-f-]{24,}")


@dataclass
class Endpoint:
    """Tries of one endpoint. `errors`: without an answer, or with a 5xx; `throttled`: told to slow down;
    `refused`: by the vendor's word, among them what a caller expects now and then."""

    calls: int = 0
    errors: int = 0
    throttled: int = 0
    refused: int = 0


@dataclass
class CallCounts:
    """Counts of one system's calls. Thread safe; shared by all connectors that a command makes to it.

    `left`, `most`: calls of the quota, by the newest reply that told; None where none has.
    """

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    left: int | None = None
    most: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(
        self, method: str, path: str, *, error: bool = False, throttled: bool = False, refused: bool = False
    ) -> None:
        """Count one try."""
        name = endpoint(method, path)
        with self._lock:
            if name not in self.endpoints and len(self.endpoints) >= MOST:
                name = OTHER
            found = self.endpoints.setdefault(name, Endpoint())
            found.calls += 1
            found.errors += error
            found.throttled += throttled
            found.refused += refused

    def quota(self, left: int | None, most: int | None) -> None:
        """What a reply tells of the quota."""
        with self._lock:
            self.left = left if left is not None else self.left
            self.most = most if most is not None else self.most


def endpoint(method: str, path: str) -> str:
    """`GET /crm/v3/objects/contacts/{id}`."""
    plain = re.sub(r"^https?://[^/]*", "", path.partition("?")[0]).strip("/")
    parts = ("{id}" if _ID.fullmatch(each) else each for each in plain.split("/"))
    return f"{method} /{'/'.join(parts)}"
