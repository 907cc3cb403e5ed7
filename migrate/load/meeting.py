"""Who changed what our write meets, and what did the plan's rule decide? Both values go into the journal.

`decided` is what a rule of the plan settled (`conflict: source` or `target`), beside the record's own end;
what is held is its end. In both `before` has what stands there, `after` what the source would have; `label`
says who changed it and when, as far as the target tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from migrate.connector import Held, Version, Who
from migrate.journal import Entry
from migrate.load.outcomes import Outcomes
from migrate.load.wanted import changed
from migrate.load.work import Item, RecordWork

DECIDED = "decided"
SAID = {"source": "the plan lets the source win", "target": "the plan lets the target's value stand"}


class Meeting(Outcomes):
    """Tells the conflicts of one batch."""

    def of_rule(
        self, work: RecordWork, rule: str, met: Mapping[str, Sequence[str]], items: Mapping[str, Item],
        records: Mapping[str, Held],
    ) -> Iterator[Entry]:  # fmt: skip
        """An entry for each record that a rule of the plan decided about.

        Args:
            met: by key, the fields that somebody else had changed.
        """
        for key, names in met.items():
            item, record = items[key], records[key]
            yield self._entry(
                work, item, DECIDED, target_id=record.id,
                before={name: record.values.get(name) for name in names},
                after={name: item.values[name] for name in names if name in item.values},
                reason=f"{changed(names)}; {SAID[rule]}", stamp=record.stamp,
            )  # fmt: skip

    def by_whom(
        self, entries: Sequence[Entry], met: Mapping[str, Sequence[str]], records: Mapping[str, Held]
    ) -> list[Entry]:
        """The entries, those about these records with who changed them, and when it was."""
        ids = [records[key].id for key in met]
        names = sorted({name for found in met.values() for name in found})
        versions = self.loading.newest(self.object, ids, names) if ids else {}
        told = []
        for entry in entries:
            if entry.key in met and entry.outcome in ("held", DECIDED):
                record = records[entry.key]
                label = author(met[entry.key], versions.get(record.id, {}))
                entry = replace(entry, label=label or None, stamp=entry.stamp or record.stamp)
            told.append(entry)
        return told


def author(names: Sequence[str], versions: Mapping[str, Sequence[Version]]) -> str:
    """Who wrote these fields last, but for us: `Maren (person) at 2026-…`, each once."""
    found = {}
    for name in names:
        last = next((each for each in versions.get(name, ()) if each.who is not Who.OURS), None)
        if last is not None:
            found[f"{last.name} ({last.who})".strip()] = last.at
    return ", ".join(f"{who} at {at}" for who, at in found.items())
