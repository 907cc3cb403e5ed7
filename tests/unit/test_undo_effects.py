"""What happens besides a rollback is told by what the target tells, and no more is claimed."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from migrate_rollback import effects
from migrate_rollback.planned import Reckoning

from migrate.catalog import Catalog, Owner
from migrate.connector import Automation, Link, Target, Told
from migrate.connectors.hubspot.restoring import RESTORING as HUBSPOT
from migrate.connectors.salesforce.restoring import RESTORING as SALESFORCE
from migrate.plan import PlanModel

DELETES, RESTORES = {"Account": 3, "Contact": 0}, {"Account": 2, "Lead": 5}


class Telling:
    """A target that tells these automations."""

    system = "new"

    def __init__(self, *automations: Automation) -> None:
        self.told = Told(automations, ("Nobody tells of mail.",))
        self.asked: list[str] = []

    def automations(self, objects: list[str]) -> Told:
        self.asked = objects
        return self.told

    def by_rule(self, code: str) -> bool:
        raise NotImplementedError(code)

    def mail_signs(self, object: str) -> list[str]:
        raise NotImplementedError(object)

    def given(self, object: str) -> dict[str, str]:
        raise NotImplementedError(object)


def beside(*automations: Automation, off: list[str] | None = None) -> list[tuple[str, int, str]]:
    plan = SimpleNamespace(automations=SimpleNamespace(switch_off=off or []))
    target = Telling(*automations)
    found, untold = effects.of_automations(cast("Target", target), cast("PlanModel", plan), DELETES, RESTORES)
    assert untold == ("Nobody tells of mail.",)
    assert target.asked == ["Account", "Lead"]
    return [(each.object, each.count, each.words) for each in found]


def flow(name: str, object: str = "Account", **more: Any) -> Automation:
    return Automation(object, more.pop("kind", "flow"), name, name, more.pop("active", True), **more)


def test_an_automation_counts_the_writes_on_which_it_acts() -> None:
    assert beside(
        flow("gone", on="Delete"), flow("saved", on="CreateAndUpdate"), flow("new", on="Create")
    ) == [
        ("Account", 3, "flow `gone` may act on 3 deletions"),
        ("Account", 2, "flow `saved` may act on 2 updates"),
    ]


def test_one_that_tells_not_on_what_is_taken_to_act_on_all() -> None:
    [(_, count, words)] = beside(flow("Tell", kind="trigger"))

    assert count == 5
    assert (
        words
        == "trigger `Tell` may act on 3 deletions and 2 updates; the target doesn't say on which it does"
    )


def test_a_rule_may_refuse_an_update_and_never_a_deletion() -> None:
    assert beside(flow("Phone", "Lead", kind="validation rule")) == [
        ("Lead", 5, "validation rule `Phone` may refuse 5 updates")
    ]


def test_what_is_off_or_left_out_of_our_writes_does_nothing() -> None:
    assert beside(flow("a", active=False), flow("b", bypassed=True)) == []
    [(_, count, words)] = beside(flow("Tell", on="Update"), off=["Tell"])
    assert count == 0
    assert "switched off while it runs" in words


def catalog(*owners: Owner) -> Catalog:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Catalog(type="x", tenant="T", family="t", api="1", objects={}, owners=owners, discovered=at)


def test_a_bin_that_is_too_small_pushes_out_what_others_have_deleted() -> None:
    users = catalog(*(Owner(id=str(n), email=None, name=str(n), active=n < 3) for n in range(5)))

    [fits] = effects.of_bin(SALESFORCE, users, {"Account": 10_000, "Contact": 5_000})
    [full] = effects.of_bin(SALESFORCE, users, {"Account": 10_000, "Contact": 5_001})

    assert fits.count == 15_000
    assert "0 places are left" in fits.words
    assert "1 too many" in full.words
    assert list(effects.of_bin(HUBSPOT, users, {"companies": 1_000_000})) == []


def test_what_goes_along_is_told_from_what_stays_without_its_link() -> None:
    cascades = effects.Cascades()
    links = [
        Link("Account", "A", "Contact", "C", "AccountId", cascades=True),
        Link("Account", "A", "Task", "T", "WhatId"),
        Link("Account", "A", "Task", "T", "AccountId"),
        Link("Account", "A", "Task", "ours", "WhatId"),
        Link("Account", "held", "Task", "U", "WhatId"),
    ]

    cascades.add("Account", {"A"}, links, {("Task", "ours")})

    found = list(cascades.effects())
    assert [(each.object, each.count) for each in found] == [("Account", 1), ("Account", 1)]
    assert "would go along" in found[0].words
    assert "stay" in found[1].words


def test_a_day_that_has_too_few_calls_left_is_said() -> None:
    assert Reckoning({"to delete": 80}, 8.0, 10.0, 100, 1000, 20).enough is True
    short = Reckoning({"to delete": 81}, 8.0, 10.0, 100, 1000, 20)
    assert short.enough is False
    assert "it will park" in short.words
    assert Reckoning({"to delete": 81}).enough is None
