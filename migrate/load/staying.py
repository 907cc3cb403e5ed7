"""What becomes of a change in the source of a record that is at home in the target? It is held, with both
values.

Nothing is written. Who decides sees what stands there now, and what the source has made of it. What a live
way back brought to the source is nobody's change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from migrate.connector import Held
from migrate.journal import Entry
from migrate.load.homes import DELETED, echoes
from migrate.load.outcomes import Outcomes
from migrate.load.work import Item, RecordWork

HOME = "home"  # how the reason of what was held for its home begins


class Stayer(Outcomes):
    """Carries batches of records at home in the target."""

    def entries(self, work: RecordWork) -> list[Entry]:
        """Hold what the source changed; the outcomes."""
        ids = [item.known.id for item in work.items if item.known]
        there = {record.asked: record for record in self.target.read_back(self.object, self.fields, ids=ids)}
        key = work.plan.key
        given = {key.field, key.old_id, key.old_url}  # ours; who was born in the target has none
        changed = {item.key: names for item in work.items if (names := self._changed(item, given))}
        brought = echoes(self.loading.workspace, work.plan.name, changed)
        return [
            self._entry_of(
                work, item, there,
                [name for name in changed.get(item.key, ()) if (item.key, name) not in brought],
                echo=any((item.key, name) in brought for name in changed.get(item.key, ())),
            )
            for item in work.items
        ]  # fmt: skip

    def _changed(self, item: Item, given: Collection[str | None]) -> list[str]:
        """What the source changed in a record that we loaded: fields, or that it is gone."""
        if item.known is None:
            return []
        if item.values.get("_deleted") is not None:
            return [DELETED]
        after = item.known.after
        return [
            name
            for name, value in item.values.items()
            if name not in given and self.held(name, value) != after.get(name)
        ]

    def _entry_of(
        self, work: RecordWork, item: Item, there: dict[str, Held], changed: list[str], *, echo: bool
    ) -> Entry:
        known, record = item.known, there.get(item.known.id) if item.known else None
        if known is None:
            if item.values.get("_deleted") is not None:
                return self._entry(work, item, "kept", reason="deleted at the source")
            reason = f"{HOME}: made in the source, and at home in the target"
            return self._entry(work, item, "held", after=item.values, reason=reason)
        if not changed:
            came = "the way back brought it" if echo else "nothing in it differs from what was loaded"
            return self._entry(work, item, "kept", target_id=known.id, reason=f"{HOME}: {came}")
        if DELETED in changed:
            reason = f"{HOME}: deleted at the source, and at home in the target"
            return self._entry(work, item, "held", target_id=known.id, reason=reason)
        values = record.values if record is not None else {}
        entry = self._entry(
            work, item, "held", target_id=known.id,
            before={name: values.get(name) for name in changed},
            after={name: item.values[name] for name in changed},
            reason=f"{HOME}: {', '.join(changed)} changed in the source, and at home in the target",
        )  # fmt: skip
        return replace(entry, stamp=record.stamp if record is not None else "")
