"""What does a plan of a rollback say? Groups, side effects, calls and time, and what stays whatever is done.

Plain results for people, JSON and workbooks; nothing here looks at a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrate_rollback.model import Group, Residue
from migrate_rollback.scope import UNSAID, Scope

UNDONE = ("delete", "delete file", "restore", "unlink", "relink", "with record")
OPEN = ("can't", "by hand", "hold")  # what a rollback leaves, the worst first


@dataclass(frozen=True)
class SideEffect:
    """Something that happens beside what is asked for.

    `kind`: cascade, automation, mail or recycle bin. `count`: records that it happens to, or writes that may
    set it off.
    """

    kind: str
    object: str
    count: int
    words: str


@dataclass(frozen=True)
class Left:
    """A record that is left to a person. `why`: a key of CODES; `url`: its page, "" where none is known."""

    object: str
    id: str
    key: str
    why: str
    url: str


@dataclass(frozen=True)
class Reckoning:
    """What a rollback costs. `calls`: by what they are for. `seconds`: the longer of what was
    reckoned at the target's pace and our share, and what was measured last.

    `left`, `most`: of the day's calls, None where the target doesn't tell; `kept`: of them stay with the live
    business. `pace`: calls a second that we may make, None where the target sets none.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    pace: float | None = None
    left: int | None = None
    most: int | None = None
    kept: int = 0

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())

    @property
    def enough(self) -> bool | None:
        """Whether the day's calls suffice; None where the target doesn't tell how many are left."""
        return None if self.left is None else self.total <= self.left - self.kept

    @property
    def words(self) -> str:
        """It in a sentence or two."""
        parts = ", ".join(f"{count:,} {what}" for what, count in self.calls.items())
        told = f"It takes about {self.total:,} calls ({parts}) and {span(self.seconds)}."
        if self.left is None or self.enough is None:
            return told
        kept = f", of which {self.kept:,} stay with the live business" if self.kept else ""
        today = f"{self.left:,} calls are left today{kept}"
        if self.enough:
            return f"{told} {today}."
        return f"{told} Only {today}: it will park, and goes on when the quota is renewed."


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would do now. `folder`: of the Parquet with one row for each thing.

    Times are stamps (UTC); `seconds` is what it will take, measured or reckoned from the calls needed.
    `effects`: what happens beside it; `untold`: sentences of what the target doesn't tell. `stays`: what
    nobody can put back at all, of whatever would be undone.
    """

    attempt: int
    checkpoint: str
    taken: str
    window_end: str | None
    last_safe_start: str | None
    open: bool
    seconds: float
    groups: tuple[Group, ...]
    folder: str
    system: str = ""
    cost: Reckoning = Reckoning()
    effects: tuple[SideEffect, ...] = ()
    untold: tuple[str, ...] = ()
    stays: tuple[Residue, ...] = ()
    late: bool = False  # the last safe start is over
    left: tuple[Left, ...] = ()  # the first 200 that are left to a person
    scope: Scope = UNSAID  # back to where, and what of it
    left_alone: Mapping[str, int] = field(default_factory=dict)  # records of the cohort that stay, by why

    @property
    def clean(self) -> bool:
        """Nothing is held, left to people, or impossible, and time and calls suffice."""
        in_time = (self.open and not self.late and self.cost.enough is not False) or not self.groups
        return in_time and all(group.action not in OPEN for group in self.groups)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by action."""
        found: dict[str, int] = {}
        for group in self.groups:
            found[group.action] = found.get(group.action, 0) + group.count
        return found

    def of(self, *actions: str) -> list[Group]:
        """Groups with one of these actions, in their order."""
        return [group for action in actions for group in self.groups if group.action == action]


def span(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:,.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"
