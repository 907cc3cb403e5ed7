"""Which words does a rollback use, and what crosses between its steps?

A `Row` is one thing to undo, as it stands in a published work list; a `Verdict` is what a fresh look
at the target makes of it. Groups, holds and findings are what people get to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from migrate_rollback.scope import UNSAID, Scope

PHASE = "rollback"
ACTIONS = {
    "delete": "delete created",
    "delete file": "delete file",
    "restore": "restore before-image",
    "unlink": "unlink",
    "relink": "link again",
    "with record": "goes with its record",
    "stays": "stays with its record, which is held",
    "revert schema": "remove from the schema: only with `run --schema`, if no record uses it then",
    "hold": "hold",
    "by hand": "by hand",
    "can't": "can't",
    "nothing": "nothing to do",
}
CODES = {
    "edited": "somebody has written on it since",
    "linked": "somebody has linked something to it since",
    "lost_edit": "our load covered an edit of somebody's; look before anything is put back",
    "merged": "somebody has merged it into another record",
    "restored": "somebody has taken it out of the recycle bin",
    "unknown": "it was changed since, and the target doesn't tell by whom",
    "refused": "the target refused it",
    "lost": "what it held before stood in a journal that is gone",
    "gone": "somebody has deleted it; nothing is left to put back",
    "deleted": "a later load deleted it, as the source had",
    "fixed": "the target lets nobody delete it",
    "window": "the rollback window is over",
    "consent": "who opted out stays opted out",
}
BY_HAND = frozenset({"merged", "refused"})

Image = Mapping[str, str | None]


@dataclass(frozen=True)
class Row:
    """One row of a work list.

    `kind`: record, stray (ours, by a call that landed late), side, link or relink. `before`: wire
    values to put back; `after`: our fields as the target gave them back last; `sent`: values of ours
    that may have landed, one mapping a write; `stamp`: the target's stamp after our last write, "" if
    somebody may have written in between. `note`: a hold's code that is known beforehand. `forced`: a
    person has decided that it goes, whatever stands there. `by_field`: a person has decided that our fields
    go and theirs stay; `covered`: of these, fields where our load had covered a value of theirs, which is now
    the `before`. `op`: the journal's word for undoing it; an `update` doesn't end the crosswalk's entry, for
    a record that an earlier attempt of ours left there.
    """

    number: int
    step: int
    kind: str
    object: str
    key: str
    id: str
    action: str
    left: str = ""
    right: str = ""
    label: str = ""
    before: Image = field(default_factory=dict)
    after: Image = field(default_factory=dict)
    sent: tuple[Image, ...] = ()
    stamp: str = ""
    note: str = ""
    forced: bool = False
    op: str = ""
    by_field: bool = False
    covered: tuple[str, ...] = ()

    @property
    def written(self) -> list[str]:
        """The fields that we wrote on a record that isn't of our making, sorted."""
        return sorted({name for values in self.sent for name in values})

    @property
    def pair(self) -> tuple[str, str]:
        """The two objects of a link."""
        left, _, right = self.object.partition(">")
        return left, right


@dataclass(frozen=True)
class Verdict:
    """What is to be done with a row now. `gone`: nothing, it is undone already. `values`: to be written.

    `kept`: fields of a record that is undone by field, which keep what others wrote.
    """

    what: Literal["delete", "restore", "gone", "hold"]
    code: str = ""
    reason: str = ""
    values: Image = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """As the journal's `reason`: the code, then the words."""
        return f"{self.code}: {self.reason}" if self.code else self.reason


@dataclass(frozen=True)
class Group:
    """Rows of one object with one fate. `note`: what a person does about it, and until when."""

    object: str
    action: str  # a key of ACTIONS
    code: str  # a key of CODES, "" where nothing speaks against it
    count: int
    note: str = ""

    @property
    def name(self) -> str:
        """How `rollback hold` calls it."""
        return f"{self.object}.{self.code}"

    @property
    def words(self) -> str:
        """The group for people."""
        return ACTIONS[self.action] + (f": {CODES.get(self.code, self.code)}" if self.code else "")


@dataclass(frozen=True)
class OwnerCount:
    """How many held records of a group one owner has. `id` "": nobody's. `words`: name and e-mail."""

    id: str
    words: str
    count: int


@dataclass(frozen=True)
class Decision:
    """What somebody decided about some records of a group: keep, force or merge."""

    what: str
    who: str
    at: str
    count: int


@dataclass(frozen=True)
class HoldGroup:
    """Held records of one object for one reason.

    `owner`: the group has only the records of this one; None for all. `by_field`: how many can be undone
    field by field.
    """

    name: str
    object: str
    code: str
    count: int
    owner: str | None = None
    by_field: int = 0
    owners: tuple[OwnerCount, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def words(self) -> str:
        """Why they are held."""
        return CODES.get(self.code, self.code)

    @property
    def decided(self) -> str:
        """keep, force or merge, `mixed` where it differs, "" (which keeps them) where nobody has decided."""
        found = {each.what for each in self.decisions}
        if sum(each.count for each in self.decisions) < self.count:
            found.add("")
        return found.pop() if len(found) == 1 else "mixed" if found else ""


@dataclass(frozen=True)
class Hold:
    """One record that was left as it is, and why. `choices`: what can be decided about it."""

    object: str
    id: str
    key: str
    kind: str
    action: str
    reason: str
    code: str
    owner: str
    choices: tuple[str, ...]
    decided: str


@dataclass
class Reverted:
    """What became of what `prepare` made. `stays`: why, by what, in words; it is residue."""

    removed: list[str] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)


@dataclass
class RolledBack:
    """What a run did. Counts are of this run; `held` is all that is held of the attempt."""

    attempt: int
    next_attempt: int
    passes: int = 0
    objects: dict[str, Counter[str]] = field(default_factory=dict)
    settled: int = 0  # batches of the load that a former process had left in doubt
    late: int = 0  # records of ours that the journal didn't know
    lost_edits: int = 0
    held: tuple[HoldGroup, ...] = ()
    seconds: float = 0.0
    schema: Reverted | None = None  # of what `prepare` made, where that was asked for
    scope: Scope = UNSAID  # back to where, and what of it
    left_alone: dict[str, int] = field(default_factory=dict)  # records of the cohort that stay, by why

    @property
    def undone(self) -> int:
        """Rows that this run undid."""
        names = ("delete", "restore", "update", "unlink", "link")
        return sum(tally[name] for tally in self.objects.values() for name in names)

    @property
    def clean(self) -> bool:
        """Everything is back; nothing is left to a person."""
        return not (self.held or self.lost_edits)


@dataclass(frozen=True)
class Finding:
    """A difference from the baseline, by record. `kind` says which promise it belongs to."""

    kind: str  # created | unrestored | stray | twin | side | link | deleted
    object: str
    id: str
    key: str
    what: str


@dataclass(frozen=True)
class Residue:
    """What nobody can put back, by name and count."""

    what: str
    count: int


@dataclass(frozen=True)
class Verified:
    """What a second look at the whole target says. `foreign`: other people's changes, by object and kind."""

    attempt: int
    held: int
    failures: tuple[Finding, ...]
    foreign: dict[str, int]
    residue: tuple[Residue, ...]
    folder: str
    scope: Scope = UNSAID  # back to where, and what of it

    @property
    def verdict(self) -> str:
        """pass or fail."""
        return "fail" if self.failures else "pass"

    @property
    def words(self) -> str:
        """Its word."""
        return f"{self.verdict}, {self.held} held, {len(self.residue)} residue"


def image(pairs: Any) -> dict[str, str | None]:
    """A map column's value as a dict."""
    return dict(pairs or ())


def row_of(number: int, cells: Mapping[str, Any]) -> Row:
    """A row of a work list, as Parquet gives it."""
    return Row(
        number, cells["step"], cells["kind"], cells["object"], cells["key"] or "", cells["id"] or "",
        cells["action"], cells["left"] or "", cells["right"] or "", cells["label"] or "",
        image(cells["before"]), image(cells["after"]), tuple(image(each) for each in cells["sent"] or ()),
        cells["stamp"] or "", cells["note"] or "", bool(cells["forced"]),
        cells["op"] or "", bool(cells.get("by_field")), tuple(cells.get("covered") or ()),
    )  # fmt: skip
