"""How does a cohort go back to the old system, and lose nothing that was entered or changed since?

The switch's hooks are undone first, last first, so that people and integrations write to the old system
again. Then everything that changed in the new system comes back, in steps, until a whole look at it finds
nothing more. What was sent is read again in the old system: only what stands there counts as brought back.
The rest is listed with both values, and what somebody wrote in the old system meanwhile, too.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from migrate.cutover import freeze_acts, homes, returned, reverse_steps, trail
from migrate.cutover.machine import Cutover
from migrate.cutover.remembering import remember
from migrate.cutover.returned import Line
from migrate.cutover.reverse_side import alone, opened
from migrate.cutover.sheets import write_sheets
from migrate.cutover.states import PATH, State
from migrate.cutover.switching import take_back
from migrate.cutover.window import Late, must_be_in_time
from migrate.errors import UsageError
from migrate.load.context import Progress, no_progress

ROUNDS = 6  # steps until nothing more may come; then somebody is still at work in the new system
SHEETS = "back"  # folder beside the plan


@dataclass(frozen=True)
class Returned:
    """What going back came to.

    `counts`: changes by what became of them (`brought back`, `created`, `deleted`, `linked`). `left`: those
    that are to be entered by hand, each with both values. `edited`: what was written in the old system
    meanwhile, and stays. `sheets`: one workbook for each owner. `still`: whether the new system stood still.
    """

    cohort: str
    state: State
    counts: dict[str, int]
    left: tuple[Line, ...]
    edited: tuple[Line, ...]
    sheets: tuple[str, ...]
    still: bool

    @property
    def clean(self) -> bool:
        """Nothing is left for anybody to do."""
        return self.still and not self.left and not self.edited


def must_be_back(cutover: Cutover) -> State:
    """The state, if there is a way back from it.

    Raises:
        UsageError: it isn't switched, or sealed.
    """
    state = cutover.state
    if state == "sealed":
        raise UsageError(
            f"`{cutover.cohort}` is sealed: there is no way back.", "Mend forward with `migrate repair`."
        )
    if state in PATH and PATH.index(state) < PATH.index("switched"):
        remedy = "`migrate cutover switch --undo`" if state == "switching" else "`migrate rollback run`"
        raise UsageError(
            f"`{cutover.cohort}` is {state}: nobody works in the new system yet; nothing has to come back.",
            f"What was loaded goes with {remedy}.",
        )
    return cutover.need("switched", "reversing")


def back(
    cutover: Cutover, *, who: str, sheets: str = SHEETS, late: Late | None = None,
    told: Callable[[str], None] = lambda _: None, progress: Progress = no_progress,
) -> Returned:  # fmt: skip
    """Go back, or go on with it after a kill.

    Args:
        late: what somebody has confirmed to be lost, where the window is over (`window.late`).

    Raises:
        UsageError: it isn't switched, or sealed, or its window is over and that isn't confirmed.
        StepFailed: a hook couldn't be undone; run it again.
        Parked, SystemRefused, InDoubt, LeaseHeld, Drifted: a system; what was done is kept, run again.
    """
    state = must_be_back(cutover)
    workspace = cutover.workspace
    if state == "switched":
        must_be_in_time(cutover, late)
        more: dict[str, Any] = {}
        if late is not None:
            more = {"after_window": late.ended, "lost": list(late.losses)}
        cutover.move("reversing", who=who, **more)
    take_back(cutover, who=who, told=told)
    freeze_acts.undo(cutover, who=who)
    with opened(workspace) as side, alone(side):
        side.ready()
        reverse_steps.deliver(side, progress)  # what a killed process, or a live round, left
        still = False
        for number in range(ROUNDS):
            told(f"Looking at everything in `{workspace.system('target').system}` (step {number + 1})")
            if reverse_steps.plan(side, cohort=cutover.cohort, whole=True, who=who) is None:
                still = True
                break
            told(f"Bringing it back to `{workspace.system('source').system}`")
            reverse_steps.deliver(side, progress)
        told("Reading the old system again")
        side.look_old(whole=True)
        with closing(side.workspace.target()) as old:
            lines = returned.judged(side, old, cutover.cohort)
        if still:
            remember(side)
            homes.forget_born(workspace)
        files = write_sheets(side, lines, workspace.root / sheets / cutover.cohort)
    return _end(cutover, who, lines, files, still=still)


def _end(
    cutover: Cutover, who: str, lines: Sequence[Line], files: Sequence[Path], *, still: bool
) -> Returned:
    counts = Counter(each.what for each in lines)
    left = tuple(each for each in lines if each.left)
    edited = tuple(each for each in lines if each.what == returned.EDITED)
    content = json.dumps([asdict(each) for each in lines], sort_keys=True, default=str).encode()
    digest = hashlib.sha256(content).hexdigest()
    facts = {"left": len(left), "edited": len(edited), **{k.replace(" ", "_"): v for k, v in counts.items()}}
    if still:
        cutover.move("reverted", who=who, evidence=digest, changes=facts)
    else:
        trail.append(
            cutover.workspace.ledger,
            who,
            "way back not still",
            cohort=cutover.cohort,
            evidence=digest,
            **facts,
        )
    done = {what: counts[what] for what in returned.DONE if counts[what]}
    return Returned(
        cutover.cohort, cutover.state, done, left, edited, tuple(str(each) for each in files), still
    )
