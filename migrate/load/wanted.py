"""Which fields of a record that is there already are to be written, and when is it left alone?

An adopted record keeps what survivorship gives the target; one that we wrote before must be as we left it,
or the plan's rule for conflicts decides. A field that the plan maps only since our last write is ours to fill
unless it holds somebody's work. What an accepted automation has filled is nobody's edit: it stays as long as
the source has nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from migrate.connector import THEIRS, Held, Version, Who
from migrate.load.sending import Sender
from migrate.load.work import Item, Known, RecordWork

if TYPE_CHECKING:
    from migrate.load.wins import Wins


class Spared(Exception):
    """The record is left alone. Its text is the reason; `outcome`: conflict, held or kept.

    `before`, `after`: of the fields at issue, what stands there (of a repair: what we had left there), and
    what was to be written.
    """

    def __init__(
        self,
        reason: str,
        outcome: str,
        target_id: str | None = None,
        before: Mapping[str, str | None] | None = None,
        after: Mapping[str, str | None] | None = None,
    ) -> None:
        super().__init__(reason)
        self.outcome, self.target_id = outcome, target_id
        self.before, self.after = dict(before or {}), dict(after or {})


def changed(names: Sequence[str]) -> str:
    """The reason of a record that isn't as we left it."""
    return f"changed: {', '.join(names)} changed in the target since our last write"


class Wanted:
    """One object plan's rules for updates and adoptions.

    Args:
        conflict: what happens when a delta meets a record that isn't as we left it.
        always: fields that an adoption writes whatever stands there.
        only: the fields that a second pass writes; what others did to the rest is no conflict with it.
    """

    def __init__(
        self, sender: Sender, conflict: str, wins: Wins, always: set[str], only: frozenset[str] = frozenset()
    ) -> None:
        self.sender, self.conflict, self.wins = sender, conflict, wins
        # A no is written whatever stands there: values that are none never come so far.
        self.consent = {name for name, field in sender.schema.items() if field.consent is not None}
        self.always = always | self.consent
        self.fields = only or tuple(sender.fields)

    def fields_of(
        self, work: RecordWork, item: Item, record: Held, taken: Sequence[str], filled: Sequence[str] = ()
    ) -> dict[str, str | None]:
        """The fields to write, with their values; none where all stands as wanted.

        Args:
            taken: fields that we never wrote and somebody else filled.
            filled: as `filled` tells.

        Raises:
            Spared: nothing may be written to it.
        """
        once = set(work.plan.insert_only)
        if work.operation == "adopt":
            holder = record.values.get(work.plan.key.field)
            if holder and holder != item.key:
                raise Spared(f"adopted: the record carries the key {holder}", "conflict")
            return {n: v for n, v in self._survivors(item, record).items() if n not in once}
        known = item.known
        theirs = self.theirs(work, item, record, taken, filled)
        if theirs and self.conflict == "hold":
            raise Spared(
                changed(theirs), "held", record.id, {name: record.values.get(name) for name in theirs},
                {name: item.values[name] for name in theirs if name in item.values},
            )  # fmt: skip
        keep = once | (set(theirs) if self.conflict == "target" else set())
        keep |= {name for name in filled if item.values.get(name) is None}
        if known and known.origin == "adopt":
            keep |= {
                name
                for name, value in item.values.items()
                if not self._ours(name, value, item, known, record)
            }
        return {
            name: value
            for name, value in item.values.items()
            if name not in keep and self.sender.held(name, value) != record.values.get(name)
        }

    def theirs(
        self, work: RecordWork, item: Item, record: Held, taken: Sequence[str], filled: Sequence[str] = ()
    ) -> list[str]:
        """Fields that somebody else has changed since our last write."""
        left = item.known.after if item.known else {}
        found = [
            name
            for name in self.fields
            if name in left
            and name not in work.plan.insert_only
            and left[name] != record.values.get(name)
            and name not in filled
            and not self._said_no(name, record)
        ]
        return [*found, *taken]

    def filled(
        self, work: RecordWork, items: dict[str, Item], records: dict[str, Held]
    ) -> dict[str, list[str]]:
        """Fields that we left empty and an automation which the plan accepts has filled, by key.

        Only where the target's history says that an automation wrote them last: else it may be a person's.
        """
        may = {name for each in work.plan.automations.accept for name in each.fills}
        odd: dict[str, list[str]] = {}
        for key, item in items.items():
            record = records.get(str(item.id))
            if not may or record is None or item.known is None:
                continue
            names = [
                name
                for name in sorted(may & set(self.fields))
                if record.values.get(name) is not None
                and (item.values.get(name) is None or item.known.after.get(name) is None)
            ]
            if names:
                odd[key] = names
        return {
            key: [name for name, by in last.items() if by is not None and by.who is Who.AUTOMATION]
            for key, last in self._last(items, odd).items()
        }

    def _said_no(self, name: str, record: Held) -> bool:
        """Whether somebody opted out in the target since: nothing that a write of ours could undo."""
        consent = self.sender.schema[name].consent if name in self.consent else None
        return consent is not None and consent.opts_out(record.values.get(name))

    def taken(self, items: dict[str, Item], records: dict[str, Held]) -> dict[str, list[str]]:
        """Fields that the plan maps only since our last write, and that hold somebody's work, by key.

        A default of the target or an automation's value isn't work. Where nothing tells whose value it is,
        it counts as work. On an adopted record, survivorship decides about what stood there before we came.
        """
        fresh: dict[str, list[str]] = {}
        for key, item in items.items():
            record = records.get(str(item.id))
            known = item.known
            if known is None or record is None or (record.stamp and record.stamp == known.stamp):
                continue
            late = [
                name
                for name in item.values.keys() - known.after.keys()
                if record.values.get(name) not in (None, self.sender.held(name, item.values[name]))
                and (known.origin != "adopt" or self._ours(name, item.values[name], item, known, record))
            ]
            if late:
                fresh[key] = late
        found: dict[str, list[str]] = {}
        for key, last in self._last(items, fresh).items():
            since = known.adopted if (known := items[key].known) else ""
            found[key] = sorted(
                n for n, by in last.items() if by is None or (by.who in THEIRS and by.at > since)
            )
        return found

    def _last(
        self, items: Mapping[str, Item], asked: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Version | None]]:
        """The version that stands in each of these fields, by key and field; None where the target tells
        none."""
        ids = [str(items[key].id) for key in asked]
        names = sorted({name for each in asked.values() for name in each})
        versions = self.sender.loading.newest(self.sender.object, ids, names)
        return {
            key: {
                name: next(iter(versions.get(str(items[key].id), {}).get(name, [])), None) for name in listed
            }
            for key, listed in asked.items()
        }

    def _ours(self, name: str, value: str | None, item: Item, known: Known, record: Held) -> bool:
        """Whether a field of an adopted record is the source's, by what the target held at the adoption, or
        holds now if the plan didn't map it then."""
        if name in self.always:
            return True
        mine, theirs = self.sender.held(name, value), known.before.get(name, record.values.get(name))
        # Not every update is of a newer version: an edited plan sends the same one again.
        stays = self.wins.choose(name, mine, theirs, item.version, known.adopted)
        return stays == mine

    def _survivors(self, item: Item, record: Held) -> dict[str, str | None]:
        chosen: dict[str, str | None] = {}
        for name, value in item.values.items():
            mine, theirs = self.sender.held(name, value), record.values.get(name)
            stays = (
                mine
                if name in self.always
                else self.wins.choose(name, mine, theirs, item.version, record.stamp)
            )
            if stays != theirs:
                chosen[name] = value if stays == mine else stays
        return chosen
