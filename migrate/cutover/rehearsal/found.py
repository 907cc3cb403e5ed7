"""What is asked of a rehearsal, and what does it show?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.cutover.rehearsal.measuring import Measured
from migrate.cutover.rehearsal.projecting import Projection
from migrate.workspace import Role

EXAMPLES = 3  # keys of a refusal that the document names
NOT_PROVED = (
    "automations, validation rules, duplicate rules and sharing of the real systems: twins have none",
    "the network and the vendor's own slowness: each call is taken to last as long as `--latency` says",
    "what other programs take of the same quota meanwhile",
    "contents of files: the source's twin has none",
    "the doors by which records come in during the freeze, and who sits at them",
    "the rights of our user in the old system: the twin lets it write there",
    "how fast people decide, sign and tick off",
)


@dataclass
class Options:
    """How to rehearse. `rows`: about so many records, None: all. `settings`: of the target's limits.

    `hooks`: run the plan's hooks of the switch, which are real. `extract`: a workspace of the same shape
    whose extract is played instead (an anonymised one). `systems`: the overlay with the vendors' sandboxes;
    None: on twins. `ids`: map of ids that differ there. `told`: is told each step as it begins.
    """

    rows: int | None = None
    speed: float = 4.0
    latency: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False
    hooks: bool = False
    extract: Path | None = None
    systems: Path | None = None
    ids: Path | None = None
    told: Callable[[str], None] = lambda _: None

    @property
    def on(self) -> str:
        """Where: twin, or sandbox."""
        return "twin" if self.systems is None else "sandbox"


@dataclass(frozen=True)
class Refusal:
    """What the target's twin refuses alike. `count`: of the records rehearsed; `keys`: some of them."""

    object: str
    kind: str
    reason: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal showed. `records` of `of` were played. `verdict`: of the validation.

    `lost`: edits that didn't arrive, or didn't come back. `back`: verdict of the way back, in words.
    `findings`: what a person should look at. `evidence`: digest of the document under `folder`.
    """

    plan: str
    on: str
    at: str
    records: int
    of: int
    speed: float
    latency: float
    steps: tuple[Measured, ...]
    projection: Projection
    refusals: tuple[Refusal, ...]
    verdict: str
    edits: int
    lost: tuple[str, ...]
    back: str
    findings: tuple[str, ...]
    unlike: Mapping[Role, tuple[str, ...]]
    left_out: int
    left_out_why: str
    not_proved: tuple[str, ...] = NOT_PROVED
    folder: str = ""
    evidence: str = ""

    @property
    def clean(self) -> bool:
        """Nothing was refused or lost, the validation opens a gate, and the way back was whole."""
        good = self.verdict in ("pass", "warn") and self.back == "pass"
        return good and not (self.refusals or self.lost or self.findings)
