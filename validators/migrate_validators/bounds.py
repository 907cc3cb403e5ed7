"""What does a sample prove? The most that can still differ in what was not looked at, with 95% confidence.

Of `population` things `looked` were drawn at random, none put back, and `differing` of them differ. Then at
most D of all differ, where D is the largest number under which so few differing ones in the sample are still
likelier than 5%: the hypergeometric law, in whole numbers, with nothing rounded in our favour. Where
that is too much to count, the binomial law of Clopper and Pearson stands in, which allows for more.

Facts: Clopper and Pearson, Biometrika 26 (1934), 404-413; for a finite population Buonaccorsi, The American
Statistician 41 (1987), 215-218.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrate_validators.model import Result

ALPHA = Fraction(1, 20)
BITS = 40_000_000  # of whole numbers that one bound may cost; about a second


@dataclass(frozen=True)
class Bound:
    """`most`: so many of the population differ at most, those that were seen included. `exact`: by the
    hypergeometric law; else by the binomial one."""

    population: int
    looked: int
    differing: int
    most: int
    exact: bool

    @property
    def share(self) -> str:
        """The share of the population in per cent, rounded up to two digits behind the point."""
        if not self.population:
            return "0.00"
        share = Decimal(self.most) * 100 / Decimal(self.population)
        return str(share.quantize(Decimal("0.01"), ROUND_CEILING))


def bound(population: int, looked: int, differing: int, alpha: Fraction = ALPHA) -> Bound:
    """How many of a population differ at most, by a simple random sample of it.

    Raises:
        ValueError: more were looked at than there are, or more differ than were looked at.
    """
    if not 0 <= differing <= looked <= population:
        raise ValueError(f"{differing} of {looked} of {population} is no sample.")
    if looked in (0, population):
        return Bound(population, looked, differing, population if not looked else differing, True)
    exact = _cost(population, looked, differing) <= BITS
    if exact:
        most = _finite(population, looked, differing, alpha)
    else:
        share = upper(looked, differing, alpha)
        most = min(
            int((share * population).to_integral_value(ROUND_CEILING)), population - looked + differing
        )
    return Bound(population, looked, differing, most, exact)


def _finite(population: int, looked: int, differing: int, alpha: Fraction) -> int:
    low, high = differing, population - looked + differing  # the first is surely possible
    while low < high:
        middle = (low + high + 1) // 2
        if at_most(population, middle, looked, differing) > alpha:
            low = middle
        else:
            high = middle - 1
    return low


def at_most(population: int, bad: int, looked: int, differing: int) -> Fraction:
    """How likely it is to draw at most `differing` of `bad` ones among `looked` out of `population`."""
    drawn, marked = (looked, bad) if looked <= bad else (bad, looked)  # the same either way, and cheaper
    first = max(0, drawn + marked - population)
    if first > differing:
        return Fraction(0)
    term = comb(marked, first) * comb(population - marked, drawn - first)
    total = term
    for i in range(first, min(differing, drawn, marked)):
        term = term * (marked - i) * (drawn - i) // ((i + 1) * (population - marked - drawn + i + 1))
        total += term
    return Fraction(total, comb(population, drawn))


def _cost(population: int, looked: int, differing: int) -> int:
    """About how many bits of whole numbers a bound takes: their length, terms and steps."""
    likely = min(population, (differing + 3) * population * 3 // looked)
    return min(looked, likely) * population.bit_length() * (differing + 2) * population.bit_length()


def upper(looked: int, differing: int, alpha: Fraction = ALPHA) -> Decimal:
    """The upper end of Clopper and Pearson's one-sided interval: a share, rounded up at its 12th digit."""
    if differing >= looked:
        return Decimal(1)
    with localcontext() as context:
        context.prec = 50
        level = Decimal(alpha.numerator) / Decimal(alpha.denominator)
        low, high = Decimal(differing) / looked, Decimal(1)
        while high - low > Decimal(10) ** -13:
            middle = (low + high) / 2
            if _binomial(looked, middle, differing) > level:
                low = middle
            else:
                high = middle
        return high.quantize(Decimal(10) ** -12, ROUND_CEILING)


def _binomial(looked: int, share: Decimal, differing: int) -> Decimal:
    """How likely at most `differing` are, where each is bad with this share."""
    if share >= 1:
        return Decimal(0)
    rest = 1 - share
    term = rest**looked
    total = term
    for i in range(differing):
        term = term * (looked - i) / (i + 1) * share / rest
        total += term
    return total


def annex(results: Iterable[Result]) -> list[dict[str, Any]]:
    """What each result that looked at a part proves, and on what that rests; nothing, if it wasn't random."""
    return [
        _told(each) for each in results if each.population is not None and each.population > each.compared
    ]


def _told(result: Result) -> dict[str, Any]:
    drawn = result.drawn
    facts = {"result": result.id, "title": result.title, "because": result.because, "confidence": "95%"}
    if drawn is None:
        words = (
            f"{result.compared:,} of {result.population:,} were looked at, and none of them drawn at random: "
            "nothing is proved of the others."
        )
        nothing = dict.fromkeys(("most", "share", "law", "money"))
        return facts | nothing | {
            "population": result.population, "looked": 0, "differing": 0, "words": words, "rests_on": "",
        }  # fmt: skip
    found = bound(drawn.population, drawn.looked, drawn.differing)
    words = (
        f"{drawn.looked:,} of {drawn.population:,} {drawn.things} were drawn at random, and "
        f"{drawn.differing:,} of them differ. With 95% confidence at most {found.most:,} of all "
        f"{drawn.population:,} differ ({found.share}%)"
    )
    if drawn.worst is not None:
        words += (
            f", and no more than {drawn.worst} {drawn.currency}".rstrip()
            + " hangs on them: as much as the most valuable so many that weren't looked at are worth together"
        )
    return facts | {
        "population": drawn.population, "looked": drawn.looked, "differing": drawn.differing,
        "most": found.most, "share": found.share,
        "law": "hypergeometric" if found.exact else "Clopper and Pearson (binomial)",
        "money": {"most": drawn.worst, "currency": drawn.currency} if drawn.worst else None,
        "words": f"{words}.", "rests_on": drawn.rests_on,
    }  # fmt: skip
