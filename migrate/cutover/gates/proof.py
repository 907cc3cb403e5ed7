"""Is the proof fresh, whole, of this plan and without an open difference?

A validation counts that began after the last write and after the drain, so that it saw everything. It may go
on from a whole look that is no older than the plan's bound: its cost in the freeze follows the changes, not
the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate_validators.report import Report, last_written

from migrate.clock import parse_stamp
from migrate.cutover import trail
from migrate.cutover.freezing import DRAINED
from migrate.cutover.gates.evidence import last_write
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.errors import Damaged, UsageError
from migrate.ledger.validations import last_validation
from migrate.plan.terms import parse_span

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover

ID = "validation"
AGAIN = "migrate validate --changes --full-every {bound}"
OPENS = ("pass", "warn")


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One on the validation as such; one for each of its checks that is red, by the check's id."""
    bound = cutover.workspace.plan.model.cutover.gate.validation
    again = AGAIN.format(bound=_option(parse_span(bound)))
    stale = _stale(cutover, bound)
    if stale:
        yield red(ID, stale, again, about=ID)
        return
    report = last_written(cutover.workspace)
    try:
        document = report.document()
    except Damaged as error:
        yield red(ID, str(error).splitlines()[0], again, about=ID)
        return
    yield _of(cutover, report, document, again)
    yield from _reds(document)


def _stale(cutover: Cutover, bound: str) -> str:
    """Why the last validation is no evidence now; "" if it is."""
    ledger, clock = cutover.workspace.ledger, cutover.workspace.clock
    found = last_validation(ledger)
    if found is None:
        return "Nothing was validated yet."
    if found.ended is None:
        return f"The validation that began at {found.started} hasn't come to its end."
    if found.part:
        return "The last validation looked at a part only."
    if found.attempt != ledger.attempt():
        return f"The last validation was of attempt {found.attempt}, which is over."
    for what, at in (("the last write", last_write(ledger)), ("the drain", _drained(cutover))):
        if at and parse_stamp(found.started) < parse_stamp(at):
            return f"The last validation began at {found.started}, before {what} ({at})."
    try:
        report = last_written(cutover.workspace)
    except (UsageError, Damaged) as error:
        return str(error).splitlines()[0]
    if report.digest != found.digest:
        return "The latest report isn't the one that the ledger knows."
    if clock.now() - parse_stamp(found.started) > parse_span(bound):
        return f"The last validation began at {found.started}; it may be {bound} old."
    return ""


def _drained(cutover: Cutover) -> str:
    """When the freeze's last delta ended. The move won't do: a red gate moves back to drained as well."""
    found = trail.events(cutover.workspace.ledger, DRAINED, cutover.cohort)
    return found[-1].at if found else ""


def _of(cutover: Cutover, report: Report, document: dict[str, Any], again: str) -> GateLine:
    """Whether it is of this plan, its whole look young enough, and its verdict one that opens a gate."""
    plan, bound = cutover.workspace.plan, cutover.workspace.plan.model.cutover.gate.validation
    if document["plan"]["digest"] != plan.digest:
        return red(ID, "The last validation is of another plan.", again, about=ID)
    oldest = min((_whole(each) for each in document["read"].values()), default="")
    now = cutover.workspace.clock.now()
    if oldest and now - parse_stamp(oldest) > parse_span(bound):
        words = f"The target was last read whole at {oldest}; that may be {bound} ago."
        return red(ID, words, "migrate validate", about=ID)
    verdict = report.verdict.value
    figure = f"{verdict}, began {document['started']}, whole look {oldest or document['started']}"
    if verdict not in OPENS and not any(True for _ in _reds(document)):
        # A section of the first screen is red (a waiver has run out, a decision is overdue), and no check.
        red_parts = [each["id"] for each in document["screen"] if each["verdict"] in ("fail", "error")]
        words = f"The report is red in {', '.join(red_parts) or 'its verdict'}: {document['summary']}"
        return red(ID, words, "migrate report", figure, about=[ID, *red_parts])
    return green(ID, "The target was compared with the source, whole and after the last write.", figure)


def _whole(facts: dict[str, Any]) -> str:
    return str(facts.get("whole") or facts.get("taken") or "")


def _reds(document: dict[str, Any]) -> Iterator[GateLine]:
    for each in document["results"]:
        if each["verdict"] not in OPENS:
            yield red(
                f"check:{each['id']}", f"{each['title']}: {each['summary']}", f"migrate diff {each['id']}",
                f"{each['verdict']}, {each['row_count']:,} of {each['compared']:,}",
                about=[each["id"], each["verdict"], each["row_count"], each["summary"]],
            )  # fmt: skip


def _option(span: timedelta) -> str:
    """As `--full-every` takes it."""
    return f"{int(span.total_seconds() // 60)}m"
