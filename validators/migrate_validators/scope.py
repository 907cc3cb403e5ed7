"""How much was moved, and what not, and why? Counts that add up, over all entries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from migrate_validators.model import Section, Table, Verdict, many
from migrate_validators.screen import TITLES

if TYPE_CHECKING:
    from migrate_validators.screen import Seen

REASONS = 8  # that the table names


def section(seen: Seen) -> Section:
    """Moved, merged, kept in the archive, dropped on purpose, refused; and how many have no explanation."""
    flows = seen.facts["flows"]
    total = Counter[str]()
    for flow in flows:
        for name in ("extracted", "loaded", "merged", "skipped", "rejected", "unexplained"):
            total[name] += int(flow[name])
    kept = {
        name: sum(manifest.rows for manifest in seen.evidence.store.manifests("source", name))
        for name in seen.evidence.plan.model.archive
    }
    reasons = Counter[tuple[str, str, str]]()
    for flow in flows:
        for one in flow["reasons"]:
            if one["end"] != "merged":
                reasons[flow["source"], str(one["end"]).replace("_", " "), str(one["reason"])] += one[
                    "records"
                ]
    archived = sum(kept.values())
    if total["unexplained"]:
        verdict = Verdict.FAIL
    elif not total["extracted"]:
        verdict = Verdict.EMPTY
    else:
        verdict = Verdict.WARN if total["rejected"] else Verdict.PASS
    summary = (
        f"{many(total['unexplained'], 'record')} without an explanation."
        if total["unexplained"]
        else f"{total['loaded']:,} moved; every one of {many(total['extracted'], 'record')} has its end."
    )
    columns = ("object", "end", "why", "records")
    return Section(
        "scope", TITLES["scope"], verdict, summary,
        figures={
            "extracted": total["extracted"], "moved": total["loaded"], "merged into another": total["merged"],
            "kept in the archive": archived, "dropped on purpose": total["skipped"],
            "refused": total["rejected"], "unexplained": total["unexplained"],
        },
        tables=(
            Table("Why records did not move", columns,
                  tuple((*key, n) for key, n in reasons.most_common(REASONS)), ("records",),
                  f"The first {REASONS} of {len(reasons):,} reasons." if len(reasons) > REASONS else ""),
        ) if reasons else (),
        facts={"archived": kept},
    )  # fmt: skip
