"""What will users notice that no check calls a fault? Forced losses and changed looks, counted.

Each has an id under which somebody accepts it in the plan (`validate: notices:`), by name; `cut` accepts
every `cut.…`. What nobody accepted is amber, and what has become more than was accepted is red.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.held import held_sql
from migrate.stages.crosswalk import latest, latest_extracted, latest_ready, rows_of
from migrate.types import TEXTUAL
from migrate_validators.evidence import sql_type
from migrate_validators.expected import columns_of
from migrate_validators.model import Section, Table, Verdict, many
from migrate_validators.screen import TITLES

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate.plan.validation import NoticePlan
    from migrate_validators.evidence import Evidence
    from migrate_validators.screen import Seen

# Rules of holding values that change what a person sees.
_LOOKS = ("trim", "trim_blanks", "trim_end", "seconds", "lower", "file_name")
SHOWN = 40


@dataclass(frozen=True)
class Notice:
    """One thing that users will notice. `n`: how often; `where`: fields and their counts, for people."""

    id: str
    what: str
    n: int
    where: str = ""


def section(seen: Seen) -> Section:
    """Every notice with who accepted it."""
    accepted = list(seen.evidence.plan.model.validate_.notices)
    found = list(notices(seen))
    rows, worst = [], Verdict.PASS
    open_ = 0
    for each in found:
        by = next(
            (one for one in accepted if each.id == one.what or each.id.startswith(f"{one.what}.")), None
        )
        state, who = _state(each, by)
        open_ += state is not Verdict.PASS
        worst = max(worst, state, key=(Verdict.PASS, Verdict.WARN, Verdict.FAIL).index)
        rows.append((each.n, each.what, each.where, who, each.id))
    told = f"{many(len(found), 'kind')} of loss or change"
    told += f", {open_:,} not accepted yet." if open_ else ", each accepted by name." if found else "."
    columns = ("how many", "what", "where", "accepted by", "id")
    return Section(
        "notices", TITLES["notices"], worst, told if found else "Nothing was lost or looks otherwise.",
        figures={"kinds": len(found), "not accepted": open_},
        tables=(
            Table("Forced losses and changed looks", columns, tuple(rows[:SHOWN]), ("how many",),
                  f"The first {SHOWN} of {len(rows):,}." if len(rows) > SHOWN else ""),
        ) if rows else (),
        facts={"notices": [
            {"id": each.id, "what": each.what, "n": each.n, "where": each.where} for each in found
        ]},
    )  # fmt: skip


def _state(each: Notice, by: NoticePlan | None) -> tuple[Verdict, str]:
    if by is None:
        return Verdict.WARN, "nobody yet"
    if by.at_most is not None and each.n > by.at_most:
        return Verdict.FAIL, f"{by.by} accepted {by.at_most:,} at most"
    return Verdict.PASS, f"{by.by}{f': {by.reason}' if by.reason else ''}"


def notices(seen: Seen) -> Iterator[Notice]:
    """Everything that users will notice, entry by entry, and what holds for all."""
    evidence = seen.evidence
    created = 0
    for flow in seen.facts["flows"]:
        created += int(flow["ends"].get("created", 0))
        if flow["merged"]:
            yield Notice(f"merged.{flow['source']}", f"{flow['source']} merged into another", flow["merged"])
    for each in evidence.moving:
        yield from _cut(evidence, each)
        yield from _looks(evidence, each)
        yield from _former(evidence, each)
    for source in dict.fromkeys(each.source for each in evidence.moving):
        yield from _left(evidence, source)
    for result in seen.results:
        if result.check == "links" and result.id.endswith(".texts"):
            stays = int(result.figures.get("still in the target", 0))
            if stays:
                yield Notice(f"old-links.{result.object}", "Texts that still hold an old address", stays)
    if created:
        yield Notice(
            "stamps", "Records whose history and modification stamp begin with the migration", created
        )


def _cut(evidence: Evidence, each: ObjectPlan) -> Iterator[Notice]:
    """Texts that were longer than the target takes."""
    cuts = rows_of(
        evidence.store, latest(evidence.store, "cuts", each.name), {"_key": "VARCHAR", "field": "VARCHAR"}
    )
    rows = evidence.rows(
        f"""SELECT field, count(*) AS n FROM {cuts} SEMI JOIN {evidence.crosswalk} AS c ON c.key = _key
        GROUP BY field ORDER BY n DESC, field"""
    )
    if rows:
        fields = evidence.target_schema(each.target).fields
        where = ", ".join(f"{fields[r['field']].label} {int(r['n']):,}" for r in rows if r["field"] in fields)
        yield Notice(
            f"cut.{each.name}", f"Texts of {each.name} cut to what the target takes",
            sum(int(row["n"]) for row in rows), where,
        )  # fmt: skip


def _looks(evidence: Evidence, each: ObjectPlan) -> Iterator[Notice]:
    """Values that the target's vendor keeps otherwise than they are sent."""
    fields = evidence.target_schema(each.target).fields
    rules = {
        name: [rule for rule in fields[name].held if rule in _LOOKS]
        for name in columns_of(evidence, each)
        if fields[name].kind in TEXTUAL and name not in (each.key.field, each.key.old_id, each.key.old_url)
    }
    rules = {name: found for name, found in rules.items() if found}
    if not rules:
        return
    staged = latest_ready(evidence.store, each.name, dict.fromkeys(rules, "VARCHAR"))
    counts = ", ".join(
        f"count(*) FILTER ({identifier(name)} IS DISTINCT FROM {held_sql(found, identifier(name))}) "
        f"AS {identifier(name)}"
        for name, found in rules.items()
    )
    row = evidence.rows(
        f"SELECT {counts} FROM {staged} AS s SEMI JOIN {evidence.crosswalk} AS c ON c.key = s._key"
    )[0]
    changed = {name: int(n) for name, n in row.items() if n}
    if changed:
        where = ", ".join(f"{fields[name].label} {n:,}" for name, n in sorted(changed.items()))
        yield Notice(
            f"looks.{each.name}",
            f"Values of {each.name} that the target keeps without blanks at their ends, or in lower case",
            sum(changed.values()), where,
        )  # fmt: skip


def _former(evidence: Evidence, each: ObjectPlan) -> Iterator[Notice]:
    """Records that another person owns now, since the old owner isn't in the target."""
    for field in each.fields.values():
        if field.former:
            staged = latest_ready(evidence.store, each.name, {field.former: "VARCHAR"})
            n = int(
                evidence.one(
                    f"""SELECT count(*) AS n FROM {staged} AS s SEMI JOIN {evidence.crosswalk} AS c
                    ON c.key = s._key WHERE s.{identifier(field.former)} <> ''"""
                )
            )
            if n:
                yield Notice(
                    f"owners.{each.name}", f"{each.name} of an owner who has left: another person owns them",
                    n, f"the former owner's name stands in {field.former}",
                )  # fmt: skip


def _left(evidence: Evidence, source: str) -> Iterator[Notice]:
    """Fields that people filled at the source and that the plan doesn't name."""
    schema = evidence.source.objects.get(source)
    if schema is None:
        return
    said = _said(evidence, source)
    names = [
        field.name
        for field in schema.fields.values()
        if field.createable and not field.calculated and not re.search(rf"\b{re.escape(field.name)}\b", said)
    ]
    if not names:
        return
    types = {name: sql_type(schema.fields[name]) for name in names}
    filled = ", ".join(
        f"count(*) FILTER ({_filled(name, types[name])}) AS {identifier(name)}" for name in names
    )
    row = evidence.rows(f"SELECT {filled} FROM {latest_extracted(evidence.store, source, types)}")[0]
    found = sorted(((int(n), name) for name, n in row.items() if n), reverse=True)
    if found:
        where = ", ".join(f"{schema.fields[name].label} {n:,}" for n, name in found[:6])
        more = f" and {len(found) - 6:,} more" if len(found) > 6 else ""
        yield Notice(
            f"left.{source}", f"Values of {source} in fields that the plan doesn't move",
            sum(n for n, _ in found), f"{where}{more}",
        )  # fmt: skip


def _filled(name: str, kind: str) -> str:
    column = identifier(name)
    if kind == "VARCHAR":
        return f"{column} <> {text('')}"
    # A box that nobody ticked holds nothing that anybody would miss.
    return column if kind == "BOOLEAN" else f"{column} IS NOT NULL"


def _said(evidence: Evidence, source: str) -> str:
    """Everything that the plan says of a source object; a field that isn't named in it goes nowhere."""
    model = evidence.plan.model
    parts = [each.model_dump_json(by_alias=True) for each in model.objects if each.source == source]
    parts += [each.model_dump_json(by_alias=True) for each in model.consent if each.source == source]
    parts += [
        link.model_dump_json(by_alias=True)
        for each in model.objects
        for link in each.links
        if link.through == source
    ]
    return "\n".join(parts)
