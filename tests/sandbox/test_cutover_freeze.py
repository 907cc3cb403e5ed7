"""Is a freeze believed? A cohort is frozen once the source stands still, and nothing that moves is missed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from migrate.clock import Clock
from migrate.connector import Batch, Operation, Settings, Write
from migrate.connectors.salesforce import SalesforceConnector
from migrate.cutover import trail
from migrate.cutover.freezing import ASKED, DRAINED, STILL, WATERMARK, drain, still_frozen
from migrate.cutover.machine import MOVED, Cutover, MoveRefused
from migrate.demo.generated import generated
from migrate.demo.run import SECRET, WRITER, credentials, sandboxes
from migrate.errors import UsageError
from migrate.workspace import Workspace
from tests.sandbox.test_stages import ADMIN, SIZES, Company

SPEED = 40.0
CUTOVER = """cutover:
  window: 10 working days
  profile: small
  freeze: {still: 30 seconds, allow: [robot@sandbox.example]}
  intake:
    - {name: web form, object: Contact, door: form, during: drain, by: [reader@sandbox.example]}
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    base, seed = tmp_path_factory.mktemp("freeze"), generated(SIZES)
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        made = Company(base / "frozen", seed, salesforce, hubspot)
        root = made.workspace("frozen")
        plan = (root / "plan.yaml").read_text()
        plan = plan.replace('LEGACY_", clock: sandbox}', 'LEGACY_", clock: sandbox, longest_call: 5}')
        (root / "plan.yaml").write_text(plan.replace("cutover: {window: 10 working days}\n", CUTOVER))
        yield made
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def company(started: Company, capsys: pytest.CaptureFixture[str]) -> Company:
    """Loaded, and holding."""
    started.capsys = capsys
    if "start" not in started.said:
        started.must("discover", "check", "prepare", "extract", "transform", "load")
        started.said["start"] = started.run("cutover start --as Ada")
        assert started.said["start"][0] in (0, 1), started.said["start"]
    with closing(Workspace(started.root)) as workspace:
        cutover = Cutover(workspace)
        if cutover.state == "syncing":
            cutover.move("holding", who="Ada")
        elif cutover.state != "holding":
            started.run("cutover thaw --as Ada --reason test")
    return started


def cutover(company: Company) -> Cutover:
    return Cutover(Workspace(company.root))


def frozen(company: Company) -> dict[str, Any]:
    code, found = company.run("cutover freeze --wait --as Ada")
    assert code == 0, found
    freeze: dict[str, Any] = found["freeze"]
    return freeze


def kinds(company: Company) -> list[str]:
    with closing(Workspace(company.root)) as workspace:
        return [each.what for each in trail.events(workspace.ledger)]


def test_a_freeze_waits_for_a_person_who_writes_on_and_names_him(company: Company) -> None:
    code, first = company.run("cutover freeze --as Ada")
    assert code == 1
    assert not first["freeze"]["frozen"]
    assert any("Setup" in each["do"] for each in first["freeze"]["instructions"])
    id = next(row["Id"] for row in company.salesforce.control.ndjson("/truth/Account"))
    with closing(Workspace(company.root)) as workspace:
        workspace.clock.sleep(20)
        company.act("update", "Account", id=id, fields={"Phone": "0815"})
        workspace.clock.sleep(2)

    code, second = company.run("cutover freeze --as Ada")

    assert code == 1
    [offence] = second["freeze"]["offences"]
    assert (offence["object"], offence["id"], offence["deed"]) == ("Account", id, "changed")
    assert ADMIN in offence["by"]
    assert second["freeze"]["still_from"] == offence["at"]

    found = frozen(company)
    assert found["seconds"] >= found["needed"] >= 65
    assert found["touched"] == 1


def test_the_final_watermark_is_read_after_the_freeze_was_verified(company: Company) -> None:
    frozen(company)

    told = [each for each in kinds(company) if each in (ASKED, STILL, MOVED, WATERMARK)]
    assert told[-4:] == [ASKED, STILL, MOVED, WATERMARK]


def test_a_watermark_from_before_the_freeze_drains_nothing(company: Company) -> None:
    made = cutover(company)
    ledger = made.workspace.ledger
    company.run("cutover freeze --as Ada")
    trail.append(ledger, "Eve", WATERMARK, cohort="all", at="2020-01-01T00:00:00.000000Z")
    asked = next(each for each in reversed(trail.events(ledger, ASKED)))
    trail.append(
        ledger, "Eve", STILL, cohort="all", at=str(asked.facts["at"]), still_from=str(asked.facts["at"]),
        seconds=99.0, needed=1.0,
    )  # fmt: skip
    made.move("frozen", who="Eve")
    trail.append(ledger, "Eve", DRAINED, cohort="all", through="2099-01-01T00:00:00.000000Z")

    with pytest.raises(MoveRefused, match="watermark"):
        made.move("drained", who="Eve")


def test_nobody_is_frozen_by_being_called_so(company: Company) -> None:
    with pytest.raises(MoveRefused, match="stand still"):
        cutover(company).move("frozen", who="Eve")


def test_a_drain_brings_what_was_written_before_the_freeze_and_the_thaw_lets_go(company: Company) -> None:
    key = next(key for key in sorted(company.there("contacts")) if ".Contact." in key)
    company.act("update", "Contact", id=key.rpartition(".")[2], fields={"Title": "Chief of the weekend"})
    frozen(company)
    made = cutover(company)

    done = drain(made, who="Ada")

    assert made.state == "drained"
    assert done.through >= done.watermark
    assert company.there("contacts")[key]["jobtitle"] == "Chief of the weekend"
    assert still_frozen(made).ok

    code, thawed = company.run("cutover thaw --as Ada --reason again")
    assert (code, thawed["thawed"]["came_from"]) == (0, "drained")
    assert cutover(company).state == "holding"


@pytest.mark.long
def test_a_write_after_the_freeze_is_found_by_person_and_record_and_stops_the_drain(company: Company) -> None:
    frozen(company)
    id = next(row["Id"] for row in company.salesforce.control.ndjson("/truth/Account"))
    made = cutover(company)
    made.workspace.clock.sleep(2)
    company.act("update", "Account", id=id, fields={"Phone": "4712"})

    line = still_frozen(made)
    assert not line.ok
    assert id in line.words
    assert ADMIN in line.words
    assert "thaw" in line.remedy
    with pytest.raises(UsageError, match="doesn't hold"):
        drain(made, who="Ada")
    assert made.state == "frozen"


@pytest.mark.long
def test_an_open_bulk_job_keeps_the_cohort_from_being_frozen(company: Company) -> None:
    with closing(Workspace(company.root)) as workspace, closing(writer(company, workspace.clock)) as org:
        job = org._ingest.create(
            Batch(Operation.CREATE, "Account", (Write("x", values={"Name": "By job"}),)), "AccountNumber"
        )
        code, found = company.run("cutover freeze --wait --for 200s --as Ada")
        assert code == 1
        assert [(each["id"], each["state"]) for each in found["freeze"]["jobs"]] == [(job, "Open")]

        org._ingest.outcomes(job, Batch(Operation.CREATE, "Account"), "AccountNumber")  # aborts what is open
    frozen(company)


def writer(company: Company, clock: Clock) -> SalesforceConnector:
    credentials = {"instance_url": company.salesforce.url, "client_id": WRITER, "client_secret": SECRET}
    return SalesforceConnector(Settings("legacy", credentials, {}, clock))


@pytest.mark.long
def test_a_door_that_stays_open_breaks_no_freeze_and_is_drained(company: Company) -> None:
    frozen(company)
    made = cutover(company)
    made.workspace.clock.sleep(2)
    company.salesforce.control.post(
        "/act",
        {"as": "reader@sandbox.example", "do": "create", "object": "Contact",
         "fields": {"LastName": "Form", "Email": "form@example.com"}},
    )  # fmt: skip

    assert still_frozen(made).ok
    drain(made, who="Ada")
    assert made.state == "drained"
    assert "form@example.com" in {each.get("email") for each in company.there("contacts").values()}

    company.salesforce.control.post(
        "/act",
        {"as": "reader@sandbox.example", "do": "create", "object": "Contact",
         "fields": {"LastName": "Late", "Email": "late@example.com"}},
    )  # fmt: skip
    line = still_frozen(made)
    assert (line.id, line.ok) == ("doors", False)
    assert "delta" in line.remedy

    drain(made, who="Ada")
    assert made.state == "drained"
    assert "late@example.com" in {each.get("email") for each in company.there("contacts").values()}
