"""Old addresses in texts become new ones, whenever their records come; what can't be replaced is listed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from migrate.connector import Who
from migrate.engine import Engine
from migrate.oldlinks import Old
from migrate.plan.keys import key_prefix
from migrate.rewriting import Addresses
from migrate.stages.status import status
from tests.harness.old_links import judge, plant
from tests.unit.fake_target import Fault
from tests.unit.two_systems import SOURCE, TARGET, Move

PLAN = """
    - source: Account
      target: companies
      where: "Name <> 'skipped'"
      dedupe: {on: [Name], keep: oldest}
      fields: {name: Name, note: {from: Note, rewrite: links}}
    - source: Contact
      target: contacts
      fields: {name: LastName, bio: {from: Bio, rewrite: links}}
    - source: File
      target: files
      fields: {name: Name, url: "'https://cdn.new.test/f/' || Name"}
"""
PAGES = {name: [f"https://old.test/{name}/{{id}}"] for name in SOURCE.objects}
FAULTS = st.lists(st.sampled_from(Fault.__args__), max_size=10)  # type: ignore[attr-defined]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as opened:
        yield opened


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return Move(tmp_path / "w", engine, PLAN)


def page(move: Move, entry: str, id: str) -> str:
    record = move.there(entry, id)
    return f"https://new.test/{record.object}/{record.id}"


def test_links_to_records_before_and_after_their_text_and_to_files_are_rewritten(move: Move) -> None:
    move.source.put(
        "Account",
        "A1",
        Name="A1",
        Note='see https://old.test/Contact/C1?tab=2, <img src="https://old.test/File/F1"> & https://old.test/Account/A1.',
    )
    move.source.put(
        "Contact",
        "C1",
        LastName="C1",
        Bio="of https://old.test/Account/A1; not https://elsewhere.test/Account/A1",
    )
    move.source.put("File", "F1", Name="F1")

    loaded = move.move()

    assert loaded.clean, loaded
    own = page(move, "Account", "A1")
    assert move.there("Account", "A1").values["note"] == (
        f'see {page(move, "Contact", "C1")}, <img src="https://cdn.new.test/f/F1"> & {own}.'
    )
    assert move.there("Contact", "C1").values["bio"] == f"of {own}; not https://elsewhere.test/Account/A1"
    assert loaded.old_links == {"Account": {"rewritten": 3}, "Contact": {"rewritten": 1}}
    results = move.validate()
    assert {
        id: each["summary"] for id, each in results.items() if each["verdict"] not in ("pass", "empty")
    } == {}
    assert results["links.Account.texts"]["figures"]["old addresses in the source's texts"] == 3
    calls = move.target.calls
    assert move.load().clean
    assert move.target.calls == calls


def test_what_leads_nowhere_stays_and_is_listed_with_why(move: Move) -> None:
    text = "https://old.test/Account/A2 https://old.test/Account/A9 https://old.test/Account/ https://old.test/Account/A3"
    move.source.put("Account", "A1", Name="A1", Note=text)
    move.source.put("Account", "A2", Name="skipped")
    move.source.put("Account", "A3", Name="A1")  # merged into A1

    loaded = move.move()

    assert not loaded.clean
    assert loaded.old_links["Account"] == {"rewritten": 1, "left": 3}
    assert move.there("Account", "A1").values["note"] == text.replace(
        "https://old.test/Account/A3", page(move, "Account", "A1")
    )
    listed = {row["old"]: row["why"] for row in move.artifact("old-links/Account/current")}
    assert listed == {
        "https://old.test/Account/A2": "its record isn't in the target",
        "https://old.test/Account/A9": "its record isn't in the target",
        "https://old.test/Account/": "it isn't the page of a record",
        "https://old.test/Account/A3": "",
    }
    assert [each.old_links for each in status(move.workspace).objects] == [3, 0, 0]
    result = move.validate()["links.Account.texts"]
    assert (result["verdict"], result["row_count"]) == ("warn", 3)


@pytest.mark.long
def test_a_record_that_comes_later_mends_the_texts_that_waited_for_it(move: Move) -> None:
    move.source.put(
        "Account", "A1", Name="A1", Note="https://old.test/Contact/C1 and https://old.test/Account/A1"
    )
    loaded = move.move()
    assert loaded.old_links["Account"] == {"rewritten": 1, "left": 1}
    move.source.put("Contact", "C1", LastName="C1")

    loaded = move.move(delta=True)

    assert loaded.clean
    assert (
        move.there("Account", "A1").values["note"]
        == f"{page(move, 'Contact', 'C1')} and {page(move, 'Account', 'A1')}"
    )
    move.source.put("Account", "A1", Note="now https://old.test/Contact/C1")
    assert move.move(delta=True).clean
    assert move.there("Account", "A1").values["note"] == f"now {page(move, 'Contact', 'C1')}"


@pytest.mark.long
def test_an_edit_of_the_text_since_is_held_and_the_link_is_listed(move: Move) -> None:
    move.source.put("Account", "A1", Name="A1", Note="https://old.test/Contact/C1")
    move.move()
    record = move.there("Account", "A1")
    move.target.write(record, {"note": "Theirs, https://old.test/Contact/C1"}, Who.PERSON)
    move.source.put("Contact", "C1", LastName="C1")

    loaded = move.move(delta=True)

    assert record.values["note"] == "Theirs, https://old.test/Contact/C1"
    assert loaded.refused == 1
    assert [row["why"] for row in move.artifact("old-links/Account/current")] == [
        "the text wasn't written, or would be too long"
    ]
    calls = move.target.calls
    move.load()
    assert move.target.calls == calls
    assert move.validate()["links.Account.texts"]["verdict"] == "fail"


@pytest.mark.long
@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(faults=FAULTS, seed=st.integers(0, 99))
def test_planted_links_are_all_rewritten_or_listed_and_no_text_is_harmed(
    faults: list[Fault], seed: int
) -> None:
    records = [(object, f"{object[0]}{number}") for object in ("Account", "Contact") for number in range(8)]
    gone = [("Account", "A7"), ("Contact", "C99")]
    texts, planted = plant(60, 8, PAGES, [*records, gone[1]], ["https://old.test/Account/?new=1"], seed=seed)
    with TemporaryDirectory() as folder, Engine(folders=[Path(folder)]) as engine:
        move = Move(Path(folder) / "w", engine, PLAN, faults=faults, seed=seed)
        for place in range(8):
            move.source.put("Account", f"A{place}", Name="skipped" if place == 7 else f"A{place}")
            move.source.put("Contact", f"C{place}", LastName=f"C{place}", Bio=texts[place])
        move.stage()
        move.load_through()

        def new(record: tuple[str, str]) -> str | None:
            return None if record in gone else page(move, *record)

        now = [move.there("Contact", f"C{place}").values["bio"] for place in range(8)]
        left = [
            (int(row["_key"].removeprefix("src.Contact.C")), row["old"])
            for row in move.artifact("old-links/Contact/current")
            if row["why"]
        ]
        judged = judge(texts, now, planted, new, left)
        assert (judged.lost, judged.harmed) == ((), ())
        assert judged.rewritten + judged.listed == 60


def test_several_checks_may_ask_for_addresses_at_once(move: Move, engine: Engine) -> None:
    keys = f"'{key_prefix(SOURCE.family, 'Account')}' || i"
    moved = f"SELECT {keys} AS key, 'companies' AS object, 't' || i AS id FROM range(400) AS r(i)"
    nothing = "SELECT NULL::VARCHAR AS key, NULL::VARCHAR AS survivor WHERE false"
    known = Addresses(
        engine, move.workspace.plan.model.objects, SOURCE, TARGET, moved, nothing, lambda *_: {}
    )

    def ask(worker: int) -> list[str]:
        told = []
        for n in range(worker, 400, 4):
            asked = (("Account", str(n)),)
            found = known.of([Old(0, 0, "", asked)])
            if found != {asked: f"https://new.test/companies/t{n}"}:
                told.append(f"{n}: {found}")
        return told

    with ThreadPoolExecutor(4) as pool:
        assert [line for told in pool.map(ask, range(4)) for line in told] == []
