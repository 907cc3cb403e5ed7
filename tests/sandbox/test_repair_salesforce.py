"""Fix forward where Salesforce is the target: references, opt-outs, stamps, a condition, lost answers.

Judged by the new org's own store.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.orgs import PLAN, Orgs, orgs

pytestmark = pytest.mark.long

OPTED = "      HasOptedOutOfEmail: HasOptedOutOfEmail\n"
LEFT = "consent:\n  - {source: Contact, opted_out: HasOptedOutOfEmail, leave: Told by letter}\n"
REVENUE = "      AnnualRevenue: AnnualRevenue\n"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orgs]:
    with orgs(tmp_path_factory.mktemp("orgs")) as each:
        yield each


@pytest.fixture
def org(started: Orgs, capsys: pytest.CaptureFixture[str]) -> Iterator[Orgs]:
    """Both orgs with the first plan's load; each test begins there."""
    started.capsys = capsys
    if not (started.base / "loaded").exists():
        started.must("discover", "check", "prepare --yes", "extract", "transform", "load")
        started.save("loaded")
    started.restore("loaded")
    (started.root / "plan.yaml").write_text(PLAN)
    yield started
    started.new.control.delete("/faults")


def plan(org: Orgs, old: str, new: str, more: str = "") -> None:
    assert old in PLAN
    (org.root / "plan.yaml").write_text(PLAN.replace(old, new) + more)


def revenue(org: Orgs) -> dict[str, float]:
    return {key: float(row["AnnualRevenue"]) for key, row in org.keyed("Account").items()}


def test_a_field_is_mended_where_it_is_as_we_left_it_whatever_becomes_of_an_answer(org: Orgs) -> None:
    before = revenue(org)
    edited = max(before)
    org.act("update", "Account", id=org.keyed("Account")[edited]["Id"], fields={"AnnualRevenue": 7})
    plan(org, REVENUE, "      AnnualRevenue: AnnualRevenue * 1000\n")
    org.fault({"kind": "drop", "at": "after_commit"}, method="PATCH", nth=1)

    done = org.run("repair --fields Account.AnnualRevenue --yes", 1)

    # Firm 0 earns nothing, by either plan.
    assert (done["mended"], done["held"]) == (len(before) - 2, 1)
    assert [(each["name"], each["count"]) for each in done["groups"]] == [("Account.edited", 1)]
    assert revenue(org) == {key: value * 1000 for key, value in before.items()} | {edited: 7.0}


def test_a_record_with_a_dead_letter_of_its_own_is_left_out_and_counted(org: Orgs) -> None:
    before = revenue(org)
    edited = max(before)
    org.act("update", "Account", id=org.keyed("Account")[edited]["Id"], fields={"Industry": "Energy"})
    industry = "      Industry: Industry\n", "      Industry: \"'Media'\"\n"
    plan(org, *industry)
    org.must("plan accept --as Ada --reason media", "transform")
    org.run("load", 1)  # it is held: somebody has changed it
    text = (org.root / "plan.yaml").read_text()
    (org.root / "plan.yaml").write_text(text.replace(REVENUE, "      AnnualRevenue: AnnualRevenue + 1\n"))

    seen = org.run("repair --fields Account.AnnualRevenue --dry-run")
    done = org.run("repair --fields Account.AnnualRevenue --yes", 1)

    assert (seen["records"], seen["left_out"]) == ({"Account": len(before) - 1}, 1)
    assert (done["mended"], done["held"], done["left_out"]) == (len(before) - 1, 0, 1)
    assert revenue(org) == {key: value + (key != edited) for key, value in before.items()}


def test_a_condition_chooses_among_the_records(org: Orgs) -> None:
    before = revenue(org)
    plan(org, REVENUE, "      AnnualRevenue: AnnualRevenue * 1000\n")

    org.must("plan accept --as Ada --reason thousands")  # the condition leaves a part to the next load
    seen = org.run("repair --fields Account.AnnualRevenue --where AnnualRevenue>20000 --dry-run")
    done = org.run("repair --fields Account.AnnualRevenue --where AnnualRevenue>20000 --yes", 0)

    chosen = {key for key, value in before.items() if value > 20}
    assert seen["records"] == {"Account": len(chosen)}
    assert done["mended"] == len(chosen)
    assert revenue(org) == {key: v * 1000 if key in chosen else v for key, v in before.items()}
    # The rest is another repair's, compared with the plan before, or what the next load brings.
    org.run("repair --fields Account.AnnualRevenue --yes", 2)
    again = "repair --fields Account.AnnualRevenue --where AnnualRevenue>10000 --yes"
    more = org.run(f"{again} --from {done['old'][:12]}", 0)
    assert (more["mended"], more["kept"]) == (10, len(chosen))
    org.run("load")
    assert revenue(org) == {key: value * 1000 for key, value in before.items()}


def test_a_reference_is_mended(org: Orgs) -> None:
    few = "CASE WHEN FirstName IS NULL THEN AccountId END"
    plan(org, "{from: AccountId, reference: Account}", f'{{from: "{few}", reference: Account}}')
    before = org.keyed("Contact")
    done = org.run("repair --fields Contact.AccountId --yes", 0)

    now = org.keyed("Contact")
    assert done["mended"] == sum(bool(row["FirstName"] and row["AccountId"]) for row in before.values())
    assert {key: row["AccountId"] for key, row in now.items()} == {
        key: None if row["FirstName"] else row["AccountId"] for key, row in before.items()
    }


def test_nobody_is_opted_in_and_no_stamp_of_a_new_record_is_touched(org: Orgs) -> None:
    plan(org, OPTED, "      HasOptedOutOfEmail: false\n", LEFT)
    writes = len(org.new.control.ndjson("/log?after=0"))

    assert (
        "would opt 9 people in" in org.run("repair --fields Contact.HasOptedOutOfEmail --yes", 2)["message"]
    )
    assert "only when a record is made" in org.run("repair --fields Account.CreatedDate --yes", 2)["message"]
    assert "where a record came from" in org.run("repair --fields Account.Old_Id__c --yes", 2)["message"]
    org.must("plan accept --as Ada --reason a-test")
    nobody = "repair --fields Contact.HasOptedOutOfEmail --where HasOptedOutOfEmail --yes"
    assert "No record that was loaded would change" in org.run(nobody, 2)["message"]
    assert "doesn't fill" in org.run("repair --fields Account.Fax --yes", 2)["message"]
    assert len(org.new.control.ndjson("/log?after=0")) == writes


def test_people_can_be_opted_out_later(org: Orgs) -> None:
    plan(org, OPTED, "      HasOptedOutOfEmail: true\n", LEFT)
    org.run("repair --fields Contact.HasOptedOutOfEmail --yes", 0)
    assert all(row["HasOptedOutOfEmail"] for row in org.keyed("Contact").values())
