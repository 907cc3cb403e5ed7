"""Is every record accounted for? Per object, to the row.

counted by the vendor's second route = extracted, and
extracted = loaded (created + updated + adopted) + merged + skipped + rejected,
where rejected is ours (rejects), the target's (dead letters) and those whose parent isn't there (blocked);
and the target, read anew, holds one record with our key for each that the crosswalk names. Links have
lines of their own: found = staged + skipped + folded + rejected, staged = made + refused + blocked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrate.engine import text
from migrate.stages.crosswalk import LOADED, OTHERS, latest, rows_of
from migrate_validators.by_groups import grouped
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.link_counts import AGAIN, ID, link_counts
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.wording import REASONS, label, why

if TYPE_CHECKING:
    from migrate.plan.fields import FieldPlan
    from migrate.plan.models import ObjectPlan

TITLE = "Every record accounted for"


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry, its groups, each of its links, each source object with parts, each kept object."""
    for each in evidence.objects:
        vacant = each not in evidence.moving
        found = _records(evidence, each, vacant=vacant)
        if vacant and not found.compared and each not in evidence.plan.written:
            continue  # made for files that the source doesn't have
        yield found
        if not vacant and (groups := grouped(evidence, each)) is not None:
            yield groups
        for index, link in enumerate(each.links if not vacant else ()):
            yield link_counts(evidence, each, index, link)
    for source in dict.fromkeys(each.source for each in evidence.objects):
        parts = [each for each in evidence.plan.model.objects if each.source == source]
        if len(parts) > 1:
            yield _parts(evidence, source, parts)
    for name in evidence.plan.model.archive:
        yield _kept(evidence, name)


def _kept(evidence: Evidence, object: str) -> Result:
    """An object that is kept and goes nowhere: whether all of it was read."""
    manifests = evidence.store.manifests("source", object)
    base = manifests[0] if manifests else None
    counted = int(base.facts["counted"]) if base and "counted" in base.facts else None
    rows = sum(manifest.rows for manifest in manifests)
    figures: dict[str, Any] = {
        "counted by the vendor": counted if counted is not None else "not counted",
        "read in the base extract": base.rows if base else 0,
        "kept with deltas": rows,
    }
    if base is None or counted is None or (counted != base.rows and len(manifests) < 2):
        verdict = Verdict.FAIL
        read = base.rows if base else 0
        summary = f"The vendor counts {figures['counted by the vendor']}, {read:,} were read."
    elif not rows:
        verdict, summary = Verdict.WARN, "The source holds none."
    else:
        verdict, summary = Verdict.PASS, f"{many(rows, 'record')} kept in the archive; the plan moves none."
    return Result(
        id=f"{ID}.{object}", check=ID, object=object, title=f"Kept, not moved: {object}",
        verdict=verdict, summary=summary, compared=rows, figures=figures,
    )  # fmt: skip


def _records(evidence: Evidence, each: ObjectPlan, *, vacant: bool) -> Result:
    ours = f"(SELECT * FROM {evidence.ends} WHERE entry = {text(each.name)})"
    counts = {
        str(row["outcome"]): int(row["n"])
        for row in evidence.rows(
            f"SELECT outcome, count(*) AS n FROM {ours} GROUP BY outcome ORDER BY outcome"
        )
    }
    older = f"(SELECT key FROM ({_older(evidence, each, ours)}))"
    replaced = int(evidence.one(f"SELECT count(*) AS n FROM {older}"))
    twice = int(
        evidence.one(
            f"""SELECT count(*) AS n FROM (SELECT key FROM {ours} WHERE key NOT IN {older}
            GROUP BY key HAVING count(*) > 1)"""
        )
    )
    manifests = evidence.store.manifests("source", each.source)
    base = manifests[0] if manifests else None
    extracted = int(evidence.one(f"SELECT count(DISTINCT key) AS n FROM {ours} WHERE outcome <> 'unknown'"))
    counted = int(base.facts["counted"]) if base and "counted" in base.facts else None
    read = base.rows if base else 0
    in_crosswalk = int(
        evidence.one(f"SELECT count(*) AS n FROM {evidence.crosswalk} WHERE {evidence.owns(each, 'key')}")
    )
    in_target = None
    if evidence.part is None:
        in_target = int(
            evidence.one(
                f"SELECT count(*) AS n FROM {evidence.found(each.target)} WHERE {evidence.owns(each, '_key')}"
            )
        )
    loaded = sum(counts.get(name, 0) for name in LOADED)
    refused = {name: counts.get(name, 0) for name in ("rejected", "dead_letter", "blocked")}
    figures: dict[str, Any] = {
        "counted by the vendor": counted if counted is not None else "not counted",
        "read in the base extract": read,
        "changed by deltas": extracted - read,
        "extracted": extracted,
        **{name: counts.get(name, 0) for name in (*LOADED, "merged", "skipped")},
        **refused,
        "unaccounted": counts.get("unaccounted", 0),
        "loaded": loaded,
        "in the crosswalk": in_crosswalk,
        "in the target with our key": in_target if in_target is not None else "not counted",
    }
    if replaced:
        figures["replaced since they were loaded"] = replaced
    wrong = []
    if counted is None:
        wrong.append("the vendor's own count is missing")
    elif counted != read and len(manifests) < 2:
        wrong.append(f"the vendor counts {counted:,}, {read:,} were read")
    # Of the lines from here on, every record is among the rows.
    listed = not wrong
    if counts.get("unaccounted"):
        wrong.append(f"{counts['unaccounted']:,} have no end")
    if counts.get("unknown"):
        wrong.append(f"{counts['unknown']:,} have an end but were never extracted")
    if twice:
        wrong.append(f"{twice:,} have two ends")
    if in_target is not None and in_target != in_crosswalk:
        wrong.append(
            f"the target holds {in_target:,} records with our key, the crosswalk names {in_crosswalk:,}"
        )
    decisions = list(_decisions(evidence, each))
    kept = evidence.keep(
        f"{ID}.{each.name}",
        f"""SELECT key, NULL AS id, CASE WHEN outcome IN ('rejected', 'dead_letter', 'blocked')
            THEN '{Class.NOT_MOVED}' ELSE '{Class.UNEXPLAINED}' END AS class,
        CASE WHEN outcome IN ('rejected', 'dead_letter', 'blocked') OR key IN {older} THEN '{WARN}'
            ELSE '{FAIL}' END AS grade,
        source_id, outcome, reason FROM {ours}
        WHERE outcome NOT IN ('created', 'updated', 'adopted', 'merged', 'skipped')
            OR key IN (SELECT key FROM {ours} GROUP BY key HAVING count(*) > 1)
        UNION ALL {_beside(evidence, each) if in_target != in_crosswalk else _NOBODY}
        ORDER BY outcome, key""",
    )
    if not extracted and not vacant:
        verdict, summary = Verdict.EMPTY, "No record was extracted."
    elif wrong:
        verdict, summary = Verdict.FAIL, f"{'; '.join(wrong)}.".capitalize()
    elif not extracted:
        verdict, summary = Verdict.WARN, "The source holds none, and counts none itself."
    elif vacant:
        verdict, summary = Verdict.WARN, f"The plan skips all of {many(extracted, 'record')}."
    elif replaced and not any(refused.values()):
        verdict = Verdict.WARN
        summary = (
            f"Every record has its end; {many(replaced, 'file')} got a newer version since the load: "
            "both are in the target."
        )
    elif any(refused.values()):
        left = sum(refused.values())
        verdict = Verdict.WARN
        summary = f"Every record has its end; {left:,} of {extracted:,} did not move."
    else:
        verdict, summary = Verdict.PASS, f"{many(extracted, 'record')} extracted, each with its end."
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.name} to {each.target}",
            listed=listed,
            verdict=verdict,
            summary=summary,
            compared=extracted,
            figures=figures,
            tables=(_reasons(evidence, each),),
            decisions=tuple(decisions),
        )
    )


def _older(evidence: Evidence, each: ObjectPlan, ours: str) -> str:
    """A query (key) of files that were loaded, and are their document's newest version no more. Only entries
    that `files` stands for: there nobody has left a record out, somebody has gone on working."""
    if each in evidence.plan.written:
        return f"SELECT key FROM {ours} WHERE false"
    return f"""SELECT key FROM {ours} GROUP BY key
        HAVING count(*) = 2 AND bool_or(outcome IN {LOADED}) AND bool_or(outcome = 'skipped')"""


_NOBODY = """SELECT NULL AS key, NULL AS id, '' AS class, '' AS grade, NULL AS source_id, NULL AS outcome,
        NULL AS reason WHERE false"""


def _beside(evidence: Evidence, each: ObjectPlan) -> str:
    """A query of the keys of which the target and the crosswalk hold another number of records."""
    there = f"(SELECT _key, _id FROM {evidence.found(each.target)} WHERE {evidence.owns(each, '_key')})"
    noted = f"(SELECT * FROM {evidence.crosswalk} WHERE {evidence.owns(each, 'key')})"
    return f"""SELECT coalesce(c.key, f._key) AS key, coalesce(f.id, c.target_id) AS id,
        CASE WHEN f._key IS NULL THEN '{Class.MISSING}' WHEN c.key IS NULL THEN '{Class.EXTRA}'
            ELSE '{Class.TWIN}' END AS class, '{FAIL}' AS grade, NULL AS source_id,
        'in the target ' || coalesce(f.n, 0) || ' times' AS outcome, NULL AS reason
        FROM {noted} AS c
        FULL JOIN (SELECT _key, min(_id) AS id, count(*) AS n FROM {there} GROUP BY _key) AS f
            ON f._key = c.key WHERE f._key IS NULL OR c.key IS NULL OR f.n > 1"""


def _parts(evidence: Evidence, source: str, parts: Sequence[ObjectPlan]) -> Result:
    """Fan-out: how many target records a source object's records became, and which of them no part takes."""
    taken = f"""(SELECT source_id, count(*) FILTER (outcome <> 'skipped') AS parts,
        count(*) FILTER (outcome IN {LOADED}) AS made FROM {evidence.ends}
        WHERE source_object = {text(source)} AND outcome <> 'unknown' GROUP BY source_id)"""
    counts = evidence.rows(
        f"""SELECT count(*) AS extracted, count(*) FILTER (parts = 1) AS once,
        count(*) FILTER (parts > 1) AS several, count(*) FILTER (parts = 0) AS nowhere,
        coalesce(sum(made), 0) AS made FROM {taken}"""
    )[0]
    extracted, nowhere = int(counts["extracted"]), int(counts["nowhere"])
    by_part = {
        str(row["entry"]): int(row["n"])
        for row in evidence.rows(
            f"""SELECT entry, count(*) AS n FROM {evidence.ends}
            WHERE source_object = {text(source)} AND outcome IN {LOADED} GROUP BY entry ORDER BY entry"""
        )
    }
    kept = evidence.keep(
        f"{ID}.{source}.parts",
        f"SELECT source_id AS id, '{Class.NOT_MOVED}' AS class, '{WARN}' AS grade FROM {taken} "
        "WHERE parts = 0 ORDER BY source_id",
    )
    made = int(counts["made"])
    summary = f"{many(extracted, 'record')} of {source} became {many(made, 'record')} of the target"
    if not extracted:
        verdict, summary = Verdict.EMPTY, "No record was extracted."
    elif nowhere:
        verdict, summary = Verdict.WARN, f"{summary}; no part takes {nowhere:,} of them."
    else:
        verdict, summary = Verdict.PASS, f"{summary}; every one is taken by a part."
    decision = Decision(
        Verdict.WARN, f"{nowhere:,} {source} are taken by none of {', '.join(each.name for each in parts)}",
        owner="Data owner", where="Accept it, or widen the `where` of a part",
        command=f"migrate diff {ID}.{source}.parts",
    )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{source}.parts",
            check=ID,
            object=source,
            title=f"Every record in a part: {source}",
            verdict=verdict,
            summary=summary,
            compared=extracted,
            figures={
                "extracted": extracted,
                "taken by one part": int(counts["once"]),
                "taken by several": int(counts["several"]),
                "taken by none": nowhere,
                "records made": made,
                **{f"made as {each.name}": by_part.get(each.name, 0) for each in parts},
            },
            decisions=(decision,) if nowhere else (),
        )
    )


def _reasons(evidence: Evidence, each: ObjectPlan) -> Table:
    """Merged, skipped and rejected records by reason."""
    found = evidence.rows(
        f"""SELECT outcome, reason, count(*) AS n FROM {evidence.ends}
        WHERE entry = {text(each.name)} AND outcome NOT IN ('created', 'updated', 'adopted')
        GROUP BY ALL ORDER BY outcome, n DESC, reason LIMIT 200"""
    )
    rows = tuple(
        (str(row["outcome"]).replace("_", " "), why(evidence, each, row["reason"] or ""), int(row["n"]))
        for row in found
    )
    return Table(
        "Not loaded as a record of its own, by reason", ("end", "reason", "records"), rows, ("records",)
    )


_MEND = {
    "no_owner": "Give these owners a home in `{file}`",
    "required": "Fill the field at the source, or give the plan a value for it",
    "too_long": "Shorten the value in the plan, or choose a longer field",
    "expression": "Mend the value at the source, or the expression in the plan",
    "ambiguous_match": "Clean up the twins, in the source or in the target; `migrate trace` names them",
    "ambiguous_source": "Merge these records at the source, or give one of them another value",
    "duplicate": "Merge these records at the source, or name them under `dedupe`",
}


def _decisions(evidence: Evidence, each: ObjectPlan) -> Iterator[Decision]:
    rejects = rows_of(
        evidence.store,
        latest(evidence.store, "rejects", each.name),
        dict.fromkeys(("_key", "field", "reason", "value", "detail"), "VARCHAR"),
    )
    for row in evidence.rows(
        f"""SELECT field, reason, count(DISTINCT _key) AS n,
        string_agg(DISTINCT value, '|' ORDER BY value) AS given
        FROM {rejects} GROUP BY field, reason ORDER BY n DESC, field"""
    ):
        plan = each.fields.get(str(row["field"]))
        listed = [value for value in str(row["given"] or "").split("|") if value]
        named = ", ".join(f"“{value}”" for value in listed[:5]) + (" …" if len(listed) > 5 else "")
        reason = REASONS.get(str(row["reason"]), str(row["reason"]).replace("_", " "))
        field = label(evidence.target_schema(each.target).fields, str(row["field"] or ""))
        what = f"{field} {named}".strip()
        yield Decision(
            Verdict.WARN,
            f"{row['n']:,} {each.name} rejected, {reason}" + (f": {what}." if what else "."),
            owner="Data owner",
            where=_where(str(row["reason"]), plan),
            command=AGAIN,
        )
    for outcome, remedy in (
        ("dead_letter", "migrate dead-letters list; migrate dead-letters replay"),
        ("blocked", "migrate load"),
        ("unaccounted", "migrate load"),
    ):
        for row in evidence.rows(
            f"""SELECT reason, count(*) AS n FROM {evidence.ends}
            WHERE entry = {text(each.name)} AND outcome = '{outcome}'
            GROUP BY reason ORDER BY n DESC LIMIT 5"""
        ):
            words = {"dead_letter": "refused by the target", "blocked": "waiting for their parent"}
            if OTHERS in str(row["reason"]):
                words["blocked"], remedy = "not to be loaded yet", "migrate cutover start --cohort NAME"
            yield Decision(
                Verdict.FAIL if outcome == "unaccounted" else Verdict.WARN,
                f"{row['n']:,} {each.name} {words.get(outcome, 'without an end')}: {row['reason']}",
                owner="Migration engineer",
                command=remedy,
            )


def _where(reason: str, plan: FieldPlan | None) -> str:
    if reason == "unmapped_picklist" and plan and plan.picklist:
        return f"Give these values a home in `{plan.picklist}`"
    return _MEND.get(reason, "").format(file=plan.owner if plan and plan.owner else "owners.csv")
