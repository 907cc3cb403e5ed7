"""Do the vendors' own counts and sums agree with what is there, and do they say so where they have none?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest

from migrate.clock import SandboxClock
from migrate.connector import (
    OTHER,
    AnswersTotals,
    Batch,
    By,
    NewField,
    NewOption,
    NotAnswered,
    Operation,
    Question,
    Settings,
    Where,
    Write,
)
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.salesforce import SalesforceConnector
from migrate.errors import UsageError
from migrate.sandbox.server import Running, launch

SPEED = 60.0
DEALS = (
    ("One", "100.10", "2026-01-31", "Closed Won"),
    ("Two", "0.20", "2026-01-01", "Closed Won"),
    ("Three", None, "2026-02-01", "Closed Lost"),
    ("Four", "12345678901.55", "2026-02-28", "Prospecting"),
)
DAYS = ("2026-01-01", "2026-01-31", "2026-02-01")


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with launch("salesforce", tmp_path_factory.mktemp("salesforce"), speed=SPEED) as running:
        deals = [
            {"Name": name, "Amount": amount, "CloseDate": close, "StageName": stage}
            for name, amount, close, stage in DEALS
        ]
        accounts = [{"Name": f"Firm {number:04}"} for number in range(2001)]
        client = {"client_id": "a", "client_secret": "secret-of-a", "user": "admin@sandbox.example"}
        records = {"Opportunity": deals, "Account": accounts}
        running.control.post("/seed", {"records": records, "clients": [client]})
        yield running


@pytest.fixture(scope="module")
def salesforce(org: Running) -> Iterator[SalesforceConnector]:
    credentials = {"instance_url": org.url, "client_id": "a", "client_secret": "secret-of-a"}
    connector = SalesforceConnector(Settings("legacy", credentials, {}, clock_of(org)))
    yield connector
    connector.close()


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubSpotConnector]:
    with launch("hubspot", tmp_path_factory.mktemp("hubspot"), speed=SPEED) as running:
        running.control.post("/seed", {"portal": {"id": 4471203}, "tokens": [{"token": "pat-na1-total"}]})
        clock = clock_of(running)
        credentials = {"base_url": running.url, "token": "pat-na1-total"}
        connector = HubSpotConnector(Settings("new", credentials, {}, clock))
        connector.prepare([
            NewField("contacts", "grade", "Grade", "picklist"), NewOption("contacts", "grade", "a", "A"),
            NewOption("contacts", "grade", "b", "B"), NewField("contacts", "met", "Met", "date"),
        ])  # fmt: skip
        values = ({"grade": "a", "met": DAYS[0]}, {"grade": "a", "met": DAYS[1]}, {"met": DAYS[2]})
        writes = [Write(str(n), values={"email": f"{n}@a.test", **row}) for n, row in enumerate(values)]
        assert {one.status for one in connector.send(Batch(Operation.CREATE, "contacts", tuple(writes)))} == {
            "done"
        }
        clock.sleep(60)  # until the index has them
        yield connector
        connector.close()


def clock_of(running: Running) -> SandboxClock:
    return SandboxClock(datetime.fromisoformat(running.control.get("/clock")["now"]), SPEED)


def test_an_org_sums_by_stage_and_by_month_to_the_last_digit(salesforce: SalesforceConnector) -> None:
    assert isinstance(salesforce, AnswersTotals)

    by_stage = salesforce.totals(Question("Opportunity", (By("StageName"),), "Amount"))
    by_month = salesforce.totals(Question("Opportunity", (By("CloseDate", month=True), By("IsWon"))))

    assert {(one.values, one.count, one.sum) for one in by_stage.totals} == {
        (("Closed Won",), 2, Decimal("100.30")),
        (("Closed Lost",), 1, None),
        (("Prospecting",), 1, Decimal("12345678901.55")),
    }
    assert {(one.values, one.count) for one in by_month.totals} == {
        (("2026-01", "true"), 2), (("2026-02", "false"), 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("where", "count"),
    [
        (Where("StageName", "=", ("Closed Won",)), 2),
        (Where("StageName", "in", ("Closed Won", "Closed Lost")), 3),
        (Where("Amount", "empty"), 1),
        (Where("Amount", ">", ("0.20",)), 2),
        (Where("CloseDate", ">=", ("2026-02-01",)), 2),
        (Where("IsWon", "=", ("true",)), 2),
        (Where("Name", "!=", ("O'Hara",)), 4),
    ],
)
def test_an_org_counts_by_condition(salesforce: SalesforceConnector, where: Where, count: int) -> None:
    (whole,) = salesforce.totals(Question("Opportunity", where=(where,))).totals

    assert (whole.values, whole.count) == ((), count)


def test_an_org_that_can_not_answer_says_why_and_answers_nothing(salesforce: SalesforceConnector) -> None:
    for question, why in (
        (Question("Account", (By("Name"),)), "at most 2,000 groups"),
        (Question("Account", (By("Description"),)), "doesn't group by `Description`"),
        (Question("Opportunity", sum="Name"), "doesn't sum `Name`"),
    ):
        with pytest.raises(NotAnswered, match=why):
            salesforce.totals(question)
    with pytest.raises(UsageError, match="no field `Nome`"):
        salesforce.totals(Question("Account", (By("Nome"),)))


def test_a_portal_counts_each_option_and_those_without(hubspot: HubSpotConnector) -> None:
    assert isinstance(hubspot, AnswersTotals)

    answer = hubspot.totals(Question("contacts", (By("grade"),)))

    assert {(one.values, one.count) for one in answer.totals} == {(("a",), 2), ((None,), 1)}


def test_a_portal_counts_by_month_and_by_condition(hubspot: HubSpotConnector) -> None:
    months = hubspot.totals(Question("contacts", (By("met", month=True), By("grade")))).totals
    (some,) = hubspot.totals(Question("contacts", where=(Where("met", "<", ("2026-02-01",)),))).totals

    assert {(one.values, one.count) for one in months} == {
        (("2026-01", "a"), 2), (("2026-02", None), 1),
    }  # fmt: skip
    assert some.count == 2


def test_a_portal_sums_nothing_and_groups_by_no_free_text(hubspot: HubSpotConnector) -> None:
    for question, why in (
        (Question("deals", sum="amount"), "counts and doesn't sum"),
        (Question("contacts", (By("email"),)), "lists no values"),
    ):
        with pytest.raises(NotAnswered, match=why):
            hubspot.totals(question)


def test_what_a_portal_no_longer_lists_is_a_group_of_its_own(
    hubspot: HubSpotConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = hubspot._metadata.known
    fields = known("contacts", ["grade"])
    shorter = {"grade": fields["grade"].model_copy(update={"options": fields["grade"].options[1:]})}
    monkeypatch.setattr(hubspot._metadata, "known", lambda _object, _names: shorter)

    answer = hubspot.totals(Question("contacts", (By("grade"),)))

    assert {(one.values, one.count) for one in answer.totals} == {((OTHER,), 2), ((None,), 1)}
