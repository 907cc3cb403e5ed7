"""What tests of our own state need: a clock in the test's hand, and a workspace without any system."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from migrate.engine import Engine
from migrate.workspace import Workspace

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class HandClock:
    """Time passes only by `sleep`, in no time. `due`: called after each step, so that others can follow."""

    speed = 1.0

    def __init__(self, start: datetime = START) -> None:
        self.at = start
        self.due: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=max(seconds, 0))
        self.due()


def workspace(root: Path, clock: HandClock, engine: Engine | None = None) -> Workspace:
    """A workspace whose clock is the test's. With `engine`: one that the test opened, and closes."""
    found = Workspace(root, {})
    found.__dict__["clock"] = clock
    if engine is not None:
        found.__dict__["engine"] = engine
    return found
