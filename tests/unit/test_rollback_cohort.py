"""With whom does a record go? With the nearest of its parents, by the plan's references and links."""

from __future__ import annotations

from migrate_rollback.cohort import distances

from migrate.plan.models import ObjectPlan


def entry(source: str, target: str, *links: str, **fields: str) -> ObjectPlan:
    """An entry with references (`field`: the entry referred to) and links to target objects."""
    shapes = {name: {"from": name, "entry": to, "missing": "later"} for name, to in fields.items()}
    return ObjectPlan.model_validate({
        "source": source, "target": target, "fields": {"name": "Name", **shapes},
        "links": [{"to": to, "via": f"{to}Id"} for to in links],
    })  # fmt: skip


ACCOUNT = entry("Account", "companies", "companies")
CONTACT = entry("Contact", "contacts", "companies")
DEAL = entry("Opportunity", "deals", "companies", "contacts")
CALL = entry("Task~call", "calls", "contacts", "deals")
PRODUCT = entry("Product2", "products")
PLANS = [ACCOUNT, CONTACT, DEAL, CALL, PRODUCT]


def test_steps_are_counted_along_the_shortest_way_up() -> None:
    assert distances(PLANS, ["Account"]) == {
        "Account": 0, "Contact": 1, "Opportunity": 1, "Task~call": 2
    }  # fmt: skip


def test_what_leads_to_no_chosen_object_has_no_place() -> None:
    assert "Product2" not in distances(PLANS, ["Account"])
    assert distances(PLANS, ["Product2"]) == {"Product2": 0}


def test_a_chosen_object_is_chosen_by_the_expression_alone() -> None:
    assert distances(PLANS, ["Account", "Opportunity"])["Opportunity"] == 0
