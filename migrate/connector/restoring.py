"""What can a vendor put back, by which route, and for how long? A table that each connector keeps as data.

A load changes a target in few ways; each is a `Change`. A `Restorable` says whether such a change can be
taken back at this vendor, and where the vendor states it. Before a load `check` tells what couldn't be put
back; after it `rollback plan` and the window go by the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from migrate.connector.exchanged import Limits

Route = Literal["api", "ui", "none"]


class Change(StrEnum):
    """What was done to a target. The words stand in reports and in the vendors' pages."""

    RECORD_CREATED = "record created"
    FIELD_OVERWRITTEN = "field overwritten"
    RECORD_DELETED = "record deleted"
    RECORD_MERGED = "records merged"
    LINK_MADE = "link made"
    LINK_REMOVED = "link removed"
    FILE_MADE = "file uploaded"
    FILE_DELETED = "file deleted"
    FIELD_MADE = "field made"
    FIELD_DELETED = "field deleted"
    OPTION_ADDED = "picklist value added"
    OPTION_REMOVED = "picklist value removed"
    LABEL_MADE = "link label made"
    OBJECT_MADE = "object made"
    OBJECT_DELETED = "object deleted"
    OPTED_OUT = "opt-out written"
    HISTORY = "history, stamps and counters"
    MAIL_SENT = "mail sent"


@dataclass(frozen=True)
class Restorable:
    """How one kind of change is taken back at a vendor.

    `route`: `api` (a rollback does it), `ui` (a person, in the vendor's own pages), `none` (nobody).
    `days`: since the change, None as long as the record lives (no meaning where the route is `none`).
    `room`: records of a licence that the vendor's bin holds; the time also ends when that is full.
    `objects`: only records of these, empty for all others. `where`: the place in the vendor's own pages where
    a person does it. `note`: what is lost all the same, or why nobody can. `source`: the vendor's page, with
    the day on which it was read; "" where it was not read on one.
    """

    change: Change
    route: Route
    note: str
    days: int | None = None
    room: int | None = None
    objects: tuple[str, ...] = ()
    where: str = ""
    source: str = ""

    @property
    def lasts(self) -> str:
        """How long, in words."""
        if self.route == "none":
            return "never"
        if self.days is None:
            return "as long as the record"
        return f"{self.days} days" + (", or until the bin is full" if self.room is not None else "")


@runtime_checkable
class TellsRestoring(Protocol):
    """A kind of target that says what it can put back. It is asked of the class: no call, no credentials."""

    @staticmethod
    def restoring() -> tuple[Restorable, ...]:
        """A row for every `Change`; rows with `objects` go before the one without."""
        ...


def assumed(limits: Limits | None = None) -> tuple[Restorable, ...]:
    """The table of a target that doesn't tell: what every target's own operations can take back, no more."""
    unsaid = "this connector doesn't say whether it can be taken back"
    days = None if limits is None else limits.recycle_days
    known = {
        Change.RECORD_CREATED: Restorable(Change.RECORD_CREATED, "api", "deleted"),
        Change.FIELD_OVERWRITTEN: Restorable(Change.FIELD_OVERWRITTEN, "api", "former value written back"),
        Change.LINK_MADE: Restorable(Change.LINK_MADE, "api", "unlinked"),
        Change.LINK_REMOVED: Restorable(Change.LINK_REMOVED, "api", "linked again"),
        Change.FILE_MADE: Restorable(Change.FILE_MADE, "api", "deleted"),
    }
    if days is not None:
        known[Change.RECORD_DELETED] = Restorable(
            Change.RECORD_DELETED, "ui", "brought back from the recycle bin", days
        )
    return tuple(known.get(change, Restorable(change, "none", unsaid)) for change in Change)


def restoring_of(target: object, limits: Limits | None = None) -> tuple[Restorable, ...]:
    """The table of a connector, or of its class; what may be assumed where it doesn't tell."""
    return target.restoring() if isinstance(target, TellsRestoring) else assumed(limits)


def row_for(restoring: Iterable[Restorable], change: Change, object: str = "") -> Restorable:
    """The row that holds for a change to a record of an object."""
    rows = [each for each in restoring if each.change is change]
    for each in rows:
        if object in each.objects:
            return each
    for each in rows:
        if not each.objects:
            return each
    return Restorable(change, "none", "the connector's table lacks it")


def limits_for(restoring: Sequence[Restorable], kinds_made: Collection[Change]) -> int | None:
    """Days after which the first of these changes can't be taken back any more.

    Changes that nobody can take back at any time don't count: no window helps. None: no vendor's limit.
    """
    days = [
        each.days
        for each in restoring
        if each.change in kinds_made and each.route != "none" and each.days is not None
    ]
    return min(days, default=None)


def never(restoring: Sequence[Restorable], kinds_made: Collection[Change]) -> tuple[Restorable, ...]:
    """Rows of those of these changes that nobody can take back, in the table's order."""
    return tuple(each for each in restoring if each.change in kinds_made and each.route == "none")
