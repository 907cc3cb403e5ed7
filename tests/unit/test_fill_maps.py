# ruff: noqa: E501 - plans are read across
"""Maps get counts and examples out of the extract; what people and their spreadsheets wrote stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.plan.maps import read_picklist
from migrate.stages.discover import discover
from migrate.stages.extract import extract
from migrate.stages.fill_maps import FilledMap, fill_maps
from migrate.types import Kind
from tests.unit.test_drift import options
from tests.unit.two_systems import SOURCE, TARGET, Move, field

PLAN = """
    - source: Account
      where: Name <> 'hidden'
      target: companies
      fields:
        name: Name
        sector: {from: Sector, picklist: sector.csv}
        tags: {from: Tags, picklist: tags.csv}
"""
SECTOR = "source,count,target,note\nIT,99,Computers,ours\nGone,7,(nothing),\n"
TAGS = "source,count,target,note\nred,,Red,\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(folders=[tmp_path]) as opened:
        yield opened


@pytest.fixture
def move(tmp_path: Path, engine: Engine) -> Move:
    root = tmp_path / "w"
    root.mkdir()
    (root / "sector.csv").write_text(SECTOR)
    (root / "tags.csv").write_text(TAGS)
    made = Move(root, engine, PLAN)
    for system, catalog, object, words in (
        (made.source, SOURCE, "Account", ("Sector", "Tags")),
        (made.target, TARGET, "companies", ("sector", "tags")),
    ):
        schema = catalog.objects[object]
        fields = {
            **schema.fields,
            words[0]: field(words[0], Kind.PICKLIST, options=options("C=Computers", "Farming")),
            words[1]: field(words[1], Kind.MULTIPICKLIST, options=options("red=Red", "blue=Blue")),
        }
        objects = {**catalog.objects, object: schema.model_copy(update={"fields": fields})}
        system.catalog = catalog.model_copy(update={"objects": objects})
    discover(made.workspace)
    return made


def extracted(move: Move) -> None:
    for number in range(1, 6):
        move.source.put("Account", f"A{number}", Name=f"A{number}", Sector="IT", Tags=["red", "blue"])
    move.source.put("Account", "A6", Name="A6", Sector="farming", Tags=["blue"])
    move.source.put("Account", "A7", Name="A7", Sector="N/A", Tags=None)
    move.source.put("Account", "A8", Name="hidden", Sector="N/A", Tags=None)
    extract(move.workspace)


def test_counts_and_examples_come_from_the_extract_and_new_values_are_added_with_a_guess(move: Move) -> None:
    extracted(move)
    assert fill_maps(move.workspace) == [
        FilledMap("sector.csv", "written", 4, 2, 1),
        FilledMap("tags.csv", "written", 2, 1, 0),
    ]
    assert (move.root / "sector.csv").read_text().splitlines() == [
        "source,count,target,note,examples",
        "IT,5,Computers,ours,A1 A2 A3",
        "Gone,0,(nothing),,",
        "N/A,1,,,A7",
        "farming,1,Farming,,A6",
    ]
    assert (move.root / "tags.csv").read_text().splitlines() == [
        "source,count,target,note,examples", "red,5,Red,,A1 A2 A3", "blue,6,Blue,,A1 A2 A3",
    ]  # fmt: skip
    assert [each.outcome for each in fill_maps(move.workspace)] == ["unchanged", "unchanged"]


def test_a_delta_counts_and_names_a_record_of_both_generations_once_among_the_examples(move: Move) -> None:
    extracted(move)
    move.source.put("Account", "A7", Phone="1")
    extract(move.workspace, since_watermark=True)
    fill_maps(move.workspace)
    rows = {row.source: row.examples for row in read_picklist(move.root / "sector.csv").rows}
    assert rows["N/A"] == ("A7",)


def test_what_a_spreadsheet_made_of_a_map_stays_as_it_is(move: Move) -> None:
    extracted(move)
    edited = '\ufeffnote;source;examples;target;count\r\n"asked Ann; twice";IT;old;Computers;1,204\r\n;N/A;;(nothing);\r\n;;;;\r\n'
    (move.root / "sector.csv").write_bytes(edited.encode())
    fill_maps(move.workspace)
    assert (move.root / "sector.csv").read_bytes().decode() == (
        "\ufeffnote;source;examples;target;count\r\n\"asked Ann; twice\";IT;A1 A2 A3;Computers;5\r\n"
        ";N/A;A7;(nothing);1\r\n;;;;\r\n;farming;A6;Farming;1\r\n"
    )  # fmt: skip
    assert read_picklist(move.root / "sector.csv").home == {
        "IT": "Computers",
        "N/A": None,
        "farming": "Farming",
    }


def test_a_dry_run_writes_nothing_and_without_an_extract_there_is_nothing_to_write(move: Move) -> None:
    with pytest.raises(UsageError, match="migrate extract"):
        fill_maps(move.workspace)
    extracted(move)
    assert [each.outcome for each in fill_maps(move.workspace, dry_run=True)] == ["would be written"] * 2
    assert (move.root / "sector.csv").read_text() == SECTOR


def test_no_value_is_added_that_the_plan_has_a_default_for(move: Move) -> None:
    extracted(move)
    plan = PLAN.replace("picklist: sector.csv", "picklist: sector.csv, unmapped: default, default: Farming")
    move.plan(plan)
    assert fill_maps(move.workspace)[0] == FilledMap("sector.csv", "written", 2, 0, 0)
    assert [row.source for row in read_picklist(move.root / "sector.csv").rows] == ["IT", "Gone"]
