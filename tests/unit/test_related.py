# ruff: noqa: E501 - plans are read across
"""A record gets values out of other objects' records: a history's first days, an association's parent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.catalog import ObjectSchema
from migrate.engine import Engine
from migrate.errors import PlanError
from migrate.stages.check import check
from migrate.stages.count import count_values
from migrate.types import Kind
from tests.unit.transform_case import SOURCE, World, day, fields, of

HISTORY = ObjectSchema(
    name="StageHistory", label="Stage history", stamp=None,
    fields=fields(
        Id=Kind.STRING, DealId=of("DealId", Kind.REFERENCE, references=("Deal",)), Stage=Kind.PICKLIST,
        At=Kind.TIMESTAMP, Cost=of("Cost", Kind.MONEY, precision=18, scale=2),
    ),
)  # fmt: skip
WITH_HISTORY = SOURCE.model_copy(update={"objects": {**SOURCE.objects, "StageHistory": HISTORY}})

PLAN = """
    - source: Deal
      target: deals
      related:
        first_won: {of: StageHistory, by: DealId, where: Stage = 'Won', take: min(At)}
        spent: {of: StageHistory, by: DealId, take: sum(Cost)}
        way: {of: StageHistory, by: DealId, spans: {value: Stage, at: At}, take: "string_agg(value, ' > ' ORDER BY since)"}
        days_open: {of: StageHistory, by: DealId, spans: {value: Stage, at: At}, where: value = 'Open', take: "sum(date_diff('day', since, until))"}
        last: {of: StageHistory, by: DealId, take: "arg_max(Stage, At)"}
      fields:
        dealname: concat_ws('|', Name, strftime(first_won, '%Y-%m-%d'), CAST(spent AS VARCHAR), way, CAST(days_open AS VARCHAR), last)
"""


def entry(number: int, deal: str, stage: str, when: int, cost: str = "1.10") -> dict[str, object]:
    return {"Id": f"H{number}", "DealId": deal, "Stage": stage, "At": day(when), "Cost": Decimal(cost)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, source=WITH_HISTORY)


def names(world: World, plan: str, generation: int = 0) -> dict[str, str]:
    world.transform(world.plan(plan), generation=generation)
    return {row["_source_id"]: row["dealname"] for row in world.rows("ready", "Deal", generation=generation)}


def test_a_history_becomes_first_days_sums_and_days_in_a_stage(world: World) -> None:
    world.extract("Deal", [{"Id": "D1", "Name": "Big"}, {"Id": "D2", "Name": "None"}])
    rows = [
        entry(1, "D1", "Open", 0), entry(2, "D1", "Open", 2),  # the amount changed, not the stage
        entry(3, "D1", "Won", 5), entry(4, "D1", "Open", 7), entry(5, "D1", "Won", 8),
        entry(6, "D9", "Won", 1),  # of a deal that isn't there
    ]  # fmt: skip
    world.extract("StageHistory", rows)

    assert names(world, PLAN) == {"D1": "Big|2026-01-06|5.50|Open > Won > Open > Won|6|Won", "D2": "None"}


def test_a_history_that_grows_changes_the_record_in_the_next_delta(world: World) -> None:
    world.extract("Deal", [{"Id": "D1", "Name": "Big"}, {"Id": "D2", "Name": "Same"}])
    world.extract("StageHistory", [entry(1, "D1", "Open", 0), entry(2, "D2", "Open", 0)])
    before = names(world, PLAN)
    world.extract("Deal", [], generation=1)
    world.extract("StageHistory", [entry(3, "D1", "Won", 4)], generation=1)

    assert before["D1"] == "Big|1.10|Open|Open"
    assert names(world, PLAN, generation=1) == {"D1": "Big|2026-01-05|2.20|Open > Won|4|Won"}


def test_a_reference_out_of_an_association_stays_a_reference(world: World) -> None:
    world.extract("Deal", [{"Id": "D1", "Name": "Big"}])
    world.extract("Role", [{"Id": "R1", "DealId": "D1", "ContactId": "C1", "Role": "Boss"}])
    plan = world.plan("""
        - source: Deal
          target: deals
          related:
            boss: {of: Role, by: DealId, where: Role = 'Boss', take: min(ContactId)}
          fields: {dealname: boss}
        """)
    checked = check(plan, world.source, world.target).objects["Deal"]
    assert checked.source.fields["boss"].references == ("Contact",)
    assert checked.source.fields["boss"].kind is Kind.REFERENCE


def test_a_reference_out_of_an_association_may_lead_to_an_entry_alone_or_before_another(world: World) -> None:
    """Either end of a link may be the one that is read first."""
    plan = """
        - source: Account
          target: companies
          related:
            here: {of: Deal, by: Name, take: min(AccountId)}
            there: {of: Contact, by: LastName, take: min(AccountId)}
          fields:
            name: Name
            parent_ref: {from: '%s', reference: %s}
        - source: Contact
          target: contacts
          fields: {lastname: LastName}
    """
    for origin in ("here", "coalesce(here, there)"):
        check(world.plan(plan % (origin, "Account")), world.source, world.target)
    for origin, wrong in (("here", "Contact"), ("coalesce(here, there)", "Contact"), ("Name", "Account")):
        with pytest.raises(PlanError, match=f"isn't a reference to `{wrong}`"):
            check(world.plan(plan % (origin, wrong)), world.source, world.target)


def test_records_can_be_found_by_any_value_of_both(world: World) -> None:
    world.extract("Deal", [{"Id": "D1", "Name": "ANN@x.test"}, {"Id": "D2", "Name": "who@x.test"}])
    world.extract("Contact", [{"Id": "C1", "Email": "Ann@X.test", "LastName": "Ann"}])
    plan = """
        - source: Deal
          target: deals
          related:
            who: {of: Contact, by: lower(Email), equals: lower(Name), take: min(LastName)}
          fields: {dealname: "coalesce(who, 'nobody')"}
        """
    assert names(world, plan) == {"D1": "Ann", "D2": "nobody"}


def test_a_picklist_map_counts_values_that_come_out_of_another_object(world: World) -> None:
    world.extract("Deal", [{"Id": "D1", "Name": "a"}, {"Id": "D2", "Name": "b"}])
    world.extract(
        "StageHistory", [entry(1, "D1", "Open", 0), entry(2, "D2", "Open", 0), entry(3, "D2", "Won", 1)]
    )
    plan = world.plan(
        """
        - source: Deal
          target: deals
          related:
            last: {of: StageHistory, by: DealId, take: "arg_max(Stage, At)"}
          fields: {dealname: {from: last, picklist: stages.csv}}
        """,
        stages_csv="source,count,target,note\n",
    )
    with Engine("256MB", world.root / "spill", folders=[world.root / "stage"]) as engine:
        files = {
            name: world.store.files(world.store.manifests("source", name)[0])
            for name in ("Deal", "StageHistory")
        }
        assert count_values(plan, world.source, files, engine) == {("Deal", "last"): {"Open": 1, "Won": 1}}


@pytest.mark.parametrize(
    ("related", "what", "remedy"),
    [
        ("x: {of: Nothing, by: DealId, take: count(*)}", "`Nothing` isn't an object", "Its objects are"),
        ("Name: {of: Role, by: DealId, take: count(*)}", "`Name` is a field of `Deal` already", "another name"),
        ("x: {of: Role, by: DealID2, take: count(*)}", "`DealID2` isn't a field of `Role`", "`DealId`"),
        ("x: {of: Role, by: DealId, take: Role}", "doesn't fit together", "into an aggregate"),
        ("x: {of: Role, by: DealId, take: \"string_agg(Role, ',')\"}", "in which order", "ORDER BY"),
        ("x: {of: Role, by: DealId, take: first(Role)}", "`first` isn't allowed", "arg_max"),
        ("x: {of: Role, by: DealId, where: Role, take: count(*)}", "must be BOOLEAN", "compare"),
        ("x: {of: StageHistory, by: DealId, take: avg(Cost)}", "`avg` isn't allowed", "sum"),
        ("x: {of: StageHistory, by: DealId, take: \"sum(CAST(Cost AS DOUBLE))\"}", "gives DOUBLE", "DECIMAL"),
        ("x: {of: StageHistory, by: DealId, spans: {value: Stage, at: Stage}, take: count(*)}", "must be TIMESTAMP", "Cast"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(world: World, related: str, what: str, remedy: str) -> None:
    plan = world.plan(f"""
        - source: Deal
          target: deals
          related:
            {related}
          fields: {{dealname: Name}}
        """)
    with pytest.raises(PlanError) as told:
        check(plan, world.source, world.target)
    [mistake] = told.value.mistakes
    assert what in mistake.what
    assert remedy in mistake.remedy
    assert mistake.at.line == 9


stages = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 30)), max_size=12)


@settings(max_examples=15, deadline=None)
@given(stages)
def test_days_in_stages_are_those_of_a_walk_through_the_history(
    tmp_path_factory: pytest.TempPathFactory, history: Sequence[tuple[str, int]]
) -> None:
    world = World(tmp_path_factory.mktemp("walk"), source=WITH_HISTORY)
    world.extract("Deal", [{"Id": "D1", "Name": "x"}])
    rows = [entry(100 + n, "D1", stage, when) for n, (stage, when) in enumerate(history)]
    world.extract("StageHistory", rows)
    plan = """
        - source: Deal
          target: deals
          related:
            a: {of: StageHistory, by: DealId, spans: {value: Stage, at: At}, where: value = 'A', take: "sum(date_diff('day', since, until))"}
            first: {of: StageHistory, by: DealId, spans: {value: Stage, at: At}, where: value = 'A', take: min(since)}
          fields: {dealname: "concat_ws('|', 'x', CAST(a AS VARCHAR), strftime(first, '%Y-%m-%d'))"}
        """
    walked = sorted(rows, key=lambda row: (str(row["At"]), str(row["Id"])))
    spans: list[tuple[str, datetime]] = []
    for row in walked:
        at = row["At"]
        assert isinstance(at, datetime)
        if not spans or spans[-1][0] != row["Stage"]:
            spans.append((str(row["Stage"]), at))
    ends = [at for _, at in spans[1:]]
    closed = [(end - at).days for (stage, at), end in zip(spans, ends, strict=False) if stage == "A"]
    firsts = [at.astimezone(UTC).date() for stage, at in spans if stage == "A"]
    wanted = ["x", *([str(sum(closed))] if closed else []), *([f"{min(firsts):%Y-%m-%d}"] if firsts else [])]
    assert names(world, plan) == {"D1": "|".join(wanted)}
    assert isinstance(min(firsts, default=date.min), date)
