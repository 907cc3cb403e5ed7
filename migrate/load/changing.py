"""How is a record changed that is there already? Only as we left it, and with what stood there kept.

A before-image is durable before the call is made. A call in doubt is settled by it: the record is as it
was (send), as it was sent (done), or neither (a conflict).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from migrate.connector import Held, Operation, Version, Who
from migrate.journal import Entry
from migrate.load.apart import Apart
from migrate.load.context import Loading
from migrate.load.meeting import Meeting
from migrate.load.outcomes import landing
from migrate.load.sending import Sent
from migrate.load.wanted import Spared, Wanted
from migrate.load.wins import Wins
from migrate.load.work import Item, RecordWork, image


@dataclass(frozen=True)
class Begun:
    """An update that a former process may have sent. `last`: its newest part, or the whole of it."""

    whole: Entry
    last: Entry


class Changer(Apart):
    """Carries batches of records to update or to adopt."""

    def __init__(self, loading: Loading, object: str, fields: Sequence[str], *, conflict: str,
                 wins: dict[str, str], always: Sequence[str], only: Collection[str]) -> None:  # fmt: skip
        """Args: as `RecordProtocol`."""
        super().__init__(loading, object, fields)
        self.only, self.meeting = frozenset(only), Meeting(loading, object, fields)
        self.wanted = Wanted(self, conflict, Wins(loading, object, wins), set(always), self.only)

    def entries(self, work: RecordWork) -> list[Entry]:
        """Write what may be written; the outcomes."""
        items = {item.key: item for item in work.items}
        entries: list[Entry] = []
        before = self._journalled(work) if work.doubt else {}
        if before:
            self.loading.wait_landing(work.batch.deadline)
        records = {
            record.asked: record
            for record in self.target.read_back(self.object, self.fields, ids=[str(i.id) for i in work.items])
        }
        taken = self.wanted.taken(items, records)
        delta = work.operation == "update" and self.loading.phase != "repair"
        filled = self.wanted.filled(work, items, records) if delta else {}
        writes: dict[str, Item] = {}
        images: dict[str, Held] = {}
        landed: dict[str, dict[str, str | None]] = {}
        met: dict[str, list[str]] = {}
        for key, item in items.items():
            record = records.get(str(item.id))
            if record is None or record.id != item.id:
                reason = (
                    "gone: the target record was deleted"
                    if record is None
                    else (f"merged: the target record is now {record.id}")
                )
                entries.append(self._entry(work, item, "conflict", reason=reason))
                continue
            if earlier := before.get(key):
                left = self._settle_doubt(work, item, earlier, record, landed)
                if isinstance(left, Entry):
                    entries.append(left)
                else:
                    writes[key] = left
                    images[key] = replace(record, values=earlier.whole.before, stamp=earlier.whole.stamp)
                continue
            if delta:
                met[key] = self.wanted.theirs(work, item, record, taken.get(key, ()), filled.get(key, ()))
            try:
                wanted = self.wanted.fields_of(work, item, record, taken.get(key, ()), filled.get(key, ()))
            except Spared as why:
                entries.append(
                    self._entry(work, item, why.outcome, target_id=why.target_id, before=why.before,
                                after=why.after, reason=str(why))
                )  # fmt: skip
                continue
            images[key] = record
            writes[key] = replace(item, values=wanted)
        if met := {key: names for key, names in met.items() if names}:
            seen = {key: records[str(items[key].id)] for key in met}
            if (rule := self.wanted.conflict) != "hold":
                entries.extend(self.meeting.of_rule(work, rule, met, items, seen))
            entries = self.meeting.by_whom(entries, met, seen)
        self.loading.journal.append(
            self._entry(work, items[key], "intent", target_id=images[key].id,
                        before=self._before(images[key]), after=writes[key].values, stamp=images[key].stamp)
            for key in writes
            if key not in before
        )  # fmt: skip
        sent = Sent()
        to_send = {key: item for key, item in writes.items() if item.values}
        looks = {key: records[str(item.id)] for key, item in to_send.items()}
        self._send_all(Operation.UPDATE, to_send, sent, looks)
        if work.operation == "update":
            loose = self.only or frozenset(self.loading.later.get(work.plan.name, ()))
            kept = {key: self._before(record) for key, record in images.items()}
            self._send_apart(work, writes, images, kept, sent, loose)
        idle = [key for key, item in writes.items() if not item.values and key not in sent.refused]
        sent.done.update(dict.fromkeys(idle, ""))
        for key, values in landed.items():
            if key not in sent.done:
                sent.left.setdefault(key, tuple(writes[key].values))
                writes[key] = replace(writes[key], values={})
            writes[key] = replace(writes[key], values=values | writes[key].values)
            sent.done[key] = ""
        entries.extend(self._changed(work, items, writes, images, sent))
        # After what was done of the same record: what is refused still is its end.
        entries.extend(self._refusals(work, items, sent))
        return entries

    def _before(self, record: Held) -> dict[str, str | None]:
        """What a rollback puts back: of a second pass its own fields only."""
        image = self._image(record)
        return {name: image[name] for name in self.only} if self.only else image

    def _after(self, item: Item, record: Held) -> dict[str, str | None]:
        """Our fields as we left them. For a second pass the others are as we left them before: somebody may
        have written to them since, and their work isn't ours."""
        if not self.only:
            return self._image(record)
        former = item.known.after if item.known else {}
        return {**former, **{name: record.values.get(name) for name in self.only}}

    def _settle_doubt(self, work: RecordWork, item: Item, begun: Begun, record: Held,
                      landed: dict[str, dict[str, str | None]]) -> Item | Entry:  # fmt: skip
        """An update that may have been executed: as before (send), as sent (done), or neither (conflict).

        Of one that went in parts, the newest part is in doubt; what the others wrote is known by value.

        Returns:
            What is still to be sent, with what has landed in `landed`; or the conflict.
        """
        whole, last, values = begun.whole, begun.last, record.values
        as_sent = {name for name, value in whole.after.items() if self.held(name, value) == values.get(name)}
        as_before = {name for name in whole.after if values.get(name) == whole.before.get(name)}
        other = whole.after.keys() - as_sent - as_before
        if last.after.keys() <= as_before and record.stamp == last.stamp:
            done = as_sent - last.after.keys() - as_before
        elif last.after.keys() <= as_sent:
            done = (as_sent - as_before) | last.after.keys()
        else:
            done, other = set(), other or last.after.keys() - as_sent
        if other:
            names = ", ".join(name for name in whole.after if name in other)
            reason = f"changed: {names} changed while our write was in doubt"
            return self._entry(
                work, item, "conflict", target_id=record.id, before=whole.before, reason=reason
            )
        if done:
            landed[item.key] = {name: value for name, value in whole.after.items() if name in done}
        return replace(item, values={n: v for n, v in whole.after.items() if n not in done})

    def _changed(self, work: RecordWork, items: dict[str, Item], writes: dict[str, Item],
                 images: dict[str, Held], sent: Sent) -> list[Entry]:  # fmt: skip
        """After-images of what was updated, and the edits that our write covered."""
        ids = {str(items[key].id): key for key in sent.done}
        entries: list[Entry] = []
        records = {r.asked: r for r in self.target.read_back(self.object, self.fields, ids=list(ids))}
        written = sorted({name for key in sent.done for name in writes[key].values})
        versions = self.loading.newest(
            self.object, [i for i, key in ids.items() if writes[key].values], written
        )
        changed: list[tuple[Item, Held]] = []
        for id, key in ids.items():
            record, item = records.get(id), writes[key]
            if record is None:
                entries.append(
                    self._entry(work, items[key], "conflict", reason="gone: deleted right after our write")
                )
                continue
            entries.extend(self._lost_edits(work, item, record, images[key], versions.get(id, {})))
            # What we didn't write must be as the before-image has it: else somebody has written since.
            moved = {
                name: images[key].values.get(name)
                for name in self.only or self.fields
                if name not in item.values
                and name not in work.plan.insert_only  # a target may move such a stamp with every save
                and record.values.get(name) != images[key].values.get(name)
            }
            if moved or self._differs(item.values, record):
                changed.append((replace(item, values={**item.values, **moved}), record))
                continue
            alone = sent.done[key] == record.stamp and self._untouched(work, items[key], images[key])
            entries.append(
                self._entry(work, items[key], "done", target_id=id, before=self._before(images[key]),
                            after=self._after(item, record), stamp=record.stamp if alone else "")
            )  # fmt: skip
        for item, record, sides, after in self._landed(changed):
            entries.append(
                self._entry(work, items[item.key], "done", target_id=record.id,
                            before=self._before(images[item.key]),
                            after={**self._after(item, record), **after},
                            reason=landing(after))
            )  # fmt: skip
            entries.extend(self._sides(work, item, record, sides))
        return entries

    @staticmethod
    def _untouched(work: RecordWork, item: Item, before: Held) -> bool:
        """Whether nobody wrote between our last write and this one. A stamp that we keep vouches for all
        fields, those too that aren't ours: a rollback reads no history of a record that still has it."""
        return work.operation != "update" or (item.known is not None and item.known.stamp == before.stamp)

    def _lost_edits(self, work: RecordWork, item: Item, record: Held, before: Held,
                    versions: dict[str, list[Version]]) -> list[Entry]:  # fmt: skip
        """Edits between our read and our write: the version under ours isn't our before-image."""
        lost: dict[str, str | None] = {}
        names = []
        for name in item.values:
            kept = versions.get(name, [])
            ours = next((n for n, version in enumerate(kept) if version.who is Who.OURS), None)
            if ours is None or ours + 1 >= len(kept):
                continue
            under = kept[ours + 1]
            if under.value != before.values.get(name) and under.at > before.stamp:
                lost[name] = under.value
                names.append(f"{name} by {under.name or under.who}")
        if not lost:
            return []
        reason = f"lost_edit: our write covered a newer value of {', '.join(names)}"
        return [self._entry(work, item, "lost_edit", target_id=record.id, before=lost, reason=reason)]

    def _journalled(self, work: RecordWork) -> dict[str, Begun]:
        """The before-images that a former process made durable for this batch."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, target_id, "before", "after", stamp FROM {self.loading.journal.source()}
            WHERE batch = '{work.batch.id}' AND outcome = 'intent' AND kind = 'record' ORDER BY seq"""
        )
        found: dict[str, Begun] = {}
        for row in rows:
            entry = Entry(
                self.loading.attempt, work.batch.id, self.loading.system, self.object, "record", row["key"],
                work.operation, "intent", row["target_id"], before=image(row["before"]),
                after=image(row["after"]), stamp=row["stamp"] or "",
            )  # fmt: skip
            earlier = found.get(row["key"])
            found[row["key"]] = Begun(earlier.whole if earlier else entry, entry)
        return found
