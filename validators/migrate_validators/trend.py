"""How did each check go from validation to validation, and since when is it red?

From the ledger, where every whole validation of this attempt stands with the verdict of each of its results.
Parts are left out: a line of a part says nothing of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migrate.ledger.validations import whole_validations
from migrate_validators.model import Result, Verdict

if TYPE_CHECKING:
    from migrate.ledger import Ledger

ROUNDS = 200  # validations that a report looks back on
_OPEN = (Verdict.PASS.value, Verdict.WARN.value)


def noted(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """What the ledger keeps of results: by id the verdict and the number of differences."""
    return {each.id: {"verdict": each.verdict.value, "differences": each.row_count} for each in results}


def trend(
    ledger: Ledger,
    attempt: int,
    *,
    number: int,
    started: str,
    results: Sequence[Result],
    verdict: Verdict | None,
) -> dict[str, Any]:
    """The trend as report.json holds it, this validation included.

    Args:
        verdict: of this validation as a whole; None: it looked at a part, and stands in no trend.

    Returns:
        `rounds`: number, start, verdict and number of differences of each validation, oldest first, `ROUNDS`
        at most. `results`: by id `verdicts` (one a round, null where the round had no such result),
        `differences` (likewise), `red_since` (the start of the first round since which it isn't green or
        amber; null where it is) and `red_before` (it was red in the oldest round that is looked at).
    """
    former = whole_validations(ledger, attempt, ROUNDS - (verdict is not None))
    rounds = [(each.number, each.started, each.verdict or Verdict.ERROR.value, each.facts) for each in former]
    if verdict is not None:
        rounds.append((number, started, verdict.value, noted(results)))
    ids = dict.fromkeys(id for *_, facts in reversed(rounds) for id in facts)
    starts = [each[1] for each in rounds]
    return {
        "rounds": [
            {"number": n, "started": at, "verdict": verdict, "differences": _differences(facts)}
            for n, at, verdict, facts in rounds
        ],
        "results": {id: _of(id, starts, [facts for *_, facts in rounds]) for id in sorted(ids)},
    }


def _differences(facts: Mapping[str, Any]) -> int:
    return sum(int(each.get("differences") or 0) for each in facts.values())


def _of(id: str, starts: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    verdicts = [(each.get(id) or {}).get("verdict") for each in facts]
    red_since: str | None = None
    first = 0
    for index, (at, verdict) in enumerate(zip(starts, verdicts, strict=True)):
        # A round without this line neither mends nor breaks it.
        if verdict in _OPEN:
            red_since = None
        elif verdict is not None and red_since is None:
            red_since, first = at, index
    return {
        "verdicts": verdicts,
        "differences": [(each.get(id) or {}).get("differences") for each in facts],
        "red_since": red_since,
        "red_before": red_since is not None and first == 0 and len(starts) >= ROUNDS,
    }


LATEST = 20  # rounds of a line of the page


def lines(trend: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each result that wasn't green all the time, red ones first, the longest red on top.

    Returns:
        `id`, `verdicts` of the latest rounds, oldest first, `since` (null: not red now) and `before`.
    """
    found = [
        {"id": id, "verdicts": each["verdicts"][-LATEST:], "since": each["red_since"],
         "before": each["red_before"]}
        for id, each in trend.get("results", {}).items()
        if any(verdict not in (None, Verdict.PASS.value) for verdict in each["verdicts"])
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each["since"] is None, each["since"] or "", each["id"]))


def told(trend: Mapping[str, Any], id: str) -> str:
    """Since when a result is red, in words; empty where it isn't, or turned red just now."""
    from migrate_validators.wording import moment

    since = trend.get("results", {}).get(id, {}).get("red_since")
    if since is None or not trend["rounds"] or since == trend["rounds"][-1]["started"]:
        return ""
    before = "at least " if trend["results"][id]["red_before"] else ""
    return f"red since {before}{moment(since)}"
