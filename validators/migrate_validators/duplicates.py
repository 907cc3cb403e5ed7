"""Did the migration make duplicates? Likely ones among people and companies, before and after.

Before: what was extracted and not skipped, all entries of one target object together, by the plan's own
expressions. After: every record of the target, read anew, those of others too. The migration made a pair
where we created one of the two, and they weren't a likely pair at the source: two of ours, or ours beside one
that was there. Each is listed with both ids and its score, for a person to look at; nothing
here merges anything. How pairs are found and scored stands in `likely.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migrate.engine import identifier, text
from migrate.plan.likeness import words
from migrate.plan.validation import DuplicatesPlan
from migrate.types import Kind
from migrate_validators.classes import WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.likely import (
    CAP,
    DOMAIN,
    EMAIL,
    NAME,
    PHONE,
    WINDOW,
    Likely,
    find,
)
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.origins import as_text, joined, original, origins

if TYPE_CHECKING:
    from migrate.catalog import Field
    from migrate.plan.models import ObjectPlan

ID = "duplicates"
TITLE = "No duplicates made"
_WORDS = {
    EMAIL: ("email", "email address", "e mail", "work email", "person email"),
    PHONE: ("phone", "mobile phone", "mobilephone", "mobile", "phone number", "home phone", "telephone"),
    DOMAIN: ("domain", "website", "web site", "url"),
    NAME: ("name", "first name", "firstname", "last name", "lastname", "full name", "fullname"),
}
_PERSONS = ("first name", "firstname", "last name", "lastname")

Aspects = dict[str, list[str]]


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a target object that holds people or companies, or that the plan names."""
    seen: set[str] = set()
    for each in evidence.moving:
        if each.target in seen:
            continue
        seen.add(each.target)
        entries = [one for one in evidence.plan.model.objects if one.target == each.target]
        names = {one.name for one in entries}
        asked = next((one for one in evidence.plan.model.validate_.duplicates if one.entry in names), None)
        aspects = _aspects(evidence, entries, asked.on if asked else ())
        if asked or _compared_anyway(each, aspects):
            yield _object(evidence, each, entries, aspects, asked or DuplicatesPlan(entry=each.name))


def _aspects(evidence: Evidence, entries: Sequence[ObjectPlan], on: Sequence[str]) -> Aspects:
    """What each target field tells of a record, of those whose value at the source can be told, too."""
    fields = evidence.target_schema(entries[0].target).fields
    found: Aspects = {}
    for name in on or dict.fromkeys(name for one in entries for name in one.fields):
        field = fields.get(name)
        filling = [one for one in entries if name in one.fields]
        if field is None or not all(_told(evidence, one, name) for one in filling):
            continue
        aspect = _aspect(name, field)
        if aspect or on:
            found.setdefault(aspect or NAME, []).append(name)
    return found


def _told(evidence: Evidence, each: ObjectPlan, name: str) -> bool:
    field = each.fields[name]
    return not (field.picklist or field.owner or field.reference) and name in origins(evidence, each)


def _aspect(name: str, field: Field) -> str | None:
    if field.kind not in (Kind.STRING, Kind.TEXT):
        return None
    return next((aspect for aspect, known in _WORDS.items() if words(name) in known), None)


def _compared_anyway(each: ObjectPlan, aspects: Aspects) -> bool:
    """People have an e-mail address, companies a domain; a history of mails has both, and is neither."""
    return each.activity is None and bool({EMAIL, DOMAIN} & aspects.keys())


def _object(
    evidence: Evidence,
    each: ObjectPlan,
    entries: Sequence[ObjectPlan],
    aspects: Aspects,
    asked: DuplicatesPlan,
) -> Result:
    person = EMAIL in aspects or any(words(name) in _PERSONS for name in aspects.get(NAME, ()))
    company = not person or aspects.keys() == {NAME}  # where there is nothing else, a name is enough
    looked: dict[str, Likely] = {}
    for side, rows in (
        ("source", _before(evidence, entries, aspects)),
        ("target", _texts(evidence.found(each.target), "_id", aspects)),
    ):
        evidence.progress(f"duplicates of {each.target} in the {side}", len(looked), 2)
        looked[side] = find(
            evidence.engine, evidence.table, f"duplicates {each.target} {side}", rows,
            threshold=asked.threshold, company=company, gmail_dots=asked.ignore_gmail_dots,
        )  # fmt: skip
    before, after = looked["source"], looked["target"]
    made = _made(evidence, each.target, before, after)
    kept = evidence.keep(f"{ID}.{each.name}", _listed(evidence, each.target, made, aspects))
    beside = int(evidence.one(f"SELECT count(*) AS n FROM {made} WHERE other_key IS NULL"))
    figures: dict[str, Any] = {}
    for where, one in (("at the source", before), ("in the target", after)):
        figures |= {
            f"records {where}": one.records,
            f"clusters {where}": one.groups,
            f"likely duplicates {where}": one.superfluous,
            f"rate {where}": rate(one.superfluous, one.records),
        }
    figures |= {
        "pairs made by the migration": kept.row_count,
        "of them with a record that was there before": beside,
        "pairs scored": before.candidates + after.candidates,
        "blocks too large to compare each with each": before.larges + after.larges,
    }
    rates = f"{figures['rate at the source']} before, {figures['rate in the target']} after"
    decisions: tuple[Decision, ...] = ()
    if not aspects or not before.records or not after.records:
        verdict, summary = Verdict.EMPTY, "No record was compared."
    elif kept.row_count:
        verdict = Verdict.WARN
        summary = f"{many(kept.row_count, 'likely pair')} made by the migration; duplicates: {rates}."
        decisions = (
            Decision(
                Verdict.WARN, f"{many(kept.row_count, 'likely duplicate')} made in {each.target}",
                owner="Data owner", where="Merge them in the target, or widen `match` or `dedupe`",
                command=f"migrate diff {ID}.{each.name}",
            ),
        )  # fmt: skip
    else:
        verdict, summary = Verdict.PASS, f"No likely pair was made by the migration; duplicates: {rates}."
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.target}",
            verdict=verdict,
            summary=summary,
            compared=after.records if before.records and aspects else 0,
            figures=figures,
            tables=tuple(_tables(aspects, looked, asked.threshold, company=company)),
            decisions=decisions,
        )
    )


def _before(evidence: Evidence, entries: Sequence[ObjectPlan], aspects: Aspects) -> str:
    """A query of what the source held of these records: `id` is the migration key."""
    parts = []
    for one in entries:
        told = {name: made.sql for name, made in origins(evidence, one).items()}
        mine = {name: told[name] for names in aspects.values() for name in names if name in told}
        rows = original(evidence, one, mine, "e.outcome <> 'skipped'")
        parts.append(_texts(rows, "_key", aspects, mine))
    return " UNION ALL ".join(parts)


def _texts(rows: str, id: str, aspects: Aspects, there: Mapping[str, Any] | None = None) -> str:
    """A query of `id` (a column) and the four texts: of a name all fields, else the first filled."""
    items = []
    for aspect in (EMAIL, PHONE, DOMAIN, NAME):
        columns = [
            as_text(identifier(name)) for name in aspects.get(aspect, ()) if there is None or name in there
        ]
        sql = joined(columns) if aspect == NAME else f"coalesce({', '.join([*columns, 'NULL::VARCHAR'])})"
        items.append(f"{sql} AS {aspect}")
    return f"SELECT {id} AS id, {', '.join(items)} FROM {rows}"


def _made(evidence: Evidence, target: str, before: Likely, after: Likely) -> str:
    """Table of the pairs that weren't one at the source, the record that we created first."""
    ours = f"""(SELECT target_id, min(key) AS key, bool_and(origin = 'adopt') AS adopted
        FROM {evidence.crosswalk} WHERE object = {text(target)} GROUP BY target_id)"""
    were = f"""(SELECT e.target_id, list(DISTINCT c.cluster) AS clusters FROM {before.clusters} AS c
        JOIN {evidence.ends} AS e ON e.key = c.id WHERE e.target_id IS NOT NULL GROUP BY e.target_id)"""
    pairs = f"""(SELECT p.score, p.shared, x.key AS a_key, y.key AS b_key, p.a, p.b,
            x.key IS NOT NULL AND NOT x.adopted AS a_made, y.key IS NOT NULL AND NOT y.adopted AS b_made
        FROM {after.pairs} AS p LEFT JOIN {ours} AS x ON x.target_id = p.a
        LEFT JOIN {ours} AS y ON y.target_id = p.b
        LEFT JOIN {were} AS v ON v.target_id = p.a LEFT JOIN {were} AS w ON w.target_id = p.b
        WHERE NOT coalesce(list_has_any(v.clusters, w.clusters), false))"""
    return evidence.table(
        f"duplicates {target} made",
        f"""SELECT CASE WHEN a_made THEN a_key ELSE b_key END AS key,
            CASE WHEN a_made THEN a ELSE b END AS id, CASE WHEN a_made THEN b_key ELSE a_key END AS other_key,
            CASE WHEN a_made THEN b ELSE a END AS other_id, score, shared
        FROM {pairs} WHERE a_made OR b_made""",
    )


def _listed(evidence: Evidence, target: str, made: str, aspects: Aspects) -> str:
    names = [name for aspect in (NAME, EMAIL, DOMAIN, PHONE) for name in aspects.get(aspect, ())]
    shown = joined([as_text(identifier(name)) for name in names])
    rows = f"(SELECT _id, {shown} AS words FROM {evidence.found(target)})"
    return f"""SELECT m.key, m.id, 'beside ' || m.other_id AS field, '{Class.DUPLICATE}' AS class,
        '{WARN}' AS grade, x.words AS expected, y.words AS found, m.other_id, m.other_key, m.score, m.shared
        FROM {made} AS m LEFT JOIN {rows} AS x ON x._id = m.id LEFT JOIN {rows} AS y ON y._id = m.other_id
        ORDER BY m.score DESC, m.key, m.other_id"""


def _tables(
    aspects: Aspects, looked: Mapping[str, Likely], threshold: float, *, company: bool
) -> Iterator[Table]:
    by = tuple((aspect, ", ".join(names)) for aspect, names in aspects.items())
    yield Table("Compared by", ("what", "fields"), by, note=f"A pair scores at least {threshold:g} of 100.")
    # Of people only how a value begins: it is their address, their number or their name.
    large = [
        (side, one.kind, one.value if company else f"{one.value[:2]}…", one.records)
        for side, found in looked.items()
        for one in found.large
    ]
    if large:
        note = f"Of more than {CAP} records: each was compared with its {WINDOW} neighbours by name only."
        columns = ("side", "alike in", "value", "records")
        yield Table("Blocks too large to compare each with each", columns, tuple(large), ("records",), note)


def rate(part: int, whole: int) -> str:
    """A share in percent, with two digits."""
    return f"{100 * part / whole:.2f} %" if whole else "0.00 %"
