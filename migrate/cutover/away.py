"""Which records does a load from the source leave alone, because they are at home in the target?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from migrate.cutover import homes
from migrate.cutover.machine import states
from migrate.cutover.states import HERE
from migrate.load.homes import Away

if TYPE_CHECKING:
    from migrate.workspace import Workspace

TABLE = "at_home"


def echoes(workspace: Workspace, entry: str, changed: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Which changes in the source a live way back made; see `migrate.cutover.echoes`."""
    from migrate.cutover import echoes as module  # it loads, and a load asks here

    return module.echoes(workspace, entry, changed)


def away(workspace: Workspace) -> Away | None:
    """Those of every cohort that is switched; None before the first is.

    Raises:
        Damaged: a cohort's keys aren't what they were published as.
    """
    if not any(state in HERE for state in states(workspace).values()):
        return None
    others = homes.elsewhere(workspace) == "target"
    side = "source" if others else "target"
    workspace.engine.run(
        f"CREATE OR REPLACE TABLE {TABLE} AS SELECT key FROM {homes.home(workspace)} WHERE side = '{side}'"
    )
    return Away(TABLE, others)
