"""What is the worst that an old org holds? Each trap once or a few times, made up from one seed number.

Texts that break encoders and spreadsheets, numbers that no float holds, days before 1970 and instants in the
gaps of summer time, rings and self-references, children whose parents are gone, bodies and files at the
vendor's limits, one file on fifty records. All of it is legal in a Salesforce org, or once was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from migrate.demo.shape import Row, picklist, stamp, user
from migrate.sandbox.salesforce.ids import mint

TEXTS: dict[str, str] = {
    "emoji": "Family \U0001f469\u200d\U0001f469\u200d\U0001f467 & flag \U0001f1e9\U0001f1ea",
    "right-to-left": "שלום עולם \u200f(ABC)\u200e مرحبا",
    "line ends": "first\r\nsecond\nthird\rfourth",
    "four bytes": "\U00020000\U0002a6d6 \U0001d54a\U0001d560",
    "combining": "Zoe\u0308 A\u030angstro\u0308m n\u0303",
    "precomposed": "Zoë Ångström ñ",
    "formula": "=HYPERLINK(\"http://example.com\",\"x\")",
    "formula plus": "+49 (0)30 123456",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "leading zeros": "0007",
    "looks like a number": "9007199254740993",
    "looks like a float": "1e5",
    "looks like null": "NULL",
    "looks like not a number": "NaN",
    "looks like a date": "2021-03-28",
    "quotes": "\"double\" 'single' `back` \\ back\\slash",
    "separators": "a,b;c\td|e",
    "markup": "<b>bold</b> &amp; <script>alert(1)</script> ]]>",
    "placeholders": "{{contact.firstname}} {0} %s ${x} #N/A",
    "invisible": "zero\u200bwidth\u00a0no-break\u2060joiner",
    "long": "x" * 240 + "ÄÖÜ\U0001f600",
    "sql": "Robert'); DROP TABLE Students;--",
    "case": "ǅ İıIi ßSS",
}  # fmt: skip
NUMBERS = (
    "9007199254740993", "-9007199254740993", "0", "-1", "1",
    "123456789012345678", "999999999999999999", "-999999999999999999",
)  # fmt: skip
DECIMALS = (
    "12345678901234.5678", "-12345678901234.5678", "0.0001", "-0.0001", "99999999999999.9999", "0.1", "1.10",
)  # fmt: skip
DATES = ("1899-12-31", "1900-02-28", "1969-12-31", "1970-01-01", "2000-02-29", "2038-01-20", "3999-12-31")
# Inside the hour that summer time skips, or doubles, somewhere; and where clocks of old computers end.
MOMENTS = (
    "1901-12-13T20:45:51.000Z", "1969-12-31T23:59:59.000Z", "1970-01-01T00:00:00.000Z",
    "2021-03-28T01:30:00.000Z", "2021-10-31T00:30:00.000Z", "2021-10-31T01:30:00.000Z",
    "2021-03-14T10:30:00.000Z", "2011-12-30T12:00:00.000Z", "2038-01-19T03:14:08.000Z",
)  # fmt: skip
FILE_NAMES = (
    "plain.pdf", "ünïcödé 漢字.txt", "\U0001f4ce paper clip.png", "path/with/slashes.doc", "back\\slash.xls",
    "..", "con.txt", "trailing dot.", "quote\"s and 'apostrophes'.csv", "עברית.docx", "no extension",
    "a" * 250 + ".txt",
)  # fmt: skip
LONG_BODY = 130_000
BIG_FILE = 40_000_000
SHARED_BY = 50  # records with the same file
FAMILIES = ("Hardware", "Software", "Service ", "Services", "Vintage")  # as drifted as in life
_PREFIXES = {
    "User": "005", "Account": "001", "Contact": "003", "Opportunity": "006", "Task": "00T", "Event": "00U",
    "EmailMessage": "02s", "Attachment": "00P", "ContentDocument": "069", "ContentVersion": "068",
    "ContentDocumentLink": "06A", "Region__c": "aN1", "Visit__c": "aN2", "Member__c": "aN3",
}  # fmt: skip
_FIRST = 70_000_000


def _id(object: str, number: int) -> str:
    return mint(_PREFIXES[object], _FIRST + number)


# What no form would let anybody enter: the account that closes the ring of parents, and one of itself.
RING = frozenset({_id("Account", 2)})
ITSELF = frozenset({_id("Account", 3)})


def _cycled(values: tuple[str, ...], number: int) -> str:
    return values[number % len(values)]


def nasty() -> dict[str, Any]:
    """A seed document for the Salesforce sandbox."""
    texts = list(TEXTS.values())
    accounts = list(_accounts(texts))
    contacts = list(_contacts(texts, len(accounts)))
    return {
        "org": {"Name": "Nasty \U0001f480 & Sons"},
        "metadata": _metadata(),
        "records": {
            "User": _users(),
            "Region__c": list(_regions()),
            "Account": accounts,
            "Contact": contacts,
            "Opportunity": list(_opportunities(texts, len(accounts))),
            "Visit__c": list(_visits(texts, len(accounts))),
            "Member__c": list(_members(len(contacts))),
            "Task": list(_tasks(texts, len(contacts), len(accounts))),
            "Event": list(_events(texts, len(contacts), len(accounts))),
            "EmailMessage": list(_emails(texts, len(accounts))),
            "Attachment": list(_attachments(len(accounts))),
            **_content(len(accounts), len(contacts)),
        },
    }


def _metadata() -> dict[str, Any]:
    """Custom fields and objects: every kind of field, a ring of references, and a junction."""
    number = {"type": "double", "precision": 18, "scale": 0}
    return {
        "Account": {"fields": [
            {"name": "Big_Number__c", "label": "Big number", **number},
            {"name": "Fine_Number__c", "label": "Fine number", "type": "double", "precision": 18, "scale": 4},
            {"name": "Code__c", "label": "Code", "type": "string", "length": 80},
            {"name": "Founded__c", "label": "Founded", "type": "date"},
            {"name": "Last_Seen__c", "label": "Last seen", "type": "datetime"},
            {"name": "Notes__c", "label": "Notes", "type": "textarea", "length": 131072},
            picklist("Family__c", FAMILIES, "Family", inactive=("Vintage",)),
            {"name": "Colours__c", "label": "Colours", "type": "multipicklist",
             "picklistValues": [{"value": v} for v in ("Red", "Green", "Dark Blue", "Blau/Grün")]},
            {"name": "Region__c", "label": "Region", "type": "reference", "referenceTo": ["Region__c"]},
        ]},
        "Region__c": {"keyPrefix": "aN1", "label": "Region", "labelPlural": "Regions", "fields": [
            {"name": "Head_Account__c", "label": "Head account", "type": "reference",
             "referenceTo": ["Account"]},
            {"name": "Parent_Region__c", "label": "Parent region", "type": "reference",
             "referenceTo": ["Region__c"], "childRelationshipName": "Subregions__r"},
        ]},
        "Visit__c": {"keyPrefix": "aN2", "label": "Visit", "labelPlural": "Visits", "fields": [
            {"name": "Account__c", "label": "Account", "type": "reference", "referenceTo": ["Account"],
             "cascadeDelete": True, "nillable": False, "childRelationshipName": "Visits__r"},
            {"name": "Previous__c", "label": "Previous visit", "type": "reference",
             "referenceTo": ["Visit__c"], "childRelationshipName": "Next_Visits__r"},
            {"name": "Day__c", "label": "Day", "type": "date"},
            {"name": "Cost__c", "label": "Cost", "type": "currency", "precision": 18, "scale": 2},
            {"name": "Report__c", "label": "Report", "type": "textarea", "length": 32768},
            {"name": "Done__c", "label": "Done", "type": "boolean"},
        ]},
        "Member__c": {"keyPrefix": "aN3", "label": "Member", "labelPlural": "Members", "fields": [
            {"name": "Visit__c", "label": "Visit", "type": "reference", "referenceTo": ["Visit__c"],
             "cascadeDelete": True, "nillable": False, "childRelationshipName": "Members__r"},
            {"name": "Contact__c", "label": "Contact", "type": "reference", "referenceTo": ["Contact"],
             "cascadeDelete": True, "nillable": False, "childRelationshipName": "Visited__r"},
            picklist("Role__c", ("Host", "Guest"), "Role"),
        ]},
    }  # fmt: skip


def _users() -> list[Row]:
    return [
        {**user(0, "Ångström", "Müller-\U0001f600", "angstrom.mueller@nasty.example"), "Id": _id("User", 0)},
        {**user(1, "Gone", "Since Long", "gone@nasty.example"), "Id": _id("User", 1), "IsActive": False},
        {**user(2, "O'Brien", 'D"Quote', "obrien@nasty.example"), "Id": _id("User", 2)},
    ]


def _owner(number: int) -> str:
    return _id("User", number % 3)


def _born(number: int) -> Row:
    day = f"{2009 + number % 12}-0{1 + number % 9}-1{number % 10}"
    return {"CreatedDate": f"{day}T0{number % 10}:15:30.000Z", "LastModifiedDate": f"{day}T23:59:59.000Z"}


def _accounts(texts: list[str]) -> Iterator[Row]:
    """One a text, with parents in a ring of three and one that is its own parent."""
    for number, text in enumerate([*texts, *texts]):
        row: Row = {
            "Id": _id("Account", number),
            "Name": f"{number:03d} {text}"[:255],
            "Description": text * 3,
            "Notes__c": text if number % 7 else (text + " ") * (LONG_BODY // (len(text) + 1)),
            "Code__c": text[:80].strip(),
            "Phone": "+49 (0)30 / 123-456",
            "BillingCity": text[:40].strip(),
            "NumberOfEmployees": number,
            "AnnualRevenue": "12345678901234.56" if number % 5 == 0 else f"{number}.10",
            "Big_Number__c": _cycled(NUMBERS, number),
            "Fine_Number__c": _cycled(DECIMALS, number),
            "Founded__c": _cycled(DATES, number),
            "Last_Seen__c": _cycled(MOMENTS, number),
            "Family__c": _cycled(FAMILIES, number),
            "Colours__c": ("Red", "Red;Dark Blue", "Blau/Grün;Green;Red")[number % 3],
            "Region__c": _id("Region__c", number % 4),
            "OwnerId": _owner(number),
            **_born(number),
        }
        if number < 3:
            row["ParentId"] = _id("Account", (number + 1) % 3)
        elif number == 3:
            row["ParentId"] = _id("Account", 3)
        elif number % 4 == 0:
            row["ParentId"] = _id("Account", number // 2)
        yield row


def _regions() -> Iterator[Row]:
    """Four, each with an account in it: a cycle across two objects. The first two name each other."""
    for number in range(4):
        yield {
            "Id": _id("Region__c", number),
            "Name": f"Region {number} \U0001f30d",
            "Head_Account__c": _id("Account", number),
            "Parent_Region__c": _id("Region__c", (1, 0, 0, 2)[number]),
            "OwnerId": _owner(number),
            **_born(number),
        }


def _contacts(texts: list[str], accounts: int) -> Iterator[Row]:
    """One a text; the last three hang under accounts that are gone."""
    for number, text in enumerate(texts):
        gone = number >= len(texts) - 3
        yield {
            "Id": _id("Contact", number),
            "LastName": f"{number:03d} {text}"[:80].strip(),
            "FirstName": text[:40].strip(),
            "Email": f"person.{number:03d}+tag@nasty.example",
            "Phone": ("0007", "+1 (555) 010-9999 ext. 12", "=1+1")[number % 3],
            "Birthdate": _cycled(DATES[:-1], number),
            "Description": text,
            "AccountId": _id("Account", 900_000 + number if gone else number % accounts),
            "OwnerId": _owner(number),
            **_born(number),
        }


def _opportunities(texts: list[str], accounts: int) -> Iterator[Row]:
    for number, text in enumerate(texts):
        yield {
            "Id": _id("Opportunity", number),
            "Name": f"{number:03d} {text}"[:120].strip(),
            "StageName": ("Prospecting", "Closed Won", "Closed Lost")[number % 3],
            "CloseDate": _cycled(DATES, number),
            "Amount": ("9999999999999999.99", "0.01", "0.00", "1234.50")[number % 4],
            "Description": text,
            "AccountId": _id("Account", number % accounts),
            "OwnerId": _owner(number),
            **_born(number),
        }


def _visits(texts: list[str], accounts: int) -> Iterator[Row]:
    """A chain of visits; the first follows the last, as no form would allow."""
    for number, text in enumerate(texts):
        yield {
            "Id": _id("Visit__c", number),
            "Name": f"{number:03d} {text}"[:80].strip(),
            "Account__c": _id("Account", number % accounts),
            "Previous__c": _id("Visit__c", (number - 1) % len(texts)),
            "Day__c": _cycled(DATES, number),
            "Cost__c": f"{number}.05",
            "Report__c": text,
            "Done__c": number % 2 == 0,
            **_born(number),
        }


def _members(contacts: int) -> Iterator[Row]:
    for number in range(40):
        yield {
            "Id": _id("Member__c", number),
            "Name": f"M-{number:04d}",
            "Visit__c": _id("Visit__c", number % 20),
            "Contact__c": _id("Contact", (number * 7) % contacts),
            "Role__c": ("Host", "Guest")[number % 2],
            **_born(number),
        }


def _tasks(texts: list[str], contacts: int, accounts: int) -> Iterator[Row]:
    """Tasks and calls, done long ago; the last two are about records that are gone."""
    for number, text in enumerate(texts):
        call = number % 3 == 0
        gone = number >= len(texts) - 2
        row: Row = {
            "Id": _id("Task", number),
            "Subject": f"{number:03d} {text}"[:255].strip(),
            "Description": text,
            "ActivityDate": _cycled(("2012-02-29", "2019-03-31", "2009-12-31"), number),
            "Status": "Completed",
            "Priority": ("High", "Normal", "Low")[number % 3],
            "TaskSubtype": "Call" if call else "Task",
            "WhoId": _id("Contact", number % contacts),
            "WhatId": _id("Account", 900_000 + number if gone else number % accounts),
            "OwnerId": _owner(number),
            **_born(number),
        }
        if call:
            row |= {"CallDurationInSeconds": 61 + number, "CallType": ("Inbound", "Outbound")[number % 2]}
        yield row


def _events(texts: list[str], contacts: int, accounts: int) -> Iterator[Row]:
    for number, text in enumerate(texts):
        start = _cycled(MOMENTS[3:-1], number)
        yield {
            "Id": _id("Event", number),
            "Subject": f"{number:03d} {text}"[:255].strip(),
            "Description": text,
            "Location": text[:200].strip(),
            "StartDateTime": start,
            "ActivityDateTime": start,
            "ActivityDate": start[:10],
            "DurationInMinutes": 45,
            "EndDateTime": _after(start, 45),
            "WhoId": _id("Contact", number % contacts),
            "WhatId": _id("Account", number % accounts),
            "OwnerId": _owner(number),
            **_born(number),
        }


def _after(start: str, minutes: int) -> str:
    """An instant so many minutes after another one, as Salesforce keeps it."""
    return stamp(datetime.fromisoformat(start.replace("Z", "+00:00")) + timedelta(minutes=minutes))


def _emails(texts: list[str], accounts: int) -> Iterator[Row]:
    """Messages of both directions; every fifth has bodies as long as the vendor takes."""
    for number, text in enumerate(texts):
        paragraph = f"<p>{text}</p>\r\n"
        times = LONG_BODY // len(paragraph) if number % 5 == 0 else 2
        yield {
            "Id": _id("EmailMessage", number),
            "Subject": f"Re: {number:03d} {text}"[:3000].strip(),
            "HtmlBody": f"<html><body>{paragraph * times}</body></html>"[:131_072],
            "TextBody": (text + "\r\n") * times if number % 5 == 0 else text,
            "FromAddress": f"person.{number:03d}+tag@nasty.example" if number % 2 else "us@nasty.example",
            "FromName": text[:60].strip(),
            "ToAddress": "us@nasty.example" if number % 2 else f"person.{number:03d}+tag@nasty.example",
            "CcAddress": "cc.one@nasty.example; cc.two@nasty.example",
            "BccAddress": "hidden@nasty.example" if number % 4 == 0 else None,
            "Incoming": bool(number % 2),
            "Status": "1" if number % 2 else "3",
            "MessageDate": _cycled(MOMENTS[3:-1], number),
            "MessageIdentifier": f"<{number}.nasty@mail.nasty.example>",
            "ThreadIdentifier": f"<thread.{number // 4}@mail.nasty.example>",
            "RelatedToId": _id("Account", number % accounts),
            **_born(number),
        }


def _attachments(accounts: int) -> Iterator[Row]:
    """One a file name on accounts and e-mails; one is empty, one has the bytes of another."""
    for number, name in enumerate(FILE_NAMES):
        size = 0 if number == 3 else 1_000 + 997 * number
        yield {
            "Id": _id("Attachment", number),
            "ParentId": _id("EmailMessage", number) if number % 2 else _id("Account", number % accounts),
            "Name": name[:255],
            "ContentType": "application/octet-stream",
            "Body": {"size": size, "seed": f"attachment {number if number != 5 else 4}"},
            **_born(number),
        }


def _content(accounts: int, contacts: int) -> dict[str, list[Row]]:
    """Files: one of 40 MB with two versions, one on fifty records, one empty, the odd names again."""
    documents: list[Row] = []
    versions: list[Row] = []
    links: list[Row] = []
    sizes = [BIG_FILE, 20_000, 0, *(3_000 + n for n in range(len(FILE_NAMES)))]
    names = ["big.bin", "shared.pdf", "empty.txt", *FILE_NAMES]
    for number, (size, name) in enumerate(zip(sizes, names, strict=True)):
        document = _id("ContentDocument", number)
        documents.append({"Id": document, "Title": name[:255], **_born(number)})
        for version in range(2 if number in (0, 1) else 1):
            last = version == (1 if number in (0, 1) else 0)
            versions.append({
                "Id": _id("ContentVersion", len(versions)),
                "ContentDocumentId": document,
                "Title": name[:255],
                "PathOnClient": name[:255],
                "VersionData": {"size": size if last else 100, "seed": f"content {number}.{version}"},
                "VersionNumber": str(version + 1),
                "IsLatest": last,
                **_born(number),
            })  # fmt: skip
        parents = [_id("Account", (number * 3) % accounts), _id("Contact", number % contacts)]
        if number == 1:
            parents = [_id("Account", n % accounts) for n in range(accounts)]
            parents += [_id("Contact", n) for n in range(SHARED_BY - len(parents))]
        for parent in dict.fromkeys(parents):
            links.append({
                "Id": _id("ContentDocumentLink", len(links)),
                "ContentDocumentId": document,
                "LinkedEntityId": parent,
                "ShareType": "V",
                "Visibility": "AllUsers",
            })  # fmt: skip
    return {"ContentDocument": documents, "ContentVersion": versions, "ContentDocumentLink": links}
