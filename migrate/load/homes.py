"""Whose home is the target by now? A change of such a record in the source is a conflict, and isn't written.

Who is at home where is the cutover's to say, and a load lies below it: so it is asked by name, as a plugin
is. Every load asks, whatever command it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrate.workspace import Workspace

_ASKED = "migrate.cutover.away"
DELETED = ""  # stands for a record that is gone, where its fields are asked about


@dataclass(frozen=True)
class Away:
    """Records that are at home in the target. `table`: of the engine, with a column `key`.

    `others`: the table names those at home in the source, and all others are at home in the target.
    """

    table: str
    others: bool

    def condition(self, key: str) -> str:
        """SQL: whether the record of this key is at home in the target."""
        listed = f"{key} IN (SELECT key FROM {self.table})"
        return f"(NOT {listed})" if self.others else f"({listed})"


def away(workspace: Workspace) -> Away | None:
    """Who is at home in the target; None where nobody is. Makes the engine's table.

    Raises:
        Damaged: a list of keys isn't what it was published as.
    """
    found: Away | None = import_module(_ASKED).away(workspace)
    return found


def echoes(workspace: Workspace, entry: str, changed: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Which of these changes in the source the way back made: pairs of migration key and field.

    Args:
        entry: of the plan. changed: by key the target's fields that the source changed, or `DELETED`.

    Raises:
        Parked, SystemRefused: the source.
    """
    found: set[tuple[str, str]] = import_module(_ASKED).echoes(workspace, entry, changed)
    return found
