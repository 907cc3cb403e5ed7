"""Whatever the network does: a record gets there once, and nobody's work is overwritten unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrate.connector import Link, Outcome, Target, Who
from migrate.engine import Engine
from migrate.errors import InDoubt, LeaseLost, SystemRefused
from migrate.journal import CROSSWALK, LINKS, REFUSED
from migrate.ledger import batches as book
from migrate.load import LinkProtocol, Loading, RecordProtocol
from migrate.load.cutting import Cutter
from migrate.load.link_work import LinkCutter
from migrate.load.work import crosswalk_table
from migrate.plan.models import ObjectPlan
from migrate.stages import checkpoint
from migrate.store import Manifest
from tests.unit.bench import HandClock, workspace
from tests.unit.fake_target import CATALOG, FIELDS, FakeTarget, Fault, Killed

PLAN = ObjectPlan.model_validate({
    "source": "Contact", "target": "contacts", "fields": {"name": "Name", "email": "Email", "phone": "Phone"},
    "links": [{"to": "companies", "via": "AccountId", "label": "primary", "missing": "link"}],
})  # fmt: skip
READY = pa.schema([
    ("_key", pa.string()), ("_source_id", pa.string()), ("_version", pa.timestamp("us", "UTC")),
    ("_target_id", pa.string()), ("_deleted", pa.bool_()), *((name, pa.string()) for name in FIELDS),
])  # fmt: skip
LINK = pa.schema([
    *((name, pa.string()) for name in ("left", "right", "left_object", "right_object", "label", "missing")),
    ("source_id", pa.string()), ("_deleted", pa.bool_()),
])  # fmt: skip
FAULTS = st.lists(st.sampled_from(Fault.__args__), max_size=7)  # type: ignore[attr-defined]
patient = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def key(name: str) -> str:
    return f"src.Contact.{name}"


class Case:
    """A workspace, a target, and loads of what is staged; each `load` is a new process."""

    def __init__(self, root: Path, engine: Engine, faults: Sequence[Fault] = (), **target: Any) -> None:
        self.clock = HandClock()
        self.workspace = workspace(root, self.clock, engine)
        self.target = FakeTarget(self.clock, faults, **target)
        self.rules: dict[str, Any] = {}
        self.fields = list(FIELDS)  # that the plan maps
        self.wins: dict[str, str] = {}
        self.keep_going = False
        self.baseline: dict[str, list[str]] = {}

    def stage(self, generation: int, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Ready rows by name. `deleted`, `adopt` (a target id) and `version` (a number) say the rest."""
        made = []
        for name, row in rows.items():
            made.append({
                "_key": key(name), "_source_id": name, "_target_id": row.get("adopt"),
                "_deleted": bool(row.get("deleted")),
                "_version": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=row.get("version", generation)),
                "migration_key": key(name), "name": row.get("name"), "email": row.get("email"),
                "phone": row.get("phone"),
            })  # fmt: skip
        self._publish("ready", "Contact", generation, made, READY)
        live = {k: {"_key": key(k), "_hash": "1"} for k, row in rows.items() if not row.get("deleted")}
        schema = pa.schema([("_key", pa.string()), ("_hash", pa.string())])
        self._publish("full", "Contact", generation, list(live.values()), schema)

    def stage_links(self, generation: int, *pairs: tuple[str, str], deleted: bool = False) -> None:
        made = [
            {"left": key(left), "right": f"src.Account.{right}", "left_object": "contacts",
             "right_object": "companies", "label": "primary", "missing": "link", "source_id": left,
             "_deleted": deleted}
            for left, right in pairs
        ]  # fmt: skip
        self._publish("links", "Contact.0", generation, made, LINK)

    def _publish(
        self, stage: str, name: str, generation: int, rows: list[dict[str, Any]], schema: pa.Schema
    ) -> None:
        store, folder = self.workspace.store, f"{stage}/{name}/g{generation:04d}"
        with store.writer(folder, schema) as writer:
            writer.write(pa.Table.from_pylist(rows, schema=schema))
        store.publish(Manifest(folder, stage, name, generation, len(rows), tuple(writer.parts)))

    def load(self, *, links: bool = False) -> None:
        """One process: what is in doubt first, then what is pending."""
        self.workspace.__dict__.pop("journal", None)
        target: Target = self.target
        with Loading(self.workspace, target, CATALOG, 1, keep_going=self.keep_going) as loading:
            loading.baseline = self.baseline
            protocol = RecordProtocol(
                loading, "contacts", self.fields, wins=self.wins, always=["migration_key"], **self.rules
            )
            crosswalk_table(loading)
            cutter = Cutter(loading, PLAN)
            loading.run(cutter.in_doubt(), protocol.run)
            for manifest in cutter.manifests():
                crosswalk_table(loading)
                if manifest.generation:
                    loading.run(cutter.pending(manifest, tombstones=True), protocol.run)
                loading.run(cutter.pending(manifest), protocol.run)
            crosswalk_table(loading)
            if links:
                cut = LinkCutter(loading, "Contact.0")
                loading.run(cut.in_doubt(), LinkProtocol(loading).run)
                for manifest in cut.manifests():
                    loading.run(cut.pending(manifest), LinkProtocol(loading).run)

    def persist(self, *, links: bool = False, times: int = 20) -> int:
        """Run it again until it ends, as an operator would; returns how often it took."""
        for number in range(times):
            try:
                self.load(links=links)
            except (Killed, InDoubt):
                self.clock.sleep(1)
            else:
                return number + 1
        raise AssertionError("it never ends")

    def rows(self, query: str) -> dict[str, dict[str, Any]]:
        sql = f"SELECT * FROM ({query.format(journal=self.workspace.journal.source())})"
        return {row["key"]: row for row in self.workspace.engine.rows(sql)}

    def told(self, outcome: str) -> list[dict[str, Any]]:
        """Journal rows with an outcome."""
        journal = self.workspace.journal.source()
        return self.workspace.engine.rows(f"SELECT * FROM {journal} WHERE outcome = '{outcome}' ORDER BY seq")

    def live(self) -> dict[str, list[dict[str, str | None]]]:
        """Values of the live records by migration key: more than one is a twin."""
        found: dict[str, list[dict[str, str | None]]] = {}
        for record in self.target.records.values():
            if record.live:
                found.setdefault(record.values.get("migration_key") or "", []).append(record.values)
        return found

    def sane(self) -> None:
        """Nothing is open, everything has its end, nothing is there twice."""
        assert book.in_doubt(self.workspace.ledger) == []
        twins = {name: rows for name, rows in self.live().items() if name and len(rows) > 1}
        assert twins == {}
        known, ours = self.rows(CROSSWALK), {name for name in self.live() if name}
        assert {k for k, row in known.items() if self.target.records[row["target_id"]].live} == ours
        for name, row in known.items():
            record = self.target.by("migration_key", name)
            assert record is None or record.id == row["target_id"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("protocol")


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with Engine(folders=[base], temp_dir=base / "spill") as opened:
        yield opened


@pytest.fixture
def root(base: Path) -> Iterator[Path]:
    import tempfile

    yield Path(tempfile.mkdtemp(dir=base))


def fresh(base: Path) -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(dir=base))


NINE = {f"c{n}": {"name": f"Name {n}", "email": f"c{n}@a.test", "phone": f" {n} "} for n in range(9)}


# -- creates ----------------------------------------------------------------------------------


@patient
@given(faults=FAULTS, seed=st.integers(0, 9))
def test_a_create_lands_once_whatever_becomes_of_the_answers(
    base: Path, engine: Engine, faults: list[Fault], seed: int
) -> None:
    case = Case(fresh(base), engine, faults, seed=seed)
    case.stage(0, NINE)
    case.persist()
    case.clock.sleep(100)  # what is late lands
    case.sane()
    assert {name: rows[0]["email"] for name, rows in case.live().items()} == {
        key(name): row["email"] for name, row in NINE.items()
    }
    calls = case.target.calls
    case.load()
    assert case.target.calls == calls  # the second run does nothing


@patient
@given(faults=FAULTS, bad=st.sets(st.sampled_from(sorted(NINE)), max_size=3))
def test_a_bad_record_is_isolated_and_the_others_of_its_batch_go_through(
    base: Path, engine: Engine, faults: list[Fault], bad: set[str]
) -> None:
    case = Case(fresh(base), engine, faults)
    case.target.bad = {key(name) for name in bad}
    case.stage(0, NINE)
    case.persist()
    case.sane()
    assert set(case.live()) == {key(name) for name in set(NINE) - bad}
    assert {name: row["outcome"] for name, row in case.rows(REFUSED).items()} == dict.fromkeys(
        case.target.bad, "refused"
    )


def test_a_record_that_stood_there_with_our_key_is_not_said_to_be_made_by_us(
    root: Path, engine: Engine
) -> None:
    case = Case(root, engine)
    there = case.target.make(Who.OURS, migration_key=key("c1"), name="a")
    case._publish("baseline", "contacts", 0, [{"_id": there.id}], pa.schema([("_id", pa.string())]))
    [manifest] = case.workspace.store.manifests("baseline", "contacts")
    case.baseline = {"contacts": case.workspace.store.files(manifest)}
    case.stage(0, {"c1": {"name": "a"}, "c2": {"name": "b"}})
    case.load()
    assert set(case.rows(CROSSWALK)) == {key("c2")}
    assert case.rows(REFUSED)[key("c1")]["reason"].startswith(f"stood: record {there.id} had this key")


@pytest.mark.parametrize("good", [None, 0, 50], ids=["none taken", "the first taken", "one later taken"])
def test_a_target_that_refuses_every_record_alike_stops_the_load(
    root: Path, engine: Engine, good: int | None
) -> None:
    names = [f"c{number}" for number in range(150)]
    case = Case(root, engine)
    case.target.bad = {key(name) for number, name in enumerate(names) if number != good}
    case.stage(0, {name: {"name": name} for name in names})
    if good is None:
        with pytest.raises(
            SystemRefused, match="all of the first 100 contacts to create, each with INVALID: bad"
        ):
            case.load()
        assert 100 <= len(case.rows(REFUSED)) < 150  # those are dead letters, the rest waits
        case.keep_going = True
    case.load()
    case.sane()
    assert len(case.rows(REFUSED)) == len(case.target.bad)


def test_an_e_mail_that_somebody_else_has_is_a_conflict_and_their_record_stays(
    root: Path, engine: Engine
) -> None:
    case = Case(root, engine)
    theirs = case.target.make(Who.PERSON, name="Theirs", email="c3@a.test")
    case.stage(0, NINE)
    case.load()
    assert case.rows(REFUSED)[key("c3")]["outcome"] == "conflict"
    assert theirs.values == {"name": "Theirs", "email": "c3@a.test"}
    assert len(case.rows(CROSSWALK)) == 8


def test_what_landed_is_known_with_what_the_target_made_of_it(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.stage(0, NINE)
    case.load()
    row = case.rows(CROSSWALK)[key("c1")]
    assert dict(row["after"]) == {
        "migration_key": key("c1"),
        "name": "Name 1",
        "email": "c1@a.test",
        "phone": "1",
    }
    assert row["stamp"] == case.target.records[row["target_id"]].stamp


def test_a_person_who_changes_a_record_right_after_its_create_is_not_overwritten_by_a_delta(
    root: Path, engine: Engine
) -> None:
    case = Case(root, engine, ["lost after"])
    case.target.edits = [("", "", "")]
    case.stage(0, {"c1": {"name": "a"}})
    real = case.target.read_back

    def edited(*given: Any, **more: Any) -> Any:
        case.target.edit(key("c1"), "name", "hers")
        case.target.read_back = real  # type: ignore[method-assign]
        return real(*given, **more)

    case.target.read_back = edited  # type: ignore[method-assign]
    case.load()
    case.stage(1, {"c1": {"name": "b"}})
    case.load()
    assert case.live()[key("c1")][0]["name"] == "hers"
    assert case.rows(REFUSED)[key("c1")]["outcome"] == "held"


# -- updates ----------------------------------------------------------------------------------

EDITS = st.lists(
    st.tuples(
        st.sampled_from([key(name) for name in NINE]),
        st.sampled_from(["name", "phone"]),
        st.sampled_from(["x", "y", "z"]),
    ),
    max_size=5,
)


@patient
@given(faults=FAULTS, edits=EDITS, before=EDITS)
def test_no_update_overwrites_a_persons_edit_unnoticed(
    base: Path,
    engine: Engine,
    faults: list[Fault],
    edits: list[tuple[str, str, str]],
    before: list[tuple[str, str, str]],
) -> None:
    case = Case(fresh(base), engine)
    case.stage(0, NINE)
    case.load()
    for edit in before:
        case.target.edit(*edit)
    case.target.faults, case.target.edits = list(faults), list(edits)
    case.stage(1, {name: {**row, "name": f"New {name}"} for name, row in NINE.items()})
    case.persist()
    case.clock.sleep(100)
    case.sane()

    noticed = {row["key"] for row in case.told("lost_edit")} | set(case.rows(REFUSED))
    noticed |= {row["key"] for row in case.told("done") if row["reason"].startswith("landed:")}
    for id, name, value, _ in case.target.edited:
        record = case.target.records[id]
        latest = [v for v in record.versions if v.field == name]
        covered = latest[-1].who is Who.OURS
        assert not covered or record.values["migration_key"] in noticed, (name, value)
    touched = {case.target.records[id].values["migration_key"] for id, *_ in case.target.edited}
    for name in NINE:
        if key(name) not in touched:
            assert case.live()[key(name)][0]["name"] == f"New {name}"


def test_what_a_person_writes_while_our_update_is_in_doubt_stays_theirs(root: Path, engine: Engine) -> None:
    case = Case(root, engine, ["fine", "killed after"])
    case.stage(0, {"c1": {"name": "a", "phone": "1"}})
    case.load()
    case.stage(1, {"c1": {"name": "b", "phone": "1"}})
    with pytest.raises(Killed):
        case.load()
    case.target.edit(key("c1"), "phone", "hers")  # a field that our update didn't write
    case.load()
    case.stage(2, {"c1": {"name": "c", "phone": "2"}})
    case.load()
    assert case.live()[key("c1")][0]["phone"] == "hers"
    assert case.rows(REFUSED)[key("c1")]["reason"].startswith("changed: phone")


def test_a_record_that_a_person_changed_is_held_and_left_as_it_is(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.stage(0, NINE)
    case.load()
    case.target.edit(key("c1"), "phone", "hers")
    case.stage(1, {"c1": {"name": "new", "email": "c1@a.test", "phone": "1"}})
    case.load()
    assert case.rows(REFUSED)[key("c1")]["reason"].startswith("changed: phone")
    assert case.live()[key("c1")][0] == {
        "migration_key": key("c1"), "name": "Name 1", "email": "c1@a.test", "phone": "hers",
    }  # fmt: skip


LATER = {"c1": {"name": "Name 1", "email": "c1@a.test", "phone": "1"}}


def without_phone(root: Path, engine: Engine, **adopted: str) -> Case:
    """A load by a plan that doesn't map the phone yet."""
    case = Case(root, engine)
    case.fields = ["migration_key", "name", "email"]
    row = {"name": "Name 1", "email": "c1@a.test"}
    if adopted:
        row["adopt"] = case.target.make(Who.PERSON, **adopted).id
    case.stage(0, {"c1": row})
    case.load()
    case.fields = list(FIELDS)
    return case


@pytest.mark.parametrize(("who", "phone"), [(Who.AUTOMATION, "1"), (Who.PERSON, "hers")])
def test_a_field_that_the_plan_maps_later_is_written_unless_it_holds_somebodys_work(
    root: Path, engine: Engine, who: Who, phone: str
) -> None:
    case = without_phone(root, engine)
    made = case.target.by("migration_key", key("c1"))
    assert made is not None
    case.target.write(made, {"phone": "hers"}, who)
    case.stage(1, LATER)
    case.load()
    assert case.live()[key("c1")][0]["phone"] == phone
    assert (key("c1") in case.rows(REFUSED)) == (who is Who.PERSON)


def test_an_adopted_records_field_that_the_plan_maps_later_stays_as_the_target_had_it(
    root: Path, engine: Engine
) -> None:
    case = without_phone(root, engine, email="c1@a.test", phone="theirs")
    for generation in (1, 2):  # the second knows the first one's images
        case.stage(generation, {"c1": {**LATER["c1"], "phone": str(generation)}})
        case.load()
        assert case.live()[key("c1")][0]["phone"] == "theirs"


@pytest.mark.parametrize(("wins", "phone"), [({}, "theirs"), ({"phone": "source"}, "1")])
def test_a_stamp_that_moved_makes_no_conflict_of_what_stood_there_before_we_came(
    root: Path, engine: Engine, wins: dict[str, str], phone: str
) -> None:
    case = without_phone(root, engine, email="c1@a.test", phone="theirs")
    adopted = case.target.by("migration_key", key("c1"))
    assert adopted is not None
    case.target.write(adopted, {"score": "7"}, Who.AUTOMATION)
    case.wins = wins
    case.stage(1, LATER)
    case.load()
    assert (adopted.values["phone"], case.rows(REFUSED)) == (phone, {})


def test_an_edited_plan_does_not_make_an_older_source_the_newest(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.wins, case.fields = {"name": "newest"}, ["migration_key", "name", "email"]
    theirs = case.target.make(Who.PERSON, name="Theirs, newer", email="c1@a.test")
    row = {"name": "Ours", "email": "c1@a.test", "version": 0, "adopt": theirs.id}
    case.stage(0, {"c1": row})
    case.load()
    case.fields = list(FIELDS)
    case.stage(1, {"c1": {**row, "phone": "1"}})  # the same version, by a plan that maps one field more
    case.load()
    assert (theirs.values["name"], theirs.values["phone"]) == ("Theirs, newer", "1")


@pytest.mark.parametrize(("rule", "phone"), [("source", "1"), ("target", "hers")])
def test_a_conflict_is_decided_by_the_plans_rule(root: Path, engine: Engine, rule: str, phone: str) -> None:
    case = Case(root, engine)
    case.rules = {"conflict": rule}
    case.stage(0, NINE)
    case.load()
    case.target.edit(key("c1"), "phone", "hers")
    case.stage(1, {"c1": {"name": "new", "email": "c1@a.test", "phone": "1"}})
    case.load()
    found = case.live()[key("c1")][0]
    assert (found["name"], found["phone"]) == ("new", phone)


def test_an_edit_between_our_look_and_our_write_is_listed_with_what_was_lost(
    root: Path, engine: Engine
) -> None:
    case = Case(root, engine)
    case.stage(0, {"c1": {"name": "a"}})
    case.load()
    case.target.edits = [(key("c1"), "name", "hers")]
    case.stage(1, {"c1": {"name": "b"}})
    case.load()
    [lost] = case.told("lost_edit")
    assert (lost["key"], dict(lost["before"])) == (key("c1"), {"name": "hers"})
    assert "name by ann" in lost["reason"]
    assert case.live()[key("c1")][0]["name"] == "b"


def test_an_update_that_clashes_with_another_record_is_no_success(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.stage(0, {"c1": {"email": "c1@a.test"}})
    case.load()
    case.target.make(Who.PERSON, email="taken@a.test")
    case.stage(1, {"c1": {"email": "taken@a.test"}})
    case.load()
    assert case.rows(REFUSED)[key("c1")]["outcome"] == "conflict"
    assert case.live()[key("c1")][0]["email"] == "c1@a.test"


@patient
@given(faults=FAULTS, versions=st.permutations([0, 1, 2]))
def test_an_older_version_is_never_written_over_a_newer_one(
    base: Path, engine: Engine, faults: list[Fault], versions: list[int]
) -> None:
    case = Case(fresh(base), engine, faults)
    for generation, version in enumerate(versions):
        case.stage(generation, {"c1": {"name": f"v{version}", "version": version}, "c2": {"name": "same"}})
    case.persist()
    case.sane()
    newest = 0
    for version in versions:
        newest = max(newest, version)
    assert case.live()[key("c1")][0]["name"] == f"v{newest}"
    written = [
        v.value
        for v in case.target.records[case.rows(CROSSWALK)[key("c1")]["target_id"]].versions
        if v.field == "name"
    ]
    assert written == sorted(str(v) for v in written)


# -- adoptions --------------------------------------------------------------------------------


@patient
@given(faults=FAULTS)
def test_an_adoption_takes_the_record_over_and_keeps_what_stood_there(
    base: Path, engine: Engine, faults: list[Fault]
) -> None:
    case = Case(fresh(base), engine)
    theirs = case.target.make(Who.PERSON, name="Theirs", email="c1@a.test")
    case.target.faults = list(faults)
    case.stage(0, {"c1": {"name": "Ours", "email": "c1@a.test", "phone": "5", "adopt": theirs.id}})
    case.persist()
    case.sane()
    assert theirs.values == {"migration_key": key("c1"), "name": "Theirs", "email": "c1@a.test", "phone": "5"}
    row = case.rows(CROSSWALK)[key("c1")]
    assert (row["origin"], dict(row["before"])) == (
        "adopt", {"migration_key": None, "name": "Theirs", "email": "c1@a.test", "phone": None},
    )  # fmt: skip


def test_a_record_that_bears_another_key_is_not_taken_over(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    theirs = case.target.make(migration_key="src.Contact.other", name="Theirs")
    case.stage(0, {"c1": {"name": "Ours", "adopt": theirs.id}})
    case.load()
    assert case.rows(REFUSED)[key("c1")]["outcome"] == "conflict"
    assert theirs.values == {"migration_key": "src.Contact.other", "name": "Theirs"}


# -- deletes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "kept"), [(Who.PERSON, True), (Who.AUTOMATION, False)])
def test_a_tombstone_leaves_a_record_with_work_in_fields_that_no_plan_maps(
    root: Path, engine: Engine, who: Who, kept: bool
) -> None:
    case = Case(root, engine)
    case.stage(0, {"c1": {"name": "a"}})
    case.load()
    made = case.target.by("migration_key", key("c1"))
    assert made is not None
    case.target.write(made, {"score": "hot"}, who)
    case.stage(1, {"c1": {"deleted": True}})
    case.load()
    assert made.live is kept
    assert [row["reason"] for row in case.rows(REFUSED).values()] == (
        ["changed: deleted at the source, but score edited in the target"] if kept else []
    )


@patient
@given(faults=FAULTS, edited=st.booleans())
def test_a_tombstone_deletes_only_what_we_made_and_nobody_touched(
    base: Path, engine: Engine, faults: list[Fault], edited: bool
) -> None:
    case = Case(fresh(base), engine)
    theirs = case.target.make(Who.PERSON, name="Theirs", email="t@a.test")
    case.stage(
        0,
        {"made": {"name": "a"}, "kept": {"name": "b"}, "adopted": {"adopt": theirs.id, "email": "t@a.test"}},
    )
    case.load()
    if edited:
        case.target.edit(key("made"), "phone", "hers")
    case.target.faults = list(faults)
    case.stage(
        1, {name: {"deleted": True} for name in ("made", "adopted", "never")} | {"kept": {"name": "b"}}
    )
    case.persist()
    case.clock.sleep(100)
    assert set(case.live()) == {key("kept"), key("adopted")} | ({key("made")} if edited else set())
    held = {name for name, row in case.rows(REFUSED).items() if row["outcome"] == "held"}
    assert held == {key("adopted")} | ({key("made")} if edited else set())
    assert theirs.live


def test_a_deletion_killed_before_its_settlement_is_not_asked_for_without_an_id(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(root, engine)
    case.stage(0, {"c1": {"name": "a"}, "c2": {"name": "b"}})
    case.load()
    case.stage(1, {"c1": {"deleted": True}, "c2": {"name": "b"}})

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(book, "settle", killed)
        case.load()
    asked: list[str] = []
    real = case.target.read_back

    def read_back(*given: Any, ids: Sequence[str] = (), **more: Any) -> Any:
        asked.extend(ids)
        return real(*given, ids=ids, **more)

    case.target.read_back = read_back  # type: ignore[method-assign]
    case.load()
    assert "None" not in asked
    assert (set(case.live()), book.in_doubt(case.workspace.ledger)) == ({key("c2")}, [])


def test_a_dead_letter_ends_when_the_source_takes_its_record_back(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.target.bad = {key("c1")}
    case.stage(0, {"c1": {"name": "a"}, "c2": {"name": "b"}})
    case.load()
    assert set(case.rows(REFUSED)) == {key("c1")}
    case.stage(1, {"c1": {"deleted": True}, "c2": {"name": "b"}})
    case.load()
    assert case.rows(REFUSED) == {}


# -- the checkpoint ---------------------------------------------------------------------------


def test_an_object_that_the_plan_takes_in_or_leaves_out_later_has_its_baseline_and_key(
    root: Path, engine: Engine
) -> None:
    case = Case(root, engine)
    firms = ObjectPlan.model_validate(
        {"source": "Account", "target": "companies", "fields": {"name": "Name"}}
    )
    for objects in ([PLAN], [PLAN, firms], [firms]):
        model = SimpleNamespace(
            objects=objects, cutover=SimpleNamespace(window="10 days"), calendar=SimpleNamespace(zone="UTC")
        )
        case.workspace.__dict__["plan"] = SimpleNamespace(model=model)
        with Loading(case.workspace, case.target, CATALOG, 1) as loading:
            point = checkpoint.ensure(loading)
        assert set(point.baseline) >= {each.target for each in objects}
        assert checkpoint.of_attempt(case.workspace.ledger, 1) == point
    assert checkpoint.key_fields(case.workspace, point) == dict.fromkeys(
        ("contacts", "companies"), "migration_key"
    )


# -- the lease --------------------------------------------------------------------------------


def test_a_process_that_lost_its_lease_sends_nothing_more(root: Path, engine: Engine) -> None:
    case = Case(root, engine)
    case.stage(0, NINE)
    real = case.target.read_back

    def taken(*given: Any, **more: Any) -> Any:
        case.target.read_back = real  # type: ignore[method-assign]
        from migrate.ledger import Lease

        Lease.take(case.workspace.ledger, "new", 60)
        return real(*given, **more)

    case.target.read_back = taken  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        case.load()
    assert case.target.calls == 1
    case.load()
    case.sane()
    assert len(case.live()) == 9


# -- links ------------------------------------------------------------------------------------


def linked(case: Case) -> set[tuple[str, str]]:
    return {(link.left, link.right) for link in case.target.linked}


def with_companies(case: Case, *names: str) -> dict[str, str]:
    """Accounts that are in the target already, by journal; their ids."""
    from migrate.journal import Entry

    ids = {}
    with Loading(case.workspace, case.target, CATALOG, 1) as loading:
        for name in names:
            ids[name] = case.target.make(name=name).id
            made = Entry(
                1, "b", "new", "companies", "record", f"src.Account.{name}", "create", "done", ids[name]
            )
            loading.journal.append([made])
        with loading.ledger.write(loading.lease) as tx:
            loading.journal.register(tx)
    return ids


@patient
@given(faults=FAULTS, seed=st.integers(0, 5))
def test_links_are_made_once_and_what_was_there_is_known_as_theirs(
    base: Path, engine: Engine, faults: list[Fault], seed: int
) -> None:
    case = Case(fresh(base), engine, seed=seed)
    firms = with_companies(case, "a", "b")
    case.stage(0, {name: {"name": name} for name in ("c1", "c2", "c3")})
    case.load()
    ids = {name: str(case.rows(CROSSWALK)[key(name)]["target_id"]) for name in ("c1", "c2", "c3")}
    case.target.linked.add(Link("contacts", ids["c1"], "companies", firms["a"], "primary"))
    case.target.faults = list(faults)
    case.stage_links(0, ("c1", "a"), ("c2", "a"), ("c3", "b"), ("c3", "missing"))
    case.persist(links=True)
    wanted = {(ids["c1"], firms["a"]), (ids["c2"], firms["a"]), (ids["c3"], firms["b"])}
    assert linked(case) == wanted
    assert {(row["left"], row["right"]): row["was_there"] for row in case.rows(LINKS).values()} == {
        pair: pair[0] == ids["c1"] for pair in wanted
    }
    calls = case.target.calls
    case.load(links=True)
    assert case.target.calls == calls

    # Staged again by a delta, a link of ours is ours as before; and only ours is removed.
    case.stage_links(1, ("c1", "a"), ("c2", "a"))
    case.persist(links=True)
    case.target.faults = list(faults)
    case.stage_links(2, ("c1", "a"), ("c2", "a"), deleted=True)
    case.persist(links=True)
    case.clock.sleep(100)
    assert linked(case) == wanted - {(ids["c2"], firms["a"])}


def test_a_dead_letter_of_a_link_ends_when_a_later_generation_takes_it_away(
    root: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(root, engine)
    with_companies(case, "a")
    case.stage(0, {"c1": {"name": "c1"}})
    case.load()
    case.stage_links(0, ("c1", "a"))
    with monkeypatch.context() as patch:
        patch.setattr(case.target, "send", lambda _batch: [Outcome(0, "refused", code="LIMIT")])
        case.load(links=True)
    assert len(case.rows(REFUSED)) == 1
    case.stage_links(1, ("c1", "a"), deleted=True)
    case.load(links=True)
    assert case.rows(REFUSED) == {}
