"""Do texts still hold addresses of the old system, and could they hold new ones?

What a text should be is worked out again: every old address in the staged text, replaced by the address of
the record of the target that bears the old one's migration key, as read now. The journal is not asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from migrate.engine import identifier, text
from migrate.rewriting import Addresses, rewritten_fields
from migrate.stages.addresses import LOT, addresses_of
from migrate.stages.crosswalk import latest_ready
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.model import Decision, Result, Verdict

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.evidence import Evidence

ID = "links"
_VALUES = pa.schema([("_key", pa.string()), ("value", pa.large_string())])
_LEFT = pa.schema([(name, pa.string()) for name in ("key", "id", "field", "old", "new")])


def addresses(evidence: Evidence) -> Addresses | None:
    """New addresses of old records, by the keys of the target's own records; made once a validation."""
    return evidence.once(("addresses",), lambda: _addresses(evidence))


def _addresses(evidence: Evidence) -> Addresses | None:
    moved = " UNION ALL ".join(
        f"SELECT _key AS key, {text(object)} AS object, _id AS id FROM {evidence.known(object)} "
        "WHERE _key IS NOT NULL"
        for object in dict.fromkeys(each.target for each in evidence.plan.model.objects)
        if object in evidence.snapshots
    )

    def read(object: str, name: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        if evidence.part is not None:
            held = evidence.connector.read_back(object, [name], ids=ids)
            return {one.asked: one.values.get(name) for one in held}
        listed = ", ".join(map(text, ids))
        rows = evidence.rows(
            f"SELECT _id, {identifier(name)} AS url FROM {evidence.found(object)} WHERE _id IN ({listed})"
        )
        return {row["_id"]: row["url"] for row in rows}

    return addresses_of(
        evidence.engine, evidence.store, evidence.plan, evidence.source, evidence.target, moved, read
    )


def rewritten(evidence: Evidence, each: ObjectPlan, name: str) -> str | None:
    """Table (_key, value) of the staged texts whose addresses change; None where the field is left alone."""
    known = addresses(evidence)
    if known is None or name not in rewritten_fields(each):
        return None
    table = evidence.table(f"texts {each.name} {name}", "SELECT '' AS _key, '' AS value WHERE false")
    staged = latest_ready(evidence.store, each.name, {name: "VARCHAR"})
    field = evidence.target_schema(each.target).fields[name]
    for batch in _texts(evidence, known, each, staged, name, "_key"):
        found = [(row, known.find(row["text"], each, name, row["_key"])) for row in batch]
        urls = known.of(old for _, olds in found for old in olds)
        rows = [
            {"_key": row["_key"], "value": known.rewritten(row["text"], olds, field, urls)}
            for row, olds in found
        ]
        evidence.engine.insert(table, pa.Table.from_pylist(rows, schema=_VALUES))
    return table


def _texts(
    evidence: Evidence, known: Addresses, each: ObjectPlan, rows: str, name: str, also: str
) -> Iterator[list[dict[str, str]]]:
    reader = evidence.engine.stream(
        f"""SELECT {also}, {identifier(name)} AS text FROM {rows}
        WHERE {known.condition(each, name, identifier(name))} ORDER BY _key""",
        rows=LOT,
    )
    for batch in reader:
        yield batch.to_pylist()


def check_texts(evidence: Evidence, each: ObjectPlan) -> Result:
    """Old addresses in the staged texts of what was loaded, and those that the target's texts still hold."""
    known = addresses(evidence)
    assert known is not None  # noqa: S101 - the entry rewrites some
    found, could, left = 0, 0, Counter[str]()
    table = evidence.table(
        f"old addresses {each.name}",
        "SELECT " + ", ".join(f"'' AS {identifier(column)}" for column in _LEFT.names) + " WHERE false",
    )
    for name in rewritten_fields(each):
        staged = latest_ready(evidence.store, each.name, {name: "VARCHAR"})
        loaded = f"(SELECT s.* FROM {staged} AS s SEMI JOIN {evidence.crosswalk} AS c ON c.key = s._key)"
        for batch in _texts(evidence, known, each, loaded, name, "_key"):
            found += sum(len(known.find(row["text"], each, name, row["_key"])) for row in batch)
        ours = f"(SELECT * FROM {evidence.found(each.target)} WHERE {evidence.owns(each, '_key')})"
        for batch in _texts(evidence, known, each, ours, name, "_key, _id"):
            olds = [(row, old) for row in batch for old in known.find(row["text"], each, name, row["_key"])]
            urls = known.of(old for _, old in olds)
            rows = [
                {
                    "key": row["_key"],
                    "id": row["_id"],
                    "field": name,
                    "old": old.url,
                    "new": urls.get(old.ids),
                }
                for row, old in olds
            ]
            could += sum(row["new"] is not None for row in rows)
            left[name] += len(rows)
            evidence.engine.insert(table, pa.Table.from_pylist(rows, schema=_LEFT))
    stays = sum(left.values())
    name = f"{ID}.{each.name}.texts"
    kept = evidence.keep(
        name,
        f"""SELECT key, id, field || ': ' || old AS field, '{Class.CHANGED}' AS class,
        CASE WHEN new IS NULL THEN '{WARN}' ELSE '{FAIL}' END AS grade, new AS expected, old AS found
        FROM {table} ORDER BY ALL""",
    )
    if not found and not stays:
        verdict, summary = Verdict.EMPTY, "No text holds an address of the old system."
    elif could:
        verdict, summary = Verdict.FAIL, f"{_count(could)} could be new ones."
    elif stays:
        verdict = Verdict.WARN
        summary = f"{stays:,} of {_count(found)} lead to nothing in the target."
    else:
        verdict = Verdict.PASS
        summary = f"{_count(found)} rewritten, none left."
    decision = Decision(
        Verdict.FAIL if could else Verdict.WARN, f"{stays:,} texts of {each.target} hold an old address",
        owner="Data owner", where="Their records weren't moved; accept it, or mend the texts",
        command=f"migrate diff {name}",
    )  # fmt: skip
    return kept.on(
        Result(
            id=name,
            check=ID,
            object=each.name,
            title=f"Old addresses in texts of {each.target}",
            verdict=verdict,
            summary=summary,
            compared=found + stays,
            figures={
                "old addresses in the source's texts": found,
                "still in the target": stays,
                "of these, could be new ones": could,
            },
            decisions=(decision,) if stays else (),
        )
    )


def _count(number: int) -> str:
    return f"{number:,} old address{'' if number == 1 else 'es'}"
