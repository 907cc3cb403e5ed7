"""How many records does each cohort have, and how many do cohorts share? Told before anything is loaded.

A shared record switches with the first cohort that has it, so that its people lose the old system's copy
before the other cohort's people move.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrate.cutover import homes
from migrate.cutover.cohorts import cohorts
from migrate.errors import PlanError, PlanMistake, UsageError
from migrate.workspace import Workspace


@dataclass(frozen=True)
class Overlap:
    """Cohorts by their records, from the newest extract. `records`: by name; `shared`: by two names, in the
    plan's order. `whole`: what hangs under the chosen records is counted, too, for it has been
    transformed."""

    records: dict[str, int]
    shared: dict[tuple[str, str], int]
    whole: bool

    @property
    def lines(self) -> list[str]:
        """For people."""
        sizes = ", ".join(f"`{name}` {number:,}" for name, number in self.records.items())
        found = [f"Records by cohort: {sizes}."]
        if self.whole:
            found += [
                f"{number:,} records are in both `{a}` and `{b}`: they switch with whichever does so first."
                for (a, b), number in self.shared.items()
            ]
            if not self.shared:
                found.append("No record is in two cohorts.")
        else:
            found.append("What hangs under them is counted once `migrate transform` has run.")
        return found

    def document(self) -> dict[str, object]:
        """For programs."""
        pairs = [{"cohorts": list(pair), "records": number} for pair, number in self.shared.items()]
        return {"records": self.records, "shared": pairs, "whole": self.whole}


def overlap(workspace: Workspace) -> Overlap | None:
    """Count it; None where the plan names no cohorts, or nothing has been extracted.

    Raises:
        PlanError: a cohort's expression can't be read, or chooses nothing; with its place in the plan.
    """
    plan, store = workspace.plan, workspace.store
    if not plan.model.cutover.cohorts:
        return None
    objects = plan.model.objects
    if not any(store.manifests("source", each.source) for each in objects):
        return None
    records = {}
    for index, each in enumerate(cohorts(workspace)):
        try:
            homes.members(workspace, each)
        except UsageError as error:
            place = plan.at("cutover", "cohorts", index, "where")
            raise PlanError([PlanMistake(place, error.what, error.remedy)]) from error
        row = workspace.engine.rows("SELECT count(DISTINCT key) AS n FROM cohort_keys")[0]
        records[each.name] = int(row["n"])
    whole = all(store.manifests("ready", each.name) for each in objects)
    return Overlap(records, homes.shared(workspace), whole)
