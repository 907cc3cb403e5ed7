"""Does each cohort's start bring its records and what they refer to, and nothing of another cohort?

Two cohorts on the small company: a pilot of some accounts, then everything left. Judged by HubSpot's own
store.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from migrate.cli import main
from migrate.cutover import homes, trail
from migrate.cutover.machine import states
from migrate.cutover.stillness import Looking
from migrate.demo.generated import generated
from migrate.demo.run import credentials, sandboxes
from migrate.workspace import Workspace
from tests.sandbox.test_stages import SIZES, SPEED, Company

pytestmark = pytest.mark.long  # each test goes on from where the one before left the company
OBJECTS = {"Account": "companies", "Contact": "contacts", "Opportunity": "deals"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    base, seed = tmp_path_factory.mktemp("cohorts"), generated(SIZES)
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        found = Company(base / "it", seed, salesforce, hubspot)
        root = found.workspace("it")
        names = sorted(row["Name"] for row in salesforce.control.ndjson("/truth/Account"))
        middle = names[len(names) // 3].replace("'", "''")
        plan = (root / "plan.yaml").read_text()
        cohorts = f"[{{name: pilot, where: \"Account: Name < '{middle}'\"}}, {{name: rest}}]"
        last = "cutover: {window: 10 working days}"
        assert last in plan
        plan = plan.replace(last, f"cutover: {{profile: small, cohorts: {cohorts}}}")
        (root / "plan.yaml").write_text(plan)
        yield found
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def company(made: Company, capsys: pytest.CaptureFixture[str]) -> Company:
    made.capsys = capsys
    return made


def keys(company: Company, cohort: str) -> set[str]:
    workspace = Workspace(company.root)
    files = homes.keys(workspace, cohort)
    found = {row["key"] for row in workspace.engine.rows(f"SELECT key FROM read_parquet({files!r})")}
    workspace.close()
    return found


def there(company: Company) -> set[str]:
    return {key for object in OBJECTS.values() for key in company.there(object)}


def test_cohorts_start_one_after_the_other(company: Company) -> None:
    company.must("discover", "check", "prepare")

    code, told = company.run("cutover start --cohort pilot --as Ada")

    assert code in (0, 1), told
    assert told["state"] == "syncing"
    assert told["load"]["blocked"] == dict.fromkeys(told["load"]["blocked"], 0)
    pilot = keys(company, "pilot")
    assert told["records"] == len(pilot)
    workspace = Workspace(company.root)
    in_all = sum(workspace.store.manifests("ready", name)[-1].rows for name in OBJECTS)
    rows = company.salesforce.control.ndjson("/truth/Account")
    parents = {company.key("Account", row["Id"]): row["ParentId"] for row in rows}
    chain = {key for key in pilot if key in parents}
    while more := {company.key("Account", parents[key]) for key in chain if parents[key]} - chain:
        chain |= more
    workspace.close()
    here = there(company)
    assert 0 < len(pilot) < in_all
    assert pilot <= here
    assert {key for key in here if ".Account." in key} == chain  # and no other account but their parents
    assert len(here) < in_all

    code, told = company.run("validate")

    assert code in (0, 1), told
    by = {each["id"]: each for each in told["results"]}
    assert {id for id, each in by.items() if each["verdict"] not in ("pass", "warn")} == set()
    waiting = "records of cohorts that haven't started"
    later = {id: each["figures"][waiting] for id, each in by.items() if waiting in each["figures"]}
    assert "questions.won_by_month" in later  # the whole company's figure, of which a pilot has a part
    assert all(by[id]["verdict"] == "warn" and not by[id]["compared"] for id in later)
    assert later["questions.won_by_month"] == in_all - len(here)
    again, second = company.run("cutover start --cohort pilot")
    assert (again, second["error"]) == (2, "UsageError")  # it is syncing: `start` is over

    code, told = company.run("cutover start --cohort rest --as Ada")

    assert code in (0, 1), told
    rest = keys(company, "rest")
    assert rest & pilot == set()
    assert len(rest) + len(pilot) == in_all == len(there(company))
    workspace = Workspace(company.root)
    assert states(workspace) == {"pilot": "syncing", "rest": "syncing"}
    assert trail.verify(workspace) == []
    workspace.close()

    code, told = company.run("validate")

    assert code in (0, 1), told
    assert [each["id"] for each in told["results"] if waiting in each["figures"]] == []  # nothing waits now


def test_check_says_first_how_many_records_cohorts_share(company: Company) -> None:
    plan = company.root / "plan.yaml"
    before = plan.read_text()
    everything = '{name: second, where: "Account: Name IS NOT NULL"}, {name: rest}'
    try:
        plan.write_text(before.replace("{name: rest}", everything))
        code, told = company.run("check")
        assert company.capsys is not None
        main(["-w", str(company.root), "check"])
        said = company.capsys.readouterr().out
    finally:
        plan.write_text(before)

    assert code in (0, 1), told
    pilot = keys(company, "pilot")
    assert told["cohorts"]["records"]["pilot"] == len(pilot)
    assert told["cohorts"]["shared"] == [{"cohorts": ["pilot", "second"], "records": len(pilot)}]
    assert said.startswith("Records by cohort: `pilot` ")
    assert f"{len(pilot):,} records are in both `pilot` and `second`" in said


def test_a_cohort_that_can_not_be_read_is_a_mistake_of_the_plan_with_its_place(company: Company) -> None:
    plan = company.root / "plan.yaml"
    before = plan.read_text()
    try:
        plan.write_text(before.replace("Account: Name <", "Account: Nmae <"))
        code, told = company.run("check")
    finally:
        plan.write_text(before)

    assert (code, told["error"]) == (2, "PlanError")
    assert "plan.yaml:" in told["message"]
    assert "Nmae" in told["message"]


def test_the_log_tells_who_did_what_and_is_whole(company: Company) -> None:
    code, told = company.run("cutover log --verify")

    assert (code, told["flaws"]) == (0, [])
    moves = [(each["who"], each["facts"]["to"]) for each in told["events"] if "to" in each["facts"]]
    assert moves == [("Ada", to) for _ in range(2) for to in ("rehearsed", "loading", "syncing")]


def test_status_says_what_is_next_for_each_cohort(company: Company) -> None:
    code, told = company.run("cutover status")

    assert code in (0, 1)
    found = {each["cohort"]: each for each in told["cohorts"]}
    assert list(found) == ["pilot", "rest"]
    assert found["pilot"]["state"] == "syncing"
    assert "cutover delta" in found["pilot"]["command"]
    assert found["pilot"]["last_safe_start"]


def test_a_pilots_freeze_looks_at_the_pilots_records_alone(company: Company) -> None:
    mine, others = keys(company, "pilot"), keys(company, "rest")
    one, other = (
        next(key for key in sorted(found) if ".Contact." in key).rpartition(".")[2]
        for found in (mine, others)
    )
    workspace = Workspace(company.root)
    with closing(workspace), closing(workspace.source()) as source:
        workspace.clock.sleep(3)
        since = source.now()
        workspace.clock.sleep(2)
        for id in (one, other):
            company.act("update", "Contact", id=id, fields={"Title": "Busy"})
        workspace.clock.sleep(2)

        def seen(cohort: str) -> set[str]:
            found = Looking(workspace, source, cohort).look(since)
            return {each.id for each in found.offences if each.object == "Contact"}

        assert (seen("pilot"), seen("rest")) == ({one}, {other})
