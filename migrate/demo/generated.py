"""What does a real seller's Salesforce org look like, ten years on? Made up from one seed number.

The shape follows a hardware seller's: 85 accounts, 15 of them with a parent, 8,800 opportunities, a sixth
of them without an account; a misspelt sector, a product whose name has drifted, users who have left.
Planted, once each: a stage that nobody has mapped (on an opportunity that nothing hangs on), and an
account without a number of employees, which HubSpot fills in by itself.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from migrate.demo.occupied import Known, occupied
from migrate.demo.shape import (
    FIRST_NAMES,
    FULL,
    LAST_NAMES,
    PRODUCTS,
    Expected,
    Firm,
    Row,
    Seed,
    Sizes,
    born,
    merged,
    people,
    picklist,
    roles,
    sf_id,
    slug,
    stamp,
    user,
    words,
)

TYPO = "technolgy"
SECTORS = (
    "technology", "software", "retail", "medical", "finance",
    "marketing", "telecommunications", "entertainment", "services", "employment",
)  # fmt: skip
STAGES = {  # with their share of the opportunities
    "Prospecting": 6,
    "Qualification": 6,
    "Proposal/Price Quote": 6,
    "Negotiation/Review": 5,
    "Closed Won": 48,
    "Closed Lost": 29,
}
NO_HOME = "Verbal OK"
PIPELINE = ("Field Sales", {
    "Prospecting": 0.1, "Qualified": 0.2, "Proposal": 0.6, "Negotiation": 0.8, "Won": 1.0, "Lost": 0.0,
})  # fmt: skip
PLACES = (
    ("Austin", "United States"), ("Boston", "United States"), ("Denver", "United States"),
    ("Chicago", "United States"), ("Seattle", "United States"), ("Toronto", "Canada"),
    ("Leeds", "United Kingdom"), ("Lyon", "France"),
    ("Hamburg", "Germany"), ("Porto", "Portugal"), ("Kraków", "Poland"), ("Nagoya", "Japan"),
)  # fmt: skip
_HEADS = words(
    "Bright North Silver Copper Blue Iron Clear Red Oak River Stone High Swift Green Gold Harbor Summit"
)
_TAILS = words("forge field works line point bridge gate mark stream yard")
_FORMS = ("Inc", "LLC", "Ltd", "GmbH", "Group", "& Sons", "Corporation")
_PRICES = dict(zip(PRODUCTS, (550, 4821, 55, 3393, 5482, 1096, 26_768), strict=True))
_WEBSITES = ("https://www.{}/", "http://{}", "WWW.{}", "https://{}/en/home", "{}")
_DAY_ONE = datetime(2021, 1, 4, 8, tzinfo=UTC)


def generated(sizes: Sizes = FULL, *, seed: int = 20_261, cycle: bool = False) -> Seed:
    """Documents for both sandboxes.

    Args:
        cycle: the first three accounts with parents name each other in a ring, which Salesforce's own
            pages refuse but old data holds.
    """
    rng = random.Random(seed)  # noqa: S311 - made-up data, no secrets
    users = _users(sizes)
    active = [row["Id"] for row in users if row["IsActive"]]
    # The last few own nothing, as in any real org; most owners are still there.
    owners = [row["Id"] for row in users[: max(2, len(users) - max(1, len(users) // 7))]]
    accounts = _accounts(rng, sizes, owners, cycle=cycle)
    domains = [_domain(number) for number in range(sizes.accounts)]
    firms = [Firm(row["Id"], domain, row["OwnerId"]) for row, domain in zip(accounts, domains, strict=True)]
    contacts = people(rng, firms)
    opportunities = _opportunities(rng, sizes, accounts, owners)
    links = roles(rng, opportunities, contacts)
    opportunities.append(_planted(sizes, active[0]))
    known = [
        Known(
            accounts[n]["Name"], domains[n], accounts[n]["BillingCity"], int(accounts[n]["NumberOfEmployees"])
        )
        for n in range(1, 1 + 3 * sizes.known, 3)
    ]
    records = {
        "User": users,
        "Account": accounts,
        "Contact": contacts,
        "Opportunity": opportunities,
        "OpportunityContactRole": links,
    }
    metadata = {
        "Account": {"fields": [picklist("Sector__c", (*SECTORS, TYPO), "Sector")]},
        "Opportunity": {
            "fields": [
                picklist("Product__c", (*PRODUCTS, "GTXPro"), "Product"),
                picklist("StageName", (*STAGES, NO_HOME), inactive=(NO_HOME,)),
            ]
        },
    }
    expected = Expected(
        sources={name: len(rows) for name, rows in records.items()},
        adopted=sizes.known,
        merged=merged(contacts),
        rejected={"Opportunity": 1},
        enriched=("companies", "numberofemployees"),
    )
    org = {"Name": "Northgate Hardware (sandbox)"}
    return Seed(
        salesforce={"org": org, "metadata": metadata, "records": records},
        hubspot=occupied(rng, sizes, known, users, *PIPELINE),
        expected=expected,
    )


def _users(sizes: Sizes) -> list[Row]:
    """Every n-th user has left."""
    step = sizes.users // sizes.inactive
    rows = []
    for number in range(sizes.users):
        first, last = FIRST_NAMES[number * 5 % len(FIRST_NAMES)], LAST_NAMES[number * 7 % len(LAST_NAMES)]
        gone = number % step == step - 2 and number // step < sizes.inactive
        email = f"{slug(first)}.{slug(last)}@northgate.example"
        rows.append(
            user(
                number,
                first,
                last,
                email,
                IsActive=not gone,
                Department=("Central", "East", "West")[number % 3],
            )
        )
    return rows


def _domain(number: int) -> str:
    return f"{slug(_short(number))}.example"


def _short(number: int) -> str:
    head, tail = _HEADS[number % len(_HEADS)], _TAILS[number // len(_HEADS) % len(_TAILS)]
    return f"{head}{tail}"


def _accounts(rng: random.Random, sizes: Sizes, owners: list[str], *, cycle: bool) -> list[Row]:
    rows = []
    for number in range(sizes.accounts):
        city, country = rng.choice(PLACES)
        rows.append({
            "Id": sf_id("Account", number),
            "Name": f"{_short(number)} {rng.choice(_FORMS)}",
            "Website": _WEBSITES[number % len(_WEBSITES)].format(_domain(number)),
            "Sector__c": TYPO if number % 7 == 0 else rng.choice(SECTORS),
            "Phone": f"+1 555 {rng.randrange(100, 1000)} {rng.randrange(1000, 10_000)}",
            "AnnualRevenue": str(rng.randrange(1, 5000) * 100_000),
            "NumberOfEmployees": rng.randrange(9, 20_000),
            "BillingCity": city,
            "BillingCountry": country,
            "OwnerId": rng.choice(owners),
            **born(rng, datetime(2017, 3, 6, 9, tzinfo=UTC), 1200),
        })  # fmt: skip
    del rows[0]["NumberOfEmployees"]  # planted: empty, mapped, and not among the known firms
    children = rng.sample(range(1, sizes.accounts), sizes.parents)
    tops = [number for number in range(sizes.accounts) if number not in children]
    for place, child in enumerate(children):
        parent = children[place - 1] if place in (1, 2) else rng.choice(tops)
        rows[child]["ParentId"] = rows[parent]["Id"]
    if cycle:
        rows[children[0]]["ParentId"] = rows[children[2]]["Id"]
    return rows


def _opportunities(rng: random.Random, sizes: Sizes, accounts: list[Row], owners: list[str]) -> list[Row]:
    """All but the planted one."""
    alone = set(rng.sample(range(sizes.opportunities - 1), round(sizes.opportunities / 6) - 1))
    weights = [1 + number * number for number in range(len(accounts))]  # a few accounts buy most
    stages, shares = list(STAGES), list(STAGES.values())
    rows = []
    for number in range(sizes.opportunities - 1):
        product = rng.choice(PRODUCTS[:-1]) if rng.random() < 0.995 else PRODUCTS[-1]
        stage = rng.choices(stages, shares)[0]
        account = None if number in alone else rng.choices(accounts, weights)[0]
        created = _DAY_ONE + timedelta(minutes=rng.randrange(1460 * 1440))
        close = (created + timedelta(days=rng.randrange(5, 140))).date()
        cents = round(_PRICES[product] * rng.uniform(0.8, 1.15) * 100)
        row = {
            "Id": sf_id("Opportunity", number),
            "Name": f"{account['Name'] if account else 'Unknown'}: {product} {number:05d}",
            "StageName": stage,
            "CloseDate": close.isoformat(),
            "Product__c": "GTXPro" if product == "GTX Pro" else product,
            "OwnerId": rng.choice(owners),
            "CreatedDate": stamp(created),
            "LastModifiedDate": stamp(created + timedelta(days=rng.randrange(1, 150))),
        }
        if account:
            row["AccountId"] = account["Id"]
        if stage not in ("Prospecting", "Qualification"):
            row["Amount"] = "0.00" if stage == "Closed Lost" else f"{cents // 100}.{cents % 100:02d}"
        rows.append(row)
    return rows


def _planted(sizes: Sizes, owner: str) -> Row:
    """An opportunity with a stage that nobody mapped; no account, no roles, so that nothing hangs on it."""
    return {
        "Id": sf_id("Opportunity", sizes.opportunities - 1),
        "Name": "Unknown: MG Advanced, agreed on the phone",
        "StageName": NO_HOME,
        "CloseDate": "2024-12-20",
        "Product__c": "MG Advanced",
        "Amount": "3401.50",
        "OwnerId": owner,
        "CreatedDate": "2024-10-02T14:30:00.000Z",
        "LastModifiedDate": "2024-11-28T10:00:00.000Z",
    }
