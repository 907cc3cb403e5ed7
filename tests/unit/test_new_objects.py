"""Objects that the target lacks: a plan makes them, is checked against them, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrate.catalog import Catalog, NewObjects, ObjectSchema
from migrate.connector import NewField, NewLabel, NewObject, NewOption
from migrate.errors import PlanError
from migrate.plan import load_plan, read_plan
from migrate.plan.guess import first_plan
from migrate.plan.models import NewObjectPlan
from migrate.plan.needs import expected
from migrate.stages.check import check
from migrate.stages.prepare import changes
from migrate.types import Kind
from tests.unit.planning import HEAD, field, hubspot, options, salesforce, schema, write

BORN = NewObjects(
    pattern="p_[a-z0-9_]+",
    example="p_thing",
    object_name="p_{small}",
    field_name="{small}",
    fields={each.name: each for each in (field("hs_id", createable=False, updateable=False),)},
    stamp="hs_id",
)
PLAN = """\
objects:
  - source: Broker__c
    target: p_broker
    create_object: {label: Broker, plural: Brokers, name_field: broker_name, searchable: [broker_name]}
    create:
      broker_name: {kind: string, label: Name, length: 80, required: true}
    fields: {broker_name: Name}
  - source: Property__c
    target: p_property
    create_object: {label: Property, plural: Properties, name_field: address}
    create:
      address: {kind: string}
      price: {kind: decimal, precision: 18, scale: 2}
      status: {kind: picklist, options: [New, Sold]}
      code: {kind: string, unique: true}
    fields:
      address: Name
      price: Price__c
      status: {from: Status__c, picklist: picklists/status.csv}
      code: Code__c
    links:
      - {to: p_broker, via: Broker__c, label: broker}
      - {to: companies, via: Account__c}
  - source: Account
    target: companies
    fields: {name: Name}
"""
STATUS = "source,count,target,note\nNew,1,New,\nSold,2,Sold,\n"


def named(label: str, made: ObjectSchema) -> ObjectSchema:
    return made.model_copy(update={"label": label})


def source() -> Catalog:
    made = salesforce()
    objects = [
        named("Broker", schema("Broker__c", field("Id", createable=False), field("Name"), custom=True)),
        named(
            "Property",
            schema(
                "Property__c",
                field("Id", createable=False),
                field("Name"),
                field("Price__c", Kind.DECIMAL, precision=18, scale=2),
                field("Status__c", Kind.PICKLIST, options=options("New", "Sold")),
                field("Code__c"),
                field("Broker__c", Kind.REFERENCE, label="Broker", references=("Broker__c",)),
                field("Account__c", Kind.REFERENCE, label="Account", references=("Account",)),
                custom=True,
            ),
        ),
    ]
    return made.model_copy(update={"objects": made.objects | {each.name: each for each in objects}})


def target(born: NewObjects | None = BORN) -> Catalog:
    return hubspot().model_copy(update={"new_objects": born})


def mistakes(folder: Path, plan: str, held: Catalog | None = None) -> list[str]:
    path = write(folder, HEAD + plan, picklists__status_csv=STATUS)
    with pytest.raises(PlanError) as failure:
        check(load_plan(path), source(), held or target(), connectors=["salesforce", "hubspot"])
    return [f"{each.at.line}: {each.what}" for each in failure.value.mistakes]


def test_a_plan_is_sound_before_its_objects_are_made_and_says_what_prepare_makes(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path, HEAD + PLAN, picklists__status_csv=STATUS))
    checked = check(plan, source(), target(), connectors=["salesforce", "hubspot"])
    made = checked.target.objects["p_property"]
    assert made.custom
    assert {"hs_id", "address", "price", "status", "code", "migration_key"} == set(made.fields)
    assert (made.fields["price"].precision, made.fields["price"].scale) == (18, 2)
    assert [option.value for option in made.fields["status"].options] == ["New", "Sold"]
    assert checked.target.objects["p_broker"].fields["broker_name"].length == 80

    found = changes(plan, target())
    broker, prop = [each for each in found if isinstance(each, NewObject)]
    assert (broker.object, broker.name_field, broker.searchable) == (
        "p_broker", "broker_name", ("broker_name",)
    )  # fmt: skip
    assert prop.links == ("p_broker", "companies")
    assert broker.links == ("p_property",)
    of_broker = [each for each in found if isinstance(each, NewField) and each.object == "p_broker"]
    assert broker.fields == tuple(of_broker)
    assert NewField(
        "p_broker", "broker_name", "Name", "string", description="Made by the migration.", length=80,
        required=True,
    ) in of_broker  # fmt: skip
    assert NewOption("p_property", "status", "Sold", "Sold") in found
    assert NewLabel("p_property", "p_broker", "broker") in found
    assert NewLabel("p_property", "companies", "default") in found
    kinds = [type(each) for each in found]
    assert kinds.index(NewField) > max(n for n, kind in enumerate(kinds) if kind is NewObject)
    assert kinds.index(NewLabel) > max(n for n, kind in enumerate(kinds) if kind is NewField)


def test_once_the_objects_are_there_nothing_is_made_again(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path, HEAD + PLAN, picklists__status_csv=STATUS))
    there = expected(plan, target())
    assert [each for each in changes(plan, there) if not isinstance(each, NewLabel)] == []


def test_a_target_that_makes_no_objects_is_told(tmp_path: Path) -> None:
    found = mistakes(tmp_path, PLAN, target(None))
    assert any("can't be made, so `p_broker` can't either" in each for each in found)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("target: p_broker", "target: Broker", "`Broker` can't be the name of a new object"),
        ("name_field: address", "name_field: adress", "`adress` isn't a field of `p_property`"),
        ("searchable: [broker_name]", "searchable: [nam]", "`nam` isn't a field of `p_broker`"),
        ("code: {kind: string, unique: true}", "code: {kind: reference, reference: p_brokr}",
         "`p_brokr` isn't an object of the target"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_new_object_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    assert old in PLAN
    plan = PLAN.replace(old, new)
    line = HEAD.count("\n") + next(
        n for n, text in enumerate(plan.splitlines(), 1) if new.split(",")[0] in text
    )
    found = mistakes(tmp_path, plan)
    assert any(what in each and each.startswith(f"{line}:") for each in found), found


def test_an_object_that_is_made_twice_differently_is_told(tmp_path: Path) -> None:
    twice = (
        PLAN
        + """\
  - source: Broker__c
    part: again
    target: p_broker
    create_object: {label: Agent, plural: Agents, name_field: broker_name}
    fields: {broker_name: Name}
"""
    )
    assert any("is made twice, differently" in each for each in mistakes(tmp_path, twice))


def test_a_reference_needs_the_object_that_it_refers_to(tmp_path: Path) -> None:
    plan = PLAN.replace("code: {kind: string, unique: true}", "code: {kind: reference}")
    path = write(tmp_path, HEAD + plan, picklists__status_csv=STATUS)
    with pytest.raises(PlanError, match="`kind: reference` and `reference` go together"):
        load_plan(path)


def guessed(old: Catalog, new: Catalog) -> tuple[str, dict[str, str]]:
    files = first_plan(old, new)
    return files["plan.yaml"], files


def read_only(catalog: Catalog) -> Catalog:
    """As a user is shown it who may not write."""
    objects = {
        name: each.model_copy(
            update={
                "createable": False,
                "key_by": "none",
                "fields": {
                    n: f.model_copy(
                        update={"createable": False, "updateable": False, "custom": n.endswith("__c")}
                    )
                    for n, f in each.fields.items()
                },
            }
        )
        for name, each in catalog.objects.items()
    }
    return catalog.model_copy(update={"objects": objects})


@pytest.mark.parametrize("of", [source, lambda: read_only(source())], ids=["writer", "reader"])
def test_a_first_plan_makes_custom_objects_with_all_their_fields(
    of: Callable[[], Catalog], tmp_path: Path
) -> None:
    text, files = guessed(of(), target())
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    plan = load_plan(tmp_path / "plan.yaml")
    entries = {each.source: each for each in plan.model.objects}
    home = entries["Property__c"]
    assert (home.target, entries["Broker__c"].target) == ("p_property", "p_broker")
    assert home.create_object == NewObjectPlan(label="Property", plural="Properties", name_field="name")
    assert {name: each.kind for name, each in home.create.items()} == {
        "name": "string", "price": "decimal", "status": "picklist", "code": "string",
    }  # fmt: skip
    assert (home.create["price"].precision, home.create["price"].scale) == (18, 2)
    assert home.create["status"].options == ["New", "Sold"]
    assert {(link.to, link.via, link.label) for link in home.links} == {
        ("p_broker", "Broker__c", "Broker"), ("companies", "Account__c", "Account"),
    }  # fmt: skip
    assert "Broker__c" not in text.partition("# Not moved, since no object")[2]
    checked = check(plan, source(), target(), connectors=["salesforce", "hubspot"])
    assert checked.target.objects["p_property"].fields["code"].custom


def test_an_object_that_only_joins_two_others_becomes_links(tmp_path: Path) -> None:
    old = source()
    join = schema(
        "Interest__c",
        field("Name"),
        field("Property__c", Kind.REFERENCE, references=("Property__c",), custom=True),
        field("Broker__c", Kind.REFERENCE, references=("Broker__c",), custom=True),
        custom=True,
    )
    sale = join.model_copy(
        update={
            "name": "Sale__c",
            "label": "Sale",
            "fields": join.fields | {"Price__c": field("Price__c", custom=True)},
        }
    )
    text, _ = guessed(
        old.model_copy(update={"objects": old.objects | {"Interest__c": join, "Sale__c": sale}}), target()
    )
    assert "through: Interest__c, left: Property__c, right: Broker__c" in text
    assert "target: p_interest" not in text
    assert "target: p_sale" in text


def test_names_that_are_taken_or_strange_are_made_to_fit(tmp_path: Path) -> None:
    odd = schema(
        "hs_Thing__c",
        field("Name"),
        field("Hs_Id__c", label="true", custom=True),
        field("MigrationKey__c", label="a: b", custom=True),
        field("Größe__c", label="it's", custom=True),
        custom=True,
    )
    old = salesforce()
    new = target()
    taken = named("Quite another", schema("p_x_hs_thing", field("zzz"), custom=True))
    new = new.model_copy(update={"objects": new.objects | {taken.name: taken}})
    text, _ = guessed(old.model_copy(update={"objects": old.objects | {"hs_Thing__c": odd}}), new)
    (tmp_path / "plan.yaml").write_text(text)
    [entry] = [
        each for each in read_plan(tmp_path / "plan.yaml").model.objects if each.source == "hs_Thing__c"
    ]
    assert entry.target.startswith("p_x_hs_thing_")
    labels = {name: each.label for name, each in entry.create.items()}
    assert labels == {"name": "Name", "x_hs_id": "true", "migration_key_2": "a: b", "gr_e": "it's"}


def portal() -> Catalog:
    """A source whose links are objects of their own."""
    ends = ("left", "right")

    def between(left: str, right: str, *labels: str) -> ObjectSchema:
        references = [
            field(name, Kind.REFERENCE, references=(to,))
            for name, to in zip(ends, (left, right), strict=True)
        ]
        return schema(
            f"{left}_to_{right}", *references, field("label", Kind.PICKLIST, options=options(*labels))
        )

    objects = [
        named("Contacts", schema("contacts", field("lastname"), stamp="s")),
        named(
            "Companies",
            schema("companies", field("name"), field("size", Kind.DECIMAL, label="Employees"), stamp="s"),
        ),
        named("Pets", schema("p_pet", field("pet_name", custom=True, required=True), custom=True, stamp="s")),
        between("contacts", "companies", "default", "primary"),
        between("companies", "companies", "child", "parent"),
        between("p_pet", "contacts", "default", "Owner"),
    ]
    return hubspot().model_copy(update={"objects": {each.name: each for each in objects}, "links": ()})


def org() -> Catalog:
    """A target whose records refer to each other, and that makes objects."""
    owner = field("OwnerId", Kind.REFERENCE, references=("User",), owner=True)
    objects = [
        named("Account", schema(
            "Account", field("Name", required=True), field("Employees", Kind.INT), owner,
            field("ParentId", Kind.REFERENCE, references=("Account",)),
        )),
        named("Contact", schema(
            "Contact", field("LastName", required=True), owner,
            field("AccountId", Kind.REFERENCE, references=("Account",)),
            field("ReportsToId", Kind.REFERENCE, references=("Contact",)),
        )),
        named("Users", schema("User", field("LastName"), field("Email"))),
    ]  # fmt: skip
    born = NewObjects(
        pattern=r"[A-Z][A-Za-z_]*__c", example="Thing__c", object_name="{title}__c", field_name="{title}__c",
        name_field="Name", fields={"Name": field("Name"), "OwnerId": owner},
    )  # fmt: skip
    made = salesforce()
    return made.model_copy(
        update={"objects": {each.name: each for each in objects}, "new_objects": born, "links": ()}
    )


def test_a_first_plan_takes_lookups_out_of_labelled_links(tmp_path: Path) -> None:
    text, files = guessed(portal(), org())
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    plan = read_plan(tmp_path / "plan.yaml")
    entries = {each.source: each for each in plan.model.objects}
    assert {name: each.target for name, each in entries.items()} == {
        "contacts": "Contact", "companies": "Account", "p_pet": "Pet__c",
    }  # fmt: skip
    person, firm, pet = entries["contacts"], entries["companies"], entries["p_pet"]
    assert person.key.field == "Migration_Key__c"
    assert person.fields["AccountId"].reference == "companies"
    assert person.related["to_account"].where == "label = 'primary'"
    assert "ReportsToId" not in person.fields
    assert (firm.fields["ParentId"].reference, firm.related["to_parent"].where) == (
        "companies",
        "label = 'parent'",
    )
    assert firm.fields["Employees"].origin == "CAST(round(size, 0) AS BIGINT)"
    assert pet.create_object == NewObjectPlan(label="Pet", plural="Pets", name_field="Name")
    assert pet.create == {}
    assert "p_pet_to_contacts (label `default`, `Owner`)" in " ".join(text.split())
    assert "contacts_to_companies" not in text.partition("# Not moved, since no object")[2]
    check(plan, portal(), org(), connectors=["salesforce", "hubspot"])
