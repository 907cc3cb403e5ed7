"""How are records made once? Create only where no record has the key; what was lost is looked up by key."""

from __future__ import annotations

from migrate.connector import Held, Operation
from migrate.journal import Entry
from migrate.load.outcomes import Outcomes, landing
from migrate.load.sending import Sent
from migrate.load.work import Item, RecordWork


class Creator(Outcomes):
    """Carries batches of records to create."""

    def entries(self, work: RecordWork) -> list[Entry]:
        """Create what isn't there; the outcomes."""
        # A first record alone (the canary) is no job, whatever the rest of its batch will be.
        sent = Sent(by_job=work.by_job and len(work.items) > self.target.limits.records_of(self.object))
        # What the journal says was made in this batch isn't looked for: a user may have merged it since.
        items = {item.key: item for item in work.items if not (work.doubt and item.known)}
        if work.doubt and work.batch.job:
            # What was sent before the job was may have been released a moment before that process ended.
            self.loading.wait_landing(work.batch.deadline)
            self._settle_job(Operation.CREATE, items, work.batch.job, sent)
        if work.doubt:
            if self.target.safe_create(self.object) == "settled":
                self.loading.wait_landing(work.batch.deadline)
            self._find_created(items, sent)
        self._send_all(Operation.CREATE, items, sent)
        found = {record.asked: record for record in self._by_key({key: items[key] for key in sent.done})}
        entries = self._refusals(work, items, sent)
        changed: list[tuple[Item, Held]] = []
        # What no reply of ours named was found by its key: made by a lost call of ours, or long before.
        looked = {record.id for key, record in found.items() if not sent.done[key]}
        stood = self.loading.stood_before(self.object, looked)
        for key in sent.done:
            record = found.get(key)
            if record is None:
                entries.append(
                    self._entry(work, items[key], "refused", reason="gone: deleted right after our write")
                )
            elif record.id in stood:
                reason = f"stood: record {record.id} had this key before this load; it isn't one that we made"
                entries.append(self._entry(work, items[key], "conflict", reason=reason))
            elif self._differs(items[key].values, record):
                changed.append((items[key], record))
            else:
                entries.append(self._created(work, items[key], record, sent.done[key], {}))
        for item, record, sides, after in self._landed(changed):
            entries.append(self._created(work, item, record, "", after))
            entries.extend(self._sides(work, item, record, sides))
        return entries

    def _created(
        self, work: RecordWork, item: Item, record: Held, at: str, after: dict[str, str | None]
    ) -> Entry:
        return self._entry(
            work,
            item,
            "done",
            target_id=record.id,
            after={**self._image(record), **after},
            reason=landing(after),
            # A stamp that is no longer the one of our write: somebody wrote before we read.
            stamp=record.stamp if at and at == record.stamp else "",
        )
