"""Who is told that the way back runs out? The log, and a webhook if the plan names one.

A delivery goes over HTTPS (or to this machine), is signed where there is a secret, is tried again, and ends
within `LONGEST` seconds. It never fails a command: what went wrong is returned in words, and the next
`status` tries again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrate import __version__
from migrate.clock import is_loopback, is_web_address
from migrate.plan.cutover import NotifyPlan
from migrate.workspace import Workspace
from migrate_rollback import returning
from migrate_rollback import window as windows
from migrate_rollback.window import Warned, Window

TRIES, CALL, LONGEST = 3, 5.0, 20.0  # tries, seconds for each, seconds for all
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
    import structlog

    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
    )
    log.warning(**body(workspace, window, warned))


def deliver(notify: NotifyPlan, document: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Send a document to the plan's webhook; why it wasn't taken, in words, "" if it was."""
    import httpx2
    import stamina

    name = notify.webhook.removeprefix("env:")
    url = environment.get(name, "")
    secret_name = notify.secret.removeprefix("env:") if notify.secret else ""
    secret = environment.get(secret_name, "") if secret_name else ""
    if not url:
        return f"the variable `{name}` isn't set"
    if not is_web_address(url) or not (url.startswith("https://") or is_loopback(url)):
        return f"the address in `{name}` is neither https nor on this machine"
    if secret_name and not secret:
        return f"the variable `{secret_name}` isn't set, and nothing is sent unsigned"
    content = json.dumps(document, sort_keys=True).encode()

    def again(error: Exception) -> bool:
        if isinstance(error, httpx2.HTTPStatusError):
            return error.response.status_code >= 500 or error.response.status_code == 429
        return isinstance(error, httpx2.TransportError)

    tries = stamina.retry_context(
        on=again, attempts=TRIES, timeout=LONGEST - CALL, wait_initial=0.2, wait_max=2.0
    )
    try:
        with httpx2.Client(timeout=CALL, follow_redirects=False) as client:
            for attempt in tries:
                with attempt:
                    headers = _headers(content, secret)
                    client.post(url, content=content, headers=headers).raise_for_status()
    except httpx2.HTTPStatusError as error:
        return f"it answered {error.response.status_code}"
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"it can't be reached ({type(error).__name__})"  # its words may hold the address
    return ""


def _headers(content: bytes, secret: str) -> dict[str, str]:
    import time

    headers = {"Content-Type": "application/json", "User-Agent": f"migrate/{__version__}"}
    if secret:
        at = str(int(time.time()))  # the receiver's time, whatever clock the plan asks for
        signed = hmac.new(secret.encode(), at.encode() + b"." + content, hashlib.sha256).hexdigest()
        headers |= {"X-Migrate-Timestamp": at, "X-Migrate-Signature": f"sha256={signed}"}
    return headers
