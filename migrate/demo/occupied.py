"""What stands in the new CRM before anything is moved? Somebody else's work.

300 companies, 12 of them the same firms as in the old CRM with values of their own; 300 contacts; a sales
pipeline whose stages have the portal's own ids; an owner for each user, archived ones for some who left.
HubSpot's two silent writers are on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from migrate.demo.shape import FIRST_NAMES, LAST_NAMES, OPERATIONS, TITLES, Row, Sizes, slug, stamp, words

AUTOMATIONS = {"associate_by_domain": True, "enrichment": True}
_HEADS = words(
    "Amber Cedar Delta Ember Fern Glacier Hollow Juniper Linden Maple Nova Onyx Pearl Raven Sierra Tundra"
)
_TAILS = words(
    "craft dale grove haven labs lane mill path ridge spring stead tide trail vale ware wind wood worth"
)
_INDUSTRIES = ("RETAIL", "MACHINERY", "COMPUTER_SOFTWARE", "HOSPITAL_HEALTH_CARE", "FINANCIAL_SERVICES")
_PIPELINE_ID = 88_001


@dataclass(frozen=True)
class Known:
    """A firm that is in the old CRM too."""

    name: str
    domain: str
    city: str | None
    employees: int


def occupied(
    rng: random.Random,
    sizes: Sizes,
    known: Sequence[Known],
    users: Sequence[Row],
    pipeline: str,
    stages: Mapping[str, float],
) -> dict[str, Any]:
    """A seed document for the HubSpot sandbox.

    Args:
        known: companies that the migration must adopt; the others are none of its business.
        users: of the old CRM, in the order of their owner ids.
        stages: of the pipeline, label to probability (1 and 0 are closed ones).
    """
    companies = [_known(rng, firm, number) for number, firm in enumerate(known)]
    companies += [_other(rng, number) for number in range(sizes.companies - len(known))]
    rng.shuffle(companies)
    return {
        "owners": _owners(users),
        "pipelines": {"deals": [_pipeline(pipeline, stages)]},
        "records": {"companies": companies, "contacts": _contacts(rng, sizes)},
        "automations": dict(AUTOMATIONS),
    }


def _made(rng: random.Random) -> str:
    return stamp(datetime(2022, 2, 1, 9, tzinfo=UTC) + timedelta(minutes=rng.randrange(900 * 1440)))


def _known(rng: random.Random, firm: Known, number: int) -> Row:
    """Like the account, but not quite: each side knows something that the other doesn't."""
    found = {
        "name": f"{firm.name.partition(' ')[0]} (customer)" if number % 3 == 0 else firm.name,
        "domain": firm.domain,
        "numberofemployees": str(firm.employees + rng.randrange(1, 300)),
        "lifecyclestage": "customer",
        "description": f"Met at the trade fair; file {number + 1}.",
    }
    if number % 2:
        found["phone"] = f"+1 555 {rng.randrange(100, 1000)} {rng.randrange(1000, 10_000)}"
    if number % 4 == 1:
        found["industry"] = "CONSUMER_ELECTRONICS"
    if number % 4 == 2 and firm.city:
        found["city"] = firm.city.upper()
    return {"createdAt": _made(rng), "properties": found}


def _other_name(number: int) -> str:
    return f"{_HEADS[number % len(_HEADS)]}{_TAILS[number // len(_HEADS) % len(_TAILS)]}"


def _other(rng: random.Random, number: int) -> Row:
    name = _other_name(number)
    found = {
        "name": name,
        "domain": f"{slug(name)}-hq.example",
        "industry": rng.choice(_INDUSTRIES),
        "numberofemployees": str(rng.randrange(5, 4000)),
        "lifecyclestage": rng.choice(("lead", "opportunity", "customer")),
    }
    return {"ref": f"company-{number}", "createdAt": _made(rng), "properties": found}


def _contacts(rng: random.Random, sizes: Sizes) -> list[Row]:
    rows: list[Row] = []
    for number in range(sizes.contacts):
        company = number % (sizes.companies - sizes.known)
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        found = {
            "email": f"{slug(first)}.{slug(last)}.{number}@{slug(_other_name(company))}-hq.example",
            "firstname": first,
            "lastname": last,
            "jobtitle": rng.choice(TITLES),
            "lifecyclestage": "lead",
        }
        link = {"ref": f"company-{company}"}
        rows.append({"createdAt": _made(rng), "properties": found, "associations": [link]})
    return rows


def _owners(users: Sequence[Row]) -> list[Row]:
    """One a user; of those who have left every second one is there still, archived."""
    rows: list[Row] = [{"id": "71001", "email": OPERATIONS, "firstName": "Revenue", "lastName": "Operations"}]
    left = 0
    for number, user in enumerate(users):
        left += not user["IsActive"]
        if not user["IsActive"] and left % 2 == 0:
            continue
        rows.append({
            "id": str(71_013 + 11 * number),
            "email": user["Email"],
            "firstName": user["FirstName"],
            "lastName": user["LastName"],
            "archived": not user["IsActive"],
        })  # fmt: skip
    return rows


def _pipeline(label: str, stages: Mapping[str, float]) -> Row:
    return {
        "id": str(_PIPELINE_ID),
        "label": label,
        "displayOrder": 1,
        "stages": [
            {
                "id": str(_PIPELINE_ID * 10 + 3 * order),
                "label": name,
                "displayOrder": order,
                "probability": str(probability),
            }
            for order, (name, probability) in enumerate(stages.items())
        ],
    }
