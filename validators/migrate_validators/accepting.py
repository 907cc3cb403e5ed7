"""Which differences may stand? Those that the plan tolerates, and those that a person waived, for a while.

A tolerance bounds how many differences there may be, or how far a number may be off; a waiver names one
difference. Neither hides anything: what may stand makes its check amber instead of red, is counted, and is
listed with its name and reason. Opt-outs are beyond both. So is whatever a check doesn't list row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from migrate.engine import text
from migrate.ledger.validations import expired
from migrate.plan.validation import parse_bound
from migrate_validators.classes import FAIL
from migrate_validators.model import Decision, Result, Verdict, many

if TYPE_CHECKING:
    from migrate.ledger.validations import Waiver
    from migrate.plan import Plan
    from migrate.plan.validation import TolerancePlan
    from migrate_validators.evidence import Evidence

CONSENT = "consent"
HOME = "the record is at home in the target, where people work on it"


@dataclass(frozen=True)
class Allowed:
    """What a tolerance or a waiver covers of one check. `rows`: how many differences."""

    kind: str  # tolerance | waiver | home
    rows: int
    who: str
    reason: str
    until: str = ""
    words: str = ""

    def __str__(self) -> str:
        until = f" until {self.until}" if self.until else ""
        return f"{many(self.rows, 'difference')}: {self.words}{self.who}: {self.reason}{until}"


def near(plan: Plan, check: str, object: str, field: str) -> Sequence[TolerancePlan]:
    """The plan's tolerances of a number's distance that hold for a field of an entry."""
    return [
        each
        for each in plan.model.validate_.tolerances
        if each.check == check
        and each.within is not None
        and each.object in (None, object)
        and each.field in (None, field)
    ]


def is_near(tolerances: Iterable[TolerancePlan], expected: Decimal, found: Decimal) -> bool:
    """Whether a number is as near to the expected one as one of these asks."""
    return any(
        abs(found - expected) <= (bound * abs(expected) if relative else bound)
        for bound, relative in (parse_bound(each.within or 0) for each in tolerances)
    )


def accept(
    evidence: Evidence, results: Sequence[Result], waivers: Sequence[Waiver], now: str
) -> tuple[list[Result], dict[str, Waiver]]:
    """Results with what may stand taken off their red; and the waivers that were used, by difference.

    Args:
        now: an expired waiver covers nothing.
    """
    standing = {each.difference: each for each in waivers if not expired(each, now)}
    used: dict[str, Waiver] = {}
    return [_accepted(evidence, result, standing, used) for result in results], used


def _accepted(
    evidence: Evidence, result: Result, standing: dict[str, Waiver], used: dict[str, Waiver]
) -> Result:
    tolerances = [
        each
        for each in evidence.plan.model.validate_.tolerances
        if each.check == result.check and each.object in (None, result.object)
    ]
    if tolerances:
        result = replace(result, tolerance="; ".join(map(_said, tolerances)))
    if result.check == CONSENT or not result.rows or result.verdict is not Verdict.FAIL or not result.listed:
        return result
    rows = evidence.kept_rows(result)
    waived = _waived(evidence, rows, standing)
    used.update({each.difference: each for each, _ in waived})
    names = ", ".join(text(each.difference) for each, _ in waived) or "''"
    left = f"(SELECT * FROM {rows} WHERE grade = '{FAIL}' AND difference NOT IN ({names}))"
    allowed = [Allowed("waiver", n, each.who, each.reason, each.until) for each, n in waived]
    covered: list[str] = []
    if evidence.at_home:
        match = _at_home(evidence)
        if n := int(evidence.one(f"SELECT count(*) AS n FROM {left} WHERE {match}")):
            allowed.append(Allowed("home", n, "the switch of its cohort", HOME))
            covered.append(match)
    for each in tolerances:
        match = _condition(each)
        n = int(evidence.one(f"SELECT count(*) AS n FROM {left} WHERE {match}"))
        if n and n <= _most(each, result):
            allowed.append(Allowed("tolerance", n, each.owner, each.reason, words=f"{_said(each)}; "))
            covered.append(match)
    rest = f" WHERE NOT ({' OR '.join(f'({one})' for one in covered)})" if covered else ""
    remaining = int(evidence.one(f"SELECT count(*) AS n FROM {left}{rest}"))
    if not allowed:
        return result
    told = tuple(str(one) for one in allowed)
    if remaining:
        return replace(result, allowed=told)
    stands = sum(one.rows for one in allowed)
    return replace(
        result,
        verdict=Verdict.WARN,
        summary=f"{result.summary} {many(stands, 'difference')} may stand: tolerated or waived.",
        allowed=told,
        decisions=tuple(
            replace(one, verdict=Verdict.WARN, what=f"{one.what} (tolerated or waived)")
            if one.verdict is Verdict.FAIL
            else one
            for one in result.decisions
        ),
    )


def _waived(evidence: Evidence, rows: str, standing: dict[str, Waiver]) -> list[tuple[Waiver, int]]:
    if not standing:
        return []
    listed = ", ".join(map(text, standing))
    found = evidence.rows(
        f"""SELECT difference, count(*) AS n FROM {rows} WHERE grade = '{FAIL}' AND difference IN ({listed})
        GROUP BY difference ORDER BY difference"""
    )
    return [(standing[str(row["difference"])], int(row["n"])) for row in found]


def _at_home(evidence: Evidence) -> str:
    """SQL: a difference is about a record, or an end of a link, that is at home in the target."""
    ends = (f"coalesce(split_part(key, '>', {end}) IN ({evidence.at_home}), false)" for end in (1, 2))
    return f"({' OR '.join(ends)})"


def _condition(each: TolerancePlan) -> str:
    """SQL: a row of differences is one of those that this tolerance is about."""
    parts = [f"field = {text(each.field)}"] if each.field is not None else []
    if each.within is not None:
        bound, relative = parse_bound(each.within)
        old, new = (f"TRY_CAST({name} AS DECIMAL(38, 9))" for name in ("expected", "found"))
        most = f"abs({old}) * {bound:f}" if relative else f"{bound:f}"
        parts.append(f"coalesce(abs({new} - {old}) <= {most}, false)")
    return " AND ".join(parts) or "true"


def _most(each: TolerancePlan, result: Result) -> Decimal:
    if each.at_most is None:
        return Decimal("Infinity")
    bound, relative = parse_bound(each.at_most)
    return bound * result.compared if relative else bound


def _said(each: TolerancePlan) -> str:
    what = [f"`{each.field}`"] if each.field else []
    what += [f"within {each.within}"] if each.within is not None else []
    what += [f"at most {each.at_most}"] if each.at_most is not None else []
    return f"{' '.join(what)} ({each.owner}: {each.reason})"


def expiring(waivers: Sequence[Waiver], now: str) -> list[Decision]:
    """Waivers that have run out, each for somebody to renew or to mend."""
    return [
        Decision(
            Verdict.WARN, f"The waiver of {each.difference} by {each.who} ran out on {each.until}",
            owner=each.who, where="Mend the difference, or waive it again",
            command=f"migrate diff {each.difference}",
        )
        for each in waivers
        if expired(each, now)
    ]  # fmt: skip


def document(waivers: Sequence[Waiver], used: dict[str, Waiver], now: str) -> list[dict[str, Any]]:
    """Every waiver as the report tells it, those without a difference too."""
    return [
        {"difference": each.difference, "who": each.who, "reason": each.reason, "until": each.until,
         "at": each.at, "expired": expired(each, now), "used": each.difference in used}
        for each in waivers
    ]  # fmt: skip
