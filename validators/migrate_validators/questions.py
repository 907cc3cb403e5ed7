"""Do both systems give the same answer to the questions that the business asks every week?

Each question of the plan is asked twice in SQL, of the extract and of the target read anew; and where the
plan says how, of each vendor itself, whose own figure must be that side's. A figure that a vendor doesn't
give is `not available`: it is never a pass. An old system that goes on living may have other figures by now;
then its own answer is told, and is amber. While cohorts of the plan wait for their start, the target holds
a part of the company: nothing is asked yet, and that is amber, too. Once a cohort is switched, people work on
its records in the target: old and new are compared without these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from migrate.clock import parse_stamp
from migrate.connector import OTHER, Answer, AnswersTotals, By, NotAnswered, Question, Where
from migrate.engine import identifier, reason
from migrate.errors import Parked, Retriable, SystemRefused, UsageError
from migrate.plan.figures import is_file, vendor_key
from migrate_validators.asking import Asked, Role, Silent, ask
from migrate_validators.classes import FAIL, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.invariants import compiled
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.sums import exact
from migrate_validators.unstarted import FIGURE, unstarted
from migrate_validators.wording import without_folders

if TYPE_CHECKING:
    from migrate.catalog import Catalog, Field
    from migrate.plan.figures import QuestionPlan, VendorFigure

ID = "questions"
LINES, SHOWN = 10_000, 200  # of one answer; of the table on the page
RECORDS, TOTAL = "records", "total"  # the columns that a vendor's own count and sum are held against
NOT_AVAILABLE = "not available"
EMPTY = "(empty)"

Key = tuple[str, ...]
Figures = dict[Key, dict[str, Any]]


@dataclass
class Vendor:
    """A vendor's own answer: figures by key, or why there are none. `moved`: records changed meanwhile."""

    label: str
    figures: Figures | None = None
    why: str = ""
    route: str = ""
    moved: int = 0


@dataclass
class Answers:
    """All answers to one question. `measures`: the columns that are figures. `ours`: old and new, without the
    records that are at home in the target; where there are none, the same."""

    measures: tuple[str, ...]
    old: Figures
    new: Figures
    ours: tuple[Figures, Figures]
    vendors: dict[Role, Vendor] = field(default_factory=dict)


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a question of the plan."""
    questions = evidence.plan.model.validate_.questions
    waiting = unstarted(evidence) if questions else 0
    for asked in questions:
        id = f"{ID}.{re.sub(r'[^a-z0-9]+', '_', asked.name.lower()).strip('_') or 'question'}"
        yield _later(id, asked, waiting) if waiting else _question(evidence, id, asked)


def _later(id: str, asked: QuestionPlan, waiting: int) -> Result:
    told = f"Not asked yet: {many(waiting, 'record')} of other cohorts aren't there before these start."
    return Result(
        id=id, check=ID, object="", title=asked.name, verdict=Verdict.WARN, summary=told, compared=0,
        figures={FIGURE: waiting},
    )  # fmt: skip


def _question(evidence: Evidence, id: str, asked: QuestionPlan) -> Result:
    try:
        answers = _answers(evidence, asked)
    except (ValueError, OSError, duckdb.Error) as error:
        told = without_folders(reason(error))
        return Result(
            id=id, check=ID, object="", title=asked.name, verdict=Verdict.ERROR,
            summary=f"It can't be asked: {told}", compared=0,
            decisions=(Decision(Verdict.ERROR, f"“{asked.name}” can't be asked", "Migration engineer"),),
        )  # fmt: skip
    for role, figure in (("source", asked.vendor.source), ("target", asked.vendor.target)):
        if figure is not None:
            answers.vendors[role] = _vendor(evidence, role, figure, answers)  # type: ignore[index,arg-type]
    rows = list(_differences(answers))
    names = ["key", "field", "class", "grade", "expected", "found", "between"]
    kept = evidence.keep(id, f"SELECT * FROM {evidence.texts(f'{id} rows', rows, names)}")
    keys = list(dict.fromkeys([*answers.ours[0], *answers.ours[1]]))
    silent = [one for one in answers.vendors.values() if one.figures is None]
    apart = sum(row["between"] == "old and new" for row in rows)
    compared = len(keys) * len(answers.measures)
    if not keys and evidence.at_home and answers.old:
        verdict, summary = Verdict.WARN, "All records that it is about are at home in the target."
    elif not keys:
        verdict, summary = Verdict.EMPTY, "Neither system has an answer."
    elif kept.failing:
        verdict = Verdict.FAIL
        summary = f"{apart:,} of {many(compared, 'figure')} differ between old and new"
        if kept.failing > apart:
            summary += f"; {kept.failing - apart:,} aren't what a system counts itself"
        summary += "."
    else:
        verdict = Verdict.WARN if kept.grades.get(WARN) or silent else Verdict.PASS
        summary = f"{many(compared, 'figure')} agree."
    for one in silent:
        summary += f" {one.label}'s own figure: {NOT_AVAILABLE} ({one.why})."
    for one in answers.vendors.values():
        if one.moved:
            summary += f" {one.label} has gone on: {many(one.moved, 'record')} changed since the extract."
    own = {f"own figures of {one.label}": one.route or NOT_AVAILABLE for one in answers.vendors.values()}
    return kept.on(
        Result(
            id=id, check=ID, object="", title=asked.name, verdict=verdict, summary=summary, compared=compared,
            figures={"figures": compared, "old and new differ": apart} | own,
            tables=(_table(asked, answers, keys, part=bool(evidence.at_home)),),
            decisions=tuple(_decisions(asked, id, kept.failing, silent)),
        )
    )  # fmt: skip


def _decisions(asked: QuestionPlan, id: str, failing: int, silent: Sequence[Vendor]) -> Iterator[Decision]:
    if failing:
        what = f"“{asked.name}”: {many(failing, 'figure')} differ"
        yield Decision(Verdict.FAIL, what, "Sales operations", command=f"migrate diff {id}")
    for one in silent:
        yield Decision(
            Verdict.WARN,
            f"“{asked.name}”: {one.label}'s own figure is {NOT_AVAILABLE}",
            "Migration engineer",
            one.why,
        )


# -- in SQL -----------------------------------------------------------------------------------


def _answers(evidence: Evidence, asked: QuestionPlan) -> Answers:
    found, ours = {}, {}
    for side, statement in (("source", asked.source), ("target", asked.target)):
        file = evidence.plan.beside(statement.strip()) if is_file(statement) else None
        written = file.read_text("utf-8") if file is not None else statement
        found[side] = ours[side] = _asked(evidence, compiled(evidence, written), side, asked.key)
        if evidence.at_home:
            ours[side] = _asked(evidence, compiled(evidence, written, ours=True), side, asked.key)
    (old_names, old), (new_names, new) = found["source"], found["target"]
    if sorted(old_names) != sorted(new_names):
        raise ValueError(f"the source gives {', '.join(old_names)}, the target {', '.join(new_names)}")
    return Answers(tuple(old_names), old, new, (ours["source"][1], ours["target"][1]))


def _asked(evidence: Evidence, query: str, side: str, key: Sequence[str]) -> tuple[list[str], Figures]:
    names = [str(row["column_name"]) for row in evidence.rows(f"DESCRIBE {query}")]
    if missing := [name for name in key if name not in names]:
        raise ValueError(f"the {side} gives no column `{missing[0]}`, which is of the `key`")
    measures = [name for name in names if name not in key]
    if not measures:
        raise ValueError(f"the {side} gives no figure, only the `key`")
    listed = [
        f"coalesce(CAST({identifier(name)} AS VARCHAR), '{EMPTY}') AS {identifier(name)}" for name in key
    ]
    listed += [f"{identifier(name)}" for name in measures]
    rows = evidence.rows(f"SELECT {', '.join(listed)} FROM ({query}) LIMIT {LINES + 1}")
    if len(rows) > LINES:
        raise ValueError(f"the {side} gives more than {LINES:,} lines")
    found: Figures = {}
    for row in rows:
        place = tuple(str(row[name]) for name in key)
        if place in found:
            raise ValueError(f"the {side} gives `{' / '.join(place) or 'its one line'}` twice")
        found[place] = {name: _number(row[name]) for name in measures}
    return measures, found


def _number(value: Any) -> Any:
    """A figure in one form: numbers as decimals (a float to its tenth digit), the rest as text."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return Decimal(str(round(value, 10)))
    return Decimal(value) if isinstance(value, (int, Decimal)) else str(value)


# -- by the vendors ---------------------------------------------------------------------------


def _vendor(evidence: Evidence, role: Role, figure: VendorFigure, answers: Answers) -> Vendor:
    asked = ask(evidence, role)
    if isinstance(asked, Silent):
        system = evidence.plan.model.source if role == "source" else evidence.plan.model.target
        return Vendor(system.system, why=asked.why)
    if not isinstance(asked.connector, AnswersTotals):
        return Vendor(asked.label, why="it counts nothing by itself")
    question = Question(
        figure.object, tuple(By(*vendor_key(by)) for by in figure.by), figure.sum,
        tuple(_where(one.field, one.op, one.values) for one in figure.where),
    )  # fmt: skip
    ours = answers.old if role == "source" else answers.new
    catalog = evidence.source if role == "source" else evidence.target
    try:
        found = _of_vendor(asked, asked.connector.totals(question), question, catalog, ours)
        if role == "target" and any(_apart(found.figures or {}, ours)):
            # What it counts by may follow the records with a lag.
            evidence.clock.sleep(evidence.connector.limits.settle)
            found = _of_vendor(asked, asked.connector.totals(question), question, catalog, ours)
        if role == "source" and any(_apart(found.figures or {}, ours)):
            found.moved = _changed_since(evidence, asked.connector, figure.object)
    except NotAnswered as error:
        return Vendor(asked.label, why=error.why)
    except (SystemRefused, Parked, Retriable, UsageError) as error:
        if role == "target":
            raise
        return Vendor(asked.label, why=str(error).splitlines()[0])
    return found


def _where(name: str, op: str, values: Sequence[str]) -> Where:
    if op == "filled":
        return Where(name, "filled")
    if not values:
        return Where(name, "empty" if op == "=" else "filled")
    return Where(name, "in" if len(values) > 1 else op, tuple(values))  # type: ignore[arg-type]


def _of_vendor(asked: Asked, answer: Answer, question: Question, catalog: Catalog, ours: Figures) -> Vendor:
    fields = catalog.objects[question.object].fields
    figures: Figures = {}
    for one in answer.totals:
        called = tuple(
            _called(catalog, fields[by.field], value)
            for by, value in zip(question.by, one.values, strict=True)
        )
        plain = tuple(EMPTY if value is None else value for value in one.values)
        place = called if called in ours or plain not in ours else plain
        told = figures.setdefault(place, {RECORDS: Decimal(0)})
        told[RECORDS] += one.count
        if question.sum is not None:
            told[TOTAL] = told.get(TOTAL, Decimal(0)) + (one.sum or Decimal(0))
    return Vendor(asked.label, figures, route=answer.route)


def _called(catalog: Catalog, field: Field, value: str | None) -> str:
    """A vendor's value as the question's SQL should name it: an option's label, an owner's e-mail."""
    if value is None:
        return EMPTY
    if value == OTHER:
        return OTHER
    if field.owner:
        return next(((one.email or one.name).lower() for one in catalog.owners if one.id == value), value)
    return next((one.label for one in field.options if one.value == value), value)


def _apart(theirs: Figures, ours: Figures) -> Iterator[tuple[Key, str, Any, Any]]:
    """Where a vendor's own figures aren't those of its side: key, measure, theirs, ours."""
    measures = {name for told in theirs.values() for name in told}
    shared = measures & {name for told in ours.values() for name in told} if ours else measures
    for place in dict.fromkeys([*theirs, *ours]):
        for name in sorted(shared):
            its, mine = theirs.get(place, {}).get(name), ours.get(place, {}).get(name)
            if (its or Decimal(0)) != (mine or Decimal(0)):
                yield place, name, its, mine


def _changed_since(evidence: Evidence, connector: AnswersTotals, object: str) -> int:
    """How many records the old system has changed since the extract; 0 where it can't tell."""
    manifests = evidence.store.manifests("source", object)
    schema = evidence.source.objects.get(object)
    began = str(manifests[-1].facts.get("watermark") or "") if manifests else ""
    if not began or schema is None or schema.stamp is None:
        return 0
    at = parse_stamp(began).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    found = connector.totals(Question(object, where=(Where(schema.stamp, ">=", (at,)),)))
    return sum(one.count for one in found.totals)


# -- told -------------------------------------------------------------------------------------


def _differences(answers: Answers) -> Iterator[dict[str, str | None]]:
    before, after = answers.ours
    for place in dict.fromkeys([*before, *after]):
        for name in answers.measures:
            old, new = before.get(place, {}).get(name), after.get(place, {}).get(name)
            if old != new:
                yield _row(place, name, old, new, FAIL, "old and new")
    for role, one in answers.vendors.items():
        ours = answers.old if role == "source" else answers.new
        grade = WARN if one.moved else FAIL
        for place, name, its, mine in _apart(one.figures, ours) if one.figures is not None else ():
            yield _row(place, name, its, mine, grade, f"{one.label} itself and its records")


def _row(place: Key, name: str, old: Any, new: Any, grade: str, between: str) -> dict[str, str | None]:
    key = " / ".join(place) or "in all"
    kind = Class.COUNT if name == RECORDS else Class.SUM
    return {"key": key, "field": f"{name}: {between}", "class": kind.value, "grade": grade,
            "expected": _plain(old), "found": _plain(new), "between": between}  # fmt: skip


def _plain(value: Any) -> str | None:
    if not isinstance(value, Decimal):
        return None if value is None else str(value)
    return f"{int(value)}" if value == value.to_integral_value() else exact(value)


def _table(asked: QuestionPlan, answers: Answers, keys: Sequence[Key], *, part: bool) -> Table:
    """Old and new beside each other, as they were compared.

    Args:
        part: of the company; the vendors' own figures are of the whole and stand beside nothing here.
    """
    vendors = [] if part else list(answers.vendors.values())
    columns = list(asked.key)
    for name in answers.measures:
        columns += [f"{name}, old", f"{name}, new"]
        if name in (RECORDS, TOTAL):
            columns += [f"{name}, {one.label} itself" for one in vendors]
    every = list(dict.fromkeys([*keys, *(key for one in vendors for key in one.figures or {})]))
    rows = []
    for place in sorted(every)[:SHOWN]:
        line: list[Any] = list(place)
        for name in answers.measures:
            line += [_cell(figures, place, name) for figures in answers.ours]
            if name in (RECORDS, TOTAL):
                line += [_own(one, place, name) for one in vendors]
        rows.append(tuple(line))
    notes = [f"The first {SHOWN} of {len(every):,} lines."] if len(every) > SHOWN else []
    if part:
        notes.append("Without records that are at home in the target. What a vendor counts itself is whole.")
    return Table(asked.name, tuple(columns), tuple(rows), tuple(columns[len(asked.key) :]), " ".join(notes))


def _cell(figures: Mapping[Key, Mapping[str, Any]], place: Key, name: str) -> str:
    return _plain(figures.get(place, {}).get(name)) or "–"


def _own(one: Vendor, place: Key, name: str) -> str:
    if one.figures is None:
        return NOT_AVAILABLE
    if not any(name in each for each in one.figures.values()):
        return "not asked"
    return _plain(one.figures.get(place, {}).get(name)) or "–"
