"""Calls are counted by endpoint, without the ids in it."""

from __future__ import annotations

import pytest

from migrate.connector import CallCounts
from migrate.connector.calls import MOST, OTHER, endpoint


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/crm/v3/objects/contacts/123", "GET /crm/v3/objects/contacts/{id}"),
        ("https://host.test/crm/v3/objects/contacts?limit=1", "GET /crm/v3/objects/contacts"),
        (
            "/services/data/v66.0/sobjects/Account/0015g00000XyZAAAA1/x",
            "GET /services/data/v66.0/sobjects/Account/{id}/x",
        ),
        ("/services/data/v66.0/jobs/query/7505g00000AbCdE", "GET /services/data/v66.0/jobs/query/{id}"),
        ("/crm/v3/objects/communications/batch/read", "GET /crm/v3/objects/communications/batch/read"),
    ],
)
def test_an_endpoint_has_no_ids(path: str, told: str) -> None:
    assert endpoint("GET", path) == told


def test_errors_and_throttles_are_counted_and_endpoints_are_bounded() -> None:
    counts = CallCounts()
    for number in range(MOST + 5):
        counts.note("GET", f"/kind{number}x/list")
    counts.note("POST", "/kind1x/list", error=True)
    counts.note("GET", "/kind1x/list", throttled=True)
    assert len(counts.endpoints) == MOST + 1
    assert counts.endpoints[OTHER].calls == 6
    found = counts.endpoints["GET /kind1x/list"]
    assert (found.calls, found.throttled, found.errors) == (2, 1, 0)


def test_a_quota_once_told_stays_until_the_next_reply_tells() -> None:
    counts = CallCounts()
    counts.quota(90, 100)
    counts.quota(None, None)
    assert (counts.left, counts.most) == (90, 100)
