# ruff: noqa: E501 - plans and graphs are read across
"""References lead to the right records of the target, whatever the order and whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from migrate_validators.trace import trace

from migrate.connector import Who
from migrate.engine import Engine
from migrate.stages.letters import letter, replay
from migrate.stages.load import load
from migrate.stages.sample import sampled
from migrate.stages.status import status
from tests.unit.fake_target import FakeTarget, Fault, Killed
from tests.unit.two_systems import Move

CIRCLE = """
    - source: Account
      target: companies
      fields:
        name: Name
        parent: {from: ParentId, reference: Account}
        main: {from: MainId, reference: Contact}
    - source: Contact
      target: contacts
      fields:
        name: LastName
        email: Email
        company: {from: AccountId, reference: Account}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as opened:
        yield opened


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return Move(tmp_path / "w", engine, CIRCLE)


def company(move: Move) -> None:
    for id, parent, main in (("A1", "A2", "C1"), ("A2", None, "C2"), ("A3", "A1", None)):
        move.source.put("Account", id, Name=id, ParentId=parent, MainId=main)
    for id, account in (("C1", "A1"), ("C2", "A1"), ("C3", None)):
        move.source.put("Contact", id, LastName=id, AccountId=account)


def test_circles_and_self_references_are_filled_in_a_second_pass(move: Move) -> None:
    company(move)

    loaded = move.move()

    assert loaded.clean, loaded
    assert move.there("Contact", "C1").values["company"] == move.there("Account", "A1").id
    assert move.there("Account", "A1").values["parent"] == move.there("Account", "A2").id
    assert move.there("Account", "A1").values["main"] == move.there("Contact", "C1").id
    assert move.there("Account", "A3").values["parent"] == move.there("Account", "A1").id
    assert "main" not in move.there("Account", "A3").values
    # A1, the canary, is there when A2 and A3 come: A3 has its parent at once, and no main contact.
    assert loaded.later["Account"]["update"] == 2
    assert loaded.objects["Account"]["create"] == 3
    calls = move.target.calls
    again = move.load()
    assert again.clean
    assert move.target.calls == calls


def test_the_dry_run_foresees_the_second_pass(move: Move) -> None:
    company(move)
    move.stage()

    foreseen = move.load(dry_run=True)

    assert foreseen.objects["Account"] == {"would create": 3, "would fill in later": 3}
    assert foreseen.objects["Contact"] == {"would create": 3}
    assert move.target.records == {}


def test_a_validation_compares_keys_on_both_sides_and_a_rollback_takes_all_of_it_back(move: Move) -> None:
    company(move)
    theirs = move.target.make(Who.PERSON, "companies", name="Theirs")
    move.move()

    results = move.validate()

    assert {id: each["verdict"] for id, each in results.items() if each["verdict"] != "pass"} == {}
    figures = results["links.Account.references"]["figures"]
    assert figures["references"] == 4
    done = move.roll_back()
    assert [record for record in move.target.records.values() if record.live] == [theirs]
    assert not done.held


def test_a_reference_that_leads_elsewhere_is_found(move: Move) -> None:
    company(move)
    move.move()
    wrong = move.there("Account", "A3")
    move.target.write(move.there("Account", "A1"), {"parent": wrong.id}, Who.AUTOMATION)

    results = move.validate()

    assert results["links.Account.references"]["verdict"] == "fail"
    assert results["rows.Account"]["verdict"] != "pass"
    [row] = results["rows.Account"]["sample"]
    assert (row["field"], row["expected"], row["found"]) == ("parent", "src.Account.A2", "src.Account.A3")


# -- what isn't there ---------------------------------------------------------------------------

WAITING = """
    - source: Account
      target: companies
      where: "Name <> 'skipped'"
      fields: {name: Name}
    - source: Contact
      target: contacts
      fields: {name: LastName, email: Email, company: {from: AccountId, reference: Account}}
    - source: Task
      target: calls
      fields: {name: Subject, about: {from: WhatId, reference: [Account, Contact], missing: later}}
"""


def causes(move: Move, folder: str) -> dict[str, str]:
    return {row["_key"].split(".", 2)[2]: row["cause"] for row in move.artifact(folder)}


def test_a_record_whose_parent_isn_t_there_waits_and_says_why(move: Move) -> None:
    move.plan(WAITING)
    move.source.put("Account", "A1", Name="skipped")
    move.source.put("Account", "A2", Name="taken", Note="")
    move.target.bad.add("src.Account.A2")
    for id, account in (("C1", "A1"), ("C2", "A2"), ("C3", "A9"), ("C4", None)):
        move.source.put("Contact", id, LastName=id, AccountId=account)

    loaded = move.move()

    assert loaded.objects["Contact"]["create"] == 1
    assert (loaded.blocked["Contact"], loaded.refused) == (3, 1)
    assert causes(move, "blocked/Contact/current") == {
        "C1": "company: its record was skipped",
        "C2": "company: its record was refused by the target",
        "C3": "company: its record was never extracted",
    }
    results = move.validate()
    assert results["counts.Contact"]["figures"]["blocked"] == 3
    assert results["counts.Contact"]["verdict"] == "warn"


def test_a_parent_that_comes_later_releases_its_children_and_theirs(move: Move) -> None:
    move.plan(
        WAITING
        + """
    - source: File
      target: files
      fields: {name: Name, of: {from: ParentId, reference: Contact}}
    """
    )
    move.source.put("Contact", "C1", LastName="C1", AccountId="A1")
    move.source.put("File", "F1", Name="F1", ParentId="C1")
    loaded = move.move()
    assert (loaded.blocked["Contact"], loaded.blocked["File"]) == (1, 1)
    assert causes(move, "blocked/File/current") == {"F1": "of: its record waits for another one itself"}
    move.source.put("Account", "A1", Name="late")

    loaded = move.move(delta=True)

    assert loaded.clean
    assert move.there("File", "F1").values["of"] == move.there("Contact", "C1").id


def test_a_record_may_load_without_and_what_is_never_filled_is_counted_and_listed(move: Move) -> None:
    move.plan(WAITING)
    move.source.put("Account", "A1", Name="skipped")
    move.source.put("Contact", "C1", LastName="C1")
    for id, about in (("T1", "A1"), ("T2", "C1"), ("T3", "X9")):
        move.source.put("Task", id, Subject=id, WhatId=about)

    loaded = move.move()

    assert loaded.objects["Task"]["create"] == 3
    assert loaded.unfilled == {"Task": 2}
    assert not loaded.clean
    assert move.there("Task", "T2").values["about"] == move.there("Contact", "C1").id
    assert causes(move, "unfilled/Task/current") == {
        "T1": "about: its record was skipped",
        "T3": "about: its record was never extracted",
    }
    assert [each.empty for each in status(move.workspace).objects] == [0, 0, 2]
    [way] = trace(move.workspace, "T1").ways
    assert {"field": "about", "parent": "src.Account.A1", "cause": "about: its record was skipped"} in [
        step.facts for step in way.steps
    ]
    result = move.validate()["links.Task.references"]
    assert (result["verdict"], result["figures"]["waiting for their record"]) == ("warn", 2)
    assert result["row_count"] == 2


def test_a_dead_letter_isn_t_sent_while_its_parent_is_gone(move: Move) -> None:
    move.plan(WAITING)
    move.source.put("Account", "A1", Name="A1")
    move.source.put("Contact", "C1", LastName="C1", AccountId="A1")
    move.target.bad.add("src.Contact.C1")
    assert move.move().refused == 1
    move.source.delete("Account", "A1")
    move.move(delta=True)
    move.target.bad.clear()
    calls = move.target.calls

    again = replay(move.workspace)

    assert (again.refused, move.target.calls) == (1, calls)


# -- what changes -------------------------------------------------------------------------------


def test_a_changed_parent_updates_the_field_and_an_empty_one_empties_it(move: Move) -> None:
    company(move)
    move.move()
    move.source.put("Contact", "C1", AccountId="A3")
    move.source.put("Contact", "C2", AccountId=None)
    move.source.put("Account", "A3", ParentId="A4")
    move.source.put("Account", "A4", Name="A4")

    loaded = move.move(delta=True)

    assert loaded.clean
    assert move.there("Contact", "C1").values["company"] == move.there("Account", "A3").id
    assert move.there("Contact", "C2").values["company"] is None
    # A4 came with the same delta, after A3's update: the old parent stays until the second pass.
    assert move.there("Account", "A3").values["parent"] == move.there("Account", "A4").id


def test_children_of_a_merged_parent_lead_to_the_survivor(move: Move) -> None:
    move.plan(
        CIRCLE.replace("target: companies\n", "target: companies\n      dedupe: {on: [Name], keep: oldest}\n")
    )
    move.source.put("Account", "A1", Name="Acme")
    move.source.put("Account", "A2", Name="Acme", ParentId="A3")
    move.source.put("Account", "A3", Name="Other")
    move.source.put("Contact", "C1", LastName="C1", AccountId="A2")

    assert move.move().clean

    survivor = move.there("Account", "A1")
    assert move.there("Contact", "C1").values["company"] == survivor.id
    assert survivor.values["parent"] == move.there("Account", "A3").id


QUIET = [("", "", "")] * 3  # two canaries and the other companies


def test_an_edit_elsewhere_on_the_record_doesn_t_stop_the_second_pass_and_stays_theirs(move: Move) -> None:
    company(move)
    move.stage()
    # While the contacts load, a person renames a company that waits for its second pass.
    move.target.edits = [*QUIET, ("src.Account.A2", "name", "Acme")]

    loaded = move.load()

    record = move.there("Account", "A2")
    assert loaded.refused == 0
    assert record.values["name"] == "Acme"
    assert record.values["main"] == move.there("Contact", "C2").id
    move.source.put("Account", "A2", Name="A2, later")
    held = move.move(delta=True)
    assert (held.refused, move.there("Account", "A2").values["name"]) == (1, "Acme")


def test_a_reference_that_a_person_filled_in_between_is_held(move: Move) -> None:
    company(move)
    move.stage()
    move.target.make(Who.PERSON, "contacts", name="Theirs")
    move.target.edits = [*QUIET, ("src.Account.A2", "main", "1")]

    loaded = move.load()

    assert loaded.refused == 1
    assert move.there("Account", "A2").values["main"] == "1"
    calls = move.target.calls
    move.load()
    assert move.target.calls == calls, "a held row isn't tried again by the next load"


# -- what the target refuses of it --------------------------------------------------------------

LATE = (
    CIRCLE.replace(
        "    main: {from: MainId, reference: Contact}",
        "    main: {from: MainId, reference: Contact}\n        file_ids: {reference: File, gather: ParentId, missing: later}",
    )
    + """
    - source: File
      target: files
      fields: {name: Name, of: {from: ParentId, reference: Account}}
"""
)


@pytest.mark.long
@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    refused=st.sets(st.sampled_from(["parent", "main", "file_ids"]), min_size=1),
    named=st.booleans(),
    faults=st.lists(
        st.sampled_from(["fine", "fine", "lost after", "killed before", "killed after"]), max_size=8
    ),
)
def test_a_refused_late_field_takes_no_other_with_it_whatever_is_lost_or_killed(
    refused: set[str], named: bool, faults: list[Fault]
) -> None:
    with TemporaryDirectory() as folder, Engine(folders=[Path(folder)]) as engine:
        move = Move(Path(folder) / "w", engine, LATE)
        for id, parent, main in (("A1", "A2", "C1"), ("A2", None, "C2")):
            move.source.put("Account", id, Name=id, ParentId=parent, MainId=main)
        for id in ("C1", "C2"):
            move.source.put("Contact", id, LastName=id)
        move.source.put("File", "F1", Name="F1", ParentId="A1")
        move.stage()
        move.target.loops = {("src.Account.A1", name) for name in refused}
        move.target.names_loops = named
        quiet: list[Fault] = ["fine"] * 6
        move.target.faults = [*quiet, *faults]  # canaries and records; then the second pass

        move.load_through()
        move.target.faults.clear()  # what the load didn't meet isn't for the replay and the rollback

        record = move.there("Account", "A1")
        leads = {"parent": ("Account", "A2"), "main": ("Contact", "C1"), "file_ids": ("File", "F1")}
        for name, to in leads.items():
            assert record.values.get(name) == (None if name in refused else move.there(*to).id), name
        assert move.there("Account", "A2").values["main"] == move.there("Contact", "C2").id
        told = letter(move.workspace, "src.Account.A1")
        assert (told.outcome, told.reason[:6]) == ("refused", "LOOP: ")
        if len(refused) < 3:
            assert told.reason.endswith(
                f"not written: {', '.join(sorted(refused, key=told.reason.index))}, all else was"
            )
        assert [name for name in refused if f"loop in {name}" not in told.reason] == []
        calls = move.target.calls
        move.load()
        assert move.target.calls == calls, "what was refused is tried again by a replay only"

        move.target.loops.clear()
        assert replay(move.workspace).clean
        for name, to in leads.items():
            assert record.values.get(name) == move.there(*to).id, name
        assert not move.roll_back().held
        assert not [each for each in move.target.records.values() if each.live]


def test_what_is_refused_of_a_newer_version_is_not_its_other_fields(move: Move) -> None:
    company(move)
    move.move()
    move.target.loops = {("src.Account.A3", "parent")}
    move.source.put("Account", "A3", Name="A3, renamed", ParentId="A2")
    assert move.move(delta=True).refused == 1
    record = move.there("Account", "A3")
    assert (record.values["name"], record.values["parent"]) == ("A3, renamed", move.there("Account", "A1").id)
    # A version whose own fields are refused isn't written by halves.
    move.target.loops = {("src.Account.A3", "name")}
    move.source.put("Account", "A3", Name="A3, again")
    assert move.move(delta=True).refused == 1
    assert (record.values["name"], record.values["parent"]) == ("A3, renamed", move.there("Account", "A1").id)


# -- lists, and other fields of the other record ------------------------------------------------

FILES = """
    - source: Task
      part: call
      target: calls
      where: "Type = 'Call'"
      fields:
        name: Subject
        file_ids: {reference: File, gather: ParentId}
        file_list: {gather: {File: ParentId, Task~note: _id}, id: document, missing: later}
    - source: File
      target: files
      fields: {name: Name, document: "'doc-' || Name"}
    - source: Task
      part: note
      target: files
      where: "Type = 'Call'"
      fields: {name: Subject, document: "'note-' || Subject", url: {from: _id, reference: Task~call, missing: later}}
"""


def test_a_list_gathers_the_records_that_lead_here_and_another_field_stands_for_their_id(move: Move) -> None:
    move.plan(FILES)
    for id, kind in (("T1", "Call"), ("T2", "Call"), ("T3", "Other")):
        move.source.put("Task", id, Subject=id, Type=kind)
    for id, parent in (("F1", "T1"), ("F2", "T1"), ("F3", "T3"), ("F4", None)):
        move.source.put("File", id, Name=id, ParentId=parent)

    loaded = move.move()

    assert loaded.clean, loaded
    call = move.there("Task~call", "T1")
    files = [move.there("File", id).id for id in ("F1", "F2")]
    assert call.values["file_ids"] == ";".join(files)
    assert call.values["file_list"] == "doc-F1;doc-F2;note-T1"
    assert move.there("Task~call", "T2").values["file_list"] == "note-T2"
    assert move.there("Task~note", "T1").values["url"] == call.id
    results = move.validate()
    assert [id for id, each in results.items() if each["verdict"] not in ("pass", "empty")] == [
        "counts.Task.parts"
    ]
    assert results["counts.Task.parts"]["figures"] == {
        "extracted": 3, "taken by one part": 0, "taken by several": 2, "taken by none": 1, "records made": 4,
        "made as Task~call": 2, "made as Task~note": 2,
    }  # fmt: skip


def test_a_list_grows_with_what_comes_later(move: Move) -> None:
    move.plan(FILES.replace("gather: ParentId}", "gather: ParentId, missing: later}"))
    move.source.put("Task", "T1", Subject="T1", Type="Call")
    move.source.put("File", "F1", Name="F1", ParentId="T1")
    move.source.put("File", "F2", Name="F2", ParentId="T1")
    move.target.bad.add("src.File.F2")
    loaded = move.move()
    assert (loaded.refused, loaded.unfilled["Task~call"]) == (1, 2)
    call, first = move.there("Task~call", "T1"), move.there("File", "F1").id
    assert call.values["file_ids"] == first
    move.target.bad.clear()
    move.source.put("File", "F2", Name="F2, mended")

    loaded = move.move(delta=True)

    assert loaded.clean, loaded
    assert call.values["file_ids"] == f"{first};{move.there('File', 'F2').id}"
    move.source.put("File", "F3", Name="F3", ParentId="T1")
    move.source.put("File", "F1", ParentId=None)
    assert move.move(delta=True).clean
    assert call.values["file_ids"] == f"{move.there('File', 'F2').id};{move.there('File', 'F3').id}"


# -- whatever happens on the way ----------------------------------------------------------------

NAMES = {"Account": [f"A{n}" for n in range(5)], "Contact": [f"C{n}" for n in range(5)]}
graphs = st.fixed_dictionaries({
    ("Account", "ParentId"): st.lists(st.sampled_from([None, *NAMES["Account"]]), min_size=5, max_size=5),
    ("Account", "MainId"): st.lists(st.sampled_from([None, *NAMES["Contact"]]), min_size=5, max_size=5),
    ("Contact", "AccountId"): st.lists(st.sampled_from([None, *NAMES["Account"]]), min_size=5, max_size=5),
})  # fmt: skip
FAULTS = st.lists(st.sampled_from(Fault.__args__), max_size=12)  # type: ignore[attr-defined]


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(graph=graphs, faults=FAULTS, turned=st.booleans(), seed=st.integers(0, 9))
def test_every_reference_leads_where_it_should_whatever_is_lost_or_killed(
    graph: dict[tuple[str, str], list[str | None]], faults: list[Fault], turned: bool, seed: int
) -> None:
    first, second = CIRCLE.split("    - source: Contact")
    plan = f"    - source: Contact{second}{first}" if turned else CIRCLE
    with TemporaryDirectory() as folder, Engine(folders=[Path(folder)]) as engine:
        move = Move(Path(folder) / "w", engine, plan, faults=faults, seed=seed)
        for object, names in NAMES.items():
            for id in names:
                move.source.put(object, id, **{"Name" if object == "Account" else "LastName": id})
        for (object, name), leads in graph.items():
            for id, other in zip(NAMES[object], leads, strict=True):
                move.source.rows[object][id][name] = other
        move.stage()

        loaded = move.load_through()

        assert (loaded.refused, loaded.unfilled) in (
            (0, {"Account": 0}),
            (0, {"Account": 0, "Contact": 0}),
            (0, {"Contact": 0}),
        )
        fields = {
            "ParentId": ("parent", "Account"),
            "MainId": ("main", "Contact"),
            "AccountId": ("company", "Account"),
        }
        for (object, name), leads in graph.items():
            field, parent = fields[name]
            for id, other in zip(NAMES[object], leads, strict=True):
                wanted = None if other is None else move.there(parent, other).id
                assert move.there(object, id).values.get(field) == wanted
        assert len(move.target.records) == 10
        move.roll_back_through()
        assert not [record for record in move.target.records.values() if record.live]


# -- back again ---------------------------------------------------------------------------------

SEATS = """
    - source: Task
      target: seats
      where: "Type = 'Seat'"
      fields: {name: Subject, holder: {from: WhatId, reference: Contact}}
    - source: Contact
      target: contacts
      fields: {name: LastName, company: {from: AccountId, reference: Account}}
    - source: Account
      target: companies
      fields: {name: Name, main: {from: MainId, reference: Contact}}
"""


def test_a_rollback_deletes_children_before_the_parents_that_they_require(move: Move) -> None:
    move.plan(SEATS)
    move.source.put("Account", "A1", Name="A1", MainId="C1")
    move.source.put("Contact", "C1", LastName="C1", AccountId="A1")
    move.source.put("Task", "T1", Subject="T1", Type="Seat", WhatId="C1")
    loaded = move.move()
    # The circle of contacts and companies is opened at the contacts, which stand first in the plan.
    assert (loaded.clean, loaded.later["Contact"]["update"]) == (True, 1)
    # A later delta brings a seat of a contact that came before it, and a contact after it.
    move.source.put("Contact", "C2", LastName="C2", AccountId="A1")
    move.source.put("Task", "T2", Subject="T2", Type="Seat", WhatId="C2")
    assert move.move(delta=True).clean

    done = move.roll_back()

    assert not [record for record in move.target.records.values() if record.live]
    assert (done.passes, done.held) == (1, ())


def test_a_rollback_empties_what_the_second_pass_filled_on_a_record_that_was_there_before(
    tmp_path: Path, engine: Engine
) -> None:
    move = Move(
        tmp_path / "adopted",
        engine,
        CIRCLE.replace("target: contacts\n", "target: contacts\n      match: [email]\n").replace(
            "company: {from: AccountId, reference: Account}",
            "company: {from: AccountId, reference: Account, missing: later, wins: source}",
        ),
    )
    theirs = move.target.make(Who.PERSON, "contacts", email="ann@x.test", name="Ann")
    move.source.put("Contact", "C1", LastName="C1", Email="ann@x.test", AccountId="A1")
    move.move()
    assert (theirs.values.get("company"), theirs.values["migration_key"]) == (None, "src.Contact.C1")
    move.source.put("Account", "A1", Name="A1")
    assert move.move(delta=True).clean
    assert theirs.values["company"] == move.there("Account", "A1").id

    move.roll_back()

    assert {name: value for name, value in theirs.values.items() if value} == {
        "email": "ann@x.test",
        "name": "Ann",
    }
    assert [record for record in move.target.records.values() if record.live] == [theirs]


def test_an_edit_between_the_passes_stays_theirs_when_a_killed_second_pass_is_rolled_back(
    move: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No history, and every field of a company is ours: nothing but the images tells whose value it is.
    kept = {
        name: each
        for name, each in vars(FakeTarget).items()
        if name not in ("history", "__dict__", "__weakref__")
    }
    monkeypatch.setattr(move.target, "__class__", type("Forgetful", (), kept))
    move.plan("""
    - source: Account
      target: companies
      fields:
        name: Name
        note: Note
        main: {from: MainId, reference: Contact}
        file_ids: {gather: {Contact: AccountId}}
        parent: {from: ParentId, reference: Account}
    - source: Contact
      target: contacts
      fields: {name: LastName}
    """)
    for id, parent in (("A1", None), ("A2", "A3"), ("A3", None)):
        move.source.put("Account", id, Name=id, ParentId=parent)
    move.stage()
    move.target.edits = [("", "", ""), ("", "", ""), ("src.Account.A2", "name", "Acme")]
    move.target.faults = ["fine", "fine", "killed after"]
    with pytest.raises(Killed):
        move.load()
    record = move.there("Account", "A2")
    assert (record.values["name"], record.values["parent"]) == ("Acme", move.there("Account", "A3").id)

    move.roll_back()

    assert move.there("Account", "A2").values["name"] == "Acme"


def test_a_sample_brings_the_records_to_which_its_own_lead(move: Move) -> None:
    company(move)
    move.source.put("Account", "A8", Name="alone")
    move.source.put("Contact", "C8", LastName="C8", AccountId="A8")
    move.stage()
    workspace = move.workspace
    number = sampled(workspace, 1)

    loaded = load(workspace, sample=True)

    made = {record.values["migration_key"] for record in move.target.records.values()}
    assert (len(made), loaded.refused) == (number, 0)
    assert 2 <= number < 7
    leads = {"ParentId": "Account", "MainId": "Contact", "AccountId": "Account"}
    for object, rows in move.source.rows.items():
        for id, row in rows.items():
            others = {move.key(leads[name], other) for name, other in row.items() if name in leads and other}
            assert move.key(object, id) not in made or others <= made


def test_references_that_should_be_empty_and_are_not_are_red_where_there_are_no_others(move: Move) -> None:
    move.source.put("Account", "A1", Name="Acme")
    move.source.put("Account", "A2", Name="Bolt")
    move.move()
    first, second = (move.there("Account", id) for id in ("A1", "A2"))
    move.target.write(first, {"parent": second.id}, Who.PERSON)

    result = move.validate()["links.Account.references"]

    assert result["figures"]["references"] == 0
    assert result["verdict"] == "fail"
