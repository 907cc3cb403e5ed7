"""Whatever happens to a write in Salesforce, and whenever the load is killed: nothing lost, nothing twice.

Judged by the org's own store: equal to the straight run by migration key, and no key twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.sandbox.orgs import Orgs, orgs

pytestmark = pytest.mark.long

OURS = ("Account", "Contact", "Pet__c")
VOLATILE = {"Id", "SystemModstamp", "LastModifiedDate", "LastModifiedById", "OwnerId"}
HOLDS = ("arrival", "before_commit", "after_commit", "half_reply")
FEW = [
    pytest.param(how, marks=() if how.endswith("commit") else pytest.mark.slow) for how in HOLDS
]  # the others are gone through with `-m slow`
slow = partial(pytest.param, marks=pytest.mark.slow)
NTH = [1, pytest.param(3, marks=pytest.mark.slow)]


def state(org: Orgs) -> dict[str, dict[str, dict[str, Any]]]:
    """What the org holds with our keys, without ids and stamps; references as keys."""
    rows = {object: org.keyed(object) for object in OURS}
    keys = {row["Id"]: key for each in rows.values() for key, row in each.items()}
    return {
        object: {
            key: {
                name: keys.get(value, value) if isinstance(value, str) else value
                for name, value in row.items()
                if name not in VOLATILE and (name != "CreatedDate" or value < "2026")
            }
            for key, row in each.items()
        }
        for object, each in rows.items()
    }


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orgs, dict[str, Any]]]:
    """An org before its load, saved as `ready`, and what the straight load leaves, saved as `loaded`."""
    with orgs(tmp_path_factory.mktemp("orgs")) as each:
        each.act("create", "Account", fields={"Name": "Firm 3 of old", "Site": "s3", "Phone": "1"})
        for words in ("discover", "check", "prepare --yes", "extract", "transform"):
            assert finished(each, words) in (0, 1)
        each.save("ready")
        assert finished(each, "load") == 0
        wanted = state(each)
        assert [len(wanted[name]) for name in OURS] == [30, 60, 2]
        each.save("loaded")
        yield each, wanted


def finished(org: Orgs, words: str) -> int:
    process = org.start(words)
    out, err = process.communicate(timeout=120)
    assert process.returncode < 100, (out.decode()[-2000:], err.decode()[-2000:])
    return process.returncode


@pytest.mark.parametrize(
    ("do", "codes"),
    [
        slow({"kind": "drop", "at": "arrival"}, (0,)),
        ({"kind": "drop", "at": "after_commit"}, (0,)),
        slow({"kind": "drop", "at": "half_reply", "reset": True}, (0,)),
        ({"kind": "late_commit", "seconds": 3}, (0,)),
        ({"kind": "status", "status": 503, "html": True}, (0,)),
        slow({"kind": "status", "status": 500}, (0,)),
        ({"kind": "status", "status": 429}, (3,)),  # the daily quota: parked, no dead letters
        ({"kind": "expire"}, (0,)),
        ({"kind": "partial", "rows": [0, 3]}, (0,)),  # rows that couldn't be locked
        slow({"kind": "garbage", "body": "[]", "status": 200}, (0,)),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("nth", NTH)
def test_a_load_through_a_fault_ends_as_the_straight_one(
    started: tuple[Orgs, dict[str, Any]], do: dict[str, Any], codes: tuple[int, ...], nth: int
) -> None:
    org, wanted = started
    org.restore("ready")
    org.fault(do, method="POST", path="composite/sobjects$", nth=nth)
    assert finished(org, "load") in codes
    assert sum(each["hits"] for each in org.new.control.get("/faults")) == 1
    org.new.control.delete("/faults")
    assert finished(org, "load") == 0
    assert state(org) == wanted


def killed(org: Orgs, words: str, how: str, **on: Any) -> None:
    """Start a command and kill it while the org holds that request."""
    then = "drop" if how == "arrival" else "proceed"
    org.new.control.post("/faults", [{"on": on, "do": {"kind": "hold", "at": how, "then": then}}])
    process = org.start(words)
    end = time.monotonic() + 60
    while not org.new.control.get("/health")["held"]:
        assert process.poll() is None, "it ended before the request that was to be held"
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    org.new.control.delete("/faults")
    while any(org.new.control.get("/health")[word] for word in ("underway", "held")):
        time.sleep(0.01)


@pytest.mark.parametrize("how", FEW)
@pytest.mark.parametrize("nth", NTH)
def test_a_load_killed_in_a_create_ends_as_the_straight_one(
    started: tuple[Orgs, dict[str, Any]], how: str, nth: int
) -> None:
    org, wanted = started
    org.restore("ready")
    killed(org, "load", how, method="POST", path="composite/sobjects$", nth=nth)
    assert finished(org, "load") == 0
    assert state(org) == wanted


@pytest.mark.parametrize("how", FEW)
def test_a_load_killed_in_an_adoption_ends_as_the_straight_one(
    started: tuple[Orgs, dict[str, Any]], how: str
) -> None:
    org, wanted = started
    org.restore("ready")
    killed(org, "load", how, method="PATCH", path="composite/sobjects$")
    assert finished(org, "load") == 0
    assert state(org) == wanted


@pytest.mark.parametrize(
    ("method", "how"),
    [
        slow(method, how) if (method, how) not in {("DELETE", "after_commit"), ("PATCH", "before_commit")}
        else (method, how)
        for method in ("DELETE", "PATCH") for how in HOLDS
    ],
)  # fmt: skip
def test_a_rollback_killed_in_a_call_ends_with_the_org_as_it_was(
    started: tuple[Orgs, dict[str, Any]], how: str, method: str
) -> None:
    org, _ = started
    org.restore("loaded")
    killed(org, "rollback run --yes", how, method=method, path="composite/sobjects$")
    assert finished(org, "rollback run --yes") == 0
    assert finished(org, "rollback verify") == 0
    assert [(row["Name"], row["Phone"]) for row in org.rows("Account")] == [("Firm 3 of old", "1")]
    assert org.rows("Contact") == org.rows("Pet__c") == []


def test_a_prepare_killed_after_a_field_was_made_makes_it_seen_when_it_is_run_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with orgs(tmp_path_factory.mktemp("orgs")) as org:
        assert finished(org, "discover") == 0
        killed(org, "prepare --yes", "after_commit", method="POST", path="Soap/m", nth=4)
        assert finished(org, "prepare --yes") == 0
        for words in ("extract", "transform", "load"):
            assert finished(org, words) == 0
        assert [len(org.keyed(name)) for name in OURS] == [30, 60, 2]
