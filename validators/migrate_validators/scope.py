"""How much was moved, and what not, and why? Each record of the source counts once, and the counts add up.

A record of which several entries make something (a message and the files in it) counts by its gravest end:
one that was refused anywhere is refused, one that any entry took is moved, one that all leave out is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate.engine import text
from migrate.stages.crosswalk import LOADED, REFUSALS
from migrate_validators.model import Section, Table, Verdict, many
from migrate_validators.screen import TITLES
from migrate_validators.wording import why

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence
    from migrate_validators.screen import Seen

REASONS = 8  # that the table names
UNEXPLAINED, REFUSED, MOVED, MERGED, DROPPED = range(5)  # the gravest first


def section(seen: Seen) -> Section:
    """Moved, merged, kept in the archive, dropped on purpose, refused; and how many have no explanation."""
    evidence = seen.evidence
    each = _each(evidence)
    rows = evidence.rows(f"SELECT weight, count(*) AS n FROM {each} GROUP BY weight")
    total = {int(row["weight"]): int(row["n"]) for row in rows}
    extracted, moved, lost = sum(total.values()), total.get(MOVED, 0), total.get(UNEXPLAINED, 0)
    archived = sum(
        manifest.rows
        for name in evidence.plan.model.archive
        for manifest in evidence.store.manifests("source", name)
    )
    if lost:
        verdict, summary = Verdict.FAIL, f"{many(lost, 'record')} without an explanation."
    elif not extracted:
        verdict, summary = Verdict.EMPTY, "Nothing was extracted."
    else:
        verdict = Verdict.WARN if total.get(REFUSED) else Verdict.PASS
        summary = f"{moved:,} moved; every one of {many(extracted, 'record')} has its end."
    return Section(
        "scope", TITLES["scope"], verdict, summary,
        figures={
            "extracted": extracted, "moved": moved, "merged into another": total.get(MERGED, 0),
            "kept in the archive": archived, "dropped on purpose": total.get(DROPPED, 0),
            "refused": total.get(REFUSED, 0), "unexplained": lost,
        },
        tables=_reasons(evidence, each),
    )  # fmt: skip


def _each(evidence: Evidence) -> str:
    """Table of the source's records (source_object, source_id, entry, outcome, reason, weight), each once."""
    loaded, refused = (", ".join(map(text, names)) for names in (LOADED, REFUSALS))
    weight = f"""CASE WHEN outcome IN ({loaded}) THEN {MOVED} WHEN outcome IN ({refused}) THEN {REFUSED}
        WHEN outcome = 'merged' THEN {MERGED} WHEN outcome = 'skipped' THEN {DROPPED}
        ELSE {UNEXPLAINED} END"""
    return evidence.table(
        "scope",
        f"""SELECT source_object, source_id, min(weight) AS weight, arg_min(entry, weight) AS entry,
        arg_min(outcome, weight) AS outcome, arg_min(reason, weight) AS reason
        FROM (SELECT *, {weight} AS weight FROM {evidence.ends}) WHERE outcome <> 'unknown'
        GROUP BY source_object, source_id""",
    )


def _reasons(evidence: Evidence, each: str) -> tuple[Table, ...]:
    rows = evidence.rows(
        f"""SELECT source_object, entry, outcome, reason, count(*) AS n, max(weight) AS weight FROM {each}
        WHERE weight IN ({UNEXPLAINED}, {REFUSED}, {DROPPED}) GROUP BY ALL
        ORDER BY weight, n DESC, source_object, outcome, reason"""
    )
    if not rows:
        return ()
    entries = {one.name: one for one in evidence.plan.model.objects}
    listed = tuple(
        (
            str(row["source_object"]),
            str(row["outcome"]).replace("_", " "),
            why(evidence, entries[row["entry"]], str(row["reason"] or "")),
            int(row["n"]),
        )
        for row in rows[:REASONS]
    )
    note = f"The first {REASONS} of {len(rows):,} reasons." if len(rows) > REASONS else ""
    columns = ("object", "end", "why", "records")
    return (Table("Why records did not move", columns, listed, ("records",), note),)
