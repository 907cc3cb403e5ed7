"""How does a record go that was deleted at the source? Only if we created it and nobody touched it since."""

from __future__ import annotations

from dataclasses import replace

from migrate.connector import THEIRS, Held, Operation
from migrate.journal import Entry
from migrate.load.outcomes import Outcomes
from migrate.load.sending import Sent
from migrate.load.work import Item, RecordWork


class Remover(Outcomes):
    """Carries batches of tombstones."""

    def entries(self, work: RecordWork) -> list[Entry]:
        """Delete what is ours alone; the outcomes."""
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
            elif known is None or (known.origin != "create" and not self.loading.gives_back):
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
            # What people wrote there before it came over is no edit since.
            and item.known.origin == "create"
            and (record := live.get(str(item.id)))
            and not (record.stamp and record.stamp == item.known.stamp)
        ]
        found = {}
        for id, fields in self.loading.newest(self.object, moved, []).items():
            names = sorted(n for n, kept in fields.items() if any(v.who in THEIRS for v in kept))
            if names:
                found[id] = ", ".join(names)
        return found

    def never_there(self, work: RecordWork) -> list[Entry]:
        """What was deleted at the source before it ever got here is no dead letter any more."""
        gone = [item for item in work.items if item.values.get("_deleted") is not None]
        return [self._entry(work, item, "kept", reason="deleted at the source") for item in gone]
