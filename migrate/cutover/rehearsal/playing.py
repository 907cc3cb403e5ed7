"""How is a whole cutover played? Each step by the function that the real one calls, and measured.

Every cohort is loaded, follows people's edits, is frozen once its source stands still, drained, validated,
judged by the gate, signed for by the rehearsal's own people and switched. What would have stopped the real
one is a finding; where the gate lets nobody talk past it, the cohort goes no further. Then people work in the
new system, and the way back is played: to the old system with their edits, and the new one as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field

from migrate_rollback import planning
from migrate_rollback.rolling import run as roll_back
from migrate_rollback.verifying import verify as verify_back
from migrate_rollback.window import DRILL

from migrate.clock import stamp
from migrate.connector import TellsCallsLeft
from migrate.cutover import gate as gates
from migrate.cutover import reverse, signing, trail
from migrate.cutover.cohorts import names
from migrate.cutover.deltas import follow
from migrate.cutover.freezing import drain, freeze, thaw
from migrate.cutover.machine import Cutover, MoveRefused
from migrate.cutover.rehearsal import acting
from migrate.cutover.rehearsal.acting import Edit
from migrate.cutover.rehearsal.found import EXAMPLES, Options, Refusal, Rehearsed
from migrate.cutover.rehearsal.identities import OPERATOR, SIGNERS
from migrate.cutover.rehearsal.measuring import Recorder
from migrate.cutover.rehearsal.projecting import project, slices
from migrate.cutover.returning import back
from migrate.cutover.starting import REHEARSED, cancel, start
from migrate.cutover.switching import switch
from migrate.errors import MigrateError, SystemRefused, UsageError
from migrate.ledger.tables import measures
from migrate.load.context import Progress
from migrate.stages import letters, pipeline
from migrate.stages.extract import extract
from migrate.stages.prepare import prepare
from migrate.workspace import Role, Workspace

EDITOR = Callable[[Workspace, Role, str, str, Collection[str]], list[Edit]]
REFUSED = "refused"  # by the target; other letters are people's edits that were met
ROUNDS = 3  # of deltas before a cohort that doesn't catch up is a finding
PATIENCE = 4 * 3600.0  # seconds of the vendor's clock that a freeze is waited for
WHY = "rehearsal: played on, so that the steps behind it are measured, too"


class Play:
    """One rehearsal under way, in a workspace of its own."""

    def __init__(
        self, workspace: Workspace, recorder: Recorder, progress: Progress, edit: EDITOR, whose: str
    ) -> None:
        """Args:
        edit: lets people edit records of one side and cohort; the word stands in what they write, and the
            keys are spared.
        whose: what a refusal is told of: `twin`, or `sandbox`.
        """
        self.workspace, self.recorder, self.progress = workspace, recorder, progress
        self.findings: list[str] = []
        self.lost: list[str] = []
        self.edits, self.verdict = 0, ""
        self._since: dict[str, list[Edit]] = {}  # by cohort: what people wrote after its switch
        self._edit, self._whose = edit, whose

    # -- there --------------------------------------------------------------------------------

    def there(self) -> tuple[Refusal, ...]:
        """Everything up to the approval of every cohort; what was refused."""
        copy, step = self.workspace, self.recorder.step
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
        trail.append(copy.ledger, OPERATOR, REHEARSED, plan=copy.plan.digest, within=True)
        for name in names(copy):
            self._cohort(Cutover(copy, name))
        found = letters.grouped(copy, EXAMPLES)
        self.findings += [
            f"{each.outcome}: {each.count:,} of `{each.object}`: {each.reason}"
            for each in found
            if each.outcome != REFUSED
        ]
        return tuple(
            Refusal(each.object, each.kind, each.reason, each.count, each.keys)
            for each in found
            if each.outcome == REFUSED
        )

    def _cohort(self, cutover: Cutover) -> None:
        step, name = self.recorder.step, cutover.cohort
        with self._told("load"), step("load", "Load", "migrate cutover start", "records", cohort=name) as one:
            found = start(cutover, who=OPERATOR, progress=self.progress)
            one.rows = sum(tally["_rows"] for tally in found.loaded.objects.values())
        self._measured_before()
        self._follow(cutover)
        if cutover.state != "holding":
            self.findings.append(
                f"`{name}` didn't catch up in {ROUNDS} rounds of deltas: it is {cutover.state}."
            )
            return
        wait = "migrate cutover freeze --wait"
        with self._told("freeze"), step("freeze", "Freeze", wait, "fixed", cohort=name):
            frozen = freeze(cutover, who=OPERATOR, wait=PATIENCE)
        if not frozen.frozen:
            self.findings.append(
                f"`{name}` didn't freeze: {frozen.touched:,} writes, {len(frozen.jobs)} jobs."
            )
            return
        with (
            self._told("drain"),
            step("drain", "Drain", "migrate cutover delta", "changes", cohort=name) as one,
        ):
            one.rows = drain(cutover, who=OPERATOR, progress=self.progress).rounds
        self._prove(name)
        self._judge(cutover)

    def _follow(self, cutover: Cutover) -> None:
        """People edit the old system; the rounds that follow must bring it."""
        copy = self.workspace
        edits = self._people(cutover.cohort, "source", f"Rehearsed before {cutover.cohort}")

        def opened() -> AbstractContextManager[Workspace]:
            return nullcontext(copy)

        with (
            self._told("delta"),
            self.recorder.step(
                "delta", "A round of deltas", "migrate cutover delta", "changes", cohort=cutover.cohort
            ) as one,
        ):
            follow(
                opened, cohort=cutover.cohort, who=OPERATOR, told=lambda _w, _s: None, rounds=ROUNDS,
                progress=self.progress,
            )  # fmt: skip
            one.rows = len(edits)
        self.edits += len(edits)
        self.lost += [f"{each} (to the new system)" for each in acting.missing(copy, edits, "target")]

    def _people(self, cohort: str, role: Role, word: str) -> list[Edit]:
        """Somebody edits records of a cohort; those of former cohorts' edits are left alone."""
        spared = {each.key for edits in self._since.values() for each in edits}
        return self._edit(self.workspace, role, cohort, word, spared)

    def _prove(self, name: str) -> None:
        from migrate_validators.run import validate

        with self._told("validate"), self.recorder.step(
            "validate", "Validate", "migrate validate", "records", cohort=name
        ) as one:  # fmt: skip
            report = validate(self.workspace, progress=self.progress)
            one.rows = sum(int(each.get("compared") or 0) for each in report.results)
        self.verdict = report.verdict.value

    def _judge(self, cutover: Cutover) -> None:
        """The gate, and the signatures of the rehearsal's people; what stands against a move is a finding."""
        try:
            self._approve(cutover)
        except MoveRefused as refused:
            self.findings += [
                f"{each.id}: {each.words} {each.remedy}".rstrip() for each in refused.lines if not each.ok
            ]
            return
        if cutover.state != "approved":
            self.findings.append(f"`{cutover.cohort}` wasn't approved: it is {cutover.state}.")
            return
        self._switch(cutover)

    def _switch(self, cutover: Cutover) -> None:
        """The switch with its canary; then people work in the new system, and a round keeps what they do."""
        step, name = self.recorder.step, cutover.cohort
        with (
            self._told("switch"),
            step("switch", "Switch", "migrate cutover switch", "records", cohort=name),
        ):
            done = switch(cutover, who=OPERATOR)
        if done.failed:
            self.findings.append(f"the switch of `{name}` undid itself: {done.failed}")
            return
        self._since[name] = self._people(name, "target", f"Rehearsed after {name}")
        with (
            self._told("reverse"),
            step("reverse", "A round of the way back", "migrate cutover delta", "records", cohort=name),
        ):
            reverse.round(cutover, who=OPERATOR, progress=self.progress)

    def _return(self, cutover: Cutover) -> None:
        """Back to the old system with all that was entered since; every edit is looked for there."""
        copy, name, edits = self.workspace, cutover.cohort, self._since.get(cutover.cohort, [])
        with (
            self._told("back"),
            self.recorder.step("back", "Go back", "migrate cutover back", "records", cohort=name) as one,
        ):
            done = back(cutover, who=OPERATOR, progress=self.progress)
            one.rows = sum(done.counts.values())
        self.findings += [
            f"way back of `{name}`: {each.object} {each.field}: {each.what}: {each.why}"
            for each in done.left[:EXAMPLES]
        ]
        if not done.still:
            self.findings.append(f"`{name}` didn't come back whole: the new system didn't stand still.")
        self.edits += len(edits)
        self.lost += [f"{each} (to the old system)" for each in acting.missing(copy, edits, "source")]

    def _approve(self, cutover: Cutover) -> None:
        step, name = self.recorder.step, cutover.cohort
        with self._told("gate"), step("gate", "Ask the gate", "migrate cutover gate", "fixed", cohort=name):
            found = gates.run(cutover, who=OPERATOR)
        red = [each for each in found.red if each.id != signing.ID]
        self.findings += [f"gate of `{name}`: {each.id}: {each.words}" for each in red]
        if any(not each.overridable for each in red):
            return
        with self._told("approve"), step("approve", "Sign", "migrate approve", "fixed", cohort=name):
            if red:
                gates.override(cutover, [each.id for each in red], who=SIGNERS[0], reason=WHY)
            gates.run(cutover, who=OPERATOR, request=True)
            for each in SIGNERS:
                self._sign(cutover, each)
            gates.approve_if_complete(cutover, who=OPERATOR)

    def _sign(self, cutover: Cutover, name: str) -> None:
        evidence = gates.current(cutover)
        token = signing.invite(cutover, name, who=OPERATOR)
        signing.sign_by_link(cutover, evidence, token=token, name=name, code=evidence.code, via="rehearsal")

    def _measured_before(self) -> None:
        """The gate wants to know how long a way back takes, which is measured at the rehearsal's end: until
        then it goes by the load's time."""
        seconds = sum(each.seconds for each in self.recorder.steps if each.id == "load")
        with self.workspace.ledger.write() as tx:
            tx.put(measures, name=DRILL, value=seconds, at=tx.at)

    # -- and back -----------------------------------------------------------------------------

    def back(self) -> str:
        """Let people work on, give every cohort up, undo what was loaded, and prove it; the verdict."""
        copy, step = self.workspace, self.recorder.step
        for name in reversed(names(copy)):
            cutover = Cutover(copy, name)
            if cutover.state in ("switched", "reversing"):
                self._return(cutover)
            if cutover.state in ("frozen", "drained", "verified", "approved"):
                with self._told("thaw"), step("thaw", "Thaw", "migrate cutover thaw", "fixed", cohort=name):
                    thaw(cutover, who=OPERATOR, why="rehearsal")
            if cutover.state in ("loading", "syncing", "holding"):
                cancel(cutover, who=OPERATOR, reason="rehearsal")
        with self._told("rollback"), step(
            "rollback", "Take everything back", "migrate rollback run", "records"
        ) as one:  # fmt: skip
            planning.plan(copy, self.progress)
            run = roll_back(copy, self.progress)
            one.rows = sum(sum(tally.values()) for tally in run.objects.values())
        with self._told("verify"), step(
            "verify", "Prove that it is back", "migrate rollback verify", "records"
        ):  # fmt: skip
            verified = verify_back(copy, self.progress)
        self.findings += [f"{each.object} {each.id}: {each.what}" for each in verified.failures[:EXAMPLES]]
        return str(verified.verdict)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """A twin's refusal is no word of the real system's: it is told as what it is."""
        try:
            yield
        except MoveRefused:
            raise
        except (UsageError, SystemRefused) as error:
            raise SystemRefused(
                f"the rehearsal's {name}", str(error),
                f"Nothing of the real systems was touched. What this {self._whose} refuses, the vendor is "
                "likely to refuse.",
            ) from error  # fmt: skip
        except MigrateError as error:
            error.add_note(f"It happened in the rehearsal's {name}; nothing of the real systems was touched.")
            raise


@dataclass(frozen=True)
class Showing:
    """What is known of a rehearsal beside what was played. `records`: None where they are those that were
    loaded; `of`: all of them, 0 where that isn't known."""

    on: str
    records: int | None
    of: int
    left_out: int = 0
    why: str = ""
    unlike: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
    not_proved: tuple[str, ...] = ()


def shown(real: Workspace, play: Play, options: Options, known: Showing) -> Rehearsed:
    """Play, and scale what was measured to the whole."""
    copy, recorder = play.workspace, play.recorder
    attempt = copy.ledger.attempt()
    refusals = play.there()
    cut = slices(copy.ledger, attempt)
    back = play.back()
    loaded = sum(each.rows for each in recorder.steps if each.id == "load")
    records = loaded if known.records is None else known.records
    of = max(known.of, records)
    projection = project(
        recorder.steps, cut, factor=of / records if records else 1.0, records=loaded,
        bytes_sent=sum(size for _, size in real.storage.below("blobs").sizes()), quota=_quota(copy),
    )  # fmt: skip
    return Rehearsed(
        real.plan.digest, known.on, stamp(real.clock.now()), records, of, options.speed, options.latency,
        tuple(recorder.steps), projection, refusals, play.verdict, play.edits, tuple(play.lost), back,
        tuple(play.findings), known.unlike, known.left_out, known.why, not_proved=known.not_proved,
        folder=str(copy.root.parent) if options.keep else "",
    )  # fmt: skip


def _quota(copy: Workspace) -> int | None:
    with closing(copy.target()) as target:
        target.tenant()
        return target.calls_left()[1] if isinstance(target, TellsCallsLeft) else None
