"""How long did each step of a rehearsal take, and what did it ask of the vendors? On the vendor's clock.

A step is measured from outside, by what the twins were asked meanwhile. Where this machine couldn't serve as
many calls as the vendor would (`floor`), it was the brake, and the vendor is quicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from migrate.clock import Clock
from migrate.workspace import Role, Workspace

Scale = Literal["records", "changes", "fixed"]
ROLES: tuple[Role, ...] = ("source", "target")


class Counting(Protocol):
    """What tells the calls that were made since it was asked last: a twin, or a connector's counter."""

    def made(self) -> tuple[Mapping[str, int], int]:
        """Calls by kind, and how many were throttled."""
        ...


@dataclass(frozen=True)
class Measured:
    """One step. `seconds`: of the vendor's clock. `rows`: records or links that it moved or looked at.

    `scales`: with what it grows: all records, what changes meanwhile, or nothing. `calls`: by system's role,
    then by kind. `floor`: what its calls take at least, by the target's pace and latency. `cohort`: whose
    step it is; "" where it is all of theirs.
    """

    id: str
    title: str
    command: str
    seconds: float
    rows: int
    scales: Scale
    calls: Mapping[Role, Mapping[str, int]] = field(default_factory=dict)
    throttled: int = 0
    floor: float = 0.0
    cohort: str = ""

    def asked(self, role: Role) -> int:
        """Calls to one system."""
        return sum(self.calls.get(role, {}).values())


@dataclass
class Taking:
    """A step under way; its body says how many rows it moved."""

    rows: int = 0


class Recorder:
    """Measures the steps of one rehearsal, in order."""

    def __init__(
        self, workspace: Workspace, counting: Mapping[Role, Counting], *, latency: float = 0.0,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Args:
        told: is told each step as it begins, in words.
        """
        self.steps: list[Measured] = []
        self._workspace, self._counting, self._latency, self._told = workspace, counting, latency, told

    @property
    def clock(self) -> Clock:
        """The vendor's."""
        return self._workspace.clock

    @contextmanager
    def step(
        self, id: str, title: str, command: str, scales: Scale, *, cohort: str = "", ours: bool = False
    ) -> Iterator[Taking]:
        """Measure what the block does; a block that raises leaves no measure.

        Args:
            id: stable: the runbook's steps and the timetable know it.
            command: what an operator types for it.
            ours: this machine's work alone, which goes by its own clock however fast the vendor's runs.
        """
        self._told(f"{title}: {cohort}" if cohort else title)
        for each in self._counting.values():
            each.made()  # what came before isn't this step's
        taking, started, here = Taking(), self.clock.now(), time.monotonic()
        yield taking
        seconds = time.monotonic() - here if ours else (self.clock.now() - started).total_seconds()
        made = {role: each.made() for role, each in self._counting.items()}
        calls = {role: dict(sorted(kinds.items())) for role, (kinds, _) in made.items() if kinds}
        throttled = sum(number for _, number in made.values())
        total = sum(calls.get("target", {}).values())
        self.steps.append(
            Measured(
                id,
                title,
                command,
                seconds,
                taking.rows,
                scales,
                calls,
                throttled,
                total * self._pace(),
                cohort,
            )
        )

    def _pace(self) -> float:
        """Seconds that a call to the target takes at least."""
        with closing(self._workspace.target()) as target:
            target.tenant()  # a call tells the pace, where the vendor states it in its replies
            limits = target.limits
        return max(1 / (limits.calls_per_second or 1e9), self._latency / max(1, limits.concurrency))
