"""When may the next call start?

A token bucket keeps the vendor's calls per second (less the share that stays with the live business);
the number of calls in flight starts low, grows by one a round of answers, and halves on a throttle.
All threads of a connector share one `Pace`. Seconds are the injected clock's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from migrate.clock import Clock

START = 2
BURST = 1.0  # seconds' worth of calls that may start at once


class Pace:
    """Admission to a system: `with pace.slot(): call`."""

    def __init__(self, clock: Clock, calls_per_second: float | None, most: int) -> None:
        self.calls_per_second, self.most = calls_per_second, max(1, most)
        self._clock = clock
        self._room = threading.Condition()
        self._window = float(min(START, self.most))
        self._in_flight = 0
        self.started = 0  # calls that were admitted
        self._due = clock.now()  # when the bucket is full again
        self._not_before: datetime | None = None
        self._halved: datetime | None = None

    @property
    def window(self) -> int:
        """Calls that may be in flight now."""
        return int(self._window)

    @contextmanager
    def slot(self) -> Iterator[None]:
        with self._room:
            while self._in_flight >= int(self._window):
                self._room.wait()
            self._in_flight += 1
        try:
            self._clock.sleep(self._turn())
            yield
        finally:
            with self._room:
                self._in_flight -= 1
                self._room.notify()

    def went_well(self) -> None:
        with self._room:
            if self._window < self.most:
                self._window = min(float(self.most), self._window + 1 / self._window)
                self._room.notify()

    def throttled(self, seconds: float) -> None:
        """Halve, once for all calls of the same round, and start none within `seconds`."""
        with self._room:
            now = self._clock.now()
            if self._halved is None or now - self._halved > timedelta(seconds=1):
                self._window = max(1.0, self._window / 2)
                self._halved = now
            until = now + timedelta(seconds=seconds)
            self._not_before = max(self._not_before or until, until)

    def _turn(self) -> float:
        """Take the next token; seconds until it is due."""
        with self._room:
            self.started += 1
            now = self._clock.now()
            start = max(now, self._not_before or now)
            if self.calls_per_second:
                step = timedelta(seconds=1 / self.calls_per_second)
                self._due = max(self._due, start) + step
                start = max(start, self._due - timedelta(seconds=BURST))
            return (start - now).total_seconds()
