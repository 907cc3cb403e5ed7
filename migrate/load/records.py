"""How does one batch of records get through? Intent, before-images, send, outcomes, settlement.

Three rules hold on every way through: create only where no record has the key; update only what
is as we left it; never write an older version. `sending` makes the calls and settles lost answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from migrate.connector import THEIRS, Held, Operation, Version, Who
from migrate.journal import Entry
from migrate.load.context import Loading, Tally
from migrate.load.sending import Sender, Sent
from migrate.load.wanted import Spared, Wanted
from migrate.load.wins import Wins
from migrate.load.work import NONE, Item, RecordWork, image

LANDED = "landed"  # how the reason of a record changed at landing begins


class RecordProtocol(Sender):
    """Carries batches of one object's records. Thread safe: it keeps nothing between batches."""

    def __init__(self, loading: Loading, object: str, fields: Sequence[str], *, conflict: str = "hold",
                 wins: dict[str, str] | None = None, always: Sequence[str] = ()) -> None:  # fmt: skip
        """Args:
        fields: the target fields that the plan writes, key and old id included.
        conflict: what happens when a delta meets a record that isn't as we left it.
        wins: survivorship rule or expression by field, for adoptions; `target` where none is given.
        always: fields that an adoption writes whatever stands there (key, old id, old URL).
        """
        super().__init__(loading, object, fields)
        self.wanted = Wanted(self, conflict, Wins(loading, object, wins or {}), set(always))

    def run(self, work: RecordWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        with self.loading.batch(work.batch):
            if work.operation == NONE:
                entries = self._nothing(work)
                tally["unchanged"] += len(work.items)
            elif work.operation == "create":
                entries = self._create(work)
            elif work.operation == "delete":
                entries = self._delete(work)
            else:
                entries = self._change(work)
            self.loading.settle(work.batch, entries, tally)
        tally["_rows"] = len(work.items)
        return tally

    # -- create -------------------------------------------------------------------------------

    def _create(self, work: RecordWork) -> list[Entry]:
        sent = Sent()
        # What the journal says was made in this batch isn't looked for: a user may have merged it since.
        items = {item.key: item for item in work.items if not (work.doubt and item.known)}
        if work.doubt:
            if self.target.safe_create(self.object) == "settled":
                self.loading.wait_landing(work.batch.deadline)
            self._find_created(items, sent)
        self._send_all(Operation.CREATE, items, sent)
        found = {
            record.asked: record
            for record in self.target.read_back(self.object, self.fields, keys=list(sent.done))
        }
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
            reason=_landing(after),
            # A stamp that is no longer the one of our write: somebody wrote before we read.
            stamp=record.stamp if at and at == record.stamp else "",
        )

    # -- update and adopt ---------------------------------------------------------------------

    def _change(self, work: RecordWork) -> list[Entry]:
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
        writes: dict[str, Item] = {}
        images: dict[str, Held] = {}
        settled: dict[str, Held] = {}
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
                self._settle_doubt(work, item, earlier, record, entries, writes, images, settled)
                continue
            try:
                wanted = self.wanted.fields_of(work, item, record, taken.get(key, ()))
            except Spared as why:
                entries.append(self._entry(work, item, why.outcome, target_id=why.target_id, reason=str(why)))
                continue
            images[key] = record
            writes[key] = replace(item, values=wanted)
        self.loading.journal.append(
            self._entry(work, items[key], "intent", target_id=images[key].id, before=self._image(images[key]),
                        after=writes[key].values, stamp=images[key].stamp)
            for key in writes
            if key not in before
        )  # fmt: skip
        sent = Sent()
        to_send = {key: item for key, item in writes.items() if item.values and key not in settled}
        self._send_all(Operation.UPDATE, to_send, sent, images)
        sent.done.update({key: "" for key, item in writes.items() if not item.values})
        for key in settled:
            sent.done[key] = ""
        entries.extend(self._refusals(work, items, sent))
        entries.extend(self._changed(work, items, writes, images | settled, sent))
        return entries

    def _settle_doubt(
        self,
        work: RecordWork,
        item: Item,
        earlier: Entry,
        record: Held,
        entries: list[Entry],
        writes: dict[str, Item],
        images: dict[str, Held],
        settled: dict[str, Held],
    ) -> None:
        """An update that may have been executed: as before (send), as sent (done), or neither (conflict)."""
        was = Held(record.id, record.asked, earlier.before, earlier.stamp)
        as_before = record.stamp == earlier.stamp and all(
            record.values.get(name) == earlier.before.get(name) for name in earlier.after
        )
        as_sent = all(
            self.held(name, value) == record.values.get(name) for name, value in earlier.after.items()
        )
        if as_before:
            writes[item.key] = replace(item, values=dict(earlier.after))
            images[item.key] = was
        elif as_sent:
            settled[item.key] = was
            writes[item.key] = replace(item, values=dict(earlier.after))
        else:
            names = [n for n, v in earlier.after.items() if self.held(n, v) != record.values.get(n)]
            reason = f"changed: {', '.join(names)} changed while our write was in doubt"
            entries.append(
                self._entry(work, item, "conflict", target_id=record.id, before=earlier.before, reason=reason)
            )

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
                for name in self.fields
                if name not in item.values and record.values.get(name) != images[key].values.get(name)
            }
            if moved or self._differs(item.values, record):
                changed.append((replace(item, values={**item.values, **moved}), record))
                continue
            at = sent.done[key]
            entries.append(
                self._entry(work, items[key], "done", target_id=id, before=self._image(images[key]),
                            after=self._image(record), stamp=record.stamp if at == record.stamp else "")
            )  # fmt: skip
        for item, record, sides, after in self._landed(changed):
            entries.append(
                self._entry(work, items[item.key], "done", target_id=record.id,
                            before=self._image(images[item.key]), after={**self._image(record), **after},
                            reason=_landing(after))
            )  # fmt: skip
            entries.extend(self._sides(work, item, record, sides))
        return entries

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

    def _journalled(self, work: RecordWork) -> dict[str, Entry]:
        """The before-images that a former process made durable for this batch."""
        rows = self.loading.workspace.engine.rows(
            f"""SELECT key, target_id, "before", "after", stamp FROM {self.loading.journal.source()}
            WHERE batch = '{work.batch.id}' AND outcome = 'intent' AND kind = 'record' ORDER BY seq"""
        )
        return {
            row["key"]: Entry(
                self.loading.attempt, work.batch.id, self.loading.system, self.object, "record", row["key"],
                work.operation, "intent", row["target_id"], before=image(row["before"]),
                after=image(row["after"]), stamp=row["stamp"] or "",
            )
            for row in rows
        }  # fmt: skip

    def _nothing(self, work: RecordWork) -> list[Entry]:
        """What was deleted at the source before it ever got here is no dead letter any more."""
        gone = [item for item in work.items if item.values.get("_deleted") is not None]
        return [self._entry(work, item, "kept", reason="deleted at the source") for item in gone]

    # -- delete (tombstones) ------------------------------------------------------------------

    def _delete(self, work: RecordWork) -> list[Entry]:
        entries: list[Entry] = []
        if work.doubt:
            self.loading.wait_landing(work.batch.deadline)
        live = {
            r.asked: r
            for r in self.target.read_back(self.object, self.fields, ids=[i.id for i in work.items if i.id])
        }
        doomed: dict[str, Item] = {}
        touched = self._touched(work, live)
        for item in work.items:
            record, known = live.get(str(item.id)), item.known
            if not item.id:
                continue  # journalled as deleted by a process that was killed before the ledger knew
            if record is None:
                entries.append(self._entry(work, item, "done", target_id=item.id))
            elif record.id != item.id:
                reason = f"merged: deleted at the source, but its target record is now {record.id}"
                entries.append(self._entry(work, item, "held", target_id=item.id, reason=reason))
            elif known is None or known.origin != "create":
                reason = "adopted: deleted at the source, but we didn't create it"
                entries.append(self._entry(work, item, "held", target_id=item.id, reason=reason))
            elif any(
                name in known.after and known.after[name] != record.values.get(name) for name in self.fields
            ):
                reason = "changed: deleted at the source, but edited in the target"
                entries.append(self._entry(work, item, "held", target_id=item.id, reason=reason))
            elif names := touched.get(str(item.id)):
                reason = f"changed: deleted at the source, but {names} edited in the target"
                entries.append(self._entry(work, item, "held", target_id=item.id, reason=reason))
            else:
                doomed[item.key] = replace(item, values={})
        sent = Sent()
        self._send_all(Operation.DELETE, doomed, sent)
        items = {item.key: item for item in work.items}
        entries.extend(self._refusals(work, items, sent))
        entries.extend(self._entry(work, items[key], "done", target_id=items[key].id) for key in sent.done)
        return entries

    def _touched(self, work: RecordWork, live: dict[str, Held]) -> dict[str, str]:
        """By id, the fields of records to be deleted that others have written, also those of no plan of ours.

        Stamps choose whose history is read.
        """
        moved = [
            record.id
            for item in work.items
            if item.known
            and (record := live.get(str(item.id)))
            and not (record.stamp and record.stamp == item.known.stamp)
        ]
        found = {}
        for id, fields in self.loading.newest(self.object, moved, []).items():
            names = sorted(n for n, kept in fields.items() if any(v.who in THEIRS for v in kept))
            if names:
                found[id] = ", ".join(names)
        return found

    # -- small things -------------------------------------------------------------------------

    def _image(self, record: Held) -> dict[str, str | None]:
        """Our fields as they stand, empty ones too: what isn't in an image was no field of the plan then."""
        return {name: record.values.get(name) for name in self.fields}

    def _landed(
        self, changed: list[tuple[Item, Held]]
    ) -> list[tuple[Item, Held, dict[str, str | None], dict[str, str | None]]]:
        """Values that came back other than sent, or than they stood: an automation's are side effects, a
        person's are theirs.

        Returns for each: item, record, {field: what an automation put there}, and what of the
        after-image must stay as we sent it, so that a person's change shows as theirs.
        """
        names = sorted({name for item, _ in changed for name in item.values})
        versions = self.loading.newest(self.object, [record.id for _, record in changed], names)
        found = []
        for item, record in changed:
            sides: dict[str, str | None] = {}
            ours: dict[str, str | None] = {}
            for name, value in item.values.items():
                mine, got = self.held(name, value), record.values.get(name)
                if mine == got:
                    continue
                newest = next(iter(versions.get(record.id, {}).get(name, [])), None)
                if newest is not None and newest.who in (Who.AUTOMATION, Who.OURS):
                    sides[name] = got
                else:
                    ours[name] = mine
            found.append((item, record, sides, ours))
        return found

    def _sides(self, work: RecordWork, item: Item, record: Held, sides: dict[str, str | None]) -> list[Entry]:
        if not sides:
            return []
        before = {name: self.held(name, item.values.get(name)) for name in sides}
        entry = self._entry(work, item, "side", target_id=record.id, before=before, after=sides,
                            reason="changed at landing by an automation")  # fmt: skip
        return [replace(entry, kind="side")]

    def _refusals(self, work: RecordWork, items: dict[str, Item], sent: Sent) -> list[Entry]:
        return [
            self._entry(work, items[key], outcome, reason=f"{code}: {reason}" if code else reason)
            for key, (outcome, code, reason) in sent.refused.items()
        ]

    def _entry(self, work: RecordWork, item: Item, outcome: str, *, target_id: str | None = None,
               before: dict[str, str | None] | None = None, after: dict[str, str | None] | None = None,
               reason: str = "", stamp: str = "") -> Entry:  # fmt: skip
        return Entry(
            attempt=self.loading.attempt,
            batch=work.batch.id,
            system=self.loading.system,
            object=self.object,
            kind="record",
            key=item.key,
            op=work.operation,
            outcome=outcome,
            target_id=target_id,
            before=before or {},
            after=after or {},
            reason=reason,
            version=item.version,
            stamp=stamp,
        )


def _landing(changed: dict[str, str | None]) -> str:
    """The reason of a record whose values a person changed right after our write; they are theirs."""
    return (
        f"{LANDED}: {', '.join(sorted(changed))} changed by somebody right after our write" if changed else ""
    )
