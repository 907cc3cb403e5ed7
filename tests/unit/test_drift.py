# ruff: noqa: E501 - plans and catalogs are read across
"""Picklists that have changed since the maps were made are found before the first write, and only they stop it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from migrate.catalog import Catalog, Option
from migrate.engine import Engine
from migrate.errors import Drifted, Parked
from migrate.stages.discover import discover
from migrate.stages.drift import since_discover
from migrate.stages.pipeline import checked
from migrate.types import Kind
from tests.unit.fake_target import FakeTarget, Killed
from tests.unit.two_systems import SOURCE, TARGET, Move, field

PLAN = """
    - source: Account
      target: companies
      fields:
        name: Name
        sector: {from: Sector, picklist: sector.csv, unmapped: %s}
        tier: "'gold'"
"""
MAP = "source,count,target,note\nIT,,Computers,\nFarming,,AGRI,\nOther,,(nothing),\n"
OLD = ("IT", "Farming", "Other", "Verbal OK")
NEW = ("C=Computers", "AGRI=Agriculture", "UNUSED=Unused")


def options(*words: str) -> tuple[Option, ...]:
    """`VALUE=Label`, `-VALUE` where it is inactive."""
    pairs = [word.lstrip("-").partition("=") for word in words]
    return tuple(Option(value=value, label=label or value, active=not word.startswith("-"))
                 for word, (value, _, label) in zip(words, pairs, strict=True))  # fmt: skip


def with_picklists(catalog: Catalog, object: str, **picklists: Sequence[str]) -> Catalog:
    fields = {name: field(name, Kind.PICKLIST, options=options(*words)) for name, words in picklists.items()}
    schema = catalog.objects[object]
    schema = schema.model_copy(update={"fields": {**schema.fields, **fields}})
    return catalog.model_copy(update={"objects": {**catalog.objects, object: schema}})


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as opened:
        yield opened


def staged(root: Path, engine: Engine, rule: str = "reject") -> Move:
    """Four companies, transformed; one has a sector without a home."""
    root.mkdir()
    (root / "sector.csv").write_text(MAP)
    move = Move(root, engine, PLAN % rule)
    old(move)
    new(move)
    discover(move.workspace)
    for id, sector in (("A1", "IT"), ("A2", "IT"), ("A3", "Farming"), ("A4", "Verbal OK")):
        move.source.rows["Account"].setdefault(id, {})
        move.source.put("Account", id, Id=id, Name=id, Sector=sector)
    move.stage()
    return move


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    return staged(tmp_path / "w", engine)


def old(move: Move, *words: str) -> None:
    move.source.catalog = with_picklists(SOURCE, "Account", Sector=words or OLD)


def new(move: Move, *words: str, tiers: Sequence[str] = ("gold=Gold", "silver=Silver")) -> None:
    move.target.catalog = with_picklists(TARGET, "companies", sector=words or NEW, tier=tiers)


def stopped(move: Move) -> list[str]:
    """What stops the load; nothing was written."""
    calls, records = move.target.calls, len(move.target.records)
    with pytest.raises(Drifted) as caught:
        move.load()
    assert caught.value.exit_code == 2
    assert (move.target.calls, len(move.target.records)) == (calls, records)
    assert "nothing was written" in str(caught.value)
    assert "migrate discover" in str(caught.value)
    return [str(each) for each in caught.value.changes if each.matters]


def test_nothing_has_changed_and_the_load_is_silent(move: Move) -> None:
    assert move.load().drift == []
    assert len(move.target.live("companies")) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("AGRI=Agriculture", "UNUSED=Unused"), "`C` (Computers) is gone; sector.csv leads `IT` there; 2 ready records hold it."),
        (("C2=Computers", *NEW[1:]), "`C` (Computers) is gone, `C2` has its label; sector.csv leads `IT` there; 2 ready records hold it."),
        (("-C=Computers", *NEW[1:]), "`C` (Computers) is inactive now; sector.csv leads `IT` there; 2 ready records hold it."),
        ((NEW[0], "AGRI=Former farms", NEW[2]), "`AGRI` was called `Agriculture`, and is called `Former farms` now; sector.csv leads `Farming` there; 1 ready record holds it."),
        ((*NEW, "D=Computers"), "`Computers` is the label of several values now, `C`, `D`; sector.csv leads `IT` there."),
        ((*NEW, "Verbal OK"), "`Verbal OK` is new; 1 extracted record with `Verbal OK` has no home in sector.csv."),
    ],
    ids=["gone", "gone under another value", "inactive", "renamed", "ambiguous", "new and waited for"],
)  # fmt: skip
def test_a_change_of_a_target_value_that_the_maps_rely_on_stops_the_load(
    move: Move, words: Sequence[str], said: str
) -> None:
    new(move, *words)
    assert stopped(move) == [f"new: companies.sector: {said}"]
    assert [str(each) for each in since_discover(move.workspace) if each.matters] == [
        f"new: companies.sector: {said}"
    ]


def test_who_discovers_again_and_leaves_the_map_as_it_was_is_told_what_is_inactive(move: Move) -> None:
    new(move, "-C=Computers", "AGRI=Farms", NEW[2])
    [_, target] = discover(move.workspace)
    assert target.drift == (
        "companies.sector: option `AGRI` was called `Agriculture`, is called `Farms`",
        "companies.sector: option `C` switched off",
    )
    [warning] = [each for each in checked(move.workspace).warnings if "inactive" in each.what]
    assert str(warning).splitlines() == [
        f"{move.root / 'sector.csv'}:2:1: `IT` leads to `C` (Computers) of `sector`, which is inactive in the target.",
        "  Lead to an active value, or switch that one on there: a restricted picklist refuses it.",
    ]


def test_a_value_that_only_ready_rows_hold_and_a_field_that_is_gone_stop_it_too(move: Move) -> None:
    new(move, tiers=["-gold=Gold", "silver=Silver"])
    assert stopped(move) == ["new: companies.tier: `gold` (Gold) is inactive now; 3 ready records hold it."]
    move.target.catalog = TARGET
    assert [each.partition(":")[2] for each in stopped(move)] == [
        " companies.sector: the field isn't there any more, or our credential can't see it.",
        " companies.tier: the field isn't there any more, or our credential can't see it.",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*NEW, "X=Extra"), ["new: companies.sector: `X` (Extra) is new; no map leads there."]),
        (NEW[:2], []),
        ((*NEW[:2], "-UNUSED=Unused"), []),
        ((NEW[1], NEW[0], NEW[2]), []),
    ],
    ids=["new", "unused and gone", "unused and off", "another order"],
)
def test_a_change_that_is_in_nobodys_way_is_told_at_most(
    move: Move, words: Sequence[str], said: list[str]
) -> None:
    new(move, *words)
    loaded = move.load()
    assert [str(each) for each in loaded.drift] == said
    assert loaded.clean is (not said)
    assert len(move.target.live("companies")) == 3


def test_a_new_source_value_stops_the_load_where_an_extracted_record_without_a_home_has_it(
    move: Move,
) -> None:
    old(move, *OLD, "Agritech")
    assert [str(each) for each in move.load().drift] == [
        "old: Account.Sector: `Agritech` is new and has no home in sector.csv; no extracted records have it."
    ]
    for id in ("A5", "A6"):
        move.source.put("Account", id, Name=id, Sector="Agritech")
    move.stage(delta=True)
    assert stopped(move) == [
        "old: Account.Sector: `Agritech` is new and has no home in sector.csv; 2 extracted records have it."
    ]


def test_where_the_plan_says_what_becomes_of_it_a_new_source_value_stops_nothing(
    tmp_path: Path, engine: Engine
) -> None:
    move = staged(tmp_path / "w", engine, "default, default: UNUSED")
    old(move, *OLD, "Agritech")
    move.source.put("Account", "A5", Name="A5", Sector="Agritech")
    move.stage(delta=True)
    assert [each.value for each in move.load().drift] == ["Agritech"]
    assert move.there("Account", "A5").values["sector"] == "UNUSED"


def test_a_source_value_that_went_keeps_its_home_and_is_told(move: Move) -> None:
    old(move, "-IT", "Farming=Agriculture", "Other", "Verbal OK")
    assert [str(each) for each in move.load().drift] == [
        "old: Account.Sector: `Farming` was called `Farming`, and is called `Agriculture` now; it keeps its home in sector.csv.",
        "old: Account.Sector: `IT` is inactive now; it keeps its home in sector.csv.",
    ]


def test_a_discover_alone_silences_nothing_a_transform_with_the_amended_map_does(move: Move) -> None:
    new(move, "C2=Computing", *NEW[1:])
    assert len(stopped(move)) == 1
    discover(move.workspace)
    assert len(stopped(move)) == 1
    assert [each for each in since_discover(move.workspace) if each.matters] == []
    (move.root / "sector.csv").write_text(MAP.replace("Computers", "Computing"))
    move.stage(delta=True)
    assert move.load().drift == []
    assert {move.there("Account", id).values["sector"] for id in ("A1", "A2")} == {"C2"}


def test_a_load_that_goes_on_asks_again_before_it_writes(move: Move) -> None:
    move.target.faults = ["killed after"]
    with pytest.raises(Killed):
        move.load()
    new(move, "-C=Computers", *NEW[1:])
    assert len(stopped(move)) == 1
    new(move)
    move.load()
    assert len(move.target.live("companies")) == 3
    assert move.target.unsafe == 0


def test_a_source_that_is_away_stops_nothing_and_is_told(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Catalog:
        raise Parked("old", "it doesn't answer")

    monkeypatch.setattr(move.source, "discover", away)
    loaded = move.load()
    assert ["can't be compared" in str(each) for each in loaded.drift] == [True]
    assert len(move.target.live("companies")) == 3


def test_one_call_an_object_and_none_where_no_picklist_is_filled(
    move: Move, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def picklists(self: FakeTarget, object: str, fields: Sequence[str]) -> dict[str, tuple[Option, ...]]:
        asked.append((object, sorted(fields)))
        return {name: self.catalog.objects[object].fields[name].options for name in fields}

    monkeypatch.setattr(FakeTarget, "picklists", picklists, raising=False)
    move.load()
    assert asked == [("companies", ["sector", "tier"])]
    plain = Move(tmp_path / "plain", engine, "- source: Account\n  target: companies\n  fields: {name: Name}")
    plain.source.put("Account", "A1", Name="A1")
    plain.move()
    assert len(asked) == 1
