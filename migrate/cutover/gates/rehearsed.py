"""Was the whole cutover rehearsed, with this plan, not long ago, and clean? And what did it measure?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.clock import parse_stamp
from migrate.cutover import trail
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.starting import REHEARSED, is_clean, trouble
from migrate.plan.terms import parse_span

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover
    from migrate.cutover.trail import Event

ID = "rehearsal"
AGAIN = "migrate cutover rehearse --on twin"
FOLDER = "cutover/rehearsals"  # where a rehearsal keeps its document


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One line; a small profile asks for no rehearsal."""
    workspace = cutover.workspace
    terms = workspace.plan.model.cutover
    if terms.profile == "small":
        yield green(ID, "The plan's small profile asks for none.")
        return
    found = last(cutover)
    if found is None:
        yield red(ID, "The cutover was never rehearsed.", AGAIN)
        return
    ran, age = str(found.facts.get("plan", "")), workspace.clock.now() - parse_stamp(found.at)
    figure = f"{found.at}, at most {terms.gate.rehearsal} ago"
    if ran != workspace.plan.digest:
        yield red(ID, f"The last rehearsal was of plan {ran[:12] or '?'}.", AGAIN, figure)
    elif found.facts.get("played", workspace.plan.played) != workspace.plan.played:
        words = "The last rehearsal was of other cohorts, or of another way back, than the plan has now."
        yield red(ID, words, AGAIN, figure, about=found.digest)
    elif age > parse_span(terms.gate.rehearsal):
        yield red(ID, "The last rehearsal is too old.", AGAIN, figure, about=found.digest)
    elif not is_clean(found):
        yield red(ID, trouble(found), AGAIN, figure, about=found.digest)
    else:
        yield green(ID, "Rehearsed with this plan, clean.", figure)


def last(cutover: Cutover) -> Event | None:
    """The newest rehearsal of this cohort, or of all."""
    found = trail.events(cutover.workspace.ledger, REHEARSED)
    return next((each for each in reversed(found) if each.cohort in ("", cutover.cohort)), None)


def projected(cutover: Cutover, step: str, what: str) -> float | None:
    """The upper end of what a step of the real cutover takes, by the newest rehearsal of this plan: this
    cohort's step, where each has its own.

    Args:
        step: `delta`, `rollback`, ...
        what: `seconds` (of the vendor's clock) or `calls` (to the target).

    Returns:
        None where none was rehearsed, or its document isn't there.
    """
    found = last(cutover)
    if found is None or found.facts.get("plan") != cutover.workspace.plan.digest:
        return None
    try:
        content = cutover.workspace.storage.read(f"{FOLDER}/{found.facts['file']}")[0]
        steps = [each for each in json.loads(content)["projection"]["steps"] if each["id"] == step]
        own = [each for each in steps if each.get("cohort") == cutover.cohort]
        return float((own or steps)[-1][what]["high"])
    except (OSError, LookupError, ValueError, TypeError):
        return None
