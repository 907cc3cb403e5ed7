"""Whatever stirs in the target, it is told before the second record; what was accepted by name may stir."""

# ruff: noqa: ARG002 - a protocol's signatures, of which a fake needs less than a vendor

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from migrate.connector import Batch, Held, Limits, Operation, Outcome, Target, Told, Who, Write
from migrate.engine import Engine
from migrate.errors import CanaryStopped
from migrate.ledger import batches as book
from migrate.ledger.canaries import flown
from migrate.load import Loading, RecordProtocol
from migrate.load.canary import Canaries
from migrate.load.cutting import Cutter
from migrate.load.work import crosswalk_table
from migrate.plan.models import ObjectPlan
from tests.unit.fake_target import CATALOG, FIELDS, FakeTarget, Killed, Record
from tests.unit.test_load_protocol import PLAN, Case, key

SETTLE = 10.0
ROWS = {name: {"name": name, "email": f"{name}@x.test"} for name in ("a", "b", "c", "d", "e", "f")}
Deed = Callable[["Stirring", Record], None]


class Stirring(FakeTarget):
    """A target with automations: `deeds` at once with a write, `late` some seconds after it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.deeds: list[Deed] = []
        self.late: list[Deed] = []
        self.waiting: list[tuple[datetime, Deed, Record]] = []
        self.sizes: list[tuple[str, int]] = []
        self.beside: list[Held] = []  # records of another object
        self.watched: Sequence[Operation] = (Operation.CREATE, Operation.UPDATE)
        land = self.clock.due  # type: ignore[attr-defined]

        def due() -> None:
            land()
            now, self.waiting = self.waiting, []
            for at, deed, record in now:
                if at <= self.clock.now():
                    deed(self, record)
                else:
                    self.waiting.append((at, deed, record))

        self.clock.due = due  # type: ignore[attr-defined]

    @property
    def limits(self) -> Limits:
        return replace(super().limits, settle=SETTLE)

    def send(self, batch: Batch) -> list[Outcome]:
        self.sizes.append((batch.operation.value, len(batch.writes)))
        return super().send(batch)

    def _execute(self, batch: Batch) -> list[Outcome]:
        outcomes = super()._execute(batch)
        for write, outcome in zip(batch.writes, outcomes, strict=False):
            if batch.operation in self.watched and outcome.status == "done":
                record = self.by("migration_key", write.key) or self.records[str(write.id)]
                for deed in self.deeds:
                    deed(self, record)
                at = self.clock.now()
                self.waiting += [(at, deed, record) for deed in self.late]
        return outcomes

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(objects, str(len(self.beside)))

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        return self.beside[int(mark) :] if object == "companies" else []

    def automations(self, objects: Sequence[str]) -> Told:
        return Told(())

    def by_rule(self, code: str) -> bool:
        return code == "RULE"

    def given(self, object: str) -> Mapping[str, str]:
        return {}

    def mail_signs(self, object: str) -> Sequence[str]:
        return ("phone",) if object == "contacts" else ()


def changes(target: Stirring, record: Record) -> None:
    target.write(record, {"name": "Mr. X"}, Who.AUTOMATION)


def by_a_person(target: Stirring, record: Record) -> None:
    target.write(record, {"name": "Mr. X"}, Who.PERSON)


def makes(target: Stirring, record: Record) -> None:
    target.beside.append(Held("c1", "c1", {}, target.stamp(), "automation"))


def touches(target: Stirring, record: Record) -> None:
    record.stamp = target.stamp()


def mails(target: Stirring, record: Record) -> None:
    record.values["phone"] = "yesterday"


def fills(target: Stirring, record: Record) -> None:
    target.write(record, {"phone": "123"}, Who.AUTOMATION)


def removes(target: Stirring, record: Record) -> None:
    record.live = False


class Flight(Case):
    """Loads with canaries."""

    def __init__(self, root: Path, engine: Engine, **automations: Any) -> None:
        super().__init__(root, engine)
        self.target: Stirring = Stirring(self.clock)
        source = CATALOG.model_copy(update={"family": "src"})
        self.workspace.catalog = lambda role: source  # type: ignore[method-assign] # noqa: ARG005
        self.automations: dict[str, Any] = automations

    def load(self, *, links: bool = False) -> None:
        self.workspace.__dict__.pop("journal", None)
        target: Target = self.target
        plan = ObjectPlan.model_validate({**PLAN.model_dump(by_alias=True), "automations": self.automations})
        with Loading(self.workspace, target, CATALOG, 1) as loading:
            protocol = RecordProtocol(loading, "contacts", list(FIELDS), always=["migration_key"])
            crosswalk_table(loading)
            cutter = Cutter(loading, plan)
            loading.run(cutter.in_doubt(), protocol.run)
            canaries = Canaries(loading, [plan], lambda _, work: protocol.run(work))
            canaries.resume()
            crosswalk_table(loading)
            canaries.ahead([plan], sample=False)
            for manifest in cutter.manifests():
                crosswalk_table(loading)
                loading.run(canaries.guard(plan, cutter.pending(manifest)), protocol.run)

    def stopped(self) -> list[str]:
        """Load, be stopped; what was told."""
        with pytest.raises(CanaryStopped) as caught:
            self.load()
        return [effect for _, effects in caught.value.found for effect in effects]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(each.operation, each.state) for each in flown(self.workspace.ledger, 1)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    base = tmp_path_factory.mktemp("engine")
    with Engine(folders=[base.parent], temp_dir=base / "spill") as made:
        yield made


@pytest.fixture
def flight(tmp_path: Path, engine: Engine) -> Flight:
    made = Flight(tmp_path, engine)
    made.stage(0, ROWS)
    return made


def test_where_nothing_stirs_the_first_record_goes_alone_once(flight: Flight) -> None:
    before = flight.clock.now()
    flight.load()
    assert [size for _, size in flight.target.sizes] == [1, 4, 1]
    assert (flight.clock.now() - before).total_seconds() >= SETTLE
    assert flight.states == [("create", "passed")]
    flight.stage(1, {"g": {"name": "g"}, "h": {"name": "h"}})
    flight.load()
    assert flight.target.sizes[3:] == [("create", 2)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("deed", "told", "accept"),
    [
        (changes, "changes `name`, by automation", {"changes": ["name"]}),
        (by_a_person, "changes `name`, by ann", {"changes": ["name"]}),
        (makes, "makes a record of `companies` (c1), by an automation", {"makes": ["companies"]}),
        (mails, "sends mail (`phone` tells)", {"mails": True}),
    ],
)
def test_what_stirs_is_told_before_the_second_record(
    flight: Flight, deed: Deed, told: str, accept: dict[str, Any], late: bool
) -> None:
    (flight.target.late if late else flight.target.deeds).append(deed)
    assert told in flight.stopped()
    assert len(flight.target.records) == 1
    assert flight.states == [("create", "stopped")]
    flight.automations = {"accept": [{"name": "Known", **accept}]}
    flight.load()
    assert len(flight.live()) == len(ROWS)


def test_a_record_that_is_taken_away_later_stops_the_load_whatever_was_accepted(flight: Flight) -> None:
    flight.automations = {"accept": [{"name": "Known", "makes": ["contacts"], "changes": ["name"]}]}
    flight.target.late.append(removes)
    assert flight.stopped() == ["takes the record away"]


def test_a_stamp_that_moves_without_a_reason_stops_the_load(flight: Flight) -> None:
    flight.target.late.append(touches)
    assert flight.stopped() == ["moves the record's modification stamp and changes no value"]
    flight.automations = {"accept": [{"name": "Counter", "stamps": True}]}
    flight.load()
    assert flight.states == [("create", "passed")]


def test_only_what_was_accepted_may_stir(flight: Flight) -> None:
    flight.target.late += [changes, makes]
    flight.automations = {"accept": [{"name": "Known", "fills": ["name"], "makes": ["companies"]}]}
    assert flight.stopped() == ["changes `name`, by automation"]


def test_who_runs_it_again_without_deciding_writes_one_more_record_and_no_second(flight: Flight) -> None:
    flight.target.late.append(changes)
    flight.stopped()
    flight.stopped()
    assert len(flight.target.records) == 2
    flight.target.late.clear()  # switched off in the target
    flight.load()
    assert [state for _, state in flight.states] == ["stopped", "stopped", "passed"]
    assert len(flight.live()) == len(ROWS)


@pytest.mark.parametrize("fault", ["killed before", "killed after"])
def test_killed_in_its_call_it_is_looked_at_before_anything_else(flight: Flight, fault: Any) -> None:
    flight.target.late.append(changes)
    flight.target.faults.append(fault)
    with pytest.raises(Killed):
        flight.load()
    assert book.in_doubt(flight.workspace.ledger, 1)
    assert flight.stopped() == ["changes `name`, by automation"]
    assert len(flight.target.records) == 1


def test_killed_while_it_waits_it_is_looked_at_before_anything_else(
    flight: Flight, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight.target.late.append(changes)

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Loading, "pause", killed)
        with pytest.raises(Killed):
            flight.load()
    assert flight.states == [("create", "sent")]
    assert flight.stopped() == ["changes `name`, by automation"]
    assert len(flight.target.records) == 1


def test_a_refused_record_says_nothing_so_the_next_one_goes_alone(flight: Flight) -> None:
    flight.target.bad = {key("a"), key("b")}
    flight.load()
    assert [size for _, size in flight.target.sizes] == [1, 1, 1, 2, 1]
    assert flight.states == [("create", "refused"), ("create", "refused"), ("create", "passed")]


def test_a_rule_that_refuses_the_first_record_stops_the_load(
    flight: Flight, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: Stirring, __: str, index: int, ___: Write) -> Outcome:
        return Outcome(index, "refused", code="RULE", reason="no")

    monkeypatch.setattr(Stirring, "_create", refuses)
    assert flight.stopped() == ["refuses the record with RULE"]
    assert flight.target.records == {}
    flight.automations = {"accept": [{"name": "Rule", "refuses": ["RULE"]}]}
    flight.load()
    assert Counter(flight.states) == {("create", "refused"): len(ROWS)}


def test_the_first_update_goes_alone_too_if_it_changes_anything(flight: Flight) -> None:
    flight.load()
    flight.target.sizes.clear()
    flight.target.late.append(fills)
    flight.target.watched = (Operation.UPDATE,)
    later = {name: {**row, "name": row["name"] if name in "ab" else f"{name}2"} for name, row in ROWS.items()}
    flight.stage(1, later)
    assert flight.stopped() == ["sends mail (`phone` tells)"]
    assert flight.states == [("create", "passed"), ("update", "stopped")]
    assert flight.target.sizes == [("update", 1)]
    changed = [
        record.values["name"] for record in flight.target.records.values() if record.values.get("phone")
    ]
    assert changed == ["c2"]  # what would be written as it stands tells nothing


def test_an_entry_is_loaded_without_one_only_where_somebody_says_so(tmp_path: Path, engine: Engine) -> None:
    flight = Flight(tmp_path, engine, waive={"by": "Jane Doe", "reason": "an empty portal of our own"})
    flight.stage(0, ROWS)
    flight.target.late.append(changes)
    flight.load()
    assert flight.states == []
    assert len(flight.live()) == len(ROWS)
