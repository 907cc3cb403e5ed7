"""What does the report say of the way back? Until when, the last safe start, and what nobody can put back.

The provider of the section `way_back` on the validation report's first screen. It asks no system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from migrate.stages.checkpoint import of_attempt
from migrate_rollback.window import of_point

if TYPE_CHECKING:
    from migrate.clock import Clock
    from migrate.ledger import Ledger


class _Evidence(Protocol):
    attempt: int
    clock: Clock


class Seen(Protocol):
    """What the report hands over, as far as it is used. `facts`: `way_back` counts what would be undone."""

    evidence: _Evidence
    ledger: Ledger
    facts: dict[str, Any]


def section(seen: Seen) -> dict[str, Any] | None:
    """The way back of the attempt under way; None before its first load.

    Red once the window has closed; amber past the last safe start, or while no rollback was ever measured.
    """
    point = of_attempt(seen.ledger, seen.evidence.attempt)
    if point is None:
        return None
    window, back = of_point(seen.ledger, point, seen.evidence.clock.now()), seen.facts["way_back"]
    if window.ends is None:
        state, summary = "warn", "No end of the window is known."
    elif window.state == "closed":
        state, summary = "fail", f"The window closed at {window.ends}: there is no way back any more."
    elif window.state == "late":
        state, summary = "warn", f"Too late to start safely: the window closes at {window.ends}."
    elif window.seconds is None:
        state, summary = "warn", f"Open until {window.ends}; how long it takes was never measured."
    else:
        state, summary = "pass", f"Open until {window.ends}; last safe start {window.last_safe_start}."
    return {
        "verdict": state,
        "summary": summary,
        "figures": {
            "records that would be deleted": back["delete"],
            "records that would get their values back": back["restore"],
            "links of ours that would go": back["unlink"],
            "records of the target's own that would go": back["side_records"],
        },
        "facts": {
            "checkpoint": point.name, "taken": point.at, "window_end": window.ends,
            "last_safe_start": window.last_safe_start, "measured_seconds": window.seconds,
            "percent_gone": window.percent, "residue": back["residue"],
        },
    }  # fmt: skip
