"""Nobody who said no can be written to: struck while it loads, rolled back, loaded again. A small version.

`python -m tests.proofs history --only consent-missing` shows it at full size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.lanes import Lane
from tests.proofs.claims import Ground, Line
from tests.proofs.history_consent import (
    CLAIMS,
    Nos,
    company,
    folder,
    missing,
    opted_in,
    out,
    reachable,
    seeded,
    struck,
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Line]:
    return {line.id: line for line in company(Ground(Path(tmp_path_factory.mktemp("consent"))), 120, 10)}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_small_company_keeps_its_opt_outs(lines: dict[str, Line], claim: str) -> None:
    line = lines[claim]
    assert line.ok, (line.figure, line.told[:10])
    assert line.n


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    """Forty people who said no, brought to the point before the load; a call takes one address."""
    seed, nos = seeded(40, 4)
    with Lane(
        tmp_path / "lane", seed, folder=folder(tmp_path / "plan"), options={"consent_batch": False}
    ) as made:
        made.must("discover", "check", "prepare", "extract", "transform")
        made.nos = nos  # type: ignore[attr-defined]
        yield made


def nos_of(lane: Lane) -> Nos:
    return lane.nos  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("do", "times"),
    [
        ({"kind": "drop", "at": "after_commit"}, 3),
        pytest.param(*({"kind": "drop", "at": "before_commit"}, 3), marks=pytest.mark.slow),
        ({"kind": "status", "status": 429, "retry_after": 1}, 3),
        pytest.param(*({"kind": "status", "status": 500}, 2), marks=pytest.mark.slow),
        pytest.param(*({"kind": "expire"}, 1), marks=pytest.mark.slow),
        ({"kind": "late_commit", "seconds": 5}, 1),
    ],
    ids=["lost reply", "lost call", "throttled", "failed", "expired", "late"],
)
def test_whatever_becomes_of_a_call_the_opt_out_is_there_and_asked_for_once(
    lane: Lane, do: dict[str, Any], times: int
) -> None:
    lane.fault(do, method="POST", path="/communication-preferences/.*/statuses/", nth=3, times=times)
    said = lane.run("load")
    if do["kind"] == "expire":  # a private app's token can't be renewed: a person sees to it
        assert said.code == 3
        said = lane.run("load")
    assert said.code in (0, 1), said.err[-2000:]
    assert lane.hits()
    lane.settle()
    assert missing(lane.hubspot, nos_of(lane)) == []
    assert opted_in(lane.hubspot) == []
    assert reachable(lane.hubspot, nos_of(lane)) == []


def test_a_dry_run_counts_the_opt_outs_and_a_second_load_sends_none(lane: Lane) -> None:
    foreseen = lane.must("load --dry-run")[0].document["consent"]["would opt_out"]
    made = lane.must("load")[0].document["consent"]
    assert foreseen == made["opt_out"] == len(out(lane.hubspot))
    last = lane.last_request()
    assert lane.must("load", codes=(0,))[0].document["consent"] == {}
    assert [r for r in lane.requests(last) if "communication-preferences" in r["path"]] == []


def test_what_stood_there_before_is_neither_written_nor_counted_as_ours(lane: Lane) -> None:
    address, _ = min(each for each in nos_of(lane).addresses if each[1] == "*")
    lane.hubspot.control.post("/act", {"do": "unsubscribe", "object": "consent", "id": address})
    made = lane.must("load")[0].document["consent"]
    assert made["unchanged"] >= 1
    plan = lane.must("rollback plan")[0].document
    (stays,) = [each["count"] for each in plan["groups"] if each["object"] == "consent"]
    assert stays == made["opt_out"]


def test_nobody_is_created_whose_opt_out_the_target_refuses(lane: Lane) -> None:
    address = min(a for a, kind in nos_of(lane).addresses if kind == "*" and a.startswith("pat."))
    path = "/statuses/" + address.replace("@", "(@|%40)") + "/unsubscribe-all"
    lane.fault({"kind": "status", "status": 400}, method="POST", path=path, times=None)
    said = lane.run("load")
    assert said.code == 1, said.err[-2000:]
    assert (said.document["consent"]["refused"], sum(said.document["blocked"].values())) == (1, 1)
    contacts = lane.hubspot.control.ndjson("/truth/contacts")
    assert address not in {row["properties"].get("email") for row in contacts}
    (letters,) = lane.must("dead-letters list")[0].document["groups"]
    assert (letters["object"], letters["kind"], letters["count"]) == ("consent", "consent", 1)

    lane.hubspot.control.delete("/faults")
    again = lane.must("load", codes=(0,))[0].document
    assert (again["consent"]["opt_out"], again["refused"]) == (1, 0)
    assert missing(lane.hubspot, nos_of(lane)) == []
    assert reachable(lane.hubspot, nos_of(lane)) == []


def test_a_rollback_after_a_kill_counts_what_landed_and_leaves_it(lane: Lane) -> None:
    assert struck(lane, "/unsubscribe-all$", "after_commit")
    lane.calm()
    landed = out(lane.hubspot)
    assert landed
    lane.must("rollback run --yes")
    verified = lane.must("rollback verify")[0].document
    (stay,) = [each["count"] for each in verified["residue"] if each["what"].startswith("consent:")]
    assert (verified["verdict"], stay, out(lane.hubspot)) == ("pass", len(landed), landed)


BACK = """version: 1
source: {system: legacy, type: hubspot, credentials: "env:LEGACY_"}
target: {system: new, type: salesforce, credentials: "env:NEW_", share: 0.8}
objects:
  - source: contacts
    target: Contact
    key: {field: Migration_Key__c}
    fields:
      LastName: lastname
      Email: email
      HasOptedOutOfEmail: coalesce(hs_email_optout, false) OR coalesce(hs_email_optout_29873401, false)
consent:
  - source: contacts
    opted_out: coalesce(hs_email_optout, false) OR coalesce(hs_email_optout_29873401, false)
    field: HasOptedOutOfEmail
  - {source: contacts, opted_out: hs_email_optout_29873402, leave: Service mails don't come from Salesforce}
  - {source: contacts, opted_out: hs_email_optout_29873403, leave: Sales mails are written by people}
  - {source: contacts, opted_out: hs_email_hard_bounce_reason_enum IS NOT NULL, leave: Found anew}
"""


def test_the_way_back_keeps_a_no_in_the_contacts_flag_and_never_takes_it_back(tmp_path: Path) -> None:
    base, _ = seeded(8, 0)
    people = [{"properties": {"lastname": f"N{n}", "email": f"n{n}@x.test"}} for n in range(6)]
    noes = [{"address": "n0@x.test"}, {"address": "n1@x.test", "subscription": "29873401"}]
    salesforce = {**base.salesforce, "records": {"User": base.salesforce["records"]["User"]}}
    hubspot = {**base.hubspot, "records": {"contacts": people}, "consent": noes}
    seed = replace(base, salesforce=salesforce, hubspot=hubspot)
    plan = tmp_path / "plan"
    plan.mkdir()
    (plan / "plan.yaml").write_text(BACK)
    with Lane(tmp_path / "lane", seed, folder=plan, back=True) as lane:
        lane.must("discover", "check", "prepare", "extract", "transform", "load")

        def flags() -> dict[str, bool]:
            rows = lane.salesforce.control.ndjson("/truth/Contact")
            return {row["Email"]: row["HasOptedOutOfEmail"] for row in rows if not row["IsDeleted"]}

        assert {email for email, no in flags().items() if no} == {"n0@x.test", "n1@x.test"}
        results = {each["id"]: each["verdict"] for each in lane.run("validate").document["results"]}
        assert results["consent.contacts"] == "pass"

        # One opts in again in the old system, another opts out in the new one: both noes stay.
        lane.hubspot.control.post("/act", {"do": "subscribe", "object": "consent", "id": "n0@x.test"})
        lane.hubspot.control.post(
            "/act", {"do": "subscribe", "object": "consent", "id": "n0@x.test", "subscription": "29873401"}
        )
        (other,) = [
            r["Id"] for r in lane.salesforce.control.ndjson("/truth/Contact") if r["Email"] == "n3@x.test"
        ]
        lane.salesforce.control.post(
            "/act", {"do": "update", "object": "Contact", "id": other, "fields": {"HasOptedOutOfEmail": True}}
        )
        for number in (0, 3):
            where = {"do": "update", "object": "contacts", "fields": {"lastname": f"New {number}"}}
            (id,) = [r["id"] for r in lane.hubspot.control.ndjson("/truth/contacts")
                     if r["properties"]["email"] == f"n{number}@x.test"]  # fmt: skip
            lane.hubspot.control.post("/act", {**where, "id": id})
        lane.must("extract --since-watermark", "transform", "load")
        assert {email for email, no in flags().items() if no} == {"n0@x.test", "n1@x.test", "n3@x.test"}


OBJECTS_BACK = """version: 1
source: {system: legacy, type: hubspot, credentials: "env:LEGACY_"}
target: {system: new, type: salesforce, credentials: "env:NEW_", share: 0.8}
objects:
  - source: contacts
    part: person
    target: Individual
    key: {field: Migration_Key__c}
    fields: {LastName: lastname}
  - source: contacts
    part: consent
    target: ContactPointTypeConsent
    key: {field: Migration_Key__c}
    fields:
      Name: email
      PartyId: {from: _id, reference: contacts~person}
      ContactPointType: "'Email'"
      PrivacyConsentStatus: CASE WHEN hs_email_optout THEN 'OptOut' ELSE 'OptIn' END
      CaptureSource: "'HubSpot'"
consent:
  - {source: contacts, opted_out: hs_email_optout, field: PrivacyConsentStatus}
  - {source: contacts, leave: Only the opt-out of everything goes along,
     opted_out: hs_email_optout_29873401 OR hs_email_optout_29873402 OR hs_email_optout_29873403}
"""


def test_a_no_becomes_an_object_of_consent_and_a_yes_of_the_plan_is_never_written(tmp_path: Path) -> None:
    base, _ = seeded(8, 0)
    people = [{"properties": {"lastname": f"N{n}", "email": f"n{n}@x.test"}} for n in range(4)]
    salesforce = {**base.salesforce, "records": {"User": base.salesforce["records"]["User"]}}
    salesforce["settings"] = {"data_privacy": True}
    hubspot = {**base.hubspot, "records": {"contacts": people}, "consent": [{"address": "n0@x.test"}]}
    plan = tmp_path / "plan"
    plan.mkdir()
    (plan / "plan.yaml").write_text(OBJECTS_BACK)
    seed = replace(base, salesforce=salesforce, hubspot=hubspot)
    with Lane(tmp_path / "lane", seed, folder=plan, back=True) as lane:
        lane.must("discover", "check", "prepare", "extract", "transform", "load")
        rows = lane.salesforce.control.ndjson("/truth/ContactPointTypeConsent")
        found = {row["Name"]: row["PrivacyConsentStatus"] for row in rows if not row["IsDeleted"]}
        assert found == {"n0@x.test": "OptOut", **{f"n{n}@x.test": "NotSeen" for n in (1, 2, 3)}}
        assert len({row["PartyId"] for row in rows}) == 4
        results = {each["id"]: each["verdict"] for each in lane.run("validate").document["results"]}
        assert results["consent.contacts"] == "pass"
