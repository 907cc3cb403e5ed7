"""A no is data that only goes one way: the plan must say where, and no write takes it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from migrate_rollback.judging import judge_restore
from migrate_rollback.model import Row

from migrate.catalog import Catalog, Consent, Preferences, Subscription, says_yes, takes_back_no
from migrate.connector import Held, Who
from migrate.engine import Engine
from migrate.errors import PlanError
from migrate.plan import load_plan, read_plan
from migrate.plan.guess import first_plan
from migrate.plan.needs import marked
from migrate.stages.check import Checked, check
from migrate.stages.count import consent_name, count_consent
from migrate.stages.transform.dedupe import _first
from migrate.stages.transform.work import Column
from migrate.types import Kind
from tests.unit import planning, transform_case
from tests.unit.fake_target import CATALOG
from tests.unit.planning import HEAD, field, write
from tests.unit.test_load_protocol import Case, key
from tests.unit.transform_case import World, day, of

FLAG = Consent(channel="EMAIL", out=("true",), into=("false",))
KEEPS = Preferences(
    channels=("EMAIL",),
    addresses={"contacts": "email"},
    subscriptions=(
        Subscription(id="1", name="News", channel="EMAIL"),
        Subscription(id="2", name="Events", channel="EMAIL"),
    ),
    legal_bases=("CONSENT",),
)
OBJECTS = """objects:
  - {source: Contact, target: contacts, fields: {email: Email}}
"""


def with_fields(catalog: Catalog, object: str, **more: Any) -> Catalog:
    schema = catalog.objects[object]
    fields = {**schema.fields, **more}
    objects = {**catalog.objects, object: schema.model_copy(update={"fields": fields})}
    return catalog.model_copy(update={"objects": objects})


# -- the plan ---------------------------------------------------------------------------------


def proved(plan: str, folder: Path, *, keeps: Preferences | None = KEEPS, **more: Any) -> Checked:
    files = more.pop("files", {})
    source = with_fields(
        planning.salesforce(), "Contact", Out=field("Out", Kind.BOOL, consent=FLAG), Topic=field("Topic"),
        NoCall=field("NoCall", Kind.BOOL), Many=field("Many", Kind.MULTIPICKLIST),
    )  # fmt: skip
    target = planning.hubspot().model_copy(update={"preferences": keeps})
    loaded = read_plan(write(folder, HEAD + OBJECTS + plan, **files))
    return check(
        loaded, source, target, connectors={"salesforce", "hubspot"}, checks={"counts", "consent"}, **more
    )


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("", "7 records say no in `Contact.Out`, and the plan doesn't say where that goes"),
        (
            "consent: [{source: Contact, opted_out: NoCall, address: Email}]",
            "7 records say no in `Contact.Out`",
        ),
        ("consent: [{source: Contacts, opted_out: Out, address: Email}]", "isn't an object of the source"),
        ("consent: [{source: Contact, opted_out: Email, address: Email}]", "must be true or false"),
        ("consent: [{source: Contact, opted_out: Out}]", "exactly one home"),
        ("consent: [{source: Contact, opted_out: Out, field: email, leave: no}]", "exactly one home"),
        ("consent: [{source: Contact, opted_out: Out, field: do_not}]", "Nothing fills `do_not`"),
        ("consent: [{source: Account, opted_out: IsDeleted, field: x}]", "isn't loaded by this plan"),
        ("consent: [{source: Contact, opted_out: Out, field: email, at: Email}]", "`at` goes with `address`"),
        ("consent: [{source: Contact, opted_out: Out, address: NoCall}]", "`address` gives BOOLEAN"),
        (
            "consent: [{source: Contact, opted_out: Out, address: Email, channel: FAX}]",
            "of the channel `FAX`",
        ),
        (
            "consent: [{source: Contact, opted_out: Out, address: Email, legal_basis: X}]",
            "isn't a legal basis",
        ),
        (
            "consent: [{source: Contact, opted_out: Out, address: Email, subscription: Newz}]",
            "Did you mean `News`",
        ),
        ("validate: {tolerances: [{check: consent, at_most: 1, reason: r, owner: o}]}", "is never tolerated"),
    ],
)
def test_an_opt_out_without_a_home_is_a_mistake_of_the_plan(plan: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as wrong:
        proved(plan, tmp_path, consent={("Contact", "Out"): 7})
    assert says in str(wrong.value)


def test_a_target_that_keeps_no_opt_outs_by_address_needs_a_field(tmp_path: Path) -> None:
    plan = "consent: [{source: Contact, opted_out: Out, address: Email}]"
    with pytest.raises(PlanError, match="keeps no opt-outs by address"):
        proved(plan, tmp_path, keeps=None)


@pytest.mark.parametrize(
    "home",
    [
        "address: Email",
        "address: Many",
        "leave: Nobody is written to",
        "address: Email, subscription: Events",
    ],
)
def test_every_home_is_one(home: str, tmp_path: Path) -> None:
    found = proved(
        f"consent: [{{source: Contact, opted_out: Out, {home}}}]", tmp_path, consent={("Contact", "Out"): 7}
    )
    (entry,) = found.consent
    assert entry.many == ("Many" in home)
    assert entry.subscription in (None, "*", "2")
    assert not [each for each in found.warnings if "`Contact.Out`" in each.what]


def test_a_subscription_without_a_home_is_told_with_its_count_unless_it_means_all(tmp_path: Path) -> None:
    entry = "consent: [{source: Contact, opted_out: Out, address: Email, subscription: %s}]"
    entry %= "{from: Topic, picklist: t.csv%s}"
    files = {"t_csv": "source,count,target,note\nnews,3,News,\nold,2,,\n"}
    counts = {(consent_name("Contact"), "Topic"): {"news": 3, "odd": 5}}
    with pytest.raises(PlanError, match=r"1 subscription type have no home|`odd` \(5\)"):
        proved(entry % "", tmp_path, files=files, counts=counts)
    (found,) = proved(entry % ", unmapped: all", tmp_path, files=files, counts=counts).consent
    assert found.subscriptions == {"news": "1"}


def test_an_object_with_opt_outs_that_nobody_reads_is_a_warning(tmp_path: Path) -> None:
    source = with_fields(planning.salesforce(), "Account", Out=field("Out", Kind.BOOL, consent=FLAG))
    plan = load_plan(write(tmp_path, HEAD + OBJECTS))
    found = check(plan, source, planning.hubspot(), connectors={"salesforce", "hubspot"})
    assert any("`Account` keeps opt-outs (Out)" in each.what for each in found.warnings)


def test_a_field_that_the_plan_keeps_a_no_in_is_guarded_like_the_vendors_own(tmp_path: Path) -> None:
    text = "consent: [{source: Contact, opted_out: NoCall, channel: PHONE, field: email}]"
    plan = load_plan(write(tmp_path, HEAD + OBJECTS + text))
    consent = marked(plan.model, planning.hubspot()).objects["contacts"].fields["email"].consent
    assert consent is not None
    assert (consent.channel, consent.out) == ("PHONE", ("*",))


# -- transform --------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> World:
    source = with_fields(
        transform_case.SOURCE, "Contact", Out=of("Out", Kind.BOOL, consent=FLAG), Topic=of("Topic"),
        Person=of("Person"), Fax=of("Fax", Kind.BOOL),
    )  # fmt: skip
    target = with_fields(transform_case.TARGET, "contacts", no_fax=of("no_fax", Kind.BOOL))
    return World(tmp_path, source=source, target=target.model_copy(update={"preferences": KEEPS}))


CONTACTS = """
- source: Contact
  target: contacts
  where: coalesce(LastName, '') <> 'Skip'
  match: [email]
  dedupe: {on: [Person], keep: fullest, losers: merge}
  fields: {email: lower(trim(Email)), lastname: LastName, phone: Phone, no_fax: Fax}
"""


def staged(
    world: World, consent: str, rows: list[dict[str, Any]], generation: int = 0, **files: str
) -> list[dict[str, Any]]:
    plan = world.plan(CONTACTS, **files)
    path = plan.path
    path.write_text(path.read_text() + consent)
    world.extract("Contact", rows, generation)
    world.snapshot("contacts", [{"_id": "t1", "email": "known@x.test", "phone": "555"}])
    world.transform(load_plan(path), generation)
    return world.rows("consent", "addresses", generation)


BY_FLAG = "consent: [{source: Contact, opted_out: Out, address: Email, at: Stamp, explanation: LastName}]\n"


def test_whoever_said_no_is_opted_out_whatever_becomes_of_the_record(world: World) -> None:
    rows = staged(
        world,
        BY_FLAG,
        [
            {"Id": "1", "Email": " Ada@X.test", "LastName": "A", "Out": True},
            {"Id": "2", "Email": "skip@x.test", "LastName": "Skip", "Out": True},
            {"Id": "3", "Email": "yes@x.test", "LastName": "B", "Out": False},
            {"Id": "4", "Email": None, "LastName": "C", "Out": True},
            {"Id": "5", "Email": "ada@x.test ", "LastName": "D", "Out": True},
        ],
    )
    assert [row["_key"] for row in rows] == ["EMAIL:*:ada@x.test", "EMAIL:*:skip@x.test"]
    assert rows[0]["keys"].split() == ["fam.Contact.1", "fam.Contact.5"]
    assert (rows[0]["explanation"], rows[0]["since"][:10]) == ("A", "2026-01-01")


def test_all_addresses_of_merged_records_are_opted_out_if_any_said_no(world: World) -> None:
    rows = staged(
        world,
        BY_FLAG,
        [
            {"Id": "1", "Email": "one@x.test", "LastName": "A", "Phone": "1", "Person": "p", "Out": False},
            {"Id": "2", "Email": "two@x.test", "LastName": None, "Person": "p", "Out": True},
            {"Id": "3", "Email": "three@x.test", "LastName": None, "Person": "p", "Out": False},
        ],
    )
    assert [row["address"] for row in rows] == ["one@x.test", "three@x.test", "two@x.test"]


def test_the_address_of_a_record_that_is_taken_over_counts_too(world: World) -> None:
    plan = CONTACTS.replace("match: [email]", "match: [phone]")
    path = world.plan(plan).path
    path.write_text(path.read_text() + BY_FLAG)
    world.extract("Contact", [{"Id": "1", "Email": "mine@x.test", "Phone": "555", "Out": True}])
    world.snapshot("contacts", [{"_id": "t1", "email": "theirs@x.test", "phone": "555"}])
    world.transform(load_plan(path))
    assert [row["address"] for row in world.rows("consent", "addresses")] == ["mine@x.test", "theirs@x.test"]


def test_a_topic_goes_where_the_map_says_and_else_to_everything(world: World) -> None:
    plan = (
        "consent: [{source: Contact, opted_out: Topic IS NOT NULL, address: Email, "
        "subscription: {from: Topic, picklist: t.csv, unmapped: all}, legal_basis: CONSENT}]\n"
    )
    people = [
        {"Id": "1", "Email": "a@x.test", "Topic": "news"},
        {"Id": "2", "Email": "b@x.test", "Topic": "odd"},
        {"Id": "3", "Email": "c@x.test"},
    ]
    rows = staged(world, plan, people, t_csv="source,count,target,note\nnews,,News,\n")
    assert {(row["address"], row["subscription"], row["legal_basis"]) for row in rows} == {
        ("a@x.test", "1", "CONSENT"),
        ("b@x.test", "*", "CONSENT"),
    }


def test_a_condition_that_raises_counts_as_a_no(world: World) -> None:
    plan = "consent: [{source: Contact, opted_out: CAST(Topic AS BOOLEAN), address: Email}]\n"
    rows = staged(world, plan, [{"Id": "1", "Email": "a@x.test", "Topic": "perhaps"}])
    assert [row["address"] for row in rows] == ["a@x.test"]


def test_a_later_generation_has_only_what_no_earlier_one_had_and_takes_nothing_back(world: World) -> None:
    staged(world, BY_FLAG, [{"Id": "1", "Email": "a@x.test", "Out": True}])
    now = [
        {"Id": "1", "Email": "a@x.test", "Out": False, "Stamp": day(3)},
        {"Id": "2", "Email": "b@x.test", "Out": True, "Stamp": day(3)},
    ]
    assert [row["address"] for row in staged(world, BY_FLAG, now, 1)] == ["b@x.test"]


def test_a_survivors_field_says_no_if_any_losers_did(world: World) -> None:
    plan = "consent: [{source: Contact, opted_out: Fax, channel: FAX, field: no_fax}]\n"
    people = [
        {"Id": "1", "Email": "one@x.test", "LastName": "A", "Phone": "1", "Person": "p", "Fax": False},
        {"Id": "2", "Email": "two@x.test", "Person": "p", "Fax": True},
    ]
    staged(world, plan, people)
    assert [row["no_fax"] for row in world.rows("ready", "Contact")] == [True]


def test_only_a_no_comes_first_in_a_group() -> None:
    plain, keeps = of("f", Kind.BOOL), of("f", Kind.BOOL, consent=FLAG)
    assert "FILTER" not in _first(Column("f", plain, "f0"))
    assert "'true'" in _first(Column("f", keeps, "f0"))


def test_what_says_no_in_an_extract_is_counted_by_record(world: World) -> None:
    rows = [{"Id": "1", "Email": "a@x.test", "Out": True}, {"Id": "2", "Email": "b@x.test", "Out": False}]
    manifest = world.extract("Contact", rows)
    with Engine("256MB", world.root / "spill", folders=[world.root / "stage"]) as engine:
        assert count_consent(world.source, {"Contact": world.store.files(manifest)}, engine) == {
            ("Contact", "Out"): 1
        }


# -- no write takes a no back -----------------------------------------------------------------

NO = Consent(channel="PHONE", out=("no",), into=("yes",))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    phone = CATALOG.objects["contacts"].fields["phone"].model_copy(update={"consent": NO})
    monkeypatch.setattr(
        "tests.unit.test_load_protocol.CATALOG", with_fields(CATALOG, "contacts", phone=phone)
    )
    with Engine(temp_dir=tmp_path / "spill", folders=[tmp_path]) as engine:
        yield Case(tmp_path / "case", engine)


def phone_of(case: Case, name: str = "c1") -> str | None:
    return next(
        r.values.get("phone") for r in case.target.records.values() if r.values["migration_key"] == key(name)
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.sampled_from(["no", "yes", "perhaps", None]), min_size=1, max_size=5))
def test_whatever_a_delta_brings_a_no_stays_and_a_yes_is_never_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None]
) -> None:
    phone = CATALOG.objects["contacts"].fields["phone"].model_copy(update={"consent": NO})
    root = tmp_path_factory.mktemp("deltas")
    with pytest.MonkeyPatch.context() as patch, Engine(temp_dir=root / "spill", folders=[root]) as engine:
        patch.setattr("tests.unit.test_load_protocol.CATALOG", with_fields(CATALOG, "contacts", phone=phone))
        case = Case(root / "case", engine)
        for generation, value in enumerate(values):
            case.stage(generation, {"c1": {"name": str(generation), "phone": value}})
            case.load()
            history = [
                each.value
                for r in case.target.records.values()
                for each in r.versions
                if each.field == "phone"
            ]
            assert "yes" not in history
            if "no" in values[: generation + 1]:
                assert phone_of(case) == "no"


def test_a_no_is_written_over_what_an_adopted_record_holds(case: Case) -> None:
    record = case.target.make(Who.PERSON, name="theirs", phone="yes")
    case.stage(0, {"c1": {"name": "a", "phone": "no", "adopt": record.id}})
    case.load()
    assert (record.values["name"], record.values["phone"]) == ("theirs", "no")


def test_who_opted_out_in_the_target_since_is_no_conflict(case: Case) -> None:
    case.stage(0, {"c1": {"name": "a", "phone": None}})
    case.load()
    (record,) = case.target.records.values()
    case.target.edit(key("c1"), "phone", "no")
    case.stage(1, {"c1": {"name": "b", "phone": "yes"}})
    case.load()
    assert (record.values["name"], record.values["phone"]) == ("b", "no")
    assert case.told("held") == []


def test_a_rollback_puts_back_the_rest_and_leaves_a_no() -> None:
    fields = {"phone": of("phone", consent=NO), "name": of("name")}
    row = Row(
        1, 1, "record", "contacts", key("c1"), "t1", "restore", before={"phone": None, "name": "theirs"},
        after={"phone": "no", "name": "a"}, sent=({"phone": "no", "name": "a"},),
    )  # fmt: skip
    verdict = judge_restore(row, Held("t1", "t1", {"phone": "no", "name": "a"}, "s"), fields)
    assert (verdict.what, dict(verdict.values)) == ("restore", {"name": "theirs"})


def test_only_a_no_passes_the_gate() -> None:
    keeps = of("phone", consent=NO)
    assert [takes_back_no(keeps, value) for value in ("no", "yes", "perhaps", None)] == [
        False,
        True,
        True,
        True,
    ]
    assert [says_yes(keeps, value) for value in ("no", "yes", "perhaps", None)] == [False, True, False, False]
    assert not takes_back_no(of("phone"), None)


def test_no_connector_has_a_word_for_a_yes() -> None:
    for path in (Path(__file__).parents[2] / "migrate" / "connectors").rglob("*.py"):
        assert not re.findall(r"\bSUBSCRIBED\b|\bNOT_SPECIFIED\b|/subscribe\b", path.read_text()), path


def test_a_first_plan_opts_out_by_address_and_asks_for_the_rest(tmp_path: Path) -> None:
    call = field("NoCall", Kind.BOOL, consent=FLAG.model_copy(update={"channel": "PHONE"}))
    back = field("Back", consent=Consent(channel="EMAIL", out=("*",)))
    source = with_fields(
        planning.salesforce(), "Contact", Out=field("Out", Kind.BOOL, consent=FLAG), NoCall=call, Back=back
    )
    target = planning.hubspot().model_copy(update={"preferences": KEEPS})
    files = first_plan(source, target, {})
    assert "#  - {source: Contact, opted_out: NoCall, channel: PHONE, …}" in files["plan.yaml"]
    plan = load_plan(write(tmp_path, files["plan.yaml"]))
    assert [(each.opted_out, each.address, each.subscription) for each in plan.model.consent] == [
        ("Out", "Email", "all"),
        ("Back IS NOT NULL", "Email", "all"),
    ]
