"""Has one of the agreed reasons to go back come true? Each with its figure of now, and who decides.

Figures come from the last validation's report and from the workspace's own books; no system is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from migrate.plan.cutover import TriggerPlan
from migrate.stages.status import status
from migrate.workspace import Workspace
from migrate_rollback import deeds
from migrate_rollback.window import Window

REPORTS, LATEST, REPORT = "reports", "latest.json", "report.json"
STATUS = "status:"


@dataclass(frozen=True)
class Trigger:
    """One agreed reason. `value`: None where it can't be told, which `note` explains; `state`: pass, fail, or
    unset where nothing is known."""

    says: str
    what: str
    value: str | None
    threshold: str
    owner: str
    state: str
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """The last validation. `document`: its report.json, None before the first."""

    document: dict[str, Any] | None

    @property
    def at(self) -> str | None:
        """When it ended."""
        return self.document["ended"] if self.document else None

    @property
    def differences(self) -> int | None:
        """Differences that are neither tolerated nor waived."""
        if self.document is None:
            return None
        return sum(int(each.get("grades", {}).get("fail", 0)) for each in self.document["results"])


def evidence(workspace: Workspace) -> Evidence:
    """The last report that was written."""
    reports = workspace.storage.below(REPORTS)
    try:
        folder = json.loads(reports.read(LATEST)[0])["folder"]
        return Evidence(json.loads(reports.read(f"{folder}/{REPORT}")[0]))
    except FileNotFoundError:
        return Evidence(None)


def triggers(workspace: Workspace, seen: Evidence, window: Window, *, intact: bool) -> list[Trigger]:
    """Every trigger of the plan, in its order.

    Args:
        intact: the journal can be read; else the figures of our own books aren't known.
    """
    own: dict[str, int] | None = None
    found = []
    for each in workspace.plan.model.cutover.triggers:
        if each.what.startswith(STATUS) and not intact:
            value, note = None, "the journal is damaged: `migrate fsck`"
        elif each.what.startswith(STATUS):
            own = own if own is not None else _own(workspace, window)
            value, note = _of_status(own, each.what.removeprefix(STATUS).strip())
        else:
            value, note = _of_report(seen, each.what)
        found.append(_told(each, value, note))
    return found


def _told(each: TriggerPlan, value: Decimal | None, note: str) -> Trigger:
    state = "unset" if value is None else "fail" if each.reached(value) else "pass"
    shown = None if value is None else f"{value:,}"
    return Trigger(each.says or each.what, each.what, shown, each.threshold, each.owner, state, note)


def _own(workspace: Workspace, window: Window) -> dict[str, int]:
    """Figures of our own books."""
    now = status(workspace)
    deeds.tables(workspace.engine, workspace.journal.source(), window.attempt)
    held = workspace.engine.rows("SELECT count(*) AS n FROM undo_held")[0]["n"]
    return {
        "left": sum(each.left for each in now.objects), "refused": now.refused, "in_doubt": now.in_doubt,
        "held": int(held), "window_percent": window.percent,
    }  # fmt: skip


def _of_status(own: dict[str, int], name: str) -> tuple[Decimal | None, str]:
    if name in own:
        return Decimal(own[name]), ""
    return None, f"status has no figure `{name}`; it has {', '.join(f'`{each}`' for each in own)}"


def _of_report(seen: Evidence, what: str) -> tuple[Decimal | None, str]:
    """`check.id` (its differences) or `check.id:figure`."""
    if seen.document is None:
        return None, "nothing has been validated yet: `migrate validate`"
    id, _, figure = what.partition(":")
    results = {each["id"]: each for each in seen.document["results"]}
    result = results.get(id.strip())
    if result is None:
        return None, f"the last report has no check `{id.strip()}`"
    value = result["figures"].get(figure.strip()) if figure else result["row_count"]
    if value is None:
        known = ", ".join(f"`{each}`" for each in result["figures"]) or "none"
        return None, f"`{id.strip()}` has no figure `{figure.strip()}`; it has {known}"
    try:
        return Decimal(str(value)), ""
    except InvalidOperation:
        return None, f"`{what}` is `{value}`, and no number"
