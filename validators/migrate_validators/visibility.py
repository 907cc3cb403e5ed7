"""Is everybody who said no still opted out, and could we see all that we compared? The section of both.

From the results of `consent`, `permissions` and `second_route`; a check that didn't run is told, for what
nobody looked at isn't clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate_validators import consent, permissions, second_route
from migrate_validators.model import Section, Table, Verdict, many, worst
from migrate_validators.screen import TITLES

if TYPE_CHECKING:
    from migrate_validators.model import Result
    from migrate_validators.screen import Seen

_ASKED = (consent.ID, permissions.ID, second_route.ID)
_LINES = 12  # of the table


def section(seen: Seen) -> Section | None:
    """Opt-outs that must be there and are; fields and records that our user couldn't see."""
    found = {id: [one for one in seen.results if one.check == id] for id in _ASKED}
    if not any(found.values()):
        return None
    expected = _sum(found[consent.ID], "opt-outs that must be there")
    missing = _sum(found[consent.ID], "missing")
    hidden = _sum(found[permissions.ID], "not readable")
    unread = _sum(found[second_route.ID], "counted by a system and not read by us")
    said = []
    if found[consent.ID]:
        said.append(
            f"{missing:,} of {many(expected, 'opt-out')} missing: these people can be written to"
            if missing
            else f"all {many(expected, 'opt-out')} are there"
            if expected
            else "nobody said no"
        )
    elif _keeps_consent(seen):
        said.append("opt-outs were not looked at")
    else:
        said.append("the plan moves no opt-outs")
    said.append(_seen_words(found[permissions.ID], hidden, "field", "hidden from our user", "may be read"))
    said.append(
        _seen_words(found[second_route.ID], unread, "record", "counted and not read", "are counted alike")
    )
    verdicts = [one.verdict for results in found.values() for one in results]
    absent = [id for id in _ASKED if not found[id] and (id != consent.ID or _keeps_consent(seen))]
    if absent:
        verdicts.append(Verdict.WARN)
    return Section(
        "consent", TITLES["consent"], worst(verdicts), f"{'; '.join(said)}.".capitalize(),
        figures={
            "opt-outs expected": expected, "opt-outs there": expected - missing, "opt-outs missing": missing,
            "fields not readable": hidden, "records hidden": unread,
        },
        tables=_table([one for results in found.values() for one in results]),
        facts={"not looked at": absent},
    )  # fmt: skip


def _keeps_consent(seen: Seen) -> bool:
    return bool(seen.evidence.plan.model.consent)


def _sum(results: list[Result], figure: str) -> int:
    return sum(int(one.figures.get(figure, 0)) for one in results)


def _seen_words(results: list[Result], wrong: int, noun: str, bad: str, good: str) -> str:
    if not results:
        return f"{noun}s were not looked at"
    if wrong:
        return f"{many(wrong, noun)} {bad}"
    if any(one.verdict not in (Verdict.PASS, Verdict.WARN) for one in results):
        return f"{noun}s could not all be looked at"
    unsure = any(one.verdict is Verdict.WARN for one in results)
    return f"{noun}s {good}{', as far as it can be told' if unsure else ''}"


def _table(results: list[Result]) -> tuple[Table, ...]:
    rows = [(one.title, one.verdict.value, one.summary) for one in results if one.verdict is not Verdict.PASS]
    if not rows:
        return ()
    more = f"The first {_LINES} of {len(rows):,}." if len(rows) > _LINES else ""
    return (Table("What isn't clear", ("what", "verdict", "why"), tuple(rows[:_LINES]), (), more),)
