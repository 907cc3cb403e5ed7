"""Old links, planted in texts of a source, and a judge of the target's texts: all rewritten or listed.

The judge knows nothing of how links are found or replaced: it remembers where each was planted, between
which words, and what should stand there now.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

AROUND = (
    ("see ", " for more"), ("<p>", "</p>"), ('<a href="', '">the old page</a>'), ("(", ")"), ("“", "”"),
    ("&lt;", "&gt;"), ("Ticket:", "."), ("\r\n", "\r\n\r\n"), ("日本語", "です"), ("[1]: ", ", then"),
    ("'", "'!"), ("🙂", "🙂"),
)  # fmt: skip
TAILS = ("", "", "", "?srPos=0&srKp=001", "#top", "/")


@dataclass(frozen=True)
class Planted:
    """One old link. `record`: (object, id) that it leads to; None: no record of the source."""

    place: int  # of the text
    url: str
    before: str
    after: str
    record: tuple[str, str] | None


def plant(
    number: int,
    texts: int,
    pages: Mapping[str, Sequence[str]],
    records: Sequence[tuple[str, str]],
    nowhere: Sequence[str],
    *,
    short: int = 0,
    seed: int = 1,
) -> tuple[list[str], list[Planted]]:
    """Texts with so many old links in them.

    Args:
        pages: patterns of a record's page with `{id}`, by source object.
        records: (object, id) that may be linked to, whether they are moved or not.
        nowhere: addresses of the old system that are no record's page.
        short: so many characters of an id are enough, and every second link has no more.
    """
    chance = random.Random(seed)  # noqa: S311 - the same texts for the same seed
    bodies = [[f"Text {place}: straße, ünïcode & <b>markup</b>; "] for place in range(texts)]
    planted = []
    for count in range(number):
        place = chance.randrange(texts)
        before, after = chance.choice(AROUND)
        before, after = f"{before}", f"{after} [{count}] "
        if nowhere and chance.random() < 0.1:
            record, url = None, chance.choice(nowhere)
        else:
            record = chance.choice(records)
            object, id = record
            given = id[:short] if short and count % 2 else id
            url = chance.choice(pages[object]).replace("{id}", given) + chance.choice(TAILS)
        planted.append(Planted(place, url, before, after, record))
        bodies[place].append(f"{before}{url}{after}")
    return ["".join([*each, "End."]) for each in bodies], planted


@dataclass(frozen=True)
class Judged:
    """What became of planted links. `lost`: neither rewritten nor listed; `harmed`: texts that differ."""

    rewritten: int
    listed: int
    lost: tuple[Planted, ...]
    harmed: tuple[int, ...]


def judge(
    texts: Sequence[str],
    now: Sequence[str | None],
    planted: Iterable[Planted],
    new: Callable[[tuple[str, str]], str | None],
    listed: Iterable[tuple[int, str]],
) -> Judged:
    """Compare the texts as they are in the target with what they should be.

    Args:
        now: the target's texts, in the order of `texts`.
        new: the new address of a source record, None where it isn't in the target.
        listed: (place, old address) of links that are reported as left.
    """
    wanted, told = list(texts), dict[tuple[int, str], int]()
    for place, url in listed:
        told[place, url] = told.get((place, url), 0) + 1
    rewritten, left, lost = 0, 0, list[Planted]()
    for each in planted:
        address = new(each.record) if each.record else None
        if address is not None:
            spot = f"{each.before}{each.url}{each.after}"
            assert spot in wanted[each.place]
            wanted[each.place] = wanted[each.place].replace(spot, f"{each.before}{address}{each.after}", 1)
            rewritten += 1
        elif told.get((each.place, each.url), 0) > 0:
            told[each.place, each.url] -= 1
            left += 1
        else:
            lost.append(each)
    harmed = tuple(
        place for place, (is_now, must) in enumerate(zip(now, wanted, strict=True)) if is_now != must
    )
    return Judged(rewritten, left, tuple(lost), harmed)
