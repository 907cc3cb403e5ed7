"""Objects, fields and values are made by the Metadata API, and seen by those to whom they are granted.

First through simple-salesforce 1.12.10, unchanged, with the vendor's own WSDL in it; then the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from migrate.sandbox.salesforce.seed import ADMIN_TOKEN, ADMIN_USER, READER_TOKEN
from migrate.sandbox.server import Running, launch
from tests.sandbox.salesforce_org import Org

ENVELOPE = """<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="http://soap.sforce.com/2006/04/metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Header>
<SessionHeader><sessionId>{token}</sessionId></SessionHeader></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
FIELD = '<metadata xsi:type="CustomField"><fullName>{name}</fullName>{parts}</metadata>'
TEXT = "<label>L</label><length>20</length><type>Text</type>"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), tls=True) as each:
        yield each


@pytest.fixture
def client(running: Running, monkeypatch: pytest.MonkeyPatch) -> Salesforce:
    # zeep makes a session of its own for the Metadata API and takes the authority from the environment.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.ca))
    session = requests.Session()
    session.verify = str(running.ca)
    return Salesforce(session_id=ADMIN_TOKEN, instance_url=running.url, session=session, version="66.0")


def test_an_independent_client_makes_a_custom_object_and_relates_records(
    client: Salesforce, running: Running
) -> None:
    md = client.mdapi
    md.CustomObject.create(
        md.CustomObject(
            fullName="House__c",
            label="House",
            pluralLabel="Houses",
            nameField=md.CustomField(label="Name", type=md.FieldType("Text")),
            deploymentStatus=md.DeploymentStatus("Deployed"),
            sharingModel=md.SharingModel("ReadWrite"),
        )
    )
    md.CustomField.create([
        md.CustomField(fullName="House__c.Price__c", label="Price", type=md.FieldType("Currency"),
                       precision=18, scale=2),
        md.CustomField(fullName="House__c.Owner_Firm__c", label="Firm", type=md.FieldType("Lookup"),
                       referenceTo="Account", relationshipName="Houses", relationshipLabel="Houses"),
    ])  # fmt: skip
    firm = client.Account.create({"Name": "Acme"})["id"]  # type: ignore[operator]
    with pytest.raises(SalesforceMalformedRequest, match="Price__c"):  # nobody sees it yet
        client.House__c.create({"Name": "Villa", "Price__c": 1})  # type: ignore[operator]
    grant(client, ["House__c.Price__c", "House__c.Owner_Firm__c"])
    made = client.House__c.create({"Name": "Villa", "Price__c": 1250000.5, "Owner_Firm__c": firm})  # type: ignore[operator]
    [row] = client.query("SELECT Name, Price__c, Owner_Firm__r.Name FROM House__c")["records"]
    assert (row["Name"], row["Price__c"], row["Owner_Firm__r"]["Name"]) == ("Villa", 1250000.5, "Acme")
    [truth] = running.control.ndjson("/truth/House__c")
    assert (truth["Id"], truth["Owner_Firm__c"]) == (made["id"], firm)
    [parent] = client.query("SELECT Id, (SELECT Id FROM Houses__r) FROM Account")["records"]
    assert [each["Id"] for each in parent["Houses__r"]["records"]] == [made["id"]]


def test_an_independent_client_reads_and_adds_picklist_values(client: Salesforce) -> None:
    md = client.mdapi
    values = md.ValueSet(restricted=True, valueSetDefinition=md.ValueSetValuesDefinition(
        sorted=False, value=[md.CustomValue(fullName="Gold", default=False, label="Gold")]
    ))  # fmt: skip
    md.CustomField.create(
        md.CustomField(
            fullName="Account.Tier__c", label="Tier", type=md.FieldType("Picklist"), valueSet=values
        )
    )
    found: Any = md.CustomField.read(["Account.Tier__c"])
    listed = found.valueSet.valueSetDefinition.value
    assert [each.fullName for each in listed] == ["Gold"]
    listed.append(md.CustomValue(fullName="Silver", default=False, label="Silver"))
    md.CustomField.update(found)
    grant(client, ["Account.Tier__c"])
    described = client.Account.describe()  # type: ignore[operator]
    tier = next(each for each in described["fields"] if each["name"] == "Tier__c")
    assert [each["value"] for each in tier["picklistValues"]] == ["Gold", "Silver"]
    assert tier["restrictedPicklist"] is True


def test_an_independent_client_is_told_why_a_field_is_refused(client: Salesforce) -> None:
    md = client.mdapi
    with pytest.raises(Exception, match="Must specify 'length'"):
        md.CustomField.create(
            md.CustomField(fullName="Account.Bad__c", label="Bad", type=md.FieldType("Text"))
        )
    with pytest.raises(Exception, match="DUPLICATE_DEVELOPER_NAME"):
        for _ in range(2):
            md.CustomField.create(
                md.CustomField(fullName="Account.Twice__c", label="Twice", type=md.FieldType("Date"))
            )


def grant(client: Salesforce, fields: list[str]) -> None:
    """A permission set with these fields, for the administrator."""
    found = client.query("SELECT Id FROM PermissionSet WHERE Name = 'Test'")["records"]
    if found:
        set_id = found[0]["Id"]
    else:
        set_id = client.PermissionSet.create({"Name": "Test", "Label": "Test"})["id"]  # type: ignore[operator]
        client.PermissionSetAssignment.create({"AssigneeId": ADMIN_USER, "PermissionSetId": set_id})  # type: ignore[operator]
    for each in fields:
        client.FieldPermissions.create({  # type: ignore[operator]
            "ParentId": set_id, "SobjectType": each.partition(".")[0], "Field": each,
            "PermissionsRead": True, "PermissionsEdit": True,
        })  # fmt: skip


# -- rules --------------------------------------------------------------------------------------


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as each:
        yield each


def soap(org: Org, body: str, token: str = ADMIN_TOKEN) -> Any:
    envelope = ENVELOPE.format(token=token, body=body)
    return org.send("POST", "/services/Soap/m/66.0", body=envelope.encode(), token=None)


def make(org: Org, name: str, parts: str = TEXT) -> str:
    answer = soap(org, f"<createMetadata>{FIELD.format(name=name, parts=parts)}</createMetadata>")
    assert answer.status == 200, answer.text
    return str(answer.text)


def test_a_field_made_by_api_is_seen_by_nobody_until_it_is_granted(org: Org) -> None:
    assert "<success>true</success>" in make(org, "Account.Secret__c")
    assert org.post("/sobjects/Account", {"Name": "A", "Secret__c": "x"}).code == "INVALID_FIELD"
    set_id = org.create("PermissionSet", Name="S", Label="S")
    org.create("PermissionSetAssignment", PermissionSetId=set_id, AssigneeId=ADMIN_USER)
    org.create("FieldPermissions", ParentId=set_id, SobjectType="Account", Field="Account.Secret__c",
               PermissionsRead=True)  # fmt: skip
    assert org.rows("SELECT Secret__c FROM Account") == []
    assert (
        org.post("/sobjects/Account", {"Name": "A", "Secret__c": "x"}).code
        == "INVALID_FIELD_FOR_INSERT_UPDATE"
    )
    assert org.query("SELECT Secret__c FROM Account", token=READER_TOKEN).code == "INVALID_FIELD"
    [row] = org.rows("SELECT Id FROM FieldPermissions")
    org.patch(f"/sobjects/FieldPermissions/{row['Id']}", {"PermissionsEdit": True})
    org.create("Account", Name="A", Secret__c="x")
    assert org.rows("SELECT Secret__c FROM Account") == [{"Secret__c": "x"}]


def test_a_required_field_is_seen_by_all_and_cant_be_granted(org: Org) -> None:
    make(org, "Account.Must__c", TEXT.replace("<type>", "<required>true</required><type>"))
    assert org.post("/sobjects/Account", {"Name": "A"}).code == "REQUIRED_FIELD_MISSING"
    org.create("Account", Name="A", Must__c="x")
    set_id = org.create("PermissionSet", Name="S", Label="S")
    grant_ = {
        "ParentId": set_id,
        "SobjectType": "Account",
        "Field": "Account.Must__c",
        "PermissionsRead": True,
    }
    assert org.post("/sobjects/FieldPermissions", grant_).code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_a_detail_goes_with_its_master(org: Org) -> None:
    definition = (
        '<metadata xsi:type="CustomObject"><fullName>Room__c</fullName>'
        "<deploymentStatus>Deployed</deploymentStatus><label>Room</label><nameField><displayFormat>R-{0000}</displayFormat><label>Number</label>"
        "<type>AutoNumber</type></nameField><pluralLabel>Rooms</pluralLabel>"
        "<sharingModel>ReadWrite</sharingModel></metadata>"
    )
    assert "true" in soap(org, f"<createMetadata>{definition}</createMetadata>").text
    parts = (
        "<label>Firm</label><referenceTo>Account</referenceTo><relationshipName>Rooms</relationshipName>"
        "<type>MasterDetail</type>"
    )
    assert "<success>true</success>" in make(org, "Room__c.Firm__c", parts)
    assert "can't be the detail side" in make(org, "Contact.Firm__c", parts)
    firm = org.create("Account", Name="A")
    assert org.post("/sobjects/Room__c", {}).code == "REQUIRED_FIELD_MISSING"
    org.create("Room__c", Firm__c=firm)
    assert org.rows("SELECT Name FROM Room__c") == [{"Name": "R-0001"}]
    org.delete(f"/sobjects/Account/{firm}")
    assert org.rows("SELECT Name FROM Room__c") == []


def test_fields_of_activities_stand_on_tasks_and_events_and_arent_unique(org: Org) -> None:
    assert "made on Activity" in make(org, "Task.Key__c")
    unique = TEXT.replace("<type>", "<externalId>true</externalId><type>") + "<unique>true</unique>"
    assert "Cannot set 'unique'" in make(org, "Activity.Key__c", unique)
    assert "<success>true</success>" in make(
        org, "Activity.Key__c", unique.replace("<unique>true</unique>", "")
    )
    truth = org.truth("Task"), org.truth("Event")
    assert truth == ({}, {})
    read = "<readMetadata><type>CustomField</type><fullNames>Activity.Key__c</fullNames></readMetadata>"
    assert "Key__c" in soap(org, read).text


def test_ten_components_a_call_a_session_and_the_right_to_change_metadata_are_asked_for(org: Org) -> None:
    many = "".join(FIELD.format(name=f"Account.F{n}__c", parts=TEXT) for n in range(11))
    assert soap(org, f"<createMetadata>{many}</createMetadata>").status == 500
    refused = soap(org, "<describeMetadata/>", token="nonsense")
    assert (refused.status, "INVALID_SESSION_ID" in refused.text) == (500, True)
    refused = soap(org, f"<createMetadata>{FIELD.format(name='Account.F__c', parts=TEXT)}</createMetadata>",
                   token=READER_TOKEN)  # fmt: skip
    assert (refused.status, "INSUFFICIENT_ACCESS" in refused.text) == (500, True)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ("<type>Text</type><length>20</length>", "label"),
        ("<label>L</label><type>Text</type><length>256</length>", "length"),
        ("<label>L</label><type>Number</type><precision>19</precision><scale>0</scale>", "precision"),
        (
            "<label>L</label><type>LongTextArea</type><length>100</length><visibleLines>3</visibleLines>",
            "length",
        ),
        ("<label>L</label><type>Checkbox</type>", "defaultValue"),
        ("<label>L</label><type>Date</type><unique>true</unique>", "unique"),
        ("<label>L</label><type>Lookup</type><referenceTo>Nowhere__c</referenceTo>", "referenceTo"),
        ("<label>L</label><type>Picklist</type>", "valueSet"),
        ("<label>L</label><type>Colour</type>", "type"),
    ],
)
def test_a_field_that_breaks_a_rule_is_refused_alone(org: Org, parts: str, why: str) -> None:
    both = FIELD.format(name="Account.Bad__c", parts=parts) + FIELD.format(name="Account.Good__c", parts=TEXT)
    answer = soap(org, f"<createMetadata>{both}</createMetadata>").text
    assert why in answer
    assert answer.count("<success>true</success>") == answer.count("<success>false</success>") == 1
