"""Does any order of commands lead to a switch that nobody approved? Commands, ledger and trail are real.

What the gate asks of systems is a stand-in: which lines are red, and a number for the evidence. The model
keeps its own book of who signed what, and looks into none of ours.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from migrate.cutover import gate as gates
from migrate.cutover import homes, machine, signing, switching, trail
from migrate.cutover.gates import calendar, standing, way_back
from migrate.cutover.gates.evidence import Evidence
from migrate.cutover.gates.lines import NEVER, GateLine, green, red
from migrate.cutover.machine import Cutover
from migrate.cutover.states import State
from migrate.errors import UsageError
from migrate.workspace import Workspace
from tests.unit.bench import HandClock
from tests.unit.gate_case import ADA, BEN, MAX, public
from tests.unit.test_cli import PLAN

LINES = ("drift", "rehearsal", "lease", "way-back")
REPORT = "c" * 64
FIRST: tuple[State, ...] = ("rehearsed", "loading", "syncing", "holding")


class Weekend(RuleBasedStateMachine):
    """People, an impostor, and a world that changes."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.key = Ed25519PrivateKey.generate()
        (self.root / "plan.yaml").write_text(
            PLAN
            + "cutover:\n  people: [{name: Max Operator, email: max@x.test}]\n"
            + f"  sign: [{{name: {ADA}, email: a@x.test}}, "
            + f'{{name: {BEN}, email: b@x.test, by: key, key: "{public(self.key)}"}}]\n'
        )
        self.workspace = Workspace(self.root, {})
        self.clock = HandClock()
        self.workspace.__dict__["clock"] = self.clock
        self.red: set[str] = set()
        self.proofs: list[tuple[bytes, bytes]] = []
        self.evidence, self.freezes, self.covered = 0, 0, 0
        self.signed: dict[str, tuple[int, int, int]] = {}
        self.asked: set[tuple[str, int, int, int]] = set()
        self.overridden: dict[str, tuple[int, int]] = {}
        self.switches = 0
        self.patch = pytest.MonkeyPatch()
        asks = [lambda _, id=id: self._line(id) for id in LINES]
        self.patch.setattr(gates, "PARTS", asks)
        self.patch.setattr(gates, "gather", self._gather)
        for name in ("plan", "history"):
            self.patch.setattr(standing, name, lambda _: ())
        self.patch.setattr(standing, "lease", lambda _: self._line("lease"))
        self.patch.setattr(calendar, "lines", lambda _: ())
        self.patch.setattr(way_back, "losses", lambda _: ())
        mine = {
            move: [each for each in found if each.__module__ in (gates.__name__, switching.__name__)]
            for move, found in machine._guards.items()
        }
        self.patch.setattr(machine, "GUARDS", ())
        self.patch.setattr(machine, "_guards", mine)
        self.patch.setattr(homes, "publish", lambda *_: SimpleNamespace(rows=1))
        path = SimpleNamespace(open=lambda *_, **__: None, canary=lambda *_: "came")
        self.patch.setattr(switching, "_reverse", lambda: path)
        self._to_drained(*FIRST)

    def _line(self, id: str) -> Iterator[GateLine]:
        yield red(id, f"{id} is red.", "mend it", about=id) if id in self.red else green(id, "Well.")

    def _gather(self, _cutover: Cutover, excused: Any = ()) -> Evidence:
        told = {"n": self.evidence, "freeze": self.freezes, "validation": {"report": REPORT}}
        return Evidence(told, tuple(excused))

    @property
    def cutover(self) -> Cutover:
        return Cutover(self.workspace)

    def _moved(self, *path: State) -> None:
        """As the other parts move it."""
        for to in path:
            self.cutover.move(to, who="max")

    def _to_drained(self, *path: State) -> None:
        self._moved(*path, "frozen", "drained")
        self.freezes += 1

    @property
    def now(self) -> tuple[int, int, int]:
        """What a signature that is given now is about: evidence, freeze, and overrides beside it."""
        return self.evidence, self.freezes, self.covered

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            self.workspace.close()
            shutil.rmtree(self.root)

    # -- commands -----------------------------------------------------------------------------

    @rule(who=st.sampled_from([MAX, MAX, ADA, "Eve"]), asks=st.booleans())
    def gate(self, who: str, asks: bool) -> None:
        try:
            gates.run(self.cutover, who=who, request=asks)
        except UsageError:
            return
        if asks:
            self.asked.add((who, *self.now))

    @rule(code=st.sampled_from(["right", "right", "wrong"]))
    def ada_signs(self, code: str) -> None:
        evidence = gates.current(self.cutover)
        token = signing.invite(self.cutover, ADA, who=MAX)
        try:
            signing.sign_by_link(
                self.cutover,
                evidence,
                token=token,
                name=ADA,
                code=evidence.code if code == "right" else "AAA",
            )
        except UsageError:
            return
        assert code == "right"
        self.signed[ADA] = self.now

    @rule()
    def ben_signs(self) -> None:
        try:
            content = signing.statement(self.cutover, gates.current(self.cutover), BEN).content()
        except UsageError:
            return
        self.proofs.append((content, self.key.sign(content)))
        self._hand_in(*self.proofs[-1])

    @rule(which=st.integers(0, 9))
    def an_old_signature_is_handed_in_again(self, which: int) -> None:
        if self.proofs:
            self._hand_in(*self.proofs[which % len(self.proofs)])

    def _hand_in(self, content: bytes, proof: bytes) -> None:
        try:
            signing.sign_by_key(self.cutover, gates.current(self.cutover), content=content, proof=proof)
        except UsageError:
            return
        self.signed[BEN] = self.now

    @rule(
        lines=st.sets(st.sampled_from([*LINES, "signatures"]), max_size=3),
        who=st.sampled_from([ADA, MAX, "Eve", ""]),
        reason=st.sampled_from(["it is known", "", " "]),
    )
    def override(self, lines: set[str], who: str, reason: str) -> None:
        try:
            gates.override(self.cutover, sorted(lines), who=who, reason=reason)
        except UsageError:
            return
        assert who in (ADA, MAX)
        assert reason.strip()
        assert lines
        assert not lines & NEVER
        self.overridden |= dict.fromkeys(lines, (self.evidence, self.freezes))
        self.covered += lines != {"signatures"}

    @rule()
    def the_switch_is_tried(self) -> None:
        before = self.cutover.state
        try:
            done = switching.switch(self.cutover, who=MAX)
        except UsageError:
            assert self.cutover.state not in ("switching", "switched")
            return
        assert (before, done.state) == ("approved", "switched")
        here = (self.evidence, self.freezes)
        missing = [
            name
            for name in (ADA, BEN)
            if self.signed.get(name) != self.now or (name, *self.now) in self.asked
        ]
        assert not missing or self.overridden.get("signatures") == here, (missing, self.signed, self.now)
        open_ = {line for line in self.red if self.overridden.get(line) != here}
        assert not open_, open_
        self.switches += 1
        # It goes back, and is planned and frozen anew: what was signed is used up.
        self._to_drained("reversing", "reverted", "planned", *FIRST)

    # -- the world ----------------------------------------------------------------------------

    @rule()
    def the_evidence_changes(self) -> None:
        self.evidence += 1

    @rule(line=st.sampled_from(LINES))
    def a_line_turns(self, line: str) -> None:
        self.red ^= {line}

    @rule()
    def all_is_mended(self) -> None:
        self.red.clear()

    @rule()
    def thawed_and_frozen_again(self) -> None:
        self._to_drained("holding")

    @rule(minutes=st.sampled_from([1, 20, 40, 2000]))
    def time_passes(self, minutes: int) -> None:
        self.clock.sleep(minutes * 60)

    @rule()
    def the_straight_way(self) -> None:
        """What leads to a switch, so that some get there."""
        self.red.clear()
        self.gate(MAX, asks=True)
        self.ada_signs("right")
        self.ben_signs()
        self.gate(MAX, asks=False)

    @rule(what=st.sampled_from(["nothing", "evidence", "thaw", "line", "override", "asker"]))
    def approved_and_then_something_changes(self, what: str) -> None:
        """The short way to what this is about; the model judges it as any other order."""
        self.the_straight_way()
        if what == "evidence":
            self.the_evidence_changes()
        elif what == "thaw":
            self.thawed_and_frozen_again()
        elif what == "line":
            self.a_line_turns("drift")
        elif what == "override":
            self.red.add("drift")
            self.gate(MAX, asks=False)
            self.override({"drift"}, ADA, "it is known")
        elif what == "asker":
            self.gate(ADA, asks=True)
        self.gate(MAX, asks=True)
        self.the_switch_is_tried()

    @invariant()
    def the_trail_verifies(self) -> None:
        if hasattr(self, "workspace"):
            assert trail.verify(self.workspace) == []


TestWeekend = Weekend.TestCase
TestWeekend.settings = settings(
    max_examples=12,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink what was found takes minutes
)
