"""What can be put back: the vendors' tables, whole, shown in the docs as they are; a window follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.connector import Change, Limits, Restorable, limits_for, restoring_of, row_for
from migrate.connector.restoring import never
from migrate.plugins import load

DOCS = Path(__file__).parents[2] / "docs" / "vendors"
VENDORS = ("hubspot", "salesforce")


def lines(restoring: tuple[Restorable, ...]) -> Iterator[str]:
    """The table as the vendor's page shows it."""
    routes = {"api": "a rollback", "ui": "a person", "none": "nobody"}
    yield "| change | taken back by | how long | what else | read on |"
    yield "|---|---|---|---|---|"
    for each in restoring:
        change = each.change + (f" ({', '.join(each.objects)})" if each.objects else "")
        note = each.note + (f" (*{each.where}*)" if each.where else "")
        yield f"| {change} | {routes[each.route]} | {each.lasts} | {note} | {each.source or 'no page'} |"


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_vendors_page_shows_the_table_that_the_connector_keeps(vendor: str) -> None:
    page = (DOCS / f"{vendor}.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in page if line.startswith(("| change |", *(f"| {each}" for each in Change)))]

    wanted = [line for line in lines(load(vendor).restoring()) if not line.startswith("|---")]
    assert shown == wanted


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_table_says_something_of_every_change_and_why_where_nobody_can(vendor: str) -> None:
    table = restoring_of(load(vendor))

    assert {each.change for each in table if not each.objects} == set(Change)
    assert all(each.note for each in table if each.route == "none")
    assert all(each.where for each in table if each.route == "ui")
    assert all(each.days is None for each in table if each.route != "ui")


def test_a_row_of_an_object_goes_before_the_one_of_all_others() -> None:
    table = load("salesforce").restoring()

    assert row_for(table, Change.RECORD_CREATED, "User").route == "none"
    assert row_for(table, Change.RECORD_CREATED, "Account").route == "api"


def test_the_window_ends_with_the_first_change_that_a_vendor_forgets() -> None:
    hubspot, salesforce = load("hubspot").restoring(), load("salesforce").restoring()

    made = {Change.RECORD_CREATED, Change.FIELD_OVERWRITTEN, Change.LINK_MADE, Change.HISTORY}
    assert limits_for(hubspot, made) is None
    assert limits_for(hubspot, made | {Change.RECORD_DELETED}) == 90
    assert limits_for(hubspot, made | {Change.RECORD_DELETED, Change.FILE_DELETED}) == 30
    assert limits_for(salesforce, made | {Change.RECORD_DELETED}) == 15
    assert [each.change for each in never(hubspot, made)] == [Change.HISTORY]


def test_a_connector_that_tells_nothing_is_trusted_with_its_own_operations_only() -> None:
    limits = Limits(100, 100, 100, 100, None, 1, 60.0, recycle_days=30)

    table = restoring_of(object(), limits)

    assert limits_for(table, set(Change)) == 30
    assert row_for(table, Change.RECORD_CREATED).route == "api"
    assert row_for(table, Change.OPTION_ADDED).route == "none"
