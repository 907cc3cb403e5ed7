"""Is every link accounted for? Found is staged, skipped, folded or rejected; what is staged has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migrate.stages.crosswalk import latest
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.link_ends import link_ends, staged_links
from migrate_validators.model import Decision, Result, Verdict, many

if TYPE_CHECKING:
    from migrate.plan.models import LinkPlan, ObjectPlan

ID = "counts"
# Not `&&`: `transform` ends with 1 while a reject remains, and the load is wanted all the same.
AGAIN = "migrate transform; migrate load"


def link_counts(evidence: Evidence, each: ObjectPlan, index: int, link: LinkPlan) -> Result:
    """One result of `counts`, of one entry of the plan's links."""
    name = f"{each.name}.{index}"
    newest = latest(evidence.store, "links", name)
    facts = newest[0].facts if newest else {}
    staged = int(evidence.one(f"SELECT count(*) AS n FROM {staged_links(evidence, name)}"))
    ends = evidence.rows(
        f"""SELECT count(*) FILTER (made) AS made,
        count(*) FILTER (NOT made AND refused IS NOT NULL) AS refused,
        count(*) FILTER (NOT made AND refused IS NULL AND blocked) AS blocked,
        count(*) FILTER (NOT made AND refused IS NULL AND NOT blocked) AS unaccounted
        FROM {link_ends(evidence, name)}"""
    )[0]
    figures: dict[str, Any] = {
        key: int(facts.get(key, 0)) for key in ("found", "skipped", "folded", "rejected")
    }
    figures = {
        "found": figures.pop("found"),
        "staged": staged,
        **figures,
        **{k: int(v) for k, v in ends.items()},
    }
    wrong = []
    sums = figures["staged"] + figures["skipped"] + figures["folded"] + figures["rejected"]
    if facts and figures["found"] != sums:
        wrong.append(f"{figures['found']:,} links were found at the source, {sums:,} have an end")
    if figures["unaccounted"]:
        wrong.append(f"{figures['unaccounted']:,} links have no end")
    stuck = figures["rejected"] + figures["refused"] + figures["blocked"]
    kept = evidence.keep(
        f"{ID}.{name}",
        f"""SELECT "left" AS key, left_id AS id, "right" || ' ' || label AS field,
        CASE WHEN blocked OR refused IS NOT NULL THEN '{Class.NOT_MOVED}'
            ELSE '{Class.UNEXPLAINED}' END AS class,
        CASE WHEN blocked OR refused IS NOT NULL THEN '{WARN}' ELSE '{FAIL}' END AS grade,
        "left", "right", label, CASE WHEN refused IS NOT NULL THEN 'dead letter: ' || refused
            WHEN blocked THEN 'blocked: ' || cause ELSE 'no end' END AS "end"
        FROM {link_ends(evidence, name)} WHERE NOT made ORDER BY ALL""",
    )
    if not figures["found"] and not staged:
        verdict, summary = Verdict.EMPTY, "No link was found at the source."
    elif wrong:
        verdict, summary = Verdict.FAIL, f"{'; '.join(wrong)}."
    elif stuck:
        verdict, summary = (
            Verdict.WARN,
            f"Every link has its end; {stuck:,} of {figures['found']:,} were not made.",
        )
    else:
        verdict, summary = Verdict.PASS, f"{many(figures['found'], 'link')} found, each with its end."
    causes = evidence.rows(
        f"""SELECT coalesce(refused, cause) AS why, refused IS NOT NULL AS letter, count(*) AS n
        FROM {link_ends(evidence, name)} WHERE NOT made AND (blocked OR refused IS NOT NULL)
        GROUP BY ALL ORDER BY n DESC, why LIMIT 1"""
    )
    decisions = []
    if stuck:
        cause = f", mostly: {causes[0]['why']}" if causes and causes[0]["why"] else ""
        command = "migrate dead-letters list" if figures["refused"] else AGAIN
        decisions.append(
            Decision(
                Verdict.WARN,
                f"{stuck:,} links {each.name} to {link.to} not made{cause}",
                owner="Migration engineer",
                command=command,
            )
        )
    return kept.on(
        Result(
            id=f"{ID}.{name}",
            check=ID,
            object=each.name,
            title=f"Every link accounted for: {each.target} to {link.to} ({link.via or link.through})",
            verdict=verdict,
            summary=summary,
            compared=max(figures["found"], staged),
            figures=figures,
            decisions=tuple(decisions),
        )
    )
