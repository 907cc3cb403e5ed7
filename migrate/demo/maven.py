"""How does a real CRM's export stand in a Salesforce org? Its values unchanged, the rest by fixed rules.

Reads the Maven Analytics "CRM Sales Opportunities" files (`accounts.csv`, `sales_pipeline.csv`,
`products.csv`, `sales_teams.csv`). Dates stay text, day-month-year, in custom text fields: the plan parses
them. What Salesforce requires and the files lack is made here, and `Seed.made` counts it: names of
opportunities, close dates, websites, e-mails, account owners; contacts and roles as in the generated seed.
Planted, once each: a contact whose lead source nobody has mapped (and whom nothing hangs on), and an
account without a description, which HubSpot fills in by itself.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from migrate.demo.occupied import Known, occupied
from migrate.demo.shape import (
    SOURCES,
    Expected,
    Firm,
    Row,
    Seed,
    Sizes,
    merged,
    people,
    picklist,
    roles,
    sf_id,
    slug,
    stamp,
    user,
)

FILES = ("accounts.csv", "sales_pipeline.csv", "products.csv", "sales_teams.csv")
NO_HOME = "Trade Show 2016"
CLOSED = {"Won": True, "Lost": False}
STAGES = ("Prospecting", "Engaging", "Won", "Lost")
PIPELINE = ("Hardware Sales", {"Prospecting": 0.1, "Engaging": 0.4, "Won": 1.0, "Lost": 0.0})
LAST_RESORT = date(2017, 12, 31)  # the close date of an opportunity without any date
_OPENED = datetime(2016, 10, 3, 8, tzinfo=UTC)  # the org's first day


class MissingData(Exception):
    """The folder doesn't hold the files."""


def maven(folder: Path, *, seed: int = 20_262) -> Seed:
    """Documents for both sandboxes.

    Raises:
        MissingData: a file isn't there; the text says where the data come from.
    """
    tables = {name.removesuffix(".csv"): _read(folder / name) for name in FILES}
    rng = random.Random(seed)  # noqa: S311 - made-up data, no secrets
    made: dict[str, int] = {}
    users = _users(tables["sales_teams"], made)
    ids = {f"{row['FirstName']} {row['LastName']}": row["Id"] for row in users}
    accounts = _accounts(tables["accounts"], tables["sales_pipeline"], ids, made)
    by_name = {row["Name"]: row for row in accounts}
    opportunities = _opportunities(tables["sales_pipeline"], by_name, ids, made)
    firms = [Firm(row["Id"], f"{slug(row['Name'])}.example.com", row["OwnerId"]) for row in accounts]
    contacts = people(rng, firms)
    links = roles(rng, opportunities, contacts)
    contacts.append(_planted(len(contacts), accounts[0]["OwnerId"]))
    made["contacts"], made["contact roles"] = len(contacts), len(links)
    sizes = Sizes(accounts=len(accounts))
    known = [
        Known(accounts[n]["Name"], firms[n].domain, None, int(accounts[n]["NumberOfEmployees"]))
        for n in range(1, 1 + 7 * sizes.known, 7)
    ]
    records = {
        "OpportunityStage": _stages(),
        "User": users,
        "Account": accounts,
        "Contact": contacts,
        "Opportunity": opportunities,
        "OpportunityContactRole": links,
    }
    expected = Expected(
        sources={name: len(rows) for name, rows in records.items() if name != "OpportunityStage"},
        adopted=len(known),
        merged=merged(contacts),
        rejected={"Contact": 1},
        enriched=("companies", "description"),
    )
    org = {"Name": "Maven hardware seller (sandbox)"}
    return Seed(
        salesforce={"org": org, "metadata": _metadata(accounts, opportunities), "records": records},
        hubspot=occupied(rng, sizes, known, users, *PIPELINE),
        expected=expected,
        made=made,
    )


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise MissingData(
            f"{path} can't be read ({error.strerror}).\n"
            "  It belongs to `CRM Sales Opportunities` of the Maven Analytics Data Playground. Set\n"
            "  SHARED_DATA to the folder that holds `maven-crm`, or run the demo with `--data generated`."
        ) from error


def _day(text: str) -> date:
    return datetime.strptime(text, "%d-%m-%Y").replace(tzinfo=UTC).date()


def _users(teams: list[dict[str, str]], made: dict[str, int]) -> list[Row]:
    """Agents, then their managers."""
    agents = [row["sales_agent"] for row in teams]
    managers = list(dict.fromkeys(row["manager"] for row in teams if row["manager"] not in agents))
    number = {name: index for index, name in enumerate([*agents, *managers])}
    office = {row["sales_agent"]: row["regional_office"] for row in teams}
    office |= {row["manager"]: row["regional_office"] for row in teams if row["manager"] in managers}
    boss = {row["sales_agent"]: row["manager"] for row in teams}
    rows = []
    for name, index in number.items():
        first, _, last = name.partition(" ")
        more = {"ManagerId": sf_id("User", number[boss[name]])} if name in boss else {}
        rows.append(user(index, first, last, f"{slug(name)}@example.com", Department=office[name], **more))
    made["user e-mails"] = len(rows)
    return rows


def _accounts(
    table: list[dict[str, str]], pipeline: list[dict[str, str]], ids: dict[str, str], made: dict[str, int]
) -> list[Row]:
    """An account belongs to the agent who has most of its opportunities."""
    agents: dict[str, Counter[str]] = {}
    for deal in pipeline:
        agents.setdefault(deal["account"], Counter())[deal["sales_agent"]] += 1
    numbers = {row["account"]: number for number, row in enumerate(table)}
    rows: list[Row] = []
    for number, given in enumerate(table):
        name = given["account"]
        counted = agents.get(name, Counter(dict.fromkeys(ids, 1)))
        owner = min(counted, key=lambda agent: (-counted[agent], agent))
        row: Row = {
            "Id": sf_id("Account", number),
            "Name": name,
            "Sector__c": given["sector"],
            "Year_Established__c": given["year_established"],
            "Revenue_Millions__c": given["revenue"],
            "NumberOfEmployees": given["employees"],
            "BillingCountry": given["office_location"],
            "Website": f"https://{slug(name)}.example.com",
            "Description": f"{given['sector']}, founded {given['year_established']}",
            "OwnerId": ids[owner],
            "CreatedDate": stamp(_OPENED),
        }
        if given["subsidiary_of"]:
            row["ParentId"] = sf_id("Account", numbers[given["subsidiary_of"]])
        rows.append(row)
    del rows[0]["Description"]  # planted: empty, mapped, and not among the known firms
    made["websites"] = made["account owners"] = len(rows)
    made["account descriptions"] = len(rows) - 1
    return rows


def _opportunities(
    table: list[dict[str, str]], accounts: dict[str, Row], ids: dict[str, str], made: dict[str, int]
) -> list[Row]:
    rows: list[Row] = []
    dates: Counter[str] = Counter()
    for number, given in enumerate(table):
        engaged = _day(given["engage_date"]) if given["engage_date"] else None
        if given["close_date"]:
            close = _day(given["close_date"])
        elif engaged:
            close, rule = engaged + timedelta(days=90), "close dates, 90 days after the engage date"
            dates[rule] += 1
        else:
            close, rule = LAST_RESORT, f"close dates, {LAST_RESORT.isoformat()}"
            dates[rule] += 1
        created = datetime(engaged.year, engaged.month, engaged.day, 9, tzinfo=UTC) if engaged else _OPENED
        name = " ".join(
            part for part in (given["account"], given["product"], given["opportunity_id"]) if part
        )
        row: Row = {
            "Id": sf_id("Opportunity", number),
            "Name": name,
            "Opportunity_Id__c": given["opportunity_id"],
            "StageName": given["deal_stage"],
            "Product__c": given["product"],
            "Engage_Date__c": given["engage_date"] or None,
            "Close_Date__c": given["close_date"] or None,
            "CloseDate": close.isoformat(),
            "Amount": given["close_value"] or None,
            "OwnerId": ids[given["sales_agent"]],
            "CreatedDate": stamp(created),
        }
        if given["account"]:
            row["AccountId"] = accounts[given["account"]]["Id"]
        rows.append(row)
    made["opportunity names"] = len(rows)
    made |= dict(sorted(dates.items(), reverse=True))
    return rows


def _planted(number: int, owner: str) -> Row:
    """A contact with a lead source that nobody mapped; no account, no roles, so that nothing hangs on it."""
    return {
        "Id": sf_id("Contact", number),
        "FirstName": "Robin",
        "LastName": "Fairground",
        "Email": "robin.fairground@trade-press.example",
        "LeadSource": NO_HOME,
        "OwnerId": owner,
        "CreatedDate": stamp(_OPENED),
    }


def _stages() -> list[Row]:
    """The file's stages that a fresh org hasn't."""
    rows = []
    for order, name in enumerate(STAGES[1:], 21):
        won = CLOSED.get(name)
        forecast = "Pipeline" if won is None else "Closed" if won else "Omitted"
        rows.append({
            "MasterLabel": name, "ApiName": name, "IsActive": True, "SortOrder": order,
            "IsClosed": won is not None, "IsWon": bool(won),
            "ForecastCategory": forecast, "ForecastCategoryName": forecast,
            "DefaultProbability": 40 if won is None else 100 * won, "Description": name,
        })  # fmt: skip
    return rows


def _metadata(accounts: list[Row], opportunities: list[Row]) -> dict[str, Row]:
    """Custom fields, and picklists with the values that the data hold."""
    return {
        "Account": {
            "fields": [
                picklist("Sector__c", (row["Sector__c"] for row in accounts), "Sector"),
                {"name": "Year_Established__c", "label": "Year Established", "type": "string", "length": 4},
                {
                    "name": "Revenue_Millions__c",
                    "label": "Revenue (millions of USD)",
                    "type": "currency",
                    "precision": 18,
                    "scale": 2,
                },
            ]
        },
        "Contact": {"fields": [picklist("LeadSource", (*SOURCES, NO_HOME), inactive=(NO_HOME,))]},
        "Opportunity": {
            "fields": [
                picklist("Product__c", (row["Product__c"] for row in opportunities), "Product"),
                picklist("StageName", STAGES),
                {"name": "Opportunity_Id__c", "label": "Opportunity Id", "type": "string", "length": 18},
                {
                    "name": "Engage_Date__c",
                    "label": "Engage Date (day-month-year)",
                    "type": "string",
                    "length": 10,
                },
                {
                    "name": "Close_Date__c",
                    "label": "Close Date (day-month-year)",
                    "type": "string",
                    "length": 10,
                },
            ]
        },
    }
