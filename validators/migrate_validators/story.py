"""What does a manager want to know? Where every record went, the money, what to decide, the way back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

import migrate
from migrate.engine import text
from migrate.journal import LINKS
from migrate.ledger.tables import checkpoints
from migrate.plan.keys import split_entry
from migrate.stages.changes import words
from migrate.stages.crosswalk import LOADED, REFUSALS
from migrate_validators.evidence import Evidence
from migrate_validators.model import SEVERITY, Decision, Result, Section, Verdict, many
from migrate_validators.wording import moment, why

if TYPE_CHECKING:
    from migrate.ledger import Ledger
    from migrate.ledger.canaries import Canary
    from migrate.ledger.switches import Switch
    from migrate.plan.models import ObjectPlan
    from migrate.store import Manifest


@dataclass(frozen=True)
class Point:
    """The checkpoint to which a rollback of this attempt returns. `baseline`: snapshot's folder by object."""

    name: str
    at: str
    window_end: str | None
    baseline: dict[str, str]


def point(ledger: Ledger, attempt: int) -> Point | None:
    """The first checkpoint of an attempt, or None before its first load."""
    rows = ledger.read(
        sa.select(checkpoints)
        .where(checkpoints.c.attempt == attempt, checkpoints.c.kind == "load")
        .order_by(checkpoints.c.at)
        .limit(1)
    )
    return Point(rows[0].name, rows[0].at, rows[0].window_end, json.loads(rows[0].baseline)) if rows else None


RESIDUE = (
    "Modification stamps and change history of records that we wrote to",
    "Ids: a record that is made again later gets a new one",
    "Counters and calculated fields that the target keeps by itself",
)


def story(
    evidence: Evidence,
    results: Sequence[Result],
    checkpoint: Point | None,
    canaries: Sequence[Canary] = (),
    switches: Sequence[Switch] = (),
) -> dict[str, Any]:
    """Everything of the report that isn't a check, as JSON takes it."""
    source, target = evidence.plan.model.source, evidence.plan.model.target
    return {
        "plan": {"digest": evidence.plan.digest, "file": evidence.plan.path.name},
        "attempt": evidence.attempt,
        "version": getattr(migrate, "__version__", ""),
        "source": {"system": source.system, "type": source.type, "tenant": evidence.source.tenant,
                   "name": evidence.source.tenant_name, "production": evidence.source.production},
        "target": {"system": target.system, "type": target.type, "tenant": evidence.target.tenant,
                   "name": evidence.target.tenant_name, "production": evidence.target.production},
        "read": {object: read_words(evidence, object, manifest)
                 for object, manifest in evidence.read_anew().items()},
        "flows": [flow(evidence, each) for each in evidence.objects],
        "names": {result.id: found for result in results if (found := names(evidence, result))},
        "decisions": [told_decision(one) for one in decisions(results)],
        "automations": automations(evidence, canaries, switches),
        "way_back": way_back(evidence, checkpoint),
    }  # fmt: skip


def read_words(evidence: Evidence, object: str, manifest: Manifest) -> dict[str, Any]:
    """When an object, and its links, were read: the facts, and `words` for people."""
    links = evidence.links_read(object)
    said = words(manifest.facts)
    if "read" in links:
        said += (
            f" Links swept at {moment(links['swept'])}; since then those of changed records were read again, "
            f"now of {links['read']:,}: one that came or went by itself is seen at the next whole look."
        )
    return dict(manifest.facts) | {"rows": manifest.rows, "words": said}


def names(evidence: Evidence, result: Result) -> dict[str, dict[str, Any]]:
    """What people call the fields of a result's sample, and the owners and options that stand in it.

    Returns:
        By field: `label`, and `values` (name by id, of those that occur).
    """
    known = {each.name: each.target for each in evidence.plan.model.objects}
    if result.object not in known:
        return {}
    fields = evidence.target_schema(known[result.object]).fields
    found: dict[str, dict[str, Any]] = {}
    for row in result.sample:
        field = fields.get(str(row.get("field")))
        if field is None:
            continue
        people = {owner.id: owner.name for owner in evidence.target.owners} if field.owner else {}
        before = {owner.id: owner.name for owner in evidence.source.owners} if field.owner else {}
        called = people | {option.value: option.label for option in field.options}
        values = {row.get(column): called for column in ("expected", "found", "map")}
        values |= {row.get("old"): before}
        entry = found.setdefault(field.name, {"label": field.label, "values": {}})
        entry["values"] |= {
            str(value): names[str(value)] for value, names in values.items() if str(value) in names
        }
    return found


def flow(evidence: Evidence, each: ObjectPlan) -> dict[str, Any]:
    """One entry's sum that must add up: extracted = loaded + merged + skipped + rejected."""
    counts = {
        str(row["outcome"]): int(row["n"])
        for row in evidence.rows(
            f"""SELECT outcome, count(DISTINCT key) AS n FROM {evidence.ends}
            WHERE entry = {text(each.name)} GROUP BY outcome ORDER BY outcome"""
        )
    }
    reasons = evidence.rows(
        f"""SELECT outcome, reason, count(*) AS n FROM {evidence.ends}
        WHERE entry = {text(each.name)} AND outcome NOT IN ('created', 'updated', 'adopted')
        GROUP BY ALL ORDER BY n DESC, outcome, reason LIMIT 8"""
    )
    extracted = int(
        evidence.one(
            f"""SELECT count(DISTINCT key) AS n FROM {evidence.ends}
            WHERE entry = {text(each.name)} AND outcome <> 'unknown'"""
        )
    )
    parts = {
        "loaded": sum(counts.get(name, 0) for name in LOADED),
        "merged": counts.get("merged", 0),
        "skipped": counts.get("skipped", 0),
        "rejected": sum(counts.get(name, 0) for name in REFUSALS),
    }
    return {
        "source": each.name,
        "target": each.target,
        "extracted": extracted,
        **parts,
        "unexplained": extracted - sum(parts.values()),
        "ends": counts,
        "reasons": [
            {
                "end": row["outcome"],
                "reason": why(evidence, each, row["reason"] or ""),
                "records": int(row["n"]),
            }
            for row in reasons
        ],
    }


def decisions(results: Sequence[Result]) -> list[Decision]:
    """What people must decide, the gravest first, each once."""
    found = dict.fromkeys(one for result in results for one in result.decisions)
    return sorted(found, key=lambda one: -SEVERITY.index(one.verdict))


def told_decision(one: Decision) -> dict[str, str]:
    return {"verdict": one.verdict.value, "what": one.what, "owner": one.owner, "where": one.where,
            "command": one.command}  # fmt: skip


def automations(evidence: Evidence, canaries: Sequence[Canary], switches: Sequence[Switch]) -> dict[str, Any]:
    """What each entry's first record set off in the target; which entries went without such a try."""
    return {
        "canaries": [each.document() for each in canaries],
        "switched": [{"words": str(each), "state": each.state} for each in switches],
        "waived": [
            {"entry": each.name, "by": each.automations.waive.by, "reason": each.automations.waive.reason}
            for each in evidence.plan.model.objects
            if each.automations.waive
        ],
    }


def way_back(evidence: Evidence, checkpoint: Point | None) -> dict[str, Any]:
    """To what a rollback returns, what it would undo, and what nobody can put back."""
    records = evidence.rows(
        f"""SELECT object, count(*) FILTER (origin <> 'adopt') AS created,
        count(*) FILTER (origin = 'adopt') AS changed FROM {evidence.crosswalk}
        GROUP BY object ORDER BY object"""
    )
    links = int(
        evidence.one(
            f"""SELECT count(*) AS n FROM ({LINKS.format(journal=evidence.journal)})
            WHERE NOT coalesce(was_there, false)"""
        )
    )
    sides = int(
        evidence.one(
            f"""SELECT count(DISTINCT (object, target_id)) AS n FROM {evidence.journal}
            WHERE kind = 'side' AND op = 'create' AND outcome = 'done'
            AND attempt = {evidence.attempt}"""
        )
    )
    changed = sum(int(row["changed"]) for row in records)
    created = sum(int(row["created"]) for row in records)
    return {
        "checkpoint": checkpoint.name if checkpoint else None,
        "taken": checkpoint.at if checkpoint else None,
        "window_end": checkpoint.window_end if checkpoint else None,
        "delete": created,
        "restore": changed,
        "unlink": links,
        "side_records": sides,
        "by_object": [
            {"object": row["object"], "delete": int(row["created"]), "restore": int(row["changed"])}
            for row in records
        ],
        "residue": list(RESIDUE) if changed or created else [],
    }


# Sections of the first screen that say what no check does.
_OF_THEIR_OWN = ("verdict", "notices", "waivers", "way_back", "signatures")


def headline(
    verdict: Verdict,
    flows: Sequence[dict[str, Any]],
    results: Sequence[Result],
    sections: Sequence[Section] = (),
) -> tuple[str, str]:
    """The verdict in words: a title and one sentence."""
    own: list[Verdict | None] = [
        each.verdict for each in sections if each.id in _OF_THEIR_OWN and each.verdict is not Verdict.WARN
    ]
    count = {one: sum(result.verdict is one for result in results) + own.count(one) for one in Verdict}
    red = count[Verdict.FAIL] + count[Verdict.ERROR]
    titles = {
        Verdict.PASS: "Ready: every check passes",
        Verdict.WARN: f"Ready, with {many(count[Verdict.WARN], 'line')} to accept",
        Verdict.FAIL: f"Not ready: {many(red, 'red line')}, {count[Verdict.WARN]} to accept",
        Verdict.EMPTY: f"Not ready: {many(count[Verdict.EMPTY], 'check')} had nothing to compare",
        Verdict.ERROR: f"Not ready: {many(count[Verdict.ERROR], 'check')} failed to run",
    }
    lost = sum(int(flow["unexplained"]) for flow in flows)
    rejected = sum(int(flow["rejected"]) for flow in flows)
    # Entries that share a source object share its records.
    total = sum({split_entry(str(flow["source"]))[0]: int(flow["extracted"]) for flow in flows}.values())
    told = "Every record is accounted for" if not lost else f"{many(lost, 'record')} without an explanation"
    told += f"; {many(rejected, 'record')} of {total:,} did not move." if rejected else "."
    sums = [result for result in results if result.check in ("sums", "money")]
    if sums and all(result.verdict is Verdict.PASS for result in sums):
        told += " All money that moved agrees to the last digit."
    elif any(result.verdict in (Verdict.FAIL, Verdict.WARN) for result in sums):
        told += " Money differs; see below."
    elif any(result.verdict is Verdict.ERROR for result in sums):
        told += " Money was not compared; see below."
    asked = next((each for each in sections if each.id == "notices" and each.verdict is Verdict.WARN), None)
    if asked is not None:
        told += f" Of what users will notice, {asked.figures['not accepted']:,} wait for somebody to accept."
    return titles[verdict], told
