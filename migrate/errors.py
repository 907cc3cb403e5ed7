"""What went wrong, and so what the caller does next.

The class says how to recover, its attributes carry the facts, `__str__` builds the text:
what happened, to what, what to do. Every class has the exit code of the command line.

    MigrateError              exit  what the caller does
    |- PlanError                2   shows file:line:column and stops; the author fixes the plan
    |- Drifted                  2   stops; picklists aren't what the maps were made for, a person amends these
    |- SystemRefused            3   stops; a person must act (credentials, rights, tenant)
    |- CanaryStopped            3   stops; the target does more than was asked, a person decides
    |- Parked                   3   stops; may be run again at `resume_at`
    |- Retriable                3   waits and tries again; shown only when tries run out
    |- InDoubt                  3   a write whose answer was not read; settled by reading back
    |- CursorLost               3   the place in a source's results is gone; that object is read anew
    |- GapTooLong               3   the vendor forgot deletions in the window; every id is compared
    |- LeaseLost, LeaseHeld     4   stops at once and writes nothing more
    |- Overtaken                4   another process wrote there first; its artifact holds, ours is dropped
    |- Behind                   5   a restored journal lies behind the target; a person sees to it
    |- Damaged, NoSpace         5   our own artifacts or disk; nothing is read on
    |  `- JournalDamaged        5   a segment of the journal; says which records it is about
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class MigrateError(Exception):
    """Something that a person can act on. `exit_code` is the command line's."""

    exit_code = 70

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[MigrateError], args: tuple[object, ...], state: dict[str, object]) -> MigrateError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, order=True)
class Position:
    """Where in a file: 1-based line and column; 0 where the file as a whole is meant."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, order=True)
class PlanMistake:
    """One thing wrong in a plan: where, what, and what would be right."""

    at: Position
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.at}: {self.what}"
        return f"{text}\n  {self.remedy}" if self.remedy else text


class PlanError(MigrateError):
    """The plan (or a map beside it) is wrong; carries every mistake found, not only the first."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[PlanMistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        head = "" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes in the plan.\n"
        return head + "\n".join(str(mistake) for mistake in self.mistakes)


class UsageError(MigrateError):
    """The command can't be carried out as given: a stage is missing, a name is unknown."""

    exit_code = 2

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what, self.remedy = what, remedy
        super().__init__(what, remedy)

    def __str__(self) -> str:
        return f"{self.what}\n  {self.remedy}" if self.remedy else self.what


class Busy(UsageError):
    """Another process is at this step of the workspace; it has to end first."""


@dataclass(frozen=True, order=True)
class ValueChange:
    """A value of a picklist that isn't as it was when the maps were made.

    `what`: a sentence that names the value and who relies on it. `matters`: nothing may be loaded before a
    person has seen to it.
    """

    system: str
    object: str
    field: str
    value: str
    what: str
    matters: bool

    def __str__(self) -> str:
        return f"{self.system}: {self.object}.{self.field}: {self.what}"


class Drifted(MigrateError):
    """Picklists of a system have changed since the maps were made; told before the first write."""

    exit_code = 2

    def __init__(self, changes: Sequence[ValueChange]) -> None:
        self.changes = tuple(sorted(set(changes)))
        super().__init__(self.changes)

    def __str__(self) -> str:
        lines = ["Picklists have changed since the maps were made; nothing was written."]
        lines += [f"  {change}" for change in self.changes if change.matters]
        others = [f"  {change}" for change in self.changes if not change.matters]
        lines += ["Changed, too, but in no record's way:", *others] if others else []
        return "\n".join([*lines, REMEDY])


REMEDY = (
    "  Run `migrate discover`, amend the maps (or undo the change there), then `migrate check`,\n"
    "  `migrate transform` and `migrate load`."
)


class SystemRefused(MigrateError):
    """A system refused us as a whole (credentials, rights, wrong tenant); a person must act."""

    exit_code = 3

    def __init__(self, system: str, what: str, remedy: str = "", *, code: str = "") -> None:
        self.system, self.what, self.remedy, self.code = system, what, remedy, code
        super().__init__(system, what, remedy)

    def __str__(self) -> str:
        text = f"`{self.system}` refused: {self.what}"
        return f"{text}\n  {self.remedy}" if self.remedy else text


class CanaryStopped(MigrateError):
    """The target did more than we asked when the first record of an entry was written.

    `found`: for each canary what was written, and sentences of what happened beside it. `command`: what
    stopped, and is run again.
    """

    exit_code = 3
    command = "migrate load"

    def __init__(self, system: str, found: Sequence[tuple[str, Sequence[str]]]) -> None:
        self.system = system
        self.found = tuple((what, tuple(effects)) for what, effects in found)
        super().__init__(system, self.found)

    def __str__(self) -> str:
        what = self.command.rpartition(" ")[2]
        lines = [f"`{self.system}` did more than was asked; the {what} stopped before the next record."]
        for what, effects in self.found:
            lines.append(f"  When {what} was written, something there")
            lines += [f"    {effect}" for effect in effects]
        lines += [
            f"  Switch it off in the target and run `{self.command}` again, or accept it under `automations:",
            "  accept` of this entry in plan.yaml. `migrate rollback run` takes back what was written.",
        ]
        return "\n".join(lines)


class Parked(MigrateError):
    """A quota has run out or a system is away; nothing is lost, run again at `resume_at` (UTC)."""

    exit_code = 3

    def __init__(self, system: str, what: str, resume_at: datetime | None = None) -> None:
        self.system, self.what, self.resume_at = system, what, resume_at
        super().__init__(system, what, resume_at)

    def __str__(self) -> str:
        when = (
            f"\n  Run the same command again after {self.resume_at:%Y-%m-%d %H:%M:%S} UTC."
            if self.resume_at
            else ("\n  Run the same command again when the system answers.")
        )
        return f"`{self.system}`: {self.what}. The work is parked; nothing is lost.{when}"


class Retriable(MigrateError):
    """The call was surely not executed (connect error, 429, 401 renewed); may be sent again.

    `after`: seconds to wait, None where the system named none.
    """

    exit_code = 3

    def __init__(
        self, system: str, what: str, after: float | None = None, *, throttled: bool = False
    ) -> None:
        self.system, self.what, self.after, self.throttled = system, what, after, throttled
        super().__init__(system, what, after)

    def __str__(self) -> str:
        return (
            f"`{self.system}`: {self.what}; tried again until tries ran out.\n"
            "  Run the same command again later."
        )


class InDoubt(MigrateError):
    """A write was sent and its answer not read in full: it may have happened, or happen yet."""

    exit_code = 3

    def __init__(self, system: str, what: str) -> None:
        self.system, self.what = system, what
        super().__init__(system, what)

    def __str__(self) -> str:
        return (
            f"`{self.system}`: no full answer to a write ({self.what}).\n"
            "  Run the same command again: it reads back what happened before it sends anything."
        )


class CursorLost(MigrateError):
    """The vendor no longer knows the place from which reading would go on; the object is read anew."""

    exit_code = 3

    def __init__(self, system: str, object: str, why: str) -> None:
        self.system, self.object, self.why = system, object, why
        super().__init__(system, object, why)

    def __str__(self) -> str:
        return (
            f"`{self.system}`: the results of `{self.object}` can't be read on ({self.why}).\n"
            "  Run `migrate extract` again: this object is then read from its start."
        )


class GapTooLong(MigrateError):
    """The vendor doesn't remember every deletion since `since`; only a sweep of all ids can tell.

    `earliest`: from when on it does remember, None where it doesn't say.
    """

    exit_code = 3

    def __init__(self, system: str, object: str, since: datetime, earliest: datetime | None = None) -> None:
        self.system, self.object, self.since, self.earliest = system, object, since, earliest
        super().__init__(system, object, since, earliest)

    def __str__(self) -> str:
        known = f" (only since {self.earliest:%Y-%m-%d %H:%M} UTC)" if self.earliest else ""
        return (
            f"`{self.system}` no longer knows which records of `{self.object}` were deleted since "
            f"{self.since:%Y-%m-%d %H:%M} UTC{known}.\n"
            "  The next delta of this object must compare every id of the source with the last extract."
        )


class LeaseHeld(MigrateError):
    """Another operator writes to this system."""

    exit_code = 4

    def __init__(self, system: str, holder: str, host: str, since: str, until: str) -> None:
        self.system, self.holder, self.host, self.since, self.until = system, holder, host, since, until
        super().__init__(system, holder, host, since, until)

    def __str__(self) -> str:
        return (
            f"`{self.system}` is being written to by {self.holder} on {self.host} since {self.since}.\n"
            f"  Wait for it to end, or until its lease ends at {self.until}, and run the command again."
        )


class LeaseLost(MigrateError):
    """Our lease has ended or was taken over; this process writes nothing more."""

    exit_code = 4

    def __init__(self, system: str, why: str) -> None:
        self.system, self.why = system, why
        super().__init__(system, why)

    def __str__(self) -> str:
        return (
            f"The lease on `{self.system}` is lost ({self.why}); this process has stopped writing.\n"
            "  Run `migrate status` to see who holds it now."
        )


class Overtaken(MigrateError):
    """Another process has published an artifact that we were about to publish; what it wrote holds."""

    exit_code = 4

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(place)

    def __str__(self) -> str:
        return (
            f"{self.place} was written by another process meanwhile; its content holds, ours was dropped.\n"
            "  See who else is at work in this workspace (`migrate status`), then run the command again."
        )


class ToldRecord(Protocol):
    """A record that something affects."""

    @property
    def object(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def id(self) -> str: ...


class ToldRecords(Protocol):
    """The records that something affects."""

    @property
    def records(self) -> Sequence[ToldRecord]: ...

    def counts(self) -> dict[str, int]: ...

    def words(self) -> str: ...


class Damaged(MigrateError):
    """An artifact of ours is not what its manifest says; it is set aside and never read on."""

    exit_code = 5

    def __init__(self, path: str, what: str, remedy: str = "") -> None:
        self.path, self.what, self.remedy = path, what, remedy
        super().__init__(path, what, remedy)

    def __str__(self) -> str:
        text = f"{self.path}: {self.what}"
        return f"{text}\n  {self.remedy}" if self.remedy else text


class JournalDamaged(Damaged):
    """A segment of the journal isn't what it was. Nothing is read on, and nothing is written on top of it.

    `records`: how many of each object it tells of; `examples`: (object, key, id) of the first few.
    """

    def __init__(self, path: str, what: str, remedy: str, told: ToldRecords | None = None) -> None:
        super().__init__(path, what, remedy)
        self.records = told.counts() if told else {}
        self.examples = [(each.object, each.key, each.id) for each in told.records[:20]] if told else []
        self.words = told.words() if told else ""

    def __str__(self) -> str:
        return f"{super().__str__()}\n  {self.words}" if self.words else super().__str__()


class Behind(MigrateError):
    """The restored journal lies behind the target. Nothing is written before somebody has seen to it.

    `unknown`: records with keys of ours that it doesn't know, by target object.
    """

    exit_code = 5

    def __init__(self, journal: str, at: str, unknown: Mapping[str, int], some: Sequence[str]) -> None:
        self.journal, self.at, self.unknown, self.some = journal, at, dict(unknown), list(some)
        super().__init__(journal, at, self.unknown, self.some)

    def __str__(self) -> str:
        counts = ", ".join(f"{n:,} {name}" for name, n in sorted(self.unknown.items()))
        return (
            f"{self.journal}: the restored journal's end ({self.at}) lies before the target's state: it "
            f"doesn't know {counts} there that bear keys of ours ({', '.join(self.some)} …). Nothing was "
            "written.\n  Restore a later backup; or run `migrate rebuild --from-target`, which writes them "
            "down, and names what can't be undone any more."
        )


class NoSpace(MigrateError):
    """A write of ours failed for want of space (or the disk refused it)."""

    exit_code = 5

    def __init__(self, path: str, what: str) -> None:
        self.path, self.what = path, what
        super().__init__(path, what)

    def __str__(self) -> str:
        return (
            f"{self.path}: could not be written ({self.what}); what was there before is untouched.\n"
            "  Free some space on that disk, or name a place that may be written to, and run it again."
        )


class LedgerAway(MigrateError):
    """The team's ledger is out of reach. Nothing is sent without it."""

    exit_code = 5

    def __init__(self, place: str, what: str) -> None:
        self.place, self.what = place, what
        super().__init__(place, what)

    def __str__(self) -> str:
        return (
            f"The ledger {self.place} is out of reach ({self.what}); nothing was sent after that.\n"
            "  See that the server runs and takes this user, and run the same command again."
        )


class Defect(MigrateError):
    """An invariant of ours does not hold. Never the user's fault."""

    exit_code = 70
