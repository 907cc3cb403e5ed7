"""What do people say of their own records? Each `not OK` that still stands is a difference with a lasting id.

The answers are in the ledger (`migrate uat`); a failure is closed when the same tester says OK of the same
thing, or by a waiver. Where no sheet was ever made, nothing is said, for nobody was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from migrate.engine import text
from migrate_validators.classes import FAIL, Class
from migrate_validators.evidence import Evidence
from migrate_validators.model import Decision, Result, Section, Table, Verdict, many, worst

if TYPE_CHECKING:
    from migrate.ledger.people import Answer
    from migrate.plan.models import ObjectPlan
    from migrate_validators.screen import Seen

ID = "people"
TITLE = "People's own test"
_COLUMNS = ("key", "field", "expected", "found", "tester", "remark", "at", "file")


def check(evidence: Evidence) -> Iterator[Result]:
    """One result an entry of which somebody was asked; one of the whole where nobody answered yet."""
    if not evidence.sheets:
        return
    entries = [each for each in evidence.objects if _of(evidence, each)]
    for each in entries:
        yield _entry(evidence, each, _of(evidence, each))
    if not entries:
        count = many(len(evidence.sheets), "sheet")
        yield Result(
            id=ID, check=ID, object="", title=TITLE, verdict=Verdict.WARN,
            summary=f"{count} handed out, no answer yet.", compared=0,
            figures={"sheets": len(evidence.sheets)},
            decisions=(
                Decision(Verdict.WARN, f"{count} handed out, no answer yet", "The testers",
                         command="migrate uat read FILE…"),
            ),
        )  # fmt: skip


def _of(evidence: Evidence, each: ObjectPlan) -> list[Answer]:
    return [one for one in evidence.reported if one.entry == each.name]


def _entry(evidence: Evidence, each: ObjectPlan, answers: Sequence[Answer]) -> Result:
    failures = [one for one in answers if not one.ok]
    rows = [
        {"key": one.key, "field": one.field or None, "expected": one.expected, "found": one.found,
         "tester": one.tester, "remark": one.remark, "at": one.at, "file": one.file}
        for one in failures
    ]  # fmt: skip
    table = evidence.texts(f"people {each.name}", rows, _COLUMNS)
    kept = evidence.keep(
        f"{ID}.{each.name}",
        f"""SELECT p.key, c.target_id AS id, p.field, '{Class.REPORTED}' AS class, '{FAIL}' AS grade,
            p.expected, p.found, p.tester, p.remark, p.at, p.file
        FROM {table} AS p LEFT JOIN (SELECT key, any_value(target_id) AS target_id FROM {evidence.crosswalk}
            WHERE object = {text(each.target)} GROUP BY key) AS c ON c.key = p.key
        ORDER BY p.key, p.field NULLS FIRST, p.tester""",
    )
    testers, records = len({one.tester for one in answers}), len({one.key for one in answers})
    asked = f"{many(testers, 'tester')} looked at {many(records, 'record')}"
    decisions: tuple[Decision, ...] = ()
    if failures:
        verdict, summary = Verdict.FAIL, f"{asked}: {len(failures):,} not OK."
        decisions = (
            Decision(
                Verdict.FAIL, f"{len(failures):,} findings of people in {each.target}", "Data owner",
                "Mend them, let the tester look again, or waive them", f"migrate diff {ID}.{each.name}",
            ),
        )  # fmt: skip
    else:
        verdict, summary = Verdict.PASS, f"{asked}, all of them OK."
    return kept.on(
        Result(
            id=f"{ID}.{each.name}", check=ID, object=each.name, title=f"{TITLE}: {each.target}",
            verdict=verdict, summary=summary, compared=len(answers),
            figures={"testers": testers, "records": records, "answers": len(answers),
                     "not OK": len(failures)},
            decisions=decisions,
        )
    )  # fmt: skip


def section(seen: Seen) -> Section | None:
    """Who tested, how many sheets are back, and what is open; not set up where nobody was asked."""
    from migrate_validators.screen import TITLES

    sheets, answers = seen.evidence.sheets, seen.evidence.reported
    if not sheets:
        return None
    back = {one.sheet for one in answers}
    failures = [one for one in answers if not one.ok]
    records = {(one.entry, one.key) for one in answers}
    found = worst([each.verdict for each in seen.results if each.check == ID]) if answers else Verdict.WARN
    testers = sorted({each.tester for each in sheets})
    if found is Verdict.PASS and any(not _back(answers, tester) for tester in testers):
        found = Verdict.WARN
    returned = sum(each.id in back for each in sheets)
    rows = []
    for tester in testers:
        own = [one for one in answers if one.tester == tester]
        last = max((one.at for one in own), default="")
        rows.append(
            (tester, sum(each.records for each in sheets if each.tester == tester),
             len({(one.entry, one.key) for one in own}), sum(not one.ok for one in own), last)
        )  # fmt: skip
    rows.sort(key=lambda row: (-row[3], row[2] > 0, row[0]))
    return Section(
        ID, TITLES[ID], found,
        f"{many(len(testers), 'tester')}, {returned:,} of {many(len(sheets), 'sheet')} back, "
        f"{many(len(records), 'record')}, {many(len(failures), 'open failure')}.",
        figures={"testers": len(testers), "sheets": len(sheets), "sheets back": returned,
                 "records": len(records), "open failures": len(failures)},
        tables=(
            Table("By tester", ("tester", "records asked", "records answered", "not OK", "at"), tuple(rows),
                  ("records asked", "records answered", "not OK")),
        ),
    )  # fmt: skip


def _back(answers: Sequence[Answer], tester: str) -> bool:
    return any(one.tester == tester for one in answers)
