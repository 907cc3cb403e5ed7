"""Which values that the source keeps apart become one in the target?

A map of many values to one is often meant, and it can't be turned back. What is lost is counted and told,
unless another field of the same records still says which value it was. Where two maps of one field lose the
same, the finer one tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from migrate.errors import PlanMistake, Position
from migrate.plan import Plan
from migrate.stages.checked import CheckedField, CheckedObject, Findings, PicklistCounts

SHOWN = 8  # values of one group that are named
Group = tuple[str, list[tuple[str, int]]]  # a home, and the values that become it, each with its records


def check_distinct(
    plan: Plan, objects: Mapping[str, CheckedObject], counts: PicklistCounts | None, findings: Findings
) -> None:
    """Add a warning for each map that puts values of extracted records together.

    Args:
        objects: as checked so far, by entry.
        counts: from `count_values`; nothing is told before the first extract.
    """
    for index, each in enumerate(plan.model.objects):
        checked = objects.get(each.name)
        if checked is None:
            continue
        lost: dict[str, list[Group]] = {}
        known: set[tuple[str, frozenset[str]]] = set()  # what is lost together is told once
        for name, field in _finest_first(checked, each.name, counts or {}):
            origin = field.plan.origin
            beside = [
                other
                for other in checked.fields.values()
                if other is not field and other.plan.origin == origin
            ]
            for home, values in _lost(field, beside, (counts or {})[each.name, origin]):
                together = (origin, frozenset(value for value, _ in values))
                if together not in known:
                    known.add(together)
                    lost.setdefault(name, []).append((home, values))
        for name in checked.fields:
            if name in lost:
                at = plan.at("objects", index, "fields", name, "picklist")
                findings.warnings.append(_told(name, checked.fields[name], lost[name], at))


def _finest_first(
    checked: CheckedObject, entry: str, counts: PicklistCounts
) -> list[tuple[str, CheckedField]]:
    """Mapped fields whose values were counted; of two that read the same, the one with more homes first."""
    found = [
        (name, field)
        for name, field in checked.fields.items()
        if field.home is not None and (entry, field.plan.origin) in counts
    ]
    return sorted(found, key=lambda pair: -len(set((pair[1].home or {}).values())))


def _lost(field: CheckedField, beside: Sequence[CheckedField], seen: Mapping[str, int]) -> Iterator[Group]:
    """Values that become one and that no other field tells apart; the most records first."""
    together: dict[tuple[object, ...], list[str]] = {}
    for value in seen:
        own = (field.home or {}).get(value)
        if own is not None:
            together.setdefault((own, *(_becomes(other, value) for other in beside)), []).append(value)
    for (home, *_), values in together.items():
        # Letter case and blanks tell no one anything: what differs by these only is one value.
        if len({" ".join(value.split()).casefold() for value in values}) > 1:
            yield (
                str(home),
                sorted(((value, seen[value]) for value in values), key=lambda pair: (-pair[1], pair[0])),
            )


def _becomes(other: CheckedField, value: str) -> object:
    """What another field of the same records holds for the value, as far as it is known here."""
    if other.function is not None or other.owners is not None:
        return None
    if other.home is None:
        return value
    if value in other.home:
        return other.home[value]
    # Without a home there: it has the default, or is its own home, or its records aren't loaded at all.
    return other.default if other.plan.unmapped == "default" else ("itself", value)


def _told(name: str, field: CheckedField, groups: Sequence[Group], at: Position) -> PlanMistake:
    labels = {option.value: option.label for option in field.target.options}
    lines = []
    for home, values in groups:
        shown = ", ".join(f"`{value}` ({count:,})" for value, count in values[:SHOWN])
        more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
        lines.append(f"{shown}{more} become `{labels.get(home, home)}`")
    number = sum(len(values) for _, values in groups)
    return PlanMistake(
        at,
        f"The map of `{name}` puts {number:,} values of `{field.plan.origin}` into {len(groups):,}.",
        "\n  ".join(lines)
        + "\n  To keep them apart, give each a home of its own, or keep the old value in a "
        f"field of its own: `old_{name}: {field.plan.origin}`.",
    )
