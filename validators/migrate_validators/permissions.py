"""May our user read every field that the plan names, or did we compare nulls?

A vendor hides a field in one of two ways: it says that there is none (Salesforce, HubSpot), or it gives null
for every record (Dataverse). So a field that was there at `discover` is looked for in what the system tells
now; and of one that is empty in every row of the extract, or of the re-read target, the vendor is asked how
many records have it filled. A field that is hidden in either way is a failure, whatever the other checks say
of it. What the credential lacks otherwise, such as the right to see everybody's records, is told as a
warning: what it hides can't be counted by the same credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from migrate.connector import AnswersTotals, NotAnswered, Question, Rights, Where
from migrate.engine import identifier
from migrate.errors import Parked, Retriable, SystemRefused, UsageError
from migrate.stages.crosswalk import rows_of
from migrate.types import Kind
from migrate_validators.asking import (
    COLUMNS,
    NOT_AVAILABLE,
    Asked,
    Role,
    Silent,
    ask,
    catalog_now,
    rights_now,
)
from migrate_validators.classes import FAIL, KNOWN, Class
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.model import Decision, Result, Table, Verdict, many
from migrate_validators.reading import fields_filled, fields_read

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.plan.models import ObjectPlan

ID = "permissions"
TITLE = "Every field of the plan can be read"
_EMPTY = "empty in every row"
_GONE = "not shown to our user, or gone"


@dataclass
class _Looked:
    """What was seen of one entry's objects. `hidden`, `unsure`: rows; `silent`: why a system wasn't asked."""

    fields: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    empty: int = 0
    unsure: int = 0
    silent: str = ""


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry, of its objects in both systems; an object of several entries with the first."""
    seen: set[tuple[Role, str]] = set()
    first = True
    read = fields_read(evidence.plan, evidence.source)
    for each in evidence.objects:
        looked = _Looked()
        sides: list[tuple[Role, str, Sequence[str]]] = [
            ("source", each.source, read.get(each.source, ())),
            ("target", each.target, fields_filled(evidence.plan, each.target)),
        ]
        fresh = [side for side in sides if side[:2] not in seen]
        seen |= {side[:2] for side in sides}
        for role, object, names in fresh:
            _side(evidence, role, object, names, looked)
        if fresh:
            yield _entry(evidence, each, looked, _lacking(evidence) if first else {})
            first = False


def _side(evidence: Evidence, role: Role, object: str, names: Sequence[str], looked: _Looked) -> None:
    asked, catalog = ask(evidence, role), catalog_now(evidence, role)
    was = (evidence.source if role == "source" else evidence.target).objects.get(object)
    if isinstance(asked, Silent) or isinstance(catalog, Silent):
        looked.silent = next(one.why for one in (asked, catalog) if isinstance(one, Silent))
        return
    if was is None:
        return
    known = [name for name in names if name in was.fields and "not_kept" not in was.fields[name].held]
    now = catalog.objects.get(object)
    shown = [name for name in known if now is not None and name in now.fields]
    looked.fields[f"{asked.label} {object}"] = len(known)
    for name in known:
        if name not in shown:
            _row(looked, asked, object, name, FAIL, "readable, as at discover", _GONE)
    if role == "target" and len(shown) < len(known):
        return  # nothing can be read of the object before this is mended
    for name in _all_null(evidence, role, was, shown):
        _ask_of(asked, object, name, looked)


def _row(looked: _Looked, asked: Asked, object: str, name: str, grade: str, was: str, now: str) -> None:
    looked.rows.append(
        {"id": f"{asked.label}: {object}", "field": name, "class": Class.HIDDEN.value, "grade": grade,
         "expected": was, "found": now, "system": asked.role}
    )  # fmt: skip


def _all_null(evidence: Evidence, role: Role, schema: ObjectSchema, names: Sequence[str]) -> list[str]:
    """Those of these fields that no record has a value in, as we read them; none where there is no record."""
    compared = [name for name in names if schema.fields[name].kind not in (Kind.BINARY, Kind.BOOL)]
    if role == "source":
        types = {name: sql_type(schema.fields[name]) for name in compared}
        manifests = evidence.store.manifests("source", schema.name)
        staged = [files[0] for manifest in manifests if (files := evidence.store.files(manifest))]
        held = {name for file in staged for name in pq.read_schema(file).names}
        there = [name for name in compared if name in held]
        rows = rows_of(evidence.store, manifests, {"_id": "VARCHAR"} | types)
    else:
        there = [name for name in compared if name in evidence.snapshots[schema.name].schema]
        rows = evidence.found(schema.name)
    if not there:
        return []
    counts = ", ".join(f"count({identifier(name)}) AS {identifier(name)}" for name in there)
    row = evidence.rows(f"SELECT count(*) AS _rows, {counts} FROM {rows}")[0]
    return [name for name in there if row["_rows"] and not row[name]]


def _ask_of(asked: Asked, object: str, name: str, looked: _Looked) -> None:
    """Ask the vendor how many records have a value in a field that is empty wherever we read it."""
    if not isinstance(asked.connector, AnswersTotals):
        why = "the system counts nothing itself"
    else:
        try:
            answer = asked.connector.totals(Question(object, where=(Where(name, "filled"),)))
        except UsageError as error:
            _row(looked, asked, object, name, FAIL, "readable", str(error).splitlines()[0])
            return
        except (NotAnswered, SystemRefused, Parked, Retriable) as error:
            why = str(error).splitlines()[0]
        else:
            filled = sum(total.count for total in answer.totals)
            if filled:
                told = f"{many(filled, 'record')} with a value ({answer.route})"
                _row(looked, asked, object, name, FAIL, told, _EMPTY)
            else:
                looked.empty += 1
            return
    looked.unsure += 1
    _row(looked, asked, object, name, KNOWN, f"not told: {why}", _EMPTY)


def _lacking(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """By system, what the credential lacks for reading all of it, in the connector's sentences."""
    found: dict[str, tuple[str, ...]] = {}
    roles: tuple[Role, ...] = ("source", "target")
    for role in roles:
        rights, asked = rights_now(evidence, role), ask(evidence, role)
        if isinstance(rights, Rights) and isinstance(asked, Asked) and rights.missing:
            found[asked.label] = rights.missing
    return found


def _entry(
    evidence: Evidence, each: ObjectPlan, looked: _Looked, lacking: dict[str, tuple[str, ...]]
) -> Result:
    kept = evidence.keep_few(f"{ID}.{each.name}", looked.rows, COLUMNS)
    compared = sum(looked.fields.values())
    rights = [(label, words) for label, missing in lacking.items() for words in missing]
    if kept.failing:
        verdict = Verdict.FAIL
        summary = (
            f"{many(kept.failing, 'field')} can't be read by our user: what was compared of it was nulls."
        )
    elif looked.silent:
        verdict, summary = Verdict.WARN, f"{NOT_AVAILABLE} of the source: {looked.silent}"
    elif rights:
        verdict = Verdict.WARN
        summary = f"Every field can be read, but our credential lacks rights: {rights[0][1]}"
    elif not compared:
        verdict, summary = Verdict.EMPTY, "No field was looked for."
    else:
        verdict, summary = Verdict.PASS, f"All {many(compared, 'field')} can be read by our user."
    if looked.unsure:
        summary += f" {many(looked.unsure, 'field')} {_EMPTY}; the system doesn't say whether it is hidden."
    figures: dict[str, Any] = {f"fields of {name}": count for name, count in looked.fields.items()}
    figures |= {
        "not readable": kept.failing,
        f"{_EMPTY}, and by the vendor's own count": looked.empty,
        f"{_EMPTY}, and not counted by the vendor": looked.unsure,
        "rights that the credential lacks": len(rights),
    }
    decisions: list[Decision] = []
    if kept.failing:
        decisions.append(
            Decision(
                Verdict.FAIL, f"{many(kept.failing, 'field')} of {each.name} hidden from our user",
                owner="Administrators of both systems",
                where="Let our user read it; what was read without it must be read again",
                command=f"migrate diff {ID}.{each.name}",
            )
        )  # fmt: skip
    if rights:
        decisions.append(
            Decision(
                Verdict.WARN, f"The credential may not see everything: {rights[0][1]}",
                owner="Administrators of both systems", where="Grant it, extract and validate again",
                command="migrate check --live",
            )
        )  # fmt: skip
    tables = (Table("What our credential lacks", ("system", "what"), tuple(rights)),) if rights else ()
    return kept.on(
        Result(
            id=f"{ID}.{each.name}",
            check=ID,
            object=each.name,
            title=f"{TITLE}: {each.source} to {each.target}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures=figures,
            tables=tables,
            decisions=tuple(decisions),
        )
    )
