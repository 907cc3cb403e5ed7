"""Is what the plan says of its figures sound?"""

from __future__ import annotations

from collections.abc import Iterator

from migrate.catalog import Catalog
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Plan
from migrate.plan.expressions import suggest
from migrate.plan.sales import money_of
from migrate.stages.checked import Findings


def check_figures(plan: Plan, source: Catalog, target: Catalog, findings: Findings) -> None:
    """Tell what is wrong under `money`."""
    findings.mistakes += _money(plan, source, target)


def _entry(plan: Plan, name: str | None, *keys: str | int) -> Iterator[PlanMistake]:
    names = [each.name for each in plan.model.objects]
    if name is not None and name not in names:
        yield PlanMistake(
            plan.at(*keys), f"The plan has no entry `{name}`.", suggest(name, names, "Its entries are")
        )


def _money(plan: Plan, source: Catalog, target: Catalog) -> Iterator[PlanMistake]:
    said = plan.model.validate_.money
    if wrong := list(_entry(plan, said.entry, "validate", "money", "entry")):
        yield from wrong
        return
    try:
        found = money_of(plan, source, target)
    except PlanError as error:
        yield from error.mistakes
        return
    if found is None and said.model_fields_set - {"entry"}:
        yield PlanMistake(
            plan.at_key("validate", "money"), "No entry of this plan has money that both systems tell.",
            "Name the `entry`, and the `amount` of `source` and `target`.",
        )  # fmt: skip
