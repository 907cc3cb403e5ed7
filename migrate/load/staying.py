"""What becomes of a change in the source of a record that is at home in the target? It is held, with both
values.

Nothing is written. Who decides sees what stands there now, and what the source has made of it.
"""

from __future__ import annotations

from dataclasses import replace

from migrate.connector import Held
from migrate.journal import Entry
from migrate.load.outcomes import Outcomes
from migrate.load.work import Item, RecordWork

HOME = "home"  # how the reason of what was held for its home begins


class Stayer(Outcomes):
    """Carries batches of records at home in the target."""

    def entries(self, work: RecordWork) -> list[Entry]:
        """Hold what the source changed; the outcomes."""
        ids = [item.known.id for item in work.items if item.known]
        there = {record.asked: record for record in self.target.read_back(self.object, self.fields, ids=ids)}
        return [self._entry_of(work, item, there) for item in work.items]

    def _entry_of(self, work: RecordWork, item: Item, there: dict[str, Held]) -> Entry:
        known, record = item.known, there.get(item.known.id) if item.known else None
        if item.values.get("_deleted") is not None:
            if known is None:
                return self._entry(work, item, "kept", reason="deleted at the source")
            reason = f"{HOME}: deleted at the source, and at home in the target"
            return self._entry(work, item, "held", target_id=known.id, reason=reason)
        if known is None:
            reason = f"{HOME}: made in the source, and at home in the target"
            return self._entry(work, item, "held", after=item.values, reason=reason)
        changed = [
            name for name, value in item.values.items() if self.held(name, value) != known.after.get(name)
        ]
        if not changed:
            reason = f"{HOME}: nothing in it differs from what was loaded"
            return self._entry(work, item, "kept", target_id=known.id, reason=reason)
        values = record.values if record is not None else {}
        entry = self._entry(
            work, item, "held", target_id=known.id,
            before={name: values.get(name) for name in changed},
            after={name: item.values[name] for name in changed},
            reason=f"{HOME}: {', '.join(changed)} changed in the source, and at home in the target",
        )  # fmt: skip
        return replace(entry, stamp=record.stamp if record is not None else "")
