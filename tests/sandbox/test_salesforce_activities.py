"""Do tasks, events, e-mails and histories behave in the simulated org as the vendor says?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrate.sandbox.salesforce.seed import ADMIN_USER, READER_USER
from tests.sandbox.salesforce_org import READER_TOKEN, Org

AUDITED = {"*": {"PermissionsCreateAuditFields": True}}
OLD = "2019-01-02T03:04:05.000+0000"


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path) as org:
        yield org


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Org]:
    with Org(tmp_path, shared_activities=True) as org:
        yield org


def people(org: Org) -> dict[str, str]:
    """An account with two contacts, a deal, a case and a lead: ids by short names."""
    account = org.create("Account", Name="Acme")
    return {
        "account": account,
        "ann": org.create("Contact", LastName="Ann", Email="ann@a.test", AccountId=account),
        "bob": org.create("Contact", LastName="Bob", Email="bob@a.test"),
        "lead": org.create("Lead", LastName="Lee", Company="L"),
        "deal": org.create(
            "Opportunity", Name="Deal", StageName="Prospecting", CloseDate="2026-12-01", AccountId=account
        ),
        "case": org.create("Case", Subject="Broken"),
    }


def read(org: Org, object: str, id: str) -> dict[str, Any]:
    found: dict[str, Any] = org.get(f"/sobjects/{object}/{id}").json
    return found


# tasks and events


def test_a_task_is_about_somebody_and_something_and_knows_their_account(org: Org) -> None:
    them = people(org)
    call = org.create(
        "Task",
        WhoId=them["ann"],
        WhatId=them["deal"],
        Subject="Call",
        TaskSubtype="Call",
        Status="Completed",
        CallType="Outbound",
        CallDisposition="Left voicemail",
        CallDurationInSeconds=62,
        CallObject="c-1",
        ActivityDate="2026-11-19",
    )
    other = org.create("Task", WhoId=them["ann"], WhatId=them["case"])

    task = read(org, "Task", call)
    assert (task["IsClosed"], task["AccountId"]) == (True, them["account"])
    assert (task["CallDisposition"], task["CallDurationInSeconds"], task["CallObject"]) == (
        "Left voicemail",
        62,
        "c-1",
    )
    assert task["CompletedDateTime"] == task["CreatedDate"]
    assert read(org, "Task", other)["AccountId"] == them["account"]
    row = org.rows(
        "SELECT Who.Type, Who.Name, What.Type, What.Name, TYPEOF What WHEN Opportunity THEN StageName END "
        f"FROM Task WHERE Id = '{call}'"
    )[0]
    assert (row["Who"]["Type"], row["Who"]["Name"], row["What"]["StageName"]) == (
        "Contact",
        "Ann",
        "Prospecting",
    )
    assert org.post("/sobjects/Task", {"WhoId": them["account"]}).code == "MALFORMED_ID"
    assert org.patch(f"/sobjects/Task/{call}", {"IsClosed": False}).code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    org.patch(f"/sobjects/Task/{call}", {"Status": "In Progress"})
    assert read(org, "Task", call)["CompletedDateTime"] is None


def test_a_task_about_somebody_keeps_its_given_creation_but_not_its_given_change(tmp_path: Path) -> None:
    with Org(tmp_path, permissions=AUDITED) as org:
        them = people(org)
        audit = {"CreatedDate": OLD, "LastModifiedDate": OLD, "LastModifiedById": READER_USER}
        alone = read(org, "Task", org.create("Task", Subject="Alone", **audit))
        about = read(org, "Task", org.create("Task", Subject="About", WhoId=them["ann"], **audit))

        assert (alone["CreatedDate"], alone["LastModifiedDate"], alone["LastModifiedById"]) == (
            OLD,
            OLD,
            READER_USER,
        )
        assert about["CreatedDate"] == OLD
        assert (about["LastModifiedDate"], about["LastModifiedById"]) == (about["SystemModstamp"], ADMIN_USER)
        again = org.patch(f"/sobjects/Task/{about['Id']}", {"CreatedDate": OLD})
        assert again.code == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_custom_objects_can_be_what_an_activity_or_a_file_is_about(org: Org) -> None:
    org.seed({"metadata": {"Visit__c": {"fields": []}}})
    visit = org.create("Visit__c", Name="First")

    task = org.create("Task", WhatId=visit)
    org.create("Attachment", ParentId=visit, Name="a", Body="aGk=")
    assert org.rows(f"SELECT What.Type FROM Task WHERE Id = '{task}'")[0]["What"]["Type"] == "Visit__c"
    org.delete(f"/sobjects/Visit__c/{visit}")
    assert org.rows("SELECT Id FROM Task") == org.rows("SELECT Id FROM Attachment") == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"StartDateTime": "2026-11-20T10:00:00Z", "DurationInMinutes": 90},
            ("2026-11-20T10:00:00.000+0000", "2026-11-20T11:30:00.000+0000", 90, "2026-11-20"),
        ),
        (
            {"ActivityDateTime": "2026-11-20T10:00:00Z", "EndDateTime": "2026-11-21T10:00:00Z"},
            ("2026-11-20T10:00:00.000+0000", "2026-11-21T10:00:00.000+0000", 1440, "2026-11-20"),
        ),
        (
            {"IsAllDayEvent": True, "ActivityDate": "2026-11-20"},
            ("2026-11-20T00:00:00.000+0000", "2026-11-20T00:00:00.000+0000", 1440, "2026-11-20"),
        ),
        (
            {"IsAllDayEvent": True, "StartDateTime": "2026-11-20", "EndDateTime": "2026-11-22"},
            ("2026-11-20T00:00:00.000+0000", "2026-11-22T00:00:00.000+0000", 4320, "2026-11-20"),
        ),
    ],
)
def test_an_events_times_follow_from_each_other(
    org: Org, given: dict[str, Any], expected: tuple[str, str, int, str]
) -> None:
    event = read(org, "Event", org.create("Event", Subject="Meeting", **given))

    found = tuple(
        event[name] for name in ("StartDateTime", "EndDateTime", "DurationInMinutes", "ActivityDate")
    )
    assert found == expected
    assert event["ActivityDateTime"] == event["StartDateTime"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "REQUIRED_FIELD_MISSING"),
        ({"StartDateTime": "2026-11-20T10:00:00Z"}, "REQUIRED_FIELD_MISSING"),
        (
            {"StartDateTime": "2026-11-20T10:00:00Z", "DurationInMinutes": 14 * 1440 + 1},
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            {"StartDateTime": "2026-11-20T10:00:00Z", "EndDateTime": "2026-11-20T09:00:00Z"},
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            {
                "StartDateTime": "2026-11-20T10:00:00Z",
                "ActivityDateTime": "2026-11-20T11:00:00Z",
                "DurationInMinutes": 5,
            },
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        ({"IsArchived": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_an_event_whose_times_dont_fit_is_refused(org: Org, given: dict[str, Any], code: str) -> None:
    assert org.post("/sobjects/Event", {"Subject": "x", **given}).code == code


def test_an_event_that_moves_keeps_its_duration(org: Org) -> None:
    id = org.create("Event", StartDateTime="2026-11-20T10:00:00Z", DurationInMinutes=30)
    org.patch(f"/sobjects/Event/{id}", {"StartDateTime": "2026-12-01T09:00:00Z"})

    event = read(org, "Event", id)
    assert (event["EndDateTime"], event["DurationInMinutes"]) == ("2026-12-01T09:30:00.000+0000", 30)
    org.patch(f"/sobjects/Event/{id}", {"EndDateTime": "2026-12-01T10:00:00Z"})
    assert read(org, "Event", id)["DurationInMinutes"] == 60


@pytest.mark.parametrize(
    ("pattern", "days"),
    [
        (
            {"RecurrenceType": "RecursDaily", "RecurrenceInterval": 10},
            ["2026-12-01", "2026-12-11", "2026-12-21"],
        ),
        (
            {"RecurrenceType": "RecursWeekly", "RecurrenceInterval": 2, "RecurrenceDayOfWeekMask": 2 + 32},
            ["2026-12-04", "2026-12-14", "2026-12-18"],
        ),
        (
            {"RecurrenceType": "RecursMonthly", "RecurrenceInterval": 1, "RecurrenceDayOfMonth": 15},
            ["2026-12-15"],
        ),
        (
            {
                "RecurrenceType": "RecursYearlyNth",
                "RecurrenceDayOfWeekMask": 4,
                "RecurrenceInstance": "Last",
                "RecurrenceMonthOfYear": "December",
            },
            [],
        ),
        (
            {
                "RecurrenceType": "RecursMonthlyNth",
                "RecurrenceInterval": 1,
                "RecurrenceDayOfWeekMask": 4,
                "RecurrenceInstance": "Third",
            },
            ["2026-12-15"],
        ),
    ],
)
def test_a_recurring_task_makes_its_occurrences(org: Org, pattern: dict[str, Any], days: list[str]) -> None:
    span = {"RecurrenceStartDateOnly": "2026-12-01", "RecurrenceEndDateOnly": "2026-12-25"}
    them = people(org)
    series = org.create("Task", Subject="Check", WhoId=them["ann"], IsRecurrence=True, **span, **pattern)

    rows = org.rows(
        "SELECT ActivityDate, Subject, WhoId, IsRecurrence FROM Task "
        f"WHERE RecurrenceActivityId = '{series}' ORDER BY ActivityDate"
    )
    assert [row["ActivityDate"] for row in rows] == days
    for row in rows:
        assert (row["Subject"], row["WhoId"], row["IsRecurrence"]) == ("Check", them["ann"], False)
    assert read(org, "Task", series)["ActivityDate"] is None


def test_a_recurring_event_has_its_hour_and_a_pattern_must_be_whole(org: Org) -> None:
    span = {"RecurrenceStartDateTime": "2026-11-30T08:00:00Z", "RecurrenceEndDateOnly": "2026-12-06"}
    weekdays = {"RecurrenceType": "RecursEveryWeekday", "RecurrenceDayOfWeekMask": 62}
    series = org.create(
        "Event", Subject="Stand-up", DurationInMinutes=15, IsRecurrence=True, **span, **weekdays
    )

    rows = org.rows(f"SELECT StartDateTime, EndDateTime FROM Event WHERE RecurrenceActivityId = '{series}'")
    assert len(rows) == 5
    assert rows[0] == {
        "StartDateTime": "2026-11-30T08:00:00.000+0000",
        "EndDateTime": "2026-11-30T08:15:00.000+0000",
    }
    answer = org.post("/sobjects/Event", {"IsRecurrence": True, **span, "RecurrenceType": "RecursDaily"})
    assert answer.code == "REQUIRED_FIELD_MISSING"
    assert answer.json[0]["fields"] == ["RecurrenceInterval", "DurationInMinutes"]


def test_old_activities_are_archived_overnight_where_that_is_switched_on(org: Org) -> None:
    old = {"ActivityDate": "2025-10-01"}
    done = org.create("Task", Subject="Done", Status="Completed", **old)
    open_ = org.create("Task", Subject="Open", **old)
    met = org.create("Event", StartDateTime="2025-10-01T10:00:00Z", DurationInMinutes=5)
    assert len(org.rows("SELECT Id FROM Task")) == 2

    org.vendor.automations["archive_activities"] = True
    org.pass_time(86_400)

    assert [row["Id"] for row in org.rows("SELECT Id FROM Task")] == [open_]
    assert org.rows("SELECT Id FROM Event") == []
    everything = org.rows("SELECT Id, IsArchived FROM Task", all=True)
    assert {row["Id"]: row["IsArchived"] for row in everything} == {done: True, open_: False}
    assert org.rows(f"SELECT IsArchived FROM Event WHERE Id = '{met}'", all=True) == [{"IsArchived": True}]
    assert read(org, "Task", done)["IsArchived"] is True


# shared activities


def test_an_org_that_shares_no_activities_has_invitees_alone(org: Org) -> None:
    them = people(org)
    event = org.create("Event", StartDateTime="2026-11-20T10:00:00Z", DurationInMinutes=5, WhoId=them["ann"])

    assert org.query("SELECT Id FROM TaskRelation").code == "INVALID_TYPE"
    assert org.post("/sobjects/Task", {"TaskWhoIds": [them["ann"]]}).code == "INVALID_FIELD"
    assert org.rows("SELECT Id FROM EventRelation") == []
    assert org.query("SELECT IsParent FROM EventRelation").code == "INVALID_FIELD"
    org.create("EventRelation", EventId=event, RelationId=READER_USER, Status="Accepted")
    row = org.rows("SELECT RelationId, Status, IsInvitee, Relation.Type FROM EventRelation")[0]
    assert (row["RelationId"], row["Status"], row["IsInvitee"]) == (READER_USER, "Accepted", True)
    assert row["Relation"]["Type"] == "User"
    assert read(org, "Event", event)["IsGroupEvent"] is True


def test_shared_tasks_have_a_relation_for_each_person_and_the_thing(shared: Org) -> None:
    them = people(shared)
    task = shared.create("Task", TaskWhoIds=[them["bob"], them["ann"]], WhatId=them["deal"])

    assert read(shared, "Task", task)["WhoId"] == them["bob"]
    soql = f"SELECT RelationId, IsWhat, AccountId FROM TaskRelation WHERE TaskId = '{task}'"
    found = {row["RelationId"]: (row["IsWhat"], row["AccountId"]) for row in shared.rows(soql)}
    assert found == {
        them["bob"]: (False, None),
        them["ann"]: (False, them["account"]),
        them["deal"]: (True, them["account"]),
    }
    nested = shared.rows(f"SELECT (SELECT RelationId FROM TaskRelations) FROM Task WHERE Id = '{task}'")
    assert nested[0]["TaskRelations"]["totalSize"] == 3

    shared.patch(f"/sobjects/Task/{task}", {"TaskWhoIds": [them["ann"]]})
    assert read(shared, "Task", task)["WhoId"] == them["ann"]
    assert {row["RelationId"] for row in shared.rows(soql)} == {them["ann"], them["deal"]}


def test_a_relation_gives_a_task_its_person_and_its_deletion_promotes_the_next(shared: Org) -> None:
    them = people(shared)
    task = shared.create("Task", Subject="x")
    first = shared.create("TaskRelation", TaskId=task, RelationId=them["ann"])
    shared.create("TaskRelation", TaskId=task, RelationId=them["bob"])

    assert read(shared, "Task", task)["WhoId"] == them["ann"]
    again = shared.post("/sobjects/TaskRelation", {"TaskId": task, "RelationId": them["ann"]})
    assert again.code == "DUPLICATE_VALUE"
    lead = shared.post("/sobjects/TaskRelation", {"TaskId": task, "RelationId": them["lead"]})
    assert lead.code == "LIMIT_EXCEEDED"
    assert shared.delete(f"/sobjects/TaskRelation/{first}").status == 204
    assert read(shared, "Task", task)["WhoId"] == them["bob"]
    shared.delete(f"/sobjects/Task/{task}")
    assert shared.rows("SELECT Id FROM TaskRelation") == []


def test_an_activity_has_at_most_fifty_contacts(shared: Org) -> None:
    shared.seed({"records": {"Contact": [{"LastName": f"C{n}"} for n in range(51)]}})
    ids = [row["Id"] for row in shared.rows("SELECT Id FROM Contact")]

    assert shared.post("/sobjects/Task", {"TaskWhoIds": ids}).code == "LIMIT_EXCEEDED"
    assert shared.truth("Task") == {}
    assert shared.post("/sobjects/Task", {"TaskWhoIds": ids[:50]}).status == 201


# e-mails


def email(org: Org, **fields: Any) -> dict[str, Any]:
    given = {
        "Subject": "Offer",
        "TextBody": "Dear Ann",
        "HtmlBody": "<p>Dear Ann</p>",
        "FromAddress": "me@us.test",
        "FromName": "Me",
        "ToAddress": "ann@a.test; team@a.test",
        "Headers": "X-A: 1",
        "Status": "3",
        "MessageDate": "2020-05-06T07:08:09Z",
        "MessageIdentifier": "<m1@us.test>",
        "ThreadIdentifier": "<t1@us.test>",
    }
    return read(org, "EmailMessage", org.create("EmailMessage", **(given | fields)))


def test_a_message_outside_cases_makes_a_task_of_today(tmp_path: Path) -> None:
    with Org(tmp_path, permissions=AUDITED) as org:
        them = people(org)
        sent = email(org, RelatedToId=them["deal"], ToIds=[them["ann"]], CreatedDate=OLD)
        task = read(org, "Task", sent["ActivityId"])

        assert sent["CreatedDate"] == OLD
        assert (task["Subject"], task["TaskSubtype"], task["Status"]) == (
            "Email: Offer",
            "Email",
            "Completed",
        )
        assert (task["WhoId"], task["WhatId"], task["AccountId"]) == (
            them["ann"],
            them["deal"],
            them["account"],
        )
        assert (task["Description"], task["ActivityDate"]) == ("Dear Ann", "2020-05-06")
        assert task["CreatedDate"] == task["SystemModstamp"] > OLD
        assert (sent["HtmlBody"], sent["Headers"]) == ("<p>Dear Ann</p>", "X-A: 1")
        assert (sent["MessageIdentifier"], sent["ThreadIdentifier"]) == ("<m1@us.test>", "<t1@us.test>")
        assert len(org.rows("SELECT Id FROM Task")) == 1


def test_a_message_of_a_case_makes_no_task_and_takes_a_given_one(org: Org) -> None:
    them = people(org)
    task = org.create("Task", WhatId=them["case"])

    assert email(org, ParentId=them["case"])["ActivityId"] is None
    assert email(org, ParentId=them["case"], ActivityId=task)["ActivityId"] == task
    elsewhere = org.post("/sobjects/EmailMessage", {"RelatedToId": them["deal"], "ActivityId": task})
    assert (elsewhere.status, elsewhere.code) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert len(org.rows("SELECT Id FROM Task")) == 1


def test_without_enhanced_email_no_task_is_made(tmp_path: Path) -> None:
    with Org(tmp_path, enhanced_email=False) as org:
        assert email(org)["ActivityId"] is None


def test_addresses_and_lists_of_ids_become_relations(org: Org) -> None:
    them = people(org)
    sent = email(org, ToIds=[them["ann"], READER_USER], CcIds=[them["lead"]], BccAddress="b@a.test")

    rows = org.rows(
        "SELECT RelationType, RelationId, RelationAddress, RelationObjectType FROM EmailMessageRelation "
        f"WHERE EmailMessageId = '{sent['Id']}'"
    )
    assert sorted(
        (r["RelationType"], r["RelationAddress"] or "", r["RelationObjectType"] or "") for r in rows
    ) == [
        ("BccAddress", "b@a.test", ""),
        ("CcAddress", "", "Lead"),
        ("FromAddress", "me@us.test", ""),
        ("ToAddress", "ann@a.test", ""),
        ("ToAddress", "ann@a.test", "Contact"),
        ("ToAddress", "reader@sandbox.example", "User"),
        ("ToAddress", "team@a.test", ""),
    ]
    bad = org.post("/sobjects/EmailMessage", {"ToIds": [them["account"]]})
    assert bad.code == "MALFORMED_ID"
    assert org.post("/sobjects/EmailMessage", {"ToIds": them["ann"]}).code == "JSON_PARSER_ERROR"
    relation = org.create(
        "EmailMessageRelation", EmailMessageId=sent["Id"], RelationId=them["bob"], RelationType="FromAddress"
    )
    assert read(org, "EmailMessageRelation", relation)["RelationAddress"] == "bob@a.test"


def test_a_sent_message_is_closed_but_for_its_visibility_and_custom_fields(org: Org) -> None:
    org.seed({"metadata": {"EmailMessage": {"fields": [{"name": "Key__c", "type": "string"}]}}})
    sent = email(org)
    path = f"/sobjects/EmailMessage/{sent['Id']}"

    for change in ({"Subject": "x"}, {"HtmlBody": "x"}, {"Status": "5"}, {"ToAddress": "x@a.test"}):
        answer = org.patch(path, change)
        assert (answer.status, answer.code) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert org.patch(path, {"IsExternallyVisible": True, "Key__c": "k"}).status == 204
    new = f"/sobjects/EmailMessage/{email(org, Status='0')['Id']}"
    assert org.patch(new, {"Status": "2"}).code == "INSUFFICIENT_ACCESS_OR_READONLY"
    assert org.patch(new, {"Status": "1"}).status == 204


def test_a_draft_is_changed_at_will_and_its_relations_follow(org: Org) -> None:
    them = people(org)
    draft = email(org, Status="5", ToIds=[them["ann"]], ToAddress="a@a.test")
    path = f"/sobjects/EmailMessage/{draft['Id']}"

    assert org.patch(path, {"Subject": "New", "ToAddress": "b@a.test", "ToIds": [them["bob"]]}).status == 204
    soql = f"SELECT RelationAddress FROM EmailMessageRelation WHERE EmailMessageId = '{draft['Id']}'"
    found = sorted(row["RelationAddress"] for row in org.rows(soql + " AND RelationType = 'ToAddress'"))
    assert found == ["b@a.test", "bob@a.test"]
    assert read(org, "Task", draft["ActivityId"])["Status"] == "Not Started"


def test_files_hang_on_messages(org: Org) -> None:
    sent = email(org)
    managed = email(org, IsClientManaged=True)
    body = {"PathOnClient": "a.txt", "VersionData": "aGk="}
    made = org.create("ContentVersion", **body)
    document = read(org, "ContentVersion", made)["ContentDocumentId"]

    org.create("Attachment", ParentId=sent["Id"], Name="a.txt", Body="aGk=")
    link = {"ContentDocumentId": document, "ShareType": "V"}
    refused = org.post("/sobjects/ContentDocumentLink", {**link, "LinkedEntityId": sent["Id"]})
    assert refused.code == "INSUFFICIENT_ACCESS_OR_READONLY"
    org.create("ContentDocumentLink", **link, LinkedEntityId=managed["Id"])

    rows = org.rows("SELECT HasAttachment FROM EmailMessage")
    assert rows == [{"HasAttachment": True}, {"HasAttachment": True}]
    org.delete(f"/sobjects/EmailMessage/{sent['Id']}")
    assert org.rows("SELECT Id FROM Attachment") == []
    assert len(org.rows("SELECT Id FROM EmailMessageRelation")) == 3


def test_bodies_end_at_131072_characters(org: Org) -> None:
    assert len(email(org, HtmlBody="x" * 131_072)["HtmlBody"]) == 131_072
    assert org.post("/sobjects/EmailMessage", {"HtmlBody": "x" * 131_073}).code == "STRING_TOO_LONG"
    assert org.post("/sobjects/EmailMessage", {"FromAddress": "nobody"}).code == "INVALID_EMAIL_ADDRESS"
    assert (
        org.post("/sobjects/EmailMessage", {"Status": "9"}).code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )


# histories


def test_an_opportunitys_stages_have_a_history(org: Org) -> None:
    deal = org.create(
        "Opportunity", Name="Deal", StageName="Prospecting", CloseDate="2026-12-01", Amount=1000.5
    )
    org.patch(f"/sobjects/Opportunity/{deal}", {"StageName": "Closed Won", "Amount": 1200})
    org.patch(f"/sobjects/Opportunity/{deal}", {"NextStep": "none"})

    rows = org.rows(
        "SELECT StageName, Amount, Probability, CloseDate, PrevAmount, CreatedById FROM OpportunityHistory "
        f"WHERE OpportunityId = '{deal}' ORDER BY CreatedDate, Id"
    )
    assert rows == [
        {
            "StageName": "Prospecting", "Amount": 1000.5, "Probability": 10.0, "CloseDate": "2026-12-01",
            "PrevAmount": None, "CreatedById": ADMIN_USER,
        },
        {
            "StageName": "Closed Won", "Amount": 1200.0, "Probability": 100.0, "CloseDate": "2026-12-01",
            "PrevAmount": 1000.5, "CreatedById": ADMIN_USER,
        },
    ]  # fmt: skip
    nested = org.rows("SELECT (SELECT StageName FROM OpportunityHistories) FROM Opportunity")
    assert nested[0]["OpportunityHistories"]["totalSize"] == 2


def test_tracked_fields_leave_rows_of_their_changes(tmp_path: Path) -> None:
    tracked = {"Account": ["Name", "AnnualRevenue", "OwnerId", "Description"], "Contact": ["Email"]}
    with Org(tmp_path, tracked_fields=tracked) as org:
        account = org.create("Account", Name="Acme", AnnualRevenue=5)
        org.patch(
            f"/sobjects/Account/{account}", {"Name": "Acme 2", "AnnualRevenue": 1_000_000, "Phone": "1"}
        )
        org.patch(f"/sobjects/Account/{account}", {"OwnerId": READER_USER, "Description": "long"})

        soql = (
            f"SELECT Field, OldValue, NewValue FROM AccountHistory WHERE AccountId = '{account}' ORDER BY Id"
        )
        assert [(row["Field"], row["OldValue"], row["NewValue"]) for row in org.rows(soql)] == [
            ("created", None, None),
            ("Name", "Acme", "Acme 2"),
            ("AnnualRevenue", 5, 1_000_000),
            ("Owner", "Sandbox Admin", "Sandbox Reader"),
            ("Owner", ADMIN_USER, READER_USER),
            ("Description", None, None),
        ]
        contact = org.create("Contact", LastName="Ann", AccountId=account)
        org.patch(f"/sobjects/Contact/{contact}", {"Email": "a@a.test"})
        assert len(org.rows("SELECT Id FROM ContactHistory")) == 2
        nested = org.rows("SELECT (SELECT Field FROM Histories) FROM Account")
        assert nested[0]["Histories"]["totalSize"] == 6
        assert org.query("SELECT Id FROM AccountHistory WHERE NewValue = 'x'").code == "INVALID_FIELD"
        org.delete(f"/sobjects/Account/{account}")
        assert org.rows("SELECT Id FROM AccountHistory") == org.rows("SELECT Id FROM ContactHistory") == []


def test_histories_can_be_seeded_and_read_but_never_written(org: Org) -> None:
    them = people(org)
    org.seed(
        {
            "records": {
                "OpportunityFieldHistory": [
                    {
                        "OpportunityId": them["deal"],
                        "Field": "Amount",
                        "DataType": "Currency",
                        "OldValue": "1",
                        "NewValue": "2",
                        "CreatedDate": "2020-01-01T00:00:00Z",
                        "CreatedById": READER_USER,
                    }
                ]
            }
        }
    )
    row = org.rows("SELECT Id, CreatedDate, CreatedBy.Name, NewValue FROM OpportunityFieldHistory")[0]
    assert (row["CreatedDate"], row["CreatedBy"]["Name"]) == (
        "2020-01-01T00:00:00.000+0000",
        "Sandbox Reader",
    )
    for object in ("OpportunityFieldHistory", "OpportunityHistory", "AccountHistory", "ContactHistory"):
        body = {"Field": "Name"}
        assert org.post(f"/sobjects/{object}", body).code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        described = org.get(f"/sobjects/{object}/describe").json
        assert (described["createable"], described["updateable"], described["deletable"]) == (
            False,
            False,
            False,
        )
        assert described["keyPrefix"] is None
        job = org.post("/jobs/ingest", {"object": object, "operation": "insert"})
        assert job.json[0]["message"] == f"InvalidJob : No create/update access for object:{object}"
    path = f"/sobjects/OpportunityFieldHistory/{row['Id']}"
    assert org.patch(path, {"NewValue": "3"}).code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    assert org.delete(path).code == "CANNOT_DELETE_ENTITY"
    assert org.get(path, token=READER_TOKEN).status == 200


def test_bulk_queries_read_activities_messages_and_histories(org: Org) -> None:
    them = people(org)
    email(org, RelatedToId=them["deal"], TextBody='said "hi"\nleft')
    org.vendor.settings["tracked_fields"] = {"Account": ["Name"]}
    org.patch(f"/sobjects/Account/{them['account']}", {"Name": "New"})

    def bulk(soql: str) -> str:
        job = org.post("/jobs/query", {"operation": "query", "query": soql}).json["id"]
        org.pass_time(10)
        return org.get(f"/jobs/query/{job}/results").text

    assert bulk("SELECT Subject, TextBody FROM EmailMessage") == (
        '"Subject","TextBody"\n"Offer","said ""hi""\nleft"\n'
    )
    assert bulk("SELECT Field, OldValue, NewValue FROM AccountHistory") == (
        '"Field","OldValue","NewValue"\n"Name","Acme","New"\n'
    )
    assert bulk("SELECT Subject, Who.Type FROM Task").splitlines()[1] == '"Email: Offer",""'
