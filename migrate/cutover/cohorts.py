"""Which cohorts does the plan have, and which one is meant?

A plan that names none has one, `all`. A cohort without a `where` is everything that none before it has.
"""

from __future__ import annotations

from migrate.errors import UsageError
from migrate.plan.cutover import CohortPlan
from migrate.workspace import Workspace

ALL = "all"


def cohorts(workspace: Workspace) -> list[CohortPlan]:
    """The plan's cohorts, in the order in which they are meant to switch."""
    return list(workspace.plan.model.cutover.cohorts) or [CohortPlan(name=ALL)]


def names(workspace: Workspace) -> list[str]:
    """Their names, in that order."""
    return [each.name for each in cohorts(workspace)]


def known(workspace: Workspace, name: str) -> CohortPlan:
    """A cohort by its name.

    Raises:
        UsageError: the plan has none of this name.
    """
    for each in cohorts(workspace):
        if each.name == name:
            return each
    there = ", ".join(f"`{each}`" for each in names(workspace))
    raise UsageError(f"The plan has no cohort `{name}`.", f"There are: {there}.")
