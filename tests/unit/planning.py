"""Catalogs and plans for the tests of plans: small, and stating only what matters."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrate.catalog import Catalog, Field, LinkType, ObjectSchema, Option, Owner
from migrate.types import Kind

AT = datetime(2026, 11, 1, tzinfo=UTC)


def field(name: str, kind: Kind = Kind.STRING, **more: Any) -> Field:
    return Field(name=name, label=more.pop("label", name), kind=kind, vendor_type=kind.value, **more)


def options(*values: str) -> tuple[Option, ...]:
    """`value=Label`, or a value that is its own label."""
    pairs = [(each.partition("=")[0], each.partition("=")[2] or each) for each in values]
    return tuple(Option(value=value, label=label) for value, label in pairs)


def schema(name: str, *fields: Field, **more: Any) -> ObjectSchema:
    return ObjectSchema(name=name, label=name, fields={each.name: each for each in fields}, **more)


def salesforce() -> Catalog:
    objects = [
        schema(
            "Account",
            field("Id"),
            field("Name"),
            field("Website"),
            field("Phone"),
            field("Description", Kind.TEXT),
            field("Industry", Kind.PICKLIST, options=options("Technology", "Agritech", "N/A")),
            field("Tags__c", Kind.MULTIPICKLIST, options=options("a", "b")),
            field("AnnualRevenue", Kind.MONEY, precision=18, scale=2),
            field("Score__c", Kind.DECIMAL, precision=18, scale=12),
            field("NumberOfEmployees", Kind.INT),
            field("IsDeleted", Kind.BOOL),
            field("CreatedDate", Kind.TIMESTAMP),
            field("Founded__c", Kind.DATE),
            field("ParentId", Kind.REFERENCE, references=("Account",)),
            field("OwnerId", Kind.REFERENCE, references=("User",), owner=True),
        ),
        schema(
            "Contact",
            field("Id"),
            field("Email"),
            field("LastName"),
            field("AccountId", Kind.REFERENCE, references=("Account",)),
        ),
        schema(
            "AccountContactRole",
            field("Id"),
            field("AccountId", Kind.REFERENCE, references=("Account",)),
            field("ContactId", Kind.REFERENCE, references=("Contact",)),
            field("Role", Kind.PICKLIST, options=options("Decision Maker", "Other")),
        ),
    ]
    return Catalog(
        type="salesforce",
        tenant="00D000000000001",
        family="sf-001",
        api="66.0",
        objects={each.name: each for each in objects},
        owners=(
            Owner(id="005A", email="ann@example.com", name="Ann"),
            Owner(id="005B", email="bob@example.com", name="Bob", active=False),
        ),
        discovered=AT,
    )


def hubspot() -> Catalog:
    objects = [
        schema(
            "companies",
            field("name", required=True),
            field("domain"),
            field("phone"),
            field("description", Kind.TEXT),
            field(
                "industry",
                Kind.PICKLIST,
                options=options("COMPUTER_SOFTWARE=Technology", "FARMING=Farming", "X1=Other", "X2=Other"),
                restricted=True,
            ),
            field("annualrevenue", Kind.MONEY),
            field("rating", Kind.DECIMAL, scale=2),
            field("numberofemployees", Kind.INT),
            field("is_public", Kind.BOOL),
            field("founded", Kind.DATE),
            field("first_seen", Kind.TIMESTAMP),
            field("hubspot_owner_id", Kind.REFERENCE, owner=True),
            field("hs_score", Kind.DECIMAL, calculated=True),
            field("hs_locked", createable=False, updateable=False),
            field("not_unique_key"),
        ),
        schema(
            "contacts",
            field("email", unique=True),
            field("lastname"),
            field("lifecyclestage", Kind.PICKLIST, options=options("lead=Lead", "customer=Customer")),
        ),
    ]
    return Catalog(
        type="hubspot",
        tenant="1",
        family="hs-1",
        api="2026-09",
        objects={each.name: each for each in objects},
        links=(
            LinkType(left="companies", right="companies", label="parent", wire="14"),
            LinkType(left="companies", right="companies", label="child", wire="13"),
            LinkType(left="contacts", right="companies", label="default", wire="279"),
            LinkType(left="contacts", right="companies", label="primary", wire="1"),
            LinkType(left="companies", right="contacts", label="default", wire="280"),
            LinkType(left="companies", right="contacts", label="decision_maker", wire="9"),
        ),
        owners=(
            Owner(id="1", email="ann@example.com", name="Ann"),
            Owner(id="2", email="ops@example.com", name="Ops"),
            Owner(id="3", email="gone@example.com", name="Gone", active=False),
        ),
        discovered=AT,
    )


HEAD = """\
version: 1
source: {system: legacy, type: salesforce, credentials: "env:LEGACY_"}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
"""


def write(folder: Path, plan: str, **files: str) -> Path:
    """A plan and files beside it; `/` in a name is spelt `__`, the dot `_` (`picklists__a_csv`)."""
    for name, content in files.items():
        stem, _, ending = name.rpartition("_")
        path = folder / (stem.replace("__", "/") + "." + ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    path = folder / "plan.yaml"
    path.write_text(plan)
    return path
