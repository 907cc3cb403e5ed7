"""Is every link that the plan asks for there, with its label, and who made the others?

Expected: the staged links whose two ends are in the target, as target ids; and the references that the
target holds in fields. Found: the target's links of our records, read anew. A missing link is looked for
once more after the target has settled; then it is said whether the pair is there without its label, whether
another record stands at its far end, or whether nothing is left of it. An additional link isn't a fault:
it is explained (the same pair seen from its other end or under another label, there before the load, made
by an automation) or listed as somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from migrate.connector import ExplainsLinks, Link
from migrate.engine import identifier, text
from migrate.rewriting import rewritten_fields
from migrate.stages.crosswalk import latest_ready
from migrate_validators.classes import FAIL, KNOWN, WARN, Class
from migrate_validators.evidence import Evidence, links_of
from migrate_validators.expected import sides
from migrate_validators.leading import leading, waiting
from migrate_validators.link_ends import link_ends
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.rows import differing
from migrate_validators.texts import check_texts

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan

ID = "links"
TITLE = "Every link with its label"
MOST = 20_000  # missing or additional links that are looked at one by one


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a pair of an object and an entry of its links, and one for its reference fields."""
    for each in evidence.moving:
        for index, link in enumerate(each.links):
            yield _pair(evidence, each, f"{each.name}.{index}", link.to, str(link.via or link.through))
        if each.links and evidence.part is None:
            yield _additional(evidence, each)
        if leading(each):
            yield _references(evidence, each)
        if rewritten_fields(each) and evidence.part is None:
            yield check_texts(evidence, each)


def expected_of(evidence: Evidence, name: str) -> str:
    """SQL: the staged links of one plan entry whose two ends are in the target, and that it didn't refuse."""
    of = evidence.looks_at('l."left"')
    return f"(SELECT * FROM {_there(evidence, name)} AS l WHERE {of})"


def _there(evidence: Evidence, name: str) -> str:
    """SQL: the same, of all records also where only some are looked at."""
    return (
        f"(SELECT * FROM {link_ends(evidence, name)} "
        "WHERE left_id IS NOT NULL AND right_id IS NOT NULL AND refused IS NULL)"
    )


def missing_of(evidence: Evidence, each: ObjectPlan, name: str) -> str:
    """Table of those that the target doesn't show, looked for twice; made once a validation."""
    return evidence.once(("missing links", name), lambda: _missing(evidence, each, name))


def _missing(evidence: Evidence, each: ObjectPlan, name: str) -> str:
    table = evidence.table(
        f"missing {name}",
        f"""SELECT e."left", e."right", e.label, e.left_id, e.right_id, e.left_object, e.right_object
        FROM {expected_of(evidence, name)} AS e ANTI JOIN {evidence.links(each.target)} AS f
        ON f."left" = e.left_id AND f."right" = e.right_id AND f.right_object = e.right_object
        AND f.label = e.label""",
    )
    _look_again(evidence, table)
    return evidence.table(f"missing classed {name}", _classed(evidence, each, name, table))


def _classed(evidence: Evidence, each: ObjectPlan, name: str, missing: str) -> str:
    """A query of missing links with what is there in their place: `class`, `found`."""
    there, before = evidence.links(each.target), baseline_links(evidence, each.target)
    # Under its label, somebody who isn't expected there and who wasn't there before us.
    others = f"""(SELECT m.left_id, m.right_id, m.label,
            min(coalesce(c.key, f."right") || ' ' || f.label) AS other
        FROM {missing} AS m JOIN {there} AS f ON f."left" = m.left_id AND f.right_object = m.right_object
            AND f.label = m.label
        ANTI JOIN {expected_of(evidence, name)} AS e ON e.left_id = f."left" AND e.right_id = f."right"
            AND e.label = f.label
        ANTI JOIN {before} AS b ON b."left" = f."left" AND b."right" = f."right" AND b.label = f.label
            AND b.right_object = f.right_object
        LEFT JOIN {evidence.crosswalk} AS c ON c.target_id = f."right" AND c.object = f.right_object
        GROUP BY m.left_id, m.right_id, m.label)"""
    pairs = f"""(SELECT m.left_id, m.right_id, m.label,
            m."right" || ' ' || string_agg(DISTINCT f.label, ', ' ORDER BY f.label) AS pair
        FROM {missing} AS m JOIN {there} AS f ON f."left" = m.left_id AND f."right" = m.right_id
            AND f.right_object = m.right_object GROUP BY m.left_id, m.right_id, m.label, m."right")"""
    return f"""SELECT m.*, CASE WHEN p.pair IS NOT NULL THEN '{Class.LABEL}'
            WHEN o.other IS NOT NULL THEN '{Class.PARENT}' ELSE '{Class.LINK_LOST}' END AS class,
        coalesce(p.pair, o.other) AS found
        FROM {missing} AS m LEFT JOIN {pairs} AS p USING (left_id, right_id, label)
        LEFT JOIN {others} AS o USING (left_id, right_id, label)"""


def baseline_links(evidence: Evidence, object: str) -> str:
    """The links of an object's records before the load, as a table expression."""
    before = evidence.baseline.get(object)
    staged = evidence.store.manifest(f"{before}-links") if before else None
    return links_of(evidence.store.files(staged) if staged else [])


def _pair(evidence: Evidence, each: ObjectPlan, name: str, to: str, through: str) -> Result:
    expected = expected_of(evidence, name)
    compared = int(evidence.one(f"SELECT count(*) AS n FROM {expected}"))
    missing = missing_of(evidence, each, name)
    kept = evidence.keep(
        f"{ID}.{name}",
        f"""SELECT "left" AS key, left_id AS id, "right" || ' ' || label AS field, class,
        "right" || ' ' || label AS expected, found, * EXCLUDE (class, found) FROM {missing} ORDER BY ALL""",
    )
    by = {
        str(row["class"]): int(row["n"])
        for row in evidence.rows(f"SELECT class, count(*) AS n FROM {missing} GROUP BY class ORDER BY class")
    }
    labels = evidence.rows(
        f"""SELECT e.label, count(*) AS expected, count(*) - count(m."left") AS found
        FROM {expected} AS e LEFT JOIN {missing} AS m USING ("left", "right", label)
        GROUP BY e.label ORDER BY expected DESC, e.label"""
    )
    if not compared:
        verdict, summary = Verdict.EMPTY, "No link was compared."
    elif kept.row_count:
        said = ", ".join(f"{kind}: {n:,}" for kind, n in by.items())
        verdict = Verdict.FAIL
        summary = f"Not as expected: {kept.row_count:,} of {many(compared, 'link')} ({said})."
    else:
        verdict, summary = Verdict.PASS, f"{many(compared, 'link')} compared, all there with their label."
    decisions: tuple[Decision, ...] = ()
    if kept.row_count:
        decisions = (
            Decision(
                Verdict.FAIL, f"{kept.row_count:,} links {each.target} to {to} aren't as expected",
                owner="Migration engineer", command=f"migrate diff {ID}.{name}",
            ),
        )  # fmt: skip
    population = None
    if evidence.part is not None:
        population = int(evidence.one(f"SELECT count(*) AS n FROM {_there(evidence, name)}"))
    return kept.on(
        Result(
            id=f"{ID}.{name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.target} to {to} ({through})",
            verdict=verdict,
            summary=summary,
            compared=compared,
            population=population,
            figures={"links compared": compared, "missing": kept.row_count, **by},
            decisions=decisions,
            tables=(
                Table(
                    "By label",
                    ("label", "expected", "found"),
                    tuple((row["label"], int(row["expected"]), int(row["found"])) for row in labels),
                    ("expected", "found"),
                ),
            ),
        )
    )


def _look_again(evidence: Evidence, missing: str) -> None:
    """Take out of the table of missing links those that are there by now."""
    limits = evidence.connector.limits
    count = int(evidence.one(f"SELECT count(*) AS n FROM {missing}"))
    if not count or count > MOST:
        return
    evidence.clock.sleep(limits.settle)
    pairs = evidence.rows(f"SELECT DISTINCT left_object, right_object FROM {missing} ORDER BY ALL")
    for pair in pairs:
        of_pair = f"left_object = {text(pair['left_object'])} AND right_object = {text(pair['right_object'])}"
        ids = [
            str(row["left_id"])
            for row in evidence.rows(f"SELECT DISTINCT left_id FROM {missing} WHERE {of_pair} ORDER BY ALL")
        ]
        for link in evidence.connector.read_links(pair["left_object"], ids, pair["right_object"]):
            evidence.engine.run(
                f"""DELETE FROM {missing} WHERE left_id = {text(link.left)} AND right_id = {text(link.right)}
                AND label = {text(link.label)} AND {of_pair}"""
            )


def _additional(evidence: Evidence, each: ObjectPlan) -> Result:
    """Links of our records that the plan didn't ask for, by explanation."""
    plans = [plan for plan in evidence.plan.model.objects if plan.target == each.target]
    names = [
        f"{plan.name}.{index}" for plan in evidence.plan.model.objects for index in range(len(plan.links))
    ]
    ours = " UNION ALL ".join(
        f"""SELECT left_object, left_id AS "left", right_object, right_id AS "right", label
        FROM {link_ends(evidence, name)} WHERE left_id IS NOT NULL AND right_id IS NOT NULL"""
        for name in names
    )
    expected = evidence.table("expected links", ours)
    keys = evidence.owns(each, "c.key")
    baseline = baseline_links(evidence, each.target)
    side = f"""(SELECT DISTINCT "left", "right" FROM {evidence.journal}
        WHERE kind = 'side' AND outcome = 'done' AND op = 'link')"""
    extra = evidence.table(
        f"additional {each.name}",
        f"""SELECT f.*, CASE
            WHEN EXISTS (SELECT 1 FROM {baseline} AS b WHERE b."left" = f."left" AND b."right" = f."right"
                AND b.label = f.label AND b.right_object = f.right_object) THEN 'there before the load'
            WHEN EXISTS (SELECT 1 FROM {expected} AS e WHERE e.left_object = f.left_object
                AND e.right_object = f.right_object AND e."left" = f."left" AND e."right" = f."right")
                THEN 'the same pair, under another label'
            WHEN EXISTS (SELECT 1 FROM {expected} AS e WHERE e.left_object = f.right_object
                AND e.right_object = f.left_object AND e."left" = f."right" AND e."right" = f."left")
                THEN 'the same pair, seen from its other end'
            WHEN EXISTS (SELECT 1 FROM {side} AS s WHERE (s."left" = f."left" AND s."right" = f."right")
                OR (s."left" = f."right" AND s."right" = f."left")) THEN 'made by an automation'
            ELSE 'unexplained' END AS explanation
        FROM {evidence.links(each.target)} AS f
        WHERE EXISTS (SELECT 1 FROM {evidence.crosswalk} AS c WHERE c.target_id = f."left"
            AND c.object = {text(each.target)} AND ({keys}))
        AND NOT EXISTS (SELECT 1 FROM {expected} AS e WHERE e.left_object = f.left_object
            AND e.right_object = f.right_object AND e."left" = f."left" AND e."right" = f."right"
            AND e.label = f.label)""",
    )
    _ask(evidence, extra)
    total = int(
        evidence.one(
            f"""SELECT count(*) AS n FROM {evidence.links(each.target)} AS f SEMI JOIN
            (SELECT target_id FROM {evidence.crosswalk} AS c WHERE {keys}) AS o ON o.target_id = f."left\""""
        )
    )
    by = evidence.rows(
        f"SELECT explanation, count(*) AS n FROM {extra} GROUP BY ALL ORDER BY n DESC, explanation"
    )
    unexplained = sum(int(row["n"]) for row in by if row["explanation"] == "unexplained")
    kept = evidence.keep(
        f"{ID}.{each.name}.additional",
        f"""SELECT "left" AS id, "right" || ' ' || label AS field, '{Class.LINK_EXTRA}' AS class,
        CASE WHEN explanation = 'unexplained' THEN '{WARN}' ELSE '{KNOWN}' END AS grade,
        "right" || ' ' || label AS found, *
        FROM {extra} ORDER BY explanation DESC, "left", "right", label""",
    )
    decisions: tuple[Decision, ...] = ()
    if not total:
        verdict, summary = Verdict.EMPTY, "Our records have no links."
    elif unexplained:
        verdict = Verdict.WARN
        summary = f"{many(unexplained, 'link')} of our records made by somebody else."
        decisions = (
            Decision(
                Verdict.WARN, f"{unexplained:,} links of our {each.target} that the plan didn't ask for",
                owner="Data owner", where="Somebody else made them; accept, or remove them in the target",
                command=f"migrate diff {ID}.{each.name}.additional",
            ),
        )  # fmt: skip
    else:
        verdict = Verdict.PASS
        summary = f"{many(kept.row_count, 'additional link')} of our records, all explained."
    figures: dict[str, Any] = {"links of our records": total} | {
        str(row["explanation"]): int(row["n"]) for row in by
    }
    return kept.on(
        Result(
            id=f"{ID}.{each.name}.additional",
            check=ID,
            object=each.name,
            title=f"Additional links of {' and '.join(plan.target for plan in plans[:1])}",
            verdict=verdict,
            summary=summary,
            compared=total,
            figures=figures,
            decisions=decisions,
        )
    )


def _ask(evidence: Evidence, extra: str) -> None:
    """Ask the connector which of the unexplained links a known automation of the vendor makes."""
    count = int(evidence.one(f"SELECT count(*) AS n FROM {extra} WHERE explanation = 'unexplained'"))
    if not count or count > MOST or not isinstance(evidence.connector, ExplainsLinks):
        return
    links = [
        Link(row["left_object"], row["left"], row["right_object"], row["right"], row["label"])
        for row in evidence.rows(f"SELECT * FROM {extra} WHERE explanation = 'unexplained' ORDER BY ALL")
    ]
    for link in evidence.connector.made_by_automation(links):
        evidence.engine.run(
            f"""UPDATE {extra} SET explanation = 'made by an automation'
            WHERE "left" = {text(link.left)} AND "right" = {text(link.right)} AND label = {text(link.label)}
            AND left_object = {text(link.left_object)} AND right_object = {text(link.right_object)}"""
        )


def _references(evidence: Evidence, each: ObjectPlan) -> Result:
    """References that the target holds in fields: where they should lead, and where they do."""
    two = sides(evidence, each)
    names = [name for name in leading(each) if name in two.columns]
    waits = evidence.rows(
        f"""SELECT cause, count(*) AS n FROM {waiting(evidence, each)}
        GROUP BY cause ORDER BY n DESC, cause"""
    )
    empty = sum(int(row["n"]) for row in waits)
    listed = ", ".join(map(text, names)) or "NULL"
    astray = f"(SELECT * FROM {differing(evidence, each)} WHERE field IN ({listed}))"
    kept = evidence.keep(
        f"{ID}.{each.name}.references",
        # Also an automation's: whatever reads the tree follows it to the wrong record.
        f"""SELECT key, id, field, class, '{FAIL}' AS grade, expected, found, "by", writer, written,
            NULL AS cause FROM {astray}
        UNION ALL SELECT _key, NULL, field, '{Class.NOT_MOVED}', '{WARN}', parent, NULL, '', '', '', cause
        FROM {waiting(evidence, each)} ORDER BY ALL""",
    )
    wrong = kept.failing
    away = {
        str(row["field"]): int(row["n"])
        for row in evidence.rows(
            f"""SELECT field, count(*) AS n FROM {astray} WHERE expected IS NOT NULL
            GROUP BY field ORDER BY field"""
        )
    }
    counts = ", ".join(f"count({identifier(name)}) AS {identifier(name)}" for name in names)
    filled = evidence.rows(f"SELECT {counts} FROM {two.expected}")[0] if names else {}
    lines = [(name, int(filled[name]), int(filled[name]) - away.get(name, 0)) for name in names]
    compared = sum(line[1] for line in lines)
    if wrong:
        verdict = Verdict.FAIL
        summary = (
            f"{many(wrong, 'reference')} lead elsewhere than they should, of {compared:,} that lead anywhere."
        )
    elif not compared and not empty:
        verdict, summary = Verdict.EMPTY, "No reference was compared."
    elif empty:
        verdict = Verdict.WARN
        summary = f"{compared:,} references point where they should; {empty:,} wait for their record."
    else:
        verdict, summary = Verdict.PASS, f"All {compared:,} references point where they should."
    decisions = tuple(
        Decision(
            Verdict.WARN, f"{int(row['n']):,} references of {each.target} are empty: {row['cause']}",
            owner="Migration engineer", where="The next load fills them when their record is there",
            command=f"migrate diff {ID}.{each.name}.references",
        )
        for row in waits[:5]
    )  # fmt: skip
    population = None
    if evidence.part is not None:
        staged = latest_ready(evidence.store, each.name, dict.fromkeys(names, "VARCHAR"))
        counts = " + ".join(f"count({identifier(name)})" for name in names) or "0"
        population = int(
            evidence.one(
                f"""SELECT {counts} AS n FROM {staged} AS r
                SEMI JOIN {evidence.crosswalk} AS c ON c.key = r._key"""
            )
        )
    return kept.on(
        Result(
            id=f"{ID}.{each.name}.references",
            check=ID,
            object=each.name,
            title=f"References of {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared + empty,
            population=population,
            figures={"references": compared, "wrong": wrong, "waiting for their record": empty},
            decisions=decisions,
            tables=(Table("By field", ("field", "expected", "found"), tuple(lines), ("expected", "found")),),
        )
    )
