"""What did the target do, beside what we asked, after we wrote one record?

Compared are the record as it stands (every field that can be read), its links, and the records that have come
since, with what was sent, with what the target is known to make of it, and with what stood before. Names are
kept, never values: those stand in the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from migrate.catalog import Field
from migrate.clock import parse_stamp
from migrate.connector import THEIRS, Held, Link, ListsAutomations, ShowsNew, Version, Who
from migrate.engine import text
from migrate.journal import Entry
from migrate.ledger.canaries import CHANGES, FILLS, LINKS, MAILS, MAKES, REMOVES, STAMPS, Effect
from migrate.load.companions import expected, note, of_record, rules
from migrate.load.context import Loading
from migrate.load.work import image
from migrate.plan.models import AcceptedPlan
from migrate.types import Kind

RECORD = "record"  # the field of a version that is the whole record's
_MOMENT = timedelta(seconds=1)


def judged(effects: Iterable[Effect], accepted: Sequence[AcceptedPlan]) -> list[Effect]:
    """Each effect with the automation that the plan lets do it; every effect needs one that names it, but for
    what a rule of the vendor's brings with it."""
    found = []
    for effect in effects:
        names = [effect.rule] if effect.rule else [each.name for each in accepted if _may(each, effect)]
        found.append(replace(effect, accepted=names[0] if names else ""))
    return found


def _may(automation: AcceptedPlan, effect: Effect) -> bool:
    match effect.does:
        case "mails":
            return automation.mails
        case "stamps":
            return automation.stamps
        case "removes":
            return False
        case does:
            return effect.what in getattr(automation, does)


@dataclass(frozen=True)
class Written:
    """A record that we wrote, and what is known of the moment before.

    `facts`: `since` (the vendor's time), `marks` by object, `before` (digests by field, of a record that
    was there), `links` (digest by object), `stamp` (of the first look; absent where nobody looked).
    """

    object: str
    batch: str
    key: str
    id: str
    created: bool
    facts: Mapping[str, Any]


class Watch:
    """Looks at records of one target before and after we write them."""

    def __init__(self, loading: Loading, keys: Mapping[str, str]) -> None:
        """Args:
        keys: the field that holds the migration key, by target object.
        """
        self.loading, self.target, self.keys = loading, loading.target, keys

    # -- before -------------------------------------------------------------------------------

    def marks(self, objects: Iterable[str]) -> dict[str, Any]:
        """`since` and `marks` of everything that may come to stand beside records of these objects."""
        names = list(dict.fromkeys(name for each in objects for name in self.around(each)))
        now = self.target.now().isoformat()
        marks = self.target.newest(names) if isinstance(self.target, ShowsNew) else {}
        return {"since": now, "marks": marks}

    def around(self, object: str) -> list[str]:
        """The object itself, and all whose records may be linked to one of its records."""
        return list(dict.fromkeys([object, *self.target.linked_objects(object)]))

    def before(self, object: str, id: str) -> dict[str, Any]:
        """What a record that is there holds, as digests, and to what it is linked."""
        found = self.target.read_back(object, self.fields(object), ids=[id])
        values = found[0].values if found else {}
        return {
            "before": {name: _digest(value) for name, value in values.items() if value is not None},
            "links": {other: _pairs(self._links(object, id, other)) for other in self._others(object)},
        }

    def stamp(self, object: str, id: str) -> str:
        """The record's modification stamp now."""
        found = self.target.read_back(object, [], ids=[id])
        return found[0].stamp if found else ""

    def fields(self, object: str) -> list[str]:
        """All that a record can hold but bytes."""
        schema = self.loading.catalog.objects[object].fields
        return [name for name, each in schema.items() if each.kind.value != "binary"]

    def _others(self, object: str) -> list[str]:
        return list(dict.fromkeys(self.target.linked_objects(object)))

    def _links(self, object: str, id: str, other: str) -> list[Link]:
        return list(self.target.read_links(object, [id], other))

    # -- after --------------------------------------------------------------------------------

    def effects(self, written: Written) -> list[Effect]:
        """All that happened beside our write; sides are journalled, so that a rollback can name them."""
        found = self.target.read_back(written.object, self.fields(written.object), ids=[written.id])
        if not found or found[0].id != written.id:
            return [Effect(REMOVES, written.object)]
        record = found[0]
        versions = self._versions(written)
        mails = self._mails(written, record)
        told = {each.what for each in mails}
        effects = mails | {each for each in self._values(written, record, versions) if each.what not in told}
        if not effects and self._moved(written, record, versions):
            effects.add(Effect(STAMPS, written.object, _author(versions)))
        links = self._new_links(written)
        made = self._made(written, links)
        ends = {(link.right_object, link.right) for link in links} | {(each, held.id) for each, held in made}
        ruled = expected(self.loading, ends)
        effects = {self._ruled(each, written, record, ruled) for each in effects}
        effects |= {
            Effect(LINKS, object, rule=ruled.get((object, id), ""))
            for object, id in {(link.right_object, link.right) for link in links}
        }
        effects |= {
            Effect(MAKES, object, _name(held.source), held.id)
            for object, held in made
            if (object, held.id) not in ruled
        }
        if written.created:
            effects |= self._companions(written, record)
        self._journal(links, [each for each in made if (each[0], each[1].id) not in ruled])
        return sorted(effects)

    def _companions(self, written: Written, record: Held) -> set[Effect]:
        """What the vendor always makes with such a record; journalled as its side."""
        found = list(of_record(self.loading, record, written.object))
        for rule, id in found:
            note(self.loading, rule, {id: record.id})
        return {Effect(MAKES, rule.made, id=id, rule=rule.name) for rule, id in found}

    def _ruled(
        self, effect: Effect, written: Written, record: Held, ruled: Mapping[tuple[str, str], str]
    ) -> Effect:
        """An effect on the record's own fields: one that names a companion was to be expected."""
        for rule in rules(self.loading):
            if (rule.object, rule.field, FILLS) == (written.object, effect.what, effect.does):
                name = ruled.get((rule.made, str(record.values.get(rule.field))), "")
                return replace(effect, rule=name)
        return effect

    def _versions(self, written: Written) -> dict[str, Version]:
        """The newest version of each field, where the target keeps any."""
        kept = self.loading.newest(written.object, [written.id], []).get(written.id, {})
        return {name: versions[0] for name, versions in kept.items() if versions}

    def _values(self, written: Written, record: Held, versions: Mapping[str, Version]) -> set[Effect]:
        rows = self.loading.workspace.engine.rows(
            f"""SELECT kind, "before", "after" FROM {self.loading.journal.source()}
            WHERE batch = {text(written.batch)} AND key = {text(written.key)}
            AND outcome IN ('done', 'side') AND kind IN ('record', 'side') ORDER BY seq"""
        )
        schema = self.loading.catalog.objects[written.object].fields
        effects: set[Effect] = set()
        wanted: dict[str, str | None] = {}
        for row in rows:
            if row["kind"] == "record":
                wanted = image(row["after"])

        def own(name: str, before: str | None) -> bool:
            """Whether the target can't but fill what we left empty: an owner of a record that had none."""
            return before is None and name in schema and not schema[name].nullable

        for row in rows:
            if row["kind"] == "side":  # changed when it was read back at once
                before = image(row["before"])
                effects |= {
                    _value(name, before.get(name), versions)
                    for name in image(row["after"])
                    if not own(name, before.get(name))
                }
        for name, value in wanted.items():
            if name in record.values and record.values[name] != value and not own(name, value):
                effects.add(_value(name, value, versions))  # a file's bytes aren't read here
        others = [schema[name] for name in record.values if name in schema and name not in wanted]
        return effects | {
            _value(each.name, self._stood(each, written), versions)
            for each in others
            if self._stirred(each, written, record.values[each.name], versions)
        }

    def _stirred(
        self, field: Field, written: Written, value: str | None, versions: Mapping[str, Version]
    ) -> bool:
        """Whether a field that we don't write has another value than it had, and somebody's."""
        if field.calculated or not (field.createable or field.updateable):
            return False
        if not written.created and not field.updateable:
            return False  # the target's own stamps: nobody can change them but by saving the record
        if written.created:
            stirs = value is not None and value != field.default
        else:
            stirs = _digest(value) != written.facts.get("before", {}).get(field.name, _digest(None))
        if not stirs or not versions or RECORD in versions:
            # Where the target doesn't tell who wrote each field, what it gives a new record by itself is left
            # out: stamps, numbers, references and choices of its own fields.
            if not (written.created and stirs):
                return stirs
            if field.owner:
                return self._given(written.object).get(field.name, value) != value
            return value != "false" and (field.custom or field.kind in (Kind.STRING, Kind.TEXT))
        newest = versions.get(field.name)
        return newest is not None and newest.who is not Who.OURS

    def _stood(self, field: Field, written: Written) -> str | None:
        """Anything but None where the field wasn't empty before, or isn't by itself."""
        before: str | None = written.facts.get("before", {}).get(field.name)
        return self._given(written.object).get(field.name) if written.created and field.owner else before

    def _given(self, object: str) -> Mapping[str, str]:
        return self.target.given(object) if isinstance(self.target, ListsAutomations) else {}

    def _mails(self, written: Written, record: Held) -> set[Effect]:
        if not isinstance(self.target, ListsAutomations):
            return set()
        before = written.facts.get("before") or {}
        known = self.loading.catalog.objects[written.object].fields
        return {
            Effect(MAILS, name)
            for name in self.target.mail_signs(written.object)
            if name in known
            and record.values.get(name) is not None
            and _digest(record.values[name]) != before.get(name)
        }

    @staticmethod
    def _moved(written: Written, record: Held, versions: Mapping[str, Version]) -> bool:
        """Whether the stamp moved since our write, and no version of any field says why.

        The first look may come too late for it; then the newest version of ours tells when we wrote, to a
        second: a vendor may stamp a record some moments after its values.
        """
        if _author(versions):
            return True
        told = [each for name, each in versions.items() if name != RECORD]
        ours = max((each.at for each in told if each.who is Who.OURS), default="")
        if any(each.at > ours for each in told):
            return False
        first = str(written.facts.get("stamp") or "")
        if first and record.stamp != first:
            return True
        return bool(ours and record.stamp) and parse_stamp(record.stamp) > parse_stamp(ours) + _MOMENT

    def _new_links(self, written: Written) -> list[Link]:
        before = written.facts.get("links") or {}
        found: list[Link] = []
        for other in self._others(written.object):
            links = self._links(written.object, written.id, other)
            known = before.get(other, _pairs([]))
            if _pairs(links) == known:
                continue
            # A link to what we wrote later was set off by that write, whose own canary tells.
            order = self._order(other, [link.right for link in links])
            own = self._order(written.object, [written.id]).get(written.id, 0)
            found += [link for link in links if order.get(link.right, 0) <= own]
        return found

    def _made(self, written: Written, links: Sequence[Link]) -> list[tuple[str, Held]]:
        """Records that came since and aren't ours: made by an automation, or linked to this one by whomever.

        What hangs on another record that we wrote was set off by that one, whose own canary tells.
        """
        if not isinstance(self.target, ShowsNew):
            return []
        since = datetime.fromisoformat(written.facts["since"])
        linked = {(link.right_object, link.right) for link in links}
        family = self.loading.workspace.catalog("source").family
        theirs = {who.value for who in THEIRS}
        around = self.around(written.object)
        found: list[tuple[str, Held]] = []
        for object, mark in written.facts["marks"].items():
            if object not in around:
                continue
            key = self.keys.get(object)
            came = self.target.made_since(object, mark, since, [key] if key else [])
            ours = self._order(object, [held.id for held in came])
            for held in came:
                bears = str(held.values.get(key) or "") if key else ""
                if held.id in ours or bears.startswith(f"{family}."):
                    continue
                if (object, held.id) not in linked and held.source in theirs:
                    continue
                if self._set_off_by(object, held.id) in (None, (written.object, written.id)):
                    found.append((object, held))
        return found

    def _set_off_by(self, object: str, id: str) -> tuple[str, str] | None:
        """The record on which this one hangs that we wrote last; None where it hangs on none of ours."""
        ends: dict[str, list[str]] = {}
        for other in self._others(object):
            ends.setdefault(other, []).extend(link.right for link in self._links(object, id, other))
        ours = {
            (other, end): seq for other, ids in ends.items() for end, seq in self._order(other, ids).items()
        }
        return max(ours, key=lambda each: ours[each]) if ours else None

    def _order(self, object: str, ids: Sequence[str]) -> dict[str, int]:
        """Those of these records that we wrote, with the place of the last write in the journal."""
        if not ids:
            return {}
        rows = self.loading.workspace.engine.rows(
            f"""SELECT target_id, max(seq) AS seq FROM {self.loading.journal.source()}
            WHERE kind IN ('record', 'file') AND outcome = 'done' AND object = {text(object)}
            AND target_id IN ({", ".join(map(text, ids))}) GROUP BY target_id"""
        )
        return {row["target_id"]: int(row["seq"]) for row in rows}

    def _journal(self, links: Sequence[Link], made: Sequence[tuple[str, Held]]) -> None:
        """Sides that are an automation's, each once."""
        reason = "made by an automation of the target after our write"
        loading = self.loading
        sides = [(object, held.id) for object, held in made if held.source not in {w.value for w in THEIRS}]
        known = {
            (row["object"], row["target_id"])
            for row in loading.workspace.engine.rows(
                f"""SELECT object, target_id FROM {loading.journal.source()}
                WHERE kind = 'side' AND op = 'create'"""
            )
        }
        entries = [
            Entry(
                loading.attempt, "", loading.system, object, "side", "", "create", "done", id, reason=reason
            )
            for object, id in dict.fromkeys(sides)
            if (object, id) not in known
        ]
        entries += [
            Entry(
                loading.attempt, "", loading.system, f"{link.left_object}>{link.right_object}", "side", "",
                "link", "done", left=link.left, right=link.right, label=link.label, reason=reason,
            )
            for link in dict.fromkeys(links)
            if (link.right_object, link.right) in sides
        ]  # fmt: skip
        if entries:
            loading.journal.append(entries)
            with loading.ledger.write(loading.lease) as tx:
                loading.journal.register(tx)


def _value(name: str, before: str | None, versions: Mapping[str, Version]) -> Effect:
    newest = versions.get(name)
    who = "" if newest is None or newest.who is Who.OURS else newest.name or newest.who.value
    return Effect(FILLS if before is None else CHANGES, name, who)


def _author(versions: Mapping[str, Version]) -> str:
    """Who saved the record last, where the target tells that of the record alone and it wasn't us."""
    last = versions.get(RECORD)
    return "" if last is None or last.who is Who.OURS else last.name or last.who.value


def _name(source: str) -> str:
    return {Who.AUTOMATION.value: "an automation", Who.OURS.value: "our own credential"}.get(source, source)


def _digest(value: str | None) -> str:
    return "" if value is None else hashlib.sha256(value.encode()).hexdigest()[:16]


def _pairs(links: Sequence[Link]) -> str:
    """Digest of the ends and labels of links."""
    return _digest("\n".join(sorted(f"{link.right} {link.label}" for link in links)))
