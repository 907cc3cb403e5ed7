"""Can a client that knows nothing of this project work with the simulated Salesforce?

simple-salesforce 1.12.10, unchanged. It forces https, so the sandbox runs with its
throwaway authority; logins go to `*.salesforce.com`, so one adapter resolves that
host to loopback and changes nothing else.
"""

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceMalformedRequest

from migrate.sandbox.salesforce.seed import ADMIN_TOKEN, READER_TOKEN
from migrate.sandbox.server import Running, launch
from tests.sandbox.test_salesforce_describe import CHILD_KEYS, FIELD_KEYS, GLOBAL_KEYS, OBJECT_KEYS

ACCOUNTS = 450
FILED = (
    "Attachment", "ContentDocument", "ContentDocumentLink", "ContentNote", "ContentVersion", "EmailMessage",
    "EmailMessageRelation", "Event", "EventRelation", "Note", "Task", "AccountHistory", "ContactHistory",
    "OpportunityFieldHistory", "OpportunityHistory",
)  # fmt: skip
EXTERNAL = {"name": "Ext__c", "type": "string", "length": 40, "externalId": True, "unique": True}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class ToLoopback(HTTPAdapter):
    """Resolves every host to the sandbox; the request keeps the vendor's `Host`."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        request.headers.setdefault("Host", urlsplit(request.url).netloc)
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return {**host, "host": "127.0.0.1", "port": self.port}, {**pool, "server_hostname": "localhost"}


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"query_page": 200, "bulk_page": 100}
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), tls=True, settings=settings) as running:
        running.control.post(
            "/seed",
            {
                "metadata": {"Account": {"fields": [EXTERNAL]}},
                "records": {
                    "Account": [
                        {"Name": f"Acme {n}", "Ext__c": f"A-{n}", "Description": 'said "hi",\nleft'}
                        for n in range(ACCOUNTS)
                    ]
                },
                "clients": [
                    {
                        "client_id": "jwt-app",
                        "user": "reader@sandbox.example",
                        "public_key": PUBLIC.decode(),
                    }
                ],
            },
        )
        yield running


@pytest.fixture
def session(org: Running) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # or REQUESTS_CA_BUNDLE would win over `verify`
        session.verify = str(org.ca)
        yield session


@pytest.fixture
def salesforce(org: Running, session: requests.Session) -> Any:
    return Salesforce(session_id=ADMIN_TOKEN, instance_url=org.url, session=session, version="66.0")


@pytest.fixture
def by_name(org: Running) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # or REQUESTS_CA_BUNDLE would win over `verify`
        session.verify = str(org.ca)
        session.mount("https://", ToLoopback(int(org.url.rpartition(":")[2])))
        yield session


def test_simple_salesforce_describes_the_org_and_an_object(salesforce: Any) -> None:
    names = {item["name"] for item in salesforce.describe()["sobjects"]}
    fields = {field["name"]: field for field in salesforce.Account.describe()["fields"]}

    assert {"Account", "Contact", "Opportunity", "OpportunityContactRole", "User"} <= names
    assert fields["Ext__c"]["externalId"] is True
    assert fields["CreatedDate"]["createable"] is False


def test_simple_salesforce_reads_a_query_over_several_pages(salesforce: Any) -> None:
    first = salesforce.query("SELECT Id, Name, Owner.Email FROM Account WHERE Name LIKE 'Acme %'")
    second = salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    everything = salesforce.query_all("SELECT Id, Name FROM Account WHERE Name LIKE 'Acme %'")

    assert (first["totalSize"], first["done"], len(first["records"])) == (ACCOUNTS, False, 200)
    assert first["records"][0]["Owner"]["Email"] == "admin@sandbox.example"
    assert len(second["records"]) == 200
    assert len({row["Id"] for row in everything["records"]}) == ACCOUNTS


def test_simple_salesforce_queries_in_bulk_over_several_pages(salesforce: Any) -> None:
    pages = list(
        salesforce.bulk2.Account.query(
            "SELECT Id, Name, Description FROM Account WHERE Name LIKE 'Acme %'", max_records=100, wait=0.1
        )
    )

    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert len(pages) == 5
    assert {row["Name"] for row in rows} == {f"Acme {n}" for n in range(ACCOUNTS)}
    assert {row["Description"] for row in rows} == {'said "hi",\nleft'}


def test_simple_salesforce_downloads_a_bulk_query(salesforce: Any, tmp_path: Path) -> None:
    results = salesforce.bulk2.Account.download(
        "SELECT Id, Name FROM Account WHERE Name LIKE 'Acme %'",
        path=str(tmp_path),
        max_records=1000,
        wait=0.1,
    )

    assert sum(int(result["number_of_records"]) for result in results) == ACCOUNTS
    texts = [Path(result["file"]).read_text() for result in results]
    rows = [row for text in texts for row in csv.DictReader(io.StringIO(text))]
    assert {row["Name"] for row in rows} == {f"Acme {n}" for n in range(ACCOUNTS)}


def test_simple_salesforce_inserts_in_bulk_and_reads_what_failed(salesforce: Any) -> None:
    jobs = salesforce.bulk2.Account.insert(
        records=[
            {"Name": "Bulk 1", "Phone": "1"},
            {"Name": "Bulk 2", "Phone": "2"},
            {"Name": "", "Phone": "3"},
        ]
    )

    assert (jobs[0]["numberRecordsProcessed"], jobs[0]["numberRecordsFailed"]) == (3, 1)
    good = list(
        csv.DictReader(io.StringIO(salesforce.bulk2.Account.get_successful_records(jobs[0]["job_id"])))
    )
    bad = list(csv.DictReader(io.StringIO(salesforce.bulk2.Account.get_failed_records(jobs[0]["job_id"]))))
    assert {row["Name"] for row in good} == {"Bulk 1", "Bulk 2"}
    assert {row["sf__Created"] for row in good} == {"true"}
    assert bad[0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name")


def test_simple_salesforce_upserts_by_external_id_updates_and_deletes(salesforce: Any) -> None:
    assert salesforce.Account.upsert("Ext__c/X-1", {"Name": "Once"}) == 201
    assert salesforce.Account.upsert("Ext__c/x-1", {"Name": "Twice"}) == 200

    found = salesforce.Account.get_by_custom_id("Ext__c", "X-1")
    assert found["Name"] == "Twice"
    assert salesforce.Account.update(found["Id"], {"Phone": "+1 555"}) == 204
    assert salesforce.Account.delete(found["Id"]) == 204
    assert salesforce.query(f"SELECT COUNT() FROM Account WHERE Id = '{found['Id']}'")["totalSize"] == 0
    with pytest.raises(SalesforceMalformedRequest):
        salesforce.Account.create({"Name": "Audited", "CreatedDate": "2020-01-01T00:00:00Z"})


def test_simple_salesforce_inserts_changes_and_downloads_an_attachment(
    salesforce: Any, tmp_path: Path
) -> None:
    account = salesforce.Account.create({"Name": "With files"})["id"]
    data = bytes(range(256)) * 100
    made = salesforce.Attachment.create(
        {"ParentId": account, "Name": "all.bin", "ContentType": "application/x-all", "Body": b64(data)}
    )
    assert salesforce.Attachment.get_base64(made["id"]) == data
    assert salesforce.Attachment.get(made["id"])["BodyLength"] == len(data)

    file = tmp_path / "all.bin"
    file.write_bytes(b"changed")
    salesforce.Attachment.update_base64(made["id"], str(file))
    assert salesforce.Attachment.get_base64(made["id"]) == b"changed"
    with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        salesforce.Attachment.create({"ParentId": account, "Name": "empty"})


def test_simple_salesforce_inserts_a_version_and_links_it_to_two_records(
    salesforce: Any, session: requests.Session
) -> None:
    first, second = (salesforce.Account.create({"Name": f"Linked {n}"})["id"] for n in range(2))
    made = salesforce.ContentVersion.create(
        {"PathOnClient": "offer.pdf", "VersionData": b64(b"%PDF offer"), "FirstPublishLocationId": first}
    )
    version = salesforce.ContentVersion.get(made["id"])
    document = version["ContentDocumentId"]
    link = {"ContentDocumentId": document, "LinkedEntityId": second, "ShareType": "V"}
    salesforce.ContentDocumentLink.create(link)

    assert salesforce.ContentVersion.get_base64(made["id"], "VersionData") == b"%PDF offer"
    assert (version["Title"], version["FileType"], version["ContentSize"]) == ("offer", "PDF", 10)
    soql = f"SELECT LinkedEntityId FROM ContentDocumentLink WHERE ContentDocumentId = '{document}'"
    linked = {row["LinkedEntityId"] for row in salesforce.query_all(soql)["records"]}
    assert linked == {first, second, version["OwnerId"]}
    with pytest.raises(SalesforceMalformedRequest, match="DUPLICATE_VALUE"):
        salesforce.ContentDocumentLink.create(link)
    with pytest.raises(SalesforceMalformedRequest, match="Implementation restriction"):
        salesforce.query("SELECT Id FROM ContentDocumentLink")

    reply = session.post(  # as the vendor's documentation has it; the client has no call for it
        f"{salesforce.base_url}sobjects/ContentVersion",
        headers={"Authorization": salesforce.headers["Authorization"]},
        files={
            "entity_content": (
                None,
                f'{{"PathOnClient": "offer.pdf", "ContentDocumentId": "{document}"}}'.encode(),
                "application/json",
            ),
            "VersionData": ("offer.pdf", b"%PDF second", "application/octet-stream"),
        },
    )
    assert reply.status_code == 201
    rows = salesforce.query(
        f"SELECT VersionNumber, IsLatest FROM ContentVersion WHERE ContentDocumentId = '{document}' "
        "ORDER BY VersionNumber"
    )["records"]
    assert [(row["VersionNumber"], row["IsLatest"]) for row in rows] == [("1", False), ("2", True)]
    assert salesforce.ContentDocument.delete(document) == 204
    assert salesforce.query_all(soql)["totalSize"] == 0


def test_simple_salesforce_reads_activities_over_several_pages(org: Running, salesforce: Any) -> None:
    org.control.post(
        "/seed",
        {
            "records": {
                "Contact": [{"Id": "0035g00000Page1AAM", "LastName": "Busy"}],
                "Task": [
                    {
                        "Subject": f"Page {n}",
                        "WhoId": "0035g00000Page1AAM",
                        "Status": "Completed",
                        "ActivityDate": "2020-01-01",
                        "IsArchived": n >= 400,
                    }
                    for n in range(450)
                ],
                "Event": [{"Subject": f"Page {n}", "WhoId": "0035g00000Page1AAM"} for n in range(210)],
            }
        },
    )

    soql = "SELECT Id, Subject, Who.Name, Who.Type, IsClosed FROM {} WHERE Subject LIKE 'Page %'"
    tasks = salesforce.query_all(soql.format("Task"))["records"]
    everything = salesforce.query_all(soql.format("Task"), include_deleted=True)["records"]
    events = list(salesforce.query_all_iter(soql.format("Event").replace(", IsClosed", "")))

    assert (len(tasks), len(everything), len(events)) == (400, 450, 210)
    assert {(row["Who"]["Name"], row["Who"]["Type"], row["IsClosed"]) for row in tasks} == {
        ("Busy", "Contact", True)
    }


def test_simple_salesforce_inserts_an_email_message_with_its_people_and_file(salesforce: Any) -> None:
    account = salesforce.Account.create({"Name": "Mailed"})["id"]
    contact = salesforce.Contact.create({"LastName": "Ann", "Email": "ann@a.test", "AccountId": account})[
        "id"
    ]
    message = salesforce.EmailMessage.create(
        {
            "RelatedToId": account,
            "Subject": "Offer",
            "HtmlBody": "<p>Dear Ann</p>",
            "TextBody": "Dear Ann",
            "FromAddress": "me@us.test",
            "ToIds": [contact],
            "Status": "3",
            "MessageDate": "2020-05-06T07:08:09Z",
        }
    )["id"]
    salesforce.Attachment.create({"ParentId": message, "Name": "a.txt", "Body": "aGk="})

    row = salesforce.query(
        "SELECT ActivityId, Activity.Subject, Activity.WhoId, HasAttachment, (SELECT Name FROM Attachments), "
        f"(SELECT RelationId FROM EmailMessageRelations) FROM EmailMessage WHERE Id = '{message}'"
    )["records"][0]
    assert (row["Activity"]["Subject"], row["Activity"]["WhoId"]) == ("Email: Offer", contact)
    assert row["Attachments"]["records"][0]["Name"] == "a.txt"
    assert {relation["RelationId"] for relation in row["EmailMessageRelations"]["records"]} == {contact, None}
    with pytest.raises(SalesforceMalformedRequest, match="INSUFFICIENT_ACCESS_OR_READONLY"):
        salesforce.EmailMessage.update(message, {"Subject": "Changed"})


@pytest.mark.parametrize("name", FILED)
def test_simple_salesforce_describes_files_and_activities_with_every_key(salesforce: Any, name: str) -> None:
    described = getattr(salesforce, name).describe()

    assert set(described) == OBJECT_KEYS
    assert {frozenset(field) for field in described["fields"]} == {frozenset(FIELD_KEYS)}
    assert {frozenset(child) for child in described["childRelationships"]} <= {frozenset(CHILD_KEYS)}
    summary = next(item for item in salesforce.describe()["sobjects"] if item["name"] == name)
    assert set(summary) == GLOBAL_KEYS


def test_simple_salesforce_logs_in_by_client_credentials(by_name: requests.Session) -> None:
    salesforce: Any = Salesforce(
        consumer_key="reader-app",
        consumer_secret="sandbox-secret",
        domain="acme.my",
        session=by_name,
        version="66.0",
    )

    rows = salesforce.query(
        "SELECT PermissionsModifyAllData, PermissionsViewAllData FROM UserPermissionAccess"
    )
    assert rows["records"][0]["PermissionsModifyAllData"] is False
    assert rows["records"][0]["PermissionsViewAllData"] is True
    assert salesforce.sf_instance == "acme.my.salesforce.com"


def test_simple_salesforce_logs_in_by_a_signed_assertion(by_name: requests.Session) -> None:
    salesforce: Any = Salesforce(
        username="reader@sandbox.example",
        consumer_key="jwt-app",
        privatekey=PRIVATE.decode(),
        domain="login",
        session=by_name,
        version="66.0",
    )

    assert salesforce.query("SELECT COUNT() FROM User")["totalSize"] == 2


def test_simple_salesforce_is_refused_with_a_wrong_secret(by_name: requests.Session) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        Salesforce(consumer_key="reader-app", consumer_secret="guess", domain="acme.my", session=by_name)


def test_simple_salesforce_may_not_write_as_the_reader(org: Running, session: requests.Session) -> None:
    salesforce: Any = Salesforce(
        session_id=READER_TOKEN, instance_url=org.url, session=session, version="66.0"
    )

    assert salesforce.Account.describe()["createable"] is False
    with pytest.raises(Exception, match="INSUFFICIENT_ACCESS_OR_READONLY"):
        salesforce.Account.create({"Name": "No"})


def test_simple_salesforce_keeps_a_persons_consent(
    org: Running, salesforce: Any, session: requests.Session
) -> None:
    org.control.post("/settings", {"data_privacy": True})
    try:
        person = salesforce.Individual.create({"LastName": "Lovelace", "HasOptedOutSolicit": True})["id"]
        contact = salesforce.Contact.create(
            {"LastName": "Lovelace", "IndividualId": person, "HasOptedOutOfEmail": True, "DoNotCall": True}
        )["id"]
        salesforce.ContactPointTypeConsent.create(
            {"Name": "Mail", "PartyId": person, "ContactPointType": "Email", "PrivacyConsentStatus": "OptOut"}
        )
        told = salesforce.Contact.get(contact)
        flags = ("HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall")
        assert [told[name] for name in flags] == [True, False, True]
        soql = "SELECT PrivacyConsentStatus, PartyId FROM ContactPointTypeConsent"
        found = salesforce.query(soql)["records"]
        assert [(row["PrivacyConsentStatus"], row["PartyId"]) for row in found] == [("OptOut", person)]
        salesforce.Contact.delete(contact)
    finally:
        org.control.post("/settings", {"data_privacy": False})
