"""HubSpot as a source: every record, owner and link is read once, and whoever is gone is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from migrate.catalog import Field
from migrate.clock import SandboxClock
from migrate.connector import (
    Batch,
    HidesDeletions,
    Link,
    Merges,
    NewField,
    NewLabel,
    Operation,
    Page,
    Query,
    Settings,
    Source,
    Write,
)
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.hubspot.values import BadValue, decode_column
from migrate.errors import CursorLost, SystemRefused, UsageError
from migrate.sandbox.server import Running, launch
from migrate.types import Kind, arrow_type

SPEED = 50.0
LINKS = ("left", "right", "label", "type_id", "category")
PERSON = "ann@example.com"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), speed=SPEED) as running:
        owners = [{"email": PERSON}, {"email": "gone@example.com", "archived": True}]
        running.control.post("/seed", {"portal": {"portalId": 4471203}, "owners": owners})
        yield running


@pytest.fixture
def hubspot(portal: Running) -> Iterator[HubSpotConnector]:
    connector = connect(portal)
    yield connector
    connector.close()


def connect(portal: Running, **options: object) -> HubSpotConnector:
    clock = SandboxClock(datetime.fromisoformat(portal.control.get("/clock")["now"]), SPEED)
    credentials = {"base_url": portal.url, "token": "pat-na1-sandbox"}
    return HubSpotConnector(Settings("old", credentials, options, clock))


_numbers = iter(range(10**6))


def make(hubspot: HubSpotConnector, object: str, count: int, **values: str) -> list[str]:
    """So many new records; their ids in the order of their names."""
    named = "name" if object == "companies" else "dealname" if object == "deals" else "lastname"
    found: list[str] = []
    hubspot.bind({object: named})
    for _ in range(0, count, 100):
        names = [f"{object}-{next(_numbers):06}" for _ in range(min(100, count - len(found)))]
        writes = tuple(Write(name, values={named: name, **values}) for name in names)
        outcomes = hubspot.send(Batch(Operation.CREATE, object, writes))
        assert {outcome.status for outcome in outcomes} == {"done"}, outcomes
        found += [str(outcome.id) for outcome in outcomes]
    return found


Seen = Counter[tuple[str, str, int]]


def seen(found: list[dict[str, Any]]) -> Seen:
    return Counter((each["left"], each["right"], each["type_id"]) for each in found)


def link(hubspot: HubSpotConnector, left: str, right: str, pairs: list[tuple[str, str, str]]) -> None:
    for first in range(0, len(pairs), 2000):
        links = tuple(
            Link(left, one, right, other, label) for one, other, label in pairs[first : first + 2000]
        )
        outcomes = hubspot.send(Batch(Operation.LINK, f"{left}>{right}", links=links))
        assert {outcome.status for outcome in outcomes} == {"done"}, outcomes


def rows(pages: list[Page] | Iterator[Page]) -> list[dict[str, Any]]:
    return [each for page in pages for each in page.batch.to_pylist()]


def held_links(portal: Running, left: str, right: str) -> Seen:
    """What the sandbox's own store holds of a pair, seen from the left."""
    return Counter(
        (each["from"], each["to"], int(told["typeId"]))
        for each in portal.control.ndjson("/truth/links")
        if (each["from_object"], each["to_object"]) == (left, right) and not each["archived"]
        for told in each["types"]
    )


def act(portal: Running, **action: Any) -> None:
    portal.control.post("/act", {"as": PERSON, **action})


def test_the_connector_is_a_source_with_its_abilities(hubspot: HubSpotConnector) -> None:
    source: Source = hubspot
    assert isinstance(source, Merges)
    assert isinstance(source, HidesDeletions)


def test_links_and_owners_are_objects_of_the_catalog(hubspot: HubSpotConnector, portal: Running) -> None:
    objects = hubspot.discover().objects
    links = objects["contacts_to_companies"]
    assert list(links.fields) == list(LINKS)
    assert links.fields["left"].references == ("contacts",)
    assert links.fields["right"].references == ("companies",)
    assert {"default", "primary"} <= {option.value for option in links.fields["label"].options}
    assert {"deals_to_contacts", "deals_to_companies", "companies_to_companies", "notes_to_contacts",
            "tickets_to_contacts", "line_items_to_deals"} <= set(objects)  # fmt: skip
    assert not {"companies_to_contacts", "contacts_to_deals", "contacts_to_notes"} & set(objects)
    assert links.stamp is None
    assert not any(objects[name].createable for name in objects if "_to_" in name or name == "owners")
    again = connect(portal)
    again.use(hubspot.discover())
    assert not any("_to_" in name for name in again.linked_objects("contacts"))
    again.close()


def test_every_link_is_read_once_with_each_label_and_counted_from_its_other_end(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    hubspot.prepare([NewLabel("contacts", "companies", "Decision maker")])
    people, firms = make(hubspot, "contacts", 120), make(hubspot, "companies", 3)
    pairs = [(person, firms[number % 3], "default") for number, person in enumerate(people)]
    pairs += [(person, firms[1], "Decision maker") for person in people[:7]]
    link(hubspot, "contacts", "companies", pairs)
    query = Query("contacts_to_companies", LINKS)
    found = rows(hubspot.read(query, after=None))
    held = held_links(portal, "contacts", "companies")
    assert seen(found) == held
    assert set(held.values()) == {1}
    assert hubspot.count(query) == len(found) == len({each["_id"] for each in found})
    by_label = Counter(each["label"] for each in found)
    assert by_label["Decision maker"] == 7
    assert by_label["primary"] == 120
    own = next(each for each in found if each["label"] == "primary")
    assert own["_id"] == f"{own['left']}-{own['right']}-1"


def test_links_between_records_of_one_object_count_once_and_a_parent_is_named_from_its_child(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    mother, *daughters = make(hubspot, "companies", 5)
    link(hubspot, "companies", "companies", [(each, mother, "parent") for each in daughters])
    link(hubspot, "companies", "companies", [(daughters[0], daughters[1], "default")])
    query = Query("companies_to_companies", LINKS)
    found = rows(hubspot.read(query, after=None))
    parents = {(each["left"], each["right"]) for each in found if each["label"] == "parent"}
    assert parents == {(each, mother) for each in daughters}
    assert not any(each["label"] == "child" for each in found)
    assert (
        hubspot.count(query) == len(found) == sum(held_links(portal, "companies", "companies").values()) / 2
    )


def test_a_sweep_of_links_goes_on_from_every_cursor(
    hubspot: HubSpotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, [firm] = make(hubspot, "contacts", 230), make(hubspot, "companies", 1)
    link(hubspot, "contacts", "companies", [(person, firm, "default") for person in people])
    monkeypatch.setattr(hubspot._portal, "limits", replace(hubspot._portal.limits, link_reads=100))
    query = Query("contacts_to_companies", LINKS)
    pages = list(hubspot.read(query, after=None))
    whole = Counter(each["_id"] for each in rows(pages))
    assert len(pages) > 2
    assert set(whole.values()) == {1}
    for number, page in enumerate(pages[:-1]):
        rest = Counter(each["_id"] for each in rows(hubspot.read(query, after=page.cursor)))
        assert Counter(each["_id"] for each in rows(pages[: number + 1])) + rest == whole
    with pytest.raises(CursorLost):
        list(hubspot.read(query, after="152"))


def test_one_record_with_more_links_than_a_page_holds_is_read_to_the_end(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    [deal] = make(hubspot, "deals", 1, dealstage="appointmentscheduled")
    people = make(hubspot, "contacts", 1200)
    link(hubspot, "deals", "contacts", [(deal, person, "default") for person in people])
    query = Query("deals_to_contacts", LINKS)
    pages = list(hubspot.read(query, after=None))
    found = seen(rows(pages))
    assert found == held_links(portal, "deals", "contacts")
    middle = next(page for page in pages if page.cursor and '"open": [[' in page.cursor)
    place = pages.index(middle)
    rest = Counter(
        (each["left"], each["right"], each["type_id"])
        for each in rows(hubspot.read(query, after=middle.cursor))
    )
    before = seen(rows(pages[: place + 1]))
    assert before + rest == found
    assert hubspot.count(query) == found.total()


def test_links_that_dont_exist_are_named(hubspot: HubSpotConnector) -> None:
    for name in ("contacts_to_nothing", "companies_to_contacts"):
        with pytest.raises(UsageError, match="has no links"):
            list(hubspot.read(Query(name, LINKS), after=None))


def test_owners_are_read_with_those_who_left(hubspot: HubSpotConnector) -> None:
    schema = hubspot.discover().objects["owners"]
    query = Query("owners", tuple(schema.fields))
    pages = list(hubspot.read(query, after=None))
    found = {each["email"]: each for each in rows(pages)}
    assert not found[PERSON]["archived"]
    assert found["gone@example.com"]["archived"]
    assert found["gone@example.com"]["userId"]
    assert hubspot.count(query) == len(found)
    rest = rows(hubspot.read(query, after=pages[0].cursor))
    assert {each["email"] for each in rest} == {each for each, row in found.items() if row["archived"]}
    for page in pages:
        for name, field in schema.fields.items():
            assert page.batch.schema.field(name).type == arrow_type(field.kind)
    later = Query("owners", ("email",), since=hubspot.now() + timedelta(days=1))
    assert rows(hubspot.read(later, after=None)) == []


def test_merged_records_lead_to_their_survivor(hubspot: HubSpotConnector, portal: Running) -> None:
    first, second, third, apart = make(hubspot, "companies", 4)
    act(portal, do="merge", object="companies", id=first, other=second)
    act(portal, do="merge", object="companies", id=third, other=first)

    def extracted(fields: Any) -> Iterator[pa.RecordBatch]:
        query = Query("companies", tuple(fields))
        return (page.batch for page in hubspot.read(query, after=None))

    told = [each for batch in hubspot.merges("companies", None, extracted) for each in batch.to_pylist()]
    of_ours = {each["_id"]: each["survivor"] for each in told if each["_id"] in (first, second, third, apart)}
    assert of_ours == {first: third, second: third}
    assert list(hubspot.merges("contacts_to_companies", None, extracted)) == []


def test_a_value_that_a_type_cant_hold_exactly_is_refused_with_its_place(
    hubspot: HubSpotConnector, portal: Running
) -> None:
    hubspot.prepare([NewField("deals", "ratio", "Ratio", "decimal")])
    [deal] = make(hubspot, "deals", 1, dealstage="appointmentscheduled", ratio="0.123456789012345")
    with pytest.raises(SystemRefused, match=rf"deals {deal}: `ratio` holds `0.123456789012345`"):
        list(hubspot.read(Query("deals", ("ratio",)), after=None))
    wider = connect(portal, scales={"deals.ratio": 15})
    found = {each["_id"]: each["ratio"] for each in rows(wider.read(Query("deals", ("ratio",)), after=None))}
    assert found[deal] == Decimal("0.123456789012345")
    wider.close()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.DECIMAL, "1e40"),
        (Kind.DECIMAL, "abc"),
        (Kind.DATE, "soon"),
        (Kind.TIMESTAMP, "x"),
        (Kind.BOOL, "2"),
    ],
)
def test_text_that_is_no_value_of_its_type_is_refused_but_what_hubspot_calculates_is_null(
    kind: Kind, text: str
) -> None:
    field = Field(name="f", label="F", kind=kind, vendor_type="x")
    with pytest.raises(BadValue) as failure:
        decode_column(field, [None, text])
    assert failure.value.row == 1
    calculated = field.model_copy(update={"createable": False})
    assert decode_column(calculated, [None, text]).to_pylist() == [None, None]


def test_whole_numbers_beyond_what_floats_hold_stay_exact() -> None:
    field = Field(name="f", label="F", kind=Kind.DECIMAL, vendor_type="number/number")
    texts = ["9007199254740993", "1234567890123456789012345678", "-0.0000000001"]
    assert decode_column(field, texts).to_pylist() == [Decimal(text) for text in texts]
