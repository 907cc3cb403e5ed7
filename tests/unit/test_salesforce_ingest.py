"""Rows of a bulk job say in CSV what they say in JSON, or aren't in it; its errors keep the org's words."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate.connector import Write
from migrate.connectors.salesforce.ingest import LONGEST_CELL, NULL, failed, rows_csv

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40) | st.just(
    NULL
)


@given(st.lists(st.fixed_dictionaries({"A": st.none() | TEXTS, "B": TEXTS}), max_size=5))
def test_a_row_comes_out_of_the_csv_as_it_went_in_or_isnt_there(rows: list[dict[str, str | None]]) -> None:
    writes = [Write(f"k{n}", values={"Key__c": f"k{n}", **values}) for n, values in enumerate(rows)]
    text = rows_csv(writes, "Key__c").decode()
    found = {row["Key__c"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    for number, values in enumerate(rows):
        if NULL in values.values():
            assert f"k{number}" not in found  # it would empty the field
        else:
            there = found[f"k{number}"]
            assert {name: there[name] for name in values} == {n: v or "" for n, v in values.items()}


def test_a_text_that_is_longer_than_a_cell_may_be_is_left_to_plain_calls() -> None:
    writes = [Write("k", values={"Key__c": "k", "A": "x" * n}) for n in (LONGEST_CELL, LONGEST_CELL + 1)]
    assert rows_csv(writes, "Key__c").count(b"\n") == 2  # the header and one row


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --", "refused",
         "Required fields are missing: [LastName]"),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION:Ratio 1:2 is wrong:Ratio__c --", "refused",
         "Ratio 1:2 is wrong (Ratio__c)"),
        ("DUPLICATE_VALUE:duplicate value found: K__c duplicates value on record with id: 0035g00000AAAAA:--",
         "conflict", "duplicate value found: K__c duplicates value on record with id: 0035g00000AAAAA"),
        ("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", "unsaid",
         "unable to obtain exclusive access to this record"),
        ("DUPLICATES_DETECTED:Use one of these records?:--", "unsaid", "Use one of these records?"),
    ],
)  # fmt: skip
def test_an_error_of_a_row_keeps_its_code_and_words(text: str, status: str, reason: str) -> None:
    found = failed(3, Write("k"), text)
    assert (found.index, found.status, found.code, found.reason) == (
        3,
        status,
        text.partition(":")[0],
        reason,
    )
