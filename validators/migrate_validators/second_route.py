"""Do the systems themselves count as many records as we read, and the same money?

The vendor's own aggregate query is a second route: it reads no record, so that a page that our reading lost,
or an API's cap, can't hide in it. Of the source it is asked for the records that haven't changed since the
extract began, and for how many have; of the target for what it holds now. What a sharing rule hides from our
user it may hide from the user's counts as well: `permissions` tells whether the user may see everything.

A figure that a vendor doesn't give is `not available`. That is no pass: the line says so, and an entry of
which one system gives no count at all is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp
from migrate.connector import OTHER, Answer, AnswersTotals, By, NotAnswered, Question, Where
from migrate.engine import identifier
from migrate.errors import Parked, Retriable, SystemRefused, UsageError
from migrate.stages.crosswalk import current_ids, rows_of
from migrate.types import Kind
from migrate_validators.asking import COLUMNS, NOT_AVAILABLE, Asked, Role, Silent, ask
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.reading import fields_filled, fields_read

if TYPE_CHECKING:
    from migrate.catalog import Field, ObjectSchema
    from migrate.plan.models import ObjectPlan

ID = "second_route"
TITLE = "The systems' own counts"
RECORDS = "records"
GROUPINGS = 3  # by which a sum is asked for: owners first, then the first picklists
_WIDE = Context(prec=76)
_Row = dict[str, str]


@dataclass
class _Compared:
    """What was asked and found of one entry's objects. `lines`: what, the vendor's, ours, how."""

    lines: list[tuple[str, str, str, str]] = field(default_factory=list)
    rows: list[_Row] = field(default_factory=list)
    counted: int = 0
    sums: int = 0
    missing: list[str] = field(default_factory=list)
    since: int = 0
    hidden: int = 0  # records that a system counts and we didn't get to see
    uncounted: bool = False  # a system gave no count at all

    def equal(self, asked: Asked, object: str, what: str, theirs: Any, ours: Any, route: str) -> None:
        self.lines.append((f"{asked.label} {object}: {what}", _shown(theirs), _shown(ours), route))

    def differs(
        self,
        asked: Asked,
        object: str,
        what: str,
        theirs: Any,
        ours: Any,
        route: str,
        grade: str,
        kind: Class,
    ) -> None:
        self.equal(asked, object, what, theirs, ours, route)
        self.hidden += max(0, theirs - ours) if kind is Class.COUNT and grade == FAIL else 0
        self.rows.append(
            {"id": f"{asked.label}: {object}", "field": what, "class": kind.value, "grade": grade,
             "expected": _shown(theirs), "found": _shown(ours), "system": asked.role, "route": route}
        )  # fmt: skip

    def lacks(self, what: str, why: str) -> None:
        self.missing.append(why)
        self.lines.append((what, f"{NOT_AVAILABLE.lower()}: {why}", "", ""))


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry, of its objects in both systems; an object of several entries with the first."""
    seen: set[tuple[Role, str]] = set()
    read = fields_read(evidence.plan, evidence.source)
    for each in evidence.present:
        found = _Compared()
        if ("source", each.source) not in seen:
            seen.add(("source", each.source))
            _of(evidence, "source", each.source, read.get(each.source, ()), found)
        if ("target", each.target) not in seen:
            seen.add(("target", each.target))
            _of(evidence, "target", each.target, fields_filled(evidence.plan, each.target), found)
        if found.lines:
            yield _entry(evidence, each, found)


def _of(evidence: Evidence, role: Role, object: str, names: Sequence[str], found: _Compared) -> None:
    asked = ask(evidence, role)
    if isinstance(asked, Silent):
        found.uncounted = True
        found.lacks(f"{role} {object}", asked.why)
        return
    schema = asked.was.objects.get(object)
    if schema is None or not isinstance(asked.connector, AnswersTotals):
        found.uncounted = True
        found.lacks(f"{asked.label} {object}", f"{asked.label} counts nothing by itself")
        return
    try:
        if role == "source":
            _source(evidence, asked, schema, names, found)
        else:
            _target(evidence, asked, schema, names, found)
    except NotAnswered as error:
        found.uncounted = True
        found.lacks(f"{asked.label} {object}", error.why)
    except (SystemRefused, Parked, Retriable, UsageError) as error:
        if role == "target":
            raise
        found.uncounted = True
        found.lacks(f"{asked.label} {object}", str(error).splitlines()[0])


# -- the source -------------------------------------------------------------------------------


def _source(
    evidence: Evidence, asked: Asked, schema: ObjectSchema, names: Sequence[str], found: _Compared
) -> None:
    """Compare with the extract what hasn't changed since it began."""
    manifests = evidence.store.manifests("source", schema.name)
    began = str(manifests[-1].facts.get("watermark") or "") if manifests else ""
    stamp = schema.stamp if began else None
    rows = _extract(evidence, schema, stamp, names)
    ours = int(evidence.one(f"SELECT count(*) AS n FROM {rows}"))
    whole = _ask(asked, Question(schema.name))
    total = _count(whole)
    found.counted += ours
    if stamp is None:
        if total != ours:
            # Nothing tells which came since.
            found.differs(asked, schema.name, RECORDS, total, ours, whole.route, WARN, Class.COUNT)
            return
        found.equal(asked, schema.name, RECORDS, total, ours, whole.route)
        _sums(evidence, asked, schema, rows, (), names, found)
        return
    at = parse_stamp(began)
    before = Where(stamp, "<", (_wire(at),))
    unchanged = _count(_ask(asked, Question(schema.name, where=(before,))))
    kept = int(evidence.one(f"SELECT count(*) AS n FROM {rows} WHERE {_earlier(stamp, at)}"))
    found.since += max(0, total - unchanged - (ours - kept))
    what = f"{RECORDS} unchanged since the extract"
    if unchanged > kept:
        found.differs(asked, schema.name, what, unchanged, kept, whole.route, FAIL, Class.COUNT)
        return
    should = kept - _touched(evidence, asked, schema, rows, at, total - unchanged)
    if unchanged > should:
        # Perhaps hidden; perhaps made since with an earlier date than that.
        found.differs(asked, schema.name, what, unchanged, should, whole.route, WARN, Class.COUNT)
        return
    found.equal(asked, schema.name, what, unchanged, should, whole.route)
    if should > unchanged:
        note = "in our extract, and counted no more: changed or deleted since"
        found.lines.append((f"{asked.label} {schema.name}: {note}", "", f"{should - unchanged:,}", ""))
    if total == unchanged == kept:
        _sums(evidence, asked, schema, rows, (before,), names, found)
    else:
        why = f"{many(total - unchanged, 'record')} changed since the extract"
        found.lines.append((f"{asked.label} {schema.name}: sums", f"not compared: {why}", "", ""))


def _touched(
    evidence: Evidence, asked: Asked, schema: ObjectSchema, rows: str, at: datetime, newer: int
) -> int:
    """How many records that we read with an earlier stamp have changed since; 0 where it can't be told.

    Args:
        newer: records that bear a stamp of since then now: changed, made since, or read with it already.
    """
    created = schema.created
    held = {str(row["column_name"]) for row in evidence.rows(f"DESCRIBE SELECT * FROM {rows}")}
    if created is None or created not in held:
        return 0
    born = _count(_ask(asked, Question(schema.name, where=(Where(created, ">=", (_wire(at),)),))))
    late = f"NOT coalesce({_earlier(str(schema.stamp), at)}, false) AND {_earlier(created, at)}"
    read = int(evidence.one(f"SELECT count(*) AS n FROM {rows} WHERE {late}"))
    return max(0, newer - born - read)


def _extract(evidence: Evidence, schema: ObjectSchema, stamp: str | None, names: Sequence[str]) -> str:
    """A query of the latest extracted row of each record that the source has."""
    manifests = evidence.store.manifests("source", schema.name)
    listed = dict.fromkeys([*names, *(one for one in (stamp, schema.created) if one)])
    wanted = [name for name in listed if name in schema.fields]
    types = {name: sql_type(schema.fields[name]) for name in wanted}
    rows = rows_of(evidence.store, manifests, {"_id": "VARCHAR"} | types, generation=True)
    order = (
        f"{identifier(schema.stamp)} DESC NULLS LAST, _gen DESC" if stamp and schema.stamp else "_gen DESC"
    )
    newest = (
        "" if len(manifests) < 2 else f"QUALIFY row_number() OVER (PARTITION BY _id ORDER BY {order}) = 1"
    )
    live = current_ids(evidence.store, schema.name, schema.stamp)
    return f"(SELECT * FROM {rows} WHERE _id IN {live} {newest})"


# -- the target -------------------------------------------------------------------------------


def _target(
    evidence: Evidence, asked: Asked, schema: ObjectSchema, names: Sequence[str], found: _Compared
) -> None:
    """Compare with the target as it was read anew; an index that follows the records gets time to do so."""
    rows = evidence.found(schema.name)
    ours = int(evidence.one(f"SELECT count(*) AS n FROM {rows}"))
    answer = _ask(asked, Question(schema.name))
    if _count(answer) != ours:
        evidence.clock.sleep(evidence.connector.limits.settle)
        answer = _ask(asked, Question(schema.name))
    theirs, what = _count(answer), RECORDS
    found.counted += ours
    taken = str(evidence.snapshots[schema.name].facts.get("taken") or "")
    if theirs != ours and schema.stamp and taken:
        at = parse_stamp(taken)
        what = f"{RECORDS} unchanged since they were read"
        theirs = _count(_ask(asked, Question(schema.name, where=(Where(schema.stamp, "<", (_wire(at),)),))))
        ours = int(evidence.one(f"SELECT count(*) AS n FROM {rows} WHERE {_earlier('_stamp', at)}"))
    if theirs == ours:
        found.equal(asked, schema.name, what, theirs, ours, answer.route)
        _sums(evidence, asked, schema, rows, (), names, found)
        return
    # Fewer than we read: deleted or changed meanwhile. More: we didn't get to see them.
    grade = FAIL if theirs > ours else WARN
    found.differs(asked, schema.name, what, theirs, ours, answer.route, grade, Class.COUNT)


# -- sums -------------------------------------------------------------------------------------


def _sums(
    evidence: Evidence, asked: Asked, schema: ObjectSchema, rows: str, where: tuple[Where, ...],
    names: Sequence[str], found: _Compared,
) -> None:  # fmt: skip
    """Money by the vendor's own sums: in all, and by what the plan's picklists and owners group it by."""
    there = {str(row["column_name"]) for row in evidence.rows(f"DESCRIBE SELECT * FROM {rows}")}
    held = {name: schema.fields[name] for name in names if name in schema.fields and name in there}
    money = [one for one in held.values() if one.kind is Kind.MONEY]
    groups: list[Field | None] = [None]
    picked = [one for one in held.values() if one.owner or (one.kind is Kind.PICKLIST and one.options)]
    groups += sorted(picked, key=lambda one: not one.owner)[:GROUPINGS]
    for one in money:
        for by in groups:
            what = f"sum of {one.label}" + (f" by {by.label}" if by else "")
            question = Question(schema.name, (By(by.name),) if by else (), one.name, where)
            try:
                answer = _ask(asked, question)
            except NotAnswered as error:
                found.lacks(f"{asked.label} {schema.name}: {what}", error.why)
                if by is None:
                    break  # neither are there sums by group
                continue
            _groups(evidence, asked, schema, rows, one, by, answer, what, found)


def _groups(
    evidence: Evidence, asked: Asked, schema: ObjectSchema, rows: str, one: Field, by: Field | None,
    answer: Answer, what: str, found: _Compared,
) -> None:  # fmt: skip
    key = f"nullif(CAST({identifier(by.name)} AS VARCHAR), '')" if by else "NULL"
    ours = {
        row["g"]: row["s"]
        for row in evidence.rows(
            f"SELECT {key} AS g, sum(CAST({identifier(one.name)} AS DECIMAL(38, 10))) AS s FROM {rows} "
            "GROUP BY ALL HAVING s IS NOT NULL"
        )
    }
    theirs = {
        (total.values[0] if by else None): total.sum for total in answer.totals if total.sum is not None
    }
    if OTHER in theirs:
        found.lacks(f"{asked.label} {schema.name}: {what}", "it holds values that it lists no more")
        return
    found.sums += len(ours.keys() | theirs.keys())
    for group in sorted(ours.keys() | theirs.keys(), key=str):
        old, new = _exact(theirs.get(group), one), _exact(ours.get(group), one)
        named = f"{what}: {group if group is not None else '(empty)'}" if by else what
        if old != new:
            found.differs(asked, schema.name, named, old, new, answer.route, FAIL, Class.SUM)
        elif by is None:
            found.equal(asked, schema.name, named, old, new, answer.route)


def _exact(value: Decimal | None, one: Field) -> Decimal:
    """To the field's own digits: a vendor may sum in floats."""
    scale = one.scale if one.scale is not None else 2
    return (value or Decimal(0)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_EVEN, _WIDE)


# -- asking -----------------------------------------------------------------------------------


def _ask(asked: Asked, question: Question) -> Answer:
    assert isinstance(asked.connector, AnswersTotals)  # noqa: S101 - its caller has looked
    return asked.connector.totals(question)


def _count(answer: Answer) -> int:
    return sum(total.count for total in answer.totals)


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _earlier(column: str, at: datetime) -> str:
    """SQL: a row's stamp is before an instant, to the millisecond in which vendors are asked."""
    return f"TRY_CAST({identifier(column)} AS TIMESTAMPTZ) < TIMESTAMPTZ '{_wire(at)}'"


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, (int, Decimal)) else str(value)


# -- the result -------------------------------------------------------------------------------


def _entry(evidence: Evidence, each: ObjectPlan, found: _Compared) -> Result:
    kept = evidence.keep_few(f"{ID}.{each.name}", found.rows, (*COLUMNS, "route"))
    missing = "; ".join(dict.fromkeys(found.missing))
    if kept.failing:
        verdict = Verdict.FAIL
        first = found.rows[[row["grade"] for row in found.rows].index(FAIL)]
        summary = (
            f"{first['id']}: {first['field']}: the system says {first['expected']}, we read {first['found']}."
        )
    elif not found.counted:
        verdict = Verdict.WARN if missing else Verdict.EMPTY
        summary = f"{NOT_AVAILABLE}: {missing}" if missing else "Nothing was counted."
    elif kept.row_count:
        verdict, summary = Verdict.WARN, "A system counts otherwise than we read, and may have changed since."
    else:
        verdict = Verdict.PASS
        summary = (
            f"{many(found.counted, 'record')} and {many(found.sums, 'sum')} are as the systems count them."
        )
    if missing and found.counted:
        summary += f" {NOT_AVAILABLE}: {missing}."
    if found.uncounted and verdict is Verdict.PASS:
        verdict = Verdict.WARN
    decisions: tuple[Decision, ...] = ()
    if kept.failing:
        decisions = (
            Decision(
                Verdict.FAIL, f"{each.name}: a system holds more than we read, or other sums",
                owner="Administrators of both systems",
                where="Let our user see all records; extract and validate again",
                command=f"migrate diff {ID}.{each.name}",
            ),
        )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.source} to {each.target}",
            verdict=verdict,
            summary=summary,
            compared=found.counted,
            figures={
                "records compared": found.counted,
                "sums compared": found.sums,
                "counted by a system and not read by us": found.hidden,
                "changed at the source since the extract": found.since,
                "not available": len(found.missing),
            },
            tables=(
                Table("Asked of the systems themselves", ("what", "the system says", "we read", "asked by"),
                      tuple(found.lines), ("the system says", "we read")),
            ),
            decisions=decisions,
        )
    )  # fmt: skip
