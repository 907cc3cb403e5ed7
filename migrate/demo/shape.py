"""What do both seeds share? Sizes, ids, people and their roles, and what the demo expects in the end.

Everything is made from one `random.Random(seed)` and from positions in lists, so that the same call
gives the same documents on every machine. Addresses are below `.example` and `example.com`, which
nobody can own (RFC 2606).
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.sandbox.salesforce.ids import mint

Row = dict[str, Any]


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


# Ids far above those that the sandbox gives to records which acting users make later.
_FIRST = 40_000_000
PREFIXES = {
    "User": "005",
    "Account": "001",
    "Contact": "003",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
}
OPERATIONS = "revenue.operations@example.com"  # takes over what belonged to people who have left
PRODUCTS = ("GTX Basic", "GTX Pro", "MG Special", "MG Advanced", "GTX Plus Pro", "GTX Plus Basic", "GTK 500")
ROLES = ("Decision Maker", "Economic Buyer", "Evaluator", "Influencer", "Business User", "Executive Sponsor")
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
TITLES = (
    "Buyer",
    "Head of IT",
    "Managing Director",
    "Operations Manager",
    "Procurement Lead",
    "CFO",
    "Engineer",
)
# Consultants and agencies: no account has their domain, so HubSpot makes companies of its own for them.
SIDE_DOMAINS = words(
    "harbour-advisors.example kestrel-consulting.example lumen-procurement.example fjord-partners.example "
    "quarry-agency.example tenfold-brokers.example"
)
FIRST_NAMES = words(
    "Ada Aisha Ana André Anja Arjun Bianca Björn Carla Chen Chloë Dana Diego Elif Emeka Eva Farid Fiona "
    "Greta Hana Hugo Ibrahim Ines Ivan Jana João Jonas Kaito Karin Lea Liam Lúcia Magnus Maya Mei Milan "
    "Nadia Nils Noor Olga Omar Paula Petra Rafael Rosa Samir Sara Sofia Tariq Teresa Thomas Uma Vera "
    "Viktor Wanda Yara Yusuf Zoë"
)
LAST_NAMES = words(
    "Abbas Andersson Bauer Becker Bianchi Brandt Castillo Costa Cruz Danso Demir Dubois Eriksen Ferrari "
    "Fischer García Grant Haddad Hansen Hoffmann Iqbal Ivanov Jensen Kaya Keller Kim Kovács Kowalski "
    "Krüger Lang Larsen Lindqvist Lopez Martin Meyer Moreau Müller Nakamura Novák Nwosu O'Brien Okafor "
    "Olsen Park Pereira Petrov Quinn Ricci Rossi Santos Sato Schmidt Silva Singh Suzuki Tanaka Torres "
    "Vogel Weber Wright Yılmaz Zhang"
)


@dataclass(frozen=True)
class Sizes:
    """How much of everything. `known`: companies of the target that are accounts of the source too."""

    accounts: int = 85
    parents: int = 15  # accounts that have one
    opportunities: int = 8800
    users: int = 35
    inactive: int = 6
    companies: int = 300
    known: int = 12
    contacts: int = 300  # of the target


FULL = Sizes()
TINY = Sizes(
    accounts=12, parents=4, opportunities=60, users=6, inactive=2, companies=20, known=3, contacts=20
)


@dataclass(frozen=True)
class Expected:
    """What the migration must report of these seeds.

    `merged`: contacts that go into another. `rejected`: records by source object, each for a value
    without a home. `enriched`: target object and field that HubSpot fills on exactly one record of ours.
    `entries`: source object of each entry of the plan. `skipped`: by entry.
    """

    sources: Mapping[str, int]
    adopted: int
    merged: int
    rejected: Mapping[str, int]
    enriched: tuple[str, str]
    entries: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in ("Account", "Contact", "Opportunity")}
    )
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seed:
    """Documents for the two sandboxes' seed endpoints.

    `made`: what the file lacked and a rule made up, with counts; empty where all of it is made up.
    """

    salesforce: dict[str, Any]
    hubspot: dict[str, Any]
    expected: Expected
    made: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Firm:
    """What people need to know of the account they work for."""

    id: str
    domain: str
    owner: str


def sf_id(object: str, number: int) -> str:
    """The 18-character id of the seed's `number`-th record of an object."""
    return mint(PREFIXES[object], _FIRST + number)


def slug(text: str) -> str:
    """Lower-case ASCII letters and digits, joined by hyphens."""
    plain = (
        unicodedata.normalize("NFKD", text.replace("ı", "i").replace("ø", "o"))
        .encode("ascii", "ignore")
        .decode()
    )
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def stamp(moment: datetime) -> str:
    """As Salesforce keeps an instant."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def born(rng: random.Random, first: datetime, days: int) -> Row:
    """`CreatedDate` and a later `LastModifiedDate`."""
    created = first + timedelta(seconds=rng.randrange(days * 86_400))
    return {
        "CreatedDate": stamp(created),
        "LastModifiedDate": stamp(created + timedelta(hours=rng.randrange(1, 9000))),
    }


def user(number: int, first: str, last: str, email: str, **more: Any) -> Row:
    """A user of the org."""
    return {
        "Id": sf_id("User", number),
        "Username": email,
        "Email": email,
        "FirstName": first,
        "LastName": last,
        "Alias": slug(last)[:8],
        "CommunityNickname": slug(f"{first} {last}")[:40],
        "IsActive": True,
        "CreatedDate": "2016-01-04T08:00:00.000Z",
        **more,
    }


def people(rng: random.Random, firms: Sequence[Firm]) -> list[Row]:
    """Contacts of each firm, 2 to 6.

    3% of them share an e-mail with another one, spelt otherwise; 2% have none; some write from the
    domain of a consultancy that is no account.
    """
    rows: list[Row] = []
    seen: set[str] = set()
    for firm in firms:
        for _ in range(rng.randint(2, 6)):
            first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
            name = f"{slug(first)}.{slug(last)}"
            while (email := f"{name}@{firm.domain}") in seen:
                name += str(rng.randint(2, 9))
            seen.add(email)
            rows.append({
                "Id": sf_id("Contact", len(rows)),
                "AccountId": firm.id,
                "FirstName": first,
                "LastName": last,
                "Email": email,
                "Phone": f"+1 555 {rng.randrange(100, 1000)} {rng.randrange(1000, 10_000)}",
                "Title": rng.choice(TITLES),
                "LeadSource": rng.choice(SOURCES),
                "OwnerId": firm.owner,
                **born(rng, datetime(2019, 1, 7, 9, tzinfo=UTC), 1400),
            })  # fmt: skip
    order = list(range(len(rows)))
    rng.shuffle(order)
    pairs = max(1, round(0.015 * len(rows)))
    aside, silent = max(2, len(rows) // 40), max(1, len(rows) // 50)
    for number, (one, other) in enumerate(zip(order[:pairs], order[pairs : 2 * pairs], strict=True)):
        _register_twice(rows[one], rows[other], number)
    for number, index in enumerate(order[2 * pairs : 2 * pairs + aside]):
        local = rows[index]["Email"].partition("@")[0]
        rows[index]["Email"] = f"{local}.{index}@{SIDE_DOMAINS[number % len(SIDE_DOMAINS)]}"
    for index in order[2 * pairs + aside : 2 * pairs + aside + silent]:
        del rows[index]["Email"]
    return rows


def _register_twice(one: Row, other: Row, number: int) -> None:
    """The same person a second time, by somebody who typed less and spelt otherwise."""
    email = one["Email"]
    spellings = (
        email.upper(),
        email.title(),
        f" {email.capitalize()}",
        f"{email.partition('@')[0].upper()}@{email.partition('@')[2]} ",
    )
    other |= {"FirstName": one["FirstName"], "LastName": one["LastName"], "Email": spellings[number % 4]}
    other.pop("Phone", None)
    other.pop("Title", None)


def merged(contacts: Iterable[Row]) -> int:
    """How many contacts go into another, because HubSpot has one per e-mail."""
    emails = [row["Email"].strip().lower() for row in contacts if row.get("Email")]
    return len(emails) - len(set(emails))


def roles(rng: random.Random, opportunities: Iterable[Row], contacts: Iterable[Row]) -> list[Row]:
    """Contact roles on a quarter of the opportunities whose account has contacts, one or two each."""
    by_account: dict[str, list[Row]] = {}
    for contact in contacts:
        if contact.get("AccountId"):
            by_account.setdefault(contact["AccountId"], []).append(contact)
    rows: list[Row] = []
    for opportunity in opportunities:
        known = by_account.get(opportunity.get("AccountId", ""), [])
        if not known or rng.random() >= 0.25:
            continue
        for place, contact in enumerate(rng.sample(known, min(len(known), rng.randint(1, 2)))):
            rows.append({
                "Id": sf_id("OpportunityContactRole", len(rows)),
                "OpportunityId": opportunity["Id"],
                "ContactId": contact["Id"],
                "Role": rng.choice(ROLES),
                "IsPrimary": place == 0,
                "CreatedDate": opportunity["CreatedDate"],
            })  # fmt: skip
    return rows


def picklist(name: str, values: Iterable[str], label: str = "", inactive: Iterable[str] = ()) -> Row:
    """Describe keys of a picklist field; `inactive` values stand in records but can't be chosen any more."""
    gone = set(inactive)
    chosen = [
        {"value": value, "label": value, "active": value not in gone} for value in dict.fromkeys(values)
    ]
    return {"name": name, "type": "picklist", "picklistValues": chosen, **({"label": label} if label else {})}
