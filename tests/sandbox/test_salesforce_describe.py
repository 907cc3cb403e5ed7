"""Does the simulated describe answer carry every key that the vendor's does?

The lists are the vendor's documented keys (SOAP API "Field", "DescribeSObjectResult",
"ChildRelationship", read 2026-11-23), written out so that a lost key is seen.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.salesforce_org import READER_TOKEN, Org


def words(text: str) -> set[str]:
    return set(text.split())


FIELD_KEYS = words(
    """
    aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete
    caseSensitive compoundFieldName controllerName createable custom defaultValue defaultValueFormula
    defaultedOnCreate dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted
    externalId extraTypeInfo filterable filteredLookupInfo formulaTreatNullNumberAsZero groupable
    highScaleNumber htmlFormatted idLookup inlineHelpText label length mask maskType name nameField
    namePointing nillable permissionable picklistValues polymorphicForeignKey precision queryByDistance
    referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete
    restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable
    writeRequiresMasterRead
    """
)
OBJECT_KEYS = words(
    """
    actionOverrides activateable associateEntityType associateParentEntity childRelationships
    compactLayoutable createable custom customSetting deepCloneable defaultImplementation deletable
    deprecatedAndHidden extendedBy extendsInterfaces feedEnabled fields hasSubtypes implementedBy
    implementsInterfaces isInterface isSubtype keyPrefix label labelPlural layoutable listviewable
    lookupLayoutable mergeable mruEnabled name namedLayoutInfos networkScopeFieldName queryable
    recordTypeInfos replicateable retrieveable searchLayoutable searchable sobjectDescribeOption
    supportedScopes triggerable undeletable updateable urls
    """
)
GLOBAL_KEYS = words(
    """
    activateable associateEntityType associateParentEntity createable custom customSetting deepCloneable
    deletable deprecatedAndHidden feedEnabled hasSubtypes isInterface isSubtype keyPrefix label
    labelPlural layoutable mergeable mruEnabled name queryable replicateable retrieveable searchable
    triggerable undeletable updateable urls
    """
)
CHILD_KEYS = words(
    """
    cascadeDelete childSObject deprecatedAndHidden field junctionIdListNames junctionReferenceTo
    relationshipName restrictedDelete
    """
)
VALUE_KEYS = {"active", "defaultValue", "label", "validFor", "value"}
RECORD_TYPE_KEYS = words(
    "active available defaultRecordTypeMapping developerName master name recordTypeId urls"
)
OBJECTS = (
    "Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole", "OpportunityStage", "User",
    "Organization", "RecordType", "Case", "Task", "Event", "Campaign", "CampaignMember", "Attachment",
    "Note", "ContentDocument", "ContentVersion", "ContentDocumentLink", "ContentNote", "EmailMessage",
    "EmailMessageRelation", "EventRelation", "AccountHistory", "ContactHistory", "OpportunityHistory",
    "OpportunityFieldHistory",
)  # fmt: skip


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        yield org


@pytest.mark.parametrize("name", OBJECTS)
def test_describe_has_every_key(org: Org, name: str) -> None:
    answer = org.get(f"/sobjects/{name}/describe").json

    assert set(answer) == OBJECT_KEYS
    assert {frozenset(field) for field in answer["fields"]} == {frozenset(FIELD_KEYS)}
    assert {key for child in answer["childRelationships"] for key in child} <= CHILD_KEYS
    assert {
        key for field in answer["fields"] for value in field["picklistValues"] for key in value
    } <= VALUE_KEYS
    assert {key for kind in answer["recordTypeInfos"] for key in kind} <= RECORD_TYPE_KEYS


def test_the_global_list_has_every_key_and_every_object(org: Org) -> None:
    answer = org.get("/sobjects").json

    assert {key for item in answer["sobjects"] for key in item} == GLOBAL_KEYS
    assert set(OBJECTS) <= {item["name"] for item in answer["sobjects"]}
    assert (answer["encoding"], answer["maxBatchSize"]) == ("UTF-8", 200)


def test_field_properties_are_those_of_the_vendor(org: Org) -> None:
    fields = {field["name"]: field for field in org.get("/sobjects/Opportunity/describe").json["fields"]}

    wanted = {
        "Id": ("id", "tns:ID", 18, False, False),
        "Name": ("string", "xsd:string", 120, False, True),
        "Amount": ("currency", "xsd:double", 0, True, True),
        "CloseDate": ("date", "xsd:date", 0, False, True),
        "StageName": ("picklist", "xsd:string", 255, False, True),
        "AccountId": ("reference", "tns:ID", 18, True, True),
        "IsWon": ("boolean", "xsd:boolean", 0, False, False),
        "SystemModstamp": ("datetime", "xsd:dateTime", 0, False, False),
    }
    keys = ("type", "soapType", "length", "nillable", "createable")
    assert {name: tuple(fields[name][key] for key in keys) for name in wanted} == wanted
    assert (fields["Amount"]["precision"], fields["Amount"]["scale"]) == (18, 2)
    assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (
        ["Account"],
        "Account",
    )
    assert [value["value"] for value in fields["StageName"]["picklistValues"]][-2:] == [
        "Closed Won",
        "Closed Lost",
    ]


def test_an_account_cascades_to_contacts_and_opportunities_but_not_to_its_subsidiaries(org: Org) -> None:
    children = {
        (child["childSObject"], child["field"]): (
            child["relationshipName"],
            child["cascadeDelete"],
            child["restrictedDelete"],
        )
        for child in org.get("/sobjects/Account/describe").json["childRelationships"]
    }

    assert children["Contact", "AccountId"] == ("Contacts", True, False)
    assert children["Opportunity", "AccountId"] == ("Opportunities", True, False)
    assert children["Account", "ParentId"] == ("ChildAccounts", False, False)
    assert children["Case", "AccountId"] == ("Cases", False, True)


def test_files_and_histories_go_with_their_record_and_messages_stay(org: Org) -> None:
    children = {
        (child["childSObject"], child["field"]): (child["relationshipName"], child["cascadeDelete"])
        for child in org.get("/sobjects/Opportunity/describe").json["childRelationships"]
    }

    assert children["Attachment", "ParentId"] == ("Attachments", True)
    assert children["ContentDocumentLink", "LinkedEntityId"] == ("ContentDocumentLinks", True)
    assert children["ContentVersion", "FirstPublishLocationId"] == (None, False)
    assert children["EmailMessage", "RelatedToId"] == ("Emails", False)
    assert children["OpportunityFieldHistory", "OpportunityId"] == ("Histories", True)
    assert children["OpportunityHistory", "OpportunityId"] == ("OpportunityHistories", True)
    message = org.get("/sobjects/EmailMessage/describe").json["childRelationships"]
    relations = next(child for child in message if child["childSObject"] == "EmailMessageRelation")
    assert relations["junctionIdListNames"] == ["BccIds", "CcIds", "ToIds"]
    assert relations["junctionReferenceTo"] == ["Contact", "Lead", "User"]


def test_fields_of_files_are_described_as_the_vendor_does(org: Org) -> None:
    def of(object: str) -> dict[str, dict[str, Any]]:
        return {field["name"]: field for field in org.get(f"/sobjects/{object}/describe").json["fields"]}

    keys = ("type", "soapType", "createable", "updateable", "nillable", "filterable")
    versions = of("ContentVersion")
    wanted = {
        "VersionData": ("base64", "xsd:base64Binary", True, False, True, False),
        "ContentDocumentId": ("reference", "tns:ID", True, False, False, True),
        "PathOnClient": ("string", "xsd:string", True, False, True, True),
        "ContentSize": ("int", "xsd:int", False, False, True, True),
        "Checksum": ("string", "xsd:string", False, False, True, True),
        "IsLatest": ("boolean", "xsd:boolean", False, False, False, True),
    }
    assert {name: tuple(versions[name][key] for key in keys) for name in wanted} == wanted
    assert (versions["Title"]["length"], versions["PathOnClient"]["length"]) == (255, 500)
    body = of("Attachment")["Body"]
    assert tuple(body[key] for key in keys) == ("base64", "xsd:base64Binary", True, True, False, False)
    assert "CreatedDate" not in of("ContentDocumentLink")
    described = org.get("/sobjects/ContentVersion/describe").json
    assert (described["createable"], described["deletable"], described["keyPrefix"]) == (True, False, "068")
    assert org.get("/sobjects/ContentDocument/describe").json["createable"] is False


def test_hidden_fields_are_absent_and_rights_show_in_the_flags(org: Org) -> None:
    org.vendor.settings["permissions"] = {"reader@sandbox.example": {"hidden": {"Account": ["Fax"]}}}

    answer = org.get("/sobjects/Account/describe", token=READER_TOKEN).json

    assert "Fax" not in {field["name"] for field in answer["fields"]}
    assert (answer["createable"], answer["updateable"], answer["deletable"]) == (False, False, False)
    assert {field["createable"] for field in answer["fields"]} == {False}
    assert org.query("SELECT Fax FROM Account", token=READER_TOKEN).code == "INVALID_FIELD"
    assert "Fax" in {field["name"] for field in org.get("/sobjects/Account/describe").json["fields"]}


def test_audit_fields_are_createable_only_with_the_permission(org: Org) -> None:
    def createable() -> set[str]:
        fields = org.get("/sobjects/Contact/describe").json["fields"]
        return {field["name"] for field in fields if field["createable"] and field["name"] in AUDIT}

    AUDIT = {"CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"}  # noqa: N806
    assert createable() == set()
    org.vendor.settings["permissions"] = {"*": {"PermissionsCreateAuditFields": True}}
    assert createable() == AUDIT


def test_seeded_custom_fields_objects_and_inactive_values_are_described(org: Org) -> None:
    org.seed(
        {
            "metadata": {
                "Account": {
                    "fields": [
                        {
                            "name": "Tier__c",
                            "type": "picklist",
                            "restrictedPicklist": True,
                            "picklistValues": [{"value": "Gold"}, {"value": "Tin", "active": False}],
                        }
                    ],
                    "recordTypes": [
                        {"recordTypeId": "0125g0000000001AAA", "developerName": "Partner", "default": True}
                    ],
                },
                "Project__c": {
                    "fields": [
                        {
                            "name": "Client__c",
                            "type": "reference",
                            "referenceTo": ["Account"],
                            "childRelationshipName": "Projects",
                        }
                    ]
                },
            }
        }
    )

    account = org.get("/sobjects/Account/describe").json
    tier = next(field for field in account["fields"] if field["name"] == "Tier__c")
    project = org.get("/sobjects/Project__c/describe").json
    assert [(value["value"], value["active"]) for value in tier["picklistValues"]] == [
        ("Gold", True),
        ("Tin", False),
    ]
    assert tier["custom"] is True
    assert [kind["developerName"] for kind in account["recordTypeInfos"]] == ["Partner", "Master"]
    assert project["custom"] is True
    assert "Projects__r" in {child["relationshipName"] for child in account["childRelationships"]}


def test_an_unchanged_describe_is_not_sent_again(org: Org) -> None:
    changed = org.get("/sobjects/Account/describe").headers["Last-Modified"]

    assert org.get("/sobjects/Account/describe", headers={"if-modified-since": changed}).status == 304
