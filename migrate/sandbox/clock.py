"""What time is it in the sandbox?

Leases, rate limits, `Retry-After` and automations of a simulated vendor all
read this clock, so that a proof that runs at tenfold speed keeps their
proportions. Time never jumps when the speed changes; only `offset` moves it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Sandbox time = start + (wall - wall start) * speed + offset.

    Args:
        speed: sandbox seconds in a second of wall time, above zero.
        offset: seconds added to every reading.
        start: aware; the sandbox time of this very moment. By default the wall's.

    Raises:
        ValueError: the speed isn't above zero, or `start` has no time zone.
    """

    def __init__(self, *, speed: float = 1.0, offset: float = 0.0, start: datetime | None = None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError("`start` needs a time zone.")
        self._start = start or datetime.now(UTC)
        self._wall_start = time.monotonic()
        self._speed = _positive(speed)
        self._offset = offset

    @property
    def speed(self) -> float:
        """Sandbox seconds in a second of wall time."""
        return self._speed

    @property
    def offset(self) -> float:
        """Seconds added to every reading."""
        return self._offset

    def now(self) -> datetime:
        """Sandbox time, aware, in UTC."""
        passed = (time.monotonic() - self._wall_start) * self._speed
        return self._start + timedelta(seconds=passed + self._offset)

    def set(self, *, speed: float | None = None, offset: float | None = None) -> None:
        """Change speed or offset; what is None stays.

        `offset` replaces the old offset, it isn't added to it. A new speed
        counts from now on, so that `now()` is continuous.

        Raises:
            ValueError: the speed isn't above zero.
        """
        if speed is not None:
            speed = _positive(speed)
            wall = time.monotonic()
            self._start += timedelta(seconds=(wall - self._wall_start) * self._speed)
            self._wall_start = wall
            self._speed = speed
        if offset is not None:
            self._offset = float(offset)

    def not_before(self, moment: datetime) -> None:
        """Move time forward to `moment` unless it is there already, so that no restart turns time back."""
        self._start += max(moment - self.now(), timedelta())

    def wall(self, seconds: float) -> float:
        """Wall seconds that `seconds` of sandbox time take at the present speed."""
        return seconds / self._speed


def _positive(speed: float) -> float:
    if not speed > 0:
        raise ValueError(f"Speed must be above zero, not `{speed}`.")
    return float(speed)
