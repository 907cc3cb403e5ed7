"""What did the last rehearsal show? Its document, as the trail's event covers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate.cutover import trail
from migrate.cutover.rehearsal.projecting import Interval, Projected, Projection
from migrate.cutover.starting import REHEARSED
from migrate.errors import Damaged
from migrate.workspace import Workspace

FOLDER = "cutover/rehearsals"  # of the workspace's storage


@dataclass(frozen=True)
class Last:
    """The newest rehearsal. `at`: a stamp; `plan`: the digest that was rehearsed."""

    at: str
    plan: str
    on: str
    clean: bool
    evidence: str
    projection: Projection
    not_proved: tuple[str, ...]
    document: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Where and when, of how much."""
        records, of = self.document["records"], self.document["of"]
        return f"{self.at[:10]} on a {self.on}, {records:,} of {of:,} records"


def last(workspace: Workspace) -> Last | None:
    """The newest rehearsal that was kept; None before the first.

    Raises:
        Damaged: its document is missing, or isn't the one that the trail covers.
    """
    found = [each for each in trail.events(workspace.ledger, REHEARSED) if "file" in each.facts]
    if not found:
        return None
    event, key = found[-1], f"{FOLDER}/{found[-1].facts['file']}"
    try:
        content = workspace.storage.read(key)[0]
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != event.evidence:
        raise Damaged(
            workspace.storage.address(key), "isn't the document that the trail's event covers",
            "Restore it from a backup, or run `migrate cutover rehearse` again.",
        )  # fmt: skip
    document = json.loads(content)
    return Last(
        event.at, str(event.facts["plan"]), str(event.facts["on"]), bool(event.facts["clean"]),
        event.evidence, _projection(document["projection"]), tuple(document["not_proved"]), document,
    )  # fmt: skip


def _projection(said: Mapping[str, Any]) -> Projection:
    steps = tuple(
        Projected(each["id"], each["title"], each["command"], Interval(**each["seconds"]),
                  Interval(**each["calls"]), each["cohort"])
        for each in said["steps"]
    )  # fmt: skip
    return Projection(**{**said, "steps": steps, "records": Interval(**said["records"])})
