"""Has somebody said of every field what becomes of a later change on the way back?

What loses something is listed for those who sign, with or without a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.cutover import inverses
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.reverse_side import ON_S3
from migrate.errors import PlanError, UsageError

if TYPE_CHECKING:
    from migrate.cutover.inverses import WayBack
    from migrate.cutover.machine import Cutover

ID = "way-back"


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One line: red while a field's loss has no rule in the plan, and where no way back can be kept."""
    if cutover.workspace.place.remote:
        yield red(ID, *ON_S3, about=ID)
        return
    try:
        found = inverses.quick(cutover.workspace)
    except (PlanError, UsageError) as error:
        yield red(ID, f"The way back can't be told: {str(error).splitlines()[0]}", "migrate check", about=ID)
        return
    asks = [each.name for each in found.asked]
    if asks or found.unknown:
        told = ", ".join([*asks, *found.unknown][:6])
        words = f"What becomes of later changes isn't said of {told}."
        remedy = "`cutover: reverse: rules` of the plan; migrate check"
        yield red(ID, words, remedy, f"{len(asks)} fields", about=[*asks, *found.unknown])
    else:
        lossy = len(found.lossy)
        yield green(
            ID, "Every field has a way back, or a rule.", f"{lossy} lose something" if lossy else "exact"
        )


def losses(cutover: Cutover) -> tuple[str, ...]:
    """What is lost on the way back, a sentence each: who signs has to see it."""
    try:
        found: WayBack = inverses.quick(cutover.workspace)
    except (PlanError, UsageError):
        return ()  # the line above is red, and says why
    return found.told
