"""What must stand in HubSpot? Worked out again from Salesforce's own store, in plain Python.

Shares nothing with the product but the plan's CSV maps: expressions, rules of adoption, merging and owners
are written down here a second time, for the two plans of `plans/`. Input are the sandboxes' stores and the
seed's owners and pipelines.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from migrate.demo.shape import OPERATIONS
from migrate.sandbox.server import Running
from tests.harness.oracle import Truth

Row = Mapping[str, Any]
Values = dict[str, str | None]
NUMBERS = frozenset({"amount", "annualrevenue", "numberofemployees"})
# On adoption: whose value stays. A field that isn't named keeps the target's, unless that is empty.
WINS = {
    "name": "target", "industry": "target", "phone": "first_non_null", "annualrevenue": "source",
    "numberofemployees": "source", "city": "longest", "hubspot_owner_id": "source",
}  # fmt: skip
ALWAYS = frozenset({"migration_key", "old_salesforce_id", "old_salesforce_url", "former_owner"})
TARGETS = {"Account": "companies", "Contact": "contacts", "Opportunity": "deals"}
PARENT, PRIMARY = "Parent Company", "Primary"


@dataclass
class Wanted:
    """What must be there.

    `values`: by migration key the mapped fields. `links`: (left key, right key, label); `plain`: pairs whose
    label doesn't matter. `adopted`: key to the id of the record that it takes over. `merged`: loser's key to
    its survivor's. `rejected`: keys that must not arrive, with the field. `sources`: how many by object.
    """

    values: dict[str, Values] = field(default_factory=dict)
    links: set[tuple[str, str, str]] = field(default_factory=set)
    plain: set[tuple[str, str]] = field(default_factory=set)
    adopted: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)


class Maps:
    """The plan's CSV maps and the portal's owners and stages."""

    def __init__(self, folder: Path, hubspot: Mapping[str, Any]) -> None:
        self._folder = folder
        self._homes: dict[str, dict[str, str | None]] = {}
        active = {o["email"].lower(): str(o["id"]) for o in hubspot["owners"] if not o.get("archived")}
        self.taker = active[OPERATIONS]
        self.owner: dict[str, tuple[str, str | None]] = {}
        for row in _read(folder / "owners.csv"):
            own = active.get(row["target_email"].lower()) if row["active"] == "true" else None
            told = f"{row['source_name']} <{row['source_email']}>"
            self.owner[row["source_id"]] = (own, None) if own else (self.taker, told)
        (pipeline,) = hubspot["pipelines"]["deals"]
        self.pipeline = {pipeline["label"]: str(pipeline["id"])}
        self.stage = {stage["label"]: str(stage["id"]) for stage in pipeline["stages"]}

    def home(self, name: str, value: str | None) -> str | None:
        """Where a picklist value goes.

        Raises:
            KeyError: nowhere.
        """
        if value is None:
            return None
        if name not in self._homes:
            rows = _read(self._folder / "picklists" / f"{name}.csv")
            self._homes[name] = {row["source"]: row["target"] or None for row in rows}
        found = self._homes[name].get(value)
        if found is None:
            raise KeyError(value)
        return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _domain(website: str | None) -> str | None:
    if not website:
        return None
    bare = re.sub(r"^(https?://)?(www\.)?", "", website.strip().lower())
    return bare.split("/")[0] or None


def _midnight(day: str) -> str:
    """The beginning of a day by the business's own clock, as HubSpot holds an instant."""
    at = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _day_first(value: str | None) -> str | None:
    """`27-03-2017` as `2017-03-27`."""
    if not value:
        return None
    return datetime.strptime(value, "%d-%m-%Y").strftime("%Y-%m-%d")  # noqa: DTZ007 - a day has no zone


def _email(value: str | None) -> str | None:
    return (value or "").strip().lower() or None


def _account(row: Row, maps: Maps, plan: str) -> Values:
    values: Values = {
        "name": _text(row.get("Name")),
        "domain": _domain(row.get("Website")),
        "industry": maps.home("sector", row.get("Sector__c")),
        "numberofemployees": _text(row.get("NumberOfEmployees")),
        "country": _text(row.get("BillingCountry")),
    }
    if plan == "maven-to-hubspot":
        revenue = row.get("Revenue_Millions__c")
        values["annualrevenue"] = None if revenue is None else str(Decimal(str(revenue)) * 1_000_000)
        values["country"] = (values["country"] or "").replace("Philipines", "Philippines") or None
        values["founded_year"] = _text(row.get("Year_Established__c"))
        values["description"] = _text(row.get("Description"))
    else:
        values["annualrevenue"] = _text(row.get("AnnualRevenue"))
        values["phone"] = _text(row.get("Phone"))
        values["city"] = _text(row.get("BillingCity"))
    return values


def _contact(row: Row, maps: Maps, _: str) -> Values:
    return {
        "email": _email(row.get("Email")),
        "firstname": _text(row.get("FirstName")),
        "lastname": _text(row.get("LastName")),
        "phone": _text(row.get("Phone")),
        "jobtitle": _text(row.get("Title")),
        "lead_source": maps.home("lead_source", row.get("LeadSource")),
    }


def _opportunity(row: Row, maps: Maps, plan: str) -> Values:
    stage = maps.home("stage", row.get("StageName"))
    pipeline = maps.home("pipeline", row.get("StageName"))
    values: Values = {
        "dealname": _text(row.get("Name")),
        "amount": _text(row.get("Amount")),
        "pipeline": maps.pipeline[str(pipeline)],
        "dealstage": maps.stage[str(stage)],
        "product": maps.home("product", row.get("Product__c")),
        "source_created": row["CreatedDate"],
    }
    if plan == "maven-to-hubspot":
        values["closedate"] = _midnight(_day_first(row.get("Close_Date__c")) or row["CloseDate"])
        values["engage_date"] = _day_first(row.get("Engage_Date__c"))
        values["maven_opportunity_id"] = _text(row.get("Opportunity_Id__c"))
    else:
        values["closedate"] = _midnight(row["CloseDate"])
    return values


_OF = {"Account": _account, "Contact": _contact, "Opportunity": _opportunity}


def source(salesforce: Running) -> dict[str, list[dict[str, Any]]]:
    """Salesforce's store, without what is in its bin."""
    names = ("Organization", "Account", "Contact", "Opportunity", "OpportunityContactRole")
    return {
        name: [row for row in salesforce.control.ndjson(f"/truth/{name}") if not row.get("IsDeleted")]
        for name in names
    }


def wanted(
    rows: Mapping[str, list[dict[str, Any]]], before: Truth, maps: Maps, plan: str, instance: str
) -> Wanted:
    """What must be in HubSpot after the migration of these rows."""
    family = f"sf{rows['Organization'][0]['Id']}"
    found = Wanted(sources={name: len(rows[name]) for name in TARGETS})
    for name in TARGETS:
        for row in rows[name]:
            key = f"{family}.{name}.{row['Id']}"
            try:
                values = _OF[name](row, maps, plan)
            except KeyError as error:
                found.rejected[key] = str(error)
                continue
            owner, former = maps.owner[row["OwnerId"]]
            values |= {"hubspot_owner_id": owner, "former_owner": former, "migration_key": key}
            values["old_salesforce_id"] = row["Id"]
            values["old_salesforce_url"] = f"{instance}/lightning/r/{name}/{row['Id']}/view"
            found.values[key] = values
    order = _merge(found, {f"{family}.Contact.{row['Id']}": row for row in rows["Contact"]})
    _adopt(found, before)
    _link(found, rows, family, maps, order)
    return found


def _merge(found: Wanted, contacts: Mapping[str, Row]) -> dict[str, int]:
    """One contact per e-mail: the fullest stays (then the oldest), and gets what it lacks.

    Returns the place of each contact within its group.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for key in contacts:
        email = found.values.get(key, {}).get("email")
        if email:
            groups[email].append(key)
    places: dict[str, int] = {}
    mapped = ("email", "firstname", "lastname", "phone", "jobtitle", "lead_source", "hubspot_owner_id")
    for keys in groups.values():
        full = {key: sum(found.values[key][name] is not None for name in mapped) for key in keys}
        keys.sort(key=lambda key: (-full[key], contacts[key]["CreatedDate"], contacts[key]["Id"]))
        first = found.values[keys[0]]
        for place, key in enumerate(keys):
            places[key] = place
            for name in mapped:
                if first[name] is None:
                    first[name] = found.values[key][name]
            if place:
                found.merged[key] = keys[0]
        for key in keys[1:]:
            del found.values[key]
    return places


def _adopt(found: Wanted, before: Truth) -> None:
    """Accounts take over the company of their domain."""
    by_domain: dict[str, list[str]] = defaultdict(list)
    for company in before.live("companies"):
        if company.values.get("domain"):
            by_domain[company.values["domain"].lower()].append(company.id)
    for key, values in found.values.items():
        ids = by_domain.get(values.get("domain") or "", []) if ".Account." in key else []
        if len(ids) != 1:
            continue
        found.adopted[key] = ids[0]
        theirs = before.records["companies", ids[0]].values
        for name, mine in values.items():
            if name not in ALWAYS:
                values[name] = _stays(WINS.get(name, "target"), mine, theirs.get(name) or None)


def _stays(rule: str, mine: str | None, theirs: str | None) -> str | None:
    if rule == "source":
        return mine
    if rule == "target" or mine is None or theirs is None:
        first, second = (mine, theirs) if rule == "first_non_null" else (theirs, mine)
        return second if first is None else first
    if rule == "longest":
        return mine if len(mine) > len(theirs) else theirs
    return mine


def _link(
    found: Wanted,
    rows: Mapping[str, list[dict[str, Any]]],
    family: str,
    maps: Maps,
    places: Mapping[str, int],
) -> None:
    def key(name: str, id: str | None) -> str | None:
        """The record that stands for a source record, if one does."""
        asked = f"{family}.{name}.{id}"
        asked = found.merged.get(asked, asked)
        return asked if asked in found.values else None

    for row in rows["Account"]:
        child, parent = key("Account", row["Id"]), key("Account", row.get("ParentId"))
        if child and parent:
            found.links.add((child, parent, PARENT))
    for name in ("Contact", "Opportunity"):
        own: dict[str, tuple[int, str]] = {}
        for row in rows[name]:
            one, company = key(name, row["Id"]), key("Account", row.get("AccountId"))
            if not one or not company:
                continue
            found.plain.add((one, company))
            place = places.get(f"{family}.{name}.{row['Id']}", 0)
            own[one] = min(own.get(one, (place, company)), (place, company), key=lambda each: each[0])
        found.links.update((one, company, PRIMARY) for one, (_, company) in own.items())
    for row in rows["OpportunityContactRole"]:
        deal, contact = key("Opportunity", row["OpportunityId"]), key("Contact", row["ContactId"])
        if deal and contact:
            found.links.add((deal, contact, str(maps.home("role", row["Role"]))))
            found.plain.add((deal, contact))


# -- comparison -------------------------------------------------------------------------------


@dataclass
class Compared:
    """What a comparison found. `cells`: values compared. `enriched`: filled by HubSpot's own writer."""

    cells: int = 0
    told: list[str] = field(default_factory=list)
    enriched: list[str] = field(default_factory=list)
    links: int = 0


def same(name: str, one: str | None, other: str | None) -> bool:
    """Whether two values of a field are the same; numbers by value."""
    if (one or None) == (other or None):
        return True
    if one is None or other is None or name not in NUMBERS:
        return False
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return False


def compare(must: Wanted, now: Truth, log: Iterable[Mapping[str, Any]]) -> Compared:
    """Every mapped field of every row, and every link; differences in words.

    A field that must be empty may hold what HubSpot's enrichment wrote there, if its log says so.
    """
    filled = {
        (str(entry["id"]), name)
        for entry in log
        if entry["op"] == "update" and entry["actor"] == "automation:enrichment"
        for name, value in (entry["after"] or {}).items()
        if (entry["before"] or {}).get(name) != value
    }
    there = now.by_key()
    result = Compared()
    result.told += [f"lost: {key}" for key in sorted(must.values.keys() - there.keys())]
    result.told += [f"stray: {key}" for key in sorted(there.keys() - must.values.keys())]
    for key, values in must.values.items():
        record = there.get(key)
        if record is None:
            continue
        if key in must.adopted and record.id != must.adopted[key]:
            result.told.append(f"{key}: must be record {must.adopted[key]}, is {record.id}")
        for name, value in values.items():
            result.cells += 1
            got = record.values.get(name) or None
            if same(name, value, got):
                continue
            if value is None and (record.id, name) in filled:
                result.enriched.append(f"{record.object}.{name}")
                continue
            result.told.append(f"{key}.{name}: must be {value!r}, is {got!r}")
    keys = {(record.object, record.id): str(record.key) for record in now.ours()}
    labels = {PARENT, PRIMARY} | {label for *_, label in must.links}
    heads = {"companies": {PARENT}, "contacts": {PRIMARY}, "deals": labels - {PARENT}}
    got_links, plain = set(), set()
    for one, left, other, right, label in now.links:
        ends = keys.get((one, left)), keys.get((other, right))
        if ends[0] is None or ends[1] is None:
            continue
        plain.add((ends[0], ends[1]))
        if label in heads[one] and (one, other) != ("contacts", "deals"):
            got_links.add((ends[0], ends[1], label))
    result.links = len(must.links)
    result.told += [f"link lost: {link}" for link in sorted(must.links - got_links)]
    result.told += [f"link stray: {link}" for link in sorted(got_links - must.links)]
    result.told += [f"link lost: {pair}" for pair in sorted(must.plain - plain)]
    return result
