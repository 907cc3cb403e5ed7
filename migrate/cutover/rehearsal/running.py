"""How is a whole cutover played on twins? Each step by the function that the real one calls, measured.

The twins are made from the discovered catalogs; the source's holds the extract (or whole trees of it), the
target's what stood in the real one before us. Then: prepare, extract, transform, load, edits by people, a
round of deltas, validation, and the way back. What the twins refuse is told with examples, before the vendor
is asked. What was seen goes beside the data as one document, whose digest the trail's event covers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from migrate_rollback import planning
from migrate_rollback.drilling import must_be_extracted, plant_before, ready_for, stood_before
from migrate_rollback.rolling import run as roll_back
from migrate_rollback.verifying import verify as verify_back

from migrate.catalog import Catalog
from migrate.clock import stamp
from migrate.connector import TellsCallsLeft
from migrate.cutover import trail
from migrate.cutover.cohorts import names
from migrate.cutover.machine import Cutover
from migrate.cutover.rehearsal import acting
from migrate.cutover.rehearsal.measuring import Measured, Recorder
from migrate.cutover.rehearsal.populating import as_target, choose, opened, populate
from migrate.cutover.rehearsal.projecting import Projection, project, slices
from migrate.cutover.starting import REHEARSED, load_scope, start
from migrate.errors import MigrateError, SystemRefused, UsageError
from migrate.load.context import Progress, no_progress
from migrate.stages import letters, pipeline
from migrate.stages.extract import extract
from migrate.stages.prepare import prepare
from migrate.stages.sample import sampled
from migrate.twins import Planted, Standing, Twin, stand, twin_workspace
from migrate.workspace import Role, Workspace

STOPPED = "cutover rehearsal stopped"
FOLDER = "cutover/rehearsals"  # of the workspace's storage
REHEARSER = "rehearsal@twin"  # who acts in the twin's workspace; nobody elsewhere
EXAMPLES = 3  # keys of a refusal that the document names
NOT_PROVED = (
    "automations, validation rules, duplicate rules and sharing of the real systems: twins have none",
    "the network and the vendor's own slowness: each call is taken to last as long as `--latency` says",
    "what other programs take of the same quota meanwhile",
    "contents of files: the source's twin has none",
    "the rights of our user in the old system: the twin lets it write there",
    "how fast people decide, sign and tick off",
)


@dataclass
class Options:
    """How to rehearse. `rows`: about so many records, None: all. `settings`: of the target's limits."""

    rows: int | None = None
    speed: float = 4.0
    latency: float = 0.25
    settings: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False


@dataclass(frozen=True)
class Refusal:
    """What the target's twin refuses alike. `count`: of the records rehearsed; `keys`: some of them."""

    object: str
    kind: str
    reason: str
    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal showed. `records` of `of` were played. `verdict`: of the validation.

    `lost`: edits that didn't arrive, or didn't come back. `back`: verdict of the way back, in words.
    `findings`: what a person should look at. `evidence`: digest of the document under `folder`.
    """

    plan: str
    on: str
    at: str
    records: int
    of: int
    speed: float
    latency: float
    steps: tuple[Measured, ...]
    projection: Projection
    refusals: tuple[Refusal, ...]
    verdict: str
    edits: int
    lost: tuple[str, ...]
    back: str
    findings: tuple[str, ...]
    unlike: Mapping[Role, tuple[str, ...]]
    left_out: int
    left_out_why: str
    not_proved: tuple[str, ...] = NOT_PROVED
    folder: str = ""
    evidence: str = ""

    @property
    def clean(self) -> bool:
        """Nothing was refused or lost, the validation opens a gate, and the way back was whole."""
        good = self.verdict in ("pass", "warn") and self.back == "pass"
        return good and not (self.refusals or self.lost or self.findings)


def rehearse(
    workspace: Workspace, options: Options, *, who: str, progress: Progress = no_progress
) -> Rehearsed:
    """Play the whole cutover on twins; keep what was seen, and say so on the trail.

    Args:
        who: acts, as the real workspace's trail shall name them.

    Raises:
        UsageError: nothing is extracted, a system has no simulator, or the simulators aren't installed.
        SystemRefused: a step came to its end on a twin that the real system may stop, too; names the step.
        Damaged: a part of the extract differs from its digest.
    """
    must_be_extracted(workspace)
    if options.keep and workspace.place.remote:
        raise UsageError(
            "A workspace on S3 has no folder of its own in which a rehearsal could stay.",
            "Leave out `--keep`.",
        )
    with pipeline.alone(workspace, "rehearsal"):
        try:
            found = _alone(workspace, options, progress)
        except MigrateError as error:
            trail.append(
                workspace.ledger,
                who,
                STOPPED,
                plan=workspace.plan.digest,
                on="twin",
                error=type(error).__name__,
            )
            raise
        return _keep(workspace, found, who)


def _alone(workspace: Workspace, options: Options, progress: Progress) -> Rehearsed:
    catalogs: dict[Role, Catalog] = {
        "source": opened(workspace.catalog("source")),
        "target": workspace.catalog("target"),
    }
    folder = workspace.place.scratch / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed one left
    folder.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            twins: dict[Role, Standing] = {}
            for role, catalog in catalogs.items():
                settings = options.settings if role == "target" else {}
                twin = Twin(catalog, settings, options.latency, options.speed)
                twins[role] = stack.enter_context(stand(twin, folder / role))
                progress(f"twin of {workspace.system(role).system}", 1, 1)
            return _Play(workspace, folder, twins, options, progress).whole()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


class _Play:
    """One rehearsal under way."""

    def __init__(
        self, real: Workspace, folder: Path, twins: Mapping[Role, Standing], options: Options,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.real, self.folder, self.twins = real, folder, twins
        self.options, self.progress = options, progress
        self.findings: list[str] = []
        self.lost: list[str] = []
        self.edits = 0

    def whole(self) -> Rehearsed:
        """All of it."""
        played, of, planted = self._source()
        copied = twin_workspace(self.real, self.folder / "workspace", self.twins, extracted=False)
        copy = copied.workspace
        try:
            stood = plant_before(
                self.real, copy, self.twins["target"], stood_before(self.real), self.progress
            )
            for each in self.twins.values():
                each.slow()
            self.recorder = Recorder(copy, self.twins, latency=self.options.latency)
            attempt = self._there(copy)
            verdict = self._prove(copy)
            refusals = self._refusals(copy)
            cut = slices(copy.ledger, attempt)
            back = self._back(copy)
            quota = self._quota(copy)
        finally:
            copy.close()
        played = played or of
        factor = max(1.0, of / played) if played else 1.0
        loaded = next((each.rows for each in self.recorder.steps if each.id == "load"), 0)
        bytes_sent = sum(size for _, size in self.real.storage.below("blobs").sizes())
        return Rehearsed(
            self.real.plan.digest, "twin", stamp(self.real.clock.now()), played, of,
            self.options.speed, self.options.latency, tuple(self.recorder.steps),
            project(
                self.recorder.steps, cut, factor=factor, records=loaded, bytes_sent=bytes_sent, quota=quota
            ),
            refusals, verdict, self.edits, tuple(self.lost), back, tuple(self.findings), copied.unlike,
            planted.refused + stood.refused, planted.why or stood.why,
            folder=str(self.folder) if self.options.keep else "",
        )  # fmt: skip

    # -- what goes in -------------------------------------------------------------------------

    def _source(self) -> tuple[int, int, Planted]:
        """Give the source's twin its records; how many are played, of how many."""
        staged = twin_workspace(self.real, self.folder / "staged", self.twins).workspace
        try:
            extract(staged, progress=self.progress)
            pipeline.transform(staged, self.progress)
            of, trees = ready_for(staged, self.options.rows)
            played = of if trees is None else sampled(staged, trees)
            if trees is not None:
                choose(staged)
            with closing(as_target(staged)) as source:
                planted = populate(
                    staged, self.twins["source"], source, self.folder / "planted",
                    sampled=trees is not None, progress=self.progress,
                )  # fmt: skip
        finally:
            staged.close()
        return played, of, planted

    # -- there and back -----------------------------------------------------------------------

    def _there(self, copy: Workspace) -> int:
        """Everything up to the first round of deltas; the attempt."""
        step = self.recorder.step
        with (
            self._told("prepare"),
            step("prepare", "Prepare the new system", "migrate prepare", "fixed") as one,
        ):
            one.rows = len(prepare(copy))
        with (
            self._told("extract"),
            step("extract", "Read the old system", "migrate extract", "records") as one,
        ):
            one.rows = sum(each.rows for each in extract(copy, progress=self.progress))
        with step("transform", "Transform", "migrate transform", "records", ours=True) as one:
            one.rows = sum(each.ready for each in pipeline.transform(copy, self.progress).values())
        trail.append(copy.ledger, REHEARSER, REHEARSED, plan=copy.plan.digest, within=True)
        for cohort in names(copy):
            with (
                self._told("load"),
                step("load", f"Load the cohort `{cohort}`", "migrate cutover start", "records") as one,
            ):
                found = start(Cutover(copy, cohort), who=REHEARSER, progress=self.progress)
                one.rows = sum(tally["_rows"] for tally in found.loaded.objects.values())
        self._delta(copy)
        return copy.ledger.attempt()

    def _delta(self, copy: Workspace) -> None:
        """People edit the old system; the round that follows must bring it."""
        edits = acting.edit_source(copy, self.twins["source"], "Rehearsed before the switch")
        with (
            self._told("delta"),
            self.recorder.step("delta", "A round of deltas", "migrate cutover delta", "changes") as one,
        ):
            extract(copy, since_watermark=True, progress=self.progress)
            pipeline.transform(copy, self.progress)
            found = load_scope(copy, self.progress)
            one.rows = sum(tally["_rows"] for tally in found.objects.values())
        self._arrived(copy, edits, "target")

    def _arrived(self, copy: Workspace, edits: list[acting.Edit], role: Role) -> None:
        self.edits += len(edits)
        self.lost += [f"{each} (to the {role})" for each in acting.missing(copy, edits, role)]

    def _prove(self, copy: Workspace) -> str:
        from migrate_validators.run import validate

        with self._told("validate"), self.recorder.step(
            "validate", "Validate", "migrate validate", "records"
        ) as one:  # fmt: skip
            report = validate(copy, progress=self.progress)
            one.rows = sum(int(each.get("compared") or 0) for each in report.results)
        return report.verdict.value

    def _back(self, copy: Workspace) -> str:
        """The way back before the switch: everything that was loaded is undone, and proved to be."""
        with self._told("rollback"), self.recorder.step(
            "rollback", "Take everything back", "migrate rollback run", "records"
        ) as one:  # fmt: skip
            planning.plan(copy, self.progress)
            run = roll_back(copy, self.progress)
            one.rows = sum(sum(tally.values()) for tally in run.objects.values())
        with self._told("verify"), self.recorder.step(
            "verify", "Prove that it is back", "migrate rollback verify", "records"
        ):  # fmt: skip
            verified = verify_back(copy, self.progress)
        self.findings += [f"{each.object} {each.id}: {each.what}" for each in verified.failures[:EXAMPLES]]
        return str(verified.verdict)

    # -- what was seen ------------------------------------------------------------------------

    def _refusals(self, copy: Workspace) -> tuple[Refusal, ...]:
        return tuple(
            Refusal(each.object, each.kind, each.reason, each.count, each.keys)
            for each in letters.grouped(copy, EXAMPLES)
        )

    def _quota(self, copy: Workspace) -> int | None:
        with closing(copy.target()) as target:
            target.tenant()
            return target.calls_left()[1] if isinstance(target, TellsCallsLeft) else None

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """A twin's refusal is no word of the real system's: it is told as what it is."""
        try:
            yield
        except (UsageError, SystemRefused) as error:
            raise SystemRefused(
                f"the rehearsal's {name}",
                str(error),
                "Nothing of the real systems was touched. The twin has no rules but the vendor's own: "
                "what it refuses, the vendor is likely to refuse.",
            ) from error
        except MigrateError as error:
            error.add_note(f"It happened in the rehearsal's {name}; nothing of the real systems was touched.")
            raise


# -- what stays ---------------------------------------------------------------------------------


def _keep(workspace: Workspace, found: Rehearsed, who: str) -> Rehearsed:
    """Publish the document, then the event that covers its digest; every cohort that waits is rehearsed."""
    content = json.dumps(_document(found), sort_keys=True, indent=1, default=str).encode()
    evidence = hashlib.sha256(content).hexdigest()
    file = f"{found.at[:19].replace(':', '').replace('-', '')}-{evidence[:8]}.json"
    workspace.storage.write(f"{FOLDER}/{file}", content)
    event = trail.append(
        workspace.ledger, who, REHEARSED, evidence=evidence, plan=found.plan, on=found.on, file=file,
        records=found.records, of=found.of, clean=found.clean, verdict=found.verdict, back=found.back,
        refused=sum(each.count for each in found.refusals), lost=len(found.lost),
    )  # fmt: skip
    for name in names(workspace):
        cutover = Cutover(workspace, name)
        if cutover.state in ("planned", "rehearsed"):
            cutover.move("rehearsed", who=who, evidence=evidence, rehearsal=event.digest)
    return Rehearsed(**{**vars(found), "evidence": evidence})


def _document(found: Rehearsed) -> dict[str, Any]:
    said = asdict(found)
    said.pop("evidence")
    return said
