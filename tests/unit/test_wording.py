"""Does the report speak to people, and never say more than is so?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrate_validators.wording import share, span, told, without_folders

from tests.unit.planning import field

FIELDS = {"dealstage": field("dealstage", label="Deal Stage")}


@pytest.mark.parametrize(
    ("count", "of", "words"),
    [
        (8800, 8800, "100 %"),
        (8799, 8800, "99.9 %"),
        (9_999_999, 10_000_000, "99.9 %"),
        (1, 10_000_000, "under 0.1 %"),
        (0, 10, "0.0 %"),
        (2, 3, "66.6 %"),
        (0, 0, "–"),
    ],
)
def test_a_share_is_cut_and_never_rounded_up(count: int, of: int, words: str) -> None:
    assert share(count, of) == words


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_only_all_is_a_hundred_per_cent(count: int, more: int) -> None:
    assert not share(count, count + more).startswith("100")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("unmapped_picklist: dealstage = V", "a value has no home in the map: Deal Stage = V"),
        ("required: dealstage; no_owner: hubspot_owner_id = 5",
         "a value is missing that the target requires: Deal Stage; nobody in the target can own it: "
         "hubspot_owner_id = 5"),
        ("too_long", "a text is too long"),
        ("the vendor says: required", "the vendor says: required"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_words(reason: str, words: str) -> None:
    assert told(reason, FIELDS) == words


def test_a_message_keeps_the_files_name_and_loses_the_machines_folders() -> None:
    message = "no file `/home/ann/move/checks/rule.sql`, see https://example.com/a/b or '/srv/x y/z'"
    assert without_folders(message).startswith("no file `rule.sql`, see https://example.com/a/b")


def test_a_day_is_said_once() -> None:
    start, later, next_day = "2026-03-14T12:00:09Z", "2026-03-14T12:41:00Z", "2026-03-15T00:10:00Z"
    assert span(start, "2026-03-14T12:00:50Z") == "14 Mar 2026, 12:00 UTC"
    assert span(start, later) == "14 Mar 2026, 12:00 to 12:41 UTC"
    assert span(start, next_day) == "14 Mar 2026, 12:00 to 15 Mar 2026, 00:10 UTC"
