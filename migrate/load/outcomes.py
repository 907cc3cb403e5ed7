"""What is journalled of a record that was written? Its images, and who else wrote right after us."""

from __future__ import annotations

from dataclasses import replace

from migrate.connector import Held, Who
from migrate.journal import Entry
from migrate.load.sending import Sender, Sent
from migrate.load.work import Item, RecordWork

LANDED = "landed"  # how the reason of a record changed at landing begins


class Outcomes(Sender):
    """Makes journal entries of one object's records. Thread safe: it keeps nothing between batches."""

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
        entries = []
        for key, (outcome, code, reason) in sent.refused.items():
            words = f"{code}: {reason}" if code else reason
            if key in sent.done and key in sent.left:
                words += f"; not written: {', '.join(sent.left[key])}, all else was"
            entries.append(self._entry(work, items[key], outcome, reason=words))
        return entries

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


def landing(changed: dict[str, str | None]) -> str:
    """The reason of a record whose values a person changed right after our write; they are theirs."""
    return (
        f"{LANDED}: {', '.join(sorted(changed))} changed by somebody right after our write" if changed else ""
    )
