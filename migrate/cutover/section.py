"""What does the report say of signatures? Who is asked and how, who has signed, and who overrode what.

The provider of the section `signatures` on the validation report's first screen. A report is written before
anybody signs it: what stands here was given on former evidence, and overrides are named for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from migrate.cutover import excusing, signing, trail

if TYPE_CHECKING:
    from migrate.ledger import Ledger
    from migrate.plan import Plan

SHOWN = 20  # of each table, the newest


class _Evidence(Protocol):
    plan: Plan


class Seen(Protocol):
    """What the report hands over, as far as it is used."""

    evidence: _Evidence
    ledger: Ledger


def section(seen: Seen) -> dict[str, Any] | None:
    """Amber: it asks people for their word. None where the plan asks nobody."""
    asked = seen.evidence.plan.model.cutover.sign
    if not asked:
        return None
    signed = trail.events(seen.ledger, signing.SIGNED)
    overrides = trail.events(seen.ledger, excusing.OVERRIDDEN)
    tables = [
        {
            "title": "Who signs", "columns": ["who", "role", "how"],
            "rows": [[each.name, each.role, each.by] for each in asked],
        }
    ]  # fmt: skip
    if signed:
        tables.append(
            {
                "title": "Signed before, on other evidence",
                "columns": ["at", "who", "how", "cohort", "code"],
                "rows": [
                    [each.at, each.who, each.facts["kind"], each.cohort, each.facts["code"]]
                    for each in signed[:-SHOWN - 1:-1]
                ],
            }
        )  # fmt: skip
    if overrides:
        tables.append(
            {
                "title": "Red lines that were overridden", "columns": ["at", "who", "cohort", "lines", "why"],
                "rows": [
                    [each.at, each.who, each.cohort, ", ".join(each.facts["lines"]), each.facts["reason"]]
                    for each in overrides[:-SHOWN - 1:-1]
                ],
            }
        )  # fmt: skip
    return {
        "verdict": "warn",
        "summary": "Who signs types the code of this report, or signs with a key: `migrate approve`.",
        "figures": {"people who sign": len(asked), "overrides so far": len(overrides)},
        "facts": {"asked_of": [each.name for each in asked]},
        "tables": tables,
    }
