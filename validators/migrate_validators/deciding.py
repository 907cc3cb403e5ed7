"""What is asked, of whom, by when; which lines are red or amber; and which differences may stand?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from migrate_validators.model import Section, Table, Verdict, many, worst
from migrate_validators.screen import TITLES

if TYPE_CHECKING:
    from migrate_validators.screen import Seen

LINES = 40  # that the first screen shows


def section(seen: Seen) -> Section:
    """The decision asked: red where its time has passed."""
    asked = seen.evidence.plan.model.validate_.decision
    facts = {"asked_of": list(asked.asked_of), "by": asked.by}
    found = worst(result.verdict for result in seen.results)
    who = " and ".join(asked.asked_of) or "nobody that the plan names"
    if asked.by and datetime.fromisoformat(asked.by) <= seen.evidence.clock.now():
        return Section(
            "verdict", TITLES["verdict"], Verdict.FAIL,
            f"The decision was asked of {who} by {asked.by}, which has passed: set another time in the plan.",
            facts=facts,
        )  # fmt: skip
    if not asked.asked_of:
        return Section(
            "verdict", TITLES["verdict"], None,
            "The plan names nobody who decides (`validate: decision:`).", facts=facts,
        )  # fmt: skip
    return Section("verdict", TITLES["verdict"], found, f"Decision asked of {who}.", facts=facts)


def lines(seen: Seen) -> Section:
    """Red and amber lines, each with who decides and what mends it."""
    found = seen.facts["decisions"]
    red = [one for one in found if one["verdict"] in (Verdict.FAIL, Verdict.ERROR, Verdict.EMPTY)]
    amber = [one for one in found if one["verdict"] == Verdict.WARN]
    # A check that asks nothing of anybody is told all the same: somebody must look at it.
    silent = [
        (one.verdict.value, f"{one.title}: {one.summary}", "Migration engineer", "", f"migrate diff {one.id}")
        for one in seen.results
        if one.verdict is not Verdict.PASS and not one.decisions
    ]
    told = [
        (one["verdict"], one["what"], one["owner"], one["where"], one["command"]) for one in [*red, *amber]
    ]
    rows = sorted([*told, *silent], key=lambda row: row[0] == Verdict.WARN)
    columns = ("state", "what", "who decides", "how", "command")
    state = worst([Verdict(row[0]) for row in rows]) if rows else Verdict.PASS
    ambers = sum(row[0] == Verdict.WARN for row in rows)
    reds = len(rows) - ambers
    return Section(
        "lines", TITLES["lines"], state,
        f"{many(reds, 'red line')}, {ambers:,} to accept." if rows else "Nothing.",
        figures={"red": reds, "amber": ambers},
        tables=(Table("Red and amber lines", columns, tuple(rows[:LINES]), (),
                      f"The first {LINES} of {len(rows):,}." if len(rows) > LINES else ""),) if rows else (),
    )  # fmt: skip


def waivers(seen: Seen) -> Section:
    """Differences that somebody lets stand; red where such a word has run out and the difference is there."""
    found = seen.facts["waivers"]
    over = [one for one in found if one["expired"]]
    used = [one for one in found if one["used"]]
    unused = len(found) - len(over) - len(used)
    columns = ("difference", "who", "why", "until", "state")
    rows = [
        (one["difference"], one["who"], one["reason"], one["until"],
         "run out" if one["expired"] else "in use" if one["used"] else "not needed now")
        for one in sorted(found, key=lambda one: (not one["expired"], not one["used"], one["until"]))
    ]  # fmt: skip
    verdict = Verdict.FAIL if over else Verdict.WARN if used else Verdict.PASS
    said = [f"{len(used):,} in use"] if used else []
    said += [f"{len(over):,} run out"] if over else []
    said += [f"{unused:,} not needed now"] if unused else []
    return Section(
        "waivers", TITLES["waivers"], verdict, f"{', '.join(said).capitalize()}." if said else "None.",
        figures={"in use": len(used), "run out": len(over)},
        tables=(Table("Waivers", columns, tuple(rows[:LINES])),) if rows else (),
    )  # fmt: skip
