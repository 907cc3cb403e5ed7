"""Is a plan read as it is written, with a place for every mistake, and are its files read strictly?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from migrate.catalog import Catalog, Option
from migrate.errors import PlanError, PlanMistake, UsageError
from migrate.plan import load_plan, read_plan
from migrate.plan.guess import first_plan
from migrate.plan.guess_maps import picklist_csv
from migrate.plan.maps import read_overrides, read_owners, read_picklist
from migrate.plan.schema import plan_schema
from migrate.plan.terms import parse_window
from migrate.sizes import parse_bytes
from migrate.stages.check import check
from migrate.types import Kind
from tests.unit.planning import HEAD, field, hubspot, options, salesforce, schema, write

SCHEMA = Path(__file__).parents[2] / "plans" / "plan.schema.json"
SMALL = HEAD + "objects:\n  - source: Account\n    target: companies\n    fields: {name: Name}\n"


def mistakes(folder: Path, plan: str) -> list[PlanMistake]:
    with pytest.raises(PlanError) as caught:
        load_plan(write(folder, plan))
    return list(caught.value.mistakes)


@pytest.mark.parametrize(
    ("plan", "line", "words"),
    [
        ("a: [1\nb: 2", 2, "isn't YAML"),
        ("version: 1\nsource: a: b", 2, "isn't YAML"),
        ("version: 1\n\tsource: x", 2, "isn't YAML"),
        ("version: 'x", 1, "isn't YAML"),
        ("version: *gone", 1, "undefined alias"),
        ("- &a [*a]", 1, "contains itself"),
        ("version: 1\n---\nversion: 1", 2, "isn't YAML"),
        ("", 0, "is empty"),
        ("# nothing\n", 0, "is empty"),
        ("just text", 1, "must be a mapping"),
        ("[]", 1, "must be a mapping"),
    ],
)
def test_what_isn_t_yaml_is_told_with_its_line(tmp_path: Path, plan: str, line: int, words: str) -> None:
    (mistake,) = mistakes(tmp_path, plan)
    assert mistake.at.line == line
    assert words in mistake.what


def test_an_expression_that_a_comma_has_parted_is_told_to_stand_in_quotes(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SMALL.replace("{name: Name}", "{name: coalesce(Name, Other)}"))
    assert [each.remedy for each in found if each.what.startswith("`Other)`")] == [
        "Between `{` and `}`, an expression with a comma stands in quotes."
    ]


def test_a_missing_plan_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="migrate init"):
        load_plan(tmp_path / "plan.yaml")


def test_a_key_that_stands_twice_names_both_lines(tmp_path: Path) -> None:
    plan = SMALL.replace("fields: {name: Name}", "fields:\n      name: Name\n      name: Other")
    (mistake,) = mistakes(tmp_path, plan)
    assert (mistake.at.line, mistake.at.column) == (9, 7)
    assert mistake.what == "`name` stands twice; it is already on line 8."


def test_tags_and_merge_keys_make_nothing(tmp_path: Path) -> None:
    plan = SMALL.replace("{name: Name}", "{name: !!python/name:os.system x, <<: {a: b}}")
    assert [each.what.split("`")[1] for each in mistakes(tmp_path, plan)] == [
        "tag:yaml.org,2002:python/name:os.system",
        "<<",
    ]


def test_a_mistake_doesn_t_hide_the_next_one_nor_make_new_ones(tmp_path: Path) -> None:
    plan = """\
version: 2
source: {system: le gacy, type: 5, credentials: LEGACY_, share: 2}
target: {}
objects:
  - source: Account
    target: companies
    dedupe: {"on": [], keep: fulest}
    fields:
      x: {from: A, picklist: p.csv, owner: o.csv}
      y: {frm: A}
      z: {from: A, unmapped: default}
    links: [{to: companies}, {to: companies, via: P, label: {from: R}}]
  - source: Account
    target: companies
    fields: {}
"""
    assert [(each.at.line, each.what.split(".")[0]) for each in mistakes(tmp_path, plan)] == [
        (1, "`version` can't be the number `2`"),
        (2, "`system` can't be `le gacy`"),
        (2, "`type` must be text, not the number `5`"),
        (2, "`credentials` can't be `LEGACY_`"),
        (2, "`share` is 2; it must be at most 1"),
        (3, "`credentials` is missing"),
        (3, "`system` is missing"),
        (3, "`type` is missing"),
        (7, "`on` is empty"),
        (7, "`keep` can't be `fulest`"),
        (9, "`picklist` and `owner` exclude each other"),
        (10, "`frm` isn't a key here"),
        (11, "`unmapped: default` needs a `default`"),
        (12, "The link needs exactly one of `via` and `through`"),
        (12, "`picklist` is missing"),
        (13, "`Account` stands twice"),
    ]


@pytest.mark.parametrize(
    ("written", "line", "column"),
    [
        ("x: abc WRONG", 8, 14),
        ("x: 'it''s WRONG'", 8, 17),
        ('x: "a\\tb WRONG"', 8, 16),
        ("x: >-\n        abc\n        def WRONG", 10, 13),
        ("x: |\n        abc\n\n          def WRONG", 11, 15),
        ("x: abc\n        def WRONG", 9, 13),
    ],
)
def test_a_character_of_a_text_is_found_however_it_is_written(
    tmp_path: Path, written: str, line: int, column: int
) -> None:
    plan = load_plan(write(tmp_path, SMALL.replace("fields: {name: Name}", f"fields:\n      {written}")))
    text = plan.model.objects[0].fields["x"].origin
    at = plan.locate("objects", 0, "fields", "x", "expression")(text.index("WRONG"))
    assert (at.line, at.column) == (line, column)


def test_the_digest_covers_the_plan_and_every_file_that_decides_what_is_written(tmp_path: Path) -> None:
    body = SMALL.replace(
        "{name: Name}",
        "{name: {from: Name, picklist: a.csv}, o: {from: O, owner: o.csv}, p: {from: P, python: 'c:f'}}",
    )
    path = write(tmp_path, body + "overrides: overrides.csv\n")
    seen = {load_plan(path).digest}
    for name in ("a.csv", "o.csv", "c.py", "overrides.csv"):
        with (tmp_path / name).open("a") as file:
            file.write("# more\n")
        seen.add(load_plan(path).digest)
    path.write_text(path.read_text() + "calendar: {zone: Europe/Berlin}\n")
    seen.add(load_plan(path).digest)
    assert len(seen) == 6


def test_a_comment_or_an_accepted_automation_changes_nothing_that_is_written(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    before = load_plan(path).digest
    path.write_text(path.read_text() + "# why\nautomations: {switch_off: [Welcome mail]}\n")
    assert load_plan(path).digest == before
    accepted = "automations: {accept: [{name: Enrichment, fills: [city]}]}"
    fields = "fields: {name: Name}"
    path.write_text(path.read_text().replace(fields, f"{accepted}\n    {fields}"))
    assert load_plan(path).model.objects[0].automations.accept[0].fills == ["city"]
    assert load_plan(path).digest == before


def test_an_unknown_object_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean `Account`"):
        load_plan(write(tmp_path, SMALL)).object("Acount")


# -- JSON Schema ------------------------------------------------------------------------------


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_text() == plan_schema(), "python -m migrate.plan.schema > plans/plan.schema.json"


SHAPES: list[tuple[str, str]] = [
    ("", ""),
    ("version: 1", "version: 2"),
    ("version: 1", "version: '1'"),
    ("fields: {name: Name}", "fields: {name: 5, b: true, c: 1.5}"),
    ("fields: {name: Name}", "fields: {name: null}"),
    ("fields: {name: Name}", "fields: {name: [a]}"),
    ("fields: {name: Name}", "fields: {name: {}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, expression: B}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, expression: null}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, picklist: p.csv}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, picklist: p.csv, owner: o.csv}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, unmapped: default}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, unmapped: default, default: x}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, unmapped: maybe}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, inactive: a@x.test}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, owner: o.csv, inactive: a@x.test}}"),
    ("fields: {name: Name}", "fields: {name: {from: 5}}"),
    ("fields: {name: Name}", "fields: {name: {frm: A}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: B}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: [B, C~d], missing: later, id: e}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: []}}"),
    ("fields: {name: Name}", "fields: {name: {reference: B}}"),
    ("fields: {name: Name}", "fields: {name: {reference: B, gather: C}}"),
    ("fields: {name: Name}", "fields: {name: {reference: [B], gather: C}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: B, gather: C}}"),
    ("fields: {name: Name}", "fields: {name: {gather: C}}"),
    ("fields: {name: Name}", "fields: {name: {gather: {B~c: D, E: _id}}}"),
    ("fields: {name: Name}", "fields: {name: {gather: {}}}"),
    ("fields: {name: Name}", "fields: {name: {gather: {B: 5}}}"),
    ("fields: {name: Name}", "fields: {name: {gather: {B: D}, reference: B}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, missing: later}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, missing: reject}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, id: b}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: B, picklist: p.csv}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, reference: B, python: 'm:f'}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, rewrite: links}}"),
    ("fields: {name: Name}", "fields: {name: {expression: A, rewrite: links, python: 'm:f'}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, rewrite: all}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, rewrite: links, picklist: p.csv}}"),
    ("fields: {name: Name}", "fields: {name: {from: A, rewrite: links, reference: B}}"),
    ("fields: {name: Name}", "fields: {}"),
    ("fields: {name: Name}", "where: 5\n    fields: {}"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, through: c}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, through: c}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, through: c, left: d, right: e}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, left: d}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, label: {from: c, picklist: d}}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, label: {from: c}}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, label: 5}]"),
    ("fields: {name: Name}", "fields: {}\n    links: [{to: a, via: b, missing: maybe}]"),
    ("fields: {name: Name}", "fields: {}\n    dedupe: {on: []}"),
    ("fields: {name: Name}", "fields: {}\n    dedupe: {on: [a], keep: oldest}"),
    ("fields: {name: Name}", "fields: {}\n    create: {x: {kind: date}, y: {}}"),
    ("fields: {name: Name}", "fields: {}\n    create: {x: {kind: blob}}"),
    ("fields: {name: Name}", "fields: {}\n    nonsense: 1"),
    ("    fields: {name: Name}", ""),
    ('"env:NEW_"', "NEW_"),
    ('"env:NEW_"', "file:x, share: 0.5, longest_call: 60, api: anything"),
    ('"env:NEW_"', "file:x, share: 0"),
    ('"env:NEW_"', "file:x, share: half"),
    ("system: new", "system: 'a b'"),
    ("version: 1", "version: 1\ncalendar: {fiscal_year_start: 13}"),
    ("version: 1", "version: 1\ncalendar: {fiscal_year_start: 2, zone: Europe/Berlin}"),
    ("version: 1", "version: 1\nvalidate: {sums: [{object: a, field: b, by: [c]}]}"),
    ("version: 1", "version: 1\nvalidate: {tolerances: [{check: x, at_most: 1, reason: r, owner: o}]}"),
    ("version: 1", "version: 1\nvalidate: {tolerances: [{check: x, at_most: 1, reason: r}]}"),
    ("version: 1", "version: 1\ncutover: {window: 5 days, freeze: {a: 1}, sponsors: [a]}"),
    ("version: 1", "version: 1\nvalidation: {}"),
    ("objects:", "objects: []\nx:"),
]


@pytest.mark.parametrize("change", SHAPES, ids=lambda change: change[1][:60] or "sound")
def test_an_editor_and_the_command_line_refuse_the_same_plans(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    text = SMALL.replace(*change) if change[0] else SMALL
    document: Any = YAML(typ="safe").load(text)
    by_schema = not list(jsonschema.Draft202012Validator(json.loads(plan_schema())).iter_errors(document))
    path = write(tmp_path, text)
    try:
        by_us = not read_plan(path).mistakes
    except PlanError:
        by_us = False
    assert by_schema == by_us


# -- files beside the plan --------------------------------------------------------------------


def told(path: Path, read: Any) -> list[tuple[int, str]]:
    with pytest.raises(PlanError) as caught:
        read(path)
    return [(each.at.line, each.what) for each in caught.value.mistakes]


def test_a_picklist_map_is_read_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        '\ufeffsource;count;target;note\r\n"A; B";1;X;\r\nC;;(nothing);why\r\nD;2;;\r\n\r\n'.encode()
    )
    found = read_picklist(path)
    assert found.home == {"A; B": "X", "C": None}
    assert [(row.source, row.count, row.at.line) for row in found.rows] == [
        ("A; B", 1, 2),
        ("C", None, 3),
        ("D", 2, 4),
    ]


def test_every_row_of_a_picklist_map_that_can_t_be_taken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('source,count,target,note\nA,1,X,\nA,1,Y,\n,1,X,\n"B\nb",x,X,\nC,1\nD,1,X,,\n')
    assert told(path, read_picklist) == [
        (3, "`A` stands twice; it is already on line 2."),
        (4, "The row has no source value."),
        (5, "The count `x` isn't a whole number."),
        (7, "The row has 2 cells; 4 are expected."),
        (8, "The row has 5 cells; 4 are expected."),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"source,target\n", "The column `count` is missing"),
        (b"source,count,target,note,more\n", "`more` isn't a column"),
        (b"source,count,target,note\n\xff,1,X,\n", "isn't UTF-8"),
        (b'source,count,target,note\n"A,1,X,\n', "isn't CSV"),
    ],
)
def test_what_is_no_picklist_map_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    ((_, what),) = told(path, read_picklist)
    assert words in what


def test_an_owner_map_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "owners.csv"
    head = "source_id,source_email,source_name,active,target_email,note\n"
    path.write_text(head + "1,a@x.test,A,TRUE,B@x.test,\n2,,C,false,,\n")
    found = read_owners(path)
    assert (dict(found.home), set(found.inactive)) == ({"1": "b@x.test"}, {"2"})
    path.write_text(head + "1,,A,true,,\n1,,A,true,,\n,,A,true,,\n2,,A,yes,,\n3,,A,true,nobody,\n")
    assert [line for line, _ in told(path, read_owners)] == [3, 4, 5, 6]


def test_overrides_say_who_and_why(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    head = "key,field,old,new,who,why\n"
    path.write_text(head + 'sf-1.Account.001A,phone,1,"2, 3",Ann,typo\n')
    (found,) = read_overrides(path)
    assert (found.key, found.new, found.at.line) == ("sf-1.Account.001A", "2, 3", 2)
    path.write_text(
        head
        + "001A,phone,1,2,Ann,typo\na.B.c,phone,1,2,,typo\na.B.d,x,1,2,A,\na.B.e,x,,1,A,b\na.B.e,x,,2,A,b\n"
    )
    assert [line for line, _ in told(path, read_overrides)] == [2, 3, 4, 6]


def test_windows_count_working_days_in_the_calendar_s_zone() -> None:
    friday = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert parse_window("3 working days").end(friday, "Europe/Berlin") == datetime(
        2026, 11, 25, 15, tzinfo=UTC
    )
    assert parse_window("48 hours").end(friday) == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert parse_window("2 weeks").end(friday) == datetime(2026, 12, 4, 15, tzinfo=UTC)
    before_winter_time = datetime(2026, 10, 23, 15, tzinfo=UTC)  # a Friday; clocks go back on Sunday
    assert parse_window("1 working day").end(before_winter_time, "Europe/Berlin").hour == 16
    for wrong in ("soon", "0 days", "-1 days", "5 fortnights", ""):
        with pytest.raises(ValueError, match="span of time"):
            parse_window(wrong)
    assert parse_bytes("1.5 MB") == 1_500_000


# -- the first plan ---------------------------------------------------------------------------


def test_a_first_plan_is_sound_but_for_what_only_a_person_can_decide(tmp_path: Path) -> None:
    counts = {("Account", "Industry"): {"technolgy": 9, "Farming": 3, "Sonstiges": 1}}
    files = first_plan(salesforce(), hubspot(), counts)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    plan = load_plan(tmp_path / "plan.yaml")
    assert [(each.source, each.target) for each in plan.model.objects] == [
        ("Account", "companies"),
        ("Contact", "contacts"),
    ]
    account = plan.object("Account").fields
    assert {name: each.origin for name, each in account.items()} == {
        "name": "Name",
        "domain": "split_part(regexp_replace(lower(trim(Website)), '^(https?://)?(www\\.)?', ''), '/', 1)",
        "phone": "Phone",
        "description": "Description",
        "industry": "Industry",
        "annualrevenue": "AnnualRevenue",
        "numberofemployees": "NumberOfEmployees",
        "founded": "Founded__c",
        "hubspot_owner_id": "OwnerId",
    }
    home = plan.picklist("picklists/account-industry.csv").home
    assert home == {"technolgy": "Technology", "Farming": "Farming"}
    assert [(each.to, each.via or each.through, each.label) for each in plan.object("Account").links] == [
        ("companies", "ParentId", "parent"),
        ("contacts", "AccountContactRole", "default"),
    ]
    assert plan.object("Account").match == ["domain"]
    assert plan.object("Contact").match == ["email"]
    checked = check(plan, salesforce(), hubspot(), counts, connectors=(), checks=())
    assert [(each.field, each.value, each.count) for each in checked.unmapped] == [
        ("industry", "Sonstiges", 1)
    ]


def test_strange_names_survive_the_first_plan(tmp_path: Path) -> None:
    ours, theirs = schema("Deal's", field("Won & lost")), schema("Deal's", field("Won & lost", Kind.STRING))
    source = salesforce().model_copy(update={"objects": {"Deal's": ours}})
    target = hubspot().model_copy(update={"objects": {"Deal's": theirs}, "links": ()})
    (tmp_path / "plan.yaml").write_text(first_plan(source, target)["plan.yaml"])
    plan = load_plan(tmp_path / "plan.yaml")
    checked = check(plan, source, target, connectors=(), checks=())
    assert checked.objects["Deal's"].fields["Won & lost"].expression.sql == '"Won & lost"'


def test_values_are_paired_by_likeness_and_say_so() -> None:
    lines = picklist_csv(
        {"technolgy": 3, "FARMING": 2, "zzz": 1, "Other": None},
        options("T=Technology", "FARMING=Farming", "X1=Other", "X2=Other"),
    ).splitlines()
    assert lines[1:] == [
        'technolgy,3,Technology,"guessed, 95 % alike",',
        "FARMING,2,Farming,,",
        "zzz,1,,,",
        'Other,,,"several values are called so: `X1`, `X2`",',
    ]


def test_a_value_that_is_only_near_stays_without_a_home_and_the_guess_stands_in_the_note() -> None:
    lines = picklist_csv({"Technology": 3}, options("BIOTECHNOLOGY=Biotechnology")).splitlines()
    assert lines[1:] == ['Technology,3,,"perhaps `Biotechnology`: only 86 % alike, so you decide",']


def sales(*pipelines: str) -> tuple[Catalog, Catalog]:
    """An old system with deals, and a new one with these pipelines, each with stages of its own."""
    theirs = schema(
        "Deal",
        field("Id"),
        field("Deal Name"),
        field("Email"),
        field("CloseDate", Kind.DATE),
        field("StageName", Kind.PICKLIST, options=options("Talks", "Won")),
        field("Colour"),
        field("CampaignId", Kind.REFERENCE, references=("Campaign",)),
    )
    known = options(*pipelines)
    stages = tuple(
        Option(value=f"{pipeline.value}-{label}", label=label, parent=pipeline.value)
        for pipeline in known
        for label in (("Talks", "Won") if pipeline.value == "p2" else ("Won", "Gone"))
    )
    ours = schema(
        "deals",
        field("dealname", label="Deal Name"),
        field("contact_email", label="Email", unique=True, held=("trim", "lower")),
        field("closedate", Kind.TIMESTAMP, label="Close Date"),
        field("pipeline", Kind.PICKLIST, options=known, default=known[0].value),
        field("dealstage", Kind.PICKLIST, label="Deal Stage", options=stages, within="pipeline"),
        field("color"),
        field("region", required=True),
    )
    source = salesforce().model_copy(update={"objects": {"Deal": theirs, "Zebra": schema("Zebra")}})
    return source, hubspot().model_copy(update={"objects": {"deals": ours}, "links": ()})


def test_a_first_plan_fills_what_is_plain_and_says_what_it_left_out_and_why(tmp_path: Path) -> None:
    source, target = sales("p1=One", "p2=Two")
    files = first_plan(source, target)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    deal = read_plan(tmp_path / "plan.yaml").object("Deal")
    assert {name: each.origin for name, each in deal.fields.items()} == {
        "dealname": '"Deal Name"',
        "contact_email": "lower(trim(Email))",
        "closedate": "CAST(CloseDate AS TIMESTAMP) AT TIME ZONE 'UTC'",
        "pipeline": "'p2'",  # where the stages have homes
        "dealstage": "StageName",
    }
    lines = [line.strip() for line in files["plan.yaml"].splitlines()]
    for said in (
        "pipeline: \"'p2'\"  # Two, where 2 of 2 values of `StageName` have a home; others are One",
        "# dedupe: {on: [lower(trim(Email))], keep: fullest, losers: merge}",
        "# color: Colour  # only 85 % alike",
        "# region:  # the target takes no record without it, and nothing here is like it",
        "# Not moved, since they refer to objects that aren't moved: CampaignId (to Campaign).",
        "# Not moved, since no object of the target is like them: Zebra.",
    ):
        assert said in lines, said
    assert files["picklists/deal-dealstage.csv"].splitlines()[1:] == ["Talks,,Talks,,", "Won,,p2-Won,,"]
    other = first_plan(*sales("p3=Three", "p1=One"))["picklists/deal-dealstage.csv"].splitlines()
    assert other[1:] == ["Talks,,,,", "Won,,p3-Won,,"]
    with pytest.raises(PlanError) as caught:
        check(read_plan(tmp_path / "plan.yaml"), source, target, connectors=(), checks=())
    assert ["`region`" in each.what for each in caught.value.mistakes] == [True]


def test_examples_stand_beside_their_value_and_a_map_without_them_reads_the_same(tmp_path: Path) -> None:
    written = picklist_csv({"IT": 3, "Farms": 1}, options("IT=IT"), examples={"IT": ["001A", "001B"]})
    (tmp_path / "with.csv").write_text(written)
    (tmp_path / "without.csv").write_text("source,count,target,note\nIT,3,IT,\nFarms,1,,\n")
    new, old = read_picklist(tmp_path / "with.csv"), read_picklist(tmp_path / "without.csv")
    assert written.splitlines()[:2] == ["source,count,target,note,examples", "IT,3,IT,,001A 001B"]
    assert [row.examples for row in new.rows] == [("001A", "001B"), ()]
    assert [row.examples for row in old.rows] == [(), ()]
    assert [(row.source, row.count, row.target) for row in new.rows] == [
        (row.source, row.count, row.target) for row in old.rows
    ]
    assert new.home == old.home == {"IT": "IT"}


def test_a_value_that_is_only_in_another_group_says_so() -> None:
    here, there = Option(value="1", label="Won", parent="a"), Option(value="2", label="Talks", parent="b")
    assert picklist_csv({"Talks": 2}, [here], [here, there]).splitlines()[1:] == [
        'Talks,2,,"`Talks` is there, but not valid with the rest of the plan",'
    ]


def test_the_lines_that_a_first_plan_suggests_can_be_used_as_they_are(tmp_path: Path) -> None:
    text = first_plan(*sales("p2=Two"))["plan.yaml"]
    (tmp_path / "plan.yaml").write_text(text.replace("# dedupe:", "dedupe:").replace("# color:", "color:"))
    deal = load_plan(tmp_path / "plan.yaml").object("Deal")
    assert deal.dedupe is not None
    assert deal.dedupe.on == ["lower(trim(Email))"]
    assert deal.fields["color"].origin == "Colour"


def test_a_number_in_quotes_is_told_from_a_number(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text('version: "1"\n')

    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.yaml")

    assert '`version` is the text `"1"`, and must be the number `1`.' in str(caught.value)
    assert "Write it without quotes." in str(caught.value)
