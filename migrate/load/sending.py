"""How does a call's worth of records get an answer for each, whatever becomes of the call?

A batch that is refused as a whole is halved until the bad record stands alone. A call without a full
answer is never simply sent again: the target is read back first, by key or id, from its row store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from migrate.catalog import Field, says_yes, takes_back_no
from migrate.connector import Batch, BatchRefused, FindsByValues, Held, Operation, Outcome, Write
from migrate.errors import InDoubt
from migrate.held import held
from migrate.load import jobs
from migrate.load.context import Loading
from migrate.load.work import Item

TRIES = 6  # of one batch whose answers keep getting lost


@dataclass
class Sent:
    """Where the records of a batch stand while it is under way, by migration key."""

    done: dict[str, str] = field(default_factory=dict)  # key -> stamp right after our write, or ""
    refused: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # key -> outcome, code, reason
    unsaid: dict[str, tuple[str, str]] = field(default_factory=dict)  # key -> why it was put off, last
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)  # key -> fields that a refusal names
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)  # key -> what wasn't written of a part
    by_job: bool = False  # its records are to go as a job of the vendor's


class Sender:
    """Sends records of one object, and settles what was left without an answer."""

    def __init__(self, loading: Loading, object: str, fields: Sequence[str]) -> None:
        """Args:
        fields: the target fields that the plan writes, key and old id included.
        """
        self.loading, self.target, self.object = loading, loading.target, object
        self.fields = list(fields)
        self.schema: dict[str, Field] = loading.catalog.objects[object].fields

    def _send_all(
        self, operation: Operation, items: dict[str, Item], sent: Sent, images: dict[str, Held] | None = None
    ) -> None:
        """Send until every item is done or refused; answers that get lost are settled by reading back."""
        for number in range(TRIES):
            open_items = self._open(items.values(), sent)
            if not open_items:
                return
            if number:
                self.loading.pause(2.0**number)
            self._try(operation, open_items, sent, images or {})
        if self._open(items.values(), sent):
            self._isolate(operation, list(items.values()), sent, images or {})

    @staticmethod
    def _open(items: Iterable[Item], sent: Sent) -> list[Item]:
        return [item for item in items if item.key not in sent.done and item.key not in sent.refused]

    def _try(self, operation: Operation, items: list[Item], sent: Sent, images: dict[str, Held]) -> None:
        """The calls that so many records take, each with a look at what it left unanswered."""
        if sent.by_job:
            sent.by_job = False  # what it leaves goes by plain calls
            batch = self._batch(operation, items)
            self._take(operation, items, jobs.run(self.loading, batch), sent)
            self._find_created({item.key: item for item in self._open(items, sent)}, sent)
            items = self._open(items, sent)
        size = self.target.limits.records_of(self.object)
        for first in range(0, len(items), size):
            self._call(operation, items[first : first + size], sent, images)

    def _settle_job(self, operation: Operation, items: dict[str, Item], job: str, sent: Sent) -> None:
        """A former process has made this job of them: it is polled to its end before anything else."""
        batch = self._batch(operation, list(items.values()))
        self._take(operation, list(items.values()), jobs.settle(self.loading, batch, job), sent)

    def _batch(self, operation: Operation, items: Sequence[Item]) -> Batch:
        writes = tuple(Write(item.key, item.id, self._payload(operation, item)) for item in items)
        return Batch(operation, self.object, writes)

    def _call(self, operation: Operation, items: list[Item], sent: Sent, images: dict[str, Held]) -> None:
        """One call, and a look at what it left unanswered."""
        doubt: InDoubt | None = None
        try:
            self._send(operation, items, sent)
        except InDoubt as error:
            doubt = error
            self.loading.doubted()
        if left := {item.key: item for item in self._open(items, sent)}:
            self._look(operation, left, sent, doubt, images)

    def _isolate(self, operation: Operation, items: list[Item], sent: Sent, images: dict[str, Held]) -> None:
        """Halve what is never answered until the record alone that the target chokes on is refused.

        Raises:
            InDoubt: nothing of it is answered, so the target is at fault and no record.
        """
        silent: list[Item] = []
        halves = [self._open(items, sent)]
        patience = len(items).bit_length() + 3
        while halves:
            part = self._open(halves.pop(), sent)
            if not part:
                continue
            if len(part) < len(items):
                self._try(operation, part, sent, images)
            rest = self._open(part, sent)
            if len(rest) == 1:
                silent += rest
            elif rest:
                middle = len(rest) // 2
                halves += [rest[middle:], rest[:middle]]
            patience -= 1
            if not patience and not any(item.key in sent.done for item in items):
                break
        # A canary has nothing beside it that would show whether the target or the record is at fault.
        alone = len(items) > 1 or self.loading.canary
        if halves or (alone and silent and not any(item.key in sent.done for item in items)):
            raise InDoubt(
                self.loading.system, f"{len(self._open(items, sent))} {self.object} after {TRIES} tries"
            )
        for item in silent:
            why = sent.unsaid.get(item.key, ("unanswered", "the target never answers this write"))
            sent.refused[item.key] = ("refused", *why)

    def _send(self, operation: Operation, items: list[Item], sent: Sent) -> None:
        """One call; a batch that is refused as a whole is halved until the bad record stands alone."""
        try:
            outcomes = self.target.send(self._batch(operation, items))
        except BatchRefused as error:
            if len(items) == 1:
                sent.refused[items[0].key] = ("refused", error.code, error.reason)
                return
            middle = len(items) // 2
            self._send(operation, items[:middle], sent)
            self._send(operation, items[middle:], sent)
            return
        self._take(operation, items, outcomes, sent)

    def _take(self, operation: Operation, items: list[Item], outcomes: Sequence[Outcome], sent: Sent) -> None:
        for outcome in outcomes:
            key = items[outcome.index].key
            if outcome.status == "done":
                sent.done[key] = outcome.stamp
            elif outcome.status == "refused":
                sent.refused[key] = ("refused", outcome.code, outcome.reason)
                sent.named[key] = outcome.fields
            elif outcome.status == "unsaid" and outcome.code:
                sent.unsaid[key] = (outcome.code, outcome.reason)
        clashes = {items[o.index].key: o for o in outcomes if o.status == "conflict"}
        if clashes:
            # Of a create, a record with this key is a former call of ours that landed; any other clash isn't
            # ours. An update's record bears its key anyway: what clashes there is another unique value.
            if operation is Operation.CREATE:
                by_key = {item.key: item for item in items if item.key in clashes}
                for record in self._by_key(by_key):
                    sent.done[record.asked] = ""
                    clashes.pop(record.asked, None)
            for key, outcome in clashes.items():
                sent.refused[key] = ("conflict", outcome.code, outcome.reason)

    def _look(
        self,
        operation: Operation,
        items: dict[str, Item],
        sent: Sent,
        doubt: InDoubt | None,
        images: dict[str, Held],
    ) -> None:
        """What became of items without an answer? Those that stay open are sent again."""
        if operation is Operation.CREATE:
            if doubt is not None and self.target.safe_create(self.object) == "settled":
                self.loading.pause(self.target.limits.longest_call)
            self._find_created(items, sent)
            return
        if doubt is not None:
            self.loading.pause(self.target.limits.longest_call)
        ids = [str(item.id) for item in items.values()]
        live = {record.asked: record for record in self.target.read_back(self.object, self.fields, ids=ids)}
        for key, item in items.items():
            record, before = live.get(str(item.id)), images.get(key)
            if operation is Operation.DELETE:
                if record is None:
                    sent.done[key] = ""
            elif record is None:
                sent.refused[key] = ("conflict", "gone", "the target record was deleted")
            elif not self._differs(item.values, record):
                sent.done[key] = ""
            elif before is None or record.stamp != before.stamp:
                sent.refused[key] = ("conflict", "changed", "the record changed while our write was in doubt")

    def _find_created(self, items: dict[str, Item], sent: Sent) -> None:
        """Which of these are in the target already, by key? Those are done."""
        open_keys = [key for key in items if key not in sent.done and key not in sent.refused]
        for record in self._by_key({key: items[key] for key in open_keys}):
            sent.done[record.asked] = ""

    def _by_key(self, items: Mapping[str, Item]) -> list[Held]:
        """The target's records of these keys; where none bears one, those that hold what was to be sent."""
        target = self.target
        if isinstance(target, FindsByValues) and target.by_values(self.object):
            writes = [Write(item.key, None, item.values) for item in items.values()]
            return target.find(self.object, self.fields, writes)
        return self.target.read_back(self.object, self.fields, keys=list(items))

    def _payload(self, operation: Operation, item: Item) -> dict[str, str | None]:
        """What is sent. The last gate for consent: no way through the load writes a yes over a no."""
        if operation is Operation.CREATE:
            return {
                name: value
                for name, value in item.values.items()
                if value is not None and not says_yes(self.schema.get(name), value)
            }
        if operation is not Operation.UPDATE:
            return {}
        return {
            name: value
            for name, value in item.values.items()
            if not takes_back_no(self.schema.get(name), value)
        }

    def held(self, name: str, value: str | None) -> str | None:
        """A wire value as the target will hold it."""
        known = self.schema.get(name)
        return held(known.held if known else (), value)

    def _differs(self, values: dict[str, str | None], record: Held) -> bool:
        return any(self.held(name, value) != record.values.get(name) for name, value in values.items())
