"""Can any sequence of commands talk its way past the gate?

Hypothesis plays commands in any order, right and wrong, on a cohort that is drained: gate, requests,
signatures, overrides, thaws, edits of the plan, hours that pass, moves made by hand, switches that fail.
Ledger, trail, gate and signatures are the real ones; the two systems are in memory. Who is judged to have
been allowed to switch is told from the trail's own events, by rules that are written here anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from migrate.clock import parse_stamp
from migrate.cutover import freezing, sealing, signing, switching, trail
from migrate.cutover import gate as gates
from migrate.cutover.excusing import OVERRIDDEN, WAIVED
from migrate.cutover.freezing import ASKED, DRAINED, STILL, WATERMARK, covered, thaw
from migrate.cutover.gate import GATE
from migrate.cutover.machine import MOVED, Cutover, MoveRefused
from migrate.cutover.signing import SIGNED
from migrate.cutover.states import STATES, State
from migrate.cutover.trail import Event
from migrate.engine import Engine
from migrate.errors import MigrateError, Parked
from tests.unit.gate_case import ADA, BEN, MAX, TERMS, Case

FRESH = timedelta(minutes=30)  # the plan's own bound of a gate, by default
EDITED = TERMS + "  lag: 6 minutes\n"
Step = Callable[[], Any]


class ReversePath:
    """Stands in for the way back, which asks systems."""

    def __init__(self) -> None:
        self.comes = True

    def open(self, cutover: Cutover, *, who: str) -> None:
        assert cutover.state == "switching"
        assert who

    def canary(self, workspace: Any, cohort: str) -> str:
        if not self.comes:
            raise Parked(workspace.system("source").system, "it doesn't answer")
        return cohort


class Copy:
    """A case that goes back to where it began, as often as one likes."""

    def __init__(self, case: Case, aside: Path) -> None:
        self.case, self.aside, self.at = case, aside, case.clock.at
        self.path = ReversePath()
        shutil.copytree(case.root, aside)

    def again(self) -> None:
        self.case.terms = TERMS
        shutil.rmtree(self.case.root)
        shutil.copytree(self.aside, self.case.root)
        self.case.clock.at, self.path.comes = self.at, True


class Weekend(RuleBasedStateMachine):
    """One sequence."""

    def __init__(self, copy: Copy) -> None:
        super().__init__()
        copy.again()
        self.copy, self.case = copy, copy.case
        self.workspace = copy.case.workspace
        self.cutover = Cutover(self.workspace)
        self.judged = 0  # moves

    def teardown(self) -> None:
        assert trail.verify(self.workspace) == []
        self.workspace.ledger.close()

    def tried(self, step: Step) -> bool:
        """Whether a command came to its end; what it refused is what it may refuse."""
        with suppress(MigrateError):
            step()
            return True
        return False

    # -- what people do -----------------------------------------------------------------------

    @rule(request=st.booleans(), who=st.sampled_from([MAX, MAX, ADA]))
    def gate(self, request: bool, who: str) -> None:
        self.tried(lambda: gates.run(self.cutover, who=who, request=request))

    @rule()
    def ada_signs(self) -> None:
        def step() -> None:
            token = signing.invite(self.cutover, ADA, who=MAX)
            evidence = gates.current(self.cutover)
            signing.sign_by_link(self.cutover, evidence, token=token, name=ADA, code=evidence.code)

        self.tried(step)

    @rule(forged=st.sampled_from([False, False, False, True]))
    def ben_signs(self, forged: bool) -> None:
        def step() -> None:
            evidence = gates.current(self.cutover)
            content = signing.statement(self.cutover, evidence, BEN).content()
            proof = b"\0" * 64 if forged else self.case.private.sign(content)
            signing.sign_by_key(self.cutover, evidence, content=content, proof=proof)

        done = self.tried(step)
        assert not (forged and done)

    @rule()
    def all_sign(self) -> None:
        self.gate(request=True, who=MAX)
        self.ada_signs()
        self.ben_signs(forged=False)
        self.tried(lambda: gates.approve_if_complete(self.cutover, who=BEN))

    @rule(
        names=st.lists(st.sampled_from(["validation", "rehearsal", "signatures", "plan"]), max_size=3),
        who=st.sampled_from(["", MAX, ADA]),
        reason=st.sampled_from(["", "  ", "The board wants it"]),
    )
    def override(self, names: list[str], who: str, reason: str) -> None:
        self.tried(lambda: gates.override(self.cutover, names, who=who, reason=reason))

    @rule(line=st.sampled_from(["rehearsal", "dead-letters", "validation"]))
    def waive(self, line: str) -> None:
        self.tried(
            lambda: gates.waive(self.cutover, line, who=MAX, reason="It is the same plan", until="2027-12-31")
        )

    @rule(minutes=st.sampled_from([1, 31, 31, 13 * 60, 20 * 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.case.clock.sleep(minutes * 60)

    @rule()
    def validate(self) -> None:
        self.case.clock.sleep(1)
        self.case.validate()

    @rule(terms=st.sampled_from([TERMS, EDITED]))
    def edit_the_plan(self, terms: str) -> None:
        if terms != self.case.terms:
            self.case.terms = terms
            self.case.plan("- source: Account\n  target: companies\n  fields: {name: Name}\n")
            self.workspace.forget()

    @rule()
    def thawed(self) -> None:
        self.tried(lambda: thaw(self.cutover, who=MAX, why="Sales must write"))

    @rule(wait=st.sampled_from([0, 3600]))
    def freeze(self, wait: int) -> None:
        self.tried(lambda: freezing.freeze(self.cutover, who=MAX, wait=wait))

    @rule()
    def drain(self) -> None:
        self.tried(lambda: freezing.drain(self.cutover, who=MAX))

    @rule(to=st.sampled_from(STATES))
    def move_by_hand(self, to: State) -> None:
        self.tried(lambda: self.cutover.move(to, who="Eve"))

    @rule(comes=st.booleans())
    def switch(self, comes: bool) -> None:
        self.copy.path.comes = comes
        if self.tried(lambda: switching.switch(self.cutover, who=MAX)):
            assert self.cutover.state == ("switched" if comes else "frozen")

    @rule(comes=st.booleans(), first=st.sampled_from(["", "an hour", "an edit", "a thaw", "a validation"]))
    def weekend(self, comes: bool, first: str) -> None:
        """Everything in order, as far as it goes from here, but for what comes just before the switch."""
        self.freeze(wait=3600)
        self.drain()
        self.validate()
        self.all_sign()
        if first == "an hour":
            self.time_passes(minutes=60)
        elif first == "an edit":
            self.edit_the_plan(terms=EDITED if self.case.terms == TERMS else TERMS)
        elif first == "a thaw":
            self.thawed()
        elif first == "a validation":
            self.validate()
        self.switch(comes=comes)

    @rule()
    def give_up(self) -> None:
        self.tried(lambda: switching.give_up(self.cutover, who=MAX))

    @rule()
    def seal(self) -> None:
        self.tried(lambda: sealing.seal(self.cutover, who=MAX))

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def nobody_switched_who_was_not_allowed_to(self) -> None:
        moves = trail.events(self.workspace.ledger, MOVED)
        for event in moves[self.judged :]:
            if event.facts["to"] == "switching":
                whole = trail.events(self.workspace.ledger)
                allowed([each for each in whole if each.number < event.number], event)
            if event.facts["to"] == "switched":
                assert event.facts["from"] == "switching"
        self.judged = len(moves)


def allowed(before: list[Event], switch: Event) -> None:
    """A switch rests on a fresh gate and two signatures, or on overrides that say who, why, and which
    lines."""
    last = [each for each in before if each.what == GATE][-1]
    assert parse_stamp(switch.at) - parse_stamp(last.at) <= FRESH
    excuses = [each for each in before if each.what in (OVERRIDDEN, WAIVED)]
    for each in excuses:
        assert each.who.strip()
        assert str(each.facts["reason"]).strip()
    named = {line for each in excuses for line in each.facts["lines"]}
    assert set(last.facts["red"]) - {"signatures"} <= named
    assert "plan" not in last.facts["red"]
    assert "plan" not in named
    voided = max(
        each.number for each in before if each.what == MOVED and each.facts["to"] in ("holding", "frozen")
    )
    signers = {
        each.who
        for each in before
        if each.what == SIGNED and each.number > voided and each.evidence == switch.evidence
    }
    assert signers == {ADA, BEN} or "signatures" in named
    moves = [str(each.facts["to"]) for each in before if each.what == MOVED]
    assert moves[-1] == "approved"
    back = len(moves) - 1 - moves[::-1].index("frozen")
    assert "drained" in moves[back:]
    assert "verified" in moves[back:]


@pytest.fixture
def copy(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    case = Case(tmp_path / "w", engine)
    found = Copy(case, tmp_path / "aside")
    monkeypatch.setattr(switching, "_reverse", lambda: found.path)
    yield found


def test_no_sequence_of_commands_reaches_switched_without_gate_and_signatures_or_a_named_override(
    copy: Copy,
) -> None:
    class Here(Weekend):
        def __init__(self) -> None:
            super().__init__(copy)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12, stateful_step_count=12, deadline=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_a_weekend_in_good_order_comes_to_its_switch(copy: Copy) -> None:
    """Else the sequences would show nothing."""
    weekend = Weekend(copy)

    weekend.weekend(comes=True, first="")

    assert weekend.cutover.state == "switched"
    weekend.nobody_switched_who_was_not_allowed_to()
    weekend.teardown()


@pytest.mark.parametrize("first", ["an edit", "a thaw", "a validation"])
def test_what_comes_just_before_the_switch_stops_it(copy: Copy, first: str) -> None:
    weekend = Weekend(copy)

    weekend.weekend(comes=True, first=first)

    assert weekend.cutover.state != "switched"
    weekend.teardown()


def test_the_final_watermark_is_read_after_the_freeze_is_verified_whatever_the_order_of_the_steps(
    copy: Copy,
) -> None:
    drained = []
    for order in permutations(("still", "frozen", "watermark", "brought")):
        if came_to_drained(copy, ("asked", *order, "drained")):
            drained.append(order)

    assert drained == [("still", "frozen", "watermark", "brought")]


def came_to_drained(copy: Copy, order: Sequence[str]) -> bool:
    copy.again()
    cutover = Cutover(copy.case.workspace)
    cutover.move("holding", who=MAX)
    at = covered(cutover)
    steps: dict[str, Step] = {
        "asked": lambda: told(cutover, ASKED, at=at),
        "still": lambda: told(cutover, STILL, seconds=600, needed=600, at=at),
        "frozen": lambda: cutover.move("frozen", who=MAX),
        "watermark": lambda: told(cutover, WATERMARK, at=at),
        "brought": lambda: told(cutover, DRAINED, through=at),
        "drained": lambda: cutover.move("drained", who=MAX),
    }
    for name in order:
        with suppress(MigrateError):
            steps[name]()
    state = cutover.state
    cutover.workspace.ledger.close()
    return state == "drained"


def test_a_final_watermark_from_before_the_freeze_was_verified_drains_nothing(copy: Copy) -> None:
    """The order swapped, as it was in a release of another mover: a write in between would be lost."""
    cutover = Cutover(copy.case.workspace)
    cutover.move("holding", who=MAX)
    at = covered(cutover)
    told(cutover, ASKED, at=at)
    told(cutover, WATERMARK, at=at)
    told(cutover, STILL, seconds=600, needed=600, at=at)
    cutover.move("frozen", who=MAX)
    told(cutover, DRAINED, through=at)

    with pytest.raises(MoveRefused, match="wasn't read after the freeze was verified"):
        cutover.move("drained", who=MAX)


def told(cutover: Cutover, what: str, **facts: Any) -> None:
    trail.append(cutover.workspace.ledger, MAX, what, cohort=cutover.cohort, **facts)
