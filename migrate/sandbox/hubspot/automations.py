"""What does HubSpot write that nobody asked for?

Two account settings, both off by default: companies made and associated by the e-mail domain of a new
contact, and enrichment that fills empty company fields after a create. Both act some seconds after the
create, under names of their own in the history.

Facts: HubSpot, "Create and associate companies with contacts" and "Data enrichment", read 2026-11-23;
delays are settings.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

from migrate.sandbox.hubspot import checks, links, records, standards
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.records import Record

ASSOCIATE: Final = "associate_by_domain"
ENRICH: Final = "enrichment"
_CITIES: Final = (
    ("Boston", "United States"),
    ("Dublin", "Ireland"),
    ("Berlin", "Germany"),
    ("Tokyo", "Japan"),
)


def after_create(call: Call, kind: str, made: Sequence[Record]) -> None:
    """Put off what the switched-on automations will do about new records. Seeds wake nobody."""
    if call.quiet:
        return
    if kind == "contacts" and call.automations.get(ASSOCIATE):
        low, high = call.settings["associate_delay"]
        for record in made:
            domain = record.properties.get("hs_email_domain", "")
            if domain and domain not in standards.FREE_MAIL:
                call.tx.later(
                    call.rng.uniform(low, high), ASSOCIATE, {"contact": record.id, "domain": domain}
                )
    if kind == "companies" and call.automations.get(ENRICH):
        low, high = call.settings["enrichment_delay"]
        for record in made:
            if record.properties.get("domain"):
                call.tx.later(call.rng.uniform(low, high), ENRICH, {"company": record.id})


def associate(call: Call, payload: dict[str, Any]) -> None:
    """Find or make the company of a contact's e-mail domain and associate both."""
    id, domain = int(payload["contact"]), str(payload["domain"])
    if not links.live(call, "contacts", [id]):
        return
    query = (
        "SELECT id FROM hs_record WHERE kind = 'companies' AND archived = 0 "
        "AND json_extract(properties, '$.domain') = ? ORDER BY id LIMIT 1"
    )
    row = call.sql.execute(query, (domain,)).fetchone()
    if row is None:
        made = records.insert(
            call, "companies", [checks.draft(call, "companies", {"domain": domain, "name": domain})]
        )
        after_create(call, "companies", made)
        company = made[0].id
    else:
        company = int(row[0])
    default = call.catalog.default("contacts", "companies").spec
    try:
        links.refuse_full(call, "contacts", "companies", (id, company, [default]))
    except ApiError:  # an administrator's limit binds HubSpot's own writers too
        return
    links.add(call, "contacts", "companies", [(id, company, [default])])


def enrich(call: Call, payload: dict[str, Any]) -> None:
    """Fill the empty fields of a company; values that are there stay."""
    company = records.fetch(call.sql, [int(payload["company"])]).get(int(payload["company"]))
    if company is None or company.archived or not company.properties.get("domain"):
        return
    known = call.catalog.properties["companies"]
    values = {**facts(company.properties["domain"]), **call.settings["enrichment_values"]}
    fill = {
        name: values[name]
        for name in call.settings["enrichment_fields"]
        if name in values and name in known and name not in company.properties
    }
    if fill:
        records.change(call, [(company, checks.clean(call, "companies", fill, held=company.properties), {})])


def facts(domain: str) -> dict[str, str]:
    """What the enrichment believes about a domain: always the same for the same one."""
    pick = zlib.crc32(domain.encode())
    city, country = _CITIES[pick % len(_CITIES)]
    return {
        "industry": ("COMPUTER_SOFTWARE", "RETAIL", "FINANCIAL_SERVICES", "MACHINERY")[pick // 7 % 4],
        "city": city,
        "country": country,
        "numberofemployees": str(10 + pick % 5000),
        "annualrevenue": str(100_000 * (1 + pick % 997)),
        "description": f"What is known publicly about {domain}.",
    }
