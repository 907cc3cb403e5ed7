"""Which values that the source keeps apart become one in the target?

A map of many values to one is often meant, and it can't be turned back. What is lost is counted and told,
unless another field of the same records still says which value it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from migrate.errors import PlanMistake, Position
from migrate.plan import Plan
from migrate.stages.checked import CheckedField, CheckedObject, Findings, PicklistCounts

SHOWN = 8  # values of one group that are named


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
        for name, field in checked.fields.items() if checked else ():
            seen = (counts or {}).get((each.name, field.plan.origin))
            if checked is None or field.home is None or seen is None:
                continue
            beside = [
                other
                for other in checked.fields.values()
                if other is not field and other.plan.origin == field.plan.origin
            ]
            groups = list(_lost(field, beside, seen))
            if groups:
                at = plan.at("objects", index, "fields", name, "picklist")
                findings.warnings.append(_told(name, field, groups, at))


def _lost(
    field: CheckedField, beside: Sequence[CheckedField], seen: Mapping[str, int]
) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Targets with the values that become them, each with its records; the most records first."""
    homes: dict[str, list[str]] = {}
    for value in seen:
        home = (field.home or {}).get(value)
        if home is not None:
            homes.setdefault(home, []).append(value)
    for home, values in homes.items():
        # Letter case and blanks tell no one anything: what differs by these only is one value.
        spelt = {" ".join(value.split()).casefold(): value for value in values}
        apart = [[_kept(other, value) for value in spelt.values()] for other in beside]
        if len(spelt) > 1 and not any(None not in kept and len(set(kept)) == len(kept) for kept in apart):
            yield (
                home,
                sorted(((value, seen[value]) for value in values), key=lambda pair: (-pair[1], pair[0])),
            )


def _kept(other: CheckedField, value: str) -> str | None:
    """What another field of the same records makes of the value; None where that says nothing."""
    if other.function is not None or other.owners is not None:
        return None
    return value if other.home is None else other.home.get(value)


def _told(
    name: str, field: CheckedField, groups: Sequence[tuple[str, list[tuple[str, int]]]], at: Position
) -> PlanMistake:
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
