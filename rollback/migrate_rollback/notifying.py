"""Who is told that the way back runs out? The log, and a webhook if the plan names one.

A delivery (`migrate.webhooks`) never fails a command: what went wrong is returned in words, and the next
`status` tries again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate import webhooks
from migrate.logs import logger
from migrate.plan.cutover import NotifyPlan
from migrate.workspace import Workspace
from migrate_rollback import returning
from migrate_rollback import window as windows
from migrate_rollback.window import Warned, Window

EVENT = "rollback window"


@dataclass(frozen=True)
class Notice:
    """What `status` tells of the window. `fresh`: the warning that was told for the first time just now, in
    percent. `webhook`: `sent`, or why it wasn't; empty where there was nothing to send or nowhere to."""

    window: Window
    fresh: int | None = None
    webhook: str = ""

    @property
    def open_warning(self) -> bool:
        """Whether a part of the window has gone by that calls for a decision."""
        return bool(self.window.passed)

    @property
    def lines(self) -> list[str]:
        """For people."""
        found = [self.window.words]
        if self.fresh is not None:
            found.append(f"Warning: more than {self.fresh}% of the way back's time is gone.")
        if self.webhook == "sent":
            found.append("The webhook was told.")
        elif self.webhook:
            found.append(f"The webhook was NOT told: {self.webhook}. The next `migrate status` tries again.")
        return found

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {**vars(self.window), "percent": self.window.percent, "words": self.window.words,
                "warning": self.window.passed[-1] if self.window.passed else None,
                "fresh": self.fresh, "webhook": self.webhook}  # fmt: skip


def notice(workspace: Workspace) -> Notice | None:
    """Look at the window; tell a warning that is due to the log and the webhook.

    Returns:
        None before the first load.
    """
    ledger = workspace.ledger
    window = returning.tighten(workspace)
    if window is None:
        return None
    fresh = windows.warn(ledger, window)
    if fresh is not None:
        _log(workspace, window, fresh)
    told, notify = windows.told(ledger, window), workspace.plan.model.cutover.notify
    if notify is None or not window.passed or not told or told[-1].delivered:
        return Notice(window, fresh.at_percent if fresh else None)
    failed = deliver(notify, body(workspace, window, told[-1]), workspace.environment)
    if not failed:
        windows.delivered(ledger, told[-1])
    return Notice(window, fresh.at_percent if fresh else None, failed or "sent")


def body(workspace: Workspace, window: Window, warned: Warned) -> dict[str, Any]:
    """What a webhook gets; nothing of the data, nothing of this machine."""
    return {
        "event": EVENT, "at_percent": warned.at_percent, "share": round(window.share, 4),
        "attempt": window.attempt, "system": workspace.system("target").system, "ends": window.ends,
        "last_safe_start": window.last_safe_start, "state": window.state, "at": warned.at,
    }  # fmt: skip


def _log(workspace: Workspace, window: Window, warned: Warned) -> None:
    logger().warning(**body(workspace, window, warned))


def deliver(notify: NotifyPlan, document: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Send a document to the plan's webhook; why it wasn't taken, in words, "" if it was."""
    return webhooks.send(notify.webhook, notify.secret, document, environment).problem
