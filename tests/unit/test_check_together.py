"""Does `check` see values that the target takes each alone, but not together?"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.catalog import Catalog, Option
from migrate.engine import Engine
from migrate.plan import Plan, load_plan
from migrate.stages.check import check
from migrate.stages.checked import Combinations
from migrate.stages.count import count_combinations
from migrate.types import Kind
from tests.unit.planning import HEAD, field, hubspot, options, salesforce, schema, write

STAGES = """\
source,count,target,note
Talks,3,Negotiation,
Done,2,Paid,
Lost,1,Gone,
"""
LINES = "source,count,target,note\nRenewal,,Renewals,\nNew,,Sales,\nOther,,(nothing),\n"
PLAN = (
    HEAD
    + """\
objects:
  - source: Opportunity
    target: deals
    where: IsDeleted = false
    fields:
      %s
      dealstage: {from: StageName, picklist: stage.csv}
"""
)


def source() -> Catalog:
    names = ("Id", "StageName", "Line")
    found = schema("Opportunity", *map(field, names), field("IsDeleted", Kind.BOOL))
    return salesforce().model_copy(update={"objects": {"Opportunity": found}})


def target() -> Catalog:
    stages = (
        Option(value="11", label="Negotiation", parent="1"),
        Option(value="12", label="Gone", parent="1"),
        Option(value="21", label="Paid", parent="2"),
    )
    found = schema(
        "deals",
        field("pipeline", Kind.PICKLIST, options=options("1=Sales", "2=Renewals"), default="1"),
        field("dealstage", Kind.PICKLIST, options=stages, within="pipeline"),
    )
    return hubspot().model_copy(update={"objects": {"deals": found}, "links": ()})


def plan(folder: Path, pipeline: str, **maps: str) -> Plan:
    return load_plan(write(folder, PLAN % pipeline, **{"stage_csv": STAGES, **maps}))


def told(plan: Plan, combinations: Combinations | None = None) -> list[tuple[str, int, str]]:
    checked = check(plan, source(), target(), combinations=combinations, connectors=(), checks=())
    assert all(each.at.column and each.remedy for each in checked.warnings)
    return [(Path(each.at.file).name, each.at.line, each.what) for each in checked.warnings]


def extracted(plan: Plan, rows: list[tuple[str | None, str | None, bool]]) -> Combinations:
    stage = plan.folder / "stage"
    stage.mkdir()
    names = ("StageName", "Line", "IsDeleted")
    columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    pq.write_table(pa.table({"_id": [str(n) for n in range(len(rows))], **columns}), stage / "o.parquet")
    with Engine(folders=[stage]) as engine:
        return count_combinations(
            plan, source(), target(), {"Opportunity": [str(stage / "o.parquet")]}, engine
        )


ROWS = [
    ("Talks", "New", False),
    ("Done", "New", False),
    ("Done", "New", False),
    ("Done", "Renewal", False),
    ("Done", "Other", False),  # nothing on purpose: the target's default
    ("Done", None, False),  # no value: the target's default, too
    ("Lost", "Renewal", False),
    ("Lost", "Unheard", False),  # has no home, is rejected, and told as that
    ("Talks", "Renewal", True),  # hidden by `where`
    (None, "Renewal", False),
]


def test_an_option_of_another_group_than_the_target_s_default_is_told(tmp_path: Path) -> None:
    found = told(plan(tmp_path, "# nothing fills the pipeline"))
    assert found == [
        ("stage.csv", 3, "`Paid` of `dealstage` is valid only with `Renewals` in `pipeline`, but nothing "
         "fills `pipeline`, and new records get `Sales`.")
    ]  # fmt: skip


def test_two_maps_of_one_value_are_held_against_each_other_before_any_extract(tmp_path: Path) -> None:
    pipeline = "source,count,target,note\nTalks,,Renewals,\nDone,,Renewals,\nLost,,,\n"
    planned = plan(tmp_path, "pipeline: {from: StageName, picklist: p.csv}", p_csv=pipeline)
    words = "`Negotiation` of `dealstage` is valid only with `Sales` in `pipeline`, but the plan gives these "
    found = [each for each in told(planned) if "valid only" in each[2]]
    assert found == [("stage.csv", 2, words + "records `Renewals`.")]
    counted = told(planned, extracted(planned, ROWS))
    assert ("stage.csv", 2, words + "records `Renewals` (1 record).") in counted


def test_combinations_that_occur_are_counted_in_the_extract(tmp_path: Path) -> None:
    planned = plan(tmp_path, "pipeline: {from: Line, picklist: line.csv}", line_csv=LINES)
    assert told(planned) == []  # each of them may fit
    found = told(planned, extracted(planned, ROWS))
    assert sorted(found) == [
        ("stage.csv", 3, "`Paid` of `dealstage` is valid only with `Renewals` in `pipeline`, but the plan "
         "gives these records `Sales` (4 records)."),
        ("stage.csv", 4, "`Gone` of `dealstage` is valid only with `Sales` in `pipeline`, but the plan "
         "gives these records `Renewals` (1 record)."),
    ]  # fmt: skip


def test_what_fits_together_is_no_finding(tmp_path: Path) -> None:
    pipeline = "source,count,target,note\nTalks,,Sales,\nDone,,Renewals,\nLost,,(nothing),\n"
    planned = plan(tmp_path, "pipeline: {from: StageName, picklist: p.csv}", p_csv=pipeline)
    assert told(planned) == []
    assert told(planned, extracted(planned, ROWS)) == []


@pytest.mark.parametrize("pipeline", ["pipeline: \"'2'\"", "pipeline: \"if(Line = 'x', '2', '2')\""])
def test_a_literal_is_held_against_the_map_of_the_other_field(tmp_path: Path, pipeline: str) -> None:
    assert [(file, line) for file, line, _ in told(plan(tmp_path, pipeline))] == [
        ("stage.csv", 2),
        ("stage.csv", 4),
    ]
