# ruff: noqa: E501 - plans are read across
"""One source record, several target records: every part has keys, ends and sums of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.engine import Engine
from migrate.errors import PlanError
from migrate.plan.keys import belongs_sql, entry_of, entry_sql, id_sql, key_of, key_sql, split_entry
from migrate.stages.check import check
from tests.unit.transform_case import SOURCE, TARGET, World, day

PARTS = """
    - source: Account
      target: companies
      fields: {name: Name}
    - source: Contact
      part: person
      target: contacts
      where: Email IS NOT NULL
      fields: {lastname: LastName, email: Email}
      links:
        - {to: companies, via: AccountId, label: primary}
    - source: Contact
      part: lead
      target: deals
      where: Email IS NULL
      fields: {dealname: LastName}
      links:
        - {to: companies, via: AccountId, label: default}
    - source: Deal
      target: deals
      fields: {dealname: Name}
      links:
        - {to: contacts, through: Role, left: DealId, right: ContactId}
"""
ids = st.text("abcdefXYZ0123456789-_.", min_size=1, max_size=18)
entries = st.sampled_from(["Task", "Task~call", "Task~task", "Tas", "Task__c", "Task__c~call"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def stage(world: World) -> None:
    world.extract("Account", [{"Id": "A1", "Name": "Acme"}])
    world.extract(
        "Contact",
        [
            {"Id": "C1", "LastName": "Ann", "Email": "ann@x.test", "AccountId": "A1"},
            {"Id": "C2", "LastName": "Bob", "AccountId": "A1"},
            {"Id": "C3", "LastName": "Cat", "Email": "cat@x.test"},
        ],
    )
    world.extract("Deal", [{"Id": "D1", "Name": "Big"}])
    world.extract(
        "Role",
        [{"Id": "R1", "DealId": "D1", "ContactId": "C1"}, {"Id": "R2", "DealId": "D1", "ContactId": "C2"}],
    )


def test_each_part_makes_records_of_its_own_and_every_record_has_one_end_in_each(world: World) -> None:
    plan = world.plan(PARTS)
    stage(world)

    counts = world.transform(plan)

    assert list(counts) == ["Account", "Contact~person", "Contact~lead", "Deal"]
    person, lead = counts["Contact~person"], counts["Contact~lead"]
    assert (person.extracted, person.ready, person.skipped) == (3, 2, 1)
    assert (lead.extracted, lead.ready, lead.skipped) == (3, 1, 2)
    assert [row["_key"] for row in world.rows("ready", "Contact~person")] == [
        "fam.Contact.C1~person",
        "fam.Contact.C3~person",
    ]
    [row] = world.rows("ready", "Contact~lead")
    assert (row["_key"], row["_source_id"], row["migration_key"]) == (
        "fam.Contact.C2~lead",
        "C2",
        "fam.Contact.C2~lead",
    )


def test_links_lead_from_and_to_the_part_that_has_the_record(world: World) -> None:
    plan = world.plan(PARTS)
    stage(world)

    counts = world.transform(plan)

    def pairs(name: str) -> list[tuple[str, str]]:
        return [(row["left"], row["right"]) for row in world.rows("links", name)]

    assert pairs("Contact~person.0") == [("fam.Contact.C1~person", "fam.Account.A1")]
    assert pairs("Contact~lead.0") == [("fam.Contact.C2~lead", "fam.Account.A1")]
    # R2 leads to a contact that became a lead: it is another part's to link, and waits for nothing.
    assert pairs("Deal.0") == [("fam.Deal.D1", "fam.Contact.C1~person")]
    assert (counts["Deal"].link.found, counts["Deal"].link.staged, counts["Deal"].link.skipped) == (2, 1, 1)


def test_a_record_deleted_at_the_source_is_deleted_in_all_its_parts(world: World) -> None:
    plan = world.plan(
        PARTS.replace("where: Email IS NOT NULL\n", "\n").replace("where: Email IS NULL\n", "\n")
    )
    stage(world)
    world.transform(plan)
    world.extract("Contact", [], generation=1)
    world.delete("Contact", {"C1": day(5)}, generation=1)

    counts = world.transform(plan, generation=1)

    for name in ("Contact~person", "Contact~lead"):
        assert (counts[name].extracted, counts[name].ready, counts[name].tombstones) == (2, 2, 1)
        [row] = world.rows("ready", name, generation=1)
        assert (row["_key"], row["_deleted"]) == (f"fam.Contact.C1~{name.partition('~')[2]}", True)


def test_an_override_changes_the_part_that_its_key_names(world: World) -> None:
    plan = world.plan(
        PARTS,
        overrides_csv="key,field,old,new,who,why\nfam.Contact.C2~lead,dealname,Bob,Bobby,Ann,said so\n",
    )
    stage(world)

    world.transform(plan)

    assert [row["dealname"] for row in world.rows("ready", "Contact~lead")] == ["Bobby"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("part: lead\n", "part: person\n", "`Contact~person` stands twice"),
        ("part: lead\n", "part: Lead!\n", "`part` can't be `Lead!`"),
        (
            "part: lead\n      target: deals\n      where: Email IS NULL\n      fields: {dealname: LastName}",
            "part: lead\n      target: contacts\n      where: Email IS NULL\n      fields: {lastname: LastName}",
            "The plan makes several records of `contacts` from one of `Contact`: "
            "`Contact~person` and `Contact~lead`",
        ),
        ("right: ContactId}", "right: ContactId, entry: Contact}", "`Contact` isn't an entry"),
        (
            "fields: {dealname: Name}",
            "key: {field: other_key}\n      fields: {dealname: Name}",
            "`Deal` and `Contact~lead` go to `deals`, with different key fields",
        ),
    ],
)  # fmt: skip
def test_a_plan_whose_parts_can_t_be_told_apart_is_refused_with_what_to_write(
    world: World, old: str, new: str, words: str
) -> None:
    assert old in PARTS
    with pytest.raises(PlanError) as refused:
        check(world.plan(PARTS.replace(old, new)), SOURCE, TARGET)
    assert words in str(refused.value)


def test_a_link_may_say_which_part_it_means(world: World) -> None:
    both = PARTS.replace(
        "target: deals\n      where: Email IS NULL\n      fields: {dealname: LastName}",
        "target: contacts\n      where: Email IS NULL\n      fields: {lastname: LastName}",
    ).replace("label: default}", "label: primary}")
    plan = world.plan(both.replace("right: ContactId}", "right: ContactId, entry: Contact~lead}"))
    stage(world)

    world.transform(plan)

    assert [row["right"] for row in world.rows("links", "Deal.0")] == ["fam.Contact.C2~lead"]


@given(entry=entries, other=entries, id=ids)
def test_a_key_belongs_to_its_entry_alone_and_gives_its_id_back(entry: str, other: str, id: str) -> None:
    key = key_of("fam", entry, id)
    assert entry_of(key) == entry
    with Engine(threads=1) as engine:
        [row] = engine.rows(
            f"""SELECT {key_sql("fam", entry, "id")} AS key, {entry_sql("key")} AS entry,
            {id_sql("fam", entry, "key")} AS back, {belongs_sql("fam", other, "key")} AS others
            FROM (SELECT '{id}' AS id, '{key}' AS key)"""
        )
    assert (row["key"], row["entry"], row["back"], row["others"]) == (key, entry, id, entry == other)
    assert split_entry(entry)[0] == entry.split("~")[0]
