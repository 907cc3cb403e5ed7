"""Which records must a rollback delete, put back or hold? Derived from what the target accepted alone.

An independent model of the rule: what we created goes only if nothing that a person or a foreign program
wrote, linked or hung there stands (values are compared: an edit taken back again is none); what we changed is
put back only where each field of ours still is as we left it; what an automation made because of us goes
while nobody else is at it. The model replays the sandbox's log of accepted writes over its store; it knows
no journal, no ledger and no connector.

`wrongs` are deeds of the rollback that the rule forbids at the moment when they were done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.harness.hold_words import OURS, THEIRS, Place, Store, Words, Write

Pair = frozenset[Place]


@dataclass
class Tie:
    """A pair of records that are linked. `types`: how many types of link stand; `by`: who made them."""

    types: int = 0
    by: set[str] = field(default_factory=set)


@dataclass
class Changed:
    """A record of somebody's on which we wrote: by field what stood there before, and what we left."""

    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    restored: bool = False


@dataclass
class Model:
    """What the rule says of every record that we touched, after all writes were replayed.

    Args:
        before: the store before the load.
        began: number of the last accepted write before the rollback began.
        unseen: what calls wrote whose answers were cut off. Merged away before anybody looked, such a record
            is known to nobody, and only its survivor can be held.
    """

    words: Words
    before: Store
    began: int
    unseen: set[Place] = field(default_factory=set)
    records: dict[Place, dict[str, Any]] = field(default_factory=dict)
    live: set[Place] = field(default_factory=set)
    created: dict[Place, list[str]] = field(default_factory=dict)  # with what people did there
    machines: dict[Place, list[str]] = field(default_factory=dict)  # made by automations, likewise
    written: dict[Place, dict[str, Any]] = field(default_factory=dict)  # on created ones: what we had left
    changed: dict[Place, Changed] = field(default_factory=dict)
    merged: dict[Place, Place] = field(default_factory=dict)  # the one that it became part of
    wrongs: list[str] = field(default_factory=list)
    _ties: dict[Pair, Tie] = field(default_factory=dict)
    _tied: dict[Place, set[Pair]] = field(default_factory=dict)
    _first: dict[Place, Place] = field(default_factory=dict)  # the end that an automation tied it to first
    _named: dict[str, Place] = field(default_factory=dict)  # by id, where references are values

    def __post_init__(self) -> None:
        for place, values in self.before.records.items():
            self._stands(place, values)
        for place, values in self.before.records.items():
            self._refer(place, {}, values, "before")
        for pair, count in self.before.ties.items():
            self._tie(pair, count, "before")

    # -- replaying ----------------------------------------------------------------------------

    def replay(self, writes: Iterable[Write]) -> Model:
        """Go through the log; returns itself."""
        for write in writes:
            if write.op in ("link", "unlink"):
                self._linked(write)
            elif write.op in ("create", "update", "delete", "undelete", "merge"):
                getattr(self, f"_{write.op}")(write)
        return self

    def _create(self, write: Write) -> None:
        if write.who == OURS:
            if write.seq > self.began:
                self.wrongs.append(f"created in a rollback: {write.place}")
            self.created[write.place] = []
        elif write.who not in THEIRS:
            self.machines[write.place] = []
        self._stands(write.place, write.after)
        self._refer(write.place, {}, write.after, write.who)

    def _update(self, write: Write) -> None:
        place = write.place
        diff = self.words.difference(write.before, write.after)
        if write.who in THEIRS and diff and place in self.created:
            for name, (old, _) in diff.items():
                self.written.setdefault(place, {}).setdefault(name, old)
        elif write.who in THEIRS and diff and place in self.machines:
            self.machines[place].append(f"{write.who} wrote {', '.join(sorted(diff))}")
        elif write.who == OURS and diff:
            self._ours(write, diff)
        self._stands(place, write.after)
        self._refer(place, write.before, write.after, write.who)

    def _ours(self, write: Write, diff: Mapping[str, tuple[Any, Any]]) -> None:
        place = write.place
        if write.seq <= self.began:
            if place in self.written:  # a later load left another value there
                known_left = self.written[place]
                known_left |= {name: new for name, (_, new) in diff.items() if name in known_left}
            if place not in self.created:
                known = self.changed.setdefault(place, Changed()).fields
                for name, (old, new) in diff.items():
                    known[name] = (known[name][0] if name in known else old, new)
            return
        if place not in self.changed:
            if place not in self.created:
                self.wrongs.append(f"the rollback wrote {sorted(diff)} on {place}, never ours")
            # A vendor empties what refers to a record that it deletes, and logs that before the deletion.
            for value in (old for old, new in diff.values() if new is None and old in self._named):
                if self._ties[frozenset((place, self._named[value]))].by & THEIRS:
                    self.wrongs.append(f"the rollback took somebody's link from {place} to {value}")
            return
        known = self.changed[place].fields
        self.changed[place].restored = True
        for name, (old, new) in diff.items():
            if name not in known:
                self.wrongs.append(f"the rollback wrote {name} on {place}, which we had never written")
            elif old not in known[name]:
                self.wrongs.append(f"the rollback covered {name}={old!r} of somebody's on {place}")
            elif new != known[name][0]:
                self.wrongs.append(f"the rollback put {name}={new!r} on {place}, not {known[name][0]!r}")

    def _delete(self, write: Write) -> None:
        place = write.place
        if write.who == OURS and write.seq > self.began:
            if place not in self.created and place not in self.machines:
                self.wrongs.append(f"the rollback deleted {place}, which we hadn't created")
            elif reasons := self.against(place):
                self.wrongs.append(f"the rollback deleted {place}, though {'; '.join(reasons)}")
        self.live.discard(place)

    def _undelete(self, write: Write) -> None:
        self._stands(write.place, write.after)
        if write.place in self.created and write.seq > self.began:
            self.created[write.place].append(f"{write.who} took it out of the bin")

    def _merge(self, write: Write) -> None:
        self.live.discard(write.place)
        winner = (write.place[0], write.note.removeprefix("into "))
        self.merged[write.place] = winner
        if winner in self.created:
            self.created[winner].append(f"somebody merged {write.place[1]} into it")

    def _linked(self, write: Write) -> None:
        pair, count = self.words.pair(write)
        self._tie(pair, count if write.op == "link" else -count, write.who)

    def _stands(self, place: Place, values: Mapping[str, Any]) -> None:
        self.records[place] = dict(values)
        self.live.add(place)
        if self.words.references:
            self._named[place[1]] = place

    # -- what hangs where ---------------------------------------------------------------------

    def _tie(self, pair: Pair, count: int, who: str) -> None:
        tie = self._ties.setdefault(pair, Tie())
        tie.types += count
        if count > 0:
            tie.by.add(who)
        if tie.types <= 0:
            tie.types, tie.by = 0, set()
        for place in pair:
            self._tied.setdefault(place, set()).add(pair)
        if len(pair) == 2 and count > 0:
            one, other = pair
            for near, far in ((one, other), (other, one)):
                if near in self.machines:
                    self._first.setdefault(near, far)

    def _refer(self, place: Place, old: Mapping[str, Any], new: Mapping[str, Any], who: str) -> None:
        """Where references are values, a record that names another one hangs under it."""
        if not self.words.references:
            return
        for name in old.keys() | new.keys():
            was, now = old.get(name), new.get(name)
            if was == now or name in self.words.stamps:
                continue
            for value, count in ((was, -1), (now, 1)):
                if isinstance(value, str) and value in self._named:
                    self._tie(frozenset((place, self._named[value])), count, who)

    def ends(self, place: Place) -> list[tuple[Place, Tie]]:
        """What is linked to a record or hangs under it, live, with who made that."""
        found = []
        for pair in self._tied.get(place, ()):
            tie = self._ties[pair]
            far = next(iter(pair - {place}), place)
            if tie.types > 0 and far in self.live:
                found.append((far, tie))
        return found

    def against(self, place: Place) -> list[str]:
        """What speaks against deleting a record now."""
        if place in self.created:
            told = list(self.created[place])
            left, now = self.written.get(place, {}), self.records[place]
            if names := sorted(name for name, value in left.items() if now.get(name) != value):
                told.append(f"somebody wrote {', '.join(names)}")
            for far, tie in self.ends(place):
                if self.words.refers(far, place, self.records) and tie.by & THEIRS:
                    told.append(f"somebody linked it to {far}")
            return told
        told = list(self.machines.get(place, ()))
        if not self.our_side(place):
            told.append("somebody else's write had set it off")
        for far, tie in self.ends(place):
            if not self._is_ours(far):
                told.append(f"it is linked to {far}, which isn't ours")
            elif tie.by & THEIRS:
                told.append(f"somebody linked it to {far}")
        return told

    def survivor(self, place: Place) -> Place:
        """What a record has become by merges."""
        while place in self.merged:
            place = self.merged[place]
        return place

    def our_side(self, place: Place) -> bool:
        """Whether an automation made it because of a write of ours."""
        first = self._first.get(place)
        return first is None or self._is_ours(first)

    def _is_ours(self, place: Place) -> bool:
        if place in self.created or place in self.changed:
            return True
        return place in self.machines and self._first.get(place) != place and self.our_side(place)

    # -- the outcome --------------------------------------------------------------------------

    def held(self) -> dict[Place, str]:
        """Every record that must be held, and why."""
        found = {
            place: f"merged into {winner}"
            for place, winner in self.merged.items()
            if self.survivor(winner) in self.live
            and place not in self.unseen
            and (
                place in self.created
                or place in self.changed
                or (place in self.machines and self.our_side(place))
            )
        }
        for place in self.created.keys() & self.live:
            if reasons := self.against(place):
                found[place] = "; ".join(reasons)
        for place, change in self.changed.items():
            if place in self.live and not change.restored and (names := self._theirs(place)):
                found[place] = f"{', '.join(names)} isn't as we left it"
        for place in self.machines.keys() & self.live:
            if self.our_side(place) and (reasons := self.against(place)):
                found[place] = "; ".join(reasons)
        for place in self.live - self.created.keys() - self.changed.keys() - self.machines.keys():
            key = self.records[place].get(self.words.key)
            if key and key != self.before.records.get(place, {}).get(self.words.key):
                found[place] = "somebody's merge gave it a key of ours"
        self._keep_parents(found)
        return found

    def _theirs(self, place: Place) -> list[str]:
        now = self.records[place]
        return [name for name, images in self.changed[place].fields.items() if now.get(name) not in images]

    def _keep_parents(self, found: dict[Place, str]) -> None:
        """What would take a record that stays along with it stays too."""
        while True:
            more = {
                place: f"{far} hangs under it and stays"
                for place in self.created.keys() & self.live - found.keys()
                for far, _ in self.ends(place)
                if self._needs(far, place, found)
            }
            if not more:
                return
            found.update(more)

    def _needs(self, far: Place, place: Place, found: Mapping[Place, str]) -> bool:
        """Whether `far` stays and would go with `place`, or lose a reference that is to be kept with it."""
        if self.words.takes_along(place, far, self.records):
            return far in found or not (far in self.created or far in self.machines)
        return far in found and far in self.changed and self.words.refers(far, place, self.records)

    def may_hold(self) -> set[Place]:
        """What the log alone can't decide.

        Records of automations that hang at ours and at others' work: nobody can tell whose they are. And
        records that an earlier attempt left, written again without a change, and merged away since: a write
        that changes nothing is in no log, though it is ours.
        """
        shared = {
            place
            for place in self.machines.keys() & self.live
            if not self.our_side(place) and any(self._is_ours(far) for far, _ in self.ends(place))
        }
        key = self.words.key
        again = {p for p in self.merged if self.before.records.get(p, {}).get(key)}
        return shared | again | (self.unseen & self.merged.keys())

    def left(self, held: Mapping[Place, str]) -> list[str]:
        """What should have gone or been put back, and wasn't."""
        told = [f"left behind: {place}" for place in sorted(self.created.keys() & self.live - held.keys())]
        told += [
            f"left behind by an automation: {place}"
            for place in sorted(self.machines.keys() & self.live - held.keys())
            if self.our_side(place)
        ]
        for place, change in self.changed.items():
            if place in self.live and place not in held:
                now = self.records[place]
                told += [
                    f"not put back: {place}.{name} is {now.get(name)!r}, was {images[0]!r}"
                    for name, images in change.fields.items()
                    if now.get(name) == images[1] != images[0]
                ]
        return told


def lost(model: Model, now: Store, writes: Iterable[Write], held: Mapping[Place, str]) -> list[str]:
    """What of others' work isn't in the store any more: their records, values and links, old and new.

    Only others' writes are replayed, over the store as it was before the load. A link that a person makes
    anew where ours stands (a merge does) can't be told from ours by anybody, and isn't asked for.
    """
    words, records = model.words, {place: dict(values) for place, values in model.before.records.items()}
    ties: dict[Pair, int] = {}
    ours_too: set[Pair] = set()
    for write in writes:
        place = write.place
        if write.op in ("link", "unlink"):
            pair, count = words.pair(write)
            if write.who == OURS and write.op == "link":
                ours_too.add(pair)
            if write.who in THEIRS:
                ties[pair] = max(0, ties.get(pair, 0) + (count if write.op == "link" else -count))
            continue
        if write.who == OURS:
            continue
        if write.op in ("create", "undelete") and place not in model.created:
            records[place] = dict(write.after)
        elif write.op == "update" and place in records:
            for name, (_, new) in words.difference(write.before, write.after).items():
                records[place][name] = new
        elif write.op in ("delete", "merge"):
            records.pop(place, None)
    told = []
    for place, values in records.items():
        if place in model.machines and place not in model.live:
            continue  # whether it had to go, the model has said when it went
        if place not in now.records:
            told.append(f"lost: {place}")
            continue
        ours = model.changed[place].fields if place in held and place in model.changed else {}
        for name, (old, new) in words.difference(values, now.records[place]).items():
            if name not in ours:
                told.append(f"overwritten: {place}.{name}: {old!r}, now {new!r}")
    for pair, count in ties.items():
        if (
            count > 0
            and pair not in ours_too
            and all(place in now.records for place in pair)
            and not now.ties.get(pair)
        ):
            told.append(f"link lost: {sorted(pair)}")
    told += [
        f"link of before lost: {sorted(pair)}"
        for pair in model.before.ties
        if pair not in now.ties and pair not in ties and all(place in now.records for place in pair)
    ]  # fmt: skip
    return told
