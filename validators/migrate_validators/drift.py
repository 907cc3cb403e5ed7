"""Has somebody changed one of the systems since `discover`? Their fields then and now, beside each other.

Of every object of the plan: fields that are gone, of another type, shorter, required now, no longer to be
written; picklist values that are gone, switched off or called otherwise; new fields without which a create is
refused. What touches a field that the plan reads or fills is a failure: the comparison, the next delta or a
rollback would meet another system than the plan was checked against. All else is told. What only became wider
(a longer text, a further value) is told as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.stages.option_changes import became, come
from migrate_validators.asking import COLUMNS, NOT_AVAILABLE, Role, Silent, ask, catalog_now
from migrate_validators.classes import FAIL, KNOWN, WARN, Class
from migrate_validators.evidence import Evidence
from migrate_validators.keeping import Kept
from migrate_validators.model import Decision, Result, Verdict, many
from migrate_validators.reading import fields_filled, fields_read

if TYPE_CHECKING:
    from migrate.catalog import Field, ObjectSchema
    from migrate.plan.models import ObjectPlan

ID = "drift"
TITLE = "The systems are as they were discovered"
OPTIONS = 20  # changed values that a row names
_BY_PREPARE = "made by prepare"  # as `migrate.plan.needs` calls what the catalog doesn't hold yet


@dataclass(frozen=True)
class Change:
    """What became of a field. `was`, `now`: in words."""

    field: str
    grade: str
    was: str
    now: str


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry, of its objects in both systems; an object of several entries with the first."""
    seen: set[tuple[Role, str]] = set()
    read = fields_read(evidence.plan, evidence.source)
    for each in evidence.objects:
        sides: list[tuple[Role, str, Sequence[str]]] = []
        if ("source", each.source) not in seen:
            sides.append(("source", each.source, read.get(each.source, ())))
        if ("target", each.target) not in seen:
            sides.append(("target", each.target, fields_filled(evidence.plan, each.target)))
        seen |= {(role, object) for role, object, _ in sides}
        if sides:
            yield _entry(evidence, each, sides)


def _entry(evidence: Evidence, each: ObjectPlan, sides: Sequence[tuple[Role, str, Sequence[str]]]) -> Result:
    rows: list[dict[str, str]] = []
    compared, silent = 0, ""
    for role, object, used in sides:
        catalog = catalog_now(evidence, role)
        asked = ask(evidence, role)
        was = (evidence.source if role == "source" else evidence.target).objects.get(object)
        if isinstance(catalog, Silent) or isinstance(asked, Silent):
            silent = catalog.why if isinstance(catalog, Silent) else ""
            continue
        if was is None:
            continue  # `check` tells of an object that was never there
        compared += len(was.fields)
        changes = changed(was, catalog.objects.get(object), used, filled=role == "target")
        rows += [
            {"id": f"{asked.label}: {object}", "field": one.field, "class": Class.SCHEMA.value,
             "grade": one.grade, "expected": one.was, "found": one.now, "system": role}
            for one in changes
        ]  # fmt: skip
    kept = evidence.keep_few(f"{ID}.{each.name}", rows, COLUMNS)
    verdict, summary = _said(kept, compared, silent)
    decisions: tuple[Decision, ...] = ()
    if kept.failing:
        decisions = (
            Decision(
                Verdict.FAIL, f"{many(kept.failing, 'field')} of {each.name} changed since `discover`",
                owner="Administrators of both systems", where="Undo it there, or take it into the plan",
                command="migrate discover; migrate check",
            ),
        )  # fmt: skip
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {', '.join(object for _, object, _ in sides)}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={
                "fields compared": compared,
                "changed, and in use by the plan": kept.failing,
                "changed, to be looked at": kept.grades.get(WARN, 0),
                "changed otherwise": kept.grades.get(KNOWN, 0),
            },
            decisions=decisions,
        )
    )


def _said(kept: Kept, compared: int, silent: str) -> tuple[Verdict, str]:
    if kept.failing:
        return Verdict.FAIL, f"{many(kept.failing, 'field')} that the plan uses changed since `discover`."
    if silent:
        return Verdict.WARN, f"{NOT_AVAILABLE} of the source: {silent}"
    if not compared:
        return Verdict.EMPTY, "No field was compared."
    if kept.grades.get(WARN):
        return Verdict.WARN, f"{many(kept.grades[WARN], 'field')} changed in a way that may matter."
    others = (
        f"; {many(kept.row_count, 'field')} changed that the plan has no use for" if kept.row_count else ""
    )
    return Verdict.PASS, f"{many(compared, 'field')} compared with what `discover` found{others}."


# -- what changed -----------------------------------------------------------------------------


def changed(
    was: ObjectSchema, now: ObjectSchema | None, used: Collection[str], *, filled: bool
) -> list[Change]:
    """What became of an object's fields.

    Args:
        now: None: the object isn't there, or our user may not see it.
        used: fields with which the plan has to do.
        filled: it is written to.
    """
    if now is None:
        return [Change("", FAIL, "an object", "gone, or not visible to our user")]
    found = []
    for name, field in was.fields.items():
        mine = FAIL if name in used else KNOWN
        after = now.fields.get(name)
        if after is None:
            found.append(Change(name, mine, f"a {field.kind.value}", "gone, or not visible to our user"))
            continue
        parts = list(_attributes(field, after, filled=filled)) + list(_options(field, after, filled=filled))
        if parts and field.vendor_type != _BY_PREPARE:
            grades = {FAIL: mine, WARN: WARN if name in used else KNOWN, KNOWN: KNOWN}
            worst = min((grades[grade] for grade, _, _ in parts), key=(FAIL, WARN, KNOWN).index)
            found.append(
                Change(name, worst, _listed([b for _, b, _ in parts]), _listed([a for *_, a in parts]))
            )
    for name, field in now.fields.items():
        if name not in was.fields:
            refuses = filled and field.required and name not in used
            found.append(Change(name, FAIL if refuses else KNOWN, "not there", _born(field)))
    return found


def _born(field: Field) -> str:
    return f"a {field.kind.value}" + (", required" if field.required else "")


def _attributes(was: Field, now: Field, *, filled: bool) -> Iterator[tuple[str, str, str]]:
    """(grade, before, after) of each attribute that differs."""
    if was.kind is not now.kind:
        yield FAIL, was.kind.value, now.kind.value
    for name in ("length", "precision", "scale"):
        old, new = getattr(was, name), getattr(now, name)
        if old != new:
            shorter = old is None or (new is not None and new < old)
            yield FAIL if shorter else KNOWN, f"{name} {_bound(old)}", f"{name} {_bound(new)}"
    for name, worse in (("required", True), ("unique", True), ("createable", False), ("updateable", False)):
        old, new = getattr(was, name), getattr(now, name)
        if old != new:
            # Of the source nothing is written: there it is only told.
            yield FAIL if filled and new is worse else KNOWN, _flag(name, old), _flag(name, new)


def _bound(value: int | None) -> str:
    return "unbounded" if value is None else f"{value:,}"


def _flag(name: str, value: bool) -> str:
    return name if value else f"not {name}"


def _options(was: Field, now: Field, *, filled: bool) -> Iterator[tuple[str, str, str]]:
    there = {option.value: option for option in now.options}
    for option, _ in became(was.options, now.options):
        after = there.get(option.value)
        if after is None or not after.active:
            yield FAIL, f"`{option.value}`", f"`{option.value}` {'gone' if after is None else 'switched off'}"
        else:
            yield WARN, f"`{option.value}` called {option.label}", f"`{option.value}` called {after.label}"
    for option in come(was.options, now.options):
        # A new value of the source has no home in a map; a new one of the target waits for nobody.
        yield KNOWN if filled else WARN, "", f"`{option.value}` new"


def _listed(parts: Sequence[str]) -> str:
    told = [part for part in parts if part]
    more = f" and {len(told) - OPTIONS:,} more" if len(told) > OPTIONS else ""
    return ", ".join(told[:OPTIONS]) + more
