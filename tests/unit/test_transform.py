"""What becomes of each record: its values, and its one end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrate.catalog import Owner
from migrate.errors import Damaged, UsageError
from tests.unit.transform_case import SOURCE, World, day, money

INDUSTRY = "source,count,target,note\nTech,1,Technology,\nEssen,2,FOOD,\nnone,1,(nothing),\n"
OWNERS = "source_id,source_email,source_name,active,target_email,note\nU1,ann@x.test,Ann,true,ann@x.test,\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def account(id: str, **values: Any) -> dict[str, Any]:
    return {"Id": id, "Name": id, **values}


def contact(id: str, **values: Any) -> dict[str, Any]:
    return {"Id": id, "LastName": id, **values}


def ends(world: World, stage: str, object: str, generation: int = 0) -> list[str]:
    return [row["_source_id"] for row in world.rows(stage, object, generation)]


def test_values_arrive_in_the_targets_types_with_key_and_visible_origin(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          key: {old_id: old_id, old_url: old_url}
          fields: {name: Name, domain: lower(Website), revenue: Revenue, size: "CAST(Size AS BIGINT)"}
    """)
    world.extract(
        "Account", [account("A1", Website="X.test", Revenue=money("10.50"), Size="12", Stamp=day(3))]
    )

    counts = world.transform(plan)["Account"]

    assert (counts.extracted, counts.ready, counts.changed) == (1, 1, 1)
    [row] = world.rows("ready", "Account")
    assert row.pop("_hash")
    assert row == {
        "_key": "fam.Account.A1",
        "_source_id": "A1",
        "_version": day(3),
        "_target_id": None,
        "_deleted": False,
        "migration_key": "fam.Account.A1",
        "old_id": "A1",
        "old_url": "https://old.test/Account/A1",
        "name": "A1",
        "domain": "x.test",
        "revenue": money("10.50"),
        "size": 12,
    }


def test_a_row_whose_expression_raises_is_rejected_and_no_other(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          fields: {name: Name, size: "CAST(nullif(Size, '-') AS BIGINT)"}
    """)
    sizes = {"A1": "1", "A2": "many", "A3": "-", "A4": None}
    world.extract("Account", [account(id, Size=size) for id, size in sizes.items()])

    world.transform(plan)

    assert {row["_source_id"]: row["size"] for row in world.rows("ready", "Account")} == {
        "A1": 1,
        "A3": None,
        "A4": None,
    }
    [reject] = world.rows("rejects", "Account")
    assert (reject["_source_id"], reject["field"], reject["reason"], reject["value"]) == (
        "A2", "size", "expression", "many",
    )  # fmt: skip
    assert "many" in reject["detail"]


def test_where_skips_what_is_false_or_null_and_rejects_what_raises(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          where: CAST(Size AS BIGINT) > 5
          fields: {name: Name}
    """)
    sizes = {"A1": "9", "A2": "1", "A3": None, "A4": "x"}
    world.extract("Account", [account(id, Size=size) for id, size in sizes.items()])

    counts = world.transform(plan)["Account"]

    assert (counts.ready, counts.skipped, counts.rejected) == (1, 2, 1)
    assert [(row["_source_id"], row["reason"]) for row in world.rows("skipped", "Account")] == [
        ("A2", "where"), ("A3", "where"),
    ]  # fmt: skip
    assert [(row["_source_id"], row["field"]) for row in world.rows("rejects", "Account")] == [
        ("A4", "where")
    ]


@pytest.mark.parametrize(
    ("rule", "homes"),
    [
        ("unmapped: reject", {"A1": "TECH", "A2": "FOOD", "A3": None, "A4": None}),
        (
            "unmapped: default, default: Food",
            {"A1": "TECH", "A2": "FOOD", "A3": None, "A4": None, "A5": "FOOD"},
        ),
        ("unmapped: add", {"A1": "TECH", "A2": "FOOD", "A3": None, "A4": None, "A5": "Odd"}),
    ],
)
def test_a_picklist_value_goes_to_its_home_or_where_the_plan_says(
    world: World, rule: str, homes: dict[str, str | None]
) -> None:
    plan = world.plan(
        f"""
        - source: Account
          target: companies
          fields: {{name: Name, industry: {{from: Industry, picklist: ind.csv, {rule}}}}}
        """,
        ind_csv=INDUSTRY,
    )
    seen = {"A1": "Tech", "A2": "Essen", "A3": "", "A4": "none", "A5": "Odd"}
    world.extract("Account", [account(id, Industry=value) for id, value in seen.items()])

    world.transform(plan)

    assert {row["_source_id"]: row["industry"] for row in world.rows("ready", "Account")} == homes
    rejects = [(row["_source_id"], row["reason"], row["value"]) for row in world.rows("rejects", "Account")]
    assert rejects == ([] if "A5" in homes else [("A5", "unmapped_picklist", "Odd")])


def test_a_list_of_picklist_values_is_mapped_value_by_value(world: World) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          fields: {name: Name, tags: {from: Tags, picklist: ind.csv}}
        """,
        ind_csv=INDUSTRY,
    )
    tags = {"A1": ["Tech", "Essen", "none"], "A2": ["Odd", "Tech"], "A3": [], "A4": None}
    world.extract("Account", [account(id, Tags=value) for id, value in tags.items()])

    world.transform(plan)

    ready = {row["_source_id"]: row["tags"] for row in world.rows("ready", "Account")}
    assert ready == {"A1": ["FOOD", "TECH"], "A3": None, "A4": None}
    assert [(row["_source_id"], row["value"]) for row in world.rows("rejects", "Account")] == [("A2", "Odd")]


@pytest.mark.parametrize("taker", ["", ", inactive: ops@x.test"])
def test_records_of_owners_who_left_go_to_the_named_owner_or_are_rejected(world: World, taker: str) -> None:
    plan = world.plan(
        f"""
        - source: Account
          target: companies
          fields: {{name: Name, owner: {{from: OwnerId, owner: owners.csv, former: former_owner{taker}}}}}
        """,
        owners_csv=OWNERS,
    )
    owners = {"A1": "U1", "A2": "U2", "A3": "U3", "A4": None}
    world.extract("Account", [account(id, OwnerId=owner) for id, owner in owners.items()])

    world.transform(plan)

    ready = {row["_source_id"]: (row["owner"], row["former_owner"]) for row in world.rows("ready", "Account")}
    kept = {"A1": ("501", None), "A4": (None, None)}
    moved = {"A2": ("502", "Bob <bob@x.test>"), "A3": ("502", "Cat <cat@x.test>")}
    assert ready == (kept | moved if taker else kept)
    rejects = [(row["_source_id"], row["reason"]) for row in world.rows("rejects", "Account")]
    assert rejects == ([] if taker else [("A2", "no_owner"), ("A3", "no_owner")])


def test_records_of_nobody_go_to_the_named_owner_but_not_before_those_of_their_losers_were_asked(
    world: World,
) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: oldest}
          match: [domain]
          fields:
            name: Name
            domain: Website
            owner: {from: OwnerId, owner: owners.csv, nobody: ops@x.test, former: former_owner}
        """,
        owners_csv=OWNERS,
    )
    world.extract("Account", [
        account("A1", Website="a.test"), account("A2", Website="b.test"),
        account("A3", Website="b.test", OwnerId="U1"), account("A4", Website="theirs.test"),
    ])  # fmt: skip
    world.snapshot("companies", [{"_id": "77", "domain": "theirs.test"}])

    world.transform(plan)

    ready = {row["_source_id"]: (row["owner"], row["former_owner"]) for row in world.rows("ready", "Account")}
    # The record that is adopted keeps whom it has in the target.
    assert ready == {"A1": ("502", None), "A2": ("501", None), "A4": (None, None)}


def test_what_the_target_requires_or_has_no_room_for_is_rejected(world: World) -> None:
    plan = world.plan("- {source: Account, target: companies, fields: {name: Name}}")
    world.extract("Account", [account("A1"), account("A2", Name=None), account("A3", Name="x" * 21)])

    world.transform(plan)

    assert [(row["_source_id"], row["field"], row["reason"]) for row in world.rows("rejects", "Account")] == [
        ("A2", "name", "required"), ("A3", "name", "too_long"),
    ]  # fmt: skip


def test_one_record_with_several_mistakes_is_one_reject_with_several_rows(world: World) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          fields: {name: Name, size: CAST(Size AS BIGINT), industry: {from: Industry, picklist: ind.csv}}
        """,
        ind_csv=INDUSTRY,
    )
    world.extract("Account", [account("A1", Size="x", Industry="Odd")])

    assert world.transform(plan)["Account"].rejected == 1
    assert [row["field"] for row in world.rows("rejects", "Account")] == ["industry", "size"]


def test_a_python_function_gets_arrow_and_one_bad_row_costs_one_row(world: World) -> None:
    plan = world.plan(
        """
        - source: Contact
          target: contacts
          fields: {lastname: LastName, phone: {from: Phone, python: "cleaning:phone"}}
        """,
        cleaning_py=(
            "import pyarrow as pa\n"
            "def one(value):\n"
            "    if value == 'bad':\n"
            "        raise ValueError('no phone')\n"
            "    return value and value.replace(' ', '')\n"
            "def phone(values):\n"
            "    return pa.array([one(value) for value in values.to_pylist()], pa.string())\n"
        ),
    )
    phones = {"C1": "1 2", "C2": "bad", "C3": None}
    world.extract("Contact", [contact(id, Phone=phone) for id, phone in phones.items()])

    world.transform(plan)

    assert {row["_source_id"]: row["phone"] for row in world.rows("ready", "Contact")} == {
        "C1": "12",
        "C3": None,
    }
    [reject] = world.rows("rejects", "Contact")
    assert (reject["value"], reject["detail"]) == ("bad", "cleaning:phone: ValueError: no phone")


DEDUPE = """
- source: Contact
  target: contacts
  dedupe: {on: ["lower(trim(Email))"], keep: %s, losers: %s}
  fields: {email: Email, lastname: LastName, phone: Phone}
"""
TWINS = [
    contact("C1", Email="a@x.test", LastName=None, Created=day(1), Stamp=day(9)),
    contact("C2", Email=" A@x.test", Phone="2", Created=day(2)),
    contact("C3", Email="a@X.test", LastName=None, Phone="3", Created=day(3)),
    contact("C4", Email=None),
    contact("C5", Email="  "),
]


@pytest.mark.parametrize(("keep", "survivor"), [("oldest", "C1"), ("newest", "C3"), ("fullest", "C2")])
def test_records_that_are_one_merge_and_the_survivor_gets_what_it_lacks(
    world: World, keep: str, survivor: str
) -> None:
    world.extract("Contact", TWINS)

    counts = world.transform(world.plan(DEDUPE % (keep, "merge")))["Contact"]

    assert (counts.ready, counts.merged, counts.rejected) == (3, 2, 0)
    merged = world.rows("merged", "Contact")
    assert {row["survivor"] for row in merged} == {f"fam.Contact.{survivor}"}
    assert {row["_source_id"] for row in merged} == {"C1", "C2", "C3"} - {survivor}
    assert merged[0]["reason"] == f"same lower(trim(Email)); keeps the {keep}"
    [row] = [row for row in world.rows("ready", "Contact") if row["_source_id"] == survivor]
    assert row["lastname"] == "C2"
    assert row["phone"] == {"oldest": "2", "newest": "3", "fullest": "2"}[keep]


def test_losers_are_rejected_where_the_plan_says_so(world: World) -> None:
    world.extract("Contact", TWINS)

    counts = world.transform(world.plan(DEDUPE % ("oldest", "reject")))["Contact"]

    assert (counts.ready, counts.merged, counts.rejected) == (3, 0, 2)
    assert {row["reason"] for row in world.rows("rejects", "Contact")} == {"duplicate"}


def test_the_most_recent_activity_survives_where_the_source_keeps_one(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: most_recent_activity}
          fields: {name: Name}
    """)
    world.extract("Account", [
        account("A1", Website="x", LastActivityDate=day(1).date()),
        account("A2", Website="x", LastActivityDate=day(5).date()),
        account("A3", Website="x", Created=day(9)),
    ])  # fmt: skip

    world.transform(plan)

    assert ends(world, "ready", "Account") == ["A2"]


def test_a_record_with_a_mistake_neither_survives_nor_merges(world: World) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: fullest}
          fields: {name: Name, industry: {from: Industry, picklist: ind.csv}}
        """,
        ind_csv=INDUSTRY,
    )
    world.extract("Account", [account("A1", Website="x"), account("A2", Website="x", Industry="Odd")])

    counts = world.transform(plan)["Account"]

    assert (ends(world, "ready", "Account"), counts.merged, counts.rejected) == (["A1"], 0, 1)


def test_a_group_in_which_nobody_has_a_required_value_is_rejected_whole(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: oldest}
          fields: {name: Name, domain: Website}
    """)
    world.extract("Account", [
        account("A1", Website="x", Name=None), account("A2", Website="x", Name=None),
        account("A3", Website="y", Name=None), account("A4", Website="y"),
    ])  # fmt: skip

    counts = world.transform(plan)["Account"]

    assert (counts.ready, counts.merged, counts.rejected) == (1, 1, 2)
    assert {row["_source_id"]: row["reason"] for row in world.rows("rejects", "Account")} == {
        "A1": "required", "A2": "required",
    }  # fmt: skip


def test_what_would_collide_in_a_unique_field_is_rejected_with_the_others_key(world: World) -> None:
    plan = world.plan("- {source: Contact, target: contacts, fields: {email: Email, lastname: LastName}}")
    world.extract("Contact", TWINS)

    counts = world.transform(plan)["Contact"]

    assert (counts.ready, counts.rejected) == (3, 2)
    rejects = world.rows("rejects", "Contact")
    assert {(row["_source_id"], row["field"], row["reason"]) for row in rejects} == {
        ("C2", "email", "duplicate"), ("C3", "email", "duplicate"),
    }  # fmt: skip
    assert all("fam.Contact.C1" in row["detail"] for row in rejects)


MATCH = """
- source: Account
  target: companies
  match: [domain, name]
  fields: {name: Name, domain: Website}
"""


def test_a_record_that_stands_in_the_target_is_adopted_once_and_never_guessed(world: World) -> None:
    world.snapshot("companies", [
        {"_id": "1", "domain": "one.test", "name": "Other"},
        {"_id": "2", "domain": "two.test"}, {"_id": "3", "domain": "Two.test "},
        {"_id": "4", "domain": "four.test"},
        {"_id": "5", "_key": "fam.Account.A9", "domain": "five.test"},
        {"_id": "6", "name": "  sixth"},
        {"_id": "7", "_key": "another.Account.1", "domain": "seven.test"},
    ])  # fmt: skip
    world.extract("Account", [
        account("A1", Website=" ONE.test"), account("A2", Website="two.test"),
        account("A3", Website="four.test"), account("A4", Website="four.test"),
        account("A5", Website="five.test"), account("A6", Name="Sixth"), account("A7", Name="Other"),
        account("A8", Website="seven.test"), account("A10", Website=None),
    ])  # fmt: skip

    counts = world.transform(world.plan(MATCH))["Account"]

    adopted = {row["_source_id"]: row["_target_id"] for row in world.rows("ready", "Account")}
    assert adopted == {"A1": "1", "A5": None, "A6": "6", "A8": "7", "A10": None}
    assert counts.adopt == 3
    assert [(row["_key"], row["target_id"], row["field"]) for row in world.rows("matches", "Account")] == [
        ("fam.Account.A1", "1", "domain"), ("fam.Account.A6", "6", "name"), ("fam.Account.A8", "7", "domain"),
    ]  # fmt: skip
    why = {row["_source_id"]: (row["reason"], row["detail"]) for row in world.rows("rejects", "Account")}
    assert {reason for reason, _ in why.values()} == {"ambiguous_match"}
    assert set(why) == {"A2", "A3", "A4", "A7"}
    assert "2, 3" in why["A2"][1]
    assert "fam.Account.A3, fam.Account.A4" in why["A3"][1]
    assert "fam.Account.A1" in why["A7"][1]


def test_a_record_in_the_crosswalk_needs_no_match(world: World) -> None:
    world.snapshot("companies", [{"_id": "1", "domain": "one.test"}])
    world.extract("Account", [account("A1", Website="one.test")])

    world.transform(world.plan(MATCH), crosswalk="SELECT 'fam.Account.A1' AS key, '1' AS target_id")

    assert [row["_target_id"] for row in world.rows("ready", "Account")] == [None]


def test_an_override_mends_a_value_or_a_mistake_and_goes_stale_aloud(world: World) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          fields: {name: Name, revenue: Revenue, industry: {from: Industry, picklist: ind.csv}}
        """,
        ind_csv=INDUSTRY,
        overrides_csv=(
            "key,field,old,new,who,why\n"
            "fam.Account.A1,industry,Odd,Food,Ann,asked\n"
            "fam.Account.A2,name,A2,Second,Ann,asked\n"
            "fam.Account.A2,revenue,1.5,2.25,Ann,asked\n"
            "fam.Account.A3,name,Former,Third,Ann,asked\n"
            "fam.Account.A4,name,,Fourth,Ann,asked\n"
            "fam.Account.A5,revenue,,lots,Ann,asked\n"
            "fam.Account.A9,name,,Ninth,Ann,asked\n"
        ),
    )
    world.extract("Account", [
        account("A1", Industry="Odd"), account("A2", Revenue=money("1.50")), account("A3"),
        account("A4", Name=None), account("A5"),
    ])  # fmt: skip

    counts = world.transform(plan)["Account"]

    ready = {row["_source_id"]: row for row in world.rows("ready", "Account")}
    assert ready["A1"]["industry"] == "FOOD"
    assert (ready["A2"]["name"], ready["A2"]["revenue"]) == ("Second", money("2.25"))
    assert (ready["A3"]["name"], ready["A4"]["name"]) == ("A3", "Fourth")
    assert [(row["_source_id"], row["reason"]) for row in world.rows("rejects", "Account")] == [
        ("A5", "override")
    ]
    assert [warning.split(",")[0] for warning in counts.warnings] == [
        "override of fam.Account.A3", "override of fam.Account.A9",
    ]  # fmt: skip


def test_a_reference_field_holds_the_survivors_key(world: World) -> None:
    plan = world.plan("""
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: oldest}
          fields: {name: Name, parent_ref: {from: ParentId, reference: Account}}
    """)
    world.extract(
        "Account", [account("A1", Website="x"), account("A2", Website="x"), account("A3", ParentId="A2")]
    )

    world.transform(plan)

    parents = {row["_source_id"]: row["parent_ref"] for row in world.rows("ready", "Account")}
    assert parents == {"A1": None, "A3": "fam.Account.A1"}


LINKS = """
- source: Account
  target: companies
  fields: {name: Name}
  links:
    - {to: companies, via: ParentId, label: parent, missing: reject}
- source: Contact
  target: contacts
  dedupe: {on: [lower(Email)], keep: oldest}
  fields: {email: Email, lastname: LastName}
  links:
    - {to: companies, via: AccountId, label: primary}
- source: Deal
  target: deals
  fields: {dealname: Name}
  links:
    - {to: companies, via: AccountId}
    - to: contacts
      through: Role
      left: DealId
      right: ContactId
      where: coalesce(Role, '') <> 'Ignore'
      label: {from: Role, picklist: roles.csv}
"""


def test_links_follow_survivors_and_every_found_link_has_an_end(world: World) -> None:
    plan = world.plan(LINKS, roles_csv="source,count,target,note\nDecision,1,decider,\n")
    world.extract("Account", [account("A1"), account("A2", ParentId="A1"), account("A3", ParentId="A3")])
    world.extract("Contact", [
        contact("C1", Email="a@x", AccountId="A1", Created=day(1)),
        contact("C2", Email="A@x", AccountId="A2", Created=day(2)), contact("C3", AccountId="A1"),
    ])  # fmt: skip
    world.extract("Deal", [account("D1", AccountId="A1"), account("D2"), account("D3", AccountId="gone")])
    role = [("R1", "D1", "C2", "Decision"), ("R2", "D1", "C1", "Decision"), ("R3", "D1", "C3", "Odd"),
            ("R4", "D2", "C3", None), ("R5", "D2", "C1", "Ignore"), ("R6", "D2", None, None)]  # fmt: skip
    world.extract("Role", [{"Id": i, "DealId": d, "ContactId": c, "Role": r} for i, d, c, r in role])

    counts = world.transform(plan)

    def pairs(name: str) -> list[tuple[str, str, str]]:
        return [
            (row["left"].split(".")[-1], row["right"].split(".")[-1], row["label"])
            for row in world.rows("links", name)
        ]

    assert pairs("Account.0") == [("A2", "A1", "parent")]
    assert world.rows("links", "Account.0")[0]["missing"] == "reject"
    assert pairs("Contact.0") == [("C1", "A1", "primary"), ("C1", "A2", "default"), ("C3", "A1", "primary")]
    assert pairs("Deal.0") == [("D1", "A1", "default"), ("D3", "gone", "default")]
    assert pairs("Deal.1") == [("D1", "C1", "decider"), ("D2", "C3", "default")]
    assert [row["source_id"] for row in world.rows("links", "Deal.1")] == ["R1", "R4"]
    assert [(row["_source_id"], row["reason"]) for row in world.rows("rejects", "Deal.1")] == [
        ("R3", "unmapped_picklist"), ("R6", "required"),
    ]  # fmt: skip
    assert [row["reason"] for row in world.rows("rejects", "Account.0")] == ["merged_into_one"]
    link = counts["Deal"].link
    assert (link.found, link.staged, link.skipped, link.folded, link.rejected) == (8, 4, 1, 1, 2)
    assert (counts["Deal"].links, counts["Deal"].link_rejects) == (4, 2)


def test_a_transform_without_an_extract_says_what_to_run(world: World) -> None:
    with pytest.raises(UsageError, match="extract --object Account"):
        world.transform(world.plan("- {source: Account, target: companies, fields: {name: Name}}"))


def test_a_truncated_part_is_set_aside_and_not_read(world: World) -> None:
    world.extract("Account", [account("A1")])
    part = world.root / "stage/source/Account/g0000/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-10])

    with pytest.raises(Damaged, match="differs from its digest"):
        world.transform(world.plan("- {source: Account, target: companies, fields: {name: Name}}"))


def test_a_second_run_gives_the_same_bytes_and_a_changed_one_replaces_them(world: World) -> None:
    plan = world.plan("- {source: Account, target: companies, fields: {name: Name}}")
    world.extract("Account", [account(f"A{number}") for number in range(12_000)])
    world.transform(plan)
    first = world.digest("ready", "Account")
    manifest = world.store.manifest("ready/Account/g0000")
    assert manifest is not None
    assert [part.rows for part in manifest.parts] == [5_000, 5_000, 2_000]

    world.transform(plan)
    assert world.digest("ready", "Account") == first

    world.extract("Account", [account("A1")])
    world.transform(plan)
    assert ends(world, "ready", "Account") == ["A1"]
    folder = world.root / "stage/ready/Account/g0000"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "part-00000.parquet"]


def test_a_run_that_breaks_off_leaves_the_former_artifact_whole(world: World) -> None:
    plan = world.plan("- {source: Account, target: companies, fields: {name: Name}}")
    world.extract("Account", [account("A1")])
    world.transform(plan)
    former = world.digest("ready", "Account")
    world.extract("Account", [account("A1"), account("A2")])

    def stop(_object: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.transform(plan, progress=stop)

    assert world.digest("ready", "Account") == former
    manifest = world.store.manifest("ready/Account/g0000")
    assert manifest is not None
    world.store.verify(manifest)
    world.transform(plan)
    assert ends(world, "ready", "Account") == ["A1", "A2"]


def test_a_former_owner_comes_only_with_the_owner_it_belongs_to(world: World) -> None:
    plan = world.plan(
        """
        - source: Account
          target: companies
          dedupe: {on: [Website], keep: oldest}
          fields:
            name: Name
            tags: {from: Tags, picklist: ind.csv}
            owner: {from: OwnerId, owner: owners.csv, inactive: ops@x.test, former: former_owner}
        """,
        ind_csv=INDUSTRY,
        owners_csv=OWNERS,
    )
    world.extract("Account", [
        account("A1", Website="x", OwnerId="U1"), account("A2", Website="x", OwnerId="U2", Tags=["Tech"]),
        account("A3", Website="y"), account("A4", Website="y", OwnerId="U2"),
    ])  # fmt: skip

    world.transform(plan)

    ready = {row["_source_id"]: row for row in world.rows("ready", "Account")}
    assert {id: (row["owner"], row["former_owner"]) for id, row in ready.items()} == {
        "A1": ("501", None), "A3": ("502", "Bob <bob@x.test>"),
    }  # fmt: skip
    assert ready["A1"]["tags"] == ["TECH"]


@pytest.mark.parametrize("mapped", [True, False], ids=["mapped", "not mapped"])
def test_a_queues_records_go_to_whom_the_map_names_and_never_to_whoever_shares_its_address(
    world: World, mapped: bool
) -> None:
    queue = Owner(id="Q1", email="ann@x.test", name="First level", queue=True)
    world.source = SOURCE.model_copy(update={"owners": (*SOURCE.owners, queue)})
    row = "Q1,ann@x.test,First level,true,ops@x.test,\n" if mapped else ""
    plan = world.plan(
        """
        - source: Account
          target: companies
          fields: {name: Name, owner: {from: OwnerId, owner: owners.csv}}
        """,
        owners_csv=f"source_id,source_email,source_name,active,target_email,note\n{row}",
    )
    world.extract("Account", [account("A1", OwnerId="Q1"), account("A2", OwnerId="U1")])
    world.transform(plan)
    ready = {row["_source_id"]: row["owner"] for row in world.rows("ready", "Account")}
    assert ready == ({"A1": "502", "A2": "501"} if mapped else {"A2": "501"})
