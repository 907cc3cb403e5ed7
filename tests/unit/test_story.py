"""The report's first sentence claims no more, and no less, than the checks have shown."""

from __future__ import annotations

import pytest
from migrate_validators.model import Result, Verdict
from migrate_validators.story import headline

FLOW = {"source": "Account", "unexplained": 0, "rejected": 0, "extracted": 3}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.PASS, "All money that moved agrees to the last digit."),
        (Verdict.FAIL, "Money differs; see below."),
        (Verdict.ERROR, "Money was not compared; see below."),
        (Verdict.EMPTY, ""),
    ],
)
def test_the_sentence_about_money_is_that_of_its_check(verdict: Verdict, words: str) -> None:
    sums = Result("sums.Account", "sums", "Account", "Money", verdict, "", 0)
    _, told = headline(verdict, [FLOW], [sums])
    assert told == f"Every record is accounted for. {words}".rstrip()
