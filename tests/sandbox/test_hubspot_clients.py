"""HubSpot's own Python client, unchanged, against the sandbox over http.

Every reply is compared with the model that the client makes of it: no member that the model doesn't know,
every member that it requires, and types that come out as the model says.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from migrate.sandbox.server import Running, launch

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:hubspot"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:urllib3"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dateutil"),
]
UNIQUE = {
    "name": "source_id",
    "label": "Source id",
    "type": "string",
    "fieldType": "text",
    "hasUniqueValue": True,
}
SEED = {
    "owners": [{"email": "kim@x.test", "teams": [{"id": "1", "name": "Sales", "primary": True}]}],
    "properties": {"companies": [UNIQUE], "deals": [UNIQUE]},
}
# Members that HubSpot sends and whose models in hubspot-api-client 12.0.0 don't know: it passes over them.
NEWER = {"url", "dataSensitivity"}
PRIMITIVES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (float, int),
    "object": (object,),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch(
        "hubspot",
        tmp_path_factory.mktemp("hubspot"),
        settings={"burst": 10_000, "index_lag": [0, 0], "file_task_delay": [0, 0]},
    ) as here:
        here.control.post("/seed", SEED)
        yield here


class Client:
    """The SDK, and a look at each of its replies."""

    def __init__(self, url: str) -> None:
        from hubspot import HubSpot

        self.sdk: Any = HubSpot(access_token="pat-na1-sandbox", host=url)

    def ask(self, call: Any, *arguments: Any, **named: Any) -> Any:
        """Call a method of the SDK and compare the raw reply with the model that it returned."""
        result = call(*arguments, **named)
        raw = call.__self__.api_client.last_response.data
        if result is not None:
            check(type(result), json.loads(raw), result, type(result).__name__)
        return result


@pytest.fixture(scope="module")
def client(sandbox: Running) -> Client:
    return Client(sandbox.url)


def strict(model: Any, instance: Any) -> Any:
    """An empty instance whose setters check what they are given; the client leaves that off by default."""
    configuration = type(instance.local_vars_configuration)()
    configuration.client_side_validation = True
    empty = model.__new__(model)
    empty.local_vars_configuration = configuration
    return empty


def required(model: Any, instance: Any) -> set[str]:
    """Members that the model refuses to be without."""
    empty, found = strict(model, instance), set()
    for attribute in model.openapi_types:
        try:
            setattr(empty, attribute, None)
        except ValueError as refusal:
            if "must not be `None`" in str(refusal):
                found.add(attribute)
    return found


def check(model: Any, raw: Any, instance: Any, where: str) -> None:
    """Compare a JSON object with the model that it became."""
    assert isinstance(raw, dict), where
    unknown = raw.keys() - set(model.attribute_map.values()) - NEWER
    assert not unknown, f"{where}: members that {model.__name__} doesn't know: {sorted(unknown)}"
    needed = required(model, instance)
    missing = {model.attribute_map[name] for name in needed} - raw.keys()
    assert not missing, f"{where}: members that {model.__name__} requires: {sorted(missing)}"
    checked = strict(model, instance)
    for attribute, type_text in model.openapi_types.items():
        member = model.attribute_map[attribute]
        if member in raw:
            if raw[member] is not None or attribute in needed:
                setattr(checked, attribute, getattr(instance, attribute))  # raises for null and unknown words
            compare(type_text, raw[member], getattr(instance, attribute), f"{where}.{member}")


def compare(type_text: str, raw: Any, value: Any, where: str) -> None:
    """Compare a member with the type that the model says."""
    if raw is None:
        return
    if inner := re.fullmatch(r"list\[(.*)\]", type_text):
        assert isinstance(raw, list), where
        assert len(raw) == len(value), where
        for index, (one, other) in enumerate(zip(raw, value, strict=True)):
            compare(inner[1], one, other, f"{where}[{index}]")
    elif inner := re.fullmatch(r"dict\[[^,]*, (.*)\]", type_text):
        assert isinstance(raw, dict), where
        for name in raw:
            compare(inner[1], raw[name], value[name], f"{where}.{name}")
    elif type_text == "datetime":
        assert isinstance(value, datetime), where
        assert value.tzinfo is not None, where
    elif type_text in PRIMITIVES:
        assert isinstance(raw, PRIMITIVES[type_text]), f"{where}: {raw!r} isn't {type_text}"
        assert type_text != "int" or not isinstance(raw, bool), where
    else:
        assert type(value).__name__ == type_text, where
        check(type(value), raw, value, where)


def inputs(model: Any, *rows: Any) -> Any:
    return model(inputs=list(rows))


def test_the_check_itself_finds_faults(client: Client) -> None:
    from hubspot.crm.owners import PublicTeam

    good = PublicTeam(id="1", name="a", primary=True)
    check(PublicTeam, {"id": "1", "name": "a", "primary": True}, good, "team")
    for bad in ({"id": "1", "name": "a"}, {"id": 1, "name": "a", "primary": True}, {"id": "1", "extra": 1}):
        with pytest.raises(AssertionError):
            check(PublicTeam, bad, good, "team")


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals", "tickets", "line_items", "products"])
def test_records_are_created_read_changed_and_archived(client: Client, kind: str) -> None:
    from hubspot.crm.objects import SimplePublicObjectInput, SimplePublicObjectInputForCreate

    api = getattr(client.sdk.crm, kind).basic_api
    stage = {
        "deals": {"dealname": "D", "dealstage": "closedwon"},
        "tickets": {"subject": "T", "hs_pipeline_stage": "1"},
    }
    fields = stage.get(kind, {"email": "crud@acme.test"} if kind == "contacts" else {"name": "N"})
    made = client.ask(api.create, SimplePublicObjectInputForCreate(properties=fields, associations=[]))
    history = list(fields)
    read = client.ask(api.get_by_id, made.id, properties=list(fields), properties_with_history=history)
    assert {name: read.properties[name] for name in fields} == fields
    assert read.properties_with_history[history[0]][0].source_type == "INTEGRATION"
    name = "lastname" if kind == "contacts" else next(iter(fields))
    changed = client.ask(api.update, made.id, SimplePublicObjectInput(properties={name: "Other"}))
    assert changed.properties[name] == "Other"
    page = client.ask(api.get_page, limit=1, associations=["companies"])
    assert len(page.results) == 1
    client.ask(api.archive, made.id)
    archived = client.ask(api.get_page, archived=True)
    assert made.id in {row.id for row in archived.results}


@pytest.mark.parametrize("kind", ["notes", "calls", "emails", "meetings", "tasks"])
def test_activities_are_records_too(client: Client, kind: str) -> None:
    from hubspot.crm.objects import SimplePublicObjectInputForCreate

    api = getattr(client.sdk.crm.objects, kind).basic_api
    body = SimplePublicObjectInputForCreate(
        properties={"hs_timestamp": "2020-01-01T00:00:00Z"}, associations=[]
    )
    made = client.ask(api.create, body)
    assert client.ask(api.get_by_id, made.id, properties=["hs_timestamp"]).properties["hs_timestamp"]


def test_all_pages_are_walked(client: Client) -> None:
    from hubspot.crm.products import SimplePublicObjectBatchInputForCreate as Row

    api = client.sdk.crm.products
    for part in range(3):
        rows = [Row(properties={"name": f"{part}-{number}"}) for number in range(100)]
        client.ask(api.batch_api.create, {"inputs": rows})
    assert len(api.get_all()) >= 300


def test_batches_create_read_upsert_update_and_archive(client: Client, sandbox: Running) -> None:
    from hubspot.crm.companies import (
        BatchInputSimplePublicObjectBatchInput,
        BatchInputSimplePublicObjectBatchInputForCreate,
        BatchInputSimplePublicObjectBatchInputUpsert,
        BatchInputSimplePublicObjectId,
        BatchReadInputSimplePublicObjectId,
        SimplePublicObjectBatchInput,
        SimplePublicObjectBatchInputForCreate,
        SimplePublicObjectBatchInputUpsert,
        SimplePublicObjectId,
    )

    api = client.sdk.crm.companies.batch_api
    rows = [
        SimplePublicObjectBatchInputForCreate(
            properties={"source_id": f"B{n}"}, object_write_trace_id=f"row-{n}"
        )
        for n in range(10)
    ]
    made = client.ask(api.create, inputs(BatchInputSimplePublicObjectBatchInputForCreate, *rows))
    ids = {row.properties["source_id"]: row.id for row in made.results}
    again = client.ask(api.create, inputs(BatchInputSimplePublicObjectBatchInputForCreate, *rows))
    assert (len(again.results), again.num_errors) == (0, 10)
    upserts = [
        SimplePublicObjectBatchInputUpsert(id=f"B{n}", id_property="source_id", properties={"city": "Rome"})
        for n in range(5, 15)
    ]
    told = client.ask(api.upsert, inputs(BatchInputSimplePublicObjectBatchInputUpsert, *upserts))
    assert sum(row.new for row in told.results) == 5
    read = client.ask(
        api.read,
        BatchReadInputSimplePublicObjectId(
            inputs=[SimplePublicObjectId(id=id) for id in [*ids.values(), "3"]],
            properties=["source_id", "city"],
            properties_with_history=["city"],
        ),
    )
    assert {row.id: row.properties["source_id"] for row in read.results} == {
        id: key for key, id in ids.items()
    }
    assert read.errors[0].context["ids"] == ["3"]
    changes = [SimplePublicObjectBatchInput(id=id, properties={"city": "Oslo"}) for id in ids.values()]
    client.ask(api.update, inputs(BatchInputSimplePublicObjectBatchInput, *changes))
    client.ask(
        api.archive,
        inputs(BatchInputSimplePublicObjectId, *[SimplePublicObjectId(id=id) for id in ids.values()]),
    )
    held = {row["id"]: row for row in sandbox.control.ndjson("/truth/companies")}
    assert all(held[id]["archived"] and held[id]["properties"]["city"] == "Oslo" for id in ids.values())


def test_search_filters_sorts_and_pages(client: Client) -> None:
    from hubspot.crm.companies import (
        Filter,
        FilterGroup,
        PublicObjectSearchRequest,
        SimplePublicObjectInputForCreate,
    )

    api = client.sdk.crm.companies
    for number in range(3):
        fields = {"name": f"Findable {number}", "numberofemployees": str(9 + number)}
        api.basic_api.create(SimplePublicObjectInputForCreate(properties=fields, associations=[]))
    body = PublicObjectSearchRequest(
        filter_groups=[
            FilterGroup(filters=[Filter(property_name="name", operator="CONTAINS_TOKEN", value="findable")])
        ],
        sorts=[{"propertyName": "numberofemployees", "direction": "DESCENDING"}],
        properties=["name", "numberofemployees"],
        limit=2,
    )
    page = client.ask(api.search_api.do_search, body)
    assert (page.total, page.paging.next.after) == (3, "2")
    assert [row.properties["numberofemployees"] for row in page.results] == ["11", "10"]


def test_records_are_merged_and_forgotten(client: Client) -> None:
    from hubspot.crm.contacts import PublicGdprDeleteInput, PublicMergeInput, SimplePublicObjectInputForCreate

    api = client.sdk.crm.contacts
    one, two = (
        api.basic_api.create(
            SimplePublicObjectInputForCreate(properties={"email": f"m{n}@acme.test"}, associations=[])
        )
        for n in range(2)
    )
    body = PublicMergeInput(primary_object_id=one.id, object_id_to_merge=two.id)
    assert client.ask(api.basic_api.merge, body).id == one.id
    client.ask(api.basic_api.purge, PublicGdprDeleteInput(object_id="m0@acme.test", id_property="email"))
    with pytest.raises(Exception, match="OBJECT_NOT_FOUND"):
        api.basic_api.get_by_id(one.id)


def test_associations_are_written_labelled_read_and_removed(client: Client) -> None:
    from hubspot.crm.associations.v4 import (
        AssociationSpec,
        BatchInputPublicAssociationMultiArchive,
        BatchInputPublicAssociationMultiPost,
        BatchInputPublicDefaultAssociationMultiPost,
        BatchInputPublicFetchAssociationsBatchRequest,
        PublicAssociationMultiArchive,
        PublicAssociationMultiPost,
        PublicDefaultAssociationMultiPost,
        PublicFetchAssociationsBatchRequest,
        PublicObjectId,
    )
    from hubspot.crm.associations.v4.schema import (
        PublicAssociationDefinitionCreateRequest,
        PublicAssociationDefinitionUpdateRequest,
    )
    from hubspot.crm.contacts import SimplePublicObjectInputForCreate

    def make(kind: str, **fields: str) -> str:
        body = SimplePublicObjectInputForCreate(properties=fields, associations=[])
        return str(getattr(client.sdk.crm, kind).basic_api.create(body).id)

    contacts = [make("contacts", email=f"l{number}@acme.test") for number in range(3)]
    company, deal = make("companies", name="Acme"), make("deals", dealname="D", dealstage="closedwon")
    api = client.sdk.crm.associations.v4
    definitions = api.schema.definitions_api
    label = PublicAssociationDefinitionCreateRequest(
        name="decider", label="Decider", inverse_label="Decided by"
    )
    made = client.ask(definitions.create, "contacts", "deals", label)
    number = made.results[0].type_id
    update = PublicAssociationDefinitionUpdateRequest(association_type_id=number, label="Decision maker")
    client.ask(definitions.update, "contacts", "deals", update)
    listed = client.ask(definitions.get_all, "contacts", "deals")
    assert {row.label for row in listed.results} == {None, "Decision maker"}

    spec = AssociationSpec(association_category="USER_DEFINED", association_type_id=number)
    rows = [
        PublicAssociationMultiPost(_from=PublicObjectId(id=id), to=PublicObjectId(id=deal), types=[spec])
        for id in contacts
    ]
    created = client.ask(
        api.batch_api.create, "contacts", "deals", inputs(BatchInputPublicAssociationMultiPost, *rows)
    )
    assert {row.labels[0] for row in created.results} == {"Decision maker"}
    defaults = [
        PublicDefaultAssociationMultiPost(_from=PublicObjectId(id=id), to=PublicObjectId(id=company))
        for id in contacts
    ]
    body = inputs(BatchInputPublicDefaultAssociationMultiPost, *defaults)
    client.ask(api.batch_api.create_default, "contacts", "companies", body)
    client.ask(api.basic_api.create_default, "deals", deal, "companies", company)
    primary = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=1)]
    client.ask(api.basic_api.create, "contacts", contacts[0], "companies", company, primary)

    fetch = [PublicFetchAssociationsBatchRequest(id=id) for id in [*contacts, "5"]]
    body = inputs(BatchInputPublicFetchAssociationsBatchRequest, *fetch)
    read = client.ask(api.batch_api.get_page, "contacts", "companies", body)
    assert {row._from.id for row in read.results} == set(contacts)
    assert {row.to[0].to_object_id for row in read.results} == {company}
    assert read.num_errors == 1
    page = client.ask(api.basic_api.get_page, "deals", deal, "contacts", limit=2)
    assert page.paging.next.after == page.results[-1].to_object_id

    labels = inputs(BatchInputPublicAssociationMultiPost, *rows[:1])
    client.ask(api.batch_api.archive_labels, "contacts", "deals", labels)
    gone = PublicAssociationMultiArchive(_from=PublicObjectId(id=contacts[1]), to=[PublicObjectId(id=deal)])
    client.ask(
        api.batch_api.archive, "contacts", "deals", inputs(BatchInputPublicAssociationMultiArchive, gone)
    )
    client.ask(api.basic_api.archive, "contacts", contacts[2], "deals", deal)
    left = client.ask(api.basic_api.get_page, "deals", deal, "contacts")
    assert [row.to_object_id for row in left.results] == [contacts[0]]
    client.ask(definitions.remove, "contacts", "deals", number)


def test_associations_stand_beside_records(client: Client) -> None:
    from hubspot.crm.contacts import (
        AssociationSpec,
        PublicAssociationsForObject,
        PublicObjectId,
        SimplePublicObjectInputForCreate,
    )

    company = client.sdk.crm.companies.basic_api.create(
        SimplePublicObjectInputForCreate(properties={"name": "A"}, associations=[])
    )
    spec = AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)
    link = PublicAssociationsForObject(to=PublicObjectId(id=company.id), types=[spec])
    body = SimplePublicObjectInputForCreate(properties={"email": "beside@acme.test"}, associations=[link])
    made = client.ask(client.sdk.crm.contacts.basic_api.create, body)
    read = client.ask(client.sdk.crm.contacts.basic_api.get_by_id, made.id, associations=["companies"])
    assert {row.type for row in read.associations["companies"].results} == {
        "contact_to_company",
        "contact_to_company_unlabeled",
    }


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals", "tickets", "notes", "line_items"])
def test_every_property_fits_the_model(client: Client, kind: str) -> None:
    listed = client.ask(client.sdk.crm.properties.core_api.get_all, kind)
    assert {"hs_object_id", "hubspot_owner_id"} <= {row.name for row in listed.results}


def test_properties_and_groups_are_managed(client: Client) -> None:
    from hubspot.crm.properties import (
        BatchInputPropertyCreate,
        BatchInputPropertyName,
        BatchReadInputPropertyName,
        OptionInput,
        PropertyCreate,
        PropertyGroupCreate,
        PropertyGroupUpdate,
        PropertyName,
        PropertyUpdate,
    )

    api = client.sdk.crm.properties
    client.ask(
        api.groups_api.create, "companies", PropertyGroupCreate(name="moved", label="Moved", display_order=1)
    )
    client.ask(api.groups_api.update, "companies", "moved", PropertyGroupUpdate(label="Moved here"))
    assert "moved" in {row.name for row in client.ask(api.groups_api.get_all, "companies").results}
    client.ask(api.groups_api.get_by_name, "companies", "moved")
    option = OptionInput(label="A", value="a", hidden=False, display_order=0)
    body = PropertyCreate(
        name="grade",
        label="Grade",
        type="enumeration",
        field_type="select",
        group_name="moved",
        options=[option],
    )
    client.ask(api.core_api.create, "companies", body)
    client.ask(api.core_api.update, "companies", "grade", PropertyUpdate(label="Mark"))
    assert client.ask(api.core_api.get_by_name, "companies", "grade").label == "Mark"
    rows = [
        PropertyCreate(name=f"p{n}", label="P", type="string", field_type="text", group_name="moved")
        for n in range(3)
    ]
    made = client.ask(api.batch_api.create, "companies", inputs(BatchInputPropertyCreate, *rows))
    assert len(made.results) == 3
    names = [PropertyName(name=f"p{n}") for n in range(4)]
    told = client.ask(
        api.batch_api.read, "companies", BatchReadInputPropertyName(archived=False, inputs=names)
    )
    assert (len(told.results), told.num_errors) == (3, 1)
    client.ask(api.batch_api.archive, "companies", inputs(BatchInputPropertyName, *names))
    client.ask(api.core_api.archive, "companies", "grade")
    client.ask(api.core_api.get_all, "companies", archived=True)
    client.ask(api.groups_api.archive, "companies", "moved")


def test_owners_are_listed(client: Client) -> None:
    page = client.ask(client.sdk.crm.owners.owners_api.get_page, email="kim@x.test")
    owner = client.ask(client.sdk.crm.owners.owners_api.get_by_id, page.results[0].id)
    assert owner.teams[0].name == "Sales"


def test_pipelines_and_stages_are_managed(client: Client) -> None:
    from hubspot.crm.pipelines import (
        PipelineInput,
        PipelinePatchInput,
        PipelineStageInput,
        PipelineStagePatchInput,
    )

    api = client.sdk.crm.pipelines
    stage = PipelineStageInput(label="Open", display_order=0, metadata={"probability": "0.4"})
    made = client.ask(
        api.pipelines_api.create, "deals", PipelineInput(label="By SDK", display_order=3, stages=[stage])
    )
    won = PipelineStageInput(label="Won", display_order=1, metadata={"probability": "1.0"})
    added = client.ask(api.pipeline_stages_api.create, "deals", made.id, won)
    patch = PipelineStagePatchInput(label="Sold", metadata={"probability": "1.0"})
    assert client.ask(api.pipeline_stages_api.update, "deals", made.id, added.id, patch).label == "Sold"
    client.ask(api.pipelines_api.update, "deals", made.id, PipelinePatchInput(label="By the SDK"))
    for kind in ("deals", "tickets"):
        client.ask(api.pipelines_api.get_all, kind)
    read = client.ask(api.pipelines_api.get_by_id, "deals", made.id)
    assert [row.label for row in read.stages] == ["Open", "Sold"]
    client.ask(api.pipeline_stages_api.get_all, "deals", made.id)
    client.ask(api.pipeline_audits_api.get_audit, "deals", made.id)
    client.ask(api.pipeline_stages_api.archive, "deals", made.id, added.id)
    client.ask(api.pipelines_api.archive, "deals", made.id)


def test_custom_types_are_managed(client: Client) -> None:
    from hubspot.crm.schemas import (
        AssociationDefinitionEgg,
        ObjectSchemaEgg,
        ObjectTypeDefinitionLabels,
        ObjectTypeDefinitionPatch,
        ObjectTypePropertyCreate,
    )

    api = client.sdk.crm.schemas.core_api
    plate = ObjectTypePropertyCreate(name="plate", label="Plate", type="string", field_type="text")
    egg = ObjectSchemaEgg(
        name="car",
        labels=ObjectTypeDefinitionLabels(singular="Car", plural="Cars"),
        primary_display_property="plate",
        required_properties=["plate"],
        properties=[plate],
        associated_objects=["CONTACT"],
    )
    made = client.ask(api.create, egg)
    assert made.object_type_id.startswith("2-")
    assert len(client.ask(api.get_all).results) == 1
    client.ask(api.get_by_id, made.fully_qualified_name)
    client.ask(api.get_by_id, "contacts")
    client.ask(api.update, made.fully_qualified_name, ObjectTypeDefinitionPatch(description="Wheels"))
    link = AssociationDefinitionEgg(
        from_object_type_id=made.object_type_id, to_object_type_id="0-2", name="owned"
    )
    client.ask(api.create_association, made.fully_qualified_name, link)
    client.ask(api.archive, made.fully_qualified_name)


def test_records_of_a_custom_type_are_made_related_merged_and_listed_as_archived(
    client: Client, sandbox: Running
) -> None:
    from hubspot.crm.associations.v4 import (
        AssociationSpec,
        BatchInputPublicAssociationMultiPost,
        BatchInputPublicFetchAssociationsBatchRequest,
        PublicAssociationMultiPost,
        PublicFetchAssociationsBatchRequest,
        PublicObjectId,
    )
    from hubspot.crm.associations.v4.schema import PublicAssociationDefinitionCreateRequest
    from hubspot.crm.objects import SimplePublicObjectInputForCreate
    from hubspot.crm.schemas import ObjectSchemaEgg, ObjectTypeDefinitionLabels, ObjectTypePropertyCreate

    name = ObjectTypePropertyCreate(name="boat_name", label="Name", type="string", field_type="text")
    egg = ObjectSchemaEgg(
        name="boat",
        labels=ObjectTypeDefinitionLabels(singular="Boat", plural="Boats"),
        primary_display_property="boat_name",
        required_properties=["boat_name"],
        properties=[name],
        associated_objects=["CONTACT"],
    )
    boat = client.ask(client.sdk.crm.schemas.core_api.create, egg).fully_qualified_name
    api = client.sdk.crm.objects.basic_api

    def make(kind: str, **values: str) -> str:
        body = SimplePublicObjectInputForCreate(properties=values, associations=[])
        return str(client.ask(api.create, kind, body).id)

    one, two, three = (make(boat, boat_name=f"Boat {number}") for number in range(3))
    skipper = make("contacts", email="skipper@acme.test")
    links = client.sdk.crm.associations.v4
    label = PublicAssociationDefinitionCreateRequest(name="skipper", label="Skipper", inverse_label="Sails")
    number = client.ask(links.schema.definitions_api.create, boat, "contacts", label).results[0].type_id
    spec = AssociationSpec(association_category="USER_DEFINED", association_type_id=number)
    posts = [
        PublicAssociationMultiPost(_from=PublicObjectId(id=id), to=PublicObjectId(id=skipper), types=[spec])
        for id in (one, two)
    ]
    client.ask(links.batch_api.create, boat, "contacts", BatchInputPublicAssociationMultiPost(inputs=posts))

    def skippers(*ids: str) -> dict[str, set[str]]:
        wanted = [PublicFetchAssociationsBatchRequest(id=id) for id in ids]
        body = BatchInputPublicFetchAssociationsBatchRequest(inputs=wanted)
        told = client.ask(links.batch_api.get_page, boat, "contacts", body)
        return {
            each._from.id: {kind.label for to in each.to for kind in to.association_types if kind.label}
            for each in told.results
        }

    assert skippers(one, two, three) == {one: {"Skipper"}, two: {"Skipper"}}

    pair = {"primaryObjectId": three, "objectIdToMerge": two}
    told = httpx2.post(  # the client's models know merges of standard objects only
        f"{sandbox.url}/crm/v3/objects/{boat}/merge",
        json=pair,
        headers={"Authorization": "Bearer pat-na1-sandbox"},
    )
    assert told.json()["id"] == three
    assert skippers(three) == {three: {"Skipper"}}
    survivor = client.ask(api.get_by_id, boat, three, properties=["hs_merged_object_ids"])
    assert survivor.properties["hs_merged_object_ids"] == two
    assert client.ask(api.get_by_id, boat, two).id == three

    client.ask(api.archive, boat, one)
    live = {row.id for row in client.ask(api.get_page, boat).results}
    archived = client.ask(api.get_page, boat, archived=True).results
    assert (live, {row.id for row in archived}) == ({three}, {one})  # the merged one is in neither list
    assert archived[0].archived_at is not None


def test_oauth_tokens_are_exchanged(client: Client, sandbox: Running) -> None:
    api = client.sdk.oauth
    token = client.ask(
        api.tokens_api.create,
        grant_type="refresh_token",
        client_id="sandbox-client",
        client_secret="sandbox-secret",
        refresh_token="sandbox-refresh",
    )
    told = client.ask(api.access_tokens_api.get, token.access_token)
    assert told.hub_id == 4471203
    client.ask(api.refresh_tokens_api.get, "sandbox-refresh")
    other = Client(sandbox.url)
    other.sdk.config["access_token"] = token.access_token
    other.ask(other.sdk.crm.owners.owners_api.get_page)


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """A file of this machine: the client takes paths."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.7 paper")
    return path


def uploaded(client: Client, path: Path, folder: str, **options: Any) -> Any:
    words = json.dumps({"access": "PRIVATE", **options})
    upload = client.sdk.files.files_api.upload
    return client.ask(upload, file=str(path), folder_path=folder, options=words)


def fetched(url: str) -> tuple[int, bytes]:
    reply = httpx2.get(url, trust_env=False)
    return reply.status_code, reply.content


def test_files_are_uploaded_read_signed_and_downloaded(client: Client, paper: Path) -> None:
    api = client.sdk.files.files_api
    made = uploaded(client, paper, "/sdk/up", ttl="P30D")
    assert (made.path, made.type, made.access) == ("/sdk/up/paper.pdf", "DOCUMENT", "PRIVATE")
    read = client.ask(api.get_by_id, made.id)
    assert read == made
    client.ask(api.get_by_id, made.id, properties=["name"])
    assert client.ask(api.get_metadata, "/sdk/up/paper.pdf").file.id == made.id
    assert client.ask(api.get_metadata, "sdk/up").folder.id == made.parent_folder_id
    assert fetched(made.url)[0] == 404
    signed = client.ask(api.get_signed_url, made.id, expiration_seconds=60)
    assert fetched(signed.url) == (200, b"%PDF-1.7 paper")


def test_files_are_searched_changed_replaced_and_deleted(client: Client, paper: Path) -> None:
    from hubspot.files import ApiException, FileUpdateInput

    api = client.sdk.files.files_api
    public = uploaded(client, paper, "/sdk/change", access="PUBLIC_INDEXABLE")
    other = uploaded(client, paper, "/sdk/change")
    assert other.name == "paper-1"
    inside = {"parent_folder_ids": [int(public.parent_folder_id)]}
    page = client.ask(api.do_search, **inside, sort=["name"], limit=1)
    assert [row.id for row in page.results] == [public.id]
    rest = client.ask(api.do_search, **inside, sort=["name"], limit=1, after=page.paging.next.after)
    assert [row.id for row in rest.results] == [other.id]
    assert rest.paging.prev.before == "1"
    since = client.ask(api.do_search, created_at_gte=public.created_at, extension="pdf", **inside)
    assert len(since.results) == 2
    change = FileUpdateInput(name="renamed", access="PUBLIC_NOT_INDEXABLE", parent_folder_path="/sdk/moved")
    assert client.ask(api.update_properties, public.id, change).path == "/sdk/moved/renamed.pdf"
    paper.write_bytes(b"%PDF-1.7 better")
    words = json.dumps({"access": "PUBLIC_INDEXABLE"})
    replaced = client.ask(api.replace, public.id, file=str(paper), options=words)
    assert fetched(replaced.url) == (200, b"%PDF-1.7 better")
    client.ask(api.archive, public.id)
    client.ask(api.delete, other.id)
    with pytest.raises(ApiException) as refused:
        api.get_by_id(public.id)
    assert (refused.value.status, json.loads(refused.value.body)["category"]) == (404, "OBJECT_NOT_FOUND")


def test_folders_are_managed(client: Client) -> None:
    from hubspot.files import FolderInput, FolderUpdateInput, FolderUpdateInputWithId

    api = client.sdk.files.folders_api
    top = client.ask(api.create, FolderInput(name="sdk folders"))
    inner = client.ask(api.create, FolderInput(name="inner", parent_folder_id=top.id))
    assert client.ask(api.get_by_id, inner.id).path == "/sdk folders/inner"
    assert client.ask(api.get_by_path, "/sdk folders/inner").id == inner.id
    page = client.ask(api.do_search, parent_folder_ids=[int(top.id)])
    assert [row.id for row in page.results] == [inner.id]
    assert client.ask(api.update_properties, inner.id, FolderUpdateInput(name="in")).name == "in"
    task = client.ask(api.update_properties_recursively, FolderUpdateInputWithId(id=top.id, name="sdk moved"))
    client.ask(api.check_update_status, task.id)
    done = ended(lambda: client.ask(api.check_update_status, task.id))
    assert done.result.path == "/sdk moved"
    assert client.ask(api.get_by_id, inner.id).path == "/sdk moved/in"
    client.ask(api.archive_by_path, "sdk moved/in")
    client.ask(api.archive, top.id)


def ended(status: Callable[[], Any]) -> Any:
    """A task that has come to its end."""
    end = time.monotonic() + 10.0
    while (task := status()).status in ("PENDING", "PROCESSING"):
        assert time.monotonic() < end, task
        time.sleep(0.02)
    return task


def test_files_are_imported_from_a_url(client: Client, paper: Path) -> None:
    from hubspot.files import ImportFromUrlInput

    api = client.sdk.files.files_api
    source = uploaded(client, paper, "/sdk/source", access="PUBLIC_INDEXABLE")
    body = ImportFromUrlInput(url=source.url, access="PRIVATE", folder_path="/sdk/import", name="mine.pdf")
    task = client.ask(api.import_from_url, body)
    assert ended(lambda: client.ask(api.check_import, task.id)).result.path == "/sdk/import/mine.pdf"
    gone = ImportFromUrlInput(url=f"{source.url}x", access="PRIVATE", folder_path="/sdk/import")
    task = client.ask(api.import_from_url, gone)
    failed = ended(lambda: client.ask(api.check_import, task.id))
    assert (failed.status, failed.num_errors, failed.errors[0].category) == (
        "CANCELED",
        1,
        "VALIDATION_ERROR",
    )


def test_a_note_carries_an_uploaded_file(client: Client, paper: Path) -> None:
    from hubspot.crm.objects import SimplePublicObjectInputForCreate

    made = uploaded(client, paper, "/sdk/notes")
    fields = {"hs_timestamp": "2020-01-01T00:00:00Z", "hs_attachment_ids": made.id}
    body = SimplePublicObjectInputForCreate(properties=fields, associations=[])
    note = client.ask(client.sdk.crm.objects.notes.basic_api.create, body)
    assert note.properties["hs_attachment_ids"] == made.id


def test_a_refusal_reaches_the_client_as_json(client: Client) -> None:
    from hubspot.crm.companies import ApiException, SimplePublicObjectInputForCreate

    body = SimplePublicObjectInputForCreate(properties={"nope": "1"}, associations=[])
    with pytest.raises(ApiException) as refused:
        client.sdk.crm.companies.basic_api.create(body)
    assert refused.value.status == 400
    told = json.loads(refused.value.body)
    assert told["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert refused.value.headers["X-HubSpot-Correlation-Id"] == told["correlationId"]


def test_the_client_reads_and_takes_consent_as_its_models_say(client: Client) -> None:
    api = client.sdk.communication_preferences
    from hubspot.communication_preferences import PublicUpdateSubscriptionStatusRequest

    types = client.ask(api.definition_api.get_page).subscription_definitions
    assert [each.name for each in types][:1] == ["Marketing Information"]
    wish = PublicUpdateSubscriptionStatusRequest(
        email_address="grace@x.test",
        subscription_id=types[0].id,
        legal_basis="CONSENT_WITH_NOTICE",
        legal_basis_explanation="Asked on the phone",
    )
    assert client.ask(api.status_api.subscribe, wish).status == "SUBSCRIBED"
    gone = client.ask(api.status_api.unsubscribe, wish)
    assert (gone.status, gone.legal_basis) == ("NOT_SUBSCRIBED", "CONSENT_WITH_NOTICE")
    with pytest.raises(Exception, match="unsubscribed"):
        api.status_api.subscribe(wish)
    told = client.ask(api.status_api.get_email_status, "grace@x.test")
    assert {each.id: each.status for each in told.subscription_statuses}[types[0].id] == "NOT_SUBSCRIBED"
