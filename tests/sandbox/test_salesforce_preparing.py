"""What a plan needs is made in the org, once, and the user as whom we work can write it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from migrate.clock import SandboxClock
from migrate.connector import (
    Batch,
    NewField,
    NewLabel,
    NewObject,
    NewOption,
    Operation,
    SchemaChange,
    Settings,
    Write,
)
from migrate.connectors.salesforce import SalesforceConnector
from migrate.errors import SystemRefused
from migrate.sandbox.server import Running, launch
from migrate.types import Kind

SPEED = 50.0
HOUSE = NewObject("House__c", "House", "Houses", "Name")
ROOM = NewObject("Room__c", "Room", "Rooms", "Name")
OPTIONS = tuple(NewOption("House__c", "Style__c", each, each) for each in ("Barn", "Villa & Co <1>"))
FIELDS = (
    NewField("House__c", "Key__c", "Key", "string", unique=True),
    NewField("House__c", "Short__c", "Short", "string", length=40, required=True),
    NewField("House__c", "Story__c", "Story", "text", length=500),
    NewField("House__c", "Price__c", "Price", "money"),
    NewField("House__c", "Area__c", "Area", "decimal", precision=18, scale=9),
    NewField("House__c", "Wide__c", "Wide", "decimal", precision=38, scale=10),
    NewField("House__c", "Floors__c", "Floors", "int"),
    NewField("House__c", "Sold__c", "Sold", "bool"),
    NewField("House__c", "Built__c", "Built", "date"),
    NewField("House__c", "Seen__c", "Seen", "timestamp"),
    NewField("House__c", "Opens__c", "Opens", "time"),
    NewField("House__c", "Style__c", "Style", "picklist", options=OPTIONS),
    NewField(
        "House__c", "Tags__c", "Tags", "multipicklist", options=(NewOption("House__c", "Tags__c", "a", "A"),)
    ),
    NewField("House__c", "Firm__c", "Firm", "reference", reference="Account"),
    NewField("Room__c", "House__c", "House", "reference", reference="House__c", detail=True),
)
CHANGES: list[SchemaChange] = [*FIELDS, ROOM, HOUSE, *OPTIONS]  # in no helpful order


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), speed=SPEED) as each:
        yield each


@pytest.fixture
def org(running: Running) -> Iterator[SalesforceConnector]:
    yield from connected(running, "admin-app")


def connected(running: Running, app: str) -> Iterator[SalesforceConnector]:
    credentials = {"instance_url": running.url, "client_id": app, "client_secret": "sandbox-secret"}
    clock = SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)
    connector = SalesforceConnector(Settings("new", credentials, {}, clock))
    connector.bind({"House__c": "Key__c"})
    yield connector
    connector.close()
    running.control.delete("/faults")


def test_objects_fields_and_values_of_every_kind_are_made_and_seen(org: SalesforceConnector) -> None:
    assert [outcome for _, outcome in org.prepare(CHANGES[:-2])] == ["made"] * (len(CHANGES) - 2)
    house = org.discover().objects["House__c"]
    kinds = {name: field.kind for name, field in house.fields.items() if name.endswith("__c")}
    assert kinds == {
        "Key__c": Kind.STRING, "Short__c": Kind.STRING, "Story__c": Kind.TEXT, "Price__c": Kind.MONEY,
        "Area__c": Kind.DECIMAL, "Wide__c": Kind.DECIMAL, "Floors__c": Kind.DECIMAL, "Sold__c": Kind.BOOL,
        "Built__c": Kind.DATE, "Seen__c": Kind.TIMESTAMP, "Opens__c": Kind.TIME, "Style__c": Kind.PICKLIST,
        "Tags__c": Kind.MULTIPICKLIST, "Firm__c": Kind.REFERENCE,
    }  # fmt: skip
    key, short = house.fields["Key__c"], house.fields["Short__c"]
    assert (key.unique, key.external_id, short.required, short.length) == (True, True, True, 40)
    assert house.fields["Firm__c"].references == ("Account",)
    assert [option.value for option in house.fields["Style__c"].options] == ["Barn", "Villa & Co <1>"]
    assert (house.fields["Area__c"].precision, house.fields["Area__c"].scale) == (18, 9)
    room = org.discover().objects["Room__c"].fields["House__c"]
    assert (room.references, room.detail, room.required) == (("House__c",), True, True)
    [made] = org.send(Batch(Operation.CREATE, "House__c", (
        Write("k", values={"Key__c": "k", "Short__c": "s", "Style__c": "Villa & Co <1>", "Tags__c": "a",
                           "Area__c": "123456789.123456789", "Opens__c": "14:30:00.000Z"}),
    )))  # fmt: skip
    assert made.status == "done", made
    [room_made] = org.send(Batch(Operation.CREATE, "Room__c", (Write("r", values={"House__c": made.id}),)))
    assert room_made.status == "done", room_made
    [back] = org.read_back("House__c", ["Area__c", "Opens__c", "Sold__c"], keys=["k"])
    assert back.values == {"Area__c": "123456789.123456789", "Opens__c": "14:30:00.000Z", "Sold__c": "false"}
    assert [link.right for link in org.read_links("House__c", [str(made.id)], "Room__c")] == [room_made.id]


def test_what_is_there_is_said_to_be_there(org: SalesforceConnector) -> None:
    assert {outcome for _, outcome in org.prepare(CHANGES)} == {"there"}


def test_what_is_there_as_something_else_is_refused_with_what_it_is(org: SalesforceConnector) -> None:
    for change, why in (
        (NewField("House__c", "Built__c", "Built", "bool"), "as Date and not Checkbox"),
        (NewField("House__c", "Firm__c", "Firm", "reference", reference="Contact"), "reference to Account"),
        (NewField("House__c", "Short__c", "Short", "string", unique=True), "not unique"),
        (NewField("House__c", "Bad__Name__c", "Bad", "string"), "INVALID_FULLNAME"),
        (NewLabel("House__c", "Account", "boss"), "no link labels"),
    ):
        [(_, outcome)] = org.prepare([change])
        assert outcome.startswith("refused:"), outcome
        assert why in outcome


def test_values_are_added_to_custom_and_to_standard_picklists(
    org: SalesforceConnector, running: Running
) -> None:
    said = org.prepare([
        NewOption("House__c", "Style__c", "Castle", "Castle"),
        NewOption("House__c", "Style__c", "Barn", "Barn"),
        NewOption("Account", "Industry", "Beekeeping", "Beekeeping"),
        NewOption("Account", "Industry", "Banking", "Banking"),
        NewOption("Opportunity", "StageName", "Dreaming", "Dreaming"),
    ])  # fmt: skip
    assert [outcome.partition(":")[0] for _, outcome in said] == ["made", "there", "made", "there", "refused"]
    fields = org.discover().objects
    assert [o.value for o in fields["House__c"].fields["Style__c"].options][-1] == "Castle"
    for object in ("Account", "Lead"):  # they share the set
        industries = [o.value for o in fields[object].fields["Industry"].options if o.active]
        assert (industries[0], industries[-1]) == ("Agriculture", "Beekeeping")


def test_an_answer_that_was_lost_is_settled_by_reading(org: SalesforceConnector, running: Running) -> None:
    for path in ("Soap/m", "composite/sobjects"):
        order = {"on": {"path": path, "body": "createMetadata|FieldPermissions"},
                 "do": {"kind": "drop", "at": "after_commit"}}  # fmt: skip
        running.control.post("/faults", [order])
    said = org.prepare([NewField("House__c", "Late__c", "Late", "date")])
    assert [outcome for _, outcome in said] == ["made"]
    assert "Late__c" in org.discover().objects["House__c"].fields
    assert sum(each["hits"] for each in running.control.get("/faults")) == 2


def test_a_session_that_ended_is_renewed(org: SalesforceConnector, running: Running) -> None:
    running.control.post("/faults", [{"on": {"path": "Soap/m"}, "do": {"kind": "expire"}}])
    [(_, outcome)] = org.prepare([NewField("House__c", "Again__c", "Again", "date")])
    assert outcome == "made"


def test_a_user_without_the_right_is_told_which(running: Running) -> None:
    for reader in connected(running, "reader-app"):
        with pytest.raises(SystemRefused, match="Modify Metadata"):
            reader.prepare([NewField("Account", "No__c", "No", "date")])


def test_the_rights_of_a_targets_user_are_told(running: Running, org: SalesforceConnector) -> None:
    for reader in connected(running, "reader-app"):
        told = reader.rights(["Account", "New__c"], write=True)
        assert any("Modify All Data" in each for each in told.missing)
        assert any("may not create `Account`" in each for each in told.missing)
        assert any("`prepare` can't make fields" in each for each in told.missing)
    told = org.rights(["Account", "New__c"], write=True)
    assert told.missing == ()
    assert "create Account" in told.granted
    assert told.calls_max == 100_000


def test_latitude_and_longitude_are_the_parts_of_one_geolocation(
    org: SalesforceConnector, running: Running
) -> None:
    parts = [
        NewField("Account", f"Where__{part}__s", f"Where ({part})", "decimal", precision=10, scale=7)
        for part in ("Latitude", "Longitude")
    ]
    assert [outcome for _, outcome in org.prepare(parts)] == ["made", "made"]
    assert [outcome for _, outcome in org.prepare(parts)] == ["there", "there"]
    org.bind({"Account": "Where__Latitude__s"})
    write = Write(
        "k", None, {"Name": "Hut", "Where__Latitude__s": "46.5000001", "Where__Longitude__s": "-7.25"}
    )
    assert [each.status for each in org.send(Batch(Operation.CREATE, "Account", (write,)))] == ["done"]
    [row] = [row for row in running.control.ndjson("/truth/Account") if row["Name"] == "Hut"]
    assert (row["Where__Latitude__s"], row["Where__Longitude__s"]) == (46.5000001, -7.25)
