"""On what does an approval rest? The digest of everything that must not change between signature and switch.

Two digests. `core` covers what was found: plan, catalogs, the report, what was loaded and how far, the
freeze. `digest` adds what people let stand: who signed before an override signed something else. No system is
asked, so that it is cheap to compute anew at each step: whether a signature holds is never stored. A delta
that brings nothing changes nothing here; the final watermark comes after the freeze, which is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from migrate_validators.page import code_of

from migrate.errors import UsageError
from migrate.ledger.tables import attempts, batches, generations, segments
from migrate.ledger.validations import Validation, last_validation

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover
    from migrate.ledger import Ledger


@dataclass(frozen=True)
class Evidence:
    """What was found. `document`: JSON's types; `excused`: digests of the events by which people let lines
    stand."""

    document: dict[str, Any]
    excused: tuple[str, ...] = ()

    @property
    def core(self) -> str:
        """SHA-256 over what was found."""
        return _digest(self.document)

    @property
    def digest(self) -> str:
        """SHA-256 over that and what people let stand; what is signed."""
        return _digest([self.core, sorted(self.excused)])

    @property
    def code(self) -> str:
        """What the report prints on its first page, to be typed by who signs; "" without a report."""
        report = self.document["validation"]["report"]
        return code_of(report) if report else ""


def gather(cutover: Cutover, excused: Sequence[str] = ()) -> Evidence:
    """The evidence of a cohort as it stands now. Asks the ledger and the plan alone."""
    workspace, ledger = cutover.workspace, cutover.workspace.ledger
    attempt = ledger.attempt()
    frozen = cutover.last("frozen")
    document = {
        "cohort": cutover.cohort,
        "plan": workspace.plan.agreed,
        "loaded": ledger.value(sa.select(attempts.c.plan).where(attempts.c.number == attempt)) or "",
        "attempt": attempt,
        "catalogs": {role: _catalog(cutover, role) for role in ("source", "target")},
        "validation": _validation(last_validation(ledger), attempt),
        "generations": _rows(
            ledger,
            sa.select(generations.c.object, generations.c.number, generations.c.state, generations.c.manifest)
            .where(generations.c.attempt == attempt)
            .order_by(generations.c.object, generations.c.number),
        ),
        "journal": _rows(ledger, sa.select(sa.func.max(segments.c.last_seq), sa.func.sum(segments.c.rows))),
        "batches": _rows(
            ledger,
            sa.select(
                batches.c.state, sa.func.count(), sa.func.sum(batches.c.done), sa.func.sum(batches.c.refused),
                sa.func.sum(batches.c.held),
            )
            .where(batches.c.attempt == attempt)
            .group_by(batches.c.state)
            .order_by(batches.c.state),
        ),
        "frozen": frozen.digest if frozen else "",
    }  # fmt: skip
    return Evidence(json.loads(json.dumps(document, default=str)), tuple(excused))


def last_write(ledger: Ledger) -> str:
    """When the last batch of a load or a replay was settled, as a stamp; "" before any."""
    return str(ledger.value(sa.select(sa.func.max(batches.c.settled))) or "")


def _catalog(cutover: Cutover, role: Any) -> str:
    try:
        return cutover.workspace.catalog_digest(role)
    except UsageError:  # before the first discover
        return ""


def _validation(found: Validation | None, attempt: int) -> dict[str, Any]:
    """One that was stopped, that looked at a part, or that is of a former attempt proves nothing."""
    if found is None or found.ended is None or found.part or found.attempt != attempt:
        return {"report": "", "number": found.number if found else 0}
    return {"report": found.digest, "number": found.number, "verdict": found.verdict}


def _rows(ledger: Ledger, query: Any) -> list[list[Any]]:
    return [list(row) for row in ledger.read(query)]


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
