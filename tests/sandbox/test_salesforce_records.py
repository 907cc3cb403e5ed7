"""Are records written, deleted and brought back as the vendor does it, and what is refused?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.salesforce.ids import mint
from migrate.sandbox.salesforce.seed import ADMIN_USER, READER_USER
from tests.sandbox.salesforce_org import READER_TOKEN, Answer, Org

OLD = "2020-01-02T03:04:05.000+0000"


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        org.seed(
            {
                "metadata": {
                    "Account": {
                        "fields": [
                            {"name": "Ext__c", "type": "string", "length": 20, "externalId": True},
                            {"name": "Tax__c", "type": "string", "length": 20, "unique": True},
                        ]
                    }
                }
            }
        )
        yield org


def test_a_record_is_created_read_changed_and_deleted(org: Org) -> None:
    id = org.create("Account", Name="  Acme ", Phone="")
    read = org.get(f"/sobjects/Account/{id[:15]}", query={"fields": "Name,Phone,Owner.Name,CreatedDate"}).json

    assert (read["Name"], read["Phone"], read["Owner"]["Name"]) == ("Acme", None, "Sandbox Admin")
    assert read["CreatedDate"].endswith(".000+0000")
    assert org.patch(f"/sobjects/Account/{id}", {"Phone": "1"}).status == 204
    assert org.get(f"/sobjects/Account/{id}").json["Phone"] == "1"
    assert org.delete(f"/sobjects/Account/{id}").status == 204
    gone = org.delete(f"/sobjects/Account/{id}")
    assert (gone.status, gone.code) == (404, "ENTITY_IS_DELETED")
    assert org.get(f"/sobjects/Account/{mint('001', 999)}").code == "NOT_FOUND"
    assert [line[0] for line in org.log()] == ["create", "update", "delete"]


@pytest.mark.parametrize(
    ("object", "fields", "code"),
    [
        ("Contact", {"FirstName": "x"}, "REQUIRED_FIELD_MISSING"),
        ("Contact", {"LastName": "x", "Nope": 1}, "INVALID_FIELD"),
        ("Contact", {"LastName": "x", "Name": "y"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", {"LastName": "x", "CreatedDate": OLD}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", {"LastName": "x", "SystemModstamp": OLD}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", {"LastName": "x", "Email": "nobody"}, "INVALID_EMAIL_ADDRESS"),
        ("Contact", {"LastName": "x" * 81}, "STRING_TOO_LONG"),
        ("Contact", {"LastName": "x", "AccountId": "nowhere"}, "MALFORMED_ID"),
        ("Contact", {"LastName": "x", "AccountId": mint("001", 77)}, "INVALID_CROSS_REFERENCE_KEY"),
        ("Contact", {"LastName": "x", "AccountId": ADMIN_USER}, "MALFORMED_ID"),
        ("Contact", {"LastName": "x", "AccountId": None, "Account": {"Ext__c": "E"}}, "INVALID_FIELD"),
        ("Opportunity", {"Name": "x", "StageName": "Closed Won"}, "REQUIRED_FIELD_MISSING"),
        (
            "Opportunity",
            {"Name": "x", "StageName": "s", "CloseDate": "soon"},
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
        ),
        ("OpportunityStage", {"MasterLabel": "x"}, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
    ],
)
def test_bad_records_are_refused_by_code_and_leave_nothing(
    org: Org, object: str, fields: dict[str, Any], code: str
) -> None:
    answer = org.post(f"/sobjects/{object}", fields)

    assert (answer.status, answer.code) == (400, code)
    assert org.log() == []


def test_audit_fields_are_taken_on_insert_with_the_permission_and_never_later(org: Org) -> None:
    org.vendor.settings["permissions"] = {"*": {"PermissionsCreateAuditFields": True}}
    id = org.create("Account", Name="Old", CreatedDate=OLD, CreatedById=READER_USER, Ext__c="E-1")

    row = org.rows("SELECT CreatedDate, CreatedById, LastModifiedDate, SystemModstamp FROM Account")[0]
    assert (row["CreatedDate"], row["CreatedById"], row["LastModifiedDate"]) == (OLD, READER_USER, OLD)
    assert row["SystemModstamp"].startswith("2026-11-20")
    later = {"CreatedDate": OLD}
    assert org.patch(f"/sobjects/Account/{id}", later).code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert (
        org.patch("/sobjects/Account/Ext__c/E-2", {"Name": "x", **later}).code
        == "INVALID_FIELD_FOR_INSERT_UPDATE"
    )


def test_upsert_by_external_id_creates_changes_and_lists_several(org: Org) -> None:
    created = org.patch("/sobjects/Account/Ext__c/a%2Fb".replace("%2F", "-"), {"Name": "One"})
    changed = org.patch("/sobjects/Account/Ext__c/A-B", {"Name": "Two"})

    assert (created.status, created.json["created"]) == (201, True)
    assert (changed.status, changed.json["created"], changed.json["id"]) == (200, False, created.json["id"])
    assert (
        org.send("PATCH", "/services/data/v45.0/sobjects/Account/Ext__c/A-B", body={"Name": "x"}).status
        == 204
    )
    assert org.patch("/sobjects/Account/Ext__c/new?updateOnly=true", {"Name": "x"}).status == 404
    assert org.patch("/sobjects/Account/Phone/1", {"Name": "x"}).status == 404
    assert org.patch("/sobjects/Account/Ext__c/c", {"Name": "x", "Ext__c": "c"}).code == "INVALID_FIELD"
    org.create("Account", Name="Twin", Ext__c="a-b")
    several = org.patch("/sobjects/Account/Ext__c/a-b", {"Name": "Three"})
    assert (several.status, len(several.json)) == (300, 2)
    assert "Three" not in {row["Name"] for row in org.rows("SELECT Name FROM Account")}


def test_unique_values_refuse_a_second_holder_whatever_its_case(org: Org) -> None:
    first = org.create("Account", Name="One", Tax__c="at1")

    twin = org.post("/sobjects/Account", {"Name": "Two", "Tax__c": "AT1"})
    assert twin.code == "DUPLICATE_VALUE"
    assert first[:15] in twin.json[0]["message"]
    org.delete(f"/sobjects/Account/{first}")
    assert org.create("Account", Name="Two", Tax__c="AT1")


def test_an_inactive_owner_is_refused_without_the_permission(org: Org) -> None:
    org.seed(
        {
            "records": {
                "User": [
                    {"Id": READER_USER, "Username": "gone@x.test", "LastName": "Gone", "IsActive": False}
                ]
            }
        }
    )

    assert (
        org.post("/sobjects/Account", {"Name": "x", "OwnerId": READER_USER}).code == "INACTIVE_OWNER_OR_USER"
    )
    org.vendor.settings["permissions"] = {"*": {"PermissionsUpdateWithInactiveOwner": True}}
    assert org.create("Account", Name="x", OwnerId=READER_USER)


def test_an_opportunity_takes_its_figures_from_its_stage(org: Org) -> None:
    id = org.create("Opportunity", Name="x", StageName="Needs Analysis", CloseDate="2026-05-06", Amount=200)
    org.patch(f"/sobjects/Opportunity/{id}", {"StageName": "Closed Won"})

    row = org.rows(
        "SELECT IsWon, IsClosed, Probability, ExpectedRevenue, FiscalQuarter, ForecastCategory "
        "FROM Opportunity"
    )[0]
    assert row == {
        "IsWon": True, "IsClosed": True, "Probability": 100.0, "ExpectedRevenue": 200.0, "FiscalQuarter": 2,
        "ForecastCategory": "Closed",
    }  # fmt: skip


def family(org: Org) -> dict[str, str]:
    account = org.create("Account", Name="Acme")
    contact = org.create("Contact", LastName="Berg", AccountId=account)
    deal = org.create(
        "Opportunity", Name="x", StageName="Closed Won", CloseDate="2026-05-06", AccountId=account
    )
    role = org.create("OpportunityContactRole", OpportunityId=deal, ContactId=contact, IsPrimary=True)
    child = org.create("Account", Name="Child", ParentId=account)
    return {"account": account, "contact": contact, "deal": deal, "role": role, "child": child}


def test_a_deletion_cascades_empties_lookups_and_comes_back_whole(org: Org) -> None:
    ids = family(org)
    org.delete(f"/sobjects/Account/{ids['account']}")

    assert [
        org.query(f"SELECT COUNT() FROM {name}").json["totalSize"]
        for name in ("Contact", "Opportunity", "OpportunityContactRole")
    ] == [0, 0, 0]
    assert org.rows("SELECT Name, ParentId FROM Account") == [{"Name": "Child", "ParentId": None}]
    org.act(do="undelete", object="Account", id=ids["account"])
    assert [
        org.query(f"SELECT COUNT() FROM {name}").json["totalSize"]
        for name in ("Contact", "Opportunity", "OpportunityContactRole")
    ] == [1, 1, 1]
    assert org.truth("Account")[ids["child"]]["ParentId"] is None
    with pytest.raises(ValueError, match="UNDELETE_FAILED"):
        org.act(do="undelete", object="Account", id=ids["account"])


def test_an_account_with_cases_is_not_deleted(org: Org) -> None:
    ids = family(org)
    org.create("Case", AccountId=ids["account"])

    assert org.delete(f"/sobjects/Account/{ids['account']}").code == "DELETE_FAILED"
    assert org.query("SELECT COUNT() FROM Account").json["totalSize"] == 2


def test_the_bin_is_emptied_after_15_days(org: Org) -> None:
    id = org.create("Account", Name="x")
    org.delete(f"/sobjects/Account/{id}")
    org.pass_time(15 * 86_400 + 7200)

    assert org.query("SELECT COUNT() FROM Account", all=True).json["totalSize"] == 0
    with pytest.raises(ValueError, match="UNDELETE_FAILED"):
        org.act(do="undelete", object="Account", id=id)


def test_a_merge_moves_children_and_names_the_winner(org: Org) -> None:
    ids = family(org)
    winner = org.create("Account", Name="Winner")
    org.act(do="merge", object="Account", master=winner, losers=[ids["account"]], fields={"Phone": "9"})

    truth = org.truth("Account")
    assert (truth[ids["account"]]["IsDeleted"], truth[ids["account"]]["MasterRecordId"]) == (True, winner)
    assert truth[winner]["Phone"] == "9"
    assert org.truth("Contact")[ids["contact"]]["AccountId"] == winner
    assert truth[ids["child"]]["ParentId"] == winner
    assert ("merge", "Account", ids["account"]) in org.log()
    assert org.get(f"/sobjects/Account/{ids['account']}").code == "ENTITY_IS_DELETED"


def test_an_acting_user_writes_under_its_own_id(org: Org) -> None:
    id = org.act(**{"as": "reader@sandbox.example"}, do="create", object="Account", fields={"Name": "x"})[
        "id"
    ]

    assert org.truth("Account")[id]["CreatedById"] == READER_USER
    actor = org.store.connection.execute("SELECT actor FROM _log").fetchone()[0]
    assert actor == READER_USER


def test_a_late_commit_becomes_visible_with_its_early_stamp(org: Org) -> None:
    org.act(do="create", object="Account", fields={"Name": "late"}, late=60)
    org.pass_time(30)
    early = org.create("Account", Name="early")
    assert [row["Name"] for row in org.rows("SELECT Name FROM Account")] == ["early"]
    org.pass_time(60)

    stamps = {
        row["Name"]: row["SystemModstamp"] for row in org.rows("SELECT Name, SystemModstamp FROM Account")
    }
    assert stamps["late"] < stamps["early"]
    assert org.truth("Account")[early]["Name"] == "early"


def test_stamps_never_run_backwards(org: Org) -> None:
    first = org.create("Account", Name="first")
    org.clock.set(offset=-3600)
    second = org.create("Account", Name="second")

    truth = org.truth("Account")
    assert truth[second]["SystemModstamp"] >= truth[first]["SystemModstamp"]


def window(**rest: str) -> dict[str, str]:
    return {"start": "2026-11-20T11:59:59+00:00", "end": "2026-11-20T12:03:59+00:00", **rest}


def test_changes_and_deletions_are_listed_by_minute(org: Org) -> None:
    kept, gone = org.create("Account", Name="kept"), org.create("Account", Name="gone")
    org.delete(f"/sobjects/Account/{gone}")
    org.pass_time(300)

    updated = org.get("/sobjects/Account/updated/", query=window()).json
    deleted = org.get("/sobjects/Account/deleted/", query=window()).json
    assert updated == {"ids": [kept], "latestDateCovered": "2026-11-20T12:03:00.000+0000"}
    assert [row["id"] for row in deleted["deletedRecords"]] == [gone]
    assert deleted["latestDateCovered"] == "2026-11-20T12:03:00.000+0000"
    for path, start in (("updated", "2026-10-01T00:00:00Z"), ("deleted", "2026-11-01T00:00:00Z")):
        refused = org.get(f"/sobjects/Account/{path}/", query=window(start=start))
        assert refused.code == "INVALID_REPLICATION_DATE"
    assert (
        org.get("/sobjects/Account/updated/", query=window(end="2026-11-20T11:59:59Z")).code
        == "INVALID_REPLICATION_DATE"
    )


def rows(*records: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"records": [{"attributes": {"type": "Account"}, **record} for record in records], **rest}


def codes(answer: Answer) -> list[str]:
    return ["" if row["success"] else row["errors"][0]["statusCode"] for row in answer.json]


def test_collections_answer_in_order_and_may_stand_or_fall_together(org: Org) -> None:
    mixed = org.post("/composite/sobjects", rows({"Name": "a"}, {"Phone": "1"}, {"Name": "c"}))
    together = org.post("/composite/sobjects", rows({"Name": "d"}, {"Phone": "1"}, allOrNone=True))

    assert codes(mixed) == ["", "REQUIRED_FIELD_MISSING", ""]
    assert codes(together) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert {row["Name"] for row in org.rows("SELECT Name FROM Account")} == {"a", "c"}
    ids = [row["id"] for row in mixed.json if row["success"]]
    changed = org.patch("/composite/sobjects", rows({"id": ids[0], "Phone": "2"}, {"id": mint("001", 99)}))
    assert codes(changed) == ["", "INVALID_CROSS_REFERENCE_KEY"]
    read = org.post("/composite/sobjects/Account", {"ids": [*ids, mint("001", 99)], "fields": ["Phone"]}).json
    assert [row and row["Phone"] for row in read] == ["2", None, None]
    upserted = org.patch(
        "/composite/sobjects/Account/Ext__c", rows({"Ext__c": "1", "Name": "u"}, {"Ext__c": "1", "Name": "v"})
    )
    assert [row["created"] for row in upserted.json] == [True, False]
    assert codes(org.delete("/composite/sobjects", query={"ids": ",".join(ids)})) == ["", ""]
    assert org.post("/composite/sobjects", rows(*[{"Name": "x"}] * 201)).status == 400


def test_a_fault_can_fail_single_rows(org: Org) -> None:
    answer = org.post("/composite/sobjects", rows({"Name": "a"}, {"Name": "b"}), partial=(1,))

    assert codes(answer) == ["", "UNABLE_TO_LOCK_ROW"]


def test_more_than_ten_runs_of_types_are_refused(org: Org) -> None:
    records = [{"attributes": {"type": kind}, "Name": "x"} for kind in ("Account", "Campaign") * 6]

    assert org.post("/composite/sobjects", {"records": records}).status == 400


def test_locked_parents_refuse_children_a_set_number_of_times(org: Org) -> None:
    account = org.create("Account", Name="hot")
    org.vendor.settings["row_locks"] = {account: 1}

    assert org.post("/sobjects/Contact", {"LastName": "x", "AccountId": account}).code == "UNABLE_TO_LOCK_ROW"
    assert org.create("Contact", LastName="x", AccountId=account)


def test_composite_passes_ids_on_and_rolls_back_together(org: Org) -> None:
    def request(reference: str, object: str, **fields: Any) -> dict[str, Any]:
        url = f"/services/data/v66.0/sobjects/{object}"
        return {"method": "POST", "url": url, "referenceId": reference, "body": fields}

    body = {
        "compositeRequest": [
            request("a", "Account", Name="A"),
            request("c", "Contact", LastName="L", AccountId="@{a.id}"),
        ]
    }
    done = org.post("/composite", body).json["compositeResponse"]
    assert [part["httpStatusCode"] for part in done] == [201, 201]
    assert org.rows("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "A"

    whole = {
        "allOrNone": True,
        "compositeRequest": [request("a", "Account", Name="B"), request("c", "Contact")],
    }
    halted = org.post("/composite", whole).json["compositeResponse"]
    assert [part["body"][0]["errorCode"] for part in halted] == [
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
    ]
    assert org.query("SELECT COUNT() FROM Account").json["totalSize"] == 1
    assert org.post("/composite", {"compositeRequest": [request("a", "Account")] * 26}).status == 400


def test_batch_tree_and_graph(org: Org) -> None:
    batch = org.post(
        "/composite/batch",
        {"batchRequests": [{"method": "GET", "url": "v66.0/limits"}, {"method": "GET", "url": "v66.0/no"}]},
    )
    assert [part["statusCode"] for part in batch.json["results"]] == [200, 404]
    people = {"records": [{"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "L"}]}
    tree = org.post(
        "/composite/tree/Account",
        {
            "records": [
                {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "T", "Contacts": people}
            ]
        },
    )
    assert (tree.status, [row["referenceId"] for row in tree.json["results"]]) == (201, ["a", "c"])
    assert org.rows("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "T"
    node = {
        "method": "POST",
        "url": "/services/data/v66.0/sobjects/Account",
        "referenceId": "n",
        "body": {"Name": "G"},
    }
    bad = {**node, "referenceId": "m", "body": {}}
    graph = org.post(
        "/composite/graph",
        {
            "graphs": [
                {"graphId": "1", "compositeRequest": [node]},
                {"graphId": "2", "compositeRequest": [node, bad]},
            ]
        },
    )
    assert [part["isSuccessful"] for part in graph.json["graphs"]] == [True, False]
    assert org.query("SELECT COUNT() FROM Account WHERE Name = 'G'").json["totalSize"] == 1


def test_org_rules_can_refuse(org: Org) -> None:
    org.vendor.settings["validation_rules"] = [
        {"object": "Account", "when": "Phone = null", "message": "Phone, please"}
    ]
    assert org.post("/sobjects/Account", {"Name": "x"}).json[0] == {
        "message": "Phone, please", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": [],
    }  # fmt: skip
    org.vendor.automations["duplicate_rules"] = True
    org.vendor.settings["duplicate_rules"] = [{"object": "Account", "fields": ["Name"], "action": "alert"}]
    org.create("Account", Name="x", Phone="1")
    assert org.post("/sobjects/Account", {"Name": "X", "Phone": "1"}).code == "DUPLICATES_DETECTED"
    allow = {"sforce-duplicate-rule-header": "allowSave=true"}
    assert org.post("/sobjects/Account", {"Name": "X", "Phone": "1"}, headers=allow).status == 201
    org.vendor.settings["storage_mb"] = 0.001
    assert org.post("/sobjects/Account", {"Name": "Y", "Phone": "1"}).code == "STORAGE_LIMIT_EXCEEDED"


def test_the_reader_reads_and_writes_nothing(org: Org) -> None:
    id = org.create("Account", Name="x")

    assert org.get(f"/sobjects/Account/{id}", token=READER_TOKEN).status == 200
    assert (
        org.patch(f"/sobjects/Account/{id}", {"Name": "y"}, token=READER_TOKEN).code
        == "INSUFFICIENT_ACCESS_OR_READONLY"
    )
    assert org.delete(f"/sobjects/Account/{id}", token=READER_TOKEN).code == "INSUFFICIENT_ACCESS_OR_READONLY"
    assert org.get("/sobjects", query={"_HttpMethod": "PUT"}).code == "METHOD_NOT_ALLOWED"


def test_record_types_narrow_restricted_lists(org: Org) -> None:
    kind = {"recordTypeId": mint("012", 1), "developerName": "Partner", "picklists": {"Tier__c": ["Gold"]}}
    tier = {
        "name": "Tier__c",
        "type": "picklist",
        "restrictedPicklist": True,
        "picklistValues": ["Gold", "Tin"],
    }
    org.seed(
        {
            "metadata": {"Account": {"fields": [tier], "recordTypes": [kind]}},
            "records": {
                "RecordType": [
                    {"Id": mint("012", 1), "Name": "P", "DeveloperName": "Partner", "SobjectType": "Account"}
                ]
            },
        }
    )

    assert org.create("Account", Name="x", Tier__c="Tin")
    refused = org.post("/sobjects/Account", {"Name": "x", "Tier__c": "Tin", "RecordTypeId": mint("012", 1)})
    assert refused.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_assignment_rules_give_an_owner_unless_the_header_says_no(org: Org) -> None:
    org.vendor.automations["assignment_rules"] = True
    org.vendor.settings["assignment"] = {"Lead": READER_USER}
    lead = {"LastName": "x", "Company": "c"}
    given = org.post("/sobjects/Lead", lead).json["id"]
    kept = org.post("/sobjects/Lead", lead, headers={"sforce-auto-assign": "FALSE"}).json["id"]

    truth = org.truth("Lead")
    assert (truth[given]["OwnerId"], truth[kept]["OwnerId"]) == (READER_USER, ADMIN_USER)


def test_ids_of_another_object_are_malformed_here(org: Org) -> None:
    assert org.get(f"/sobjects/Contact/{ADMIN_USER}").code == "MALFORMED_ID"
    assert org.patch(f"/sobjects/Contact/{ADMIN_USER}", {"LastName": "x"}).code == "MALFORMED_ID"


def test_changes_since_a_given_time_are_not_overwritten(org: Org) -> None:
    id = org.create("Account", Name="x")
    since = {"if-unmodified-since": "Fri, 20 Nov 2026 11:00:00 GMT"}

    assert org.patch(f"/sobjects/Account/{id}", {"Name": "y"}, headers=since).status == 412


def test_users_cannot_be_deleted(org: Org) -> None:
    assert org.delete(f"/sobjects/User/{READER_USER}").status == 405


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sobjects/Account", b"["),
        ("/sobjects/Account", []),
        ("/sobjects/Account", {"Name": {"a": 1}}),
        ("/composite/sobjects", {"records": [{"attributes": "x"}]}),
        ("/composite/sobjects", {"records": None}),
        ("/composite", {"compositeRequest": [{"url": 5}]}),
        ("/composite/tree/Account", {"records": [5]}),
    ],
)
def test_bodies_of_another_shape_are_parser_errors(org: Org, path: str, body: Any) -> None:
    assert org.post(path, body).code == "JSON_PARSER_ERROR"


def test_a_saved_org_comes_back_as_it_was(org: Org, tmp_path: Path) -> None:
    id = org.create("Account", Name="before")
    org.store.save(tmp_path / "copy.db")
    org.seed({"metadata": {"Account": {"fields": [{"name": "New__c"}]}}})
    org.patch(f"/sobjects/Account/{id}", {"Name": "after", "New__c": "n"})
    org.store.restore(tmp_path / "copy.db")
    org.vendor.reset()

    assert org.truth("Account")[id]["Name"] == "before"
    assert org.query("SELECT New__c FROM Account").code == "INVALID_FIELD"


def test_minted_ids_never_meet_seeded_ones(org: Org) -> None:
    org.seed({"records": {"Account": [{"Id": mint("001", n), "Name": str(n)} for n in (1, 2, 9)]}})

    assert org.create("Account", Name="new") == mint("001", 10)


@pytest.mark.parametrize(
    "document",
    [
        {"records": {"Nope": [{}]}},
        {"records": {"Account": [{"Nope": 1}]}},
        {"records": {"Account": [{"Id": mint("003", 1), "Name": "x"}]}},
        {"tokens": [{"token": "t", "user": "nobody"}]},
    ],
)
def test_a_wrong_seed_says_what_is_wrong(org: Org, document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="`"):
        org.seed(document)
