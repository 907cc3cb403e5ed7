"""In which order do the plan's entries load, and which references have to wait for a second pass?

Parents load before the records that refer to them. Where entries refer to each other in a circle, or to
themselves, a reference of the circle becomes `later`: its record loads without it, and it is filled in
when all records are there. The plan's order decides which: of a circle, the reference of an entry that
stands before its parent. A reference without which the target takes no record, or that it takes on insert
only, can't wait, and a link that says `missing: reject` doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from migrate.catalog import Catalog, ObjectSchema
from migrate.errors import UsageError
from migrate.plan.models import ObjectPlan


@dataclass(frozen=True)
class Waves:
    """`order`: entries, parents first. `later`: (entry, target field) of references that wait."""

    order: tuple[ObjectPlan, ...]
    later: frozenset[tuple[str, str]]

    @property
    def waiting(self) -> dict[str, tuple[str, ...]]:
        """The fields that are filled in a second pass, by entry."""
        return {name: self.later_fields(name) for name, _ in sorted(self.later)}

    def later_fields(self, entry: str) -> tuple[str, ...]:
        """The target fields of an entry that are filled in a second pass."""
        return tuple(sorted(field for name, field in self.later if name == entry))


@dataclass(frozen=True)
class _Need:
    """`child` waits for `parent`, because of a target field or (field "") of a link."""

    child: str
    parent: str
    field: str
    can_wait: bool
    waits: bool  # the plan says `missing: later`


class Circle(UsageError):
    """Entries that wait for each other, and nothing of it can. `entries`: each waits for the one before."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.entries = tuple(entries)
        super().__init__(
            f"These objects wait for each other: {' -> '.join(entries)}.",
            "Set `missing: link` on one of their links, so that its record loads first and the link second, "
            "or leave one of the references out.",
        )
        self.args = (self.entries,)  # so that it pickles


def waves(plans: Sequence[ObjectPlan], target: Catalog) -> Waves:
    """Order the entries of a plan.

    Args:
        target: as it will be after `prepare`; it knows which fields can be filled later.

    Raises:
        Circle: entries wait for each other, and nothing of it can wait.
    """
    named = {each.name: each for each in plans}
    place = {name: number for number, name in enumerate(named)}
    needs = [need for each in plans for need in _needs(each, plans, target.objects)]
    later: set[tuple[str, str]] = {(need.child, need.field) for need in needs if need.waits}
    for need in needs:
        if need.child == need.parent:
            if not need.can_wait:
                raise Circle([need.child, need.child])
            later.add((need.child, need.field))
    needs = [need for need in needs if need.child != need.parent]
    while True:
        graph: dict[str, set[str]] = {name: set() for name in named}
        for need in needs:
            graph[need.child].add(need.parent)
        try:
            order = _stable(graph, place)
        except CycleError as error:
            circle = [str(name) for name in error.args[1]]
            pairs = set(zip(circle[1:], circle, strict=False))
            # A field that waits does so whatever entry it leads to, so it is dropped as a whole.
            can = [need for need in needs if (need.child, need.parent) in pairs and need.can_wait]
            if not can:
                raise Circle(circle) from error
            first = min(
                can,
                key=lambda need: (not need.waits, place[need.child] > place[need.parent], place[need.child]),
            )
            later.add((first.child, first.field))
            needs = [need for need in needs if (need.child, need.field) != (first.child, first.field)]
            continue
        return Waves(tuple(named[name] for name in order), frozenset(later))


def _stable(graph: Mapping[str, set[str]], place: Mapping[str, int]) -> list[str]:
    """A topological order that keeps the plan's own wherever it can."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ready: set[str] = set()
    order: list[str] = []
    while sorter.is_active():
        ready.update(sorter.get_ready())
        next_one = min(ready, key=lambda name: place[name])
        ready.discard(next_one)
        order.append(next_one)
        sorter.done(next_one)
    return order


def _needs(each: ObjectPlan, plans: Sequence[ObjectPlan], objects: Mapping[str, ObjectSchema]) -> list[_Need]:
    known = {other.name for other in plans}
    found = [
        _Need(each.name, other.name, "", can_wait=False, waits=False)
        for link in each.links
        if link.missing == "reject"
        for other in plans
        if other.target == link.to and other is not each and (not link.entries or other.name in link.entries)
    ]
    schema = objects.get(each.target)
    for name, field in each.fields.items():
        place = schema.fields.get(name) if schema else None
        can_wait = place is None or (place.updateable and not place.required and name not in each.insert_only)
        found += [
            _Need(each.name, parent, name, can_wait, field.missing == "later")
            for parent in field.entries
            if parent in known
        ]
    return found
