"""Two sandboxes with files, a workspace between them, and what their own stores hold in the end."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from migrate.cli import main
from migrate.sandbox.salesforce.blobs import generated
from migrate.sandbox.server import Running, launch

FAMILY = "sf00D5g000004SimuEAC"
ACCOUNT = "0015g00000AAAAAAA4"
SPEED = 20.0
LINE = ("discover", "check", "prepare", "extract", "transform", "load")
NOISE = {"burst": 100_000, "tier": "professional"}


def bytes_of(size: int, seed: int) -> bytes:
    """The bytes of a seeded file `{"size": …, "seed": …}`."""
    return b"".join(generated(size, seed))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PLAN = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_", clock: sandbox}
target: {system: new, type: hubspot, credentials: "env:NEW_", clock: sandbox, longest_call: 5}
objects:
  - source: Account
    target: companies
    fields: {name: Name}
"""


@dataclass
class Files:
    """A company with files on its way; commands run in this process."""

    root: Path
    salesforce: Running
    hubspot: Running
    capsys: pytest.CaptureFixture[str] | None = None
    said: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    def plan(self, entries: str, text: str = PLAN) -> None:
        """Write the plan: the usual beginning, and these entries."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "plan.yaml").write_text(text + entries)

    def run(self, words: str) -> tuple[int, dict[str, Any]]:
        """One command; its code and the one document that it printed."""
        assert self.capsys is not None
        self.capsys.readouterr()
        code = main(["-w", str(self.root), "--json", *words.split(" ")])
        out = self.capsys.readouterr().out
        assert len(out.splitlines()) == 1, out
        found: dict[str, Any] = json.loads(out)
        return code, found

    def must(self, *commands: str) -> dict[str, dict[str, Any]]:
        """Commands that have to succeed, remarks allowed; their documents."""
        found = {}
        for words in commands:
            code, found[words] = self.run(words)
            assert code in (0, 1), found[words]
        return found

    def moved(self, capsys: pytest.CaptureFixture[str]) -> Files:
        """Itself, moved once: the first test that asks for it pays for the line."""
        self.capsys = capsys
        for words in LINE:
            if words not in self.said:
                self.said[words] = self.run(words)
                assert self.said[words][0] in (0, 1), self.said[words]
        return self

    def there(self) -> list[dict[str, Any]]:
        """Live files of HubSpot's own store."""
        rows = self.hubspot.control.ndjson("/truth/files")
        return [row for row in rows if not row["archivedAt"] and not row["purged"]]

    def by_key(self) -> dict[str, dict[str, Any]]:
        """Live files of HubSpot's own store by the key in their path; a twin is a failure."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.there():
            key = row["path"].split("/")[-2]
            assert key not in found, f"twins of {key}"
            found[key] = row
        return found

    def fault(self, side: Running, path: str, do: Mapping[str, Any], **on: Any) -> None:
        """Let requests to a path go wrong."""
        side.control.post("/faults", [{"on": {"path": path, **on}, "do": dict(do)}])


@contextmanager
def two_sandboxes(
    base: Path, records: Mapping[str, Sequence[Mapping[str, Any]]], *, speed: float = SPEED,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Running, Running]]:  # fmt: skip
    """Salesforce with these records, and an empty HubSpot."""
    with ExitStack() as stack:
        salesforce = stack.enter_context(launch("salesforce", base / "salesforce", speed=speed))
        hubspot = stack.enter_context(
            launch("hubspot", base / "hubspot", speed=speed, settings={**NOISE, **(settings or {})})
        )
        clients = [{"client_id": "app", "client_secret": "secret", "user": "admin@sandbox.example"}]
        salesforce.control.post("/seed", {"records": records, "clients": clients})
        hubspot.control.post("/seed", {"tokens": [{"token": "pat-na1-sandbox"}]})
        yield salesforce, hubspot


def credentials(salesforce: Running, hubspot: Running) -> dict[str, str]:
    """Only ours."""
    return {
        "LEGACY_INSTANCE_URL": salesforce.url,
        "LEGACY_CLIENT_ID": "app",
        "LEGACY_CLIENT_SECRET": "secret",
        "NEW_TOKEN": "pat-na1-sandbox",
        "NEW_BASE_URL": hubspot.url,
    }


@contextmanager
def in_process(environment: Mapping[str, str]) -> Iterator[None]:
    """Commands may run in this process: their credentials are set, and their signal handler goes again."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield
    signal.signal(signal.SIGTERM, before)
