"""What must both systems hold after a weekend? Said by their own logs of accepted writes, and nobody of ours.

A record is at home in the old system until its cohort has switched, and again from the moment at which it
came back. The last edit that a person made on a record's home side is what the old system must hold in the
end; one on the other side must be listed as a conflict, and must not have gone anywhere. What somebody wrote
in the old system while the record was at home in the new one stays there, for nobody's work is written over;
then both values must be listed together. Nothing here imports the product; which field stands for which is
written down once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.hold_words import HUBSPOT, OURS, SALESFORCE, THEIRS, Place, Write

BACK, NEW = "old", "new"  # the two sides
# Object of the old system, of the new one, and the fields that players edit: old name, new name.
FIELDS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Account", "companies", (("BillingCountry", "country"), ("Phone", "phone"))),
    ("Contact", "contacts", (("Title", "jobtitle"), ("Phone", "phone"))),
    ("Opportunity", "deals", (("Name", "dealname"),)),
)
MARK = "w"  # how an edit of a player begins
POSTED = "intake-"  # begins the id of a post that was made in the new system; the old one has its name


@dataclass(frozen=True)
class Moment:
    """From here on a cohort's records are at home on `side`: the numbers of both logs' newest writes."""

    cohort: str
    side: str
    old: int
    new: int


@dataclass(frozen=True)
class Edit:
    """A person's accepted edit of one field of a moved record, by the old record's id and the old field.

    `before`: what stood there, in the same system.
    """

    side: str
    id: str
    field: str
    value: str
    number: int
    before: str = ""


@dataclass
class Verdict:
    """What was compared, and what is wrong, by kind; `listed`: edits on the wrong side that were listed."""

    kept: int = 0
    created: int = 0
    listed: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def say(self, kind: str, words: str) -> None:
        """Something is wrong."""
        self.wrong.setdefault(kind, []).append(words)

    @property
    def clean(self) -> bool:
        """Nothing is wrong."""
        return not self.wrong


def edits(old: Path, new: Path) -> Iterator[Edit]:
    """Every edit of a player, in the order of each log."""
    for side, words, data in ((BACK, SALESFORCE, old), (NEW, HUBSPOT, new)):
        for write in words.writes(data):
            if write.who in THEIRS and write.op == "update":
                yield from _edited(side, write)


def _edited(side: str, write: Write) -> Iterator[Edit]:
    for object, target, names in FIELDS:
        if write.place[0] != (object if side == BACK else target):
            continue
        id = write.place[1] if side == BACK else str(write.after.get("migration_key", "")).rpartition(".")[2]
        if id.startswith(POSTED):
            id = str(write.after.get("lastname"))
        for one, other in names:
            name = one if side == BACK else other
            value, before = write.after.get(name), write.before.get(name)
            if id and value != before and str(value or "").startswith(MARK):
                yield Edit(side, id, one, str(value), write.seq, str(before or ""))


def home(moments: Sequence[Moment], cohort: str, edit: Edit) -> str:
    """On which side the record was at home when the edit was made."""
    side = BACK
    for each in moments:
        if each.cohort == cohort and edit.number > (each.old if edit.side == BACK else each.new):
            side = each.side
    return side


def judge(
    old: Path, new: Path, cohorts: Mapping[str, str], moments: Sequence[Moment],
    conflicts: Sequence[Mapping[str, Any]], posts: Sequence[str], created: Sequence[str],
) -> Verdict:  # fmt: skip
    """Judge a weekend that has gone back.

    Args:
        cohorts: the first cohort that contains a record, by the old system's id; others are of the last.
        conflicts: as listed by the product: `there` and `here` are the values of both sides.
        posts: texts of the form's posts. created: texts of what people entered in the new system.
    """
    found = Verdict()
    now = SALESFORCE.store(old).records
    listed = {(str(each.get("there") or ""), str(each.get("here") or "")) for each in conflicts}
    wanted: dict[tuple[str, str], list[tuple[int, Edit]]] = {}
    astray: dict[tuple[str, str], list[tuple[int, Edit]]] = {}
    made = list(edits(old, new))
    replaced = {(each.side, each.id, each.field, each.before) for each in made}  # by a person, so seen by one
    for edit in made:
        cohort = cohorts.get(edit.id, "rest")
        place, turn = (edit.id, edit.field), _turn(moments, cohort, edit)
        if home(moments, cohort, edit) == edit.side:
            wanted.setdefault(place, []).append((turn, edit))
            continue
        if edit.side == BACK:
            astray.setdefault(place, []).append((turn, edit))
        if (edit.side, edit.id, edit.field, edit.value) not in replaced:
            _away(found, edit, listed)
    by_id = {place[1]: values for place, values in now.items()}
    by_id |= {str(values.get("LastName")): values for place, values in now.items() if place[0] == "Contact"}
    for id, name in dict.fromkeys([*wanted, *astray]):
        found.kept += 1
        home_side, other = _newest(wanted.get((id, name), [])), _newest(astray.get((id, name), []))
        _stands(found, (id, name), home_side, other, by_id, listed)
    _entered(found, now, posts, created)
    _doubled(found, now)
    return found


def _turn(moments: Sequence[Moment], cohort: str, edit: Edit) -> int:
    """How many times the cohort had changed its home before the edit: orders edits of two logs."""
    return sum(
        each.cohort == cohort and edit.number > (each.old if edit.side == BACK else each.new)
        for each in moments
    )


def _newest(made: Sequence[tuple[int, Edit]]) -> tuple[int, Edit] | None:
    return max(made, key=lambda each: (each[0], each[1].number), default=None)


def _stands(
    found: Verdict, place: tuple[str, str], home_side: tuple[int, Edit] | None,
    other: tuple[int, Edit] | None, by_id: Mapping[str, Mapping[str, Any]], listed: set[tuple[str, str]],
) -> None:  # fmt: skip
    """What one field of the old system must hold: the last edit of the home side, unless somebody has written
    to it in the old system while it was at home in the new one.

    Args:
        home_side: the last edit there. other: the last one in the old system while that wasn't the home;
            each with the turn in which it was made.
    """
    (id, name), kept = place, home_side
    if other is not None and (home_side is None or other[0] >= home_side[0]):
        kept = other
        if home_side is not None and home_side[1].side == NEW:
            pair = home_side[1].value, other[1].value
            if pair not in listed:
                found.say("unlisted", f"{id} {name}: {pair[0]} there and {pair[1]} here, side by side")
    if kept is None:
        return
    final = kept[1]
    if id not in by_id:
        found.say("lost", f"{id} isn't there any more, and {final.side} wrote {name} = {final.value}")
        return
    value = str(by_id[id].get(name) or "")
    if value != final.value:
        kind = "overwritten" if value.startswith(MARK) else "lost"
        found.say(kind, f"{id} {name}: {final.side} wrote {final.value}, and there stands `{value}`")


def _away(found: Verdict, edit: Edit, listed: set[tuple[str, str]]) -> None:
    """An edit on the wrong side that no person has replaced since must be listed."""
    place = 0 if edit.side == NEW else 1
    if any(values[place] == edit.value for values in listed):
        found.listed += 1
    else:
        found.say("unlisted", f"{edit.side} {edit.id} {edit.field} = {edit.value}")


def _entered(
    found: Verdict, now: Mapping[Place, Mapping[str, Any]], posts: Sequence[str], created: Sequence[str]
) -> None:
    """Each post, and each new firm, person and deal, is in the old system once."""
    names = Counter(
        str(values.get("LastName") or values.get("Name") or "") for place, values in now.items()
        if place[0] in ("Account", "Contact", "Opportunity")
    )  # fmt: skip
    for text in posts:
        found.created += 1
        _once(found, names, f"Post {text}")
    for text in created:
        found.created += 3
        _once(found, names, f"Person {text}")
        _once(found, names, f"Firm {text}")
        _once(found, names, f"Deal {text}")


def _once(found: Verdict, names: Counter[str], name: str) -> None:
    if names[name] != 1:
        found.say("doubled" if names[name] else "lost", f"`{name}` is there {names[name]} times")


def _doubled(found: Verdict, now: Mapping[Place, Mapping[str, Any]]) -> None:
    """No two records of the old system have one migration key, and ours made none that its people didn't."""
    keys = Counter(str(v["Migration_Key__c"]) for v in now.values() if v.get("Migration_Key__c"))
    for key, number in keys.items():
        if number > 1:
            found.say("doubled", f"{number} records have the key {key}")


def ours(data: Path) -> int:
    """How many writes of ours the old system accepted."""
    return sum(write.who == OURS for write in SALESFORCE.writes(data))
