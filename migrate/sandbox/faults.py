"""Which request goes wrong, how, and at what moment?

A fault is armed through the control endpoint and counts the vendor requests
that match it from then on. A request passes four points: `arrival`,
`before_commit`, `after_commit`, `half_reply`. No point lies within a
transaction, so a held request never holds the store's lock.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

POINTS = ("arrival", "before_commit", "after_commit", "half_reply")

# What each kind may be told, and what each must be told.
_KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(must.split()), frozenset(may.split()))
    for kind, (must, may) in {
        "hold": ("at", "then"),
        "drop": ("at", "reset"),
        "late_commit": ("seconds", "close_after"),
        "status": ("status", "retry_after seconds html"),
        "expire": ("", ""),
        "partial": ("rows", ""),
        "shuffle": ("", ""),
        "slow": ("seconds", ""),
        "act": ("at action", ""),
        "garbage": ("body", "status media"),
    }.items()
}


@dataclass
class Fault:
    """One order: on the `nth` matching request, and `times` in a row (None: ever after), do this."""

    id: str
    on: Mapping[str, Any]
    do: Mapping[str, Any]
    method: str | None
    path: re.Pattern[str] | None
    body: re.Pattern[bytes] | None
    nth: int
    times: int | None
    seen: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, document: Mapping[str, Any], id: str) -> Fault:
        """Check one order as the control endpoint got it.

        Raises:
            ValueError: a kind, point or key that there isn't; the text names those that there are.
        """
        on, do = dict(document.get("on") or {}), dict(document.get("do") or {})
        _only("on", on, frozenset({"method", "path", "nth", "times", "body"}))
        _only("order", document, frozenset({"id", "on", "do"}))
        kind = do.get("kind")
        if kind not in _KINDS:
            raise ValueError(f"`{kind}` is no kind of fault; there are {', '.join(_KINDS)}.")
        must, may = _KINDS[kind]
        _only(kind, do, must | may | {"kind"})
        if missing := must - do.keys():
            raise ValueError(f"`{kind}` needs `{'`, `'.join(sorted(missing))}`.")
        if "at" in do and do["at"] not in POINTS:
            raise ValueError(f"`{do['at']}` is no point; there are {', '.join(POINTS)}.")
        if do.get("then", "proceed") not in ("proceed", "drop"):
            raise ValueError(f"`then` is `proceed` or `drop`, not `{do['then']}`.")
        times = on.get("times", 1)
        try:
            path = re.compile(on["path"]) if on.get("path") else None
            body = re.compile(on["body"].encode()) if on.get("body") else None
        except re.error as error:
            raise ValueError(f"That is no regular expression: {error}.") from error
        return cls(
            id=id,
            on=on,
            do=do,
            method=on["method"].upper() if on.get("method") else None,
            path=path,
            body=body,
            nth=int(on.get("nth", 1)),
            times=None if times is None else int(times),
        )

    @property
    def kind(self) -> str:
        """What kind of fault it is."""
        return str(self.do["kind"])

    @property
    def at(self) -> str | None:
        """The point where it happens, for kinds that can happen at several."""
        return self.do.get("at")

    def meets(self, method: str, path: str, target: str, body: bytes) -> bool:
        """Count this request if it matches; say whether the fault happens to it."""
        if self.method is not None and self.method != method:
            return False
        if self.path is not None and not (self.path.search(path) or self.path.search(target)):
            return False
        if self.body is not None and not self.body.search(body):
            return False
        self.seen += 1
        happens = self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)
        self.hits += happens
        return happens

    def as_json(self) -> dict[str, Any]:
        """The order, with requests that matched (`seen`) and that it happened to (`hits`)."""
        return {"id": self.id, "on": self.on, "do": self.do, "seen": self.seen, "hits": self.hits}


class Faults:
    """The orders in force, in the order of arming."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._ids = itertools.count(1)

    def arm(self, documents: Iterable[Mapping[str, Any]]) -> list[str]:
        """Arm all of them or, if one is wrong, none; an order with the id of an old one replaces it.

        Raises:
            ValueError: one of them is wrong.
        """
        new = [Fault.parse(one, str(one.get("id") or f"fault-{next(self._ids)}")) for one in documents]
        ids = {fault.id for fault in new}
        self._armed = [fault for fault in self._armed if fault.id not in ids] + new
        return [fault.id for fault in new]

    def clear(self) -> None:
        """Disarm all."""
        self._armed = []

    def take(self, method: str, path: str, target: str, body: bytes) -> list[Fault]:
        """Those that happen to this request. `target` is the path with its query, both decoded."""
        if not self._armed:
            return []
        return [fault for fault in self._armed if fault.meets(method, path, target, body)]

    def as_json(self) -> list[dict[str, Any]]:
        """All orders in force with their counts."""
        return [fault.as_json() for fault in self._armed]


@dataclass
class Held:
    """A request that waits. `gone` is true once its client hung up."""

    id: str
    number: int
    method: str
    path: str
    at: str
    gone: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def as_json(self) -> dict[str, Any]:
        """As the control endpoint shows it."""
        return {
            "id": self.id,
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "at": self.at,
            "gone": self.gone,
        }


class Holds:
    """The requests that wait at this moment, by id."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._ids = itertools.count(1)

    def add(self, number: int, method: str, path: str, at: str) -> Held:
        """Note that a request waits."""
        held = Held(f"held-{next(self._ids)}", number, method, path, at)
        self._held[held.id] = held
        return held

    def remove(self, held: Held) -> None:
        """Note that it goes on or is forgotten."""
        self._held.pop(held.id, None)

    def release(self, id: str) -> None:
        """Let it go on.

        Raises:
            KeyError: none with this id waits.
        """
        self._held[id].released.set()

    def __len__(self) -> int:
        return len(self._held)

    def as_json(self) -> list[dict[str, Any]]:
        """All that wait, the longest waiting first."""
        return [held.as_json() for held in self._held.values()]


def _only(where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := given.keys() - known:
        raise ValueError(
            f"`{where}` doesn't know `{'`, `'.join(sorted(unknown))}`; it knows {', '.join(sorted(known))}."
        )
