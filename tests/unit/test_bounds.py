"""Does a sample prove as much as the textbooks say, and never more?"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from migrate_validators.bounds import ALPHA, annex, at_most, bound, upper
from migrate_validators.model import Drawn, Result, Verdict


@pytest.mark.parametrize(
    ("looked", "differing", "known"),
    [
        (10, 0, "0.2589"),  # 1 - 0.05 ** (1 / 10)
        (100, 0, "0.0295"),  # near 3 / n, the rule of three
        (59, 0, "0.0495"),  # the least sample without a difference that proves below 5%
        (58, 0, "0.0503"),
        (10, 1, "0.3942"),
        (10, 2, "0.5069"),
        (50, 2, "0.1206"),
        (10, 10, "1"),
    ],
)
def test_the_binomial_bound_is_clopper_and_pearson_s(looked: int, differing: int, known: str) -> None:
    assert abs(upper(looked, differing) - Decimal(known)) < Decimal("0.00005")


def test_the_finite_bound_is_the_largest_number_that_five_percent_do_not_rule_out() -> None:
    found = bound(1_000, 100, 0)

    assert Fraction(comb(1_000 - found.most, 100), comb(1_000, 100)) > ALPHA
    assert Fraction(comb(1_000 - found.most - 1, 100), comb(1_000, 100)) <= ALPHA
    assert (found.most, found.share, found.exact) == (28, "2.80", True)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_finite_bound_is_what_counting_every_draw_gives(data: st.DataObject) -> None:
    population = data.draw(st.integers(2, 60))
    looked = data.draw(st.integers(1, population - 1))
    differing = data.draw(st.integers(0, looked))

    def likely(bad: int) -> Fraction:
        ways = sum(comb(bad, i) * comb(population - bad, looked - i) for i in range(differing + 1))
        return Fraction(ways, comb(population, looked))

    possible = range(differing, population - looked + differing + 1)
    assert all(at_most(population, bad, looked, differing) == likely(bad) for bad in possible)
    wanted = max((bad for bad in possible if likely(bad) > ALPHA), default=differing)
    assert bound(population, looked, differing).most == wanted


@pytest.mark.long
def test_large_populations_are_bounded_exactly_and_absurd_ones_by_the_binomial_law() -> None:
    assert bound(1_000_000, 100_000, 0).exact
    assert bound(1_000_000, 100_000, 0).most == 28
    rough = bound(1_000_000, 100_000, 10_000)
    assert not rough.exact
    assert 101_000 < rough.most < 102_000


def test_all_of_it_or_none_of_it_needs_no_law() -> None:
    assert bound(40, 40, 3).most == 3
    assert bound(40, 0, 0).most == 40
    with pytest.raises(ValueError, match="is no sample"):
        bound(10, 3, 4)


def sampled(**more: object) -> Result:
    base = {"id": "spot.Account", "check": "spot", "object": "Account", "title": "Top accounts",
            "verdict": Verdict.PASS, "summary": "", "compared": 120, "population": 1_020}  # fmt: skip
    return Result(**{**base, **more})  # type: ignore[arg-type]


def test_the_annex_says_it_in_words_for_the_random_part_alone() -> None:
    drawn = Drawn(1_000, 100, 0, "accounts", "12345.60", "EUR", "Drawn by a seed.")

    told, nothing = annex(
        [sampled(drawn=drawn), sampled(population=None), sampled(population=120), sampled()]
    )

    assert (nothing["most"], nothing["money"]) == (None, None)
    assert nothing["words"].endswith("nothing is proved of the others.")

    assert (told["most"], told["share"], told["money"]) == (
        28,
        "2.80",
        {"most": "12345.60", "currency": "EUR"},
    )
    assert told["words"].startswith(
        "100 of 1,000 accounts were drawn at random, and 0 of them differ. With 95%"
    )
    assert "no more than 12345.60 EUR hangs on them" in told["words"]
