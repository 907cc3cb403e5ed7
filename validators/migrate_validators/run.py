"""How is a migration validated? The target is read anew, every check runs, the report is written whole.

Checks are found through entry points of the group `crm_migrate.checks`; the built-in ones come through the
same door. A check that breaks is an `error` in the report and no other check is lost by it; a system out
of reach, a damaged artifact or a full disk end the validation, and the former report stays the latest.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

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
from migrate.ledger.validations import (
    begin_validation,
    end_validation,
    open_waivers,
    whole_validations,
)
from migrate_validators.accepting import accept, document, expiring
from migrate_validators.bounds import annex
from migrate_validators.evidence import Evidence, Progress, no_progress
from migrate_validators.gathering import gathered, looking, must_be_whole
from migrate_validators.masking import masking
from migrate_validators.model import Decision, Result, Verdict
from migrate_validators.part import BY_RECORD, LEFT_OUT, Part, left_out, part_of
from migrate_validators.part import told as of_part
from migrate_validators.report import REPORTS, Report, overall, write
from migrate_validators.samples import addresses, sample
from migrate_validators.screen import Seen, screen
from migrate_validators.screen import document as screen_document
from migrate_validators.story import Point, point, story, told_decision
from migrate_validators.trend import noted, trend
from migrate_validators.triage import DIFFERENCES, former_rows, triage
from migrate_validators.unstarted import compared_later
from migrate_validators.wording import without_folders

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from migrate.ledger import Ledger
    from migrate.plan.models import ObjectPlan
    from migrate.storage import Storage
    from migrate.workspace import Workspace

GROUP = "crm_migrate.checks"
BUILT_IN = (
    "counts", "rows", "sums", "money", "links", "picklists", "files", "timeline", "strays", "untouched",
    "completeness", "duplicates", "permissions", "second_route", "spot", "drift", "people",
    "invariants", "questions",
)  # fmt: skip

WORKERS = 4  # checks at a time; each waits most of the time, for the target or for DuckDB

Check = Callable[[Evidence], Iterable[Result]]


class _Stopped(Exception):
    pass


_ENDS_ALL = (_Stopped, Parked, SystemRefused, Retriable, InDoubt, Damaged, NoSpace, PlanError)


def checks() -> dict[str, Check | Exception]:
    """Every check by id: the built-in ones in the report's order, then others by name.

    One that can't be loaded is there with its error.
    """
    installed = {point.name: point for point in entry_points(group=GROUP)}
    found: dict[str, Check | Exception] = {}
    for name in (*BUILT_IN, *sorted(installed.keys() - set(BUILT_IN))):
        try:
            if name in installed:
                found[name] = _callable(installed[name].load())
            else:
                found[name] = importlib.import_module(f"migrate_validators.{name}").check
        except Exception as error:  # noqa: BLE001 - somebody else's code; it is named in the report
            found[name] = error
    return found


@dataclass(frozen=True)
class Scope:
    """What of a migration is looked at. Empty: all of it, which alone is evidence for a decision.

    `only`: ids of checks; `objects`: entries or source objects; `since`: records changed on either side since
    (UTC stamp); `sample`: so many records an entry.
    """

    only: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    since: str = ""
    sample: int = 0

    @property
    def part(self) -> bool:
        """Whether something is left out."""
        return bool(self.only or self.objects or self.since or self.sample)

    def document(self) -> dict[str, Any]:
        """As JSON's facts."""
        return asdict(self) | {"part": self.part}


def _callable(loaded: Any) -> Check:
    """A check is a function, or a class whose objects are called like one."""
    return loaded() if isinstance(loaded, type) else loaded  # type: ignore[no-any-return]


def validate(
    workspace: Workspace,
    *,
    objects: Sequence[str] = (),
    only: Sequence[str] = (),
    progress: Progress | None = None,
    workers: int = WORKERS,
    whole_every: timedelta | None = None,
    unmask: bool = False,
    since: str = "",
    sample: int = 0,
) -> Report:
    """Read the target anew, run every check side by side, write the report; returns it.

    Args:
        objects: entries (or source objects) to look at; default: all of the plan.
        only: ids of checks to run; default: all.
        progress: told what is being done, how far it is, and of how much (0: not known).
        workers: most checks at a time.
        whole_every: of the target, read only what changed since the former validation, and all of it at
            least this often; None: all of it now.
        unmask: whether the report names persons, and shows their e-mails, phone numbers and texts.
        since: only records that changed on either side since then: an instant, a day, or `last`.
        sample: only so many records an entry, the same ones at each look.

    Raises:
        Busy: another validation of this workspace is under way.
        UsageError: an unknown object or check, or nothing has been transformed.
        Parked, SystemRefused: the target can't be read.
        Damaged, NoSpace: our side.

    A validation that doesn't come to its end stands in the ledger, and until the next one does there is no
    verdict but `error`.
    """
    plan = workspace.plan
    part = part_of(since, sample, workspace.ledger, plan.model.calendar.zone)
    if part is not None and whole_every is not None:
        raise UsageError(
            "A look at a part starts from no former one.", "Leave out `--changes` and `--watch`."
        )
    scope = Scope(tuple(only), tuple(objects), *((part.since, part.sample) if part else ()))
    wanted = chosen_checks(only)
    chosen = plan.chosen(objects)
    must_be_whole(workspace, chosen)
    with looking(workspace):
        told = progress or no_progress
        return _validate(workspace, scope, wanted, chosen, told, workers, whole_every, part, unmask)


def _validate(
    workspace: Workspace,
    scope: Scope,
    wanted: dict[str, Check | Exception],
    chosen: Sequence[ObjectPlan],
    progress: Progress,
    workers: int,
    whole_every: timedelta | None,
    part: Part | None,
    unmask: bool,
) -> Report:
    started = workspace.clock.now()
    attempt = workspace.ledger.attempt()
    base = point(workspace.ledger, attempt)
    reports, name = workspace.storage.below(REPORTS), f"{started:%Y%m%dT%H%M%S}"
    number = begin_validation(
        workspace.ledger, attempt=attempt, folder=name, started=stamp(started), part=scope.part
    )
    with closing(workspace.target()) as target:
        evidence = gathered(
            workspace, target, chosen, reports.below(name), progress=progress,
            baseline=base.baseline if base else None, whole_every=whole_every, part=part,
        )  # fmt: skip
        with closing(evidence):
            results = run(evidence, wanted, workers=workers)
            return conclude(
                evidence, results, ledger=workspace.ledger, reports=reports, name=name, number=number,
                started=started, base=base, scope=scope, unmask=unmask,
            )  # fmt: skip


def conclude(
    evidence: Evidence,
    results: Sequence[Result],
    *,
    ledger: Ledger,
    reports: Storage,
    name: str,
    number: int,
    started: datetime,
    base: Point | None = None,
    scope: Scope = Scope(),
    unmask: bool = False,
) -> Report:
    """Judge what the checks found, write the report, and note in the ledger how it ended.

    Args:
        reports: where all reports lie; `name`: of this one's folder. `number`: of this validation.
    """
    now = stamp(evidence.clock.now())
    results = of_part(evidence, results)
    waivers = open_waivers(ledger)
    masks = None if unmask else masking(evidence)
    judged, used = accept(evidence, results, waivers, now)
    found = triage(evidence, judged, former_rows(former_differences(ledger, reports, evidence.attempt)))
    if scope.part:
        found = replace(found, gone=0)  # what wasn't looked at isn't gone
    overdue = [told_decision(one) for one in expiring(waivers, now)]
    facts = story(evidence, judged, base, last_flown(ledger, evidence.attempt), all_switches(ledger))
    facts["decisions"] += overdue
    facts |= {
        "differences": found.document()
        | {"sample": sample(evidence, found, masks), "addresses": addresses(evidence)},
        "waivers": document(waivers, used, now),
        "annex": annex(judged),
        "scope": scope.document(),
        "started": stamp(started),
        "ended": stamp(evidence.clock.now()),
    }
    without = LEFT_OUT if evidence.part is not None else ()
    sections = screen(Seen(evidence, judged, ledger, facts, base), without)
    facts["screen"] = screen_document(sections)
    facts["trend"] = trend(
        ledger, evidence.attempt, number=number, started=stamp(started), results=judged,
        verdict=None if scope.part else overall(judged, sections, part=False),
    )  # fmt: skip
    report = write(reports, name, judged, facts, sections, masks)
    end_validation(
        ledger, number, ended=stamp(evidence.clock.now()), digest=report.digest, verdict=report.verdict.value,
        facts=noted(judged),
    )  # fmt: skip
    return report


def former_differences(ledger: Ledger, reports: Storage, attempt: int) -> list[str]:
    """The file of the last whole validation's differences; empty where there was none, or it found none."""
    done = whole_validations(ledger, attempt, 1)
    if not done:
        return []
    folder = reports.below(done[-1].folder)
    return [str(folder.local(DIFFERENCES))] if folder.has(DIFFERENCES) else []


def chosen_checks(only: Sequence[str]) -> dict[str, Check | Exception]:
    """The checks of these ids; all of them where none is named.

    Raises:
        UsageError: there is none of an id.
    """
    known = checks()
    for name in only:
        if name not in known:
            raise UsageError(f"There is no check `{name}`.", f"Checks are {', '.join(known)}.")
    return {name: check for name, check in known.items() if not only or name in only}


def run(
    evidence: Evidence, wanted: dict[str, Check | Exception] | None = None, *, workers: int = WORKERS
) -> tuple[Result, ...]:
    """Run checks over evidence, side by side; results in the checks' order.

    One that finds too little memory beside the others is run again alone.
    """
    chosen = checks() if wanted is None else wanted
    if evidence.part is not None:
        chosen = {name: check if name in BY_RECORD else _not_of(name) for name, check in chosen.items()}
    found: dict[str, list[Result]] = {}
    crowded: list[str] = []
    shared = evidence.progress
    stopped, one_at_a_time = threading.Event(), threading.Lock()

    def progress(name: str, done: int, total: int) -> None:
        if stopped.is_set():
            raise _Stopped
        with one_at_a_time:  # bars are drawn by one thread at a time
            shared(name, done, total)

    evidence.progress = progress
    pool = ThreadPoolExecutor(max(workers, 1), thread_name_prefix="check")
    under_way = {pool.submit(_one, evidence, name, check): name for name, check in chosen.items()}
    try:
        for future in as_completed(under_way):
            name = under_way[future]
            try:
                found[name] = future.result()
            except NoSpace:
                if workers <= 1:
                    raise
                crowded.append(name)
            progress("checks", len(found), len(chosen))
    except BaseException:
        # Whatever is at work stops at its next page or query; nobody waits for the others' turn.
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        evidence.engine.interrupt()
        raise
    finally:
        pool.shutdown(wait=True)
        evidence.progress = shared
    for name in crowded:
        found[name] = _one(evidence, name, chosen[name])
    return tuple(result for name in chosen for result in found[name])


def _not_of(name: str) -> Check:
    def check(evidence: Evidence) -> Iterable[Result]:
        assert evidence.part is not None  # noqa: S101 - else the check itself is run
        return [left_out(name, evidence.part.because)]

    return check


def _one(evidence: Evidence, name: str, check: Check | Exception) -> list[Result]:
    results: list[Result] = []
    if isinstance(check, Exception):
        return [_broken(name, check)]
    begun = time.monotonic()
    evidence.progress(f"check {name}", 0, 1)
    try:
        for result in check(evidence):
            now = time.monotonic()
            # Comparing nothing proves nothing, whatever a check makes of it.
            empty = result.verdict is Verdict.PASS and not result.compared
            result = replace(result, verdict=Verdict.EMPTY) if empty else result
            if result.verdict is Verdict.EMPTY:
                result = compared_later(evidence, result)
            results.append(replace(result, seconds=round(now - begun, 3)))
            evidence.progress(f"check {name}", len(results), len(results) + 1)
            begun = now
    except _ENDS_ALL:
        raise
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others found
        results.append(_broken(name, error))
    evidence.progress(f"check {name}", len(results), len(results))
    return results


def _broken(name: str, error: Exception) -> Result:
    told = str(error) if isinstance(error, MigrateError) else f"{type(error).__name__}: {error}"
    told = without_folders(told)
    return Result(
        id=name, check=name, object="", title=f"Check `{name}`", verdict=Verdict.ERROR,
        summary=f"The check itself failed: {told}", compared=0,
        decisions=(Decision(Verdict.ERROR, f"Check `{name}` failed: {told}", "Migration engineer"),),
    )  # fmt: skip
