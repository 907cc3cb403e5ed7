"""What makes migrations twice as long: old e-mails, the files on them, and an object of the seller's own.

Laid over the generated org: e-mails to and from the contacts, two with bodies that HubSpot can't hold whole;
files on accounts and on e-mails, one of them empty, one on two e-mails under the same bytes; installations
(`Site__c`) at the accounts. Made from one seed number, like the rest.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.demo.generated import generated
from migrate.demo.shape import FULL, Row, Seed, Sizes, stamp
from migrate.sandbox.salesforce.ids import mint

LONG = 90_000  # characters of a body; HubSpot's properties hold 65,536
_FIRST = 50_000_000
_SUBJECTS = ("Quotation", "Delivery date", "Invoice", "Complaint", "Renewal", "Visit", "Maintenance")
_NAMES = ("Quotation {}.pdf", "Photo {}.jpg", "Skizze Nr. {} (größer).png", "contract_{}.docx", "記録 {}.txt")
_US = "sales@northgate.example"


@dataclass(frozen=True)
class Amounts:
    """How much of everything."""

    emails: int = 200
    on_emails: int = 12
    on_accounts: int = 16
    sites: int = 60


SOME = Amounts()
FEW = Amounts(emails=12, on_emails=3, on_accounts=4, sites=6)


def with_history(
    sizes: Sizes = FULL, amounts: Amounts = SOME, *, seed: int = 20_263, org: int = 20_261
) -> Seed:
    """The generated seed (of the number `org`) with its history."""
    base = generated(sizes, seed=org)
    rng = random.Random(seed)  # noqa: S311 - made-up data, no secrets
    records = dict(base.salesforce["records"])
    emails = _emails(rng, records["Contact"], amounts.emails)
    files = [*_on_emails(emails, amounts.on_emails), *_on_accounts(records["Account"], amounts)]
    sites = _sites(rng, records["Account"], amounts.sites)
    more: dict[str, list[Row]] = {"EmailMessage": emails, "Attachment": files, "Site__c": sites}
    metadata = {**base.salesforce["metadata"], "Site__c": _SITE}
    expected = replace(
        base.expected,
        sources={**base.expected.sources, **{name: len(rows) for name, rows in more.items()}},
        entries={
            "Account": "Account", "Contact": "Contact", "Opportunity": "Opportunity", "Site__c": "Site__c",
            "Attachment~file": "Attachment", "Attachment~note": "Attachment", "Attachment~mail": "Attachment",
            "EmailMessage~eml": "EmailMessage", "EmailMessage": "EmailMessage",
        },
        skipped={
            "EmailMessage~eml": amounts.emails - 2,
            # What hangs on e-mails is brought by them, the rest by notes on its accounts.
            "Attachment~file": amounts.on_emails,
            "Attachment~note": amounts.on_emails,
            "Attachment~mail": amounts.on_accounts,
        },
    )  # fmt: skip
    document = {**base.salesforce, "metadata": metadata, "records": {**records, **more}}
    return Seed(salesforce=document, hubspot=base.hubspot, expected=expected, made=base.made)


_SITE: dict[str, Any] = {
    "keyPrefix": "aS1", "label": "Installation", "labelPlural": "Installations",
    "fields": [
        {"name": "Account__c", "label": "Account", "type": "reference", "referenceTo": ["Account"],
         "childRelationshipName": "Installations__r"},
        {"name": "Serial__c", "label": "Serial number", "type": "string", "length": 40},
        {"name": "Installed__c", "label": "Installed on", "type": "date"},
        {"name": "Seats__c", "label": "Seats", "type": "double", "precision": 8, "scale": 0},
        {"name": "Fee__c", "label": "Yearly fee", "type": "currency", "precision": 18, "scale": 2},
        {"name": "State__c", "label": "State", "type": "picklist",
         "picklistValues": [{"value": v} for v in ("Running", "On hold", "Taken down")]},
    ],
}  # fmt: skip


def _emails(rng: random.Random, contacts: list[Row], count: int) -> list[Row]:
    written = [row for row in contacts if row.get("Email") and row.get("AccountId")]
    day, rows = datetime(2020, 2, 3, 9, tzinfo=UTC), []
    for number in range(count):
        person = written[number * 7 % len(written)]
        theirs, subject = str(person["Email"]).strip().lower(), _SUBJECTS[number % len(_SUBJECTS)]
        at = day + timedelta(minutes=rng.randrange(1500 * 1440))
        text = f"Dear {person['FirstName']},\n\nabout: {subject.lower()} {number} – with kind regards 🙂\n"
        long = number in (1, count // 2)
        html = f"<p>Dear {person['FirstName']},</p><p>about: {subject.lower()} {number} &ndash; regards</p>"
        rows.append({
            "Id": mint("02s", _FIRST + number),
            "Subject": f"{'Re: ' if number % 2 else ''}{subject} {number}",
            "TextBody": text,
            "HtmlBody": html + (f"<p>{'old thread ' * 6}</p>\n" * (LONG // 73) if long else ""),
            "FromAddress": theirs if number % 2 else _US,
            "ToAddress": _US if number % 2 else theirs,
            "Incoming": bool(number % 2),
            "Status": "1" if number % 2 else "3",
            "MessageDate": stamp(at),
            "MessageIdentifier": f"<{number}.{number * 37 % 1009}@mail.northgate.example>",
            "ThreadIdentifier": f"<thread.{number // 3}@mail.northgate.example>",
            "RelatedToId": person["AccountId"],
            "CreatedDate": stamp(at + timedelta(minutes=1)),
            "LastModifiedDate": stamp(at + timedelta(minutes=1)),
        })  # fmt: skip
    return rows


def _on_emails(emails: list[Row], count: int) -> list[Row]:
    """The first two hold the same bytes."""
    return [
        {
            "Id": mint("00P", _FIRST + number),
            "ParentId": emails[number * 5 % len(emails)]["Id"],
            "Name": _NAMES[number % len(_NAMES)].format(number),
            "ContentType": "application/octet-stream",
            "Body": {"size": 2_000 + 311 * number, "seed": f"mail {max(number, 1)}"}
            if number > 1
            else {"size": 2_311, "seed": "mail 1"},
        }
        for number in range(count)
    ]


def _on_accounts(accounts: list[Row], amounts: Amounts) -> list[Row]:
    return [
        {
            "Id": mint("00P", _FIRST + 10_000 + number),
            "ParentId": accounts[number * 3 % len(accounts)]["Id"],
            "Name": _NAMES[(number + 2) % len(_NAMES)].format(1_000 + number),
            "ContentType": "application/octet-stream",
            "Body": {"size": 40_000 + 997 * number, "seed": f"account {number}"},
        }
        for number in range(amounts.on_accounts)
    ]


def _sites(rng: random.Random, accounts: list[Row], count: int) -> list[Row]:
    rows = []
    for number in range(count):
        account = rng.choice(accounts)
        rows.append({
            "Id": mint("aS1", _FIRST + number),
            "Name": f"{account['BillingCity']} {number:03d}",
            "Account__c": account["Id"],
            "Serial__c": f"{number * 7919 % 100_000:08d}",  # with leading zeros
            "Installed__c": f"20{10 + number % 14}-0{1 + number % 9}-1{number % 10}",
            "Seats__c": str(rng.randrange(1, 400)),
            "Fee__c": f"{rng.randrange(100, 90_000)}.{number % 100:02d}",
            "State__c": ("Running", "Running", "On hold", "Taken down")[number % 4],
            "OwnerId": account["OwnerId"],
        })  # fmt: skip
    return rows
