"""What does the report say of the way back? Until when, the last safe start, and what nobody can put back.

The provider of the section `way_back` on the validation report's first screen. It asks no system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from migrate.stages.checkpoint import of_attempt
from migrate_rollback.attesting import attested
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
    """The way back of the attempt under way; before its first load, how the last rollback was verified.

    Red once the window has closed; amber past the last safe start, or while no rollback was ever measured.
    """
    point = of_attempt(seen.ledger, seen.evidence.attempt)
    verified = attested(seen.ledger)
    if point is None:
        return _back(verified[0], verified) if verified else None
    window, back = of_point(seen.ledger, point, seen.evidence.clock.now()), seen.facts["way_back"]
    if window.state == "going":
        state, summary = "fail", f"Attempt {window.attempt} is being rolled back."
    elif window.state == "back":
        state, summary = "warn", f"Attempt {window.attempt} was rolled back."
    elif window.ends is None:
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
            "attested": verified[:1],
        },
        "tables": _tables(verified),
    }  # fmt: skip


def _back(last: dict[str, Any], verified: list[dict[str, Any]]) -> dict[str, Any]:
    """Nothing is loaded now: the target is as the last rollback left it."""
    return {
        "verdict": "pass" if last["verdict"] == "pass" else "fail",
        "summary": f"Attempt {last['attempt']} is rolled back, verified at {last['at']}: {last['words']}.",
        "figures": {}, "facts": {"attested": verified[:1]}, "tables": _tables(verified),
    }  # fmt: skip


def _tables(verified: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every attestation, the newest first, with what makes a forged one show."""
    if not verified:
        return []
    rows = [[one["at"], one["attempt"], one["words"], one["who"], one["digest"][:16]] for one in verified]
    return [
        {
            "title": "Rollbacks that were verified", "columns": ["at", "attempt", "its word", "by", "digest"],
            "rows": rows, "numeric": ["attempt"],
        }
    ]  # fmt: skip
