"""What does a check hand over? A verdict, figures, and the rows behind them.

Plain data, so that the page, the JSON and the JUnit file say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Only `pass` and `warn` open a gate. `empty`: nothing was compared. `error`: the check itself failed."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    EMPTY = "empty"
    ERROR = "error"


SEVERITY = (Verdict.PASS, Verdict.WARN, Verdict.EMPTY, Verdict.FAIL, Verdict.ERROR)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; `empty` where there is none."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.EMPTY)


def many(count: int, noun: str) -> str:
    """A count with its noun: `1 link`, `2,000 links`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Decision:
    """Something that a person must decide or mend. `command`: what mends it, to be typed as it stands."""

    verdict: Verdict
    what: str
    owner: str = ""
    where: str = ""
    command: str = ""


@dataclass(frozen=True)
class Drawn:
    """The part of what was compared that was drawn at random, for what it proves of the rest (`bounds.py`).

    `things`: what was drawn. `worst`: what can hang on those that may still differ, as exact text.
    `rests_on`: how it was drawn, in a sentence.
    """

    population: int
    looked: int
    differing: int
    things: str = "rows"
    worst: str | None = None
    currency: str = ""
    rests_on: str = ""


@dataclass(frozen=True)
class Result:
    """One check of one object.

    `id`: `<check>.<object>`, what `migrate diff` takes. `title`: what was compared, for people. `summary`:
    one sentence. `compared`: how many things were compared; 0 is never a pass. `figures`: name to a whole
    number or a text (decimals are text, so that they stay exact). `tables`: small tables for the page: title,
    columns, rows. `rows`: path of the Parquet file with every differing row, below the report's folder;
    `sample`: the first of them; `grades`: how many of them weigh what (`fail`, `warn`, `known`).

    `listed`: everything that made it red is one of its rows; where it isn't, no tolerance and no waiver makes
    it less red. `population`: of how many things `compared` is a sample, for the reason `because`; None: all
    were compared. `drawn`: which part of it was random, where not all was. `allowed`: what the plan tolerates
    or a person waived of it, in words.
    """

    id: str
    check: str
    object: str
    title: str
    verdict: Verdict
    summary: str
    compared: int
    figures: dict[str, Any] = field(default_factory=dict)
    tolerance: str = "none"
    rows: str | None = None
    row_count: int = 0
    sample: tuple[dict[str, Any], ...] = ()
    tables: tuple[Table, ...] = ()
    decisions: tuple[Decision, ...] = ()
    seconds: float = 0.0
    grades: dict[str, int] = field(default_factory=dict)
    listed: bool = True
    population: int | None = None
    because: str = ""
    drawn: Drawn | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One part of the report's first screen, in its fixed order.

    `id`: `verdict`, `scope`, `money`, `accounts`, `notices`, `consent`, `people`, `way_back`, `lines`,
    `waivers`, `signatures`. `verdict` None: it isn't set up, which is amber and isn't a pass. `figures`,
    `tables`: as of a result. `facts`: whatever else the page draws from, as JSON takes it.
    """

    id: str
    title: str
    verdict: Verdict | None
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A small table for the page. Cells are text or whole numbers; `numeric`: right-aligned columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    numeric: tuple[str, ...] = ()
    note: str = ""
