"""Is the window long enough? A load and its rollback, rehearsed on twins with the real extract.

The twins are made from the discovered catalogs; the target's holds what stood in the real one before us.
Limits are enforced on a clock that runs faster, so the seconds told are those of the vendor's clock. No real
system is read or written: catalogs, stages and the ledger are enough. A sample's times are scaled to the
whole by records, which puts the fixed costs in too often rather than too seldom.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from migrate.clock import parse_stamp
from migrate.errors import MigrateError, SystemRefused, UsageError
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts, measures
from migrate.load.context import Progress, no_progress
from migrate.stages import pipeline
from migrate.stages.checkpoint import Checkpoint, all_of
from migrate.stages.extract import extract
from migrate.stages.load import load
from migrate.stages.prepare import prepare
from migrate.stages.sample import sampled
from migrate.store import Manifest
from migrate.twins import Planted, Standing, Twin, plant, plant_links, stand, twin_workspace
from migrate.workspace import Role, Workspace
from migrate_rollback import planning
from migrate_rollback.returning import tighten
from migrate_rollback.rolling import run
from migrate_rollback.verifying import verify
from migrate_rollback.window import DRILL, MARGIN, ROOM, VERIFY

LOAD = "rollback drill: load"  # seconds that the load of the last drill took
EVENT = "rollback drill"
ROWS = 2_000
ROLES: tuple[Role, ...] = ("source", "target")
NOT_PROVED = (
    "automations, validation rules, duplicate rules and sharing of the real target: twins have none",
    "the network and the vendor's own slowness: each call is taken to last as long as `--latency` says",
    "what other programs take of the same quota meanwhile",
    "records that somebody touches between load and rollback: those are held, and cost a person's time",
)


@dataclass(frozen=True)
class Timed:
    """One phase. `seconds`: of the vendor's clock, as measured; `whole`: scaled to all records.

    `floor`: what its calls take at least, by the target's pace, its calls in flight and their latency; where
    `seconds` is far above it, this machine was the brake and the vendor is quicker.
    """

    name: str
    seconds: float
    whole: float
    floor: float
    calls: Mapping[str, int]
    throttled: int


@dataclass(frozen=True)
class Drilled:
    """What a drill showed. Times in seconds of the vendor's clock.

    `records` of `of` were loaded; `factor` scales to the whole. `window`: from the first load to the end of
    the way back, infinite without one. `planted`: records that stood in the target; `left_out`: those that
    the twin refused. `unlike`: where a twin's catalog differs. `folder`: "" where nothing was kept.
    """

    records: int
    of: int
    factor: float
    speed: float
    latency: float
    phases: tuple[Timed, ...]
    window: float
    verdict: str
    failures: tuple[str, ...]
    refused: int
    baseline: str
    planted: int
    left_out: int
    left_out_why: str
    unlike: Mapping[Role, tuple[str, ...]]
    not_proved: tuple[str, ...] = NOT_PROVED
    folder: str = ""

    def seconds(self, name: str) -> float:
        """A phase's, scaled to the whole."""
        return next(each.whole for each in self.phases if each.name == name)

    @property
    def needed(self) -> float:
        """Load, rollback with its margin, and the hour that nobody should cut."""
        return self.seconds("load") + self.seconds("rollback") * ROOM + MARGIN.total_seconds()

    @property
    def enough(self) -> bool:
        """It fits into the window."""
        return self.needed <= self.window

    @property
    def clean(self) -> bool:
        """It came back, in time."""
        return self.verdict == "pass" and self.enough


@dataclass
class Options:
    """How to drill. `rows`: about so many records, None: all. `tier`: the target's settings of limits."""

    rows: int | None = ROWS
    speed: float = 4.0
    latency: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False


def drill(workspace: Workspace, options: Options, progress: Progress = no_progress) -> Drilled:
    """Build twins, load, roll back, verify; write the times into the ledger.

    Raises:
        UsageError: nothing is extracted, a system has no simulator, or the simulators aren't installed.
        SystemRefused: a twin refused what the real system may well have taken; names the phase.
        Damaged: a part of the extract differs from its digest.
    """
    must_be_extracted(workspace)
    if options.keep and workspace.place.remote:
        raise UsageError(
            "A workspace on S3 has no folder of its own in which a drill could stay.", "Leave out `--keep`."
        )
    with pipeline.alone(workspace, "drill"):
        found = _alone(workspace, options, progress)
    _record(workspace, found)
    return found


def _alone(workspace: Workspace, options: Options, progress: Progress) -> Drilled:
    catalogs = {role: workspace.catalog(role) for role in ROLES}
    folder = workspace.place.scratch / "drill"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed drill left
    folder.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            twins: dict[Role, Standing] = {}
            for role in ROLES:
                settings = options.settings if role == "target" else {}
                twin = Twin(catalogs[role], settings, options.latency, options.speed)
                twins[role] = stack.enter_context(stand(twin, folder / role))
                progress(f"twin of {workspace.system(role).system}", 1, 1)
            return _rehearsed(workspace, folder, twins, options, progress)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _rehearsed(
    real: Workspace, folder: Path, twins: Mapping[Role, Standing], options: Options, progress: Progress
) -> Drilled:
    copied = twin_workspace(real, folder / "workspace", twins)
    copy = copied.workspace
    try:
        stood = stood_before(real)
        planted = plant_before(real, copy, twins["target"], stood, progress)
        with _told("prepare"):
            prepare(copy)
            extract(copy, progress=progress)
            pipeline.transform(copy, progress)
        of, trees = ready_for(copy, options.rows)
        records = of if trees is None else sampled(copy, trees)
        factor = of / records if records else 1.0
        for each in twins.values():
            each.slow()
            each.calls()
        phases: list[Timed] = []
        with _timed(copy, twins["target"], "load", factor, phases):
            loaded = load(copy, sample=trees is not None, keep_going=True, progress=progress)
        window = _window(copy)
        with _timed(copy, twins["target"], "plan", factor, phases):
            planning.plan(copy, progress)
        with _timed(copy, twins["target"], "rollback", factor, phases):
            run(copy, progress)
        with _timed(copy, twins["target"], "verify", factor, phases):
            verified = verify(copy, progress)
        return Drilled(
            records, of, factor, options.speed, options.latency, tuple(phases), window, verified.verdict,
            failures=tuple(f"{each.object} {each.id}: {each.what}" for each in verified.failures[:20]),
            refused=loaded.refused, baseline=stood[0], planted=planted.taken, left_out=planted.refused,
            left_out_why=planted.why, unlike=copied.unlike,
            folder=str(folder) if options.keep else "",
        )  # fmt: skip
    finally:
        copy.close()


# -- what goes in ---------------------------------------------------------------------------------


def must_be_extracted(workspace: Workspace) -> None:
    """There is an extract of every object.

    Raises:
        UsageError: of one there is none.
    """
    sources = dict.fromkeys(each.source for each in workspace.plan.model.objects)
    missing = [name for name in sources if not workspace.store.manifests("source", name)]
    if missing:
        raise UsageError(
            f"`{missing[0]}` isn't extracted yet, so there is nothing to drill with.",
            "Run `migrate extract` first.",
        )


def stood_before(workspace: Workspace) -> tuple[str, dict[str, tuple[Manifest, Manifest | None]]]:
    """What stood in the target before us, and where that is known from: by object, records and links."""
    store, point = workspace.store, _untouched(workspace)
    found: dict[str, tuple[Manifest, Manifest | None]] = {}
    if point is not None:
        for object, folder in point.baseline.items():
            if (records := store.manifest(folder)) is not None:
                found[object] = (records, store.manifest(point.links(object)))
        return f"the baseline of `{point.name}`", found
    for each in workspace.plan.model.objects:
        if (records := store.manifest(f"target/{each.target}/snapshot")) is not None:
            found[each.target] = (records, None)
    if found:
        return f"what the extract saw of {', '.join(found)}", found
    return "nothing: no baseline was taken yet", found


def _untouched(workspace: Workspace) -> Checkpoint | None:
    """The checkpoint whose baseline holds nothing of ours: the first since the last whole rollback."""
    rows = workspace.ledger.read(sa.select(attempts.c.number).where(attempts.c.state == "rolled_back"))
    back = max((row.number for row in rows), default=0)
    points = all_of(workspace.ledger)
    since = [each for each in points if each.attempt > back]
    return since[0] if since else (points[-1] if points else None)


def plant_before(
    real: Workspace,
    copy: Workspace,
    standing: Standing,
    stood: tuple[str, dict[str, tuple[Manifest, Manifest | None]]],
    progress: Progress,
) -> Planted:
    """Put what stood in the target before us into its twin.

    Args:
        stood: as `stood_before` tells it.
    """
    done, baseline = Planted(), stood[1]
    with closing(copy.target()) as target:
        catalog = copy.catalog("target")
        for object, (records, _) in baseline.items():
            if object in catalog.objects:
                found = plant(standing, target, catalog.objects[object], real.store, records)
                done.taken += found.taken
                _left_out(done, found)
                progress(f"twin {object}", found.taken, records.rows)
        for _, links in baseline.values():
            if links is not None:
                _left_out(done, plant_links(standing, real.store, links, set(baseline)))
    return done


def _left_out(done: Planted, found: Planted) -> None:
    done.refused += found.refused
    done.why = done.why or found.why


def ready_for(copy: Workspace, rows: int | None) -> tuple[int, int | None]:
    """How many records are ready, and how many trees make about `rows` of them; None: all."""
    counts = []
    for plan in copy.plan.model.objects:
        files = [path for each in copy.store.manifests("ready", plan.name) for path in copy.store.files(each)]
        query = f"SELECT count(DISTINCT _key) AS n FROM read_parquet({files!r})"
        counts.append(int(copy.engine.rows(query)[0]["n"]) if files else 0)
    of = sum(counts)
    if rows is None or rows >= of:
        return of, None
    return of, max(1, round(rows * counts[0] / of))


# -- how long it takes ----------------------------------------------------------------------------


@contextmanager
def _timed(
    copy: Workspace, standing: Standing, name: str, factor: float, into: list[Timed]
) -> Iterator[None]:
    started = copy.clock.now()
    with _told(name):
        yield
    seconds = (copy.clock.now() - started).total_seconds()
    calls = standing.calls()
    with closing(copy.target()) as target:
        target.tenant()  # a call tells the pace, where the vendor states it in its replies
        limits = target.limits
    standing.calls()
    pace = max(1 / (limits.calls_per_second or 1e9), standing.twin.latency / max(1, limits.concurrency))
    into.append(
        Timed(
            name, seconds, seconds * factor, calls.total * pace, dict(sorted(calls.by_kind.items())),
            calls.throttled,
        )
    )  # fmt: skip


@contextmanager
def _told(name: str) -> Iterator[None]:
    """A twin's refusal is no word of the real system's: it is told as what it is."""
    try:
        yield
    except (UsageError, SystemRefused) as error:
        raise SystemRefused(
            f"the drill's {name}",
            str(error),
            "Nothing of the real systems was touched. Look at what the twin refused: it has no rules but the "
            "vendor's own.",
        ) from error
    except MigrateError as error:
        error.add_note(f"It happened in the drill's {name}; nothing of the real systems was touched.")
        raise


def _window(copy: Workspace) -> float:
    """Seconds from the first load to the end of the way back: the plan's time, or what the vendor keeps of
    the kinds of change that were made."""
    window = tighten(copy)
    if window is None or window.ends is None:
        return float("inf")
    return (parse_stamp(window.ends) - parse_stamp(window.opened)).total_seconds()


def _record(workspace: Workspace, found: Drilled) -> None:
    """For the last safe start, and for whoever asks how that was known."""
    with workspace.ledger.write() as tx:
        tx.put(measures, name=DRILL, value=found.seconds("rollback"), at=tx.at)
        tx.put(measures, name=LOAD, value=found.seconds("load"), at=tx.at)
        known = set(tx.sql.execute(sa.select(measures.c.name)).scalars())
        for name, phase in ((planning.MEASURE, "plan"), (VERIFY, "verify")):
            if name not in known:  # what the real command took is worth more
                tx.put(measures, name=name, value=found.seconds(phase), at=tx.at)
        tx.event(
            this_process().holder, EVENT, verdict=found.verdict, records=found.records, of=found.of,
            factor=found.factor, latency=found.latency, speed=found.speed,
            seconds={each.name: round(each.whole, 1) for each in found.phases},
            calls={each.name: dict(each.calls) for each in found.phases}, enough=found.enough,
        )  # fmt: skip
