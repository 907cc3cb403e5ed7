"""What do the pages show? Gathered from the workspace, as the same functions tell the command line.

Nothing here writes. A workspace is opened for one question and closed again, so that no page shows what isn't
so any more. What takes long is kept for seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from migrate.clock import Clock, SystemClock, stamp
from migrate.console.people import Person, everybody
from migrate.errors import MigrateError, PlanError
from migrate.ledger.tables import events
from migrate.plan.terms import instant_of
from migrate.workspace import Workspace

if TYPE_CHECKING:
    from migrate_rollback.window import Window

    from migrate.stages.status import Status

T = TypeVar("T")
SHORT, LONG = 3.0, 60.0  # seconds for which an answer is kept


@dataclass(frozen=True)
class Basis:
    """What every page needs of the plan. `read`: when, by the monotonic clock."""

    people: Mapping[str, Person]
    systems: tuple[str, str]
    clock: Clock
    stamp: tuple[int, ...]
    read: float


class Desk:
    """Opens the workspace for questions, two at a time: a long one leaves room for the short ones.

    Args:
        where: a folder, or `s3://bucket/prefix`.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = where
        self._short, self._long = threading.Lock(), threading.Lock()
        self._kept: dict[Hashable, tuple[float, str, Any]] = {}
        self._basis: Basis | None = None

    @contextmanager
    def open(self) -> Iterator[Workspace]:
        """The workspace as it is now, closed at the end."""
        workspace = Workspace(self.where)
        try:
            if (known := self._known(workspace)) is not None:
                workspace.__dict__["clock"] = known.clock  # asks the plan, which is long in the reading
            yield workspace
        except PlanError as error:
            raise workspace.place.told(error) from error
        finally:
            workspace.close()

    def basis(self) -> Basis:
        """Who may come in, and how the systems are called, as the plan says it now.

        Raises:
            PlanError: it is wrong.
        """
        with self.open() as workspace:
            if (known := self._known(workspace)) is not None:
                return known
            model, stamp_ = workspace.plan.model, _stamp_of(workspace)
            systems = (model.source.system, model.target.system)
            found = Basis(everybody(workspace.plan), systems, workspace.clock, stamp_, time.monotonic())
            self._basis = found
            return found

    def _known(self, workspace: Workspace) -> Basis | None:
        known = self._basis
        if known is None or not isinstance(known.clock, SystemClock):  # a sandbox's may be turned meanwhile
            return None
        fresh = time.monotonic() - known.read < LONG and known.stamp == _stamp_of(workspace)
        return known if fresh else None

    def ask(
        self, name: Hashable, question: Callable[[Workspace], T], *, keep: float = 0.0, long: bool = False
    ) -> T:
        """The answer to a question.

        Args:
            keep: seconds for which an answer holds, as long as nothing happens in the trail.
            long: it reads the data, and may take its time.
        """
        with self._long if long else self._short, self.open() as workspace:
            at = head(workspace)
            known = self._kept.get(name)
            if known is not None and known[1] == at and time.monotonic() - known[0] < keep:
                answer: T = known[2]
                return answer
            answer = question(workspace)
            if keep:
                self._kept[name] = (time.monotonic(), at, answer)
            return answer


def _stamp_of(workspace: Workspace) -> tuple[int, ...]:
    """Changes with the plan's file; of a workspace on S3 with each look."""
    if workspace.place.folder is None:
        return (time.monotonic_ns(),)
    try:
        found = workspace.plan_path.stat()
    except FileNotFoundError:
        return (0,)
    return found.st_ino, found.st_size, found.st_mtime_ns


def head(workspace: Workspace) -> str:
    """The digest of the trail's last event, "" before any."""
    query = sa.select(events.c.digest).order_by(events.c.number.desc()).limit(1)
    return str(workspace.ledger.value(query) or "")


@dataclass(frozen=True)
class Verdict:
    """The last validation in a few words. `at`: when it ended, a stamp."""

    verdict: str
    title: str
    summary: str
    at: str
    masked: bool
    part: bool


@dataclass(frozen=True)
class Now:
    """Where everything stands. `status`, `verdict`, `window`: None before there is any; `why_no_status`: what
    kept it from being told. `calendar`: days that bound the switch, in words, with their instants; those that
    have passed are left out, but for the ends of the old contract and its API.
    """

    source: str
    target: str
    status: Status | None
    why_no_status: str
    verdict: Verdict | None
    window: Window | None
    calendar: tuple[tuple[str, str], ...]


def now(workspace: Workspace) -> Now:
    """Gather it; asks no system."""
    from migrate_rollback import returning

    from migrate.stages.status import status

    model = workspace.plan.model
    found, why = None, ""
    try:
        found = status(workspace)
    except MigrateError as error:
        why = str(error)
    window = returning.current(workspace.ledger, workspace.clock)
    return Now(
        model.source.system, model.target.system, found, why, verdict(workspace), window,
        tuple(_calendar(workspace)),
    )  # fmt: skip


def _calendar(workspace: Workspace) -> Iterator[tuple[str, str]]:
    terms, zone = workspace.plan.model.cutover.calendar, workspace.plan.model.calendar.zone
    now = workspace.clock.now()
    for each in terms.blackout:
        if instant_of(each.to, zone, end=True) > now:
            yield f"Nobody switches ({each.why})", stamp(instant_of(each.from_, zone))
            yield f"Over ({each.why})", stamp(instant_of(each.to, zone, end=True))
    for word, day in (("The old API ends", terms.api_ends), ("The old contract ends", terms.contract_ends)):
        if day:
            yield word, stamp(instant_of(day, zone, end=True))


def verdict(workspace: Workspace) -> Verdict | None:
    """Of the last validation that was written; None before there is any."""
    document = report(workspace)
    if document is None:
        return None
    return Verdict(
        document["verdict"], document["title"], document["summary"],
        str(document.get("ended") or document.get("started") or ""), bool(document["masked"]),
        bool(document.get("scope", {}).get("part")),
    )  # fmt: skip


def report(workspace: Workspace) -> dict[str, Any] | None:
    """report.json of the last validation, compared with its digest; None before there is any.

    Raises:
        Damaged: it isn't what it was when it was written.
    """
    from migrate_validators.report import last_written

    from migrate.errors import UsageError

    try:
        found = last_written(workspace)
    except UsageError:
        return None
    return found.document()
