"""What can't be compared yet, because the records of other cohorts aren't there before these start?

While cohorts of the plan wait for their start, the target holds a part of the company. A check that finds
nothing to compare then is amber where records of its object wait: once the last cohort has started nothing
waits, and comparing nothing is red again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from migrate.engine import text
from migrate.stages.crosswalk import OTHERS
from migrate_validators.model import Result, Verdict, many

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence

FIGURE = "records of cohorts that haven't started"
OF_SEVERAL = ("money", "timeline")  # compare records, of no one entry


def unstarted(evidence: Evidence, entry: str = "") -> int:
    """How many records belong to cohorts that haven't started: of one entry, or of all."""
    of = f"AND entry = {text(entry)}" if entry else ""
    return int(
        evidence.one(
            f"""SELECT count(*) AS n FROM {evidence.ends}
            WHERE outcome = 'blocked' AND contains(reason, {text(OTHERS)}) {of}"""
        )
    )


def compared_later(evidence: Evidence, result: Result) -> Result:
    """A result that compared nothing, amber where records that it would compare wait for their cohort."""
    if evidence.part is not None or not (result.object or result.check in OF_SEVERAL):
        return result
    waiting = unstarted(evidence, result.object)
    if not waiting:
        return result
    told = (
        f"Nothing to compare yet: {many(waiting, 'record')} of other cohorts aren't there before these start."
    )
    return replace(
        result, verdict=Verdict.WARN, summary=told, decisions=(), figures={**result.figures, FIGURE: waiting}
    )
