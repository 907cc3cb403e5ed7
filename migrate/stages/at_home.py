"""Which records are at home in the target by now? Those of the cohorts that are switched, from their
published keys, and those that were born there.

People work on them there, so what the target holds of them is theirs and not ours to compare or to write.
"""

from __future__ import annotations

from migrate.engine import parquet
from migrate.errors import Damaged
from migrate.ledger.cutovers import HERE, cohort_states
from migrate.workspace import Workspace

STAGE = "cutover"  # of the store: a cohort's keys
BORN = "born"  # of the store: keys of records that were born in the target, and came to the source from there
GONE = "Restore it from a backup: without it nobody knows on which side a record is at home."


def born(workspace: Workspace) -> list[str]:
    """Parquet files of their migration keys (column `key`); none where there are none.

    Raises:
        Damaged: a part isn't what it was published as.
    """
    found = workspace.store.manifests(BORN, "all")
    if not found:
        return []
    workspace.store.verify(found[-1])
    return workspace.store.files(found[-1])


def at_home(workspace: Workspace) -> str:
    """A query of their migration keys (`key`); "" where no cohort is switched.

    Raises:
        Damaged: a switched cohort's keys are gone, or aren't what they were published as.
    """
    files = []
    for each in cohort_states(workspace.ledger).values():
        if each.state not in HERE:
            continue
        found = workspace.store.manifests(STAGE, each.cohort)
        if not found:
            place = workspace.store.storage.address(f"{STAGE}/{each.cohort}")
            raise Damaged(place, "has no list of the cohort's records, though it is switched", GONE)
        workspace.store.verify(found[-1])
        files += workspace.store.files(found[-1])
    files += born(workspace)
    return f"SELECT key FROM {parquet(files)}" if files else ""
