"""Which of a plan's fields can bring a change back to where it came from, and which lose something?

Asked before anybody signs: for each field whether its way in is one to one (`injective`), whether every value
of the new system has a way back (`total`), and for which values it hasn't. Where a person must decide, a rule
is asked for (`cutover: {reverse: {rules: …}}`). Pure: plan, catalogs, and the counts of the extract, if any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Literal

from migrate.catalog import Field
from migrate.cutover.forms import Form, form_of
from migrate.plan.reverse import ReverseRule
from migrate.stages.checked import Checked, CheckedField, CheckedLink, CheckedObject, PicklistCounts
from migrate.types import Kind

Verdict = Literal["exact", "lossy", "none"]
SHOWN = 6  # values of a field that a line of text names

ANY_VALUE = 1 << 30  # what goes through no map leads more values back than any map
LOCKED = "can't be changed in the old system"  # by the user of our credentials, or by anybody


@dataclass(frozen=True)
class Loss:
    """A value that has no plain way back. `value`: of the new system; `records`: old ones that hold one of
    `old`, None where nothing was counted."""

    value: str
    old: tuple[str, ...]
    records: int | None = None


@dataclass(frozen=True)
class Inverse:
    """One field's (or link's) way back.

    `field`: of the new object, `links.<n>` for a link. `old`: the field that its changes go to; None where
    there is none. `made_of`: the only old field that it is made of, where nothing leads back by itself.
    `sql`: the old value out of `value`, the new one as it is staged, null where it has no way back. `home`:
    of a picklist, the old value by the new one, where exactly one leads there; `leads`: the old values by the
    new one to which several lead; `same`: a value without a home is its own. `people`: of an owner, the old
    owner's id by the new one's. `reference`: it leads to records of the plan's `entries`; a link's `label`
    is its own, or else `labels` tells the old one, and `far` is the new object at its other end. `guarded`:
    it is about consent, and never goes towards opted in. `rule`: None where there is none.
    """

    entry: str
    object: str
    field: str
    old: str | None
    verdict: Verdict
    form: str
    injective: bool
    total: bool
    why: str = ""
    losses: tuple[Loss, ...] = ()
    sql: str | None = None
    home: Mapping[str, str] | None = None
    people: Mapping[str, str] | None = None
    leads: Mapping[str, tuple[str, ...]] = dataclass_field(default_factory=dict)
    reference: bool = False
    entries: tuple[str, ...] = ()
    label: str = ""
    labels: Mapping[str, str] | None = None
    far: str = ""
    same: bool = False
    guarded: bool = False
    rule: ReverseRule | None = None
    made_of: str | None = None

    @property
    def name(self) -> str:
        """How the plan's rules call it."""
        return f"{self.object}.{self.field}"

    @property
    def asks(self) -> bool:
        """Whether a person must still say what becomes of its changes. Where nothing can come back there is
        no loss to accept."""
        if self.verdict == "exact":
            return False
        return self.rule is None or (self.verdict == "none" and self.rule.lossy is not None)

    @property
    def flows(self) -> bool:
        """Whether changes are brought back at all."""
        if self.rule is not None and self.rule.keep is not None:
            return False
        if self.rule is not None and self.rule.sql is not None:
            return True
        return self.old is not None and self.verdict != "none" and not self.asks

    @property
    def locked(self) -> bool:
        """Whether nothing stands against it but that our user may not write the old field."""
        return self.asks and self.why.endswith(LOCKED)

    @property
    def words(self) -> str:
        """For people."""
        to = f" → {self.old}" if self.old else ""
        said = "back to the letter" if self.verdict == "exact" else self.why
        lost = [
            f"`{each.value}` ← {_few(each.old)}" if each.old else f"`{each.value}`" for each in self.losses
        ]
        more = f" and {len(lost) - SHOWN:,} more" if len(lost) > SHOWN else ""
        listed = f": {', '.join(lost[:SHOWN])}{more}" if lost else ""
        rule = f" (rule: {self.rule.words})" if self.rule else " (needs a rule)" if self.asks else ""
        if self.rule and self.asks:
            rule = " (nothing comes back, so `lossy: accepted` says nothing: `keep: source`, or `sql`)"
        return f"{self.name}{to}: {said}{listed}{rule}"


def _few(values: tuple[str, ...]) -> str:
    return ", ".join(values[:SHOWN]) + (" …" if len(values) > SHOWN else "")


def analyse(
    checked: Checked, rules: Mapping[str, ReverseRule], counts: PicklistCounts | None = None
) -> tuple[Inverse, ...]:
    """Every mapped field's and link's way back, in the order of the plan.

    Args:
        rules: by `object.field` of the new system.
        counts: records by value of each expression that goes through a map, as `count_values` gives them.
    """
    found: list[Inverse] = []
    for each in checked.objects.values():
        fields = [_field(checked, each, name, one, counts or {}) for name, one in each.fields.items()]
        found += leading([replace(one, rule=rules.get(one.name)) for one in fields])
        links = [_link(checked, each, link) for link in each.links]
        found += [replace(one, rule=rules.get(one.name)) for one in links]
    return tuple(found)


def unknown_rules(inverses: tuple[Inverse, ...], rules: Mapping[str, ReverseRule]) -> list[str]:
    """Rules about fields that the plan doesn't fill."""
    return sorted(set(rules) - {each.name for each in inverses})


def asked(inverses: tuple[Inverse, ...]) -> tuple[Inverse, ...]:
    """Those for which somebody must still decide."""
    return tuple(each for each in inverses if each.asks)


def leading(fields: list[Inverse]) -> Iterator[Inverse]:
    """Of several fields that are made of one old field one leads, and the others have no way back: one with
    an expression of the plan's rules, else the most exact, else the one to which most old values lead alone.
    One whose changes stay doesn't."""
    best: dict[str, Inverse] = {}
    for each in fields:
        if each.old is not None and each.verdict != "none" and not (each.rule and each.rule.keep):
            first = best.setdefault(each.old, each)
            if _rank(each) < _rank(first):
                best[each.old] = each
    for each in fields:
        leader = best.get(each.old or "")
        if leader is None or leader is each or each.verdict == "none":
            yield each
            continue
        why = f"`{each.old}` takes its changes from `{leader.field}`; those made here alone have no way back"
        yield replace(each, verdict="none", old=None, sql=None, total=False, why=why)


def _rank(each: Inverse) -> tuple[int, int]:
    if each.rule is not None and each.rule.sql is not None:
        return -1, 0
    told_apart = ANY_VALUE if each.home is None else len(each.home)
    return ("exact", "lossy", "none").index(each.verdict), -told_apart


def _field(
    checked: Checked, each: CheckedObject, name: str, one: CheckedField, counts: PicklistCounts
) -> Inverse:
    form = form_of(one)
    old = each.source.fields.get(form.column or "")
    further = {related.name for related in each.related}
    found = Inverse(
        each.plan.name, each.plan.target, name, form.column, "exact", form.name, form.injective, form.total,
        form.why, sql=form.sql, guarded=one.target.consent is not None or bool(old and old.consent),
    )  # fmt: skip
    if form.column is None or form.sql is None:
        return replace(found, verdict="none", old=None, injective=False, total=False, made_of=form.column)
    if form.column in further or old is None:
        why = f"`{form.column}` is taken out of other records"
        return replace(found, verdict="none", old=None, total=False, why=why)
    if old.calculated or not old.updateable:
        why = f"`{form.column}` {LOCKED}"
        return replace(found, verdict="none", old=None, total=False, why=why)
    if one.plan.entries:
        return _reference(found, one)
    if one.home is not None:
        return _picklist(found, each, one, counts)
    if one.owners is not None:
        return _owner(checked, found, one)
    return _typed(found, form, old, one)


def _typed(found: Inverse, form: Form, old: Field, one: CheckedField) -> Inverse:
    """What a plain value loses between two types."""
    narrower = _narrower(old, one.target)
    if narrower and form.injective:
        return replace(found, verdict="lossy", injective=False, why=narrower)
    if one.plan.oversize == "cut":
        return replace(
            found, verdict="lossy", injective=False,
            why="texts that were cut on the way in would overwrite the whole ones",
        )  # fmt: skip
    if one.plan.rewrite is not None:
        return replace(
            found, verdict="lossy", injective=False, why="old addresses in the text were made new ones"
        )
    verdict: Verdict = "exact" if form.injective and form.total else "lossy"
    return replace(found, verdict=verdict)


def _narrower(old: Field, new: Field) -> str:
    """Why a value of the old field doesn't fit the new one whole; "" where it does."""
    if old.kind is Kind.TIMESTAMP and new.kind is Kind.DATE:
        return "the time of day was left out on the way in"
    numbers = (Kind.DECIMAL, Kind.MONEY)
    if old.kind in numbers and new.kind is Kind.INT:
        return "digits behind the point were left out on the way in"
    if old.kind in numbers and new.kind in numbers and old.scale is not None and new.scale is not None:
        return "" if old.scale <= new.scale else f"only {new.scale} digits behind the point came in"
    return ""


def _reference(found: Inverse, one: CheckedField) -> Inverse:
    if one.plan.gather is not None or one.plan.id is not None:
        return replace(
            found, verdict="none", old=None, total=False, why="it is gathered out of other records"
        )
    return replace(
        found, verdict="exact", reference=True, form="reference", injective=True, total=True,
        entries=tuple(one.plan.entries),
    )  # fmt: skip


def _picklist(found: Inverse, each: CheckedObject, one: CheckedField, counts: PicklistCounts) -> Inverse:
    """A map's way back: values to which several lead, and values to which none leads."""
    home = dict(one.home or {})
    seen = counts.get((each.plan.name, one.plan.origin), {})
    if one.plan.unmapped == "add":
        home |= {value: value for value in seen if value not in home}
    leads: dict[str, list[str]] = {}
    for value, to in home.items():
        if to is not None:
            leads.setdefault(to, []).append(value)
    if one.plan.unmapped == "default" and one.default is not None:
        rest = [value for value in seen if value not in home]
        leads.setdefault(one.default, []).extend(rest or ["any other value"])
    dropped = tuple(value for value, to in home.items() if to is None)

    def records(values: tuple[str, ...]) -> int | None:
        return sum(seen.get(value, 0) for value in values) if seen else None

    many = [Loss(to, tuple(v), records(tuple(v))) for to, v in leads.items() if len(v) > 1]
    none = [
        Loss(option.value, ()) for option in one.target.options if option.active and option.value not in leads
    ]
    losses = tuple(many + none)
    if dropped:
        losses += (Loss("(nothing)", dropped, records(dropped)),)
    back = {to: values[0] for to, values in leads.items() if len(values) == 1 and values[0] in home}
    injective, total = not many and not dropped, not none
    why = " and ".join(
        words
        for words, there in (
            ("several old values became one", many or dropped),
            ("some values of the new system come from no old one", none),
        )
        if there
    )
    return replace(
        found, verdict="exact" if injective and total else "lossy", form="picklist", injective=injective,
        total=total, losses=losses, home=back, why=why, same=one.plan.unmapped == "add",
        leads={to: tuple(values) for to, values in leads.items() if len(values) > 1},
    )  # fmt: skip


def _owner(checked: Checked, found: Inverse, one: CheckedField) -> Inverse:
    """By e-mail first: the old active owner of the same address; else the only one who leads there."""
    owners = one.owners
    assert owners is not None  # noqa: S101 - the caller saw it
    leads: dict[str, list[str]] = {}
    for id, owner in owners.home.items():
        leads.setdefault(owner.id, []).append(id)
    old = {each.email.lower(): each.id for each in checked.source.owners
           if each.email and each.active and not each.queue}  # fmt: skip
    people: dict[str, str] = {}
    losses: list[Loss] = []
    for person in checked.target.owners:
        if not person.active:
            continue
        theirs, same = leads.get(person.id, []), old.get((person.email or "").lower())
        if same is not None:
            people[person.id] = same
        elif len(theirs) == 1 and owners.inactive != person:
            people[person.id] = theirs[0]
        else:
            losses.append(Loss(person.email or person.name, tuple(theirs)))
    why = "some owners of the new system are nobody, or several people, in the old one" if losses else ""
    return replace(
        found, verdict="lossy" if losses else "exact", form="owner", injective=True, total=not losses,
        losses=tuple(losses), people=people, why=why,
    )  # fmt: skip


def _link(checked: Checked, each: CheckedObject, link: CheckedLink) -> Inverse:
    """A reference became a link, or a link stayed one; junctions of the old system are records."""
    found = Inverse(
        each.plan.name, each.plan.target, f"links.{link.index}", link.right.name, "exact", "link", True, True,
        reference=True, entries=link.entries, label=link.label or "", far=link.plan.to,
    )  # fmt: skip
    if link.plan.on is not None:
        why = "its far end was found by a value"
        return replace(found, verdict="none", old=None, total=False, why=why)
    if link.through is None:
        if link.label is None:
            why = "its label came from a field of the record"
            return replace(found, verdict="none", old=None, total=False, why=why)
        if link.right.calculated or not link.right.updateable:
            why = f"`{link.right.name}` {LOCKED}"
            return replace(found, verdict="none", old=None, total=False, why=why)
        return found
    if not any(name.left and name.right for name in checked.source.links):
        why = f"records of `{link.through.name}` are made by hand"
        return replace(found, verdict="none", old=None, total=False, why=why)
    if link.labels is None:
        return replace(found, old=link.through.name, form="association", labels={})
    leads: dict[str, list[str]] = {}
    for value, to in link.labels.items():
        if to is not None:
            leads.setdefault(to, []).append(value)
    many = tuple(Loss(to, tuple(values)) for to, values in leads.items() if len(values) > 1)
    return replace(
        found, old=link.through.name, form="association", verdict="lossy" if many else "exact",
        injective=not many, losses=many,
        labels={to: values[0] for to, values in leads.items() if len(values) == 1},
        why="several old labels became one" if many else "",
    )  # fmt: skip
