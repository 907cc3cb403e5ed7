"""The HubSpot connector against the sandbox's HubSpot, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from migrate.catalog import Catalog
from migrate.clock import SandboxClock
from migrate.connector import (
    Batch,
    BatchRefused,
    Link,
    NewField,
    NewLabel,
    NewOption,
    Operation,
    Query,
    SchemaChange,
    Settings,
    Target,
    Who,
    Write,
)
from migrate.connectors.hubspot import HubSpotConnector, reading
from migrate.errors import InDoubt, LeaseLost, SystemRefused, UsageError
from migrate.sandbox.server import Running, launch
from migrate.types import Kind

SPEED = 50.0
TOKEN = "pat-na1-connector-test"
PREPARED: list[SchemaChange] = [
    NewField(object, "migration_key", "Migration key", "string", unique=True)
    for object in ("companies", "contacts", "deals")
]
TYPED: list[SchemaChange] = [
    NewField("contacts", "score", "Score", "decimal"),
    NewField("contacts", "tags", "Tags", "multipicklist"),
    NewOption("contacts", "tags", "a", "A"),
    NewOption("contacts", "tags", "b", "B"),
    NewField("contacts", "born", "Born", "date"),
    NewField("contacts", "met", "Met", "timestamp"),
    NewField("contacts", "vip", "VIP", "bool"),
]


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), speed=SPEED) as running:
        running.control.post(
            "/seed",
            {
                "portal": {"id": 4471203},
                "tokens": [{"token": TOKEN}],
                "owners": [{"email": "ann@example.com"}],
            },
        )
        yield running


@pytest.fixture(scope="module")
def empty(portal: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved = tmp_path_factory.mktemp("saved") / "prepared.db"
    connector = connect(portal)
    assert {outcome for _, outcome in connector.prepare([*PREPARED, *TYPED])} <= {"made", "there"}
    connector.close()
    portal.control.post("/save", {"to": str(saved)})
    return saved


def connect(portal: Running, app: dict[str, str] | None = None, **options: object) -> HubSpotConnector:
    """With a private app's token, or as an OAuth app."""
    clock = SandboxClock(datetime.fromisoformat(portal.control.get("/clock")["now"]), SPEED)
    credentials = {"base_url": portal.url} | (app or {"token": str(options.pop("token", TOKEN))})
    connector = HubSpotConnector(Settings("new", credentials, options, clock))
    connector.bind(dict.fromkeys(("companies", "contacts", "deals"), "migration_key"))
    return connector


@pytest.fixture
def hubspot(portal: Running, empty: Path) -> Iterator[HubSpotConnector]:
    portal.control.post("/restore", {"from": str(empty)})
    connector = connect(portal)
    yield connector
    connector.close()
    portal.control.delete("/faults")


OAUTH = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}


def contacts(*names: str, **values: str) -> Batch:
    writes = (
        Write(name, values={"migration_key": name, "email": f"{name}@a.test", **values}) for name in names
    )
    return Batch(Operation.CREATE, "contacts", tuple(writes))


def create(hubspot: HubSpotConnector, batch: Batch) -> list[str]:
    outcomes = hubspot.send(batch)
    assert [outcome.status for outcome in outcomes] == ["done"] * len(outcomes)
    return [str(outcome.id) for outcome in outcomes]


def company(name: str, **values: str) -> Batch:
    write = Write(name, values={"migration_key": name, "name": name, **values})
    return Batch(Operation.CREATE, "companies", (write,))


@pytest.mark.parametrize(
    ("kind", "production"),
    [("DEVELOPER_TEST", False), ("SANDBOX", False), ("APP_DEVELOPER", False), ("STANDARD", True)],
)
def test_only_a_standard_account_is_production(
    hubspot: HubSpotConnector, portal: Running, kind: str, production: bool
) -> None:
    assert not hubspot.discover().production  # a simulator is a test account, unless it is told otherwise
    portal.control.post("/seed", {"portal": {"accountType": kind}})
    fresh = connect(portal)
    assert fresh.discover().production is production
    fresh.close()


def arm(portal: Running, **fault: Any) -> None:
    portal.control.post("/faults", [fault])


def test_the_connector_is_a_target(hubspot: HubSpotConnector) -> None:
    target: Target = hubspot
    assert target.type == "hubspot"


@pytest.mark.parametrize("api", ["2026-03", "v3"])
def test_discovery_tells_what_the_portal_holds(portal: Running, empty: Path, api: str) -> None:
    connector = connect(portal, api=api)
    catalog = connector.discover()
    again = connector.discover()
    connector.close()

    assert (catalog.family, catalog.tenant, catalog.api) == ("hs4471203", "4471203", api)
    assert catalog.digest() == again.digest()
    assert Catalog.model_validate_json(catalog.model_dump_json()).digest() == catalog.digest()
    deals, people = catalog.objects["deals"].fields, catalog.objects["contacts"].fields
    assert {option.parent for option in deals["dealstage"].options} == {"default"}
    assert [option.value for option in deals["pipeline"].options] == ["default"]
    assert (deals["dealstage"].within, deals["pipeline"].default) == ("pipeline", "default")
    assert deals["dealstage"].required
    assert deals["amount"].kind is Kind.MONEY
    assert deals["hubspot_owner_id"].owner
    assert people["email"].unique
    assert people["email"].held == ("trim", "lower", "empty_is_null")
    assert people["migration_key"].unique
    assert [people[name].kind for name in ("score", "tags", "born", "met", "vip")] == [
        Kind.DECIMAL,
        Kind.MULTIPICKLIST,
        Kind.DATE,
        Kind.TIMESTAMP,
        Kind.BOOL,
    ]
    words = {(link.left, link.right, link.label): link.wire for link in catalog.links}
    assert words["contacts", "companies", "primary"] == "HUBSPOT_DEFINED:1"
    assert words["contacts", "companies", "default"] == "HUBSPOT_DEFINED:279"
    assert words["companies", "companies", "parent"] == "HUBSPOT_DEFINED:14"
    assert words["deals", "contacts", "default"] == "HUBSPOT_DEFINED:3"
    assert [owner.email for owner in catalog.owners] == ["ann@example.com"]
    assert [bool(owner.user and owner.user != owner.id) for owner in catalog.owners] == [True]


def test_preparing_twice_makes_nothing_twice(hubspot: HubSpotConnector) -> None:
    changes: list[SchemaChange] = [
        NewField("deals", "old_id", "Old id", "string"),
        NewOption("companies", "industry", "Agritech", "Agritech"),
        NewLabel("deals", "contacts", "Decision maker"),
    ]
    before = {option.value for option in hubspot.discover().objects["companies"].fields["industry"].options}
    assert [outcome for _, outcome in hubspot.prepare(changes)] == ["made"] * 3
    assert [outcome for _, outcome in hubspot.prepare(changes)] == ["there"] * 3
    catalog = hubspot.discover()
    after = {option.value for option in catalog.objects["companies"].fields["industry"].options}
    assert after == before | {"Agritech"}
    assert "Decision maker" in {link.label for link in catalog.links if link.left == "deals"}


def test_a_field_of_another_type_is_refused_and_not_replaced(hubspot: HubSpotConnector) -> None:
    [(_, outcome)] = hubspot.prepare([NewField("contacts", "score", "Score", "string")])
    assert outcome.startswith("refused: there already, as number")


def test_values_are_held_as_they_were_encoded(hubspot: HubSpotConnector) -> None:
    at = datetime(2024, 2, 29, 23, 1, 2, 5000, tzinfo=UTC)
    columns = {
        "migration_key": pa.array(["k1", "k2"]),
        "email": pa.array(["k1@a.test", "k2@a.test"]),
        "score": pa.array([Decimal("1.5"), Decimal("1000")], type=pa.decimal128(38, 10)),
        "tags": pa.array([["b", "a"], None], type=pa.list_(pa.string())),
        "born": pa.array([date(2001, 2, 3), None]),
        "met": pa.array([at, None], type=pa.timestamp("us", "UTC")),
        "vip": pa.array([True, False]),
        "firstname": pa.array([" Bo ", None]),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    wire = hubspot.encode("contacts", batch)
    create(
        hubspot,
        Batch(Operation.CREATE, "contacts", tuple(Write(f"k{n}", values=row) for n, row in enumerate(wire))),
    )

    held = {
        each.asked: each for each in hubspot.read_back("contacts", list(columns), keys=["k1", "k2", "k3"])
    }
    assert [held[key].values for key in ("k1", "k2")] == wire
    assert held["k1"].source == "ours"

    pages = list(hubspot.read(Query("contacts", tuple(columns)), after=None))
    found = pa.Table.from_batches([page.batch for page in pages]).sort_by("migration_key")
    expected = batch.set_column(3, "tags", pa.array([["a", "b"], None], type=pa.list_(pa.string())))
    for name in columns:
        assert found[name].to_pylist() == expected.column(name).to_pylist(), name


def test_each_row_of_a_create_has_its_own_outcome_in_whatever_order_it_is_told(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    [first] = create(hubspot, contacts("k1"))
    bad = Write("k2", values={"migration_key": "k2", "email": "no address"})
    writes = (*contacts("k3").writes, bad, *contacts("k1", "k4").writes)
    arm(portal, on={"path": "batch/create"}, do={"kind": "shuffle"})

    outcomes = hubspot.send(Batch(Operation.CREATE, "contacts", writes))

    assert [outcome.status for outcome in outcomes] == ["done", "refused", "conflict", "done"]
    assert outcomes[1].code == "INVALID_EMAIL"
    assert outcomes[2].id == first
    held = hubspot.read_back("contacts", ["migration_key"], ids=[str(outcomes[0].id), str(outcomes[3].id)])
    assert {each.id: each.values["migration_key"] for each in held} == {
        outcomes[0].id: "k3",
        outcomes[3].id: "k4",
    }


def test_a_key_that_is_taken_is_a_conflict_also_without_an_email(hubspot: HubSpotConnector) -> None:
    create(hubspot, company("c1"))
    [outcome] = hubspot.send(company("c1"))
    assert outcome.status == "conflict"


def test_an_update_sets_and_clears_and_leaves_a_stamp_and_a_history(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    [own] = create(hubspot, contacts("k1", firstname="Bo", phone="1"))
    portal.control.post(
        "/act",
        {"as": "ann@example.com", "do": "update", "object": "contacts", "id": own, "fields": {"phone": "2"}},
    )
    [done, unknown] = hubspot.send(
        Batch(
            Operation.UPDATE,
            "contacts",
            (Write("k1", own, {"firstname": None}), Write("k9", "1", {"firstname": "x"})),
        )
    )
    assert (done.status, unknown.status, unknown.code) == ("done", "refused", "OBJECT_NOT_FOUND")
    [held] = hubspot.read_back("contacts", ["firstname", "phone"], ids=[own, "1"])
    assert held.values == {"firstname": None, "phone": "2"}
    assert held.stamp == done.stamp

    versions = hubspot.history("contacts", [own], ["firstname", "phone"])[own]
    told = [(each.field, each.value, each.who) for each in versions]
    assert told[:2] == [("firstname", None, Who.OURS), ("phone", "2", Who.PERSON)]
    assert sorted(told[2:]) == [("firstname", "Bo", Who.OURS), ("phone", "1", Who.OURS)]


def test_links_carry_labels_and_a_pair_is_one_input(hubspot: HubSpotConnector) -> None:
    one, two = create(hubspot, contacts("k1", "k2"))
    [acme] = create(hubspot, company("c1"))
    wanted = (
        Link("contacts", one, "companies", acme, "default"),
        Link("contacts", one, "companies", acme, "primary"),
        Link("contacts", two, "companies", acme, "default"),
        Link("contacts", two, "companies", "1", "default"),
    )
    outcomes = hubspot.send(Batch(Operation.LINK, "contacts", links=wanted))
    assert [outcome.status for outcome in outcomes] == ["done", "done", "done", "refused"]
    assert set(wanted[:3]) <= set(hubspot.read_links("contacts", [one, two], "companies"))

    whole = (Link("contacts", one, "companies", acme, "*"), Link("contacts", two, "companies", acme, "*"))
    assert {each.status for each in hubspot.send(Batch(Operation.UNLINK, "contacts", links=whole))} == {
        "done"
    }
    assert hubspot.read_links("contacts", [one, two], "companies") == []


def test_one_label_can_be_taken_away(hubspot: HubSpotConnector) -> None:
    child, parent = create(hubspot, company("c1")) + create(hubspot, company("c2"))
    link = Link("companies", child, "companies", parent, "parent")
    hubspot.send(Batch(Operation.LINK, "companies", links=(link,)))
    assert link in hubspot.read_links("companies", [child], "companies")
    assert Link("companies", parent, "companies", child, "child") in hubspot.read_links(
        "companies", [parent], "companies"
    )
    hubspot.send(Batch(Operation.UNLINK, "companies", links=(link,)))
    assert link not in hubspot.read_links("companies", [child], "companies")


def test_links_beyond_one_page_are_read_to_the_end(hubspot: HubSpotConnector, portal: Running) -> None:
    people = create(hubspot, contacts(*(f"k{number}" for number in range(7))))
    [acme] = create(hubspot, company("c1"))
    links = tuple(Link("contacts", each, "companies", acme, "default") for each in people)
    hubspot.send(Batch(Operation.LINK, "contacts", links=links))
    portal.control.post("/settings", {"association_page": 2})
    try:
        found = hubspot.read_links("companies", [acme], "contacts")
    finally:
        portal.control.post("/settings", {"association_page": 500})
    assert {link.right for link in found if link.label == "default"} == set(people)


def test_a_link_between_matching_domains_is_known_as_an_automations(hubspot: HubSpotConnector) -> None:
    [person] = create(hubspot, contacts("k1"))
    [acme], [other] = (
        create(hubspot, company("c1", domain="a.test")),
        create(hubspot, company("c2", domain="b.test")),
    )
    ours = Link("contacts", person, "companies", acme, "default")
    theirs = Link("companies", other, "contacts", person, "default")
    assert hubspot.made_by_automation([ours, theirs]) == {ours}


def test_what_hubspot_does_by_itself_is_known_as_an_automations(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    portal.control.post("/automations", {"associate_by_domain": True, "enrichment": True})
    try:
        [person] = create(hubspot, contacts("k1"))
        hubspot.clock.sleep(2 * hubspot.limits.settle)
        links = hubspot.read_links("contacts", [person], "companies")
    finally:
        portal.control.post("/automations", {"associate_by_domain": False, "enrichment": False})
    assert links
    assert hubspot.made_by_automation(links) == set(links)
    [side] = hubspot.read_back("companies", ["domain", "migration_key"], ids=[links[0].right])
    assert (side.source, side.values) == ("automation", {"domain": "a.test", "migration_key": None})
    [versions] = hubspot.history("companies", [side.id], []).values()
    assert {version.who for version in versions} == {Who.AUTOMATION}


def test_a_merged_record_answers_for_the_one_it_took_in(hubspot: HubSpotConnector, portal: Running) -> None:
    winner, loser = create(hubspot, contacts("k1", "k2"))
    portal.control.post(
        "/act", {"as": "ann@example.com", "do": "merge", "object": "contacts", "id": winner, "other": loser}
    )
    held = {each.asked: each.id for each in hubspot.read_back("contacts", ["email"], ids=[winner, loser])}
    assert held == {winner: winner, loser: winner}


def test_a_deleted_record_is_gone_from_reads_and_told_as_a_tombstone(hubspot: HubSpotConnector) -> None:
    one, two = create(hubspot, contacts("k1", "k2"))
    before = hubspot.now() - timedelta(seconds=SPEED)
    [outcome] = hubspot.send(Batch(Operation.DELETE, "contacts", (Write("k1", one),)))
    assert outcome.status == "done"
    assert [each.id for each in hubspot.read_back("contacts", ["email"], ids=[one, two])] == [two]
    assert [each.id for each in hubspot.sweep("contacts", ["email"])] == [two]
    gone = Query("contacts", ("_at",), since=before, deleted=True)
    [page] = hubspot.read(gone, after=None)
    assert page.batch.column("_id").to_pylist() == [one]
    assert page.batch.column("_at")[0].as_py() >= before


def test_many_records_are_read_past_pages_and_past_the_longest_url(
    hubspot: HubSpotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k{number}" for number in range(230)]
    for start in range(0, 230, 100):
        create(hubspot, contacts(*keys[start : start + 100], firstname="Bo"))
    assert len({each.asked for each in hubspot.read_back("contacts", ["email"], keys=keys)}) == 230
    monkeypatch.setattr(reading, "LONGEST_QUERY", 20)
    pages = list(hubspot.read(Query("contacts", ("migration_key", "firstname")), after=None))
    assert [page.batch.num_rows for page in pages] == [100, 100, 30]
    assert {row["firstname"] for page in pages for row in page.batch.to_pylist()} == {"Bo"}
    rest = hubspot.read(Query("contacts", ("migration_key",)), after=pages[0].cursor)
    assert sum(page.batch.num_rows for page in rest) == 130
    hubspot.clock.sleep(60)
    assert hubspot.count(Query("contacts", ())) == 230


def test_an_unknown_property_is_named_instead_of_left_out(hubspot: HubSpotConnector) -> None:
    with pytest.raises(UsageError, match="no property `emial`"):
        hubspot.read_back("contacts", ["emial"], ids=["1"])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop", "at": "after_commit"},
        {"kind": "drop", "at": "half_reply"},
        {"kind": "status", "status": 502, "html": True},
        {"kind": "garbage", "body": '{"status": "COMPL'},
    ],
    ids=["dropped", "half a reply", "502", "garbage"],
)
def test_a_create_whose_answer_is_lost_is_in_doubt_and_sent_once(
    hubspot: HubSpotConnector, portal: Running, fault: dict[str, Any]
) -> None:
    arm(portal, on={"method": "POST", "path": "batch/create"}, do=fault)
    with pytest.raises(InDoubt):
        hubspot.send(contacts("k1"))
    held = hubspot.read_back("contacts", ["email"], keys=["k1"])
    assert len(held) == (fault["kind"] != "status")


def test_a_read_that_says_nothing_does_not_pass_for_an_absent_record(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    create(hubspot, contacts("k1"))
    arm(portal, on={"path": "batch/read"}, do={"kind": "garbage", "body": "{}"})
    assert len(hubspot.read_back("contacts", ["email"], keys=["k1"])) == 1


def test_nothing_is_written_once_the_lease_is_lost(hubspot: HubSpotConnector, portal: Running) -> None:
    tries: list[int] = []

    def lose_at_the_second_try() -> None:
        tries.append(1)
        if len(tries) == 2:
            raise LeaseLost("new", "taken over")

    hubspot.before_write = lose_at_the_second_try
    arm(portal, on={"method": "POST", "path": "batch/create"}, do={"kind": "status", "status": 429})
    with pytest.raises(LeaseLost):
        hubspot.send(contacts("k1"))
    assert hubspot.read_back("contacts", ["email"], keys=["k1"]) == []


def test_a_throttled_create_is_sent_again(hubspot: HubSpotConnector, portal: Running) -> None:
    arm(portal, on={"method": "POST", "path": "batch/create"}, do={"kind": "status", "status": 429})
    create(hubspot, contacts("k1"))


def test_reads_survive_what_a_network_does(hubspot: HubSpotConnector, portal: Running) -> None:
    create(hubspot, contacts("k1"))
    for fault in (
        {"kind": "drop", "at": "half_reply"},
        {"kind": "status", "status": 500},
        {"kind": "drop", "at": "arrival"},
    ):
        arm(portal, on={"path": "batch/read"}, do=fault)
    assert len(hubspot.read_back("contacts", ["email"], keys=["k1"])) == 1


def test_a_batch_refused_as_a_whole_blames_nobody(
    hubspot: HubSpotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tuple(Link("deals", str(number), "contacts", "1", "default") for number in range(2))
    monkeypatch.setattr(hubspot._metadata, "wire", lambda *_: ("HUBSPOT_DEFINED", 9999))
    with pytest.raises(BatchRefused):
        hubspot.send(Batch(Operation.LINK, "deals", links=links))
    assert hubspot.send(Batch(Operation.LINK, "deals", links=links[:1]))[0].status == "refused"


def test_a_wrong_token_says_what_to_do_and_not_what_it_is(portal: Running) -> None:
    connector = connect(portal, token="pat-na1-wrong")
    with pytest.raises(SystemRefused) as caught:
        connector.discover()
    connector.close()
    assert "Check the token" in str(caught.value)
    assert "pat-na1-wrong" not in str(caught.value)


def test_rights_name_the_scopes_that_are_missing(hubspot: HubSpotConnector, portal: Running) -> None:
    assert hubspot.rights(["companies", "contacts", "deals"], write=True).missing == ()
    portal.control.post(
        "/seed", {"tokens": [{"token": "pat-na1-small", "scopes": ["crm.objects.contacts.read"]}]}
    )
    small = connect(portal, token="pat-na1-small")
    rights = small.rights(["contacts"], write=True)
    small.close()
    assert "Scope `crm.objects.contacts.write` is needed and not granted." in rights.missing
    assert rights.calls_max == 650_000


def test_the_pace_follows_the_portals_tier_less_the_share_of_the_business(hubspot: HubSpotConnector) -> None:
    hubspot.now()
    assert hubspot.limits.calls_per_second == pytest.approx(19 * 0.8)


def test_an_oauth_apps_token_is_renewed_in_the_midst_of_a_write(portal: Running, empty: Path) -> None:
    portal.control.post("/restore", {"from": str(empty)})
    app = connect(portal, OAUTH)
    try:
        found = app.rights(["contacts"], write=True)
        assert (found.user, found.missing) == ("user 501, app 7002", ())
        assert app.discover().tenant == "4471203"
        on = {"method": "POST", "path": "contacts/batch/create"}
        portal.control.post("/faults", [{"on": on, "do": {"kind": "expire"}}])
        [outcome] = app.send(contacts("c1"))
        assert outcome.status == "done"
        [record] = app.read_back("contacts", ["email"], keys=["c1"])
        assert record.source == "ours"  # what this app writes is known as ours
    finally:
        app.close()
        portal.control.delete("/faults")


def test_a_refresh_token_that_was_withdrawn_is_named_with_its_remedy(portal: Running) -> None:
    app = connect(portal, OAUTH | {"refresh_token": "gone"})
    with pytest.raises(SystemRefused, match=r"BAD_REFRESH_TOKEN.*\n.*Check REFRESH_TOKEN") as refused:
        app.discover()
    assert "sandbox-secret" not in str(refused.value)
    app.close()
