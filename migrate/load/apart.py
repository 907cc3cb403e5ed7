"""What becomes of an update that is refused, where only one of its late fields is at fault?

References that are filled in late needn't arrive together. So a refused update that has some is sent again
in parts: first what the target's error doesn't name, then each named field alone; where it names none,
halves, until what is refused stands alone. Only that becomes a dead letter. The fields that aren't late stay
together and go first: where they are refused, nothing of the record's new version is written.

Each part has an intent of its own, with the stamp of a look just before it: killed between two parts, the
next process knows from the newest intent which part may have landed, and from the first what there is to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migrate.connector import Held, Operation
from migrate.load.outcomes import Outcomes
from migrate.load.sending import Sent
from migrate.load.work import Item, RecordWork

Unit = tuple[str, ...]  # fields that are written together or not at all


def units(values: Collection[str], loose: Collection[str]) -> list[Unit]:
    """The fields of an update, in what may be written apart: the loose ones singly, the others together."""
    rest = tuple(name for name in values if name not in loose)
    return [*([rest] if rest else []), *((name,) for name in values if name in loose)]


def parts(refused: Sequence[Unit], named: Collection[str]) -> list[list[Unit]]:
    """A refused update of several units, in parts.

    Args:
        named: fields that the target's error names.
    """
    blamed = [unit for unit in refused if not set(named).isdisjoint(unit)]
    rest = [unit for unit in refused if unit not in blamed]
    if blamed and rest:
        return [rest, *([unit] for unit in blamed)]
    middle = len(refused) // 2
    return [list(refused[:middle]), list(refused[middle:])]


@dataclass
class Parted:
    """A record whose update goes in parts. `body`: fields that aren't late. `why`: outcome, code and reason
    of what was refused of it."""

    item: Item
    body: frozenset[str]
    open: list[list[Unit]]
    written: dict[str, str | None] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    why: list[tuple[str, str, str]] = field(default_factory=list)

    def values(self) -> dict[str, str | None]:
        """The values of its next part."""
        return {name: self.item.values[name] for unit in self.open[0] for name in unit}

    def refused(self, why: tuple[str, str, str], named: Collection[str]) -> None:
        """Its next part was refused: for fields that the error names, if any."""
        part = self.open[0]
        names = {name for unit in part for name in unit}
        if self.body & (names if len(part) == 1 else names & set(named)):
            self.stop(why)
        elif len(part) == 1:
            self.left += part[0]
            self.why.append(why)
            self.open.pop(0)
        else:
            self.open[:1] = parts(part, named)

    def stop(self, why: tuple[str, str, str]) -> None:
        """Nothing more is sent of it."""
        self.left += [name for part in self.open for unit in part for name in unit]
        self.open, self.why = [], [*self.why, why]


class Apart(Outcomes):
    """Sends refused updates in parts. Thread safe: it keeps nothing between batches."""

    def _send_apart(self, work: RecordWork, writes: dict[str, Item], images: Mapping[str, Held],
                    before: Mapping[str, dict[str, str | None]], sent: Sent,
                    loose: Collection[str]) -> None:  # fmt: skip
        """Send the late fields apart of every update that was refused.

        Afterwards `writes` says what was written of such a record; it is among `sent.done` if that is
        anything, and among `sent.refused` if anything of it is refused still.

        Args:
            images: the records just before the first call.
            before: what of them the journal keeps.
            loose: the fields that needn't arrive together.
        """
        parted: dict[str, Parted] = {}
        for key, (outcome, _, _) in sent.refused.items():
            if outcome == "refused" and len(whole := units(writes[key].values, loose)) > 1:
                body = frozenset(writes[key].values).difference(loose)
                parted[key] = Parted(writes[key], body, [whole])
                parted[key].refused(sent.refused[key], sent.named.get(key, ()))
        while under_way := {key: each for key, each in parted.items() if each.open}:
            self._round(work, under_way, images, before)
        for key, each in parted.items():
            del sent.refused[key]
            writes[key] = replace(each.item, values=each.written)
            if each.written:
                sent.done[key] = ""
            if each.why:
                outcome = "conflict" if any(why[0] == "conflict" for why in each.why) else "refused"
                said = list(dict.fromkeys((code, reason) for _, code, reason in each.why))
                more = [f"{code}: {reason}" if code else reason for code, reason in said[1:]]
                sent.refused[key] = (outcome, said[0][0], "; ".join([said[0][1], *more]))
                sent.left[key] = tuple(each.left)

    def _round(self, work: RecordWork, parted: Mapping[str, Parted], images: Mapping[str, Held],
               before: Mapping[str, dict[str, str | None]]) -> None:  # fmt: skip
        """The next part of each of these records."""
        ids = [str(each.item.id) for each in parted.values()]
        live = {record.asked: record for record in self.target.read_back(self.object, self.fields, ids=ids)}
        turn: dict[str, Item] = {}
        looks: dict[str, Held] = {}
        for key, each in parted.items():
            record, values = live.get(str(each.item.id)), each.values()
            if record is None or record.id != each.item.id:
                each.stop(("conflict", "gone", "the target record was deleted"))
            elif moved := [n for n in values if record.values.get(n) != images[key].values.get(n)]:
                each.stop(("conflict", "changed", f"{', '.join(moved)} changed since our last look"))
            else:
                turn[key], looks[key] = replace(each.item, values=values), record
        self.loading.journal.append(
            self._entry(work, item, "intent", target_id=item.id, before=before[key], after=item.values,
                        stamp=looks[key].stamp)
            for key, item in turn.items()
        )  # fmt: skip
        sent = Sent()
        self._send_all(Operation.UPDATE, turn, sent, looks)
        for key, item in turn.items():
            each = parted[key]
            if key in sent.done:
                each.written |= item.values
                each.open.pop(0)
            elif sent.refused[key][0] == "conflict":
                each.stop(sent.refused[key])
            else:
                each.refused(sent.refused[key], sent.named.get(key, ()))
