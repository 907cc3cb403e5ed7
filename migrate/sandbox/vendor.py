"""What must a simulated vendor offer, so that the sandbox can serve it?

A vendor knows its own API and records, and nothing of sockets, faults or
transactions: it gets a whole request and an open transaction and gives back a
reply. All effects go through the transaction, so that a fault can fall
between any two steps. Small state in memory (rate windows) is allowed when
`reset` clears it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs

import orjson

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.contents import Opened, Stored
from migrate.sandbox.parts import Part
from migrate.sandbox.store import Tx, dumps


@dataclass(frozen=True)
class Request:
    """One whole request to the vendor's API.

    `path` is percent-decoded and has no query; `raw_path` is as it was sent,
    for ids that may hold a slash. `headers` has lower-case keys. `partial`,
    `shuffle` and `expire` are orders of a fault: rows (by index) that must
    fail, results in another order, the token to be taken as expired. Where the
    vendor `streams`, a multipart body comes as `parts`, with an empty `body`;
    `trouble` says why it can't be read.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    number: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    partial: tuple[int, ...] = ()
    shuffle: bool = False
    expire: bool = False
    raw_path: str = ""
    parts: tuple[Part, ...] = ()
    trouble: str = ""

    def arg(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query argument."""
        values = self.query.get(name)
        return values[0] if values else default

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it isn't JSON.
        """
        return orjson.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as a URL-encoded form; the first value of each name."""
        pairs = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}


@dataclass
class Reply:
    """What the vendor answers.

    `body`: bytes go out as they are, text too unless `media` is JSON, None is
    an empty body, `Stored` is read from disk as it goes out, anything else goes
    out as JSON.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/json"

    def content(self) -> bytes:
        """The body's bytes, all in memory."""
        if self.body is None:
            return b""
        if isinstance(self.body, Stored):
            return self.body.whole()
        if isinstance(self.body, bytes | bytearray | memoryview):
            return bytes(self.body)
        if isinstance(self.body, str) and "json" not in self.media:
            return self.body.encode()
        return dumps(self.body)

    def fix(self) -> None:
        """Let nothing that is done later change the body."""
        self.body = Opened(self.body) if isinstance(self.body, Stored) else self.content()

    def close(self) -> None:
        """Let a body on disk go."""
        if isinstance(self.body, Opened):
            self.body.close()


class Vendor(ABC):
    """One simulated CRM. Every method runs on the server's event loop thread and must not block.

    `defaults`, when a vendor gives them, are the settings it knows; the
    control endpoint then refuses names that it doesn't.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]] = {}
    automations: dict[str, bool]
    settings: dict[str, Any]

    def __init__(self, clock: SandboxClock, settings: Mapping[str, Any]) -> None:
        self.clock = clock
        self.settings = dict(self.defaults)
        self.set(settings)
        self.automations = {}

    def set(self, settings: Mapping[str, Any]) -> None:
        """Change settings.

        Raises:
            ValueError: there is none of this name; nothing is changed.
        """
        if self.defaults and (unknown := settings.keys() - self.defaults.keys()):
            raise ValueError(
                f"No setting is called `{sorted(unknown)[0]}`; there are {', '.join(sorted(self.defaults))}."
            )
        self.settings.update(settings)

    @abstractmethod
    def setup(self, tx: Tx) -> None:
        """Create tables and defaults. Runs at every start and after every restore."""

    def reset(self) -> None:  # noqa: B027 — a vendor without state in memory has nothing to forget
        """Forget what is held in memory; runs after `setup` when the store was restored."""

    def streams(self, method: str, path: str) -> bool:  # noqa: ARG002 — most take all bodies whole
        """Whether a multipart body sent there comes in parts, with files on disk, instead of whole."""
        return False

    @abstractmethod
    def handle(self, request: Request, tx: Tx) -> Reply:
        """Answer one request; all effects go through `tx`, which the server commits whatever the status."""

    @abstractmethod
    def due(self, tx: Tx, kind: str, payload: dict[str, Any]) -> None:
        """Do what `tx.later` put off."""

    @abstractmethod
    def act(self, tx: Tx, action: dict[str, Any]) -> dict[str, Any]:
        """Let a user act: `{"as", "do", "object", "id", "fields", …}`, with `do` one of
        create, update, delete, undelete, merge, link, unlink.

        Raises:
            ValueError, KeyError: the action can't be done; the text says why.
        """

    @abstractmethod
    def seed(self, tx: Tx, document: dict[str, Any]) -> dict[str, Any]:
        """Load records and metadata directly; returns counts."""

    @abstractmethod
    def truth(self, tx: Tx, object: str) -> Iterator[dict[str, Any]]:
        """Every record of `object`, deleted ones too. `links` is an object as well.

        Raises:
            KeyError: there is no such object.
        """

    @abstractmethod
    def objects(self, tx: Tx) -> list[str]:
        """Names that `truth` knows."""

    @abstractmethod
    def throttled(self, retry_after: float | None) -> Reply:
        """The vendor's own answer to too many requests."""

    @abstractmethod
    def broken(self, status: int) -> Reply:
        """The vendor's own answer when it fails itself: 500, 502, 503; HTML where the vendor does that."""
