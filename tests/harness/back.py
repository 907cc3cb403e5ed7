"""A small way from HubSpot into an occupied Salesforce org, for lanes that load and roll back there."""

from __future__ import annotations

from pathlib import Path

from migrate.demo.generated import generated
from migrate.demo.shape import Seed, Sizes
from migrate.sandbox.salesforce.org_automations import PLATFORM

SIZES = Sizes(
    accounts=14, parents=4, opportunities=4, users=35, inactive=6, companies=14, known=5, contacts=30
)
PLAN = """\
version: 1
source: {system: legacy, type: hubspot, credentials: "env:LEGACY_"}
target: {system: new, type: salesforce, credentials: "env:NEW_", share: 0.8}

objects:
  - source: companies
    target: Account
    key: {field: Migration_Key__c}
    match: [Name]
    fields:
      Name: name
      Website: domain
      Phone: {from: phone, wins: source}
      BillingCity: city
  - source: contacts
    target: Contact
    key: {field: Migration_Key__c}
    related:
      firm: {of: contacts_to_companies, by: left, take: min(right)}
    fields:
      LastName: coalesce(lastname, email)
      FirstName: firstname
      Email: email
      Phone: phone
      AccountId: {from: firm, reference: companies}
cutover: {window: 10 working days}
"""


def folder(root: Path) -> Path:
    """A folder with the plan in it, as a lane takes one."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "plan.yaml").write_text(PLAN, encoding="utf-8")
    return root


def seed() -> Seed:
    """Both systems; the org has the user as whom the platform itself writes, as any real one has."""
    found = generated(SIZES)
    found.salesforce["records"]["User"].append({
        "Id": PLATFORM, "Username": "automated@process.example", "LastName": "Automated Process",
        "Email": "automated@process.example", "Alias": "autoproc", "IsActive": True,
        "UserType": "AutomatedProcess",
    })  # fmt: skip
    return found
