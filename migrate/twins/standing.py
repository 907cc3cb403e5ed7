"""How is a twin stood up, and what has been asked of it since?

The simulator runs in a process of its own that dies with this one. Its seed goes in without being counted
or slowed; from then on every call takes the twin's latency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.errors import UsageError
from migrate.twins.hubspot import HubSpotMirror
from migrate.twins.salesforce import SalesforceMirror
from migrate.twins.twin import Mirror, Twin

if TYPE_CHECKING:
    from migrate.catalog import Catalog
    from migrate.sandbox.control import Control
    from migrate.sandbox.server import Running

MIRRORS: dict[str, type[Mirror]] = {"hubspot": HubSpotMirror, "salesforce": SalesforceMirror}
NO_SANDBOX = 'Install them with the extra `sandbox`: `pip install "crm-migrate[sandbox]"`.'


@dataclass
class Calls:
    """Calls of a stretch of time, by kind. `throttled`: those among them that were one too many."""

    by_kind: Counter[str] = field(default_factory=Counter)
    throttled: int = 0

    @property
    def total(self) -> int:
        """Those that were taken."""
        return sum(self.by_kind.values())


class Standing:
    """A twin that runs."""

    def __init__(self, twin: Twin, mirror: Mirror, running: Running) -> None:
        self.twin, self.mirror, self._running = twin, mirror, running
        self._seen = 0

    @property
    def control(self) -> Control:
        """Steers and shows the simulator."""
        return self._running.control

    @property
    def url(self) -> str:
        """Where it listens, on loopback."""
        return self._running.url

    @property
    def credentials(self) -> dict[str, str]:
        """Of a user who may do everything, names in lower case."""
        return self.mirror.credentials(self.url)

    def seed(self, document: dict[str, Any]) -> dict[str, Any]:
        """Put a document in; counts."""
        counts: dict[str, Any] = self.control.post("/seed", document)
        return counts

    def hide(self, seen: Catalog) -> None:
        """Take out of sight what the twin showed and the real system hasn't."""
        document = self.mirror.hidden(self.twin.catalog, seen)
        if document is not None:
            self.seed(document)

    def slow(self) -> None:
        """From now on every call takes the twin's latency, on its own clock."""
        if self.twin.latency:
            order = {"kind": "slow", "seconds": self.twin.latency}
            self.control.post("/faults", [{"id": "latency", "on": {"times": None}, "do": order}])

    def act(self, do: str, object: str, id: str = "", *, who: str = "", **fields: Any) -> str:
        """Let a user of the twin do something to a record, as in the vendor's pages; the record's id.

        Args:
            do: create, update, delete.
            who: the id of one of its people; "": its administrator.

        Raises:
            ControlError: the twin refuses, as the vendor would.
        """
        order = {"do": do, "object": object, "fields": fields}
        order |= {name: value for name, value in (("id", id), ("as", who)) if value}
        told = self.control.post("/act", order)
        return str(told.get("id") or id)

    def made(self) -> tuple[Mapping[str, int], int]:
        """Calls by kind since this or `calls` was asked last, and how many were throttled."""
        found = self.calls()
        return found.by_kind, found.throttled

    def calls(self) -> Calls:
        """What was asked since this was asked last."""
        found = Calls()
        for seen in self.control.ndjson(f"/requests?after={self._seen}"):
            self._seen = max(self._seen, int(seen["number"]))
            if seen["status"] == 429:
                found.throttled += 1
            else:
                found.by_kind[self.mirror.kind_of_call(seen["method"], seen["path"])] += 1
        return found


def mirror_of(type: str) -> Mirror:
    """What is known of a vendor.

    Raises:
        UsageError: nothing is, so there can be no twin.
    """
    if type not in MIRRORS:
        raise UsageError(
            f"There is no simulator of `{type}`, so it has no twin.",
            f"Twins can be made of {', '.join(sorted(MIRRORS))}.",
        )
    return MIRRORS[type]()


@contextmanager
def stand(twin: Twin, folder: Path) -> Iterator[Standing]:
    """Start a twin; it ends with the context.

    Args:
        folder: of its store and its messages.

    Raises:
        UsageError: the simulators aren't installed, or there is none of this kind.
    """
    mirror = mirror_of(twin.catalog.type)
    try:
        from migrate.sandbox.control import ControlError
        from migrate.sandbox.server import launch
    except ImportError as error:
        raise UsageError(
            f"A twin needs the simulators, which aren't installed ({error.name} is missing).", NO_SANDBOX
        ) from error
    try:
        running = launch(mirror.sandbox, folder, speed=twin.speed, settings=twin.settings)
    except RuntimeError as error:
        raise UsageError(
            f"The twin of {mirror.sandbox} didn't start: {error}", "Look at its settings (`--limit`)."
        ) from error
    with running:
        standing = Standing(twin, mirror, running)
        try:
            standing.seed(mirror.document(twin.catalog))
        except ControlError as error:
            raise UsageError(
                f"A twin of `{twin.catalog.tenant_name or twin.catalog.tenant}` can't be made: {error}",
                "Its catalog has what the simulator can't take over; send us these words.",
            ) from error
        yield standing
