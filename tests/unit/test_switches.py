"""What we switch off is on again, as it was, wherever we were killed; what others switched stays theirs."""

# ruff: noqa: ARG002 - a protocol's signatures, of which a fake needs less than a vendor

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrate.connector import Automation, Target, Told
from migrate.engine import Engine
from migrate.errors import InDoubt, SystemRefused, UsageError
from migrate.ledger.database import Ledger
from migrate.ledger.switches import all_switches, open_switches
from migrate.load import Loading
from migrate.load.switches import quiet, restore
from tests.unit.bench import HandClock, workspace
from tests.unit.fake_target import CATALOG, FakeTarget, Killed

BEFORE = {"1": "v7", "2": "on", "3": "", "4": "on"}  # 3 is off by somebody else
NAMES = {"1": "Flow", "2": "Mail", "3": "Old", "4": "Trigger"}


class Switching(FakeTarget):
    """Automations with their states. `kill`: at which switching it dies, before or after it took effect."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.state = dict(BEFORE)
        self.kill: tuple[int, str] = (0, "")
        self.switched = 0
        self.lost = 0  # answers that get lost, after the switching
        self.stuck: set[str] = set()

    def automations(self, objects: Sequence[str]) -> Told:
        return Told(
            tuple(
                Automation("contacts", "workflow", NAMES[id], id, bool(on), switchable=id != "4")
                for id, on in self.state.items()
            )
        )

    def by_rule(self, code: str) -> bool:
        return not code

    def given(self, object: str) -> Mapping[str, str]:
        return {}

    def mail_signs(self, object: str) -> Sequence[str]:
        return (object,) if not object else ()

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        return {id: self.state[id] for id in ids if id in self.state}

    def set_state(self, id: str, state: str) -> None:
        self.before_write()
        self.switched += 1
        at, when = self.kill
        if (self.switched, when) == (at, "before"):
            raise Killed
        if id in self.stuck:
            raise SystemRefused("new", "not allowed")
        self.state[id] = state
        if (self.switched, when) == (at, "after"):
            raise Killed
        if self.lost:
            self.lost -= 1
            raise InDoubt("new", "reset")


class Bench:
    """A workspace whose plan switches some off; each `work` is a new process."""

    def __init__(self, root: Path, engine: Engine, *names: str) -> None:
        self.clock = HandClock()
        self.workspace = workspace(root, self.clock, engine)
        self.target = Switching(self.clock)
        self.plan(*names)

    def plan(self, *names: str) -> None:
        model = SimpleNamespace(
            automations=SimpleNamespace(switch_off=list(names)), objects=[SimpleNamespace(target="contacts")]
        )
        self.workspace.__dict__["plan"] = SimpleNamespace(model=model)

    def loading(self) -> Loading:
        self.workspace.__dict__.pop("journal", None)
        target: Target = self.target
        return Loading(self.workspace, target, CATALOG, 1)

    def work(self, error: BaseException | None = None) -> dict[str, str]:
        """A command that switches off, works, and fails with `error`; the states while it worked."""
        with self.loading() as loading, quiet(loading):
            seen = dict(self.target.state)
            if error is not None:
                raise error
        return seen

    @property
    def ledger(self) -> Ledger:
        return self.workspace.ledger


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    base = tmp_path_factory.mktemp("engine")
    with Engine(folders=[base.parent], temp_dir=base / "spill") as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, engine: Engine) -> Bench:
    return Bench(tmp_path, engine, "Flow", "2", "Old")


def test_they_are_off_inside_and_as_they_were_afterwards(bench: Bench) -> None:
    assert bench.work() == {**BEFORE, "1": "", "2": ""}
    assert bench.target.state == BEFORE
    assert [(each.name, each.was, each.state) for each in all_switches(bench.ledger)] == [
        ("Flow", "v7", "on"),
        ("Mail", "on", "on"),
    ]


def test_a_command_that_fails_switches_them_on_too(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no"):
        bench.work(ValueError("no"))
    assert bench.target.state == BEFORE


def _points() -> list[tuple[int, str]]:
    return [(number, when) for number in range(1, 5) for when in ("before", "after")]


@pytest.mark.parametrize("point", _points())
def test_killed_at_any_switching_the_next_command_brings_them_back(
    bench: Bench, point: tuple[int, str]
) -> None:
    bench.target.kill = point
    with pytest.raises(Killed):
        bench.work()
    bench.target.kill = (0, "")
    assert bench.work() == {**BEFORE, "1": "", "2": ""}
    assert bench.target.state == BEFORE
    assert open_switches(bench.ledger) == []


@pytest.mark.parametrize("number", range(1, 9))
def test_killed_before_any_commit_a_restore_brings_them_back(
    bench: Bench, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = Ledger.write, 0

    def counted(self: Ledger, lease: Any = None) -> Any:
        nonlocal seen
        seen += lease is not None  # the lease's own keeper doesn't count
        if seen >= number:
            raise Killed
        return write(self, lease)

    loading = bench.loading()
    with monkeypatch.context() as patch, pytest.raises(Killed), loading:
        patch.setattr(Ledger, "write", counted)
        try:
            with quiet(loading):
                raise Killed  # at the latest in the midst of the work
        finally:
            patch.undo()
    off = [id for id, state in bench.target.state.items() if state != BEFORE[id]]
    assert set(off) <= {each.automation for each in open_switches(bench.ledger)}
    with bench.loading() as again:
        restore(again)
    assert bench.target.state == BEFORE
    assert open_switches(bench.ledger) == []


def test_what_somebody_switched_on_meanwhile_or_deleted_stays_so(bench: Bench) -> None:
    with bench.loading() as loading, quiet(loading):
        bench.target.state["1"] = "v8"
        del bench.target.state["2"]
    assert bench.target.state == {"1": "v8", "3": "", "4": "on"}
    assert [each.state for each in all_switches(bench.ledger)] == ["on", "gone"]


def test_an_answer_that_is_lost_is_settled_by_asking(bench: Bench) -> None:
    bench.target.lost = 3
    assert bench.work() == {**BEFORE, "1": "", "2": ""}
    assert bench.target.state == BEFORE


def test_one_that_the_target_keeps_off_is_named_and_the_others_are_on(bench: Bench) -> None:
    with pytest.raises(SystemRefused), bench.loading() as loading, quiet(loading):
        bench.target.stuck = {"1"}
    assert bench.target.state == {**BEFORE, "1": ""}
    [left] = open_switches(bench.ledger)
    assert "`Flow`" in str(left)
    assert "`migrate automations restore`" in str(left)


def test_one_that_the_plan_names_no_longer_is_switched_on_at_the_next_begin(bench: Bench) -> None:
    bench.target.kill = (2, "after")
    with pytest.raises(Killed):
        bench.work()
    bench.plan("Mail")
    bench.target.kill = (0, "")
    assert bench.work() == {**BEFORE, "2": ""}
    assert bench.target.state == BEFORE


@pytest.mark.parametrize(("name", "words"), [("Nobody", "doesn't list"), ("Trigger", "can't be switched")])
def test_a_name_that_cannot_be_switched_stops_a_load_before_anything_is(
    bench: Bench, name: str, words: str
) -> None:
    bench.plan("Flow", name)
    with pytest.raises(UsageError, match=words):
        bench.work()
    assert bench.target.state == BEFORE
    with bench.loading() as loading, quiet(loading, strict=False):  # a rollback does without
        assert bench.target.state == {**BEFORE, "1": ""}
