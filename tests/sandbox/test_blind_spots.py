"""Would we notice what our user can't see? Both sandboxes after a clean move, then with something hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.test_stages import LINE, Company, started

__all__ = ["started"]  # the fixture: a company of this module's own
LIVE = ("duplicates", "permissions", "second_route", "drift", "completeness", "counts")


@pytest.fixture
def company(started: Company, capsys: pytest.CaptureFixture[str]) -> Iterator[Company]:
    started.capsys = capsys
    for words in LINE:
        if words not in started.said:
            started.said[words] = started.run(words)
            assert started.said[words][0] in (0, 1), started.said[words]
    yield started
    started.salesforce.control.post("/seed", {"permissions": {"*": {"hidden": {"Account": []}}}})


def validated(company: Company, *checks: str) -> dict[str, dict[str, Any]]:
    words = " ".join(f"--only {one}" for one in checks)
    _, told = company.run(f"validate {words}")
    return {one["id"]: one for one in told["results"]}


def test_a_clean_move_has_no_blind_spot_and_nothing_is_red(company: Company) -> None:
    results = validated(company, *LIVE)

    red = {id: one["summary"] for id, one in results.items() if one["verdict"] not in ("pass", "warn")}
    assert not red, red
    told = {id: one["summary"] for id, one in results.items() if one["verdict"] != "pass"}
    assert not [id for id in told if id.startswith(("permissions", "drift", "second_route"))], told
    assert results["second_route.Opportunity"]["figures"]["sums compared"] > 1


def test_a_field_that_an_administrator_hides_from_our_user_is_found(company: Company) -> None:
    company.salesforce.control.post("/seed", {"permissions": {"*": {"hidden": {"Account": ["Phone"]}}}})

    results = validated(company, "permissions", "drift")

    assert results["permissions.Account"]["verdict"] == "fail"
    assert results["drift.Account"]["verdict"] == "fail"
    assert results["permissions.Opportunity"]["verdict"] == "pass"
