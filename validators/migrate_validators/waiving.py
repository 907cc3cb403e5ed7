"""Who lets which difference stand, until when, and why? Only a person's name makes a waiver.

A waiver names differences of the last report, one by one, also where a group is waived: what joins the group
later is not covered. Opt-outs can't be waived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.engine import parquet, text
from migrate.errors import UsageError
from migrate.ledger.validations import take_back as take_back_in
from migrate.ledger.validations import waive as waive_in
from migrate.plan.terms import instant_of
from migrate_validators.classes import FAIL, Class
from migrate_validators.report import last_written
from migrate_validators.triage import DIFFERENCES

if TYPE_CHECKING:
    from migrate.workspace import Workspace


@dataclass(frozen=True)
class Waived:
    """What was waived. `until`: an instant, UTC."""

    differences: tuple[str, ...]
    until: str


def waive(workspace: Workspace, names: Sequence[str], *, by: str, reason: str, until: str) -> Waived:
    """Let differences of the last report stand.

    Args:
        names: ids of differences (`D-…`) or groups (`G-…`).
        until: a day (its end, in the plan's zone) or an instant with its zone.

    Raises:
        UsageError: a name or a reason is missing, the last report doesn't know an id, one is an opt-out, or
            the time has passed.
    """
    if not by.strip() or not reason.strip():
        raise UsageError("A waiver needs a name and a reason.", "Give `--by` and `--reason`.")
    end = _end(until, workspace.plan.model.calendar.zone)
    if end <= workspace.clock.now():
        raise UsageError(f"`{until}` has passed.", "A waiver ends on a day to come.")
    found = tuple(_meant(workspace, names))
    waive_in(workspace.ledger, found, who=by.strip(), reason=reason.strip(), until=stamp(end))
    return Waived(found, stamp(end))


def take_back(workspace: Workspace, names: Sequence[str], *, by: str) -> int:
    """End waivers of differences or groups; how many there were."""
    if not by.strip():
        raise UsageError("Who takes it back?", "Give `--by`.")
    alone = [name.upper() for name in names if name.upper().startswith("D-")]
    groups = [name for name in names if not name.upper().startswith("D-")]
    return take_back_in(
        workspace.ledger, [*alone, *(_meant(workspace, groups) if groups else [])], who=by.strip()
    )


def _meant(workspace: Workspace, names: Sequence[str]) -> list[str]:
    storage = last_written(workspace).storage
    if not storage.has(DIFFERENCES):
        raise UsageError("The last report has no difference.", "There is nothing to waive.")
    rows = parquet([str(storage.local(DIFFERENCES))])
    found: dict[str, None] = {}
    for name in (each.upper() for each in names):
        known = workspace.engine.rows(
            f"""SELECT difference, class FROM {rows} WHERE grade = '{FAIL}'
            AND (difference = {text(name)} OR "group" = {text(name)}) ORDER BY difference"""
        )
        if not known:
            raise UsageError(
                f"The last report has no red difference or group `{name}`.",
                "`migrate diff` and the report name them (`D-…`, `G-…`).",
            )
        if any(row["class"] == Class.OPT_OUT for row in known):
            raise UsageError(
                f"`{name}` is an opt-out that is missing: that can't be waived.", "Load it: `migrate load`."
            )
        found |= dict.fromkeys(str(row["difference"]) for row in known)
    return list(found)


def _end(words: str, zone: str) -> datetime:
    try:
        end = instant_of(words, zone, end=True)
    except ValueError as error:
        raise UsageError(f"`{words}` is no day and no instant.", "Write `2026-03-31`.") from error
    if end.tzinfo is None:
        raise UsageError(f"`{words}` has no zone.", "Write `2026-03-31T18:00:00Z`, or a day.")
    return end.astimezone(UTC)
