"""What can a system tell of a freeze: what people have to do, which jobs run, who has written since?

A connector that can has these abilities; asked with `isinstance`. The engine believes nobody: whatever
people were told, a freeze counts only when the system shows that nothing moves any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from migrate.connector.exchanged import Who

Level = Literal["configuration", "bulk", "data"]
LEVELS: tuple[Level, ...] = ("configuration", "bulk", "data")  # each holds those before it
Deed = Literal["created", "changed", "deleted"]


@dataclass(frozen=True)
class Instruction:
    """What a person does for a freeze, in the words of the vendor's menus, and what undoes it."""

    level: Level
    do: str
    undo: str
    objects: tuple[str, ...] = ()  # none: the whole system
    source: str = ""  # the vendor's page, and when it was read


@dataclass(frozen=True)
class Job:
    """A job or an import at the vendor. `by_id`: the vendor's id of the user, "" where it tells none."""

    id: str
    kind: str  # in the vendor's words: bulk job, import
    object: str
    state: str
    by: str
    by_id: str
    begun: datetime
    ended: bool


@dataclass(frozen=True)
class Touch:
    """One record that was written since a moment, and the last who wrote it then.

    `by_id`: the vendor's id of the user or of the app; "" where it tells none. `fields`: those that the
    vendor says were written; empty where it keeps no history of them. `stirred`: a job of the platform moved
    the stamp, and no value.
    """

    object: str
    id: str
    name: str
    at: datetime
    who: Who
    by: str
    by_id: str
    deed: Deed
    fields: tuple[str, ...] = ()
    stirred: bool = False


@runtime_checkable
class TellsTouches(Protocol):
    """A system that tells who wrote which records since a moment."""

    freeze_lag: float  # seconds by which its word comes late, index and commit together

    def instructions(self, levels: Mapping[str, Level]) -> Sequence[Instruction]:
        """What people have to do for a freeze of these objects. Asks nothing."""
        ...

    def touches(self, object: str, since: datetime) -> Iterator[Sequence[Touch]] | None:
        """Records written since, deleted ones too, in pages. None where it can't tell: it is swept then.

        Raises:
            SystemRefused: the object can't be read.
        """
        ...


@runtime_checkable
class TellsJobs(Protocol):
    """A system that tells which jobs and imports run in it."""

    def jobs(self, since: datetime) -> Sequence[Job]:
        """Those that haven't ended, and those begun since.

        Raises:
            SystemRefused: the credentials may not see them; the remedy names the right.
        """
        ...
