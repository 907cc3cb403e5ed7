"""How is a migration validated? The target is read anew, every check runs, the report is written whole.

Checks are found through entry points of the group `crm_migrate.checks`; the built-in ones come through the
same door. A check that breaks is an `error` in the report and no other check is lost by it; a system out
of reach, a damaged artifact or a full disk end the validation, and the former report stays the latest.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from migrate.clock import stamp
from migrate.errors import (
    Damaged,
    InDoubt,
    MigrateError,
    NoSpace,
    Parked,
    PlanError,
    Retriable,
    SystemRefused,
    UsageError,
)
from migrate.ledger.canaries import last_flown
from migrate.ledger.switches import all_switches
from migrate_validators.evidence import Evidence, Progress, no_progress
from migrate_validators.model import Decision, Result, Verdict, worst
from migrate_validators.report import REPORTS, Report, write
from migrate_validators.story import point, story
from migrate_validators.wording import without_folders

if TYPE_CHECKING:
    from migrate.workspace import Workspace

GROUP = "crm_migrate.checks"
BUILT_IN = (
    "counts", "rows", "sums", "links", "picklists", "files", "timeline", "strays", "completeness",
    "invariants",
)  # fmt: skip

Check = Callable[[Evidence], Iterable[Result]]

_ENDS_ALL = (Parked, SystemRefused, Retriable, InDoubt, Damaged, NoSpace, PlanError)


def checks() -> dict[str, Check | Exception]:
    """Every check by id: the built-in ones in the report's order, then others by name.

    One that can't be loaded is there with its error.
    """
    installed = {point.name: point for point in entry_points(group=GROUP)}
    found: dict[str, Check | Exception] = {}
    for name in (*BUILT_IN, *sorted(installed.keys() - set(BUILT_IN))):
        try:
            if name in installed:
                found[name] = installed[name].load()
            else:
                found[name] = importlib.import_module(f"migrate_validators.{name}").check
        except Exception as error:  # noqa: BLE001 - somebody else's code; it is named in the report
            found[name] = error
    return found


def validate(
    workspace: Workspace, *, objects: Sequence[str] = (), progress: Progress | None = None
) -> Report:
    """Read the target anew, run every check, write the report; returns it.

    Args:
        objects: entries (or source objects) to look at; default: all of the plan.
        progress: told what is being done, how far it is, and of how much (0: not known).

    Raises:
        UsageError: an unknown object, or nothing has been transformed.
        Parked, SystemRefused: the target can't be read.
        Damaged, NoSpace: our side; the former report stays the latest.
    """
    from migrate.plan.needs import expected

    plan = workspace.plan
    chosen = plan.chosen(objects)
    store = workspace.store
    for each in chosen:
        for stage, name in (("source", each.source), ("ready", each.name)):
            for manifest in store.manifests(stage, name):
                store.verify(manifest)
        if not store.manifests("ready", each.name):
            raise UsageError(f"`{each.name}` hasn't been transformed.", "Run `migrate transform` first.")
    workspace.journal.verify()
    started = workspace.clock.now()
    attempt = workspace.ledger.attempt()
    base = point(workspace.ledger, attempt)
    reports, name = workspace.storage.below(REPORTS), f"{started:%Y%m%dT%H%M%S}"
    with closing(workspace.target()) as target:
        evidence = Evidence(
            plan=plan,
            source=workspace.catalog("source"),
            target=expected(plan, workspace.catalog("target")),
            store=store,
            engine=workspace.engine,
            journal=workspace.journal.source(),
            connector=target,
            clock=workspace.clock,
            folder=reports.below(name),
            attempt=attempt,
            objects=chosen,
            baseline=dict(base.baseline) if base else {},
            progress=progress or no_progress,
        )
        with closing(evidence):
            results = run(evidence)
            facts = story(
                evidence, results, base, last_flown(workspace.ledger, attempt), all_switches(workspace.ledger)
            )
    facts |= {"started": stamp(started), "ended": stamp(workspace.clock.now())}
    return write(reports, name, results, facts)


def run(evidence: Evidence, wanted: dict[str, Check | Exception] | None = None) -> tuple[Result, ...]:
    """Run checks over evidence, in order; every result has the id of its check in front."""
    found: list[Result] = []
    chosen = checks() if wanted is None else wanted
    for number, (name, check) in enumerate(chosen.items()):
        evidence.progress(f"check {name}", number, len(chosen))
        found.extend(_one(evidence, name, check))
    evidence.progress("checks", len(chosen), len(chosen))
    return tuple(found)


def _one(evidence: Evidence, name: str, check: Check | Exception) -> list[Result]:
    results: list[Result] = []
    if isinstance(check, Exception):
        return [_broken(name, check)]
    begun = time.monotonic()
    try:
        for result in check(evidence):
            now = time.monotonic()
            # Comparing nothing proves nothing, whatever a check makes of it.
            empty = result.verdict is Verdict.PASS and not result.compared
            verdict = Verdict.EMPTY if empty else result.verdict
            results.append(replace(result, verdict=verdict, seconds=round(now - begun, 3)))
            begun = now
    except _ENDS_ALL:
        raise
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others found
        results.append(_broken(name, error))
    return results


def _broken(name: str, error: Exception) -> Result:
    told = str(error) if isinstance(error, MigrateError) else f"{type(error).__name__}: {error}"
    told = without_folders(told)
    return Result(
        id=name, check=name, object="", title=f"Check `{name}`", verdict=Verdict.ERROR,
        summary=f"The check itself failed: {told}", compared=0,
        decisions=(Decision(Verdict.ERROR, f"Check `{name}` failed: {told}", "Migration engineer"),),
    )  # fmt: skip


def verdict(results: Iterable[Result]) -> Verdict:
    """The verdict of the whole: the worst."""
    return worst(result.verdict for result in results)
